//! What a package says in words, compared with what its events commit to: the facts of each record, what its case's link
//! says, why and on what basis it was asked for. A signature shows who wrote these words; that they are what was said then
//! shows the log alone. What people read of them is compared in `by_people`.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::custody::package::Facts;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::record::{Fact, Field, Origin, Record, settle};

/// Values in clear whose commitments hold, by position and field.
pub(super) type Clear = BTreeMap<(u64, String), String>;

/// What a link says of a clip: whether a person made it, and its words by field; `None` where it is from before links
/// committed to their words.
type Words<'a> = (bool, Option<BTreeMap<&'static str, &'a str>>);

/// Fields of which a link has a word of its own.
const OF_LINK: [Field; 3] = [Field::Stage, Field::Matter, Field::Proves];

impl Check<'_> {
    /// Why, on what basis and for whom the package says that it was asked for.
    pub(super) fn reasons(&mut self, facts: &Facts, events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        let said = |field: &str| clear.get(&(facts.begun_seq, field.to_owned())).map(String::as_str);
        let named = events.get(&facts.begun_seq).is_some_and(|e| e.body.contains_key("recipient"));
        let same = said("purpose") == Some(&facts.reason)
            && said("basis") == Some(&facts.basis)
            && said("recipient") == facts.recipient.as_deref()
            && named == facts.recipient.is_some();
        if !same {
            self.problem(format!("reason, basis or recipient are not those that event {} commits to", facts.begun_seq));
        }
    }

    /// The records: each fact and each word of its link is what the clip's events commit to.
    pub(super) fn told(
        &mut self,
        facts: Option<&Facts>,
        records: &[Record],
        events: &BTreeMap<u64, Envelope>,
        clear: &Clear,
    ) {
        let mut of_clip: BTreeMap<&str, Vec<&Envelope>> = BTreeMap::new();
        for envelope in events.values() {
            if let Some(clip) = &envelope.clip {
                of_clip.entry(clip).or_default().push(envelope);
            }
        }
        let kind = |envelope: &Envelope| EventKind::parse(&envelope.kind);
        let joined = events.values().any(|e| kind(e) == Some(EventKind::CasesJoined));
        let (mut restored, mut unsaid) = (0_u64, 0_u64);
        for record in records {
            let (id, none) = (record.record_id.as_str(), Vec::new());
            let own = of_clip.get(id).unwrap_or(&none);
            if let Some(facts) = facts {
                let numbers = [&facts.case_no].into_iter().chain(&facts.aliases);
                if !numbers.into_iter().any(|number| record.case_no.as_ref() == Some(number)) {
                    self.problem(format!("the record of clip {id} names another case than the package"));
                }
            }
            // What a restore took over from a record, no event of this log commits to.
            if own.iter().any(|e| kind(e) == Some(EventKind::ClipRestored) && e.body.contains_key("record_rev")) {
                restored += 1;
                continue;
            }
            let said = match said_of(own, clear) {
                Ok(said) => settle(&said),
                Err((seq, field)) => {
                    self.problem(format!("event {seq} commits to a value of {field:?} that is not opened"));
                    continue;
                }
            };
            let links = match links_of(own, clear) {
                Ok(links) => links,
                Err((seq, field)) => {
                    self.problem(format!("event {seq} commits to a value of {field:?} that is not opened"));
                    continue;
                }
            };
            if links.is_empty() && !joined {
                self.problem(format!("no event says that clip {id} belongs to this case"));
            }
            let shown = serde_json::to_value(record).unwrap_or_default();
            for field in Field::ALL.iter().copied() {
                let shown = shown.get(field.as_str()).and_then(|value| value.as_str());
                let own = said.get(&field).map(|fact| fact.value.as_str());
                let same = match field {
                    // The configuration of the station fills it, which no event tells.
                    Field::Agency if own.is_none() => true,
                    // Auxiliary staff hold no certificate, and nobody another one's: then none is told, whoever said one.
                    Field::OfficerCertNo if shown.is_none() => true,
                    Field::Sensitivity => shown == own.or(Some("无")),
                    _ if OF_LINK.contains(&field) => {
                        let known: Option<Vec<Option<&str>>> = links
                            .values()
                            .map(|(_, words)| Some(words.as_ref()?.get(field.as_str()).copied().or(own)))
                            .collect();
                        // A person's word about the clip stands above the words of a link that a rule made.
                        let by_person = said.get(&field).is_some_and(|fact| fact.origin == Origin::Person);
                        let stands = by_person && links.values().any(|(by_person, _)| !by_person);
                        match known {
                            Some(known) if !known.is_empty() => known.contains(&shown) || (stands && shown == own),
                            _ if shown == own => true,
                            _ => {
                                unsaid += 1;
                                true
                            }
                        }
                    }
                    _ => shown == own,
                };
                if !same {
                    let name = field.as_str();
                    self.problem(format!("the record of clip {id} says of {name} what none of its events commits to"));
                }
            }
        }
        if restored > 0 {
            self.report.notices.push(format!(
                "the facts of {restored} clips were taken over from their records when the station was restored: no event of this log commits to them"
            ));
        }
        if unsaid > 0 {
            self.report.notices.push(format!(
                "{unsaid} words of links are from before links committed to them: nothing here compares them"
            ));
        }
    }
}

