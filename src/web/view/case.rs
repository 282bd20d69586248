//! One case: its numbers, its clips and when they were captured.

use super::clips::ClipRow;
use crate::domain::coverage::Coverage;

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
    /// How many clips are linked to it.
    pub clips_total: u64,
    /// The first of them by capture time; fewer than `clips_total` in very large cases.
    pub clips: Vec<ClipRow>,
    /// Length of all footage, milliseconds.
    pub duration_ms: i64,
    /// Size of all footage, bytes.
    pub bytes: u64,
    /// How many are proven.
    pub proven: u64,
    /// How many lack a required fact.
    pub incomplete: u64,
    /// Stations that hold clips of it.
    pub stations: u64,
}

/// What a number led to.
#[derive(Debug, Clone)]
pub enum CaseAnswer {
    /// The case.
    Found(Box<CaseView>),
    /// No such case; these numbers are near.
    Near(Vec<String>),
}
