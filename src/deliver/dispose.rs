//! Carries confirmed lists of disposal (鉴定销毁) out: what `domain::disposal` decides, clip by clip.
//!
//! For each clip: the decision is made once more inside the transaction that logs that it goes and takes it out of
//! everything that relies on its bytes; a checkpoint over that is anchored; everything of it here is removed and the
//! directories are synced; the result is logged. The power may fail between any two of these: until the transaction the
//! clip stands as before, and from then on nothing relies on its files, whether they stand or not. What an interrupted run
//! began is finished first; what was held or isolated meanwhile, and still stands whole, is kept after all.
//!
//! Copies at destinations are looked at afterwards, each hour: one that a lock or a hold keeps stands, and the record says
//! until when.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::evict::Checkpoint;
use crate::domain::disposal::{CopyFate, copy_fate};
use crate::domain::error::chain;
use crate::domain::ids::{ClipId, DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, Removal, SendError};
use crate::runtime::health::Part;
use crate::runtime::task;
use crate::store::{Change, Store, StoreError};
use crate::vault::tree::build;
use crate::vault::{SealedFile, Vault, VaultError};

/// Copies looked at in one query.
const BATCH: u32 = 200;
/// Copies elsewhere are looked at this often.
const EVERY: Duration = Duration::from_secs(3_600);
/// Nobody looks at a copy again before.
const LOOKED_MS: i64 = 3_000_000;
/// After something failed.
const AGAIN: Duration = Duration::from_secs(60);

/// The task. Cheap to clone.
#[derive(Clone)]
pub struct Disposer {
    /// The database.
    pub store: Store,
    /// The vault.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Us.
    pub station: StationId,
    /// Where copies stand.
    pub remotes: Vec<Arc<dyn Destination>>,
    /// Where they are removed.
    pub dispose_at: Vec<DestinationName>,
    /// A clip without a case is kept for so long after it was sealed, milliseconds.
    pub unlinked_ms: i64,
    /// Has what says that a clip goes stand below a checkpoint before its bytes go.
    pub checkpoint: Checkpoint,
    /// How it is.
    pub health: Part,
}

/// Why a list could not be carried out now.
#[derive(Debug, thiserror::Error)]
pub enum DisposeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A copy could not be looked at.
    #[error("copies elsewhere of what was disposed of could not be looked at")]
    Look(#[source] SendError),
}

