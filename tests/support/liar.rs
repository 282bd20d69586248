//! An S3 server that lies about masters. Towards everything else it is an honest server that computes SHA-256
//! checksums, refuses what does not match them and tells them, so that whoever probes it trusts it: the worst case.
//! One bucket a lie. In memory, and only as much of the protocol as that takes; signatures are not looked at.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evidock::runtime::task::spawn_named;
use sha2::{Digest, Sha256};

/// The buckets, each named by what its server does with masters.
pub const LIES: [&str; 8] = [
    "drops",     // says 200 and keeps nothing
    "forgets",   // keeps what it was told of the object, and not the object
    "truncates", // keeps the first half, and tells the whole length and the right checksum
    "swaps",     // keeps the two halves in the wrong order, and tells the right checksum
    "repeats",   // computes nothing anywhere: repeats the checksum that it was told, and flips one bit
    "ages",      // serves and describes what stood under the key before, of the same length
    "unlocks",   // keeps the bytes, says yes to every lock, and keeps none
    "lags",      // accepts each part and loses all but the first at completing, telling its true length
];
/// The bucket in which it is honest.
pub const HONEST: &str = "honest";

/// The server; it ends with the test's runtime.
#[derive(Clone, Default)]
pub struct Liar(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Object>,
    uploads: HashMap<String, BTreeMap<u64, (Bytes, String)>>,
    begun: u64,
}

/// What stands under a key, and what is told of it.
#[derive(Clone)]
struct Object {
    bytes: Bytes,
    told_len: usize,
    told_checksum: String,
}

impl Liar {
    /// Serves on a free port of 127.0.0.1.
    pub async fn start() -> (Self, SocketAddr) {
        super::install_tls();
        let liar = Self::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = liar.router();
        spawn_named("liar", async move { axum::serve(listener, app).await.unwrap() });
        (liar, address)
    }

    /// What answers.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone()).layer(axum::extract::DefaultBodyLimit::disable())
    }

    /// Keys of the masters that it was asked to keep and did.
    pub fn masters(&self, bucket: &str) -> Vec<String> {
        let inside = self.0.lock().unwrap();
        let ours = |key: &&String| key.starts_with(&format!("{bucket}/")) && key.ends_with("/master");
        inside.objects.keys().filter(ours).cloned().collect()
    }
}

impl Inside {
    /// Stores `parts` (their bytes and the checksum told for each) as the bucket does it.
    fn keep(&mut self, key: &str, parts: Vec<(Bytes, String)>, composite: bool) {
        let lie = key.split('/').next().unwrap_or_default();
        let told_checksum = if composite {
            let digests: Vec<u8> = parts.iter().flat_map(|(_, told)| STANDARD.decode(told).unwrap()).collect();
            format!("{}-{}", STANDARD.encode(Sha256::digest(digests)), parts.len())
        } else {
            parts[0].1.clone()
        };
        let whole: Vec<u8> = parts.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        let told_len = whole.len();
        let mut object = Object { bytes: whole.into(), told_len, told_checksum };
        if key.ends_with("/master") && told_len > 0 {
            let half = told_len / 2;
            match lie {
                "drops" => return,
                "forgets" => object.bytes = Bytes::new(),
                "truncates" => object.bytes.truncate(half),
                "swaps" => object.bytes = [&object.bytes[half..], &object.bytes[..half]].concat().into(),
                "repeats" => {
                    let mut bytes = object.bytes.to_vec();
                    bytes[half] ^= 1;
                    object.bytes = bytes.into();
                }
                "ages" => {
                    let before: Vec<u8> = object.bytes.iter().map(|byte| !byte).collect();
                    object.told_checksum = STANDARD.encode(Sha256::digest(&before));
                    object.bytes = before.into();
                }
                "lags" => {
                    object.bytes = parts[0].0.slice(..parts[0].0.len().min(half.max(1)));
                    object.told_len = object.bytes.len();
                }
                _ => {}
            }
        }
        self.objects.insert(key.to_owned(), object);
    }
}

