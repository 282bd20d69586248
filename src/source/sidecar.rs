//! Files on a recorder that explain others: what is read from them, and to which clips it belongs.
//!
//! A sidecar is evidence and is copied like any clip; this module only reads facts out of it. It does so in
//! the daemon, not in a worker, because the three forms are small, bounded text: JSON (serde_json, whose
//! nesting is limited), XML (quick-xml, which expands no entities of a document's own), and lines. A file
//! over [`MAX_BYTES`], a dock's total over [`MAX_TOTAL_BYTES`], bytes that are not UTF-8 and anything that
//! does not parse give no facts and one line in [`Sidecars::unread`]; they never stop a dock. Formats that
//! need more than this (databases, binary tracks) belong into a worker.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use quick_xml::events::{BytesStart, Event};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::folder::read_small;
use super::profile::{Profile, Role, local_time};
use crate::domain::place::Degrees;
use crate::domain::ports::{Shelf, SourceError};
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Listing, ShelfEntry, SourcePath, Unreadable};
use crate::domain::time::{RecorderTime, UtcMs};
use crate::domain::track::Track;

/// Longest sidecar that is read, bytes: some hours of positions once a second.
pub const MAX_BYTES: u64 = 1 << 20;
/// All sidecars of one dock together, bytes; beyond it the bay would wait for text instead of footage.
pub const MAX_TOTAL_BYTES: u64 = 64 << 20;
/// Longest value that is taken, characters.
const MAX_VALUE_CHARS: usize = 128;
/// Longest line that patterns are tried on, bytes.
const MAX_LINE_BYTES: usize = 1024;
/// Deepest XML that is read.
const MAX_DEPTH: usize = 16;

/// How one kind of sidecar is read.
#[derive(Debug, Clone)]
pub(crate) struct SidecarRule {
    pub of: Belongs,
    pub json: Vec<(Field, JsonPath)>,
    pub text: Vec<Regex>,
    pub xml: Option<XmlRule>,
    pub time_format: Option<String>,
    pub datum: Option<String>,
}

/// Which clips a sidecar explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Belongs {
    /// Those whose path differs in the extension only.
    SameName,
    /// Those that it names.
    Named,
}

/// Elements that name clips.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct XmlRule {
    /// Local names of the elements.
    pub elements: Vec<String>,
    /// Attribute or child that holds the clip's name.
    pub name: String,
    /// Attribute or child that marks the clip when it is `1`, `true` or `yes`.
    pub marked: String,
}

/// A place in a JSON document: names joined by dots, `[n]` into lists, `[-1]` for the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(i64),
}

impl JsonPath {
    /// `None` where the text is no such place.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            while !rest.is_empty() {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                steps.push(Step::Index(index.parse().ok()?));
                rest = after;
            }
        }
        Some(Self(steps))
    }

    fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |at, step| match step {
            Step::Key(key) => at.get(key),
            Step::Index(n) => {
                let list = at.as_array()?;
                let n = if *n < 0 { list.len().checked_sub(n.unsigned_abs() as usize)? } else { *n as usize };
                list.get(n)
            }
        })
    }
}

/// What the sidecars of one dock say. Origin of all of it: [`Origin::Sidecar`].
#[derive(Debug, Clone, Default)]
pub struct Sidecars {
    facts: BTreeMap<SourcePath, Vec<(Field, String, Origin)>>,
    marked: BTreeSet<SourcePath>,
    /// What could not be read or attached, with its reason: for the dock's report, holds nothing up.
    pub unread: Vec<Unreadable>,
}

impl Sidecars {
    /// Reads the sidecars of a listing that `profile` knows. Blocks. The only error is a recorder that is gone.
    pub fn read(shelf: &dyn Shelf, listing: &Listing, profile: &Profile) -> Result<Self, SourceError> {
        let mut sidecars = Self::default();
        let clips = Clips::of(listing, profile);
        let mut budget = MAX_TOTAL_BYTES;
        for entry in &listing.files {
            let text = entry.path.to_text();
            let Some((rule, captures)) = profile.rule_of(&text) else { continue };
            let Some(how) = &rule.sidecar else { continue };
            let outcome = if entry.size_bytes > budget.min(MAX_BYTES) {
                Err(format!(
                    "not read for facts: larger than the {MAX_BYTES} bytes of one sidecar or the {MAX_TOTAL_BYTES} of a dock"
                ))
            } else {
                budget -= entry.size_bytes;
                match read_small(shelf, entry, MAX_BYTES) {
                    Ok(bytes) => String::from_utf8(bytes).map_err(|_| "not read for facts: not UTF-8 text".to_owned()),
                    Err(SourceError::Gone(e)) => return Err(SourceError::Gone(e)),
                    Err(e) => Err(crate::domain::error::chain(&e)),
                }
            };
            let said = outcome.and_then(|content| how.read(&content, captures.get("officer"), profile));
            match said {
                Ok(said) => sidecars.attach(entry, how, said, &clips),
                Err(reason) => sidecars.note(entry, reason),
            }
        }
        Ok(sidecars)
    }

