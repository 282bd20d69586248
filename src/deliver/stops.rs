//! Stops what goes out of a clip that is isolated: a decorator around every destination, so that whoever sends cannot
//! forget it. What is under way is dropped in the middle, connection and all.
//!
//! Reading stays possible, since what stands out there must still be looked at; locks and sessions stay as they are,
//! since nothing is deleted for the sake of a suspicion.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::domain::ids::{ClipId, DestinationName};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// The clips of which nothing may go out. Clones share it.
#[derive(Debug, Clone)]
pub struct Stops(Arc<watch::Sender<BTreeSet<ClipId>>>);

impl Default for Stops {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeSet::new())))
    }
}

impl Stops {
    /// From now on these, and no others. What goes out of one of them ends at once.
    pub fn set(&self, clips: impl IntoIterator<Item = ClipId>) {
        let clips: BTreeSet<ClipId> = clips.into_iter().collect();
        self.0.send_if_modified(|now| std::mem::replace(now, clips.clone()) != clips);
    }

    /// Returns when `clip` is one of them.
    async fn stopped(&self, clip: ClipId) {
        let mut watching = self.0.subscribe();
        if watching.wait_for(|clips| clips.contains(&clip)).await.is_err() {
            // Nobody is left who could stop anything.
            std::future::pending::<()>().await;
        }
    }
}

/// A destination to which nothing of a stopped clip goes.
pub struct Stoppable {
    inner: Arc<dyn Destination>,
    stops: Stops,
}

impl Stoppable {
    /// `inner`, as long as `stops` lets it.
    pub fn around(inner: Arc<dyn Destination>, stops: Stops) -> Arc<dyn Destination> {
        Arc::new(Self { inner, stops })
    }

    async fn unless_stopped<T>(
        &self,
        key: &str,
        work: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        let Some(clip) = layout::clip_of(key) else { return work.await };
        tokio::select! {
            biased;
            () = self.stops.stopped(clip) => {
                let what = "stopped: this clip is isolated as suspected classified (疑似涉密); it goes on when two people lift that".to_owned();
                Err(SendError::Stopped { what })
            }
            outcome = work => outcome,
        }
    }
}

impl Destination for Stoppable {
    fn name(&self) -> &DestinationName {
        self.inner.name()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        self.inner.probe()
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(self.unless_stopped(&object.key, self.inner.begin(object)))
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        Box::pin(self.unless_stopped(&object.key, self.inner.send_part(object, session, part, body)))
    }

    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        self.inner.held_parts(object, session)
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.unless_stopped(&object.key, self.inner.complete(object, session, parts)))
    }

    fn abort<'a>(&'a self, object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        self.inner.abort(object, session)
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'a str,
        lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.unless_stopped(key, self.inner.put_small(key, bytes, content_type, lock_until)))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        self.inner.head(key)
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        self.inner.read(key, range)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        self.inner.list(prefix, after)
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        self.inner.versions(prefix, from)
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        self.inner.read_version(version)
    }

    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        self.inner.retain(key, until)
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::ids::StationId;

    fn station() -> StationId {
        StationId::new("s-1").unwrap()
    }

    #[tokio::test]
    async fn what_is_under_way_is_dropped_and_nothing_new_begins() {
        let fake = FakeDestination::new(DestinationName::new("d").unwrap(), station());
        let (stops, clip, other) = (Stops::default(), ClipId::generate(1), ClipId::generate(2));
        let dest = Stoppable::around(fake.clone(), stops.clone());
        let record = layout::record(&station(), clip, 1);
        dest.put_small(&record, Bytes::from_static(b"{}"), "application/json", None).await.unwrap();
        // A request that would take for ever ends the moment the clip is stopped.
        fake.faults(|f| f.delay = Duration::from_secs(3_600));
        let key = layout::record(&station(), clip, 2);
        let (stopped, ()) = tokio::join!(dest.put_small(&key, Bytes::new(), "application/json", None), async {
            tokio::task::yield_now().await;
            stops.set([clip]);
        });
        assert!(matches!(&stopped, Err(SendError::Stopped { what }) if what.contains("two people")), "{stopped:?}");
        fake.faults(|f| f.delay = Duration::ZERO);
        assert!(dest.put_small(&key, Bytes::new(), "application/json", None).await.is_err());
        assert!(fake.held(&key).is_none());
        // Others go on, and so does looking.
        let theirs = layout::record(&station(), other, 1);
        dest.put_small(&theirs, Bytes::new(), "application/json", None).await.unwrap();
        assert!(dest.head(&record).await.unwrap().is_some());
        stops.set([]);
        dest.put_small(&key, Bytes::new(), "application/json", None).await.unwrap();
    }
}
