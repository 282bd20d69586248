//! What the queries must agree on with the domain's own decisions.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::clip::{Delivery, ProofLevel, SightingState, project};
use crate::domain::device::{DeviceKey, DeviceState};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::erase::{Anchors, Refusal};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId, RecordingId, StationId, StreamName};
use crate::domain::layout;
use crate::domain::ports::Abilities;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Held, HeldDevice, Importance, ShelfEntry, ShelfIdentity, SourcePath};
use crate::domain::replay::{Span, SpanState, Timeline};
use crate::domain::stream::{
    Cause, Gap, GapKind, PublishedGap, PublishedSegment, RecordingEnd, SegmentEnd, SegmentReach, SegmentStart,
};
use crate::runtime::clock::{StoppedClock, SystemClock};

pub(super) struct Fixture {
    _dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) clock: Arc<StoppedClock>,
    pub(super) dock: i64,
    recorder: RecorderId,
}

pub(super) fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock = StoppedClock::at(1_781_834_604_000);
    let store = Store::open(&dir.path().join("a.db"), &StationId::new("one").unwrap(), clock.clone() as Arc<dyn Clock>)
        .unwrap();
    let recorder = RecorderId::new("R1").unwrap();
    let new = NewDock {
        bay: BayName::new("1").unwrap(),
        recorder: recorder.clone(),
        identified: "bay".into(),
        kind: "folder",
        profile: "generic".into(),
        model: None,
    };
    let dock = store.write_blocking(move |tx| tx.dock(&new)).unwrap();
    Fixture { _dir: dir, store, clock, dock, recorder }
}

impl Fixture {
    pub(super) fn clip(&self, name: &str) -> ClipId {
        let clip = ClipId::generate(1_781_834_604_000);
        let entry =
            ShelfEntry { path: SourcePath::new(name), size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
        let new = NewClip {
            clip,
            recorder: self.recorder.clone(),
            dock: Some(self.dock),
            entry,
            declared_bytes: Some(3),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::for_size(Some(3)),
            evidence: "{}".into(),
            segment: None,
        };
        self.store.write_blocking(move |tx| tx.new_clip(&new)).unwrap();
        clip
    }

    pub(super) fn seal(&self, clip: ClipId, deliveries: Vec<(String, bool)>) {
        let sealed = SealedClip {
            holes: Vec::new(),
            clip,
            size_bytes: 3,
            blake3: Blake3([1; 32]),
            sha256: Sha256([2; 32]),
            parts: vec![PartRow { n: 0, offset: 0, len: 3, sha256: Sha256([2; 32]), crc64: None }],
            shares: None,
            supersedes: None,
            leftovers: Vec::new(),
            deliveries,
        };
        self.store.write_blocking(move |tx| tx.seal(&sealed)).unwrap();
    }
}

fn word() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        Just(Delivery::Waiting),
        Just(Delivery::Sending),
        Just(Delivery::Sent),
        Just(Delivery::Proven),
        Just(Delivery::Suspect),
        Just(Delivery::Failed)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Lists and counts use SQL for the one word of a clip; pages of a clip use the domain's projection.
    #[test]
    fn lists_and_pages_say_the_same_word(
        clips in proptest::collection::vec((any::<bool>(), proptest::collection::vec((word(), any::<bool>()), 0..3), 0u8..3), 1..6)
    ) {
        let f = fixture();
        for (n, (sealed, deliveries, erased)) in clips.iter().enumerate() {
            let clip = f.clip(&format!("{n}"));
            if *sealed {
                let names: Vec<(String, bool)> = deliveries.iter().enumerate().map(|(i, (_, required))| (format!("d{i}"), *required)).collect();
                f.seal(clip, names);
            }
            let states: Vec<&'static str> = deliveries.iter().map(|(state, _)| state.as_str()).collect();
            let (all, erased) = (*sealed, *erased);
            f.store.write_blocking(move |tx| {
                for (i, state) in states.iter().enumerate().filter(|_| all) {
                    tx.conn.execute("UPDATE delivery SET state = ?3 WHERE clip_id = ?1 AND destination = ?2", (clip.to_string(), format!("d{i}"), state))?;
                }
                if erased > 0 {
                    tx.conn.execute("UPDATE sighting SET state = 'erased' WHERE clip_id = ?1", [clip.to_string()])?;
                }
                tx.restate(clip)
            }).unwrap();
        }
        f.store.read_blocking(|r| {
            let mut counted = 0;
            for state in ["copying", "sealed", "sending", "proven", "released"] {
                let page = r.clips(&ClipFilter { state: Some(state.into()), limit: 100, ..ClipFilter::default() })?;
                for clip in &page.clips {
                    assert_eq!(project(&r.clip_facts(*clip)?).as_str(), state);
                }
                counted += page.clips.len();
            }
            assert_eq!(counted, clips.len());
            let f = r.figures(0)?;
            let sum = f.copying.count + f.sealed.count + f.sending.count + f.proven.count + f.released.count;
            assert_eq!(sum as usize, clips.len());
            for (state, stage) in [("copying", f.copying), ("sealed", f.sealed), ("sending", f.sending), ("proven", f.proven), ("released", f.released)] {
                let (n, bytes) = r.conn.query_row("SELECT count(*), coalesce(sum(coalesce(size_bytes, declared_bytes)), 0) FROM clip WHERE state = ?1", [state], |x| Ok((x.get::<_, i64>(0)?, x.get::<_, i64>(1)?)))?;
                assert_eq!((stage.count as i64, stage.bytes as i64), (n, bytes), "totals are kept: {state}");
            }
            Ok(())
        }).unwrap();
    }
}

