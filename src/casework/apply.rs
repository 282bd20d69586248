//! The clerk: applies the rules to clips and publishes their records, through the store.
//!
//! It works on what is stale: a clip that was sealed, probed, proven, linked or annotated since its newest
//! record. Running it twice changes nothing; after a crash it goes on with what is still stale.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::annotate::{ClipEvidence, Issue, ModifiedIs, Recorded, annotate, changes};
use super::roster::{RosterRow, recorder_key};
use crate::domain::case_number::NumberRule;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::Actor;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::ports::Clock;
use crate::domain::record::{Field, Origin, settle};
use crate::domain::stream::Cause;
use crate::domain::time::{RecorderTime, UtcMs};
use crate::store::{Change, LinkRequest, Policy, RecordingRow, Result, SegmentRow, Store, StoreError, Tx};

/// A rule's link of at least this score is made; below it waits for a person.
const LINK_SCORE: u32 = 80;
/// Clips taken at a time.
const BATCH: u32 = 200;
/// Record revisions in one catalogue segment, at most.
const CATALOGUE_LINES: u32 = 500;
/// Pause between looks without news.
const IDLE: Duration = Duration::from_secs(10);
/// The catalogue is written at most this often, milliseconds, unless a segment is full.
const CATALOGUE_EVERY_MS: i64 = 10_000;

/// The clerk of a station. Cheap enough to clone at a restart.
#[derive(Clone)]
pub struct Clerk {
    /// The database.
    pub store: Store,
    /// Reads case numbers.
    pub rule: NumberRule,
    /// What of the configuration shows in records.
    pub policy: Policy,
    /// Where records go.
    pub destinations: Vec<String>,
    /// Defaults of the configuration.
    pub defaults: Vec<(Field, String)>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Clerk {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + 'static) {
        let clerk = Arc::new(self);
        let mut news = clerk.store.changes();
        // Whatever an earlier run left undone, and what a changed rule or roster may help now.
        let mut again = true;
        let mut catalogued_ms = clerk.clock.monotonic_ms();
        while !stop.is_cancelled() {
            alive();
            let outcome = async {
                if std::mem::take(&mut again) {
                    clerk.review(&stop, &alive).await?;
                }
                let worked = clerk.run_once(&alive).await?;
                if clerk.clock.monotonic_ms() - catalogued_ms >= CATALOGUE_EVERY_MS {
                    catalogued_ms = clerk.clock.monotonic_ms();
                    clerk.catalogue().await?;
                }
                Ok::<bool, StoreError>(worked)
            }
            .await;
            match outcome {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Closed) => return,
                Err(e) => tracing::error!(error = %chain(&e), "the rules could not be applied; they are tried again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                cases = relevant(&mut news) => again = cases,
            }
        }
        // The last revisions must be findable in the bucket, too.
        if let Err(e) = clerk.catalogue().await {
            tracing::debug!(error = %chain(&e), "the catalogue waits for the next start");
        }
    }

    /// Annotates and publishes what is stale; `true` when there was something.
    async fn run_once(self: &Arc<Self>, alive: &impl Fn()) -> Result<bool> {
        let stale = self.store.read(|r| r.stale_records(BATCH)).await?;
        let mut any = false;
        for clip in stale {
            alive();
            let clerk = Arc::clone(self);
            let made = self
                .store
                .write(move |tx| {
                    clerk.annotate(tx, clip)?;
                    tx.publish(clip, &clerk.policy, &clerk.destinations)
                })
                .await;
            any |= passed(clip, made)?.is_some();
        }
        Ok(any)
    }

    /// Applies the rules again to every clip that lacks something.
    async fn review(self: &Arc<Self>, stop: &CancellationToken, alive: &impl Fn()) -> Result<()> {
        let mut after = None;
        loop {
            let from = after;
            let clips = self.store.read(move |r| r.incomplete(from, BATCH)).await?;
            let Some(last) = clips.last().copied() else { return Ok(()) };
            after = Some(last);
            for clip in clips {
                // Years of clips without a case may be among them: this can take longer than a heart may rest.
                alive();
                if stop.is_cancelled() {
                    return Ok(());
                }
                let clerk = Arc::clone(self);
                passed(clip, self.store.write(move |tx| clerk.annotate(tx, clip)).await)?;
            }
        }
    }

    async fn catalogue(self: &Arc<Self>) -> Result<()> {
        loop {
            let clerk = Arc::clone(self);
            let lines =
                self.store.write(move |tx| tx.catalogue(&clerk.policy, &clerk.destinations, CATALOGUE_LINES)).await?;
            if lines < CATALOGUE_LINES as usize {
                return Ok(());
            }
        }
    }

