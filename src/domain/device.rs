//! Devices as the gate sees them, before anything on them was read: by what each is told apart from others, and
//! what the register says of it. Pure.
//!
//! A device that gives no serial number of its own cannot be told from any other of its make: what is decided about
//! it holds for that make *in that socket*, and is shown so. The volume's number would say more, but stands behind
//! the gate, on what nobody has agreed to read yet. A serial number can be forged like every word of a device; the
//! register keeps strangers out, not forgers.
//!
//! A recorder in the network stands in no socket: it is known by its serial number, or by where it is reached, in keys
//! of their own, so that no yes to one is ever a yes to what is plugged in.

use std::collections::BTreeMap;
use std::fmt;

use super::recorder::SourcePath;

/// What tells a device from others of its make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Its serial number, escaped.
    Serial(String),
    /// It has none that means anything: the socket in which it stands, as the kernel names it.
    Port(String),
    /// The serial number of a recorder in the network, escaped.
    Network(String),
    /// It tells none that means anything: host and port at which it is reached.
    Host(String),
}

/// Begins the port of what is reached by network: no socket of the kernel is named so.
pub const NETWORK_PORT: &str = "net:";
/// Vendor and product of what has none.
pub const NO_USB: (u16, u16) = (0, 0);

/// By what the register knows a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey {
    /// `idVendor` and `idProduct`.
    pub usb_id: (u16, u16),
    /// What tells it apart.
    pub mark: Mark,
}

/// Longest serial number that is kept, characters. USB allows 126 (a string descriptor of 255 bytes, USB 2.0, 9.6.7).
const MAX_SERIAL_CHARS: usize = 126;

/// Whether a serial number is one: makers leave it empty, all zeros, or the ascending digits of their example code in
/// thousands of devices.
pub fn means_something(serial: &str) -> bool {
    let bare: String = serial.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let same = bare.chars().all(|c| bare.starts_with(c));
    let example = bare.len() >= 5
        && ["0123456789ABCDEF0123456789ABCDEF", "123456789ABCDEF0"].iter().any(|e| e.starts_with(&bare));
    bare.len() >= 3 && !same && !example
}

impl DeviceKey {
    /// The key of a device with this serial number (as it gives it, or already escaped) in this socket.
    pub fn of(usb_id: (u16, u16), serial: Option<&str>, port: &str) -> Self {
        let escape = |text: &str| SourcePath::new(text.as_bytes()).to_text().chars().take(MAX_SERIAL_CHARS).collect();
        // What is escaped already stays as it is: its backslashes are ours.
        let serial = serial.map(str::trim).filter(|s| means_something(s));
        if let Some(host) = port.strip_prefix(NETWORK_PORT) {
            let mark = match serial {
                Some(serial) => Mark::Network(escape(serial)),
                None => Mark::Host(escape(host)),
            };
            return Self { usb_id: NO_USB, mark };
        }
        let mark = match serial {
            Some(s) if s.contains("\\x") && s.chars().all(|c| !c.is_control()) => {
                Mark::Serial(s.chars().take(MAX_SERIAL_CHARS).collect())
            }
            Some(s) => Mark::Serial(escape(s)),
            None => Mark::Port(escape(port)),
        };
        Self { usb_id, mark }
    }

    /// Reads what `Display` writes back.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("net") {
            let (sign, mark) = rest.split_at_checked(1)?;
            let mark = match sign {
                _ if mark.is_empty() || mark.chars().any(char::is_control) => return None,
                ":" => Mark::Network(mark.to_owned()),
                "@" => Mark::Host(mark.to_owned()),
                _ => return None,
            };
            return Some(Self { usb_id: NO_USB, mark });
        }
        let hex = |part: &str| if part.len() == 4 { u16::from_str_radix(part, 16).ok() } else { None };
        let (vendor, rest) = text.split_at_checked(4)?;
        let (product, mark) = rest.strip_prefix(':')?.split_at_checked(4)?;
        let (sign, mark) = mark.split_at_checked(1)?;
        let mark = match sign {
            _ if mark.is_empty() || mark.chars().any(char::is_control) => return None,
            ":" => Mark::Serial(mark.to_owned()),
            "@" => Mark::Port(mark.to_owned()),
            _ => return None,
        };
        Some(Self { usb_id: (hex(vendor)?, hex(product)?), mark })
    }
}

/// `0951:1666:36NCC009910`, or `0951:1666@1-4.2` where only the socket tells it apart; `net:36NCC009910` and
/// `net@192.0.2.9:80` of recorders in the network.
impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vendor, product) = self.usb_id;
        match &self.mark {
            Mark::Serial(serial) => write!(f, "{vendor:04x}:{product:04x}:{serial}"),
            Mark::Port(port) => write!(f, "{vendor:04x}:{product:04x}@{port}"),
            Mark::Network(serial) => write!(f, "net:{serial}"),
            Mark::Host(host) => write!(f, "net@{host}"),
        }
    }
}

