//! The index of searches catches up: what one change made due of more clips than were written with it (a register of cases,
//! the first start of this version, a rebuild) is written in batches, between which others get their turn.

use std::time::Duration;

use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::store::Store;

/// Clips of one transaction.
const BATCH: u32 = 250;
/// Between two looks while nothing is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Starts catching up.
pub fn start(supervisor: &mut Supervisor, store: &Store) {
    let store = store.clone();
    supervisor.start(TaskSpec::new("search", Phase::Uploads, OnFailure::RESTART), move |context| {
        let store = store.clone();
        async move {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    _ = looks.tick() => {}
                }
                context.heart.beat();
                while !context.cancel.is_cancelled() && store.read(|r| r.search_due()).await? > 0 {
                    context.heart.beat();
                    store.write(|tx| tx.index_due(BATCH)).await?;
                }
            }
        }
    });
}
