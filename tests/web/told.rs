//! What is told beside a record, and to whom: of clips in a list, of who looked at a clip, and of rooms. Each of these had an
//! answer that gave more than the table of rights lets who asked see.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use evidock::domain::event::{Actor, EventKind};
use evidock::domain::rights::Role;
use evidock::domain::words::Lang;
use serde_json::Value;

use super::bounds::Station;
use super::fixtures::{CASE, Scene, clip_id};
use super::{Visit, encoded};

/// Schemas that a piece of the document comes to, by their names.
fn schemas<'a>(document: &'a Value, piece: &'a Value, found: &mut BTreeSet<&'a str>) {
    match piece {
        Value::Object(fields) => {
            for (name, value) in fields {
                let schema = value.as_str().filter(|_| name == "$ref").and_then(|to| to.rsplit('/').next());
                match schema {
                    Some(schema) if found.insert(schema) => {
                        schemas(document, &document["components"]["schemas"][schema], found);
                    }
                    Some(_) => {}
                    None => schemas(document, value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| schemas(document, item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_whole_record_is_told_by_its_id_alone() {
    let document = Visit::to(Scene::Busy).get("/api/v1/openapi.json").await.json();
    let mut tell = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut found = BTreeSet::new();
            schemas(&document, &operation["responses"], &mut found);
            if found.contains("Record") {
                tell.insert(format!("{method} {path}"));
            }
        }
    }
    assert_eq!(
        Vec::from_iter(tell),
        ["get /api/v1/clips/{id}"],
        "a list asks for no purpose, and no right over each clip"
    );
}

#[tokio::test]
async fn a_list_that_asks_nothing_tells_what_its_rows_show() {
    let station = Station::of(Scene::Busy).await;
    let record = station.get(Role::Supervisor, &format!("/api/v1/clips/{}", clip_id(4))).await;
    assert_eq!((record.status, &record.json()["code"]), (StatusCode::FORBIDDEN, &"purpose".into()));
    for path in ["/api/v1/clips?limit=200".to_owned(), format!("/api/v1/cases/{}", encoded(CASE))] {
        let answer = station.get(Role::Supervisor, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let told = answer.json();
        let item = told["items"].as_array().unwrap().iter().find(|c| c["record_id"] == clip_id(2).to_string()).unwrap();
        for shown in
            ["state", "case_no", "cases", "captured_start", "officer", "place", "proves", "sensitivity", "size_bytes"]
        {
            assert!(!item[shown].is_null(), "{path}: {shown}");
        }
        let beyond = [
            "officer_cert_no",
            "co_officers",
            "party_ref",
            "lat",
            "lon",
            "track",
            "notes",
            "origins",
            "copies",
            "operator",
            "original_path",
            "sha256",
            "legal_hold",
            "captured_raw",
        ];
        for field in beyond {
            assert!(item.get(field).is_none(), "{path} tells {field}");
        }
        assert!(item["cases"][0].is_string(), "a number, and not what is linked");
    }
}

#[tokio::test]
async fn who_else_looked_at_a_clip_is_told_where_that_right_is() {
    let station = Station::of(Scene::Busy).await;
    let looked = {
        // The fixture's viewing is somebody else's for everybody who signs in.
        let told = Visit::to(Scene::Busy).get(&format!("/api/v1/clips/{}/events", clip_id(1))).await.json();
        let found =
            told["items"].as_array().unwrap().iter().find(|e| e["kind"] == EventKind::ViewBegun.as_str()).cloned();
        found.expect("a viewing")["seq"].as_u64().unwrap()
    };
    for (role, clip, sees) in [
        (Role::Officer, 1, false),
        (Role::LegalReviewer, 3, false),
        (Role::DepartmentHead, 2, true),
        (Role::Archivist, 1, true),
    ] {
        let clip = clip_id(clip);
        let (page, api) = (format!("/clips/{clip}"), format!("/api/v1/clips/{clip}/events"));
        let html = station.get(role, &page).await;
        assert_eq!(html.status, StatusCode::OK, "{role:?}");
        let entry = format!("{page}/events/{looked}");
        assert_eq!(html.text().contains(&format!("href=\"{entry}\"")), sees, "{role:?}: the page of the clip");
        let told = station.get(role, &api).await.json();
        let items = told["items"].as_array().unwrap();
        assert_eq!(items.iter().any(|e| e["seq"] == looked), sees, "{role:?}: {told}");
        assert!(items.iter().any(|e| e["kind"] == EventKind::Sealed.as_str()), "{role:?}: what happened to it stays");
        let status = if sees { StatusCode::OK } else { StatusCode::NOT_FOUND };
        for path in [
            entry.clone(),
            format!("{entry}/entry"),
            format!("{entry}/proof"),
            format!("{api}/{looked}"),
            format!("{api}/{looked}/entry"),
            format!("{api}/{looked}/proof"),
        ] {
            assert_eq!(station.get(role, &path).await.status, status, "{role:?} {path}");
        }
    }
}

#[test]
fn one_s_own_looks_and_the_daemon_s_are_no_others() {
    let entry = |kind, actor: Actor| evidock::web::view::clip::CustodyEntry {
        seq: 1,
        at: evidock::domain::time::UtcMs(0),
        kind,
        actor,
        outcome: "ok".into(),
        place: None,
        detail: None,
        facts: Vec::new(),
        grounds: None,
    };
    let me = Actor::user(7);
    assert!(entry(EventKind::ViewBegun, Actor::user(8)).is_look_of_another(&me));
    assert!(entry(EventKind::AccessRefused, Actor::token(7)).is_look_of_another(&me));
    assert!(!entry(EventKind::ViewBegun, Actor::user(7)).is_look_of_another(&me));
    assert!(!entry(EventKind::Verified, Actor::daemon()).is_look_of_another(&me));
    assert!(!entry(EventKind::Annotated, Actor::user(8)).is_look_of_another(&me));
}

/// A room of the API's answer.
async fn room(station: &Station, role: Role, stream: &str) -> Value {
    let told = station.get(role, "/api/v1/rooms").await.json();
    told["rooms"].as_array().unwrap().iter().find(|r| r["stream"] == stream).cloned().unwrap()
}

#[tokio::test]
async fn of_a_room_whose_recording_is_somebody_else_s_it_is_told_that_it_is_in_use() {
    // The rooms of the fixture stand like the clips of their numbers: 1 is the officer's own and of the head's unit, 3 neither's.
    let station = Station::of(Scene::Busy).await;
    let words = Lang::Zh.words();
    let still = |stream: &str| format!("/rooms/{}/still", encoded(stream));
    let picture = |stream: &str| format!("src=\"{}", still(stream));
    for role in [Role::Officer, Role::DepartmentHead] {
        let mine = room(&station, role, "room-1").await;
        assert_eq!((&mine["yours"], &mine["case_no"]), (&true.into(), &"赵卫罚〔2026〕12号".into()), "{role:?}");
        assert!(mine["still_at"].is_string() && mine["recording_id"].is_string(), "{role:?}: {mine}");
        let others = room(&station, role, "room-3").await;
        assert_eq!(others["yours"], false, "{role:?}");
        for field in ["case_no", "recording_id", "clip", "still_at"] {
            assert!(others[field].is_null(), "{role:?} {field}: {others}");
        }
        assert!(others["begun_at"].is_string() && others["cause"] == "schedule", "that it is in use: {others}");

        let html = station.get(role, "/rooms").await.text();
        assert!(html.contains("赵卫罚〔2026〕12号 · 张三") && html.contains(&still("room-1")), "{role:?}");
        assert!(!html.contains("98号") && !html.contains("司徒雷") && !html.contains(&still("room-3")), "{role:?}");
        assert!(html.contains(words.room_in_use), "{role:?}");
        let leads_to = |n| html.contains(&format!("href=\"/clips/{}\"", clip_id(n)));
        assert!(leads_to(1) && !leads_to(3), "{role:?}: the clip that grows, where it is theirs to open");
        for (path, status) in [
            ("/rooms/room-1/still", StatusCode::OK),
            ("/rooms/room-3/still", StatusCode::FORBIDDEN),
            ("/api/v1/rooms/room-1/still", StatusCode::OK),
            ("/api/v1/rooms/room-3/still", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(station.get(role, path).await.status, status, "{role:?} {path}");
        }
        station.visit.asked.taken();
        for (path, ends) in
            [("/rooms/room-3/stop", false), ("/api/v1/rooms/room-3/stop", false), ("/rooms/room-1/stop", true)]
        {
            let answer = station.ask(Some(role), "POST", path, "").await;
            let asked = station.visit.asked.taken();
            let stopped = asked.iter().any(|r| matches!(r, evidock::domain::command::Request::StopRecording { .. }));
            assert_eq!((answer.status == StatusCode::FORBIDDEN, stopped), (!ends, ends), "{role:?} {path}: {asked:?}");
        }
    }
    // A minor's: the officer's own, and beyond the head of the unit.
    for (role, status) in [(Role::Officer, StatusCode::OK), (Role::DepartmentHead, StatusCode::FORBIDDEN)] {
        assert_eq!(station.get(role, "/rooms/room-6/still").await.status, status, "{role:?}");
    }
    // Who may see all of them says why before they see who is in there.
    let html = station.get(Role::Supervisor, "/rooms").await.text();
    assert!(html.contains("98号") && !html.contains("class=\"still\" src"), "no picture yet");
    assert!(html.contains(words.room_say_why));
    let asked = station.get(Role::Supervisor, "/rooms/room-3/still").await;
    let page = asked.text();
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(page.contains("action=\"/purpose\"") && page.contains("name=\"next\" value=\"/rooms\""), "{page}");
    let form = format!("about={}&next=%2Frooms&purpose={}", clip_id(3), encoded("案件办理"));
    let said = station.ask(Some(Role::Supervisor), "POST", "/purpose", &form).await;
    assert_eq!((said.status, said.header("location")), (StatusCode::SEE_OTHER, "/rooms"));
    assert_eq!(station.get(Role::Supervisor, "/rooms/room-3/still").await.status, StatusCode::OK);
    let html = station.get(Role::Supervisor, "/rooms").await.text();
    assert!(html.contains(&picture("room-3")) && !html.contains(&picture("room-1")), "this one alone");
    // Where there are no accounts, everybody sees all of it.
    let open = Visit::to(Scene::Busy).get("/rooms").await.text();
    assert!(open.contains("98号") && open.contains(&picture("room-3")));
}
