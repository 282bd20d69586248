//! A container of Azure Blob Storage (and what speaks its protocol) as a destination, by its REST API. Signing comes
//! from a crate; blocks, headers and the session are ours.
//!
//! How bytes go up: the CRC-64 of a part, known since it was copied from the recorder, is sent as `x-ms-content-crc64`
//! (Azure's CRC-64 is CRC-64/NVME), and the service compares it with what arrived. Where it was found to ignore it, or
//! the part has none, the part is read once more for its Content-MD5. Azure keeps no checksum of a whole blob that it
//! computed itself, so reading back is the proof.
//!
//! An object of at most one part goes up with one Put Blob, session `put`. Everything else is a list of blocks, session
//! `blocks:<nonce>`: the id of a block is the nonce and the number of the part, so that blocks of two sessions under one
//! key never mix. Blocks that no list names cannot be given up by request; the service drops them after a week ("Put
//! Block", remarks).
//!
//! Nothing is ever overwritten blindly: a blob is made only where none stands, and replaced only if it is still the one
//! that was looked at.
//!
//! It must not retry (the sender's business), log a key or put one into an error.

mod objects;
mod probe;
mod reply;
mod upload;
mod wire;
mod xml;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::Keys;
use super::http::{HttpOptions, HttpSetupError};
use super::trial::Fact;
use crate::domain::clip::ProofLevel;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Settings of one Azure destination, resolved.
#[derive(Debug, Clone)]
pub struct AzureOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// Address of the account, as `https://account.blob.core.windows.net`; stand-ins have the account in the path.
    pub endpoint: String,
    /// The container; it must exist.
    pub container: String,
    /// The account and its key (Shared Key), or a shared access signature without an account.
    pub keys: Keys,
    /// How it is reached.
    pub http: HttpOptions,
    /// How objects are locked.
    pub lock: Policy,
    /// Caps the proof level.
    pub proof: Option<ProofLevel>,
}

/// How objects are locked against deletion (Azure, "Immutability policies" of versions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Not at all.
    Off,
    /// Until the date, except for accounts with a special permission.
    Unlocked,
    /// Until the date, for everybody.
    Locked,
}

impl Policy {
    /// The word on the wire; `None` when nothing is locked.
    fn on_wire(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Unlocked => Some("Unlocked"),
            Self::Locked => Some("Locked"),
        }
    }
}

/// Why a destination could not be set up. A person must change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum AzureSetupError {
    /// Not an address that can be used.
    #[error("endpoint {0:?} is not an http or https address with a host")]
    Endpoint(String),
    /// Not a container's name.
    #[error("{0:?} is not the name of a container")]
    Container(String),
    /// The connection cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// A container as a destination.
#[derive(Debug)]
pub struct AzureDestination {
    wire: wire::Wire,
    station: StationId,
    lock: Policy,
    proof: Option<ProofLevel>,
    learned: Learned,
    /// Sessions that were given up: the service knows no sessions that it could forget.
    given_up: Mutex<HashSet<String>>,
    /// Where listings go on: the marker that came with the page that ended with this key.
    markers: Mutex<HashMap<(String, String), String>>,
}

/// What was learned of the service.
#[derive(Debug, Default)]
struct Learned {
    check: AtomicU8,
    lock: Fact,
}

/// How the service is made to compare a part with what we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// `Content-MD5`, which all know; computed by reading the part once more.
    Md5,
    /// `x-ms-content-crc64`, known since the part was copied.
    Crc64,
}

impl Learned {
    fn check(&self) -> Check {
        if self.check.load(Ordering::Relaxed) == 1 { Check::Crc64 } else { Check::Md5 }
    }

    fn set_check(&self, check: Check) {
        self.check.store(u8::from(check == Check::Crc64), Ordering::Relaxed);
    }
}

impl AzureDestination {
    /// Sets a destination up; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: AzureOptions) -> Result<Self, AzureSetupError> {
        Ok(Self {
            wire: wire::Wire::new(&options)?,
            station: options.station,
            lock: options.lock,
            proof: options.proof,
            learned: Learned::default(),
            given_up: Mutex::default(),
            markers: Mutex::default(),
        })
    }
}

impl Destination for AzureDestination {
    fn name(&self) -> &DestinationName {
        self.wire.line().name()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(self.probe_all())
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(async move { self.begin_upload(object) })
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
        Box::pin(self.list_parts(object, session))
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
        Box::pin(async move {
            self.give_up(session);
            Ok(())
        })
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'a str,
        lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.put_new(key, bytes, content_type, lock_until))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(async move { Ok(self.head_blob(key).await?.map(|found| found.remote)) })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.get_blob(key, range))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(self.list_blobs(prefix, after))
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        Box::pin(self.list_versions(prefix, from))
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.get_version(version))
    }

    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.put_policy(key, until))
    }

    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(self.put_legal_hold(key, held))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(async move { super::key::check(self.name(), key).map(|()| Removal::Unsupported) })
    }

    /// None: what was begun and never finished cannot be given up by request, and goes by itself after a week.
    fn open_sessions<'a>(&'a self, _prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(async move { Ok(Vec::new()) })
    }
}
