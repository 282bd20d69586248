//! Registers over the API: importing one, and taking an import back. Coverage of a case stands here, too.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::case::CaseAnswer;
use crate::domain::command::Request;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;

/// A register's file is at most this long.
const REGISTER_BYTES: usize = 20 << 20;

/// The API's part.
pub fn routes(r: Routes) -> Routes {
    let import = Need::May(Action::ImportRoster);
    r.post_up_to("/api/v1/registers/{register}", import, REGISTER_BYTES, import_register)
        .delete("/api/v1/registers/imports/{import}", import, undo_import)
        .get("/api/v1/cases/{number}/coverage", Need::May(Action::FindCase), coverage)
}

/// How a register is imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct RegisterQuery {
    /// The file's name, for the log.
    pub name: Option<String>,
    /// Say what would change, change nothing.
    pub dry_run: bool,
}

/// Imports a register: officers, recorders, units, parties, cases or the catalogue, as CSV, XLSX or JSON.
#[utoipa::path(post, path = "/api/v1/registers/{register}",
    params(("register" = String, Path, description = "unit, officer, recorder, party, case or catalogue"), RegisterQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "What changed, or would change", body = serde_json::Value),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn import_register(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(register): Path<String>,
    Query(q): Query<RegisterQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let bytes = body.map_err(|_| Trouble::TooLarge)?;
        let name = q.name.unwrap_or_else(|| register.clone());
        let request = Request::ImportRegister { register, name, content: STANDARD.encode(bytes), dry_run: q.dry_run };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Takes an import of a register back: every entry as it was before.
#[utoipa::path(delete, path = "/api/v1/registers/imports/{import}", params(("import" = i64, Path, description = "The import's number")),
    responses((status = 200, description = "What came of it", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn undo_import(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(import): Path<String>,
) -> Response {
    let answer = async {
        let import = import.parse().map_err(|_| Trouble::Invalid("an import has a number".into()))?;
        Ok(Json(site.carry_out(&visitor.caller, Request::UndoImport { import }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// A case against the catalogue of what is to be recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseCoverage {
    /// Its number.
    pub case_no: String,
    /// Nothing that should be there is missing or interrupted.
    pub complete: bool,
    /// One line an item, in the order of the catalogue.
    pub lines: Vec<CoverageLine>,
    /// Clips that no item asks for.
    pub clips_beside: usize,
}

/// An item of the catalogue in a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageLine {
    /// Stage.
    pub stage: Option<String>,
    /// Matter to be recorded.
    pub matter: String,
    /// `whole`, `part`, `written`.
    pub tier: &'static str,
    /// `missing`, `interrupted`, `late`, `present`, `replaced`, `not_yet_due`.
    pub standing: &'static str,
    /// Clips that show it.
    pub clips: usize,
    /// Length of what is recorded, over all recorders together.
    pub recorded_ms: i64,
    /// Stretches without any recording.
    pub gaps: Vec<Stretch>,
    /// Until when its footage may come, RFC 3339.
    pub due_at: Option<String>,
    /// Why it has no recording.
    pub reason: Option<String>,
}

/// A stretch of time, RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stretch {
    /// Begin.
    pub from: String,
    /// End.
    pub to: String,
}

/// A case against the catalogue: what should be recorded, and what is.
#[utoipa::path(get, path = "/api/v1/cases/{number}/coverage", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, body = CaseCoverage), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn coverage(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "find", case_no: Some(&number), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let CaseAnswer::Found(v) = site.pages.case(&number, &within).await? else { return Err(Trouble::NoCase) };
        let at = |ms: i64| UtcMs(ms).rfc3339_in(&site.zone);
        let lines = v.coverage.lines.iter().map(|l| CoverageLine {
            stage: l.item.stage.clone(),
            matter: l.item.matter.clone(),
            tier: l.item.tier.as_str(),
            standing: l.standing.as_str(),
            clips: l.clips,
            recorded_ms: l.recorded_ms,
            gaps: l.gaps_ms.iter().map(|(from, to)| Stretch { from: at(*from), to: at(*to) }).collect(),
            due_at: l.due_ms.map(at),
            reason: l.reason.clone(),
        });
        let told = CaseCoverage {
            complete: v.coverage.is_complete(),
            lines: lines.collect(),
            clips_beside: v.coverage.beside,
            case_no: v.number,
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
