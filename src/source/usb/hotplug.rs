//! What is done when recorders come and go: pure. Owns the way of each device from the port to a docked recorder and
//! out again; it touches nothing and knows no clock. Whoever drives it hands over what was seen and what came of the
//! actions, and carries out the actions that it gives back.
//!
//! It compares whole pictures ([`Look`]), so an event that repeats or was lost changes nothing. A recorder that was
//! pulled and pushed between two looks shows by its address on the bus, its medium by the kernel's number, its SCSI
//! host by its place. Each dock has a key of its own; every key that was docked is undocked once, before anything else
//! of the same look.
//!
//! The box's own: a device with a disk that something mounts, swaps to or builds upon is left alone entirely, and
//! where nobody listed the bays, what the kernel let in before us and is no recorder is not even mentioned.

use std::collections::{BTreeMap, BTreeSet};

use super::bays::{Bays, unit_name};
use super::device::{CLASS_MASS_STORAGE, PortPath, UsbDevice};
use super::gate::{Gatekeeping, Verdict};
use super::mount;
use super::sysfs::{Address, Disk, DiskId, Look, Plugged, Volume};
use crate::config::{UsbRead, UsbSource};
use crate::domain::recorder::{Held, HeldDevice, ShelfIdentity, SourcePath};

/// A recorder that was let in and shows no medium for so long is said to show none. Sticks take 1 to 3 s, card
/// readers with many slots up to 10 s.
pub const NO_STORAGE_AFTER_MS: i64 = 20_000;
/// Without word from udev the disk is opened anyway: whether its rules ran decides nothing but how it is read.
pub const UNSETTLED_MS: i64 = 5_000;
/// First pause after a step that failed and may work later; doubles up to the second.
const RETRY_FIRST_MS: i64 = 2_000;
const RETRY_LAST_MS: i64 = 60_000;

/// The moment of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch, for people.
    pub wall_ms: i64,
    /// Milliseconds that never jump, for pauses.
    pub steady_ms: i64,
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What stands on USB now.
    Look(Look),
    /// What came of [`Action::Authorise`].
    Authorised {
        /// The port.
        port: PortPath,
        /// The device that was meant.
        address: Address,
        /// Whether it may be used now.
        result: Result<(), Failure>,
    },
    /// What came of [`Action::Open`].
    Opened {
        /// As it was asked.
        key: String,
        /// Whether it can be read now.
        result: Result<(), Failure>,
    },
    /// The register changed, or a person wants another try.
    Recheck,
    /// Time has passed.
    Tick,
}

/// Why a step did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people, with what to do.
    pub words: String,
    /// It may work later without anybody doing anything.
    pub again: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Let these interfaces of the device live, and no other.
    Authorise {
        /// The port.
        port: PortPath,
        /// The device that is meant.
        address: Address,
        /// `bInterfaceNumber`s.
        interfaces: Vec<u8>,
    },
    /// Take a device's life away.
    Deauthorise {
        /// The port.
        port: PortPath,
    },
    /// Open a recorder and tell what came of it. A key that is not docked afterwards is closed again.
    Open {
        /// Names this.
        key: String,
        /// How.
        what: Box<Opening>,
    },
    /// The recorder that was opened under this key is docked.
    Dock {
        /// As it was opened.
        key: String,
    },
    /// It is gone, or may not be read any more.
    Undock {
        /// As it was docked.
        key: String,
    },
    /// Everything that stands in a bay and is not read; replaces what was said before.
    Hold(Vec<HeldDevice>),
}

/// How a recorder is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// By the reader, from the raw disk.
    Disk {
        /// The disk.
        disk: DiskId,
        /// What is known so far.
        identity: ShelfIdentity,
    },
    /// By the kernel.
    Mount {
        /// The disk.
        disk: DiskId,
        /// The file system on it.
        volume: Volume,
        /// What is known so far.
        identity: ShelfIdentity,
    },
    /// By MTP.
    Mtp {
        /// The port.
        port: PortPath,
        /// The device.
        address: Address,
        /// What is known so far.
        identity: ShelfIdentity,
    },
}

/// How recorders are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Who reads a medium's file system.
    pub read: UsbRead,
    /// The kernel mounts what the reader does not know.
    pub kernel_mount: bool,
}

impl From<&UsbSource> for Reading {
    fn from(settings: &UsbSource) -> Self {
        Self { read: settings.read, kernel_mount: settings.kernel_mount }
    }
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    bays: Bays,
    reading: Reading,
    look: Look,
    ports: BTreeMap<PortPath, Port>,
    disks_since: BTreeMap<DiskId, i64>,
    docks: BTreeMap<Slot, Dock>,
    held: Vec<HeldDevice>,
    opened: u64,
    wake_ms: Option<i64>,
}

