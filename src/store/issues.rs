//! Issue and return (领用/归还): who took which recorder out, for what, and when it came back.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::layout;
use crate::domain::record::{self, Field};
use crate::domain::recorder::{self, Holder, recorder_key};
use crate::domain::why::Why;

/// A recorder that is being taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssue {
    /// Which, as typed.
    pub recorder: String,
    /// Who takes it.
    pub officer: String,
    /// For which case: the number as typed, and its key.
    pub case: Option<(String, String)>,
    /// Where it will be used.
    pub place: Option<String>,
    /// Matter to be recorded.
    pub matter: Option<String>,
    /// When it is expected back, milliseconds since the Unix epoch.
    pub due_ms: Option<i64>,
}

/// A stay out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRow {
    /// Its number.
    pub id: i64,
    /// Which recorder, as typed.
    pub recorder: String,
    /// Who took it.
    pub officer: String,
    /// For which case: the number as typed, and its key.
    pub case: Option<(String, String)>,
    /// Where.
    pub place: Option<String>,
    /// Matter to be recorded.
    pub matter: Option<String>,
    /// Taken out, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Expected back.
    pub due_ms: Option<i64>,
    /// Came back, and no longer part of the stay out; `None` while it is out.
    pub to_ms: Option<i64>,
    /// `returned`, `reissued` or `undone`, once it has ended.
    pub ended: Option<String>,
}

impl IssueRow {
    /// Out, and expected back before `now_ms`.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.to_ms.is_none() && self.due_ms.is_some_and(|due| due < now_ms)
    }
}

/// What was done at the desk can be taken back for so long; later it is put right by doing it again, milliseconds.
const UNDO_WITHIN_MS: i64 = 15 * 60_000;

const COLUMNS: &str = "issue_id, named, officer, case_raw, case_key, place, matter, from_ms, due_ms, to_ms, CASE WHEN undone_ms IS NULL THEN ended ELSE 'undone' END";

fn issue(r: &Row<'_>) -> rusqlite::Result<IssueRow> {
    let case: (Option<String>, Option<String>) = (r.get(3)?, r.get(4)?);
    Ok(IssueRow {
        id: r.get(0)?,
        recorder: r.get(1)?,
        officer: r.get(2)?,
        case: case.0.zip(case.1),
        place: r.get(5)?,
        matter: r.get(6)?,
        from_ms: r.get(7)?,
        due_ms: r.get(8)?,
        to_ms: r.get(9)?,
        ended: r.get(10)?,
    })
}

/// What becomes of a stay out that was for a case is told with the case, as its beginning is.
fn of_case(event: Draft, issue: &IssueRow) -> Draft {
    match &issue.case {
        Some((_, key)) => event.case(layout::case_hash(key)),
        None => event,
    }
}

