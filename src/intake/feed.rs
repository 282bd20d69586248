//! The push side of intake: sources that hand us bytes as they come (live streams, systems that push).
//!
//! Each clip runs through the same copying pass as a file of a recorder; its source is a bounded channel. Of a segment of
//! a recording whatever came is sealed in any case, as far as it stands on the disk: nothing can bring it again.
//!
//! What the database says of a segment that grows holds for exactly the bytes that are durable: a report is made at the end
//! of a piece, with how far the footage reached there. So footage that can be fetched again is fetched from there on.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::recover::seal_cut_off;
use super::{Intake, IntakeError};
use crate::domain::error::chain;
use crate::domain::evidence::Evidence;
use crate::domain::grid::PartGrid;
use crate::domain::ids::ClipId;
use crate::domain::ports::{Feed, FeedEnd, FeedError, FeedStart, SourceError};
use crate::domain::recorder::ShelfEntry;
use crate::domain::stream::{Gap, SegmentEnd, SegmentReach};
use crate::store::NewClip;
use crate::vault::{Copied, CopyError, CopyJob, Durable, copy_into};

/// Pieces that may wait for the disk.
const QUEUE: usize = 16;
/// A stream's piece is rarely longer; the memory of one copy is six of these.
const BLOCK_BYTES: usize = 128 << 10;
/// A power cut takes no more than this from a stream.
const DURABLE_EVERY: Duration = Duration::from_secs(1);
/// Whether it is time for that is looked at this often while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

/// A feed into the vault. Dropping it without `end` leaves its open clips as interrupted copies.
pub struct FeedIntake {
    intake: Intake,
    open: HashMap<ClipId, Open>,
}

struct Open {
    /// `None` once the disk said no: what came before can still be sealed.
    lane: Option<Lane>,
    is_segment: bool,
    pieces: Arc<Mutex<Pieces>>,
}

/// Where the pieces that came end, and how far the footage reached with each.
#[derive(Default)]
struct Pieces {
    ends: VecDeque<(u64, Option<SegmentReach>)>,
    bytes: u64,
    reach: Option<SegmentReach>,
}

impl Pieces {
    /// How far the footage of the first so many bytes reaches. What lies before is not asked for again.
    fn durable(&mut self, bytes: u64) -> Option<SegmentReach> {
        let mut reach = None;
        while let Some((_, reached)) = self.ends.pop_front_if(|(end, _)| *end <= bytes) {
            reach = reached;
        }
        reach
    }

    fn is_whole(&self, bytes: u64) -> bool {
        self.ends.iter().any(|(end, _)| *end == bytes)
    }
}

