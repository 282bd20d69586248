//! FAT12, FAT16 and FAT32: what a boot sector says, and what stands in a directory. Reads only, believes nothing, and
//! drops no record in silence.
//!
//! Source: Microsoft Extensible Firmware Initiative FAT32 File System Specification, 1.03.

use std::ops::ControlFlow;

use super::blocks::{Blocks, ReadError};
use super::clusters::{Heap, Place, SLOT_BYTES, Width};
use super::files::{Boot, Entry, Facts, Found, Volume};
use super::names;
use super::partitions::{Slice, le16, le32};

/// A directory holds at most 65,536 records of 32 bytes (specification, 6.3).
const MAX_DIRECTORY_BYTES: u64 = 65_536 * SLOT_BYTES as u64;

const READ_ONLY_TO_ARCHIVE: u8 = 0x3f;
const LONG_NAME: u8 = 0x0f;
const VOLUME_ID: u8 = 0x08;
const DIRECTORY: u8 = 0x10;

/// The volume in a slice, from its boot sector or else, where that is wanted, from FAT32's copy of it; `Ok(None)` where
/// none is.
pub fn open(blocks: &mut Blocks, slice: Slice, boot: Boot) -> Result<Option<Volume>, ReadError> {
    let places = [(false, 0), (true, 6 * 512)];
    for (copy, at) in places.into_iter().filter(|(copy, _)| *copy == (boot == Boot::Copy)) {
        let mut boot = [0; 512];
        match blocks.read(slice.start + at, &mut boot) {
            Ok(()) => {}
            Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
            Err(_) => continue,
        }
        if let Some(mut volume) = parse(&boot, slice)
            && (!copy || volume.heap.width == Width::TwentyEight)
        {
            if copy {
                volume.facts.damage.push("its boot sector is damaged; the copy of it was used".to_owned());
            }
            finish(blocks, &mut volume)?;
            return Ok(Some(volume));
        }
    }
    Ok(None)
}

/// Reads a boot sector.
fn parse(boot: &[u8; 512], slice: Slice) -> Option<Volume> {
    let sector = u64::from(le16(boot, 11));
    let (per_cluster, reserved) = (u64::from(boot[13]), u64::from(le16(boot, 14)));
    let (copies, root_entries) = (u64::from(boot[16]), u64::from(le16(boot, 17)));
    let either = |short: u16, long: u32| if short == 0 { u64::from(long) } else { u64::from(short) };
    let total = either(le16(boot, 19), le32(boot, 32));
    let table = either(le16(boot, 22), le32(boot, 36));
    let sane = boot[510..] == [0x55, 0xaa]
        && matches!(boot[0], 0xeb | 0xe9)
        && matches!(sector, 512 | 1024 | 2048 | 4096)
        && per_cluster.is_power_of_two()
        && reserved > 0
        && (1..=4).contains(&copies)
        && matches!(boot[21], 0xf0 | 0xf8..=0xff)
        && total > 0
        && table > 0;
    if !sane {
        return None;
    }
    let is_32 = le16(boot, 22) == 0;
    let root_sectors = (root_entries * SLOT_BYTES as u64).div_ceil(sector);
    let data = reserved + copies * table + root_sectors;
    // The specification tells the kinds apart by their clusters; a table whose short length is 0 is FAT32 whatever they
    // are, as small test media and some firmware have it.
    let told = total.checked_sub(data)? / per_cluster;
    let width = match told {
        _ if is_32 => Width::TwentyEight,
        0..4085 => Width::Twelve,
        _ => Width::Sixteen,
    };
    if (root_sectors == 0) != is_32 {
        return None;
    }
    let bits = match width {
        Width::Twelve => 12,
        Width::Sixteen => 16,
        Width::TwentyEight | Width::ThirtyTwo => 32,
    };
    let mapped = (table * sector * 8 / bits).saturating_sub(2);
    let clusters = u32::try_from(told.min(mapped)).ok()?.min(0x0fff_fff5);
    if clusters == 0 {
        return None;
    }
    let active = if is_32 && le16(boot, 40) & 0x80 != 0 { u64::from(le16(boot, 40) & 0x0f) } else { 0 };
    let table_at = |n: u64| slice.start + (reserved + n * table) * sector;
    let mut tables: Vec<u64> = (0..copies).map(table_at).collect();
    if active < copies {
        tables.swap(0, active as usize);
    }
    let root = if is_32 {
        Place::Clusters { first: le32(boot, 44) & 0x0fff_ffff, contiguous: false, len: MAX_DIRECTORY_BYTES }
    } else {
        Place::Fixed { at: table_at(copies), len: root_entries * SLOT_BYTES as u64 }
    };
    let more = if is_32 { 64 } else { 36 };
    let serial = matches!(boot[more + 2], 0x28 | 0x29).then(|| names::volume_id(le32(boot, more + 3)));
    let label = (boot[more + 2] == 0x29).then(|| names::label(&boot[more + 7..more + 18])).flatten();
    let mut damage = Vec::new();
    if slice.cut || total * sector > slice.len {
        damage.push("it says that it is larger than its place on the disk".to_owned());
    }
    Some(Volume {
        heap: Heap { start: slice.start + data * sector, cluster_bytes: per_cluster * sector, clusters, tables, width },
        root,
        facts: Facts { exfat: false, label, id: serial, clean: true, damage },
        slice,
    })
}