impl Disposer {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            // Not dropped in the middle of a clip: its end is a matter of milliseconds.
            let pause = match self.run_once(&stop, &alive).await {
                Ok(()) => {
                    self.health.ok();
                    EVERY
                }
                Err(DisposeError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let words = chain(&e);
                    tracing::warn!(error = words, "a list of disposal could not be carried out to its end now");
                    self.health.degraded("disposal_waits", words, "it is tried again by itself");
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = rest(pause, &stop, &alive) => {}
                () = lists(&mut news) => {}
            }
        }
    }

    /// Finishes what an interrupted run began, carries out what was confirmed, then looks at copies elsewhere.
    pub async fn run_once(
        &self,
        stop: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), DisposeError> {
        let (asked, going) = self.store.read(|r| r.disposals_open()).await?;
        if !going.is_empty() {
            (self.checkpoint)(stop.clone()).await?;
        }
        for (disposal, clip) in going {
            if self.remove(disposal, clip).await? {
                tracing::info!(%clip, disposal, "a disposal that was interrupted came to its end");
            }
        }
        for (disposal, clip) in asked {
            alive();
            if stop.is_cancelled() {
                return Ok(());
            }
            let unlinked_ms = self.unlinked_ms;
            if self.store.write(move |tx| tx.disposal_intended(disposal, clip, unlinked_ms)).await? {
                // With the checkpoint in others' hands nobody can say later that nothing was destroyed. Without one the
                // bytes stay; the next round goes on, when one arrives.
                (self.checkpoint)(stop.clone()).await?;
                if self.remove(disposal, clip).await? {
                    tracing::info!(%clip, disposal, "disposed of; only its record is kept");
                }
            }
        }
        self.store.write(|tx| tx.end_disposals()).await?;
        for dest in &self.remotes {
            alive();
            self.look_at(dest, stop).await?;
        }
        Ok(())
    }

    /// Removes everything of a clip here, unless somebody held or isolated it, linked it to an open case or opened its case
    /// again while the checkpoint was waited for: that can take days. What was given up here before is kept then, too, where it stands elsewhere. `true` where it is gone.
    async fn remove(&self, disposal: i64, clip: ClipId) -> Result<bool, DisposeError> {
        let vault = self.vault.clone();
        // The footage goes last: where it stands it is whole.
        let looked = task::blocking("dispose", move || (vault.master(clip).exists(), vault.thumbnail(clip).exists()));
        let (stands, picture) = looked.await.map_err(|_| StoreError::Closed)?;
        if !self.store.write(move |tx| tx.disposal_goes_on(disposal, clip, stands, picture)).await? {
            tracing::info!(%clip, disposal, "kept after all: a hold, an isolation or a case came before its bytes went");
            if stands {
                self.put_tree_back(clip).await?;
            }
            return Ok(false);
        }
        let vault = self.vault.clone();
        let freed = task::blocking("dispose", move || vault.dispose(clip)).await.map_err(|_| StoreError::Closed)??;
        self.store.write(move |tx| tx.disposed(disposal, clip, freed)).await?;
        Ok(true)
    }

    /// Makes the tree of a clip anew that an interrupted run had removed already.
    async fn put_tree_back(&self, clip: ClipId) -> Result<(), DisposeError> {
        let root = self.store.read(move |r| Ok(r.clip(clip)?.blake3)).await?;
        let vault = self.vault.clone();
        let done = task::blocking("dispose", move || {
            if vault.tree(clip).exists() {
                return Ok(());
            }
            let built = build(&SealedFile::open(&vault.master(clip))?);
            match built {
                Ok((found, tree)) if Some(found) == root => vault.put_tree(clip, &tree),
                // Reading does without, and says what it finds.
                _ => {
                    tracing::warn!(%clip, "its hash tree could not be made anew");
                    Ok(())
                }
            }
        });
        Ok(done.await.map_err(|_| StoreError::Closed)??)
    }

    /// Looks at the copies of disposed clips at one destination whose lock is over, as far as we know.
    async fn look_at(&self, dest: &Arc<dyn Destination>, stop: &CancellationToken) -> Result<(), DisposeError> {
        let (name, now_ms) = (dest.name().to_string(), self.clock.now().0);
        let asked = self.dispose_at.contains(dest.name());
        let of = name.clone();
        // One in trouble is its uplink's to try.
        if self.store.read(move |r| r.is_in_trouble(&of)).await? {
            return Ok(());
        }
        loop {
            let of = name.clone();
            let looked_ms = now_ms - LOOKED_MS;
            let due = self.store.read(move |r| r.copies_to_dispose(&of, now_ms, looked_ms, BATCH)).await?;
            if due.is_empty() || stop.is_cancelled() {
                return Ok(());
            }
            for clip in due {
                self.look_at_one(dest, clip, (asked, now_ms), stop).await?;
            }
        }
    }

    async fn look_at_one(
        &self,
        dest: &Arc<dyn Destination>,
        clip: ClipId,
        (asked, now_ms): (bool, i64),
        stop: &CancellationToken,
    ) -> Result<(), DisposeError> {
        let name = dest.name().to_string();
        let there = dest.head(&layout::master(&self.station, clip)).await.map_err(DisposeError::Look)?;
        let facts = self.store.read(move |r| r.clip_facts(clip)).await?;
        let of = name;
        let held = facts.held || facts.isolated || there.as_ref().is_some_and(|t| t.held);
        let locked = there.as_ref().and_then(|t| t.locked_until).map(|at| at.0);
        let fate = match copy_fate(asked, held, locked, now_ms) {
            CopyFate::Remove => match self.take_away(dest, clip, there.is_some(), stop).await? {
                None => return Ok(()),
                Some(why) => CopyFate::Stands(None, why),
            },
            stands => stands,
        };
        self.store.write(move |tx| tx.copy_stands(clip, &of, fate)).await?;
        Ok(())
    }
}

impl Disposer {
    /// Removes a copy and what makes it readable; why it stands where it does. What is intended is stored first.
    async fn take_away(
        &self,
        dest: &Arc<dyn Destination>,
        clip: ClipId,
        is_there: bool,
        stop: &CancellationToken,
    ) -> Result<Option<&'static str>, DisposeError> {
        let name = dest.name().to_string();
        if is_there {
            let of = name.clone();
            if !self.store.write(move |tx| tx.copy_goes(clip, &of)).await? {
                return Ok(Some("held"));
            }
            (self.checkpoint)(stop.clone()).await?;
            let of = name.clone();
            if !self.store.write(move |tx| tx.copy_goes_on(clip, &of)).await? {
                return Ok(Some("held"));
            }
        }
        // The tree goes first: with the footage gone the copy is gone.
        for key in [layout::tree(&self.station, clip), layout::master(&self.station, clip)] {
            match dest.remove(&key).await {
                Ok(Removal::Done) => {}
                Ok(Removal::Unsupported) => return Ok(Some("cannot")),
                Err(SendError::Refused { what, .. }) => {
                    tracing::warn!(%clip, destination = name, what, "a copy of what was disposed of is kept there");
                    return Ok(Some("refused"));
                }
                Err(e) => return Err(DisposeError::Look(e)),
            }
        }
        self.store.write(move |tx| tx.copy_gone(clip, &name)).await?;
        Ok(None)
    }
}

/// A long pause in steps, so that the watchdog sees that this is alive.
async fn rest(pause: Duration, stop: &CancellationToken, alive: &impl Fn()) {
    let step = Duration::from_secs(30);
    let mut left = pause;
    while !left.is_zero() && !stop.is_cancelled() {
        alive();
        let now = left.min(step);
        tokio::time::sleep(now).await;
        left -= now;
    }
}

/// Waits for a list that was confirmed.
async fn lists(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Holds) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
