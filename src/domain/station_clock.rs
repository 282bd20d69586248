//! Whether the station's own wall clock was set between two readings. Pure: whoever reads clocks compares here, the log as
//! it is written and whoever verifies it later alike.

use super::event::{Draft, EventKind};

/// A step of the wall clock against the monotonic one counts from this size on ...
const STEP_MS: u64 = 2_000;
/// ... plus this part of the time between two readings: the kernel slews by up to 500 ppm (adjtimex(2)).
const SLEW: u64 = 2_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Wall clock, milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// Milliseconds since the boot.
    pub mono_ms: i64,
    /// Which boot that was.
    pub boot: String,
}

/// That the clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSet {
    /// What it would have said now; across a boot what it said last.
    pub before_ms: i64,
    /// What it says.
    pub after_ms: i64,
    /// Whether the machine started in between, across which only a step back can be told.
    pub across_boot: bool,
}

impl Reading {
    /// Whether, and how, the wall clock was set from this reading to `now`.
    pub fn set_until(&self, now: &Reading) -> Option<ClockSet> {
        let across_boot = self.boot != now.boot;
        let elapsed = if across_boot { 0 } else { now.mono_ms.saturating_sub(self.mono_ms) };
        let set = ClockSet { before_ms: self.wall_ms.saturating_add(elapsed), after_ms: now.wall_ms, across_boot };
        let counts = match across_boot {
            true => set.by_ms() < 0,
            false => set.by_ms().unsigned_abs() > STEP_MS + elapsed.unsigned_abs() / SLEW,
        };
        counts.then_some(set)
    }
}

impl ClockSet {
    /// By how much, milliseconds.
    pub fn by_ms(&self) -> i64 {
        self.after_ms.saturating_sub(self.before_ms)
    }

    /// The event that tells it.
    pub fn draft(&self) -> Draft {
        let event = Draft::daemon(EventKind::ClockSet)
            .fact("before_ms", self.before_ms)
            .fact("after_ms", self.after_ms)
            .fact("by_ms", self.by_ms());
        if self.across_boot { event.fact("across_boot", true) } else { event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: i64, mono_ms: i64, boot: &str) -> Reading {
        Reading { wall_ms, mono_ms, boot: boot.to_owned() }
    }

    #[test]
    fn steps_are_told_from_time_that_passed() {
        let hour = 3_600_000;
        let before = at(10 * hour, hour, "a");
        for (now, by) in [
            (at(10 * hour + 60_000, hour + 60_000, "a"), None),
            (at(10 * hour + 62_000, hour + 60_000, "a"), None),
            (at(10 * hour + 62_100, hour + 60_000, "a"), Some(2_100)),
            (at(9 * hour, hour + 1, "a"), Some(-hour - 1)),
            // Slewed by 500 ppm through a day.
            (at(34 * hour + 40_000, 25 * hour, "a"), None),
            // Suspended or frozen: whatever made the clocks part, the wall clock jumped.
            (at(11 * hour, hour, "a"), Some(hour)),
            // A machine that was off for an hour.
            (at(11 * hour, 5, "b"), None),
            // A battery that was empty.
            (at(0, 5, "b"), Some(-10 * hour)),
        ] {
            assert_eq!(before.set_until(&now).map(|set| set.by_ms()), by, "{now:?}");
        }
        let set = before.set_until(&at(9 * hour, hour + 1, "a")).unwrap();
        assert_eq!((set.before_ms, set.after_ms, set.across_boot), (10 * hour + 1, 9 * hour, false));
    }
}