#[test]
fn a_change_that_fails_leaves_no_entry_and_an_entry_no_change() {
    let f = fixture();
    let clip = f.clip("a");
    let before = f.store.read_blocking(|r| r.log_size()).unwrap();
    let refused = f.store.write_blocking(move |tx| {
        tx.quarantine(clip, "looked odd")?;
        Err::<(), _>(StoreError::Conflict(Why::said("the rest failed")))
    });
    assert!(refused.is_err());
    let (size, row) = f.store.read_blocking(|r| Ok((r.log_size()?, r.clip(clip)?))).unwrap();
    assert_eq!((size, row.quarantine), (before, None), "invariant 4");
}

#[test]
fn the_log_and_the_digests_resist_accidents() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    for sql in [
        "UPDATE log_entry SET bytes = x'00' WHERE seq = 0",
        "DELETE FROM log_entry WHERE seq = 0",
        "UPDATE log_node SET hash = zeroblob(32) WHERE level = 0 AND idx = 0",
        "DELETE FROM log_node",
        "UPDATE clip SET blake3 = zeroblob(32)",
        "UPDATE clip SET size_bytes = 9",
    ] {
        assert!(f.store.write_blocking(move |tx| Ok(tx.conn.execute(sql, [])?)).is_err(), "{sql}");
    }
}

#[test]
fn nothing_is_proven_by_a_length() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".into(), true)]);
    let abilities = Abilities {
        proof: crate::domain::clip::ProofLevel::LengthOnly,
        lock: false,
        same_device: false,
        in_order: false,
        detail: String::new(),
    };
    f.store.write_blocking(move |tx| tx.destination_probed("d", &abilities)).unwrap();
    for level in [crate::domain::clip::ProofLevel::LengthOnly, crate::domain::clip::ProofLevel::None] {
        assert!(f.store.write_blocking(move |tx| tx.proven(clip, "d", level, "x", None, None)).is_err());
    }
    assert_ne!(f.store.read_blocking(|r| r.clip_state(clip)).unwrap().as_str(), "proven");
}

#[test]
fn a_person_outranks_rules_and_nothing_is_unsaid() {
    use crate::domain::case_number::NumberRule;
    use crate::domain::event::Actor;
    use crate::domain::record::Origin;
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let number = NumberRule::builtin().parse("赵卫罚〔2026〕12号", 2026).unwrap();
    let request = move |origin| LinkRequest {
        clip,
        number: number.clone(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin,
        score: 100,
        reason: None,
    };
    let (by_rule, by_person) = (request(Origin::Roster), request(Origin::Person));
    let key = by_rule.number.key().to_owned();
    let again = by_rule.clone();
    let link = |r: LinkRequest| f.store.write_blocking(move |tx| tx.link(&r, &Actor::os(7), "cli"));
    assert_eq!(link(by_rule.clone()).unwrap(), 1);
    assert_eq!(link(by_rule).unwrap(), 1, "the same word again is no revision");
    assert_eq!(link(by_person).unwrap(), 2);
    let unlink = f.store.write_blocking(move |tx| tx.unlink(clip, &key, "another case", &Actor::os(7), "cli"));
    assert_eq!(unlink.unwrap(), 3);
    assert!(matches!(link(again), Err(StoreError::Conflict(_))), "a rule does not undo a person's withdrawal");
    let (links, revisions) = f
        .store
        .read_blocking(|r| {
            Ok((r.links(clip)?.len(), r.conn.query_row("SELECT count(*) FROM case_link", [], |x| x.get::<_, i64>(0))?))
        })
        .unwrap();
    assert_eq!((links, revisions), (0, 3));
}

#[test]
fn a_link_of_a_part_and_one_of_the_whole_are_two_words() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let part = link(clip, "赵卫罚〔2026〕12号");
    let whole = LinkRequest { range_ms: (None, None), ..part.clone() };
    let link = |r: &LinkRequest| {
        let r = r.clone();
        f.store.write_blocking(move |tx| tx.link(&r, &Actor::os(7), "cli")).unwrap()
    };
    assert_eq!([link(&part), link(&part), link(&whole), link(&whole), link(&part)], [1, 1, 2, 2, 3]);
    let standing = f.store.read_blocking(|r| r.links(clip)).unwrap();
    assert_eq!((standing.len(), standing[0].from_ms, standing[0].to_ms), (1, Some(5), Some(9)));
}

