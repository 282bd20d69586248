//! What a record says of its clip and the clip's events carry in clear: which recorder, under which path, when it came in,
//! how long it is, what is missing in it. Facts that people and rules said are compared in `told`; of what no event tells
//! (where copies stand now, resolution, model) nothing can be said here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Check;
use super::told::Clear;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::record::Record;
use crate::domain::recorder::SourcePath;
use crate::domain::stream::GapKind;
use crate::domain::time::UtcMs;

/// The row of a clip is written in the transaction of its event, a look at the clock later.
const APART_MS: u64 = 2_000;

impl Check<'_> {
    /// Compares each record with the events of its clip.
    pub(super) fn carried(&mut self, records: &[Record], events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        let mut of_clip: BTreeMap<&str, Vec<&Envelope>> = BTreeMap::new();
        for envelope in events.values() {
            if let Some(clip) = &envelope.clip {
                of_clip.entry(clip).or_default().push(envelope);
            }
        }
        for record in records {
            let own = of_clip.get(record.record_id.as_str()).map(Vec::as_slice).unwrap_or_default();
            for (field, seq) in differing(record, own, clear) {
                self.problem(format!(
                    "the record of clip {} says of {field} something else than event {seq}",
                    record.record_id
                ));
            }
        }
    }
}

/// Fields of a record that say something else than an event, which is named.
fn differing(record: &Record, own: &[&Envelope], clear: &Clear) -> Vec<(&'static str, u64)> {
    let of = |kind: EventKind| own.iter().filter(move |e| e.kind == kind.as_str());
    // What a restore took over from a record stands in no event.
    if of(EventKind::ClipRestored).any(|e| e.body.contains_key("record_rev")) {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut compare = |field: &'static str, same: bool, event: &Envelope| {
        if !same {
            all.push((field, event.seq));
        }
    };
    let text = |event: &Envelope, key: &str| event.body.get(key).and_then(Value::as_str).map(str::to_owned);
    for event in of(EventKind::ClipSeen).chain(of(EventKind::Sealed)) {
        if let Some(recorder) = text(event, "recorder") {
            compare("device_id", recorder == record.device_id, event);
        }
    }
    for event in of(EventKind::ClipSeen) {
        if let Some(path) = clear.get(&(event.seq, "path".to_owned())) {
            compare("original_path", *path == record.original_path, event);
            let name = SourcePath::from_text(path).map(|path| path.file_name());
            compare("original_filename", name.as_ref() == Some(&record.original_filename), event);
        }
    }
    for event in of(EventKind::Sealed) {
        let ingested = record.ingested_at.as_deref().and_then(UtcMs::parse_rfc3339);
        let then = ingested.is_some_and(|at| at.0.abs_diff(event.wall_ms) <= APART_MS);
        compare("ingested_at", then, event);
        compare("sealed_log_index", record.sealed_log_index == Some(event.seq), event);
        compare("supersedes", record.supersedes == text(event, "supersedes"), event);
        let holes: Vec<(u64, u64)> = record.holes.iter().map(|hole| (hole.offset, hole.bytes)).collect();
        let holes = (!holes.is_empty()).then(|| json!(holes).to_string());
        compare("holes", holes == text(event, "holes"), event);
    }
    // What was looked at last is what counts.
    if let Some(event) = of(EventKind::Probed).next_back() {
        let length = event.body.get("duration_ms").and_then(Value::as_i64);
        compare("duration_ms", record.duration_ms == length, event);
        compare("container", record.container == text(event, "container"), event);
        compare("media_health", record.media_health == text(event, "health"), event);
    }
    let mut told: Vec<(Option<&str>, Option<i64>, i64, u64)> = record
        .gaps
        .iter()
        // What repeats the segment before it no event of the clip's own tells.
        .filter(|gap| gap.from_ms.is_some() && gap.kind != GapKind::Again.as_str())
        .map(|gap| (Some(gap.kind.as_str()), gap.from_ms, gap.missing_ms, gap.count))
        .collect();
    for event in of(EventKind::Gap) {
        let number = |key: &str| event.body.get(key).and_then(Value::as_i64);
        let gap = (
            event.body.get("kind").and_then(Value::as_str),
            number("from_ms"),
            number("missing_ms").unwrap_or(0),
            event.body.get("count").and_then(Value::as_u64).unwrap_or(0),
        );
        let at = told.iter().position(|told| *told == gap);
        compare("gaps", at.map(|at| told.swap_remove(at)).is_some(), event);
    }
    if let (Some(event), false) = (own.last(), told.is_empty()) {
        compare("gaps", false, event);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Actor;
    use crate::domain::record::Hole;

    fn event(seq: u64, kind: EventKind, body: Value) -> Envelope {
        let Value::Object(body) = body else { panic!("a body is an object") };
        Envelope {
            v: 1,
            epoch: 1,
            seq,
            wall_ms: 1_781_834_604_000,
            boot: "b".into(),
            mono_ms: 0,
            kind: kind.as_str().into(),
            actor: Actor::daemon(),
            via: "daemon".into(),
            from: None,
            session: None,
            clip: Some("c".into()),
            case: None,
            purpose: None,
            outcome: "ok".into(),
            body,
        }
    }

    fn record() -> Record {
        Record {
            record_id: "c".into(),
            device_id: "36NCC009910".into(),
            original_path: "DCIM/a.MP4".into(),
            original_filename: "a.MP4".into(),
            ingested_at: Some(UtcMs(1_781_834_604_007).rfc3339()),
            sealed_log_index: Some(4),
            duration_ms: Some(60_000),
            container: Some("mp4".into()),
            media_health: Some("whole".into()),
            holes: vec![Hole { offset: 512, bytes: 8 }],
            ..Record::default()
        }
    }

    fn events() -> Vec<Envelope> {
        vec![
            event(1, EventKind::ClipSeen, json!({ "recorder": "36NCC009910", "path": { "h": "x" } })),
            event(4, EventKind::Sealed, json!({ "recorder": "36NCC009910", "holes": "[[512,8]]" })),
            event(5, EventKind::Probed, json!({ "duration_ms": 1, "health": "broken" })),
            event(6, EventKind::Probed, json!({ "duration_ms": 60_000, "container": "mp4", "health": "whole" })),
        ]
    }

    fn differ(record: &Record, events: &[Envelope]) -> Vec<&'static str> {
        let clear = [((1, "path".to_owned()), "DCIM/a.MP4".to_owned())].into();
        let own: Vec<&Envelope> = events.iter().collect();
        differing(record, &own, &clear).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_record_says_what_its_events_carry() {
        assert_eq!(differ(&record(), &events()), Vec::<&str>::new());
        type Change = fn(&mut Record);
        let table: [(&str, Change); 10] = [
            ("original_path", |r| r.original_path = "DCIM/b.MP4".into()),
            ("original_filename", |r| r.original_filename = "b.MP4".into()),
            ("ingested_at", |r| r.ingested_at = Some("2026-06-19T09:12:00+08:00".into())),
            ("ingested_at", |r| r.ingested_at = None),
            ("sealed_log_index", |r| r.sealed_log_index = Some(5)),
            ("supersedes", |r| r.supersedes = Some("d".into())),
            ("holes", |r| r.holes.clear()),
            ("duration_ms", |r| r.duration_ms = Some(30_000)),
            ("container", |r| r.container = None),
            ("media_health", |r| r.media_health = Some("broken".into())),
        ];
        for (field, change) in table {
            let mut other = record();
            change(&mut other);
            assert_eq!(differ(&other, &events()), [field]);
        }
        let other = Record { device_id: "36NCC009911".into(), ..record() };
        assert_eq!(differ(&other, &events()), ["device_id", "device_id"], "by both events");
        // What a restore took over from a record is compared with none.
        let restored = event(7, EventKind::ClipRestored, json!({ "record_rev": 3 }));
        assert_eq!(differ(&other, &[events(), vec![restored]].concat()), Vec::<&str>::new());
    }

    #[test]
    fn what_is_missing_in_a_clip_is_what_was_told_as_it_came() {
        let gap = |from_ms: i64| {
            let body =
                json!({ "kind": "lost", "from_ms": from_ms, "to_ms": from_ms + 900, "missing_ms": 900, "count": 3 });
            event(7, EventKind::Gap, body)
        };
        let told = |from_ms: Option<i64>| {
            let gap = json!({
                "kind": "lost", "start": "", "end": "", "from_ms": from_ms, "missing_ms": 900, "count": 3, "reason": null,
            });
            serde_json::from_value(gap).unwrap()
        };
        let with = |gaps| Record { gaps, ..record() };
        for (what, gaps, there, same) in [
            ("one told and one there", vec![told(Some(100))], vec![gap(100)], true),
            ("none told and one there", vec![], vec![gap(100)], false),
            ("one told and none there", vec![told(Some(100))], vec![], false),
            ("another place", vec![told(Some(200))], vec![gap(100)], false),
            ("one beside the clip, which no event of its own tells", vec![told(None)], vec![], true),
        ] {
            let differs = differ(&with(gaps), &[events(), there].concat());
            assert_eq!(!differs.contains(&"gaps"), same, "{what}: {differs:?}");
        }
    }
}
