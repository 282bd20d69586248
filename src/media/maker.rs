//! The daemon's side of files that are derived of a clip and kept: one worker on a box beside that of previews, with a
//! patience of its own. Parses nothing itself; what comes of a job goes on as it comes, to whoever writes it.
//!
//! The worker gets no file and writes none: it asks for bytes, each of which was verified, and gives what it makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::client::{probe_error, spec, unasked};
use super::wire::{Answer, Job};
use crate::domain::derivative::{Form, Kind, Method, Order};
use crate::domain::ports::{ClipBytes, DeriveError};
use crate::worker::parent::{WorkerError, Workers, own_program};

/// Makes derivatives. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Maker {
    workers: Workers,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A file.
    File {
        /// Which kind of file.
        form: Form,
        /// How it was made.
        method: Method,
        /// Where it really begins in the clip, milliseconds; of a frame its own time.
        from_ms: u64,
        /// Where it really ends, likewise.
        to_ms: u64,
    },
    /// There is no picture, or nothing at that place.
    Nothing,
    /// It cannot be cut as it is; encoded again it can.
    NotCut,
}

/// What made it, for whoever asks how.
pub fn tool() -> String {
    let (major, minor, micro, _) = gstreamer::version();
    format!("evidock {}, GStreamer {major}.{minor}.{micro}", env!("CARGO_PKG_VERSION"))
}

impl Maker {
    /// A worker that takes longer than `patience` over one order is stopped. `state_dir` keeps GStreamer's registry of
    /// plug-ins.
    pub fn new(state_dir: &Path, patience: Duration) -> Self {
        Self::with_program(own_program(), state_dir, patience)
    }

    /// The same with another program file, for tests, whose own program is not `evidock`.
    pub fn with_program(program: PathBuf, state_dir: &Path, patience: Duration) -> Self {
        Self { workers: Workers::new(spec(program, state_dir, 1, patience)) }
    }

    /// Carries an order out over the bytes of a clip; `mark` are the words over the picture. What is made goes to `out`;
    /// [`Made`] comes once all of it went.
    pub async fn make(
        &self,
        bytes: &Arc<dyn ClipBytes>,
        order: &Order,
        mark: Option<String>,
        out: &mpsc::Sender<Bytes>,
    ) -> Result<Made, DeriveError> {
        let (size_bytes, from_ms, to_ms) = (bytes.size_bytes(), order.from_ms, order.to_ms);
        let (job, method) = match (order.kind, to_ms) {
            (Kind::Frame, _) => (Job::Still { size_bytes, at_ms: from_ms, png: order.png, mark }, Method::Decoded),
            (Kind::Trim, Some(to_ms)) if !order.exact => (Job::Cut { size_bytes, from_ms, to_ms }, Method::Copied),
            (Kind::Trim | Kind::Watermark, _) => (Job::Recode { size_bytes, from_ms, to_ms, mark }, Method::Encoded),
        };
        let (answer, _) = match self.workers.call_making::<Answer>(&job, bytes, out).await {
            Ok(answered) => answered,
            Err(WorkerError::Bytes(error)) => return Err(DeriveError::Footage(error)),
            Err(error) => return Err(DeriveError::Worker(probe_error(error))),
        };
        match answer {
            Answer::Made { form, from_ms, to_ms } => {
                let form = Form::parse(&form).ok_or_else(|| DeriveError::Worker(unasked()))?;
                Ok(Made::File { form, method, from_ms, to_ms })
            }
            Answer::NotCut => Ok(Made::NotCut),
            Answer::NoPicture => Ok(Made::Nothing),
            _ => Err(DeriveError::Worker(unasked())),
        }
    }
}
