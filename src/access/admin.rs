//! Accounts, sessions and tokens as others see to them: the security administrator on the page, whoever may use the socket
//! of the daemon on the command line. A new password is told once, to whoever asked, and must be changed at its first use.

use serde_json::{Value, json};

use super::{Access, AccessError, new_token, password};
use crate::domain::account::{AccountAsk, AccountFacts, LoginName};
use crate::domain::command::{Caller, Reply};
use crate::domain::error::chain;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::rights::{Action, Role, Roles};
use crate::domain::time::UtcMs;
use crate::store::{AccountChange, AccountRow, NewAccount, NewToken, SessionEnd, StoreError};

/// Longest text of one fact, characters.
const MAX_CHARS: usize = 200;
/// Most days for which a token holds.
const MAX_TOKEN_DAYS: u32 = 3_660;
const DAY_MS: i64 = 86_400_000;

/// Why it was not done, in words that say what to do.
enum No {
    Invalid(String),
    Conflict(String),
    NotFound(String),
    Failed(AccessError),
}

impl From<AccessError> for No {
    fn from(e: AccessError) -> Self {
        match e {
            AccessError::Store(e) => e.into(),
            e => Self::Failed(e),
        }
    }
}

impl From<StoreError> for No {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound(words) => Self::NotFound(words),
            StoreError::Conflict(words) => Self::Conflict(words),
            e => Self::Failed(e.into()),
        }
    }
}

type Done = Result<Value, No>;

impl Access {
    /// Carries out what is asked of accounts, but for cases sent for review, which are the desk's.
    pub async fn ask(&self, caller: &Caller, ask: AccountAsk) -> Reply {
        match self.carry_out(caller, ask).await {
            Ok(value) => Reply::Done(value),
            Err(No::Invalid(words)) => Reply::refused("invalid", words),
            Err(No::Conflict(words)) => Reply::refused("conflict", words),
            Err(No::NotFound(words)) => Reply::refused("not_found", words),
            Err(No::Failed(e)) => {
                tracing::error!(error = %chain(&e), "an account could not be seen to");
                Reply::refused("unavailable", chain(&e))
            }
        }
    }

