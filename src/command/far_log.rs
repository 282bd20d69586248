//! What destinations hold of the log, read back for `log verify`: checkpoints, timestamps, the full tiles of its tree, and
//! the trees of epochs of which a restore lost something. Reads only; what is found is compared elsewhere.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::epochs::{Begun, kept_of, told};
use super::far_tree::{self, FarTree, telling};
use super::holdings::Which;
use super::{anchors, destinations};
use crate::config::Settings;
use crate::custody::far_tiles::HeldTile;
use crate::custody::losses::LostTree;
use crate::custody::report::HeldBy;
use crate::custody::stamps::HeldStamp;
use crate::custody::verify::HeldCheckpoint;
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, SendError};
use crate::domain::tile::FULL;
use crate::store::Store;

/// Timestamps that are read from the database at once.
const BATCH: u32 = 1_000;

/// Keys that this database knows, and what is asked for besides.
pub(super) struct Known {
    pub checkpoints: HashSet<String>,
    pub stamps: HashSet<String>,
    /// Keys of checkpoints that an epoch of the log names as lost.
    pub lost: HashSet<String>,
    /// Everything is read.
    pub all: bool,
}

/// What was read of a destination, and of how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReadAt {
    destination: String,
    /// Checkpoints that stand there, ...
    checkpoints: u64,
    /// ... and how many of them were read.
    read: u64,
    /// Full tiles that were read.
    tiles: u64,
    /// So many first events of the log are in full tiles there.
    tile_events: u64,
}

impl fmt::Display for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, checkpoints, read, tiles, tile_events } = self;
        write!(f, "Read at {destination}: {read} of {checkpoints} checkpoints")?;
        if read < checkpoints {
            write!(f, " (a sample; --all reads every one)")?;
        }
        write!(f, ", {tiles} full tiles, which tell of each of the first {tile_events} events")
    }
}

/// What all of them hold.
#[derive(Default)]
pub(super) struct Far {
    pub notes: Vec<HeldCheckpoint>,
    pub stamps: Vec<HeldStamp>,
    pub tiles: Vec<HeldTile>,
    pub read: Vec<ReadAt>,
    /// Somebody who may hold checkpoints could not be asked.
    pub unasked: bool,
    pub warnings: Vec<String>,
    /// Names of those that answered.
    answered: HashSet<String>,
}

/// The timestamps in the database, and their keys at destinations.
pub(super) fn stamps(store: &Store, station: &StationId) -> anyhow::Result<(Vec<HeldStamp>, HashSet<String>)> {
    let (mut stamps, mut keys, mut after) = (Vec::new(), HashSet::new(), 0);
    loop {
        let rows = store.read_blocking(|r| r.timestamps(after, BATCH))?;
        let Some((last, _)) = rows.last() else { return Ok((stamps, keys)) };
        after = *last;
        for (_, row) in rows {
            keys.insert(layout::timestamp(station, row.epoch, row.size, row.said_ms));
            stamps.push(HeldStamp::read(HeldBy::Store, row.epoch, row.size, Some(&row.text), &row.reply));
        }
    }
}

/// What every destination holds; one that does not answer is a warning.
pub(super) fn read(settings: &Settings, store: &Store, begun: &[Begun], known: &Known) -> anyhow::Result<Far> {
    let mut all = Far::default();
    // Probing told which of them stand on the vault's own device; of one that was never probed nothing is known.
    let (far, size) = store.read_blocking(|r| {
        let far = r.destinations()?.into_iter().filter(|d| d.probed_ms.is_some() && !d.same_device);
        Ok((far.map(|d| d.name).collect::<HashSet<_>>(), r.log_size()?))
    })?;
    super::block_on(async {
        for written in &settings.destinations {
            let name = written.name.to_string();
            let held_by = if far.contains(&name) { HeldBy::Anchor(name.clone()) } else { HeldBy::Near(name.clone()) };
            let (used, at) = store.read_blocking(|r| Ok((r.stored_at(&name)?, r.tiles_at(&name)?)))?;
            match destinations::make(settings, written, used, Some(Arc::new(store.clone()))) {
                Ok(dest) => {
                    let epochs: Vec<(u32, u64)> =
                        begun.iter().map(|b| (b.epoch, kept_of(begun, b.epoch).unwrap_or(size))).collect();
                    all.add(dest, &settings.station.id, &held_by, known, &epochs, at).await;
                }
                Err(e) => {
                    all.unasked = true;
                    all.warnings.push(format!("the checkpoints at {name} were not compared: {e:#}"));
                }
            }
        }
        Ok(())
    })?;
    Ok(all)
}

