//! `[source.usb]` from what was written to settings. Pure, like `resolve`, whose part it is.

use globset::Glob;

use super::resolve::{Places, Problem, choice, problem, socket_path};
use super::settings::{UsbAllow, UsbBay, UsbMode, UsbRead, UsbSource};
use super::written;
use crate::domain::ids::BayName;
use crate::domain::usb::PortPath;

/// Where `evidock-gatekeeper.socket` listens.
const DEFAULT_GATEKEEPER: &str = "/run/evidock-gatekeeper.sock";

pub(super) fn resolve(written: written::UsbSource, places: &Places<'_>) -> Result<UsbSource, Problem> {
    let mut bays: Vec<UsbBay> = Vec::new();
    for (n, one) in written.bay.unwrap_or_default().into_iter().enumerate() {
        let bay = bay(&format!("source.usb.bay[{n}]"), one)?;
        if let Some(other) = bays.iter().find(|other| other.port == bay.port) {
            let what = format!("is taken: {} is bay {} already", other.port, other.name);
            return problem(format!("source.usb.bay[{n}].port"), what);
        }
        bays.push(bay);
    }
    let allow = written.allow.unwrap_or_default().into_iter().enumerate();
    Ok(UsbSource {
        mode: choice("source.usb.mode", written.mode, UsbMode::Auto, UsbMode::parse, UsbMode::WORDS)?,
        gatekeeper: socket_path(
            "source.usb.gatekeeper",
            places.written(written.gatekeeper).unwrap_or_else(|| DEFAULT_GATEKEEPER.into()),
        )?,
        read: choice("source.usb.read", written.read, UsbRead::Reader, UsbRead::parse, UsbRead::WORDS)?,
        kernel_mount: written.kernel_mount.unwrap_or(false),
        bays,
        allow: allow.map(|(n, one)| self::allow(&format!("source.usb.allow[{n}]"), one)).collect::<Result<_, _>>()?,
    })
}

fn bay(path: &str, written: written::UsbBay) -> Result<UsbBay, Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let Some(port) = written.port else {
        return problem(at("port"), "is missing; `evidock doctor bays --watch` tells it");
    };
    let Some(name) = written.name else { return problem(at("name"), "is missing; write what people call the bay") };
    Ok(UsbBay {
        name: BayName::new(&name).or_else(|e| problem(at("name"), format!("cannot be used: {e}")))?,
        port: PortPath::new(&port).map_or_else(
            || {
                let what = format!(
                    "must be a port as the kernel names it, such as \"1-4.2\"; it is {port:?}. `evidock doctor bays --watch` tells it"
                );
                problem(at("port"), what)
            },
            Ok,
        )?,
    })
}

fn allow(path: &str, written: written::UsbAllow) -> Result<UsbAllow, Problem> {
    let allow = UsbAllow {
        vendor_id: id(path, "vendor", written.vendor)?,
        product_id: id(path, "product", written.product)?,
        serial: pattern(path, "serial", written.serial)?,
        port: pattern(path, "port", written.port)?,
    };
    if allow == UsbAllow::default() {
        let what = "is missing, and so are product, serial and port; such an entry would let every device in";
        return problem(format!("{path}.vendor"), what);
    }
    if allow.product_id.is_some() && allow.vendor_id.is_none() {
        return problem(format!("{path}.vendor"), "is missing; a product is a number of its vendor");
    }
    Ok(allow)
}

fn id(path: &str, key: &str, written: Option<String>) -> Result<Option<u16>, Problem> {
    let Some(text) = written else { return Ok(None) };
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    match u16::from_str_radix(digits, 16) {
        Ok(id) if digits.len() == 4 && !digits.starts_with('+') => Ok(Some(id)),
        _ => problem(
            format!("{path}.{key}"),
            format!("must be four hexadecimal digits in quotes, such as \"0781\" (lsusb shows them); it is {text:?}"),
        ),
    }
}

fn pattern(path: &str, key: &str, written: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = written else { return Ok(None) };
    if text.is_empty() {
        return problem(format!("{path}.{key}"), "is empty; leave it out where anything fits");
    }
    match Glob::new(&text) {
        Ok(_) => Ok(Some(text)),
        Err(e) => problem(format!("{path}.{key}"), format!("is no pattern: {}; it is {text:?}", e.kind())),
    }
}
