//! Everything that the page does, the API does, too: each form has its counterpart with the same right, or a reason why a
//! program has none. A new form without either fails here.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::collections::BTreeSet;

use evidock::web::routes::{Declared, Need};

use super::Visit;
use super::fixtures::Scene;

/// A form of the page, and what a program asks instead.
const COUNTERPARTS: &[(&str, &str, &str)] = &[
    ("/admin/check", "POST", "/api/v1/check"),
    ("/admin/destinations/{destination}/try", "POST", "/api/v1/destinations/{destination}/trial"),
    ("/admin/recorders/{device}/assign", "POST", "/api/v1/recorders/{device}/assign"),
    ("/admin/recorders/{device}/{verdict}", "POST", "/api/v1/recorders/{device}/{verdict}"),
    ("/admin/rules", "POST", "/api/v1/rules/trial"),
    ("/alarms/{alarm}/acknowledge", "POST", "/api/v1/alarms/{alarm}/acknowledge"),
    ("/cases/{number}/bind", "POST", "/api/v1/cases/{number}/bind"),
    ("/cases/{number}/compare", "POST", "/api/v1/cases/{number}/compare"),
    ("/cases/{number}/close", "POST", "/api/v1/cases/{number}/close"),
    ("/cases/{number}/documents", "POST", "/api/v1/cases/{number}/documents"),
    ("/cases/{number}/export", "POST", "/api/v1/exports"),
    ("/cases/{number}/file", "POST", "/api/v1/cases/{number}/file"),
    ("/cases/{number}/hold", "POST", "/api/v1/cases/{number}/holds"),
    ("/cases/{number}/reasons", "POST", "/api/v1/cases/{number}/reasons"),
    ("/cases/{number}/reopen", "POST", "/api/v1/cases/{number}/reopen"),
    ("/cases/{number}/review", "POST", "/api/v1/cases/{number}/review"),
    // The same form calls it back.
    ("/cases/{number}/review", "DELETE", "/api/v1/cases/{number}/review"),
    ("/clips/several", "POST", "/api/v1/clips/several"),
    ("/clips/{id}/annotate", "PATCH", "/api/v1/clips/{id}"),
    ("/clips/{id}/derive", "POST", "/api/v1/clips/{id}/derived"),
    ("/clips/{id}/hold", "POST", "/api/v1/clips/{id}/holds"),
    ("/clips/{id}/isolate", "POST", "/api/v1/clips/{id}/isolation"),
    ("/clips/{id}/lift", "POST", "/api/v1/clips/{id}/isolation/lift"),
    ("/clips/{id}/link", "POST", "/api/v1/clips/{id}/links"),
    ("/clips/{id}/push", "POST", "/api/v1/clips/{id}/push"),
    ("/clips/{id}/unlink", "DELETE", "/api/v1/clips/{id}/links/{case_no}"),
    ("/clips/{id}/verify", "POST", "/api/v1/clips/{id}/verify"),
    ("/desk", "POST", "/api/v1/desk/scan"),
    ("/desk/issue", "POST", "/api/v1/desk/issue"),
    ("/desk/return", "POST", "/api/v1/desk/return"),
    ("/desk/undo", "POST", "/api/v1/desk/undo"),
    ("/exports/{package}/again", "POST", "/api/v1/exports/{package}/{step}"),
    ("/exports/{package}/confirm", "POST", "/api/v1/exports/{package}/{step}"),
    ("/exports/{package}/refuse", "POST", "/api/v1/exports/{package}/{step}"),
    ("/keeping/disposals", "POST", "/api/v1/disposals"),
    ("/keeping/disposals/{disposal}", "POST", "/api/v1/disposals/{disposal}"),
    ("/keeping/holds/{hold}", "POST", "/api/v1/holds/{hold}"),
    ("/registers/imports/{import}/undo", "DELETE", "/api/v1/registers/imports/{import}"),
    ("/registers/rules", "POST", "/api/v1/registers/rules/trial"),
    ("/registers/{register}", "POST", "/api/v1/registers/{register}"),
    ("/registers/{register}", "POST", "/api/v1/registers/{register}/trial"),
    ("/review/{number}/note", "POST", "/api/v1/cases/{number}/review/notes"),
    ("/review/{number}/opinion", "POST", "/api/v1/cases/{number}/review/opinion"),
    ("/review/{number}/sheet", "POST", "/api/v1/cases/{number}/review/sheet"),
    ("/review/{number}/withdraw", "DELETE", "/api/v1/cases/{number}/review/notes/{note}"),
    ("/rooms/{stream}/start", "POST", "/api/v1/rooms/{stream}/start"),
    ("/rooms/{stream}/stop", "POST", "/api/v1/rooms/{stream}/stop"),
    ("/rosters/remove", "DELETE", "/api/v1/roster"),
    ("/rosters/undo", "POST", "/api/v1/roster/undo"),
    ("/rosters/upload", "POST", "/api/v1/roster"),
    ("/rosters/upload", "POST", "/api/v1/roster/trial"),
    ("/sampling/draw", "POST", "/api/v1/samples"),
    ("/sampling/{sample}/{n}/answer", "POST", "/api/v1/samples/{sample}/{n}/answer"),
    ("/sampling/{sample}/{n}/close", "POST", "/api/v1/samples/{sample}/{n}/close"),
    ("/sampling/{sample}/{n}/judge", "POST", "/api/v1/samples/{sample}/{n}/judgement"),
    ("/sampling/{sample}/{n}/return", "POST", "/api/v1/samples/{sample}/{n}/return"),
    ("/sending/pause", "POST", "/api/v1/sending/pause"),
    ("/sending/resume", "POST", "/api/v1/sending/resume"),
    ("/tokens", "POST", "/api/v1/tokens"),
    ("/tokens/{token}/end", "DELETE", "/api/v1/tokens/{token}"),
    ("/triage/{id}/decide", "POST", "/api/v1/clips/{id}/decision"),
];

