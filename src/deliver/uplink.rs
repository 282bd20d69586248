//! One destination's uplink: takes what is due from the store, sends it, proves it, stores each step.
//!
//! Before each step and after it the database knows: the session before its first byte, a part before it
//! is sent and its receipt before the next. Our database is the authority; what the remote says it holds is
//! a hint that can only save work. Failure policy stands in [`Uplink::run`]; every `*_once` uses `?`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::prove::{Expected, Verdict, prove, whole_crc64};
use super::sweep::sweep;
use crate::domain::clip::{Delivery, ProofLevel};
use crate::domain::digest::{Crc64, Sha256};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::grid::{MIN_PART_BYTES, PartGrid};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, ByteSource, Clock, Destination, HeldPart, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId,
};
use crate::domain::record::{Field, settle};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::time::UtcMs;
use crate::runtime::board::Board;
use crate::runtime::task;
use crate::store::{Change, ClipRow, DeliveryJob, PartRow, Store, StoreError};
use crate::vault::{SealedFile, Vault, VaultError, hash_uncached};

/// Small objects taken from the outbox at a time.
const OUTBOX_BATCH: u32 = 64;
/// While clips go up, the outbox is looked at this often.
const OUTBOX_LOOK: Duration = Duration::from_millis(300);
/// Small objects on their way at a time.
const OUTBOX_IN_FLIGHT: usize = 4;
/// A remote copy that keeps differing is a matter for a person after this many full sends.
const MAX_MISMATCHES: u32 = 5;
/// Even without news the store is looked at this often.
const IDLE_LOOK: Duration = Duration::from_secs(20);
/// Bytes compared at each sampled place after a proof by checksum.
const SAMPLE_BYTES: u64 = 4096;

/// How an uplink behaves.
#[derive(Debug, Clone)]
pub struct UplinkOptions {
    /// Us.
    pub station: StationId,
    /// Clips on their way at a time.
    pub clips_in_flight: usize,
    /// Parts of a clip on their way at a time.
    pub parts_in_flight: usize,
    /// First pause after a failure, milliseconds; doubles up to `retry_max_ms`.
    pub retry_min_ms: i64,
    /// Longest pause, milliseconds.
    pub retry_max_ms: i64,
    /// Clips with a label above this one are held back (decision 9).
    pub max_sensitivity: Sensitivity,
    /// Objects are locked for so many days from completion, where the destination can.
    pub initial_lock_days: u32,
}

/// The uplink to one destination. Cheap to clone.
#[derive(Clone)]
pub struct Uplink {
    dest: Arc<dyn Destination>,
    store: Store,
    vault: Vault,
    board: Board,
    clock: Arc<dyn Clock>,
    options: Arc<UplinkOptions>,
    /// The destination was probed by this process: what it learned of the server is in its memory.
    probed: Arc<std::sync::atomic::AtomicBool>,
}

/// Why a step of an uplink failed.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The destination.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own file.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Something else found the destination in trouble first; what was under way came to its end.
    #[error("the rest waits until the destination is well again")]
    Parked,
}

impl UplinkError {
    /// Whether it concerns the whole destination, so that nothing new is begun there.
    fn stops_all(&self) -> bool {
        matches!(
            self,
            Self::Send(SendError::Unreachable { .. } | SendError::Refused { .. }) | Self::Store(_) | Self::Parked
        )
    }
}

impl Retryable for UplinkError {
    fn retry(&self) -> Retry {
        match self {
            Self::Send(e) => e.retry(),
            Self::Store(e) => e.retry(),
            Self::Vault(_) | Self::Parked => Retry::Transient,
        }
    }
}

/// The pause after the `attempts`-th failure in a row: doubling, with jitter so that stations spread out.
fn backoff_ms(attempts: u32, min_ms: i64, max_ms: i64, random: u32) -> i64 {
    let full = min_ms.saturating_mul(1 << attempts.min(16)).min(max_ms).max(min_ms);
    // Between half and the whole of it.
    full / 2 + i64::from(random) * (full / 2) / i64::from(u32::MAX)
}

impl Uplink {
    /// Puts the parts together.
    pub fn new(
        dest: Arc<dyn Destination>,
        store: Store,
        vault: Vault,
        board: Board,
        clock: Arc<dyn Clock>,
        options: UplinkOptions,
    ) -> Self {
        Self { dest, store, vault, board, clock, options: Arc::new(options), probed: Arc::default() }
    }

