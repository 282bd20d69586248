//! `[exchange]`: files from and for a front-end machine (前置机), for agencies whose systems speak through files alone.
//!
//! | file | owns |
//! | --- | --- |
//! | [`take`] | what the other side drops: waited for, imported, moved aside, with a report where it was refused |
//! | [`give`] | what changed since the last file, written so that the other side never sees half of one |
//! | [`columns`] | their columns and ours |

mod columns;
mod give;
mod take;

use std::path::Path;
use std::sync::Arc;

use super::desk::Desk;
use crate::config::Exchange;
use crate::domain::words::Words;
use crate::runtime::health::Health;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};

/// Starts what is configured.
pub(super) fn start(
    supervisor: &mut Supervisor,
    exchange: &Exchange,
    words: &'static Words,
    desk: &Arc<Desk>,
    health: &Health,
) {
    if let Some(dir) = &exchange.in_dir {
        let taker = take::Taker::new(dir, exchange, words, desk, health.part("exchange in"));
        supervisor.start(TaskSpec::new("exchange in", Phase::Sources, OnFailure::RESTART), move |context| {
            taker.clone().run(context)
        });
    }
    if let Some(dir) = &exchange.out_dir {
        let giver = give::Giver::new(dir, exchange, desk, health.part("exchange out"));
        supervisor.start(TaskSpec::new("exchange out", Phase::Uploads, OnFailure::RESTART), move |context| {
            giver.clone().run(context)
        });
    }
}

/// Makes what was written, or renamed, in a directory durable.
fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}
