//! `[casework] roster`: keeps an eye on one file and imports it through the desk whenever it has changed.
//!
//! [`Watch`] decides from what each look saw; the task around it reads and asks. What is wrong with the file is said
//! by line and column where a person asked for it (`evidock roster import --dry-run`), not in the health report, which
//! anybody may read: a roster names people.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::casework::register::table::MAX_BYTES;
use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::event::Actor;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskContext, TaskSpec};
use crate::runtime::task;

/// Between two looks. A file is imported once two looks in a row saw it the same.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A file as far as a look tells, to see that it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified_ns: i128,
}

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    File(Stamp),
    Nothing,
    /// In the system's words.
    Unreadable(String),
}

/// What is to be done after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Nothing, and nothing new to say.
    Wait,
    /// Import it.
    Import(Stamp),
    /// Say that it is not there; what was imported stands.
    Missing,
    /// Say that it cannot be read.
    Unreadable(String),
}

/// What the looks remember from each other.
#[derive(Debug, Default)]
struct Watch {
    last: Option<Seen>,
    /// Imported, or found to have mistakes: either way only a change makes it worth another try.
    judged: Option<Stamp>,
}

impl Watch {
    fn look(&mut self, seen: Seen) -> Step {
        let before = self.last.replace(seen.clone());
        let same = before.as_ref() == Some(&seen);
        match seen {
            Seen::File(stamp) if same && self.judged != Some(stamp) => Step::Import(stamp),
            Seen::File(_) => Step::Wait,
            // It is judged anew when it is back, even as it was: its condition must be told again.
            _ if !same => {
                self.judged = None;
                match seen {
                    Seen::Unreadable(why) => Step::Unreadable(why),
                    _ => Step::Missing,
                }
            }
            _ => Step::Wait,
        }
    }

    fn judged(&mut self, stamp: Stamp) {
        self.judged = Some(stamp);
    }
}

/// Starts the watch, where a roster is configured.
pub fn start(supervisor: &mut Supervisor, file: Option<PathBuf>, desk: &Arc<dyn Ask>, health: &Health) {
    let Some(file) = file else { return };
    let (desk, part) = (Arc::clone(desk), health.part("roster"));
    supervisor.start(TaskSpec::new("roster", Phase::Sources, OnFailure::RESTART), move |context| {
        let (file, desk, part) = (file.clone(), Arc::clone(&desk), part.clone());
        async move {
            run(&file, &*desk, &part, context).await;
            Ok(())
        }
    });
}

async fn run(file: &Path, desk: &dyn Ask, part: &Part, context: TaskContext) {
    let mut watch = Watch::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.cancel.cancelled() => return,
            _ = looks.tick() => {}
        }
        context.heart.beat();
        let path = file.to_owned();
        let seen = task::blocking("roster-look", move || look_at(&path)).await;
        let Ok(seen) = seen else { continue };
        match watch.look(seen) {
            Step::Wait => {}
            Step::Missing => part.degraded(
                "roster_missing",
                format!("there is no file {}; what was imported before still holds", file.display()),
                "put the roster there; it is imported by itself",
            ),
            Step::Unreadable(why) => unreadable(file, part, &why),
            Step::Import(stamp) => {
                if import(file, desk, part).await {
                    watch.judged(stamp);
                }
            }
        }
    }
}

/// `false` where the same file may do at the next look.
async fn import(file: &Path, desk: &dyn Ask, part: &Part) -> bool {
    let path = file.to_owned();
    let bytes = match task::blocking("roster-read", move || read(&path)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(e)) => {
            unreadable(file, part, &e.to_string());
            return false;
        }
        Err(_) => return false,
    };
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let caller = Caller::new(Actor::daemon(), "daemon", "the configured roster");
    let content = STANDARD.encode(bytes);
    match desk.ask(&caller, Request::ImportRoster { name, content, dry_run: false }).await {
        Reply::Done(done) => {
            let warnings = done["warnings"].as_array().map_or(0, Vec::len);
            tracing::info!(rows = %done["rows"], replaced = %done["replaced"], changed = %done["changed"], warnings, "the roster was read");
            part.ok();
            true
        }
        Reply::Refused { code, .. } if code == "invalid" => {
            part.failed(
                "roster_wrong",
                format!("{} has mistakes; nothing of it was imported, what was imported before still holds", file.display()),
                format!("`evidock roster import --dry-run {}` names each one; correct the file and it is imported by itself", file.display()),
            );
            true
        }
        Reply::Refused { message, .. } => {
            part.degraded(
                "roster_waits",
                format!("the roster could not be stored: {message}"),
                "it is tried again by itself",
            );
            false
        }
    }
}

fn unreadable(file: &Path, part: &Part, why: &str) {
    part.failed(
        "roster_unreadable",
        format!("{} cannot be read: {why}; what was imported before still holds", file.display()),
        "let evidock's user read it",
    );
}

fn look_at(file: &Path) -> Seen {
    match std::fs::metadata(file) {
        Ok(m) if m.is_file() => Seen::File(Stamp {
            inode: m.ino(),
            len: m.len(),
            modified_ns: i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec()),
        }),
        Ok(_) => Seen::Unreadable("it is no file".to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Seen::Nothing,
        Err(e) => Seen::Unreadable(e.to_string()),
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than may be, so that what is too long is told and not cut off.
    std::fs::File::open(file)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(len: u64) -> Seen {
        Seen::File(Stamp { inode: 1, len, modified_ns: 5 })
    }

    #[test]
    fn a_file_is_imported_once_it_stands_still_and_again_when_it_changed() {
        let Seen::File(stamp) = file(7) else { unreachable!() };
        let gone = || Seen::Nothing;
        let denied = || Seen::Unreadable("denied".to_owned());
        // What each look sees, what is to be done, and whether the file was judged by it.
        let looks = [
            (gone(), Step::Missing, false),
            (gone(), Step::Wait, false),
            (file(3), Step::Wait, false),
            (file(7), Step::Wait, false),
            (file(7), Step::Import(stamp), false),
            (file(7), Step::Import(stamp), true),
            (file(7), Step::Wait, false),
            (file(8), Step::Wait, false),
            (file(7), Step::Wait, false),
            (file(7), Step::Wait, false),
            (gone(), Step::Missing, false),
            (denied(), Step::Unreadable("denied".to_owned()), false),
            (denied(), Step::Wait, false),
            (file(7), Step::Wait, false),
            (file(7), Step::Import(stamp), true),
            (file(7), Step::Wait, false),
        ];
        let mut watch = Watch::default();
        for (n, (seen, step, judged)) in looks.into_iter().enumerate() {
            assert_eq!(watch.look(seen), step, "look {n}");
            if judged {
                watch.judged(stamp);
            }
        }
    }

    #[test]
    fn a_roster_that_is_too_long_is_not_cut_off_to_what_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.csv");
        std::fs::File::create(&path).unwrap().set_len(MAX_BYTES as u64 + 5).unwrap();
        assert_eq!(read(&path).unwrap().len(), MAX_BYTES + 1);
        assert!(matches!(look_at(dir.path()), Seen::Unreadable(_)));
        assert_eq!(look_at(&dir.path().join("nowhere")), Seen::Nothing);
    }
}