#[test]
fn a_panic_in_a_transaction_takes_nothing_else_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let station = StationId::new("zhao-01").unwrap();
    let store = Store::open(&dir.path().join("a.db"), &station, SystemClock::new()).unwrap();
    let outcome: Result<()> = store.write_blocking(|tx| {
        tx.log(&Draft::daemon(EventKind::Started))?;
        panic!("as a parser might");
    });
    assert!(matches!(outcome, Err(StoreError::Odd(_))), "{outcome:?}");
    assert_eq!(store.read_blocking(|r| r.log_size()).unwrap(), 0, "rolled back");
    store.write_blocking(|tx| tx.log(&Draft::daemon(EventKind::Started))).unwrap();
}

/// The events of a kind, as their bodies.
fn told(f: &Fixture, kind: &str) -> Vec<serde_json::Value> {
    let entries = f.store.read_blocking(|r| r.log_entries(0, 5_000)).unwrap();
    let events = entries.iter().map(|e| serde_json::from_slice::<serde_json::Value>(&e.bytes).unwrap());
    events.filter(|e| e["kind"] == kind).map(|e| e["body"].clone()).collect()
}

#[test]
fn changes_that_are_made_durable_together_fail_alone() {
    let f = fixture();
    let (first, second) = (f.clip("a"), f.clip("b"));
    let size = || f.store.read_blocking(|r| r.log_size()).unwrap();
    let before = size();
    // The writer is held while these queue up behind it.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let note = |clip| move |tx: &Tx<'_>| tx.log(&Draft::daemon(EventKind::Shown).clip(clip));
    let busy = f
        .store
        .submit(move |_| {
            // The other end is dropped when the test goes on.
            let _ = held.recv();
            Ok(())
        })
        .unwrap();
    let good = f.store.submit(note(first)).unwrap();
    let half = f
        .store
        .submit(move |tx| {
            note(second)(tx)?;
            Err::<u64, _>(StoreError::Conflict(Why::said("half done")))
        })
        .unwrap();
    let panics = f
        .store
        .submit(move |tx| -> Result<u64> {
            note(second)(tx)?;
            panic!("as a bug would")
        })
        .unwrap();
    let last = f.store.submit(note(second)).unwrap();
    hold.send(()).unwrap();
    busy.blocking_recv().unwrap().unwrap();
    assert_eq!(good.blocking_recv().unwrap().unwrap(), before);
    assert!(matches!(half.blocking_recv().unwrap(), Err(StoreError::Conflict(_))));
    assert!(matches!(panics.blocking_recv().unwrap(), Err(StoreError::Odd(_))));
    assert_eq!(last.blocking_recv().unwrap().unwrap(), before + 1, "what failed left no hole in the log");
    assert_eq!(size(), before + 2);
}

#[test]
fn every_change_of_a_facet_rewrites_the_word() {
    use crate::domain::clip::ProofLevel;
    use crate::domain::error::Retry;
    let f = fixture();
    let clip = f.clip("a");
    let word = || {
        f.store
            .read_blocking(|r| {
                let word: String =
                    r.conn.query_row("SELECT state FROM clip WHERE clip_id = ?1", [clip.to_string()], |x| x.get(0))?;
                assert_eq!(r.clip_state(clip)?.as_str(), word);
                Ok((word, r.figures(0)?.incomplete))
            })
            .unwrap()
    };
    let expect = |wanted: &str, incomplete: u64| assert_eq!(word(), (wanted.to_owned(), incomplete));
    expect("copying", 0);
    f.seal(clip, vec![("d".into(), true)]);
    expect("sealed", 1);
    f.store.write_blocking(move |tx| tx.session_begun(clip, "d", "s", &[])).unwrap();
    expect("sending", 1);
    f.store.write_blocking(move |tx| tx.send_failed(clip, "d", "no", Retry::Operator, 0)).unwrap();
    expect("sealed", 1);
    f.store.write_blocking(move |tx| tx.sent(clip, "d", "s", None)).unwrap();
    expect("sending", 1);
    f.store.write_blocking(move |tx| tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)).unwrap();
    expect("proven", 1);
    f.store.write_blocking(move |tx| tx.mismatch(clip, "d", "rot", 0)).unwrap();
    expect("sealed", 1);
}

#[test]
fn a_destination_that_is_configured_no_more_holds_no_clip_back() {
    use crate::domain::clip::ProofLevel;
    use crate::domain::event::Actor;
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("old".into(), true), ("new".into(), true)]);
    f.store.write_blocking(move |tx| tx.proven(clip, "new", ProofLevel::ReadBack, "x", None, None)).unwrap();
    let state = || f.store.read_blocking(|r| r.clip_state(clip)).unwrap().as_str();
    let configure = |names: &[(&str, bool)]| {
        let names: Vec<(String, bool)> = names.iter().map(|(n, required)| ((*n).to_owned(), *required)).collect();
        f.store.write_blocking(move |tx| tx.configure(&names)).unwrap();
    };
    configure(&[("old", true), ("new", true)]);
    assert_eq!((state(), told(&f, "station.configured").len()), ("sending", 0), "nothing changed");
    configure(&[("new", true)]);
    assert_eq!(state(), "proven");
    assert_eq!(told(&f, "station.configured")[0]["destinations"]["old"]["now"], "gone");
    configure(&[("old", true), ("new", true), ("third", false)]);
    assert_eq!(state(), "sending", "it is required again");
    assert_eq!(told(&f, "station.configured").len(), 2, "one event each time");
    f.store.write_blocking(|tx| tx.retry(Some("old"), Draft::by(EventKind::Retried, Actor::os(7), "cli"))).unwrap();
    assert_eq!(told(&f, "delivery.retry")[0]["destination"], "old");
}

