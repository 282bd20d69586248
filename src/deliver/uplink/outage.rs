//! What was said of an outage already: while a destination is away each attempt fails alike, and whoever reads the log needs
//! each cause once.

use std::collections::BTreeMap;

/// A cause that nobody met for so long is news again, milliseconds. Longer than the pause between two attempts.
const NEWS_AGAIN_MS: i64 = 3_600_000;

/// The causes of the outage that goes on, each with when it was met last, by monotonic time in milliseconds.
#[derive(Debug, Default)]
pub struct Outage(BTreeMap<String, i64>);

impl Outage {
    /// Meets a cause; whether it is news.
    pub fn meets(&mut self, cause: &str, now_ms: i64) -> bool {
        self.0.retain(|_, met_ms| now_ms - *met_ms < NEWS_AGAIN_MS);
        self.0.insert(cause.to_owned(), now_ms).is_none()
    }

    /// Something went out, or a person did something about it.
    pub fn over(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_news_once_an_outage() {
        let mut outage = Outage::default();
        let minute = |n: i64| n * 60_000;
        assert!(outage.meets("refused", minute(0)));
        assert!(!outage.meets("refused", minute(1)));
        assert!(outage.meets("no route", minute(2)), "another cause");
        assert!(!outage.meets("refused", minute(50)) && !outage.meets("refused", minute(100)), "it goes on");
        assert!(outage.meets("no route", minute(100)), "it was away for more than an hour");
        outage.over();
        assert!(outage.meets("refused", minute(101)), "another outage");
    }
}
