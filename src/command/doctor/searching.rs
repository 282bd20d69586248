//! The index of searches: whether it is whole, and finds what it should.

use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::store::Store;

/// Newest clips whose text is compared with what it should be.
const SAMPLE: u32 = 200;
/// One change that touches more clips (a register of cases) is caught up with in seconds.
const DUE: u64 = 5_000;

/// Looks at it.
pub fn look(store: &Store) -> Finding {
    let part = CheckPart::Search;
    let broken = |found| Finding::problem(part, found, Todo::RebuildIndex {});
    let check = match store.read_blocking(|r| r.check_search(SAMPLE)) {
        Ok(check) => check,
        Err(e) => return broken(Found::IndexUnread { error: chain(&e) }),
    };
    let missing = check.clips.saturating_sub(check.indexed);
    match () {
        () if !check.compiled_in => Finding::problem(part, Found::NoFullText {}, Todo::InstallRelease {}),
        () if check.verdict != "ok" => broken(Found::IndexBroken { verdict: check.verdict }),
        () if check.wrong > 0 => broken(Found::IndexWrong { n: check.wrong }),
        () if missing > check.due => broken(Found::IndexMissing { missing, due: check.due }),
        () if check.due > DUE => Finding::warning(part, Found::IndexDue { due: check.due }, Todo::CaughtUp {}),
        () => Finding::ok(part, Found::IndexWell { indexed: check.indexed, clips: check.clips, due: check.due }),
    }
}
