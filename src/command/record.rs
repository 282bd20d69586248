//! `evidock record` and `evidock stream`: live recording, both ends of it: what the command line asks and prints, and what
//! the desk of the running daemon answers.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Answer, Desk, MAX_VALUE_CHARS};
use super::exit::Exit;
use super::output::Output;
use super::{Ended, ask, looking, streams};
use crate::casework::roster::names_somebody;
use crate::cli;
use crate::config::{SecretFile, Settings, Stream, StreamMode, address};
use crate::domain::command::{Asked, Caller, Reply, Request};
use crate::domain::error::chain;
use crate::domain::ids::StreamName;
use crate::domain::stream::{Cause, Gap, Pulse, RecordingEnd, SegmentEnd, Tell, Told, Track, Transport};
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};
use crate::runtime::board::{StreamNow, StreamState};
use crate::runtime::clock::monotonic;
use crate::source::rtsp::link::Link;
use crate::store::{NewRecording, RecordingRow, Tx};

/// Recordings that `record list` shows.
const LISTED: u32 = 20;

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    /// The stream that a word names: its name, or its room.
    fn stream_of(&self, word: &str) -> Result<&Stream, Reply> {
        let wanted = word.trim();
        let by_name = self.streams.iter().find(|s| s.name.as_str() == wanted);
        by_name.or_else(|| self.streams.iter().find(|s| s.room == wanted)).ok_or_else(|| {
            let known: Vec<String> = self.streams.iter().map(|s| s.room.clone()).collect();
            let why = match known.is_empty() {
                true => Why::NoRooms {},
                false => Why::NoRoom { name: wanted.to_owned(), known },
            };
            Reply::refused("not_found", why)
        })
    }

    pub(super) async fn start_recording(&self, caller: &Caller, room: &str, asked: Asked) -> Answer {
        let stream = match self.stream_of(room) {
            Ok(stream) => stream,
            Err(refusal) => return Ok(refusal),
        };
        let filled = |t: Option<String>| t.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let (officer, co_officers) = (filled(asked.officer), filled(asked.co_officers));
        let (matter, proves) = (filled(asked.matter), filled(asked.proves));
        if officer.as_deref().is_some_and(|o| !names_somebody(o)) {
            return Ok(Reply::refused("invalid", Why::Nobody {}));
        }
        let long = |t: &&String| t.chars().count() > MAX_VALUE_CHARS || t.chars().any(char::is_control);
        if [&officer, &co_officers, &matter, &proves].into_iter().flatten().any(|t| long(&t)) {
            let why = Why::OneLine { thing: Thing::RecordingFacts, most: MAX_VALUE_CHARS as u64 };
            return Ok(Reply::refused("invalid", why));
        }
        let case = match filled(asked.case_no).map(|typed| self.number(&typed)).transpose() {
            Ok(case) => case,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let new = NewRecording {
            stream: stream.name.clone(),
            room: stream.room.clone(),
            cause: Cause::Person,
            officer,
            co_officers,
            case: case.as_ref().map(|n| (n.raw().to_owned(), n.key().to_owned())),
            matter,
            proves,
        };
        let caller = caller.clone();
        let begin = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.begin_recording(&new, &caller.actor, caller.via)
        };
        let id = self.store.write(begin).await?;
        Ok(Reply::Done(json!({
            "recording": id.to_string(), "stream": stream.name.as_str(), "room": stream.room,
            "case_no": case.map(|n| n.display().to_owned()),
        })))
    }

    pub(super) async fn stop_recording(&self, caller: &Caller, room: &str) -> Answer {
        let stream = match self.stream_of(room) {
            Ok(stream) => stream,
            Err(refusal) => return Ok(refusal),
        };
        let (name, caller) = (stream.name.clone(), caller.clone());
        let ended = self
            .store
            .write(move |tx| {
                tx.on_behalf(&caller);
                // What the configuration records by itself would begin again at once.
                if let Some(open) = tx.read().open_recording(&name)?
                    && open.asked.cause != Cause::Person
                {
                    return Ok(None);
                }
                tx.end_recording(&name, RecordingEnd::Stopped, &caller.actor, caller.via).map(Some)
            })
            .await?;
        Ok(match ended {
            Some(ended) => Reply::Done(json!({
                "recording": ended.id.to_string(), "stream": stream.name.as_str(), "room": stream.room,
                "segments": ended.segments,
            })),
            None => Reply::refused(
                "conflict",
                Why::RecordedByRule { room: stream.room.clone(), stream: stream.name.to_string() },
            ),
        })
    }

    pub(super) async fn rooms(&self) -> Answer {
        let (open, newest) = self.store.read(|r| Ok((r.open_recordings()?, r.recordings(LISTED)?))).await?;
        let now = self.board.streams();
        let rooms: Vec<Value> = self
            .streams
            .iter()
            .map(|stream| {
                let recording = open.iter().find(|r| r.asked.stream == stream.name);
                let now = now.get(stream.name.as_str()).cloned().unwrap_or_default();
                room_now(stream, recording, &now, &self.policy.zone)
            })
            .collect();
        let recordings: Vec<Value> = newest.iter().map(|r| recording_json(r, &self.policy.zone)).collect();
        Ok(Reply::Done(json!({ "rooms": rooms, "recordings": recordings })))
    }
}

