//! A report in words: tables whose every figure opens its clips.

use super::{Ctx, Stamp, case_href, segment};
use crate::domain::report::{CaseGaps, Counts, Figure, Gaps, Line, OverdueRow, Period};
use crate::domain::time::UtcMs;
use crate::web::view::clips::ClipsQuery;
use crate::web::view::reports::{ReportQuery, ReportView};

/// A figure, and the clips that it counts.
pub struct Cell {
    /// What is read.
    pub text: String,
    /// Its clips; of none, none.
    pub href: Option<String>,
}

/// A line of a table.
pub struct FigureLine {
    /// Unit or kind.
    pub name: String,
    /// The report of that alone.
    pub href: Option<String>,
    /// Its figures.
    pub cells: Vec<Cell>,
}

/// Three answers to one question, as parts of a bar.
pub struct Share {
    /// The question.
    pub label: &'static str,
    /// The share that is as it should be.
    pub big: Cell,
    /// Style, word and count of each answer, and where its part begins and how wide it is, in thousandths.
    pub parts: Vec<SharePart>,
}

/// A part of a bar.
pub struct SharePart {
    /// Style.
    pub class: &'static str,
    /// Word.
    pub label: &'static str,
    /// The figure.
    pub cell: Cell,
    /// Begin, thousandths.
    pub x: u64,
    /// Width, thousandths.
    pub width: u64,
}

/// A month of growth.
pub struct MonthLine {
    /// The month.
    pub label: String,
    /// Clips.
    pub clips: Cell,
    /// Bytes.
    pub bytes: Cell,
    /// Of the largest month, thousandths.
    pub width: u64,
}

/// A case in which something is missing.
pub struct GapLine {
    /// Its number.
    pub number: String,
    /// Its page.
    pub href: String,
    /// Its unit.
    pub unit: String,
    /// Where it stands against the catalogue.
    pub coverage: String,
    /// Its clips.
    pub clips: String,
    /// Matters without a recording, of which nobody said why.
    pub missing: String,
    /// Matters without a recording, with a reason.
    pub explained: String,
    /// Matters that are not whole.
    pub interrupted: String,
}

/// A recorder that did not come back in time.
pub struct OverdueLine {
    /// The recorder.
    pub recorder: String,
    /// Who took it.
    pub officer: String,
    /// What it recorded in that stay out.
    pub href: String,
    /// When it was expected back.
    pub due: Stamp,
    /// When it came back.
    pub back: Option<Stamp>,
}

/// Cases that a report lists.
const GAPS: usize = 200;
const FIGURES: [Figure; 11] = [
    Figure::Recorded,
    Figure::AtOnce,
    Figure::Chased,
    Figure::Incomplete,
    Figure::ByRule,
    Figure::ByHand,
    Figure::NotYetLinkable,
    Figure::Unlinked,
    Figure::InTime,
    Figure::Late,
    Figure::Unproven,
];

fn cell(query: &ReportQuery, counts: &Counts, figure: Figure, c: &Ctx) -> Cell {
    let n = counts.of(figure);
    Cell { text: c.w.number(n), href: (n > 0).then(|| query.clips_of(figure)) }
}

fn cells(query: &ReportQuery, counts: &Counts, c: &Ctx) -> Vec<Cell> {
    let mut cells: Vec<Cell> = FIGURES.iter().map(|f| cell(query, counts, *f, c)).collect();
    let all = (counts.clips > 0).then(|| query.clips_of(Figure::Recorded));
    cells.insert(1, Cell { text: c.w.hours(counts.duration_ms), href: all.clone() });
    cells.insert(2, Cell { text: c.w.size(counts.bytes), href: all });
    cells
}

/// The lines of a table, the total last; `by_unit` says what their names are.
pub fn lines(v: &ReportView, query: &ReportQuery, by_unit: bool, c: &Ctx) -> Vec<FigureLine> {
    let o = c.w.oversight();
    let (lines, none): (&Vec<Line>, _) =
        if by_unit { (&v.report.units, o.no_unit) } else { (&v.report.kinds, o.no_kind) };
    let mut told: Vec<FigureLine> = lines
        .iter()
        .map(|line| {
            let mut of = query.clone();
            let name = Some(line.name.clone().unwrap_or_default());
            if by_unit {
                of.unit = name
            } else {
                of.kind = name
            }
            FigureLine {
                name: line.name.clone().unwrap_or_else(|| none.to_owned()),
                href: Some(format!("/reports?{}", of.to_query_string())),
                cells: cells(&of, &line.counts, c),
            }
        })
        .collect();
    told.push(FigureLine { name: o.total.to_owned(), href: None, cells: cells(query, &v.report.total, c) });
    told
}

