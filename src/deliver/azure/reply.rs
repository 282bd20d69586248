//! What a "no" of the service means. The table of error codes is pure.

use super::xml;
use crate::deliver::http::{Reply, printable, skew_words};
use crate::domain::ids::DestinationName;
use crate::domain::ports::SendError;

/// Longest error body that is looked at.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What an answer that says no has to say. Its code stands in a header, so that answers without a body have one, too.
pub(super) async fn refusal(mut reply: Reply) -> Refusal {
    let (skew_s, retry_after_ms) = (reply.skew_s(), reply.retry_after_ms());
    let code = reply.header("x-ms-error-code").map(printable).unwrap_or_default();
    // A body that cannot be read leaves the status to speak.
    let body = reply.body(MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
    let said = xml::error(&String::from_utf8_lossy(&body)).unwrap_or_default();
    let code = if code.is_empty() { printable(&said.code) } else { code };
    // The first line: what follows are request ids and, at some stand-ins, the string that was signed.
    let message = printable(said.message.lines().next().unwrap_or_default());
    Refusal { status: reply.status(), code, message, skew_s, retry_after_ms }
}

/// An answer that says no.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    pub status: u16,
    /// Azure's code.
    pub code: String,
    /// In the service's words.
    pub message: String,
    /// By how many seconds the station's clock is ahead of the server's, where it told.
    pub skew_s: Option<i64>,
    /// How long it wants to be left alone, milliseconds, where it told.
    pub retry_after_ms: Option<u64>,
}

/// What a refusal means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Busy,
    Failing,
    Denied,
    SessionLost,
    OtherBytes,
    NoSuchKey,
    Exists,
    Unusable,
}

impl Refusal {
    /// Reads the code first, then the status (Azure Storage, "Blob Storage error codes" and "Common REST API error codes").
    pub fn meaning(&self) -> Meaning {
        match self.code.as_str() {
            "ServerBusy" => Meaning::Busy,
            "OperationTimedOut" | "InternalError" | "ContainerBeingDeleted" => Meaning::Failing,
            // A block that we have a receipt for is not there: the session is of no use any more.
            "InvalidBlockList" | "InvalidBlobOrBlock" | "InvalidBlockId" => Meaning::SessionLost,
            "Md5Mismatch" | "Crc64Mismatch" | "InvalidMd5" => Meaning::OtherBytes,
            // Azurite's word for an MD5 that differs.
            "InvalidOperation" if self.message.to_ascii_lowercase().contains("contentmd5") => Meaning::OtherBytes,
            // As stand-ins say of what they lack; some with a 500.
            "FeatureNotSupported" | "NotImplemented" | "UnsupportedHeader" => Meaning::Unusable,
            "BlobNotFound" => Meaning::NoSuchKey,
            "BlobAlreadyExists" | "ConditionNotMet" | "TargetConditionNotMet" => Meaning::Exists,
            "ContainerNotFound"
            | "ContainerDisabled"
            | "BlobImmutableDueToPolicy"
            | "ResourceNotFound"
            | "AccountIsDisabled"
            | "InsufficientAccountPermissions" => Meaning::Denied,
            _ => match self.status {
                404 => Meaning::NoSuchKey,
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
            Meaning::Busy => SendError::Busy { destination, what, retry_after_ms: self.retry_after_ms },
            Meaning::Failing => SendError::Unreachable { destination, what },
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
        words + &skew_words(self.skew_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_as_a_table() {
        let azurite = Refusal {
            status: 400,
            code: "InvalidOperation".into(),
            message: "Provided contentMD5 doesn't match.".into(),
            ..Refusal::default()
        };
        assert_eq!(azurite.meaning(), Meaning::OtherBytes);
        let table = [
            (503, "ServerBusy", Meaning::Busy),
            (500, "OperationTimedOut", Meaning::Failing),
            (429, "", Meaning::Busy),
            (403, "AuthenticationFailed", Meaning::Denied),
            (404, "ContainerNotFound", Meaning::Denied),
            (409, "BlobImmutableDueToPolicy", Meaning::Denied),
            (400, "InvalidBlockList", Meaning::SessionLost),
            (400, "Md5Mismatch", Meaning::OtherBytes),
            (400, "Crc64Mismatch", Meaning::OtherBytes),
            (404, "BlobNotFound", Meaning::NoSuchKey),
            (404, "", Meaning::NoSuchKey),
            (409, "BlobAlreadyExists", Meaning::Exists),
            (412, "ConditionNotMet", Meaning::Exists),
            (400, "InvalidHeaderValue", Meaning::Unusable),
            (501, "NotImplemented", Meaning::Unusable),
            (500, "FeatureNotSupported", Meaning::Unusable),
        ];
        for (status, code, meaning) in table {
            let refusal = Refusal { status, code: code.into(), ..Refusal::default() };
            assert_eq!(refusal.meaning(), meaning, "{status} {code}");
        }
    }
}
