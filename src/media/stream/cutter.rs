//! From samples as they come to segments: cuts on key frames, writes fragments, rebases times. Pure: it is told what
//! time it is, and gives what is to be written. Of footage that is replayed, the time that it is told is the footage's
//! own: then the same footage gives the same bytes, however fast it came.
//!
//! The *leading* track is the first picture, or without one the first sound. A segment begins with one of its key
//! frames, and every other track's samples from that moment on. The last sample of a track is kept back until the next
//! one tells how long it lasted. A track that says nothing never holds another one up.

use std::collections::VecDeque;

use super::fmp4::{self, Codec, Run};
use crate::domain::stream::SegmentEnd;

/// Footage in one fragment, nanoseconds: what a killed worker loses at most.
const FRAGMENT_NS: u64 = 500_000_000;
/// At a cut the other tracks are waited for so long, milliseconds of the station's time.
const CUT_PATIENCE_MS: u64 = 400;
/// At the beginning the other tracks' encodings are waited for so long, likewise.
const BEGIN_PATIENCE_MS: u64 = 1_500;
/// Times that jump further than this are another time line, nanoseconds; a file holds one.
const JUMP_NS: u64 = 10_000_000_000;
/// Stands in for the length of a track's last sample where nothing tells it: a picture of 25 a second.
const USUAL_NS: u64 = 40_000_000;
/// Samples that may wait; a stream that never has a key frame must not fill the memory.
const WAITING: usize = 4_096;
/// A track that said nothing for so long is not waited for, milliseconds.
const ALIVE_MS: u64 = 1_000;
/// In a replay tracks run ahead of each other by what servers keep in their queues, milliseconds of footage.
const REPLAY_PATIENCE_MS: u64 = 10_000;

/// A sample as a track gives it; nanoseconds of the pipeline's running time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// When it is shown.
    pub pts_ns: u64,
    /// When it is decoded.
    pub dts_ns: u64,
    /// Decodable by itself.
    pub key: bool,
    /// Bytes.
    pub data: Vec<u8>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// A segment begins with these bytes.
    Begin {
        /// Running time of its first frame.
        start_ns: u64,
        /// Running time of the end of the bytes' footage.
        end_ns: u64,
        /// Head and first fragment.
        bytes: Vec<u8>,
    },
    /// It goes on.
    More {
        /// As above.
        end_ns: u64,
        /// One fragment.
        bytes: Vec<u8>,
    },
    /// It is whole.
    End(SegmentEnd),
}

struct Lane {
    codec: Option<Codec>,
    waiting: VecDeque<Incoming>,
    /// Decoding time of the last sample that came.
    last_dts_ns: Option<u64>,
    /// When it came.
    seen_ms: u64,
    usual_ns: u64,
}

/// How long other tracks are waited for, milliseconds of the time that the cutter is told.
#[derive(Debug, Clone, Copy)]
struct Pace {
    begin_ms: u64,
    cut_ms: u64,
    alive_ms: u64,
    /// Fragments end at set times of the footage, and hold of every track what is before.
    even: bool,
}

const LIVE: Pace = Pace { begin_ms: BEGIN_PATIENCE_MS, cut_ms: CUT_PATIENCE_MS, alive_ms: ALIVE_MS, even: false };
const REPLAY: Pace =
    Pace { begin_ms: REPLAY_PATIENCE_MS, cut_ms: REPLAY_PATIENCE_MS, alive_ms: REPLAY_PATIENCE_MS, even: true };

/// How far waiting samples are written.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// As far as they can be.
    Now,
    /// Before this moment: by key frames of the leading track, by showing time of the others.
    Cut(u64),
    /// Before this decoding time.
    Even(u64),
}

struct Open {
    /// Running time that is zero in the file.
    base_ns: u64,
    /// Where the fragment under way ends, at an even pace.
    even_ns: u64,
    start_ns: u64,
    /// Lanes that the file has, in the order of its tracks.
    lanes: Vec<usize>,
    sequence: u32,
    /// Its first bytes are not out yet.
    head: Option<Vec<u8>>,
}

