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
use super::lasting::{self, Taker};
use super::purpose;
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::view::keeping::Named;
use super::who::{Said, Who};
use crate::access::Signed;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision, Refusal, Subject};
use crate::domain::sensitivity::Sensitivity;
use crate::store::Reach;

/// A change that has not come to its end by then is given up: its sender is slow, or does not mean to end.
const CHANGE_WITHIN: Duration = Duration::from_secs(120);
/// The same for a file of hundreds of megabytes over a thin line.
const FILE_WITHIN: Duration = Duration::from_secs(3_600);
/// What is neither somebody's own nor their unit's, nor was sent to them.
pub(super) const NOBODYS: Subject = Subject { own: false, unit: false, sent: false, sensitivity: Sensitivity::None };
/// What is done to a case by doing it with each of its clips at once. Calling a case back and re-opening it are not: they are
/// the ways back.
const WITH_EACH_CLIP: [Action; 3] = [Action::CloseCase, Action::FileCase, Action::PlaceHold];
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
    /// A right over the clip, where why is a field of what is sent: the handler keeps it and takes nothing without it, and no
    /// purpose is asked besides.
    WithReason(Action),
    /// A right over each clip of the case `{number}`, or of what stands under the hold `{hold}`.
    Over(Action),
    /// A right over the case `{number}` itself, which may be a new one: by whose it is, and to whom it stands sent.
    Case(Action),
    /// A right over what is recorded in the room `{stream}` now.
    Room(Action),
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
        let handler = on(MethodFilter::POST, handler).layer(DefaultBodyLimit::max(bytes));
        self.add_of("POST", path, need, BodyForm::Whole(bytes), handler)
    }

    /// `POST` of a file, read as it comes by its handler, which bounds it.
    pub fn post_slow<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add_of("POST", path, need, BodyForm::Streamed, on(MethodFilter::POST, handler))
    }

    /// `PATCH`.
    pub fn patch<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("PATCH", path, need, on(MethodFilter::PATCH, handler))
    }

    /// `DELETE`.
    pub fn delete<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.add("DELETE", path, need, on(MethodFilter::DELETE, handler))
    }

    fn add(self, method: &'static str, path: &'static str, need: Need, handler: MethodRouter<Arc<Site>>) -> Self {
        self.add_of(method, path, need, BodyForm::Whole(BODY_BYTES), handler)
    }

    fn add_of(
        mut self,
        method: &'static str,
        path: &'static str,
        need: Need,
        body: BodyForm,
        handler: MethodRouter<Arc<Site>>,
    ) -> Self {
        self.declared.push(Declared { method, path, need });
        let guarded = Guarded { site: Arc::clone(&self.site), need, body };
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

/// How the body of a change comes.
#[derive(Debug, Clone, Copy)]
enum BodyForm {
    /// At most so many bytes, which a repeated change is compared by.
    Whole(usize),
    /// A file, which its handler knows again by its digest.
    Streamed,
}

#[derive(Clone)]
struct Guarded {
    site: Arc<Site>,
    need: Need,
    body: BodyForm,
}

/// Checks what a route needs, then lets it answer.
async fn check(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let Guarded { site, need, body: form } = guarded;
    let (mut parts, body) = request.into_parts();
    let checked = admit(&site, need, &mut parts).await;
    let visitor = Visitor::of(&parts, site.language);
    if let Err(trouble) = checked {
        return trouble.answer(&site, &visitor);
    }
    let over = match need {
        Need::May(action) | Need::WithReason(action) if action.is_about_a_clip() => {
            clip_of(&mut parts).await.ok().map(|clip| (action, clip))
        }
        _ => None,
    };
    let taker = Taker::of(&site, &visitor.who, &parts.headers, over);
    let request = Request::from_parts(parts, body);
    if request.method().is_safe() {
        let answer = super::trouble::in_words(next.run(request).await, &site, &visitor).await;
        return lasting::bound(answer, taker);
    }
    let changing = async {
        match (with_form_token(need, &visitor.who, request).await, form) {
            (Ok(request), BodyForm::Whole(bytes)) => super::repeat::once(&site, &visitor, bytes, request, next).await,
            (Ok(request), BodyForm::Streamed) => match super::repeat::checked(request.headers()) {
                Ok(()) => next.run(request).await,
                Err(trouble) => trouble.answer(&site, &visitor),
            },
            (Err(trouble), _) => trouble.answer(&site, &visitor),
        }
    };
    let within = match form {
        BodyForm::Whole(_) => CHANGE_WITHIN,
        BodyForm::Streamed => FILE_WITHIN,
    };
    // Who sends a file for an hour is looked at meanwhile, like who takes one.
    let shut_out = async {
        match (form, &taker) {
            (BodyForm::Streamed, Some(taker)) => taker.shut_out().await,
            _ => std::future::pending().await,
        }
    };
    let answer = tokio::select! {
        changed = tokio::time::timeout(within, changing) => {
            changed.unwrap_or_else(|_| Trouble::TooSlow.answer(&site, &visitor))
        }
        () = shut_out => Trouble::SignIn.answer(&site, &visitor),
    };
    lasting::bound(super::trouble::in_words(answer, &site, &visitor).await, taker)
}

async fn admit(site: &Site, need: Need, parts: &mut axum::http::request::Parts) -> Result<(), Trouble> {
    let who = parts.extensions.get::<Who>().cloned().unwrap_or_default();
    let signed = match (need, &who) {
        (Need::Anyone, _) | (_, Who::Open) => return Ok(()),
        (_, Who::Nobody) => return Err(nobody(site)),
        (_, Who::Signed { signed, .. }) => Arc::clone(signed),
    };
    let action = match need {
        Need::May(action) | Need::WithReason(action) | Need::Over(action) | Need::Case(action) | Need::Room(action) => {
            action
        }
        Need::Anyone | Need::SignedIn => return Ok(()),
    };
    if signed.must_change {
        return Err(Trouble::NewPassword);
    }
    let visitor = Visitor::of(parts, site.language);
    let said = match need {
        Need::Over(_) => return over(site, &visitor, &signed, action, parts).await,
        Need::Case(_) => return over_case(site, &visitor, &signed, action, parts).await,
        Need::Room(_) => {
            let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Trouble::NoPage)?;
            let (_, room) = params.iter().find(|(name, _)| *name == "stream").ok_or(Trouble::NoPage)?;
            super::rooms::admit(site, &visitor, &signed, action, room, &parts.headers).await?
        }
        _ => {
            let about = match action.is_about_a_clip() {
                true => Some(clip_of(parts).await?),
                false => None,
            };
            match may(site, &visitor, &signed, action, about, &parts.headers).await {
                // What was typed into its form would be lost over the question.
                Err(Trouble::Purpose(_)) if matches!(need, Need::WithReason(_)) => None,
                said => said?,
            }
        }
    };
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
        // What is about no clip, or about what becomes of one, and asks for a purpose, has a field of its own for it.
        Decision::Allowed { purpose: true } => match about.filter(|_| !action.keeps_footage()) {
            None => Ok(None),
            Some(clip) => {
                let asking = purpose::asking(clip, case);
                let said = purpose::said(site, signed, &asking.about, headers);
                said.map(Some).ok_or(Trouble::Purpose(asking))
            }
        },
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

/// Whether the table lets them do this to a clip: what its page shows and offers. Nothing is refused, and nothing logged.
pub(super) async fn shows(site: &Site, visitor: &Visitor, action: Action, clip: ClipId) -> Result<bool, Trouble> {
    let Who::Signed { signed, .. } = &visitor.who else { return Ok(matches!(visitor.who, Who::Open)) };
    let standing = site.pages.standing(clip, signed.account).await?.ok_or(Trouble::NoClip)?;
    Ok(matches!(signed.decide(action, &standing.subject), Decision::Allowed { .. }))
}

/// Whoever looks, as their look at a clip would be logged: with what they said they look for. `None`: it is not theirs to see, or
/// why they look was not said. They asked for something else, so that nothing is refused, and nothing logged.
pub(super) async fn looking(
    site: &Site,
    visitor: &Visitor,
    action: Action,
    clip: ClipId,
) -> Result<Option<Visitor>, Trouble> {
    let Who::Signed { signed, .. } = &visitor.who else {
        return Ok(matches!(visitor.who, Who::Open).then(|| visitor.clone()));
    };
    let standing = site.pages.standing(clip, signed.account).await?.ok_or(Trouble::NoClip)?;
    let mut looking = visitor.clone();
    match signed.decide(action, &standing.subject) {
        Decision::Refused(_) => return Ok(None),
        Decision::Allowed { purpose: false } => {}
        Decision::Allowed { purpose: true } => {
            let about = purpose::asking(clip, standing.case).about;
            let said = purpose::said(site, signed, &about, &HeaderMap::new());
            // A program said it with this request, where what it asked for wanted to know.
            looking.caller.purpose = said.or_else(|| looking.caller.purpose.take());
            if looking.caller.purpose.is_none() {
                return Ok(None);
            }
        }
    }
    Ok(Some(looking))
}

fn nobody(site: &Site) -> Trouble {
    match &site.door.access {
        Some(access) if access.is_open() => Trouble::NoAccounts,
        _ => Trouble::SignIn,
    }
}

/// Whether somebody may do this to each clip of what the address names. Of what has no clip only they may who may do it to
/// every clip of the station.
async fn over(
    site: &Site,
    visitor: &Visitor,
    signed: &Signed,
    action: Action,
    parts: &mut axum::http::request::Parts,
) -> Result<(), Trouble> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Trouble::NoPage)?;
    let named = params.iter().find_map(|(name, value)| match name {
        "number" => Some(Named::Case(value.to_owned())),
        "hold" => value.parse().ok().map(Named::Hold),
        _ => None,
    });
    let named = named.ok_or(Trouble::NoPage)?;
    let nobodys = NOBODYS;
    if let Decision::Refused(Refusal::Role) = signed.decide(action, &nobodys) {
        site.log_refusal(visitor, action, Refusal::Role.as_str(), None).await;
        return Err(Trouble::Forbidden(Refusal::Role));
    }
    let with_each = WITH_EACH_CLIP.contains(&action);
    let reach = site.pages.reach(&named, &signed.within(action), with_each).await?;
    let (refusal, clip) = match reach {
        None => return Err(if let Named::Case(_) = named { Trouble::NoCase } else { Trouble::NoPage }),
        Some(Reach::Whole) => return Ok(()),
        Some(Reach::Empty) => match signed.decide(action, &nobodys) {
            Decision::Allowed { .. } => return Ok(()),
            Decision::Refused(refusal) => (refusal, None),
        },
        Some(Reach::Beyond(clip)) => {
            // Why not is the clip's own to say; if it became theirs since it was looked at, the rest was not.
            may(site, visitor, signed, action, Some(clip), &parts.headers).await?;
            (Refusal::NotTheirs, Some(clip))
        }
    };
    site.log_refusal(visitor, action, refusal.as_str(), clip).await;
    Err(Trouble::Forbidden(refusal))
}

/// Whether somebody may do this to the case that the address names. One that is not there yet is nobody's.
async fn over_case(
    site: &Site,
    visitor: &Visitor,
    signed: &Signed,
    action: Action,
    parts: &mut axum::http::request::Parts,
) -> Result<(), Trouble> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Trouble::NoPage)?;
    let (_, number) = params.iter().find(|(name, _)| *name == "number").ok_or(Trouble::NoPage)?;
    let subject = site.pages.case_standing(number, signed.account).await?.unwrap_or(NOBODYS);
    match signed.decide(action, &subject) {
        Decision::Allowed { .. } => Ok(()),
        Decision::Refused(refusal) => {
            site.log_refusal(visitor, action, refusal.as_str(), None).await;
            Err(Trouble::Forbidden(refusal))
        }
    }
}

async fn clip_of(parts: &mut axum::http::request::Parts) -> Result<ClipId, Trouble> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Trouble::NoClip)?;
    let id = params.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.parse::<ClipId>());
    id.and_then(Result::ok).ok_or(Trouble::NoClip)
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
}
