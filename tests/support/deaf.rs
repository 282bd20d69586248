//! An S3 server that hears nothing of checksum headers, as some real ones do: it never answers with a checksum and
//! ignores conditions, knows no locks, and checks Content-MD5 alone. On demand it lies as well. In memory, and
//! only as much of the protocol as that takes; signatures are not looked at.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Bytes;
use evidock::runtime::task::spawn_named;
use md5::Digest;

/// The server; it ends with the test's runtime.
#[derive(Clone, Default)]
pub struct Deaf(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u64, Bytes>>,
    md5s_seen: usize,
    spoils: bool,
}

impl Deaf {
    /// Serves on a free port of 127.0.0.1.
    pub async fn start() -> (Self, SocketAddr) {
        super::install_tls();
        let deaf = Self::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app =
            Router::new().fallback(answer).with_state(deaf.clone()).layer(axum::extract::DefaultBodyLimit::disable());
        spawn_named("deaf server", async move { axum::serve(listener, app).await.unwrap() });
        (deaf, address)
    }

    /// From now on a bit is flipped in whatever is stored, and nothing is said.
    pub fn spoil(&self) {
        self.0.lock().unwrap().spoils = true;
    }

    /// Requests that carried a Content-MD5 which was right.
    pub fn md5s_seen(&self) -> usize {
        self.0.lock().unwrap().md5s_seen
    }
}

async fn answer(
    State(deaf): State<Deaf>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inside = deaf.0.lock().unwrap();
    let key = uri.path().trim_start_matches('/').to_owned();
    if let Some(told) = headers.get("content-md5") {
        if told.as_bytes() != base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(&body)).as_bytes() {
            return refuse(StatusCode::BAD_REQUEST, "BadDigest");
        }
        inside.md5s_seen += 1;
    }
    let mut bytes = body;
    if inside.spoils && method == Method::PUT && !bytes.is_empty() {
        let mut spoiled = bytes.to_vec();
        spoiled[0] ^= 1;
        bytes = spoiled.into();
    }
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match (method.as_str(), query.get("partNumber")) {
        ("GET", _) if query.contains_key("object-lock") => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        ("GET", _) if query.contains_key("versioning") => "<VersioningConfiguration/>".into_response(),
        ("POST", _) if query.contains_key("uploads") => {
            let id = format!("u{}", inside.uploads.len());
            inside.uploads.insert(id.clone(), BTreeMap::new());
            format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                .into_response()
        }
        ("PUT", Some(n)) => match inside.uploads.get_mut(&upload) {
            Some(parts) => {
                let tag = tag(&bytes);
                parts.insert(n.parse().unwrap(), bytes);
                ([("etag", tag)], "").into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("POST", _) => match inside.uploads.remove(&upload) {
            Some(parts) => {
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                inside.objects.insert(key, whole.into());
                "<CompleteMultipartUploadResult/>".into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("PUT", None) => {
            let tag = tag(&bytes);
            inside.objects.insert(key, bytes);
            ([("etag", tag)], "").into_response()
        }
        ("GET" | "HEAD", _) => match inside.objects.get(&key) {
            Some(bytes) => ([("etag", tag(bytes))], bytes.clone()).into_response(),
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

fn tag(bytes: &Bytes) -> String {
    format!("\"{}\"", evidock::domain::digest::to_hex(&md5::Md5::digest(bytes)))
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>")).into_response()
}