/// Cuts the samples of one connection.
pub struct Cutter {
    lanes: Vec<Lane>,
    lead: usize,
    segment_ns: u64,
    pace: Pace,
    open: Option<Open>,
    /// A segment is to begin with this frame of the leading track; since when it is known, why the one before ends.
    cut: Option<(u64, u64, SegmentEnd)>,
    wanted: Option<SegmentEnd>,
    dropped: u64,
}

impl Cutter {
    /// For tracks of which `true` is a picture; a segment is cut after `segment_ms` (0: never).
    pub fn new(tracks: &[bool], segment_ms: u64) -> Self {
        let lane = || Lane { codec: None, waiting: VecDeque::new(), last_dts_ns: None, seen_ms: 0, usual_ns: USUAL_NS };
        Self {
            lanes: tracks.iter().map(|_| lane()).collect(),
            lead: tracks.iter().position(|video| *video).unwrap_or(0),
            segment_ns: segment_ms.saturating_mul(1_000_000),
            pace: LIVE,
            open: None,
            cut: None,
            wanted: None,
            dropped: 0,
        }
    }

    /// The same for footage that is replayed: the times that it is told are those of the footage.
    pub fn replaying(self) -> Self {
        Self { pace: REPLAY, ..self }
    }

    /// The leading track.
    pub fn lead(&self) -> usize {
        self.lead
    }

    /// How long a sample of the leading track usually lasts, nanoseconds.
    pub fn usual_ns(&self) -> u64 {
        self.lanes.get(self.lead).map_or(USUAL_NS, |l| l.usual_ns)
    }

    /// Running time of the open segment's first frame.
    pub fn start_ns(&self) -> Option<u64> {
        self.open.as_ref().map(|o| o.start_ns)
    }

    /// Samples of the leading track that were left out because no key frame had come yet.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A track's encoding is known, or another one from here on.
    pub fn codec(&mut self, lane: usize, codec: Codec) {
        let Some(l) = self.lanes.get_mut(lane) else { return };
        if l.codec.as_ref() == Some(&codec) {
            return;
        }
        l.codec = Some(codec);
        if self.open.is_some() {
            self.wanted = Some(SegmentEnd::Changed);
        }
    }

    /// Another segment is to begin at the next key frame.
    pub fn want_cut(&mut self) {
        if self.open.is_some() {
            self.wanted = Some(SegmentEnd::Asked);
        }
    }

    /// A sample came.
    pub fn sample(&mut self, lane: usize, sample: Incoming, now_ms: u64) -> Vec<Out> {
        let mut out = Vec::new();
        let lead = lane == self.lead;
        let Some(l) = self.lanes.get_mut(lane) else { return out };
        l.seen_ms = now_ms;
        let mut sample = sample;
        if let Some(last) = l.last_dts_ns {
            let (ahead, behind) = (sample.dts_ns.saturating_sub(last), last.saturating_sub(sample.dts_ns));
            if ahead > JUMP_NS || behind > JUMP_NS {
                if lead {
                    out.extend(self.finish(SegmentEnd::Changed));
                }
                let l = &mut self.lanes[lane];
                l.last_dts_ns = None;
                l.waiting.clear();
            } else if sample.dts_ns <= last {
                // Decoding times of a file only grow.
                sample.dts_ns = last + 1;
            } else if ahead < 4 * l.usual_ns {
                // A slow mean: one late frame changes little.
                l.usual_ns = (l.usual_ns * 7 + ahead) / 8;
            }
        }
        let l = &mut self.lanes[lane];
        l.last_dts_ns = Some(sample.dts_ns);
        let (pts_ns, key) = (sample.pts_ns, sample.key);
        if lead && key {
            match &self.open {
                None => {
                    self.cut.get_or_insert((pts_ns, now_ms, SegmentEnd::Asked));
                }
                Some(open) if self.cut.is_none() => {
                    let long = self.segment_ns > 0
                        && pts_ns.saturating_sub(open.start_ns) + self.lanes[lane].usual_ns / 2 >= self.segment_ns;
                    let why = self.wanted.or(long.then_some(SegmentEnd::Length));
                    if let Some(why) = why {
                        self.cut = Some((pts_ns, now_ms, why));
                    }
                }
                Some(_) => {}
            }
        }
        if lead && self.open.is_none() && self.cut.is_none() {
            self.dropped += 1;
            return out;
        }
        let l = &mut self.lanes[lane];
        l.waiting.push_back(sample);
        if l.waiting.len() > WAITING {
            l.waiting.pop_front();
        }
        out.extend(self.tick(now_ms));
        out
    }

