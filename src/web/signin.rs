//! The door: signing in with name and password, then with a one-time code where it is on, and signing out. Plain forms, so
//! that none of it needs a script.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::local_path;
use super::present::{Ctx, Nav};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::view::Frame;
use super::who::{Who, set_cookie};
use crate::access::{Access, SignInRefusal, SignedIn, Trying};
use crate::domain::account::Hidden;
use crate::domain::words::Words;

/// The forms.
pub fn routes(r: Routes) -> Routes {
    r.get("/signin", Need::Anyone, door)
        .post("/signin", Need::Anyone, password)
        .post("/signin/code", Need::Anyone, code)
        .post("/signout", Need::SignedIn, sign_out)
}

#[derive(Template)]
#[template(path = "signin.html")]
struct DoorPage<'a> {
    c: &'a Ctx,
    next: &'a str,
    name: &'a str,
    /// The word under which a one-time code is awaited.
    pending: Option<&'a str>,
    refusal: Option<(&'static str, String)>,
    done: Option<&'static str>,
    /// Address and words of the way to the identity provider.
    provider: Option<(String, &'a str)>,
    /// The fingerprint of a certificate, where the browser showed one.
    certificate: Option<String>,
}

/// The door with what is to be said there.
#[derive(Default)]
struct At<'a> {
    next: &'a str,
    name: &'a str,
    pending: Option<&'a str>,
    refusal: Option<(&'static str, String)>,
    done: Option<&'static str>,
}

fn show(site: &Site, visitor: &Visitor, status: StatusCode, at: At<'_>, station: String) -> Response {
    // Nothing of the station but its name stands at its door.
    let c = site.ctx_with(visitor, Nav::Other, Frame { station_name: station, ..Frame::default() });
    let page = DoorPage {
        c: &c,
        next: local_path(at.next),
        name: at.name,
        pending: at.pending,
        refusal: at.refusal,
        done: at.done,
        provider: access(site).and_then(|a| a.oidc_label()).map(|label| {
            let way = format!("/signin/oidc?next={}", super::present::segment(local_path(at.next)));
            (way, label.unwrap_or(c.w.by_provider()))
        }),
        certificate: visitor.shown.as_ref().and_then(|shown| shown.fingerprint()).map(|f| f.to_string()),
    };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(e) => Trouble::from(e).problem(visitor),
    }
}

/// The door again, after somebody came another way than by password.
pub(super) async fn again(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    next: &str,
    refusal: (&'static str, String),
    wait_s: Option<u64>,
) -> Response {
    let at = At { next, refusal: Some(refusal), ..At::default() };
    let mut response = show(site, visitor, status, at, station_name(site).await);
    if let Some(seconds) = wait_s {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

async fn station_name(site: &Site) -> String {
    site.pages.frame().await.map(|f| f.station_name).unwrap_or_default()
}

/// Where somebody goes who has not signed in: a page to the door and back again, a part of a page the same way.
pub(super) fn to_the_door(visitor: &Visitor) -> Response {
    let next = if visitor.safe { visitor.path.as_str() } else { "/" };
    let door = match local_path(next) {
        "/" => "/signin".to_owned(),
        next => format!("/signin?next={}", super::present::segment(next)),
    };
    if visitor.part {
        // The script takes the whole page there; a redirect would only be followed for the part.
        let there = HeaderValue::from_str(&door).unwrap_or(HeaderValue::from_static("/signin"));
        return (StatusCode::UNAUTHORIZED, [(HeaderName::from_static("hx-redirect"), there)]).into_response();
    }
    Redirect::to(&door).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoorQuery {
    next: String,
    done: String,
}

async fn door(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoorQuery>) -> Response {
    if access(&site).is_none() || matches!(visitor.who, Who::Signed { .. }) {
        return Redirect::to(local_path(&q.next)).into_response();
    }
    let done = (q.done == "out").then_some(visitor.lang.words().signed_out);
    show(&site, &visitor, StatusCode::OK, At { next: &q.next, done, ..At::default() }, station_name(&site).await)
}

/// Accounts, where there are any.
pub(super) fn access(site: &Site) -> Option<&Arc<Access>> {
    site.door.access.as_ref().filter(|access| !access.is_open())
}

pub(super) fn trying(visitor: &Visitor, headers: &HeaderMap) -> Trying {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    Trying { from: visitor.caller.from.clone(), agent: agent.to_owned() }
}

#[derive(Deserialize)]
struct PasswordForm {
    name: String,
    password: Hidden,
    #[serde(default)]
    next: String,
}

async fn password(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Form<PasswordForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Some(access) = access(&site) else { return Ok(Redirect::to("/").into_response()) };
        let Form(form) = body?;
        let came = access.sign_in(&form.name, &form.password.0, &trying(&visitor, &headers)).await?;
        Ok(answered(&site, &visitor, came, At { next: &form.next, name: form.name.trim(), ..At::default() }).await)
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[derive(Deserialize)]
struct CodeForm {
    pending: String,
    code: String,
    #[serde(default)]
    next: String,
}

async fn code(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Form<CodeForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Some(access) = access(&site) else { return Ok(Redirect::to("/").into_response()) };
        let Form(form) = body?;
        let came = access.sign_in_code(&form.pending, &form.code, &trying(&visitor, &headers)).await?;
        let again = At { next: &form.next, pending: Some(&form.pending), ..At::default() };
        Ok(answered(&site, &visitor, came, again).await)
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// In, with the cookie; or the door again, with what to do.
async fn answered(site: &Site, visitor: &Visitor, came: SignedIn, at: At<'_>) -> Response {
    let w = visitor.lang.words();
    let wait = match came {
        SignedIn::Refused(SignInRefusal::TooMany(seconds)) => Some(seconds),
        _ => None,
    };
    let (status, at, word) = match came {
        SignedIn::Done(token) => {
            let cookie = set_cookie(site, Some(&token.0));
            return ([(header::SET_COOKIE, cookie)], Redirect::to(local_path(at.next))).into_response();
        }
        SignedIn::CodeWanted(word) => (StatusCode::OK, at, Some(word)),
        SignedIn::Refused(refusal) => {
            let begin_again = refusal == SignInRefusal::TooLate || refusal == SignInRefusal::Wrong;
            let pending = at.pending.filter(|_| !begin_again);
            let status = match refusal {
                SignInRefusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNAUTHORIZED,
            };
            (status, At { refusal: Some(told(refusal, w)), pending, ..at }, None)
        }
    };
    let at = At { pending: word.as_deref().or(at.pending), ..at };
    let mut response = show(site, visitor, status, at, station_name(site).await);
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn told(refusal: SignInRefusal, w: &'static Words) -> (&'static str, String) {
    match refusal {
        SignInRefusal::Wrong => (w.sign_in_wrong, w.sign_in_wrong_detail.into()),
        SignInRefusal::WrongCode => (w.sign_in_wrong_code, w.sign_in_wrong_code_detail.into()),
        SignInRefusal::TooLate => (w.sign_in_too_late, String::new()),
        SignInRefusal::Closed => (w.sign_in_closed, w.sign_in_closed_detail.into()),
        SignInRefusal::TooMany(seconds) => (w.err_too_many, w.try_again_in(seconds)),
    }
}

async fn sign_out(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        if let (Some(access), Some(signed)) = (&site.door.access, visitor.who.signed())
            && let Some(session) = &signed.session
        {
            access.sign_out(signed, session, &visitor.caller.from).await?;
        }
        let gone = set_cookie(&site, None);
        Ok(([(header::SET_COOKIE, gone)], Redirect::to("/signin?done=out")).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}
