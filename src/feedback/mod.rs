//! Telling whoever stands at a bay without a screen: lamps, and a program of one's own that is run for each event.
//!
//! | file | owns |
//! | --- | --- |
//! | [`lamp`] | what a bay's lamps show: pure |
//! | [`leds`] | writing it to LEDs of the kernel |
//! | [`told`] | what is worth telling, and the form of its document: pure |
//! | [`hook`] | running the program |
//!
//! It only looks: at the board, the log and the destinations' trouble. Nothing waits for it, and nothing is different
//! where it fails. While the daemon is down no lamp says that a recorder may go: they are dark from the moment it stops,
//! and after a crash from the moment it starts again.

pub mod hook;
pub mod lamp;
pub mod leds;
pub mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::config::{Feedback, Hook};
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::ports::Clock;
use crate::runtime::board::Board;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskContext, TaskResult, TaskSpec};
use crate::runtime::task;
use crate::store::{Change, Store};

/// Between two looks: a lamp follows within what a person takes for at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// LEDs are looked after this often even when nothing changed, for those that come late.
const LOOK_AFTER_LOOKS: u32 = 20;
/// Entries of the log that are read at once.
const ENTRIES: u32 = 500;

/// What feedback looks at.
#[derive(Clone)]
pub struct Sight {
    /// The station's id.
    pub station: StationId,
    /// The bays.
    pub board: Board,
    /// The log, and the destinations' trouble.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Starts what is configured.
pub fn start(supervisor: &mut Supervisor, settings: &Feedback, sight: &Sight, health: &Health) {
    // They stop with the sources: what leaves the board after that left with the daemon, not with an officer.
    if !settings.lamps.is_empty() {
        let (settings, board, part) = (settings.clone(), sight.board.clone(), health.part("lamps"));
        supervisor.start(TaskSpec::new("lamps", Phase::Sources, OnFailure::RESTART), move |context| {
            lamps(context, settings.clone(), board.clone(), part.clone())
        });
    }
    if let Some(hook) = settings.hook.clone() {
        let (sight, part) = (sight.clone(), health.part("hook"));
        supervisor.start(TaskSpec::new("hook", Phase::Sources, OnFailure::RESTART), move |context| {
            events(context, hook.clone(), sight.clone(), part.clone())
        });
    }
}

async fn lamps(context: TaskContext, settings: Feedback, board: Board, part: Part) -> TaskResult {
    let mut leds = leds::Leds::new(&settings.led_dir);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let (mut seen, mut looks) = (None, 0u32);
    loop {
        let stopping = tokio::select! {
            biased;
            () = context.cancel.cancelled() => true,
            _ = ticks.tick() => false,
        };
        context.heart.beat();
        let version = board.version();
        looks = looks.wrapping_add(1);
        if !stopping && seen == Some(version) && !looks.is_multiple_of(LOOK_AFTER_LOOKS) {
            continue;
        }
        seen = Some(version);
        let bays: Vec<_> = board.bays().into_iter().map(|(_, bay)| bay).collect();
        let held = board.held();
        let (lamps, mut writing) = (settings.lamps.clone(), leds);
        let (back, faults) = task::blocking("leds", move || {
            let patterns = lamps.iter().flat_map(|lamp| {
                let state = if stopping { lamp::State::Empty } else { lamp::state(lamp.bay.as_str(), &bays, &held) };
                lamp::patterns(lamp, state)
            });
            let faults = writing.show(patterns);
            (writing, faults)
        })
        .await?;
        leds = back;
        if stopping {
            return Ok(());
        }
        tell(&part, &faults, &settings);
    }
}

fn tell(part: &Part, faults: &leds::Faults, settings: &Feedback) {
    let list = |names: Vec<String>| names.join(", ");
    let dir = settings.led_dir.display();
    if !faults.missing.is_empty() {
        let names = list(faults.missing.iter().cloned().collect());
        part.degraded(
            "lamp_missing",
            format!("there is no LED {names} in {dir}"),
            format!("compare [[feedback.lamp]] with `ls {dir}`"),
        );
    } else if !faults.refusing.is_empty() {
        let names = list(faults.refusing.iter().map(|(name, why)| format!("{name}: {why}")).collect());
        part.degraded(
            "lamp_refuses",
            format!("LEDs cannot be written: {names}"),
            "let the daemon's user write brightness and trigger (a udev rule), and the unit write below them (ReadWritePaths=)",
        );
    } else if !faults.steady.is_empty() {
        let names = list(faults.steady.iter().cloned().collect());
        part.degraded(
            "lamp_steady",
            format!("{names} cannot blink; where being lit means that a recorder may go, it stays dark instead"),
            "load the kernel's ledtrig-timer, and let the daemon's user write delay_on and delay_off (a udev rule)",
        );
    } else {
        part.ok();
    }
}

async fn events(context: TaskContext, hook: Hook, sight: Sight, part: Part) -> TaskResult {
    let mut lanes = hook::Lanes::new(hook.queue);
    let mut watch = told::Watch::default();
    let mut running = FuturesUnordered::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut changes = sight.store.changes();
    let mut stale = true;
    // What was logged before is not told again.
    let mut next_seq = sight.store.read(|r| r.log_size()).await?;
    loop {
        tokio::select! {
            biased;
            // Dropping what runs ends it.
            () = context.cancel.cancelled() => return Ok(()),
            Some(over) = running.next(), if !running.is_empty() => {
                let (lane, name, outcome): (String, _, _) = over;
                lanes.done(&lane);
                ended(&part, &lane, name, outcome);
            }
            _ = ticks.tick() => {
                context.heart.beat();
                let at = sight.clock.now();
                let mut told = watch.look(&sight.board.bays(), &sight.board.held());
                stale |= changed(&mut changes);
                if stale {
                    match news(&sight.store, next_seq).await {
                        Ok((seq, in_trouble, reached)) => {
                            stale = seq - next_seq >= u64::from(ENTRIES);
                            next_seq = seq;
                            told.extend(reached);
                            told.extend(watch.destinations(in_trouble));
                        }
                        Err(e) => tracing::warn!(error = %chain(&e), "the log could not be read for the hook"),
                    }
                }
                told.into_iter().for_each(|told| lanes.push(hook::Waiting { at, told }));
            }
        }
        for (event, count) in lanes.take_dropped() {
            tracing::warn!(event, count, "events were dropped: the hook is too slow for them");
        }
        while let Some(next) = lanes.take_next() {
            let (hook, station) = (&hook, &sight.station);
            running.push(ran(hook, station, next));
        }
    }
}

/// Lane and event of a run, and how it ended.
async fn ran(hook: &Hook, station: &StationId, event: hook::Waiting) -> (String, &'static str, hook::Outcome) {
    let outcome = hook::run(hook, station, &event).await;
    (event.told.lane(), event.told.event, outcome)
}

/// Whether anything was stored since the last time.
fn changed(changes: &mut broadcast::Receiver<Change>) -> bool {
    let mut any = false;
    // A receiver that lags is told so once, and what it missed is in the log.
    while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {
        any = true;
    }
    any
}

type News = (u64, BTreeSet<String>, Vec<told::Told>);

/// What the log says from `seq` on, where it goes on, and which destinations are in trouble.
async fn news(store: &Store, seq: u64) -> Result<News, crate::store::StoreError> {
    store
        .read(move |r| {
            let entries = r.log_entries(seq, ENTRIES)?;
            let next = entries.last().map_or(seq, |last| last.seq + 1);
            let in_trouble = r.destinations()?.into_iter().filter(|d| d.trouble.is_some()).map(|d| d.name).collect();
            Ok((next, in_trouble, entries.iter().filter_map(|entry| told::of_log(&entry.bytes)).collect()))
        })
        .await
}

fn ended(part: &Part, lane: &str, event: &str, outcome: hook::Outcome) {
    match outcome {
        hook::Outcome::Done(said) => {
            tracing::debug!(lane, event, said, "the hook was run");
            part.ok();
        }
        hook::Outcome::Failed(why) => {
            tracing::warn!(lane, event, why, "the hook failed");
            part.degraded(
                "hook_failed",
                format!("the hook failed for {event}: {why}"),
                "run it by hand with such a document",
            );
        }
    }
}
