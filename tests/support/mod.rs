//! What the tests of several rooms share: footage made up from a seed, a real S3 server, a line that fails on demand.
//! No test that uses it may be skipped: what is missing on the machine is said, and fails.

#![allow(dead_code)] // Each test binary uses its own part of this.

pub mod audit;
pub mod azurite;
pub mod ceph;
pub mod daemon;
pub mod deaf;
pub mod file_servers;
pub mod flaky;
pub mod guarded;
pub mod liar;
pub mod oracle;
pub mod plugins;
pub mod proxy;
pub mod quirky;
pub mod receivers;
pub mod replay;
pub mod station;
pub mod tsa;
pub mod tus;
pub mod uplink;
pub mod weed;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evidock::deliver::prove::{Expected, whole_crc64};
use evidock::domain::digest::{Blake3, Crc64, Sha256};
use evidock::domain::grid::PartGrid;
use evidock::domain::ids::{DestinationName, StationId};
use evidock::domain::ports::{ByteSource, Destination, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId};
use sha2::Digest;

/// The station of every test.
pub fn station() -> StationId {
    StationId::new("test-01").unwrap()
}

/// A destination's name.
pub fn named(name: &str) -> DestinationName {
    DestinationName::new(name).unwrap()
}

/// Bytes in which every block differs, the same for a seed on every machine.
pub fn footage(len: usize, seed: u64) -> Bytes {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64: fast, and no two megabytes alike.
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// Bytes in memory that are sent like a file.
pub struct InMemory(pub Bytes);

impl ByteSource for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A clip as the sender sees it: bytes, and every digest that intake would have made.
pub struct Sample {
    pub object: ObjectSpec,
    pub parts: Vec<PartSpec>,
    pub bytes: Bytes,
    digests: Vec<Sha256>,
    blake3: Blake3,
}

impl Sample {
    /// `bytes` under `key`, cut into parts of `part_bytes`.
    pub fn new(key: &str, bytes: Bytes, part_bytes: u64) -> Self {
        let digests: Vec<Sha256> = bytes.chunks(part_bytes as usize).map(sha256).collect();
        let parts = bytes.chunks(part_bytes as usize).zip(0..).map(|(chunk, n)| PartSpec {
            n,
            offset: n * part_bytes,
            len: chunk.len() as u64,
            sha256: sha256(chunk),
            crc64: Some(crc64(chunk)),
        });
        let object = ObjectSpec {
            key: key.to_owned(),
            size_bytes: bytes.len() as u64,
            grid: PartGrid::Fixed(part_bytes),
            content_type: "video/mp4".to_owned(),
            sha256: sha256(&bytes),
            lock_until: None,
        };
        Self { object, parts: parts.collect(), digests, blake3: Blake3(*blake3::hash(&bytes).as_bytes()), bytes }
    }

    /// Its bytes, to be sent.
    pub fn source(&self) -> Arc<dyn ByteSource> {
        Arc::new(InMemory(self.bytes.clone()))
    }

    /// What must arrive.
    pub fn expected(&self) -> Expected<'_> {
        Expected {
            size_bytes: self.object.size_bytes,
            sha256: self.object.sha256,
            parts: &self.digests,
            crc64: whole_crc64(self.parts.iter().map(|p| (p.crc64, p.len))),
            blake3: Some(self.blake3),
        }
    }

    /// Sends one part.
    pub async fn send(&self, dest: &dyn Destination, session: &SessionId, n: usize) -> Result<PartReceipt, SendError> {
        dest.send_part(&self.object, session, &self.parts[n], self.source()).await
    }

    /// Sends everything in order, once.
    pub async fn upload(&self, dest: &dyn Destination) -> Result<(), SendError> {
        let session = dest.begin(&self.object).await?;
        let mut receipts = Vec::new();
        for (n, part) in self.parts.iter().enumerate() {
            receipts.push((*part, self.send(dest, &session, n).await?));
        }
        dest.complete(&self.object, &session, &receipts).await
    }
}

/// SHA-256 of bytes.
pub fn sha256(bytes: impl AsRef<[u8]>) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// CRC of bytes.
pub fn crc64(bytes: impl AsRef<[u8]>) -> Crc64 {
    Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes.as_ref()))
}

/// Installs the TLS provider that the program installs when it starts.
pub fn install_tls() {
    // A second test in the same process finds it installed, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Waits until `is_so` holds; fails with `what` after a minute and a half.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..9000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain: {what}");
}
