//! `evidock run`: the composition root. Puts the parts together, keeps them running, stops them in order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use super::anchor::Anchor;
use super::anchors;
use super::backup::task::Backups;
use super::coverage::allowed;
use super::deriving::{self, Deriving};
use super::desk::Desk;
use super::exit::Exit;
use super::export::Packed;
use super::export::job::Exports;
use super::oversight::OversightRules;
use super::pulls::{PullOrders, Pulls};
use super::witness::{self, Witness};
use super::{
    alarms, control, destinations, docks, document_watch, events, exchange, pulls, roster_watch, rotate, searching,
    sm2, streams, timestamps, usb, watched,
};
use crate::access::Access;
use crate::casework::apply::Clerk;
use crate::casework::judge::Judge;
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::FileSigner;
use crate::custody::note::VerifierKey;
use crate::custody::retired;
use crate::deliver::audit::{AuditOptions, Auditor};
use crate::deliver::dispose::Disposer;
use crate::deliver::elsewhere::Catalogues;
use crate::deliver::evict::Evictor;
use crate::deliver::fence::{Fence, Fenced, superseded_words};
use crate::deliver::footage::Reach;
use crate::deliver::locks::Locks;
use crate::deliver::mend::Mender;
use crate::deliver::pace::Ceilings;
use crate::deliver::post::Poster;
use crate::deliver::stops::{Stoppable, Stops};
use crate::deliver::tiles::Tiler;
use crate::deliver::uplink::{Uplink, UplinkOptions, UplinkParts};
use crate::deliver::welcome::Welcome;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::office::Todo;
use crate::domain::ports::{Clock, Destination, MediaProbe, SecondSigner, Signer};
use crate::domain::record::Field;
use crate::feedback::{self, Sight};
use crate::intake::{GivingBack, Intake, IntakeOptions, Prober, recover};
use crate::media::{Derivations, Maker, WorkerProbe};
use crate::notice;
use crate::runtime::board::Board;
use crate::runtime::clock::SystemClock;
use crate::runtime::health::Health;
use crate::runtime::heartbeat::{Heartbeat, Hearts};
use crate::runtime::lock::StateLock;
use crate::runtime::metrics::Metrics;
use crate::runtime::supervise::{Ended, OnFailure, Phase, Supervisor, TaskContext, TaskSpec};
use crate::runtime::{notify, task};
use crate::source::profile::Profiles;
use crate::store::{Change, Policy, Store};
use crate::vault::{CopyOptions, Vault};
use crate::web::bind::StationPages;
use crate::web::live::Live;
use crate::web::site::{Door, Site};

/// How long a phase may take to wind down.
const GRACE: Duration = Duration::from_secs(20);
/// A task that talks to a network may be silent this long (one part over a thin line).
const SLOW_BEAT: Duration = Duration::from_secs(15 * 60);

/// Destinations are asked so often whether this station goes on elsewhere, besides before each write.
const FENCE_LOOK_EVERY: Duration = Duration::from_secs(300);

/// The newest checkpoint's tiles are looked for so often.
const TILES_LOOK_EVERY: Duration = Duration::from_secs(5);
/// Nobody waits longer for what other stations have.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(8);
/// Clips whose labels are settled in one transaction at the first start of this version.
const LABELS_AT_ONCE: u32 = 500;

/// Where the database of a station stands.
pub fn database(settings: &Settings) -> PathBuf {
    settings.station.state_dir.join("evidock.db")
}

/// What of the configuration shows in records.
pub fn policy(settings: &Settings) -> Policy {
    Policy {
        station: settings.station.id.clone(),
        agency: settings.station.agency.clone(),
        operator: settings.station.operator.clone(),
        uri_prefix: settings
            .destinations
            .iter()
            .map(|d| (d.name.to_string(), destinations::uri_prefix(d)))
            .collect::<BTreeMap<_, _>>(),
        zone: settings.station.zone.clone(),
    }
}

