//! `evidock restore`: a station whose disk died comes back on a new box. docs/restore.md is the drill.
//!
//! 1. The newest good backup becomes the database; without one, an empty database does.
//! 2. A new epoch of the log is opened. Its first event names the newest checkpoint of every earlier epoch that
//!    reaches beyond what survived, and from then on every change is an event of that epoch. The epoch is claimed at
//!    the destination, so that no other restore and no box with the older database writes beside it.
//! 3. Clips are brought up to date from their newest records.
//! 4. Each clip's local file is judged: here, proven elsewhere, or lost.
//! 5. The database gets its name; from then on it is a station like any other.
//!
//! Until the last step everything stands in `restore/` in the state directory: a restore that was interrupted goes on
//! where it was when it is run again, and a station that lives is never touched.

mod fetch;
mod keys;
mod known;
mod records;
mod report;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;
use tokio::sync::OnceCell;

use self::fetch::{Opened, Wanted, newest_good, remove_database, rename_database};
use self::keys::keys_of_log;
use self::records::{Presence, Source};
use self::report::Report;
use super::anchor::Anchor;
use super::backup::{called, small};
use super::exit::Exit;
use super::output::Output;
use super::run::database;
use super::{Ended, block_on, destinations};
use crate::cli::Restore;
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::epoch::Opening;
use crate::custody::note::VerifierKey;
use crate::custody::retired;
use crate::deliver::prove::{Expected, read_back};
use crate::domain::digest::to_hex;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, SendError, Signer};
use crate::domain::time::UtcMs;
use crate::runtime::clock::{SystemClock, wall};
use crate::runtime::lock::StateLock;
use crate::runtime::{durable, task};
use crate::store::{LocalFate, RestoreRow, Store};
use crate::vault::{Found, Vault, hash_uncached, measure};

const DAY_MS: i64 = 86_400_000;
/// Segments that the lost epoch may have written after those that the destination shows.
const SEGMENTS_OF_A_LOST_EPOCH: u64 = 1_000;
/// A checkpoint of ours has some 400 bytes; what is longer than this was not written by us.
const MAX_NOTE_BYTES: usize = 64 << 10;
/// Checkpoints of a restore that are looked through for the one that claimed its epoch.
const NOTES: u32 = 1_000;
/// Media type of a signed note.
const NOTE_TYPE: &str = "text/plain; charset=utf-8";
/// Clips that are judged at a time.
const BATCH: u32 = 500;

/// Carries the verb out.
pub fn restore(verb: &Restore, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let station = &settings.station.id;
    if let Some(asked) = verb.station.as_deref().filter(|asked| *asked != station.as_str()) {
        return Err(Ended::with(
            Exit::Usage,
            format!(
                "the configuration is that of station {station}, not of {asked}; set [station] id = {asked:?} first"
            ),
        ));
    }
    // By its name: what is proven there is noted under it.
    let names: Vec<&str> = settings.destinations.iter().map(|d| d.name.as_str()).collect();
    let Some(written) = settings.destinations.iter().find(|d| d.name.as_str() == verb.from) else {
        return Err(Ended::with(
            Exit::NotFound,
            format!(
                "there is no destination {:?}; the configuration names {}. Write it as it was on the lost box",
                verb.from,
                names.join(", ")
            ),
        ));
    };
    let state = &settings.station.state_dir;
    let _lock = StateLock::acquire(state)?;
    if database(settings).exists() {
        return Err(Ended::with(
            Exit::Failure,
            format!(
                "{} is the database of a station that lives; a restore never touches one. On a box that is to be replaced, stop evidock and move {} away first",
                database(settings).display(),
                state.display()
            ),
        ));
    }
    let dest = destinations::make(settings, written, true, None)?;
    let trusted = match &verb.trust {
        None => Vec::new(),
        Some(path) => trusted_keys(path, station)?,
    };
    let restoring = Restoring {
        verb,
        settings,
        output,
        dest,
        trusted,
        work: state.join("restore"),
        clock: SystemClock::new(),
        log_lock_days: settings.custody.log_lock_days(written.initial_lock_days),
        lock_until: OnceCell::new(),
    };
    block_on(restoring.run())
}

