//! The digests of one file of a package, taken in one pass over its bytes: SHA-256 and SHA-512 for its lists, CRC-32 for
//! zip files.

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::domain::digest::to_hex;

/// What one pass over a file gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub sha512: String,
    /// CRC-32 as zip files have it (ISO-HDLC).
    pub crc32: u32,
}

/// A pass that goes on.
pub struct Hashing {
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
    crc: crc_fast::Digest,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha512: sha2::Sha512::new(),
            crc: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
        }
    }
}

impl Hashing {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.crc.update(bytes);
    }

    /// There are no more.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: to_hex(&self.sha256.finalize()),
            sha512: to_hex(&self.sha512.finalize()),
            crc32: self.crc.finalize() as u32,
        }
    }
}

/// Of bytes that are at hand.
pub fn of(bytes: &[u8]) -> Digests {
    let mut hashing = Hashing::default();
    hashing.update(bytes);
    hashing.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example, and the check value of CRC-32.
    #[test]
    fn digests_are_those_that_others_compute() {
        let abc = of(b"abc");
        assert_eq!(abc.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            abc.sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_eq!(of(b"123456789").crc32, 0xcbf4_3926);
    }
}
