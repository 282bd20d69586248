//! Disks with FAT and exFAT on them, built from the file systems' specifications and from nothing of evidock: every
//! cluster, name and time is the test's choice, also the ones that no system would write. A disk takes as much memory
//! as is written to it, so that files of many gigabytes cost nothing.
//!
//! A volume is built whole and in order ([`fat::build`], [`exfat::build`]; dosfstools and exfatprogs agree); damage is
//! done afterwards, at places that the [`Volume`] knows.
//!
//! Sources: Microsoft FAT32 File System Specification 1.03; exFAT file system specification (Microsoft, 2019); UEFI
//! specification 2.10, chapter 5 (GPT).

#![allow(dead_code)] // Each test binary uses its own part of this.

pub mod exfat;
pub mod fat;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: u64 = 4096;

/// The contents of a disk; what was never written is zeros.
#[derive(Clone)]
pub struct Canvas {
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
    len: u64,
}

impl Canvas {
    /// A disk of zeros.
    pub fn new(len: u64) -> Self {
        Self { pages: BTreeMap::new(), len }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The disk ends here now.
    pub fn cut(&mut self, len: u64) {
        self.len = len;
    }

    /// Fills a buffer; beyond the end are zeros.
    pub fn fill(&self, at: u64, buf: &mut [u8]) {
        let mut done = 0;
        while done < buf.len() {
            let here = at + done as u64;
            let (page, from) = (here / PAGE, (here % PAGE) as usize);
            let n = (PAGE as usize - from).min(buf.len() - done);
            match self.pages.get(&page) {
                Some(bytes) => buf[done..done + n].copy_from_slice(&bytes[from..from + n]),
                None => buf[done..done + n].fill(0),
            }
            done += n;
        }
    }

    pub fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(at, &mut bytes);
        bytes
    }

    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        assert!(at + bytes.len() as u64 <= self.len, "{at} + {} is outside the disk of {}", bytes.len(), self.len);
        let mut done = 0;
        while done < bytes.len() {
            let here = at + done as u64;
            let (page, from) = (here / PAGE, (here % PAGE) as usize);
            let n = (PAGE as usize - from).min(bytes.len() - done);
            let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE as usize]));
            page[from..from + n].copy_from_slice(&bytes[done..done + n]);
            done += n;
        }
    }

    pub fn byte(&self, at: u64) -> u8 {
        self.read(at, 1)[0]
    }

    pub fn u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.read(at, 2).try_into().unwrap())
    }

    pub fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.read(at, 4).try_into().unwrap())
    }

    /// Writes it as a sparse file.
    pub fn save(&self, path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(self.len).unwrap();
        for (page, bytes) in &self.pages {
            let at = page * PAGE;
            let n = self.len.saturating_sub(at).min(PAGE) as usize;
            file.write_all_at(&bytes[..n], at).unwrap();
        }
    }

    /// The sectors of 512 bytes that are not zeros.
    pub fn sectors(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let all = self.pages.iter().flat_map(|(page, bytes)| {
            let page = *page;
            bytes.chunks(512).enumerate().map(move |(i, sector)| (page * 8 + i as u64, sector))
        });
        all.filter(|(_, sector)| sector.iter().any(|b| *b != 0))
    }
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub enum Content {
    Bytes(Vec<u8>),
    /// Zeros of that length but for some marks.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Sparse(len, _) => *len,
        }
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A moment as directories keep it, field by field, so that it can be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub date: u16,
    pub time: u16,
    /// Of two seconds; exFAT only.
    pub hundredths: u8,
    /// The byte of exFAT: 0x80 and quarters of an hour from UTC in seven bits, or 0 where nobody says.
    pub zone: u8,
}

impl Stamp {
    pub fn new(year: u16, month: u16, day: u16, hour: u16, minute: u16, second: u16) -> Self {
        let date = ((year - 1980) << 9) | (month << 5) | day;
        Self { date, time: (hour << 11) | (minute << 5) | (second / 2), hundredths: 0, zone: 0 }
    }

    pub fn hundredths(self, hundredths: u8) -> Self {
        Self { hundredths, ..self }
    }

    /// East of UTC, in quarters of an hour.
    pub fn quarters(self, quarters: i8) -> Self {
        Self { zone: 0x80 | (quarters as u8 & 0x7f), ..self }
    }
}

/// The day on which every file was recorded that has no time of its own.
pub fn noon() -> Stamp {
    Stamp::new(2026, 6, 19, 12, 3, 24)
}

