//! Files that the other side drops. One that two looks in a row saw the same is taken: imported, then moved to `done/`; or moved
//! to `refused/` with a report beside it, a line for each mistake. Half-written files are waited for; what no rule fits stays.
//!
//! The import and the note that this very file was imported share one transaction, so that a crash before the move imports
//! nothing twice. Moved files carry the begin of their SHA-256, so that doing it again does the same.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::GlobMatcher;
use sha2::{Digest, Sha256};

use super::super::desk::Desk;
use super::super::registers::new_entries;
use super::{columns, sync_dir};
use crate::casework::register::table::{self, MAX_BYTES, Table};
use crate::casework::register::{self as registers, RegisterError};
use crate::casework::roster::{self, RosterError, RosterRow};
use crate::casework::roster_import;
use crate::config::{DropRule, Dropped, Exchange};
use crate::domain::event::Actor;
use crate::domain::register::Register;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::workbook::harmless;
use crate::runtime::health::Part;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::runtime::task;
use crate::store::{Import, StoreError, Tx};

/// Where imported files go.
const DONE: &str = "done";
/// Where the others go.
const REFUSED: &str = "refused";
/// Ends of names under which programs write before they rename.
const UNFINISHED: [&str; 5] = [".tmp", ".part", ".filepart", ".crdownload", "~"];

/// A file as far as a look tells, to see that it stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified_ns: i128,
}

/// Takes what is dropped.
#[derive(Clone)]
pub(super) struct Taker {
    dir: PathBuf,
    poll: Duration,
    rules: Arc<Vec<(GlobMatcher, DropRule)>>,
    desk: Arc<Desk>,
    part: Part,
    words: &'static Words,
}

/// What a report has a line for: line of the file, column, what stands there, what is wrong.
type Mistake = (u64, String, String, String);

/// What a file holds, without a mistake.
enum Held {
    Register(Import),
    /// Under which name, and its rows.
    Roster(String, Vec<RosterRow>),
}

/// Why a file was not imported.
enum Refusal {
    /// It has mistakes.
    Mistakes(Vec<Mistake>),
    /// Not its fault: it is tried again.
    Later(String),
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        Self::Later(crate::domain::error::chain(&e))
    }
}

impl Taker {
    pub(super) fn new(dir: &Path, exchange: &Exchange, words: &'static Words, desk: &Arc<Desk>, part: Part) -> Self {
        let rules = exchange.take.iter().map(|rule: &DropRule| (rule.files.compile_matcher(), rule.clone()));
        Self {
            dir: dir.to_owned(),
            poll: exchange.poll,
            rules: Arc::new(rules.collect()),
            desk: Arc::clone(desk),
            part,
            words,
        }
    }

