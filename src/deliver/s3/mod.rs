//! An S3-compatible object store as a destination: Amazon S3 and what speaks its protocol (Ceph,
//! SeaweedFS, MinIO, OSS, OBS, COS). The session of a multipart upload is ours, so is every header;
//! signing, HTTP, TLS and XML come from crates.
//!
//! How bytes go up: the SHA-256 of a part, known since it was copied from the recorder, is sent both as
//! `x-amz-content-sha256` (signed) and as `x-amz-checksum-sha256`; the server computes its own over what
//! arrived. Where it was found not to, the part's CRC-64/NVME takes that place, which S3 tells of whole objects even
//! where they came in parts. Nothing is hashed here, unless a server was found to ignore both: then each part is read
//! once more for its Content-MD5, and reading back is the proof.
//!
//! An object of at most one part goes up with one PUT, under the session `put`: it becomes visible with
//! its part, so it is sent after the seal. Everything else is a multipart upload, session `mpu:<upload id>`, or
//! `crc:<upload id>` where it was begun with CRC: a server holds an upload to the checksum that it was begun with.
//! Both survive a crash: sending the one part of a `put` again puts the same bytes under the same key.
//!
//! It must not retry (the sender's business), log a key or put one into an error.

mod objects;
mod probe;
mod reply;
mod upload;
mod versions;
mod wire;
mod xml;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;

use super::http::{HttpOptions, HttpSetupError};
use super::trial::Fact;
use super::{Keys, Secret};
use crate::domain::clip::ProofLevel;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Settings of one S3 destination, resolved.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// `http://host[:port]` or `https://host[:port]`, without the bucket.
    pub endpoint: String,
    /// The bucket; it must exist.
    pub bucket: String,
    /// The region that is signed, e.g. `us-east-1`.
    pub region: String,
    /// Whether the bucket stands in the path (`true`) or in the host name; `None` decides by the host.
    pub path_style: Option<bool>,
    /// Where access key id and secret access key come from.
    pub keys: Keys,
    /// Session token of temporary credentials.
    pub session_token: Option<Secret>,
    /// How the service is reached.
    pub http: HttpOptions,
    /// How objects are locked.
    pub lock: LockMode,
    /// Caps the proof level: a destination is never taken for better than this, nor than probing finds it.
    pub proof: Option<ProofLevel>,
}

impl S3Options {
    /// Options with the defaults: region `us-east-1`, addressing by host, compliance locks.
    pub fn new(name: DestinationName, station: StationId, endpoint: &str, bucket: &str, keys: Keys) -> Self {
        Self {
            name,
            station,
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            path_style: None,
            keys,
            session_token: None,
            http: HttpOptions::default(),
            lock: LockMode::Compliance,
            proof: None,
        }
    }
}

/// How objects are locked against deletion (Amazon S3, "Object Lock retention modes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Not at all.
    Off,
    /// Until the date, except for accounts with a special permission.
    Governance,
    /// Until the date, for everybody.
    Compliance,
}

impl LockMode {
    /// The word in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }

    /// Reads the word of the configuration.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Governance, Self::Compliance].into_iter().find(|m| m.as_str() == word)
    }

    /// The word on the wire; `None` when nothing is locked.
    fn on_wire(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Governance => Some("GOVERNANCE"),
            Self::Compliance => Some("COMPLIANCE"),
        }
    }
}

/// Why a destination could not be set up. A person must change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum S3SetupError {
    /// Not an address that can be used.
    #[error("endpoint {0:?} is not an http or https address with a host")]
    Endpoint(String),
    /// Not a bucket's name.
    #[error("{0:?} is not the name of a bucket")]
    Bucket(String),
    /// The connection cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// An S3-compatible destination.
#[derive(Debug)]
pub struct S3Destination {
    wire: wire::Wire,
    station: StationId,
    lock: LockMode,
    proof: Option<ProofLevel>,
    learned: Learned,
}

impl S3Destination {
    /// Sets a destination up; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: S3Options) -> Result<Self, S3SetupError> {
        Ok(Self {
            wire: wire::Wire::new(&options)?,
            station: options.station,
            lock: options.lock,
            proof: options.proof,
            learned: Learned::default(),
        })
    }
}

/// What was learned of the server. Each fact begins unknown, and unknown is handled like the worse answer
/// wherever that is safe.
#[derive(Debug, Default)]
struct Learned {
    /// Which checksum of a part it compares and tells.
    checksum: Mode,
    /// It answered a part with the CRC of what it received.
    crc_echo: Fact,
    /// It honours `If-None-Match: *`.
    if_none_match: Fact,
    /// The bucket keeps locks.
    lock: Fact,
}

/// The checksum by which a server compares what arrives with what we sent; the first of these that it was found to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checksum {
    /// SHA-256: of the whole for objects sent in one go, over those of the parts for others.
    Sha256,
    /// CRC-64/NVME, of the whole however it was sent.
    Crc64,
    /// None but `Content-MD5`: each part is read once more for it, and reading back is the proof.
    Md5,
}

/// The checksum in use; SHA-256 until probing finds otherwise.
#[derive(Debug, Default)]
struct Mode(AtomicU8);

impl Mode {
    fn set(&self, checksum: Checksum) {
        self.0.store(checksum as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Checksum {
        match self.0.load(Ordering::Relaxed) {
            n if n == Checksum::Crc64 as u8 => Checksum::Crc64,
            n if n == Checksum::Md5 as u8 => Checksum::Md5,
            _ => Checksum::Sha256,
        }
    }
}

impl Destination for S3Destination {
    fn name(&self) -> &DestinationName {
        self.wire.name()
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

    fn abort<'a>(&'a self, object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.abort_upload(object, session))
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
        Box::pin(async move { Ok(self.head_object(key).await?.map(|(remote, _)| remote)) })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(self.get_object(key, range))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(self.list_objects(prefix, after))
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
        Box::pin(self.put_retention(key, until))
    }

    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(self.put_legal_hold(key, held))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(self.remove_object(key))
    }

    fn open_sessions<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(self.list_uploads(prefix))
    }
}
