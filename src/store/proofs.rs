//! What others say about the log, and what this station says about the logs of others: cosignatures, timestamps, tiles
//! at destinations; and the entries that proofs and packages are made of. Signs nothing and judges nothing.

use rusqlite::{OptionalExtension, Params, params};

use super::{CheckpointRow, LogRow, Reader, Result, StoreError, Tx, digest32};
use crate::domain::event::Envelope;
use crate::domain::merkle::{self, Hash};
use crate::domain::why::Why;

/// A witness's signature on a checkpoint of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignatureRow {
    /// Epoch of the checkpoint.
    pub epoch: u32,
    /// Entries in it.
    pub size: u64,
    /// The witness's name in the configuration.
    pub witness: String,
    /// The line below the note, with its newline.
    pub line: String,
    /// When the witness signed, seconds since the Unix epoch.
    pub made_s: u64,
}

/// A timestamp on a tree head of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampRow {
    /// Epoch of the head.
    pub epoch: u32,
    /// Entries in it.
    pub size: u64,
    /// What was stamped: the checkpoint's text.
    pub text: String,
    /// The authority's answer.
    pub reply: Vec<u8>,
    /// The time in it, milliseconds since the Unix epoch.
    pub said_ms: i64,
}

/// Of epoch, size, text, reply and time.
fn timestamp_row(r: &rusqlite::Row<'_>) -> rusqlite::Result<TimestampRow> {
    let size = r.get::<_, i64>(1)? as u64;
    Ok(TimestampRow { epoch: r.get(0)?, size, text: r.get(2)?, reply: r.get(3)?, said_ms: r.get(4)? })
}

/// What is known of a log for which this station is the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedRow {
    /// Which: one epoch of a station.
    pub origin: String,
    /// Since when it is known, milliseconds since the Unix epoch; 0: from before that was noted.
    pub first_ms: i64,
    /// Entries in the newest checkpoint that was signed, and when that was.
    pub signed: Option<(u64, i64)>,
    /// When another history was refused last, and why.
    pub refused: Option<(i64, String)>,
}

impl Tx<'_> {
    /// A witness signed a checkpoint.
    pub fn cosigned(&self, row: &CosignatureRow) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO cosignature (epoch, size, witness, line, made_s) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET line = excluded.line, made_s = excluded.made_s WHERE excluded.made_s > made_s",
            )?
            .execute(params![row.epoch, row.size as i64, row.witness, row.line, row.made_s as i64])?;
        Ok(())
    }

    /// This station signs another log's checkpoint: from here on it knows that log so. In the transaction in which it
    /// looked ([`Reader::witnessed`]).
    pub fn set_witnessed(&self, origin: &str, size: u64, root: &Hash, note: &str) -> Result<()> {
        self.conn.execute(
            "INSERT INTO witnessed (origin, size, root, note, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note, at_ms = excluded.at_ms",
            params![origin, size as i64, root, note, self.now_ms()],
        )?;
        self.conn.execute(
            "INSERT INTO watched (origin, first_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![origin, self.now_ms()],
        )?;
        Ok(())
    }

    /// This station refused a checkpoint that its log had signed, since another history is known here. `true` where that is
    /// news: nothing was refused since the log last went on from the right one.
    pub fn refused_as_witness(&self, origin: &str, why: &str, note: &str) -> Result<bool> {
        let stood: bool = self.conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM watched w LEFT JOIN witnessed s USING (origin)
             WHERE w.origin = ?1 AND w.refused_ms > coalesce(s.at_ms, 0))",
            [origin],
            |r| r.get(0),
        )?;
        self.conn.execute(
            "INSERT INTO watched (origin, first_ms, refused_ms, refused, note) VALUES (?1, ?2, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET refused_ms = excluded.refused_ms, refused = excluded.refused, note = excluded.note",
            params![origin, self.now_ms(), why, note],
        )?;
        Ok(!stood)
    }

    /// An authority stamped a tree head; the answer is put on its way to every destination under `key`.
    pub fn stamped(&self, row: &TimestampRow, key: &str, destinations: &[String]) -> Result<()> {
        self.conn.execute(
            "INSERT INTO timestamp (epoch, size, text, reply, said_ms, got_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![row.epoch, row.size as i64, row.text, row.reply, row.said_ms, self.now_ms()],
        )?;
        for destination in destinations {
            self.post(destination, key, "checkpoint", "application/timestamp-reply", &row.reply, None)?;
        }
        Ok(())
    }

    /// The tiles of the log up to `size` stand at a destination.
    pub fn set_tiles_at(&self, destination: &str, epoch: u32, size: u64) -> Result<()> {
        self.conn.execute(
            "INSERT INTO tiles_at (destination, epoch, size, at_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET epoch = excluded.epoch, size = excluded.size, at_ms = excluded.at_ms",
            params![destination, epoch, size as i64, self.now_ms()],
        )?;
        Ok(())
    }
}

