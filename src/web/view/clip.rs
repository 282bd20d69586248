//! One clip: its record, its copies, and what happened to it.

use crate::domain::clip::{ClipState, Local, SightingState};
use crate::domain::document::is_picture;
use crate::domain::event::{Actor, EventKind};
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::looks::tells_who_looked;
use crate::domain::record::{Field, Origin, Record};
use crate::domain::time::UtcMs;
use crate::store::Suggestion;

/// Everything on the page of a clip.
#[derive(Debug, Clone)]
pub struct ClipView {
    /// The clip.
    pub id: ClipId,
    /// Its record as `find --json` and the API give it.
    pub record: Record,
    /// The projected state.
    pub state: ClipState,
    /// How much is copied or sent, where that is under way.
    pub percent: Option<u8>,
    /// The local copy; `None` while the file is only listed.
    pub local: Option<Local>,
    /// Why it is under quarantine.
    pub quarantine: Option<String>,
    /// Why it is isolated as suspected classified.
    pub isolated: Option<String>,
    /// Why a delivery stopped, per destination name.
    pub failures: Vec<(String, String)>,
    /// Destinations on the vault's own device, by name.
    pub same_device: Vec<String>,
    /// Where it was seen.
    pub sightings: Vec<SightingView>,
    /// Its entries in the log, newest first: a page of them.
    pub custody: Vec<CustodyEntry>,
    /// Where older entries begin, if there are any: all of them stand below this one.
    pub custody_next: Option<u64>,
    /// Other cases that its outing suggests beside the one that it has: told, and nobody's work.
    pub hints: Vec<Suggestion>,
}

/// Entries of the log on a page of a clip's custody.
pub const CUSTODY_PAGE: u32 = 200;

impl ClipView {
    /// Shows these entries, of which one more was read than a page has.
    pub fn show_custody(&mut self, mut entries: Vec<CustodyEntry>) {
        let more = entries.len() > CUSTODY_PAGE as usize;
        entries.truncate(CUSTODY_PAGE as usize);
        self.custody_next = entries.last().filter(|_| more).map(|e| e.seq);
        self.custody = entries;
    }
}

/// One sighting of a clip on a recorder.
#[derive(Debug, Clone)]
pub struct SightingView {
    /// The recorder.
    pub recorder: String,
    /// The bay.
    pub bay: String,
    /// Its path there, escaped.
    pub path: String,
    /// The facet.
    pub state: SightingState,
    /// When it was last seen.
    pub at: UtcMs,
}

/// One entry of the log about this clip.
#[derive(Debug, Clone)]
pub struct CustodyEntry {
    /// Position in the log.
    pub seq: u64,
    /// Wall clock.
    pub at: UtcMs,
    /// What happened.
    pub kind: EventKind,
    /// Who.
    pub actor: Actor,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
    /// The destination, recorder or case that it names.
    pub place: Option<String>,
    /// What else it says (a reason, a kind), opened for whoever may see it.
    pub detail: Option<String>,
    /// Facts that it says, opened likewise.
    pub facts: Vec<FactSaid>,
    /// Of a link, why a rule made or withdrew it: told in place of `detail`.
    pub grounds: Option<Grounds>,
}

/// A fact that an entry of the log says of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactSaid {
    /// Which.
    pub field: Field,
    /// Where it came from.
    pub origin: Origin,
    /// What it is from there on; empty where what had been said was withdrawn.
    pub value: String,
}

impl CustodyEntry {
    /// As it is shown to who does not see to keeping: without the reason of a hold or an isolation.
    pub fn without_keeping(&mut self) {
        if matches!(self.kind, EventKind::Hold | EventKind::Isolated | EventKind::IsolationLifted) {
            self.detail = None;
        }
    }

    /// Whether it tells that somebody else than `who` looked. What the daemon does by itself is nobody's look.
    pub fn is_look_of_another(&self, who: &Actor) -> bool {
        tells_who_looked(self.kind) && self.actor != *who && self.actor != Actor::daemon()
    }
}

/// An entry with its proof.
#[derive(Debug, Clone)]
pub struct ProofView {
    /// In words' reach.
    pub entry: CustodyEntry,
    /// The stored bytes, which are text.
    pub event: String,
    /// Their leaf hash, hex.
    pub leaf: String,
    /// The proof (`domain::proof`); `None` while no checkpoint covers the entry.
    pub proof: Option<String>,
    /// Entries below the checkpoint to which it leads.
    pub size: Option<u64>,
    /// Names of the witnesses that signed that checkpoint.
    pub cosigned: Vec<String>,
}

