//! Why something was not done, in the language of whoever reads it: on pages, and in the API with a key that never changes.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use axum::http::StatusCode;
use evidock::domain::command::Reply;
use evidock::domain::why::{Thing, Why};
use evidock::domain::words::Lang;

use super::fixtures::{Scene, clip_id};
use super::{CASE, Visit, encoded};

/// As the browser's language has it.
fn in_language(lang: Lang) -> [(&'static str, &'static str); 1] {
    [("accept-language", lang.tag())]
}

async fn form(visit: &Visit, path: &str, body: &str, lang: Lang) -> super::Answer {
    let request = axum::http::Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("origin", "http://127.0.0.1:8080")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept-language", lang.tag());
    visit.send(request.body(axum::body::Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_page_says_in_the_reader_s_language_why_not() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(7));
    let filed = || Why::FiledNoChanges { code: "0123-2026-0007".into() };
    let yourself = || Why::AskedYourself { thing: Thing::ReleaseOfHold };
    let missing = || Why::NoAccount { name: "nobody".into() };
    let case = format!("/cases/{}", encoded(CASE));
    for (path, body, code, why) in [
        (format!("{clip}/annotate"), "place=x".to_owned(), "conflict", filed()),
        ("/keeping/holds/1".into(), "step=confirm".into(), "conflict", yourself()),
        (format!("{case}/review"), "to=nobody&step=send".into(), "not_found", missing()),
    ] {
        let [zh, en] = Lang::ALL.map(|lang| why.told(lang));
        for (lang, said, not) in [(Lang::Zh, &zh, &en), (Lang::En, &en, &zh)] {
            *visit.asked.refuse.lock().unwrap() = Some(Reply::refused(code, why.clone()));
            let answer = form(&visit, &path, &body, lang).await;
            let html = answer.text();
            assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
            assert!(html.contains(said.as_str()), "{path} {lang:?}: {html}");
            assert!(!html.contains(not.as_str()), "{path} {lang:?}");
        }
    }
}

#[tokio::test]
async fn a_program_is_told_the_key_and_the_words() {
    let visit = Visit::to(Scene::Busy);
    let path = format!("/api/v1/clips/{}", clip_id(7));
    for lang in Lang::ALL {
        *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("conflict", Why::CaseFiled {}));
        let request = axum::http::Request::builder()
            .method("PATCH")
            .uri(&path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept-language", lang.tag());
        let answer = visit.send(request.body(axum::body::Body::from("{\"place\":\"x\"}")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["why"]["why"]), (&"conflict".into(), &"case_filed".into()));
        assert_eq!(problem["detail"], Why::CaseFiled {}.told(lang));
    }
    // Its parameters stand beside the key.
    let why = Why::NoDestination { name: "x".into(), known: vec!["cloud".into()] };
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("not_found", why));
    let problem = visit.json("POST", "/api/v1/sending/pause", "{\"destination\":\"x\"}").await.json();
    assert_eq!((&problem["why"]["name"], &problem["why"]["known"][0]), (&"x".into(), &"cloud".into()), "{problem}");
    // What went wrong in the machine is no reason: who runs it reads of that in its log, in English, and nobody else.
    *visit.asked.refuse.lock().unwrap() =
        Some(Reply::refused("unavailable", Why::Failed { detail: "disk I/O error".into() }));
    let page = visit.get_with(&format!("/clips/{}", clip_id(7)), &in_language(Lang::Zh)).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text().contains("请稍后再试") && !page.text().contains("disk I/O error"), "{}", page.text());
}

#[tokio::test]
async fn sending_review_and_notes_are_for_programs_too() {
    use evidock::domain::account::AccountAsk;
    use evidock::domain::command::Request as Asked;
    use evidock::domain::oversight::OversightAsk;
    let visit = Visit::to(Scene::Busy);
    let case = format!("/api/v1/cases/{}/review", encoded(CASE));
    for (method, path, body) in [
        ("POST", "/api/v1/sending/pause".to_owned(), "{\"destination\":\"local-copy\",\"until\":\"18:00\"}"),
        ("POST", "/api/v1/sending/pause".to_owned(), "{}"),
        ("POST", "/api/v1/sending/resume".to_owned(), "{}"),
        ("POST", case.clone(), "{\"to\":\"fazhi\",\"until\":\"2026-12-31\"}"),
        ("DELETE", format!("{case}?to=fazhi"), ""),
        ("DELETE", format!("{case}/notes/3"), ""),
        ("POST", format!("/api/v1/clips/{}/push", clip_id(7)), ""),
    ] {
        let done = visit.json(method, &path, body).await;
        assert_eq!(done.status, StatusCode::OK, "{method} {path}: {}", done.text());
    }
    let asked: Vec<Asked> = visit.asked.taken().into_iter().filter(|r| !matches!(r, Asked::LogAccess { .. })).collect();
    let [paused, all, resumed, sent, back, note, pushed] = &asked[..] else { panic!("{asked:?}") };
    assert!(
        matches!(paused, Asked::PauseSending { destination: Some(d), until: Some(u) } if d == "local-copy" && u == "18:00")
    );
    assert!(matches!(all, Asked::PauseSending { destination: None, until: None }));
    assert!(matches!(resumed, Asked::ResumeSending { destination: None }));
    let review = |r: &Asked, ends: bool| {
        matches!(r, Asked::Accounts { ask: AccountAsk::SendToReview { case_no, to: Some(to), until, undo } }
        if case_no == CASE && to == "fazhi" && *undo == ends && until.is_none() == ends)
    };
    assert!(review(sent, false) && review(back, true), "{sent:?} {back:?}");
    assert!(
        matches!(note, Asked::Oversight { ask: OversightAsk::WithdrawNote { case_no, note: 3 } } if case_no == CASE)
    );
    assert!(matches!(pushed, Asked::Push { clip: Some(clip), case_no: None } if *clip == clip_id(7).to_string()));
    // What is no body or no number is refused before anybody is asked.
    visit.asked.taken();
    for (method, path, status) in [
        ("POST", "/api/v1/sending/pause".to_owned(), 422),
        ("POST", case.clone(), 422),
        ("DELETE", format!("{case}/notes/x"), 404),
        ("POST", "/api/v1/clips/x/push".to_owned(), 404),
    ] {
        let refused = visit.json(method, &path, "{\"destination\":1,\"to\":1}").await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("content-type")),
            (status, "application/problem+json"),
            "{method} {path}"
        );
    }
    for path in ["/api/v1/sending/pause", "/api/v1/sending/resume", &case] {
        let refused = visit.json("POST", path, "[]").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: a list is no object");
    }
    assert!(visit.asked.taken().iter().all(|r| matches!(r, Asked::LogAccess { .. })));
}
