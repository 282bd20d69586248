//! Rights over devices, used in this process: the gatekeeper's, or a daemon's that runs with them. Owns every check
//! that [`super`] lists and the order of the steps; the kernel's files are written by `sysfs` paths, its devices
//! reached through [`Nodes`].
//!
//! Letting a device live takes three steps, because the kernel binds every interface of a device at once when the
//! bus says so (Documentation/usb/authorization.rst): shut the interfaces that the bus would let live, authorise the
//! device, authorise the wanted interfaces, then have the storage driver look at them. An MTP interface is not shown to any
//! driver: a program claims it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::nodes::{Access, Nodes};
use super::{Hands, HandsError, Medium};
use crate::config::UsbSource;
use crate::domain::error::chain;
use crate::source::usb::bays::Bays;
use crate::source::usb::device::{CLASS_HUB, CLASS_MASS_STORAGE, CLASS_STILL_IMAGE, CLASS_VENDOR, PortPath};
use crate::source::usb::mount;
use crate::source::usb::sysfs::{Address, DiskName, Live, Look, Place, Plugged, Sysfs, Told};

/// Rights over devices, used here.
pub struct Direct<N> {
    sysfs: Sysfs,
    nodes: N,
    bays: Bays,
    /// Makes whose own class may live.
    makes: Vec<(u16, u16)>,
    /// Where it is noted which devices were let in by us.
    notes: PathBuf,
    /// To whom files on mounted media belong.
    owner: u32,
}

impl<N: Nodes> Direct<N> {
    /// `settings` say which ports are bays and which makes may use their own class; `notes` is a directory that a
    /// reboot empties; files on mounted media belong to the user `owner`.
    pub fn new(sysfs: Sysfs, nodes: N, settings: &UsbSource, notes: &Path, owner: u32) -> Self {
        let makes = settings.allow.iter().filter_map(|a| Some((a.vendor_id?, a.product_id?))).collect();
        Self { sysfs, nodes, bays: Bays::new(&settings.bays), makes, notes: notes.to_owned(), owner }
    }

    /// Makes the kernel refuse writes to a disk that has just appeared, if it belongs to a device that was let in
    /// by us. Called by udev, before anything else has looked at the disk; other disks are none of its business.
    pub fn protect(&self, name: &DiskName) -> Result<bool, HandsError> {
        let place = self.sysfs.place(name).map_err(|e| HandsError::refused(e.to_string()))?;
        let note = std::fs::read_to_string(self.notes.join(place.port.as_str())).unwrap_or_default();
        let plugged = self.plugged(&place.port)?;
        if note != noted(plugged.address) || self.sysfs.used().is_used(&place) {
            return Ok(false);
        }
        self.refuse_writes(&place, true)?;
        Ok(true)
    }

    fn plugged(&self, port: &PortPath) -> Result<Plugged, HandsError> {
        let look: Look = self.sysfs.look(&|_| Told::default()).map_err(HandsError::os("USB cannot be looked at"))?;
        let found = look.devices.into_iter().find(|plugged| plugged.device.port == *port);
        found.ok_or_else(|| HandsError::Os { what: format!("nothing is plugged into {port}"), source: gone() })
    }

    /// The device that is meant, if it still stands there.
    fn meant(&self, port: &PortPath, address: Address) -> Result<Plugged, HandsError> {
        let plugged = self.plugged(port)?;
        if plugged.address == address {
            Ok(plugged)
        } else {
            Err(HandsError::Os { what: format!("another device is plugged into {port} by now"), source: gone() })
        }
    }

    fn must_be_a_bay(&self, port: &PortPath) -> Result<(), HandsError> {
        if self.bays.name(port).is_some() {
            Ok(())
        } else {
            Err(HandsError::refused(format!("{port} is no bay; list it as [[source.usb.bay]]")))
        }
    }