/// What the player can do with a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playable {
    /// A browser plays it.
    Video,
    /// A browser plays it; there is no picture.
    Audio,
    /// It is a picture.
    Picture,
    /// Sound or picture that browsers do not decode; a preview of it can be derived.
    Preview,
    /// The same, and nothing can be derived of it.
    NotHere,
    /// No media.
    NotMedia,
    /// Nothing local to play yet.
    NotYet,
    /// Nothing local any more, and no copy elsewhere that can be had.
    Gone,
    /// Isolated: nobody sees it.
    Isolated,
    /// Nobody has looked at it yet; the browser may try.
    Unknown,
}

impl Playable {
    /// Whether the page shows something of the footage itself.
    pub fn shows(self) -> bool {
        matches!(self, Self::Video | Self::Audio | Self::Picture | Self::Preview | Self::Unknown)
    }
}

/// Pictures and sound that a worker decodes and browsers may not (`media::elements` has the decoders).
const DECODED_PICTURES: [&str; 9] = ["h264", "h265", "mjpeg", "mpeg4", "mpeg2", "mpeg1", "vp8", "vp9", "jpeg"];
const DECODED_SOUND: [&str; 14] =
    ["aac", "mp3", "mp2", "pcm", "alaw", "ulaw", "adpcm", "amr", "amrwb", "ac3", "opus", "vorbis", "flac", "raw"];

impl ClipView {
    /// What the player can do with it. Browsers play H.264 with AAC or MP3 in MP4, VP8 to AV1 in WebM, and the usual sound
    /// files; H.265 would play sound without a picture, MJPEG in AVI is refused, and G.711 plays in some and not in others.
    /// Of what decoders are there for (`media::elements`) a preview is derived.
    pub fn playable(&self) -> Playable {
        match self.local {
            _ if self.isolated.is_some() => return Playable::Isolated,
            None | Some(Local::Copying) => return Playable::NotYet,
            Some(_) if !self.has_bytes() => return Playable::Gone,
            Some(_) => {}
        }
        let r = &self.record;
        if let Some(document) = &r.document {
            return if is_picture(&document.media_type) { Playable::Picture } else { Playable::NotMedia };
        }
        if r.media_health.is_none() {
            return Playable::Unknown;
        }
        let sound_plays = matches!(r.acodec.as_deref(), None | Some("aac" | "mp3" | "opus" | "vorbis" | "flac"));
        match (r.container.as_deref(), r.vcodec.as_deref()) {
            (Some("jpeg" | "png" | "webp" | "gif" | "bmp"), _) => Playable::Picture,
            (Some("mp4" | "mov"), Some("h264" | "av1" | "vp9")) if sound_plays => Playable::Video,
            (Some("webm" | "mkv"), Some("vp8" | "vp9" | "av1" | "h264")) if sound_plays => Playable::Video,
            (Some("wav"), None) if r.acodec.as_deref() == Some("pcm") => Playable::Audio,
            (Some("mp4" | "m4a" | "mov" | "mp3" | "aac" | "ogg" | "webm" | "flac"), None) if sound_plays => {
                Playable::Audio
            }
            (None, None) if r.media_health.as_deref() == Some("not_media") => Playable::NotMedia,
            (Some(_), Some(vcodec)) if DECODED_PICTURES.contains(&vcodec) => Playable::Preview,
            (Some(_), _) if r.acodec.as_deref().is_some_and(|codec| DECODED_SOUND.contains(&codec)) => {
                Playable::Preview
            }
            _ => Playable::NotHere,
        }
    }

    /// Whether moving pictures or sound of it can be shown in some way.
    pub fn has_footage(&self) -> bool {
        matches!(self.playable(), Playable::Video | Playable::Audio | Playable::Preview | Playable::Unknown)
    }

    /// The copy that is read while there is none here.
    pub fn read_from(&self) -> Option<&str> {
        let evicted = self.local == Some(Local::Evicted);
        let of = |state: &str| self.record.copies.iter().find(|c| c.state == state).map(|c| c.destination.as_str());
        evicted.then(|| of("proven").or_else(|| of("suspect"))).flatten()
    }

    /// Whether its bytes can be had: here, or from a copy elsewhere. Whether that copy is good shows when it is read.
    pub fn has_bytes(&self) -> bool {
        let elsewhere = || self.record.copies.iter().any(|c| matches!(c.state.as_str(), "proven" | "suspect"));
        match self.local {
            _ if self.isolated.is_some() => false,
            None | Some(Local::Copying) => false,
            Some(Local::Sealed | Local::Damaged) => true,
            Some(Local::Evicted) => elsewhere(),
        }
    }

