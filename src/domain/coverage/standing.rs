//! How one item of the catalogue stands in a case. Pure.

use super::{Allowed, Footage, Item, Line, NoRecord, Standing, Tier};
use crate::domain::register::Done;

/// No shift is longer. What is recorded further apart is of two times, where nobody wrote down when the matter was carried
/// out; and where somebody wrote down only when it began, its recordings begin within this.
const APART_MS: i64 = 12 * 3_600_000;

/// A stretch of time, milliseconds since the Unix epoch.
type Span = (i64, i64);

/// A time at which the matter was carried out, as somebody wrote it down.
struct Time {
    from_ms: i64,
    /// Its end, where that was written down, too.
    to_ms: Option<i64>,
    /// Until when its footage may come.
    due_ms: i64,
}

impl Time {
    fn of(done: &Done, within_ms: i64) -> Option<Self> {
        let end = done.to_ms.or(done.from_ms)?;
        let from_ms = done.from_ms.unwrap_or(end);
        Some(Self { from_ms, to_ms: done.to_ms, due_ms: end.saturating_add(within_ms) })
    }

    fn end_ms(&self) -> i64 {
        self.to_ms.unwrap_or(self.from_ms)
    }

    /// Where footage of it lies.
    fn reach(&self) -> Span {
        (self.from_ms, self.to_ms.unwrap_or(self.from_ms.saturating_add(APART_MS)))
    }
}

fn meets((from, to): Span, (begin, end): Span, tolerance_ms: i64) -> bool {
    end.saturating_add(tolerance_ms) >= from && begin <= to.saturating_add(tolerance_ms)
}

/// Whether any of these clips shows a time at which a matter was carried out; where that is not known, whether there are any.
pub(super) fn touches(done: &Done, clips: &[&Footage]) -> bool {
    match Time::of(done, 0) {
        Some(time) => clips.iter().filter_map(|clip| clip.span_ms).any(|span| meets(time.reach(), span, 0)),
        None => !clips.is_empty(),
    }
}

/// One line of coverage.
pub(super) fn line(
    item: &Item,
    clips: &[&Footage],
    done: &[&Done],
    due_anyway: bool,
    said: Option<&NoRecord>,
    now_ms: i64,
    allowed: Allowed,
) -> Line {
    let union = union(clips.iter().flat_map(|clip| recorded(clip)).collect());
    let times: Vec<Time> = done.iter().filter_map(|d| Time::of(d, allowed.within_ms)).collect();
    let said = said.filter(|s| !s.reason.is_empty());
    let written = said.is_some_and(|s| s.written);
    let is_past = |time: &&Time| time.due_ms <= now_ms;
    // A clip whose time nobody knows may be of any.
    let undated = clips.iter().any(|clip| clip.span_ms.is_none());
    let unseen = |time: &&Time| !undated && !union.iter().any(|span| meets(time.reach(), *span, allowed.gap_ms));
    let mut gaps_ms = Vec::new();
    let standing = match (clips.is_empty(), item.tier) {
        (true, Tier::Written) => Standing::Replaced,
        (true, _) if done.is_empty() && !due_anyway => Standing::NotYetDue,
        (true, Tier::Part) if written => Standing::Replaced,
        (true, _) if !times.is_empty() && !times.iter().any(|time| is_past(&time)) => Standing::NotYetDue,
        (true, _) if said.is_some() => Standing::Explained,
        (true, _) => Standing::Missing,
        (false, Tier::Written) => Standing::Present,
        (false, Tier::Whole) => {
            let gaps = gaps(&union, &times, allowed.gap_ms);
            let broken = times.iter().filter(is_past).any(|time| unseen(&time));
            let settled = gaps.iter().any(|(_, due_ms)| due_ms.is_none_or(|due| due <= now_ms));
            let open = times.iter().any(|time| unseen(&time)) || !gaps.is_empty();
            gaps_ms = gaps.into_iter().map(|(gap, _)| gap).collect();
            match () {
                () if broken || settled => Standing::Interrupted,
                // The recorder that fills the gap may still come.
                () if open => Standing::NotYetDue,
                () => in_time(clips, &times, allowed.within_ms),
            }
        }
        (false, Tier::Part) => {
            let missed: Vec<&Time> = times.iter().filter(is_past).filter(unseen).collect();
            match () {
                () if missed.is_empty() || written => in_time(clips, &times, allowed.within_ms),
                () => {
                    gaps_ms = missed.iter().map(|t| (t.from_ms, t.end_ms())).filter(|(from, to)| from < to).collect();
                    if said.is_some() { Standing::Explained } else { Standing::Missing }
                }
            }
        }
    };
    let waits = standing == Standing::NotYetDue;
    Line {
        item: item.clone(),
        standing,
        clips: clips.len(),
        recorded_ms: union.iter().map(|(from, to)| to - from).sum(),
        gaps_ms,
        due_ms: times.iter().map(|time| time.due_ms).filter(|due| waits && *due > now_ms).max(),
        reason: said.map(|s| s.reason.clone()),
        basis: said.map(|s| s.basis.clone()).filter(|b| !b.is_empty()),
        said: said.and_then(|s| s.said.clone()),
    }
}