/// How a name is kept.
#[derive(Clone, Debug)]
pub enum Name {
    /// UTF-16 units, valid or not.
    Long(Vec<u16>),
    /// FAT only: the eleven bytes, and the byte of Windows that says what of it is lower case.
    Short([u8; 11], u8),
}

/// A file or a directory that is to be built.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: Name,
    pub content: Content,
    /// A directory, with what is in it.
    pub children: Option<Vec<Node>>,
    pub modified: Stamp,
    /// Read-only 1, hidden 2, system 4, archive 32; that of a directory is added.
    pub attributes: u8,
    /// Its clusters in their order; else the first free ones.
    pub on: Option<Vec<u32>>,
    /// exFAT: its clusters stand together and have no chain.
    pub together: bool,
    /// exFAT: so many bytes of it were ever written.
    pub valid: Option<u64>,
}

/// A file.
pub fn file(name: &str, content: impl Into<Content>) -> Node {
    Node {
        name: Name::Long(name.encode_utf16().collect()),
        content: content.into(),
        children: None,
        modified: noon(),
        attributes: 0x20,
        on: None,
        together: false,
        valid: None,
    }
}

/// A directory.
pub fn dir(name: &str, children: Vec<Node>) -> Node {
    Node { children: Some(children), attributes: 0, ..file(name, Vec::new()) }
}

impl Node {
    pub fn named(mut self, units: &[u16]) -> Self {
        self.name = Name::Long(units.to_vec());
        self
    }

    /// Eleven bytes: eight of the base, three of the extension.
    pub fn short(mut self, name: &[u8; 11], case: u8) -> Self {
        self.name = Name::Short(*name, case);
        self
    }

    pub fn modified(mut self, stamp: Stamp) -> Self {
        self.modified = stamp;
        self
    }

    pub fn attributes(mut self, attributes: u8) -> Self {
        self.attributes = attributes;
        self
    }

    pub fn on(mut self, clusters: impl IntoIterator<Item = u32>) -> Self {
        self.on = Some(clusters.into_iter().collect());
        self
    }

    pub fn together(mut self) -> Self {
        self.together = true;
        self
    }

    pub fn valid(mut self, bytes: u64) -> Self {
        self.valid = Some(bytes);
        self
    }

    /// The name as text, by which a [`Volume`] knows it.
    pub fn text(&self) -> String {
        match &self.name {
            Name::Long(units) => String::from_utf16_lossy(units),
            Name::Short(bytes, _) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// Where something of a volume stands on the disk.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    pub clusters: Vec<u32>,
    /// Each of its records of 32 bytes, in their order.
    pub records: Vec<u64>,
    pub size: u64,
}

impl Placed {
    /// The record that every FAT system reads: the last. Of exFAT the first is the one.
    pub fn last(&self) -> u64 {
        *self.records.last().unwrap()
    }
}

/// What a table of clusters looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Fat12,
    Fat16,
    Fat32,
    ExFat,
}

/// A volume that was built, and where things stand on it.
#[derive(Clone, Debug)]
pub struct Volume {
    pub form: Form,
    /// Where it begins on the disk.
    pub start: u64,
    pub sector_bytes: u64,
    pub cluster_bytes: u64,
    /// How many there are; they are counted from 2.
    pub clusters: u32,
    /// Where each table of clusters begins on the disk.
    pub tables: Vec<u64>,
    /// Where cluster 2 begins on the disk.
    pub heap: u64,
    /// What stands where, by path.
    pub placed: BTreeMap<String, Placed>,
    /// Taken clusters.
    pub used: BTreeSet<u32>,
}

impl Volume {
    pub fn cluster_at(&self, cluster: u32) -> u64 {
        self.heap + u64::from(cluster - 2) * self.cluster_bytes
    }

    /// The mark of an end, and of a cluster that is bad.
    pub fn end_and_bad(&self) -> (u32, u32) {
        match self.form {
            Form::Fat12 => (0xfff, 0xff7),
            Form::Fat16 => (0xffff, 0xfff7),
            Form::Fat32 => (0x0fff_ffff, 0x0fff_fff7),
            Form::ExFat => (0xffff_ffff, 0xffff_fff7),
        }
    }

