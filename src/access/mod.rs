//! Who somebody is: accounts, sign-in, sessions, tokens, and what they said they look for. What they may do is
//! `domain::rights`; what stands in the database is `store`'s; cookies, forms and pages are `web`'s.
//!
//! ```text
//! sign_in   name and password, then a one-time code where it is on     (sign_in.rs; password.rs, codes.rs, pace.rs)
//! identity  a cookie's or a program's token to who that is             (here)
//! admin     accounts, sessions and tokens as others see to them        (admin.rs)
//! oidc      the agency's identity provider, to the account bound there (oidc/)
//! certificate  the same for a certificate that the browser showed      (certificate.rs; vouched.rs is common to both)
//! ```
//!
//! A station without any account is open: whoever reaches the page, which is bound to loopback then, may do everything
//! (decision 13). From the first account on nobody may do anything without signing in, and nothing opens it again: accounts
//! are disabled, never removed.
//!
//! Tokens are 256 random bits; only their SHA-256 is stored. Who a token is is kept in memory until anything about accounts
//! changes; every change goes through here. How long a session has rested is counted in memory and stored to the minute.

mod admin;
pub mod certificate;
pub mod codes;
pub mod oidc;
pub mod pace;
pub mod password;
mod sign_in;
mod vouched;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::config::AccessRules;
use crate::domain::error::{Retry, Retryable};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::identity::SignInBy;
use crate::domain::ports::Clock;
use crate::domain::rights::{self, Action, Decision, Refusal, Roles, Subject, Within};
use crate::runtime::clock::monotonic;
use crate::store::{AccountChange, AccountRow, SessionEnd, SessionRow, Store, StoreError, TokenRow};
use pace::Pace;
use password::PasswordError;

pub use sign_in::{OwnRefusal, SignInRefusal, SignedIn, Trying};

/// Passwords that are hashed at the same time: each takes 19 MiB and a core.
const HASHED_AT_ONCE: usize = 2;
/// Tries to sign in from one address at once, and how soon there is another one.
const TRIES: (u32, Duration) = (10, Duration::from_secs(6));
/// Times that one account comes in at once, and how soon it may once more: no person meets this.
const ENTRANCES: (u32, Duration) = (60, Duration::from_secs(5));
/// Requests of one program at once, and how soon there is another one.
const TOKEN_REQUESTS: (u32, Duration) = (100, Duration::from_millis(50));
/// Requests of one session at once, and how soon there is another one: a list of 200 clips with a still each, opened and
/// opened again, is some hundreds, and a person reads between.
const SESSION_REQUESTS: (u32, Duration) = (2_000, Duration::from_millis(20));
/// The same of everybody without a session or token behind one address: boards, lamps and the door with its styles. A whole
/// unit may stand behind one address.
const STRANGERS_REQUESTS: (u32, Duration) = (1_000, Duration::from_millis(20));
/// Whoever is turned away unheard is told to the log once in this time, for each address.
const TURNED_AWAY_EVERY: Duration = Duration::from_secs(15 * 60);
/// Sessions and tokens are noted as used at most this often, milliseconds.
const SEEN_EVERY_MS: i64 = 60_000;
/// Identities kept in memory.
const KNOWN: usize = 4096;
/// Purposes kept in memory; the oldest are asked again.
const PURPOSES: usize = 10_000;

/// Why it cannot be told who somebody is.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database failed.
    #[error("accounts could not be read or changed")]
    Store(#[from] StoreError),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Retryable for AccessError {
    fn retry(&self) -> Retry {
        match self {
            Self::Store(e) => e.retry(),
            Self::Password(_) => Retry::Operator,
            Self::Stopping => Retry::Transient,
        }
    }
}

/// Somebody who was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// As the log tells it.
    pub actor: Actor,
    /// The account's number; 0 for a program, to which no clip belongs.
    pub account: i64,
    /// Name for people.
    pub name: String,
    /// What it is.
    pub roles: Roles,
    /// What a program may do of that; `None`: all of it.
    pub scopes: Option<Vec<Action>>,
    /// The session's id.
    pub session: Option<String>,
    /// Somebody else knows the password: it is changed before anything else.
    pub must_change: bool,
    /// One-time codes are on.
    pub codes: bool,
}

