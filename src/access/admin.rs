//! Accounts, sessions and tokens as others see to them: the security administrator on the page, whoever may use the socket
//! of the daemon on the command line. A new password is told once, to whoever asked, and must be changed at its first use.

use serde_json::{Value, json};

use super::{Access, AccessError, new_token, password};
use crate::domain::account::{AccountAsk, AccountFacts, LoginName};
use crate::domain::command::{Caller, Reply};
use crate::domain::error::chain;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::identity::{Fingerprint, Identity, SignInBy, Subject};
use crate::domain::rights::{Action, Role, Roles};
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};
use crate::store::{AccountChange, AccountRow, NewAccount, NewToken, SessionEnd, StoreError};

/// Longest text of one fact, characters.
const MAX_CHARS: usize = 200;
/// Most days for which a token holds.
const MAX_TOKEN_DAYS: u32 = 3_660;
const DAY_MS: i64 = 86_400_000;
/// Certificates of one account: the one in use, the next one, a second card.
const MOST_CERTIFICATES: usize = 8;

/// Why it was not done, in words that say what to do.
enum No {
    Invalid(Why),
    Conflict(Why),
    NotFound(Why),
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
            StoreError::NotFound(why) => Self::NotFound(why),
            StoreError::Conflict(why) => Self::Conflict(why),
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
            Err(No::Invalid(why)) => Reply::refused("invalid", why),
            Err(No::Conflict(why)) => Reply::refused("conflict", why),
            Err(No::NotFound(why)) => Reply::refused("not_found", why),
            Err(No::Failed(e)) => {
                tracing::error!(error = %chain(&e), "an account could not be seen to");
                Reply::refused("unavailable", Why::failed(&e))
            }
        }
    }

    async fn carry_out(&self, caller: &Caller, ask: AccountAsk) -> Done {
        match ask {
            AccountAsk::First { name } => {
                if !self.is_open() {
                    return Err(No::Conflict(Why::AccountsExist {}));
                }
                let roles = [Role::SecurityAdministrator.as_str().to_owned()];
                self.add(caller, &name, &roles, AccountFacts::default()).await
            }
            AccountAsk::Add { name, roles, facts } => {
                if self.is_open() {
                    return Err(No::Conflict(Why::FirstAccount {}));
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
                Ok(json!(accounts.iter().map(|(a, sessions)| self.told(a, sessions.len() as u64)).collect::<Vec<_>>()))
            }
            AccountAsk::Sessions { name } => {
                let account = self.named(&name).await?;
                let sessions = self.sessions(account.id).await?;
                let told = sessions.iter().map(|s| {
                    json!({ "session": s.id, "since": self.time(s.begun_ms), "seen": self.time(s.seen_ms), "from": s.from, "agent": s.agent, "by": s.by.as_str() })
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
                        "made_by": t.made_by, "made": self.time(t.made_ms),
                        "seen": t.seen_ms.map(|ms| self.time(ms)), "ended": t.ended_ms.is_some() || self.now_ms() >= t.until_ms,
                    })
                });
                Ok(json!(told.collect::<Vec<_>>()))
            }
            AccountAsk::SendToReview { .. } => Err(No::Invalid(Why::DeskSends {})),
        }
    }

    fn told(&self, a: &AccountRow, sessions: u64) -> Value {
        let now = self.now_ms();
        json!({
            "account": a.id, "name": a.login, "label": a.label, "roles": a.roles.iter().map(Role::as_str).collect::<Vec<_>>(),
            "unit": a.unit, "officer": a.officers, "until": a.until_ms.map(|ms| self.time(ms)), "codes": a.totp.is_some(),
            "disabled": a.disabled_ms.is_some(), "over": a.until_ms.is_some_and(|until| now >= until),
            "locked_until": (now < a.locked_ms).then(|| self.time(a.locked_ms)), "must_change": a.must_change, "sessions": sessions,
            "oidc_subject": a.oidc_subject(self.oidc_issuer()), "certificates": a.certificates(),
        })
    }

    fn time(&self, ms: i64) -> String {
        UtcMs(ms).rfc3339_in(&self.zone)
    }

    async fn named(&self, name: &str) -> Result<AccountRow, No> {
        let login = LoginName::new(name).map_err(|e| No::Invalid(e.into()))?;
        let spelled = login.as_str().to_owned();
        let found = self.store.read(move |r| r.account_by_login(&spelled)).await?;
        found.ok_or_else(|| No::NotFound(Why::NoAccount { name: login.as_str().to_owned() }))
    }

    async fn put(&self, caller: &Caller, account: &AccountRow, change: AccountChange) -> Result<(), No> {
        Ok(self.change(account.id, change, None, draft(EventKind::AccountChanged, caller)).await?)
    }

    async fn add(&self, caller: &Caller, name: &str, roles: &[String], facts: AccountFacts) -> Done {
        let login = LoginName::new(name).map_err(|e| No::Invalid(e.into()))?;
        let roles = Roles::parse(roles.iter().map(String::as_str)).map_err(|e| No::Invalid(e.into()))?;
        let facts = self.facts(facts)?;
        let password = password::one_time();
        let new = NewAccount {
            login: login.as_str().to_owned(),
            label: facts.label.clone().flatten().unwrap_or_default(),
            roles,
            unit: facts.unit.clone().flatten(),
            officers: facts.officers.clone().unwrap_or_default(),
            until_ms: facts.until_ms.flatten(),
            password: self.hash(&password).await?,
        };
        let asked = draft(EventKind::AccountMade, caller);
        let told = new.clone();
        let identities = facts.identities(&[]);
        let id = self
            .store
            .write(move |tx| {
                let id = tx.add_account(&new, asked.clone())?;
                if !identities.is_empty() {
                    let asked = Draft { kind: EventKind::AccountChanged, ..asked };
                    tx.change_account(id, &AccountChange::Identities(identities), None, asked)?;
                }
                Ok(id)
            })
            .await?;
        self.any.store(true, std::sync::atomic::Ordering::Release);
        self.forget();
        Ok(json!({ "account": id, "name": told.login, "roles": told.roles.to_words(), "password": password }))
    }

    async fn change_facts(&self, caller: &Caller, name: &str, roles: Option<Vec<String>>, facts: AccountFacts) -> Done {
        let before = self.named(name).await?;
        let roles = match roles {
            None => before.roles.clone(),
            Some(words) => Roles::parse(words.iter().map(String::as_str)).map_err(|e| No::Invalid(e.into()))?,
        };
        if roles != before.roles {
            not_oneself(caller, &before)?;
        }
        let facts = self.facts(facts)?;
        let identities = facts.identities(&before.identities);
        let change = AccountChange::Facts {
            label: facts.label.map_or(before.label.clone(), Option::unwrap_or_default),
            unit: facts.unit.unwrap_or_else(|| before.unit.clone()),
            officers: facts.officers.unwrap_or_else(|| before.officers.clone()),
            until_ms: facts.until_ms.unwrap_or(before.until_ms),
            roles,
        };
        let asked = draft(EventKind::AccountChanged, caller);
        let (id, changed) = (before.id, identities != before.identities);
        self.store
            .write(move |tx| {
                tx.change_account(id, &change, None, asked.clone())?;
                match changed {
                    true => tx.change_account(id, &AccountChange::Identities(identities), None, asked),
                    false => Ok(()),
                }
            })
            .await?;
        self.forget();
        let after = self.named(name).await?;
        Ok(self.told(&after, 0))
    }

    /// Reads what is said of an account.
    fn facts(&self, facts: AccountFacts) -> Result<Facts, No> {
        let line = |text: Option<String>| -> Result<Option<Option<String>>, No> {
            text.map(|text| {
                let text = text.trim().to_owned();
                if text.chars().count() > MAX_CHARS || text.chars().any(char::is_control) {
                    return Err(No::Invalid(Why::OneLine { thing: Thing::AccountFacts, most: MAX_CHARS as u64 }));
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
            Some(Some(text)) => Some(Some(self.until(&text).map_err(No::Invalid)?)),
        };
        let oidc = facts.oidc_subject.map(|text| self.subject(text.trim())).transpose()?;
        let certificates = facts.certificate.map(|text| certificates(&text)).transpose()?;
        Ok(Facts { label: line(facts.label)?, unit: line(facts.unit)?, officers, until_ms, oidc, certificates })
    }

    /// Somebody at the configured provider; nobody where nothing is written.
    fn subject(&self, text: &str) -> Result<Option<Identity>, No> {
        if text.is_empty() {
            return Ok(None);
        }
        let Some(issuer) = self.oidc_issuer() else {
            return Err(No::Invalid(Why::NoProvider {}));
        };
        let subject = Subject::new(text).map_err(|e| No::Invalid(e.into()))?;
        Ok(Some(Identity::Oidc { issuer: issuer.to_owned(), subject }))
    }

    /// When something that is said to hold until `text` is over: the end of a day, or a moment.
    pub fn until(&self, text: &str) -> Result<i64, Why> {
        let (text, form) = (text.trim(), || Why::LastDayForm {});
        let at = match UtcMs::parse_rfc3339(text) {
            Some(at) => at.0,
            None => {
                let day: jiff::civil::Date = text.parse().map_err(|_| form())?;
                let next = day.tomorrow().map_err(|_| form())?;
                next.to_zoned(self.zone.clone()).map_err(|_| form())?.timestamp().as_millisecond()
            }
        };
        if at <= self.now_ms() {
            return Err(Why::LastDayOver { at: self.time(at) });
        }
        Ok(at)
    }

    async fn add_token(&self, caller: &Caller, name: String, role: &str, scopes: Vec<String>, days: u32) -> Done {
        // Made by whoever reaches a station that has no account yet, it would outlive that.
        if self.is_open() {
            return Err(No::Conflict(Why::FirstAccount {}));
        }
        let roles = Roles::parse([role]).map_err(|e| No::Invalid(e.into()))?;
        let Some(role) = roles.iter().next() else { return Err(No::Invalid(Why::OneTokenRole {})) };
        if role == Role::SecurityAdministrator {
            return Err(No::Invalid(Why::NoTokenForAccounts {}));
        }
        let scopes: Vec<String> =
            scopes.iter().flat_map(|s| s.split(',')).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
        for word in &scopes {
            if !Action::parse(word).is_some_and(|action| roles.may_ever(action)) {
                let each = Action::ALL.iter().filter(|a| roles.may_ever(**a)).map(|a| a.as_str().to_owned()).collect();
                let may = Box::new(Why::Listed { each });
                return Err(No::Invalid(Why::RoleHasNot { role: role.as_str().to_owned(), right: word.clone(), may }));
            }
        }
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_CHARS || name.chars().any(char::is_control) {
            return Err(No::Invalid(Why::TokenName {}));
        }
        if !(1..=MAX_TOKEN_DAYS).contains(&days) {
            return Err(No::Invalid(Why::TokenDays { most: u64::from(MAX_TOKEN_DAYS) }));
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
    oidc: Option<Option<Identity>>,
    certificates: Option<Vec<Identity>>,
}

impl Facts {
    /// What the account is known by from now on; kinds of which nothing was said stay as they were.
    fn identities(&self, before: &[Identity]) -> Vec<Identity> {
        let kept = |by: SignInBy| before.iter().filter(move |i| i.by() == by).cloned().collect::<Vec<_>>();
        let oidc = self.oidc.clone().map_or_else(|| kept(SignInBy::Oidc), |one| one.into_iter().collect());
        let certificates = self.certificates.clone().unwrap_or_else(|| kept(SignInBy::Certificate));
        let mut all = oidc;
        all.extend(certificates);
        all
    }
}

/// Certificates by their fingerprints; none where nothing is written.
fn certificates(text: &str) -> Result<Vec<Identity>, No> {
    let each = text.split([',', '，', '\n']).map(str::trim).filter(|one| !one.is_empty());
    let mut all = each
        .map(|one| Fingerprint::parse(one).map(Identity::Certificate).map_err(|e| No::Invalid(e.into())))
        .collect::<Result<Vec<_>, _>>()?;
    all.sort();
    all.dedup();
    match all.len() > MOST_CERTIFICATES {
        true => Err(No::Invalid(Why::TooManyCertificates { most: MOST_CERTIFICATES as u64 })),
        false => Ok(all),
    }
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
        true => Err(No::Conflict(Why::NotOneself {})),
        false => Ok(()),
    }
}
