//! What is known of a recorder's clock where a clip came in, against the rows of its stays.

use super::*;
use crate::domain::ports::Clock;
use crate::store::tests::fixture;

const HOUR: i64 = 3_600_000;

#[test]
fn the_clock_of_the_first_dock_counts_and_since_when_it_may_have_recorded() {
    let mut f = fixture();
    let begin = f.clock.now().0;
    let ends = |f: &crate::store::tests::Fixture, dock: i64, safe: bool| {
        f.clock.advance(HOUR);
        f.store
            .write_blocking(move |tx| {
                tx.dock_progress(dock, 1, 3, safe)?;
                tx.undock(dock, "pulled")
            })
            .unwrap();
        f.clock.advance(HOUR);
    };
    let docked = |f: &crate::store::tests::Fixture, estimate: Option<ClockEstimate>| {
        let new = NewDock {
            bay: BayName::new("1").unwrap(),
            recorder: f.recorder.clone(),
            identified: "bay".into(),
            kind: "folder",
            profile: "generic".into(),
            model: None,
        };
        let dock = move |tx: &Tx<'_>| {
            let dock = tx.dock(&new)?;
            estimate.map_or(Ok(()), |estimate| tx.dock_clock(dock, estimate))?;
            Ok(dock)
        };
        f.store.write_blocking(dock).unwrap()
    };
    let clock = |clip| f.store.read_blocking(|r| r.clock_at_dock(clip)).unwrap();
    let by_newest = ClockEstimate { offset_ms: HOUR, how: ClockHow::NewestFile };

    let first = f.clip("a");
    assert_eq!(clock(first), DockClock::default(), "nothing told its time");
    ends(&f, f.dock, true);
    // What was pulled before everything was copied may have held what came later.
    let early = docked(&f, None);
    ends(&f, early, false);
    let third = docked(&f, Some(by_newest));
    f.dock = third;
    let later = f.clip("b");
    let clock = |clip| f.store.read_blocking(|r| r.clock_at_dock(clip)).unwrap();
    assert_eq!(clock(later), DockClock { estimate: Some(by_newest), since_ms: Some(begin + HOUR) });
    assert_eq!(clock(first), DockClock::default(), "that it was off later says nothing about then");
    // What the recorder itself says is worth more.
    let told = ClockEstimate { offset_ms: -HOUR, how: ClockHow::Device };
    f.store.write_blocking(move |tx| tx.dock_clock(third, told)).unwrap();
    assert_eq!(f.store.read_blocking(|r| r.clock_at_dock(later)).unwrap().estimate, Some(told));
}
