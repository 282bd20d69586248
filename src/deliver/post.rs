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
        let unreachable = |what: String| PostError::Unreachable { url: self.url.clone(), what };
        let asked = async {
            let request = self.client.post(&self.url).header("content-type", media_type).body(body);
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
}
