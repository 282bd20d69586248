//! The daemon's side of its workers: starts them, hands each one job at a time, kills those that are late, replaces
//! those that died or are worn, and keeps what they print within bounds. Never parses footage.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Semaphore, mpsc};

use super::child::{Answer, Hello, READ_MAX_BYTES, Served};
use super::descriptors;
use super::protocol::{self, Frame, FrameError};
use super::sandbox::Measure;
use crate::domain::ports::{ClipBytes, FootageError};
use crate::runtime::clock::monotonic;
use crate::runtime::task::spawn_named;

/// What a worker prints is logged up to here, then thrown away: a library that complains about every frame of a
/// damaged clip must not fill the journal.
const STDERR_LOGGED_BYTES: usize = 64 << 10;

/// A job may read all of a clip twice (an index, and then what it names), and so much more: readers fetch whole blocks
/// of what they use a few bytes of.
const SPARE_READ_BYTES: u64 = 256 << 20;

/// How workers of one kind are run.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// For logs.
    pub kind: &'static str,
    /// Usually [`own_program`].
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(&'static str, OsString)>,
    /// Until the hello.
    pub start_timeout: Duration,
    /// Until the answer to one job.
    pub job_timeout: Duration,
    /// Replaced after so many, so that what libraries leak stays small.
    pub jobs_per_worker: u32,
    /// At most so many at once.
    pub workers: usize,
    /// Ended after idling so long, to give their memory back.
    pub idle_timeout: Duration,
}

impl WorkerSpec {
    /// The child as it is run, with our other end of its socket as standard input.
    pub(super) fn command(&self, theirs: OwnedFd) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (*name, value)))
            .current_dir("/")
            .stdin(theirs)
            // A library that prints must not break the frames, which is why they do not travel on standard output.
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Takes what the sandbox of a child achieved from its hello, and says what is missing.
    pub(super) fn greeted(&self, hello: &Frame) -> Result<Vec<Measure>, WorkerError> {
        let hello = protocol::header::<Hello>(hello).map_err(WorkerError::Answer)?;
        for missing in hello.measures.iter().filter(|m| !m.in_force) {
            tracing::warn!(kind = self.kind, measure = missing.name, "not in force: {}", missing.detail);
        }
        Ok(hello.measures)
    }
}

/// The running program itself, also when its file was replaced by an update meanwhile.
pub fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// Why a job has no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Killed for being late.
    #[error("the worker took longer than {} s and was stopped", .0.as_secs())]
    TooSlow(Duration),
    /// It ended or panicked over this job.
    #[error("the worker ended without an answer: {0}")]
    Died(String),
    /// It does not come up.
    #[error("the worker cannot start: {0}")]
    CannotStart(String),
    /// It answered something that is no answer.
    #[error("the worker's answer cannot be used")]
    Answer(#[source] FrameError),
    /// Bytes that it needs cannot be had.
    #[error("the bytes that the worker needs cannot be had")]
    Bytes(#[source] FootageError),
    /// It asks for more than any honest job needs.
    #[error("the worker asked for {0} bytes, more than the job can need, and was stopped")]
    Greedy(u64),
    /// Nobody takes what it makes any more: why is to be said by whoever took it.
    #[error("what the worker makes could not be kept")]
    NotTaken,
}

/// Workers of one kind. Cheap to clone; all clones share the same children.
#[derive(Debug, Clone)]
pub struct Workers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    spec: WorkerSpec,
    slots: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    socket: UnixStream,
    measures: Vec<Measure>,
    last_words: Arc<Mutex<VecDeque<u8>>>,
    jobs_done: u32,
    idle_since: Instant,
}

impl Workers {
    /// Nothing is started before the first job.
    pub fn new(spec: WorkerSpec) -> Self {
        let slots = Semaphore::new(spec.workers.max(1));
        Self { inner: Arc::new(Inner { spec, slots, idle: Mutex::default() }) }
    }

    /// Hands over one job, with the file that it is about, and waits for its answer. Waits for a free worker first,
    /// which does not count against the time limit. Dropping the future stops the worker that has the job.
    pub async fn call<A: DeserializeOwned>(
        &self,
        job: &impl Serialize,
        file: Option<&File>,
    ) -> Result<(A, Bytes), WorkerError> {
        self.carry_out(job, file, None, None).await
    }

    /// The same for a job about a clip: the worker gets no file but asks for bytes as it needs them, each of which was
    /// verified. The time that they take to come does not count against its limit.
    pub async fn call_reading<A: DeserializeOwned>(
        &self,
        job: &impl Serialize,
        clip: &Arc<dyn ClipBytes>,
    ) -> Result<(A, Bytes), WorkerError> {
        self.carry_out(job, None, Some(clip), None).await
    }