/// What is shown at an address of the page, and where a program has it.
const SHOWN: &[(&str, &str)] = &[
    ("/", "/api/v1/status"),
    // The accounts themselves are people's business alone: a token has no such right.
    ("/accounts", "/api/v1/tokens"),
    ("/admin", "/api/v1/check"),
    ("/admin/check", "/api/v1/check"),
    ("/admin/configuration", "/api/v1/configuration"),
    ("/admin/destinations", "/api/v1/destinations"),
    ("/admin/recorders", "/api/v1/recorders"),
    ("/admin/recorders/{device}", "/api/v1/recorders/{device}"),
    ("/admin/rules", "/api/v1/rules"),
    ("/alarms", "/api/v1/alarms"),
    ("/cases", "/api/v1/cases"),
    ("/cases/{number}", "/api/v1/cases/{number}"),
    ("/cases/{number}", "/api/v1/cases/{number}/documents"),
    ("/cases/{number}/coverage", "/api/v1/cases/{number}/coverage"),
    ("/cases/{number}/coverage.csv", "/api/v1/cases/{number}/coverage.csv"),
    ("/cases/{number}/coverage.xlsx", "/api/v1/cases/{number}/coverage.xlsx"),
    ("/cases/{number}/export", "/api/v1/exports"),
    ("/cases/{number}/filing", "/api/v1/cases/{number}/filing"),
    ("/cases/{number}/filing/list", "/api/v1/cases/{number}/filing/list"),
    // Drawn of when the clips of the case were captured, and how long they are.
    ("/cases/{number}/together", "/api/v1/cases/{number}"),
    ("/cases/{number}/filing/report", "/api/v1/cases/{number}/filing"),
    ("/cases/{number}/looks", "/api/v1/cases/{number}/looks"),
    ("/clips", "/api/v1/clips"),
    ("/clips/{id}", "/api/v1/clips/{id}"),
    ("/clips/{id}", "/api/v1/clips/{id}/events"),
    ("/clips/{id}", "/api/v1/clips/{id}/whereabouts"),
    ("/clips/{id}/derived/{derived}", "/api/v1/clips/{id}/derived/{derived}/file"),
    ("/clips/{id}/events/{seq}", "/api/v1/clips/{id}/events/{seq}"),
    ("/clips/{id}/events/{seq}/entry", "/api/v1/clips/{id}/events/{seq}/entry"),
    ("/clips/{id}/events/{seq}/proof", "/api/v1/clips/{id}/events/{seq}/proof"),
    ("/clips/{id}/media", "/api/v1/clips/{id}/media"),
    ("/clips/{id}/preview/{piece}", "/api/v1/clips/{id}/preview/{piece}"),
    ("/clips/{id}/sheet", "/api/v1/clips/{id}/sheet"),
    ("/clips/{id}/thumbnail", "/api/v1/clips/{id}/thumbnail"),
    ("/clips/{id}/verify", "/api/v1/clips/{id}/verify"),
    ("/desk", "/api/v1/desk"),
    ("/elsewhere", "/api/v1/elsewhere"),
    ("/exports", "/api/v1/exports"),
    ("/exports/{package}", "/api/v1/exports/{package}"),
    ("/exports/{package}/zip", "/api/v1/exports/{package}/zip"),
    ("/keeping", "/api/v1/disposals"),
    ("/keeping", "/api/v1/disposals/due"),
    ("/keeping", "/api/v1/keeping"),
    ("/keeping/disposals/{disposal}", "/api/v1/disposals/{disposal}"),
    ("/kiosk", "/api/v1/bays"),
    ("/live", "/api/v1/changes"),
    ("/log", "/api/v1/log"),
    ("/parties", "/api/v1/parties"),
    ("/parties/{party}", "/api/v1/parties/{party}"),
    ("/registers", "/api/v1/registers"),
    ("/registers/rules", "/api/v1/registers/rules"),
    ("/registers/{register}", "/api/v1/registers/{register}"),
    ("/registers/{register}/template", "/api/v1/registers/{register}/template"),
    ("/reports", "/api/v1/reports"),
    ("/reports/cases", "/api/v1/reports/cases"),
    ("/reports/form/{name}", "/api/v1/reports/form/{name}"),
    ("/reports/register.csv", "/api/v1/reports/register.csv"),
    ("/reports/register.xlsx", "/api/v1/reports/register.xlsx"),
    ("/review", "/api/v1/reviews"),
    ("/review/{number}", "/api/v1/cases/{number}/review"),
    ("/review/{number}/opinion", "/api/v1/cases/{number}/review"),
    ("/review/{number}/sheet", "/api/v1/cases/{number}/review"),
    ("/rooms", "/api/v1/rooms"),
    ("/rooms/{stream}/still", "/api/v1/rooms/{stream}/still"),
    ("/rosters", "/api/v1/roster"),
    ("/rosters/template", "/api/v1/roster/template"),
    ("/sampling", "/api/v1/samples"),
    ("/sampling/{sample}", "/api/v1/samples/{sample}"),
    ("/sampling/{sample}/candidates.txt", "/api/v1/samples/{sample}/candidates"),
    ("/triage", "/api/v1/triage"),
];