impl Signed {
    /// Decides about `action` over `subject`.
    pub fn decide(&self, action: Action, subject: &Subject) -> Decision {
        match &self.scopes {
            Some(scopes) if !scopes.contains(&action) => Decision::Refused(Refusal::Role),
            _ => rights::decide(&self.roles, action, subject),
        }
    }

    /// Whether there is anything over which it may do this.
    pub fn may_ever(&self, action: Action) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&action)) && self.roles.may_ever(action)
    }

    /// What lists may hold for it.
    pub fn within(&self, action: Action) -> Within {
        match self.may_ever(action) {
            true => Within::of(self.account, &self.roles, action),
            false => Within::Of { account: self.account, stretches: Vec::new() },
        }
    }
}

/// An identity as last read.
struct Known {
    signed: Arc<Signed>,
    generation: u64,
    /// Closed at this moment, whatever else.
    until_ms: Option<i64>,
    begun_ms: i64,
    seen_ms: i64,
    stored_ms: i64,
}

/// A sign-in whose password was right and whose code is awaited.
struct Pending {
    account: i64,
    from: String,
    rehashed: Option<String>,
    since: Instant,
}

/// Accounts, sessions and tokens of a station.
pub struct Access {
    store: Store,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
    rules: AccessRules,
    any: AtomicBool,
    /// Rings when anything about accounts changed.
    generation: watch::Sender<u64>,
    hashing: Semaphore,
    waiting: AtomicUsize,
    tries: Pace,
    entrances: Pace,
    requests: Pace,
    session_requests: Pace,
    strangers: Pace,
    /// Who was turned away unheard, as far as the log was told.
    turned_away: Pace,
    oidc: Option<Arc<oidc::Oidc>>,
    known: Mutex<HashMap<[u8; 32], Known>>,
    pending: Mutex<HashMap<String, Pending>>,
    /// Secrets of one-time codes that are about to be switched on, by session.
    new_codes: Mutex<HashMap<String, Vec<u8>>>,
    /// What somebody said they look for, by session and what it is about.
    purposes: Mutex<HashMap<(String, String), (String, Instant)>>,
}

