//! Reads copies at one destination again after their proof, and compares them with what was sealed: some groups of each
//! against the clip's BLAKE3 tree, or every byte against its digest. What differs is called suspect in the same
//! transaction: nothing relies on it any more, and it is sent again. What cannot be read now is tried later; it never
//! passes.
//!
//! Three things make a copy due, in this order: an eviction waits for it, its whole reading is due, or the day's share
//! of samples is not used up. No more is read in a second than the configuration allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::{Draft, EventKind};
use crate::domain::evict::Audit;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, SendError};
use crate::runtime::clock::monotonic;
use crate::runtime::health::Part;
use crate::runtime::task;
use crate::store::{AuditJob, Change, Store, StoreError};
use crate::vault::Vault;
use crate::vault::tree::{Checker, GROUP_BYTES, Outboard, TreeBuilder, TreeError};

/// Copies taken at a time.
const BATCH: u32 = 8;
/// Without news, what is due is looked for this often.
const IDLE: Duration = Duration::from_secs(60);
/// News come in bursts: so long after the first of them.
const SETTLE: Duration = Duration::from_millis(500);
/// After a destination did not answer, it is left alone for this long.
const AWAY: Duration = Duration::from_secs(300);
/// While it goes on, whether clips go up is looked at anew after so many bytes.
const LOOK_BYTES: u64 = 16 << 20;
const DAY_MS: i64 = 86_400_000;

/// How a destination's copies are audited.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Us.
    pub station: StationId,
    /// So many per cent of the copies are sampled each day.
    pub share_percent: u64,
    /// Groups in a sample.
    pub groups: u64,
    /// Each copy is read whole after so long, milliseconds.
    pub whole_every_ms: Option<i64>,
    /// No more is read than this.
    pub bytes_per_s: u64,
    /// What an eviction waits for.
    pub awaited: Audit,
}

/// The audits of one destination. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    dest: Arc<dyn Destination>,
    store: Store,
    vault: Vault,
    clock: Arc<dyn Clock>,
    options: Arc<AuditOptions>,
    health: Part,
}

/// Why an audit came to no result.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The destination.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Retryable for AuditError {
    fn retry(&self) -> Retry {
        match self {
            Self::Send(e) => e.retry(),
            Self::Store(e) => e.retry(),
        }
    }
}

/// What comparing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is what was sealed.
    Same,
    /// It is not; in words.
    Differs(String),
}

impl Auditor {
    /// Puts the parts together.
    pub fn new(
        dest: Arc<dyn Destination>,
        store: Store,
        vault: Vault,
        clock: Arc<dyn Clock>,
        health: Part,
        options: AuditOptions,
    ) -> Self {
        Self { dest, store, vault, clock, options: Arc::new(options), health }
    }

    fn name(&self) -> &str {
        self.dest.name().as_str()
    }

