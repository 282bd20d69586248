//! Who is let in: pure. Owns the decision about one device from what it says of itself, the configuration's allow-list
//! and the register of recorders; carries nothing out.
//!
//! What a device says of itself can be a lie: a gate by vendor, product and serial number keeps strangers out, not
//! forgers. Therefore only the interfaces that a recorder needs are ever authorised, and what is behind them is read
//! by a process without rights.
//!
//! - Mass storage (class 0x08) and still image (0x06, MTP) may be authorised for a recorder that is let in.
//! - A vendor's own class (0xff) may be MTP, or a network card for which the kernel has a driver: only where the
//!   configuration names vendor *and* product.
//! - Hubs (0x09) pass: a dock is full of them, they carry no footage, and what is plugged into one stands at the gate
//!   for itself.
//! - Everything else stays dead, also beside a storage interface in the same device.

use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use super::device::{CLASS_HUB, CLASS_MASS_STORAGE, CLASS_STILL_IMAGE, CLASS_VENDOR, Interface, UsbDevice};
use crate::config::UsbAllow;

/// What is done with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A recorder that is let in, with the numbers of the interfaces that it needs; none where it shows no storage.
    Admit {
        /// `bInterfaceNumber`s, each once.
        interfaces: Vec<u8>,
    },
    /// A hub.
    Pass {
        /// `bInterfaceNumber`s of the hub alone.
        interfaces: Vec<u8>,
    },
    /// Waits for an administrator's yes.
    HoldUnknown,
    /// An administrator said no.
    Refuse,
    /// It has no interface that a recorder needs.
    NotStorage,
}

/// What the register of recorders says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// It is a recorder of ours.
    Approved,
    /// It must not be read.
    Refused,
}

/// The register of recorders, as far as the gate needs it. Called often: answers from memory and never blocks.
pub trait Register: Send + Sync {
    /// What is known of `device`.
    fn standing(&self, device: &UsbDevice) -> Standing;
}

/// A closure is a register.
impl<F: Fn(&UsbDevice) -> Standing + Send + Sync> Register for F {
    fn standing(&self, device: &UsbDevice) -> Standing {
        self(device)
    }
}

/// Decides about devices.
pub trait Gatekeeping: Send + Sync {
    /// What is done with `device` now; may change when the register does.
    fn decide(&self, device: &UsbDevice) -> Verdict;
}

/// The gate: configuration and register together.
pub struct Gate {
    allow: Vec<Rule>,
    register: Arc<dyn Register>,
}

/// One entry of the allow-list, its patterns compiled.
struct Rule {
    vendor_id: Option<u16>,
    product_id: Option<u16>,
    serial: Option<GlobMatcher>,
    port: Option<GlobMatcher>,
}

impl Rule {
    fn new(written: &UsbAllow) -> Result<Self, globset::Error> {
        let pattern = |text: &Option<String>| text.as_deref().map(|t| Ok(Glob::new(t)?.compile_matcher())).transpose();
        Ok(Self {
            vendor_id: written.vendor_id,
            product_id: written.product_id,
            serial: pattern(&written.serial)?,
            port: pattern(&written.port)?,
        })
    }

    fn fits(&self, device: &UsbDevice) -> bool {
        self.vendor_id.is_none_or(|id| id == device.vendor_id)
            && self.product_id.is_none_or(|id| id == device.product_id)
            && self.serial.as_ref().is_none_or(|p| device.serial.as_ref().is_some_and(|s| p.is_match(s)))
            && self.port.as_ref().is_none_or(|p| p.is_match(device.port.as_str()))
    }

    /// Whether it means this make of device and no other.
    fn names_the_make(&self) -> bool {
        self.vendor_id.is_some() && self.product_id.is_some()
    }
}

impl Gate {
    /// A gate after the configuration's allow-list, which has been checked there, and `register`.
    pub fn new(allow: &[UsbAllow], register: Arc<dyn Register>) -> Result<Self, globset::Error> {
        Ok(Self { allow: allow.iter().map(Rule::new).collect::<Result<_, _>>()?, register })
    }
}

impl Gatekeeping for Gate {
    fn decide(&self, device: &UsbDevice) -> Verdict {
        let needed = |class| numbers(device, |c| c == class);
        let hub = needed(CLASS_HUB);
        if !hub.is_empty() {
            return Verdict::Pass { interfaces: hub };
        }
        let standing = self.register.standing(device);
        let fitting: Vec<&Rule> = self.allow.iter().filter(|rule| rule.fits(device)).collect();
        let known = standing != Standing::Unknown || !fitting.is_empty();
        let mut interfaces = numbers(device, |c| matches!(c, CLASS_MASS_STORAGE | CLASS_STILL_IMAGE));
        if interfaces.is_empty() && fitting.iter().any(|rule| rule.names_the_make()) {
            interfaces = needed(CLASS_VENDOR);
        }
        match standing {
            // A no counts more than a pattern that happens to fit.
            Standing::Refused => Verdict::Refuse,
            // A known recorder without storage is charging or in its maker's private mode; a stranger is no recorder.
            _ if interfaces.is_empty() && !known => Verdict::NotStorage,
            Standing::Unknown if fitting.is_empty() => Verdict::HoldUnknown,
            _ => Verdict::Admit { interfaces },
        }
    }
}

