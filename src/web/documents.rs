//! Documents of a case: what was filed, for programs, and filing: page and API send a file's bytes as the body, as they are. They go to the disk as they come;
//! what is too long, or no document, is refused before anything of it is kept.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::case::CaseAnswer;
use crate::domain::command::{FileDocument, Incoming, Reply};
use crate::domain::rights::Action;
use crate::domain::why::Why;

/// A refused body is read to its end up to this length, so that its sender hears the refusal.
const READ_ON_BYTES: u64 = 512 << 20;

/// Pages and API.
pub fn routes(r: Routes) -> Routes {
    let file = Need::Case(Action::FileDocument);
    r.post_slow("/cases/{number}/documents", file, file_document)
        .get("/api/v1/cases/{number}/documents", Need::May(Action::FindCase), list_documents)
        .post_slow("/api/v1/cases/{number}/documents", file, file_document)
}

/// Documents of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseDocuments {
    /// Its number.
    pub case_no: String,
    /// As they were filed, of those that whoever asks may see.
    pub items: Vec<FiledDocument>,
}

/// A document of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiledDocument {
    /// Record id: its record, bytes and custody are had like a clip's.
    pub record_id: String,
    /// `record`, `evidence`, `approval`, `notice`, `decision`, `service`, `other`.
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// Its file's name, escaped.
    pub file_name: String,
    /// By its own first bytes.
    pub media_type: String,
    /// The matter of which it is the written record.
    pub matter: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was filed, RFC 3339.
    pub filed_at: String,
    /// `sealed`, `sending`, `proven`, `released`.
    pub state: &'static str,
}

/// Documents of a case, beside its clips.
#[utoipa::path(get, path = "/api/v1/cases/{number}/documents",
    params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, body = CaseDocuments), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list_documents(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "find", case_no: Some(&number), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let CaseAnswer::Found(v) = site.pages.case(&number, &within).await? else { return Err(Trouble::NoCase) };
        let items = v.documents.into_iter().map(|d| FiledDocument {
            record_id: d.id.to_string(),
            kind: d.kind,
            title: d.title,
            file_name: d.file_name,
            media_type: d.media_type,
            matter: d.matter,
            size_bytes: d.size_bytes,
            filed_at: d.filed.rfc3339_in(&site.zone),
            state: d.state.as_str(),
        });
        Ok(Json(CaseDocuments { items: items.collect(), case_no: v.number }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// What a document is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct DocumentQuery {
    /// `record`, `evidence`, `approval`, `notice`, `decision`, `service`, `other`.
    pub kind: Option<String>,
    /// The file's name.
    pub name: String,
    /// What it is called; its name where nobody says.
    pub title: Option<String>,
    /// The matter (记录事项) of which it is the written record.
    pub matter: Option<String>,
    /// Stage (环节).
    pub stage: Option<String>,
}

/// Files a document to a case, beside its clips. Answers once it is sealed.
#[utoipa::path(post, path = "/api/v1/cases/{number}/documents",
    params(("number" = String, Path, description = "Any number of the case, in any bracket style"), DocumentQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "PDF, OFD, a picture, an office file or plain text, with its `Content-Length`"),
    responses((status = 201, description = "Its id, media type and digests", body = serde_json::Value), (status = 200, description = "The case has it already", body = serde_json::Value),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn file_document(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<DocumentQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let size_bytes: u64 = length.ok_or(Trouble::Invalid(Why::DocumentLength {}))?;
        let document = FileDocument {
            case_no: number,
            kind: q.kind.unwrap_or_else(|| "other".into()),
            name: q.name,
            title: q.title,
            matter: q.matter,
            stage: q.stage,
            size_bytes,
        };
        let (to_desk, from_here) = tokio::sync::mpsc::channel(4);
        let coming = futures_util::stream::unfold(from_here, |mut from_here| async move {
            from_here.recv().await.map(|chunk| (chunk, from_here))
        });
        // Its reader may look once more behind the end.
        let bytes: Incoming = Box::pin(coming.fuse());
        let reading = async move {
            let (mut stream, mut wanted) = (body.into_data_stream(), true);
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(io::Error::other);
                let is_broken = chunk.is_err();
                wanted = wanted && to_desk.send(chunk).await.is_ok();
                if is_broken || (!wanted && size_bytes > READ_ON_BYTES) {
                    break;
                }
            }
        };
        let (reply, ()) = tokio::join!(site.ask.file(&visitor.caller, document, bytes), reading);
        match reply {
            Reply::Done(done) => {
                let status = if done["known"] == true { StatusCode::OK } else { StatusCode::CREATED };
                Ok((status, Json(done)).into_response())
            }
            Reply::Refused { code, .. } if code == "too_large" => Err(Trouble::TooLarge),
            Reply::Refused { code, why, .. } => Err(Trouble::refused(&code, why)),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
