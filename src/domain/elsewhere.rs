//! What the catalogue of a destination tells of clips of other stations: one line a revision of a record, published when a
//! clip is sealed, so that others know of it before its footage is there.

use serde::Deserialize;

use super::ids::StationId;
use super::ports::BoxFuture;
use super::search::SearchQuery;
use super::sensitivity::Sensitivity;
use super::time::UtcMs;

/// A line of a segment (`v1/<station>/catalogue/<seq>`). What an older program did not write is empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CatalogueLine {
    /// The clip.
    pub record_id: String,
    /// Revision of its record; the highest counts.
    pub rev: u32,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// RFC 3339.
    pub captured_start: Option<String>,
    /// Place.
    pub place: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Party.
    pub party_ref: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// The recorder.
    pub device_id: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// What it is called.
    pub title: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
    /// Its file's name.
    pub file: Option<String>,
    /// `clip`, `document`, ...
    pub role: Option<String>,
    /// Its label; absent in lines of older programs.
    pub sensitivity: Option<String>,
}

impl CatalogueLine {
    /// When capture began, milliseconds since the Unix epoch.
    pub fn captured_ms(&self) -> Option<i64> {
        self.captured_start.as_deref().and_then(UtcMs::parse_rfc3339).map(|t| t.0)
    }

    /// Its label; what nobody told is treated like the highest that anybody is shown.
    pub fn label(&self) -> Sensitivity {
        self.sensitivity.as_deref().and_then(Sensitivity::parse).unwrap_or(Sensitivity::Minor)
    }

    /// Whether a search finds it.
    pub fn is_found_by(&self, query: &SearchQuery) -> bool {
        let parts = [&self.place, &self.officer, &self.party_ref, &self.matter, &self.title, &self.proves, &self.file];
        let mut text: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
        text.push(&self.device_id);
        text.extend(self.cases.iter().map(String::as_str));
        query.matches(&text, &self.cases, self.captured_ms())
    }
}

/// Where the footage of a clip of another station is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// At the destination.
    Cloud,
    /// At its station: it was not sent yet.
    Unsent,
    /// Nobody could look.
    Unknown,
}

impl Stands {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Unsent => "not_sent",
            Self::Unknown => "unknown",
        }
    }
}

/// A clip of another station.
#[derive(Debug, Clone)]
pub struct FoundElsewhere {
    /// Which.
    pub station: StationId,
    /// What its catalogue says.
    pub line: CatalogueLine,
    /// Where its footage is.
    pub stands: Stands,
}

/// What looking elsewhere came to.
#[derive(Debug, Clone, Default)]
pub struct AnswerElsewhere {
    /// What was found, newest first.
    pub found: Vec<FoundElsewhere>,
    /// The destination that was asked last.
    pub asked: Option<String>,
    /// Why this is not all, in words; empty where it is.
    pub partial: Vec<String>,
}

/// Looks at other stations' catalogues. Bounded in time: what could not be read by then is told, not waited for.
pub trait Elsewhere: Send + Sync {
    /// At most `limit` clips that the query finds and whoever asks may see (`may_see` is asked for each).
    fn search<'a>(
        &'a self,
        query: &'a SearchQuery,
        limit: usize,
        may_see: &'a (dyn Fn(&CatalogueLine) -> bool + Sync),
    ) -> BoxFuture<'a, AnswerElsewhere>;
}
