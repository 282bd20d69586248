//! Two accounts of one officer are one person where two must agree: whoever keeps the accounts is told so.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use evidock::domain::event::EventKind;
use evidock::domain::rights::{Role, Roles};
use evidock::domain::words::Lang;
use evidock::store::NewAccount;

use super::bounds::Station;
use super::fixtures::Scene;
use super::people::made;

#[tokio::test]
async fn whoever_keeps_the_accounts_reads_which_are_one_officer_s() {
    let station = Station::of(Scene::Busy).await;
    for (login, officer) in [("li", "李四"), ("li-archive", " 李 四"), ("wang", "王五")] {
        let account = NewAccount {
            login: login.into(),
            label: String::new(),
            roles: Roles::new([Role::Archivist]).unwrap(),
            unit: None,
            officers: vec![officer.into()],
            until_ms: None,
            password: "$argon2id$".into(),
        };
        let store = &station.people().store;
        store.write(move |tx| tx.add_account(&account, made(EventKind::AccountMade))).await.unwrap();
    }
    let html = station.get(Role::SecurityAdministrator, "/accounts").await.text();
    let line = |login: &str| html.split(&format!("id=\"a-{login}\"")).nth(1).unwrap().split("</li>").next().unwrap();
    let words = Lang::Zh.words();
    assert!(line("li").contains(&words.one_person_with(&["li-archive"])), "{html}");
    assert!(line("li-archive").contains(&words.one_person_with(&["li"])));
    assert_eq!(html.matches("只算一个人").count(), 2, "and of nobody else, those without an officer included");
}