#[test]
fn a_recorder_full_of_unreadable_places_does_not_flood_the_log() {
    let f = fixture();
    let dock = f.dock;
    let places = |from: u32, to: u32| -> Vec<(SourcePath, String)> {
        (from..to).map(|n| (SourcePath::new(n.to_string()), "bad".to_owned())).collect()
    };
    for (from, to) in [(0, 990), (0, 990), (990, 1_500), (0, 1_500), (1_500, 1_600)] {
        let batch = places(from, to);
        f.store.write_blocking(move |tx| tx.unreadable(dock, &batch)).unwrap();
    }
    let told = told(&f, "dock.unreadable");
    let more: Vec<u64> = told.iter().filter_map(|e| e["more"].as_u64()).collect();
    assert_eq!((told.len() - more.len(), more), (1_000, vec![500, 100]));
    assert_eq!(f.store.read_blocking(|r| r.unreadable_at(dock)).unwrap().len(), 1_600, "all are shown");
}

#[test]
fn an_interrupted_copy_that_goes_on_at_another_dock_is_an_event() {
    let f = fixture();
    let clip = f.clip("a");
    let (recorder, again) = (f.recorder.clone(), f.recorder.clone());
    let new = NewDock {
        bay: BayName::new("2").unwrap(),
        recorder,
        identified: "bay".into(),
        kind: "folder",
        profile: "generic".into(),
        model: None,
    };
    let entry = ShelfEntry { path: SourcePath::new("a"), size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
    let dock = f.store.write_blocking(move |tx| tx.dock(&new)).unwrap();
    f.store
        .write_blocking(move |tx| {
            tx.resume_clip(clip, dock, &again, &entry)?;
            tx.resume_clip(clip, dock, &again, &entry)
        })
        .unwrap();
    assert_eq!(told(&f, "clip.copy_resumed").len(), 1);
}

fn key(text: &str) -> DeviceKey {
    DeviceKey::parse(text).unwrap()
}

pub(super) fn events(f: &Fixture) -> Vec<serde_json::Value> {
    let rows = f.store.read_blocking(|r| r.log_entries(0, 1_000)).unwrap();
    rows.iter().map(|row| serde_json::from_slice(&row.bytes).unwrap()).collect()
}

#[test]
fn the_register_tells_who_let_which_device_in() {
    let f = fixture();
    let mut changes = f.store.changes();
    let held = HeldDevice {
        bay: "3".into(),
        port: "1-4.2".into(),
        usb_id: (0x0951, 0x1666),
        serial: Some("SN100".into()),
        name: "Kingston DataTraveler".into(),
        why: Held::Unknown,
        since_ms: 0,
    };
    let nameless = HeldDevice { serial: None, port: "1-4.3".into(), ..held.clone() };
    for _ in 0..2 {
        let both = [held.clone(), nameless.clone()];
        f.store.write_blocking(move |tx| tx.devices_held(&both)).unwrap();
    }
    let standing = |serial: Option<&str>, port: &str| {
        f.store.read_blocking(|r| Ok(r.standings()?.of((0x0951, 0x1666), serial, port))).unwrap()
    };
    assert_eq!(standing(Some("SN100"), "1-4.2"), DeviceState::Unknown);

    let decide = |device: &'static str, state, kind| {
        f.store
            .write_blocking(move |tx| {
                let asked = Draft::by(kind, Actor::os(7), "cli");
                tx.decide_device(&key(device), state, Some("科长同意"), asked)
            })
            .unwrap()
    };
    assert!(decide("0951:1666:SN100", DeviceState::Approved, EventKind::RecorderApproved));
    assert!(!decide("0951:1666:SN100", DeviceState::Approved, EventKind::RecorderApproved), "once is enough");
    assert!(decide("0951:1666@1-4.3", DeviceState::Approved, EventKind::RecorderApproved));
    assert!(decide("dead:beef:NEVERSEEN", DeviceState::Refused, EventKind::RecorderRefused), "before it ever comes");
    assert_eq!(standing(Some("SN100"), "9-9"), DeviceState::Approved);
    assert_eq!(standing(None, "1-4.3"), DeviceState::Approved);
    assert_eq!(standing(None, "1-4.4"), DeviceState::Unknown);
    assert!(decide("0951:1666:SN100", DeviceState::InRepair, EventKind::RecorderInRepair));
    assert!(!standing(Some("SN100"), "1-4.2").admits());

    // What it turned out to be, so that it is known again when it is empty.
    let identity = ShelfIdentity {
        bay: "3".into(),
        usb_id: Some((0x0951, 0x1666)),
        serial: Some("SN100".into()),
        port: Some("1-4.2".into()),
        volume_id: Some("ABCD-1234".into()),
        ..ShelfIdentity::default()
    };
    let (seen, recorder) = (identity.clone(), f.recorder.clone());
    f.store.write_blocking(move |tx| tx.device_identified(&seen, &recorder)).unwrap();
    let known = |identity: &ShelfIdentity| f.store.read_blocking(|r| r.recorder_of_device(identity)).unwrap();
    assert_eq!(known(&identity).as_ref(), Some(&f.recorder));
    assert_eq!(
        known(&ShelfIdentity { serial: None, ..identity.clone() }),
        None,
        "another one of the same make may stand there"
    );
    assert_eq!(known(&ShelfIdentity { usb_id: None, ..identity }), None);

    let devices = f.store.read_blocking(|r| r.devices()).unwrap();
    assert_eq!(devices.len(), 3);
    let of = devices.iter().find(|d| d.key == key("0951:1666:SN100")).unwrap();
    assert_eq!(
        (of.recorder.as_deref(), of.bay.as_deref(), of.decided_by.as_deref()),
        (Some("R1"), Some("3"), Some("os:7"))
    );
    let events = events(&f);
    let told = |kind: EventKind| events.iter().filter(|e| e["kind"] == kind.as_str()).count();
    assert_eq!(
        (told(EventKind::DeviceSeen), told(EventKind::RecorderApproved), told(EventKind::RecorderInRepair)),
        (2, 2, 1)
    );
    assert!(!format!("{events:?}").contains("科长"), "a reason is committed to, not told");
    let mut recorders = 0;
    while let Ok(change) = changes.try_recv() {
        recorders += u32::from(change == Change::Recorders);
    }
    assert!(recorders >= 5, "whoever keeps the register in memory hears of each decision");
}

