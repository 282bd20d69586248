//! What a "no" of the store means. The table of error codes is pure.

use super::xml;
use crate::deliver::http::{Reply, printable, skew_words};
use crate::domain::ids::DestinationName;
use crate::domain::ports::SendError;

/// Longest error body that is looked at.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What an answer that says no has to say.
pub(super) async fn refusal(mut reply: Reply) -> Refusal {
    let (skew_s, retry_after_ms) = (reply.skew_s(), reply.retry_after_ms());
    let region = reply.header("x-amz-bucket-region").map(printable);
    // A body that cannot be read leaves the status to speak.
    let body = reply.body(MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
    let said = xml::error(&String::from_utf8_lossy(&body)).unwrap_or_default();
    Refusal {
        status: reply.status(),
        code: printable(&said.code),
        message: printable(&said.message),
        skew_s,
        region,
        retry_after_ms,
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

    /// Whether it says that the bucket keeps no locks and holds (Amazon S3, "Object Lock"; SeaweedFS and Ceph word it so,
    /// too), which is an answer.
    pub fn has_no_locks(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidRequest" | "InvalidBucketState" | "ObjectLockConfigurationNotFoundError" | "NotImplemented"
        ) || matches!(self.status, 405 | 501)
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
            // About the bucket as a whole: no object has other bytes then.
            Meaning::OtherBytes | Meaning::NoSuchKey if key.is_empty() => SendError::Unreachable { destination, what },
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
        words.push_str(&skew_words(self.skew_s));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::{Retry, Retryable};

    #[test]
    fn refusals_as_a_table() {
        let table = [
            (503, "SlowDown", Meaning::Busy),
            (500, "", Meaning::Failing),
            (429, "", Meaning::Busy),
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
    fn patience_that_is_asked_for_is_told_with_its_time() {
        let refusal = Refusal { status: 503, retry_after_ms: Some(5), ..Refusal::default() };
        let error = refusal.into_error(&DestinationName::new("city").unwrap(), "k");
        assert!(matches!(error, SendError::Busy { retry_after_ms: Some(5), .. }), "{error:?}");
    }

    #[test]
    fn a_wrong_clock_is_told_with_its_distance() {
        let refusal =
            Refusal { status: 403, code: "RequestTimeTooSkewed".into(), skew_s: Some(3602), ..Refusal::default() };
        let error = refusal.into_error(&DestinationName::new("city").unwrap(), "k");
        assert_eq!(error.retry(), Retry::Operator);
        assert!(error.to_string().contains("clock is 3602 s ahead"), "{error}");
    }
}
