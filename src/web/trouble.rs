//! What goes wrong between a visitor and an answer, told to people as a page and to programs as
//! `application/problem+json` (RFC 9457). Every telling says what to do next; none says what the machine
//! looks like inside.

use askama::Template;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::present::{Ctx, Nav};
use super::site::{ReadError, Site, Visitor};
use super::view::Frame;
use crate::access::AccessError;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ports::{DeriveError, FootageError, ProbeError};
use crate::domain::rights::Refusal;
use crate::domain::why::Why;
use crate::domain::words::Words;

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// No such page.
    NoPage,
    /// No such clip.
    NoClip,
    /// What a request was about is not there.
    Missing(Why),
    /// No such case.
    NoCase,
    /// The page is there, the method is not.
    Method,
    /// A name that is not this box.
    Host,
    /// A request from another site.
    Origin,
    /// The request says something that cannot be done.
    Invalid(Why),
    /// It contradicts what is there.
    Conflict(Why),
    /// Not now.
    Unavailable(Why),
    /// More than is taken.
    TooLarge,
    /// The range lies outside the file of this length.
    Range(u64),
    /// The clip is isolated as suspected classified.
    Isolated,
    /// Nothing can be derived of the clip, or nothing at that place.
    NoPreview,
    /// No copy that can be reached has the bytes as they were sealed; where that may pass, and what was tried.
    NoGoodCopy {
        /// Trying again may help.
        passing: bool,
        /// Each place, and what was wrong there.
        tried: String,
    },
    /// Nobody has signed in.
    SignIn,
    /// The station has no account, and the page is not bound to loopback.
    NoAccounts,
    /// Somebody else knows the password: it is changed first.
    NewPassword,
    /// They have no right to it.
    Forbidden(Refusal),
    /// Why they look at it must be said first.
    Purpose(Asking),
    /// A form that was not rendered for this session.
    FormToken,
    /// Too often; again after so many seconds.
    TooMany(u64),
    /// The request did not come to its end in time.
    TooSlow,
    /// Our fault.
    Failed,
}

/// What a purpose is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// What it will be remembered for: a hashed case or a clip.
    pub about: String,
    /// The clip that is looked at.
    pub clip: String,
}

/// A problem as programs see it (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status and `code` tell the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// What, in the visitor's language.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do next.
    pub detail: String,
    /// A stable word: `not_found`, `invalid`, `conflict`, `unavailable`, ...
    pub code: String,
    /// Why, where the station gave a reason: an object with its stable key in `why` and its parameters. `detail` is the same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<serde_json::Value>,
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Invalid(why) => Self::Invalid(why),
            ReadError::Conflict(why) => Self::Conflict(why),
            ReadError::Busy => Self::Unavailable(Why::Unsaid),
            ReadError::Failed(_) => {
                tracing::error!(error = %chain(&error), "a page could not be read");
                Self::Failed
            }
        }
    }
}

impl From<FootageError> for Trouble {
    fn from(error: FootageError) -> Self {
        match error {
            FootageError::Missing(_) => Self::NoClip,
            FootageError::Isolated => Self::Isolated,
            FootageError::Nowhere { tried, passing, .. } => Self::NoGoodCopy { passing, tried },
            FootageError::Store(_) => {
                tracing::error!(error = %chain(&error), "a clip could not be opened");
                Self::Failed
            }
        }
    }
}

impl From<AccessError> for Trouble {
    fn from(error: AccessError) -> Self {
        match error.retry() {
            Retry::Transient => Self::Unavailable(Why::Unsaid),
            _ => {
                tracing::error!(error = %chain(&error), "it could not be told who somebody is");
                Self::Failed
            }
        }
    }
}

impl From<DeriveError> for Trouble {
    fn from(error: DeriveError) -> Self {
        match error {
            DeriveError::Busy => Self::Unavailable(Why::Unsaid),
            DeriveError::Footage(error) => error.into(),
            DeriveError::Worker(ProbeError::CannotStart(_)) => {
                tracing::error!(error = %chain(&error), "nothing can be derived of clips; they are sealed and sent all the same");
                Self::Failed
            }
            DeriveError::Worker(error @ ProbeError::TooSlow(_)) => {
                tracing::info!(%error, "nothing was derived of a clip now");
                Self::Unavailable(Why::TookTooLong {})
            }
            DeriveError::Worker(error) => {
                tracing::info!(%error, "nothing was derived of a clip");
                Self::NoPreview
            }
        }
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be rendered");
        Self::Failed
    }
}