/// The way to a copying thread, and the thread.
type Lane = (SyncSender<Message>, JoinHandle<Result<Copied, CopyError>>);

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
        if start.declared_bytes.is_none() && self.intake.no_room().map_err(failed)?.is_some() {
            return Err(FeedError::Full);
        }
        let clip = ClipId::generate(self.intake.clock.now().0);
        let grid = PartGrid::for_size(start.declared_bytes);
        let is_segment = start.segment.is_some();
        let evidence = Evidence {
            profile: match (is_segment, &start.captured) {
                (true, None) => "stream",
                // A stream is dated by the station; what was recorded elsewhere by who recorded it.
                (true, Some(_)) => "network",
                (false, _) => "push",
            }
            .into(),
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
            segment: start.segment,
        };
        self.intake.store.write_blocking(move |tx| tx.new_clip(&new)).map_err(failed)?;
        let (bytes, source) = sync_channel(QUEUE);
        let intake = self.intake.clone();
        let pieces = Arc::<Mutex<Pieces>>::default();
        let known = Arc::clone(&pieces);
        let mut source = Some(Pushed {
            source,
            waits: start.declared_bytes.is_some(),
            rest: io::Cursor::new(Vec::new()),
            ended: false,
        });
        let copying = std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || {
                let known = || known.lock().unwrap_or_else(PoisonError::into_inner);
                let durable = |durable: Durable| {
                    let reach = known().durable(durable.prefix.bytes);
                    intake.durable_with(clip, durable, Vec::new(), reach)
                };
                let whole = |bytes| start.declared_bytes.is_some() || known().is_whole(bytes);
                copy_into(
                    &intake.vault,
                    CopyJob {
                        clip,
                        grid,
                        expected: start.declared_bytes,
                        resume: None,
                        prefixes_at: &[],
                        options: intake.options.copy,
                        block_bytes: BLOCK_BYTES,
                        open: &mut |_| match source.take() {
                            Some(pushed) => Ok(Box::new(pushed)),
                            None => Err(SourceError::Unsupported("be read twice")),
                        },
                        progress: &mut |_| {},
                        durable: &durable,
                        stopped: &|| false,
                        as_it_comes: start.declared_bytes.is_none().then_some(DURABLE_EVERY),
                        whole: &whole,
                    },
                )
            })
            .map_err(|e| FeedError::Failed(Box::new(e)))?;
        self.open.insert(clip, Open { lane: Some((bytes, copying)), is_segment, pieces });
        Ok(clip)
    }

    fn append(&mut self, clip: ClipId, bytes: &[u8]) -> Result<(), FeedError> {
        let open = self.open.get_mut(&clip).ok_or(FeedError::Misuse("append before begin, or after end"))?;
        let (lane, _) = open.lane.as_ref().ok_or(FeedError::Misuse("append after the disk said no"))?;
        {
            let mut pieces = open.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.bytes += bytes.len() as u64;
            let end = (pieces.bytes, pieces.reach);
            pieces.ends.push_back(end);
        }
        if lane.send(Message::Bytes(bytes.to_vec())).is_err() {
            // The copying thread ended early: its own words say why.
            return Err(open.join().err().map_or(FeedError::Misuse("more bytes than were declared"), failed));
        }
        Ok(())
    }

    fn reached(&mut self, clip: ClipId, reach: SegmentReach) {
        if let Some(open) = self.open.get(&clip) {
            open.pieces.lock().unwrap_or_else(PoisonError::into_inner).reach = Some(reach);
        }
    }

    fn gap(&mut self, clip: ClipId, gap: Gap) -> Result<(), FeedError> {
        self.intake.store.write_blocking(move |tx| tx.add_gap(clip, &gap)).map_err(failed)
    }

    fn end(&mut self, clip: ClipId, end: FeedEnd) -> Result<(), FeedError> {
        let mut open = self.open.remove(&clip).ok_or(FeedError::Misuse("end before begin, or twice"))?;
        if let Some((lane, _)) = &open.lane {
            // A thread that ended early is noticed by joining it.
            let _ = lane.send(Message::End);
        }
        let copied = open.join();
        // Of what was cut off, the last durable report said it.
        let reach = open.pieces.lock().unwrap_or_else(PoisonError::into_inner).reach.filter(|_| copied.is_ok());
        let ended = end.segment.clone();
        let told = move |tx: &crate::store::Tx<'_>| {
            reach.map_or(Ok(()), |reach| tx.segment_reached(clip, reach))?;
            ended.map_or(Ok(()), |(why, detail)| tx.segment_ended(clip, why, &detail))
        };
        self.intake.store.write_blocking(told).map_err(failed)?;
        match copied {
            Ok(copied) => {
                self.intake.finish(clip, &copied, &[], Vec::new(), Vec::new()).map_err(failed)?;
                Ok(())
            }
            Err(e) if open.is_segment => {
                let (why, detail) = end.segment.unwrap_or((SegmentEnd::Failed, String::new()));
                tracing::warn!(%clip, error = %chain(&e), "a segment was cut off here; what stands on the disk is sealed");
                seal_cut_off(&self.intake, clip, why, &detail).map_err(failed)
            }
            Err(e) => Err(failed(e)),
        }
    }
}

impl Open {
    /// Waits for the copying thread. Where it had ended before, its end was told then.
    fn join(&mut self) -> Result<Copied, CopyError> {
        let Some((lane, copying)) = self.lane.take() else { return Err(CopyError::Stopped) };
        drop(lane);
        copying.join().unwrap_or_else(|_| Err(CopyError::Report("the copying thread panicked".into())))
    }
}

struct Pushed {
    source: Receiver<Message>,
    /// For the next piece, however long it takes: what comes as one file is made durable by its length.
    waits: bool,
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
            let message = match self.waits {
                true => self.source.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.source.recv_timeout(LOOK),
            };
            match message {
                Ok(Message::Bytes(bytes)) => self.rest = io::Cursor::new(bytes),
                Ok(Message::End) => self.ended = true,
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::WouldBlock.into()),
                // Dropped without an end: the recorder's link is gone, not its footage complete.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_how_far_the_durable_bytes_reach_and_no_further() {
        let reach = |length_ms| Some(SegmentReach { length_ms, source_ms: None });
        let mut pieces = Pieces::default();
        for (bytes, length_ms) in [(10, 500), (300, 1_000), (305, 1_500)] {
            pieces.ends.push_back((bytes, reach(length_ms)));
        }
        assert!(pieces.is_whole(300) && !pieces.is_whole(299) && !pieces.is_whole(0));
        assert_eq!(pieces.durable(9), None);
        assert_eq!(pieces.durable(304), reach(1_000));
        assert_eq!(pieces.durable(305), reach(1_500));
        assert_eq!(pieces.durable(305), None, "it was told");
    }
}
