//! Copies at destinations after their proof: what is due to be read again or locked for longer, and what came of it.

use rusqlite::{Row, params};

use super::{Change, Reader, Result, StoreError, Tx, digest32};
use crate::domain::clip::Local;
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::disposal::Reason;
use crate::domain::event::{Draft, EventKind};
use crate::domain::evict::Audit;
use crate::domain::ids::ClipId;
use crate::domain::retention::KeepFacts;

/// A proven copy that is due to be read again.
#[derive(Debug, Clone)]
pub struct AuditJob {
    /// The clip.
    pub clip: ClipId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// What every byte must come to.
    pub blake3: Blake3,
    /// And this.
    pub sha256: Sha256,
    /// The local copy.
    pub local: Local,
}

/// A proven copy with its lock.
#[derive(Debug, Clone)]
pub struct LockJob {
    /// The clip.
    pub clip: ClipId,
    /// Newest revision of its record.
    pub record_rev: u32,
    /// What the rule looks at.
    pub facts: KeepFacts,
}

impl Tx<'_> {
    /// A copy was read again and is what was sealed. Nothing changes where it is no longer called proven.
    pub fn audited(&self, clip: ClipId, destination: &str, how: Audit, asked: Draft) -> Result<()> {
        let whole = how == Audit::Whole;
        let n = self.conn.execute(
            "UPDATE delivery SET audited_ms = ?3, audit_how = CASE WHEN ?4 OR audit_how IS NULL THEN ?5 ELSE audit_how END,
               whole_ms = CASE WHEN ?4 THEN ?3 ELSE whole_ms END
             WHERE clip_id = ?1 AND destination = ?2 AND state = 'proven'",
            params![clip.to_string(), destination, self.now_ms(), whole, how.as_str()],
        )?;
        if n > 0 {
            self.log(&asked.clip(clip).fact("destination", destination).fact("how", how.as_str()))?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }

    /// A copy is locked until then, as the destination says.
    pub fn locked(&self, clip: ClipId, destination: &str, until_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE delivery SET locked_until_ms = ?3 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, until_ms],
        )?;
        let event = Draft::daemon(EventKind::LockRenewed).clip(clip).fact("destination", destination);
        self.log(&event.fact("until_ms", until_ms))?;
        self.changed(Change::Clip(clip));
        Ok(())
    }
}

fn audit_job(r: &Row<'_>) -> rusqlite::Result<Result<AuditJob>> {
    let (clip, size): (String, Option<i64>) = (r.get(0)?, r.get(1)?);
    let (blake3, sha256): (Option<Vec<u8>>, Option<Vec<u8>>) = (r.get(2)?, r.get(3)?);
    let local: String = r.get(4)?;
    Ok((|| {
        let odd = || StoreError::Odd(format!("clip {clip} is proven and not sealed"));
        Ok(AuditJob {
            size_bytes: size.ok_or_else(odd)? as u64,
            blake3: Blake3(digest32(blake3.ok_or_else(odd)?)?),
            sha256: Sha256(digest32(sha256.ok_or_else(odd)?)?),
            local: Local::parse(&local).ok_or_else(odd)?,
            clip: clip.parse()?,
        })
    })())
}

const AUDIT_COLUMNS: &str = "d.clip_id, c.size_bytes, c.blake3, c.sha256, c.local";

