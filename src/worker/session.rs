//! A child that keeps something between jobs (a file system, a session with a device), for one caller at a time.
//! Blocks: its callers live on blocking threads. Owns starting, feeding, timing and ending that child; what a job
//! means is the business of whoever asks.
//!
//! [`super::parent::Workers`] hands independent jobs to interchangeable children; here the child *is* the state, so a
//! child that was late or died takes the state with it, and the caller begins anew with another [`Session`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::child::Answer;
use super::descriptors;
use super::parent::{WorkerError, WorkerSpec, how_it_ended, printable};
use super::protocol::{self, Frame, FrameError};
use super::sandbox::Measure;
use crate::runtime::clock::monotonic;

/// Of what a child prints, this much of the end is kept to explain its death.
const LAST_WORDS_BYTES: usize = 512;

/// A frame that has begun comes whole within this time: its sender had all of it.
const WORD_TIMEOUT: Duration = Duration::from_secs(10);

/// One running child. Dropping it ends the child.
#[derive(Debug)]
pub struct Session {
    child: Child,
    socket: UnixStream,
    measures: Vec<Measure>,
    last_words: Arc<Mutex<Vec<u8>>>,
}

impl Session {
    /// Starts a child and waits for its hello. Of `spec` the pool's own limits (`workers`, `jobs_per_worker`,
    /// `idle_timeout`, `job_timeout`) do not apply.
    pub fn start(spec: &WorkerSpec) -> Result<Self, WorkerError> {
        let failed = |what: &'static str| move |e: io::Error| WorkerError::CannotStart(format!("{what}: {e}"));
        let (socket, theirs) = UnixStream::pair().map_err(failed("no socket"))?;
        let mut child = spec.command(theirs.into()).spawn().map_err(failed("cannot run the program"))?;
        let last_words = Arc::new(Mutex::default());
        if let Some(stderr) = child.stderr.take() {
            let words = Arc::clone(&last_words);
            let drained = std::thread::Builder::new()
                .name("worker-stderr".to_owned())
                .stack_size(128 << 10)
                .spawn(move || drain(stderr, &words));
            drained.map_err(failed("no thread"))?;
        }
        let mut session = Self { child, socket, measures: Vec::new(), last_words };
        session.measures = match session.receive(spec.start_timeout) {
            Ok(frame) => spec.greeted(&frame)?,
            Err(FrameError::Io(e)) if is_late(&e) => {
                return Err(WorkerError::CannotStart(format!("no hello within {} s", spec.start_timeout.as_secs())));
            }
            Err(_) => return Err(WorkerError::CannotStart(session.how_it_ended())),
        };
        Ok(session)
    }

    /// What the sandbox of this child achieved.
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Hands over one job, with a file if it needs one, and waits for its answer. After any error but
    /// [`WorkerError::Answer`] for a job that could not be written down, the child is of no use any more: it has ended
    /// or is ended with this session.
    pub fn call<A: DeserializeOwned>(
        &mut self,
        job: &impl Serialize,
        file: Option<&File>,
        limit: Duration,
    ) -> Result<(A, Vec<u8>), WorkerError> {
        let request = protocol::encode(job, &[]).map_err(WorkerError::Answer)?;
        let answered = self.send(&request, file).map_err(FrameError::Io).and_then(|()| self.receive(limit));
        let frame = match answered {
            Ok(frame) => frame,
            Err(FrameError::Io(e)) if is_late(&e) => {
                let _ = self.child.kill();
                return Err(WorkerError::TooSlow(limit));
            }
            Err(FrameError::Io(_)) => return Err(WorkerError::Died(self.how_it_ended())),
            Err(error) => {
                let _ = self.child.kill();
                return Err(WorkerError::Answer(error));
            }
        };
        match protocol::header::<Answer<A>>(&frame).map_err(WorkerError::Answer)? {
            Answer::Done(answer) => Ok((answer, frame.body)),
            Answer::Panicked(text) => {
                let _ = self.child.kill();
                Err(WorkerError::Died(format!("panic: {text}")))
            }
            // What such a child needs comes with its jobs.
            Answer::Read { .. } | Answer::Give => {
                let _ = self.child.kill();
                Err(WorkerError::Died("it asked for bytes of a job that has none".to_owned()))
            }
        }
    }

