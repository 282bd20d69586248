//! An uplink among people and other traffic: parts go up before the seal and never instead of it, what nobody goes on with
//! is given up, pushes, pauses and ceilings hold.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use crate::support;

use std::time::Duration;

use evidock::domain::clip::Delivery;
use evidock::domain::event::{Actor, Draft, EventKind};
use evidock::domain::ports::Destination;
use evidock::domain::record::{Field, Origin};
use evidock::domain::sending::{DAY_MIN, Stretch, Timetable};
use evidock::domain::sensitivity::Sensitivity;
use evidock::runtime::clock::monotonic;
use support::flaky::Fault;
use support::footage;
use support::uplink::Bench;

const PART: usize = 64 << 10;
const SIZE: usize = 10 * PART + 77;

fn asked(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(1), "cli")
}

#[test]
fn parts_go_up_while_the_clip_is_copied_and_none_goes_twice() {
    let mut bench = Bench::new();
    let bytes = footage(SIZE, 1);
    let clip = bench.seen(SIZE as u64, PART as u64);
    bench.start();
    for parts in [3, 4, 9] {
        bench.copied(clip, &bytes[..parts * PART]);
        bench.until("what is copied is up", |b| b.acknowledged(clip) == parts);
        assert!(bench.there(clip).is_none(), "an object stands there before its clip is sealed");
    }
    // The recorder is pulled, and the daemon with it: session and parts stay.
    bench.kill();
    bench.start();
    bench.seal(clip, &bytes);
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert_eq!(bench.there(clip).unwrap(), bytes);
    assert_eq!(bench.dest.sent_again(), 0);
    bench.stop();
}

#[test]
fn a_copy_that_was_made_anew_leaves_no_wrong_part_behind_a_right_receipt() {
    let mut bench = Bench::new();
    let (first, second) = (footage(SIZE, 1), footage(SIZE, 2));
    // The same recorder file, of which a place could be read only the second time.
    let mixed = [&first[..2 * PART], &second[2 * PART..]].concat();
    let clip = bench.seen(SIZE as u64, PART as u64);
    bench.start();
    bench.copied(clip, &first[..6 * PART]);
    bench.until("six parts are up", |b| b.acknowledged(clip) == 6);
    bench.seal(clip, &mixed);
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert_eq!(bench.there(clip).unwrap(), mixed);
    assert_eq!(bench.dest.sent_again(), 0, "no part is sent again with the same bytes");
    bench.stop();
}

#[test]
fn what_may_not_leave_by_its_label_does_not_leave_early() {
    let mut bench = Bench::new();
    bench.options.default_sensitivity = Sensitivity::Privacy;
    bench.options.max_sensitivity = Sensitivity::WorkSecret;
    let bytes = footage(SIZE, 1);
    let clip = bench.seen(SIZE as u64, PART as u64);
    bench.copied(clip, &bytes[..6 * PART]);
    bench.start();
    bench.write(|tx| tx.post("far", "v1/x", "checkpoint", "text/plain", b"x", None));
    bench.until("the uplink has looked", |b| b.fake.held("v1/x").is_some());
    assert_eq!((bench.state(clip), bench.fake.open_sessions()), (Delivery::Waiting, 0));
    // Somebody has looked at it: it goes like any other, and nobody has to lift anything.
    let label = Sensitivity::None.as_str().to_owned();
    bench.write(move |tx| {
        tx.add_facts(clip, &Actor::os(1), "cli", &[(Field::Sensitivity, Origin::Person, label)]).map(drop)
    });
    bench.until("it goes up early", |b| b.acknowledged(clip) == 6);
    // And a sealed clip with a label that is too high is told, and what went up is given up.
    let label = Sensitivity::Minor.as_str().to_owned();
    bench.write(move |tx| {
        tx.add_facts(clip, &Actor::os(1), "cli", &[(Field::Sensitivity, Origin::Person, label)]).map(drop)
    });
    bench.seal(clip, &bytes);
    bench.until("a person is asked", |b| b.state(clip) == Delivery::Failed);
    bench.until("its parts are given up", |b| b.fake.open_sessions() == 0);
    bench.stop();
}

