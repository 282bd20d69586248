//! One request to the store and its answer: address, signature, time-outs, and the way from a failed
//! connection to an error that says who can mend it.

use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, SignRequest};
use sha2::Digest;

use super::keys::Credentials;
use super::reply::{Meaning, Refusal, Reply};
use super::{S3Options, S3SetupError};
use crate::deliver::blocks::blocks;
use crate::domain::digest::{Sha256, to_hex};
use crate::domain::error::chain;
use crate::domain::ids::DestinationName;
use crate::domain::ports::{ByteSource, PartSpec, SendError};

/// What may stand unencoded in a query (RFC 3986, unreserved; AWS Signature Version 4 asks for the same set).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What may stand unencoded in a path: the same and the slash between segments.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The connection to one bucket.
pub(super) struct Wire {
    name: DestinationName,
    client: reqwest::Client,
    /// Address of the bucket, without a slash at its end.
    base: String,
    signer: RequestSigner,
    context: Context,
    credentials: Credentials,
    idle_timeout: Duration,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A request before it is signed.
pub(super) struct Call<'a> {
    pub method: Method,
    /// The object; `None` for the bucket itself.
    pub key: Option<&'a str>,
    pub query: Vec<(&'static str, Option<String>)>,
    pub headers: HeaderMap,
    pub body: Payload,
}

/// What a request carries.
pub(super) enum Payload {
    Empty,
    Bytes(Bytes),
    /// A part of a local file whose SHA-256 is known.
    Part(PartSpec, Arc<dyn ByteSource>),
}

impl<'a> Call<'a> {
    /// A request about an object.
    pub fn object(method: Method, key: &'a str) -> Self {
        Self { method, key: Some(key), query: Vec::new(), headers: HeaderMap::new(), body: Payload::Empty }
    }

    /// A request about the bucket.
    pub fn bucket(method: Method) -> Self {
        Self { method, key: None, query: Vec::new(), headers: HeaderMap::new(), body: Payload::Empty }
    }

    /// Adds to the query.
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, Some(value.into())));
        self
    }

    /// Adds a name without a value to the query (`?uploads`).
    pub fn flag(mut self, name: &'static str) -> Self {
        self.query.push((name, None));
        self
    }

    /// Adds a header; a value that no header can have is left out, and the signature tells.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Sets what it carries.
    pub fn body(mut self, body: Payload) -> Self {
        self.body = body;
        self
    }
}

/// Why there is no answer that says yes.
pub(super) enum Fail {
    /// No answer.
    Lost(SendError),
    /// An answer that says no.
    Refused(Refusal),
}

impl Wire {
    pub fn new(options: &S3Options) -> Result<Self, S3SetupError> {
        let base = address(&options.endpoint, &options.bucket, options.path_style)?;
        // reqwest panics without one, and the provider is the program's choice, not ours.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(S3SetupError::NoTlsProvider);
        }
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("evidock/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(20)); // shorter than any server we know of closes them
        if let Some(path) = &options.ca_file {
            let bad = |source| S3SetupError::CaFile { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|e| bad(e.into()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(e.into()))?;
            if certificates.is_empty() {
                return Err(bad("it holds no certificate".into()));
            }
            client = client.tls_certs_only(certificates);
        } else if base.starts_with("http://") {
            // Plain HTTP needs no certificates, and a box without any must still get a client.
            client = client.tls_certs_only([]);
        }
        if is_loopback(&base) {
            client = client.no_proxy();
        }
        Ok(Self {
            name: options.name.clone(),
            client: client.build().map_err(S3SetupError::Client)?,
            base,
            signer: RequestSigner::new("s3", &options.region),
            context: Context::new(),
            credentials: Credentials::new(options.keys.clone(), options.session_token.clone()),
            idle_timeout: options.idle_timeout,
        })
    }

    pub fn name(&self) -> &DestinationName {
        &self.name
    }

    /// Sends and gives the answer, whose body is still to be read; an answer that says no becomes an error about `key`.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let key = call.key.unwrap_or_default().to_owned();
        self.attempt(call).await.map_err(|fail| self.explain(fail, &key))
    }

