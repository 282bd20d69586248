//! Who may do something to a clip is not for that shown its record: a form that was refused answers with the clip's page only
//! those to whom it would be shown. And on that page, who looked and who asked for what is told where that right is.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use axum::http::StatusCode;
use evidock::domain::command::{Reply, Request as Asked};
use evidock::domain::event::EventKind;
use evidock::domain::rights::{Action, Role};
use evidock::domain::why::{Thing, Why};
use evidock::domain::words::Lang;
use evidock::store::NewToken;
use sha2::Digest;

use super::bounds::Station;
use super::fixtures::{NOW, Scene, clip_id};
use super::people::made;
use super::{Answer, encoded};

/// A program that may these and nothing else.
async fn program(station: &Station, secret: char, role: Role, scopes: &[Action]) -> String {
    let secret = format!("{secret:0<43}");
    let token = NewToken {
        secret: sha2::Sha256::digest(secret.as_bytes()).into(),
        name: "a program".into(),
        role,
        scopes: scopes.iter().map(|action| action.as_str().to_owned()).collect(),
        until_ms: NOW + 1_000_000,
    };
    station.people().store.write(move |tx| tx.add_token(&token, made(EventKind::TokenMade))).await.unwrap();
    format!("Bearer {secret}")
}

/// A form of a clip that the daemon refuses.
async fn refused(station: &Station, role: Option<Role>, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let why = Why::SayIt { thing: Thing::SayFound };
    *station.visit.asked.refuse_changes.lock().unwrap() = Some(Reply::refused("invalid", why));
    station.visit.asked.taken();
    let answer = station.ask_with(role, "POST", path, body, headers).await;
    *station.visit.asked.refuse_changes.lock().unwrap() = None;
    answer
}

/// Whether an answer is the page of a clip.
fn is_clip_page(html: &str) -> bool {
    html.contains("id=\"h-custody\"")
}

/// The looks that were logged, and the refusals.
fn logged(station: &Station) -> (usize, usize) {
    let asked = station.visit.asked.taken();
    let looks = asked.iter().filter(|r| matches!(r, Asked::LogAccess { what, .. } if what == "show")).count();
    (looks, asked.iter().filter(|r| matches!(r, Asked::LogRefusal { .. })).count())
}

#[tokio::test]
async fn a_refused_form_shows_a_clip_to_nobody_else() {
    let station = Station::of(Scene::Busy).await;
    let said = format!("reason={}", encoded("x9y"));
    // The clips of each kind of ownership: 2 and 8 are the unit's, 9 of a minor, too.
    for (role, n, form, shown) in [
        (Role::DepartmentHead, 8, "isolate", true),
        (Role::DepartmentHead, 9, "isolate", false),
        (Role::DepartmentHead, 9, "lift", false),
        (Role::Supervisor, 2, "isolate", false),
        (Role::Supervisor, 2, "hold", false),
        (Role::Officer, 1, "isolate", true),
        (Role::Archivist, 9, "hold", true),
    ] {
        let path = format!("/clips/{}/{form}", clip_id(n));
        let answer = refused(&station, Some(role), &path, &format!("{said}&step=ask"), &[]).await;
        let at = format!("{role:?} {path}");
        let html = answer.text();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{at}");
        assert_eq!(is_clip_page(&html), shown, "{at}: {html}");
        // Why it was refused is told on either page.
        let told = Why::SayIt { thing: Thing::SayFound }.told(Lang::Zh);
        assert!(html.contains(&told), "{at}: {html}");
        // A look that did not happen is not logged, and neither is that they wanted one.
        assert_eq!(logged(&station), (usize::from(shown), 0), "{at}");
    }
    // A supervisor who said why gets the page, and what they said is in the log.
    let clip = clip_id(2);
    let purpose = format!("about={clip}&purpose={}&next=%2F", encoded("随机抽查"));
    assert_eq!(station.ask(Some(Role::Supervisor), "POST", "/purpose", &purpose).await.status, StatusCode::SEE_OTHER);
    let answer = refused(&station, Some(Role::Supervisor), &format!("/clips/{clip}/isolate"), &said, &[]).await;
    assert!(is_clip_page(&answer.text()) && answer.text().contains("x9y"), "{}", answer.text());
    let told = station.visit.asked.taken();
    let why = told.iter().find_map(|r| match r {
        Asked::LogAccess { what, purpose, .. } if what == "show" => Some(purpose.clone()),
        _ => None,
    });
    assert_eq!(why, Some(Some("随机抽查".into())), "{told:?}");
}

