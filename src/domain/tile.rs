//! Tiles: the log's tree and its entries as others fetch them, one object for 256 hashes or entries (C2SP tlog-tiles).
//!
//! Owns which tiles a tree of a size has, their paths and their bytes. Like `merkle`, it must not know where nodes or
//! entries live.
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]          hashes of level 8·L from 256·N on, 32 bytes each
//! tile/entries/<N>[.p/<W>]      the same entries: length (16 bits, big-endian), bytes
//! ```
//!
//! A full tile has 256 and is final. The last one of each level is partial while its tree grows, and has its width W
//! in its path, so that no object ever changes. `N` stands in groups of three digits, all but the last behind an `x`.

use super::merkle::Hash;

/// Hashes in a full tile, and entries in a full bundle.
pub const FULL: u64 = 256;
/// Levels of the tree that one level of tiles spans.
pub const HEIGHT: u8 = 8;

/// What an object of the tree holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holds {
    /// Hashes, of this level of tiles.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// One tile or bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Hashes or entries.
    pub holds: Holds,
    /// Which one of its level, from 0.
    pub index: u64,
    /// How many it has: 1 to 256.
    pub width: u64,
}

impl Tile {
    /// Whether it is final.
    pub fn is_full(&self) -> bool {
        self.width == FULL
    }

