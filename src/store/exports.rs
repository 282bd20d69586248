//! Evidence packages that were asked for on the page or through the API: asking, the second person, how far each is.

mod cut;

use rusqlite::{OptionalExtension, Row, params};

pub use cut::IsolatedPackage;

use super::second_person::a_person;
use super::{Change, LogRow, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft, Envelope, EventKind};
use crate::domain::export::{ExportState, Target};
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::why::{Thing, Why};

/// A package as it was asked for.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// Its id.
    pub package: String,
    /// The case, as stored.
    pub case_id: i64,
    /// Its number as displayed.
    pub case_no: String,
    /// Why.
    pub reason: String,
    /// On what basis.
    pub basis: String,
    /// For whom.
    pub recipient: Option<String>,
    /// Of the package's pages: `zh-CN` or `en`.
    pub lang: String,
    /// Where it goes.
    pub target: Target,
    /// Divided among discs of so many bytes.
    pub disc_bytes: Option<u64>,
    /// Another person must confirm it first.
    pub second_person: bool,
    /// With the files that were derived of its clips.
    pub derived: bool,
}

/// A package and how far it is.
#[derive(Debug, Clone)]
pub struct ExportRow {
    /// Its id.
    pub package: String,
    /// Its case's number as displayed.
    pub case_no: String,
    /// Why.
    pub reason: String,
    /// On what basis.
    pub basis: String,
    /// For whom.
    pub recipient: Option<String>,
    /// Of the package's pages.
    pub lang: String,
    /// Where it goes.
    pub target: Target,
    /// Divided among discs of so many bytes.
    pub disc_bytes: Option<u64>,
    /// Who asked.
    pub asked_by: Actor,
    /// `web`, `api` or `cli`.
    pub via: String,
    /// Where from.
    pub from_where: String,
    /// When, milliseconds since the Unix epoch.
    pub asked_ms: i64,
    /// How far it is.
    pub state: ExportState,
    /// Who confirmed or refused it.
    pub second_by: Option<Actor>,
    /// Why it waits or failed.
    pub words: Option<String>,
    /// Packages that it came to, one a disc; 0 until it is ready.
    pub discs: u32,
    /// Clips in them.
    pub clips: u64,
    /// Bytes of the clips.
    pub bytes: u64,
    /// When it was ready, milliseconds since the Unix epoch.
    pub ended_ms: Option<i64>,
    /// With the files that were derived of its clips.
    pub derived: bool,
}

const COLUMNS: &str = "package, case_no, reason, basis, recipient, lang, target, disc_bytes, asked_by, via, from_where, asked_ms, \
    state, second_by, words, discs, clips, bytes, ended_ms, derived";

pub(super) fn person(actor: &Actor) -> String {
    format!("{}:{}", actor.kind, actor.id)
}

pub(super) fn actor(text: &str) -> Actor {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    Actor { kind: kind.to_owned(), id: id.to_owned() }
}

fn row(r: &Row<'_>) -> Result<ExportRow> {
    let odd = |what: &str| StoreError::Odd(format!("{what} of an export"));
    let count = |n: Option<i64>| n.unwrap_or(0).max(0) as u64;
    Ok(ExportRow {
        package: r.get(0)?,
        case_no: r.get(1)?,
        reason: r.get(2)?,
        basis: r.get(3)?,
        recipient: r.get(4)?,
        lang: r.get(5)?,
        target: Target::parse(&r.get::<_, String>(6)?)?,
        disc_bytes: r.get::<_, Option<i64>>(7)?.map(|n| n.max(0) as u64),
        asked_by: actor(&r.get::<_, String>(8)?),
        via: r.get(9)?,
        from_where: r.get(10)?,
        asked_ms: r.get(11)?,
        state: ExportState::parse(&r.get::<_, String>(12)?).ok_or_else(|| odd("the state"))?,
        second_by: r.get::<_, Option<String>>(13)?.as_deref().map(actor),
        words: r.get(14)?,
        discs: u32::try_from(count(r.get(15)?)).map_err(|_| odd("the number of discs"))?,
        clips: count(r.get(16)?),
        bytes: count(r.get(17)?),
        ended_ms: r.get(18)?,
        derived: r.get(19)?,
    })
}

