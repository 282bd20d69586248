//! The worker of one live stream: connects, records, tells the daemon; ends with its connection. Runs only inside a
//! worker process, which may reach the network and no file.
//!
//! | file | owns |
//! | --- | --- |
//! | `pipeline` | GStreamer: from the connection to samples |
//! | `trust` | which certificates count |
//! | [`order`] | what is missing, and which clock jumped: pure |
//! | [`cutter`] | from samples to segments: pure |
//! | [`fmp4`] | the file format: pure |
//!
//! Why the file is written here and not by one of GStreamer's muxers. All were tried in GStreamer 1.22, each killed with
//! SIGKILL in its twelfth second at 25 pictures a second: `qtmux` and `mp4mux` in fragmented, streamable form keep 275 of
//! about 297 pictures (they hold the fragment under way back), `mp4mux` refuses A-law, `matroskamux` keeps 297 but leaves
//! a file without a length; and both wait for every track, so that a camera that announces sound and sends none leaves an
//! empty file. A writer of our own keeps what came until half a second ago, waits for nobody, cuts where it is told, and
//! lets the times of each file begin at zero.

pub mod cutter;
pub mod fmp4;
pub mod order;
pub(super) mod pipeline;
pub(super) mod trust;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use gstreamer as gst;

use super::ServeError;
use crate::domain::stream::{PORT_VARIABLE, Pulse, SegmentEnd, Source, Tell, Told, Trust};
use crate::runtime::clock::monotonic;
use crate::worker::child::{self, Conversation};
use crate::worker::protocol::FrameError;
use crate::worker::sandbox::{self, Limits, Measure};
use cutter::{Cutter, Out};
use fmp4::Codec;
use order::{Clocks, Frame, Losses};
use pipeline::{Event, Pipeline};

/// Samples that may wait for the daemon; beyond it the connection waits.
const QUEUE: usize = 512;
/// The loop looks at the time at least so often.
const TICK: Duration = Duration::from_millis(100);
/// Figures are told so often.
const PULSE_MS: u64 = 1_000;
/// A key frame is given for a still picture so often.
const STILL_MS: u64 = 20_000;
/// The largest key frame of which a still is made.
const STILL_BYTES: usize = 4 << 20;
/// Pictures without a key frame among them: nothing can be recorded, and the daemon must know.
const NO_KEY_MS: u64 = 30_000;

/// What name resolution and the public authorities need to be read.
const NETWORK_READ_PATHS: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
];
/// Left out where one certificate is pinned: then nothing else may count.
const AUTHORITIES: &str = "/etc/ssl/certs";

/// Names the environment variable that is set where one certificate is pinned.
pub const PINNED_VARIABLE: &str = "EVIDOCK_STREAM_PINNED";

pub(super) const LIMITS: Limits = Limits {
    // Measured: below 0.6 GiB of address space, libraries included; nothing is decoded here.
    address_space_bytes: 2 << 30,
    // A connection may stand for months.
    cpu_seconds: 1 << 30,
    open_files: 256,
};

/// The life of a stream's worker.
pub fn serve() -> Result<(), ServeError> {
    gst::init()?;
    let port = std::env::var(PORT_VARIABLE).ok().and_then(|p| p.parse().ok()).ok_or(ServeError::Port)?;
    let measures = shut_but_network(&LIMITS, port);
    // A pin without the fence could be passed by with a certificate of any public authority.
    let fenced = measures.iter().any(|m| m.name == "landlock" && m.in_force);
    let (events, coming) = sync_channel::<Event>(QUEUE);
    let tells = events.clone();
    let mut talk = child::converse(measures, move |tell: Tell| tells.send(Event::Tell(tell)).is_ok())?;
    let Ok(Event::Tell(Tell::Open(source))) = coming.recv() else { return Ok(()) };
    let (why, words, refused) = if matches!(source.trust, Trust::Pinned(_)) && !fenced {
        let words = "this kernel cannot keep the public authorities from the worker, so a pinned certificate cannot be \
                     enforced; name the camera's authority with ca_file instead";
        (SegmentEnd::Failed, words.to_owned(), true)
    } else {
        Recorder::new(&source).run(&source, events, &coming, &mut talk)?
    };
    talk.tell(&Told::Closed { why, words, refused }, &[])?;
    Ok(())
}

/// Gives up everything but the network and what it needs to be read.
pub(super) fn shut_but_network(limits: &Limits, port: u16) -> Vec<Measure> {
    let pinned = std::env::var_os(PINNED_VARIABLE).is_some();
    let paths: Vec<&str> = sandbox::SYSTEM_READ_PATHS
        .iter()
        .chain(NETWORK_READ_PATHS)
        .copied()
        .chain((!pinned).then_some(AUTHORITIES))
        .collect();
    sandbox::lock_down_with_network(limits, &paths, port)
}

