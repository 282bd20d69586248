//! The JSON API under `/api/v1`, with its OpenAPI document generated from this code, and the two addresses for
//! machines that watch: `/healthz` and `/metrics`. Errors are `application/problem+json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::asked::json;
use super::listed::ListedClip;
use super::media;
use super::present::Nav;
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::case::CaseAnswer;
use super::view::clips::{ClipRow, ClipsQuery};
use super::wire::*;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::record::{CaseLink, Copy, Field, Provenance, Record};
use crate::domain::rights::Action;
use crate::domain::why::Why;

/// Rows of a page where nothing else is asked for.
const ROWS: u32 = 50;

/// The API as a document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "evidock",
        description = "Clips of this station: records, links to cases, footage. Reading is logged before it is answered. \
                       Programs sign in with a bearer token (`evidock token add`), which has a role and, where it was \
                       made with any, scopes; where a purpose is asked, they give it percent-encoded in `x-purpose`. A \
                       station without accounts answers on loopback only, and to everybody there."
    ),
    modifiers(&SignIn),
    security(("token" = []), ("session" = [])),
    paths(
        list_clips,
        get_clip,
        get_media,
        super::media::get_still,
        super::proofs::api::list_events,
        super::proofs::api::get_event,
        super::proofs::api::get_entry,
        super::proofs::api::get_proof,
        super::proofs::api::get_whereabouts,
        link_clip,
        unlink_clip,
        push_clip,
        annotate_clip,
        list_cases,
        get_case,
        status,
        bays,
        super::derived::preview,
        super::derived::sheet,
        super::documents::list_documents,
        super::documents::file_document,
        super::elsewhere::search_elsewhere,
        super::verify::get_verification,
        super::verify::verify_clip,
        super::derivatives::list_derived,
        super::derivatives::ask_derived,
        super::derivatives::get_derived,
        super::derivatives::get_derived_file,
        super::triage::list,
        super::triage::decide_clip,
        super::registers::import_register,
        super::registers::undo_import,
        super::looks::list_looks,
        super::coverage::coverage,
        super::coverage::coverage_csv,
        super::coverage::coverage_xlsx,
        super::coverage::list_reasons,
        super::coverage::say_reason,
        super::coverage::withdraw_reason,
        super::rooms::list_rooms,
        super::rooms::still,
        super::rooms::start_room,
        super::rooms::stop_room,
        super::sending::pause_sending,
        super::sending::resume_sending,
        super::sent::send_case,
        super::sent::call_back,
        super::exports::list_exports,
        super::exports::ask_export,
        super::exports::get_export,
        super::exports::step_export,
        super::exports::get_zip,
        super::logs::entries,
        super::alarms::list,
        super::alarms::acknowledge_one,
        super::keeping::api::get_keeping,
        super::keeping::api::hold_clip,
        super::keeping::api::hold_case,
        super::keeping::api::release_hold,
        super::keeping::api::isolate_clip,
        super::keeping::api::lift_isolation,
        super::keeping::api::list_due,
        super::keeping::api::list_disposals,
        super::keeping::api::propose_disposal,
        super::keeping::api::get_disposal,
        super::keeping::api::decide_disposal,
        super::filing::get_filing,
        super::filing::list::list_filed,
        super::filing::close_case,
        super::filing::bind_case,
        super::filing::file_case,
        super::filing::compare_case,
        super::filing::reopen_case,
        super::office::destinations::list_destinations,
        super::office::destinations::try_destination,
        super::office::admin::last_check,
        super::office::admin::run_check,
        super::office::admin::show_configuration,
        super::office::admin::rules_now,
        super::office::admin::try_rules,
        super::office::recorders::list_recorders,
        super::office::recorders::show_recorder,
        super::office::recorders::decide_recorder,
        super::office::recorders::assign_recorder,
        super::office::desk::list_out,
        super::office::desk::scan_code,
        super::office::desk::issue_recorder,
        super::office::desk::return_recorder,
        super::office::desk::undo_last,
        super::office::rosters::list_rosters,
        super::office::rosters::import_roster,
        super::office::rosters::try_roster,
        super::office::rosters::template,
        super::office::rosters::remove_roster,
        super::office::rosters::undo_roster,
        super::office::registers::list_registers,
        super::office::registers::list_entries,
        super::office::registers::template,
        super::office::registers::try_register,
        super::office::registers::rules_told,
        super::office::registers::try_rules_told,
        super::office::parties::list_parties,
        super::office::parties::show_party,
        super::office::bulk::several_clips,
        super::changes::changes,
        super::accounts::tokens::list_tokens,
        super::accounts::tokens::make_token,
        super::accounts::tokens::end_token,
        super::reports::get_report,
        super::reports::cases::list_cases_of,
        super::reports::register_csv,
        super::reports::register_xlsx,
        super::reports::form,
        super::sampling::api::list_samples,
        super::sampling::api::draw_sample,
        super::sampling::api::get_sample,
        super::sampling::candidates,
        super::sampling::api::judge_sample,
        super::sampling::api::answer_finding,
        super::sampling::api::return_finding,
        super::sampling::api::close_finding,
        super::review::api::list_reviews,
        super::review::api::get_review,
        super::review::api::add_note,
        super::review::api::withdraw_note,
        super::review::api::give_opinion,
        super::review::api::mark_case,
        openapi,
        healthz,
        metrics
    ),
    components(schemas(Record, CaseLink, Copy, Provenance, Problem, super::changes::Changed))
)]
pub struct Document;

