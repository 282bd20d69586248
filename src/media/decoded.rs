//! A clip as decoded pictures and sound from any place in it, for whatever is derived of it. Owns the decoding pipeline
//! and its patience. Runs inside a worker; decodes hostile bytes.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::gst_source;
use super::structure::ReadAt;

/// Time to the first picture, and to the first one at another place.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// How far apart in the file pictures and the sound to them may stand, to be taken as they are.
const APART_BYTES: u32 = 64 << 20;

/// What is wanted of a clip.
pub struct Wanted {
    /// Elements and caps between a decoded picture and its sink; no pictures where it is `None`.
    pub pictures: Option<String>,
    /// The same for sound.
    pub sound: Option<String>,
    /// Threads of each decoder. Each more holds some pictures of full size.
    pub threads: u32,
    /// Words over the picture; for an element that is called [`MARK`] in `pictures`.
    pub mark: Option<String>,
}

/// The name of the element that writes words over pictures.
pub const MARK: &str = "mark";

/// That element. What it writes stands below, on a dark ground, so that it is read on every picture.
pub const OVERLAY: &str = " ! textoverlay name=mark shaded-background=true halignment=right valignment=bottom font-desc=\"Sans 12\" xpad=12 ypad=12";

/// A clip that can be decoded from any place.
pub struct Decoded {
    /// All of it.
    pub pipeline: gst::Pipeline,
    /// Pictures come here, where there are any.
    pub pictures: Option<AppSink>,
    /// Sound comes here, where there is any.
    pub sound: Option<AppSink>,
}

