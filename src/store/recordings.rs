//! Recordings of live streams, the segments in which they lie, and what is missing in those.

mod standing;

pub use standing::RecordingStanding;

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::{ClipId, RecordingId, StreamName};
use crate::domain::layout;
use crate::domain::replay::EDGE_MS;
use crate::domain::stream::{
    Cause, Gap, GapKind, PublishedGap, PublishedSegment, RecordingEnd, SegmentEnd, SegmentReach, SegmentStart,
};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

/// Segments further apart than this have something missing between them, milliseconds: nearer ones follow each other
/// as well as two clocks can tell.
const APART_MS: i64 = 250;
/// Less that two segments have both is a frame that two clocks see a little differently, milliseconds.
const AGAIN_MS: i64 = 20;
/// A recording that begins or ends without a camera for longer than this says so, milliseconds. Connecting and the first
/// key frame take their time.
const IDLE_MS: i64 = 5_000;

/// A recording that is being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecording {
    /// Of which stream.
    pub stream: StreamName,
    /// Its room, as people call it.
    pub room: String,
    /// Who asks.
    pub cause: Cause,
    /// Who records.
    pub officer: Option<String>,
    /// Others present.
    pub co_officers: Option<String>,
    /// For which case: the number as typed, and its key.
    pub case: Option<(String, String)>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
}

/// A recording as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRow {
    /// Which.
    pub id: RecordingId,
    /// What was asked for.
    pub asked: NewRecording,
    /// kind:id of who asked.
    pub begun_by: String,
    /// When, milliseconds since the Unix epoch.
    pub begun_ms: i64,
    /// Why it ended; `None` while it goes on.
    pub ended: Option<RecordingEnd>,
    /// When.
    pub ended_ms: Option<i64>,
    /// Segments so far.
    pub segments: u32,
}

/// A segment as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The clip.
    pub clip: ClipId,
    /// Its place, from 1.
    pub segment_no: u32,
    /// The station's clock at its first frame, milliseconds since the Unix epoch.
    pub station_ms: i64,
    /// The camera's.
    pub source_ms: Option<i64>,
    /// How long its footage is: as probed, else as far as it was durable.
    pub length_ms: i64,
    /// Why it ended; `None` while it grows.
    pub ended: Option<SegmentEnd>,
    /// In words.
    pub ended_detail: Option<String>,
}

const RECORDING: &str = "recording_id, stream, room, cause, officer, co_officers, case_raw, case_key, matter, proves, begun_by, begun_ms, ended, ended_ms,
     (SELECT count(*) FROM segment s WHERE s.recording_id = recording.recording_id)";

fn recording(r: &Row<'_>) -> rusqlite::Result<Result<RecordingRow>> {
    let (id, stream, cause, ended): (String, String, String, Option<String>) =
        (r.get(0)?, r.get(1)?, r.get(3)?, r.get(12)?);
    let case: (Option<String>, Option<String>) = (r.get(6)?, r.get(7)?);
    let (room, officer, co_officers) = (r.get(2)?, r.get(4)?, r.get(5)?);
    let (matter, proves, begun_by, begun_ms) = (r.get(8)?, r.get(9)?, r.get(10)?, r.get(11)?);
    let (ended_ms, segments) = (r.get(13)?, r.get(14)?);
    let odd = |what: &str| StoreError::Odd(format!("recording {what:?}"));
    Ok((|| {
        Ok(RecordingRow {
            id: id.parse()?,
            asked: NewRecording {
                stream: StreamName::new(&stream)?,
                room,
                cause: Cause::parse(&cause).ok_or_else(|| odd(&cause))?,
                officer,
                co_officers,
                case: case.0.zip(case.1),
                matter,
                proves,
            },
            begun_by,
            begun_ms,
            ended: ended.map(|w| RecordingEnd::parse(&w).ok_or_else(|| odd(&w))).transpose()?,
            ended_ms,
            segments,
        })
    })())
}

const SEGMENT: &str = "s.clip_id, s.segment_no, s.station_ms, s.source_ms,
     coalesce((SELECT m.duration_ms FROM media m WHERE m.clip_id = s.clip_id), s.length_ms), s.ended, s.ended_detail";

