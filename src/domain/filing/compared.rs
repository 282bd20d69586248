//! What is compared before a case is filed (真实): the bytes of each clip on disk, its record, what the log says was sealed
//! and that this stands in the signed tree; of a clip that gave its file up the newest comparison with a copy elsewhere.
//! Whether a comparison still counts is decided here; it is made by `command::comparing`. Pure.

use super::{Compared, What};

/// How comparing a clip ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All that was compared is as it was sealed.
    Same,
    /// Something is not.
    Differs,
    /// The only copies are elsewhere, and none of them could be compared.
    Unreached,
}

impl Outcome {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Unreached => "unreached",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Same, Self::Differs, Self::Unreached].into_iter().find(|o| o.as_str() == word)
    }
}

/// A clip as it was compared for a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipCompared {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Words of `evidock verify`: its file, the entry of its sealing and the entry's place in the tree, its record.
    pub local: String,
    /// The sealing in the log.
    pub log: String,
    /// The newest published record.
    pub record: String,
    /// The newest comparison of a copy elsewhere.
    pub cloud: Option<Compared>,
    /// What is wrong.
    pub detail: Option<String>,
}

impl ClipCompared {
    /// It gave its file up: what is elsewhere is all there is.
    pub fn is_evicted(&self) -> bool {
        self.local == "evicted"
    }
}

/// What a comparison must be to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparing {
    /// When the check of this filing began; `None`: it never did.
    pub begun_ms: Option<i64>,
    /// A comparison counts for so long, milliseconds.
    pub within_ms: i64,
    /// Now.
    pub now_ms: i64,
}

impl Comparing {
    fn is_fresh(&self, at_ms: i64) -> bool {
        self.now_ms - at_ms <= self.within_ms
    }

    /// Whether a clip still waits to be compared: never, or before the check began.
    pub fn awaits(&self, compared: Option<&ClipCompared>) -> bool {
        self.begun_ms.is_some_and(|begun| compared.is_none_or(|c| c.at_ms < begun))
    }

    /// What is wrong with the comparison of a clip, and in which words.
    pub fn gap(&self, compared: Option<&ClipCompared>) -> Option<(What, String)> {
        // Nothing was asked to be compared: that is told once, of the case.
        self.begun_ms?;
        let Some(c) = compared.filter(|c| !self.awaits(Some(c))) else {
            return Some((What::NotVerified, String::new()));
        };
        let detail = c.detail.clone().unwrap_or_default();
        match c.outcome {
            Outcome::Differs => return Some((What::Differs, detail)),
            Outcome::Unreached => return Some((What::Unreached, detail)),
            Outcome::Same => {}
        }
        let elsewhere = c.cloud.as_ref().is_some_and(|cloud| self.is_fresh(cloud.at_ms));
        let counts = self.is_fresh(c.at_ms) && (!c.is_evicted() || elsewhere);
        (!counts).then(|| (What::NotVerified, String::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(at_ms: i64) -> ClipCompared {
        let [local, log, record] = ["same"; 3].map(str::to_owned);
        ClipCompared { at_ms, outcome: Outcome::Same, local, log, record, cloud: None, detail: None }
    }

    #[test]
    fn a_comparison_counts_while_it_is_newer_than_the_check_and_not_too_old() {
        let asked = Comparing { begun_ms: Some(100), within_ms: 1_000, now_ms: 200 };
        let what = |of: Comparing, c: Option<ClipCompared>| of.gap(c.as_ref()).map(|(what, _)| what);
        assert_eq!(what(asked, None), Some(What::NotVerified));
        assert_eq!(what(asked, Some(same(99))), Some(What::NotVerified), "it is older than the check");
        assert_eq!(what(asked, Some(same(100))), None);
        assert_eq!(what(Comparing { now_ms: 1_100, ..asked }, Some(same(100))), None);
        assert_eq!(what(Comparing { now_ms: 1_101, ..asked }, Some(same(100))), Some(What::NotVerified));
        assert_eq!(what(Comparing { begun_ms: None, ..asked }, None), None, "that is told of the case");
        let failed = |outcome| Some(ClipCompared { outcome, detail: Some("x".into()), ..same(150) });
        assert_eq!(asked.gap(failed(Outcome::Differs).as_ref()), Some((What::Differs, "x".into())));
        assert_eq!(what(asked, failed(Outcome::Unreached)), Some(What::Unreached));
        assert!(asked.awaits(None) && asked.awaits(Some(&same(99))) && !asked.awaits(Some(&same(100))));
    }

    #[test]
    fn of_an_evicted_clip_the_newest_comparison_elsewhere_counts() {
        let asked = Comparing { begun_ms: Some(5_000), within_ms: 1_000, now_ms: 5_500 };
        let at = |at_ms: Option<i64>| {
            let cloud = at_ms.map(|at_ms| Compared { place: "far".into(), how: "whole".into(), at_ms });
            let c = ClipCompared { local: "evicted".into(), cloud, ..same(5_100) };
            asked.gap(Some(&c)).map(|(what, _)| what)
        };
        assert_eq!(at(Some(4_500)), None, "the check is newer, the copy was compared lately");
        assert_eq!(at(Some(4_499)), Some(What::NotVerified));
        assert_eq!(at(None), Some(What::NotVerified));
    }
}
