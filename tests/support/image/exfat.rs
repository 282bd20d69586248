//! exFAT volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::{Canvas, Content, Form, Name, Node, Placed, Volume, join};

/// The shape of a volume.
#[derive(Clone, Debug)]
pub struct Shape {
    pub sector_bytes: u32,
    pub cluster_bytes: u32,
    pub clusters: u32,
    pub label: &'static str,
    pub serial: u32,
    /// Where it begins on the disk.
    pub start: u64,
}

impl Shape {
    pub fn small() -> Self {
        Self {
            sector_bytes: 512,
            cluster_bytes: 4096,
            clusters: 2_000,
            label: "执法001",
            serial: 0x1234_abcd,
            start: 0,
        }
    }

    fn table_sectors(&self) -> u64 {
        ((u64::from(self.clusters) + 2) * 4).div_ceil(u64::from(self.sector_bytes))
    }

    /// First sector of cluster 2: aligned, as formatting tools do.
    fn heap(&self) -> u64 {
        let per_cluster = u64::from(self.cluster_bytes / self.sector_bytes);
        (24 + self.table_sectors()).next_multiple_of(per_cluster)
    }

    fn sectors(&self) -> u64 {
        self.heap() + u64::from(self.clusters) * u64::from(self.cluster_bytes / self.sector_bytes)
    }

    /// Bytes of the volume.
    pub fn bytes(&self) -> u64 {
        self.sectors() * u64::from(self.sector_bytes)
    }
}

/// The names under which a [`Volume`] knows its own parts.
pub const BITMAP: &str = "\u{1}bitmap";
pub const UPCASE: &str = "\u{1}upcase";

/// A disk with nothing but this volume.
pub fn disk(shape: &Shape, root: &[Node]) -> (Canvas, Volume) {
    let mut canvas = Canvas::new(shape.start + shape.bytes());
    let volume = build(&mut canvas, shape, root);
    (canvas, volume)
}

/// Makes the volume on a disk. In `placed`, the root directory is the empty path.
pub fn build(canvas: &mut Canvas, shape: &Shape, root: &[Node]) -> Volume {
    let sector = u64::from(shape.sector_bytes);
    let mut volume = Volume {
        form: Form::ExFat,
        start: shape.start,
        sector_bytes: sector,
        cluster_bytes: u64::from(shape.cluster_bytes),
        clusters: shape.clusters,
        tables: vec![shape.start + 24 * sector],
        heap: shape.start + shape.heap() * sector,
        placed: BTreeMap::new(),
        used: BTreeSet::new(),
    };
    volume.reserve(root);
    let bitmap_bytes = u64::from(shape.clusters.div_ceil(8));
    let upcase = upcase_table();
    for (name, bytes) in [(BITMAP, bitmap_bytes), (UPCASE, upcase.len() as u64)] {
        let placed = Placed { clusters: volume.take(None, bytes), records: Vec::new(), size: bytes };
        volume.chain(canvas, &placed.clusters);
        volume.placed.insert(name.to_owned(), placed);
    }
    let slots: u64 = 3 + root.iter().map(slots).sum::<u64>();
    let root_clusters = volume.take(None, slots * 32);
    volume.placed.insert(String::new(), Placed { clusters: root_clusters, ..Placed::default() });
    volume.place(root, "", 0, &self::slots);
    volume.link(canvas, 0, 0xffff_fff8);
    volume.link(canvas, 1, 0xffff_ffff);

    let first = |name: &str| volume.at(name).clusters[0];
    let mut own = [[0u8; 32]; 3];
    let label: Vec<u16> = shape.label.encode_utf16().collect();
    own[0][..2].copy_from_slice(&[0x83, label.len() as u8]);
    for (i, unit) in label.iter().enumerate() {
        own[0][2 + 2 * i..4 + 2 * i].copy_from_slice(&unit.to_le_bytes());
    }
    own[1][0] = 0x81;
    own[1][20..24].copy_from_slice(&first(BITMAP).to_le_bytes());
    own[1][24..32].copy_from_slice(&bitmap_bytes.to_le_bytes());
    own[2][0] = 0x82;
    own[2][4..8]
        .copy_from_slice(&upcase.iter().fold(0u32, |s, b| s.rotate_right(1).wrapping_add(u32::from(*b))).to_le_bytes());
    own[2][20..24].copy_from_slice(&first(UPCASE).to_le_bytes());
    own[2][24..32].copy_from_slice(&(upcase.len() as u64).to_le_bytes());
    write_dir(canvas, &mut volume, root, "", own.to_vec());

    let mut bitmap = vec![0u8; bitmap_bytes as usize];
    for cluster in &volume.used {
        bitmap[(cluster - 2) as usize / 8] |= 1 << ((cluster - 2) % 8);
    }
    volume.pour(canvas, &volume.at(BITMAP).clusters, &Content::Bytes(bitmap));
    volume.pour(canvas, &volume.at(UPCASE).clusters, &Content::Bytes(upcase.to_vec()));
    boot(canvas, shape, &volume);
    volume
}

