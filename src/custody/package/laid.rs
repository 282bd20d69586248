//! A zip file that nobody writes: where each of its bytes comes from follows from the names, lengths and checksums of what
//! is in it. So it can be sent from any byte on, and what was sent before and after an interruption fits together.

use std::ops::Range;

use super::zip::{Entry, directory, local};

/// A file that goes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name in the zip.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its CRC-32.
    pub crc32: u32,
}

/// Where the next bytes of the zip come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// They are these.
    Bytes(Vec<u8>),
    /// They are bytes of the `n`-th file.
    Of {
        /// Which, from 0.
        n: usize,
        /// Which bytes of it.
        range: Range<u64>,
    },
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Of { range, .. } => range.end - range.start,
        }
    }

    /// The part of it that lies in `range` of the zip, where it begins at `at`.
    fn cut(&self, at: u64, wanted: &Range<u64>) -> Option<Self> {
        let from = wanted.start.max(at);
        let to = wanted.end.min(at + self.len());
        if from >= to {
            return None;
        }
        let (from, to) = (from - at, to - at);
        Some(match self {
            Self::Bytes(bytes) => Self::Bytes(bytes[from as usize..to as usize].to_vec()),
            Self::Of { n, range } => Self::Of { n: *n, range: range.start + from..range.start + to },
        })
    }
}

/// The zip as it is laid out.
#[derive(Debug, Clone)]
pub struct Laid {
    pieces: Vec<Piece>,
    len: u64,
}

impl Laid {
    /// Lays `items` out in their order; `dos_time` is the date of every entry (`zip::dos_time`).
    pub fn new(items: &[Item], dos_time: u32) -> Self {
        let (mut pieces, mut entries, mut at) = (Vec::new(), Vec::new(), 0);
        for (n, item) in items.iter().enumerate() {
            let entry = Entry { name: item.name.clone(), at, size: item.size, crc: item.crc32 };
            let header = local(&entry, dos_time);
            at += header.len() as u64 + item.size;
            pieces.push(Piece::Bytes(header));
            pieces.push(Piece::Of { n, range: 0..item.size });
            entries.push(entry);
        }
        let directory = directory(&entries, at, dos_time);
        at += directory.len() as u64;
        pieces.push(Piece::Bytes(directory));
        Self { pieces, len: at }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// A zip is never empty: it has its directory.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes of `wanted` come from, in order.
    pub fn pieces(&self, wanted: &Range<u64>) -> Vec<Piece> {
        let mut at = 0;
        let mut found = Vec::new();
        for piece in &self.pieces {
            found.extend(piece.cut(at, wanted));
            at += piece.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::digests;
    use super::super::zip::Zip;
    use super::*;

    const FILES: [(&str, &[u8]); 3] = [("a.txt", b"first"), ("data/空", b""), ("data/b.bin", &[7; 5_000])];

    fn laid() -> Laid {
        let items: Vec<Item> = FILES
            .iter()
            .map(|(name, bytes)| Item {
                name: (*name).to_owned(),
                size: bytes.len() as u64,
                crc32: digests::of(bytes, false).crc32,
            })
            .collect();
        Laid::new(&items, 0x5cd3_5062)
    }

    fn bytes(laid: &Laid, wanted: Range<u64>) -> Vec<u8> {
        let piece = |piece| match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Of { n, range } => FILES[n].1[range.start as usize..range.end as usize].to_vec(),
        };
        laid.pieces(&wanted).into_iter().flat_map(piece).collect()
    }

    /// The other way to write the same zip gives the same bytes, and any stretch of them can be had alone.
    #[test]
    fn it_is_the_file_that_would_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        let (mut zip, _) = Zip::open(&path, 0x5cd3_5062, false, []).unwrap();
        for (name, bytes) in FILES {
            let mut entry = zip.begin(name, bytes.len() as u64).unwrap();
            entry.write(bytes).unwrap();
            entry.end().unwrap();
        }
        zip.finish().unwrap();
        let (written, laid) = (std::fs::read(&path).unwrap(), laid());
        assert_eq!(laid.len(), written.len() as u64);
        assert!(bytes(&laid, 0..laid.len()) == written);
        for from in 0..written.len() {
            for to in [from, from + 1, from + 40, from + 3_000, written.len()] {
                let to = to.min(written.len());
                assert!(bytes(&laid, from as u64..to as u64) == written[from..to], "{from}..{to}");
            }
        }
    }

    #[test]
    fn long_files_take_no_memory() {
        let item = |name: &str| Item { name: name.into(), size: 5 << 32, crc32: 1 };
        let laid = Laid::new(&[item("a"), item("b")], 0);
        assert!(laid.len() > 10 << 32);
        let last = laid.pieces(&(laid.len() - 22..laid.len()));
        assert!(matches!(&last[..], [Piece::Bytes(end)] if end[..4] == *b"PK\x05\x06"), "{last:?}");
        let deep = laid.pieces(&((6 << 32)..(6 << 32) + 10));
        assert!(matches!(&deep[..], [Piece::Of { n: 1, range }] if range.end - range.start == 10), "{deep:?}");
    }
}