    /// Facts for one clip; empty where no sidecar explains it.
    pub fn facts(&self, clip: &SourcePath) -> &[(Field, String, Origin)] {
        self.facts.get(clip).map_or(&[], Vec::as_slice)
    }

    /// Whether a sidecar marks the clip as important.
    pub fn marks(&self, clip: &SourcePath) -> bool {
        self.marked.contains(clip)
    }

    fn attach(&mut self, entry: &ShelfEntry, how: &SidecarRule, said: Said, clips: &Clips) {
        match how.of {
            Belongs::SameName => {
                for clip in clips.by_stem.get(&stem(&entry.path.to_text())).into_iter().flatten() {
                    self.facts.entry(clip.clone()).or_default().extend(said.facts.iter().cloned());
                }
            }
            Belongs::Named => {
                for (name, marked) in said.named {
                    let name = name.to_lowercase();
                    let found = clips.by_name.get(&name).or_else(|| clips.by_bare_name.get(&name));
                    match found.map(Vec::as_slice) {
                        Some([clip]) => {
                            self.facts.entry(clip.clone()).or_default().extend(said.facts.iter().cloned());
                            if marked {
                                self.marked.insert(clip.clone());
                            }
                        }
                        // A fact on the wrong clip is worse than none.
                        Some(_) => self.note(entry, format!("names {name:?}, which several files are called")),
                        None => self.note(entry, format!("names {name:?}, which is not on the recorder")),
                    }
                }
            }
        }
    }

    fn note(&mut self, entry: &ShelfEntry, reason: String) {
        self.unread.push(Unreadable { path: entry.path.clone(), reason });
    }
}

/// The clips of a listing by what sidecars call them, in lower case.
#[derive(Default)]
struct Clips {
    by_stem: BTreeMap<String, Vec<SourcePath>>,
    by_name: BTreeMap<String, Vec<SourcePath>>,
    by_bare_name: BTreeMap<String, Vec<SourcePath>>,
}

impl Clips {
    fn of(listing: &Listing, profile: &Profile) -> Self {
        let mut clips = Self::default();
        for entry in &listing.files {
            let text = entry.path.to_text();
            if profile.rule_of(&text).is_some_and(|(rule, _)| rule.role == Role::Clip) {
                let name = entry.path.file_name().to_lowercase();
                clips.by_stem.entry(stem(&text)).or_default().push(entry.path.clone());
                clips.by_bare_name.entry(stem(&name)).or_default().push(entry.path.clone());
                clips.by_name.entry(name).or_default().push(entry.path.clone());
            }
        }
        clips
    }
}

fn stem(path: &str) -> String {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem).to_lowercase()
}

/// What one sidecar says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    facts: Vec<(Field, String, Origin)>,
    named: Vec<(String, bool)>,
}

