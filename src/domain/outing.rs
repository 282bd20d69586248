//! Whether two people's recordings are of one outing: two officers with a recorder each at one scene. Pure.
//!
//! One confirmation covers an outing, so strangers must never be of it. Two recordings belong together when they overlap or
//! adjoin in time, and something says that these two people were there together:
//!
//! | known of the two | together |
//! | --- | --- |
//! | one's clip names the other as second officer; or desk or roster gave both recorders out for one case | yes |
//! | one's second officers are known, and the other is none of them; other cases at the desk; other parties | no |
//! | both positions | within [`NEAR_M`] |
//! | both places in words | the same |
//! | neither | only where the register of cases names both for one case of those days |
//!
//! A recording whose clock is doubtful is of nobody else's outing: an hour off, it would be at another scene.

use std::collections::BTreeSet;

use super::place::{Degrees, distance_m};
use super::register::same_place;

/// Positions of one scene are no further apart: satellites between high buildings are off by a hundred metres, and a scene has
/// a front and a back door.
pub const NEAR_M: f64 = 300.0;
/// A recorder's clock that is off by more than this is doubtful.
pub const CLOCK_MS: i64 = 5 * 60_000;
/// What the rules find odd about a clip whose clock was wrong (codes of `casework::annotate::Oddity`).
pub const DOUBTFUL: [&str; 5] = ["clock_unset", "after_dock", "later_than_dock", "clock_off", "clock_jumped"];

/// What is known about where and with whom a clip was captured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// When capture began, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: i64,
    /// Nothing speaks against its clock.
    pub is_timed: bool,
    /// Every name and number by which whoever recorded is known.
    pub officers: BTreeSet<String>,
    /// The same of those who were there beside them, as the clip's own facts name them.
    pub company: BTreeSet<String>,
    /// Keys of the cases for which desk or roster gave the recorder out.
    pub cases: BTreeSet<String>,
    /// The party, for matching.
    pub party: Option<String>,
    /// Where, in words.
    pub place: Option<String>,
    /// Where, WGS84.
    pub position: Option<Degrees>,
}

/// What is known about two clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// They are of one outing.
    Yes,
    /// They are not.
    No,
    /// They may be: nothing about the clips says so, and nothing speaks against it.
    Unsaid,
}

/// Where and at whose a clip was captured, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Whereabouts {
    /// Where, in words.
    pub place: Option<String>,
    /// Where, WGS84.
    pub position: Option<Degrees>,
    /// The party, for matching.
    pub party: Option<String>,
}

impl Whereabouts {
    /// Whether anything is known of where.
    pub fn is_placed(&self) -> bool {
        self.place.is_some() || self.position.is_some()
    }

    /// Whether what is known of both places one elsewhere: by their positions, or, where one has none, in words.
    pub fn is_elsewhere(&self, other: &Self) -> bool {
        match (self.position.zip(other.position), self.place.as_ref().zip(other.place.as_ref())) {
            (Some((a, b)), _) => distance_m(a, b) > NEAR_M,
            (None, Some((a, b))) => !same_place(a, b),
            (None, None) => false,
        }
    }

    /// Whether the parties of both are known, and differ.
    pub fn is_of_another_party(&self, other: &Self) -> bool {
        self.party.as_ref().zip(other.party.as_ref()).is_some_and(|(a, b)| a != b)
    }

    /// Whether one of both speaks against them being of one scene.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.is_elsewhere(other) || self.is_of_another_party(other)
    }
}

impl Scene {
    /// Whether it can be together with anybody's.
    pub fn can_be_shared(&self) -> bool {
        self.is_timed && !self.officers.is_empty()
    }

    /// Whether the pause between the two is no longer than `gap_ms`.
    pub fn adjoins(&self, other: &Self, gap_ms: i64) -> bool {
        other.start_ms.saturating_sub(self.end_ms) <= gap_ms && self.start_ms.saturating_sub(other.end_ms) <= gap_ms
    }

