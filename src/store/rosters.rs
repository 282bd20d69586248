//! Rosters: who had which recorder, row by row under the name of the import that brought it. Which rows an import replaces
//! is decided by `casework::roster::supersede`; here they are kept.

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::why::Why;

mod due;

pub use due::{LinkWords, RosterDue, RosterDuePlace};

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
    /// When it was undone.
    pub undone_ms: Option<i64>,
    /// Rows that stand under its name now, where this is the newest import of it that stands.
    pub standing: Option<u64>,
    /// It is that one, and what it replaced was kept.
    pub can_be_undone: bool,
}

/// What undoing an import of a roster came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterUndone {
    /// Its number.
    pub import: i64,
    /// Rows that it had brought and that are gone.
    pub rows: usize,
    /// Rows that it had replaced and that stand again.
    pub restored: usize,
}

impl Tx<'_> {
    /// Imports a roster.
    pub fn import_roster(&self, name: &str, change: &RosterChange, actor: &Actor, via: &'static str) -> Result<()> {
        let ((from_ms, to_ms), who) = (change.span_ms, format!("{}:{}", actor.kind, actor.id));
        self.conn.execute(
            "INSERT INTO roster_import (name, rows, days, from_ms, to_ms, replaced, actor, at_ms, keeps) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)",
            params![name, change.told as i64, change.days as i64, from_ms, to_ms, change.gone.len() as i64, who, self.now_ms()],
        )?;
        let import = self.conn.last_insert_rowid();
        let mut touched: Vec<_> =
            change.rows.iter().map(|row| (row.recorder.clone(), row.from_ms, row.to_ms)).collect();
        let mut keep = self.conn.prepare_cached(
            "INSERT INTO roster_before (import_id, recorder, from_ms, to_ms, row, of_import)
             SELECT ?2, recorder, from_ms, to_ms, row, import_id FROM roster WHERE roster_id = ?1",
        )?;
        let mut delete = self.conn.prepare_cached("DELETE FROM roster WHERE roster_id = ?1")?;
        for row in &change.gone {
            touched.extend(
                self.roster_rows_touched("SELECT recorder, from_ms, to_ms FROM roster WHERE roster_id = ?1", [row])?,
            );
            keep.execute([row, &import])?;
            delete.execute([row])?;
        }
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO roster (import, recorder, from_ms, to_ms, row, import_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for row in &change.rows {
            insert.execute(params![name, row.recorder, row.from_ms, row.to_ms, row.row, import])?;
        }
        self.roster_touched(touched)?;
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
        let touched =
            self.roster_rows_touched("SELECT recorder, from_ms, to_ms FROM roster WHERE import = ?1", [name])?;
        let rows = self.conn.execute("DELETE FROM roster WHERE import = ?1", [name])?;
        if rows == 0 {
            let known = self.read().roster_names(NAMES)?;
            return Err(StoreError::NotFound(Why::NoRoster { name: name.to_owned(), known }));
        }
        self.roster_touched(touched)?;
        let who = format!("{}:{}", actor.kind, actor.id);
        // Nor is anything of it kept for an undo.
        self.conn.execute(
            "DELETE FROM roster_before WHERE import_id IN (SELECT import_id FROM roster_import WHERE name = ?1)",
            [name],
        )?;
        self.conn.execute(
            "UPDATE roster_import SET removed_by = ?2, removed_ms = ?3 WHERE name = ?1 AND removed_ms IS NULL AND undone_ms IS NULL",
            params![name, who, self.now_ms()],
        )?;
        self.log(&Draft::by(EventKind::RosterRemoved, actor.clone(), via).fact("rows", rows).secret("name", name))?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(rows)
    }

    /// Undoes the newest import of `name` that stands: what it brought is gone, and what it had replaced stands again.
    pub fn undo_roster(&self, name: &str, actor: &Actor, via: &'static str) -> Result<RosterUndone> {
        let newest: Option<(i64, bool)> = self
            .conn
            .query_row(
                "SELECT import_id, keeps FROM roster_import WHERE name = ?1 AND undone_ms IS NULL AND removed_ms IS NULL
                 ORDER BY import_id DESC LIMIT 1",
                [name],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()?;
        let import = match newest {
            Some((import, true)) => import,
            Some(_) => return Err(StoreError::Conflict(Why::RosterKept { name: name.to_owned() })),
            None => {
                let known = self.read().roster_names(NAMES)?;
                return Err(StoreError::NotFound(Why::NoRoster { name: name.to_owned(), known }));
            }
        };
        // Both what goes and what stands again.
        let touched = self.roster_rows_touched(
            "SELECT recorder, from_ms, to_ms FROM roster WHERE import = ?1 AND import_id = ?2
             UNION ALL SELECT recorder, from_ms, to_ms FROM roster_before WHERE import_id = ?2",
            params![name, import],
        )?;
        self.roster_touched(touched)?;
        let rows =
            self.conn.execute("DELETE FROM roster WHERE import = ?1 AND import_id = ?2", params![name, import])?;
        let restored = self.conn.execute(
            "INSERT INTO roster (import, recorder, from_ms, to_ms, row, import_id)
             SELECT ?1, recorder, from_ms, to_ms, row, of_import FROM roster_before WHERE import_id = ?2 ORDER BY rowid",
            params![name, import],
        )?;
        self.conn.execute("DELETE FROM roster_before WHERE import_id = ?1", [import])?;
        let who = format!("{}:{}", actor.kind, actor.id);
        self.conn.execute(
            "UPDATE roster_import SET undone_by = ?2, undone_ms = ?3 WHERE import_id = ?1",
            params![import, who, self.now_ms()],
        )?;
        self.log(
            &Draft::by(EventKind::RosterRemoved, actor.clone(), via)
                .fact("import", import)
                .fact("rows", rows)
                .fact("restored", restored)
                .secret("name", name),
        )?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(RosterUndone { import, rows, restored })
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
               CASE WHEN removed_ms IS NULL AND import_id = (SELECT max(n.import_id) FROM roster_import n WHERE n.name = i.name AND n.undone_ms IS NULL)
                 THEN (SELECT count(*) FROM roster WHERE import = i.name) END, undone_ms, keeps
             FROM roster_import i WHERE import_id < ?1 ORDER BY import_id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![below.unwrap_or(i64::MAX), limit], |r| {
            let (actor, at): (Option<String>, Option<i64>) = (r.get(7)?, r.get(8)?);
            let standing: Option<i64> = r.get(10)?;
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
                undone_ms: r.get(11)?,
                standing: standing.map(|n| n as u64),
                can_be_undone: standing.is_some() && r.get(12)?,
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

    #[test]
    fn the_newest_import_of_a_name_is_undone_and_what_it_replaced_stands_again() {
        let f = fixture();
        let rows = || {
            let sql = "SELECT import || from_ms FROM roster ORDER BY 1";
            f.store
                .read_blocking(|r| {
                    let mut statement = r.conn.prepare(sql)?;
                    let rows = statement.query_map([], |x| x.get::<_, String>(0))?;
                    Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?)
                })
                .unwrap()
        };
        let import = |name: &'static str, gone: Vec<i64>, froms: &[i64]| {
            let row = |n: &i64| RosterEntry { recorder: "r1".into(), from_ms: *n, to_ms: n + 1, row: "{}".into() };
            let rows: Vec<_> = froms.iter().map(row).collect();
            let change = RosterChange { gone, told: rows.len(), rows, days: 1, span_ms: (5, 9) };
            f.store.write_blocking(move |tx| tx.import_roster(name, &change, &Actor::os(7), "cli")).unwrap();
        };
        let undo = |name: &'static str| f.store.write_blocking(move |tx| tx.undo_roster(name, &Actor::os(7), "cli"));
        let undone = |import, rows, restored| RosterUndone { import, rows, restored };
        import("a", vec![], &[10, 20, 30]);
        import("b", vec![], &[70]);
        import("a", vec![2, 3], &[21]);
        import("a", vec![5], &[22, 23]);
        assert_eq!(rows(), ["a10", "a22", "a23", "b70"]);
        let listed = || {
            let imports = f.store.read_blocking(|r| r.roster_imports(None, 9)).unwrap();
            let told = |i: RosterImport| (i.import, i.standing, i.can_be_undone, i.undone_ms.is_some());
            imports.into_iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(listed()[..2], [(4, Some(3), true, false), (3, None, false, false)]);
        assert_eq!(undo("a").unwrap(), undone(4, 2, 1));
        assert_eq!(rows(), ["a10", "a21", "b70"]);
        assert_eq!(listed()[..2], [(4, None, false, true), (3, Some(2), true, false)]);
        assert_eq!(undo("a").unwrap(), undone(3, 1, 2));
        assert_eq!(rows(), ["a10", "a20", "a30", "b70"], "the rows before it, and no other name's");
        assert_eq!(undo("a").unwrap(), undone(1, 3, 0));
        assert!(matches!(undo("a"), Err(StoreError::NotFound(Why::NoRoster { known, .. })) if known == ["b"]));
        // What is taken away by its name is not put back by an undo, and another import of the name is.
        import("b", vec![4], &[71]);
        f.store.write_blocking(|tx| tx.remove_roster("b", &Actor::os(7), "cli")).unwrap();
        assert!(matches!(undo("b"), Err(StoreError::NotFound(_))));
        import("b", vec![], &[72]);
        assert_eq!(undo("b").unwrap(), undone(6, 1, 0));
        assert_eq!(rows(), Vec::<String>::new());
        // Of what an earlier version imported nobody kept what it replaced.
        import("c", vec![], &[5]);
        f.store.write_blocking(|tx| Ok(tx.conn.execute("UPDATE roster_import SET keeps = 0", [])?)).unwrap();
        assert!(matches!(undo("c"), Err(StoreError::Conflict(Why::RosterKept { .. }))));
        assert!(!listed()[0].2);
        let told = f.store.read_blocking(|r| r.log_entries(0, 500)).unwrap();
        let of = |e: &crate::store::LogRow| String::from_utf8_lossy(&e.bytes).into_owned();
        let undoings = told.iter().map(of).filter(|e| e.contains("roster_removed") && e.contains("restored"));
        assert_eq!(undoings.count(), 4);
    }
}