/// Numbers of the interfaces whose class is wanted. An interface that is something else in another setting is judged
/// again by the gatekeeper, by the setting that is in force when it authorises.
fn numbers(device: &UsbDevice, wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut all: Vec<u8> =
        device.interfaces.iter().filter(|Interface { class, .. }| wanted(*class)).map(|i| i.number).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::usb::device::PortPath;

    fn device(classes: &[(u8, u8)]) -> UsbDevice {
        UsbDevice {
            port: PortPath::new("1-4.2").unwrap(),
            vendor_id: 0x0781,
            product_id: 0x5581,
            serial: Some("DSJ0042".to_owned()),
            vendor: None,
            product: None,
            interfaces: classes
                .iter()
                .map(|(number, class)| Interface { number: *number, class: *class, subclass: 0, protocol: 0 })
                .collect(),
        }
    }

    fn gate(allow: UsbAllow, standing: Standing) -> Gate {
        let allow = if allow == UsbAllow::default() { vec![] } else { vec![allow] };
        Gate::new(&allow, Arc::new(move |_: &UsbDevice| standing)).unwrap()
    }

    #[test]
    fn verdicts() {
        let none = UsbAllow::default;
        let make = || UsbAllow { vendor_id: Some(0x0781), product_id: Some(0x5581), ..none() };
        let serial = |text: &str| UsbAllow { serial: Some(text.to_owned()), ..none() };
        let port = |text: &str| UsbAllow { port: Some(text.to_owned()), ..none() };
        let admit = |interfaces: &[u8]| Verdict::Admit { interfaces: interfaces.to_vec() };
        let (stick, keyboard) = (&[(0, 8)][..], &[(0, 3), (1, 3)][..]);
        use Standing::{Approved, Refused, Unknown};
        let table = [
            (none(), Unknown, stick, Verdict::HoldUnknown),
            (none(), Approved, stick, admit(&[0])),
            (none(), Refused, stick, Verdict::Refuse),
            (make(), Refused, stick, Verdict::Refuse),
            (make(), Unknown, stick, admit(&[0])),
            (UsbAllow { product_id: Some(1), ..make() }, Unknown, stick, Verdict::HoldUnknown),
            (serial("DSJ*"), Unknown, stick, admit(&[0])),
            (serial("dsj*"), Unknown, stick, Verdict::HoldUnknown),
            (port("1-4.*"), Unknown, stick, admit(&[0])),
            (port("1-4"), Unknown, stick, Verdict::HoldUnknown),
            (UsbAllow { serial: Some("X*".to_owned()), ..make() }, Unknown, stick, Verdict::HoldUnknown),
            // A keyboard stays a keyboard, whatever its numbers.
            (none(), Unknown, keyboard, Verdict::NotStorage),
            (port("*"), Unknown, keyboard, admit(&[])),
            (none(), Approved, keyboard, admit(&[])),
            // Beside storage, only storage wakes up; MTP and storage both may.
            (make(), Unknown, &[(0, 8), (1, 3), (2, 6)], admit(&[0, 2])),
            (make(), Unknown, &[(1, 3), (0, 8), (0, 8)], admit(&[0])),
            // A vendor's own class is a matter of naming the make.
            (none(), Unknown, &[(0, 0xff)], Verdict::NotStorage),
            (make(), Unknown, &[(0, 0xff)], admit(&[0])),
            (make(), Unknown, &[(0, 0xff), (1, 8)], admit(&[1])),
            (serial("DSJ*"), Unknown, &[(0, 0xff)], admit(&[])),
            (none(), Approved, &[(0, 0xff)], admit(&[])),
            // Hubs pass; what pretends to be one as well gets no more than a hub.
            (none(), Unknown, &[(0, 9)], Verdict::Pass { interfaces: vec![0] }),
            (none(), Unknown, &[(0, 9), (1, 3), (2, 8)], Verdict::Pass { interfaces: vec![0] }),
            (none(), Unknown, &[], Verdict::NotStorage),
        ];
        for (allow, standing, classes, verdict) in table {
            let words = format!("{allow:?} {standing:?} {classes:?}");
            assert_eq!(gate(allow, standing).decide(&device(classes)), verdict, "{words}");
        }
    }

    #[test]
    fn a_device_without_a_serial_number_fits_no_pattern_of_them() {
        let gate = gate(UsbAllow { serial: Some("*".to_owned()), ..UsbAllow::default() }, Standing::Unknown);
        let nameless = UsbDevice { serial: None, ..device(&[(0, 8)]) };
        assert_eq!(gate.decide(&nameless), Verdict::HoldUnknown);
    }
}
