//! Records that are taken over from a destination tell the same again, or are refused whole.

use crate::domain::clip::{Delivery, ProofLevel};
use crate::domain::digest::Blake3;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::StationId;
use crate::domain::record::{Field, Origin};
use crate::store::tests::{Fixture, fixture, link, number};
use crate::store::*;

fn policy() -> Policy {
    Policy {
        station: StationId::new("one").unwrap(),
        agency: None,
        operator: "one".into(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// A clip with all that a record can tell, published.
fn told_clip(f: &Fixture) -> (ClipId, FromRecord) {
    let clip = f.clip("DCIM/a\\b\n.mp4");
    f.seal(clip, vec![("cloud".into(), true), ("second".into(), false)]);
    f.store
        .write_blocking(move |tx| {
            let by = Actor::os(1000);
            let facts = [
                (Field::CapturedStart, Origin::FileName, "2026-06-19T09:12:00+08:00".to_owned()),
                (Field::Officer, Origin::Roster, "张三".to_owned()),
                (Field::Place, Origin::Person, "东关街".to_owned()),
                (Field::Sensitivity, Origin::Config, "个人隐私".to_owned()),
            ];
            tx.add_facts(clip, &by, "cli", &facts)?;
            tx.link(&link(clip, "赵卫罚〔2026〕12号"), &by, "cli")?;
            tx.session_begun(clip, "cloud", "s", &[])?;
            tx.sent(clip, "cloud", "s", None)?;
            tx.proven(clip, "cloud", ProofLevel::RemoteChecksum, "c", Some("v"), None)?;
            tx.publish(clip, &policy(), &[])
        })
        .unwrap();
    (clip, from_record(f, clip))
}

fn from_record(f: &Fixture, clip: ClipId) -> FromRecord {
    let record = f.store.read_blocking(|r| r.record(clip, &policy())).unwrap();
    let json = serde_json::to_vec(&record).unwrap();
    let required = std::collections::BTreeMap::from([("cloud".to_owned(), true)]);
    FromRecord { clip, rev: record.annotation_rev, record, json, aliases: Vec::new(), required }
}

#[test]
fn a_record_that_is_taken_over_tells_the_same_again() {
    let (old, new) = (fixture(), fixture());
    let (clip, from) = told_clip(&old);
    let before = from.record.clone();
    let taken = new.store.write_blocking({
        let from = from.clone();
        move |tx| tx.take_record(&from)
    });
    assert_eq!(taken.unwrap(), Taken::New);
    assert!(new.store.write_blocking(move |tx| tx.settle_local(clip, LocalFate::Elsewhere)).unwrap());
    let mut after = new.store.read_blocking(|r| r.record(clip, &policy())).unwrap();
    // Its place in the log is that of the event by which it came back; the old one stands in that event.
    assert_ne!(after.sealed_log_index, before.sealed_log_index);
    after.sealed_log_index = before.sealed_log_index;
    assert_eq!(after, before);
    let row = new.store.read_blocking(|r| r.clip(clip)).unwrap();
    assert_eq!((row.local, row.record_stale, row.quarantine), (crate::domain::clip::Local::Evicted, false, None));
    assert!(new.store.read_blocking(|r| r.unjudged(None, 9)).unwrap().is_empty());
    let events = new.store.read_blocking(|r| r.log_of_clip(clip)).unwrap();
    assert_eq!(events.len(), 2, "each change is an event");
}

#[test]
fn what_was_said_after_the_backup_is_taken_over_and_withdrawals_too() {
    let (old, new) = (fixture(), fixture());
    let (clip, from) = told_clip(&old);
    new.store.write_blocking(move |tx| tx.take_record(&from)).unwrap();
    let restore = RestoreRow {
        epoch: 2,
        from: "cloud".into(),
        backup: None,
        begun_ms: 1_781_834_604_001,
        finished_ms: None,
        told: "{}".into(),
    };
    new.store.write_blocking(move |tx| tx.begin_restore(&restore, &Draft::daemon(EventKind::EpochOpened))).unwrap();
    // On the box that was lost: another officer, no place any more, another case, and a copy that turned out bad.
    old.store
        .write_blocking(move |tx| {
            let by = Actor::os(1000);
            let facts =
                [(Field::Officer, Origin::Person, "李四".to_owned()), (Field::Place, Origin::Person, String::new())];
            tx.add_facts(clip, &by, "cli", &facts)?;
            tx.unlink(clip, number("赵卫罚〔2026〕12号").key(), "r", &by, "cli")?;
            tx.link(&link(clip, "赵卫罚〔2026〕13号"), &by, "cli")?;
            tx.mismatch(clip, "cloud", "x", 0)?;
            tx.publish(clip, &policy(), &[])
        })
        .unwrap();
    let newest = from_record(&old, clip);
    let (before, rev) = (newest.record.clone(), newest.rev);
    assert_eq!(new.store.write_blocking(move |tx| tx.take_record(&newest)).unwrap(), Taken::Newer);
    let mut after = new.store.read_blocking(|r| r.record(clip, &policy())).unwrap();
    after.sealed_log_index = before.sealed_log_index;
    assert_eq!(after, before);
    assert_eq!(new.store.read_blocking(|r| r.known_rev(clip)).unwrap(), Some(rev));
    // The next revision keeps its distance from what the lost epoch may have published, the one after it does not.
    let next = || new.store.write_blocking(move |tx| tx.publish(clip, &policy(), &[])).unwrap();
    let first = next();
    assert!(first >= rev + 100, "{first}");
}

#[test]
fn hostile_records_are_refused_whole() {
    let (old, new) = (fixture(), fixture());
    let (clip, good) = told_clip(&old);
    type Spoil = fn(&mut FromRecord);
    let spoiled: [(&str, Spoil); 6] = [
        ("no digest", |f| f.record.blake3 = None),
        ("no digest that is one", |f| f.record.sha256 = Some("x".into())),
        ("no recorder", |f| f.record.device_id = String::new()),
        ("a recorder with control characters", |f| f.record.device_id = "a\nb".into()),
        ("no path", |f| f.record.original_path = "a\\b".into()),
        ("an id that is none", |f| f.record.supersedes = Some("../../x".into())),
    ];
    for (name, spoil) in spoiled {
        let mut from = good.clone();
        spoil(&mut from);
        let refused = new.store.write_blocking(move |tx| tx.take_record(&from)).unwrap_err();
        assert!(matches!(refused, StoreError::Odd(_)), "{name}: {refused}");
        assert!(new.store.read_blocking(|r| r.clip(clip)).is_err(), "{name}: nothing of it stays");
    }
    // Words that are none of ours cannot become rows that are none of ours.
    let mut odd = good.clone();
    odd.record.role = "x".into();
    odd.record.media_health = Some("x".into());
    odd.record.copies[0].proof = Some("length_only".into());
    odd.record.cases[0].kind = "x".into();
    odd.record.cases[0].origin = "x".into();
    odd.record.cases[0].score = 4_000_000_000;
    new.store.write_blocking(move |tx| tx.take_record(&odd)).unwrap();
    let row = new.store.read_blocking(|r| r.clip(clip)).unwrap();
    assert_eq!(row.role, "other");
    let deliveries = new.store.read_blocking(|r| r.deliveries(clip)).unwrap();
    assert!(deliveries.iter().all(|(_, state)| *state == Delivery::Waiting), "a length proves nothing: {deliveries:?}");
    let mut other = good;
    other.record.blake3 = Some(Blake3([9; 32]).to_string());
    let refused = new.store.write_blocking(move |tx| tx.take_record(&other)).unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused}");
}
