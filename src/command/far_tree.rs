//! The tree of the log as a destination's full tiles have it: read back for `log verify` and the daemon's look, and asked
//! for ways between heads of an epoch that a restore ended. Partial tiles are passed over: nothing locks them. What is read
//! is compared, or followed from a signed head, and never taken over.

use std::collections::HashMap;

use futures_util::StreamExt;

use super::holdings::{self, Held, each};
use crate::custody::far_tiles::{HeldTile, TILE_BYTES};
use crate::custody::losses::LostTree;
use crate::custody::report::HeldBy;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::merkle::{self, Hash, node_hash};
use crate::domain::ports::{Destination, ObjectVersion, SendError};
use crate::domain::tile::{FULL, HEIGHT, Holds, Tile};

/// Tiles that are read at the same time.
const AT_ONCE: usize = 8;
/// Tiles below the newest head that may not have come there: of sixteen thousand events.
const LAG: u64 = 64;

/// Key of a full tile.
fn key(station: &StationId, epoch: u32, level: u8, index: u64) -> String {
    let tile = Tile { holds: Holds::Hashes(level), index, width: FULL };
    format!("{}{}", layout::tiles_prefix(station, epoch), tile.path())
}

/// The full tiles that tell of the first `size` events of an epoch: those of the second level, and those of the first that
/// no full one of the second covers. A third level would tell nothing more.
pub(super) fn telling(size: u64) -> Vec<(u8, u64)> {
    let (tiles, wide) = (size / FULL, size / FULL / FULL);
    (0..wide).map(|index| (1, index)).chain((wide * FULL..tiles).map(|index| (0, index))).collect()
}

/// What was read of a destination's tiles.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub tiles: Vec<HeldTile>,
    /// Tiles, as level and index, that do not stand there.
    pub missing: Vec<(u8, u64)>,
    /// Why versions could not be seen, where they could not.
    pub unseen: Option<String>,
}

/// Reads full tiles of an epoch, each in every version of it.
pub(super) async fn read(
    dest: &dyn Destination,
    station: &StationId,
    epoch: u32,
    which: &[(u8, u64)],
    held_by: &HeldBy,
) -> Result<Read, SendError> {
    let mut all = Read::default();
    let mut answers = futures_util::stream::iter(which.to_vec())
        .map(|(level, index)| async move { (level, index, versions(dest, &key(station, epoch, level, index)).await) })
        .buffered(AT_ONCE);
    while let Some((level, index, answer)) = answers.next().await {
        let (found, unseen) = answer?;
        all.unseen = all.unseen.or(unseen);
        if found.is_empty() {
            all.missing.push((level, index));
        }
        let tiles = found.into_iter().map(|bytes| HeldTile { held_by: held_by.clone(), epoch, level, index, bytes });
        all.tiles.extend(tiles);
    }
    Ok(all)
}

/// The bytes of each version of one full tile.
pub(super) async fn versions_of(
    dest: &dyn Destination,
    station: &StationId,
    epoch: u32,
    (level, index): (u8, u64),
) -> Result<Vec<Vec<u8>>, SendError> {
    Ok(versions(dest, &key(station, epoch, level, index)).await?.0)
}

async fn versions(dest: &dyn Destination, key: &str) -> Result<(Vec<Vec<u8>>, Option<String>), SendError> {
    let mut held: Option<Held> = None;
    // The partial ones of the same number stand below the same prefix.
    let unseen = each(dest, key, None, &mut |found| match &mut held {
        _ if found.key != key => {}
        Some(held) => held.merge(found),
        None => held = Some(found),
    })
    .await?;
    let mut read = Vec::new();
    for version in held.into_iter().flat_map(|held| held.versions) {
        read.push(holdings::bytes(dest, &version, TILE_BYTES + 1).await?);
    }
    Ok((read, unseen))
}

/// Why a node is not at hand.
enum Need {
    /// A tile was not read yet.
    Tile(u8, u64),
    /// No full tile has it.
    Never,
}

/// The tree of one epoch at one destination, read as it is asked for.
pub(super) struct FarTree<'a> {
    dest: &'a dyn Destination,
    station: &'a StationId,
    epoch: u32,
    /// `None` where none stands there.
    tiles: HashMap<(u8, u64), Option<Vec<u8>>>,
}

impl<'a> FarTree<'a> {
    pub fn new(dest: &'a dyn Destination, station: &'a StationId, epoch: u32) -> Self {
        Self { dest, station, epoch, tiles: HashMap::new() }
    }

    /// So many of the first `below` events have full tiles there; 0 where the newest of them are too old to tell, or where
    /// they end at `above` or before. They are brought in their order.
    pub async fn covers(&mut self, above: u64, below: u64) -> Result<u64, SendError> {
        let newest = below / FULL;
        for tiles in ((above / FULL + 1).max(newest.saturating_sub(LAG))..=newest).rev() {
            self.load(0, tiles - 1).await?;
            if matches!(self.tiles.get(&(0, tiles - 1)), Some(Some(_))) {
                return Ok(tiles * FULL);
            }
        }
        Ok(0)
    }

    /// The tree over its full tiles, with the ways from `sizes`; `None` where a tile is missing among them.
    pub async fn tree(&mut self, size: u64, sizes: &[u64]) -> Result<Option<LostTree>, SendError> {
        let Some(root) = self.ask(|read| merkle::root(size, read)).await? else { return Ok(None) };
        let mut tree = LostTree { epoch: self.epoch, size, root, ways: Default::default() };
        for old in sizes.iter().copied().filter(|old| *old <= size) {
            let Some(then) = self.ask(|read| merkle::root(old, read)).await? else { return Ok(None) };
            let way = self.ask(|read| merkle::consistency_proof(old, size, read)).await?;
            let Some(Some(way)) = way else { return Ok(None) };
            tree.ways.insert(old, (then, way));
        }
        Ok(Some(tree))
    }

