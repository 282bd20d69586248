//! "Verify now" on the page of a clip, and the same for programs: asks the daemon to compare a clip's copies with what was
//! sealed, and shows how far that is and what came of it. Who may watch a clip may have it verified: it reads the same bytes,
//! and shows none of them.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pages::{self, After};
use super::present::verify::{VerifyBlock, block};
use super::present::{Ctx, Nav};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::command::Request;
use crate::domain::how_far::percent;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::verifying::{Compared, Stage, Verifying};

/// The form, how far it is, the API.
pub fn routes(r: Routes) -> Routes {
    let play = Need::May(Action::PlayClip);
    r.get("/clips/{id}/verify", play, shown)
        .post("/clips/{id}/verify", play, ask)
        .get("/api/v1/clips/{id}/verify", play, get_verification)
        .post("/api/v1/clips/{id}/verify", play, verify_clip)
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    c: &'a Ctx,
    v: VerifyBlock,
}

/// What is ticked.
#[derive(Debug, Deserialize)]
struct Ticked {
    #[serde(default)]
    remote: Option<String>,
}

/// The newest comparison of a clip that may be told of, after the look was logged.
async fn newest(site: &Site, visitor: &Visitor, id: &str) -> Result<(ClipId, Option<Verifying>), Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    site.log_access(visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
    site.not_isolated(visitor, clip).await?;
    Ok((clip, site.pages.office().premises().verifying(clip)))
}

async fn shown(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let answer = async {
        let (clip, verifying) = newest(&site, &visitor, &id).await?;
        let c = site.ctx(&visitor, Nav::Clips).await?;
        let v = block(clip.to_string(), verifying.as_ref(), &c);
        Ok(Html(VerifyPage { c: &c, v }.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn ask(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<Ticked>, FormRejection>,
) -> Response {
    let begun = async {
        let Form(ticked) = body?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.not_isolated(&visitor, clip).await?;
        Ok::<_, Trouble>(Request::BeginVerify { clip: clip.to_string(), remote: ticked.remote.is_some() })
    };
    match begun.await {
        Ok(request) => pages::change(&site, &visitor, &id, request, "verifying#verify", After::default()).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// Read the copies at the destinations back, too. Of a clip that gave way here they are read in any case.
    #[serde(default)]
    pub remote: bool,
}

/// How far a comparison is, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifyNow {
    /// The clip.
    pub clip: String,
    /// `none` (not asked for since the daemon started), `waiting`, `reading`, `ended`, `failed`.
    pub state: &'static str,
    /// When it was asked for, RFC 3339.
    pub asked_at: Option<String>,
    /// The destination whose copy is read now; null: the file here.
    pub reading: Option<String>,
    /// Bytes read so far.
    pub done_bytes: u64,
    /// Bytes to be read.
    pub of_bytes: u64,
    /// How much of it that is, cut off.
    pub percent: u64,
    /// How long the rest takes, milliseconds, where that can be told.
    pub left_ms: Option<i64>,
    /// What came of it.
    pub result: Option<Compared>,
    /// Why it could not be carried out.
    pub message: Option<String>,
}

fn now(clip: ClipId, verifying: Option<Verifying>, site: &Site) -> VerifyNow {
    let clip = clip.to_string();
    let Some(v) = verifying else {
        return VerifyNow {
            clip,
            state: "none",
            asked_at: None,
            reading: None,
            done_bytes: 0,
            of_bytes: 0,
            percent: 0,
            left_ms: None,
            result: None,
            message: None,
        };
    };
    let state = v.stage.as_str();
    let (reading, result, message) = match v.stage {
        Stage::Waiting => (None, None, None),
        Stage::Reading { destination } => (destination, None, None),
        Stage::Ended(compared) => (None, Some(compared), None),
        Stage::Failed(words) => (None, None, Some(words)),
    };
    VerifyNow {
        clip,
        state,
        asked_at: Some(v.begun.rfc3339_in(&site.zone)),
        reading,
        done_bytes: v.done_bytes,
        of_bytes: v.of_bytes,
        percent: percent(v.done_bytes, v.of_bytes),
        left_ms: v.left_ms,
        result,
        message,
    }
}

/// The newest comparison of a clip's copies.
#[utoipa::path(get, path = "/api/v1/clips/{id}/verify", params(("id" = String, Path, description = "The clip")),
    responses((status = 200, body = VerifyNow), (status = 404, body = Problem)))]
pub(super) async fn get_verification(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let (clip, verifying) = newest(&site, &visitor, &id).await?;
        Ok(Json(now(clip, verifying, &site)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Has a clip's copies hashed and compared with what was sealed; it goes on after the answer.
#[utoipa::path(post, path = "/api/v1/clips/{id}/verify", params(("id" = String, Path, description = "The clip")),
    request_body = VerifyBody,
    responses((status = 202, body = VerifyNow), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn verify_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<VerifyBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(b) = body?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.not_isolated(&visitor, clip).await?;
        let request = Request::BeginVerify { clip: clip.to_string(), remote: b.remote };
        site.carry_out(&visitor.caller, request).await?;
        let verifying = site.pages.office().premises().verifying(clip);
        Ok((StatusCode::ACCEPTED, Json(now(clip, verifying, &site))).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