/// The facts that a clip's events commit to, oldest first; else which value is not in clear.
fn said_of(own: &[&Envelope], clear: &Clear) -> Result<Vec<Fact>, (u64, String)> {
    let mut said = Vec::new();
    for envelope in own.iter().filter(|e| EventKind::parse(&e.kind) == Some(EventKind::Annotated)) {
        for key in envelope.body.keys() {
            let Some((field, origin)) = key.strip_suffix(".after").and_then(|name| name.split_once('.')) else {
                continue;
            };
            let (Some(field), Some(origin)) = (Field::parse(field), Origin::parse(origin)) else { continue };
            let value = clear.get(&(envelope.seq, key.clone())).ok_or_else(|| (envelope.seq, key.clone()))?.clone();
            said.push(Fact { field, value, origin, at_ms: envelope.wall_ms });
        }
    }
    Ok(said)
}

/// What the links of a clip that stand say, by the hashed number that each went by.
fn links_of<'a>(own: &[&Envelope], clear: &'a Clear) -> Result<BTreeMap<String, Words<'a>>, (u64, String)> {
    let mut links = BTreeMap::new();
    for envelope in own {
        let case = envelope.case.clone().unwrap_or_default();
        match EventKind::parse(&envelope.kind) {
            Some(EventKind::Unlinked) => {
                links.remove(&case);
            }
            Some(EventKind::Linked) => {
                let by_person = envelope.body.get("origin").is_some_and(|origin| *origin == Origin::Person.as_str());
                let says: Option<BTreeSet<&str>> = envelope
                    .body
                    .get("says")
                    .and_then(|says| says.as_array())
                    .map(|says| says.iter().filter_map(|name| name.as_str()).collect());
                let Some(says) = says else {
                    links.insert(case, (by_person, None));
                    continue;
                };
                let mut words = BTreeMap::new();
                for name in OF_LINK.iter().map(|field| field.as_str()).filter(|name| says.contains(name)) {
                    let at = (envelope.seq, name.to_owned());
                    match clear.get(&at) {
                        Some(value) => words.insert(name, value.as_str()),
                        None => return Err(at),
                    };
                }
                links.insert(case, (by_person, Some(words)));
            }
            _ => {}
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::custody::package::Folder;
    use crate::custody::package::check::{Given, Report};
    use crate::domain::event::Actor;

    fn event(seq: u64, kind: &str, case: Option<&str>, body: serde_json::Value) -> (u64, Envelope) {
        let serde_json::Value::Object(body) = body else { panic!("a body is an object") };
        let envelope = Envelope {
            v: 1,
            epoch: 1,
            seq,
            wall_ms: seq as i64,
            boot: "b".into(),
            mono_ms: 0,
            kind: kind.into(),
            actor: Actor::daemon(),
            via: "daemon".into(),
            from: None,
            session: None,
            clip: Some("c".into()),
            case: case.map(str::to_owned),
            purpose: None,
            outcome: "ok".into(),
            body,
        };
        (seq, envelope)
    }

    fn found(record: &Record, events: &[(u64, Envelope)], clear: &[(u64, &str, &str)]) -> Report {
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
        let clear =
            clear.iter().map(|(seq, field, value)| ((*seq, (*field).to_owned()), (*value).to_owned())).collect();
        check.told(None, std::slice::from_ref(record), &events.iter().cloned().collect(), &clear);
        check.report
    }

    fn record(place: &str, proves: Option<&str>) -> Record {
        Record {
            record_id: "c".into(),
            sensitivity: "无".into(),
            place: Some(place.into()),
            proves: proves.map(str::to_owned),
            agency: Some("x".into()),
            ..Record::default()
        }
    }

    #[test]
    fn a_record_says_what_its_events_commit_to() {
        let committed = json!({ "h": "x" });
        let annotated = |seq, origin: &str| {
            let mut body = serde_json::Map::new();
            body.insert(format!("place.{origin}.before"), committed.clone());
            body.insert(format!("place.{origin}.after"), committed.clone());
            event(seq, "clip.annotated", None, body.into())
        };
        let linked = |seq, says: serde_json::Value| event(seq, "clip.linked", Some("k"), says);
        let says_nothing = || linked(1, json!({ "says": [] }));
        let clear = [(2, "place.roster.after", "甲"), (3, "place.person.after", "乙")];
        let events = [says_nothing(), annotated(2, "roster"), annotated(3, "person")];
        assert_eq!(found(&record("乙", None), &events, &clear).problems, Vec::<String>::new());
        for (what, record, events, clear) in [
            ("another place", record("丙", None), events.to_vec(), clear.to_vec()),
            ("a weaker origin's place", record("甲", None), events.to_vec(), clear.to_vec()),
            ("a value that is not opened", record("乙", None), events.to_vec(), clear[..1].to_vec()),
            ("what it proves, of its own making", record("乙", Some("丁")), events.to_vec(), clear.to_vec()),
            ("a clip of no case", record("乙", None), events[1..].to_vec(), clear.to_vec()),
        ] {
            assert_eq!(found(&record, &events, &clear).problem_count, 1, "{what}");
        }
        // A link's own word comes before the clip's; of links that do not say it is told that nothing is compared.
        let said = [&[linked(1, json!({ "says": ["proves"] }))][..], &events[1..]].concat();
        let with = [&[(1, "proves", "丁")][..], &clear[..]].concat();
        assert_eq!(found(&record("乙", Some("丁")), &said, &with).problem_count, 0);
        assert_eq!(found(&record("乙", Some("戊")), &said, &with).problem_count, 1);
        let old = [&[linked(1, json!({}))][..], &events[1..]].concat();
        let report = found(&record("乙", Some("丁")), &old, &clear);
        assert_eq!((report.problem_count, report.notices.len()), (0, 1), "{report:?}");
        // A person's word about the clip stands above a rule's link, and below a person's own.
        let annotated = event(3, "clip.annotated", None, json!({ "proves.person.after": committed }));
        for (origin, problems) in [("roster", 0), ("person", 1)] {
            let said = [linked(1, json!({ "says": ["proves"], "origin": origin })), annotated.clone()];
            let clear = [(1, "proves", "丁"), (3, "proves.person.after", "戊")];
            let shown = Record { place: None, ..record("", Some("戊")) };
            assert_eq!(found(&shown, &said, &clear).problem_count, problems, "{origin}");
        }
        // A certificate that is not told claims nothing; one that nobody committed to does.
        let numbered = event(3, "clip.annotated", None, json!({ "officer_cert_no.roster.after": committed }));
        for (number, problems) in [(None, 0), (Some("C-1"), 0), (Some("C-2"), 1)] {
            let shown = Record { place: None, officer_cert_no: number.map(str::to_owned), ..record("", None) };
            let clear = [(3, "officer_cert_no.roster.after", "C-1")];
            assert_eq!(
                found(&shown, &[says_nothing(), numbered.clone()], &clear).problem_count,
                problems,
                "{number:?}"
            );
        }
        // A link that was withdrawn says nothing any more.
        let withdrawn = [&said[..], &[event(4, "clip.unlinked", Some("k"), json!({}))][..]].concat();
        assert_eq!(found(&record("乙", None), &withdrawn, &with).problem_count, 1, "it belongs to no case then");
        // What came from a record in a restore is told, and not compared.
        let restored = [&events[..], &[event(4, "clip.restored", None, json!({ "record_rev": 3 }))][..]].concat();
        let report = found(&record("丙", None), &restored, &clear);
        assert_eq!((report.problem_count, report.notices.len()), (0, 1), "{report:?}");
    }
}
