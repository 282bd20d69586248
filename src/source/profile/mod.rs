//! Recorder profiles: what names, times and marks on one family of recorders mean.
//!
//! Owns reading meaning out of names; [`written`] owns the TOML form, [`super::sidecar`] the files that
//! explain others. Nothing here decides whether a file is copied, with one exception that is always reported
//! ([`Role::NotEvidence`]): a file that no pattern knows is evidence all the same.
//!
//! Everything read is untrusted (invariant 7): patterns run in linear time over a bounded text, captures
//! are bounded, and a time keeps its raw form beside our reading (invariant 8).

pub mod written;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use regex::Regex;

pub use self::written::ProfileError;
use super::binding::Binding;
use super::sidecar::SidecarRule;
use crate::domain::ids::RecorderId;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Importance, LOCAL_PREFIX, Listing, LocalTime, ShelfEntry, ShelfIdentity};
use crate::domain::time::{RecorderTime, UtcMs};

/// Longest path that patterns are tried on, bytes of its escaped text. FAT, exFAT and ext4 allow 255
/// characters a name; a deeper path than this has no recorder behind it and reads as [`Role::Other`].
const MAX_PATH_BYTES: usize = 4096;

/// Longest captured value, characters; a longer one is no value.
const MAX_CAPTURE_CHARS: usize = 128;

/// A profile is chosen by at most about this many files, evenly spread over the listing.
const SCORED_FILES: usize = 4096;

/// The profile that stands in where no other speaks for a recorder.
pub const GENERIC: &str = "generic";

/// What is known of one family of recorders. Made by [`Profiles`].
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) zone: TimeZone,
    pub(crate) modified: Modified,
    pub(crate) marks: Vec<String>,
    pub(crate) continues: Vec<String>,
    pub(crate) nobody: Vec<String>,
    pub(crate) identity: Vec<IdentitySource>,
    pub(crate) volume_labels: Vec<Regex>,
    pub(crate) not_evidence: Vec<Regex>,
    pub(crate) rules: Vec<FileRule>,
    /// BLAKE3 of the file that it was read from, hex.
    pub(crate) digest: String,
}

/// One kind of file.
#[derive(Debug, Clone)]
pub(crate) struct FileRule {
    pub role: Role,
    pub path: Regex,
    pub time: Option<NameTime>,
    /// Extensions in lower case.
    pub companions: Vec<String>,
    pub sidecar: Option<SidecarRule>,
}

/// How captures make a capture time.
#[derive(Debug, Clone)]
pub(crate) struct NameTime {
    /// Text with `{capture}` in it.
    pub from: String,
    /// strftime-like, as jiff reads it.
    pub format: String,
}

/// What a file's modification time means on a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modified {
    /// Capture ended.
    End,
    /// Capture began.
    Start,
    /// Nothing that can be relied on.
    #[default]
    Unknown,
}

/// Where a recorder's id can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// A whole binding file.
    Binding,
    /// The volume's label.
    VolumeLabel,
    /// The device number that most file names carry.
    FileNames,
    /// The serial that the bus tells.
    Serial,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Footage: video, sound or a picture.
    Clip,
    /// A file that explains clips.
    Sidecar,
    /// A log of the recorder.
    Log,
    /// No pattern knows it; evidence all the same.
    #[serde(skip)]
    Other,
    /// Left by the operating system of a PC. The only role that is not copied, and always reported.
    #[serde(skip)]
    NotEvidence,
}

/// What a profile reads out of one file's name and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReading {
    /// What it is.
    pub role: Role,
    /// Named captures of the pattern that matched; each at most 128 characters.
    pub captures: BTreeMap<String, String>,
    /// When capture began, as the name says it.
    pub captured: Option<RecorderTime>,
    /// The file's own time on the recorder, in the profile's zone; [`Modified`] says what it means.
    pub modified: Option<RecorderTime>,
    /// What that time means.
    pub modified_means: Modified,
    /// How it was marked.
    pub importance: Importance,
    /// It continues the clip before it.
    pub continues: bool,
    /// Device number in the name.
    pub device: Option<String>,
    /// Officer's number in the name; `None` for numbers that stand for nobody.
    pub officer: Option<String>,
}