    /// Answers a question about the tree, reading whatever tile it asks for.
    async fn ask<T>(
        &mut self,
        question: impl Fn(&mut dyn FnMut(u8, u64) -> Result<Hash, Need>) -> Result<T, Need>,
    ) -> Result<Option<T>, SendError> {
        loop {
            match question(&mut |level, index| self.node(level, index)) {
                Ok(answer) => return Ok(Some(answer)),
                Err(Need::Never) => return Ok(None),
                Err(Need::Tile(level, index)) => self.load(level, index).await?,
            }
        }
    }

    fn node(&self, level: u8, index: u64) -> Result<Hash, Need> {
        let (of_tiles, height) = (level / HEIGHT, level % HEIGHT);
        let first = index << height;
        let tile = (of_tiles, first / FULL);
        match self.tiles.get(&tile) {
            None => Err(Need::Tile(tile.0, tile.1)),
            Some(Some(bytes)) => {
                let hashes = bytes.as_chunks::<32>().0.iter();
                let mut row: Vec<Hash> = hashes.skip((first % FULL) as usize).take(1 << height).copied().collect();
                while row.len() > 1 {
                    row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
                }
                row.pop().ok_or(Need::Never)
            }
            // The tile that it would stand in is not full yet; those below it may be.
            Some(None) if level > 0 => {
                Ok(node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
            }
            Some(None) => Err(Need::Never),
        }
    }

    async fn load(&mut self, level: u8, index: u64) -> Result<(), SendError> {
        if self.tiles.contains_key(&(level, index)) {
            return Ok(());
        }
        let key = key(self.station, self.epoch, level, index);
        let found = match holdings::patient(self.dest, self.dest.head(&key)).await? {
            None => None,
            Some(_) => {
                let version = ObjectVersion { key, version: None, deleted: false };
                Some(holdings::bytes(self.dest, &version, TILE_BYTES + 1).await?)
            }
        };
        self.tiles.insert((level, index), found.filter(|bytes| bytes.len() == TILE_BYTES));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use super::*;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::ids::DestinationName;
    use crate::domain::merkle::{Frontier, leaf_hash, verify_consistency};
    use crate::domain::tile::between;

    async fn place(size: u64) -> (Arc<FakeDestination>, StationId, HashMap<(u8, u64), Hash>) {
        let us = StationId::new("one").unwrap();
        let dest = FakeDestination::new(DestinationName::new("d").unwrap(), us.clone());
        let mut tree = Frontier::default();
        let nodes = (0..size).flat_map(|n| tree.push(leaf_hash(&n.to_be_bytes())));
        let nodes: HashMap<_, _> = nodes.map(|(level, index, hash)| ((level, index), hash)).collect();
        for tile in between(0, size) {
            if tile.holds != Holds::Entries {
                let bytes = tile.hashes(|l, i| Ok::<_, Infallible>(nodes[&(l, i)])).unwrap();
                let key = format!("{}{}", layout::tiles_prefix(&us, 1), tile.path());
                dest.put_small(&key, bytes.into(), "t", None).await.unwrap();
            }
        }
        (dest, us, nodes)
    }

    #[test]
    fn few_tiles_tell_of_many_events() {
        assert!(telling(255).is_empty());
        assert_eq!(telling(600), [(0, 0), (0, 1)]);
        assert_eq!(telling(65_536 + 600), [(1, 0), (0, 256), (0, 257)]);
        assert_eq!(telling(10_000_000).len(), 152 + 150);
    }

    #[tokio::test]
    async fn ways_are_found_as_far_as_full_tiles_go() {
        let (dest, us, nodes) = place(1_500).await;
        let root = |size| merkle::root(size, |l, i| Ok::<_, Infallible>(nodes[&(l, i)])).unwrap();
        let mut far = FarTree::new(&*dest, &us, 1);
        assert_eq!(far.covers(0, 1_500).await.unwrap(), 1_280);
        assert_eq!(far.covers(1_280, 1_500).await.unwrap(), 0, "no full tile ends behind what is kept");
        assert_eq!(far.covers(0, 200).await.unwrap(), 0);
        assert_eq!(far.covers(0, 9_000).await.unwrap(), 1_280, "the newest are not there yet");
        let tree = far.tree(1_280, &[0, 300, 1_000, 1_280, 1_400]).await.unwrap().unwrap();
        assert_eq!((tree.root, tree.ways.len()), (root(1_280), 4), "beyond the last full tile there is no way");
        for (size, (then, way)) in &tree.ways {
            assert_eq!(*then, root(*size));
            assert!(verify_consistency(*size, then, 1_280, &tree.root, way), "{size}");
        }
        assert_eq!(FarTree::new(&*dest, &us, 2).covers(0, 1_500).await.unwrap(), 0, "of another epoch");
    }

    #[tokio::test]
    async fn tiles_are_read_in_every_version_and_missing_ones_are_told() {
        let (dest, us, _) = place(600).await;
        let held_by = HeldBy::Anchor("d".into());
        dest.write_over(&key(&us, 1, 0, 1), vec![1_u8; TILE_BYTES].into());
        let read = read(&*dest, &us, 1, &[(0, 0), (0, 1), (0, 2)], &held_by).await.unwrap();
        let found: Vec<_> = read.tiles.iter().map(|tile| (tile.index, tile.bytes[0] == 1)).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.contains(&(1, true)) && read.missing == [(0, 2)] && read.unseen.is_none(), "{found:?}");
    }
}
