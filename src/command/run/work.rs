//! Starts what is done with clips that were taken in: they are annotated, looked into and sent.

use std::sync::Arc;

use super::{Parts, SLOW_BEAT};
use crate::config::{Destination, Settings};
use crate::deliver::pace::Ceilings;
use crate::deliver::uplink::{Uplink, UplinkOptions, UplinkParts};
use crate::intake::Prober;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let clerk = parts.clerk.clone();
    supervisor.start(TaskSpec::new("clerk", Phase::Uploads, OnFailure::RESTART), move |context| {
        let clerk = clerk.clone();
        async move {
            clerk.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let prober = Prober {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        probe: Arc::clone(&parts.probe),
        width_px: parts.settings.media.thumbnail_width_px,
        at_once: parts.settings.media.workers,
    };
    let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("media", Phase::Uploads, OnFailure::RESTART) };
    supervisor.start(spec, move |context| {
        let prober = prober.clone();
        async move {
            prober.run(context.cancel, move || context.heart.beat()).await;
            Ok(())
        }
    });
    let settings = &parts.settings;
    let ceilings =
        Ceilings::new(Arc::clone(&parts.clock), settings.station.zone.clone(), settings.upload.limit.clone());
    for ((dest, welcome), written) in parts.remotes.iter().zip(&parts.welcomes).zip(&parts.settings.destinations) {
        let options = options(&parts.settings, written);
        let shared = UplinkParts {
            store: parts.store.clone(),
            vault: parts.vault.clone(),
            board: parts.board.clone(),
            metrics: parts.metrics.clone(),
            clock: Arc::clone(&parts.clock),
        };
        let pace = ceilings.destination(written.limit.clone());
        let uplink = Uplink::new(Arc::clone(dest), shared, pace, options).telling(welcome.clone());
        // One name for each configured destination, for the life of the process.
        let name: &'static str = Box::leak(format!("uplink {}", written.name).into_boxed_str());
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let uplink = uplink.clone();
            async move {
                uplink.run(context.cancel, move || context.heart.beat()).await;
                Ok(())
            }
        });
    }
}

/// How one destination is sent to.
fn options(settings: &Settings, written: &Destination) -> UplinkOptions {
    let upload = &settings.upload;
    UplinkOptions {
        station: settings.station.id.clone(),
        clips_in_flight: upload.clips_in_flight,
        parts_in_flight: written.parts_in_flight,
        retry_min_ms: upload.retry_min.as_millis() as i64,
        retry_max_ms: upload.retry_max.as_millis() as i64,
        max_sensitivity: written.max_sensitivity,
        default_sensitivity: settings.casework.default_sensitivity,
        initial_lock_days: written.initial_lock_days,
        log_lock_days: settings.custody.log_lock_days(written.initial_lock_days),
        order: upload.order.clone(),
        instant: upload.instant,
    }
}
