//! The API of the legal review: what its page has, and what its forms do.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::oversight::OversightAsk;
use crate::domain::review::total;
use crate::domain::rights::Action::{MarkCase, ReviewCase, SeeReview};
use crate::domain::why::Why;
use crate::web::asked::json;
use crate::web::paging::AfterQuery;
use crate::web::routes::{Need, Routes};
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::Person;

/// The API.
pub fn routes(r: Routes) -> Routes {
    r.get("/api/v1/reviews", Need::May(SeeReview), list_reviews)
        .get("/api/v1/cases/{number}/review", Need::May(SeeReview), get_review)
        .post("/api/v1/cases/{number}/review/notes", Need::Case(ReviewCase), add_note)
        .delete("/api/v1/cases/{number}/review/notes/{note}", Need::Case(ReviewCase), withdraw_note)
        .post("/api/v1/cases/{number}/review/opinion", Need::Case(ReviewCase), give_opinion)
        .post("/api/v1/cases/{number}/review/sheet", Need::Case(MarkCase), mark_case)
}

/// Cases that stand sent for review.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewList {
    /// Their numbers, the one that was sent last first.
    pub items: Vec<String>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// The legal review of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewNow {
    /// Its number.
    pub case_no: String,
    /// Party.
    pub party_ref: Option<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Kind of enforcement.
    pub enforcement_kind: Option<String>,
    /// Record ids of its clips, by capture.
    pub clips: Vec<String>,
    /// Documents beside them, as they were filed.
    pub documents: Vec<DocumentNow>,
    /// Notes that stand.
    pub notes: Vec<NoteNow>,
    /// Opinions, newest first.
    pub opinions: Vec<OpinionNow>,
    /// Review sheets, newest first.
    pub sheets: Vec<SheetNow>,
}

/// A document of the case.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentNow {
    /// Record id; its bytes are had like a clip's.
    pub record_id: String,
    /// `record`, `evidence`, `approval`, `notice`, `decision`, `service`, `other`.
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// By its own first bytes.
    pub media_type: String,
    /// The matter of which it is the written record.
    pub matter: Option<String>,
}

/// A note at a place of a clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteNow {
    /// Its number.
    pub note: i64,
    /// Record id of the clip.
    pub record_id: String,
    /// Milliseconds from its first frame.
    pub at_ms: i64,
    /// In words.
    pub words: String,
    /// By whom, as the log has it.
    pub by: String,
}

/// An opinion.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpinionNow {
    /// `agree`, `supplement`, `return`.
    pub verdict: &'static str,
    /// In words.
    pub words: String,
    /// How many matters stood how when it was given.
    pub coverage: std::collections::BTreeMap<String, u64>,
    /// By whom.
    pub by: String,
    /// When, RFC 3339.
    pub given_at: String,
}

/// A review sheet.
#[derive(Debug, Serialize, ToSchema)]
pub struct SheetNow {
    /// Points in all.
    pub points: u32,
    /// Points that there may be.
    pub of: u32,
    /// Each item of it.
    pub marks: Vec<MarkNow>,
    /// By whom.
    pub by: String,
    /// When, RFC 3339.
    pub made_at: String,
}

/// An item of a review sheet.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarkNow {
    /// What was looked at.
    pub item: String,
    /// Points that it may bring.
    pub of: u32,
    /// Points that it brought.
    pub points: u32,
    /// Why not all of them.
    pub remark: String,
}

/// A new note.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NoteBody {
    /// Record id of the clip.
    pub record_id: String,
    /// Where: `75`, `1:15` or `1:02:03`.
    pub at: String,
    /// In words.
    pub words: String,
}

/// A new opinion.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OpinionBody {
    /// `agree`, `supplement`, `return`.
    pub verdict: String,
    /// In words.
    #[serde(default)]
    pub words: String,
}

/// A new review sheet: each item of the sheet, in its order.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SheetBody {
    /// The items.
    pub marks: Vec<MarkBody>,
}

/// An item of a sheet.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MarkBody {
    /// Points that it brings.
    pub points: u32,
    /// Why not all of them.
    #[serde(default)]
    pub remark: String,
}

