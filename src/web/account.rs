//! The own account: password, one-time codes, sessions. Whoever signed in with a password that somebody else knows gets here
//! first and nowhere else.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::present::{Ctx, Nav, Stamp};
use super::routes::{Need, Routes};
use super::scan::Scan;
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::access::{Access, OwnRefusal, Signed, codes};
use crate::domain::account::Hidden;
use crate::domain::time::UtcMs;
use crate::domain::words::Words;
use crate::store::SessionRow;

/// The page and its forms.
pub fn routes(r: Routes) -> Routes {
    r.get("/account", Need::SignedIn, account)
        .post("/account/password", Need::SignedIn, password)
        .post("/account/codes", Need::SignedIn, set_codes)
        .post("/account/sessions/{session}/end", Need::SignedIn, end)
}

/// A session in words.
pub(super) struct SessionLine {
    pub id: String,
    pub this: bool,
    pub since: Stamp,
    pub seen: Stamp,
    pub from: String,
    pub agent: String,
    pub by: &'static str,
}

pub(super) fn session_line(s: &SessionRow, c: &Ctx) -> SessionLine {
    let own = c.who.signed().and_then(|signed| signed.session.as_deref());
    SessionLine {
        this: own == Some(s.id.as_str()),
        since: c.stamp(UtcMs(s.begun_ms)),
        seen: c.near(UtcMs(s.seen_ms)),
        id: s.id.clone(),
        from: s.from.clone(),
        agent: s.agent.clone(),
        by: c.w.signed_in_by(s.by),
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    c: &'a Ctx,
    name: &'a str,
    login: String,
    roles: String,
    /// When nobody signs in with it any more.
    until: Option<Stamp>,
    must_change: bool,
    codes_on: bool,
    /// Key and address for the authenticator, while codes are about to be switched on, and the address to scan.
    new_codes: Option<(String, String, Option<Scan>)>,
    /// By what else the account is known, each with its kind.
    identities: Vec<(&'static str, String)>,
    sessions: Vec<SessionLine>,
    done: Option<&'static str>,
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccountQuery {
    done: String,
    codes: String,
}

/// What the page is shown with.
#[derive(Default)]
struct With {
    done: Option<&'static str>,
    refusal: Option<String>,
    codes: bool,
}

async fn account(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<AccountQuery>) -> Response {
    let w = visitor.lang.words();
    let done = match q.done.as_str() {
        "password" => Some(w.password_changed),
        "codes-on" => Some(w.codes_now_on),
        "codes-off" => Some(w.codes_now_off),
        "ended" => Some(w.session_ended),
        _ => None,
    };
    let with = With { done, codes: !q.codes.is_empty(), ..With::default() };
    show(&site, &visitor, with).await.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

/// Whoever signed in with a browser; a station without accounts and programs have no page of their own.
fn own<'a>(site: &'a Site, visitor: &'a Visitor) -> Result<(&'a Arc<Access>, &'a Arc<Signed>), Trouble> {
    match (&site.door.access, visitor.who.signed()) {
        (Some(access), Some(signed)) if signed.session.is_some() => Ok((access, signed)),
        _ => Err(Trouble::NoPage),
    }
}

async fn show(site: &Site, visitor: &Visitor, with: With) -> Result<Response, Trouble> {
    let (access, signed) = own(site, visitor)?;
    let account = access.account(signed.account).await?;
    let login = account.login.clone();
    let c = site.ctx(visitor, Nav::Account).await?;
    let sessions = access.sessions(signed.account).await?;
    let sessions = sessions.iter().map(|s| session_line(s, &c));
    let new_codes = (with.codes && !signed.codes).then(|| {
        let secret = access.new_codes(signed);
        let address = codes::address(&secret, &c.frame.station_name, &login);
        let scan = Scan::of(&address);
        (codes::written(&secret), address, scan)
    });
    let roles: Vec<&str> = signed.roles.iter().map(|role| c.w.role(role)).collect();
    let status = if with.refusal.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AccountPage {
        name: &signed.name,
        login,
        roles: roles.join(" · "),
        until: account.until_ms.map(|ms| c.stamp(UtcMs(ms))),
        must_change: signed.must_change,
        codes_on: signed.codes,
        new_codes,
        identities: account
            .identities
            .iter()
            .map(|identity| (c.w.signed_in_by(identity.by()), identity.name()))
            .collect(),
        sessions: sessions.collect(),
        done: with.done,
        refusal: with.refusal,
        c: &c,
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// Back to the page with a word, or the page again with the refusal.
async fn changed(
    site: &Site,
    visitor: &Visitor,
    came: Result<Result<(), String>, Trouble>,
    done: &str,
    codes: bool,
) -> Response {
    let answer = match came {
        Ok(Ok(())) => Ok(Redirect::to(&format!("/account?done={done}")).into_response()),
        Ok(Err(refusal)) => {
            let visitor = Visitor { path: "/account".to_owned(), ..visitor.clone() };
            show(site, &visitor, With { refusal: Some(refusal), codes, ..With::default() }).await
        }
        Err(trouble) => Err(trouble),
    };
    answer.unwrap_or_else(|trouble| trouble.page(site, visitor))
}

fn told(refusal: OwnRefusal, w: &'static Words) -> String {
    match refusal {
        OwnRefusal::Wrong => w.password_wrong.to_owned(),
        OwnRefusal::Weak(weak) => w.weak(weak).to_owned(),
        OwnRefusal::WrongCode => format!("{} {}", w.sign_in_wrong_code, w.sign_in_wrong_code_detail),
        OwnRefusal::TooMany(seconds) => format!("{} {}", w.err_too_many, w.try_again_in(seconds)),
    }
}

#[derive(Deserialize)]
struct PasswordForm {
    present: Hidden,
    new: Hidden,
    again: Hidden,
}

async fn password(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<PasswordForm>, FormRejection>,
) -> Response {
    let w = visitor.lang.words();
    let came = async {
        let Form(form) = body?;
        let (access, signed) = own(&site, &visitor)?;
        if form.new != form.again {
            return Ok(Err(w.password_unlike.to_owned()));
        }
        let from = &visitor.caller.from;
        Ok(access.change_password(signed, &form.present.0, &form.new.0, from).await?.map_err(|r| told(r, w)))
    };
    changed(&site, &visitor, came.await, "password", false).await
}

#[derive(Deserialize)]
struct CodesForm {
    password: Hidden,
    #[serde(default)]
    code: Option<String>,
}

async fn set_codes(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<CodesForm>, FormRejection>,
) -> Response {
    let w = visitor.lang.words();
    let on = matches!(&body, Ok(Form(CodesForm { code: Some(_), .. })));
    let came = async {
        let Form(form) = body?;
        let (access, signed) = own(&site, &visitor)?;
        let from = &visitor.caller.from;
        Ok(access.set_codes(signed, &form.password.0, form.code.as_deref(), from).await?.map_err(|r| told(r, w)))
    };
    let came = came.await;
    changed(&site, &visitor, came, if on { "codes-on" } else { "codes-off" }, on).await
}

async fn end(State(site): State<Arc<Site>>, visitor: Visitor, Path(session): Path<String>) -> Response {
    let came = async {
        let (access, signed) = own(&site, &visitor)?;
        access.sign_out(signed, &session, &visitor.caller.from).await?;
        Ok(Ok(()))
    };
    changed(&site, &visitor, came.await, "ended", false).await
}
