//! Deliveries, destinations, and the outbox of small objects.

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::clip::{Delivery, ProofLevel};
use crate::domain::digest::{Crc64, Sha256};
use crate::domain::error::Retry;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::ports::{Abilities, PartSpec};
use crate::domain::why::Why;

/// A part of a clip with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRow {
    /// From 0.
    pub n: u64,
    /// Bytes.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Of its bytes, computed while copying.
    pub sha256: Sha256,
    /// Of its bytes, computed while copying; clips of older versions have none.
    pub crc64: Option<Crc64>,
}

impl PartRow {
    /// The part as it is sent.
    pub fn spec(&self) -> PartSpec {
        PartSpec { n: self.n, offset: self.offset, len: self.len, sha256: self.sha256, crc64: self.crc64 }
    }
}

/// A destination as last probed.
#[derive(Debug, Clone)]
pub struct DestinationRow {
    /// Its name.
    pub name: String,
    /// How it lets us compare.
    pub proof: Option<ProofLevel>,
    /// Objects can be locked there.
    pub can_lock: bool,
    /// The vault's own device.
    pub same_device: bool,
    /// It takes the parts of an object one after the other only.
    pub in_order: bool,
    /// What probing found, in words.
    pub detail: String,
    /// When it was probed.
    pub probed_ms: Option<i64>,
    /// Why nothing goes out now.
    pub trouble: Option<String>,
    /// Who can lift it.
    pub trouble_retry: Option<Retry>,
    /// Since when.
    pub trouble_ms: Option<i64>,
}

/// What a small object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallKind {
    /// A revision of a record.
    Record,
    /// An entry of the case index.
    Case,
    /// A segment of the catalogue.
    Catalogue,
    /// A signed checkpoint of the log.
    Checkpoint,
}

impl SmallKind {
    /// Whether it is kept under lock where the destination can lock (decision 2).
    pub fn is_locked(self) -> bool {
        matches!(self, Self::Record | Self::Checkpoint)
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "record" => Self::Record,
            "case" => Self::Case,
            "catalogue" => Self::Catalogue,
            "checkpoint" => Self::Checkpoint,
            _ => return None,
        })
    }
}

/// A small object on its way.
#[derive(Debug, Clone)]
pub struct OutboxItem {
    /// Row.
    pub id: i64,
    /// Key at the destination.
    pub key: String,
    /// What it is.
    pub kind: SmallKind,
    /// Media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Failures in a row.
    pub attempts: u32,
}

