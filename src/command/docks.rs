//! Docked recorders of every source: one task that hears of docks and undocks and keeps one thread of intake for each
//! recorder. Part of the composition root; knows no source's details.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::mpsc;

use crate::domain::error::chain;
use crate::domain::ports::{Clock, Shelf};
use crate::intake::{Ending, Intake};
use crate::runtime::board::Board;
use crate::runtime::health::Health;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::runtime::task;
use crate::source::SourceEvent;
use crate::source::watch::{DockEvent, watch_docks};
use crate::store::Store;

/// Events that may wait; a source waits with them.
const QUEUE: usize = 64;
/// How often work that ended by itself is looked for.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// What a source tells, and which source it is.
type Told = (&'static str, SourceEvent);

/// A source: its name for people, and the task that watches it until its channel closes.
pub struct Watch {
    name: &'static str,
    task: tokio::task::JoinHandle<()>,
}

/// Starts watching; `watch` gets the channel to tell on.
pub fn source<F>(
    name: &'static str,
    to: &mpsc::Sender<Told>,
    watch: impl FnOnce(mpsc::Sender<SourceEvent>) -> F,
) -> Watch
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tx, mut rx) = mpsc::channel(QUEUE);
    let watching = watch(tx);
    let to = to.clone();
    let task = task::spawn_named(name, async move {
        tokio::join!(watching, async {
            while let Some(event) = rx.recv().await {
                if to.send((name, event)).await.is_err() {
                    return;
                }
            }
        });
    });
    Watch { name, task }
}

/// The docking folder as a source.
pub async fn folder(
    dir: PathBuf,
    poll: Duration,
    erasable: bool,
    clock: Arc<dyn Clock>,
    tx: mpsc::Sender<SourceEvent>,
) {
    let (dock_tx, mut docks) = mpsc::channel(QUEUE);
    let translating = async {
        while let Some(event) = docks.recv().await {
            let key = |path: &std::path::Path| format!("folder:{}", path.display());
            let event = match event {
                DockEvent::Docked { dir, shelf, .. } => SourceEvent::Docked { key: key(&dir.path), shelf },
                DockEvent::Undocked { dir, .. } => SourceEvent::Undocked { key: key(&dir.path) },
                DockEvent::NotBays(strays) => {
                    for stray in strays {
                        tracing::warn!(path = %stray.path, reason = stray.reason, "this is no bay");
                    }
                    continue;
                }
                DockEvent::RootUnreadable(words) => {
                    SourceEvent::Trouble { words, action: "check the docking folder and its permissions".to_owned() }
                }
                DockEvent::RootReadable => SourceEvent::Fine,
            };
            if tx.send(event).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(watch_docks(dir, poll, erasable, clock, dock_tx), translating);
}

/// Works until the supervisor says stop, or a watch ends: then nothing would be taken in from it any more, which is an
/// error. `start` begins the watches.
pub async fn run(
    context: TaskContext,
    intake: Intake,
    board: Board,
    store: Store,
    health: Health,
    start: impl FnOnce(&mpsc::Sender<Told>) -> Vec<Watch>,
) -> TaskResult {
    let (tx, mut events) = mpsc::channel(QUEUE);
    let watches = start(&tx);
    let mut docks: HashMap<String, Dock> = HashMap::new();
    let mut leaving: Vec<Dock> = Vec::new();
    let mut ended = None;
    let mut ticks = tokio::time::interval(LOOK_AFTER);
    while ended.is_none() {
        context.heart.beat();
        let (source, event) = tokio::select! {
            () = context.cancel.cancelled() => break,
            _ = ticks.tick() => {
                for dock in docks.values_mut() {
                    dock.look_after(&intake).await;
                }
                leaving.retain(|dock| dock.work.as_ref().is_some_and(|w| !w.is_finished()));
                ended = watches.iter().find(|w| w.task.is_finished()).map(|w| w.name);
                continue;
            }
            // The task itself holds a sender, so there is always a next event.
            Some(told) = events.recv() => told,
        };
        match event {
            SourceEvent::Docked { key, shelf } => {
                if let Some(earlier) = docks.insert(key, Dock::start(&intake, shelf)) {
                    earlier.end(Ending::Pulled);
                    leaving.push(earlier);
                }
            }
            SourceEvent::Undocked { key } => {
                if let Some(dock) = docks.remove(&key) {
                    dock.end(Ending::Pulled);
                    leaving.push(dock);
                }
            }
            SourceEvent::Held(devices) => {
                board.hold(source, devices.clone());
                // The register knows every device that ever stood at the gate.
                if let Err(e) = store.write(move |tx| tx.devices_held(&devices)).await {
                    tracing::warn!(error = %chain(&e), "what stands at the gate could not be noted in the register");
                }
            }
            SourceEvent::Trouble { words, action } => health.part(source).failed("source_unreadable", words, action),
            SourceEvent::Fine => health.part(source).ok(),
        }
    }
    for watch in &watches {
        watch.task.abort();
    }
    for dock in docks.values() {
        dock.end(Ending::Parked);
    }
    for dock in docks.into_values().chain(leaving) {
        // A copy parks at its next block.
        if let Some(Err(e)) = OptionFuture::from(dock.work).await {
            tracing::error!(error = %e, "the work on a recorder ended badly");
        }
    }
    match ended {
        Some(name) => Err(format!("the watch of the {name} ended").into()),
        None => Ok(()),
    }
}

/// The work on one docked recorder.
struct Dock {
    shelf: Arc<dyn Shelf>,
    ending: Arc<OnceLock<Ending>>,
    /// `None` once it has ended by itself and has nothing more to do.
    work: Option<tokio::task::JoinHandle<()>>,
}

impl Dock {
    fn start(intake: &Intake, shelf: Arc<dyn Shelf>) -> Self {
        let ending = Arc::new(OnceLock::new());
        let (intake, ended, worked) = (intake.clone(), Arc::clone(&ending), Arc::clone(&shelf));
        let work = task::blocking("dock", move || intake.run_dock(&*worked, &move || ended.get().copied()));
        Self { shelf, ending, work: Some(work) }
    }

    /// The first word counts: a recorder that was pulled has left, even if the daemon stops right after.
    fn end(&self, ending: Ending) {
        let _ = self.ending.set(ending);
    }

    /// Work on a recorder never ends while the recorder is there; should it have panicked, it is started again.
    async fn look_after(&mut self, intake: &Intake) {
        if self.work.as_ref().is_none_or(|w| !w.is_finished()) {
            return;
        }
        if let Some(Err(e)) = OptionFuture::from(self.work.take()).await {
            tracing::error!(error = %e, bay = %self.shelf.identity().bay, "the work on a recorder ended badly; it is started again");
            *self = Self::start(intake, Arc::clone(&self.shelf));
        }
    }
}
