//! An uplink against a destination that is untrue, forgetful or not to be trusted with everything: what is not the
//! same bytes is never proven, and nothing is sent without end.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use crate::support;

use evidock::domain::clip::{Delivery, Local};
use evidock::domain::error::Retry;
use evidock::domain::event::{Actor, Draft, EventKind};
use evidock::domain::layout;
use evidock::domain::ports::Destination;
use evidock::domain::record::{Field, Origin};
use evidock::domain::sensitivity::Sensitivity;
use support::uplink::Bench;
use support::{footage, station};

const SIZE: usize = 10_000_000;
const PART: u64 = 8 << 20;

#[test]
fn a_copy_that_always_differs_is_not_sent_for_ever() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART);
    // It can do everything while it is tried, and then begins to rot.
    let asked = |kind| Draft::by(kind, Actor::os(1), "cli");
    bench.write(move |tx| tx.pause_sending(None, None, asked(EventKind::Paused)));
    bench.start();
    bench.until("it was tried", |b| b.store.read_blocking(|r| Ok(!r.destinations()?.is_empty())).unwrap());
    bench.fake.faults(|f| f.flip = true);
    bench.write(move |tx| tx.resume_sending(None, &[], asked(EventKind::Resumed)));
    bench.until("a person is asked", |b| b.state(clip) == Delivery::Failed);
    assert!(bench.fake.part_bytes_received() <= 6 * SIZE as u64, "{}", bench.fake.part_bytes_received());
    assert_eq!(bench.row(clip).local, Local::Sealed);
    bench.stop();
}

#[test]
fn what_is_suspected_of_being_a_state_secret_stays_here() {
    let bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART);
    let label = Sensitivity::SuspectedState.as_str().to_owned();
    bench.write(move |tx| {
        tx.add_facts(clip, &Actor::os(1), "cli", &[(Field::Sensitivity, Origin::Person, label)]).map(drop)
    });
    assert!(bench.row(clip).isolated_ms.is_some());
    assert_eq!(bench.due(), 0);
}

#[test]
fn a_local_file_that_rotted_is_found_out_by_sending_it() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART);
    std::fs::write(bench.vault.master(clip), vec![0; SIZE]).unwrap();
    bench.start();
    bench.until("the damage is known", |b| b.row(clip).local == Local::Damaged);
    assert_ne!(bench.state(clip), Delivery::Proven);
    assert!(bench.there(clip).is_none());
    bench.stop();
}

#[test]
fn a_clock_that_was_put_back_delays_nothing_for_years() {
    let bench = Bench::new();
    let clip = bench.sealed(&footage(100, 1), PART);
    let now = bench.clock.now().0;
    for (at, wanted) in [(now, 1), (now + 60_000, 0), (now + 3_600_000, 1), (now + 4 * 365 * 86_400_000, 1)] {
        bench.write(move |tx| tx.send_failed(clip, "far", "away", Retry::Transient, at));
        assert_eq!(bench.due(), wanted, "{}", at - now);
    }
    // What was sent and cannot be proven is looked at each day.
    bench.write(move |tx| tx.sent(clip, "far", "s", None));
    for (at, wanted) in [(now + 86_400_000, 0), (now + 30 * 86_400_000, 1)] {
        bench.write(move |tx| tx.send_failed(clip, "far", "unproven", Retry::Transient, at));
        assert_eq!(bench.due(), wanted, "{}", at - now);
    }
}

#[test]
fn records_and_checkpoints_are_locked_where_that_is_possible_and_the_index_is_not() {
    let mut bench = Bench::new();
    bench.options.initial_lock_days = 30;
    bench.options.log_lock_days = 3650;
    let kinds = ["record", "checkpoint", "case", "catalogue"];
    bench.write(move |tx| kinds.iter().try_for_each(|k| tx.post("far", k, k, "text/plain", b"x", None)));
    bench.start();
    bench.until("all are stored", |b| kinds.iter().all(|k| b.fake.held(k).is_some()));
    bench.stop();
    let now_ms = bench.clock.now().0;
    // The log's locks are not renewed: they are as long as what it proves may be asked about.
    for (key, days) in kinds.into_iter().zip([30, 3650, 0, 0]) {
        let head = bench.runtime.block_on(bench.fake.head(key)).unwrap();
        let locked_days = head.unwrap().locked_until.map_or(0, |until| (until.0 - now_ms + 43_200_000) / 86_400_000);
        assert_eq!(locked_days, days, "{key}");
    }
}

#[test]
fn an_empty_clip_is_sent_and_proven() {
    let mut bench = Bench::new();
    let clip = bench.sealed(b"", PART);
    bench.start();
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert_eq!(bench.there(clip), Some(Vec::new()));
    assert!(bench.fake.held(&layout::tree(&station(), clip)).is_some());
    bench.stop();
}
