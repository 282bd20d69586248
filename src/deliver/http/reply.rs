//! An answer: its headers and a bounded look at its body. Texts from the server are bounded and made printable before
//! anyone sees them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};

use super::line::HttpLine;
use crate::domain::error::chain;
use crate::domain::ports::{ByteStream, SendError};
use crate::domain::time::UtcMs;
use crate::runtime::clock;

/// Longest text of the server that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 300;
/// Clocks further apart than this are worth a word: signatures are refused beyond 15 minutes (S3, RequestTimeTooSkewed;
/// Azure, "Authorize with Shared Key").
const SKEW_WORTH_TELLING_S: i64 = 300;

/// An answer whose body is still to be read.
pub(in crate::deliver) struct Reply {
    response: reqwest::Response,
    idle_timeout: Duration,
}

impl Reply {
    pub(super) fn new(response: reqwest::Response, idle_timeout: Duration) -> Self {
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

    /// A header that is a whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// By how many seconds the station's clock is ahead of the server's, where it told (RFC 9110, 6.6.1).
    pub fn skew_s(&self) -> Option<i64> {
        skew_s(self.header(DATE.as_str())?, clock::wall())
    }

    /// How long the server wants to be left alone, where it told (Retry-After: RFC 9110, 10.2.3).
    pub fn retry_after_ms(&self) -> Option<u64> {
        retry_after_ms(self.header(RETRY_AFTER.as_str())?, clock::wall())
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

    /// The body as the stream of an object's bytes.
    pub fn into_stream(self, line: &HttpLine) -> ByteStream {
        // The stream outlives this borrow; what it needs of the connection to name an error is its words.
        let (stalled, name) = (line.stalled().to_string(), line.name().clone());
        let stream = futures_util::stream::unfold(Some(self), move |reply| {
            let (stalled, destination) = (stalled.clone(), name.clone());
            async move {
                let mut reply = reply?;
                match reply.chunk().await {
                    Ok(Some(chunk)) => Some((Ok(chunk), Some(reply))),
                    Ok(None) => None,
                    Err(error) => {
                        let what = error.map_or(stalled, |e| chain(&e.without_url()));
                        Some((Err(SendError::Unreachable { destination, what }), None))
                    }
                }
            }
        });
        Box::pin(stream)
    }
}

/// What is worth saying of clocks that are apart; empty where they are not.
pub(in crate::deliver) fn skew_words(skew_s: Option<i64>) -> String {
    match skew_s {
        Some(s) if s > SKEW_WORTH_TELLING_S => format!("; the station's clock is {s} s ahead of the server's"),
        Some(s) if s < -SKEW_WORTH_TELLING_S => format!("; the station's clock is {} s behind the server's", -s),
        _ => String::new(),
    }
}

/// Seconds or a date, as milliseconds from `now`.
fn retry_after_ms(text: &str, now: UtcMs) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(u64::try_from(at - now.0).unwrap_or(0))
}

fn skew_s(date: &str, now: UtcMs) -> Option<i64> {
    let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    Some(now.0.div_euclid(1000) - server)
}

/// Text of a server, bounded and without control characters.
pub(in crate::deliver) fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_with_its_distance() {
        let now = UtcMs::parse_rfc3339("2025-11-21T14:00:02Z").unwrap();
        let skew = skew_s("Fri, 21 Nov 2025 13:00:00 GMT", now);
        assert_eq!(skew, Some(3602));
        assert!(skew_words(skew).contains("3602 s ahead"));
        assert!(skew_words(Some(-400)).contains("400 s behind"));
        assert_eq!(skew_words(Some(299)) + &skew_words(None), "");
        assert_eq!(skew_s("yesterday", now), None);
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
            assert_eq!(retry_after_ms(text, now), wanted, "{text}");
        }
    }

    #[test]
    fn texts_of_the_server_are_bounded() {
        assert_eq!(printable(" a\u{1b}[2J\nb "), "a [2J b");
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_SHOWN_CHARS);
    }
}
