//! Registers: imports, what they replaced, and what they say now. Of cases also their numbers, and that two of them turned
//! out to be one.

mod joins;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::case_number::CaseNumber;
use crate::domain::coverage::occasion::standing;
use crate::domain::coverage::{Allowed, CaseFacts, Coverage, Footage, Item, NoRecord, Said, cover};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::record::{self, Field, Origin};
use crate::domain::register::{EARLIER_KEYS, Entry, Register, kind_key};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

pub use joins::Parted;
pub(super) use joins::of_no_parted_join;
pub use undo::Undone;

/// An entry to be stored.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Line in the file.
    pub line: u64,
    /// Its values.
    pub entry: Entry,
    /// By what it is known again; of a case `None`: that is its numbers.
    pub key: Option<String>,
    /// Of a case: its numbers, the one that names it first.
    pub numbers: Vec<CaseNumber>,
}

/// A register to be imported.
#[derive(Debug, Clone)]
pub struct Import {
    /// Which.
    pub register: Register,
    /// Of the file.
    pub name: String,
    /// What is in it.
    pub entries: Vec<NewEntry>,
    /// Version of the number rule.
    pub rule_version: u32,
}

/// What an import came to, or would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedAs {
    /// Its number; `None` where nothing was stored.
    pub import: Option<i64>,
    /// Entries that were not there.
    pub added: usize,
    /// Entries that were there with other values.
    pub changed: usize,
    /// Entries that were there like this.
    pub same: usize,
    /// Cases that turned out to be one with another.
    pub joined: usize,
    /// Lines that contradict what is stored; with any of them nothing was stored.
    pub conflicts: Vec<(u64, Why)>,
}

/// An import as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number.
    pub import: i64,
    /// Which register.
    pub register: Register,
    /// Of the file.
    pub name: String,
    /// Entries in it.
    pub entries: u64,
    /// Of these new.
    pub added: u64,
    /// Of these changed.
    pub changed: u64,
    /// Who, as `kind:id`.
    pub actor: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// When it was undone.
    pub undone_ms: Option<i64>,
}

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// By what it is known again.
    pub key: String,
    /// Its values.
    pub entry: Entry,
    /// The case, of a case.
    pub case_id: Option<i64>,
    /// The import that says so.
    pub import: i64,
}

/// A case as its register has it, with what rules match it by.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRecord {
    /// The case.
    pub case_id: i64,
    /// Its first number, as displayed.
    pub number: String,
    /// That number's key.
    pub key: String,
    /// Its values.
    pub entry: Entry,
}

