//! That nothing was left out: what the request in the log says belongs in the package, compared with what is in it
//! (`custody::package::complete`). Whoever leaves an event, a clip or a number out must change the log, and not only sign anew.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Check;
use super::told::Clear;
use crate::custody::package::Facts;
use crate::custody::package::complete::{NUMBERS, Shown, compare, is_told};
use crate::domain::event::Envelope;
use crate::domain::record::Record;

/// Which of the clips that were asked for a package holds, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// The request's id.
    pub request: String,
    /// Which disc it is; 1 where the case was not divided.
    pub disc: u32,
    /// Of how many.
    pub discs: u32,
    /// Its first clip.
    pub first: u64,
    /// Its last one.
    pub last: u64,
    /// Clips that were asked for.
    pub of: u64,
}

impl Check<'_> {
    /// Every clip, event and number that the request says is in the package.
    pub(super) fn whole(&mut self, facts: &Facts, records: &[Record], events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        // Where the request itself is missing that was told.
        let Some(request) = events.get(&facts.begun_seq) else { return };
        if !is_told(request) {
            self.report.notices.push(
                "when this package was asked for, the log did not say yet what belongs in it: nothing here tells whether an event was left out"
                    .to_owned(),
            );
            return;
        }
        let leaf = |seq: &u64| self.leaves.get(seq).copied();
        let shown =
            events.iter().filter_map(|(seq, envelope)| Some((*seq, Shown { envelope, leaf: leaf(seq)? }))).collect();
        let (part, wrong) = compare(facts, &shown, &self.withheld);
        for what in wrong {
            self.problem(format!("the package is not all of what was asked for: {what}"));
        }
        if let Some(part) = part {
            let (mut packed, mut asked_for): (Vec<&str>, Vec<&str>) = (
                records.iter().map(|r| r.record_id.as_str()).collect(),
                part.clips.iter().map(String::as_str).collect(),
            );
            packed.sort_unstable();
            asked_for.sort_unstable();
            if packed != asked_for {
                self.problem(
                    "its records are not those of the clips that it was asked for with: one was left out or added",
                );
            }
            self.report.stretch = Some(Stretch {
                request: facts.request().to_owned(),
                disc: facts.disc.map_or(1, |disc| disc.n),
                discs: facts.disc.map_or(1, |disc| disc.of),
                first: part.first,
                last: part.last(),
                of: part.of,
            });
        }
        let numbers: Vec<&str> = std::iter::once(&facts.case_no).chain(&facts.aliases).map(String::as_str).collect();
        let said = clear.get(&(facts.begun_seq, NUMBERS.to_owned()));
        if said.map(|said| said.lines().collect()) != Some(numbers) {
            self.problem(format!("the numbers of the case are not those that event {} commits to", facts.begun_seq));
        }
    }
}

/// Discs of one case that are checked together: all of them are there, and each goes on where the one before it ends. Gives
/// what is wrong.
pub fn together(discs: &[Option<Stretch>]) -> Vec<String> {
    let mut known: Vec<&Stretch> = discs.iter().flatten().collect();
    known.sort_unstable_by_key(|stretch| stretch.disc);
    let mut wrong = Vec::new();
    if known.len() < discs.len() {
        wrong.push(format!("{} of these packages do not say which clips they hold", discs.len() - known.len()));
    }
    let Some(one) = known.first().copied() else { return wrong };
    if known.iter().any(|stretch| (&stretch.request, stretch.discs, stretch.of) != (&one.request, one.discs, one.of)) {
        wrong.push("these are not discs of one request".to_owned());
        return wrong;
    }
    for n in (1..=one.discs).filter(|n| !known.iter().any(|stretch| stretch.disc == *n)) {
        wrong.push(format!("disc {n} of {} is missing", one.discs));
    }
    let mut next = 1;
    for stretch in known {
        if stretch.first > next {
            wrong.push(format!(
                "clips {next} to {} of the {} are on none of these discs",
                stretch.first - 1,
                stretch.of
            ));
        }
        if stretch.first < next {
            wrong.push(format!("disc {} does not go on where the one before it ends", stretch.disc));
        }
        next = stretch.last + 1;
    }
    if next <= one.of {
        wrong.push(format!("clips {next} to {} of the {} are on none of these discs", one.of, one.of));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(n: u32, first: u64, last: u64) -> Option<Stretch> {
        Some(Stretch { request: "r".into(), disc: n, discs: 3, first, last, of: 9 })
    }

    #[test]
    fn discs_together_hold_every_clip() {
        let all = [disc(2, 4, 6), disc(1, 1, 3), disc(3, 7, 9)];
        assert_eq!(together(&all), Vec::<String>::new());
        for (what, discs, told) in [
            ("a disc that is missing", vec![disc(1, 1, 3), disc(3, 7, 9)], "disc 2 of 3 is missing"),
            ("and its clips", vec![disc(1, 1, 3), disc(3, 7, 9)], "clips 4 to 6 of the 9"),
            ("the last one", vec![disc(1, 1, 3), disc(2, 4, 6)], "clips 7 to 9 of the 9"),
            ("a clip between two", vec![disc(1, 1, 3), disc(2, 5, 6), disc(3, 7, 9)], "clips 4 to 4 of the 9"),
            ("a disc twice", vec![disc(1, 1, 3), disc(1, 1, 3), disc(2, 4, 6), disc(3, 7, 9)], "disc 1 does not go on"),
            ("one that says nothing", vec![None, disc(1, 1, 3), disc(2, 4, 6), disc(3, 7, 9)], "1 of these packages"),
        ] {
            let wrong = together(&discs);
            assert!(wrong.iter().any(|words| words.contains(told)), "{what}: {wrong:?}");
        }
        let other = Stretch { request: "q".into(), ..disc(3, 7, 9).unwrap() };
        assert_eq!(together(&[disc(1, 1, 3), disc(2, 4, 6), Some(other)]), ["these are not discs of one request"]);
    }
}
