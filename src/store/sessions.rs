//! Upload sessions and their parts, and sessions that nobody goes on with. Each step of an upload is stored here before
//! the next is taken; a step of a session that was superseded meanwhile is refused, never stored beside the newer one.

use rusqlite::{OptionalExtension, params};

use super::delivery::PartRow;
use super::{Change, Reader, Result, Tx, digest32};
use crate::domain::clip::Delivery;
use crate::domain::digest::Sha256;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::ports::PartReceipt;

/// What we know of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// The remote's identity for it.
    pub session: String,
    /// Parts begun and perhaps acknowledged.
    pub parts: Vec<SentPart>,
}

/// A part of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentPart {
    /// From 0.
    pub n: u64,
    /// The digest under which it was sent; `None` in rows of an older program, which sent sealed clips only.
    pub ours: Option<Sha256>,
    /// The receipt, once there is one.
    pub receipt: Option<PartReceipt>,
}

/// Which object a session makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionObject {
    /// The footage.
    Master,
    /// Its outboard.
    Tree,
}

/// A session that the remote has yet to give up.
#[derive(Debug, Clone)]
pub struct AbandonedRow {
    /// Row.
    pub id: i64,
    /// Whose.
    pub clip: ClipId,
    /// Of which object.
    pub object: SessionObject,
    /// The remote's identity for it.
    pub session: String,
    /// Failures in a row.
    pub attempts: u32,
}

