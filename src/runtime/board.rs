//! What is going on right now, for pages and the command line: progress that is not worth a transaction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::progress::Progress;
use crate::domain::how_far::{HowFar, percent};
use crate::domain::ids::ClipId;
use crate::domain::recorder::HeldDevice;
use crate::domain::stream::{Pulse, Track};

/// What a bay is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Doing {
    /// Looking at what is on the recorder.
    #[default]
    Listing,
    /// Copying.
    Copying {
        /// The file's name, escaped.
        file: String,
        /// Bytes of it so far.
        done_bytes: u64,
        /// Its length.
        size_bytes: u64,
    },
    /// Erasing from the recorder what is proven: it must not be taken out.
    Erasing {
        /// Files erased so far.
        done: u64,
        /// Files to be erased.
        files: u64,
    },
    /// Everything that can be taken has been; waiting for files that still grow, or for nothing.
    Resting,
    /// Stopped until something changes.
    Stuck {
        /// Why, in words that say what to do.
        reason: String,
        /// The disk's reserve is reached: the recorder is not to blame.
        full: bool,
    },
}

/// A bay as it is now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bay {
    /// Where.
    pub bay: String,
    /// Whose, once it is known.
    pub recorder: String,
    /// What it is doing.
    pub doing: Doing,
    /// Files listed.
    pub files: u64,
    /// Files that are sealed.
    pub files_done: u64,
    /// Files that still grow.
    pub files_growing: u64,
    /// Places that could not be read.
    pub unreadable: u64,
    /// Bytes listed.
    pub bytes: u64,
    /// Bytes sealed or copied so far.
    pub bytes_done: u64,
    /// Bytes copied a second, lately.
    pub rate: u64,
    /// How much footage it is, where only its times are listed and not its bytes.
    pub footage: Option<FootageNow>,
    /// Percent of the recorder's bytes that were there when it went on where an earlier dock stopped.
    pub resumed_at_percent: Option<u8>,
    /// Invariant 9.
    pub safe: bool,
    /// Files erased from it in this stay.
    pub erased: u64,
    /// Why files stay on it although a policy to erase holds: in words, with how many.
    pub kept: Vec<(String, u64)>,
}

/// Footage by its times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FootageNow {
    /// What is here, milliseconds.
    pub done_ms: u64,
    /// What is listed and may come, milliseconds.
    pub listed_ms: u64,
    /// How long the rest takes, milliseconds, as it came so far.
    pub left_ms: Option<i64>,
}

/// What a live stream is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StreamState {
    /// Nobody wants a recording of it now.
    #[default]
    Idle,
    /// The camera is being asked.
    Connecting,
    /// It is recorded.
    Recording,
    /// It should be recorded and is not; it is tried again then.
    Waiting {
        /// Why, in words.
        words: String,
        /// When it is tried again, milliseconds since the Unix epoch.
        next_ms: i64,
    },
}

/// A live stream as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamNow {
    /// What it is doing.
    pub state: StreamState,
    /// Since when, milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// What the camera offers.
    pub tracks: Vec<Track>,
    /// Figures of the connection.
    pub pulse: Pulse,
    /// Bits a second, lately.
    pub bit_rate: u64,
    /// The recording that it belongs to.
    pub recording: Option<String>,
    /// The clip that grows.
    pub clip: Option<ClipId>,
    /// The newest still picture.
    pub still: Option<Still>,
}

/// A still picture of a live stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// The recording of which its key frame was: a room is somebody else's with the next one.
    pub recording: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The JPEG.
    pub jpeg: Bytes,
}

/// Rates of the uplink, one slot a minute, newest last.
#[derive(Debug, Clone, Default)]
pub struct Uplink {
    /// Bytes sent in each of the last 60 minutes.
    pub minutes: Vec<u64>,
    /// Bytes a second, lately.
    pub rate: u64,
}