/// Runs the daemon until a signal ends it.
pub fn run(settings: Settings) -> anyhow::Result<Exit> {
    super::begin_logging(&settings)?;
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    more_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("evidock")
        .build()
        .context("starting the async runtime")?;
    let exit = runtime.block_on(daemon(settings))?;
    // Blocking threads that hang on a dead mount must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(exit)
}

/// As many open files as the system allows us: guests of the page must not take those that intake needs. What is inherited
/// is kept low by default for programs that we are not (getrlimit(2), `select`).
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum
        && let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
    {
        tracing::warn!(error = %e, "the limit of open files stays as it was inherited");
    }
}

/// Everything that the tasks share.
struct Parts {
    settings: Settings,
    clock: Arc<dyn Clock>,
    store: Store,
    vault: Vault,
    board: Board,
    health: Health,
    metrics: Metrics,
    intake: Intake,
    probe: Arc<dyn MediaProbe>,
    anchor: Arc<Anchor>,
    desk: Arc<Desk>,
    remotes: Vec<Arc<dyn Destination>>,
    /// Whether each of them lets us in.
    welcomes: Vec<Welcome>,
    stops: Stops,
    reach: Reach,
    clerk: Clerk,
    fence: Fence,
    backups: Option<Arc<Backups>>,
    witnesses: Vec<Arc<Witness>>,
    authority: Option<(Arc<Poster>, i64)>,
}

async fn daemon(settings: Settings) -> anyhow::Result<Exit> {
    let state = settings.station.state_dir.clone();
    std::fs::create_dir_all(&state).with_context(|| {
        format!(
            "the state directory {} cannot be made; give another one with --state or [station] state_dir",
            state.display()
        )
    })?;
    let _lock = StateLock::acquire(&state)?;
    let parts = task::blocking("open", move || open(settings)).await??;
    let hearts = Hearts::default();
    let mut supervisor = Supervisor::new(hearts.clone(), parts.health.clone(), parts.metrics.clone());
    let parts = Arc::new(parts);

    let control_path = parts.settings.control_socket.clone();
    let listener = control::bind(&control_path)
        .with_context(|| format!("the control socket {} cannot be opened", control_path.display()))?;
    let web = crate::web::serve::bind(&parts.settings.web).await?;
    tracing::info!(page = web.url(), station = %parts.settings.station.id, "ready");

    start_sources(&mut supervisor, &parts);
    start_streams(&mut supervisor, &parts);
    start_pulls(&mut supervisor, &parts);
    start_work(&mut supervisor, &parts);
    start_keeping(&mut supervisor, &parts);
    start_doors(&mut supervisor, &parts, listener, web);
    {
        let (hearts, health) = (hearts.clone(), parts.health.clone());
        supervisor.start(TaskSpec::new("watchdog", Phase::Http, OnFailure::RESTART), move |context| {
            notify::run(context, hearts.clone(), health.clone())
        });
    }
    notify::ready();

    let ended = supervisor.wait(asked_to_stop()).await;
    notify::stopping(GRACE);
    tracing::info!(reason = ?ended, "stopping");
    let late = supervisor.stop(GRACE).await;
    let _ = std::fs::remove_file(&control_path);
    let store = parts.store.clone();
    let stopped = store.write(|tx| tx.log(&Draft::daemon(EventKind::Stopped))).await;
    if let Err(e) = stopped {
        tracing::warn!(error = %chain(&e), "the stop could not be logged");
    }
    if let Err(e) = parts.anchor.sign_now().await {
        tracing::warn!(error = %chain(&e), "the last checkpoint could not be signed");
    }
    task::blocking("close", move || store.close()).await?;
    if !late.is_empty() {
        tracing::warn!(tasks = ?late, "some tasks were dropped; the next start goes on where they were");
    }
    match ended {
        Ended::Asked => Ok(Exit::Ok),
        Ended::TaskFailed { task, why } => anyhow::bail!("{task} failed and the daemon stopped: {why}"),
    }
}