/// How the API is signed in to.
struct SignIn;

impl Modify for SignIn {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("Made by `evidock token add`")).build();
        let session =
            ApiKeyValue::with_description("evidock-session", "Of a browser that signed in; `__Host-evidock` over TLS");
        let parts = document.components.get_or_insert_default();
        parts.add_security_scheme("token", SecurityScheme::Http(bearer));
        parts.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// The API's routes.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/api/v1/clips", Need::May(ListClips), list_clips)
        .get("/api/v1/clips/{id}", Need::May(ShowClip), get_clip)
        .patch("/api/v1/clips/{id}", Need::May(AnnotateClip), annotate_clip)
        .get("/api/v1/clips/{id}/media", Need::May(PlayClip), media::media)
        .post("/api/v1/clips/{id}/links", Need::May(LinkClip), link_clip)
        .delete("/api/v1/clips/{id}/links/{case_no}", Need::May(LinkClip), unlink_clip)
        .post("/api/v1/clips/{id}/push", Need::May(PushClip), push_clip)
        .get("/api/v1/cases", Need::May(FindCase), list_cases)
        .get("/api/v1/cases/{number}", Need::May(FindCase), get_case)
        .get("/api/v1/status", Need::May(SeeStation), status)
        .get("/api/v1/bays", Need::Anyone, bays)
        .get("/api/v1/openapi.json", Need::Anyone, openapi)
        .get("/healthz", Need::Anyone, healthz)
        .get("/metrics", Need::May(ReadMetrics), metrics)
}

type Answer = Result<Response, Trouble>;

fn answered(visitor: &Visitor, answer: Answer) -> Response {
    answer.unwrap_or_else(|trouble| trouble.problem(visitor))
}

fn query<T>(q: Result<Query<T>, QueryRejection>) -> Result<T, Trouble> {
    q.map(|Query(q)| q).map_err(Trouble::from)
}

fn clip_id(id: &str) -> Result<ClipId, Trouble> {
    id.parse().map_err(|_| Trouble::NoClip)
}

fn listed(site: &Site, rows: Vec<ClipRow>) -> Vec<ListedClip> {
    rows.into_iter().map(|row| ListedClip::of(row, &site.zone)).collect()
}

/// Clips, newest capture first, as the page's rows show them.
#[utoipa::path(get, path = "/api/v1/clips", params(RawClipsQuery), responses(
    (status = 200, body = ClipPage), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn list_clips(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<RawClipsQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let q = query(q)?;
        // A form that leaves a day empty means none; a program that sends an empty one has lost it.
        if [&q.from, &q.to].into_iter().flatten().any(String::is_empty) {
            return Err(Trouble::Invalid(Why::DayForm { typed: String::new() }));
        }
        let q = q.resolve(ROWS)?;
        let what = if q.is_filtered() { "search" } else { "list" };
        site.log_access(&visitor, Access { what, terms: Some(&q.to_query_string()), ..Access::default() }).await?;
        let page = site.pages.clips(&q, &visitor.who.within(Action::ListClips)).await?;
        let total = page.total.filter(|_| !page.more_than_total);
        Ok(Json(ClipPage { items: listed(&site, page.rows), next: page.next, total }).into_response())
    };
    answered(&visitor, answer.await)
}

