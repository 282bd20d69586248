//! The time axis of a case, drawn from its clips: one lane a stage, idle stretches cut out of the axis,
//! short stretches without recording shown as such. Pure; positions are percentages of the drawing's width.

use jiff::tz::TimeZone;

use super::clips::{ClipRow, state_class};
use crate::domain::clip::ClipState;
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;

/// A pause longer than this is cut out of the axis, milliseconds.
const CUT_AFTER_MS: i64 = 2 * 3_600_000;
/// A pause inside a lane up to this is shown as a stretch without recording, milliseconds.
const HATCH_UP_TO_MS: i64 = 30 * 60_000;
/// The shortest stretch of axis that a segment gets, milliseconds.
const SEGMENT_MIN_MS: i64 = 20 * 60_000;
/// Empty axis between two segments, percent.
const CUT_PERCENT: f64 = 2.0;
/// Above this many segments the drawing scrolls sideways instead of shrinking.
const SEGMENTS_THAT_FIT: usize = 4;
/// Width of a segment where the drawing scrolls, pixels.
const SEGMENT_PX: usize = 170;
/// Height of a lane, pixels.
pub const LANE_PX: usize = 40;
/// Height of a bar, or of all bars that share a lane at one time, pixels.
const BAR_PX: f64 = 22.0;
/// A bar is at least this wide, percent, so that it can be seen and clicked.
const BAR_MIN_PERCENT: f64 = 0.6;

/// Stages in the order of the procedure; others follow in order of time.
const STAGES: [&str; 7] = ["立案", "调查", "取证", "审查", "决定", "送达", "执行"];

/// A drawing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// Lanes from top to bottom.
    pub lanes: Vec<Lane>,
    /// Marks on the axis.
    pub ticks: Vec<Tick>,
    /// Where the axis is cut, in percent.
    pub cuts: Vec<f64>,
    /// Width in pixels where it scrolls; `None` where it fits.
    pub width_px: Option<usize>,
    /// Clips without a capture time.
    pub undrawn: u64,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// The stage; `None` for clips that name none.
    pub stage: Option<String>,
    /// Its clips.
    pub bars: Vec<Bar>,
    /// Stretches without recording.
    pub gaps: Vec<Gap>,
}

/// One clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The clip.
    pub clip: ClipId,
    /// Percent.
    pub x: f64,
    /// Percent.
    pub width: f64,
    /// Pixels from the top of the lane.
    pub y: f64,
    /// Pixels.
    pub height: f64,
    /// Begin of capture.
    pub start: UtcMs,
    /// End of capture.
    pub end: UtcMs,
    /// Who recorded.
    pub officer: Option<String>,
    /// Its state.
    pub state: ClipState,
    /// Name of its style.
    pub class: &'static str,
}

/// A stretch without recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Percent.
    pub x: f64,
    /// Percent.
    pub width: f64,
    /// Milliseconds.
    pub ms: i64,
}

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Percent.
    pub x: f64,
    /// What it says.
    pub label: String,
    /// It names a day.
    pub day: bool,
}

/// Begin and end of a clip, milliseconds since the Unix epoch.
type Timed<'a> = (i64, i64, &'a ClipRow);

/// A stretch of axis: time and where it is drawn.
struct Segment {
    start: i64,
    end: i64,
    x: f64,
    width: f64,
}

impl Timeline {
    /// Height of all lanes, pixels.
    pub fn height_px(&self) -> usize {
        self.lanes.len() * LANE_PX
    }

    /// Whether any stretch without recording is shown.
    pub fn has_gaps(&self) -> bool {
        self.lanes.iter().any(|l| !l.gaps.is_empty())
    }