impl Trouble {
    /// From the code and the reason of a refused request.
    pub fn refused(code: &str, why: Why) -> Self {
        match code {
            "not_found" => Self::Missing(why),
            "conflict" => Self::Conflict(why),
            "unavailable" => Self::Unavailable(why),
            "forbidden" => Self::Forbidden(Refusal::Role),
            _ => Self::Invalid(why),
        }
    }

    /// The reason that the station gave.
    fn why(&self) -> Option<&Why> {
        match self {
            Self::Missing(why) | Self::Invalid(why) | Self::Conflict(why) | Self::Unavailable(why) => Some(why),
            _ => None,
        }
    }

    /// Case numbers that were perhaps meant, each by itself.
    pub fn meant(&self) -> Vec<String> {
        self.why().map(Why::meant).unwrap_or_default()
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoPage | Self::NoClip | Self::NoCase | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::NoAccounts | Self::NewPassword | Self::FormToken => StatusCode::FORBIDDEN,
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Purpose(_) => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Isolated => StatusCode::FORBIDDEN,
            Self::NoPreview => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoGoodCopy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPage | Self::NoClip | Self::NoCase | Self::Missing(_) => "not_found",
            Self::Method => "method_not_allowed",
            Self::Host => "wrong_host",
            Self::Origin => "wrong_origin",
            Self::Invalid(_) => "invalid",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "unavailable",
            Self::TooLarge => "too_large",
            Self::Range(_) => "range",
            Self::Isolated => "isolated",
            Self::NoPreview => "no_preview",
            Self::NoGoodCopy { .. } => "no_good_copy",
            Self::SignIn => "sign_in",
            Self::NoAccounts => "no_accounts",
            Self::NewPassword => "new_password",
            Self::Forbidden(_) => "forbidden",
            Self::Purpose(_) => "purpose",
            Self::FormToken => "form_token",
            Self::TooMany(_) => "too_many",
            Self::TooSlow => "too_slow",
            Self::Failed => "failed",
        }
    }

    /// What, and what to do next.
    pub fn told(&self, w: &Words) -> (&'static str, String) {
        let told = |why: &Why, otherwise: &str| {
            let words = why.told(w.lang);
            if words.is_empty() { otherwise.to_owned() } else { words }
        };
        match self {
            Self::NoPage => (w.err_not_found, w.err_not_found_detail.into()),
            Self::NoClip => (w.err_clip_not_found, w.err_clip_not_found_detail.into()),
            Self::NoCase => (w.err_case_not_found, w.no_case_match_detail.into()),
            Self::Missing(m) => (w.err_missing, told(m, w.err_invalid_detail)),
            Self::Method => (w.err_method, w.err_method_detail.into()),
            Self::Host => (w.err_host, w.err_host_detail.into()),
            Self::Origin => (w.err_origin, w.err_origin_detail.into()),
            Self::Invalid(m) => (w.err_invalid, told(m, w.err_invalid_detail)),
            Self::Conflict(m) => (w.err_conflict, told(m, w.err_invalid_detail)),
            Self::Unavailable(m) => (w.err_unavailable, told(m, w.err_unavailable_detail)),
            Self::TooLarge => (w.err_too_large, w.err_too_large_detail.into()),
            Self::Range(_) => (w.err_range, w.err_invalid_detail.into()),
            Self::Isolated => (w.err_isolated, w.err_isolated_detail.into()),
            Self::NoPreview => (w.err_no_preview, w.err_no_preview_detail.into()),
            Self::NoGoodCopy { passing, tried } => {
                let detail = if *passing { w.err_no_copy_now_detail } else { w.err_no_copy_detail };
                (w.err_no_copy, format!("{detail} ({tried})"))
            }
            Self::SignIn => (w.err_sign_in, w.err_sign_in_detail.into()),
            Self::NoAccounts => (w.err_no_accounts, w.err_no_accounts_detail.into()),
            Self::NewPassword => (w.must_change, w.must_change_detail.into()),
            Self::Forbidden(refusal) => (w.err_forbidden, w.refusal(*refusal).into()),
            Self::Purpose(_) => (w.purpose_title, w.purpose_for_programs.into()),
            Self::FormToken => (w.err_form_token, w.err_form_token_detail.into()),
            Self::TooMany(seconds) => (w.err_too_many, w.try_again_in(*seconds)),
            Self::TooSlow => (w.err_too_slow, w.err_unavailable_detail.into()),
            Self::Failed => (w.err_failed, w.err_failed_detail.into()),
        }
    }

    /// For programs.
    pub fn problem(&self, visitor: &Visitor) -> Response {
        let (title, detail) = self.told(visitor.lang.words());
        let status = self.status();
        let body = Problem {
            kind: "about:blank".into(),
            title: title.into(),
            status: status.as_u16(),
            detail,
            code: self.code().into(),
            // What has a key; words that were already chosen for this reader say nothing more.
            why: self
                .why()
                .filter(|why| !matches!(why, Why::Unsaid | Why::Said { .. } | Why::Failed { .. }))
                .and_then(|why| serde_json::to_value(why).ok()),
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.extras(response)
    }

    /// For people.
    pub fn page(&self, site: &Site, visitor: &Visitor) -> Response {
        match self {
            // To the door, and from there back to where they wanted to go.
            Self::SignIn => return self.extras(super::signin::to_the_door(visitor)),
            Self::NewPassword => return Redirect::to("/account").into_response(),
            Self::Purpose(asking) => {
                if let Ok(page) = super::purpose::page(site, visitor, asking) {
                    return (self.status(), page).into_response();
                }
            }
            _ => {}
        }
        // The frame is left empty: whatever failed must not be needed to say so.
        let c = site.ctx_with(visitor, Nav::Other, Frame { alarms: 0, ..Frame::default() });
        let (title, detail) = self.told(c.w);
        // Who only asked was to save nothing.
        let title = if visitor.safe && matches!(self, Self::Invalid(_)) { c.w.err_asked } else { title };
        let page = ErrorPage { c: &c, status: self.status().as_u16(), title, detail };
        let html = page.render().unwrap_or_else(|_| self.code().to_owned());
        self.extras((self.status(), Html(html)).into_response())
    }

    /// As a page or as a problem, by where the request went.
    pub fn answer(&self, site: &Site, visitor: &Visitor) -> Response {
        if visitor.caller.via == "api" { self.problem(visitor) } else { self.page(site, visitor) }
    }

    fn extras(&self, mut response: Response) -> Response {
        if let Self::Range(len) = self
            && let Ok(value) = HeaderValue::from_str(&format!("bytes */{len}"))
        {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        if let Self::SignIn = self {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
        }
        let again = match self {
            Self::Unavailable(Why::TookTooLong {}) => "60",
            Self::Unavailable(_) | Self::NoGoodCopy { passing: true, .. } => "2",
            _ => return response,
        };
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(again));
        response
    }
}