impl Access {
    /// Reads whether there is any account. Blocks.
    pub fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        zone: TimeZone,
        rules: AccessRules,
    ) -> Result<Arc<Self>, StoreError> {
        let any = store.read_blocking(|r| r.any_account())?;
        Ok(Arc::new(Self {
            store,
            clock,
            zone,
            oidc: oidc::of(rules.oidc.as_ref()),
            rules,
            any: AtomicBool::new(any),
            generation: watch::Sender::new(0),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            waiting: AtomicUsize::new(0),
            tries: Pace::new(TRIES.0, TRIES.1),
            entrances: Pace::new(ENTRANCES.0, ENTRANCES.1),
            requests: Pace::new(TOKEN_REQUESTS.0, TOKEN_REQUESTS.1),
            session_requests: Pace::new(SESSION_REQUESTS.0, SESSION_REQUESTS.1),
            strangers: Pace::new(STRANGERS_REQUESTS.0, STRANGERS_REQUESTS.1),
            turned_away: Pace::new(1, TURNED_AWAY_EVERY),
            known: Mutex::default(),
            pending: Mutex::default(),
            new_codes: Mutex::default(),
            purposes: Mutex::default(),
        }))
    }

    /// Nobody has made an account yet.
    pub fn is_open(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// Everything in memory about accounts is read again.
    fn forget(&self) {
        self.generation.send_modify(|n| *n += 1);
    }

    /// Rings whenever anything about accounts changed: whoever takes a long answer is looked at again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose session a cookie's token is; `None` where it is nobody's, or over. What refreshes itself is not `active`: a
    /// page that was left open does not keep its session going.
    pub async fn session(&self, token: &str, active: bool) -> Result<Option<Arc<Signed>>, AccessError> {
        let Some(key) = digest_of(token) else { return Ok(None) };
        let now = self.now_ms();
        let generation = *self.generation.borrow();
        let fresh = self.known().get(&key).is_some_and(|k| k.generation == generation);
        if !fresh {
            let read = move |r: &crate::store::Reader<'_>| {
                r.session_by_token(&key)?.map(|s| Ok::<_, StoreError>((r.account(s.account)?, s))).transpose()
            };
            let Some((account, session)) = self.store.read(read).await? else {
                self.known().remove(&key);
                return Ok(None);
            };
            let mut known = self.known();
            if known.len() >= KNOWN {
                known.clear();
            }
            // What rested in memory counts more than what was stored to the minute.
            let seen_ms = known.get(&key).map_or(session.seen_ms, |k| k.seen_ms.max(session.seen_ms));
            known.insert(key, of_session(account, &session, seen_ms, generation));
        }
        let (signed, over, note) = {
            let mut known = self.known();
            let Some(k) = known.get_mut(&key) else { return Ok(None) };
            let over = match () {
                () if k.until_ms.is_some_and(|until| now >= until) => Some(SessionEnd::Disabled),
                () if now - k.begun_ms >= ms(self.rules.longest) => Some(SessionEnd::TooLong),
                () if now - k.seen_ms >= ms(self.rules.idle) => Some(SessionEnd::Idle),
                () => None,
            };
            let note = over.is_none() && active && now - k.stored_ms >= SEEN_EVERY_MS;
            if over.is_none() && active {
                k.seen_ms = now;
            }
            if note {
                k.stored_ms = now;
            }
            let signed = Arc::clone(&k.signed);
            if over.is_some() {
                known.remove(&key);
            }
            (signed, over, note)
        };
        let session = signed.session.clone().unwrap_or_default();
        if let Some(how) = over {
            let account = signed.account;
            self.store
                .write(move |tx| {
                    let asked = Draft::daemon(EventKind::SessionEnded);
                    tx.end_sessions(account, how, Some(&session), None, asked)
                })
                .await?;
            return Ok(None);
        }
        if note {
            self.store.write(move |tx| tx.session_seen(&session)).await?;
        }
        Ok(Some(signed))
    }

    /// Which program a bearer token is; `None` where it is none, or over.
    pub async fn token(&self, token: &str) -> Result<Option<Arc<Signed>>, AccessError> {
        let Some(key) = digest_of(token) else { return Ok(None) };
        let now = self.now_ms();
        let generation = *self.generation.borrow();
        let fresh = self.known().get(&key).is_some_and(|k| k.generation == generation);
        if !fresh {
            let Some(row) = self.store.read(move |r| r.token_by_secret(&key)).await? else {
                // It was ended: from now on it is a stranger's.
                self.known().remove(&key);
                return Ok(None);
            };
            let scopes: Vec<Action> = row.scopes.iter().filter_map(|word| Action::parse(word)).collect();
            let signed = Signed {
                actor: Actor::token(row.id),
                account: 0,
                name: row.name,
                roles: Roles::new([row.role]).unwrap_or_default(),
                // Scopes that nobody knows any more grant nothing.
                scopes: (!row.scopes.is_empty()).then_some(scopes),
                session: None,
                must_change: false,
                codes: false,
            };
            let known = Known {
                signed: Arc::new(signed),
                generation,
                until_ms: Some(row.until_ms),
                begun_ms: now,
                seen_ms: now,
                stored_ms: row.seen_ms.unwrap_or(0),
            };
            let mut all = self.known();
            if all.len() >= KNOWN {
                all.clear();
            }
            all.insert(key, known);
        }
        let (signed, note) = {
            let mut known = self.known();
            let Some(k) = known.get_mut(&key) else { return Ok(None) };
            if k.until_ms.is_some_and(|until| now >= until) {
                known.remove(&key);
                return Ok(None);
            }
            let note = now - k.stored_ms >= SEEN_EVERY_MS;
            if note {
                k.stored_ms = now;
            }
            (Arc::clone(&k.signed), note)
        };
        if note && let Ok(id) = signed.actor.id.parse::<i64>() {
            self.store.write(move |tx| tx.token_seen(id)).await?;
        }
        Ok(Some(signed))
    }

    /// Whether a program or a session asks too often; then how long it waits.
    pub fn pace(&self, signed: &Signed) -> Result<(), Duration> {
        match &signed.session {
            None => self.requests.take(&signed.actor.id),
            Some(session) => self.session_requests.take(session),
        }
    }

    /// Whether those behind an address who are nobody that we know ask too often; then how long they wait.
    pub fn stranger_pace(&self, address: &str) -> Result<(), Duration> {
        self.strangers.take(address)
    }

    /// Whoever was paced as a stranger turned out to be none.
    pub fn was_no_stranger(&self, address: &str) {
        self.strangers.give_back(address);
    }

    /// Whether a cookie's or a program's token was found good here before: nothing that can be guessed at.
    pub fn remembers(&self, token: &str) -> bool {
        digest_of(token).is_some_and(|key| self.known().contains_key(&key))
    }

    /// What was said about `about` (a clip or a case) in this session.
    pub fn purpose(&self, session: &str, about: &str) -> Option<String> {
        let purposes = self.purposes.lock().unwrap_or_else(PoisonError::into_inner);
        purposes.get(&(session.to_owned(), about.to_owned())).map(|(said, _)| said.clone())
    }

    /// Somebody said what they look for; it holds for this session.
    pub fn say_purpose(&self, session: &str, about: &str, said: &str) {
        let mut purposes = self.purposes.lock().unwrap_or_else(PoisonError::into_inner);
        if purposes.len() >= PURPOSES {
            let now = monotonic();
            let longest = self.rules.longest;
            purposes.retain(|_, (_, at)| now.duration_since(*at) < longest);
            if purposes.len() >= PURPOSES {
                purposes.clear();
            }
        }
        purposes.insert((session.to_owned(), about.to_owned()), (said.to_owned(), monotonic()));
    }

    /// The sessions of an account that go on.
    pub async fn sessions(&self, account: i64) -> Result<Vec<SessionRow>, AccessError> {
        Ok(self.store.read(move |r| r.sessions_of(account)).await?)
    }

    /// Tokens of programs below a number, newest first, at most `limit`.
    pub async fn tokens(&self, below: Option<i64>, limit: u32) -> Result<Vec<TokenRow>, AccessError> {
        Ok(self.store.read(move |r| r.tokens_below(below, limit)).await?)
    }

    /// Every account with its sessions that go on, the one seen last first.
    pub async fn accounts(&self) -> Result<Vec<(AccountRow, Vec<SessionRow>)>, AccessError> {
        let all = |r: &crate::store::Reader<'_>| {
            r.accounts()?.into_iter().map(|a| Ok((a.clone(), r.sessions_of(a.id)?))).collect::<Result<_, StoreError>>()
        };
        Ok(self.store.read(all).await?)
    }

    async fn change(
        &self,
        account: i64,
        change: AccountChange,
        but: Option<String>,
        asked: Draft,
    ) -> Result<(), AccessError> {
        self.store.write(move |tx| tx.change_account(account, &change, but.as_deref(), asked)).await?;
        self.forget();
        Ok(())
    }
}

