//! How one item of the catalogue stands in a case. Pure.

use super::occasion::{APART_MS, Lack, Span};
use super::{Footage, Item, Line, NoRecord, Standing, Tier};
use crate::domain::register::Done;

/// A time at which the matter was carried out, as somebody wrote it down.
struct Time {
    from_ms: i64,
    /// Its end, where that was written down, too.
    to_ms: Option<i64>,
    /// Until when its footage may come.
    due_ms: i64,
    /// It names days: somewhere in them it began and ended.
    days: bool,
}

impl Time {
    fn of(done: &Done, within_ms: i64) -> Option<Self> {
        let end = done.to_ms.or(done.from_ms)?;
        let from_ms = done.from_ms.unwrap_or(end);
        // Of days the last millisecond is told as the end.
        let due_ms = end.saturating_add(within_ms).saturating_add(i64::from(done.days));
        Some(Self { from_ms, to_ms: done.to_ms, due_ms, days: done.days })
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

/// One item against what there is of it.
pub(super) struct Measured<'a> {
    pub(super) item: &'a Item,
    clips: &'a [&'a Footage],
    /// What is recorded, all recorders together; a picture is a moment of it.
    union: Vec<Span>,
    /// When it was carried out, as somebody wrote it down.
    times: Vec<Time>,
    /// It was carried out, or belongs to the case anyway.
    due: bool,
}