impl Tx<'_> {
    pub(super) fn set_delivery(&self, clip: ClipId, destination: &str, state: Delivery) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE delivery SET state = ?3, reason = NULL, retry = NULL WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, state.as_str()],
        )?;
        if n == 0 {
            return Err(StoreError::NotFound(Why::NoDelivery {
                clip: clip.to_string(),
                destination: destination.to_string(),
            }));
        }
        self.restate(clip)?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// The remote's bytes were compared with ours and are the same (invariant 5).
    pub fn proven(
        &self,
        clip: ClipId,
        destination: &str,
        how: ProofLevel,
        checksum: &str,
        version: Option<&str>,
        locked_until_ms: Option<i64>,
    ) -> Result<()> {
        if !how.proves() {
            return Err(StoreError::Conflict(Why::ProvesNothing { how: how.as_str().to_owned() }));
        }
        self.set_delivery(clip, destination, Delivery::Proven)?;
        self.conn.execute(
            "UPDATE delivery SET proven_ms = ?3, proof = ?4, checksum = ?5, version_id = ?6, locked_until_ms = ?7, attempts = 0,
               audited_ms = NULL, audit_how = NULL, whole_ms = NULL, legal_hold = 0 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, self.now_ms(), how.as_str(), checksum, version, locked_until_ms],
        )?;
        // What was completed is there to stay; nothing is given up.
        self.conn.execute(
            "UPDATE upload_session SET completed_ms = coalesce(completed_ms, ?3) WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, self.now_ms()],
        )?;
        self.conn.execute(
            "DELETE FROM upload_session WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        let event = Draft::daemon(EventKind::Proven)
            .clip(clip)
            .fact("destination", destination)
            .fact("proof", how.as_str())
            .fact("checksum", checksum)
            .fact("version", version)
            .fact("locked_until_ms", locked_until_ms);
        self.log(&event)?;
        // The record names its copies: a new revision follows.
        self.stale(clip)
    }

    /// The remote's bytes are not ours: everything is sent again while good bytes exist here.
    pub fn mismatch(&self, clip: ClipId, destination: &str, what: &str, next_try_ms: i64) -> Result<()> {
        self.set_delivery(clip, destination, Delivery::Waiting)?;
        self.conn.execute(
            "UPDATE delivery SET reason = ?3, attempts = attempts + 1, next_try_ms = ?4, acked_bytes = 0, proof = NULL, checksum = NULL, proven_ms = NULL
             WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, what, next_try_ms],
        )?;
        self.conn.execute(
            "DELETE FROM upload_session WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        let event = Draft::daemon(EventKind::Mismatch).clip(clip).fact("destination", destination).secret("what", what);
        self.log(&event.outcome("failed"))?;
        self.stale(clip)
    }

    /// A copy that was sent or proven is not what was sealed, as a later look found (`found`: `audit`, `verify`, `read`,
    /// `evict`, `restore`): nothing relies on it any more. It is sent again while good bytes exist here; where they do not,
    /// `deliver::mend` looks for them elsewhere. Nothing changes where it is being sent anew already.
    pub fn suspect(&self, clip: ClipId, destination: &str, what: &str, found: &str) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE delivery SET state = 'suspect', reason = ?3, retry = NULL, attempts = 0, next_try_ms = 0, acked_bytes = 0, proof = NULL, checksum = NULL,
               proven_ms = NULL, audited_ms = NULL, audit_how = NULL, whole_ms = NULL
             WHERE clip_id = ?1 AND destination = ?2 AND state IN ('sent', 'proven')",
            params![clip.to_string(), destination, what],
        )?;
        if n == 0 {
            return Ok(false);
        }
        self.conn.execute(
            "DELETE FROM upload_session WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination],
        )?;
        let event = Draft::daemon(EventKind::Mismatch)
            .clip(clip)
            .fact("destination", destination)
            .fact("found", found)
            .secret("what", what);
        self.log(&event.outcome("failed"))?;
        self.restate(clip)?;
        self.stale(clip)?;
        Ok(true)
    }

    /// A step failed. Transient failures are tried again at `next_try_ms`; others wait for a person.
    pub fn send_failed(
        &self,
        clip: ClipId,
        destination: &str,
        reason: &str,
        retry: Retry,
        next_try_ms: i64,
    ) -> Result<()> {
        let state = if retry == Retry::Transient { None } else { Some(Delivery::Failed.as_str()) };
        self.conn.execute(
            "UPDATE delivery SET state = coalesce(?3, state), reason = ?4, retry = ?5, attempts = attempts + 1, next_try_ms = ?6 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, state, reason, retry.as_str(), next_try_ms],
        )?;
        if retry != Retry::Transient {
            let event = Draft::daemon(EventKind::SendFailed)
                .clip(clip)
                .fact("destination", destination)
                .secret("reason", reason)
                .fact("retry", retry.as_str());
            self.log(&event.outcome("failed"))?;
            self.restate(clip)?;
        }
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// A person says that the cause is gone: failed deliveries and held outbox rows are due now.
    /// `asked` says who.
    pub fn retry(&self, destination: Option<&str>, asked: Draft) -> Result<u64> {
        let n = self.conn.execute(
            "UPDATE delivery SET state = CASE WHEN state = 'failed' THEN 'waiting' ELSE state END, next_try_ms = 0, attempts = 0, retry = NULL
             WHERE state <> 'proven' AND (?1 IS NULL OR destination = ?1)",
            params![destination],
        )?;
        self.conn.execute(
            "UPDATE outbox SET next_try_ms = 0 WHERE stored_ms IS NULL AND (?1 IS NULL OR destination = ?1)",
            params![destination],
        )?;
        self.conn.execute("UPDATE destination SET trouble = NULL, trouble_retry = NULL, trouble_ms = NULL WHERE ?1 IS NULL OR name = ?1", params![destination])?;
        if n > 0 || asked.actor != Actor::daemon() {
            self.log(&asked.fact("destination", destination).fact("deliveries", n as u64))?;
        }
        self.changed(Change::Outbox);
        self.changed(Change::Destinations);
        Ok(n as u64)
    }

    /// Puts a small object on its way. The same key twice is the same object.
    pub fn post(
        &self,
        destination: &str,
        key: &str,
        kind: &str,
        content_type: &str,
        bytes: &[u8],
        clip: Option<ClipId>,
    ) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO outbox (destination, key, kind, content_type, bytes, clip_id, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            )?
            .execute(params![destination, key, kind, content_type, bytes, clip.map(|c| c.to_string()), self.now_ms()])?;
        self.changed(Change::Outbox);
        Ok(())
    }

    /// A small object stands at the destination.
    pub fn outbox_stored(&self, id: i64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE outbox SET stored_ms = ?2, bytes = NULL, error = NULL WHERE outbox_id = ?1")?
            .execute(params![id, self.now_ms()])?;
        self.changed(Change::Outbox);
        Ok(())
    }

    /// A small object could not be stored.
    pub fn outbox_failed(&self, id: i64, error: &str, next_try_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE outbox SET attempts = attempts + 1, error = ?2, next_try_ms = ?3 WHERE outbox_id = ?1",
            params![id, error, next_try_ms],
        )?;
        Ok(())
    }

    /// What probing a destination found; its trouble is over.
    pub fn destination_probed(&self, name: &str, abilities: &Abilities) -> Result<()> {
        self.conn.execute(
            "INSERT INTO destination (name, proof, can_lock, same_device, in_order, detail, probed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name) DO UPDATE SET proof = excluded.proof, can_lock = excluded.can_lock, same_device = excluded.same_device, in_order = excluded.in_order,
               detail = excluded.detail, probed_ms = excluded.probed_ms, trouble = NULL, trouble_retry = NULL, trouble_ms = NULL",
            params![name, abilities.proof.as_str(), abilities.lock, abilities.same_device, abilities.in_order, abilities.detail, self.now_ms()],
        )?;
        self.changed(Change::Destinations);
        Ok(())
    }

    /// A destination is in trouble, or (`None`) no longer.
    pub fn destination_trouble(&self, name: &str, trouble: Option<(&str, Retry)>) -> Result<()> {
        let (text, retry) = trouble.map_or((None, None), |(t, r)| (Some(t), Some(r.as_str())));
        let n = self.conn.execute(
            "INSERT INTO destination (name, trouble, trouble_retry, trouble_ms) VALUES (?1, ?2, ?3, CASE WHEN ?2 IS NULL THEN NULL ELSE ?4 END)
             ON CONFLICT (name) DO UPDATE SET trouble = excluded.trouble, trouble_retry = excluded.trouble_retry,
               trouble_ms = CASE WHEN excluded.trouble IS NULL THEN NULL ELSE coalesce(trouble_ms, ?4) END
             WHERE trouble IS NOT excluded.trouble",
            params![name, text, retry, self.now_ms()],
        )?;
        if n > 0 {
            self.changed(Change::Destinations);
        }
        Ok(())
    }

    /// Brings the deliveries in line with the configured destinations (name, required): sealed clips get the ones
    /// that they lack, `required` follows the configuration, and a destination that is no longer in it is required
    /// by none, or its clips would never be proven. One event tells all of it, where anything changed.
    pub fn configure(&self, destinations: &[(String, bool)]) -> Result<()> {
        self.abandon_of_earlier_run()?;
        let mut changed = std::collections::BTreeSet::new();
        let mut told = serde_json::Map::new();
        let mut tell = |name: &str, what: &str, clips: Vec<ClipId>| {
            if !clips.is_empty() {
                told.insert(name.to_owned(), serde_json::json!({ "now": what, "clips": clips.len() }));
                changed.extend(clips);
            }
        };
        let before = |required: bool| -> Result<Vec<String>> {
            let mut statement = self
                .conn
                .prepare_cached("SELECT DISTINCT destination FROM delivery_total WHERE required = ?1 AND n > 0")?;
            let rows = statement.query_map([required], |r| r.get(0))?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        };
        for (name, required) in destinations {
            let otherwise = before(!*required)?.contains(name);
            let word = if *required { "required" } else { "optional" };
            let mut clips = self.read().clip_ids(
                "INSERT INTO delivery (clip_id, destination, state, required) SELECT clip_id, ?1, 'waiting', ?2 FROM clip WHERE local = 'sealed'
                 ON CONFLICT DO NOTHING RETURNING clip_id",
                params![name, required],
            )?;
            if otherwise {
                clips.extend(self.read().clip_ids(
                    "UPDATE delivery SET required = ?2 WHERE destination = ?1 AND required <> ?2 RETURNING clip_id",
                    params![name, required],
                )?);
            }
            tell(name, word, clips);
        }
        let known = before(true)?;
        for name in known.iter().filter(|k| destinations.iter().all(|(name, _)| name != *k)) {
            let clips = self.read().clip_ids(
                "UPDATE delivery SET required = 0 WHERE destination = ?1 AND required = 1 RETURNING clip_id",
                params![name],
            )?;
            tell(name, "gone", clips);
        }
        if told.is_empty() {
            return Ok(());
        }
        self.log(&Draft::daemon(EventKind::Configured).fact("destinations", serde_json::Value::Object(told)))?;
        let word = |clip: ClipId| -> Result<String> {
            let mut statement = self.conn.prepare_cached("SELECT state FROM clip WHERE clip_id = ?1")?;
            Ok(statement.query_row([clip.to_string()], |r| r.get(0))?)
        };
        for clip in changed {
            let before = word(clip)?;
            self.restate(clip)?;
            // Records tell the word; those that go on telling the same need no new revision.
            if word(clip)? != before {
                self.stale(clip)?;
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// The deliveries of a clip: destination and state.
    pub fn deliveries(&self, clip: ClipId) -> Result<Vec<(String, Delivery)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT destination, state FROM delivery WHERE clip_id = ?1 ORDER BY destination")?;
        let rows = statement.query_map([clip.to_string()], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (name, state) = row?;
            let state = Delivery::parse(&state).ok_or_else(|| StoreError::Odd(format!("delivery state {state:?}")))?;
            Ok((name, state))
        })
        .collect()
    }

    /// How often this destination's copy of a clip was found to differ.
    pub fn mismatches(&self, clip: ClipId, destination: &str) -> Result<u32> {
        // The log counts what no later step resets.
        Ok(self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM log_entry WHERE clip_id = ?1 AND kind = ?2 AND instr(CAST(bytes AS TEXT), ?3) > 0",
            )?
            .query_row(
                params![clip.to_string(), EventKind::Mismatch.as_str(), format!("\"destination\":\"{destination}\"")],
                |r| r.get(0),
            )?)
    }

    /// When the next delivery, outbox row or abandoned session of `destination` becomes due, if any waits.
    pub fn next_due_ms(&self, destination: &str) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT min(at) FROM (SELECT min(next_try_ms) AS at FROM delivery WHERE destination = ?1 AND state <> 'proven' AND state <> 'failed'
                 UNION ALL SELECT min(next_try_ms) FROM outbox WHERE destination = ?1 AND stored_ms IS NULL
                 UNION ALL SELECT min(next_try_ms) FROM abandoned_session WHERE destination = ?1)",
            )?
            .query_row([destination], |r| r.get(0))?)
    }

    /// Bytes acknowledged for a clip that is being sent, at the destination that has most of it.
    pub fn acked_bytes(&self, clip: ClipId) -> Result<Option<u64>> {
        let acked: Option<i64> = self
            .conn
            .prepare_cached("SELECT max(acked_bytes) FROM delivery WHERE clip_id = ?1 AND state = 'sending'")?
            .query_row([clip.to_string()], |r| r.get(0))?;
        Ok(acked.map(|a| a as u64))
    }

    /// Small objects due for `destination`, oldest first. No pause is longer than `longest_pause_ms`: a later instant was
    /// set by a clock that has been put back since, and is due.
    pub fn due_outbox(
        &self,
        destination: &str,
        now_ms: i64,
        longest_pause_ms: i64,
        limit: u32,
    ) -> Result<Vec<OutboxItem>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT outbox_id, key, content_type, bytes, attempts, kind FROM outbox
             WHERE destination = ?1 AND stored_ms IS NULL AND (next_try_ms <= ?2 OR next_try_ms > ?4)
               AND NOT EXISTS (SELECT 1 FROM clip c WHERE c.clip_id = outbox.clip_id AND c.isolated_ms IS NOT NULL) ORDER BY outbox_id LIMIT ?3",
        )?;
        let rows =
            statement.query_map(params![destination, now_ms, limit, now_ms.saturating_add(longest_pause_ms)], |r| {
                let kind: String = r.get(5)?;
                Ok(OutboxItem {
                    id: r.get(0)?,
                    key: r.get(1)?,
                    // The schema's CHECK keeps other words out; what is in doubt is locked.
                    kind: SmallKind::parse(&kind).unwrap_or(SmallKind::Record),
                    content_type: r.get(2)?,
                    bytes: r.get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default(),
                    attempts: r.get(4)?,
                })
            })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Whether something stops what goes to a destination.
    pub fn is_in_trouble(&self, destination: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM destination WHERE name = ?1 AND trouble IS NOT NULL)")?
            .query_row([destination], |r| r.get(0))?)
    }

    /// Every destination ever probed or in trouble.
    pub fn destinations(&self) -> Result<Vec<DestinationRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT name, proof, can_lock, same_device, detail, probed_ms, trouble, trouble_retry, trouble_ms, in_order FROM destination ORDER BY name",
        )?;
        let rows = statement.query_map([], |r| {
            Ok(DestinationRow {
                name: r.get(0)?,
                proof: r.get::<_, Option<String>>(1)?.and_then(|w| ProofLevel::parse(&w)),
                can_lock: r.get::<_, i64>(2)? != 0,
                same_device: r.get::<_, i64>(3)? != 0,
                detail: r.get(4)?,
                probed_ms: r.get(5)?,
                trouble: r.get(6)?,
                trouble_retry: r.get::<_, Option<String>>(7)?.and_then(|w| Retry::parse(&w)),
                trouble_ms: r.get(8)?,
                in_order: r.get::<_, i64>(9)? != 0,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Whether anything ever reached `destination`.
    pub fn stored_at(&self, destination: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE destination = ?1 AND stored_ms IS NOT NULL)
                     OR EXISTS (SELECT 1 FROM delivery WHERE destination = ?1 AND sent_ms IS NOT NULL)",
            )?
            .query_row([destination], |r| r.get(0))?)
    }

    /// The key of the newest checkpoint that stands at `destination`; timestamps and claims of epochs go the same way.
    pub fn anchored(&self, destination: &str) -> Result<Option<String>> {
        Ok(self
            .conn
            .prepare_cached("SELECT key FROM outbox WHERE destination = ?1 AND kind = 'checkpoint' AND instr(key, '/log/checkpoint/') > 0 AND stored_ms IS NOT NULL ORDER BY outbox_id DESC LIMIT 1")?
            .query_row([destination], |r| r.get(0))
            .optional()?)
    }
}

#[cfg(test)]
mod tests;
