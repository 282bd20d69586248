//! Clips of a case on one axis of time, to be watched together: one lane a recorder, stretches in which nothing was
//! recorded by anybody cut out. Pure; positions are percentages of the axis.

use jiff::tz::TimeZone;

use super::clips::{ClipRow, state_class};
use crate::domain::ids::ClipId;
use crate::domain::record::Part;
use crate::domain::time::UtcMs;

/// A pause of everybody that is longer is cut out of the axis, milliseconds.
const CUT_AFTER_MS: i64 = 60_000;
/// Empty axis between two stretches, percent.
const CUT_PERCENT: f64 = 1.0;
/// A clip is drawn at least this wide, percent.
const BAR_MIN_PERCENT: f64 = 0.4;
/// Lanes that are shown: more pictures at one time nobody watches, nor does a browser decode them.
pub const LANES_MAX: usize = 6;

/// The axis and what stands on it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Together {
    /// Stretches of time in which somebody recorded, in their order.
    pub stretches: Vec<Stretch>,
    /// One a recorder, in the order of their first clip.
    pub lanes: Vec<Lane>,
    /// Clips without a capture time or a length.
    pub untimed: u64,
    /// Recorders beyond [`LANES_MAX`].
    pub lanes_left: usize,
}

/// A stretch of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Begin.
    pub start: UtcMs,
    /// End.
    pub end: UtcMs,
    /// Percent.
    pub x: f64,
    /// Percent.
    pub width: f64,
    /// What the station's clocks were ahead of UTC then, milliseconds.
    pub offset_ms: i64,
}

/// What one recorder recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// The recorder.
    pub recorder: String,
    /// Who had it; the first of several.
    pub officer: Option<String>,
    /// Its clips in order of time.
    pub clips: Vec<Piece>,
}

/// A clip on the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Which.
    pub clip: ClipId,
    /// When the first picture of its file was captured, corrected as the record has it.
    pub zero: UtcMs,
    /// Length of its file, milliseconds.
    pub file_ms: i64,
    /// Begin of what is of the case; where all of it is, that of its file.
    pub start: UtcMs,
    /// Length of that, milliseconds.
    pub ms: i64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Pictures a second, where they were told.
    pub fps: Option<f64>,
    /// Percent.
    pub x: f64,
    /// Percent.
    pub width: f64,
    /// Name of its style.
    pub class: &'static str,
}

impl Piece {
    /// Of its page's address: where what is of the case begins; empty where that is the begin of its file.
    pub fn query(&self) -> String {
        match self.start.0 - self.zero.0 {
            0 => String::new(),
            from_ms => format!("?{}", Part { from_ms, to_ms: None }.query()),
        }
    }
}

impl Together {
    /// Puts `clips` on one axis.
    pub fn of(clips: &[ClipRow], zone: &TimeZone) -> Self {
        let timed = |row: &ClipRow| {
            let (zero, ms) = (row.captured?.0, row.duration_ms.filter(|ms| *ms > 0)?);
            // Only the part that is of the case stands on its axis.
            let from = row.part.map_or(0, |p| p.from_ms).clamp(0, ms - 1);
            let to = row.part.and_then(|p| p.to_ms).unwrap_or(ms).clamp(from + 1, ms);
            Some((zero + from, to - from))
        };
        let mut rows: Vec<(i64, i64, &ClipRow)> =
            clips.iter().filter_map(|row| timed(row).map(|(start, ms)| (start, ms, row))).collect();
        rows.sort_by_key(|(start, _, row)| (*start, row.id));
        let untimed = (clips.len() - rows.len()) as u64;
        let stretches = stretches(&rows, zone);
        let mut lanes: Vec<Lane> = Vec::new();
        for (start, ms, row) in &rows {
            let end = start.saturating_add(*ms);
            let x = place(&stretches, *start);
            let piece = Piece {
                clip: row.id,
                zero: row.captured.unwrap_or(UtcMs(*start)),
                file_ms: row.duration_ms.unwrap_or(*ms),
                start: UtcMs(*start),
                ms: *ms,
                bytes: row.size_bytes,
                fps: row.fps.filter(|fps| *fps > 0.0),
                x,
                width: (place(&stretches, end) - x).max(BAR_MIN_PERCENT),
                class: state_class(row.state),
            };
            match lanes.iter_mut().find(|lane| lane.recorder == row.recorder) {
                Some(lane) => lane.clips.push(piece),
                None => lanes.push(Lane {
                    recorder: row.recorder.clone(),
                    officer: row.officer.clone(),
                    clips: vec![piece],
                }),
            }
        }
        let lanes_left = lanes.len().saturating_sub(LANES_MAX);
        lanes.truncate(LANES_MAX);
        Self { stretches, lanes, untimed, lanes_left }
    }

    /// Length of the axis without what is cut out, milliseconds.
    pub fn total_ms(&self) -> i64 {
        self.stretches.iter().map(|s| s.end.0 - s.start.0).sum()
    }
}

