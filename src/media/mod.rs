//! GStreamer and MP4 probing, thumbnails and live streams. Runs only inside worker processes: what it reads may be hostile.
//!
//! | file | owns | runs |
//! | --- | --- | --- |
//! | [`client`] | the port, over worker processes | in the daemon |
//! | [`wire`] | jobs and answers | both |
//! | [`sniff`], [`structure`], [`boxes`] | what a file is and whether it is whole: pure | in a worker |
//! | [`mp4`], [`discover`] | facts | in a worker |
//! | [`probe`], [`thumbnail`], [`preview`], [`sheet`] | one job each | in a worker |
//! | [`reached`], [`decoded`] | bytes that the daemon reads, and what they decode to | in a worker |
//! | [`mod@derive`] | the port for previews and sheets, one at a time, and what is kept of them | in the daemon |
//! | [`still`], [`cut`], [`recode`] | files of their own: a frame, a stretch, a watermarked copy | in a worker |
//! | [`maker`] | the daemon's side of these | in the daemon |
//! | [`stream`] | recording a live stream | in a worker of its own kind |
//! | [`elements`] | which GStreamer elements may be used, and which are missing | both |

use std::fs::File;
use std::sync::Arc;

use gstreamer as gst;

pub mod boxes;
pub mod client;
pub mod cut;
pub mod decoded;
pub mod derive;
pub mod discover;
pub mod elements;
pub mod gst_source;
pub mod maker;
pub mod mp4;
pub mod preview;
pub mod probe;
pub mod reached;
pub mod recode;
pub mod replay;
pub mod sheet;
pub mod sniff;
pub mod still;
pub mod stream;
pub mod structure;
pub mod thumbnail;
pub mod wire;

pub use client::{MediaCheck, WorkerProbe, worker_environment};
pub use derive::Derivations;
pub use elements::{MissingElement, missing_elements};
pub use maker::Maker;

use crate::domain::derivative::Form;
use crate::domain::derived::piece_span;
use crate::worker::child::{self, Reach};
use crate::worker::protocol;
use crate::worker::sandbox::{self, Limits};
use sniff::Kind;
use wire::{Answer, Job};

/// The word after `evidock worker`.
pub const WORKER_KIND: &str = "media";

/// Names the environment variable by which a worker is told the daemon's patience for one job, in seconds.
const JOB_SECONDS_VARIABLE: &str = "EVIDOCK_JOB_SECONDS";

/// How much before a place decoding begins in streams without an index, whose key frames may be this far apart.
const STREAM_LEAD_MS: u64 = 2_500;

/// What writing words over pictures needs besides: typefaces, and what says which there are. Readable by everyone.
const FONT_PATHS: &[&str] =
    &["/etc/fonts", "/usr/share/fonts", "/usr/share/fontconfig", "/usr/local/share/fonts", "/var/cache/fontconfig"];

/// GStreamer and libav leak a little with each damaged file.
const JOBS_PER_WORKER: u32 = 200;

fn limits(job_seconds: u64) -> Limits {
    Limits {
        // Decoding a key frame of 4K H.265 was measured to take 0.45 GiB of address space, libraries included. This is
        // no bound of resident memory, which stays far below it; what bounds that is the service's own limit.
        address_space_bytes: 2 << 30,
        // On two cores, if every job took all of its time; a worker without a parent ends long before.
        cpu_seconds: job_seconds.saturating_mul(u64::from(JOBS_PER_WORKER) * 2),
        open_files: 128,
    }
}

