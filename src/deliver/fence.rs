//! Keeps a station that goes on elsewhere from writing. A restore claims a new epoch of the log
//! ([`layout::epoch_claim`]); a box of the same station that comes back with the older database must not write a
//! single object beside it. Each destination is asked before the first write and then now and again; one question
//! costs one listing of a prefix that is nearly always empty. Reading is not fenced.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

use crate::domain::ids::{DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Clock, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// After so long a destination is asked again, milliseconds.
const ASK_EVERY_MS: i64 = 60_000;
/// Nobody was asked yet.
const NEVER: i64 = i64::MIN;

/// What the fences of all destinations share: the later epoch, once one of them has seen it. Clones share it.
#[derive(Debug, Clone)]
pub struct Fence {
    station: StationId,
    epoch: u32,
    later: Arc<watch::Sender<Option<u32>>>,
}

impl Fence {
    /// For a station whose database is in `epoch`.
    pub fn new(station: StationId, epoch: u32) -> Self {
        Self { station, epoch, later: Arc::new(watch::Sender::new(None)) }
    }

    /// Waits until a later epoch was seen anywhere.
    pub async fn superseded(&self) -> u32 {
        let mut seen = self.later.subscribe();
        loop {
            let later = *seen.borrow_and_update();
            match later {
                Some(later) => return later,
                // The sender lives as long as `self` does.
                None if seen.changed().await.is_err() => std::future::pending().await,
                None => {}
            }
        }
    }

    /// Asks one destination, whether or not there is anything to write.
    pub async fn look(&self, dest: &dyn Destination) -> Result<(), SendError> {
        if let Some(later) = later_claim(dest, &self.station, self.epoch).await? {
            self.later.send_replace(Some(later));
        }
        Ok(())
    }

    /// Why nothing is written any more; `None` while nothing stands against it.
    fn reason(&self) -> Option<String> {
        let later = (*self.later.borrow())?;
        Some(superseded_words(&self.station, self.epoch, later))
    }
}

/// What a box is told whose station goes on elsewhere.
pub fn superseded_words(station: &StationId, epoch: u32, later: u32) -> String {
    format!(
        "station {station} was restored elsewhere and goes on there in epoch {later}; this database is of epoch {epoch} and must not write beside it"
    )
}

/// A destination behind the fence.
pub struct Fenced {
    inner: Arc<dyn Destination>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    /// When it was asked last, milliseconds of the monotonic clock.
    asked_ms: AtomicI64,
}

impl Fenced {
    /// Puts `inner` behind the fence.
    pub fn new(inner: Arc<dyn Destination>, fence: Fence, clock: Arc<dyn Clock>) -> Self {
        Self { inner, fence, clock, asked_ms: AtomicI64::new(NEVER) }
    }

    async fn may_write(&self) -> Result<(), SendError> {
        let now_ms = self.clock.monotonic_ms();
        let asked_ms = self.asked_ms.load(Ordering::Relaxed);
        let fresh = asked_ms != NEVER && (0..ASK_EVERY_MS).contains(&(now_ms - asked_ms));
        if self.fence.reason().is_none() && !fresh {
            self.fence.look(&*self.inner).await?;
            self.asked_ms.store(now_ms, Ordering::Relaxed);
        }
        match self.fence.reason() {
            Some(what) => Err(SendError::Refused { destination: self.inner.name().clone(), what }),
            None => Ok(()),
        }
    }
}

/// The highest claim at a destination that is later than `epoch`.
pub async fn later_claim(dest: &dyn Destination, station: &StationId, epoch: u32) -> Result<Option<u32>, SendError> {
    let after = layout::epoch_claim(station, epoch);
    let page = dest.list(&layout::epoch_claim_prefix(station), Some(&after)).await?;
    Ok(page.iter().filter_map(|key| layout::parse_epoch_claim(station, key)).filter(|found| *found > epoch).max())
}

impl Destination for Fenced {
    fn name(&self) -> &DestinationName {
        self.inner.name()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(async move {
            self.may_write().await?;
            self.inner.probe().await
        })
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(async move {
            self.may_write().await?;
            self.inner.begin(object).await
        })
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        Box::pin(async move {
            self.may_write().await?;
            self.inner.send_part(object, session, part, body).await
        })
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
        Box::pin(async move {
            self.may_write().await?;
            self.inner.complete(object, session, parts).await
        })
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
        Box::pin(async move {
            self.may_write().await?;
            self.inner.put_small(key, bytes, content_type, lock_until).await
        })
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
        Box::pin(async move {
            self.may_write().await?;
            self.inner.retain(key, until).await
        })
    }

    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(async move {
            self.may_write().await?;
            self.inner.hold(key, held).await
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(async move {
            self.may_write().await?;
            self.inner.remove(key).await
        })
    }

    fn open_sessions<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        self.inner.open_sessions(prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::deliver::folder::{FolderDestination, FolderOptions};

    /// A clock whose monotonic time a test moves.
    struct Ticking(AtomicI64);

    impl Clock for Ticking {
        fn now(&self) -> UtcMs {
            UtcMs(0)
        }

        fn monotonic_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn boot_id(&self) -> &str {
            "boot"
        }
    }

    fn folder(dir: &std::path::Path, station: &StationId) -> Arc<dyn Destination> {
        Arc::new(FolderDestination::new(FolderOptions {
            name: DestinationName::new("nas").unwrap(),
            station: station.clone(),
            root: dir.join("nas"),
            vault: dir.to_owned(),
            used_before: false,
            proof: None,
        }))
    }

    #[tokio::test]
    async fn a_station_that_goes_on_elsewhere_writes_nothing_more() {
        let dir = tempfile::tempdir().unwrap();
        let station = StationId::new("one").unwrap();
        let inner = folder(dir.path(), &station);
        let clock = Arc::new(Ticking(AtomicI64::new(5)));
        let fence = Fence::new(station.clone(), 1);
        let fenced = Fenced::new(Arc::clone(&inner), fence.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let put = async |key: &str| fenced.put_small(key, Bytes::from_static(b"x"), "text/plain", None).await;
        put("v1/one/a").await.unwrap();

        // Its own claim and what is no claim are nothing to it.
        for key in [layout::epoch_claim(&station, 1), format!("{}x", layout::epoch_claim_prefix(&station))] {
            inner.put_small(&key, Bytes::from_static(b"note"), "text/plain", None).await.unwrap();
        }
        clock.0.fetch_add(ASK_EVERY_MS, Ordering::Relaxed);
        put("v1/one/b").await.unwrap();

        let told = AtomicBool::new(false);
        let waits = async {
            assert_eq!(fence.superseded().await, 3);
            told.store(true, Ordering::Relaxed);
        };
        let claims = async {
            let key = layout::epoch_claim(&station, 3);
            inner.put_small(&key, Bytes::from_static(b"note"), "text/plain", None).await.unwrap();
            clock.0.fetch_add(ASK_EVERY_MS, Ordering::Relaxed);
            for key in ["v1/one/c", "v1/one/d"] {
                let refused = put(key).await.unwrap_err().to_string();
                assert!(refused.contains("epoch 3") && refused.contains("of epoch 1"), "{refused}");
                assert!(inner.head(key).await.unwrap().is_none());
            }
        };
        tokio::join!(waits, claims);
        assert!(told.load(Ordering::Relaxed));
        assert!(fenced.retain("v1/one/a", UtcMs(1)).await.is_err());
        assert!(fenced.probe().await.is_err());
        // Reading goes on.
        assert!(fenced.head("v1/one/a").await.unwrap().is_some());
        assert_eq!(fenced.list("v1/one/", None).await.unwrap().len(), 5);
    }
}
