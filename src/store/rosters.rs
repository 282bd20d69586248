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
    /// Days on which they begin.
    pub days: usize,
    /// From the first row's begin to the last one's end, milliseconds since the Unix epoch.
    pub span_ms: (i64, i64),
}

impl RosterChange {
    /// Whether it changes anything.
    pub fn is_news(&self) -> bool {
        !self.gone.is_empty() || !self.rows.is_empty()
    }
}

/// An import of a roster, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterImport {
    /// Its number.
    pub import: i64,
    /// The name of the file, under which its rows stand.
    pub name: String,
    /// Rows of the file.
    pub rows: u64,
    /// Days on which they begin.
    pub days: u64,
    /// From the first row's begin, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// To the last one's end.
    pub to_ms: i64,
    /// Rows that earlier imports of its name had brought and that gave way.
    pub replaced: u64,
    /// Who, as `kind:id`, and when; `None` of what was imported before this was written down.
    pub by: Option<(String, i64)>,
    /// When what its name had brought was taken away.
    pub removed_ms: Option<i64>,
    /// Rows that stand under its name now, where this is the newest import of it.
    pub standing: Option<u64>,
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
        let ((from_ms, to_ms), who) = (change.span_ms, format!("{}:{}", actor.kind, actor.id));
        self.conn.execute(
            "INSERT INTO roster_import (name, rows, days, from_ms, to_ms, replaced, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![name, change.told as i64, change.days as i64, from_ms, to_ms, change.gone.len() as i64, who, self.now_ms()],
        )?;
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
        let who = format!("{}:{}", actor.kind, actor.id);
        self.conn.execute(
            "UPDATE roster_import SET removed_by = ?2, removed_ms = ?3 WHERE name = ?1 AND removed_ms IS NULL",
            params![name, who, self.now_ms()],
        )?;
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

    /// Imports below a number, newest first, at most `limit`.
    pub fn roster_imports(&self, below: Option<i64>, limit: u32) -> Result<Vec<RosterImport>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT import_id, name, rows, days, from_ms, to_ms, replaced, actor, at_ms, removed_ms,
               CASE WHEN removed_ms IS NULL AND import_id = (SELECT max(n.import_id) FROM roster_import n WHERE n.name = i.name)
                 THEN (SELECT count(*) FROM roster WHERE import = i.name) END
             FROM roster_import i WHERE import_id < ?1 ORDER BY import_id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![below.unwrap_or(i64::MAX), limit], |r| {
            let (actor, at): (Option<String>, Option<i64>) = (r.get(7)?, r.get(8)?);
            Ok(RosterImport {
                import: r.get(0)?,
                name: r.get(1)?,
                rows: r.get::<_, i64>(2)? as u64,
                days: r.get::<_, i64>(3)? as u64,
                from_ms: r.get(4)?,
                to_ms: r.get(5)?,
                replaced: r.get::<_, i64>(6)? as u64,
                by: actor.zip(at),
                removed_ms: r.get(9)?,
                standing: r.get::<_, Option<i64>>(10)?.map(|n| n as u64),
            })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fixture;

    #[test]
    fn imports_are_listed_and_what_a_name_brought_goes_by_it() {
        let f = fixture();
        let import = |name: &'static str, gone: Vec<i64>, rows: i64| {
            let row = |n| RosterEntry { recorder: "r1".into(), from_ms: n, to_ms: n + 1, row: "{}".into() };
            let rows: Vec<_> = (0..rows).map(row).collect();
            let change = RosterChange { gone, told: rows.len(), rows, days: 2, span_ms: (5, 9) };
            f.store.write_blocking(move |tx| tx.import_roster(name, &change, &Actor::os(7), "cli")).unwrap();
        };
        let listed = || f.store.read_blocking(|r| r.roster_imports(None, 10)).unwrap();
        let standing =
            || listed().into_iter().map(|i| (i.name, i.standing, i.removed_ms.is_some())).collect::<Vec<_>>();
        import("a", vec![], 3);
        import("b", vec![], 1);
        import("a", vec![1], 2);
        let newest = listed().remove(0);
        assert_eq!((newest.rows, newest.days, newest.from_ms, newest.to_ms, newest.replaced), (2, 2, 5, 9, 1));
        assert_eq!(newest.by.unwrap().0, "os:7");
        let expected = [("a".into(), Some(4), false), ("b".into(), Some(1), false), ("a".into(), None, false)];
        assert_eq!(standing(), expected, "by the newest of its name");
        assert_eq!(f.store.write_blocking(|tx| tx.remove_roster("a", &Actor::os(7), "cli")).unwrap(), 4);
        let expected = [("a".into(), None, true), ("b".into(), Some(1), false), ("a".into(), None, true)];
        assert_eq!(standing(), expected);
        // The same name again is another import, and what was taken away stays told.
        import("a", vec![], 1);
        assert_eq!(standing()[..2], [("a".into(), Some(1), false), ("a".into(), None, true)]);
        let second = f.store.read_blocking(|r| r.roster_imports(Some(4), 1)).unwrap();
        assert_eq!(second.iter().map(|i| i.import).collect::<Vec<_>>(), [3]);
    }
}