    /// The same for a job that makes a file of its own: what comes of it goes to `out`, stretch by stretch, only as fast as
    /// it is taken there.
    pub async fn call_making<A: DeserializeOwned>(
        &self,
        job: &impl Serialize,
        clip: &Arc<dyn ClipBytes>,
        out: &mpsc::Sender<Bytes>,
    ) -> Result<(A, Bytes), WorkerError> {
        self.carry_out(job, None, Some(clip), Some(out)).await
    }

    async fn carry_out<A: DeserializeOwned>(
        &self,
        job: &impl Serialize,
        file: Option<&File>,
        clip: Option<&Arc<dyn ClipBytes>>,
        out: Option<&mpsc::Sender<Bytes>>,
    ) -> Result<(A, Bytes), WorkerError> {
        let Ok(_slot) = self.inner.slots.acquire().await else {
            return Err(WorkerError::CannotStart("the daemon is stopping".to_owned()));
        };
        let mut request = protocol::encode(job, &[]).map_err(WorkerError::Answer)?;
        let mut worker = self.take().await?;
        let limit = self.inner.spec.job_timeout;
        let (mut left, mut file, mut asked_bytes) = (limit, file, 0);
        loop {
            let begun = monotonic();
            let answered = tokio::time::timeout(left, worker.ask(&request, file.take())).await;
            left = left.saturating_sub(begun.elapsed());
            let frame = match answered {
                Ok(Ok(frame)) => frame,
                // Its socket closed: it is dead or dying.
                Ok(Err(FrameError::Io(_))) => return Err(WorkerError::Died(worker.bury().await)),
                // Dropping it kills it: what else it may say belongs to no job.
                Ok(Err(error)) => return Err(WorkerError::Answer(error)),
                Err(_elapsed) => {
                    tracing::warn!(
                        kind = self.inner.spec.kind,
                        limit_s = limit.as_secs(),
                        "a worker was late and is killed"
                    );
                    worker.kill().await;
                    return Err(WorkerError::TooSlow(limit));
                }
            };
            match (protocol::header::<Answer<A>>(&frame).map_err(WorkerError::Answer)?, clip) {
                (Answer::Done(answer), _) => {
                    self.give_back(worker);
                    return Ok((answer, Bytes::from(frame.body)));
                }
                // Its libraries may be in any state now; a fresh one costs less than a doubt.
                (Answer::Panicked(text), _) => return Err(WorkerError::Died(format!("panic: {text}"))),
                (Answer::Read { offset, len }, Some(clip)) => {
                    // An empty read counts, too, so that the loop ends.
                    asked_bytes += u64::from(len.clamp(4096, READ_MAX_BYTES));
                    if asked_bytes > clip.size_bytes().saturating_mul(2).saturating_add(SPARE_READ_BYTES) {
                        return Err(WorkerError::Greedy(asked_bytes));
                    }
                    let bytes = stretch(clip, offset, len).await.map_err(WorkerError::Bytes)?;
                    request = protocol::encode(&Served, &bytes).map_err(WorkerError::Answer)?;
                }
                (Answer::Give, _) => {
                    let Some(out) = out else {
                        return Err(WorkerError::Died("it gave bytes that nobody asked for".to_owned()));
                    };
                    if out.send(Bytes::from(frame.body)).await.is_err() {
                        return Err(WorkerError::NotTaken);
                    }
                    request = protocol::encode(&Served, &[]).map_err(WorkerError::Answer)?;
                }
                (Answer::Read { .. }, None) => {
                    return Err(WorkerError::Died("it asked for bytes of a job that has none".to_owned()));
                }
            }
        }
    }

    /// What the sandbox of a worker achieved; starts one if none is warm.
    pub async fn measures(&self) -> Result<Vec<Measure>, WorkerError> {
        let Ok(_slot) = self.inner.slots.acquire().await else {
            return Err(WorkerError::CannotStart("the daemon is stopping".to_owned()));
        };
        let worker = self.take().await?;
        let measures = worker.measures.clone();
        self.give_back(worker);
        Ok(measures)
    }

    async fn take(&self) -> Result<Worker, WorkerError> {
        while let Some(mut worker) = self.inner.idle().pop() {
            if worker.is_alive() {
                return Ok(worker);
            }
        }
        Worker::start(&self.inner.spec).await
    }

