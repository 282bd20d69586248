//! Rosters: who had which recorder, row by row under the name of the import that brought it. Which rows an import replaces
//! is decided by `casework::roster::supersede`; here they are kept.

use rusqlite::params;

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::why::Why;

/// Names that a refusal tells at most, the last ones used first.
const NAMES: u32 = 10;

/// A stored row of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// The recorder as written.
    pub recorder: String,
    /// From, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// To (exclusive), milliseconds since the Unix epoch.
    pub to_ms: i64,
    /// JSON of the whole row.
    pub row: String,
}

/// What an import does to the rows under its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterChange {
    /// Rows that no longer stand, by their numbers.
    pub gone: Vec<i64>,
    /// Rows that stand from now on.
    pub rows: Vec<RosterEntry>,
    /// Rows of the file.
    pub told: usize,
}

impl RosterChange {
    /// Whether it changes anything.
    pub fn is_news(&self) -> bool {
        !self.gone.is_empty() || !self.rows.is_empty()
    }
}

impl Tx<'_> {
    /// Imports a roster.
    pub fn import_roster(&self, name: &str, change: &RosterChange, actor: &Actor, via: &'static str) -> Result<()> {
        let mut delete = self.conn.prepare_cached("DELETE FROM roster WHERE roster_id = ?1")?;
        for row in &change.gone {
            delete.execute([row])?;
        }
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO roster (import, recorder, from_ms, to_ms, row) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for row in &change.rows {
            insert.execute(params![name, row.recorder, row.from_ms, row.to_ms, row.row])?;
        }
        self.log(
            &Draft::by(EventKind::RosterImported, actor.clone(), via)
                .fact("rows", change.told)
                .fact("stored", change.rows.len())
                .fact("replaced", change.gone.len())
                .secret("name", name),
        )?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(())
    }

    /// Takes away every row that imports called `name` brought; gives how many there were.
    pub fn remove_roster(&self, name: &str, actor: &Actor, via: &'static str) -> Result<usize> {
        let rows = self.conn.execute("DELETE FROM roster WHERE import = ?1", [name])?;
        if rows == 0 {
            let known = self.read().roster_names(NAMES)?;
            return Err(StoreError::NotFound(Why::NoRoster { name: name.to_owned(), known }));
        }
        self.log(&Draft::by(EventKind::RosterRemoved, actor.clone(), via).fact("rows", rows).secret("name", name))?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(rows)
    }
}

impl Reader<'_> {
    /// Rows of imports called `name` that reach into a time, each with its number, in the order in which they came.
    pub fn roster_between(&self, name: &str, from_ms: i64, to_ms: i64) -> Result<Vec<(i64, RosterEntry)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT roster_id, recorder, from_ms, to_ms, row FROM roster WHERE import = ?1 AND to_ms > ?2 AND from_ms < ?3 ORDER BY roster_id",
        )?;
        let rows = statement.query_map(params![name, from_ms, to_ms], |r| {
            Ok((r.get(0)?, RosterEntry { recorder: r.get(1)?, from_ms: r.get(2)?, to_ms: r.get(3)?, row: r.get(4)? }))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Rows of every roster for the recorder with this key (`casework::roster::recorder_key`), oldest first.
    pub fn roster_of(&self, recorder_key: &str) -> Result<Vec<RosterEntry>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT recorder, from_ms, to_ms, row FROM roster WHERE recorder = ?1 ORDER BY from_ms, roster_id",
        )?;
        let rows = statement.query_map([recorder_key], |r| {
            Ok(RosterEntry { recorder: r.get(0)?, from_ms: r.get(1)?, to_ms: r.get(2)?, row: r.get(3)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Names under which rosters were imported, those with the newest rows first.
    fn roster_names(&self, limit: u32) -> Result<Vec<String>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT import FROM roster GROUP BY import ORDER BY max(roster_id) DESC LIMIT ?1")?;
        let rows = statement.query_map([limit], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}