fn odd(what: &str, e: &serde_json::Error) -> StoreError {
    StoreError::Odd(format!("{what}: {e}"))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<(String, String, Option<i64>, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn entry_row((key, json, case_id, import): (String, String, Option<i64>, i64)) -> Result<EntryRow> {
    let entry = serde_json::from_str(&json).map_err(|e| odd("an entry of a register", &e))?;
    Ok(EntryRow { key, entry, case_id, import })
}

fn case_columns(row: &Row<'_>) -> rusqlite::Result<(i64, String, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn case_record((case_id, key, json): (i64, String, String)) -> Result<CaseRecord> {
    let entry: Entry = serde_json::from_str(&json).map_err(|e| odd("an entry of a register", &e))?;
    Ok(CaseRecord { case_id, number: entry.get("number").unwrap_or_default().to_owned(), key, entry })
}

impl Tx<'_> {
    /// Imports a register, or says what that would come to.
    pub fn import_register(&self, new: &Import, dry_run: bool, actor: &Actor, via: &'static str) -> Result<ImportedAs> {
        // The trial is the import itself, taken back: so it cannot promise anything else.
        self.conn.execute_batch("SAVEPOINT import")?;
        let before = self.changes.borrow().len();
        let outcome = self.import_all(new, actor, via);
        let keep = matches!(&outcome, Ok(done) if !dry_run && done.conflicts.is_empty());
        if keep {
            self.conn.execute_batch("RELEASE import")?;
            return outcome;
        }
        self.conn.execute_batch("ROLLBACK TO import; RELEASE import")?;
        self.changes.borrow_mut().truncate(before);
        outcome.map(|done| ImportedAs { import: None, ..done })
    }

    fn import_all(&self, new: &Import, actor: &Actor, via: &'static str) -> Result<ImportedAs> {
        let mut done = ImportedAs::default();
        self.conn.execute(
            "INSERT INTO register_import (register, name, entries, added, changed, actor, at_ms) VALUES (?1, ?2, ?3, 0, 0, ?4, ?5)",
            params![new.register.as_str(), new.name, new.entries.len() as i64, format!("{}:{}", actor.kind, actor.id), self.now_ms()],
        )?;
        let import = self.conn.last_insert_rowid();
        let mut lines = BTreeMap::new();
        for entry in &new.entries {
            match new.register {
                Register::Case => self.import_case(new, entry, (import, &mut lines), &mut done, actor, via)?,
                _ => self.import_entry(new.register, entry, entry.key.as_deref(), None, import, &mut done)?,
            }
        }
        self.joins_stand(import)?;
        self.conn.execute(
            "UPDATE register_import SET added = ?2, changed = ?3 WHERE import_id = ?1",
            params![import, done.added as i64, done.changed as i64],
        )?;
        self.log(
            &Draft::by(EventKind::RegisterImported, actor.clone(), via)
                .fact("register", new.register.as_str())
                .fact("import", import)
                .fact("entries", new.entries.len())
                .fact("added", done.added)
                .fact("changed", done.changed)
                .secret("name", new.name.as_str()),
        )?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        done.import = Some(import);
        Ok(done)
    }

    /// Stores one entry, if it says anything new.
    fn import_entry(
        &self,
        register: Register,
        new: &NewEntry,
        key: Option<&str>,
        case: Option<(i64, bool, &[String])>,
        import: i64,
        done: &mut ImportedAs,
    ) -> Result<()> {
        let key = key.unwrap_or_default();
        let before = self.read().entry(register, key)?;
        let (case_id, opened, numbers) = case.map_or((None, false, &[][..]), |(id, opened, n)| (Some(id), opened, n));
        if before.as_ref().is_some_and(|b| b.entry == new.entry) && numbers.is_empty() {
            done.same += 1;
            return Ok(());
        }
        match before {
            Some(_) => done.changed += 1,
            None => done.added += 1,
        }
        let json = |entry: &Entry| serde_json::to_string(entry).map_err(|e| odd("an entry of a register", &e));
        let numbers = serde_json::to_string(numbers).map_err(|e| odd("numbers of a case", &e))?;
        self.conn
            .prepare_cached(
                "INSERT INTO register_before (import_id, register, entry_key, before, before_import, opened, numbers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                import,
                register.as_str(),
                key,
                before.as_ref().map(|b| json(&b.entry)).transpose()?,
                before.as_ref().map(|b| b.import),
                opened,
                numbers
            ])?;
        self.put_entry(register, key, (&new.entry, Some(new.line)), case_id, import)
    }

    /// Without a line the entry keeps its place.
    fn put_entry(
        &self,
        register: Register,
        key: &str,
        (entry, line): (&Entry, Option<u64>),
        case_id: Option<i64>,
        import: i64,
    ) -> Result<()> {
        let json = serde_json::to_string(entry).map_err(|e| odd("an entry of a register", &e))?;
        let opened_ms = if register == Register::Case { entry.time_ms("opened") } else { None };
        self.conn
            .prepare_cached(
                "INSERT INTO register_entry (register, entry_key, name, loose, entry, case_id, opened_ms, import_id, at_ms, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, coalesce(?10, 0))
                 ON CONFLICT (register, entry_key) DO UPDATE SET name = excluded.name, loose = excluded.loose, entry = excluded.entry, line = coalesce(?10, line),
                   opened_ms = excluded.opened_ms, import_id = excluded.import_id, at_ms = excluded.at_ms",
            )?
            .execute(params![
                register.as_str(),
                key,
                entry.name(register),
                entry.loose(register),
                json,
                case_id,
                opened_ms,
                import,
                self.now_ms(),
                line.map(|line| line as i64)
            ])?;
        if let Some(case) = case_id {
            self.put_earlier(case)?;
            self.refigure_case(case)?;
        }
        Ok(())
    }

    /// What a case was called before it was opened, anew from its entry.
    fn put_earlier(&self, case: i64) -> Result<()> {
        self.conn.prepare_cached("DELETE FROM case_earlier WHERE case_id = ?1")?.execute([case])?;
        let Some(row) = self.read().case_entry(case)? else { return Ok(()) };
        let mut insert =
            self.conn.prepare_cached("INSERT OR IGNORE INTO case_earlier (case_key, case_id) VALUES (?1, ?2)")?;
        for key in row.entry.list(EARLIER_KEYS) {
            insert.execute(params![key, case])?;
        }
        Ok(())
    }

    /// Stores a case: finds it by any of its numbers, or opens it, and gives it those that it lacks. `lines` remembers which
    /// line named which case.
    fn import_case(
        &self,
        all: &Import,
        new: &NewEntry,
        (import, lines): (i64, &mut BTreeMap<i64, u64>),
        done: &mut ImportedAs,
        actor: &Actor,
        via: &'static str,
    ) -> Result<()> {
        let Some(first) = new.numbers.first() else { return Ok(()) };
        let mut known: Vec<i64> = Vec::new();
        for number in &new.numbers {
            if let Some(case) = self.read().case_id(number.key())?
                && !known.contains(&case)
            {
                known.push(case);
            }
        }
        // Two numbers of one case look like two cases to whoever reads the file alone.
        if let Some(first) = known.iter().find_map(|case| lines.get(case)) {
            done.conflicts.push((new.line, Why::SameCaseTwice { line: new.line, first: *first }));
            return Ok(());
        }
        let opened = known.is_empty();
        let case = match known.first() {
            Some(case) => *case,
            None => self.case_of(first, all.rule_version, actor, via)?,
        };
        lines.insert(case, new.line);
        for other in known.iter().skip(1) {
            let numbers = || new.numbers.iter().map(|n| n.display()).collect::<Vec<_>>().join(" / ");
            if let Some(why) = self.stay_apart(case, *other, new.line, numbers)? {
                done.conflicts.push((new.line, why));
                return Ok(());
            }
            self.join_cases(import, case, *other, actor, via)?;
            done.joined += 1;
        }
        let mut added = Vec::new();
        if opened {
            added.push(first.key().to_owned());
        }
        for number in &new.numbers {
            if self.read().case_id(number.key())?.is_none() {
                self.add_alias(case, number, all.rule_version)?;
                added.push(number.key().to_owned());
            }
        }
        // The clips of the case are found by the new numbers in the bucket, too.
        if !added.is_empty() && !opened {
            for clip in self.read().clips_of_case(case)? {
                self.stale(clip)?;
            }
        }
        let key = match self.read().case_entry(case)? {
            Some(entry) => entry.key,
            None => first.key().to_owned(),
        };
        self.import_entry(Register::Case, new, Some(&key), Some((case, opened, &added)), import, done)
    }

    /// Somebody says why a matter of a case has no recording, and on what basis; an empty reason takes back what stands. Who
    /// and when is of `asked` and the clock, whatever `said` says.
    pub fn say_no_record(&self, case: i64, said: &NoRecord, asked: Draft) -> Result<()> {
        self.not_filed(case)?;
        let earlier = self.read().no_records(case)?;
        let stands = standing(&earlier).into_iter().any(|s| s.is_about_the_same(said));
        if said.reason.is_empty() && !stands {
            return Err(StoreError::NotFound(Why::NoReasonStands { matter: said.matter.clone() }));
        }
        let key = self.read().aliases(case)?.into_iter().next().map(|(key, _)| key).unwrap_or_default();
        self.conn.execute(
            "INSERT INTO no_record (case_id, matter, written, reason, actor, at_ms, basis, stage, of_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                case,
                said.matter,
                said.written,
                said.reason,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms(),
                said.basis,
                said.stage,
                said.of_ms
            ],
        )?;
        let event = asked
            .case(layout::case_hash(&key))
            .fact("written", said.written)
            .fact("withdrawn", said.reason.is_empty())
            .secret("matter", said.matter.as_str())
            .secret("reason", said.reason.as_str());
        // Only what was said is told, so that nobody adds or takes away a part of it later.
        let of = said.of_ms.map(|ms| UtcMs(ms).rfc3339());
        let parts =
            [("basis", Some(said.basis.clone()).filter(|b| !b.is_empty())), ("stage", said.stage.clone()), ("of", of)];
        let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part?)));
        let event = parts.fold(event, |event, (name, part)| event.secret(name, part));
        self.log(&event)?;
        self.changed(Change::Cases);
        Ok(())
    }
}

