//! Recorders in the network that are pulled after the shift: what one lists, what of it is here, and what the daemon and
//! the workers that talk to such recorders say to each other (the serde forms are those workers' wire form).
//!
//! A *span* is a stretch of footage as the recorder's own list tells it. It is fetched as one recording
//! ([`super::stream`]), whose segments, each a clip, are measured against the span: what the list has and we have not is
//! missing, and said so.

use serde::{Deserialize, Serialize};

use super::ids::{ClipId, RecorderId, RecordingId};
use super::recorder::SourcePath;
use super::stream::{PublishedSpan, SegmentEnd, Trust};
use super::time::UtcMs;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every word.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+ };
}

words! {
    /// What became of a span.
    SpanState {
        /// It is to be fetched, from where its footage here ends.
        Waiting => "waiting",
        /// All of it is here.
        Whole => "whole",
        /// The recorder was asked often enough and gives no more of it than is here.
        Short => "short",
    }

    /// How a recorder counts the times of its footage.
    Timeline {
        /// By its wall clock, UTC.
        Clock => "clock",
        /// From the beginning of the footage (RFC 7826, 4.4.2 "normal play time"): nothing tells when that was.
        Npt => "npt",
    }
}

/// Most spans of one recorder that are believed: a year of recordings of a quarter of an hour would be 35,000, what a
/// recorder holds between two shifts are dozens.
pub const MAX_SPANS: usize = 4_000;
/// Longest name of a recording. ONVIF's ReferenceToken has 64 characters (onvif.xsd); plain ones are paths.
pub const MAX_ITEM_CHARS: usize = 128;
/// 2100-01-01: a recorder's clock beyond it is none.
pub const LATEST_MS: i64 = 4_102_444_800_000;
/// Lists are often kept in whole seconds, and footage begins with a key frame: what is missing at the edges of a span is
/// told from here on.
pub const EDGE_MS: i64 = 1_000;
/// Segments further apart than this have something missing between them.
pub const APART_MS: i64 = 250;
/// Tries at a span that bring nothing new before it counts as short.
pub const TRIES: u32 = 3;

/// A stretch of footage as its recorder lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// What the recorder calls the recording, escaped.
    pub item: String,
    /// Begin, by the recorder's clock: milliseconds since the Unix epoch, or since the footage's beginning.
    pub from_ms: i64,
    /// End, likewise.
    pub to_ms: i64,
    /// The recorder still writes to it; its end moves.
    pub grows: bool,
}

impl Span {
    /// How long it is.
    pub fn length_ms(&self) -> i64 {
        self.to_ms - self.from_ms
    }
}

/// Spans in order, each once, within bounds, overlapping ones of a recording joined; and how many were left out.
pub fn tidy(listed: Vec<Span>) -> (Vec<Span>, u64) {
    let all = listed.len();
    let mut spans: Vec<Span> = listed
        .into_iter()
        .map(|span| Span { item: bounded(&SourcePath::new(span.item.into_bytes()).to_text(), MAX_ITEM_CHARS), ..span })
        .filter(|s| !s.item.is_empty() && s.from_ms >= 0 && s.to_ms > s.from_ms && s.to_ms <= LATEST_MS)
        .collect();
    let mut left_out = (all - spans.len()) as u64;
    spans.sort_by(|a, b| (&a.item, a.from_ms, a.to_ms).cmp(&(&b.item, b.from_ms, b.to_ms)));
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.item == span.item && span.from_ms <= last.to_ms => {
                last.grows |= span.grows && span.to_ms >= last.to_ms;
                last.to_ms = last.to_ms.max(span.to_ms);
            }
            _ => joined.push(span),
        }
    }
    // Oldest first: a recorder writes over these first.
    joined.sort_by(|a, b| (a.from_ms, &a.item).cmp(&(b.from_ms, &b.item)));
    left_out += joined.len().saturating_sub(MAX_SPANS) as u64;
    joined.truncate(MAX_SPANS);
    (joined, left_out)
}

