//! Accounts, sign-in sessions, tokens, and cases sent for review. Each change with its event; nobody's password or token is
//! in an event, and names are only committed to.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::account::lock_ms;
use crate::domain::event::{Draft, EventKind};
use crate::domain::identity::{Identity, SignInBy};
use crate::domain::ids::ClipId;
use crate::domain::rights::{Over, Role, Roles, Subject, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::why::Why;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its number: what the log tells.
    pub id: i64,
    /// Name to sign in with.
    pub login: String,
    /// Name for people.
    pub label: String,
    /// What it is.
    pub roles: Roles,
    /// Unit.
    pub unit: Option<String>,
    /// Names and numbers under which it stands in records as officer.
    pub officers: Vec<String>,
    /// Nobody signs in after it, milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
    /// argon2id, in the PHC string form.
    pub password: String,
    /// Somebody else knows the password.
    pub must_change: bool,
    /// Secret of one-time codes.
    pub totp: Option<Vec<u8>>,
    /// No code of this time step or an earlier one is taken again.
    pub totp_step: i64,
    /// Wrong passwords in a row.
    pub failures: u32,
    /// No password is looked at before.
    pub locked_ms: i64,
    /// Since when nobody may sign in with it.
    pub disabled_ms: Option<i64>,
    /// By what else than the password somebody signs in with it.
    pub identities: Vec<Identity>,
}

impl AccountRow {
    /// Whether it may be used at `now_ms`.
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.disabled_ms.is_none() && self.until_ms.is_none_or(|until| now_ms < until)
    }

    /// Who this person is at this identity provider.
    pub fn oidc_subject(&self, issuer: Option<&str>) -> Option<&str> {
        self.identities.iter().find_map(|identity| match identity {
            Identity::Oidc { issuer: theirs, subject } if Some(theirs.as_str()) == issuer => Some(subject.as_str()),
            _ => None,
        })
    }

    /// Fingerprints of certificates of this person.
    pub fn certificates(&self) -> Vec<String> {
        let one = |identity: &Identity| match identity {
            Identity::Certificate(fingerprint) => Some(fingerprint.to_string()),
            Identity::Oidc { .. } => None,
        };
        self.identities.iter().filter_map(one).collect()
    }

    /// Name for people, else the one to sign in with.
    pub fn name(&self) -> &str {
        if self.label.is_empty() { &self.login } else { &self.label }
    }
}

/// An account that is made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Name to sign in with.
    pub login: String,
    /// Name for people.
    pub label: String,
    /// What it is.
    pub roles: Roles,
    /// Unit.
    pub unit: Option<String>,
    /// Names and numbers as officer.
    pub officers: Vec<String>,
    /// Nobody signs in after it.
    pub until_ms: Option<i64>,
    /// argon2id, in the PHC string form.
    pub password: String,
}

/// What of an account changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// Roles and facts, as they are from now on.
    Facts {
        /// Name for people.
        label: String,
        /// What it is.
        roles: Roles,
        /// Unit.
        unit: Option<String>,
        /// Names and numbers as officer.
        officers: Vec<String>,
        /// Nobody signs in after it.
        until_ms: Option<i64>,
    },
    /// Nobody signs in with it, or somebody may again.
    Disabled(bool),
    /// The lock after wrong passwords ends.
    Unlocked,
    /// A new password.
    Password {
        /// argon2id, in the PHC string form.
        hash: String,
        /// Somebody else knows it.
        must_change: bool,
    },
    /// One-time codes on, with this secret, or off.
    Codes(Option<Vec<u8>>),
    /// By what else than the password somebody signs in with it, from now on.
    Identities(Vec<Identity>),
}

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

/// A token that is made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// SHA-256 of the token.
    pub secret: [u8; 32],
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: Role,
    /// Words of actions; none: all of the role's.
    pub scopes: Vec<String>,
    /// Until when.
    pub until_ms: i64,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number: what the log tells.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: Role,
    /// Words of actions; none: all of the role's.
    pub scopes: Vec<String>,
    /// Until when.
    pub until_ms: i64,
    /// Last used, to the minute.
    pub seen_ms: Option<i64>,
    /// When it was ended.
    pub ended_ms: Option<i64>,
}