/// A device while it stands in its port.
#[derive(Debug)]
struct Port {
    address: Address,
    since: Now,
    letting_in: Step,
    /// When it was first seen awake.
    awake_ms: Option<i64>,
    shut: bool,
}

/// Something that is tried once, and again where that may help.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Not,
    /// Under way; `before` is what went wrong the last time, which holds until this time is known to be better.
    Asked {
        tries: u32,
        before: Option<String>,
    },
    Done,
    Failed {
        words: String,
        again_ms: Option<i64>,
        tries: u32,
    },
}

impl Step {
    fn is_due(&self, now: Now) -> bool {
        match self {
            Self::Not => true,
            Self::Asked { .. } | Self::Done => false,
            Self::Failed { again_ms, .. } => again_ms.is_some_and(|at| at <= now.steady_ms),
        }
    }

    fn ask(&mut self) {
        *self = match std::mem::replace(self, Self::Not) {
            Self::Failed { words, tries, .. } => Self::Asked { tries, before: Some(words) },
            _ => Self::Asked { tries: 0, before: None },
        };
    }

    fn end(&mut self, now: Now, result: Result<(), Failure>) {
        let tries = if let Self::Asked { tries, .. } = self { *tries } else { 0 };
        *self = match result {
            Ok(()) => Self::Done,
            Err(failure) => {
                let pause = RETRY_FIRST_MS.saturating_mul(1 << tries.min(6)).min(RETRY_LAST_MS);
                let again_ms = failure.again.then(|| now.steady_ms + pause);
                Self::Failed { words: failure.words, again_ms, tries: tries.saturating_add(1) }
            }
        };
    }

    /// What went wrong, and when it is tried again.
    fn trouble(&self) -> Option<(&str, Option<i64>)> {
        match self {
            Self::Failed { words, again_ms, .. } => Some((words, *again_ms)),
            Self::Asked { before: Some(words), .. } => Some((words, None)),
            _ => None,
        }
    }

    fn forget_failure(&mut self) {
        if matches!(self, Self::Failed { .. }) {
            *self = Self::Not;
        }
    }
}

/// What can be docked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Disk(PortPath, Address, DiskId),
    Mtp(PortPath, Address),
}

impl Slot {
    fn port(&self) -> &PortPath {
        match self {
            Self::Disk(port, ..) | Self::Mtp(port, _) => port,
        }
    }
}

#[derive(Debug)]
struct Dock {
    key: String,
    bay: String,
    step: Step,
}

impl Machine {
    /// Nothing is plugged in yet.
    pub fn new(bays: Bays, reading: Reading) -> Self {
        Self {
            bays,
            reading,
            look: Look::default(),
            ports: BTreeMap::new(),
            disks_since: BTreeMap::new(),
            docks: BTreeMap::new(),
            held: Vec::new(),
            opened: 0,
            wake_ms: None,
        }
    }

