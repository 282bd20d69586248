//! The daemon's side of media: opens the file, hands it to a worker, turns the answer into domain words. Parses
//! nothing itself.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::wire::{Answer, Job};
use super::{JOB_SECONDS_VARIABLE, JOBS_PER_WORKER, MissingElement, WORKER_KIND};
use crate::domain::ports::{BoxFuture, MediaFacts, MediaProbe, ProbeError};
use crate::runtime::task;
use crate::worker::parent::{WorkerError, WorkerSpec, Workers, own_program};
use crate::worker::sandbox::Measure;

/// The first start on a box reads every plug-in once, which takes a slow one many seconds.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A warm worker is worth keeping while clips come in, not overnight.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// A media worker behind the port. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerProbe {
    workers: Workers,
}

/// What `doctor` wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaCheck {
    /// Protections of the worker.
    pub measures: Vec<Measure>,
    /// Elements that are not installed.
    pub missing: Vec<MissingElement>,
}

impl WorkerProbe {
    /// At most `workers` at once, each stopped when one file takes longer than `patience`. `state_dir` keeps
    /// GStreamer's registry of plug-ins between starts.
    pub fn new(state_dir: &Path, workers: usize, patience: Duration) -> Self {
        Self::with_program(own_program(), state_dir, workers, patience)
    }

    /// The same with another program file, for tests, whose own program is not `evidock`.
    pub fn with_program(program: PathBuf, state_dir: &Path, workers: usize, patience: Duration) -> Self {
        Self { workers: Workers::new(spec(program, state_dir, workers, patience)) }
    }

    /// Starts a worker, if none is warm, and asks it about itself.
    pub async fn check(&self) -> Result<MediaCheck, ProbeError> {
        let measures = self.workers.measures().await.map_err(probe_error)?;
        match self.workers.call::<Answer>(&Job::Elements, None).await.map_err(probe_error)? {
            (Answer::Elements(missing), _) => Ok(MediaCheck { measures, missing }),
            _ => Err(unasked()),
        }
    }

    async fn ask(&self, file: &Path, job: Job) -> Result<(Answer, Bytes), ProbeError> {
        let path = file.to_owned();
        let opened = task::blocking("media-open", move || open(&path)).await;
        let file =
            opened.map_err(io::Error::other).and_then(|r| r).map_err(|e| ProbeError::Unreadable(e.to_string()))?;
        self.workers.call(&job, Some(&file)).await.map_err(probe_error)
    }
}

impl MediaProbe for WorkerProbe {
    fn probe<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<MediaFacts, ProbeError>> {
        Box::pin(async move {
            match self.ask(file, Job::Probe).await? {
                (Answer::Facts(facts), _) => Ok(facts.into()),
                _ => Err(unasked()),
            }
        })
    }

    fn thumbnail<'a>(&'a self, file: &'a Path, width_px: u32) -> BoxFuture<'a, Result<Option<Bytes>, ProbeError>> {
        Box::pin(async move {
            match self.ask(file, Job::Thumbnail { width_px }).await? {
                // A worker that was taken over must not pass off a page or a script as a picture.
                (Answer::Thumbnail, jpeg) if jpeg.starts_with(b"\xff\xd8\xff") => Ok(Some(jpeg)),
                (Answer::NoPicture, _) => Ok(None),
                _ => Err(unasked()),
            }
        })
    }
}

pub(super) fn spec(program: PathBuf, state_dir: &Path, workers: usize, patience: Duration) -> WorkerSpec {
    WorkerSpec {
        kind: WORKER_KIND,
        program,
        args: vec!["worker".into(), WORKER_KIND.into()],
        env: environment(state_dir, patience),
        start_timeout: START_TIMEOUT,
        job_timeout: patience,
        jobs_per_worker: JOBS_PER_WORKER,
        workers,
        idle_timeout: IDLE_TIMEOUT,
    }
}

/// Read-only, never through a link, never waiting for a pipe's other end.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Everything that a worker knows of the outside.
fn environment(state_dir: &Path, patience: Duration) -> Vec<(&'static str, OsString)> {
    let mut env = worker_environment(state_dir);
    env.push((JOB_SECONDS_VARIABLE, patience.as_secs().max(1).to_string().into()));
    env
}

/// What every worker that uses GStreamer knows of the outside. `state_dir` keeps GStreamer's registry of plug-ins.
pub fn worker_environment(state_dir: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        ("GST_REGISTRY", state_dir.join("gstreamer-registry.bin").into()),
        // Generated machine code would need memory that is writable and executable; the sandbox grants none.
        ("ORC_CODE", "backup".into()),
        // Each arena of the C library reserves 64 MiB of the address space that is limited.
        ("MALLOC_ARENA_MAX", "2".into()),
        ("LANG", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
    ]
}

pub(super) fn probe_error(error: WorkerError) -> ProbeError {
    match error {
        WorkerError::TooSlow(limit) => ProbeError::TooSlow(limit.as_secs()),
        WorkerError::Died(how) => ProbeError::Died(how),
        WorkerError::CannotStart(why) => ProbeError::CannotStart(why),
        WorkerError::Answer(frame) => ProbeError::Died(crate::domain::error::chain(&frame)),
        WorkerError::Bytes(error) => ProbeError::Unreadable(crate::domain::error::chain(&error)),
        error @ (WorkerError::Greedy(_) | WorkerError::NotTaken) => ProbeError::Died(error.to_string()),
    }
}

pub(super) fn unasked() -> ProbeError {
    ProbeError::Died("it answered something that was not asked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_and_the_worker_know_the_same_patience() {
        let spec = spec("/x".into(), Path::new("/state"), 3, Duration::from_secs(7));
        assert_eq!((spec.workers, spec.job_timeout), (3, Duration::from_secs(7)));
        let told = spec.env.iter().find(|(name, _)| *name == JOB_SECONDS_VARIABLE).map(|(_, value)| value.clone());
        assert_eq!(told, Some("7".into()));
    }
}
