//! A stretch of a clip, or all of it, encoded again in full size: exact to the picture, or with words over it. VP8 and Opus
//! in WebM, for the reasons that [`super::preview`] has. Runs inside a worker; decodes hostile bytes. Never evidence
//! (invariant 6).

use std::sync::Arc;

use gstreamer as gst;

use super::decoded::{Decoded, OVERLAY, Wanted};
use super::preview::{self, Encoder, Give, Stretch, TO_KEEP};
use super::structure::ReadAt;

/// A second of it has at most this many pictures on average; a file that claims a million is not encoded.
const PICTURES_PER_S: u64 = 120;

/// What is asked for.
pub struct Recode {
    /// Begin in the clip.
    pub from_ms: u64,
    /// End in it; without it the end of the clip.
    pub to_ms: Option<u64>,
    /// How much before the begin decoding begins, in streams without an index.
    pub lead_ms: u64,
    /// Words over the picture.
    pub mark: Option<String>,
}

/// Gives the file to `give`; the stretch that it really shows, milliseconds of the clip. `None` where nothing came of it.
pub fn recode<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, wanted: &Recode, give: Give<'_>) -> Option<(u64, u64)> {
    let overlay = if wanted.mark.is_some() { OVERLAY } else { "" };
    let decoded = Decoded::open(
        file,
        &Wanted {
            // VP8 has no picture of more than 16,383 pixels a side.
            pictures: Some(format!(
                "videoconvertscale ! video/x-raw,format=I420,pixel-aspect-ratio=1/1,width=[16,16383],height=[16,16383] \
                 ! videoflip video-direction=auto{overlay}"
            )),
            sound: Some(
                "audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=[1,2],layout=interleaved"
                    .to_owned(),
            ),
            threads: 2,
            mark: wanted.mark.clone(),
        },
    )?;
    let length = decoded.length().map(gst::ClockTime::mseconds);
    if length.is_some_and(|length| wanted.from_ms >= length) {
        return None;
    }
    let to_ms = match (wanted.to_ms, length) {
        (Some(to), Some(length)) => to.min(length),
        (Some(end), None) | (None, Some(end)) => end,
        (None, None) => return None,
    };
    let ms = gst::ClockTime::from_mseconds;
    let lead_ms = wanted.lead_ms.min(wanted.from_ms);
    if !decoded.seek(gst::SeekFlags::ACCURATE, ms(wanted.from_ms - lead_ms), Some(ms(to_ms))) {
        return None;
    }
    let (pictures, sound) = (decoded.pictures.is_some(), decoded.sound.is_some());
    let note = |error: &gst::glib::Error| tracing::debug!(%error, "nothing can be encoded");
    let encoder = Encoder::new(pictures, sound, TO_KEEP).inspect_err(note).ok()?;
    let long_ms = to_ms - wanted.from_ms;
    let most = u32::try_from(long_ms.saturating_mul(PICTURES_PER_S) / 1000).unwrap_or(u32::MAX).max(1);
    preview::carry(&decoded, &encoder, Stretch { lead: ms(lead_ms), end: ms(long_ms), most }, give)?;
    Some((wanted.from_ms, to_ms))
}
