//! Profiles as written in TOML, and how they become [`Profile`]s. Owns the format (described for people in
//! `config/recorders/README.md`) and every complaint about it; reads no recorder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use toml::Spanned;

use super::{FileRule, IdentitySource, Modified, NameTime, Profile, Role};
use crate::domain::error::{Retry, Retryable};
use crate::domain::record::Field;
use crate::source::sidecar::{Belongs, JsonPath, SidecarRule, XmlRule};

/// Longest profile file, bytes; the largest shipped one is under 4 KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// Memory that one compiled pattern may take, bytes; a pattern beyond it is a mistake.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What the operating systems of PCs leave on a card that was put into them. Not footage, not copied, always reported.
const NOT_EVIDENCE: &str =
    r"(?:System Volume Information|\.Trashes|\.Trash-[0-9]+|\$RECYCLE\.BIN|\.Spotlight-V100|\.fseventsd)(?:/.*)?";

const EMBEDDED: [(&str, &str); 6] = [
    ("dated-avi.toml", include_str!("../../../config/recorders/dated-avi.toml")),
    ("dsj.toml", include_str!("../../../config/recorders/dsj.toml")),
    ("files-data.toml", include_str!("../../../config/recorders/files-data.toml")),
    ("flat.toml", include_str!("../../../config/recorders/flat.toml")),
    ("generic.toml", include_str!("../../../config/recorders/generic.toml")),
    ("json-vtt.toml", include_str!("../../../config/recorders/json-vtt.toml")),
];

/// Why a profile was refused. Refusing is a matter of start-up and `config check`: nothing is guessed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Something in the file.
    #[error("{file}:{line}: {what}")]
    At {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong and what to write instead.
        what: String,
    },
    /// The directory or a file in it cannot be read.
    #[error("{} cannot be read; correct [source.folder] profiles_dir or its permissions", path.display())]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl Retryable for ProfileError {
    fn retry(&self) -> Retry {
        Retry::Operator
    }
}

/// The compiled-in profiles, by name.
pub fn embedded() -> Result<BTreeMap<String, Profile>, ProfileError> {
    EMBEDDED.iter().map(|(file, text)| parse(file, text).map(|p| (p.name.clone(), p))).collect()
}

/// The profiles of a directory, by name. Two files with one name are refused.
pub fn load_dir(dir: &Path) -> Result<BTreeMap<String, Profile>, ProfileError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ProfileError::Unreadable { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut profiles = BTreeMap::new();
    for path in files {
        let shown = path.display().to_string();
        let bytes = std::fs::metadata(&path).map_err(unreadable(&path))?.len();
        if bytes > MAX_FILE_BYTES {
            let what = format!("a profile has at most {MAX_FILE_BYTES} bytes, this file has {bytes}");
            return Err(ProfileError::At { file: shown, line: 1, what });
        }
        let profile = parse(&shown, &std::fs::read_to_string(&path).map_err(unreadable(&path))?)?;
        let name = profile.name.clone();
        if profiles.insert(name.clone(), profile).is_some() {
            let what = format!("another file of this directory is named {name:?} too; rename one of them");
            return Err(ProfileError::At { file: shown, line: 1, what });
        }
    }
    Ok(profiles)
}

/// Reads one profile; `file` is only for messages.
pub fn parse(file: &str, text: &str) -> Result<Profile, ProfileError> {
    let at = |start: usize, what: String| {
        let line = text[..start.min(text.len())].matches('\n').count() + 1;
        ProfileError::At { file: file.to_owned(), line, what }
    };
    let written: Written =
        toml::from_str(text).map_err(|e| at(e.span().map_or(0, |s| s.start), with_nearest(e.message().trim())))?;
    let mut profile = written.resolve().map_err(|(start, what)| at(start, what))?;
    profile.digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    Ok(profile)
}

/// serde lists every name that it would accept; a person wants the one that was meant.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown"), quoted.next()) {
        (true, Some(wrong)) => match nearest(wrong, quoted) {
            Some(right) => format!("unknown key or word `{wrong}`; did you mean `{right}`?"),
            None => format!("{message}; see config/recorders/README.md"),
        },
        _ => message.replace('\n', "; "),
    }
}

fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|n| (strsim::jaro_winkler(wrong, n), n))
        .filter(|(score, _)| *score > 0.7)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// Byte offset in the file and what is wrong there.
type Complaint = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    description: String,
    zone: Spanned<String>,
    #[serde(default)]
    modified: Modified,
    #[serde(default)]
    marks: Vec<String>,
    #[serde(default)]
    continues: Vec<String>,
    #[serde(default)]
    nobody: Vec<String>,
    #[serde(default = "usual_identity")]
    identity: Vec<IdentitySource>,
    #[serde(default)]
    volume_labels: Vec<Spanned<String>>,
    not_evidence: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    file: Vec<WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    role: Spanned<Role>,
    path: Spanned<String>,
    time: Option<Spanned<WrittenTime>>,
    #[serde(default)]
    companions: Vec<String>,
    of: Option<Belongs>,
    json: Option<BTreeMap<String, Spanned<String>>>,
    text: Option<Vec<Spanned<String>>>,
    xml: Option<XmlRule>,
    time_format: Option<Spanned<String>>,
    datum: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTime {
    from: String,
    format: String,
}

fn usual_identity() -> Vec<IdentitySource> {
    vec![IdentitySource::Binding, IdentitySource::VolumeLabel, IdentitySource::FileNames, IdentitySource::Serial]
}

