//! What the pages of reports, supervision and legal review read; part of [`super::site::Pages`]. Bound to the store; tests
//! have a form with fixed facts.

use super::site::ReadError;
use super::view::looks::LooksView;
use super::view::reports::{ReportQuery, ReportView};
use super::view::review::{ReviewView, SentView};
use super::view::sampling::{SampleView, SamplesQuery, SamplesView};
use crate::domain::ports::BoxFuture;
use crate::domain::report::ListedClip;
use crate::domain::rights::Within;
use crate::domain::words::Words;

/// Reading for oversight.
pub trait Oversight: Send + Sync {
    /// The figures of a period, of what whoever looks may see.
    fn report<'a>(&'a self, asked: &'a ReportQuery, within: &'a Within)
    -> BoxFuture<'a, Result<ReportView, ReadError>>;
    /// Who looked at a case and at those of its clips that whoever asks may see, below a position of the log, newest first.
    fn looks<'a>(
        &'a self,
        number: &'a str,
        within: &'a Within,
        before: Option<u64>,
        limit: u32,
    ) -> BoxFuture<'a, Result<LooksView, ReadError>>;
    /// Its register of clips; `None` where it is longer than a spreadsheet should be.
    fn register<'a>(
        &'a self,
        asked: &'a ReportQuery,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Option<Vec<ListedClip>>, ReadError>>;
    /// A form of the unit's own, filled in; `None` where none is configured by that name.
    fn form<'a>(
        &'a self,
        name: &'a str,
        asked: &'a ReportQuery,
        within: &'a Within,
        w: &'static Words,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ReadError>>;
    /// A page of samples, newest first, and the ranking of units.
    fn samples<'a>(
        &'a self,
        asked: &'a SamplesQuery,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<SamplesView, ReadError>>;
    /// A sample within the first bounds, with what the second ones let be told of its clips; `None` where there is none.
    fn sample<'a>(
        &'a self,
        sample: i64,
        within: &'a Within,
        clips: &'a Within,
    ) -> BoxFuture<'a, Result<Option<SampleView>, ReadError>>;
    /// Candidates of a sample, ascending.
    fn population(&self, sample: i64) -> BoxFuture<'_, Result<Vec<String>, ReadError>>;
    /// A page of the cases that stand sent for review, of those that whoever looks may see.
    fn sent_cases<'a>(
        &'a self,
        within: &'a Within,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<SentView, ReadError>>;
    /// The legal review of a case by any of its numbers; `None` where whoever looks may not see it.
    fn review<'a>(
        &'a self,
        number: &'a str,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Option<ReviewView>, ReadError>>;
}
