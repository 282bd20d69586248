//! Recorders in the network: one task that knows which may be read and which are due, one thread for each that pulls it,
//! and who is there, where the configuration lets us ask. Both ends of `evidock recorders pull`, and the command line's own
//! `look` and `discover`. Part of the composition root.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::desk::{Answer, Desk};
use super::exit::Exit;
use super::find::store;
use super::output::Output;
use super::{Ended, ask, looking, streams};
use crate::config::{NetworkRecorder, PullMode, Settings};
use crate::domain::command::{Reply, Request};
use crate::domain::device::{DeviceKey, DeviceState, NETWORK_PORT, NO_USB, Standings, means_something};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::RecorderId;
use crate::domain::ports::Clock;
use crate::domain::recorder::{Held, HeldDevice};
use crate::domain::replay::{Find, Looked, Span, SpanState, StoredSpan, Timeline};
use crate::domain::time::UtcMs;
use crate::domain::timetable;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::intake::{Intake, PullOrder, Puller};
use crate::runtime::board::Board;
use crate::runtime::health::Health;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::runtime::task;
use crate::source::replay::{self, PullError};
use crate::store::{Change, Store};

/// Schedules are looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// How the desk reaches the threads of recorders. Cheap to clone.
#[derive(Clone, Default)]
pub struct PullOrders(Arc<Mutex<BTreeMap<String, mpsc::Sender<PullOrder>>>>);

impl PullOrders {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, mpsc::Sender<PullOrder>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the task needs.
#[derive(Clone)]
pub struct Pulls {
    /// The configuration.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// Takes what comes.
    pub intake: Intake,
    /// Where recorders are shown.
    pub board: Board,
    /// And how they are.
    pub health: Health,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How the desk reaches them.
    pub orders: PullOrders,
}

/// Works until the supervisor says stop; then every segment is ended and sealed before this returns.
pub async fn run(context: TaskContext, pulls: Pulls) -> TaskResult {
    let register = Arc::<RwLock<Standings>>::default();
    // Read before the first recorder is judged: an approved one is never held because of a start.
    pulls.read(&register).await;
    let gate = Arc::new(Gate { held: Mutex::default(), board: pulls.board.clone(), store: pulls.store.clone() });
    let mut threads = Vec::new();
    let mut due: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for recorder in &pulls.settings.network_recorders {
        let (orders, coming) = mpsc::channel();
        let puller = pulls.puller(recorder, &register, &gate, &context.cancel);
        pulls.orders.with(|all| all.insert(recorder.name.to_string(), orders));
        due.insert(recorder.name.to_string(), None);
        threads.push(task::blocking("pull", move || puller.run(&coming)));
    }
    let looking = async {
        let mut changes = pulls.store.changes();
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            context.heart.beat();
            for recorder in &pulls.settings.network_recorders {
                let now = pulls.is_due(recorder);
                let last = due.entry(recorder.name.to_string()).or_default();
                if last.replace(now) != Some(now) {
                    pulls.order(recorder.name.as_str(), PullOrder::Due(now));
                }
            }
            tokio::select! {
                () = context.cancel.cancelled() => break,
                _ = ticks.tick() => {}
                change = changes.recv() => {
                    if matches!(change, Ok(Change::Recorders) | Err(_)) {
                        pulls.read(&register).await;
                        // A yes or no takes effect at once.
                        due.values_mut().for_each(|last| *last = None);
                    }
                }
            }
        }
        pulls.orders.with(BTreeMap::clear);
    };
    tokio::join!(looking, pulls.discover(&context, &register));
    for thread in threads {
        if let Err(e) = thread.await {
            tracing::error!(error = %e, "the thread of a recorder ended badly");
        }
    }
    Ok(())
}