    /// Its path below the log's prefix.
    pub fn path(&self) -> String {
        let mut path = match self.holds {
            Holds::Hashes(level) => format!("tile/{level}/"),
            Holds::Entries => "tile/entries/".to_owned(),
        };
        path.push_str(&numbered(self.index));
        if !self.is_full() {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }

    /// The nodes in it, as `(level, index)` of the tree; of a bundle those of its entries.
    pub fn nodes(&self) -> impl Iterator<Item = (u8, u64)> + use<> {
        let level = match self.holds {
            Holds::Hashes(level) => level * HEIGHT,
            Holds::Entries => 0,
        };
        let first = self.index * FULL;
        (first..first + self.width).map(move |index| (level, index))
    }

    /// The bytes of a tile of hashes.
    pub fn hashes<E>(&self, mut read: impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Vec<u8>, E> {
        let mut bytes = Vec::with_capacity(self.width as usize * 32);
        for (level, index) in self.nodes() {
            bytes.extend_from_slice(&read(level, index)?);
        }
        Ok(bytes)
    }
}

/// The bytes of a bundle. `None` where an entry is longer than 65,535 bytes, which none of a log of ours is.
pub fn bundle<T: AsRef<[u8]>>(entries: &[T]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle; `None` where it ends in the middle of one.
pub fn unbundle(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// What a tree of `new` leaves has and one of `old` leaves had not: full tiles that were completed, then the partial
/// ones at the right edge, bundles of entries beside the tiles of the lowest level.
pub fn between(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut level = 0;
    while HEIGHT * level < 64 && new >> (HEIGHT * level) > 0 {
        let (had, has) = (old >> (HEIGHT * level), new >> (HEIGHT * level));
        let mut add = |index, width| {
            tiles.push(Tile { holds: Holds::Hashes(level), index, width });
            if level == 0 {
                tiles.push(Tile { holds: Holds::Entries, index, width });
            }
        };
        for index in had / FULL..has / FULL {
            add(index, FULL);
        }
        if has % FULL > 0 && has != had {
            add(has / FULL, has % FULL);
        }
        level += 1;
    }
    tiles
}

/// 1234067 as `x001/x234/067`.
fn numbered(mut n: u64) -> String {
    let mut path = format!("{:03}", n % 1000);
    while n >= 1000 {
        n /= 1000;
        path = format!("x{:03}/{path}", n % 1000);
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;
    use crate::domain::merkle::{append, leaf_hash};

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |holds, index, width| Tile { holds, index, width }.path();
        assert_eq!(tile(Holds::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Holds::Hashes(1), 5, 17), "tile/1/005.p/17");
        assert_eq!(tile(Holds::Entries, 1000, 255), "tile/entries/x001/000.p/255");
        assert_eq!(tile(Holds::Entries, 999, 256), "tile/entries/999");
        // An oracle's paths have the height in them, which C2SP left out.
        for index in [0, 7, 999, 1000, 1_234_067, 987_654_321] {
            let theirs = tlog_tiles::Tile::new(8, 2, index, 100, false).path();
            assert_eq!(tile(Holds::Hashes(2), index, 100), theirs.replace("tile/8/", "tile/"));
        }
    }

    /// The examples of the specification: 70,000 leaves, and 256.
    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        let count = |size, level, full: bool| {
            between(0, size).iter().filter(|t| t.holds == Holds::Hashes(level) && t.is_full() == full).count()
        };
        let width = |size, level| {
            let tiles = between(0, size);
            tiles.into_iter().find(|t| t.holds == Holds::Hashes(level) && !t.is_full()).map(|t| t.width)
        };
        assert_eq!([count(70_000, 0, true), count(70_000, 1, true), count(70_000, 2, true)], [273, 1, 0]);
        assert_eq!([width(70_000, 0), width(70_000, 1), width(70_000, 2)], [Some(112), Some(17), Some(1)]);
        assert_eq!((count(256, 0, true), width(256, 0), width(256, 1)), (1, None, Some(1)));
        assert!(between(0, 0).is_empty() && between(500, 500).is_empty());
        // The right edge of a log of any size that a store can hold.
        assert_eq!(between((1 << 62) + 254, (1 << 62) + 255).len(), 2);
    }

    /// Whoever follows the log from size to size ends with what a tree has, each full tile written once.
    #[test]
    fn growing_gives_each_full_tile_once() {
        let mut have = std::collections::BTreeSet::new();
        let mut old = 0;
        for new in [1, 3, 255, 256, 257, 700, 700, 65_535, 65_536, 66_000, 70_000] {
            for tile in between(old, new) {
                assert!(have.insert(tile), "{tile:?} twice, at {new}");
            }
            old = new;
        }
        for tile in between(0, 70_000) {
            assert!(have.contains(&tile), "{tile:?} is missing");
        }
    }

    #[test]
    fn bytes_are_the_nodes_and_the_entries() {
        let entries: Vec<Vec<u8>> = (0..600u64).map(|n| n.to_be_bytes()[..(n % 9) as usize].to_vec()).collect();
        let mut nodes = HashMap::new();
        for (n, entry) in entries.iter().enumerate() {
            let new = append(n as u64, leaf_hash(entry), |l, i| Ok::<_, Infallible>(nodes[&(l, i)])).unwrap();
            nodes.extend(new.into_iter().map(|(l, i, hash)| ((l, i), hash)));
        }
        for tile in between(0, 600) {
            let read = |l, i| Ok::<_, Infallible>(nodes[&(l, i)]);
            match tile.holds {
                Holds::Hashes(level) => {
                    let bytes = tile.hashes(read).unwrap();
                    assert_eq!(bytes.len() as u64, 32 * tile.width);
                    assert_eq!(bytes[..32], nodes[&(8 * level, 256 * tile.index)]);
                }
                Holds::Entries => {
                    let from = (tile.index * 256) as usize;
                    let bytes = bundle(&entries[from..from + tile.width as usize]).unwrap();
                    let read = unbundle(&bytes).unwrap();
                    assert!(read.iter().zip(&entries[from..]).all(|(one, other)| one == other));
                    assert_eq!(read.len() as u64, tile.width);
                }
            }
        }
        assert_eq!(bundle(&[vec![0; 65_536]]), None);
        assert_eq!(unbundle(&[0]), None);
        assert_eq!(unbundle(&[0, 2, 1]), None);
        assert_eq!(unbundle(&[]), Some(vec![]));
    }
}