    /// Draws `clips` on an axis in `zone`.
    pub fn draw(clips: &[ClipRow], zone: &TimeZone) -> Self {
        let mut timed: Vec<Timed<'_>> = clips
            .iter()
            .filter_map(|c| c.captured.map(|at| (at.0, at.0.saturating_add(c.duration_ms.unwrap_or(0).max(0)), c)))
            .collect();
        timed.sort_by_key(|(start, end, c)| (*start, *end, c.id));
        let undrawn = (clips.len() - timed.len()) as u64;
        let segments = segments(&timed);
        let mut lanes: Vec<(Option<String>, Vec<Timed<'_>>)> = Vec::new();
        for item in &timed {
            match lanes.iter_mut().find(|(stage, _)| *stage == item.2.stage) {
                Some((_, items)) => items.push(*item),
                None => lanes.push((item.2.stage.clone(), vec![*item])),
            }
        }
        lanes.sort_by_key(|(stage, _)| stage_order(stage.as_deref()));
        Self {
            lanes: lanes.into_iter().map(|(stage, items)| lane(stage, &items, &segments)).collect(),
            ticks: segments
                .iter()
                .enumerate()
                .flat_map(|(n, s)| ticks(s, n.checked_sub(1).map(|before| &segments[before]), segments.len(), zone))
                .collect(),
            cuts: segments.iter().skip(1).map(|s| s.x - CUT_PERCENT / 2.0).collect(),
            width_px: (segments.len() > SEGMENTS_THAT_FIT).then(|| segments.len() * SEGMENT_PX),
            undrawn,
        }
    }
}

/// Place of a stage among the lanes. Long forms (立案/程序启动) begin with the short one.
fn stage_order(stage: Option<&str>) -> usize {
    match stage {
        None => STAGES.len() + 1,
        Some(stage) => STAGES.iter().position(|known| stage.starts_with(known)).unwrap_or(STAGES.len()),
    }
}

fn segments(timed: &[Timed<'_>]) -> Vec<Segment> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for (start, end, _) in timed {
        match spans.last_mut() {
            Some((_, last)) if start.saturating_sub(*last) <= CUT_AFTER_MS => *last = (*last).max(*end),
            _ => spans.push((*start, *end)),
        }
    }
    // A little air on both sides, so that the first bar does not stick to the edge.
    let spans: Vec<(i64, i64)> = spans
        .into_iter()
        .map(|(start, end)| {
            let air = ((end - start) / 25).max(((SEGMENT_MIN_MS - (end - start)) / 2).max(0));
            (start.saturating_sub(air), end.saturating_add(air))
        })
        .collect();
    let total: f64 = spans.iter().map(|(s, e)| (e - s) as f64).sum();
    let room = 100.0 - CUT_PERCENT * spans.len().saturating_sub(1) as f64;
    // Half of the room is shared out equally, so that a short day beside a long one can still be read.
    let equal = room / 2.0 / spans.len().max(1) as f64;
    let mut x = 0.0;
    spans
        .iter()
        .map(|(start, end)| {
            let width = equal + room / 2.0 * (end - start) as f64 / total.max(1.0);
            let segment = Segment { start: *start, end: *end, x, width };
            x += width + CUT_PERCENT;
            segment
        })
        .collect()
}

fn place(segments: &[Segment], at: i64) -> f64 {
    let segment = segments.iter().find(|s| at <= s.end).or(segments.last());
    segment.map_or(0.0, |s| s.x + s.width * ((at - s.start) as f64 / (s.end - s.start).max(1) as f64).clamp(0.0, 1.0))
}

fn lane(stage: Option<String>, items: &[Timed<'_>], segments: &[Segment]) -> Lane {
    // Clips that overlap share the lane's height: each takes the first row that is free at its begin.
    let mut rows: Vec<i64> = Vec::new();
    let mut placed = Vec::new();
    for (start, end, clip) in items {
        let row = rows.iter().position(|free| free <= start).unwrap_or_else(|| {
            rows.push(i64::MIN);
            rows.len() - 1
        });
        rows[row] = *end;
        placed.push((*start, *end, *clip, row));
    }
    let height = BAR_PX / rows.len().max(1) as f64;
    let top = (LANE_PX as f64 - BAR_PX) / 2.0;
    let bars = placed
        .into_iter()
        .map(|(start, end, clip, row)| {
            let x = place(segments, start);
            Bar {
                clip: clip.id,
                x,
                width: (place(segments, end) - x).max(BAR_MIN_PERCENT),
                y: top + row as f64 * height,
                height: if rows.len() > 1 { height - 1.0 } else { height },
                start: UtcMs(start),
                end: UtcMs(end),
                officer: clip.officer.clone(),
                state: clip.state,
                class: state_class(clip.state),
            }
        })
        .collect();
    let mut gaps = Vec::new();
    let mut covered = i64::MAX;
    for (start, end, _) in items {
        let pause = start.saturating_sub(covered);
        if (1..=HATCH_UP_TO_MS).contains(&pause) && covered != i64::MAX {
            let x = place(segments, covered);
            gaps.push(Gap { x, width: place(segments, *start) - x, ms: pause });
        }
        covered = if covered == i64::MAX { *end } else { covered.max(*end) };
    }
    Lane { stage, bars, gaps }
}

/// Marks of one segment. The day is named where it is another than that of the segment before, the year where
/// it is another.
fn ticks(segment: &Segment, before: Option<&Segment>, segments: usize, zone: &TimeZone) -> Vec<Tick> {
    const STEPS_MIN: [i64; 9] = [5, 10, 15, 30, 60, 120, 240, 720, 1440];
    let offset_ms = i64::from(UtcMs(segment.start).zoned(zone).offset().seconds()) * 1000;
    let most = (segment.width / 100.0 * if segments > SEGMENTS_THAT_FIT { 10.0 } else { 7.0 }).max(1.0) as i64;
    let step = STEPS_MIN.iter().map(|m| m * 60_000).find(|step| (segment.end - segment.start) / step <= most);
    let step = step.unwrap_or(1440 * 60_000);
    let first = (segment.start + offset_ms + step - 1).div_euclid(step) * step - offset_ms;
    let mut ticks: Vec<Tick> = (0..)
        .map(|n| first + n * step)
        .take_while(|at| *at < segment.end)
        .map(|at| Tick {
            x: place(std::slice::from_ref(segment), at),
            label: UtcMs(at).zoned(zone).strftime("%H:%M").to_string(),
            day: false,
        })
        // A label at the very edge would be cut off.
        .filter(|t| t.x > segment.x + 1.5 && t.x < segment.x + segment.width - 1.5)
        .collect();
    let start = UtcMs(segment.start).zoned(zone);
    let before = before.map(|b| UtcMs(b.start).zoned(zone));
    let format = match before {
        Some(b) if b.date() == start.date() => return ticks,
        Some(b) if b.year() == start.year() => "%m-%d",
        _ => "%Y-%m-%d",
    };
    ticks.push(Tick { x: segment.x, label: start.strftime(format).to_string(), day: true });
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(start_min: i64, length_min: i64, stage: Option<&str>) -> ClipRow {
        ClipRow {
            id: ClipId::generate(start_min),
            captured: Some(UtcMs(1_781_830_800_000 + start_min * 60_000)),
            duration_ms: Some(length_min * 60_000),
            size_bytes: 1,
            fps: None,
            file_name: "a".into(),
            recorder: "r".into(),
            officer: None,
            place: None,
            proves: None,
            stage: stage.map(Into::into),
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
    fn lanes_follow_the_procedure_and_pauses_are_cut_out() {
        let clips = [
            row(0, 20, Some("送达")),
            row(10, 30, Some("调查")),
            row(44, 10, Some("调查")),
            row(3000, 10, None),
            ClipRow { captured: None, ..row(1, 1, None) },
        ];
        let t = Timeline::draw(&clips, &TimeZone::UTC);
        let stages: Vec<_> = t.lanes.iter().map(|l| l.stage.as_deref()).collect();
        assert_eq!(stages, [Some("调查"), Some("送达"), None]);
        assert_eq!(t.undrawn, 1);
        assert_eq!(t.cuts.len(), 1);
        assert_eq!(t.lanes[0].gaps.len(), 1);
        assert_eq!(t.lanes[0].gaps[0].ms, 4 * 60_000);
        assert_eq!(t.ticks.iter().filter(|t| t.day).count(), 2);
    }

    #[test]
    fn two_recorders_at_one_time_share_the_lane() {
        let t = Timeline::draw(&[row(0, 30, None), row(10, 30, None), row(50, 5, None)], &TimeZone::UTC);
        let ys: Vec<_> = t.lanes[0].bars.iter().map(|b| b.y).collect();
        assert!(ys[0] < ys[1] && ys[2] == ys[0]);
        assert_eq!(t.lanes[0].gaps[0].ms, 10 * 60_000, "covered by the union of both");
    }

    #[test]
    fn an_empty_case_draws_nothing() {
        assert_eq!(Timeline::draw(&[], &TimeZone::UTC), Timeline::default());
    }

    proptest! {
        #[test]
        fn everything_stays_inside_the_drawing(clips in proptest::collection::vec((-400_000_i64..400_000, 0_i64..600), 1..40)) {
            let rows: Vec<_> = clips.iter().map(|(s, d)| row(*s, *d, None)).collect();
            let t = Timeline::draw(&rows, &TimeZone::UTC);
            let bars: usize = t.lanes.iter().map(|l| l.bars.len()).sum();
            prop_assert_eq!(bars, rows.len());
            for bar in t.lanes.iter().flat_map(|l| &l.bars) {
                prop_assert!(bar.x >= 0.0 && bar.x + bar.width <= 100.0 + BAR_MIN_PERCENT, "{:?}", bar);
                prop_assert!(bar.height > 0.0);
            }
            for gap in t.lanes.iter().flat_map(|l| &l.gaps) {
                prop_assert!(gap.width >= 0.0 && gap.ms > 0);
            }
        }
    }
}
