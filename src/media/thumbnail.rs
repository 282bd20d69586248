//! One small picture of a clip: the first key frame that decodes at or before a tenth of it, or the first of all.
//! Runs inside a worker; decodes hostile bytes. A derived picture, never evidence (invariant 6).

use std::fs::File;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::gst_source;
use super::probe;
use super::sniff::Kind;
use super::structure::{self, Opened};

/// Time for each of the two pictures.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(7);

/// Shorter clips show their first frame.
const SEEK_FROM: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// A JPEG of at most `width_px` by `width_px`; `None` where no picture can be had.
pub fn thumbnail(file: File, width_px: u32) -> Option<Vec<u8>> {
    let (file, kind) = probe::open(file).ok()?;
    let kind = kind?;
    if kind.is_sound_only() {
        return None;
    }
    let picture = Picture::new(file, kind, width_px.clamp(16, 1920)).inspect_err(note).ok()?;
    picture.pipeline.set_state(gst::State::Paused).ok()?;
    let first = picture.decoded()?;
    let length = picture.pipeline.query_duration::<gst::ClockTime>().filter(|d| !kind.is_still() && *d >= SEEK_FROM);
    let later = length.and_then(|length| {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        picture.pipeline.seek_simple(flags, length / 10).ok()?;
        picture.decoded()
    });
    Some(later.unwrap_or(first))
}

struct Picture {
    pipeline: gst::Pipeline,
    sink: AppSink,
}

impl Picture {
    fn new(file: Arc<Opened>, kind: Kind, width_px: u32) -> Result<Self, gst::glib::Error> {
        let bitmap = if kind == Kind::Bmp { structure::bmp_size(&*file).ok().flatten() } else { None };
        let decoder = match bitmap {
            // A bitmap has no parser: it goes to its decoder in one piece, with its size told beforehand.
            Some((width, height)) => {
                format!("image/bmp,width={width},height={height},framerate=0/1,pixel-aspect-ratio=1/1 ! avdec_bmp !")
            }
            None => "decodebin name=decode".to_owned(),
        };
        // Scaled before it is turned or encoded: only the decoder ever holds a frame of full size.
        let description = format!(
            "appsrc name=source ! {decoder} videoconvertscale name=scale ! \
             video/x-raw,format=I420,pixel-aspect-ratio=1/1,width=[1,{width_px}],height=[1,{width_px}] ! \
             videoflip video-direction=auto ! jpegenc quality=80 ! appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&description)?;
        let failed = |_| gst::glib::Error::new(gst::CoreError::Failed, "the thumbnail pipeline is not as described");
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(failed)?;
        let named = |name: &str| {
            let missing = || gst::glib::Error::new(gst::CoreError::MissingPlugin, name);
            pipeline.by_name(name).ok_or_else(missing)
        };
        let sink = named("sink")?.downcast::<AppSink>().map_err(failed)?;
        let source = named("source")?.downcast::<AppSrc>().map_err(failed)?;
        if bitmap.is_some() {
            gst_source::serve_in_one(&source, file);
            return Ok(Self { pipeline, sink });
        }
        gst_source::serve(&source, file);

        // Frame threads would fill their pipe with frames, and memory, before the first one comes out.
        pipeline.connect_deep_element_added(|_, _, element| {
            if element.has_property("max-threads") {
                element.set_property_from_str("max-threads", "1");
            }
        });
        let (decode, scale) = (named("decode")?, named("scale")?);
        // Sound is left as it is: less hostile data decoded.
        decode.connect("autoplug-continue", false, |values| {
            let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
            Some(caps.is_none_or(|caps| !begins_with(&caps, "audio/")).to_value())
        });
        let target = scale.static_pad("sink");
        decode.connect_pad_added(move |_, pad| {
            let raw = pad.current_caps().is_some_and(|caps| begins_with(&caps, "video/x-raw"));
            if let Some(target) = target.as_ref().filter(|target| raw && !target.is_linked()) {
                let _ = pad.link(target);
            }
        });
        // Without a picture the sink would be waited for in vain.
        decode.connect_no_more_pads(move |decode| {
            if scale.static_pad("sink").is_some_and(|pad| !pad.is_linked()) {
                gst::element_error!(decode, gst::StreamError::WrongType, ["no picture in it"]);
            }
        });
        Ok(Self { pipeline, sink })
    }

    /// Waits until the pipeline has a frame, and takes it.
    fn decoded(&self) -> Option<Vec<u8>> {
        use gst::MessageView as M;
        let bus = self.pipeline.bus()?;
        let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error, gst::MessageType::Eos];
        match bus.timed_pop_filtered(TIMEOUT, &kinds)?.view() {
            M::AsyncDone(_) => {}
            M::Error(error) => {
                note(&error.error());
                return None;
            }
            _ => return None,
        }
        let sample = self.sink.try_pull_preroll(gst::ClockTime::ZERO)?;
        let bytes = sample.buffer()?.map_readable().ok()?.as_slice().to_vec();
        (!bytes.is_empty()).then_some(bytes)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // A pipeline that hangs here is the parent's to kill.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn begins_with(caps: &gst::Caps, prefix: &str) -> bool {
    caps.structure(0).is_some_and(|s| s.name().starts_with(prefix))
}

fn note(error: &gst::glib::Error) {
    tracing::debug!(%error, "no thumbnail");
}
