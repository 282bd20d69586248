//! Accounts, and what hangs on one: sign-in sessions, tokens, cases sent for review, and what lists may show it. Each change
//! with its event; nobody's password or token is in an event, and names are only committed to.

mod bounds;
mod sent;
mod sessions;
mod tokens;

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::account::lock_ms;
use crate::domain::event::Draft;
use crate::domain::identity::Identity;
use crate::domain::rights::Roles;
use crate::domain::why::Why;

pub use bounds::{ClipStanding, Reach};
pub(super) use bounds::{bound, place_of, within_sql};
pub use sent::ReviewRow;
pub use sessions::{NewSession, SessionEnd, SessionRow};
pub use tokens::{NewToken, TokenRow};

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

const ACCOUNT: &str = "account_id, login, label, roles, unit, until_ms, password, must_change, totp, totp_step, failures, locked_ms, disabled_ms";
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

impl Tx<'_> {
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
}

#[cfg(test)]
mod tests;