/// What the register says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeviceState {
    /// Seen, and nobody has decided.
    #[default]
    Unknown,
    /// A recorder of ours: it may be read.
    Approved,
    /// It must not be read.
    Refused,
    /// Given away for repair; what comes back waits until it is approved again.
    InRepair,
    /// No longer used.
    Retired,
}

impl DeviceState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Approved, Self::Refused, Self::InRepair, Self::Retired];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::InRepair => "in_repair",
            Self::Retired => "retired",
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether the gate lets it in.
    pub fn admits(self) -> bool {
        self == Self::Approved
    }
}

/// The whole register as the gate asks it: from memory, without waiting for a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings(BTreeMap<DeviceKey, DeviceState>);

impl Standings {
    /// What is said of a device; [`DeviceState::Unknown`] where nothing is.
    pub fn of(&self, usb_id: (u16, u16), serial: Option<&str>, port: &str) -> DeviceState {
        self.state(&DeviceKey::of(usb_id, serial, port))
    }

    /// The same, by its key.
    pub fn state(&self, key: &DeviceKey) -> DeviceState {
        self.0.get(key).copied().unwrap_or_default()
    }
}

impl FromIterator<(DeviceKey, DeviceState)> for Standings {
    fn from_iter<T: IntoIterator<Item = (DeviceKey, DeviceState)>>(known: T) -> Self {
        Self(known.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKE: (u16, u16) = (0x0951, 0x1666);

    #[test]
    fn a_device_without_a_serial_number_is_known_by_its_socket() {
        let mark = |serial| DeviceKey::of(MAKE, serial, "1-4.2").to_string();
        for (serial, key) in [
            (Some("36NCC009910"), "0951:1666:36NCC009910"),
            (Some(" 36NCC009910 "), "0951:1666:36NCC009910"),
            (Some("a\nb9"), "0951:1666:a\\x0ab9"),
            (Some("a\\x0ab9"), "0951:1666:a\\x0ab9"),
            (None, "0951:1666@1-4.2"),
            (Some(""), "0951:1666@1-4.2"),
            (Some("000000000000"), "0951:1666@1-4.2"),
            (Some("0123456789ABCDEF"), "0951:1666@1-4.2"),
            (Some("123456789ABC"), "0951:1666@1-4.2"),
            (Some("--"), "0951:1666@1-4.2"),
        ] {
            assert_eq!(mark(serial), key, "{serial:?}");
        }
    }

    #[test]
    fn recorders_in_the_network_have_keys_of_their_own() {
        let of = |serial| DeviceKey::of(NO_USB, serial, "net:192.0.2.9:80");
        assert_eq!(of(Some("36NCC009910")).to_string(), "net:36NCC009910");
        for none in [None, Some(""), Some("000000"), Some("123456789")] {
            assert_eq!(of(none).to_string(), "net@192.0.2.9:80", "{none:?}");
        }
        let plugged_in = DeviceKey::of(NO_USB, Some("36NCC009910"), "1-4.2");
        assert_ne!(plugged_in, of(Some("36NCC009910")));
        assert_ne!(DeviceKey::parse(&plugged_in.to_string()), Some(of(Some("36NCC009910"))));
    }

    #[test]
    fn keys_read_back_as_they_are_shown() {
        for key in [
            "0951:1666:36NCC009910",
            "0951:1666@1-4.2",
            "ffff:0001:with space:and colon",
            "net:36NCC009910",
            "net@192.0.2.9:80",
        ] {
            assert_eq!(DeviceKey::parse(key).unwrap().to_string(), key);
        }
        for bad in [
            "",
            "0951",
            "0951:1666",
            "0951:1666:",
            "951:1666:a",
            "0951-1666:a",
            "zzzz:1666:a",
            "0951:1666#a",
            "net",
            "net:",
            "net#a",
            "记录仪:1666:a",
        ] {
            assert_eq!(DeviceKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_was_approved_is_let_in() {
        let approved = (DeviceKey::of(MAKE, Some("SN100"), "1-1"), DeviceState::Approved);
        let by_port = (DeviceKey::of(MAKE, None, "1-4"), DeviceState::Approved);
        let known: Standings = [approved, by_port].into_iter().collect();
        assert!(known.of(MAKE, Some("SN100"), "9-9").admits(), "wherever it stands");
        assert!(!known.of(MAKE, Some("SN101"), "1-1").admits());
        assert!(known.of(MAKE, None, "1-4").admits());
        assert!(!known.of(MAKE, None, "1-5").admits(), "another socket");
        assert!(!known.of((1, 2), Some("SN100"), "1-1").admits());
        assert_eq!(DeviceState::ALL.iter().filter(|s| s.admits()).count(), 1);
        assert!(DeviceState::ALL.into_iter().all(|s| DeviceState::parse(s.as_str()) == Some(s)));
    }
}
