//! A stretch of a clip as its own key frames allow, its pictures and sound not encoded again: from the key frame at or
//! before the begin to the end. Into fragmented MP4 where its tracks have a place there, else into Matroska. Runs inside a
//! worker; parses hostile bytes. Never evidence (invariant 6).
//!
//! One pipeline takes the clip apart up to its encoded tracks, another one puts them together: so the place is found before
//! anything is written, and nothing that was written has to be taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::decoded::Decoded;
use super::preview::{Give, collect};
use super::structure::ReadAt;
use crate::domain::derivative::Form;

/// The end of a track is looked for so often.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// Longest wait for the first picture or sound of a place that was found.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// What came of it.
pub enum Cut {
    /// A file, of this form, from here to there in the clip, milliseconds.
    Made(Form, u64, u64),
    /// Its codecs or the order of its tracks do not allow it.
    Not,
    /// There is nothing at that place.
    Nothing,
}

/// Gives the file to `give`.
pub fn cut<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, from_ms: u64, to_ms: u64, give: Give<'_>) -> Cut {
    let Some(apart) = Decoded::apart(file) else { return Cut::Not };
    let ms = gst::ClockTime::from_mseconds;
    if apart.length().is_some_and(|length| ms(from_ms) >= length) {
        return Cut::Nothing;
    }
    if !apart.seek(gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE, ms(from_ms), Some(ms(to_ms))) {
        return Cut::Not;
    }
    let first = |sink: &Option<AppSink>| sink.as_ref()?.try_pull_preroll(PATIENCE);
    let (first_picture, first_sound) = (first(&apart.pictures), first(&apart.sound));
    let caps = |sample: &Option<gst::Sample>| sample.as_ref()?.caps().map(|caps| caps.to_owned());
    let (pictures, sound) = (caps(&first_picture), caps(&first_sound));
    for (sink, caps) in [(&apart.pictures, &pictures), (&apart.sound, &sound)] {
        if let (Some(sink), None) = (sink, caps) {
            // Only its end says that nothing is there; a full machine may be late.
            return if sink.is_eos() { Cut::Nothing } else { Cut::Not };
        }
    }
    // Pictures that are decoded in another order than they are shown begin before zero. MP4 in fragments can say so in an
    // edit list alone, which is not written there: they would come late for their sound.
    let buffer = first_picture.as_ref().and_then(|sample| sample.buffer());
    let in_order = buffer.is_none_or(|b| b.dts().is_none_or(|dts| b.pts().is_none_or(|pts| dts >= pts)));
    let form = if in_order { form_of(pictures.as_ref(), sound.as_ref()) } else { Form::Mkv };
    let note = |error: &gst::glib::Error| tracing::debug!(%error, "it cannot be cut as it is");
    let Ok(together) = Together::new(form, pictures, sound).inspect_err(note) else { return Cut::Not };
    let over = &AtomicBool::new(false);
    let span = &Span::default();
    let playing = together.pipeline.set_state(gst::State::Playing).is_ok()
        && apart.pipeline.set_state(gst::State::Playing).is_ok();
    if !playing {
        return Cut::Not;
    }
    let ended = std::thread::scope(|scope| {
        let tracks = [(&apart.pictures, &together.pictures), (&apart.sound, &together.sound)];
        // What it shows is told by its pictures; by its sound where there are none.
        let mut told = true;
        for (from, to) in tracks {
            if let (Some(from), Some(to)) = (from.clone(), to.clone()) {
                let told_by = std::mem::take(&mut told);
                scope.spawn(move || carry(&from, &to, over, told_by.then_some(span)));
            }
        }
        let ended = collect(&together.pipeline, &together.out, &apart.pipeline, over, give);
        over.store(true, Ordering::SeqCst);
        let _ = together.pipeline.set_state(gst::State::Null);
        ended
    });
    match (ended, span.told()) {
        (Some(()), Some((from, to))) => Cut::Made(form, from, to),
        (Some(()), None) => Cut::Nothing,
        (None, _) => Cut::Not,
    }
}

/// What a stretch really shows.
struct Span {
    from_ms: AtomicU64,
    to_ms: AtomicU64,
}

impl Default for Span {
    fn default() -> Self {
        Self { from_ms: AtomicU64::new(u64::MAX), to_ms: AtomicU64::new(0) }
    }
}

impl Span {
    fn see(&self, sample: &gst::Sample) {
        let seen = || {
            let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
            let buffer = sample.buffer()?;
            let begins = segment.to_stream_time(buffer.pts()?)?;
            Some((begins.mseconds(), (begins + buffer.duration().unwrap_or_default()).mseconds()))
        };
        if let Some((from, to)) = seen() {
            self.from_ms.fetch_min(from, Ordering::SeqCst);
            self.to_ms.fetch_max(to, Ordering::SeqCst);
        }
    }

