//! Starts what makes the log hold against ourselves: checkpoints, their anchors at destinations, and what others say of
//! them: witnesses, and an authority for timestamps.

use std::sync::Arc;
use std::time::Duration;

use super::{Parts, SLOW_BEAT};
use crate::command::{anchor_watch, timestamps, watched, witness};
use crate::custody::note::VerifierKey;
use crate::custody::retired;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let anchor = Arc::clone(&parts.anchor);
    supervisor.start(TaskSpec::new("checkpoints", Phase::Store, OnFailure::RESTART), move |context| {
        let anchor = Arc::clone(&anchor);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                }
                context.heart.beat();
                anchor.tick().await?;
            }
        }
    });
    start_witnesses(supervisor, parts);
    let anchored = Arc::clone(parts);
    let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("anchors", Phase::Uploads, OnFailure::RESTART) };
    supervisor.start(spec, move |context| {
        let parts = Arc::clone(&anchored);
        async move {
            let mut keys = vec![VerifierKey::of(&*parts.anchor.signer)?];
            keys.extend(retired::read(&parts.settings.station.state_dir)?);
            let (store, station) = (parts.store.clone(), parts.settings.station.id.clone());
            let remotes = parts.remotes.iter().cloned().zip(parts.welcomes.iter().cloned()).collect();
            anchor_watch::watch(context, store, station, keys, remotes, parts.health.clone()).await;
            Ok(())
        }
    });
}

/// What others say about the log: witnesses, and an authority for timestamps.
fn start_witnesses(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    for witness in &parts.witnesses {
        let name: &'static str = Box::leak(format!("witness {}", witness.name).into_boxed_str());
        let (witness, anchor, part) = (Arc::clone(witness), Arc::clone(&parts.anchor), parts.health.part(name));
        let spec = TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new(name, Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (witness, anchor, part) = (Arc::clone(&witness), Arc::clone(&anchor), part.clone());
            async move { Ok(witness::run(context, witness, anchor, part).await?) }
        });
    }
    if !parts.desk.witnessed.is_empty() {
        let parts = Arc::clone(parts);
        supervisor.start(TaskSpec::new("watched logs", Phase::Uploads, OnFailure::RESTART), move |context| {
            let (store, clock, health) = (parts.store.clone(), Arc::clone(&parts.clock), parts.health.clone());
            let keys = parts.desk.witnessed.clone();
            async move { Ok(watched::run(context, store, clock, keys, health).await?) }
        });
    }
    if let Some((authority, every_ms)) = &parts.authority {
        let (poster, anchor, every_ms) = (Arc::clone(authority), Arc::clone(&parts.anchor), *every_ms);
        let part = parts.health.part("timestamps");
        let spec =
            TaskSpec { beats_within: SLOW_BEAT, ..TaskSpec::new("timestamps", Phase::Uploads, OnFailure::RESTART) };
        supervisor.start(spec, move |context| {
            let (poster, anchor, part) = (Arc::clone(&poster), Arc::clone(&anchor), part.clone());
            async move { Ok(timestamps::run(context, anchor, poster, every_ms, part).await?) }
        });
    }
}