impl<'a> Measured<'a> {
    pub(super) fn of(item: &'a Item, clips: &'a [&'a Footage], done: &[&Done], due: bool, within_ms: i64) -> Self {
        let union = union(clips.iter().flat_map(|clip| recorded(clip)).collect());
        let times = done.iter().filter_map(|d| Time::of(d, within_ms)).collect();
        Self { item, clips, union, times, due }
    }
}

/// Occasions of an item that lack a recording: each time that somebody wrote down and that nothing shows, or not whole where
/// it must be whole; where nobody wrote down a time, each occasion that was recorded with gaps, or the one that was not at all.
pub(super) fn lacking(of: &Measured<'_>, gap_ms: i64) -> Vec<Lack<'static>> {
    let Measured { item, clips, union, times, .. } = of;
    let whole = item.tier == Tier::Whole && !clips.is_empty();
    // Moments show that it was carried out, and nothing from begin to end.
    let lasting: Vec<Span> = union.iter().copied().filter(|(from, to)| from < to).collect();
    let union = if whole { &lasting } else { union };
    let bare = || Lack { from_ms: None, to_ms: None, reach: None, due_ms: None, gaps_ms: Vec::new(), why: None };
    match (item.tier, times.is_empty(), clips.is_empty()) {
        (Tier::Written, ..) => Vec::new(),
        (_, true, true) => of.due.then(bare).into_iter().collect(),
        (_, true, false) if whole && union.is_empty() => {
            let moments = of.union.first().zip(of.union.last());
            let reach = moments.map(|(first, last)| (first.0, last.1));
            vec![Lack { from_ms: reach.map(|r| r.0), reach, ..bare() }]
        }
        (_, true, false) => {
            let each = occasions(union).into_iter().filter(|_| whole).map(|span| Lack {
                from_ms: Some(span.0),
                to_ms: Some(span.1),
                reach: Some(span),
                gaps_ms: between(union, span, gap_ms),
                ..bare()
            });
            each.filter(|lack| !lack.gaps_ms.is_empty()).collect()
        }
        (_, false, _) => {
            // A clip whose time nobody knows may be of any; that it shows one of them whole nobody can tell.
            let undated = !whole && clips.iter().any(|clip| clip.span_ms.is_none());
            let mut all: Vec<Lack<'static>> = Vec::new();
            for time in times {
                let unseen = !undated && !union.iter().any(|span| meets(time.reach(), *span, gap_ms));
                let gaps_ms = match () {
                    () if whole => gaps_of(time, union, gap_ms),
                    () if unseen && !time.days && time.from_ms < time.end_ms() => vec![(time.from_ms, time.end_ms())],
                    () => Vec::new(),
                };
                if unseen || !gaps_ms.is_empty() {
                    let (from_ms, due_ms) = (Some(time.from_ms), Some(time.due_ms));
                    all.push(Lack {
                        from_ms,
                        to_ms: time.to_ms,
                        reach: Some(time.reach()),
                        due_ms,
                        gaps_ms,
                        why: None,
                    });
                }
            }
            all.sort_by_key(|lack| lack.from_ms);
            all
        }
    }
}

/// One line of coverage. `newest` is the newest reason that may be about the item.
pub(super) fn line(
    of: &Measured<'_>,
    lacks: &[Lack<'_>],
    newest: Option<&NoRecord>,
    now_ms: i64,
    within_ms: i64,
) -> Line {
    let Measured { item, clips, union, times, due } = of;
    // A written record stands for what is recorded as the situation asks.
    let replaced = |l: &&Lack<'_>| item.tier == Tier::Part && l.why.is_some_and(|s| s.written);
    let wanting: Vec<&Lack<'_>> = lacks.iter().filter(|l| !replaced(l)).collect();
    let past: Vec<&Lack<'_>> = wanting.iter().copied().filter(|l| l.is_past(now_ms)).collect();
    let recorded = || in_time(clips, times, within_ms);
    let standing = match (clips.is_empty(), item.tier) {
        (true, Tier::Written) => Standing::Replaced,
        (false, Tier::Written) => Standing::Present,
        (true, _) if !due => Standing::NotYetDue,
        (true, _) if wanting.is_empty() => Standing::Replaced,
        (true, _) if past.is_empty() => Standing::NotYetDue,
        (false, Tier::Whole) if !past.is_empty() => Standing::Interrupted,
        // The recorder that fills the gap may still come.
        (false, Tier::Whole) if !wanting.is_empty() => Standing::NotYetDue,
        (false, _) if past.is_empty() => recorded(),
        _ if past.iter().all(|l| l.why.is_some()) => Standing::Explained,
        _ => Standing::Missing,
    };
    let told = if item.tier == Tier::Whole { &wanting } else { &past };
    let gaps_ms = if clips.is_empty() { Vec::new() } else { told.iter().flat_map(|l| l.gaps_ms.clone()).collect() };
    let asked: Vec<&Lack<'_>> = match () {
        () if !past.is_empty() => past,
        () if !wanting.is_empty() => wanting,
        () => lacks.iter().collect(),
    };
    let said = match asked.iter().all(|l| l.why.is_some()) {
        true => asked.last().and_then(|l| l.why).or(newest),
        false => None,
    };
    let waits = standing == Standing::NotYetDue;
    Line {
        item: (*item).clone(),
        standing,
        clips: clips.len(),
        recorded_ms: union.iter().map(|(from, to)| to - from).sum(),
        gaps_ms,
        due_ms: times.iter().map(|time| time.due_ms).filter(|due| waits && *due > now_ms).max(),
        occasions: lacks.iter().map(|l| l.told(now_ms)).collect(),
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

/// Gaps longer than is allowed inside a time at which the matter was carried out; where only its begin is known, until the
/// end of what was recorded then, and where only its day is known, from the first to the last that was recorded on it.
fn gaps_of(time: &Time, union: &[Span], allowed_ms: i64) -> Vec<Span> {
    if time.days {
        let then: Vec<Span> = union.iter().copied().filter(|span| meets(time.reach(), *span, allowed_ms)).collect();
        return occasions(&then).into_iter().flat_map(|span| between(&then, span, allowed_ms)).collect();
    }
    let span = time.to_ms.map(|to| (time.from_ms, to)).or_else(|| {
        let occasions = occasions(union);
        let then = occasions.iter().find(|span| meets(time.reach(), **span, allowed_ms))?;
        Some((time.from_ms.min(then.0), then.1))
    });
    span.map(|span| between(union, span, allowed_ms)).unwrap_or_default()
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
