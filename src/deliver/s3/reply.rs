//! An answer of the store: its headers, a bounded look at its body, and what a "no" means. The table of
//! error codes is pure; texts from the server are bounded and made printable before anyone sees them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, HeaderMap, RETRY_AFTER};

use super::xml;
use crate::domain::ids::DestinationName;
use crate::domain::ports::SendError;
use crate::domain::time::UtcMs;
use crate::runtime::clock;

/// Longest error body that is looked at.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// Longest text of the server that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 300;
/// Clocks further apart than this are worth a word: S3 refuses beyond 15 minutes (RequestTimeTooSkewed).
const SKEW_WORTH_TELLING_S: i64 = 300;

/// An answer whose body is still to be read.
pub(super) struct Reply {
    response: reqwest::Response,
    idle_timeout: Duration,
}

impl Reply {
    pub fn new(response: reqwest::Response, idle_timeout: Duration) -> Self {
        Self { response, idle_timeout }
    }

    pub fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header as text; one that is not visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next chunk of the body; `None` inside `Ok` at its end, `Err(None)` when nothing came in time.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Option<reqwest::Error>> {
        match tokio::time::timeout(self.idle_timeout, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(Some),
            Err(_) => Err(None),
        }
    }

    /// The body up to `limit` bytes; more is an error of its own kind (`Ok(None)`).
    pub async fn body(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Option<reqwest::Error>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    /// What an answer that says no has to say.
    pub async fn into_refusal(mut self) -> Refusal {
        let skew_s = skew_s(self.response.headers(), clock::wall());
        let region = self.header("x-amz-bucket-region").map(printable);
        let retry_after_ms = retry_after_ms(self.response.headers(), clock::wall());
        // A body that cannot be read leaves the status to speak.
        let body = self.body(MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let said = xml::error(&text).unwrap_or_default();
        Refusal {
            status: self.status(),
            code: printable(&said.code),
            message: printable(&said.message),
            skew_s,
            region,
            retry_after_ms,
        }
    }
}

/// An answer that says no.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// S3's code; empty where there was none (every HEAD).
    pub code: String,
    /// In the server's words.
    pub message: String,
    /// By how many seconds the station's clock is ahead of the server's, where it told.
    pub skew_s: Option<i64>,
    /// The region in which the bucket is, where the server told.
    pub region: Option<String>,
    /// How long the server wants to be left alone, where it told.
    pub retry_after_ms: Option<u64>,
}

/// What a refusal means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It fails just now.
    Failing,
    /// It works, and wants less of us.
    Busy,
    Denied,
    SessionLost,
    OtherBytes,
    NoSuchKey,
    Exists,
    Unusable,
}

impl Refusal {
    /// Reads the code first, then the status (Amazon S3 API Reference, "Error responses"; further codes as Ceph,
    /// SeaweedFS and MinIO send them).
    pub fn meaning(&self) -> Meaning {
        match self.code.as_str() {
            "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "ServiceUnavailable" | "Busy" | "TooManyRequests" => {
                Meaning::Busy
            }
            "RequestTimeout"
            | "InternalError"
            | "OperationAborted"
            | "ConditionalRequestConflict"
            | "IncompleteBody" => Meaning::Failing,
            // A part that we have a receipt for and the server lacks: the session is of no use any more.
            "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" => Meaning::SessionLost,
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch"
            | "ContentChecksumMismatch"
            | "ChecksumMismatch" => Meaning::OtherBytes,
            "NoSuchKey" => Meaning::NoSuchKey,
            "PreconditionFailed" => Meaning::Exists,
            "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "NoSuchBucket"
            | "RequestTimeTooSkewed"
            | "ExpiredToken"
            | "InvalidToken"
            | "AuthorizationHeaderMalformed"
            | "InvalidBucketName"
            | "QuotaExceeded"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "ObjectLockConfigurationNotFoundError" => Meaning::Denied,
            "InvalidRequest" if self.message.to_ascii_lowercase().contains("object lock") => Meaning::Denied,
            _ => match self.status {
                404 if self.code.is_empty() => Meaning::NoSuchKey,
                401 | 403 | 407 | 300..=399 => Meaning::Denied,
                412 => Meaning::Exists,
                501 => Meaning::Unusable,
                429 | 503 => Meaning::Busy,
                408 | 500..=599 => Meaning::Failing,
                _ => Meaning::Unusable,
            },
        }
    }

    /// The error that it means, about `key`.
    pub fn into_error(self, destination: &DestinationName, key: &str) -> SendError {
        let destination = destination.clone();
        let (key, what) = (key.to_owned(), self.words());
        match self.meaning() {
            Meaning::Failing => SendError::Unreachable { destination, what },
            Meaning::Busy => SendError::Busy { destination, what, retry_after_ms: self.retry_after_ms },
            Meaning::Denied => SendError::Refused { destination, what },
            Meaning::SessionLost => SendError::SessionLost { destination },
            Meaning::OtherBytes => SendError::Mismatch { destination, key, what },
            Meaning::NoSuchKey => SendError::Mismatch { destination, key, what: format!("it is not there ({what})") },
            Meaning::Exists | Meaning::Unusable => SendError::Protocol { destination, what },
        }
    }

    fn words(&self) -> String {
        let mut words = format!("HTTP {}", self.status);
        if !self.code.is_empty() {
            words.push_str(&format!(" {}", self.code));
        }
        if !self.message.is_empty() {
            words.push_str(&format!(", {}", self.message));
        }
        if let (300..=399, Some(region)) = (self.status, &self.region) {
            words.push_str(&format!("; the bucket is in region {region}"));
        }
        match self.skew_s {
            Some(s) if s > SKEW_WORTH_TELLING_S => {
                words.push_str(&format!("; the station's clock is {s} s ahead of the server's"));
            }
            Some(s) if s < -SKEW_WORTH_TELLING_S => {
                words.push_str(&format!("; the station's clock is {} s behind the server's", -s));
            }
            _ => {}
        }
        words
    }
}

