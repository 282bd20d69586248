//! What no page and no answer tells: of isolated clips anything, of holds and cases more than whoever looks may know.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use evidock::access::form_token;
use evidock::domain::command::Request as Asked;
use evidock::domain::event::{Actor, EventKind};
use evidock::domain::rights::{Action, Decision, Over, RIGHTS, Refusal, Role, Roles, decide};
use evidock::domain::time::UtcMs;
use evidock::domain::words::Lang;
use evidock::web::routes::Need;
use evidock::web::site::Door;
use evidock::web::view::clip::CustodyEntry;

use super::fixtures::office::PARTY;
use super::fixtures::{self, CASE, NOW, Scene, clip_id, standing};
use super::people::{People, token_of, token_of_login};
use super::{Answer, Visit, access, encoded};

/// A station with an account for each role.
pub(super) struct Station {
    pub(super) visit: Visit,
    people: People,
    /// Who asks, where it is no role.
    pub(super) login: Option<&'static str>,
}

impl Station {
    pub(super) async fn of(scene: Scene) -> Self {
        let people = People::new().await;
        let door = Door { access: Some(people.access.clone()), ..Door::default() };
        let (site, asked) = fixtures::site_behind(scene, door);
        let visit = Visit { router: evidock::web::router(site.clone()), asked, site };
        Self { visit, people, login: None }
    }

    /// Everybody with an account.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// As somebody with a role; nobody without one.
    pub(super) async fn ask(&self, role: Option<Role>, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(role, method, path, body, &[]).await
    }

