//! Files of their own that are derived of a clip: asked for on its page or through the API, with the reason, and fetched
//! while they are kept. Each says of itself that it is no evidence (invariant 6). The entry stands before it is made, and
//! before its first byte is given out (invariant 10).

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use utoipa::ToSchema;

use super::pages;
use super::purpose;
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::derived::DerivedView;
use crate::domain::command::Request;
use crate::domain::derivative::file_name;
use crate::domain::derived::parse_span;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

/// Says what a derived answer is, to programs and to whoever saves it.
const DERIVED: HeaderName = HeaderName::from_static("evidock-derived");
const NOT_EVIDENCE: HeaderValue = HeaderValue::from_static("derived file, not the evidence");

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// The form, the file, the API.
pub fn routes(r: Routes) -> Routes {
    let (derive, ask_for) = (Need::May(Action::DeriveClip), Need::WithReason(Action::DeriveClip));
    r.post("/clips/{id}/derive", ask_for, ask)
        .get("/clips/{id}/derived/{derived}", derive, file)
        .get("/api/v1/clips/{id}/derived", derive, list_derived)
        .post("/api/v1/clips/{id}/derived", ask_for, ask_derived)
        .get("/api/v1/clips/{id}/derived/{derived}", derive, get_derived)
        .get("/api/v1/clips/{id}/derived/{derived}/file", derive, get_derived_file)
}

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub(super) kind: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) form: String,
    pub(super) exact: Option<String>,
    pub(super) reason: String,
}

/// A place as it was typed: seconds.
fn place(text: &str) -> Result<Option<u64>, Trouble> {
    match text.trim() {
        "" => Ok(None),
        text => match parse_span(&text.replace(',', ".")) {
            Some((ms, None)) => Ok(Some(ms)),
            _ => Err(Trouble::Invalid(Why::NotAPlace { typed: text.chars().take(40).collect() })),
        },
    }
}

async fn ask(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<Typed>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(typed) = body?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        let asked = async {
            let request = Request::AskDerived {
                clip: clip.to_string(),
                kind: typed.kind.clone(),
                form: Some(typed.form.clone()),
                from_ms: place(&typed.from)?,
                to_ms: place(&typed.to)?,
                exact: typed.exact.is_some(),
                reason: typed.reason.clone(),
            };
            site.carry_out(&visitor.caller, request).await
        };
        match asked.await {
            Ok(_) => {
                // Whoever fetches what was made said why already.
                purpose::remember(&site, &visitor, clip, &typed.reason).await;
                Ok(Redirect::to(&format!("/clips/{id}?done=derived#derived")).into_response())
            }
            Err(trouble) => pages::not_derived(&site, &visitor, &id, trouble, typed).await,
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// A derivative of this clip; any other one is not there.
async fn of_clip(site: &Site, visitor: &Visitor, id: &str, derived: &str) -> Result<(ClipId, DerivedView), Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    site.not_isolated(visitor, clip).await?;
    let view = site.pages.derived_file(derived).await?.filter(|view| view.0.clip == clip);
    Ok((clip, view.ok_or(Trouble::NoPage)?))
}

async fn file(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path((id, derived)): Path<(String, String)>,
) -> Response {
    let served = serve(&site, &visitor, &method, &id, &derived).await;
    served.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

async fn serve(site: &Site, visitor: &Visitor, method: &Method, id: &str, derived: &str) -> Result<Response, Trouble> {
    let (clip, DerivedView(row, _)) = of_clip(site, visitor, id, derived).await?;
    let told = row.file.clone().ok_or(Trouble::NoPage)?;
    let file = site.pages.derived_bytes(&row).await?.ok_or(Trouble::NoPage)?;
    let body = if *method == Method::HEAD {
        site.log_access(visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        Body::empty()
    } else {
        site.carry_out(&visitor.caller, Request::TakeDerived { derived: row.id.clone() }).await?;
        let file = tokio::fs::File::from_std(file);
        Body::from_stream(stream::try_unfold(file, |mut file| async move {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            let n = (&mut file).take(BLOCK_BYTES as u64).read_to_end(&mut block).await?;
            Ok::<_, io::Error>((n > 0).then(|| (Bytes::from(block), file)))
        }))
    };
    let mut response = body.into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(told.form.media_type()));
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(told.size_bytes));
    head.insert(DERIVED, NOT_EVIDENCE);
    let name = file_name(clip, row.order.kind, told.from_ms, told.form);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        head.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

// --- API -----------------------------------------------------------------------------------------

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeriveBody {
    /// `frame` (one picture, as it is at a moment), `trim` (a stretch), `watermark` (all of it or a stretch, with the name of
    /// whoever asks and the time over the picture).
    pub kind: String,
    /// Of a frame: `jpg` or `png`.
    #[serde(default)]
    pub form: Option<String>,
    /// The moment, or the begin, milliseconds from the clip's start.
    #[serde(default)]
    pub from_ms: Option<u64>,
    /// The end.
    #[serde(default)]
    pub to_ms: Option<u64>,
    /// A stretch to the picture, encoded again; without it from key frame to key frame, not encoded again.
    #[serde(default)]
    pub exact: bool,
    /// Why.
    pub reason: String,
}

/// A file that is derived of a clip: never the evidence.
#[derive(Debug, Serialize, ToSchema)]
pub struct DerivedNow {
    /// Its id.
    pub derived: String,
    /// The clip of which it is derived.
    pub clip: String,
    /// `frame`, `trim`, `watermark`.
    pub kind: &'static str,
    /// `making`, `failed`, `ready`, `gone`.
    pub state: &'static str,
    /// How much of it is made, per cent, while it is.
    pub percent: Option<u64>,
    /// How long the rest takes, milliseconds, where that can be told.
    pub left_ms: Option<i64>,
    /// Why it failed.
    pub message: Option<String>,
    /// Why it was asked for.
    pub reason: String,
    /// Who asked, as the log has it.
    pub asked_by: String,
    /// When, RFC 3339.
    pub asked_at: String,
    /// `jpg`, `png`, `mp4`, `mkv`, `webm`.
    pub form: Option<&'static str>,
    /// `decoded`, `copied` (from key frame to key frame, not encoded again), `encoded`.
    pub method: Option<&'static str>,
    /// Where it really begins, milliseconds of the clip; of a frame its own time.
    pub from_ms: Option<u64>,
    /// Where it really ends.
    pub to_ms: Option<u64>,
    /// Its length in bytes.
    pub bytes: Option<u64>,
    /// Its digest, hex.
    pub sha256: Option<String>,
    /// Its other digest, hex.
    pub blake3: Option<String>,
    /// The digest of the clip, hex.
    pub parent_sha256: Option<String>,
    /// Its other digest, hex.
    pub parent_blake3: Option<String>,
    /// What made it.
    pub tool: Option<String>,
    /// Where it can be fetched, while it is kept.
    pub file: Option<String>,
}

/// Derived files of a clip, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DerivedList {
    /// Each of them.
    pub items: Vec<DerivedNow>,
}

fn now(DerivedView(row, far): &DerivedView, site: &Site) -> DerivedNow {
    let file = row.file.as_ref();
    let ready = row.state == crate::domain::derivative::State::Ready;
    DerivedNow {
        derived: row.id.clone(),
        clip: row.clip.to_string(),
        kind: row.order.kind.as_str(),
        state: row.state.as_str(),
        percent: far.map(|far| far.percent()),
        left_ms: far.and_then(|far| far.left_ms),
        message: row.words.clone(),
        reason: row.reason.clone(),
        asked_by: format!("{}:{}", row.asked_by.kind, row.asked_by.id),
        asked_at: UtcMs(row.asked_ms).rfc3339_in(&site.zone),
        form: file.map(|f| f.form.as_str()),
        method: file.map(|f| f.method.as_str()),
        from_ms: file.map(|f| f.from_ms),
        to_ms: file.map(|f| f.to_ms),
        bytes: file.map(|f| f.size_bytes),
        sha256: file.map(|f| f.sha256.to_string()),
        blake3: file.map(|f| f.blake3.to_string()),
        parent_sha256: file.map(|f| f.parent_sha256.to_string()),
        parent_blake3: file.map(|f| f.parent_blake3.to_string()),
        tool: file.map(|f| f.tool.clone()),
        file: ready.then(|| format!("/api/v1/clips/{}/derived/{}/file", row.clip, row.id)),
    }
}

/// Files that were derived of a clip.
#[utoipa::path(get, path = "/api/v1/clips/{id}/derived", params(("id" = String, Path, description = "The clip")),
    responses((status = 200, body = DerivedList), (status = 404, body = Problem)))]
