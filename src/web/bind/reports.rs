//! Reports from the store, and the reading of everything else for oversight.

use super::StationPages;
use crate::domain::ports::BoxFuture;
use crate::domain::report::ListedClip;
use crate::domain::rights::Within;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::workbook::fill;
use crate::runtime::task;
use crate::store::ReportAsk;
use crate::web::oversight::Oversight;
use crate::web::site::ReadError;
use crate::web::view::looks::LooksView;
use crate::web::view::reports::{ReportQuery, ReportView};
use crate::web::view::review::{ReviewView, SentView};
use crate::web::view::sampling::{SampleView, SamplesQuery, SamplesView};

impl StationPages {
    fn ask_of(&self, asked: &ReportQuery, within: &Within) -> ReportAsk {
        ReportAsk {
            period: asked.period,
            unit: asked.unit.clone(),
            kind: asked.kind.clone(),
            within: within.clone(),
            now_ms: self.clock.now().0,
            zone: self.policy.zone.clone(),
            allowed: self.allowed,
        }
    }

    async fn report_view(&self, asked: &ReportQuery, within: &Within) -> Result<ReportView, ReadError> {
        let ask = self.ask_of(asked, within);
        let report = self.read(move |r| r.report(&ask)).await?;
        let vault = self.vault.clone();
        // A disk that cannot be asked foretells nothing; the station page says what is wrong with it.
        let free = match report.forecast.months.is_empty() {
            true => None,
            false => {
                task::blocking("disk", move || vault.space()).await.ok().and_then(Result::ok).map(|(free, _)| free)
            }
        };
        Ok(ReportView {
            free_bytes: free.map(|bytes| bytes.saturating_sub(self.reserve_bytes)),
            forms: self.supervision.forms.iter().map(|form| form.name.clone()).collect(),
            report,
        })
    }

    async fn filled(
        &self,
        name: &str,
        asked: &ReportQuery,
        within: &Within,
        w: &'static Words,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(form) = self.supervision.forms.iter().find(|form| form.name == name) else { return Ok(None) };
        let (ask, file, zone) = (self.ask_of(asked, within), form.file.clone(), self.policy.zone.clone());
        let bytes = task::blocking("form", move || std::fs::read(file)).await.map_err(|_| ReadError::Busy)?;
        let bytes = bytes.map_err(|e| {
            tracing::warn!(error = %e, form = name, "a form of the unit's own cannot be read");
            ReadError::Invalid(Why::FormUnreadable { name: name.to_owned(), detail: e.to_string() })
        })?;
        let report = self.read(move |r| r.report(&ask)).await?;
        let filled = fill::fill(&bytes, &|asked| report.value(asked, w, &zone));
        filled
            .map(Some)
            .map_err(|e| ReadError::Invalid(Why::FormUnreadable { name: name.to_owned(), detail: e.to_string() }))
    }
}

impl Oversight for StationPages {
    fn report<'a>(
        &'a self,
        asked: &'a ReportQuery,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<ReportView, ReadError>> {
        Box::pin(self.report_view(asked, within))
    }

    fn looks<'a>(
        &'a self,
        number: &'a str,
        within: &'a Within,
        before: Option<u64>,
        limit: u32,
    ) -> BoxFuture<'a, Result<LooksView, ReadError>> {
        Box::pin(self.looks_view(number, within, before, limit))
    }

    fn register<'a>(
        &'a self,
        asked: &'a ReportQuery,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Option<Vec<ListedClip>>, ReadError>> {
        let ask = self.ask_of(asked, within);
        Box::pin(self.read(move |r| r.report_register(&ask)))
    }

    fn form<'a>(
        &'a self,
        name: &'a str,
        asked: &'a ReportQuery,
        within: &'a Within,
        w: &'static Words,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ReadError>> {
        Box::pin(self.filled(name, asked, within, w))
    }

    fn samples<'a>(
        &'a self,
        asked: &'a SamplesQuery,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<SamplesView, ReadError>> {
        Box::pin(self.samples_view(asked, within))
    }

    fn sample<'a>(
        &'a self,
        sample: i64,
        within: &'a Within,
        clips: &'a Within,
    ) -> BoxFuture<'a, Result<Option<SampleView>, ReadError>> {
        Box::pin(self.sample_view(sample, within, clips))
    }

    fn population(&self, sample: i64) -> BoxFuture<'_, Result<Vec<String>, ReadError>> {
        Box::pin(self.read(move |r| Ok(r.population(sample)?.iter().map(ToString::to_string).collect())))
    }

    fn sent_cases<'a>(
        &'a self,
        within: &'a Within,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<SentView, ReadError>> {
        Box::pin(self.sent_to(within, after))
    }

    fn review<'a>(
        &'a self,
        number: &'a str,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Option<ReviewView>, ReadError>> {
        Box::pin(self.review_view(number, within))
    }
}
