//! Disks as recorders, from image files: the conformance suite on FAT32 and exFAT, erasing with the power cut between
//! any two of its writes, and readers that die. The images are made with the crate that erases; what it reads back is
//! never asked here.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod shelf_conformance;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ids::ClipId;
use evidock::domain::ports::{EraseProof, Shelf, SourceError};
use evidock::domain::recorder::{ShelfIdentity, SourcePath};
use evidock::source::usb::DiskRights;
use evidock::source::usb::disk::blocks::{Blocks, ReadAt};
use evidock::source::usb::disk::clusters::Place;
use evidock::source::usb::disk::erase::{self, EraseError, Medium};
use evidock::source::usb::disk::files::{Disk, Found, Item};
use evidock::source::usb::disk::{DiskImage, DiskShelf};
use hadris_fat::exfat::sync::ExFatFs;
use hadris_fat::exfat::{self, ExFatOptions};
use hadris_fat::sync::FatFs;
use hadris_fat::{FatKind, FatOptions, VolumeLabel};
use hadris_fs::sync::FileSystem;
use hadris_fs::{DateTime, MountOptions, Name, NodeId, SetAttr};
use hadris_io::{Error, ErrorType};
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use shelf_conformance::Bed;
use tempfile::TempDir;

const NOON: i64 = 1_781_834_604_000;

/// FAT32 needs 65,525 clusters; of 512 bytes they fit.
const IMAGE_BYTES: u64 = 48 << 20;

/// Where partitions begin, as every tool puts them.
const PARTITION_AT: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fat32,
    ExFat,
}

// ---------------------------------------------------------------------------------------------
// Images

/// A volume inside an image file.
struct Window {
    file: File,
    start: u64,
    blocks: u64,
}

impl ErrorType for Window {
    type Error = io::Error;
}

impl BlockDevice for Window {
    fn block_size(&self) -> BlockSize {
        BlockSize::new(512).unwrap()
    }

    fn block_count(&self) -> u64 {
        self.blocks
    }

    fn writable(&self) -> bool {
        true
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), Error<io::Error>> {
        self.file.read_exact_at(buf, self.start + first.get() * 512).map_err(|e| Error::device(e, "reading"))
    }

    fn write_blocks(&mut self, first: BlockIndex, buf: &[u8]) -> Result<(), Error<io::Error>> {
        self.file.write_all_at(buf, self.start + first.get() * 512).map_err(|e| Error::device(e, "writing"))
    }
}

/// An image in a folder of its own.
struct Image {
    dir: TempDir,
    kind: Kind,
    start: u64,
}

impl Image {
    fn new(kind: Kind, start: u64) -> Self {
        // Beside the program and not in /tmp, which may be in memory and then has no direct reads.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let image = Self { dir, kind, start };
        let file = File::create_new(image.path()).unwrap();
        file.set_len(IMAGE_BYTES).unwrap();
        if start > 0 {
            let mut entry = [0; 16];
            entry[4] = if kind == Kind::Fat32 { 0x0c } else { 0x07 };
            entry[8..12].copy_from_slice(&((start / 512) as u32).to_le_bytes());
            entry[12..].copy_from_slice(&(((IMAGE_BYTES - start) / 512) as u32).to_le_bytes());
            file.write_all_at(&entry, 446).unwrap();
            file.write_all_at(&[0x55, 0xaa], 510).unwrap();
        }
        let mut window = image.window();
        match kind {
            Kind::Fat32 => {
                let options =
                    FatOptions::new().with_kind(FatKind::Fat32).with_cluster_size(512).with_serial(0x1234_abcd);
                hadris_fat::sync::format(&mut window, &options.with_label(VolumeLabel::new("DSJ001").unwrap()))
                    .unwrap();
            }
            Kind::ExFat => {
                let options = ExFatOptions::new().with_cluster_size(4096).with_serial(0x1234_abcd);
                let options = options.with_label(exfat::VolumeLabel::new("DSJ001").unwrap());
                exfat::sync::format(&mut window, &options).unwrap();
            }
        }
        image
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("card.img")
    }

    fn window(&self) -> Window {
        let file = File::options().read(true).write(true).open(self.path()).unwrap();
        Window { file, start: self.start, blocks: (IMAGE_BYTES - self.start) / 512 }
    }

