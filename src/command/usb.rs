//! Recorders on USB, joined: the gate asks the register in the database, shelves are made by the readers, rights over
//! devices are the gatekeeper's. Part of the composition root.

use std::fs::File;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Notify, broadcast, mpsc};

use crate::config::Settings;
use crate::domain::device::{DeviceState, Standings};
use crate::domain::error::chain;
use crate::domain::ports::{Clock, Shelf, SourceError};
use crate::domain::recorder::ShelfIdentity;
use crate::source::SourceEvent;
use crate::source::usb::DiskRights;
use crate::source::usb::device::UsbDevice;
use crate::source::usb::disk::DiskShelf;
use crate::source::usb::gate::{Gate, Gatekeeping, Standing};
use crate::source::usb::hands::remote::Remote;
use crate::source::usb::mtp::MtpShelf;
use crate::source::usb::watch::{ShelfMaker, UsbOptions, watch_usb};
use crate::store::{Change, Store};

/// Watches USB as configured until nobody listens any more.
pub async fn watch(settings: &Settings, store: Store, clock: Arc<dyn Clock>, tx: mpsc::Sender<SourceEvent>) {
    let usb = &settings.usb_source;
    // Without a policy nothing is ever erased: then nothing here can.
    let make = Arc::new(Readers { read_only: settings.erase.is_empty() });
    let options = UsbOptions::new(usb, Arc::new(Remote::new(&usb.gatekeeper)), make);
    let register = Arc::new(Register::default());
    let known = Arc::clone(&register);
    let gate = match Gate::new(&usb.allow, Arc::new(move |device: &UsbDevice| known.standing(device))) {
        Ok(gate) => Arc::new(gate) as Arc<dyn Gatekeeping>,
        Err(e) => {
            // The configuration was checked for this; should it happen, the source says so and ends.
            let trouble =
                SourceEvent::Trouble { words: e.to_string(), action: "correct [[source.usb.allow]]".to_owned() };
            let _ = tx.send(trouble).await;
            return;
        }
    };
    let recheck = Arc::clone(&options.recheck);
    // The register is read before the first device is judged: an approved recorder is never held because of a start.
    register.read(&store).await;
    tokio::select! {
        () = watch_usb(options, gate, clock, tx) => {}
        () = register.keep(&store, &recheck) => {}
    }
}

/// The register of recorders in memory: the gate asks often and must not wait for a disk.
#[derive(Default)]
struct Register(RwLock<Standings>);

impl Register {
    fn standing(&self, device: &UsbDevice) -> Standing {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match known.of((device.vendor_id, device.product_id), device.serial.as_deref(), device.port.as_str()) {
            DeviceState::Approved => Standing::Approved,
            DeviceState::Unknown => Standing::Unknown,
            // Refused, retired, in repair: a person said that it does not belong here now.
            _ => Standing::Refused,
        }
    }

    async fn read(&self, store: &Store) {
        match store.read(|r| r.standings()).await {
            Ok(now) => *self.0.write().unwrap_or_else(PoisonError::into_inner) = now,
            Err(e) => {
                tracing::warn!(error = %chain(&e), "the register of recorders could not be read; what was known holds")
            }
        }
    }

    /// Follows the register. Ends only with the daemon.
    async fn keep(&self, store: &Store, recheck: &Notify) {
        let mut news = store.changes();
        loop {
            match news.recv().await {
                Ok(Change::Recorders) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.read(store).await;
                    recheck.notify_one();
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

/// Makes recorders of what the gate let in; each has a reader process of its own.
struct Readers {
    read_only: bool,
}

impl ShelfMaker for Readers {
    fn disk(&self, rights: Arc<dyn DiskRights>, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError> {
        Ok(Arc::new(DiskShelf::open(rights, identity, self.read_only)?))
    }

    fn mtp(&self, device: File, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError> {
        Ok(Arc::new(MtpShelf::open(device, identity, self.read_only)?))
    }
}
