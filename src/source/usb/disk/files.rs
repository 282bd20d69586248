//! The files of a disk: its volumes, its tree of directories, and where a file's bytes stand. One walk for listing,
//! which ends whatever the disk says, and one look-up for a path.
//!
//! A path is the names joined by `/` ([`super::names`]); those of the second and every further volume begin with
//! `volume-2/` and so on, in the order of the partition table, volumes that cannot be read not counted.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use super::blocks::{Blocks, ReadError};
use super::clusters::{Heap, Place, Run, Wanted};
use super::partitions::{self, Slice};
use super::{exfat, fat};
use crate::domain::recorder::{Listing, ShelfEntry, SourcePath, Unreadable};

/// Deepest directory that is listed, as in [`crate::source::folder`].
pub const MAX_DEPTH: usize = 32;

/// Most entries that one listing looks at, as in [`crate::source::folder`].
pub const MAX_ENTRIES: usize = 500_000;

/// Most bytes of paths and reasons that one listing has: 128 for each of its entries. A recorder needs some 60 for each
/// of 10,000; a hostile one could make paths of 24,000.
pub const MAX_LISTING_BYTES: usize = 64 << 20;

/// A directory with so many damaged entries is none any more: the rest of it would be noise.
const MAX_DAMAGED: usize = 1000;

/// What a volume says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// exFAT; else FAT.
    pub exfat: bool,
    /// Its label.
    pub label: Option<String>,
    /// Its serial number, `ABCD-1234`.
    pub id: Option<String>,
    /// It was left in order: nothing was being written.
    pub clean: bool,
    /// What is wrong with it, in words.
    pub damage: Vec<String>,
}

/// A volume that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its clusters.
    pub heap: Heap,
    /// Its root directory.
    pub root: Place,
    /// What it says of itself.
    pub facts: Facts,
    /// Its place on the disk.
    pub slice: Slice,
}

/// A record of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// In the bytes of a path.
    pub name: Vec<u8>,
    /// It is a directory.
    pub directory: bool,
    /// Where its contents stand, and their length.
    pub place: Place,
    /// Of these, so many bytes were written; the rest reads as zeros.
    pub valid: u64,
    /// As [`ShelfEntry::modified_raw`].
    pub modified: String,
    /// As [`ShelfEntry::modified_ms`].
    pub modified_ms: Option<i64>,
    /// Where its record stands on the disk.
    pub record_at: u64,
}

/// What stands in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file or directory.
    Entry(Entry),
    /// Something that was one.
    Damaged {
        /// As much of its name as there is.
        name: Option<Vec<u8>>,
        /// In words.
        reason: String,
    },
}

/// Bytes of a file that stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where they begin on the disk; `None` for zeros that stand nowhere.
    pub disk: Option<u64>,
    /// How many.
    pub len: u64,
}

/// A part of the pieces of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Where the first begins in the file: at or before the offset that was asked for.
    pub from: u64,
    /// One after the other.
    pub pieces: Vec<Piece>,
    /// There are more behind these.
    pub more: bool,
    /// Why the file ends here although it is longer.
    pub damage: Option<String>,
}

impl Entry {
    /// Length in bytes as its record has it; of a FAT directory, the longest that there may be.
    pub fn size_bytes(&self) -> u64 {
        match self.place {
            Place::Clusters { len, .. } | Place::Fixed { len, .. } => len,
        }
    }
}

