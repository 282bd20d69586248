//! The daemon's side of what is derived of clips: one worker on a box, few who may wait for it, and a bounded amount kept
//! in memory, never on disk beside the masters. Parses nothing itself.
//!
//! The worker gets no file: it asks for bytes, and each that it gets was verified, from the vault or from wherever else
//! the clip stands. So nothing is ever derived of bytes that are not the clip's.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::client::{probe_error, spec, unasked};
use super::wire::{Answer, Job};
use crate::domain::ids::ClipId;
use crate::domain::ports::{BoxFuture, ClipBytes, Derive, DeriveError, PreviewPiece, ProbeError};
use crate::runtime::clock::monotonic;
use crate::worker::parent::{WorkerError, Workers, own_program};

/// Most that is kept of what was made: about ten minutes of a preview.
const KEPT_BYTES: usize = 48 << 20;

/// So many may be made or waited for; whoever comes later is asked to come again.
const WAITING: usize = 12;

/// A file over which a worker was lost is not tried again so soon: one bad clip must not keep the worker from the others.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// One for which its time was not enough is tried again sooner: perhaps the box was busy.
const SLOW_FOR: Duration = Duration::from_secs(60);

/// Such files that are remembered.
const REFUSED: usize = 256;

/// Worker, queue and what is kept. Cheap to clone.
#[derive(Clone)]
pub struct Derivations {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Workers,
    width_px: u32,
    waiting: Semaphore,
    turn: Semaphore,
    kept: Mutex<Kept>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Which, and of the words over its picture the digest.
    Piece(u32, Option<[u8; 32]>),
    Sheet,
}

/// What was made: of a piece all of it, of a sheet the bytes.
type Made = Option<PreviewPiece>;

#[derive(Default)]
struct Kept {
    /// Used last stands last.
    made: VecDeque<(ClipId, What, Made)>,
    bytes: usize,
    refused: VecDeque<(ClipId, Instant, ProbeError)>,
}

impl Derivations {
    /// Previews of at most `width_px`; a worker that takes longer than `patience` over one piece is stopped. `state_dir`
    /// keeps GStreamer's registry of plug-ins.
    pub fn new(state_dir: &Path, width_px: u32, patience: Duration) -> Self {
        Self::with_program(own_program(), state_dir, width_px, patience)
    }

    /// The same with another program file, for tests, whose own program is not `evidock`.
    pub fn with_program(program: PathBuf, state_dir: &Path, width_px: u32, patience: Duration) -> Self {
        let inner = Inner {
            workers: Workers::new(spec(program, state_dir, 1, patience)),
            width_px,
            waiting: Semaphore::new(WAITING),
            turn: Semaphore::new(1),
            kept: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    async fn make(&self, clip: ClipId, bytes: Arc<dyn ClipBytes>, what: What, job: Job) -> Result<Made, DeriveError> {
        let inner = &*self.inner;
        if let Some(known) = inner.kept().find(clip, what) {
            return known.map_err(DeriveError::Worker);
        }
        let _place = inner.waiting.try_acquire().map_err(|_| DeriveError::Busy)?;
        let _turn = inner.turn.acquire().await.map_err(|_| DeriveError::Busy)?;
        // Whoever was before us may have wanted the same.
        if let Some(known) = inner.kept().find(clip, what) {
            return known.map_err(DeriveError::Worker);
        }
        let (answer, body) = match inner.workers.call_reading::<Answer>(&job, &bytes).await {
            Ok(answered) => answered,
            Err(WorkerError::Bytes(error)) => return Err(DeriveError::Footage(error)),
            Err(error) => {
                let error = probe_error(error);
                if matches!(error, ProbeError::TooSlow(_) | ProbeError::Died(_)) {
                    inner.kept().refuse(clip, error.clone());
                }
                return Err(DeriveError::Worker(error));
            }
        };
        let made = match (what, answer) {
            // A worker that was taken over must not pass off a page or a script as a film or a picture.
            (What::Piece(..), Answer::Preview { pictures, sound, clip_ms })
                if body.starts_with(b"\x1a\x45\xdf\xa3") =>
            {
                Some(PreviewPiece { webm: body, pictures, sound, clip_ms })
            }
            (What::Sheet, Answer::Sheet) if body.starts_with(b"\xff\xd8\xff") => {
                Some(PreviewPiece { webm: body, pictures: true, sound: false, clip_ms: None })
            }
            (_, Answer::NoPicture) => None,
            _ => return Err(DeriveError::Worker(unasked())),
        };
        inner.kept().keep(clip, what, made.clone());
        Ok(made)
    }
}

impl Derive for Derivations {
    fn piece<'a>(
        &'a self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        piece: u32,
        mark: Option<String>,
    ) -> BoxFuture<'a, Result<Option<PreviewPiece>, DeriveError>> {
        let (size_bytes, width_px) = (bytes.size_bytes(), self.inner.width_px);
        let job = Job::Preview { size_bytes, piece, width_px, mark: mark.clone() };
        let marked = mark.map(|words| *blake3::hash(words.as_bytes()).as_bytes());
        Box::pin(self.make(clip, bytes, What::Piece(piece, marked), job))
    }

