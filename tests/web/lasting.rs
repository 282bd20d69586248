//! Answers that are under way when whoever takes them is shut out: a stream of events ends, a file breaks off. Others go on.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{Request, StatusCode};
use evidock::domain::account::{AccountAsk, AccountFacts};
use evidock::domain::command::{Caller, Reply};
use evidock::domain::event::Actor;
use evidock::domain::rights::Role;
use evidock::domain::time::UtcMs;
use evidock::web::live::Topic;
use evidock::web::site::Door;
use futures_util::StreamExt;
use tower::ServiceExt;

use super::Visit;
use super::fixtures::{self, MEDIA_BYTES, NOW, PACKAGE, Scene, clip_id};
use super::people::{People, token_of, token_of_login};

/// Longer than it may take, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Station {
    visit: Visit,
    people: People,
}

/// Who asks.
enum Shows {
    Cookie(String),
    Token(String),
}

impl Shows {
    fn role(role: Role) -> Self {
        Self::Cookie(token_of(role))
    }
}

/// An answer that is being taken.
struct Taken {
    what: String,
    chunks: BodyDataStream,
}

impl Taken {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        match tokio::time::timeout(PATIENCE, self.chunks.next()).await {
            Ok(some) => some,
            Err(_) => panic!("{}: neither goes on nor ends", self.what),
        }
    }

    async fn goes_on(&mut self) {
        let some = self.next().await;
        assert!(matches!(&some, Some(Ok(chunk)) if !chunk.is_empty()), "{} goes on: {some:?}", self.what);
    }

    /// A file breaks off: nobody takes a part for the whole.
    async fn breaks_off(&mut self) {
        let some = self.next().await;
        assert!(matches!(some, Some(Err(_))), "{} breaks off: {some:?}", self.what);
        assert!(self.next().await.is_none(), "{}", self.what);
    }

    /// A stream of events ends; what was told before is told.
    async fn ends(&mut self) {
        while let Some(some) = self.next().await {
            assert!(some.is_ok(), "{} ends: {some:?}", self.what);
        }
    }

    /// All that is left.
    async fn rest(&mut self) -> u64 {
        let mut bytes = 0;
        while let Some(some) = self.next().await {
            bytes += some.unwrap_or_else(|e| panic!("{}: {e}", self.what)).len() as u64;
        }
        bytes
    }
}

impl Station {
    async fn new() -> Self {
        let people = People::new().await;
        let door = Door { access: Some(people.access.clone()), ..Door::default() };
        let (site, asked) = fixtures::site_behind(Scene::Busy, door);
        let visit = Visit { router: evidock::web::router(site.clone()), asked, site };
        Self { visit, people }
    }

    async fn take(&self, who: &Shows, path: &str) -> Taken {
        let mut request = Request::get(path).header("host", "127.0.0.1:8080").header("x-purpose", "check");
        request = match who {
            Shows::Cookie(token) => request.header("cookie", format!("lang=zh; evidock-session={token}")),
            Shows::Token(token) => request.header("authorization", format!("Bearer {token}")),
        };
        let request = request.body(Body::empty()).expect("a request");
        let response = self.visit.router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Taken { what: path.to_owned(), chunks: response.into_body().into_data_stream() }
    }

    async fn asked(&self, ask: AccountAsk) -> serde_json::Value {
        let caller = Caller::new(Actor::os(0), "cli", "local");
        match self.people.access.ask(&caller, ask).await {
            Reply::Done(told) => told,
            Reply::Refused { message, .. } => panic!("{message}"),
        }
    }

    async fn token(&self, role: Role) -> (i64, Shows) {
        let ask = AccountAsk::AddToken { name: "x".into(), role: role.as_str().into(), scopes: vec![], days: 1 };
        let made = self.asked(ask).await;
        (made["id"].as_i64().unwrap(), Shows::Token(made["token"].as_str().unwrap().to_owned()))
    }

    /// Rings the bell, and shuts nobody out.
    async fn ring(&self) {
        self.asked(AccountAsk::Unlock { name: "locked".into() }).await;
    }

    fn told(&self) {
        self.visit.site.live.tell(&[Topic::Station, Topic::Clips]);
    }

    fn later(&self, seconds: i64) {
        self.people.clock.advance(seconds * 1000);
    }
}

fn media() -> String {
    format!("/clips/{}/media", clip_id(1))
}

