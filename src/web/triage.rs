//! Triage (待标注): the page on which one key decides about a clip, or about a whole outing, and its part of the API.
//! Every decision is a form, so that it works without a script; `assets/triage.js` presses their buttons by keys.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::present::clips::{Row, row};
use super::present::{self, Ctx, Nav};
use super::routes::{Need, Routes, also};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::triage::TriageCard;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;

/// Clips of an outing that one form may carry.
const MOST_ALSO: usize = 200;

/// Page, forms and API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/triage", Need::May(ListClips), page)
        .post("/triage/{id}/decide", Need::May(LinkClip), decide)
        .get("/api/v1/triage", Need::May(ListClips), list)
        .post("/api/v1/clips/{id}/decision", Need::May(LinkClip), decide_clip)
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct TriageQuery {
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Which page, and what was decided last.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageQuery {
    after: Option<String>,
    done: Option<String>,
    clip: Option<String>,
    case_no: Option<String>,
    also: Option<String>,
}

/// A clip that waits, in words.
struct Card {
    id: String,
    row: Row,
    best: Option<Best>,
    others: Vec<(String, String)>,
    outing: String,
    outing_label: Option<String>,
}

/// What is suggested most surely.
struct Best {
    number: String,
    href: String,
    rule: String,
    score: u32,
    reason: String,
}

/// What was decided, so that it can be taken back.
struct Last {
    clip: String,
    case_no: String,
    also: String,
    told: String,
    undone: bool,
}

#[derive(Template)]
#[template(path = "triage.html")]
struct TriagePage<'a> {
    c: &'a Ctx,
    cards: Vec<Card>,
    total: String,
    last: Option<Last>,
    refusal: Option<String>,
    next: Option<String>,
}

fn card(waiting: &TriageCard, c: &Ctx) -> Card {
    let best = waiting.suggestions.first().map(|s| Best {
        number: s.number.clone(),
        href: present::case_href(&s.number),
        rule: c.w.linking_rule(&s.rule).to_owned(),
        score: s.score,
        reason: s.reason.clone(),
    });
    let also: Vec<String> = waiting.outing.iter().map(ToString::to_string).collect();
    Card {
        id: waiting.row.id.to_string(),
        row: row(&waiting.row, c),
        outing_label: (!also.is_empty()).then(|| c.w.whole_outing(also.len() as u64 + 1)),
        outing: also.join(","),
        others: waiting
            .suggestions
            .iter()
            .skip(1)
            .map(|s| (s.number.clone(), format!("{} {}", s.score, s.reason)))
            .collect(),
        best,
    }
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<PageQuery>) -> Response {
    let answer = async { show(&site, &visitor, q, None).await };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn show(site: &Site, visitor: &Visitor, q: PageQuery, refusal: Option<String>) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("triage"), ..Access::default() }).await?;
    let c = site.ctx(visitor, Nav::Annotate).await?;
    let v = site.pages.triage(q.after.as_deref(), &visitor.who.within(Action::ListClips)).await?;
    // What a link hands in becomes a form here: only what can be the ids of clips may stand in it.
    let last = q.clip.and_then(|id| id.parse::<ClipId>().ok()).zip(q.case_no).map(|(clip, case_no)| {
        let ids = q.also.unwrap_or_default();
        let also: Vec<String> =
            ids.split(',').filter_map(|id| id.parse::<ClipId>().ok()).map(|c| c.to_string()).collect();
        let verdict = q.done.unwrap_or_default();
        Last {
            told: c.w.verdict_line(&verdict, &case_no, also.len() as u64 + 1),
            undone: verdict == "undo",
            clip: clip.to_string(),
            case_no,
            also: also.join(","),
        }
    });
    let html = TriagePage {
        cards: v.cards.iter().map(|waiting| card(waiting, &c)).collect(),
        total: c.w.to_annotate(v.total),
        last,
        refusal,
        next: v.next.map(|after| format!("/triage?after={}", present::segment(&after))),
        c: &c,
    }
    .render()?;
    Ok(Html(html).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DecideForm {
    verdict: String,
    case_no: String,
    also: String,
}

async fn decide(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Form<DecideForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(form) = body.map_err(|_| Trouble::Invalid(String::new()))?;
        let ids: Vec<String> = form.also.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let done = match carry_out(&site, &visitor, &headers, &id, &form.verdict, &form.case_no, &ids).await {
            Ok(done) => done,
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/triage".to_owned(), ..visitor.clone() };
                let html = show(&site, &visitor, PageQuery::default(), refusal).await?;
                return Ok((trouble.status(), html).into_response());
            }
            Err(trouble) => return Err(trouble),
        };
        let case_no = done["case_no"].as_str().unwrap_or(&form.case_no);
        let to = format!(
            "/triage?done={}&clip={}&case_no={}&also={}",
            present::segment(&form.verdict),
            present::segment(&id),
            present::segment(case_no),
            present::segment(&form.also)
        );
        Ok(Redirect::to(&to).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// Asks the daemon, once the right over every clip of it is there.
async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    headers: &HeaderMap,
    id: &str,
    verdict: &str,
    case_no: &str,
    others: &[String],
) -> Result<serde_json::Value, Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    if others.len() > MOST_ALSO {
        return Err(Trouble::Invalid(format!("at most {MOST_ALSO} clips at a time")));
    }
    for other in others {
        let other: ClipId = other.parse().map_err(|_| Trouble::NoClip)?;
        also(site, visitor, Action::LinkClip, other, headers).await?;
    }
    let request = Request::Decide {
        clip: clip.to_string(),
        case_no: Some(case_no.trim().to_owned()).filter(|n| !n.is_empty()),
        verdict: verdict.to_owned(),
        also: others.to_vec(),
        outing: false,
    };
    site.carry_out(&visitor.caller, request).await
}