    /// Whether it and another person's are of one outing.
    pub fn together(&self, other: &Self, gap_ms: i64) -> Together {
        let same_person = !self.officers.is_disjoint(&other.officers);
        if !self.can_be_shared() || !other.can_be_shared() || same_person || !self.adjoins(other, gap_ms) {
            return Together::No;
        }
        let names = |a: &Self, b: &Self| !a.company.is_disjoint(&b.officers);
        if names(self, other) || names(other, self) || !self.cases.is_disjoint(&other.cases) {
            return Together::Yes;
        }
        let have_company = !self.company.is_empty() || !other.company.is_empty();
        let other_cases = !self.cases.is_empty() && !other.cases.is_empty();
        let other_party = self.party.as_ref().zip(other.party.as_ref()).is_some_and(|(a, b)| a != b);
        if have_company || other_cases || other_party {
            return Together::No;
        }
        let yes = |is: bool| if is { Together::Yes } else { Together::No };
        match (self.position.zip(other.position), self.place.as_ref().zip(other.place.as_ref())) {
            (Some((a, b)), _) => yes(distance_m(a, b) <= NEAR_M),
            (None, Some((a, b))) => yes(same_place(a, b)),
            (None, None) => Together::Unsaid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;
    const GAP: i64 = 120 * MIN;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn of(officer: &str) -> Scene {
        Scene {
            start_ms: 600 * MIN,
            end_ms: 610 * MIN,
            is_timed: true,
            officers: set(&[officer]),
            place: Some("东关街18号".into()),
            ..Scene::default()
        }
    }

    fn at(minute: i64, scene: Scene) -> Scene {
        Scene { start_ms: minute * MIN, end_ms: (minute + 10) * MIN, ..scene }
    }

    #[test]
    fn who_is_of_one_outing() {
        let nowhere = |officer: &str| Scene { place: None, ..of(officer) };
        let there = |officer: &str, lat: f64| Scene { position: Some((lat, 114.776)), ..of(officer) };
        let with = |officer: &str, company: &[&str]| Scene { company: set(company), ..of(officer) };
        let case = |officer: &str, key: &str| Scene { cases: set(&[key]), ..of(officer) };
        let party = |officer: &str, party: &str| Scene { party: Some(party.into()), ..of(officer) };
        let place = |officer: &str, place: &str| Scene { place: Some(place.into()), ..of(officer) };
        use Together::{No, Unsaid, Yes};
        for (why, other, wanted) in [
            ("at the same place at the same time", of("李四"), Yes),
            ("the same place in more words", place("李四", "赵县东关街１８号 某饭店"), Yes),
            ("elsewhere", place("李四", "西街3号"), No),
            ("118 is not 18", place("李四", "东关街118号"), No),
            ("without a place nobody knows", nowhere("李四"), Unsaid),
            ("the same person with another recorder", of("张三"), No),
            ("nobody knows whose", Scene { officers: set(&[]), ..of("李四") }, No),
            ("two hours later, to the minute", at(730, of("李四")), Yes),
            ("a minute more", at(731, of("李四")), No),
            ("two hours earlier", at(470, of("李四")), Yes),
            ("a minute more", at(469, of("李四")), No),
            ("an hour off by its clock", Scene { is_timed: false, ..of("李四") }, No),
            ("an hour off, and named besides", Scene { is_timed: false, ..with("李四", &["张三"]) }, No),
            ("named as second officer", Scene { place: None, ..with("李四", &["张三"]) }, Yes),
            (
                "named, and already at the next place",
                Scene { place: Some("西街3号".into()), ..with("李四", &["张三"]) },
                Yes,
            ),
            ("another team in the same building", with("李四", &["王五"]), No),
            ("for another party in the same building", party("李四", "某网吧"), No),
            ("for the same party", party("李四", "某饭店"), Yes),
            ("for another case in the same building", case("李四", "B"), No),
            ("out for the same case", Scene { place: None, ..case("李四", "A") }, Yes),
        ] {
            let us = Scene { party: Some("某饭店".into()), cases: set(&["A"]), ..of("张三") };
            assert_eq!(us.together(&other, GAP), wanted, "{why}");
            assert_eq!(other.together(&us, GAP), wanted, "{why}, seen from the other");
        }
        for (lat, wanted) in [(37.7582, Yes), (37.7600, No)] {
            let (a, b) = (there("张三", 37.7560), there("李四", lat));
            assert_eq!(a.together(&b, GAP), wanted, "{lat}: positions come before words");
        }
        let half = there("李四", 37.9);
        assert_eq!(of("张三").together(&half, GAP), Yes, "a position that only one has says nothing");
    }
}