    fn sheet<'a>(
        &'a self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        clip_ms: Option<u64>,
    ) -> BoxFuture<'a, Result<Option<Bytes>, DeriveError>> {
        let job = Job::Sheet { size_bytes: bytes.size_bytes(), clip_ms };
        Box::pin(async move { Ok(self.make(clip, bytes, What::Sheet, job).await?.map(|made| made.webm)) })
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// What was made or refused before.
    fn find(&mut self, clip: ClipId, what: What) -> Option<Result<Made, ProbeError>> {
        self.find_at(clip, what, monotonic())
    }

    fn find_at(&mut self, clip: ClipId, what: What, now: Instant) -> Option<Result<Made, ProbeError>> {
        self.refused.retain(|(_, at, error)| now.duration_since(*at) < remembered_for(error));
        if let Some((.., error)) = self.refused.iter().find(|(refused, ..)| *refused == clip) {
            return Some(Err(error.clone()));
        }
        let at = self.made.iter().position(|(c, w, _)| *c == clip && *w == what)?;
        let entry = self.made.remove(at)?;
        let made = entry.2.clone();
        self.made.push_back(entry);
        Some(Ok(made))
    }

    fn keep(&mut self, clip: ClipId, what: What, made: Made) {
        self.bytes += cost(&made);
        self.made.push_back((clip, what, made));
        while self.bytes > KEPT_BYTES
            && let Some((.., oldest)) = self.made.pop_front()
        {
            self.bytes -= cost(&oldest);
        }
    }

    fn refuse(&mut self, clip: ClipId, error: ProbeError) {
        if self.refused.len() >= REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back((clip, monotonic(), error));
    }
}

fn remembered_for(error: &ProbeError) -> Duration {
    if matches!(error, ProbeError::TooSlow(_)) { SLOW_FOR } else { REFUSED_FOR }
}

/// What keeping it costs; also nothing costs something.
fn cost(made: &Made) -> usize {
    256 + made.as_ref().map_or(0, |m| m.webm.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(bytes: usize) -> Made {
        Some(PreviewPiece { webm: vec![0; bytes].into(), pictures: true, sound: true, clip_ms: None })
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_was_used_last_stays() {
        let (mut kept, clip) = (Kept::default(), ClipId::generate(1));
        let quarter = KEPT_BYTES / 4;
        (0..3).for_each(|n| kept.keep(clip, What::Piece(n, None), made(quarter)));
        assert!(kept.find(clip, What::Piece(0, None)).is_some());
        kept.keep(clip, What::Piece(3, None), made(quarter));
        assert!(kept.bytes <= KEPT_BYTES);
        assert!(kept.find(clip, What::Piece(1, None)).is_none(), "it was used longest ago");
        assert!(kept.find(clip, What::Piece(0, None)).is_some() && kept.find(clip, What::Piece(3, None)).is_some());
        assert!(kept.find(ClipId::generate(2), What::Piece(0, None)).is_none(), "another clip");
        kept.keep(clip, What::Sheet, None);
        assert!(matches!(kept.find(clip, What::Sheet), Some(Ok(None))), "nothing is an answer, too");
    }

    #[test]
    fn a_clip_that_cost_a_worker_is_left_alone_for_a_while() {
        let (mut kept, clip) = (Kept::default(), ClipId::generate(1));
        kept.refuse(clip, ProbeError::TooSlow(60));
        assert!(matches!(kept.find(clip, What::Sheet), Some(Err(ProbeError::TooSlow(60)))));
        (0..2 * REFUSED as i64).for_each(|n| kept.refuse(ClipId::generate(n + 2), ProbeError::Died(String::new())));
        assert!(kept.refused.len() <= REFUSED);
    }

    #[test]
    fn one_that_was_slow_is_tried_again_before_one_that_cost_a_worker() {
        let (mut kept, slow, died) = (Kept::default(), ClipId::generate(1), ClipId::generate(2));
        kept.refuse(slow, ProbeError::TooSlow(60));
        kept.refuse(died, ProbeError::Died(String::new()));
        let since = monotonic();
        let mut known = |clip, later| kept.find_at(clip, What::Sheet, since + Duration::from_secs(later)).is_some();
        assert!(known(slow, 50) && known(died, 50));
        assert!(!known(slow, 60) && known(died, 590));
        assert!(!known(died, 600));
    }
}