/// Why a connection ended: in a word, in words, and whether somebody has to act before another try makes sense.
type Ending = (SegmentEnd, String, bool);

struct Recorder {
    cutter: Cutter,
    /// Of each lane.
    losses: Vec<Losses>,
    clocks: Clocks,
    lost_before_frame: bool,
    pulse: Pulse,
    last_key_ns: Option<u64>,
    codecs: BTreeMap<usize, Codec>,
    start_ns: Option<u64>,
    station_start_ms: i64,
    last_sample_ms: u64,
    last_key_ms: u64,
    pulse_ms: u64,
    still_ms: Option<u64>,
    begun: std::time::Instant,
}

impl Recorder {
    fn new(source: &Source) -> Self {
        Self {
            cutter: Cutter::new(&[], source.segment_ms),
            losses: Vec::new(),
            clocks: Clocks::default(),
            lost_before_frame: false,
            pulse: Pulse::default(),
            last_key_ns: None,
            codecs: BTreeMap::new(),
            start_ns: None,
            station_start_ms: 0,
            last_sample_ms: 0,
            last_key_ms: 0,
            pulse_ms: 0,
            still_ms: None,
            begun: monotonic(),
        }
    }

    fn now_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    fn run(
        mut self,
        source: &Source,
        events: SyncSender<Event>,
        coming: &Receiver<Event>,
        talk: &mut Conversation,
    ) -> Result<Ending, FrameError> {
        let pipeline = match Pipeline::start(source, events) {
            Ok(pipeline) => pipeline,
            Err(e) => return Ok((SegmentEnd::Failed, crate::domain::error::chain(&e), true)),
        };
        let ending = loop {
            let ended = match coming.recv_timeout(TICK) {
                Ok(event) => self.event(event, source, talk)?,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some((SegmentEnd::Failed, "the pipeline is gone".into(), false)),
            };
            if let Some(ending) = ended {
                break ending;
            }
            let now_ms = self.now_ms();
            let out = self.cutter.tick(now_ms);
            self.write(out, talk)?;
            if let Some(ending) = self.watch(source, now_ms) {
                break ending;
            }
            if now_ms >= self.pulse_ms + PULSE_MS {
                self.pulse_ms = now_ms;
                self.pulse.bytes = pipeline.bytes.load(Ordering::Relaxed);
                self.pulse.packets = pipeline.packets.load(Ordering::Relaxed);
                self.pulse.lost = self.losses.iter().map(|l| l.total).sum();
                self.pulse.clock_offset_ms = self.clocks.offset_ms();
                talk.tell(&Told::Pulse(self.pulse), &[])?;
            }
        };
        // What came before the end and still waits in the channel was footage, too.
        while let Ok(event) = coming.try_recv() {
            if matches!(event, Event::Sample { .. } | Event::Codec(..) | Event::Lost(..)) {
                self.event(event, source, talk)?;
            }
        }
        let out = self.cutter.finish(ending.0);
        self.write(out, talk)?;
        Ok(ending)
    }

