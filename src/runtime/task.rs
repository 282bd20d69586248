//! Tasks with names: the only place where the daemon spawns.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Spawns `future` inside a span that carries `name`, so that every log line tells its task.
#[allow(clippy::disallowed_methods)] // This is the home of tokio::spawn.
pub fn spawn_named<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.instrument(tracing::info_span!("task", name)))
}

/// Runs blocking work (disk, device, database) on the blocking pool inside a span that carries `name`.
#[allow(clippy::disallowed_methods)] // This is the home of tokio::task::spawn_blocking.
pub fn blocking<T: Send + 'static>(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = tracing::info_span!("task", name);
    tokio::task::spawn_blocking(move || span.in_scope(work))
}