#[test]
fn a_recorder_is_out_with_one_officer_at_a_time() {
    let f = fixture();
    let new = |officer: &str, due_ms| NewIssue {
        recorder: "r1".into(),
        officer: officer.into(),
        case: Some(("赵卫罚〔2026〕12号".into(), "k".into())),
        place: Some("东关街".into()),
        matter: None,
        due_ms,
    };
    let issue = |new: NewIssue| f.store.write_blocking(move |tx| tx.issue(&new, &Actor::os(7), "cli")).unwrap();
    let holder = || f.store.read_blocking(|r| r.holder_of_dock(f.dock)).unwrap().map(|h| (h.officer, h.origin));
    assert_eq!(holder(), None);
    let (_, earlier) = issue(new("张三", Some(1)));
    assert_eq!(earlier, None);
    assert_eq!(holder(), Some(("张三".into(), Origin::Issue)), "however the id was typed");
    let now_ms = 1_781_834_604_000;
    assert_eq!(f.store.read_blocking(|r| r.out_figures(now_ms)).unwrap(), (1, 1), "due long ago");
    let (_, earlier) = issue(new("李四", None));
    assert_eq!(earlier.unwrap().officer, "张三");
    assert_eq!(f.store.read_blocking(|r| r.out_figures(now_ms)).unwrap(), (1, 0));
    let back = || f.store.write_blocking(|tx| tx.return_recorder("Ｒ1", &Actor::os(7), "cli"));
    assert_eq!(back().unwrap().officer, "李四");
    assert!(matches!(back(), Err(StoreError::NotFound(Why::NotOut { .. }))));
    let stays = f.store.read_blocking(|r| r.issues_of("r1")).unwrap();
    let ended: Vec<_> = stays.iter().map(|s| s.ended.as_deref().unwrap()).collect();
    assert_eq!(ended, ["reissued", "returned"]);
    let events = events(&f);
    let told = |kind: EventKind| events.iter().filter(|e| e["kind"] == kind.as_str()).count();
    assert_eq!((told(EventKind::Issued), told(EventKind::Returned)), (2, 1));
    assert!(!format!("{events:?}").contains("张三"), "people are committed to, not told");
}