    pub(super) async fn ask_with(
        &self,
        role: Option<Role>,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let kind = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", kind);
        let token = role.map(token_of).or(self.login.map(token_of_login));
        if let Some(token) = token {
            request = request.header("cookie", format!("evidock-session={token}"));
            request = request.header("x-csrf-token", form_token(&token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.visit.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(super) async fn get(&self, role: Role, path: &str) -> Answer {
        self.ask(Some(role), "GET", path, "").await
    }
}

#[tokio::test]
async fn at_no_address_is_told_anything_of_an_isolated_clip() {
    let visit = Visit::to(Scene::Failing);
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    // The clip's own page tells that it is isolated, and whom to call.
    let about = declared.iter().filter(|r| r.method == "GET" && r.path.contains("{id}") && r.path != "/clips/{id}");
    let mut asked = 0;
    for route in about {
        let path = route.path.replace("{piece}", "0").replace("{seq}", "4218");
        let path = access::real(&path.replace("{derived}", &clip_id(902).to_string()), 5);
        for method in ["GET", "HEAD"] {
            let request = Request::builder().method(method).uri(&path).header("host", "localhost").body(Body::empty());
            let answer = visit.send(request.expect("a request")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            let told = String::from_utf8_lossy(&answer.body);
            for secret in ["军事", "东关街", CASE] {
                assert!(!told.contains(secret), "{method} {path}: {secret}");
            }
        }
        asked += 1;
    }
    assert!(asked > 12, "{asked}");
}

#[tokio::test]
async fn why_a_part_is_not_well_is_for_who_may_look_at_the_station() {
    let station = Station::of(Scene::Failing).await;
    let nobody = station.ask(None, "GET", "/healthz", "").await;
    assert_eq!(nobody.status, StatusCode::SERVICE_UNAVAILABLE, "a probe sees that something is wrong");
    assert_eq!(
        nobody.json(),
        serde_json::json!({ "ok": false, "parts": [{ "name": "deliver", "ok": false, "detail": null }] })
    );
    let officer = station.get(Role::Officer, "/healthz").await;
    assert!(officer.text().contains("no heartbeat"), "{}", officer.text());
    // Before there are accounts, whoever is at the box.
    assert!(Visit::to(Scene::Failing).get("/healthz").await.text().contains("no heartbeat"));
}

#[tokio::test]
async fn what_a_review_looks_at_is_logged_with_the_reason_that_was_given() {
    let station = Station::of(Scene::Busy).await;
    let path = format!("/review/{}?clip={}", encoded(CASE), clip_id(1));
    let asked = station.get(Role::Supervisor, &path).await;
    assert!(asked.text().contains("action=\"/purpose\""), "{}", asked.text());
    let said = format!("about={}&purpose={}&next=%2F", clip_id(1), encoded("随机抽查"));
    assert_eq!(station.ask(Some(Role::Supervisor), "POST", "/purpose", &said).await.status, StatusCode::SEE_OTHER);
    station.visit.asked.taken();
    assert_eq!(station.get(Role::Supervisor, &path).await.status, StatusCode::OK);
    let logged = station.visit.asked.taken();
    let shown = logged.iter().find_map(|request| match request {
        Asked::LogAccess { what, purpose, .. } if what == "show" => Some(purpose.clone()),
        _ => None,
    });
    assert_eq!(shown, Some(Some("随机抽查".into())), "{logged:?}");
}

#[tokio::test]
async fn a_clip_in_a_case_shows_neither_its_holds_nor_its_filing() {
    let station = Station::of(Scene::Busy).await;
    let path = format!("/cases/{}", encoded(CASE));
    let words = Lang::Zh.words();
    for (role, whole) in [
        (Role::Officer, false),
        (Role::DepartmentHead, false),
        (Role::LegalReviewer, false),
        (Role::Supervisor, true),
        (Role::Archivist, true),
    ] {
        let page = station.get(role, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{role:?}");
        let html = page.text();
        assert_eq!(html.contains(words.case_narrowed), !whole, "{role:?}");
        for told in ["当事人申请行政复议", "赵政复〔2026〕7号", "0123-2026-30Y-0007"] {
            assert_eq!(html.contains(told), whole, "{role:?} {told}");
        }
    }
}

#[tokio::test]
async fn a_document_is_filed_to_a_case_that_is_theirs() {
    let station = Station::of(Scene::Busy).await;
    // The digit says whose the case is: 1 the officer's and the unit's, 2 the unit's, 4 nobody's; the last is a new one.
    for (role, case, allowed) in [
        (Role::Officer, "1", true),
        (Role::Officer, "2", false),
        (Role::Officer, "4", false),
        (Role::Officer, "新", false),
        (Role::DepartmentHead, "2", true),
        (Role::DepartmentHead, "3", false),
        (Role::DepartmentHead, "新", false),
        (Role::LegalReviewer, "3", false),
        (Role::Archivist, "4", true),
        (Role::Archivist, "新", true),
    ] {
        for before in ["", "/api/v1"] {
            station.visit.asked.taken();
            let path = format!("{before}/cases/{}/documents?name=x.pdf", encoded(&format!("{CASE}{case}")));
            let answer = station.ask_with(Some(role), "POST", &path, "%PDF-1.7", &[("content-length", "8")]).await;
            let filed = station.visit.asked.taken().iter().any(|r| matches!(r, Asked::FileDocument(_)));
            assert_eq!((answer.status == StatusCode::FORBIDDEN, filed), (!allowed, allowed), "{role:?} {path}");
        }
    }
}

#[tokio::test]
async fn why_a_clip_is_held_is_for_who_sees_to_keeping() {
    let station = Station::of(Scene::Busy).await;
    let clip = format!("/clips/{}", clip_id(1));
    for (role, told) in [(Role::Officer, false), (Role::DepartmentHead, true), (Role::Archivist, true)] {
        let page = station.get(role, &clip).await;
        assert_eq!(page.status, StatusCode::OK, "{role:?}");
        for secret in ["当事人申请行政复议", "赵政复〔2026〕7号", "复议终结"] {
            assert_eq!(page.text().contains(secret), told, "{role:?} {secret}");
        }
    }
    // Nor does the log of the clip tell it, on its page or entry by entry; that there was a hold stays.
    let mut hold = CustodyEntry {
        seq: 7,
        at: UtcMs(NOW),
        kind: EventKind::Hold,
        actor: Actor::user(3),
        outcome: "ok".into(),
        place: None,
        detail: Some("当事人申请行政复议".into()),
        facts: Vec::new(),
        grounds: None,
    };
    hold.without_keeping();
    assert_eq!((hold.kind, hold.detail), (EventKind::Hold, None));
    // At a station without accounts whoever is there sees all of it.
    assert!(Visit::to(Scene::Busy).get(&clip).await.text().contains("赵政复〔2026〕7号"));
}

#[tokio::test]
async fn a_reviewer_speaks_of_the_cases_that_stand_sent() {
    let station = Station::of(Scene::Busy).await;
    let sheet: String = (0..20).map(|n| format!("points-{n}=1&remark-{n}=x&")).collect();
    let note = format!("clip={}&at=0:01&words=x", clip_id(3));
    let (sheet, note) = (sheet.as_str(), note.as_str());
    // The digit says whose the case is: 1 the unit's, 3 the reviewer's; the last is not there.
    for (role, case, form, body, allowed) in [
        (Role::LegalReviewer, "1", "opinion", "verdict=agree&words=", false),
        (Role::LegalReviewer, "1", "note", note, false),
        (Role::LegalReviewer, "1", "withdraw", "note=1", false),
        (Role::LegalReviewer, "1", "sheet", sheet, false),
        (Role::LegalReviewer, "新", "opinion", "verdict=agree&words=", false),
        (Role::LegalReviewer, "3", "opinion", "verdict=agree&words=", true),
        (Role::LegalReviewer, "3", "note", note, true),
        (Role::LegalReviewer, "3", "withdraw", "note=1", true),
        (Role::LegalReviewer, "3", "sheet", sheet, true),
        (Role::Supervisor, "1", "sheet", sheet, true),
        (Role::Archivist, "3", "opinion", "verdict=agree&words=", false),
    ] {
        station.visit.asked.taken();
        let path = format!("/review/{}/{form}", encoded(&format!("{CASE}{case}")));
        let answer = station.ask(Some(role), "POST", &path, body).await;
        let asked = station.visit.asked.taken().iter().any(|r| matches!(r, Asked::Oversight { .. }));
        assert_eq!((answer.status == StatusCode::FORBIDDEN, asked), (!allowed, allowed), "{role:?} {path}");
    }
}

/// Whether it was only told in the log that somebody asked.
fn only_logged(asked: &[Asked]) -> bool {
    asked.iter().all(|r| matches!(r, Asked::LogAccess { .. } | Asked::LogRefusal { .. }))
}

#[tokio::test]
async fn what_is_told_of_cases_samples_and_parties_is_theirs_for_every_role_and_ownership() {
    let station = Station::of(Scene::Busy).await;
    let declared = evidock::web::routes(&station.visit.site).declared().to_vec();
    let named = ["{number}", "{sample}", "{party}"];
    let about = declared.iter().filter(|r| named.iter().any(|n| r.path.contains(n)));
    let mut seen = 0;
    for route in about {
        let action = match route.need {
            Need::May(action) | Need::WithReason(action) => action,
            // Decided before the handler, over each clip or the case itself (access.rs).
            Need::Over(_) | Need::Case(_) | Need::Room(_) => continue,
            Need::Anyone | Need::SignedIn => panic!("{route:?}: a case, a sample or a party is somebody's"),
        };
        let body = match route.path.starts_with("/api/") {
            true => r#"{"words":"x","points":["yes"]}"#,
            false => "words=x&point-0=yes",
        };
        for role in Role::ALL {
            for n in [1, 2, 3, 4, 6, 7] {
                let path = route.path.replace("{sample}", &n.to_string());
                let path = access::real(&path.replace("{party}", &encoded(&format!("{PARTY}{n}"))), n);
                station.visit.asked.taken();
                let answer = station.ask(Some(*role), route.method, &path, body).await;
                let (status, asked) = (answer.status, station.visit.asked.taken());
                let at = format!("{route:?} {role:?} of clip {n}: {status} {asked:?}");
                match decide(&Roles::new([*role]).unwrap(), action, &standing(n)) {
                    Decision::Allowed { .. } => {
                        let shut = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
                        assert!(!shut.contains(&status), "{at}");
                    }
                    Decision::Refused(Refusal::Role) => {
                        assert!(status == StatusCode::FORBIDDEN && only_logged(&asked), "{at}");
                    }
                    // What is not theirs is not there.
                    Decision::Refused(_) => {
                        let shut = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
                        assert!(shut.contains(&status) && only_logged(&asked), "{at}");
                    }
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 15 * 8 * 6, "{seen}");
    // An evidence package is of a whole case: whoever may have one may have all of them (access.rs asks every role).
    let package = declared.iter().filter(|r| r.path.contains("{package}"));
    assert!(package.clone().count() > 5 && package.clone().all(|r| r.need == Need::May(Action::ExportCase)));
    assert!(RIGHTS.iter().all(|r| r.action != Action::ExportCase || r.over == Over::All));
}

#[tokio::test]
async fn a_second_role_shows_more_and_lends_its_bounds_to_nothing_else() {
    let mut station = Station::of(Scene::Busy).await;
    station.people.with_roles("both", &[Role::Archivist, Role::LegalReviewer]).await;
    station.people.with_roles("double", &[Role::Supervisor, Role::DepartmentHead]).await;
    let opinion = |n: u32| format!("/review/{}/opinion", encoded(&format!("{CASE}{n}")));
    let answer = |n: u32| format!("/sampling/{n}/1/answer");
    for (login, seen, path, allowed) in [
        ("both", format!("/review/{}", encoded(&format!("{CASE}4"))), opinion(4), false),
        ("both", format!("/review/{}", encoded(&format!("{CASE}3"))), opinion(3), true),
        ("double", "/sampling/4".to_owned(), answer(4), false),
        ("double", "/sampling/2".to_owned(), answer(2), true),
    ] {
        station.login = Some(login);
        assert_eq!(station.ask(None, "GET", &seen, "").await.status, StatusCode::OK, "{login} {seen}");
        station.visit.asked.taken();
        station.ask(None, "POST", &path, "verdict=agree&words=x").await;
        assert_eq!(!only_logged(&station.visit.asked.taken()), allowed, "{login} {path}");
    }
}