    pub(super) async fn run(self, context: TaskContext) -> TaskResult {
        let mut last: BTreeMap<String, Stamp> = BTreeMap::new();
        let mut ticks = tokio::time::interval(self.poll);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = context.cancel.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            context.heart.beat();
            let (taker, before) = (self.clone(), last);
            // Reading and moving files and waiting for the store are work for a thread that may wait.
            last = task::blocking("exchange-in", move || taker.look(&before)).await?;
        }
    }

    /// One look: takes what stands still since the last one, and gives what it saw.
    fn look(&self, before: &BTreeMap<String, Stamp>) -> BTreeMap<String, Stamp> {
        let seen = match self.list() {
            Ok(seen) => seen,
            Err(e) => {
                let words = format!("{} cannot be read: {e}", self.dir.display());
                self.part.failed("exchange_unreadable", words, "let evidock's user read and write it");
                return BTreeMap::new();
            }
        };
        if let Err(e) = self.settle(&seen) {
            tracing::warn!(error = %crate::domain::error::chain(&e), "moved files could not be noted; it is tried again");
        }
        let (mut odd, mut trouble) = (0u64, None);
        for (name, stamp) in seen.iter().filter(|(name, stamp)| before.get(*name) == Some(stamp)) {
            let Some((_, rule)) = self.rules.iter().find(|(glob, _)| glob.is_match(name)) else {
                odd += 1;
                continue;
            };
            if let Err(words) = self.take(name, rule, stamp.len) {
                trouble = Some(words);
            }
        }
        match (trouble, self.refused_now(), odd) {
            (Some(words), ..) => self.part.failed("exchange_unreadable", words, "it is tried again by itself"),
            (None, n @ 1.., _) => self.part.degraded(
                "exchange_refused",
                format!("{n} files lie refused in {}", self.dir.join(REFUSED).display()),
                "read the report beside each, correct it and drop it again; remove what was dealt with",
            ),
            (None, 0, n @ 1..) => self.part.degraded(
                "exchange_unmatched",
                format!("{n} files in {} fit no [[exchange.take]]", self.dir.display()),
                "correct files = \"...\", or take them away",
            ),
            (None, 0, 0) => self.part.ok(),
        }
        seen
    }

    /// Files that may be taken once they stand still, by name.
    fn list(&self) -> io::Result<BTreeMap<String, Stamp>> {
        let mut seen = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            // What is no text cannot be named in a report; no rule fits it.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') || UNFINISHED.iter().any(|end| name.ends_with(end)) {
                continue;
            }
            // Of links nobody here reads what they point to.
            let Ok(m) = entry.path().symlink_metadata() else { continue };
            if m.is_file() {
                let modified_ns = i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec());
                seen.insert(name, Stamp { inode: m.ino(), len: m.len(), modified_ns });
            }
        }
        Ok(seen)
    }

    /// Files that were imported and are gone from where they were dropped were moved, even if a crash kept that from being noted.
    fn settle(&self, seen: &BTreeMap<String, Stamp>) -> Result<(), StoreError> {
        let unmoved = self.desk.store.read_blocking(|r| r.exchange_all_unmoved())?;
        let gone: Vec<i64> = unmoved.into_iter().filter(|(_, name)| !seen.contains_key(name)).map(|(n, _)| n).collect();
        match gone.is_empty() {
            true => Ok(()),
            false => self.desk.store.write_blocking(move |tx| gone.iter().try_for_each(|n| tx.exchange_moved(*n))),
        }
    }

    /// Takes one file, or refuses it. The error is in words, and passes.
    fn take(&self, name: &str, rule: &DropRule, len: u64) -> Result<(), String> {
        let path = self.dir.join(name);
        let bytes = read(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        if bytes.len() as u64 != len && bytes.len() <= MAX_BYTES {
            // It grew under our hands: the next look sees another file.
            return Ok(());
        }
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let aside = format!("{}-{name}", crate::domain::digest::to_hex(&sha256[..4]));
        let known = {
            let name = name.to_owned();
            self.desk.store.read_blocking(move |r| r.exchange_unmoved(&name, sha256))
        };
        let number = match known.map_err(|e| e.to_string())? {
            // Imported before a crash.
            Some(number) => number,
            None => match self.import(name, rule, &bytes, sha256) {
                Ok(number) => number,
                Err(Refusal::Later(words)) => return Err(words),
                Err(Refusal::Mistakes(mistakes)) => {
                    tracing::warn!(name, mistakes = mistakes.len(), "a dropped file was refused");
                    self.report(&aside, &mistakes)
                        .and_then(|()| self.move_to(REFUSED, &path, &aside))
                        .map_err(|e| format!("{name} cannot be moved to {REFUSED}: {e}"))?;
                    return Ok(());
                }
            },
        };
        self.move_to(DONE, &path, &aside).map_err(|e| format!("{name} cannot be moved to {DONE}: {e}"))?;
        self.desk.store.write_blocking(move |tx| tx.exchange_moved(number)).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Imports a file and notes that it was, in one transaction; gives the note's number.
    fn import(&self, name: &str, rule: &DropRule, bytes: &[u8], sha256: [u8; 32]) -> Result<i64, Refusal> {
        let lang = self.words.lang;
        let table = table::read(bytes).map_err(|e| self.whole(e.into()))?;
        let table = columns::ours(table, &rule.columns).map_err(|missing| {
            let line = |column: String| (1, column, String::new(), Why::ColumnNotThere {}.told(lang));
            Refusal::Mistakes(missing.into_iter().map(line).collect())
        })?;
        let held = match rule.what {
            Dropped::Register(register) => Held::Register(self.register(name, register, rule, &table)?),
            // Names of dropped files mostly hold the time: what comes by one rule is one roster, told day by day.
            Dropped::Roster => Held::Roster(rule.files.glob().to_owned(), self.roster(rule, &table)?),
        };
        let (name, zone) = (name.to_owned(), self.desk.policy.zone.clone());
        let work = move |tx: &Tx<'_>| {
            let import = match &held {
                Held::Register(import) => {
                    let done = tx.import_register(import, false, &Actor::daemon(), "daemon")?;
                    if !done.conflicts.is_empty() {
                        return Ok(Err(done.conflicts));
                    }
                    done.import
                }
                Held::Roster(standing, rows) => {
                    let change = roster_import::change(&tx.read(), standing, rows, &zone)?;
                    if change.is_news() {
                        tx.import_roster(standing, &change, &Actor::daemon(), "daemon")?;
                    }
                    None
                }
            };
            // What lies under this name now is another file than one that was imported under it before.
            for (number, other) in tx.read().exchange_all_unmoved()? {
                if other == name {
                    tx.exchange_moved(number)?;
                }
            }
            Ok(Ok(tx.exchange_taken(&name, sha256, import)?))
        };
        match self.desk.store.write_blocking(work)? {
            Ok(number) => Ok(number),
            Err(conflicts) => {
                let line = |(line, why): (u64, Why)| (line, String::new(), String::new(), why.told(self.words.lang));
                Err(Refusal::Mistakes(conflicts.into_iter().map(line).collect()))
            }
        }
    }

    fn register(&self, name: &str, register: Register, rule: &DropRule, table: &Table) -> Result<Import, Refusal> {
        let (rule_of_numbers, zone) = (&self.desk.rule, &self.desk.policy.zone);
        let found = registers::read_table(register, table, zone, rule_of_numbers, self.desk.this_year());
        match found.and_then(registers::Found::accept) {
            Ok(entries) => Ok(Import {
                register,
                name: name.to_owned(),
                entries: new_entries(register, entries),
                rule_version: rule_of_numbers.version,
            }),
            Err(RegisterError::Entries { errors }) => {
                let line =
                    |e: registers::EntryError| self.mistake(rule, e.line, &e.column, e.value, (&e.problem).into());
                Err(Refusal::Mistakes(errors.into_iter().map(line).collect()))
            }
            Err(other) => Err(self.whole(other.into())),
        }
    }

    fn roster(&self, rule: &DropRule, table: &Table) -> Result<Vec<RosterRow>, Refusal> {
        let found = roster::read_table(table, &self.desk.policy.zone, &self.desk.rule, self.desk.this_year());
        match found.and_then(|found| found.accept(false)) {
            Ok(rows) => Ok(rows),
            Err(RosterError::Rows { errors }) => {
                let line = |e: roster::RowError| self.mistake(rule, e.line, &e.column, e.value, (&e.problem).into());
                Err(Refusal::Mistakes(errors.into_iter().map(line).collect()))
            }
            Err(other) => Err(self.whole(other.into())),
        }
    }

    /// One mistake, under their name of the column.
    fn mistake(&self, rule: &DropRule, line: u64, column: &str, value: String, why: Why) -> Mistake {
        (line, columns::theirs(column, &rule.columns).to_owned(), value, why.told(self.words.lang))
    }

    /// What is wrong with a file as a whole.
    fn whole(&self, why: Why) -> Refusal {
        Refusal::Mistakes(vec![(0, String::new(), String::new(), why.told(self.words.lang))])
    }

    /// Writes why a file was refused, beside where it will lie.
    fn report(&self, aside: &str, mistakes: &[Mistake]) -> io::Result<()> {
        let dir = self.dir.join(REFUSED);
        std::fs::create_dir_all(&dir)?;
        let w = self.words;
        let mut out = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
        let header = [w.exchange_row(), w.exchange_column(), w.exchange_value(), w.exchange_problem()];
        let mut write = |row: [&str; 4]| out.write_record(row).map_err(io::Error::other);
        write(header)?;
        for (line, column, value, problem) in mistakes {
            let line = if *line == 0 { String::new() } else { line.to_string() };
            write([&line, &harmless(column), &harmless(value), problem])?;
        }
        let bytes = out.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
        let (part, whole) = (dir.join(format!(".{aside}.part")), dir.join(format!("{aside}.report.csv")));
        std::fs::write(&part, bytes)?;
        std::fs::File::open(&part)?.sync_all()?;
        std::fs::rename(&part, &whole)
    }

    fn move_to(&self, place: &str, path: &Path, aside: &str) -> io::Result<()> {
        let dir = self.dir.join(place);
        std::fs::create_dir_all(&dir)?;
        std::fs::rename(path, dir.join(aside))?;
        sync_dir(&dir)?;
        sync_dir(&self.dir)
    }

    /// Files that lie refused: somebody deals with them by taking them away.
    fn refused_now(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.dir.join(REFUSED)) else { return 0 };
        let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
        names.filter(|name| !name.starts_with('.') && !name.ends_with(".report.csv")).count() as u64
    }
}

/// A file, at most one byte more than may be; never through a link.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_report_is_a_formula() {
        assert_eq!(harmless("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!((harmless("赵卫罚"), harmless("")), ("赵卫罚".to_owned(), String::new()));
    }
}
