//! That nothing was left out: what the request in the log says belongs in the package, compared with what is in it
//! (`custody::package::complete`). Whoever leaves an event, a clip or a number out must change the log, and not only sign anew.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Check;
use super::told::Clear;
use crate::custody::package::complete::{NUMBERS, Shown, asks, compare, is_told};
use crate::custody::package::{FACTS, Facts};
use crate::domain::event::{Envelope, EventKind};
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
    /// The request that this package answers stands in the log.
    pub(super) fn request(&mut self, facts: &Facts, events: &BTreeMap<u64, Envelope>) {
        let asked = events.get(&facts.begun_seq).is_some_and(|e| {
            asks(e)
                && e.case.as_deref() == Some(&facts.case_hash)
                && e.body.get("package").and_then(|v| v.as_str()) == Some(facts.request())
                && format!("{}:{}", e.actor.kind, e.actor.id) == facts.asked_by
        });
        if !asked {
            self.problem(format!(
                "{FACTS} names event {} as its request, which is none of this package",
                facts.begun_seq
            ));
        }
    }

    /// Every clip, event and number that the request says is in the package.
    pub(super) fn whole(&mut self, facts: &Facts, records: &[Record], events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        // Where the request itself is missing that was told.
        let Some(request) = events.get(&facts.begun_seq) else { return };
        if !is_told(request) {
            return self.untold(facts.begun_seq, events);
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
            let in_order = packed == asked_for;
            packed.sort_unstable();
            asked_for.sort_unstable();
            if packed != asked_for {
                self.problem(
                    "its records are not those of the clips that it was asked for with: one was left out or added",
                );
            } else if !in_order {
                self.problem("its records are not in the order of the clips that it was asked for with");
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

    /// A request of an earlier version; whoever names one of a log that knows newer ones hides what these say.
    fn untold(&mut self, begun: u64, events: &BTreeMap<u64, Envelope>) {
        let newer = events.iter().find(|(_, e)| e.kind == EventKind::ExportBegun.as_str() && is_told(e));
        if let Some((newer, _)) = newer {
            self.problem(format!(
                "event {begun}, which it names as its request, does not say what belongs in it, although event {newer} of the same log does"
            ));
        }
        self.report.notices.push(
            "when this package was asked for, the log did not say yet what belongs in it: nothing here tells whether a clip or an event was left out, and nothing shows that the numbers of its case are the case's"
                .to_owned(),
        );
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
    use serde_json::{Value, json};

    use super::*;
    use crate::custody::package::Folder;
    use crate::custody::package::check::{Given, Report};
    use crate::domain::event::Actor;

    fn event(seq: u64, body: Value) -> (u64, Envelope) {
        let Value::Object(body) = body else { panic!("a body is an object") };
        let envelope = Envelope {
            v: 1,
            epoch: 1,
            seq,
            wall_ms: 1_781_834_604_000,
            boot: "b".into(),
            mono_ms: 0,
            kind: EventKind::ExportBegun.as_str().into(),
            actor: Actor::os(0),
            via: "cli".into(),
            from: None,
            session: None,
            clip: None,
            case: Some("k".into()),
            purpose: None,
            outcome: "ok".into(),
            body,
        };
        (seq, envelope)
    }

    /// What is found of a package that names event `begun` as its request.
    fn found(begun: u64, events: &[(u64, Envelope)]) -> Report {
        let (folder, mut look) = (Folder::at(std::path::Path::new("/nonexistent")), |_: u64| {});
        let mut check = Check {
            folder: &folder,
            given: Given::default(),
            look: &mut look,
            report: Report::default(),
            digests: BTreeMap::new(),
            head: None,
            leaves: BTreeMap::new(),
            withheld: BTreeMap::new(),
        };
        let facts: Facts = serde_json::from_value(json!({
            "v": 1, "package": "p", "station": "zhao-01", "agency": null, "case_no": "x", "case_hash": "k", "aliases": [],
            "reason": "r", "basis": "b", "recipient": null, "asked_by": "os:0", "asked_at": "", "begun_seq": begun,
            "clips": 0, "bytes": 0, "isolated": 0, "unsealed": 0, "made_with": "x",
        }))
        .unwrap();
        let events = events.iter().cloned().collect();
        check.request(&facts, &events);
        check.whole(&facts, &[], &events, &Clear::new());
        check.report
    }

    /// One that goes on with a package says nothing of what belongs in it: whoever names it would hide all of that.
    #[test]
    fn a_request_that_says_nothing_is_taken_of_an_old_log_alone() {
        let counted = json!({ "count": 0, "leaves": "00".repeat(32) });
        let first = event(3, json!({ "package": "p", "resumed": false, "clips": 0, "entries": counted }));
        let old = |seq| event(seq, json!({ "package": "p", "resumed": false, "clips": 0 }));
        let resumed = event(9, json!({ "package": "p", "resumed": true, "clips": 0 }));
        let report = found(9, &[first.clone(), resumed.clone()]);
        assert!(report.problems[0].contains("event 9 as its request, which is none"), "{report:?}");
        let report = found(9, &[resumed]);
        assert!(report.problems[0].contains("event 9 as its request, which is none"), "{report:?}");
        let report = found(2, &[old(2), first.clone()]);
        assert!(report.problems[0].contains("although event 3 of the same log does"), "{report:?}");
        // Of an earlier version: it is taken, and what is not compared is told.
        let report = found(2, &[old(2), old(3)]);
        assert_eq!((report.problems.len(), report.notices.len()), (0, 1), "{report:?}");
        assert!(report.notices[0].contains("numbers of its case"), "{report:?}");
    }

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
