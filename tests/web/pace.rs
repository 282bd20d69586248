//! Who asks too often is told to wait, whoever they are, and holds up nobody else.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use evidock::domain::rights::Role;
use evidock::web::site::Door;

use super::fixtures::{self, Scene};
use super::people::{People, token_of};
use super::{Answer, Visit};

struct Paced {
    visit: Visit,
    _people: People,
}

impl Paced {
    async fn new() -> Self {
        let people = People::new().await;
        let door = Door { access: Some(people.access.clone()), ..Door::default() };
        let (site, asked) = fixtures::site_behind(Scene::Busy, door);
        Self { visit: Visit { router: evidock::web::router(site.clone()), asked, site }, _people: people }
    }

    async fn ask(&self, from: &str, path: &str, header: Option<(&str, &str)>) -> Answer {
        let mut request = Request::get(path).header("host", "127.0.0.1:8080");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(from.parse::<SocketAddr>().unwrap()));
        self.visit.send(request).await
    }

    /// How many are answered with `status` before one is told to wait.
    async fn until_told_to_wait(&self, from: &str, path: &str, header: Option<(&str, &str)>, status: u16) -> usize {
        for n in 0..6_000 {
            let answer = self.ask(from, path, header).await;
            if answer.status == 429 {
                assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                return n;
            }
            assert_eq!(answer.status, status, "{n}");
        }
        panic!("{path} may be asked without an end");
    }
}

#[tokio::test]
async fn strangers_are_paced_by_address_and_hold_nobody_up() {
    let p = Paced::new().await;
    let cookie = format!("evidock-session={}", token_of(Role::Officer));
    let signed_in = Some(("cookie", cookie.as_str()));
    assert_eq!(p.ask("10.0.0.8:1000", "/api/v1/status", signed_in).await.status, 200);
    // What is open to everybody counts, and so does what is no token of ours: with both of them an address uses up one pace.
    let n = p.until_told_to_wait("10.0.0.8:1000", "/api/v1/bays", None, 200).await;
    assert!(n >= 1_000, "{n}");
    let wrong = "Bearer 9999999999999999999999999999999999999999999";
    assert_eq!(p.ask("10.0.0.8:1001", "/api/v1/status", Some(("authorization", wrong))).await.status, 429);
    let forged = "evidock-session=9999999999999999999999999999999999999999999";
    assert_eq!(p.ask("10.0.0.8:1002", "/api/v1/status", Some(("cookie", forged))).await.status, 429);
    // Whoever is known goes on from there, and so does everybody elsewhere.
    assert_eq!(p.ask("10.0.0.8:1003", "/api/v1/status", signed_in).await.status, 200);
    assert_eq!(p.ask("10.0.0.9:1000", "/api/v1/bays", None).await.status, 200);
    // A network of IPv6 is one address.
    let n = p.until_told_to_wait("[2001:db8::1]:9", "/api/v1/status", Some(("authorization", wrong)), 401).await;
    assert!(n >= 1_000, "{n}");
    assert_eq!(p.ask("[2001:db8::2]:9", "/api/v1/bays", None).await.status, 429);
    assert_eq!(p.ask("[2001:db8:0:1::2]:9", "/api/v1/bays", None).await.status, 200);
}

#[tokio::test]
async fn a_session_has_a_pace_that_nobody_meets_by_reading() {
    let p = Paced::new().await;
    let cookie = |role| format!("evidock-session={}", token_of(role));
    let (officer, archivist) = (cookie(Role::Officer), cookie(Role::Archivist));
    let at = "10.0.0.8:1000";
    let n = p.until_told_to_wait(at, "/api/v1/status", Some(("cookie", officer.as_str())), 200).await;
    assert!(n >= 2_000, "{n}");
    assert_eq!(
        p.ask(at, "/api/v1/status", Some(("cookie", archivist.as_str()))).await.status,
        200,
        "another session goes on"
    );
    assert_eq!(p.ask(at, "/api/v1/bays", None).await.status, 200);
}