/// What is missing of a span of this length, given what is here; both from the span's begin, milliseconds. A recorder's
/// last frame may lie before the end that it lists: `ended` says that it was asked for more and had none. Where something
/// else cut off what is here, a frame may be missing in what is left, however little that is.
pub fn missing(length_ms: i64, have: &[(i64, i64)], ended: bool) -> Vec<(i64, i64)> {
    let mut have = have.to_vec();
    have.sort_unstable();
    let (mut missing, mut at, mut begun) = (Vec::new(), 0, false);
    for (from, to) in have.into_iter().filter(|(from, to)| to > from && *to > 0 && *from < length_ms) {
        let apart = if begun { APART_MS } else { EDGE_MS };
        if from - at > apart {
            missing.push((at, from.min(length_ms)));
        }
        (at, begun) = (at.max(to), true);
        if at >= length_ms {
            break;
        }
    }
    // Of a span that is shorter than an edge, something must be here all the same.
    if length_ms - at > if ended { EDGE_MS } else { 0 } || !begun {
        missing.push((at, length_ms));
    }
    missing.retain(|(from, to)| to > from);
    missing
}

/// What became of a segment's clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is sealed; what became of its copies afterwards is no matter of its recorder.
    Sealed,
    /// It grows, or sealing it failed: the next start tries that again.
    Unsealed,
    /// It is not what came, and cannot become so.
    Lost,
}

/// A segment of a span, as far as measuring it against the list needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The clip.
    pub clip: ClipId,
    /// Its first frame, milliseconds from the span's begin; negative where the recorder began with an earlier key frame.
    pub at_ms: i64,
    /// Its length.
    pub length_ms: i64,
    /// Why it ended; `None` while it grows.
    pub ended: Option<SegmentEnd>,
    /// Whether it is safe.
    pub kept: Kept,
}

/// A span as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSpan {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub recorder: RecorderId,
    /// As listed.
    pub span: Span,
    /// How its times are counted.
    pub timeline: Timeline,
    /// What became of it.
    pub state: SpanState,
    /// The recording in which its footage lies, once some was asked for.
    pub recording: Option<RecordingId>,
    /// Tries that brought nothing.
    pub tries: u32,
    /// Why nothing more came, in words.
    pub detail: Option<String>,
    /// What is here of it.
    pub held: Vec<Held>,
}

impl StoredSpan {
    /// What is missing of it. What is not sealed is not here (invariant 9).
    pub fn missing(&self) -> Vec<(i64, i64)> {
        let sealed = self.held.iter().filter(|h| h.kept == Kept::Sealed);
        let have: Vec<(i64, i64)> = sealed.clone().map(|h| (h.at_ms, h.at_ms + h.length_ms)).collect();
        let last = sealed.max_by_key(|h| h.at_ms + h.length_ms);
        let ended = last.is_some_and(|h| matches!(h.ended, Some(SegmentEnd::Whole | SegmentEnd::Short)));
        missing(self.span.length_ms(), &have, ended)
    }

    /// How much that is.
    pub fn missing_ms(&self) -> i64 {
        self.missing().iter().map(|(from, to)| to - from).sum()
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        format!("{} {}", self.span.item, self.place(self.span.from_ms))
    }

    /// A time of its timeline, as it stands in names.
    pub fn place(&self, at_ms: i64) -> String {
        match self.timeline {
            Timeline::Clock => stamp(at_ms),
            Timeline::Npt => format!("{}.{:03}s", at_ms.max(0) / 1000, at_ms.max(0) % 1000),
        }
    }

    /// What the record tells of it.
    pub fn published(&self, zone: &jiff::tz::TimeZone) -> PublishedSpan {
        let time = |ms: i64| (self.timeline == Timeline::Clock).then(|| UtcMs(ms).rfc3339_in(zone));
        PublishedSpan {
            item: self.span.item.clone(),
            start: time(self.span.from_ms),
            end: time(self.span.to_ms),
            length_ms: self.span.length_ms(),
            missing_ms: self.missing_ms(),
        }
    }
}

/// A time as it stands in names: `20260619T100324.500Z`.
pub fn stamp(ms: i64) -> String {
    UtcMs(ms).zoned(&jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}

/// What a recorder says it is; hostile text, bounded and printable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Who made it.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Firmware.
    pub firmware: String,
    /// Serial number.
    pub serial: String,
}

/// The recorder's clock and ours at one moment, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSeen {
    /// The recorder's.
    pub device_ms: i64,
    /// Ours, in the middle of asking.
    pub station_ms: i64,
}

