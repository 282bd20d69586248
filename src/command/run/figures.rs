//! Feeds metrics and health from the store and the disk, every few seconds. Acts on nothing.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use crate::domain::office::Todo;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::runtime::task;

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let watched = Arc::clone(parts);
    supervisor.start(TaskSpec::new("figures", Phase::Http, OnFailure::RESTART), move |context| {
        let parts = Arc::clone(&watched);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(5));
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                }
                context.heart.beat();
                figures(&parts).await?;
            }
        }
    });
}

/// Feeds metrics and health from the store and the disk.
async fn figures(parts: &Arc<Parts>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (figures, size, checkpoint, destinations) = parts
        .store
        .read(|r| Ok((r.figures(i64::MAX)?, r.log_size()?, r.last_checkpoint()?, r.destinations()?)))
        .await?;
    let metrics = &parts.metrics;
    for (state, stage) in [
        ("copying", figures.copying),
        ("sealed", figures.sealed),
        ("sending", figures.sending),
        ("proven", figures.proven),
        ("released", figures.released),
    ] {
        metrics.clips(state, stage.count);
    }
    metrics.incomplete(figures.incomplete);
    metrics.docked(figures.docked.count);
    metrics.log_events(size);
    if let Some(checkpoint) = checkpoint {
        metrics.checkpoint(checkpoint.made_ms.div_euclid(1000));
    }
    let (copied_bytes, files) = parts.board.intake();
    metrics.intake(copied_bytes, &files);
    metrics.streams(&parts.board.streams());
    let vault = parts.vault.clone();
    let (free, total) = task::blocking("disk", move || vault.space()).await??;
    let reserve = parts.settings.vault.reserve.bytes(total);
    metrics.disk(free, total, reserve);
    let disk = parts.health.part("vault disk");
    if free <= reserve {
        disk.failed(
            "disk_full",
            "the vault has reached its reserve; nothing more is taken in",
            "free space, or wait until clips are proven and evicted",
        );
    } else if free < reserve.saturating_mul(2) {
        disk.degraded("disk_low", "the vault is close to its reserve", "plan for space");
    } else {
        disk.ok();
    }
    for row in destinations {
        let part = parts.health.part(format!("destination {}", row.name));
        match (row.trouble, row.proof) {
            (Some(words), _) => {
                let todo = Todo::RetryDestination { name: row.name };
                part.failed("destination_away", words, todo.to_string());
            }
            (None, Some(proof)) if !proof.proves() => part.degraded(
                "proves_nothing",
                "this destination gives no means to compare bytes",
                "clips stay sent, unproven",
            ),
            (None, _) => part.ok(),
        }
    }
    metrics.health(&parts.health.report());
    Ok(())
}
