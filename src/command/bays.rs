//! `evidock doctor bays`: which USB port is which bay. Shows every port with what is plugged in; with `--watch` says
//! which port it was that something was plugged into, and what to add to the configuration. Looks only.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use super::{Ended, block_on};
use crate::config::Settings;
use crate::domain::recorder::SourcePath;
use crate::source::usb::bays::Bays;
use crate::source::usb::device::{CLASS_HUB, CLASS_MASS_STORAGE, CLASS_STILL_IMAGE, CLASS_VENDOR, PortPath, UsbDevice};
use crate::source::usb::sysfs::{Look, Plugged, Sysfs};
use crate::source::usb::udev;

/// Between two looks of `--watch`: faster than a hand.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// One port.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    port: String,
    /// `None`: no bay.
    bay: Option<String>,
    #[serde(flatten)]
    device: Option<Device>,
}

/// What is plugged in; its own words escaped.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Device {
    /// `0781:5581`.
    usb_id: String,
    name: String,
    serial: Option<String>,
    /// `storage`, `mtp`, `hub`, `vendor` or `other`.
    kind: &'static str,
    /// `let_in`, `shut`, `own` (this box uses it) or `elsewhere` (taken out of evidock's hands).
    state: &'static str,
}

/// What `--watch` tells of one device.
#[derive(Debug, Serialize)]
struct Came {
    port: String,
    /// The other port of the same socket.
    peer: Option<String>,
    bay: Option<String>,
    #[serde(flatten)]
    device: Device,
    /// What to add to the configuration; empty where the port is a bay already.
    toml: String,
}

/// Carries the verb out.
pub fn bays(watch: bool, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let sysfs = Sysfs::of_this_box();
    if !sysfs.has_usb() {
        return Err(Ended::with(Exit::Failure, "this system has no USB (/sys/bus/usb is not there)"));
    }
    let bays = Bays::new(&settings.usb_source.bays);
    let look = sysfs.look(&udev::told)?;
    if watch {
        return block_on(wait(&sysfs, look, &bays, settings.usb_source.bays.len(), output));
    }
    let rows = rows(&sysfs.ports(), &look, &bays);
    if output.is_json() {
        output.json(&rows)?;
        return Ok(Exit::Ok);
    }
    let cells = |row: &Row| {
        let device = row.device.as_ref();
        let text = |of: fn(&Device) -> String| device.map(of).unwrap_or_default();
        vec![
            row.port.clone(),
            row.bay.clone().unwrap_or_else(|| "-".to_owned()),
            text(|d| d.usb_id.clone()),
            text(|d| d.name.clone()),
            text(|d| d.serial.clone().unwrap_or_default()),
            text(|d| d.kind.to_owned()),
            text(|d| d.state.to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output.table(&["port", "bay", "id", "device", "serial", "kind", "state"], &rows, &[])?;
    if !bays.are_listed() {
        output.line("No bay is listed: every port is one. `evidock doctor bays --watch` tells which port is which.")?;
    }
    Ok(Exit::Ok)
}

async fn wait(sysfs: &Sysfs, mut before: Look, bays: &Bays, listed: usize, output: &Output) -> anyhow::Result<Exit> {
    output.note("Plug a recorder into one bay after the other; Ctrl-C ends this.");
    let mut told = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = sysfs.look(&udev::told)?;
        for plugged in came(&before, &now) {
            let port = &plugged.device.port;
            let peer = sysfs.peer(port);
            let bay = bays.are_listed().then(|| bays.name(port)).flatten();
            if bay.is_none() {
                told.extend(peer.iter().chain([port]).min().cloned());
            }
            let toml = if bay.is_some() { String::new() } else { toml(listed + told.len(), port, peer.as_ref()) };
            let came = Came {
                port: port.to_string(),
                peer: peer.map(|p| p.to_string()),
                bay,
                device: device(plugged, &now),
                toml,
            };
            if output.is_json() {
                output.line(&serde_json::to_string(&came)?)?;
            } else {
                output.raw(&words(&came))?;
            }
        }
        before = now;
    }
}

/// Every port, plugged or empty.
fn rows(ports: &BTreeSet<PortPath>, look: &Look, bays: &Bays) -> Vec<Row> {
    let mut all: Vec<&PortPath> = ports.iter().chain(look.devices.iter().map(|d| &d.device.port)).collect();
    // By number: 1-10 stands behind 1-9.
    all.sort_by_cached_key(|port| -> Vec<u32> {
        port.as_str().split(['-', '.']).map(|n| n.parse().unwrap_or(u32::MAX)).collect()
    });
    all.dedup();
    let row = |port: &PortPath| Row {
        port: port.to_string(),
        bay: bays.name(port),
        device: look.devices.iter().find(|d| d.device.port == *port).map(|plugged| device(plugged, look)),
    };
    all.into_iter().map(row).collect()
}

/// What was plugged in between two looks; hubs are no recorders.
fn came<'a>(before: &Look, now: &'a Look) -> Vec<&'a Plugged> {
    let was = |plugged: &Plugged| {
        before.devices.iter().any(|d| d.device.port == plugged.device.port && d.address == plugged.address)
    };
    now.devices.iter().filter(|plugged| !was(plugged) && kind(&plugged.device) != "hub").collect()
}

