//! Backups of the database: where there is somebody for whom they can be encrypted, they are made by a task of their own.
//! What a backup holds and when one is due stands in `backup`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Parts, SLOW_BEAT};
use crate::command::anchor::Anchor;
use crate::command::backup::task::Backups;
use crate::command::sm2;
use crate::config::Settings;
use crate::domain::ports::Destination;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::store::Store;

/// Makes backups, where there is somebody for whom they can be encrypted.
pub(super) fn backups(
    settings: &Settings,
    store: &Store,
    anchor: &Anchor,
    remotes: &[Arc<dyn Destination>],
) -> Option<Arc<Backups>> {
    let (backup, state) = (&settings.backup, &settings.station.state_dir);
    let ms = |pause: Duration| pause.as_millis() as i64;
    Some(Arc::new(Backups {
        store: store.clone(),
        station: settings.station.id.clone(),
        signer: Arc::clone(&anchor.signer),
        clock: Arc::clone(&anchor.clock),
        recipient: backup.recipient.clone()?,
        every_ms: ms(backup.every),
        retry_ms: (ms(settings.upload.retry_min), ms(settings.upload.retry_max)),
        destinations: remotes.iter().filter(|d| backup.destinations.contains(d.name())).map(Arc::clone).collect(),
        dir: state.join("backup"),
        log_key: backup
            .log_key
            .then(|| settings.custody.key.as_ref().map_or_else(|| state.join("log.key"), |key| key.path.clone())),
        sm2_key: (backup.log_key && settings.custody.sm2).then(|| {
            settings.custody.sm2_key.as_ref().map_or_else(|| state.join(sm2::SM2_KEY), |key| key.path.clone())
        }),
        wanted: watch::Sender::new(0),
        done: watch::Sender::new((0, Ok(serde_json::Value::Null))),
    }))
}

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    if let Some(backups) = &parts.backups {
        let (backups, health) = (Arc::clone(backups), parts.health.clone());
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("backup", Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (backups, health) = (Arc::clone(&backups), health.clone());
            async move {
                backups.run(context, health).await;
                Ok(())
            }
        });
    }
}
