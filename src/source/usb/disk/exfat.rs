//! exFAT: what a boot region says, and what stands in a directory. Reads only, believes nothing, and drops no record in
//! silence: a set of records whose checksum is wrong is told with what is left of its name.
//!
//! Source: exFAT file system specification (Microsoft, 2019).

use std::ops::ControlFlow;

use super::blocks::{Blocks, ReadError};
use super::clusters::{Heap, Place, SLOT_BYTES, Width};
use super::files::{Boot, Entry, Facts, Found, Volume};
use super::names;
use super::partitions::{Slice, le16, le32, le64};

/// Longest directory (specification, 7.4.9).
pub const MAX_DIRECTORY_BYTES: u64 = 256 << 20;

const IN_USE: u8 = 0x80;
const SECONDARY: u8 = 0x40;
const BENIGN: u8 = 0x20;
const BITMAP: u8 = 0x81;
const UPCASE: u8 = 0x82;
const LABEL: u8 = 0x83;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;
const NO_FAT_CHAIN: u8 = 0x02;
const DIRECTORY: u16 = 0x10;

/// The volume in a slice; `Ok(None)` where none is. Of the boot region and its copy the one is used whose checksum is
/// right, else the first that can be read at all. `boot` tells which of them must be there: a copy may be left of a
/// volume that was.
pub fn open(blocks: &mut Blocks, slice: Slice, boot: Boot) -> Result<Option<Volume>, ReadError> {
    let (mut unsure, mut main) = (None, boot == Boot::Copy);
    for sector in [512u64, 4096, 1024, 2048] {
        for (copy, at) in [(false, slice.start), (true, slice.start + 12 * sector)] {
            let mut boot = [0; 512];
            match blocks.read(at, &mut boot) {
                Ok(()) => {}
                Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
                Err(_) => continue,
            }
            let Some(mut volume) = parse(&boot, slice) else { continue };
            if 1 << boot[108] != sector {
                continue;
            }
            main |= !copy;
            if !main {
                continue;
            }
            if !checksum_holds(blocks, at, sector)? {
                unsure.get_or_insert(volume);
                continue;
            }
            if copy {
                volume.facts.damage.push("its boot region is damaged; the copy of it was used".to_owned());
            }
            find_label(blocks, &mut volume)?;
            return Ok(Some(volume));
        }
    }
    if let Some(volume) = &mut unsure {
        volume.facts.damage.push("its boot region and the copy of it are damaged".to_owned());
        find_label(blocks, volume)?;
    }
    Ok(unsure)
}

/// Reads a boot sector.
fn parse(boot: &[u8; 512], slice: Slice) -> Option<Volume> {
    let (sector_shift, cluster_shift, copies) = (boot[108], boot[109], u64::from(boot[110]));
    let sane = boot[3..11] == *b"EXFAT   "
        && boot[510..] == [0x55, 0xaa]
        && (9..=12).contains(&sector_shift)
        && sector_shift + cluster_shift.min(64) <= 25
        && (1..=2).contains(&copies);
    if !sane {
        return None;
    }
    let sector = 1u64 << sector_shift;
    let (table_at, table_len) = (u64::from(le32(boot, 80)) * sector, u64::from(le32(boot, 84)) * sector);
    let (heap_at, told) = (u64::from(le32(boot, 88)) * sector, u64::from(le32(boot, 92)));
    let total = le64(boot, 72).checked_mul(sector)?;
    let clusters = u32::try_from(told.min((table_len / 4).saturating_sub(2))).ok()?.min(0xffff_fff5);
    if clusters == 0 || table_at < 24 * sector || heap_at < table_at {
        return None;
    }
    let flags = le16(boot, 106);
    let mut tables: Vec<u64> = (0..copies).map(|n| slice.start + table_at + n * table_len).collect();
    if flags & 1 != 0 {
        tables.reverse();
    }
    let mut damage = Vec::new();
    if slice.cut || total > slice.len {
        damage.push("it says that it is larger than its place on the disk".to_owned());
    }
    Some(Volume {
        heap: Heap {
            start: slice.start + heap_at,
            cluster_bytes: sector << cluster_shift,
            clusters,
            tables,
            width: Width::ThirtyTwo,
        },
        root: Place::Clusters { first: le32(boot, 96), contiguous: false, len: MAX_DIRECTORY_BYTES },
        facts: Facts {
            exfat: true,
            label: None,
            id: Some(names::volume_id(le32(boot, 100))),
            clean: flags & 2 == 0,
            damage,
        },
        slice,
    })
}

