//! An S3 server with the habits of others, to see what is negotiated with them: which checksums it compares and tells,
//! whether it honours conditions and keeps locks, and whether it takes a bucket in the path. In memory, and only as much
//! of the protocol as that takes; signatures are not looked at.
//!
//! It is reached as a proxy, so that names of hosts lead to it without being resolved.

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

/// What a server does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Compares SHA-256 and tells it, of multipart objects as composite.
    pub sha256: bool,
    /// Compares CRC-64/NVME and tells it of whole objects.
    pub crc64: bool,
    /// Says no to the algorithms that it does not know, in place of ignoring them.
    pub refuses_unknown: bool,
    /// Honours `If-None-Match: *`.
    pub conditions: bool,
    /// Writes go to `bucket.host/key` only; reads are answered either way.
    pub by_host_only: bool,
    /// Says that the bucket keeps locks.
    pub claims_locks: bool,
    /// And keeps them.
    pub keeps_locks: bool,
    /// Its ETag is what the bytes should be, whatever they are.
    pub spoils: bool,
    /// Its clock is this far behind.
    pub behind_s: i64,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Quirky(Arc<(Habits, Mutex<Inside>)>);

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Object>,
    uploads: HashMap<String, (String, BTreeMap<u64, Bytes>)>,
    hosts: Vec<String>,
}

#[derive(Clone, Default)]
struct Object {
    bytes: Bytes,
    tag: String,
    headers: Vec<(&'static str, String)>,
}

impl Quirky {
    /// Serves on a free port of 127.0.0.1.
    pub async fn start(habits: Habits) -> (Self, SocketAddr) {
        super::install_tls();
        let quirky = Self(Arc::new((habits, Mutex::default())));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app =
            Router::new().fallback(answer).with_state(quirky.clone()).layer(axum::extract::DefaultBodyLimit::disable());
        spawn_named("quirky", async move { axum::serve(listener, app).await.unwrap() });
        (quirky, address)
    }