impl Reader<'_> {
    /// Witnesses' signatures on the checkpoint of this size.
    pub fn cosignatures(&self, epoch: u32, size: u64) -> Result<Vec<CosignatureRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT witness, line, made_s FROM cosignature WHERE epoch = ?1 AND size = ?2 ORDER BY witness",
        )?;
        let rows = statement.query_map(params![epoch, size as i64], |r| {
            let made_s = r.get::<_, i64>(2)? as u64;
            Ok(CosignatureRow { epoch, size, witness: r.get(0)?, line: r.get(1)?, made_s })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// A checkpoint's note with the lines of the witnesses below it.
    pub fn cosigned_note(&self, checkpoint: &CheckpointRow) -> Result<String> {
        let lines = self.cosignatures(checkpoint.epoch, checkpoint.size)?;
        Ok(lines.iter().fold(checkpoint.note.clone(), |note, row| note + &row.line))
    }

    /// The largest size in this epoch that a witness signed, and when it signed last.
    pub fn last_cosigned(&self, witness: &str, epoch: u32) -> Result<Option<(u64, u64)>> {
        let found = self
            .conn
            .prepare_cached("SELECT max(size), max(made_s) FROM cosignature WHERE witness = ?1 AND epoch = ?2")?
            .query_row(params![witness, epoch], |r| Ok((r.get::<_, Option<i64>>(0)?, r.get::<_, Option<i64>>(1)?)))?;
        Ok(match found {
            (Some(size), Some(made_s)) => Some((size as u64, made_s as u64)),
            _ => None,
        })
    }

    /// What this station has signed last of another log: size and root.
    pub fn witnessed(&self, origin: &str) -> Result<Option<(u64, Hash)>> {
        let found: Option<(i64, Vec<u8>)> = self
            .conn
            .prepare_cached("SELECT size, root FROM witnessed WHERE origin = ?1")?
            .query_row([origin], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        found.map(|(size, root)| Ok((size as u64, digest32(root)?))).transpose()
    }

    /// Every log that this station has signed or refused as a witness.
    pub fn watched(&self) -> Result<Vec<WatchedRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT w.origin, w.first_ms, s.size, s.at_ms, w.refused_ms, w.refused
             FROM watched w LEFT JOIN witnessed s USING (origin) ORDER BY w.origin",
        )?;
        let rows = statement.query_map([], |r| {
            let (size, at_ms): (Option<i64>, Option<i64>) = (r.get(2)?, r.get(3)?);
            let (refused_ms, why): (Option<i64>, Option<String>) = (r.get(4)?, r.get(5)?);
            let signed = size.zip(at_ms).map(|(size, at_ms)| (size as u64, at_ms));
            Ok(WatchedRow { origin: r.get(0)?, first_ms: r.get(1)?, signed, refused: refused_ms.zip(why) })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The newest checkpoint of each epoch of a log that this station has signed, oldest epoch first; `log` is the name of
    /// its key.
    pub fn witnessed_of(&self, log: &str) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT note FROM witnessed WHERE origin = ?1 OR substr(origin, 1, length(?1) + 1) = ?1 || '/'
             ORDER BY length(origin), origin",
        )?;
        let rows = statement.query_map([log], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The newest timestamp.
    pub fn last_timestamp(&self) -> Result<Option<TimestampRow>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT epoch, size, text, reply, said_ms FROM timestamp ORDER BY timestamp_id DESC LIMIT 1",
            )?
            .query_row([], timestamp_row)
            .optional()?)
    }

    /// The epoch of the newest timestamp, and when it came by this station's own clock, milliseconds since the Unix epoch.
    pub fn last_stamped(&self) -> Result<Option<(u32, i64)>> {
        Ok(self
            .conn
            .prepare_cached("SELECT epoch, got_ms FROM timestamp ORDER BY timestamp_id DESC LIMIT 1")?
            .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?)
    }

    /// Timestamps after the row `after`, each with its row, oldest first.
    pub fn timestamps(&self, after: i64, limit: u32) -> Result<Vec<(i64, TimestampRow)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT epoch, size, text, reply, said_ms, timestamp_id FROM timestamp WHERE timestamp_id > ?1 ORDER BY timestamp_id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, limit], |r| Ok((r.get(5)?, timestamp_row(r)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Up to which size the log's tiles stand at a destination, and of which epoch they are.
    pub fn tiles_at(&self, destination: &str) -> Result<Option<(u32, u64)>> {
        Ok(self
            .conn
            .prepare_cached("SELECT epoch, size FROM tiles_at WHERE destination = ?1")?
            .query_row([destination], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))
            .optional()?)
    }

    /// One entry.
    pub fn log_entry(&self, seq: u64) -> Result<LogRow> {
        self.log_entries(seq, 1)?
            .pop()
            .filter(|row| row.seq == seq)
            .ok_or_else(|| StoreError::NotFound(Why::NoLogEntry { seq }))
    }

    /// Entries about a case by its hashed keys (`domain::layout::case_hash`), oldest first.
    pub fn log_of_case(&self, hashes: &[String]) -> Result<Vec<LogRow>> {
        let mut rows = Vec::new();
        for hash in hashes {
            rows.extend(self.rows("SELECT seq, bytes FROM log_entry WHERE case_hash = ?1 ORDER BY seq", [hash])?);
        }
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }

    /// Entries that say under which key the log was signed from there on, oldest first.
    pub fn log_of_keys(&self) -> Result<Vec<LogRow>> {
        self.rows("SELECT seq, bytes FROM log_entry WHERE kind IN ('epoch.opened', 'log.key') ORDER BY seq", [])
    }

    /// Entries that say which SM2 key signed beside it from there on, or that none did, oldest first.
    pub fn log_of_sm2_key(&self) -> Result<Vec<LogRow>> {
        self.rows("SELECT seq, bytes FROM log_entry WHERE kind = 'log.sm2_key' ORDER BY seq", [])
    }

    /// How the signing key is kept, as the newest entry about it says; `None` of an empty log.
    pub fn key_protection(&self) -> Result<Option<String>> {
        let mut rows = self.log_of_keys()?;
        rows.extend(self.rows(
            "SELECT seq, bytes FROM log_entry WHERE kind = 'log.key_protection' ORDER BY seq DESC LIMIT 1",
            [],
        )?);
        let Some(newest) = rows.into_iter().max_by_key(|row| row.seq) else { return Ok(None) };
        let entry: Envelope = serde_json::from_slice(&newest.bytes)
            .map_err(|e| StoreError::Odd(format!("log entry {}: {e}", newest.seq)))?;
        Ok(entry.body.get("protection").and_then(|v| v.as_str()).map(str::to_owned))
    }

    fn rows(&self, sql: &str, values: impl Params) -> Result<Vec<LogRow>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(values, |r| Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? }))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The audit path of an entry in the tree of `size` entries; `None` where that tree has no such entry. Reads some
    /// fifty nodes, however long the log is.
    pub fn log_path(&self, seq: u64, size: u64) -> Result<Option<Vec<Hash>>> {
        merkle::inclusion_proof(seq, size, |level, index| self.log_node(level, index))
    }

    /// That the log of `old` entries is the beginning of the one of `new`.
    pub fn log_consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>> {
        merkle::consistency_proof(old, new, |level, index| self.log_node(level, index))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;
    use crate::domain::ports::Clock;

    #[test]
    fn when_a_timestamp_came_is_told_by_the_station_s_own_clock() {
        let f = fixture();
        assert_eq!(f.store.read_blocking(|r| r.last_stamped()).unwrap(), None);
        let now_ms = f.clock.now().0;
        for (size, said_ms) in [(1, now_ms + 3_600_000), (2, now_ms - 3_600_000)] {
            let row = TimestampRow { epoch: 1, size, text: "t".into(), reply: vec![1], said_ms };
            f.store.write_blocking(move |tx| tx.stamped(&row, "k", &[])).unwrap();
            assert_eq!(f.store.read_blocking(|r| r.last_stamped()).unwrap(), Some((1, now_ms)));
            assert_eq!(f.store.read_blocking(|r| r.last_timestamp()).unwrap().map(|row| row.said_ms), Some(said_ms));
        }
    }
}