/// Opens everything and brings it in line with what an interrupted run left. Blocks.
fn open(settings: Settings) -> anyhow::Result<Parts> {
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
    let deliveries: Vec<(String, bool)> =
        settings.destinations.iter().map(|d| (d.name.to_string(), d.required)).collect();
    {
        let deliveries = deliveries.clone();
        let started = Draft::daemon(EventKind::Started)
            .fact("version", env!("CARGO_PKG_VERSION"))
            .fact("config_blake3", config_digest.unwrap_or_else(|| "embedded defaults".to_owned()));
        store.write_blocking(move |tx| {
            tx.log(&started)?;
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
    let profiles = match &settings.folder_source.profiles_dir {
        Some(dir) => Profiles::load_dir(dir)?,
        None => Profiles::embedded()?,
    };
    let options = IntakeOptions {
        copy: CopyOptions {
            durable_every_bytes: settings.vault.checkpoint_bytes,
            reserve_bytes: settings.vault.reserve.bytes(disk),
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

/// Makes backups, where there is somebody for whom they can be encrypted.
fn backups(
    settings: &Settings,
    store: &Store,
    anchor: &Anchor,
    remotes: &[Arc<dyn Destination>],
) -> Option<Arc<Backups>> {
    let (backup, state) = (&settings.backup, &settings.station.state_dir);
    let ms = |pause: Duration| pause.as_millis() as i64;
    Some(Arc::new(Backups {
        store: store.clone(),
        station: settings.station.id.clone(),
        signer: Arc::clone(&anchor.signer),
        clock: Arc::clone(&anchor.clock),
        recipient: backup.recipient.clone()?,
        every_ms: ms(backup.every),
        retry_ms: (ms(settings.upload.retry_min), ms(settings.upload.retry_max)),
        destinations: remotes.iter().filter(|d| backup.destinations.contains(d.name())).map(Arc::clone).collect(),
        dir: state.join("backup"),
        log_key: backup
            .log_key
            .then(|| settings.custody.key.as_ref().map_or_else(|| state.join("log.key"), |key| key.path.clone())),
        sm2_key: (backup.log_key && settings.custody.sm2).then(|| {
            settings.custody.sm2_key.as_ref().map_or_else(|| state.join(sm2::SM2_KEY), |key| key.path.clone())
        }),
        wanted: watch::Sender::new(0),
        done: watch::Sender::new((0, Ok(serde_json::Value::Null))),
    }))
}

/// What a box is told whose station goes on elsewhere.
fn superseded(settings: &Settings, epoch: u32, later: u32) -> String {
    format!(
        "{}. Nothing is taken in here any more; recorders keep what is on them. What this box sealed and never sent is \
         in its vault {} and waits for a person. To use the box again, move its state directory {} away; docs/restore.md says how",
        superseded_words(&settings.station.id, epoch, later),
        settings.vault.dir.display(),
        settings.station.state_dir.display()
    )
}

fn start_sources(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let spec = TaskSpec::new("docks", Phase::Sources, OnFailure::RESTART);
    let parts = Arc::clone(parts);
    supervisor.start(spec, move |context| {
        let parts = Arc::clone(&parts);
        let (intake, board, health) = (parts.intake.clone(), parts.board.clone(), parts.health.clone());
        docks::run(context, intake, board, parts.store.clone(), health, move |tx| {
            let folder = &parts.settings.folder_source;
            let (of_usb, store, clock) = (parts.settings.clone(), parts.store.clone(), Arc::clone(&parts.clock));
            vec![
                docks::source("docking folder", tx, |tx| {
                    docks::folder(folder.dir.clone(), folder.poll, folder.erase, Arc::clone(&parts.clock), tx)
                }),
                docks::source("USB", tx, |tx| async move { usb::watch(&of_usb, store, clock, tx).await }),
            ]
        })
    });
}

fn start_streams(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    if parts.settings.streams.is_empty() {
        return;
    }
    let streams = streams::Streams {
        settings: parts.settings.clone(),
        store: parts.store.clone(),
        intake: parts.intake.clone(),
        probe: Arc::clone(&parts.probe),
        board: parts.board.clone(),
        health: parts.health.clone(),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(TaskSpec::new("streams", Phase::Sources, OnFailure::RESTART), move |context| {
        streams::run(context, streams.clone())
    });
}

fn start_pulls(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    if parts.settings.network_recorders.is_empty() && parts.settings.discovery.networks.is_empty() {
        return;
    }
    let all = Pulls {
        settings: parts.settings.clone(),
        store: parts.store.clone(),
        intake: parts.intake.clone(),
        board: parts.board.clone(),
        health: parts.health.clone(),
        clock: Arc::clone(&parts.clock),
        orders: parts.desk.pulls.clone(),
    };
    supervisor.start(TaskSpec::new("pulls", Phase::Sources, OnFailure::RESTART), move |context| {
        pulls::run(context, all.clone())
    });
}

fn start_work(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let clerk = parts.clerk.clone();
    supervisor.start(TaskSpec::new("clerk", Phase::Uploads, OnFailure::RESTART), move |context| {
        let clerk = clerk.clone();
        async move {
            clerk.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let prober = Prober {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        probe: Arc::clone(&parts.probe),
        width_px: parts.settings.media.thumbnail_width_px,
        at_once: parts.settings.media.workers,
    };
    let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("media", Phase::Uploads, OnFailure::RESTART) };
    supervisor.start(spec, move |context| {
        let prober = prober.clone();
        async move {
            prober.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let upload = &parts.settings.upload;
    let ceilings = Ceilings::new(Arc::clone(&parts.clock), parts.settings.station.zone.clone(), upload.limit.clone());
    for ((dest, welcome), written) in parts.remotes.iter().zip(&parts.welcomes).zip(&parts.settings.destinations) {
        let options = UplinkOptions {
            station: parts.settings.station.id.clone(),
            clips_in_flight: upload.clips_in_flight,
            parts_in_flight: written.parts_in_flight,
            retry_min_ms: upload.retry_min.as_millis() as i64,
            retry_max_ms: upload.retry_max.as_millis() as i64,
            max_sensitivity: written.max_sensitivity,
            default_sensitivity: parts.settings.casework.default_sensitivity,
            initial_lock_days: written.initial_lock_days,
            log_lock_days: parts.settings.custody.log_lock_days(written.initial_lock_days),
            order: upload.order.clone(),
            instant: upload.instant,
        };
        let shared = UplinkParts {
            store: parts.store.clone(),
            vault: parts.vault.clone(),
            board: parts.board.clone(),
            metrics: parts.metrics.clone(),
            clock: Arc::clone(&parts.clock),
        };
        let pace = ceilings.destination(written.limit.clone());
        let uplink = Uplink::new(Arc::clone(dest), shared, pace, options).telling(welcome.clone());
        // One name for each configured destination, for the life of the process.
        let name: &'static str = Box::leak(format!("uplink {}", written.name).into_boxed_str());
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let uplink = uplink.clone();
            async move {
                uplink.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
    }
    let fenced = Arc::clone(parts);
    supervisor.start(TaskSpec::new("fence", Phase::Uploads, OnFailure::Stop), move |context| {
        let parts = Arc::clone(&fenced);
        async move {
            // A box that comes back finds out before it has anything to write, so that little is taken in here in vain.
            let looks = async {
                loop {
                    // The uplink's own way in leads past the fence, too.
                    let open = |(_, welcome): &(&Arc<dyn Destination>, &Welcome)| welcome.is_open();
                    for (dest, _) in parts.remotes.iter().zip(&parts.welcomes).filter(open) {
                        if let Err(e) = parts.fence.look(&**dest).await {
                            tracing::debug!(destination = %dest.name(), error = %chain(&e), "it could not be asked about later epochs");
                        }
                    }
                    tokio::time::sleep(FENCE_LOOK_EVERY).await;
                }
            };
            let later: u32 = tokio::select! {
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
                later = parts.fence.superseded() => later,
                never = looks => never,
            };
            // Stored before anything else, so that no start after this one has to find out again.
            let epoch = parts
                .store
                .write(move |tx| {
                    tx.superseded(later)?;
                    tx.read().epoch()
                })
                .await?;
            Err(superseded(&parts.settings, epoch, later).into())
        }
    });
    if let Some(backups) = &parts.backups {
        let (backups, health) = (Arc::clone(backups), parts.health.clone());
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("backup", Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (backups, health) = (Arc::clone(&backups), health.clone());
            async move {
                backups.run(context, health).await;
                Ok(())
            }
        });
    }
    let anchor = Arc::clone(&parts.anchor);
    supervisor.start(TaskSpec::new("checkpoints", Phase::Store, OnFailure::RESTART), move |context| {
        let anchor = Arc::clone(&anchor);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                }
                context.heart.beat();
                anchor.tick().await?;
            }
        }
    });
    start_witnesses(supervisor, parts);
    let anchored = Arc::clone(parts);
    let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("anchors", Phase::Uploads, OnFailure::RESTART) };
    supervisor.start(spec, move |context| {
        let parts = Arc::clone(&anchored);
        async move {
            let mut keys = vec![VerifierKey::of(&*parts.anchor.signer)?];
            keys.extend(retired::read(&parts.settings.station.state_dir)?);
            let (store, station) = (parts.store.clone(), parts.settings.station.id.clone());
            let remotes = parts.remotes.iter().cloned().zip(parts.welcomes.iter().cloned()).collect();
            anchors::watch(context, store, station, keys, remotes, parts.health.clone()).await;
            Ok(())
        }
    });
    let watched = Arc::clone(parts);
    supervisor.start(TaskSpec::new("figures", Phase::Http, OnFailure::RESTART), move |context| {
        let parts = Arc::clone(&watched);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(5));
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                }
                context.heart.beat();
                figures(&parts).await?;
            }
        }
    });
}

/// What others say about the log: witnesses, and an authority for timestamps.
fn start_witnesses(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    for witness in &parts.witnesses {
        let name: &'static str = Box::leak(format!("witness {}", witness.name).into_boxed_str());
        let (witness, anchor, part) = (Arc::clone(witness), Arc::clone(&parts.anchor), parts.health.part(name));
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (witness, anchor, part) = (Arc::clone(&witness), Arc::clone(&anchor), part.clone());
            async move { Ok(witness::run(context, witness, anchor, part).await?) }
        });
    }
    if !parts.desk.witnessed.is_empty() {
        let parts = Arc::clone(parts);
        supervisor.start(TaskSpec::new("watched logs", Phase::Uploads, OnFailure::RESTART), move |context| {
            let (store, clock, health) = (parts.store.clone(), Arc::clone(&parts.clock), parts.health.clone());
            let keys = parts.desk.witnessed.clone();
            async move { Ok(watched::run(context, store, clock, keys, health).await?) }
        });
    }
    if let Some((authority, every_ms)) = &parts.authority {
        let (poster, anchor, every_ms) = (Arc::clone(authority), Arc::clone(&parts.anchor), *every_ms);
        let part = parts.health.part("timestamps");
        let spec =
            TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("timestamps", Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (poster, anchor, part) = (Arc::clone(&poster), Arc::clone(&anchor), part.clone());
            async move { Ok(timestamps::run(context, anchor, poster, every_ms, part).await?) }
        });
    }
}

/// What looks after clips that are proven, and what keeps those from going out that must not.
fn start_keeping(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let settings = &parts.settings;
    let (store, stops) = (parts.store.clone(), parts.stops.clone());
    supervisor.start(TaskSpec::new("stops", Phase::Uploads, OnFailure::RESTART), move |context| {
        let (store, stops) = (store.clone(), stops.clone());
        async move {
            let mut news = store.changes();
            loop {
                stops.set(store.read(|r| r.isolated_clips()).await?);
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    () = isolations(&mut news, &context.heart) => {}
                }
            }
        }
    });
    let slow = |name: &'static str| TaskSpec {
        beats_within: SLOW_BEAT,
        ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART)
    };
    // One name for each configured destination, for the life of the process.
    let named = |what: &str, dest: &dyn Destination| -> &'static str {
        Box::leak(format!("{what} {}", dest.name()).into_boxed_str())
    };
    let evict = settings.vault.evict;
    for ((dest, welcome), written) in parts.remotes.iter().zip(&parts.welcomes).zip(&settings.destinations) {
        let audit = &settings.audit;
        let options = AuditOptions {
            station: settings.station.id.clone(),
            share_percent: audit.share_percent,
            groups: audit.groups,
            whole_every_ms: audit.whole_every.map(|every| every.as_millis() as i64),
            bytes_per_s: audit.bytes_per_s,
            awaited: evict.map(|evict| evict.policy.audit).unwrap_or_default(),
        };
        let name = named("audit", &**dest);
        let auditor = Auditor::new(
            Arc::clone(dest),
            parts.store.clone(),
            parts.vault.clone(),
            Arc::clone(&parts.clock),
            parts.health.part(name),
            options,
        );
        let first = welcome.clone();
        supervisor.start(slow(name), move |context| {
            let (auditor, welcome) = (auditor.clone(), first.clone());
            async move {
                let_in(&context, &welcome).await;
                auditor.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
        let tiler = Tiler {
            dest: Arc::clone(dest),
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            station: settings.station.id.clone(),
            lock_days: settings.custody.log_lock_days(written.initial_lock_days),
            look_every: TILES_LOOK_EVERY,
            welcome: welcome.clone(),
        };
        supervisor.start(slow(named("tiles", &**dest)), move |context| {
            let tiler = tiler.clone();
            async move {
                tiler.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
        let name = named("locks", &**dest);
        let locks = Locks {
            dest: Arc::clone(dest),
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            station: settings.station.id.clone(),
            rule: settings.retention.rule,
            off: written.initial_lock_days == 0,
            health: parts.health.part(name),
        };
        let first = welcome.clone();
        supervisor.start(slow(name), move |context| {
            let (locks, welcome) = (locks.clone(), first.clone());
            async move {
                let_in(&context, &welcome).await;
                locks.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
    }
    let mender = Mender {
        reach: parts.reach.clone(),
        reserve_bytes: parts.intake.reserve_bytes(),
        health: parts.health.part("mend"),
    };
    supervisor.start(slow("mend"), move |context| {
        let mender = mender.clone();
        async move {
            mender.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let exports = Exports {
        settings: Arc::new(settings.clone()),
        store: parts.store.clone(),
        desk: Arc::clone(&parts.desk),
        reach: parts.reach.clone(),
        board: parts.board.clone(),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(slow("exports"), move |context| {
        let exports = exports.clone();
        async move { Ok(super::export::job::run(context, exports).await?) }
    });
    let deriving = Deriving {
        settings: settings.derived.clone(),
        reserve: settings.vault.reserve,
        store: parts.store.clone(),
        reach: parts.reach.clone(),
        maker: Maker::new(&settings.station.state_dir, settings.derived.patience),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(slow("derived"), move |context| {
        let deriving = deriving.clone();
        async move { Ok(deriving::run(context, deriving).await?) }
    });
    let evictor = Evictor {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        station: settings.station.id.clone(),
        remotes: parts.remotes.clone(),
        policy: evict.map(|evict| evict.policy),
        free_percent: evict.map_or(0, |evict| evict.free_percent),
        health: parts.health.part("eviction"),
        checkpoint: super::anchored::before_giving_up(&parts.anchor),
    };
    let disposer = Disposer {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        station: settings.station.id.clone(),
        remotes: parts.remotes.clone(),
        dispose_at: settings.keeping.dispose_at.clone(),
        unlinked_ms: settings.retention.rule.unlinked_ms,
        checkpoint: Arc::clone(&evictor.checkpoint),
        health: parts.health.part("disposal"),
    };
    supervisor.start(slow("dispose"), move |context| {
        let disposer = disposer.clone();
        async move {
            disposer.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    supervisor.start(slow("evict"), move |context| {
        let evictor = evictor.clone();
        async move {
            evictor.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
}

/// Waits until a destination lets us in for the first time; later on its trouble is stored.
async fn let_in(context: &TaskContext, welcome: &Welcome) {
    tokio::select! {
        () = context.heart.beat_until(&context.cancel) => {}
        () = welcome.opened() => {}
    }
}

/// Waits until clips were isolated, or are so no longer.
async fn isolations(news: &mut tokio::sync::broadcast::Receiver<Change>, heart: &Heartbeat) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        heart.beat();
        match tokio::time::timeout(Duration::from_secs(10), news.recv()).await {
            Ok(Ok(Change::Isolated) | Err(RecvError::Lagged(_))) => return,
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(RecvError::Closed)) => std::future::pending().await,
        }
    }
}

/// Feeds metrics and health from the store and the disk.
async fn figures(parts: &Arc<Parts>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (figures, size, checkpoint, destinations) = parts
        .store
        .read(|r| Ok((r.figures(i64::MAX)?, r.log_size()?, r.last_checkpoint()?, r.destinations()?)))
        .await?;
    let metrics = &parts.metrics;
    for (state, stage) in [
        ("copying", figures.copying),
        ("sealed", figures.sealed),
        ("sending", figures.sending),
        ("proven", figures.proven),
        ("released", figures.released),
    ] {
        metrics.clips(state, stage.count);
    }
    metrics.incomplete(figures.incomplete);
    metrics.docked(figures.docked.count);
    metrics.log_events(size);
    if let Some(checkpoint) = checkpoint {
        metrics.checkpoint(checkpoint.made_ms.div_euclid(1000));
    }
    let (copied_bytes, files) = parts.board.intake();
    metrics.intake(copied_bytes, &files);
    metrics.streams(&parts.board.streams());
    let vault = parts.vault.clone();
    let (free, total) = task::blocking("disk", move || vault.space()).await??;
    let reserve = parts.settings.vault.reserve.bytes(total);
    metrics.disk(free, total, reserve);
    let disk = parts.health.part("vault disk");
    if free <= reserve {
        disk.failed(
            "disk_full",
            "the vault has reached its reserve; nothing more is taken in",
            "free space, or wait until clips are proven and evicted",
        );
    } else if free < reserve.saturating_mul(2) {
        disk.degraded("disk_low", "the vault is close to its reserve", "plan for space");
    } else {
        disk.ok();
    }
    for row in destinations {
        let part = parts.health.part(format!("destination {}", row.name));
        match (row.trouble, row.proof) {
            (Some(words), _) => {
                let todo = Todo::RetryDestination { name: row.name };
                part.failed("destination_away", words, todo.to_string());
            }
            (None, Some(proof)) if !proof.proves() => part.degraded(
                "proves_nothing",
                "this destination gives no means to compare bytes",
                "clips stay sent, unproven",
            ),
            (None, _) => part.ok(),
        }
    }
    metrics.health(&parts.health.report());
    Ok(())
}

fn start_doors(
    supervisor: &mut Supervisor,
    parts: &Arc<Parts>,
    listener: tokio::net::UnixListener,
    web: crate::web::serve::Bound,
) {
    let desk: Arc<dyn crate::domain::command::Ask> = Arc::<Desk>::clone(&parts.desk);
    let mut listener = Some(listener);
    let path = parts.settings.control_socket.clone();
    let socket_desk = Arc::clone(&desk);
    supervisor.start(TaskSpec::new("control", Phase::Http, OnFailure::RESTART), move |context| {
        let taken = listener.take();
        let (path, desk) = (path.clone(), Arc::clone(&socket_desk));
        async move {
            let listener = match taken {
                Some(listener) => listener,
                None => control::bind(&path)?,
            };
            tokio::join!(
                control::serve(listener, desk, context.cancel.clone()),
                context.heart.beat_until(&context.cancel)
            );
            Ok(())
        }
    });
    let settings = &parts.settings;
    roster_watch::start(supervisor, settings.casework.roster.clone(), &desk, &parts.health);
    document_watch::start(supervisor, settings.documents.dir.clone(), &parts.desk, &parts.health);
    searching::start(supervisor, &parts.store);
    let sight = Sight {
        station: settings.station.id.clone(),
        board: parts.board.clone(),
        store: parts.store.clone(),
        clock: Arc::clone(&parts.clock),
    };
    feedback::start(supervisor, &settings.feedback, &sight, &parts.health);
    let pages = StationPages {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        footage: Arc::new(parts.reach.clone()),
        packages: Arc::new(Packed { dir: settings.export.dir.clone(), footage: Arc::new(parts.reach.clone()) }),
        exporting: settings.export.clone(),
        derive: Arc::new(Derivations::new(
            &settings.station.state_dir,
            settings.media.preview_width_px,
            settings.media.timeout,
        )),
        deriving: settings.derived.clone(),
        board: parts.board.clone(),
        clock: Arc::clone(&parts.clock),
        health: parts.health.clone(),
        metrics: parts.metrics.clone(),
        rule: parts.desk.rule.clone(),
        policy: parts.desk.policy.clone(),
        station_name: settings.station.name.clone(),
        reserve_bytes: parts.intake.reserve_bytes(),
        receivers: notice::receivers(settings).into_iter().map(|r| r.name).collect(),
        destinations: settings.destinations.iter().map(|d| (d.name.to_string(), d.required)).collect(),
        streams: settings.streams.clone(),
        outing_gap_ms: settings.casework.linking.outing_gap.as_millis() as i64,
        allowed: allowed(&settings.casework.coverage),
        keeping: settings.keeping.clone(),
        unlinked_ms: settings.retention.rule.unlinked_ms,
        premises: super::office::Office::new(settings, &parts.desk),
        elsewhere: Arc::new(Catalogues::new(
            parts.remotes.clone(),
            Some(settings.station.id.clone()),
            ELSEWHERE_WITHIN,
        )),
        supervision: settings.supervision.clone(),
    };
    let pages = Arc::new(pages);
    start_notices(supervisor, parts, &pages);
    let live = Live::new(parts.clock.now().0);
    let station = &settings.station;
    let (clock, zone, language) = (Arc::clone(&parts.clock), station.zone.clone(), station.language.fixed());
    let door = Door {
        access: Some(Arc::clone(&parts.desk.access)),
        hosts: settings.web.names.clone(),
        exposed: !settings.web.listen.ip().is_loopback(),
        tls: settings.web.tls.is_some(),
        client_ca: web.client_ca().cloned(),
    };
    let site = Site::new(pages, desk, clock, zone, language, Arc::clone(&live), door);
    crate::web::serve::start(supervisor, web, site, live, parts.store.clone(), parts.board.clone());
}

/// Who tells others: alarms and what they come from, the log's events, and the files of a front-end machine.
fn start_notices(supervisor: &mut Supervisor, parts: &Arc<Parts>, pages: &Arc<StationPages>) {
    let settings = &parts.settings;
    let receivers = notice::receivers(settings);
    let watch = alarms::Watch {
        pages: Arc::clone(pages),
        store: parts.store.clone(),
        clock: Arc::clone(&parts.clock),
        metrics: parts.metrics.clone(),
        station: settings.station.id.clone(),
        station_name: settings.station.name.clone(),
        receivers: receivers.clone(),
        rules: settings.alarm.clone(),
        queue: settings.messages.queue,
        clock_part: parts.health.part("clock"),
    };
    supervisor
        .start(TaskSpec::new("alarms", Phase::Http, OnFailure::RESTART), move |context| watch.clone().run(context));
    if !settings.webhooks.is_empty() {
        let events = events::Events {
            store: parts.store.clone(),
            policy: parts.desk.policy.clone(),
            webhooks: Arc::new(settings.webhooks.clone()),
            queue: settings.messages.queue,
        };
        let spec = TaskSpec::new("events", Phase::Uploads, OnFailure::RESTART);
        supervisor.start(spec, move |context| events.clone().run(context));
    }
    notice::start(supervisor, &receivers, &parts.store, &parts.clock, &settings.messages);
    let words = settings.station.language.fixed().unwrap_or_default().words();
    exchange::start(supervisor, &settings.exchange, words, &parts.desk, &parts.health);
}

/// SIGTERM (the service manager) or SIGINT (a terminal).
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; stop the daemon by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
