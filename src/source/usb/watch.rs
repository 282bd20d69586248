//! Watching USB: the one place where looks, the machine, the hands and the makers of recorders meet. Owns the loop
//! `select -> event -> apply` and what is open at the moment; decides nothing that [`super::hotplug`] decides.
//!
//! Steps that may block (a device that answers slowly, a medium that is read for the first time) run on blocking
//! threads, one for each recorder, and tell the loop what came of them; so one slow recorder holds up no other bay.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::bays::Bays;
use super::gate::Gatekeeping;
use super::hands::{DiskGrant, Hands, HandsError, Medium};
use super::hotplug::{Action, Failure, Input, Machine, Now, Opening, Reading};
use super::mount::{self, MountShelf};
use super::sysfs::{Sysfs, Told};
use super::{DiskRights, udev};
use crate::config::{UsbMode, UsbSource};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ports::{Clock, Shelf, SourceError};
use crate::domain::recorder::ShelfIdentity;
use crate::runtime::task;
use crate::source::SourceEvent;

/// Events come in flocks (a stick sends a dozen); one look serves all that come within this time.
const FLOCK: Duration = Duration::from_millis(50);
/// A look without any event, should one have been lost.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);
/// Without udev's events, in mode "on": so often it is looked.
const LOOK_WITHOUT_UDEV: Duration = Duration::from_secs(2);

