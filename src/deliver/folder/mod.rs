//! A directory as a destination: another disk, or a mount of a NAS. A key is a path below the root.
//!
//! ```text
//! <root>/.evidock-destination          marks the place; written at first use
//! <root>/.uploads/<session>.part       an upload under way, each part at its offset
//! <root>/.uploads/<session>.parts      its parts that are safe on disk: "n len sha256", a line each
//! <root>/.replaced/<session>           an object that held other bytes than it should, set aside, never deleted
//! <root>/v1/...                        objects
//! ```
//!
//! Each part is hashed while it is written and refused when it is not the part that was declared, so a
//! disk that rots under the vault is noticed here. No checksum is kept beside an object: what proves it is
//! reading it back, past the page cache. Nothing is ever written below a root that lost its mark: a NAS
//! that is not mounted must not fill the system's disk.

mod files;
mod place;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;

use self::place::{Place, PlaceError};
use super::{blocks, key, trial};
use crate::domain::clip::ProofLevel;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;
use crate::runtime::task;

/// Settings of one folder destination, resolved.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// The directory; made at first use.
    pub root: PathBuf,
    /// The vault's directory, to tell whether both are on one device.
    pub vault: PathBuf,
    /// Whether the store says that something was sent there before: then the mark must be there.
    pub used_before: bool,
    /// Caps the proof level.
    pub proof: Option<ProofLevel>,
}

/// A directory as a destination.
#[derive(Debug)]
pub struct FolderDestination {
    options: FolderOptions,
    place: Arc<Place>,
    /// The mark was seen or written; from then on it must stay.
    marked: Arc<AtomicBool>,
}

impl FolderDestination {
    /// Sets a destination up; nothing is touched yet.
    pub fn new(options: FolderOptions) -> Self {
        let place = Arc::new(Place::new(&options.root));
        let marked = Arc::new(AtomicBool::new(options.used_before));
        Self { options, place, marked }
    }

    /// Runs disk work on a blocking thread, after making sure that the place is the right one.
    async fn on_disk<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Place) -> Result<T, PlaceError> + Send + 'static,
    ) -> Result<T, SendError> {
        let (place, marked) = (self.place.clone(), self.marked.clone());
        let done = task::blocking("folder destination", move || {
            place.ensure_mark(marked.load(Ordering::SeqCst))?;
            marked.store(true, Ordering::SeqCst);
            work(&place)
        });
        match done.await {
            Ok(result) => result.map_err(|error| self.explain(key, error)),
            // Only a panic or the end of the runtime gets here.
            Err(error) => Err(self.explain(key, PlaceError::Disk(io::Error::other(error)))),
        }
    }

    fn explain(&self, key: &str, error: PlaceError) -> SendError {
        let destination = self.options.name.clone();
        match error {
            PlaceError::MarkLost => SendError::Refused {
                destination,
                what: format!("{} has lost its mark {}; is the NAS mounted?", self.options.root.display(), place::MARK),
            },
            PlaceError::SessionLost => SendError::SessionLost { destination },
            PlaceError::Differs(what) => SendError::Mismatch { destination, key: key.to_owned(), what },
            PlaceError::Misused(what) => SendError::Protocol { destination, what: what.to_owned() },
            PlaceError::Local(source) => SendError::Local(source),
            PlaceError::Disk(source) => {
                let what = source.to_string();
                match source.kind() {
                    io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::NotADirectory => SendError::Refused { destination, what },
                    // A full disk too: it is tried again once there is room.
                    _ => SendError::Unreachable { destination, what },
                }
            }
        }
    }

    fn checked(&self, key: &str) -> Result<String, SendError> {
        key::check(&self.options.name, key)?;
        Ok(key.to_owned())
    }

    async fn try_out(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.options.station);
        let vault = self.options.vault.clone();
        let probe = key.clone();
        let same_device = self
            .on_disk(&key, move |place| {
                place.remove(&probe)?;
                place.same_device(&vault)
            })
            .await?;
        let (object, bytes) = trial::object(&key);
        let session = self.begin(&object).await?;
        let found = trial::run(self, &object, &bytes, &session).await?;
        let proof = self.options.proof.map_or(found.level(), |cap| trial::weaker(found.level(), cap));
        let mut detail = found.words();
        if same_device {
            detail.push_str("; on the vault's own device: it proves nothing about the loss of the box");
        }
        Ok(Abilities { proof, lock: false, same_device, in_order: false, detail })
    }
}