/// The line to one destination as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// `closed` (requests go through), `open` (it rests after failures), `half_open` (one request tries), `resting` (it
    /// was asked for patience).
    pub circuit: &'static str,
    /// Milliseconds until it is asked again, while it rests.
    pub rests_ms: Option<u64>,
    /// Parts under way.
    pub parts: u64,
    /// Parts that may be under way, as the line has shown.
    pub window: u64,
    /// Bytes a second that may go out now; `None` where nothing bounds them.
    pub ceiling: Option<u64>,
    /// Nothing is begun at this time of day.
    pub shut: bool,
    /// Requests since the start.
    pub requests: u64,
    /// Bytes of parts that were sent a second time since the start.
    pub again_bytes: u64,
}

/// The shared board. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Board {
    inner: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    bays: BTreeMap<i64, Bay>,
    /// By the source that tells of them.
    held: BTreeMap<&'static str, Vec<HeldDevice>>,
    streams: BTreeMap<String, StreamNow>,
    lines: BTreeMap<String, Line>,
    /// Evidence packages and derived files that are being made, by their ids; in bytes.
    making: BTreeMap<String, Progress>,
    sent: std::collections::VecDeque<(i64, u64)>,
    copied: std::collections::VecDeque<(i64, u64)>,
    copied_bytes: u64,
    taken: BTreeMap<&'static str, u64>,
    version: u64,
}

/// Window of "lately", milliseconds.
const LATELY_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 60;

impl Board {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        state.version += 1;
        f(&mut state)
    }

    /// Changes what is shown of a dock.
    pub fn bay(&self, dock: i64, change: impl FnOnce(&mut Bay)) {
        self.with(|s| change(s.bays.entry(dock).or_default()));
    }

    /// A dock ended.
    pub fn leave(&self, dock: i64) {
        self.with(|s| s.bays.remove(&dock));
    }

    /// Every bay with a recorder in it, by dock.
    pub fn bays(&self) -> Vec<(i64, Bay)> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).bays.iter().map(|(d, b)| (*d, b.clone())).collect()
    }

    /// What stands in a bay and is not read, of one source; replaces what that told before.
    pub fn hold(&self, source: &'static str, devices: Vec<HeldDevice>) {
        self.with(|s| s.held.insert(source, devices));
    }

    /// Changes what is shown of a live stream.
    pub fn stream(&self, name: &str, change: impl FnOnce(&mut StreamNow)) {
        self.with(|s| change(s.streams.entry(name.to_owned()).or_default()));
    }

    /// Every live stream that was ever shown, by name.
    pub fn streams(&self) -> BTreeMap<String, StreamNow> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).streams.clone()
    }

    /// What stands in a bay and is not read.
    pub fn held(&self) -> Vec<HeldDevice> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).held.values().flatten().cloned().collect()
    }

    /// Changes what is shown of the line to a destination.
    pub fn line(&self, destination: &str, change: impl FnOnce(&mut Line)) {
        let mut state = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        let line = match state.lines.get_mut(destination) {
            Some(line) => line,
            None => state.lines.entry(destination.to_owned()).or_default(),
        };
        let before = (line.circuit, line.shut);
        change(line);
        // Counts change with every request; pages need not be drawn anew for them.
        if before != (line.circuit, line.shut) {
            state.version += 1;
        }
    }

    /// The lines to all destinations, by name.
    pub fn lines(&self) -> BTreeMap<String, Line> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).lines.clone()
    }

    /// How far an evidence package or a derived file is, bytes done and in all; `None`: it is not being made any more.
    pub fn making(&self, id: &str, done: Option<(u64, u64)>) {
        let mut state = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        let before = state.making.get(id).map(|progress| percent(progress.done, progress.of));
        match (done, state.making.get_mut(id)) {
            (Some((done, of)), Some(progress)) => progress.reach(done, of),
            (Some((done, of)), None) => {
                state.making.insert(id.to_owned(), Progress::begin(done, of));
            }
            (None, _) => {
                state.making.remove(id);
            }
        }
        // Bytes come quicker than pages can be drawn.
        if before != done.map(|(done, of)| percent(done, of)) {
            state.version += 1;
        }
    }

    /// How far that is which is being made.
    pub fn made(&self, id: &str) -> Option<HowFar> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).making.get(id).map(Progress::how_far)
    }

    /// A number that grows with each change.
    pub fn version(&self) -> u64 {
        self.inner.lock().unwrap_or_else(|e| e.into_inner()).version
    }

    /// `bytes` were sent at `now_ms`.
    pub fn sent(&self, now_ms: i64, bytes: u64) {
        self.with(|s| add(&mut s.sent, now_ms, bytes));
    }

    /// `bytes` were copied from recorders at `now_ms`.
    pub fn copied(&self, now_ms: i64, bytes: u64) {
        self.with(|s| {
            s.copied_bytes += bytes;
            add(&mut s.copied, now_ms, bytes);
        });
    }

    /// A file of a recorder was dealt with: `sealed`, `known`, `unreadable`, or `failed` on this station's side.
    pub fn taken(&self, outcome: &'static str) {
        self.with(|s| *s.taken.entry(outcome).or_default() += 1);
    }

    /// Since the start: bytes copied from recorders, and files by what became of them.
    pub fn intake(&self) -> (u64, BTreeMap<&'static str, u64>) {
        let state = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        (state.copied_bytes, state.taken.clone())
    }

    /// The uplink's rates at `now_ms`.
    pub fn uplink(&self, now_ms: i64) -> Uplink {
        let state = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        let mut minutes = vec![0; MINUTES as usize];
        for (at, bytes) in &state.sent {
            let ago = (now_ms - at).div_euclid(MINUTE_MS);
            if (0..MINUTES).contains(&ago) {
                minutes[(MINUTES - 1 - ago) as usize] += bytes;
            }
        }
        Uplink { minutes, rate: rate(&state.sent, now_ms) }
    }

    /// Bytes copied from recorders a second, lately.
    pub fn copy_rate(&self, now_ms: i64) -> u64 {
        rate(&self.inner.lock().unwrap_or_else(|e| e.into_inner()).copied, now_ms)
    }
}

