//! `evidock run`: the composition root. Holds what the tasks share, starts them, and stops them in order. How each part
//! is put together stands below: `open` makes what is shared, the others start tasks. Nothing here decides about footage.

mod backups;
mod changes;
mod custody;
mod doors;
mod fence;
mod figures;
mod keeping;
mod open;
mod sources;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::anchor::Anchor;
use super::backup::task::Backups;
use super::desk::Desk;
use super::exit::Exit;
use super::witness::Witness;
use super::{control, destinations};
use crate::casework::apply::Clerk;
use crate::config::Settings;
use crate::deliver::fence::Fence;
use crate::deliver::footage::Reach;
use crate::deliver::post::Poster;
use crate::deliver::stops::Stops;
use crate::deliver::welcome::Welcome;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ports::{Clock, Destination, MediaProbe};
use crate::intake::Intake;
use crate::runtime::board::Board;
use crate::runtime::health::Health;
use crate::runtime::heartbeat::Hearts;
use crate::runtime::lock::StateLock;
use crate::runtime::metrics::Metrics;
use crate::runtime::supervise::{Ended, OnFailure, Phase, Supervisor, TaskSpec};
use crate::runtime::{notify, task};
use crate::store::{Policy, Store};
use crate::vault::Vault;

/// How long a phase may take to wind down.
const GRACE: Duration = Duration::from_secs(20);
/// A task that talks to a network may be silent this long (one part over a thin line).
const SLOW_BEAT: Duration = Duration::from_secs(15 * 60);

/// Where the database of a station stands.
pub fn database(settings: &Settings) -> PathBuf {
    settings.station.state_dir.join("evidock.db")
}

/// What of the configuration shows in records.
pub fn policy(settings: &Settings) -> Policy {
    Policy {
        station: settings.station.id.clone(),
        agency: settings.station.agency.clone(),
        operator: settings.station.operator.clone(),
        uri_prefix: settings
            .destinations
            .iter()
            .map(|d| (d.name.to_string(), destinations::uri_prefix(d)))
            .collect::<BTreeMap<_, _>>(),
        zone: settings.station.zone.clone(),
    }
}

/// Runs the daemon until a signal ends it.
pub fn run(settings: Settings) -> anyhow::Result<Exit> {
    super::begin_logging(&settings)?;
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    more_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("evidock")
        .build()
        .context("starting the async runtime")?;
    let exit = runtime.block_on(daemon(settings))?;
    // Blocking threads that hang on a dead mount must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(exit)
}

/// As many open files as the system allows us: guests of the page must not take those that intake needs. What is inherited
/// is kept low by default for programs that we are not (getrlimit(2), `select`).
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum
        && let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
    {
        tracing::warn!(error = %e, "the limit of open files stays as it was inherited");
    }
}

/// Everything that the tasks share.
struct Parts {
    settings: Settings,
    clock: Arc<dyn Clock>,
    store: Store,
    vault: Vault,
    board: Board,
    health: Health,
    metrics: Metrics,
    intake: Intake,
    probe: Arc<dyn MediaProbe>,
    anchor: Arc<Anchor>,
    desk: Arc<Desk>,
    remotes: Vec<Arc<dyn Destination>>,
    /// Whether each of them lets us in.
    welcomes: Vec<Welcome>,
    stops: Stops,
    reach: Reach,
    clerk: Clerk,
    fence: Fence,
    backups: Option<Arc<Backups>>,
    witnesses: Vec<Arc<Witness>>,
    authority: Option<(Arc<Poster>, i64)>,
}

async fn daemon(settings: Settings) -> anyhow::Result<Exit> {
    let state = settings.station.state_dir.clone();
    std::fs::create_dir_all(&state).with_context(|| {
        format!(
            "the state directory {} cannot be made; give another one with --state or [station] state_dir",
            state.display()
        )
    })?;
    let _lock = StateLock::acquire(&state)?;
    let parts = task::blocking("open", move || open::open(settings)).await??;
    let hearts = Hearts::default();
    let mut supervisor = Supervisor::new(hearts.clone(), parts.health.clone(), parts.metrics.clone());
    let parts = Arc::new(parts);

    let control_path = parts.settings.control_socket.clone();
    let listener = control::bind(&control_path)
        .with_context(|| format!("the control socket {} cannot be opened", control_path.display()))?;
    let web = crate::web::serve::bind(&parts.settings.web).await?;
    tracing::info!(page = web.url(), station = %parts.settings.station.id, "ready");

    sources::start(&mut supervisor, &parts);
    work::start(&mut supervisor, &parts);
    fence::start(&mut supervisor, &parts);
    backups::start(&mut supervisor, &parts);
    custody::start(&mut supervisor, &parts);
    figures::start(&mut supervisor, &parts);
    keeping::start(&mut supervisor, &parts);
    doors::start(&mut supervisor, &parts, listener, web);
    {
        let (hearts, health) = (hearts.clone(), parts.health.clone());
        supervisor.start(TaskSpec::new("watchdog", Phase::Http, OnFailure::RESTART), move |context| {
            notify::run(context, hearts.clone(), health.clone())
        });
    }
    notify::ready();

    let ended = supervisor.wait(asked_to_stop()).await;
    notify::stopping(GRACE);
    tracing::info!(reason = ?ended, "stopping");
    let late = supervisor.stop(GRACE).await;
    let _ = std::fs::remove_file(&control_path);
    let store = parts.store.clone();
    let stopped = store.write(|tx| tx.log(&Draft::daemon(EventKind::Stopped))).await;
    if let Err(e) = stopped {
        tracing::warn!(error = %chain(&e), "the stop could not be logged");
    }
    if let Err(e) = parts.anchor.sign_now().await {
        tracing::warn!(error = %chain(&e), "the last checkpoint could not be signed");
    }
    task::blocking("close", move || store.close()).await?;
    if !late.is_empty() {
        tracing::warn!(tasks = ?late, "some tasks were dropped; the next start goes on where they were");
    }
    match ended {
        Ended::Asked => Ok(Exit::Ok),
        Ended::TaskFailed { task, why } => anyhow::bail!("{task} failed and the daemon stopped: {why}"),
    }
}

/// SIGTERM (the service manager) or SIGINT (a terminal).
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; stop the daemon by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
