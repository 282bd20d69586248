//! Taking an import of a register back: every entry as it was before, cases that it had joined parted again, and numbers that
//! it gave taken away where nothing hangs on them.

use std::collections::BTreeMap;

use rusqlite::params;

use super::joins::Parted;
use super::odd;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::register::Entry;
use crate::domain::why::Why;
use crate::store::{Change, Result, StoreError, Tx};

/// What undoing an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// Entries as they were before.
    pub restored: usize,
    /// Entries that are no longer there.
    pub removed: usize,
    /// Cases that keep their numbers: clips are or were linked to them, or they were closed, given out, reviewed; nothing is
    /// un-said.
    pub kept: usize,
    /// Cases that the import had joined, and that stand apart again.
    pub parted: Vec<Parted>,
}

impl Tx<'_> {
    /// Takes an import back: every entry as it was before. What a later import said about the same entries must be
    /// taken back first.
    pub fn undo_import(&self, import: i64, actor: &Actor, via: &'static str) -> Result<Undone> {
        let read = self.read();
        let row = read
            .register_imports(None, u32::MAX)?
            .into_iter()
            .find(|i| i.import == import)
            .ok_or_else(|| StoreError::NotFound(Why::NoImport { import }))?;
        if row.undone_ms.is_some() {
            return Err(StoreError::Conflict(Why::ImportUndone { import }));
        }
        let later: Option<(i64, i64)> = self
            .conn
            .query_row(
                "SELECT max(e.import_id), count(*) FROM register_before b JOIN register_entry e ON e.register = b.register AND e.entry_key = b.entry_key
                 WHERE b.import_id = ?1 AND e.import_id <> ?1",
                [import],
                |r| Ok((r.get::<_, Option<i64>>(0)?, r.get(1)?)),
            )
            .map(|(max, n): (Option<i64>, i64)| max.map(|m| (m, n)))?;
        if let Some((newer, entries)) = later {
            return Err(StoreError::Conflict(Why::ImportChanged { newer, entries }));
        }
        // Nothing is taken back by halves: what a join cannot give back keeps the whole import.
        let joins = self.joins(import)?;
        for join in &joins {
            if let Some(why) = self.touched(join)? {
                return Err(StoreError::Conflict(why));
            }
        }
        type Before = (String, Option<String>, Option<i64>, bool, String);
        let rows: Vec<Before> = {
            let mut statement = self.conn.prepare_cached(
                "SELECT entry_key, before, before_import, opened, numbers FROM register_before WHERE import_id = ?1",
            )?;
            let rows =
                statement.query_map([import], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        let mut done = Undone::default();
        // Numbers that the import gave were given to the case as it was then, joined with others.
        let mut had = BTreeMap::new();
        for (key, ..) in &rows {
            if let Some(case) = read.entry(row.register, key)?.and_then(|e| e.case_id) {
                had.insert(key.clone(), case);
            }
        }
        for join in joins.iter().rev() {
            done.parted.push(self.part_cases(join, actor, via)?);
        }
        for (key, before, before_import, opened, numbers) in rows {
            let case = read.entry(row.register, &key)?.and_then(|e| e.case_id);
            match (before, before_import) {
                (Some(json), Some(earlier)) => {
                    let entry: Entry = serde_json::from_str(&json).map_err(|e| odd("an entry of a register", &e))?;
                    self.put_entry(row.register, &key, (&entry, None), case, earlier)?;
                    done.restored += 1;
                }
                _ => {
                    if let Some(case) = case {
                        self.conn.execute("DELETE FROM case_earlier WHERE case_id = ?1", [case])?;
                    }
                    self.conn.execute(
                        "DELETE FROM register_entry WHERE register = ?1 AND entry_key = ?2",
                        params![row.register.as_str(), key],
                    )?;
                    case.map_or(Ok(()), |case| self.refigure_case(case))?;
                    done.removed += 1;
                }
            }
            if let Some(&case) = had.get(&key) {
                let numbers: Vec<String> = serde_json::from_str(&numbers).map_err(|e| odd("numbers of a case", &e))?;
                done.kept += usize::from(!self.forget_numbers(case, &numbers, opened)?);
            }
        }
        let by = format!("{}:{}", actor.kind, actor.id);
        self.conn.execute(
            "UPDATE register_import SET undone_by = ?2, undone_ms = ?3 WHERE import_id = ?1",
            params![import, by, self.now_ms()],
        )?;
        self.log(
            &Draft::by(EventKind::RegisterUndone, actor.clone(), via)
                .fact("register", row.register.as_str())
                .fact("import", import)
                .fact("restored", done.restored)
                .fact("removed", done.removed)
                .fact("parted", done.parted.len()),
        )?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(done)
    }

    /// Takes numbers from a case, and the case itself where the import opened it. `false` where anything was done with the
    /// case since (clips linked, closed, given out ...): then they stay.
    fn forget_numbers(&self, case: i64, numbers: &[String], opened: bool) -> Result<bool> {
        if numbers.is_empty() {
            return Ok(true);
        }
        let used: bool = self.conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM case_link WHERE case_id = ?1) OR EXISTS (SELECT 1 FROM hold_order WHERE case_id = ?1)
               OR EXISTS (SELECT 1 FROM review WHERE case_id = ?1) OR EXISTS (SELECT 1 FROM no_record WHERE case_id = ?1)
               OR EXISTS (SELECT 1 FROM review_opinion WHERE case_id = ?1) OR EXISTS (SELECT 1 FROM case_sheet WHERE case_id = ?1)
               OR EXISTS (SELECT 1 FROM review_note WHERE case_id = ?1) OR EXISTS (SELECT 1 FROM filing WHERE case_id = ?1)
               OR EXISTS (SELECT 1 FROM export WHERE case_id = ?1)",
            [case],
            |r| r.get(0),
        )?;
        if used {
            return Ok(false);
        }
        for key in numbers {
            self.conn.execute("DELETE FROM case_alias WHERE case_key = ?1 AND case_id = ?2", params![key, case])?;
        }
        if opened {
            self.conn.execute(
                "DELETE FROM case_file WHERE case_id = ?1 AND NOT EXISTS (SELECT 1 FROM case_alias WHERE case_id = ?1)",
                [case],
            )?;
        }
        Ok(true)
    }
}
