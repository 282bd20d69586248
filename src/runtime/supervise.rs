//! The supervisor: each long task has a name, a place in the stop order, a heart and an answer to failure.
//!
//! A task is a function that makes a future, so that it can be started again. What it owns lives in the
//! future; what must outlive a failure lives in the store. Stopping goes by phases: a later phase still
//! serves while an earlier one winds down.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clock::monotonic;
use super::health::{Health, Part};
use super::heartbeat::{Heartbeat, Hearts};
use super::metrics::Metrics;
use super::task::spawn_named;
use crate::domain::error::chain;

/// How a task ends: in good order, or with why not.
pub type TaskResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Phases in the order in which they stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No new recorder is looked at.
    Sources,
    /// Copies that run are parked at a durable point.
    Intake,
    /// Uploads and media work are parked.
    Uploads,
    /// The last transaction is committed, the last checkpoint signed.
    Store,
    /// Pages, the command line's socket and the service manager, which saw all of it.
    Http,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Sources, Self::Intake, Self::Uploads, Self::Store, Self::Http];
}

/// What happens when a task fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is started again after a pause that doubles from `min` to `max`.
    Restart {
        /// First pause.
        min: Duration,
        /// Longest pause.
        max: Duration,
    },
    /// The daemon stops in good order and ends with a failure: without this task it must not go on.
    Stop,
}

impl OnFailure {
    /// Started again after 1 s, 2 s, ... at most 60 s.
    pub const RESTART: Self = Self::Restart { min: Duration::from_secs(1), max: Duration::from_secs(60) };
}

/// How a task wants to be kept.
#[derive(Debug, Clone, Copy)]
pub struct TaskSpec {
    /// Its name in logs, health, metrics.
    pub name: &'static str,
    /// When it stops.
    pub phase: Phase,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// It must beat at least so often.
    pub beats_within: Duration,
}

impl TaskSpec {
    /// A task that beats every 30 s at least.
    pub fn new(name: &'static str, phase: Phase, on_failure: OnFailure) -> Self {
        Self { name, phase, on_failure, beats_within: Duration::from_secs(30) }
    }
}

/// What a running task is given.
#[derive(Debug, Clone)]
pub struct TaskContext {
    /// Cancelled when it must wind down.
    pub cancel: CancellationToken,
    /// To be beaten each time its loop comes round.
    pub heart: Heartbeat,
}

/// Why the daemon stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// A task without which it must not go on failed.
    TaskFailed {
        /// Its name.
        task: &'static str,
        /// Why.
        why: String,
    },
}

/// Starts tasks, keeps them running, stops them in order.
#[derive(Debug)]
pub struct Supervisor {
    hearts: Hearts,
    health: Health,
    metrics: Metrics,
    phases: BTreeMap<Phase, Running>,
    fatal: mpsc::Sender<Fatal>,
    fatal_heard: mpsc::Receiver<Fatal>,
}

