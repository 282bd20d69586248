//! Fetches one stretch of footage: connection after connection until all of it is there, the same file going on over every
//! cut. Pure of policy: what to fetch, and what becomes of it, is the daemon's business. Runs inside a worker.
//!
//! After a cut it plays from the last frame that was given, and leaves out what comes a second time by the times of the
//! frames. A frame that was under way when the line was cut is not given before it came whole.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::packets::{self, Fresh, Given, Moments};
use super::rtsp::{Played, Rtsp};
use super::soap::AskError;
use super::tracks::{Lane, Offer, TakenApart};
use crate::domain::error::chain;
use crate::domain::replay::{EDGE_MS, Fetch, Tell, Timeline};
use crate::domain::stream::{Gap, GapKind, Pulse, SegmentEnd, Told};
use crate::media::stream::cutter::{Cutter, Incoming, Out};
use crate::media::stream::order::{Losses, Packets, Seen};
use crate::media::stream::pipeline::Event;
use crate::runtime::clock::monotonic;
use crate::worker::child::Conversation;
use crate::worker::protocol::FrameError;

/// Connections in a row that bring nothing new.
const TRIES: u32 = 4;
/// Pauses between them: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The line is looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// Figures are told so often.
const PULSE: Duration = Duration::from_secs(1);
/// Near the end of a span, silence of this length is its end: many recorders say nothing.
const END_QUIET: Duration = Duration::from_secs(2);
/// A recorder may begin so much earlier than it was asked to, with the key frame before.
const EARLIER_NS: u64 = 60_000_000_000;
/// Tracks that say nothing are not waited for once another one is so far behind the end.
const BEYOND_NS: u64 = 5_000_000_000;
/// Footage before the begin that is kept until it is known to be needed.
const PENDING_BYTES: usize = 128 << 20;
/// A recorder's hole of this length is told; a longer one than the second begins another segment.
const SKIP_NS: u64 = 2_000_000_000;
const JUMP_NS: u64 = 10_000_000_000;
const MS: u64 = 1_000_000;

/// Why fetching ended: in a word, in words, and whether somebody has to act before another try makes sense.
pub type Ending = (SegmentEnd, String, bool);

/// How a connection ended.
enum Ended {
    /// Everything that was asked for came.
    Whole,
    /// The recorder says that this was all, and it is less.
    Short,
    /// The daemon says stop.
    Stopped,
    /// The line broke.
    Cut(String),
    /// The recorder says no.
    Refused(AskError),
    /// Its footage cannot be kept.
    Useless(String),
}

struct Fetcher<'a> {
    fetch: &'a Fetch,
    lanes: Vec<Lane>,
    cutter: Cutter,
    given: Vec<Given>,
    losses: Vec<Losses>,
    /// Until the first frame that was asked for: what came since the last key frame before it.
    pending: Option<Vec<(usize, Incoming)>>,
    pending_bytes: usize,
    /// How far the footage of any track has come, milliseconds; the time that the cutter is told.
    footage_ms: u64,
    lead_ns: Option<u64>,
    lost_before_frame: bool,
    fresh: bool,
    /// The latest of the lead's frames that this connection brought, new or not.
    seen_ns: Option<u64>,
    start_ns: Option<u64>,
    /// Where what was given out of the open segment ends.
    end_ns: u64,
    pulse: Pulse,
    pulsed: Instant,
}

