//! Saying what somebody looks for (调阅目的), where the table of rights asks for it: once for a case (or a clip that belongs to
//! none) and a sign-in session, then kept with every access. A request for which it was not said is answered with the
//! question; a page that shows footage asks it in the place of the footage, since a player could not. A plain form, which
//! needs no script.
//!
//! What is asked here is why somebody sees footage. What is done to it (a copy made, a hold placed) has a reason of its own in
//! its form, and no form is answered with this question: what was typed into it would be lost.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::local_path;
use super::present::{Ctx, Nav};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::{Asking, Trouble};
use super::view::Frame;
use super::who::Who;
use crate::access::Signed;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision};
use crate::domain::why::Why;
use crate::domain::words::Words;

/// Longest purpose, characters.
pub const PURPOSE_CHARS: usize = 200;
/// Where a program says why.
const PURPOSE_HEADER: HeaderName = HeaderName::from_static("x-purpose");

/// The form's own address.
pub fn routes(r: Routes) -> Routes {
    r.post("/purpose", Need::SignedIn, say)
}

/// The form that asks.
pub struct Question {
    /// What the answer is remembered for.
    pub(super) about: String,
    /// Where to go on.
    pub(super) next: String,
    /// Answers that are usual.
    pub(super) usual: [&'static str; 4],
    /// The page asks nothing else: the field has the focus.
    pub(super) alone: bool,
}

impl Question {
    /// Asked on a page that goes on there.
    pub(super) fn on_page(asking: &Asking, next: String, w: &Words) -> Self {
        Self { alone: false, ..Self::alone(asking, next, w) }
    }

