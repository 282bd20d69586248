//! A report as its page shows it, and what it was asked for.

use super::clips::{ClipsQuery, Counted};
use crate::domain::report::{Figure, Period, Report};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportQuery {
    /// The period.
    pub period: Period,
    /// Of this unit alone; an empty one stands for officers of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement alone; an empty one for those that have none.
    pub kind: Option<String>,
}

impl ReportQuery {
    /// The query of an address.
    pub fn to_query_string(&self) -> String {
        let counted = Counted { figure: None, unit: self.unit.clone(), kind: self.kind.clone(), taken: None };
        let rest = ClipsQuery { counted, ..ClipsQuery::default() }.to_query_string();
        let period = format!("period={}", self.period);
        if rest.is_empty() { period } else { format!("{period}&{rest}") }
    }

    /// The clips of a figure, in the list.
    pub fn clips_of(&self, figure: Figure) -> String {
        let dated = figure != Figure::Undated;
        let query = ClipsQuery {
            counted: Counted { figure: Some(figure), unit: self.unit.clone(), kind: self.kind.clone(), taken: None },
            from: dated.then(|| self.period.first()),
            to: dated.then(|| self.period.last()),
            ..ClipsQuery::default()
        };
        format!("/clips?{}", query.to_query_string())
    }

    /// The clips that were taken in during a month.
    pub fn clips_taken(&self, month: Period) -> String {
        let counted = Counted { figure: None, unit: self.unit.clone(), kind: None, taken: Some(month) };
        format!("/clips?{}", ClipsQuery { counted, ..ClipsQuery::default() }.to_query_string())
    }
}

/// A report with what belongs to this station.
#[derive(Debug, Clone)]
pub struct ReportView {
    /// The report.
    pub report: Report,
    /// Bytes free on the vault's disk, above its reserve; of the whole station's report alone.
    pub free_bytes: Option<u64>,
    /// Names of the unit's own forms.
    pub forms: Vec<String>,
}
