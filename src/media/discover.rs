//! Facts of every kind of file that is not MP4, from GStreamer's Discoverer, and the short words for codecs. Runs
//! inside a worker. Discoverer calls cut files fine; whether a file is whole is judged in [`super::structure`].

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_pbutils::prelude::*;
use gstreamer_pbutils::{Discoverer, DiscovererStreamInfo};

use super::gst_source;
use super::structure::Opened;
use crate::domain::ports::MediaFacts;

/// Time for one file: far more than any takes on a slow box, less than the parent's patience.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Facts; health is not judged here. The error says in words why there are none.
pub fn discover(file: &Arc<Opened>) -> Result<MediaFacts, String> {
    let discoverer = Discoverer::new(TIMEOUT).map_err(|e| e.to_string())?;
    let served = Arc::clone(file);
    discoverer.connect_source_setup(move |_, source| {
        if let Some(source) = source.downcast_ref::<AppSrc>() {
            gst_source::serve(source, Arc::clone(&served));
        }
    });
    let info = match discoverer.discover_uri("appsrc://") {
        Ok(info) => info,
        // The container is understood, a codec is not: no reason to call the file broken.
        Err(e) if e.matches(gst::CoreError::MissingPlugin) => return Ok(MediaFacts::default()),
        Err(e) => return Err(e.message().to_owned()),
    };
    let mut facts = MediaFacts::default();
    if let Some(video) = info.video_streams().first() {
        facts.vcodec = codec(video.upcast_ref());
        facts.width = Some(video.width()).filter(|w| *w > 0);
        facts.height = Some(video.height()).filter(|h| *h > 0);
        facts.fps_milli = fps_milli(video.framerate());
    }
    if let Some(audio) = info.audio_streams().first() {
        facts.acodec = codec(audio.upcast_ref());
        facts.channels = Some(audio.channels()).filter(|c| *c > 0);
        facts.sample_rate = Some(audio.sample_rate()).filter(|r| *r > 0);
    }
    facts.duration_ms = info.duration().and_then(|d| i64::try_from(d.mseconds()).ok()).filter(|ms| *ms > 0);
    if facts.vcodec.is_none() && facts.acodec.is_none() {
        return Err("no picture and no sound were found in it".to_owned());
    }
    Ok(facts)
}

fn fps_milli(rate: gst::Fraction) -> Option<u32> {
    let (frames, seconds) = (u64::try_from(rate.numer()).ok()?, u64::try_from(rate.denom()).ok()?);
    u32::try_from((frames * 1000).checked_div(seconds)?).ok().filter(|f| *f > 0)
}

fn codec(stream: &DiscovererStreamInfo) -> Option<String> {
    let caps = stream.caps()?;
    let structure = caps.structure(0)?;
    Some(codec_word(structure.name(), structure.get("mpegversion").ok(), structure.get("layer").ok()))
}

/// The short word for a GStreamer media type. An unknown type keeps its own name, bounded.
fn codec_word(media_type: &str, mpeg_version: Option<i32>, layer: Option<i32>) -> String {
    let word = match (media_type, mpeg_version, layer) {
        ("video/x-h264", ..) => "h264",
        ("video/x-h265", ..) => "h265",
        ("image/jpeg", ..) => "mjpeg",
        ("image/bmp", ..) => "bmp",
        ("video/mpeg", Some(4), _) | ("video/x-divx", ..) => "mpeg4",
        ("video/mpeg", Some(1), _) => "mpeg1",
        ("video/mpeg", ..) => "mpeg2",
        ("audio/mpeg", Some(2 | 4), _) => "aac",
        ("audio/mpeg", _, Some(3)) => "mp3",
        ("audio/mpeg", ..) => "mp2",
        // A WAV of plain samples is its own only stream.
        ("audio/x-raw" | "audio/x-wav", ..) => "pcm",
        ("audio/x-mulaw", ..) => "ulaw",
        ("audio/AMR", ..) => "amr",
        ("audio/AMR-WB", ..) => "amrwb",
        _ => {
            let bare = media_type.rsplit('/').next().unwrap_or_default();
            let bare = bare.strip_prefix("x-").unwrap_or(bare);
            return bare.chars().filter(char::is_ascii_graphic).take(24).collect::<String>().to_ascii_lowercase();
        }
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let table = [
            ("video/x-h264", None, None, "h264"),
            ("image/jpeg", None, None, "mjpeg"),
            ("image/png", None, None, "png"),
            ("video/mpeg", Some(4), None, "mpeg4"),
            ("video/mpeg", Some(2), None, "mpeg2"),
            ("audio/mpeg", Some(1), Some(3), "mp3"),
            ("audio/mpeg", Some(1), Some(2), "mp2"),
            ("audio/mpeg", Some(4), None, "aac"),
            ("audio/x-alaw", None, None, "alaw"),
            ("audio/x-mulaw", None, None, "ulaw"),
            ("audio/x-raw", None, None, "pcm"),
            ("audio/x-wav", None, None, "pcm"),
            ("audio/x-adpcm", None, None, "adpcm"),
            ("video/x-an-endless\u{7}-name-that-somebody-chose", None, None, "an-endless-name-that-som"),
        ];
        for (media_type, version, layer, want) in table {
            assert_eq!(codec_word(media_type, version, layer), want);
        }
    }

    #[test]
    fn rates() {
        let table = [((25, 1), Some(25_000)), ((30_000, 1001), Some(29_970)), ((0, 1), None), ((-1, 1), None)];
        for ((numer, denom), want) in table {
            assert_eq!(fps_milli(gst::Fraction::new(numer, denom)), want);
        }
    }
}
