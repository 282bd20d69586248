//! What RTP sequence numbers and clocks say about what is missing. Pure.

use crate::domain::stream::{Gap, GapKind};

/// Losses nearer to each other than this are one gap, nanoseconds.
const NEAR_NS: u64 = 1_000_000_000;
/// A gap is told at latest after so long, though losses go on, nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;
/// A clock that differs by so much from where it should be was set, milliseconds. Reports of good cameras scatter by
/// some milliseconds.
const SET_MS: i64 = 250;
/// Frames further apart than this, with no packet missing, were left out by the camera, nanoseconds: cameras that send
/// a still scene slowly go down to one frame a second.
const SKIP_NS: u64 = 2_000_000_000;

/// Sequence numbers of one track.
#[derive(Debug, Default)]
pub struct Packets {
    last: Option<(u16, u64)>,
}

/// What a packet says.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// It follows the one before.
    Next,
    /// Packets between the one before, of this time, and this one are missing.
    Lost {
        /// How many.
        count: u64,
        /// Time of the packet before, nanoseconds.
        from_ns: u64,
    },
    /// The numbers began anew.
    Anew,
}

impl Packets {
    /// A packet left the jitter buffer: they come in order, each once.
    pub fn packet(&mut self, seq: u16, pts_ns: u64) -> Seen {
        let before = self.last.replace((seq, pts_ns));
        let Some((last, from_ns)) = before else { return Seen::Next };
        match seq.wrapping_sub(last) {
            1 => Seen::Next,
            // RFC 3550, A.1: beyond that the source restarted.
            ahead @ 2..3_000 => Seen::Lost { count: u64::from(ahead) - 1, from_ns },
            _ => Seen::Anew,
        }
    }
}

/// Losses of one connection on their way to gaps; running times in nanoseconds.
#[derive(Debug, Default)]
pub struct Losses {
    open: Option<Loss>,
    /// Lost since the connection began.
    pub total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loss {
    from_ns: u64,
    to_ns: u64,
    missing_ns: u64,
    count: u64,
}

impl Losses {
    /// `count` packets between two that came are missing; `usual_ns` is how long a frame lasts. Gives the gap before,
    /// if this is another one.
    pub fn lost(&mut self, count: u64, from_ns: u64, to_ns: u64, usual_ns: u64, start_ns: Option<u64>) -> Option<Gap> {
        self.total += count;
        // The frame before was seen to its end.
        let begin_ns = if to_ns > from_ns + usual_ns { from_ns + usual_ns } else { from_ns.min(to_ns) };
        let this =
            Loss { from_ns: begin_ns, to_ns: to_ns.max(begin_ns), missing_ns: to_ns.saturating_sub(begin_ns), count };
        match &mut self.open {
            Some(open)
                if this.from_ns <= open.to_ns + NEAR_NS && this.to_ns.saturating_sub(open.from_ns) < LONGEST_NS =>
            {
                open.to_ns = open.to_ns.max(this.to_ns);
                open.missing_ns += this.missing_ns;
                open.count += count;
                None
            }
            open => open.replace(this).and_then(|before| gap(before, start_ns)),
        }
    }

    /// The gap that is open, if nothing more can belong to it at `now_ns`.
    pub fn settled(&mut self, now_ns: u64, start_ns: Option<u64>) -> Option<Gap> {
        let open = self.open.filter(|o| now_ns > o.to_ns + NEAR_NS || now_ns > o.from_ns + LONGEST_NS)?;
        self.open = None;
        gap(open, start_ns)
    }

    /// The gap that is open, if it begins before `end_ns`: footage up to there is about to be given out, and whoever gets
    /// it must know before that something is missing in it.
    pub fn before(&mut self, end_ns: u64, start_ns: Option<u64>) -> Option<Gap> {
        self.open.take_if(|o| o.from_ns < end_ns).and_then(|o| gap(o, start_ns))
    }