impl Volume {
    /// Hands over what stands in a directory, in its order. Gives what is wrong with the directory as a whole; only a
    /// disk that is gone is an error.
    pub fn read_dir(
        &self,
        blocks: &mut Blocks,
        place: Place,
        each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<Option<String>, ReadError> {
        if !self.facts.exfat {
            return fat::read_dir(&self.heap, blocks, place, each);
        }
        match place {
            Place::Clusters { first, contiguous, len } if len > exfat::MAX_DIRECTORY_BYTES => {
                let place = Place::Clusters { first, contiguous, len: exfat::MAX_DIRECTORY_BYTES };
                let damage = exfat::read_dir(&self.heap, blocks, place, each)?;
                Ok(damage.or(Some("it is longer than a directory may be; the rest was not listed".to_owned())))
            }
            place => exfat::read_dir(&self.heap, blocks, place, each),
        }
    }

    /// Where a file's bytes stand, from an offset in the file on, at most `most` pieces.
    pub fn pieces(&self, blocks: &mut Blocks, file: &Entry, from: u64, most: usize) -> Result<Pieces, ReadError> {
        let Place::Clusters { first, contiguous, len } = file.place else { return Ok(Pieces::default()) };
        let cluster = self.heap.cluster_bytes;
        if from >= len {
            return Ok(Pieces { from, ..Pieces::default() });
        }
        if len > self.heap.bytes() {
            return Ok(Pieces {
                from,
                damage: Some("it says that it is larger than its volume".to_owned()),
                ..Pieces::default()
            });
        }
        let skip = from / cluster;
        let wanted = Wanted { skip, most: len.div_ceil(cluster), runs: most };
        let chain = self.heap.chain(blocks, first, contiguous, wanted)?;
        let mut pieces = Pieces { from: skip * cluster, more: chain.full, damage: chain.damage, ..Pieces::default() };
        let mut at = pieces.from;
        for run in chain.runs {
            let disk = self.heap.at(run.first);
            let whole = (u64::from(run.count) * cluster).min(len - at);
            let on_disk = blocks.disk_bytes().saturating_sub(disk).min(whole);
            let written = file.valid.saturating_sub(at).min(whole);
            if written > 0 {
                pieces.pieces.push(Piece { disk: Some(disk), len: written.min(on_disk) });
            }
            if written > on_disk {
                (pieces.more, pieces.damage) = (false, Some("it stands beyond the end of the disk".to_owned()));
                break;
            }
            if written < whole {
                pieces.pieces.push(Piece { disk: None, len: whole - written });
            }
            at += whole;
        }
        if at < len && !pieces.more && pieces.damage.is_none() {
            pieces.damage = Some("its chain is shorter than its length".to_owned());
        }
        Ok(pieces)
    }

    /// Every cluster that belongs to an entry, whatever its length says: what a deletion frees.
    pub fn clusters_of(&self, blocks: &mut Blocks, entry: &Entry) -> Result<(Vec<Run>, Option<String>), ReadError> {
        let Place::Clusters { first, contiguous, len } = entry.place else { return Ok((Vec::new(), None)) };
        if first == 0 && (len == 0 || !self.facts.exfat) {
            return Ok((Vec::new(), None));
        }
        let most = if contiguous { len.div_ceil(self.heap.cluster_bytes) } else { u64::from(self.heap.clusters) };
        let chain = self.heap.chain(blocks, first, contiguous, Wanted { skip: 0, most, runs: usize::MAX })?;
        Ok((chain.runs, chain.damage))
    }

    /// Clusters that belong to the file system itself: its root directory, and what exFAT keeps in records of it.
    pub fn own_clusters(&self, blocks: &mut Blocks) -> Result<Vec<Run>, ReadError> {
        let mut places = vec![self.root];
        if self.facts.exfat {
            places.extend(exfat::tables(&self.heap, blocks, self.root)?);
        }
        let mut runs = Vec::new();
        for place in places {
            if let Place::Clusters { first, contiguous, len } = place {
                let wanted = Wanted { skip: 0, most: len.div_ceil(self.heap.cluster_bytes), runs: usize::MAX };
                runs.extend(self.heap.chain(blocks, first, contiguous, wanted)?.runs);
            }
        }
        Ok(runs)
    }
}

/// A disk and what is on it.
pub struct Disk {
    /// Its metadata.
    pub blocks: Blocks,
    /// Those that can be read.
    pub volumes: Vec<Volume>,
    /// What of it cannot, in words.
    pub unreadable: Vec<String>,
}

impl Disk {
    /// Looks for volumes.
    pub fn open(mut blocks: Blocks, sector_bytes: u64) -> Result<Self, ReadError> {
        let whole = Slice { start: 0, len: blocks.disk_bytes(), cut: false };
        let (mut volumes, mut unreadable) = (Vec::new(), Vec::new());
        if let Some(volume) = volume_in(&mut blocks, whole, Boot::Main)? {
            return Ok(Self { blocks, volumes: vec![volume], unreadable });
        }
        let table = match partitions::read(&mut blocks, sector_bytes) {
            Ok(table) => table,
            Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
            Err(error) => {
                volumes.extend(volume_in(&mut blocks, whole, Boot::Copy)?);
                return Ok(Self { blocks, volumes, unreadable: vec![format!("its first sector: {error}")] });
            }
        };
        for (i, slice) in table.slices.iter().enumerate() {
            let volume = match volume_in(&mut blocks, *slice, Boot::Main)? {
                None => volume_in(&mut blocks, *slice, Boot::Copy)?,
                found => found,
            };
            match volume {
                Some(volume) => volumes.push(volume),
                None => unreadable.push(format!("partition {} has no FAT and no exFAT that can be read", i + 1)),
            }
        }
        unreadable.extend(table.damage);
        if volumes.is_empty() {
            volumes.extend(volume_in(&mut blocks, whole, Boot::Copy)?);
        }
        Ok(Self { blocks, volumes, unreadable })
    }

