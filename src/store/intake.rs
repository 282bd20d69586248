//! Clips and sightings: what intake needs, each change with its event.

use rusqlite::{OptionalExtension, Row, params};

use super::delivery::PartRow;
use super::{Change, Reader, Result, StoreError, Tx, digest32};
use crate::domain::clip::Local;
use crate::domain::digest::{Blake3, Crc64, Sha256, Sm3};
use crate::domain::event::{Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::record::Hole;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::stream::SegmentStart;
use crate::domain::why::Why;

/// A clip that is about to be copied.
#[derive(Debug, Clone)]
pub struct NewClip {
    /// Its identity.
    pub clip: ClipId,
    /// Whose.
    pub recorder: RecorderId,
    /// The dock; `None` for pushed clips.
    pub dock: Option<i64>,
    /// What the listing says; for a pushed clip what the source says.
    pub entry: ShelfEntry,
    /// Whether the listing's length is known (streams have none).
    pub declared_bytes: Option<u64>,
    /// `clip`, `sidecar`, `log` or `other`, as the profile says.
    pub role: &'static str,
    /// How it was marked.
    pub importance: Importance,
    /// How it is cut.
    pub grid: PartGrid,
    /// JSON of what the file's name, sidecars and binding say; opaque to this room.
    pub evidence: String,
    /// It is the next segment of this recording.
    pub segment: Option<SegmentStart>,
}

/// A clip as stored.
#[derive(Debug, Clone)]
pub struct ClipRow {
    /// Identity.
    pub clip: ClipId,
    /// Whose.
    pub recorder: String,
    /// On the recorder.
    pub path: SourcePath,
    /// The local facet.
    pub local: Local,
    /// As listed.
    pub declared_bytes: Option<u64>,
    /// The recorder's own time.
    pub modified_raw: String,
    /// Our reading of it.
    pub modified_ms: Option<i64>,
    /// `clip`, `sidecar`, `log` or `other`.
    pub role: String,
    /// Marked on the recorder.
    pub importance: Importance,
    /// How it is cut.
    pub grid: PartGrid,
    /// Synced so far.
    pub durable_bytes: u64,
    /// BLAKE3 of that prefix.
    pub durable_blake3: Option<Blake3>,
    /// Final length.
    pub size_bytes: Option<u64>,
    /// Final digest.
    pub blake3: Option<Blake3>,
    /// Final digest.
    pub sha256: Option<Sha256>,
    /// Final digest, where the configuration asked for it.
    pub sm3: Option<Sm3>,
    /// When it was sealed.
    pub sealed_ms: Option<i64>,
    /// Position of the sealing event.
    pub sealed_seq: Option<u64>,
    /// The earlier clip that it replaces.
    pub supersedes: Option<ClipId>,
    /// Why it is in quarantine.
    pub quarantine: Option<String>,
    /// Newest record revision.
    pub record_rev: u32,
    /// Facts changed since.
    pub record_stale: bool,
    /// When its identity was committed.
    pub created_ms: i64,
    /// Places that its recorder could not give, in order.
    pub holes: Vec<Hole>,
    /// `sampled` where it went on from an earlier dock.
    pub resume_check: Option<String>,
    /// Since when it is isolated as suspected classified, milliseconds since the Unix epoch.
    pub isolated_ms: Option<i64>,
    /// Disposed of after appraisal since then, milliseconds since the Unix epoch: nothing of it is kept here.
    pub disposed_ms: Option<i64>,
}

impl ClipRow {
    /// Only recordings owe the five facts; a recorder's logs and sidecars are evidence without them.
    pub fn owes_facts(&self) -> bool {
        matches!(self.role.as_str(), "clip" | "other")
    }

    /// By its name the recorder meant it as video, sound or a picture.
    pub fn is_footage(&self) -> bool {
        self.role == "clip"
    }
}

/// A clip whose file stands in the vault, verified.
#[derive(Debug, Clone)]
pub struct SealedClip {
    /// Identity.
    pub clip: ClipId,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest.
    pub blake3: Blake3,
    /// Digest.
    pub sha256: Sha256,
    /// Digest, where the configuration asked for it.
    pub sm3: Option<Sm3>,
    /// Every part, in order.
    pub parts: Vec<PartRow>,
    /// The clip with whose file it shares bytes on disk.
    pub shares: Option<ClipId>,
    /// The earlier clip that it supersedes, when the file grew.
    pub supersedes: Option<ClipId>,
    /// Copies of the same path that were interrupted, and whether all that they had is in this clip.
    pub leftovers: Vec<(ClipId, bool)>,
    /// Names of the destinations it goes to, and whether each is required.
    pub deliveries: Vec<(String, bool)>,
    /// Places that the recorder could not give, in order.
    pub holes: Vec<Hole>,
}

/// What sealing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedAs {
    /// A new clip.
    New(u64),
    /// It had been sealed before (a crash between the commit and our knowing of it).
    Already(u64),
}