fn of_session(account: AccountRow, session: &SessionRow, seen_ms: i64, generation: u64) -> Known {
    let until_ms = if account.disabled_ms.is_some() { Some(i64::MIN) } else { account.until_ms };
    let signed = Signed {
        actor: Actor::user(account.id),
        account: account.id,
        name: account.name().to_owned(),
        codes: account.totp.is_some(),
        // Whoever did not come by the password is not held up by one that somebody else knows.
        must_change: account.must_change && session.by == SignInBy::Password,
        roles: account.roles,
        scopes: None,
        session: Some(session.id.clone()),
    };
    Known {
        signed: Arc::new(signed),
        generation,
        until_ms,
        begun_ms: session.begun_ms,
        seen_ms,
        stored_ms: session.seen_ms,
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A new token: 256 random bits as text.
fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// SHA-256 of a token; `None` for what cannot be one of ours.
fn digest_of(token: &str) -> Option<[u8; 32]> {
    (token.len() == 43).then(|| Sha256::digest(token.as_bytes()).into())
}

/// What a form must carry that changes something in the session of this token: nobody who does not hold the cookie can
/// compute it, and it tells nothing of the cookie.
pub fn form_token(token: &str) -> String {
    blake3::Hash::from(blake3::derive_key("evidock 2026-11-29 form of a sign-in session", token.as_bytes()))
        .to_hex()
        .chars()
        .take(32)
        .collect()
}
