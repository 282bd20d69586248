//! One stretch of footage: what its worker brings goes into the vault like a live stream, a clip a segment.

use std::time::Duration;

use super::{Puller, Stay, Stopping};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::{ClipId, RecordingId};
use crate::domain::ports::{Feed, FeedEnd, FeedError, FeedStart};
use crate::domain::recorder::{Importance, SourcePath};
use crate::domain::replay::{StoredSpan, Tell, Timeline, stamp};
use crate::domain::stream::{SegmentEnd, SegmentReach, SegmentStart, Told};
use crate::domain::time::{RecorderTime, UtcMs};
use crate::intake::{FeedIntake, IntakeError};
use crate::runtime::board::Doing;
use crate::source::rtsp::link::Link;

/// The worker's words and the daemon's orders are looked at this often.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// A worker that says nothing for so long hangs: figures come each second, a connection is given up much sooner.
const DEAF: Duration = Duration::from_secs(180);
/// A worker that was told to stop ends within this time, or is ended.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How fetching one stretch ended.
pub(super) enum Fetched {
    /// It brought something, or not; and why it ended.
    Ended { fresh: bool, why: SegmentEnd, words: String, refused: bool },
    /// The box failed: in words, and whether its disk is full.
    Box(String, bool),
}

/// The segment that grows.
struct Growing {
    feed: Box<dyn Feed>,
    clip: ClipId,
    whole: Option<SegmentEnd>,
}

/// One stretch that is being fetched.
pub(super) struct Stretch<'a> {
    pub puller: &'a Puller,
    pub stay: &'a Stay,
    pub listed: &'a StoredSpan,
    /// In which it lies.
    pub recording: RecordingId,
    /// When that began, by the station's clock.
    pub begun_ms: i64,
    /// What is asked for begins here, by the recorder's clock.
    pub from_ms: i64,
}

