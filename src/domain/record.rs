//! The record of a clip: its facts with their origins, and the document that is published.
//!
//! Facts arrive in any order and from several origins. [`settle`] chooses one value a field; nothing is
//! overwritten, so that a person can always see what the roster or the file name had said. The document
//! ([`Record`]) is version 1 of what stands in the object store as `record/<rev>.json` and of what
//! `find --json` prints; readers ignore fields that they do not know.
//!
//! Terms follow evidence.md ("Fields of a record"), which follows DA/T 63 and the 947 series where
//! fragments could be read; no conformance is claimed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stream::{PublishedGap, PublishedSegment};

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// A field that an origin can supply.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $variant),+ }

        impl Field {
            /// The stored and published name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the name back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// Every field.
            pub const ALL: &'static [Field] = &[$(Self::$variant),+];
        }
    };
}

fields! {
    /// When capture began, RFC 3339 with offset. †
    CapturedStart => "captured_start",
    /// When capture ended, RFC 3339 with offset.
    CapturedEnd => "captured_end",
    /// The recorder's own time, exactly as found (invariant 8).
    CapturedRaw => "captured_raw",
    /// Where. †
    Place => "place",
    /// Who recorded. †
    Officer => "officer",
    /// Enforcement certificate number, of those who hold one.
    OfficerCertNo => "officer_cert_no",
    /// The second officer and others.
    CoOfficers => "co_officers",
    /// What it proves. †
    Proves => "proves",
    /// Title.
    Title => "title",
    /// Cause of the case.
    Cause => "cause",
    /// Kind of enforcement.
    EnforcementKind => "enforcement_kind",
    /// Stage of the procedure.
    Stage => "stage",
    /// Matter recorded.
    Matter => "matter",
    /// Party.
    PartyRef => "party_ref",
    /// Agency.
    Agency => "agency",
    /// Latitude, degrees.
    Lat => "lat",
    /// Longitude, degrees.
    Lon => "lon",
    /// Datum of the coordinates: `WGS84` or `GCJ-02`.
    Datum => "datum",
    /// Where the recorder was meanwhile (`domain::track`), in the same datum.
    Track => "track",
    /// Sensitivity label.
    Sensitivity => "sensitivity",
    /// Why a required recording is missing.
    GapReason => "gap_reason",
}

macro_rules! origins {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// Where a value came from. Declared in order of precedence, strongest first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Origin { $($(#[$doc])* $variant),+ }

        impl Origin {
            /// The stored and published word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

origins! {
    /// A person decided; outranks every rule.
    Person => "person",
    /// The register of officers, as it was when capture began. Of the certificate's number alone.
    Register => "register",
    /// Whoever began the recording in a room, and for what; its times by the station's clock.
    Recording => "recording",
    /// Whoever took the recorder out at the desk, and for what (领用).
    Issue => "issue",
    /// The roster says who had the recorder and for what.
    Roster => "roster",
    /// A sidecar file on the recorder.
    Sidecar => "sidecar",
    /// The binding file on the recorder.
    Binding => "binding",
    /// The file's name on the recorder.
    FileName => "file_name",
    /// The media container.
    Media => "media",
    /// The file's time on the recorder.
    FileTime => "file_time",
    /// A linking rule, which tells its reason: numbers in tags, neighbours of the outing, registers.
    Rule => "rule",
    /// A default in the configuration.
    Config => "config",
}

/// One value for one field, from one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which field.
    pub field: Field,
    /// Its value as text; empty withdraws what this origin said before.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// When it was said, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Chooses one value a field: the strongest origin wins, within it the latest word; an empty latest
/// word withdraws that origin's value. `facts` in the order in which they were said.
pub fn settle(facts: &[Fact]) -> BTreeMap<Field, Fact> {
    let mut latest: BTreeMap<(Field, Origin), &Fact> = BTreeMap::new();
    for fact in facts {
        latest.insert((fact.field, fact.origin), fact);
    }
    let mut settled = BTreeMap::new();
    // BTreeMap iterates by field, then by origin, strongest first.
    for ((field, _), fact) in latest {
        if !fact.value.is_empty() {
            settled.entry(field).or_insert_with(|| fact.clone());
        }
    }
    settled
}

/// The five facts of the rule (音像记录采集后要注明...); a clip that lacks one is 待标注.
pub const REQUIRED: [&str; 5] = ["case_no", "captured_start", "place", "officer", "proves"];

/// Code of a remark that names somebody whom the recorder says it belongs to, while neither desk nor roster says who had
/// it when the clip was captured.
pub const NO_STAY: &str = "no_stay";

/// For how long a clip of a case is kept, before the case is filed.
pub const UNTIL_FILED: &str = "until_archivist_decides";

/// For how long a clip of no case is kept.
pub const UNLINKED: &str = "P6M";

/// Code of a remark about a clip of a filed case, of which the roster says something else than what was signed.
pub const UNLIKE_FILED: &str = "unlike_filed";

/// Whom remarks (`ORIGIN NAME: code`) suppose to have recorded, each name once, with the word of the origin that says so:
/// suggestions that wait for a person. Once somebody is known to have recorded, nobody is supposed any more.
pub fn supposed(notes: &[String], missing: &[impl AsRef<str>]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    if missing.iter().all(|m| m.as_ref() != "officer") {
        return found;
    }
    for note in notes {
        let Some((before, NO_STAY)) = note.rsplit_once(": ") else { continue };
        if let Some((origin, name)) = before.split_once(' ')
            && found.iter().all(|(_, known)| known != name)
        {
            found.push((origin.to_owned(), name.to_owned()));
        }
    }
    found
}

/// Which of the five are missing, in the order of the rule.
pub fn missing(settled: &BTreeMap<Field, Fact>, linked: bool) -> Vec<&'static str> {
    REQUIRED
        .into_iter()
        .filter(|name| match *name {
            "case_no" => !linked,
            name => !Field::parse(name).is_some_and(|f| settled.contains_key(&f)),
        })
        .collect()
}

/// Where a published value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// One of [`Origin`]'s words.
    pub origin: String,
    /// When it was said, RFC 3339.
    pub at: String,
}