    fn edit(&self, change: &Change<'_>) {
        match self.kind {
            Kind::Fat32 => {
                let mut fs = FatFs::mount(self.window(), MountOptions::new()).unwrap();
                change.apply(&mut fs);
                fs.unmount().unwrap();
            }
            Kind::ExFat => {
                let mut fs = ExFatFs::mount(self.window(), MountOptions::new()).unwrap();
                change.apply(&mut fs);
                fs.unmount().unwrap();
            }
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        self.edit(&Change::Put(path, bytes, NOON));
    }

    fn shelf(&self, read_only: bool) -> DiskShelf {
        shelf_over(Arc::new(DiskImage::new(&self.path())), read_only).unwrap()
    }

    fn disk(bytes: Vec<u8>) -> Disk {
        let len = bytes.len() as u64;
        Disk::open(Blocks::new(Box::new(bytes), len), 512).unwrap()
    }
}

fn identity() -> ShelfIdentity {
    ShelfIdentity { bay: "bay-1".to_owned(), ..ShelfIdentity::default() }
}

fn shelf_over(rights: Arc<dyn DiskRights>, read_only: bool) -> Result<DiskShelf, SourceError> {
    DiskShelf::with_program(env!("CARGO_BIN_EXE_evidock").into(), rights, identity(), read_only)
}

enum Change<'a> {
    Put(&'a str, &'a [u8], i64),
    Append(&'a str, &'a [u8], i64),
    Remove(&'a str),
}

impl Change<'_> {
    fn apply<F: FileSystem>(&self, fs: &mut F) {
        let done: Result<(), Error<F::DeviceError>> = (|| match self {
            Change::Put(path, bytes, ms) => {
                let (dir, name) = directory(fs, path)?;
                let node = fs.create(dir, Name::new(name), &SetAttr::new())?;
                write(fs, node, 0, bytes, *ms)
            }
            Change::Append(path, bytes, ms) => {
                let (dir, name) = directory(fs, path)?;
                let node = fs.lookup(dir, Name::new(name))?;
                let len = fs.stat(node)?.len();
                write(fs, node, len, bytes, *ms)
            }
            Change::Remove(path) => {
                let (dir, name) = directory(fs, path)?;
                fs.unlink(dir, Name::new(name))
            }
        })();
        if let Err(error) = done {
            panic!("{error}");
        }
    }
}

fn directory<'p, F: FileSystem>(fs: &mut F, path: &'p str) -> Result<(NodeId, &'p str), Error<F::DeviceError>> {
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = fs.root();
    for dir in dirs.split('/').filter(|d| !d.is_empty()) {
        at = match fs.lookup(at, Name::new(dir)) {
            Ok(node) => node,
            Err(_) => fs.mkdir(at, Name::new(dir), &SetAttr::new())?,
        };
    }
    Ok((at, name))
}

fn write<F: FileSystem>(
    fs: &mut F,
    node: NodeId,
    mut at: u64,
    mut bytes: &[u8],
    ms: i64,
) -> Result<(), Error<F::DeviceError>> {
    while !bytes.is_empty() {
        let n = fs.write(node, at, bytes)?;
        (at, bytes) = (at + n as u64, &bytes[n..]);
    }
    let time = DateTime::new(ms / 1000, 0).unwrap();
    fs.setattr(node, &SetAttr::new().with_modified(time))?;
    fs.close(node)
}

// ---------------------------------------------------------------------------------------------
// Conformance

struct ImageBed(Image);

impl ImageBed {
    fn new(kind: Kind, start: u64) -> Self {
        Self(Image::new(kind, start))
    }
}

fn text(path: &[u8]) -> &str {
    std::str::from_utf8(path).unwrap()
}

impl Bed for ImageBed {
    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(self.0.shelf(false))
    }

    fn read_only(&self) -> Arc<dyn Shelf> {
        Arc::new(self.0.shelf(true))
    }

    fn put(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        self.0.edit(&Change::Put(text(path), bytes, modified_ms));
    }

    fn append(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        self.0.edit(&Change::Append(text(path), bytes, modified_ms));
    }

    fn remove(&self, path: &[u8]) {
        self.0.edit(&Change::Remove(text(path)));
    }

    /// A disk that was pulled ends where it did not end before; so the descriptors that are open notice it, too.
    fn pull(&self) {
        File::options().write(true).open(self.0.path()).unwrap().set_len(0).unwrap();
    }

    fn can_name(&self, name: &[u8]) -> bool {
        let forbidden = |c: char| c.is_control() || "\"*:<>?\\|".contains(c);
        std::str::from_utf8(name).is_ok_and(|name| !name.contains(forbidden))
    }

    fn instant(&self, modified_ms: i64) -> Option<i64> {
        (self.0.kind == Kind::ExFat).then_some(modified_ms)
    }
}

