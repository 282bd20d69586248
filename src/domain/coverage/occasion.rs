//! Occasions on which a matter was carried out and its recording is not there, and which of them a reason excuses. Pure.
//!
//! A reason is about one occasion, which began before it was said: what happened on one day excuses nothing of another. Where
//! it names a stage or a time it is about that occasion; where it names none, about the newest that no other reason is about.
//! So several occasions without a recording need several reasons. A document is about one occasion, too.

use jiff::tz::TimeZone;

use super::{Coverage, Item, Lacking, Line, NoRecord, same};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

/// No shift is longer. What is recorded further apart is of two times, where nobody wrote down when the matter was carried
/// out; and where somebody wrote down only when it began, its recordings begin within this.
pub const APART_MS: i64 = 12 * 3_600_000;

/// A stretch of time, milliseconds since the Unix epoch.
pub(super) type Span = (i64, i64);

/// An occasion that lacks its recording, while lines of coverage are made.
#[derive(Debug, Clone)]
pub(super) struct Lack<'a> {
    /// When it began; `None`: nobody wrote that down, and there is no recording to tell.
    pub(super) from_ms: Option<i64>,
    /// Its end, where that is known.
    pub(super) to_ms: Option<i64>,
    /// Where footage of it lies.
    pub(super) reach: Option<Span>,
    /// Until when its footage may come.
    pub(super) due_ms: Option<i64>,
    /// Stretches of it without any recording.
    pub(super) gaps_ms: Vec<Span>,
    /// Why.
    pub(super) why: Option<&'a NoRecord>,
}

impl Lack<'_> {
    pub(super) fn is_past(&self, now_ms: i64) -> bool {
        self.due_ms.is_none_or(|due| due <= now_ms)
    }

    /// As it is told.
    pub(super) fn told(&self, now_ms: i64) -> Lacking {
        Lacking { from_ms: self.from_ms, to_ms: self.to_ms, open: !self.is_past(now_ms), why: self.why.cloned() }
    }
}

impl NoRecord {
    /// What began later it says nothing about, milliseconds since the Unix epoch.
    fn known_ms(&self) -> i64 {
        self.said.as_ref().map(|s| s.at_ms).or(self.filed_ms).unwrap_or(i64::MAX)
    }

    /// Whether both are words about the same: the later one takes the place of the earlier.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let stage = |s: &Self| s.stage.as_deref().map(crate::domain::register::name_key);
        same(&self.matter, &other.matter) && stage(self) == stage(other) && self.of_ms == other.of_ms
    }

    /// Whether it may be about an item: its matter, and its stage where it names one.
    fn is_of(&self, item: &Item) -> bool {
        let of_stage = |stage: &str| item.stage.as_deref().is_some_and(|of| same(of, stage));
        same(&self.matter, &item.matter) && self.stage.as_deref().is_none_or(of_stage)
    }
}

/// Those that stand, in the order in which they were said: of a person the newest word about the same, unless it takes back
/// what was said; of documents each.
pub fn standing(said: &[NoRecord]) -> Vec<&NoRecord> {
    let newest = |n: usize| {
        let mut later = said[n + 1..].iter().filter(|s| s.filed_ms.is_none());
        said[n].filed_ms.is_some() || !later.any(|s| s.is_about_the_same(&said[n]))
    };
    said.iter().enumerate().filter(|(n, s)| !s.reason.is_empty() && newest(*n)).map(|(_, s)| s).collect()
}

/// The newest of them that may be about an item, whatever it is about.
pub(super) fn newest_of<'a>(said: &[&'a NoRecord], item: &Item) -> Option<&'a NoRecord> {
    let by_people = said.iter().rev().find(|s| s.filed_ms.is_none() && s.is_of(item));
    by_people.or_else(|| said.iter().rev().find(|s| s.is_of(item))).copied()
}