    fn give_back(&self, mut worker: Worker) {
        worker.jobs_done += 1;
        if worker.jobs_done >= self.inner.spec.jobs_per_worker {
            return; // Dropped, killed, reaped by the runtime.
        }
        worker.idle_since = monotonic();
        self.inner.idle().push(worker);
        let (inner, idle) = (Arc::downgrade(&self.inner), self.inner.spec.idle_timeout);
        spawn_named("worker-idle", async move {
            tokio::time::sleep(idle).await;
            if let Some(inner) = inner.upgrade() {
                inner.idle().retain(|w| w.idle_since.elapsed() < idle);
            }
        });
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    async fn start(spec: &WorkerSpec) -> Result<Self, WorkerError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |e: io::Error| WorkerError::CannotStart(format!("{what}: {e}"))
        };
        let (socket, theirs) = UnixStream::pair().map_err(failed("no socket"))?;
        let theirs = theirs.into_std().map_err(failed("no socket"))?;
        theirs.set_nonblocking(false).map_err(failed("no socket"))?;
        let mut child = Command::from(spec.command(theirs.into()))
            .kill_on_drop(true)
            .spawn()
            .map_err(failed("cannot run the program"))?;
        let last_words = Arc::new(Mutex::default());
        if let Some(stderr) = child.stderr.take() {
            spawn_named("worker-stderr", drain(spec.kind, stderr, Arc::clone(&last_words)));
        }
        let mut worker =
            Self { child, socket, measures: Vec::new(), last_words, jobs_done: 0, idle_since: monotonic() };
        let hello = tokio::time::timeout(spec.start_timeout, protocol::read_async(&mut worker.socket)).await;
        worker.measures = match hello {
            Ok(Ok(frame)) => spec.greeted(&frame)?,
            Ok(Err(_)) => return Err(WorkerError::CannotStart(worker.bury().await)),
            Err(_elapsed) => {
                worker.kill().await;
                return Err(WorkerError::CannotStart(format!("no hello within {} s", spec.start_timeout.as_secs())));
            }
        };
        Ok(worker)
    }

    /// Alive, and silent: bytes or an end before any job mean that it can no longer be trusted with one.
    fn is_alive(&mut self) -> bool {
        let silent = matches!(self.socket.try_read(&mut [0; 1]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        silent && matches!(self.child.try_wait(), Ok(None))
    }

    async fn ask(&mut self, request: &[u8], file: Option<&File>) -> Result<Frame, FrameError> {
        let sent = match file {
            None => 0,
            Some(file) => {
                let socket = &self.socket;
                socket.async_io(Interest::WRITABLE, || descriptors::send(socket, request, file.as_fd())).await?
            }
        };
        self.socket.write_all(&request[sent..]).await?;
        protocol::read_async(&mut self.socket).await
    }

    async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a worker could not be killed");
        }
    }

    /// Waits for a child whose socket closed, and tells how it ended.
    async fn bury(mut self) -> String {
        let status = tokio::time::timeout(Duration::from_secs(2), self.child.wait()).await;
        let end = match status {
            Ok(Ok(status)) => how_it_ended(status),
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => {
                self.kill().await;
                "it closed its socket and lived on".to_owned()
            }
        };
        // The last words may arrive a moment after the end; they are an extra, never waited for.
        tokio::task::yield_now().await;
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<u8> = words.iter().copied().collect();
        let line = String::from_utf8_lossy(&words);
        match line.lines().rfind(|l| !l.trim().is_empty()) {
            Some(line) => format!("{end}; {}", printable(line)),
            None => end,
        }
    }
}

/// Verified bytes of a clip, fewer than `len` only at its end.
async fn stretch(clip: &Arc<dyn ClipBytes>, offset: u64, len: u32) -> Result<Vec<u8>, FootageError> {
    let from = offset.min(clip.size_bytes());
    let to = from.saturating_add(len.min(READ_MAX_BYTES).into()).min(clip.size_bytes());
    let mut bytes = Vec::with_capacity((to - from) as usize);
    let mut coming = Arc::clone(clip).read(from..to);
    while let Some(chunk) = coming.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

/// How a process ended, in words.
pub(super) fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(libc::SIGABRT)) => "aborted, as when memory is refused".to_owned(),
        (None, Some(libc::SIGSEGV | libc::SIGBUS)) => "crashed on a memory access".to_owned(),
        (None, Some(libc::SIGXCPU)) => "used up its processor time".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

pub(super) fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(300).collect()
}

/// Reads to the end, so that a child never blocks on a full pipe, and logs the first part by lines.
async fn drain(kind: &'static str, mut stderr: ChildStderr, last_words: Arc<Mutex<VecDeque<u8>>>) {
    let (mut logged, mut buf, mut line) = (0, vec![0; 4096], Vec::new());
    while let Ok(n @ 1..) = stderr.read(&mut buf).await {
        {
            let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
            words.extend(&buf[..n]);
            let excess = words.len().saturating_sub(512);
            words.drain(..excess);
        }
        for byte in &buf[..n] {
            if logged >= STDERR_LOGGED_BYTES {
                break;
            }
            logged += 1;
            match byte {
                b'\n' => tracing::debug!(kind, "{}", printable(&String::from_utf8_lossy(&std::mem::take(&mut line)))),
                _ if line.len() < 1024 => line.push(*byte),
                _ => {}
            }
        }
    }
    if logged >= STDERR_LOGGED_BYTES {
        tracing::debug!(kind, "printed more than {STDERR_LOGGED_BYTES} bytes; the rest was thrown away");
    }
}
