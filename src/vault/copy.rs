//! One pass over the bytes: from a source into a `.part` file while the same blocks feed BLAKE3 with its
//! tree, SHA-256 of the whole (and SM3 of it where it is asked for), SHA-256 and CRC of each upload part.
//!
//! Four threads (five with SM3) share each block without copying it: this one reads the source and writes the file, the
//! lanes hash, one makes the file durable at intervals and reports how far. A copy that was interrupted goes on
//! from the last durable report: the prefix on our disk is hashed again and must equal what was reported,
//! so that a torn write after a power cut is never taken for footage.
//!
//! The order of all this stands here and nowhere else; [`lanes`] only hash, [`mod@fill`] only reads.

mod fill;
mod lanes;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};

use super::read::hash_uncached;
use super::{Vault, VaultError, failed};
use crate::domain::digest::{Blake3, Crc64, Sha256, Sm3};
use crate::domain::grid::PartGrid;
use crate::domain::ids::ClipId;
use crate::domain::ports::SourceError;
use crate::runtime::clock::monotonic;

pub use fill::is_gone;
use fill::{Then, fill, fill_once};
use lanes::{Lane, Pump, hash_parts, hash_sm3, hash_whole, unique};

/// Bytes of a block on its way through the lanes, where few copies run.
const BLOCK_BYTES: usize = 1 << 20;
/// The smallest block: below it, system calls and hand-overs begin to cost more than the bytes.
const SMALLEST_BLOCK_BYTES: usize = 64 << 10;
/// Memory of the blocks of all copies together, before blocks become smaller.
const BLOCKS_BUDGET_BYTES: usize = 16 << 20;
/// Blocks that may wait for one lane. With one more being hashed and one being filled this bounds a
/// copy's memory at [`RING`] blocks.
const QUEUE: usize = 4;
const RING: usize = QUEUE + 2;

/// The block for one of `copies` that run side by side: a station with 30 bays must not need the memory of 30 copies.
pub fn block_bytes(copies: usize) -> usize {
    let fair = BLOCKS_BUDGET_BYTES / RING / copies.max(1);
    // Whole pages, so that reads past the page cache stay aligned.
    (fair & !0xffff).clamp(SMALLEST_BLOCK_BYTES, BLOCK_BYTES)
}

/// The digests of a part, `n` from 0: offset and length in bytes.
pub type PartDigest = (u64, u64, u64, Sha256, Crc64);

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// A durable report each so many bytes.
    pub durable_every_bytes: u64,
    /// The file system keeps at least this many bytes free.
    pub reserve_bytes: u64,
    /// SM3 of the whole, too. It is the slowest lane (about 180 MB/s a core), and then sets the pace of a fast source.
    pub sm3: bool,
}

/// What an earlier, interrupted copy reported last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Durable length.
    pub bytes: u64,
    /// Its digest.
    pub blake3: Blake3,
}

/// A durable report: the `.part` is on disk up to here.
#[derive(Debug, Clone)]
pub struct Durable {
    /// Length.
    pub prefix: Prefix,
    /// Parts that were completed since the last report.
    pub parts: Vec<PartDigest>,
}

/// A whole copy: durable and read back equal, but not yet under its final name.
#[derive(Debug, Clone)]
pub struct Copied {
    /// Length.
    pub size_bytes: u64,
    /// Digest.
    pub blake3: Blake3,
    /// Digest.
    pub sha256: Sha256,
    /// Digest, where it was asked for.
    pub sm3: Option<Sm3>,
    /// Every part, in order.
    pub parts: Vec<PartDigest>,
    /// Digests of the prefixes that were asked for (those not longer than the file).
    pub prefixes: Vec<Prefix>,
}