    /// Tells a child that converses ([`super::child::converse`]) something; it owes no answer.
    pub fn tell(&mut self, told: &impl Serialize) -> Result<(), WorkerError> {
        let frame = protocol::encode(told, &[]).map_err(WorkerError::Answer)?;
        self.send(&frame, None).map_err(|_| WorkerError::Died(self.how_it_ended()))
    }

    /// The next thing that such a child tells; `None` when it has said nothing for `patience`. One that stops in the
    /// middle of a word is ended.
    pub fn hear<A: DeserializeOwned>(&mut self, patience: Duration) -> Result<Option<(A, Vec<u8>)>, WorkerError> {
        self.socket.set_read_timeout(Some(patience)).map_err(|e| WorkerError::Answer(FrameError::Io(e)))?;
        let mut first = [0; 1];
        match rustix::net::recv(&self.socket, &mut first[..], rustix::net::RecvFlags::PEEK) {
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            Err(_) => return Err(WorkerError::Died(self.how_it_ended())),
        }
        let frame = match self.receive(WORD_TIMEOUT) {
            Ok(frame) => frame,
            Err(FrameError::Io(e)) if is_late(&e) => {
                let _ = self.child.kill();
                return Err(WorkerError::TooSlow(WORD_TIMEOUT));
            }
            Err(FrameError::Io(_)) => return Err(WorkerError::Died(self.how_it_ended())),
            Err(error) => {
                let _ = self.child.kill();
                return Err(WorkerError::Answer(error));
            }
        };
        let told = protocol::header(&frame).map_err(WorkerError::Answer)?;
        Ok(Some((told, frame.body)))
    }

    fn send(&mut self, request: &[u8], file: Option<&File>) -> io::Result<()> {
        let sent = match file {
            None => 0,
            Some(file) => descriptors::send(&self.socket, request, file.as_fd())?,
        };
        self.socket.write_all(&request[sent..])
    }

    fn receive(&mut self, limit: Duration) -> Result<Frame, FrameError> {
        let from = Deadlined { socket: &self.socket, until: monotonic() + limit };
        protocol::read(from)?.ok_or_else(|| FrameError::Io(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Tells how a child ended whose socket closed; ends it if it has not.
    fn how_it_ended(&mut self) -> String {
        let until = monotonic() + Duration::from_secs(2);
        let end = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break how_it_ended(status),
                Ok(None) if monotonic() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => break "it closed its socket and lived on".to_owned(),
                Err(e) => break e.to_string(),
            }
        };
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        match String::from_utf8_lossy(&words).lines().rfind(|l| !l.trim().is_empty()) {
            Some(line) => format!("{end}; {}", printable(line)),
            None => end,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A child that waits in an uninterruptible read of a dying device is not waited for: it ends with that read,
        // and whoever is our parent then reaps it.
        let _ = self.child.kill();
        let until = monotonic() + Duration::from_secs(1);
        while matches!(self.child.try_wait(), Ok(None)) && monotonic() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A socket whose reads all end at one moment, however the answer trickles in.
struct Deadlined<'a> {
    socket: &'a UnixStream,
    until: Instant,
}

impl Read for Deadlined<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(monotonic());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buf)
    }
}

fn is_late(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn drain(mut stderr: impl Read, last_words: &Mutex<Vec<u8>>) {
    let mut buf = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut buf) {
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&buf[..n]);
        let excess = words.len().saturating_sub(LAST_WORDS_BYTES);
        words.drain(..excess);
    }
}
