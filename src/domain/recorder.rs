//! A recorder and what is seen on it: paths as the recorder spells them, entries of a listing, and
//! what a shelf can say about whose it is.

use std::fmt;

use super::case_number::half_width;
use super::device::NETWORK_PORT;
use super::record::Origin;

/// A path on a recorder: components joined by `/`, in the recorder's own bytes, which need not be UTF-8.
///
/// It only ever names something *on the recorder*; no file of ours is named after it (invariant 7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath(Vec<u8>);

impl SourcePath {
    /// From raw bytes, relative to the recorder's root.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The recorder's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The whole path as text that can be shown and turned back: UTF-8, with control characters,
    /// backslashes and bytes that are not UTF-8 written as `\xNN`.
    pub fn to_text(&self) -> String {
        escape(&self.0)
    }

    /// Reads [`SourcePath::to_text`] back; `None` where a backslash begins no `\xNN`.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            bytes.extend_from_slice(plain.as_bytes());
            let digits = escaped.strip_prefix('x')?.get(..2)?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &escaped[3..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        Some(Self(bytes))
    }

    /// The last component, escaped like [`SourcePath::to_text`].
    pub fn file_name(&self) -> String {
        escape(self.0.rsplit(|b| *b == b'/').next().unwrap_or_default())
    }

    /// The extension in lower case, without the dot; empty where there is none.
    pub fn extension(&self) -> String {
        let name = self.file_name();
        name.rsplit_once('.').map(|(_, ext)| ext.to_ascii_lowercase()).unwrap_or_default()
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Bidirectional controls could make one name look like another on the page.
            let hostile = c.is_control()
                || c == '\\'
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if hostile {
                let mut utf8 = [0; 4];
                for b in c.encode_utf8(&mut utf8).bytes() {
                    out.push_str(&format!("\\x{b:02x}"));
                }
            } else {
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out
}

/// One file as a recorder lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfEntry {
    /// Where it stands on the recorder.
    pub path: SourcePath,
    /// Its length in bytes as listed; a shorter read is an error, never the end of the file.
    pub size_bytes: u64,
    /// The modification time exactly as the recorder gives it, in a form that is stable from dock to dock.
    pub modified_raw: String,
    /// Our reading of it in milliseconds since the Unix epoch, where it can be read. A form leaves it empty where
    /// `modified_raw` is a local time ([`LOCAL_PREFIX`]): intake then reads it in the profile's zone.
    pub modified_ms: Option<i64>,
}

/// A place on the recorder that could not be listed or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file or directory.
    pub path: SourcePath,
    /// What the recorder or the operating system said.
    pub reason: String,
}

/// Everything found on a recorder: nothing is left out in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Every regular file.
    pub files: Vec<ShelfEntry>,
    /// What could not be listed, and what is not a regular file (links, sockets), each with its reason.
    pub unreadable: Vec<Unreadable>,
}

/// What a shelf can tell about which recorder it is; a profile makes a [`super::ids::RecorderId`] of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShelfIdentity {
    /// The bay, slot or folder it was found in.
    pub bay: String,
    /// The volume's label, where there is one (a folder's name stands in for it).
    pub volume_label: Option<String>,
    /// Serial number of the device, where the bus tells one.
    pub serial: Option<String>,
    /// Vendor and product as the bus tells them.
    pub product: Option<String>,
    /// `idVendor` and `idProduct`, where it came by USB.
    pub usb_id: Option<(u16, u16)>,
    /// The socket it is plugged into, as the kernel names it (`1-4.2`).
    pub port: Option<String>,
    /// Serial number of the volume (FAT, exFAT: `ABCD-1234`; MTP: the storage's identifier).
    pub volume_id: Option<String>,
    /// The recorder's own clock now, as it tells it, where its protocol has a way to ask: local time of the recorder
    /// without a zone, in the form of [`LocalTime`].
    pub clock: Option<LocalTime>,
    /// `folder`, `image-fat`, `image-exfat`, `usb-fat`, `usb-exfat`, `usb-mount`, `mtp`, later `onvif`.
    pub kind: &'static str,
    /// Files may be erased from it; a form that does not say so is read-only to us.
    pub erasable: bool,
}

/// A time of day without a zone, as file systems of recorders keep it: `YYYY-MM-DDTHH:MM:SS[.cc]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime(pub String);

/// Begins a [`ShelfEntry::modified_raw`] that is a [`LocalTime`]; the profile's zone makes an instant of it, so that
/// a change of the host's zone changes nothing.
pub const LOCAL_PREFIX: &str = "local ";

/// A device that stands in a bay and is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDevice {
    /// The bay.
    pub bay: String,
    /// The socket, as the kernel names it; `net:HOST:PORT` of what is in the network.
    pub port: String,
    /// `idVendor` and `idProduct`.
    pub usb_id: (u16, u16),
    /// Its serial number, escaped.
    pub serial: Option<String>,
    /// Vendor and product in its own words, escaped.
    pub name: String,
    /// Why.
    pub why: Held,
    /// Since when, milliseconds since the Unix epoch.
    pub since_ms: i64,
}