impl ClockSeen {
    /// The recorder's clock minus the station's.
    pub fn offset_ms(self) -> i64 {
        self.device_ms.saturating_sub(self.station_ms)
    }
}

/// A character of any text of a recorder that may be shown and stored.
fn bounded(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

// -------------------------------------------------------------------------------------------------
// The workers' wire

/// The word after `evidock worker` for what asks recorders what they are and have.
pub const ASKER_KIND: &str = "recorder";
/// The word after `evidock worker` for what fetches footage.
pub const FETCHER_KIND: &str = "replay";

/// Where a recorder is reached, and as whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// `http`, `https` (an ONVIF device service), `rtsp` or `rtsps`, without user and password.
    pub url: String,
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Which certificates count.
    pub trust: Trust,
    /// An answer takes at most so long.
    pub patience_ms: u64,
}

// The password must not reach a log.
impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What an asker is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Ask a recorder what it is, what time it has, and (with `list`) what footage.
    Look {
        /// Where.
        door: Door,
        /// Its footage, too.
        list: bool,
    },
    /// Ask an ONVIF recorder where a recording is played.
    Address {
        /// Where.
        door: Door,
        /// Which recording, as the recorder calls it.
        item: String,
    },
    /// Ask who is there.
    Discover {
        /// Addresses of this box in the networks that may be asked, and those networks: `192.0.2.7`, `192.0.2.0/24`.
        networks: Vec<(std::net::Ipv4Addr, Network)>,
        /// Answers are waited for so long.
        wait_ms: u64,
    },
}

/// What an asker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Job::Look`].
    Looked(Box<Looked>),
    /// To [`Job::Address`]: an RTSP address at the same host.
    Address(String),
    /// To [`Job::Discover`].
    Found(Vec<Find>),
    /// It came to nothing.
    Failed {
        /// In words, of the recorder or the system: hostile text.
        words: String,
        /// Trying again makes no sense before somebody has done something.
        refused: bool,
    },
}

/// What a recorder said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// What it is.
    pub device: Device,
    /// What time it has.
    pub clock: Option<ClockSeen>,
    /// How it counts.
    pub timeline: Timeline,
    /// What it has.
    pub spans: Vec<Span>,
    /// Entries of its list that could not be read, or were too many.
    pub left_out: u64,
}

impl Answer {
    /// The same within bounds: the worker may have been taken over.
    pub fn bounded(self) -> Self {
        match self {
            Self::Looked(looked) => {
                let Looked { device: d, clock, timeline, spans, left_out } = *looked;
                let text = |t: &str| bounded(t.trim(), 64);
                let device = Device {
                    maker: text(&d.maker),
                    model: text(&d.model),
                    firmware: text(&d.firmware),
                    serial: text(&d.serial),
                };
                let clock = clock.map(|c| ClockSeen {
                    device_ms: c.device_ms.clamp(0, LATEST_MS),
                    station_ms: c.station_ms.clamp(0, LATEST_MS),
                });
                let (spans, more) = tidy(spans);
                Self::Looked(Box::new(Looked {
                    device,
                    clock,
                    timeline,
                    spans,
                    left_out: left_out.saturating_add(more),
                }))
            }
            Self::Address(url) => Self::Address(bounded(&url, 1_000)),
            Self::Found(finds) => Self::Found(
                finds
                    .into_iter()
                    .take(MAX_FINDS)
                    .map(|f| Find {
                        address: bounded(&f.address, 300),
                        endpoint: bounded(&f.endpoint, 100),
                        name: bounded(&f.name, 64),
                        hardware: bounded(&f.hardware, 64),
                    })
                    .collect(),
            ),
            Self::Failed { words, refused } => Self::Failed { words: bounded(&words, 300), refused },
        }
    }
}

/// Most recorders that one discovery tells of.
pub const MAX_FINDS: usize = 256;

/// A recorder that answered a discovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Find {
    /// Its device service: `http://192.0.2.9/onvif/device_service`.
    pub address: String,
    /// What it calls its endpoint, a `urn:uuid:`.
    pub endpoint: String,
    /// Its name, by its scopes.
    pub name: String,
    /// Its hardware, likewise.
    pub hardware: String,
}

/// What a fetcher is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// First, once.
    Fetch(Box<Fetch>),
    /// Give what is pending and end.
    Stop,
}

