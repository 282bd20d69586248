//! A clip in a list, as programs see it: what a row of the page shows, and its label, which says whether looking at it will
//! ask why. Its record is another right, over that clip alone (`GET /api/v1/clips/{id}`), so nothing of it is in here: a list is
//! given to whoever may find clips, without asking what they look for.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::clips::ClipRow;

/// A clip in a list. Everything else that is known of it is in its record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedClip {
    /// The clip's id.
    pub record_id: String,
    /// `seen`, `copying`, `sealed`, `sending`, `proven`, `released`.
    pub state: &'static str,
    /// How much is copied or sent, 0 to 100, while that is under way.
    pub percent: Option<u8>,
    /// The first of `cases`.
    pub case_no: Option<String>,
    /// Numbers of its cases, as displayed.
    pub cases: Vec<String>,
    /// When capture began, RFC 3339 with offset.
    pub captured_start: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Bytes.
    pub size_bytes: u64,
    /// The file's name on the recorder, escaped.
    pub original_filename: String,
    /// The recorder.
    pub device_id: String,
    /// Who recorded.
    pub officer: Option<String>,
    /// Place.
    pub place: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// 无, 工作秘密, 商业秘密, 个人隐私, 未成年人.
    pub sensitivity: String,
    /// Kind of document (`record`, `evidence`, `approval`, `notice`, `decision`, `service`, `other`); null for recordings.
    pub document: Option<String>,
    /// `whole`, `truncated`, `broken`, `not_media`; null until looked at.
    pub media_health: Option<&'static str>,
    /// What is wrong with it, the worst alone: `damaged`, `mismatch`, `send_failed`, `quarantined`, `isolated`.
    pub problem: Option<&'static str>,
    /// The recorder could not give all of it.
    pub holes: bool,
    /// Which of the five required facts are missing.
    pub missing: Vec<&'static str>,
    /// Begin of the part of it that is of the case whose list this is, milliseconds from its start; null: all of it is, or the
    /// list is of no case.
    pub from_ms: Option<i64>,
    /// End of that part; null: the clip's.
    pub to_ms: Option<i64>,
}

impl ListedClip {
    /// A row for programs, in the station's zone.
    pub fn of(row: ClipRow, zone: &TimeZone) -> Self {
        Self {
            record_id: row.id.to_string(),
            state: row.state.as_str(),
            percent: row.percent,
            case_no: row.cases.first().cloned(),
            cases: row.cases,
            captured_start: row.captured.map(|at| at.rfc3339_in(zone)),
            duration_ms: row.duration_ms,
            size_bytes: row.size_bytes,
            original_filename: row.file_name,
            device_id: row.recorder,
            officer: row.officer,
            place: row.place,
            proves: row.proves,
            stage: row.stage,
            matter: row.matter,
            sensitivity: row.sensitivity,
            document: row.document,
            media_health: row.health.map(|health| health.as_str()),
            problem: row.problem.map(|problem| problem.as_str()),
            holes: row.holes,
            missing: row.missing,
            from_ms: row.part.map(|part| part.from_ms),
            to_ms: row.part.and_then(|part| part.to_ms),
        }
    }
}