    /// Writes what follows a cluster, in every table.
    pub fn link(&self, canvas: &mut Canvas, cluster: u32, next: u32) {
        for table in &self.tables {
            match self.form {
                Form::Fat12 => {
                    let at = table + u64::from(cluster + cluster / 2);
                    let old = canvas.u16(at);
                    let new = if cluster.is_multiple_of(2) {
                        (old & 0xf000) | next as u16
                    } else {
                        (old & 0xf) | (next as u16) << 4
                    };
                    canvas.write(at, &new.to_le_bytes());
                }
                Form::Fat16 => canvas.write(table + u64::from(cluster) * 2, &(next as u16).to_le_bytes()),
                Form::Fat32 => canvas.write(table + u64::from(cluster) * 4, &(next & 0x0fff_ffff).to_le_bytes()),
                Form::ExFat => canvas.write(table + u64::from(cluster) * 4, &next.to_le_bytes()),
            }
        }
    }

    /// Links clusters to a chain that ends.
    pub fn chain(&self, canvas: &mut Canvas, clusters: &[u32]) {
        for pair in clusters.windows(2) {
            self.link(canvas, pair[0], pair[1]);
        }
        if let Some(last) = clusters.last() {
            self.link(canvas, *last, self.end_and_bad().0);
        }
    }

    /// What was put under a path.
    pub fn at(&self, path: &str) -> &Placed {
        self.placed.get(path).unwrap_or_else(|| panic!("nothing was put at {path}"))
    }

    /// Takes clusters: those that are wanted, else the first free ones.
    fn take(&mut self, wanted: Option<&[u32]>, bytes: u64) -> Vec<u32> {
        let count = bytes.div_ceil(self.cluster_bytes);
        let taken: Vec<u32> = match wanted {
            Some(clusters) => clusters.to_vec(),
            None => {
                let end = 2 + self.clusters;
                let mut free = (2..end).filter(|c| !self.used.contains(c));
                (0..count).map(|_| free.next().expect("room on the volume")).collect()
            }
        };
        assert!(taken.len() as u64 >= count, "{} clusters are too few for {bytes} bytes", taken.len());
        self.used.extend(&taken);
        taken
    }

    /// Keeps what nodes ask for, before others take it.
    fn reserve(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.used.extend(node.on.iter().flatten());
            self.reserve(node.children.as_deref().unwrap_or_default());
        }
    }

    /// Finds room for everything below a directory. `slots` tells how many records of 32 bytes a node needs.
    fn place(&mut self, nodes: &[Node], under: &str, extra: u64, slots: &impl Fn(&Node) -> u64) {
        for node in nodes {
            let path = join(under, &node.text());
            let bytes = match &node.children {
                Some(children) => 32 * (extra + children.iter().map(slots).sum::<u64>()).max(1),
                None => node.content.len(),
            };
            let clusters = self.take(node.on.as_deref(), bytes);
            let size = match &node.children {
                Some(_) => clusters.len() as u64 * self.cluster_bytes,
                None => node.content.len(),
            };
            let placed = Placed { clusters, records: Vec::new(), size };
            assert!(self.placed.insert(path.clone(), placed).is_none(), "{path} stands there already");
            self.place(node.children.as_deref().unwrap_or_default(), &path, extra, slots);
        }
    }

    /// Writes bytes over clusters.
    fn pour(&self, canvas: &mut Canvas, clusters: &[u32], content: &Content) {
        let mut put = |at: u64, bytes: &[u8]| {
            let mut done = 0;
            while done < bytes.len() {
                let here = at + done as u64;
                let from = here % self.cluster_bytes;
                let n = ((self.cluster_bytes - from) as usize).min(bytes.len() - done);
                let cluster = clusters[(here / self.cluster_bytes) as usize];
                canvas.write(self.cluster_at(cluster) + from, &bytes[done..done + n]);
                done += n;
            }
        };
        match content {
            Content::Bytes(bytes) => put(0, bytes),
            Content::Sparse(_, marks) => marks.iter().for_each(|(at, bytes)| put(*at, bytes)),
        }
    }

    /// Where on the disk a byte of these clusters stands.
    fn spot(&self, clusters: &[u32], at: u64) -> u64 {
        self.cluster_at(clusters[(at / self.cluster_bytes) as usize]) + at % self.cluster_bytes
    }
}

/// A path below another.
pub fn join(under: &str, name: &str) -> String {
    if under.is_empty() { name.to_owned() } else { format!("{under}/{name}") }
}

/// Every file below these nodes that is no directory, by path.
pub fn files_of(nodes: &[Node]) -> BTreeMap<String, Node> {
    fn gather(nodes: &[Node], under: &str, all: &mut BTreeMap<String, Node>) {
        for node in nodes {
            let path = join(under, &node.text());
            match &node.children {
                Some(children) => gather(children, &path, all),
                None => drop(all.insert(path, node.clone())),
            }
        }
    }
    let mut all = BTreeMap::new();
    gather(nodes, "", &mut all);
    all
}
