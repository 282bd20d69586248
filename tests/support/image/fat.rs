//! FAT12, FAT16 and FAT32 volumes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Canvas, Content, Form, Name, Node, Placed, Stamp, Volume, join};

/// The shape of a volume.
#[derive(Clone, Debug)]
pub struct Shape {
    pub form: Form,
    pub sector_bytes: u16,
    pub sectors_per_cluster: u8,
    pub clusters: u32,
    pub label: [u8; 11],
    pub serial: u32,
    /// Where it begins on the disk.
    pub start: u64,
}

impl Shape {
    /// FAT32 as small as it may be.
    pub fn fat32() -> Self {
        Self {
            form: Form::Fat32,
            sector_bytes: 512,
            sectors_per_cluster: 1,
            clusters: 66_000,
            label: *b"DSJ001     ",
            serial: 0x1234_abcd,
            start: 0,
        }
    }

    pub fn fat16() -> Self {
        Self { form: Form::Fat16, clusters: 5_000, ..Self::fat32() }
    }

    pub fn fat12() -> Self {
        Self { form: Form::Fat12, clusters: 1_000, ..Self::fat32() }
    }

    fn reserved(&self) -> u64 {
        if self.form == Form::Fat32 { 32 } else { 1 }
    }

    fn root_entries(&self) -> u64 {
        if self.form == Form::Fat32 { 0 } else { 512 }
    }

    fn table_sectors(&self) -> u64 {
        let entries = u64::from(self.clusters) + 2;
        let bytes = match self.form {
            Form::Fat12 => (entries * 3).div_ceil(2),
            Form::Fat16 => entries * 2,
            _ => entries * 4,
        };
        bytes.div_ceil(u64::from(self.sector_bytes))
    }

    fn sectors(&self) -> u64 {
        self.data() + u64::from(self.clusters) * u64::from(self.sectors_per_cluster)
    }

    /// First sector of cluster 2.
    fn data(&self) -> u64 {
        self.reserved() + 2 * self.table_sectors() + self.root_entries() * 32 / u64::from(self.sector_bytes)
    }

    /// Bytes of the volume.
    pub fn bytes(&self) -> u64 {
        self.sectors() * u64::from(self.sector_bytes)
    }
}

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
        form: shape.form,
        start: shape.start,
        sector_bytes: sector,
        cluster_bytes: sector * u64::from(shape.sectors_per_cluster),
        clusters: shape.clusters,
        tables: (0..2).map(|n| shape.start + (shape.reserved() + n * shape.table_sectors()) * sector).collect(),
        heap: shape.start + shape.data() * sector,
        placed: BTreeMap::new(),
        used: BTreeSet::new(),
    };
    volume.reserve(root);
    let slots: u64 = 1 + root.iter().map(slots).sum::<u64>();
    let root_clusters = if shape.form == Form::Fat32 { volume.take(None, slots * 32) } else { Vec::new() };
    assert!(shape.form == Form::Fat32 || slots <= shape.root_entries());
    volume.placed.insert(String::new(), Placed { clusters: root_clusters, ..Placed::default() });
    volume.place(root, "", 2, &self::slots);

    let (end, _) = volume.end_and_bad();
    volume.link(canvas, 0, (end & !0xff) | 0xf8);
    volume.link(canvas, 1, end);
    let mut records = Vec::new();
    let mut label = [0; 32];
    label[..11].copy_from_slice(&shape.label);
    label[11] = 8;
    records.push(label);
    write_dir(canvas, &mut volume, root, "", records);
    boot(canvas, shape, &volume);
    volume
}

fn boot(canvas: &mut Canvas, shape: &Shape, volume: &Volume) {
    let is32 = shape.form == Form::Fat32;
    let mut b = vec![0u8; usize::from(shape.sector_bytes)];
    b[..11].copy_from_slice(b"\xeb\x58\x90MSWIN4.1");
    b[11..13].copy_from_slice(&shape.sector_bytes.to_le_bytes());
    b[13] = shape.sectors_per_cluster;
    b[14..16].copy_from_slice(&(shape.reserved() as u16).to_le_bytes());
    b[16] = 2;
    b[17..19].copy_from_slice(&(shape.root_entries() as u16).to_le_bytes());
    b[21] = 0xf8;
    b[24..28].copy_from_slice(&[63, 0, 255, 0]);
    b[28..32].copy_from_slice(&((shape.start / u64::from(shape.sector_bytes)) as u32).to_le_bytes());
    let sectors = shape.sectors() as u32;
    match u16::try_from(sectors) {
        Ok(few) if !is32 => b[19..21].copy_from_slice(&few.to_le_bytes()),
        _ => b[32..36].copy_from_slice(&sectors.to_le_bytes()),
    }
    // The part that stands elsewhere in FAT32.
    let tail = if is32 {
        b[36..40].copy_from_slice(&(shape.table_sectors() as u32).to_le_bytes());
        b[44..48].copy_from_slice(&volume.at("").clusters[0].to_le_bytes());
        b[48..52].copy_from_slice(&[1, 0, 6, 0]);
        64
    } else {
        b[22..24].copy_from_slice(&(shape.table_sectors() as u16).to_le_bytes());
        36
    };
    b[tail] = 0x80;
    b[tail + 2] = 0x29;
    b[tail + 3..tail + 7].copy_from_slice(&shape.serial.to_le_bytes());
    b[tail + 7..tail + 18].copy_from_slice(&shape.label);
    b[tail + 18..tail + 26].copy_from_slice(match shape.form {
        Form::Fat12 => b"FAT12   ",
        Form::Fat16 => b"FAT16   ",
        _ => b"FAT32   ",
    });
    b[510..512].copy_from_slice(&[0x55, 0xaa]);
    canvas.write(shape.start, &b);
    if is32 {
        let mut info = vec![0u8; usize::from(shape.sector_bytes)];
        info[..4].copy_from_slice(b"RRaA");
        info[484..488].copy_from_slice(b"rrAa");
        info[488..492].copy_from_slice(&(shape.clusters - volume.used.len() as u32).to_le_bytes());
        info[492..496].copy_from_slice(&2u32.to_le_bytes());
        info[510..512].copy_from_slice(&[0x55, 0xaa]);
        let sector = u64::from(shape.sector_bytes);
        for copy in [0, 6] {
            canvas.write(shape.start + copy * sector, &b);
            canvas.write(shape.start + (copy + 1) * sector, &info);
        }
    }
}