#[test]
fn a_fat32_card_is_a_shelf() {
    shelf_conformance::run(|| ImageBed::new(Kind::Fat32, 0));
}

#[test]
fn an_exfat_card_with_a_partition_table_is_a_shelf() {
    shelf_conformance::run(|| ImageBed::new(Kind::ExFat, PARTITION_AT));
}

// ---------------------------------------------------------------------------------------------
// What it says of itself

#[test]
fn a_disk_tells_label_serial_number_and_kind() {
    for (kind, start, word) in [(Kind::Fat32, PARTITION_AT, "usb-fat"), (Kind::ExFat, 0, "usb-exfat")] {
        let image = Image::new(kind, start);
        let told = image.shelf(true).identity();
        assert_eq!((told.bay.as_str(), told.kind), ("bay-1", word));
        assert_eq!(told.volume_label.as_deref(), Some("DSJ001"));
        assert_eq!(told.volume_id.as_deref(), Some("1234-ABCD"));
        assert_eq!([told.erasable, image.shelf(false).identity().erasable], [false, true]);
    }
}

#[test]
fn times_are_as_the_recorder_keeps_them() {
    let raw = |kind| {
        let image = Image::new(kind, 0);
        image.put("a.mp4", b"x");
        image.shelf(true).list().unwrap().files.remove(0).modified_raw
    };
    assert_eq!(raw(Kind::Fat32), "local 2026-06-19T02:03:24");
    assert_eq!(raw(Kind::ExFat), "2026-06-19T02:03:24.00+00:00");
}

#[test]
fn a_disk_without_a_file_system_is_refused_with_the_way_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.img");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let refused = shelf_over(Arc::new(DiskImage::new(&path)), true).err().unwrap();
    assert!(matches!(refused, SourceError::Unsupported(_)), "{refused:?}");
    assert!(refused.to_string().contains("let the kernel mount it"), "{refused}");
    assert_eq!(refused.retry(), Retry::Permanent);
}

#[test]
fn many_files_come_in_pages_and_none_is_lost() {
    let image = Image::new(Kind::ExFat, 0);
    let mut fs = ExFatFs::mount(image.window(), MountOptions::new()).unwrap();
    let dir = fs.mkdir(fs.root(), Name::new("DCIM"), &SetAttr::new()).unwrap();
    let long = "x".repeat(200);
    for n in 0..1500 {
        let node = fs.create(dir, Name::new(&format!("{n:04}-{long}.mp4")), &SetAttr::new()).unwrap();
        fs.close(node).unwrap();
        fs.forget(node, 1);
    }
    fs.unmount().unwrap();
    let mut disk = Image::disk(fs::read(image.path()).unwrap());
    let (mut walk, mut pages, mut lines) = (disk.walk(), 0, Vec::new());
    loop {
        let page = walk.next(&mut disk, 10_000).unwrap();
        if page.is_empty() {
            break;
        }
        pages += 1;
        lines.extend(page);
    }
    assert_eq!(lines.len(), 1500);
    assert!(pages > 20, "{pages}");
    assert_eq!(image.shelf(true).list().unwrap().files.len(), 1500);
}

// ---------------------------------------------------------------------------------------------
// Readers that die

/// Opens as often as it is asked, and counts.
struct Counted(DiskImage, AtomicUsize);

