//! The custody log: appending events with their tree nodes, checkpoints, reading back.

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, StoreError, Tx, digest32};
use crate::domain::event::{self, Actor, Draft, EventKind, Place};
use crate::domain::ids::ClipId;
use crate::domain::log_copies::Copies;
use crate::domain::looks::tells_who_looked;
use crate::domain::merkle::{self, Hash};
use crate::domain::station_clock::Reading;
use crate::domain::why::Why;

/// An entry of the log as stored.
#[derive(Debug, Clone)]
pub struct LogRow {
    /// Position.
    pub seq: u64,
    /// The stored bytes, which are what is hashed.
    pub bytes: Vec<u8>,
}

/// A signed checkpoint.
#[derive(Debug, Clone)]
pub struct CheckpointRow {
    /// Epoch of the log.
    pub epoch: u32,
    /// Number of entries it covers.
    pub size: u64,
    /// Root hash at that size.
    pub root: Hash,
    /// The signed note.
    pub note: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: i64,
}

impl Tx<'_> {
    /// Appends an event to the log and gives its position. Invariant 4: callers do this inside the
    /// transaction of the change that the event tells.
    ///
    /// Where the station's clock was set since the last entry, that is told first: nothing is logged under a new time
    /// before the log says so. The first entry of an epoch stays the first.
    pub fn log(&self, draft: &Draft) -> Result<u64> {
        let now = self.clocks();
        let set = self.last_reading()?.and_then(|last| last.set_until(&now)).map(|set| set.draft());
        if draft.kind == EventKind::EpochOpened {
            let seq = self.append(draft, &now)?;
            set.map(|set| self.append(&set, &now)).transpose()?;
            return Ok(seq);
        }
        set.map(|set| self.append(&set, &now)).transpose()?;
        self.append(draft, &now)
    }

    /// Logs that the clock was set since `seen`, an earlier look at it, or since the last entry, if that is newer. `true`
    /// where it was.
    pub fn tell_clock(&self, seen: Reading) -> Result<bool> {
        let now = self.clocks();
        let last = match self.last_reading()? {
            Some(last) if last.boot == seen.boot && last.mono_ms >= seen.mono_ms => last,
            _ => seen,
        };
        let Some(set) = last.set_until(&now) else { return Ok(false) };
        self.append(&set.draft(), &now)?;
        Ok(true)
    }

    fn clocks(&self) -> Reading {
        Reading { wall_ms: self.now_ms(), mono_ms: self.clock.monotonic_ms(), boot: self.clock.boot_id().to_owned() }
    }

    /// What the clocks said at the last entry. One that cannot be read is a finding of `log verify`, and stops no other.
    fn last_reading(&self) -> Result<Option<Reading>> {
        #[derive(serde::Deserialize)]
        struct Clocks {
            wall_ms: i64,
            mono_ms: i64,
            boot: String,
        }
        let mut statement = self.conn.prepare_cached("SELECT bytes FROM log_entry ORDER BY seq DESC LIMIT 1")?;
        let bytes: Option<Vec<u8>> = statement.query_row([], |r| r.get(0)).optional()?;
        let clocks = bytes.and_then(|bytes| serde_json::from_slice::<Clocks>(&bytes).ok());
        Ok(clocks.map(|c| Reading { wall_ms: c.wall_ms, mono_ms: c.mono_ms, boot: c.boot }))
    }

    fn append(&self, draft: &Draft, now: &Reading) -> Result<u64> {
        let (size, epoch) = (self.read().log_size()?, self.read().epoch()?);
        let place = Place { epoch, seq: size, wall_ms: now.wall_ms, boot: now.boot.clone(), mono_ms: now.mono_ms };
        let with_caller = match &*self.caller.borrow() {
            Some(caller) if caller.actor == draft.actor => Some(Draft {
                from: draft.from.clone().or_else(|| Some(caller.from.clone())),
                session: draft.session.clone().or_else(|| caller.session.clone()),
                ..draft.clone()
            }),
            _ => None,
        };
        let draft = with_caller.as_ref().unwrap_or(draft);
        let (bytes, opened) = event::encode(draft, &place, rand::random::<[u8; 32]>)?;
        let nodes = merkle::append(size, merkle::leaf_hash(&bytes), |level, index| self.read().log_node(level, index))?;
        self.conn
            .prepare_cached(
                "INSERT INTO log_entry (seq, bytes, kind, wall_ms, clip_id, case_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                size as i64,
                bytes,
                draft.kind.as_str(),
                place.wall_ms,
                draft.clip.map(|c| c.to_string()),
                draft.case
            ])?;
        let mut insert = self.conn.prepare_cached("INSERT INTO log_node (level, idx, hash) VALUES (?1, ?2, ?3)")?;
        for (level, index, hash) in nodes {
            insert.execute(params![level, index as i64, hash])?;
        }
        for secret in opened {
            self.conn
                .prepare_cached("INSERT INTO log_secret (seq, field, key, value) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![size as i64, secret.field, secret.key, secret.value])?;
        }
        self.changed(Change::Log);
        Ok(size)
    }

    /// Logs that a file with this SHA-256 was derived of a clip, beside the clip's own digests; of the same bytes once.
    /// Gives the entry's position.
    pub fn derived(&self, clip: ClipId, sha256: &str, event: Draft) -> Result<u64> {
        let told = format!("\"sha256\":\"{sha256}\"");
        let known: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT seq FROM log_entry WHERE clip_id = ?1 AND kind = ?2 AND instr(CAST(bytes AS TEXT), ?3) > 0 LIMIT 1",
            )?
            .query_row(params![clip.to_string(), EventKind::Derived.as_str(), told], |r| r.get(0))
            .optional()?;
        if let Some(seq) = known {
            return Ok(seq as u64);
        }
        let parent = self.read().clip(clip)?;
        let (Some(of_sha256), Some(of_blake3)) = (parent.sha256, parent.blake3) else {
            return Err(StoreError::Conflict(Why::NotSealedDerived { clip: clip.to_string() }));
        };
        let event = event.fact("sha256", sha256);
        self.log(&event.fact("parent_sha256", of_sha256.to_string()).fact("parent_blake3", of_blake3.to_string()))
    }

    /// Logs which pieces of a preview of a clip were given out: their digests in `event`, beside the clip's own.
    pub fn pieces_given(&self, clip: ClipId, event: Draft) -> Result<u64> {
        self.log(&self.beside_parent(clip, event)?)
    }

    /// An event about what was derived of a clip, with the clip's own digests.
    pub(super) fn beside_parent(&self, clip: ClipId, event: Draft) -> Result<Draft> {
        let parent = self.read().clip(clip)?;
        Ok(event
            .fact("parent_sha256", parent.sha256.map(|d| d.to_string()))
            .fact("parent_blake3", parent.blake3.map(|d| d.to_string())))
    }

    /// Stores a signed checkpoint and puts it on its way to every destination.
    pub fn add_checkpoint(&self, row: &CheckpointRow, key: &str, destinations: &[String]) -> Result<()> {
        self.conn.execute(
            "INSERT INTO checkpoint (epoch, size, root, note, made_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![row.epoch, row.size as i64, row.root, row.note, row.made_ms],
        )?;
        for destination in destinations {
            self.post(destination, key, "checkpoint", "text/plain; charset=utf-8", row.note.as_bytes(), None)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// The log's epoch.
    pub fn epoch(&self) -> Result<u32> {
        Ok(self.conn.prepare_cached("SELECT epoch FROM station")?.query_row([], |r| r.get(0))?)
    }

    /// Number of entries.
    pub fn log_size(&self) -> Result<u64> {
        let last: Option<i64> =
            self.conn.prepare_cached("SELECT max(seq) FROM log_entry")?.query_row([], |r| r.get(0))?;
        Ok(last.map_or(0, |s| s as u64 + 1))
    }

    /// The hash of a complete subtree.
    pub fn log_node(&self, level: u8, index: u64) -> Result<Hash> {
        let found: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT hash FROM log_node WHERE level = ?1 AND idx = ?2")?
            .query_row(params![level, index as i64], |r| r.get(0))
            .optional()?;
        found.map_or_else(|| Err(StoreError::Odd(format!("log node {level}/{index} is missing"))), digest32)
    }

    /// The root at `size`.
    pub fn log_root(&self, size: u64) -> Result<Hash> {
        merkle::root(size, |level, index| self.log_node(level, index))
    }

    /// Entries from `from` on, in order, at most `limit`.
    pub fn log_entries(&self, from: u64, limit: u32) -> Result<Vec<LogRow>> {
        let mut statement =
            self.conn.prepare_cached("SELECT seq, bytes FROM log_entry WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let rows = statement.query_map(params![from as i64, limit], |r| {
            Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The same, each with the columns that repeat what its bytes say.
    pub fn log_entries_with_copies(&self, from: u64, limit: u32) -> Result<Vec<(LogRow, Copies)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT seq, bytes, kind, wall_ms, clip_id, case_hash FROM log_entry WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![from as i64, limit], |r| {
            let copies = Copies { kind: r.get(2)?, wall_ms: r.get(3)?, clip: r.get(4)?, case: r.get(5)? };
            Ok((LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? }, copies))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The columns beside one entry.
    pub fn log_copies(&self, seq: u64) -> Result<Copies> {
        self.conn
            .prepare_cached("SELECT kind, wall_ms, clip_id, case_hash FROM log_entry WHERE seq = ?1")?
            .query_row([seq as i64], |r| {
                Ok(Copies { kind: r.get(0)?, wall_ms: r.get(1)?, clip: r.get(2)?, case: r.get(3)? })
            })
            .optional()?
            .ok_or(StoreError::NotFound(Why::NoLogEntry { seq }))
    }

    /// Entries below `before`, newest first, at most `limit`: only kinds that begin with `kind`, only of `actor` (`kind:id`).
    pub fn log_before(
        &self,
        before: Option<u64>,
        kind: Option<&str>,
        actor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<LogRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT seq, bytes FROM log_entry WHERE seq < ?1 AND (?2 IS NULL OR substr(kind, 1, length(?2)) = ?2)
               AND (?3 IS NULL OR json_extract(CAST(bytes AS TEXT), '$.actor.kind') || ':' || json_extract(CAST(bytes AS TEXT), '$.actor.id') = ?3)
             ORDER BY seq DESC LIMIT ?4",
        )?;
        let below = before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![below, kind, actor, limit], |r| {
            Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Entries about a clip, oldest first.
    pub fn log_of_clip(&self, clip: ClipId) -> Result<Vec<LogRow>> {
        let mut statement =
            self.conn.prepare_cached("SELECT seq, bytes FROM log_entry WHERE clip_id = ?1 ORDER BY seq")?;
        let rows = statement
            .query_map([clip.to_string()], |r| Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? }))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Entries about a clip below `before`, newest first, at most `limit`; with `looks_of`, of those that tell who looked only
    /// theirs and the daemon's own.
    pub fn log_of_clip_before(
        &self,
        clip: ClipId,
        before: Option<u64>,
        limit: u32,
        looks_of: Option<&Actor>,
    ) -> Result<Vec<LogRow>> {
        let kinds = EventKind::ALL.iter().filter(|kind| tells_who_looked(**kind)).map(|k| format!("'{}'", k.as_str()));
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT seq, bytes FROM log_entry WHERE clip_id = ?1 AND seq < ?2
               AND (?4 IS NULL OR kind NOT IN ({})
                 OR json_extract(CAST(bytes AS TEXT), '$.actor.kind') || ':' || json_extract(CAST(bytes AS TEXT), '$.actor.id') IN (?4, ?5))
             ORDER BY seq DESC LIMIT ?3",
            kinds.collect::<Vec<_>>().join(", ")
        ))?;
        let below = before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let said = |actor: &Actor| format!("{}:{}", actor.kind, actor.id);
        let values = params![clip.to_string(), below, limit, looks_of.map(said), said(&Actor::daemon())];
        let rows = statement.query_map(values, |r| Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? }))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The values that an event commits to, with their keys.
    pub fn log_secrets(&self, seq: u64) -> Result<Vec<event::Opened>> {
        let mut statement = self.conn.prepare_cached("SELECT field, key, value FROM log_secret WHERE seq = ?1")?;
        let rows = statement.query_map([seq as i64], |r| Ok((r.get(0)?, r.get::<_, Vec<u8>>(1)?, r.get(2)?)))?;
        rows.map(|row| {
            let (field, key, value) = row?;
            Ok(event::Opened { field, key: digest32(key)?, value })
        })
        .collect()
    }

    /// The newest checkpoint.
    pub fn last_checkpoint(&self) -> Result<Option<CheckpointRow>> {
        Ok(self.checkpoints(1)?.pop())
    }

    /// The newest checkpoints, newest first, at most `limit`.
    pub fn checkpoints(&self, limit: u32) -> Result<Vec<CheckpointRow>> {
        self.checkpoint_rows("ORDER BY checkpoint_id DESC LIMIT ?1", [limit])
    }

    /// The first checkpoint over exactly these events: the one that stands at the destinations.
    pub fn first_checkpoint_over(&self, epoch: u32, size: u64) -> Result<Option<CheckpointRow>> {
        // From the end, since there are many: the first of the last run of them.
        let which =
            "WHERE checkpoint_id > coalesce((SELECT checkpoint_id FROM checkpoint WHERE epoch <> ?1 OR size <> ?2
             ORDER BY checkpoint_id DESC LIMIT 1), 0) ORDER BY checkpoint_id LIMIT 1";
        Ok(self.checkpoint_rows(which, params![epoch, size as i64])?.pop())
    }

    fn checkpoint_rows(&self, which: &str, values: impl rusqlite::Params) -> Result<Vec<CheckpointRow>> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT epoch, size, root, note, made_ms FROM checkpoint {which}"))?;
        let rows = statement.query_map(values, |r| {
            Ok((r.get(0)?, r.get::<_, i64>(1)? as u64, r.get::<_, Vec<u8>>(2)?, r.get(3)?, r.get(4)?))
        })?;
        rows.map(|row| {
            let (epoch, size, root, note, made_ms) = row?;
            Ok(CheckpointRow { epoch, size, root: digest32(root)?, note, made_ms })
        })
        .collect()
    }
}
