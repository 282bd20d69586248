//! `station_bind.ini` in a recorder's root: the file in which a collecting station wrote whose recorder
//! it is. Owns its format and its three answers; decides nothing about trust beyond them.
//!
//! # Format
//!
//! UTF-8 text (a byte order mark is dropped), at most 16 KiB, lines ended by LF or CRLF:
//!
//! ```ini
//! [binding]
//! recorder_serial=36NCC009910
//! recorder_model=DSJ-V8
//! user_no=110203
//! user_name=王明
//! dept_code=130123
//! dept_name=正定县市场监督管理局
//! bound_at=2026-06-01T09:00:00+08:00
//! sm3=<64 hexadecimal digits>
//! ```
//!
//! Section and key names have no case, values are trimmed, lines that begin with `;` or `#` are
//! comments, other sections and other keys are passed over (the checksum does not cover them).
//!
//! No published source says over which bytes `sm3` is taken, so this is **our own definition**: SM3 (GM/T
//! 0004-2012) over the UTF-8 text made of the seven lines `key=value` in exactly the order shown above,
//! each ended by one LF, with the trimmed value, an absent key counting as an empty value.
//! The checksum has no key: it shows damage and careless editing, not a forger who knows this page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sm3::{Digest as _, Sm3};

use super::folder::read_small;
use crate::domain::ports::{Shelf, SourceError};
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::Listing;

/// Name of the file in the recorder's root; looked up without regard to case (FAT).
pub const FILE_NAME: &str = "station_bind.ini";

/// Longest file that is looked at, bytes. A whole binding is under 1 KiB.
pub const MAX_BYTES: usize = 16 * 1024;

/// Longest value that is accepted, characters.
const MAX_VALUE_CHARS: usize = 128;

const KEYS: [&str; 7] =
    ["recorder_serial", "recorder_model", "user_no", "user_name", "dept_code", "dept_name", "bound_at"];

/// What the binding file says. The first three are different answers on the page, none an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// There is no such file: the recorder never met a station that binds, or was formatted.
    #[default]
    None,
    /// The file is there and does not hold together: nothing in it is used.
    Tampered {
        /// What is wrong with it, for people.
        why: String,
    },
    /// The file is whole, but the recorder is nobody's: it has no serial or no user.
    NotRegistered {
        /// Its serial, where the file names one.
        recorder_serial: Option<String>,
    },
    /// The file is whole and says whose recorder it is.
    Bound(Bound),
}

/// A whole binding. Every value is trimmed, free of control characters and at most 128 characters long.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bound {
    /// Serial number of the recorder.
    pub recorder_serial: String,
    /// Its model.
    pub recorder_model: String,
    /// Number of the person it was given to.
    pub user_no: String,
    /// That person's name.
    pub user_name: String,
    /// Code of the unit.
    pub dept_code: String,
    /// Name of the unit.
    pub dept_name: String,
    /// When it was bound, as written.
    pub bound_at: String,
}

impl Binding {
    /// Looks it up on a recorder. Blocks. The only error is a recorder that is gone; a file that is there and
    /// cannot be read is no binding that anybody should rely on.
    pub fn read(shelf: &dyn Shelf, listing: &Listing) -> Result<Self, SourceError> {
        let is_it = |path: &[u8]| path.eq_ignore_ascii_case(FILE_NAME.as_bytes());
        let Some(entry) = listing.files.iter().find(|e| is_it(e.path.as_bytes())) else { return Ok(Self::None) };
        match read_small(shelf, entry, MAX_BYTES as u64) {
            Ok(bytes) => Ok(Self::parse(Some(&bytes))),
            Err(SourceError::Gone(e)) => Err(SourceError::Gone(e)),
            Err(e) => Ok(Self::Tampered { why: crate::domain::error::chain(&e) }),
        }
    }

    /// Reads the file's bytes; `None` where the recorder has no such file.
    pub fn parse(bytes: Option<&[u8]>) -> Self {
        let Some(bytes) = bytes else { return Self::None };
        match parse_whole(bytes) {
            Ok(values) if values.recorder_serial.is_empty() => Self::NotRegistered { recorder_serial: None },
            Ok(values) if values.user_no.is_empty() && values.user_name.is_empty() => {
                Self::NotRegistered { recorder_serial: Some(values.recorder_serial) }
            }
            Ok(values) => Self::Bound(values),
            Err(why) => Self::Tampered { why },
        }
    }

