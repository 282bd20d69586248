//! Packages that were asked for on the page or through the API, made by the daemon, one after the other. Each step is
//! noted on disk before the next one, so that a crash, a stop or a full disk lets the same package go on.
//!
//! ```text
//! <export dir>/<request>/plan.json      what it will say (see `plan`)
//!                        digests.json   digests of clips that were read for their sake alone
//!                        disc-<n>/      the package; without its clips where it goes elsewhere as a zip
//!                        disc-<n>.index every file with its checksum: the package is finished (see `serve`)
//!                        sending-<n>    how far it is on its way to a destination (see `bucket`)
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::super::Ended;
use super::super::desk::Desk;
use super::super::exit::Exit;
use super::super::exporting::Wanted;
use super::anew::{DIGESTS, PLAN};
use super::documents::How;
use super::gather::{self, Asked, Begun, Behind};
use super::plan::{Package, Plan};
use super::serve::{Index, Zip, folder, write_whole};
use super::sink::Sink;
use super::{bucket, clips, documents, lang_of};
use crate::config::Settings;
use crate::custody::package::digests::Digests;
use crate::deliver::footage::Reach;
use crate::deliver::uplink;
use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::{Draft, EventKind};
use crate::domain::export::{ExportState, Target};
use crate::domain::ids::{ClipId, DestinationName};
use crate::domain::layout;
use crate::domain::ports::{Clock, FootageError, SendError};
use crate::runtime::board::Board;
use crate::runtime::clock::monotonic;
use crate::runtime::durable::{make_dir_all, sync_dir};
use crate::runtime::supervise::TaskContext;
use crate::runtime::{task, typeface};
use crate::store::{Change, ExportRow, Store, StoreError};

/// Looked for so often, besides when something changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pauses between tries of what may pass.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// The daemon's maker of packages. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The database.
    pub store: Store,
    /// Logs and signs.
    pub desk: Arc<Desk>,
    /// The way to clips' bytes.
    pub reach: Reach,
    /// Where progress is shown.
    pub board: Board,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Runs until it is cancelled.
pub async fn run(context: TaskContext, exports: Exports) -> Result<(), StoreError> {
    let mut news = exports.store.changes();
    let mut waiting: HashMap<String, (u32, Instant)> = HashMap::new();
    let mut gone = HashSet::new();
    loop {
        for row in exports.store.read(|r| r.exports_due()).await? {
            if waiting.get(&row.package).is_some_and(|(_, at)| *at > monotonic()) {
                continue;
            }
            tokio::select! {
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
                done = exports.make(&row) => exports.settle(&row, done, &mut waiting).await?,
                () = exports.ended(&row.package, exports.store.changes()) => {
                    tracing::warn!(package = row.package, "an evidence package is stopped: a clip of it was isolated");
                    waiting.remove(&row.package);
                }
            }
            exports.board.making(&row.package, None);
        }
        tokio::select! {
            () = context.heart.beat_until(&context.cancel) => return Ok(()),
            swept = exports.sweep(&mut gone) => swept?,
        }
        let next = waiting.values().map(|(_, at)| at.saturating_duration_since(monotonic())).min();
        let pause = next.unwrap_or(LOOK_EVERY).clamp(Duration::from_millis(100), LOOK_EVERY);
        tokio::select! {
            () = context.heart.beat_until(&context.cancel) => return Ok(()),
            () = tokio::time::sleep(pause) => {}
            () = changed(&mut news) => {}
        }
    }
}

