//! Opens everything that the tasks share, and brings it in line with what an interrupted run left, before any of them
//! starts. What is opened here is opened in this order for a reason: nothing is taken in before the log can tell of it.
//! Starts no task.

use std::sync::Arc;

use anyhow::Context;

use super::backups::backups;
use super::changes::in_force;
use super::fence::superseded;
use super::{Parts, database, policy};
use crate::access::Access;
use crate::casework::apply::Clerk;
use crate::casework::judge::Judge;
use crate::command::anchor::Anchor;
use crate::command::coverage::allowed;
use crate::command::desk::Desk;
use crate::command::oversight::OversightRules;
use crate::command::pulls::PullOrders;
use crate::command::witness::Witness;
use crate::command::{destinations, rotate, sm2};
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::FileSigner;
use crate::deliver::fence::{Fence, Fenced};
use crate::deliver::footage::Reach;
use crate::deliver::post::Poster;
use crate::deliver::stops::{Stoppable, Stops};
use crate::deliver::welcome::Welcome;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ports::{Clock, Destination, MediaProbe, SecondSigner, Signer};
use crate::domain::record::Field;
use crate::intake::{GivingBack, Intake, IntakeOptions, recover};
use crate::media::WorkerProbe;
use crate::runtime::board::Board;
use crate::runtime::clock::SystemClock;
use crate::runtime::health::Health;
use crate::runtime::metrics::Metrics;
use crate::source::profile::Profiles;
use crate::store::Store;
use crate::vault::{CopyOptions, Vault};

/// Clips whose labels are settled in one transaction at the first start of this version.
const LABELS_AT_ONCE: u32 = 500;