fn stretches(rows: &[(i64, i64, &ClipRow)], zone: &TimeZone) -> Vec<Stretch> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for (start, ms, _) in rows {
        let end = start.saturating_add(*ms);
        match spans.last_mut() {
            Some((_, last)) if start.saturating_sub(*last) <= CUT_AFTER_MS => *last = (*last).max(end),
            _ => spans.push((*start, end)),
        }
    }
    let total: f64 = spans.iter().map(|(s, e)| (e - s) as f64).sum();
    let room = (100.0 - CUT_PERCENT * spans.len().saturating_sub(1) as f64).max(1.0);
    let mut x = 0.0;
    let stretch = |(start, end): (i64, i64)| {
        let width = room * (end - start) as f64 / total.max(1.0);
        let offset_ms = i64::from(UtcMs(start).zoned(zone).offset().seconds()) * 1000;
        let stretch = Stretch { start: UtcMs(start), end: UtcMs(end), x, width, offset_ms };
        x += width + CUT_PERCENT;
        stretch
    };
    spans.into_iter().map(stretch).collect()
}

fn place(stretches: &[Stretch], at: i64) -> f64 {
    let stretch = stretches.iter().find(|s| at <= s.end.0).or(stretches.last());
    stretch.map_or(0.0, |s| {
        s.x + s.width * ((at - s.start.0) as f64 / (s.end.0 - s.start.0).max(1) as f64).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clip::ClipState;

    fn row(recorder: &str, start_s: i64, length_s: i64) -> ClipRow {
        ClipRow {
            id: ClipId::generate(start_s),
            captured: Some(UtcMs(1_781_830_800_000 + start_s * 1000)),
            duration_ms: Some(length_s * 1000),
            size_bytes: 1,
            fps: None,
            file_name: "a".into(),
            recorder: recorder.into(),
            officer: None,
            place: None,
            proves: None,
            stage: None,
            matter: None,
            cases: vec![],
            state: ClipState::Proven,
            percent: None,
            problem: None,
            holes: false,
            health: None,
            missing: vec![],
            elsewhere: None,
            document: None,
            sensitivity: "无".into(),
            part: None,
        }
    }

    #[test]
    fn two_recorders_at_one_time_stand_under_each_other() {
        let rows = [row("a", 0, 60), row("b", 30, 60), row("a", 100, 20), row("a", 4000, 60)];
        let t = Together::of(&rows, &TimeZone::UTC);
        assert_eq!((t.lanes.len(), t.stretches.len(), t.untimed), (2, 2, 0));
        assert_eq!(t.lanes[0].clips.len(), 3);
        let slow = [ClipRow { fps: Some(15.0), ..row("a", 0, 60) }, ClipRow { fps: Some(0.0), ..row("b", 10, 60) }];
        let rates = Together::of(&slow, &TimeZone::UTC).lanes;
        assert_eq!((rates[0].clips[0].fps, rates[1].clips[0].fps), (Some(15.0), None), "each at its own rate");
        assert_eq!(t.total_ms(), 180_000, "what nobody recorded for long is cut out");
        let (one, two) = (&t.lanes[0].clips[0], &t.lanes[1].clips[0]);
        assert!(one.x < two.x && two.x < one.x + one.width, "{one:?} {two:?}");
        let last = t.lanes[0].clips.last().unwrap();
        assert!(last.x + last.width <= 100.01, "{last:?}");
    }

    #[test]
    fn of_a_clip_of_several_cases_only_the_part_of_this_one_is_played() {
        let part = |from_ms, to_ms| ClipRow { part: Some(Part { from_ms, to_ms }), ..row("a", 0, 600) };
        let t = Together::of(&[part(90_000, Some(120_000))], &TimeZone::UTC);
        let piece = &t.lanes[0].clips[0];
        assert_eq!((piece.start.0 - piece.zero.0, piece.ms, piece.file_ms), (90_000, 30_000, 600_000));
        assert_eq!(t.total_ms(), 30_000);
        let open = Together::of(&[part(590_000, None)], &TimeZone::UTC);
        assert_eq!(open.lanes[0].clips[0].ms, 10_000, "to its end");
        // A link that names more than there is shows what there is.
        let past = Together::of(&[part(900_000, Some(990_000))], &TimeZone::UTC);
        assert_eq!(past.lanes[0].clips[0].ms, 1);
    }

    #[test]
    fn what_has_no_time_is_counted_and_not_drawn() {
        let rows = [ClipRow { captured: None, ..row("a", 0, 1) }, row("a", 0, 0)];
        let t = Together::of(&rows, &TimeZone::UTC);
        assert_eq!((t.untimed, t.lanes.len(), t.stretches.len()), (2, 0, 0));
        let many: Vec<_> = (0..9).map(|n| row(&n.to_string(), n, 5)).collect();
        assert_eq!(Together::of(&many, &TimeZone::UTC).lanes_left, 3);
    }
}
