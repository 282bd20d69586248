//! Registers over the API: importing one, and taking an import back.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::IntoParams;

use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::command::Request;
use crate::domain::rights::Action;
use crate::domain::why::Why;

/// A register's file is at most this long.
pub(super) const REGISTER_BYTES: usize = 20 << 20;

/// The API's part.
pub fn routes(r: Routes) -> Routes {
    let import = Need::May(Action::ImportRoster);
    r.post_up_to("/api/v1/registers/{register}", import, REGISTER_BYTES, import_register).delete(
        "/api/v1/registers/imports/{import}",
        import,
        undo_import,
    )
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
        let import = import.parse().map_err(|_| Trouble::Invalid(Why::ImportNumber {}))?;
        Ok(Json(site.carry_out(&visitor.caller, Request::UndoImport { import }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
