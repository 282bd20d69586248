//! Signing in, out, and what somebody changes of their own account. Whatever fails says the same thing: that name and
//! password do not fit, whether the account exists, is locked or not, and it takes as long.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use super::password::{self, Verdict};
use super::{Access, AccessError, Pending, Signed, codes, digest_of, new_token};
use crate::domain::account::{self, Hidden, LoginName, WeakPassword};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::runtime::clock::monotonic;
use crate::runtime::task;
use crate::store::{AccountChange, AccountRow, NewSession, SessionEnd, StoreError};

/// A code is awaited for so long after the password.
const CODE_WITHIN: Duration = Duration::from_secs(300);
/// Sign-ins of one account that wait for their codes at most: from as many addresses, and one from each. Nobody's sign-ins keep
/// another one out.
const PENDING_OF_ONE: usize = 4;
/// Sessions in which codes are about to be switched on, at most.
const MOST_NEW_CODES: usize = 1_000;
/// Guesses that wait for their turn at most.
const MOST_WAITING: usize = 32;
/// Characters of a browser's own words that are kept.
const AGENT_CHARS: usize = 200;

/// Where somebody tries to sign in.
#[derive(Debug, Clone)]
pub struct Trying {
    /// Address.
    pub from: String,
    /// The browser in its own words.
    pub agent: String,
}

impl Trying {
    /// A session that begins here.
    pub(super) fn session(&self, id: String, token: [u8; 32], account: i64) -> NewSession {
        NewSession {
            id,
            token,
            account,
            from: self.from.clone(),
            agent: self.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect(),
            totp_step: None,
            rehashed: None,
        }
    }
}

/// What came of a password or a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// They are in; the cookie's token.
    Done(Hidden),
    /// The password is right, and a one-time code is wanted under this word.
    CodeWanted(String),
    /// They are not.
    Refused(SignInRefusal),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInRefusal {
    /// Name and password do not fit, or the account is locked.
    Wrong,
    /// The code does not fit, or was used.
    WrongCode,
    /// It took too long; begin again.
    TooLate,
    /// The account is disabled or its time is over. Told only to whoever knows the password.
    Closed,
    /// Too many tries from this address, or sign-ins of this account; again after so many seconds.
    TooMany(u64),
}

/// What of the own account is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnRefusal {
    /// The present password is another one.
    Wrong,
    /// The new one will not do.
    Weak(WeakPassword),
    /// The code does not fit.
    WrongCode,
    /// Too many tries.
    TooMany(u64),
}

impl Access {
    pub(super) fn asked(&self, kind: EventKind, actor: Actor, from: &str) -> Draft {
        let mut asked = Draft::by(kind, actor, "web");
        asked.from = Some(from.to_owned());
        asked
    }