/// Gives each reason of those that stand the occasion that it is about.
pub(super) fn explain<'a>(all: &mut [(&Item, Vec<Lack<'a>>)], said: &[&'a NoRecord]) {
    // The newest word about a time first, whatever it named of it; then in the order of saying, so that each takes the newest
    // occasion that it can know of and leaves the earlier ones to others. What a person said comes before documents.
    let (named, rest): (Vec<&NoRecord>, Vec<&NoRecord>) = said.iter().copied().partition(|s| s.of_ms.is_some());
    let (mut documents, mut unnamed): (Vec<&NoRecord>, Vec<&NoRecord>) =
        rest.into_iter().partition(|s| s.filed_ms.is_some());
    unnamed.sort_by_key(|s| s.known_ms());
    documents.sort_by_key(|s| s.known_ms());
    for reason in named.into_iter().rev().chain(unnamed).chain(documents) {
        let may = |lack: &Lack<'_>| {
            let known = lack.from_ms.is_none_or(|from| from <= reason.known_ms());
            let meant = reason.of_ms.is_none_or(|at| lack.reach.is_none_or(|(from, to)| from <= at && at <= to));
            lack.why.is_none() && known && meant
        };
        let mut found: Option<(usize, usize, Option<i64>)> = None;
        for (i, (_, lacks)) in all.iter().enumerate().filter(|(_, (item, _))| reason.is_of(item)) {
            for (j, lack) in lacks.iter().enumerate().filter(|(_, lack)| may(lack)) {
                if found.is_none_or(|(.., from)| lack.from_ms > from) {
                    found = Some((i, j, lack.from_ms));
                }
            }
        }
        let Some((i, j, from_ms)) = found else { continue };
        all[i].1[j].why = Some(reason);
        // The same time may be asked for in several stages; it is one occasion.
        let same_time = |lack: &&mut Lack<'_>| from_ms.is_some() && lack.from_ms == from_ms && lack.why.is_none();
        let others = all.iter_mut().filter(|(item, _)| reason.is_of(item)).flat_map(|(_, lacks)| lacks);
        others.filter(same_time).for_each(|lack| lack.why = Some(reason));
    }
}

/// An occasion that a reason may be given for.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    line: &'a Line,
    lacking: &'a Lacking,
}

impl Candidate<'_> {
    /// Whether both are one occasion.
    fn is(&self, other: &Self) -> bool {
        match (self.lacking.from_ms, other.lacking.from_ms) {
            (Some(a), Some(b)) => a == b,
            (None, None) => std::ptr::eq(self.line, other.line),
            _ => false,
        }
    }
}

