//! Erasing exactly one file on FAT or exFAT. Runs in a child of its own that was given a writable descriptor, for one
//! file, and ends.
//!
//! Nothing is written before everything was looked at: the whole volume must be in order as far as a reader can see,
//! no other file or directory may share a cluster with the file (damage that a deletion would turn into loss), and the
//! record that will be taken away must be the very one that was found under the path.
//!
//! # What a power cut leaves
//!
//! The file system crate clears the file's records first and frees its clusters afterwards (its `FatFs` and `ExFatFs`
//! document that order). Between two writes that do not stand side by side the disk is told to keep what it has
//! (`Barriers`), so the order on the medium is the order here. A cut therefore leaves, at worst: the volume marked as
//! not left in order; the file gone, and its clusters still counted as used (lost clusters, which any file system check
//! gives back); on exFAT, some records of the file without the others, which is listed as "deleted in part" and is no
//! file to any system; on FAT, a free count that is too low, or a second table that lags behind the first. No other
//! file's record, no other file's cluster and no table entry of another file is changed at any moment.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use hadris_fat::exfat::sync::ExFatFs;
use hadris_fat::sync::FatFs;
use hadris_fs::sync::FileSystem;
use hadris_fs::{Extent, MountOptions, Name, NodeId};
use hadris_io::{Error, ErrorType};
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};

use super::blocks::ReadError;
use super::clusters::Run;
use super::files::{Disk, Entry, Found, Item};
use super::partitions::Slice;

/// Why a file was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The disk is gone; if that was in the middle, the head of this file says what is left.
    #[error("the disk is gone")]
    Gone(#[source] io::Error),
    /// No file has that path.
    #[error("there is no such file")]
    Missing,
    /// It has another length than the one that was proven.
    #[error("it has another length")]
    Changed,
    /// Nothing was written, in words for people.
    #[error("{0}")]
    Refused(String),
    /// Writing failed: the file may be gone or not, others are as they were.
    #[error("{0}")]
    Failed(String),
}