/// The three questions.
pub fn shares(v: &ReportView, query: &ReportQuery, c: &Ctx) -> Vec<Share> {
    let (o, total) = (c.w.oversight(), &v.report.total);
    let share = |label, good: Figure, parts: &[(Figure, &'static str)]| {
        let part_of = |n: u64| (n * 1000).checked_div(total.clips).unwrap_or(0);
        let mut x = 0;
        let parts = parts.iter().map(|(figure, class)| {
            let width = part_of(total.of(*figure));
            let part = SharePart { class, label: c.w.figure(*figure), cell: cell(query, total, *figure, c), x, width };
            x += width;
            part
        });
        let parts = parts.collect();
        let big = Cell { text: c.w.percent_of(total.of(good), total.clips), ..cell(query, total, good, c) };
        Share { label, big, parts }
    };
    use Figure::*;
    vec![
        share(o.facts_group, AtOnce, &[(AtOnce, "safe"), (Chased, "hold"), (Incomplete, "ask")]),
        share(
            o.links_group,
            Linked,
            &[(ByRule, "safe"), (ByHand, "hold"), (NotYetLinkable, "sealed"), (Unlinked, "ask")],
        ),
        share(o.proof_group, InTime, &[(InTime, "safe"), (Late, "hold"), (Unproven, "ask")]),
    ]
}

/// Growth by month.
pub fn months(v: &ReportView, query: &ReportQuery, c: &Ctx) -> Vec<MonthLine> {
    let most = v.report.growth.iter().map(|(.., bytes)| *bytes).max().unwrap_or(0).max(1);
    v.report
        .growth
        .iter()
        .map(|(month, clips, bytes)| MonthLine {
            label: c.w.period(*month),
            clips: Cell { text: c.w.number(*clips), href: (*clips > 0).then(|| query.clips_taken(*month)) },
            bytes: Cell { text: c.w.size(*bytes), href: (*clips > 0).then(|| query.clips_taken(*month)) },
            width: (u128::from(*bytes) * 1000 / u128::from(most)) as u64,
        })
        .collect()
}

/// What may follow, in sentences, and what will then stand there by month.
pub fn outlook(v: &ReportView, c: &Ctx) -> (Vec<String>, Vec<(String, String)>) {
    let forecast = &v.report.forecast;
    if forecast.of_months == 0 {
        return (vec![c.w.oversight().forecast_none.to_owned()], Vec::new());
    }
    let mut told = vec![c.w.growth_each_month(forecast.per_month, forecast.of_months)];
    if let Some(free) = v.free_bytes.filter(|_| forecast.per_month > 0) {
        told.push(c.w.disk_lasts(free, (u128::from(free) * 30 / u128::from(forecast.per_month)) as u64));
    }
    let months = forecast.months.iter().map(|(m, bytes)| (c.w.period(*m), c.w.size(*bytes))).collect();
    (told, months)
}

/// Cases in which something is missing.
pub fn gaps(v: &ReportView, c: &Ctx) -> Vec<GapLine> {
    v.report.gaps.rows.iter().take(GAPS).map(|g| gap_line(g, c)).collect()
}

/// A case in words.
pub fn gap_line(g: &CaseGaps, c: &Ctx) -> GapLine {
    let joint = if c.w.lang == crate::domain::words::Lang::Zh { "、" } else { ", " };
    let href = case_href(&g.number);
    GapLine {
        coverage: format!("{href}/coverage"),
        clips: format!("/clips?case={}", segment(&g.number)),
        href,
        number: g.number.clone(),
        unit: g.unit.clone().unwrap_or_else(|| c.w.none_dash.to_owned()),
        missing: g.missing.join(joint),
        explained: g.explained.join(joint),
        interrupted: g.interrupted.join(joint),
    }
}

/// Cases of a period as a figure of them counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CasesOf {
    /// Every one that was opened.
    #[default]
    Opened,
    /// Nothing is missing or interrupted.
    Complete,
    /// Something is missing, and nobody said why.
    Missing,
    /// Something is missing, with a reason on record.
    Explained,
    /// Something is interrupted.
    Interrupted,
}

