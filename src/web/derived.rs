//! What is derived of a clip to be looked at: pieces of a preview in a form that browsers play, and a contact sheet. Each
//! says of itself that it is no evidence; the master is served in [`super::media`] and nowhere else (invariant 6). The
//! entry of the viewing is stored before anything is made (invariant 10).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::Digest;

use super::routes::{Need, Routes};
use super::site::{Media, MediaFile, Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::command::Request;
use crate::domain::derived::{PIECES_MAX, piece_span};
use crate::domain::digest::to_hex;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;

/// Says what a derived answer is, to programs and to whoever saves it.
const DERIVED: HeaderName = HeaderName::from_static("evidock-derived");
const NOT_EVIDENCE: HeaderValue = HeaderValue::from_static("derived preview, not the evidence");

/// Length of the whole clip, milliseconds, as its container has it.
const LENGTH: HeaderName = HeaderName::from_static("evidock-clip-ms");

/// For the page and the API.
pub fn routes(r: Routes) -> Routes {
    let play = Need::May(Action::PlayClip);
    r.get("/clips/{id}/preview/{piece}", play, preview)
        .get("/clips/{id}/sheet", play, sheet)
        .get("/api/v1/clips/{id}/preview/{piece}", play, preview)
        .get("/api/v1/clips/{id}/sheet", play, sheet)
}

/// Words over the picture of a preview: who looks, and when. The same for a quarter of an hour, as their viewing is one entry
/// of the log for so long: a piece that is looked at again is not made again.
fn mark(site: &Site, visitor: &Visitor) -> String {
    const QUARTER_MS: i64 = 15 * 60_000;
    let w = visitor.lang.words();
    let name = visitor.who.signed().map_or_else(|| w.actor(&visitor.caller.actor), |signed| signed.name.clone());
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let at = crate::domain::time::UtcMs(site.clock.now().0.div_euclid(QUARTER_MS) * QUARTER_MS);
    format!("{name} {}\n{}", at.zoned(&site.zone).strftime("%Y-%m-%d %H:%M"), w.derived_label)
}

async fn opened(site: &Site, visitor: &Visitor, id: &str) -> Result<(ClipId, MediaFile), Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    match site.pages.media(clip).await? {
        // Nothing of ours parses documents.
        Media::Here(file) if file.is_document => Err(Trouble::NoPreview),
        Media::Here(file) => Ok((clip, file)),
        Media::Missing => Err(Trouble::NoClip),
        Media::Isolated => Err(site.isolated(visitor, Action::PlayClip, clip).await),
    }
}

/// A piece of six seconds of a preview, numbered from 0, as WebM whose times begin at zero: derived, not the evidence.
#[utoipa::path(get, path = "/api/v1/clips/{id}/preview/{piece}",
    params(("id" = String, Path, description = "The clip"), ("piece" = u32, Path, description = "Which piece")),
    responses((status = 200, content_type = "video/webm", description = "The piece; `evidock-derived` says what it is"),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn preview(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path((id, piece)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let piece = piece.parse().ok().filter(|n| *n < PIECES_MAX).ok_or(Trouble::NoPage)?;
        let (clip, file) = opened(&site, &visitor, &id).await?;
        if method == Method::HEAD {
            return Ok(dressed("video/webm", Bytes::new(), &format!("{clip}-preview-{piece:05}.webm")));
        }
        let watching = site.viewings.watch(&visitor.caller, clip, "preview").await?;
        let mark = site.pages.marks_previews().then(|| mark(&site, &visitor));
        let made = site.pages.preview(clip, file.bytes, piece, mark).await?.ok_or(Trouble::NoPreview)?;
        let (from_ms, to_ms) = piece_span(piece);
        watching.served(from_ms, to_ms);
        // Which bytes these are is told when the viewing ends: an entry for each six seconds would be most of the log.
        watching.gave(piece, to_hex(&sha2::Sha256::digest(&made.webm)));
        let content_type = match (made.pictures, made.sound) {
            (true, true) => "video/webm; codecs=\"vp8,opus\"",
            (true, false) => "video/webm; codecs=\"vp8\"",
            _ => "audio/webm; codecs=\"opus\"",
        };
        let mut response = dressed(content_type, made.webm, &format!("{clip}-preview-{piece:05}.webm"));
        if let Some(length) = made.clip_ms {
            response.headers_mut().insert(LENGTH, HeaderValue::from(length));
        }
        Ok(response)
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

/// Pictures evenly spread over a clip, in one JPEG: derived, not the evidence.
#[utoipa::path(get, path = "/api/v1/clips/{id}/sheet", params(("id" = String, Path, description = "The clip")),
    responses((status = 200, content_type = "image/jpeg", description = "Twelve pictures, six side by side"),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn sheet(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let (clip, file) = opened(&site, &visitor, &id).await?;
        let name = format!("{clip}-sheet.jpg");
        if method == Method::HEAD {
            return Ok(dressed("image/jpeg", Bytes::new(), &name));
        }
        // Pictures show what the footage shows: they are logged like it.
        site.viewings.watch(&visitor.caller, clip, "sheet").await?;
        let jpeg = site.pages.sheet(clip, file.bytes).await?.ok_or(Trouble::NoPreview)?;
        // Whoever saves it has a file of its own: the log says of which clip it is, before it is given out.
        let derived = Request::NoteDerived {
            clip: clip.to_string(),
            what: "sheet".to_owned(),
            sha256: to_hex(&sha2::Sha256::digest(&jpeg)),
            bytes: jpeg.len() as u64,
        };
        site.carry_out(&visitor.caller, derived).await?;
        Ok(dressed("image/jpeg", jpeg, &name))
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

fn dressed(content_type: &'static str, bytes: Bytes, name: &str) -> Response {
    let mut response = bytes.into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    head.insert(DERIVED, NOT_EVIDENCE);
    if let Ok(value) = HeaderValue::from_str(&format!("inline; filename=\"derived-{name}\"")) {
        head.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
