//! Lists go on where they end, on the page and for programs; and what programs read besides forms' counterparts is what the
//! pages show.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use evidock::domain::command::Request as Asked;
use evidock::domain::rights::Role;
use evidock::web::site::Door;

use super::fixtures::{self, CASE, Scene, clip_id};
use super::people::{People, made, token_of};
use super::{Visit, encoded};

/// Addresses of next pages on a page.
fn next_pages(html: &str) -> Vec<String> {
    let links = html.split("rel=\"next\" href=\"").skip(1);
    links.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn a_list_that_is_longer_than_its_page_says_so_and_goes_on() {
    let visit = Visit::to(Scene::Overloaded);
    let export = format!("/cases/{}/export", encoded(CASE));
    for (page, lists) in [
        ("/alarms", 1),
        ("/exports", 1),
        (export.as_str(), 1),
        ("/keeping", 2),
        ("/parties?query=%E9%A5%AD", 1),
        ("/parties/x", 2),
        ("/registers", 1),
        ("/registers/officer?find=a%26b", 1),
        ("/review", 1),
        ("/rosters", 1),
        ("/sampling?period=2026-06&unit=-", 1),
    ] {
        let next = next_pages(&visit.get(page).await.text());
        assert_eq!(next.len(), lists, "{page}: {next:?}");
        for href in next {
            let narrowed = page.split_once('?').map_or("", |(_, query)| query);
            let query = href.split_once('?').unwrap().1;
            assert!(
                narrowed.split('&').all(|pair| query.contains(&pair.replace('-', "%2D")) || query.contains(pair)),
                "{href}"
            );
            let answer = visit.get(&href).await;
            assert_eq!(answer.status, 200, "{href}");
            let others: Vec<_> = next_pages(&answer.text()).into_iter().filter(|other| *other == href).collect();
            // The fixture's alarms have a next page on each.
            assert!(others.is_empty() || page == "/alarms", "{href}: {others:?}");
        }
    }
}

#[tokio::test]
async fn programs_read_lists_in_pages() {
    let visit = Visit::to(Scene::Overloaded);
    for (path, field) in [
        ("/api/v1/exports", "next"),
        ("/api/v1/disposals", "next"),
        ("/api/v1/disposals/due", "next"),
        ("/api/v1/keeping", "disposals_next"),
        ("/api/v1/parties", "next"),
        ("/api/v1/registers", "next"),
        ("/api/v1/registers/officer", "next"),
        ("/api/v1/reviews", "next"),
        ("/api/v1/roster", "next"),
        ("/api/v1/samples", "next"),
        ("/api/v1/alarms", "next"),
    ] {
        let first = visit.get(path).await.json();
        let next = first[field].as_str().unwrap_or_else(|| panic!("{path}: {first}")).to_owned();
        let second = visit.get(&format!("{path}?after={}", encoded(&next))).await;
        assert_eq!(second.status, 200, "{path}");
        if !["/api/v1/keeping", "/api/v1/alarms"].contains(&path) {
            assert!(second.json()[field].is_null(), "{path}: the last page has no next one");
        }
    }
}

#[tokio::test]
async fn custody_and_its_proofs_are_told_as_the_page_shows_them() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/api/v1/clips/{}", clip_id(1));
    let told = visit.get(&format!("{clip}/events")).await.json();
    let items = told["items"].as_array().unwrap().clone();
    assert!(items.len() > 1 && told["next"].is_null(), "{told}");
    let first = items[0]["seq"].as_u64().unwrap();
    let rest = visit.get(&format!("{clip}/events?after={first}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap()[..], items[1..]);
    let one = visit.get(&format!("{clip}/events/{first}")).await.json();
    assert_eq!(one["entry"], items[0]);
    assert_eq!((one["leaf"].as_str().unwrap().len(), one["checkpoint_size"].as_u64()), (64, Some(4300)));
    for (form, kind) in [("entry", "application/json"), ("proof", "text/plain; charset=utf-8")] {
        let of_page = visit.get(&format!("/clips/{}/events/{first}/{form}", clip_id(1))).await;
        let of_program = visit.get(&format!("{clip}/events/{first}/{form}")).await;
        assert_eq!((of_program.status.as_u16(), of_program.header("content-type")), (200, kind));
        assert_eq!(of_program.body, of_page.body);
    }
    assert_eq!(
        one["proof"].as_str().unwrap().as_bytes(),
        visit.get(&format!("{clip}/events/{first}/proof")).await.body
    );
    for bad in ["x", "-1", "1.5"] {
        assert_eq!(visit.get(&format!("{clip}/events?after={bad}")).await.status, 422, "{bad}");
    }
    assert_eq!(visit.get(&format!("{clip}/events/999999")).await.status, 404);
    // Each of these is a look that is logged.
    visit.asked.taken();
    visit.get(&format!("{clip}/events")).await;
    assert!(matches!(&visit.asked.taken()[..], [Asked::LogAccess { what, .. }] if what == "log"));
    let stands = visit.get(&format!("{clip}/whereabouts")).await.json();
    assert!(stands["sightings"].is_array() && stands["local"].is_string(), "{stands}");
}

#[tokio::test]
async fn what_pages_show_of_cases_a_program_reads() {
    let visit = Visit::to(Scene::Busy);
    let case = format!("/api/v1/cases/{}", encoded(CASE));
    let documents = visit.get(&format!("{case}/documents")).await.json();
    assert!(documents["items"].is_array() && documents["case_no"].as_str().is_some(), "{documents}");
    assert_eq!(visit.get("/api/v1/cases/999/documents").await.status, 404);
    assert_eq!(visit.get("/api/v1/reviews").await.json()["items"][0], CASE);
    let review = visit.get(&format!("{case}/review")).await.json();
    assert_eq!(review["sheets"][0]["marks"][0]["points"], 92, "{review}");
    assert_eq!(review["opinions"][0]["coverage"]["missing"], 1, "{review}");
    let list = visit.get(&format!("{case}/filing/list")).await.json();
    assert!(!list["items"].as_array().unwrap().is_empty() && list["items"][0]["n"] == 1, "{list}");
    let cases = visit.get("/api/v1/reports/cases?of=missing&period=2026-06").await.json();
    assert_eq!((&cases["items"][0]["case_no"], &cases["total"]), (&CASE.into(), &1.into()), "{cases}");
    assert_eq!(visit.get("/api/v1/reports/cases?of=nothing").await.status, 404);
    for (path, kind) in [
        (format!("/api/v1/clips/{}/thumbnail", clip_id(1)), "image/jpeg"),
        ("/api/v1/rooms/room-1/still".to_owned(), "image/jpeg"),
        ("/api/v1/registers/officer/template".to_owned(), "text/csv; charset=utf-8"),
    ] {
        let answer = visit.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind), "{path}");
    }
    let lost = visit.get("/api/v1/registers/nothing/template").await;
    assert_eq!((lost.status.as_u16(), lost.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn the_security_administrator_sees_tokens_and_where_people_are_signed_in() {
    let people = People::new().await;
    let token = evidock::store::NewToken {
        secret: [7; 32],
        name: "大屏".into(),
        role: Role::Archivist,
        scopes: vec!["list_clips".into()],
        until_ms: fixtures::NOW + 1_000_000,
    };
    let asked = made(evidock::domain::event::EventKind::TokenMade);
    people.store.write(move |tx| tx.add_token(&token, asked)).await.unwrap();
    let door = Door { access: Some(people.access.clone()), ..Door::default() };
    let (site, asked) = fixtures::site_behind(Scene::Busy, door);
    let visit = Visit { router: evidock::web::router(site.clone()), asked, site };
    let cookie = |role| format!("evidock-session={}", token_of(role));
    let boss = cookie(Role::SecurityAdministrator);
    let with = [("cookie", boss.as_str()), ("accept-language", "en")];
    let html = visit.get_with("/accounts", &with).await.text();
    for shown in ["大屏", "token:1", "Last used", "never used", "/tokens/1/end", "session-1/end"] {
        assert!(html.contains(shown), "{shown}");
    }
    let told = visit.get_with("/api/v1/tokens", &with).await.json();
    let item = &told["items"][0];
    assert_eq!((&item["token"], &item["role"], &item["made_by"]), (&1.into(), &"archivist".into(), &"os:0".into()));
    assert!(item["used_at"].is_null() && item["until"].is_string() && told["next"].is_null(), "{told}");
    // Neither a token nor anybody else has it.
    for role in [Role::Archivist, Role::SystemAdministrator] {
        let other = cookie(role);
        assert_eq!(visit.get_with("/api/v1/tokens", &[("cookie", &other)]).await.status, 403, "{role:?}");
    }
}
