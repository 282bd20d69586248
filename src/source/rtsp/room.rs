//! One stream over time: while a recording is wanted it is connected, and made anew with growing pauses when it breaks;
//! what comes is fed in segments of whichever recording is wanted when they begin. One thread owns all of it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use bytes::Bytes;

use super::link::{Link, LinkError, Program};
use crate::config::Stream;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::{ClipId, RecorderId, RecordingId};
use crate::domain::ports::{Clock, Feed, FeedEnd, FeedError, FeedStart};
use crate::domain::recorder::{Importance, SourcePath};
use crate::domain::stream::{Order, Pulse, SegmentEnd, SegmentReach, SegmentStart, Tell, Told};
use crate::runtime::board::{Board, StreamState};
use crate::runtime::health::Health;

/// Orders and the worker's words are looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A worker that was told to stop ends within this time, or is ended.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Pauses between two tries: the first, and the longest, which also is that of what only a person can mend.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that stood so long makes the next pause short again, milliseconds.
const STEADY_MS: i64 = 30_000;
/// Bit rates are those of so many seconds.
const RATE_PULSES: usize = 10;

/// What one stream's thread is given.
pub struct Room {
    /// As configured.
    pub stream: Stream,
    /// How workers are run.
    pub program: Program,
    /// Makes a feed for one clip.
    pub feed: Arc<dyn Fn() -> Box<dyn Feed> + Send + Sync>,
    /// Where it is shown.
    pub board: Board,
    /// And how it is.
    pub health: Health,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Takes a key frame of a recording, of which a still picture is to be made.
    pub still: Arc<dyn Fn(RecordingId, Bytes) + Send + Sync>,
}

/// How a connection ended.
enum Ended {
    /// The daemon stops.
    Stopping,
    /// Nobody wants a recording any more.
    Unwanted,
    /// It broke: in words, and whether a person has to do something.
    Broke(String, bool),
}

/// The segment that grows.
struct Growing {
    feed: Box<dyn Feed>,
    clip: ClipId,
    /// The worker said that it is whole.
    whole: Option<SegmentEnd>,
}

