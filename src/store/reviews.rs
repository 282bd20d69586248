//! Legal review of cases: notes at a second of a clip, opinions, review sheets. Nothing is removed; the newest counts.

use rusqlite::{OptionalExtension, params};

use super::exports::{actor, person};
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::account::Names;
use crate::domain::event::{Actor, Draft};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::review::{Mark, Verdict, total};
use crate::domain::why::Why;

/// A note at a place of a clip.
#[derive(Debug, Clone)]
pub struct NoteRow {
    /// Its number.
    pub note: i64,
    /// The clip.
    pub clip: ClipId,
    /// Where, milliseconds from its first frame.
    pub at_ms: i64,
    /// In words.
    pub words: String,
    /// By whom.
    pub by: Actor,
    /// When, milliseconds since the Unix epoch.
    pub noted_ms: i64,
}

/// To whom a case stands sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRow {
    /// The reviewer, by the name for people or that to sign in with; `None`: every legal reviewer.
    pub to: Option<String>,
    /// Until then, milliseconds since the Unix epoch; `None`: until it is called back.
    pub until_ms: Option<i64>,
}

/// An opinion.
#[derive(Debug, Clone)]
pub struct OpinionRow {
    /// What it comes to.
    pub verdict: Verdict,
    /// In words.
    pub words: String,
    /// How many items of the catalogue stood how when it was given: word and count.
    pub coverage: Vec<(String, u64)>,
    /// By whom.
    pub by: Actor,
    /// When, milliseconds since the Unix epoch.
    pub given_ms: i64,
}

/// A review sheet.
#[derive(Debug, Clone)]
pub struct SheetRow {
    /// Its items.
    pub marks: Vec<Mark>,
    /// By whom.
    pub by: Actor,
    /// When, milliseconds since the Unix epoch.
    pub made_ms: i64,
}

fn odd(what: &str, e: &serde_json::Error) -> StoreError {
    StoreError::Odd(format!("{what}: {e}"))
}

