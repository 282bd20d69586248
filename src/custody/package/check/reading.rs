//! What is read of a package, and what is computed of its files. All of it is opened by [`Folder::open`](crate::custody::package::Folder::open)
//! alone: a folder that somebody sent may hold links and pipes under the names of ours.

use std::io::{self, Read};

use serde::de::DeserializeOwned;

use super::{Check, MOST};
use crate::custody::package::RECORDS;
use crate::custody::package::digests::{self, Hashing};

/// What was computed of a file.
pub(super) struct Digests {
    pub size: u64,
    pub sha256: String,
    pub sha512: String,
    pub blake3: String,
    /// Where the package has a list of them.
    pub sm3: Option<String>,
}

impl Check<'_> {
    /// Whether a record names the SM3 of its clip. Only what has to be computed hangs on it: records are read, and compared
    /// with the log, later.
    pub(super) fn names_sm3(&self) -> bool {
        let text = self.folder.open(RECORDS).and_then(|file| {
            let mut text = String::new();
            file.take(MOST).read_to_string(&mut text).map(|_| text)
        });
        text.is_ok_and(|text| text.contains("\"sm3\": \""))
    }

    pub(super) fn hash(&mut self, name: &str, sm3: bool) -> io::Result<Digests> {
        let mut file = self.folder.open(name)?;
        let (mut hashing, mut blake3, mut block, mut size) =
            (Hashing::new(sm3), blake3::Hasher::new(), vec![0; 1 << 20], 0);
        loop {
            let n = file.read(&mut block)?;
            if n == 0 {
                break;
            }
            hashing.update(&block[..n]);
            blake3.update(&block[..n]);
            size += n as u64;
            (self.look)(n as u64);
        }
        let digests::Digests { sha256, sha512, sm3, .. } = hashing.finish();
        Ok(Digests { size, sha256, sha512, sm3, blake3: blake3.finalize().to_hex().to_string() })
    }

    pub(super) fn text(&mut self, name: &str, most: u64) -> Option<String> {
        let read = self.folder.read(name, most);
        match read.and_then(|bytes| String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)))
        {
            Ok(text) => Some(text),
            Err(e) => {
                self.problem(format!("{name} cannot be read: {e}"));
                None
            }
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name, MOST)?;
        match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(e) => {
                self.problem(format!("{name} is not of its form: {e}"));
                None
            }
        }
    }
}
