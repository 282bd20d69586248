//! Holding footage back and letting it go on: forms on the station page, and the same for programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::asked::{carried_out, json};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::command::Request;
use crate::domain::rights::Action::PauseSending;
use crate::domain::why::Why;

/// Page and API.
pub fn routes(r: Routes) -> Routes {
    let may = Need::May(PauseSending);
    r.post("/sending/pause", may, pause)
        .post("/sending/resume", may, resume)
        .post("/api/v1/sending/pause", may, pause_sending)
        .post("/api/v1/sending/resume", may, resume_sending)
}

// --- Page ----------------------------------------------------------------------------------------

#[derive(Debug, Deserialize)]
struct SendingForm {
    destination: String,
}

async fn pause(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<SendingForm>, FormRejection>,
) -> Response {
    let ask = |f: SendingForm| Request::PauseSending { destination: Some(f.destination), until: None };
    by_form(&site, &visitor, body.map(|Form(f)| ask(f))).await
}

async fn resume(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<SendingForm>, FormRejection>,
) -> Response {
    let ask = |f: SendingForm| Request::ResumeSending { destination: Some(f.destination) };
    by_form(&site, &visitor, body.map(|Form(f)| ask(f))).await
}

/// Carries a form of the station page out, and goes back to it.
async fn by_form(site: &Site, visitor: &Visitor, request: Result<Request, FormRejection>) -> Response {
    let answer = async {
        site.carry_out(&visitor.caller, request?).await?;
        Ok(Redirect::to("/").into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// What is to be held back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct PauseBody {
    /// From which destination; from all of them where it is absent.
    pub destination: Option<String>,
    /// Until when: a date and time, or only a time, which is the next one to come. Without it until somebody resumes.
    pub until: Option<String>,
}

/// What may go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ResumeBody {
    /// To which destination; to all of them where it is absent.
    pub destination: Option<String>,
}

/// A body all of whose parts may be absent. It is an object all the same: serde would take a list for one, too.
pub(super) fn object<T: DeserializeOwned>(
    body: Result<Json<serde_json::Map<String, Value>>, JsonRejection>,
) -> Result<T, Trouble> {
    let read = serde_json::from_value(Value::Object(json(body)?));
    read.map_err(|e| Trouble::Invalid(Why::NotReadable { detail: e.to_string() }))
}

/// Holds footage back; records and checkpoints go on, and parts that are under way come to their end.
#[utoipa::path(post, path = "/api/v1/sending/pause", request_body = PauseBody,
    responses((status = 200, description = "The destination, and until when", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn pause_sending(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<serde_json::Map<String, Value>>, JsonRejection>,
) -> Response {
    let ask = |b: PauseBody| Request::PauseSending { destination: b.destination, until: b.until };
    carried_out(&site, &visitor, object(body).map(ask)).await
}

/// Lets footage go on.
#[utoipa::path(post, path = "/api/v1/sending/resume", request_body = ResumeBody,
    responses((status = 200, description = "The destination", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn resume_sending(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<serde_json::Map<String, Value>>, JsonRejection>,
) -> Response {
    let ask = |b: ResumeBody| Request::ResumeSending { destination: b.destination };
    carried_out(&site, &visitor, object(body).map(ask)).await
}
