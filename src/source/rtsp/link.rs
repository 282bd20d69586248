//! One connection to a camera, or to a recorder in the network: a worker process of its own. Blocks; its callers live on threads of their own. Believes
//! nothing that the worker says beyond its form: texts are bounded here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{SecretError, Stream, port_of};
use crate::domain::error::{Retry, Retryable};
use crate::domain::stream::{Gap, PORT_VARIABLE, Pulse, SegmentEnd, Source, Tell, Told, Track, Trust, WORKER_KIND};
use crate::worker::parent::{WorkerError, WorkerSpec};
use crate::worker::sandbox::Measure;
use crate::worker::session::Session;

/// The first start on a box reads every plug-in once.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest text of a camera that is believed.
const MAX_TEXT_CHARS: usize = 300;
/// 2100-01-01: a camera's clock beyond it is none.
const LATEST_MS: i64 = 4_102_444_800_000;
/// More packets than a connection of ten years at 10 Gbit/s has; sums of such counts are numbers, too.
const MAX_COUNT: u64 = 1 << 53;
/// No segment is as long as a week.
const LONGEST_MS: i64 = 7 * 86_400_000;
/// Set where one certificate is pinned; the worker then reads no public authorities.
const PINNED_VARIABLE: &str = "EVIDOCK_STREAM_PINNED";

/// How workers are run: the program, and what they know of the outside.
#[derive(Debug, Clone)]
pub struct Program {
    /// Usually the running program itself.
    pub file: PathBuf,
    /// Environment of every worker that uses GStreamer.
    pub env: Vec<(&'static str, OsString)>,
}

impl Program {
    /// A worker that may reach one TCP port; `pinned` says that it reads no public authorities.
    pub fn spec(&self, kind: &'static str, (port, pinned): (u16, bool)) -> WorkerSpec {
        let mut env = self.env.clone();
        // GLib would look for a desktop's proxy settings, which a worker cannot read and a station does not have.
        env.extend([("GIO_USE_PROXY_RESOLVER", "dummy".into()), ("GSETTINGS_BACKEND", "memory".into())]);
        env.push((PORT_VARIABLE, port.to_string().into()));
        if pinned {
            env.push((PINNED_VARIABLE, "1".into()));
        }
        WorkerSpec {
            kind,
            program: self.file.clone(),
            args: vec!["worker".into(), kind.into()],
            env,
            start_timeout: START_TIMEOUT,
            // The limits of a pool; a session has none of them.
            job_timeout: START_TIMEOUT,
            jobs_per_worker: 1,
            workers: 1,
            idle_timeout: START_TIMEOUT,
        }
    }
}

/// Why a connection could not even be tried.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The password cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file with certificates cannot be read.
    #[error("the certificates in {path} cannot be read; check ca_file in the configuration")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl Retryable for LinkError {
    fn retry(&self) -> Retry {
        match self {
            Self::Secret(_) | Self::Authorities { .. } | Self::Worker(WorkerError::CannotStart(_)) => Retry::Operator,
            Self::Worker(_) => Retry::Transient,
        }
    }
}

/// A connection. Dropping it ends its worker.
pub struct Link {
    session: Session,
}

impl Link {
    /// Starts a worker and tells it to connect.
    pub fn open(program: &Program, stream: &Stream) -> Result<Self, LinkError> {
        let source = source(stream)?;
        let reach = (port_of(&stream.url), matches!(source.trust, Trust::Pinned(_)));
        Self::begin(program, WORKER_KIND, reach, &Tell::Open(Box::new(source)))
    }

    /// Starts a worker of a kind that tells what a stream's worker tells, and says the first word to it. `reach` is the
    /// TCP port that it may reach, and whether one certificate is pinned.
    pub fn begin(
        program: &Program,
        kind: &'static str,
        reach: (u16, bool),
        first: &impl serde::Serialize,
    ) -> Result<Self, LinkError> {
        let mut session = Session::start(&program.spec(kind, reach))?;
        session.tell(first)?;
        Ok(Self { session })
    }

    /// What the sandbox of its worker achieved.
    pub fn measures(&self) -> &[Measure] {
        self.session.measures()
    }

    /// Tells the worker something.
    pub fn tell(&mut self, told: &impl serde::Serialize) -> Result<(), LinkError> {
        Ok(self.session.tell(told)?)
    }

    /// The next word of the worker and what came with it; `None` after a while of silence.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<(Told, Vec<u8>)>, LinkError> {
        let heard = self.session.hear::<Told>(patience)?;
        Ok(heard.map(|(told, body)| (bounded(told), body)))
    }
}

