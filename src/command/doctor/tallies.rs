//! Figures that the database keeps as it goes, counted anew.

use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::store::Store;

/// Looks at them.
pub fn look(store: &Store) -> Finding {
    let part = CheckPart::Figures;
    let off = match store.read_blocking(|r| r.tallies_off()) {
        Ok(off) => off,
        Err(e) => return Finding::problem(part, Found::FiguresUnread { error: chain(&e) }, Todo::SeeDatabase {}),
    };
    let Some(first) = off.first() else { return Finding::ok(part, Found::FiguresRight {}) };
    let (kept, counted) = (first.kept.0, first.counted.0);
    let found = Found::FiguresOff { n: off.len(), what: first.what.clone(), kept, counted };
    Finding::problem(part, found, Todo::ReportFigures {})
}
