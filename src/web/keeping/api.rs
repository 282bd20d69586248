//! The API of keeping: what its pages have, and what its forms do.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::overview::seen;
use super::step;
use crate::domain::command::Request;
use crate::domain::disposal::DisposalAsk;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{DisposalRow, HoldRow, IsolationRow};
use crate::web::asked::{carried_out, json};
use crate::web::paging::AfterQuery;
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::keeping::DisposalQuery;

/// Why, and on what basis.
#[derive(Debug, Deserialize, ToSchema)]
pub struct HoldBody {
    /// Why.
    pub reason: String,
    /// On what basis: a review, a lawsuit, a letter.
    #[serde(default)]
    pub basis: Option<String>,
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WhyBody {
    /// Why.
    pub reason: String,
}

/// A step of what takes two people.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StepBody {
    /// `ask`, `confirm` or `refuse`.
    pub step: String,
    /// Why; of whoever asks.
    #[serde(default)]
    pub reason: String,
}

/// A list that is proposed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ProposeBody {
    /// Record ids.
    pub clips: Vec<String>,
    /// What the appraisal came to.
    pub opinion: String,
    /// On what basis.
    pub basis: String,
}

/// A hold that stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldNow {
    /// Its number.
    pub hold: i64,
    /// The clip, where it is on one.
    pub clip: Option<String>,
    /// The case, where it is on one.
    pub case_no: Option<String>,
    /// On how many clips it stands.
    pub clips: u64,
    /// Why.
    pub reason: String,
    /// On what basis.
    pub basis: Option<String>,
    /// Who placed it, as the log has it.
    pub placed_by: String,
    /// When, RFC 3339.
    pub placed_at: String,
    /// Who asked for its release.
    pub release_asked_by: Option<String>,
}

/// An isolated clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct IsolatedNow {
    /// Its id; nothing of what is in it is told.
    pub clip: String,
    /// Who isolated it, as the log has it.
    pub placed_by: String,
    /// When, RFC 3339.
    pub placed_at: String,
    /// Who asked to lift it.
    pub lift_asked_by: Option<String>,
}

/// A clip whose retention is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct DueNow {
    /// Its id.
    pub clip: String,
    /// Since when, RFC 3339.
    pub over_since: String,
    /// Its length.
    pub size_bytes: u64,
    /// Numbers of its cases.
    pub cases: Vec<String>,
}

/// A list of disposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListNow {
    /// Its number.
    pub disposal: i64,
    /// `asked`, `refused`, `going`, `done`.
    pub state: &'static str,
    /// What the appraisal came to.
    pub opinion: String,
    /// On what basis.
    pub basis: String,
    /// Who proposed it, as the log has it.
    pub asked_by: String,
    /// Who confirmed or refused it.
    pub decided_by: Option<String>,
    /// Its clips; empty in lists of lists.
    pub items: Vec<ItemNow>,
}

/// A clip of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemNow {
    /// Its id.
    pub clip: String,
    /// `asked`, `refused`, `kept`, `going`, `gone`.
    pub state: String,
    /// Why it was kept after all.
    pub why: Option<String>,
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub blake3: String,
    /// Position in the log of the entry that says that it goes.
    pub log_intended: Option<u64>,
    /// And of the one that says that it is gone.
    pub log_gone: Option<u64>,
    /// What became of its copies, one a destination: `removed`, or why it stands.
    pub copies: std::collections::BTreeMap<String, String>,
}

/// What is held, isolated, or waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeepingNow {
    /// Holds.
    pub holds: Vec<HoldNow>,
    /// Isolated clips, by id.
    pub isolated: Vec<IsolatedNow>,
    /// Filed cases whose re-opening waits for a second person.
    pub reopenings: Vec<String>,
    /// The newest lists of disposal; the others by `GET /api/v1/disposals`.
    pub disposals: Vec<ListNow>,
    /// Cursor for `GET /api/v1/disposals`; null where there are no others.
    pub disposals_next: Option<String>,
    /// Whom to call about what is isolated.
    pub call: Option<String>,
}

