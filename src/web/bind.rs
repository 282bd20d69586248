//! The pages' port bound to the store: from rows and the board to view models. Only reads; what a page
//! changes goes through `domain::command`.

mod alarms;
mod cases;
mod clip;
mod derived;
mod exports;
mod keeping;
mod log;
mod looks;
mod office;
mod parties;
mod reports;
mod review;
mod rooms;
mod sampling;
mod station;
mod triage;

use std::sync::Arc;

use bytes::Bytes;

use super::elsewhere::may_see;
use super::site::{Media, MediaFile, Pages, Part, ReadError};
use super::view::Frame;
use super::view::alarms::AlarmsView;
use super::view::case::CaseAnswer;
use super::view::clip::{ClipView, CustodyEntry, ProofView};
use super::view::clips::{CasesView, ClipRow, ClipsQuery, ClipsView, Problem};
use super::view::derived::DerivedView;
use super::view::exports::{ExportView, ExportsView};
use super::view::log::{LogEntry, LogQuery};
use super::view::rooms::RoomsView;
use super::view::station::StationView;
use super::view::triage::TriageView;
use crate::access::Signed;
use crate::config::Stream;
use crate::domain::case_number::NumberRule;
use crate::domain::clip::{ClipState, Local};
use crate::domain::coverage::Allowed;
use crate::domain::document::saved_name;
use crate::domain::elsewhere::{AnswerElsewhere, CatalogueLine, Elsewhere};
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::ports::{
    BoxFuture, ClipBytes, Clock, Derive, DeriveError, Footage, FootageError, MediaHealth, Packages, PreviewPiece,
};
use crate::domain::record::{self, REQUIRED, Record};
use crate::domain::rights::Within;
use crate::domain::search::SearchQuery;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::runtime::board::Board;
use crate::runtime::health::{Health, Level};
use crate::runtime::metrics::Metrics;
use crate::runtime::task;
use crate::store::{
    ClipFilter, ClipStanding, CountedFilter, DerivativeRow, Policy, Reader, RecordingStanding, Store, StoreError,
};
use crate::vault::Vault;

/// The station's own pages.
pub struct StationPages {
    /// The database.
    pub store: Store,
    /// The vault, for pictures and its disk.
    pub vault: Vault,
    /// The way to clips' bytes.
    pub footage: Arc<dyn Footage>,
    /// Finished evidence packages.
    pub packages: Arc<dyn Packages>,
    /// How evidence packages are made.
    pub exporting: crate::config::Export,
    /// Makes previews and contact sheets.
    pub derive: Arc<dyn Derive>,
    /// How derived files are kept.
    pub deriving: crate::config::Derived,
    /// What is going on now.
    pub board: Board,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Parts and how they are.
    pub health: Health,
    /// Metrics.
    pub metrics: Metrics,
    /// Reads case numbers.
    pub rule: NumberRule,
    /// What of the configuration shows in records.
    pub policy: Policy,
    /// The station's name for people.
    pub station_name: String,
    /// Bytes that the vault's disk keeps free.
    pub reserve_bytes: u64,
    /// Who is told of alarms and events, as the store names them.
    pub receivers: Vec<String>,
    /// Names of the configured destinations, and whether each is required.
    pub destinations: Vec<(String, bool)>,
    /// Streams as configured.
    pub streams: Vec<Stream>,
    /// Longest pause inside an outing, milliseconds.
    pub outing_gap_ms: i64,
    /// What counts as recorded.
    pub allowed: Allowed,
    /// Isolation, filing, disposal.
    pub keeping: crate::config::Keeping,
    /// A clip without a case is kept for so long after it was sealed, milliseconds.
    pub unlinked_ms: i64,
    /// What only the composition root knows.
    pub premises: Arc<dyn crate::domain::office::Premises>,
    /// Catalogues of other stations.
    pub elsewhere: Arc<dyn Elsewhere>,
    /// What supervision, review and reports go by.
    pub supervision: crate::config::Supervision,
}