    /// The gap that is open, because the segment ends.
    pub fn end(&mut self, start_ns: Option<u64>) -> Option<Gap> {
        self.open.take().and_then(|o| gap(o, start_ns))
    }
}

fn gap(loss: Loss, start_ns: Option<u64>) -> Option<Gap> {
    // Before the first frame nothing is missing.
    let start = start_ns.filter(|s| loss.to_ns >= *s)?;
    let ms = |ns: u64| (ns.saturating_sub(start) / 1_000_000) as i64;
    Some(Gap {
        kind: GapKind::Loss,
        from_ms: ms(loss.from_ns),
        to_ms: ms(loss.to_ns),
        missing_ms: (loss.missing_ns / 1_000_000) as i64,
        count: loss.count,
    })
}

/// The times of one track and the clocks beside them.
#[derive(Debug, Default)]
pub struct Clocks {
    /// Smallest distance of arrival from running time lately: what the network delayed least. Milliseconds.
    arrival_ms: Option<(i64, u64)>,
    /// The camera's clock minus running time, milliseconds.
    source_ms: Option<i64>,
    last_ns: Option<u64>,
    /// The station's wall clock minus its steady one, milliseconds.
    steady_ms: Option<i64>,
}

impl Clocks {
    /// A frame came. `lost` says that packets before it are missing. Gives what jumped, times from the segment's start.
    pub fn frame(&mut self, at: &Frame, lost: bool, usual_ns: u64, start_ns: Option<u64>) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let pts_ms = (at.pts_ns / 1_000_000) as i64;
        let from_start = |ns: u64| start_ns.map(|s| (ns.saturating_sub(s) / 1_000_000) as i64);
        let steady = at.came_ms - at.steady_ms;
        if let Some(before) = self.steady_ms
            && (steady - before).abs() >= SET_MS
        {
            gaps.extend(from_start(at.pts_ns).map(|ms| jump(GapKind::StationClock, ms, steady - before)));
            self.arrival_ms = None;
        }
        self.steady_ms = Some(steady);
        let distance = at.came_ms - pts_ms;
        // A window, because the camera's clock runs a little faster or slower than ours.
        let keep = self.arrival_ms.filter(|(d, since)| *d <= distance && at.pts_ns.saturating_sub(*since) < LONGEST_NS);
        self.arrival_ms = Some(keep.unwrap_or((distance, at.pts_ns)));
        if let Some(source_ns) = at.source_ns {
            let offset = (source_ns / 1_000_000) as i64 - pts_ms;
            if let Some(before) = self.source_ms
                && (offset - before).abs() >= SET_MS
            {
                gaps.extend(from_start(at.pts_ns).map(|ms| jump(GapKind::SourceClock, ms, offset - before)));
            }
            self.source_ms = Some(offset);
        }
        if let Some(last) = self.last_ns
            && !lost
            && at.pts_ns > last + SKIP_NS
            && let (Some(from_ms), Some(to_ms)) = (from_start(last + usual_ns), from_start(at.pts_ns))
        {
            let missing_ms = to_ms - from_ms;
            let count = (at.pts_ns - last) / usual_ns.max(1);
            gaps.push(Gap { kind: GapKind::Skip, from_ms, to_ms, missing_ms, count: count.saturating_sub(1) });
        }
        self.last_ns = Some(at.pts_ns);
        gaps
    }

    /// The station's clock at a running time, milliseconds since the Unix epoch.
    pub fn station_ms(&self, pts_ns: u64) -> Option<i64> {
        self.arrival_ms.map(|(d, _)| d + (pts_ns / 1_000_000) as i64)
    }

    /// The camera's clock at a running time, once known.
    pub fn source_ms(&self, pts_ns: u64) -> Option<i64> {
        self.source_ms.map(|o| o + (pts_ns / 1_000_000) as i64)
    }

    /// The camera's clock minus the station's.
    pub fn offset_ms(&self) -> Option<i64> {
        Some(self.source_ms? - self.arrival_ms?.0)
    }
}

/// A frame and the clocks when it came.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Running time.
    pub pts_ns: u64,
    /// The station's wall clock, milliseconds since the Unix epoch.
    pub came_ms: i64,
    /// The station's steady clock, milliseconds.
    pub steady_ms: i64,
    /// The camera's clock, nanoseconds since the Unix epoch.
    pub source_ns: Option<u64>,
}