/// Lists of disposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisposalPage {
    /// Newest first, without their clips.
    pub items: Vec<ListNow>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// Clips whose retention is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct DuePage {
    /// In the order of their ids, which is that of their arrival.
    pub items: Vec<DueNow>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

fn list_now(d: &DisposalRow, items: Vec<ItemNow>) -> ListNow {
    ListNow {
        disposal: d.disposal,
        state: d.state.as_str(),
        opinion: d.opinion.clone(),
        basis: d.basis.clone(),
        asked_by: d.asked_by.clone(),
        decided_by: d.second.as_ref().map(|(by, _)| by.clone()),
        items,
    }
}

/// Holds that stand, isolated clips by id, lists of disposal, and what waits for a second person.
#[utoipa::path(get, path = "/api/v1/keeping", responses((status = 200, body = KeepingNow), (status = 503, body = Problem)))]
pub(in crate::web) async fn get_keeping(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("keeping"), ..Access::default() }).await?;
        let v = seen(&site, &visitor, &DisposalQuery::default()).await?;
        let at = |ms: i64| UtcMs(ms).rfc3339_in(&site.zone);
        let hold = |h: &HoldRow| HoldNow {
            hold: h.hold,
            clip: h.clip.map(|c| c.to_string()),
            case_no: h.case_no.clone(),
            clips: h.clips,
            reason: h.reason.clone(),
            basis: h.basis.clone(),
            placed_by: h.placed_by.clone(),
            placed_at: at(h.placed_ms),
            release_asked_by: h.asked_by.clone(),
        };
        let isolated = |i: &IsolationRow| IsolatedNow {
            clip: i.clip.to_string(),
            placed_by: i.placed_by.clone(),
            placed_at: at(i.placed_ms),
            lift_asked_by: i.asked_by.clone(),
        };
        let now = KeepingNow {
            holds: v.holds.iter().map(hold).collect(),
            isolated: v.isolated.iter().map(isolated).collect(),
            reopenings: v.reopenings.into_iter().map(|r| r.number).collect(),
            disposals: v.disposals.iter().map(|(d, ..)| list_now(d, Vec::new())).collect(),
            disposals_next: v.disposals_next,
            call: site.pages.responsible(),
        };
        Ok(Json(now).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Places a hold on a clip.
#[utoipa::path(post, path = "/api/v1/clips/{id}/holds", params(("id" = String, Path, description = "Record id")), request_body = HoldBody,
    responses((status = 200, description = "Its number", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn hold_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<HoldBody>, JsonRejection>,
) -> Response {
    let request = json(body).map(|b| Request::Hold { clip: Some(id), case_no: None, reason: b.reason, basis: b.basis });
    carried_out(&site, &visitor, request).await
}

/// Places a hold on a case: on every clip that is linked to it, now or later. Needs the right over each of them.
#[utoipa::path(post, path = "/api/v1/cases/{number}/holds", params(("number" = String, Path, description = "Any number of the case")),
    request_body = HoldBody, responses((status = 200, description = "Its number, and on how many clips it stands", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn hold_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<HoldBody>, JsonRejection>,
) -> Response {
    let request =
        json(body).map(|b| Request::Hold { clip: None, case_no: Some(number), reason: b.reason, basis: b.basis });
    carried_out(&site, &visitor, request).await
}

/// Asks for the release of a hold, confirms it as another person, or refuses it.
#[utoipa::path(post, path = "/api/v1/holds/{hold}", params(("hold" = i64, Path, description = "Its number")), request_body = StepBody,
    responses((status = 200, description = "What came of it", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn release_hold(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(hold): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, confirm, refuse, _) = step(&b.step, b.reason)?;
        let hold = hold.parse().map_err(|_| Trouble::NoPage)?;
        Ok(Request::Unhold { hold, reason, confirm, refuse })
    });
    carried_out(&site, &visitor, request).await
}

/// Isolates a clip as suspected classified: it stops going out at once and is shown to nobody. Answers with what stands
/// elsewhere already, and whom to call.
#[utoipa::path(post, path = "/api/v1/clips/{id}/isolation", params(("id" = String, Path, description = "Record id")), request_body = WhyBody,
    responses((status = 200, description = "What is isolated, what stands elsewhere, whom to call", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn isolate_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<WhyBody>, JsonRejection>,
) -> Response {
    carried_out(&site, &visitor, json(body).map(|b| Request::Isolate { clip: id, reason: b.reason })).await
}

/// Asks to lift an isolation, confirms it as another person, or refuses it.
#[utoipa::path(post, path = "/api/v1/clips/{id}/isolation/lift", params(("id" = String, Path, description = "Record id")),
    request_body = StepBody, responses((status = 200, description = "What came of it", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn lift_isolation(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, confirm, refuse, _) = step(&b.step, b.reason)?;
        Ok(Request::Lift { clip: id, reason, confirm, refuse })
    });
    carried_out(&site, &visitor, request).await
}

/// Clips whose retention is over and that nothing keeps.
#[utoipa::path(get, path = "/api/v1/disposals/due", params(AfterQuery), responses((status = 200, body = DuePage),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_due(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<AfterQuery>,
) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
        let asked = DisposalQuery { due: q.place().map(str::to_owned), ..DisposalQuery::default() };
        let v = seen(&site, &visitor, &asked).await?;
        let items = v
            .due
            .into_iter()
            .map(|d| DueNow {
                clip: d.clip.to_string(),
                over_since: UtcMs(d.over_ms).rfc3339_in(&site.zone),
                size_bytes: d.size_bytes,
                cases: d.cases,
            })
            .collect();
        Ok(Json(DuePage { items, next: v.due_next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Lists of disposal, newest first.
#[utoipa::path(get, path = "/api/v1/disposals", params(AfterQuery), responses((status = 200, body = DisposalPage),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_disposals(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<AfterQuery>,
) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
        let asked = DisposalQuery { lists: q.place().map(str::to_owned), ..DisposalQuery::default() };
        let v = seen(&site, &visitor, &asked).await?;
        let items = v.disposals.iter().map(|(d, ..)| list_now(d, Vec::new())).collect();
        Ok(Json(DisposalPage { items, next: v.disposals_next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Proposes clips for disposal; another person confirms.
#[utoipa::path(post, path = "/api/v1/disposals", request_body = ProposeBody,
    responses((status = 200, description = "The list's number", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn propose_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<ProposeBody>, JsonRejection>,
) -> Response {
    let request = json(body).map(|b| Request::Disposal {
        ask: DisposalAsk::Propose { clips: b.clips, opinion: b.opinion, basis: b.basis },
    });
    carried_out(&site, &visitor, request).await
}

/// A list of disposal with its clips.
#[utoipa::path(get, path = "/api/v1/disposals/{disposal}", params(("disposal" = i64, Path, description = "Its number")),
    responses((status = 200, body = ListNow), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn get_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(disposal): Path<String>,
) -> Response {
    let answer = async {
        let disposal = disposal.parse().map_err(|_| Trouble::NoPage)?;
        site.log_access(&visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
        let v = site.pages.disposal(disposal).await?.ok_or(Trouble::NoPage)?;
        let items = v.items.into_iter().map(|i| ItemNow {
            clip: i.clip.to_string(),
            state: i.state,
            why: i.why,
            sha256: i.digests.0,
            blake3: i.digests.1,
            log_intended: i.intent_seq,
            log_gone: i.gone.map(|(_, seq)| seq),
            copies: i
                .copies
                .into_iter()
                .map(|k| (k.destination, if k.removed { "removed".to_owned() } else { k.why }))
                .collect(),
        });
        Ok(Json(list_now(&v.list, items.collect())).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Confirms a list as another person: its clips go for good; or refuses it.
#[utoipa::path(post, path = "/api/v1/disposals/{disposal}", params(("disposal" = i64, Path, description = "Its number")),
    request_body = StepBody, responses((status = 200, description = "How far it is", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn decide_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(disposal): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, yes, ..) = step(&b.step, b.reason)?;
        if reason.is_some() {
            return Err(Trouble::Invalid(Why::ConfirmRefuse {}));
        }
        let disposal = disposal.parse().map_err(|_| Trouble::NoPage)?;
        Ok(Request::Disposal { ask: DisposalAsk::Decide { disposal, yes } })
    });
    carried_out(&site, &visitor, request).await
}