impl Written {
    fn resolve(self) -> Result<Profile, Complaint> {
        let name = self.name.get_ref();
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(ok) {
            return Err((self.name.span().start, format!("{name:?} is no profile name: 1 to 32 of a-z, 0-9, '-'")));
        }
        let zone = TimeZone::get(self.zone.get_ref()).map_err(|_| {
            (
                self.zone.span().start,
                format!("{:?} is no IANA time zone; write e.g. Asia/Shanghai", self.zone.get_ref()),
            )
        })?;
        let volume_labels = self.volume_labels.iter().map(|p| pattern(p, false)).collect::<Result<Vec<_>, _>>()?;
        for (regex, written) in volume_labels.iter().zip(&self.volume_labels) {
            if !regex.capture_names().flatten().any(|n| n == "device") {
                return Err((written.span().start, "a volume label's pattern needs the group (?<device>...)".into()));
            }
        }
        let not_evidence = match &self.not_evidence {
            Some(patterns) => patterns.iter().map(|p| pattern(p, true)).collect::<Result<_, _>>()?,
            None => vec![pattern(&Spanned::new(0..0, NOT_EVIDENCE.to_owned()), true)?],
        };
        Ok(Profile {
            name: name.clone(),
            description: self.description,
            zone,
            modified: self.modified,
            marks: self.marks,
            continues: self.continues,
            nobody: self.nobody,
            identity: self.identity,
            volume_labels,
            not_evidence,
            rules: self.file.into_iter().map(WrittenFile::resolve).collect::<Result<_, _>>()?,
            digest: String::new(),
        })
    }
}

impl WrittenFile {
    fn resolve(self) -> Result<FileRule, Complaint> {
        let path = pattern(&self.path, true)?;
        let time = self.time.as_ref().map(|t| name_time(t, &path)).transpose()?;
        let role = *self.role.get_ref();
        let reads = self.json.is_some() || self.text.is_some() || self.xml.is_some();
        if role != Role::Sidecar && (reads || self.of.is_some()) {
            return Err((
                self.role.span().start,
                "`of`, `json`, `text` and `xml` belong to the role \"sidecar\"".into(),
            ));
        }
        if role == Role::Sidecar && reads && self.of.is_none() {
            return Err((self.role.span().start, "say whom it explains: of = \"same_name\" or \"named\"".into()));
        }
        if self.of == Some(Belongs::Named) && self.xml.is_none() {
            return Err((
                self.role.span().start,
                "of = \"named\" needs `xml`, which says where the names stand".into(),
            ));
        }
        if let Some(format) = &self.time_format {
            whole_format(format.get_ref()).map_err(|what| (format.span().start, what))?;
        }
        if let Some(datum) = self.datum.as_ref().filter(|d| !["WGS84", "GCJ-02"].contains(&d.get_ref().as_str())) {
            return Err((datum.span().start, "`datum` is \"WGS84\" or \"GCJ-02\"".into()));
        }
        let mut json = Vec::new();
        for (name, place) in self.json.unwrap_or_default() {
            let start = place.span().start;
            let path = JsonPath::parse(place.get_ref())
                .ok_or_else(|| (start, "a place in JSON reads like DataPoints[0].Time".to_owned()))?;
            json.push((field(&name, start)?, path));
        }
        let text = self.text.unwrap_or_default();
        let text = text.iter().map(line_pattern).collect::<Result<Vec<_>, _>>()?;
        let sidecar = self.of.map(|of| SidecarRule {
            of,
            json,
            text,
            xml: self.xml,
            time_format: self.time_format.map(Spanned::into_inner),
            datum: self.datum.map(Spanned::into_inner),
        });
        let companions = self.companions.iter().map(|e| e.to_lowercase()).collect();
        Ok(FileRule { role, path, time, companions, sidecar })
    }
}

/// Compiles a pattern that must match the whole text.
fn pattern(written: &Spanned<String>, fold_case: bool) -> Result<Regex, Complaint> {
    RegexBuilder::new(&format!("^(?:{})$", written.get_ref()))
        .case_insensitive(fold_case)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|e| {
            let said = e.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            (written.span().start, format!("this pattern cannot be used: {last}"))
        })
}

fn line_pattern(written: &Spanned<String>) -> Result<Regex, Complaint> {
    let regex = pattern(written, true)?;
    for name in regex.capture_names().flatten() {
        field(name, written.span().start)?;
    }
    Ok(regex)
}

fn field(name: &str, start: usize) -> Result<Field, Complaint> {
    Field::parse(name).ok_or_else(|| {
        let near = nearest(name, Field::ALL.iter().map(|f| f.as_str())).unwrap_or("captured_start");
        (start, format!("`{name}` is no field of a record; did you mean `{near}`?"))
    })
}

fn name_time(written: &Spanned<WrittenTime>, path: &Regex) -> Result<NameTime, Complaint> {
    let start = written.span().start;
    let WrittenTime { from, format } = written.get_ref();
    let known: Vec<&str> = path.capture_names().flatten().collect();
    for part in from.split('{').skip(1) {
        let name = part.split('}').next().unwrap_or_default();
        if !known.contains(&name) {
            return Err((start, format!("`path` has no group named {name:?}; it has {}", known.join(", "))));
        }
    }
    whole_format(format).map_err(|what| (start, what))?;
    Ok(NameTime { from: from.clone(), format: format.clone() })
}

/// A format must give every part of a time: it is tried on one in which all parts differ.
fn whole_format(format: &str) -> Result<(), String> {
    let sample = date(2026, 6, 19).at(20, 3, 24, 0);
    let there_and_back = strtime::format(format, sample)
        .and_then(|text| strtime::parse(format, text))
        .and_then(|parsed| parsed.to_datetime());
    match there_and_back {
        Ok(back) if back == sample => Ok(()),
        _ => Err(format!(
            "{format:?} does not tell year, month, day, hour (of 24), minute and second; write e.g. %Y%m%d_%H%M%S"
        )),
    }
}