#[test]
fn an_isolated_clip_stops_and_its_parts_stay_until_somebody_decides_also_after_a_crash() {
    for crash in [false, true] {
        let mut bench = Bench::new();
        let bytes = footage(SIZE, 1);
        let clip = bench.seen(SIZE as u64, PART as u64);
        bench.copied(clip, &bytes[..4 * PART]);
        bench.start();
        bench.until("four parts are up", |b| b.acknowledged(clip) == 4);
        assert_eq!(bench.fake.open_sessions(), 1);
        if crash {
            bench.kill();
        }
        let label = Sensitivity::SuspectedState.as_str().to_owned();
        bench.write(move |tx| {
            tx.add_facts(clip, &Actor::os(1), "cli", &[(Field::Sensitivity, Origin::Person, label)]).map(drop)
        });
        bench.copied(clip, &bytes[..8 * PART]);
        if crash {
            bench.start();
        }
        assert_eq!(bench.due(), 0);
        bench.stop();
        assert_eq!((bench.acknowledged(clip), bench.fake.open_sessions()), (4, 1));
    }
}

#[test]
fn the_bytes_under_way_of_an_isolated_clip_stop_too() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART as u64);
    bench.dest.hang_parts(true);
    // The probe sends parts of its own.
    let found = bench.runtime.block_on(bench.fake.probe()).unwrap();
    bench.write(move |tx| tx.destination_probed("far", &found));
    bench.start();
    bench.until("it is under way", |b| b.fake.open_sessions() > 0);
    bench.write(move |tx| tx.quarantine(clip, "isolated"));
    bench.until("it is given up", |b| b.fake.open_sessions() == 0 && b.due() == 0);
    bench.stop();
    assert_ne!(bench.state(clip), Delivery::Proven);
}

#[test]
fn a_copy_that_is_discarded_takes_its_upload_with_it() {
    let mut bench = Bench::new();
    let clip = bench.seen(SIZE as u64, PART as u64);
    bench.copied(clip, &footage(SIZE, 1)[..5 * PART]);
    bench.start();
    bench.until("five parts are up", |b| b.acknowledged(clip) == 5);
    std::fs::remove_file(bench.part_file(clip)).unwrap();
    bench.write(move |tx| tx.abandon(clip, "it is a clip that we have"));
    bench.until("its parts are given up", |b| b.fake.open_sessions() == 0);
    bench.stop();
}

#[test]
fn a_session_that_expired_begins_anew_by_itself() {
    let mut bench = Bench::new();
    let bytes = footage(SIZE, 1);
    let clip = bench.seen(SIZE as u64, PART as u64);
    bench.copied(clip, &bytes[..8 * PART]);
    bench.start();
    bench.until("eight parts are up", |b| b.acknowledged(clip) == 8);
    bench.fake.lose_sessions();
    bench.seal(clip, &bytes);
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert_eq!(bench.there(clip).unwrap(), bytes);
    assert_eq!(bench.dest.sessions().values().sum::<u64>(), 2);
    bench.stop();
}

#[test]
fn a_push_goes_before_what_is_under_way() {
    let mut bench = Bench::new();
    bench.options.clips_in_flight = 1;
    // A clip takes four seconds, and the queue is looked at each second.
    bench.options.parts_in_flight = 2;
    bench.fake.faults(|f| f.delay = Duration::from_millis(200));
    let clips: Vec<_> = (0..3).map(|n| bench.sealed(&footage(40 * PART, n), PART as u64)).collect();
    bench.start();
    // Sealed in the same millisecond, any of them may be the first.
    bench.until("one is under way", |b| clips.iter().any(|c| b.acknowledged(*c) > 2));
    let (begun, rest): (Vec<_>, Vec<_>) = clips.iter().copied().partition(|c| bench.acknowledged(*c) > 0);
    let (&[begun], &[pushed, other]) = (&begun[..], &rest[..]) else { panic!("one at a time") };
    bench.write(move |tx| tx.push(&[pushed], &asked(EventKind::Pushed)));
    bench.until("the pushed one is proven", |b| b.state(pushed) == Delivery::Proven);
    assert_ne!(bench.state(begun), Delivery::Proven);
    assert_ne!(bench.state(other), Delivery::Proven);
    bench.fake.faults(|f| f.delay = Duration::ZERO);
    bench.until("all are proven", |b| clips.iter().all(|c| b.state(*c) == Delivery::Proven));
    assert_eq!(bench.dest.sent_again(), 0, "what was displaced went on where it was");
    bench.stop();
}

#[test]
fn a_pause_holds_footage_and_no_record_and_outlives_a_restart() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART as u64);
    bench.write(|tx| tx.pause_sending(Some("far"), None, asked(EventKind::Paused)));
    bench.start();
    bench.write(|tx| tx.post("far", "v1/x", "checkpoint", "text/plain", b"x", None));
    bench.until("the checkpoint is stored", |b| b.fake.held("v1/x").is_some());
    bench.stop();
    bench.start();
    bench.write(|tx| tx.post("far", "v1/y", "checkpoint", "text/plain", b"y", None));
    bench.until("the next one is stored", |b| b.fake.held("v1/y").is_some());
    assert_eq!(bench.state(clip), Delivery::Waiting);
    bench.write(|tx| tx.resume_sending(Some("far"), &[], asked(EventKind::Resumed)));
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    bench.stop();
}

