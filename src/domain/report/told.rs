//! A report as programs get it, from the API and from the command line.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Counts, Line, Report};
use crate::domain::time::UtcMs;

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportTold {
    /// The period: `2026-W25`, `2026-06`, `2026-Q2`, `2026`, or `2026-06-01..2026-06-15`.
    pub period: String,
    /// Its first day.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// Of this unit alone; an empty one stands for those of which nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement alone.
    pub kind: Option<String>,
    /// In all.
    pub total: CountsTold,
    /// By unit.
    pub units: Vec<LineTold>,
    /// By kind of enforcement.
    pub kinds: Vec<LineTold>,
    /// Recordings of which nobody knows when they were captured: in no period.
    pub undated: u64,
    /// Cases opened in the period against the catalogue.
    pub records: RecordsTold,
    /// Recorders that did not come back in time.
    pub overdue: Vec<OverdueTold>,
    /// What was taken in by month.
    pub growth: Vec<GrowthTold>,
    /// Bytes a month that follow from it.
    pub forecast_bytes_per_month: u64,
    /// When it was made, RFC 3339.
    pub made_at: String,
}

/// Counts of recordings. Facts, links and proof each add up to `clips`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsTold {
    /// How many.
    pub clips: u64,
    /// Their length, milliseconds.
    pub duration_ms: u64,
    /// Their size.
    pub bytes: u64,
    /// The five facts were there within a day of being taken in.
    pub at_once: u64,
    /// They came later.
    pub chased: u64,
    /// One of them is missing.
    pub incomplete: u64,
    /// Linked to a case by rules alone.
    pub by_rule: u64,
    /// Linked to a case by a person.
    pub by_hand: u64,
    /// Linked to what there was before a case alone (inspection task, 日常检查): no case was opened yet.
    pub not_yet_linkable: u64,
    /// In no case.
    pub unlinked: u64,
    /// Proven at every required destination within a day of the end of capture.
    pub in_time: u64,
    /// Proven later.
    pub late: u64,
    /// Not proven.
    pub unproven: u64,
}

/// A line of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineTold {
    /// Unit or kind; null where nobody has said.
    pub name: Option<String>,
    /// Its figures.
    #[serde(flatten)]
    pub counts: CountsTold,
}

/// Cases against the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordsTold {
    /// Cases opened in the period.
    pub cases: u64,
    /// Nothing is missing or interrupted.
    pub complete: u64,
    /// Matters without any recording, of which nobody said why.
    pub missing: u64,
    /// Matters without any recording, with a reason on record.
    pub missing_with_reason: u64,
    /// Matters that are not recorded whole.
    pub interrupted: u64,
    /// There were more cases than were looked at.
    pub cut: bool,
    /// The cases in which something is missing or interrupted.
    pub gaps: Vec<GapTold>,
}

/// A case in which something is missing.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapTold {
    /// Its number.
    pub case_no: String,
    /// Its unit.
    pub unit: Option<String>,
    /// Matters without any recording, of which nobody said why.
    pub missing: Vec<String>,
    /// Matters without any recording, with a reason on record.
    pub missing_with_reason: Vec<String>,
    /// Matters that are not recorded whole.
    pub interrupted: Vec<String>,
}

/// A recorder that did not come back in time.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverdueTold {
    /// The recorder.
    pub recorder: String,
    /// Who took it.
    pub officer: String,
    /// When it was expected back, RFC 3339.
    pub due_at: String,
    /// When it came back; null: it has not.
    pub back_at: Option<String>,
}

/// What was taken in during a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrowthTold {
    /// The month.
    pub month: String,
    /// Clips.
    pub clips: u64,
    /// Bytes.
    pub bytes: u64,
}

fn counts(c: &Counts) -> CountsTold {
    CountsTold {
        clips: c.clips,
        duration_ms: c.duration_ms,
        bytes: c.bytes,
        at_once: c.at_once,
        chased: c.chased,
        incomplete: c.incomplete,
        by_rule: c.by_rule,
        by_hand: c.by_hand,
        not_yet_linkable: c.not_yet_linkable,
        unlinked: c.unlinked,
        in_time: c.in_time,
        late: c.late,
        unproven: c.unproven,
    }
}

/// A report as programs get it.
pub fn told(report: &Report, zone: &TimeZone) -> ReportTold {
    let at = |ms: i64| UtcMs(ms).rfc3339_in(zone);
    let lines =
        |lines: &[Line]| lines.iter().map(|l| LineTold { name: l.name.clone(), counts: counts(&l.counts) }).collect();
    ReportTold {
        period: report.period.to_string(),
        first_day: report.period.first().to_string(),
        last_day: report.period.last().to_string(),
        unit: report.unit.clone(),
        kind: report.kind.clone(),
        total: counts(&report.total),
        units: lines(&report.units),
        kinds: lines(&report.kinds),
        undated: report.undated,
        records: RecordsTold {
            cases: report.gaps.cases,
            complete: report.gaps.complete,
            missing: report.gaps.missing,
            missing_with_reason: report.gaps.explained,
            interrupted: report.gaps.interrupted,
            cut: report.gaps.cut,
            gaps: report
                .gaps
                .rows
                .iter()
                .map(|g| GapTold {
                    case_no: g.number.clone(),
                    unit: g.unit.clone(),
                    missing: g.missing.clone(),
                    missing_with_reason: g.explained.clone(),
                    interrupted: g.interrupted.clone(),
                })
                .collect(),
        },
        overdue: report
            .overdue
            .iter()
            .map(|o| OverdueTold {
                recorder: o.recorder.clone(),
                officer: o.officer.clone(),
                due_at: at(o.due_ms),
                back_at: o.back_ms.map(at),
            })
            .collect(),
        growth: report
            .growth
            .iter()
            .map(|(month, clips, bytes)| GrowthTold { month: month.to_string(), clips: *clips, bytes: *bytes })
            .collect(),
        forecast_bytes_per_month: report.forecast.per_month,
        made_at: report.made.rfc3339_in(zone),
    }
}