/// Why a media worker ends before its first job.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// GStreamer does not start.
    #[error("GStreamer does not start; run `evidock doctor`")]
    Gstreamer(#[from] gst::glib::Error),
    /// The daemon did not say how long a job may take.
    #[error("{JOB_SECONDS_VARIABLE} must hold the seconds that one job may take; workers are started by the daemon")]
    Patience,
    /// The daemon did not say which port may be reached.
    #[error("EVIDOCK_STREAM_PORT must hold the port of the stream; workers are started by the daemon")]
    Port,
    /// The daemon is gone, or talks nonsense.
    #[error("the daemon cannot be served")]
    Frames(#[from] protocol::FrameError),
}

/// The life of a media worker: load what is needed, lock the door, serve jobs until the daemon hangs up.
pub fn serve() -> Result<(), ServeError> {
    let patience = std::env::var(JOB_SECONDS_VARIABLE).ok().and_then(|s| s.parse().ok()).filter(|s| *s > 0);
    let limits = limits(patience.ok_or(ServeError::Patience)?);
    gst::init()?;
    elements::restrict();
    let paths = [sandbox::SYSTEM_READ_PATHS, FONT_PATHS].concat();
    let measures = sandbox::lock_down(&limits, &paths);
    child::serve_reading(measures, handle)?;
    Ok(())
}

fn handle(job: Job, file: Option<File>, reach: &Reach) -> (Answer, Vec<u8>) {
    match (job, file) {
        (Job::Probe, Some(file)) => (Answer::Facts(probe::probe(file).into()), Vec::new()),
        (Job::Thumbnail { width_px }, Some(file)) => match thumbnail::thumbnail(file, width_px) {
            Some(jpeg) if jpeg.len() <= protocol::BODY_MAX_BYTES as usize => (Answer::Thumbnail, jpeg),
            _ => (Answer::NoPicture, Vec::new()),
        },
        (Job::Preview { size_bytes, piece, width_px, mark }, _) => {
            let (from_ms, to_ms) = piece_span(piece);
            let max_bytes = protocol::BODY_MAX_BYTES as usize;
            let made = footage(reach, size_bytes, true).and_then(|(file, kind)| {
                let lead_ms = lead_ms(kind);
                let length_ms = to_ms - from_ms;
                let wanted = preview::Piece { from_ms, length_ms, lead_ms, width_px, max_bytes, mark };
                preview::piece(file, wanted)
            });
            match made {
                Some(made) => {
                    let preview::Made { webm, pictures, sound, clip_ms } = made;
                    (Answer::Preview { pictures, sound, clip_ms }, webm)
                }
                None => (Answer::NoPicture, Vec::new()),
            }
        }
        (Job::Sheet { size_bytes, clip_ms }, _) => {
            match footage(reach, size_bytes, false).and_then(|(file, _)| sheet::sheet(file, clip_ms)) {
                Some(jpeg) if jpeg.len() <= protocol::BODY_MAX_BYTES as usize => (Answer::Sheet, jpeg),
                _ => (Answer::NoPicture, Vec::new()),
            }
        }
        (job @ (Job::Still { .. } | Job::Cut { .. } | Job::Recode { .. }), _) => (made(job, reach), Vec::new()),
        (Job::Elements, _) => (Answer::Elements(missing_elements()), Vec::new()),
        (_, None) => (Answer::NoFile, Vec::new()),
    }
}

/// How much before a place decoding begins.
fn lead_ms(kind: Kind) -> u64 {
    if matches!(kind, Kind::MpegTs { .. } | Kind::MpegPs) { STREAM_LEAD_MS } else { 0 }
}

/// A file of its own, given to the daemon as it is made.
fn made(job: Job, reach: &Reach) -> Answer {
    let mut give = |bytes: &[u8]| reach.give(bytes).is_ok();
    let answer =
        |form: Form, (from_ms, to_ms): (u64, u64)| Answer::Made { form: form.as_str().to_owned(), from_ms, to_ms };
    let answered = match job {
        Job::Still { size_bytes, at_ms, png, mark } => footage(reach, size_bytes, false).and_then(|(file, kind)| {
            let wanted = still::Still { at_ms, lead_ms: lead_ms(kind), png, mark };
            let (picture, own_ms) = still::still(file, &wanted)?;
            give(&picture).then(|| answer(if png { Form::Png } else { Form::Jpeg }, (own_ms, own_ms)))
        }),
        Job::Cut { size_bytes, from_ms, to_ms } => {
            footage(reach, size_bytes, true).and_then(|(file, _)| match cut::cut(file, from_ms, to_ms, &mut give) {
                cut::Cut::Made(form, from_ms, to_ms) => Some(answer(form, (from_ms, to_ms))),
                cut::Cut::Not => Some(Answer::NotCut),
                cut::Cut::Nothing => None,
            })
        }
        Job::Recode { size_bytes, from_ms, to_ms, mark } => {
            footage(reach, size_bytes, mark.is_none()).and_then(|(file, kind)| {
                let wanted = recode::Recode { from_ms, to_ms, lead_ms: lead_ms(kind), mark };
                Some(answer(Form::Webm, recode::recode(file, &wanted, &mut give)?))
            })
        }
        _ => None,
    };
    answered.unwrap_or(Answer::NoPicture)
}

/// A clip that the daemon reads, if it is moving pictures or, where that is enough, sound.
fn footage(reach: &Reach, size_bytes: u64, sound_counts: bool) -> Option<(Arc<reached::Reached>, Kind)> {
    let file = reached::Reached::new(reach.clone(), size_bytes);
    let kind = probe::recognised(&file).ok()??;
    let fits = !kind.is_still() && (sound_counts || !kind.is_sound_only());
    fits.then(|| (Arc::new(file), kind))
}
