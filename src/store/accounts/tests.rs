//! Sign-in against the rows that it rules.

use super::*;
use crate::domain::event::{Actor, EventKind};
use crate::domain::identity::SignInBy;
use crate::domain::rights::Role;
use crate::store::tests::{Fixture, fixture};

fn asked(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(0), "cli")
}

fn account(f: &Fixture, login: &str) -> i64 {
    let new = NewAccount {
        login: login.into(),
        label: String::new(),
        roles: Roles::new([Role::Officer]).unwrap(),
        unit: None,
        officers: vec![],
        until_ms: None,
        password: "$argon2id$".into(),
    };
    f.store.write_blocking(move |tx| tx.add_account(&new, asked(EventKind::AccountMade))).unwrap()
}

fn begin(f: &Fixture, account: i64, n: u8, totp_step: Option<i64>, by: SignInBy) -> Result<usize> {
    let new = NewSession {
        id: format!("session-{n}"),
        token: [n; 32],
        account,
        from: "local".into(),
        agent: String::new(),
        totp_step,
        rehashed: None,
    };
    f.store.write_blocking(move |tx| tx.begin_session_by(&new, by, asked(EventKind::SignedIn)))
}

#[test]
fn of_too_many_sessions_the_one_that_rested_longest_ends() {
    let f = fixture();
    let (li, other) = (account(&f, "li"), account(&f, "other"));
    begin(&f, other, 200, None, SignInBy::Password).unwrap();
    for n in 0..50 {
        assert_eq!(begin(&f, li, n, None, SignInBy::Password).unwrap(), 0);
        f.clock.advance(1_000);
    }
    // The first one is at work, wherever it came from.
    f.store.write_blocking(|tx| tx.session_seen("session-0")).unwrap();
    f.clock.advance(1_000);
    assert_eq!(begin(&f, li, 100, None, SignInBy::Certificate).unwrap(), 1);
    let open = f.store.read_blocking(|r| r.sessions_of(li)).unwrap();
    let open: Vec<&str> = open.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(open.len(), 50);
    assert!(open.contains(&"session-0") && open.contains(&"session-100") && !open.contains(&"session-1"), "{open:?}");
    assert_eq!(f.store.read_blocking(|r| r.sessions_open(other)).unwrap(), 1, "nobody else's ended");
    let ended = |r: &Reader<'_>| {
        let sql = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.session_ended'";
        let mut statement = r.conn.prepare(sql)?;
        let rows = statement.query_map([], |x| x.get::<_, String>(0))?;
        Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?)
    };
    let ended = f.store.read_blocking(ended).unwrap();
    assert!(ended.len() == 1 && ended[0].contains("session-1") && ended[0].contains("\"most\":50"), "{ended:?}");
}

#[test]
fn a_code_begins_one_session() {
    let f = fixture();
    let li = account(&f, "li");
    begin(&f, li, 1, Some(41), SignInBy::Password).unwrap();
    // The check of the second one had read the account before the first one was in.
    let again = begin(&f, li, 2, Some(41), SignInBy::Password).unwrap_err();
    assert!(matches!(&again, StoreError::Conflict(Why::CodeUsed {})), "{again}");
    assert!(begin(&f, li, 3, Some(40), SignInBy::Password).is_err(), "nor one of a step before");
    assert_eq!(f.store.read_blocking(move |r| r.sessions_open(li)).unwrap(), 1);
    begin(&f, li, 4, Some(42), SignInBy::Password).unwrap();
    // Where no code is asked for, none is used up.
    begin(&f, li, 5, None, SignInBy::Password).unwrap();
    begin(&f, li, 6, None, SignInBy::Oidc).unwrap();
    assert_eq!(f.store.read_blocking(move |r| Ok((r.sessions_open(li)?, r.account(li)?.totp_step))).unwrap(), (4, 42));
}