    /// Like [`Wire::send`], for callers that make something of an answer that says no.
    pub async fn attempt(&self, call: Call<'_>) -> Result<Reply, Fail> {
        let local = Arc::new(Mutex::new(None));
        let progress = Arc::new(AtomicU64::new(0));
        let request = self.signed(call, &local, &progress).await.map_err(Fail::Lost)?;
        let answer = self.watch(&progress, self.client.execute(request)).await;
        // A body that broke off breaks the request too; what broke it is the cause.
        if let Some(error) = local.lock().ok().and_then(|mut slot| slot.take()) {
            return Err(Fail::Lost(SendError::Local(error)));
        }
        let response = match answer {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(Fail::Lost(self.transport(error))),
            None => return Err(Fail::Lost(self.stalled())),
        };
        let reply = Reply::new(response, self.idle_timeout);
        if reply.is_success() {
            return Ok(reply);
        }
        let refusal = reply.into_refusal().await;
        if refusal.meaning() == Meaning::Denied || refusal.status == 403 {
            self.credentials.refused();
        }
        Err(Fail::Refused(refusal))
    }

    /// The error that a failure means, about `key`.
    pub fn explain(&self, fail: Fail, key: &str) -> SendError {
        match fail {
            Fail::Lost(error) => error,
            Fail::Refused(refusal) => refusal.into_error(&self.name, key),
        }
    }

    /// An answer that cannot be used.
    pub fn protocol(&self, what: impl Into<String>) -> SendError {
        SendError::Protocol { destination: self.name.clone(), what: what.into() }
    }

    /// The remote has other bytes.
    pub fn mismatch(&self, key: &str, what: impl Into<String>) -> SendError {
        SendError::Mismatch { destination: self.name.clone(), key: key.to_owned(), what: what.into() }
    }

    /// Nothing moved for too long.
    pub fn stalled(&self) -> SendError {
        SendError::Unreachable {
            destination: self.name.clone(),
            what: format!("nothing moved for {} s", self.idle_timeout.as_secs()),
        }
    }

    /// What a failed connection means. A certificate that is not trusted needs a person; the rest passes.
    pub fn transport(&self, error: reqwest::Error) -> SendError {
        let error = error.without_url();
        let destination = self.name.clone();
        if let Some(reason) = untrusted(&error) {
            let what = format!("its certificate is not trusted ({reason:?}); set ca_file to its authority's");
            return SendError::Refused { destination, what };
        }
        SendError::Unreachable { destination, what: chain(&error) }
    }

    async fn signed(
        &self,
        call: Call<'_>,
        local: &Arc<Mutex<Option<std::io::Error>>>,
        progress: &Arc<AtomicU64>,
    ) -> Result<reqwest::Request, SendError> {
        let (length, sha256) = match &call.body {
            Payload::Empty => (0, Sha256(sha2::Sha256::digest([]).into())),
            Payload::Bytes(bytes) => (bytes.len() as u64, Sha256(sha2::Sha256::digest(bytes).into())),
            Payload::Part(part, _) => (part.len, part.sha256),
        };
        let uri: Uri =
            url(&self.base, call.key, &call.query).parse().map_err(|_| self.protocol("its address cannot be used"))?;
        let mut request = http::Request::new(());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        let (mut head, ()) = request.into_parts();
        let hex = HeaderValue::from_str(&to_hex(sha256.as_bytes())).map_err(|_| self.protocol("hex"))?;
        head.headers.insert("x-amz-content-sha256", hex);
        if matches!(call.method, Method::PUT | Method::POST) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let credential =
            self.credentials.get().map_err(|what| SendError::Refused { destination: self.name.clone(), what })?;
        self.signer
            .sign_request(&self.context, &mut head, Some(&credential), None)
            .await
            .map_err(|e| self.protocol(format!("the request cannot be signed: {e}")))?;
        let body = match call.body {
            Payload::Empty => reqwest::Body::from(Bytes::new()),
            Payload::Bytes(bytes) => reqwest::Body::from(bytes),
            // An empty stream would be sent as chunks, which some stores refuse.
            Payload::Part(part, _) if part.len == 0 => reqwest::Body::from(Bytes::new()),
            Payload::Part(part, source) => {
                let (local, progress) = (local.clone(), progress.clone());
                let stream = blocks(source, part.offset..part.offset + part.len).map(move |block| {
                    progress.fetch_add(1, Ordering::Relaxed);
                    block.map_err(|error| {
                        let told = std::io::Error::from(error.kind());
                        if let Ok(mut slot) = local.lock() {
                            *slot = Some(error);
                        }
                        told
                    })
                });
                reqwest::Body::wrap_stream(stream)
            }
        };
        reqwest::Request::try_from(http::Request::from_parts(head, body)).map_err(|e| self.transport(e))
    }

    /// Waits as long as something moves; `None` when nothing did for the idle time-out (at most twice that long).
    async fn watch<T>(&self, progress: &AtomicU64, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let mut seen = progress.load(Ordering::Relaxed);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep(self.idle_timeout) => {
                    let now = progress.load(Ordering::Relaxed);
                    if now == seen {
                        return None;
                    }
                    seen = now;
                }
            }
        }
    }
}