impl Reader<'_> {
    /// Proven copies at `destination` that were neither proven nor read again since `before_ms`, the longest unread
    /// first. An instant after `now_ms` was set by a clock that has been put back since, and is due.
    pub fn audits_due(&self, destination: &str, before_ms: i64, now_ms: i64, limit: u32) -> Result<Vec<AuditJob>> {
        self.audit_jobs("coalesce(d.audited_ms, d.proven_ms)", destination, before_ms, now_ms, limit)
    }

    /// The same for reading every byte.
    pub fn whole_audits_due(
        &self,
        destination: &str,
        before_ms: i64,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<AuditJob>> {
        self.audit_jobs("coalesce(d.whole_ms, d.proven_ms)", destination, before_ms, now_ms, limit)
    }

    /// Proven copies at `destination` that were not read again since their proof as `how` asks: what an eviction waits for.
    pub fn audits_awaited(&self, destination: &str, how: Audit, limit: u32) -> Result<Vec<AuditJob>> {
        let unread = match how {
            Audit::None => return Ok(Vec::new()),
            Audit::Sampled => "d.audit_how IS NULL",
            Audit::Whole => "d.audit_how IS NOT 'whole'",
        };
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {AUDIT_COLUMNS} FROM delivery d JOIN clip c USING (clip_id)
             WHERE d.destination = ?1 AND d.state = 'proven' AND c.local = 'sealed' AND c.isolated_ms IS NULL AND {unread} ORDER BY d.clip_id LIMIT ?2"
        ))?;
        let rows = statement.query_map(params![destination, limit], audit_job)?;
        rows.map(|row| row?).collect()
    }

    fn audit_jobs(
        &self,
        last: &str,
        destination: &str,
        before_ms: i64,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<AuditJob>> {
        // What is isolated is read by nobody, not even by us, until a person has decided.
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {AUDIT_COLUMNS} FROM delivery d JOIN clip c USING (clip_id)
             WHERE d.destination = ?1 AND d.state = 'proven' AND c.isolated_ms IS NULL AND c.disposed_ms IS NULL AND ({last} <= ?2 OR {last} > ?3)
             ORDER BY {last} > ?3 DESC, {last}, d.clip_id LIMIT ?4"
        ))?;
        let rows = statement.query_map(params![destination, before_ms, now_ms, limit], audit_job)?;
        rows.map(|row| row?).collect()
    }

    /// How many copies at `destination` are proven, and how many were read again after `since_ms`.
    pub fn audit_figures(&self, destination: &str, since_ms: i64, now_ms: i64) -> Result<(u64, u64)> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT coalesce((SELECT sum(n) FROM delivery_total WHERE destination = ?1 AND state = 'proven'), 0),
                   (SELECT count(*) FROM delivery WHERE destination = ?1 AND state = 'proven' AND audited_ms > ?2 AND audited_ms <= ?3)",
            )?
            .query_row(params![destination, since_ms, now_ms], |r| {
                Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64))
            })?)
    }

    /// One proven copy.
    pub fn audit_of(&self, clip: ClipId, destination: &str) -> Result<Option<AuditJob>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {AUDIT_COLUMNS} FROM delivery d JOIN clip c USING (clip_id) WHERE d.clip_id = ?1 AND d.destination = ?2 AND d.state = 'proven'"
        ))?;
        let mut rows = statement.query_map(params![clip.to_string(), destination], audit_job)?;
        rows.next().map(|row| row?).transpose()
    }

    /// Copies that are not what was sealed, of clips whose good bytes are not here either: they must come from elsewhere.
    pub fn orphaned_suspects(&self, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT DISTINCT d.clip_id FROM delivery d JOIN clip c USING (clip_id)
             WHERE d.state = 'suspect' AND c.isolated_ms IS NULL AND c.disposed_ms IS NULL AND (c.local = 'damaged' OR (c.local = 'evicted' AND c.quarantine IS NULL))
             ORDER BY d.clip_id LIMIT ?1",
            [limit],
        )
    }

    /// Copies that are not what was sealed, and are not called proven anywhere since: how many, and one of them.
    pub fn suspect_figures(&self) -> Result<(u64, Option<ClipId>)> {
        let (n, first): (i64, Option<String>) = self
            .conn
            .prepare_cached("SELECT count(*), min(clip_id) FROM delivery JOIN clip USING (clip_id) WHERE delivery.state = 'suspect' AND disposed_ms IS NULL")?
            .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok((n as u64, first.map(|c| c.parse()).transpose()?))
    }

    /// Keys of the revisions of a clip's record that stand at `destination`.
    pub fn records_at(&self, clip: ClipId, destination: &str) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT key FROM outbox WHERE clip_id = ?1 AND destination = ?2 AND kind = 'record' AND stored_ms IS NOT NULL ORDER BY key",
        )?;
        let rows = statement.query_map(params![clip.to_string(), destination], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Proven copies at `destination` whose lock ends before `before_ms`, or that have none, after `after`.
    pub fn locks_due(
        &self,
        destination: &str,
        before_ms: i64,
        after: Option<ClipId>,
        limit: u32,
    ) -> Result<Vec<LockJob>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT d.clip_id, c.record_rev, d.locked_until_ms, c.isolated_ms IS NOT NULL,
               EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = c.clip_id AND h.released_ms IS NULL)
             FROM delivery d JOIN clip c USING (clip_id)
             WHERE d.destination = ?1 AND d.state = 'proven' AND c.disposed_ms IS NULL AND (d.locked_until_ms IS NULL OR d.locked_until_ms <= ?2) AND d.clip_id > ?3
             ORDER BY d.clip_id LIMIT ?4",
        )?;
        let after = after.map(|c| c.to_string()).unwrap_or_default();
        let rows = statement.query_map(params![destination, before_ms, after, limit], |r| {
            let facts = KeepFacts {
                since_ms: 0,
                locked_until_ms: r.get(2)?,
                isolated: r.get(3)?,
                held: r.get(4)?,
                linked: true,
                filed: None,
            };
            Ok((r.get::<_, String>(0)?, r.get(1)?, facts))
        })?;
        rows.map(|row| {
            let (clip, record_rev, mut facts) = row?;
            let clip = clip.parse()?;
            match self.keep_reason(clip)? {
                Reason::CaseOpen => {}
                Reason::Filed { until_ms } => facts.filed = Some(until_ms),
                Reason::Unlinked { since_ms } => (facts.linked, facts.since_ms) = (false, since_ms),
            }
            Ok(LockJob { clip, record_rev, facts })
        })
        .collect()
    }
}