/// Records that a name needs.
fn slots(node: &Node) -> u64 {
    match &node.name {
        Name::Long(units) => 1 + units.len().div_ceil(13) as u64,
        Name::Short(..) => 1,
    }
}

fn write_dir(canvas: &mut Canvas, volume: &mut Volume, nodes: &[Node], under: &str, mut records: Vec<[u8; 32]>) {
    let here = volume.at(under).clusters.clone();
    for (i, node) in nodes.iter().enumerate() {
        let path = join(under, &node.text());
        let placed = volume.at(&path).clone();
        let first = records.len();
        records.extend(records_of(node, i, &placed));
        let spots: Vec<u64> = (first..records.len())
            .map(|n| match here.is_empty() {
                // The root directory of FAT12 and FAT16 stands before the clusters.
                true => volume.heap - 512 * 32 + n as u64 * 32,
                false => volume.spot(&here, n as u64 * 32),
            })
            .collect();
        volume.placed.get_mut(&path).unwrap().records = spots;
        volume.chain(canvas, &placed.clusters);
        match &node.children {
            None => volume.pour(canvas, &placed.clusters, &node.content),
            Some(children) => {
                let first = placed.clusters[0];
                // The root is cluster 0 to its children.
                let parent = if under.is_empty() { 0 } else { here[0] };
                let dots = [(b".          ", first), (b"..         ", parent)];
                let dots = dots.map(|(name, cluster)| record(name, 0x10, 0, node.modified, cluster, 0));
                write_dir(canvas, volume, children, &path, dots.to_vec());
            }
        }
    }
    let bytes = records.concat();
    if here.is_empty() {
        canvas.write(volume.heap - 512 * 32, &bytes);
    } else {
        volume.chain(canvas, &here);
        volume.pour(canvas, &here, &Content::Bytes(bytes));
    }
}

fn records_of(node: &Node, n: usize, placed: &Placed) -> Vec<[u8; 32]> {
    let attributes = node.attributes | if node.children.is_some() { 0x10 } else { 0 };
    let size = if node.children.is_some() { 0 } else { node.content.len() as u32 };
    let cluster = placed.clusters.first().copied().unwrap_or(0);
    match &node.name {
        Name::Short(short, case) => vec![record(short, attributes, *case, node.modified, cluster, size)],
        Name::Long(units) => {
            let short = alias(units, n);
            let mut records = long_records(units, sum(&short));
            records.push(record(&short, attributes, 0, node.modified, cluster, size));
            records
        }
    }
}

/// A short name that no other file of the directory has.
pub fn alias(units: &[u16], n: usize) -> [u8; 11] {
    let mut short = *b"           ";
    short[..8].copy_from_slice(format!("N{n:05}~1").as_bytes());
    let text = String::from_utf16_lossy(units);
    let ext = text.rsplit_once('.').map(|(_, ext)| ext).unwrap_or_default().to_ascii_uppercase();
    for (to, from) in short[8..].iter_mut().zip(ext.bytes().filter(u8::is_ascii_alphanumeric)) {
        *to = from;
    }
    short
}

/// The checksum over a short name that its long name carries.
pub fn sum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0u8, |sum, b| sum.rotate_right(1).wrapping_add(*b))
}

/// The records of a long name, the last part first.
pub fn long_records(units: &[u16], sum: u8) -> Vec<[u8; 32]> {
    let parts: Vec<&[u16]> = units.chunks(13).collect();
    let mut records = Vec::new();
    for (i, part) in parts.iter().enumerate().rev() {
        let mut r = [0u8; 32];
        r[0] = (i as u8 + 1) | if i + 1 == parts.len() { 0x40 } else { 0 };
        r[11] = 0x0f;
        r[13] = sum;
        let places = (0..5).map(|k| 1 + 2 * k).chain((0..6).map(|k| 14 + 2 * k)).chain((0..2).map(|k| 28 + 2 * k));
        for (k, at) in places.enumerate() {
            let unit = part.get(k).copied().unwrap_or(if k == part.len() { 0 } else { 0xffff });
            r[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        records.push(r);
    }
    records
}

fn record(short: &[u8; 11], attributes: u8, case: u8, modified: Stamp, cluster: u32, size: u32) -> [u8; 32] {
    let mut r = [0u8; 32];
    r[..11].copy_from_slice(short);
    r[11] = attributes;
    r[12] = case;
    r[14..16].copy_from_slice(&modified.time.to_le_bytes());
    r[16..18].copy_from_slice(&modified.date.to_le_bytes());
    r[18..20].copy_from_slice(&modified.date.to_le_bytes());
    r[20..22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
    r[22..24].copy_from_slice(&modified.time.to_le_bytes());
    r[24..26].copy_from_slice(&modified.date.to_le_bytes());
    r[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
    r[28..32].copy_from_slice(&size.to_le_bytes());
    r
}
