//! Rooms from the configuration, the board and the store.

use bytes::Bytes;

use super::StationPages;
use crate::access::Signed;
use crate::config::Stream;
use crate::domain::time::UtcMs;
use crate::domain::timetable;
use crate::store::RecordingStanding;
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
                // Of an earlier recording it shows somebody else's room.
                still: at
                    .still
                    .as_ref()
                    .filter(|still| recording.is_some_and(|r| r.id.to_string() == still.recording))
                    .map(|still| UtcMs(still.at_ms)),
                state: at.state,
                theirs: true,
                stops: true,
                asks: false,
            }
        });
        Ok(RoomsView { rooms: rooms.collect() })
    }

    /// The newest still of the recording that goes on.
    pub(super) async fn still_of(&self, stream: &str) -> Result<Option<Bytes>, ReadError> {
        let Some(still) = self.board.streams().remove(stream).and_then(|now| now.still) else { return Ok(None) };
        let Some(stream) = self.streams.iter().find(|s| s.name.as_str() == stream) else { return Ok(None) };
        let name = stream.name.clone();
        let open = self.read(move |r| r.open_recording(&name)).await?;
        Ok(open.filter(|open| open.id.to_string() == still.recording).map(|_| still.jpeg))
    }

    /// How what is recorded in a room stands to somebody; the room by its stream's name or its own, as it is asked for.
    pub(super) async fn room_standing_of(
        &self,
        room: &str,
        signed: &Signed,
    ) -> Result<Option<RecordingStanding>, ReadError> {
        let room = room.trim();
        let (by_name, by_room) = (|s: &&Stream| s.name.as_str() == room, |s: &&Stream| s.room == room);
        let found = self.streams.iter().find(by_name).or_else(|| self.streams.iter().find(by_room));
        let Some(stream) = found.map(|stream| stream.name.clone()) else { return Ok(None) };
        let (account, actor, now) = (signed.account, signed.actor.clone(), self.clock.now().0);
        self.read(move |r| r.recording_standing(&stream, account, &actor, now)).await
    }
}
