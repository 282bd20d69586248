//! Triage: clips that wait for a person, each with what rules suggest.

use super::clips::ClipRow;
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;

/// A page of triage, best-known first.
#[derive(Debug, Clone, Default)]
pub struct TriageView {
    /// The clips.
    pub cards: Vec<TriageCard>,
    /// How many wait in all.
    pub total: u64,
    /// Clips whose case is not opened yet: they wait for nobody, and are counted apart.
    pub not_yet_linkable: u64,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A clip that waits.
#[derive(Debug, Clone)]
pub struct TriageCard {
    /// The clip as a row of a list.
    pub row: ClipRow,
    /// What the rules found odd: times that cannot be, rows that disagree.
    pub notes: Vec<String>,
    /// What rules suggest, the surest first.
    pub suggestions: Vec<Suggested>,
    /// Whom its recorder names, while nobody wrote down who had it: the origin's word and the name, each name once.
    pub supposed: Vec<(String, String)>,
    /// Other clips of the same outing that are linked to no case and that one yes for the surest one covers.
    pub outing: Vec<ClipId>,
    /// Who captured some of these with a recorder of their own, and how many each.
    pub partners: Vec<(String, u64)>,
    /// Where it lacks a place: where it may have been, the likeliest first.
    pub places: Vec<Offered>,
    /// Where it lacks what it proves: what that may be, the likeliest first.
    pub proofs: Vec<Offered>,
}

/// A word that may be the missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The word.
    pub value: String,
    /// Where it comes from.
    pub from: OfferedBy,
}

/// Where an offered word comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferedBy {
    /// So many other clips of the same outing have it.
    Outing(u64),
    /// The rule that suggests the case says so.
    Rule,
    /// The register of cases has it.
    Case,
    /// The record catalogue (《音像记录事项清单》), for the matter that the clip is of.
    Matter,
    /// The record catalogue: one of what may be recorded at all.
    Catalogue,
}

impl OfferedBy {
    /// The stable word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outing(_) => "outing",
            Self::Rule => "rule",
            Self::Case => "case",
            Self::Matter => "matter",
            Self::Catalogue => "catalogue",
        }
    }

    /// Of an outing, how many clips have it.
    pub fn clips(self) -> Option<u64> {
        match self {
            Self::Outing(n) => Some(n),
            _ => None,
        }
    }

    /// Whether it says something about this clip, and not only about what there is.
    pub fn is_about_it(self) -> bool {
        self != Self::Catalogue
    }
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
    pub reason: Grounds,
}