/// What a program reads under a narrower right than its page has: the page shows that part to nobody else.
const ALSO: &[(&str, &str)] = &[("/api/v1/disposals", "DisposeClip"), ("/api/v1/disposals/due", "DisposeClip")];

/// Addresses of the page that programs have no use for, or no business with.
const SHOWN_TO_PEOPLE: &[(&str, &str)] = &[
    ("/account", "the own account is a person's"),
    ("/assets/{name}", "styles, scripts and pictures of the page itself"),
    ("/clips/{id}/verified", "what the player of the page was sent"),
    ("/healthz", "is for programs as it is"),
    ("/metrics", "is for programs as it is"),
    ("/signin", "a program has a token"),
    ("/signin/oidc", "a program has a token"),
    ("/signin/oidc/return", "a program has a token"),
    ("/witness/signed", "a protocol between logs, for programs as it is"),
];

/// Forms that programs have no use for, or no business with.
const PEOPLE_ONLY: &[(&str, &str)] = &[
    ("/account/codes", "one-time codes are a person's"),
    ("/account/password", "a password is a person's; a program has a token"),
    ("/account/sessions/{session}/end", "sessions are a person's; a token is ended by itself"),
    ("/accounts", "no program makes accounts: a token has no such right"),
    ("/accounts/{login}", "no program changes accounts: a token has no such right"),
    ("/accounts/{login}/disable", "no program changes accounts: a token has no such right"),
    ("/accounts/{login}/enable", "no program changes accounts: a token has no such right"),
    ("/accounts/{login}/password", "no program gives out passwords: a token has no such right"),
    ("/accounts/{login}/sessions/end", "no program ends people's sessions: a token has no such right"),
    ("/accounts/{login}/sessions/{session}/end", "no program ends people's sessions: a token has no such right"),
    ("/accounts/{login}/unlock", "no program changes accounts: a token has no such right"),
    ("/language", "a program sends Accept-Language"),
    ("/purpose", "a program gives its purpose in x-purpose"),
    ("/signin", "a program has a token"),
    ("/signin/certificate", "a program has a token"),
    ("/signin/code", "a program has a token"),
    ("/signout", "a program has a token, which `evidock token end` ends"),
];

fn right(need: Need) -> Option<String> {
    match need {
        Need::May(action) | Need::WithReason(action) | Need::Over(action) | Need::Case(action) | Need::Room(action) => {
            Some(format!("{action:?}"))
        }
        Need::Anyone | Need::SignedIn => None,
    }
}

