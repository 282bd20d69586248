//! A whole report of a period, put together from its rows in one read.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::report::all_of_it;
use super::{Reader, Result};
use crate::domain::coverage::Allowed;
use crate::domain::register::kind_key;
use crate::domain::report::{Gaps, ListedClip, Period, Report, Units, forecast, lines};
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;

/// Months of growth that a report shows, the present one included.
const MONTHS: i32 = 12;
/// Months that it foretells.
const AHEAD: usize = 3;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReportAsk {
    /// The period.
    pub period: Period,
    /// Of this unit alone; an empty one stands for officers of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement alone; an empty one for those that have none.
    pub kind: Option<String>,
    /// Only what may stand in lists for whoever looks.
    pub within: Within,
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The station's zone.
    pub zone: TimeZone,
    /// What counts as recorded.
    pub allowed: Allowed,
}

impl ReportAsk {
    fn is_of_kind(&self, kind: Option<&str>) -> bool {
        self.kind.as_deref().is_none_or(|asked| kind_key(kind.unwrap_or_default()) == kind_key(asked))
    }

    fn keeps(&self, units: &Units, officer: Option<&str>, kind: Option<&str>) -> bool {
        self.unit.as_deref().is_none_or(|unit| units.is_of(officer, unit)) && self.is_of_kind(kind)
    }
}

impl Reader<'_> {
    /// The report.
    pub fn report(&self, ask: &ReportAsk) -> Result<Report> {
        let (span, units) = (ask.period.span_ms(&ask.zone), self.units()?);
        let groups = self.report_groups(span, &ask.within, ask.now_ms)?;
        let (total, by_unit, by_kind) = lines(&groups, &units, ask.unit.as_deref(), ask.kind.as_deref());
        let undated = self.undated(&ask.within, ask.now_ms)?;
        let undated = undated
            .iter()
            .filter(|(officer, kind, _)| ask.keeps(&units, officer.as_deref(), kind.as_deref()))
            .map(|(.., n)| n)
            .sum();
        let of_unit = |entry_unit: Option<&str>| {
            let unit = |u: &str| crate::domain::register::name_key(u);
            ask.unit.as_deref().is_none_or(|asked| unit(asked) == entry_unit.map(unit).unwrap_or_default())
        };
        let keep = |entry: &crate::domain::register::Entry, unit: Option<&str>| {
            of_unit(unit) && ask.is_of_kind(entry.get("kind"))
        };
        let (cases, cut) = self.gaps_in(span, &units, &ask.within, (ask.now_ms, ask.allowed), &keep)?;
        let mut overdue = self.overdue_in(span, &ask.within, ask.now_ms)?;
        overdue.retain(|row| ask.unit.as_deref().is_none_or(|unit| units.is_of(Some(&row.officer), unit)));
        let now = Period::month_of(UtcMs(ask.now_ms).zoned(&ask.zone).date());
        let growth = self.growth(ask, &units, now)?;
        let sums: Vec<(Period, u64)> = growth.iter().map(|(month, _, bytes)| (*month, *bytes)).collect();
        let mut forecast = forecast(&sums, self.bytes_in_all()?, now, AHEAD);
        if ask.unit.is_some() || !all_of_it(&ask.within) {
            // Nobody counts what stands there of one unit; how fast it grows is told all the same.
            forecast.months.clear();
        }
        let mut known = units.names();
        if !all_of_it(&ask.within) {
            // Whoever sees the clips of one unit chooses among units whose clips they see.
            let (_, seen, _) = lines(&groups, &units, None, None);
            known.retain(|unit| seen.iter().any(|line| line.name.as_ref() == Some(unit)));
        }
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        for kind in self.kinds_known()?.into_iter().chain(groups.into_iter().filter_map(|g| g.kind)) {
            kinds.entry(kind_key(&kind)).or_insert(kind);
        }
        Ok(Report {
            period: ask.period,
            unit: ask.unit.clone(),
            kind: ask.kind.clone(),
            total,
            units: by_unit,
            kinds: by_kind,
            undated,
            gaps: Gaps::of(cases, cut, !self.catalogue_items()?.is_empty()),
            overdue,
            growth,
            forecast,
            known: (known, kinds.into_values().collect()),
            made: UtcMs(ask.now_ms),
        })
    }

    fn growth(&self, ask: &ReportAsk, units: &Units, now: Period) -> Result<Vec<(Period, u64, u64)>> {
        (0..MONTHS)
            .rev()
            .map(|back| {
                let month = Period::month_of(now.first().saturating_sub(back.months()));
                let taken = self.taken_in(month.span_ms(&ask.zone), &ask.within, ask.now_ms)?;
                let mine = taken
                    .iter()
                    .filter(|(officer, ..)| ask.unit.as_deref().is_none_or(|u| units.is_of(officer.as_deref(), u)));
                let (clips, bytes) = mine.fold((0u64, 0u64), |(clips, bytes), (_, c, b)| (clips + c, bytes + b));
                Ok((month, clips, bytes))
            })
            .collect()
    }

    /// The register of clips of a report; `None` where it would be longer than [`super::MOST_LISTED`].
    pub fn report_register(&self, ask: &ReportAsk) -> Result<Option<Vec<ListedClip>>> {
        let units = self.units()?;
        let keep = |officer: Option<&str>, kind: Option<&str>| ask.keeps(&units, officer, kind);
        self.listed_clips(ask.period.span_ms(&ask.zone), &units, &ask.within, ask.now_ms, &keep)
    }
}