impl Decoded {
    /// Opens a clip and waits for its first picture or sound. `None`: neither can be had.
    pub fn open<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, wanted: &Wanted) -> Option<Self> {
        Self::prepared(file, wanted).inspect_err(|error| tracing::debug!(%error, "nothing can be decoded")).ok()?
    }

    fn prepared<F: ReadAt + Send + Sync + 'static>(
        file: Arc<F>,
        wanted: &Wanted,
    ) -> Result<Option<Self>, gst::glib::Error> {
        let pipeline = gst::parse::launch("appsrc name=source ! decodebin name=decode")?;
        let failed = |_| gst::glib::Error::new(gst::CoreError::Failed, "the pipeline is not as described");
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(failed)?;
        let missing = |name: &str| gst::glib::Error::new(gst::CoreError::MissingPlugin, name);
        let source = pipeline.by_name("source").ok_or_else(|| missing("appsrc"))?;
        gst_source::serve(&source.downcast::<AppSrc>().map_err(failed)?, file);
        let decode = pipeline.by_name("decode").ok_or_else(|| missing("decodebin"))?;
        let threads = wanted.threads.to_string();
        pipeline.connect_deep_element_added(move |_, _, element| {
            if element.has_property("max-threads") {
                element.set_property_from_str("max-threads", &threads);
            }
        });
        // What nobody wants is left as it is: less hostile data decoded.
        let (pictures, sound) = (wanted.pictures.is_some(), wanted.sound.is_some());
        decode.connect("autoplug-continue", false, move |values| {
            let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
            let wants = |caps: &gst::Caps| match caps.structure(0).map(|s| s.name()) {
                Some(name) if name.starts_with("audio/") => sound,
                Some(name) if name.starts_with("video/") || name.starts_with("image/") => {
                    pictures || is_container(name)
                }
                Some(name) => !name.starts_with("text/") && !name.starts_with("subpicture/"),
                None => true,
            };
            Some(caps.is_none_or(|caps| wants(&caps)).to_value())
        });
        let branches =
            [("video/x-raw", "pictures", wanted.pictures.clone()), ("audio/x-raw", "sound", wanted.sound.clone())];
        let mark = wanted.mark.clone();
        let weak = pipeline.downgrade();
        decode.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            let Some(caps) = pad.current_caps() else { return };
            let raw = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
            let fitting = branches.iter().find(|(media, ..)| raw == *media);
            if let Some((_, name, Some(through))) = fitting
                // The first track of each kind counts.
                && pipeline.by_name(name).is_none()
                && let Err(error) = branch(&pipeline, pad, name, through, mark.as_deref())
            {
                tracing::debug!(%error, "a track cannot be decoded");
            }
        });
        // Without any track no sink would ever be ready, and nobody would say so.
        let weak = pipeline.downgrade();
        decode.connect_no_more_pads(move |decode| {
            let any = weak.upgrade().is_some_and(|p| p.by_name("pictures").is_some() || p.by_name("sound").is_some());
            if !any {
                gst::element_error!(decode, gst::StreamError::WrongType, ["nothing that can be decoded in it"]);
            }
        });
        let mut opened = Self { pipeline, pictures: None, sound: None };
        let paused = opened.pipeline.set_state(gst::State::Paused);
        if paused.is_err() || !opened.is_ready() {
            return Ok(None);
        }
        let sink = |name| opened.pipeline.by_name(name).and_then(|e| e.downcast::<AppSink>().ok());
        (opened.pictures, opened.sound) = (sink("pictures"), sink("sound"));
        Ok((opened.pictures.is_some() || opened.sound.is_some()).then_some(opened))
    }

    /// Takes a clip apart up to its encoded tracks, one of pictures and one of sound, and waits until both are there.
    pub fn apart<F: ReadAt + Send + Sync + 'static>(file: Arc<F>) -> Option<Self> {
        let opened = Self::taken_apart(file);
        opened.inspect_err(|error| tracing::debug!(%error, "it cannot be taken apart")).ok()?
    }

    fn taken_apart<F: ReadAt + Send + Sync + 'static>(file: Arc<F>) -> Result<Option<Self>, gst::glib::Error> {
        let pipeline = gst::parse::launch("appsrc name=source ! parsebin name=parse")?;
        let failed = |_| gst::glib::Error::new(gst::CoreError::Failed, "the pipeline is not as described");
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(failed)?;
        let missing = |name: &str| gst::glib::Error::new(gst::CoreError::MissingPlugin, name);
        let source = pipeline.by_name("source").ok_or_else(|| missing("appsrc"))?;
        gst_source::serve(&source.downcast::<AppSrc>().map_err(failed)?, file);
        let parse = pipeline.by_name("parse").ok_or_else(|| missing("parsebin"))?;
        let weak = pipeline.downgrade();
        parse.connect_pad_added(move |parse, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            let Some(caps) = pad.current_caps().or_else(|| Some(pad.query_caps(None))) else { return };
            let Some((name, through)) = super::cut::in_order(&caps) else { return };
            if pipeline.by_name(name).is_some() {
                return;
            }
            let through = format!("queue max-size-buffers=0 max-size-time=0 max-size-bytes={APART_BYTES} ! {through}");
            // A track that is quietly left out would make another recording of it.
            if let Err(error) = branch(&pipeline, pad, name, &through, None) {
                tracing::debug!(%error, "a track cannot be taken as it is");
                gst::element_error!(parse, gst::StreamError::Format, ["a track cannot be taken as it is"]);
            }
        });
        let weak = pipeline.downgrade();
        parse.connect_no_more_pads(move |parse| {
            let any = weak.upgrade().is_some_and(|p| p.by_name("pictures").is_some() || p.by_name("sound").is_some());
            if !any {
                gst::element_error!(parse, gst::StreamError::WrongType, ["no track in it"]);
            }
        });
        let mut opened = Self { pipeline, pictures: None, sound: None };
        let paused = opened.pipeline.set_state(gst::State::Paused);
        if paused.is_err() || !opened.is_ready() {
            return Ok(None);
        }
        let sink = |name| opened.pipeline.by_name(name).and_then(|e| e.downcast::<AppSink>().ok());
        (opened.pictures, opened.sound) = (sink("pictures"), sink("sound"));
        Ok((opened.pictures.is_some() || opened.sound.is_some()).then_some(opened))
    }

    /// How long it says that it is.
    pub fn length(&self) -> Option<gst::ClockTime> {
        self.pipeline.query_duration::<gst::ClockTime>().filter(|length| !length.is_zero())
    }

    /// Goes to a place; what comes from then on lies between `from` and `to`, where `flags` ask for that.
    pub fn seek(&self, flags: gst::SeekFlags, from: gst::ClockTime, to: Option<gst::ClockTime>) -> bool {
        let (set, end) = (gst::SeekType::Set, if to.is_some() { gst::SeekType::Set } else { gst::SeekType::None });
        let sought = self.pipeline.seek(1.0, flags | gst::SeekFlags::FLUSH, set, from, end, to.unwrap_or_default());
        sought.is_ok() && self.is_ready()
    }

    /// Waits until every sink has something, or the end.
    fn is_ready(&self) -> bool {
        use gst::MessageView as M;
        let Some(bus) = self.pipeline.bus() else { return false };
        let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error];
        match bus.timed_pop_filtered(TIMEOUT, &kinds) {
            Some(message) => match message.view() {
                M::AsyncDone(_) => true,
                M::Error(error) => {
                    tracing::debug!(error = %error.error(), "it cannot be decoded");
                    false
                }
                _ => false,
            },
            None => false,
        }
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        // A pipeline that hangs here is the parent's to kill.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Puts a sink behind a decoded track.
fn branch(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    name: &str,
    through: &str,
    mark: Option<&str>,
) -> Result<(), gst::glib::Error> {
    // What goes in goes in at `entry`: words over the picture have an entry of their own, which stays open.
    let description = format!("identity name=entry ! {through} ! appsink name={name} sync=false max-buffers=4");
    let bin = gst::parse::bin_from_description(&description, false)?;
    let failed = |what: &str| gst::glib::Error::new(gst::CoreError::Negotiation, what);
    let entry = bin.by_name("entry").and_then(|e| e.static_pad("sink")).ok_or_else(|| failed("no entry"))?;
    let entry = gst::GhostPad::with_target(&entry).map_err(|e| failed(&e.to_string()))?;
    bin.add_pad(&entry).map_err(|e| failed(&e.to_string()))?;
    if let (Some(mark), Some(overlay)) = (mark, bin.by_name(MARK)) {
        // The element reads markup.
        overlay.set_property("text", gst::glib::markup_escape_text(mark).as_str());
    }
    pipeline.add(&bin).map_err(|e| failed(&e.to_string()))?;
    bin.sync_state_with_parent().map_err(|e| failed(&e.to_string()))?;
    pad.link(&entry).map_err(|e| failed(&e.to_string()))?;
    Ok(())
}

/// Media types that name a container although they begin like a picture's.
fn is_container(name: &str) -> bool {
    ["video/quicktime", "video/x-msvideo", "video/x-matroska", "video/webm", "video/mpegts", "video/x-flv", "video/x-cdxa"]
        .contains(&name)
        // A program stream and MPEG-1 video share a name; their own fields tell them apart later.
        || name == "video/mpeg"
}