    /// Takes in what was told and gives what is to be done, in this order.
    pub fn apply(&mut self, now: Now, input: Input, gate: &dyn Gatekeeping) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Look(look) => self.look = look,
            Input::Authorised { port, address, result } => {
                // Another device stands there by now: the answer is of no interest any more.
                if let Some(port) = self.ports.get_mut(&port).filter(|p| p.address == address) {
                    port.letting_in.end(now, result);
                }
            }
            Input::Opened { key, result } => {
                if let Some(dock) = self.docks.values_mut().find(|dock| dock.key == key) {
                    dock.step.end(now, result);
                    if dock.step == Step::Done {
                        actions.push(Action::Dock { key });
                    }
                }
            }
            Input::Recheck => {
                for port in self.ports.values_mut() {
                    port.letting_in.forget_failure();
                    port.shut = false;
                }
                self.docks.values_mut().for_each(|dock| dock.step.forget_failure());
            }
            Input::Tick => {}
        }
        self.settle(now, gate, &mut actions);
        actions
    }

    /// When [`Input::Tick`] is wanted at the latest, on the steady clock.
    pub fn wake_ms(&self) -> Option<i64> {
        self.wake_ms
    }

    /// Brings everything in line with the last look.
    fn settle(&mut self, now: Now, gate: &dyn Gatekeeping, actions: &mut Vec<Action>) {
        let look = std::mem::take(&mut self.look);
        self.wake_ms = None;
        let addresses: BTreeMap<&PortPath, Address> =
            look.devices.iter().map(|d| (&d.device.port, d.address)).collect();
        self.ports.retain(|port, state| addresses.get(port) == Some(&state.address));
        self.disks_since.retain(|id, _| look.disks.iter().any(|disk| disk.id == *id));

        let mut held = Vec::new();
        let mut may_stay = BTreeSet::new();
        let mut later = Vec::new();
        for plugged in &look.devices {
            self.device(now, plugged, &look, gate, &mut may_stay, &mut held, &mut later);
        }
        // Leaves come before everything else, so that a bay is free before it is taken again.
        let leaving: Vec<Slot> = self.docks.keys().filter(|slot| !may_stay.contains(*slot)).cloned().collect();
        for slot in leaving {
            if let Some(Dock { key, step: Step::Done, .. }) = self.docks.remove(&slot) {
                // Opened in this very step and already gone: nobody needs to hear of it.
                let unheard = Action::Dock { key: key.clone() };
                let before = actions.len();
                actions.retain(|action| *action != unheard);
                if actions.len() == before {
                    actions.push(Action::Undock { key });
                }
            }
        }
        actions.extend(later);
        if held != self.held {
            self.held.clone_from(&held);
            actions.push(Action::Hold(held));
        }
        self.look = look;
    }

    /// One device: what stays docked, what is to be done, what people are told.
    #[allow(clippy::too_many_arguments)] // Three of them are what it gives back, gathered over all devices.
    fn device(
        &mut self,
        now: Now,
        plugged: &Plugged,
        look: &Look,
        gate: &dyn Gatekeeping,
        may_stay: &mut BTreeSet<Slot>,
        held: &mut Vec<HeldDevice>,
        later: &mut Vec<Action>,
    ) {
        let device = &plugged.device;
        let verdict = gate.decide(device);
        let passes = matches!(verdict, Verdict::Pass { .. });
        let bay = match self.bays.name(&device.port) {
            Some(bay) => bay,
            None if passes && self.bays.leads_to_one(&device.port) => device.port.to_string(),
            None => return,
        };
        let boxes_own = |disk: &Disk| disk.in_use && disk.port.below(&device.port).is_some();
        let docked = self.docks.iter().any(|(slot, dock)| *slot.port() == device.port && dock.step == Step::Done);
        if plugged.elsewhere || (!docked && look.disks.iter().any(boxes_own)) {
            return;
        }
        let port = self.ports.entry(device.port.clone()).or_insert_with(|| Port {
            address: plugged.address,
            since: now,
            letting_in: Step::Not,
            awake_ms: None,
            shut: false,
        });
        let since_ms = port.since.wall_ms;
        let mut hold = |bay: &str, why: Held| held.push(held_device(device, bay, why, since_ms));
        let interfaces = match verdict {
            Verdict::Admit { interfaces } | Verdict::Pass { interfaces } => interfaces,
            Verdict::HoldUnknown | Verdict::Refuse | Verdict::NotStorage => {
                // What the kernel let in before us lives on where nobody said what is a bay; in a bay it does not.
                let ours = self.bays.are_listed() || port.letting_in != Step::Not;
                if plugged.authorised && ours && !port.shut {
                    port.shut = true;
                    port.letting_in = Step::Not;
                    later.push(Action::Deauthorise { port: device.port.clone() });
                }
                match verdict {
                    Verdict::HoldUnknown => hold(&bay, Held::Unknown),
                    Verdict::Refuse => hold(&bay, Held::Refused),
                    _ if plugged.authorised && !ours => {}
                    _ => hold(&bay, Held::NotStorage),
                }
                return;
            }
        };
        port.shut = false;
        if interfaces.is_empty() {
            return hold(&bay, Held::NoStorage);
        }
        let awake = plugged.authorised && interfaces.iter().any(|number| plugged.awake.contains(number));
        // Just these, no fewer and no more: of what the kernel let in before us, a keyboard beside the storage goes.
        let as_wanted = plugged.authorised
            && interfaces.iter().all(|number| plugged.awake.contains(number))
            && plugged.awake.iter().all(|number| interfaces.contains(number));
        if !as_wanted && port.letting_in.is_due(now) {
            port.letting_in.ask();
            let (port, address) = (device.port.clone(), plugged.address);
            later.push(Action::Authorise { port, address, interfaces: interfaces.clone() });
        }
        if let (Some((words, again_ms)), false) = (port.letting_in.trouble(), awake) {
            hold(&bay, Held::Broken(words.to_owned()));
            return self.wake_at(again_ms);
        }
        if !awake || passes {
            return;
        }
        let awake_ms = *port.awake_ms.get_or_insert(now.steady_ms);
        let waited_long = now.steady_ms - awake_ms >= NO_STORAGE_AFTER_MS;

        let mut shown = false;
        let is_storage =
            |number: &u8| device.interfaces.iter().any(|i| i.number == *number && i.class == CLASS_MASS_STORAGE);
        let mtp = Slot::Mtp(device.port.clone(), plugged.address);
        let speaks_mtp = interfaces.iter().any(|number| !is_storage(number) && plugged.awake.contains(number));
        // One way in at a time: MTP where there is no storage, or none that ever shows a medium.
        if !self.docks.contains_key(&mtp) {
            for disk in look.disks.iter().filter(|disk| disk.port == device.port && disk.size_bytes > 0) {
                shown = true;
                let slot = Slot::Disk(device.port.clone(), plugged.address, disk.id.clone());
                let name = unit_name(&bay, disk.lun);
                let since = *self.disks_since.entry(disk.id.clone()).or_insert(now.steady_ms);
                if let Some(what) = self.way_in(now, since, disk, identity(device, &name)) {
                    self.dock(now, slot.clone(), &name, what, later);
                }
                may_stay.insert(slot);
            }
        }
        if !shown && speaks_mtp && (waited_long || !interfaces.iter().any(is_storage)) {
            shown = true;
            let what =
                Opening::Mtp { port: device.port.clone(), address: plugged.address, identity: identity(device, &bay) };
            self.dock(now, mtp.clone(), &bay, what, later);
            may_stay.insert(mtp);
        }
        for dock in self.docks.iter().filter(|(slot, _)| may_stay.contains(*slot) && *slot.port() == device.port) {
            if let Some((words, again_ms)) = dock.1.step.trouble() {
                hold(&dock.1.bay, Held::Broken(words.to_owned()));
                self.wake_ms = earlier(self.wake_ms, again_ms);
            }
        }
        match (shown, waited_long) {
            (false, true) => hold(&bay, Held::NoStorage),
            (false, false) => self.wake_at(Some(awake_ms + NO_STORAGE_AFTER_MS)),
            _ => {}
        }
    }

    /// How a disk is read; `None` while that is not known yet.
    fn way_in(&mut self, now: Now, since_ms: i64, disk: &Disk, identity: ShelfIdentity) -> Option<Opening> {
        let in_time = now.steady_ms - since_ms < UNSETTLED_MS;
        if !disk.settled && in_time {
            self.wake_at(Some(since_ms + UNSETTLED_MS));
            return None;
        }
        let by_reader = disk.volumes.iter().any(|v| v.fs.as_deref().is_some_and(mount::is_read_without_the_kernel));
        let mountable = disk.volumes.iter().find(|v| v.fs.as_deref().is_some_and(mount::is_known));
        let wants_kernel = match self.reading.read {
            UsbRead::Kernel => true,
            UsbRead::Reader => self.reading.kernel_mount && !by_reader,
        };
        let disk = disk.id.clone();
        Some(match mountable.filter(|_| wants_kernel) {
            Some(volume) => Opening::Mount {
                identity: ShelfIdentity {
                    volume_label: volume.label.clone(),
                    volume_id: volume.uuid.clone(),
                    ..identity
                },
                volume: volume.clone(),
                disk,
            },
            // What the kernel cannot read, the reader says in its own words.
            None => Opening::Disk { disk, identity },
        })
    }

    fn dock(&mut self, now: Now, slot: Slot, bay: &str, what: Opening, later: &mut Vec<Action>) {
        let port = slot.port().to_string();
        let dock =
            self.docks.entry(slot).or_insert_with(|| Dock { key: String::new(), bay: bay.to_owned(), step: Step::Not });
        if dock.step.is_due(now) {
            dock.step.ask();
            self.opened += 1;
            dock.key = format!("usb {port} #{}", self.opened);
            later.push(Action::Open { key: dock.key.clone(), what: Box::new(what) });
        }
    }

    fn wake_at(&mut self, at_ms: Option<i64>) {
        self.wake_ms = earlier(self.wake_ms, at_ms);
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

fn identity(device: &UsbDevice, bay: &str) -> ShelfIdentity {
    ShelfIdentity {
        bay: bay.to_owned(),
        serial: device.serial.clone(),
        product: Some(name(device)).filter(|name| !name.is_empty()),
        usb_id: Some((device.vendor_id, device.product_id)),
        port: Some(device.port.to_string()),
        ..ShelfIdentity::default()
    }
}

fn name(device: &UsbDevice) -> String {
    let words: Vec<&str> = [&device.vendor, &device.product].into_iter().flatten().map(String::as_str).collect();
    words.join(" ")
}

/// What people are told of a device that is not read; its own words escaped (invariant 7).
pub fn held_device(device: &UsbDevice, bay: &str, why: Held, since_ms: i64) -> HeldDevice {
    let harmless = |text: &str| SourcePath::new(text).to_text();
    HeldDevice {
        bay: bay.to_owned(),
        port: device.port.to_string(),
        usb_id: (device.vendor_id, device.product_id),
        serial: device.serial.as_deref().map(harmless),
        name: harmless(&name(device)),
        why,
        since_ms,
    }
}

#[cfg(test)]
mod tests;
