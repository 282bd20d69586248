//! Jobs and answers as they travel between the daemon and a media worker. A worker that was taken over can send what
//! it likes: texts are bounded and made printable again on the daemon's side.

use serde::{Deserialize, Serialize};

use super::MissingElement;
use crate::domain::ports::{MediaFacts, MediaHealth};

/// What a worker is asked about the file that comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Its facts.
    Probe,
    /// A picture of it.
    Thumbnail {
        /// Longest side, pixels.
        width_px: u32,
    },
    /// A piece of a preview of a clip whose bytes the daemon reads.
    Preview {
        /// Length of the clip, bytes.
        size_bytes: u64,
        /// Which piece.
        piece: u32,
        /// Longest side of the picture, pixels.
        width_px: u32,
        /// Words over the picture.
        mark: Option<String>,
    },
    /// A contact sheet of a clip whose bytes the daemon reads.
    Sheet {
        /// Length of the clip, bytes.
        size_bytes: u64,
        /// Length of the clip in milliseconds, where it is known.
        clip_ms: Option<u64>,
    },
    /// One picture, as it is at a moment of a clip whose bytes the daemon reads.
    Still {
        /// Length of the clip, bytes.
        size_bytes: u64,
        /// The moment, milliseconds from its start.
        at_ms: u64,
        /// PNG instead of JPEG.
        png: bool,
        /// Words over the picture.
        mark: Option<String>,
    },
    /// A stretch of a clip whose bytes the daemon reads, from key frame to key frame, not encoded again.
    Cut {
        /// Length of the clip, bytes.
        size_bytes: u64,
        /// Begin, milliseconds from the clip's start.
        from_ms: u64,
        /// End, likewise.
        to_ms: u64,
    },
    /// A stretch of such a clip, or all of it, encoded again.
    Recode {
        /// Length of the clip, bytes.
        size_bytes: u64,
        /// Begin, milliseconds from the clip's start.
        from_ms: u64,
        /// End, likewise; without it the end of the clip.
        to_ms: Option<u64>,
        /// Words over the picture.
        mark: Option<String>,
    },
    /// No file: which elements are missing on this box.
    Elements,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// For [`Job::Probe`].
    Facts(Facts),
    /// The JPEG is the frame's body.
    Thumbnail,
    /// The WebM file is the frame's body.
    Preview {
        /// It has pictures.
        pictures: bool,
        /// It has sound.
        sound: bool,
        /// Length of the whole clip, milliseconds, where its container tells.
        clip_ms: Option<u64>,
    },
    /// The JPEG is the frame's body.
    Sheet,
    /// A file was made and given, stretch by stretch.
    Made {
        /// Which kind of file: a word of `domain::derivative::Form`.
        form: String,
        /// Where it really begins in the clip, milliseconds.
        from_ms: u64,
        /// Where it really ends, likewise.
        to_ms: u64,
    },
    /// What is in it cannot be cut without encoding it again.
    NotCut,
    /// There is no picture in it, or nothing at that place.
    NoPicture,
    /// For [`Job::Elements`].
    Elements(Vec<MissingElement>),
    /// A job about a file came without one.
    NoFile,
}

/// [`MediaFacts`] with JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // As in MediaFacts.
pub struct Facts {
    pub container: Option<String>,
    pub vcodec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fps_milli: Option<u32>,
    pub acodec: Option<String>,
    pub channels: Option<u32>,
    pub sample_rate: Option<u32>,
    pub duration_ms: Option<i64>,
    pub created_ms: Option<i64>,
    pub health: String,
    pub health_detail: Option<String>,
}

impl From<MediaFacts> for Facts {
    fn from(f: MediaFacts) -> Self {
        Self {
            container: f.container,
            vcodec: f.vcodec,
            width: f.width,
            height: f.height,
            fps_milli: f.fps_milli,
            acodec: f.acodec,
            channels: f.channels,
            sample_rate: f.sample_rate,
            duration_ms: f.duration_ms,
            created_ms: f.created_ms,
            health: f.health.as_str().to_owned(),
            health_detail: f.health_detail,
        }
    }
}

impl From<Facts> for MediaFacts {
    fn from(f: Facts) -> Self {
        let word = |text: Option<String>| text.map(|t| bounded(&t, 32)).filter(|t| !t.is_empty());
        Self {
            container: word(f.container),
            vcodec: word(f.vcodec),
            width: f.width,
            height: f.height,
            fps_milli: f.fps_milli,
            acodec: word(f.acodec),
            channels: f.channels,
            sample_rate: f.sample_rate,
            duration_ms: f.duration_ms.filter(|ms| *ms >= 0),
            created_ms: f.created_ms,
            // A word that is none of ours is no claim of wholeness.
            health: MediaHealth::parse(&f.health).unwrap_or(MediaHealth::Broken),
            health_detail: f.health_detail.map(|t| bounded(&t, 256)),
        }
    }
}

fn bounded(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_the_way() {
        let facts = MediaFacts {
            container: Some("mp4".to_owned()),
            width: Some(1920),
            duration_ms: Some(61_000),
            health: MediaHealth::Truncated,
            health_detail: Some("cut".to_owned()),
            ..MediaFacts::default()
        };
        let json = serde_json::to_string(&Facts::from(facts.clone())).unwrap();
        assert_eq!(MediaFacts::from(serde_json::from_str::<Facts>(&json).unwrap()), facts);
    }

    #[test]
    fn a_lying_worker_is_bounded() {
        let lie = Facts {
            container: Some("<\u{1b}".repeat(1000)),
            duration_ms: Some(-1),
            health: "perfect".to_owned(),
            health_detail: Some("x".repeat(100_000)),
            ..Facts::default()
        };
        let facts = MediaFacts::from(lie);
        assert_eq!(facts.container.unwrap(), "<".repeat(32));
        assert_eq!((facts.duration_ms, facts.health), (None, MediaHealth::Broken));
        assert_eq!(facts.health_detail.unwrap().len(), 256);
    }
}
