//! Whether a destination holds the same bytes as we do (invariant 5). What it says is judged by a pure
//! function; where its word is not enough, everything is read back and hashed. It must never take a
//! length, an answer 200 or an unchecked word for a proof.

use futures_util::StreamExt;
use sha2::Digest;

use crate::domain::clip::ProofLevel;
use crate::domain::digest::{Blake3, Crc64, Sha256};
use crate::domain::ports::{Destination, RemoteChecksum, RemoteObject, SendError};

/// What the object must be, from digests made at intake.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Length, bytes.
    pub size_bytes: u64,
    /// SHA-256 of the whole.
    pub sha256: Sha256,
    /// SHA-256 of each part in order; empty for an object that was sent in one go.
    pub parts: &'a [Sha256],
    /// CRC of the whole, joined from those of its parts, where they are known.
    pub crc64: Option<Crc64>,
    /// BLAKE3 of the whole, where it is known; compared when everything is read back.
    pub blake3: Option<Blake3>,
}

/// How it was proven; stored with the proof and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The remote's SHA-256 over the whole object equals ours.
    Whole,
    /// The remote's SHA-256 over the digests of its parts equals ours.
    Composite,
    /// The remote's CRC over the whole object equals ours.
    Crc64,
    /// We read every byte back and hashed it.
    ReadBack,
}

impl How {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "remote_whole",
            Self::Composite => "remote_composite",
            Self::Crc64 => "remote_crc64",
            Self::ReadBack => "read_back",
        }
    }
}

impl Expected<'_> {
    /// What was compared, as it is stored with the proof: how, and our digest of that kind.
    pub fn compared(&self, how: How) -> String {
        match (how, self.crc64) {
            (How::Composite, _) => format!("{}:{}", how.as_str(), composite(self.parts)),
            (How::Crc64, Some(crc)) => format!("{}:{crc}", how.as_str()),
            _ => format!("{}:{}", how.as_str(), self.sha256),
        }
    }
}

/// What the remote's word is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its checksum equals ours, and probing has shown that it computes it.
    Proven(How),
    /// Its word is missing or not enough; reading back decides.
    NeedsReadBack,
    /// Nothing contradicts ours, and this destination gives no means to prove it: sent, unproven.
    Unproven,
    /// It holds something else.
    Mismatch(String),
    /// It holds nothing under the key.
    Missing,
}

/// SHA-256 over the concatenated SHA-256 of the parts: S3's "composite" checksum
/// (Amazon S3, "Checking object integrity", composite checksums).
pub fn composite(parts: &[Sha256]) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
    }
    Sha256(hasher.finalize().into())
}

/// CRC of the whole from those of its parts, each with its length; `None` where one of them has none.
pub fn whole_crc64(parts: impl IntoIterator<Item = (Option<Crc64>, u64)>) -> Option<Crc64> {
    parts.into_iter().try_fold(Crc64::EMPTY, |front, (part, len)| Some(front.join(part?, len)))
}

/// Judges what a remote says of an object (`None`: it has none) by the level that probing found.
///
/// Only at [`ProofLevel::RemoteChecksum`] does its checksum count, for or against: at other levels
/// probing saw it missing or merely repeated, and the bytes themselves must be asked.
pub fn judge(expected: &Expected<'_>, remote: Option<&RemoteObject>, level: ProofLevel) -> Verdict {
    let Some(remote) = remote else { return Verdict::Missing };
    if remote.size_bytes != expected.size_bytes {
        return Verdict::Mismatch(format!("{} bytes there, {} here", remote.size_bytes, expected.size_bytes));
    }
    match level {
        ProofLevel::LengthOnly | ProofLevel::None => return Verdict::Unproven,
        ProofLevel::ReadBack => return Verdict::NeedsReadBack,
        ProofLevel::RemoteChecksum => {}
    }
    let ours = composite(expected.parts);
    let parts = expected.parts.len() as u64;
    match remote.checksum {
        Some(RemoteChecksum::Whole(theirs)) if theirs == expected.sha256 => Verdict::Proven(How::Whole),
        Some(RemoteChecksum::Composite(theirs, n)) if n == parts && theirs == ours => Verdict::Proven(How::Composite),
        Some(RemoteChecksum::Whole(theirs)) => {
            Verdict::Mismatch(format!("SHA-256 {theirs} there, {} here", expected.sha256))
        }
        Some(RemoteChecksum::Composite(theirs, n)) if n == parts => {
            Verdict::Mismatch(format!("SHA-256 over {n} parts is {theirs} there, {ours} here"))
        }
        Some(RemoteChecksum::Crc64(theirs)) => match expected.crc64 {
            Some(ours) if ours == theirs => Verdict::Proven(How::Crc64),
            Some(ours) => Verdict::Mismatch(format!("CRC {theirs} there, {ours} here")),
            None => Verdict::NeedsReadBack,
        },
        // Cut elsewhere than we cut it (a copy made by the cloud): says nothing either way.
        Some(RemoteChecksum::Composite(..)) | None => Verdict::NeedsReadBack,
    }
}

/// Reads an object back whole and compares length and digests with ours; memory holds one chunk at a time.
///
/// # Errors
/// [`SendError::Mismatch`] when the bytes differ or are not there; others as reading gives them.
pub async fn read_back(dest: &dyn Destination, key: &str, expected: &Expected<'_>) -> Result<(), SendError> {
    read_back_telling(dest, key, expected, &|_| {}).await
}