/// A case that stands sent for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// The case.
    pub case_id: i64,
    /// To whom; `None`: every reviewer.
    pub account: Option<i64>,
    /// Until when.
    pub until_ms: Option<i64>,
}

/// How a clip stands to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipStanding {
    /// What the decision needs.
    pub subject: Subject,
    /// Hash of its first case, where it is linked: what a purpose is remembered for.
    pub case: Option<String>,
    /// It is isolated as suspected classified: nothing of it is told, whatever the right.
    pub isolated: bool,
}

const ACCOUNT: &str = "account_id, login, label, roles, unit, until_ms, password, must_change, totp, totp_step, failures, locked_ms, disabled_ms";
const SESSION: &str = "session_id, account_id, begun_ms, seen_ms, from_where, agent, by_what";
const TOKEN: &str = "token_id, name, role, scopes, until_ms, seen_ms, ended_ms";

fn account(r: &Row<'_>) -> rusqlite::Result<(AccountRow, String)> {
    let row = AccountRow {
        id: r.get(0)?,
        login: r.get(1)?,
        label: r.get(2)?,
        roles: Roles::default(),
        unit: r.get(4)?,
        officers: Vec::new(),
        until_ms: r.get(5)?,
        password: r.get(6)?,
        must_change: r.get(7)?,
        totp: r.get(8)?,
        totp_step: r.get(9)?,
        failures: r.get(10)?,
        locked_ms: r.get(11)?,
        disabled_ms: r.get(12)?,
        identities: Vec::new(),
    };
    Ok((row, r.get(3)?))
}

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

fn token(r: &Row<'_>) -> rusqlite::Result<(TokenRow, String)> {
    let scopes: String = r.get(3)?;
    let row = TokenRow {
        id: r.get(0)?,
        name: r.get(1)?,
        role: Role::Officer,
        scopes: scopes.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        until_ms: r.get(4)?,
        seen_ms: r.get(5)?,
        ended_ms: r.get(6)?,
    };
    Ok((row, r.get(2)?))
}

