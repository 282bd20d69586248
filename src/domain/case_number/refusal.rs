//! Why a text is no case number, and which number may have been meant. A suggestion is only ever shown:
//! nothing is linked to a number that nobody typed or chose.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::fold::{Folded, fixed};
use super::{EARLIEST_YEAR, MAX_CHARS};
use crate::domain::why::{AnyOf, Why, in_words_of_why};

/// Why a text is no case number: one variant a reason, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberError {
    /// Nothing was typed.
    Empty,
    /// Longer than any number.
    TooLong,
    /// More than one number.
    TwoNumbers {
        /// Each of them.
        suggestions: Vec<String>,
    },
    /// A bracket without its partner.
    UnpairedBracket {
        /// What may be meant.
        suggestions: Vec<String>,
    },
    /// The year is not four digits.
    YearDigits {
        /// What stands in its place.
        found: String,
        /// What may be meant.
        suggestions: Vec<String>,
    },
    /// No case can be of that year.
    YearRange {
        /// The year.
        found: String,
        /// The latest that is accepted: next year.
        latest: i16,
    },
    /// Serial 0.
    SerialZero,
    /// The year has no brackets.
    BareYear {
        /// What may be meant.
        suggestions: Vec<String>,
    },
    /// No agency code.
    NoAgency,
    /// The year comes first, yet what follows is no court-style number.
    YearFirst {
        /// What may be meant.
        suggestions: Vec<String>,
    },
    /// The serial is not a number.
    Serial {
        /// What stands in its place.
        found: String,
        /// What may be meant.
        suggestions: Vec<String>,
    },
    /// None of the above, and none of the configured shapes.
    NoShape {
        /// An example of each shape.
        examples: Vec<String>,
    },
    /// The shape reads its own form otherwise: a mistake in the configuration.
    Unstable {
        /// The shape.
        shape: String,
        /// The form.
        display: String,
    },
}

in_words_of_why!(NumberError);

impl From<&NumberError> for Why {
    fn from(error: &NumberError) -> Self {
        match error {
            NumberError::Empty => Self::NumberEmpty {},
            NumberError::TooLong => Self::NumberTooLong { most: MAX_CHARS as u64 },
            NumberError::TwoNumbers { .. } => Self::TwoNumbers {},
            NumberError::UnpairedBracket { .. } => Self::UnpairedBracket {},
            NumberError::YearDigits { found, .. } => Self::YearDigits { found: found.clone() },
            NumberError::YearRange { found, latest } => {
                Self::YearRange { found: found.clone(), earliest: i64::from(EARLIEST_YEAR), latest: i64::from(*latest) }
            }
            NumberError::SerialZero => Self::SerialZero {},
            NumberError::BareYear { .. } => Self::BareYear {},
            NumberError::NoAgency => Self::NoAgency {},
            NumberError::YearFirst { .. } => Self::YearFirst {},
            NumberError::Serial { found, .. } => Self::NotASerial { found: found.clone() },
            NumberError::NoShape { examples } => Self::NoShape { known: examples.clone() },
            NumberError::Unstable { shape, display } => {
                Self::Unstable { shape: shape.clone(), display: display.clone() }
            }
        }
    }
}

impl NumberError {
    /// Why a cell of a table is refused, with the numbers that were perhaps meant.
    pub fn of_a_cell(&self) -> Why {
        match self.suggestions() {
            [] => self.into(),
            some => Why::IsItMeant { because: Box::new(self.into()), meant: AnyOf(some.to_vec()) },
        }
    }

    /// Numbers that may have been meant ("did you mean"), each of which the rule accepts. For two numbers
    /// in one field: each of them.
    pub fn suggestions(&self) -> &[String] {
        match self {
            Self::TwoNumbers { suggestions }
            | Self::UnpairedBracket { suggestions }
            | Self::YearDigits { suggestions, .. }
            | Self::BareYear { suggestions }
            | Self::YearFirst { suggestions }
            | Self::Serial { suggestions, .. } => suggestions,
            _ => &[],
        }
    }

    /// A stable word for the catalogue of words and for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::TwoNumbers { .. } => "two_numbers",
            Self::UnpairedBracket { .. } => "unpaired_bracket",
            Self::YearDigits { .. } => "year_digits",
            Self::YearRange { .. } => "year_range",
            Self::SerialZero => "serial_zero",
            Self::BareYear { .. } => "bare_year",
            Self::NoAgency => "no_agency",
            Self::YearFirst { .. } => "year_first",
            Self::Serial { .. } => "serial",
            Self::NoShape { .. } => "no_shape",
            Self::Unstable { .. } => "unstable",
        }
    }
}