    fn alone(asking: &Asking, next: String, w: &Words) -> Self {
        let usual = [w.purpose_case_review, w.purpose_sampling, w.purpose_complaint, w.purpose_handling];
        Self { about: asking.about.clone(), next, usual, alone: true }
    }
}

/// What a purpose for this clip is asked and remembered for: what is said about a case holds for every clip of it.
pub(super) fn asking(clip: ClipId, case: Option<String>) -> Asking {
    let clip = clip.to_string();
    Asking { about: case.unwrap_or_else(|| clip.clone()), clip }
}

/// What they said already: in this session, or with this very request where it is a program's.
pub(super) fn said(site: &Site, signed: &Signed, about: &str, headers: &HeaderMap) -> Option<String> {
    match (&site.door.access, &signed.session) {
        (Some(access), Some(session)) => access.purpose(session, about),
        _ => of_program(headers),
    }
}

/// What they must say before they may do this to a clip, and have not said: what its page asks before it shows anything.
/// Nothing is refused here, and nothing logged.
pub(super) async fn missing(
    site: &Site,
    visitor: &Visitor,
    action: Action,
    clip: ClipId,
) -> Result<Option<Asking>, Trouble> {
    let Who::Signed { signed, .. } = &visitor.who else { return Ok(None) };
    // What is not there asks nothing.
    let Some(standing) = site.pages.standing(clip, signed.account).await? else { return Ok(None) };
    let Decision::Allowed { purpose: true } = signed.decide(action, &standing.subject) else { return Ok(None) };
    let asking = asking(clip, standing.case);
    Ok(said(site, signed, &asking.about, &HeaderMap::new()).is_none().then_some(asking))
}

/// The reason in a form about a clip is why they look at it, too, unless they said that before. What cannot be remembered is
/// asked again.
pub(super) async fn remember(site: &Site, visitor: &Visitor, clip: ClipId, reason: &str) {
    let (Some(access), Some(signed)) = (&site.door.access, visitor.who.signed()) else { return };
    let (Some(session), Some(reason)) = (&signed.session, purpose(reason)) else { return };
    let Ok(Some(standing)) = site.pages.standing(clip, signed.account).await else { return };
    let about = asking(clip, standing.case).about;
    if access.purpose(session, &about).is_none() {
        access.say_purpose(session, &about, &reason);
    }
}

/// A purpose as a program says it: percent-encoded UTF-8.
fn of_program(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(PURPOSE_HEADER)?.to_str().ok()?;
    let said = percent_encoding::percent_decode_str(said).decode_utf8().ok()?;
    purpose(&said)
}

/// A purpose as it is kept; `None` where nothing was said.
fn purpose(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(PURPOSE_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

#[derive(Template)]
#[template(path = "purpose.html")]
struct PurposePage<'a> {
    c: &'a Ctx,
    q: Question,
}

/// Asks what somebody looks for, before they see it.
pub(super) fn page(site: &Site, visitor: &Visitor, asking: &Asking) -> Result<Html<String>, Trouble> {
    let c = site.ctx_with(visitor, Nav::Clips, Frame::default());
    let here = (visitor.safe && !visitor.part).then_some(visitor.path.as_str());
    let q = Question::alone(asking, going_on(&asking.clip, here), c.w);
    Ok(Html(PurposePage { c: &c, q }.render()?))
}

/// Where to go on after a request for `path` was answered with the question; `None`: it was none that can be made again.
fn going_on(clip: &str, path: Option<&str>) -> String {
    let page = format!("/clips/{clip}");
    let Some(whole) = path else { return page };
    // The still of a room is of the page of rooms.
    if whole.starts_with("/rooms/") {
        return "/rooms".to_owned();
    }
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    let Some(of_clip) = path.strip_prefix(&page).and_then(|rest| rest.strip_prefix('/')) else {
        return whole.to_owned();
    };
    // A file that is saved leaves the page before it standing, which would still ask: the clip's page begins it instead.
    let is_id = |id: &&str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match (of_clip, of_clip.strip_prefix("derived/").filter(is_id)) {
        (_, Some(derived)) => format!("{page}?save={derived}"),
        ("media", _) if query.split('&').any(|pair| pair.split('=').next() == Some("download")) => {
            format!("{page}?save=original")
        }
        // A document in a frame, a picture, an entry of the log.
        ("media", _) => whole.to_owned(),
        (other, _) if other.starts_with("events/") => whole.to_owned(),
        // A still or a piece of a preview is of the page.
        _ => page,
    }
}

#[derive(Deserialize)]
struct PurposeForm {
    about: String,
    #[serde(default)]
    purpose: String,
    /// One of those that are usual, where its button was pressed.
    #[serde(default)]
    usual: String,
    #[serde(default)]
    next: String,
}

async fn say(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<PurposeForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(form) = body?;
        // A hashed case or a clip, as we gave it; the decision is made anew where it leads.
        let known = form.about.len() <= 64 && form.about.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let said = purpose(&form.usual)
            .or_else(|| purpose(&form.purpose))
            .filter(|_| known)
            .ok_or(Trouble::Invalid(Why::Unsaid))?;
        if let (Some(access), Some(signed)) = (&site.door.access, visitor.who.signed())
            && let Some(session) = &signed.session
        {
            access.say_purpose(session, &form.about, &said);
        }
        Ok(Redirect::to(local_path(&form.next)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_one_bounded_line() {
        assert_eq!(purpose(" 案卷\n评查 "), Some("案卷评查".into()));
        assert_eq!(purpose(" \n "), None);
        assert_eq!(purpose(&"长".repeat(500)).unwrap().chars().count(), PURPOSE_CHARS);
        let mut headers = HeaderMap::new();
        headers.insert(PURPOSE_HEADER, "%E6%A1%88%E5%8D%B7".parse().unwrap());
        assert_eq!(of_program(&headers), Some("案卷".into()));
    }

    #[test]
    fn whoever_said_why_goes_on_where_they_were_and_what_is_saved_begins_on_the_clip_s_page() {
        for (path, wanted) in [
            (None, "/clips/7"),
            (Some("/clips/7?t=3"), "/clips/7?t=3"),
            (Some("/cases/x/together?from=1"), "/cases/x/together?from=1"),
            (Some("/clips/7/media?frame=1"), "/clips/7/media?frame=1"),
            (Some("/clips/7/media?download=1"), "/clips/7?save=original"),
            (Some("/clips/7/media?frame=1&download"), "/clips/7?save=original"),
            (Some("/clips/7/derived/019aa2c4-7f00"), "/clips/7?save=019aa2c4-7f00"),
            (Some("/clips/7/derived/..%2f"), "/clips/7"),
            (Some("/clips/7/preview/3"), "/clips/7"),
            (Some("/clips/7/thumbnail"), "/clips/7"),
            (Some("/clips/7/events/12"), "/clips/7/events/12"),
            (Some("/rooms/room-1/still?at=7"), "/rooms"),
            (Some("/clips/77/media?download=1"), "/clips/77/media?download=1"),
        ] {
            assert_eq!(going_on("7", path), wanted, "{path:?}");
        }
    }
}
