//! A change under a key is made once, over a restart, and what nobody knows the end of is not made again.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use evidock::domain::command::Request as Asked;
use evidock::domain::rights::Role;
use evidock::store::Store;
use evidock::web::site::Door;

use super::fixtures::{self, Scene, clip_id};
use super::people::{People, token_of};
use super::{Answer, Visit};

/// One run of the daemon over a store.
fn run(store: &Store, people: Option<&People>) -> Visit {
    let access = people.map(|people| people.access.clone());
    let (site, asked) =
        fixtures::site_behind(Scene::Busy, Door { repeats: Some(store.clone()), access, ..Door::default() });
    Visit { router: evidock::web::router(site.clone()), asked, site }
}

async fn link(visit: &Visit, key: &str, case: &str) -> Answer {
    let request = Request::post(format!("/api/v1/clips/{}/links", clip_id(1)))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept-language", "en")
        .header("idempotency-key", key);
    visit.send(request.body(Body::from(format!("{{\"case_no\":\"{case}\"}}"))).unwrap()).await
}

fn made(visit: &Visit) -> usize {
    visit.asked.taken().iter().filter(|asked| matches!(asked, Asked::Link { .. })).count()
}

#[tokio::test]
async fn a_change_is_made_once_over_a_restart() {
    let people = People::none().await;
    let first = run(&people.store, None);
    let answer = link(&first, "k-1", "1").await;
    assert_eq!((answer.status.as_u16(), made(&first)), (201, 1));
    for visit in [first, run(&people.store, None)] {
        let again = link(&visit, "k-1", "1").await;
        assert_eq!((again.status, &again.body), (answer.status, &answer.body));
        assert_eq!((again.header("idempotency-replayed"), again.header("content-type")), ("true", "application/json"));
        let other = link(&visit, "k-1", "2").await;
        assert_eq!((other.status.as_u16(), other.json()["code"].as_str()), (422, Some("invalid")));
        assert_eq!(made(&visit), 0);
    }
}

#[tokio::test]
async fn what_nobody_knows_the_end_of_is_not_made_again() {
    let people = People::none().await;
    let visit = run(&people.store, None);
    // The handler dies in the middle, as with the whole daemon: the mutex that it takes is poisoned.
    let asked = Arc::clone(&visit.asked);
    let poisoned = std::thread::spawn(move || {
        let _held = asked.refuse.lock().unwrap();
        panic!("to poison it");
    });
    assert!(poisoned.join().is_err());
    assert_eq!(link(&visit, "k-1", "1").await.status.as_u16(), 500);
    assert_eq!(made(&visit), 1, "it may have been made");
    for visit in [visit, run(&people.store, None)] {
        let again = link(&visit, "k-1", "1").await;
        let told = again.json();
        assert_eq!((again.status.as_u16(), told["why"]["why"].as_str()), (409, Some("repeat_unknown")), "{told}");
        assert!(told["why"]["asked"].as_str().unwrap().starts_with("POST /api/v1/clips/"), "{told}");
        assert!(told["detail"].as_str().unwrap().contains("not known"), "{told}");
        assert_eq!(made(&visit), 0);
    }
    // Another key is another change.
    assert_eq!(link(&run(&people.store, None), "k-2", "1").await.status.as_u16(), 201);
}

#[tokio::test]
async fn a_token_is_told_once_and_kept_nowhere() {
    let people = People::new().await;
    let visit = run(&people.store, Some(&people));
    let boss = token_of(Role::SecurityAdministrator);
    *visit.asked.refuse.lock().unwrap() = Some(evidock::domain::command::Reply::Done(serde_json::json!({
        "id": 1, "name": "x", "role": "archivist", "scopes": [], "until": "2027-01-01T00:00:00+08:00", "token": "secret-word",
    })));
    let ask = async || {
        let request = Request::post("/api/v1/tokens")
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("cookie", format!("evidock-session={boss}"))
            .header("x-csrf-token", evidock::access::form_token(&boss))
            .header("content-type", "application/json")
            .header("idempotency-key", "k-1");
        visit.send(request.body(Body::from("{\"name\":\"x\",\"role\":\"archivist\"}")).unwrap()).await
    };
    let first = ask().await;
    assert_eq!((first.status.as_u16(), first.json()["token"].as_str()), (201, Some("secret-word")));
    let again = ask().await;
    assert_eq!(again.status.as_u16(), 409);
    assert!(!again.text().contains("secret-word"));
    let all = visit.asked.taken();
    assert_eq!(all.iter().filter(|asked| matches!(asked, Asked::Accounts { .. })).count(), 1);
}
