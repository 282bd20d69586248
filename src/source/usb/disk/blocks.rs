//! Small bounded reads of a disk's metadata: a cache of a few hundred blocks, and the three ways in which a read can
//! fail, which mean different things. Never reads a file's contents; knows nothing of file systems.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

/// Bytes of one cached block, the page size of the box: smaller reads cost the kernel as much.
const BLOCK_BYTES: usize = 4096;

/// Blocks that are kept: 1 MiB for each recorder, enough for the part of a FAT that maps 8 GB in clusters of 32 KiB.
const BLOCKS: usize = 256;

/// Smallest step in which a block is tried again that cannot be read whole: the smallest sector there is.
const SECTOR_BYTES: usize = 512;

/// Sectors of one block.
const SECTORS: u64 = (BLOCK_BYTES / SECTOR_BYTES) as u64;

/// Most bad sectors that are remembered: a disk with more of them is slow and no longer bounded by this.
const MAX_BAD: usize = 1 << 16;

/// Why metadata could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk is no longer there: everything after this fails, too.
    #[error("the disk is gone")]
    Gone(#[source] io::Error),
    /// This place cannot be read (a bad sector); others may be.
    #[error("sector {sector} cannot be read")]
    Bad {
        /// In units of 512 bytes from the beginning of the disk.
        sector: u64,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file system points outside the disk.
    #[error("it points beyond the end of the disk")]
    Outside,
    /// A directory on the way cannot be read whole, so that nobody knows whether something is in it.
    #[error("a directory on the way cannot be read whole: {0}")]
    Unknown(String),
}

/// Bytes at an offset: a disk in this process, or a table in a test.
pub trait ReadAt {
    /// Reads as much as there is, like `pread`; `Ok(0)` at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let n = buf.len().min(self.len() - from);
        buf[..n].copy_from_slice(&self[from..from + n]);
        Ok(n)
    }
}

/// A disk and its cache, addressed in bytes from its beginning.
pub struct Blocks {
    disk: Box<dyn ReadAt + Send>,
    disk_bytes: u64,
    /// Block `n` stands in slot `n % BLOCKS`, allocated when first used.
    slots: Vec<Slot>,
    /// Sectors that could not be read, which a worn disk takes seconds to say each time.
    bad: HashMap<u64, i32>,
}

#[derive(Default)]
struct Slot {
    block: Option<u64>,
    bytes: Vec<u8>,
}

impl Blocks {
    /// A disk of that many bytes.
    pub fn new(disk: Box<dyn ReadAt + Send>, disk_bytes: u64) -> Self {
        Self { disk, disk_bytes, slots: (0..BLOCKS).map(|_| Slot::default()).collect(), bad: HashMap::new() }
    }

    /// Its size.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Forgets what was read, so that the next look is at the disk. Bad sectors stay bad.
    pub fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.block = None;
        }
    }

    /// Tries bad sectors again, each once.
    pub fn try_again(&mut self) {
        self.bad.clear();
    }

    /// Fills `buf` from that offset of the disk.
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(buf.len() as u64).ok_or(ReadError::Outside)?;
        if end > self.disk_bytes {
            return Err(ReadError::Outside);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let (block, within) = (at / BLOCK_BYTES as u64, (at % BLOCK_BYTES as u64) as usize);
            let n = (buf.len() - done).min(BLOCK_BYTES - within);
            let wanted = &mut buf[done..done + n];
            let sectors = block * SECTORS..(block + 1) * SECTORS;
            if !self.bad.is_empty() && sectors.into_iter().any(|s| self.bad.contains_key(&s)) {
                self.read_by_sectors(at, wanted)?;
                done += n;
                continue;
            }
            match load(&mut self.slots, &*self.disk, self.disk_bytes, block) {
                Ok(bytes) => wanted.copy_from_slice(&bytes[within..within + n]),
                Err(error) if is_gone(&error) => return Err(ReadError::Gone(error)),
                // A bad sector beside it must not hide what is asked for.
                Err(_) => self.read_by_sectors(at, wanted)?,
            }
            done += n;
        }
        Ok(())
    }

    fn read_by_sectors(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let within = (at % SECTOR_BYTES as u64) as usize;
            let n = (buf.len() - done).min(SECTOR_BYTES - within);
            let (from, number) = (at - within as u64, at / SECTOR_BYTES as u64);
            if let Some(errno) = self.bad.get(&number) {
                return Err(ReadError::Bad { sector: number, source: io::Error::from_raw_os_error(*errno) });
            }
            let mut sector = [0; SECTOR_BYTES];
            let want = (self.disk_bytes - from).min(SECTOR_BYTES as u64) as usize;
            match read_whole(&*self.disk, &mut sector[..want], from) {
                Ok(()) => buf[done..done + n].copy_from_slice(&sector[within..within + n]),
                Err(source) if is_gone(&source) => return Err(ReadError::Gone(source)),
                Err(source) => {
                    if self.bad.len() < MAX_BAD {
                        self.bad.insert(number, source.raw_os_error().unwrap_or(Errno::IO.raw_os_error()));
                    }
                    return Err(ReadError::Bad { sector: number, source });
                }
            }
            done += n;
        }
        Ok(())
    }
}

