//! When capture began, by each origin that says so, and whether that can be.

use super::{ClipEvidence, DAY_MS, ModifiedIs, Oddity, value_of};
use crate::casework::times::{self, Reading};
use crate::domain::record::{Field, Origin};
use crate::domain::time::{RecorderTime, UtcMs};
use jiff::tz::TimeZone;

/// 2001-01-01T00:00:00Z: no recorder is older, and clocks that lost their power begin again at 1970, 1980 or 2000.
pub(super) const EARLIEST_MS: i64 = 978_307_200_000;
/// Creation time 0 of an MP4 file (1904-01-01, ISO/IEC 14496-12 8.2.2): not set.
pub(super) const MP4_UNSET_MS: i64 = -2_082_844_800_000;

/// What each origin says about the start of capture, strongest first; none where it says nothing.
pub(super) fn starts(input: &ClipEvidence, duration: Option<i64>) -> Vec<(Origin, String, Option<RecorderTime>)> {
    let zone = &input.zone;
    let mut starts = Vec::new();
    if let Some(recorded) = &input.recording {
        // The station's clock is set by somebody; a camera's may be years off. What it says is kept beside.
        let raw = UtcMs(recorded.source_ms.unwrap_or(recorded.station_ms)).rfc3339_in(zone);
        starts.push((Origin::Recording, raw.clone(), Some(in_zone(recorded.station_ms, &raw, zone))));
    }
    if let Some(text) = value_of(&input.sidecar, Field::CapturedStart) {
        starts.push((Origin::Sidecar, text.to_owned(), times::read(text, zone, Reading::Lenient).ok()));
    }
    if let Some(named) = &input.named {
        starts.push((Origin::FileName, named.raw.clone(), Some(named.clone())));
    } else if let (Some(date), Some(time)) = (input.captures.get("date"), input.captures.get("time")) {
        starts.push((Origin::FileName, format!("{date}_{time}"), None));
    }
    if let Some(ms) = input.created_ms.filter(|ms| *ms != MP4_UNSET_MS) {
        let raw = UtcMs(ms).rfc3339();
        starts.push((Origin::Media, raw.clone(), Some(in_zone(ms, &raw, zone))));
    }
    let before_write = match input.modified_is {
        ModifiedIs::End => Some(duration.unwrap_or(0)),
        ModifiedIs::Start => Some(0),
        ModifiedIs::Unknown => None,
    };
    if let (Some(before), Some(written)) = (before_write, input.modified_ms) {
        let start = in_zone(written.saturating_sub(before), &input.modified_raw, zone);
        starts.push((Origin::FileTime, input.modified_raw.clone(), Some(start)));
    }
    starts
}

/// When the file was last written, where that is when capture ended.
pub(super) fn written_until(input: &ClipEvidence) -> Option<i64> {
    input.modified_ms.filter(|_| input.modified_is == ModifiedIs::End)
}

pub(super) fn possible(time: RecorderTime, docked_ms: i64) -> Result<RecorderTime, Oddity> {
    match time.at.0 {
        ms if ms < EARLIEST_MS => Err(Oddity::ClockUnset),
        ms if ms > docked_ms.saturating_add(DAY_MS) => Err(Oddity::AfterDock),
        _ => Ok(time),
    }
}

pub(super) fn in_zone(ms: i64, raw: &str, zone: &TimeZone) -> RecorderTime {
    RecorderTime { raw: raw.to_owned(), at: UtcMs(ms), offset_s: times::offset_s(UtcMs(ms), zone) }
}

pub(super) fn later(start: &RecorderTime, ms: i64) -> RecorderTime {
    RecorderTime { at: UtcMs(start.at.0.saturating_add(ms)), ..start.clone() }
}