/// A link to a case as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseLink {
    /// The number as displayed.
    pub case_no: String,
    /// The number as typed.
    pub case_no_raw: String,
    /// The key by which it is matched.
    pub case_key: String,
    /// Other numbers of the same case, as displayed.
    pub aliases: Vec<String>,
    /// `case`, `inspection`, `on_the_spot`, `unfiled`.
    pub kind: String,
    /// Part of the clip: begin, milliseconds from its start.
    pub from_ms: Option<i64>,
    /// End, milliseconds from its start.
    pub to_ms: Option<i64>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves in this case.
    pub proves: Option<String>,
    /// One of [`Origin`]'s words.
    pub origin: String,
    /// 0 to 100; 100 for a person's word.
    pub score: u32,
    /// Revision of the link.
    pub rev: u32,
    /// Version of the number rule that normalised it.
    pub rule_version: u32,
}

/// The part of a clip that is of a case, milliseconds from its start: begin, and end where it has one before the clip's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Begin.
    pub from_ms: i64,
    /// End; `None`: the clip's.
    pub to_ms: Option<i64>,
}

impl Part {
    /// As a link names it: `None` where it names no part.
    pub fn of(from_ms: Option<i64>, to_ms: Option<i64>) -> Option<Self> {
        (from_ms.is_some() || to_ms.is_some()).then(|| Self {
            from_ms: from_ms.unwrap_or(0).max(0),
            to_ms: to_ms.filter(|to| *to > from_ms.unwrap_or(0)),
        })
    }

    /// In an address: `t=90,120`, seconds ([`super::derived::parse_span`]).
    pub fn query(self) -> String {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        match self.to_ms {
            Some(to) => format!("t={},{}", seconds(self.from_ms), seconds(to)),
            None => format!("t={}", seconds(self.from_ms)),
        }
    }
}

impl Record {
    /// The part of it that is of the case with this number, as displayed; `None`: all of it.
    pub fn stretch_in(&self, case_no: &str) -> Option<Part> {
        let link = self.cases.iter().find(|l| l.case_no == case_no || l.aliases.iter().any(|a| a == case_no))?;
        Part::of(link.from_ms, link.to_ms)
    }
}

/// A place of the recorder's file that could not be read; our copy has zeros there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hole {
    /// Begin, bytes from the start of the clip.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl Hole {
    /// One past its last byte.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }

    /// Whether it has a byte in `[from, to)`.
    pub fn touches(&self, from: u64, to: u64) -> bool {
        self.offset < to && from < self.end()
    }
}

/// A copy at a destination as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Copy {
    /// The destination's name.
    pub destination: String,
    /// One of `domain::clip::Delivery`'s words.
    pub state: String,
    /// One of `domain::clip::ProofLevel`'s words.
    pub proof: Option<String>,
    /// Where it stands.
    pub object_uri: String,
    /// Version id.
    pub version_id: Option<String>,
    /// The checksum that was compared.
    pub cloud_checksum: Option<String>,
    /// When it was proven, RFC 3339.
    pub proven_at: Option<String>,
}

