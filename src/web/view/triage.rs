//! Triage: clips that wait for a person, each with what rules suggest.

use super::clips::ClipRow;
use crate::domain::ids::ClipId;

/// A page of triage, best-known first.
#[derive(Debug, Clone, Default)]
pub struct TriageView {
    /// The clips.
    pub cards: Vec<TriageCard>,
    /// How many wait in all.
    pub total: u64,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A clip that waits.
#[derive(Debug, Clone)]
pub struct TriageCard {
    /// The clip as a row of a list.
    pub row: ClipRow,
    /// What rules suggest, the surest first.
    pub suggestions: Vec<Suggested>,
    /// Other clips of the same outing that are linked to no case.
    pub outing: Vec<ClipId>,
}

/// A link that a rule suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    /// The case's number.
    pub number: String,
    /// Word of the rule.
    pub rule: String,
    /// 0 to 100.
    pub score: u32,
    /// Why.
    pub reason: String,
}
