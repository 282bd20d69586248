//! Several clips at once: annotate, label, link, send first. Each clip is asked about by itself, with its own right and its
//! own log entry; those that were refused are told with the reason, the others are done.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::record::Field;
use crate::domain::rights::Action;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::words::office::OfficeWords;
use crate::web::offers;
use crate::web::present::{Ctx, Nav};
use crate::web::routes::{Need, Routes, also};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};

/// Clips at a time: a page of the list.
const MOST: usize = 200;

/// The form and the API. What each clip needs is checked clip by clip.
pub fn routes(r: Routes) -> Routes {
    let list = Need::May(Action::ListClips);
    r.post("/clips/several", list, several).post("/api/v1/clips/several", list, several_clips)
}

/// What is done to several clips.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SeveralBody {
    /// Record ids, at most 200.
    pub clips: Vec<String>,
    /// `annotate`, `label`, `link`, `push`.
    pub act: String,
    /// Of `annotate`: the field's name; an empty value leaves everything as it is.
    pub field: String,
    /// Of `annotate`: its value; of `label`: the label.
    pub value: String,
    /// Of `link`: any number of the case.
    pub case_no: String,
}

/// What came of one clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// Record id.
    pub clip: String,
    /// It was done.
    pub done: bool,
    /// Why not.
    pub detail: Option<String>,
}

fn invalid(words: &str) -> Trouble {
    Trouble::Invalid(Why::said(words))
}

/// The right that it takes over each clip, and the request about one.
fn request(body: &SeveralBody, clip: String, w: &Words) -> Result<(Action, Request), Trouble> {
    let o = w.office();
    let value = body.value.trim().to_owned();
    Ok(match body.act.as_str() {
        "annotate" | "label" => {
            let field = match body.act.as_str() {
                "label" => Some(Field::Sensitivity),
                _ => Field::parse(&body.field),
            };
            let field = field.ok_or_else(|| invalid(o.several_no_field))?;
            if value.is_empty() {
                // Nobody empties two hundred records by leaving a box empty.
                return Err(invalid(o.several_no_value));
            }
            (Action::AnnotateClip, Request::Annotate { clip, fields: vec![(field.as_str().to_owned(), value)] })
        }
        "link" if body.case_no.trim().is_empty() => return Err(invalid(o.several_no_case)),
        "link" => {
            let case_no = body.case_no.trim().to_owned();
            let (from_ms, to_ms, stage, matter, proves) = (None, None, None, None, None);
            (Action::LinkClip, Request::Link { clip, case_no, from_ms, to_ms, stage, matter, proves })
        }
        "push" => (Action::PushClip, Request::Push { clip: Some(clip), case_no: None }),
        _ => return Err(invalid(o.several_no_act)),
    })
}

async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    headers: &HeaderMap,
    body: &SeveralBody,
) -> Result<Vec<Outcome>, Trouble> {
    let w = visitor.lang.words();
    let mut clips: Vec<ClipId> = Vec::new();
    for id in &body.clips {
        let clip = id.parse::<ClipId>().map_err(|_| Trouble::NoClip)?;
        if !clips.contains(&clip) {
            clips.push(clip);
        }
    }
    if clips.is_empty() {
        return Err(invalid(w.office().several_none));
    }
    if clips.len() > MOST {
        return Err(invalid(w.office().several_too_many));
    }
    let mut outcomes = Vec::with_capacity(clips.len());
    for clip in clips {
        let (action, request) = request(body, clip.to_string(), w)?;
        let done = async {
            if body.act == "label" && is_higher(site, clip, &body.value).await? {
                return Err(Trouble::Conflict(Why::said(w.office().several_higher)));
            }
            let mut caller = visitor.caller.clone();
            if let Some(said) = also(site, visitor, action, clip, headers).await? {
                caller.purpose = Some(said);
            }
            site.carry_out(&caller, request).await
        };
        let detail = match done.await {
            Ok(_) => None,
            // What would befall every clip alike is no answer about one.
            Err(trouble @ (Trouble::SignIn | Trouble::Unavailable(_) | Trouble::Failed)) => return Err(trouble),
            Err(trouble) => {
                let (title, detail) = trouble.told(w);
                Some(if detail.is_empty() { title.to_owned() } else { detail })
            }
        };
        outcomes.push(Outcome { clip: clip.to_string(), done: detail.is_none(), detail });
    }
    Ok(outcomes)
}

/// Whether a clip carries a higher label already: one button must not open what somebody closed.
async fn is_higher(site: &Site, clip: ClipId, label: &str) -> Result<bool, Trouble> {
    let standing = site.pages.standing(clip, 0).await?.ok_or(Trouble::NoClip)?;
    Ok(Sensitivity::parse(label).is_some_and(|label| standing.subject.sensitivity > label))
}

#[derive(Template)]
#[template(path = "several.html")]
struct SeveralPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    told: String,
    /// Clip, its page where they may open it, and why.
    refused: Vec<(String, Option<String>, String)>,
    back: String,
}

/// Fields of the form; a repeated one comes as pairs.
fn read(body: Result<Form<Vec<(String, String)>>, FormRejection>) -> Result<(SeveralBody, String), Trouble> {
    let Form(pairs) = body?;
    let mut form = SeveralBody::default();
    let (mut back, mut label) = (String::new(), String::new());
    for (name, value) in pairs {
        match name.as_str() {
            "clip" => form.clips.push(value),
            "act" => form.act = value,
            "field" => form.field = value,
            "value" => form.value = value,
            "label" => label = value,
            "case_no" => form.case_no = value,
            "back" => back = value,
            _ => {}
        }
    }
    // Boxes of one form that stand beside each other: the pressed button says which counts.
    if form.act == "label" {
        form.value = label;
    }
    Ok((form, back))
}

async fn several(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let answer = async {
        let (form, back) = read(body)?;
        let outcomes = carry_out(&site, &visitor, &headers, &form).await?;
        let c = site.ctx(&visitor, Nav::Clips).await?;
        let done = outcomes.iter().filter(|o| o.done).count() as u64;
        let refused: Vec<(String, String)> = outcomes.into_iter().filter_map(|o| Some((o.clip, o.detail?))).collect();
        let ids: Vec<ClipId> = refused.iter().filter_map(|(id, _)| id.parse().ok()).collect();
        let open = offers::among(&site, &visitor, &ids, Action::ShowClip, None).await?;
        let href = |id: &str| id.parse::<ClipId>().is_ok_and(|clip| open.has(&clip)).then(|| format!("/clips/{id}"));
        let with_page = |(id, why): (String, String)| {
            let page = href(&id);
            (id, page, why)
        };
        let refused: Vec<_> = refused.into_iter().map(with_page).collect();
        let page = SeveralPage {
            told: c.w.several_done(done, refused.len() as u64),
            refused,
            // Only our own list: what a form hands in must lead nowhere else.
            back: if back.starts_with("/clips?") || back == "/clips" { back } else { "/clips".to_owned() },
            o: c.w.office(),
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    let visitor = Visitor { path: "/clips".to_owned(), ..visitor.clone() };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// Does one thing to several clips; each is answered by itself.
#[utoipa::path(post, path = "/api/v1/clips/several", request_body = SeveralBody, responses((status = 200, description = "What came of each", body = Vec<Outcome>),
    (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn several_clips(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Json<SeveralBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(body) = body?;
        Ok(Json(carry_out(&site, &visitor, &headers, &body).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