/// An officer as the register had them when capture began; where its first import came later, as that has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Registered {
    /// Revision of the register: the number of the import that says so.
    pub import: i64,
    /// When that was imported, RFC 3339.
    pub imported_at: String,
    /// Auxiliary staff (辅助人员), who hold no certificate.
    pub auxiliary: bool,
}

/// What only documents (文书) have, as published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PublishedDocument {
    /// `record`, `evidence`, `approval`, `notice`, `decision`, `service`, `other`.
    pub kind: String,
    /// By its own first bytes, never by its name.
    pub media_type: String,
}

/// The document, version 1. A field is its value, or null; why a required one is null stands in `missing`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Record {
    /// Version of this document.
    pub v: u32,
    /// Revision; the highest wins.
    pub annotation_rev: u32,
    /// The clip's id.
    pub record_id: String,
    /// The station that took it in.
    pub station_id: String,
    /// `seen`, `copying`, `sealed`, `sending`, `proven`, `released`.
    pub state: String,
    /// The number that matched, else the first of `cases`.
    pub case_no: Option<String>,
    /// As typed.
    pub case_no_raw: Option<String>,
    /// For matching.
    pub case_key: Option<String>,
    /// Every link that stands.
    pub cases: Vec<CaseLink>,
    /// Title.
    pub title: Option<String>,
    /// 无, 工作秘密, 商业秘密, 个人隐私, 未成年人.
    pub sensitivity: String,
    /// How long it is kept, in words.
    pub retention_period: Option<String>,
    /// Why.
    pub retention_basis: Option<String>,
    /// A hold stands.
    pub legal_hold: bool,
    /// 全宗号 of the case file that it was filed with; null before.
    pub fonds_no: Option<String>,
    /// 档号 of that file.
    pub archival_code: Option<String>,
    /// 年度 of that file.
    pub year: Option<i64>,
    /// Until when it is kept since then, RFC 3339; null while nobody filed it, and for what is kept for ever.
    pub retain_until: Option<String>,
    /// When it was disposed of after appraisal, RFC 3339: the station that took it in has its bytes no longer.
    pub disposed_at: Option<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Kind of enforcement.
    pub enforcement_kind: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// Party.
    pub party_ref: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
    /// RFC 3339 with offset.
    pub captured_start: Option<String>,
    /// RFC 3339 with offset.
    pub captured_end: Option<String>,
    /// As the recorder said it.
    pub captured_raw: Option<String>,
    /// The recorder's clock against the station's, where it could be estimated.
    pub clock_offset_ms: Option<i64>,
    /// Place.
    pub place: Option<String>,
    /// Degrees.
    pub lat: Option<String>,
    /// Degrees.
    pub lon: Option<String>,
    /// Datum.
    pub datum: Option<String>,
    /// Positions of the recorder in the order of time, `lat,lon lat,lon …`, at most 90, in the same datum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Certificate number: of those who hold one, by the register of officers as it was when capture began, else by whoever
    /// named the officer. Auxiliary staff have none.
    pub officer_cert_no: Option<String>,
    /// Who recorded, as the register of officers has them; null where it has nobody of that name or number, or several.
    pub officer_registered: Option<Registered>,
    /// Others present.
    pub co_officers: Option<String>,
    /// Agency.
    pub agency: Option<String>,
    /// The recorder.
    pub device_id: String,
    /// Recorder's model, by its profile.
    pub model: Option<String>,
    /// The file's name on the recorder, escaped.
    pub original_filename: String,
    /// Its path there, escaped.
    pub original_path: String,
    /// `clip`, or what else the recorder keeps beside clips: `sidecar`, `log`, `other`; `document` for what people filed.
    pub role: String,
    /// What only documents have; absent for recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<PublishedDocument>,
    /// `normal` or `marked`.
    pub device_marker: String,
    /// Container.
    pub container: Option<String>,
    /// Video codec.
    pub vcodec: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Audio codec.
    pub acodec: Option<String>,
    /// Channels.
    pub channels: Option<u32>,
    /// Samples a second.
    pub sample_rate: Option<u32>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// `whole`, `truncated`, `broken`, `not_media`; null until looked at.
    pub media_health: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// Hex.
    pub blake3: Option<String>,
    /// Hex.
    pub sha256: Option<String>,
    /// Hex; null where it was not asked for when the clip was sealed.
    pub sm3: Option<String>,
    /// Places that the recorder could not give; empty where the copy is whole.
    pub holes: Vec<Hole>,
    /// `sampled` where the copy went on from an earlier dock after samples of what it had were compared with the
    /// recorder's file; null where it was read in one go.
    pub resume_check: Option<String>,
    /// Where it stands in the recording of a live stream; null for clips of recorders with files.
    pub recording: Option<PublishedSegment>,
    /// What is missing in it or beside it, and clocks that were set meanwhile; empty for clips of recorders with files.
    pub gaps: Vec<PublishedGap>,
    /// Position in the log of the sealing event.
    pub sealed_log_index: Option<u64>,
    /// Where the first required copy stands.
    pub object_uri: Option<String>,
    /// Its version id.
    pub version_id: Option<String>,
    /// The checksum that was compared there.
    pub cloud_checksum: Option<String>,
    /// Every copy.
    pub copies: Vec<Copy>,
    /// RFC 3339.
    pub ingested_at: Option<String>,
    /// Who docked or ran the intake.
    pub operator: String,
    /// RFC 3339.
    pub uploaded_at: Option<String>,
    /// When the last copy on a recorder was erased by us, RFC 3339; null while one may still be on a recorder.
    pub erased_at: Option<String>,
    /// Why a required recording is missing.
    pub gap_reason: Option<String>,
    /// The clip that this one supersedes (the file grew).
    pub supersedes: Option<String>,
    /// What the rules found odd: roster rows that disagree, times that cannot be.
    pub notes: Vec<String>,
    /// Which of the five are missing.
    pub missing: Vec<String>,
    /// Field name to where its value came from.
    pub origins: BTreeMap<String, Provenance>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_clip_stands_in_an_address() {
        assert_eq!(Part::of(None, None), None);
        let query = |from, to| Part::of(from, to).map(Part::query);
        assert_eq!(query(Some(90_000), Some(3_723_500)).as_deref(), Some("t=90.000,3723.500"));
        assert_eq!(query(Some(1_005), None).as_deref(), Some("t=1.005"));
        assert_eq!(query(None, Some(2_000)).as_deref(), Some("t=0.000,2.000"));
        let read = query(Some(90_000), Some(120_000)).and_then(|q| crate::domain::derived::parse_span(&q[2..]));
        assert_eq!(read, Some((90_000, Some(120_000))));
    }

    fn fact(field: Field, value: &str, origin: Origin) -> Fact {
        Fact { field, value: value.into(), origin, at_ms: 0 }
    }

    #[test]
    fn whom_a_recorder_names_waits_until_somebody_is_known() {
        let notes = [
            "binding 张 三: no_stay",
            "file_name 张 三: no_stay",
            "file_name 110203: no_stay",
            "file_name 110204: whose_unknown",
            "file_name 20260619_100324: clock_jumped",
            "no_stay",
        ]
        .map(str::to_owned);
        let names = [("binding", "张 三"), ("file_name", "110203")].map(|(o, n)| (o.to_owned(), n.to_owned()));
        assert_eq!(supposed(&notes, &["place", "officer"]), names);
        assert_eq!(supposed(&notes, &["place"]), []);
    }

    #[test]
    fn the_strongest_origin_wins_and_its_latest_word_counts() {
        use {Field::*, Origin::*};
        let facts = vec![
            fact(Officer, "000000", FileName),
            fact(Officer, "甲", Roster),
            fact(Officer, "乙", Person),
            fact(Officer, "丙", Person),
        ];
        assert_eq!(settle(&facts)[&Officer].value, "丙");
        let withdrawn = [facts, vec![fact(Officer, "", Person)]].concat();
        assert_eq!(settle(&withdrawn)[&Officer].value, "甲", "a withdrawal falls back to the next origin");
    }

    #[test]
    fn the_five_are_counted_in_their_order() {
        use {Field::*, Origin::*};
        let settled = settle(&[fact(Place, "东关街", Roster), fact(CapturedStart, "x", FileName)]);
        assert_eq!(missing(&settled, false), ["case_no", "officer", "proves"]);
        assert_eq!(missing(&settled, true), ["officer", "proves"]);
    }

    #[test]
    fn the_document_survives_a_newer_writer() {
        let r: Record = serde_json::from_str(r#"{"v":1,"record_id":"x","a_future_field":1}"#).unwrap();
        assert_eq!(r.record_id, "x");
    }
}
