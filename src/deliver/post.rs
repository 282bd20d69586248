//! One small question over HTTP with a small answer: witnesses and timestamp authorities. Knows neither; does not retry.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::http::{HttpOptions, HttpSetupError, client};
use crate::domain::error::{Retry, Retryable, chain};

/// Such an answer comes at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to one address.
#[derive(Debug)]
pub struct Poster {
    url: String,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Status of HTTP.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// What came of telling somebody something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Status of HTTP.
    pub status: u16,
    /// Seconds after which they want to be asked again, where they say so (RFC 9110, 10.2.3, as a number).
    pub retry_after_s: Option<u64>,
    /// The begin of what they said, harmless and short.
    pub said: String,
}

/// Of an answer to something told so much is read, bytes: a receiver must not fill our memory.
const SAID_BYTES: usize = 1024;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No connection, a cut, no answer in time.
    #[error("{url} does not answer: {what}")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        what: String,
    },
    /// More than was asked for.
    #[error("{url} answered with more than {most} bytes")]
    TooLong {
        /// The address.
        url: String,
        /// The limit.
        most: usize,
    },
}

impl Retryable for PostError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } => Retry::Transient,
            Self::TooLong { .. } => Retry::Permanent,
        }
    }
}

impl Poster {
    /// To `url`, trusting the certificates of `ca_file` in place of the system's where one is given.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, HttpSetupError> {
        let options = HttpOptions { ca_file: ca_file.map(Path::to_owned), ..HttpOptions::default() };
        Ok(Self { url: url.to_owned(), client: client(url, &options)? })
    }

    /// Asks, and takes an answer of at most `most` bytes.
    pub async fn post(&self, media_type: &str, body: Vec<u8>, most: usize) -> Result<Posted, PostError> {
        self.ask(self.client.post(&self.url).header("content-type", media_type).body(body), most).await
    }

    /// Reads what is there, of at most `most` bytes.
    pub async fn get(&self, most: usize) -> Result<Posted, PostError> {
        self.ask(self.client.get(&self.url), most).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder, most: usize) -> Result<Posted, PostError> {
        let unreachable = |what: String| PostError::Unreachable { url: self.url.clone(), what };
        let asked = async {
            let response = request.send().await.map_err(|e| unreachable(chain(&e)))?;
            let status = response.status().as_u16();
            let (mut stream, mut body) = (response.bytes_stream(), Vec::new());
            while let Some(chunk) = stream.next().await {
                body.extend_from_slice(&chunk.map_err(|e| unreachable(chain(&e)))?);
                if body.len() > most {
                    return Err(PostError::TooLong { url: self.url.clone(), most });
                }
            }
            Ok(Posted { status, body: body.into() })
        };
        let late = || unreachable(format!("no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// Tells something, with these headers; of the answer its begin is enough. Redirects are not followed: a message is for
    /// whom the configuration names.
    pub async fn tell(
        &self,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Told, PostError> {
        let unreachable = |what: String| PostError::Unreachable { url: self.url.clone(), what };
        let told = async {
            let mut request = self.client.post(&self.url).body(body);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let response = request.send().await.map_err(|e| unreachable(chain(&e.without_url())))?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok());
            let retry_after_s = retry_after.and_then(|v| v.trim().parse().ok());
            let (mut stream, mut said) = (response.bytes_stream(), Vec::new());
            // The status decides; a body that does not come to its end says no more.
            while let Some(Ok(chunk)) = stream.next().await {
                said.extend_from_slice(&chunk);
                if said.len() > SAID_BYTES {
                    break;
                }
            }
            let said = String::from_utf8_lossy(&said);
            let said = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
            Ok(Told { status, retry_after_s, said })
        };
        let late = || unreachable(format!("no answer within {} s", within.as_secs()));
        tokio::time::timeout(within, told).await.unwrap_or_else(|_| Err(late()))
    }
}