/// The tasks of one phase.
#[derive(Debug, Default)]
struct Running {
    cancel: CancellationToken,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

/// A task without which the daemon must not go on, and why it failed.
type Fatal = (&'static str, String);

impl Supervisor {
    /// A supervisor that keeps `hearts`, and tells `health` and `metrics` of failures.
    pub fn new(hearts: Hearts, health: Health, metrics: Metrics) -> Self {
        let phases = Phase::ALL.map(|phase| (phase, Running::default()));
        // One is enough: the first failure decides.
        let (fatal, fatal_heard) = mpsc::channel(1);
        Self { hearts, health, metrics, phases: phases.into(), fatal, fatal_heard }
    }

    /// Starts a task. `make` is called again for each restart. A task that ends with `Ok` is done and stays ended.
    pub fn start<F, Fut>(&mut self, spec: TaskSpec, mut make: F)
    where
        F: FnMut(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output = TaskResult> + Send + 'static,
    {
        let running = self.phases.entry(spec.phase).or_default();
        let keeper = Keeper {
            spec,
            cancel: running.cancel.clone(),
            hearts: self.hearts.clone(),
            part: self.health.part(format!("task {}", spec.name)),
            metrics: self.metrics.clone(),
            fatal: self.fatal.clone(),
        };
        let boxed = move |context| Box::pin(make(context)) as Pin<Box<dyn Future<Output = TaskResult> + Send>>;
        running.tasks.push((spec.name, spawn_named(spec.name, keeper.keep(boxed))));
    }

    /// Waits until `asked` is done or a task without which the daemon must not go on has failed.
    pub async fn wait(&mut self, asked: impl Future<Output = ()>) -> Ended {
        tokio::select! {
            () = asked => Ended::Asked,
            Some((task, why)) = self.fatal_heard.recv() => Ended::TaskFailed { task, why },
        }
    }

    /// Stops every phase in order. A task that has not wound down `grace` after its phase was cancelled is
    /// dropped: what it did not make durable is found by the next start. Gives the names of those.
    pub async fn stop(self, grace: Duration) -> Vec<&'static str> {
        let mut dropped = Vec::new();
        for (phase, running) in self.phases {
            running.cancel.cancel();
            let deadline = monotonic() + grace;
            for (name, mut handle) in running.tasks {
                let left = deadline.saturating_duration_since(monotonic());
                if tokio::time::timeout(left, &mut handle).await.is_err() {
                    tracing::warn!(task = name, ?phase, "did not wind down in time and was dropped");
                    handle.abort();
                    dropped.push(name);
                }
            }
        }
        dropped
    }
}

struct Keeper {
    spec: TaskSpec,
    cancel: CancellationToken,
    hearts: Hearts,
    part: Part,
    metrics: Metrics,
    fatal: mpsc::Sender<Fatal>,
}

impl Keeper {
    async fn keep(self, mut make: impl FnMut(TaskContext) -> Pin<Box<dyn Future<Output = TaskResult> + Send>> + Send) {
        let name = self.spec.name;
        let mut failures: u32 = 0;
        while !self.cancel.is_cancelled() {
            let begun = monotonic();
            let heart = self.hearts.start(name, self.spec.beats_within);
            let context = TaskContext { cancel: self.cancel.clone(), heart };
            let ended = AssertUnwindSafe(make(context)).catch_unwind().await;
            self.hearts.stop(name);
            let why = match ended {
                Ok(Ok(())) => {
                    tracing::debug!(task = name, "ended");
                    return self.part.ok();
                }
                Ok(Err(error)) => chain(error.as_ref()),
                Err(panic) => format!("it panicked: {}", panic_words(panic.as_ref())),
            };
            self.metrics.task_failed(name);
            let (min, max) = match self.spec.on_failure {
                OnFailure::Restart { min, max } => (min, max),
                OnFailure::Stop => {
                    self.part.failed("task_failed", why.clone(), "see the log; the daemon stops");
                    // Full when another failure came first, closed when the daemon is stopping: both do already what is asked.
                    let _ = self.fatal.try_send((name, why));
                    return;
                }
            };
            // A task that ran longer than the longest pause begins to count anew.
            failures = if begun.elapsed() > max { 1 } else { failures.saturating_add(1) };
            let pause = backoff(failures, min, max);
            self.part.degraded("task_failed", format!("{why}; started again in {} s", pause.as_secs().max(1)), "");
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Whether the task is well again is not known yet; that it runs again is.
            self.part.ok();
        }
    }
}

/// The pause after the `failures`th failure in a row: doubles from `min`, at most `max`.
fn backoff(failures: u32, min: Duration, max: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    min.saturating_mul(1 << doublings).min(max)
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without words".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    const QUICK: OnFailure = OnFailure::Restart { min: Duration::from_millis(1), max: Duration::from_millis(4) };

    fn supervisor() -> Supervisor {
        Supervisor::new(Hearts::default(), Health::default(), Metrics::new())
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let pauses: Vec<u64> = (1..=8).map(|n| backoff(n, min, max).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX, min, max), max);
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_is_started_again() {
        let mut supervisor = supervisor();
        let runs = Arc::new(AtomicU32::new(0));
        let (done, wait) = tokio::sync::oneshot::channel();
        let (counted, mut done) = (runs.clone(), Some(done));
        supervisor.start(TaskSpec::new("flaky", Phase::Intake, QUICK), move |context| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            let done = if run == 2 { done.take() } else { None };
            async move {
                match run {
                    0 => return Err("the first run fails".into()),
                    1 => panic!("the second run panics"),
                    _ => {}
                }
                done.unwrap().send(()).unwrap();
                context.cancel.cancelled().await;
                Ok(())
            }
        });
        wait.await.unwrap();
        assert!(supervisor.metrics.text().contains("evidock_task_failures_total{task=\"flaky\"} 2"));
        assert_eq!(supervisor.stop(Duration::from_secs(10)).await, Vec::<&str>::new());
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_failure_can_stop_the_daemon() {
        let mut supervisor = supervisor();
        let spec = TaskSpec::new("writer", Phase::Store, OnFailure::Stop);
        supervisor.start(spec, |_| async { Err("the database is gone".into()) });
        let ended = supervisor.wait(std::future::pending()).await;
        assert_eq!(ended, Ended::TaskFailed { task: "writer", why: "the database is gone".to_owned() });
        assert_eq!(supervisor.health.report().worst(), crate::runtime::health::Level::Failed);
    }

    #[tokio::test]
    async fn phases_stop_in_order_and_a_stuck_task_is_dropped() {
        let mut supervisor = supervisor();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (began, mut running) = mpsc::channel(8);
        let phases = [Phase::Http, Phase::Sources, Phase::Uploads, Phase::Store];
        for phase in phases {
            let (order, began) = (order.clone(), began.clone());
            supervisor.start(TaskSpec::new("task", phase, QUICK), move |context| {
                let (order, began) = (order.clone(), began.clone());
                async move {
                    began.send(()).await.unwrap();
                    context.cancel.cancelled().await;
                    order.lock().unwrap().push(phase);
                    Ok(())
                }
            });
        }
        supervisor.start(TaskSpec::new("stuck", Phase::Intake, QUICK), move |_| {
            let began = began.clone();
            async move {
                began.send(()).await.unwrap();
                std::future::pending().await
            }
        });
        for _ in 0..=phases.len() {
            running.recv().await.unwrap();
        }
        assert_eq!(supervisor.wait(std::future::ready(())).await, Ended::Asked);
        assert_eq!(supervisor.stop(Duration::from_millis(50)).await, ["stuck"]);
        assert_eq!(*order.lock().unwrap(), [Phase::Sources, Phase::Uploads, Phase::Store, Phase::Http]);
    }
}
