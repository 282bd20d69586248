//! The loop inside a worker: receive a job with its file, answer, wait for the next. Owns the child's end of the
//! socket. Opens nothing by itself and ends with the daemon, whatever it is doing. A job may come without a file and
//! have its bytes read from the daemon instead, stretch by stretch ([`Reach`]).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::descriptors::Incoming;
use super::protocol::{self, Frame, FrameError};
use super::sandbox::Measure;

/// The child's first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// What the sandbox achieved.
    pub measures: Vec<Measure>,
}

/// What a child says to a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer<A> {
    /// The handler's answer.
    Done(A),
    /// The handler panicked; the worker goes on.
    Panicked(String),
    /// No answer yet: it needs bytes of what the job is about. The daemon owes a [`Served`].
    Read {
        /// From here.
        offset: u64,
        /// So many, at most [`READ_MAX_BYTES`].
        len: u32,
    },
    /// No answer yet: the frame's body is the next stretch of what the job makes. The daemon owes a [`Served`].
    Give,
}

/// The daemon's reply to [`Answer::Read`], whose bytes are the frame's body, and to [`Answer::Give`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Served;

/// Most that is asked for in one [`Answer::Read`].
pub const READ_MAX_BYTES: u32 = 1 << 20;

/// Bytes that the daemon reads for a job. Cheap to clone; callers on several threads wait for one another.
#[derive(Debug, Clone)]
pub struct Reach {
    line: Arc<Mutex<Line>>,
}

/// Both directions of the socket: whoever has it is alone in a conversation with the daemon.
#[derive(Debug)]
struct Line {
    out: File,
    jobs: mpsc::Receiver<(Frame, Option<OwnedFd>)>,
}

impl Reach {
    /// At most [`READ_MAX_BYTES`] bytes from `offset`; fewer only where they end.
    pub fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>, FrameError> {
        let len = len.min(READ_MAX_BYTES);
        let mut line = self.line();
        line.out.write_all(&protocol::encode(&Answer::<()>::Read { offset, len }, &[])?)?;
        let gone = || FrameError::Io(io::ErrorKind::UnexpectedEof.into());
        let (frame, _) = line.jobs.recv().map_err(|_| gone())?;
        let Served = protocol::header(&frame)?;
        Ok(frame.body)
    }

    /// Hands the next stretch of what is made to the daemon, which writes it; returns when it was taken.
    pub fn give(&self, bytes: &[u8]) -> Result<(), FrameError> {
        for stretch in bytes.chunks(READ_MAX_BYTES as usize) {
            let mut line = self.line();
            line.out.write_all(&protocol::encode(&Answer::<()>::Give, stretch)?)?;
            let gone = || FrameError::Io(io::ErrorKind::UnexpectedEof.into());
            let (frame, _) = line.jobs.recv().map_err(|_| gone())?;
            let Served = protocol::header(&frame)?;
        }
        Ok(())
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says hello on standard input (a socket, see [`super::parent`]) and handles jobs until the daemon hangs up.
///
/// When the daemon ends while a job runs, the process kills itself at once: a parent-death signal would follow the
/// *thread* that started the worker, and an asynchronous runtime may retire that thread long before the daemon ends.
pub fn serve<Q, A>(
    measures: Vec<Measure>,
    mut handle: impl FnMut(Q, Option<File>) -> (A, Vec<u8>),
) -> Result<(), FrameError>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    serve_reading(measures, |job, file, _: &Reach| handle(job, file))
}

/// The same for jobs that may need bytes which only the daemon can read.
pub fn serve_reading<Q, A>(
    measures: Vec<Measure>,
    mut handle: impl FnMut(Q, Option<File>, &Reach) -> (A, Vec<u8>),
) -> Result<(), FrameError>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let stdin = io::stdin();
    let mut out = File::from(stdin.as_fd().try_clone_to_owned()?);
    let mut incoming = Incoming::new(stdin.as_fd().try_clone_to_owned()?);
    out.write_all(&protocol::encode(&Hello { measures }, &[])?)?;

    let (send, jobs) = mpsc::channel();
    std::thread::Builder::new().name("jobs".to_owned()).stack_size(256 << 10).spawn(move || {
        loop {
            match protocol::read(&mut incoming) {
                Ok(Some(frame)) => {
                    if send.send((frame, incoming.descriptors.pop_front())).is_err() {
                        return;
                    }
                }
                // The daemon is gone, or talks nonsense: nobody waits for what is being done.
                Ok(None) | Err(_) => {
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                }
            }
        }
    })?;

    let reach = Reach { line: Arc::new(Mutex::new(Line { out, jobs })) };
    loop {
        let Ok((frame, file)) = reach.line().jobs.recv() else { return Ok(()) };
        let job: Q = protocol::header(&frame)?;
        let (answer, body) = match catch_unwind(AssertUnwindSafe(|| handle(job, file.map(File::from), &reach))) {
            Ok((answer, body)) => (Answer::Done(answer), body),
            Err(panic) => (Answer::Panicked(panic_text(panic.as_ref())), Vec::new()),
        };
        reach.line().out.write_all(&protocol::encode(&answer, &body)?)?;
    }
}

/// The child's end of a conversation: it tells as much as it likes, whenever it likes, and hears the daemon meanwhile.
pub struct Conversation {
    out: File,
}

impl Conversation {
    /// Tells the daemon something; waits while the daemon is busy.
    pub fn tell<A: Serialize>(&mut self, told: &A, body: &[u8]) -> Result<(), FrameError> {
        Ok(self.out.write_all(&protocol::encode(told, body)?)?)
    }
}

/// Says hello and begins a conversation; `hear` gets, on a thread of its own, what the daemon says, and answers whether
/// it wants more. As in [`serve`], the process ends itself when the daemon is gone.
pub fn converse<Q: DeserializeOwned>(
    measures: Vec<Measure>,
    mut hear: impl FnMut(Q) -> bool + Send + 'static,
) -> Result<Conversation, FrameError> {
    let stdin = io::stdin();
    let mut out = File::from(stdin.as_fd().try_clone_to_owned()?);
    let mut incoming = Incoming::new(stdin.as_fd().try_clone_to_owned()?);
    out.write_all(&protocol::encode(&Hello { measures }, &[])?)?;
    std::thread::Builder::new().name("daemon".to_owned()).stack_size(256 << 10).spawn(move || {
        loop {
            match protocol::read(&mut incoming) {
                Ok(Some(frame)) => match protocol::header(&frame) {
                    Ok(told) => {
                        if !hear(told) {
                            return;
                        }
                    }
                    Err(_) => return,
                },
                Ok(None) | Err(_) => {
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                }
            }
        }
    })?;
    Ok(Conversation { out })
}

/// What a panic said, in one bounded line.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