#[test]
fn whose_a_docked_recorder_is_when_nobody_took_it_out() {
    let f = fixture();
    let holder = || f.store.read_blocking(|r| r.holder_of_dock(f.dock)).unwrap().map(|h| (h.officer, h.origin));
    let clip = f.clip("a");
    let says = |field, origin, value: &str| {
        let fact = [(field, origin, value.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &fact)).unwrap();
    };
    says(Field::Officer, Origin::FileName, "110203");
    assert_eq!(holder(), Some(("110203".into(), Origin::FileName)));
    let row = |officer: &str| RosterEntry {
        recorder: "r1".into(),
        from_ms: 0,
        to_ms: i64::MAX,
        row: format!(r#"{{"officer":"{officer}"}}"#),
    };
    let import = |rows: Vec<RosterEntry>| {
        let change = RosterChange { gone: vec![], told: rows.len(), rows };
        f.store.write_blocking(move |tx| tx.import_roster("x", &change, &Actor::os(7), "cli")).unwrap()
    };
    import(vec![row("张三")]);
    assert_eq!(holder(), Some(("张三".into(), Origin::Roster)), "the roster comes before a name of a file");
    import(vec![row("李四")]);
    assert_eq!(holder(), Some(("110203".into(), Origin::FileName)), "a roster that disagrees says nothing");
    says(Field::Officer, Origin::Person, "王五");
    assert_eq!(holder(), Some(("王五".into(), Origin::Person)));
}

#[test]
fn erasing_is_told_in_its_steps() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("cloud".into(), true)]);
    let rows = || f.store.read_blocking(|r| r.erasable(f.dock, &f.recorder)).unwrap();
    let row = rows().remove(0);
    assert_eq!((row.copies.len(), row.copies[0].off_box), (1, false), "never probed: not known to be elsewhere");
    assert!(row.proof_seq.is_some() && row.copies[0].proven_ms.is_none());
    let far = Abilities {
        proof: ProofLevel::ReadBack,
        lock: false,
        same_device: false,
        in_order: false,
        detail: String::new(),
    };
    f.store
        .write_blocking(move |tx| {
            tx.destination_probed("cloud", &far)?;
            tx.proven(clip, "cloud", ProofLevel::ReadBack, "x", None, None)
        })
        .unwrap();
    let row = rows().remove(0);
    assert!(row.copies[0].off_box && row.copies[0].proven_ms.is_some());

    // How far the log is in other hands.
    assert_eq!(f.store.read_blocking(|r| r.anchors()).unwrap(), Anchors::default());
    let station = StationId::new("one").unwrap();
    for (size, stored) in [(2, true), (3, false)] {
        let key = layout::checkpoint(&station, 1, size);
        f.store
            .write_blocking(move |tx| {
                let row = CheckpointRow { epoch: 1, size, root: [0; 32], note: "n".into(), made_ms: 0 };
                tx.add_checkpoint(&row, &key, &["cloud".to_owned(), "here".to_owned()])?;
                let due = tx.read().due_outbox("cloud", i64::MAX, 0, 9)?;
                due.iter().filter(|_| stored).try_for_each(|item| tx.outbox_stored(item.id))
            })
            .unwrap();
    }
    assert_eq!(f.store.read_blocking(|r| r.anchors()).unwrap(), Anchors { signed: 3, stored: 2 });
    // A timestamp goes the same way, and is no checkpoint.
    let stamp = layout::timestamp(&station, 1, 2, 5_000);
    f.store
        .write_blocking(move |tx| {
            tx.post("here", &stamp, "checkpoint", "application/timestamp-reply", b"x", None)?;
            let due = tx.read().due_outbox("here", i64::MAX, 0, 9)?;
            due.iter().try_for_each(|item| tx.outbox_stored(item.id))
        })
        .unwrap();
    let newest = f.store.read_blocking(|r| r.anchored("here")).unwrap();
    assert_eq!(newest, Some(layout::checkpoint(&station, 1, 3)));

    let (dock, sighting) = (f.dock, row.sighting);
    let intend = || f.store.write_blocking(move |tx| tx.erase_intended(dock, &[sighting]));
    let intent = intend().unwrap()[0];
    assert!(matches!(intend(), Err(StoreError::Conflict(_))), "one intent at a time");
    let row = rows().remove(0);
    assert_eq!((row.state, row.intent_seq), (SightingState::EraseIntended, Some(intent)));
    f.store.write_blocking(move |tx| tx.erase_withdrawn(sighting, &Refusal::Held)).unwrap();
    assert_eq!(rows().remove(0).state, SightingState::Present);
    intend().unwrap();
    f.store.write_blocking(move |tx| tx.erased(sighting, false)).unwrap();
    assert!(rows().is_empty());
    let word = f.store.read_blocking(|r| r.clip_state(clip)).unwrap();
    assert_eq!(word.as_str(), "released");
    let kinds: Vec<String> = events(&f).iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
    let about: Vec<&str> = kinds.iter().filter_map(|k| k.strip_prefix("recorder.")).collect();
    assert_eq!(about, ["erase_intended", "erase_withdrawn", "erase_intended", "erased"]);
}

// -------------------------------------------------------------------------------------------------
// Recordings

fn asked(stream: &str, cause: Cause) -> NewRecording {
    NewRecording {
        stream: StreamName::new(stream).unwrap(),
        room: "询问室".into(),
        cause,
        officer: Some("张三".into()),
        co_officers: None,
        case: None,
        matter: None,
        proves: None,
    }
}

impl Fixture {
    fn segment(&self, recording: RecordingId, station_ms: i64, length_ms: i64, source_ms: Option<i64>) -> ClipId {
        let clip = ClipId::generate(station_ms);
        let entry = ShelfEntry {
            path: SourcePath::new(clip.to_string()),
            size_bytes: 0,
            modified_raw: String::new(),
            modified_ms: None,
        };
        let new = NewClip {
            clip,
            recorder: RecorderId::new("room-1").unwrap(),
            dock: None,
            entry,
            declared_bytes: None,
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::Growing,
            evidence: "{}".into(),
            segment: Some(SegmentStart { recording, station_ms }),
        };
        self.store
            .write_blocking(move |tx| {
                tx.new_clip(&new)?;
                tx.segment_reached(clip, SegmentReach { length_ms, source_ms })
            })
            .unwrap();
        clip
    }