impl DiskRights for Counted {
    fn open_read_only(&self) -> io::Result<File> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.open_read_only()
    }

    fn open_writable(&self) -> io::Result<File> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn close_writable(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_ends_its_reader_three_times_is_given_up_and_said() {
    let image = Image::new(Kind::Fat32, 0);
    // Says hello as a reader does, and dies over its first job.
    let program = image.dir.path().join("dies");
    let hello = r#"{"measures":[]}"#;
    let script = format!("#!/bin/sh\nprintf '\\{:03o}\\0\\0\\0\\0\\0\\0\\0{hello}' >&0\nexit 9\n", hello.len());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let rights = Arc::new(Counted(DiskImage::new(&image.path()), AtomicUsize::new(0)));
    let refused = DiskShelf::with_program(program, rights.clone(), identity(), true).err().unwrap();
    assert!(refused.to_string().contains("ended its reader three times"), "{refused}");
    assert_eq!(refused.retry(), Retry::Permanent);
    assert_eq!(rights.1.load(Ordering::Relaxed), 1 + 3, "the daemon's own descriptor and three readers'");
}

#[test]
fn a_program_that_does_not_start_is_no_fault_of_the_disk() {
    let image = Image::new(Kind::Fat32, 0);
    let rights = Arc::new(DiskImage::new(&image.path()));
    let refused = DiskShelf::with_program("/bin/false".into(), rights, identity(), true).err().unwrap();
    assert_eq!(refused.retry(), Retry::Transient, "{refused:?}");
}

// ---------------------------------------------------------------------------------------------
// Erasing

fn proof(path: &str, size_bytes: u64) -> EraseProof {
    EraseProof { clip: ClipId::generate(NOON), path: SourcePath::new(path), size_bytes, intent_seq: 1 }
}

fn contents(shelf: &dyn Shelf) -> BTreeMap<String, Vec<u8>> {
    let read = |path: &SourcePath| {
        let mut bytes = Vec::new();
        shelf.open(path, 0).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    shelf.list().unwrap().files.iter().map(|f| (f.path.to_text(), read(&f.path))).collect()
}

fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31) ^ (i >> 8) as u8 ^ seed).collect()
}

/// A card with two files that grew in turns, and others around them.
fn worn_card(kind: Kind, start: u64) -> Image {
    let image = Image::new(kind, start);
    image.put("DCIM/100MEDIA/一号现场.mp4", &pattern(1, 30_000));
    image.put("DCIM/100MEDIA/b.mp4", &pattern(2, 30_000));
    for n in 0..4 {
        image.edit(&Change::Append("DCIM/100MEDIA/一号现场.mp4", &pattern(10 + n, 20_000), NOON));
        image.edit(&Change::Append("DCIM/100MEDIA/b.mp4", &pattern(20 + n, 20_000), NOON));
    }
    image.put("DCIM/100MEDIA/c.mp4", &pattern(3, 5000));
    image.put("station_bind.ini", b"[binding]\n");
    image
}