    /// Audits what is due, until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync) {
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once(&alive) => outcome,
            };
            let pause = match outcome {
                Ok(true) => continue,
                Ok(false) => {
                    self.health.ok();
                    IDLE
                }
                Err(AuditError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let words = chain(&e);
                    tracing::warn!(destination = self.name(), error = words, "copies could not be read again now");
                    if e.retry() != Retry::Transient {
                        self.health.degraded("audit_stopped", words, format!("see the destination {}", self.name()));
                    }
                    AWAY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = proofs(&mut news), if pause == IDLE => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    /// Audits some of what is due; `true` when there was something.
    async fn run_once(&self, alive: &(impl Fn() + Send + Sync)) -> Result<bool, AuditError> {
        let Some((how, jobs)) = self.due().await? else { return Ok(false) };
        for job in jobs {
            alive();
            let clip = job.clip;
            let found = match how {
                Audit::Whole => self.whole(&job, alive).await?,
                Audit::None | Audit::Sampled => self.sampled(&job).await?,
            };
            let name = self.name().to_owned();
            match found {
                Found::Same => {
                    let asked = Draft::daemon(EventKind::Audited);
                    self.store.write(move |tx| tx.audited(clip, &name, how, asked)).await?;
                }
                Found::Differs(what) => {
                    tracing::error!(%clip, destination = name, what, "a proven copy is not what was sealed; it is suspect from here on");
                    self.store.write(move |tx| tx.suspect(clip, &name, &what, "audit")).await?;
                }
            }
        }
        Ok(true)
    }

    /// What is due now, and how it is to be read.
    async fn due(&self) -> Result<Option<(Audit, Vec<AuditJob>)>, StoreError> {
        let (name, now, options) = (self.name().to_owned(), self.clock.now().0, Arc::clone(&self.options));
        self.store
            .read(move |r| {
                // A destination in trouble is the uplink's to try.
                let known = r.destinations()?.into_iter().find(|d| d.name == name);
                if known.is_none_or(|d| d.trouble.is_some()) {
                    return Ok(None);
                }
                let awaited = r.audits_awaited(&name, options.awaited, BATCH)?;
                if !awaited.is_empty() {
                    return Ok(Some((options.awaited, awaited)));
                }
                if let Some(every_ms) = options.whole_every_ms {
                    let whole = r.whole_audits_due(&name, now - every_ms, now, BATCH)?;
                    if !whole.is_empty() {
                        return Ok(Some((Audit::Whole, whole)));
                    }
                }
                let (proven, read_today) = r.audit_figures(&name, now - DAY_MS, now)?;
                let share = (proven * options.share_percent).div_ceil(100);
                let left = share.saturating_sub(read_today).min(u64::from(BATCH)) as u32;
                let sampled = r.audits_due(&name, now - DAY_MS, now, left)?;
                Ok((!sampled.is_empty()).then_some((Audit::Sampled, sampled)))
            })
            .await
    }

    // -----------------------------------------------------------------------------------------
    // Reading

    /// Reads some groups and verifies each by the clip's tree; the whole copy where there is no sound tree here.
    async fn sampled(&self, job: &AuditJob) -> Result<Found, AuditError> {
        let key = layout::master(&self.options.station, job.clip);
        match self.dest.head(&key).await? {
            None => return Ok(Found::Differs("it is not there any more".to_owned())),
            Some(there) if there.size_bytes != job.size_bytes => {
                return Ok(Found::Differs(format!(
                    "it has {} bytes and not the {} that were sealed",
                    there.size_bytes, job.size_bytes
                )));
            }
            Some(_) => {}
        }
        let checker = Checker { root: job.blake3, size_bytes: job.size_bytes };
        let path = self.vault.tree(job.clip);
        let opened = task::blocking("audit", move || Outboard::open(&path)).await.map_err(|_| StoreError::Closed)?;
        let Ok(tree) = opened.map(Arc::new) else { return self.whole(job, &|| {}).await };
        let mut pace = Pace::new(self.allowed().await?);
        for group in sample(checker.groups(), self.options.groups, rand::random) {
            let from = group * GROUP_BYTES as u64;
            let to = (from + GROUP_BYTES as u64).min(job.size_bytes);
            if from == to {
                break;
            }
            let bytes = match self.range(&key, from, to).await {
                Err(SendError::Mismatch { what, .. }) => return Ok(Found::Differs(what)),
                other => other?,
            };
            pace.took(bytes.len() as u64).await;
            if bytes.len() as u64 != to - from {
                return Ok(Found::Differs(format!("bytes {from} to {to} cannot be read back whole")));
            }
            let held = Arc::clone(&tree);
            let checked = task::blocking("audit", move || checker.check(&held, from, &bytes)).await;
            match checked.map_err(|_| StoreError::Closed)? {
                Ok(()) => {}
                Err(TreeError::Bytes { at }) => {
                    return Ok(Found::Differs(format!("read again, bytes from {at} on are not what was sealed")));
                }
                Err(e @ (TreeError::Tree | TreeError::Read(_))) => {
                    tracing::warn!(clip = %job.clip, error = %chain(&e), "the local tree of this clip is of no use; its copy is read whole");
                    return self.whole(job, &|| {}).await;
                }
            }
        }
        Ok(Found::Same)
    }

    /// At most one byte more than was asked for is taken of an answer that does not end.
    async fn range(&self, key: &str, from: u64, to: u64) -> Result<Vec<u8>, SendError> {
        let (mut bytes, most) = (Vec::new(), (to - from) as usize);
        let mut stream = self.dest.read(key, Some(from..to)).await?;
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > most {
                bytes.truncate(most + 1);
                break;
            }
        }
        Ok(bytes)
    }

    /// Reads every byte and compares length and digest, and the tree that stands beside it with the one of these bytes.
    async fn whole(&self, job: &AuditJob, alive: &(dyn Fn() + Send + Sync)) -> Result<Found, AuditError> {
        let key = layout::master(&self.options.station, job.clip);
        let mut stream = match self.dest.read(&key, None).await {
            Err(SendError::Mismatch { what, .. }) => return Ok(Found::Differs(what)),
            other => other?,
        };
        let mut pace = Pace::new(self.allowed().await?);
        let (mut built, mut size, mut looked) = (TreeBuilder::new(Sum::default()), 0, 0);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            if size > job.size_bytes {
                return Ok(Found::Differs(format!("it has more than the {} bytes that were sealed", job.size_bytes)));
            }
            // A sum in memory takes everything.
            built.update(&chunk).map_err(SendError::Local)?;
            alive();
            pace.took(chunk.len() as u64).await;
            if size - looked > LOOK_BYTES {
                looked = size;
                pace.allow(self.allowed().await?);
            }
        }
        if size != job.size_bytes {
            // Cut, or short? Its own word on the length decides.
            return match self.dest.head(&key).await? {
                Some(there) if there.size_bytes == job.size_bytes => Err(SendError::Unreachable {
                    destination: self.dest.name().clone(),
                    what: format!("its answer ended after {size} of {} bytes", job.size_bytes),
                }
                .into()),
                _ => Ok(Found::Differs(format!("it has {size} bytes and not the {} that were sealed", job.size_bytes))),
            };
        }
        let (found, tree) = built.finish().map_err(SendError::Local)?;
        if found != job.blake3 {
            return Ok(Found::Differs(format!(
                "read again, its BLAKE3 is {found}, not the {} that was sealed",
                job.blake3
            )));
        }
        self.tree(job, tree).await
    }

    async fn tree(&self, job: &AuditJob, wanted: Sum) -> Result<Found, AuditError> {
        let key = layout::tree(&self.options.station, job.clip);
        let differs = || Found::Differs("its tree there is not the one of its bytes".to_owned());
        let mut stream = match self.dest.read(&key, None).await {
            Err(SendError::Mismatch { .. }) => return Ok(differs()),
            other => other?,
        };
        let mut sum = Sum::default();
        while let Some(chunk) = stream.next().await {
            sum.add(&chunk?);
            if sum.bytes > wanted.bytes {
                return Ok(differs());
            }
        }
        Ok(if sum.is(&wanted) { Found::Same } else { differs() })
    }

    /// Bytes a second that are allowed now: a quarter while clips go up, since lines are shared.
    async fn allowed(&self) -> Result<u64, StoreError> {
        let name = self.name().to_owned();
        let sending = self.store.read(move |r| Ok(r.under_way()?.iter().any(|(_, to, ..)| *to == name))).await?;
        Ok((self.options.bytes_per_s / if sending { 4 } else { 1 }).max(1))
    }
}