fn device(plugged: &Plugged, look: &Look) -> Device {
    let device = &plugged.device;
    let harmless = |text: &str| SourcePath::new(text).to_text();
    let own = look.disks.iter().any(|disk| disk.in_use && disk.port.below(&device.port).is_some());
    let words: Vec<&str> = [&device.vendor, &device.product].into_iter().flatten().map(String::as_str).collect();
    Device {
        usb_id: format!("{:04x}:{:04x}", device.vendor_id, device.product_id),
        name: harmless(&words.join(" ")),
        serial: device.serial.as_deref().map(harmless),
        kind: kind(device),
        state: match plugged {
            _ if own => "own",
            Plugged { elsewhere: true, .. } => "elsewhere",
            Plugged { authorised: true, .. } => "let_in",
            _ => "shut",
        },
    }
}

fn kind(device: &UsbDevice) -> &'static str {
    let has = |class| device.interfaces.iter().any(|i| i.class == class);
    match () {
        () if has(CLASS_HUB) => "hub",
        () if has(CLASS_MASS_STORAGE) => "storage",
        () if has(CLASS_STILL_IMAGE) => "mtp",
        () if has(CLASS_VENDOR) => "vendor",
        () => "other",
    }
}

/// What to add to the configuration for a bay: one socket may have two ports.
fn toml(number: usize, port: &PortPath, peer: Option<&PortPath>) -> String {
    let mut text = String::new();
    let mut ports: Vec<&PortPath> = peer.into_iter().chain([port]).collect();
    ports.sort();
    for port in ports {
        // Writing into a string cannot fail.
        let _ = write!(text, "[[source.usb.bay]]\nname = \"{number}\"\nport = \"{port}\"\n");
    }
    text
}

fn words(came: &Came) -> String {
    let Came { port, device, .. } = came;
    let serial = device.serial.as_ref().map(|s| format!(", serial {s}")).unwrap_or_default();
    let what = format!("{} {} ({}{serial})", device.usb_id, device.name, device.kind);
    match &came.bay {
        Some(bay) => format!("You plugged {what} into port {port}: that is bay {bay}.\n"),
        None => format!("You plugged {what} into port {port}. Add this to the configuration:\n\n{}\n", came.toml),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UsbBay;
    use crate::domain::ids::BayName;
    use crate::source::usb::device::Interface;
    use crate::source::usb::sysfs::Address;

    fn port(text: &str) -> PortPath {
        PortPath::new(text).unwrap()
    }

    fn plugged(at: &str, number: u16, class: u8) -> Plugged {
        Plugged {
            device: UsbDevice {
                port: port(at),
                vendor_id: 0x0781,
                product_id: 0x5581,
                serial: Some("DSJ\u{1b}42".to_owned()),
                vendor: Some("Maker".to_owned()),
                product: Some("Recorder".to_owned()),
                interfaces: vec![Interface { number: 0, class, subclass: 0, protocol: 0 }],
            },
            address: Address { bus: 1, device: number },
            authorised: true,
            awake: vec![0],
            elsewhere: false,
        }
    }

    #[test]
    fn every_port_has_its_row() {
        let look = Look { devices: vec![plugged("1-4", 2, 9), plugged("1-4.2", 5, 8)], disks: vec![] };
        let bay = UsbBay { name: BayName::new("3号口").unwrap(), port: port("1-4.2") };
        let rows =
            rows(&BTreeSet::from([port("1-1"), port("1-10"), port("1-4"), port("1-4.1")]), &look, &Bays::new(&[bay]));
        let short: Vec<(&str, Option<&str>, Option<&str>)> =
            rows.iter().map(|r| (r.port.as_str(), r.bay.as_deref(), r.device.as_ref().map(|d| d.kind))).collect();
        assert_eq!(
            short,
            [
                ("1-1", None, None),
                ("1-4", None, Some("hub")),
                ("1-4.1", None, None),
                ("1-4.2", Some("3号口"), Some("storage")),
                ("1-10", None, None)
            ]
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&rows[3]).unwrap(), @r#"
        {
          "port": "1-4.2",
          "bay": "3号口",
          "usb_id": "0781:5581",
          "name": "Maker Recorder",
          "serial": "DSJ\\x1b42",
          "kind": "storage",
          "state": "let_in"
        }
        "#);
    }

    #[test]
    fn what_was_plugged_in_is_told_with_what_to_add() {
        let before = Look { devices: vec![plugged("1-1", 2, 8), plugged("1-2", 3, 8)], disks: vec![] };
        let now = Look {
            devices: vec![plugged("1-1", 2, 8), plugged("1-2", 4, 8), plugged("1-4", 5, 9), plugged("1-5", 6, 3)],
            disks: vec![],
        };
        let ports: Vec<&str> = came(&before, &now).iter().map(|p| p.device.port.as_str()).collect();
        assert_eq!(ports, ["1-2", "1-5"], "plugged again and new; no hub");
        let told = Came {
            port: "1-2".to_owned(),
            peer: Some("2-2".to_owned()),
            bay: None,
            device: device(&now.devices[1], &now),
            toml: toml(1, &port("1-2"), Some(&port("2-2"))),
        };
        insta::assert_snapshot!(words(&told), @r#"
        You plugged 0781:5581 Maker Recorder (storage, serial DSJ\x1b42) into port 1-2. Add this to the configuration:

        [[source.usb.bay]]
        name = "1"
        port = "1-2"
        [[source.usb.bay]]
        name = "1"
        port = "2-2"
        "#);
        let known = Came { bay: Some("3".to_owned()), ..told };
        assert!(words(&known).ends_with("into port 1-2: that is bay 3.\n"));
    }
}