static YEAR_GROUP: LazyLock<Regex> = LazyLock::new(|| fixed(r"\([0-9]{4}\)"));
static LISTED: LazyLock<Regex> = LazyLock::new(|| fixed(r"[0-9]号?[、,;].*[0-9]"));
static BETWEEN_NUMBERS: LazyLock<Regex> = LazyLock::new(|| fixed(r"[、,;/]|号[和及与]?"));
static UP_TO_SERIAL: LazyLock<Regex> = LazyLock::new(|| fixed(r"^.*\([0-9]{4}\)第?"));
static BARE_SERIAL: LazyLock<Regex> = LazyLock::new(|| fixed(r"^第?([0-9]+(?:-[0-9]+)?)$"));
/// A number of the usual shape with a year whose brackets are missing, wholly or half.
static LOST_BRACKETS: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"^(?<org>(?:\p{Han}|[A-Za-z]|\([\p{Han}A-Za-z]+\))+?)\(?(?<year>[0-9]{4})\)?年?[-/.第]*(?<serial>[0-9]+(?:-[0-9]+)?)号?$",
    )
});
static YEAR_FIRST: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^字?\((?<year>[0-9]+)\)(?<org>\D*?)第?(?<serial>[0-9]*(?:-[0-9]+)?)号?$"));
static COURT_LIKE: LazyLock<Regex> = LazyLock::new(|| fixed(r"^\([0-9]+\)\p{Han}"));
static YEAR_IN_PLACE: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^(?<org>.+)\((?<year>[^()]*)\)(?<serial>第?[0-9]+(?:-[0-9]+)?号?)$"));
static AFTER_YEAR: LazyLock<Regex> = LazyLock::new(|| fixed(r"^.+\([0-9]{4}\)(?<serial>.*)$"));

/// The reason, for a folded text that no shape reads. `accepted` gives the display form of a candidate,
/// if the rule accepts it.
pub(super) fn diagnose(
    folded: &Folded,
    examples: Vec<String>,
    accepted: &dyn Fn(&str) -> Option<String>,
) -> NumberError {
    let text = folded.text.as_str();
    let propose = |candidates: Vec<String>| {
        let mut found: Vec<String> = Vec::new();
        for display in candidates.iter().filter_map(|c| accepted(c)) {
            if !found.contains(&display) {
                found.push(display);
            }
        }
        found
    };
    let joined = |m: &regex::Captures<'_>| format!("{}({}){}", &m["org"], &m["year"], &m["serial"]);

    let each = propose(numbers_in(text));
    if each.len() > 1 || YEAR_GROUP.find_iter(text).count() > 1 || LISTED.is_match(text) {
        return NumberError::TwoNumbers { suggestions: each };
    }
    let lost = LOST_BRACKETS.captures(text).map(|m| joined(&m));
    if !folded.paired {
        return NumberError::UnpairedBracket { suggestions: propose(lost.into_iter().collect()) };
    }
    if let Some(candidate) = lost.filter(|_| !YEAR_GROUP.is_match(text)) {
        return NumberError::BareYear { suggestions: propose(vec![candidate]) };
    }
    if let Some(m) = YEAR_FIRST.captures(text) {
        if m["org"].is_empty() {
            return NumberError::NoAgency;
        }
        return NumberError::YearFirst { suggestions: propose(vec![format!("{text}号"), joined(&m)]) };
    }
    if COURT_LIKE.is_match(text) {
        return NumberError::YearFirst { suggestions: propose(vec![format!("{text}号")]) };
    }
    if let Some(m) = YEAR_IN_PLACE.captures(text).filter(|m| !is_year(&m["year"])) {
        let found = m["year"].to_owned();
        let digits = western_digits(&found);
        let years = if digits.len() == 2 { vec![format!("20{digits}"), format!("19{digits}")] } else { vec![digits] };
        let candidates = years.iter().map(|y| format!("{}({y}){}", &m["org"], &m["serial"])).collect();
        return NumberError::YearDigits { found, suggestions: propose(candidates) };
    }
    if let Some(m) = AFTER_YEAR.captures(text) {
        let plain = text.nfkc().collect();
        return NumberError::Serial { found: m["serial"].to_owned(), suggestions: propose(vec![plain]) };
    }
    NumberError::NoShape { examples }
}

/// Candidates for the numbers of a list; `赵卫罚(2019)12、13号` means two numbers.
fn numbers_in(text: &str) -> Vec<String> {
    let mut prefix = None;
    let mut candidates = Vec::new();
    for piece in BETWEEN_NUMBERS.split(text) {
        if let Some(m) = UP_TO_SERIAL.find(piece) {
            prefix = Some(m.as_str());
        }
        match (prefix, BARE_SERIAL.captures(piece)) {
            (Some(prefix), Some(serial)) => candidates.push(format!("{prefix}{}号", &serial[1])),
            _ => candidates.push(format!("{piece}号")),
        }
    }
    candidates
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The digits of a year, 〇 to 九 read as digits, all else dropped (`2019年`, `二〇一九`).
fn western_digits(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '0'..='9' => Some(c),
            '零' => Some('0'),
            c => "〇一二三四五六七八九".chars().zip('0'..='9').find(|(han, _)| *han == c).map(|(_, digit)| digit),
        })
        .collect()
}