/// What to fetch. A fetcher tells with [`super::stream::Told`]; there `station_ms` of a begin is the recorder's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// An RTSP address, and as whom.
    pub door: Door,
    /// The recorder speaks ONVIF replay.
    pub onvif: bool,
    /// How times are counted.
    pub timeline: Timeline,
    /// From here, by the recorder's clock.
    pub from_ms: i64,
    /// Until here.
    pub to_ms: i64,
    /// A segment is cut at the first key frame after so long.
    pub segment_ms: u64,
    /// Silence of this length is a cut.
    pub silence_ms: u64,
}

// -------------------------------------------------------------------------------------------------

/// An IPv4 network: `192.0.2.0/24`. WS-Discovery of version 6 addresses is left to recorders' own addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network {
    base: std::net::Ipv4Addr,
    bits: u8,
}

impl Network {
    /// Reads it; whole bytes of hosts are not asked for, but a network as large as a tenth of the internet is a mistake.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let refused = "must be a network of version 4 with 8 to 32 bits, as \"192.0.2.0/24\"";
        let (base, bits) = text.trim().split_once('/').ok_or(refused)?;
        let (base, bits) = (base.parse().map_err(|_| refused)?, bits.parse().map_err(|_| refused)?);
        if !(8..=32).contains(&bits) {
            return Err(refused);
        }
        let network = Self { base, bits };
        Ok(Self { base: std::net::Ipv4Addr::from_bits(base.to_bits() & network.mask()), bits })
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0)
    }

    /// Whether an address lies in it.
    pub fn holds(self, address: std::net::Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.base.to_bits()
    }

    /// Some address in it that is not its own name.
    pub fn some_address(self) -> std::net::Ipv4Addr {
        std::net::Ipv4Addr::from_bits(self.base.to_bits() | u32::from(self.bits < 32))
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(item: &str, from_ms: i64, to_ms: i64) -> Span {
        Span { item: item.into(), from_ms, to_ms, grows: false }
    }

    #[test]
    fn a_list_is_put_in_order_and_what_cannot_be_is_counted() {
        let listed = vec![
            span("b", 5_000, 9_000),
            span("a", 7_000, 8_000),
            span("a", 1_000, 4_000),
            span("a", 3_000, 6_000),
            span("", 1, 2),
            span("c", 9, 9),
            span("d", -1, 9),
            span("e", 0, i64::MAX),
        ];
        let (spans, left_out) = tidy(listed);
        assert_eq!(spans, [span("a", 1_000, 6_000), span("b", 5_000, 9_000), span("a", 7_000, 8_000)]);
        assert_eq!(left_out, 4);
        let many = (0..MAX_SPANS as i64 + 7).map(|n| span("x", n * 10, n * 10 + 5)).collect();
        let (spans, left_out) = tidy(many);
        assert_eq!((spans.len(), left_out, spans[0].from_ms), (MAX_SPANS, 7, 0));
        assert_eq!(tidy(vec![span("a\nb\u{202e}", 0, 1)]).0[0].item, "a\\x0ab\\xe2\\x80\\xae");
    }

    #[test]
    fn what_the_list_has_and_we_have_not() {
        const MINUTE: i64 = 60_000;
        type Stretches = &'static [(i64, i64)];
        let table: &[(Stretches, Stretches)] = &[
            (&[], &[(0, MINUTE)]),
            (&[(0, MINUTE)], &[]),
            (&[(900, MINUTE - 900)], &[]),
            (&[(1_500, MINUTE)], &[(0, 1_500)]),
            (&[(-2_000, 40_000)], &[(40_000, MINUTE)]),
            (&[(0, 20_000), (20_040, MINUTE)], &[]),
            (&[(30_000, MINUTE), (0, 20_000)], &[(20_000, 30_000)]),
            (&[(0, 20_000), (18_000, 90_000)], &[]),
            (&[(0, 0)], &[(0, MINUTE)]),
        ];
        for (have, wanted) in table {
            assert_eq!(missing(MINUTE, have, true), *wanted, "{have:?}");
        }
        assert_eq!(missing(500, &[], true), [(0, 500)], "a span that is shorter than an edge");
        let cut_off = [(0, MINUTE - 480)];
        assert_eq!(missing(MINUTE, &cut_off, false), [(MINUTE - 480, MINUTE)], "the last frames may be in it");
        assert_eq!(missing(MINUTE, &[(0, MINUTE)], false), []);
    }

    #[test]
    fn what_is_not_sealed_is_missing() {
        let held = |at_ms, kept| Held {
            clip: ClipId::generate(1),
            at_ms,
            length_ms: 30_000,
            ended: Some(SegmentEnd::Whole),
            kept,
        };
        let mut stored = StoredSpan {
            id: 1,
            recorder: RecorderId::new("r").unwrap(),
            span: span("a", 1_000, 61_000),
            timeline: Timeline::Clock,
            state: SpanState::Waiting,
            recording: None,
            tries: 0,
            detail: None,
            held: vec![held(0, Kept::Sealed), held(30_000, Kept::Sealed)],
        };
        assert_eq!((stored.missing(), stored.missing_ms()), (vec![], 0));
        for kept in [Kept::Unsealed, Kept::Lost] {
            stored.held[1].kept = kept;
            assert_eq!(stored.missing(), [(30_000, 60_000)], "{kept:?}");
        }
        // Half a second before its end: the recorder had no more, or the power was cut.
        (stored.held[1].kept, stored.held[1].length_ms) = (Kept::Sealed, 29_500);
        assert_eq!(stored.missing(), []);
        stored.held[1].ended = Some(SegmentEnd::Interrupted);
        assert_eq!(stored.missing(), [(59_500, 60_000)]);
    }

    #[test]
    fn networks() {
        let network = Network::parse("192.0.2.77/24").unwrap();
        assert_eq!(network.to_string(), "192.0.2.0/24");
        assert!(network.holds([192, 0, 2, 255].into()) && !network.holds([192, 0, 3, 1].into()));
        assert_eq!(network.some_address(), std::net::Ipv4Addr::new(192, 0, 2, 1));
        assert!(Network::parse("127.0.0.1/32").unwrap().holds([127, 0, 0, 1].into()));
        for bad in ["", "192.0.2.0", "192.0.2.0/33", "0.0.0.0/0", "::1/128", "a/24", "192.0.2.0/x"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_worker_that_was_taken_over_is_bounded() {
        let long = "\u{1b}x".repeat(10_000);
        let looked = Looked {
            device: Device { maker: long.clone(), model: long.clone(), firmware: long.clone(), serial: long.clone() },
            clock: Some(ClockSeen { device_ms: i64::MAX, station_ms: i64::MIN }),
            timeline: Timeline::Clock,
            spans: vec![span(&long, 0, 1); 3],
            left_out: u64::MAX,
        };
        let Answer::Looked(looked) = Answer::Looked(Box::new(looked)).bounded() else { panic!() };
        assert_eq!(looked.device.serial, "x".repeat(64));
        assert_eq!(looked.clock.unwrap(), ClockSeen { device_ms: LATEST_MS, station_ms: 0 });
        assert_eq!((looked.spans.len(), looked.spans[0].item.chars().count()), (1, MAX_ITEM_CHARS));
        let find = Find { address: long.clone(), endpoint: long.clone(), name: long.clone(), hardware: long };
        let Answer::Found(finds) = Answer::Found(vec![find; 1_000]).bounded() else { panic!() };
        assert_eq!((finds.len(), finds[0].name.len()), (MAX_FINDS, 64));
    }

    #[test]
    fn a_password_is_not_printed() {
        let door = Door {
            url: "rtsp://a/".into(),
            user: Some("u".into()),
            password: Some("hunter2".into()),
            trust: Trust::Public,
            patience_ms: 1,
        };
        assert!(!format!("{:?}", Job::Look { door, list: true }).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn here_and_missing_make_the_whole(
            length in 1i64..100_000,
            have in proptest::collection::vec((-5_000i64..110_000, 0i64..50_000), 0..8),
        ) {
            let have: Vec<_> = have.into_iter().map(|(from, len)| (from, from + len)).collect();
            let gone = missing(length, &have, true);
            for pair in gone.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].0);
            }
            for (from, to) in &gone {
                prop_assert!(0 <= *from && from < to && *to <= length);
                prop_assert!(have.iter().all(|(a, b)| b <= a || b <= from || a >= to), "{have:?} has some of {from}..{to}");
            }
        }
    }
}