/// The same, telling after each chunk how many bytes it was.
///
/// # Errors
/// As [`read_back`].
pub async fn read_back_telling(
    dest: &dyn Destination,
    key: &str,
    expected: &Expected<'_>,
    went: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), SendError> {
    let differs = |what: String| SendError::Mismatch { destination: dest.name().clone(), key: key.to_owned(), what };
    let (mut sha256, mut blake3, mut size) = (sha2::Sha256::new(), blake3::Hasher::new(), 0_u64);
    let mut stream = dest.read(key, None).await?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        went(chunk.len() as u64);
        if size > expected.size_bytes {
            return Err(differs(format!("more than {} bytes were read back", expected.size_bytes)));
        }
        sha256.update(&chunk);
        if expected.blake3.is_some() {
            blake3.update(&chunk);
        }
    }
    if size != expected.size_bytes {
        return Err(differs(format!("{size} bytes were read back, {} were sent", expected.size_bytes)));
    }
    let theirs = Sha256(sha256.finalize().into());
    if theirs != expected.sha256 {
        return Err(differs(format!("SHA-256 {theirs} was read back, {} was sent", expected.sha256)));
    }
    let theirs = Blake3(*blake3.finalize().as_bytes());
    match expected.blake3 {
        Some(ours) if ours != theirs => Err(differs(format!("BLAKE3 {theirs} was read back, {ours} was sent"))),
        _ => Ok(()),
    }
}

/// Asks a destination about an object, judges the answer and reads back where that decides.
///
/// Never answers [`Verdict::NeedsReadBack`]. Also gives what the remote said, whose version and lock the caller stores.
///
/// # Errors
/// What asking and reading give, except a mismatch, which is a verdict.
pub async fn prove(
    dest: &dyn Destination,
    key: &str,
    expected: &Expected<'_>,
    level: ProofLevel,
) -> Result<(Verdict, Option<RemoteObject>), SendError> {
    let remote = dest.head(key).await?;
    let verdict = match judge(expected, remote.as_ref(), level) {
        Verdict::NeedsReadBack => match read_back(dest, key, expected).await {
            Ok(()) => Verdict::Proven(How::ReadBack),
            Err(SendError::Mismatch { what, .. }) => Verdict::Mismatch(what),
            Err(other) => return Err(other),
        },
        settled => settled,
    };
    Ok((verdict, remote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composite_is_the_digest_of_digests() {
        let parts = [Sha256([1; 32]), Sha256([2; 32])];
        let joined: Vec<u8> = parts.iter().flat_map(|p| p.0).collect();
        assert_eq!(composite(&parts).0, <[u8; 32]>::from(sha2::Sha256::digest(joined)));
    }

    #[test]
    fn judged_as_a_table() {
        let parts = [Sha256([1; 32]), Sha256([2; 32])];
        let whole = Sha256([7; 32]);
        let crc64 = Some(Crc64(5));
        let expected = Expected { size_bytes: 10, sha256: whole, parts: &parts, crc64, blake3: None };
        let remote = |size_bytes, checksum| RemoteObject { size_bytes, checksum, ..RemoteObject::default() };
        let right = composite(&parts);
        use RemoteChecksum::{Composite, Crc64 as Crc, Whole};
        let table = [
            (Some(Whole(whole)), "proven"),
            (Some(Composite(right, 2)), "proven"),
            (Some(Whole(right)), "mismatch"),
            (Some(Whole(Sha256([9; 32]))), "mismatch"),
            (Some(Composite(Sha256([9; 32]), 2)), "mismatch"),
            (Some(Composite(right, 3)), "read"),
            (Some(Crc(Crc64(5))), "proven"),
            (Some(Crc(Crc64(6))), "mismatch"),
            (None, "read"),
        ];
        for (checksum, word) in table {
            let remote = remote(10, checksum.clone());
            let verdict = judge(&expected, Some(&remote), ProofLevel::RemoteChecksum);
            let got = match verdict {
                Verdict::Proven(_) => "proven",
                Verdict::Mismatch(_) => "mismatch",
                Verdict::NeedsReadBack => "read",
                Verdict::Unproven | Verdict::Missing => "other",
            };
            assert_eq!(got, word, "{checksum:?}");
            // At the other levels no word of the remote proves anything.
            assert_eq!(judge(&expected, Some(&remote), ProofLevel::ReadBack), Verdict::NeedsReadBack);
            assert_eq!(judge(&expected, Some(&remote), ProofLevel::LengthOnly), Verdict::Unproven);
            assert_eq!(judge(&expected, Some(&remote), ProofLevel::None), Verdict::Unproven);
        }
        // A clip of an older version, whose parts have no CRC.
        let older = Expected { crc64: None, ..expected };
        let told = remote(10, Some(Crc(Crc64(5))));
        assert_eq!(judge(&older, Some(&told), ProofLevel::RemoteChecksum), Verdict::NeedsReadBack);
        for level in [ProofLevel::RemoteChecksum, ProofLevel::ReadBack, ProofLevel::LengthOnly, ProofLevel::None] {
            assert_eq!(judge(&expected, None, level), Verdict::Missing);
            let longer = remote(11, Some(Whole(whole)));
            assert!(
                matches!(judge(&expected, Some(&longer), level), Verdict::Mismatch(_)),
                "a length can only disprove"
            );
        }
    }
}
