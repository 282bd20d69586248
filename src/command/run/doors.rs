//! Starts what people and programs meet: the control socket, the page, folders that are watched, the index of searches,
//! lamps at the bays, and those who tell others.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use crate::command::coverage::allowed;
use crate::command::desk::Desk;
use crate::command::export::Packed;
use crate::command::{alarms, control, document_watch, events, exchange, office, roster_watch, searching};
use crate::deliver::elsewhere::Catalogues;
use crate::feedback::{self, Sight};
use crate::media::Derivations;
use crate::notice;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::web::bind::StationPages;
use crate::web::live::Live;
use crate::web::site::{Door, Site};

/// Nobody waits longer for what other stations have.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(8);

pub(super) fn start(
    supervisor: &mut Supervisor,
    parts: &Arc<Parts>,
    listener: tokio::net::UnixListener,
    web: crate::web::serve::Bound,
) {
    let desk: Arc<dyn crate::domain::command::Ask> = Arc::<Desk>::clone(&parts.desk);
    let mut listener = Some(listener);
    let path = parts.settings.control_socket.clone();
    let socket_desk = Arc::clone(&desk);
    supervisor.start(TaskSpec::new("control", Phase::Http, OnFailure::RESTART), move |context| {
        let taken = listener.take();
        let (path, desk) = (path.clone(), Arc::clone(&socket_desk));
        async move {
            let listener = match taken {
                Some(listener) => listener,
                None => control::bind(&path)?,
            };
            tokio::join!(
                control::serve(listener, desk, context.cancel.clone()),
                context.heart.beat_until(&context.cancel)
            );
            Ok(())
        }
    });
    let settings = &parts.settings;
    roster_watch::start(supervisor, settings.casework.roster.clone(), &desk, &parts.health);
    document_watch::start(supervisor, settings.documents.dir.clone(), &parts.desk, &parts.health);
    searching::start(supervisor, &parts.store);
    let sight = Sight {
        station: settings.station.id.clone(),
        board: parts.board.clone(),
        store: parts.store.clone(),
        clock: Arc::clone(&parts.clock),
    };
    feedback::start(supervisor, &settings.feedback, &sight, &parts.health);
    let pages = StationPages {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        footage: Arc::new(parts.reach.clone()),
        packages: Arc::new(Packed { dir: settings.export.dir.clone(), footage: Arc::new(parts.reach.clone()) }),
        exporting: settings.export.clone(),
        derive: Arc::new(Derivations::new(
            &settings.station.state_dir,
            settings.media.preview_width_px,
            settings.media.timeout,
        )),
        deriving: settings.derived.clone(),
        board: parts.board.clone(),
        clock: Arc::clone(&parts.clock),
        health: parts.health.clone(),
        metrics: parts.metrics.clone(),
        rule: parts.desk.rule.clone(),
        policy: parts.desk.policy.clone(),
        station_name: settings.station.name.clone(),
        reserve_bytes: parts.intake.reserve_bytes(),
        receivers: notice::receivers(settings).into_iter().map(|r| r.name).collect(),
        destinations: settings.destinations.iter().map(|d| (d.name.to_string(), d.required)).collect(),
        streams: settings.streams.clone(),
        outing_gap_ms: settings.casework.linking.outing_gap.as_millis() as i64,
        allowed: allowed(&settings.casework.coverage),
        keeping: settings.keeping.clone(),
        unlinked_ms: settings.retention.rule.unlinked_ms,
        premises: office::Office::new(settings, &parts.desk),
        elsewhere: Arc::new(Catalogues::new(
            parts.remotes.clone(),
            Some(settings.station.id.clone()),
            ELSEWHERE_WITHIN,
        )),
        supervision: settings.supervision.clone(),
    };
    let pages = Arc::new(pages);
    start_notices(supervisor, parts, &pages);
    let live = Live::new(parts.clock.now().0);
    let station = &settings.station;
    let (clock, zone, language) = (Arc::clone(&parts.clock), station.zone.clone(), station.language.fixed());
    let door = Door {
        access: Some(Arc::clone(&parts.desk.access)),
        hosts: settings.web.names.clone(),
        exposed: !settings.web.listen.ip().is_loopback(),
        tls: settings.web.tls.is_some(),
        client_ca: web.client_ca().cloned(),
        repeats: Some(parts.store.clone()),
    };
    let site = Site::new(pages, desk, clock, zone, language, Arc::clone(&live), door);
    crate::web::serve::start(supervisor, web, site, live, parts.store.clone(), parts.board.clone());
}

/// Who tells others: alarms and what they come from, the log's events, and the files of a front-end machine.
fn start_notices(supervisor: &mut Supervisor, parts: &Arc<Parts>, pages: &Arc<StationPages>) {
    let settings = &parts.settings;
    let receivers = notice::receivers(settings);
    let watch = alarms::Watch {
        pages: Arc::clone(pages),
        store: parts.store.clone(),
        clock: Arc::clone(&parts.clock),
        metrics: parts.metrics.clone(),
        station: settings.station.id.clone(),
        station_name: settings.station.name.clone(),
        receivers: receivers.clone(),
        rules: settings.alarm.clone(),
        queue: settings.messages.queue,
        clock_part: parts.health.part("clock"),
    };
    supervisor
        .start(TaskSpec::new("alarms", Phase::Http, OnFailure::RESTART), move |context| watch.clone().run(context));
    if !settings.webhooks.is_empty() {
        let events = events::Events {
            store: parts.store.clone(),
            policy: parts.desk.policy.clone(),
            webhooks: Arc::new(settings.webhooks.clone()),
            queue: settings.messages.queue,
        };
        let spec = TaskSpec::new("events", Phase::Uploads, OnFailure::RESTART);
        supervisor.start(spec, move |context| events.clone().run(context));
    }
    notice::start(supervisor, &receivers, &parts.store, &parts.clock, &settings.messages);
    let words = settings.station.language.fixed().unwrap_or_default().words();
    exchange::start(supervisor, &settings.exchange, words, &parts.desk, &parts.health);
}
