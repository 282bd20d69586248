//! Starts what looks after clips that are proven, and what keeps those from going out that must not.

use std::sync::Arc;
use std::time::Duration;

use super::{Parts, SLOW_BEAT};
use crate::command::deriving::{self, Deriving};
use crate::command::export::job::Exports;
use crate::command::{anchored, export, filing_check};
use crate::deliver::audit::{AuditOptions, Auditor};
use crate::deliver::dispose::Disposer;
use crate::deliver::evict::Evictor;
use crate::deliver::locks::Locks;
use crate::deliver::mend::Mender;
use crate::deliver::tiles::Tiler;
use crate::deliver::welcome::Welcome;
use crate::domain::ports::Destination;
use crate::media::Maker;
use crate::runtime::heartbeat::Heartbeat;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskContext, TaskSpec};
use crate::store::Change;

/// The newest checkpoint's tiles are looked for so often.
const TILES_LOOK_EVERY: Duration = Duration::from_secs(5);

/// What looks after clips that are proven, and what keeps those from going out that must not.
pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let settings = &parts.settings;
    let (store, stops) = (parts.store.clone(), parts.stops.clone());
    supervisor.start(TaskSpec::new("stops", Phase::Uploads, OnFailure::RESTART), move |context| {
        let (store, stops) = (store.clone(), stops.clone());
        async move {
            let mut news = store.changes();
            loop {
                stops.set(store.read(|r| r.isolated_clips()).await?);
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    () = isolations(&mut news, &context.heart) => {}
                }
            }
        }
    });
    let slow = |name: &'static str| TaskSpec {
        beats_within: SLOW_BEAT,
        ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART)
    };
    // One name for each configured destination, for the life of the process.
    let named = |what: &str, dest: &dyn Destination| -> &'static str {
        Box::leak(format!("{what} {}", dest.name()).into_boxed_str())
    };
    let evict = settings.vault.evict;
    for ((dest, welcome), written) in parts.remotes.iter().zip(&parts.welcomes).zip(&settings.destinations) {
        let audit = &settings.audit;
        let options = AuditOptions {
            station: settings.station.id.clone(),
            share_percent: audit.share_percent,
            groups: audit.groups,
            whole_every_ms: audit.whole_every.map(|every| every.as_millis() as i64),
            bytes_per_s: audit.bytes_per_s,
            awaited: evict.map(|evict| evict.policy.audit).unwrap_or_default(),
        };
        let name = named("audit", &**dest);
        let auditor = Auditor::new(
            Arc::clone(dest),
            parts.store.clone(),
            parts.vault.clone(),
            Arc::clone(&parts.clock),
            parts.health.part(name),
            options,
        );
        let first = welcome.clone();
        supervisor.start(slow(name), move |context| {
            let (auditor, welcome) = (auditor.clone(), first.clone());
            async move {
                let_in(&context, &welcome).await;
                auditor.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
        let destination: &crate::config::Destination = written;
        let tiler = Tiler {
            dest: Arc::clone(dest),
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            station: settings.station.id.clone(),
            lock_days: settings.custody.log_lock_days(destination.initial_lock_days),
            entries: destination.log_entries,
            look_every: TILES_LOOK_EVERY,
            welcome: welcome.clone(),
        };
        supervisor.start(slow(named("tiles", &**dest)), move |context| {
            let tiler = tiler.clone();
            async move {
                tiler.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
        let name = named("locks", &**dest);
        let locks = Locks {
            dest: Arc::clone(dest),
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            station: settings.station.id.clone(),
            rule: settings.retention.rule,
            off: written.initial_lock_days == 0,
            health: parts.health.part(name),
        };
        let first = welcome.clone();
        supervisor.start(slow(name), move |context| {
            let (locks, welcome) = (locks.clone(), first.clone());
            async move {
                let_in(&context, &welcome).await;
                locks.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
    }
    let mender = Mender {
        reach: parts.reach.clone(),
        reserve_bytes: parts.intake.reserve_bytes(),
        health: parts.health.part("mend"),
    };
    supervisor.start(slow("mend"), move |context| {
        let mender = mender.clone();
        async move {
            mender.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let exports = Exports {
        settings: Arc::new(settings.clone()),
        store: parts.store.clone(),
        desk: Arc::clone(&parts.desk),
        reach: parts.reach.clone(),
        board: parts.board.clone(),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(slow("exports"), move |context| {
        let exports = exports.clone();
        async move { Ok(export::job::run(context, exports).await?) }
    });
    let desk = Arc::clone(&parts.desk);
    supervisor.start(slow("filing check"), move |context| {
        let desk = Arc::clone(&desk);
        async move { Ok(filing_check::run(context, desk).await?) }
    });
    let deriving = Deriving {
        settings: settings.derived.clone(),
        reserve: settings.vault.reserve,
        store: parts.store.clone(),
        reach: parts.reach.clone(),
        maker: Maker::new(&settings.station.state_dir, settings.derived.patience),
        board: parts.board.clone(),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(slow("derived"), move |context| {
        let deriving = deriving.clone();
        async move { Ok(deriving::run(context, deriving).await?) }
    });
    let evictor = Evictor {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        station: settings.station.id.clone(),
        remotes: parts.remotes.clone(),
        policy: evict.map(|evict| evict.policy),
        free_percent: evict.map_or(0, |evict| evict.free_percent),
        health: parts.health.part("eviction"),
        checkpoint: anchored::before_giving_up(&parts.anchor),
    };
    let disposer = Disposer {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        station: settings.station.id.clone(),
        remotes: parts.remotes.clone(),
        dispose_at: settings.keeping.dispose_at.clone(),
        unlinked_ms: settings.retention.rule.unlinked_ms,
        checkpoint: Arc::clone(&evictor.checkpoint),
        health: parts.health.part("disposal"),
    };
    supervisor.start(slow("dispose"), move |context| {
        let disposer = disposer.clone();
        async move {
            disposer.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    supervisor.start(slow("evict"), move |context| {
        let evictor = evictor.clone();
        async move {
            evictor.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
}

/// Waits until a destination lets us in for the first time; later on its trouble is stored.
async fn let_in(context: &TaskContext, welcome: &Welcome) {
    tokio::select! {
        () = context.heart.beat_until(&context.cancel) => {}
        () = welcome.opened() => {}
    }
}

/// Waits until clips were isolated, or are so no longer.
async fn isolations(news: &mut tokio::sync::broadcast::Receiver<Change>, heart: &Heartbeat) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        heart.beat();
        match tokio::time::timeout(Duration::from_secs(10), news.recv()).await {
            Ok(Ok(Change::Isolated) | Err(RecvError::Lagged(_))) => return,
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(RecvError::Closed)) => std::future::pending().await,
        }
    }
}