impl CasesOf {
    /// Each of them, in the order of the report.
    pub const ALL: [Self; 5] = [Self::Opened, Self::Complete, Self::Missing, Self::Explained, Self::Interrupted];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Complete => "complete",
            Self::Missing => "missing",
            Self::Explained => "missing_with_reason",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// What the figure is called.
    pub fn label(self, c: &Ctx) -> &'static str {
        let o = c.w.oversight();
        match self {
            Self::Opened => o.gaps_cases,
            Self::Complete => o.gaps_complete,
            Self::Missing => o.gaps_missing,
            Self::Explained => o.gaps_explained,
            Self::Interrupted => o.gaps_interrupted,
        }
    }

    /// The figure: cases, or matters of cases.
    fn count(self, gaps: &Gaps) -> u64 {
        match self {
            Self::Opened => gaps.cases,
            Self::Complete => gaps.complete,
            Self::Missing => gaps.missing,
            Self::Explained => gaps.explained,
            Self::Interrupted => gaps.interrupted,
        }
    }

    /// Whether a case is one of those behind the figure.
    fn has(self, g: &CaseGaps) -> bool {
        match self {
            Self::Opened => true,
            Self::Complete => g.is_sound(),
            Self::Missing => !g.missing.is_empty(),
            Self::Explained => !g.explained.is_empty(),
            Self::Interrupted => !g.interrupted.is_empty(),
        }
    }
}

/// Figures of cases, each with the list of those that it counts.
pub fn records(v: &ReportView, query: &ReportQuery, c: &Ctx) -> Vec<(&'static str, Cell)> {
    let figure = |of: CasesOf| {
        let n = of.count(&v.report.gaps);
        let href = (n > 0).then(|| format!("/reports/cases?{}&of={}", query.to_query_string(), of.as_str()));
        (of.label(c), Cell { text: c.w.number(n), href })
    };
    CasesOf::ALL.into_iter().map(figure).collect()
}

/// The cases behind a figure, in the order of their numbers.
pub fn behind(v: &ReportView, of: CasesOf) -> Vec<&CaseGaps> {
    let mut all: Vec<&CaseGaps> = v.report.gaps.rows.iter().chain(&v.report.gaps.sound).filter(|g| of.has(g)).collect();
    all.sort_by(|a, b| a.number.cmp(&b.number));
    all
}

/// Recorders that did not come back in time.
pub fn overdue(v: &ReportView, c: &Ctx) -> Vec<OverdueLine> {
    v.report
        .overdue
        .iter()
        .map(|o| OverdueLine {
            recorder: o.recorder.clone(),
            officer: o.officer.clone(),
            href: stay_href(o, c),
            due: c.stamp(UtcMs(o.due_ms)),
            back: o.back_ms.map(|ms| c.stamp(UtcMs(ms))),
        })
        .collect()
}

/// The clips that a recorder captured from the day on which it was taken out to the day on which it came back.
fn stay_href(o: &OverdueRow, c: &Ctx) -> String {
    let day = |ms: i64| Some(UtcMs(ms).zoned(&c.zone).date());
    let stay = ClipsQuery {
        recorder: Some(o.recorder.clone()),
        from: day(o.from_ms),
        to: o.back_ms.and_then(day),
        ..ClipsQuery::default()
    };
    format!("/clips?{}", stay.to_query_string())
}

/// Periods that are offered: label, address, and whether it is the present one.
pub fn choices(query: &ReportQuery, c: &Ctx) -> Vec<(&'static str, String, bool)> {
    let o = c.w.oversight();
    let labels = [o.this_week, o.this_month, o.this_quarter, o.this_year];
    let around = Period::around(c.now.zoned(&c.zone).date());
    let offered = labels.into_iter().zip(around);
    offered.map(|(label, p)| (label, href(query, p), p == query.period)).collect()
}

/// The report of another period.
pub fn href(query: &ReportQuery, period: Period) -> String {
    format!("/reports?{}", ReportQuery { period, ..query.clone() }.to_query_string())
}
