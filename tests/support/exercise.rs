//! Everything that the reader of disks does with a disk that may be hostile, in this process: it lists all of it and
//! asks where the bytes of every file stand. Shared by the tests and the fuzz target; fails on what may never be, and
//! knows how a disk is written as a fuzz input.
//!
//! # A disk as bytes
//!
//! ```text
//! u32      sectors of 512 bytes on the disk
//! u8       what the reads do: bit 0, one sector in 64 is bad
//! then, again and again, as long as there is at least one byte behind the number:
//! u32      a sector, modulo the size of the disk
//! 512      its bytes; fewer at the end
//! ```
//!
//! All numbers are little endian. What is not named is zeros, so that a FAT32 volume is a few KiB of input.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evidock::source::usb::disk::blocks::{Blocks, ReadAt, ReadError};
use evidock::source::usb::disk::clusters::Place;
use evidock::source::usb::disk::files::{Disk, Item, Piece};

/// What was found on a disk.
#[derive(Debug, Default)]
pub struct Seen {
    pub files: Vec<SeenFile>,
    /// Path and reason.
    pub unreadable: Vec<(Vec<u8>, String)>,
}

/// A file, and where it is said to stand.
#[derive(Debug)]
pub struct SeenFile {
    pub path: Vec<u8>,
    pub pieces: Vec<Piece>,
    /// Why the pieces end before the file does.
    pub damage: Option<String>,
}

/// Most pieces of one file that are asked for: a chain of 2^28 clusters would be a test of patience only.
const MOST_PIECES: usize = 100_000;

/// Lists a disk and finds every file of it; panics where the reader breaks a promise. `Err` is an answer, too.
pub fn exercise(disk: Box<dyn ReadAt + Send>, disk_bytes: u64) -> Result<Seen, ReadError> {
    let mut disk = Disk::open(Blocks::new(disk, disk_bytes), 512)?;
    let mut seen = Seen::default();
    let mut walk = disk.walk();
    let mut paths = Vec::new();
    loop {
        let items = walk.next(&mut disk, 1 << 16)?;
        if items.is_empty() {
            break;
        }
        for item in items {
            match item {
                Item::File(file) => paths.push(file.path.as_bytes().to_vec()),
                Item::Unreadable(place) => {
                    assert!(!place.reason.is_empty(), "damage without a word");
                    seen.unreadable.push((place.path.as_bytes().to_vec(), place.reason));
                }
            }
        }
    }
    for path in paths {
        // Two files may have one name; the one that is found is what a reader would be given.
        let Some((n, entry)) = disk.find(&path)? else {
            panic!("{:?} is listed and not found", String::from_utf8_lossy(&path));
        };
        let (Place::Clusters { len, .. } | Place::Fixed { len, .. }) = entry.place;
        let (mut pieces, mut at, mut damage) = (Vec::new(), 0, None);
        while at < len && pieces.len() < MOST_PIECES {
            let part = match disk.volumes[n].pieces(&mut disk.blocks, &entry, at, 64) {
                Ok(part) => part,
                Err(ReadError::Gone(error)) => return Err(ReadError::Gone(error)),
                Err(error) => {
                    damage = Some(error.to_string());
                    break;
                }
            };
            assert!(part.from <= at, "pieces that begin behind what was asked for");
            let end = part.from + part.pieces.iter().map(|p| p.len).sum::<u64>();
            assert!(end > at || part.damage.is_some(), "no piece, no damage, no end");
            assert!(part.pieces.iter().all(|p| p.len > 0), "an empty piece");
            assert!(end <= len, "more pieces than the file has bytes");
            // Cut off what was known before.
            let mut skip = at - part.from;
            for piece in part.pieces {
                let gone = skip.min(piece.len);
                skip -= gone;
                if piece.len > gone {
                    pieces.push(Piece { disk: piece.disk.map(|d| d + gone), len: piece.len - gone });
                }
            }
            at = end;
            if part.damage.is_some() {
                damage = part.damage;
                break;
            }
            assert!(part.more || at == len, "the pieces end before the file and nothing is said");
        }
        for piece in &pieces {
            let end = piece.disk.unwrap_or(0).checked_add(piece.len).expect("a piece that ends");
            assert!(piece.disk.is_none() || end <= disk_bytes, "a piece outside the disk");
        }
        seen.files.push(SeenFile { path, pieces, damage });
    }
    Ok(seen)
}

/// A disk of few sectors.
pub struct Sparse {
    sectors: BTreeMap<u64, Vec<u8>>,
    bytes: u64,
    worn: bool,
    /// How much was ever read.
    pub read: Arc<AtomicU64>,
}

impl Sparse {
    /// A disk from the bytes that a fuzzer made.
    pub fn decode(mut input: &[u8]) -> Option<Self> {
        let (head, rest) = input.split_at_checked(5)?;
        let count = u64::from(u32::from_le_bytes(head[..4].try_into().ok()?));
        input = rest;
        let mut sectors = BTreeMap::new();
        while count > 0 && input.len() > 4 {
            let (number, rest) = input.split_at(4);
            let (bytes, rest) = rest.split_at(rest.len().min(512));
            let mut sector = bytes.to_vec();
            sector.resize(512, 0);
            sectors.insert(u64::from(u32::from_le_bytes(number.try_into().ok()?)) % count, sector);
            input = rest;
        }
        Some(Self { sectors, bytes: count * 512, worn: head[4] & 1 == 1, read: Arc::default() })
    }

    /// The other way round.
    pub fn encode<'a>(disk_bytes: u64, sectors: impl Iterator<Item = (u64, &'a [u8])>) -> Vec<u8> {
        let mut bytes = u32::try_from(disk_bytes / 512).expect("a disk below 2 TiB").to_le_bytes().to_vec();
        bytes.push(0);
        for (number, sector) in sectors {
            bytes.extend_from_slice(&(number as u32).to_le_bytes());
            bytes.extend_from_slice(sector);
        }
        bytes
    }

    /// Bytes of the disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl ReadAt for Sparse {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.bytes.saturating_sub(offset).min(buf.len() as u64) as usize;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        let mut done = 0;
        while done < n {
            let here = offset + done as u64;
            let (number, from) = (here / 512, (here % 512) as usize);
            if self.worn && number % 64 == 63 {
                return if done > 0 { Ok(done) } else { Err(io::Error::from_raw_os_error(5)) };
            }
            let len = (512 - from).min(n - done);
            match self.sectors.get(&number) {
                Some(bytes) => buf[done..done + len].copy_from_slice(&bytes[from..from + len]),
                None => buf[done..done + len].fill(0),
            }
            done += len;
        }
        Ok(n)
    }
}
