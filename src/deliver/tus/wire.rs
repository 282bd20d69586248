//! One tus request and its answer: address, headers, keys, and what an answer that says no means.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use super::{TusOptions, TusSetupError};
use crate::deliver::http::{HttpLine, Payload, Reply, printable, skew_words};
use crate::deliver::keys::LastRead;
use crate::domain::ports::SendError;

/// Longest body of an answer that says no, of which the beginning is shown.
const MAX_WORDS_BYTES: usize = 16 << 10;

/// The connection to one server.
pub(super) struct Wire {
    line: HttpLine,
    endpoint: String,
    keys: Option<LastRead>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("line", &self.line).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A request.
pub(super) struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    payload: Payload,
}

impl Call {
    pub fn new(method: Method, url: &str) -> Self {
        Self { method, url: url.to_owned(), headers: HeaderMap::new(), payload: Payload::Empty }
    }

    /// Adds a header; a value that no header can have is left out.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub fn body(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: u16,
    words: String,
    /// How long it wants to be left alone, milliseconds, where it told.
    retry_after_ms: Option<u64>,
}

impl Wire {
    pub fn new(options: &TusOptions) -> Result<Self, TusSetupError> {
        let bad = || TusSetupError::Endpoint(options.endpoint.clone());
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let uri: Uri = endpoint.parse().map_err(|_| bad())?;
        let plain = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if !plain || !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(bad());
        }
        Ok(Self {
            line: HttpLine::new(&options.name, &endpoint, &options.http)?,
            // As written: some servers tell `/files` from `/files/`.
            endpoint: options.endpoint.clone(),
            keys: options.keys.clone().map(LastRead::new),
        })
    }

    pub fn line(&self) -> &HttpLine {
        &self.line
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends; an answer that says no comes as the inner error, for callers that make something of it.
    pub async fn attempt(&self, call: Call) -> Result<Result<Reply, Refusal>, SendError> {
        let mut request = http::Request::new(());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.url.parse().map_err(|_| self.line.protocol("its address cannot be used"))?;
        *request.headers_mut() = call.headers;
        let (mut head, ()) = request.into_parts();
        head.headers.insert("tus-resumable", HeaderValue::from_static("1.0.0"));
        if matches!(call.method, Method::POST | Method::PATCH) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(call.payload.len()));
        }
        if let Some(value) = self.authorization()? {
            head.headers.insert(AUTHORIZATION, value);
        }
        let mut reply = self.line.execute(head, call.payload).await?;
        if reply.is_success() {
            return Ok(Ok(reply));
        }
        let status = reply.status();
        if let (401 | 403, Some(keys)) = (status, &self.keys) {
            keys.refused();
        }
        let (skew, retry_after_ms) = (reply.skew_s(), reply.retry_after_ms());
        // A body that cannot be read leaves the status to speak.
        let body = reply.body(MAX_WORDS_BYTES).await.ok().flatten().unwrap_or_default();
        let text = printable(&String::from_utf8_lossy(&body));
        let colon = if text.is_empty() { "" } else { ", " };
        let words = format!("HTTP {status}{colon}{text}{}", skew_words(skew));
        Ok(Err(Refusal { status, words, retry_after_ms }))
    }

    /// Sends; an answer that says no is an error about `key`.
    pub async fn send(&self, call: Call, key: &str) -> Result<Reply, SendError> {
        self.attempt(call).await?.map_err(|refusal| self.explain(refusal, key))
    }

    /// The error that a refusal means, about `key` (tus 1.0, "Core protocol"; 460: checksum extension; 423 as tusd sends it
    /// while an earlier request still holds the upload).
    pub fn explain(&self, refusal: Refusal, key: &str) -> SendError {
        let words = refusal.words;
        match refusal.status {
            404 | 410 => self.line.session_lost(),
            460 => self.line.mismatch(key, words),
            401 | 403 | 407 | 300..=399 => self.line.refused(words),
            413 => self.line.refused(format!("it takes no uploads of this length ({words})")),
            429 | 503 => self.line.busy(words, refusal.retry_after_ms),
            408 | 409 | 423 | 500 | 502 | 504..=599 => self.line.unreachable(words),
            _ => self.line.protocol(words),
        }
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, SendError> {
        use base64::Engine;
        let Some(keys) = &self.keys else { return Ok(None) };
        let keys = keys.get().map_err(|what| self.line.refused(what))?;
        let text = if keys.0.is_empty() {
            format!("Bearer {}", keys.1.expose())
        } else {
            let pair = format!("{}:{}", keys.0, keys.1.expose());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| self.line.refused("its token has characters that no header can have"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The address in a `Location`, which may be relative (RFC 9110, 10.2.2). Our keys go nowhere but to the server that
    /// was configured: another host is refused, and scheme and port are ours, since servers behind a proxy often know
    /// them wrong.
    pub fn resolve(&self, location: &str) -> Result<String, SendError> {
        resolve(&self.endpoint, location).ok_or_else(|| {
            self.line.protocol(format!("it gives an address that is not its own ({})", printable(location)))
        })
    }
}

fn resolve(endpoint: &str, location: &str) -> Option<String> {
    let ours: Uri = endpoint.parse().ok()?;
    let origin = format!("{}://{}", ours.scheme_str()?, ours.authority()?);
    let location = location.trim();
    let path = if let Some(rest) = location.strip_prefix("//").or_else(|| {
        let (scheme, rest) = location.split_once("://")?;
        matches!(scheme, "http" | "https").then_some(rest)
    }) {
        let (authority, path) = rest.split_at(rest.find('/')?);
        let theirs: http::uri::Authority = authority.parse().ok()?;
        if !theirs.host().eq_ignore_ascii_case(ours.host()?) || authority.contains('@') {
            return None;
        }
        path.to_owned()
    } else if location.starts_with('/') {
        location.to_owned()
    } else if location.is_empty() || location.contains(':') {
        return None;
    } else {
        // Relative to the directory of the endpoint (RFC 3986, 5.2.3).
        let base = ours.path();
        format!("{}/{location}", &base[..base.rfind('/').unwrap_or_default()])
    };
    let url = format!("{origin}{path}");
    url.parse::<Uri>().ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_at_the_server() {
        let table = [
            ("http://h:1080/files", "http://h:1080/files/a", Some("http://h:1080/files/a")),
            ("https://h/files", "http://h/files/a", Some("https://h/files/a")),
            ("https://h/files", "//h/files/a?x=1", Some("https://h/files/a?x=1")),
            ("https://h/files", "/files/a", Some("https://h/files/a")),
            ("https://h/up/files/", "a", Some("https://h/up/files/a")),
            ("https://h/up/files", "a", Some("https://h/up/a")),
            ("https://h/files", "https://other/files/a", None),
            ("https://h/files", "https://u:p@h/files/a", None),
            ("https://h/files", "ftp://h/files/a", None),
            ("https://h/files", "javascript:alert(1)", None),
            ("https://h/files", "", None),
            ("https://h/files", "https://h", None),
        ];
        for (endpoint, location, url) in table {
            assert_eq!(resolve(endpoint, location).as_deref(), url, "{endpoint} {location}");
        }
    }
}