fn jump(kind: GapKind, at_ms: i64, by_ms: i64) -> Gap {
    Gap { kind, from_ms: at_ms, to_ms: at_ms, missing_ms: by_ms, count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn sequence_numbers_go_round() {
        let mut packets = Packets::default();
        assert_eq!(packets.packet(65_534, 1), Seen::Next);
        assert_eq!(packets.packet(65_535, 2), Seen::Next);
        assert_eq!(packets.packet(0, 3), Seen::Next);
        assert_eq!(packets.packet(4, 9), Seen::Lost { count: 3, from_ns: 3 });
        assert_eq!(packets.packet(40_000, 10), Seen::Anew);
    }

    #[test]
    fn near_losses_are_one_gap_and_nothing_is_counted_twice() {
        let mut losses = Losses::default();
        let start = Some(0);
        // 50 frames of 40 ms, from 1 s to 3 s: the frame at 960 ms came, the one at 3,000 ms came.
        assert_eq!(losses.lost(100, 960 * MS, 3_000 * MS, 40 * MS, start), None);
        assert_eq!(losses.lost(1, 3_040 * MS, 3_040 * MS, 40 * MS, start), None);
        let told = losses.lost(2, 9_000 * MS, 9_080 * MS, 40 * MS, start).unwrap();
        assert_eq!((told.from_ms, told.to_ms, told.missing_ms, told.count), (1_000, 3_040, 2_000, 101));
        assert_eq!(losses.settled(9_500 * MS, start), None);
        let told = losses.settled(11_000 * MS, start).unwrap();
        assert_eq!((told.from_ms, told.to_ms, told.missing_ms, told.count), (9_040, 9_080, 40, 2));
        assert_eq!((losses.end(start), losses.total), (None, 103));
    }

    #[test]
    fn losses_that_go_on_are_told_each_minute() {
        let mut losses = Losses::default();
        let told: Vec<_> =
            (0..200u64).filter_map(|s| losses.lost(1, s * 900 * MS, s * 900 * MS, 40 * MS, Some(0))).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told.iter().map(|g| g.count).sum::<u64>() + losses.end(Some(0)).unwrap().count, 200);
    }

    #[test]
    fn a_loss_is_told_before_the_footage_that_it_lies_in_and_not_before_other_footage() {
        let mut losses = Losses::default();
        losses.lost(3, 2_000 * MS, 2_160 * MS, 40 * MS, Some(0));
        assert_eq!(losses.before(2_000 * MS, Some(0)), None, "the footage ends before it");
        let told = losses.before(3_000 * MS, Some(0)).unwrap();
        assert_eq!((told.kind, told.from_ms, told.to_ms, told.count), (GapKind::Loss, 2_040, 2_160, 3));
        assert_eq!(losses.before(u64::MAX, Some(0)), None, "once");
    }

    fn frame(pts_ms: u64, came_ms: i64, steady_ms: i64, source_ms: Option<u64>) -> Frame {
        Frame { pts_ns: pts_ms * MS, came_ms, steady_ms, source_ns: source_ms.map(|ms| ms * MS) }
    }

    #[test]
    fn a_clock_that_was_set_is_told_once() {
        let mut clocks = Clocks::default();
        let mut told = Vec::new();
        for n in 0..100u64 {
            let source = 1_000_000 + n * 40 + if n >= 50 { 3_600_000 } else { 0 };
            told.extend(clocks.frame(
                &frame(n * 40, 5_000 + n as i64 * 40, n as i64 * 40, Some(source)),
                false,
                40 * MS,
                Some(0),
            ));
        }
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind, told[0].from_ms, told[0].missing_ms), (GapKind::SourceClock, 2_000, 3_600_000));
        assert_eq!(clocks.offset_ms(), Some(1_000_000 + 3_600_000 - 5_000));
    }

    #[test]
    fn the_station_s_own_jump_is_no_jump_of_the_camera() {
        let mut clocks = Clocks::default();
        let _ = clocks.frame(&frame(0, 5_000, 0, Some(9_000)), false, 40 * MS, Some(0));
        let told = clocks.frame(&frame(40, 65_040, 40, Some(9_040)), false, 40 * MS, Some(0));
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind, told[0].missing_ms), (GapKind::StationClock, 60_000));
        assert_eq!(clocks.station_ms(40 * MS), Some(65_040));
    }

    #[test]
    fn frames_that_were_left_out_are_told_unless_packets_are_missing() {
        let mut clocks = Clocks::default();
        let _ = clocks.frame(&frame(0, 0, 0, None), false, 40 * MS, Some(0));
        assert!(clocks.frame(&frame(3_000, 3_000, 3_000, None), true, 40 * MS, Some(0)).is_empty());
        let told = clocks.frame(&frame(8_000, 8_000, 8_000, None), false, 40 * MS, Some(0));
        assert_eq!((told[0].kind, told[0].from_ms, told[0].to_ms), (GapKind::Skip, 3_040, 8_000));
    }
}
