//! Full tiles of the tree as they stand off the box, compared with the nodes that the events give. A checkpoint tells that
//! something was changed somewhere before it, where it is read at all; a full tile tells of each event in it, and few of
//! them cover a long log: one of the second level has 65,536 events. Compares only; reading tiles is others' business.

use std::collections::HashMap;

use super::report::{Findings, HeldBy, Problem};
use crate::domain::merkle::Hash;
use crate::domain::tile::{FULL, HEIGHT};

/// Bytes of a full tile.
pub const TILE_BYTES: usize = 32 * FULL as usize;

/// A full tile of hashes as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTile {
    /// Where.
    pub held_by: HeldBy,
    /// Of which epoch's log.
    pub epoch: u32,
    /// Its level among tiles, 0 for that of single events.
    pub level: u8,
    /// Which one of its level.
    pub index: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The tiles, met by the tree as it grows.
#[derive(Default)]
pub(super) struct Tiles {
    /// By level of the tree and index of the tile; with whether a difference was told.
    held: HashMap<(u8, u64), Vec<(HeldTile, bool)>>,
}

impl Tiles {
    pub fn new(held: impl IntoIterator<Item = HeldTile>, problems: &mut Findings<Problem>) -> Self {
        let mut tiles = Self::default();
        for tile in held {
            if tile.bytes.len() == TILE_BYTES && tile.level < 64 / HEIGHT {
                tiles.held.entry((tile.level * HEIGHT, tile.index)).or_default().push((tile, false));
            } else {
                let HeldTile { held_by, epoch, level, index, .. } = tile;
                problems.add(Problem::BadTile { held_by, epoch, level, index });
            }
        }
        tiles
    }

    /// The events give this hash to a node; `running` is the epoch of the last of them.
    pub fn meet(&mut self, level: u8, index: u64, hash: &Hash, running: Option<u32>, problems: &mut Findings<Problem>) {
        if !level.is_multiple_of(HEIGHT) {
            return;
        }
        let Some(tiles) = self.held.get_mut(&(level, index / FULL)) else { return };
        let at = (index % FULL) as usize * hash.len();
        for (tile, told) in tiles.iter_mut().filter(|(_, told)| !*told) {
            // What an epoch lost, its tiles have, and the log has not.
            if running.is_some_and(|running| running > tile.epoch) || tile.bytes[at..at + hash.len()] == hash[..] {
                continue;
            }
            *told = true;
            problems.add(Problem::OtherTile {
                held_by: tile.held_by.clone(),
                epoch: tile.epoch,
                level: tile.level,
                index: tile.index,
                from: index << level,
                to: ((index + 1) << level) - 1,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_compared_as_long_as_its_epoch_lasts_and_told_once() {
        let tile = |level, index, byte| HeldTile {
            held_by: HeldBy::Anchor("nas".into()),
            epoch: 1,
            level,
            index,
            bytes: vec![byte; TILE_BYTES],
        };
        let mut problems = Findings::default();
        let mut tiles =
            Tiles::new([tile(0, 1, 1), tile(1, 0, 2), HeldTile { bytes: vec![0], ..tile(0, 0, 0) }], &mut problems);
        assert_eq!(problems.counts["bad_tile"], 1);
        let mut meet = |level, index, byte: u8, running| {
            let mut problems = Findings::default();
            tiles.meet(level, index, &[byte; 32], Some(running), &mut problems);
            problems.listed.pop().map(|found| found.what)
        };
        assert_eq!(meet(0, 256, 1, 1), None, "as it stands there");
        assert_eq!(meet(0, 5, 9, 1), None, "of another tile");
        assert_eq!(meet(4, 256, 9, 1), None, "no tile has that level");
        assert_eq!(meet(0, 300, 9, 2), None, "a later epoch has other events there");
        let found = meet(8, 3, 9, 1);
        assert!(matches!(found, Some(Problem::OtherTile { level: 1, index: 0, from: 768, to: 1023, .. })), "{found:?}");
        assert_eq!(meet(8, 4, 9, 1), None, "told once");
        assert!(meet(0, 511, 9, 1).is_some());
    }
}