    async fn carry_out(&self, caller: &Caller, ask: AccountAsk) -> Done {
        match ask {
            AccountAsk::First { name } => {
                if !self.is_open() {
                    let words = "there are accounts already; `evidock user add` makes another one, `evidock user list` shows them";
                    return Err(No::Conflict(words.into()));
                }
                let roles = [Role::SecurityAdministrator.as_str().to_owned()];
                self.add(caller, &name, &roles, AccountFacts::default()).await
            }
            AccountAsk::Add { name, roles, facts } => {
                if self.is_open() {
                    let words = "the first account is the security administrator's: `evidock user first NAME`";
                    return Err(No::Conflict(words.into()));
                }
                self.add(caller, &name, &roles, facts).await
            }
            AccountAsk::Change { name, roles, facts } => self.change_facts(caller, &name, roles, facts).await,
            AccountAsk::Disable { name, undo } => {
                let account = self.named(&name).await?;
                if !undo {
                    not_oneself(caller, &account)?;
                }
                self.put(caller, &account, AccountChange::Disabled(!undo)).await?;
                Ok(json!({ "name": account.login, "disabled": !undo }))
            }
            AccountAsk::Unlock { name } => {
                let account = self.named(&name).await?;
                self.put(caller, &account, AccountChange::Unlocked).await?;
                let locked = self.now_ms() < account.locked_ms;
                Ok(json!({ "name": account.login, "was_locked": locked, "failures": account.failures }))
            }
            AccountAsk::ResetPassword { name, codes } => {
                let account = self.named(&name).await?;
                let password = password::one_time();
                let hash = self.hash(&password).await?;
                self.put(caller, &account, AccountChange::Password { hash, must_change: true }).await?;
                if codes && account.totp.is_some() {
                    self.put(caller, &account, AccountChange::Codes(None)).await?;
                }
                Ok(json!({ "name": account.login, "password": password, "codes": account.totp.is_some() && !codes }))
            }
            AccountAsk::EndSessions { name, session } => {
                let account = self.named(&name).await?;
                let (id, asked) = (account.id, draft(EventKind::SessionEnded, caller));
                let end = move |tx: &crate::store::Tx<'_>| {
                    tx.end_sessions(id, SessionEnd::Ended, session.as_deref(), None, asked)
                };
                let ended = self.store.write(end).await?;
                self.forget();
                Ok(json!({ "name": account.login, "ended": ended }))
            }
            AccountAsk::List => {
                let accounts = self.accounts().await?;
                Ok(json!(accounts.iter().map(|(a, sessions)| self.told(a, *sessions)).collect::<Vec<_>>()))
            }
            AccountAsk::Sessions { name } => {
                let account = self.named(&name).await?;
                let sessions = self.sessions(account.id).await?;
                let told = sessions.iter().map(|s| {
                    json!({ "session": s.id, "since": self.time(s.begun_ms), "seen": self.time(s.seen_ms), "from": s.from, "agent": s.agent })
                });
                Ok(json!(told.collect::<Vec<_>>()))
            }
            AccountAsk::AddToken { name, role, scopes, days } => {
                self.add_token(caller, name, &role, scopes, days).await
            }
            AccountAsk::EndToken { token } => {
                let asked = draft(EventKind::TokenEnded, caller);
                self.store.write(move |tx| tx.end_token(token, asked)).await?;
                self.forget();
                Ok(json!({ "token": token, "ended": true }))
            }
            AccountAsk::Tokens => {
                let tokens = self.store.read(|r| r.tokens()).await?;
                let told = tokens.iter().map(|t| {
                    json!({
                        "token": t.id, "name": t.name, "role": t.role.as_str(), "scopes": t.scopes, "until": self.time(t.until_ms),
                        "seen": t.seen_ms.map(|ms| self.time(ms)), "ended": t.ended_ms.is_some() || self.now_ms() >= t.until_ms,
                    })
                });
                Ok(json!(told.collect::<Vec<_>>()))
            }
            AccountAsk::SendToReview { .. } => Err(No::Invalid("the desk sends cases for review".into())),
        }
    }

    fn told(&self, a: &AccountRow, sessions: u64) -> Value {
        let now = self.now_ms();
        json!({
            "account": a.id, "name": a.login, "label": a.label, "roles": a.roles.iter().map(Role::as_str).collect::<Vec<_>>(),
            "unit": a.unit, "officer": a.officers, "until": a.until_ms.map(|ms| self.time(ms)), "codes": a.totp.is_some(),
            "disabled": a.disabled_ms.is_some(), "over": a.until_ms.is_some_and(|until| now >= until),
            "locked_until": (now < a.locked_ms).then(|| self.time(a.locked_ms)), "must_change": a.must_change, "sessions": sessions,
        })
    }

    fn time(&self, ms: i64) -> String {
        UtcMs(ms).rfc3339_in(&self.zone)
    }

    async fn named(&self, name: &str) -> Result<AccountRow, No> {
        let login = LoginName::new(name).map_err(|e| No::Invalid(e.to_string()))?;
        let spelled = login.as_str().to_owned();
        let found = self.store.read(move |r| r.account_by_login(&spelled)).await?;
        found.ok_or_else(|| {
            No::NotFound(format!("there is no account {}; `evidock user list` shows them", login.as_str()))
        })
    }

    async fn put(&self, caller: &Caller, account: &AccountRow, change: AccountChange) -> Result<(), No> {
        Ok(self.change(account.id, change, None, draft(EventKind::AccountChanged, caller)).await?)
    }

    async fn add(&self, caller: &Caller, name: &str, roles: &[String], facts: AccountFacts) -> Done {
        let login = LoginName::new(name).map_err(|e| No::Invalid(e.to_string()))?;
        let roles = Roles::parse(roles.iter().map(String::as_str)).map_err(|e| No::Invalid(e.to_string()))?;
        let facts = self.facts(facts)?;
        let password = password::one_time();
        let new = NewAccount {
            login: login.as_str().to_owned(),
            label: facts.label.flatten().unwrap_or_default(),
            roles,
            unit: facts.unit.flatten(),
            officers: facts.officers.unwrap_or_default(),
            until_ms: facts.until_ms.flatten(),
            password: self.hash(&password).await?,
        };
        let asked = draft(EventKind::AccountMade, caller);
        let told = new.clone();
        let id = self.store.write(move |tx| tx.add_account(&new, asked)).await?;
        self.any.store(true, std::sync::atomic::Ordering::Release);
        self.forget();
        Ok(json!({ "account": id, "name": told.login, "roles": told.roles.to_words(), "password": password }))
    }

    async fn change_facts(&self, caller: &Caller, name: &str, roles: Option<Vec<String>>, facts: AccountFacts) -> Done {
        let before = self.named(name).await?;
        let roles = match roles {
            None => before.roles.clone(),
            Some(words) => Roles::parse(words.iter().map(String::as_str)).map_err(|e| No::Invalid(e.to_string()))?,
        };
        if roles != before.roles {
            not_oneself(caller, &before)?;
        }
        let facts = self.facts(facts)?;
        let change = AccountChange::Facts {
            label: facts.label.map_or(before.label.clone(), Option::unwrap_or_default),
            unit: facts.unit.unwrap_or_else(|| before.unit.clone()),
            officers: facts.officers.unwrap_or_else(|| before.officers.clone()),
            until_ms: facts.until_ms.unwrap_or(before.until_ms),
            roles,
        };
        self.put(caller, &before, change).await?;
        let after = self.named(name).await?;
        Ok(self.told(&after, 0))
    }

    /// Reads what is said of an account.
    fn facts(&self, facts: AccountFacts) -> Result<Facts, No> {
        let line = |text: Option<String>| -> Result<Option<Option<String>>, No> {
            text.map(|text| {
                let text = text.trim().to_owned();
                if text.chars().count() > MAX_CHARS || text.chars().any(char::is_control) {
                    return Err(No::Invalid(format!(
                        "name, unit and officer are one line of at most {MAX_CHARS} characters"
                    )));
                }
                Ok(Some(text).filter(|t| !t.is_empty()))
            })
            .transpose()
        };
        let officers = line(facts.officer)?.map(|text| {
            let text = text.unwrap_or_default();
            let names = text.split([',', '，', '、']).map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned);
            names.collect::<Vec<_>>()
        });
        let until_ms = match line(facts.until)? {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => Some(Some(self.end_of(&text)?)),
        };
        Ok(Facts { label: line(facts.label)?, unit: line(facts.unit)?, officers, until_ms })
    }

    /// When something that is said to hold until `text` is over: the end of a day, or a moment.
    pub fn until(&self, text: &str) -> Result<i64, String> {
        self.end_of(text.trim()).map_err(|no| match no {
            No::Invalid(words) | No::Conflict(words) | No::NotFound(words) => words,
            No::Failed(e) => chain(&e),
        })
    }

    fn end_of(&self, text: &str) -> Result<i64, No> {
        let form =
            || No::Invalid("write the last day as 2026-12-31, or a time as 2026-12-31T18:00:00+08:00".to_owned());
        let at = match UtcMs::parse_rfc3339(text) {
            Some(at) => at.0,
            None => {
                let day: jiff::civil::Date = text.parse().map_err(|_| form())?;
                let next = day.tomorrow().map_err(|_| form())?;
                next.to_zoned(self.zone.clone()).map_err(|_| form())?.timestamp().as_millisecond()
            }
        };
        if at <= self.now_ms() {
            return Err(No::Invalid(format!("{} is over; give a later day, or disable the account", self.time(at))));
        }
        Ok(at)
    }

    async fn add_token(&self, caller: &Caller, name: String, role: &str, scopes: Vec<String>, days: u32) -> Done {
        let roles = Roles::parse([role]).map_err(|e| No::Invalid(e.to_string()))?;
        let Some(role) = roles.iter().next() else { return Err(No::Invalid("a token has one role".into())) };
        if role == Role::SecurityAdministrator {
            return Err(No::Invalid("no program makes accounts or gives out rights; choose another role".into()));
        }
        let scopes: Vec<String> =
            scopes.iter().flat_map(|s| s.split(',')).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
        for word in &scopes {
            if !Action::parse(word).is_some_and(|action| roles.may_ever(action)) {
                let may: Vec<&str> = Action::ALL.iter().filter(|a| roles.may_ever(**a)).map(|a| a.as_str()).collect();
                let words = format!("{} has no right {word:?}; it has {}", role.as_str(), may.join(", "));
                return Err(No::Invalid(words));
            }
        }
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_CHARS || name.chars().any(char::is_control) {
            return Err(No::Invalid("say in one line what the token is for".into()));
        }
        if !(1..=MAX_TOKEN_DAYS).contains(&days) {
            return Err(No::Invalid(format!("a token holds for 1 to {MAX_TOKEN_DAYS} days")));
        }
        let token = new_token();
        let Some(secret) = super::digest_of(&token) else { return Err(No::Failed(AccessError::Stopping)) };
        let until_ms = self.now_ms() + i64::from(days) * DAY_MS;
        let new = NewToken { secret, name: name.clone(), role, scopes: scopes.clone(), until_ms };
        let asked = draft(EventKind::TokenMade, caller);
        let id = self.store.write(move |tx| tx.add_token(&new, asked)).await?;
        self.forget();
        Ok(
            json!({ "id": id, "name": name, "role": role.as_str(), "scopes": scopes, "until": self.time(until_ms), "token": token }),
        )
    }
}

/// What is said of an account, read: outside absent is "as it was", inside absent is "none".
struct Facts {
    label: Option<Option<String>>,
    unit: Option<Option<String>>,
    officers: Option<Vec<String>>,
    until_ms: Option<Option<i64>>,
}

fn draft(kind: EventKind, caller: &Caller) -> Draft {
    let mut draft = Draft::by(kind, caller.actor.clone(), caller.via);
    draft.from = Some(caller.from.clone());
    draft.session.clone_from(&caller.session);
    draft
}

/// Nobody gives rights to themselves, or locks themselves out by a slip.
fn not_oneself(caller: &Caller, account: &AccountRow) -> Result<(), No> {
    match caller.actor == Actor::user(account.id) {
        true => Err(No::Conflict(
            "nobody changes their own roles or disables themselves; another administrator does it".into(),
        )),
        false => Ok(()),
    }
}
