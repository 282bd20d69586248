//! How far something long is, as pages and programs are told.

/// Done so far, in all, and how long the rest takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HowFar {
    /// Done so far; bytes, looks or clips.
    pub done: u64,
    /// To be done in all.
    pub of: u64,
    /// Milliseconds that the rest takes, where that can be told.
    pub left_ms: Option<i64>,
}

impl HowFar {
    /// Per cent; cut off and not rounded, so that 100 % never shows early.
    pub fn percent(&self) -> u64 {
        percent(self.done, self.of)
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
    fn a_hundred_per_cent_is_all_of_it() {
        assert_eq!((percent(999, 1_000), percent(5, 0), percent(u64::MAX, u64::MAX)), (99, 100, 100));
    }
}
