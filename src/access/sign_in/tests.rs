//! Two at the door at once, and one who comes again and again.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::config::AccessRules;
use crate::domain::ids::StationId;
use crate::domain::ports::Clock;
use crate::domain::rights::{Role, Roles};
use crate::runtime::clock::StoppedClock;
use crate::store::{NewAccount, Store};

const NOW: i64 = 1_781_834_604_000;
const PASSWORD: &str = "a long sentence";
const SECRET: [u8; codes::SECRET_BYTES] = [7; codes::SECRET_BYTES];

/// A station with one account that has one-time codes; and its clock.
async fn door() -> (tempfile::TempDir, Arc<Access>, Arc<StoppedClock>) {
    let dir = tempfile::tempdir().unwrap();
    let clock = StoppedClock::at(NOW);
    let station = StationId::new("one").unwrap();
    let store = Store::open(&dir.path().join("a.db"), &station, clock.clone() as Arc<dyn Clock>).unwrap();
    let new = NewAccount {
        login: "li".into(),
        label: String::new(),
        roles: Roles::new([Role::Archivist]).unwrap(),
        unit: None,
        officers: vec![],
        until_ms: None,
        password: password::hash(PASSWORD).unwrap(),
    };
    let asked = |kind| Draft::by(kind, Actor::os(0), "cli");
    store
        .write(move |tx| {
            let id = tx.add_account(&new, asked(EventKind::AccountMade))?;
            let codes = AccountChange::Codes(Some(SECRET.to_vec()));
            tx.change_account(id, &codes, None, asked(EventKind::AccountChanged))
        })
        .await
        .unwrap();
    let (idle, longest) = (Duration::from_secs(1_800), Duration::from_secs(43_200));
    let rules = AccessRules { idle, longest, oidc: None };
    let access = Access::open(store, clock.clone() as Arc<dyn Clock>, TimeZone::UTC, rules).unwrap();
    (dir, access, clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_come_with_one_code_at_once_one_gets_in() {
    let (_dir, access, clock) = door().await;
    for round in 0..4 {
        let mut words = Vec::new();
        for from in ["10.0.0.1", "10.0.0.2"] {
            let trying = Trying { from: from.into(), agent: String::new() };
            match access.sign_in("li", PASSWORD, &trying).await.unwrap() {
                SignedIn::CodeWanted(word) => words.push((word, trying)),
                other => panic!("{round}: {other:?}"),
            }
        }
        let code = codes::code(&SECRET, clock.now().0 / 30_000).unwrap();
        let typed = format!("{code:06}");
        let one = |n: usize| access.sign_in_code(&words[n].0, &typed, &words[n].1);
        let (a, b) = tokio::join!(one(0), one(1));
        let came = [a.unwrap(), b.unwrap()];
        let inside = came.iter().filter(|c| matches!(c, SignedIn::Done(_))).count();
        let refused = came.iter().filter(|c| **c == SignedIn::Refused(SignInRefusal::WrongCode)).count();
        assert_eq!((inside, refused), (1, 1), "{round}: {came:?}");
        clock.advance(30_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_of_one_account_keep_no_other_one_out() {
    let (_dir, access, _) = door().await;
    let first = access.awaits(7, "10.0.0.9", None);
    for n in 0..2_000 {
        access.awaits(8, &format!("10.1.{}.{}", n / 250, n % 250), None);
    }
    let again = access.awaits(7, "10.0.0.9", None);
    {
        let pending = access.pending.lock().unwrap();
        assert_eq!(pending.len(), PENDING_OF_ONE + 1);
        assert!(pending.contains_key(&again) && !pending.contains_key(&first), "the newer one replaces the older");
        let newest = format!("10.1.{}.{}", 1_999 / 250, 1_999 % 250);
        assert!(pending.values().any(|p| p.from == newest), "who came last waits");
    }
    let trying = Trying { from: "10.0.0.1".into(), agent: String::new() };
    assert!(matches!(access.sign_in("li", PASSWORD, &trying).await.unwrap(), SignedIn::CodeWanted(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_password_is_paced_too_for_each_account() {
    let (_dir, access, _) = door().await;
    let li = access.store.read(|r| Ok(r.account_by_login("li")?.unwrap().id)).await.unwrap();
    for _ in 0..60 {
        assert_eq!(access.paced(li, "10.0.0.2").await.unwrap(), None);
    }
    let trying = Trying { from: "10.0.0.1".into(), agent: String::new() };
    let refused = access.sign_in("li", PASSWORD, &trying).await.unwrap();
    let SignedIn::Refused(SignInRefusal::TooMany(seconds)) = refused else { panic!("{refused:?}") };
    assert!((1..=6).contains(&seconds), "{seconds}");
    assert_eq!(access.paced(li + 1, "10.0.0.1").await.unwrap(), None, "nobody else waits for it");
    assert!(access.pending.lock().unwrap().is_empty(), "no code is awaited");
}
