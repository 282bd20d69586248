//! A tus 1.0 server (tus.io, "Resumable upload protocol 1.0.x") as a destination. Such a server takes uploads, chooses
//! their addresses itself, and knows no keys and no lists: which object stands where is in the address book that we are
//! given, and nowhere else. An upload carries its key, its media type and our SHA-256 as metadata, for whoever reads
//! that server's side.
//!
//! Parts go up one after the other, each as one PATCH that begins where the server's bytes end; after a cut the rest of
//! the part follows, or the whole of it, as the server kept it. Bytes once taken cannot be replaced, so a part is hashed
//! before it is sent, unless the server was found to check its SHA-256 itself (the checksum extension).
//!
//! What it proves: where the address of an upload gives the bytes back (many servers do, the protocol does not ask for
//! it), reading back does. Where a finished upload can only be asked for its length, or is taken away at once (a mere
//! door), it is "sent, unproven" for ever.
//!
//! Session: `tus:<address of the upload>`.

mod objects;
mod probe;
mod upload;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::Keys;
use super::http::{HttpOptions, HttpSetupError};
use super::trial::Fact;
use crate::domain::clip::ProofLevel;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::ports::{
    Abilities, AddressBook, BookError, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer,
    ObjectAddress, ObjectSpec, ObjectVersion, OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError,
    SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Settings of one tus destination, resolved.
#[derive(Debug, Clone)]
pub struct TusOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// Where uploads are created, e.g. `https://upload.example.org/files`.
    pub endpoint: String,
    /// A user and a password (sent as Basic), or a token without a user (sent as Bearer).
    pub keys: Option<Keys>,
    /// How it is reached.
    pub http: HttpOptions,
    /// Caps the proof level.
    pub proof: Option<ProofLevel>,
}

/// Why a destination could not be set up. A person must change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TusSetupError {
    /// Not an address that can be used.
    #[error("endpoint {0:?} is not an http or https address with a host")]
    Endpoint(String),
    /// The connection cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// A tus server as a destination.
pub struct TusDestination {
    wire: wire::Wire,
    book: Arc<dyn AddressBook>,
    station: StationId,
    proof: Option<ProofLevel>,
    learned: Learned,
    /// How far uploads of this process have come, by address: saves the question before each part.
    offsets: Mutex<HashMap<String, u64>>,
}

/// What was learned of the server.
#[derive(Debug, Default)]
struct Learned {
    /// It refuses a part whose SHA-256 is not the declared one, and keeps nothing of it.
    checks: Fact,
    /// The address of a finished upload gives the bytes back.
    reads: Fact,
    /// Uploads can be given up.
    terminates: Fact,
    /// Longest upload that it takes, bytes.
    max_bytes: Mutex<Option<u64>>,
}

impl TusDestination {
    /// Sets a destination up; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: TusOptions, book: Arc<dyn AddressBook>) -> Result<Self, TusSetupError> {
        Ok(Self {
            wire: wire::Wire::new(&options)?,
            book,
            station: options.station,
            proof: options.proof,
            learned: Learned::default(),
            offsets: Mutex::default(),
        })
    }
}

impl std::fmt::Debug for TusDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TusDestination").field("wire", &self.wire).finish_non_exhaustive()
    }
}

impl Destination for TusDestination {
    fn name(&self) -> &DestinationName {
        self.wire.line().name()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(self.probe_all())
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(self.begin_upload(object))
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        Box::pin(self.upload_part(object, session, part, body))
    }

    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        Box::pin(self.parts_there(object, session))
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.complete_upload(object, session, parts))
    }

    fn abort<'a>(&'a self, _object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.abort_upload(session))
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'a str,
        _lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.put_new(key, bytes, content_type))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(self.look(key))
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.get(key, range))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(self.keys(prefix, after))
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

    /// tus has no locks; nothing is promised and nothing fails.
    fn retain<'a>(&'a self, key: &'a str, _until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move { super::key::check(self.name(), key) })
    }

    fn hold<'a>(&'a self, key: &'a str, _held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(async move { super::key::check(self.name(), key).map(|()| HoldAnswer::Unsupported) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(async move { super::key::check(self.name(), key).map(|()| Removal::Unsupported) })
    }

    /// None: tus lists nothing. Servers drop unfinished uploads by themselves where they are set up to.
    fn open_sessions<'a>(&'a self, _prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(async move { Ok(Vec::new()) })
    }
}

/// An address book in memory, for tests and for trying a destination out; nothing of the daemon uses it.
#[derive(Debug, Default)]
pub struct BookInMemory(Mutex<BTreeMap<(String, String), ObjectAddress>>);

impl BookInMemory {
    fn inside(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), ObjectAddress>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl AddressBook for BookInMemory {
    fn find<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<ObjectAddress>, BookError>> {
        Box::pin(async move { Ok(self.inside().get(&(destination.to_string(), key.to_owned())).cloned()) })
    }

    fn note<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
        address: &'a ObjectAddress,
    ) -> BoxFuture<'a, Result<(), BookError>> {
        Box::pin(async move {
            self.inside().insert((destination.to_string(), key.to_owned()), address.clone());
            Ok(())
        })
    }

    fn keys<'a>(
        &'a self,
        destination: &'a DestinationName,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, BookError>> {
        Box::pin(async move {
            let inside = self.inside();
            let wanted = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
            let ours = inside.keys().filter(|(of, _)| of == destination.as_str()).map(|(_, key)| key);
            Ok(ours.filter(wanted).take(limit).cloned().collect())
        })
    }
}