fn failed(e: StoreError) -> ReadError {
    match e {
        StoreError::Closed => ReadError::Busy,
        StoreError::Conflict(why) => ReadError::Conflict(why),
        e => ReadError::Failed(Box::new(e)),
    }
}

impl StationPages {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.store.read(work).await.map_err(failed)
    }

    fn this_year(&self) -> i16 {
        self.clock.now().zoned(&self.policy.zone).year()
    }

    /// Begin of a day of the station's zone, milliseconds since the Unix epoch.
    fn day_ms(&self, day: jiff::civil::Date) -> Result<i64, ReadError> {
        let at = day
            .to_zoned(self.policy.zone.clone())
            .map_err(|e| ReadError::Invalid(Why::NoSuchDay { detail: e.to_string() }))?;
        Ok(at.timestamp().as_millisecond())
    }

    fn filter(&self, query: &ClipsQuery, within: &Within) -> Result<ClipFilter, ReadError> {
        let case_key = query.case.as_deref().map(|typed| self.key_of(typed)).transpose()?;
        let to = query
            .to
            .map(|d| d.tomorrow().map_err(|e| ReadError::Invalid(Why::NoSuchDay { detail: e.to_string() })))
            .transpose()?;
        if let Some(after) = &query.after {
            let clip = after.split_once('~').map_or(after.as_str(), |(clip, _)| clip);
            clip.parse::<ClipId>().map_err(|_| ReadError::Invalid(Why::PlaceInList {}))?;
        }
        Ok(ClipFilter {
            case_key,
            officer: query.officer.clone(),
            recorder: query.recorder.clone(),
            from_ms: query.from.map(|d| self.day_ms(d)).transpose()?,
            to_ms: to.map(|d| self.day_ms(d)).transpose()?,
            state: query.state.map(|s| s.as_str().to_owned()),
            missing: query.missing.map(|m| m.as_str().to_owned()),
            search: query.q.as_deref().map(|typed| self.search_query(typed)),
            best_first: query.best_first,
            after: query.after.clone(),
            limit: query.limit.clamp(1, 200),
            within: within.clone(),
            now_ms: self.clock.now().0,
            counted: query.counted.is_some().then(|| CountedFilter {
                figure: query.counted.figure,
                unit: query.counted.unit.clone(),
                kind: query.counted.kind.clone(),
                taken_ms: query.counted.taken.map(|p| p.span_ms(&self.policy.zone)),
            }),
        })
    }

    /// What was typed into the search box.
    pub(super) fn search_query(&self, typed: &str) -> SearchQuery {
        SearchQuery::parse(typed, &self.rule, &self.clock.now().zoned(&self.policy.zone))
    }

    /// The key of a typed number; a number that the rule refuses matches nothing.
    fn key_of(&self, typed: &str) -> Result<String, ReadError> {
        Ok(self.rule.parse(typed, self.this_year()).map_or_else(|_| typed.to_owned(), |n| n.key().to_owned()))
    }

    async fn media_inner(&self, clip: ClipId) -> Result<Media, ReadError> {
        let found = self
            .read(move |r| match r.clip(clip) {
                Ok(row) => Ok(Some((row, r.media(clip)?, r.document(clip)?))),
                Err(StoreError::NotFound(_)) => Ok(None),
                Err(e) => Err(e),
            })
            .await?;
        let Some((row, media, document)) = found else { return Ok(Media::Missing) };
        let Some(sha256) = row.sha256 else { return Ok(Media::Missing) };
        let bytes = match self.footage.open(clip).await {
            Ok(bytes) => bytes,
            Err(FootageError::Missing(_)) => return Ok(Media::Missing),
            Err(FootageError::Isolated) => return Ok(Media::Isolated),
            Err(e) => return Err(ReadError::Failed(Box::new(e))),
        };
        let container = media.and_then(|m| m.facts.container).unwrap_or_default();
        let name = row.path.file_name();
        Ok(Media::Here(MediaFile {
            bytes,
            content_type: match &document {
                Some(document) => document.media_type.clone(),
                None => media_type(&container).to_owned(),
            },
            file_name: match &document {
                Some(document) => saved_name(&name, &document.media_type),
                None => name,
            },
            is_document: document.is_some(),
            sha256: sha256.to_string(),
        }))
    }
}