impl SidecarRule {
    fn read(&self, content: &str, officer: Option<&String>, profile: &Profile) -> Result<Said, String> {
        let mut found: BTreeMap<Field, String> = BTreeMap::new();
        let mut named = Vec::new();
        if let Some(officer) = officer.filter(|o| !profile.nobody.contains(o)) {
            found.insert(Field::Officer, officer.clone());
        }
        if !self.json.is_empty() {
            let document: Value =
                serde_json::from_str(content).map_err(|e| format!("not read for facts: no JSON ({e})"))?;
            for (field, place) in &self.json {
                let value = match place.find(&document) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(n)) => n.to_string(),
                    _ => continue,
                };
                found.entry(*field).or_insert(value);
            }
        }
        let mut way: Vec<Degrees> = Vec::new();
        for line in content.lines().filter(|l| !self.text.is_empty() && l.len() <= MAX_LINE_BYTES) {
            for pattern in &self.text {
                let Some(captures) = pattern.captures(line.trim()) else { continue };
                way.extend(position(&captures));
                for name in pattern.capture_names().flatten() {
                    if let (Some(field), Some(value)) = (Field::parse(name), captures.name(name)) {
                        found.entry(field).or_insert(value.as_str().to_owned());
                    }
                }
            }
        }
        if let Some(rule) = &self.xml {
            named = rule.read(content)?;
        }
        let mut facts = self.judge(found, profile);
        // One position a line; where there are several, the first is the clip's and all of them are its way.
        if let Some(track) = Track::of(way) {
            facts.push((Field::Track, track.to_string(), Origin::Sidecar));
        }
        Ok(Said { facts, named })
    }

    /// Keeps what can be a value of its field and turns times and positions into the record's form.
    fn judge(&self, found: BTreeMap<Field, String>, profile: &Profile) -> Vec<(Field, String, Origin)> {
        let mut facts = Vec::new();
        let mut say = |field, value: String| facts.push((field, value, Origin::Sidecar));
        for (field, value) in found {
            let value = value.trim().to_owned();
            if value.is_empty() || value.chars().count() > MAX_VALUE_CHARS || value.chars().any(char::is_control) {
                continue;
            }
            match field {
                Field::CapturedStart | Field::CapturedEnd => {
                    if let Some(time) = self.time(&value, profile) {
                        say(field, time.rfc3339());
                        if field == Field::CapturedStart {
                            say(Field::CapturedRaw, time.raw);
                        }
                    }
                }
                Field::Lat | Field::Lon => {
                    if let Some(degrees) = degrees(&value, if field == Field::Lat { 90.0 } else { 180.0 }) {
                        say(field, degrees);
                        if let Some(datum) = self.datum.as_ref().filter(|_| field == Field::Lat) {
                            say(Field::Datum, datum.clone());
                        }
                    }
                }
                _ => say(field, value),
            }
        }
        facts
    }

    fn time(&self, raw: &str, profile: &Profile) -> Option<RecorderTime> {
        if let Ok(at) = raw.parse::<Timestamp>() {
            // The offset that was written is kept; `Z` is shown in the recorder's zone.
            let written = jiff::fmt::temporal::Pieces::parse(raw).ok().and_then(|p| p.to_numeric_offset());
            let offset = match written {
                Some(offset) if !raw.ends_with(['Z', 'z']) => offset,
                _ => profile.zone.to_offset(at),
            };
            return Some(RecorderTime {
                raw: raw.to_owned(),
                at: UtcMs(at.as_millisecond()),
                offset_s: offset.seconds(),
            });
        }
        local_time(raw, self.time_format.as_deref()?, &profile.zone)
    }
}

impl XmlRule {
    /// Names of clips and whether each is marked.
    fn read(&self, content: &str) -> Result<Vec<(String, bool)>, String> {
        let refuse = |what: &dyn std::fmt::Display| format!("not read for facts: no XML that can be used ({what})");
        let mut reader = quick_xml::Reader::from_str(content);
        let mut named = Vec::new();
        let mut depth = 0usize;
        // The element that names a clip and stands open, with its depth; the child inside it that is wanted.
        let mut open: Option<(usize, Item)> = None;
        let mut child: Option<Wanted> = None;
        loop {
            match reader.read_event().map_err(|e| refuse(&e))? {
                Event::Start(tag) => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(refuse(&format_args!("nested deeper than {MAX_DEPTH}")));
                    }
                    if open.is_some() {
                        child = self.wanted(&local_name(&tag));
                    } else {
                        open = self.item(&tag).map_err(|e| refuse(&e))?.map(|item| (depth, item));
                    }
                }
                Event::Empty(tag) if open.is_none() => {
                    if let Some(item) = self.item(&tag).map_err(|e| refuse(&e))? {
                        item.finish(&mut named);
                    }
                }
                Event::Text(text) => {
                    if let (Some((_, item)), Some(wanted)) = (&mut open, child) {
                        item.set(wanted, text.xml10_content().trim());
                    }
                }
                Event::End(_) => {
                    child = None;
                    if let Some((_, item)) = open.take_if(|(at, _)| *at == depth) {
                        item.finish(&mut named);
                    }
                    depth = depth.saturating_sub(1);
                }
                Event::Eof if depth > 0 => return Err(refuse(&"it ends in the middle")),
                Event::Eof => return Ok(named),
                _ => {}
            }
        }
    }

    fn wanted(&self, name: &str) -> Option<Wanted> {
        match name {
            n if n == self.name => Some(Wanted::Name),
            n if n == self.marked => Some(Wanted::Marked),
            _ => None,
        }
    }

    fn item(&self, tag: &BytesStart<'_>) -> Result<Option<Item>, quick_xml::Error> {
        if !self.elements.contains(&local_name(tag)) {
            return Ok(None);
        }
        let mut item = Item::default();
        for attribute in tag.attributes() {
            let attribute = attribute?;
            if let Some(wanted) = self.wanted(attribute.key.local_name().as_ref()) {
                item.set(wanted, attribute.normalized_value(quick_xml::XmlVersion::default())?.trim());
            }
        }
        Ok(Some(item))
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Name,
    Marked,
}