impl Tx<'_> {
    fn hash_of(&self, case: i64) -> Result<String> {
        let aliases = self.read().aliases(case)?;
        let first = aliases.first().ok_or_else(|| StoreError::Odd(format!("case {case} has no number")))?;
        Ok(layout::case_hash(&first.0))
    }

    /// Notes something at a place of a clip of the case; gives its number.
    pub fn note_review(&self, case: i64, clip: ClipId, at_ms: i64, words: &str, event: Draft) -> Result<i64> {
        if !self.read().clips_of_case(case)?.contains(&clip) {
            return Err(StoreError::NotFound(Why::NotLinkedToCase {}));
        }
        // Of a case that stands sent, this alone is beyond the reviewer.
        if self.read().clip(clip)?.isolated_ms.is_some() {
            return Err(StoreError::Conflict(Why::Isolated { clip: clip.to_string() }));
        }
        if self.read().media(clip)?.and_then(|m| m.facts.duration_ms).is_some_and(|length| at_ms > length) {
            return Err(StoreError::Conflict(Why::EndsBefore {}));
        }
        self.conn.execute(
            "INSERT INTO review_note (case_id, clip_id, at_ms, words, actor, noted_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![case, clip.to_string(), at_ms, words, person(&event.actor), self.now_ms()],
        )?;
        let note = self.conn.last_insert_rowid();
        let event = event.clip(clip).case(self.hash_of(case)?).fact("note", note).fact("at_ms", at_ms);
        self.log(&event.secret("words", words))?;
        self.changed(Change::Cases);
        Ok(note)
    }

    /// Takes a note back; whoever wrote it may.
    pub fn withdraw_note(&self, case: i64, note: i64, event: Draft) -> Result<()> {
        let sql = "SELECT actor FROM review_note WHERE note_id = ?1 AND case_id = ?2 AND withdrawn_ms IS NULL";
        let by: Option<String> = self.conn.query_row(sql, params![note, case], |r| r.get(0)).optional()?;
        let by = by.ok_or_else(|| StoreError::NotFound(Why::NoNote {}))?;
        let me = person(&event.actor);
        if by != me {
            return Err(StoreError::Conflict(Why::NotYourNote {}));
        }
        let sql = "UPDATE review_note SET withdrawn_by = ?2, withdrawn_ms = ?3 WHERE note_id = ?1";
        self.conn.execute(sql, params![note, me, self.now_ms()])?;
        self.log(&event.case(self.hash_of(case)?).fact("note", note))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// Gives an opinion about a case.
    pub fn give_opinion(
        &self,
        case: i64,
        (verdict, words): (Verdict, &str),
        coverage: &[(String, u64)],
        event: Draft,
    ) -> Result<()> {
        let json = serde_json::to_string(coverage).map_err(|e| odd("coverage", &e))?;
        self.conn.execute(
            "INSERT INTO review_opinion (case_id, verdict, words, coverage, actor, given_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![case, verdict.as_str(), words, json, person(&event.actor), self.now_ms()],
        )?;
        let event = event.case(self.hash_of(case)?).fact("verdict", verdict.as_str());
        self.log(&event.secret("words", words))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// Stores a review sheet of a case.
    pub fn mark_case(&self, case: i64, marks: &[Mark], event: Draft) -> Result<()> {
        let json = serde_json::to_string(marks).map_err(|e| odd("marks", &e))?;
        self.conn.execute(
            "INSERT INTO case_sheet (case_id, marks, actor, made_ms) VALUES (?1, ?2, ?3, ?4)",
            params![case, json, person(&event.actor), self.now_ms()],
        )?;
        let (points, most) = total(marks);
        let event = event.case(self.hash_of(case)?).fact("points", points).fact("most", most);
        self.log(&event.secret("marks", json))?;
        self.changed(Change::Cases);
        Ok(())
    }
}

impl Reader<'_> {
    /// What an account is called; its login where nobody gave it a name.
    pub fn account_name(&self, account: i64) -> Result<Option<String>> {
        let sql = "SELECT CASE WHEN label = '' THEN login ELSE label END FROM account WHERE account_id = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([account], |r| r.get(0)).optional()?)
    }

    /// What whoever acts is called: the login of an account, or none for a program, and the name for people, empty where nobody
    /// gave one. Accounts are disabled and tokens ended, neither is removed: they keep the name that they had last.
    pub fn called(&self, actor: &Actor) -> Result<Option<(Option<String>, String)>> {
        let sql = match actor.kind.as_str() {
            "user" => "SELECT login, label FROM account WHERE account_id = ?1",
            "token" => "SELECT NULL, name FROM token WHERE token_id = ?1",
            _ => return Ok(None),
        };
        let Ok(id) = actor.id.parse::<i64>() else { return Ok(None) };
        Ok(self.conn.prepare_cached(sql)?.query_row([id], |r| Ok((r.get(0)?, r.get(1)?))).optional()?)
    }

    /// What accounts and programs are called, those of earlier times among them.
    pub fn names(&self) -> Result<Names> {
        let sql = "SELECT 'user', account_id, CASE WHEN label = '' THEN login ELSE label END FROM account
             UNION ALL SELECT 'token', token_id, name FROM token";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| {
            let (kind, id): (String, i64) = (r.get(0)?, r.get(1)?);
            Ok((Actor { kind, id: id.to_string() }, r.get::<_, String>(2)?))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Whether a case stands sent for review to an account at `now_ms`.
    pub fn stands_sent(&self, case: i64, account: i64, now_ms: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM review WHERE case_id = ?1 AND ended_ms IS NULL AND (until_ms IS NULL OR until_ms > ?3)
             AND (account_id IS NULL OR account_id = ?2))";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![case, account, now_ms], |r| r.get(0))?)
    }

    /// To whom a case stands sent for review at `now_ms`, who was sent it first first.
    pub fn sent_to(&self, case: i64, now_ms: i64) -> Result<Vec<SentRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT coalesce(nullif(a.label, ''), a.login), v.until_ms FROM review v LEFT JOIN account a ON a.account_id = v.account_id
             WHERE v.case_id = ?1 AND v.ended_ms IS NULL AND (v.until_ms IS NULL OR v.until_ms > ?2) ORDER BY v.review_id",
        )?;
        let rows =
            statement.query_map(params![case, now_ms], |r| Ok(SentRow { to: r.get(0)?, until_ms: r.get(1)? }))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Cases that stand sent for review, to one account or to anybody, the one that was sent last first, sent before `below`,
    /// at most `limit`: the place of each in that order, the case and its number.
    pub fn sent_cases(
        &self,
        account: Option<i64>,
        now_ms: i64,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, i64, String)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT max(v.review_id), v.case_id FROM review v WHERE v.ended_ms IS NULL AND (v.until_ms IS NULL OR v.until_ms > ?2)
               AND (?1 IS NULL OR v.account_id IS NULL OR v.account_id = ?1) GROUP BY v.case_id
             HAVING max(v.review_id) < ?3 ORDER BY max(v.review_id) DESC LIMIT ?4",
        )?;
        let values = params![account, now_ms, below.unwrap_or(i64::MAX), limit];
        let cases: Vec<(i64, i64)> =
            statement.query_map(values, |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<std::result::Result<_, _>>()?;
        let told = |(place, case): (i64, i64)| {
            let number = self.aliases(case)?.into_iter().next().map(|(_, number)| number);
            Ok((place, case, number.unwrap_or_default()))
        };
        cases.into_iter().map(told).collect()
    }

    /// Notes on a case that stand, by clip and place.
    pub fn review_notes(&self, case: i64) -> Result<Vec<NoteRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT note_id, clip_id, at_ms, words, actor, noted_ms FROM review_note WHERE case_id = ?1 AND withdrawn_ms IS NULL ORDER BY clip_id, at_ms, note_id",
        )?;
        let mut rows = statement.query([case])?;
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            found.push(NoteRow {
                note: r.get(0)?,
                clip: r.get::<_, String>(1)?.parse()?,
                at_ms: r.get(2)?,
                words: r.get(3)?,
                by: actor(&r.get::<_, String>(4)?),
                noted_ms: r.get(5)?,
            });
        }
        Ok(found)
    }

    /// Opinions about a case, newest first.
    pub fn opinions(&self, case: i64) -> Result<Vec<OpinionRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT verdict, words, coverage, actor, given_ms FROM review_opinion WHERE case_id = ?1 ORDER BY opinion_id DESC",
        )?;
        let mut rows = statement.query([case])?;
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            let verdict: String = r.get(0)?;
            found.push(OpinionRow {
                verdict: Verdict::parse(&verdict).ok_or_else(|| StoreError::Odd(format!("verdict {verdict:?}")))?,
                words: r.get(1)?,
                coverage: serde_json::from_str(&r.get::<_, String>(2)?).map_err(|e| odd("coverage", &e))?,
                by: actor(&r.get::<_, String>(3)?),
                given_ms: r.get(4)?,
            });
        }
        Ok(found)
    }

    /// Review sheets of a case, newest first.
    pub fn sheets(&self, case: i64) -> Result<Vec<SheetRow>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT marks, actor, made_ms FROM case_sheet WHERE case_id = ?1 ORDER BY sheet_id DESC")?;
        let mut rows = statement.query([case])?;
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            found.push(SheetRow {
                marks: serde_json::from_str(&r.get::<_, String>(0)?).map_err(|e| odd("marks", &e))?,
                by: actor(&r.get::<_, String>(1)?),
                made_ms: r.get(2)?,
            });
        }
        Ok(found)
    }
}