    /// The volume that a path is on, and the rest of the path.
    fn volume_of<'p>(&self, path: &'p [u8]) -> (usize, &'p [u8]) {
        let cut = path.iter().position(|b| *b == b'/');
        let (first, rest) = path.split_at(cut.unwrap_or(path.len()));
        match (1..self.volumes.len()).find(|n| prefix(*n) == first) {
            Some(n) => (n, rest.strip_prefix(b"/").unwrap_or_default()),
            None => (0, path),
        }
    }

    /// Looks a file up, by exactly these bytes. `None` where no file is; where a directory cannot be read whole, that is
    /// not known, which is an error.
    pub fn find(&mut self, path: &[u8]) -> Result<Option<(usize, Entry)>, ReadError> {
        let (n, path) = self.volume_of(path);
        let Some(volume) = self.volumes.get(n) else { return Ok(None) };
        let (mut place, mut names) = (volume.root, path.split(|b| *b == b'/').peekable());
        while let Some(name) = names.next() {
            let last = names.peek().is_none();
            let (mut found, mut hidden) = (None, None);
            let damage = volume.read_dir(&mut self.blocks, place, &mut |f| match f {
                Found::Entry(entry) if entry.name == name => {
                    found = Some(entry);
                    ControlFlow::Break(())
                }
                Found::Damaged { name: None, reason } => {
                    hidden = Some(reason);
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Continue(()),
            })?;
            match found {
                Some(entry) if last && !entry.directory => return Ok(Some((n, entry))),
                Some(entry) if !last && entry.directory => place = entry.place,
                Some(_) => return Ok(None),
                None => return damage.or(hidden).map_or(Ok(None), |reason| Err(ReadError::Unknown(reason))),
            }
        }
        Ok(None)
    }

    /// Begins a listing.
    pub fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        for reason in &self.unreadable {
            walk.note(Vec::new(), reason.clone());
        }
        (0..self.volumes.len()).for_each(|n| walk.volume(self, n));
        walk
    }

    /// Begins a listing of one volume.
    pub fn walk_volume(&self, n: usize) -> Walk {
        let mut walk = Walk::default();
        walk.volume(self, n);
        walk
    }
}

/// What a volume is known by. Formatting leaves copies behind of what stood there before (a card sold with exFAT and
/// formatted by its recorder, a disk that was partitioned later): a copy only counts where no boot sector does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Its boot sector.
    Main,
    /// The copy of it.
    Copy,
}

fn volume_in(blocks: &mut Blocks, slice: Slice, boot: Boot) -> Result<Option<Volume>, ReadError> {
    match exfat::open(blocks, slice, boot)? {
        Some(volume) => Ok(Some(volume)),
        None => fat::open(blocks, slice, boot),
    }
}

/// What the paths of a volume begin with; the first volume's with nothing.
fn prefix(n: usize) -> Vec<u8> {
    if n == 0 { Vec::new() } else { format!("volume-{}", n + 1).into_bytes() }
}

/// A listing under way. It holds the directories that are still to be read and what was not yet taken.
#[derive(Default)]
pub struct Walk {
    queue: VecDeque<Pending>,
    /// First clusters of directories that were listed: one that comes again is a loop or belongs to another.
    seen: HashSet<(usize, u32)>,
    ready: VecDeque<Item>,
    entries: usize,
    bytes: usize,
    full: bool,
    hasher: RandomState,
}

struct Pending {
    volume: usize,
    path: Vec<u8>,
    place: Place,
    depth: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A file.
    File(ShelfEntry),
    /// What cannot be listed.
    Unreadable(Unreadable),
}

impl Walk {
    fn volume(&mut self, disk: &Disk, n: usize) {
        let Some(volume) = disk.volumes.get(n) else { return };
        let path = prefix(n);
        for reason in &volume.facts.damage {
            self.note(path.clone(), reason.clone());
        }
        self.queue.push_back(Pending { volume: n, path, place: volume.root, depth: 0 });
    }