impl Pulls {
    fn puller(
        &self,
        recorder: &NetworkRecorder,
        register: &Arc<RwLock<Standings>>,
        gate: &Arc<Gate>,
        stopping: &CancellationToken,
    ) -> Puller {
        let (known, gate, name) = (Arc::clone(register), Arc::clone(gate), recorder.name.to_string());
        Puller {
            recorder: recorder.clone(),
            intake: self.intake.clone(),
            program: streams::program(&self.settings.station.state_dir),
            standing: Arc::new(move |key| known.read().unwrap_or_else(PoisonError::into_inner).state(key)),
            hold: Arc::new(move |device| gate.hold(&name, device)),
            stopping: {
                let stopping = stopping.clone();
                Arc::new(move || stopping.is_cancelled())
            },
            health: self.health.part(format!("recorder {}", recorder.name)),
            zone: self.settings.station.zone.clone(),
        }
    }

    fn is_due(&self, recorder: &NetworkRecorder) -> bool {
        match recorder.pull {
            PullMode::New => true,
            PullMode::OnDemand => false,
            PullMode::Schedule => timetable::is_open(&recorder.windows, self.clock.now(), &self.settings.station.zone),
        }
    }

    fn order(&self, name: &str, order: PullOrder) {
        // A thread that ended has panicked; the supervisor's next start makes it anew.
        let _ = self.orders.with(|all| all.get(name).map(|to| to.send(order)));
    }

    async fn read(&self, register: &RwLock<Standings>) {
        match self.store.read(|r| r.standings()).await {
            Ok(now) => *register.write().unwrap_or_else(PoisonError::into_inner) = now,
            Err(e) => {
                tracing::warn!(error = %chain(&e), "the register of recorders could not be read; what was known holds")
            }
        }
    }

