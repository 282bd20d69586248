//! Live streams: recordings, their segments and what is missing in them; and what the daemon and the worker of a stream
//! say to each other (the serde forms are that worker's wire form, one frame each, media bytes as the frame's body).
//!
//! A *recording* is what somebody, a schedule or the configuration asked for. It lies in *segments*, each a clip, in
//! order. A *gap* is footage that should be inside a segment and is not, or a jump of a clock; what is missing between
//! two segments follows from their times and from why the earlier one ended.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{RecordingId, StreamName};

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
    /// How RTP travels.
    Transport {
        /// Inside the RTSP connection: nothing is lost that the connection does not lose.
        Tcp => "tcp",
        /// Datagrams: what the network loses is missing, and told.
        Udp => "udp",
    }

    /// Who asked for a recording.
    Cause {
        /// A person.
        Person => "person",
        /// The schedule of the configuration.
        Schedule => "schedule",
        /// The configuration records this stream always.
        Always => "always",
        /// It was recorded elsewhere, and is fetched from a recorder in the network.
        Pull => "pull",
    }

    /// Why a recording ended.
    RecordingEnd {
        /// A person stopped it.
        Stopped => "stopped",
        /// Another one began on the same stream.
        Replaced => "replaced",
        /// The schedule's time is over.
        Schedule => "schedule",
        /// The stream is no longer in the configuration, or is no longer recorded by itself.
        Unconfigured => "unconfigured",
        /// Everything that the recorder lists of it was fetched.
        Whole => "whole",
        /// The recorder gives no more of it, and lists more.
        Short => "short",
    }

    /// Why a segment ended.
    SegmentEnd {
        /// It was long enough; the next one goes on with the next frame.
        Length => "length",
        /// The recording ended, or another one began.
        Asked => "asked",
        /// The camera changed its encoding or its times; a file holds one of each.
        Changed => "changed",
        /// The connection ended.
        Lost => "lost",
        /// The connection stood and nothing came.
        Silent => "silent",
        /// The station was stopped in order.
        Stopped => "stopped",
        /// The station or its worker was killed; what stood on the disk was sealed at the next start.
        Interrupted => "interrupted",
        /// The worker that reads the stream failed.
        Failed => "failed",
        /// The station's disk was full.
        Full => "full",
        /// It reaches to the end of what the recorder lists.
        Whole => "whole",
        /// The recorder ended before the end of what it lists.
        Short => "short",
    }

    /// What a gap is.
    GapKind {
        /// RTP packets that never came.
        Loss => "loss",
        /// The camera's frames stand further apart than they should, and no packet is missing.
        Skip => "skip",
        /// The camera's clock was set.
        SourceClock => "source_clock",
        /// The station's clock was set.
        StationClock => "station_clock",
        /// Between the request and the first frame.
        Start => "start",
        /// Between two segments.
        Between => "between",
        /// Between the last frame and the end of the recording.
        End => "end",
        /// Footage that the segment before has, too: fetching went on with the key frame before.
        Again => "again",
    }
}

/// Footage that is missing inside a segment, or a clock that jumped in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What.
    pub kind: GapKind,
    /// Begin, milliseconds from the segment's first frame.
    pub from_ms: i64,
    /// End, likewise; the same as the begin for a jump.
    pub to_ms: i64,
    /// How much is missing in it; of a clock, how far it was set (negative: back).
    pub missing_ms: i64,
    /// Packets lost, frames left out, or jumps.
    pub count: u64,
}

/// A gap as published: absolute times of the station's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedGap {
    /// One of [`GapKind`]'s words.
    pub kind: String,
    /// Begin, RFC 3339.
    pub start: String,
    /// End, RFC 3339.
    pub end: String,
    /// Milliseconds from the clip's first frame; null where the gap lies outside the clip.
    pub from_ms: Option<i64>,
    /// How much is missing in it, milliseconds; of a clock, how far it was set (negative: back).
    pub missing_ms: i64,
    /// Packets lost, frames left out, jumps; 0 where nobody can count.
    pub count: u64,
    /// Why, where that is known: one of [`SegmentEnd`]'s words.
    pub reason: Option<String>,
}

/// Where a clip stands in a recording, as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedSegment {
    /// The recording.
    pub recording_id: String,
    /// Which segment of it, from 1, without holes.
    pub segment_no: u32,
    /// The segment before.
    pub previous: Option<String>,
    /// The segment after, once there is one.
    pub next: Option<String>,
    /// The stream's name in the configuration.
    pub stream: String,
    /// The room, as people call it.
    pub room: String,
    /// One of [`Cause`]'s words.
    pub cause: String,
    /// When the recording was begun, RFC 3339.
    pub begun_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// The station's clock at the first frame, RFC 3339.
    pub station_start: String,
    /// The camera's own clock at the first frame, by its RTCP sender reports; null where it sends none.
    pub source_start: Option<String>,
    /// Why the segment ended: one of [`SegmentEnd`]'s words.
    pub ended: Option<String>,
    /// The same in words, where somebody said more.
    pub ended_detail: Option<String>,
    /// Of footage that was fetched from a recorder: what that lists of the whole recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed: Option<PublishedSpan>,
}

