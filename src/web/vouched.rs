//! The door for whoever comes another way than by password: from an identity provider, or with a certificate that the browser
//! showed. What is checked is `access`'s; here are cookies, pages and where one goes next.
//!
//! Whoever comes back from the provider comes from another site. The session's cookie is `SameSite=Strict`: browsers send it
//! with no request that another site began, and a redirect goes on with what that site began. So the answer is a page of ours,
//! which sets the cookie and then, by itself, asks for where they wanted to go: that request is our own. The cookie by which
//! the browser is known again in between is `SameSite=Lax`, or it would not come back; it opens nothing.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::local_path;
use super::present::{Ctx, Nav};
use super::routes::{Need, Routes};
use super::signin::{self, access, trying};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::view::Frame;
use super::who::{Who, cookie, set_cookie};
use crate::access::certificate::CertificateRefusal;
use crate::access::oidc::{BACK_WITHIN, CameBack, NotLetIn};
use crate::domain::words::Words;

/// Where the provider sends browsers back to.
const RETURN: &str = "/signin/oidc/return";

/// The ways in.
pub fn routes(r: Routes) -> Routes {
    r.get("/signin/oidc", Need::Anyone, begin).get(RETURN, Need::Anyone, come_back).post(
        "/signin/certificate",
        Need::Anyone,
        certificate,
    )
}

/// Name of the cookie by which a browser that went to the provider is known again.
fn browser_cookie(site: &Site) -> &'static str {
    if site.door.tls { "__Host-evidock-way" } else { "evidock-way" }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BeginQuery {
    next: String,
}

async fn begin(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(q): Query<BeginQuery>,
) -> Response {
    let Some(access) = access(&site).filter(|a| a.oidc_issuer().is_some()) else {
        return Trouble::NoPage.page(&site, &visitor);
    };
    if matches!(visitor.who, Who::Signed { .. }) {
        return Redirect::to(local_path(&q.next)).into_response();
    }
    // The guard has let through no name but ours.
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let redirect = format!("{}://{host}{RETURN}", if site.door.tls { "https" } else { "http" });
    let before = cookie(&headers, browser_cookie(&site));
    match access.oidc_begin(before, redirect, local_path(&q.next), &visitor.caller.from).await {
        Ok(way) => {
            let kept = format!(
                "{}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
                browser_cookie(&site),
                way.browser,
                BACK_WITHIN.as_secs()
            );
            let (Ok(kept), Ok(location)) = (HeaderValue::from_str(&kept), HeaderValue::from_str(&way.location)) else {
                return Trouble::Failed.page(&site, &visitor);
            };
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, kept), (header::LOCATION, location)]).into_response()
        }
        Err(refusal) => refused(&site, &visitor, refusal, &q.next).await,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReturnQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

#[derive(Template)]
#[template(path = "inside.html")]
struct InsidePage<'a> {
    c: &'a Ctx,
    next: &'a str,
}

async fn come_back(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(q): Query<ReturnQuery>,
) -> Response {
    // What the address says is nothing to come back to.
    let visitor = Visitor { path: "/signin".to_owned(), ..visitor };
    let answer = async {
        let access = access(&site).filter(|a| a.oidc_issuer().is_some()).ok_or(Trouble::NoPage)?;
        let came = CameBack { code: q.code, state: q.state, error: q.error, issuer: q.iss };
        let browser = cookie(&headers, browser_cookie(&site));
        match access.oidc_come_back(browser, &came, &trying(&visitor, &headers)).await? {
            Ok(inside) => {
                let c = site.ctx_with(&visitor, Nav::Other, Frame::default());
                let html = InsidePage { c: &c, next: local_path(&inside.next) }.render()?;
                Ok(([(header::SET_COOKIE, set_cookie(&site, Some(&inside.token.0)))], Html(html)).into_response())
            }
            Err(refusal) => Ok(refused(&site, &visitor, refusal, "/").await),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn refused(site: &Site, visitor: &Visitor, refusal: NotLetIn, next: &str) -> Response {
    let w = visitor.lang.words();
    let (status, told, wait) = match refusal {
        NotLetIn::TooMany(seconds) => too_many(seconds, w),
        NotLetIn::TooLate => (StatusCode::UNAUTHORIZED, w.refused_too_late(), None),
        NotLetIn::Declined(word) => (StatusCode::UNAUTHORIZED, w.refused_by_provider(&word), None),
        NotLetIn::Provider { passing: true } => (StatusCode::SERVICE_UNAVAILABLE, w.provider_away(true), None),
        NotLetIn::Provider { passing: false } => (StatusCode::BAD_GATEWAY, w.provider_away(false), None),
        NotLetIn::Token => (StatusCode::BAD_GATEWAY, w.provider_not_believed(), None),
        NotLetIn::Unbound(subject) => (StatusCode::UNAUTHORIZED, w.unbound(&subject), None),
        NotLetIn::Closed => (StatusCode::UNAUTHORIZED, (w.sign_in_closed, w.sign_in_closed_detail.into()), None),
    };
    signin::again(site, visitor, status, next, told, wait).await
}

type Told = (StatusCode, (&'static str, String), Option<u64>);

fn too_many(seconds: u64, w: &'static Words) -> Told {
    (StatusCode::TOO_MANY_REQUESTS, (w.err_too_many, w.try_again_in(seconds)), Some(seconds))
}

#[derive(Deserialize)]
struct CertificateForm {
    #[serde(default)]
    next: String,
}

async fn certificate(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Form<CertificateForm>, FormRejection>,
) -> Response {
    let answer = async {
        let access = access(&site).ok_or(Trouble::NoPage)?;
        let authority = site.door.client_ca.as_ref().ok_or(Trouble::NoPage)?;
        let Form(form) = body?;
        let shown = visitor.shown.as_ref();
        match access.sign_in_by_certificate(authority, shown, &trying(&visitor, &headers)).await? {
            Ok(token) => {
                let kept = set_cookie(&site, Some(&token.0));
                Ok(([(header::SET_COOKIE, kept)], Redirect::to(local_path(&form.next))).into_response())
            }
            Err(refusal) => {
                let (status, told, wait) = of_certificate(refusal, visitor.lang.words());
                Ok(signin::again(&site, &visitor, status, &form.next, told, wait).await)
            }
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

fn of_certificate(refusal: CertificateRefusal, w: &'static Words) -> Told {
    let told = match refusal {
        CertificateRefusal::TooMany(seconds) => return too_many(seconds, w),
        CertificateRefusal::None => w.certificate_none(),
        CertificateRefusal::Expired => w.certificate_out_of_time(true),
        CertificateRefusal::NotYet => w.certificate_out_of_time(false),
        CertificateRefusal::Foreign => w.certificate_not_ours(true),
        CertificateRefusal::Unusable => w.certificate_not_ours(false),
        CertificateRefusal::Unbound(fingerprint) => w.unbound(&fingerprint.to_string()),
        CertificateRefusal::Closed => (w.sign_in_closed, w.sign_in_closed_detail.into()),
    };
    (StatusCode::UNAUTHORIZED, told, None)
}