impl Tx<'_> {
    /// A session was opened at the destination; stored before its first byte, with the parts that go first.
    pub fn session_begun(&self, clip: ClipId, destination: &str, session: &str, first: &[PartRow]) -> Result<()> {
        self.conn.execute(
            "DELETE FROM upload_session WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        self.set_delivery(clip, destination, Delivery::Sending)?;
        self.conn.execute(
            "INSERT INTO upload_session (clip_id, destination, session, begun_ms) VALUES (?1, ?2, ?3, ?4)",
            params![clip.to_string(), destination, session, self.now_ms()],
        )?;
        self.conn.execute(
            "UPDATE delivery SET acked_bytes = 0 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        self.log(&Draft::daemon(EventKind::SendBegun).clip(clip).fact("destination", destination))?;
        for part in first {
            self.part_begun(clip, destination, session, part)?;
        }
        Ok(())
    }

    /// A session is of no use any more: the next attempt begins anew, and the remote is told to give this one up.
    pub fn give_session_up(&self, clip: ClipId, destination: &str) -> Result<()> {
        let n = self.conn.execute(
            "DELETE FROM upload_session WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        if n > 0 {
            self.conn.execute(
                "UPDATE delivery SET state = 'waiting', acked_bytes = 0 WHERE clip_id = ?1 AND destination = ?2 AND state = 'sending'",
                params![clip.to_string(), destination],
            )?;
            self.restate(clip)?;
            self.changed(Change::Clip(clip));
            self.changed(Change::Outbox);
        }
        Ok(())
    }

    /// The remote no longer knows the session: the next attempt begins anew, at `next_try_ms`, since a remote that
    /// forgets each session would be sent to without end.
    pub fn session_lost(&self, clip: ClipId, destination: &str, next_try_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE delivery SET attempts = attempts + 1, next_try_ms = ?3 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, next_try_ms],
        )?;
        // It may know it after all, and only lack a part.
        self.give_session_up(clip, destination)
    }

    /// A part is about to be sent; `false` when the session is no longer the one that goes on.
    pub fn part_begun(&self, clip: ClipId, destination: &str, session: &str, part: &PartRow) -> Result<bool> {
        let n = self
            .conn
            .prepare_cached(
                "INSERT INTO upload_part (clip_id, destination, n, begun_ms, ours)
                 SELECT clip_id, destination, ?4, ?5, ?6 FROM upload_session
                 WHERE clip_id = ?1 AND destination = ?2 AND session = ?3 AND completed_ms IS NULL
                 ON CONFLICT DO UPDATE SET begun_ms = excluded.begun_ms, ours = excluded.ours, acked_ms = NULL, tag = NULL, sha256 = NULL",
            )?
            .execute(params![
                clip.to_string(),
                destination,
                session,
                part.n as i64,
                self.now_ms(),
                part.sha256.as_bytes()
            ])?;
        Ok(n > 0)
    }

    /// A part was acknowledged; `false` when the session is no longer the one that goes on.
    pub fn part_acked(
        &self,
        clip: ClipId,
        destination: &str,
        session: &str,
        part: &PartRow,
        receipt: &PartReceipt,
    ) -> Result<bool> {
        let n = self
            .conn
            .prepare_cached(
                "UPDATE upload_part SET acked_ms = ?5, tag = ?6, sha256 = ?7 WHERE clip_id = ?1 AND destination = ?2 AND n = ?4
                   AND EXISTS (SELECT 1 FROM upload_session s WHERE s.clip_id = ?1 AND s.destination = ?2 AND s.session = ?3)",
            )?
            .execute(params![
                clip.to_string(),
                destination,
                session,
                part.n as i64,
                self.now_ms(),
                receipt.tag,
                receipt.sha256.map(|d| d.0.to_vec())
            ])?;
        if n > 0 {
            self.conn
                .prepare_cached(
                    "UPDATE delivery SET acked_bytes = acked_bytes + ?3 WHERE clip_id = ?1 AND destination = ?2",
                )?
                .execute(params![clip.to_string(), destination, part.len as i64])?;
            self.changed(Change::Clip(clip));
        }
        Ok(n > 0)
    }

    /// The remote lacks parts for which we have receipts: they are sent again.
    pub fn parts_lacking(&self, clip: ClipId, destination: &str, parts: &[PartRow]) -> Result<()> {
        for part in parts {
            let n = self.conn.execute(
                "UPDATE upload_part SET acked_ms = NULL, tag = NULL, sha256 = NULL WHERE clip_id = ?1 AND destination = ?2 AND n = ?3 AND acked_ms IS NOT NULL",
                params![clip.to_string(), destination, part.n as i64],
            )?;
            if n > 0 {
                self.conn.execute(
                    "UPDATE delivery SET acked_bytes = max(acked_bytes - ?3, 0) WHERE clip_id = ?1 AND destination = ?2",
                    params![clip.to_string(), destination, part.len as i64],
                )?;
            }
        }
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// The destination accepted everything; nothing was compared yet, so failures in a row go on counting. `last` are
    /// receipts that were not stored before.
    pub fn sent(
        &self,
        clip: ClipId,
        destination: &str,
        session: &str,
        last: Option<&(PartRow, PartReceipt)>,
    ) -> Result<()> {
        if let Some((part, receipt)) = last {
            self.part_acked(clip, destination, session, part, receipt)?;
        }
        self.conn.execute(
            "UPDATE upload_session SET completed_ms = ?4 WHERE clip_id = ?1 AND destination = ?2 AND session = ?3",
            params![clip.to_string(), destination, session, self.now_ms()],
        )?;
        self.set_delivery(clip, destination, Delivery::Sent)?;
        self.conn.execute(
            "UPDATE delivery SET sent_ms = ?3, next_try_ms = 0 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, self.now_ms()],
        )?;
        self.log(&Draft::daemon(EventKind::Sent).clip(clip).fact("destination", destination))?;
        Ok(())
    }

    /// Sessions of clips that are still being copied and of which nothing was sent since `before_ms`: their recorder
    /// does not come back, or not soon. What it brings then begins anew.
    pub fn give_parked_up(&self, destination: &str, before_ms: i64) -> Result<usize> {
        let parked = self.read().clip_ids(
            "SELECT s.clip_id FROM upload_session s JOIN clip c USING (clip_id) WHERE s.destination = ?1 AND c.local = 'copying'
               AND max(s.begun_ms, coalesce((SELECT max(p.begun_ms) FROM upload_part p WHERE p.clip_id = s.clip_id AND p.destination = s.destination), 0)) < ?2",
            params![destination, before_ms],
        )?;
        for clip in &parked {
            self.give_session_up(*clip, destination)?;
        }
        Ok(parked.len())
    }

    /// A session of a tree is about to be used; it is given up after `until_ms` unless it was completed. Gives its row.
    pub fn tree_begun(&self, clip: ClipId, destination: &str, session: &str, until_ms: i64) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO abandoned_session (destination, clip_id, object, session, since_ms, next_try_ms) VALUES (?1, ?2, 'tree', ?3, ?4, ?5)",
            params![destination, clip.to_string(), session, self.now_ms(), until_ms],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// A session was opened for a clip whose row went meanwhile: the remote is to give it up.
    pub fn session_orphaned(&self, clip: ClipId, destination: &str, session: &str) -> Result<()> {
        self.conn.execute(
            "INSERT INTO abandoned_session (destination, clip_id, object, session, since_ms) VALUES (?1, ?2, 'master', ?3, ?4)",
            params![destination, clip.to_string(), session, self.now_ms()],
        )?;
        self.changed(Change::Outbox);
        Ok(())
    }

    /// A session is at its end: completed, or given up by the remote.
    pub fn abandoned_settled(&self, id: i64) -> Result<()> {
        self.conn.execute("DELETE FROM abandoned_session WHERE abandon_id = ?1", [id])?;
        Ok(())
    }

    /// A session could not be given up; it is tried again at `next_try_ms`.
    pub fn abandoned_failed(&self, id: i64, error: Option<&str>, next_try_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE abandoned_session SET attempts = attempts + ?2, error = ?3, next_try_ms = ?4 WHERE abandon_id = ?1",
            params![id, error.is_some(), error, next_try_ms],
        )?;
        self.changed(Change::Outbox);
        Ok(())
    }

    /// After a start no session of a tree is in use, whatever its row says.
    pub(super) fn abandon_of_earlier_run(&self) -> Result<()> {
        self.conn.execute("UPDATE abandoned_session SET next_try_ms = 0", [])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// The identities of all sessions at `destination` that we know, those included that are being given up.
    pub fn open_sessions(&self, destination: &str) -> Result<std::collections::HashSet<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT session FROM upload_session WHERE destination = ?1
             UNION SELECT session FROM abandoned_session WHERE destination = ?1",
        )?;
        let rows = statement.query_map([destination], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The stored session of a delivery.
    pub fn session(&self, clip: ClipId, destination: &str) -> Result<Option<StoredSession>> {
        let session: Option<String> = self
            .conn
            .prepare_cached("SELECT session FROM upload_session WHERE clip_id = ?1 AND destination = ?2")?
            .query_row(params![clip.to_string(), destination], |r| r.get(0))
            .optional()?;
        let Some(session) = session else { return Ok(None) };
        let mut statement = self.conn.prepare_cached(
            "SELECT n, tag, sha256, ours FROM upload_part WHERE clip_id = ?1 AND destination = ?2 ORDER BY n",
        )?;
        let rows = statement.query_map(params![clip.to_string(), destination], |r| {
            let digests = (r.get::<_, Option<Vec<u8>>>(2)?, r.get::<_, Option<Vec<u8>>>(3)?);
            Ok((r.get::<_, i64>(0)? as u64, r.get::<_, Option<String>>(1)?, digests))
        })?;
        let digest = |bytes: Option<Vec<u8>>| Ok::<_, super::StoreError>(bytes.map(digest32).transpose()?.map(Sha256));
        let parts = rows
            .map(|row| {
                let (n, tag, (theirs, ours)) = row?;
                let sha256 = digest(theirs)?;
                Ok(SentPart { n, ours: digest(ours)?, receipt: tag.map(|tag| PartReceipt { tag, sha256 }) })
            })
            .collect::<Result<_>>()?;
        Ok(Some(StoredSession { session, parts }))
    }

    /// Sessions that `destination` should give up by `now_ms`, oldest first. No pause after failures is longer than
    /// `longest_pause_ms`: a later instant was set by a clock that has been put back since. Trees that are being sent have
    /// longer.
    pub fn abandoned(
        &self,
        destination: &str,
        now_ms: i64,
        longest_pause_ms: i64,
        limit: u32,
    ) -> Result<Vec<AbandonedRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT abandon_id, clip_id, object, session, attempts FROM abandoned_session
             WHERE destination = ?1 AND (next_try_ms <= ?2 OR (object = 'master' AND next_try_ms > ?4)) ORDER BY abandon_id LIMIT ?3",
        )?;
        let rows = statement
            .query_map(params![destination, now_ms, limit, now_ms.saturating_add(longest_pause_ms)], |r| {
                Ok((r.get(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?, r.get(3)?, r.get(4)?))
            })?;
        rows.map(|row| {
            let (id, clip, object, session, attempts) = row?;
            let object = if object == "tree" { SessionObject::Tree } else { SessionObject::Master };
            Ok(AbandonedRow { id, clip: clip.parse()?, object, session, attempts })
        })
        .collect()
    }
}