/// Why a copy did not come to its end. What was reported durable stays, and the next attempt goes on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source ended before the listed length: never taken for the end of the file.
    #[error("the recorder gave only {got} of {expected} bytes; the file stays marked as unread, dock it again")]
    Short {
        /// Bytes read.
        got: u64,
        /// Bytes listed.
        expected: u64,
    },
    /// The reserve was reached.
    #[error(
        "{coming} bytes more do not fit: the vault has {free} bytes free and keeps {reserve} of them in reserve; free space, or wait for clips to be proven and evicted"
    )]
    Full {
        /// Bytes still to be written.
        coming: u64,
        /// Free bytes.
        free: u64,
        /// The configured reserve.
        reserve: u64,
    },
    /// The daemon is stopping, or the recorder was undocked.
    #[error("copying was stopped; it goes on from here")]
    Stopped,
    /// The disk gave back other bytes than were written.
    #[error(
        "the vault's disk returned other bytes than were written to {0}; the copy is discarded and made anew; check the disk"
    )]
    ReadBack(PathBuf),
    /// Our disk failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The durable report could not be stored.
    #[error("progress could not be stored")]
    Report(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What [`copy_into`] needs of its caller.
pub struct CopyJob<'a> {
    /// Identity.
    pub clip: ClipId,
    /// How the clip is cut.
    pub grid: PartGrid,
    /// Listed length; `None` for a stream, which ends where its source ends.
    pub expected: Option<u64>,
    /// What an earlier attempt reported last.
    pub resume: Option<Prefix>,
    /// Offsets, ascending, at which digests of the prefix are wanted.
    pub prefixes_at: &'a [u64],
    /// How to copy.
    pub options: CopyOptions,
    /// Bytes of one block ([`block_bytes`]); a multiple of 4096.
    pub block_bytes: usize,
    /// Opens the source at an offset; called once.
    pub open: &'a mut dyn FnMut(u64) -> Result<Box<dyn Read + 'a>, SourceError>,
    /// Told the number of bytes so far, once a block.
    pub progress: &'a mut dyn FnMut(u64),
    /// Stores a durable report; called from another thread.
    pub durable: &'a (dyn Fn(Durable) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Sync),
    /// Asked once a block.
    pub stopped: &'a dyn Fn() -> bool,
    /// A source that gives its bytes as they come (a stream): each of its pieces is written at once, and becomes durable
    /// and is reported within this time, whether more comes or not. Such a source says [`io::ErrorKind::WouldBlock`] each
    /// time that nothing came for a moment.
    pub as_it_comes: Option<Duration>,
    /// Whether a durable report may be made at this length: where a stream's pieces are whole.
    pub whole: &'a dyn Fn(u64) -> bool,
}