const CLIP_COLUMNS: &str = "clip_id, recorder_id, path, local, declared_bytes, modified_raw, modified_ms, importance, grid_bytes, durable_bytes, \
     durable_blake3, size_bytes, blake3, sha256, sealed_ms, sealed_seq, supersedes, quarantine, record_rev, record_stale, created_ms, role, holes, resume_check, isolated_ms, disposed_ms, sm3";

fn read_holes(json: &str) -> Result<Vec<Hole>> {
    let pairs: Vec<(u64, u64)> =
        serde_json::from_str(json).map_err(|e| StoreError::Odd(format!("holes {json:?}: {e}")))?;
    Ok(pairs.into_iter().map(|(offset, bytes)| Hole { offset, bytes }).collect())
}

pub(super) fn write_holes(holes: &[Hole]) -> String {
    serde_json::json!(holes.iter().map(|h| (h.offset, h.bytes)).collect::<Vec<_>>()).to_string()
}

fn clip_row(r: &Row<'_>) -> rusqlite::Result<Result<ClipRow>> {
    let text: String = r.get(0)?;
    let supersedes: Option<String> = r.get(16)?;
    let digest = |column| r.get::<_, Option<Vec<u8>>>(column);
    let (durable, blake3, sha256, sm3) = (digest(10)?, digest(12)?, digest(13)?, digest(26)?);
    let local: String = r.get(3)?;
    let (recorder, path, declared, modified_raw, modified_ms) =
        (r.get(1)?, r.get::<_, Vec<u8>>(2)?, r.get::<_, Option<i64>>(4)?, r.get(5)?, r.get(6)?);
    let (importance, grid, durable_bytes, size) =
        (r.get::<_, i64>(7)?, r.get::<_, i64>(8)?, r.get::<_, i64>(9)?, r.get::<_, Option<i64>>(11)?);
    let (sealed_ms, sealed_seq, quarantine, rev, stale, created_ms) =
        (r.get(14)?, r.get::<_, Option<i64>>(15)?, r.get(17)?, r.get(18)?, r.get::<_, i64>(19)?, r.get(20)?);
    let role = r.get(21)?;
    let (holes, resume_check, isolated_ms) = (r.get::<_, String>(22)?, r.get(23)?, r.get(24)?);
    let disposed_ms = r.get(25)?;
    Ok((|| {
        Ok(ClipRow {
            clip: text.parse()?,
            recorder,
            path: SourcePath::new(path),
            local: Local::parse(&local).ok_or_else(|| StoreError::Odd(format!("local state {local:?}")))?,
            declared_bytes: declared.map(|b| b as u64),
            modified_raw,
            modified_ms,
            role,
            importance: if importance > 0 { Importance::Marked } else { Importance::Normal },
            grid: PartGrid::from_stored(grid as u64),
            durable_bytes: durable_bytes as u64,
            durable_blake3: durable.map(digest32).transpose()?.map(Blake3),
            size_bytes: size.map(|b| b as u64),
            blake3: blake3.map(digest32).transpose()?.map(Blake3),
            sha256: sha256.map(digest32).transpose()?.map(Sha256),
            sm3: sm3.map(digest32).transpose()?.map(Sm3),
            sealed_ms,
            sealed_seq: sealed_seq.map(|s| s as u64),
            supersedes: supersedes.map(|s| s.parse()).transpose()?,
            quarantine,
            record_rev: rev,
            record_stale: stale != 0,
            created_ms,
            holes: read_holes(&holes)?,
            resume_check,
            isolated_ms,
            disposed_ms,
        })
    })())
}