impl Room {
    /// Works until nobody can order any more, which is how the daemon says that it stops.
    pub fn run(&self, orders: &Receiver<Option<Order>>) {
        let mut wanted: Option<Order> = None;
        let mut pause = FIRST_PAUSE;
        let mut sealing = Vec::new();
        'life: loop {
            let Some(order) = wanted.clone() else {
                self.show(StreamState::Idle);
                self.part().ok();
                match orders.recv() {
                    Ok(order) => wanted = order,
                    Err(_) => break,
                }
                pause = FIRST_PAUSE;
                continue;
            };
            let begun_ms = self.clock.monotonic_ms();
            let (words, operator) = match self.connection(order, &mut wanted, orders, &mut sealing) {
                Ended::Stopping => break,
                Ended::Unwanted => continue,
                Ended::Broke(words, operator) => (words, operator),
            };
            if self.clock.monotonic_ms() - begun_ms >= STEADY_MS {
                pause = FIRST_PAUSE;
            }
            let wait = if operator { LONGEST_PAUSE } else { pause };
            pause = (pause * 2).min(LONGEST_PAUSE);
            tracing::warn!(stream = %self.stream.name, why = %words, wait_s = wait.as_secs(), "a stream is not being recorded; it is tried again");
            let next_ms = self.clock.now().0 + wait.as_millis() as i64;
            self.show(StreamState::Waiting { words: words.clone(), next_ms });
            let todo = match operator {
                true => format!("then `evidock stream test {}`", self.stream.name),
                false => "check the camera and the network; it goes on by itself".to_owned(),
            };
            self.part().failed("stream_lost", words, todo);
            let until_ms = self.clock.monotonic_ms() + wait.as_millis() as i64;
            loop {
                let left_ms = until_ms - self.clock.monotonic_ms();
                if left_ms <= 0 || wanted.is_none() {
                    break;
                }
                match orders.recv_timeout(Duration::from_millis(left_ms as u64)) {
                    Ok(order) => wanted = order,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => break 'life,
                }
            }
        }
        self.board.stream(self.stream.name.as_str(), |s| s.state = StreamState::Idle);
        for thread in sealing {
            // Sealing reports its own failure; what it panicked over stands on the disk.
            let _: std::thread::Result<()> = std::thread::JoinHandle::join(thread);
        }
    }

    fn part(&self) -> crate::runtime::health::Part {
        self.health.part(format!("stream {}", self.stream.name))
    }

    fn show(&self, state: StreamState) {
        let now_ms = self.clock.now().0;
        self.board.stream(self.stream.name.as_str(), |s| {
            if s.state != state {
                s.since_ms = now_ms;
            }
            s.state = state;
            s.pulse = Pulse::default();
            s.bit_rate = 0;
        });
    }

    /// One connection, from its begin to its end.
    fn connection(
        &self,
        mut order: Order,
        wanted: &mut Option<Order>,
        orders: &Receiver<Option<Order>>,
        sealing: &mut Vec<std::thread::JoinHandle<()>>,
    ) -> Ended {
        self.show(StreamState::Connecting);
        let mut link = match Link::open(&self.program, &self.stream) {
            Ok(link) => link,
            Err(e) => return broke(&e),
        };
        let mut growing: Option<Growing> = None;
        let mut pulses: std::collections::VecDeque<u64> = std::collections::VecDeque::new();
        let mut stopping_ms: Option<i64> = None;
        let mut leaving = false;
        sealing.retain(|thread| !thread.is_finished());
        let ended = loop {
            match orders.try_recv() {
                Ok(new) => {
                    *wanted = new;
                    match wanted {
                        Some(new) if *new != order => {
                            order = new.clone();
                            if let Err(e) = link.tell(&Tell::Cut) {
                                break broke(&e);
                            }
                        }
                        Some(_) => {}
                        None => stopping_ms = Some(self.stop(&mut link, stopping_ms)),
                    }
                }
                Err(TryRecvError::Disconnected) if !leaving => {
                    leaving = true;
                    stopping_ms = Some(self.stop(&mut link, stopping_ms));
                }
                Err(_) => {}
            }
            if stopping_ms.is_some_and(|since| self.clock.monotonic_ms() - since > STOP_LIMIT.as_millis() as i64) {
                break Ended::Broke("the worker did not end in time and was ended".to_owned(), false);
            }
            let (told, body) = match link.hear(LOOK) {
                Ok(Some(heard)) => heard,
                Ok(None) => continue,
                Err(e) => break broke(&e),
            };
            match told {
                Told::Tracks(tracks) => self.board.stream(self.stream.name.as_str(), |s| s.tracks = tracks),
                Told::Begin { station_ms, length_ms, source_ms } => {
                    self.seal(growing.take(), None, sealing);
                    match self.begin(&order, station_ms, SegmentReach { length_ms, source_ms }, &body) {
                        Ok(begun) => growing = Some(begun),
                        Err(e) => break disk(&e),
                    }
                }
                Told::More { length_ms, source_ms } => {
                    let Some(open) = &mut growing else { continue };
                    open.feed.reached(open.clip, SegmentReach { length_ms, source_ms });
                    if let Err(e) = open.feed.append(open.clip, &body) {
                        open.whole =
                            Some(if matches!(e, FeedError::Full) { SegmentEnd::Full } else { SegmentEnd::Failed });
                        break disk(&e);
                    }
                }
                Told::Gap(gap) => {
                    let Some(open) = &mut growing else { continue };
                    if let Err(e) = open.feed.gap(open.clip, gap) {
                        tracing::error!(stream = %self.stream.name, error = %chain(&e), "a gap could not be stored");
                    }
                }
                Told::End(why) => {
                    if let Some(open) = &mut growing {
                        open.whole = Some(if leaving && why == SegmentEnd::Asked { SegmentEnd::Stopped } else { why });
                    }
                }
                Told::Pulse(pulse) => {
                    pulses.push_back(pulse.bytes);
                    if pulses.len() > RATE_PULSES {
                        pulses.pop_front();
                    }
                    let span = pulses.len().saturating_sub(1).max(1) as u64;
                    let bytes = pulses.back().zip(pulses.front()).map_or(0, |(b, f)| b.saturating_sub(*f));
                    self.board.stream(self.stream.name.as_str(), |s| {
                        s.pulse = pulse;
                        s.bit_rate = bytes * 8 / span;
                    });
                }
                Told::Still => (self.still)(order.recording, Bytes::from(body)),
                Told::Closed { why, words, refused } => {
                    self.seal(growing.take(), Some((why, words.clone())), sealing);
                    break match (leaving, why) {
                        (true, _) => Ended::Stopping,
                        (false, SegmentEnd::Asked) => Ended::Unwanted,
                        _ => Ended::Broke(words, refused),
                    };
                }
            }
        };
        if let Ended::Broke(words, _) = &ended {
            self.seal(growing.take(), Some((SegmentEnd::Failed, words.clone())), sealing);
        }
        self.board.stream(self.stream.name.as_str(), |s| s.clip = None);
        match ended {
            Ended::Broke(..) if leaving => Ended::Stopping,
            Ended::Broke(..) if wanted.is_none() => Ended::Unwanted,
            other => other,
        }
    }

    fn stop(&self, link: &mut Link, since_ms: Option<i64>) -> i64 {
        if since_ms.is_none() {
            // A worker that is gone says so itself.
            let _ = link.tell(&Tell::Stop);
        }
        since_ms.unwrap_or_else(|| self.clock.monotonic_ms())
    }

    fn begin(&self, order: &Order, station_ms: i64, reach: SegmentReach, body: &[u8]) -> Result<Growing, FeedError> {
        let mut feed = (self.feed)();
        let name = crate::domain::time::UtcMs(station_ms)
            .zoned(&jiff::tz::TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%S.%3fZ")
            .to_string();
        let recorder = RecorderId::new(self.stream.name.as_str()).map_err(|e| FeedError::Failed(Box::new(e)))?;
        let clip = feed.begin(FeedStart {
            recorder,
            path: SourcePath::new(format!("{}/{}-{name}.mp4", order.recording, self.stream.name)),
            declared_bytes: None,
            captured: None,
            importance: Importance::Normal,
            segment: Some(SegmentStart { recording: order.recording, station_ms }),
        })?;
        feed.reached(clip, reach);
        let appended = feed.append(clip, body);
        self.show_recording(order, clip);
        // What could not be kept is sealed as far as it stands, like any segment that was cut off.
        match appended {
            Ok(()) => Ok(Growing { feed, clip, whole: None }),
            Err(e) => {
                let why = if matches!(e, FeedError::Full) { SegmentEnd::Full } else { SegmentEnd::Failed };
                let _ = feed.end(clip, FeedEnd { segment: Some((why, chain(&e))) });
                Err(e)
            }
        }
    }

    fn show_recording(&self, order: &Order, clip: ClipId) {
        let now_ms = self.clock.now().0;
        self.part().ok();
        self.board.stream(self.stream.name.as_str(), |s| {
            if !matches!(s.state, StreamState::Recording) {
                s.since_ms = now_ms;
            }
            s.state = StreamState::Recording;
            s.recording = Some(order.recording.to_string());
            s.clip = Some(clip);
        });
    }

    /// Ends and seals a segment beside the stream, which goes on meanwhile: verifying reads all of it once more.
    fn seal(
        &self,
        growing: Option<Growing>,
        closed: Option<(SegmentEnd, String)>,
        sealing: &mut Vec<std::thread::JoinHandle<()>>,
    ) {
        let Some(mut open) = growing else { return };
        let (why, words) = closed.unwrap_or((SegmentEnd::Failed, String::new()));
        // The worker's own word about the segment counts before how the connection ended.
        let why = open.whole.unwrap_or(why);
        let words = if matches!(why, SegmentEnd::Length | SegmentEnd::Asked | SegmentEnd::Stopped) {
            String::new()
        } else {
            words
        };
        let (part, stream) = (self.part(), self.stream.name.clone());
        let sealed = move || {
            if let Err(e) = open.feed.end(open.clip, FeedEnd { segment: Some((why, words)) }) {
                tracing::error!(%stream, clip = %open.clip, error = %chain(&e), "a segment could not be sealed; it is tried again at the next start");
                part.failed("segment_unsealed", chain(&e), "check the vault's disk, then restart evidock");
            }
        };
        match std::thread::Builder::new().name("seal".into()).spawn(sealed) {
            Ok(thread) => sealing.push(thread),
            Err(e) => {
                tracing::error!(error = %e, "no thread could be started to seal a segment; the next start seals it")
            }
        }
    }
}

fn broke(e: &LinkError) -> Ended {
    Ended::Broke(chain(e), e.retry() == Retry::Operator)
}

fn disk(e: &FeedError) -> Ended {
    Ended::Broke(chain(e), true)
}
