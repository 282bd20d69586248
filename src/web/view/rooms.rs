//! Rooms that are recorded live, as plain facts.

use crate::domain::stream::{Cause, Pulse, Track};
use crate::domain::time::UtcMs;
use crate::runtime::board::StreamState;

/// The page of rooms.
#[derive(Debug, Clone, Default)]
pub struct RoomsView {
    /// In the order of the configuration.
    pub rooms: Vec<RoomView>,
}

/// One room.
#[derive(Debug, Clone)]
pub struct RoomView {
    /// The stream's name.
    pub stream: String,
    /// The room, as people call it.
    pub room: String,
    /// `on_demand`, `always`, `schedule`.
    pub mode: &'static str,
    /// Whether a time of its timetable is now, and when that changes, where it has one that does.
    pub timetable: Option<(bool, UtcMs)>,
    /// What it is doing.
    pub state: StreamState,
    /// Since when.
    pub since: Option<UtcMs>,
    /// The recording that is wanted now.
    pub recording: Option<RecordingView>,
    /// What the camera offers.
    pub tracks: Vec<Track>,
    /// Figures of the connection.
    pub pulse: Pulse,
    /// Bits a second, lately.
    pub bit_rate: u64,
    /// The clip that grows.
    pub clip: Option<String>,
    /// When the newest still was made.
    pub still: Option<UtcMs>,
    /// What is recorded is told: it is theirs who look, by the table of rights.
    pub theirs: bool,
    /// They may end it.
    pub stops: bool,
    /// Before they see the still they say what they look for.
    pub asks: bool,
}

/// A recording that goes on.
#[derive(Debug, Clone)]
pub struct RecordingView {
    /// Its id.
    pub id: String,
    /// Who asked for it.
    pub cause: Cause,
    /// For which case, as typed.
    pub case_no: Option<String>,
    /// Who records.
    pub officer: Option<String>,
    /// Since when it is wanted.
    pub begun: UtcMs,
    /// Clips of it so far.
    pub segments: u32,
}

impl RoomView {
    /// A word for the state that never changes.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            StreamState::Idle => "idle",
            StreamState::Connecting => "connecting",
            StreamState::Recording => "recording",
            StreamState::Waiting { .. } => "waiting",
        }
    }

    /// As it is shown to whom the recording is not: that the room is in use, since when, and how the camera is.
    pub fn without_recording(&mut self) {
        self.theirs = false;
        (self.clip, self.still) = (None, None);
        if let Some(recording) = &mut self.recording {
            (recording.case_no, recording.officer) = (None, None);
            recording.id.clear();
        }
    }

    /// Whether a person may begin here: nobody's recording goes on.
    pub fn may_start(&self) -> bool {
        self.recording.as_ref().is_none_or(|r| r.cause != Cause::Person)
    }
}
