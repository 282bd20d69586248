//! Partition tables.

use super::Canvas;

/// A partition: type, first sector, sectors.
pub type Partition = (u8, u32, u32);

/// Writes up to four primary partitions.
pub fn mbr(canvas: &mut Canvas, partitions: &[Partition]) {
    table(canvas, 0, partitions);
}

/// Writes an extended partition that begins at sector `first` with these logical ones, each behind its own table.
/// A logical one: where its table stands, then type, first sector and sectors.
pub fn extended(canvas: &mut Canvas, first: u32, logical: &[(u32, Partition)]) {
    for (i, (at, (kind, start, count))) in logical.iter().enumerate() {
        let mut rows = vec![(*kind, start - at, *count)];
        if let Some((next, (_, start, count))) = logical.get(i + 1) {
            rows.push((5, next - first, start + count - next));
        }
        table(canvas, *at, &rows);
    }
}

fn table(canvas: &mut Canvas, sector: u32, partitions: &[Partition]) {
    let at = u64::from(sector) * 512;
    for (i, (kind, start, count)) in partitions.iter().enumerate() {
        let mut row = [0u8; 16];
        row[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        row[4] = *kind;
        row[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        row[8..12].copy_from_slice(&start.to_le_bytes());
        row[12..16].copy_from_slice(&count.to_le_bytes());
        canvas.write(at + 446 + 16 * i as u64, &row);
    }
    canvas.write(at + 510, &[0x55, 0xaa]);
}

/// Basic data partition, as it stands on the disk.
const BASIC_DATA: [u8; 16] =
    [0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7];

/// Writes a GPT and its copy with partitions of basic data: first and last sector of each.
pub fn gpt(canvas: &mut Canvas, partitions: &[(u64, u64)]) {
    let last = canvas.len() / 512 - 1;
    table(canvas, 0, &[(0xee, 1, u32::try_from(last).unwrap_or(u32::MAX))]);
    let mut entries = vec![0u8; 128 * 128];
    for (i, (first, end)) in partitions.iter().enumerate() {
        let e = &mut entries[i * 128..];
        e[..16].copy_from_slice(&BASIC_DATA);
        e[16..32].copy_from_slice(&[i as u8 + 1; 16]);
        e[32..40].copy_from_slice(&first.to_le_bytes());
        e[40..48].copy_from_slice(&end.to_le_bytes());
    }
    for (own, other, entries_at) in [(1, last, 2), (last, 1, last - 32)] {
        let mut h = vec![0u8; 92];
        h[..8].copy_from_slice(b"EFI PART");
        h[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
        for (at, sector) in [(24, own), (32, other), (40, 34), (48, last - 33), (72, entries_at)] {
            h[at..at + 8].copy_from_slice(&sector.to_le_bytes());
        }
        h[56..72].copy_from_slice(&[0x77; 16]);
        h[80..88].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
        h[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
        let crc = crc32(&h);
        h[16..20].copy_from_slice(&crc.to_le_bytes());
        canvas.write(own * 512, &h);
        canvas.write(entries_at * 512, &entries);
    }
}

/// The checksum of GPT (reflected, polynomial 0xEDB88320).
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    })
}