fn fsck(image: &Image) {
    let volume = image.dir.path().join("volume.img");
    let bytes = fs::read(image.path()).unwrap();
    fs::write(&volume, &bytes[image.start as usize..]).unwrap();
    let check: &[&str] = match image.kind {
        Kind::Fat32 => &["fsck.vfat", "-n"],
        Kind::ExFat => &["fsck.exfat", "-n"],
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let out =
        Command::new(check[0]).args(&check[1..]).arg(&volume).env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let out = out.expect("dosfstools and exfatprogs are among the packages of `scripts/setup test`");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

#[test]
fn erasing_takes_one_file_and_leaves_a_file_system_in_order() {
    for (kind, start) in [(Kind::Fat32, PARTITION_AT), (Kind::ExFat, 0)] {
        let image = worn_card(kind, start);
        let shelf = image.shelf(false);
        let before = contents(&shelf);
        assert_eq!(before["DCIM/100MEDIA/b.mp4"].len(), 110_000);
        for (path, size) in [("DCIM/100MEDIA/一号现场.mp4", 110_000), ("DCIM/100MEDIA/c.mp4", 5000)] {
            shelf.erase(&proof(path, size)).unwrap();
            assert_eq!(shelf.stat(&SourcePath::new(path)).unwrap(), None);
        }
        let after = contents(&shelf);
        let kept: Vec<_> = after.keys().map(String::as_str).collect();
        assert_eq!(kept, ["DCIM/100MEDIA/b.mp4", "station_bind.ini"]);
        assert!(after.iter().all(|(path, bytes)| before[path] == *bytes));
        fsck(&image);
        // What was given back can be used again.
        image.put("new.mp4", &pattern(9, 200_000));
        assert!(contents(&shelf)["new.mp4"] == pattern(9, 200_000));
    }
}

#[test]
fn a_file_that_shares_its_clusters_is_not_erased() {
    let image = worn_card(Kind::Fat32, 0);
    let bytes = fs::read(image.path()).unwrap();
    let mut disk = Image::disk(bytes.clone());
    let (_, c) = disk.find(b"DCIM/100MEDIA/c.mp4").unwrap().unwrap();
    let (_, ini) = disk.find(b"station_bind.ini").unwrap().unwrap();
    // The second file's record points to the first cluster of the first one.
    let mut crossed = bytes;
    let low = c.record_at as usize + 26;
    let cluster = [crossed[low], crossed[low + 1]];
    let other = ini.record_at as usize + 26;
    crossed[other..other + 2].copy_from_slice(&cluster);
    fs::write(image.path(), &crossed).unwrap();
    let shelf = image.shelf(false);
    let refused = shelf.erase(&proof("DCIM/100MEDIA/c.mp4", 5000)).unwrap_err();
    assert!(evidock::domain::error::chain(&refused).contains("another file uses the same clusters"), "{refused:?}");
    assert!(fs::read(image.path()).unwrap() == crossed, "nothing was written");
}

/// A disk in memory that keeps each write apart, and what was asked to be kept when.
struct Recording {
    start: Vec<u8>,
    now: RefCell<Vec<u8>>,
    writes: RefCell<Vec<(u64, Vec<u8>)>>,
    /// How many writes were made when the disk was told to keep them.
    kept: RefCell<Vec<usize>>,
}

impl Medium for Recording {
    fn read(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        buf.copy_from_slice(&self.now.borrow()[at as usize..][..buf.len()]);
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.now.borrow_mut()[at as usize..][..bytes.len()].copy_from_slice(bytes);
        self.writes.borrow_mut().push((at, bytes.to_vec()));
        Ok(())
    }

    fn keep(&self) -> io::Result<()> {
        self.kept.borrow_mut().push(self.writes.borrow().len());
        Ok(())
    }
}

/// Path, size, bytes, read by the walk and the pieces of a disk in memory.
fn everything(bytes: &[u8]) -> (BTreeMap<Vec<u8>, Vec<u8>>, Vec<String>) {
    let mut disk = Image::disk(bytes.to_vec());
    let mut walk = disk.walk();
    let (mut files, mut unreadable) = (BTreeMap::new(), Vec::new());
    loop {
        let items = walk.next(&mut disk, 1 << 20).unwrap();
        if items.is_empty() {
            return (files, unreadable);
        }
        for item in items {
            match item {
                Item::File(file) => {
                    let path = file.path.as_bytes().to_vec();
                    let (n, entry) = disk.find(&path).unwrap().unwrap();
                    let pieces = disk.volumes[n].pieces(&mut disk.blocks, &entry, 0, 1000).unwrap();
                    let mut content = Vec::new();
                    for piece in pieces.pieces {
                        let at = piece.disk.unwrap() as usize;
                        content.extend_from_slice(&bytes[at..at + piece.len as usize]);
                    }
                    files.insert(path, content);
                }
                Item::Unreadable(place) => unreadable.push(place.reason),
            }
        }
    }
}

#[test]
fn a_power_cut_while_erasing_never_touches_another_file() {
    for (kind, start) in [(Kind::Fat32, PARTITION_AT), (Kind::ExFat, 0)] {
        let image = worn_card(kind, start);
        let bytes = fs::read(image.path()).unwrap();
        let (before, _) = everything(&bytes);
        let victim = "DCIM/100MEDIA/一号现场.mp4".as_bytes();
        let medium = Recording {
            start: bytes.clone(),
            now: RefCell::new(bytes.clone()),
            writes: RefCell::default(),
            kept: RefCell::default(),
        };
        erase::erase(&mut Image::disk(bytes), &medium, victim, 110_000).unwrap();
        let (writes, kept) = (medium.writes.into_inner(), medium.kept.into_inner());
        assert!(writes.len() > 4, "{kind:?}: {} writes", writes.len());
        assert_eq!(kept.last(), Some(&writes.len()), "{kind:?}: the end is on the medium");
        let mut state = medium.start;
        let mut gone_since = None;
        for cut in 0..=writes.len() {
            if let Some((at, bytes)) = cut.checked_sub(1).map(|n| &writes[n]) {
                state[*at as usize..][..bytes.len()].copy_from_slice(bytes);
            }
            let (after, unreadable) = everything(&state);
            for (path, bytes) in before.iter().filter(|(path, _)| *path != victim) {
                assert!(
                    after.get(path) == Some(bytes),
                    "{kind:?}: cut {cut} changed {}",
                    String::from_utf8_lossy(path)
                );
            }
            // Either it is there as it was, or it is gone and stays gone.
            match after.get(victim) {
                Some(bytes) => assert!(*bytes == before[victim] && gone_since.is_none(), "{kind:?}: cut {cut}"),
                None => _ = gone_since.get_or_insert(cut),
            }
            assert!(unreadable.iter().all(|r| r.contains("deleted in part")), "{kind:?}: cut {cut}: {unreadable:?}");
            // Writes that were not asked to be kept may arrive in any order, or not: all that lie between two demands
            // stand side by side, so that leaving one out is a state of a cut, too.
            let open = kept.iter().rfind(|n| **n < cut).copied().unwrap_or(0);
            let ends: Vec<_> = writes[open..cut].windows(2).map(|w| w[0].0 + w[0].1.len() as u64 == w[1].0).collect();
            assert!(ends.iter().all(|together| *together), "{kind:?}: cut {cut}: a barrier is missing");
        }
        assert!(gone_since.is_some());
        assert!(state == medium.now.into_inner());
    }
}

#[test]
fn a_volume_that_is_not_in_order_is_not_erased_from() {
    let image = worn_card(Kind::ExFat, 0);
    let mut bytes = fs::read(image.path()).unwrap();
    let (_, c) = Image::disk(bytes.clone()).find(b"DCIM/100MEDIA/c.mp4").unwrap().unwrap();
    // One flipped bit in another file's record: what belongs to whom is not certain any more.
    bytes[c.record_at as usize + 40] ^= 1;
    let medium = Recording {
        start: Vec::new(),
        now: RefCell::new(bytes.clone()),
        writes: RefCell::default(),
        kept: RefCell::default(),
    };
    let refused = erase::erase(&mut Image::disk(bytes), &medium, b"station_bind.ini", 10).unwrap_err();
    assert!(matches!(&refused, EraseError::Refused(words) if words.contains("checksum")), "{refused:?}");
    assert!(medium.writes.borrow().is_empty());
}

// ---------------------------------------------------------------------------------------------
// Damage anywhere

/// A card of which single bytes are others.
struct Patched(Arc<Vec<u8>>, Vec<(usize, u8)>);

impl ReadAt for Patched {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.0.read_at(buf, offset)?;
        for (at, byte) in &self.1 {
            if let Some(byte_here) = at.checked_sub(offset as usize).and_then(|i| buf[..n].get_mut(i)) {
                *byte_here = *byte;
            }
        }
        Ok(n)
    }
}

/// Everything that a reader can be asked, on a disk that may say anything.
fn survive(bytes: &Arc<Vec<u8>>, patches: Vec<(usize, u8)>) -> Vec<Item> {
    let len = bytes.len() as u64;
    let mut disk = Disk::open(Blocks::new(Box::new(Patched(Arc::clone(bytes), patches)), len), 512).unwrap();
    let (mut walk, mut all) = (disk.walk(), Vec::new());
    loop {
        let items = walk.next(&mut disk, 1 << 20).unwrap();
        if items.is_empty() {
            return all;
        }
        for item in &items {
            let Item::File(file) = item else { continue };
            let (n, entry) = disk.find(file.path.as_bytes()).unwrap().expect("what is listed is found");
            let pieces = disk.volumes[n].pieces(&mut disk.blocks, &entry, 0, 1000).unwrap();
            let told: u64 = pieces.pieces.iter().map(|p| p.len).sum();
            let whole = told == file.size_bytes && pieces.damage.is_none();
            assert!(told <= file.size_bytes && (whole || pieces.more || pieces.damage.is_some()), "{pieces:?}");
            for piece in pieces.pieces {
                assert!(piece.disk.is_none_or(|at| at + piece.len <= len));
            }
        }
        all.extend(items);
    }
}

#[test]
fn a_bad_sector_in_a_directory_hides_what_stands_in_it_and_nothing_else() {
    let image = Image::new(Kind::ExFat, 0);
    (0..40).for_each(|n| image.put(&format!("DCIM/{n:02}.mp4"), b"footage"));
    let bytes = fs::read(image.path()).unwrap();
    let (_, clip) = Image::disk(bytes.clone()).find(b"DCIM/20.mp4").unwrap().unwrap();
    let bad = clip.record_at / 512;
    let len = bytes.len() as u64;
    let mut disk = Disk::open(Blocks::new(Box::new(Worn(bytes, bad)), len), 512).unwrap();
    let mut walk = disk.walk();
    let items = walk.next(&mut disk, 1 << 20).unwrap();
    let (files, unreadable): (Vec<_>, Vec<_>) = items.iter().partition(|i| matches!(i, Item::File(_)));
    // Sixteen records of 32 bytes stand in a sector, three for each file: at most seven files touch it.
    assert!((33..=36).contains(&files.len()), "{}", files.len());
    let words: Vec<String> = unreadable.iter().map(|i| format!("{i:?}")).collect();
    assert!(words.iter().any(|w| w.contains(&format!("sector {bad} cannot be read"))), "{words:?}");
    assert!(disk.find(b"DCIM/39.mp4").unwrap().is_some());
    assert!(disk.find(b"DCIM/20.mp4").is_err(), "nobody can say that it is not there");
}

/// A card with one bad sector.
struct Worn(Vec<u8>, u64);

impl ReadAt for Worn {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < (self.1 + 1) * 512 && self.1 * 512 < offset + buf.len() as u64 {
            return Err(rustix::io::Errno::IO.into());
        }
        self.0.read_at(buf, offset)
    }
}

