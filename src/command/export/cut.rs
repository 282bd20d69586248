//! Packages that an isolation ended (疑似涉密): the transaction that isolates a clip says so in their rows (`store::exports`);
//! here whoever makes them stops, and what was written of them goes.
//!
//! What is whole at a destination already stays there, as everything does that is isolated: the log and `evidock doctor` say
//! where, and a person decides. An upload that was not made whole is given up.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::super::Ended;
use super::super::exit::Exit;
use super::job::{Exports, there};
use super::plan::{Plan, place, plan_path};
use super::{bucket, sink};
use crate::custody::package::NOTE;
use crate::domain::event::{Draft, EventKind};
use crate::domain::export::{ExportState, Target};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::why::Why;
use crate::runtime::task;
use crate::store::{Change, ExportRow, Store, StoreError};

/// A program beside the daemon hears nothing of changes: it looks so often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Exports {
    /// Waits until an isolation ends a package that is being made. `news` begin before this looks.
    pub(super) async fn ended(&self, package: &str, mut news: Receiver<Change>) {
        loop {
            let id = package.to_owned();
            match self.store.read(move |r| Ok(r.export(&id)?.state)).await {
                Ok(ExportState::Making) => {}
                Ok(_) => return,
                // The next news or look asks again; whatever is made meanwhile cannot be called ready.
                Err(e) => tracing::warn!(package, error = %e, "whether this package may go on could not be looked at"),
            }
            let changed = async {
                loop {
                    match news.recv().await {
                        Ok(Change::Exports) | Err(RecvError::Lagged(_)) => return,
                        Ok(_) => {}
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            // What nobody hears is seen, at the latest, by then.
            let _ = tokio::time::timeout(Duration::from_secs(10), changed).await;
        }
    }

    /// Removes what was written of a package that an isolation ended. Where a destination cannot be reached just now, what
    /// must be known to give its upload up stays for the next time.
    pub(super) async fn clear(&self, row: &ExportRow, dir: &Path) {
        if !dir.exists() {
            return;
        }
        if let Target::At(name) = &row.target
            && let Some(dest) = self.reach.remotes.iter().find(|dest| dest.name() == name)
        {
            let read = dir.to_owned();
            let read = task::blocking("export", move || there(&read)).await;
            let Ok(Ok((plan, _))) = read else {
                tracing::warn!(package = row.package, "its plan cannot be read, by which its upload would be given up");
                return;
            };
            for disc in plan.iter().flat_map(|plan| &plan.discs) {
                let key = layout::export(&self.reach.station, &disc.facts.package);
                let notes = dir.join(format!("sending-{}", disc.facts.disc.map_or(1, |disc| disc.n)));
                let stands = match bucket::give_up(&**dest, &key, &notes).await {
                    Ok(stands) => stands,
                    Err(e) => {
                        tracing::warn!(package = row.package, destination = %name, error = format!("{e:#}"), "an upload that an isolation ended is not given up yet");
                        let kept = dir.to_owned();
                        let _ = task::blocking("export", move || but_notes(&kept)).await;
                        return;
                    }
                };
                let told = self.told(row, &key, name.as_str(), stands).await;
                if let Err(e) = told {
                    tracing::warn!(package = row.package, error = %e, "what stands of it elsewhere could not be logged yet");
                    return;
                }
            }
        }
        let gone = dir.to_owned();
        if let Ok(Err(e)) = task::blocking("export", move || remove(&gone)).await {
            tracing::warn!(package = row.package, error = %e, "what was written of a package that an isolation ended could not be removed yet");
        }
    }

    /// Gives up what is under way at a destination of a package that stopped and that nobody let go on. `false` where that
    /// could not be done yet.
    pub(super) async fn given_up(&self, row: &ExportRow, dir: &Path) -> bool {
        let Target::At(name) = &row.target else { return true };
        let dest = self.reach.remotes.iter().find(|dest| dest.name() == name);
        let Some(dest) = dest.filter(|_| dir.exists()) else { return true };
        let read = dir.to_owned();
        // Without its plan nothing of it went anywhere.
        let Ok(Ok((Some(plan), _))) = task::blocking("export", move || there(&read)).await else { return true };
        for disc in &plan.discs {
            let key = layout::export(&self.reach.station, &disc.facts.package);
            let notes = dir.join(format!("sending-{}", disc.facts.disc.map_or(1, |disc| disc.n)));
            if notes.exists()
                && let Err(e) = bucket::give_up(&**dest, &key, &notes).await
            {
                let error = format!("{e:#}");
                tracing::warn!(package = row.package, destination = %name, error, "an upload that nobody goes on with is not given up yet");
                return false;
            }
        }
        true
    }

    /// What became of its object there, for the log.
    async fn told(&self, row: &ExportRow, key: &str, destination: &str, stands: bool) -> Result<(), StoreError> {
        if stands {
            tracing::error!(
                package = row.package,
                destination,
                key,
                "a package that an isolation ended stands there whole; a person must decide what becomes of it"
            );
        }
        let event = Draft::daemon(EventKind::ExportCut)
            .fact("package", row.package.as_str())
            .fact("destination", destination)
            .fact("key", key)
            .fact("stands", stands);
        let package = row.package.clone();
        self.store.write(move |tx| tx.log(&event.case(tx.case_of_export(&package)?)).map(drop)).await
    }
}

/// Removes a folder and what is in it; one that is not there is gone. Blocks.
fn remove(dir: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Whoever was writing there has not heard yet that it ends.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 3 => tries += 1,
            Err(e) => return Err(e),
        }
    }
}