impl From<ReadError> for EraseError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gone(e) => Self::Gone(e),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// A disk that may be written, addressed in bytes from its beginning.
pub trait Medium {
    /// Fills the buffer.
    fn read(&self, buf: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes all of it.
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Returns when everything written so far is on the medium.
    fn keep(&self) -> io::Result<()>;
}

impl Medium for File {
    fn read(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(buf, at)
    }

    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn keep(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Erases the file at a path if it has that length. `writable` is the disk that `disk` reads.
pub fn erase(disk: &mut Disk, writable: &dyn Medium, path: &[u8], size_bytes: u64) -> Result<(), EraseError> {
    let (n, entry) = disk.find(path)?.ok_or(EraseError::Missing)?;
    if entry.size_bytes() != size_bytes {
        return Err(EraseError::Changed);
    }
    check_alone(disk, n)?;
    check_sole_owner(disk, n, &entry)?;
    let names = names_within(path, n)?;
    let volume = &disk.volumes[n];
    let device = Barriers::new(writable, volume.slice);
    let wanted = Record { at: entry.record_at - volume.slice.start, size_bytes };
    let result = if volume.facts.exfat {
        match ExFatFs::mount(device, MountOptions::new()) {
            Ok(fs) => unlink(fs, &names, wanted),
            Err(e) => Err(EraseError::Refused(format!("its file system is not in order: {}", e.into_parts().0))),
        }
    } else {
        match FatFs::mount(device, MountOptions::new()) {
            Ok(fs) => unlink(fs, &names, wanted),
            Err(e) => Err(EraseError::Refused(format!("its file system is not in order: {}", e.into_parts().0))),
        }
    };
    disk.blocks.forget();
    result
}

/// Two volumes in the same place could each lose what the other frees.
fn check_alone(disk: &Disk, n: usize) -> Result<(), EraseError> {
    let slice = disk.volumes[n].slice;
    let touches = |other: &Slice| other.start < slice.start + slice.len && slice.start < other.start + other.len;
    if disk.volumes.iter().enumerate().any(|(i, v)| i != n && touches(&v.slice)) {
        return Err(EraseError::Refused("its partitions overlap".to_owned()));
    }
    match disk.volumes[n].facts.damage.first() {
        Some(damage) => Err(EraseError::Refused(damage.clone())),
        None => Ok(()),
    }
}

/// Walks the whole volume: it must be readable everywhere, and nothing else may use a cluster of this file.
fn check_sole_owner(disk: &mut Disk, n: usize, file: &Entry) -> Result<(), EraseError> {
    let refused = |what: &str| EraseError::Refused(format!("its file system is damaged ({what}); nothing was erased"));
    let mut walk = disk.walk_volume(n);
    loop {
        let items = walk.next(disk, 1 << 20)?;
        if items.is_empty() {
            break;
        }
        if let Some(Item::Unreadable(place)) = items.iter().find(|i| matches!(i, Item::Unreadable(_))) {
            return Err(refused(&format!("{}: {}", place.path, place.reason)));
        }
    }
    let volume = disk.volumes[n].clone();
    let (mut own, damage) = volume.clusters_of(&mut disk.blocks, file)?;
    if let Some(damage) = damage {
        return Err(refused(&damage));
    }
    own.sort_unstable_by_key(|run| run.first);
    for run in volume.own_clusters(&mut disk.blocks)? {
        if meets(&own, run) {
            return Err(refused("the file system's own clusters are among the file's"));
        }
    }
    let mut places = vec![volume.root];
    while let Some(place) = places.pop() {
        let mut entries = Vec::new();
        volume.read_dir(&mut disk.blocks, place, &mut |found| {
            if let Found::Entry(entry) = found
                && entry.record_at != file.record_at
            {
                entries.push(entry);
            }
            ControlFlow::Continue(())
        })?;
        for entry in entries {
            let (runs, _) = volume.clusters_of(&mut disk.blocks, &entry)?;
            if runs.iter().any(|run| meets(&own, *run)) {
                return Err(refused("another file uses the same clusters"));
            }
            // No loop: the walk above would have told of it.
            if entry.directory && entry.size_bytes() > 0 {
                places.push(entry.place);
            }
        }
    }
    Ok(())
}

/// Whether a run shares a cluster with any of these, which are in order and apart.
fn meets(own: &[Run], run: Run) -> bool {
    let end = |r: &Run| u64::from(r.first) + u64::from(r.count);
    let next = own.partition_point(|o| end(o) <= u64::from(run.first));
    own.get(next).is_some_and(|o| u64::from(o.first) < end(&run))
}

/// The names of a path inside its volume, as text: what is no text was never written by a system that we know.
fn names_within(path: &[u8], n: usize) -> Result<Vec<String>, EraseError> {
    let text = std::str::from_utf8(path).map_err(|_| EraseError::Refused("its name is no Unicode text".to_owned()))?;
    Ok(text.split('/').skip(usize::from(n > 0)).map(str::to_owned).collect())
}

#[derive(Debug, Clone, Copy)]
struct Record {
    at: u64,
    size_bytes: u64,
}

/// What both drivers can do.
trait Erasing: FileSystem {
    /// Where a node's record begins in the volume.
    fn record_at(&mut self, node: NodeId) -> Option<u64>;
    /// Writes what is pending and ends.
    fn finish(self) -> Result<(), String>;
}

impl<D: BlockDevice> Erasing for FatFs<D> {
    fn record_at(&mut self, node: NodeId) -> Option<u64> {
        let mut out = [Extent::new(0, 0); 1];
        self.records(node, &mut out).ok().filter(|n| *n > 0).map(|_| out[0].offset())
    }

    fn finish(self) -> Result<(), String> {
        self.unmount().map(drop).map_err(|e| e.into_parts().0.to_string())
    }
}

impl<D: BlockDevice> Erasing for ExFatFs<D> {
    fn record_at(&mut self, node: NodeId) -> Option<u64> {
        let mut out = [Extent::new(0, 0); 32];
        self.records(node, &mut out).ok().filter(|n| *n > 0).map(|_| out[0].offset())
    }

    fn finish(self) -> Result<(), String> {
        self.unmount().map(drop).map_err(|e| e.into_parts().0.to_string())
    }
}

fn unlink(mut fs: impl Erasing, names: &[String], wanted: Record) -> Result<(), EraseError> {
    let Some((file, directories)) = names.split_last() else { return Err(EraseError::Missing) };
    let refused = |what: &str, e: &dyn std::fmt::Display| EraseError::Refused(format!("{what}: {e}"));
    let mut directory = fs.root();
    for name in directories {
        directory = fs.lookup(directory, Name::new(name)).map_err(|e| refused("its directory", &e))?;
    }
    let node = fs.lookup(directory, Name::new(file)).map_err(|e| refused("its record", &e))?;
    let size = fs.stat(node).map_err(|e| refused("its record", &e))?.len();
    let at = fs.record_at(node);
    fs.forget(node, 1);
    if at != Some(wanted.at) || size != wanted.size_bytes {
        return Err(EraseError::Refused("two records answer to its name".to_owned()));
    }
    let done = fs.unlink(directory, Name::new(file)).map_err(|e| e.to_string());
    // What a failed step left behind is put in order as far as the disk allows.
    let finished = fs.finish();
    done.and(finished).map_err(|e| EraseError::Failed(format!("the disk refused to be written: {e}")))
}

/// A volume that keeps the order of its writes: before a write that does not go on where the last one ended, the disk
/// is told to keep everything so far.
struct Barriers<'f> {
    disk: &'f dyn Medium,
    start: u64,
    blocks: u64,
    /// Where the last write ended, while it may not have reached the medium.
    open_end: Option<u64>,
}

const BLOCK_BYTES: u32 = 512;

impl<'f> Barriers<'f> {
    fn new(disk: &'f dyn Medium, slice: Slice) -> Self {
        Self { disk, start: slice.start, blocks: slice.len / u64::from(BLOCK_BYTES), open_end: None }
    }