/// Cases that stand sent for review, of those that whoever asks may see.
#[utoipa::path(get, path = "/api/v1/reviews", params(AfterQuery), responses((status = 200, body = ReviewList),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_reviews(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<AfterQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(q) = q?;
        site.log_access(&visitor, Access { what: "list", terms: Some("reviews"), ..Access::default() }).await?;
        let sent = site.pages.sent_cases(&visitor.who.within(SeeReview), q.place()).await?;
        Ok(Json(ReviewList { items: sent.numbers, next: sent.next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// The legal review of a case: its clips, notes, opinions and review sheets.
#[utoipa::path(get, path = "/api/v1/cases/{number}/review", params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, body = ReviewNow), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn get_review(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number).await?;
        let by = |p: &Person| format!("{}:{}", p.actor.kind, p.actor.id);
        let now = ReviewNow {
            clips: v.clips.iter().map(|r| r.id.to_string()).collect(),
            documents: v
                .documents
                .into_iter()
                .map(|d| DocumentNow {
                    record_id: d.row.id.to_string(),
                    kind: d.row.kind,
                    title: d.row.title,
                    media_type: d.row.media_type,
                    matter: d.row.matter,
                })
                .collect(),
            notes: v
                .notes
                .iter()
                .map(|n| NoteNow {
                    note: n.note,
                    record_id: n.clip.to_string(),
                    at_ms: n.at_ms,
                    words: n.words.clone(),
                    by: by(&n.by),
                })
                .collect(),
            opinions: v
                .opinions
                .iter()
                .map(|o| OpinionNow {
                    verdict: o.verdict.as_str(),
                    words: o.words.clone(),
                    coverage: o.coverage.iter().cloned().collect(),
                    by: by(&o.by),
                    given_at: o.given.rfc3339_in(&site.zone),
                })
                .collect(),
            sheets: v
                .sheets
                .iter()
                .map(|s| {
                    let (points, of) = total(&s.marks);
                    let marks = s.marks.iter().map(|m| MarkNow {
                        item: m.item.clone(),
                        of: m.most,
                        points: m.points,
                        remark: m.remark.clone(),
                    });
                    let marks = marks.collect();
                    SheetNow { points, of, marks, by: by(&s.by), made_at: s.made.rfc3339_in(&site.zone) }
                })
                .collect(),
            party_ref: v.party,
            cause: v.cause,
            enforcement_kind: v.kind,
            case_no: v.number,
        };
        Ok(Json(now).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

async fn api(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    ask: impl FnOnce() -> Result<OversightAsk, Trouble>,
) -> Response {
    let answer = async {
        let ask = ask()?;
        read(site, visitor, number).await?;
        Ok(Json(site.carry_out(&visitor.caller, Request::Oversight { ask }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(visitor))
}

/// Notes something at a place of a clip of the case.
#[utoipa::path(post, path = "/api/v1/cases/{number}/review/notes", request_body = NoteBody,
    params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "The note", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn add_note(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<NoteBody>, JsonRejection>,
) -> Response {
    let case_no = number.clone();
    api(&site, &visitor, &number, || {
        let b = json(body)?;
        b.record_id.parse::<ClipId>().map_err(|_| Trouble::NoClip)?;
        Ok(OversightAsk::NoteReview { case_no, clip: b.record_id, at: b.at, words: b.words })
    })
    .await
}

/// Withdraws a note; whoever wrote it does, and the log keeps it.
#[utoipa::path(delete, path = "/api/v1/cases/{number}/review/notes/{note}",
    params(("number" = String, Path, description = "Any number of the case"), ("note" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The note", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn withdraw_note(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((number, note)): Path<(String, String)>,
) -> Response {
    let case_no = number.clone();
    api(&site, &visitor, &number, || {
        let note = note.parse().map_err(|_| Trouble::Missing(Why::NoNote {}))?;
        Ok(OversightAsk::WithdrawNote { case_no, note })
    })
    .await
}

/// Gives the opinion of the legal review.
#[utoipa::path(post, path = "/api/v1/cases/{number}/review/opinion", request_body = OpinionBody,
    params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "The opinion", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn give_opinion(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<OpinionBody>, JsonRejection>,
) -> Response {
    let case_no = number.clone();
    api(&site, &visitor, &number, || {
        let b = json(body)?;
        Ok(OversightAsk::GiveOpinion { case_no, verdict: b.verdict, words: b.words })
    })
    .await
}

/// Marks the case file.
#[utoipa::path(post, path = "/api/v1/cases/{number}/review/sheet", request_body = SheetBody,
    params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "The points", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn mark_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<SheetBody>, JsonRejection>,
) -> Response {
    let case_no = number.clone();
    api(&site, &visitor, &number, || {
        let marks = json(body)?.marks.into_iter().map(|m| (m.points, m.remark)).collect();
        Ok(OversightAsk::MarkCase { case_no, marks })
    })
    .await
}
