//! The digests of one file of a package, taken in one pass over its bytes: SHA-256 and SHA-512 for its lists, CRC-32 for
//! zip files, and SM3 (GB/T 32905) where the configuration asks for it, since it is much slower than the others.

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
    /// Hex, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sm3: Option<String>,
}

/// A pass that goes on.
pub struct Hashing {
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
    crc: crc_fast::Digest,
    sm3: Option<sm3::Sm3>,
}

impl Hashing {
    /// Begins; `sm3`: with SM3, too.
    pub fn new(sm3: bool) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha512: sha2::Sha512::new(),
            crc: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            sm3: sm3.then(sm3::Sm3::new),
        }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.crc.update(bytes);
        if let Some(sm3) = &mut self.sm3 {
            sm3.update(bytes);
        }
    }

    /// There are no more.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: to_hex(&self.sha256.finalize()),
            sha512: to_hex(&self.sha512.finalize()),
            crc32: self.crc.finalize() as u32,
            sm3: self.sm3.map(|sm3| to_hex(&sm3.finalize())),
        }
    }
}

/// Of bytes that are at hand.
pub fn of(bytes: &[u8], sm3: bool) -> Digests {
    let mut hashing = Hashing::new(sm3);
    hashing.update(bytes);
    hashing.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-4 and GB/T 32905, and the check value of CRC-32.
    #[test]
    fn digests_are_those_that_others_compute() {
        let abc = of(b"abc", true);
        assert_eq!(abc.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            abc.sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_eq!(abc.sm3.as_deref(), Some("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"));
        let plain = of(b"123456789", false);
        assert_eq!((plain.crc32, plain.sm3), (0xcbf4_3926, None));
    }
}