async fn answer(
    State(liar): State<Liar>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = uri.path().trim_start_matches('/').to_owned();
    let computes = !key.starts_with("repeats/");
    let told = headers.get("x-amz-checksum-sha256").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let found = STANDARD.encode(Sha256::digest(&body));
    if method == Method::PUT && computes && !told.is_empty() && told != found {
        return refuse(StatusCode::BAD_REQUEST, "BadDigest");
    }
    let told = if told.is_empty() { found } else { told };
    let mut inside = liar.0.lock().unwrap();
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match (method.as_str(), query.get("partNumber")) {
        ("GET", _) if query.contains_key("object-lock") && key.starts_with("unlocks") => {
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
                .into_response()
        }
        ("PUT", _) if query.contains_key("retention") => StatusCode::OK.into_response(),
        ("GET", _) if query.contains_key("object-lock") => {
            refuse(StatusCode::NOT_FOUND, "NoSuchObjectLockConfiguration")
        }
        ("GET", _) if query.contains_key("list-type") => list(&inside, &key, &query),
        ("GET", _) if query.contains_key("versioning") => "<VersioningConfiguration/>".into_response(),
        ("POST", _) if query.contains_key("uploads") => {
            inside.begun += 1;
            let id = format!("u{}", inside.begun);
            inside.uploads.insert(id.clone(), BTreeMap::new());
            format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                .into_response()
        }
        ("PUT", Some(n)) => match inside.uploads.get_mut(&upload) {
            Some(parts) => {
                parts.insert(n.parse().unwrap(), (body, told.clone()));
                ([("etag", format!("\"{n}\"")), ("x-amz-checksum-sha256", told)], "").into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("POST", _) => match inside.uploads.remove(&upload) {
            Some(parts) => {
                inside.keep(&key, parts.into_values().collect(), true);
                "<CompleteMultipartUploadResult/>".into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("DELETE", _) => {
            inside.uploads.remove(&upload);
            StatusCode::NO_CONTENT.into_response()
        }
        ("PUT", None) => {
            if headers.contains_key("if-none-match") && inside.objects.contains_key(&key) {
                return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            inside.keep(&key, vec![(body, told.clone())], false);
            ([("etag", "\"whole\"".to_owned()), ("x-amz-checksum-sha256", told)], "").into_response()
        }
        ("HEAD", _) => match inside.objects.get(&key) {
            Some(object) => Response::builder()
                .header("content-length", object.told_len)
                .header("etag", "\"whole\"")
                .header("x-amz-checksum-sha256", &object.told_checksum)
                .body(axum::body::Body::empty())
                .unwrap(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        ("GET", _) => match inside.objects.get(&key) {
            Some(object) => read(object, headers.get("range").and_then(|r| r.to_str().ok())),
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

/// The bytes, or those of a range as far as there are any.
fn read(object: &Object, range: Option<&str>) -> Response {
    let Some(range) = range.and_then(|r| r.strip_prefix("bytes=")) else { return object.bytes.clone().into_response() };
    let (from, to) = range.split_once('-').unwrap();
    let (from, to) = (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap() + 1);
    let bytes = object.bytes.slice(from.min(object.bytes.len())..to.min(object.bytes.len()));
    (StatusCode::PARTIAL_CONTENT, bytes).into_response()
}

/// The keys below a prefix, after one of them; everything in one page.
fn list(inside: &Inside, bucket: &str, query: &HashMap<String, String>) -> Response {
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let bucket = format!("{}/", bucket.trim_end_matches('/'));
    let keys = inside.objects.keys().filter_map(|key| key.strip_prefix(&bucket));
    let page: String = keys
        .filter(|key| key.starts_with(asked("prefix")) && *key > asked("start-after"))
        .map(|key| format!("<Contents><Key>{key}</Key></Contents>"))
        .collect();
    format!("<ListBucketResult>{page}</ListBucketResult>").into_response()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>")).into_response()
}
