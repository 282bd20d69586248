//! The index of searches: whether it is whole, and finds what it should.

use super::Finding;
use crate::domain::error::chain;
use crate::store::Store;

/// Newest clips whose text is compared with what it should be.
const SAMPLE: u32 = 200;
/// One change that touches more clips (a register of cases) is caught up with in seconds.
const DUE: u64 = 5_000;

/// Looks at it.
pub fn look(store: &Store) -> Finding {
    let again = "`evidock find --rebuild` makes it anew; nothing else is affected";
    let check = match store.read_blocking(|r| r.check_search(SAMPLE)) {
        Ok(check) => check,
        Err(e) => return Finding::problem("search", format!("the index cannot be read: {}", chain(&e)), again),
    };
    let missing = check.clips.saturating_sub(check.indexed);
    match () {
        () if !check.compiled_in => Finding::problem(
            "search",
            "this program's SQLite has no full text search",
            "install evidock as it is released",
        ),
        () if check.verdict != "ok" => {
            Finding::problem("search", format!("the index is broken: {}", check.verdict), again)
        }
        () if check.wrong > 0 => Finding::problem(
            "search",
            format!("{} of the newest clips are not found as they should be", check.wrong),
            again,
        ),
        () if missing > check.due => Finding::problem(
            "search",
            format!("{missing} clips stand in no index, and only {} are due", check.due),
            again,
        ),
        () if check.due > DUE => Finding::warning(
            "search",
            format!("{} clips wait for their place in the index", check.due),
            "the running daemon catches up by itself",
        ),
        () => Finding::ok(
            "search",
            format!("{} of {} clips are indexed, {} are due", check.indexed, check.clips, check.due),
        ),
    }
}
