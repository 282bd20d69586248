//! What the database knows of a clip before anybody has said anything, as the rules look at it.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Judge;
use crate::casework::annotate::{ClipEvidence, Issue, ModifiedIs, Recorded};
use crate::domain::evidence::Evidence;
use crate::domain::ids::RecorderId;
use crate::domain::record::{Fact, Field, Origin, settle};
use crate::domain::recorder_clock::{ClockEstimate, ClockHow, DockClock};
use crate::domain::stream::Cause;
use crate::domain::time::{RecorderTime, UtcMs};
use crate::store::{ClipRow, Reader, RecordingRow, Result, SegmentRow};

impl Judge {
    /// All that is known about a clip before anybody has said anything.
    pub(super) fn input(
        &self,
        r: &Reader<'_>,
        row: &ClipRow,
        evidence: Evidence,
        said: &[Fact],
        issues: Arc<[Issue]>,
    ) -> Result<ClipEvidence> {
        let clip = row.clip;
        let media = r.media(clip)?.map(|m| m.facts).unwrap_or_default();
        let segment = r.segment(clip)?;
        let clock = match (&segment, &evidence.named) {
            // What was fetched is told by both clocks.
            (Some(segment), Some((_, source_ms, _))) => {
                let offset_ms = source_ms.saturating_sub(segment.station_ms);
                DockClock { estimate: Some(ClockEstimate { offset_ms, how: ClockHow::Device }), since_ms: None }
            }
            (Some(_), None) => DockClock::default(),
            (None, _) => r.clock_at_dock(clip)?,
        };
        let recording = match segment {
            // What was fetched is annotated like what any recorder brings.
            Some(segment) => r
                .recording_of(clip)?
                .filter(|recording| recording.asked.cause != Cause::Pull)
                .map(|recording| recorded(&segment, recording)),
            None => None,
        };
        let corrected =
            settle(said).get(&Field::CapturedStart).filter(|f| f.origin == Origin::Person).map(|f| f.value.clone());
        Ok(ClipEvidence {
            recorder: RecorderId::new(&row.recorder)?,
            captures: evidence.captures,
            named: evidence.named.map(|(raw, ms, offset_s)| RecorderTime { raw, at: UtcMs(ms), offset_s }),
            // A stream is dated by the station's clock, in the station's zone.
            zone: match recording {
                Some(_) => self.zone.clone(),
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
            clock,
            corrected_start_ms: corrected.and_then(|c| UtcMs::parse_rfc3339(&c)).map(|t| t.0),
            issues,
            recording,
        })
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
