//! An uplink against a destination that is untrue, forgetful or not to be trusted with everything: what is not the
//! same bytes is never proven, and nothing is sent without end.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::sync::Arc;
use std::time::Duration;

use evidock::deliver::fake::FakeDestination;
use evidock::deliver::uplink::{Uplink, UplinkOptions};
use evidock::domain::clip::{Delivery, Local};
use evidock::domain::digest::Blake3;
use evidock::domain::error::Retry;
use evidock::domain::event::Actor;
use evidock::domain::grid::PartGrid;
use evidock::domain::ids::{ClipId, DestinationName, RecorderId, StationId};
use evidock::domain::layout;
use evidock::domain::ports::Clock;
use evidock::domain::record::{Field, Origin};
use evidock::domain::recorder::{Importance, ShelfEntry, SourcePath};
use evidock::domain::sensitivity::Sensitivity;
use evidock::intake::{Intake, IntakeOptions, recover};
use evidock::runtime::board::Board;
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::source::profile::Profiles;
use evidock::store::{ClipRow, NewClip, Policy, Store};
use evidock::vault::{CopyOptions, Vault};
use tokio_util::sync::CancellationToken;

/// A station with one sealed clip that is due for one destination.
struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    vault: Vault,
    clock: Arc<dyn Clock>,
    dest: Arc<FakeDestination>,
    clip: ClipId,
    stop: CancellationToken,
    lock_days: u32,
    runtime: tokio::runtime::Runtime,
}