/// The record of a clip.
#[utoipa::path(get, path = "/api/v1/clips/{id}", params(("id" = String, Path, description = "Record id")), responses(
    (status = 200, body = Record), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn get_clip(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let answer = async {
        let clip = clip_id(&id)?;
        site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        let view = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
        if view.isolated.is_some() {
            return Err(Trouble::Isolated);
        }
        Ok(Json(view.record).into_response())
    };
    answered(&visitor, answer.await)
}

/// The original bytes of a clip. One range is served; the viewing is logged before its first byte.
#[utoipa::path(get, path = "/api/v1/clips/{id}/media",
    params(("id" = String, Path, description = "Record id"),
        ("download" = Option<String>, Query, description = "Present: save instead of play"),
        ("Range" = Option<String>, Header, description = "bytes=first-last (RFC 9110)")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 416, body = Problem), (status = 503, body = Problem)))]
#[allow(dead_code)] // The document's entry for `media::media`, which serves the page too.
async fn get_media() {}

/// Links a clip to a case.
#[utoipa::path(post, path = "/api/v1/clips/{id}/links", params(("id" = String, Path, description = "Record id")),
    request_body = LinkBody, responses((status = 201, description = "The link as it stands", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn link_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<LinkBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let clip = clip_id(&id)?.to_string();
        let LinkBody { case_no, from_ms, to_ms, stage, matter, proves } = json(body)?;
        let request = Request::Link { clip, case_no, from_ms, to_ms, stage, matter, proves };
        let made = site.carry_out(&visitor.caller, request).await?;
        Ok((StatusCode::CREATED, Json(made)).into_response())
    };
    answered(&visitor, answer.await)
}