impl HeldDevice {
    /// What the bus tells, as `Kingston DataTraveler · USB 0951:1666`; of what is in the network where it is reached.
    pub fn told(&self) -> String {
        let way = match self.port.strip_prefix(NETWORK_PORT) {
            Some(host) => host.to_owned(),
            None => format!("USB {}", self.usb_text()),
        };
        if self.name.is_empty() { way } else { format!("{} · {way}", self.name) }
    }

    /// Vendor and product as they are always written: `0951:1666`.
    pub fn usb_text(&self) -> String {
        format!("{:04x}:{:04x}", self.usb_id.0, self.usb_id.1)
    }
}

/// Why a device is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It is not known here and waits for an administrator's yes.
    Unknown,
    /// An administrator said no.
    Refused,
    /// It has no interface that a recorder needs (a keyboard, a network card): it stays dead.
    NotStorage,
    /// It is a recorder that shows no storage yet: charging, or in its maker's private mode.
    NoStorage,
    /// It was let in and cannot be read, in words that say what to do.
    Broken(String),
}

impl Held {
    /// The stable word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::NotStorage => "not_storage",
            Self::NoStorage => "no_storage",
            Self::Broken(_) => "broken",
        }
    }
}

/// A recorder's name for comparison with what people write: full width folded, trimmed, small letters.
pub fn recorder_key(name: &str) -> String {
    half_width(name).trim().to_lowercase()
}

/// Who has a recorder, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The officer: a name or number, as it was written.
    pub officer: String,
    /// Where that comes from.
    pub origin: Origin,
}

impl Holder {
    /// Whether a person said so. A number burned into a file's name or left in a binding file is only what the recorder
    /// was once told: shown, and marked as not confirmed.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.origin, Origin::Person | Origin::Issue | Origin::Roster)
    }
}

/// Whose a docked recorder is now: who took it out, else what a person or the roster said of its newest clip, else who
/// stands in the roster at docking, else what recorder and files say. `clip` is of the newest clip that says anything.
pub fn whose(issued: Option<&str>, clip: Option<Holder>, rostered: Option<&str>) -> Option<Holder> {
    let by = |officer: &str, origin| Holder { officer: officer.to_owned(), origin };
    issued
        .map(|officer| by(officer, Origin::Issue))
        .or_else(|| clip.clone().filter(Holder::is_confirmed))
        .or_else(|| rostered.map(|officer| by(officer, Origin::Roster)))
        .or(clip)
}

/// How much a file matters, as the recorder marked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Importance {
    /// Not marked.
    #[default]
    Normal,
    /// Marked by the officer or the recorder (`_IMP`, `_SOS`, an event mark): read and sent first.
    Marked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless_text() {
        let p = SourcePath::new(b"DCIM/a\nb\\c\xff\xe6\x89\xa7.MP4".to_vec());
        assert_eq!(p.to_text(), "DCIM/a\\x0ab\\x5cc\\xff执.MP4");
        assert_eq!(p.file_name(), "a\\x0ab\\x5cc\\xff执.MP4");
        assert_eq!(p.extension(), "mp4");
        let bidi = SourcePath::new("evil\u{202e}4pm.exe".as_bytes().to_vec());
        assert!(!bidi.to_text().contains('\u{202e}'));
        assert_eq!(SourcePath::new(b"README".to_vec()).extension(), "");
        for path in [p, bidi, SourcePath::new(b"".to_vec()), SourcePath::new((0..=255).collect::<Vec<u8>>())] {
            assert_eq!(SourcePath::from_text(&path.to_text()), Some(path));
        }
        for odd in ["a\\", "a\\x", "a\\x5", "a\\xzz", "a\\y5c", "a\\x执"] {
            assert_eq!(SourcePath::from_text(odd), None, "{odd}");
        }
    }

    #[test]
    fn whoever_took_it_out_has_it() {
        let clip = |origin| Some(Holder { officer: "clip".into(), origin });
        let table = [
            (Some("issue"), clip(Origin::Person), Some("roster"), Some(("issue", Origin::Issue))),
            (None, clip(Origin::Person), Some("roster"), Some(("clip", Origin::Person))),
            (None, clip(Origin::Roster), Some("roster"), Some(("clip", Origin::Roster))),
            (None, clip(Origin::Binding), Some("roster"), Some(("roster", Origin::Roster))),
            (None, clip(Origin::FileName), None, Some(("clip", Origin::FileName))),
            (None, None, None, None),
        ];
        for (issued, clip, rostered, expected) in table {
            let found = whose(issued, clip, rostered);
            assert_eq!(found.as_ref().map(|h| (h.officer.as_str(), h.origin)), expected);
        }
        assert!(!clip(Origin::Binding).unwrap().is_confirmed() && !clip(Origin::FileName).unwrap().is_confirmed());
    }
}
