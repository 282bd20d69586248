//! What a USB device says of itself, and what of it a bay may ever be: pure.

use std::fmt;

/// Where a device is plugged in, as the kernel names it: bus, then the chain of ports (`1-4.2`). Stable for a socket
/// as long as the wiring of the box stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortPath(String);

impl PortPath {
    /// `BUS-PORT[.PORT]*`, each a number; anything else is `None`.
    pub fn new(text: &str) -> Option<Self> {
        let (bus, ports) = text.split_once('-')?;
        let number = |s: &str| !s.is_empty() && s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit());
        (number(bus) && ports.split('.').all(number) && ports.split('.').count() <= 7).then(|| Self(text.to_owned()))
    }

    /// The kernel's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PortPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Class, subclass and protocol of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface {
    /// `bInterfaceNumber`.
    pub number: u8,
    /// `bInterfaceClass`.
    pub class: u8,
    /// `bInterfaceSubClass`.
    pub subclass: u8,
    /// `bInterfaceProtocol`.
    pub protocol: u8,
}

/// USB mass storage (usb.org, defined class codes).
pub const CLASS_MASS_STORAGE: u8 = 0x08;
/// USB still image, which MTP uses.
pub const CLASS_STILL_IMAGE: u8 = 0x06;
/// Devices that speak MTP under a vendor's class are told apart by this one only together with their name.
pub const CLASS_VENDOR: u8 = 0xff;

/// A device in a bay, before anything on it was read. Text is the device's own: bounded here, escaped by whoever
/// shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbDevice {
    /// Where.
    pub port: PortPath,
    /// `idVendor`.
    pub vendor_id: u16,
    /// `idProduct`.
    pub product_id: u16,
    /// `iSerialNumber`, where it has one.
    pub serial: Option<String>,
    /// `iManufacturer`.
    pub vendor: Option<String>,
    /// `iProduct`.
    pub product: Option<String>,
    /// Every interface of every configuration.
    pub interfaces: Vec<Interface>,
}