impl Pages for StationPages {
    fn frame(&self) -> BoxFuture<'_, Result<Frame, ReadError>> {
        Box::pin(async move {
            let (view, names) = (self.station_view().await?, self.read(|r| r.names()).await?);
            Ok(self.frame_of(&view, names))
        })
    }

    fn station(&self) -> BoxFuture<'_, Result<StationView, ReadError>> {
        Box::pin(self.station_view())
    }

    fn alarms<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<AlarmsView, ReadError>> {
        Box::pin(self.alarms_view(after))
    }

    fn clips<'a>(&'a self, query: &'a ClipsQuery, within: &'a Within) -> BoxFuture<'a, Result<ClipsView, ReadError>> {
        Box::pin(async move {
            let (filter, policy, filtered) = (self.filter(query, within)?, self.policy.clone(), query.is_filtered());
            self.read(move |r| {
                let page = r.clips(&filter)?;
                let case = match &filter.case_key {
                    Some(key) => r.case_by_key(key)?.map(|case| case.case_id),
                    None => None,
                };
                let listed = |clip: ClipId| {
                    let record = r.record(clip, &policy)?;
                    match case {
                        Some(case) => row_of_case(r, clip, &record, case),
                        None => row(r, clip, &record),
                    }
                };
                let rows = page.clips.iter().map(|c| listed(*c)).collect::<Result<Vec<_>, StoreError>>()?;
                Ok(ClipsView {
                    nothing_yet: rows.is_empty() && !filtered,
                    rows,
                    total: Some(page.total),
                    more_than_total: !page.counted_all,
                    next: page.next,
                    back: page.back,
                })
            })
            .await
        })
    }

    fn clip(&self, clip: ClipId) -> BoxFuture<'_, Result<Option<ClipView>, ReadError>> {
        Box::pin(self.clip_view(clip))
    }

    fn proof(&self, clip: ClipId, seq: u64) -> BoxFuture<'_, Result<Option<ProofView>, ReadError>> {
        Box::pin(self.proof_view(clip, seq))
    }

    fn custody(
        &self,
        clip: ClipId,
        before: Option<u64>,
        limit: u32,
        looks_of: Option<Actor>,
    ) -> BoxFuture<'_, Result<Vec<CustodyEntry>, ReadError>> {
        Box::pin(self.custody_entries(clip, before, limit, looks_of))
    }

    fn office(&self) -> &dyn super::office::Office {
        self
    }

    fn standing(&self, clip: ClipId, account: i64) -> BoxFuture<'_, Result<Option<ClipStanding>, ReadError>> {
        let now = self.clock.now().0;
        Box::pin(self.read(move |r| r.clip_standing(clip, account, now)))
    }

    fn case<'a>(&'a self, number: &'a str, within: &'a Within) -> BoxFuture<'a, Result<CaseAnswer, ReadError>> {
        Box::pin(self.case_inner(number, within))
    }

    fn case_key(&self, typed: &str) -> Option<String> {
        self.rule.search_keys(typed, self.this_year()).key
    }

    fn meant(&self, typed: &str) -> Vec<String> {
        self.rule.parse(typed, self.this_year()).err().map(|e| e.suggestions().to_vec()).unwrap_or_default()
    }

    fn cases<'a>(
        &'a self,
        query: &'a str,
        after: Option<&'a str>,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<CasesView, ReadError>> {
        Box::pin(self.cases_inner(query, after, within))
    }

    fn elsewhere<'a>(
        &'a self,
        typed: &'a str,
        within: &'a Within,
        limit: usize,
    ) -> BoxFuture<'a, Result<AnswerElsewhere, ReadError>> {
        Box::pin(async move {
            let query = self.search_query(typed);
            match query.is_empty() {
                true => Ok(AnswerElsewhere::default()),
                false => Ok(self.elsewhere.search(&query, limit, &|line: &CatalogueLine| may_see(within, line)).await),
            }
        })
    }

    fn waiting<'a>(&'a self, within: &'a Within, most: u32) -> BoxFuture<'a, Result<u64, ReadError>> {
        let (within, now) = (within.clone(), self.clock.now().0);
        Box::pin(self.read(move |r| r.waiting(&within, most, now)))
    }

    fn triage<'a>(
        &'a self,
        after: Option<&'a str>,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<TriageView, ReadError>> {
        Box::pin(self.triage_view(after, within))
    }

    fn media(&self, clip: ClipId) -> BoxFuture<'_, Result<Media, ReadError>> {
        Box::pin(self.media_inner(clip))
    }

    fn marks_previews(&self) -> bool {
        self.deriving.watermark_previews
    }

    fn preview(
        &self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        piece: u32,
        mark: Option<String>,
    ) -> BoxFuture<'_, Result<Option<PreviewPiece>, DeriveError>> {
        self.derive.piece(clip, bytes, piece, mark)
    }

    fn sheet(&self, clip: ClipId, bytes: Arc<dyn ClipBytes>) -> BoxFuture<'_, Result<Option<Bytes>, DeriveError>> {
        Box::pin(async move {
            // Without it the worker asks the file; the page's strip then has no places to go to anyway.
            let known = self.read(move |r| r.media(clip)).await.ok().flatten();
            let clip_ms = known.and_then(|m| m.facts.duration_ms).and_then(|ms| u64::try_from(ms).ok());
            self.derive.sheet(clip, bytes, clip_ms).await
        })
    }

    fn derived(&self, clip: ClipId) -> BoxFuture<'_, Result<Vec<DerivedView>, ReadError>> {
        Box::pin(self.derived_views(clip))
    }

    fn derived_file<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<DerivedView>, ReadError>> {
        Box::pin(self.derived_one(id))
    }

    fn derived_bytes<'a>(&'a self, row: &'a DerivativeRow) -> BoxFuture<'a, Result<Option<std::fs::File>, ReadError>> {
        Box::pin(self.bytes_of_derived(row))
    }

    fn thumbnail(&self, clip: ClipId) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move {
            // A still shows what the footage shows.
            if self.read(move |r| r.isolation(clip)).await?.is_some() {
                return Ok(None);
            }
            let path = self.vault.thumbnail(clip);
            let read = task::blocking("thumbnail", move || std::fs::read(path)).await.map_err(|_| ReadError::Busy)?;
            match read {
                Ok(jpeg) => Ok(Some(Bytes::from(jpeg))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(ReadError::Failed(Box::new(e))),
            }
        })
    }

    fn exports<'a>(
        &'a self,
        case: Option<&'a str>,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<ExportsView, ReadError>> {
        Box::pin(self.exports_view(case, after))
    }

    fn export<'a>(&'a self, package: &'a str) -> BoxFuture<'a, Result<Option<ExportView>, ReadError>> {
        Box::pin(self.one_export(package))
    }

    fn package<'a>(
        &'a self,
        package: &'a str,
        disc: u32,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn ClipBytes>>, FootageError>> {
        Box::pin(self.package_bytes(package, disc))
    }

    fn rooms(&self) -> BoxFuture<'_, Result<RoomsView, ReadError>> {
        Box::pin(self.rooms_view())
    }

    fn still<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        Box::pin(self.still_of(stream))
    }

    fn room_standing<'a>(
        &'a self,
        room: &'a str,
        signed: &'a Signed,
    ) -> BoxFuture<'a, Result<Option<RecordingStanding>, ReadError>> {
        Box::pin(self.room_standing_of(room, signed))
    }

    fn log<'a>(&'a self, query: &'a LogQuery) -> BoxFuture<'a, Result<Vec<LogEntry>, ReadError>> {
        Box::pin(self.log_entries(query))
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, ReadError>> {
        Box::pin(async move { Ok(self.metrics.text()) })
    }

    fn health(&self) -> BoxFuture<'_, Vec<Part>> {
        Box::pin(async move {
            let report = self.health.report();
            report
                .parts()
                .map(|(name, c)| Part {
                    name: name.to_owned(),
                    ok: c.level != Level::Failed,
                    detail: (c.level != Level::Ok)
                        .then(|| if c.todo.is_empty() { c.words.clone() } else { format!("{}; {}", c.words, c.todo) }),
                })
                .collect()
        })
    }
}