/// Copies a clip into its `.part`, makes it durable and reads it back. Blocks for as long as it takes.
pub fn copy_into(vault: &Vault, job: CopyJob<'_>) -> Result<Copied, CopyError> {
    let CopyJob {
        clip,
        grid,
        expected,
        resume,
        prefixes_at,
        options,
        block_bytes,
        open,
        progress,
        durable,
        stopped,
        as_it_comes,
        whole: is_whole,
    } = job;
    vault.make_dir(clip)?;
    let (part_path, tree_path) = (vault.part(clip), vault.tree_part(clip));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&part_path)
        .map_err(failed("opening", &part_path))?;
    let resume = usable(&file, resume).map_err(failed("looking at", &part_path))?;
    file.set_len(resume.map_or(0, |p| p.bytes)).map_err(failed("cutting", &part_path))?;
    room(vault, options, expected.map_or(0, |e| e.saturating_sub(resume.map_or(0, |p| p.bytes))))?;
    let tree_file = File::create(&tree_path).map_err(failed("creating", &tree_path))?;
    if let Some(dir) = part_path.parent() {
        super::sync_dir(dir)?;
    }

    let (whole_in, whole_out) = sync_channel::<Lane>(QUEUE);
    let (parts_in, parts_out) = sync_channel::<Lane>(QUEUE);
    let (sm3_in, sm3_out) = options.sm3.then(|| sync_channel::<Lane>(QUEUE)).unzip();
    let (marks_in, marks_out) = sync_channel::<Durable>(1);
    let sync_file = file.try_clone().map_err(failed("opening", &part_path))?;
    let lost = AtomicBool::new(false);
    let lost = &lost;

    std::thread::scope(|scope| {
        let whole = scope.spawn(move || hash_whole(&whole_out));
        let sm3 = sm3_out.map(|lane| scope.spawn(move || hash_sm3(&lane)));
        let parts = scope.spawn(move || hash_parts(&parts_out, grid, tree_file, prefixes_at, &marks_in));
        let syncer = scope.spawn(move || make_durable(&sync_file, &marks_out, durable, lost));
        let ring = (0..RING).map(|_| Arc::new(Vec::new())).collect();
        let mut pump = Pump { parts: parts_in, wholes: [Some(whole_in), sm3_in], ring, at: 0 };

        let pumped = (|| {
            if let Some(prefix) = resume {
                let found = rehash_prefix(&mut pump, &mut file, prefix.bytes, block_bytes)
                    .map_err(failed("reading back", &part_path))?;
                if found != prefix.blake3 {
                    return Err(CopyError::ReadBack(part_path.clone()));
                }
            }
            let mut source = open(pump.at)?;
            let (mut marked, mut marked_at) = (pump.at, monotonic());
            loop {
                if stopped() {
                    return Err(CopyError::Stopped);
                }
                // Why is said below. What comes after it would be called nothing but lost.
                if lost.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let whole = block_bytes as u64;
                let want = expected.map_or(whole, |e| (e - pump.at.min(e)).min(whole)) as usize;
                let mut block = pump.take(want);
                let came = match as_it_comes {
                    Some(_) => fill_once(&mut *source, unique(&mut block, want)),
                    None => fill(&mut *source, unique(&mut block, want)),
                };
                if came.bytes > 0 {
                    // Its second runs from the first byte that is not durable yet.
                    if pump.at == marked {
                        marked_at = monotonic();
                    }
                    unique(&mut block, want).truncate(came.bytes);
                    write_block(&mut file, &block, vault, options, &part_path)?;
                    pump.push(block);
                    progress(pump.at);
                } else {
                    pump.give_back(block);
                }
                match came.then {
                    Then::Failed(e) => return Err(e),
                    Then::Over => {
                        return match expected {
                            Some(e) if pump.at < e => Err(CopyError::Short { got: pump.at, expected: e }),
                            _ => Ok(()),
                        };
                    }
                    Then::More => {}
                }
                let long_ago = as_it_comes.is_some_and(|every| pump.at > marked && marked_at.elapsed() >= every);
                if (pump.at - marked >= options.durable_every_bytes || long_ago) && is_whole(pump.at) {
                    let left = expected.map_or(block_bytes as u64, |e| e.saturating_sub(pump.at));
                    room(vault, options, left)?;
                    pump.mark();
                    (marked, marked_at) = (pump.at, monotonic());
                }
            }
        })();
        // However it ended, what has been copied becomes durable, so that the next attempt goes on from
        // here; unless the prefix itself turned out to be torn, or a piece of a stream is half there.
        if !matches!(pumped, Err(CopyError::ReadBack(_))) && is_whole(pump.at) {
            pump.mark();
        }
        drop(pump);
        let sha256 = whole.join().map_err(|_| panicked(&part_path))?;
        let sm3 = sm3.map(|lane| lane.join()).transpose().map_err(|_| panicked(&part_path))?;
        let hashed = parts.join().map_err(|_| panicked(&part_path))?;
        syncer.join().map_err(|_| panicked(&part_path))?.map_err(|e| match e {
            SyncError::Io(e) => CopyError::Vault(failed("syncing", &part_path)(e)),
            SyncError::Report(e) => CopyError::Report(e),
        })?;
        pumped?;
        let hashed = hashed.map_err(failed("writing", &tree_path))?;
        file.sync_all().map_err(failed("syncing", &part_path))?;
        let (on_disk, len) = hash_uncached(&part_path)?;
        if (on_disk, len) != (hashed.root, hashed.bytes) {
            return Err(CopyError::ReadBack(part_path.clone()));
        }
        Ok(Copied {
            size_bytes: hashed.bytes,
            blake3: hashed.root,
            sha256,
            sm3,
            parts: hashed.parts,
            prefixes: hashed.prefixes,
        })
    })
}

fn panicked(path: &std::path::Path) -> CopyError {
    CopyError::Vault(VaultError {
        doing: "hashing",
        path: path.to_owned(),
        source: io::Error::other("a hashing thread panicked"),
    })
}

/// A reported prefix that our file is long enough to hold.
fn usable(file: &File, resume: Option<Prefix>) -> io::Result<Option<Prefix>> {
    let len = file.metadata()?.len();
    Ok(resume.filter(|p| p.bytes > 0 && p.bytes <= len))
}

fn room(vault: &Vault, options: CopyOptions, coming: u64) -> Result<(), CopyError> {
    let (free, _) = vault.space()?;
    if free < options.reserve_bytes.saturating_add(coming) {
        return Err(CopyError::Full { coming, free, reserve: options.reserve_bytes });
    }
    Ok(())
}

fn write_block(
    file: &mut File,
    block: &[u8],
    vault: &Vault,
    options: CopyOptions,
    path: &std::path::Path,
) -> Result<(), CopyError> {
    file.write_all(block).map_err(|e| match e.raw_os_error() {
        Some(code)
            if code == rustix::io::Errno::NOSPC.raw_os_error() || code == rustix::io::Errno::DQUOT.raw_os_error() =>
        {
            CopyError::Full {
                coming: block.len() as u64,
                free: vault.space().map_or(0, |s| s.0),
                reserve: options.reserve_bytes,
            }
        }
        _ => CopyError::Vault(failed("writing", path)(e)),
    })
}