/// The reason as it is kept: with the occasion that it is about, of the case as it stands. `at` is the stretch of time in
/// which the person said that the occasion began. Refused where several are without a reason and nobody says which.
pub fn bind(
    coverage: &Coverage,
    said: NoRecord,
    at: Option<Span>,
    now_ms: i64,
    zone: &TimeZone,
) -> Result<NoRecord, Why> {
    let lines: Vec<&Line> = coverage.lines.iter().filter(|l| said.is_of(&l.item)).collect();
    let began = |l: &&Lacking| l.from_ms.is_none_or(|from| from <= now_ms);
    let each = lines
        .iter()
        .flat_map(|line| line.occasions.iter().filter(began).map(move |lacking| Candidate { line, lacking }));
    let mut all: Vec<Candidate<'_>> = Vec::new();
    for candidate in each {
        if !all.iter().any(|known| known.is(&candidate)) {
            all.push(candidate);
        }
    }
    if let Some((from, to)) = at {
        let begins = |c: &&Candidate<'_>| c.lacking.from_ms.is_some_and(|begun| from <= begun && begun <= to);
        let holds = |c: &&Candidate<'_>| {
            c.lacking.from_ms.is_some_and(|begun| begun <= to && c.lacking.to_ms.unwrap_or(begun) >= from)
        };
        let mut found: Vec<&Candidate<'_>> = all.iter().filter(begins).collect();
        if found.is_empty() {
            found = all.iter().filter(holds).collect();
        }
        return match found.as_slice() {
            [one] => Ok(NoRecord { of_ms: one.lacking.from_ms, ..said }),
            // Nobody wrote down when it was: what was named is how it is told apart from others that come later.
            [] if all.iter().all(|c| c.lacking.from_ms.is_none()) => Ok(NoRecord { of_ms: Some(from), ..said }),
            [] => Err(Why::NoSuchOccasion { matter: said.matter, times: times(&all, zone) }),
            _ => Err(Why::WhichOccasion { matter: said.matter, times: times(&all, zone) }),
        };
    }
    let open: Vec<&Candidate<'_>> = all.iter().filter(|c| c.lacking.why.is_none()).collect();
    let told: Vec<&Candidate<'_>> = all.iter().filter(|c| c.lacking.why.is_some()).collect();
    match (open.as_slice(), told.as_slice()) {
        ([one], _) => {
            let stage = match one.lacking.from_ms {
                // Several stages ask for it, and no time tells which.
                None if lines.len() > 1 => one.line.item.stage.clone(),
                _ => None,
            };
            Ok(NoRecord { of_ms: one.lacking.from_ms, stage: said.stage.clone().or(stage), ..said })
        }
        // Another word about the one that has a reason takes its place.
        ([], [one]) => {
            let before = one.lacking.why.as_ref().filter(|w| w.filed_ms.is_none());
            let of_ms = before.map_or(one.lacking.from_ms, |w| w.of_ms);
            let stage = before.and_then(|w| w.stage.clone());
            Ok(NoRecord { of_ms, stage: said.stage.clone().or(stage), ..said })
        }
        ([], []) => Ok(said),
        _ => Err(Why::WhichOccasion { matter: said.matter, times: times(&all, zone) }),
    }
}

/// The word of a person that is taken back: the one about this matter, of `at` and the stage where they are named.
pub fn bind_withdrawal(said: &[NoRecord], of: NoRecord, at: Option<Span>, zone: &TimeZone) -> Result<NoRecord, Why> {
    let by_people = standing(said).into_iter().filter(|s| s.filed_ms.is_none() && same(&s.matter, &of.matter));
    let of_stage = |s: &&NoRecord| match (&of.stage, &s.stage) {
        (Some(asked), Some(stage)) => same(asked, stage),
        (asked, _) => asked.is_none(),
    };
    let meant = |s: &&NoRecord| at.is_none_or(|(from, to)| s.of_ms.is_some_and(|at| from <= at && at <= to));
    let mut found: Vec<&NoRecord> = by_people.filter(of_stage).filter(meant).collect();
    // Where none is named, that one is meant which names none.
    let plain = |s: &&&NoRecord| s.of_ms.is_none() && s.stage.is_none();
    if let Some(one) = found.iter().find(plain).copied().filter(|_| at.is_none() && of.stage.is_none()) {
        found = vec![one];
    }
    match found.as_slice() {
        [one] => Ok(NoRecord { of_ms: one.of_ms, stage: one.stage.clone(), ..of }),
        [] => Err(Why::NoReasonStands { matter: of.matter }),
        several => {
            let times = several.iter().filter_map(|s| s.of_ms).map(|ms| typed(ms, zone)).collect();
            Err(Why::WhichOccasion { matter: of.matter, times })
        }
    }
}

fn times(all: &[Candidate<'_>], zone: &TimeZone) -> Vec<String> {
    let mut times: Vec<i64> = all.iter().filter_map(|c| c.lacking.from_ms).collect();
    times.sort_unstable();
    times.into_iter().map(|ms| typed(ms, zone)).collect()
}

/// A time as a person would type it to name it.
fn typed(ms: i64, zone: &TimeZone) -> String {
    UtcMs(ms).zoned(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests;
