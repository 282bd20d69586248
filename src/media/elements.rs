//! The GStreamer elements that a worker may use, and where Debian keeps them. Owns the list; nothing outside it is
//! ever chosen for hostile bytes, however many plug-ins a box has installed.

use gstreamer as gst;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

/// An element that is not installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingElement {
    /// GStreamer's name for it.
    pub element: String,
    /// The Debian package that brings it.
    pub package: String,
    /// What does not work without it.
    pub needed_for: String,
}

const CORE: &str = "libgstreamer1.0-0";
const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
const LIBAV: &str = "gstreamer1.0-libav";
const X: &str = "gstreamer1.0-x";

/// Element, package, what it is for.
const NEEDED: &[(&str, &str, &str)] = &[
    ("appsrc", BASE, "every file"),
    ("appsink", BASE, "thumbnails"),
    ("decodebin", BASE, "every file"),
    ("uridecodebin", BASE, "every file"),
    ("videoconvertscale", BASE, "thumbnails"),
    ("videoflip", GOOD, "upright thumbnails"),
    ("audioconvert", BASE, "previews"),
    ("audioresample", BASE, "previews"),
    ("queue", CORE, "previews"),
    ("vp8enc", GOOD, "previews"),
    ("opusenc", BASE, "previews"),
    ("webmmux", GOOD, "previews"),
    ("jpegenc", GOOD, "thumbnails"),
    ("qtdemux", GOOD, "MP4 and MOV"),
    ("avidemux", GOOD, "AVI"),
    ("matroskademux", GOOD, "MKV and WebM"),
    ("flvdemux", GOOD, "FLV"),
    ("wavparse", GOOD, "WAV"),
    ("id3demux", GOOD, "MP3"),
    ("mpegaudioparse", GOOD, "MP3"),
    ("aacparse", GOOD, "AAC"),
    ("flacparse", GOOD, "FLAC"),
    ("amrparse", GOOD, "AMR"),
    ("jpegdec", GOOD, "MJPEG and JPEG"),
    ("pngdec", GOOD, "PNG"),
    ("alawdec", GOOD, "G.711"),
    ("mulawdec", GOOD, "G.711"),
    ("oggdemux", BASE, "Ogg"),
    ("opusdec", BASE, "Opus"),
    ("vorbisdec", BASE, "Vorbis"),
    ("vp8dec", GOOD, "VP8"),
    ("vp9dec", GOOD, "VP9"),
    ("tsdemux", BAD, "MPEG-TS"),
    ("mpegpsdemux", BAD, "MPEG-PS"),
    ("h264parse", BAD, "H.264"),
    ("h265parse", BAD, "H.265"),
    ("mpegvideoparse", BAD, "MPEG-2"),
    ("mpeg4videoparse", BAD, "MPEG-4"),
    ("jpegparse", BAD, "JPEG"),
    ("avdec_h264", LIBAV, "H.264"),
    ("avdec_h265", LIBAV, "H.265"),
    ("avdec_mpeg4", LIBAV, "MPEG-4"),
    ("avdec_mpeg2video", LIBAV, "MPEG-2"),
    ("avdec_aac", LIBAV, "AAC"),
    ("avdec_mp3", LIBAV, "MP3"),
    ("avdec_bmp", LIBAV, "BMP"),
    ("avdec_amrnb", LIBAV, "AMR"),
    ("avdec_amrwb", LIBAV, "AMR"),
    ("adpcmdec", BAD, "ADPCM"),
    ("avdec_adpcm_ima_wav", LIBAV, "ADPCM"),
    ("avdec_adpcm_ms", LIBAV, "ADPCM"),
    ("avdec_flac", LIBAV, "FLAC"),
    ("avdec_ac3", LIBAV, "AC-3"),
];

/// What the recording of live streams needs. Never chosen by itself: pipelines name each of them.
const NEEDED_LIVE: &[(&str, &str, &str)] = &[
    ("rtspsrc", GOOD, "live streams"),
    ("rtpjitterbuffer", GOOD, "live streams"),
    ("rtpbin", GOOD, "live streams"),
    ("udpsrc", GOOD, "live streams over UDP"),
    ("rtph264depay", GOOD, "live H.264"),
    ("rtph265depay", GOOD, "live H.265"),
    ("rtpmp4gdepay", GOOD, "live AAC"),
    ("rtpmp4adepay", GOOD, "live AAC"),
    ("rtppcmadepay", GOOD, "live G.711"),
    ("rtppcmudepay", GOOD, "live G.711"),
    ("h264timestamper", BAD, "live H.264"),
    ("h265timestamper", BAD, "live H.265"),
];

/// What frame grabs, stretches and watermarked copies need. Never chosen by itself: pipelines name each of them.
const NEEDED_DERIVED: &[(&str, &str, &str)] = &[
    ("parsebin", BASE, "stretches of clips"),
    ("mp4mux", GOOD, "stretches of clips"),
    ("matroskamux", GOOD, "stretches of clips"),
    ("pngenc", GOOD, "frame grabs"),
    ("textoverlay", X, "watermarks"),
];

/// Which elements are not installed. Reads GStreamer's registry, no footage; so it may run outside a worker.
pub fn missing_elements() -> Vec<MissingElement> {
    if let Err(error) = gst::init() {
        tracing::warn!(%error, "GStreamer does not start");
    }
    NEEDED
        .iter()
        .chain(NEEDED_LIVE)
        .chain(NEEDED_DERIVED)
        .filter(|(element, ..)| gst::ElementFactory::find(element).is_none())
        .map(|(element, package, needed_for)| MissingElement {
            element: (*element).to_owned(),
            package: (*package).to_owned(),
            needed_for: (*needed_for).to_owned(),
        })
        .collect()
}

/// Takes everything that is not listed out of automatic choice, and loads what is listed, so that nothing has to be
/// read from disk once the sandbox stands. Hardware decoders go too: they need device nodes.
pub fn restrict() {
    let registry = gst::Registry::get();
    let automatic = gst::ElementFactoryType::DECODABLE | gst::ElementFactoryType::SRC | gst::ElementFactoryType::SINK;
    for factory in gst::ElementFactory::factories_with_type(automatic, gst::Rank::MARGINAL) {
        if !NEEDED.iter().any(|(element, ..)| factory.name() == *element) {
            factory.set_rank(gst::Rank::NONE);
        }
    }
    for (element, ..) in NEEDED.iter().chain(NEEDED_DERIVED) {
        if let Some(feature) = registry.find_feature(element, gst::ElementFactory::static_type()) {
            let _ = feature.load();
        }
    }
}