/// The twelfth sector of a boot region repeats the checksum of the eleven before it (specification, 3.4).
fn checksum_holds(blocks: &mut Blocks, at: u64, sector: u64) -> Result<bool, ReadError> {
    let mut region = vec![0; 12 * sector as usize];
    match blocks.read(at, &mut region) {
        Ok(()) => {}
        Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
        Err(_) => return Ok(false),
    }
    let (summed, kept) = region.split_at(11 * sector as usize);
    // VolumeFlags and PercentInUse change while the volume lives.
    let bytes = summed.iter().enumerate().filter(|(i, _)| !matches!(i, 106 | 107 | 112));
    let sum = bytes.fold(0u32, |sum, (_, b)| sum.rotate_right(1).wrapping_add(u32::from(*b)));
    Ok(kept.chunks_exact(4).all(|word| le32(word, 0) == sum))
}

fn find_label(blocks: &mut Blocks, volume: &mut Volume) -> Result<(), ReadError> {
    let mut label = None;
    volume.heap.slots(blocks, volume.root, |_, slot| match slot {
        Ok(slot) if slot[0] == 0 => ControlFlow::Break(()),
        Ok(slot) if slot[0] == LABEL => {
            let units: Vec<u16> = (0..usize::from(slot[1]).min(11)).map(|i| le16(slot, 2 + 2 * i)).collect();
            label = names::clean_label(&String::from_utf16_lossy(&units));
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    volume.facts.label = label;
    Ok(())
}

/// Where the allocation bitmap and the table of upper case stand, which records of the root directory tell.
pub fn tables(heap: &Heap, blocks: &mut Blocks, root: Place) -> Result<Vec<Place>, ReadError> {
    let mut places = Vec::new();
    heap.slots(blocks, root, |_, slot| match slot {
        Ok(slot) if slot[0] == 0 => ControlFlow::Break(()),
        Ok(slot) if matches!(slot[0], BITMAP | UPCASE) => {
            places.push(Place::Clusters { first: le32(slot, 20), contiguous: false, len: le64(slot, 24) });
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    Ok(places)
}

/// Reads a directory; see [`Volume::read_dir`].
pub fn read_dir(
    heap: &Heap,
    blocks: &mut Blocks,
    place: Place,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Option<String>, ReadError> {
    let (mut set, mut ended) = (Set::default(), false);
    // Nothing but zeros may follow the end. Where whole files do, damage has cut them off.
    let behind = "it stands behind the end of its directory: deleted, or cut off by damage; not read";
    let damage = heap.slots(blocks, place, |at, slot| {
        let slot = match slot {
            Ok(slot) => slot,
            Err(_) if ended => return ControlFlow::Continue(()),
            Err(reason) => {
                set.cut_short(each)?;
                return each(Found::Damaged { name: None, reason });
            }
        };
        if ended {
            if set.wants(slot) {
                set.slots.push(*slot);
            } else {
                set = Set { at, slots: if slot[0] == FILE { vec![*slot] } else { Vec::new() } };
            }
            if set.slots.is_empty() || !set.is_whole() {
                return ControlFlow::Continue(());
            }
            return match set.take() {
                Found::Entry(entry) => each(Found::Damaged { name: Some(entry.name), reason: behind.to_owned() }),
                Found::Damaged { .. } => ControlFlow::Continue(()),
            };
        }
        if set.wants(slot) {
            set.slots.push(*slot);
            return if set.is_whole() { each(set.take()) } else { ControlFlow::Continue(()) };
        }
        set.cut_short(each)?;
        match slot[0] {
            0 => {
                ended = true;
                ControlFlow::Continue(())
            }
            FILE => {
                set = Set { at, slots: vec![*slot] };
                if set.is_whole() { each(set.take()) } else { ControlFlow::Continue(()) }
            }
            // What is left of a file whose first record was taken away: a deletion that was cut short, or damage.
            STREAM => {
                set = Set { at, slots: vec![[0; SLOT_BYTES], *slot] };
                set.slots[0][1] = 1 + slot[3].div_ceil(15);
                ControlFlow::Continue(())
            }
            NAME => {
                set = Set { at, slots: vec![[0; SLOT_BYTES], *slot] };
                set.slots[0][1] = u8::MAX;
                ControlFlow::Continue(())
            }
            BITMAP | UPCASE | LABEL => ControlFlow::Continue(()),
            kind if kind & IN_USE != 0 && kind & (SECONDARY | BENIGN) == 0 => each(Found::Damaged {
                name: None,
                reason: format!("it holds a record of an unknown kind ({kind:#04x})"),
            }),
            _ => ControlFlow::Continue(()),
        }
    })?;
    if !ended {
        let _ = set.cut_short(each);
    }
    Ok(damage)
}

/// The records of one file: the file, its stream, its name in pieces, and what a maker adds.
#[derive(Default)]
struct Set {
    /// Where the first stands on the disk.
    at: u64,
    /// As far as they were read; none between two sets.
    slots: Vec<[u8; SLOT_BYTES]>,
}

impl Set {
    fn wanted(&self) -> usize {
        self.slots.first().map_or(0, |first| 1 + usize::from(first[1]))
    }

    fn is_whole(&self) -> bool {
        self.slots.len() >= self.wanted()
    }

    /// Whether this record can be the next of the set.
    fn wants(&self, slot: &[u8; SLOT_BYTES]) -> bool {
        !self.slots.is_empty() && slot[0] & (IN_USE | SECONDARY) == IN_USE | SECONDARY && {
            // A second stream begins another file.
            slot[0] != STREAM || self.slots.len() == 1
        }
    }

    /// Tells of a set that ended before it was whole.
    fn cut_short(&mut self, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.slots.is_empty() {
            return ControlFlow::Continue(());
        }
        let name = self.name();
        self.slots.clear();
        each(Found::Damaged {
            name,
            reason: "its directory entry is not whole: deleted in part, or damaged".to_owned(),
        })
    }

    /// As much of the name as there is.
    fn name(&self) -> Option<Vec<u8>> {
        let len = usize::from(self.slots.get(1).filter(|s| s[0] == STREAM)?[3]);
        let pieces = self.slots.iter().skip(2).filter(|s| s[0] == NAME);
        let units = pieces.flat_map(|slot| (0..15).map(|i| le16(slot, 2 + 2 * i)));
        let units: Vec<u16> = units.take(len).collect();
        (!units.is_empty()).then(|| names::long_name(&units))
    }

    /// What the whole set says; begins the next one.
    fn take(&mut self) -> Found {
        let found = self.read();
        self.slots.clear();
        found
    }

    fn read(&self) -> Found {
        let name = self.name();
        let damaged = |reason: &str| Found::Damaged { name: name.clone(), reason: reason.to_owned() };
        let (Some(file), Some(stream)) = (self.slots.first(), self.slots.get(1).filter(|s| s[0] == STREAM)) else {
            return damaged("its directory entry has no stream");
        };
        if file[0] != FILE {
            return damaged("its directory entry is not whole: deleted in part, or damaged");
        }
        let bytes = self.slots.iter().flatten().enumerate().filter(|(i, _)| !matches!(i, 2 | 3));
        let sum = bytes.fold(0u16, |sum, (_, b)| sum.rotate_right(1).wrapping_add(u16::from(*b)));
        if sum != le16(file, 2) {
            return damaged("its directory entry is damaged: the checksum is wrong");
        }
        let pieces = usize::from(stream[3]).div_ceil(15);
        let Some(name) = &name else { return damaged("its directory entry has no name") };
        if self.slots.len() < 2 + pieces || self.slots[2..2 + pieces].iter().any(|s| s[0] != NAME) {
            return damaged("its directory entry has no whole name");
        }
        let (modified, modified_ms) = names::exfat_time(le32(file, 12), file[21], file[23]);
        let (first, len, valid) = (le32(stream, 20), le64(stream, 24), le64(stream, 8));
        if len == 0 && first != 0 {
            return damaged("it has no length but clusters of its own: a recording that was cut off; not read");
        }
        Found::Entry(Entry {
            name: name.clone(),
            directory: le16(file, 4) & DIRECTORY != 0,
            place: Place::Clusters { first, contiguous: stream[1] & NO_FAT_CHAIN != 0, len },
            valid: valid.min(len),
            modified,
            modified_ms,
            record_at: self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The records of a file, with a right checksum.
    fn set(name: &str, size: u64) -> Vec<u8> {
        let units: Vec<u16> = name.encode_utf16().collect();
        let pieces = units.len().div_ceil(15);
        let mut slots = vec![[0u8; 32]; 2 + pieces];
        (slots[0][0], slots[0][1]) = (FILE, 1 + pieces as u8);
        (slots[1][0], slots[1][1], slots[1][3]) = (STREAM, 1, units.len() as u8);
        slots[1][8..16].copy_from_slice(&size.to_le_bytes());
        slots[1][20..24].copy_from_slice(&5u32.to_le_bytes());
        slots[1][24..32].copy_from_slice(&size.to_le_bytes());
        for (piece, units) in slots[2..].iter_mut().zip(units.chunks(15)) {
            piece[0] = NAME;
            for (i, unit) in units.iter().enumerate() {
                piece[2 + 2 * i..4 + 2 * i].copy_from_slice(&unit.to_le_bytes());
            }
        }
        let mut bytes = slots.concat();
        let summed = bytes.iter().enumerate().filter(|(i, _)| !matches!(i, 2 | 3));
        let sum = summed.fold(0u16, |sum, (_, b)| sum.rotate_right(1).wrapping_add(u16::from(*b)));
        bytes[2..4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn told(mut directory: Vec<u8>) -> Vec<String> {
        directory.resize(directory.len().next_multiple_of(512), 0);
        let len = directory.len() as u64;
        let heap = Heap { start: 0, cluster_bytes: 512, clusters: 100, tables: vec![0], width: Width::ThirtyTwo };
        let mut found = Vec::new();
        let mut each = |f: Found| {
            found.push(match f {
                Found::Entry(e) => format!("{} {}", String::from_utf8_lossy(&e.name), e.valid),
                Found::Damaged { name, reason } => {
                    format!("! {}: {reason}", String::from_utf8_lossy(&name.unwrap_or_default()))
                }
            });
            ControlFlow::Continue(())
        };
        let mut blocks = Blocks::new(Box::new(directory), len);
        read_dir(&heap, &mut blocks, Place::Fixed { at: 0, len }, &mut each).unwrap();
        found
    }

    #[test]
    fn sets_of_records() {
        let (a, b) = (set("a.mp4", 7), set("a rather long name.mp4", 9));
        assert_eq!(told([a.clone(), b.clone()].concat()), ["a.mp4 7", "a rather long name.mp4 9"]);
        let mut flipped = a.clone();
        flipped[32 + 24] ^= 1;
        let wrong = "! a.mp4: its directory entry is damaged: the checksum is wrong";
        assert_eq!(told([flipped, b.clone()].concat()), [wrong, "a rather long name.mp4 9"]);
        let mut deleted = b.clone();
        deleted.chunks_mut(32).for_each(|slot| slot[0] &= 0x7f);
        assert_eq!(told([deleted, a.clone()].concat()), ["a.mp4 7"]);
        let part = ": its directory entry is not whole: deleted in part, or damaged";
        for cut in 0..4 {
            let mut half = b.clone();
            half.chunks_mut(32).take(cut + 1).for_each(|slot| slot[0] &= 0x7f);
            let found = told([half, a.clone()].concat());
            assert_eq!(found.last().unwrap(), "a.mp4 7", "{cut}");
            assert_eq!(found.iter().any(|f| f.ends_with(part)), cut < 3, "{cut}: {found:?}");
            let mut half = b.clone();
            half.chunks_mut(32).skip(cut).for_each(|slot| slot[0] &= 0x7f);
            let found = told([half, a.clone()].concat());
            assert_eq!(found.last().unwrap(), "a.mp4 7", "{cut}");
            assert_eq!(found.len(), 1 + usize::from(cut > 0), "{cut}: {found:?}");
        }
        let critical = [vec![0x86; 32], a.clone()].concat();
        assert_eq!(told(critical), ["! : it holds a record of an unknown kind (0x86)", "a.mp4 7"]);
        let benign = [vec![0xa2; 32], a].concat();
        assert_eq!(told(benign), ["a.mp4 7"]);
    }

    proptest! {
        #[test]
        fn any_directory_ends(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let slots = bytes.len() / 32;
            prop_assert!(told(bytes).len() <= 2 * slots + 1);
        }

        #[test]
        fn one_flipped_bit_never_hides_the_next_file(at in 0usize..4 * 32, bit in 0u8..8) {
            let mut directory = [set("a rather long name.mp4", 9), set("b.mp4", 3)].concat();
            directory[at] ^= 1 << bit;
            let found = told(directory);
            // A first record that says "nothing follows" is what it says.
            prop_assert!(found.iter().any(|f| f == "b.mp4 3"), "{found:?}");
        }

        #[test]
        fn a_boot_sector_may_say_what_it_likes(mut b in proptest::collection::vec(any::<u8>(), 512), start in 0u64..1 << 40) {
            b[3..11].copy_from_slice(b"EXFAT   ");
            (b[108], b[109], b[110], b[510], b[511]) = (9 + (b[108] & 3), b[109] & 15, 1 + (b[110] & 1), 0x55, 0xaa);
            let boot: [u8; 512] = b.try_into().unwrap();
            if let Some(volume) = parse(&boot, Slice { start, len: 1 << 30, cut: false }) {
                let last = volume.heap.clusters + 1;
                prop_assert!(volume.heap.has(last) && !volume.heap.has(last + 1));
                prop_assert!(volume.heap.at(last) > start);
            }
        }
    }
}
