//! One destination's uplink: takes what is due from the store, sends it, proves it, stores each step.
//!
//! Before each step and after it the database knows: the session before its first byte, a part before it
//! is sent and its receipt before the next. Our database is the authority; what the remote says it holds is
//! a hint that can only save work. `plan` decides, purely; the other files carry out:
//!
//! | file | does |
//! | --- | --- |
//! | `plan` | who goes, which parts, what a receipt is worth |
//! | `line`, `breaker`, `window` | how the line is: circuit, parts under way, requests |
//! | `clips` | keeps as many clips under way as there is room for |
//! | `clip`, `parts`, `tree` | one clip, its parts, its outboard |
//! | `check` | proof, and what follows where copies differ |
//! | `small` | records, checkpoints and the like; sessions that the remote is to give up |
//!
//! Failure policy stands in [`Uplink::run`]; every `*_once` uses `?`.
//!
//! # Parts before the seal
//!
//! While a clip is being copied, parts that are durable and were reported may go up; completing waits for the seal.
//! Each part is stored with the digest under which it went. At completion these are compared with the sealed clip's:
//! whatever became of the copy meanwhile (made anew, found torn, gone on over a place that could not be read), a part
//! with other bytes is sent again or its session given up, never completed. A recorder that is pulled leaves its
//! session parked; the copy that goes on at the next dock goes on there, too.

mod breaker;
mod check;
mod clip;
mod clips;
mod line;
mod outage;
mod parts;
mod plan;
mod small;
mod tree;
mod window;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use self::breaker::Permit;
use self::line::{Line, LineOptions};
use self::outage::Outage;
pub use self::plan::label;
use crate::deliver::pace::Pace;
use crate::deliver::sweep::{Known, sweep};
use crate::deliver::welcome::Welcome;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Abilities, Clock, Destination, SendError};
use crate::domain::sending::Precedence;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::time::UtcMs;
use crate::runtime::board::Board;
use crate::runtime::metrics::Metrics;
use crate::store::{Change, Store, StoreError};
use crate::vault::{Vault, VaultError};

/// Even without news the store is looked at this often.
const IDLE_LOOK: Duration = Duration::from_secs(20);
/// While clips go up, the outbox is looked at this often.
const OUTBOX_LOOK: Duration = Duration::from_millis(300);
const DAY_MS: i64 = 86_400_000;
/// After a shorter trouble a destination is taken to be able to do what it could before.
const SHORT_TROUBLE_MS: i64 = 600_000;
/// Requests for patience in a row that people are told of.
const PATIENCE_TOLD: u32 = 3;

/// How an uplink behaves.
#[derive(Debug, Clone)]
pub struct UplinkOptions {
    /// Us.
    pub station: StationId,
    /// Long clips on their way at a time.
    pub clips_in_flight: usize,
    /// Parts of a clip on their way at a time, at most.
    pub parts_in_flight: usize,
    /// First pause after a failure, milliseconds; doubles up to `retry_max_ms`.
    pub retry_min_ms: i64,
    /// Longest pause, milliseconds.
    pub retry_max_ms: i64,
    /// Clips with a label above this one are held back (decision 9).
    pub max_sensitivity: Sensitivity,
    /// The label of clips that nobody has labelled yet.
    pub default_sensitivity: Sensitivity,
    /// Objects are locked for so many days from completion, where the destination can.
    pub initial_lock_days: u32,
    /// The same for checkpoints and timestamps of the log, whose locks are not renewed.
    pub log_lock_days: u32,
    /// Which clip goes first.
    pub order: Vec<Precedence>,
    /// Parts go up while their clip is still being copied.
    pub instant: bool,
}

/// What the uplinks of a station share.
#[derive(Clone)]
pub struct UplinkParts {
    /// The database.
    pub store: Store,
    /// Our files.
    pub vault: Vault,
    /// Where it is shown what is going on.
    pub board: Board,
    /// Figures.
    pub metrics: Metrics,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// The uplink to one destination. Cheap to clone.
#[derive(Clone)]
pub struct Uplink {
    dest: Arc<dyn Destination>,
    store: Store,
    vault: Vault,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    options: Arc<UplinkOptions>,
    line: Arc<Line>,
    /// Open once the destination was probed by this process, so that what it learned of the server is in its memory, and until
    /// it needs a person.
    welcome: Welcome,
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
    /// Nothing new is begun now; what was under way came to its end.
    #[error("the rest waits")]
    Parked,
    /// The clip or its session is no longer what it was when the step began; whoever changed it has stored why.
    #[error("it was superseded meanwhile")]
    Superseded,
}

impl UplinkError {
    /// Whether it concerns the whole destination, so that nothing new is begun there.
    fn stops_all(&self) -> bool {
        let of_all = |e: &SendError| {
            matches!(e, SendError::Unreachable { .. } | SendError::Busy { .. } | SendError::Refused { .. })
        };
        match self {
            Self::Send(e) => of_all(e),
            Self::Store(_) => true,
            Self::Vault(_) | Self::Parked | Self::Superseded => false,
        }
    }
}

impl Retryable for UplinkError {
    fn retry(&self) -> Retry {
        match self {
            Self::Send(e) => e.retry(),
            Self::Store(e) => e.retry(),
            Self::Vault(_) | Self::Parked | Self::Superseded => Retry::Transient,
        }
    }
}

impl Uplink {
    /// Puts the parts together; `pace` is how fast bytes may go out there.
    pub fn new(dest: Arc<dyn Destination>, parts: UplinkParts, pace: Pace, options: UplinkOptions) -> Self {
        let UplinkParts { store, vault, board, metrics, clock } = parts;
        let of_line = LineOptions {
            most_parts: options.clips_in_flight.max(1) * options.parts_in_flight.max(1),
            retry_min_ms: options.retry_min_ms,
            retry_max_ms: options.retry_max_ms,
        };
        let line = Line::new(dest.name().as_str(), of_line, Arc::clone(&clock), board, metrics.clone(), pace);
        Self {
            dest,
            store,
            vault,
            metrics,
            clock,
            options: Arc::new(options),
            line: Arc::new(line),
            welcome: Welcome::default(),
        }
    }

