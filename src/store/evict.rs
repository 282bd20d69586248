//! Local copies that are given up: what the decision needs, and each step with its event. Decides nothing: that is
//! `domain::evict`.
//!
//! The transaction that intends it also says that the local copy is evicted: from then on nothing relies on the file,
//! whether it still stands or not (invariant 1). `evict_seq` remembers that it may still stand; the result clears it.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result, StoreError, Tx};
use crate::domain::clip::{Delivery, Local, may_evict};
use crate::domain::event::{Draft, EventKind};
use crate::domain::evict::{Audit, EvictCopy, EvictFacts};
use crate::domain::ids::ClipId;
use crate::domain::why::Why;

/// A sealed clip that may perhaps go, with all that is stored about it.
#[derive(Debug, Clone)]
pub struct EvictRow {
    /// The clip.
    pub clip: ClipId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// What the decision depends on.
    pub facts: EvictFacts,
}

impl Tx<'_> {
    /// The local copy is given up. The caller decided by [`Reader::evict_facts`] inside this transaction; the rule of the
    /// facets is checked here once more. Gives the position of the event.
    pub fn evict_intended(&self, clip: ClipId) -> Result<u64> {
        if !may_evict(&self.read().clip_facts(clip)?) {
            return Err(StoreError::Conflict(Why::MayNotGo { clip: clip.to_string() }));
        }
        let row = self.read().clip(clip)?;
        let event = Draft::daemon(EventKind::EvictIntended)
            .clip(clip)
            .fact("size_bytes", row.size_bytes)
            .fact("blake3", row.blake3.map(|d| d.to_string()));
        let seq = self.log(&event)?;
        self.conn.execute(
            "UPDATE clip SET local = 'evicted', evict_seq = ?2 WHERE clip_id = ?1 AND local = 'sealed'",
            params![clip.to_string(), seq as i64],
        )?;
        self.restate(clip)?;
        self.stale(clip)?;
        Ok(seq)
    }

    /// The file is gone; `freed_bytes` is what that freed, none where another clip's name still holds it.
    pub fn evicted(&self, clip: ClipId, freed_bytes: u64) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE clip SET evict_seq = NULL WHERE clip_id = ?1 AND local = 'evicted' AND evict_seq IS NOT NULL",
            [clip.to_string()],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Evicted).clip(clip).fact("freed_bytes", freed_bytes))?;
            self.stale(clip)?;
        }
        Ok(())
    }

    /// The local copy was made anew from copies elsewhere, verified and durable: the clip is sealed here again. A
    /// quarantine that only its damage had caused is over.
    pub fn recalled(&self, clip: ClipId) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE clip SET quarantine = CASE WHEN local = 'damaged' THEN NULL ELSE quarantine END, local = 'sealed', evict_seq = NULL
             WHERE clip_id = ?1 AND local IN ('evicted', 'damaged')",
            [clip.to_string()],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Recalled).clip(clip))?;
            self.restate(clip)?;
            self.stale(clip)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Sealed clips that are proven and were sealed by `sealed_by_ms`, oldest first, after `after`; `configured` are the
    /// names of the destinations that can be read from.
    pub fn evictable(
        &self,
        configured: &[String],
        sealed_by_ms: i64,
        after: Option<ClipId>,
        limit: u32,
    ) -> Result<Vec<EvictRow>> {
        let clips = self.clip_ids(
            "SELECT clip_id FROM clip INDEXED BY clip_evictable WHERE local = 'sealed' AND state IN ('proven', 'released') AND sealed_ms <= ?2 AND clip_id > ?1
             ORDER BY clip_id LIMIT ?3",
            params![after.map(|c| c.to_string()).unwrap_or_default(), sealed_by_ms, limit],
        )?;
        clips
            .into_iter()
            .map(|clip| {
                let size_bytes = self.clip(clip)?.size_bytes.unwrap_or(0);
                Ok(EvictRow { clip, size_bytes, facts: self.evict_facts(clip, configured)? })
            })
            .collect()
    }

    /// What the decision about one clip depends on.
    pub fn evict_facts(&self, clip: ClipId, configured: &[String]) -> Result<EvictFacts> {
        let row = self.clip(clip)?;
        // A destination that was never probed is not known to be elsewhere, and so does not count (invariant 3).
        let mut statement = self.conn.prepare_cached(
            "SELECT d.destination, d.state, d.required, t.probed_ms IS NOT NULL AND t.same_device = 0, d.audit_how
             FROM delivery d LEFT JOIN destination t ON t.name = d.destination WHERE d.clip_id = ?1 ORDER BY d.destination",
        )?;
        let copies = statement.query_map([clip.to_string()], |r| {
            let (destination, state, audit): (String, String, Option<String>) = (r.get(0)?, r.get(1)?, r.get(4)?);
            Ok(EvictCopy {
                configured: configured.contains(&destination),
                destination,
                // An unknown word proves nothing.
                state: Delivery::parse(&state).unwrap_or(Delivery::Waiting),
                required: r.get(2)?,
                off_box: r.get::<_, Option<bool>>(3)?.unwrap_or(false),
                audit: audit.and_then(|a| Audit::parse(&a)).unwrap_or_default(),
            })
        })?;
        let copies = copies.collect::<std::result::Result<_, _>>()?;
        let proof_seq: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT max(seq) FROM log_entry WHERE clip_id = ?1 AND kind IN ('clip.sealed', 'delivery.proven', 'clip.recalled')",
            )?
            .query_row([clip.to_string()], |r| r.get(0))?;
        Ok(EvictFacts {
            clip: self.clip_facts(clip)?,
            sealed_ms: row.sealed_ms.unwrap_or(i64::MAX),
            proof_seq: proof_seq.map(|s| s as u64),
            copies,
        })
    }

    /// Clips whose eviction was not seen to its end.
    pub fn evicting(&self) -> Result<Vec<ClipId>> {
        self.clip_ids("SELECT clip_id FROM clip WHERE evict_seq IS NOT NULL ORDER BY evict_seq", [])
    }

    /// Clips without a local copy: how many, and their bytes.
    pub fn evicted_figures(&self) -> Result<(u64, u64)> {
        self.tally("evicted")
    }

    /// Evicted clips that are proven at none of these destinations: nobody can read them through this station.
    pub fn out_of_reach(&self, configured: &[String]) -> Result<(u64, Option<ClipId>)> {
        let names = serde_json::json!(configured).to_string();
        let n: i64 = self
            .conn
            .prepare_cached(
                "SELECT coalesce(sum(clips), 0) FROM evicted_at WHERE NOT EXISTS (SELECT 1 FROM json_each(destinations) d
                   WHERE d.value IN (SELECT value FROM json_each(?1)))",
            )?
            .query_row([&names], |r| r.get(0))?;
        if n <= 0 {
            return Ok((0, None));
        }
        let first: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT clip_id FROM clip c WHERE local = 'evicted' AND disposed_ms IS NULL AND NOT EXISTS (SELECT 1 FROM delivery d
                   WHERE d.clip_id = c.clip_id AND d.state = 'proven' AND d.destination IN (SELECT value FROM json_each(?1))) LIMIT 1",
            )?
            .query_row([&names], |r| r.get(0))
            .optional()?;
        Ok((n as u64, first.map(|c| c.parse()).transpose()?))
    }

    /// Whether a clip's local copy stands, or has gone and is proven elsewhere still. What was disposed of is not wanted
    /// back: a recorder that still has it brings nothing new.
    pub fn is_safe_elsewhere(&self, clip: ClipId) -> Result<bool> {
        if self.clip(clip)?.disposed_ms.is_some() {
            return Ok(true);
        }
        let facts = self.clip_facts(clip)?;
        let off_box = facts.deliveries.iter().any(|d| d.off_box && d.state == Delivery::Proven);
        Ok(facts.local == Some(Local::Evicted) && !facts.quarantined && off_box)
    }
}
