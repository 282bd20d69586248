//! Where on a disk volumes stand: MBR with its chain of extended partitions, GPT with its copy, or one file system
//! without any table. Every number in a table may be a lie: ranges are cut to the disk, chains and counts are
//! bounded, and what is left out is told.

use super::blocks::{Blocks, ReadError};

/// Most partitions of one disk that are looked at. GPT has 128 by custom; recorders have one or two.
pub const MAX_PARTITIONS: usize = 128;

/// Most links of a chain of extended partitions.
const MAX_CHAIN: usize = 64;

/// Longest table of a GPT: 128 entries of 128 bytes by custom, and room for wider ones.
const MAX_GPT_TABLE_BYTES: u64 = 128 << 10;

/// A range of a disk that may hold a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// First byte on the disk.
    pub start: u64,
    /// Bytes, cut to the disk.
    pub len: u64,
    /// The table says more than the disk has.
    pub cut: bool,
}

/// What a disk is divided into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// In the order of the table.
    pub slices: Vec<Slice>,
    /// What the table says that cannot be: in words.
    pub damage: Vec<String>,
}

/// Reads the table of a disk that begins with no file system. Empty where there is none.
pub fn read(blocks: &mut Blocks, sector_bytes: u64) -> Result<Table, ReadError> {
    let mut first = [0; 512];
    blocks.read(0, &mut first)?;
    let entries = mbr_entries(&first);
    let mut table = Table::default();
    if entries.iter().any(|e| e.kind == 0xee) || entries.is_empty() {
        // Images keep no sector size: the other one is tried, too.
        for sector in [sector_bytes, 512, 4096] {
            if let Some(found) = gpt(blocks, sector)? {
                return Ok(found);
            }
        }
        if !entries.is_empty() {
            table.damage.push("its GPT and the copy of it are damaged".to_owned());
        }
    }
    let disk = blocks.disk_bytes();
    for entry in entries.iter().filter(|e| e.kind != 0xee) {
        if matches!(entry.kind, 0x05 | 0x0f | 0x85) {
            extended(blocks, sector_bytes, entry.start, &mut table)?;
        } else {
            table.add(disk, u64::from(entry.start) * sector_bytes, u64::from(entry.count) * sector_bytes);
        }
    }
    Ok(table)
}

