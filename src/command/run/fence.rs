//! A box whose station goes on elsewhere: it finds out, remembers it and stops. What keeps it from writing until then
//! stands around each destination (`deliver::fence`).

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use crate::config::Settings;
use crate::deliver::fence::superseded_words;
use crate::deliver::welcome::Welcome;
use crate::domain::error::chain;
use crate::domain::ports::Destination;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};

/// Destinations are asked so often whether this station goes on elsewhere, besides before each write.
const FENCE_LOOK_EVERY: Duration = Duration::from_secs(300);

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let fenced = Arc::clone(parts);
    supervisor.start(TaskSpec::new("fence", Phase::Uploads, OnFailure::Stop), move |context| {
        let parts = Arc::clone(&fenced);
        async move {
            // A box that comes back finds out before it has anything to write, so that little is taken in here in vain.
            let looks = async {
                loop {
                    // The uplink's own way in leads past the fence, too.
                    let open = |(_, welcome): &(&Arc<dyn Destination>, &Welcome)| welcome.is_open();
                    for (dest, _) in parts.remotes.iter().zip(&parts.welcomes).filter(open) {
                        if let Err(e) = parts.fence.look(&**dest).await {
                            tracing::debug!(destination = %dest.name(), error = %chain(&e), "it could not be asked about later epochs");
                        }
                    }
                    tokio::time::sleep(FENCE_LOOK_EVERY).await;
                }
            };
            let later: u32 = tokio::select! {
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
                later = parts.fence.superseded() => later,
                never = looks => never,
            };
            // Stored before anything else, so that no start after this one has to find out again.
            let epoch = parts
                .store
                .write(move |tx| {
                    tx.superseded(later)?;
                    tx.read().epoch()
                })
                .await?;
            Err(superseded(&parts.settings, epoch, later).into())
        }
    });
}

/// What a box is told whose station goes on elsewhere.
pub(super) fn superseded(settings: &Settings, epoch: u32, later: u32) -> String {
    format!(
        "{}. Nothing is taken in here any more; recorders keep what is on them. What this box sealed and never sent is \
         in its vault {} and waits for a person. To use the box again, move its state directory {} away; docs/restore.md says how",
        superseded_words(&settings.station.id, epoch, later),
        settings.vault.dir.display(),
        settings.station.state_dir.display()
    )
}
