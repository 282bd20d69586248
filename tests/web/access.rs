//! Who gets in and who does not, over the whole router: every route that was declared, for nobody, for a program and for
//! every role, with clips of every kind of ownership. What a route may do is decided once more here, from the table.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use evidock::access::{Access, form_token};
use evidock::config::AccessRules;
use evidock::domain::command::Reply;
use evidock::domain::event::EventKind;
use evidock::domain::ids::StationId;
use evidock::domain::ports::Clock;
use evidock::domain::rights::{Action, Decision, Purpose, RIGHTS, Role, Roles, Subject, decide};
use evidock::domain::sensitivity::Sensitivity;
use evidock::domain::why::Why;
use evidock::domain::words::Lang;
use evidock::runtime::clock::StoppedClock;
use evidock::store::{NewToken, Store};
use evidock::web::routes::Need;
use evidock::web::site::Door;
use sha2::Digest;

use super::fixtures::{self, LARGE, NOW, Scene, clip_id, standing, zone};
use super::people::{People, made, token_of, token_of_login};
use super::{Answer, Visit, encoded};

/// A site with an account for each role, each signed in.
struct Guarded {
    visit: Visit,
    access: Arc<Access>,
    clock: Arc<StoppedClock>,
    people: People,
}

const PROGRAM: &str = "0123456789012345678901234567890123456789012";

impl Guarded {
    async fn new() -> Self {
        let people = People::new().await;
        let token = NewToken {
            secret: sha2::Sha256::digest(PROGRAM.as_bytes()).into(),
            name: "a board".into(),
            role: Role::Archivist,
            scopes: vec![Action::ListClips.as_str().into(), Action::ShowClip.as_str().into()],
            until_ms: NOW + 1_000_000,
        };
        people.store.write(move |tx| tx.add_token(&token, made(EventKind::TokenMade))).await.unwrap();
        let (access, clock) = (people.access.clone(), people.clock.clone());
        let door = Door { access: Some(access.clone()), ..Door::default() };
        let (site, asked) = fixtures::site_behind(Scene::Busy, door);
        let visit = Visit { router: evidock::web::router(site.clone()), asked, site };
        Self { visit, access, clock, people }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8080");
        if method != "GET" {
            request = request.header("origin", "http://127.0.0.1:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.visit.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    fn at(&self, ms: i64) {
        self.clock.advance(ms - self.clock.now().0);
    }

    /// As somebody with a role, from a page of ours.
    async fn as_role(&self, role: Role, method: &str, path: &str) -> Answer {
        let token = token_of(role);
        let (cookie, form) = (format!("evidock-session={token}"), form_token(&token));
        let kind = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
        let headers = [("cookie", cookie.as_str()), ("x-csrf-token", form.as_str()), ("content-type", kind)];
        self.ask(method, path, &headers, if path.starts_with("/api/") { "{}" } else { "x=1" }).await
    }
}

/// An address of a route, about this clip.
pub fn real(path: &str, clip: i64) -> String {
    path.replace("{id}", &clip_id(clip).to_string())
        .replace("{case_no}", "1")
        .replace("{number}", &encoded(&format!("{}{clip}", fixtures::CASE)))
        .replace("{hold}", &clip.to_string())
        .replace("{disposal}", "1")
        .replace("{stream}", &format!("room-{clip}"))
        .replace("{package}", fixtures::PACKAGE)
        .replace("{step}", "confirm")
        .replace("{register}", "case")
        .replace("{import}", "1")
        .replace("{alarm}", "1")
        .replace("{name}", "app.css")
        .replace("{session}", "none")
        .replace("{login}", "officer")
        .replace("{device}", "36NCC")
        .replace("{verdict}", "approve")
        .replace("{destination}", "cloud")
        .replace("{party}", "x")
        .replace("{sample}", "1")
        .replace("{n}", "1")
        .replace("{note}", "1")
        .replace("{token}", "1")
}

#[tokio::test]
async fn every_route_decides_as_the_table_says_for_every_role_and_ownership() {
    let g = Guarded::new().await;
    let declared = evidock::web::routes(&g.visit.site).declared().to_vec();
    assert!(declared.len() > 40, "{}", declared.len());
    let words = Lang::Zh.words();
    for route in &declared {
        let about_a_clip = route.path.contains("{id}");
        if let Need::May(action) | Need::WithReason(action) = route.need {
            assert_eq!(
                action.is_about_a_clip(),
                about_a_clip,
                "{route:?}: an action about a clip belongs to its {{id}}"
            );
        }
        // What belongs to nobody shows that nobody is nobody.
        let answer = g.ask(route.method, &real(route.path, 1), &[("content-type", "application/json")], "{}").await;
        let shut = match answer.status {
            StatusCode::UNAUTHORIZED => true,
            StatusCode::SEE_OTHER => answer.header("location").starts_with("/signin"),
            _ => false,
        };
        let open = route.need == Need::Anyone;
        assert!(shut != open || route.path.starts_with("/signin"), "{route:?}: {}", answer.status);
        for role in Role::ALL {
            let over = matches!(route.need, Need::Over(_) | Need::Case(_) | Need::Room(_));
            let clips: &[i64] = if about_a_clip || over { &[1, 2, 3, 4, 6, 7] } else { &[1] };
            for clip in clips {
                if matches!(route.path, "/signout") {
                    continue;
                }
                let answer = g.as_role(*role, route.method, &real(route.path, *clip)).await;
                let at = format!("{route:?} {role:?} clip {clip}: {}", answer.status);
                if route.method == "GET" {
                    // Without a body it is the same question.
                    let head = g.as_role(*role, "HEAD", &real(route.path, *clip)).await;
                    let shut = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                    assert_eq!(
                        shut.contains(&head.status),
                        shut.contains(&answer.status),
                        "HEAD {at}: {}",
                        head.status
                    );
                }
                let (Need::May(action)
                | Need::WithReason(action)
                | Need::Over(action)
                | Need::Case(action)
                | Need::Room(action)) = route.need
                else {
                    assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{at}");
                    assert_ne!(answer.status, StatusCode::FORBIDDEN, "{at}");
                    continue;
                };
                let subject = match route.need {
                    // A case has no label, and ending a recording shows nothing of it.
                    Need::Case(_) | Need::Room(Action::RecordRoom) => {
                        Subject { sensitivity: Sensitivity::None, ..standing(*clip) }
                    }
                    _ if about_a_clip || over => standing(*clip),
                    _ => Subject::STATION,
                };
                let told = String::from_utf8_lossy(&answer.body);
                match decide(&Roles::new([*role]).unwrap(), action, &subject) {
                    Decision::Allowed { purpose: false } => {
                        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{at}");
                        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{at}");
                    }
                    Decision::Allowed { purpose: true }
                        if matches!(route.need, Need::Room(_))
                            || about_a_clip
                                && !action.keeps_footage()
                                && !matches!(route.need, Need::WithReason(_)) =>
                    {
                        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at}");
                        assert!(told.contains(words.purpose_title), "{at}");
                    }
                    Decision::Allowed { .. } => assert_ne!(answer.status, StatusCode::FORBIDDEN, "{at}"),
                    Decision::Refused(why) => {
                        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at}");
                        assert!(told.contains(words.refusal(why)), "{at}");
                    }
                }
            }
        }
    }
}