    /// The hosts that writes were addressed to.
    pub fn hosts(&self) -> Vec<String> {
        self.0.1.lock().unwrap().hosts.clone()
    }
}

fn crc64(bytes: &[u8]) -> String {
    STANDARD.encode(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes())
}

async fn answer(
    State(quirky): State<Quirky>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (habits, inside) = (quirky.0.0, &quirky.0.1);
    let mut inside = inside.lock().unwrap();
    let host = headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned();
    let by_host = host.starts_with("bucket.");
    let key = uri.path().trim_start_matches('/').trim_start_matches("bucket/").to_owned();
    let mut response = respond(habits, &mut inside, &method, &key, by_host, &host, &query, &headers, body);
    let now = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(habits.behind_s);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

#[allow(clippy::too_many_arguments)] // One caller; a struct would only name the same things twice.
fn respond(
    habits: Habits,
    inside: &mut Inside,
    method: &Method,
    key: &str,
    by_host: bool,
    host: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let told = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    if habits.behind_s.abs() > 900 {
        return refuse(StatusCode::FORBIDDEN, "RequestTimeTooSkewed");
    }
    let writes = matches!(*method, Method::PUT | Method::POST | Method::DELETE);
    if writes {
        inside.hosts.push(host.to_owned());
        if habits.by_host_only && !by_host {
            return refuse(StatusCode::FORBIDDEN, "SecondLevelDomainForbidden");
        }
    }
    let algorithm = told("x-amz-checksum-algorithm").unwrap_or_default();
    let unknown = (algorithm == "SHA256" || told("x-amz-checksum-sha256").is_some()) && !habits.sha256
        || (algorithm == "CRC64NVME" || told("x-amz-checksum-crc64nvme").is_some()) && !habits.crc64;
    if habits.refuses_unknown && unknown {
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let (sha256, crc) = (STANDARD.encode(Sha256::digest(&body)), crc64(&body));
    let mut echo = Vec::new();
    if writes && !query.contains_key("uploads") && (*method == Method::PUT) {
        let pairs =
            [("x-amz-checksum-sha256", habits.sha256, &sha256), ("x-amz-checksum-crc64nvme", habits.crc64, &crc)];
        for (name, knows, found) in pairs {
            match told(name) {
                Some(declared) if knows && declared != *found => {
                    return refuse(StatusCode::BAD_REQUEST, "XAmzContentChecksumMismatch");
                }
                Some(_) if knows => echo.push((name, found.clone())),
                _ => {}
            }
        }
        if let Some(md5) = told("content-md5")
            && md5 != STANDARD.encode(md5::Md5::digest(&body))
        {
            return refuse(StatusCode::BAD_REQUEST, "BadDigest");
        }
    }
    let tag = format!("\"{}\"", evidock::domain::digest::to_hex(&md5::Md5::digest(&body)));
    let keep = |bytes: Bytes| match bytes.to_vec() {
        mut spoiled if habits.spoils && !spoiled.is_empty() => {
            spoiled[0] ^= 1;
            Bytes::from(spoiled)
        }
        whole => Bytes::from(whole),
    };
    let mut locks = Vec::new();
    if habits.keeps_locks
        && let (Some(mode), Some(until)) = (told("x-amz-object-lock-mode"), told("x-amz-object-lock-retain-until-date"))
    {
        locks = vec![("x-amz-object-lock-mode", mode), ("x-amz-object-lock-retain-until-date", until)];
    }
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match (method.as_str(), query.get("partNumber")) {
        ("GET", _) if query.contains_key("object-lock") && habits.claims_locks => {
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
                .into_response()
        }
        ("GET", _) if query.contains_key("object-lock") => {
            refuse(StatusCode::NOT_FOUND, "NoSuchObjectLockConfiguration")
        }
        ("GET", _) if query.contains_key("versioning") => "<VersioningConfiguration/>".into_response(),
        ("GET", _) if query.contains_key("uploads") => "<ListMultipartUploadsResult/>".into_response(),
        // Says yes to whatever is set, and keeps it or not.
        ("PUT", _) if query.contains_key("retention") || query.contains_key("legal-hold") => {
            StatusCode::OK.into_response()
        }
        ("POST", _) if query.contains_key("uploads") => {
            let id = format!("u{}", inside.uploads.len());
            inside.uploads.insert(id.clone(), (algorithm, BTreeMap::new()));
            format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                .into_response()
        }
        ("PUT", Some(n)) => match inside.uploads.get_mut(&upload) {
            Some((_, parts)) => {
                parts.insert(n.parse().unwrap(), body);
                echo.push(("etag", tag));
                with(echo, Bytes::new())
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("POST", _) => match inside.uploads.remove(&upload) {
            Some((algorithm, parts)) => {
                let digests: Vec<u8> = parts.values().flat_map(|p| Sha256::digest(p).to_vec()).collect();
                let whole: Bytes = parts.values().flat_map(|p| p.to_vec()).collect();
                let mut headers = locks;
                if habits.sha256 && algorithm == "SHA256" {
                    let composite = format!("{}-{}", STANDARD.encode(Sha256::digest(digests)), parts.len());
                    headers.push(("x-amz-checksum-sha256", composite));
                    headers.push(("x-amz-checksum-type", "COMPOSITE".to_owned()));
                } else if habits.crc64 {
                    headers.push(("x-amz-checksum-crc64nvme", crc64(&whole)));
                    headers.push(("x-amz-checksum-type", "FULL_OBJECT".to_owned()));
                }
                let tag = format!("\"{}-{}\"", "0".repeat(32), parts.len());
                inside.objects.insert(key.to_owned(), Object { bytes: keep(whole), tag, headers });
                "<CompleteMultipartUploadResult/>".into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        ("DELETE", _) => {
            inside.uploads.remove(&upload);
            StatusCode::NO_CONTENT.into_response()
        }
        ("PUT", None) => {
            if habits.conditions && headers.contains_key("if-none-match") && inside.objects.contains_key(key) {
                return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            let mut kept = echo.clone();
            kept.extend(locks);
            inside.objects.insert(key.to_owned(), Object { bytes: keep(body), tag: tag.clone(), headers: kept });
            echo.push(("etag", tag));
            with(echo, Bytes::new())
        }
        ("GET" | "HEAD", _) => match inside.objects.get(key) {
            Some(object) => {
                let mut headers = object.headers.clone();
                headers.push(("etag", object.tag.clone()));
                if method == Method::HEAD {
                    headers.push(("content-length", object.bytes.len().to_string()));
                    return with(headers, Bytes::new());
                }
                with(headers, object.bytes.clone())
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

fn with(headers: Vec<(&'static str, String)>, body: Bytes) -> Response {
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(axum::body::Body::from(body)).unwrap()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>")).into_response()
}
