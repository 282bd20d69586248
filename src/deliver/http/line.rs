//! One request and its answer over a destination's connection.

use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::request::Parts;
use rustls::AlertDescription;

use super::reply::Reply;
use super::setup::{HttpOptions, HttpSetupError, client};
use crate::deliver::blocks::blocks;
use crate::deliver::line::while_moving;
use crate::domain::error::chain;
use crate::domain::ids::DestinationName;
use crate::domain::ports::{ByteSource, SendError};

/// What a request carries.
pub(in crate::deliver) enum Payload {
    Empty,
    Bytes(Bytes),
    /// A stretch of a local file.
    Stretch(Range<u64>, Arc<dyn ByteSource>),
    /// So many bytes that are made on the way; their error is the request's.
    Stream(u64, Pin<Box<dyn Stream<Item = Result<Bytes, SendError>> + Send>>),
}

impl Payload {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stretch(range, _) => range.end - range.start,
            Self::Stream(len, _) => *len,
        }
    }
}

/// The connection to one destination's server.
#[derive(Debug)]
pub(in crate::deliver) struct HttpLine {
    name: DestinationName,
    client: reqwest::Client,
    idle_timeout: Duration,
}

impl HttpLine {
    /// Sets a connection up to the server at `base`; nothing is sent yet.
    pub fn new(name: &DestinationName, base: &str, options: &HttpOptions) -> Result<Self, HttpSetupError> {
        Ok(Self { name: name.clone(), client: client(base, options)?, idle_timeout: options.idle_timeout })
    }

    pub fn name(&self) -> &DestinationName {
        &self.name
    }

    /// Sends and gives the answer, whatever it says, its body still to be read. The caller has set `Content-Length`.
    pub async fn execute(&self, head: Parts, payload: Payload) -> Result<Reply, SendError> {
        let local = Arc::new(Mutex::new(None));
        let progress = Arc::new(AtomicU64::new(0));
        let body = body(payload, &local, &progress);
        let request =
            reqwest::Request::try_from(http::Request::from_parts(head, body)).map_err(|e| self.transport(e))?;
        let answer = while_moving(&progress, self.idle_timeout, self.client.execute(request)).await;
        // A body that broke off breaks the request too; what broke it is the cause.
        if let Some(error) = local.lock().ok().and_then(|mut slot| slot.take()) {
            return Err(error);
        }
        match answer {
            Some(Ok(response)) => Ok(Reply::new(response, self.idle_timeout)),
            Some(Err(error)) => Err(self.transport(error)),
            None => Err(self.stalled()),
        }
    }

    /// The body of a reply as text, bounded.
    pub async fn text(&self, mut reply: Reply, limit: usize) -> Result<String, SendError> {
        match reply.body(limit).await {
            Ok(Some(body)) => Ok(String::from_utf8_lossy(&body).into_owned()),
            Ok(None) => Err(self.protocol("its reply is too long")),
            Err(Some(error)) => Err(self.transport(error)),
            Err(None) => Err(self.stalled()),
        }
    }

    /// Whether the object that a reply carries is exactly `ours`.
    pub async fn is_same(&self, mut reply: Reply, ours: &[u8]) -> Result<bool, SendError> {
        match reply.body(ours.len()).await {
            Ok(theirs) => Ok(theirs.is_some_and(|theirs| theirs == ours)),
            Err(Some(error)) => Err(self.transport(error)),
            Err(None) => Err(self.stalled()),
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

    /// It refuses us, and a person must act.
    pub fn refused(&self, what: impl Into<String>) -> SendError {
        SendError::Refused { destination: self.name.clone(), what: what.into() }
    }

    /// It cannot do it now.
    pub fn unreachable(&self, what: impl Into<String>) -> SendError {
        SendError::Unreachable { destination: self.name.clone(), what: what.into() }
    }

    /// It is there and asks for patience, for so many milliseconds where it says.
    pub fn busy(&self, what: impl Into<String>, retry_after_ms: Option<u64>) -> SendError {
        SendError::Busy { destination: self.name.clone(), what: what.into(), retry_after_ms }
    }

    /// The session is gone there.
    pub fn session_lost(&self) -> SendError {
        SendError::SessionLost { destination: self.name.clone() }
    }

    /// Nothing moved for too long.
    pub fn stalled(&self) -> SendError {
        self.unreachable(format!("nothing moved for {} s", self.idle_timeout.as_secs()))
    }

    /// What a failed connection means. A certificate that is not trusted, theirs or ours, needs a person; the rest passes.
    pub fn transport(&self, error: reqwest::Error) -> SendError {
        let error = error.without_url();
        match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                self.refused(format!("its certificate is not trusted ({reason:?}); set ca_file to its authority's"))
            }
            Some(rustls::Error::AlertReceived(alert)) if is_about_ours(*alert) => self.refused(format!(
                "it does not take our certificate ({alert:?}); set client_certificate and client_key to what it asks for"
            )),
            _ => self.unreachable(chain(&error)),
        }
    }
}

/// The body of a request; an error on our side is left in `local`, each block counts as progress.
fn body(payload: Payload, local: &Arc<Mutex<Option<SendError>>>, progress: &Arc<AtomicU64>) -> reqwest::Body {
    let stream = match payload {
        Payload::Empty => return reqwest::Body::from(Bytes::new()),
        Payload::Bytes(bytes) => return reqwest::Body::from(bytes),
        // An empty stream would be sent as chunks, which some stores refuse.
        Payload::Stretch(range, _) if range.is_empty() => return reqwest::Body::from(Bytes::new()),
        Payload::Stream(0, _) => return reqwest::Body::from(Bytes::new()),
        Payload::Stretch(range, source) => blocks(source, range).map(|block| block.map_err(SendError::Local)).boxed(),
        Payload::Stream(_, stream) => stream,
    };
    let (local, progress) = (local.clone(), progress.clone());
    let stream = stream.map(move |block| {
        progress.fetch_add(1, Ordering::Relaxed);
        block.map_err(|error| {
            if let Ok(mut slot) = local.lock() {
                *slot = Some(error);
            }
            std::io::Error::other("the body broke off on our side")
        })
    });
    reqwest::Body::wrap_stream(stream)
}

/// The TLS error inside another, where there is one. I/O errors hide what they wrap from `source`, so each is opened.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(|e| Some(e.get_ref()? as &'a (dyn std::error::Error + 'static)));
    tls_error(wrapped.or_else(|| error.source())?)
}

/// Alerts by which a server says that it wants another client certificate, or one at all (RFC 8446, 6.2).
fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