    fn name(&self) -> &str {
        self.dest.name().as_str()
    }

    /// Runs until `stop`: probes, then sends small objects and clips side by side. The destination being
    /// away is ordinary: it is said once, and tried again with backoff; what needs a person waits for one.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync + 'static) {
        let mut attempts = 0;
        let mut news = self.store.changes();
        while !stop.is_cancelled() {
            alive();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once(&alive) => outcome,
            };
            match outcome {
                Ok(true) => attempts = 0,
                Ok(false) => {
                    attempts = 0;
                    self.idle(&mut news, &stop).await;
                }
                Err(UplinkError::Store(StoreError::Closed)) => return,
                Err(e) => {
                    let retry = e.retry();
                    let words = chain(&e);
                    tracing::warn!(
                        destination = self.name(),
                        error = words,
                        retry = retry.as_str(),
                        "nothing goes out to this destination now"
                    );
                    let name = self.name().to_owned();
                    // Permanent trouble of a whole destination needs a person, too.
                    let kept = if retry == Retry::Transient { Retry::Transient } else { Retry::Operator };
                    if let Err(e) =
                        self.store.write(move |tx| tx.destination_trouble(&name, Some((&words, kept)))).await
                    {
                        tracing::warn!(error = %chain(&e), "the trouble could not be stored");
                    }
                    if kept == Retry::Operator {
                        self.wait_for_person(&mut news, &stop, &alive).await;
                        attempts = 0;
                    } else {
                        let pause =
                            backoff_ms(attempts, self.options.retry_min_ms, self.options.retry_max_ms, rand::random());
                        attempts += 1;
                        self.sleep(pause, &stop, &alive).await;
                    }
                }
            }
        }
    }

    /// Waits for news or for a while, whichever comes first.
    async fn idle(&self, news: &mut tokio::sync::broadcast::Receiver<Change>, stop: &CancellationToken) {
        let due = {
            let name = self.name().to_owned();
            self.store.read(move |r| r.next_due_ms(&name)).await.ok().flatten()
        };
        let now = self.clock.now().0;
        let pause =
            due.filter(|d| *d > now).map_or(IDLE_LOOK, |d| Duration::from_millis((d - now) as u64).min(IDLE_LOOK));
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = relevant(news) => {}
        }
    }

    /// Waits until somebody lifts the trouble (`evidock retry`).
    async fn wait_for_person(
        &self,
        news: &mut tokio::sync::broadcast::Receiver<Change>,
        stop: &CancellationToken,
        alive: &impl Fn(),
    ) {
        loop {
            alive();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(IDLE_LOOK) => {}
                _ = news.recv() => {}
            }
            let name = self.name().to_owned();
            let troubled = self
                .store
                .read(move |r| Ok(r.destinations()?.into_iter().any(|d| d.name == name && d.trouble.is_some())))
                .await;
            if !troubled.unwrap_or(true) {
                return;
            }
        }
    }

    async fn sleep(&self, pause_ms: i64, stop: &CancellationToken, alive: &impl Fn()) {
        let step = Duration::from_secs(1);
        let mut left = Duration::from_millis(pause_ms.max(0) as u64);
        while !left.is_zero() && !stop.is_cancelled() {
            alive();
            let now = left.min(step);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(now) => {}
            }
            left -= now;
        }
    }

    /// Probes if that is due, then sends what is due; `true` when something was done.
    async fn run_once(&self, alive: &(impl Fn() + Send + Sync)) -> Result<bool, UplinkError> {
        let abilities = self.abilities().await?;
        // Small objects do not wait behind a large clip: records must be there while it goes up.
        let clips_done = std::sync::atomic::AtomicBool::new(false);
        // Whoever meets trouble first cancels this: nothing new is begun then, and what is under way comes to its
        // end, so that a cut costs the part that was cut and no other.
        let ebb = CancellationToken::new();
        let clips = async {
            let any = self.clips_once(&abilities, &ebb, alive).await;
            clips_done.store(true, std::sync::atomic::Ordering::Relaxed);
            any
        };
        let small = async {
            let mut any = false;
            loop {
                let last = clips_done.load(std::sync::atomic::Ordering::Relaxed);
                let sent = self.outbox_once(&abilities, alive).await.inspect_err(|_| ebb.cancel())?;
                any |= sent;
                match (sent, last) {
                    (true, _) => {}
                    (false, true) => return Ok(any),
                    (false, false) => tokio::time::sleep(OUTBOX_LOOK).await,
                }
            }
        };
        match tokio::join!(small, clips) {
            (Ok(small), Ok(clips)) => Ok(small || clips),
            (Err(e), Ok(_) | Err(UplinkError::Parked)) | (_, Err(e)) => Err(e),
        }
    }

    /// Until when what is written now is locked, where the destination can lock.
    fn lock_until(&self, abilities: &Abilities) -> Option<UtcMs> {
        (abilities.lock && self.options.initial_lock_days > 0)
            .then(|| UtcMs(self.clock.now().0 + i64::from(self.options.initial_lock_days) * 86_400_000))
    }

    async fn abilities(&self) -> Result<Abilities, UplinkError> {
        let name = self.name().to_owned();
        let known = self.store.read(move |r| Ok(r.destinations()?.into_iter().find(|d| d.name == name))).await?;
        if let Some(row) = &known
            && let (Some(proof), None, Some(probed_ms)) = (row.proof, &row.trouble, row.probed_ms)
            // A server changes under us: what it can do is tried at each start, each day, and after every trouble.
            && self.probed.load(std::sync::atomic::Ordering::Relaxed)
            && (0..86_400_000).contains(&(self.clock.now().0 - probed_ms))
        {
            return Ok(Abilities {
                proof,
                lock: row.can_lock,
                same_device: row.same_device,
                in_order: row.in_order,
                detail: row.detail.clone(),
            });
        }
        let abilities = self.dest.probe().await?;
        tracing::info!(
            destination = self.name(),
            proof = abilities.proof.as_str(),
            lock = abilities.lock,
            detail = abilities.detail,
            "probed"
        );
        let (name, found) = (self.name().to_owned(), abilities.clone());
        self.store.write(move |tx| tx.destination_probed(&name, &found)).await?;
        self.probed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.sweep_once().await?;
        Ok(abilities)
    }

    /// Gives up uploads of this station's that nobody here knows any more.
    async fn sweep_once(&self) -> Result<(), UplinkError> {
        let name = self.name().to_owned();
        let known = self.store.read(move |r| r.open_sessions(&name)).await?;
        let given_up = sweep(&*self.dest, &self.options.station, &known, self.clock.now()).await?;
        if given_up > 0 {
            tracing::info!(destination = self.name(), given_up, "uploads that nobody knows any more were given up");
        }
        Ok(())
    }

    // -----------------------------------------------------------------------------------------
    // Small objects

    async fn outbox_once(&self, abilities: &Abilities, alive: &(impl Fn() + Send + Sync)) -> Result<bool, UplinkError> {
        let (name, now) = (self.name().to_owned(), self.clock.now().0);
        let items = self.store.read(move |r| r.due_outbox(&name, now, OUTBOX_BATCH)).await?;
        let any = !items.is_empty();
        let mut sending = futures_util::stream::iter(items.into_iter().map(|item| async move {
            // Decisions 2 and 8: records and the log are locked as masters are; index and catalogue are not.
            let lock_until = if item.kind.is_locked() { self.lock_until(abilities) } else { None };
            let bytes = Bytes::from(item.bytes.clone());
            let outcome = self.dest.put_small(&item.key, bytes, &item.content_type, lock_until).await;
            (item, outcome)
        }))
        .buffer_unordered(OUTBOX_IN_FLIGHT);
        while let Some((item, outcome)) = sending.next().await {
            alive();
            match outcome {
                Ok(()) => self.store.write(move |tx| tx.outbox_stored(item.id)).await?,
                // The whole destination is away or refuses us: that is not this object's fault.
                Err(e @ (SendError::Unreachable { .. } | SendError::Refused { .. })) => return Err(e.into()),
                Err(e) => {
                    let words = chain(&e);
                    tracing::error!(
                        destination = self.name(),
                        key = item.key,
                        error = words,
                        "a small object could not be stored"
                    );
                    let at = now
                        + backoff_ms(
                            item.attempts,
                            self.options.retry_min_ms,
                            self.options.retry_max_ms,
                            rand::random(),
                        );
                    self.store.write(move |tx| tx.outbox_failed(item.id, &words, at)).await?;
                }
            }
        }
        Ok(any)
    }

    // -----------------------------------------------------------------------------------------
    // Clips

    /// Sends clips until none is due; a clip that comes to its end makes room for the next.
    async fn clips_once(
        &self,
        abilities: &Abilities,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<bool, UplinkError> {
        let mut under_way = futures_util::stream::FuturesUnordered::new();
        let mut busy: Vec<ClipId> = Vec::new();
        let mut any = false;
        let mut trouble = None;
        loop {
            if !ebb.is_cancelled() {
                for job in self.due(&busy).await? {
                    busy.push(job.clip);
                    any = true;
                    under_way.push(async move {
                        let outcome = self.deliver(&job, abilities, ebb, alive).await;
                        (job, outcome)
                    });
                }
            }
            let Some((job, outcome)) = under_way.next().await else { break };
            alive();
            busy.retain(|clip| *clip != job.clip);
            match outcome {
                Ok(()) => {}
                // The destination is away or refuses us: others under way may still come to their end, then it rests.
                Err(e) if e.stops_all() => {
                    ebb.cancel();
                    if matches!(trouble, None | Some(UplinkError::Parked)) {
                        trouble = Some(e);
                    }
                }
                Err(e) => {
                    let (retry, words, clip) = (e.retry(), chain(&e), job.clip);
                    tracing::warn!(%clip, destination = self.name(), error = words, "a clip could not be sent");
                    let pause =
                        backoff_ms(job.attempts, self.options.retry_min_ms, self.options.retry_max_ms, rand::random());
                    let (name, at) = (self.name().to_owned(), self.clock.now().0 + pause);
                    self.store.write(move |tx| tx.send_failed(clip, &name, &words, retry, at)).await?;
                }
            }
        }
        trouble.map_or(Ok(any), Err)
    }

    /// Due clips that are not under way, as many as there is room for.
    async fn due(&self, busy: &[ClipId]) -> Result<Vec<DeliveryJob>, UplinkError> {
        let (name, now, limit) = (self.name().to_owned(), self.clock.now().0, self.options.clips_in_flight.max(1));
        let mut jobs = self.store.read(move |r| r.due_deliveries(&name, now, 2 * limit as u32)).await?;
        jobs.retain(|job| !busy.contains(&job.clip));
        jobs.truncate(limit.saturating_sub(busy.len()));
        Ok(jobs)
    }

    async fn deliver(
        &self,
        job: &DeliveryJob,
        abilities: &Abilities,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), UplinkError> {
        let (clip, name) = (job.clip, self.name().to_owned());
        let (row, parts, session, facts) = self
            .store
            .read(move |r| Ok((r.clip(clip)?, r.parts(clip)?, r.session(clip, &name)?, r.facts(clip)?)))
            .await?;
        // A word that is no label was never checked by anybody: held back, too.
        let label = settle(&facts).get(&Field::Sensitivity).map(|f| Sensitivity::parse(&f.value));
        let label = label.unwrap_or(Some(Sensitivity::None)).unwrap_or(Sensitivity::SuspectedState);
        if job.state != Delivery::Sent && !label.may_go_to(self.options.max_sensitivity) {
            let name = self.name().to_owned();
            let words = format!(
                "held back: labelled {}, and {name} takes no more than {}; change the label, or max_sensitivity, then `evidock retry {name}`",
                label.as_str(),
                self.options.max_sensitivity.as_str()
            );
            self.store.write(move |tx| tx.send_failed(clip, &name, &words, Retry::Operator, 0)).await?;
            return Ok(());
        }
        let (Some(size_bytes), Some(sha256)) = (row.size_bytes, row.sha256) else {
            return Err(StoreError::Odd(format!("clip {clip} is due for sending but not sealed")).into());
        };
        let lock_until = self.lock_until(abilities);
        let object = ObjectSpec {
            key: layout::master(&self.options.station, clip),
            size_bytes,
            grid: row.grid,
            content_type: content_type(&row).to_owned(),
            sha256,
            lock_until,
        };
        if job.state != Delivery::Sent {
            match self.send_tree(clip, abilities, lock_until).await {
                // A server that garbles the tree is as untrue as one that garbles the footage: not tried without end.
                Err(UplinkError::Send(SendError::Mismatch { what, .. })) => return self.disagree(&row, &what).await,
                other => other?,
            }
            let session = match session {
                Some(session) => session,
                None => {
                    let begun = self.dest.begin(&object).await?;
                    let (name, id) = (self.name().to_owned(), begun.0.clone());
                    self.store.write(move |tx| tx.session_begun(clip, &name, &id)).await?;
                    crate::store::StoredSession { session: begun.0, parts: Vec::new() }
                }
            };
            let at_once = if abilities.in_order { 1 } else { self.options.parts_in_flight.max(1) };
            match self.send_parts(clip, &object, &parts, session, at_once, ebb, alive).await {
                Err(UplinkError::Send(SendError::SessionLost { .. })) => {
                    // Either the remote forgot the session, or it completed and we never heard: a look tells.
                    if self.dest.head(&object.key).await?.is_none_or(|o| o.size_bytes != size_bytes) {
                        tracing::info!(%clip, destination = self.name(), "the upload session is gone there; it begins again");
                        let at = self.clock.now().0
                            + backoff_ms(
                                job.attempts,
                                self.options.retry_min_ms,
                                self.options.retry_max_ms,
                                rand::random(),
                            );
                        let name = self.name().to_owned();
                        self.store.write(move |tx| tx.session_lost(clip, &name, at)).await?;
                        return Ok(());
                    }
                }
                // It received other bytes than were hashed at intake: on the way, or off our disk?
                Err(UplinkError::Send(SendError::Mismatch { what, .. })) => return self.disagree(&row, &what).await,
                Err(e @ (UplinkError::Send(SendError::Local(_)) | UplinkError::Vault(_))) => {
                    return if self.ours_stands(&row).await? { Err(e) } else { Ok(()) };
                }
                other => other?,
            }
            let name = self.name().to_owned();
            self.store.write(move |tx| tx.sent(clip, &name)).await?;
        }
        self.prove_once(&row, &parts, &object, abilities).await
    }

    /// Sends the parts that have no receipt yet, at most `at_once` at the same time, then completes.
    #[allow(clippy::too_many_arguments)] // One caller; a struct would only name the same seven things twice.
    async fn send_parts(
        &self,
        clip: ClipId,
        object: &ObjectSpec,
        parts: &[PartRow],
        stored: crate::store::StoredSession,
        at_once: usize,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), UplinkError> {
        let session = SessionId(stored.session);
        let mut receipts: Vec<Option<PartReceipt>> = vec![None; parts.len()];
        let mut in_doubt = false;
        for sent in stored.parts {
            in_doubt |= sent.receipt.is_none();
            if let Some(slot) = receipts.get_mut(sent.n as usize) {
                *slot = sent.receipt;
            }
        }
        if in_doubt {
            // A part was begun and its receipt never stored: perhaps the remote has it.
            let held = self.dest.held_parts(object, &session).await?;
            for (part, receipt) in believable(parts, &receipts, &held) {
                receipts[part.n as usize] = Some(receipt.clone());
                let name = self.name().to_owned();
                self.store.write(move |tx| tx.part_acked(clip, &name, part.n, part.len, &receipt)).await?;
            }
        }
        let source: Arc<dyn ByteSource> = Arc::new(SealedFile::open(&self.vault.master(clip))?);
        let missing: Vec<PartRow> = parts.iter().filter(|p| receipts[p.n as usize].is_none()).copied().collect();
        let send = async |part: PartRow| {
            let name = self.name().to_owned();
            self.store.write(move |tx| tx.part_begun(clip, &name, part.n)).await?;
            let spec = part.spec();
            let receipt = self.dest.send_part(object, &session, &spec, Arc::clone(&source)).await?;
            self.board.sent(self.clock.now().0, part.len);
            let (name, stored) = (self.name().to_owned(), receipt.clone());
            self.store.write(move |tx| tx.part_acked(clip, &name, part.n, part.len, &stored)).await?;
            Ok::<_, UplinkError>((part, receipt))
        };
        let mut missing = missing.into_iter();
        let mut under_way = futures_util::stream::FuturesUnordered::new();
        let mut failure = None;
        loop {
            while failure.is_none() && !ebb.is_cancelled() && under_way.len() < at_once {
                let Some(part) = missing.next() else { break };
                under_way.push(send(part));
            }
            let Some(outcome) = under_way.next().await else { break };
            alive();
            match outcome {
                Ok((part, receipt)) => receipts[part.n as usize] = Some(receipt),
                Err(e) => {
                    if e.stops_all() {
                        ebb.cancel();
                    }
                    failure.get_or_insert(e);
                }
            }
        }
        if let Some(e) = failure {
            return Err(e);
        }
        if receipts.iter().any(Option::is_none) {
            return Err(UplinkError::Parked);
        }
        let acknowledged: Vec<(PartSpec, PartReceipt)> =
            parts.iter().zip(receipts).filter_map(|(p, r)| Some((p.spec(), r?))).collect();
        match self.dest.complete(object, &session, &acknowledged).await {
            Ok(()) => Ok(()),
            // A lost answer is settled by looking, not by asking again.
            Err(e @ SendError::Unreachable { .. }) => match self.dest.head(&object.key).await? {
                Some(o) if o.size_bytes == object.size_bytes => Ok(()),
                _ => Err(e.into()),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// The outboard goes first: whoever finds the master can verify ranges of it. One that stands there
    /// already is compared, not believed.
    async fn send_tree(
        &self,
        clip: ClipId,
        abilities: &Abilities,
        lock_until: Option<UtcMs>,
    ) -> Result<(), UplinkError> {
        let path = self.vault.tree(clip);
        let tree = task::blocking("tree", move || Tree::measure(&path)).await.map_err(|_| StoreError::Closed)??;
        let object = ObjectSpec {
            key: layout::tree(&self.options.station, clip),
            size_bytes: tree.size_bytes,
            grid: PartGrid::Fixed(MIN_PART_BYTES),
            content_type: "application/octet-stream".to_owned(),
            sha256: tree.sha256,
            lock_until,
        };
        let digests: Vec<Sha256> = tree.parts.iter().map(|p| p.sha256).collect();
        let crc64 = whole_crc64(tree.parts.iter().map(|p| (p.crc64, p.len)));
        let expected =
            Expected { size_bytes: tree.size_bytes, sha256: tree.sha256, parts: &digests, crc64, blake3: None };
        if let (Verdict::Proven(_), _) = prove(&*self.dest, &object.key, &expected, abilities.proof).await? {
            return Ok(());
        }
        let source: Arc<dyn ByteSource> = Arc::new(SealedFile::open(&self.vault.tree(clip))?);
        // A tree of more than one part belongs to a clip of more than 2 GB; cut, it is sent again whole.
        let session = self.dest.begin(&object).await?;
        let mut receipts = Vec::with_capacity(tree.parts.len());
        for part in tree.parts {
            match self.dest.send_part(&object, &session, &part, Arc::clone(&source)).await {
                Ok(receipt) => receipts.push((part, receipt)),
                Err(e) => {
                    if let Err(abort) = self.dest.abort(&object, &session).await {
                        tracing::debug!(error = %chain(&abort), "an unfinished tree upload could not be given up there");
                    }
                    return Err(e.into());
                }
            }
        }
        self.dest.complete(&object, &session, &receipts).await?;
        match prove(&*self.dest, &object.key, &expected, abilities.proof).await? {
            (Verdict::Proven(_) | Verdict::Unproven | Verdict::NeedsReadBack, _) => Ok(()),
            (Verdict::Missing, _) => Err(self.tree_differs(&object.key, "it was accepted, and is not there")),
            (Verdict::Mismatch(what), _) => Err(self.tree_differs(&object.key, &what)),
        }
    }

    fn tree_differs(&self, key: &str, what: &str) -> UplinkError {
        SendError::Mismatch { destination: self.dest.name().clone(), key: key.to_owned(), what: what.to_owned() }.into()
    }

    // -----------------------------------------------------------------------------------------
    // Proof

    async fn prove_once(
        &self,
        row: &ClipRow,
        parts: &[PartRow],
        object: &ObjectSpec,
        abilities: &Abilities,
    ) -> Result<(), UplinkError> {
        let clip = row.clip;
        let digests: Vec<Sha256> = parts.iter().map(|p| p.sha256).collect();
        let expected = Expected {
            size_bytes: object.size_bytes,
            sha256: object.sha256,
            parts: &digests,
            crc64: whole_crc64(parts.iter().map(|p| (p.crc64, p.len))),
            blake3: row.blake3,
        };
        let (mut verdict, remote) = prove(&*self.dest, &object.key, &expected, abilities.proof).await?;
        if let Verdict::Proven(how) = &verdict
            && *how != super::prove::How::ReadBack
            && let Some(what) = self.sample_differs(clip, object).await?
        {
            verdict = Verdict::Mismatch(what);
        }
        let name = self.name().to_owned();
        match verdict {
            Verdict::Proven(how) => {
                let remote = remote.unwrap_or_default();
                let mut locked_until = remote.locked_until;
                if let Some(until) = object.lock_until
                    && locked_until.is_none_or(|l| l < UtcMs(until.0 - 3_600_000))
                {
                    self.dest.retain(&object.key, until).await?;
                    locked_until = Some(until);
                }
                let level =
                    if how == super::prove::How::ReadBack { ProofLevel::ReadBack } else { ProofLevel::RemoteChecksum };
                let checksum = expected.compared(how);
                self.store
                    .write(move |tx| {
                        tx.proven(clip, &name, level, &checksum, remote.version.as_deref(), locked_until.map(|l| l.0))
                    })
                    .await?;
                tracing::info!(%clip, destination = self.name(), proof = level.as_str(), "proven");
                Ok(())
            }
            Verdict::NeedsReadBack | Verdict::Unproven => {
                // "Sent, unproven" stays so; the daily probe may find better means.
                let at = self.clock.now().0 + 86_400_000;
                let words = "this destination gives no means to compare bytes: sent, unproven".to_owned();
                self.store.write(move |tx| tx.send_failed(clip, &name, &words, Retry::Transient, at)).await?;
                Ok(())
            }
            Verdict::Missing => self.disagree(row, "it was accepted, and is not there").await,
            Verdict::Mismatch(what) => self.disagree(row, &what).await,
        }
    }

    /// Compares the first and last bytes with ours even where the remote's checksum agrees: cheap, and a
    /// server that answers checksums from memory while it lost the bytes is found out.
    async fn sample_differs(&self, clip: ClipId, object: &ObjectSpec) -> Result<Option<String>, UplinkError> {
        let size = object.size_bytes;
        if size == 0 {
            return Ok(None);
        }
        let source = Arc::new(SealedFile::open(&self.vault.master(clip))?);
        let middle = rand::random::<u64>() % size;
        for start in [0, middle.min(size.saturating_sub(SAMPLE_BYTES)), size.saturating_sub(SAMPLE_BYTES)] {
            let end = (start + SAMPLE_BYTES).min(size);
            let mut theirs = Vec::new();
            let mut stream = self.dest.read(&object.key, Some(start..end)).await?;
            while let Some(chunk) = stream.next().await {
                theirs.extend_from_slice(&chunk?);
                if theirs.len() as u64 > end - start {
                    break;
                }
            }
            let source = Arc::clone(&source);
            let ours = task::blocking("sample", move || {
                let mut buf = vec![0; (end - start) as usize];
                source.read_at(start, &mut buf).map(|n| {
                    buf.truncate(n);
                    buf
                })
            })
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(SendError::Local)?;
            if ours != theirs {
                return Ok(Some(format!("bytes {start} to {end} read back differ, though its checksum agrees")));
            }
        }
        Ok(None)
    }

    /// Whether our file is still what was sealed; a clip whose file is not, or is gone, is damaged from here on.
    async fn ours_stands(&self, row: &ClipRow) -> Result<bool, UplinkError> {
        let (clip, path) = (row.clip, self.vault.master(row.clip));
        let what = match task::blocking("verify", move || hash_uncached(&path)).await.map_err(|_| StoreError::Closed)? {
            Ok((ours, len)) if Some(ours) == row.blake3 && Some(len) == row.size_bytes => return Ok(true),
            Ok(_) => "its file has other bytes than were sealed",
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => "its file is gone",
            Err(e) => return Err(e.into()),
        };
        tracing::error!(%clip, what, "a sealed clip is damaged");
        self.store.write(move |tx| tx.damaged(clip, what)).await?;
        Ok(false)
    }

    /// The remote holds other bytes: everything is sent again, if ours are still good.
    async fn disagree(&self, row: &ClipRow, what: &str) -> Result<(), UplinkError> {
        let (clip, name, words) = (row.clip, self.name().to_owned(), what.to_owned());
        tracing::error!(%clip, destination = name, what, "the destination's copy is not ours");
        if !self.ours_stands(row).await? {
            return Ok(());
        }
        let dest = name.clone();
        let times = self.store.read(move |r| r.mismatches(clip, &dest)).await?;
        if times + 1 >= MAX_MISMATCHES {
            let words = format!(
                "{words}; sent {MAX_MISMATCHES} times, and its copy still differs: check that server, then `evidock retry {name}`"
            );
            self.store.write(move |tx| tx.send_failed(clip, &name, &words, Retry::Operator, 0)).await?;
            return Ok(());
        }
        let at = self.clock.now().0
            + backoff_ms(times, self.options.retry_min_ms, self.options.retry_max_ms, rand::random());
        self.store.write(move |tx| tx.mismatch(clip, &name, &words, at)).await?;
        Ok(())
    }
}

/// Waits for a change that may have made something due.
async fn relevant(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Outbox | Change::Clip(_) | Change::Destinations)
            | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // The store is closing; the stop comes by its own way.
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Parts without a receipt that the remote holds with our length and our checksum. Without a checksum of
/// theirs a part is sent again: a listing alone proves nothing.
fn believable(parts: &[PartRow], receipts: &[Option<PartReceipt>], held: &[HeldPart]) -> Vec<(PartRow, PartReceipt)> {
    parts
        .iter()
        .filter(|p| receipts.get(p.n as usize).is_some_and(Option::is_none))
        .filter_map(|p| {
            let mut same = held.iter().filter(|h| h.n == p.n);
            let only = same.next()?;
            // Listed twice: which one the remote would use is its secret.
            if same.next().is_some() || only.len != p.len || only.sha256 != Some(p.sha256) {
                return None;
            }
            Some((*p, PartReceipt { tag: only.tag.clone(), sha256: only.sha256 }))
        })
        .collect()
}

/// An outboard with its digests: small (1/256 of its clip), so it is hashed when it is sent.
struct Tree {
    size_bytes: u64,
    sha256: Sha256,
    parts: Vec<PartSpec>,
}

impl Tree {
    fn measure(path: &std::path::Path) -> Result<Self, VaultError> {
        use sha2::Digest;
        let file = SealedFile::open(path)?;
        let failed = |source| VaultError { doing: "reading", path: path.to_owned(), source };
        let (mut parts, mut whole) = (Vec::new(), sha2::Sha256::new());
        let mut buf = vec![0u8; 1 << 20];
        let mut offset = 0;
        while offset < file.len() {
            let len = (file.len() - offset).min(MIN_PART_BYTES);
            let (mut hasher, mut crc) = (sha2::Sha256::new(), crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
            let mut done = 0;
            while done < len {
                let want = (len - done).min(buf.len() as u64) as usize;
                let n = file.read_at(offset + done, &mut buf[..want]).map_err(failed)?;
                if n == 0 {
                    return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
                }
                hasher.update(&buf[..n]);
                crc.update(&buf[..n]);
                whole.update(&buf[..n]);
                done += n as u64;
            }
            parts.push(PartSpec {
                n: parts.len() as u64,
                offset,
                len,
                sha256: Sha256(hasher.finalize().into()),
                crc64: Some(Crc64(crc.finalize())),
            });
            offset += len;
        }
        Ok(Self { size_bytes: file.len(), sha256: Sha256(whole.finalize().into()), parts })
    }
}

/// The media type that a bucket shows; by extension only, since nothing depends on it.
fn content_type(row: &ClipRow) -> &'static str {
    match row.path.extension().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "avi" => "video/x-msvideo",
        "ts" | "mts" => "video/mp2t",
        "mkv" => "video/x-matroska",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "bmp" => "image/bmp",
        "txt" | "log" => "text/plain",
        "xml" => "application/xml",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_in_their_bounds() {
        for attempts in 0..40 {
            for random in [0, u32::MAX] {
                let pause = backoff_ms(attempts, 1_000, 300_000, random);
                assert!((500..=300_000).contains(&pause), "{attempts} {pause}");
            }
        }
        assert!(backoff_ms(20, 1_000, 300_000, 0) >= 150_000);
    }

    #[test]
    fn a_listing_is_believed_only_with_our_checksum() {
        let part = |n| PartRow { n, offset: n * 8, len: 8, sha256: Sha256([n as u8; 32]), crc64: None };
        let held = |n: u64, len, sha: Option<u8>| HeldPart {
            n,
            len,
            tag: format!("t{n}"),
            sha256: sha.map(|b| Sha256([b; 32])),
        };
        let parts = [part(0), part(1), part(2), part(3), part(4)];
        let receipts = vec![Some(PartReceipt { tag: "stored".into(), sha256: None }), None, None, None, None];
        let listing = [
            held(0, 8, Some(0)),
            held(1, 8, Some(1)),
            held(2, 8, None),
            held(3, 7, Some(3)),
            held(4, 8, Some(4)),
            held(4, 8, Some(9)),
        ];
        let found = believable(&parts, &receipts, &listing);
        assert_eq!(found.iter().map(|(p, _)| p.n).collect::<Vec<_>>(), [1]);
    }
}