impl Destination for FolderDestination {
    fn name(&self) -> &DestinationName {
        &self.options.name
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(self.try_out())
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(async move {
            self.checked(&object.key)?;
            self.on_disk(&object.key, Place::begin).await.map(SessionId)
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
            let (session, part) = (session.0.clone(), *part);
            self.on_disk(&object.key, move |place| place.write_part(&session, &part, body.as_ref())).await?;
            Ok(PartReceipt { tag: part.sha256.to_string(), sha256: Some(part.sha256) })
        })
    }

    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        Box::pin(async move {
            let session = session.0.clone();
            self.on_disk(&object.key, move |place| place.held(&session)).await
        })
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let key = self.checked(&object.key)?;
            let (session, size, sha256) = (session.0.clone(), object.size_bytes, object.sha256);
            if parts.iter().map(|(part, _)| part.len).sum::<u64>() != size {
                return Err(self.explain(&key, PlaceError::Misused("its parts do not make up the object")));
            }
            let target = key.clone();
            self.on_disk(&key, move |place| place.complete(&session, &target, size, sha256)).await
        })
    }

    fn abort<'a>(&'a self, object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let session = session.0.clone();
            self.on_disk(&object.key, move |place| place.abort(&session)).await
        })
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        _content_type: &'a str,
        _lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let target = self.checked(key)?;
            self.on_disk(key, move |place| place.put(&target, &bytes)).await
        })
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(async move {
            let target = self.checked(key)?;
            self.on_disk(key, move |place| place.head(&target)).await
        })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(async move {
            let target = self.checked(key)?;
            let file = self.on_disk(key, move |place| place.open(&target)).await?;
            let range = range.map_or(0..file.len(), |r| r.start.min(file.len())..r.end.min(file.len()));
            let name = self.options.name.clone();
            let stream = blocks::blocks(Arc::new(file), range).map(move |block| {
                block.map_err(|e| SendError::Unreachable { destination: name.clone(), what: e.to_string() })
            });
            Ok(Box::pin(stream) as ByteStream)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(async move {
            key::check_prefix(&self.options.name, prefix)?;
            let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
            self.on_disk("", move |place| place.list(&prefix, after.as_deref())).await
        })
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        Box::pin(super::versions::one_each(self, prefix, from))
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        self.read(&version.key, None)
    }

    /// A directory has no locks; nothing is promised and nothing fails.
    fn retain<'a>(&'a self, key: &'a str, _until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move { self.checked(key).map(drop) })
    }

    fn hold<'a>(&'a self, key: &'a str, _held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(async move { self.checked(key).map(|_| HoldAnswer::Unsupported) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(async move {
            let target = self.checked(key)?;
            self.on_disk(key, move |place| place.remove_durably(&target)).await?;
            Ok(Removal::Done)
        })
    }

    /// None: a directory may be shared, and the name of an upload does not tell whose it is.
    fn open_sessions<'a>(&'a self, _prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(async move { Ok(Vec::new()) })
    }
}

/// The path of a checked key below `root`.
fn path_of(root: &Path, key: &str) -> PathBuf {
    root.join(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::Sha256;
    use crate::domain::grid::PartGrid;

    fn folder(dir: &Path, used_before: bool) -> FolderDestination {
        FolderDestination::new(FolderOptions {
            name: DestinationName::new("nas").unwrap(),
            station: StationId::new("zhao-01").unwrap(),
            root: dir.join("mnt"),
            vault: dir.to_owned(),
            used_before,
            proof: None,
        })
    }

    #[tokio::test]
    async fn a_mount_that_is_gone_is_never_written_to() {
        let dir = tempfile::tempdir().unwrap();
        // Rows say that something was sent, and the place is empty: not ours.
        let lost = folder(dir.path(), true);
        let error = lost.put_small("a", Bytes::from_static(b"x"), "t", None).await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { what, .. } if what.contains("is the NAS mounted?")), "{error}");
        assert!(!dir.path().join("mnt").exists(), "nothing was made in its stead");

        // First use marks it; when the mark vanishes while running, writing stops too.
        let first = folder(dir.path(), false);
        first.put_small("a", Bytes::from_static(b"x"), "t", None).await.unwrap();
        assert!(folder(dir.path(), true).head("a").await.unwrap().is_some());
        std::fs::rename(dir.path().join("mnt"), dir.path().join("unmounted")).unwrap();
        std::fs::create_dir(dir.path().join("mnt")).unwrap();
        assert!(matches!(first.head("a").await.unwrap_err(), SendError::Refused { .. }));
        let error = first.put_small("b", Bytes::from_static(b"x"), "t", None).await.unwrap_err();
        assert!(matches!(error, SendError::Refused { .. }));
        assert_eq!(std::fs::read_dir(dir.path().join("mnt")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn other_bytes_under_the_key_are_set_aside_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dest = folder(dir.path(), false);
        dest.put_small("v1/x", Bytes::from_static(b"rotten"), "t", None).await.unwrap();
        let bytes = Bytes::from_static(b"footage");
        let sha256 = Sha256(<sha2::Sha256 as sha2::Digest>::digest(&bytes).into());
        let object = ObjectSpec {
            key: "v1/x".into(),
            size_bytes: 7,
            grid: PartGrid::for_size(Some(7)),
            content_type: "t".into(),
            sha256,
            lock_until: None,
        };
        let part = PartSpec { n: 0, offset: 0, len: 7, sha256, crc64: None };
        let session = dest.begin(&object).await.unwrap();
        let receipt = dest.send_part(&object, &session, &part, Arc::new(trial::InMemory(bytes))).await.unwrap();
        dest.complete(&object, &session, &[(part, receipt)]).await.unwrap();
        assert_eq!(std::fs::read(dir.path().join("mnt/v1/x")).unwrap(), b"footage");
        assert_eq!(std::fs::read(dir.path().join("mnt/.replaced").join(&session.0)).unwrap(), b"rotten");
    }
}
