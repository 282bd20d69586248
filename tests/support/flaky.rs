//! A decorator that makes any destination fail as lines and servers do: before a request, behind its back (done, and the
//! answer lost), by asking for patience, by standing still. Every part that was asked for is noted, so that what was
//! sent twice can be counted.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use evidock::domain::digest::Sha256;
use evidock::domain::ids::DestinationName;
use evidock::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use evidock::domain::time::UtcMs;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It passes.
    None,
    /// The line is cut before it.
    Cut,
    /// It is done, and the answer is lost.
    Lost,
    /// The server wants less of us, for so many milliseconds where it tells.
    Busy(Option<u64>),
    /// Nothing moves until the time-out of the line.
    Stall,
}

/// The decorator.
pub struct Flaky {
    inner: Arc<dyn Destination>,
    /// Parts hang, for ever, while this is so.
    hang: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    calls: u64,
    /// Faults that hit a part.
    cut_parts: u64,
    /// How often each part of each session was sent, by its digest.
    sends: BTreeMap<(String, u64, [u8; 32]), u64>,
    sessions: BTreeMap<String, u64>,
}

impl Flaky {
    pub fn around(inner: Arc<dyn Destination>) -> Arc<Self> {
        Arc::new(Self { inner, hang: AtomicBool::new(false), state: Mutex::default() })
    }

    /// Parts that are sent from now on hang for ever, or no longer do.
    pub fn hang_parts(&self, hang: bool) {
        self.hang.store(hang, Ordering::SeqCst);
    }

    /// Orders faults for the next requests.
    pub fn order(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Nothing fails from now on.
    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Requests so far.
    pub fn calls(&self) -> u64 {
        self.state.lock().unwrap().calls
    }

    /// Parts that were sent more than once within one session.
    pub fn sent_again(&self) -> u64 {
        self.state.lock().unwrap().sends.values().map(|n| n - 1).sum()
    }

    /// Faults that hit a part.
    pub fn cut_parts(&self) -> u64 {
        self.state.lock().unwrap().cut_parts
    }

    /// Sessions that were begun for each key.
    pub fn sessions(&self) -> BTreeMap<String, u64> {
        self.state.lock().unwrap().sessions.clone()
    }

    fn next(&self, is_part: bool) -> Fault {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        state.cut_parts += u64::from(is_part && fault != Fault::None);
        fault
    }

    async fn pass<T>(
        &self,
        is_part: bool,
        request: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        let destination = self.inner.name().clone();
        let cut = |what: &str| SendError::Unreachable { destination: destination.clone(), what: what.to_owned() };
        match self.next(is_part) {
            Fault::None => request.await,
            Fault::Cut => Err(cut("cut")),
            Fault::Lost => {
                request.await?;
                Err(cut("the answer was lost"))
            }
            Fault::Busy(retry_after_ms) => {
                Err(SendError::Busy { destination, what: "HTTP 503".to_owned(), retry_after_ms })
            }
            Fault::Stall => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(cut("nothing moved"))
            }
        }
    }
}

impl Destination for Flaky {
    fn name(&self) -> &DestinationName {
        self.inner.name()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(self.pass(false, self.inner.probe()))
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(async move {
            // What is begun and never heard of is not the sender's to give up: no answer is lost here.
            let session = match self.next(false) {
                Fault::None | Fault::Lost => self.inner.begin(object).await?,
                fault => {
                    self.state.lock().unwrap().calls -= 1;
                    self.state.lock().unwrap().faults.push_front(fault);
                    self.pass(false, self.inner.begin(object)).await?
                }
            };
            *self.state.lock().unwrap().sessions.entry(object.key.clone()).or_default() += 1;
            Ok(session)
        })
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        let Sha256(digest) = part.sha256;
        let sent = (format!("{} {}", object.key, session.0), part.n, digest);
        *self.state.lock().unwrap().sends.entry(sent).or_default() += 1;
        if self.hang.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(self.pass(true, self.inner.send_part(object, session, part, body)))
    }

    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        Box::pin(self.pass(false, self.inner.held_parts(object, session)))
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.pass(false, self.inner.complete(object, session, parts)))
    }

    fn abort<'a>(&'a self, object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.pass(false, self.inner.abort(object, session)))
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'a str,
        lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.pass(false, self.inner.put_small(key, bytes, content_type, lock_until)))
    }

    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        self.inner.hold(key, held)
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        self.inner.remove(key)
    }

    fn open_sessions<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        self.inner.open_sessions(prefix)
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(self.pass(false, self.inner.head(key)))
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.pass(false, self.inner.read(key, range)))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(self.pass(false, self.inner.list(prefix, after)))
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        Box::pin(self.pass(false, self.inner.versions(prefix, from)))
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.pass(false, self.inner.read_version(version)))
    }

    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.pass(false, self.inner.retain(key, until)))
    }
}