#[derive(Default)]
struct Item {
    name: String,
    marked: bool,
}

impl Item {
    fn set(&mut self, wanted: Wanted, value: &str) {
        match wanted {
            // Text may come in pieces (character references); a name that does is left incomplete and found nowhere.
            Wanted::Name if self.name.is_empty() => self.name = value.chars().take(255).collect(),
            Wanted::Name => {}
            Wanted::Marked => self.marked = ["1", "true", "yes"].contains(&value.to_ascii_lowercase().as_str()),
        }
    }

    fn finish(self, named: &mut Vec<(String, bool)>) {
        if !self.name.is_empty() {
            named.push((self.name, self.marked));
        }
    }
}

fn local_name(tag: &BytesStart<'_>) -> String {
    tag.local_name().as_ref().to_owned()
}

/// Degrees from `N42.38`, `W72.52` or a plain number, within `limit`.
fn degrees(text: &str, limit: f64) -> Option<String> {
    let (sign, number) = match text.chars().next()?.to_ascii_uppercase() {
        'N' | 'E' => ("", &text[1..]),
        'S' | 'W' => ("-", &text[1..]),
        _ => ("", text),
    };
    let value: f64 = number.parse().ok()?;
    // `N-1` would say two things.
    if number.starts_with(['+', '-']) && number.len() != text.len() {
        return None;
    }
    (value.abs() <= limit).then(|| format!("{sign}{number}"))
}