    /// Time went on.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Out> {
        let mut out = Vec::new();
        if let Some((at_ns, since_ms, why)) = self.cut {
            let patience = if self.open.is_some() { self.pace.cut_ms } else { self.pace.begin_ms };
            let late = now_ms.saturating_sub(since_ms) >= patience;
            if late || self.others_have_reached(at_ns, now_ms) {
                self.cut = None;
                if self.open.is_some() {
                    self.flush_evens(self.cut_dts_ns(at_ns), &mut out);
                    self.flush(Until::Cut(at_ns), true, &mut out);
                    self.open = None;
                    out.push(Out::End(why));
                }
                self.begin(at_ns);
            }
            return out;
        }
        if self.pace.even {
            while let Some(even_ns) = self.open.as_ref().map(|o| o.even_ns)
                && self.lanes[self.lead].last_dts_ns.is_some_and(|d| d >= even_ns)
                && self.others_have_reached(even_ns, now_ms)
            {
                self.flush_even(even_ns, &mut out);
            }
        } else if self.open.is_some() {
            let lead = &self.lanes[self.lead].waiting;
            let span = lead.back().zip(lead.front()).map_or(0, |(b, f)| b.dts_ns.saturating_sub(f.dts_ns));
            if span >= FRAGMENT_NS {
                self.flush(Until::Now, false, &mut out);
            }
        }
        out
    }

    /// Writes the fragment that ends there; the next one ends behind the next sample, so that a hole in the footage
    /// makes no empty fragments. All of it follows from the footage alone.
    fn flush_even(&mut self, even_ns: u64, out: &mut Vec<Out>) {
        self.flush(Until::Even(even_ns), false, out);
        let next_ns = self.lanes[self.lead].waiting.front().map_or(even_ns, |s| s.dts_ns.max(even_ns));
        if let Some(open) = &mut self.open {
            open.even_ns += FRAGMENT_NS * (1 + (next_ns - even_ns) / FRAGMENT_NS);
        }
    }

    /// Writes every fragment that ends before this decoding time of the leading track.
    fn flush_evens(&mut self, before_ns: u64, out: &mut Vec<Out>) {
        while let Some(even_ns) = self.open.as_ref().map(|o| o.even_ns).filter(|e| self.pace.even && *e <= before_ns) {
            self.flush_even(even_ns, out);
        }
    }

    /// Decoding time of the key frame of the leading track with which a segment is to begin.
    fn cut_dts_ns(&self, at_ns: u64) -> u64 {
        let key = self.lanes[self.lead].waiting.iter().find(|s| s.key && s.pts_ns >= at_ns);
        key.map_or(0, |s| s.dts_ns)
    }

    /// Everything that came is written, and the open segment ends.
    pub fn finish(&mut self, why: SegmentEnd) -> Vec<Out> {
        let mut out = Vec::new();
        if let Some((at_ns, _, cut_why)) = self.cut.take() {
            if self.open.is_some() {
                self.flush_evens(self.cut_dts_ns(at_ns), &mut out);
                self.flush(Until::Cut(at_ns), true, &mut out);
                self.open = None;
                out.push(Out::End(cut_why));
            }
            self.begin(at_ns);
        }
        if self.open.is_some() {
            self.flush_evens(self.lanes[self.lead].last_dts_ns.unwrap_or(0), &mut out);
            self.flush(Until::Now, true, &mut out);
            // A segment of which nothing was ever written is none.
            if self.open.take().is_some_and(|o| o.head.is_none()) {
                out.push(Out::End(why));
            }
        }
        for lane in &mut self.lanes {
            lane.waiting.clear();
            lane.last_dts_ns = None;
        }
        out
    }

    /// Whether no track that is alive can still bring a sample from before `at_ns`, and all encodings are known.
    fn others_have_reached(&self, at_ns: u64, now_ms: u64) -> bool {
        self.lanes.iter().enumerate().all(|(n, lane)| {
            if n == self.lead {
                return lane.codec.is_some();
            }
            let alive = lane.last_dts_ns.is_some() && now_ms.saturating_sub(lane.seen_ms) < self.pace.alive_ms;
            match self.open {
                Some(_) => !alive || lane.last_dts_ns.is_some_and(|d| d >= at_ns),
                None => lane.codec.is_some(),
            }
        })
    }

    fn begin(&mut self, at_ns: u64) {
        if self.lanes[self.lead].codec.is_none() {
            return;
        }
        let lanes: Vec<usize> = (0..self.lanes.len()).filter(|n| self.lanes[*n].codec.is_some()).collect();
        let codecs: Vec<Codec> = lanes.iter().filter_map(|n| self.lanes[*n].codec.clone()).collect();
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            if n == self.lead {
                while lane.waiting.front().is_some_and(|s| s.pts_ns < at_ns && !s.key) {
                    lane.waiting.pop_front();
                }
            } else {
                lane.waiting.retain(|s| s.pts_ns >= at_ns);
            }
        }
        // Decoding may begin before showing does, where pictures are sent out of order.
        let first = self.lanes[self.lead].waiting.front().map_or(at_ns, |s| s.dts_ns.min(at_ns));
        self.wanted = None;
        let (even_ns, head) = (first + FRAGMENT_NS, Some(fmp4::head(&codecs)));
        self.open = Some(Open { base_ns: first, even_ns, start_ns: at_ns, lanes, sequence: 0, head });
    }

    /// Writes what waits as far as `until`, and but for `all` not the last sample of a track, whose length is not known
    /// yet.
    fn flush(&mut self, until: Until, all: bool, out: &mut Vec<Out>) {
        let Some(open) = &mut self.open else { return };
        let mut runs = Vec::new();
        let mut end_ns = open.start_ns;
        for (track, n) in open.lanes.iter().enumerate() {
            let lane = &mut self.lanes[*n];
            let scale = u128::from(lane.codec.as_ref().map_or(90_000, Codec::timescale));
            let units = |ns: u64| (u128::from(ns.saturating_sub(open.base_ns)) * scale / 1_000_000_000) as u64;
            let mut run = Run { track: track as u32 + 1, decode_time: 0, samples: Vec::new() };
            while let Some(s) = lane.waiting.front() {
                let lead = *n == self.lead;
                let beyond = match until {
                    Until::Now => false,
                    Until::Cut(at_ns) => s.pts_ns >= at_ns && (s.key || !lead),
                    Until::Even(at_ns) => s.dts_ns >= at_ns,
                };
                if beyond {
                    break;
                }
                let next = lane.waiting.get(1).map(|next| next.dts_ns);
                if next.is_none() && !all {
                    break;
                }
                let Some(s) = lane.waiting.pop_front() else { break };
                let ends_ns = next.unwrap_or(s.dts_ns + lane.usual_ns);
                if run.samples.is_empty() {
                    run.decode_time = units(s.dts_ns);
                }
                if lead {
                    end_ns = end_ns.max(s.pts_ns + (ends_ns - s.dts_ns).min(lane.usual_ns * 2));
                }
                let composition = units(s.pts_ns.max(open.base_ns)) as i64 - units(s.dts_ns) as i64;
                run.samples.push(fmp4::Sample {
                    duration: units(ends_ns).saturating_sub(units(s.dts_ns)).min(u64::from(u32::MAX)) as u32,
                    composition: composition.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
                    key: s.key,
                    data: s.data,
                });
            }
            if !run.samples.is_empty() {
                runs.push(run);
            }
        }
        if runs.is_empty() {
            return;
        }
        open.sequence += 1;
        let fragment = fmp4::fragment(open.sequence, &runs);
        match open.head.take() {
            Some(mut bytes) => {
                bytes.extend_from_slice(&fragment);
                out.push(Out::Begin { start_ns: open.start_ns, end_ns, bytes });
            }
            None => out.push(Out::More { end_ns, bytes: fragment }),
        }
    }
}

/// One key frame as a file of its own.
pub fn still(codec: &Codec, data: Vec<u8>) -> Vec<u8> {
    let mut bytes = fmp4::head(std::slice::from_ref(codec));
    let sample = fmp4::Sample { duration: codec.timescale(), composition: 0, key: true, data };
    bytes.extend_from_slice(&fmp4::fragment(1, &[Run { track: 1, decode_time: 0, samples: vec![sample] }]));
    bytes
}

#[cfg(test)]
mod tests;
