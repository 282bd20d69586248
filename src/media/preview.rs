//! A piece of a clip in a form that browsers play: VP8 and Opus in WebM, whatever the clip itself is. Runs inside a
//! worker; decodes hostile bytes. A derived picture, never evidence (invariant 6).
//!
//! A preview is cut into pieces of [`crate::domain::derived::PIECE_MS`], each a whole WebM file whose times begin at zero
//! where the piece begins. So any place of an hour's recording is there after one piece's work, and nothing is kept up
//! when the viewer goes.
//!
//! VP8 and Opus, because both are free of licence fees and their encoders (libvpx and libopus, BSD) come with the plug-ins
//! that are needed anyway (`good` and `base`). x264 is under the GPL and comes with `ugly`; OpenH264's patent licence
//! covers the builds of its maker only, which Debian's is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::decoded::{Decoded, OVERLAY, Wanted};
use super::structure::ReadAt;
use crate::runtime::clock::monotonic;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Begin in the clip.
    pub from_ms: u64,
    /// Length.
    pub length_ms: u64,
    /// How much before it decoding begins. Streams without an index are found a little too late.
    pub lead_ms: u64,
    /// Longest side of the picture, pixels.
    pub width_px: u32,
    /// Most bytes that are given.
    pub max_bytes: usize,
    /// Words over the picture.
    pub mark: Option<String>,
}

/// What comes.
#[derive(Debug)]
pub struct Made {
    /// The file.
    pub webm: Vec<u8>,
    /// It has pictures.
    pub pictures: bool,
    /// It has sound.
    pub sound: bool,
    /// Length of the whole clip, as its container has it, milliseconds.
    pub clip_ms: Option<u64>,
}

/// The end of a track, and errors, are looked for so often.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// A hole in the sound that is shorter is none.
const SHORTEST_SILENCE: gst::ClockTime = gst::ClockTime::from_mseconds(2);

/// How long the encoder may be silent, decoding included; the parent's patience is another matter.
const SILENCE: Duration = Duration::from_secs(20);

/// A piece has at most this many pictures a second on average; a file that claims a million is not encoded.
const PICTURES_PER_S: u64 = 120;

/// A piece of a clip; `None` where there is nothing to be shown.
pub fn piece<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, wanted: Piece) -> Option<Made> {
    let width = wanted.width_px.clamp(16, 1920);
    let overlay = if wanted.mark.is_some() { OVERLAY } else { "" };
    let decoded = Decoded::open(
        file,
        &Wanted {
            // Scaled before it is turned or encoded: only the decoder holds pictures of full size.
            pictures: Some(format!(
                "videoconvertscale ! video/x-raw,format=I420,pixel-aspect-ratio=1/1,width=[16,{width}],height=[16,{width}] \
                 ! videoflip video-direction=auto{overlay}"
            )),
            sound: Some(
                "audioconvert ! audioresample quality=2 ! audio/x-raw,format=S16LE,rate=48000,channels=[1,2],layout=interleaved"
                    .to_owned(),
            ),
            threads: 2,
            mark: wanted.mark.clone(),
        },
    )?;
    let clip_ms = decoded.length().map(gst::ClockTime::mseconds);
    let (from, to) = (wanted.from_ms, wanted.from_ms + wanted.length_ms);
    if clip_ms.is_some_and(|length| from >= length) {
        return None;
    }
    let ms = gst::ClockTime::from_mseconds;
    let lead_ms = wanted.lead_ms.min(from);
    if !decoded.seek(gst::SeekFlags::ACCURATE, ms(from - lead_ms), Some(ms(to))) {
        return None;
    }
    let (pictures, sound) = (decoded.pictures.is_some(), decoded.sound.is_some());
    let encoder = Encoder::new(pictures, sound, FOR_NOW).inspect_err(note).ok()?;
    let most = u32::try_from(wanted.length_ms * PICTURES_PER_S / 1000).unwrap_or(u32::MAX).max(1);
    let end = ms(clip_ms.map_or(to, |length| length.min(to)) - from);
    let mut webm = Vec::new();
    let mut keep = |bytes: &[u8]| {
        let fits = webm.len() + bytes.len() <= wanted.max_bytes;
        if fits {
            webm.extend_from_slice(bytes);
        }
        fits
    };
    carry(&decoded, &encoder, Stretch { lead: ms(lead_ms), end, most }, &mut keep)?;
    (!webm.is_empty()).then_some(Made { webm, pictures, sound, clip_ms })
}

/// What of the decoded goes to the encoder.
pub(super) struct Stretch {
    /// What comes before it.
    pub lead: gst::ClockTime,
    /// Where it ends, from its begin.
    pub end: gst::ClockTime,
    /// Most pictures of it.
    pub most: u32,
}