    /// The recorder's serial, where a whole file names one.
    pub fn recorder_serial(&self) -> Option<&str> {
        match self {
            Self::Bound(b) => Some(&b.recorder_serial),
            Self::NotRegistered { recorder_serial } => recorder_serial.as_deref(),
            Self::None | Self::Tampered { .. } => None,
        }
    }

    /// Facts of the record: who has it (name, else number) and whose unit. Empty unless it is bound.
    pub fn facts(&self) -> Vec<(Field, String, Origin)> {
        let Self::Bound(b) = self else { return Vec::new() };
        let officer = if b.user_name.is_empty() { &b.user_no } else { &b.user_name };
        [(Field::Officer, officer), (Field::Agency, &b.dept_name)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(field, value)| (field, value.clone(), Origin::Binding))
            .collect()
    }

    /// The stored word: `none`, `tampered`, `not_registered`, `bound`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tampered { .. } => "tampered",
            Self::NotRegistered { .. } => "not_registered",
            Self::Bound(_) => "bound",
        }
    }
}

impl Bound {
    /// The bytes that the checksum is taken over (see the head of this file).
    pub fn checked_bytes(&self) -> Vec<u8> {
        let mut out = String::new();
        for (key, value) in KEYS.iter().zip(self.values()) {
            let _ = writeln!(out, "{key}={value}"); // Writing to a String cannot fail.
        }
        out.into_bytes()
    }