async fn changed(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match news.recv().await {
            Ok(Change::Exports) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What a request came to.
struct Done {
    discs: u32,
    clips: u64,
    bytes: u64,
}

impl Exports {
    fn dir(&self, package: &str) -> PathBuf {
        self.settings.export.dir.join(package)
    }

    async fn settle(
        &self,
        row: &ExportRow,
        done: anyhow::Result<Done>,
        waiting: &mut HashMap<String, (u32, Instant)>,
    ) -> Result<(), StoreError> {
        let package = row.package.clone();
        match done {
            Ok(Done { discs, clips, bytes }) => {
                tracing::info!(package, discs, clips, "an evidence package is finished");
                waiting.remove(&package);
                // An isolation in the last moment has ended it: then it is cleared away like any other.
                self.store.write(move |tx| tx.export_ready(&package, discs, clips, bytes)).await.map(drop)
            }
            Err(e) => {
                let (words, passing) = (format!("{e:#}"), is_passing(&e));
                tracing::warn!(package, error = words, passing, "an evidence package is not finished");
                let state = if passing { ExportState::Making } else { ExportState::Failed };
                if passing {
                    let tries = waiting.get(&package).map_or(0, |(n, _)| *n);
                    let pause = RETRY.0.saturating_mul(1 << tries.min(10)).min(RETRY.1);
                    waiting.insert(package.clone(), (tries + 1, monotonic() + pause));
                } else {
                    waiting.remove(&package);
                }
                if row.words.as_deref() == Some(words.as_str()) && state == ExportState::Making {
                    return Ok(());
                }
                self.store.write(move |tx| tx.export_is(&package, state, Some(&words))).await
            }
        }
    }

    async fn make(&self, row: &ExportRow) -> anyhow::Result<Done> {
        let dir = self.dir(&row.package);
        let (plan, digests) = {
            let dir = dir.clone();
            task::blocking("export", move || there(&dir)).await??
        };
        let plan = match self.that_stands(row, &dir, plan).await? {
            Some(plan) => Arc::new(plan),
            None => self.begin(row, &dir).await?,
        };
        let (clips, bytes) = plan.content();
        if row.target == Target::Station {
            self.room(&dir, bytes + plan.derived_bytes())?;
        }
        // Heard from before the first look on, so that no label is raised between the looks.
        let mut news = self.store.changes();
        if let Target::At(name) = &row.target {
            self.may_go(name, &plan).await?;
        }
        // A zip that goes somewhere is read twice: for its checksums, and to be sent.
        let passes = if matches!(row.target, Target::At(_)) { 2 } else { 1 };
        let mut done = 0;
        let (board, package) = (self.board.clone(), row.package.clone());
        let mut look = move |n: u64| {
            done += n;
            board.making(&package, Some((done.min(bytes * passes), bytes * passes)));
        };
        look(0);
        let mut digests = digests;
        for n in 0..plan.discs.len() {
            let disc = n as u32 + 1;
            self.disc(row, &dir, &plan, disc, &mut digests, &mut look).await?;
            if let Target::At(name) = &row.target {
                let dest = self.reach.remotes.iter().find(|dest| dest.name() == name);
                let dest =
                    dest.with_context(|| format!("there is no destination {name} any more; ask for another package"))?;
                let zip = Zip::open(&dir, disc, Arc::new(self.reach.clone())).await?;
                let zip = zip.context("the package that was made is gone")?;
                let key = layout::export(&self.reach.station, &plan.discs[n].facts.package);
                let notes = dir.join(format!("sending-{disc}"));
                // What is read and sent takes hours: a label may be raised meanwhile.
                self.may_go(name, &plan).await?;
                tokio::select! {
                    biased;
                    may_not = self.held_back(name, &plan, &mut news) => may_not?,
                    sent = bucket::send(&**dest, &key, zip, &notes, &mut look) => sent?,
                }
            }
        }
        Ok(Done { discs: plan.discs.len() as u32, clips, bytes })
    }

    /// Logs the request and fixes what the package will say.
    async fn begin(&self, row: &ExportRow, dir: &Path) -> anyhow::Result<Arc<Plan>> {
        let caller = caller(row);
        let wanted = Wanted {
            case_no: row.case_no.clone(),
            reason: row.reason.clone(),
            basis: row.basis.clone(),
            recipient: row.recipient.clone(),
            resumes: None,
            package: Some(row.package.clone()),
        };
        for _ in 0..gather::TRIES {
            let begun: Begun = match self.desk.begin_export(&caller, wanted.clone()).await? {
                Reply::Done(value) => serde_json::from_value(value)?,
                Reply::Refused { message, .. } => anyhow::bail!(message),
            };
            match self.plan(row, dir, begun).await {
                Err(e) if e.is::<Behind>() => {}
                planned => return planned,
            }
        }
        Err(Behind.into())
    }

    async fn plan(&self, row: &ExportRow, dir: &Path, begun: Begun) -> anyhow::Result<Arc<Plan>> {
        let (row, settings, store, dir) = (row.clone(), Arc::clone(&self.settings), self.store.clone(), dir.to_owned());
        let planned = task::blocking("export", move || {
            let asked = Asked {
                case_no: &row.case_no,
                reason: &row.reason,
                basis: &row.basis,
                recipient: row.recipient.as_deref(),
                derived: row.derived,
            };
            let whole = gather::gather(&asked, begun, &settings, &store)?;
            anyhow::ensure!(!whole.clips.is_empty(), "no clip of this case can be exported any more");
            let plan = Plan::new(whole, lang_of(&row.lang), settings.export.sm3, row.disc_bytes)?;
            private_dir(&dir)?;
            write_whole(&dir.join(PLAN), &serde_json::to_vec(&plan)?)
                .context("the plan of the package cannot be written; free space, then let it go on")?;
            Ok(Arc::new(plan))
        });
        planned.await?
    }

    /// A destination gets no clip above its label, in a package as little as alone (decision 9): the label that stands now,
    /// which may be another one than the package will tell.
    async fn may_go(&self, name: &DestinationName, plan: &Plan) -> anyhow::Result<()> {
        let written = self.settings.destinations.iter().find(|d| d.name == *name);
        let most =
            written.with_context(|| format!("there is no destination {name} any more; ask for another package"))?;
        let (most, default) = (most.max_sensitivity, self.settings.casework.default_sensitivity);
        let clips = clips_of(plan)?;
        let above = self.store.read(move |r| {
            let mut above = 0;
            for clip in clips {
                above += u64::from(!uplink::label(&r.facts(clip)?, default).may_go_to(most));
            }
            Ok(above)
        });
        let above = above.await?;
        anyhow::ensure!(
            above == 0,
            "{above} clips of this case carry a label above max_sensitivity of {name}; fetch the package with the browser, or have it made on the station"
        );
        Ok(())
    }

    /// Waits until a clip may no longer go there. Ends with that alone.
    async fn held_back(
        &self,
        name: &DestinationName,
        plan: &Plan,
        news: &mut tokio::sync::broadcast::Receiver<Change>,
    ) -> anyhow::Result<()> {
        use tokio::sync::broadcast::error::RecvError;
        let ours: HashSet<ClipId> = clips_of(plan)?.into_iter().collect();
        loop {
            match news.recv().await {
                Ok(Change::Clip(clip)) if ours.contains(&clip) => self.may_go(name, plan).await?,
                Err(RecvError::Lagged(_)) => self.may_go(name, plan).await?,
                Ok(_) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Whether there is room for so many bytes more besides the reserve.
    fn room(&self, dir: &Path, bytes: u64) -> anyhow::Result<()> {
        let disk = rustix::fs::statvfs(dir).with_context(|| format!("{} cannot be looked at", dir.display()))?;
        let (free, total) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        let needed = bytes.saturating_sub(written_below(dir)) + self.settings.vault.reserve.bytes(total);
        anyhow::ensure!(
            free >= needed,
            "the package needs {} more on {} than are free besides the reserve; free space, then let it go on, or fetch it with the browser instead",
            super::super::output::size(needed - free),
            dir.display()
        );
        Ok(())
    }

    /// Makes the package of one disc, unless an earlier run did.
    async fn disc(
        &self,
        row: &ExportRow,
        dir: &Path,
        plan: &Arc<Plan>,
        disc: u32,
        digests: &mut BTreeMap<String, Digests>,
        look: clips::Look<'_>,
    ) -> anyhow::Result<()> {
        let package: &Package = &plan.discs[disc as usize - 1];
        let finished = {
            let dir = dir.to_owned();
            task::blocking("export", move || Index::read(&dir, disc)).await??
        };
        if finished.is_some() {
            look(package.facts.bytes);
            return Ok(());
        }
        let to = folder(dir, disc);
        let (mut sink, there) = Sink::open(&to, false, &package.facts, &self.settings.station.zone, plan.sm3, &[])?;
        let of_clips = if row.target == Target::Station {
            let (back, of_clips) = clips::write_all(&self.reach, &package.clips, sink, there, look).await?;
            sink = back;
            of_clips
        } else {
            let mut of_clips = Vec::new();
            for clip in &package.clips {
                // What was sealed with SM3 is read for none a second time.
                let sm3 = plan.sm3 && clip.sm3.is_none();
                let same = |known: &&Digests| known.sha256 == clip.sha256 && known.sm3.is_some() == sm3;
                let known = digests.get(&clip.clip).filter(same);
                match known {
                    Some(known) => {
                        look(clip.size_bytes);
                        of_clips.push(known.clone());
                    }
                    None => {
                        let read = clips::digest(&self.reach, clip, sm3, look).await?;
                        digests.insert(clip.clip.clone(), read.clone());
                        let (path, bytes) = (dir.join(DIGESTS), serde_json::to_vec(digests)?);
                        task::blocking("export", move || write_whole(&path, &bytes)).await??;
                        of_clips.push(read);
                    }
                }
            }
            of_clips
        };
        clips::still_there(&self.reach, &package.clips).await?;
        let caller = caller(row);
        let (desk, plan, dir, zone) =
            (Arc::clone(&self.desk), Arc::clone(plan), dir.to_owned(), self.settings.station.zone.clone());
        let (font, derived) = (self.settings.export.font.clone(), self.settings.derived.dir.clone());
        let runtime = tokio::runtime::Handle::current();
        let finished = task::blocking("export", move || {
            let package = &plan.discs[disc as usize - 1];
            let sign = |request: Request| match runtime.block_on(desk.ask(&caller, request)) {
                Reply::Done(value) => serde_json::from_value(value).context("the desk answered without a signature"),
                Reply::Refused { message, .. } => Err(anyhow::anyhow!(message)),
            };
            let typeface = typeface::find(font.as_deref());
            let typeface =
                typeface.inspect_err(|e| tracing::warn!(error = %e, "an evidence package goes without PDFs")).ok();
            let (lang, sm3) = (plan.lang(), plan.sm3);
            let how = How { lang, sm3, zone: &zone, typeface: typeface.as_ref(), derived: &derived };
            documents::finish(sink, package, &of_clips, &how, &sign)?;
            let pairs: Vec<_> = package.clips.iter().cloned().zip(of_clips).collect();
            let index = Index::of(&dir, disc, &package.facts, &pairs, &zone)?;
            index.write(&dir, disc)?;
            Ok(())
        });
        finished.await?
    }

    /// Removes what can be fetched no longer, and what stopped and nobody let go on: both hold names in clear.
    /// `gone` are those of which the log says so already.
    async fn sweep(&self, gone: &mut HashSet<String>) -> Result<(), StoreError> {
        let before = self.clock.now().0 - self.settings.export.keep.as_millis() as i64;
        let isolated = self.store.read(|r| r.clips_isolated_in_packages()).await?;
        for row in self.store.read(|r| r.exports(None, 10_000)).await? {
            if row.state == ExportState::Failed && isolated.contains_key(&row.package) {
                self.clear(&row, &self.dir(&row.package)).await;
                continue;
            }
            // What was made on the station is there for people to take.
            let goes = match row.state {
                ExportState::Ready => row.target != Target::Station,
                ExportState::Failed => true,
                ExportState::Asked | ExportState::Refused | ExportState::Making => false,
            };
            // What stopped before its end was noted counts from when it was asked for.
            if !goes || row.ended_ms.unwrap_or(row.asked_ms) >= before {
                continue;
            }
            let dir = self.dir(&row.package);
            // Its notes are all that knows of an upload that is under way.
            if row.state == ExportState::Failed && !self.given_up(&row, &dir).await {
                continue;
            }
            if !dir.exists() {
                continue;
            }
            // Before anything goes, and once, however often it is tried.
            if !gone.contains(&row.package) {
                self.tell_gone(&row).await?;
                gone.insert(row.package.clone());
            }
            let removed = task::blocking("export", move || match fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            });
            match removed.await {
                Ok(Ok(())) => drop(gone.remove(&row.package)),
                Ok(Err(e)) => {
                    tracing::warn!(package = row.package, error = %chain(&e), "an old package could not be removed");
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What lies here of a package holds clips or names of its case: the log says that it goes.
    async fn tell_gone(&self, row: &ExportRow) -> Result<(), StoreError> {
        let event = Draft::daemon(EventKind::ExportGone)
            .fact("package", row.package.as_str())
            .fact("was", row.state.as_str())
            .fact("target", row.target.to_word());
        let package = row.package.clone();
        self.store.write(move |tx| tx.log(&event.case(tx.case_of_export(&package)?)).map(drop)).await
    }
}

/// The clips of every disc.
fn clips_of(plan: &Plan) -> anyhow::Result<Vec<ClipId>> {
    let clips = plan.discs.iter().flat_map(|disc| &disc.clips).map(|clip| clip.clip.parse::<ClipId>());
    Ok(clips.collect::<Result<_, _>>()?)
}

/// Whoever asked, for what is logged on their behalf.
fn caller(row: &ExportRow) -> Caller {
    let via = match row.via.as_str() {
        "api" => "api",
        "cli" => "cli",
        _ => "web",
    };
    Caller::new(row.asked_by.clone(), via, row.from_where.clone())
}

/// What an earlier run left. Blocks.
pub(super) fn there(dir: &Path) -> anyhow::Result<(Option<Plan>, BTreeMap<String, Digests>)> {
    let read = |name: &str| match fs::read(dir.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("{} cannot be read", dir.join(name).display())),
    };
    let plan = read(PLAN)?.as_deref().and_then(Plan::read);
    let digests = read(DIGESTS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    Ok((plan, digests))
}

/// Packages are nobody's but the daemon's and root's: they hold footage and names in clear.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let above = dir.parent().unwrap_or(Path::new("/"));
    let made = make_dir_all(above).and_then(|()| match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    made.and_then(|()| sync_dir(above))
        .with_context(|| format!("{} cannot be made; look at [export] dir, then let it go on", dir.display()))
}

/// Bytes of files below a folder; what cannot be read counts nothing.
fn written_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => written_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Whether trying again by itself may help.
fn is_passing(e: &anyhow::Error) -> bool {
    if let Some(e) = e.downcast_ref::<SendError>() {
        return e.retry() == Retry::Transient;
    }
    if let Some(e) = e.downcast_ref::<FootageError>() {
        return e.retry() == Retry::Transient;
    }
    e.is::<Behind>() || e.downcast_ref::<Ended>().is_some_and(|ended| ended.exit == Exit::Failure)
}
