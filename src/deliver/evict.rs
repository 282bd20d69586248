//! Gives space on the vault's disk back: executes what `domain::evict` decides, oldest clips first.
//!
//! For each clip: the copies that count are looked at once more where they stand; the decision is made again inside the
//! transaction that logs the intent and says "evicted"; a checkpoint over that is anchored; the file is removed and its
//! directory synced; the result is logged. The power may fail between any two of these: until the transaction nothing
//! changed, and from then on nothing relies on the file, whether it stands or not. [`Evictor::settle`] finishes what an
//! interrupted run began.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::clip::Delivery;
use crate::domain::error::chain;
use crate::domain::evict::{EvictPolicy, Stay, decide};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{BoxFuture, Clock, Destination, SendError};
use crate::runtime::health::Part;
use crate::runtime::task;
use crate::store::{Change, EvictRow, Store, StoreError};
use crate::vault::{Vault, VaultError};

/// Clips looked at in one query.
const BATCH: u32 = 200;
/// Even without news it is looked at the disk this often.
const IDLE: Duration = Duration::from_secs(60);
/// News come in bursts: so long after the first of them.
const SETTLE: Duration = Duration::from_secs(1);

/// The task. Cheap to clone.
#[derive(Clone)]
pub struct Evictor {
    /// The database.
    pub store: Store,
    /// The vault.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Us.
    pub station: StationId,
    /// Where clips can be read from when they are no longer here.
    pub remotes: Vec<Arc<dyn Destination>>,
    /// What must be so for a clip; `None`: nothing is ever given up.
    pub policy: Option<EvictPolicy>,
    /// So much of the disk is to be free, per cent.
    pub free_percent: u64,
    /// How it is.
    pub health: Part,
    /// Has the intent stand below a checkpoint before its file goes.
    pub checkpoint: Checkpoint,
}

/// Signs a checkpoint of the log as it is, and waits until it stands off this box, where a destination does; an error where
/// that cannot be now, or once the token asks to stop.
pub type Checkpoint = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

/// Why nothing could be given up now.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A copy could not be looked at.
    #[error("before a local copy goes, the ones elsewhere are looked at once more")]
    Look(#[source] SendError),
}

/// What one look came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Clips that were given up.
    pub given_up: u64,
    /// Bytes that this freed.
    pub freed_bytes: u64,
    /// More room is wanted than could be made.
    pub room_wanted: bool,
    /// Why the others stay, with how many.
    pub stay: BTreeMap<String, u64>,
}

