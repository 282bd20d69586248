//! How routes are declared: each with what it needs. There is no other way to add one, so that a route without a rule does
//! not compile; a test walks through all of them for every role.
//!
//! What a route needs is checked before its handler reads anything. Where the answer depends on a clip, whose it is and its
//! label are looked up by the `{id}` of the path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::BODY_BYTES;
use super::site::{Site, Visitor};
use super::trouble::{Asking, Trouble};
use super::who::{Said, Who};
use crate::access::Signed;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision, Subject};

/// A change that has not come to its end by then is given up: its sender is slow, or does not mean to end.
const CHANGE_WITHIN: Duration = Duration::from_secs(120);
/// Longest purpose, characters.
pub const PURPOSE_CHARS: usize = 200;
/// Where a program says why.
const PURPOSE_HEADER: HeaderName = HeaderName::from_static("x-purpose");
/// Where a script of our page says that it is ours.
const FORM_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing of people, cases or footage.
    Anyone,
    /// That somebody signed in: it is about themselves.
    SignedIn,
    /// A right.
    May(Action),
}

/// A route as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The method.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

/// Routes, each with what it needs.
pub struct Routes {
    site: Arc<Site>,
    router: Router<Arc<Site>>,
    declared: Vec<Declared>,
}

impl Routes {
    /// None yet.
    pub fn new(site: &Arc<Site>) -> Self {
        Self { site: Arc::clone(site), router: Router::new(), declared: Vec::new() }
    }

    /// `GET` and `HEAD`.
    pub fn get<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("GET", path, need, on(MethodFilter::GET, handler))
    }

    /// `POST`.
    pub fn post<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("POST", path, need, on(MethodFilter::POST, handler))
    }

    /// `POST` of a body that is longer than others.
    pub fn post_up_to<H: Handler<T, Arc<Site>>, T: 'static>(
        self,
        path: &'static str,
        need: Need,
        bytes: usize,
        handler: H,
    ) -> Self {
        self.add("POST", path, need, on(MethodFilter::POST, handler).layer(DefaultBodyLimit::max(bytes)))
    }

    /// `PATCH`.
    pub fn patch<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("PATCH", path, need, on(MethodFilter::PATCH, handler))
    }

    /// `DELETE`.
    pub fn delete<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("DELETE", path, need, on(MethodFilter::DELETE, handler))
    }

    fn add(mut self, method: &'static str, path: &'static str, need: Need, handler: MethodRouter<Arc<Site>>) -> Self {
        self.declared.push(Declared { method, path, need });
        let guarded = Guarded { site: Arc::clone(&self.site), need };
        let handler = handler.route_layer(middleware::from_fn_with_state(guarded, check));
        self.router = self.router.route(path, handler);
        self
    }

    /// What was declared.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// To be served.
    pub(super) fn into_router(self) -> Router<Arc<Site>> {
        self.router
    }
}

#[derive(Clone)]
struct Guarded {
    site: Arc<Site>,
    need: Need,
}

/// Checks what a route needs, then lets it answer.
async fn check(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let Guarded { site, need } = guarded;
    let (mut parts, body) = request.into_parts();
    let checked = admit(&site, need, &mut parts).await;
    let visitor = Visitor::of(&parts, site.language);
    let request = match checked {
        Ok(()) => Request::from_parts(parts, body),
        Err(trouble) => return trouble.answer(&site, &visitor),
    };
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let changing = async {
        match with_form_token(need, &visitor.who, request).await {
            Ok(request) => next.run(request).await,
            Err(trouble) => trouble.answer(&site, &visitor),
        }
    };
    tokio::time::timeout(CHANGE_WITHIN, changing).await.unwrap_or_else(|_| Trouble::TooSlow.answer(&site, &visitor))
}

async fn admit(site: &Site, need: Need, parts: &mut axum::http::request::Parts) -> Result<(), Trouble> {
    let who = parts.extensions.get::<Who>().cloned().unwrap_or_default();
    let signed = match (need, &who) {
        (Need::Anyone, _) | (_, Who::Open) => return Ok(()),
        (_, Who::Nobody) => return Err(nobody(site)),
        (_, Who::Signed { signed, .. }) => Arc::clone(signed),
    };
    let Need::May(action) = need else { return Ok(()) };
    if signed.must_change {
        return Err(Trouble::NewPassword);
    }
    let visitor = Visitor::of(parts, site.language);
    let about = match action.is_about_a_clip() {
        true => Some(clip_of(parts).await?),
        false => None,
    };
    let said = may(site, &visitor, &signed, action, about, &parts.headers).await?;
    if let Some(said) = said {
        parts.extensions.insert(Said(said));
    }
    Ok(())
}