/// Carries a stretch from a decoder to an encoder; what comes of it goes to `give` up to its end, or until that wants no
/// more. `None` where nothing came, or it could not be encoded.
pub(super) fn carry(decoded: &Decoded, encoder: &Encoder, stretch: Stretch, give: Give<'_>) -> Option<()> {
    let Stretch { lead, end, most } = stretch;
    let track = |from: &Option<AppSink>, to: &Option<AppSrc>, most| {
        let (from, to) = (from.clone()?, to.clone()?);
        Some(Track { from, to, lead, end, most, made: AtomicU32::new(0) })
    };
    let shown = track(&decoded.pictures, &encoder.pictures, most);
    let heard = track(&decoded.sound, &encoder.sound, u32::MAX);
    encoder.pipeline.set_state(gst::State::Playing).ok()?;
    decoded.pipeline.set_state(gst::State::Playing).ok()?;
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        if let Some(track) = &shown {
            scope.spawn(move || track.pictures(over));
        }
        if let Some(track) = &heard {
            scope.spawn(move || track.sound(over));
        }
        let ended = collect(&encoder.pipeline, &encoder.out, &decoded.pipeline, over, give);
        over.store(true, Ordering::SeqCst);
        // Whoever still waits for room in it is let go.
        let _ = encoder.pipeline.set_state(gst::State::Null);
        ended
    })?;
    let made = |track: &Option<Track>| track.as_ref().is_some_and(|t| t.made.load(Ordering::SeqCst) > 0);
    (made(&shown) || made(&heard)).then_some(())
}

/// Takes what is made; `false` when it wants no more.
pub(super) type Give<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// Everything up to the end that comes out of an encoder or muxer, to `give`. What was decoded before an error is given.
/// Says in `over` that nothing more comes of whatever feeds it.
pub(super) fn collect(
    making: &gst::Pipeline,
    out: &AppSink,
    feeding: &gst::Pipeline,
    over: &AtomicBool,
    give: Give<'_>,
) -> Option<()> {
    let mut heard: Instant = monotonic();
    while !out.is_eos() {
        if let Some(sample) = out.try_pull_sample(LOOK) {
            let map = sample.buffer()?.map_readable().ok()?;
            if !give(&map) {
                return None;
            }
            heard = monotonic();
            continue;
        }
        if failure(making).inspect(note).is_some() || heard.elapsed() > SILENCE {
            return None;
        }
        // A decoder that failed tells no end any more.
        if failure(feeding).inspect(note).is_some() {
            over.store(true, Ordering::SeqCst);
        }
    }
    Some(())
}

/// How pictures are encoded that somebody waits for: the quickest of libvpx's real-time forms.
const FOR_NOW: &str =
    "deadline=1 cpu-used=8 threads=2 end-usage=cq cq-level=20 max-quantizer=56 target-bitrate=1500000";

/// How pictures are encoded that are kept: every detail that the picture has, at some tenth of real time's cost more.
pub(super) const TO_KEEP: &str =
    "deadline=1 cpu-used=5 threads=2 end-usage=cq cq-level=8 min-quantizer=2 max-quantizer=40 target-bitrate=12000000";

pub(super) struct Encoder {
    pipeline: gst::Pipeline,
    pictures: Option<AppSrc>,
    sound: Option<AppSrc>,
    out: AppSink,
}

