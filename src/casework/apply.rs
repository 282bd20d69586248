//! The clerk: applies the rules to clips and publishes their records, through the store.
//!
//! It works on what is stale: a clip that was sealed, probed, proven, linked or annotated since its newest
//! record. Running it twice changes nothing; after a crash it goes on with what is still stale.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::ports::Clock;
use crate::store::{Change, Policy, Reader, Result, Store, StoreError, Tx};

/// Clips taken at a time.
const BATCH: u32 = 200;
/// Record revisions in one catalogue segment, at most.
const CATALOGUE_LINES: u32 = 500;
/// Pause between looks without news.
const IDLE: Duration = Duration::from_secs(10);
/// The catalogue is written at most this often, milliseconds, unless a segment is full.
const CATALOGUE_EVERY_MS: i64 = 10_000;

/// Which clips a review looks at.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// Those that lack something.
    Incomplete,
    /// Those that are linked to what a case was called before it was opened, and not to the case.
    Earlier,
}

/// The clerk of a station. Cheap enough to clone at a restart.
#[derive(Clone)]
pub struct Clerk {
    /// The database.
    pub store: Store,
    /// Applies the rules.
    pub judge: Judge,
    /// What of the configuration shows in records.
    pub policy: Policy,
    /// Where records go.
    pub destinations: Vec<String>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Clerk {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + 'static) {
        let clerk = Arc::new(self);
        let mut news = clerk.store.changes();
        // Whatever an earlier run left undone, and what a changed rule or roster may help now.
        let mut again = true;
        let mut catalogued_ms = clerk.clock.monotonic_ms();
        while !stop.is_cancelled() {
            alive();
            let outcome = async {
                if std::mem::take(&mut again) {
                    clerk.review(&stop, &alive).await?;
                }
                let worked = clerk.run_once(&alive).await?;
                if clerk.clock.monotonic_ms() - catalogued_ms >= CATALOGUE_EVERY_MS {
                    catalogued_ms = clerk.clock.monotonic_ms();
                    clerk.catalogue().await?;
                }
                Ok::<bool, StoreError>(worked)
            }
            .await;
            match outcome {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Closed) => return,
                Err(e) => tracing::error!(error = %chain(&e), "the rules could not be applied; they are tried again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                cases = relevant(&mut news) => again = cases,
            }
        }
        // The last revisions must be findable in the bucket, too.
        if let Err(e) = clerk.catalogue().await {
            tracing::debug!(error = %chain(&e), "the catalogue waits for the next start");
        }
    }

    /// Annotates and publishes what is stale; `true` when there was something.
    async fn run_once(self: &Arc<Self>, alive: &impl Fn()) -> Result<bool> {
        let stale = self.store.read(|r| r.stale_records(BATCH)).await?;
        let mut any = false;
        for clip in stale {
            alive();
            let clerk = Arc::clone(self);
            let made = self
                .store
                .write(move |tx| {
                    clerk.annotate(tx, clip)?;
                    tx.publish(clip, &clerk.policy, &clerk.destinations)
                })
                .await;
            any |= passed(clip, made)?.is_some();
        }
        Ok(any)
    }

    /// Applies the rules again to every clip that lacks something, or whose case may have been opened meanwhile.
    async fn review(self: &Arc<Self>, stop: &CancellationToken, alive: &impl Fn()) -> Result<()> {
        for pass in [Pass::Incomplete, Pass::Earlier] {
            let mut after = None;
            loop {
                alive();
                if stop.is_cancelled() {
                    return Ok(());
                }
                let (from, clerk) = (after, Arc::clone(self));
                // Years of clips without a case may be among them: only what the rules see anew is written.
                let (last, news) = self.store.read(move |r| clerk.look_again(r, pass, from)).await?;
                if last.is_none() {
                    break;
                }
                after = last;
                for clip in news {
                    alive();
                    let clerk = Arc::clone(self);
                    passed(clip, self.store.write(move |tx| clerk.annotate(tx, clip)).await)?;
                }
            }
        }
        Ok(())
    }

    /// A batch of clips: the last of them, and those about which the rules have something new to say.
    fn look_again(&self, r: &Reader<'_>, pass: Pass, after: Option<ClipId>) -> Result<(Option<ClipId>, Vec<ClipId>)> {
        let clips = match pass {
            Pass::Incomplete => r.incomplete(after, BATCH)?,
            Pass::Earlier => r.of_earlier(after, BATCH)?,
        };
        let now_ms = self.clock.now().0;
        let mut news = Vec::new();
        for clip in &clips {
            if passed(*clip, self.judge.judge(r, *clip, now_ms))?.is_some_and(|found| found.is_news) {
                news.push(*clip);
            }
        }
        Ok((clips.last().copied(), news))
    }

    async fn catalogue(self: &Arc<Self>) -> Result<()> {
        loop {
            let clerk = Arc::clone(self);
            let lines =
                self.store.write(move |tx| tx.catalogue(&clerk.policy, &clerk.destinations, CATALOGUE_LINES)).await?;
            if lines < CATALOGUE_LINES as usize {
                return Ok(());
            }
        }
    }

    /// Applies the rules to one clip: facts that are new, a link that is sure, and what waits for a person.
    fn annotate(&self, tx: &Tx<'_>, clip: ClipId) -> Result<()> {
        let found = self.judge.judge(&tx.read(), clip, tx.now_ms())?;
        if !found.is_news {
            return Ok(());
        }
        let by = Actor::daemon();
        tx.add_facts(clip, &by, "daemon", &found.facts)?;
        for (case, reason) in &found.withdrawn {
            tx.withdraw_by_rule(clip, *case, reason, "daemon")?;
        }
        if let Some((_, link)) = &found.link {
            tx.link(link, &by, "daemon")?;
        }
        tx.suggest(clip, &found.suggestions)?;
        tx.set_notes(clip, &found.notes)
    }
}

/// One clip that the rules choke on must not keep every later one from its record, and so from being sent.
fn passed<T>(clip: ClipId, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(e) if e.retry() == Retry::Permanent => {
            tracing::error!(%clip, error = %chain(&e), "the rules could not be applied to this clip; it waits, the others go on");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Waits for a change that makes work; `true` when cases, rosters or who has which recorder changed.
async fn relevant(news: &mut tokio::sync::broadcast::Receiver<Change>) -> bool {
    loop {
        match news.recv().await {
            Ok(Change::Cases | Change::Recorders) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                return true;
            }
            Ok(Change::Clip(_)) => return false,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