/// Why a certificate was not trusted, where that is what an error is about. I/O errors hide what they wrap from
/// `source`, so each is opened.
fn untrusted<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
        return Some(reason);
    }
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(|e| Some(e.get_ref()? as &'a (dyn std::error::Error + 'static)));
    untrusted(wrapped.or_else(|| error.source())?)
}

/// The address of a bucket: in the path for addresses, short names and unknown hosts; in the host name for
/// clouds that want it so (Amazon S3 "Virtual hosting of buckets"; Aliyun OSS, Huawei OBS and Tencent COS
/// refuse writes to the path form).
fn address(endpoint: &str, bucket: &str, path_style: Option<bool>) -> Result<String, S3SetupError> {
    let bad = || S3SetupError::Endpoint(endpoint.to_owned());
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(bad)?;
    let rest = rest.trim_end_matches('/');
    let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| bad())?;
    let host = uri.host().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || host.is_empty() || uri.query().is_some() || rest.contains(['@', '#']) {
        return Err(bad());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if !(1..=255).contains(&bucket.len()) || !bucket.bytes().all(plain) || bucket.starts_with('.') {
        return Err(S3SetupError::Bucket(bucket.to_owned()));
    }
    let in_host = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".aliyuncs.com",
        ".myhuaweicloud.com",
        ".myhuaweicloud.cn",
        ".myqcloud.com",
    ];
    // A dot in a bucket's name breaks the certificate of the host form.
    let path_style =
        path_style.unwrap_or_else(|| !in_host.iter().any(|end| host.ends_with(end)) || bucket.contains('.'));
    Ok(if path_style { format!("{scheme}://{rest}/{bucket}") } else { format!("{scheme}://{bucket}.{rest}") })
}

fn is_loopback(base: &str) -> bool {
    let host = base.parse::<Uri>().ok().and_then(|u| u.host().map(str::to_owned)).unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn url(base: &str, key: Option<&str>, query: &[(&'static str, Option<String>)]) -> String {
    let mut url = format!("{base}/");
    url.extend(key.into_iter().flat_map(|key| utf8_percent_encode(key, PATH)));
    for (i, (name, value)) in query.iter().enumerate() {
        url.push(if i == 0 { '?' } else { '&' });
        url.push_str(name);
        if let Some(value) = value {
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_a_table() {
        let table = [
            ("http://127.0.0.1:8333", None, "http://127.0.0.1:8333/b"),
            ("http://[::1]:8333/", None, "http://[::1]:8333/b"),
            ("http://localhost:8333", None, "http://localhost:8333/b"),
            ("https://s3.example.org/store/", None, "https://s3.example.org/store/b"),
            ("https://s3.example.org", Some(false), "https://b.s3.example.org"),
            ("https://oss-cn-beijing.aliyuncs.com", None, "https://b.oss-cn-beijing.aliyuncs.com"),
            ("https://obs.cn-north-4.myhuaweicloud.com", None, "https://b.obs.cn-north-4.myhuaweicloud.com"),
            ("https://cos.ap-beijing.myqcloud.com", None, "https://b.cos.ap-beijing.myqcloud.com"),
            ("https://s3.eu-central-1.amazonaws.com", None, "https://b.s3.eu-central-1.amazonaws.com"),
            ("https://s3.eu-central-1.amazonaws.com", Some(true), "https://s3.eu-central-1.amazonaws.com/b"),
        ];
        for (endpoint, style, base) in table {
            assert_eq!(address(endpoint, "b", style).unwrap(), base);
        }
        assert_eq!(address("https://s3.cn.amazonaws.com", "a.b", None).unwrap(), "https://s3.cn.amazonaws.com/a.b");
        for bad in ["", "s3.example.org", "ftp://x", "http://", "http://u:p@x", "http://x?y", "http://x#y"] {
            assert!(address(bad, "b", None).is_err(), "{bad}");
        }
        for bad in ["", "..", "a/b", "a b", "a?b", "桶"] {
            assert!(address("http://x", bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_and_queries_are_encoded_once() {
        let made = url("http://h/b", Some("v1/中 +%.x"), &[("uploads", None), ("uploadId", Some("a/b=~".into()))]);
        assert_eq!(made, "http://h/b/v1/%E4%B8%AD%20%2B%25.x?uploads&uploadId=a%2Fb%3D~");
        assert!(is_loopback("http://[::1]:1/b") && is_loopback("http://127.0.0.1/b") && !is_loopback("http://h/b"));
    }
}