/// Which groups of a copy are read: the first, the last, and others anywhere between, each once, in order.
fn sample(groups: u64, count: u64, mut random: impl FnMut() -> u64) -> Vec<u64> {
    if groups <= count {
        return (0..groups).collect();
    }
    let mut picked = std::collections::BTreeSet::from([0, groups - 1]);
    // One of each stretch: a hole of some size anywhere is met sooner or later, and no place is foreseeable.
    let between = count.saturating_sub(2);
    for n in 0..between {
        let (from, to) = (1 + n * (groups - 2) / between, 1 + (n + 1) * (groups - 2) / between);
        picked.insert(from + random() % (to - from).max(1));
    }
    picked.into_iter().collect()
}

/// Holds a reader to so many bytes a second.
struct Pace {
    bytes_per_s: u64,
    due: Instant,
}

impl Pace {
    fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s, due: monotonic() }
    }

    fn allow(&mut self, bytes_per_s: u64) {
        self.bytes_per_s = bytes_per_s;
    }

    async fn took(&mut self, bytes: u64) {
        tokio::time::sleep(self.pause(monotonic(), bytes)).await;
    }

    /// How long to wait at `now`, after so many bytes.
    fn pause(&mut self, now: Instant, bytes: u64) -> Duration {
        self.due = self.due.max(now) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
        self.due.saturating_duration_since(now)
    }
}

/// Length and digest of what was written to it.
#[derive(Default)]
struct Sum {
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn is(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.hasher.finalize() == other.hasher.finalize()
    }
}

impl std::io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits for a change that may have made an audit due.
async fn proofs(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Clip(_) | Change::Destinations) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                return;
            }
            Ok(_) => {}
            // The store is closing; the stop comes by its own way.
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_both_ends_and_something_of_every_stretch() {
        for (groups, count) in [(1, 16), (16, 16), (17, 16), (1_000, 16), (1_000_000, 3), (10, 1), (10, 2)] {
            for seed in [0, 1, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
                let mut x = seed;
                let picked = sample(groups, count, || {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    x
                });
                assert!(picked.iter().all(|g| *g < groups) && picked.is_sorted(), "{groups} {count}");
                assert_eq!((picked[0], *picked.last().unwrap()), (0, groups - 1), "{groups} {count}");
                let most = groups.min(count.max(2));
                assert_eq!(picked.len() as u64, most, "{groups} {count}: {picked:?}");
            }
        }
    }

    #[test]
    fn no_more_is_read_in_a_second_than_is_allowed() {
        let (mut pace, begun) = (Pace::new(1_000), monotonic());
        let mut now = begun;
        for _ in 0..10 {
            now += pace.pause(now, 500);
        }
        let took = now - begun;
        assert!((4.9..5.2).contains(&took.as_secs_f64()), "{took:?}");
        // What was not used is not saved up.
        now += Duration::from_secs(60);
        assert!(pace.pause(now, 500) >= Duration::from_millis(490));
    }
}
