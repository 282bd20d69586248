//! Serving the bytes of a clip, from the vault or from wherever else it stands. The entry of the viewing is stored before
//! the first byte (invariant 10); bytes come verified, one stretch of bounded size at a time, only as fast as they are
//! taken.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::range::{Wanted, wanted};
use super::routes::{self, Need, Routes};
use super::site::{Access, Media, MediaFile, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::viewing::Watching;
use crate::domain::document::PDF;
use crate::domain::ids::ClipId;
use crate::domain::ports::ClipBytes;
use crate::domain::rights::Action;

/// Media, stills, and what was verified.
pub fn routes(r: Routes) -> Routes {
    let play = Need::May(Action::PlayClip);
    r.get("/clips/{id}/media", play, media)
        .get("/clips/{id}/verified", play, verified)
        .get("/clips/{id}/thumbnail", play, thumbnail)
        .get("/api/v1/clips/{id}/thumbnail", play, thumbnail)
}

/// How the media is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct MediaQuery {
    /// Save instead of play.
    #[serde(default)]
    download: Option<String>,
    /// A PDF in a frame of one of our pages.
    #[serde(default)]
    frame: Option<String>,
}

/// Nothing of a document runs: not as a page of this station, not as anything but what its bytes are.
const NO_PAGE: &str = "default-src 'none'; sandbox";
/// The same, in a frame of a page of ours. Chromium and Firefox take of the policy of a PDF what it says of frames and
/// leave its pages to their own viewers, which a `sandbox` of the frame itself would keep from starting.
const IN_OUR_FRAME: &str = "default-src 'none'; sandbox; frame-ancestors 'self'";

/// `GET` or `HEAD` of a clip's bytes, for the page and the API.
pub async fn media(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path(id): Path<String>,
    Query(query): Query<MediaQuery>,
    headers: HeaderMap,
) -> Response {
    match serve(&site, &visitor, &method, &id, &query, &headers).await {
        Ok(response) => response,
        Err(trouble) => trouble.answer(&site, &visitor),
    }
}

async fn serve(
    site: &Site,
    visitor: &Visitor,
    method: &Method,
    id: &str,
    query: &MediaQuery,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    let download = query.download.is_some();
    let mut visitor = visitor.clone();
    // Saving is more than playing: what was said for it goes into its entry.
    if download {
        let said = routes::also(site, &visitor, Action::DownloadClip, clip, headers).await?;
        visitor.caller.purpose = said.or(visitor.caller.purpose);
    }
    let file = match site.pages.media(clip).await? {
        Media::Here(file) => file,
        Media::Missing => return Err(Trouble::NoClip),
        Media::Isolated => return Err(site.isolated(&visitor, Action::PlayClip, clip).await),
    };
    let framed = query.frame.is_some() && !download && file.is_document && file.content_type == PDF;
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let tag = format!("\"{}\"", file.sha256);
    // If-Range: another version of the file is sent whole (RFC 9110, 13.1.5). The bytes never change, so that
    // only our own tag can match; a date never does.
    // A viewer of PDF would ask for ranges without the cookie of the page that it stands in: there it gets the whole.
    let range = text(header::RANGE).filter(|_| !framed && text(header::IF_RANGE).is_none_or(|t| t == tag));
    let len = file.bytes.size_bytes();
    let (status, span) = match wanted(range, len) {
        Wanted::Whole => (StatusCode::OK, 0..len),
        Wanted::Part(span) => (StatusCode::PARTIAL_CONTENT, span),
        Wanted::Unsatisfiable => return Err(Trouble::Range(len)),
    };
    let body = if *method == Method::HEAD || span.is_empty() {
        // Its name, length and digest are told without its bytes: that is a look at its record.
        site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        Body::empty()
    } else {
        let what = match (download, file.is_document) {
            (true, _) => "download",
            (false, true) => "read",
            (false, false) => "play",
        };
        let watching = site.viewings.watch(&visitor.caller, clip, what).await?;
        body(file.bytes.clone(), span.clone(), watching).await?
    };
    let mut response = (status, body).into_response();
    let head = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &file.content_type);
    set(header::CONTENT_LENGTH, &(span.end - span.start).to_string());
    set(header::ACCEPT_RANGES, if framed { "none" } else { "bytes" });
    set(header::ETAG, &tag);
    set(header::CONTENT_DISPOSITION, &disposition(&file, download || file.is_document && !framed));
    if file.is_document {
        set(header::CONTENT_SECURITY_POLICY, if framed { IN_OUR_FRAME } else { NO_PAGE });
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    if framed {
        set(header::X_FRAME_OPTIONS, "SAMEORIGIN");
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, &format!("bytes {}-{}/{len}", span.start, span.end - 1));
    }
    Ok(response)
}

