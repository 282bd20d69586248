//! Registers: what an agency knows before any footage comes, as entries of named values. Pure.
//!
//! An entry's values are canonical text by column: a case number in its agreed form, a time as RFC 3339, a list joined by
//! [`JOINT`], a matter as `matter@from~to`. Which columns a register has, and how typed text becomes canonical, is
//! `casework::register`; here is what everybody may read out of an entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case_number::{half_width, loose};
use super::time::UtcMs;

/// Between the parts of a list.
pub const JOINT: &str = "、";
/// Value of a case that no column has: keys of the numbers in `earlier`, as the number rule made them.
pub const EARLIER_KEYS: &str = "earlier_keys";

/// Which register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// Units of the agency.
    Unit,
    /// Officers and auxiliary staff.
    Officer,
    /// Recorders.
    Recorder,
    /// Parties (一户一档).
    Party,
    /// Cases.
    Case,
    /// What is to be recorded (《音像记录事项清单》).
    Catalogue,
}

impl Register {
    /// Each of them.
    pub const ALL: [Self; 6] = [Self::Unit, Self::Officer, Self::Recorder, Self::Party, Self::Case, Self::Catalogue];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Officer => "officer",
            Self::Recorder => "recorder",
            Self::Party => "party",
            Self::Case => "case",
            Self::Catalogue => "catalogue",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == word)
    }
}

/// One entry: canonical values by column. Stored as a JSON object; columns may be added, not renamed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub BTreeMap<String, String>);

impl Entry {
    /// A value; `None` where there is none.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The parts of a list.
    pub fn list(&self, column: &str) -> Vec<&str> {
        self.get(column).map(|v| v.split(JOINT).collect()).unwrap_or_default()
    }

    /// A time, milliseconds since the Unix epoch.
    pub fn time_ms(&self, column: &str) -> Option<i64> {
        self.get(column).and_then(UtcMs::parse_rfc3339).map(|t| t.0)
    }

    /// A place on earth, degrees, where both are given.
    pub fn position(&self) -> Option<(f64, f64)> {
        Some((self.get("lat")?.parse().ok()?, self.get("lon")?.parse().ok()?))
    }

    /// Matters that were carried out, as a case has them.
    pub fn matters(&self) -> Vec<Done> {
        self.list("matters").into_iter().map(Done::parse).collect()
    }

    /// What an entry is called in its register.
    pub fn name(&self, register: Register) -> &str {
        let column = match register {
            Register::Unit | Register::Officer | Register::Party => "name",
            Register::Recorder => "serial",
            Register::Case => "number",
            Register::Catalogue => "matter",
        };
        self.get(column).unwrap_or_default()
    }

    /// By what an entry is known again: numbers where there are some, since names repeat. Of a case the key of its
    /// number is known to whoever read it, so that a case has none here.
    pub fn key(&self, register: Register) -> Option<String> {
        let first = |columns: &[&str]| columns.iter().find_map(|c| self.get(c)).map(name_key);
        match register {
            Register::Unit => first(&["code", "name"]),
            Register::Officer => first(&["number", "cert_no", "name"]),
            Register::Recorder => first(&["serial"]),
            Register::Party => first(&["id_no", "name"]),
            Register::Case => None,
            Register::Catalogue => {
                let parts = ["kind", "subject", "stage", "matter"].map(|c| name_key(self.get(c).unwrap_or_default()));
                Some(parts.join("|"))
            }
        }
    }

    /// The form for search by half a name or number.
    pub fn loose(&self, register: Register) -> String {
        let columns: &[&str] = match register {
            Register::Unit => &["name", "code"],
            Register::Officer => &["name", "number", "cert_no", "unit"],
            Register::Recorder => &["serial", "model", "unit"],
            Register::Party => &["name", "id_no", "address"],
            // Numbers are searched as numbers, beside these.
            Register::Case => &["party", "cause", "place"],
            Register::Catalogue => &["kind", "subject", "stage", "matter"],
        };
        let parts: Vec<String> = columns.iter().filter_map(|c| self.get(c)).map(loose).collect();
        parts.join("\n")
    }
}

/// A matter that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Which.
    pub matter: String,
    /// From when, milliseconds since the Unix epoch, where it is known.
    pub from_ms: Option<i64>,
    /// Until when.
    pub to_ms: Option<i64>,
    /// Both are the edges of days: it was at any time of them, nobody wrote down when.
    pub days: bool,
}

impl Done {
    /// Reads the canonical form. What goes from midnight to midnight, as its own offsets have it, names days; their last
    /// moment is still of them.
    pub fn parse(text: &str) -> Self {
        let (matter, times) = text.split_once('@').unwrap_or((text, ""));
        let (from, to) = times.split_once('~').unwrap_or((times, ""));
        let ms = |t: &str| UtcMs::parse_rfc3339(t).map(|t| t.0);
        let midnight = |t: &str| t.get(10..19) == Some("T00:00:00");
        let days = midnight(from) && midnight(to);
        let to_ms = ms(to).map(|to| if days { to - 1 } else { to });
        Self { matter: matter.to_owned(), from_ms: ms(from), to_ms, days }
    }
}

