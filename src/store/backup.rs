//! Backups of this database: a consistent copy of it while it is written to, and what is known of each copy that left.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::{Reader, Result, Store, StoreError, Tx, digest32, open};
use crate::domain::digest::Sha256;
use crate::domain::event::{Draft, EventKind};
use crate::domain::merkle::Hash;
use crate::domain::ports::PartReceipt;

/// What a consistent copy of the database holds.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Epoch of its log.
    pub epoch: u32,
    /// Events in it.
    pub log_size: u64,
    /// Their root.
    pub log_root: Hash,
    /// Schema version.
    pub schema: i64,
}

/// Which backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupKey {
    /// Epoch of the log in it.
    pub epoch: u32,
    /// Its number there.
    pub seq: u32,
}

/// A backup as stored.
#[derive(Debug, Clone)]
pub struct BackupRow {
    /// Which.
    pub key: BackupKey,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// Packed, bytes.
    pub size_bytes: u64,
    /// Digest of that.
    pub sha256: Sha256,
    /// Unpacked, bytes.
    pub database_bytes: u64,
    /// Events in it.
    pub log_size: u64,
    /// The signed note.
    pub note: String,
    /// The encrypted log key, where it goes along.
    pub log_key: Option<Vec<u8>>,
    /// Likewise the SM2 key.
    pub sm2_key: Option<Vec<u8>>,
}

/// A backup at a destination.
#[derive(Debug, Clone)]
pub struct BackupCopy {
    /// Where.
    pub destination: String,
    /// `waiting`, `proven` or `given_up`.
    pub state: String,
    /// The upload's identity there.
    pub session: Option<String>,
    /// Why it is not there yet.
    pub reason: Option<String>,
    /// Failures in a row.
    pub attempts: u32,
    /// Not before then, milliseconds since the Unix epoch.
    pub next_try_ms: i64,
    /// When it was read back and the same.
    pub proven_ms: Option<i64>,
}

const COLUMNS: &str = "epoch, seq, made_ms, size_bytes, sha256, database_bytes, log_size, note, log_key, sm2_key";

fn backup_row(r: &Row<'_>) -> rusqlite::Result<(BackupRow, Vec<u8>)> {
    let row = BackupRow {
        key: BackupKey { epoch: r.get(0)?, seq: r.get(1)? },
        made_ms: r.get(2)?,
        size_bytes: r.get::<_, i64>(3)? as u64,
        sha256: Sha256([0; 32]),
        database_bytes: r.get::<_, i64>(5)? as u64,
        log_size: r.get::<_, i64>(6)? as u64,
        note: r.get(7)?,
        log_key: r.get(8)?,
        sm2_key: r.get(9)?,
    };
    Ok((row, r.get(4)?))
}

fn with_digest((row, sha256): (BackupRow, Vec<u8>)) -> Result<BackupRow> {
    Ok(BackupRow { sha256: Sha256(digest32(sha256)?), ..row })
}

impl Store {
    /// Writes a consistent copy of the database to `to`, which is made anew, while others go on writing. Blocks; reads
    /// every page, and takes as much room as the database has rows.
    pub fn snapshot(&self, to: &Path) -> Result<Snapshot> {
        let failed = |e: std::io::Error| StoreError::Odd(format!("a copy at {} cannot be made: {e}", to.display()));
        match std::fs::remove_file(to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        // An empty file of ours is written into as it stands: the copy is never open to others.
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        let path = to.to_str().ok_or_else(|| StoreError::Odd(format!("{} is no text", to.display())))?;
        // A connection of its own: copying is one statement and cannot be part of a transaction.
        let conn = open::readable(self.path())?;
        conn.execute("VACUUM INTO ?1", [path])
            .map_err(|source| StoreError::Sql { doing: "copying the database for a backup", source })?;
        drop(conn);
        let copy = open::readable(to)?;
        let read = Reader { conn: &copy };
        let log_size = read.log_size()?;
        Ok(Snapshot {
            epoch: read.epoch()?,
            log_size,
            log_root: read.log_root(log_size)?,
            schema: open::SCHEMA_VERSION,
        })
    }
}

impl Tx<'_> {
    /// A backup was packed and goes to these destinations. Earlier ones that have not arrived are given up: this one
    /// holds all that they held.
    pub fn backup_made(&self, row: &BackupRow, destinations: &[String]) -> Result<()> {
        self.conn.execute("UPDATE backup_copy SET state = 'given_up' WHERE state = 'waiting'", [])?;
        self.conn.execute(
            "INSERT INTO backup (epoch, seq, made_ms, size_bytes, sha256, database_bytes, log_size, note, log_key, sm2_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                row.key.epoch,
                row.key.seq,
                row.made_ms,
                row.size_bytes as i64,
                row.sha256.as_bytes(),
                row.database_bytes as i64,
                row.log_size as i64,
                row.note,
                row.log_key,
                row.sm2_key,
            ],
        )?;
        for destination in destinations {
            self.conn.execute(
                "INSERT INTO backup_copy (epoch, seq, destination, state) VALUES (?1, ?2, ?3, 'waiting')",
                params![row.key.epoch, row.key.seq, destination],
            )?;
        }
        let event = Draft::daemon(EventKind::BackupMade)
            .fact("backup", row.key.seq)
            .fact("log_size", row.log_size)
            .fact("size_bytes", row.size_bytes)
            .fact("sha256", row.sha256.to_string())
            .fact("log_key", row.log_key.is_some())
            .fact("sm2_key", row.sm2_key.is_some())
            .fact("destinations", destinations.to_vec());
        self.log(&event)?;
        Ok(())
    }

    /// An upload was opened there, before its first byte; `None`: the one that was open is of no use any more.
    pub fn backup_session(&self, key: BackupKey, destination: &str, session: Option<&str>) -> Result<()> {
        self.conn.execute(
            "DELETE FROM backup_part WHERE epoch = ?1 AND seq = ?2 AND destination = ?3",
            params![key.epoch, key.seq, destination],
        )?;
        self.conn.execute(
            "UPDATE backup_copy SET session = ?4 WHERE epoch = ?1 AND seq = ?2 AND destination = ?3",
            params![key.epoch, key.seq, destination, session],
        )?;
        Ok(())
    }

    /// A part was acknowledged.
    pub fn backup_part(&self, key: BackupKey, destination: &str, n: u64, receipt: &PartReceipt) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO backup_part (epoch, seq, destination, n, tag, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![key.epoch, key.seq, destination, n as i64, receipt.tag, receipt.sha256.map(|d| d.0.to_vec())],
        )?;
        Ok(())
    }

    /// It could not be brought there; it is tried again at `next_try_ms`.
    pub fn backup_failed(&self, key: BackupKey, destination: &str, reason: &str, next_try_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE backup_copy SET reason = ?4, attempts = attempts + 1, next_try_ms = ?5 WHERE epoch = ?1 AND seq = ?2 AND destination = ?3",
            params![key.epoch, key.seq, destination, reason, next_try_ms],
        )?;
        Ok(())
    }

    /// Whatever waits is due now.
    pub fn backup_retry(&self) -> Result<()> {
        self.conn.execute("UPDATE backup_copy SET next_try_ms = 0 WHERE state = 'waiting'", [])?;
        Ok(())
    }

    /// It was read back there and is what was sent, and its note stands beside it.
    pub fn backup_proven(&self, key: BackupKey, destination: &str) -> Result<()> {
        self.conn.execute(
            "UPDATE backup_copy SET state = 'proven', proven_ms = ?4, reason = NULL, session = NULL WHERE epoch = ?1 AND seq = ?2 AND destination = ?3",
            params![key.epoch, key.seq, destination, self.now_ms()],
        )?;
        self.conn.execute(
            "DELETE FROM backup_part WHERE epoch = ?1 AND seq = ?2 AND destination = ?3",
            params![key.epoch, key.seq, destination],
        )?;
        let event = Draft::daemon(EventKind::BackupProven).fact("backup", key.seq).fact("destination", destination);
        self.log(&event)?;
        Ok(())
    }
}