/// What tells of no clip and no case: the station, its recorders and who has them, accounts, settings.
const TELLS_NO_CASE: &[&str] = &[
    "/",
    "/account",
    "/accounts",
    "/admin",
    "/admin/check",
    "/admin/configuration",
    "/admin/destinations",
    "/admin/recorders",
    "/admin/recorders/{device}",
    "/admin/rules",
    "/alarms",
    "/api/v1/alarms",
    "/api/v1/changes",
    "/api/v1/check",
    "/api/v1/configuration",
    "/api/v1/desk",
    "/api/v1/destinations",
    "/api/v1/recorders",
    "/api/v1/recorders/{device}",
    "/api/v1/registers",
    "/api/v1/registers/{register}/template",
    "/api/v1/roster",
    "/api/v1/roster/template",
    "/api/v1/rules",
    "/api/v1/status",
    "/api/v1/tokens",
    // What was given out to whoever asks, in numbers of bytes.
    "/clips/{id}/verified",
    "/desk",
    "/metrics",
    "/registers",
    "/registers/{register}/template",
    "/rosters",
    "/rosters/template",
];

/// What is done with each clip of a case at once is refused where they are too many, before any of them is looked at; the ways
/// back are not.
#[tokio::test]
async fn nothing_is_done_with_each_of_too_many_clips() {
    let g = Guarded::new().await;
    let case = encoded(LARGE);
    let asked = [
        ("GET", "filing"),
        ("GET", "filing/list"),
        ("POST", "close"),
        ("POST", "bind"),
        ("POST", "compare"),
        ("POST", "file"),
        ("POST", "hold"),
    ];
    g.visit.asked.taken();
    for (method, what) in asked {
        for path in [format!("/cases/{case}/{what}"), format!("/api/v1/cases/{case}/{what}").replace("/hold", "/holds")]
        {
            let answer = g.as_role(Role::Archivist, method, &path).await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{method} {path}: {}", answer.text());
            if path.starts_with("/api/") {
                assert_eq!(answer.json()["why"]["why"], "large_reference", "{path}");
            }
            assert!(g.visit.asked.taken().is_empty(), "{method} {path}");
            assert_eq!(g.as_role(Role::Officer, method, &path).await.status, StatusCode::FORBIDDEN, "{path}");
            g.visit.asked.taken();
        }
    }
    for (method, path) in
        [("POST", format!("/api/v1/cases/{case}/reopen")), ("DELETE", format!("/api/v1/cases/{case}/review"))]
    {
        let answer = g.as_role(Role::Archivist, method, &path).await;
        assert!(![403, 409].contains(&answer.status.as_u16()), "{path}: {}", answer.text());
    }
}