fn segment(r: &Row<'_>) -> rusqlite::Result<Result<SegmentRow>> {
    let (clip, ended): (String, Option<String>) = (r.get(0)?, r.get(5)?);
    let (segment_no, station_ms, source_ms, length_ms) = (r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?);
    let ended_detail = r.get(6)?;
    Ok((|| {
        Ok(SegmentRow {
            clip: clip.parse()?,
            segment_no,
            station_ms,
            source_ms,
            length_ms,
            ended: ended.and_then(|w| SegmentEnd::parse(&w)),
            ended_detail,
        })
    })())
}

impl Tx<'_> {
    /// A recording is asked for, and begins as soon as its camera answers. One that a schedule or the configuration
    /// wanted on the same stream gives way; one that a person wanted does not.
    pub fn begin_recording(&self, new: &NewRecording, actor: &Actor, via: &'static str) -> Result<RecordingId> {
        if let Some(open) = self.read().open_recording(&new.stream)? {
            if open.asked.cause == Cause::Person || new.cause != Cause::Person {
                return Err(StoreError::Conflict(Why::RecordedSince {
                    at: UtcMs(open.begun_ms).rfc3339(),
                    room: open.asked.room,
                }));
            }
            self.end_recording(&new.stream, RecordingEnd::Replaced, actor, via)?;
        }
        let id = RecordingId::generate(self.now_ms());
        let case = new.case.as_ref();
        self.conn.execute(
            "INSERT INTO recording (recording_id, stream, room, cause, officer, co_officers, case_raw, case_key, matter, proves, begun_by, begun_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                id.to_string(),
                new.stream.as_str(),
                new.room,
                new.cause.as_str(),
                new.officer,
                new.co_officers,
                case.map(|c| &c.0),
                case.map(|c| &c.1),
                new.matter,
                new.proves,
                format!("{}:{}", actor.kind, actor.id),
                self.now_ms()
            ],
        )?;
        let mut event = Draft::by(EventKind::RecordingBegun, actor.clone(), via)
            .fact("recording", id.to_string())
            .fact("stream", new.stream.as_str())
            .fact("cause", new.cause.as_str());
        if let Some((raw, key)) = case {
            event = event.case(layout::case_hash(key)).secret("number", raw.as_str());
        }
        let told = [
            ("room", Some(&new.room)),
            ("officer", new.officer.as_ref()),
            ("co_officers", new.co_officers.as_ref()),
            ("matter", new.matter.as_ref()),
            ("proves", new.proves.as_ref()),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                event = event.secret(name, value.as_str());
            }
        }
        self.log(&event)?;
        self.changed(Change::Recordings);
        Ok(id)
    }

    /// The recording of a stream that goes on ends; gives it.
    pub fn end_recording(
        &self,
        stream: &StreamName,
        how: RecordingEnd,
        actor: &Actor,
        via: &'static str,
    ) -> Result<RecordingRow> {
        let Some(open) = self.read().open_recording(stream)? else {
            return Err(StoreError::NotFound(Why::NotRecorded { room: stream.to_string() }));
        };
        // A clock that was put back must not make a recording of negative length.
        self.conn.execute(
            "UPDATE recording SET ended = ?2, ended_by = ?3, ended_ms = max(?4, begun_ms) WHERE recording_id = ?1",
            params![open.id.to_string(), how.as_str(), format!("{}:{}", actor.kind, actor.id), self.now_ms()],
        )?;
        let event = Draft::by(EventKind::RecordingEnded, actor.clone(), via)
            .fact("recording", open.id.to_string())
            .fact("stream", stream.as_str())
            .fact("why", how.as_str());
        self.log(&match &open.asked.case {
            Some((_, key)) => event.case(layout::case_hash(key)),
            None => event,
        })?;
        self.segments_stale(open.id)?;
        self.changed(Change::Recordings);
        Ok(open)
    }

    /// The records of a recording's segments tell of its end.
    pub(super) fn segments_stale(&self, id: RecordingId) -> Result<()> {
        for row in self.read().segments(id)? {
            self.stale(row.clip)?;
        }
        Ok(())
    }

    pub(super) fn begin_segment(&self, clip: ClipId, start: &SegmentStart) -> Result<()> {
        let id = start.recording.to_string();
        let before: u32 = self.conn.query_row(
            "SELECT coalesce(max(segment_no), 0) FROM segment WHERE recording_id = ?1",
            [&id],
            |r| r.get(0),
        )?;
        self.conn.execute(
            "INSERT INTO segment (clip_id, recording_id, segment_no, station_ms) VALUES (?1, ?2, ?3, ?4)",
            params![clip.to_string(), id, before + 1, start.station_ms],
        )?;
        self.log(
            &Draft::daemon(EventKind::SegmentBegun).clip(clip).fact("recording", id).fact("segment_no", before + 1),
        )?;
        self.neighbours_stale(clip)?;
        self.changed(Change::Recordings);
        Ok(())
    }

    /// How far a segment's footage is durable.
    pub fn segment_reached(&self, clip: ClipId, reach: SegmentReach) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE segment SET length_ms = max(length_ms, ?2), source_ms = coalesce(source_ms, ?3) WHERE clip_id = ?1",
            )?
            .execute(params![clip.to_string(), reach.length_ms, reach.source_ms])?;
        Ok(())
    }

    /// Why a segment ended; the first word counts.
    pub fn segment_ended(&self, clip: ClipId, why: SegmentEnd, detail: &str) -> Result<()> {
        let detail = Some(detail).filter(|d| !d.is_empty());
        let n = self.conn.execute(
            "UPDATE segment SET ended = ?2, ended_detail = ?3 WHERE clip_id = ?1 AND ended IS NULL",
            params![clip.to_string(), why.as_str(), detail],
        )?;
        if n > 0 {
            let event = Draft::daemon(EventKind::SegmentEnded).clip(clip).fact("why", why.as_str());
            self.log(&match detail {
                Some(detail) => event.secret("reason", detail),
                None => event,
            })?;
            self.neighbours_stale(clip)?;
        }
        Ok(())
    }

    /// The records of the segments before and after a clip tell of it.
    pub(super) fn neighbours_stale(&self, clip: ClipId) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE clip SET record_stale = 1 WHERE clip_id IN (SELECT o.clip_id FROM segment s JOIN segment o
                   ON o.recording_id = s.recording_id AND o.segment_no BETWEEN s.segment_no - 1 AND s.segment_no + 1 WHERE s.clip_id = ?1)",
            )?
            .execute([clip.to_string()])?;
        Ok(())
    }

    /// Something is missing inside a clip, or a clock was set meanwhile.
    pub fn add_gap(&self, clip: ClipId, gap: &Gap) -> Result<()> {
        self.conn.execute(
            "INSERT INTO gap (clip_id, n, kind, from_ms, to_ms, missing_ms, count)
             VALUES (?1, (SELECT coalesce(max(n), 0) + 1 FROM gap WHERE clip_id = ?1), ?2, ?3, ?4, ?5, ?6)",
            params![clip.to_string(), gap.kind.as_str(), gap.from_ms, gap.to_ms, gap.missing_ms, gap.count as i64],
        )?;
        self.log(
            &Draft::daemon(EventKind::Gap)
                .clip(clip)
                .fact("kind", gap.kind.as_str())
                .fact("from_ms", gap.from_ms)
                .fact("to_ms", gap.to_ms)
                .fact("missing_ms", gap.missing_ms)
                .fact("count", gap.count),
        )?;
        self.stale(clip)
    }
}