/// Whether every clip came in soon enough after the time of which it is, or after its own end.
fn in_time(clips: &[&Footage], times: &[Time], within_ms: i64) -> Standing {
    let due = |clip: &Footage| match clip.span_ms {
        Some(span) => {
            let of = times.iter().filter(|time| meets(time.reach(), span, 0)).map(Time::end_ms).max();
            Some(of.unwrap_or(span.1).max(span.1).saturating_add(within_ms))
        }
        None => times.iter().map(|time| time.due_ms).max(),
    };
    let is_late = |clip: &&Footage| clip.sealed_ms.zip(due(clip)).is_some_and(|(sealed, due)| sealed > due);
    if clips.iter().any(is_late) { Standing::Late } else { Standing::Present }
}

/// What of a clip is there.
fn recorded(clip: &Footage) -> Vec<Span> {
    let Some((begin, end)) = clip.span_ms else { return Vec::new() };
    let (mut there, mut at) = (Vec::new(), begin);
    for (from, to) in union(clip.lost_ms.clone()) {
        if from > at && at < end {
            there.push((at, from.min(end)));
        }
        at = at.max(to);
    }
    if at <= end {
        there.push((at, end));
    }
    there
}

/// Stretches as they are when all recorders count together, in order.
fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|(from, to)| to >= from);
    spans.sort_unstable();
    let mut union: Vec<Span> = Vec::new();
    for (from, to) in spans {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => union.push((from, to)),
        }
    }
    union
}

/// Stretches of one occasion each, of a union: from the first recording to the last one before a long pause.
fn occasions(union: &[Span]) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for (from, to) in union {
        match all.last_mut() {
            Some(last) if from - last.1 <= APART_MS => last.1 = *to,
            _ => all.push((*from, *to)),
        }
    }
    all
}

/// Gaps longer than is allowed, each with the time until which it may be filled: inside each time at which the matter was
/// carried out; where only its begin is known, until the end of what was recorded then; else between one recording of an
/// occasion and the next.
fn gaps(union: &[Span], times: &[Time], allowed_ms: i64) -> Vec<(Span, Option<i64>)> {
    let occasions = occasions(union);
    if times.is_empty() {
        return occasions.iter().flat_map(|span| between(union, *span, allowed_ms)).map(|gap| (gap, None)).collect();
    }
    let span_of = |time: &Time| match time.to_ms {
        Some(to) => Some((time.from_ms, to)),
        None => {
            let then = occasions.iter().find(|span| meets(time.reach(), **span, allowed_ms))?;
            Some((time.from_ms.min(then.0), then.1))
        }
    };
    let of = |time: &Time| {
        let gaps = span_of(time).map(|span| between(union, span, allowed_ms)).unwrap_or_default();
        gaps.into_iter().map(|gap| (gap, Some(time.due_ms))).collect::<Vec<_>>()
    };
    times.iter().flat_map(of).collect()
}

fn between(union: &[Span], (from, to): Span, allowed_ms: i64) -> Vec<Span> {
    let (mut gaps, mut at) = (Vec::new(), from);
    for (begin, end) in union.iter().filter(|(begin, end)| *end > from && *begin < to) {
        if begin - at > allowed_ms {
            gaps.push((at, *begin));
        }
        at = at.max(*end);
    }
    if to - at > allowed_ms {
        gaps.push((at, to));
    }
    gaps
}
