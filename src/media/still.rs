//! One picture of a clip, in full size, as it is at a moment: the last one that begins at or before it. Runs inside a
//! worker; decodes hostile bytes. A derived picture, never evidence (invariant 6).

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::decoded::{Decoded, OVERLAY, Wanted};
use super::structure::ReadAt;
use crate::runtime::clock::monotonic;

/// So much before the moment decoding is looked at: an accurate seek tells a picture that was on at its place by the
/// place, not by its own time; seen from before, each has its own.
const BEFORE_MS: u64 = 1_000;

/// Nobody waits longer for the picture, once it is decoded from the place on.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for.
pub struct Still {
    /// The moment, milliseconds from the clip's start.
    pub at_ms: u64,
    /// How much before a place decoding begins, in streams without an index.
    pub lead_ms: u64,
    /// PNG instead of JPEG.
    pub png: bool,
    /// Words over the picture.
    pub mark: Option<String>,
}

/// The picture and its own time in milliseconds; `None` where there is none.
pub fn still<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, wanted: &Still) -> Option<(Vec<u8>, u64)> {
    let overlay = if wanted.mark.is_some() { OVERLAY } else { "" };
    let decoded = Decoded::open(
        file,
        &Wanted {
            pictures: Some(format!(
                "videoconvertscale ! video/x-raw,format=I420,pixel-aspect-ratio=1/1 ! videoflip video-direction=auto{overlay}"
            )),
            sound: None,
            threads: 2,
            mark: wanted.mark.clone(),
        },
    )?;
    let ms = gst::ClockTime::from_mseconds;
    let at = ms(wanted.at_ms);
    if decoded.length().is_some_and(|length| at >= length) {
        return None;
    }
    let from = wanted.at_ms.saturating_sub(BEFORE_MS.max(wanted.lead_ms));
    if !decoded.seek(gst::SeekFlags::ACCURATE, ms(from), None) {
        return None;
    }
    let sink = decoded.pictures.as_ref()?;
    decoded.pipeline.set_state(gst::State::Playing).ok()?;
    let begun = monotonic();
    let mut on: Option<(gst::Sample, gst::ClockTime)> = None;
    while !sink.is_eos() && begun.elapsed() < PATIENCE {
        let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(50)) else { continue };
        let Some(begins) = place(&sample) else { continue };
        // The first one of all is on before its time, too: nothing else is.
        if begins > at && on.is_some() {
            break;
        }
        let late = begins > at;
        on = Some((sample, begins));
        if late {
            break;
        }
    }
    let (sample, begins) = on?;
    drop(decoded);
    Some((picture(&sample, wanted.png)?, begins.mseconds()))
}

/// Where in the clip a picture begins.
fn place(sample: &gst::Sample) -> Option<gst::ClockTime> {
    sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_stream_time(sample.buffer()?.pts()?)
}

fn picture(sample: &gst::Sample, png: bool) -> Option<Vec<u8>> {
    let encoder = if png {
        "video/x-raw,format=RGB ! pngenc compression-level=6"
    } else {
        "video/x-raw,format=I420 ! jpegenc quality=95"
    };
    let description =
        format!("appsrc name=source format=time ! videoconvertscale ! {encoder} ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&description).ok()?.downcast::<gst::Pipeline>().ok()?;
    let source = pipeline.by_name("source")?.downcast::<AppSrc>().ok()?;
    let sink = pipeline.by_name("sink")?.downcast::<AppSink>().ok()?;
    pipeline.set_state(gst::State::Playing).ok()?;
    source.set_caps(sample.caps().map(|caps| caps.to_owned()).as_ref());
    let pushed = source.push_buffer(sample.buffer_owned()?).and_then(|_| source.end_of_stream());
    let made = pushed.ok().and_then(|_| sink.try_pull_sample(gst::ClockTime::from_seconds(20)));
    let bytes = made.as_ref().and_then(|s| s.buffer()).and_then(|b| b.map_readable().ok()).map(|b| b.to_vec());
    let _ = pipeline.set_state(gst::State::Null);
    bytes.filter(|b| !b.is_empty())
}