impl Reader<'_> {
    /// One package.
    pub fn export(&self, package: &str) -> Result<ExportRow> {
        let sql = format!("SELECT {COLUMNS} FROM export WHERE package = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([package], |r| Ok(row(r))).optional()?;
        found.unwrap_or_else(|| Err(StoreError::NotFound(Why::NoPackage {})))
    }

    /// Packages, newest first, at most `limit`; of one case, or of all.
    pub fn exports(&self, case: Option<i64>, limit: u32) -> Result<Vec<ExportRow>> {
        self.exports_before(case, None, limit)
    }

    /// The same before a place: when one was asked for, and its id.
    pub fn exports_before(
        &self,
        case: Option<i64>,
        before: Option<&(i64, String)>,
        limit: u32,
    ) -> Result<Vec<ExportRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM export WHERE (?1 IS NULL OR case_id = ?1) AND (?3 IS NULL OR (asked_ms, package) < (?3, ?4))
             ORDER BY asked_ms DESC, package DESC LIMIT ?2"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![case, limit, before.map(|b| b.0), before.map(|b| &b.1)])?;
        let mut all = Vec::new();
        while let Some(r) = rows.next()? {
            all.push(row(r)?);
        }
        Ok(all)
    }

    /// Packages that are due or under way, oldest first.
    pub fn exports_due(&self) -> Result<Vec<ExportRow>> {
        let sql = format!("SELECT {COLUMNS} FROM export WHERE state = 'making' ORDER BY asked_ms, package");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(r) = rows.next()? {
            all.push(row(r)?);
        }
        Ok(all)
    }

    /// Packages whose upload to this destination may be under way: due, or stopped until a person lets them go on. Their
    /// sessions stand beside their files, not here.
    pub fn exports_on_their_way(&self, destination: &str) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT package FROM export WHERE state IN ('making', 'failed') AND target = 'at:' || ?1",
        )?;
        let rows = statement.query_map([destination], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Clips that a package was asked for with, in their order: each has an entry right behind the request's, `begun`.
    pub fn begun_clips(&self, begun: u64) -> Result<Vec<ClipId>> {
        let read = |row: &LogRow| -> Result<Envelope> {
            serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))
        };
        let count = |entry: &Envelope, key: &str| entry.body.get(key).and_then(|n| n.as_u64());
        let clips = count(&read(&self.log_entry(begun)?)?, "clips").unwrap_or(0);
        let mut all = Vec::new();
        for row in self.log_entries(begun + 1, u32::try_from(clips).unwrap_or(u32::MAX))? {
            let entry = read(&row)?;
            if entry.kind == EventKind::ExportBegun.as_str()
                && count(&entry, "begun") == Some(begun)
                && let Some(clip) = &entry.clip
            {
                all.push(clip.parse()?);
            }
        }
        Ok(all)
    }

    /// Packages that wait for a second person.
    pub fn exports_asked(&self) -> Result<u64> {
        Ok(self.conn.query_row("SELECT count(*) FROM export WHERE state = 'asked'", [], |r| r.get::<_, i64>(0))? as u64)
    }
}

