//! Sign-in sessions: begun, seen, ended. What ends them besides their owner is a change of the account.

use rusqlite::{OptionalExtension, Row, params};

use crate::domain::event::{Draft, EventKind};
use crate::domain::identity::SignInBy;
use crate::domain::why::Why;
use crate::store::{Change, Reader, Result, StoreError, Tx};

/// How a session ended. The words are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its owner signed out.
    SignedOut,
    /// Nothing was asked for too long.
    Idle,
    /// It went on for too long.
    TooLong,
    /// Somebody ended it from elsewhere.
    Ended,
    /// The password changed, or what else one signs in by.
    Password,
    /// The account was disabled, or its roles changed.
    Disabled,
}

impl SessionEnd {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Idle => "idle",
            Self::TooLong => "too_long",
            Self::Ended => "ended",
            Self::Password => "password",
            Self::Disabled => "disabled",
        }
    }
}

/// Sessions of one account that go on at once: nobody sits before so many browsers.
const MOST_SESSIONS: i64 = 50;

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id: what the log tells.
    pub id: String,
    /// SHA-256 of the cookie's token.
    pub token: [u8; 32],
    /// Whose.
    pub account: i64,
    /// Address.
    pub from: String,
    /// The browser in its own words, cut and escaped.
    pub agent: String,
    /// The time step of the one-time code that was used.
    pub totp_step: Option<i64>,
    /// A hash of the same password with newer parameters, where the stored one is of older ones.
    pub rehashed: Option<String>,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Whose.
    pub account: i64,
    /// Since when, milliseconds since the Unix epoch.
    pub begun_ms: i64,
    /// Last asked for something, to the minute.
    pub seen_ms: i64,
    /// Address.
    pub from: String,
    /// The browser in its own words.
    pub agent: String,
    /// How its owner signed in.
    pub by: SignInBy,
}

const SESSION: &str = "session_id, account_id, begun_ms, seen_ms, from_where, agent, by_what";

fn session(r: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: r.get(0)?,
        account: r.get(1)?,
        begun_ms: r.get(2)?,
        seen_ms: r.get(3)?,
        from: r.get(4)?,
        agent: r.get(5)?,
        // The column's own check knows no other words.
        by: SignInBy::parse(&r.get::<_, String>(6)?).unwrap_or(SignInBy::Password),
    })
}

impl Tx<'_> {
    /// Somebody signed in with a password; gives how many older sessions of the account ended by that. `asked` is theirs, with
    /// the session in it.
    pub fn begin_session(&self, new: &NewSession, asked: Draft) -> Result<usize> {
        self.begin_session_by(new, SignInBy::Password, asked)
    }

    /// The same, `by` whatever else. Only a right password ends the count of wrong ones: who guesses at one must gain nothing
    /// by its owner's coming in another way.
    pub fn begin_session_by(&self, new: &NewSession, by: SignInBy, asked: Draft) -> Result<usize> {
        let now = self.now_ms();
        if by == SignInBy::Password {
            // Two may have been found right with one code, each before the other was here: it is the first one's.
            let taken = self.conn.execute(
                "UPDATE account SET failures = 0, locked_ms = 0, totp_step = coalesce(?2, totp_step), password = coalesce(?3, password)
                 WHERE account_id = ?1 AND (?2 IS NULL OR totp_step < ?2)",
                params![new.account, new.totp_step, new.rehashed],
            )?;
            if taken == 0 {
                return Err(StoreError::Conflict(Why::CodeUsed {}));
            }
        }
        self.conn.execute(
            "INSERT INTO sign_in (session_id, token, account_id, begun_ms, seen_ms, from_where, agent, by_what) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
            params![new.id, new.token, new.account, now, new.from, new.agent, by.as_str()],
        )?;
        self.log(&asked.fact("by", by.as_str()).fact("codes", new.totp_step.is_some()))?;
        self.changed(Change::Accounts);
        self.end_most_rested(new)
    }

    /// Ends those sessions beside the new one that an account has too many of: which nobody asked for anything the longest.
    fn end_most_rested(&self, new: &NewSession) -> Result<usize> {
        let rested: Vec<String> = {
            let mut statement = self.conn.prepare_cached(
                "SELECT session_id FROM sign_in WHERE account_id = ?1 AND ended IS NULL AND session_id <> ?2
                 ORDER BY seen_ms DESC, begun_ms DESC, session_id DESC LIMIT -1 OFFSET ?3",
            )?;
            let rows = statement.query_map(params![new.account, new.id, MOST_SESSIONS - 1], |r| r.get(0))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        for session in &rested {
            let asked = Draft::daemon(EventKind::SessionEnded).fact("most", MOST_SESSIONS);
            self.end_sessions(new.account, SessionEnd::Ended, Some(session), None, asked)?;
        }
        Ok(rested.len())
    }

    /// A session asked for something at this moment.
    pub fn session_seen(&self, session: &str) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE sign_in SET seen_ms = max(seen_ms, ?2) WHERE session_id = ?1")?
            .execute(params![session, self.now_ms()])?;
        Ok(())
    }

    /// Ends sessions of an account that go on: this one, or all; `but` one. Gives how many. `asked` says who.
    pub fn end_sessions(
        &self,
        account: i64,
        how: SessionEnd,
        only: Option<&str>,
        but: Option<&str>,
        asked: Draft,
    ) -> Result<usize> {
        let ended: Vec<String> = {
            let mut statement = self.conn.prepare_cached(
                "UPDATE sign_in SET ended = ?2, ended_ms = ?3 WHERE account_id = ?1 AND ended IS NULL AND session_id IS NOT ?5
                   AND (?4 IS NULL OR session_id = ?4) RETURNING session_id",
            )?;
            let rows = statement.query_map(params![account, how.as_str(), self.now_ms(), only, but], |r| r.get(0))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        for id in &ended {
            let event = Draft { kind: EventKind::SessionEnded, ..asked.clone() };
            self.log(&event.fact("account", account).fact("ended", id.as_str()).fact("how", how.as_str()))?;
        }
        if !ended.is_empty() {
            self.changed(Change::Accounts);
        }
        Ok(ended.len())
    }
}

impl Reader<'_> {
    /// The session that goes on under a token, by the token's SHA-256.
    pub fn session_by_token(&self, token: &[u8; 32]) -> Result<Option<SessionRow>> {
        Ok(self
            .conn
            .prepare_cached(&format!("SELECT {SESSION} FROM sign_in WHERE token = ?1 AND ended IS NULL"))?
            .query_row([token], session)
            .optional()?)
    }

    /// Sessions of an account that go on, the one seen last first.
    pub fn sessions_of(&self, account: i64) -> Result<Vec<SessionRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {SESSION} FROM sign_in WHERE account_id = ?1 AND ended IS NULL ORDER BY seen_ms DESC, session_id"
        ))?;
        Ok(statement.query_map([account], session)?.collect::<std::result::Result<_, _>>()?)
    }

    /// How many sessions of an account go on.
    pub fn sessions_open(&self, account: i64) -> Result<u64> {
        let sql = "SELECT count(*) FROM sign_in WHERE account_id = ?1 AND ended IS NULL";
        Ok(self.conn.prepare_cached(sql)?.query_row([account], |r| r.get::<_, i64>(0))? as u64)
    }
}