impl Reader<'_> {
    /// Stretches of a recording of which nothing came, milliseconds from its first frame.
    pub(super) fn lost_in(&self, clip: ClipId) -> Result<Vec<(i64, i64)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT from_ms, to_ms FROM gap WHERE clip_id = ?1 AND kind IN ('loss', 'skip') ORDER BY from_ms",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    fn recordings_where(&self, condition: &str, params: impl rusqlite::Params) -> Result<Vec<RecordingRow>> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT {RECORDING} FROM recording WHERE {condition}"))?;
        let rows = statement.query_map(params, recording)?;
        rows.map(|row| row?).collect()
    }

    /// The recording of a stream that goes on.
    pub fn open_recording(&self, stream: &StreamName) -> Result<Option<RecordingRow>> {
        Ok(self.recordings_where("stream = ?1 AND ended IS NULL AND cause <> 'pull'", [stream.as_str()])?.pop())
    }

    /// Every recording that goes on, by stream.
    pub fn open_recordings(&self) -> Result<Vec<RecordingRow>> {
        self.recordings_where("ended IS NULL AND cause <> 'pull' ORDER BY stream", [])
    }

    /// The newest recordings of live streams, newest first.
    pub fn recordings(&self, limit: u32) -> Result<Vec<RecordingRow>> {
        self.recordings_where("cause <> 'pull' ORDER BY begun_ms DESC, recording_id DESC LIMIT ?1", [limit])
    }

    /// When a recording was begun; of one that is fetched, the begin of what its recorder lists on the station's clock.
    pub fn recording_begun(&self, id: RecordingId) -> Result<i64> {
        let sql = "SELECT begun_ms FROM recording WHERE recording_id = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([id.to_string()], |r| r.get(0))?)
    }

    /// The recording of which a clip is a segment.
    pub fn recording_of(&self, clip: ClipId) -> Result<Option<RecordingRow>> {
        let id = "recording_id = (SELECT recording_id FROM segment WHERE clip_id = ?1)";
        Ok(self.recordings_where(id, [clip.to_string()])?.pop())
    }

    /// The segments of a recording, in order.
    pub fn segments(&self, id: RecordingId) -> Result<Vec<SegmentRow>> {
        let sql = format!("SELECT {SEGMENT} FROM segment s WHERE s.recording_id = ?1 ORDER BY s.segment_no");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([id.to_string()], segment)?;
        rows.map(|row| row?).collect()
    }

    /// A clip as a segment, where it is one.
    pub fn segment(&self, clip: ClipId) -> Result<Option<SegmentRow>> {
        self.conn
            .prepare_cached(&format!("SELECT {SEGMENT} FROM segment s WHERE s.clip_id = ?1"))?
            .query_row([clip.to_string()], segment)
            .optional()?
            .transpose()
    }

    fn segment_at(&self, id: RecordingId, segment_no: u32) -> Result<Option<SegmentRow>> {
        self.conn
            .prepare_cached(&format!(
                "SELECT {SEGMENT} FROM segment s WHERE s.recording_id = ?1 AND s.segment_no = ?2"
            ))?
            .query_row(params![id.to_string(), segment_no], segment)
            .optional()?
            .transpose()
    }

    pub(super) fn gaps(&self, clip: ClipId) -> Result<Vec<Gap>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT kind, from_ms, to_ms, missing_ms, count FROM gap WHERE clip_id = ?1 ORDER BY from_ms, n",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get::<_, i64>(4)?))
        })?;
        rows.map(|row| {
            let (kind, from_ms, to_ms, missing_ms, count) = row?;
            let kind = GapKind::parse(&kind).ok_or_else(|| StoreError::Odd(format!("gap {kind:?}")))?;
            Ok(Gap { kind, from_ms, to_ms, missing_ms, count: count as u64 })
        })
        .collect()
    }

    /// Where a clip stands in its recording, and everything that is missing in it and beside it; each gap is told by
    /// exactly one clip: what lies between two segments by the later one.
    pub fn published_segment(
        &self,
        clip: ClipId,
        zone: &jiff::tz::TimeZone,
    ) -> Result<Option<(PublishedSegment, Vec<PublishedGap>)>> {
        let (Some(this), Some(rec)) = (self.segment(clip)?, self.recording_of(clip)?) else { return Ok(None) };
        let time = |ms: i64| UtcMs(ms).rfc3339_in(zone);
        let listed = match rec.asked.cause {
            Cause::Pull => self.listed_of(rec.id)?,
            _ => None,
        };
        // A recorder's list says to the second what there is; a camera takes its time until it sends anything.
        let edge_ms = if rec.asked.cause == Cause::Pull { EDGE_MS } else { IDLE_MS };
        let previous = self.segment_at(rec.id, this.segment_no - 1)?;
        let next = self.segment_at(rec.id, this.segment_no + 1)?;
        let mut gaps = Vec::new();
        let outside = |kind: GapKind, from: i64, missing_ms: i64, why: Option<SegmentEnd>| PublishedGap {
            kind: kind.as_str().to_owned(),
            start: time(from),
            end: time(from + missing_ms),
            from_ms: None,
            missing_ms,
            count: 0,
            reason: why.map(|w| w.as_str().to_owned()),
        };
        match &previous {
            Some(previous) => {
                let missing_ms = between(previous, &this);
                if missing_ms >= APART_MS {
                    gaps.push(outside(GapKind::Between, this.station_ms - missing_ms, missing_ms, previous.ended));
                } else if listed.is_some()
                    && missing_ms <= -AGAIN_MS
                    && -missing_ms < this.length_ms
                    && this.station_ms > previous.station_ms
                {
                    let again = outside(GapKind::Again, this.station_ms, -missing_ms, previous.ended);
                    gaps.push(PublishedGap { from_ms: Some(0), ..again });
                }
            }
            None if this.station_ms - rec.begun_ms >= edge_ms => {
                gaps.push(outside(GapKind::Start, rec.begun_ms, this.station_ms - rec.begun_ms, None));
            }
            None => {}
        }
        gaps.extend(self.gaps(clip)?.into_iter().map(|gap| PublishedGap {
            kind: gap.kind.as_str().to_owned(),
            start: time(this.station_ms + gap.from_ms),
            end: time(this.station_ms + gap.to_ms),
            from_ms: Some(gap.from_ms),
            missing_ms: gap.missing_ms,
            count: gap.count,
            reason: None,
        }));
        let end_ms = this.station_ms + this.length_ms;
        // What a recorder lists is missing as long as it is not here, whether somebody still asks for it or not.
        let ended_ms = match &listed {
            Some(l) if l.held.iter().all(|h| rec.begun_ms + h.at_ms + h.length_ms <= end_ms + APART_MS) => {
                Some(rec.begun_ms + l.span.length_ms())
            }
            Some(_) => None,
            None if next.is_none() => rec.ended_ms,
            None => None,
        };
        if let (Some(ended_ms), Some(_)) = (ended_ms, this.ended)
            && ended_ms - end_ms >= edge_ms
        {
            gaps.push(outside(GapKind::End, end_ms, ended_ms - end_ms, this.ended));
        }
        let segment = PublishedSegment {
            recording_id: rec.id.to_string(),
            segment_no: this.segment_no,
            previous: previous.map(|s| s.clip.to_string()),
            next: next.map(|s| s.clip.to_string()),
            stream: rec.asked.stream.to_string(),
            room: rec.asked.room,
            cause: rec.asked.cause.as_str().to_owned(),
            begun_at: time(rec.begun_ms),
            ended_at: rec.ended_ms.map(time),
            station_start: time(this.station_ms),
            source_start: this.source_ms.map(time),
            ended: this.ended.map(|w| w.as_str().to_owned()),
            ended_detail: this.ended_detail,
            listed: listed.map(|l| l.published(zone)),
        };
        Ok(Some((segment, gaps)))
    }
}

/// Footage that is missing between two segments: by the camera's clock where both know it and it was not set meanwhile,
/// since it does not see the network; else by the station's.
fn between(previous: &SegmentRow, this: &SegmentRow) -> i64 {
    let station_ms = this.station_ms - previous.station_ms - previous.length_ms;
    let source_ms = previous.source_ms.zip(this.source_ms).map(|(before, now)| now - before - previous.length_ms);
    // The two differ by what the network delays, and no more.
    source_ms.filter(|ms| (ms - station_ms).abs() < 2_000).unwrap_or(station_ms)
}

#[cfg(test)]
mod tests;