/// The keys in a file that was kept off the box.
fn trusted_keys(path: &Path, station: &StationId) -> anyhow::Result<Vec<VerifierKey>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<VerifierKey> =
        lines.map(str::parse).collect::<Result<_, _>>().with_context(|| format!("{}", path.display()))?;
    match keys.iter().find(|key| key.name() != key_name(station)) {
        Some(key) => Err(Ended::with(
            Exit::Usage,
            format!("{} holds the key of {}, not of {station}", path.display(), key.name()),
        )),
        None if keys.is_empty() => Err(Ended::with(Exit::Usage, format!("{} holds no key", path.display()))),
        None => Ok(keys),
    }
}

struct Restoring<'a> {
    verb: &'a Restore,
    settings: &'a Settings,
    output: &'a Output,
    dest: Arc<dyn Destination>,
    trusted: Vec<VerifierKey>,
    work: PathBuf,
    clock: Arc<SystemClock>,
    /// What belongs to the log is locked there for so long; 0: not at all.
    log_lock_days: u32,
    /// Until when, once it was asked what the destination can do.
    lock_until: OnceCell<Option<UtcMs>>,
}

impl Restoring<'_> {
    fn station(&self) -> &StationId {
        &self.settings.station.id
    }

    fn database(&self) -> PathBuf {
        self.work.join("restore.db")
    }

    /// Holds the number of the epoch that is being opened, from before it is until the end.
    fn mark(&self) -> PathBuf {
        self.work.join("epoch")
    }

    async fn run(&self) -> anyhow::Result<Exit> {
        durable::make_dir_all(&self.work).with_context(|| format!("making {}", self.work.display()))?;
        let (store, mut report, epoch) = match self.interrupted()? {
            Some((store, epoch)) => {
                self.output.note(&format!("an interrupted restore into epoch {epoch} goes on"));
                let row = store.read_blocking(|r| r.last_restore())?;
                let told = row.as_ref().map(|r| r.told.as_str()).unwrap_or_default();
                (store, Report::begun(told, row.as_ref().and_then(|r| r.backup)), epoch)
            }
            None => self.open_epoch().await?,
        };
        let signer: Arc<dyn Signer> = Arc::new(self.signer()?);
        let anchor = Anchor {
            store: store.clone(),
            station: self.station().clone(),
            signer,
            // An epoch begins without: the daemon says with which key it signs, and signs.
            second: None,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            destinations: self.settings.destinations.iter().map(|d| d.name.to_string()).collect(),
            every_ms: self.settings.custody.checkpoint_interval.as_millis() as i64,
        };
        if store.read_blocking(|r| r.last_restore())?.is_some_and(|r| r.finished_ms.is_none()) {
            if let Err(e) = self.claim(&anchor, epoch).await {
                store.close();
                return Err(e);
            }
            self.bring_up_to_date(&store, &mut report).await?;
            let told = report.to_json();
            let next = self.next_segment(&store).await?;
            store.write(move |tx| tx.finish_restore(epoch, &told, next)).await?;
        }
        let last = anchor.sign_now().await?;
        let key = layout::checkpoint(self.station(), last.epoch, last.size);
        // The daemon sends it in any case; standing there now, it shows at once how far the restored log reaches.
        if let Err(e) = self.put_locked(&key, last.note).await {
            self.output.note(&format!("the last checkpoint is not anchored yet ({}); the daemon does it", chain(&e)));
        }
        store.close();
        drop((anchor, store));
        rename_database(&self.database(), &database(self.settings))?;
        fs::remove_dir_all(&self.work).with_context(|| format!("removing {}", self.work.display()))?;
        let mut exit = Exit::Ok;
        if self.verb.verify {
            exit = verify::read_all_back(self.settings, &*self.dest, self.output, &mut report).await?;
        }
        report.print(self.output, self.station(), &self.verb.from, epoch, self.verb.verify)?;
        Ok(exit)
    }

    /// The store of a restore that was interrupted after it had opened its epoch.
    fn interrupted(&self) -> anyhow::Result<Option<(Store, u32)>> {
        let epoch = match fs::read_to_string(self.mark()) {
            Ok(text) => text.trim().parse::<u32>().ok(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("reading {}", self.mark().display())),
        };
        let Some(epoch) = epoch.filter(|_| self.database().exists()) else { return Ok(None) };
        let store = Store::open(&self.database(), self.station(), Arc::clone(&self.clock) as Arc<dyn Clock>)?;
        match store.read_blocking(|r| r.last_restore())? {
            Some(row) if row.epoch == epoch && row.from == self.verb.from => Ok(Some((store, epoch))),
            Some(row) if row.epoch == epoch => Err(Ended::with(
                Exit::Usage,
                format!(
                    "an interrupted restore from {} stands in {}; run it again with --from {}, or remove that directory to begin anew",
                    row.from,
                    self.work.display(),
                    row.from
                ),
            )),
            // It did not come so far: begin anew.
            _ => {
                store.close();
                Ok(None)
            }
        }
    }

    // -----------------------------------------------------------------------------------------
    // 1 and 2: the database and its new epoch

    async fn open_epoch(&self) -> anyhow::Result<(Store, Report, u32)> {
        let mut report = Report::default();
        let opened = self.backup(&mut report).await?;
        let store = Store::open(&self.database(), self.station(), Arc::clone(&self.clock) as Arc<dyn Clock>)?;
        let begun = self.begin(&store, opened.as_ref(), &mut report).await;
        match begun {
            Ok(epoch) => Ok((store, report, epoch)),
            Err(e) => {
                store.close();
                Err(e)
            }
        }
    }

    async fn backup(&self, report: &mut Report) -> anyhow::Result<Option<Opened>> {
        remove_database(&self.database())?;
        let Some(identity) = &self.verb.identity else { return Ok(None) };
        let wanted =
            Wanted { dest: &*self.dest, station: self.station(), identity, trusted: &self.trusted, work: &self.work };
        newest_good(&wanted, &self.database(), self.output, &mut report.passed_over).await
    }

    async fn begin(&self, store: &Store, opened: Option<&Opened>, report: &mut Report) -> anyhow::Result<u32> {
        let (epoch_then, size) = match opened {
            Some(_) => store.read_blocking(|r| Ok((r.epoch()?, r.log_size()?)))?,
            None => (0, 0),
        };
        let mut old_keys = self.trusted.clone();
        old_keys.extend(opened.map(|o| o.note.key.clone()));
        old_keys.extend(keys_of_log(store)?);
        old_keys.extend(retired::read(&self.settings.station.state_dir)?);
        let mut known = self.known(&old_keys).await?;
        if opened.is_none() && known.last_epoch == 0 && records::presence(&*self.dest, self.station()).await?.is_empty()
        {
            return Err(Ended::with(
                Exit::NotFound,
                format!(
                    "{} holds nothing of station {}: no backup, no checkpoint, no clip; are [station] id and the destination those of the lost box?",
                    self.verb.from,
                    self.station()
                ),
            ));
        }
        let lost = self.lost(store, epoch_then, size, &mut known).await?;
        report.warnings.extend(known.warnings.iter().cloned());
        report.lost_events = lost.iter().filter(|h| h.epoch == epoch_then).map(|h| h.size.saturating_sub(size)).max();
        // The newest of each epoch says it; the opening names the others.
        let told = known.heads.values().filter(|head| lost.contains(head));
        report.heads = told.copied().collect();
        report.log_size = size;
        report.backup = opened.map(|o| (called(o.key), o.note.made_ms));

        if let Some(opened) = opened {
            self.put_back_keys(opened)?;
        }
        self.keep_sm2_keys(store, report)?;
        let signer = self.signer()?;
        let own = VerifierKey::of(&signer)?;
        report.new_key = !old_keys.contains(&own);
        let mut old: Vec<VerifierKey> = Vec::new();
        for key in old_keys {
            if key != own && !old.contains(&key) {
                old.push(key);
            }
        }
        retired::write(&self.settings.station.state_dir, &old)?;
        report.key_on_its_word = self.trusted.is_empty();

        let epoch = known.last_epoch.max(epoch_then) + 1;
        let anchored = known.heads.values().max_by_key(|h| (h.epoch, h.size));
        let opening = Opening::new(self.station(), &signer, lost)?.draft().fact(
            "restored",
            json!({
                "from": self.verb.from,
                "backup": opened.map(|o| json!({ "epoch": o.key.epoch, "seq": o.key.seq, "sha256": o.note.sha256.to_string() })),
                "kept": size,
                "anchored": anchored.map(|h| json!({ "epoch": h.epoch, "size": h.size, "root": to_hex(&h.root) })),
            }),
        );
        let row = RestoreRow {
            epoch,
            from: self.verb.from.clone(),
            backup: opened.map(|o| o.key),
            begun_ms: self.clock.now().0,
            finished_ms: None,
            told: report.to_json().to_string(),
        };
        write_durably(&self.mark(), format!("{epoch}\n").as_bytes(), 0o600)?;
        let rotated = report.new_key.then(|| {
            let old: Vec<String> = old.iter().map(ToString::to_string).collect();
            Draft::daemon(EventKind::KeyRotated).fact("old", old).fact("new", own.to_string()).fact("why", "restore")
        });
        store
            .write(move |tx| {
                tx.begin_restore(&row, &opening)?;
                rotated.map_or(Ok(()), |event| tx.log(&event).map(drop))
            })
            .await?;
        Ok(epoch)
    }

    /// Claims the epoch at the destination: nobody else may have it, and a box with the older database finds out.
    async fn claim(&self, anchor: &Anchor, epoch: u32) -> anyhow::Result<()> {
        let key = layout::epoch_claim(self.station(), epoch);
        let note = match self.dest.head(&key).await? {
            None => anchor.sign_now().await?.note,
            // An earlier run may have put it there. Its key proves nothing: two restores from one backup may share it.
            Some(_) => {
                let there = small(&*self.dest, &key, MAX_NOTE_BYTES).await.map_err(anyhow::Error::msg)?;
                let ours = anchor.store.read(move |r| r.checkpoints(NOTES)).await?;
                match ours.into_iter().find(|c| c.note.as_bytes() == there) {
                    Some(checkpoint) => checkpoint.note,
                    None => return Err(self.taken(epoch)),
                }
            }
        };
        match self.put_locked(&key, note.clone()).await {
            Ok(()) => {}
            Err(SendError::Mismatch { .. }) => return Err(self.taken(epoch)),
            Err(e) => return Err(e).context("claiming the epoch"),
        }
        // The daemon brings it to the others.
        let everywhere = anchor.destinations.clone();
        anchor
            .store
            .write(move |tx| {
                everywhere
                    .iter()
                    .try_for_each(|dest| tx.post(dest, &key, "checkpoint", NOTE_TYPE, note.as_bytes(), None))
            })
            .await?;
        Ok(())
    }

    /// Puts a checkpoint there, under a lock where the destination locks: what tells of a new epoch must not go away more
    /// easily than what it goes on from.
    async fn put_locked(&self, key: &str, note: String) -> Result<(), SendError> {
        let until = *self.lock_until.get_or_try_init(|| self.ask_for_locks()).await?;
        self.dest.put_small(key, note.into(), NOTE_TYPE, until).await?;
        if let Some(until) = until
            && let Err(e) = self.dest.retain(key, until).await
        {
            self.output.note(&format!(
                "{key} stands at {} and is not locked there ({}); see that evidock may lock objects there",
                self.verb.from,
                chain(&e)
            ));
        }
        Ok(())
    }

    async fn ask_for_locks(&self) -> Result<Option<UtcMs>, SendError> {
        if self.log_lock_days == 0 || !self.dest.probe().await?.lock {
            return Ok(None);
        }
        Ok(Some(UtcMs(self.clock.now().0.saturating_add(i64::from(self.log_lock_days) * DAY_MS))))
    }

    fn taken(&self, epoch: u32) -> anyhow::Error {
        Ended::with(
            Exit::Failure,
            format!(
                "epoch {epoch} of station {} is taken: it was restored elsewhere at the same time. Make sure that only one box goes on, remove {}, and run the restore again",
                self.station(),
                self.work.display()
            ),
        )
    }

    // -----------------------------------------------------------------------------------------
    // 3 and 4: clips

    async fn bring_up_to_date(&self, store: &Store, report: &mut Report) -> anyhow::Result<()> {
        let there = records::presence(&*self.dest, self.station()).await.context("listing the clips")?;
        let rule = self.settings.casework.number_rule()?;
        let required = self.settings.destinations.iter().map(|d| (d.name.to_string(), d.required)).collect();
        let source = Source {
            dest: &*self.dest,
            station: self.station(),
            rule: &rule,
            this_year: wall().zoned(&self.settings.station.zone).year(),
            required: &required,
        };
        let tally = records::take_all(&source, store, &there, self.output).await?;
        (report.new_clips, report.newer_clips, report.odd_records) = (tally.new, tally.newer, tally.odd);
        let vault = Vault::open(&self.settings.vault.dir)?;
        let mut after: Option<ClipId> = None;
        loop {
            let from = after;
            let page = store.read(move |r| r.unjudged(from, BATCH)).await?;
            let Some(last) = page.last().copied() else { break };
            for clip in page {
                let presence = there.get(&clip).copied().unwrap_or_default();
                self.judge(store, &vault, clip, presence, report).await.with_context(|| format!("judging {clip}"))?;
            }
            after = Some(last);
        }
        for row in store.read(|r| r.copying()).await? {
            // With a vault that survived the copy goes on at the next dock.
            if vault.found(row.clip)? == Found::Nothing {
                let clip = row.clip;
                store.write(move |tx| tx.abandon(clip, "its copy went with the station's disk")).await?;
                report.copies_given_up += 1;
            }
        }
        report.owed = store.read(|r| r.owed_without_file()).await?;
        Ok(())
    }

    async fn judge(
        &self,
        store: &Store,
        vault: &Vault,
        clip: ClipId,
        there: Presence,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (row, parts) = store.read(move |r| Ok((r.clip(clip)?, r.parts(clip)?))).await?;
        let (Some(blake3), Some(sha256), Some(size)) = (row.blake3, row.sha256, row.size_bytes) else { return Ok(()) };
        let fate = if let Found::Final(_) = vault.found(clip)? {
            let (vault, grid, known) = (vault.clone(), row.grid, !parts.is_empty());
            let found = task::blocking("restore", move || {
                if hash_uncached(&vault.master(clip))? != (blake3, size) {
                    return Ok::<_, anyhow::Error>(None);
                }
                // What came from its record alone has no digests of parts, by which it is sent.
                let parts = if known { Vec::new() } else { measure(&vault, clip, grid, &[], false)?.parts };
                Ok(Some(parts))
            });
            match found.await?? {
                Some(parts) => {
                    let rows: Vec<crate::store::PartRow> = parts
                        .into_iter()
                        .map(|(n, offset, len, sha256, crc)| crate::store::PartRow {
                            n,
                            offset,
                            len,
                            sha256,
                            crc64: Some(crc),
                        })
                        .collect();
                    if !rows.is_empty() {
                        store.write(move |tx| tx.put_parts(clip, &rows)).await?;
                    }
                    LocalFate::Here
                }
                None => {
                    report.torn.push(clip.to_string());
                    self.elsewhere(
                        store,
                        clip,
                        there,
                        &Expected { size_bytes: size, sha256, parts: &[], crc64: None, blake3: Some(blake3) },
                        report,
                    )
                    .await?
                }
            }
        } else {
            self.elsewhere(
                store,
                clip,
                there,
                &Expected { size_bytes: size, sha256, parts: &[], crc64: None, blake3: Some(blake3) },
                report,
            )
            .await?
        };
        match fate {
            LocalFate::Here => report.here += 1,
            LocalFate::Elsewhere => {
                report.elsewhere += 1;
                if !vault.tree(clip).exists() {
                    let bytes = tree_bytes(size);
                    let fetched = match there.tree {
                        true => records::fetch_tree(&*self.dest, self.station(), clip, &vault.tree(clip), bytes).await,
                        false => Err(anyhow::anyhow!("there is none")),
                    };
                    if let Err(e) = fetched {
                        tracing::warn!(%clip, error = format!("{e:#}"), "the hash tree of a clip was not fetched");
                        report.without_tree += 1;
                    }
                }
            }
            LocalFate::Lost => report.lost_clips.push(clip.to_string()),
        }
        store.write(move |tx| tx.settle_local(clip, fate)).await?;
        Ok(())
    }

    /// Whether a copy of a clip is proven elsewhere. What stands here and no record calls proven is read back now.
    async fn elsewhere(
        &self,
        store: &Store,
        clip: ClipId,
        there: Presence,
        expected: &Expected<'_>,
        report: &mut Report,
    ) -> anyhow::Result<LocalFate> {
        let from = self.verb.from.clone();
        let proven = store.read(move |r| r.proven_off_box(clip, &from)).await?;
        let here = proven.contains(&self.verb.from);
        if here && !there.master {
            report.missing_there.push(clip.to_string());
            let from = self.verb.from.clone();
            store
                .write(move |tx| tx.suspect(clip, &from, "its record calls it proven, and it is not there", "restore"))
                .await?;
        }
        if (here && there.master) || proven.iter().any(|name| *name != self.verb.from) {
            return Ok(LocalFate::Elsewhere);
        }
        // What is isolated is read by nobody, not even by us, until a person has decided.
        if !there.master || store.read(move |r| Ok(r.clip(clip)?.isolated_ms.is_some())).await? {
            return Ok(LocalFate::Lost);
        }
        match read_back(&*self.dest, &layout::master(self.station(), clip), expected).await {
            Ok(()) => {
                let (from, sha256) = (self.verb.from.clone(), expected.sha256);
                store.write(move |tx| tx.proven_by_restore(clip, &from, sha256)).await?;
                report.proven_now += 1;
                Ok(LocalFate::Elsewhere)
            }
            Err(SendError::Mismatch { what, .. }) => {
                report.differing.push(format!("{clip}: {what}"));
                Ok(LocalFate::Lost)
            }
            Err(e) => Err(e).context("reading it back; run the restore again, it goes on from here"),
        }
    }

    /// The first number of the catalogue that no earlier epoch can have used.
    async fn next_segment(&self, store: &Store) -> anyhow::Result<u64> {
        let there = records::last_of_catalogue(&*self.dest, self.station()).await.context("listing the catalogue")?;
        let known = store.read(|r| r.last_segment()).await?;
        Ok(there.max(known).map_or(0, |last| last + 1) + SEGMENTS_OF_A_LOST_EPOCH)
    }
}

/// Length of the hash tree of a file: 64 bytes for each node above groups of 16 KiB (see `vault::tree`).
fn tree_bytes(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(crate::vault::tree::GROUP_BYTES as u64).saturating_sub(1) * 64
}

/// A whole new file, on disk for good.
fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    durable::write(path, bytes, mode).with_context(|| format!("writing {}", path.display()))
}