// --- API -----------------------------------------------------------------------------------------

/// Clips that wait for a person, best-known first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// How many in all.
    pub total: u64,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// The clips.
    pub clips: Vec<WaitingClip>,
}

/// A clip that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingClip {
    /// The record's id.
    pub record_id: String,
    /// When capture began, RFC 3339.
    pub captured_start: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Where.
    pub place: Option<String>,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// Which of the five it lacks.
    pub missing: Vec<&'static str>,
    /// What rules suggest, the surest first.
    pub suggestions: Vec<SuggestedCase>,
    /// Other clips of the same outing that have no case.
    pub outing: Vec<String>,
}

/// A link that a rule suggests.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestedCase {
    /// The case's number.
    pub case_no: String,
    /// `desk`, `roster`, `tag`, `earlier`, `neighbour`, `register`, `place`, `recording`.
    pub rule: String,
    /// 0 to 100.
    pub score: u32,
    /// Why.
    pub reason: String,
}

impl From<&TriageCard> for WaitingClip {
    fn from(card: &TriageCard) -> Self {
        let suggested = |s: &super::view::triage::Suggested| SuggestedCase {
            case_no: s.number.clone(),
            rule: s.rule.clone(),
            score: s.score,
            reason: s.reason.clone(),
        };
        Self {
            record_id: card.row.id.to_string(),
            captured_start: card.row.captured.map(|at| at.rfc3339()),
            officer: card.row.officer.clone(),
            place: card.row.place.clone(),
            cases: card.row.cases.clone(),
            missing: card.row.missing.clone(),
            suggestions: card.suggestions.iter().map(suggested).collect(),
            outing: card.outing.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A person's decision about what rules suggest.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Decision {
    /// `accept`, `refuse` or `undo`.
    pub verdict: String,
    /// Which case; the surest that is suggested where it is absent.
    #[serde(default)]
    pub case_no: Option<String>,
    /// The same about these clips.
    #[serde(default)]
    pub also: Vec<String>,
}

/// Clips that wait for a person, best-known first, with what rules suggest.
#[utoipa::path(get, path = "/api/v1/triage", params(TriageQuery), responses(
    (status = 200, body = Waiting), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<TriageQuery>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("triage"), ..Access::default() }).await?;
        let v = site.pages.triage(q.after.as_deref(), &visitor.who.within(Action::ListClips)).await?;
        let clips = v.cards.iter().map(WaitingClip::from).collect();
        Ok(Json(Waiting { total: v.total, next: v.next, clips }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Decides what rules suggest: a person's word, which no rule overwrites.
#[utoipa::path(post, path = "/api/v1/clips/{id}/decision", params(("id" = String, Path, description = "Record id")),
    request_body = Decision, responses((status = 200, description = "What was decided", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn decide_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Decision>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(d) = body.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
            _ => Trouble::Invalid(e.body_text()),
        })?;
        let case_no = d.case_no.unwrap_or_default();
        let done = carry_out(&site, &visitor, &headers, &id, &d.verdict, &case_no, &d.also).await?;
        Ok(Json(done).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
