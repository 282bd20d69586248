//! Recorders on USB: is anything there that could tell of them, and does the gatekeeper's socket stand.

use super::Finding;
use crate::config::{Settings, UsbMode};
use crate::source::usb::sysfs::Sysfs;
use crate::source::usb::udev;

/// What a station needs for recorders on USB.
pub fn usb(settings: &Settings) -> Vec<Finding> {
    let (usb, part) = (&settings.usb_source, "usb");
    if usb.mode == UsbMode::Off {
        return vec![Finding::ok(part, "not watched ([source.usb] mode = \"off\")")];
    }
    let missing = match (Sysfs::of_this_box().has_usb(), udev::is_running()) {
        (false, _) => Some("this system has no USB"),
        (true, false) => Some("udev does not run here"),
        (true, true) => None,
    };
    if let Some(words) = missing {
        return vec![match usb.mode {
            UsbMode::On => Finding::problem(part, words, "start systemd-udevd, or set [source.usb] mode = \"off\""),
            _ => Finding::ok(part, format!("{words}; recorders on USB are not watched")),
        }];
    }
    let mut findings = Vec::new();
    findings.push(if usb.gatekeeper.exists() {
        Finding::ok(part, format!("the gatekeeper listens at {}", usb.gatekeeper.display()))
    } else {
        Finding::problem(
            part,
            format!("there is no gatekeeper at {}: recorders are seen and not read", usb.gatekeeper.display()),
            "systemctl enable --now evidock-gatekeeper.socket",
        )
    });
    findings.push(match usb.bays.len() {
        0 => Finding::warning(
            part,
            "no bay is listed, so every port is one",
            "`evidock doctor bays --watch` tells which port is which bay, and what to add to the configuration",
        ),
        n => Finding::ok(part, format!("{n} ports are bays")),
    });
    findings
}
