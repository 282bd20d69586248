//! What giving space on a recorder back needs: the facts of each file in a dock, and each step with its event.
//! Decides nothing: that is `domain::erase`.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, StoreError, Tx, digest32};
use crate::domain::clip::{Delivery, Local, SightingState};
use crate::domain::digest::Blake3;
use crate::domain::erase::{Anchors, Refusal, RemoteCopy};
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::{ClipId, RecorderId, StationId};
use crate::domain::layout;
use crate::domain::recorder::SourcePath;
use crate::domain::why::Why;

/// A file on a recorder, with all that is stored about it.
#[derive(Debug, Clone)]
pub struct ErasableRow {
    /// The sighting.
    pub sighting: i64,
    /// Its clip.
    pub clip: ClipId,
    /// Where it stands on the recorder.
    pub path: SourcePath,
    /// As it was listed when it was taken, bytes.
    pub size_bytes: u64,
    /// As it was listed then.
    pub modified_raw: String,
    /// The facet.
    pub state: SightingState,
    /// Position in the log of the intent that stands.
    pub intent_seq: Option<u64>,
    /// What the profile said it is.
    pub role: String,
    /// The local copy.
    pub local: Local,
    /// Sealed length.
    pub sealed_bytes: Option<u64>,
    /// Sealed digest.
    pub blake3: Option<Blake3>,
    /// When it was sealed, milliseconds since the Unix epoch.
    pub sealed_ms: Option<i64>,
    /// Our copy has holes.
    pub holes: bool,
    /// In quarantine, or isolated: either way a person decides.
    pub quarantined: bool,
    /// A hold stands.
    pub held: bool,
    /// Position in the log of the newest event that says that it is sealed or proven.
    pub proof_seq: Option<u64>,
    /// Copies at destinations.
    pub copies: Vec<RemoteCopy>,
}

impl Tx<'_> {
    /// These files are about to be erased: an event for each, all in this transaction. Gives their positions in the
    /// log, in order. From here on the recorder in this dock may not go.
    pub fn erase_intended(&self, dock: i64, sightings: &[i64]) -> Result<Vec<u64>> {
        self.dock_unsafe(dock)?;
        sightings.iter().map(|sighting| self.one_erase_intended(*sighting)).collect()
    }

    fn one_erase_intended(&self, sighting: i64) -> Result<u64> {
        let (clip, event) = self.about(sighting, EventKind::EraseIntended)?;
        let seq = self.log(&event)?;
        let n = self.conn.execute(
            "UPDATE sighting SET state = 'erase_intended', intent_seq = ?2, erase_note = NULL WHERE sighting_id = ?1 AND state = 'present'",
            params![sighting, seq as i64],
        )?;
        if n != 1 {
            return Err(StoreError::Conflict(Why::NotErasable { sighting }));
        }
        self.restate(clip)?;
        self.changed(Change::Clip(clip));
        Ok(seq)
    }

    /// A file was erased, or (`found`) was found gone after an intent that nobody saw carried out. Every sighting of the
    /// same clip, or of one that it superseded, at the same place of the same recorder was of this file.
    pub fn erased(&self, sighting: i64, found: bool) -> Result<()> {
        let (clip, event) = self.about(sighting, EventKind::Erased)?;
        let event = match found {
            true => event.fact("how", "found_gone_after_an_interrupted_erase"),
            false => event.fact("how", "erased_and_seen_gone"),
        };
        self.log(&event)?;
        let gone: Vec<ClipId> = self.read().clip_ids(
            "WITH RECURSIVE line (id) AS (SELECT clip_id FROM sighting WHERE sighting_id = ?1
               UNION SELECT c.supersedes FROM clip c JOIN line ON c.clip_id = line.id WHERE c.supersedes IS NOT NULL)
             UPDATE sighting SET state = 'erased', erased_ms = ?2, intent_seq = NULL, erase_note = NULL
             WHERE state IN ('present', 'erase_intended') AND clip_id IN (SELECT id FROM line)
               AND recorder_id = (SELECT recorder_id FROM sighting WHERE sighting_id = ?1) AND path = (SELECT path FROM sighting WHERE sighting_id = ?1)
             RETURNING clip_id",
            params![sighting, self.now_ms()],
        )?;
        for of in gone.into_iter().chain([clip]) {
            self.restate(of)?;
            // Its record tells it.
            self.stale(of)?;
        }
        self.changed(Change::Docks);
        Ok(())
    }

    /// An intent is taken back: the file stays, or another one stands in its place.
    pub fn erase_withdrawn(&self, sighting: i64, why: &Refusal) -> Result<()> {
        let (clip, event) = self.about(sighting, EventKind::EraseWithdrawn)?;
        // What the intent was about is no longer there, and we did not take it away.
        let state = if *why == Refusal::Replaced { SightingState::Gone } else { SightingState::Present };
        let n = self.conn.execute(
            "UPDATE sighting SET state = ?2, intent_seq = NULL, erase_note = ?3 WHERE sighting_id = ?1 AND state = 'erase_intended'",
            params![sighting, state.as_str(), why.code()],
        )?;
        if n > 0 {
            self.log(&event.fact("why", why.code()).outcome("refused"))?;
            self.restate(clip)?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }

    /// A file was read again and is not what was sealed: logged, since it means that one of two readings was wrong or
    /// that somebody changed it. Nothing else changes.
    pub fn erase_refused(&self, sighting: i64, why: &Refusal, detail: &str) -> Result<()> {
        let (clip, event) = self.about(sighting, EventKind::EraseWithdrawn)?;
        self.conn
            .execute("UPDATE sighting SET erase_note = ?2 WHERE sighting_id = ?1", params![sighting, why.code()])?;
        self.log(&event.fact("why", why.code()).secret("detail", detail).outcome("failed"))?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// The clip of a sighting, and an event that names the file by all that identifies it.
    fn about(&self, sighting: i64, kind: EventKind) -> Result<(ClipId, Draft)> {
        type Row = (String, String, i64, Vec<u8>, i64, Option<Vec<u8>>, Option<i64>);
        let found: Option<Row> = self
            .conn
            .prepare_cached(
                "SELECT s.clip_id, s.recorder_id, s.dock_id, s.path, s.size_bytes, c.blake3, s.intent_seq FROM sighting s JOIN clip c USING (clip_id) WHERE s.sighting_id = ?1",
            )?
            .query_row([sighting], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?))
            })
            .optional()?;
        let Some((clip, recorder, dock, path, size, blake3, intent)) = found else {
            return Err(StoreError::NotFound(Why::NoSighting { sighting }));
        };
        let clip: ClipId = clip.parse()?;
        let event = Draft::daemon(kind)
            .clip(clip)
            .fact("sighting", sighting)
            .fact("recorder", recorder)
            .fact("dock", dock)
            .fact("size_bytes", size)
            .fact("blake3", blake3.map(digest32).transpose()?.map(|d| Blake3(d).to_string()))
            .fact("intent", intent)
            .secret("path", SourcePath::new(path).to_text());
        Ok((clip, event))
    }
}

