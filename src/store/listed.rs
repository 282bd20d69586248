//! What recorders in the network list, the recordings in which it is fetched, and what is still missing of each.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::clip::Local;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::{RecorderId, RecordingId};
use crate::domain::replay::{Held, Kept, Span, SpanState, StoredSpan, TRIES, Timeline};
use crate::domain::stream::{Cause, GapKind, RecordingEnd};

/// Footage that nothing dates, as it is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// As what it is kept.
    pub item: String,
    /// How far it goes.
    pub to_ms: i64,
    /// Its mark.
    pub mark: Option<String>,
}

const LISTED: &str =
    "listed_id, recorder_id, item, from_ms, to_ms, timeline, grows, state, recording_id, tries, detail";

fn listed(r: &Row<'_>) -> rusqlite::Result<Result<StoredSpan>> {
    let (recorder, item, timeline, state): (String, String, String, String) =
        (r.get(1)?, r.get(2)?, r.get(5)?, r.get(7)?);
    let recording: Option<String> = r.get(8)?;
    let (id, from_ms, to_ms, grows) = (r.get(0)?, r.get(3)?, r.get(4)?, r.get(6)?);
    let (tries, detail) = (r.get(9)?, r.get(10)?);
    let odd = |what: &str| StoreError::Odd(format!("listed {what:?}"));
    Ok((|| {
        Ok(StoredSpan {
            id,
            recorder: RecorderId::new(&recorder)?,
            span: Span { item, from_ms, to_ms, grows },
            timeline: Timeline::parse(&timeline).ok_or_else(|| odd(&timeline))?,
            state: SpanState::parse(&state).ok_or_else(|| odd(&state))?,
            recording: recording.map(|id| id.parse()).transpose()?,
            tries,
            detail,
            held: Vec::new(),
        })
    })())
}

impl Tx<'_> {
    /// What a recorder lists now. What it listed before and no longer does stays as it was.
    pub fn listed(&self, recorder: &RecorderId, timeline: Timeline, spans: &[Span]) -> Result<()> {
        let known = self.read().listed_spans(recorder)?;
        for span in spans {
            let before = known.iter().find(|k| k.span.item == span.item && k.span.from_ms == span.from_ms);
            self.conn
                .prepare_cached(
                    "INSERT INTO listed (recorder_id, item, from_ms, to_ms, timeline, grows, first_seen_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                     ON CONFLICT (recorder_id, item, from_ms) DO UPDATE SET to_ms = max(to_ms, excluded.to_ms), grows = excluded.grows, last_seen_ms = excluded.last_seen_ms",
                )?
                .execute(params![
                    recorder.as_str(),
                    span.item,
                    span.from_ms,
                    span.to_ms,
                    timeline.as_str(),
                    span.grows,
                    self.now_ms()
                ])?;
            if let Some(before) = before
                && before.span.to_ms < span.to_ms
            {
                // It went on: what was all of it is so no longer.
                self.conn.execute(
                    "UPDATE listed SET state = 'waiting', tries = 0, detail = NULL WHERE listed_id = ?1",
                    [before.id],
                )?;
                before.recording.map_or(Ok(()), |id| self.segments_stale(id))?;
            }
        }
        Ok(())
    }

    /// By what footage that nothing dates is known again; nothing where it cannot be.
    pub fn mark(&self, recorder: &RecorderId, span: &Span, mark: Option<&str>) -> Result<()> {
        self.conn.execute(
            "UPDATE listed SET mark = ?4 WHERE recorder_id = ?1 AND item = ?2 AND from_ms = ?3",
            params![recorder.as_str(), span.item, span.from_ms, mark],
        )?;
        Ok(())
    }

    /// Fetching a span begins; gives the recording in which its footage lies. `offset_ms` is the recorder's clock minus
    /// the station's, and holds for all of it from now on.
    pub fn begin_pull(
        &self,
        listed: i64,
        stream: &str,
        bay: &str,
        offset_ms: i64,
        actor: &Actor,
    ) -> Result<RecordingId> {
        let span = self.read().listed_span(listed)?;
        if let Some(id) = span.recording {
            return Ok(id);
        }
        let id = RecordingId::generate(self.now_ms());
        let begun_ms = match span.timeline {
            Timeline::Clock => span.span.from_ms - offset_ms,
            // Nothing tells when it was: the order of its segments is all that their times stand for.
            Timeline::Npt => self.now_ms(),
        };
        self.conn.execute(
            "INSERT INTO recording (recording_id, stream, room, cause, begun_by, begun_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id.to_string(), stream, bay, Cause::Pull.as_str(), format!("{}:{}", actor.kind, actor.id), begun_ms],
        )?;
        self.conn
            .execute("UPDATE listed SET recording_id = ?2 WHERE listed_id = ?1", params![listed, id.to_string()])?;
        let event = Draft::by(EventKind::RecordingBegun, actor.clone(), "daemon")
            .fact("recording", id.to_string())
            .fact("stream", stream)
            .fact("cause", Cause::Pull.as_str())
            .fact("recorder", span.recorder.as_str())
            .fact("listed_from_ms", span.span.from_ms)
            .fact("listed_to_ms", span.span.to_ms)
            .fact("clock_offset_ms", offset_ms)
            .secret("item", span.span.item.as_str());
        self.log(&event)?;
        self.changed(Change::Recordings);
        Ok(id)
    }

    /// A try at a span ended. `fresh` says that it brought something, `detail` why it ended before its end. Gives the span
    /// as it is now.
    pub fn pull_tried(&self, listed: i64, fresh: bool, detail: Option<&str>) -> Result<StoredSpan> {
        let before = self.read().listed_span(listed)?;
        let tries = if fresh { 0 } else { before.tries + 1 };
        let missing = before.missing();
        let state = match missing.is_empty() {
            true => SpanState::Whole,
            false if tries >= TRIES => SpanState::Short,
            false => SpanState::Waiting,
        };
        let detail = detail.filter(|_| state != SpanState::Whole);
        self.conn.execute(
            "UPDATE listed SET tries = ?2, detail = ?3, state = ?4 WHERE listed_id = ?1",
            params![listed, tries, detail, state.as_str()],
        )?;
        if let Some(id) = before.recording {
            if state != SpanState::Waiting && state != before.state {
                self.end_pull(id, &before, state)?;
            }
            self.segments_stale(id)?;
        }
        self.changed(Change::Docks);
        self.read().listed_span(listed)
    }

    fn end_pull(&self, id: RecordingId, span: &StoredSpan, state: SpanState) -> Result<()> {
        let how = if state == SpanState::Whole { RecordingEnd::Whole } else { RecordingEnd::Short };
        self.conn.execute(
            "UPDATE recording SET ended = ?2, ended_by = 'daemon:evidock', ended_ms = begun_ms + ?3 WHERE recording_id = ?1",
            params![id.to_string(), how.as_str(), span.span.length_ms()],
        )?;
        self.log(
            &Draft::daemon(EventKind::RecordingEnded)
                .fact("recording", id.to_string())
                .fact("recorder", span.recorder.as_str())
                .fact("why", how.as_str())
                .fact("missing_ms", span.missing_ms()),
        )?;
        self.changed(Change::Recordings);
        Ok(())
    }

    /// A person asks for spans that were given up.
    pub fn pull_again(&self, recorder: &RecorderId) -> Result<usize> {
        Ok(self.conn.execute(
            "UPDATE listed SET state = 'waiting', tries = 0 WHERE recorder_id = ?1 AND state = 'short'",
            [recorder.as_str()],
        )?)
    }
}