/// A record as a row of a list.
fn row(r: &Reader<'_>, clip: ClipId, record: &Record) -> Result<ClipRow, StoreError> {
    let stored = r.clip(clip)?;
    let reasons = r.delivery_reasons(clip)?;
    let failed = record.copies.iter().any(|c| c.state == "failed");
    let problem = match stored.local {
        _ if stored.isolated_ms.is_some() => Some(Problem::Isolated),
        Local::Damaged => Some(Problem::Damaged),
        _ if failed => Some(Problem::SendFailed),
        _ if stored.quarantine.is_some() => Some(Problem::Quarantined),
        _ if record.copies.iter().any(|c| c.state == "suspect") => Some(Problem::Mismatch),
        _ if record.copies.iter().any(|c| c.state == "waiting" && reasons.iter().any(|(d, _)| *d == c.destination)) => {
            Some(Problem::Mismatch)
        }
        _ => None,
    };
    let duration = record.duration_ms;
    Ok(ClipRow {
        id: clip,
        captured: record.captured_start.as_deref().and_then(UtcMs::parse_rfc3339),
        duration_ms: duration,
        size_bytes: record.size_bytes,
        fps: record.fps,
        file_name: record.original_filename.clone(),
        recorder: record.device_id.clone(),
        officer: record.officer.clone(),
        place: record.place.clone(),
        proves: record.proves.clone(),
        stage: record.stage.clone(),
        matter: record.matter.clone(),
        cases: record.cases.iter().map(|c| c.case_no.clone()).collect(),
        state: ClipState::parse(&record.state).unwrap_or(ClipState::Seen),
        percent: percent(r, clip, &stored)?,
        problem,
        holes: !record.holes.is_empty(),
        health: record.media_health.as_deref().and_then(MediaHealth::parse),
        missing: REQUIRED.into_iter().filter(|name| record.missing.iter().any(|m| m == name)).collect(),
        elsewhere: None,
        document: record.document.as_ref().map(|d| d.kind.clone()),
        sensitivity: record.sensitivity.clone(),
        part: None,
    })
}

