//! The digests of one file of a package, taken in one pass over its bytes: SHA-256 and SHA-512 for its lists, CRC-32 for
//! zip files, and SM3 (GB/T 32905) where the configuration asks for it, since it is much slower than the others.

use std::io::{self, Read};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
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

/// Bytes after which SHA-512 moves to a thread of its own: less is not worth one.
const LONG_BYTES: u64 = 4 << 20;
/// Chunks that may wait for that thread.
const WAITING: usize = 16;

/// A pass that goes on.
pub struct Hashing {
    sha256: sha2::Sha256,
    sha512: Slow,
    crc: crc_fast::Digest,
    sm3: Option<sm3::Sm3>,
    len: u64,
}

/// SHA-512 takes three times as long as everything else that is done with a byte: of a long file it is taken beside that.
enum Slow {
    Here(sha2::Sha512),
    Aside(SyncSender<Bytes>, JoinHandle<sha2::Sha512>),
}

impl Hashing {
    /// Begins; `sm3`: with SM3, too.
    pub fn new(sm3: bool) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha512: Slow::Here(sha2::Sha512::new()),
            crc: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            sm3: sm3.then(sm3::Sm3::new),
            len: 0,
        }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes, Bytes::copy_from_slice);
    }

    /// The next bytes, which others may hold, too: nothing is copied.
    pub fn update_shared(&mut self, bytes: &Bytes) {
        self.take(bytes, |_| bytes.clone());
    }

    fn take(&mut self, bytes: &[u8], own: impl FnOnce(&[u8]) -> Bytes) {
        self.len += bytes.len() as u64;
        if self.len > LONG_BYTES {
            self.sha512.move_aside();
        }
        self.sha512.update(bytes, own);
        self.sha256.update(bytes);
        self.crc.update(bytes);
        if let Some(sm3) = &mut self.sm3 {
            sm3.update(bytes);
        }
    }

    /// There are no more.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: to_hex(&self.sha256.finalize()),
            sha512: to_hex(&self.sha512.whole().finalize()),
            crc32: self.crc.finalize() as u32,
            sm3: self.sm3.map(|sm3| to_hex(&sm3.finalize())),
        }
    }
}

impl Slow {
    fn move_aside(&mut self) {
        let Self::Here(begun) = self else { return };
        let (send, chunks) = sync_channel::<Bytes>(WAITING);
        let mut sha512 = begun.clone();
        let aside = std::thread::Builder::new().name("sha512".to_owned()).stack_size(128 << 10).spawn(move || {
            for chunk in chunks {
                sha512.update(&chunk);
            }
            sha512
        });
        // Where there is no thread to be had it goes on here.
        if let Ok(aside) = aside {
            *self = Self::Aside(send, aside);
        }
    }

    fn update(&mut self, bytes: &[u8], own: impl FnOnce(&[u8]) -> Bytes) {
        match self {
            Self::Here(sha512) => sha512.update(bytes),
            // It ends only when this end goes, or with a panic, which `whole` passes on.
            Self::Aside(send, _) => drop(send.send(own(bytes))),
        }
    }

    fn whole(self) -> sha2::Sha512 {
        match self {
            Self::Here(sha512) => sha512,
            Self::Aside(send, aside) => {
                drop(send);
                aside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

/// CRC-32 alone, of what was digested when it was written. Gives the length, too.
pub fn crc32(from: &mut impl Read, block: &mut [u8]) -> io::Result<(u64, u32)> {
    let (mut crc, mut len) = (crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc), 0);
    loop {
        match from.read(block)? {
            0 => return Ok((len, crc.finalize() as u32)),
            n => {
                crc.update(&block[..n]);
                len += n as u64;
            }
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

    /// However it is cut, and on whichever thread it is taken.
    #[test]
    fn a_long_file_has_the_digests_of_its_bytes() {
        let bytes = Bytes::from((0..11 << 20).map(|n: u32| (n % 251) as u8).collect::<Vec<u8>>());
        let plain = (to_hex(&sha2::Sha256::digest(&bytes)), to_hex(&sha2::Sha512::digest(&bytes)));
        for cut in [1 << 20, 777_777, bytes.len()] {
            let (mut copied, mut shared) = (Hashing::new(false), Hashing::new(false));
            for from in (0..bytes.len()).step_by(cut) {
                let chunk = bytes.slice(from..bytes.len().min(from + cut));
                copied.update(&chunk);
                shared.update_shared(&chunk);
            }
            let (copied, shared) = (copied.finish(), shared.finish());
            assert_eq!(copied, shared, "{cut}");
            assert_eq!((copied.sha256, copied.sha512), plain, "{cut}");
            let through = crc32(&mut &bytes[..], &mut [0; 4096]).unwrap();
            assert_eq!(through, (bytes.len() as u64, copied.crc32));
        }
    }
}