/// The bytes of one block, from the cache or the disk.
fn load<'a>(slots: &'a mut [Slot], disk: &dyn ReadAt, disk_bytes: u64, block: u64) -> io::Result<&'a [u8]> {
    let slot = &mut slots[(block % BLOCKS as u64) as usize];
    if slot.block != Some(block) {
        let from = block * BLOCK_BYTES as u64;
        let want = disk_bytes.saturating_sub(from).min(BLOCK_BYTES as u64) as usize;
        slot.bytes.resize(BLOCK_BYTES, 0);
        slot.block = None;
        read_whole(disk, &mut slot.bytes[..want], from)?;
        slot.block = Some(block);
    }
    Ok(&slot.bytes)
}

/// An end in the middle of the disk is a disk that was pulled: that is how the kernel shows it now and then.
fn read_whole(disk: &dyn ReadAt, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match disk.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => return Err(Errno::NODEV.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// What the kernel says when the device is no longer there.
pub fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|n| {
        matches!(Errno::from_raw_os_error(n), Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::SHUTDOWN)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A disk with bad sectors, by their number.
    pub struct Worn(pub Vec<u8>, pub Vec<u64>);

    impl ReadAt for Worn {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let end = offset + buf.len() as u64;
            if self.1.iter().any(|s| s * 512 < end && offset < (s + 1) * 512) {
                return Err(Errno::IO.into());
            }
            self.0.read_at(buf, offset)
        }
    }

    #[test]
    fn reads_what_the_disk_holds_from_any_offset() {
        let bytes: Vec<u8> = (0..3 * BLOCK_BYTES + 700).map(|i| (i % 251) as u8).collect();
        let mut blocks = Blocks::new(Box::new(bytes.clone()), bytes.len() as u64);
        for (from, len) in [(0, 10), (4090, 12), (4096, 4096), (3 * BLOCK_BYTES, 700), (1, bytes.len() - 1)] {
            let mut buf = vec![0; len];
            blocks.read(from as u64, &mut buf).unwrap();
            assert_eq!(buf, bytes[from..from + len], "{from} {len}");
        }
        for (from, len) in [(bytes.len(), 1), (0, bytes.len() + 1)] {
            assert!(matches!(blocks.read(from as u64, &mut vec![0; len]), Err(ReadError::Outside)));
        }
        assert!(matches!(blocks.read(u64::MAX, &mut [0; 2]), Err(ReadError::Outside)));
    }

    #[test]
    fn a_bad_sector_hides_nothing_beside_it() {
        let bytes: Vec<u8> = (0..BLOCK_BYTES).map(|i| (i / 512) as u8).collect();
        let mut blocks = Blocks::new(Box::new(Worn(bytes, vec![3])), BLOCK_BYTES as u64);
        let mut buf = [0; 1024];
        blocks.read(512, &mut buf).unwrap();
        assert_eq!((buf[0], buf[1023]), (1, 2));
        assert!(matches!(blocks.read(1500, &mut buf), Err(ReadError::Bad { sector: 3, .. })));
        blocks.read(2048, &mut buf).unwrap();
        assert_eq!(buf[0], 4);
    }

    #[test]
    fn a_bad_sector_is_asked_for_once_until_it_is_tried_again() {
        struct Counting(Worn, Arc<AtomicUsize>);
        impl ReadAt for Counting {
            fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
                let done = self.0.read_at(buf, offset);
                self.1.fetch_add(usize::from(done.is_err()), Ordering::Relaxed);
                done
            }
        }
        let failed = Arc::new(AtomicUsize::new(0));
        let disk = Counting(Worn(vec![7; 2 * BLOCK_BYTES], vec![2]), Arc::clone(&failed));
        let mut blocks = Blocks::new(Box::new(disk), 2 * BLOCK_BYTES as u64);
        for _ in 0..5 {
            assert!(matches!(blocks.read(1024, &mut [0; 512]), Err(ReadError::Bad { sector: 2, .. })));
            blocks.read(512, &mut [0; 512]).unwrap();
            blocks.forget();
        }
        assert_eq!(failed.load(Ordering::Relaxed), 2, "the block, then the sector");
        blocks.try_again();
        assert!(blocks.read(1024, &mut [0; 512]).is_err());
        assert_eq!(failed.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn an_end_before_the_disk_ends_is_a_disk_that_was_pulled() {
        let mut blocks = Blocks::new(Box::new(vec![1; 5000]), 10_000);
        blocks.read(0, &mut [0; 4096]).unwrap();
        assert!(matches!(blocks.read(6000, &mut [0; 16]), Err(ReadError::Gone(_))));
        assert!(matches!(blocks.read(4900, &mut [0; 50]), Err(ReadError::Gone(_))), "its block is not whole");
    }
}