impl Far {
    /// `epochs` are those of the log, each with the number of its events that the log has; `at` is up to where this database
    /// knows tiles to stand there.
    async fn add(
        &mut self,
        dest: Arc<dyn Destination>,
        station: &StationId,
        held_by: &HeldBy,
        known: &Known,
        epochs: &[(u32, u64)],
        at: Option<(u32, u64)>,
    ) {
        let name = dest.name().to_string();
        let which = |keys| Which { known: keys, wanted: &known.lost, all: known.all };
        let mut read = ReadAt { destination: name.clone(), checkpoints: 0, read: 0, tiles: 0, tile_events: 0 };
        match anchors::read_back(&*dest, station, which(&known.checkpoints), held_by).await {
            Ok(found) if found.listed == 0 => self
                .warnings
                .push(format!("{name} holds no checkpoint yet; nothing off this box confirms the log there")),
            Ok(found) => {
                (read.checkpoints, read.read) = (found.listed, found.read);
                self.notes.extend(found.notes);
                self.warnings.extend(found.warnings);
            }
            Err(e) => {
                self.unasked = true;
                self.warnings.push(format!("the checkpoints at {name} were not compared: {}", chain(&e)));
                return;
            }
        }
        match anchors::read_stamps(&*dest, station, which(&known.stamps), held_by).await {
            Ok((stamps, warnings)) => {
                self.stamps.extend(stamps);
                self.warnings.extend(warnings);
            }
            Err(e) => {
                self.unasked = true;
                self.warnings.push(format!("the timestamps at {name} were not compared: {}", chain(&e)));
            }
        }
        for (epoch, size) in epochs {
            let brought = at.filter(|(of, _)| of == epoch).map_or(0, |(_, size)| size);
            if let Err(e) = self.tiles(&*dest, station, held_by, (*epoch, *size), brought, &mut read).await {
                self.warnings.push(format!("the tiles of epoch {epoch} at {name} were not compared: {}", chain(&e)));
            }
        }
        self.read.push(read);
        self.answered.insert(name);
    }

    async fn tiles(
        &mut self,
        dest: &dyn Destination,
        station: &StationId,
        held_by: &HeldBy,
        (epoch, size): (u32, u64),
        brought: u64,
        read: &mut ReadAt,
    ) -> Result<(), SendError> {
        let which = telling(size);
        let found = far_tree::read(dest, station, epoch, &which, held_by).await?;
        let begins = |(level, index): &(u8, u64)| index * FULL.pow(u32::from(*level) + 1);
        let ends = |(level, index): &(u8, u64)| (index + 1) * FULL.pow(u32::from(*level) + 1);
        let whole = found.missing.iter().map(begins).min().unwrap_or(size / FULL * FULL);
        read.tiles += (which.len() - found.missing.len()) as u64;
        read.tile_events = read.tile_events.max(whole);
        self.tiles.extend(found.tiles);
        // What was not brought yet is not missed.
        let gone = found.missing.iter().filter(|tile| ends(tile) <= brought).count();
        if gone > 0 {
            self.warnings.push(format!(
                "{gone} full tiles of epoch {epoch} that were brought to {} do not stand there: somebody deleted them",
                dest.name()
            ));
        }
        if let Some(why) = found.unseen.filter(|_| !which.is_empty()) {
            self.warnings.push(format!(
                "{} shows the newest version of each tile alone ({why}): one that was written over there would not be seen",
                dest.name()
            ));
        }
        Ok(())
    }
}

/// The trees of epochs of which the log's openings name something as lost, as far as full tiles of them stand anywhere, with
/// the ways from what was kept and from each head that was read.
pub(super) fn lost_trees(settings: &Settings, begun: &[Begun], far: &mut Far) -> anyhow::Result<Vec<LostTree>> {
    let station = &settings.station.id;
    let lost: BTreeSet<u32> = begun.iter().flat_map(|begun| begun.opening.epochs_lost()).collect();
    let mut trees = Vec::new();
    super::block_on(async {
        for epoch in lost {
            let openings = || begun.iter().filter(|begun| begun.epoch > epoch);
            let kept: Vec<u64> = openings().map(|begun| begun.kept).collect();
            let newest = openings().filter_map(|begun| begun.opening.newest_lost(epoch)).map(|head| head.size).max();
            let (Some(least), Some(newest)) = (kept.iter().copied().min(), newest) else { continue };
            // A declaration may name any size: what is read of it is bounded by what was signed.
            let heads = far.notes.iter().filter_map(|held| told(&held.note, station)).filter(|h| h.epoch == epoch);
            let mut sizes: BTreeSet<u64> = heads.map(|head| head.size).filter(|size| *size > least).collect();
            sizes.extend(far.stamps.iter().filter(|s| s.epoch == epoch && s.size > least).map(|stamp| stamp.size));
            let Some(largest) = sizes.last().copied() else { continue };
            sizes.extend(kept);
            let sizes: Vec<u64> = sizes.into_iter().collect();
            for written in settings.destinations.iter().filter(|d| far.answered.contains(d.name.as_str())) {
                // Made anew: its connections went with those who asked before.
                let Ok(dest) = destinations::make(settings, written, true, None) else { continue };
                let mut tree = FarTree::new(&*dest, station, epoch);
                let found = match tree.covers(least, newest.min(largest)).await {
                    Ok(0) => Ok(None),
                    Ok(size) => tree.tree(size, &sizes).await,
                    Err(e) => Err(e),
                };
                match found {
                    Ok(tree) => trees.extend(tree),
                    Err(e) => far.warnings.push(format!(
                        "the tiles of epoch {epoch} at {} were not read: {}",
                        dest.name(),
                        chain(&e)
                    )),
                }
            }
        }
        Ok(())
    })?;
    Ok(trees)
}