    /// The checksum, 64 lower-case hexadecimal digits.
    pub fn sm3(&self) -> String {
        Sm3::digest(self.checked_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The whole file, as a station writes it.
    pub fn to_ini(&self) -> String {
        format!("[binding]\n{}sm3={}\n", String::from_utf8_lossy(&self.checked_bytes()), self.sm3())
    }

    fn values(&self) -> [&str; 7] {
        [
            &self.recorder_serial,
            &self.recorder_model,
            &self.user_no,
            &self.user_name,
            &self.dept_code,
            &self.dept_name,
            &self.bound_at,
        ]
    }
}

fn parse_whole(bytes: &[u8]) -> Result<Bound, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut inside = false;
    for (n, line) in text.lines().enumerate() {
        let (n, line) = (n + 1, line.trim());
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = section.trim().eq_ignore_ascii_case("binding");
            continue;
        }
        if !inside {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {n} is not `key=value`"))?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        if key != "sm3" && !KEYS.contains(&key.as_str()) {
            continue;
        }
        if value.chars().count() > MAX_VALUE_CHARS || value.chars().any(char::is_control) {
            return Err(format!("line {n}: the value of {key} is too long or has control characters"));
        }
        if found.insert(key.clone(), value.to_owned()).is_some() {
            return Err(format!("line {n}: {key} stands there twice"));
        }
    }
    let mut take = |key: &str| found.remove(key).unwrap_or_default();
    let sum = take("sm3");
    let bound = Bound {
        recorder_serial: take("recorder_serial"),
        recorder_model: take("recorder_model"),
        user_no: take("user_no"),
        user_name: take("user_name"),
        dept_code: take("dept_code"),
        dept_name: take("dept_name"),
        bound_at: take("bound_at"),
    };
    if sum.is_empty() {
        return Err("it has no sm3 checksum".into());
    }
    if !sum.eq_ignore_ascii_case(&bound.sm3()) {
        return Err("its sm3 checksum is not that of its values".into());
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recorder::SourcePath;
    use crate::source::fake::{FakeShelf, Fault};
    use proptest::prelude::*;

    fn wang() -> Bound {
        Bound {
            recorder_serial: "36NCC009910".into(),
            recorder_model: "DSJ-V8".into(),
            user_no: "110203".into(),
            user_name: "王明".into(),
            dept_code: "130123".into(),
            dept_name: "正定县市场监督管理局".into(),
            bound_at: "2026-06-01T09:00:00+08:00".into(),
        }
    }

    fn parse(text: &str) -> Binding {
        Binding::parse(Some(text.as_bytes()))
    }

    #[test]
    fn sm3_is_the_published_function() {
        // GM/T 0004-2012, example 1: "abc".
        let hex: String = Sm3::digest(b"abc").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    }

    #[test]
    fn the_checked_bytes_are_frozen() {
        assert_eq!(
            String::from_utf8(wang().checked_bytes()).unwrap(),
            "recorder_serial=36NCC009910\nrecorder_model=DSJ-V8\nuser_no=110203\nuser_name=王明\n\
             dept_code=130123\ndept_name=正定县市场监督管理局\nbound_at=2026-06-01T09:00:00+08:00\n"
        );
        assert_eq!(wang().sm3(), "59d07205be7d1dcad1e62a50817f779c6530627c068a20a4f2c7544cbdfaf4ff");
    }

    #[test]
    fn the_answers_are_told_apart() {
        let whole = wang().to_ini();
        let windows = format!("\u{feff}{}", whole.replace('\n', "\r\n").replace("user_no=", "; note\r\n USER_NO = "));
        let no_user = Bound { user_no: String::new(), user_name: String::new(), ..wang() }.to_ini();
        let stranger = "[other]\nuser_no=1\n[binding]\ncolour=red\n";
        let table: Vec<(&str, String, &str)> = vec![
            ("whole", whole.clone(), "bound"),
            ("Windows line ends, byte order mark, comment, case", windows, "bound"),
            ("empty but whole", Bound::default().to_ini(), "not_registered"),
            ("nobody's", no_user, "not_registered"),
            ("one character changed", whole.replace("110203", "110204"), "tampered"),
            ("checksum cut", whole.replace("sm3=", "sm3=0"), "tampered"),
            ("no checksum", whole.lines().filter(|l| !l.starts_with("sm3")).collect::<Vec<_>>().join("\n"), "tampered"),
            ("key twice", whole.replace("user_no=110203", "user_no=110203\nuser_no=110203"), "tampered"),
            ("no equals sign", whole.replace("user_no=", "user_no "), "tampered"),
            ("keys in other sections only", stranger.into(), "tampered"),
            ("empty file", String::new(), "tampered"),
            ("too long", format!("{whole};{}", "x".repeat(MAX_BYTES)), "tampered"),
        ];
        for (what, text, answer) in table {
            assert_eq!(parse(&text).as_str(), answer, "{what}");
        }
        assert_eq!(Binding::parse(None), Binding::None);
        assert_eq!(Binding::parse(Some(b"[binding]\nuser_name=\xcd\xf5\n")).as_str(), "tampered", "not UTF-8");
        assert_eq!(parse(&whole), Binding::Bound(wang()));
        assert_eq!(parse(&whole).recorder_serial(), Some("36NCC009910"));
        let facts = parse(&whole).facts();
        assert_eq!(facts[0], (Field::Officer, "王明".into(), Origin::Binding));
        assert_eq!(facts[1], (Field::Agency, "正定县市场监督管理局".into(), Origin::Binding));
        assert!(Binding::None.facts().is_empty());
    }

    #[test]
    fn it_is_found_on_a_recorder_whatever_its_case() {
        let shelf = FakeShelf::new("bay-1");
        let read = || Binding::read(&shelf, &shelf.list().unwrap()).unwrap();
        assert_eq!(read(), Binding::None);
        shelf.put("DCIM/station_bind.ini", wang().to_ini().as_bytes(), 0);
        assert_eq!(read(), Binding::None, "only the root's file counts");
        shelf.put("STATION_BIND.INI", wang().to_ini().as_bytes(), 0);
        assert_eq!(read(), Binding::Bound(wang()));
        shelf.inject(Fault::EndsAt { path: SourcePath::new("STATION_BIND.INI"), offset_bytes: 9 });
        assert_eq!(read().as_str(), "tampered", "read in part");
        shelf.inject(Fault::PullAt { path: SourcePath::new("STATION_BIND.INI"), offset_bytes: 3 });
        assert!(matches!(Binding::read(&shelf, &shelf.list().unwrap()), Err(SourceError::Gone(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            prop_assert_eq!(Binding::parse(Some(&bytes)).as_str(), "tampered");
        }

        #[test]
        fn what_is_written_is_read_back(no in "[0-9]{6}", name in "[甲-癸a-z ]{0,8}", dept in "[^\\p{C}]{0,40}") {
            let bound = Bound { user_no: no, user_name: name.trim().into(), dept_name: dept.trim().into(), ..wang() };
            prop_assert_eq!(parse(&bound.to_ini()), Binding::Bound(bound));
        }
    }
}