/// Opens everything and brings it in line with what an interrupted run left. Blocks.
pub(super) fn open(settings: Settings) -> anyhow::Result<Parts> {
    let clock: Arc<dyn Clock> = SystemClock::new();
    let state = &settings.station.state_dir;
    let vault = Vault::open(&settings.vault.dir)?;
    std::fs::create_dir_all(&settings.folder_source.dir)
        .with_context(|| format!("the docking folder {} cannot be made", settings.folder_source.dir.display()))?;
    let store = Store::open(&database(&settings), &settings.station.id, Arc::clone(&clock))?;
    let (epoch, later) = store.read_blocking(|r| Ok((r.epoch()?, r.superseded_by()?)))?;
    if let Some(later) = later {
        anyhow::bail!(superseded(&settings, epoch, later));
    }
    // A change of keys that was cut off comes to its end, or is as if it had not begun.
    rotate::settle(state, &settings.station.id, &store)?;
    sm2::settle(state, &settings.station.id, &store)?;
    let (key_path, name) = (state.join("log.key"), key_name(&settings.station.id));
    let signer: Arc<dyn Signer> = Arc::new(match &settings.custody.key {
        Some(key) => FileSigner::open_credential(&key.path, &key.sealed, &key_path, &name)?,
        None => FileSigner::open_or_create(&key_path, &name)?,
    });
    let second = sm2::open(&settings, &store)?.map(|second| second as Arc<dyn SecondSigner>);
    let names: Vec<String> = settings.destinations.iter().map(|d| d.name.to_string()).collect();
    let anchor = Arc::new(Anchor {
        store: store.clone(),
        station: settings.station.id.clone(),
        signer,
        second,
        clock: Arc::clone(&clock),
        destinations: names.clone(),
        every_ms: settings.custody.checkpoint_interval.as_millis() as i64,
    });
    anchor.open_epoch()?;
    anchor.tell_protection()?;
    anchor.tell_sm2()?;
    let config_digest = settings
        .file
        .as_ref()
        .and_then(|f| std::fs::read(f).ok())
        .map(|bytes| blake3::hash(&bytes).to_hex().to_string());
    let profiles = match &settings.folder_source.profiles_dir {
        Some(dir) => Profiles::load_dir(dir)?,
        None => Profiles::embedded()?,
    };
    let key = store.write_blocking(|tx| tx.settings_key())?;
    let in_force = in_force(&settings, &profiles, &key)?;
    let deliveries: Vec<(String, bool)> =
        settings.destinations.iter().map(|d| (d.name.to_string(), d.required)).collect();
    {
        let deliveries = deliveries.clone();
        let started = Draft::daemon(EventKind::Started)
            .fact("version", env!("CARGO_PKG_VERSION"))
            .fact("config_blake3", config_digest.unwrap_or_else(|| "embedded defaults".to_owned()));
        store.write_blocking(move |tx| {
            tx.log(&started)?;
            tx.tell_settings(&in_force)?;
            tx.configure(&deliveries)?;
            // What waited for a person waits no longer: starting again is such an act.
            tx.retry(None, Draft::daemon(EventKind::Retried))?;
            Ok(())
        })?;
    }
    let stops = Stops::default();
    stops.set(store.read_blocking(|r| r.isolated_clips())?);
    let fence = Fence::new(settings.station.id.clone(), epoch);
    let mut remotes = Vec::new();
    for written in &settings.destinations {
        let name = written.name.to_string();
        let used = store.read_blocking(move |r| r.stored_at(&name))?;
        let inner = destinations::make(&settings, written, used, Some(Arc::new(store.clone())))?;
        let fenced: Arc<dyn Destination> = Arc::new(Fenced::new(inner, fence.clone(), Arc::clone(&clock)));
        remotes.push(Stoppable::around(fenced, stops.clone()));
    }
    let backups = backups(&settings, &store, &anchor, &remotes);
    let board = Board::default();
    let (_, disk) = vault.space()?;
    let options = IntakeOptions {
        copy: CopyOptions {
            durable_every_bytes: settings.vault.checkpoint_bytes,
            reserve_bytes: settings.vault.reserve.bytes(disk),
            sm3: settings.custody.sm3,
        },
        still_after_ms: settings.folder_source.still_after.as_millis() as i64,
        look_every_ms: settings.folder_source.poll.as_millis() as u64,
        deliveries,
        instant: settings.upload.instant,
    };
    let intake =
        Intake::new(store.clone(), vault.clone(), board.clone(), Arc::clone(&clock), Arc::new(profiles), options);
    let over_intents = Arc::clone(&anchor);
    let giving_back = GivingBack::new(&settings.erase, move || over_intents.sign_now_blocking().map(|_| ()));
    let intake = intake.giving_back(giving_back);
    let recovered = recover(&intake)?;
    if recovered.adopted + recovered.resumable + recovered.swept > 0 {
        tracing::info!(
            adopted = recovered.adopted,
            resumable = recovered.resumable,
            swept = recovered.swept,
            "an earlier run was interrupted; nothing was lost"
        );
    }
    let rule = settings.casework.number_rule()?;
    let policy = policy(&settings);
    let casework = &settings.casework;
    let defaults = [(Field::Place, &casework.default_place), (Field::Proves, &casework.default_proves)]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value.clone()?)))
        .chain([(Field::Sensitivity, casework.default_sensitivity.as_str().to_owned())])
        .collect();
    let judge = Judge::new(rule.clone(), &policy, defaults, casework.linking.clone());
    let clerk =
        Clerk { store: store.clone(), judge, policy: policy.clone(), destinations: names, clock: Arc::clone(&clock) };
    let access =
        Access::open(store.clone(), Arc::clone(&clock), settings.station.zone.clone(), settings.access.clone())?;
    // Labels of clips that were there before lists were narrowed by them.
    while store.write_blocking(|tx| tx.index_labels(LABELS_AT_ONCE))? > 0 {}
    let desk = Arc::new(Desk {
        outing_gap_ms: casework.linking.outing_gap.as_millis() as i64,
        store: store.clone(),
        vault: vault.clone(),
        rule,
        policy,
        clock: Arc::clone(&clock),
        anchor: Arc::clone(&anchor),
        remotes: remotes.clone(),
        board: board.clone(),
        streams: settings.streams.clone(),
        pulls: PullOrders::default(),
        backups: backups.clone(),
        witnessed: settings
            .custody
            .witnessed
            .iter()
            .map(|key| key.parse().with_context(|| format!("[[custody.witness_of]] key {key:?} cannot be used")))
            .collect::<anyhow::Result<_>>()?,
        access,
        second_person: settings.export.second_person,
        keeping: settings.keeping.clone(),
        unlinked_ms: settings.retention.rule.unlinked_ms,
        allowed: allowed(&settings.casework.coverage),
        trials: Arc::default(),
        verifications: Arc::default(),
        intake: intake.clone(),
        document_bytes: settings.documents.max_bytes,
        oversight: OversightRules {
            supervision: settings.supervision.clone(),
            allowed: allowed(&settings.casework.coverage),
        },
    });
    let reach = Reach {
        store: store.clone(),
        vault: vault.clone(),
        station: settings.station.id.clone(),
        remotes: remotes.clone(),
    };
    let witnesses =
        settings.custody.witnesses.iter().map(|w| Witness::new(w).map(Arc::new)).collect::<anyhow::Result<_>>()?;
    let authority = match &settings.custody.timestamp {
        None => None,
        Some(timestamp) => {
            let poster = Poster::new(&timestamp.url, timestamp.ca_file.as_deref())
                .context("[custody.timestamp] cannot be reached as configured")?;
            Some((Arc::new(poster), timestamp.every.as_millis() as i64))
        }
    };
    let probe: Arc<dyn MediaProbe> = Arc::new(WorkerProbe::new(state, settings.media.workers, settings.media.timeout));
    Ok(Parts {
        clock,
        store,
        vault,
        board,
        health: Health::default(),
        metrics: Metrics::new(),
        intake,
        probe,
        anchor,
        desk,
        welcomes: remotes.iter().map(|_| Welcome::default()).collect(),
        remotes,
        stops,
        reach,
        clerk,
        fence,
        backups,
        witnesses,
        authority,
        settings,
    })
}