/// Removes what was written of a package, but not what tells where its upload is. Blocks.
fn but_notes(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        } else if name != "plan.json" && !name.starts_with("sending-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The first clip of a package that is isolated now.
pub(super) fn isolated_of(store: &Store, plan: &Plan) -> Result<Option<ClipId>, StoreError> {
    let clips = clips_of(plan);
    Ok(store.read_blocking(|r| r.isolated_clips())?.into_iter().find(|clip| clips.contains(clip)))
}

fn clips_of(plan: &Plan) -> BTreeSet<ClipId> {
    plan.discs.iter().flat_map(|disc| &disc.clips).filter_map(|clip| clip.clip.parse().ok()).collect()
}

/// Does `work` on a package, beside the daemon, unless one of its clips is isolated before that is done.
pub(super) async fn unless_isolated<T>(
    store: &Store,
    plan: &Plan,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let clips = clips_of(plan);
    let cut = async {
        loop {
            let isolated = store.read(|r| r.isolated_clips()).await.context("what is isolated cannot be read")?;
            if let Some(clip) = isolated.iter().find(|clip| clips.contains(clip)) {
                return Err(Ended::why(Exit::Mismatch, Why::PackageIsolated { clip: clip.to_string() }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        ended = cut => ended,
        done = work => done,
    }
}

/// Removes what `evidock export` has written of a package that is not finished, by the names that it writes and no others:
/// where it goes is for whoever runs it to say. What is signed already is theirs. Gives whether all of it is gone.
pub(super) fn remove_written(to: &Path, is_zip: bool, plan: &Plan) -> bool {
    let mut all = true;
    for disc in &plan.discs {
        let at = place(to, is_zip, disc.facts.disc);
        all &= match is_zip {
            true => unlink(&sink::beside(&at, "part")),
            false if at.join(NOTE).exists() => Ok(()),
            false => remove_package(&at),
        }
        .is_ok();
    }
    all &= unlink(&plan_path(to, is_zip)).is_ok();
    if !is_zip {
        // It may be a disk's own folder, or hold the discs that are signed.
        let _ = fs::remove_dir(to);
    }
    all
}

fn remove_package(dir: &Path) -> io::Result<()> {
    for folder in ["data", "custody"] {
        remove(&dir.join(folder))?;
    }
    let files = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        let numbered = |n: &str| name.starts_with(n);
        let ours = ["1-", "2-", "3-", "4-", "bag", "manifest-", "tagmanifest-", "blake3sums", "sm3sums"];
        if file.file_type()?.is_file() && ours.into_iter().any(numbered) {
            unlink(&file.path())?;
        }
    }
    let _ = fs::remove_dir(dir);
    Ok(())
}

fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