impl Tx<'_> {
    /// A clip gets its identity, before its first byte is copied (decision 1).
    pub fn new_clip(&self, new: &NewClip) -> Result<()> {
        if new.dock.is_none() {
            // A pushed clip's recorder may never have been docked.
            self.conn.execute(
                "INSERT INTO recorder (recorder_id, profile, first_seen_ms, last_seen_ms) VALUES (?1, 'push', ?2, ?2)
                 ON CONFLICT (recorder_id) DO UPDATE SET last_seen_ms = excluded.last_seen_ms",
                params![new.recorder.as_str(), self.now_ms()],
            )?;
        }
        self.conn.execute(
            "INSERT INTO clip (clip_id, recorder_id, dock_id, path, local, declared_bytes, modified_raw, modified_ms, importance, created_ms, grid_bytes, evidence, role)
             VALUES (?1, ?2, ?3, ?4, 'copying', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                new.clip.to_string(),
                new.recorder.as_str(),
                new.dock,
                new.entry.path.as_bytes(),
                new.declared_bytes.map(|b| b as i64),
                new.entry.modified_raw,
                new.entry.modified_ms,
                new.importance as i64,
                self.now_ms(),
                new.grid.to_stored() as i64,
                new.evidence,
                new.role,
            ],
        )?;
        self.reindex(new.clip)?;
        if let Some(dock) = new.dock {
            self.sight(new.clip, dock, &new.recorder, &new.entry, "copied")?;
        }
        let event = Draft::daemon(EventKind::ClipSeen)
            .clip(new.clip)
            .fact("recorder", new.recorder.as_str())
            .fact("declared_bytes", new.declared_bytes)
            .fact("modified_raw", new.entry.modified_raw.as_str())
            .secret("path", new.entry.path.to_text());
        self.log(&event)?;
        if let Some(start) = &new.segment {
            self.begin_segment(new.clip, start)?;
        }
        self.changed(Change::Clip(new.clip));
        Ok(())
    }

    fn sight(
        &self,
        clip: ClipId,
        dock: i64,
        recorder: &RecorderId,
        entry: &ShelfEntry,
        compared: &str,
    ) -> Result<bool> {
        let before = self.read().sighted(dock, entry)?.filter(|c| *c != clip);
        let n = self.conn.execute(
            "INSERT INTO sighting (clip_id, recorder_id, dock_id, path, size_bytes, modified_raw, state, compared, seen_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'present', ?7, ?8)
             ON CONFLICT (dock_id, path, size_bytes, modified_raw) DO UPDATE
               SET clip_id = excluded.clip_id, compared = excluded.compared, seen_ms = excluded.seen_ms WHERE clip_id <> excluded.clip_id",
            params![
                clip.to_string(),
                recorder.as_str(),
                dock,
                entry.path.as_bytes(),
                entry.size_bytes as i64,
                entry.modified_raw,
                compared,
                self.now_ms()
            ],
        )?;
        if n > 0 {
            self.restate(clip)?;
            before.map_or(Ok(()), |c| self.restate(c))?;
        }
        Ok(n > 0)
    }

    /// A clip that we have was seen again; `compared` is `sampled` or `full`.
    pub fn seen_again(
        &self,
        clip: ClipId,
        dock: i64,
        recorder: &RecorderId,
        entry: &ShelfEntry,
        compared: &str,
    ) -> Result<()> {
        if self.sight(clip, dock, recorder, entry, compared)? {
            self.log(&Draft::daemon(EventKind::SeenAgain).clip(clip).fact("dock", dock).fact("compared", compared))?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }

    /// A copy that an earlier dock began goes on at this one.
    pub fn resume_clip(&self, clip: ClipId, dock: i64, recorder: &RecorderId, entry: &ShelfEntry) -> Result<()> {
        self.conn.execute("UPDATE clip SET resume_check = 'sampled' WHERE clip_id = ?1", [clip.to_string()])?;
        if self.sight(clip, dock, recorder, entry, "copied")? {
            self.log(&Draft::daemon(EventKind::CopyResumed).clip(clip).fact("dock", dock).fact("compared", "sampled"))?;
        }
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// The `.part` file is durable up to `bytes`, and that prefix has this digest. Parts behind it are of bytes that may
    /// be gone, and must not go up.
    pub fn copied_durably(&self, clip: ClipId, bytes: u64, prefix: Blake3, parts: &[PartRow]) -> Result<()> {
        self.conn.execute(
            "UPDATE clip SET durable_bytes = ?2, durable_blake3 = ?3 WHERE clip_id = ?1 AND local = 'copying'",
            params![clip.to_string(), bytes as i64, prefix.as_bytes()],
        )?;
        self.conn.execute(
            "DELETE FROM clip_part WHERE clip_id = ?1 AND offset + len > ?2",
            params![clip.to_string(), bytes as i64],
        )?;
        if !parts.is_empty() {
            self.changed(Change::Clip(clip));
        }
        self.put_parts(clip, parts)
    }

    /// The recorder could not give these places of a clip that is being copied; our copy has zeros there.
    pub fn holes(&self, clip: ClipId, holes: &[Hole]) -> Result<()> {
        self.conn.execute(
            "UPDATE clip SET holes = ?2 WHERE clip_id = ?1 AND local = 'copying'",
            params![clip.to_string(), write_holes(holes)],
        )?;
        Ok(())
    }

    /// Stores digests of parts, those of the same number anew.
    pub fn put_parts(&self, clip: ClipId, parts: &[PartRow]) -> Result<()> {
        let mut insert = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO clip_part (clip_id, n, offset, len, sha256, crc64) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for part in parts {
            insert.execute(params![
                clip.to_string(),
                part.n as i64,
                part.offset as i64,
                part.len as i64,
                part.sha256.as_bytes(),
                // The same 64 bits: SQLite's numbers have a sign.
                part.crc64.map(|crc| crc.0 as i64)
            ])?;
        }
        Ok(())
    }

    /// The last step of sealing: the file stands in the vault under its name, verified and durable.
    pub fn seal(&self, sealed: &SealedClip) -> Result<SealedAs> {
        let row = self.read().clip(sealed.clip)?;
        if let (Local::Sealed, Some(seq)) = (row.local, row.sealed_seq) {
            return Ok(SealedAs::Already(seq));
        }
        let event = Draft::daemon(EventKind::Sealed)
            .clip(sealed.clip)
            .fact("size_bytes", sealed.size_bytes)
            .fact("blake3", sealed.blake3.to_string())
            .fact("sha256", sealed.sha256.to_string())
            .fact("recorder", row.recorder.as_str());
        let event = match sealed.sm3 {
            Some(sm3) => event.fact("sm3", sm3.to_string()),
            None => event,
        };
        let event = match sealed.shares {
            Some(of) => event.fact("shares", of.to_string()),
            None => event,
        };
        let event = match sealed.supersedes {
            Some(earlier) => event.fact("supersedes", earlier.to_string()),
            None => event,
        };
        let event = match sealed.holes.is_empty() {
            false => event.fact("holes", write_holes(&sealed.holes)),
            true => event,
        };
        let seq = self.log(&event)?;
        self.conn.execute("DELETE FROM clip_part WHERE clip_id = ?1", [sealed.clip.to_string()])?;
        self.put_parts(sealed.clip, &sealed.parts)?;
        self.conn.execute(
            "UPDATE clip SET local = 'sealed', size_bytes = ?2, blake3 = ?3, sha256 = ?4, sealed_ms = ?5, sealed_seq = ?6, shares = ?7, supersedes = ?8,
               durable_bytes = ?2, durable_blake3 = NULL, record_stale = 1, holes = ?9, sm3 = ?10 WHERE clip_id = ?1",
            params![
                sealed.clip.to_string(),
                sealed.size_bytes as i64,
                sealed.blake3.as_bytes(),
                sealed.sha256.as_bytes(),
                self.now_ms(),
                seq as i64,
                sealed.shares.map(|c| c.to_string()),
                sealed.supersedes.map(|c| c.to_string()),
                write_holes(&sealed.holes),
                sealed.sm3.map(|d| d.0),
            ],
        )?;
        self.settle_leftovers(&sealed.leftovers, sealed.clip)?;
        for (destination, required) in &sealed.deliveries {
            self.conn.execute(
                "INSERT INTO delivery (clip_id, destination, state, required) VALUES (?1, ?2, 'waiting', ?3) ON CONFLICT DO NOTHING",
                params![sealed.clip.to_string(), destination, required],
            )?;
        }
        self.isolate_if_alike(sealed.clip)?;
        self.hold_by_cases(sealed.clip)?;
        self.restate(sealed.clip)?;
        self.changed(Change::Clip(sealed.clip));
        self.changed(Change::Docks);
        Ok(SealedAs::New(seq))
    }

    /// Interrupted copies whose bytes are all in another clip are of no further use; one whose bytes are
    /// not may be the only copy of something, and waits for a person.
    fn settle_leftovers(&self, leftovers: &[(ClipId, bool)], newer: ClipId) -> Result<()> {
        for (clip, contained) in leftovers {
            if *contained {
                self.carry_isolation(*clip, newer)?;
                self.abandon(*clip, "the file grew; all that was copied is in the newer clip")?;
            } else {
                self.quarantine(
                    *clip,
                    "interrupted copy of a file that the recorder has replaced since; the bytes copied so far are kept",
                )?;
            }
        }
        Ok(())
    }

    /// Puts a clip under quarantine: nothing is done with it until a person has looked.
    pub fn quarantine(&self, clip: ClipId, reason: &str) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE clip SET quarantine = ?2 WHERE clip_id = ?1 AND quarantine IS NULL",
            params![clip.to_string(), reason],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Quarantine).clip(clip).secret("reason", reason))?;
            // What is under way ends, and what went up already is given up there.
            for (destination, _) in self.read().deliveries(clip)? {
                self.give_session_up(clip, &destination)?;
            }
            self.stale(clip)?;
        }
        Ok(())
    }

    /// What a quarantine of this reason was about is over. One of another reason stays.
    pub fn end_quarantine(&self, clip: ClipId, reason: &str) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE clip SET quarantine = NULL WHERE clip_id = ?1 AND quarantine = ?2",
            params![clip.to_string(), reason],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Quarantine).clip(clip).fact("step", "ended"))?;
            self.stale(clip)?;
        }
        Ok(())
    }

    /// A finished copy is the clip `of`, seen again: same recorder, path and digest (decision 1).
    pub fn duplicate(&self, copy: ClipId, of: ClipId, leftovers: &[(ClipId, bool)]) -> Result<()> {
        self.settle_leftovers(leftovers, of)?;
        self.carry_isolation(copy, of)?;
        self.conn.execute(
            "UPDATE sighting SET clip_id = ?2, compared = 'full' WHERE clip_id = ?1",
            params![copy.to_string(), of.to_string()],
        )?;
        self.log(
            &Draft::daemon(EventKind::Duplicate).clip(of).fact("copy", copy.to_string()).fact("compared", "full"),
        )?;
        self.conn.execute("DELETE FROM clip WHERE clip_id = ?1 AND local = 'copying'", [copy.to_string()])?;
        self.restate(of)?;
        self.changed(Change::Clip(of));
        self.changed(Change::Docks);
        Ok(())
    }

    /// A copy is given up before it was sealed; what it had copied is of no further use.
    pub fn abandon(&self, clip: ClipId, reason: &str) -> Result<()> {
        let n = self.conn.execute("DELETE FROM clip WHERE clip_id = ?1 AND local = 'copying'", [clip.to_string()])?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::CopyAbandoned).clip(clip).fact("reason", reason).outcome("failed"))?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }

    /// The local file is not what was sealed: nothing relies on it any more, a person must look.
    pub fn damaged(&self, clip: ClipId, detail: &str) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE clip SET local = 'damaged', quarantine = ?2, record_stale = 1 WHERE clip_id = ?1 AND local = 'sealed'",
            params![clip.to_string(), detail],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Damaged).clip(clip).fact("detail", detail).outcome("failed"))?;
            self.restate(clip)?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// One clip.
    pub fn clip(&self, clip: ClipId) -> Result<ClipRow> {
        self.conn
            .prepare_cached(&format!("SELECT {CLIP_COLUMNS} FROM clip WHERE clip_id = ?1"))?
            .query_row([clip.to_string()], clip_row)
            .optional()?
            .unwrap_or_else(|| Err(StoreError::NotFound(Why::NoClip { clip: clip.to_string() })))
    }

    fn clips_where(&self, condition: &str, params: impl rusqlite::Params) -> Result<Vec<ClipRow>> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("SELECT {CLIP_COLUMNS} FROM clip WHERE {condition} ORDER BY clip_id DESC"))?;
        let rows = statement.query_map(params, clip_row)?;
        rows.map(|row| row?).collect()
    }

    /// Clips ever taken from this path of this recorder, newest first.
    pub fn clips_at(&self, recorder: &RecorderId, path: &SourcePath) -> Result<Vec<ClipRow>> {
        self.clips_where("recorder_id = ?1 AND path = ?2", params![recorder.as_str(), path.as_bytes()])
    }

    /// Sealed clips with these bytes, newest first.
    pub fn clips_with(&self, blake3: Blake3) -> Result<Vec<ClipRow>> {
        self.clips_where("blake3 = ?1 AND local = 'sealed'", params![blake3.as_bytes()])
    }

    /// Copies that have not come to an end.
    pub fn copying(&self) -> Result<Vec<ClipRow>> {
        self.clips_where("local = 'copying'", [])
    }

    /// The clip that this very file (same dock, path, length and time) was seen as.
    pub fn sighted(&self, dock: i64, entry: &ShelfEntry) -> Result<Option<ClipId>> {
        let found: Option<String> = self
            .conn
            .prepare_cached("SELECT clip_id FROM sighting WHERE dock_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified_raw = ?4")?
            .query_row(params![dock, entry.path.as_bytes(), entry.size_bytes as i64, entry.modified_raw], |r| r.get(0))
            .optional()?;
        Ok(found.map(|s| s.parse()).transpose()?)
    }

    /// Files of this dock (path, length, raw time) whose clip is damaged: they are no longer in the vault.
    pub fn damaged_at(&self, dock: i64) -> Result<Vec<(SourcePath, u64, String)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.path, s.size_bytes, s.modified_raw FROM sighting s JOIN clip c USING (clip_id) WHERE s.dock_id = ?1 AND c.local = 'damaged'",
        )?;
        let rows = statement.query_map([dock], |r| {
            Ok((SourcePath::new(r.get::<_, Vec<u8>>(0)?), r.get::<_, i64>(1)? as u64, r.get(2)?))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The parts of a clip, in order.
    pub fn parts(&self, clip: ClipId) -> Result<Vec<PartRow>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT n, offset, len, sha256, crc64 FROM clip_part WHERE clip_id = ?1 ORDER BY n")?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok((
                r.get::<_, i64>(0)?,
                r.get::<_, i64>(1)?,
                r.get::<_, i64>(2)?,
                r.get::<_, Vec<u8>>(3)?,
                r.get::<_, Option<i64>>(4)?,
            ))
        })?;
        rows.map(|row| {
            let (n, offset, len, sha256, crc64) = row?;
            Ok(PartRow {
                n: n as u64,
                offset: offset as u64,
                len: len as u64,
                sha256: Sha256(digest32(sha256)?),
                crc64: crc64.map(|bits| Crc64(bits as u64)),
            })
        })
        .collect()
    }

    /// What the file's name, sidecars and binding said when the clip was seen (JSON).
    pub fn evidence(&self, clip: ClipId) -> Result<String> {
        Ok(self
            .conn
            .prepare_cached("SELECT evidence FROM clip WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| r.get(0))?)
    }

    /// The recorder's clock minus the station's at the dock where a clip was first seen, where it is known.
    pub fn clock_offset(&self, clip: ClipId) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT d.clock_offset_ms FROM clip c LEFT JOIN dock d USING (dock_id) WHERE c.clip_id = ?1",
            )?
            .query_row([clip.to_string()], |r| r.get(0))?)
    }
}

#[cfg(test)]
mod tests;
