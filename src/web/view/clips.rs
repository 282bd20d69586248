//! Lists of clips and of cases, and the filters that make them.

use crate::domain::clip::ClipState;
use crate::domain::ids::ClipId;
use crate::domain::ports::MediaHealth;
use crate::domain::record::{Part, REQUIRED};
use crate::domain::report::{Figure, Period};
use crate::domain::time::UtcMs;

/// What a list of clips is asked for. Text is trimmed; empty is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClipsQuery {
    /// Anything: numbers, names, places, days (`domain::search`).
    pub q: Option<String>,
    /// What fits best comes first; otherwise the newest.
    pub best_first: bool,
    /// Any number of the case, in any bracket style.
    pub case: Option<String>,
    /// Part of the officer's name or number.
    pub officer: Option<String>,
    /// Part of the recorder's id.
    pub recorder: Option<String>,
    /// The projected state.
    pub state: Option<ClipState>,
    /// What is missing.
    pub missing: Option<Missing>,
    /// Captured on or after this day of the station's zone.
    pub from: Option<jiff::civil::Date>,
    /// Captured on or before this day.
    pub to: Option<jiff::civil::Date>,
    /// Only what a report counts.
    pub counted: Counted,
    /// Goes on after this cursor, as an earlier answer gave it.
    pub after: Option<String>,
    /// At most this many, 1 to 200.
    pub limit: u32,
}

/// What a report counts, where a figure of it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Which figure.
    pub figure: Option<Figure>,
    /// Of this unit; an empty one stands for officers of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement; an empty one for those that have none.
    pub kind: Option<String>,
    /// Taken in during this period.
    pub taken: Option<Period>,
}

impl Counted {
    /// Whether it narrows the list.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }

    /// The pairs of an address. What is empty and means something is written as `-`.
    pub fn pairs(&self) -> [(&'static str, Option<String>); 4] {
        let dash = |v: &Option<String>| v.as_ref().map(|v| if v.is_empty() { "-".to_owned() } else { v.clone() });
        [
            ("figure", self.figure.map(|f| f.as_str().to_owned())),
            ("unit", dash(&self.unit)),
            ("kind", dash(&self.kind)),
            ("taken", self.taken.map(|p| p.to_string())),
        ]
    }
}

/// Which required fact is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// At least one of the five.
    Any,
    /// This one, an element of [`REQUIRED`].
    Field(&'static str),
}

impl Missing {
    /// Reads `any` or the name of a required fact.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "any" => Some(Self::Any),
            _ => REQUIRED.into_iter().find(|name| *name == word).map(Self::Field),
        }
    }

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Field(name) => name,
        }
    }
}

impl ClipsQuery {
    /// Whether anything narrows the list.
    pub fn is_filtered(&self) -> bool {
        *self != Self { after: self.after.clone(), limit: self.limit, ..Self::default() }
    }

    /// Whether a filter beyond the first row of the form is set.
    pub fn has_more(&self) -> bool {
        self.case.is_some()
            || self.officer.is_some()
            || self.recorder.is_some()
            || self.from.is_some()
            || self.to.is_some()
    }

    /// The query as an address's query string, without the cursor, each value percent-encoded.
    pub fn to_query_string(&self) -> String {
        let day = |d: Option<jiff::civil::Date>| d.map(|d| d.to_string());
        let pairs = [
            ("q", self.q.clone()),
            ("sort", self.best_first.then(|| "best".to_owned())),
            ("case", self.case.clone()),
            ("officer", self.officer.clone()),
            ("recorder", self.recorder.clone()),
            ("state", self.state.map(|s| s.as_str().to_owned())),
            ("missing", self.missing.map(|m| m.as_str().to_owned())),
            ("from", day(self.from)),
            ("to", day(self.to)),
        ];
        let encoded = pairs.into_iter().chain(self.counted.pairs()).filter_map(|(key, value)| {
            value.map(|v| {
                format!("{key}={}", percent_encoding::utf8_percent_encode(&v, percent_encoding::NON_ALPHANUMERIC))
            })
        });
        encoded.collect::<Vec<_>>().join("&")
    }
}