    /// Whether a copy at `destination` is on the vault's own device.
    pub fn is_same_device(&self, destination: &str) -> bool {
        self.same_device.iter().any(|d| d == destination)
    }

    /// Why the delivery to `destination` stopped.
    pub fn failure(&self, destination: &str) -> Option<&str> {
        self.failures.iter().find(|(d, _)| d == destination).map(|(_, why)| why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(local: Option<Local>, container: Option<&str>, vcodec: Option<&str>, health: Option<&str>) -> Playable {
        let record = Record {
            container: container.map(Into::into),
            vcodec: vcodec.map(Into::into),
            media_health: health.map(Into::into),
            ..Record::default()
        };
        of_record(record, local).playable()
    }

    fn of_record(record: Record, local: Option<Local>) -> ClipView {
        ClipView {
            id: ClipId::generate(0),
            record,
            state: ClipState::Sealed,
            percent: None,
            local,
            quarantine: None,
            isolated: None,
            failures: vec![],
            same_device: vec![],
            sightings: vec![],
            custody: vec![],
            hints: vec![],
            custody_next: None,
        }
    }

    #[test]
    fn browsers_are_not_promised_what_they_cannot_do() {
        let sealed = Some(Local::Sealed);
        assert_eq!(view(sealed, Some("mp4"), Some("h264"), Some("whole")), Playable::Video);
        assert_eq!(view(sealed, Some("mp4"), Some("h265"), Some("whole")), Playable::Preview);
        assert_eq!(view(sealed, Some("avi"), Some("mjpeg"), Some("whole")), Playable::Preview);
        assert_eq!(view(sealed, Some("mpegts"), Some("h264"), Some("truncated")), Playable::Preview);
        assert_eq!(view(sealed, Some("mp4"), Some("prores"), Some("whole")), Playable::NotHere);
        assert_eq!(view(sealed, Some("mp4"), None, Some("whole")), Playable::Audio);
        assert_eq!(view(sealed, None, None, Some("not_media")), Playable::NotMedia);
        assert_eq!(view(sealed, None, None, None), Playable::Unknown);
        assert_eq!(view(None, None, None, None), Playable::NotYet);
        assert_eq!(view(Some(Local::Evicted), Some("mp4"), Some("h264"), Some("whole")), Playable::Gone);
    }

    #[test]
    fn sound_that_only_some_browsers_play_is_previewed() {
        let with = |container: &str, vcodec: Option<&str>, acodec: &str| {
            let record = Record {
                container: Some(container.into()),
                vcodec: vcodec.map(Into::into),
                acodec: Some(acodec.into()),
                media_health: Some("whole".into()),
                ..Record::default()
            };
            ClipView { record, ..of_record(Record::default(), Some(Local::Sealed)) }.playable()
        };
        assert_eq!(with("mp4", Some("h264"), "aac"), Playable::Video);
        assert_eq!(with("mp4", Some("h264"), "alaw"), Playable::Preview);
        assert_eq!(with("wav", None, "pcm"), Playable::Audio);
        assert_eq!(with("wav", None, "ulaw"), Playable::Preview);
        assert_eq!(with("wav", None, "adpcm"), Playable::Preview);
    }

    #[test]
    fn what_went_is_played_from_elsewhere_and_what_is_isolated_from_nowhere() {
        let copy = |state: &str| crate::domain::record::Copy {
            destination: "cloud".into(),
            state: state.into(),
            proof: None,
            object_uri: String::new(),
            version_id: None,
            cloud_checksum: None,
            proven_at: None,
        };
        let evicted = |state: &str, isolated: Option<&str>| {
            let record = Record {
                container: Some("mp4".into()),
                vcodec: Some("h264".into()),
                media_health: Some("whole".into()),
                copies: vec![copy(state)],
                ..Record::default()
            };
            ClipView {
                state: ClipState::Proven,
                isolated: isolated.map(Into::into),
                ..of_record(record, Some(Local::Evicted))
            }
        };
        assert_eq!(evicted("proven", None).playable(), Playable::Video);
        assert_eq!(evicted("proven", None).read_from(), Some("cloud"));
        assert_eq!(evicted("waiting", None).playable(), Playable::Gone);
        let isolated = evicted("proven", Some("maps"));
        assert!(isolated.playable() == Playable::Isolated && !isolated.has_bytes());
    }
}
