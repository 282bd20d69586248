//! Starts what footage comes from: docks, rooms that are recorded live, recorders in the network. They stop first.

use std::sync::Arc;

use super::Parts;
use crate::command::pulls::{self, Pulls};
use crate::command::{docks, streams, usb};
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};

pub(super) fn start(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    start_docks(supervisor, parts);
    start_streams(supervisor, parts);
    start_pulls(supervisor, parts);
}

fn start_docks(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    let spec = TaskSpec::new("docks", Phase::Sources, OnFailure::RESTART);
    let parts = Arc::clone(parts);
    supervisor.start(spec, move |context| {
        let parts = Arc::clone(&parts);
        let (intake, board, health) = (parts.intake.clone(), parts.board.clone(), parts.health.clone());
        docks::run(context, intake, board, parts.store.clone(), health, move |tx| {
            let folder = &parts.settings.folder_source;
            let (of_usb, store, clock) = (parts.settings.clone(), parts.store.clone(), Arc::clone(&parts.clock));
            vec![
                docks::source("docking folder", tx, |tx| {
                    docks::folder(folder.dir.clone(), folder.poll, folder.erase, Arc::clone(&parts.clock), tx)
                }),
                docks::source("USB", tx, |tx| async move { usb::watch(&of_usb, store, clock, tx).await }),
            ]
        })
    });
}

fn start_streams(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    if parts.settings.streams.is_empty() {
        return;
    }
    let streams = streams::Streams {
        settings: parts.settings.clone(),
        store: parts.store.clone(),
        intake: parts.intake.clone(),
        probe: Arc::clone(&parts.probe),
        board: parts.board.clone(),
        health: parts.health.clone(),
        clock: Arc::clone(&parts.clock),
    };
    supervisor.start(TaskSpec::new("streams", Phase::Sources, OnFailure::RESTART), move |context| {
        streams::run(context, streams.clone())
    });
}

fn start_pulls(supervisor: &mut Supervisor, parts: &Arc<Parts>) {
    if parts.settings.network_recorders.is_empty() && parts.settings.discovery.networks.is_empty() {
        return;
    }
    let all = Pulls {
        settings: parts.settings.clone(),
        store: parts.store.clone(),
        intake: parts.intake.clone(),
        board: parts.board.clone(),
        health: parts.health.clone(),
        clock: Arc::clone(&parts.clock),
        orders: parts.desk.pulls.clone(),
    };
    supervisor.start(TaskSpec::new("pulls", Phase::Sources, OnFailure::RESTART), move |context| {
        pulls::run(context, all.clone())
    });
}