    /// Waits for a turn to hash: each takes memory and a core. While somebody holds one, what they read of an account cannot
    /// have been overtaken by more than the other turns, so that no crowd of guesses outruns a lock.
    async fn turn(&self) -> Result<Option<SemaphorePermit<'_>>, AccessError> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= MOST_WAITING {
            return Ok(None);
        }
        self.hashing.acquire().await.map(Some).map_err(|_| AccessError::Stopping)
    }

    async fn compare(&self, password: &str, stored: String) -> Result<Verdict, AccessError> {
        let password = password.to_owned();
        Ok(task::blocking("password", move || password::verify(&password, &stored))
            .await
            .map_err(|_| AccessError::Stopping)??)
    }

    pub(super) async fn hash(&self, password: &str) -> Result<String, AccessError> {
        let password = password.to_owned();
        Ok(task::blocking("password", move || password::hash(&password)).await.map_err(|_| AccessError::Stopping)??)
    }

    /// Name and password.
    pub async fn sign_in(&self, name: &str, password: &str, trying: &Trying) -> Result<SignedIn, AccessError> {
        if let Err(wait) = self.tries.take(&trying.from) {
            self.turned_away("too_many", &trying.from).await?;
            return Ok(SignedIn::Refused(SignInRefusal::TooMany(wait.as_secs() + 1)));
        }
        let Some(_turn) = self.turn().await? else { return Ok(SignedIn::Refused(SignInRefusal::TooMany(10))) };
        let found = match LoginName::new(name) {
            Ok(login) => self.store.read(move |r| r.account_by_login(login.as_str())).await?,
            Err(_) => None,
        };
        let now = self.now_ms();
        let too_long = password.len() > account::PASSWORD_MAX_BYTES;
        let looked_at = found.as_ref().filter(|a| now >= a.locked_ms && !too_long);
        // Hashed in any case, so that the time tells nothing of which accounts there are.
        let stored = looked_at.map_or_else(|| NOBODY.to_owned(), |a| a.password.clone());
        let verdict = self.compare(if too_long { "" } else { password }, stored).await?;
        let (Some(account), Verdict::Right { stale }) = (looked_at, verdict) else {
            let why = match &found {
                None => "no_account",
                Some(_) if looked_at.is_none() => "locked",
                Some(_) => "password",
            };
            let asked = self
                .asked(EventKind::SignInRefused, nobody(), &trying.from)
                .fact("why", why)
                .secret("name", name.chars().take(64).collect::<String>());
            let (id, counts) = (found.as_ref().map(|a| a.id), looked_at.is_some());
            self.store.write(move |tx| tx.sign_in_refused(id, counts, asked)).await?;
            return Ok(SignedIn::Refused(SignInRefusal::Wrong));
        };
        if !account.is_open(now) {
            self.refuse(account.id, "closed", &trying.from, false).await?;
            return Ok(SignedIn::Refused(SignInRefusal::Closed));
        }
        if let Some(seconds) = self.paced(account.id, &trying.from).await? {
            return Ok(SignedIn::Refused(SignInRefusal::TooMany(seconds)));
        }
        // Behind one address there may be a whole agency: who is right has tried nothing.
        self.tries.give_back(&trying.from);
        let rehashed = if stale { Some(self.hash(password).await?) } else { None };
        if account.totp.is_some() {
            return Ok(SignedIn::CodeWanted(self.awaits(account.id, &trying.from, rehashed)));
        }
        self.begin(account.id, trying, None, rehashed).await
    }

    /// Notes that a code is awaited; gives the word under which.
    fn awaits(&self, account: i64, from: &str, rehashed: Option<String>) -> String {
        let (word, now) = (new_token(), monotonic());
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever begins again from the same place has left the earlier one.
        pending.retain(|_, p| now.duration_since(p.since) < CODE_WITHIN && !(p.account == account && p.from == from));
        let theirs = pending.iter().filter(|(_, p)| p.account == account);
        if theirs.clone().count() >= PENDING_OF_ONE
            && let Some(oldest) = theirs.min_by_key(|(_, p)| p.since).map(|(word, _)| word.clone())
        {
            pending.remove(&oldest);
        }
        pending.insert(word.clone(), Pending { account, from: from.to_owned(), rehashed, since: now });
        word
    }

    /// Where an account comes in again and again, how long until it may once more. Each time makes a session and an entry of
    /// the log, or has a code awaited.
    pub(super) async fn paced(&self, account: i64, from: &str) -> Result<Option<u64>, AccessError> {
        let Err(wait) = self.entrances.take(&account.to_string()) else { return Ok(None) };
        self.turned_away("too_many", from).await?;
        Ok(Some(wait.as_secs() + 1))
    }

    /// The one-time code after the password, under the word that was given then.
    pub async fn sign_in_code(&self, word: &str, typed: &str, trying: &Trying) -> Result<SignedIn, AccessError> {
        if let Err(wait) = self.tries.take(&trying.from) {
            self.turned_away("too_many", &trying.from).await?;
            return Ok(SignedIn::Refused(SignInRefusal::TooMany(wait.as_secs() + 1)));
        }
        let Some(_turn) = self.turn().await? else { return Ok(SignedIn::Refused(SignInRefusal::TooMany(10))) };
        let (id, rehashed) = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let now = monotonic();
            pending.retain(|_, p| now.duration_since(p.since) < CODE_WITHIN);
            match pending.get(word).filter(|p| p.from == trying.from) {
                Some(p) => (p.account, p.rehashed.clone()),
                None => return Ok(SignedIn::Refused(SignInRefusal::TooLate)),
            }
        };
        let account = self.store.read(move |r| r.account(id)).await?;
        let now = self.now_ms();
        if !account.is_open(now) || now < account.locked_ms {
            self.refuse(id, "closed", &trying.from, false).await?;
            return Ok(SignedIn::Refused(SignInRefusal::Wrong));
        }
        let step = account.totp.as_ref().and_then(|secret| codes::check(secret, typed, now, account.totp_step));
        let Some(step) = step else {
            // A guessed code counts like a guessed password: a million of them are not many.
            self.refuse(id, "code", &trying.from, true).await?;
            return Ok(SignedIn::Refused(SignInRefusal::WrongCode));
        };
        self.tries.give_back(&trying.from);
        // Whoever comes first with it has it.
        if self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(word).is_none() {
            return Ok(SignedIn::Refused(SignInRefusal::TooLate));
        }
        self.begin(id, trying, Some(step), rehashed).await
    }

    /// Tells the log that somebody was turned away without a look at what they know: after too many tries (`too_many`), or
    /// with a token that is none (`token`). Once a quarter of an hour for each address, so that it cannot be flooded.
    pub async fn turned_away(&self, why: &str, from: &str) -> Result<(), AccessError> {
        if self.turned_away.take(&format!("{why} {from}")).is_err() {
            return Ok(());
        }
        let asked = self.asked(EventKind::SignInRefused, nobody(), from).fact("why", why);
        self.store.write(move |tx| tx.sign_in_refused(None, false, asked)).await?;
        Ok(())
    }

    async fn refuse(&self, account: i64, why: &str, from: &str, counts: bool) -> Result<(), AccessError> {
        let asked = self.asked(EventKind::SignInRefused, nobody(), from).fact("why", why);
        self.store.write(move |tx| tx.sign_in_refused(Some(account), counts, asked)).await?;
        Ok(())
    }

    async fn begin(
        &self,
        account: i64,
        trying: &Trying,
        totp_step: Option<i64>,
        rehashed: Option<String>,
    ) -> Result<SignedIn, AccessError> {
        let token = new_token();
        let session = ClipId::generate(self.now_ms()).to_string();
        let Some(digest) = digest_of(&token) else { return Err(AccessError::Stopping) };
        let new = NewSession { totp_step, rehashed, ..trying.session(session.clone(), digest, account) };
        let mut asked = self.asked(EventKind::SignedIn, Actor::user(account), &trying.from);
        asked.session = Some(session);
        let ended = match self.store.write(move |tx| tx.begin_session(&new, asked)).await {
            // Somebody came in with the same code a moment before.
            Err(StoreError::Conflict(_)) if totp_step.is_some() => {
                self.refuse(account, "code", &trying.from, true).await?;
                return Ok(SignedIn::Refused(SignInRefusal::WrongCode));
            }
            begun => begun?,
        };
        // A new session is known to nobody yet; one that ended for it may be.
        if ended > 0 {
            self.forget();
        }
        Ok(SignedIn::Done(Hidden(token)))
    }

    /// Ends the own session, or another one of the own account.
    pub async fn sign_out(&self, signed: &Signed, session: &str, from: &str) -> Result<(), AccessError> {
        let own = signed.session.as_deref() == Some(session);
        let how = if own { SessionEnd::SignedOut } else { SessionEnd::Ended };
        let asked = self.own(EventKind::SessionEnded, signed, from);
        let (account, session) = (signed.account, session.to_owned());
        self.store.write(move |tx| tx.end_sessions(account, how, Some(&session), None, asked)).await?;
        self.forget();
        Ok(())
    }

    fn own(&self, kind: EventKind, signed: &Signed, from: &str) -> Draft {
        let mut asked = self.asked(kind, signed.actor.clone(), from);
        asked.session.clone_from(&signed.session);
        asked
    }

    /// Whether this is the password of whoever is signed in. A wrong one counts like one at the door.
    async fn is_theirs(
        &self,
        signed: &Signed,
        password: &str,
        from: &str,
    ) -> Result<Result<AccountRow, OwnRefusal>, AccessError> {
        if let Err(wait) = self.tries.take(from) {
            return Ok(Err(OwnRefusal::TooMany(wait.as_secs() + 1)));
        }
        let Some(_turn) = self.turn().await? else { return Ok(Err(OwnRefusal::TooMany(10))) };
        let id = signed.account;
        let account = self.store.read(move |r| r.account(id)).await?;
        if self.now_ms() < account.locked_ms || password.len() > account::PASSWORD_MAX_BYTES {
            return Ok(Err(OwnRefusal::Wrong));
        }
        match self.compare(password, account.password.clone()).await? {
            Verdict::Right { .. } => {
                self.tries.give_back(from);
                Ok(Ok(account))
            }
            Verdict::Wrong => {
                self.refuse(id, "password", from, true).await?;
                Ok(Err(OwnRefusal::Wrong))
            }
        }
    }

    /// A new password for the own account; every other session of it ends.
    pub async fn change_password(
        &self,
        signed: &Signed,
        present: &str,
        new: &str,
        from: &str,
    ) -> Result<Result<(), OwnRefusal>, AccessError> {
        let account = match self.is_theirs(signed, present, from).await? {
            Ok(account) => account,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let login = LoginName::new(&account.login).map_err(|_| AccessError::Stopping)?;
        if present == new {
            return Ok(Err(OwnRefusal::Weak(WeakPassword::Same)));
        }
        if let Err(weak) = account::check_password(new, &login) {
            return Ok(Err(OwnRefusal::Weak(weak)));
        }
        let change = AccountChange::Password { hash: self.hash(new).await?, must_change: false };
        let asked = self.own(EventKind::AccountChanged, signed, from);
        self.change(signed.account, change, signed.session.clone(), asked).await?;
        Ok(Ok(()))
    }

    /// The secret of one-time codes that are about to be switched on in this session.
    pub fn new_codes(&self, signed: &Signed) -> Vec<u8> {
        let mut waiting = self.new_codes.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST_NEW_CODES {
            waiting.clear();
        }
        waiting.entry(signed.session.clone().unwrap_or_default()).or_insert_with(|| codes::secret().to_vec()).clone()
    }

    /// Switches one-time codes on, once a code of the new secret was typed, or off; both with the password.
    pub async fn set_codes(
        &self,
        signed: &Signed,
        password: &str,
        code: Option<&str>,
        from: &str,
    ) -> Result<Result<(), OwnRefusal>, AccessError> {
        if let Err(refusal) = self.is_theirs(signed, password, from).await? {
            return Ok(Err(refusal));
        }
        let session = signed.session.clone().unwrap_or_default();
        let secret = match code {
            None => None,
            Some(typed) => {
                let waiting = self.new_codes.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned();
                match waiting.filter(|secret| codes::check(secret, typed, self.now_ms(), 0).is_some()) {
                    Some(secret) => Some(secret),
                    None => return Ok(Err(OwnRefusal::WrongCode)),
                }
            }
        };
        let asked = self.own(EventKind::AccountChanged, signed, from);
        self.change(signed.account, AccountChange::Codes(secret), None, asked).await?;
        self.new_codes.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        Ok(Ok(()))
    }

    /// An account, for its owner.
    pub async fn account(&self, account: i64) -> Result<AccountRow, AccessError> {
        Ok(self.store.read(move |r| r.account(account)).await?)
    }
}

/// One who waits, also while their connection goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Who has not signed in.
pub(super) fn nobody() -> Actor {
    Actor { kind: "web".into(), id: "nobody".into() }
}

/// The hash of a password that nobody has: random bytes that were thrown away, under our own parameters.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$dGhlcmVpc25vc3VjaG9uZQ$q2Vq0m3vM2bqv1wq0J2dQk8c1l0T4p6s7u9xYzAbCdE";

#[cfg(test)]
mod tests;
