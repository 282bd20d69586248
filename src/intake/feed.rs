//! The push side of intake: sources that hand us bytes as they come (live streams, systems that push).
//!
//! Each clip runs through the same copying pass as a file of a recorder; its source is a bounded channel.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Intake, IntakeError};
use crate::domain::evidence::Evidence;
use crate::domain::grid::PartGrid;
use crate::domain::ids::ClipId;
use crate::domain::ports::{Feed, FeedEnd, FeedError, FeedStart};
use crate::domain::recorder::ShelfEntry;
use crate::store::NewClip;
use crate::vault::{Copied, CopyError, CopyJob, block_bytes, copy_into};

/// Chunks that may wait for the disk.
const QUEUE: usize = 16;

/// A feed into the vault. Dropping it without `end` leaves its open clips as interrupted copies.
pub struct FeedIntake {
    intake: Intake,
    open: HashMap<ClipId, Open>,
}

struct Open {
    bytes: SyncSender<Message>,
    copying: JoinHandle<Result<Copied, CopyError>>,
}

enum Message {
    Bytes(Vec<u8>),
    End,
}

impl FeedIntake {
    /// A feed for one source.
    pub fn new(intake: Intake) -> Self {
        Self { intake, open: HashMap::new() }
    }
}

fn failed(e: impl Into<IntakeError>) -> FeedError {
    match e.into() {
        IntakeError::Copy(CopyError::Full { .. }) => FeedError::Full,
        e => FeedError::Failed(Box::new(e)),
    }
}

impl Feed for FeedIntake {
    fn begin(&mut self, start: FeedStart) -> Result<ClipId, FeedError> {
        let clip = ClipId::generate(self.intake.clock.now().0);
        let grid = PartGrid::for_size(start.declared_bytes);
        let evidence = Evidence {
            profile: "push".into(),
            zone: "UTC".into(),
            named: start.captured.map(|t| (t.raw, t.at.0, t.offset_s)),
            docked_ms: self.intake.clock.now().0,
            ..Evidence::default()
        };
        let new = NewClip {
            clip,
            recorder: start.recorder,
            dock: None,
            entry: ShelfEntry {
                path: start.path,
                size_bytes: start.declared_bytes.unwrap_or(0),
                modified_raw: String::new(),
                modified_ms: None,
            },
            declared_bytes: start.declared_bytes,
            role: "clip",
            importance: start.importance,
            grid,
            evidence: serde_json::to_string(&evidence).unwrap_or_default(),
        };
        self.intake.store.write_blocking(move |tx| tx.new_clip(&new)).map_err(failed)?;
        let (bytes, source) = sync_channel(QUEUE);
        let intake = self.intake.clone();
        let mut source = Some(Pushed { source, rest: io::Cursor::new(Vec::new()), ended: false });
        let copying = std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || {
                copy_into(
                    &intake.vault,
                    CopyJob {
                        clip,
                        grid,
                        expected: start.declared_bytes,
                        resume: None,
                        prefixes_at: &[],
                        options: intake.options.copy,
                        block_bytes: block_bytes(intake.copies()),
                        open: &mut |_| match source.take() {
                            Some(pushed) => Ok(Box::new(pushed)),
                            None => Err(crate::domain::ports::SourceError::Unsupported("be read twice")),
                        },
                        progress: &mut |_| {},
                        durable: &|d| intake.durable(clip, d, Vec::new()),
                        stopped: &|| false,
                    },
                )
            })
            .map_err(|e| FeedError::Failed(Box::new(e)))?;
        self.open.insert(clip, Open { bytes, copying });
        Ok(clip)
    }

    fn append(&mut self, clip: ClipId, bytes: &[u8]) -> Result<(), FeedError> {
        let open = self.open.get(&clip).ok_or(FeedError::Misuse("append before begin, or after end"))?;
        if open.bytes.send(Message::Bytes(bytes.to_vec())).is_err() {
            // The copying thread ended early: its own words say why.
            return Err(self.join(clip).err().unwrap_or(FeedError::Misuse("more bytes than were declared")));
        }
        Ok(())
    }

    fn end(&mut self, clip: ClipId, end: FeedEnd) -> Result<(), FeedError> {
        if let Some(open) = self.open.get(&clip) {
            // A thread that ended early is noticed by joining it.
            let _ = open.bytes.send(Message::End);
        }
        let copied = self.join(clip)?;
        if !end.gaps.is_empty() {
            let gaps: Vec<(i64, i64, String)> =
                end.gaps.into_iter().map(|g| (g.at.start.0, g.at.end.0, g.reason)).collect();
            self.intake.store.write_blocking(move |tx| tx.add_gaps(clip, gaps)).map_err(failed)?;
        }
        self.intake.finish(clip, &copied, &[], Vec::new(), Vec::new()).map_err(failed)?;
        Ok(())
    }
}

impl FeedIntake {
    fn join(&mut self, clip: ClipId) -> Result<Copied, FeedError> {
        let open = self.open.remove(&clip).ok_or(FeedError::Misuse("end before begin, or twice"))?;
        drop(open.bytes);
        let outcome = open.copying.join().map_err(|_| FeedError::Failed("the copying thread panicked".into()))?;
        outcome.map_err(failed)
    }
}

struct Pushed {
    source: Receiver<Message>,
    rest: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Pushed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.rest.read(buf)?;
            if n > 0 || self.ended {
                return Ok(n);
            }
            match self.source.recv() {
                Ok(Message::Bytes(bytes)) => self.rest = io::Cursor::new(bytes),
                Ok(Message::End) => self.ended = true,
                // Dropped without an end: the recorder's link is gone, not its footage complete.
                Err(_) => return Err(io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error())),
            }
        }
    }
}