fn recording_json(r: &RecordingRow, zone: &jiff::tz::TimeZone) -> Value {
    json!({
        "recording": r.id.to_string(), "stream": r.asked.stream.as_str(), "room": r.asked.room, "cause": r.asked.cause.as_str(),
        "officer": r.asked.officer, "case_no": r.asked.case.as_ref().map(|c| &c.0),
        "begun": UtcMs(r.begun_ms).rfc3339_in(zone), "ended": r.ended_ms.map(|ms| UtcMs(ms).rfc3339_in(zone)),
        "why": r.ended.map(RecordingEnd::as_str), "segments": r.segments,
    })
}

fn room_now(stream: &Stream, recording: Option<&RecordingRow>, now: &StreamNow, zone: &jiff::tz::TimeZone) -> Value {
    let (state, trouble) = match &now.state {
        StreamState::Idle => ("idle", None),
        StreamState::Connecting => ("connecting", None),
        StreamState::Recording => ("recording", None),
        StreamState::Waiting { words, .. } => ("waiting", Some(words)),
    };
    json!({
        "stream": stream.name.as_str(), "room": stream.room, "mode": stream.mode.as_str(), "state": state, "trouble": trouble,
        "recording": recording.map(|r| recording_json(r, zone)), "bit_rate": now.bit_rate, "packets": now.pulse.packets,
        "lost": now.pulse.lost, "frames": now.pulse.frames, "clip": now.clip.map(|c| c.to_string()),
    })
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock record`.
pub fn record(verb: &cli::Record, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let request = match verb {
        cli::Record::Start(s) => Request::StartRecording {
            room: s.room.clone(),
            asked: Asked {
                case_no: s.case_no.clone(),
                officer: s.officer.clone(),
                co_officers: s.co_officers.clone(),
                matter: s.matter.clone(),
                proves: s.proves.clone(),
            },
        },
        cli::Record::Stop { room } => Request::StopRecording { room: room.clone() },
        cli::Record::List => Request::Rooms,
    };
    if matches!(verb, cli::Record::List) {
        looking::rooms(settings)?;
    }
    let answer = ask::request(settings, &request)?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    match verb {
        cli::Record::Start(_) => output.line(&w.recording_begun(&text(&answer["room"]), answer["case_no"].as_str()))?,
        cli::Record::Stop { .. } => {
            output.line(&w.recording_stopped(&text(&answer["room"]), answer["segments"].as_u64().unwrap_or(0)))?;
        }
        cli::Record::List => list(&answer, w, output)?,
    }
    Ok(Exit::Ok)
}

fn list(answer: &Value, w: &crate::domain::words::Words, output: &Output) -> anyhow::Result<()> {
    let rooms = answer["rooms"].as_array().cloned().unwrap_or_default();
    if rooms.is_empty() {
        output.note(w.no_rooms);
        return Ok(());
    }
    let dash = |v: &Value| v.as_str().map_or_else(|| "—".to_owned(), str::to_owned);
    let rows: Vec<Vec<String>> = rooms
        .iter()
        .map(|r| {
            let state = w.room_state(r["state"].as_str().unwrap_or_default()).to_owned();
            vec![
                text(&r["room"]),
                text(&r["stream"]),
                r["trouble"].as_str().map_or(state.clone(), |t| format!("{state}: {t}")),
                dash(&r["recording"]["begun"]),
                dash(&r["recording"]["case_no"]),
                dash(&r["recording"]["officer"]),
                w.bit_rate(r["bit_rate"].as_u64().unwrap_or(0)),
                r["lost"].as_u64().unwrap_or(0).to_string(),
            ]
        })
        .collect();
    let columns =
        [w.room, w.col_stream, w.col_state, w.col_since, w.col_case, w.col_officer, w.col_bit_rate, w.col_lost];
    output.table(&columns, &rows, &[6, 7])?;
    Ok(())
}

/// `evidock stream test`: what a camera offers and how it behaves, before it is relied on. Nothing is kept.
pub fn stream(verb: &cli::StreamVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let cli::StreamVerb::Test(test) = verb;
    let stream = tested(test, settings)?;
    let w = output.words(settings.station.language);
    let seconds = Duration::from_secs(test.seconds.clamp(1, 300));
    let found = try_out(&stream, settings, seconds)?;
    if output.is_json() {
        output.json(&found.json(&stream))?;
    } else {
        for line in found.lines(w) {
            output.line(&line)?;
        }
    }
    if found.usable() {
        return Ok(Exit::Ok);
    }
    Err(Ended::with(Exit::Failure, w.stream_unusable(&found.words)))
}

fn tested(test: &cli::StreamTest, settings: &Settings) -> anyhow::Result<Stream> {
    if !test.stream.contains("://") {
        let known = settings.streams.iter().find(|s| s.name.as_str() == test.stream || s.room == test.stream);
        return known.cloned().ok_or_else(|| {
            Ended::with(
                Exit::NotFound,
                format!("no [[stream]] is called {:?}; name one, or write an rtsp:// address", test.stream),
            )
        });
    }
    address(&test.stream).map_err(|what| Ended::with(Exit::Usage, format!("the address {what}")))?;
    let absolute = |path: &PathBuf| std::path::absolute(path);
    Ok(Stream {
        name: StreamName::new("test")?,
        room: "test".to_owned(),
        url: test.stream.clone(),
        user: test.user.clone(),
        password: test.password_file.as_ref().map(absolute).transpose()?.map(SecretFile::new),
        transport: if test.udp { Transport::Udp } else { Transport::Tcp },
        ca_file: test.ca_file.as_ref().map(absolute).transpose()?,
        certificate_sha256: test.certificate_sha256.as_ref().map(|pin| pin.replace([':', ' '], "").to_lowercase()),
        segment: Duration::from_secs(3600),
        silence: Duration::from_secs(5),
        mode: StreamMode::OnDemand,
        windows: Vec::new(),
    })
}

/// What a trial found.
#[derive(Default)]
struct Found {
    tracks: Vec<Track>,
    first_frame_ms: Option<u64>,
    pulse: Pulse,
    seconds: f64,
    gaps: Vec<Gap>,
    source_start: Option<i64>,
    station_start: Option<i64>,
    words: String,
    missing: Vec<String>,
}

fn try_out(stream: &Stream, settings: &Settings, lasting: Duration) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let begun = monotonic();
    let mut link = Link::open(&streams::program(&settings.station.state_dir), stream)
        .map_err(|e| Ended::with(Exit::Failure, chain(&e)))?;
    found.missing = link.measures().iter().filter(|m| !m.in_force).map(|m| m.name.clone()).collect();
    let mut until = None;
    let mut told_to_stop = false;
    loop {
        if !told_to_stop && until.is_some_and(|at| monotonic() >= at) {
            told_to_stop = true;
            link.tell(&Tell::Stop)?;
        }
        let Some((told, _)) =
            link.hear(Duration::from_millis(100)).map_err(|e| Ended::with(Exit::Failure, chain(&e)))?
        else {
            continue;
        };
        match told {
            Told::Tracks(tracks) => found.tracks = tracks,
            Told::Begin { station_ms, source_ms, .. } => {
                found.first_frame_ms.get_or_insert(begun.elapsed().as_millis() as u64);
                found.station_start = Some(station_ms);
                found.source_start = source_ms;
                until.get_or_insert(monotonic() + lasting);
            }
            Told::More { source_ms, length_ms } => {
                found.source_start = found.source_start.or(source_ms);
                found.seconds = length_ms as f64 / 1000.0;
            }
            Told::Gap(gap) => found.gaps.push(gap),
            Told::Pulse(pulse) => found.pulse = pulse,
            Told::End(_) | Told::Still => {}
            Told::Closed { why, words, .. } => {
                if why != SegmentEnd::Asked {
                    found.words = words;
                }
                return Ok(found);
            }
        }
    }
}

impl Found {
    fn usable(&self) -> bool {
        self.first_frame_ms.is_some() && self.words.is_empty()
    }

    fn bit_rate(&self) -> u64 {
        (self.pulse.bytes as f64 * 8.0 / self.seconds.max(1.0)) as u64
    }

    fn json(&self, stream: &Stream) -> Value {
        json!({
            "url": stream.url, "usable": self.usable(), "trouble": Some(&self.words).filter(|w| !w.is_empty()),
            "tracks": self.tracks.iter().map(|t| json!({ "media": t.media, "encoding": t.encoding, "recorded": t.kept })).collect::<Vec<_>>(),
            "first_frame_ms": self.first_frame_ms, "bit_rate": self.bit_rate(), "frames": self.pulse.frames,
            "key_frame_every_ms": self.pulse.key_every_ms, "width": self.pulse.width, "height": self.pulse.height,
            "packets": self.pulse.packets, "lost": self.pulse.lost, "clock_offset_ms": self.clock_offset_ms(),
            "gaps": self.gaps, "not_in_force": self.missing,
        })
    }

    fn clock_offset_ms(&self) -> Option<i64> {
        self.pulse.clock_offset_ms.or_else(|| Some(self.source_start? - self.station_start?))
    }

    fn lines(&self, w: &crate::domain::words::Words) -> Vec<String> {
        let mut lines: Vec<String> = self.tracks.iter().map(|t| w.track_line(&t.media, &t.encoding, t.kept)).collect();
        if let Some(ms) = self.first_frame_ms {
            lines.push(w.first_frame_line(ms, self.pulse.width, self.pulse.height, self.pulse.key_every_ms));
            lines.push(w.flow_line(self.bit_rate(), self.pulse.packets, self.pulse.lost));
            lines.push(w.camera_clock(self.clock_offset_ms()));
        }
        lines
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