fn boot(canvas: &mut Canvas, shape: &Shape, volume: &Volume) {
    let sector = shape.sector_bytes as usize;
    let mut b = vec![0u8; sector];
    b[..11].copy_from_slice(b"\xeb\x76\x90EXFAT   ");
    b[64..72].copy_from_slice(&(shape.start / sector as u64).to_le_bytes());
    b[72..80].copy_from_slice(&shape.sectors().to_le_bytes());
    b[80..84].copy_from_slice(&24u32.to_le_bytes());
    b[84..88].copy_from_slice(&(shape.table_sectors() as u32).to_le_bytes());
    b[88..92].copy_from_slice(&(shape.heap() as u32).to_le_bytes());
    b[92..96].copy_from_slice(&shape.clusters.to_le_bytes());
    b[96..100].copy_from_slice(&volume.at("").clusters[0].to_le_bytes());
    b[100..104].copy_from_slice(&shape.serial.to_le_bytes());
    b[104..106].copy_from_slice(&0x0100u16.to_le_bytes());
    b[108] = shape.sector_bytes.trailing_zeros() as u8;
    b[109] = (shape.cluster_bytes / shape.sector_bytes).trailing_zeros() as u8;
    b[110] = 1;
    b[111] = 0x80;
    b[112] = (volume.used.len() as u64 * 100 / u64::from(shape.clusters)) as u8;
    b[510..512].copy_from_slice(&[0x55, 0xaa]);
    canvas.write(shape.start, &b);
    for n in 1..9 {
        canvas.write(shape.start + (n + 1) * sector as u64 - 4, &0xaa55_0000u32.to_le_bytes());
    }
    seal_boot(canvas, shape);
    let region = canvas.read(shape.start, 12 * sector);
    canvas.write(shape.start + 12 * sector as u64, &region);
}

/// Makes the checksum of the main boot region right.
pub fn seal_boot(canvas: &mut Canvas, shape: &Shape) {
    let sector = shape.sector_bytes as usize;
    let region = canvas.read(shape.start, 11 * sector);
    let bytes = region.iter().enumerate().filter(|(i, _)| !matches!(i, 106 | 107 | 112));
    let sum = bytes.fold(0u32, |sum, (_, b)| sum.rotate_right(1).wrapping_add(u32::from(*b)));
    canvas.write(shape.start + 11 * sector as u64, &sum.to_le_bytes().repeat(sector / 4));
}

fn slots(node: &Node) -> u64 {
    2 + units_of(node).len().div_ceil(15) as u64
}

fn units_of(node: &Node) -> &[u16] {
    match &node.name {
        Name::Long(units) => units,
        Name::Short(..) => panic!("exFAT has no short names"),
    }
}

fn write_dir(canvas: &mut Canvas, volume: &mut Volume, nodes: &[Node], under: &str, mut records: Vec<[u8; 32]>) {
    let here = volume.at(under).clusters.clone();
    for node in nodes {
        let path = join(under, &node.text());
        let placed = volume.at(&path).clone();
        let first = records.len();
        records.extend(records_of(node, &placed));
        let spots = (first..records.len()).map(|n| volume.spot(&here, n as u64 * 32)).collect();
        volume.placed.get_mut(&path).unwrap().records = spots;
        if !node.together {
            volume.chain(canvas, &placed.clusters);
        }
        match &node.children {
            None => volume.pour(canvas, &placed.clusters, &node.content),
            Some(children) => write_dir(canvas, volume, children, &path, Vec::new()),
        }
    }
    if !under.is_empty() && volume.at(under).clusters.is_empty() {
        return;
    }
    // The chain of the root; of others, whoever lists them has written it.
    if under.is_empty() {
        volume.chain(canvas, &here);
    }
    volume.pour(canvas, &here, &Content::Bytes(records.concat()));
}

