//! How far a recorder's clock may be trusted to say in whose hands the recorder was.
//!
//! Its own times stay what they are (invariant 8), and no time is ever made of what its clock was off. But an officer or a case
//! is not given by a time that the dock itself found wrong: where the clock was off by more than [`CLOCK_MS`], or the file's
//! own times contradict each other, desk and roster are followed only if they say the same of every time at which it may have been.

use super::start::EARLIEST_MS;
use super::{Capture, ClipEvidence};
use crate::casework::roster::{RosterRow, recorder_key};
use crate::domain::outing::CLOCK_MS;
use crate::domain::record::Origin;
use crate::domain::recorder_clock::{ClockEstimate, ClockHow};

/// No clock runs ahead by more without every one of its times being impossible: the newest file has a damaged date.
const YEAR_MS: i64 = 366 * 86_400_000;

/// What a time is worth for telling whose a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing speaks against it.
    AsItIs,
    /// It lies after the moment at which the recorder was docked.
    LaterThanDock,
    /// Capture began and ended between these instants of the station's clock.
    Between(i64, i64),
}

pub(super) fn trust(input: &ClipEvidence, capture: &Capture) -> Trust {
    // A person set it right, or the station's clock dated it.
    if capture.origin.is_none_or(|origin| origin == Origin::Recording) || input.recording.is_some() {
        return Trust::AsItIs;
    }
    if capture.start_ms > input.docked_ms.saturating_add(CLOCK_MS) {
        return Trust::LaterThanDock;
    }
    let is_off = |e: &ClockEstimate| match e.how {
        ClockHow::Device => e.offset_ms.saturating_abs() > CLOCK_MS,
        ClockHow::NewestFile => e.offset_ms > CLOCK_MS && e.offset_ms <= YEAR_MS,
    };
    // What was never written by a clock that ran is no reading of one.
    let reads = |ms: i64| ms >= EARLIEST_MS && ms <= input.docked_ms.saturating_add(CLOCK_MS);
    let (off, otherwise) = (input.clock.estimate.filter(is_off), capture.otherwise.filter(|(_, end)| reads(*end)));
    if off.is_none() && otherwise.is_none() {
        return Trust::AsItIs;
    }
    let raw = (capture.start_ms, capture.end_ms.unwrap_or(capture.start_ms));
    let (mut first, mut last) = raw;
    for (begin, end) in [Some(raw), otherwise].into_iter().flatten() {
        (first, last) = (first.min(begin), last.max(end));
        match off {
            Some(ClockEstimate { offset_ms, how: ClockHow::Device }) => {
                first = first.min(begin.saturating_sub(offset_ms));
                last = last.max(end.saturating_sub(offset_ms));
            }
            // It was ahead by at least this much: how far back that may reach, only its last dock can say.
            Some(_) => first = first.min(input.clock.since_ms.unwrap_or(i64::MIN)),
            None => {}
        }
    }
    // Nothing was captured after the dock, whatever its clock says: who had it next is no doubt.
    Trust::Between(first, last.min(input.docked_ms.max(capture.start_ms)))
}

/// Whether a stay or a shift of this recorder begins or ends between these instants.
pub(super) fn changes_hands(input: &ClipEvidence, roster: &[RosterRow], first_ms: i64, last_ms: i64) -> bool {
    let key = recorder_key(input.recorder.as_str());
    let between = |ms: i64| first_ms < ms && ms <= last_ms;
    input.issues.iter().any(|issue| between(issue.from_ms) || issue.to_ms.is_some_and(between))
        || roster.iter().any(|row| (between(row.from_ms) || between(row.to_ms)) && recorder_key(&row.recorder) == key)
}