    /// Asks now and then who is there, and shows whoever nobody has said anything about.
    async fn discover(&self, context: &TaskContext, register: &RwLock<Standings>) {
        let discovery = &self.settings.discovery;
        if discovery.networks.is_empty() {
            return;
        }
        let part = self.health.part("discovery");
        let mut ticks = tokio::time::interval(discovery.every);
        let mut shown: Vec<HeldDevice> = Vec::new();
        loop {
            tokio::select! {
                () = context.cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let (program, networks) = (streams::program(&self.settings.station.state_dir), discovery.networks.clone());
            let found = match task::blocking("discovery", move || replay::discover(&program, &networks)).await {
                Ok(Ok(found)) => found,
                Ok(Err(e)) => {
                    part.degraded("discovery_failed", chain(&e), "correct [discovery], or leave it empty");
                    continue;
                }
                Err(e) => {
                    tracing::error!(error = %e, "discovery ended badly");
                    continue;
                }
            };
            part.ok();
            let known = register.read().unwrap_or_else(PoisonError::into_inner).clone();
            let now_ms = self.clock.now().0;
            let mut fresh: Vec<HeldDevice> = found
                .iter()
                .filter(|f| !is_configured(f, &self.settings))
                .map(|f| held(f, now_ms))
                .filter(|h| known.of(h.usb_id, h.serial.as_deref(), &h.port) == DeviceState::Unknown)
                .collect();
            for device in &mut fresh {
                let before = shown.iter().find(|s| s.port == device.port);
                device.since_ms = before.map_or(now_ms, |b| b.since_ms);
            }
            if fresh != shown {
                shown.clone_from(&fresh);
                self.board.hold("discovery", fresh.clone());
                if let Err(e) = self.store.write(move |tx| tx.devices_held(&fresh)).await {
                    tracing::warn!(error = %chain(&e), "what was found could not be noted in the register");
                }
            }
        }
    }
}

/// Recorders in the network that wait at the gate.
struct Gate {
    held: Mutex<BTreeMap<String, HeldDevice>>,
    board: Board,
    store: Store,
}

impl Gate {
    fn hold(&self, name: &str, device: Option<HeldDevice>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.get(name).cloned();
        match device {
            None if before.is_none() => return,
            None => {
                held.remove(name);
            }
            Some(device) => {
                let since_ms = before.as_ref().filter(|b| b.why == device.why).map_or(device.since_ms, |b| b.since_ms);
                let device = HeldDevice { since_ms, ..device };
                if before.as_ref() == Some(&device) {
                    return;
                }
                held.insert(name.to_owned(), device);
            }
        }
        let all: Vec<HeldDevice> = held.values().cloned().collect();
        self.board.hold("network", all.clone());
        // The register knows every device that ever stood at the gate.
        if let Err(e) = self.store.write_blocking(move |tx| tx.devices_held(&all)) {
            tracing::warn!(error = %chain(&e), "what stands at the gate could not be noted in the register");
        }
    }
}

fn is_configured(find: &Find, settings: &Settings) -> bool {
    let host = |url: &str| replay::host_of(url);
    settings.network_recorders.iter().any(|r| host(&r.url) == host(&find.address))
}

fn held(find: &Find, since_ms: i64) -> HeldDevice {
    let host = replay::host_of(&find.address);
    let name = [find.name.as_str(), find.hardware.as_str()].join(" ").trim().to_owned();
    HeldDevice {
        bay: host.clone(),
        port: format!("{NETWORK_PORT}{host}"),
        usb_id: NO_USB,
        serial: None,
        name,
        why: Held::Unknown,
        since_ms,
    }
}

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn pull_recorder(&self, word: &str) -> Answer {
        let wanted = word.trim().to_owned();
        let found = self.pulls.with(|all| {
            let sent = all.get(&wanted).map(|to| to.send(PullOrder::Now).is_ok());
            (sent, all.keys().cloned().collect::<Vec<_>>())
        });
        Ok(match found {
            (Some(true), _) => Reply::Done(json!({ "recorder": wanted })),
            (Some(false), _) => Reply::refused("unavailable", Why::StartedAnew {}),
            (None, known) if known.is_empty() => Reply::refused("not_found", Why::NoNetworkRecorders {}),
            (None, known) => Reply::refused("not_found", Why::NoNetworkRecorder { name: wanted, known }),
        })
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock recorders pull`.
pub fn pull(name: &str, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let answer = ask::request(settings, &Request::PullRecorder { recorder: name.to_owned() })?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.line(&output.words(settings.station.language).pull_begun(name))?;
    }
    Ok(Exit::Ok)
}

/// `evidock recorders look`: what a recorder of the configuration is and lists, and what of it is here. Takes nothing.
pub fn look(name: &str, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let Some(recorder) = settings.network_recorders.iter().find(|r| r.name.as_str() == name) else {
        return Err(Ended::with(Exit::NotFound, format!("no [[network_recorder]] is called {name:?}")));
    };
    looking::listed_by(settings, name)?;
    let program = streams::program(&settings.station.state_dir);
    let looked = replay::look(&program, recorder, true, &|| false).map_err(|e| Ended::with(exit_of(&e), chain(&e)))?;
    let id = RecorderId::new(Some(looked.device.serial.as_str()).filter(|s| means_something(s)).unwrap_or(name))?;
    // What is here only a station knows that ran before.
    let known: Vec<StoredSpan> =
        store(settings).and_then(|store| Ok(store.read_blocking(|r| r.listed_spans(&id))?)).unwrap_or_default();
    let key = DeviceKey::of(
        NO_USB,
        Some(&looked.device.serial),
        &format!("{NETWORK_PORT}{}", replay::host_of(&recorder.url)),
    );
    if output.is_json() {
        output.json(&told(recorder, &looked, &known, &id, &key, settings))?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    let device = &looked.device;
    output.line(&w.network_device(&key.to_string(), &device.maker, &device.model, &device.firmware))?;
    output.line(&w.recorder_clock(looked.clock.map(|c| c.offset_ms())))?;
    let rows: Vec<Vec<String>> = looked.spans.iter().map(|span| row(span, &looked, &known, settings, w)).collect();
    if rows.is_empty() {
        output.note(w.nothing_listed);
    } else {
        output.table(&[w.col_item, w.col_begin, w.col_length, w.col_state, w.col_missing], &rows, &[2, 4])?;
    }
    if looked.left_out > 0 {
        output.note(&w.list_left_out(looked.left_out));
    }
    Ok(Exit::Ok)
}

fn here<'a>(span: &Span, known: &'a [StoredSpan]) -> Option<&'a StoredSpan> {
    known.iter().find(|k| k.span.item == span.item && k.span.from_ms == span.from_ms)
}

fn row(span: &Span, looked: &Looked, known: &[StoredSpan], settings: &Settings, w: &Words) -> Vec<String> {
    let stored = here(span, known);
    let missing_ms = stored.map_or(span.length_ms(), StoredSpan::missing_ms);
    vec![
        span.item.clone(),
        begin(span, looked.timeline, settings),
        w.footage(span.length_ms()),
        w.span_state(stored.map_or(SpanState::Waiting, |s| s.state), span.grows).to_owned(),
        format!("{:.1}", missing_ms as f64 / 1000.0),
    ]
}

fn begin(span: &Span, timeline: Timeline, settings: &Settings) -> String {
    match timeline {
        Timeline::Clock => UtcMs(span.from_ms).rfc3339_in(&settings.station.zone),
        Timeline::Npt => format!("{:.3}", span.from_ms as f64 / 1000.0),
    }
}

fn told(
    recorder: &NetworkRecorder,
    looked: &Looked,
    known: &[StoredSpan],
    id: &RecorderId,
    key: &DeviceKey,
    settings: &Settings,
) -> Value {
    let spans: Vec<Value> = looked
        .spans
        .iter()
        .map(|span| {
            let stored = here(span, known);
            json!({
                "item": span.item, "from": begin(span, looked.timeline, settings), "length_ms": span.length_ms(), "grows": span.grows,
                "state": stored.map_or(SpanState::Waiting, |s| s.state).as_str(),
                "missing_ms": stored.map_or(span.length_ms(), StoredSpan::missing_ms),
                "detail": stored.and_then(|s| s.detail.clone()),
                "clips": stored.map(|s| {
                    let mut clips: Vec<String> = s.held.iter().map(|h| h.clip.to_string()).collect();
                    clips.dedup();
                    clips
                }),
            })
        })
        .collect();
    json!({
        "name": recorder.name.as_str(), "bay": recorder.bay.as_str(), "recorder": id.as_str(), "device": key.to_string(),
        "maker": looked.device.maker, "model": looked.device.model, "firmware": looked.device.firmware, "serial": looked.device.serial,
        "clock_offset_ms": looked.clock.map(|c| c.offset_ms()), "timeline": looked.timeline.as_str(), "spans": spans,
        "left_out": looked.left_out,
    })
}

/// `evidock recorders discover`: who answers in the networks that may be asked. Changes nothing.
pub fn discover(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    if settings.discovery.networks.is_empty() {
        return Err(Ended::with(Exit::Usage, w.no_networks));
    }
    let program = streams::program(&settings.station.state_dir);
    let found =
        replay::discover(&program, &settings.discovery.networks).map_err(|e| Ended::with(exit_of(&e), chain(&e)))?;
    if output.is_json() {
        let finds: Vec<Value> = found
            .iter()
            .map(|f| {
                json!({
                    "address": f.address, "name": f.name, "hardware": f.hardware, "endpoint": f.endpoint,
                    "configured": is_configured(f, settings),
                })
            })
            .collect();
        output.json(&finds)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|f| {
            let known = if is_configured(f, settings) { w.find_configured } else { w.find_new };
            vec![f.address.clone(), f.name.clone(), f.hardware.clone(), known.to_owned()]
        })
        .collect();
    if rows.is_empty() {
        output.note(w.nobody_found);
    } else {
        output.table(&[w.col_address, w.col_maker, w.col_hardware, w.col_state], &rows, &[])?;
        output.note(w.find_note);
    }
    Ok(Exit::Ok)
}

fn exit_of(e: &PullError) -> Exit {
    if e.retry() == Retry::Operator { Exit::Failure } else { Exit::Unreachable }
}