    /// The next lines, about `most_bytes` of them; none when everything was told.
    pub fn next(&mut self, disk: &mut Disk, most_bytes: usize) -> Result<Vec<Item>, ReadError> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < most_bytes {
            if let Some(item) = self.ready.pop_front() {
                bytes += item.bytes();
                items.push(item);
            } else if let Some(next) = self.queue.pop_front() {
                self.directory(disk, next)?;
            } else {
                break;
            }
        }
        Ok(items)
    }

    fn directory(&mut self, disk: &mut Disk, dir: Pending) -> Result<(), ReadError> {
        let Some(volume) = disk.volumes.get(dir.volume) else { return Ok(()) };
        let volume_roots = if dir.depth == 0 && dir.volume == 0 { disk.volumes.len() } else { 0 };
        let (mut names, mut damaged) = (HashSet::new(), 0);
        let damage = volume.read_dir(&mut disk.blocks, dir.place, &mut |found| {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || self.bytes > MAX_LISTING_BYTES {
                self.full = true;
                return ControlFlow::Break(());
            }
            let path = |name: &[u8]| -> Vec<u8> {
                if dir.path.is_empty() { name.to_vec() } else { [&dir.path, &b"/"[..], name].concat() }
            };
            match found {
                Found::Damaged { name, reason } => {
                    damaged += 1;
                    self.note(name.map_or(dir.path.clone(), |n| path(&n)), reason);
                    if damaged > MAX_DAMAGED {
                        self.note(
                            dir.path.clone(),
                            format!("more than {MAX_DAMAGED} damaged entries; what follows was not listed"),
                        );
                        return ControlFlow::Break(());
                    }
                }
                Found::Entry(entry) => {
                    let path = path(&entry.name);
                    if !names.insert(self.hasher.hash_one(&entry.name)) {
                        self.note(path, "a second entry of the same name; only the first can be read".to_owned());
                    } else if (1..volume_roots).any(|n| prefix(n) == entry.name) {
                        self.note(path, "its name is the one of another volume of this disk; not read".to_owned());
                    } else {
                        self.entry(volume, &dir, path, entry);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(reason) = damage {
            self.note(dir.path.clone(), reason);
        }
        if self.full {
            // Told once: directories that wait are not looked at any more.
            self.queue.clear();
            let most = format!("more than {MAX_ENTRIES} entries or {} MiB of names", MAX_LISTING_BYTES >> 20);
            self.note(dir.path, format!("{most}; what follows was not listed"));
        }
        Ok(())
    }

    fn entry(&mut self, volume: &Volume, dir: &Pending, path: Vec<u8>, entry: Entry) {
        if !entry.directory {
            if entry.size_bytes() > volume.heap.bytes() {
                self.note(path, format!("it says that it has {} bytes, more than its volume", entry.size_bytes()));
                return;
            }
            self.bytes += path.len() + entry.modified.len();
            self.ready.push_back(Item::File(shelf_entry(path, &entry)));
            return;
        }
        let first = match entry.place {
            Place::Clusters { first, .. } => first,
            Place::Fixed { .. } => 0,
        };
        let root = matches!(volume.root, Place::Clusters { first: root, .. } if root == first);
        let empty = entry.size_bytes() == 0;
        if dir.depth + 1 >= MAX_DEPTH {
            self.note(path, format!("deeper than {MAX_DEPTH} directories; not listed"));
        } else if empty {
            // exFAT: a directory without clusters.
        } else if !volume.heap.has(first) {
            self.note(path, "a directory that begins outside its volume".to_owned());
        } else if root || !self.seen.insert((dir.volume, first)) {
            self.note(path, "a directory that stands elsewhere, too: a loop or damage; not listed again".to_owned());
        } else {
            self.bytes += path.len();
            self.queue.push_back(Pending { volume: dir.volume, path, place: entry.place, depth: dir.depth + 1 });
        }
    }

    fn note(&mut self, path: Vec<u8>, reason: String) {
        self.bytes += path.len() + reason.len();
        self.ready.push_back(Item::Unreadable(Unreadable { path: SourcePath::new(path), reason }));
    }
}

impl Item {
    /// Roughly what it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::File(file) => file.path.as_bytes().len() + file.modified_raw.len() + 24,
            Self::Unreadable(place) => place.path.as_bytes().len() + place.reason.len() + 8,
        }
    }

    /// Puts it into a listing.
    pub fn add_to(self, listing: &mut Listing) {
        match self {
            Self::File(file) => listing.files.push(file),
            Self::Unreadable(place) => listing.unreadable.push(place),
        }
    }
}

/// A file as a listing has it.
pub fn shelf_entry(path: Vec<u8>, entry: &Entry) -> ShelfEntry {
    ShelfEntry {
        path: SourcePath::new(path),
        size_bytes: entry.size_bytes(),
        modified_raw: entry.modified.clone(),
        modified_ms: entry.modified_ms,
    }
}
