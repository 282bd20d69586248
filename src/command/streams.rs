//! Live streams: one task that knows which recordings are wanted and one thread for each stream that carries them out.
//! The open recording of a stream stands in the database, so that a restart goes on with it. Part of the composition root.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::config::{Settings, Stream, StreamMode};
use crate::domain::error::chain;
use crate::domain::event::Actor;
use crate::domain::ids::{RecordingId, StreamName};
use crate::domain::ports::{Clock, MediaProbe};
use crate::domain::stream::{Cause, Order, RecordingEnd};
use crate::domain::timetable;
use crate::intake::{FeedIntake, Intake};
use crate::media::worker_environment;
use crate::runtime::board::{Board, Still};
use crate::runtime::health::Health;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::runtime::task;
use crate::source::rtsp::link::Program;
use crate::source::rtsp::room::Room;
use crate::store::{Change, NewRecording, Result, Store, Tx};
use crate::worker::parent::own_program;

/// Schedules are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// Key frames that may wait to be made into stills; one a stream each twenty seconds.
const STILLS: usize = 16;

/// How workers of streams are run here.
pub fn program(state_dir: &Path) -> Program {
    Program { file: own_program(), env: worker_environment(state_dir) }
}

/// A key frame of which a still is to be made.
struct KeyFrame {
    stream: StreamName,
    recording: RecordingId,
    bytes: Bytes,
}

/// What the task needs.
#[derive(Clone)]
pub struct Streams {
    /// The configuration.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// Takes what comes.
    pub intake: Intake,
    /// Makes stills.
    pub probe: Arc<dyn MediaProbe>,
    /// Where they are shown.
    pub board: Board,
    /// And how they are.
    pub health: Health,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Works until the supervisor says stop; then every segment is ended and sealed before this returns.
pub async fn run(context: TaskContext, streams: Streams) -> TaskResult {
    let (stills, keys) = tokio::sync::mpsc::channel(STILLS);
    let mut rooms = HashMap::new();
    let mut threads = Vec::new();
    for stream in &streams.settings.streams {
        let (orders, coming) = mpsc::channel();
        let room = streams.room(stream, stills.clone());
        streams.board.stream(stream.name.as_str(), |_| {});
        threads.push(task::blocking("stream", move || room.run(&coming)));
        rooms.insert(stream.name.clone(), (orders, None::<Order>));
    }
    drop(stills);
    let looking = async {
        let mut changes = streams.store.changes();
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            context.heart.beat();
            match streams.orders().await {
                Ok(wanted) => {
                    for (name, (orders, last)) in &mut rooms {
                        let now = wanted.get(name).cloned();
                        if now != *last {
                            *last = now.clone();
                            // A thread that ended has panicked; the supervisor's next start makes it anew.
                            let _ = orders.send(now);
                        }
                    }
                }
                Err(e) => tracing::error!(error = %chain(&e), "which recordings are wanted could not be read"),
            }
            loop {
                tokio::select! {
                    () = context.cancel.cancelled() => { rooms.clear(); return; }
                    _ = ticks.tick() => break,
                    change = changes.recv() => match change {
                        Ok(Change::Recordings) | Err(_) => break,
                        Ok(_) => {}
                    },
                }
            }
        }
    };
    tokio::join!(looking, streams.stills(keys));
    for thread in threads {
        if let Err(e) = thread.await {
            tracing::error!(error = %e, "the thread of a stream ended badly");
        }
    }
    Ok(())
}

impl Streams {
    fn room(&self, stream: &Stream, stills: tokio::sync::mpsc::Sender<KeyFrame>) -> Room {
        let (intake, name) = (self.intake.clone(), stream.name.clone());
        Room {
            stream: stream.clone(),
            program: program(&self.settings.station.state_dir),
            feed: Arc::new(move || Box::new(FeedIntake::new(intake.clone()))),
            board: self.board.clone(),
            health: self.health.clone(),
            clock: Arc::clone(&self.clock),
            // One that finds the queue full is not missed: the next one comes soon.
            still: Arc::new(move |recording, key| {
                let _ = stills.try_send(KeyFrame { stream: name.clone(), recording, bytes: key });
            }),
        }
    }

    /// Begins and ends what configuration and schedules want, and gives what is wanted now.
    async fn orders(&self) -> Result<HashMap<StreamName, Order>> {
        let streams = self.settings.streams.clone();
        let (now, zone) = (self.clock.now(), &self.settings.station.zone);
        let scheduled: HashMap<StreamName, bool> =
            streams.iter().map(|s| (s.name.clone(), timetable::is_open(&s.windows, now, zone))).collect();
        let open = self.store.read(|r| r.open_recordings()).await?;
        // Most looks find everything as it should be, and write nothing.
        let due = streams.iter().any(|s| {
            change(s, open.iter().find(|o| o.asked.stream == s.name).map(|o| o.asked.cause), scheduled[&s.name])
                .is_some()
        }) || open.iter().any(|o| !streams.iter().any(|s| s.name == o.asked.stream));
        let open = match due {
            false => open,
            true => {
                self.store
                    .write(move |tx| {
                        settle(tx, &streams, &scheduled)?;
                        tx.read().open_recordings()
                    })
                    .await?
            }
        };
        Ok(open
            .into_iter()
            .map(|o| (o.asked.stream.clone(), Order { recording: o.id, stream: o.asked.stream }))
            .collect())
    }