    /// Applies the rules to one clip: facts that are new, a link that is sure.
    fn annotate(&self, tx: &Tx<'_>, clip: ClipId) -> Result<()> {
        let read = tx.read();
        let row = read.clip(clip)?;
        let evidence: Evidence =
            serde_json::from_str(&read.evidence(clip)?).map_err(|e| StoreError::Odd(e.to_string()))?;
        let said = read.facts(clip)?;
        let media = read.media(clip)?.map(|m| m.facts).unwrap_or_default();
        let roster = read
            .roster_of(&recorder_key(&row.recorder))?
            .iter()
            .map(|entry| serde_json::from_str(&entry.row).map_err(|e| StoreError::Odd(format!("a roster row: {e}"))))
            .collect::<Result<Vec<RosterRow>>>()?;
        let issues = read
            .issues_of(&recorder_key(&row.recorder))?
            .into_iter()
            .map(|i| Issue {
                id: i.id,
                officer: i.officer,
                case: i.case,
                place: i.place,
                matter: i.matter,
                from_ms: i.from_ms,
                to_ms: i.to_ms,
            })
            .collect();
        let recording = match (read.segment(clip)?, read.recording_of(clip)?) {
            // What was fetched is annotated like what any recorder brings.
            (Some(segment), Some(recording)) if recording.asked.cause != Cause::Pull => {
                Some(recorded(&segment, recording))
            }
            _ => None,
        };
        let corrected =
            settle(&said).get(&Field::CapturedStart).filter(|f| f.origin == Origin::Person).map(|f| f.value.clone());
        let input = ClipEvidence {
            recorder: RecorderId::new(&row.recorder)?,
            captures: evidence.captures,
            named: evidence.named.map(|(raw, ms, offset_s)| RecorderTime { raw, at: UtcMs(ms), offset_s }),
            // A stream is dated by the station's clock, in the station's zone.
            zone: match recording {
                Some(_) => self.policy.zone.clone(),
                None => TimeZone::get(&evidence.zone).unwrap_or(TimeZone::UTC),
            },
            modified_raw: row.modified_raw.clone(),
            modified_ms: row.modified_ms,
            modified_is: match evidence.modified_is.as_str() {
                "end" => ModifiedIs::End,
                "start" => ModifiedIs::Start,
                _ => ModifiedIs::Unknown,
            },
            duration_ms: media.duration_ms,
            created_ms: media.created_ms,
            sidecar: fields(evidence.sidecar),
            binding: fields(evidence.binding),
            docked_ms: evidence.docked_ms,
            corrected_start_ms: corrected.and_then(|c| UtcMs::parse_rfc3339(&c)).map(|t| t.0),
            issues,
            recording,
        };
        let defaults = if row.owes_facts() { self.defaults.as_slice() } else { &[] };
        let found = annotate(&input, &roster, defaults, tx.now_ms());
        let new: Vec<(Field, Origin, String)> =
            changes(&said, &found.facts, tx.now_ms()).into_iter().map(|f| (f.field, f.origin, f.value)).collect();
        tx.add_facts(clip, &Actor::daemon(), "daemon", &new)?;
        let mut notes: Vec<String> = found.conflicts.iter().map(ToString::to_string).collect();
        notes.extend(found.odd_times.iter().map(|o| format!("{} {}: {}", o.origin.as_str(), o.raw, o.why.code())));
        for link in &found.links {
            if link.score < LINK_SCORE || !row.owes_facts() || read.person_linked(clip)? {
                continue;
            }
            let year = UtcMs(tx.now_ms()).zoned(&self.policy.zone).year();
            match self.rule.parse(&link.case_raw, year) {
                Ok(number) => {
                    let request = LinkRequest {
                        clip,
                        number,
                        rule_version: self.rule.version,
                        range_ms: (None, None),
                        stage: link.stage.clone(),
                        matter: link.matter.clone(),
                        proves: link.proves.clone(),
                        origin: link.origin,
                        score: link.score,
                        reason: Some(link.reason.clone()),
                    };
                    tx.link(&request, &Actor::daemon(), "daemon")?;
                }
                Err(e) => notes.push(format!("{} case {}: {e}", link.origin.as_str(), link.case_raw)),
            }
        }
        tx.set_notes(clip, &notes)
    }
}

/// One clip that the rules choke on must not keep every later one from its record, and so from being sent.
fn passed<T>(clip: ClipId, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(e) if e.retry() == Retry::Permanent => {
            tracing::error!(%clip, error = %chain(&e), "the rules could not be applied to this clip; it waits, the others go on");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// What was said when a recording was begun, as facts about a segment of it.
fn recorded(segment: &SegmentRow, recording: RecordingRow) -> Recorded {
    let asked = recording.asked;
    let said = [
        (Field::Place, Some(asked.room)),
        (Field::Officer, asked.officer),
        (Field::CoOfficers, asked.co_officers),
        (Field::Matter, asked.matter),
        (Field::Proves, asked.proves),
    ];
    Recorded {
        station_ms: segment.station_ms,
        source_ms: segment.source_ms,
        case: asked.case,
        said: said.into_iter().filter_map(|(field, value)| Some((field, value?))).collect(),
    }
}

fn fields(pairs: Vec<(String, String)>) -> Vec<(Field, String)> {
    pairs.into_iter().filter_map(|(name, value)| Some((Field::parse(&name)?, value))).collect()
}

/// Waits for a change that makes work; `true` when cases, rosters or who has which recorder changed.
async fn relevant(news: &mut tokio::sync::broadcast::Receiver<Change>) -> bool {
    loop {
        match news.recv().await {
            Ok(Change::Cases | Change::Recorders) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                return true;
            }
            Ok(Change::Clip(_)) => return false,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
