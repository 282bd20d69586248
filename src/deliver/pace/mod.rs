//! Ceilings on what goes out: one for each destination and one for all of them, each with its timetable in the
//! station's zone. Footage waits where it is read, on the reading thread, so that every form of destination is bounded
//! without knowing of it; small objects never wait, what they take is paid by the footage behind them.

mod fair;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use self::fair::Fair;
use crate::domain::ports::{ByteSource, Clock};
use crate::domain::sending::{Ceiling, Timetable};
use crate::runtime::clock::monotonic;

/// Longest wait before the timetable is looked at again: it may have opened meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The ceiling that all destinations share, and what the ceilings of each are made from. Cheap to clone.
#[derive(Clone)]
pub struct Ceilings {
    common: Arc<Gate>,
    lanes: Arc<AtomicUsize>,
    times: Times,
}

/// The ceilings of one destination. Cheap to clone.
#[derive(Clone)]
pub struct Pace {
    own: Arc<Gate>,
    common: Arc<Gate>,
    lane: usize,
    times: Times,
}

/// Where the time of day comes from.
#[derive(Clone)]
struct Times {
    clock: Arc<dyn Clock>,
    zone: TimeZone,
    begun: Instant,
}

struct Gate {
    timetable: Timetable,
    fair: Mutex<Fair>,
    moved: Condvar,
}

impl Ceilings {
    /// All destinations share `common`; `zone` is the station's.
    pub fn new(clock: Arc<dyn Clock>, zone: TimeZone, common: Timetable) -> Self {
        let times = Times { clock, zone, begun: monotonic() };
        Self { common: Arc::new(Gate::new(common)), lanes: Arc::default(), times }
    }

    /// For one more destination, which has a ceiling of its own beside the common one.
    pub fn destination(&self, own: Timetable) -> Pace {
        Pace {
            own: Arc::new(Gate::new(own)),
            common: Arc::clone(&self.common),
            lane: self.lanes.fetch_add(1, Ordering::Relaxed),
            times: self.times.clone(),
        }
    }
}

impl Pace {
    /// The ceiling that holds now.
    pub fn ceiling(&self) -> Ceiling {
        if self.is_free() {
            return Ceiling::Open;
        }
        let minute = self.times.minute();
        self.own.timetable.at(minute).min(self.common.timetable.at(minute))
    }

    /// Whether nothing ever bounds it.
    fn is_free(&self) -> bool {
        self.own.timetable.is_empty() && self.common.timetable.is_empty()
    }

    /// Waits until `bytes` may go. Blocks: for reading threads.
    pub fn take(&self, bytes: u64) {
        self.own.take(0, bytes, &self.times);
        self.common.take(self.lane, bytes, &self.times);
    }

    /// Counts bytes that do not wait.
    pub fn charge(&self, bytes: u64) {
        for gate in [&self.own, &self.common] {
            gate.charge(bytes, &self.times);
        }
    }

    /// The same bytes, read no faster than they may go.
    pub fn paced(&self, source: Arc<dyn ByteSource>) -> Arc<dyn ByteSource> {
        if self.is_free() {
            return source;
        }
        Arc::new(Paced { source, pace: self.clone() })
    }
}

impl Times {
    fn minute(&self) -> u16 {
        let now = self.clock.now().zoned(&self.zone);
        now.hour() as u16 * 60 + now.minute() as u16
    }

    /// From a clock that nobody sets: an hour that is put forward must not be an hour's worth of bytes.
    fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Gate {
    fn new(timetable: Timetable) -> Self {
        Self { timetable, fair: Mutex::default(), moved: Condvar::new() }
    }

    fn fair(&self) -> MutexGuard<'_, Fair> {
        self.fair.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, lane: usize, bytes: u64, times: &Times) {
        if self.timetable.is_empty() {
            return;
        }
        let mut fair = self.fair();
        let ticket = fair.ask(lane, bytes);
        loop {
            fair.set_rate(self.timetable.at(times.minute()).bytes_per_s(), times.now_us());
            match fair.turn(ticket, times.now_us()) {
                Ok(()) => break,
                Err(us) => {
                    let wait = Duration::from_micros(us).min(LONGEST_WAIT);
                    fair = self.moved.wait_timeout(fair, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        drop(fair);
        self.moved.notify_all();
    }

    fn charge(&self, bytes: u64, times: &Times) {
        if !self.timetable.is_empty() {
            self.fair().charge(bytes, times.now_us());
        }
    }
}

/// Bytes that are read no faster than they may go.
struct Paced {
    source: Arc<dyn ByteSource>,
    pace: Pace,
}

impl ByteSource for Paced {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.pace.take(buf.len() as u64);
        self.source.read_at(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sending::{DAY_MIN, Stretch};
    use crate::runtime::clock::StoppedClock;

    fn always(mbit: u64) -> Timetable {
        Timetable(vec![Stretch { from_min: 0, to_min: DAY_MIN, mbit }])
    }

    #[test]
    fn the_lower_of_both_ceilings_holds_in_the_stations_zone() {
        // 2026-01-05 00:30 UTC is half past eight in Shanghai.
        let clock = StoppedClock::at(1_767_573_000_000);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let day = Timetable(vec![Stretch { from_min: 8 * 60, to_min: 18 * 60, mbit: 8 }]);
        let ceilings = Ceilings::new(clock.clone(), zone, always(40));
        let (bounded, free) = (ceilings.destination(day), ceilings.destination(Timetable::default()));
        assert_eq!((bounded.ceiling(), free.ceiling()), (Ceiling::Bytes(1_000_000), Ceiling::Bytes(5_000_000)));
        clock.advance(10 * 3_600_000);
        assert_eq!(bounded.ceiling(), Ceiling::Bytes(5_000_000));
    }

    #[test]
    fn destinations_share_what_all_of_them_may_take() {
        let ceilings = Ceilings::new(StoppedClock::at(0), TimeZone::UTC, always(80));
        let begun = monotonic();
        // One with a single stream of bytes, one with six of them.
        let lanes = [1, 6].map(|streams| (ceilings.destination(Timetable::default()), streams));
        let run = |pace: &Pace| {
            let mut sent = 0;
            while begun.elapsed() < Duration::from_millis(1500) {
                pace.take(65_536);
                sent += 65_536;
            }
            sent
        };
        let sent: Vec<u64> = std::thread::scope(|scope| {
            let threads = lanes
                .iter()
                .map(|(pace, streams)| (0..*streams).map(|_| scope.spawn(|| run(pace))).collect::<Vec<_>>());
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|lane| lane.into_iter().map(|t| t.join().unwrap()).sum()).collect()
        });
        // 10 MB/s for 1.5 s and a quarter second's savings; the clock of a busy machine is coarse.
        let all: u64 = sent.iter().sum();
        assert!(all < 20_000_000, "{sent:?}");
        assert!(sent[0] * 10 > sent[1] * 6, "the single stream has its share: {sent:?}");
    }
}