impl Evictor {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            // Not dropped in the middle of a clip: its end is a matter of milliseconds.
            match self.run_once(&stop, &alive).await {
                Ok(looked) => self.tell(&looked),
                Err(EvictError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let words = chain(&e);
                    tracing::warn!(error = words, "no space can be given back now");
                    self.health.degraded("evict_waits", words, "it is tried again by itself");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = proofs(&mut news), if self.policy.is_some() => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    fn tell(&self, looked: &Looked) {
        if looked.given_up > 0 {
            tracing::info!(clips = looked.given_up, bytes = looked.freed_bytes, "space was given back");
        }
        if looked.room_wanted {
            let why: Vec<String> = looked.stay.iter().map(|(why, n)| format!("{n}: {why}")).collect();
            let words = format!(
                "less than {} % of the vault's disk is free, and nothing more may go ({})",
                self.free_percent,
                why.join("; ")
            );
            self.health.degraded("evict_room", words, "see why clips stay, or add disk");
        } else {
            self.health.ok();
        }
    }

    /// Finishes what an interrupted run began, then gives up what may go.
    pub async fn run_once(
        &self,
        stop: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<Looked, EvictError> {
        self.settle(stop).await?;
        let Some(policy) = self.policy else { return Ok(Looked::default()) };
        let configured: Vec<String> = self.remotes.iter().map(|d| d.name().to_string()).collect();
        let mut looked = Looked::default();
        let mut after = None;
        loop {
            let (names, from, now_ms) = (configured.clone(), after, self.clock.now().0);
            // While there is room, years of clips that are too young to go need not be looked at.
            let wait_ms = match (self.room_wanted().await?, policy.after_ms) {
                (true, _) => policy.keep_ms,
                (false, Some(after_ms)) => after_ms.max(policy.keep_ms),
                (false, None) => return Ok(looked),
            };
            let (rows, anchors) = self
                .store
                .read(move |r| Ok((r.evictable(&names, now_ms - wait_ms, from, BATCH)?, r.anchors()?)))
                .await?;
            let Some(last) = rows.last().map(|row| row.clip) else { break };
            for row in rows {
                alive();
                if stop.is_cancelled() {
                    return Ok(looked);
                }
                let room_wanted = self.room_wanted().await?;
                if !room_wanted && policy.after_ms.is_none() {
                    // Nothing else can make one go.
                    return Ok(looked);
                }
                match decide(Some(&policy), &row.facts, anchors, room_wanted, self.clock.now().0) {
                    Ok(()) => match self.give_up(&row, &policy, (&configured, room_wanted), stop).await? {
                        Ok(freed) => {
                            looked.given_up += 1;
                            looked.freed_bytes += freed;
                        }
                        Err(why) => *looked.stay.entry(why).or_default() += 1,
                    },
                    Err(Stay::NotBefore(_)) => {
                        *looked.stay.entry("the policy keeps it a while".into()).or_default() += 1
                    }
                    Err(why) => *looked.stay.entry(why.to_string()).or_default() += 1,
                }
            }
            after = Some(last);
        }
        looked.room_wanted = self.room_wanted().await?;
        Ok(looked)
    }

    /// Evictions whose end nobody saw: whether the file still stands or not, it goes now.
    pub async fn settle(&self, stop: &CancellationToken) -> Result<(), EvictError> {
        let evicting = self.store.read(|r| r.evicting()).await?;
        if !evicting.is_empty() {
            (self.checkpoint)(stop.clone()).await?;
        }
        for clip in evicting {
            let freed = self.remove(clip).await?;
            tracing::info!(%clip, freed, "an eviction that was interrupted came to its end");
        }
        Ok(())
    }

    /// One clip; the inner error says why it stays after all.
    async fn give_up(
        &self,
        row: &EvictRow,
        policy: &EvictPolicy,
        (configured, room_wanted): (&[String], bool),
        stop: &CancellationToken,
    ) -> Result<Result<u64, String>, EvictError> {
        let (clip, policy, names) = (row.clip, *policy, configured.to_vec());
        if let Some(why) = self.missing(row).await? {
            return Ok(Err(why));
        }
        let now_ms = self.clock.now().0;
        let decided = self.store.write(move |tx| {
            let (facts, anchors) = (tx.read().evict_facts(clip, &names)?, tx.read().anchors()?);
            match decide(Some(&policy), &facts, anchors, room_wanted, now_ms) {
                Ok(()) => tx.evict_intended(clip).map(Ok),
                Err(why) => Ok(Err(why)),
            }
        });
        match decided.await? {
            Ok(_) => {
                // With the checkpoint in others' hands nobody can say later that nothing was given up. Without one the
                // file stays; the next round settles it, when one arrives.
                (self.checkpoint)(stop.clone()).await?;
                Ok(Ok(self.remove(clip).await?))
            }
            Err(why) => Ok(Err(why.to_string())),
        }
    }

    /// Looks at the copies that count where they stand, with one cheap question each; one that is not there, or has
    /// another length, is suspect from here on.
    async fn missing(&self, row: &EvictRow) -> Result<Option<String>, EvictError> {
        let (clip, key) = (row.clip, layout::master(&self.station, row.clip));
        for copy in row.facts.copies.iter().filter(|c| c.required && c.state == Delivery::Proven) {
            let Some(dest) = self.remotes.iter().find(|d| d.name().as_str() == copy.destination) else { continue };
            let what = match dest.head(&key).await.map_err(EvictError::Look)? {
                Some(there) if there.size_bytes == row.size_bytes => continue,
                Some(there) => {
                    format!("it has {} bytes and not the {} that were sealed", there.size_bytes, row.size_bytes)
                }
                None => "it is not there any more".to_owned(),
            };
            let name = copy.destination.clone();
            tracing::error!(%clip, destination = name, what, "a proven copy is not what was sealed; the local one stays");
            let words = format!("its copy at {name} is suspect: {what}");
            self.store.write(move |tx| tx.suspect(clip, &name, &what, "evict")).await?;
            return Ok(Some(words));
        }
        Ok(None)
    }

    async fn remove(&self, clip: ClipId) -> Result<u64, EvictError> {
        let vault = self.vault.clone();
        let freed = task::blocking("evict", move || vault.give_up(clip)).await.map_err(|_| StoreError::Closed)??;
        self.store.write(move |tx| tx.evicted(clip, freed)).await?;
        Ok(freed)
    }

    async fn room_wanted(&self) -> Result<bool, EvictError> {
        let vault = self.vault.clone();
        let (free, total) = task::blocking("evict", move || vault.space()).await.map_err(|_| StoreError::Closed)??;
        Ok(u128::from(free) * 100 < u128::from(total) * u128::from(self.free_percent))
    }
}

/// Waits for a change that may have let something go: a proof, an audit, a checkpoint that arrived, a hold that ended.
async fn proofs(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Clip(_) | Change::Outbox | Change::Holds | Change::Isolated)
            | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