impl Tx<'_> {
    // -----------------------------------------------------------------------------------------
    // Accounts

    /// Makes an account. `asked` says who.
    pub fn add_account(&self, new: &NewAccount, asked: Draft) -> Result<i64> {
        if self.read().account_by_login(&new.login)?.is_some() {
            return Err(StoreError::Conflict(Why::AccountExists { name: new.login.clone() }));
        }
        self.conn.execute(
            "INSERT INTO account (login, label, roles, unit, until_ms, password, made_by, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                new.login,
                new.label,
                new.roles.to_words(),
                new.unit,
                new.until_ms,
                new.password,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms()
            ],
        )?;
        let id = self.conn.last_insert_rowid();
        self.put_officers(id, &new.officers)?;
        let event = asked
            .fact("account", id)
            .fact("roles", new.roles.to_words())
            .fact("until_ms", new.until_ms)
            .secret("login", new.login.as_str())
            .secret("unit", new.unit.as_deref().unwrap_or_default())
            .secret("officer", new.officers.join(","));
        self.log(&event)?;
        self.changed(Change::Accounts);
        Ok(id)
    }

    fn put_officers(&self, id: i64, officers: &[String]) -> Result<()> {
        self.conn.execute("DELETE FROM account_officer WHERE account_id = ?1", [id])?;
        for officer in officers {
            self.conn.execute("INSERT OR IGNORE INTO account_officer VALUES (?1, ?2)", params![id, officer])?;
        }
        Ok(())
    }

    /// Changes an account. What takes rights away, and a new password, ends its sessions; `but` one of them, where its
    /// owner did it there. `asked` says who.
    pub fn change_account(&self, id: i64, change: &AccountChange, but: Option<&str>, asked: Draft) -> Result<()> {
        let before = self.read().account(id)?;
        let event = asked.clone().fact("account", id);
        let (event, end) = match change {
            AccountChange::Facts { label, roles, unit, officers, until_ms } => {
                self.conn.execute(
                    "UPDATE account SET label = ?2, roles = ?3, unit = ?4, until_ms = ?5 WHERE account_id = ?1",
                    params![id, label, roles.to_words(), unit, until_ms],
                )?;
                self.put_officers(id, officers)?;
                let event = event
                    .fact("what", "facts")
                    .fact("roles_before", before.roles.to_words())
                    .fact("roles", roles.to_words())
                    .fact("until_ms", *until_ms)
                    .secret("unit.before", before.unit.clone().unwrap_or_default())
                    .secret("unit.after", unit.clone().unwrap_or_default())
                    .secret("officer.before", before.officers.join(","))
                    .secret("officer.after", officers.join(","));
                (event, (before.roles != *roles).then_some(SessionEnd::Disabled))
            }
            AccountChange::Disabled(true) => {
                self.conn.execute(
                    "UPDATE account SET disabled_ms = coalesce(disabled_ms, ?2) WHERE account_id = ?1",
                    params![id, self.now_ms()],
                )?;
                (event.fact("what", "disabled"), Some(SessionEnd::Disabled))
            }
            AccountChange::Disabled(false) => {
                self.conn.execute("UPDATE account SET disabled_ms = NULL WHERE account_id = ?1", [id])?;
                (event.fact("what", "enabled"), None)
            }
            AccountChange::Unlocked => {
                self.conn.execute("UPDATE account SET failures = 0, locked_ms = 0 WHERE account_id = ?1", [id])?;
                (event.fact("what", "unlocked").fact("failures", before.failures), None)
            }
            AccountChange::Password { hash, must_change } => {
                self.conn.execute(
                    "UPDATE account SET password = ?2, must_change = ?3, failures = 0, locked_ms = 0 WHERE account_id = ?1",
                    params![id, hash, must_change],
                )?;
                (event.fact("what", "password").fact("must_change", *must_change), Some(SessionEnd::Password))
            }
            AccountChange::Codes(secret) => {
                self.conn.execute(
                    "UPDATE account SET totp = ?2, totp_step = 0 WHERE account_id = ?1",
                    params![id, secret],
                )?;
                (event.fact("what", "codes").fact("on", secret.is_some()), None)
            }
            AccountChange::Identities(identities) => {
                let event = self.put_identities(id, &before.identities, identities, event)?;
                (event, Some(SessionEnd::Password))
            }
        };
        self.log(&event)?;
        if let Some(how) = end {
            self.end_sessions(id, how, None, but, asked)?;
        }
        self.changed(Change::Accounts);
        Ok(())
    }

    /// A sign-in failed; where `counts`, the account is one failure further, and locked as long as that asks. Gives until
    /// when. `asked` says from where, and why in its body.
    pub fn sign_in_refused(&self, account: Option<i64>, counts: bool, asked: Draft) -> Result<i64> {
        let mut event = asked.outcome("refused");
        let mut locked_ms = 0;
        if let Some(id) = account {
            event = event.fact("account", id);
            if counts {
                let failures = self.read().account(id)?.failures.saturating_add(1);
                locked_ms = self.now_ms().saturating_add(lock_ms(failures));
                self.conn.execute(
                    "UPDATE account SET failures = ?2, locked_ms = max(locked_ms, ?3) WHERE account_id = ?1",
                    params![id, failures, locked_ms],
                )?;
                event = event.fact("failures", failures).fact("locked_ms", locked_ms);
            }
        }
        self.log(&event)?;
        Ok(locked_ms)
    }

    // -----------------------------------------------------------------------------------------
    // Sessions

    /// Somebody signed in with a password. `asked` is theirs, with the session in it.
    pub fn begin_session(&self, new: &NewSession, asked: Draft) -> Result<()> {
        self.begin_session_by(new, SignInBy::Password, asked)
    }

    /// The same, `by` whatever else. Only a right password ends the count of wrong ones: who guesses at one must gain nothing
    /// by its owner's coming in another way.
    pub fn begin_session_by(&self, new: &NewSession, by: SignInBy, asked: Draft) -> Result<()> {
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
        Ok(())
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

    // -----------------------------------------------------------------------------------------
    // Tokens

    /// Makes a token. `asked` says who.
    pub fn add_token(&self, new: &NewToken, asked: Draft) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO token (secret, name, role, scopes, until_ms, made_by, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.secret,
                new.name,
                new.role.as_str(),
                new.scopes.join(","),
                new.until_ms,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms()
            ],
        )?;
        let id = self.conn.last_insert_rowid();
        let event = asked
            .fact("token", id)
            .fact("role", new.role.as_str())
            .fact("scopes", new.scopes.join(","))
            .fact("until_ms", new.until_ms)
            .secret("name", new.name.as_str());
        self.log(&event)?;
        self.changed(Change::Accounts);
        Ok(id)
    }

    /// Ends a token. `asked` says who.
    pub fn end_token(&self, id: i64, asked: Draft) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE token SET ended_ms = ?2 WHERE token_id = ?1 AND ended_ms IS NULL",
            params![id, self.now_ms()],
        )?;
        if n == 0 {
            return Err(StoreError::NotFound(Why::NoToken { token: id }));
        }
        self.log(&asked.fact("token", id))?;
        self.changed(Change::Accounts);
        Ok(())
    }

    /// A token was used at this moment.
    pub fn token_seen(&self, id: i64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE token SET seen_ms = ?2 WHERE token_id = ?1")?
            .execute(params![id, self.now_ms()])?;
        Ok(())
    }

    // -----------------------------------------------------------------------------------------
    // Review

    /// Sends a case to the legal reviewers, or to one. What stood sent to the same is replaced. `asked` says who.
    pub fn send_to_review(&self, review: &ReviewRow, case_hash: &str, asked: Draft) -> Result<()> {
        let by = format!("{}:{}", asked.actor.kind, asked.actor.id);
        self.conn.execute(
            "UPDATE review SET ended_by = ?3, ended_ms = ?4 WHERE case_id = ?1 AND account_id IS ?2 AND ended_ms IS NULL",
            params![review.case_id, review.account, by, self.now_ms()],
        )?;
        self.conn.execute(
            "INSERT INTO review (case_id, account_id, until_ms, sent_by, sent_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![review.case_id, review.account, review.until_ms, by, self.now_ms()],
        )?;
        let event = asked.case(case_hash).fact("step", "sent").fact("to", review.account);
        self.log(&event.fact("until_ms", review.until_ms))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// Calls a case back from the legal reviewers, or from one. `asked` says who.
    pub fn end_review(&self, case_id: i64, account: Option<i64>, case_hash: &str, asked: Draft) -> Result<()> {
        let by = format!("{}:{}", asked.actor.kind, asked.actor.id);
        let n = self.conn.execute(
            "UPDATE review SET ended_by = ?3, ended_ms = ?4 WHERE case_id = ?1 AND (?2 IS NULL OR account_id = ?2) AND ended_ms IS NULL",
            params![case_id, account, by, self.now_ms()],
        )?;
        if n == 0 {
            return Err(StoreError::NotFound(Why::NotSent {}));
        }
        self.log(&asked.case(case_hash).fact("step", "called_back").fact("to", account))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// Settles the label of clips that were there before labels stood in the index; gives how many are left.
    pub fn index_labels(&self, at_once: u32) -> Result<u64> {
        let clips = self
            .read()
            .clip_ids("SELECT clip_id FROM clip_index WHERE care IS NULL ORDER BY clip_id LIMIT ?1", [at_once])?;
        for clip in &clips {
            self.reindex(*clip)?;
        }
        let left: i64 = self.conn.query_row("SELECT count(*) FROM clip_index WHERE care IS NULL", [], |r| r.get(0))?;
        Ok(left as u64)
    }
}

impl Reader<'_> {
    fn with_roles(&self, found: (AccountRow, String)) -> Result<AccountRow> {
        let (mut row, words) = found;
        row.roles = Roles::parse([words.as_str()]).map_err(|e| StoreError::Odd(format!("account {}: {e}", row.id)))?;
        let mut statement =
            self.conn.prepare_cached("SELECT officer FROM account_officer WHERE account_id = ?1 ORDER BY officer")?;
        row.officers = statement.query_map([row.id], |r| r.get(0))?.collect::<std::result::Result<_, _>>()?;
        row.identities = self.identities_of(row.id)?;
        Ok(row)
    }

    /// Whether there is any account.
    pub fn any_account(&self) -> Result<bool> {
        Ok(self.conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM account)")?.query_row([], |r| r.get(0))?)
    }

    /// Every account, by name.
    pub fn accounts(&self) -> Result<Vec<AccountRow>> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {ACCOUNT} FROM account ORDER BY login"))?;
        let rows: Vec<_> = statement.query_map([], account)?.collect::<std::result::Result<_, _>>()?;
        rows.into_iter().map(|found| self.with_roles(found)).collect()
    }

    /// One account.
    pub fn account(&self, id: i64) -> Result<AccountRow> {
        self.conn
            .prepare_cached(&format!("SELECT {ACCOUNT} FROM account WHERE account_id = ?1"))?
            .query_row([id], account)
            .optional()?
            .map(|found| self.with_roles(found))
            .unwrap_or_else(|| Err(StoreError::NotFound(Why::NoAccountNumber { account: id })))
    }

    /// The account of a name, as [`LoginName`](crate::domain::account::LoginName) spells it.
    pub fn account_by_login(&self, login: &str) -> Result<Option<AccountRow>> {
        self.conn
            .prepare_cached(&format!("SELECT {ACCOUNT} FROM account WHERE login = ?1"))?
            .query_row([login], account)
            .optional()?
            .map(|found| self.with_roles(found))
            .transpose()
    }

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

    fn token_of(&self, found: (TokenRow, String)) -> Result<TokenRow> {
        let (mut row, word) = found;
        row.role = Role::parse(&word).ok_or_else(|| StoreError::Odd(format!("role {word:?} of token {}", row.id)))?;
        Ok(row)
    }

    /// Every token, the newest first.
    pub fn tokens(&self) -> Result<Vec<TokenRow>> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {TOKEN} FROM token ORDER BY token_id DESC"))?;
        let rows: Vec<_> = statement.query_map([], token)?.collect::<std::result::Result<_, _>>()?;
        rows.into_iter().map(|found| self.token_of(found)).collect()
    }

    /// A token that was not ended, by its SHA-256.
    pub fn token_by_secret(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>> {
        self.conn
            .prepare_cached(&format!("SELECT {TOKEN} FROM token WHERE secret = ?1 AND ended_ms IS NULL"))?
            .query_row([secret], token)
            .optional()?
            .map(|found| self.token_of(found))
            .transpose()
    }

    /// How a clip stands to an account at `now_ms`; `None` where there is no such clip.
    pub fn clip_standing(&self, clip: ClipId, account: i64, now_ms: i64) -> Result<Option<ClipStanding>> {
        let sql = format!(
            "SELECT {own}, {unit}, {sent}, {care},
               (SELECT a.case_hash FROM case_link l JOIN case_alias a USING (case_key) WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
                  AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) ORDER BY l.link_id LIMIT 1),
               c.isolated_ms IS NOT NULL
             FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE c.clip_id = ?3",
            own = bound(over_sql(Over::Own), 1, 2),
            unit = bound(over_sql(Over::Unit), 1, 2),
            sent = bound(over_sql(Over::Sent), 1, 2),
            care = CARE,
        );
        let row = self
            .conn
            .prepare_cached(&sql)?
            .query_row(params![account, now_ms, clip.to_string()], |r| {
                Ok((
                    Subject { own: r.get(0)?, unit: r.get(1)?, sent: r.get(2)?, sensitivity: Sensitivity::None },
                    r.get::<_, i64>(3)?,
                    r.get::<_, Option<String>>(4)?,
                    r.get::<_, bool>(5)?,
                ))
            })
            .optional()?;
        Ok(row.map(|(subject, care, case, isolated)| {
            // An isolated clip has an answer of its own, told to whoever would see it but for that.
            let label = if isolated { by_place(care).min(Sensitivity::Minor) } else { by_place(care) };
            ClipStanding { subject: Subject { sensitivity: label, ..subject }, case, isolated }
        }))
    }

    /// When capture of a clip began, and whether it lacks one of the five facts, as lists know it.
    pub fn indexed(&self, clip: ClipId) -> Result<(Option<i64>, bool)> {
        let found = self
            .conn
            .prepare_cached("SELECT captured_start_ms, missing_count > 0 FROM clip_index WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        Ok(found.unwrap_or((None, true)))
    }

    /// Which of `clips` may stand in lists within these bounds, in their order. What is isolated is shown to nobody.
    pub fn clips_within(&self, clips: &[ClipId], within: &Within, now_ms: i64) -> Result<Vec<ClipId>> {
        self.bounded(clips, within, "c.isolated_ms IS NULL", now_ms)
    }

    /// The same, isolated ones included: for lists that tell ids and nothing of what is in them.
    pub fn kept_within(&self, clips: &[ClipId], within: &Within, now_ms: i64) -> Result<Vec<ClipId>> {
        self.bounded(clips, within, "1", now_ms)
    }

    fn bounded(&self, clips: &[ClipId], within: &Within, and: &str, now_ms: i64) -> Result<Vec<ClipId>> {
        let (condition, account) =
            bounds_sql(within).unwrap_or_else(|| ("@account IS NOT NULL AND @now IS NOT NULL".into(), 0));
        let condition = bound(&condition, 1, 2);
        let sql = format!(
            "SELECT 1 FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE c.clip_id = ?3 AND {and} AND ({condition})"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut kept = Vec::new();
        for clip in clips {
            if statement.exists(params![account, now_ms, clip.to_string()])? {
                kept.push(*clip);
            }
        }
        Ok(kept)
    }
}

/// The label's place; what was never settled is treated like the highest that anybody is shown.
const CARE: &str = "coalesce(i.care, 4)";

fn by_place(care: i64) -> Sensitivity {
    usize::try_from(care).ok().and_then(|n| Sensitivity::ALL.get(n).copied()).unwrap_or(Sensitivity::SuspectedState)
}

/// The place of a label in the index.
pub(super) fn place_of(label: Option<&str>) -> i64 {
    // A word that nobody knows is a label all the same.
    let label = label.map_or(Sensitivity::None, |word| Sensitivity::parse(word).unwrap_or(Sensitivity::Minor));
    Sensitivity::ALL.iter().position(|s| *s == label).unwrap_or(0) as i64
}

/// A condition over clip `c` and its index `i`; `@account` and `@now` are to be bound.
fn over_sql(over: Over) -> &'static str {
    match over {
        Over::All => "1",
        Over::Own => {
            "(coalesce(i.officer IN (SELECT o.officer FROM account_officer o WHERE o.account_id = @account), 0)
               OR EXISTS (SELECT 1 FROM clip_co_officer k JOIN account_officer o ON o.officer = k.officer
                 WHERE k.clip_id = c.clip_id AND o.account_id = @account))"
        }
        Over::Unit => {
            "coalesce(i.officer IN (SELECT o.officer FROM account_officer o JOIN account m ON m.account_id = o.account_id
               JOIN account me ON me.account_id = @account AND me.unit = m.unit), 0)"
        }
        Over::Sent => {
            "EXISTS (SELECT 1 FROM case_link l JOIN review v ON v.case_id = l.case_id AND v.ended_ms IS NULL
               AND (v.until_ms IS NULL OR v.until_ms > @now) AND (v.account_id IS NULL OR v.account_id = @account)
               WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
                 AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id))"
        }
    }
}