impl FileReading {
    /// What the name and the file's time say, as facts of the record.
    pub fn facts(&self) -> Vec<(Field, String, Origin)> {
        let mut facts = Vec::new();
        if let Some(t) = &self.captured {
            facts.push((Field::CapturedStart, t.rfc3339(), Origin::FileName));
            facts.push((Field::CapturedRaw, t.raw.clone(), Origin::FileName));
        }
        if let Some(t) = &self.modified {
            match self.modified_means {
                Modified::End => facts.push((Field::CapturedEnd, t.rfc3339(), Origin::FileTime)),
                Modified::Start => {
                    facts.push((Field::CapturedStart, t.rfc3339(), Origin::FileTime));
                    facts.push((Field::CapturedRaw, t.raw.clone(), Origin::FileTime));
                }
                Modified::Unknown => {}
            }
        }
        if let Some(officer) = &self.officer {
            facts.push((Field::Officer, officer.clone(), Origin::FileName));
        }
        facts
    }
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// BLAKE3 of the file that it was read from, hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The zone of the recorder's own clock.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads the local times of a listing (FAT, exFAT, MTP) in the recorder's zone: `modified_ms` of every entry whose
    /// `modified_raw` is one. What cannot be read stays empty.
    pub fn localise(&self, listing: &mut Listing) {
        for entry in &mut listing.files {
            if entry.modified_ms.is_none()
                && let Some(text) = entry.modified_raw.strip_prefix(LOCAL_PREFIX)
            {
                entry.modified_ms = self.instant(&LocalTime(text.to_owned()));
            }
        }
    }

    /// A time without a zone as an instant, milliseconds since the Unix epoch.
    pub fn instant(&self, local: &LocalTime) -> Option<i64> {
        let at: jiff::civil::DateTime = local.0.parse().ok()?;
        Some(at.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }

    /// Reads one file's name and time. Never fails: what cannot be read is absent.
    pub fn read(&self, entry: &ShelfEntry) -> FileReading {
        let text = entry.path.to_text();
        let mut reading = FileReading {
            role: Role::Other,
            captures: BTreeMap::new(),
            captured: None,
            modified: self.modified_time(entry),
            modified_means: self.modified,
            importance: Importance::Normal,
            continues: false,
            device: None,
            officer: None,
        };
        if text.len() > MAX_PATH_BYTES {
            return reading;
        }
        if self.not_evidence.iter().any(|p| p.is_match(&text)) {
            reading.role = Role::NotEvidence;
            return reading;
        }
        let Some((rule, captures)) = self.rule_of(&text) else { return reading };
        reading.role = rule.role;
        reading.captured = rule.time.as_ref().and_then(|t| t.read(&captures, &self.zone));
        let mark = captures.get("mark").map(|m| m.to_lowercase()).unwrap_or_default();
        let marked = |with: &[String]| with.iter().any(|w| mark.contains(&w.to_lowercase()));
        if marked(&self.marks) {
            reading.importance = Importance::Marked;
        }
        reading.continues = marked(&self.continues);
        reading.device = captures.get("device").cloned();
        reading.officer = captures.get("officer").filter(|o| !self.nobody.contains(o)).cloned();
        reading.captures = captures;
        reading
    }

    /// The recorder's id and where it was found: `binding`, `volume_label`, `file_names` (all that carry
    /// one agree), `file_names_majority`, `serial`, `bay`.
    pub fn recorder_id(
        &self,
        listing: &Listing,
        identity: &ShelfIdentity,
        binding: &Binding,
    ) -> (RecorderId, &'static str) {
        for source in &self.identity {
            let found = match source {
                IdentitySource::Binding => binding.recorder_serial().map(|s| (s.to_owned(), "binding")),
                IdentitySource::VolumeLabel => {
                    identity.volume_label.as_deref().and_then(|l| self.label_device(l)).map(|d| (d, "volume_label"))
                }
                IdentitySource::FileNames => self.named_device(listing),
                IdentitySource::Serial => identity.serial.clone().map(|s| (s, "serial")),
            };
            if let Some((id, how)) = found
                && let Ok(id) = RecorderId::new(&id)
            {
                return (id, how);
            }
        }
        // A bay's name is bounded by its form; control characters in a hostile one are left out here.
        let bay: String = identity.bay.chars().filter(|c| !c.is_control()).take(64).collect();
        match RecorderId::new(&bay).or_else(|_| RecorderId::new("unnamed")) {
            Ok(id) => (id, "bay"),
            Err(_) => unreachable!("a constant label is accepted"),
        }
    }

    /// The recorder's id in a volume label, where a pattern knows it.
    fn label_device(&self, label: &str) -> Option<String> {
        self.volume_labels.iter().find_map(|p| {
            let c = p.captures(label)?;
            c.name("device").map(|m| m.as_str().to_owned())
        })
    }

    /// The device number that most clips carry; a single stray clip of another recorder does not change it,
    /// or everything on the recorder would be copied again. Ties go to the smaller text.
    fn named_device(&self, listing: &Listing) -> Option<(String, &'static str)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &listing.files {
            let reading = self.read(entry);
            if let Some(device) = reading.device.filter(|_| reading.role == Role::Clip) {
                *counts.entry(device).or_default() += 1;
            }
        }
        let how = if counts.len() > 1 { "file_names_majority" } else { "file_names" };
        let (device, _) = counts.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        Some((device, how))
    }