    fn event(&mut self, event: Event, source: &Source, talk: &mut Conversation) -> Result<Option<Ending>, FrameError> {
        match event {
            Event::Tracks(tracks, pictures) => {
                talk.tell(&Told::Tracks(tracks), &[])?;
                if pictures.is_empty() {
                    let words = "it offers no track that can be recorded";
                    return Ok(Some((SegmentEnd::Failed, words.to_owned(), true)));
                }
                self.cutter = Cutter::new(&pictures, source.segment_ms);
                self.losses = pictures.iter().map(|_| Losses::default()).collect();
                self.last_sample_ms = self.now_ms();
            }
            Event::Codec(lane, codec) => {
                if let Codec::H264 { width, height, .. } | Codec::H265 { width, height, .. } = &codec {
                    (self.pulse.width, self.pulse.height) = (u32::from(*width), u32::from(*height));
                }
                self.codecs.insert(lane, codec.clone());
                self.cutter.codec(lane, codec);
            }
            Event::Lost(lane, count, from_ns, to_ns) => {
                self.lost_before_frame |= lane == self.cutter.lead();
                let usual_ns = self.cutter.usual_ns();
                let start_ns = self.start_ns;
                let told = self.losses.get_mut(lane).and_then(|l| l.lost(count, from_ns, to_ns, usual_ns, start_ns));
                if let Some(gap) = told {
                    talk.tell(&Told::Gap(gap), &[])?;
                }
            }
            Event::Sample { lane, sample, source_ns, came_ms } => {
                let now_ms = self.now_ms();
                self.last_sample_ms = now_ms;
                if lane == self.cutter.lead() {
                    let at = Frame { pts_ns: sample.pts_ns, came_ms, steady_ms: now_ms as i64, source_ns };
                    let lost = std::mem::take(&mut self.lost_before_frame);
                    let mut gaps = self.clocks.frame(&at, lost, self.cutter.usual_ns(), self.start_ns);
                    let start_ns = self.start_ns;
                    gaps.extend(self.losses.iter_mut().filter_map(|l| l.settled(sample.pts_ns, start_ns)));
                    for gap in gaps {
                        talk.tell(&Told::Gap(gap), &[])?;
                    }
                    self.pulse.frames += 1;
                    if sample.key {
                        self.pulse.key_ms = Some(came_ms);
                        self.key_frame(lane, &sample, now_ms, talk)?;
                    }
                }
                let out = self.cutter.sample(lane, sample, now_ms);
                self.write(out, talk)?;
            }
            Event::Tell(Tell::Cut) => self.cutter.want_cut(),
            Event::Tell(Tell::Stop) => return Ok(Some((SegmentEnd::Asked, String::new(), false))),
            Event::Tell(Tell::Open(_)) => {}
            Event::Eos => return Ok(Some((SegmentEnd::Lost, "the camera ended the connection".into(), false))),
            Event::Failed(words, refused) => return Ok(Some((SegmentEnd::Lost, words, refused))),
        }
        Ok(None)
    }

    fn key_frame(
        &mut self,
        lane: usize,
        sample: &cutter::Incoming,
        now_ms: u64,
        talk: &mut Conversation,
    ) -> Result<(), FrameError> {
        self.last_key_ms = now_ms;
        if let Some(last) = self.last_key_ns.replace(sample.pts_ns) {
            self.pulse.key_every_ms = sample.pts_ns.saturating_sub(last) / 1_000_000;
        }
        let due = self.still_ms.is_none_or(|at| now_ms >= at + STILL_MS);
        if let Some(codec) = self.codecs.get(&lane).filter(|c| due && c.is_video() && sample.data.len() <= STILL_BYTES)
        {
            self.still_ms = Some(now_ms);
            talk.tell(&Told::Still, &cutter::still(codec, sample.data.clone()))?;
        }
        Ok(())
    }

    /// Silence raises no error of its own.
    fn watch(&self, source: &Source, now_ms: u64) -> Option<Ending> {
        let silent_ms = now_ms.saturating_sub(self.last_sample_ms);
        if silent_ms >= source.silence_ms.max(1) {
            return Some((SegmentEnd::Silent, format!("nothing came for {} s", silent_ms / 1000), false));
        }
        let keyless_ms = now_ms.saturating_sub(self.last_key_ms);
        (keyless_ms >= NO_KEY_MS).then(|| {
            let words = format!("no key frame came for {} s; set a shorter interval in the camera", keyless_ms / 1000);
            (SegmentEnd::Silent, words, false)
        })
    }

    fn write(&mut self, out: Vec<Out>, talk: &mut Conversation) -> Result<(), FrameError> {
        for one in out {
            match one {
                Out::Begin { start_ns, end_ns, bytes } => {
                    self.start_ns = Some(start_ns);
                    self.station_start_ms = self.clocks.station_ms(start_ns).unwrap_or_default();
                    let length_ms = ms(start_ns, end_ns);
                    let source_ms = self.clocks.source_ms(start_ns);
                    let told = Told::Begin { station_ms: self.station_start_ms, length_ms, source_ms };
                    talk.tell(&told, &bytes)?;
                }
                Out::More { end_ns, bytes } => {
                    let start_ns = self.start_ns.unwrap_or(end_ns);
                    let source_ms = self.clocks.source_ms(start_ns);
                    talk.tell(&Told::More { length_ms: ms(start_ns, end_ns), source_ms }, &bytes)?;
                }
                Out::End(why) => {
                    let start_ns = self.start_ns;
                    for gap in self.losses.iter_mut().filter_map(|l| l.end(start_ns)) {
                        talk.tell(&Told::Gap(gap), &[])?;
                    }
                    self.start_ns = None;
                    talk.tell(&Told::End(why), &[])?;
                }
            }
        }
        Ok(())
    }
}

fn ms(from_ns: u64, to_ns: u64) -> i64 {
    (to_ns.saturating_sub(from_ns) / 1_000_000) as i64
}
