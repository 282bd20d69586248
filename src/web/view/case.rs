//! One case: its numbers, its clips and when they were captured.

use super::clips::ClipRow;
use crate::domain::clip::ClipState;
use crate::domain::coverage::{Coverage, NoRecord};
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;

/// Everything on the page of a case.
#[derive(Debug, Clone, Default)]
pub struct CaseView {
    /// Its number, as displayed.
    pub number: String,
    /// `case`, `inspection`, `on_the_spot`, `unfiled`.
    pub kind: String,
    /// Other numbers, as displayed.
    pub aliases: Vec<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Party.
    pub party: Option<String>,
    /// Kind of enforcement.
    pub enforcement_kind: Option<String>,
    /// What should be recorded, and what is.
    pub coverage: Coverage,
    /// What was said about matters that have no recording, oldest first; nothing where the case is not `known`.
    pub reasons: Vec<NoRecord>,
    /// How many clips are linked to it.
    pub clips_total: u64,
    /// There are more than that, too many to be counted; of the rest nothing is counted then.
    pub more: bool,
    /// What there was before a case, with too many links: nothing is done with all of it at once, however few are shown.
    pub large: bool,
    /// The first of them by capture time; fewer than `clips_total` in very large cases.
    pub clips: Vec<ClipRow>,
    /// Documents beside them, as they were filed.
    pub documents: Vec<DocumentRow>,
    /// Length of all footage, milliseconds.
    pub duration_ms: i64,
    /// Size of all footage, bytes.
    pub bytes: u64,
    /// How many are proven.
    pub proven: u64,
    /// How many lack a required fact.
    pub incomplete: u64,
    /// Whoever looks may know what is known of the case itself: party and cause by the register, holds, filing.
    pub known: bool,
    /// All of it is of the clips that whoever looks may see, and there may be others.
    pub narrowed: bool,
}

/// A document of a case.
#[derive(Debug, Clone)]
pub struct DocumentRow {
    /// Its clip.
    pub id: ClipId,
    /// Word of `domain::document::DocumentKind`.
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// Its file's name, escaped.
    pub file_name: String,
    /// By its own first bytes.
    pub media_type: String,
    /// The matter of which it is the written record.
    pub matter: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was filed.
    pub filed: UtcMs,
    /// The projected state.
    pub state: ClipState,
}

/// What a number led to.
#[derive(Debug, Clone)]
pub enum CaseAnswer {
    /// The case.
    Found(Box<CaseView>),
    /// No such case; these numbers are near.
    Near(Vec<String>),
}