impl Table {
    fn add(&mut self, disk: u64, start: u64, len: u64) {
        if self.slices.len() >= MAX_PARTITIONS {
            let more = format!("it has more than {MAX_PARTITIONS} partitions; the rest was not looked at");
            if self.damage.last() != Some(&more) {
                self.damage.push(more);
            }
            return;
        }
        if start >= disk || start == 0 {
            self.damage.push("a partition begins outside the disk".to_owned());
            return;
        }
        let whole = len.min(disk - start);
        self.slices.push(Slice { start, len: whole, cut: whole < len });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MbrEntry {
    kind: u8,
    start: u32,
    count: u32,
}

/// The used entries of a boot record; none where it is no boot record.
fn mbr_entries(sector: &[u8; 512]) -> Vec<MbrEntry> {
    if sector[510..] != [0x55, 0xaa] {
        return Vec::new();
    }
    let entry = |i: usize| {
        let e = &sector[446 + 16 * i..462 + 16 * i];
        MbrEntry { kind: e[4], start: le32(e, 8), count: le32(e, 12) }
    };
    // The first byte of an entry is 0x80 or 0: anything else is the text or code of a boot sector.
    let table = (0..4).all(|i| sector[446 + 16 * i] & 0x7f == 0);
    (0..4).map(entry).filter(|e| table && e.kind != 0 && e.count != 0).collect()
}

/// Follows the chain: each link names one partition (relative to itself) and the next link (relative to the first).
fn extended(blocks: &mut Blocks, sector: u64, base: u32, table: &mut Table) -> Result<(), ReadError> {
    let (disk, mut link) = (blocks.disk_bytes(), u64::from(base));
    let mut seen = Vec::new();
    loop {
        if seen.contains(&link) || seen.len() >= MAX_CHAIN {
            table.damage.push("its chain of extended partitions is a loop or too long".to_owned());
            return Ok(());
        }
        seen.push(link);
        let mut record = [0; 512];
        match blocks.read(link * sector, &mut record) {
            Ok(()) => {}
            Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
            Err(error) => {
                table.damage.push(format!("its chain of extended partitions is broken: {error}"));
                return Ok(());
            }
        }
        let mut next = None;
        for entry in mbr_entries(&record) {
            if matches!(entry.kind, 0x05 | 0x0f | 0x85) {
                next = Some(u64::from(base) + u64::from(entry.start));
            } else {
                table.add(disk, (link + u64::from(entry.start)) * sector, u64::from(entry.count) * sector);
            }
        }
        let Some(next) = next else { return Ok(()) };
        link = next;
    }
}

/// The GPT in sector 1, else its copy in the last sector; `None` where neither is one.
fn gpt(blocks: &mut Blocks, sector: u64) -> Result<Option<Table>, ReadError> {
    let disk = blocks.disk_bytes();
    for (copy, at) in [(false, sector), (true, (disk / sector).saturating_sub(1) * sector)] {
        match gpt_at(blocks, sector, at) {
            Ok(Some(mut table)) => {
                if copy {
                    table.damage.push("its GPT is damaged; the copy of it was used".to_owned());
                }
                return Ok(Some(table));
            }
            Ok(None) => {}
            Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Layout: UEFI Specification 2.10, 5.3.2 and 5.3.3.
fn gpt_at(blocks: &mut Blocks, sector: u64, at: u64) -> Result<Option<Table>, ReadError> {
    let mut header = [0; 512];
    blocks.read(at, &mut header)?;
    let header_bytes = le32(&header, 12) as usize;
    if header[..8] != *b"EFI PART" || !(92..=512).contains(&header_bytes) {
        return Ok(None);
    }
    let mut summed = header[..header_bytes].to_vec();
    summed[16..20].fill(0);
    if crc32(&summed) != le32(&header, 16) {
        return Ok(None);
    }
    let (entries, entry_bytes) = (u64::from(le32(&header, 80)), u64::from(le32(&header, 84)));
    let table_bytes = entries.saturating_mul(entry_bytes);
    if entry_bytes < 128 || table_bytes > MAX_GPT_TABLE_BYTES {
        return Ok(None);
    }
    let Some(entries_at) = le64(&header, 72).checked_mul(sector) else { return Ok(None) };
    let mut raw = vec![0; table_bytes as usize];
    blocks.read(entries_at, &mut raw)?;
    if crc32(&raw) != le32(&header, 88) {
        return Ok(None);
    }
    let mut table = Table::default();
    for entry in raw.chunks_exact(entry_bytes as usize).filter(|e| e[..16] != [0; 16]) {
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        let range = last.checked_sub(first).and_then(|n| (n + 1).checked_mul(sector)).zip(first.checked_mul(sector));
        match range {
            Some((len, start)) => table.add(blocks.disk_bytes(), start, len),
            None => table.damage.push("a partition ends before it begins".to_owned()),
        }
    }
    Ok(Some(table))
}

/// CRC-32 as GPT has it (ISO-HDLC). A few kilobytes at docking: a table would be longer than the loop.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DISK: u64 = 4 << 20;

    fn parse(bytes: Vec<u8>) -> Table {
        let len = bytes.len() as u64;
        read(&mut Blocks::new(Box::new(bytes), len), 512).unwrap()
    }

    fn entry(record: &mut [u8], i: usize, kind: u8, start: u32, count: u32) {
        let e = &mut record[446 + 16 * i..462 + 16 * i];
        e[4] = kind;
        e[8..12].copy_from_slice(&start.to_le_bytes());
        e[12..16].copy_from_slice(&count.to_le_bytes());
        record[510..512].copy_from_slice(&[0x55, 0xaa]);
    }

    fn slices(table: &Table) -> Vec<(u64, u64, bool)> {
        table.slices.iter().map(|s| (s.start / 512, s.len / 512, s.cut)).collect()
    }

    fn gpt_disk(parts: &[(u64, u64)]) -> Vec<u8> {
        let mut disk = vec![0; DISK as usize];
        entry(&mut disk, 0, 0xee, 1, u32::MAX);
        let mut raw = vec![0; 128 * 128];
        for (i, (first, last)) in parts.iter().enumerate() {
            let e = &mut raw[128 * i..128 * (i + 1)];
            e[0] = 0xa2;
            e[32..40].copy_from_slice(&first.to_le_bytes());
            e[40..48].copy_from_slice(&last.to_le_bytes());
        }
        for (at, table_at) in [(1u64, 2u64), (DISK / 512 - 1, DISK / 512 - 33)] {
            let mut h = [0; 92];
            h[..8].copy_from_slice(b"EFI PART");
            h[12..16].copy_from_slice(&92u32.to_le_bytes());
            h[72..80].copy_from_slice(&table_at.to_le_bytes());
            h[80..84].copy_from_slice(&128u32.to_le_bytes());
            h[84..88].copy_from_slice(&128u32.to_le_bytes());
            h[88..92].copy_from_slice(&crc32(&raw).to_le_bytes());
            let sum = crc32(&h);
            h[16..20].copy_from_slice(&sum.to_le_bytes());
            disk[at as usize * 512..][..92].copy_from_slice(&h);
            disk[table_at as usize * 512..][..raw.len()].copy_from_slice(&raw);
        }
        disk
    }

    #[test]
    fn crc_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn boot_records() {
        let table = [
            (vec![(0x0c, 2048, 4096)], vec![(2048, 4096, false)], 0),
            (vec![(0x07, 63, 100), (0x83, 200, 10)], vec![(63, 100, false), (200, 10, false)], 0),
            (vec![(0x0c, 2048, 100_000)], vec![(2048, 6144, true)], 0),
            (vec![(0x0c, 9000, 1)], vec![], 1),
            (vec![(0x0c, 0, 100)], vec![], 1),
            (vec![(0x0c, u32::MAX, u32::MAX)], vec![], 1),
            (vec![(0x00, 2048, 4096)], vec![], 0),
        ];
        for (entries, expected, damage) in table {
            let mut disk = vec![0; DISK as usize];
            for (i, (kind, start, count)) in entries.iter().enumerate() {
                entry(&mut disk, i, *kind, *start, *count);
            }
            let found = parse(disk);
            assert_eq!(slices(&found), expected, "{entries:?}");
            assert_eq!(found.damage.len(), damage, "{entries:?}: {:?}", found.damage);
        }
    }

    #[test]
    fn chains_of_extended_partitions_end() {
        let mut disk = vec![0; DISK as usize];
        entry(&mut disk, 0, 0x0c, 64, 64);
        entry(&mut disk, 1, 0x0f, 1000, 5000);
        entry(&mut disk[1000 * 512..], 0, 0x0c, 8, 100);
        entry(&mut disk[1000 * 512..], 1, 0x05, 500, 200);
        entry(&mut disk[1500 * 512..], 0, 0x0c, 8, 90);
        let found = parse(disk.clone());
        assert_eq!(slices(&found), [(64, 64, false), (1008, 100, false), (1508, 90, false)]);
        assert!(found.damage.is_empty());
        entry(&mut disk[1500 * 512..], 1, 0x05, 0, 200);
        let found = parse(disk.clone());
        assert_eq!((found.slices.len(), found.damage.len()), (3, 1), "a loop");
        entry(&mut disk[1500 * 512..], 1, 0x05, u32::MAX - 5000, 200);
        let found = parse(disk);
        assert_eq!((found.slices.len(), found.damage.len()), (3, 1), "outside the disk");
    }

    #[test]
    fn a_gpt_and_its_copy() {
        let disk = gpt_disk(&[(2048, 4095), (5000, 5999), (7000, 6000), (8000, 90_000)]);
        let expected = [(2048, 2048, false), (5000, 1000, false), (8000, 192, true)];
        let found = parse(disk.clone());
        assert_eq!((slices(&found).as_slice(), found.damage.len()), (&expected[..], 1), "one ends before it begins");
        let mut copy = disk.clone();
        copy[512 + 40] ^= 1;
        let found = parse(copy);
        assert_eq!((slices(&found).as_slice(), found.damage.len()), (&expected[..], 2));
        let mut neither = disk;
        neither[2 * 512 + 1] ^= 1;
        neither[(DISK as usize / 512 - 33) * 512 + 1] ^= 1;
        let found = parse(neither);
        assert_eq!((found.slices.len(), found.damage.len()), (0, 1));
    }

    #[test]
    fn no_table_is_an_empty_table() {
        assert_eq!(parse(vec![0; DISK as usize]), Table::default());
        assert_eq!(parse(vec![0xff; DISK as usize]), Table::default());
    }

    proptest! {
        #[test]
        fn hostile_bytes_end_in_slices_inside_the_disk(
            seed in proptest::collection::vec(any::<u8>(), 2048),
            gpt in any::<bool>(),
            at in proptest::collection::vec((0usize..2048, any::<u8>()), 0..8),
        ) {
            let mut disk = if gpt { gpt_disk(&[(2048, 4095)]) } else { vec![0; 1 << 20] };
            if gpt {
                for (i, b) in at { disk[i] = b; }
            } else {
                disk[..2048].copy_from_slice(&seed);
                for i in 0..4 { disk[446 + 16 * i] = 0; }
                disk[510..512].copy_from_slice(&[0x55, 0xaa]);
            }
            let len = disk.len() as u64;
            let found = parse(disk);
            prop_assert!(found.slices.len() <= MAX_PARTITIONS);
            for s in found.slices {
                prop_assert!(s.start > 0 && s.start.checked_add(s.len).unwrap() <= len);
            }
        }
    }
}
