//! Recorders on USB: is anything there that could tell of them, and does the gatekeeper's socket stand.

use super::at;
use crate::config::{Settings, UsbMode};
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::source::usb::sysfs::Sysfs;
use crate::source::usb::udev;

/// What a station needs for recorders on USB.
pub fn usb(settings: &Settings) -> Vec<Finding> {
    let (usb, part) = (&settings.usb_source, CheckPart::Usb);
    if usb.mode == UsbMode::Off {
        return vec![Finding::ok(part, Found::UsbOff {})];
    }
    let missing = match (Sysfs::of_this_box().has_usb(), udev::is_running()) {
        (false, _) => Some((Found::NoUsb {}, Found::NoUsbUnwatched {})),
        (true, false) => Some((Found::NoUdev {}, Found::NoUdevUnwatched {})),
        (true, true) => None,
    };
    if let Some((wanted, unwatched)) = missing {
        return vec![match usb.mode {
            UsbMode::On => Finding::problem(part, wanted, Todo::StartUdev {}),
            _ => Finding::ok(part, unwatched),
        }];
    }
    let mut findings = Vec::new();
    let path = at(&usb.gatekeeper);
    findings.push(if usb.gatekeeper.exists() {
        Finding::ok(part, Found::Gatekeeper { path })
    } else {
        Finding::problem(part, Found::NoGatekeeper { path }, Todo::StartGatekeeper {})
    });
    findings.push(match usb.bays.len() {
        0 => Finding::warning(part, Found::EveryPortIsABay {}, Todo::FindBays {}),
        n => Finding::ok(part, Found::PortsAreBays { n }),
    });
    findings
}
