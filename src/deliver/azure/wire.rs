//! One request to the service and its answer: address, signature, and what an answer that says no becomes.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use reqsign_azure_storage::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest};

use super::reply::{Meaning, Refusal, refusal};
use super::{AzureOptions, AzureSetupError};
use crate::deliver::http::{HttpLine, Payload, Reply, url};
use crate::deliver::keys::LastRead;
use crate::domain::ports::SendError;

/// The version of the protocol that is spoken; the first with everything that is used here is 2020-06-12 (immutable
/// versions), this one is what stand-ins know, too.
const VERSION: &str = "2023-11-03";

/// The connection to one container.
pub(super) struct Wire {
    line: HttpLine,
    /// Address of the container, without a slash at its end.
    base: String,
    signer: RequestSigner,
    context: Context,
    keys: LastRead,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("line", &self.line).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A request before it is signed.
pub(super) struct Call<'a> {
    pub method: Method,
    /// The blob; `None` for the container itself.
    pub key: Option<&'a str>,
    query: Vec<(&'static str, Option<String>)>,
    headers: HeaderMap,
    payload: Payload,
}

impl<'a> Call<'a> {
    /// A request about a blob.
    pub fn blob(method: Method, key: &'a str) -> Self {
        Self { method, key: Some(key), query: Vec::new(), headers: HeaderMap::new(), payload: Payload::Empty }
    }

    /// A request about the container.
    pub fn container(method: Method) -> Self {
        let query = vec![("restype", Some("container".to_owned()))];
        Self { method, key: None, query, headers: HeaderMap::new(), payload: Payload::Empty }
    }

    /// Adds to the query.
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, Some(value.into())));
        self
    }

    /// Adds a header; a value that no header can have is left out, and the signature tells.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds a condition, where there is one.
    pub fn only_if(self, condition: Option<(&'static str, String)>) -> Self {
        match condition {
            Some((name, value)) => self.header(name, &value),
            None => self,
        }
    }

    /// Sets what it carries.
    pub fn bytes(mut self, bytes: Bytes) -> Self {
        self.payload = Payload::Bytes(bytes);
        self
    }

    /// Sets what it carries.
    pub fn stretch(mut self, range: std::ops::Range<u64>, body: Arc<dyn crate::domain::ports::ByteSource>) -> Self {
        self.payload = Payload::Stretch(range, body);
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
    pub fn new(options: &AzureOptions) -> Result<Self, AzureSetupError> {
        let bad = || AzureSetupError::Endpoint(options.endpoint.clone());
        let endpoint = options.endpoint.trim_end_matches('/');
        let uri: Uri = endpoint.parse().map_err(|_| bad())?;
        let plain = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if !plain || !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(bad());
        }
        let name = &options.container;
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'$';
        if !(3..=63).contains(&name.len()) || !name.bytes().all(ok) {
            return Err(AzureSetupError::Container(name.clone()));
        }
        let base = format!("{endpoint}/{name}");
        Ok(Self {
            line: HttpLine::new(&options.name, &base, &options.http)?,
            base,
            signer: RequestSigner::new(),
            context: Context::new(),
            keys: LastRead::new(options.keys.clone()),
        })
    }

    pub fn line(&self) -> &HttpLine {
        &self.line
    }

    /// Sends and gives the answer, whose body is still to be read; an answer that says no becomes an error about `key`.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let key = call.key.unwrap_or_default().to_owned();
        self.attempt(call).await.map_err(|fail| self.explain(fail, &key))
    }

    /// Like [`Wire::send`], for callers that make something of an answer that says no.
    pub async fn attempt(&self, call: Call<'_>) -> Result<Reply, Fail> {
        let (head, payload) = self.signed(call).await.map_err(Fail::Lost)?;
        let reply = self.line.execute(head, payload).await.map_err(Fail::Lost)?;
        if reply.is_success() {
            return Ok(reply);
        }
        let refusal = refusal(reply).await;
        if refusal.meaning() == Meaning::Denied {
            self.keys.refused();
        }
        Err(Fail::Refused(refusal))
    }

    /// The error that a failure means, about `key`.
    pub fn explain(&self, fail: Fail, key: &str) -> SendError {
        match fail {
            Fail::Lost(error) => error,
            Fail::Refused(refusal) => refusal.into_error(self.line.name(), key),
        }
    }

    async fn signed(&self, call: Call<'_>) -> Result<(http::request::Parts, Payload), SendError> {
        let address = url(&self.base, call.key, &call.query);
        let uri: Uri = address.parse().map_err(|_| self.line.protocol("its address cannot be used"))?;
        let mut request = http::Request::new(());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        let (mut head, ()) = request.into_parts();
        head.headers.insert("x-ms-version", HeaderValue::from_static(VERSION));
        if matches!(call.method, Method::PUT | Method::POST) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(call.payload.len()));
        }
        let keys = self.keys.get().map_err(|what| self.line.refused(what))?;
        let credential = if keys.0.is_empty() {
            Credential::with_sas_token(keys.1.expose().trim_start_matches('?'))
        } else {
            Credential::with_shared_key(&keys.0, keys.1.expose())
        };
        // The crate's words may hold what it was given.
        let signed = self.signer.sign_request(&self.context, &mut head, Some(&credential), None).await;
        signed.map_err(|_| self.line.refused("its key cannot be used for signing: an account key is Base64, a shared access signature begins with \"sv=\""))?;
        Ok((head, call.payload))
    }
}