    /// Offset on the disk, if the range is inside the volume.
    fn at(&self, first: BlockIndex, len: usize) -> io::Result<u64> {
        let block = u64::from(BLOCK_BYTES);
        let inside = len.is_multiple_of(BLOCK_BYTES as usize)
            && first.get().checked_add(len as u64 / block).is_some_and(|end| end <= self.blocks);
        if inside { Ok(self.start + first.get() * block) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn barrier(&mut self) -> io::Result<()> {
        if self.open_end.is_some() {
            self.disk.keep()?;
            self.open_end = None;
        }
        Ok(())
    }
}

impl ErrorType for Barriers<'_> {
    type Error = io::Error;
}

impl BlockDevice for Barriers<'_> {
    fn block_size(&self) -> BlockSize {
        const SIZE: BlockSize = match BlockSize::new(BLOCK_BYTES) {
            Some(size) => size,
            None => panic!(),
        };
        SIZE
    }

    fn block_count(&self) -> u64 {
        self.blocks
    }

    fn writable(&self) -> bool {
        true
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), Error<io::Error>> {
        let read = self.at(first, buf.len()).and_then(|at| self.disk.read(buf, at));
        read.map_err(|e| Error::device(e, "reading"))
    }

    fn write_blocks(&mut self, first: BlockIndex, buf: &[u8]) -> Result<(), Error<io::Error>> {
        let mut write = || {
            let at = self.at(first, buf.len())?;
            if self.open_end != Some(at) {
                self.barrier()?;
            }
            self.disk.write(buf, at)?;
            self.open_end = Some(at + buf.len() as u64);
            Ok(())
        };
        write().map_err(|e| Error::device(e, "writing"))
    }

    fn flush(&mut self) -> Result<(), Error<io::Error>> {
        self.barrier().map_err(|e| Error::device(e, "flushing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_meet() {
        let own = [Run { first: 5, count: 3 }, Run { first: 20, count: 1 }];
        let table =
            [((2, 3), false), ((2, 4), true), ((7, 1), true), ((8, 12), false), ((8, 13), true), ((21, 9), false)];
        for ((first, count), expected) in table {
            assert_eq!(meets(&own, Run { first, count }), expected, "{first} {count}");
        }
    }
}
