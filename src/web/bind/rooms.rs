//! Rooms from the configuration, the board and the store.

use bytes::Bytes;

use super::StationPages;
use crate::domain::time::UtcMs;
use crate::domain::timetable;
use crate::web::site::ReadError;
use crate::web::view::rooms::{RecordingView, RoomView, RoomsView};

impl StationPages {
    pub(super) async fn rooms_view(&self) -> Result<RoomsView, ReadError> {
        let open = self.read(|r| r.open_recordings()).await?;
        let (asked, zone) = (self.clock.now(), &self.policy.zone);
        let mut now = self.board.streams();
        let rooms = self.streams.iter().map(|stream| {
            let changes = timetable::next_change(&stream.windows, asked, zone);
            let at = now.remove(stream.name.as_str()).unwrap_or_default();
            let recording = open.iter().find(|r| r.asked.stream == stream.name);
            RoomView {
                stream: stream.name.to_string(),
                room: stream.room.clone(),
                mode: stream.mode.as_str(),
                timetable: changes.map(|next| (timetable::is_open(&stream.windows, asked, zone), next)),
                since: (at.since_ms > 0).then_some(UtcMs(at.since_ms)),
                recording: recording.map(|r| RecordingView {
                    id: r.id.to_string(),
                    cause: r.asked.cause,
                    case_no: r.asked.case.as_ref().map(|c| c.0.clone()),
                    officer: r.asked.officer.clone(),
                    begun: UtcMs(r.begun_ms),
                    segments: r.segments,
                }),
                tracks: at.tracks,
                pulse: at.pulse,
                bit_rate: at.bit_rate,
                clip: at.clip.map(|c| c.to_string()),
                still: at.still.as_ref().map(|s| UtcMs(s.0)),
                state: at.state,
            }
        });
        Ok(RoomsView { rooms: rooms.collect() })
    }

    pub(super) fn still_of(&self, stream: &str) -> Option<Bytes> {
        self.board.streams().remove(stream)?.still.map(|(_, jpeg)| jpeg)
    }
}