#[test]
fn damage_anywhere_ends_in_a_listing() {
    for (kind, start) in [(Kind::Fat32, PARTITION_AT), (Kind::ExFat, 0)] {
        let image = worn_card(kind, start);
        let bytes = Arc::new(fs::read(image.path()).unwrap());
        let mut disk = Image::disk(bytes.to_vec());
        let (n, clip) = disk.find(b"DCIM/100MEDIA/b.mp4").unwrap().unwrap();
        let (_, ini) = disk.find(b"station_bind.ini").unwrap().unwrap();
        let table = disk.volumes[n].heap.tables[0];
        let near = |at: u64| at.saturating_sub(256) as usize;
        // Partition table, boot sector, table, root directory, directory of the clips.
        let places = [446, start as usize, table as usize, near(ini.record_at), near(clip.record_at)];
        let patch = (0..places.len(), 0usize..512, any::<u8>()).prop_map(move |(i, at, byte)| (places[i] + at, byte));
        let config = ProptestConfig { cases: 400, fork: false, ..ProptestConfig::default() };
        TestRunner::new(config)
            .run(&proptest::collection::vec(patch, 1..12), |patches| {
                survive(&bytes, patches);
                Ok(())
            })
            .unwrap();
        // A directory that holds itself, below another name.
        let mut looped = bytes.to_vec();
        let (mut disk, mut first) = (Image::disk(looped.clone()), None);
        let volume = disk.volumes[n].clone();
        volume
            .read_dir(&mut disk.blocks, volume.root, &mut |found| {
                if let Found::Entry(entry) = found
                    && entry.directory
                {
                    first = Some(entry.place);
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        let Some(Place::Clusters { first, .. }) = first else { panic!("DCIM has a place") };
        if kind == Kind::Fat32 {
            // 100MEDIA, the first record after the dots, points back to DCIM.
            let record = volume.heap.at(first) as usize + 64;
            looped[record + 20..record + 22].copy_from_slice(&((first >> 16) as u16).to_le_bytes());
            looped[record + 26..record + 28].copy_from_slice(&(first as u16).to_le_bytes());
            let told = survive(&Arc::new(looped), vec![]);
            let reasons: Vec<_> =
                told.iter().filter_map(|i| if let Item::Unreadable(u) = i { Some(&u.reason) } else { None }).collect();
            assert!(reasons.len() == 1 && reasons[0].contains("a loop"), "{reasons:?}");
        }
    }
}

// ---------------------------------------------------------------------------------------------
// What other tools make

fn run(program: &str, args: &[&str], at: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    let out = Command::new(program).args(args).arg(at).env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let out = out.expect("dosfstools and exfatprogs are among the packages of `scripts/setup test`");
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn volumes_of_the_usual_tools_are_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let table: [(&str, &[&str], &str); 5] = [
        ("mkfs.vfat", &["-F", "32", "-n", "CARD", "-i", "12345678"], "usb-fat"),
        ("mkfs.vfat", &["-F", "16", "-n", "CARD", "-i", "12345678"], "usb-fat"),
        ("mkfs.vfat", &["-F", "12", "-n", "CARD", "-i", "12345678", "-s", "64"], "usb-fat"),
        ("mkfs.vfat", &["-F", "32", "-S", "4096", "-n", "CARD", "-i", "12345678"], "usb-fat"),
        ("mkfs.exfat", &["-L", "CARD"], "usb-exfat"),
    ];
    for (i, (program, args, kind)) in table.into_iter().enumerate() {
        let path = dir.path().join(format!("{i}.img"));
        File::create(&path).unwrap().set_len(64 << 20).unwrap();
        run(program, args, &path);
        let shelf = shelf_over(Arc::new(DiskImage::new(&path)), true).unwrap();
        let told = shelf.identity();
        assert_eq!((told.kind, told.volume_label.as_deref()), (kind, Some("CARD")), "{args:?}");
        assert!(kind == "usb-exfat" || told.volume_id.as_deref() == Some("1234-5678"), "{told:?}");
        let listing = shelf.list().unwrap();
        assert_eq!((listing.files.len(), listing.unreadable.len()), (0, 0), "{args:?} {:?}", listing.unreadable);
    }
}

#[test]
fn a_card_that_was_cut_gives_what_is_left_and_says_what_is_not() {
    let image = Image::new(Kind::Fat32, PARTITION_AT);
    image.put("a.mp4", &pattern(1, 100_000));
    image.put("b.mp4", &pattern(2, 4 << 20));
    File::options().write(true).open(image.path()).unwrap().set_len(5 << 20).unwrap();
    let shelf = image.shelf(true);
    let listing = shelf.list().unwrap();
    assert_eq!(listing.files.len(), 2);
    assert!(listing.unreadable[0].reason.contains("larger than its place"), "{:?}", listing.unreadable);
    let read = |path| {
        let mut bytes = Vec::new();
        let end = shelf.open(&SourcePath::new(path), 0).unwrap().read_to_end(&mut bytes);
        (bytes, end.map_err(|e| e.to_string()))
    };
    assert!(read("a.mp4") == (pattern(1, 100_000), Ok(100_000)));
    let (bytes, end) = read("b.mp4");
    assert!(bytes.len() > 500_000 && pattern(2, 4 << 20).starts_with(&bytes), "{}", bytes.len());
    assert!(end.clone().is_err_and(|e| e.contains("beyond the end of the disk")), "{end:?}");
    assert!(matches!(shelf.erase(&proof("a.mp4", 100_000)), Err(SourceError::Unsupported(_))));
}

#[test]
fn two_volumes_keep_their_files_apart() {
    let image = Image::new(Kind::Fat32, PARTITION_AT);
    image.put("DCIM/a.mp4", b"first");
    let mut first = fs::read(image.path()).unwrap();
    let other = Image::new(Kind::ExFat, 0);
    other.put("DCIM/a.mp4", b"second");
    // A second partition behind the first, and a third that nobody can read.
    for (i, (kind, start, count)) in
        [(0x07u8, IMAGE_BYTES, IMAGE_BYTES), (0x83, 2 * IMAGE_BYTES, 1 << 20)].iter().enumerate()
    {
        let entry = &mut first[462 + 16 * i..478 + 16 * i];
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&((start / 512) as u32).to_le_bytes());
        entry[12..].copy_from_slice(&((count / 512) as u32).to_le_bytes());
    }
    let mut file = File::create(image.path()).unwrap();
    file.write_all(&first).unwrap();
    file.write_all(&fs::read(other.path()).unwrap()).unwrap();
    file.write_all(&[0; 1 << 20]).unwrap();
    let shelf = image.shelf(true);
    let told: Vec<_> = contents(&shelf).into_iter().collect();
    let expected = [("DCIM/a.mp4", &b"first"[..]), ("volume-2/DCIM/a.mp4", b"second")];
    assert_eq!(told, expected.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())));
    let unreadable = shelf.list().unwrap().unreadable;
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].reason.contains("partition 3"), "{unreadable:?}");
}