impl Tx<'_> {
    /// A recorder is taken out now. A stay out that was never closed ends here, and is given back so that it can be
    /// told. Answers with the number of the new one. What is in repair, retired or refused, and who has left, goes nowhere.
    pub fn issue(&self, new: &NewIssue, actor: &Actor, via: &'static str) -> Result<(i64, Option<IssueRow>)> {
        self.read().may_go_out(&new.recorder, &new.officer, self.now_ms())?;
        let earlier = self.end_issue(&new.recorder, "reissued", actor)?;
        let by = format!("{}:{}", actor.kind, actor.id);
        let case = new.case.as_ref();
        self.conn.execute(
            "INSERT INTO issue (recorder, named, officer, case_raw, case_key, place, matter, from_ms, due_ms, issued_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                recorder_key(&new.recorder),
                new.recorder,
                new.officer,
                case.map(|c| &c.0),
                case.map(|c| &c.1),
                new.place,
                new.matter,
                self.now_ms(),
                new.due_ms,
                by
            ],
        )?;
        let id = self.conn.last_insert_rowid();
        let mut event = Draft::by(EventKind::Issued, actor.clone(), via)
            .fact("issue", id)
            .fact("recorder", new.recorder.as_str())
            .fact("due_ms", new.due_ms)
            .fact("closes", earlier.as_ref().map(|e| e.id))
            .secret("officer", new.officer.as_str());
        if let Some((raw, key)) = case {
            event = event.case(layout::case_hash(key)).secret("number", raw.as_str());
        }
        for (name, value) in [("place", &new.place), ("matter", &new.matter)] {
            if let Some(value) = value {
                event = event.secret(name, value.as_str());
            }
        }
        self.log(&event)?;
        self.changed(Change::Docks);
        self.changed(Change::Recorders);
        Ok((id, earlier))
    }

    /// A recorder came back.
    pub fn return_recorder(&self, recorder: &str, actor: &Actor, via: &'static str) -> Result<IssueRow> {
        let Some(ended) = self.end_issue(recorder, "returned", actor)? else {
            return Err(StoreError::NotFound(Why::NotOut { recorder: recorder.to_owned() }));
        };
        let event = Draft::by(EventKind::Returned, actor.clone(), via)
            .fact("issue", ended.id)
            .fact("recorder", ended.recorder.as_str());
        self.log(&of_case(event, &ended))?;
        self.changed(Change::Docks);
        self.changed(Change::Recorders);
        Ok(ended)
    }

    /// Takes the last thing back that was done about a recorder: an issue says nothing any more, and whoever had it before
    /// has it again; of a return, it is out again. Gives the stay out as it is now.
    pub fn undo_desk(&self, issue: i64, actor: &Actor, via: &'static str) -> Result<IssueRow> {
        let read = self.read();
        let row = read.issue_of(issue)?.ok_or_else(|| StoreError::NotFound(Why::NoIssue { issue }))?;
        let key = recorder_key(&row.recorder);
        let newest: i64 = self.conn.query_row(
            "SELECT max(issue_id) FROM issue WHERE recorder = ?1 AND undone_ms IS NULL",
            [&key],
            |r| r.get::<_, Option<i64>>(0).map(Option::unwrap_or_default),
        )?;
        let since_ms = row.to_ms.unwrap_or(row.from_ms);
        if row.ended.as_deref() == Some("undone") || newest != issue {
            return Err(StoreError::Conflict(Why::NotTheLast { recorder: row.recorder }));
        }
        if self.now_ms() - since_ms > UNDO_WITHIN_MS {
            return Err(StoreError::Conflict(Why::TooLongAgo {
                minutes: UNDO_WITHIN_MS / 60_000,
                recorder: row.recorder,
            }));
        }
        let by = format!("{}:{}", actor.kind, actor.id);
        let was_out = row.to_ms.is_none();
        if was_out {
            self.conn.execute(
                "UPDATE issue SET to_ms = max(?2, from_ms), ended = 'returned', ended_by = ?3, undone_by = ?3, undone_ms = ?2 WHERE issue_id = ?1",
                params![issue, self.now_ms(), by],
            )?;
            // Whoever had it was only thought to have brought it back.
            self.conn.execute(
                "UPDATE issue SET to_ms = NULL, ended = NULL, ended_by = NULL
                 WHERE issue_id = (SELECT max(issue_id) FROM issue WHERE recorder = ?1 AND issue_id < ?2 AND undone_ms IS NULL) AND ended = 'reissued'",
                params![key, issue],
            )?;
        } else {
            self.conn
                .execute("UPDATE issue SET to_ms = NULL, ended = NULL, ended_by = NULL WHERE issue_id = ?1", [issue])?;
        }
        let event = Draft::by(EventKind::DeskUndone, actor.clone(), via)
            .fact("issue", issue)
            .fact("recorder", row.recorder.as_str())
            .fact("what", if was_out { "issued" } else { "returned" });
        self.log(&of_case(event, &row))?;
        self.changed(Change::Docks);
        self.changed(Change::Recorders);
        self.read().issue_of(issue)?.ok_or_else(|| StoreError::Odd(format!("issue {issue} is gone")))
    }

    fn end_issue(&self, recorder: &str, how: &str, actor: &Actor) -> Result<Option<IssueRow>> {
        let key = recorder_key(recorder);
        let Some(open) = self.read().out_now(&key)? else { return Ok(None) };
        // A clock that was put back must not make a stay of negative length.
        self.conn.execute(
            "UPDATE issue SET to_ms = max(?2, from_ms), ended = ?3, ended_by = ?4 WHERE issue_id = ?1",
            params![open.id, self.now_ms(), how, format!("{}:{}", actor.kind, actor.id)],
        )?;
        Ok(Some(open))
    }
}

