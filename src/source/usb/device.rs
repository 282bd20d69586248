//! What a USB device says of itself, and what of it a bay may ever be: pure.

pub use crate::domain::usb::PortPath;

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
/// USB hubs.
pub const CLASS_HUB: u8 = 0x09;
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