#[tokio::test]
async fn a_program_that_may_one_thing_is_shown_nothing_for_it() {
    let station = Station::of(Scene::Busy).await;
    let scopes = [Action::PlayClip, Action::LinkClip, Action::AnnotateClip, Action::PushClip, Action::DeriveClip];
    let narrow = program(&station, 'n', Role::Archivist, &scopes).await;
    let wide = program(&station, 'w', Role::Archivist, &[&scopes[..], &[Action::ShowClip]].concat()).await;
    for (bearer, shown) in [(&narrow, false), (&wide, true)] {
        for (form, body) in [
            ("link", "case_no=x&from=&to="),
            ("link", "case_no=x&from=abc&to="),
            ("unlink", "case_no=x&reason="),
            ("verify", ""),
            ("push", ""),
            ("derive", "kind=frame&from=1&reason="),
        ] {
            let path = format!("/clips/{}/{form}", clip_id(2));
            let answer = refused(&station, None, &path, body, &[("authorization", bearer)]).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            assert_eq!(is_clip_page(&answer.text()), shown, "{path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn who_had_a_file_derived_is_told_where_who_looked_is() {
    let station = Station::of(Scene::Busy).await;
    let words = Lang::Zh.words();
    for (role, n, told) in [
        (Role::Officer, 1, false),
        (Role::LegalReviewer, 10, false),
        // One may derive of it, the other sees who looked at it.
        (Role::DepartmentHead, 2, true),
        (Role::DepartmentHead, 8, true),
        (Role::Archivist, 1, true),
    ] {
        let html = station.get(role, &format!("/clips/{}", clip_id(n))).await.text();
        let at = format!("{role:?} of clip {n}");
        let list = html.split("id=\"h-derived\"").nth(1).unwrap_or_else(|| panic!("{at}: the list of files"));
        let list = list.split("</section>").next().unwrap();
        assert!(list.contains(words.derived_digest), "{at}: what was derived");
        for secret in ["制作处罚决定书附图", words.pk_asked_by, words.derived_reason] {
            assert_eq!(list.contains(secret), told, "{at}: {secret}: {list}");
        }
    }
}

#[tokio::test]
async fn who_wants_an_isolation_lifted_is_for_who_sees_to_keeping_or_lifts_it() {
    let station = Station::of(Scene::Failing).await;
    let path = format!("/clips/{}", clip_id(5));
    for (secret, scopes, told) in [
        ('a', vec![Action::ShowClip], false),
        ('b', vec![Action::ShowClip, Action::SeeKeeping], true),
        ('c', vec![Action::ShowClip, Action::LiftIsolation], true),
    ] {
        let bearer = program(&station, secret, Role::Archivist, &scopes).await;
        let answer = station.ask_with(None, "GET", &path, "", &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{scopes:?}");
        let html = answer.text();
        assert!(html.contains(Lang::Zh.words().isolated), "{scopes:?}");
        assert_eq!(html.contains("经鉴定不涉密"), told, "{scopes:?}: {html}");
    }
}

#[tokio::test]
async fn of_a_sampled_clip_beyond_their_bounds_nothing_is_told_and_nothing_is_answered() {
    let station = Station::of(Scene::Busy).await;
    // Of the sample of their unit, the first two clips are the head's, the third was sent to somebody.
    let told = |answer: Answer| answer.json()["clips"].as_array().unwrap().clone();
    let clips = told(station.get(Role::DepartmentHead, "/api/v1/samples/2").await);
    let theirs: Vec<bool> = clips.iter().map(|clip| clip["record_id"].is_string()).collect();
    assert_eq!(theirs, [true, true, false, false, false], "{clips:?}");
    for clip in &clips[2..] {
        let nothing = serde_json::json!([]);
        assert!(clip["points"] == nothing && clip["steps"] == nothing && clip["due_at"].is_null(), "{clip}");
        assert!(clip["standing"].is_string() && clip["n"].is_number(), "that it was drawn, and how it stands: {clip}");
    }
    let html = station.get(Role::DepartmentHead, "/sampling/2").await.text();
    let third = html.split("id=\"clip-3\"").nth(1).unwrap().split("</li>").next().unwrap();
    assert!(third.contains(Lang::Zh.words().oversight().out_of_bounds), "{third}");
    assert!(!html.contains("/sampling/2/3/answer") && !html.contains(&clip_id(3).to_string()), "{html}");
    for (path, body) in [("/sampling/2/3/answer", "words=x"), ("/api/v1/samples/2/3/answer", r#"{"words":"x"}"#)] {
        station.visit.asked.taken();
        let answer = station.ask(Some(Role::DepartmentHead), "POST", path, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let asked = station.visit.asked.taken();
        assert!(!asked.iter().any(|r| matches!(r, Asked::Oversight { .. })), "{path}: {asked:?}");
    }
    // Whoever draws samples of all of it is told all of it.
    let all = told(station.get(Role::Supervisor, "/api/v1/samples/2").await);
    assert!(all[2]["record_id"].is_string() && all[2]["steps"].as_array().is_some_and(|s| !s.is_empty()), "{all:?}");
}
