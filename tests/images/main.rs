//! Images of FAT and exFAT disks, built from the specifications alone, against the reader of disks: what is listed, the
//! bytes that are read, what is told of damage, and that nothing which is on a disk can take more than its own reader.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../support/image/mod.rs"]
mod image;
#[path = "../support/mod.rs"]
mod support;

mod damaged;
mod mutated;
mod ordinary;
mod station;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use evidock::domain::ports::{Shelf, SourceError};
use evidock::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath};
use evidock::source::usb::disk::{DiskImage, DiskShelf};
use image::{Canvas, Content, Node, Stamp, Volume, fat};

/// The two file systems of recorders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fat32,
    ExFat,
}

const KINDS: [Kind; 2] = [Kind::Fat32, Kind::ExFat];

/// An ordinary small disk without partitions.
fn disk(kind: Kind, root: &[Node]) -> (Canvas, Volume) {
    match kind {
        Kind::Fat32 => fat::disk(&fat::Shape { sectors_per_cluster: 2, ..fat::Shape::fat32() }, root),
        Kind::ExFat => image::exfat::disk(&image::exfat::Shape::small(), root),
    }
}

/// A docked image; its file goes with it.
struct Docked {
    _dir: tempfile::TempDir,
    path: PathBuf,
    shelf: DiskShelf,
}

fn try_dock(canvas: &Canvas) -> Result<Docked, SourceError> {
    // Beside the program and not in /tmp, which may be in memory and then has no direct reads.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("card.img");
    canvas.save(&path);
    let identity = ShelfIdentity { bay: "bay-1".to_owned(), ..ShelfIdentity::default() };
    let program = env!("CARGO_BIN_EXE_evidock").into();
    let shelf = DiskShelf::with_program(program, Arc::new(DiskImage::new(&path)), identity, true)?;
    Ok(Docked { _dir: dir, path, shelf })
}

fn dock(canvas: &Canvas) -> Docked {
    try_dock(canvas).unwrap()
}

impl Docked {
    fn list(&self) -> Listing {
        self.shelf.list().unwrap()
    }

    /// A file's bytes from an offset on, and the error that ended them.
    fn read(&self, path: &[u8], offset: u64) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        let opened = self.shelf.open(&SourcePath::new(path), offset);
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => return (bytes, Some(evidock::domain::error::chain(&error))),
        };
        let ended = reader.read_to_end(&mut bytes).err();
        (bytes, ended.map(|e| e.to_string()))
    }

    /// A file that can be read whole.
    fn whole(&self, path: &str) -> Vec<u8> {
        let (bytes, error) = self.read(path.as_bytes(), 0);
        assert_eq!(error, None, "{path}");
        bytes
    }
}

fn by_path(listing: &Listing) -> BTreeMap<String, ShelfEntry> {
    let text = |e: &ShelfEntry| String::from_utf8_lossy(e.path.as_bytes()).into_owned();
    let all: BTreeMap<_, _> = listing.files.iter().map(|e| (text(e), e.clone())).collect();
    assert_eq!(all.len(), listing.files.len(), "no path comes twice");
    all
}

/// Everything that was put is listed with its size and time and has its bytes, from the beginning and from within;
/// nothing else is listed, and nothing is unreadable.
fn assert_has(docked: &Docked, kind: Kind, root: &[Node]) {
    let listing = docked.list();
    assert_eq!(listing.unreadable, [], "{kind:?}");
    let listed = by_path(&listing);
    let put = image::files_of(root);
    assert_eq!(listed.keys().collect::<Vec<_>>(), put.keys().collect::<Vec<_>>(), "{kind:?}");
    for (path, node) in &put {
        assert_file(docked, kind, &listed[path], node);
    }
}

fn assert_file(docked: &Docked, kind: Kind, entry: &ShelfEntry, node: &Node) {
    let path = entry.path.to_text();
    assert_eq!(entry.size_bytes, node.content.len(), "{path}");
    assert_eq!(entry.modified_raw, told(kind, node.modified), "{path}");
    let again = docked.shelf.stat(&entry.path).unwrap();
    assert_eq!(again.as_ref(), Some(entry), "{path}: a look agrees with the listing");
    let Content::Bytes(bytes) = &node.content else { panic!("{path}: sparse files are looked at apart") };
    let written = node.valid.map_or(bytes.len(), |v| v as usize);
    let expected = [&bytes[..written], &vec![0; bytes.len() - written]].concat();
    assert_eq!(sha(&docked.whole(&path_text(entry))), sha(&expected), "{path}");
    let n = expected.len() as u64;
    for offset in [1, 511, 512, 4095, 4096, 4097, n / 3, n.saturating_sub(1), n] {
        if offset <= n {
            let (rest, error) = docked.read(entry.path.as_bytes(), offset);
            assert_eq!(error, None, "{path} from {offset}");
            assert!(rest == expected[offset as usize..], "{path} from {offset}");
        }
    }
}

fn path_text(entry: &ShelfEntry) -> String {
    String::from_utf8(entry.path.as_bytes().to_vec()).unwrap()
}

fn sha(bytes: &[u8]) -> String {
    use sha2::Digest;
    evidock::domain::digest::to_hex(&sha2::Sha256::digest(bytes))
}

/// What a listing says of a time.
fn told(kind: Kind, at: Stamp) -> String {
    let (date, time) = (at.date, at.time);
    let (y, m, d) = (1980 + (date >> 9), (date >> 5) & 15, date & 31);
    let (h, min, s) = (time >> 11, (time >> 5) & 63, (time & 31) * 2 + u16::from(at.hundredths) / 100);
    let mut text = format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}");
    if kind == Kind::ExFat {
        text += &format!(".{:02}", at.hundredths % 100);
    }
    if at.zone & 0x80 == 0 {
        return format!("local {text}");
    }
    // Seven bits with a sign.
    let quarters = i32::from((at.zone << 1) as i8 >> 1);
    let sign = if quarters < 0 { '-' } else { '+' };
    format!("{text}{sign}{:02}:{:02}", quarters.abs() / 4, quarters.abs() % 4 * 15)
}

/// Bytes in which no two sectors are alike, other ones for each seed.
fn footage(len: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A tool's verdict on an image; `None` when it has nothing to say against it.
fn verdict(program: &str, args: &[&str], image: &Path) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let out = Command::new(program).args(args).arg(image).env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let out = out.expect("dosfstools, exfatprogs and mtools are among the packages of `scripts/setup test`");
    let words = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (!out.status.success()).then_some(words)
}

/// The file systems' own checkers find nothing wrong with a volume without partitions.
fn assert_in_order(kind: Kind, image: &Path) {
    let (program, args): (_, &[&str]) = match kind {
        Kind::Fat32 => ("fsck.vfat", &["-n", "-V"]),
        Kind::ExFat => ("fsck.exfat", &["-n"]),
    };
    assert_eq!(verdict(program, args, image), None, "{kind:?}");
}
