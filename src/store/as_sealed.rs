//! What the log says of clips and their records, beside what their rows say: for those who compare.

use rusqlite::params;

use super::{LogRow, Reader, Result, StoreError};
use crate::domain::as_sealed::AsSealed;
use crate::domain::digest::{Blake3, Sha256, Sm3};
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;

/// What the row of a clip says was sealed.
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// The clip.
    pub clip: ClipId,
    /// BLAKE3 of the whole.
    pub blake3: Blake3,
    /// SHA-256 of the whole.
    pub sha256: Sha256,
    /// SM3 of the whole, where it has one.
    pub sm3: Option<Sm3>,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Position of the entry that says so.
    pub seq: Option<u64>,
}

/// The newest revision of a clip's record.
#[derive(Debug, Clone)]
pub struct PublishedRow {
    /// Revision.
    pub rev: u32,
    /// As it was published.
    pub json: Vec<u8>,
    /// BLAKE3 of that, as the log has it; `None` where no entry tells of this revision.
    pub logged: Option<Blake3>,
}

fn envelope(row: &LogRow) -> Result<Envelope> {
    serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))
}

impl Reader<'_> {
    /// Entries that name the digests of a clip, oldest first.
    pub fn as_sealed(&self, clip: ClipId) -> Result<Vec<(LogRow, AsSealed)>> {
        let mut told = Vec::new();
        for row in self.of_kinds(clip, EventKind::Sealed, EventKind::ClipRestored)? {
            // The bytes are what is hashed; the columns beside them only find it.
            let entry = envelope(&row)?;
            if entry.clip.as_deref() == Some(&clip.to_string())
                && let Some(as_sealed) = AsSealed::read(&entry)
            {
                told.push((row, as_sealed));
            }
        }
        Ok(told)
    }

    fn of_kinds(&self, clip: ClipId, one: EventKind, other: EventKind) -> Result<Vec<LogRow>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT seq, bytes FROM log_entry WHERE clip_id = ?1 AND kind IN (?2, ?3) ORDER BY seq")?;
        let rows = statement.query_map(params![clip.to_string(), one.as_str(), other.as_str()], |r| {
            Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The newest revision of a clip's record; `None` before the first.
    pub fn published(&self, clip: ClipId) -> Result<Option<PublishedRow>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT rev, json FROM record_rev WHERE clip_id = ?1 ORDER BY rev DESC LIMIT 1")?;
        let newest: Option<(u32, Vec<u8>)> =
            statement.query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))?.next().transpose()?;
        let Some((rev, json)) = newest else { return Ok(None) };
        let mut logged = None;
        for row in self.of_kinds(clip, EventKind::RecordMade, EventKind::ClipRestored)? {
            let entry = envelope(&row)?;
            let (which, digest) = match EventKind::parse(&entry.kind) {
                Some(EventKind::ClipRestored) => ("record_rev", "record_blake3"),
                _ => ("rev", "blake3"),
            };
            if entry.body.get(which).and_then(|n| n.as_u64()) == Some(u64::from(rev)) {
                logged = entry.body.get(digest).and_then(|hex| hex.as_str()?.parse().ok());
            }
        }
        Ok(Some(PublishedRow { rev, json, logged }))
    }

    /// What rows say was sealed, in the order of their ids, after `after`, at most `limit`.
    pub fn sealed_rows(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<SealedRow>> {
        let after = after.map(|clip| clip.to_string()).unwrap_or_default();
        let mut rows = Vec::new();
        let clips = self.clip_ids(
            "SELECT clip_id FROM clip WHERE clip_id > ?1 AND local <> 'copying' ORDER BY clip_id LIMIT ?2",
            params![after, limit],
        )?;
        for clip in clips {
            let row = self.clip(clip)?;
            if let (Some(blake3), Some(sha256), Some(size_bytes)) = (row.blake3, row.sha256, row.size_bytes) {
                rows.push(SealedRow { clip, blake3, sha256, sm3: row.sm3, size_bytes, seq: row.sealed_seq });
            }
        }
        Ok(rows)
    }
}
