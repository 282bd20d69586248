//! Keeping (保管): holds and isolation on the pages of clips and cases, `/keeping` with what waits for a second person, and
//! disposal after appraisal (鉴定销毁) with its printed lists. Every change is a form with its own reason, logged in the
//! transaction that carries it out.

pub mod api;
mod blocks;
mod disposal;
mod overview;

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::{After, change, show_case};
use super::present::{Ctx, case_href};
use super::refused::Refused;
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::command::Request;
use crate::domain::event::Actor;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Words;

pub use api::StepBody;
pub(super) use blocks::{CaseBlock, ClipBlock, IsolatedPage, case_block, clip_block};
use disposal::{disposal_page, post_decide, post_propose};
use overview::{page, post_release};

/// Pages, forms, API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/keeping", Need::May(SeeKeeping), page)
        .post("/clips/{id}/hold", Need::May(PlaceHold), post_hold_clip)
        .post("/cases/{number}/hold", Need::Over(PlaceHold), post_hold_case)
        .post("/keeping/holds/{hold}", Need::Over(ReleaseHold), post_release)
        .post("/clips/{id}/isolate", Need::May(IsolateClip), post_isolate)
        .post("/clips/{id}/lift", Need::May(LiftIsolation), post_lift)
        .post("/keeping/disposals", Need::May(DisposeClip), post_propose)
        .get("/keeping/disposals/{disposal}", Need::May(DisposeClip), disposal_page)
        .post("/keeping/disposals/{disposal}", Need::May(DisposeClip), post_decide)
        .get("/api/v1/keeping", Need::May(SeeKeeping), api::get_keeping)
        .post("/api/v1/clips/{id}/holds", Need::May(PlaceHold), api::hold_clip)
        .post("/api/v1/cases/{number}/holds", Need::Over(PlaceHold), api::hold_case)
        .post("/api/v1/holds/{hold}", Need::Over(ReleaseHold), api::release_hold)
        .post("/api/v1/clips/{id}/isolation", Need::May(IsolateClip), api::isolate_clip)
        .post("/api/v1/clips/{id}/isolation/lift", Need::May(LiftIsolation), api::lift_isolation)
        .get("/api/v1/disposals/due", Need::May(DisposeClip), api::list_due)
        .get("/api/v1/disposals", Need::May(DisposeClip), api::list_disposals)
        .post("/api/v1/disposals", Need::May(DisposeClip), api::propose_disposal)
        .get("/api/v1/disposals/{disposal}", Need::May(DisposeClip), api::get_disposal)
        .post("/api/v1/disposals/{disposal}", Need::May(DisposeClip), api::decide_disposal)
}

/// The word of success that a form's address carries.
pub(super) fn done(word: &str, words: &Words) -> Option<&'static str> {
    let w = words.keeping();
    Some(match word {
        "held" => w.done_held,
        "asked" => w.done_asked,
        "confirmed" => w.done_confirmed,
        "refused" => w.done_refused,
        "isolated" => w.done_isolated,
        "closed" => w.done_closed,
        "bound" => w.done_bound,
        "comparing" => w.done_comparing,
        "filed" => w.done_filed,
        "reopened" => w.done_reopened,
        "sent" => words.oversight().done_sent,
        "called_back" => words.oversight().done_called_back,
        _ => return super::coverage::done(word, words),
    })
}

/// Who asked for something that takes another person, and why.
pub(super) struct Asked {
    pub(super) who: String,
    pub(super) why: String,
    /// Whoever looks is who asked: they may take it back.
    pub(super) mine: bool,
}

pub(super) fn asked(by: Option<&str>, why: Option<&str>, c: &Ctx) -> Option<Asked> {
    let by = by?;
    let me = c.who.actor();
    Some(Asked {
        who: c.named(&actor(by)),
        why: why.unwrap_or_default().to_owned(),
        mine: by == format!("{}:{}", me.kind, me.id),
    })
}

pub(super) fn actor(text: &str) -> Actor {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    Actor { kind: kind.to_owned(), id: id.to_owned() }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasonForm {
    reason: String,
    basis: String,
    /// `ask`, `confirm`, `refuse`.
    step: String,
}

impl ReasonForm {
    /// As it comes back where it is refused.
    fn again(&self, form: &'static str) -> Refused {
        Refused::new(form, [("reason", self.reason.as_str()), ("basis", self.basis.as_str())])
    }
}

type Posted = Result<Form<ReasonForm>, FormRejection>;

fn typed(body: Posted) -> Result<ReasonForm, Trouble> {
    body.map(|Form(form)| form).map_err(Trouble::from)
}

fn filled(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// A step of what takes two people: the reason of whoever asks, confirm, refuse, and the word for the address.
pub(super) fn step(step: &str, reason: String) -> Result<(Option<String>, bool, bool, &'static str), Trouble> {
    match step {
        "ask" => Ok((Some(reason), false, false, "asked")),
        "confirm" => Ok((None, true, false, "confirmed")),
        "refuse" => Ok((None, false, true, "refused")),
        _ => Err(Trouble::Invalid(Why::AskConfirmRefuse {})),
    }
}

async fn post_hold_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let typed = After::of(f.again("hold"));
            let request =
                Request::Hold { clip: Some(id.clone()), case_no: None, reason: f.reason, basis: filled(f.basis) };
            change(&site, &visitor, &id, request, "held", typed).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn post_hold_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let typed = f.again("hold");
            let basis = filled(f.basis);
            let request = Request::Hold { clip: None, case_no: Some(number.clone()), reason: f.reason, basis };
            change_case(&site, &visitor, &number, (request, "held"), typed).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// Carries a form's request about a case out: back to the case with a word, or the case again with the refusal and what was
/// typed.
pub(super) async fn change_case(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    (request, done): (Request, &str),
    typed: Refused,
) -> Response {
    match site.carry_out(&visitor.caller, request).await {
        Ok(_) => Redirect::to(&format!("{}?done={done}", case_href(number))).into_response(),
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let refusal = Some(trouble.told(visitor.lang.words()).1);
            let visitor = Visitor { path: case_href(number), ..visitor.clone() };
            (trouble.status(), show_case(site, &visitor, number, None, (refusal, typed)).await).into_response()
        }
        Err(trouble) => trouble.page(site, visitor),
    }
}

async fn post_isolate(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let typed = After::of(f.again("isolate"));
            let request = Request::Isolate { clip: id.clone(), reason: f.reason };
            change(&site, &visitor, &id, request, "isolated", typed).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn post_lift(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>, body: Posted) -> Response {
    match typed(body).and_then(|f| step(&f.step, f.reason)) {
        Ok((reason, confirm, refuse, done)) => {
            let typed = reason.clone().map(|why| After::of(Refused::new("lift", [("reason", why)])));
            let request = Request::Lift { clip: id.clone(), reason, confirm, refuse };
            change(&site, &visitor, &id, request, done, typed.unwrap_or_default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}
