//! Why somebody looks is asked where they look, once, and nothing that was typed is lost over it: on the page of a clip in the
//! place of its player, before a file is saved, and never in the place of what a form does. What a player shows as verified is
//! what the station says.

use axum::http::StatusCode;
use evidock::domain::command::Request as Asked;
use evidock::domain::rights::{Purpose, RIGHTS, Role};
use evidock::web::routes::Need;

use super::bounds::Station;
use super::fixtures::{CASE, Scene, clip_id};
use super::{Visit, encoded};

/// A hidden field of the form that asks.
fn field(html: &str, name: &str) -> String {
    let form = html.split("action=\"/purpose\"").nth(1).expect("the question");
    let value = form.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("the field").split('"').next();
    value.unwrap_or_default().replace("&#38;", "&")
}

/// Answers the question of a page; gives where it leads.
async fn say(station: &Station, role: Role, html: &str) -> String {
    let form = format!(
        "about={}&next={}&purpose={}",
        encoded(&field(html, "about")),
        encoded(&field(html, "next")),
        encoded("案件办理")
    );
    let answer = station.ask(Some(role), "POST", "/purpose", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    answer.header("location").to_owned()
}

#[tokio::test]
async fn the_page_of_a_labelled_clip_asks_before_it_shows_a_player_and_once() {
    let station = Station::of(Scene::Busy).await;
    let clip = clip_id(7);
    let (page, media) = (format!("/clips/{clip}?t=3"), format!("/clips/{clip}/media"));
    let asked = station.get(Role::Archivist, &page).await;
    assert_eq!(asked.status, StatusCode::OK, "its record is theirs to see");
    let html = asked.text();
    assert!(!html.contains("<video") && !html.contains(&format!("{clip}/thumbnail")), "nothing of the footage");
    assert_eq!(station.get(Role::Archivist, &media).await.status, StatusCode::FORBIDDEN);
    assert_eq!(say(&station, Role::Archivist, &html).await, format!("/clips/{clip}?t=3#player"), "back to the player");
    station.visit.asked.taken();
    let html = station.get(Role::Archivist, &page).await.text();
    assert!(html.contains("<video") && !html.contains("action=\"/purpose\""), "asked once");
    assert_eq!(station.get(Role::Archivist, &media).await.status, StatusCode::OK);
    let told = station.visit.asked.taken();
    let why = told.iter().find_map(|r| match r {
        Asked::BeginView { purpose, .. } => Some(purpose.clone()),
        _ => None,
    });
    assert_eq!(why, Some(Some("案件办理".to_owned())), "its viewing tells it: {told:?}");
    // Whoever is asked nothing sees the player at once.
    let own = station.get(Role::Officer, &format!("/clips/{}", clip_id(6))).await.text();
    assert!(own.contains("<video") && !own.contains("action=\"/purpose\""));
    let unlabelled = station.get(Role::Archivist, &format!("/clips/{}", clip_id(2))).await.text();
    assert!(unlabelled.contains("<video") && !unlabelled.contains("action=\"/purpose\""));
}

#[tokio::test]
async fn a_case_watched_together_asks_first_too() {
    let station = Station::of(Scene::Busy).await;
    let page = format!("/cases/{}/together?from=5", encoded(CASE));
    // Each clip of the fixture is asked for by itself; what is said leads back to the very place.
    let mut html = station.get(Role::Archivist, &page).await.text();
    for _ in 0..12 {
        if !html.contains("action=\"/purpose\"") {
            break;
        }
        assert!(!html.contains("<video"), "no picture that could not be had");
        assert_eq!(say(&station, Role::Archivist, &html).await, page);
        html = station.get(Role::Archivist, &page).await.text();
    }
    assert!(html.contains("<video"), "{html}");
}

#[tokio::test]
async fn whoever_saves_a_file_is_asked_first_and_then_it_begins() {
    let station = Station::of(Scene::Busy).await;
    let clip = clip_id(2);
    let page = station.get(Role::Archivist, &format!("/clips/{clip}")).await.text();
    let media = format!("/clips/{clip}/media?download=1");
    let link = page.split(&format!("href=\"{media}\"")).nth(1).expect("the link").split('>').next().unwrap_or_default();
    assert!(!link.contains("download"), "a browser that saves whatever comes would show no question: {link}");
    for link in page.split("/derived/").skip(1) {
        assert!(!link.split('>').next().unwrap_or_default().contains(" download"), "{link}");
    }
    let asked = station.get(Role::Archivist, &media).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let back = say(&station, Role::Archivist, &asked.text()).await;
    assert_eq!(back, format!("/clips/{clip}?save=original"));
    let begins = station.get(Role::Archivist, &back).await.text();
    assert!(begins.contains(&format!("http-equiv=\"refresh\" content=\"0; url={media}\"")), "{begins}");
    let saved = station.get(Role::Archivist, &media).await;
    assert_eq!(saved.status, StatusCode::OK);
    assert!(saved.header("content-disposition").starts_with("attachment"));
    // Only what the clip has is begun.
    let other = station.get(Role::Archivist, &format!("/clips/{clip}?save=https%3A%2F%2Fevil.example")).await.text();
    assert!(!other.contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn a_derived_file_takes_its_reason_from_its_form_and_loses_nothing_typed() {
    let station = Station::of(Scene::Busy).await;
    let clip = clip_id(2);
    let path = format!("/clips/{clip}/derive");
    let typed = format!("kind=trim&form=png&from=3&to=9&exact=1&reason={}", encoded("听证会用"));
    let asked = station.ask(Some(Role::Archivist), "POST", &path, &typed).await;
    assert_eq!(
        (asked.status, asked.header("location")),
        (StatusCode::SEE_OTHER, &*format!("/clips/{clip}?done=derived#derived"))
    );
    let told = station.visit.asked.taken();
    let is_asked = |r: &Asked| matches!(r, Asked::AskDerived { reason, exact: true, .. } if reason == "听证会用");
    assert!(told.iter().any(is_asked), "{told:?}");
    // It is the purpose, too: whoever fetches what was made is not asked again.
    let saved = station.get(Role::Archivist, &format!("/clips/{clip}/media?download=1")).await;
    assert_eq!(saved.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_derived_file_shows_its_form_as_it_was_typed() {
    let visit = Visit::to(Scene::Busy);
    let typed = format!("kind=watermark&form=png&from=abc&to=9.5&exact=1&reason={}", encoded("听证会用"));
    let answer = visit.post(&format!("/clips/{}/derive", clip_id(2)), &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "abc is no place");
    let html = answer.text();
    for kept in [
        "value=\"watermark\" selected",
        "value=\"png\" selected",
        "value=\"abc\"",
        "value=\"9.5\"",
        "value=\"1\" checked",
        "value=\"听证会用\"",
    ] {
        assert!(html.contains(kept), "{kept}");
    }
}

#[tokio::test]
async fn no_form_is_answered_with_the_question() {
    let visit = Visit::to(Scene::Busy);
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    let mut changes = 0;
    for route in declared.iter().filter(|r| r.method != "GET") {
        // Nothing is typed there, and its button is not shown before the question was answered.
        if route.path.ends_with("/clips/{id}/verify") {
            continue;
        }
        let Need::May(action) = route.need else { continue };
        changes += 1;
        if action.is_about_a_clip() && !action.keeps_footage() {
            let asks = RIGHTS.iter().any(|r| r.action == action && r.purpose != Purpose::Free);
            assert!(!asks, "{route:?}: what was typed would be lost; its reason is in its form (Need::WithReason)");
        }
    }
    assert!(changes > 20, "{changes}");
}

#[tokio::test]
async fn what_was_verified_is_what_the_station_says_of_this_viewer() {
    let station = Station::of(Scene::Busy).await;
    let clip = clip_id(6);
    let verified = format!("/clips/{clip}/verified");
    let said = |answer: super::Answer| answer.json()["ranges"].clone();
    assert_eq!(said(station.get(Role::Officer, &verified).await), serde_json::json!([]));
    let media = format!("/clips/{clip}/media");
    let part = station.ask_with(Some(Role::Officer), "GET", &media, "", &[("range", "bytes=0-99999")]).await;
    assert_eq!((part.status, part.body.len()), (StatusCode::PARTIAL_CONTENT, 100_000));
    assert_eq!(said(station.get(Role::Officer, &verified).await), serde_json::json!([[0, 100_000]]));
    station.ask_with(Some(Role::Officer), "GET", &media, "", &[("range", "bytes=300000-300999")]).await;
    let told = station.get(Role::Officer, &verified).await;
    assert_eq!(said(told), serde_json::json!([[0, 100_000], [300_000, 301_000]]));
    // A preview is a file of its own: nothing of it was ever sealed.
    station.get(Role::Officer, &format!("/clips/{clip}/preview/0")).await;
    assert_eq!(said(station.get(Role::Officer, &verified).await).as_array().map(Vec::len), Some(2));
    assert_eq!(station.get(Role::Auditor, &verified).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn together_tells_rates_and_counts_what_it_leaves_out() {
    let page = |scene| async move { Visit::to(scene).get(&format!("/cases/{}/together", encoded(CASE))).await.text() };
    let busy = page(Scene::Busy).await;
    assert!(busy.contains("data-fps=\"25\"") && !busy.contains("只列入前"), "each clip at its own rate");
    let many = page(Scene::Overloaded).await;
    assert!(many.contains("只列入前 40 个，另有 760 个未列入"), "{many}");
}

#[tokio::test]
async fn of_how_many_stations_a_case_is_nobody_here_knows_and_nothing_is_told() {
    let visit = Visit::to(Scene::Busy);
    let api = visit.get(&format!("/api/v1/cases/{}", encoded(CASE))).await.json();
    assert!(api["case_no"].is_string() && api.get("stations").is_none(), "{api}");
    let page = visit.get(&format!("/cases/{}", encoded(CASE))).await.text();
    assert!(!page.contains("个采集站"));
}