/// Every route that is asked for something and tells of clips or cases: thumbnails, previews, sheets, derived files, zips of
/// packages, reviews, samples and other stations among them. Who adds one and forgets its entry hears of it here.
#[tokio::test]
async fn nothing_of_clips_or_cases_is_served_of_which_no_entry_can_be_stored() {
    let visit = Visit::to(Scene::Busy);
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    for path in TELLS_NO_CASE {
        assert!(declared.iter().any(|r| r.method == "GET" && r.path == *path), "{path} is no route any more");
    }
    let asked = declared.iter().filter(|r| r.method == "GET" && r.need != Need::Anyone);
    let of_cases: Vec<_> = asked.filter(|r| !TELLS_NO_CASE.contains(&r.path)).collect();
    for told in ["/clips/{id}/thumbnail", "/clips/{id}/preview/{piece}", "/clips/{id}/sheet", "/exports/{package}/zip"]
    {
        assert!(of_cases.iter().any(|r| r.path == told), "{told}");
    }
    for route in of_cases {
        // Nothing is being looked at yet: what goes on needs no entry of its own for a while.
        let visit = Visit::to(Scene::Busy);
        let path = real(route.path, 2)
            .replace("{piece}", "0")
            .replace("{derived}", &clip_id(902).to_string())
            .replace("{seq}", "1");
        let path = if path.ends_with("/elsewhere") { format!("{path}?q=x") } else { path };
        assert!(!path.contains('{'), "{route:?} is not asked for as anybody would: {path}");
        *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("unavailable", Why::said("the log is full")));
        visit.asked.taken();
        let answer = visit.get(&path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{route:?}: {path}");
        assert!(!visit.asked.taken().is_empty(), "{route:?}: its entry was to be stored");
        // Where it can be, that is all that was in the way.
        *visit.asked.refuse.lock().unwrap() = None;
        let answer = visit.get(&path).await;
        assert_ne!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{route:?}: {path}");
    }
}

#[tokio::test]
async fn the_document_has_every_route_of_the_api() {
    let g = Guarded::new().await;
    let document = g.ask("GET", "/api/v1/openapi.json", &[], "").await.json();
    for route in evidock::web::routes(&g.visit.site).declared().iter().filter(|r| r.path.starts_with("/api/")) {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        assert!(operation.is_object(), "{route:?}");
    }
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["token"]["scheme"], &schemes["session"]["in"]), (&"bearer".into(), &"cookie".into()));
    assert!(document["security"].as_array().is_some_and(|s| s.len() == 2));
}

#[tokio::test]
async fn what_people_and_programs_are_called_is_text_wherever_it_stands() {
    let g = Guarded::new().await;
    g.people.hostile().await;
    let escaped = fixtures::NASTY.replace('<', "&#60;").replace('>', "&#62;");
    let name = &escaped[escaped.find("&#60;script").unwrap()..][..30];
    for lang in Lang::ALL {
        let cookie = format!("lang={}; evidock-session={}", lang.code(), token_of_login("hostile"));
        // Beside the list of accounts, their own one and the frame around every page.
        for path in ["/accounts", "/account", "/account?codes=new", "/"] {
            let page = g.ask("GET", path, &[("cookie", &cookie)], "").await;
            let (html, at) = (page.text(), format!("{lang:?} {path}"));
            assert_eq!(page.status, StatusCode::OK, "{at}");
            assert!(html.contains(name), "{at}: the name stands there, as text");
            for inline in ["<script>", " style=", "<style", "' onload="] {
                assert!(!html.contains(inline), "{at}: {inline}");
            }
        }
    }
}

