//! Facts of an MP4 or QuickTime file from its index, without decoding anything. Owns the use of `re_mp4`, which
//! trusts what it reads: it is called only after [`super::boxes`] found the boxes to fit, with its panics caught.

use std::io::{BufReader, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use re_mp4::{Mp4, StsdBoxContent, Track};

use super::structure::Opened;
use crate::domain::ports::MediaFacts;
use crate::worker::child::panic_text;

/// Lists of more samples than this (64 bytes each) are not built: it is 24 hours of sound and picture, while
/// uncompressed sound announces each single value as a sample.
pub const SAMPLES_MAX: u64 = 8_000_000;

/// Seconds from 1904-01-01 to 1970-01-01 (ISO/IEC 14496-12 section 8.2.2.3 counts from the first).
const MAC_EPOCH_S: i64 = 2_082_844_800;

/// What the index says.
#[derive(Debug, Clone, PartialEq)]
pub struct Indexed {
    /// Facts; health is not judged here.
    pub facts: MediaFacts,
    /// A sound or picture track has a codec that `re_mp4` does not describe.
    pub incomplete: bool,
    /// The end of the furthest sample, bytes from the beginning of the file.
    pub data_end: u64,
}

/// Reads the index; the error says in words why it cannot be read.
pub fn read(file: &Opened) -> Result<Indexed, String> {
    let mut reader = BufReader::with_capacity(64 << 10, &file.file);
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        reader.rewind().map_err(|e| e.to_string())?;
        let mp4 = Mp4::read(reader, file.size_bytes).map_err(|e| e.to_string())?;
        Ok(facts(&mp4, file.size_bytes))
    }));
    parsed.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}

fn facts(mp4: &Mp4, size_bytes: u64) -> Indexed {
    let mut found = Indexed { facts: MediaFacts::default(), incomplete: false, data_end: 0 };
    let facts = &mut found.facts;
    for track in mp4.tracks().values() {
        let trak = track.trak(mp4);
        let content = &trak.mdia.minf.stbl.stsd.contents;
        let end = track.samples.iter().map(|s| s.offset.saturating_add(s.size)).max();
        found.data_end = found.data_end.max(end.unwrap_or(0));
        match &trak.mdia.hdlr.handler_type.value {
            b"vide" if facts.vcodec.is_none() => match video(content) {
                Some((codec, width, height)) => {
                    facts.vcodec = Some(codec.to_owned());
                    facts.width = Some(width.into()).filter(|w| *w > 0);
                    facts.height = Some(height.into()).filter(|h| *h > 0);
                    facts.fps_milli = fps_milli(track);
                }
                None => found.incomplete = true,
            },
            b"soun" if facts.acodec.is_none() => match content {
                StsdBoxContent::Mp4a(entry) => {
                    // Object types: ISO/IEC 14496-1 table 5 and the MP4 registration authority.
                    let object = entry.esds.as_ref().map(|e| e.es_desc.dec_config.object_type_indication);
                    facts.acodec = Some(if matches!(object, Some(0x69 | 0x6b)) { "mp3" } else { "aac" }.to_owned());
                    // The decoder's own configuration counts; the field of the sample entry says 2 by template.
                    let configured =
                        entry.esds.as_ref().and_then(|e| channels(e.es_desc.dec_config.dec_specific.chan_conf));
                    facts.channels = configured.or(Some(entry.channelcount.into())).filter(|c| *c > 0);
                    facts.sample_rate = Some(entry.samplerate.value().into()).filter(|r| *r > 0);
                }
                _ => found.incomplete = true,
            },
            b"vide" | b"soun" => {}
            _ => continue,
        }
        facts.duration_ms = facts.duration_ms.max(duration_ms(track, size_bytes));
    }
    let header = &mp4.moov.mvhd;
    if facts.duration_ms.is_none() {
        facts.duration_ms = scaled_ms(header.duration, header.timescale.into());
    }
    facts.created_ms = i64::try_from(header.creation_time)
        .ok()
        .and_then(|s| s.checked_sub(MAC_EPOCH_S))
        .filter(|s| *s > 0)
        .and_then(|s| s.checked_mul(1000));
    found
}

fn video(content: &StsdBoxContent) -> Option<(&'static str, u16, u16)> {
    Some(match content {
        StsdBoxContent::Avc1(b) => ("h264", b.width, b.height),
        StsdBoxContent::Hvc1(b) | StsdBoxContent::Hev1(b) => ("h265", b.width, b.height),
        StsdBoxContent::Av01(b) => ("av1", b.width, b.height),
        StsdBoxContent::Vp08(b) => ("vp8", b.width, b.height),
        StsdBoxContent::Vp09(b) => ("vp9", b.width, b.height),
        StsdBoxContent::Mp4a(_) | StsdBoxContent::Tx3g(_) | StsdBoxContent::Unknown(_) => return None,
    })
}

/// Channels of an AAC channel configuration (ISO/IEC 14496-3 table 1.19).
fn channels(configuration: u8) -> Option<u32> {
    match configuration {
        1..=6 => Some(configuration.into()),
        7 => Some(8),
        _ => None,
    }
}

/// Frames over the time that they last. The last one is left out: its duration is computed, not stored. Differences
/// of time stamps would count an interruption as slow frames.
fn fps_milli(track: &Track) -> Option<u32> {
    let frames = track.samples.len().checked_sub(1).filter(|n| *n > 0)?;
    let ticks: u128 = track.samples.iter().take(frames).map(|s| u128::from(s.duration)).sum();
    let (frames, ticks) = (frames as u128, Some(ticks).filter(|t| *t > 0)?);
    u32::try_from((frames * 1000 * u128::from(track.timescale) + ticks / 2) / ticks).ok()
}

/// The stated duration, or where the samples end if that is later: fragmented files state none or the first
/// fragment's. A sample whose bytes the file does not hold is none: the last fragment may be cut.
fn duration_ms(track: &Track, size_bytes: u64) -> Option<i64> {
    let stated = scaled_ms(track.duration, track.timescale);
    let last = track.samples.iter().rposition(|s| s.offset.saturating_add(s.size) <= size_bytes);
    let sampled = match (track.samples.first(), last.and_then(|n| Some((n as u64, track.samples.get(n)?)))) {
        (Some(first), Some((n @ 1.., last))) => {
            let ticks = last.decode_timestamp.checked_sub(first.decode_timestamp);
            let ticks = ticks.and_then(|t| u64::try_from(t).ok());
            // The last frame lasts as long as the average; its own entry is computed from the stated duration.
            ticks.and_then(|t| t.checked_add(t / n))
        }
        _ => None,
    };
    stated.max(sampled.and_then(|ticks| scaled_ms(ticks, track.timescale)))
}

fn scaled_ms(ticks: u64, timescale: u64) -> Option<i64> {
    let ms = u128::from(ticks) * 1000 / u128::from(Some(timescale).filter(|t| *t > 0)?);
    i64::try_from(ms).ok().filter(|ms| *ms > 0)
}