impl Reader<'_> {
    /// The number of the next backup in this epoch, from 1.
    pub fn next_backup(&self, epoch: u32) -> Result<u32> {
        let last: Option<u32> =
            self.conn.query_row("SELECT max(seq) FROM backup WHERE epoch = ?1", [epoch], |r| r.get(0))?;
        Ok(last.unwrap_or(0) + 1)
    }

    /// The newest backups, newest first, at most `limit`.
    pub fn backups(&self, limit: u32) -> Result<Vec<BackupRow>> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM backup ORDER BY epoch DESC, seq DESC LIMIT ?1"))?;
        let rows = statement.query_map([limit], backup_row)?;
        rows.map(|row| with_digest(row?)).collect()
    }

    /// Where a backup went, by name.
    pub fn backup_copies(&self, key: BackupKey) -> Result<Vec<BackupCopy>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT destination, state, session, reason, attempts, next_try_ms, proven_ms FROM backup_copy WHERE epoch = ?1 AND seq = ?2 ORDER BY destination",
        )?;
        let rows = statement.query_map(params![key.epoch, key.seq], |r| {
            Ok(BackupCopy {
                destination: r.get(0)?,
                state: r.get(1)?,
                session: r.get(2)?,
                reason: r.get(3)?,
                attempts: r.get(4)?,
                next_try_ms: r.get(5)?,
                proven_ms: r.get(6)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The backup that waits for a destination, if any; there is at most one.
    pub fn waiting_backup(&self, destination: &str) -> Result<Option<(BackupRow, BackupCopy)>> {
        let found = self
            .conn
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM backup WHERE (epoch, seq) IN (SELECT epoch, seq FROM backup_copy WHERE destination = ?1 AND state = 'waiting')
                 ORDER BY epoch DESC, seq DESC LIMIT 1"
            ))?
            .query_row([destination], backup_row)
            .optional()?;
        let Some(row) = found.map(with_digest).transpose()? else { return Ok(None) };
        let copy = self.backup_copies(row.key)?.into_iter().find(|c| c.destination == destination);
        Ok(copy.map(|copy| (row, copy)))
    }

    /// Receipts of the upload that is open there, by number of the part.
    pub fn backup_parts(&self, key: BackupKey, destination: &str) -> Result<Vec<(u64, PartReceipt)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT n, tag, sha256 FROM backup_part WHERE epoch = ?1 AND seq = ?2 AND destination = ?3 ORDER BY n",
        )?;
        let rows = statement.query_map(params![key.epoch, key.seq, destination], |r| {
            Ok((r.get::<_, i64>(0)? as u64, r.get(1)?, r.get::<_, Option<Vec<u8>>>(2)?))
        })?;
        rows.map(|row| {
            let (n, tag, sha256) = row?;
            Ok((n, PartReceipt { tag, sha256: sha256.map(digest32).transpose()?.map(Sha256) }))
        })
        .collect()
    }

    /// When the newest backup that is proven anywhere was made, milliseconds since the Unix epoch.
    pub fn proven_backup_ms(&self) -> Result<Option<i64>> {
        Ok(self.conn.query_row(
            "SELECT max(made_ms) FROM backup JOIN backup_copy USING (epoch, seq) WHERE state = 'proven'",
            [],
            |r| r.get(0),
        )?)
    }
}

#[cfg(test)]
mod tests;