    /// The medium that is meant, after every check on it.
    fn checked(&self, disk: &Medium) -> Result<Place, HandsError> {
        let place = match self.sysfs.place(&disk.name) {
            Ok(place) => place,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(HandsError::Os { what: format!("{} is gone", disk.name.as_str()), source: gone() });
            }
            Err(e) => return Err(HandsError::refused(e.to_string())),
        };
        self.must_be_a_bay(&place.port)?;
        self.same_medium(disk, &place)?;
        if self.sysfs.used().is_used(&place) {
            let what =
                format!("{} is in use by this box (mounted, swap, RAID, LVM); it is no recorder", disk.name.as_str());
            return Err(HandsError::refused(what));
        }
        Ok(place)
    }

    fn same_medium(&self, disk: &Medium, place: &Place) -> Result<(), HandsError> {
        let now = self.sysfs.place(&disk.name).ok().filter(|now| now.at == place.at);
        // Before Linux 5.15 there is no number, and the place with its SCSI host must do.
        if now.is_some_and(|now| disk.seq.is_none() || now.seq() == disk.seq) {
            Ok(())
        } else {
            let what = format!("another medium is called {} by now", disk.name.as_str());
            Err(HandsError::Os { what, source: gone() })
        }
    }

    fn open(&self, place: &Place, access: Access) -> Result<File, HandsError> {
        let name = place.name.as_str();
        let number = place.number().unwrap_or_default();
        self.nodes.open_block(name, &number, access).map_err(HandsError::os(format!("{name} cannot be opened")))
    }

    /// Tells the kernel, for the disk and for each partition (before Linux 5.11 the disk's word does not cover them),
    /// and reads back what it says.
    fn refuse_writes(&self, place: &Place, refuse: bool) -> Result<(), HandsError> {
        let name = place.name.as_str();
        let failed =
            |what: &str| HandsError::os(format!("{what} cannot be {}", if refuse { "protected" } else { "released" }));
        let device = self.open(place, Access::Read)?;
        self.nodes.refuse_writes(&device, refuse).map_err(failed(name))?;
        for part in place.partitions() {
            let number = std::fs::read_to_string(place.dir.join(&part).join("dev")).unwrap_or_default();
            let device = self.nodes.open_block(&part, number.trim(), Access::Read);
            let told = device.and_then(|device| self.nodes.refuse_writes(&device, refuse));
            told.map_err(failed(&part))?;
        }
        if place.is_read_only() == refuse {
            Ok(())
        } else {
            Err(failed(name)(io::Error::other("the kernel does not say so when asked")))
        }
    }

    fn may_live(&self, plugged: &Plugged, class: u8) -> bool {
        match class {
            CLASS_MASS_STORAGE | CLASS_STILL_IMAGE | CLASS_HUB => true,
            CLASS_VENDOR => self.makes.contains(&(plugged.device.vendor_id, plugged.device.product_id)),
            _ => false,
        }
    }

    /// Writes one attribute of the kernel and reads it back.
    fn tell(&self, file: &Path, value: &str) -> io::Result<()> {
        File::options().write(true).open(file)?.write_all(value.as_bytes())?;
        let now = std::fs::read_to_string(file)?;
        if now.trim() == value { Ok(()) } else { Err(io::Error::other(format!("it stays {}", now.trim()))) }
    }

    /// Authorises a device with all its interfaces shut.
    fn wake(&self, plugged: &Plugged) -> Result<(), HandsError> {
        let port = &plugged.device.port;
        let bus = self.sysfs.usb().join("devices").join(format!("usb{}", plugged.address.bus));
        let default = bus.join("interface_authorized_default");
        let before = match std::fs::read_to_string(&default) {
            Ok(value) => Some(value.trim().to_owned()),
            // Before Linux 4.4 a device lives whole or not at all.
            Err(_) if plugged.device.interfaces.iter().all(|i| self.may_live(plugged, i.class)) => None,
            Err(_) => {
                let what = format!("this kernel cannot let a part of the device in {port} live; Linux 4.4 can");
                return Err(HandsError::refused(what));
            }
        };
        let opened = before.filter(|value| value != "0");
        if opened.is_some() {
            self.tell(&default, "0").map_err(HandsError::os(format!("the interfaces in {port} cannot be shut")))?;
        }
        let woken = self.tell(&self.sysfs.usb_device(port).join("authorized"), "1");
        if let Some(value) = opened {
            // The bus is as its administrator left it, also where waking failed.
            if let Err(e) = self.tell(&default, &value) {
                tracing::warn!(bus = plugged.address.bus, error = %e, "the bus stays shut for interfaces");
            }
        }
        woken.map_err(HandsError::os(format!("the device in {port} cannot be let in")))
    }

    fn set_interface(&self, live: &Live, value: &str) -> Result<(), HandsError> {
        let file = self.sysfs.usb().join("devices").join(&live.name).join("authorized");
        let failed = HandsError::os(format!(
            "interface {} cannot be {}",
            live.name,
            if value == "1" { "let in" } else { "shut" }
        ));
        if file.exists() { self.tell(&file, value).map_err(failed) } else { Ok(()) }
    }
}

impl<N: Nodes> Hands for Direct<N> {
    fn authorise(&self, port: &PortPath, address: Address, interfaces: &[u8]) -> Result<(), HandsError> {
        if !self.bays.leads_to_one(port) {
            return Err(HandsError::refused(format!("{port} is no bay; list it as [[source.usb.bay]]")));
        }
        let plugged = self.meant(port, address)?;
        let nothing = || {
            let what = format!("the device in {port} has no interface of a recorder in the setting that is in force");
            HandsError::refused(what)
        };
        let useful = |number, class| interfaces.contains(&number) && self.may_live(&plugged, class);
        if !plugged.device.interfaces.iter().any(|i| useful(i.number, i.class)) {
            return Err(nothing());
        }
        let woken = !plugged.authorised;
        if woken {
            self.wake(&plugged)?;
        }
        let (wanted, others): (Vec<Live>, Vec<Live>) =
            self.sysfs.interfaces(port).into_iter().partition(|live| useful(live.number, live.class));
        for live in others.iter().filter(|live| live.awake) {
            self.set_interface(live, "0")?;
        }
        if wanted.is_empty() {
            // The configuration that the kernel chose is not the one that spoke of storage: back to sleep.
            if woken {
                let _ = self.tell(&self.sysfs.usb_device(port).join("authorized"), "0");
            }
            return Err(nothing());
        }
        self.note(port, address);
        for live in &wanted {
            self.set_interface(live, "1")?;
        }
        for live in wanted.iter().filter(|live| matches!(live.class, CLASS_MASS_STORAGE | CLASS_HUB)) {
            let probe = File::options().write(true).open(self.sysfs.usb().join("drivers_probe"));
            let probed = probe.and_then(|mut file| file.write_all(live.name.as_bytes()));
            probed.map_err(HandsError::os(format!("no driver takes interface {}", live.name)))?;
        }
        Ok(())
    }