impl Reader<'_> {
    /// One entry.
    pub fn entry(&self, register: Register, key: &str) -> Result<Option<EntryRow>> {
        self.conn
            .prepare_cached(
                "SELECT entry_key, entry, case_id, import_id FROM register_entry WHERE register = ?1 AND entry_key = ?2",
            )?
            .query_row(params![register.as_str(), key], entry)
            .optional()?
            .map(entry_row)
            .transpose()
    }

    /// What the register of cases says about a case.
    pub fn case_entry(&self, case: i64) -> Result<Option<EntryRow>> {
        self.conn
            .prepare_cached("SELECT entry_key, entry, case_id, import_id FROM register_entry WHERE case_id = ?1")?
            .query_row([case], entry)
            .optional()?
            .map(entry_row)
            .transpose()
    }

    /// Entries in the order of their names, at most `limit`; `loose` (`domain::case_number::loose` of what was typed)
    /// stands anywhere in them.
    pub fn entries(&self, register: Register, loose: Option<&str>, limit: u32) -> Result<Vec<EntryRow>> {
        Ok(self.entries_after(register, loose, None, limit)?.into_iter().map(|(_, row)| row).collect())
    }

    /// The same after a place: a name and the key of an entry. Each with the name by which it is ordered.
    pub fn entries_after(
        &self,
        register: Register,
        loose: Option<&str>,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<Vec<(String, EntryRow)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.entry_key, e.entry, e.case_id, e.import_id, e.name FROM register_entry e WHERE e.register = ?1
               AND (?4 IS NULL OR (e.name, e.entry_key) > (?4, ?5))
               AND (?2 = '' OR instr(e.loose, ?2) > 0 OR EXISTS (SELECT 1 FROM case_alias a WHERE a.case_id = e.case_id AND instr(a.loose, ?2) > 0))
             ORDER BY e.name, e.entry_key LIMIT ?3",
        )?;
        let (name, key) = (after.map(|a| &a.0), after.map(|a| &a.1));
        let values = params![register.as_str(), loose.unwrap_or_default(), limit, name, key];
        let rows = statement.query_map(values, |r| Ok((r.get::<_, String>(4)?, entry(r)?)))?;
        rows.map(|row| {
            let (name, row) = row?;
            Ok((name, entry_row(row)?))
        })
        .collect()
    }

    /// How many entries a register has.
    pub fn entry_count(&self, register: Register) -> Result<u64> {
        let sql = "SELECT count(*) FROM register_entry WHERE register = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([register.as_str()], |r| r.get::<_, i64>(0))? as u64)
    }

    /// Imports, newest first, at most `limit`.
    pub fn register_imports(&self, register: Option<Register>, limit: u32) -> Result<Vec<ImportRow>> {
        self.register_imports_below(register, None, limit)
    }

    /// The same below a number.
    pub fn register_imports_below(
        &self,
        register: Option<Register>,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ImportRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT import_id, register, name, entries, added, changed, actor, at_ms, undone_ms FROM register_import
             WHERE (?1 IS NULL OR register = ?1) AND import_id < ?3 ORDER BY import_id DESC LIMIT ?2",
        )?;
        let values = params![register.map(Register::as_str), limit, below.unwrap_or(i64::MAX)];
        let rows = statement.query_map(values, |r| {
            Ok((
                r.get::<_, String>(1)?,
                ImportRow {
                    import: r.get(0)?,
                    register: Register::Unit,
                    name: r.get(2)?,
                    entries: r.get::<_, i64>(3)? as u64,
                    added: r.get::<_, i64>(4)? as u64,
                    changed: r.get::<_, i64>(5)? as u64,
                    actor: r.get(6)?,
                    at_ms: r.get(7)?,
                    undone_ms: r.get(8)?,
                },
            ))
        })?;
        rows.map(|row| {
            let (word, row) = row?;
            let register = Register::parse(&word).ok_or_else(|| StoreError::Odd(format!("register {word:?}")))?;
            Ok(ImportRow { register, ..row })
        })
        .collect()
    }

    /// Every case of the register, in the order of their opening.
    pub fn registered_cases(&self) -> Result<Vec<CaseRecord>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT case_id, entry_key, entry FROM register_entry WHERE register = 'case' ORDER BY opened_ms, entry_key",
        )?;
        let rows = statement.query_map([], case_columns)?;
        rows.map(|row| case_record(row?)).collect()
    }

    /// Changes whenever an import or its undoing changed any register.
    pub fn register_version(&self) -> Result<(i64, i64)> {
        Ok(self
            .conn
            .prepare_cached("SELECT coalesce(max(import_id), 0), count(undone_ms) FROM register_import")?
            .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?)
    }

    /// Cases of the register that name a number with this key as what they were called before they were opened.
    pub fn cases_after(&self, key: &str) -> Result<Vec<CaseRecord>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.case_id, e.entry_key, e.entry FROM case_earlier r JOIN register_entry e ON e.case_id = r.case_id WHERE r.case_key = ?1
             ORDER BY e.case_id LIMIT 20",
        )?;
        let rows = statement.query_map([key], case_columns)?;
        rows.map(|row| case_record(row?)).collect()
    }

    /// The catalogue of what is to be recorded.
    pub fn catalogue_items(&self) -> Result<Vec<Item>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT entry FROM register_entry WHERE register = 'catalogue' ORDER BY line, entry_key")?;
        let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
        rows.map(|row| {
            let entry: Entry = serde_json::from_str(&row?).map_err(|e| odd("an item of the catalogue", &e))?;
            Ok(Item::of(&entry))
        })
        .collect()
    }

    /// A case against the catalogue, at `now_ms`.
    pub fn coverage(&self, case: i64, now_ms: i64, allowed: Allowed) -> Result<Coverage> {
        // The catalogue asks nothing of years of routine checks.
        if self.is_large(case)? {
            return Ok(Coverage::default());
        }
        let entry = self.case_entry(case)?.map(|e| e.entry).unwrap_or_default();
        self.coverage_by(&self.catalogue_items()?, &entry, case, now_ms, allowed)
    }

    /// The same of what somebody may see of it: of these clips and documents, and, where the case is `known` to them, with
    /// what the register and people said of it.
    pub fn coverage_seen(
        &self,
        case: i64,
        clips: &[ClipId],
        known: bool,
        now_ms: i64,
        allowed: Allowed,
    ) -> Result<Coverage> {
        if self.is_large(case)? {
            return Ok(Coverage::default());
        }
        let seen: BTreeSet<ClipId> = clips.iter().copied().collect();
        let mut said = self.written_among(case, Some(&seen))?;
        let mut entry = Entry::default();
        if known {
            said.extend(self.no_records(case)?);
            entry = self.case_entry(case)?.map(|e| e.entry).unwrap_or_default();
        }
        let footage = self.footage_of(case, Some(&seen))?;
        Ok(cover(&self.catalogue_items()?, &CaseFacts::of(&entry), &footage, &said, now_ms, allowed))
    }

    /// The same as it stands when the case is over, with every stage of it; and whether it is not known which items apply,
    /// because some are for one kind or matter of enforcement, and the register does not say of which of them the case is.
    pub(super) fn coverage_when_over(&self, case: i64, now_ms: i64, allowed: Allowed) -> Result<(Coverage, bool)> {
        let (items, entry) = (self.catalogue_items()?, self.case_entry(case)?.map(|e| e.entry).unwrap_or_default());
        let facts = CaseFacts { over: true, ..CaseFacts::of(&entry) };
        let kind = facts.kind_among(&items);
        let of_kind =
            |item: &&Item| item.kind.as_deref().is_none_or(|of| kind.as_ref().is_none_or(|k| *k == kind_key(of)));
        let ours: Vec<Item> = items.iter().filter(of_kind).cloned().collect();
        let kind_unknown = (kind.is_none() && items.iter().any(|item| item.kind.is_some())) || !facts.is_placed(&ours);
        let mut said = self.written_records(case)?;
        said.extend(self.no_records(case)?);
        Ok((cover(&items, &facts, &self.footage_of(case, None)?, &said, now_ms, allowed), kind_unknown))
    }

    /// The same with catalogue and entry at hand.
    pub(super) fn coverage_by(
        &self,
        items: &[Item],
        entry: &Entry,
        case: i64,
        now_ms: i64,
        allowed: Allowed,
    ) -> Result<Coverage> {
        // A document is a written record, never a recording; what a person said about a matter counts before it.
        let mut said = self.written_records(case)?;
        said.extend(self.no_records(case)?);
        Ok(cover(items, &CaseFacts::of(entry), &self.footage_of(case, None)?, &said, now_ms, allowed))
    }

    /// Clips of a case, or `only` these of them, as coverage asks: of each the part that is linked, and what that shows.
    fn footage_of(&self, case: i64, only: Option<&BTreeSet<ClipId>>) -> Result<Vec<Footage>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.stage, l.matter, l.from_ms, l.to_ms, i.captured_start_ms, m.duration_ms, c.sealed_ms, l.clip_id, l.origin = 'person'
             FROM case_link l JOIN clip c USING (clip_id) LEFT JOIN media m USING (clip_id) LEFT JOIN clip_index i USING (clip_id)
             WHERE l.case_id = ?1 AND l.withdrawn = 0 AND c.role IN ('clip', 'other') AND c.isolated_ms IS NULL
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY i.captured_start_ms, l.clip_id",
        )?;
        type Words = (Option<String>, Option<String>, bool);
        type Times = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
        let rows: Vec<(Words, Times, String)> = statement
            .query_map([case], |r| {
                let times = (r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?);
                Ok(((r.get(0)?, r.get(1)?, r.get(8)?), times, r.get(7)?))
            })?
            .collect::<std::result::Result<_, _>>()?;
        let mut footage = Vec::new();
        for ((mut stage, mut matter, by_person), (from, to, start, length, sealed_ms), clip) in rows {
            let clip: ClipId = clip.parse()?;
            if only.is_some_and(|only| !only.contains(&clip)) {
                continue;
            }
            if stage.is_none() || matter.is_none() || !by_person {
                // As `LinkRow::said` has it, of which a case with thousands of clips takes no more than this.
                let mut settled = record::settle(&self.facts(clip)?);
                let mut word = |own: Option<String>, field| match settled.remove(&field) {
                    Some(said) if own.is_none() || (!by_person && said.origin == Origin::Person) => Some(said.value),
                    _ => own,
                };
                (stage, matter) = (word(stage, Field::Stage), word(matter, Field::Matter));
            }
            let span_ms = start.map(|start| {
                // What has no length is a moment: a picture, or what nobody looked at yet.
                let length = length.or(from).unwrap_or(0).max(0);
                let end = to.unwrap_or(length).clamp(0, length);
                (start + from.unwrap_or(0).clamp(0, end), start + end)
            });
            let lost_ms = match start {
                Some(start) => self.lost_in(clip)?.into_iter().map(|(from, to)| (start + from, start + to)).collect(),
                None => Vec::new(),
            };
            footage.push(Footage { matter, stage, span_ms, lost_ms, sealed_ms });
        }
        Ok(footage)
    }

    /// What was said about matters of a case that have no recording, oldest first.
    pub fn no_records(&self, case: i64) -> Result<Vec<NoRecord>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT matter, written, reason, basis, actor, at_ms, stage, of_ms FROM no_record WHERE case_id = ?1 ORDER BY no_record_id")?;
        let rows = statement.query_map([case], |r| {
            Ok(NoRecord {
                matter: r.get(0)?,
                stage: r.get(6)?,
                of_ms: r.get(7)?,
                filed_ms: None,
                written: r.get(1)?,
                reason: r.get(2)?,
                basis: r.get(3)?,
                said: Some(Said { actor: r.get(4)?, at_ms: r.get(5)? }),
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
