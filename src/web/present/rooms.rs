//! Rooms in words.

use super::{Ctx, Stamp};
use crate::domain::time::UtcMs;
use crate::domain::words::Words;
use crate::domain::words::quoted::Quoted;
use crate::runtime::board::StreamState;
use crate::web::view::rooms::{RoomView, RoomsView};

/// One room's card.
pub struct RoomCard {
    /// The stream's name.
    pub stream: String,
    /// The room.
    pub room: String,
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// What it is doing.
    pub state: &'static str,
    /// Why it is not recorded, in whose words.
    pub trouble: Option<String>,
    /// Since when.
    pub since: Option<Stamp>,
    /// When it is recorded by itself.
    pub mode: &'static str,
    /// Case and officer of what is recorded.
    pub about: String,
    /// When its timetable begins or ends it next, and which of the two.
    pub next: Option<(&'static str, Stamp)>,
    /// When the last key frame came.
    pub key_at: Option<Stamp>,
    /// Label and value.
    pub figures: Vec<(&'static str, String)>,
    /// The clip that grows.
    pub clip: Option<String>,
    /// Address of the newest still.
    pub still: Option<String>,
    /// Before that they say what they look for.
    pub asks: bool,
    /// Why there is none.
    pub no_still: &'static str,
    /// A person's recording can be stopped.
    pub may_stop: bool,
}

/// Every room's card.
pub fn cards(view: &RoomsView, c: &Ctx) -> Vec<RoomCard> {
    view.rooms.iter().map(|r| card(r, c)).collect()
}

fn card(room: &RoomView, c: &Ctx) -> RoomCard {
    let w = c.w;
    let (class, icon) = match &room.state {
        StreamState::Recording => ("safe", "dot"),
        StreamState::Connecting => ("busy", "arrow"),
        StreamState::Waiting { .. } => ("fail", "warn"),
        StreamState::Idle => ("idle", "hold"),
    };
    let trouble = match &room.state {
        StreamState::Waiting { words, .. } => Some(Quoted::NotRecorded { words: words.clone() }.told(w.lang)),
        _ => None,
    };
    let about = room.recording.as_ref().map_or_else(String::new, |r| {
        [r.case_no.as_deref(), r.officer.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    });
    RoomCard {
        stream: room.stream.clone(),
        room: room.room.clone(),
        class,
        icon,
        state: w.room_state(room.state_word()),
        trouble,
        since: room.recording.as_ref().map(|r| c.near(r.begun)),
        mode: match room.mode {
            "always" => w.room_always,
            "schedule" => w.room_schedule,
            _ => w.room_on_demand,
        },
        about,
        next: room.timetable.map(|(open, at)| (if open { w.room_ends } else { w.room_begins }, c.near(at))),
        key_at: room.pulse.key_ms.filter(|_| room.state_word() == "recording").map(|ms| c.stamp(UtcMs(ms))),
        figures: figures(room, w),
        clip: room.clip.clone(),
        still: room.still.map(|at| format!("/rooms/{}/still?at={}", super::segment(&room.stream), at.0)),
        asks: room.asks,
        no_still: if room.theirs { w.room_no_still } else { w.room_in_use },
        may_stop: !room.may_start() && room.stops,
    }
}

fn figures(room: &RoomView, w: &Words) -> Vec<(&'static str, String)> {
    if room.state_word() != "recording" {
        return Vec::new();
    }
    let pulse = &room.pulse;
    let tracks = room.tracks.iter().filter(|t| t.kept).map(|t| t.encoding.clone());
    let size = (pulse.width > 0).then(|| format!("{}×{}", pulse.width, pulse.height));
    let mut lines = vec![
        (w.room_rate, w.bit_rate(room.bit_rate)),
        (w.room_lost, format!("{} / {}", w.number(pulse.lost), w.number(pulse.packets + pulse.lost))),
        (w.room_tracks, tracks.chain(size).collect::<Vec<_>>().join(" · ")),
    ];
    if pulse.key_every_ms > 0 {
        lines.push((w.room_key, format!("{} ms", pulse.key_every_ms)));
    }
    if let Some(ms) = pulse.clock_offset_ms {
        lines.push((w.room_clock, format!("{ms:+} ms")));
    }
    lines
}
