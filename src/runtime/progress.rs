//! How far something long is and how much longer it takes, as it went so far. Only arithmetic over what its maker tells; what
//! is long and for whom is the maker's to know.

use std::time::{Duration, Instant};

use super::clock::monotonic;
use crate::domain::how_far::HowFar;

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

    /// As it is told.
    pub fn how_far(&self) -> HowFar {
        HowFar { done: self.done, of: self.of, left_ms: self.left_ms() }
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
        assert_eq!((resumed.left_after(Duration::from_secs(10)), resumed.how_far().percent()), (Some(0), 100));
    }
}