    fn published(&self, clip: ClipId) -> (PublishedSegment, Vec<PublishedGap>) {
        let zone = jiff::tz::TimeZone::UTC;
        self.store.read_blocking(|r| r.published_segment(clip, &zone)).unwrap().unwrap()
    }
}

#[test]
fn segments_stand_in_order_and_what_is_missing_between_them_is_told_once() {
    let f = fixture();
    let id =
        f.store.write_blocking(|tx| tx.begin_recording(&asked("room-1", Cause::Person), &Actor::os(7), "cli")).unwrap();
    let at = 1_781_834_604_000;
    let first = f.segment(id, at + 1_000, 60_000, Some(at + 3_600_000));
    f.store.write_blocking(move |tx| tx.segment_ended(first, SegmentEnd::Lost, "cut")).unwrap();
    // The station saw the camera again after 10.1 s; the camera's own clock says that 10 s are missing.
    let second = f.segment(id, at + 71_100, 5_000, Some(at + 3_670_000));
    let gap = Gap { kind: GapKind::Loss, from_ms: 40, to_ms: 2_040, missing_ms: 2_000, count: 120 };
    f.store
        .write_blocking(move |tx| {
            tx.add_gap(second, &gap)?;
            tx.segment_ended(second, SegmentEnd::Length, "")
        })
        .unwrap();
    // The next one follows at once.
    let third = f.segment(id, at + 76_100, 1_000, None);

    let (segment, gaps) = f.published(first);
    assert_eq!((segment.segment_no, segment.previous, gaps.len()), (1, None, 0));
    assert_eq!(segment.next, Some(second.to_string()));
    assert_eq!((segment.ended.as_deref(), segment.ended_detail.as_deref()), (Some("lost"), Some("cut")));
    let (segment, gaps) = f.published(second);
    assert_eq!((segment.segment_no, segment.previous), (2, Some(first.to_string())));
    let told: Vec<_> = gaps.iter().map(|g| (g.kind.as_str(), g.missing_ms, g.count, g.reason.as_deref())).collect();
    assert_eq!(told, [("between", 10_000, 0, Some("lost")), ("loss", 2_000, 120, None)]);
    assert_eq!(f.published(third).1, []);

    // Nothing was recorded in the last eight seconds.
    f.store.write_blocking(move |tx| tx.segment_ended(third, SegmentEnd::Silent, "")).unwrap();
    let clock_ms = f.store.read_blocking(|r| Ok(r.open_recordings()?[0].begun_ms)).unwrap();
    assert_eq!(clock_ms, at, "the clock of this test stands still");
    let ended = f
        .store
        .write_blocking(|tx| {
            tx.end_recording(&StreamName::new("room-1").unwrap(), RecordingEnd::Stopped, &Actor::os(7), "cli")
        })
        .unwrap();
    assert_eq!(ended.segments, 3);
    assert_eq!(f.published(third).1, [], "a clock that stands still says nothing of the end");
}

