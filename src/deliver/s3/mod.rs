//! An S3-compatible object store as a destination: Amazon S3 and what speaks its protocol (Ceph,
//! SeaweedFS, MinIO, OSS, OBS, COS). The session of a multipart upload is ours, so is every header;
//! signing, HTTP, TLS and XML come from crates.
//!
//! How bytes go up: the SHA-256 of a part, known since it was copied from the recorder, is sent both as
//! `x-amz-content-sha256` (signed) and as `x-amz-checksum-sha256`; the server computes its own over what
//! arrived. Nothing is hashed here, unless a server was found to ignore checksums: then each part is read
//! once more for its Content-MD5, and reading back is the proof.
//!
//! An object of at most one part goes up with one PUT, under the session `put`: it becomes visible with
//! its part, so it is sent after the seal. Everything else is a multipart upload, session `mpu:<upload id>`.
//! Both survive a crash: sending the one part of a `put` again puts the same bytes under the same key.
//!
//! It must not retry (the sender's business), log a key or put one into an error.

mod keys;
mod objects;
mod probe;
mod reply;
mod upload;
mod wire;
mod xml;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub use keys::{Keys, KeysRead, Secret};

use crate::domain::clip::ProofLevel;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, ObjectSpec, PartReceipt, PartSpec,
    RemoteObject, SendError, SessionId,
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
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How objects are locked.
    pub lock: LockMode,
    /// Caps the proof level: a destination is never taken for better than this, nor than probing finds it.
    pub proof: Option<ProofLevel>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a request may go without any progress in either direction.
    pub idle_timeout: Duration,
}

impl S3Options {
    /// Options with the defaults: region `us-east-1`, addressing by host, compliance locks, 10 s to connect,
    /// 120 s without progress (a line of 0.3 Mbit/s still empties a kernel's send buffer of 4 MiB in that time).
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
            ca_file: None,
            lock: LockMode::Compliance,
            proof: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
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
    /// The certificates cannot be read.
    #[error("the certificates in {path} cannot be used; ca_file must be a PEM file")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program was composed wrongly.
    #[error("no TLS provider is installed; the program must install rustls's ring provider when it starts")]
    NoTlsProvider,
    /// The HTTP client cannot be built, e.g. without any certificates on the system.
    #[error("no HTTPS client can be made; install ca-certificates or set ca_file")]
    Client(#[source] reqwest::Error),
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
    /// It answers a part with the SHA-256 of what it received.
    echo: Fact,
    /// It honours `If-None-Match: *`.
    if_none_match: Fact,
    /// The bucket keeps locks.
    lock: Fact,
}

/// Something that is unknown at first, then yes or no.
#[derive(Debug, Default)]
struct Fact(AtomicU8);

impl Fact {
    fn set(&self, yes: bool) {
        self.0.store(if yes { 1 } else { 2 }, Ordering::Relaxed);
    }

    fn is_yes(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }

    fn is_no(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
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

    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.put_retention(key, until))
    }
}
