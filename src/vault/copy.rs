//! One pass over the bytes: from a source into a `.part` file while the same blocks feed BLAKE3 with its
//! tree, SHA-256 of the whole, SHA-256 and CRC of each upload part.
//!
//! Four threads share each block without copying it: this one reads the source and writes the file, two
//! hash, one makes the file durable at intervals and reports how far. A copy that was interrupted goes on
//! from the last durable report: the prefix on our disk is hashed again and must equal what was reported,
//! so that a torn write after a power cut is never taken for footage.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use sha2::Digest;

use super::read::hash_uncached;
use super::tree::TreeBuilder;
use super::{Vault, VaultError, failed};
use crate::domain::digest::{Blake3, Crc64, Sha256};
use crate::domain::grid::PartGrid;
use crate::domain::ids::ClipId;
use crate::domain::ports::SourceError;
use crate::runtime::clock::monotonic;

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

enum Lane {
    Block(Arc<Vec<u8>>),
    /// Report the prefix that ends here as durable.
    Mark,
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
    let (marks_in, marks_out) = sync_channel::<Durable>(1);
    let sync_file = file.try_clone().map_err(failed("opening", &part_path))?;
    let lost = AtomicBool::new(false);
    let lost = &lost;

    std::thread::scope(|scope| {
        let whole = scope.spawn(move || hash_whole(&whole_out));
        let parts = scope.spawn(move || hash_parts(&parts_out, grid, tree_file, prefixes_at, &marks_in));
        let syncer = scope.spawn(move || make_durable(&sync_file, &marks_out, durable, lost));
        let mut pump =
            Pump { lanes: [whole_in, parts_in], ring: (0..RING).map(|_| Arc::new(Vec::new())).collect(), at: 0 };

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

/// The block's bytes for filling; a block that a lane still holds is replaced by a new one.
fn unique(block: &mut Arc<Vec<u8>>, want: usize) -> &mut Vec<u8> {
    if Arc::get_mut(block).is_none() {
        *block = Arc::new(vec![0; want]);
    }
    // The line above made it the only one; `make_mut` then does not clone.
    Arc::make_mut(block)
}

/// What a look at the source brought.
struct Came {
    bytes: usize,
    then: Then,
}

/// What comes after it.
enum Then {
    More,
    Over,
    Failed(CopyError),
}

/// Fills the buffer as far as the source gives; what was read before a failure counts.
fn fill(source: &mut dyn Read, buf: &mut [u8]) -> Came {
    let mut bytes = 0;
    while bytes < buf.len() {
        match source.read(&mut buf[bytes..]) {
            Ok(0) => return Came { bytes, then: Then::Over },
            Ok(n) => bytes += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Came { bytes, then: Then::Failed(CopyError::Source(source_error(e))) },
        }
    }
    Came { bytes, then: if buf.is_empty() { Then::Over } else { Then::More } }
}

/// One piece of a source that gives its bytes as they come, or none where nothing comes for a moment.
fn fill_once(source: &mut dyn Read, buf: &mut [u8]) -> Came {
    loop {
        return match source.read(buf) {
            Ok(0) => Came { bytes: 0, then: Then::Over },
            Ok(bytes) => Came { bytes, then: Then::More },
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Came { bytes: 0, then: Then::More },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Came { bytes: 0, then: Then::Failed(CopyError::Source(source_error(e))) },
        };
    }
}

/// Whether an error in the middle of a file means that its recorder was pulled: ENODEV, ENXIO and their like.
pub fn is_gone(e: &io::Error) -> bool {
    let gone = [rustix::io::Errno::NODEV, rustix::io::Errno::NXIO, rustix::io::Errno::STALE, rustix::io::Errno::NOENT];
    gone.iter().any(|g| e.raw_os_error() == Some(g.raw_os_error()))
}

fn source_error(e: io::Error) -> SourceError {
    if is_gone(&e) {
        SourceError::Gone(e)
    } else {
        SourceError::Read { path: crate::domain::recorder::SourcePath::new("this file"), source: e }
    }
}

/// Hands blocks to both lanes and reuses those that both have finished with.
struct Pump {
    lanes: [SyncSender<Lane>; 2],
    ring: std::collections::VecDeque<Arc<Vec<u8>>>,
    at: u64,
}

impl Pump {
    fn take(&mut self, want: usize) -> Arc<Vec<u8>> {
        let mut block = self.ring.pop_front().unwrap_or_default();
        unique(&mut block, want).resize(want, 0);
        block
    }

    fn push(&mut self, block: Arc<Vec<u8>>) {
        self.at += block.len() as u64;
        for lane in &self.lanes {
            // A lane that panicked is noticed when it is joined.
            let _ = lane.send(Lane::Block(Arc::clone(&block)));
        }
        self.ring.push_back(block);
    }

    /// A block into which nothing came.
    fn give_back(&mut self, block: Arc<Vec<u8>>) {
        self.ring.push_front(block);
    }

    fn mark(&mut self) {
        let _ = self.lanes[1].send(Lane::Mark);
    }
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

fn hash_whole(lane: &Receiver<Lane>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for message in lane {
        if let Lane::Block(block) = message {
            hasher.update(block.as_slice());
        }
    }
    Sha256(hasher.finalize().into())
}

struct Hashed {
    root: Blake3,
    bytes: u64,
    parts: Vec<PartDigest>,
    prefixes: Vec<Prefix>,
}

fn hash_parts(
    lane: &Receiver<Lane>,
    grid: PartGrid,
    tree_file: File,
    prefixes_at: &[u64],
    marks: &SyncSender<Durable>,
) -> io::Result<Hashed> {
    let mut tree = TreeBuilder::new(BufWriter::with_capacity(64 * 1024, tree_file));
    let (mut part, mut crc) = (sha2::Sha256::new(), crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
    let (mut n, mut in_part, mut at) = (0u64, 0u64, 0u64);
    let (mut parts, mut reported, mut prefixes) = (Vec::<PartDigest>::new(), 0usize, Vec::new());
    let mut wanted = prefixes_at.iter().copied().peekable();
    let mut failure = None;
    for message in lane {
        match message {
            Lane::Block(block) => {
                let mut rest = block.as_slice();
                while !rest.is_empty() {
                    let full = grid.part_bytes(n);
                    let to_prefix = wanted.peek().map_or(u64::MAX, |w| w.saturating_sub(at));
                    if to_prefix == 0 {
                        prefixes.push(Prefix { bytes: at, blake3: tree.root() });
                        wanted.next();
                        continue;
                    }
                    let take = (rest.len() as u64).min(full - in_part).min(to_prefix) as usize;
                    let (now, later) = rest.split_at(take);
                    part.update(now);
                    crc.update(now);
                    if let Err(e) = tree.update(now) {
                        failure.get_or_insert(e);
                    }
                    (in_part, at, rest) = (in_part + take as u64, at + take as u64, later);
                    if in_part == full {
                        let sha256 = Sha256(std::mem::take(&mut part).finalize().into());
                        parts.push((n, at - in_part, in_part, sha256, Crc64(crc.finalize_reset())));
                        (n, in_part) = (n + 1, 0);
                    }
                }
            }
            Lane::Mark => {
                let durable =
                    Durable { prefix: Prefix { bytes: at, blake3: tree.root() }, parts: parts[reported..].to_vec() };
                reported = parts.len();
                let _ = marks.send(durable);
            }
        }
    }
    while wanted.next_if(|w| *w == at).is_some() {
        prefixes.push(Prefix { bytes: at, blake3: tree.root() });
    }
    if in_part > 0 || parts.is_empty() {
        parts.push((n, at - in_part, in_part, Sha256(part.finalize().into()), Crc64(crc.finalize())));
    }
    if let Some(e) = failure {
        return Err(e);
    }
    let (root, sink) = tree.finish()?;
    sink.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(Hashed { root, bytes: at, parts, prefixes })
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
pub fn measure(vault: &Vault, clip: ClipId, grid: PartGrid, prefixes_at: &[u64]) -> Result<Copied, CopyError> {
    vault.make_dir(clip)?;
    let path = vault.master(clip);
    let mut file = File::open(&path).map_err(failed("opening", &path))?;
    let bytes = file.metadata().map_err(failed("looking at", &path))?.len();
    let tree_path = vault.tree(clip);
    let tree_file = File::create(&tree_path).map_err(failed("creating", &tree_path))?;
    let (whole_in, whole_out) = sync_channel::<Lane>(QUEUE);
    let (parts_in, parts_out) = sync_channel::<Lane>(QUEUE);
    let (marks_in, _marks_out) = sync_channel::<Durable>(1);
    std::thread::scope(|scope| {
        let whole = scope.spawn(move || hash_whole(&whole_out));
        let parts = scope.spawn(move || hash_parts(&parts_out, grid, tree_file, prefixes_at, &marks_in));
        let mut pump =
            Pump { lanes: [whole_in, parts_in], ring: (0..RING).map(|_| Arc::new(Vec::new())).collect(), at: 0 };
        rehash_prefix(&mut pump, &mut file, bytes, BLOCK_BYTES).map_err(failed("reading", &path))?;
        drop(pump);
        let sha256 = whole.join().map_err(|_| panicked(&path))?;
        let hashed = parts.join().map_err(|_| panicked(&path))?.map_err(failed("writing", &tree_path))?;
        // Its name may be no more than a rename in memory: a killed process leaves such names, a power cut takes them.
        file.sync_all().map_err(failed("syncing", &path))?;
        vault.sync_parent(&path)?;
        Ok(Copied {
            size_bytes: hashed.bytes,
            blake3: hashed.root,
            sha256,
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
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::vault::Found;

    const OPTIONS: CopyOptions = CopyOptions { durable_every_bytes: 3 << 20, reserve_bytes: 0 };

    fn data(len: usize) -> Vec<u8> {
        (0..len).map(|i| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
    }

    #[test]
    fn many_copies_share_one_budget() {
        for copies in [0, 1, 2, 4, 7, 16, 30] {
            let block = block_bytes(copies);
            assert!(block.is_multiple_of(65_536) && (SMALLEST_BLOCK_BYTES..=BLOCK_BYTES).contains(&block), "{copies}");
            assert!(copies * RING * block <= BLOCKS_BUDGET_BYTES, "{copies}");
        }
        assert_eq!(block_bytes(2), BLOCK_BYTES);
    }

    struct Run {
        outcome: Result<Copied, CopyError>,
        reports: Vec<Durable>,
        opened_at: Option<u64>,
    }

    /// Copies `bytes`, of which the source gives only the first `until`.
    fn run(
        vault: &Vault,
        clip: ClipId,
        bytes: &[u8],
        until: usize,
        resume: Option<Prefix>,
        prefixes_at: &[u64],
    ) -> Run {
        let reports = Mutex::new(Vec::new());
        let mut opened_at = None;
        let outcome = copy_into(
            vault,
            CopyJob {
                clip,
                grid: PartGrid::for_size(Some(bytes.len() as u64)),
                expected: Some(bytes.len() as u64),
                resume,
                prefixes_at,
                options: OPTIONS,
                block_bytes: block_bytes(3),
                open: &mut |at| {
                    opened_at = Some(at);
                    Ok(Box::new(io::Cursor::new(bytes[at as usize..until.max(at as usize)].to_vec())))
                },
                progress: &mut |_| {},
                durable: &|d| {
                    reports.lock().unwrap().push(d);
                    Ok(())
                },
                stopped: &|| false,
                as_it_comes: None,
                whole: &|_| true,
            },
        );
        Run { outcome, reports: reports.into_inner().unwrap(), opened_at }
    }

    fn vault() -> (tempfile::TempDir, Vault) {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        (dir, vault)
    }

    #[test]
    fn digests_and_parts_are_those_of_the_bytes() {
        let (_dir, vault) = vault();
        for len in [0usize, 1, (8 << 20) - 1, 8 << 20, (17 << 20) + 5] {
            let clip = ClipId::generate(1);
            let bytes = data(len);
            let copied = run(&vault, clip, &bytes, len, None, &[5, 1 << 20]).outcome.unwrap();
            assert_eq!(copied.size_bytes, len as u64);
            assert_eq!(copied.blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
            assert_eq!(copied.sha256.0[..], sha2::Sha256::digest(&bytes)[..]);
            assert_eq!(copied.parts.iter().map(|p| p.2).sum::<u64>(), len as u64);
            let mut whole = Crc64::EMPTY;
            for (_, offset, len, sha256, crc) in &copied.parts {
                assert_eq!(sha256.0[..], sha2::Sha256::digest(&bytes[*offset as usize..(*offset + *len) as usize])[..]);
                whole = whole.join(*crc, *len);
            }
            assert_eq!(whole.0, crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes));
            for prefix in &copied.prefixes {
                assert_eq!(prefix.blake3.as_bytes(), blake3::hash(&bytes[..prefix.bytes as usize]).as_bytes());
            }
            assert_eq!(copied.prefixes.len(), [5u64, 1 << 20].iter().filter(|p| **p <= len as u64).count());
            vault.seal(clip).unwrap();
            assert_eq!(vault.found(clip).unwrap(), Found::Final(len as u64));
            assert_eq!(fs::read(vault.master(clip)).unwrap(), bytes);
        }
    }

    #[test]
    fn a_short_source_is_an_error_and_the_next_attempt_goes_on() {
        let (_dir, vault) = vault();
        let clip = ClipId::generate(1);
        let bytes = data(10 << 20);
        let first = run(&vault, clip, &bytes, (7 << 20) + 123, None, &[]);
        assert!(matches!(first.outcome, Err(CopyError::Short { .. })), "{:?}", first.outcome);
        let prefix = first.reports.last().unwrap().prefix;
        assert_eq!(prefix.bytes, (7 << 20) + 123);
        let second = run(&vault, clip, &bytes, bytes.len(), Some(prefix), &[]);
        assert_eq!(second.opened_at, Some(prefix.bytes), "the recorder is read from where it stopped");
        assert_eq!(second.outcome.unwrap().blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
    }

    #[test]
    fn a_torn_prefix_is_found_and_never_sealed() {
        let (_dir, vault) = vault();
        let clip = ClipId::generate(1);
        let bytes = data(6 << 20);
        let prefix = run(&vault, clip, &bytes, 5 << 20, None, &[]).reports.last().unwrap().prefix;
        // As after a power cut with a disk that lied: the length is right, some bytes are not.
        let mut torn = fs::read(vault.part(clip)).unwrap();
        torn[4_000_000] ^= 1;
        fs::write(vault.part(clip), torn).unwrap();
        let second = run(&vault, clip, &bytes, bytes.len(), Some(prefix), &[]);
        assert!(matches!(second.outcome, Err(CopyError::ReadBack(_))), "{:?}", second.outcome);
        vault.restart(clip).unwrap();
        let third = run(&vault, clip, &bytes, bytes.len(), None, &[]);
        assert_eq!(third.outcome.unwrap().blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
    }

    /// A stream: pieces, and then nothing for as long as somebody wants it to stand.
    struct Stream<'a> {
        pieces: std::collections::VecDeque<Vec<u8>>,
        looks: usize,
        stands: &'a dyn Fn(usize) -> bool,
    }

    impl Read for Stream<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if let Some(piece) = self.pieces.pop_front() {
                buf[..piece.len()].copy_from_slice(&piece);
                return Ok(piece.len());
            }
            self.looks += 1;
            if (self.stands)(self.looks) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(0) }
        }
    }

    fn record(
        vault: &Vault,
        pieces: &[&[u8]],
        every: Duration,
        stands: &dyn Fn(usize) -> bool,
        durable: &(dyn Fn(Durable) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Sync),
    ) -> Result<Copied, CopyError> {
        let mut stream = Some(Stream { pieces: pieces.iter().map(|p| p.to_vec()).collect(), looks: 0, stands });
        copy_into(
            vault,
            CopyJob {
                clip: ClipId::generate(1),
                grid: PartGrid::Growing,
                expected: None,
                resume: None,
                prefixes_at: &[],
                options: OPTIONS,
                block_bytes: SMALLEST_BLOCK_BYTES,
                open: &mut |_| Ok(Box::new(stream.take().unwrap())),
                progress: &mut |_| {},
                durable,
                stopped: &|| false,
                as_it_comes: Some(every),
                whole: &|_| true,
            },
        )
    }

    #[test]
    fn what_a_stream_gave_before_it_stalled_becomes_durable_without_another_byte() {
        let (_dir, vault) = vault();
        let reported = Mutex::new(Vec::new());
        let begun = monotonic();
        // It stands until all of it was reported: without another byte nothing else could bring that about.
        let stands = |looks: usize| {
            std::thread::yield_now();
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing was reported in {looks} looks");
            reported.lock().unwrap().last() != Some(&9)
        };
        let durable = |d: Durable| {
            reported.lock().unwrap().push(d.prefix.bytes);
            Ok(())
        };
        let copied = record(&vault, &[b"four", b"fives"], Duration::from_millis(50), &stands, &durable).unwrap();
        assert_eq!((copied.size_bytes, reported.into_inner().unwrap().last()), (9, Some(&9)));
    }

    #[test]
    fn a_stream_whose_bytes_cannot_be_made_durable_ends() {
        let (_dir, vault) = vault();
        let begun = monotonic();
        let stands = |_| {
            std::thread::yield_now();
            assert!(begun.elapsed() < Duration::from_secs(30), "it goes on and nothing of it is safe");
            true
        };
        let failed = record(&vault, &[b"four"], Duration::ZERO, &stands, &|_| Err("the database is full".into()));
        assert!(matches!(failed, Err(CopyError::Report(_))), "{failed:?}");
    }

    #[test]
    fn the_reserve_stops_a_copy_before_its_first_byte() {
        let (_dir, vault) = vault();
        let options = CopyOptions { reserve_bytes: u64::MAX / 2, ..OPTIONS };
        let outcome = copy_into(
            &vault,
            CopyJob {
                clip: ClipId::generate(1),
                grid: PartGrid::Growing,
                expected: Some(1),
                resume: None,
                prefixes_at: &[],
                options,
                block_bytes: BLOCK_BYTES,
                open: &mut |_| panic!("must not be read"),
                progress: &mut |_| {},
                durable: &|_| Ok(()),
                stopped: &|| false,
                as_it_comes: None,
                whole: &|_| true,
            },
        );
        assert!(matches!(outcome, Err(CopyError::Full { .. })));
    }
}
