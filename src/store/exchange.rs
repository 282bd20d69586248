//! Files of a front-end machine: which were imported, so that a crash between import and moving imports none twice; and which
//! clips changed since the last file that was written for it.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result, Tx};
use crate::domain::ids::ClipId;

impl Tx<'_> {
    /// A file was imported, in this transaction. Gives its number.
    pub fn exchange_taken(&self, name: &str, sha256: [u8; 32], import: Option<i64>) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO exchange_in (name, sha256, import_id, at_ms) VALUES (?1, ?2, ?3, ?4)",
            params![name, sha256, import, self.now_ms()],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// It lies no longer where it was dropped.
    pub fn exchange_moved(&self, number: i64) -> Result<()> {
        let now = self.now_ms();
        self.conn.execute("UPDATE exchange_in SET moved_ms = ?2 WHERE exchange_id = ?1", params![number, now])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// A file with these bytes that was imported and not moved yet.
    pub fn exchange_unmoved(&self, name: &str, sha256: [u8; 32]) -> Result<Option<i64>> {
        let sql = "SELECT exchange_id FROM exchange_in WHERE name = ?1 AND sha256 = ?2 AND moved_ms IS NULL";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![name, sha256], |r| r.get(0)).optional()?)
    }

    /// Names of files that were imported and, as far as is known, not moved yet.
    pub fn exchange_all_unmoved(&self) -> Result<Vec<(i64, String)>> {
        let mut statement =
            self.conn.prepare_cached("SELECT exchange_id, name FROM exchange_in WHERE moved_ms IS NULL")?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Clips about which the log has entries of these kinds in `[from, to)`, in the order of their ids.
    pub fn clips_changed(&self, from: u64, to: u64, kinds: &[&str]) -> Result<Vec<ClipId>> {
        let marks = vec!["?"; kinds.len()].join(", ");
        let sql = format!(
            "SELECT DISTINCT clip_id FROM log_entry WHERE seq >= {from} AND seq < {to} AND clip_id IS NOT NULL AND kind IN ({marks}) ORDER BY clip_id"
        );
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(kinds))?;
        let mut clips = Vec::new();
        while let Some(r) = rows.next()? {
            clips.push(r.get::<_, String>(0)?.parse()?);
        }
        Ok(clips)
    }
}