impl Reader<'_> {
    /// The files of a dock that are on its recorder as far as is known, and those of an earlier stay of the same
    /// recorder for which an intent stands. Another stay that goes on settles its own intents; and two recorders that
    /// are known by their bay alone may be different ones.
    pub fn erasable(&self, dock: i64, recorder: &RecorderId) -> Result<Vec<ErasableRow>> {
        let copies = self.remote_copies(dock, recorder)?;
        let mut statement = self.conn.prepare_cached(
            "SELECT s.sighting_id, s.clip_id, s.path, s.size_bytes, s.modified_raw, s.state, s.intent_seq, c.role, c.local, c.size_bytes, c.blake3, c.sealed_ms,
               c.holes <> '[]', c.quarantine IS NOT NULL OR c.isolated_ms IS NOT NULL, EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = c.clip_id AND h.released_ms IS NULL),
               (SELECT max(e.seq) FROM log_entry e WHERE e.clip_id = c.clip_id AND e.kind IN ('clip.sealed', 'delivery.proven'))
             FROM sighting s JOIN clip c USING (clip_id)
             WHERE (s.dock_id = ?1 AND s.state IN ('present', 'erase_intended')) OR (s.recorder_id = ?2 AND s.state = 'erase_intended'
               AND EXISTS (SELECT 1 FROM dock d WHERE d.dock_id = s.dock_id AND d.closed_ms IS NOT NULL AND d.identified <> 'bay')
               AND EXISTS (SELECT 1 FROM dock d WHERE d.dock_id = ?1 AND d.identified <> 'bay'))
             ORDER BY s.sighting_id",
        )?;
        let rows = statement.query_map(params![dock, recorder.as_str()], |r| {
            Ok((
                (r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, Vec<u8>>(2)?, r.get::<_, i64>(3)?),
                (r.get::<_, String>(4)?, r.get::<_, String>(5)?, r.get::<_, Option<i64>>(6)?, r.get::<_, String>(7)?),
                (r.get::<_, String>(8)?, r.get::<_, Option<i64>>(9)?, r.get::<_, Option<Vec<u8>>>(10)?),
                (r.get::<_, Option<i64>>(11)?, r.get::<_, bool>(12)?, r.get::<_, bool>(13)?, r.get::<_, bool>(14)?),
                r.get::<_, Option<i64>>(15)?,
            ))
        })?;
        rows.map(|row| {
            let (
                (sighting, clip, path, size),
                (modified_raw, state, intent_seq, role),
                (local, sealed_bytes, blake3),
                (sealed_ms, holes, quarantined, held),
                proof_seq,
            ) = row?;
            let odd = |what: &str| StoreError::Odd(format!("state {what:?}"));
            let clip: ClipId = clip.parse()?;
            Ok(ErasableRow {
                sighting,
                clip,
                path: SourcePath::new(path),
                size_bytes: size as u64,
                modified_raw,
                state: SightingState::parse(&state).ok_or_else(|| odd(&state))?,
                intent_seq: intent_seq.map(|s| s as u64),
                role,
                local: Local::parse(&local).ok_or_else(|| odd(&local))?,
                sealed_bytes: sealed_bytes.map(|b| b as u64),
                blake3: blake3.map(digest32).transpose()?.map(Blake3),
                sealed_ms,
                holes,
                quarantined,
                held,
                proof_seq: proof_seq.map(|s| s as u64),
                // The same clip can be there twice, under two paths.
                copies: copies.get(&clip).cloned().unwrap_or_default(),
            })
        })
        .collect()
    }

    fn remote_copies(&self, dock: i64, recorder: &RecorderId) -> Result<BTreeMap<ClipId, Vec<RemoteCopy>>> {
        // A destination that was never probed is not known to be elsewhere, and so does not count (invariant 3).
        let mut statement = self.conn.prepare_cached(
            "SELECT d.clip_id, d.destination, d.required, t.probed_ms IS NOT NULL AND t.same_device = 0, d.state, d.proven_ms
             FROM delivery d LEFT JOIN destination t ON t.name = d.destination
             WHERE d.clip_id IN (SELECT clip_id FROM sighting WHERE dock_id = ?1 OR (recorder_id = ?2 AND state = 'erase_intended'))
             ORDER BY d.clip_id, d.destination",
        )?;
        let rows = statement.query_map(params![dock, recorder.as_str()], |r| {
            Ok((
                r.get::<_, String>(0)?,
                RemoteCopy {
                    destination: r.get(1)?,
                    required: r.get(2)?,
                    off_box: r.get::<_, Option<bool>>(3)?.unwrap_or(false),
                    proven_ms: r.get(5)?,
                },
                r.get::<_, String>(4)?,
            ))
        })?;
        let mut copies: BTreeMap<ClipId, Vec<RemoteCopy>> = BTreeMap::new();
        for row in rows {
            let (clip, mut copy, state) = row?;
            copy.proven_ms = copy.proven_ms.filter(|_| Delivery::parse(&state) == Some(Delivery::Proven));
            copies.entry(clip.parse()?).or_default().push(copy);
        }
        Ok(copies)
    }

    /// How far the log is signed, and how far it is in somebody else's hands.
    pub fn anchors(&self) -> Result<Anchors> {
        let epoch = self.epoch()?;
        let signed = self.last_checkpoint()?.filter(|c| c.epoch == epoch).map_or(0, |c| c.size);
        let station: String = self.conn.query_row("SELECT station_id FROM station", [], |r| r.get(0))?;
        let station = StationId::new(&station)?;
        // Keys end with the size, padded with zeros: their order is that of the sizes.
        let (first, last) =
            (layout::checkpoint(&station, epoch, 0), layout::checkpoint(&station, epoch, 999_999_999_999));
        let mut statement = self.conn.prepare_cached(
            "SELECT (SELECT o.key FROM outbox o WHERE o.destination = t.name AND o.key BETWEEN ?1 AND ?2 AND o.kind = 'checkpoint' AND o.stored_ms IS NOT NULL
                     ORDER BY o.key DESC LIMIT 1)
             FROM destination t WHERE t.probed_ms IS NOT NULL AND t.same_device = 0",
        )?;
        let keys = statement.query_map([first, last], |r| r.get::<_, Option<String>>(0))?;
        let mut stored = 0;
        for key in keys {
            let size = key?.and_then(|k| k.rsplit('/').next().and_then(|s| s.parse().ok()));
            stored = stored.max(size.unwrap_or(0));
        }
        Ok(Anchors { signed, stored })
    }

    /// Whether one of these destinations is known to be off this box, so that a checkpoint can be in somebody else's hands.
    pub fn anchors_elsewhere(&self, names: &[String]) -> Result<bool> {
        let mut statement =
            self.conn.prepare_cached("SELECT name FROM destination WHERE probed_ms IS NOT NULL AND same_device = 0")?;
        let off_box = statement.query_map([], |r| r.get::<_, String>(0))?;
        for name in off_box {
            if names.contains(&name?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
