//! One recorder in the network: look at its list, take what is not here, say when it may go. The counterpart of `dock`
//! for what is not plugged in: it stands in its bay while it answers, waits for a yes like any unknown recorder, and is
//! safe to take away once everything that it lists is sealed or reported.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{FeedIntake, Intake, IntakeError};
use crate::config::NetworkRecorder;
use crate::domain::device::{DeviceKey, DeviceState, NETWORK_PORT, NO_USB, means_something};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::Actor;
use crate::domain::ids::{ClipId, RecorderId, RecordingId};
use crate::domain::ports::{Feed, FeedEnd, FeedError, FeedStart};
use crate::domain::recorder::{Held, HeldDevice, Importance, ShelfIdentity, SourcePath};
use crate::domain::recorder_clock::{ClockEstimate, ClockHow};
use crate::domain::replay::{Looked, SpanState, StoredSpan, Tell, Timeline, stamp};
use crate::domain::stream::{SegmentEnd, SegmentReach, SegmentStart, Told};
use crate::domain::time::{RecorderTime, UtcMs};
use crate::runtime::board::Doing;
use crate::runtime::health::Part;
use crate::source::replay::{self, PullError};
use crate::source::rtsp::link::{Link, Program};
use crate::store::NewDock;

/// The worker's words and the daemon's orders are looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A worker that says nothing for so long hangs: figures come each second, a connection is given up much sooner.
const DEAF: Duration = Duration::from_secs(180);
/// A worker that was told to stop ends within this time, or is ended.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a recorder's thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The register changed, or the time of the schedule came or went: `true` while it is to be pulled.
    Due(bool),
    /// A person wants it pulled now.
    Now,
}

