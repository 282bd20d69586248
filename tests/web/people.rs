//! A station with an account for each role, each signed in with a browser: for the tests of who gets in, and for looking at
//! what each of them sees.

#![allow(clippy::unwrap_used)] // A test's facts.

use std::sync::Arc;

use evidock::access::{Access, password};
use evidock::config::AccessRules;
use evidock::domain::event::{Actor, Draft, EventKind};
use evidock::domain::ids::StationId;
use evidock::domain::ports::Clock;
use evidock::domain::rights::{Role, Roles};
use evidock::runtime::clock::StoppedClock;
use evidock::store::{AccountChange, NewAccount, NewSession, NewToken, Store};
use sha2::Digest;

use super::fixtures::{NASTY, NOW, zone};

/// Everybody, and what stands behind them.
pub struct People {
    pub access: Arc<Access>,
    pub clock: Arc<StoppedClock>,
    pub store: Store,
    _dir: tempfile::TempDir,
}

/// What a browser of theirs sends.
pub fn token_of(role: Role) -> String {
    token_of_login(&role.as_str().replace('_', "-"))
}

/// The same by the name of the account.
pub fn token_of_login(login: &str) -> String {
    format!("{login:a<43}")
}

/// Accounts in a state of their own: somebody else knows the password, one-time codes are on, too many wrong passwords,
/// nobody may sign in.
pub const STATES: [&str; 4] = ["new", "codes", "locked", "shut"];
/// Everybody's password.
pub const PASSWORD: &str = "a long sentence";

/// An event of the command line.
pub fn made(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(0), "cli")
}

impl People {
    /// One account a role; `nobody`: a station that has none yet.
    async fn with(roles: &[Role]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = StoppedClock::at(NOW);
        let us = StationId::new("one").unwrap();
        let store = Store::open(&dir.path().join("a.db"), &us, clock.clone() as Arc<dyn Clock>).unwrap();
        let hash = password::hash(PASSWORD).unwrap();
        let of_role = roles.iter().map(|role| (role.as_str().replace('_', "-"), *role));
        let states = STATES.iter().filter(|_| !roles.is_empty()).map(|login| ((*login).to_owned(), Role::Officer));
        for (login, role) in of_role.chain(states) {
            let account = NewAccount {
                login: login.clone(),
                label: String::new(),
                roles: Roles::new([role]).unwrap(),
                unit: None,
                officers: vec![],
                until_ms: None,
                password: hash.clone(),
            };
            let (hash, token) = (hash.clone(), token_of_login(&login));
            store
                .write(move |tx| {
                    let changed = || made(EventKind::AccountChanged);
                    let id = tx.add_account(&account, made(EventKind::AccountMade))?;
                    let change = AccountChange::Password { hash, must_change: login == "new" };
                    tx.change_account(id, &change, None, changed())?;
                    let session = NewSession {
                        id: format!("session-{id}"),
                        token: sha2::Sha256::digest(token.as_bytes()).into(),
                        account: id,
                        from: "local".into(),
                        agent: String::new(),
                        totp_step: None,
                        rehashed: None,
                    };
                    tx.begin_session(&session, Draft::by(EventKind::SignedIn, Actor::user(id), "web"))?;
                    match login.as_str() {
                        "codes" => tx.change_account(id, &AccountChange::Codes(Some(vec![7; 20])), None, changed())?,
                        "shut" => tx.change_account(id, &AccountChange::Disabled(true), None, changed())?,
                        "locked" => {
                            for _ in 0..12 {
                                tx.sign_in_refused(
                                    Some(id),
                                    true,
                                    Draft::by(EventKind::SignInRefused, Actor::user(id), "web"),
                                )?;
                            }
                        }
                        _ => {}
                    }
                    Ok(())
                })
                .await
                .unwrap();
        }
        let rules = AccessRules {
            idle: std::time::Duration::from_secs(1800),
            longest: std::time::Duration::from_secs(12 * 3600),
            oidc: None,
        };
        let access = Access::open(store.clone(), clock.clone() as Arc<dyn Clock>, zone(), rules).unwrap();
        Self { access, clock, store, _dir: dir }
    }

    /// An account for each role.
    pub async fn new() -> Self {
        Self::with(Role::ALL).await
    }

    /// One more account, with several roles; signed in.
    pub async fn with_roles(&self, login: &'static str, roles: &[Role]) {
        let account = NewAccount {
            login: login.into(),
            label: String::new(),
            roles: Roles::new(roles.iter().copied()).unwrap(),
            unit: None,
            officers: vec![],
            until_ms: None,
            password: password::hash(PASSWORD).unwrap(),
        };
        let change = AccountChange::Password { hash: account.password.clone(), must_change: false };
        let token = sha2::Sha256::digest(token_of_login(login).as_bytes()).into();
        self.store
            .write(move |tx| {
                let id = tx.add_account(&account, made(EventKind::AccountMade))?;
                tx.change_account(id, &change, None, made(EventKind::AccountChanged))?;
                let session = NewSession {
                    id: format!("session-{id}"),
                    token,
                    account: id,
                    from: "local".into(),
                    agent: String::new(),
                    totp_step: None,
                    rehashed: None,
                };
                tx.begin_session(&session, Draft::by(EventKind::SignedIn, Actor::user(id), "web"))
            })
            .await
            .unwrap();
    }

    /// An administrator of whom everything is hostile that somebody typed, from a browser that calls itself so, beside a
    /// program with such a name; signed in as `hostile`.
    pub async fn hostile(&self) {
        let account = NewAccount {
            login: "hostile".into(),
            label: NASTY.into(),
            roles: Roles::new([Role::SecurityAdministrator]).unwrap(),
            unit: Some(NASTY.into()),
            officers: vec![NASTY.into()],
            until_ms: None,
            password: password::hash(PASSWORD).unwrap(),
        };
        let change = AccountChange::Password { hash: account.password.clone(), must_change: false };
        let program = NewToken {
            secret: sha2::Sha256::digest(b"hostile").into(),
            name: NASTY.into(),
            role: Role::Archivist,
            scopes: vec![],
            until_ms: NOW + 1_000_000,
        };
        self.store
            .write(move |tx| {
                let id = tx.add_account(&account, made(EventKind::AccountMade))?;
                tx.change_account(id, &change, None, made(EventKind::AccountChanged))?;
                tx.add_token(&program, made(EventKind::TokenMade))?;
                let session = NewSession {
                    id: format!("session-{id}"),
                    token: sha2::Sha256::digest(token_of_login("hostile").as_bytes()).into(),
                    account: id,
                    from: NASTY.into(),
                    agent: NASTY.into(),
                    totp_step: None,
                    rehashed: None,
                };
                tx.begin_session(&session, Draft::by(EventKind::SignedIn, Actor::user(id), "web"))
            })
            .await
            .unwrap();
    }

    /// No account yet.
    pub async fn none() -> Self {
        Self::with(&[]).await
    }
}