/// One slot a second, so that an hour is at most 3,600 slots.
fn add(slots: &mut std::collections::VecDeque<(i64, u64)>, now_ms: i64, bytes: u64) {
    let second = now_ms.div_euclid(1000) * 1000;
    // A clock that was put back leaves slots behind that are later than now; they would never grow old.
    slots.retain(|(at, _)| (now_ms - MINUTES * MINUTE_MS..=now_ms).contains(at));
    match slots.back_mut() {
        Some((at, sum)) if *at == second => *sum += bytes,
        _ => slots.push_back((second, bytes)),
    }
}

fn rate(slots: &std::collections::VecDeque<(i64, u64)>, now_ms: i64) -> u64 {
    let recent: u64 = slots.iter().rev().take_while(|(at, _)| *at > now_ms - LATELY_MS).map(|(_, b)| b).sum();
    recent * 1000 / LATELY_MS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_put_back_leaves_no_slots_in_the_future() {
        let board = Board::default();
        for second in 0..3_600 {
            board.sent(1_000_000_000 + second * 1000, 1);
        }
        board.sent(1_000_000, 50);
        assert_eq!(board.inner.lock().unwrap().sent.len(), 1);
        assert_eq!(board.uplink(1_000_000).minutes[59], 50);
        assert_eq!(board.uplink(1_000_000).rate, 5);
    }

    #[test]
    fn rates_forget() {
        let board = Board::default();
        board.sent(1_000_000, 50);
        board.sent(1_000_500, 50);
        assert_eq!(board.uplink(1_001_000).rate, 10);
        assert_eq!(board.uplink(1_001_000).minutes[59], 100);
        assert_eq!(board.uplink(1_020_000).rate, 0);
        assert_eq!(board.uplink(1_000_000 + 61 * 60_000).minutes.iter().sum::<u64>(), 0);
        board.bay(1, |b| b.files = 3);
        assert_eq!(board.bays()[0].1.files, 3);
        board.leave(1);
        assert!(board.bays().is_empty());
    }
}
