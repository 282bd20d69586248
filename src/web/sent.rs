//! Sending a case to the legal reviewers (送法制审核), and calling it back: a form on the page of the case, and the same for
//! programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::carried_out;
use super::keeping::change_case;
use super::present::Ctx;
use super::refused::Refused;
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::account::AccountAsk;
use crate::domain::command::Request;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::store::SentRow;

/// Page and API.
pub fn routes(r: Routes) -> Routes {
    let may = Need::Over(Action::SendToReview);
    r.post("/cases/{number}/review", may, send).post("/api/v1/cases/{number}/review", may, send_case).delete(
        "/api/v1/cases/{number}/review",
        may,
        call_back,
    )
}

/// To whom a case stands sent, in words.
pub(super) fn line(sent: &SentRow, c: &Ctx) -> String {
    c.w.sent_to(sent.to.as_deref(), sent.until_ms.map(|at| c.stamp(UtcMs(at)).text).as_deref())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SendForm {
    to: String,
    until: String,
    step: String,
}

fn asked(number: &str, to: Option<String>, until: Option<String>, undo: bool) -> AccountAsk {
    let filled = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    AccountAsk::SendToReview { case_no: number.to_owned(), to: filled(to), until: filled(until), undo }
}

async fn send(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<SendForm>, FormRejection>,
) -> Response {
    let f = match body {
        Ok(Form(f)) => f,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let undo = f.step == "end";
    let typed = Refused::new("send", [("to", f.to.as_str()), ("until", f.until.as_str())]);
    let ask = asked(&number, Some(f.to), Some(f.until).filter(|_| !undo), undo);
    let word = if undo { "called_back" } else { "sent" };
    change_case(&site, &visitor, &number, (Request::Accounts { ask }, word), typed).await
}

/// To whom a case is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SendBody {
    /// The reviewer's account; every legal reviewer where it is absent.
    pub to: Option<String>,
    /// The last day, as `2026-12-31`, or a moment; until it is called back where it is absent.
    pub until: Option<String>,
}

/// From whom a case is called back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct CallBackQuery {
    /// The reviewer's account; whoever it was sent to as a whole where it is absent.
    pub to: Option<String>,
}

async fn answered(site: &Site, visitor: &Visitor, ask: Result<AccountAsk, Trouble>) -> Response {
    carried_out(site, visitor, ask.map(|ask| Request::Accounts { ask })).await
}

/// Sends a case for legal review: its clips are the reviewer's to see until it is called back, or that day is over.
#[utoipa::path(post, path = "/api/v1/cases/{number}/review", request_body = SendBody,
    params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "The case, and until when it stands sent", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn send_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<serde_json::Map<String, serde_json::Value>>, JsonRejection>,
) -> Response {
    let body = super::sending::object::<SendBody>(body);
    answered(&site, &visitor, body.map(|b| asked(&number, b.to, b.until, false))).await
}

/// Calls a case back from legal review.
#[utoipa::path(delete, path = "/api/v1/cases/{number}/review",
    params(("number" = String, Path, description = "Any number of the case"), CallBackQuery),
    responses((status = 200, description = "The case", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn call_back(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    q: Result<Query<CallBackQuery>, QueryRejection>,
) -> Response {
    let q = q.map_err(Trouble::from);
    answered(&site, &visitor, q.map(|Query(q)| asked(&number, q.to, None, true))).await
}