impl Tx<'_> {
    /// Somebody asks for a package; `asked` says who, and about which case.
    pub fn ask_export(&self, new: &NewExport, asked: Draft) -> Result<ExportState> {
        let state = if new.second_person { ExportState::Asked } else { ExportState::Making };
        // Whose program asked may be who confirms: where two people are wanted, both of them are people.
        if new.second_person {
            a_person(&asked.actor)?;
        }
        self.conn.execute(
            "INSERT INTO export (package, case_id, case_no, reason, basis, recipient, lang, target, disc_bytes, asked_by, via, from_where, asked_ms, state, derived)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                new.package,
                new.case_id,
                new.case_no,
                new.reason,
                new.basis,
                new.recipient,
                new.lang,
                new.target.to_word(),
                new.disc_bytes.map(|n| n as i64),
                person(&asked.actor),
                asked.via,
                asked.from.as_deref().unwrap_or("local"),
                self.now_ms(),
                state.as_str(),
                new.derived,
            ],
        )?;
        let mut event = asked
            .fact("package", new.package.as_str())
            .fact("target", new.target.to_word())
            .fact("second_person", new.second_person)
            .fact("derived", new.derived)
            .secret("basis", new.basis.as_str());
        event.purpose = Some(new.reason.clone());
        if let Some(recipient) = &new.recipient {
            event = event.secret("recipient", recipient.as_str());
        }
        self.log(&event)?;
        self.changed(Change::Exports);
        Ok(state)
    }

    /// A second person decides.
    pub fn decide_export(&self, package: &str, yes: bool, decided: Draft) -> Result<ExportState> {
        let row = self.read().export(package)?;
        if row.state != ExportState::Asked {
            return Err(StoreError::Conflict(Why::PackageDecided {}));
        }
        if decided.actor.kind != "user" {
            return Err(StoreError::Conflict(Why::PackageBySignedIn {}));
        }
        // Whoever asked may take it back, but not confirm it.
        if yes {
            self.read().another_person(
                Action::ExportCase,
                &decided.actor,
                Some(&person(&row.asked_by)),
                Thing::Package,
            )?;
        }
        let state = if yes { ExportState::Making } else { ExportState::Refused };
        self.conn.execute(
            "UPDATE export SET state = ?2, second_by = ?3, second_ms = ?4 WHERE package = ?1",
            params![package, state.as_str(), person(&decided.actor), self.now_ms()],
        )?;
        let event = decided.fact("package", package).outcome(if yes { "ok" } else { "refused" });
        self.log(&event.case(self.case_of_export(package)?))?;
        self.changed(Change::Exports);
        Ok(state)
    }

    /// What stopped goes on, because somebody wants it to.
    pub fn retry_export(&self, package: &str, continued: Draft) -> Result<()> {
        let row = self.read().export(package)?;
        match row.state {
            ExportState::Failed => {
                self.no_isolated_in(package)?;
                self.log(&continued.fact("package", package).case(self.case_of_export(package)?))?;
                self.conn.execute(
                    "UPDATE export SET state = 'making', words = NULL, ended_ms = NULL WHERE package = ?1",
                    [package],
                )?;
                self.changed(Change::Exports);
                Ok(())
            }
            ExportState::Making => Ok(()),
            _ => Err(StoreError::Conflict(Why::PackageNotStopped {})),
        }
    }

    /// Why it waits, while it is tried again by itself; or why it stopped. What an isolation ended meanwhile stays so.
    pub fn export_is(&self, package: &str, state: ExportState, words: Option<&str>) -> Result<()> {
        self.conn.execute(
            "UPDATE export SET state = ?2, words = ?3, ended_ms = ?4 WHERE package = ?1 AND state = 'making'",
            params![package, state.as_str(), words, (state == ExportState::Failed).then(|| self.now_ms())],
        )?;
        self.changed(Change::Exports);
        Ok(())
    }

    /// It is signed and whole; gives whether it is so: what an isolation ended meanwhile is not.
    pub fn export_ready(&self, package: &str, discs: u32, clips: u64, bytes: u64) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE export SET state = 'ready', words = NULL, discs = ?2, clips = ?3, bytes = ?4, ended_ms = ?5 WHERE package = ?1 AND state = 'making'",
            params![package, discs, clips as i64, bytes as i64, self.now_ms()],
        )?;
        self.changed(Change::Exports);
        Ok(changed == 1)
    }

    /// Logs that bytes of it are about to be given out; gives the entry's number.
    pub fn take_export(&self, package: &str, disc: u32, from_byte: u64, taken: Draft) -> Result<u64> {
        let row = self.read().export(package)?;
        if row.state != ExportState::Ready {
            return Err(StoreError::Conflict(Why::PackageNotFinished {}));
        }
        self.no_isolated_in(package)?;
        debug_assert_eq!(taken.kind, EventKind::ExportTaken);
        let event = taken.fact("package", package).fact("disc", disc).fact("from_byte", from_byte);
        self.log(&event.case(self.case_of_export(package)?))
    }

    /// The hashed case of a package, as its first event has it.
    pub fn case_of_export(&self, package: &str) -> Result<String> {
        let sql = "SELECT a.case_hash FROM export e JOIN case_alias a ON a.case_id = e.case_id WHERE e.package = ?1 ORDER BY a.added_ms, a.rowid";
        Ok(self.conn.query_row(sql, [package], |r| r.get(0))?)
    }
}

#[cfg(test)]
mod tests;
