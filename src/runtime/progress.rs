//! How far something long is and how much longer it takes, as it went so far. Only arithmetic over what its maker tells; what
//! is long and for whom is the maker's to know.

use std::time::{Duration, Instant};

use super::clock::monotonic;

/// Before so much time has passed a pace says nothing.
const LOOK_AT_LEAST: Duration = Duration::from_secs(2);

/// How far something is. The unit (bytes, looks, clips) is its maker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// To be done in all.
    pub of: u64,
    /// What was done when it began, or went on: it says nothing of the pace.
    from: u64,
    begun: Instant,
}

impl Progress {
    /// It begins, or goes on, here and now.
    pub fn begin(done: u64, of: u64) -> Self {
        Self { done, of, from: done, begun: monotonic() }
    }

    /// It came so far.
    pub fn reach(&mut self, done: u64, of: u64) {
        (self.done, self.of) = (done, of);
    }

    /// Cut off and not rounded, so that 100 % never shows early.
    pub fn percent(&self) -> u64 {
        percent(self.done, self.of)
    }

    /// Milliseconds that the rest takes at the pace so far; `None` while that says nothing.
    pub fn left_ms(&self) -> Option<i64> {
        self.left_after(monotonic().saturating_duration_since(self.begun))
    }

    fn left_after(&self, passed: Duration) -> Option<i64> {
        let went = self.done.checked_sub(self.from).filter(|went| *went > 0)?;
        if passed < LOOK_AT_LEAST {
            return None;
        }
        let left = u128::from(self.of.saturating_sub(self.done)) * passed.as_millis() / u128::from(went);
        i64::try_from(left).ok()
    }
}

/// `done` of `of`, per cent, cut off.
pub fn percent(done: u64, of: u64) -> u64 {
    (u128::from(done) * 100 / u128::from(of.max(1))).min(100) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_the_pace_since_it_went_on() {
        let mut progress = Progress::begin(0, 1_000);
        progress.reach(250, 1_000);
        assert_eq!(progress.left_after(Duration::from_secs(10)), Some(30_000));
        assert_eq!(progress.left_after(Duration::from_millis(500)), None, "too early to tell");
        // 600 of it stood there before.
        let mut resumed = Progress::begin(600, 1_000);
        assert_eq!(resumed.left_after(Duration::from_secs(10)), None, "nothing went yet");
        resumed.reach(800, 1_000);
        assert_eq!(resumed.left_after(Duration::from_secs(10)), Some(10_000));
        resumed.reach(1_000, 1_000);
        assert_eq!((resumed.left_after(Duration::from_secs(10)), resumed.percent()), (Some(0), 100));
        assert_eq!((percent(999, 1_000), percent(5, 0), percent(u64::MAX, u64::MAX)), (99, 100, 100));
    }
}