/// Which certificates count, of a pin and a file of authorities as configured.
pub fn trust(pin: Option<&String>, ca_file: Option<&PathBuf>) -> Result<Trust, LinkError> {
    Ok(match (pin, ca_file) {
        (Some(pin), _) => Trust::Pinned(pin.clone()),
        (None, Some(path)) => Trust::Authorities(
            std::fs::read_to_string(path).map_err(|source| LinkError::Authorities { path: path.clone(), source })?,
        ),
        (None, None) => Trust::Public,
    })
}

fn source(stream: &Stream) -> Result<Source, LinkError> {
    let trust = trust(stream.certificate_sha256.as_ref(), stream.ca_file.as_ref())?;
    Ok(Source {
        url: stream.url.clone(),
        user: stream.user.clone(),
        password: stream.password.as_ref().map(|p| Ok::<_, SecretError>(p.read()?.expose().to_owned())).transpose()?,
        transport: stream.transport,
        trust,
        segment_ms: stream.segment.as_millis() as u64,
        silence_ms: stream.silence.as_millis() as u64,
    })
}

fn bounded(told: Told) -> Told {
    let text =
        |text: String, chars: usize| -> String { text.chars().filter(|c| !c.is_control()).take(chars).collect() };
    match told {
        Told::Closed { why, words, refused } => Told::Closed { why, words: text(words, MAX_TEXT_CHARS), refused },
        Told::Tracks(tracks) => Told::Tracks(
            tracks
                .into_iter()
                .take(16)
                .map(|t| Track { media: text(t.media, 20), encoding: text(t.encoding, 40), kept: t.kept })
                .collect(),
        ),
        // A worker that was taken over must not end a segment with a word that is the daemon's.
        Told::End(SegmentEnd::Stopped | SegmentEnd::Interrupted | SegmentEnd::Full) => Told::End(SegmentEnd::Failed),
        Told::Begin { station_ms, length_ms, source_ms } => Told::Begin {
            station_ms: station_ms.clamp(0, LATEST_MS),
            length_ms: length_ms.clamp(0, LONGEST_MS),
            source_ms: source_ms.map(|ms| ms.clamp(0, LATEST_MS)),
        },
        Told::More { length_ms, source_ms } => Told::More {
            length_ms: length_ms.clamp(0, LONGEST_MS),
            source_ms: source_ms.map(|ms| ms.clamp(0, LATEST_MS)),
        },
        Told::Gap(gap) => Told::Gap(Gap {
            kind: gap.kind,
            from_ms: gap.from_ms.clamp(0, LONGEST_MS),
            to_ms: gap.to_ms.clamp(0, LONGEST_MS),
            missing_ms: gap.missing_ms.clamp(-LATEST_MS, LATEST_MS),
            count: gap.count.min(LONGEST_MS.unsigned_abs()),
        }),
        Told::Pulse(p) => Told::Pulse(Pulse {
            bytes: p.bytes.min(MAX_COUNT),
            packets: p.packets.min(MAX_COUNT),
            lost: p.lost.min(MAX_COUNT),
            frames: p.frames.min(MAX_COUNT),
            key_every_ms: p.key_every_ms.min(LONGEST_MS.unsigned_abs()),
            key_ms: p.key_ms.map(|ms| ms.clamp(0, LATEST_MS)),
            clock_offset_ms: p.clock_offset_ms.map(|ms| ms.clamp(-LATEST_MS, LATEST_MS)),
            ..p
        }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stream::GapKind;

    #[test]
    fn a_worker_that_was_taken_over_is_bounded() {
        let begin = Told::Begin { station_ms: i64::MAX, length_ms: i64::MIN, source_ms: Some(i64::MIN) };
        assert_eq!(bounded(begin), Told::Begin { station_ms: LATEST_MS, length_ms: 0, source_ms: Some(0) });
        let gap = |n: i64| Gap { kind: GapKind::Loss, from_ms: n, to_ms: n, missing_ms: n, count: u64::MAX };
        let Told::Gap(most) = bounded(Told::Gap(gap(i64::MAX))) else { panic!() };
        assert_eq!((most.to_ms, most.missing_ms, most.count), (LONGEST_MS, LATEST_MS, LONGEST_MS as u64));
        assert_eq!(bounded(Told::End(SegmentEnd::Stopped)), Told::End(SegmentEnd::Failed));
        let pulse = Pulse { packets: u64::MAX, lost: u64::MAX, key_ms: Some(i64::MIN), ..Pulse::default() };
        let Told::Pulse(most) = bounded(Told::Pulse(pulse)) else { panic!() };
        assert_eq!((most.packets + most.lost, most.key_ms), (2 * MAX_COUNT, Some(0)));
        let long = Told::Closed { why: SegmentEnd::Lost, words: "\u{1b}x".repeat(1000), refused: false };
        let Told::Closed { words, .. } = bounded(long) else { panic!() };
        assert_eq!(words, "x".repeat(MAX_TEXT_CHARS));
    }
}