fn records_of(node: &Node, placed: &Placed) -> Vec<[u8; 32]> {
    let units = units_of(node);
    let names = units.len().div_ceil(15);
    let mut r = vec![[0u8; 32]; 2 + names];
    let is_dir = node.children.is_some();
    let stamp = (u32::from(node.modified.date) << 16 | u32::from(node.modified.time)).to_le_bytes();
    r[0][0] = 0x85;
    r[0][1] = (1 + names) as u8;
    r[0][4] = node.attributes | if is_dir { 0x10 } else { 0 };
    for at in [8, 12, 16] {
        r[0][at..at + 4].copy_from_slice(&stamp);
    }
    r[0][20..22].copy_from_slice(&[node.modified.hundredths; 2]);
    r[0][22..25].copy_from_slice(&[node.modified.zone; 3]);
    r[1][0] = 0xc0;
    r[1][1] = 1 | if node.together { 2 } else { 0 };
    r[1][3] = units.len() as u8;
    r[1][4..6].copy_from_slice(&name_hash(units).to_le_bytes());
    r[1][8..16].copy_from_slice(&node.valid.unwrap_or(placed.size).to_le_bytes());
    r[1][20..24].copy_from_slice(&placed.clusters.first().copied().unwrap_or(0).to_le_bytes());
    r[1][24..32].copy_from_slice(&placed.size.to_le_bytes());
    for (n, part) in units.chunks(15).enumerate() {
        r[2 + n][0] = 0xc1;
        for (k, unit) in part.iter().enumerate() {
            r[2 + n][2 + 2 * k..4 + 2 * k].copy_from_slice(&unit.to_le_bytes());
        }
    }
    let sum = set_sum(&r.concat());
    r[0][2..4].copy_from_slice(&sum.to_le_bytes());
    r
}

/// The checksum of a set of records.
pub fn set_sum(set: &[u8]) -> u16 {
    let bytes = set.iter().enumerate().filter(|(i, _)| !matches!(i, 2 | 3));
    bytes.fold(0u16, |sum, (_, b)| sum.rotate_right(1).wrapping_add(u16::from(*b)))
}

/// Makes the checksum of a file's records right, as somebody would who means to deceive.
pub fn seal(canvas: &mut Canvas, records: &[u64]) {
    let set: Vec<u8> = records.iter().flat_map(|at| canvas.read(*at, 32)).collect();
    canvas.write(records[0] + 2, &set_sum(&set).to_le_bytes());
}

fn name_hash(units: &[u16]) -> u16 {
    let bytes = units.iter().flat_map(|u| upper(*u).to_le_bytes());
    bytes.fold(0u16, |hash, b| hash.rotate_right(1).wrapping_add(u16::from(b)))
}

fn upper(unit: u16) -> u16 {
    let mut up = match char::from_u32(u32::from(unit)) {
        Some(c) => c.to_uppercase(),
        None => return unit,
    };
    match (up.next(), up.next()) {
        (Some(c), None) => u16::try_from(u32::from(c)).unwrap_or(unit),
        _ => unit,
    }
}

/// The compressed table of upper case letters: where several follow that are their own, 0xFFFF and how many.
fn upcase_table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut units: Vec<u16> = Vec::new();
        let mut same = 0u32;
        let flush = |units: &mut Vec<u16>, unit: u32, same: u32| match same {
            0 => {}
            1 | 2 => units.extend((unit - same..unit).map(|u| u as u16)),
            _ => units.extend([0xffff, same as u16]),
        };
        for unit in 0..0xffff_u32 {
            let up = upper(unit as u16);
            if u32::from(up) == unit {
                same += 1;
            } else {
                flush(&mut units, unit, same);
                same = 0;
                units.push(up);
            }
        }
        flush(&mut units, 0xffff, same);
        // The last one, which means itself and may not stand as it is.
        units.extend([0xffff, 1]);
        units.iter().flat_map(|u| u.to_le_bytes()).collect()
    })
}