impl Stretch<'_> {
    /// Takes what comes until there is no more, or nobody wants it.
    pub fn run(&self, mut link: Link) -> Result<Result<Fetched, Stopping>, IntakeError> {
        let clock = &self.puller.intake.clock;
        let mut growing: Option<Growing> = None;
        let mut sealing = Vec::new();
        let mut fresh = false;
        let mut stopping_ms: Option<i64> = None;
        let begun_ms = clock.monotonic_ms();
        let mut heard_ms = begun_ms;
        let before_ms = self.footage_ms();
        // Where the open segment began, by the recorder's clock, and how far past the begin of all this it has come.
        let (mut segment_ms, mut came_ms) = (self.from_ms, 0);
        let ended = loop {
            if stopping_ms.is_none() && (self.puller.stopping)() {
                stopping_ms = Some(clock.monotonic_ms());
                // A worker that is gone says so itself.
                let _ = link.tell(&Tell::Stop);
            }
            let now_ms = clock.monotonic_ms();
            if stopping_ms.is_some_and(|since| now_ms - since > STOP_LIMIT.as_millis() as i64) {
                break closed(
                    fresh,
                    SegmentEnd::Failed,
                    "the worker did not end in time and was ended".to_owned(),
                    false,
                );
            }
            let (told, body) = match link.hear(LOOK) {
                Ok(Some(heard)) => heard,
                Ok(None) if now_ms - heard_ms > DEAF.as_millis() as i64 => {
                    break closed(
                        fresh,
                        SegmentEnd::Failed,
                        "the worker says nothing any more and was ended".to_owned(),
                        false,
                    );
                }
                Ok(None) => continue,
                Err(e) => break closed(fresh, SegmentEnd::Failed, chain(&e), e.retry() == Retry::Operator),
            };
            heard_ms = now_ms;
            match told {
                Told::Begin { station_ms, length_ms, source_ms } => {
                    (segment_ms, came_ms) = (station_ms, station_ms + length_ms - self.from_ms);
                    self.seal(growing.take(), None, &mut sealing);
                    match self.begin(station_ms, SegmentReach { length_ms, source_ms }, &body) {
                        Ok(begun) => growing = Some(begun),
                        Err(e) => break of_the_box(&e),
                    }
                    fresh = true;
                }
                Told::More { length_ms, source_ms } => {
                    let Some(open) = &mut growing else { continue };
                    came_ms = segment_ms + length_ms - self.from_ms;
                    open.feed.reached(open.clip, SegmentReach { length_ms, source_ms });
                    if let Err(e) = open.feed.append(open.clip, &body) {
                        open.whole =
                            Some(if matches!(e, FeedError::Full) { SegmentEnd::Full } else { SegmentEnd::Failed });
                        break of_the_box(&e);
                    }
                }
                Told::Gap(gap) => {
                    let Some(open) = &mut growing else { continue };
                    // Told before what comes behind it: without it that would count as all there is.
                    if let Err(e) = open.feed.gap(open.clip, gap) {
                        open.whole = Some(SegmentEnd::Failed);
                        break of_the_box(&e);
                    }
                }
                Told::End(why) => {
                    if let Some(open) = &mut growing {
                        let stopped = stopping_ms.is_some() && why == SegmentEnd::Asked;
                        open.whole = Some(if stopped { SegmentEnd::Stopped } else { why });
                    }
                }
                Told::Pulse(pulse) => self.shown(pulse.bytes, before_ms, came_ms.max(0) as u64, now_ms - begun_ms),
                Told::Tracks(_) | Told::Still => {}
                Told::Closed { why, words, refused } => break closed(fresh, why, words, refused),
            }
        };
        let closed = match &ended {
            Fetched::Ended { why, words, .. } => (*why, words.clone()),
            Fetched::Box(words, full) => (if *full { SegmentEnd::Full } else { SegmentEnd::Failed }, words.clone()),
        };
        self.seal(growing.take(), Some(closed), &mut sealing);
        for thread in sealing {
            // Sealing reports its own failure; what it panicked over stands on the disk.
            let _: std::thread::Result<()> = std::thread::JoinHandle::join(thread);
        }
        Ok(if stopping_ms.is_some() { Err(Stopping) } else { Ok(ended) })
    }

    fn begin(&self, at_ms: i64, reach: SegmentReach, body: &[u8]) -> Result<Growing, FeedError> {
        let mut feed: Box<dyn Feed> = Box::new(FeedIntake::new(self.puller.intake.clone()));
        let span = &self.listed.span;
        let captured = (self.listed.timeline == Timeline::Clock).then(|| {
            let at = UtcMs(at_ms);
            RecorderTime { raw: stamp(at_ms), at, offset_s: at.zoned(&self.puller.zone).offset().seconds() }
        });
        let clip = feed.begin(FeedStart {
            recorder: self.stay.recorder.clone(),
            path: SourcePath::new(format!("{}/{}.mp4", span.item, self.listed.place(at_ms)).into_bytes()),
            declared_bytes: None,
            captured,
            importance: Importance::Normal,
            segment: Some(SegmentStart {
                recording: self.recording,
                // The recorder's time, less what its clock was off when this recording was begun.
                station_ms: self.begun_ms + at_ms - span.from_ms,
            }),
        })?;
        feed.reached(clip, reach);
        match feed.append(clip, body) {
            Ok(()) => Ok(Growing { feed, clip, whole: None }),
            Err(e) => {
                let why = if matches!(e, FeedError::Full) { SegmentEnd::Full } else { SegmentEnd::Failed };
                let _ = feed.end(clip, FeedEnd { segment: Some((why, chain(&e))) });
                Err(e)
            }
        }
    }

    /// Footage of the recorder that is here already, milliseconds.
    fn footage_ms(&self) -> u64 {
        let bays = self.puller.intake.board.bays();
        let bay = bays.into_iter().find(|(dock, _)| *dock == self.stay.dock);
        bay.and_then(|(_, b)| b.footage).map_or(0, |f| f.done_ms)
    }

    fn shown(&self, bytes: u64, before_ms: u64, came_ms: u64, took_ms: i64) {
        let (board, now_ms) = (&self.puller.intake.board, self.puller.intake.clock.now().0);
        let rate = board.copy_rate(now_ms);
        let file = self.listed.name();
        board.bay(self.stay.dock, |b| {
            b.rate = rate;
            // Nobody tells how many bytes it will be: how much footage it is can be said.
            b.doing = Doing::Copying { file, done_bytes: bytes, size_bytes: 0 };
            if let Some(footage) = &mut b.footage {
                footage.done_ms = before_ms.saturating_add(came_ms).min(footage.listed_ms);
                let left_ms = footage.listed_ms - footage.done_ms;
                footage.left_ms = (came_ms > 0).then(|| (left_ms as f64 * took_ms as f64 / came_ms as f64) as i64);
            }
        });
    }

    /// Ends and seals a segment beside the fetching, which goes on meanwhile: verifying reads all of it once more.
    fn seal(
        &self,
        growing: Option<Growing>,
        closed: Option<(SegmentEnd, String)>,
        sealing: &mut Vec<std::thread::JoinHandle<()>>,
    ) {
        let Some(mut open) = growing else { return };
        let (why, words) = closed.unwrap_or((SegmentEnd::Failed, String::new()));
        // The worker's own word about the segment counts before how fetching ended.
        let why = open.whole.unwrap_or(why);
        let in_order = matches!(why, SegmentEnd::Length | SegmentEnd::Whole | SegmentEnd::Stopped | SegmentEnd::Asked);
        let words = if in_order { String::new() } else { words };
        let health = self.puller.health.clone();
        let sealed = move || {
            if let Err(e) = open.feed.end(open.clip, FeedEnd { segment: Some((why, words)) }) {
                tracing::error!(clip = %open.clip, error = %chain(&e), "a segment could not be sealed; it is tried again at the next start");
                health.failed("segment_unsealed", chain(&e), "check the vault's disk, then restart evidock");
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

fn closed(fresh: bool, why: SegmentEnd, words: String, refused: bool) -> Fetched {
    Fetched::Ended { fresh, why, words, refused }
}

fn of_the_box(e: &FeedError) -> Fetched {
    Fetched::Box(chain(e), matches!(e, FeedError::Full))
}