#[test]
fn what_is_fetched_is_measured_against_what_the_recorder_lists() {
    let f = fixture();
    let recorder = RecorderId::new("36NCC009910").unwrap();
    let at = 1_781_834_604_000;
    let span = |to_ms| Span { item: "R1".into(), from_ms: at, to_ms, grows: false };
    let listed = |to_ms| {
        let (recorder, spans) = (recorder.clone(), [span(to_ms)]);
        f.store
            .write_blocking(move |tx| {
                tx.listed(&recorder, Timeline::Clock, &spans)?;
                tx.read().listed_spans(&recorder)
            })
            .unwrap()
            .remove(0)
    };
    let dock = NewDock {
        bay: BayName::new("net").unwrap(),
        recorder: recorder.clone(),
        identified: "serial".into(),
        kind: "onvif",
        profile: "network".into(),
        model: None,
    };
    f.store.write_blocking(move |tx| tx.dock(&dock)).unwrap();
    let first = listed(at + 60_000);
    assert_eq!((first.missing(), first.state), (vec![(0, 60_000)], SpanState::Waiting));
    let id = first.id;
    let begin = move |tx: &Tx<'_>| tx.begin_pull(id, "wifi-1", "net", 3_600_000, &Actor::daemon());
    let recording = f.store.write_blocking(begin).unwrap();
    assert_eq!(f.store.write_blocking(begin).unwrap(), recording, "once begun, it is the same one");
    let begun = at - 3_600_000;
    // The recorder began with the key frame before, and the line was cut.
    let one = f.segment(recording, begun - 500, 20_500, Some(at - 500));
    f.store.write_blocking(move |tx| tx.segment_ended(one, SegmentEnd::Interrupted, "")).unwrap();
    let unsealed = f.store.read_blocking(move |r| r.listed_span(id)).unwrap();
    assert_eq!(unsealed.missing(), [(0, 60_000)], "what is not sealed is not here");
    f.seal(one, Vec::new());
    let tried = f.store.write_blocking(move |tx| tx.pull_tried(id, true, Some("cut"))).unwrap();
    assert_eq!((tried.missing(), tried.state, tried.tries), (vec![(20_000, 60_000)], SpanState::Waiting, 0));
    let (segment, gaps) = f.published(one);
    let told: Vec<_> = gaps.iter().map(|g| (g.kind.as_str(), g.missing_ms)).collect();
    assert_eq!(told, [("end", 40_000)], "what is listed is missing as long as it is not here");
    assert_eq!(segment.listed.map(|l| (l.length_ms, l.missing_ms)), Some((60_000, 40_000)));
    // It goes on with the key frame before, over a hole of two seconds.
    let two = f.segment(recording, begun + 19_200, 40_800, Some(at + 19_200));
    let gap = Gap { kind: GapKind::Loss, from_ms: 10_000, to_ms: 12_000, missing_ms: 2_000, count: 0 };
    f.store
        .write_blocking(move |tx| {
            tx.add_gap(two, &gap)?;
            tx.segment_ended(two, SegmentEnd::Whole, "")
        })
        .unwrap();
    f.seal(two, Vec::new());
    let told: Vec<_> = f.published(two).1.iter().map(|g| (g.kind.clone(), g.missing_ms, g.from_ms)).collect();
    assert_eq!(told, [("again".to_owned(), 800, Some(0)), ("loss".to_owned(), 2_000, Some(10_000))]);
    assert_eq!(f.published(one).1, []);
    for tries in 1..=3u32 {
        let tried = f.store.write_blocking(move |tx| tx.pull_tried(id, false, Some("no more"))).unwrap();
        assert_eq!((tried.missing(), tried.tries), (vec![(29_200, 31_200)], tries));
        assert_eq!(tried.state, if tries < 3 { SpanState::Waiting } else { SpanState::Short });
    }
    let row = f.store.read_blocking(|r| r.recording_of(two)).unwrap().unwrap();
    assert_eq!((row.ended, row.asked.cause), (Some(RecordingEnd::Short), Cause::Pull));
    // The hole was fetched after all.
    let three = f.segment(recording, begun + 29_000, 2_300, Some(at + 29_000));
    f.store.write_blocking(move |tx| tx.segment_ended(three, SegmentEnd::Whole, "")).unwrap();
    f.seal(three, Vec::new());
    let whole = f.store.write_blocking(move |tx| tx.pull_tried(id, true, None)).unwrap();
    assert_eq!((whole.state, whole.missing_ms(), whole.detail), (SpanState::Whole, 0, None));
    assert_eq!(f.published(three).1, [], "it stands where it stands, and nothing is missing behind it");
    // And it goes on.
    let longer = listed(at + 90_000);
    assert_eq!((longer.id, longer.state, longer.missing()), (id, SpanState::Waiting, vec![(60_000, 90_000)]));
    // Rooms know nothing of it.
    let rooms = f.store.read_blocking(|r| Ok((r.open_recordings()?, r.recordings(10)?))).unwrap();
    assert_eq!((rooms.0.len(), rooms.1.len()), (0, 0));
}

#[test]
fn a_person_s_recording_gives_way_to_nobody() {
    let f = fixture();
    let begin =
        |cause| f.store.write_blocking(move |tx| tx.begin_recording(&asked("room-1", cause), &Actor::daemon(), "cli"));
    let always = begin(Cause::Always).unwrap();
    assert!(begin(Cause::Schedule).is_err());
    let person = begin(Cause::Person).unwrap();
    assert_ne!(always, person);
    assert!(matches!(begin(Cause::Person), Err(StoreError::Conflict(_))));
    let rows = f.store.read_blocking(|r| r.recordings(10)).unwrap();
    assert_eq!(rows.iter().filter(|r| r.ended == Some(RecordingEnd::Replaced)).count(), 1);
    let nobody = StreamName::new("other").unwrap();
    let stop = f.store.write_blocking(move |tx| tx.end_recording(&nobody, RecordingEnd::Stopped, &Actor::os(1), "cli"));
    assert!(matches!(stop, Err(StoreError::NotFound(_))));
}

fn policy() -> Policy {
    Policy {
        station: StationId::new("one").unwrap(),
        agency: None,
        operator: "one".into(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn number(text: &str) -> crate::domain::case_number::CaseNumber {
    crate::domain::case_number::NumberRule::builtin().parse(text, 2026).unwrap()
}

fn link(clip: ClipId, text: &str) -> LinkRequest {
    LinkRequest {
        clip,
        number: number(text),
        rule_version: 1,
        range_ms: (Some(5), Some(9)),
        stage: Some("调查".into()),
        matter: None,
        proves: Some("现场".into()),
        origin: Origin::Person,
        score: 100,
        reason: None,
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

#[test]
fn a_copy_of_the_database_is_consistent_while_it_is_written_to() {
    let f = fixture();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy.db");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                f.clip(&format!("{n}"));
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let copied = f.store.snapshot(&to).unwrap();
            let copy = Store::open_read_only(&to, SystemClock::new()).unwrap();
            let (clips, seen, check) =
                copy.read_blocking(|r| Ok((r.copying()?.len() as u64, r.log_size()?, r.check()?))).unwrap();
            // One event opens the dock, then each clip is one.
            assert_eq!((check.verdict.as_str(), clips + 1, seen), ("ok", copied.log_size, copied.log_size));
            assert!(copied.log_size >= last);
            last = copied.log_size;
        }
    });
}