impl Reader<'_> {
    fn issues_where(&self, condition: &str, params: impl rusqlite::Params) -> Result<Vec<IssueRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM issue WHERE undone_ms IS NULL AND {condition} ORDER BY from_ms, issue_id"
        ))?;
        let rows = statement.query_map(params, issue)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// One stay out, one that was taken back included.
    pub fn issue_of(&self, id: i64) -> Result<Option<IssueRow>> {
        let sql = format!("SELECT {COLUMNS} FROM issue WHERE issue_id = ?1");
        Ok(self.conn.prepare_cached(&sql)?.query_row([id], issue).optional()?)
    }

    /// Every stay out of the recorder with this key ([`recorder_key`]), oldest first.
    pub fn issues_of(&self, recorder_key: &str) -> Result<Vec<IssueRow>> {
        self.issues_where("recorder = ?1", [recorder_key])
    }

    /// The stay out of a recorder that has not ended.
    pub fn out_now(&self, recorder_key: &str) -> Result<Option<IssueRow>> {
        Ok(self.issues_where("recorder = ?1 AND to_ms IS NULL", [recorder_key])?.pop())
    }

    /// What is out now, oldest first.
    pub fn issued(&self) -> Result<Vec<IssueRow>> {
        self.issues_where("to_ms IS NULL", [])
    }

    /// How many recorders are out, and of these how many are overdue at `now_ms`.
    pub fn out_figures(&self, now_ms: i64) -> Result<(u64, u64)> {
        Ok(self
            .conn
            .prepare_cached("SELECT count(*), coalesce(sum(due_ms < ?1), 0) FROM issue WHERE to_ms IS NULL")?
            .query_row([now_ms], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64)))?)
    }

    /// Whether a recorder with this key was ever docked here.
    pub fn knows_recorder(&self, key: &str) -> Result<bool> {
        let mut statement = self.conn.prepare_cached("SELECT recorder_id FROM recorder")?;
        let mut rows = statement.query_map([], |r| r.get::<_, String>(0))?;
        rows.try_fold(false, |known, row| Ok(known || recorder_key(&row?) == key))
    }

    /// Whose the recorder of a dock is: see [`recorder::whose`].
    pub fn holder_of_dock(&self, dock: i64) -> Result<Option<Holder>> {
        let (id, opened_ms): (String, i64) = self
            .conn
            .prepare_cached("SELECT recorder_id, opened_ms FROM dock WHERE dock_id = ?1")?
            .query_row([dock], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let key = recorder_key(&id);
        // Out at docking, or returned or taken out while it stands here: the newest of them.
        let issued =
            self.issues_where("recorder = ?1 AND (to_ms IS NULL OR to_ms > ?2)", params![key, opened_ms])?.pop();
        let newest: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT s.clip_id FROM sighting s JOIN clip_index i USING (clip_id) WHERE s.dock_id = ?1 AND i.officer IS NOT NULL ORDER BY s.sighting_id DESC LIMIT 1",
            )?
            .query_row([dock], |r| r.get(0))
            .optional()?;
        let clip = match newest {
            Some(clip) => record::settle(&self.facts(clip.parse()?)?).remove(&Field::Officer),
            None => None,
        };
        let clip = clip.map(|fact| Holder { officer: fact.value, origin: fact.origin });
        let rostered: Vec<String> = {
            let mut statement = self.conn.prepare_cached(
                "SELECT DISTINCT json_extract(row, '$.officer') FROM roster WHERE recorder = ?1 AND from_ms <= ?2 AND to_ms > ?2 LIMIT 2",
            )?;
            let rows = statement.query_map(params![key, opened_ms], |r| r.get::<_, Option<String>>(0))?;
            rows.filter_map(std::result::Result::transpose).collect::<std::result::Result<_, _>>()?
        };
        let rostered = if rostered.len() == 1 { rostered.first().map(String::as_str) } else { None };
        Ok(recorder::whose(issued.as_ref().map(|i| i.officer.as_str()), clip, rostered))
    }
}

#[cfg(test)]
mod tests;