/// The condition of a list's bounds, and the account; `None` where there are none. What is isolated is in no list.
pub(super) fn within_sql(within: &Within) -> Option<(String, i64)> {
    bounds_sql(within).map(|(condition, account)| (format!("c.isolated_ms IS NULL AND {condition}"), account))
}

fn bounds_sql(within: &Within) -> Option<(String, i64)> {
    match within {
        Within::Everything => None,
        Within::Of { account, stretches } => {
            let parts: Vec<String> = stretches
                .iter()
                .map(|(over, up_to)| {
                    let place = place_of(Some(up_to.key()));
                    let care = format!("min({CARE}, CASE WHEN c.isolated_ms IS NULL THEN 5 ELSE 4 END)");
                    format!("({} AND {care} <= {place})", over_sql(*over))
                })
                .collect();
            // Both are named in any case, so that whoever binds them need not look which are.
            let any = if parts.is_empty() { "0".to_owned() } else { parts.join(" OR ") };
            Some((format!("@account IS NOT NULL AND @now IS NOT NULL AND ({any})"), *account))
        }
    }
}

/// A condition with the numbers of its parameters.
pub(super) fn bound(condition: &str, account: usize, now: usize) -> String {
    condition.replace("@account", &format!("?{account}")).replace("@now", &format!("?{now}"))
}

#[cfg(test)]
mod tests;