#[test]
fn one_destination_goes_on_while_the_others_stay_paused() {
    let bench = Bench::new();
    let others = ["near".to_owned(), "third".to_owned()];
    bench.write(|tx| tx.pause_sending(None, Some(9_000), asked(EventKind::Paused)));
    bench.write(move |tx| tx.resume_sending(Some("far"), &others, asked(EventKind::Resumed)));
    let pauses = bench.store.read_blocking(|r| r.pauses()).unwrap();
    let holds = |name: &str, now_ms| pauses.iter().any(|p| p.holds(name, now_ms));
    assert!(!holds("far", 0) && holds("near", 0) && holds("third", 8_999) && !holds("near", 9_000));
    bench.write(|tx| tx.resume_sending(None, &[], asked(EventKind::Resumed)));
    assert!(bench.store.read_blocking(|r| r.pauses()).unwrap().is_empty());
}

#[test]
fn a_ceiling_holds_over_all_parts_of_a_destination() {
    let mut bench = Bench::new();
    bench.limit = Timetable(vec![Stretch { from_min: 0, to_min: DAY_MIN, mbit: 8 }]);
    let clips: Vec<_> = (0..4).map(|n| bench.sealed(&footage(8 * PART, n), PART as u64)).collect();
    let begun = monotonic();
    bench.start();
    bench.until("all are proven", |b| clips.iter().all(|c| b.state(*c) == Delivery::Proven));
    // 2 MiB at 1 MB/s, less the quarter second that an idle line has saved up.
    assert!(begun.elapsed() > Duration::from_millis(1_700), "{:?}", begun.elapsed());
    assert_eq!(bench.board.lines()["far"].ceiling, Some(1_000_000));
    bench.stop();
}

#[test]
fn nothing_is_begun_while_the_line_is_shut() {
    let mut bench = Bench::new();
    bench.limit = Timetable(vec![Stretch { from_min: 0, to_min: DAY_MIN, mbit: 0 }]);
    let clip = bench.sealed(&footage(SIZE, 1), PART as u64);
    bench.start();
    bench.write(|tx| tx.post("far", "v1/x", "checkpoint", "text/plain", b"x", None));
    bench.until("the checkpoint is stored", |b| b.fake.held("v1/x").is_some());
    bench.until("it is shown", |b| b.board.lines().get("far").is_some_and(|line| line.shut));
    assert_eq!((bench.state(clip), bench.fake.open_sessions()), (Delivery::Waiting, 0));
    bench.stop();
}

#[test]
fn a_dead_line_is_left_alone_and_one_request_finds_out_that_it_is_back() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART as u64);
    let found = bench.runtime.block_on(bench.fake.probe()).unwrap();
    bench.write(move |tx| tx.destination_probed("far", &found));
    bench.options.retry_min_ms = 40;
    bench.options.retry_max_ms = 80;
    bench.fake.faults(|f| f.unreachable = true);
    bench.start();
    bench.until("the circuit is open", |b| b.board.lines().get("far").is_some_and(|line| line.circuit == "open"));
    bench.until("people are told", |b| b.store.read_blocking(|r| r.destinations()).unwrap()[0].trouble.is_some());
    let (calls, since) = (bench.dest.calls(), monotonic());
    bench.until("it was tried a few times", |b| b.dest.calls() >= calls + 5);
    // One request for each rest of at least 20 ms (half of 40).
    assert!(since.elapsed() >= Duration::from_millis(80), "{:?}", since.elapsed());
    bench.fake.faults(|f| f.unreachable = false);
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert_eq!(bench.board.lines()["far"].circuit, "closed");
    bench.stop();
}

#[test]
fn patience_that_a_server_asks_for_is_given() {
    let mut bench = Bench::new();
    let clip = bench.sealed(&footage(SIZE, 1), PART as u64);
    let found = bench.runtime.block_on(bench.fake.probe()).unwrap();
    bench.write(move |tx| tx.destination_probed("far", &found));
    bench.dest.order([Fault::Busy(Some(400))]);
    let begun = monotonic();
    bench.start();
    bench.until("it is proven", |b| b.state(clip) == Delivery::Proven);
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    assert!(bench.store.read_blocking(|r| r.destinations()).unwrap()[0].trouble.is_none(), "that is no trouble");
    bench.stop();
}
