//! Digests of footage: BLAKE3 (whose tree lets any range be checked later), SHA-256 (which courts, BagIt and S3
//! understand), SM3 (GB/T 32905, where the configuration asks for it) and CRC-64/NVME (which S3 tells of whole objects, and which alone can be joined from those of parts).
//! Values only; computing them is the business of whoever reads bytes.

use std::fmt;
use std::str::FromStr;

/// A digest text was not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal digits, got {0:?}")]
pub struct DigestError(String);

/// Lower-case hexadecimal of any bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Bytes of a lower-case hexadecimal text; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The raw 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                from_hex(text)
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or_else(|| DigestError(text.chars().take(80).collect()))
            }
        }
    };
}

digest!(
    /// BLAKE3 of a whole file, unkeyed.
    Blake3
);
digest!(
    /// SHA-256 of a whole file or of one upload part.
    Sha256
);
digest!(
    /// SM3 (GB/T 32905) of a whole file.
    Sm3
);

/// CRC-64/NVME of some bytes (NVM Express, "64b CRC Protection Information"; Amazon S3 calls it CRC64NVME). It finds
/// every accident and stops no forger: it stands beside SHA-256, never in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crc64(pub u64);

impl Crc64 {
    /// Of no bytes.
    pub const EMPTY: Self = Self(0);

    /// Of these bytes followed by `len` others, whose CRC is `behind`.
    pub fn join(self, behind: Self, len: u64) -> Self {
        Self(crc_fast::checksum_combine(crc_fast::CrcAlgorithm::Crc64Nvme, self.0, behind.0, len))
    }
}

impl fmt::Display for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc64({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crc_is_joined_from_those_of_its_parts() {
        let crc = |bytes: &[u8]| Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes));
        // The check value of the catalogue of CRC algorithms (CRC-64/NVME).
        assert_eq!(crc(b"123456789"), Crc64(0xae8b_1486_0a79_9888));
        assert_eq!(crc(b""), Crc64::EMPTY);
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
        for cut in [0, 1, 16, 1024, 99_999, 100_000] {
            let (front, back) = bytes.split_at(cut);
            assert_eq!(crc(front).join(crc(back), back.len() as u64), crc(&bytes), "{cut}");
        }
    }

    #[test]
    fn hex_has_one_spelling() {
        let d = Sha256([0xab; 32]);
        assert_eq!(d.to_string().parse::<Sha256>().unwrap(), d);
        assert!(d.to_string().to_uppercase().parse::<Sha256>().is_err());
        assert!("ab".parse::<Sha256>().is_err());
        assert_eq!(from_hex("0f10"), Some(vec![0x0f, 0x10]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("é0"), None);
    }
}
