//! The log at destinations as others read it: tiles of its tree (`domain::tile`), beside the checkpoints; bundles of its
//! entries only where that is asked for, since they tell who acted on which clip and when. Each full one is written once and locked like a checkpoint; the partial ones at the edge are written for
//! the newest checkpoint, under their width.
//!
//! Their bytes follow from what is stored, so that nothing of them waits anywhere: what stands at a destination is one
//! number, and everything between that and the newest checkpoint is still due, also after a crash.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::deliver::welcome::Welcome;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, SendError};
use crate::domain::tile::{FULL, Holds, Tile, between, bundle};
use crate::domain::time::UtcMs;
use crate::store::{Reader, Store, StoreError};

const DAY_MS: i64 = 86_400_000;
/// Entries after which what stands there is noted: full tiles of two levels.
const STEP: u64 = FULL * FULL;

/// Brings the tiles to one destination.
#[derive(Clone)]
pub struct Tiler {
    /// Where to.
    pub dest: Arc<dyn Destination>,
    /// The log.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Us.
    pub station: StationId,
    /// Full tiles are locked for so long; 0: not at all.
    pub lock_days: u32,
    /// Whether bundles of entries go there, too.
    pub entries: bool,
    /// Whether the destination lets us in.
    pub welcome: Welcome,
    /// The newest checkpoint is looked at so often; after a failure, after ten times that.
    pub look_every: Duration,
}

/// Why tiles did not get there.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The destination.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Tiler {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        while !stop.is_cancelled() {
            alive();
            let mut pause = self.look_every;
            // What refuses us is its uplink's to ask.
            let looked = if self.welcome.is_open() { self.run_once(&stop, &alive).await.map(drop) } else { Ok(()) };
            match looked {
                Ok(()) => {}
                Err(TilesError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    // What is wrong with the destination as such is told by its uplink.
                    if matches!(&e, TilesError::Send(e) if e.retry() == Retry::Transient) {
                        tracing::debug!(destination = %self.dest.name(), error = %chain(&e), "tiles wait");
                    } else {
                        tracing::warn!(destination = %self.dest.name(), error = %chain(&e), "tiles of the log cannot be stored there");
                    }
                    pause *= 10;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Brings what is due; gives how many objects that were.
    pub async fn run_once(
        &self,
        stop: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<u64, TilesError> {
        let name = self.dest.name().to_string();
        let looked = self
            .store
            .read(move |r| {
                let epoch = r.epoch()?;
                let head = r.last_checkpoint()?.filter(|head| head.epoch == epoch);
                // Locks are asked for where they are possible, as for checkpoints.
                let can_lock = r.destinations()?.iter().any(|d| d.name == name && d.can_lock);
                let probed = r.destinations()?.iter().any(|d| d.name == name && d.probed_ms.is_some());
                Ok((head, r.tiles_at(&name)?, can_lock, probed))
            })
            .await?;
        let (Some(head), at, can_lock, true) = looked else { return Ok(0) };
        let had = at.filter(|(epoch, _)| *epoch == head.epoch).map_or(0, |(_, size)| size);
        if had >= head.size {
            return Ok(0);
        }
        let lock = (can_lock && self.lock_days > 0)
            .then(|| UtcMs(self.clock.now().0.saturating_add(i64::from(self.lock_days) * DAY_MS)));
        let (mut had, mut put) = (had, 0);
        while had < head.size {
            // A long log goes in steps, each noted, so that a line that breaks does not begin at zero.
            let to = head.size.min((had / STEP + 1) * STEP);
            for tile in between(had, to).into_iter().filter(|tile| self.entries || tile.holds != Holds::Entries) {
                if stop.is_cancelled() {
                    return Ok(put);
                }
                alive();
                let bytes = self.store.read(move |r| bytes(r, &tile)).await?;
                let key = format!("{}{}", layout::tiles_prefix(&self.station, head.epoch), tile.path());
                let lock = lock.filter(|_| tile.is_full());
                self.dest.put_small(&key, Bytes::from(bytes), "application/octet-stream", lock).await?;
                put += 1;
            }
            let (name, epoch) = (self.dest.name().to_string(), head.epoch);
            self.store.write(move |tx| tx.set_tiles_at(&name, epoch, to)).await?;
            had = to;
        }
        Ok(put)
    }
}

fn bytes(r: &Reader<'_>, tile: &Tile) -> Result<Vec<u8>, StoreError> {
    match tile.holds {
        Holds::Hashes(_) => tile.hashes(|level, index| r.log_node(level, index)),
        Holds::Entries => {
            let first = tile.nodes().next().map_or(0, |(_, index)| index);
            let rows = r.log_entries(first, tile.width as u32)?;
            if rows.len() as u64 != tile.width {
                return Err(StoreError::Odd(format!("entries from {first} on are missing")));
            }
            let entries: Vec<&[u8]> = rows.iter().map(|row| row.bytes.as_slice()).collect();
            bundle(&entries)
                .ok_or_else(|| StoreError::Odd(format!("an entry from {first} on is too long for a bundle")))
        }
    }
}
