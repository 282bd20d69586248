//! Brings good bytes of a clip back into the vault where a destination's copy turned out wrong and the vault has none to
//! send again: from whatever copies there are, stretch by stretch, each verified. The uplink then sends them like any
//! sealed clip, and an eviction may take them again once they are proven.
//!
//! Where no copy has them any more the clip is put under quarantine: it never passes for proven, and a person decides.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::footage::Reach;
use crate::domain::error::chain;
use crate::domain::ids::ClipId;
use crate::domain::ports::{Footage, FootageError};
use crate::runtime::health::Part;
use crate::runtime::task;
use crate::store::{Change, StoreError};
use crate::vault::VaultError;

/// The reason of a quarantine that is set here; `evidock verify --remote` lifts it when a copy turns out good after all.
pub const NOWHERE: &str = "no copy of it that can be read is what was sealed, here or at any destination";
/// Clips taken at a time.
const BATCH: u32 = 8;
/// Even without news it is looked for work this often.
const IDLE: Duration = Duration::from_secs(60);

/// The task. Cheap to clone.
#[derive(Clone)]
pub struct Mender {
    /// The way to every copy.
    pub reach: Reach,
    /// Space that is left free on the vault's disk, bytes.
    pub reserve_bytes: u64,
    /// How it is.
    pub health: Part,
}

/// Why a clip could not be mended now.
#[derive(Debug, thiserror::Error)]
enum MendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Footage(#[from] FootageError),
    #[error("the vault has no room for the {bytes} bytes of a clip that must come back; free space on its disk")]
    NoRoom { bytes: u64 },
    #[error("what came back is not what was sealed, although each stretch of it was; it was dropped")]
    Differs,
}

impl Mender {
    /// Mends until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        let mut news = self.reach.store.changes();
        // Clips whose file is damaged here and for which no copy had the bytes: not read again until something changed.
        let mut hopeless = BTreeSet::new();
        while !stop.is_cancelled() {
            alive();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once(&mut hopeless, &alive) => outcome,
            };
            match outcome {
                Ok(()) => self.health.ok(),
                Err(MendError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let words = chain(&e);
                    tracing::warn!(error = words, "a copy cannot be mended now");
                    self.health.degraded("mend_waits", words, "it is tried again by itself");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = suspicions(&mut news) => {}
            }
        }
    }

    async fn run_once(
        &self,
        hopeless: &mut BTreeSet<ClipId>,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), MendError> {
        let clips = self.reach.store.read(|r| r.orphaned_suspects(BATCH)).await?;
        hopeless.retain(|clip| clips.contains(clip));
        let mut trouble = None;
        for clip in clips.into_iter().filter(|clip| !hopeless.contains(clip)).collect::<Vec<_>>() {
            match self.mend(clip, alive).await {
                Ok(()) => tracing::info!(%clip, "good bytes of it stand here again; they are sent anew"),
                // Gone for good, as far as anybody can tell from here.
                Err(MendError::Footage(FootageError::Nowhere { tried, passing: false, .. })) => {
                    tracing::error!(%clip, tried, "{NOWHERE}; it is in quarantine");
                    hopeless.insert(clip);
                    self.reach.store.write(move |tx| tx.quarantine(clip, NOWHERE)).await?;
                }
                Err(e @ MendError::Store(_)) => return Err(e),
                // The others may fare better.
                Err(e) => trouble = Some(e),
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    async fn mend(&self, clip: ClipId, alive: &(impl Fn() + Send + Sync)) -> Result<(), MendError> {
        let row = self.reach.store.read(move |r| r.clip(clip)).await?;
        let (Some(blake3), Some(size_bytes)) = (row.blake3, row.size_bytes) else {
            return Err(StoreError::Odd(format!("clip {clip} was sent and is not sealed")).into());
        };
        let vault = self.reach.vault.clone();
        let space = task::blocking("mend", move || vault.space()).await.map_err(|_| StoreError::Closed)??;
        if space.0 < self.reserve_bytes.saturating_add(size_bytes) {
            return Err(MendError::NoRoom { bytes: size_bytes });
        }
        let bytes = self.reach.open(clip).await?;
        let vault = self.reach.vault.clone();
        let begun = task::blocking("mend", move || vault.begin_again(clip)).await.map_err(|_| StoreError::Closed)??;
        let file = Arc::new(begun);
        let mut stream = bytes.read(0..size_bytes);
        while let Some(chunk) = stream.next().await {
            let (chunk, mut out, path) = (chunk?, Arc::clone(&file), self.reach.vault.master(clip));
            let written =
                task::blocking("mend", move || out.write_all(&chunk)).await.map_err(|_| StoreError::Closed)?;
            written.map_err(|source| VaultError { doing: "writing", path, source })?;
            alive();
        }
        drop(file);
        let vault = self.reach.vault.clone();
        let back = task::blocking("mend", move || vault.take_back(clip, blake3, size_bytes)).await;
        if !back.map_err(|_| StoreError::Closed)?? {
            return Err(MendError::Differs);
        }
        self.reach.store.write(move |tx| tx.recalled(clip)).await?;
        Ok(())
    }
}

/// Waits for a change that may have made something wrong, or right.
async fn suspicions(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Clip(_) | Change::Destinations) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                return;
            }
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