    fn deauthorise(&self, port: &PortPath) -> Result<(), HandsError> {
        self.must_be_a_bay(port)?;
        if self.sysfs.interfaces(port).iter().any(|live| live.class == CLASS_HUB) {
            return Err(HandsError::refused(format!("{port} holds a hub, on which other devices depend")));
        }
        let look = self.sysfs.look(&|_| Told::default()).map_err(HandsError::os("USB cannot be looked at"))?;
        if look.disks.iter().any(|disk| disk.in_use && disk.port.below(port).is_some()) {
            return Err(HandsError::refused(format!("{port} holds a disk that this box uses")));
        }
        let file = self.sysfs.usb_device(port).join("authorized");
        self.tell(&file, "0").map_err(HandsError::os(format!("the device in {port} cannot be shut out")))
    }

    fn open_disk_read_only(&self, disk: &Medium) -> Result<File, HandsError> {
        let place = self.checked(disk)?;
        self.refuse_writes(&place, true)?;
        let file = self.open(&place, Access::Read)?;
        // A descriptor stays with the medium that it was opened on; so if the medium is still the one that is meant,
        // the descriptor is on it.
        self.same_medium(disk, &place)?;
        Ok(file)
    }

    fn open_disk_writable(&self, disk: &Medium) -> Result<File, HandsError> {
        let place = self.checked(disk)?;
        let opened = self
            .refuse_writes(&place, false)
            .and_then(|()| self.open(&place, Access::WriteAlone))
            .and_then(|file| self.same_medium(disk, &place).map(|()| file));
        if opened.is_err()
            && let Err(e) = self.refuse_writes(&place, true)
        {
            tracing::warn!(disk = disk.name.as_str(), error = %chain(&e), "the disk may stay open for writing");
        }
        opened
    }

    fn close_disk_writable(&self, disk: &Medium) -> Result<(), HandsError> {
        match self.sysfs.place(&disk.name) {
            // What is gone is not written; what is called so now was not opened by us.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(place) if self.same_medium(disk, &place).is_err() => Ok(()),
            Ok(place) => self.refuse_writes(&place, true),
            Err(e) => Err(HandsError::refused(e.to_string())),
        }
    }

    fn open_usb(&self, port: &PortPath, address: Address) -> Result<File, HandsError> {
        self.must_be_a_bay(port)?;
        let plugged = self.meant(port, address)?;
        let live = self.sysfs.interfaces(port);
        let usable = |live: &&Live| {
            live.awake && matches!(live.class, CLASS_STILL_IMAGE | CLASS_VENDOR) && self.may_live(&plugged, live.class)
        };
        let mask = live.iter().filter(usable).filter(|l| l.number < 32).fold(0u32, |mask, l| mask | 1 << l.number);
        if mask == 0 || live.iter().any(|live| live.class == CLASS_HUB) {
            return Err(HandsError::refused(format!("the device in {port} offers no MTP that was let in")));
        }
        let opened = self.nodes.open_usb(address.bus, address.device, mask);
        opened.map_err(HandsError::os(format!("the device in {port} cannot be opened")))
    }

    fn mount_detached(&self, disk: &Medium, volume: &str, fs: &str) -> Result<OwnedFd, HandsError> {
        let place = self.checked(disk)?;
        let fs = mount::known(fs).ok_or_else(|| HandsError::refused("no file system of this kind is mounted"))?;
        if volume != place.name.as_str() && !place.partitions().iter().any(|part| part == volume) {
            return Err(HandsError::refused(format!("{} has no such partition", place.name.as_str())));
        }
        self.refuse_writes(&place, true)?;
        let mounted = mount::mount_detached(&self.nodes.block_path(volume), fs, self.owner);
        let mounted = mounted.map_err(HandsError::os(format!("{volume} cannot be mounted as {}", fs.driver)))?;
        self.same_medium(disk, &place)?;
        Ok(mounted)
    }
}

impl<N> Direct<N> {
    /// Notes that a device was let in by us; without the note its disk is protected a moment later, when it is opened.
    fn note(&self, port: &PortPath, address: Address) {
        if let Err(e) = std::fs::write(self.notes.join(port.as_str()), noted(address)) {
            tracing::warn!(%port, error = %e, "not noted; the disk is protected only when it is opened");
        }
    }
}

fn noted(address: Address) -> String {
    format!("{}:{}", address.bus, address.device)
}

fn gone() -> io::Error {
    rustix::io::Errno::NODEV.into()
}