/// Feeds the lanes with the prefix that stands on our disk, and gives its digest.
fn rehash_prefix(pump: &mut Pump, file: &mut File, bytes: u64, block_bytes: usize) -> io::Result<Blake3> {
    let mut hasher = blake3::Hasher::new();
    while pump.at < bytes {
        let want = (bytes - pump.at).min(block_bytes as u64) as usize;
        let mut block = pump.take(want);
        file.read_exact(unique(&mut block, want))?;
        hasher.update(&block);
        pump.push(block);
    }
    Ok(Blake3(*hasher.finalize().as_bytes()))
}

enum SyncError {
    Io(io::Error),
    Report(Box<dyn std::error::Error + Send + Sync>),
}

/// Makes each marked prefix durable, then reports it; says on `lost` that no more can be. Every byte of the prefix was
/// written before its mark.
fn make_durable(
    file: &File,
    marks: &Receiver<Durable>,
    report: &(dyn Fn(Durable) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Sync),
    lost: &AtomicBool,
) -> Result<(), SyncError> {
    let mut failure = Ok(());
    for durable in marks {
        // After a failure nothing is called durable any more (a failed fsync says nothing about later ones).
        if failure.is_err() || durable.prefix.bytes == 0 {
            continue;
        }
        failure = file.sync_data().map_err(SyncError::Io).and_then(|()| {
            let _ = fadvise(file, 0, std::num::NonZeroU64::new(durable.prefix.bytes), Advice::DontNeed);
            report(durable).map_err(SyncError::Report)
        });
        lost.store(failure.is_err(), Ordering::Relaxed);
    }
    failure
}

/// Computes everything about a file that stands under its final name, as if it had just been copied, and
/// makes file, tree and names durable. For a clip whose row was not yet sealed at the last stop: a kill may
/// have come between the renames and the sync of their directory.
pub fn measure(
    vault: &Vault,
    clip: ClipId,
    grid: PartGrid,
    prefixes_at: &[u64],
    with_sm3: bool,
) -> Result<Copied, CopyError> {
    vault.make_dir(clip)?;
    let path = vault.master(clip);
    let mut file = File::open(&path).map_err(failed("opening", &path))?;
    let bytes = file.metadata().map_err(failed("looking at", &path))?.len();
    let tree_path = vault.tree(clip);
    let tree_file = File::create(&tree_path).map_err(failed("creating", &tree_path))?;
    let (whole_in, whole_out) = sync_channel::<Lane>(QUEUE);
    let (parts_in, parts_out) = sync_channel::<Lane>(QUEUE);
    let (sm3_in, sm3_out) = with_sm3.then(|| sync_channel::<Lane>(QUEUE)).unzip();
    let (marks_in, _marks_out) = sync_channel::<Durable>(1);
    std::thread::scope(|scope| {
        let whole = scope.spawn(move || hash_whole(&whole_out));
        let sm3 = sm3_out.map(|lane| scope.spawn(move || hash_sm3(&lane)));
        let parts = scope.spawn(move || hash_parts(&parts_out, grid, tree_file, prefixes_at, &marks_in));
        let ring = (0..RING).map(|_| Arc::new(Vec::new())).collect();
        let mut pump = Pump { parts: parts_in, wholes: [Some(whole_in), sm3_in], ring, at: 0 };
        rehash_prefix(&mut pump, &mut file, bytes, BLOCK_BYTES).map_err(failed("reading", &path))?;
        drop(pump);
        let sha256 = whole.join().map_err(|_| panicked(&path))?;
        let sm3 = sm3.map(|lane| lane.join()).transpose().map_err(|_| panicked(&path))?;
        let hashed = parts.join().map_err(|_| panicked(&path))?.map_err(failed("writing", &tree_path))?;
        // Its name may be no more than a rename in memory: a killed process leaves such names, a power cut takes them.
        file.sync_all().map_err(failed("syncing", &path))?;
        vault.sync_parent(&path)?;
        Ok(Copied {
            size_bytes: hashed.bytes,
            blake3: hashed.root,
            sha256,
            sm3,
            parts: hashed.parts,
            prefixes: hashed.prefixes,
        })
    })
}

/// Empties the `.part` of a copy whose prefix cannot be trusted, so that the next attempt begins anew.
impl Vault {
    /// Forgets what was copied of a clip so far.
    pub fn restart(&self, clip: ClipId) -> Result<(), VaultError> {
        let path = self.part(clip);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("removing", &path)(e)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
