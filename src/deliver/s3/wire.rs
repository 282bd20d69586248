//! One request to the store and its answer: address, signature, and what an answer that says no becomes.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest};
use sha2::Digest;

use super::reply::{Meaning, Refusal, refusal};
use super::{S3Options, S3SetupError};
use crate::deliver::Secret;
use crate::deliver::http::{self as line, HttpLine, Reply};
use crate::deliver::keys::LastRead;
use crate::domain::digest::{Sha256, to_hex};
use crate::domain::ids::DestinationName;
use crate::domain::ports::{ByteSource, PartSpec, SendError};

/// The connection to one bucket.
pub(super) struct Wire {
    line: HttpLine,
    /// Address of the bucket, without a slash at its end.
    base: String,
    signer: RequestSigner,
    context: Context,
    keys: LastRead,
    session_token: Option<Secret>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("line", &self.line).field("base", &self.base).finish_non_exhaustive()
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
        Ok(Self {
            line: HttpLine::new(&options.name, &base, &options.http)?,
            base,
            signer: RequestSigner::new("s3", &options.region),
            context: Context::new(),
            keys: LastRead::new(options.keys.clone()),
            session_token: options.session_token.clone(),
        })
    }

    pub fn line(&self) -> &HttpLine {
        &self.line
    }

    pub fn name(&self) -> &DestinationName {
        self.line.name()
    }

    /// Sends and gives the answer, whose body is still to be read; an answer that says no becomes an error about `key`.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let key = call.key.unwrap_or_default().to_owned();
        self.attempt(call).await.map_err(|fail| self.explain(fail, &key))
    }

    /// Like [`Wire::send`], about an upload under way: a server that does not know its key does not know it, either (Ceph
    /// says NoSuchKey there).
    pub async fn send_to_upload(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let key = call.key.unwrap_or_default().to_owned();
        match self.attempt(call).await {
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => Err(self.line.session_lost()),
            other => other.map_err(|fail| self.explain(fail, &key)),
        }
    }

    /// Like [`Wire::send`], for callers that make something of an answer that says no.
    pub async fn attempt(&self, mut call: Call<'_>) -> Result<Reply, Fail> {
        let payload = match std::mem::replace(&mut call.body, Payload::Empty) {
            Payload::Empty => (line::Payload::Empty, Sha256(sha2::Sha256::digest([]).into())),
            Payload::Bytes(bytes) => {
                let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
                (line::Payload::Bytes(bytes), sha256)
            }
            Payload::Part(part, source) => {
                (line::Payload::Stretch(part.offset..part.offset + part.len, source), part.sha256)
            }
        };
        let head = self.signed(call, payload.0.len(), payload.1).await.map_err(Fail::Lost)?;
        let reply = self.line.execute(head, payload.0).await.map_err(Fail::Lost)?;
        if reply.is_success() {
            return Ok(reply);
        }
        let refusal = refusal(reply).await;
        if refusal.meaning() == Meaning::Denied || refusal.status == 403 {
            self.keys.refused();
        }
        Err(Fail::Refused(refusal))
    }

    /// The error that a failure means, about `key`.
    pub fn explain(&self, fail: Fail, key: &str) -> SendError {
        match fail {
            Fail::Lost(error) => error,
            Fail::Refused(refusal) => refusal.into_error(self.name(), key),
        }
    }

    /// An answer that cannot be used.
    pub fn protocol(&self, what: impl Into<String>) -> SendError {
        self.line.protocol(what)
    }

    /// The remote has other bytes.
    pub fn mismatch(&self, key: &str, what: impl Into<String>) -> SendError {
        self.line.mismatch(key, what)
    }

    fn credential(&self) -> Result<Credential, String> {
        let keys = self.keys.get()?;
        if keys.0.is_empty() {
            return Err("its access key is empty".to_owned());
        }
        Ok(Credential {
            access_key_id: keys.0.clone(),
            secret_access_key: keys.1.expose().to_owned(),
            session_token: self.session_token.as_ref().map(|t| t.expose().to_owned()),
            expires_in: None,
        })
    }

    async fn signed(&self, call: Call<'_>, length: u64, sha256: Sha256) -> Result<http::request::Parts, SendError> {
        // The bucket itself is asked with a slash: by host, its path is nothing else.
        let url = line::url(&self.base, Some(call.key.unwrap_or_default()), &call.query);
        let uri: Uri = url.parse().map_err(|_| self.protocol("its address cannot be used"))?;
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
        let credential = self.credential().map_err(|what| self.line.refused(what))?;
        self.signer
            .sign_request(&self.context, &mut head, Some(&credential), None)
            .await
            .map_err(|e| self.protocol(format!("the request cannot be signed: {e}")))?;
        Ok(head)
    }
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
}
