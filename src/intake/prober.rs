//! Sends sealed clips through the media worker and stores what it found. Whatever that is, the clip stays
//! what it is: a file that is broken, or kills the worker, is marked and goes on like any other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sha2::Digest;
use tokio_util::sync::CancellationToken;

use crate::domain::digest::Sha256;
use crate::domain::error::chain;
use crate::domain::ids::ClipId;
use crate::domain::ports::{MediaFacts, MediaHealth, MediaProbe, ProbeError};
use crate::store::{Change, Store, StoreError};
use crate::vault::Vault;

/// Clips taken at a time.
const BATCH: u32 = 32;
/// Pause between looks without news, and after a worker that cannot start.
const IDLE: Duration = Duration::from_secs(20);

/// The task.
#[derive(Clone)]
pub struct Prober {
    /// The database.
    pub store: Store,
    /// The vault.
    pub vault: Vault,
    /// The worker.
    pub probe: Arc<dyn MediaProbe>,
    /// Width of thumbnails, pixels.
    pub width_px: u32,
    /// Files looked at at the same time.
    pub at_once: usize,
}

impl Prober {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + 'static) {
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once() => outcome,
            };
            match outcome {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Closed) => return,
                Err(e) => tracing::error!(error = %chain(&e), "what the media worker found could not be stored"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = sealed(&mut news) => {}
            }
        }
    }

    /// Looks at what was not looked at; `true` when something was stored.
    async fn run_once(&self) -> Result<bool, StoreError> {
        let clips = self.store.read(|r| r.unprobed(BATCH)).await?;
        let mut stored = false;
        let mut looking = futures_util::stream::iter(clips.into_iter().map(|clip| self.look(clip)))
            .buffer_unordered(self.at_once.max(1));
        while let Some(outcome) = looking.next().await {
            stored |= outcome?;
        }
        Ok(stored)
    }

    async fn look(&self, clip: ClipId) -> Result<bool, StoreError> {
        let path = self.vault.master(clip);
        let facts = match self.probe.probe(&path).await {
            Ok(facts) => facts,
            Err(e @ ProbeError::CannotStart(_)) => {
                tracing::error!(error = %e, "clips are sealed and sent all the same");
                return Ok(false);
            }
            // A file that kills or stalls the worker is marked as such, once, and not tried in a loop.
            Err(e) => {
                MediaFacts { health: MediaHealth::Broken, health_detail: Some(e.to_string()), ..MediaFacts::default() }
            }
        };
        let mut thumbnail = None;
        if facts.vcodec.is_some() {
            match self.probe.thumbnail(&path, self.width_px).await {
                Ok(Some(jpeg)) => match self.vault.put_thumbnail(clip, &jpeg) {
                    Ok(()) => thumbnail = Some(Sha256(sha2::Sha256::digest(&jpeg).into())),
                    Err(e) => tracing::warn!(%clip, error = %chain(&e), "the thumbnail could not be kept"),
                },
                Ok(None) => {}
                Err(e) => tracing::info!(%clip, error = %e, "no thumbnail"),
            }
        }
        self.store.write(move |tx| tx.probed(clip, &facts, thumbnail)).await?;
        Ok(true)
    }
}

async fn sealed(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Clip(_)) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
