//! Finds out by trying what a destination's word is worth: wrong bytes must be refused, right ones
//! acknowledged, reported and read back. It decides the proof level and must never assume one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::Digest;

use super::prove::{Expected, Verdict, judge};
use crate::domain::clip::ProofLevel;
use crate::domain::digest::{Crc64, Sha256};
use crate::domain::grid::PartGrid;
use crate::domain::ports::{ByteSource, Destination, ObjectSpec, PartSpec, SendError, SessionId};

/// Length of the object that is tried, bytes: odd, and small enough for any line.
const TRIAL_BYTES: usize = 1021;

/// What the trial showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Findings {
    /// Bytes other than the declared digest were refused.
    pub refuses_wrong: bool,
    /// The answer to a part told the digest of what was received.
    pub echoes: bool,
    /// Asked for the object, it reported a checksum that equals ours.
    pub reports: bool,
    /// The right length was reported.
    pub tells_length: bool,
    /// The same bytes were read back.
    pub reads_back: bool,
}

impl Findings {
    /// The level that they justify (decision 6).
    pub fn level(self) -> ProofLevel {
        match self {
            // Without the bytes seen once, a good word may come from a place that keeps words only.
            Self { reads_back: true, refuses_wrong: true, echoes: true, reports: true, .. } => {
                ProofLevel::RemoteChecksum
            }
            Self { reads_back: true, .. } => ProofLevel::ReadBack,
            Self { tells_length: true, .. } => ProofLevel::LengthOnly,
            _ => ProofLevel::None,
        }
    }

    /// In words for people.
    pub fn words(self) -> String {
        let answer = |yes: bool, good: &str, bad: &str| if yes { good.to_owned() } else { bad.to_owned() };
        [
            answer(self.refuses_wrong, "refuses wrong bytes", "accepts wrong bytes"),
            answer(self.echoes, "acknowledges SHA-256", "acknowledges no SHA-256"),
            answer(self.reports, "reports it for the object", "reports none for the object"),
            answer(self.reads_back, "gives the bytes back", "does not give the bytes back"),
        ]
        .join(", ")
    }
}

/// A small object whose bytes nobody could have foreseen, so that nothing older can pass for it.
pub(super) fn object(key: &str) -> (ObjectSpec, Bytes) {
    let mut bytes = vec![0; TRIAL_BYTES];
    rand::fill(&mut bytes[..]);
    let object = ObjectSpec {
        key: key.to_owned(),
        size_bytes: TRIAL_BYTES as u64,
        grid: PartGrid::for_size(Some(TRIAL_BYTES as u64)),
        content_type: "application/octet-stream".to_owned(),
        sha256: Sha256(sha2::Sha256::digest(&bytes).into()),
        lock_until: None,
    };
    (object, Bytes::from(bytes))
}

/// Tries `session`, which the caller has begun for `object`.
///
/// # Errors
/// A destination that is down or refuses us; what it does wrong is a finding.
pub(super) async fn run(
    dest: &dyn Destination,
    object: &ObjectSpec,
    bytes: &Bytes,
    session: &SessionId,
) -> Result<Findings, SendError> {
    let crc64 = Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes));
    let part = PartSpec { n: 0, offset: 0, len: object.size_bytes, sha256: object.sha256, crc64: Some(crc64) };
    let wrong: Bytes = bytes.iter().map(|b| !b).collect();
    let refuses_wrong = match dest.send_part(object, session, &part, Arc::new(InMemory(wrong))).await {
        Ok(_) => false,
        // Refused in words of its own still is refused, as long as the right bytes pass below.
        Err(SendError::Mismatch { .. } | SendError::Protocol { .. }) => true,
        Err(other) => return Err(other),
    };
    let receipt = dest.send_part(object, session, &part, Arc::new(InMemory(bytes.clone()))).await?;
    let echoes = receipt.sha256 == Some(object.sha256);
    dest.complete(object, session, &[(part, receipt)]).await?;

    let expected = Expected {
        size_bytes: object.size_bytes,
        sha256: object.sha256,
        parts: &[object.sha256],
        crc64: Some(crc64),
        blake3: None,
    };
    let remote = dest.head(&object.key).await?;
    let reports = matches!(judge(&expected, remote.as_ref(), ProofLevel::RemoteChecksum), Verdict::Proven(_));
    let tells_length = remote.is_some_and(|r| r.size_bytes == object.size_bytes);
    let reads_back = match read(dest, object).await {
        Ok(read) if read == *bytes => true,
        // Other bytes than it was sent a moment ago: none of its words counts.
        Ok(_) | Err(SendError::Mismatch { .. } | SendError::Protocol { .. }) => {
            return Ok(Findings { refuses_wrong, echoes, reports: false, tells_length: false, reads_back: false });
        }
        Err(SendError::Refused { .. }) => false,
        Err(other) => return Err(other),
    };
    Ok(Findings { refuses_wrong, echoes, reports, tells_length, reads_back })
}

async fn read(dest: &dyn Destination, object: &ObjectSpec) -> Result<Vec<u8>, SendError> {
    let mut stream = dest.read(&object.key, None).await?;
    let mut read = Vec::new();
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk?);
        if read.len() as u64 > object.size_bytes {
            break;
        }
    }
    Ok(read)
}

/// The weaker of two levels: a destination is as good as its worst way of taking bytes.
pub(super) fn weaker(a: ProofLevel, b: ProofLevel) -> ProofLevel {
    let rank = |level| match level {
        ProofLevel::RemoteChecksum => 3,
        ProofLevel::ReadBack => 2,
        ProofLevel::LengthOnly => 1,
        ProofLevel::None => 0,
    };
    if rank(a) <= rank(b) { a } else { b }
}

/// Something about a server that is unknown at first, then yes or no.
#[derive(Debug, Default)]
pub(super) struct Fact(AtomicU8);

impl Fact {
    pub fn set(&self, yes: bool) {
        self.0.store(if yes { 1 } else { 2 }, Ordering::Relaxed);
    }

    pub fn is_yes(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }

    pub fn is_no(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }
}

/// Bytes in memory that can be sent like a file.
pub(super) struct InMemory(pub Bytes);

impl ByteSource for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_a_table() {
        let all = Findings { refuses_wrong: true, echoes: true, reports: true, tells_length: true, reads_back: true };
        let table = [
            (all, ProofLevel::RemoteChecksum),
            (Findings { reads_back: false, ..all }, ProofLevel::LengthOnly),
            (Findings { refuses_wrong: false, ..all }, ProofLevel::ReadBack),
            (Findings { echoes: false, ..all }, ProofLevel::ReadBack),
            (Findings { reports: false, ..all }, ProofLevel::ReadBack),
            (Findings { tells_length: false, reads_back: false, ..all }, ProofLevel::None),
        ];
        for (findings, level) in table {
            assert_eq!(findings.level(), level, "{findings:?}");
        }
        assert_eq!(weaker(ProofLevel::RemoteChecksum, ProofLevel::ReadBack), ProofLevel::ReadBack);
        assert_eq!(weaker(ProofLevel::None, ProofLevel::ReadBack), ProofLevel::None);
    }
}
