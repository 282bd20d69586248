//! One recorder in the network: look at its list, take what is not here, say when it may go. The counterpart of `dock`
//! for what is not plugged in: it stands in its bay while it answers, waits for a yes like any unknown recorder, and is
//! safe to take away once everything that it lists is sealed or reported.
//!
//! | file | owns |
//! | --- | --- |
//! | here | the recorder: whether it answers, who it is, whether it may be read; its stay |
//! | `spans` | what it lists, what of it is due, what became of it |
//! | `stretch` | one stretch of footage from its worker into the vault |
//! | `undated` | footage that nothing dates, known again in a later stay |

mod spans;
mod stretch;
mod undated;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::{Intake, IntakeError};
use crate::config::NetworkRecorder;
use crate::domain::device::{DeviceKey, DeviceState, NETWORK_PORT, NO_USB, means_something};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::RecorderId;
use crate::domain::recorder::{Held, HeldDevice, ShelfIdentity, SourcePath};
use crate::domain::recorder_clock::{ClockEstimate, ClockHow};
use crate::domain::replay::Looked;
use crate::runtime::health::Part;
use crate::source::replay::{self, PullError};
use crate::source::rtsp::link::Program;
use crate::store::NewDock;

/// What a recorder's thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The register changed, or the time of the schedule came or went: `true` while it is to be pulled.
    Due(bool),
    /// A person wants it pulled now.
    Now,
}