/// The same in the list of a case: with the part of it that is of that case.
fn row_of_case(r: &Reader<'_>, clip: ClipId, record: &Record, case: i64) -> Result<ClipRow, StoreError> {
    let link = r.links(clip)?.into_iter().find(|l| l.case_id == case);
    Ok(ClipRow { part: link.and_then(|l| record::Part::of(l.from_ms, l.to_ms)), ..row(r, clip, record)? })
}

/// How much is copied or sent, where that is under way.
fn percent(r: &Reader<'_>, clip: ClipId, stored: &crate::store::ClipRow) -> Result<Option<u8>, StoreError> {
    if stored.local == Local::Copying {
        let of = stored.declared_bytes.unwrap_or(0);
        return Ok((of > 0).then(|| (stored.durable_bytes * 100 / of).min(99) as u8));
    }
    let under_way = r.acked_bytes(clip)?;
    Ok(under_way.map(|acked| (acked * 100 / stored.size_bytes.unwrap_or(0).max(1)).min(99) as u8))
}

fn media_type(container: &str) -> &'static str {
    match container {
        "mp4" | "m4v" => "video/mp4",
        // Browsers refuse the honest type and play the bytes.
        "mov" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mpegts" => "video/mp2t",
        "avi" => "video/x-msvideo",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "jpeg" => "image/jpeg",
        "png" => "image/png",
        "bmp" => "image/bmp",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}