/// The Retry-After header, seconds or a date (RFC 9110, 10.2.3), as milliseconds from `now`.
fn retry_after_ms(headers: &HeaderMap, now: UtcMs) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(u64::try_from(at - now.0).unwrap_or(0))
}

/// By how many seconds `now` is ahead of the Date header (RFC 9110, 6.6.1).
fn skew_s(headers: &HeaderMap, now: UtcMs) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    Some(now.0.div_euclid(1000) - server)
}

/// Text of a server, bounded and without control characters.
fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::{Retry, Retryable};

    #[test]
    fn refusals_as_a_table() {
        let table = [
            (503, "SlowDown", Meaning::Busy),
            (503, "", Meaning::Busy),
            (429, "", Meaning::Busy),
            (500, "", Meaning::Failing),
            (502, "", Meaning::Failing),
            (400, "RequestTimeout", Meaning::Failing),
            (400, "IncompleteBody", Meaning::Failing),
            (409, "OperationAborted", Meaning::Failing),
            (403, "", Meaning::Denied),
            (401, "", Meaning::Denied),
            (403, "SignatureDoesNotMatch", Meaning::Denied),
            (403, "RequestTimeTooSkewed", Meaning::Denied),
            (404, "NoSuchBucket", Meaning::Denied),
            (301, "", Meaning::Denied),
            (404, "NoSuchUpload", Meaning::SessionLost),
            (400, "InvalidPart", Meaning::SessionLost),
            (400, "BadDigest", Meaning::OtherBytes),
            (400, "XAmzContentSHA256Mismatch", Meaning::OtherBytes),
            (404, "NoSuchKey", Meaning::NoSuchKey),
            (404, "", Meaning::NoSuchKey),
            (412, "PreconditionFailed", Meaning::Exists),
            (501, "NotImplemented", Meaning::Unusable),
            (400, "EntityTooSmall", Meaning::Unusable),
            (418, "", Meaning::Unusable),
        ];
        for (status, code, meaning) in table {
            let refusal = Refusal { status, code: code.into(), ..Refusal::default() };
            assert_eq!(refusal.meaning(), meaning, "{status} {code}");
        }
    }

    #[test]
    fn patience_is_asked_for_in_seconds_or_by_a_date() {
        let now = UtcMs::parse_rfc3339("2025-11-21T13:00:00Z").unwrap();
        for (text, wanted) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("Fri, 21 Nov 2025 13:00:30 GMT", Some(30_000)),
            ("Fri, 21 Nov 2025 12:00:00 GMT", Some(0)),
            ("99999999999999999999", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after_ms(&headers, now), wanted, "{text}");
        }
        let refusal = Refusal { status: 503, retry_after_ms: Some(5), ..Refusal::default() };
        let error = refusal.into_error(&DestinationName::new("city").unwrap(), "k");
        assert!(matches!(error, SendError::Busy { retry_after_ms: Some(5), .. }), "{error:?}");
    }

    #[test]
    fn a_wrong_clock_is_told_with_its_distance() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Fri, 21 Nov 2025 13:00:00 GMT".parse().unwrap());
        let now = UtcMs::parse_rfc3339("2025-11-21T14:00:02Z").unwrap();
        assert_eq!(skew_s(&headers, now), Some(3602));
        let refusal =
            Refusal { status: 403, code: "RequestTimeTooSkewed".into(), skew_s: Some(3602), ..Refusal::default() };
        let error = refusal.into_error(&DestinationName::new("city").unwrap(), "k");
        assert_eq!(error.retry(), Retry::Operator);
        assert!(error.to_string().contains("clock is 3602 s ahead"), "{error}");
    }

    #[test]
    fn texts_of_the_server_are_bounded() {
        assert_eq!(printable(" a\u{1b}[2J\nb "), "a [2J b");
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_SHOWN_CHARS);
    }
}