#[tokio::test]
async fn a_program_may_what_its_token_names_and_says_why() {
    let g = Guarded::new().await;
    let bearer = format!("Bearer {PROGRAM}");
    let with = [("authorization", bearer.as_str())];
    assert_eq!(g.ask("GET", "/api/v1/clips", &with, "").await.status, StatusCode::OK);
    let clip = format!("/api/v1/clips/{}", clip_id(4));
    assert_eq!(g.ask("GET", &clip, &with, "").await.status, StatusCode::OK);
    for beyond in [format!("{clip}/media"), "/api/v1/cases".into(), "/metrics".into()] {
        let answer = g.ask("GET", &beyond, &with, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{beyond}");
    }
    let problem = g.ask("GET", &format!("{clip}/media"), &with, "").await;
    assert_eq!(
        (problem.header("content-type"), &problem.json()["code"]),
        ("application/problem+json", &"forbidden".into())
    );
    for bad in ["Bearer ", "Basic abc", "Bearer x", &format!("Bearer {}", PROGRAM.replace('1', "2"))] {
        // A cookie beside a wrong token opens nothing either.
        let cookie = format!("evidock-session={}", token_of(Role::Archivist));
        let answer = g.ask("GET", "/api/v1/clips", &[("authorization", bad), ("cookie", &cookie)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    g.at(NOW + 1_000_000);
    assert_eq!(g.ask("GET", "/api/v1/clips", &with, "").await.status, StatusCode::UNAUTHORIZED, "its time is over");
}

#[tokio::test]
async fn a_change_without_the_form_s_token_is_not_made() {
    let g = Guarded::new().await;
    let token = token_of(Role::Officer);
    let cookie = format!("evidock-session={token}");
    let path = format!("/clips/{}/link", clip_id(1));
    let form = "application/x-www-form-urlencoded";
    let mine = form_token(&token);
    let others = form_token(&token_of(Role::Archivist));
    for (body, status) in [
        ("case_no=1".to_owned(), StatusCode::FORBIDDEN),
        (format!("case_no=1&csrf={others}"), StatusCode::FORBIDDEN),
        (format!("csrf={mine}&case_no=1"), StatusCode::SEE_OTHER),
    ] {
        g.visit.asked.taken();
        let answer = g.ask("POST", &path, &[("cookie", &cookie), ("content-type", form)], &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(g.visit.asked.taken().is_empty(), status == StatusCode::FORBIDDEN, "{body}");
    }
    let api = format!("/api/v1/clips/{}/links", clip_id(1));
    let json = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    assert_eq!(g.ask("POST", &api, &json, "{\"case_no\":\"1\"}").await.status, StatusCode::FORBIDDEN);
    for template in std::fs::read_dir("src/web/templates").unwrap() {
        let path = template.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for form in text.split("<form").skip(1).filter(|f| f.split('>').next().unwrap().contains("method=\"post\"")) {
            let free = ["/signin", "/language"].iter().any(|open| form.contains(&format!("action=\"{open}")));
            let inside = form.split("</form>").next().unwrap();
            let carries = inside.contains("p::token(c)") || inside.contains("name=\"csrf\"");
            assert!(free || carries, "{}: <form{}", path.display(), &form[..60]);
        }
    }
}

#[tokio::test]
async fn sessions_rest_and_end() {
    let g = Guarded::new().await;
    let ask = async |path: &str| g.as_role(Role::Archivist, "GET", path).await.status;
    assert_eq!(ask("/clips").await, StatusCode::OK);
    for minute in [20, 40, 60] {
        g.at(NOW + minute * 60_000);
        assert_eq!(ask("/clips").await, StatusCode::OK, "used each twenty minutes: {minute}");
    }
    // A page that refreshes itself does not keep its session going.
    g.at(NOW + 80 * 60_000);
    assert_eq!(ask("/clips?part=live").await, StatusCode::OK);
    g.at(NOW + 91 * 60_000);
    let gone = g.as_role(Role::Archivist, "GET", "/clips?part=live").await;
    assert_eq!((gone.status, gone.header("hx-redirect")), (StatusCode::UNAUTHORIZED, "/signin?next=%2Fclips"));
    g.at(NOW);
    assert_eq!(ask("/clips").await, StatusCode::SEE_OTHER, "what has ended does not come back");
    let used = async |role: Role| g.as_role(role, "GET", "/account").await.status;
    for n in 1..=35 {
        g.at(NOW + n * 20 * 60_000);
        assert_eq!(used(Role::Officer).await, StatusCode::OK, "used each twenty minutes: {n}");
    }
    g.at(NOW + 12 * 3_600_000);
    assert_eq!(used(Role::Officer).await, StatusCode::SEE_OTHER, "none goes on for longer than twelve hours");
}

#[tokio::test]
async fn a_page_that_is_not_on_loopback_serves_nothing_before_there_is_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let clock = StoppedClock::at(NOW) as Arc<dyn Clock>;
    let store = Store::open(&dir.path().join("a.db"), &StationId::new("one").unwrap(), clock.clone()).unwrap();
    let rules = AccessRules {
        idle: std::time::Duration::from_secs(60),
        longest: std::time::Duration::from_secs(60),
        oidc: None,
    };
    let access = Access::open(store, clock, zone(), rules).unwrap();
    let door = |exposed| Door { access: Some(access.clone()), exposed, ..Door::default() };
    for (exposed, status) in [(false, StatusCode::OK), (true, StatusCode::FORBIDDEN)] {
        let (site, asked) = fixtures::site_behind(Scene::Busy, door(exposed));
        let visit = Visit { router: evidock::web::router(site.clone()), asked, site };
        for path in ["/", "/clips", "/api/v1/status", "/metrics"] {
            assert_eq!(visit.get(path).await.status, status, "{path}");
        }
        for path in ["/kiosk", "/healthz", "/api/v1/bays"] {
            assert_eq!(visit.get(path).await.status, StatusCode::OK, "{path}");
        }
        if !exposed {
            assert!(visit.get("/").await.text().contains("本站还没有账号"), "the page says so");
        }
    }
    assert!(access.is_open());
}

#[tokio::test]
async fn the_door_and_the_pages_behind_it_hold_their_promises() {
    let g = Guarded::new().await;
    for lang in Lang::ALL {
        let language = format!("lang={}", lang.code());
        for (role, path) in [
            (None, "/signin?next=%2Fclips"),
            (Some(Role::Officer), "/account"),
            (Some(Role::Officer), "/account?codes=new"),
            (Some(Role::SecurityAdministrator), "/accounts"),
            (Some(Role::Auditor), "/"),
        ] {
            let cookie = match role {
                Some(role) => format!("{language}; evidock-session={}", token_of(role)),
                None => language.clone(),
            };
            let page = g.ask("GET", path, &[("cookie", &cookie)], "").await;
            let (html, at) = (page.text(), format!("{lang:?} {path}"));
            assert_eq!(page.status, StatusCode::OK, "{at}");
            assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())), "{at}");
            assert!(!html.contains("<script>") && !html.contains(" style=") && !html.contains("<style"), "{at}");
            assert_eq!(page.header("cache-control"), "no-store", "{at}");
            assert!(!html.contains("argon2"), "{at}");
        }
    }
    let auditor = g.as_role(Role::Auditor, "GET", "/").await.text();
    assert!(!auditor.contains("href=\"/clips\"") && auditor.contains("action=\"/signout\""));
    let away = g.ask("GET", "/signin?next=%2F%2Fevil.example", &[], "").await.text();
    assert!(!away.contains("value=\"//") && away.contains("name=\"next\" value=\"/\""), "{away}");
    assert!(!g.access.is_open());
}

/// Whether somebody may do it with every clip of a case is asked of all of them at once, and no purpose is: what asks for one
/// has a reason of its own, or is not done that way.
#[tokio::test]
async fn what_is_done_with_a_whole_case_skips_no_purpose() {
    let g = Guarded::new().await;
    let declared = evidock::web::routes(&g.visit.site).declared().to_vec();
    let over: Vec<Action> =
        declared.iter().filter_map(|r| if let Need::Over(action) = r.need { Some(action) } else { None }).collect();
    assert!(over.contains(&Action::PlaceHold) && over.contains(&Action::SendToReview), "{over:?}");
    for action in over {
        let asks = RIGHTS.iter().any(|right| right.action == action && !matches!(right.purpose, Purpose::Free));
        assert!(!asks || action.keeps_footage(), "{action:?}");
    }
}