impl Reader<'_> {
    fn held(&self, id: RecordingId) -> Result<Vec<Held>> {
        let begun_ms = self.recording_begun(id)?;
        let mut held = Vec::new();
        for s in self.segments(id)? {
            let clip = self.clip(s.clip)?;
            let kept = match clip.local {
                Local::Sealed | Local::Evicted => Kept::Sealed,
                Local::Copying if clip.quarantine.is_none() => Kept::Unsealed,
                Local::Copying | Local::Damaged => Kept::Lost,
            };
            let piece = |from: i64, to: i64| Held {
                clip: s.clip,
                at_ms: s.station_ms - begun_ms + from,
                length_ms: to - from,
                ended: s.ended,
                kept,
            };
            // What never came is not here, though the segment goes on behind it.
            let mut from = 0;
            for gap in self.gaps(s.clip)?.into_iter().filter(|g| g.kind == GapKind::Loss && g.to_ms > g.from_ms) {
                held.push(piece(from, gap.from_ms.min(s.length_ms).max(from)));
                from = gap.to_ms.max(from);
            }
            held.push(piece(from, s.length_ms.max(from)));
        }
        Ok(held)
    }

    fn listed_where(&self, condition: &str, params: impl rusqlite::Params) -> Result<Vec<StoredSpan>> {
        let sql = format!("SELECT {LISTED} FROM listed WHERE {condition} ORDER BY from_ms, item");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params, listed)?;
        let mut spans = rows.map(|row| row?).collect::<Result<Vec<StoredSpan>>>()?;
        for span in &mut spans {
            span.held = span.recording.map_or(Ok(Vec::new()), |id| self.held(id))?;
        }
        Ok(spans)
    }

    /// Everything that a recorder ever listed, oldest first, with what is here of it.
    pub fn listed_spans(&self, recorder: &RecorderId) -> Result<Vec<StoredSpan>> {
        self.listed_where("recorder_id = ?1", [recorder.as_str()])
    }

    /// Footage of a recorder that nothing dates, whose name begins so; that of the newest stay first.
    pub fn marked(&self, recorder: &RecorderId, base: &str) -> Result<Vec<Marked>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT item, to_ms, mark FROM listed WHERE recorder_id = ?1 AND timeline = 'npt' AND substr(item, 1, length(?2)) = ?2
             ORDER BY last_seen_ms DESC, listed_id DESC",
        )?;
        let rows = statement.query_map([recorder.as_str(), base], |r| {
            Ok(Marked { item: r.get(0)?, to_ms: r.get(1)?, mark: r.get(2)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// One span.
    pub fn listed_span(&self, listed: i64) -> Result<StoredSpan> {
        let found = self.listed_where("listed_id = ?1", [listed])?.pop();
        found.ok_or_else(|| StoreError::Odd(format!("no span {listed}")))
    }

    /// The span that is fetched in a recording.
    pub fn listed_of(&self, id: RecordingId) -> Result<Option<StoredSpan>> {
        Ok(self.listed_where("recording_id = ?1", [id.to_string()])?.pop())
    }

    /// The recorder that was last read under this name of the configuration.
    pub fn pulled_as(&self, stream: &str) -> Result<Option<RecorderId>> {
        let id: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT l.recorder_id FROM listed l JOIN recording r USING (recording_id) WHERE r.stream = ?1 ORDER BY l.last_seen_ms DESC LIMIT 1",
            )?
            .query_row([stream], |r| r.get(0))
            .optional()?;
        Ok(id.map(|id| RecorderId::new(&id)).transpose()?)
    }
}