/// Whether somebody may do this, and what they said they look for where that is asked. A refusal is logged.
pub(super) async fn may(
    site: &Site,
    visitor: &Visitor,
    signed: &Signed,
    action: Action,
    about: Option<ClipId>,
    headers: &HeaderMap,
) -> Result<Option<String>, Trouble> {
    let (subject, case) = match about {
        None => (Subject::STATION, None),
        Some(clip) => {
            let standing = site.pages.standing(clip, signed.account).await?.ok_or(Trouble::NoClip)?;
            (standing.subject, standing.case)
        }
    };
    match signed.decide(action, &subject) {
        Decision::Allowed { purpose: false } => Ok(None),
        // What is about no clip, and asks for a purpose, has a field of its own for it.
        Decision::Allowed { purpose: true } if about.is_none() => Ok(None),
        Decision::Allowed { purpose: true } => {
            let clip = about.map(|clip| clip.to_string()).unwrap_or_default();
            // What is said about a case holds for every clip of it.
            let key = case.unwrap_or_else(|| clip.clone());
            let remembered = match (&site.door.access, &signed.session) {
                (Some(access), Some(session)) => access.purpose(session, &key),
                _ => purpose_of_program(headers),
            };
            match remembered {
                Some(said) => Ok(Some(said)),
                None => Err(Trouble::Purpose(Asking { about: key, clip })),
            }
        }
        Decision::Refused(refusal) => {
            site.log_refusal(visitor, action, refusal.as_str(), about).await;
            Err(Trouble::Forbidden(refusal))
        }
    }
}

/// A right that a handler needs besides its route's, as saving a clip beside playing it.
pub(super) async fn also(
    site: &Site,
    visitor: &Visitor,
    action: Action,
    clip: ClipId,
    headers: &HeaderMap,
) -> Result<Option<String>, Trouble> {
    match &visitor.who {
        Who::Open => Ok(None),
        Who::Nobody => Err(Trouble::SignIn),
        Who::Signed { signed, .. } => may(site, visitor, signed, action, Some(clip), headers).await,
    }
}

fn nobody(site: &Site) -> Trouble {
    match &site.door.access {
        Some(access) if access.is_open() => Trouble::NoAccounts,
        _ => Trouble::SignIn,
    }
}

async fn clip_of(parts: &mut axum::http::request::Parts) -> Result<ClipId, Trouble> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Trouble::NoClip)?;
    let id = params.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.parse::<ClipId>());
    id.and_then(Result::ok).ok_or(Trouble::NoClip)
}

/// A purpose as a program says it: percent-encoded UTF-8.
fn purpose_of_program(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(PURPOSE_HEADER)?.to_str().ok()?;
    let said = percent_encoding::percent_decode_str(said).decode_utf8().ok()?;
    purpose(&said)
}

/// A purpose as it is kept; `None` where nothing was said.
pub(super) fn purpose(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(PURPOSE_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

/// A change by somebody with a cookie carries the token of a form that we rendered for them. The field goes before the
/// handler sees the form.
async fn with_form_token(need: Need, who: &Who, request: Request) -> Result<Request, Trouble> {
    let Who::Signed { form_token: Some(wanted), .. } = who else { return Ok(request) };
    if need == Need::Anyone {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if text(FORM_HEADER) == wanted {
        return Ok(Request::from_parts(parts, body));
    }
    if !text(header::CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") {
        return Err(Trouble::FormToken);
    }
    let bytes = to_bytes(body, BODY_BYTES).await.map_err(|_| Trouble::TooLarge)?;
    let (mine, others): (Vec<&[u8]>, Vec<&[u8]>) =
        bytes.split(|b| *b == b'&').partition(|pair| pair.starts_with(b"csrf="));
    if !mine.iter().any(|pair| pair[5..] == *wanted.as_bytes()) {
        return Err(Trouble::FormToken);
    }
    let rest = others.join(&b'&');
    let mut parts = parts;
    parts.headers.insert(header::CONTENT_LENGTH, rest.len().into());
    Ok(Request::from_parts(parts, Body::from(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(token: &str) -> Who {
        let signed = Signed {
            actor: crate::domain::event::Actor::user(1),
            account: 1,
            name: "a".into(),
            roles: crate::domain::rights::Roles::default(),
            scopes: None,
            session: Some("s".into()),
            must_change: false,
            codes: false,
        };
        Who::Signed { signed: Arc::new(signed), form_token: Some(token.into()) }
    }

    async fn form(body: &str, kind: &'static str) -> Result<String, Trouble> {
        let request = axum::http::Request::post("/x")
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let request = with_form_token(Need::SignedIn, &who("abc"), request).await?;
        let bytes = to_bytes(request.into_body(), 1 << 20).await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_form_carries_its_token_and_hands_on_the_rest() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(form("a=1&csrf=abc&b=2", kind).await.unwrap(), "a=1&b=2");
        assert_eq!(form("csrf=abc", kind).await.unwrap(), "");
        for bad in ["a=1", "csrf=abd", "csrf=", "xcsrf=abc", "csrf=abcd"] {
            assert!(matches!(form(bad, kind).await, Err(Trouble::FormToken)), "{bad}");
        }
        assert!(matches!(form("{\"csrf\":\"abc\"}", "application/json").await, Err(Trouble::FormToken)));
        assert!(matches!(form(&format!("csrf=abc&a={}", "x".repeat(BODY_BYTES)), kind).await, Err(Trouble::TooLarge)));
    }

    #[test]
    fn a_purpose_is_one_bounded_line() {
        assert_eq!(purpose(" 案卷\n评查 "), Some("案卷评查".into()));
        assert_eq!(purpose(" \n "), None);
        assert_eq!(purpose(&"长".repeat(500)).unwrap().chars().count(), PURPOSE_CHARS);
        let mut headers = HeaderMap::new();
        headers.insert(PURPOSE_HEADER, "%E6%A1%88%E5%8D%B7".parse().unwrap());
        assert_eq!(purpose_of_program(&headers), Some("案卷".into()));
    }
}