/// A body of the verified bytes of `span`; what the connection does not take is not read. The first stretch is there
/// before anything is answered, so that a clip of which no good copy can be had is an error and not a broken answer.
async fn body(bytes: Arc<dyn ClipBytes>, span: Range<u64>, watching: Watching) -> Result<Body, Trouble> {
    let mut stream = bytes.read(span.clone());
    let first = stream.next().await.transpose()?;
    let state = (stream, first, span.start, span.end, watching);
    Ok(Body::from_stream(stream::try_unfold(state, |(mut stream, first, at, end, watching)| async move {
        let next = match first {
            Some(chunk) => Some(chunk),
            None => stream.next().await.transpose().map_err(io::Error::other)?,
        };
        match next {
            Some(chunk) => {
                let to = at + chunk.len() as u64;
                watching.served(at, to);
                Ok(Some((chunk, (stream, None, to, end, watching))))
            }
            None if at == end => Ok::<_, io::Error>(None),
            // Shorter than recorded: the connection breaks, so that nobody takes it for the whole.
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the clip ends before its recorded length")),
        }
    })))
}

/// What a player shows as verified.
#[derive(Debug, Serialize)]
struct Verified {
    /// Bytes `[from, to)` of the clip that were compared with the seal and then given out, in this viewing.
    ranges: Vec<(u64, u64)>,
}

/// What the station itself says of the bytes that a player has had. It tells nothing of the clip, and so is no access.
async fn verified(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let answer = async {
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.not_isolated(&visitor, clip).await?;
        Ok(Json(Verified { ranges: site.viewings.given(&visitor.caller, clip, "play") }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

/// `Content-Disposition` with an ASCII name for old programs and the full one beside it (RFC 6266, RFC 8187).
fn disposition(file: &MediaFile, download: bool) -> String {
    let kind = if download { "attachment" } else { "inline" };
    let ascii: String = file
        .file_name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    let full = percent_encoding::utf8_percent_encode(&file.file_name, percent_encoding::NON_ALPHANUMERIC);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{full}")
}

/// A still of a clip; it is logged like the footage that it shows.
#[utoipa::path(get, path = "/api/v1/clips/{id}/thumbnail", params(("id" = String, Path, description = "Record id")),
    responses((status = 200, content_type = "image/jpeg", description = "The still"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
#[allow(dead_code)] // The document's entry for `thumbnail`, which serves the page too.
pub(super) async fn get_still() {}

async fn thumbnail(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.not_isolated(&visitor, clip).await?;
        let jpeg = site.pages.thumbnail(clip).await?.ok_or(Trouble::NoPage)?;
        // A still shows what the footage shows: it is logged like it.
        if method != Method::HEAD {
            site.viewings.watch(&visitor.caller, clip, "thumbnail").await?;
        }
        Ok::<_, Trouble>(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ports::FootageStream;

    #[test]
    fn hostile_names_cannot_break_the_header() {
        struct Nothing;
        impl ClipBytes for Nothing {
            fn size_bytes(&self) -> u64 {
                0
            }
            fn read(self: Arc<Self>, _: Range<u64>) -> FootageStream {
                Box::pin(stream::empty())
            }
        }
        let file = MediaFile {
            bytes: Arc::new(Nothing),
            content_type: "video/mp4".into(),
            file_name: "执法\"; x=\\x0a.mp4".into(),
            sha256: String::new(),
            is_document: false,
        };
        let text = disposition(&file, true);
        assert!(text.starts_with("attachment; filename=\"_____x"), "{text}");
        assert!(HeaderValue::from_str(&text).is_ok());
        assert!(text.contains("filename*=UTF-8''%E6%89%A7%E6%B3%95%22%3B"));
    }
}