/// Fetches; gives why it ended. The daemon's words come on `tells`.
pub fn run(fetch: &Fetch, tells: &Receiver<Tell>, talk: &mut Conversation) -> Result<Ending, FrameError> {
    let mut fetcher = Fetcher {
        fetch,
        lanes: Vec::new(),
        cutter: Cutter::new(&[], 0),
        given: Vec::new(),
        losses: Vec::new(),
        pending: Some(Vec::new()),
        pending_bytes: 0,
        footage_ms: 0,
        lead_ns: None,
        lost_before_frame: false,
        fresh: false,
        seen_ns: None,
        start_ns: None,
        end_ns: 0,
        pulse: Pulse::default(),
        pulsed: monotonic(),
    };
    let (mut tries, mut pause) = (0, FIRST_PAUSE);
    let ending = loop {
        fetcher.fresh = false;
        fetcher.seen_ns = None;
        let ended = fetcher.connection(tells, talk)?;
        if fetcher.fresh {
            (tries, pause) = (0, FIRST_PAUSE);
        }
        match ended {
            Ended::Whole => break (SegmentEnd::Whole, String::new(), false),
            Ended::Short => {
                break (SegmentEnd::Short, "the recorder ended before the end of what it lists".to_owned(), false);
            }
            Ended::Stopped => break (SegmentEnd::Asked, String::new(), false),
            Ended::Refused(e) => break (SegmentEnd::Failed, chain(&e), e.is_refusal()),
            Ended::Useless(words) => break (SegmentEnd::Failed, words, true),
            Ended::Cut(words) => {
                tries += 1;
                if tries >= TRIES {
                    break (SegmentEnd::Lost, words, false);
                }
                if tells.recv_timeout(pause).is_ok() {
                    break (SegmentEnd::Asked, String::new(), false);
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    };
    let out = fetcher.cutter.finish(ending.0);
    fetcher.write(out, talk)?;
    Ok(ending)
}

impl Fetcher<'_> {
    fn connection(&mut self, tells: &Receiver<Tell>, talk: &mut Conversation) -> Result<Ended, FrameError> {
        match self.connected(tells, talk) {
            Ok(ended) => Ok(ended),
            Err(Broken::Daemon(e)) => Err(e),
            Err(Broken::Recorder(e @ (AskError::Away(_) | AskError::Malformed(_)))) => Ok(Ended::Cut(chain(&e))),
            Err(Broken::Recorder(e)) => Ok(Ended::Refused(e)),
        }
    }

    fn connected(&mut self, tells: &Receiver<Tell>, talk: &mut Conversation) -> Result<Ended, Broken> {
        let Fetch { onvif, timeline, to_ms, .. } = *self.fetch;
        let mut rtsp = Rtsp::connect(&self.fetch.door)?;
        let offer = Offer::read(&rtsp.describe()?.sdp)?;
        if offer.lanes.is_empty() {
            talk.tell(&Told::Tracks(offer.tracks), &[])?;
            return Ok(Ended::Useless("it offers no track that can be kept".to_owned()));
        }
        if self.lanes.is_empty() {
            let pictures: Vec<bool> = offer.lanes.iter().map(|l| l.picture).collect();
            self.cutter = Cutter::new(&pictures, self.fetch.segment_ms).replaying();
            self.given = pictures.iter().map(|_| Given::default()).collect();
            self.losses = pictures.iter().map(|_| Losses::default()).collect();
            self.lanes.clone_from(&offer.lanes);
            talk.tell(&Told::Tracks(offer.tracks), &[])?;
        } else if !same(&self.lanes, &offer.lanes) {
            return Ok(Ended::Useless("its tracks are others than before the line was cut".to_owned()));
        }
        self.given.iter_mut().for_each(Given::again);
        // What was kept for a frame that did not come comes again.
        self.pending.iter_mut().for_each(Vec::clear);
        self.pending_bytes = 0;
        let apart = match TakenApart::new(&offer.lanes) {
            Ok(apart) => apart,
            Err(e) => {
                return Ok(Ended::Useless(format!("its tracks cannot be taken apart ({e}); run `evidock doctor`")));
            }
        };
        for (n, lane) in offer.lanes.iter().enumerate() {
            rtsp.set_up(&lane.control, n as u8 * 2, onvif)?;
        }
        let from_ms = self.given.iter().filter_map(Given::last).min().map_or(self.fetch.from_ms, |ns| (ns / MS) as i64);
        let playing = rtsp.play(onvif, timeline, from_ms, to_ms)?;
        let begin_ns = ns(playing.from_ms.unwrap_or(from_ms));
        let moments = offer
            .lanes
            .iter()
            .map(|lane| {
                let end = lane.control.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let time = playing.times.iter().find(|(url, _)| url == end).map(|(_, time)| (*time, begin_ns));
                Moments::new(lane.rate, time)
            })
            .collect();
        let mut playing = Play {
            apart,
            moments,
            packets: offer.lanes.iter().map(|_| Packets::default()).collect(),
            over: vec![false; offer.lanes.len()],
            begin_ns,
            base_ns: ns(from_ms).saturating_sub(EARLIER_NS),
        };
        let ended = self.play(&mut rtsp, &mut playing, tells, talk)?;
        if matches!(ended, Ended::Whole | Ended::Short) {
            playing.apart.end();
            self.drain(&playing, talk)?;
            rtsp.leave();
            // What was kept back until now may be what was missing.
            return Ok(if self.reached_end() { Ended::Whole } else { ended });
        }
        rtsp.leave();
        Ok(ended)
    }

    fn play(
        &mut self,
        rtsp: &mut Rtsp<'_>,
        playing: &mut Play,
        tells: &Receiver<Tell>,
        talk: &mut Conversation,
    ) -> Result<Ended, Broken> {
        let silence = Duration::from_millis(self.fetch.silence_ms);
        let mut came = monotonic();
        loop {
            if tells.try_recv().is_ok() {
                return Ok(Ended::Stopped);
            }
            match rtsp.next(monotonic() + LOOK)? {
                Played::Packet(channel) => {
                    came = monotonic();
                    let lane = usize::from(channel / 2);
                    if lane < playing.over.len() {
                        self.packet(lane, channel % 2 == 0, rtsp.packet(), playing, talk)?;
                    }
                    if playing.over.iter().all(|over| *over) {
                        return Ok(self.over());
                    }
                }
                Played::Over => return Ok(self.over()),
                // Near the end, too, this may be the line; another connection tells whether more was to come.
                Played::Closed if self.nothing_more() => return Ok(Ended::Whole),
                Played::Closed => return Ok(Ended::Cut("the recorder ended the connection".to_owned())),
                Played::Quiet => {
                    let quiet = came.elapsed();
                    if quiet >= END_QUIET.min(silence) && self.reached_end() {
                        return Ok(Ended::Whole);
                    }
                    if quiet >= silence {
                        return Ok(Ended::Cut(format!("nothing came for {} s", quiet.as_secs())));
                    }
                }
            }
            if self.pulsed.elapsed() >= PULSE {
                self.pulsed = monotonic();
                self.pulse.lost = self.losses.iter().map(|l| l.total).sum();
                talk.tell(&Told::Pulse(self.pulse), &[])?;
            }
        }
    }

    fn over(&self) -> Ended {
        if self.reached_end() { Ended::Whole } else { Ended::Short }
    }

    fn packet(
        &mut self,
        lane: usize,
        media: bool,
        bytes: &[u8],
        playing: &mut Play,
        talk: &mut Conversation,
    ) -> Result<(), Broken> {
        if !media {
            playing.over[lane] |= packets::is_goodbye(bytes);
            return Ok(());
        }
        let Some(packet) = packets::read(bytes) else { return Ok(()) };
        let at_ns = playing.moments[lane].of(&packet, playing.begin_ns);
        // Beyond what was listed, or long before what was asked for: not what was asked for.
        let Some(running_ns) = at_ns.checked_sub(playing.base_ns) else { return Ok(()) };
        // The bit stands on every packet of the last frame, which is not here before its last one.
        let frame_ends = packet.marker || !self.lanes[lane].picture;
        playing.over[lane] |= frame_ends && packet.onvif.is_some_and(|o| o.terminal);
        // Lists are in milliseconds at best; the last frame may be what they end with.
        let beyond_ns = at_ns.saturating_sub(ns(self.fetch.to_ms));
        if beyond_ns > MS {
            playing.over[lane] = true;
            if beyond_ns > BEYOND_NS {
                playing.over.fill(true);
            }
            return Ok(());
        }
        if lane == self.cutter.lead() {
            self.seen_ns = self.seen_ns.max(Some(at_ns));
        }
        self.pulse.packets += 1;
        self.pulse.bytes += packet.payload_bytes as u64;
        if let Seen::Lost { count, from_ns } = playing.packets[lane].packet(packet.seq, at_ns) {
            self.lost_before_frame |= lane == self.cutter.lead();
            let (usual_ns, start_ns) = (self.cutter.usual_ns(), self.start_ns);
            if let Some(gap) = self.losses[lane].lost(count, from_ns, at_ns, usual_ns, start_ns) {
                talk.tell(&Told::Gap(gap), &[])?;
            }
        }
        // Elements that take no more have said so by what does not come out of them.
        playing.apart.push(lane, bytes, running_ns);
        self.drain(playing, talk)
    }

    fn drain(&mut self, playing: &Play, talk: &mut Conversation) -> Result<(), Broken> {
        while let Ok(event) = playing.apart.events.try_recv() {
            match event {
                Event::Codec(lane, codec) => {
                    use crate::media::stream::fmp4::Codec;
                    if let Codec::H264 { width, height, .. } | Codec::H265 { width, height, .. } = &codec {
                        (self.pulse.width, self.pulse.height) = (u32::from(*width), u32::from(*height));
                    }
                    self.cutter.codec(lane, codec);
                }
                Event::Sample { lane, sample, .. } => {
                    let sample = Incoming {
                        pts_ns: sample.pts_ns.saturating_add(playing.base_ns),
                        dts_ns: sample.dts_ns.saturating_add(playing.base_ns),
                        ..sample
                    };
                    self.sample(lane, sample, talk)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn sample(&mut self, lane: usize, sample: Incoming, talk: &mut Conversation) -> Result<(), Broken> {
        if let Some(pending) = &mut self.pending {
            let lead = lane == self.cutter.lead();
            if lead && sample.key {
                // An earlier key frame is not needed any more.
                pending.retain(|(other, s)| *other != lane && s.pts_ns >= sample.pts_ns);
                self.pending_bytes = pending.iter().map(|(_, s)| s.data.len()).sum();
            }
            let due = lead && sample.pts_ns.saturating_add(self.cutter.usual_ns() / 2) >= ns(self.fetch.from_ms);
            self.pending_bytes += sample.data.len();
            pending.push((lane, sample));
            if !due {
                if self.pending_bytes > PENDING_BYTES {
                    let no = "it sends footage from before what was asked for, and no end of it".to_owned();
                    return Err(Broken::Recorder(AskError::No(no)));
                }
                return Ok(());
            }
            for (lane, sample) in self.pending.take().unwrap_or_default() {
                self.take(lane, sample, talk)?;
            }
            return Ok(());
        }
        self.take(lane, sample, talk)
    }

    fn take(&mut self, lane: usize, sample: Incoming, talk: &mut Conversation) -> Result<(), Broken> {
        let fresh = self.given[lane].frame(sample.pts_ns);
        if fresh == Fresh::Given {
            return Ok(());
        }
        self.fresh = true;
        self.footage_ms = self.footage_ms.max(sample.pts_ns / MS);
        if lane == self.cutter.lead() {
            self.pulse.frames += 1;
            for gap in self.gaps(fresh, &sample) {
                talk.tell(&Told::Gap(gap), &[])?;
            }
            self.lead_ns = Some(self.lead_ns.unwrap_or(0).max(sample.pts_ns));
        }
        let out = self.cutter.sample(lane, sample, self.footage_ms);
        self.write(out, talk)?;
        Ok(())
    }

    /// What is missing before a frame of the leading track, or may be.
    fn gaps(&mut self, fresh: Fresh, sample: &Incoming) -> Vec<Gap> {
        let (usual_ns, start_ns) = (self.cutter.usual_ns(), self.start_ns);
        let mut gaps: Vec<Gap> = self.losses.iter_mut().filter_map(|l| l.settled(sample.pts_ns, start_ns)).collect();
        let lost = std::mem::take(&mut self.lost_before_frame);
        let (Some(start_ns), Some(last_ns)) = (start_ns, self.lead_ns) else { return gaps };
        let apart_ns = sample.pts_ns.saturating_sub(last_ns);
        let kind = match fresh {
            // The connection was cut, and nothing shows that nothing lay between.
            Fresh::After(_) if apart_ns > usual_ns + usual_ns / 2 => GapKind::Loss,
            _ if !lost && apart_ns > SKIP_NS && apart_ns <= JUMP_NS => GapKind::Skip,
            _ => return gaps,
        };
        let (from_ms, to_ms) = (ms(start_ns, last_ns + usual_ns), ms(start_ns, sample.pts_ns));
        let count = if kind == GapKind::Skip { (apart_ns / usual_ns.max(1)).saturating_sub(1) } else { 0 };
        gaps.push(Gap { kind, from_ms, to_ms, missing_ms: to_ms - from_ms, count });
        gaps
    }

    /// What came is as much as was listed, as far as lists can tell.
    fn reached_end(&self) -> bool {
        self.lead_ns.is_some_and(|at| at + self.cutter.usual_ns() + ns(EDGE_MS) >= ns(self.fetch.to_ms))
    }

    /// This connection brought what there was once more, up to the end, and nothing behind it.
    fn nothing_more(&self) -> bool {
        let again = self.lead_ns.zip(self.seen_ns).is_some_and(|(had, seen)| seen + MS >= had);
        !self.fresh && again && self.reached_end()
    }

    fn write(&mut self, out: Vec<Out>, talk: &mut Conversation) -> Result<(), FrameError> {
        let source = |ns: u64| (self.fetch.timeline == Timeline::Clock).then_some((ns / MS) as i64);
        for one in out {
            match one {
                Out::Begin { start_ns, end_ns, bytes } => {
                    (self.start_ns, self.end_ns) = (Some(start_ns), end_ns);
                    let told = Told::Begin {
                        station_ms: (start_ns / MS) as i64,
                        length_ms: ms(start_ns, end_ns),
                        source_ms: source(start_ns),
                    };
                    talk.tell(&told, &bytes)?;
                    self.tell_losses(talk)?;
                }
                Out::More { end_ns, bytes } => {
                    self.end_ns = end_ns;
                    self.tell_losses(talk)?;
                    let start_ns = self.start_ns.unwrap_or(end_ns);
                    talk.tell(&Told::More { length_ms: ms(start_ns, end_ns), source_ms: source(start_ns) }, &bytes)?;
                }
                Out::End(why) => {
                    self.tell_losses(talk)?;
                    self.start_ns = None;
                    talk.tell(&Told::End(why), &[])?;
                }
            }
        }
        Ok(())
    }

    /// What was lost in footage that goes out now: what the box knows of is measured against the list, and a power cut
    /// between footage and its gap would hide the gap. Packets run ahead of footage: what they say of the next segment is
    /// not said of this one.
    fn tell_losses(&mut self, talk: &mut Conversation) -> Result<(), FrameError> {
        let (end_ns, start_ns) = (self.end_ns, self.start_ns);
        for gap in self.losses.iter_mut().filter_map(|l| l.before(end_ns, start_ns)) {
            talk.tell(&Told::Gap(gap), &[])?;
        }
        Ok(())
    }
}

/// One connection while it plays.
struct Play {
    apart: TakenApart,
    moments: Vec<Moments>,
    packets: Vec<Packets>,
    /// Tracks of which nothing more comes, or nothing that was asked for.
    over: Vec<bool>,
    /// Where playing begins, as far as is known.
    begin_ns: u64,
    /// What is zero on the pipeline's time line.
    base_ns: u64,
}

/// Whose fault it is.
enum Broken {
    Daemon(FrameError),
    Recorder(AskError),
}

impl From<FrameError> for Broken {
    fn from(e: FrameError) -> Self {
        Self::Daemon(e)
    }
}

impl From<AskError> for Broken {
    fn from(e: AskError) -> Self {
        Self::Recorder(e)
    }
}

fn same(one: &[Lane], other: &[Lane]) -> bool {
    let of = |lanes: &[Lane]| lanes.iter().map(|l| (l.encoding.clone(), l.picture, l.rate)).collect::<Vec<_>>();
    of(one) == of(other)
}

fn ns(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(MS)
}

fn ms(from_ns: u64, to_ns: u64) -> i64 {
    (to_ns.saturating_sub(from_ns) / MS) as i64
}