/// What a recorder lists of a recording, beside what is here of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedSpan {
    /// What the recorder calls it.
    pub item: String,
    /// Begin by the recorder's clock, RFC 3339; null where it counts from the beginning of the footage.
    pub start: Option<String>,
    /// End, likewise.
    pub end: Option<String>,
    /// How long it is, milliseconds.
    pub length_ms: i64,
    /// How much of it is not here.
    pub missing_ms: i64,
}

/// A recording that is wanted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub recording: RecordingId,
    /// Of which stream.
    pub stream: StreamName,
}

/// How a segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStart {
    /// Of which recording.
    pub recording: RecordingId,
    /// The station's clock at its first frame, milliseconds since the Unix epoch. Of footage that is fetched, the time
    /// that it would have shown by what the recorder's clock is off.
    pub station_ms: i64,
}

/// How far a segment has come; the latest word counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentReach {
    /// From its first frame to the end of its last.
    pub length_ms: i64,
    /// The camera's clock at its first frame, once known.
    pub source_ms: Option<i64>,
}

// -------------------------------------------------------------------------------------------------
// The worker's wire

/// The word after `evidock worker`.
pub const WORKER_KIND: &str = "stream";
/// Names the environment variable with the TCP port that a worker may reach; it is needed before the sandbox is shut.
pub const PORT_VARIABLE: &str = "EVIDOCK_STREAM_PORT";

/// What the daemon tells a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// First, once: connect and record.
    Open(Box<Source>),
    /// Begin another segment at the next key frame.
    Cut,
    /// Give what is pending and end.
    Stop,
}

/// What to connect to, and how.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `rtsp://` or `rtsps://`, without user and password.
    pub url: String,
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// How RTP travels.
    pub transport: Transport,
    /// Which certificates count.
    pub trust: Trust,
    /// A segment is cut at the first key frame after so long; 0 never.
    pub segment_ms: u64,
    /// Silence of this length ends the connection.
    pub silence_ms: u64,
}

// The password must not reach a log.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("url", &self.url).field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Which certificates of an `rtsps` source count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Those of the public authorities that the system knows.
    Public,
    /// Also those of these authorities, PEM.
    Authorities(String),
    /// The one with this SHA-256 of its DER form, hex, whoever signed it.
    Pinned(String),
}

/// A track of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// `video`, `audio`, `application`.
    pub media: String,
    /// As RTP names it: `H264`, `PCMA`.
    pub encoding: String,
    /// It is recorded; else evidock cannot keep this encoding.
    pub kept: bool,
}

/// Figures of a connection since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Media bytes.
    pub bytes: u64,
    /// Packets that came.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Pictures.
    pub frames: u64,
    /// Milliseconds between the last two key frames.
    pub key_every_ms: u64,
    /// The station's clock when the last key frame came, milliseconds since the Unix epoch.
    pub key_ms: Option<i64>,
    /// The camera's clock minus the station's, once it has told it.
    pub clock_offset_ms: Option<i64>,
    /// Picture, pixels.
    pub width: u32,
    /// Picture, pixels.
    pub height: u32,
}

/// What a worker tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The source answered and offers these.
    Tracks(Vec<Track>),
    /// A segment begins; the body is its beginning, with the first frames.
    Begin {
        /// The station's clock at its first frame, milliseconds since the Unix epoch.
        station_ms: i64,
        /// How far the body reaches, milliseconds from its first frame.
        length_ms: i64,
        /// The camera's clock at its first frame, once known.
        source_ms: Option<i64>,
    },
    /// The body goes on with the segment.
    More {
        /// How far it reaches now, milliseconds from its first frame.
        length_ms: i64,
        /// The camera's clock at its first frame, once known.
        source_ms: Option<i64>,
    },
    /// Something is missing in the segment that is open, or a clock jumped.
    Gap(Gap),
    /// The segment is whole.
    End(SegmentEnd),
    /// Figures, each second.
    Pulse(Pulse),
    /// The body is one key frame as a file of its own, to make a still picture of.
    Still,
    /// The last word: why the connection ended.
    Closed {
        /// In a word.
        why: SegmentEnd,
        /// In words, of the camera or the library: hostile text.
        words: String,
        /// Trying again makes no sense before somebody has done something.
        refused: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for word in GapKind::WORDS {
            assert_eq!(GapKind::parse(word).unwrap().as_str(), *word);
        }
        for word in SegmentEnd::WORDS {
            assert_eq!(SegmentEnd::parse(word).unwrap().as_str(), *word);
        }
        assert_eq!(Cause::parse("nobody"), None);
    }

    #[test]
    fn a_password_is_not_printed() {
        let source = Source {
            url: "rtsp://a/b".into(),
            user: Some("u".into()),
            password: Some("hunter2".into()),
            transport: Transport::Tcp,
            trust: Trust::Public,
            segment_ms: 1,
            silence_ms: 1,
        };
        assert!(!format!("{:?}", Tell::Open(Box::new(source))).contains("hunter2"));
    }
}