/// What one recorder's thread is given.
pub struct Puller {
    /// As configured.
    pub recorder: NetworkRecorder,
    /// Takes what comes.
    pub intake: Intake,
    /// How workers are run.
    pub program: Program,
    /// What the register says of a device.
    pub standing: Arc<dyn Fn(&DeviceKey) -> DeviceState + Send + Sync>,
    /// Shows it at the gate, or no longer.
    pub hold: Arc<dyn Fn(Option<HeldDevice>) + Send + Sync>,
    /// How it is.
    pub health: Part,
    /// The station's zone, for times of the recorder.
    pub zone: jiff::tz::TimeZone,
    /// The daemon stops.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// A recorder that answers and may be read.
struct Stay {
    dock: i64,
    recorder: RecorderId,
    offset_ms: i64,
    undated: undated::Known,
}

/// The daemon stops.
struct Stopping;

impl Puller {
    /// Works until nobody can order any more, which is how the daemon says that it stops.
    pub fn run(&self, orders: &Receiver<Order>) {
        let mut stay: Option<Stay> = None;
        let (mut due, mut now) = (false, false);
        loop {
            if self.visit(&mut stay, due || now, now).is_err() {
                break;
            }
            now = false;
            match orders.recv_timeout(self.recorder.every) {
                Ok(Order::Due(is_due)) => due = is_due,
                Ok(Order::Now) => now = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            loop {
                match orders.try_recv() {
                    Ok(Order::Due(is_due)) => due = is_due,
                    Ok(Order::Now) => now = true,
                    Err(_) => break,
                }
            }
        }
        if let Some(stay) = stay {
            self.intake.board.leave(stay.dock);
        }
        (self.hold)(None);
    }

    /// One look, and whatever it shows to be due.
    fn visit(&self, stay: &mut Option<Stay>, due: bool, by_hand: bool) -> Result<(), Stopping> {
        let looked = match replay::look(&self.program, &self.recorder, true, &*self.stopping) {
            Ok(looked) => looked,
            Err(_) if (self.stopping)() => return Err(Stopping),
            Err(e) => {
                self.away(stay, &e, by_hand);
                return Ok(());
            }
        };
        let identity = self.identity(&looked);
        let key = DeviceKey::of(NO_USB, identity.serial.as_deref(), identity.port.as_deref().unwrap_or_default());
        let standing = (self.standing)(&key);
        if !standing.admits() {
            self.leave(stay, "held");
            self.health.ok();
            (self.hold)(Some(HeldDevice {
                bay: identity.bay.clone(),
                port: identity.port.unwrap_or_default(),
                usb_id: NO_USB,
                serial: identity.serial,
                name: identity.product.unwrap_or_default(),
                why: if standing == DeviceState::Unknown { Held::Unknown } else { Held::Refused },
                since_ms: self.intake.clock.now().0,
            }));
            return Ok(());
        }
        (self.hold)(None);
        let taken = self.arrive(stay, &identity, &looked).and_then(|()| match stay {
            Some(stay) => match self.named(stay, looked)? {
                Ok(Some(looked)) => self.take(stay, &looked, due, by_hand),
                Ok(None) => Ok(Ok(())),
                Err(stopping) => Ok(Err(stopping)),
            },
            None => Ok(Ok(())),
        });
        match taken {
            Ok(ended) => ended,
            Err(e) => {
                tracing::error!(recorder = %self.recorder.name, error = %chain(&e), "pulling failed on this station's side; it is tried again");
                self.health.failed("pull_failed", chain(&e), "check the vault's disk and the database");
                Ok(())
            }
        }
    }

    fn identity(&self, looked: &Looked) -> ShelfIdentity {
        let device = &looked.device;
        let name = [device.maker.as_str(), device.model.as_str()].join(" ").trim().to_owned();
        ShelfIdentity {
            bay: self.recorder.bay.to_string(),
            serial: Some(SourcePath::new(device.serial.as_bytes()).to_text()).filter(|s| !s.is_empty()),
            product: Some(SourcePath::new(name.into_bytes()).to_text()),
            usb_id: Some(NO_USB),
            port: Some(format!("{NETWORK_PORT}{}", replay::host_of(&self.recorder.url))),
            kind: if self.recorder.url.starts_with("rtsp") { "rtsp" } else { "onvif" },
            ..ShelfIdentity::default()
        }
    }

    /// It cannot be asked: away is where recorders are all day, what only a person can mend is said.
    fn away(&self, stay: &mut Option<Stay>, e: &PullError, by_hand: bool) {
        let words = chain(e);
        if e.retry() == Retry::Operator {
            self.health.failed(
                "recorder_refuses",
                words,
                format!("then `evidock recorders look {}`", self.recorder.name),
            );
        } else {
            self.health.ok();
            if stay.is_some() || by_hand {
                tracing::info!(recorder = %self.recorder.name, why = words, "it does not answer; it is looked for again");
            }
        }
        self.leave(stay, "pulled");
        (self.hold)(None);
    }

    fn leave(&self, stay: &mut Option<Stay>, reason: &'static str) {
        let Some(stay) = stay.take() else { return };
        self.intake.board.leave(stay.dock);
        let dock = stay.dock;
        if let Err(e) = self.intake.store.write_blocking(move |tx| tx.undock(dock, reason)) {
            tracing::warn!(error = %chain(&e), "the end of a dock could not be stored; the next start does it");
        }
    }

    /// Opens its stay, unless it stands here already.
    fn arrive(&self, stay: &mut Option<Stay>, identity: &ShelfIdentity, looked: &Looked) -> Result<(), IntakeError> {
        let serial = identity.serial.as_deref().filter(|s| means_something(s));
        let recorder = serial.and_then(|s| RecorderId::new(s).ok());
        let identified = if recorder.is_some() { "serial" } else { "name" };
        let recorder = match recorder {
            Some(recorder) => recorder,
            None => RecorderId::new(self.recorder.name.as_str()).map_err(crate::store::StoreError::from)?,
        };
        if stay.as_ref().is_some_and(|s| s.recorder == recorder) {
            return Ok(());
        }
        self.leave(stay, "superseded");
        let new = NewDock {
            bay: self.recorder.bay.clone(),
            recorder: recorder.clone(),
            identified: identified.to_owned(),
            kind: identity.kind,
            profile: "network".to_owned(),
            model: identity.product.clone().filter(|p| !p.is_empty()),
        };
        let (clock, seen) = (looked.clock, identity.clone());
        let dock = self.intake.store.write_blocking(move |tx| {
            let dock = tx.dock(&new)?;
            tx.device_identified(&seen, &new.recorder)?;
            if let Some(clock) = clock {
                tx.dock_clock(dock, ClockEstimate { offset_ms: clock.offset_ms(), how: ClockHow::Device })?;
            }
            Ok(dock)
        })?;
        self.intake.board.bay(dock, |b| {
            b.bay = self.recorder.bay.to_string();
            b.recorder = recorder.to_string();
        });
        tracing::info!(bay = %self.recorder.bay, %recorder, identified, spans = looked.spans.len(), "a recorder in the network answers");
        *stay = Some(Stay {
            dock,
            recorder,
            offset_ms: looked.clock.map_or(0, |c| c.offset_ms()),
            undated: undated::Known::default(),
        });
        Ok(())
    }
}