#[tokio::test]
async fn whatever_the_page_shows_a_program_can_read() {
    let visit = Visit::to(Scene::Busy);
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    let document = visit.get("/api/v1/openapi.json").await.json();
    let reads = |r: &&Declared| r.method == "GET" && !r.path.starts_with("/api/");
    let pages: BTreeSet<&str> = declared.iter().filter(reads).map(|r| r.path).collect();
    assert!(pages.len() > 60, "{pages:?}");
    let people = SHOWN_TO_PEOPLE.iter().map(|(path, _)| *path);
    let known: BTreeSet<&str> = SHOWN.iter().map(|(page, _)| *page).chain(people).collect();
    let lost: Vec<_> = pages.difference(&known).collect();
    assert!(lost.is_empty(), "these addresses have no counterpart in the API, and no reason why not: {lost:?}");
    let gone: Vec<_> = known.difference(&pages).collect();
    assert!(gone.is_empty(), "the page has these addresses no more: {gone:?}");
    for (path, why) in SHOWN_TO_PEOPLE {
        assert!(!why.is_empty() && SHOWN.iter().all(|(page, _)| page != path), "{path}");
    }
    let of = |path: &str| declared.iter().find(|r| r.method == "GET" && r.path == path);
    for (page, path) in SHOWN {
        let asked = of(path).unwrap_or_else(|| panic!("GET {path} is not there"));
        assert!(document["paths"][*path]["get"].is_object(), "GET {path} is not in the document");
        // What is shown to everybody by the page is told under its own right to programs: never the other way round.
        let (of_page, of_program) = (right(of(page).unwrap().need), right(asked.need));
        let wider = ALSO.iter().any(|(also, right)| *also == *path && of_program.as_deref() == Some(*right));
        assert!(of_page.is_none() || of_page == of_program || wider, "{page}: {of_page:?}, {path}: {of_program:?}");
    }
}

#[tokio::test]
async fn whatever_the_page_does_a_program_can_ask_for() {
    let visit = Visit::to(Scene::Busy);
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    let document = visit.get("/api/v1/openapi.json").await.json();
    let is_form = |r: &&Declared| {
        // Another station's log asks for a signature there: a protocol of its own, for programs alone.
        r.method != "GET" && !r.path.starts_with("/api/") && !r.path.ends_with("add-checkpoint")
    };
    let forms: BTreeSet<&str> = declared.iter().filter(is_form).map(|r| r.path).collect();
    assert!(forms.len() > 50, "{forms:?}");
    let known: BTreeSet<&str> =
        COUNTERPARTS.iter().map(|c| c.0).chain(PEOPLE_ONLY.iter().map(|(path, _)| *path)).collect();
    let lost: Vec<_> = forms.difference(&known).collect();
    assert!(lost.is_empty(), "these forms have no counterpart in the API, and no reason why not: {lost:?}");
    let gone: Vec<_> = known.difference(&forms).collect();
    assert!(gone.is_empty(), "the page has these forms no more: {gone:?}");
    for (path, why) in PEOPLE_ONLY {
        assert!(!why.is_empty() && COUNTERPARTS.iter().all(|c| c.0 != *path), "{path}");
    }

    let of = |method: &str, path: &str| declared.iter().find(|r| r.method == method && r.path == path);
    for (form, method, path) in COUNTERPARTS {
        let asked = of(method, path).unwrap_or_else(|| panic!("{method} {path} is not there"));
        assert_eq!(right(asked.need), right(of("POST", form).unwrap().need), "{form} and {method} {path}");
        let told = &document["paths"][*path][method.to_lowercase()];
        assert!(told.is_object(), "{method} {path} is not in the document");
        let keys = told["parameters"].as_array().unwrap().iter().filter(|p| p["name"] == "idempotency-key");
        assert_eq!(keys.count(), 1, "{method} {path}: a change takes a key");
    }
    // And the other way round: nobody's accounts are a program's. What the API has of tokens is for the browser of whoever
    // may make them: no token has that right.
    let apart = |r: &&Declared| r.path.starts_with("/api/") && right(r.need).is_some_and(|a| a == "ManageAccounts");
    let apart: Vec<_> = declared.iter().filter(apart).filter(|r| !r.path.starts_with("/api/v1/tokens")).collect();
    assert!(apart.is_empty(), "accounts are beyond the API: PEOPLE_ONLY says why: {apart:?}");
}