pub(super) async fn list_derived(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let answer = async {
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        site.not_isolated(&visitor, clip).await?;
        let items = site.pages.derived(clip).await?.iter().map(|view| now(view, &site)).collect();
        Ok(Json(DerivedList { items }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Asks for one; it is made soon after.
#[utoipa::path(post, path = "/api/v1/clips/{id}/derived", params(("id" = String, Path, description = "The clip")),
    request_body = DeriveBody,
    responses((status = 202, body = DerivedNow), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn ask_derived(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<DeriveBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(b) = body?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        let request = Request::AskDerived {
            clip: clip.to_string(),
            kind: b.kind,
            form: b.form,
            from_ms: b.from_ms,
            to_ms: b.to_ms,
            exact: b.exact,
            reason: b.reason,
        };
        let asked = site.carry_out(&visitor.caller, request).await?;
        let (_, view) = of_clip(&site, &visitor, &id, asked["derived"].as_str().unwrap_or_default()).await?;
        Ok((StatusCode::ACCEPTED, Json(now(&view, &site))).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// How far one is, and what it is.
#[utoipa::path(get, path = "/api/v1/clips/{id}/derived/{derived}",
    params(("id" = String, Path, description = "The clip"), ("derived" = String, Path, description = "Which")),
    responses((status = 200, body = DerivedNow), (status = 404, body = Problem)))]
pub(super) async fn get_derived(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((id, derived)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let (clip, view) = of_clip(&site, &visitor, &id, &derived).await?;
        site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        Ok(Json(now(&view, &site)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// The file: derived, not the evidence.
#[utoipa::path(get, path = "/api/v1/clips/{id}/derived/{derived}/file",
    params(("id" = String, Path, description = "The clip"), ("derived" = String, Path, description = "Which")),
    responses((status = 200, content_type = "application/octet-stream", description = "The file; `evidock-derived` says what it is"),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn get_derived_file(
    site: State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    path: Path<(String, String)>,
) -> Response {
    file(site, visitor, method, path).await
}