    /// Tells `welcome` whether the destination lets us in.
    pub fn telling(self, welcome: Welcome) -> Self {
        Self { welcome, ..self }
    }

    fn name(&self) -> &str {
        self.dest.name().as_str()
    }

    /// Runs until `stop`: probes, then sends small objects and clips side by side. The destination being
    /// away is ordinary: it is said once, and tried again with backoff; what needs a person waits for one.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + Sync + 'static) {
        let (mut news, mut outage) = (self.store.changes(), Outage::default());
        while !stop.is_cancelled() {
            alive();
            let permit = self.line.permit();
            if let Permit::Wait(ms) = permit {
                self.wait(Some(ms), &mut news, &stop, &alive).await;
                continue;
            }
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = async {
                    if permit == Permit::Try {
                        self.knock().await?;
                    }
                    self.run_once(&alive).await
                } => outcome,
            };
            match outcome {
                // That nothing is due says nothing of the destination.
                Ok(true) => outage.over(),
                Err(UplinkError::Parked | UplinkError::Superseded) => {}
                Ok(false) => self.idle(&mut news, &stop).await,
                Err(UplinkError::Store(StoreError::Closed)) => return,
                Err(e) => self.troubled(e, &mut outage, &mut news, &stop, &alive).await,
            }
        }
    }

    /// Tells of a trouble of the whole destination, and waits for a person where only a person can lift it.
    async fn troubled(
        &self,
        e: UplinkError,
        outage: &mut Outage,
        news: &mut Receiver<Change>,
        stop: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) {
        let is_busy = matches!(e, UplinkError::Send(SendError::Busy { .. }));
        if is_busy && self.line.rested() < PATIENCE_TOLD {
            tracing::info!(destination = self.name(), answer = %chain(&e), "it asks for patience");
            return;
        }
        // Permanent trouble of a whole destination needs a person, too.
        let retry = if e.retry() == Retry::Transient { Retry::Transient } else { Retry::Operator };
        let words = chain(&e);
        let (destination, how) = (self.name(), retry.as_str());
        if outage.meets(&words, self.clock.monotonic_ms()) {
            tracing::warn!(destination, error = words, retry = how, "nothing goes out to this destination now");
        } else {
            tracing::debug!(destination, error = words, retry = how, "still nothing goes out to this destination");
        }
        self.metrics.delivery_failed(self.name(), retry.as_str());
        if retry == Retry::Operator {
            // Whatever the person changes there, it is probed anew.
            self.welcome.set(false);
        }
        let name = self.name().to_owned();
        if let Err(e) = self.store.write(move |tx| tx.destination_trouble(&name, Some((&words, retry)))).await {
            tracing::warn!(error = %chain(&e), "the trouble could not be stored");
        }
        if retry == Retry::Operator {
            self.wait(None, news, stop, alive).await;
            outage.over();
        } else if self.line.is_well() {
            // What failed was not the line as such, or not often enough to tell.
            self.line.trip();
        }
    }

    /// One request alone, to find out whether the destination is back.
    async fn knock(&self) -> Result<(), UplinkError> {
        self.line.ask(self.dest.head(&layout::probe(&self.options.station))).await?;
        Ok(())
    }

    /// Waits for news or for a while, whichever comes first.
    async fn idle(&self, news: &mut Receiver<Change>, stop: &CancellationToken) {
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

    /// Waits for so long, or, without a time, until somebody lifts the trouble (`evidock retry`), which ends either wait.
    async fn wait(
        &self,
        pause_ms: Option<i64>,
        news: &mut Receiver<Change>,
        stop: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) {
        const STEP: Duration = Duration::from_secs(1);
        let mut left = pause_ms.map(|ms| Duration::from_millis(ms.max(0) as u64));
        while left.is_none_or(|left| !left.is_zero()) {
            alive();
            let now = left.unwrap_or(IDLE_LOOK).min(if left.is_some() { STEP } else { IDLE_LOOK });
            let told = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(now) => left.is_none(),
                change = news.recv() => matches!(change, Ok(Change::Destinations) | Err(_)),
            };
            left = left.map(|left| left.saturating_sub(now));
            if !told {
                continue;
            }
            let name = self.name().to_owned();
            let troubled = self
                .store
                .read(move |r| Ok(r.destinations()?.into_iter().any(|d| d.name == name && d.trouble.is_some())))
                .await;
            if !troubled.unwrap_or(true) {
                self.line.hurry();
                return;
            }
        }
    }

    /// Probes if that is due, then sends what is due; `true` when something was done.
    async fn run_once(&self, alive: &(impl Fn() + Send + Sync)) -> Result<bool, UplinkError> {
        // Whoever meets trouble first makes this ebb: nothing new is begun then, and what is under way comes to its
        // end, so that a cut costs the part that was cut and no other.
        let ebb = self.line.tide();
        let abilities = self.abilities().await?;
        // Small objects do not wait behind a large clip: records must be there while it goes up.
        let clips_done = CancellationToken::new();
        let clips = async {
            let any = self.clips_once(&abilities, &ebb, alive).await;
            clips_done.cancel();
            any
        };
        let small = async {
            let mut any = false;
            loop {
                let last = clips_done.is_cancelled();
                let sent = self.small_once(&abilities, &ebb, alive).await.inspect_err(|_| ebb.cancel())?;
                any |= sent;
                match (sent && !ebb.is_cancelled(), last) {
                    (true, _) => {}
                    (false, true) => return Ok(any),
                    (false, false) => tokio::select! {
                        () = tokio::time::sleep(OUTBOX_LOOK) => {}
                        () = clips_done.cancelled() => {}
                    },
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
        self.locked_for(self.options.initial_lock_days, abilities)
    }

    fn locked_for(&self, days: u32, abilities: &Abilities) -> Option<UtcMs> {
        (abilities.lock && days > 0).then(|| UtcMs(self.clock.now().0.saturating_add(i64::from(days) * DAY_MS)))
    }

    /// What the destination can do: tried at each start and each day, since a server changes under us, and after every trouble that
    /// was more than a cut.
    async fn abilities(&self) -> Result<Abilities, UplinkError> {
        let name = self.name().to_owned();
        let known = self.store.read(move |r| Ok(r.destinations()?.into_iter().find(|d| d.name == name))).await?;
        let now_ms = self.clock.now().0;
        if let Some(row) = &known
            && let (Some(proof), Some(probed_ms)) = (row.proof, row.probed_ms)
            // A server changes under us: what it can do is tried at each start, each day, and after every long trouble.
            && self.welcome.is_open()
            && (0..DAY_MS).contains(&(now_ms - probed_ms))
        {
            let short = row.trouble_retry == Some(Retry::Transient)
                && row.trouble_ms.is_some_and(|since| (0..SHORT_TROUBLE_MS).contains(&(now_ms - since)));
            if row.trouble.is_some() && short {
                let name = self.name().to_owned();
                self.store.write(move |tx| tx.destination_trouble(&name, None)).await?;
            }
            if row.trouble.is_none() || short {
                return Ok(Abilities {
                    proof,
                    lock: row.can_lock,
                    same_device: row.same_device,
                    in_order: row.in_order,
                    detail: row.detail.clone(),
                });
            }
        }
        let abilities = self.line.ask(self.dest.probe()).await?;
        tracing::info!(
            destination = self.name(),
            proof = abilities.proof.as_str(),
            lock = abilities.lock,
            detail = abilities.detail,
            "probed"
        );
        let (name, found) = (self.name().to_owned(), abilities.clone());
        self.store.write(move |tx| tx.destination_probed(&name, &found)).await?;
        self.welcome.set(true);
        self.sweep_once().await?;
        Ok(abilities)
    }

    /// Gives up uploads of this station's that nobody here knows any more.
    async fn sweep_once(&self) -> Result<(), UplinkError> {
        let name = self.name().to_owned();
        let known = self
            .store
            .read(move |r| Ok(Known { sessions: r.open_sessions(&name)?, packages: r.exports_on_their_way(&name)? }));
        let known = known.await?;
        match self.line.ask(sweep(&*self.dest, &self.options.station, &known, self.clock.now())).await {
            Ok(0) => {}
            Ok(given_up) => {
                tracing::info!(destination = self.name(), given_up, "uploads that nobody knows any more were given up");
            }
            // Tidying up holds up nothing; what is truly wrong there shows in what is sent.
            Err(e) => {
                tracing::warn!(destination = self.name(), error = %chain(&e), "forgotten uploads were not looked for");
            }
        }
        Ok(())
    }

    /// When something is tried again that failed `attempts` times in a row, milliseconds since the Unix epoch.
    fn again_at_ms(&self, attempts: u32) -> i64 {
        self.clock.now().0 + self.line.pause_ms(attempts)
    }
}

/// Waits for a change that may have made something due.
async fn relevant(news: &mut Receiver<Change>) {
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