/// Longest refusal of an extractor that is told.
const REFUSAL_BYTES: usize = 4096;

/// What a handler's extractor refused in its own words (axum answers `text/plain`) as a page or a problem like any other.
pub(super) async fn in_words(response: Response, site: &Site, visitor: &Visitor) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // What axum's extractors answer with.
    let ours = matches!(response.status().as_u16(), 400 | 413 | 415 | 422);
    // The witness's door speaks a protocol of its own, in plain text.
    if !ours || !kind.starts_with("text/plain") || super::proofs::is_witness_door(&visitor.path) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, REFUSAL_BYTES).await.unwrap_or_default();
    let trouble = match parts.status {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
        _ => Trouble::Invalid(Why::NotReadable { detail: String::from_utf8_lossy(&said).into_owned() }),
    };
    trouble.answer(site, visitor)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    c: &'a Ctx,
    status: u16,
    title: &'static str,
    detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rights::Role;
    use crate::domain::words::Lang;

    /// Each of them, with who is named as the one to ask. `None` where whoever reads it goes on by themselves.
    fn each() -> Vec<(Trouble, Option<Role>)> {
        use Role::{Archivist, DepartmentHead, SecurityAdministrator, SystemAdministrator};
        let all = vec![
            (Trouble::NoPage, None),
            (Trouble::NoClip, Some(Archivist)),
            (Trouble::Missing(Why::Unsaid), None),
            (Trouble::NoCase, None),
            (Trouble::Method, None),
            (Trouble::Host, Some(SystemAdministrator)),
            (Trouble::Origin, None),
            (Trouble::Invalid(Why::Unsaid), None),
            (Trouble::Conflict(Why::Unsaid), None),
            (Trouble::Unavailable(Why::Unsaid), Some(SystemAdministrator)),
            (Trouble::TooLarge, None),
            (Trouble::Range(1), None),
            (Trouble::Isolated, Some(DepartmentHead)),
            (Trouble::Isolated, Some(Archivist)),
            (Trouble::NoPreview, Some(Archivist)),
            (Trouble::NoGoodCopy { passing: true, tried: "x".into() }, Some(SystemAdministrator)),
            (Trouble::NoGoodCopy { passing: false, tried: "x".into() }, Some(SystemAdministrator)),
            (Trouble::SignIn, Some(SecurityAdministrator)),
            (Trouble::NoAccounts, Some(SystemAdministrator)),
            (Trouble::NewPassword, None),
            (Trouble::Forbidden(Refusal::Role), Some(SecurityAdministrator)),
            (Trouble::Forbidden(Refusal::NotTheirs), Some(Archivist)),
            (Trouble::Forbidden(Refusal::Sensitivity), Some(Archivist)),
            (Trouble::Purpose(Asking::default()), None),
            (Trouble::FormToken, None),
            (Trouble::TooMany(3), None),
            (Trouble::TooSlow, Some(SystemAdministrator)),
            (Trouble::Failed, Some(SystemAdministrator)),
        ];
        // Another refusal that is not in the list above does not compile here.
        for (trouble, _) in &all {
            match trouble {
                Trouble::NoPage | Trouble::NoClip | Trouble::Missing(_) | Trouble::NoCase | Trouble::Method => {}
                Trouble::Host | Trouble::Origin | Trouble::Invalid(_) | Trouble::Conflict(_) => {}
                Trouble::Unavailable(_) | Trouble::TooLarge | Trouble::Range(_) | Trouble::Isolated => {}
                Trouble::NoPreview | Trouble::NoGoodCopy { .. } | Trouble::SignIn | Trouble::NoAccounts => {}
                Trouble::NewPassword | Trouble::Forbidden(_) | Trouble::Purpose(_) | Trouble::FormToken => {}
                Trouble::TooMany(_) | Trouble::TooSlow | Trouble::Failed => {}
            }
        }
        all
    }

    #[test]
    fn every_refusal_says_what_to_do_next_and_whom_to_ask() {
        for lang in Lang::ALL {
            let w = lang.words();
            for (trouble, whom) in each() {
                let (title, detail) = trouble.told(w);
                assert!(!title.is_empty(), "{trouble:?}");
                let steps: &[&str] = match lang {
                    Lang::Zh => &["请", "再试", "核对", "给出", "改成"],
                    Lang::En => &[
                        "sk ",
                        "sks ",
                        "ell ",
                        "ry again",
                        "heck",
                        "orrect",
                        "se the",
                        "pen it",
                        "o it again",
                        "plit",
                        "hoose",
                        "oad",
                        "ive it",
                    ],
                };
                assert!(steps.iter().any(|step| detail.contains(step)), "{trouble:?} only states: {detail}");
                let role = whom.map(|role| w.role(role).to_lowercase());
                if let Some(role) = &role {
                    assert!(detail.to_lowercase().contains(role), "{trouble:?} does not name {role}: {detail}");
                }
                // Who stands before a page types no command; who runs the station is named where there is one.
                if ["evidock ", "journalctl"].iter().any(|command| detail.contains(command)) {
                    let named =
                        [Role::SystemAdministrator, Role::SecurityAdministrator].map(|r| w.role(r).to_lowercase());
                    assert!(named.iter().any(|role| detail.to_lowercase().contains(role)), "{trouble:?}: {detail}");
                }
            }
        }
    }
}