/// What stands outside the boot sector: the label in force, and whether the volume was left in order.
fn finish(blocks: &mut Blocks, volume: &mut Volume) -> Result<(), ReadError> {
    let at = volume.heap.tables.first().copied().unwrap_or_default();
    let mut entry = [0; 8];
    match blocks.read(at, &mut entry) {
        Ok(()) => {
            volume.facts.clean = match volume.heap.width {
                Width::Twelve => true,
                Width::Sixteen => le16(&entry, 2) & 0x8000 != 0,
                _ => le32(&entry, 4) & 0x0800_0000 != 0,
            }
        }
        Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
        Err(_) => volume.facts.clean = false,
    }
    let mut label = None;
    volume.heap.slots(blocks, volume.root, |_, slot| match slot {
        Ok(slot) if slot[0] == 0 => ControlFlow::Break(()),
        Ok(slot) if slot[0] != 0xe5 && slot[11] & READ_ONLY_TO_ARCHIVE != LONG_NAME && slot[11] & VOLUME_ID != 0 => {
            label = names::label(&slot[..11]);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    volume.facts.label = label.or(volume.facts.label.take());
    Ok(())
}

/// Reads a directory; see [`Volume::read_dir`].
pub fn read_dir(
    heap: &Heap,
    blocks: &mut Blocks,
    place: Place,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Option<String>, ReadError> {
    let (mut long, mut slots, mut ended) = (LongName::default(), 0, false);
    let damage = heap.slots(blocks, place, |at, slot| {
        slots += 1;
        let slot = match slot {
            Ok(slot) => slot,
            Err(_) if ended => return ControlFlow::Continue(()),
            Err(reason) => {
                long.reset();
                return each(Found::Damaged { name: None, reason });
            }
        };
        match slot[0] {
            // Nothing but zeros may follow. Where files do, one bit or one erased sector has cut them off.
            0 => {
                ended = true;
                long.reset();
                return ControlFlow::Continue(());
            }
            0xe5 => {
                long.reset();
                return ControlFlow::Continue(());
            }
            _ => {}
        }
        if slot[11] & READ_ONLY_TO_ARCHIVE == LONG_NAME {
            long.push(slot);
            return ControlFlow::Continue(());
        }
        let mut short = [0; 11];
        short.copy_from_slice(&slot[..11]);
        let name = long.take(&short);
        if short == *b".          " || short == *b"..         " {
            return ControlFlow::Continue(());
        }
        let plausible = slot[11] & !READ_ONLY_TO_ARCHIVE == 0
            && short[0] != b' '
            && short.iter().enumerate().all(|(i, b)| *b >= 0x20 || (i == 0 && *b == 0x05));
        let name = name.unwrap_or_else(|| names::short_name(&short, slot[12]));
        let damaged = |name, reason: &str| Found::Damaged { name: Some(name), reason: reason.to_owned() };
        let high = if heap.width == Width::TwentyEight { u32::from(le16(slot, 20)) << 16 } else { 0 };
        let (first, size) = ((high | u32::from(le16(slot, 26))) & 0x0fff_ffff, u64::from(le32(slot, 28)));
        let directory = slot[11] & DIRECTORY != 0;
        if ended {
            // What was never erased there is no directory's; only what looks like a file is told.
            let file = plausible && slot[11] & VOLUME_ID == 0 && (heap.has(first) || (first == 0 && size == 0));
            let behind = "it stands behind the end of its directory: deleted, or cut off by damage; not read";
            return if file { each(damaged(name, behind)) } else { ControlFlow::Continue(()) };
        }
        if slot[11] & VOLUME_ID != 0 && first == 0 && size == 0 && !directory {
            return ControlFlow::Continue(());
        }
        if !plausible || slot[11] & VOLUME_ID != 0 {
            return each(damaged(name, "its directory entry is damaged"));
        }
        if !directory && size == 0 && first != 0 {
            let unfinished = "it has no length but clusters of its own: a recording that was cut off; not read";
            return each(damaged(name, unfinished));
        }
        let len = if directory { MAX_DIRECTORY_BYTES } else { size };
        each(Found::Entry(Entry {
            name,
            directory,
            place: Place::Clusters { first, contiguous: false, len },
            valid: len,
            modified: names::fat_time(le16(slot, 24), le16(slot, 22)),
            modified_ms: None,
            record_at: at,
        }))
    })?;
    let endless = !ended && slots * SLOT_BYTES as u64 >= MAX_DIRECTORY_BYTES;
    Ok(damage.or(endless.then(|| "it is longer than a directory may be; the rest was not listed".to_owned())))
}

/// Long names stand in front of their short entry in pieces, the last one first.
#[derive(Default)]
struct LongName {
    /// In the order of the name.
    units: Vec<u16>,
    /// The number that the next piece must have; 0 when the name is whole.
    expected: u8,
    checksum: u8,
    begun: bool,
}

impl LongName {
    fn reset(&mut self) {
        self.begun = false;
    }

    fn push(&mut self, slot: &[u8; SLOT_BYTES]) {
        let number = slot[0] & 0x3f;
        if slot[0] & 0x40 != 0 {
            *self = Self { expected: number, checksum: slot[13], begun: (1..=20).contains(&number), units: Vec::new() };
        }
        if !self.begun || number == 0 || number != self.expected || slot[13] != self.checksum {
            self.reset();
            return;
        }
        self.expected -= 1;
        let unit = |at: usize| le16(slot, at);
        let mut piece: Vec<u16> = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]).map(unit).collect();
        // Only the last piece of a name may end it.
        if slot[0] & 0x40 != 0 {
            let end = piece.iter().position(|u| *u == 0).unwrap_or(piece.len());
            piece.truncate(end);
        }
        self.units.splice(0..0, piece);
    }

    /// The name, where it is whole and belongs to this short one.
    fn take(&mut self, short: &[u8; 11]) -> Option<Vec<u8>> {
        let sum = short.iter().fold(0u8, |sum, b| sum.rotate_right(1).wrapping_add(*b));
        let whole = self.begun && self.expected == 0 && self.checksum == sum && !self.units.is_empty();
        self.reset();
        whole.then(|| names::long_name(&self.units))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boot(sector: u16, per_cluster: u8, root_entries: u16, total: u32, table16: u16, table32: u32) -> [u8; 512] {
        let mut b = [0; 512];
        b[0] = 0xeb;
        b[11..13].copy_from_slice(&sector.to_le_bytes());
        b[13] = per_cluster;
        b[14] = 32;
        b[16] = 2;
        b[17..19].copy_from_slice(&root_entries.to_le_bytes());
        b[21] = 0xf8;
        b[22..24].copy_from_slice(&table16.to_le_bytes());
        b[32..36].copy_from_slice(&total.to_le_bytes());
        b[36..40].copy_from_slice(&table32.to_le_bytes());
        b[44] = 2;
        b[510..].copy_from_slice(&[0x55, 0xaa]);
        b
    }

    #[test]
    fn kinds_and_lies() {
        let slice = Slice { start: 1 << 20, len: 1 << 30, cut: false };
        let parsed =
            |b: [u8; 512]| parse(&b, slice).map(|v| (v.heap.width, v.heap.clusters, v.heap.start - slice.start));
        let table = [
            (boot(512, 64, 0, 2 << 20, 0, 256), Some((Width::TwentyEight, 32759, (32 + 512) * 512))),
            (boot(512, 64, 512, 2 << 20, 128, 0), Some((Width::Sixteen, 32763, (32 + 256 + 32) * 512))),
            (boot(512, 8, 512, 20_000, 8, 0), Some((Width::Twelve, 2490, (32 + 16 + 32) * 512))),
            // A table that maps fewer clusters than there are said to be bounds them.
            (boot(512, 64, 0, 2 << 20, 0, 1), Some((Width::TwentyEight, 126, (32 + 2) * 512))),
            (boot(513, 64, 0, 2 << 20, 0, 256), None),
            (boot(512, 63, 0, 2 << 20, 0, 256), None),
            (boot(512, 64, 0, 100, 0, 256), None),
            (boot(512, 64, 0, u32::MAX, 0, u32::MAX), None),
            (boot(512, 64, 512, 2 << 20, 0, 256), None),
        ];
        for (i, (boot, expected)) in table.into_iter().enumerate() {
            assert_eq!(parsed(boot), expected, "row {i}");
        }
        let mut unsigned = boot(512, 64, 0, 2 << 20, 0, 256);
        unsigned[510] = 0;
        assert_eq!(parsed(unsigned), None);
    }

    #[test]
    fn a_long_name_needs_all_its_pieces() {
        let short = *b"LONGNA~1MP4";
        let sum = short.iter().fold(0u8, |sum, b| sum.rotate_right(1).wrapping_add(*b));
        let piece = |number: u8, text: &str, sum: u8| {
            let mut slot = [0xff; 32];
            (slot[0], slot[11], slot[13]) = (number, LONG_NAME, sum);
            let units: Vec<u16> = text.encode_utf16().chain([0]).take(13).collect();
            let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
            for (at, unit) in places.zip(units) {
                slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
            slot
        };
        let assemble = |pieces: &[[u8; 32]]| {
            let mut long = LongName::default();
            pieces.iter().for_each(|p| long.push(p));
            long.take(&short)
        };
        let (last, first) = (piece(0x42, "me.mp4", sum), piece(1, "a rather long", sum));
        assert_eq!(assemble(&[last, first]).as_deref(), Some(&b"a rather longme.mp4"[..]));
        for broken in [vec![last], vec![first], vec![first, last], vec![last, piece(1, "a rather long", sum ^ 1)]] {
            assert_eq!(assemble(&broken), None);
        }
    }

    proptest! {
        #[test]
        fn a_boot_sector_may_say_what_it_likes(mut b in proptest::collection::vec(any::<u8>(), 512), start in 0u64..1 << 40) {
            (b[0], b[510], b[511]) = (0xeb, 0x55, 0xaa);
            (b[11], b[12], b[13], b[21]) = (0, 2, 1 << (b[13] & 7), 0xf8);
            let boot: [u8; 512] = b.try_into().unwrap();
            if let Some(volume) = parse(&boot, Slice { start, len: 1 << 30, cut: false }) {
                let last = volume.heap.clusters + 1;
                prop_assert!(volume.heap.has(last) && !volume.heap.has(last + 1));
                prop_assert!(volume.heap.at(last) > start);
            }
        }
    }
}