/// What one recorder's thread is given.
pub struct Puller {
    /// As configured.
    pub recorder: NetworkRecorder,
    /// Takes what comes.
    pub intake: Intake,
    /// How workers are run.
    pub program: Program,
    /// What the register says of a device.
    pub standing: Arc<dyn Fn(&DeviceKey) -> DeviceState + Send + Sync>,
    /// Shows it at the gate, or no longer.
    pub hold: Arc<dyn Fn(Option<HeldDevice>) + Send + Sync>,
    /// How it is.
    pub health: Part,
    /// The station's zone, for times of the recorder.
    pub zone: jiff::tz::TimeZone,
    /// The daemon stops.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// A recorder that answers and may be read.
struct Stay {
    dock: i64,
    recorder: RecorderId,
    offset_ms: i64,
}

/// The daemon stops.
struct Stopping;

/// How fetching one stretch ended.
enum Fetched {
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

impl Puller {
    /// Works until nobody can order any more, which is how the daemon says that it stops.
    pub fn run(&self, orders: &Receiver<Order>) {
        let mut stay: Option<Stay> = None;
        let (mut due, mut now) = (false, false);
        loop {
            if self.visit(&mut stay, due || now, now).is_err() {
                break;
            }
            now = false;
            match orders.recv_timeout(self.recorder.every) {
                Ok(Order::Due(is_due)) => due = is_due,
                Ok(Order::Now) => now = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            loop {
                match orders.try_recv() {
                    Ok(Order::Due(is_due)) => due = is_due,
                    Ok(Order::Now) => now = true,
                    Err(_) => break,
                }
            }
        }
        if let Some(stay) = stay {
            self.intake.board.leave(stay.dock);
        }
        (self.hold)(None);
    }

    /// One look, and whatever it shows to be due.
    fn visit(&self, stay: &mut Option<Stay>, due: bool, by_hand: bool) -> Result<(), Stopping> {
        let looked = match replay::look(&self.program, &self.recorder, true, &*self.stopping) {
            Ok(looked) => looked,
            Err(_) if (self.stopping)() => return Err(Stopping),
            Err(e) => {
                self.away(stay, &e, by_hand);
                return Ok(());
            }
        };
        let identity = self.identity(&looked);
        let key = DeviceKey::of(NO_USB, identity.serial.as_deref(), identity.port.as_deref().unwrap_or_default());
        let standing = (self.standing)(&key);
        if !standing.admits() {
            self.leave(stay, "held");
            self.health.ok();
            (self.hold)(Some(HeldDevice {
                bay: identity.bay.clone(),
                port: identity.port.unwrap_or_default(),
                usb_id: NO_USB,
                serial: identity.serial,
                name: identity.product.unwrap_or_default(),
                why: if standing == DeviceState::Unknown { Held::Unknown } else { Held::Refused },
                since_ms: self.intake.clock.now().0,
            }));
            return Ok(());
        }
        (self.hold)(None);
        let taken = self.arrive(stay, &identity, &looked).and_then(|()| match &*stay {
            Some(stay) => self.take(stay, &of_this_stay(looked, stay.dock), due, by_hand),
            None => Ok(Ok(())),
        });
        match taken {
            Ok(ended) => ended,
            Err(e) => {
                tracing::error!(recorder = %self.recorder.name, error = %chain(&e), "pulling failed on this station's side; it is tried again");
                self.health.failed("pull_failed", chain(&e), "check the vault's disk and the database");
                Ok(())
            }
        }
    }

    fn identity(&self, looked: &Looked) -> ShelfIdentity {
        let device = &looked.device;
        let name = [device.maker.as_str(), device.model.as_str()].join(" ").trim().to_owned();
        ShelfIdentity {
            bay: self.recorder.bay.to_string(),
            serial: Some(SourcePath::new(device.serial.as_bytes()).to_text()).filter(|s| !s.is_empty()),
            product: Some(SourcePath::new(name.into_bytes()).to_text()),
            usb_id: Some(NO_USB),
            port: Some(format!("{NETWORK_PORT}{}", replay::host_of(&self.recorder.url))),
            kind: if self.recorder.url.starts_with("rtsp") { "rtsp" } else { "onvif" },
            ..ShelfIdentity::default()
        }
    }

    /// It cannot be asked: away is where recorders are all day, what only a person can mend is said.
    fn away(&self, stay: &mut Option<Stay>, e: &PullError, by_hand: bool) {
        let words = chain(e);
        if e.retry() == Retry::Operator {
            self.health.failed(
                "recorder_refuses",
                words,
                format!("then `evidock recorders look {}`", self.recorder.name),
            );
        } else {
            self.health.ok();
            if stay.is_some() || by_hand {
                tracing::info!(recorder = %self.recorder.name, why = words, "it does not answer; it is looked for again");
            }
        }
        self.leave(stay, "pulled");
        (self.hold)(None);
    }

    fn leave(&self, stay: &mut Option<Stay>, reason: &'static str) {
        let Some(stay) = stay.take() else { return };
        self.intake.board.leave(stay.dock);
        let dock = stay.dock;
        if let Err(e) = self.intake.store.write_blocking(move |tx| tx.undock(dock, reason)) {
            tracing::warn!(error = %chain(&e), "the end of a dock could not be stored; the next start does it");
        }
    }

    /// Opens its stay, unless it stands here already.
    fn arrive(&self, stay: &mut Option<Stay>, identity: &ShelfIdentity, looked: &Looked) -> Result<(), IntakeError> {
        let serial = identity.serial.as_deref().filter(|s| means_something(s));
        let recorder = serial.and_then(|s| RecorderId::new(s).ok());
        let identified = if recorder.is_some() { "serial" } else { "name" };
        let recorder = match recorder {
            Some(recorder) => recorder,
            None => RecorderId::new(self.recorder.name.as_str()).map_err(crate::store::StoreError::from)?,
        };
        if stay.as_ref().is_some_and(|s| s.recorder == recorder) {
            return Ok(());
        }
        self.leave(stay, "superseded");
        let new = NewDock {
            bay: self.recorder.bay.clone(),
            recorder: recorder.clone(),
            identified: identified.to_owned(),
            kind: identity.kind,
            profile: "network".to_owned(),
            model: identity.product.clone().filter(|p| !p.is_empty()),
        };
        let (clock, seen) = (looked.clock, identity.clone());
        let dock = self.intake.store.write_blocking(move |tx| {
            let dock = tx.dock(&new)?;
            tx.device_identified(&seen, &new.recorder)?;
            if let Some(clock) = clock {
                tx.dock_clock(dock, ClockEstimate { offset_ms: clock.offset_ms(), how: ClockHow::Device })?;
            }
            Ok(dock)
        })?;
        self.intake.board.bay(dock, |b| {
            b.bay = self.recorder.bay.to_string();
            b.recorder = recorder.to_string();
        });
        tracing::info!(bay = %self.recorder.bay, %recorder, identified, spans = looked.spans.len(), "a recorder in the network answers");
        *stay = Some(Stay { dock, recorder, offset_ms: looked.clock.map_or(0, |c| c.offset_ms()) });
        Ok(())
    }

    /// Notes what it lists and takes what is missing.
    fn take(
        &self,
        stay: &Stay,
        looked: &Looked,
        due: bool,
        by_hand: bool,
    ) -> Result<Result<(), Stopping>, IntakeError> {
        let (recorder, timeline, spans) = (stay.recorder.clone(), looked.timeline, looked.spans.clone());
        let listed = self.intake.store.write_blocking(move |tx| {
            tx.listed(&recorder, timeline, &spans)?;
            if by_hand {
                tx.pull_again(&recorder)?;
            }
            tx.read().listed_spans(&recorder)
        })?;
        // What it no longer lists is not asked for, and holds nobody.
        let mut all: Vec<StoredSpan> = listed
            .into_iter()
            .filter(|l| looked.spans.iter().any(|s| s.item == l.span.item && s.from_ms == l.span.from_ms))
            .collect();
        self.show(stay, &all, looked);
        let mut stuck = None;
        if due {
            for n in 0..all.len() {
                // What still grows is left until it is at rest: then it is one piece.
                if all[n].state != SpanState::Waiting || all[n].span.grows || self.is_unmeasured(&all[n])? {
                    continue;
                }
                match self.span(stay, &mut all[n])? {
                    Ok(None) => {}
                    Ok(Some(trouble)) => {
                        stuck = Some(trouble);
                        break;
                    }
                    Err(stopping) => return Ok(Err(stopping)),
                }
                self.show(stay, &all, looked);
            }
        }
        if stuck.is_none() {
            self.health.ok();
        }
        self.settle(stay, &all, looked, stuck)?;
        Ok(Ok(()))
    }

    /// Whether a clip of it was cut off and nobody has looked into it yet: what was noted of its length is up to a second
    /// old, and so much would be fetched twice.
    fn is_unmeasured(&self, listed: &StoredSpan) -> Result<bool, IntakeError> {
        let cut_off = |why: SegmentEnd| matches!(why, SegmentEnd::Interrupted | SegmentEnd::Failed | SegmentEnd::Full);
        let clips: Vec<ClipId> = listed.held.iter().filter(|h| h.ended.is_some_and(cut_off)).map(|h| h.clip).collect();
        Ok(self
            .intake
            .store
            .read_blocking(|r| clips.iter().try_fold(false, |any, clip| Ok(any || r.media(*clip)?.is_none())))?)
    }

    fn show(&self, stay: &Stay, all: &[StoredSpan], looked: &Looked) {
        let (files, done) = (all.len() as u64, all.iter().filter(|l| l.state == SpanState::Whole).count() as u64);
        let growing = all.iter().filter(|l| l.span.grows).count() as u64;
        let short = all.iter().filter(|l| l.state == SpanState::Short).count() as u64 + u64::from(looked.left_out > 0);
        self.intake.board.bay(stay.dock, |b| {
            (b.files, b.files_done, b.files_growing, b.unreadable) = (files, done, growing, short);
            b.safe &= done + short >= files;
        });
    }

    /// Says what became of everything, and whether the recorder may go (invariant 9).
    fn settle(
        &self,
        stay: &Stay,
        all: &[StoredSpan],
        looked: &Looked,
        stuck: Option<(String, bool)>,
    ) -> Result<(), IntakeError> {
        let mut unreadable: Vec<(SourcePath, String)> = all
            .iter()
            .filter(|l| l.state == SpanState::Short)
            .map(|l| {
                let why = l.detail.clone().unwrap_or_default();
                let words = format!("{:.1} s of what it lists are missing: {why}", l.missing_ms() as f64 / 1000.0);
                (SourcePath::new(l.name().into_bytes()), words)
            })
            .collect();
        if looked.left_out > 0 {
            let words = format!("{} entries of its list could not be read", looked.left_out);
            unreadable.push((SourcePath::new("list"), words));
        }
        let open = all.iter().any(|l| l.state == SpanState::Waiting || l.span.grows);
        let (dock, files, safe) = (stay.dock, all.len() as u64, !open && stuck.is_none());
        let bytes = self.intake.store.write_blocking({
            let clips: Vec<ClipId> = all.iter().flat_map(|l| l.held.iter().map(|h| h.clip)).collect();
            move |tx| {
                tx.unreadable(dock, &unreadable)?;
                let mut bytes = 0;
                for clip in clips {
                    bytes += tx.read().clip(clip)?.size_bytes.unwrap_or(0);
                }
                tx.dock_progress(dock, files, bytes, safe)?;
                Ok(bytes)
            }
        })?;
        let mut was_safe = false;
        self.intake.board.bay(dock, |b| {
            (b.bytes, b.bytes_done) = (bytes, bytes);
            was_safe = std::mem::replace(&mut b.safe, safe);
            b.doing = match stuck {
                Some((reason, full)) => Doing::Stuck { reason, full },
                None => Doing::Resting,
            };
        });
        if safe && !was_safe {
            tracing::info!(bay = %self.recorder.bay, recorder = %stay.recorder, files, "everything that it lists is sealed or reported; the recorder may go");
        }
        Ok(())
    }

    /// Fetches what is missing of a span. Gives what keeps the box, or the recorder, from going on.
    fn span(
        &self,
        stay: &Stay,
        listed: &mut StoredSpan,
    ) -> Result<Result<Option<(String, bool)>, Stopping>, IntakeError> {
        let url = match replay::address(&self.program, &self.recorder, &listed.span.item, &*self.stopping) {
            Ok(url) => url,
            Err(_) if (self.stopping)() => return Ok(Err(Stopping)),
            Err(e) => {
                let refused = e.retry() == Retry::Operator;
                return Ok(Ok(self.tried(listed, false, chain(&e), refused)?));
            }
        };
        let (id, stream, bay, offset_ms) =
            (listed.id, self.recorder.name.to_string(), self.recorder.bay.to_string(), stay.offset_ms);
        let (recording, begun_ms) = self.intake.store.write_blocking(move |tx| {
            let recording = tx.begin_pull(id, &stream, &bay, offset_ms, &Actor::daemon())?;
            Ok((recording, tx.read().recording_begun(recording)?))
        })?;
        let mut fresh = false;
        let mut said: Option<(String, bool)> = None;
        for (from, to) in listed.missing() {
            let range = (listed.span.from_ms + from, listed.span.from_ms + to);
            tracing::info!(recorder = %stay.recorder, span = listed.name(), from_ms = from, to_ms = to, "footage is fetched");
            let link = match replay::fetch(&self.program, &self.recorder, &url, listed.timeline, range) {
                Ok(link) => link,
                Err(e) => {
                    said = Some((chain(&e), e.retry() == Retry::Operator));
                    break;
                }
            };
            let at = Fetching { puller: self, stay, listed, recording, begun_ms };
            match at.run(link)? {
                Err(stopping) => return Ok(Err(stopping)),
                Ok(Fetched::Box(words, full)) => return Ok(Ok(Some((words, full)))),
                Ok(Fetched::Ended { fresh: some, why, words, refused }) => {
                    fresh |= some;
                    if why != SegmentEnd::Whole {
                        said = Some((words, refused));
                    }
                    // Where the line is gone, the next stretch would not come either.
                    if matches!(why, SegmentEnd::Lost | SegmentEnd::Failed) {
                        break;
                    }
                }
            }
        }
        let (words, refused) = said.unwrap_or_default();
        Ok(Ok(self.tried(listed, fresh, words, refused)?))
    }

    fn tried(
        &self,
        listed: &mut StoredSpan,
        fresh: bool,
        words: String,
        refused: bool,
    ) -> Result<Option<(String, bool)>, IntakeError> {
        let id = listed.id;
        if refused {
            // What only a person can mend says nothing about the footage.
            self.health.failed(
                "recorder_refuses",
                words.clone(),
                format!("then `evidock recorders look {}`", self.recorder.name),
            );
            return Ok(Some((words, false)));
        }
        let detail = Some(words.clone()).filter(|w| !w.is_empty());
        *listed = self.intake.store.write_blocking(move |tx| tx.pull_tried(id, fresh, detail.as_deref()))?;
        match listed.state {
            SpanState::Whole => {
                tracing::info!(recorder = %listed.recorder, span = listed.name(), "all that is listed of it is here")
            }
            SpanState::Waiting => {
                tracing::info!(recorder = %listed.recorder, span = listed.name(), why = words, missing_ms = listed.missing_ms(), "not all of it is here yet; it is tried again")
            }
            SpanState::Short => {
                tracing::warn!(recorder = %listed.recorder, span = listed.name(), why = words, missing_ms = listed.missing_ms(), "the recorder gives no more of it; what is missing is reported")
            }
        }
        Ok(None)
    }
}

/// One stretch that is being fetched.
struct Fetching<'a> {
    puller: &'a Puller,
    stay: &'a Stay,
    listed: &'a StoredSpan,
    recording: RecordingId,
    begun_ms: i64,
}

impl Fetching<'_> {
    fn run(&self, mut link: Link) -> Result<Result<Fetched, Stopping>, IntakeError> {
        let clock = &self.puller.intake.clock;
        let mut growing: Option<Growing> = None;
        let mut sealing = Vec::new();
        let mut fresh = false;
        let mut stopping_ms: Option<i64> = None;
        let mut heard_ms = clock.monotonic_ms();
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
                    self.seal(growing.take(), None, &mut sealing);
                    match self.begin(station_ms, SegmentReach { length_ms, source_ms }, &body) {
                        Ok(begun) => growing = Some(begun),
                        Err(e) => break of_the_box(&e),
                    }
                    fresh = true;
                }
                Told::More { length_ms, source_ms } => {
                    let Some(open) = &mut growing else { continue };
                    open.feed.reached(open.clip, SegmentReach { length_ms, source_ms });
                    if let Err(e) = open.feed.append(open.clip, &body) {
                        open.whole =
                            Some(if matches!(e, FeedError::Full) { SegmentEnd::Full } else { SegmentEnd::Failed });
                        break of_the_box(&e);
                    }
                }
                Told::Gap(gap) => {
                    let Some(open) = &mut growing else { continue };
                    if let Err(e) = open.feed.gap(open.clip, gap) {
                        tracing::error!(clip = %open.clip, error = %chain(&e), "a gap could not be stored");
                    }
                }
                Told::End(why) => {
                    if let Some(open) = &mut growing {
                        let stopped = stopping_ms.is_some() && why == SegmentEnd::Asked;
                        open.whole = Some(if stopped { SegmentEnd::Stopped } else { why });
                    }
                }
                Told::Pulse(pulse) => self.shown(pulse.bytes),
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

    fn shown(&self, bytes: u64) {
        let (board, now_ms) = (&self.puller.intake.board, self.puller.intake.clock.now().0);
        let rate = board.copy_rate(now_ms);
        let file = self.listed.name();
        board.bay(self.stay.dock, |b| {
            b.rate = rate;
            // Nobody tells how many bytes it will be: what came is all that can be said.
            b.doing = Doing::Copying { file, done_bytes: bytes, size_bytes: 0 };
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

/// Where times count from the beginning of the footage, nothing tells today's footage from yesterday's of the same length:
/// what was fetched in an earlier stay is no proof that this is here. So each stay fetches for itself; equal bytes are kept
/// once all the same.
fn of_this_stay(mut looked: Looked, dock: i64) -> Looked {
    if looked.timeline == Timeline::Npt {
        for span in &mut looked.spans {
            span.item = format!("{}@{dock}", span.item);
        }
    }
    looked
}

fn closed(fresh: bool, why: SegmentEnd, words: String, refused: bool) -> Fetched {
    Fetched::Ended { fresh, why, words, refused }
}

fn of_the_box(e: &FeedError) -> Fetched {
    Fetched::Box(chain(e), matches!(e, FeedError::Full))
}