    /// Makes stills of key frames until no stream can bring one any more.
    async fn stills(&self, mut keys: tokio::sync::mpsc::Receiver<KeyFrame>) {
        let dir = self.settings.station.state_dir.join("stills");
        while let Some(KeyFrame { stream: name, recording, bytes: key }) = keys.recv().await {
            let path = dir.join(format!("{name}.mp4"));
            let written = path.clone();
            let dir = dir.clone();
            let write = move || std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&written, &key));
            if !matches!(task::blocking("still", write).await, Ok(Ok(()))) {
                continue;
            }
            let made = self.probe.thumbnail(&path, self.settings.media.thumbnail_width_px).await;
            if let Ok(Some(jpeg)) = made {
                let still = Still { recording: recording.to_string(), at_ms: self.clock.now().0, jpeg };
                self.board.stream(name.as_str(), |s| s.still = Some(still));
            }
            remove(path).await;
        }
    }
}

async fn remove(path: PathBuf) {
    // What is left behind is written over by the next one.
    let _ = task::blocking("still", move || std::fs::remove_file(path)).await;
}

/// What has to change about a stream, of which a recording of this cause goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Begin(Cause),
    End(RecordingEnd),
}

/// `scheduled` says that a time of its timetable is now.
fn change(stream: &Stream, open: Option<Cause>, scheduled: bool) -> Option<Due> {
    match (stream.mode, open) {
        (StreamMode::Always, None) => Some(Due::Begin(Cause::Always)),
        (StreamMode::Schedule, None) if scheduled => Some(Due::Begin(Cause::Schedule)),
        (StreamMode::Schedule, Some(Cause::Schedule)) if !scheduled => Some(Due::End(RecordingEnd::Schedule)),
        (StreamMode::OnDemand | StreamMode::Schedule, Some(Cause::Always))
        | (StreamMode::OnDemand | StreamMode::Always, Some(Cause::Schedule)) => {
            Some(Due::End(RecordingEnd::Unconfigured))
        }
        _ => None,
    }
}

fn settle(tx: &Tx<'_>, streams: &[Stream], scheduled: &HashMap<StreamName, bool>) -> Result<()> {
    let daemon = Actor::daemon();
    for open in tx.read().open_recordings()? {
        if !streams.iter().any(|s| s.name == open.asked.stream) {
            tx.end_recording(&open.asked.stream, RecordingEnd::Unconfigured, &daemon, "daemon")?;
        }
    }
    for stream in streams {
        let open = tx.read().open_recording(&stream.name)?.map(|o| o.asked.cause);
        match change(stream, open, scheduled[&stream.name]) {
            None => {}
            Some(Due::End(how)) => {
                tx.end_recording(&stream.name, how, &daemon, "daemon")?;
            }
            Some(Due::Begin(cause)) => {
                let new = NewRecording {
                    stream: stream.name.clone(),
                    room: stream.room.clone(),
                    cause,
                    officer: None,
                    co_officers: None,
                    case: None,
                    matter: None,
                    proves: None,
                };
                tx.begin_recording(&new, &daemon, "daemon")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stream::Transport;
    use crate::domain::timetable::Window;

    #[test]
    fn what_configuration_and_schedule_want() {
        let stream = |mode, windows: &[&str]| Stream {
            name: StreamName::new("a").unwrap(),
            room: "A".into(),
            url: "rtsp://a/".into(),
            user: None,
            password: None,
            transport: Transport::Tcp,
            ca_file: None,
            certificate_sha256: None,
            segment: Duration::from_secs(600),
            silence: Duration::from_secs(5),
            mode,
            windows: windows.iter().map(|w| Window::parse(w).unwrap()).collect(),
        };
        let always = stream(StreamMode::Always, &[]);
        let demand = stream(StreamMode::OnDemand, &[]);
        let office = stream(StreamMode::Schedule, &["mon-fri 08:00-18:00"]);
        for (stream, open, scheduled, expected) in [
            (&always, None, false, Some(Due::Begin(Cause::Always))),
            (&always, Some(Cause::Person), false, None),
            (&demand, None, false, None),
            (&demand, Some(Cause::Person), false, None),
            (&demand, Some(Cause::Always), false, Some(Due::End(RecordingEnd::Unconfigured))),
            (&office, None, true, Some(Due::Begin(Cause::Schedule))),
            (&office, Some(Cause::Schedule), true, None),
            (&office, None, false, None),
            (&office, Some(Cause::Schedule), false, Some(Due::End(RecordingEnd::Schedule))),
            (&office, Some(Cause::Person), false, None),
        ] {
            assert_eq!(change(stream, open, scheduled), expected, "{:?} {open:?} {scheduled}", stream.mode);
        }
    }
}
