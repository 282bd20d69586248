//! Locks of copies at one destination after their proof: renewed as `domain::retention` says, and legal holds set and
//! taken off as holds come and go. A lock is stored as the destination tells it when it is asked again, and is only ever
//! made longer.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, HoldAnswer, SendError};
use crate::domain::retention::{RetentionRule, renewal};
use crate::domain::time::UtcMs;
use crate::runtime::health::Part;
use crate::store::{Change, LockJob, Store, StoreError};

/// Copies looked at in one query.
const BATCH: u32 = 200;
/// Renewals are days ahead of their time: looking each hour is plenty.
const EVERY: Duration = Duration::from_secs(3_600);
/// After a destination did not answer, or refused.
const AWAY: Duration = Duration::from_secs(600);
/// News come in bursts: so long after the first of them.
const SETTLE: Duration = Duration::from_secs(1);
/// A destination may round a lock to seconds, and clocks differ.
const SLACK_MS: i64 = 3_600_000;

/// The locks of one destination. Cheap to clone.
#[derive(Clone)]
pub struct Locks {
    /// The destination.
    pub dest: Arc<dyn Destination>,
    /// The database.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Us.
    pub station: StationId,
    /// When locks are renewed, and how far.
    pub rule: RetentionRule,
    /// It is configured to lock nothing.
    pub off: bool,
    /// How it is.
    pub health: Part,
}

/// Why locks are not as they should be.
#[derive(Debug, thiserror::Error)]
enum LockError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{destination} answered yes to a lock on {key} and keeps {kept}")]
    NotKept { destination: String, key: String, kept: String },
}

impl Locks {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once(&alive) => outcome,
            };
            let pause = match outcome {
                Ok(()) => {
                    self.health.ok();
                    EVERY
                }
                Err(LockError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let words = chain(&e);
                    tracing::warn!(destination = %self.dest.name(), error = words, "locks there could not be renewed now");
                    // What is merely away is told as such by its uplink.
                    if !matches!(&e, LockError::Send(e) if e.retry() == Retry::Transient) {
                        let todo = format!(
                            "see that evidock may lock objects there; then `evidock retry {}`",
                            self.dest.name()
                        );
                        self.health.failed("locks_stand_still", words, todo);
                    }
                    AWAY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = rest(pause, &stop, &alive) => {}
                () = holds(&mut news), if pause == EVERY => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    async fn run_once(&self, alive: &(impl Fn() + Send + Sync)) -> Result<(), LockError> {
        let name = self.dest.name().to_string();
        let known = self.store.read(move |r| Ok(r.destinations()?.into_iter().find(|d| d.name == name))).await?;
        if !known.is_some_and(|d| d.can_lock && d.trouble.is_none()) {
            return Ok(());
        }
        self.holds_due(alive).await?;
        if self.off { Ok(()) } else { self.renew_due(alive).await }
    }

    /// Legal holds follow the holds that stand here: on the footage, its tree and its record.
    async fn holds_due(&self, alive: &(impl Fn() + Send + Sync)) -> Result<(), LockError> {
        loop {
            let name = self.dest.name().to_string();
            let due = self.store.read(move |r| r.legal_holds_due(&name, BATCH)).await?;
            if due.is_empty() {
                return Ok(());
            }
            for (clip, held) in due {
                alive();
                let master = layout::master(&self.station, clip);
                for key in self.beside(clip).await?.into_iter().chain([master]) {
                    match self.dest.hold(&key, held).await {
                        Ok(HoldAnswer::Done) => {}
                        // It locks and knows no holds: what stands here goes on to be renewed as a lock.
                        Ok(HoldAnswer::Unsupported) => return Ok(()),
                        Err(SendError::Mismatch { what, .. }) => {
                            tracing::warn!(key, what, "this object is not there to be held");
                        }
                        Err(e) => return Err(e.into()),
                    }
                }
                let name = self.dest.name().to_string();
                self.store.write(move |tx| tx.legal_hold(clip, &name, held)).await?;
            }
        }
    }

    async fn renew_due(&self, alive: &(impl Fn() + Send + Sync)) -> Result<(), LockError> {
        let (mut after, mut trouble) = (None, None);
        loop {
            let (name, now_ms) = (self.dest.name().to_string(), self.clock.now().0);
            let (before, from) = (now_ms.saturating_add(self.rule.before_ms), after);
            let jobs = self.store.read(move |r| r.locks_due(&name, before, from, BATCH)).await?;
            let Some(last) = jobs.last().map(|job| job.clip) else { return trouble.map_or(Ok(()), Err) };
            for job in jobs {
                alive();
                let Some(until_ms) = renewal(&self.rule, &job.facts, now_ms) else { continue };
                match self.renew(&job, UtcMs(until_ms)).await {
                    Ok(()) => {}
                    // The whole destination is away or refuses; else one copy leaves no other one unlocked.
                    Err(
                        e @ (LockError::Store(_)
                        | LockError::Send(SendError::Unreachable { .. } | SendError::Refused { .. })),
                    ) => return Err(e),
                    Err(e) => trouble = Some(e),
                }
            }
            after = Some(last);
        }
    }

    /// The footage last: what is stored as its lock then holds for all that makes it readable and tells of it.
    async fn renew(&self, job: &LockJob, until: UtcMs) -> Result<(), LockError> {
        let (clip, name) = (job.clip, self.dest.name().to_string());
        let master = layout::master(&self.station, clip);
        for key in self.beside(clip).await? {
            match self.dest.retain(&key, until).await {
                // A record that was never stored, a copy made before trees were: nothing to lock.
                Err(SendError::Mismatch { what, .. }) => {
                    tracing::warn!(key, what, "this object is not there to be locked")
                }
                other => other?,
            }
        }
        match self.dest.retain(&master, until).await {
            Err(SendError::Mismatch { what, .. }) => {
                // Its footage is gone: that is for an audit's ears, and no reason to leave the others unlocked.
                tracing::error!(%clip, destination = name, what, "a proven copy is not there to be locked; it is suspect");
                self.store.write(move |tx| tx.suspect(clip, &name, &what, "lock")).await?;
                return Ok(());
            }
            other => other?,
        }
        let kept = self.dest.head(&master).await?.and_then(|there| there.locked_until);
        if kept.is_none_or(|kept| kept.0 < until.0 - SLACK_MS) {
            let kept = kept.map_or("none".to_owned(), |kept| format!("one until {}", kept.rfc3339()));
            return Err(LockError::NotKept { destination: name, key: master, kept });
        }
        let kept_ms = kept.unwrap_or(until).0;
        self.store.write(move |tx| tx.locked(clip, &name, kept_ms)).await?;
        Ok(())
    }

    /// What stands beside a clip's footage and is locked like it: its tree, and the revisions of its record.
    async fn beside(&self, clip: ClipId) -> Result<Vec<String>, StoreError> {
        let name = self.dest.name().to_string();
        let mut keys = self.store.read(move |r| r.records_at(clip, &name)).await?;
        keys.push(layout::tree(&self.station, clip));
        Ok(keys)
    }
}

/// A long pause in steps, so that the watchdog sees that this is alive.
async fn rest(pause: Duration, stop: &CancellationToken, alive: &impl Fn()) {
    let step = Duration::from_secs(60);
    let mut left = pause;
    while !left.is_zero() && !stop.is_cancelled() {
        alive();
        let now = left.min(step);
        tokio::time::sleep(now).await;
        left -= now;
    }
}

/// Waits for a change that may ask for another lock.
async fn holds(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Clip(_) | Change::Holds | Change::Cases | Change::Destinations)
            | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
