//! What holds of the store as a whole: changes and their entries, what the queries must agree on with the domain's own
//! decisions. Here stands the fixture of all tests of this room; those of one part stand beside it.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::clip::{Delivery, project};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId, StationId};
use crate::domain::record::Origin;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::station_clock::Reading;
use crate::domain::time::UtcMs;
use crate::runtime::clock::{StoppedClock, SystemClock};

pub(super) struct Fixture {
    _dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) clock: Arc<StoppedClock>,
    pub(super) dock: i64,
    pub(super) recorder: RecorderId,
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
            sm3: None,
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
        "UPDATE clip SET sm3 = zeroblob(32)",
    ] {
        assert!(f.store.write_blocking(move |tx| Ok(tx.conn.execute(sql, [])?)).is_err(), "{sql}");
    }
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

/// A station whose clocks part.
struct PartedClock {
    wall_ms: std::sync::atomic::AtomicI64,
    mono_ms: std::sync::atomic::AtomicI64,
}

impl Clock for PartedClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.wall_ms.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> i64 {
        self.mono_ms.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn boot_id(&self) -> &str {
        "one"
    }
}

#[test]
fn a_clock_that_is_set_is_told_before_anything_else() {
    use std::sync::atomic::{AtomicI64, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(PartedClock { wall_ms: AtomicI64::new(1_000_000), mono_ms: AtomicI64::new(1_000) });
    let station = StationId::new("one").unwrap();
    let store = Store::open(&dir.path().join("a.db"), &station, clock.clone() as Arc<dyn Clock>).unwrap();
    let pass = |wall_ms, mono_ms| {
        clock.wall_ms.fetch_add(wall_ms, Ordering::SeqCst);
        clock.mono_ms.fetch_add(mono_ms, Ordering::SeqCst);
    };
    let log = |kind| store.write_blocking(move |tx| tx.log(&Draft::daemon(kind))).unwrap();
    assert_eq!(log(EventKind::Started), 0);
    pass(60_000, 60_000);
    assert_eq!(log(EventKind::Shown), 1);
    pass(-3_600_000, 1_000);
    assert_eq!(log(EventKind::Shown), 3, "one came before it");
    let look = |seen: Reading| store.write_blocking(move |tx| tx.tell_clock(seen)).unwrap();
    let seen = Reading { wall_ms: clock.now().0, mono_ms: clock.monotonic_ms(), boot: "one".into() };
    assert!(!look(seen.clone()), "it is told already");
    pass(7_000, 2_000);
    assert!(look(seen.clone()), "also where nothing else happens");
    assert!(!look(seen), "and once");
    // The first entry of an epoch is the one that opens it.
    pass(90_000, 1_000);
    assert_eq!(log(EventKind::EpochOpened), 5);
    let rows = store.read_blocking(|r| r.log_entries(0, 100)).unwrap();
    let told: Vec<(String, i64)> = rows
        .iter()
        .map(|row| serde_json::from_slice::<serde_json::Value>(&row.bytes).unwrap())
        .map(|e| (e["kind"].as_str().unwrap().to_owned(), e["body"]["by_ms"].as_i64().unwrap_or_default()))
        .collect();
    let expected = [
        ("station.started", 0),
        ("access.show", 0),
        ("station.clock_set", -3_601_000),
        ("access.show", 0),
        ("station.clock_set", 5_000),
        ("epoch.opened", 0),
        ("station.clock_set", 89_000),
    ];
    assert_eq!(told, expected.map(|(kind, by)| (kind.to_owned(), by)));
    let set: serde_json::Value = serde_json::from_slice(&rows[2].bytes).unwrap();
    assert_eq!((&set["body"]["before_ms"], &set["body"]["after_ms"]), (&1_061_000.into(), &(-2_540_000).into()));
}

/// The events of a kind, as their bodies.
pub(super) fn told(f: &Fixture, kind: &str) -> Vec<serde_json::Value> {
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

pub(super) fn events(f: &Fixture) -> Vec<serde_json::Value> {
    let rows = f.store.read_blocking(|r| r.log_entries(0, 1_000)).unwrap();
    rows.iter().map(|row| serde_json::from_slice(&row.bytes).unwrap()).collect()
}

pub(super) fn number(text: &str) -> crate::domain::case_number::CaseNumber {
    crate::domain::case_number::NumberRule::builtin().parse(text, 2026).unwrap()
}

pub(super) fn link(clip: ClipId, text: &str) -> LinkRequest {
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