impl Encoder {
    /// With or without either track; `how` pictures are encoded.
    pub(super) fn new(pictures: bool, sound: bool, how: &str) -> Result<Self, gst::glib::Error> {
        // Never waits for the other track: both come whole, in pieces of a few seconds.
        const SOURCE: &str = "format=time block=true max-bytes=16777216";
        let mut description =
            "webmmux name=mux streamable=true min-cluster-duration=500000000 ! appsink name=out sync=false".to_owned();
        if pictures {
            description.push_str(&format!(
                " appsrc name=pictures {SOURCE} ! vp8enc {how} keyframe-max-dist=60 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! mux."
            ));
        }
        if sound {
            description.push_str(&format!(
                " appsrc name=sound {SOURCE} ! opusenc bitrate=48000 complexity=3 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! mux."
            ));
        }
        let failed = |_| gst::glib::Error::new(gst::CoreError::Failed, "the encoder is not as described");
        let pipeline = gst::parse::launch(&description)?.downcast::<gst::Pipeline>().map_err(failed)?;
        let source = |name| pipeline.by_name(name).and_then(|e| e.downcast::<AppSrc>().ok());
        let out = pipeline.by_name("out").and_then(|e| e.downcast::<AppSink>().ok());
        let out = out.ok_or_else(|| gst::glib::Error::new(gst::CoreError::Failed, "the encoder has no end"))?;
        Ok(Self { pictures: source("pictures"), sound: source("sound"), out, pipeline })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // A pipeline that hangs here is the parent's to kill.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The way of one track to the encoder. Whoever carries it out asks for what comes: a sink that had its end before anybody
/// listened would never tell it.
struct Track {
    from: AppSink,
    to: AppSrc,
    /// What comes before the piece.
    lead: gst::ClockTime,
    /// Where the piece ends.
    end: gst::ClockTime,
    /// More buffers than this are let go, up to the end of the piece.
    most: u32,
    /// Buffers that went.
    made: AtomicU32,
}

impl Track {
    /// Gives what comes to the encoder, its times beginning at zero with the piece, up to the end of it or until it is
    /// `over`. A black picture where nothing came, since every piece must have the same tracks.
    fn pictures(&self, over: &AtomicBool) {
        self.each(over, |sample, at| self.give(sample, at));
        if self.made.load(Ordering::SeqCst) == 0
            && let Some(sample) = black()
        {
            let _ = self.give(&sample, gst::ClockTime::ZERO);
        }
        let _ = self.to.end_of_stream();
    }

    /// The same, with silence wherever nothing came: browsers play no further than the track that ends first.
    fn sound(&self, over: &AtomicBool) {
        let mut covered = gst::ClockTime::ZERO;
        self.each(over, |sample, at| {
            self.silence(covered, at)?;
            let lasts = sample.buffer().and_then(|b| b.duration()).unwrap_or_default();
            covered = covered.max(at + lasts);
            self.give(sample, at)
        });
        let _ = self.silence(covered, self.end);
        let _ = self.to.end_of_stream();
    }

    fn each(&self, over: &AtomicBool, mut give: impl FnMut(&gst::Sample, gst::ClockTime) -> Given) {
        while !self.from.is_eos() && !over.load(Ordering::SeqCst) {
            let Some(sample) = self.from.try_pull_sample(LOOK) else { continue };
            // Without a time it belongs nowhere; outside of the piece it belongs to another one.
            let Some(at) = self.place(&sample).filter(|at| *at < self.end) else { continue };
            if self.made.load(Ordering::SeqCst) >= self.most {
                continue;
            }
            self.made.fetch_add(1, Ordering::SeqCst);
            if give(&sample, at).is_err() {
                return;
            }
        }
    }

    fn place(&self, sample: &gst::Sample) -> Option<gst::ClockTime> {
        let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
        segment.to_running_time(sample.buffer()?.pts()?)?.checked_sub(self.lead)
    }

    fn give(&self, sample: &gst::Sample, at: gst::ClockTime) -> Given {
        let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
        if let Some(caps) = sample.caps()
            && self.to.caps().is_none_or(|known| !known.is_strictly_equal(caps))
        {
            self.to.set_caps(Some(&caps.to_owned()));
        }
        let mut timed = buffer.copy();
        {
            let timed = timed.make_mut();
            timed.set_pts(at);
            timed.set_dts(gst::ClockTime::NONE);
        }
        self.to.push_buffer(timed)
    }

    /// Silence from one place to another, in the form that the track has.
    fn silence(&self, from: gst::ClockTime, to: gst::ClockTime) -> Given {
        let missing = to.saturating_sub(from);
        if missing < SHORTEST_SILENCE {
            return Ok(gst::FlowSuccess::Ok);
        }
        let caps = self.to.caps().unwrap_or_else(|| {
            gst::Caps::builder("audio/x-raw")
                .field("format", "S16LE")
                .field("rate", 48_000)
                .field("channels", 1)
                .field("layout", "interleaved")
                .build()
        });
        let channels = caps.structure(0).and_then(|s| s.get::<i32>("channels").ok()).unwrap_or(1);
        let samples = missing.mseconds() as usize * 48;
        let sample = filled(&caps, vec![0; samples * 2 * usize::try_from(channels).unwrap_or(1)], missing);
        sample.map_or(Ok(gst::FlowSuccess::Ok), |sample| self.give(&sample, from))
    }
}

type Given = Result<gst::FlowSuccess, gst::FlowError>;

/// One small black picture at the beginning.
fn black() -> Option<gst::Sample> {
    const WIDTH: usize = 160;
    const HEIGHT: usize = 90;
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", WIDTH as i32)
        .field("height", HEIGHT as i32)
        .field("framerate", gst::Fraction::new(0, 1))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build();
    let mut bytes = vec![16; WIDTH * HEIGHT];
    bytes.resize(WIDTH * HEIGHT * 3 / 2, 128);
    filled(&caps, bytes, gst::ClockTime::from_mseconds(40))
}

fn filled(caps: &gst::Caps, bytes: Vec<u8>, lasts: gst::ClockTime) -> Option<gst::Sample> {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    {
        let buffer = buffer.get_mut()?;
        buffer.set_pts(gst::ClockTime::ZERO);
        buffer.set_duration(lasts);
    }
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    Some(gst::Sample::builder().buffer(&buffer).caps(caps).segment(&segment).build())
}

/// The error that a pipeline has told, if one.
fn failure(pipeline: &gst::Pipeline) -> Option<gst::glib::Error> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error()),
        _ => None,
    }
}

fn note(error: &gst::glib::Error) {
    tracing::debug!(%error, "no preview of this piece");
}