/// A page of the list of clips, newest capture first.
#[derive(Debug, Clone, Default)]
pub struct ClipsView {
    /// Rows.
    pub rows: Vec<ClipRow>,
    /// How many match in all, where that is cheap to know.
    pub total: Option<u64>,
    /// More match than were counted.
    pub more_than_total: bool,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// Cursor of the page before, empty for the first one; `None` on the first page.
    pub back: Option<String>,
    /// The station has no clip at all.
    pub nothing_yet: bool,
}

/// One clip in a list.
#[derive(Debug, Clone)]
pub struct ClipRow {
    /// The clip.
    pub id: ClipId,
    /// When capture began.
    pub captured: Option<UtcMs>,
    /// Length of the footage, milliseconds.
    pub duration_ms: Option<i64>,
    /// Bytes.
    pub size_bytes: u64,
    /// Pictures a second, where they were told.
    pub fps: Option<f64>,
    /// Its name on the recorder, escaped.
    pub file_name: String,
    /// The recorder.
    pub recorder: String,
    /// Who recorded.
    pub officer: Option<String>,
    /// Where.
    pub place: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
    /// Stage of the procedure.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// Numbers of its cases, as displayed.
    pub cases: Vec<String>,
    /// The projected state.
    pub state: ClipState,
    /// How much of it is copied or sent, where that is under way.
    pub percent: Option<u8>,
    /// What is wrong with it, worst first.
    pub problem: Option<Problem>,
    /// The recorder could not give all of it.
    pub holes: bool,
    /// How whole the media is; `None` until looked at.
    pub health: Option<MediaHealth>,
    /// Which of the five required facts are missing.
    pub missing: Vec<&'static str>,
    /// The station that took it in, where it is another one.
    pub elsewhere: Option<String>,
    /// What it is, where it is a document.
    pub document: Option<String>,
    /// Its label, the stored word.
    pub sensitivity: String,
    /// The part of it that is of the case in whose list it stands; `None`: all of it, or the list is of no case.
    pub part: Option<Part>,
}

/// What is wrong with a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The local file no longer matches.
    Damaged,
    /// A remote copy has other bytes.
    Mismatch,
    /// A delivery stopped.
    SendFailed,
    /// Under quarantine.
    Quarantined,
    /// Isolated as suspected classified.
    Isolated,
}

impl Problem {
    /// A stable word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Mismatch => "mismatch",
            Self::SendFailed => "send_failed",
            Self::Quarantined => "quarantined",
            Self::Isolated => "isolated",
        }
    }
}

/// Name of the style and icon of a state.
pub fn state_class(state: ClipState) -> &'static str {
    match state {
        ClipState::Seen => "idle",
        ClipState::Copying | ClipState::Sending => "hold",
        ClipState::Sealed => "sealed",
        ClipState::Proven | ClipState::Released => "safe",
    }
}

/// A page of the list of cases.
#[derive(Debug, Clone, Default)]
pub struct CasesView {
    /// Rows, the one with the newest clip first.
    pub rows: Vec<CaseRow>,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// The station knows no case at all.
    pub nothing_yet: bool,
}

/// One case in a list.
#[derive(Debug, Clone)]
pub struct CaseRow {
    /// Its number, as displayed.
    pub number: String,
    /// `case`, `inspection`, `on_the_spot`, `unfiled`.
    pub kind: String,
    /// Other numbers.
    pub aliases: Vec<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Party.
    pub party: Option<String>,
    /// Clips linked to it.
    pub clips: u64,
    /// There are more than that, too many to be counted; of the rest nothing is counted then.
    pub more: bool,
    /// Of these, proven.
    pub proven: u64,
    /// Of these, lacking a required fact.
    pub incomplete: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Newest capture.
    pub last_captured: Option<UtcMs>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_survive_the_address() {
        let q = ClipsQuery {
            case: Some("赵卫罚〔2026〕1&2".into()),
            missing: Missing::parse("officer"),
            limit: 50,
            ..ClipsQuery::default()
        };
        let text = q.to_query_string();
        assert!(text.starts_with("case=%E8%B5%B5") && text.ends_with("%262&missing=officer"), "{text}");
        assert!(q.is_filtered() && q.has_more());
        assert!(!ClipsQuery { after: Some("x".into()), limit: 9, ..ClipsQuery::default() }.is_filtered());
        assert_eq!(Missing::parse("title"), None);
    }
}