    /// How well the profile fits: clips and thousandths of the files that it knows. `None` where it knows no clip.
    fn score(&self, listing: &Listing, identity: &ShelfIdentity) -> Option<u64> {
        let names: std::collections::BTreeSet<String> =
            listing.files.iter().map(|e| e.path.to_text().to_lowercase()).collect();
        let (mut evidence, mut known, mut clips) = (0u64, 0u64, 0u64);
        for entry in listing.files.iter().step_by(listing.files.len() / SCORED_FILES + 1) {
            let text = entry.path.to_text();
            if text.len() > MAX_PATH_BYTES || self.not_evidence.iter().any(|p| p.is_match(&text)) {
                continue;
            }
            evidence += 1;
            let Some((rule, _)) = self.rule_of(&text) else { continue };
            let stem = text.rsplit_once('.').map_or(text.as_str(), |(stem, _)| stem).to_lowercase();
            if !rule.companions.iter().all(|ext| names.contains(&format!("{stem}.{ext}"))) {
                continue;
            }
            known += 1;
            clips += u64::from(rule.role == Role::Clip);
        }
        if clips == 0 {
            return None;
        }
        let label = identity.volume_label.as_deref().and_then(|l| self.label_device(l)).is_some();
        Some(known * 1000 / evidence + if label { 100 } else { 0 })
    }

    pub(super) fn rule_of(&self, text: &str) -> Option<(&FileRule, BTreeMap<String, String>)> {
        self.rules.iter().find_map(|rule| {
            let found = rule.path.captures(text)?;
            let captures = rule
                .path
                .capture_names()
                .flatten()
                .filter_map(|name| {
                    let value = found.name(name)?.as_str();
                    let usable = !value.is_empty() && value.chars().count() <= MAX_CAPTURE_CHARS;
                    usable.then(|| (name.to_owned(), value.to_owned()))
                })
                .collect();
            Some((rule, captures))
        })
    }

    fn modified_time(&self, entry: &ShelfEntry) -> Option<RecorderTime> {
        let at = entry.modified_ms?;
        let offset_s = self.zone.to_offset(Timestamp::from_millisecond(at).ok()?).seconds();
        Some(RecorderTime { raw: entry.modified_raw.clone(), at: UtcMs(at), offset_s })
    }
}

impl NameTime {
    fn read(&self, captures: &BTreeMap<String, String>, zone: &TimeZone) -> Option<RecorderTime> {
        let mut raw = self.from.clone();
        for (name, value) in captures {
            raw = raw.replace(&format!("{{{name}}}"), value);
        }
        local_time(&raw, &self.format, zone)
    }
}

/// Reads a local time in `zone`. A time that the zone skips or repeats is taken as jiff's "compatible"
/// reading (RFC 5545): after the gap, and the first of two.
pub(crate) fn local_time(raw: &str, format: &str, zone: &TimeZone) -> Option<RecorderTime> {
    let local = strtime::parse(format, raw).ok()?.to_datetime().ok()?;
    let zoned = local.to_zoned(zone.clone()).ok()?;
    Some(RecorderTime {
        raw: raw.to_owned(),
        at: UtcMs(zoned.timestamp().as_millisecond()),
        offset_s: zoned.offset().seconds(),
    })
}

/// All profiles that this station knows.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// The profiles that are compiled in.
    pub fn embedded() -> Result<Self, ProfileError> {
        written::embedded().map(Self)
    }

    /// The compiled-in profiles with those of a directory (`*.toml`) added; one of the same name replaces.
    pub fn load_dir(dir: &Path) -> Result<Self, ProfileError> {
        let mut all = written::embedded()?;
        all.extend(written::load_dir(dir)?);
        Ok(Self(all))
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// Every profile, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }

    /// The profile that speaks for a recorder: the one that knows the greatest share of its files, at least
    /// one of them a clip; a label that it knows adds a tenth. Ties go to the name that sorts first, and
    /// where none fits (an empty recorder too) it is `generic`.
    pub fn choose(&self, listing: &Listing, identity: &ShelfIdentity) -> &Profile {
        let best = self
            .iter()
            .filter(|p| p.name != GENERIC)
            .filter_map(|p| Some((p.score(listing, identity)?, p)))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        match best {
            Some((_, profile)) => profile,
            None => &self.0[GENERIC], // `written` refuses a set without it: it is compiled in.
        }
    }
}

#[cfg(test)]
mod tests;