/// Makes recorders of what was opened. Calls block.
pub trait ShelfMaker: Send + Sync {
    /// A recorder of a disk, read by a child process through `rights`.
    fn disk(&self, rights: Arc<dyn DiskRights>, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError>;
    /// A recorder that speaks MTP, through an open device of usbfs.
    fn mtp(&self, device: File, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError>;
}

/// Tells what udev knows of a path under `/sys`.
type Ask = fn(&Path) -> Told;

/// How USB is watched.
#[derive(Clone)]
pub struct UsbOptions {
    /// Whether at all.
    pub mode: UsbMode,
    /// Which ports are bays.
    pub bays: Bays,
    /// How recorders are read.
    pub reading: Reading,
    /// The kernel's picture.
    pub sysfs: Sysfs,
    /// Who has rights over devices.
    pub hands: Arc<dyn Hands>,
    /// Who makes recorders.
    pub make: Arc<dyn ShelfMaker>,
    /// Woken when the register of recorders changed: what is held is judged anew without being plugged in again.
    pub recheck: Arc<Notify>,
}

impl UsbOptions {
    /// As configured, on this box.
    pub fn new(settings: &UsbSource, hands: Arc<dyn Hands>, make: Arc<dyn ShelfMaker>) -> Self {
        Self {
            mode: settings.mode,
            bays: Bays::new(&settings.bays),
            reading: settings.into(),
            sysfs: Sysfs::of_this_box(),
            hands,
            make,
            recheck: Arc::default(),
        }
    }
}

/// Watches USB and tells `tx` what comes and goes, until nobody listens any more. In mode "off", and in mode "auto"
/// where there is no udev, it says nothing and waits for that end.
pub async fn watch_usb(
    options: UsbOptions,
    gate: Arc<dyn Gatekeeping>,
    clock: Arc<dyn Clock>,
    tx: mpsc::Sender<SourceEvent>,
) {
    if options.mode == UsbMode::Off {
        return tx.closed().await;
    }
    let missing = match (udev::is_running(), options.sysfs.has_usb()) {
        (true, true) => None,
        (_, false) => Some("this system has no USB"),
        (false, true) => Some("this system has no udev, so that recorders on USB are noticed late"),
    };
    if let Some(words) = missing {
        if options.mode == UsbMode::Auto {
            return tx.closed().await;
        }
        let action = "start systemd-udevd, or set [source.usb] mode = \"off\"".to_owned();
        let _ = tx.send(SourceEvent::Trouble { words: words.to_owned(), action }).await;
        // Kept alive: without events there is still time.
        let (_silent, rx) = watch::channel(0);
        return Watch::new(options, gate, clock, tx, LOOK_WITHOUT_UDEV, false).run(rx, udev::told).await;
    }
    loop {
        let trouble = match udev::listen() {
            Ok((rx, listening)) => {
                let listening = task::spawn_named("udev", listening);
                Watch::new(options.clone(), Arc::clone(&gate), Arc::clone(&clock), tx.clone(), LOOK_ANYWAY, true)
                    .run(rx, udev::told)
                    .await;
                if tx.is_closed() {
                    return;
                }
                match listening.await {
                    Ok(Err(e)) => e.to_string(),
                    Ok(Ok(())) => "it ended".to_owned(),
                    Err(e) => e.to_string(),
                }
            }
            Err(e) => e.to_string(),
        };
        let words = format!("udev's events cannot be listened to: {trouble}");
        let action = "the service needs RestrictAddressFamilies=AF_NETLINK; then restart systemd-udevd".to_owned();
        if tx.send(SourceEvent::Trouble { words, action }).await.is_err() {
            return;
        }
        tokio::select! {
            () = tx.closed() => return,
            () = tokio::time::sleep(LOOK_WITHOUT_UDEV) => {}
        }
    }
}

/// What the loop holds.
struct Watch {
    options: UsbOptions,
    gate: Arc<dyn Gatekeeping>,
    clock: Arc<dyn Clock>,
    tx: mpsc::Sender<SourceEvent>,
    machine: Machine,
    /// Opened, and not docked yet.
    opened: HashMap<String, Arc<dyn Shelf>>,
    /// Docked now.
    docked: Vec<String>,
    /// Something was said to be held.
    holds: bool,
    done: mpsc::UnboundedSender<Done>,
    outcomes: mpsc::UnboundedReceiver<Done>,
    look_every: Duration,
    /// Whether looking without trouble is worth telling: with udev it is, without it the first trouble stands.
    tells_fine: bool,
    /// The last that was told of the watching itself.
    trouble: Option<String>,
    told_fine: bool,
}

/// What came of a step on a blocking thread.
struct Done {
    input: Input,
    shelf: Option<Arc<dyn Shelf>>,
}

impl Watch {
    fn new(
        options: UsbOptions,
        gate: Arc<dyn Gatekeeping>,
        clock: Arc<dyn Clock>,
        tx: mpsc::Sender<SourceEvent>,
        look_every: Duration,
        tells_fine: bool,
    ) -> Self {
        let (done, outcomes) = mpsc::unbounded_channel();
        Self {
            machine: Machine::new(options.bays.clone(), options.reading),
            options,
            gate,
            clock,
            tx,
            opened: HashMap::new(),
            docked: Vec::new(),
            holds: false,
            done,
            outcomes,
            look_every,
            tells_fine,
            trouble: None,
            told_fine: false,
        }
    }

    /// Until nobody listens, or nobody tells when to look. Whatever is docked then is undocked,
    /// and nothing is held.
    async fn run(mut self, mut happened: watch::Receiver<u64>, told: Ask) {
        let recheck = Arc::clone(&self.options.recheck);
        let mut look_at = self.clock.monotonic_ms();
        loop {
            let now = self.clock.monotonic_ms();
            let next = self.machine.wake_ms().into_iter().chain([look_at]).min().unwrap_or(look_at);
            let pause = Duration::from_millis(next.saturating_sub(now).max(0) as u64);
            let inputs = tokio::select! {
                () = self.tx.closed() => break,
                changed = happened.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    tokio::time::sleep(FLOCK).await;
                    happened.mark_unchanged();
                    look_at = now;
                    continue;
                }
                Some(done) = self.outcomes.recv() => {
                    let mut inputs = Vec::new();
                    if let (Input::Opened { key, .. }, Some(shelf)) = (&done.input, done.shelf) {
                        self.opened.insert(key.clone(), shelf);
                    }
                    inputs.push(done.input);
                    // A device that was let in, or could not be: how it looks now.
                    inputs.extend(self.look(told).await);
                    inputs
                }
                () = recheck.notified() => vec![Input::Recheck],
                () = tokio::time::sleep(pause) => {
                    if look_at > self.clock.monotonic_ms() {
                        vec![Input::Tick]
                    } else {
                        look_at = self.clock.monotonic_ms() + self.look_every.as_millis() as i64;
                        self.look(told).await.into_iter().collect()
                    }
                }
            };
            for input in inputs {
                let now = Now { wall_ms: self.clock.now().0, steady_ms: self.clock.monotonic_ms() };
                let actions = self.machine.apply(now, input, &*self.gate);
                for action in actions {
                    self.carry_out(action).await;
                }
                // What was opened for nobody is closed; a reader may take its time to end.
                let nobodys = std::mem::take(&mut self.opened);
                if !nobodys.is_empty() {
                    task::blocking("usb-close", move || drop(nobodys));
                }
            }
        }
        for key in std::mem::take(&mut self.docked) {
            let _ = self.tx.send(SourceEvent::Undocked { key }).await;
        }
        if self.holds {
            let _ = self.tx.send(SourceEvent::Held(Vec::new())).await;
        }
    }

    async fn look(&mut self, told: Ask) -> Option<Input> {
        // On a thread of its own: the kernel lets nobody read a device's texts while it is being set up.
        let sysfs = self.options.sysfs.clone();
        let looked = task::blocking("usb-look", move || sysfs.look(&told)).await;
        match looked.unwrap_or_else(|e| Err(std::io::Error::other(e))) {
            Ok(look) => {
                if self.tells_fine && (!self.told_fine || self.trouble.take().is_some()) {
                    self.told_fine = true;
                    let _ = self.tx.send(SourceEvent::Fine).await;
                }
                Some(Input::Look(look))
            }
            Err(e) => {
                let words = format!("USB cannot be looked at: {e}");
                if self.trouble.as_ref() != Some(&words) {
                    self.trouble = Some(words.clone());
                    let action = "look whether /sys is mounted".to_owned();
                    let _ = self.tx.send(SourceEvent::Trouble { words, action }).await;
                }
                None
            }
        }
    }

    async fn carry_out(&mut self, action: Action) {
        let hands = Arc::clone(&self.options.hands);
        let done = self.done.clone();
        match action {
            Action::Authorise { port, address, interfaces } => {
                task::blocking("usb-authorise", move || {
                    let result = hands.authorise(&port, address, &interfaces).map_err(failure);
                    let _ = done.send(Done { input: Input::Authorised { port, address, result }, shelf: None });
                });
            }
            Action::Deauthorise { port } => {
                task::blocking("usb-deauthorise", move || {
                    if let Err(e) = hands.deauthorise(&port) {
                        tracing::warn!(%port, error = %chain(&e), "a device that may not live in its bay lives on");
                    }
                });
            }
            Action::Open { key, what } => {
                let (make, sysfs) = (Arc::clone(&self.options.make), self.options.sysfs.clone());
                task::blocking("usb-open", move || {
                    let (result, shelf) = match open(&hands, &*make, &sysfs, *what) {
                        Ok(shelf) => (Ok(()), Some(shelf)),
                        Err(failure) => {
                            tracing::warn!(key, why = failure.words, "a recorder cannot be opened");
                            (Err(failure), None)
                        }
                    };
                    let _ = done.send(Done { input: Input::Opened { key, result }, shelf });
                });
            }
            Action::Dock { key } => {
                if let Some(shelf) = self.opened.remove(&key) {
                    self.docked.push(key.clone());
                    let _ = self.tx.send(SourceEvent::Docked { key, shelf }).await;
                }
            }
            Action::Undock { key } => {
                self.docked.retain(|docked| *docked != key);
                let _ = self.tx.send(SourceEvent::Undocked { key }).await;
            }
            Action::Hold(devices) => {
                self.holds = !devices.is_empty();
                let _ = self.tx.send(SourceEvent::Held(devices)).await;
            }
        }
    }
}

fn open(
    hands: &Arc<dyn Hands>,
    make: &dyn ShelfMaker,
    sysfs: &Sysfs,
    what: Opening,
) -> Result<Arc<dyn Shelf>, Failure> {
    match what {
        Opening::Disk { disk, identity } => {
            let rights = Arc::new(DiskGrant::new(Arc::clone(hands), Medium::from(&disk)));
            make.disk(rights, identity).map_err(unreadable)
        }
        Opening::Mtp { port, address, identity } => {
            let device = hands.open_usb(&port, address).map_err(failure)?;
            make.mtp(device, identity).map_err(unreadable)
        }
        Opening::Mount { disk, volume, identity } => {
            let name = volume.fs.unwrap_or_default();
            let no_such = || Failure { words: format!("{name} is not mounted here"), again: false };
            let fs = mount::known(&name).ok_or_else(no_such)?;
            let mounted = hands.mount_detached(&Medium::from(&disk), &volume.name, &name).map_err(failure)?;
            let place = device_path(sysfs, &disk.at);
            let shelf = MountShelf::new(mounted, fs, place, identity).map_err(unreadable)?;
            Ok(Arc::new(shelf))
        }
    }
}

fn device_path(sysfs: &Sysfs, at: &Path) -> PathBuf {
    sysfs.devices().join(at)
}

fn failure(error: HandsError) -> Failure {
    Failure { words: chain(&error), again: error.is_worth_another_try() }
}

fn unreadable(error: SourceError) -> Failure {
    Failure { words: chain(&error), again: error.retry() != Retry::Permanent }
}

#[cfg(test)]
mod tests;