/// The position that one line tells, if it does.
fn position(captures: &regex::Captures<'_>) -> Option<Degrees> {
    let told = |field: Field, limit: f64| degrees(captures.name(field.as_str())?.as_str(), limit)?.parse().ok();
    Some((told(Field::Lat, 90.0)?, told(Field::Lon, 180.0)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeShelf;
    use crate::source::profile::Profiles;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static PROFILES: LazyLock<Profiles> = LazyLock::new(|| Profiles::embedded().unwrap());

    fn read(profile: &str, files: &[(&str, &[u8])]) -> Sidecars {
        let shelf = FakeShelf::new("bay-1");
        for (path, bytes) in files {
            shelf.put(*path, bytes, 0);
        }
        Sidecars::read(&shelf, &shelf.list().unwrap(), PROFILES.get(profile).unwrap()).unwrap()
    }

    fn said(sidecars: &Sidecars, path: &str) -> Vec<(&'static str, String)> {
        sidecars.facts(&SourcePath::new(path)).iter().map(|(f, v, _)| (f.as_str(), v.clone())).collect()
    }

    #[test]
    fn json_and_vtt_explain_the_clip_of_their_name() {
        let json = br#"{"DataPoints":[{"Time":"2026-06-19T10:03:24+08:00"},{"Time":"2026-06-19T10:04:00"}]}"#;
        let vtt =
            "WEBVTT\n\n00:00.000 --> 00:01.000\nN42.38 W72.52 officer: 王明\n\n00:01.000 --> 00:02.000\nN1.0 E1.0\n";
        let s =
            read("json-vtt", &[("v/X.mp4", b""), ("v/x.JSON", json), ("v/X.vtt", vtt.as_bytes()), ("v/Y.mp4", b"")]);
        assert_eq!(
            said(&s, "v/X.mp4"),
            [
                ("officer", "王明".to_owned()),
                ("lat", "42.38".into()),
                ("datum", "WGS84".into()),
                ("lon", "-72.52".into()),
                ("track", "42.38000,-72.52000 1.00000,1.00000".into()),
                ("captured_start", "2026-06-19T10:03:24+08:00".into()),
                ("captured_raw", "2026-06-19T10:03:24+08:00".into()),
                ("captured_end", "2026-06-19T10:04:00+08:00".into()),
            ]
        );
        assert!(said(&s, "v/Y.mp4").is_empty());
        assert!(s.unread.is_empty(), "{:?}", s.unread);
    }

    #[test]
    fn a_daily_xml_names_its_clips_as_attributes_or_children() {
        let xml = br#"<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x "FILE0003.MP4">]><Root>
            <Video ChangedName="FILE0001.MP4" SavedFlag="1"/>
            <Picture><ChangedName>file0002</ChangedName><SavedFlag>0</SavedFlag></Picture>
            <Sound ChangedName="TWICE.WAV"/><Video ChangedName="NOWHERE.MP4"/>
            <Other ChangedName="FILE0003.MP4"/><Video><ChangedName>&x;</ChangedName></Video></Root>"#;
        let s = read(
            "flat",
            &[
                ("DCIM/100MEDIA/FILE0001.MP4", b""),
                ("DCIM/100MEDIA/FILE0002.JPG", b""),
                ("DCIM/100MEDIA/FILE0003.MP4", b""),
                ("DCIM/100MEDIA/TWICE.WAV", b""),
                ("DCIM/101MEDIA/TWICE.WAV", b""),
                ("MISC/110203_20260619.xml", xml),
            ],
        );
        assert_eq!(said(&s, "DCIM/100MEDIA/FILE0001.MP4"), [("officer", "110203".to_owned())]);
        assert_eq!(said(&s, "DCIM/100MEDIA/FILE0002.JPG"), [("officer", "110203".to_owned())]);
        assert!(said(&s, "DCIM/100MEDIA/FILE0003.MP4").is_empty(), "no entity of the document is expanded");
        assert!(said(&s, "DCIM/101MEDIA/TWICE.WAV").is_empty(), "an ambiguous name attaches nowhere");
        assert!(s.marks(&SourcePath::new("DCIM/100MEDIA/FILE0001.MP4")));
        assert!(!s.marks(&SourcePath::new("DCIM/100MEDIA/FILE0002.JPG")));
        assert_eq!(s.unread.len(), 2, "{:?}", s.unread);
    }

    #[test]
    fn broken_and_oversized_sidecars_are_reported_and_hold_nothing_up() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        let nested = "[".repeat(100_000);
        let big = vec![b' '; MAX_BYTES as usize + 1];
        for (profile, path, bytes) in [
            ("flat", "MISC/110203_20260619.xml", b"<Root><Video".as_slice()),
            ("flat", "MISC/110203_20260619.xml", b"<Root>"),
            ("flat", "MISC/110203_20260619.xml", deep.as_bytes()),
            ("flat", "MISC/110203_20260619.xml", b"<Root>\xff\xfe</Root>"),
            ("json-vtt", "X.json", nested.as_bytes()),
            ("json-vtt", "X.json", &big),
        ] {
            let s = read(profile, &[(path, bytes), ("X.mp4", b"")]);
            assert_eq!(s.unread.len(), 1, "{path}");
            assert!(said(&s, "X.mp4").is_empty());
        }
    }

    #[test]
    fn positions_outside_the_earth_are_no_positions() {
        assert_eq!(degrees("N42.38", 90.0).as_deref(), Some("42.38"));
        assert_eq!(degrees("S1.5", 90.0).as_deref(), Some("-1.5"));
        for bad in ["N91.0", "", "N", "NaN", "S-1", "inf", "北1", "1e9"] {
            assert_eq!(degrees(bad, 90.0), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_content_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300), xml in "(<|</|>|Video|ChangedName|=|\"|a| |/|&|;|!\\[CDATA\\[){0,40}") {
            read("json-vtt", &[("X.mp4", b""), ("X.json", &bytes), ("X.vtt", &bytes)]);
            read("flat", &[("DCIM/100MEDIA/a.MP4", b""), ("110203_20260619.xml", xml.as_bytes())]);
        }
    }
}
