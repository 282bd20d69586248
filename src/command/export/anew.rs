//! Packages that cannot go on as they were begun. What one says is fixed when it is asked for, the keys that the log had named
//! by then among it: where the log goes on under another one meanwhile, nobody would take the signature. The daemon begins
//! such a package anew by itself; whoever runs `evidock export` is told to.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

use super::super::Ended;
use super::super::exit::Exit;
use super::super::vouching::keys_since;
use super::job::Exports;
use super::plan::Plan;
use super::serve::Index;
use crate::runtime::task;
use crate::store::{ExportRow, Reader, StoreError};

/// Digests of clips, which are what they were whoever asked for their package.
pub(super) const DIGESTS: &str = "digests.json";
/// What the package says.
pub(super) const PLAN: &str = "plan.json";

impl Exports {
    /// The plan of an earlier run, where its package can still be signed, or is. What was made of one that cannot goes, and
    /// likewise what a plan that cannot be read any more was for: no disc of one request stands beside those of another.
    pub(super) async fn that_stands(
        &self,
        row: &ExportRow,
        dir: &Path,
        plan: Option<Plan>,
    ) -> anyhow::Result<Option<Plan>> {
        let known = plan.is_some();
        if let Some(plan) = plan {
            let (begun, discs) = (plan.discs[0].facts.begun_seq, plan.discs.len() as u32);
            if !self.store.read(move |r| outdated(r, begun)).await? || signed(dir, discs).await? {
                return Ok(Some(plan));
            }
            tracing::info!(
                package = row.package,
                "the station's keys changed since it was asked for: it is begun anew"
            );
            if !self.given_up(row, dir).await {
                let words = "the station's keys changed since it was asked for; it is begun anew once the destination can be reached, where an upload of it is under way";
                return Err(Ended::with(Exit::Failure, words));
            }
        }
        let made = dir.to_owned();
        let removed = task::blocking("export", move || remove_made(&made, known)).await?;
        removed.with_context(|| format!("what was made of the package in {} cannot be removed", dir.display()))?;
        Ok(None)
    }
}

/// Whether what the log says of its keys changed since the entry `begun`, the second signature's among them.
fn outdated(r: &Reader<'_>, begun: u64) -> Result<bool, StoreError> {
    Ok(keys_since(r, begun)? || r.log_of_sm2_key()?.last().is_some_and(|row| row.seq > begun))
}

/// Whether every disc is finished: then each is signed under the key of its time, whatever came since.
async fn signed(dir: &Path, discs: u32) -> anyhow::Result<bool> {
    let dir = dir.to_owned();
    let looked = task::blocking("export", move || -> io::Result<bool> {
        for disc in 1..=discs {
            if Index::read(&dir, disc)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    });
    Ok(looked.await??)
}

/// Removes what was made of a package: its plan last, so that a crash finds it again. `uploads` are notes of those that were
/// given up; without a plan nobody knows what they are of. Blocks.
fn remove_made(dir: &Path, uploads: bool) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match () {
            () if [DIGESTS, PLAN].contains(&&*name) || (!uploads && name.starts_with("sending-")) => {}
            () if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
            () => fs::remove_file(entry.path())?,
        }
    }
    match fs::remove_file(dir.join(PLAN)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_earlier_request_is_left_but_digests() {
        let top = tempfile::tempdir().unwrap();
        let left = |uploads: bool| {
            let dir = top.path().join("p");
            fs::create_dir_all(dir.join("disc-1/custody")).unwrap();
            for name in [PLAN, DIGESTS, "disc-1.index", "disc-2.index.part", "sending-1", "disc-1/custody/package.note"]
            {
                fs::write(dir.join(name), "x").unwrap();
            }
            remove_made(&dir, uploads).unwrap();
            let mut left: Vec<String> =
                fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            left.sort();
            fs::remove_dir_all(&dir).unwrap();
            left
        };
        assert_eq!(left(true), [DIGESTS]);
        assert_eq!(left(false), [DIGESTS, "sending-1"]);
        remove_made(&top.path().join("none"), true).unwrap();
    }
}