    fn told(&self) -> Option<(u64, u64)> {
        let (from, to) = (self.from_ms.load(Ordering::SeqCst), self.to_ms.load(Ordering::SeqCst));
        (from <= to).then_some((from, to))
    }
}

/// One track, as it is.
fn carry(from: &AppSink, to: &AppSrc, over: &AtomicBool, span: Option<&Span>) {
    while !from.is_eos() && !over.load(Ordering::SeqCst) {
        let Some(sample) = from.try_pull_sample(LOOK) else { continue };
        if let Some(span) = span {
            span.see(&sample);
        }
        if to.push_sample(&sample).is_err() {
            return;
        }
    }
    let _ = to.end_of_stream();
}

/// MP4 for what every player expects in it; Matroska takes the rest.
fn form_of(pictures: Option<&gst::Caps>, sound: Option<&gst::Caps>) -> Form {
    let is = |caps: Option<&gst::Caps>, names: &[&str]| {
        caps.and_then(|c| c.structure(0)).is_none_or(|s| names.contains(&s.name().as_str()))
    };
    let aac = sound.and_then(|c| c.structure(0)).is_none_or(|s| s.get::<i32>("mpegversion").is_ok_and(|v| v == 4));
    if is(pictures, &["video/x-h264", "video/x-h265"]) && is(sound, &["audio/mpeg"]) && aac {
        Form::Mp4
    } else {
        Form::Mkv
    }
}

/// Puts encoded tracks together.
struct Together {
    pipeline: gst::Pipeline,
    pictures: Option<AppSrc>,
    sound: Option<AppSrc>,
    out: AppSink,
}

impl Together {
    fn new(form: Form, pictures: Option<gst::Caps>, sound: Option<gst::Caps>) -> Result<Self, gst::glib::Error> {
        let failed = |what: &str| gst::glib::Error::new(gst::CoreError::Failed, what);
        let mux = match form {
            Form::Mp4 => "mp4mux name=mux fragment-duration=2000 streamable=true",
            _ => "matroskamux name=mux streamable=true",
        };
        let description = format!("{mux} ! appsink name=out sync=false");
        let pipeline = gst::parse::launch(&description)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| failed("the muxer is not as described"))?;
        let mux = pipeline.by_name("mux").ok_or_else(|| failed("no muxer"))?;
        let out = pipeline.by_name("out").and_then(|e| e.downcast::<AppSink>().ok());
        let track = |caps: Option<gst::Caps>, pad: &str| -> Result<Option<AppSrc>, gst::glib::Error> {
            let Some(caps) = caps else { return Ok(None) };
            let source = AppSrc::builder()
                .caps(&caps)
                .format(gst::Format::Time)
                .block(true)
                .max_bytes(16 << 20)
                .handle_segment_change(true)
                .build();
            pipeline.add(&source).map_err(|e| failed(&e.to_string()))?;
            let from = source.static_pad("src").ok_or_else(|| failed("no pad"))?;
            let to = mux.request_pad_simple(pad).ok_or_else(|| failed("no place for the track"))?;
            from.link(&to).map_err(|e| failed(&e.to_string()))?;
            Ok(Some(source))
        };
        let (pictures, sound) = (track(pictures, "video_%u")?, track(sound, "audio_%u")?);
        Ok(Self { pictures, sound, out: out.ok_or_else(|| failed("the muxer has no end"))?, pipeline })
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // A pipeline that hangs here is the parent's to kill.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Elements between a parsed track and its sink: the form in which muxers take it.
pub(super) fn in_order(caps: &gst::Caps) -> Option<(&'static str, &'static str)> {
    let structure = caps.structure(0)?;
    let version = structure.get::<i32>("mpegversion").unwrap_or(0);
    // Room for tracks that lie far apart in the file.
    let (name, through) = match structure.name().as_str() {
        "video/x-h264" => ("pictures", "h264parse ! video/x-h264,stream-format=avc,alignment=au"),
        "video/x-h265" => ("pictures", "h265parse ! video/x-h265,stream-format=hvc1,alignment=au"),
        "video/mpeg" if version == 4 => ("pictures", "mpeg4videoparse"),
        "video/mpeg" => ("pictures", "mpegvideoparse"),
        name if name.starts_with("video/") || name == "image/jpeg" => ("pictures", "identity"),
        "audio/mpeg" if version == 1 => ("sound", "mpegaudioparse"),
        "audio/mpeg" => ("sound", "aacparse ! audio/mpeg,stream-format=raw"),
        name if name.starts_with("audio/") => ("sound", "identity"),
        _ => return None,
    };
    Some((name, through))
}