#[tokio::test]
async fn nothing_under_way_outlives_its_session() {
    let station = Station::new().await;
    let officer = Shows::role(Role::Officer);
    let mut file = station.take(&officer, &media()).await;
    let mut part = station.take(&officer, &format!("/api/v1{}", media())).await;
    let mut changes = station.take(&officer, "/api/v1/changes").await;
    let mut live = station.take(&officer, "/live?topic=clips").await;
    // Somebody else takes the same.
    let head = Shows::role(Role::DepartmentHead);
    let mut others_file = station.take(&head, &media()).await;
    let mut others_changes = station.take(&head, "/api/v1/changes").await;
    for file in [&mut file, &mut part, &mut others_file] {
        file.goes_on().await;
    }
    for events in [&mut changes, &mut others_changes] {
        events.goes_on().await;
    }
    // As long as nothing happens to them, whatever happens to others leaves them alone.
    station.ring().await;
    station.told();
    live.goes_on().await;
    changes.goes_on().await;

    station.asked(AccountAsk::EndSessions { name: "officer".into(), session: None }).await;
    station.told();
    file.breaks_off().await;
    part.breaks_off().await;
    changes.ends().await;
    live.ends().await;
    others_changes.goes_on().await;
    assert_eq!(others_file.rest().await, MEDIA_BYTES - 100_000);
}

#[tokio::test]
async fn nothing_under_way_outlives_what_was_taken_away() {
    let station = Station::new().await;
    station.people.with_roles("both", &[Role::Officer, Role::Supervisor]).await;
    // The finished one.
    let package = &format!("/exports/{PACKAGE}/zip");
    let (revoked, program) = station.token(Role::Archivist).await;
    let (_, other_program) = station.token(Role::Archivist).await;
    let archivist = Shows::role(Role::Archivist);
    let both = Shows::Cookie(token_of_login("both"));
    let mut zips = Vec::new();
    for who in [&program, &other_program, &archivist] {
        zips.push((station.take(who, package).await, station.take(who, "/api/v1/changes").await));
    }
    let mut narrowed = (station.take(&both, &media()).await, station.take(&both, "/api/v1/changes").await);
    for (file, events) in zips.iter_mut().chain([&mut narrowed]) {
        file.goes_on().await;
        events.goes_on().await;
    }
    station.asked(AccountAsk::EndToken { token: revoked }).await;
    zips[0].0.breaks_off().await;
    zips[0].1.ends().await;
    zips[1].0.goes_on().await;
    zips[2].0.goes_on().await;
    station.asked(AccountAsk::Disable { name: "archivist".into(), undo: false }).await;
    zips[2].0.breaks_off().await;
    zips[2].1.ends().await;
    let change = AccountAsk::Change {
        name: "both".into(),
        roles: Some(vec![Role::Supervisor.as_str().into()]),
        facts: AccountFacts::default(),
    };
    narrowed.0.goes_on().await;
    station.asked(change).await;
    narrowed.0.breaks_off().await;
    narrowed.1.ends().await;
    station.told();
    zips[1].1.goes_on().await;
    assert_eq!(zips[1].0.rest().await, MEDIA_BYTES - 200_000);
}

#[tokio::test]
async fn taking_a_file_keeps_a_session_going_and_listening_does_not() {
    let station = Station::new().await;
    let mut file = station.take(&Shows::role(Role::Officer), &media()).await;
    let mut listens = station.take(&Shows::role(Role::DepartmentHead), "/api/v1/changes").await;
    file.goes_on().await;
    listens.goes_on().await;
    // A session in which nothing is asked for half an hour is over.
    for _ in 0..2 {
        station.later(1_000);
        station.ring().await;
        file.goes_on().await;
    }
    listens.ends().await;
    station.later(1_801);
    station.ring().await;
    file.breaks_off().await;
}

#[tokio::test]
async fn nothing_under_way_outlives_its_time() {
    let station = Station::new().await;
    let until = UtcMs(NOW + 600_000).rfc3339();
    let facts = AccountFacts { until: Some(until), ..AccountFacts::default() };
    station.asked(AccountAsk::Change { name: "officer".into(), roles: None, facts }).await;
    let officer = Shows::role(Role::Officer);
    let (_, program) = station.token(Role::Archivist).await;
    let mut file = station.take(&officer, &media()).await;
    let mut listens = station.take(&officer, "/api/v1/changes").await;
    let mut longer = station.take(&program, "/api/v1/changes").await;
    file.goes_on().await;
    listens.goes_on().await;
    longer.goes_on().await;
    // No bell rings when time runs out.
    station.later(601);
    listens.ends().await;
    file.breaks_off().await;
    station.told();
    longer.goes_on().await;
    station.later(86_400);
    longer.ends().await;
}