/// Withdraws a link. Nothing is un-said: a withdrawal is a revision.
#[utoipa::path(delete, path = "/api/v1/clips/{id}/links/{case_no}",
    params(("id" = String, Path, description = "Record id"), ("case_no" = String, Path, description = "Any number of the case"), UnlinkQuery),
    responses((status = 200, description = "What was withdrawn", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn unlink_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((id, case_no)): Path<(String, String)>,
    q: Result<Query<UnlinkQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let clip = clip_id(&id)?.to_string();
        let request = Request::Unlink { clip, case_no, reason: query(q)?.reason };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answered(&visitor, answer.await)
}

/// Sets facts of a record as a person's word; null or an empty text withdraws what a person had said.
#[utoipa::path(patch, path = "/api/v1/clips/{id}", params(("id" = String, Path, description = "Record id")),
    request_body(content = BTreeMap<String, Option<String>>, description = "Field name to value"),
    responses((status = 200, description = "What changed", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn annotate_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<BTreeMap<String, Option<String>>>, JsonRejection>,
) -> Response {
    let answer = async {
        let clip = clip_id(&id)?.to_string();
        let body = json(body)?;
        if let Some(name) = body.keys().find(|name| Field::parse(name).is_none()) {
            let known = Field::ALL.iter().map(|f| f.as_str().to_owned()).collect();
            return Err(Trouble::Invalid(Why::NoField { name: name.clone(), known }));
        }
        let fields = body.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        Ok(Json(site.carry_out(&visitor.caller, Request::Annotate { clip, fields }).await?).into_response())
    };
    answered(&visitor, answer.await)
}

/// Cases by any part of any of their numbers.
#[utoipa::path(get, path = "/api/v1/cases", params(CasesQuery), responses(
    (status = 200, body = CasePage), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn list_cases(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<CasesQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let q = query(q)?;
        let terms = q.query.trim();
        let what = if terms.is_empty() { "list" } else { "find" };
        site.log_access(&visitor, Access { what, terms: Some(terms), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let page = site.pages.cases(terms, q.after.as_deref(), &within).await?;
        Ok(Json(CasePage { items: page.rows.iter().map(CaseSummary::from).collect(), next: page.next }).into_response())
    };
    answered(&visitor, answer.await)
}

/// A case by any of its numbers, with its newest clips.
#[utoipa::path(get, path = "/api/v1/cases/{number}", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, body = CaseDetail), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn get_case(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "find", case_no: Some(&number), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let CaseAnswer::Found(v) = site.pages.case(&number, &within).await? else { return Err(Trouble::NoCase) };
        let clips = ClipsQuery { case: Some(v.number.clone()), limit: MOST_ROWS, ..ClipsQuery::default() };
        let page = site.pages.clips(&clips, &within).await?;
        let case = CaseSummary {
            case_no: v.number,
            kind: v.kind,
            aliases: v.aliases,
            cause: v.cause,
            party_ref: v.party,
            clips: v.clips_total,
            more: v.more,
            proven: v.proven,
            incomplete: v.incomplete,
            size_bytes: v.bytes,
        };
        let detail = CaseDetail { case, duration_ms: v.duration_ms, items: listed(&site, page.rows), next: page.next };
        Ok(Json(detail).into_response())
    };
    answered(&visitor, answer.await)
}

/// The station at a glance.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status), (status = 503, body = Problem)))]
async fn status(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Other).await?;
        let view = site.pages.station().await?;
        let alarm = |a: &super::view::station::Alarm| {
            let (risen, w) = (view.risen(a), c.w);
            AlarmStatus {
                id: risen.map(|r| r.id),
                code: a.code(),
                about: a.about().to_owned(),
                severity: a.severity().as_str(),
                message: w.alarm_title(a),
                action: w.alarm_action(a),
                since: risen.map(|r| r.since.rfc3339()),
                acknowledged_by: risen
                    .and_then(|r| r.acknowledged.as_ref())
                    .map(|(by, _)| format!("{}:{}", by.kind, by.id)),
            }
        };
        let status = Status {
            station: c.frame.station_name.clone(),
            clock_synced: c.frame.clock_synced,
            to_annotate: c.frame.to_annotate,
            flow: flow(&view),
            bays: view.bays.iter().map(BayStatus::from).collect(),
            uplink_bytes_per_s: view.uplink.rate_bytes_per_s,
            queue_bytes: view.uplink.queue_bytes,
            destinations: view.uplink.destinations.iter().map(DestinationStatus::from).collect(),
            disk: DiskStatus {
                total_bytes: view.disk.total,
                used_bytes: view.disk.used(),
                undelivered_bytes: view.disk.undelivered,
                reserve_bytes: view.disk.reserve,
                stopped: view.disk.stopped,
            },
            alarms: view.alarms.iter().map(alarm).collect(),
        };
        Ok(Json(status).into_response())
    };
    answered(&visitor, answer.await)
}

/// Every bay: what the bay board shows, for boards and lamps of one's own. Tells nothing of people, recorders or cases,
/// and stays open to everyone who reaches the station, as the bay board does.
#[utoipa::path(get, path = "/api/v1/bays", responses((status = 200, body = Bays), (status = 503, body = Problem)))]
async fn bays(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let view = site.pages.station().await?;
        Ok(Json(Bays { bays: view.bays.iter().map(BayNow::from).collect() }).into_response())
    };
    answered(&visitor, answer.await)
}

/// Sends a clip before all others.
#[utoipa::path(post, path = "/api/v1/clips/{id}/push", params(("id" = String, Path, description = "Record id")),
    responses((status = 200, description = "How many clips go first", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
async fn push_clip(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let answer = async {
        let request = Request::Push { clip: Some(clip_id(&id)?.to_string()), case_no: None };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answered(&visitor, answer.await)
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = serde_json::Value)))]
async fn openapi(State(site): State<Arc<Site>>) -> Response {
    let mut document = super::hooks::with_webhooks(Document::openapi());
    super::conventions::dress(&mut document, super::routes(&site).declared());
    Json(document).into_response()
}

/// Whether the parts of the daemon are well. Why one is not tells addresses and errors: only who may look at the station
/// is told.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = HealthStatus), (status = 503, body = HealthStatus)))]
async fn healthz(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let mut health = HealthStatus::from(site.pages.health().await);
    if !visitor.who.may_ever(Action::SeeStation) {
        health.parts.iter_mut().for_each(|part| part.detail = None);
    }
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

/// Metrics for Prometheus, in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "application/openmetrics-text", body = String), (status = 503, body = Problem)))]
async fn metrics(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let text = site.pages.metrics().await?;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
    };
    answered(&visitor, answer.await)
}