/// A name or number for comparison with what people write: full width folded, no white space, small letters.
pub fn name_key(name: &str) -> String {
    half_width(name).chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// A kind of enforcement for comparison: 行政处罚 and 处罚 are one, whichever of the two a sheet says.
pub fn kind_key(kind: &str) -> String {
    let key = name_key(kind);
    key.strip_prefix("行政").filter(|rest| !rest.is_empty()).map(str::to_owned).unwrap_or(key)
}

/// Whether two places are the same as far as words tell: one contains the other, 号 and the like left out.
pub fn same_place(a: &str, b: &str) -> bool {
    let plain = |t: &str| name_key(t).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (a, b) = (plain(a), plain(b));
    let (short, long) = if a.chars().count() <= b.chars().count() { (a, b) } else { (b, a) };
    // One or two characters stand in too many addresses.
    short.chars().count() >= 3 && contains_whole(&long, &short)
}

/// Whether `part` stands in `text` without cutting a number of it in two: 18号 is not in 118号.
fn contains_whole(text: &str, part: &str) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    text.match_indices(part).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + part.len()..].chars().next());
        let cuts = |outside, inside| digit(outside) && digit(inside);
        !cuts(before, part.chars().next()) && !cuts(after, part.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(values: &[(&str, &str)]) -> Entry {
        Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn entries_are_known_again_by_numbers_and_else_by_names() {
        for (register, values, key) in [
            (Register::Officer, &[("name", "张三"), ("number", "１１０２０３")][..], "110203"),
            (Register::Officer, &[("name", "张 三")], "张三"),
            (Register::Party, &[("name", "赵县某饭店"), ("id_no", "92130133MA0ABC")], "92130133ma0abc"),
            (Register::Recorder, &[("serial", "36NCC009910")], "36ncc009910"),
            (
                Register::Catalogue,
                &[("kind", "处罚"), ("matter", "现场检查"), ("stage", "调查")],
                "处罚||调查|现场检查",
            ),
        ] {
            assert_eq!(entry(values).key(register).as_deref(), Some(key));
            assert_eq!(Register::parse(register.as_str()), Some(register));
        }
    }

    #[test]
    fn matters_keep_their_times() {
        let e = entry(&[(
            "matters",
            "现场检查@2026-06-19T09:00:00+08:00~2026-06-19T10:30:00+08:00、送达、听证@2026-07-01T09:00:00+08:00",
        )]);
        let done = e.matters();
        assert_eq!(done.len(), 3);
        assert_eq!(
            (done[0].matter.as_str(), done[0].to_ms.unwrap() - done[0].from_ms.unwrap()),
            ("现场检查", 5_400_000)
        );
        assert_eq!(done[1], Done { matter: "送达".into(), from_ms: None, to_ms: None, days: false });
        assert!(done[2].from_ms.is_some() && done[2].to_ms.is_none());
    }

    #[test]
    fn from_midnight_to_midnight_is_any_time_of_that_day() {
        let day = Done::parse("送达@2026-07-03T00:00:00+08:00~2026-07-04T00:00:00+08:00");
        assert_eq!((day.days, day.to_ms.unwrap() - day.from_ms.unwrap()), (true, 86_400_000 - 1));
        for timed in [
            "送达@2026-07-03T00:00:00+08:00",
            "送达@2026-07-03T00:00:00+08:00~2026-07-03T02:00:00+08:00",
            "送达@2026-07-03T15:00:00+08:00~2026-07-04T00:00:00+08:00",
            "送达",
        ] {
            assert!(!Done::parse(timed).days, "{timed}");
        }
        let timed = Done::parse("送达@2026-07-03T15:00:00+08:00~2026-07-04T00:00:00+08:00");
        assert_eq!(timed.to_ms.unwrap() - timed.from_ms.unwrap(), 9 * 3_600_000);
    }

    #[test]
    fn a_kind_of_enforcement_is_one_with_and_without_its_first_two_characters() {
        for (a, b, same) in [
            ("行政处罚", "处罚", true),
            (" 行政 处罚", "处罚　", true),
            ("行政强制", "行政处罚", false),
            ("行政", "", false),
        ] {
            assert_eq!(kind_key(a) == kind_key(b), same, "{a} {b}");
        }
    }

    #[test]
    fn places_meet_as_people_write_them() {
        for (a, b, same) in [
            ("东关街18号", "赵县东关街 １８ 号某饭店", true),
            ("东关街18号", "东关街118号", false),
            ("东关街1", "东关街18号", false),
            ("饭店", "某饭店", false),
            ("东关街", "东关街18号", true),
            ("", "东关街", false),
        ] {
            assert_eq!(same_place(a, b), same, "{a} {b}");
            assert_eq!(same_place(b, a), same, "{b} {a}");
        }
    }
}