fn station() -> StationId {
    StationId::new("zhao-01").unwrap()
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = SystemClock::new();
        let store = Store::open(&dir.path().join("evidock.db"), &station(), Arc::clone(&clock)).unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let options = IntakeOptions {
            copy: CopyOptions { durable_every_bytes: 1 << 20, reserve_bytes: 0 },
            still_after_ms: 0,
            look_every_ms: 10,
            deliveries: vec![("far".into(), true)],
        };
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let intake = Intake::new(store.clone(), vault.clone(), Board::default(), Arc::clone(&clock), profiles, options);
        let bytes: Vec<u8> = (0..10_000_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let clip = ClipId::generate(1_781_834_604_000);
        let (size, prefix) = (bytes.len() as u64, Blake3(*blake3::hash(&bytes).as_bytes()));
        let new = NewClip {
            clip,
            recorder: RecorderId::new("r").unwrap(),
            dock: None,
            entry: ShelfEntry {
                path: SourcePath::new("a.mp4"),
                size_bytes: size,
                modified_raw: "1".into(),
                modified_ms: Some(1_000),
            },
            declared_bytes: Some(size),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::for_size(Some(size)),
            evidence: "{}".into(),
        };
        store.write_blocking(move |tx| tx.new_clip(&new)).unwrap();
        store.write_blocking(move |tx| tx.copied_durably(clip, size, prefix, &[])).unwrap();
        let master = vault.master(clip);
        std::fs::create_dir_all(master.parent().unwrap()).unwrap();
        std::fs::write(master, &bytes).unwrap();
        assert_eq!(recover(&intake).unwrap().adopted, 1);
        let policy = Policy {
            station: station(),
            agency: None,
            operator: String::new(),
            uri_prefix: Default::default(),
            zone: jiff::tz::TimeZone::UTC,
        };
        store.write_blocking(move |tx| tx.publish(clip, &policy, &[])).unwrap();
        let dest = FakeDestination::new(DestinationName::new("far").unwrap(), station());
        Self {
            _dir: dir,
            store,
            vault,
            clock,
            dest,
            clip,
            stop: CancellationToken::new(),
            lock_days: 0,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn start(&self) -> tokio::task::JoinHandle<()> {
        let options = UplinkOptions {
            station: station(),
            clips_in_flight: 2,
            parts_in_flight: 2,
            retry_min_ms: 1,
            retry_max_ms: 4,
            max_sensitivity: Sensitivity::Minor,
            initial_lock_days: self.lock_days,
        };
        let uplink = Uplink::new(
            Arc::clone(&self.dest) as Arc<_>,
            self.store.clone(),
            self.vault.clone(),
            Board::default(),
            Arc::clone(&self.clock),
            options,
        );
        let _inside = self.runtime.enter();
        evidock::runtime::task::spawn_named("uplink", uplink.run(self.stop.clone(), || {}))
    }

    fn state(&self) -> Delivery {
        let clip = self.clip;
        self.store.read_blocking(|r| r.deliveries(clip)).unwrap()[0].1
    }

    fn row(&self) -> ClipRow {
        let clip = self.clip;
        self.store.read_blocking(|r| r.clip(clip)).unwrap()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = monotonic();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_copy_that_always_differs_is_not_sent_for_ever() {
    let bench = Bench::new();
    // It can do everything while it is tried, and then begins to rot.
    let found = bench.runtime.block_on(evidock::domain::ports::Destination::probe(&*bench.dest)).unwrap();
    bench.store.write_blocking(move |tx| tx.destination_probed("far", &found)).unwrap();
    bench.dest.faults(|f| f.flip = true);
    let uplink = bench.start();
    bench.until("a person is asked", |b| b.state() == Delivery::Failed);
    assert!(bench.dest.part_bytes_received() <= 6 * 10_000_000, "{}", bench.dest.part_bytes_received());
    assert_eq!(bench.row().local, Local::Sealed);
    bench.stop.cancel();
    bench.runtime.block_on(uplink).unwrap();
}

#[test]
fn what_is_suspected_of_being_a_state_secret_stays_here() {
    let bench = Bench::new();
    let clip = bench.clip;
    let label = Sensitivity::SuspectedState.as_str().to_owned();
    bench
        .store
        .write_blocking(move |tx| {
            tx.add_facts(clip, &Actor::os(1), "cli", &[(Field::Sensitivity, Origin::Person, label)])
        })
        .unwrap();
    assert!(bench.row().isolated_ms.is_some());
    let now = bench.clock.now().0;
    assert!(bench.store.read_blocking(|r| r.due_deliveries("far", now, 9)).unwrap().is_empty());
}

#[test]
fn a_local_file_that_rotted_is_found_out_by_sending_it() {
    let bench = Bench::new();
    std::fs::write(bench.vault.master(bench.clip), vec![0; 10_000_000]).unwrap();
    let uplink = bench.start();
    bench.until("the damage is known", |b| b.row().local == Local::Damaged);
    assert_ne!(bench.state(), Delivery::Proven);
    assert!(bench.dest.held(&layout::master(&station(), bench.clip)).is_none());
    bench.stop.cancel();
    bench.runtime.block_on(uplink).unwrap();
}

#[test]
fn a_clock_that_was_put_back_delays_nothing_for_years() {
    let bench = Bench::new();
    let (clip, now) = (bench.clip, bench.clock.now().0);
    let due = |r: &Bench| r.store.read_blocking(|r| r.due_deliveries("far", now, 9)).unwrap().len();
    for (at, wanted) in [(now, 1), (now + 60_000, 0), (now + 86_400_000, 0), (now + 4 * 365 * 86_400_000, 1)] {
        bench.store.write_blocking(move |tx| tx.send_failed(clip, "far", "away", Retry::Transient, at)).unwrap();
        assert_eq!(due(&bench), wanted, "{}", at - now);
    }
}

#[test]
fn records_and_checkpoints_are_locked_where_that_is_possible_and_the_index_is_not() {
    let bench = Bench { lock_days: 30, ..Bench::new() };
    let kinds = ["record", "checkpoint", "case", "catalogue"];
    bench
        .store
        .write_blocking(move |tx| kinds.iter().try_for_each(|k| tx.post("far", k, k, "text/plain", b"x", None)))
        .unwrap();
    let uplink = bench.start();
    bench.until("all are stored", |b| kinds.iter().all(|k| b.dest.held(k).is_some()));
    bench.stop.cancel();
    bench.runtime.block_on(uplink).unwrap();
    let in_29_days = bench.clock.now().0 + 29 * 86_400_000;
    for (key, locked) in kinds.into_iter().zip([true, true, false, false]) {
        let head = bench.runtime.block_on(evidock::domain::ports::Destination::head(&*bench.dest, key)).unwrap();
        assert_eq!(head.unwrap().locked_until.is_some_and(|t| t.0 > in_29_days), locked, "{key}");
    }
}
