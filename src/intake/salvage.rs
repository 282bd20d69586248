//! Reading around places of a recorder's file that cannot be read. What can be saved is saved; the rest stands as
//! zeros in our copy and as *holes* beside it, so that nobody takes them for footage.
//!
//! Only for a file that has failed several times and after every other file of the recorder: each try at a bad
//! place wears a dying card and may take a disk half a minute. The effort for one file is bounded; where it ends, the
//! rest of the file is one hole.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ports::{Shelf, SourceError};
use crate::domain::record::Hole;
use crate::domain::recorder::ShelfEntry;
use crate::runtime::clock::monotonic;
use crate::vault::is_gone;

/// Smallest place that is given up: a page, which is also a multiple of every disk's block.
const STEP_BYTES: u64 = 4096;
/// Longest jump while looking for the end of a bad place: where each failure takes half a minute, only long jumps
/// find what is good behind a long bad place.
const LONGEST_JUMP_BYTES: u64 = 64 << 20;
/// Tries at the first bad place before it is given up.
const TRIES_AT_A_PLACE: u32 = 2;

/// How much may be spent on one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Reads that fail.
    pub failures: u32,
    /// Time spent on them, from the first on.
    pub time: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self { failures: 1024, time: Duration::from_secs(180) }
    }
}

/// Holes of one clip, in order; shared with whoever stores them while the copy goes on.
#[derive(Debug, Default)]
pub(super) struct Holes(Mutex<Vec<Hole>>);

impl Holes {
    /// Begins with those that an earlier part of the copy has, up to `before`.
    pub fn starting(known: &[Hole], before: u64) -> Self {
        let cut = known.iter().filter(|h| h.offset < before);
        Self(Mutex::new(cut.map(|h| Hole { offset: h.offset, bytes: h.bytes.min(before - h.offset) }).collect()))
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<Hole> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, from: u64, to: u64) {
        let mut holes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match holes.last_mut() {
            Some(last) if last.end() == from => last.bytes = to - last.offset,
            _ => holes.push(Hole { offset: from, bytes: to - from }),
        }
    }
}

/// A reader of one file that gives zeros where the recorder gives errors.
pub(super) struct Salvage<'a> {
    shelf: &'a dyn Shelf,
    entry: &'a ShelfEntry,
    holes: &'a Holes,
    effort: Effort,
    reader: Option<Box<dyn Read + Send>>,
    at: u64,
    /// Zeros are given up to here.
    hole_end: u64,
    failures: u32,
    first_failure: Option<Instant>,
}

impl<'a> Salvage<'a> {
    /// Reads from `offset` to the listed end.
    pub fn new(shelf: &'a dyn Shelf, entry: &'a ShelfEntry, offset: u64, holes: &'a Holes, effort: Effort) -> Self {
        Self { shelf, entry, holes, effort, reader: None, at: offset, hole_end: 0, failures: 0, first_failure: None }
    }

    /// Reads where the file can be read; `Ok(0)` where it cannot.
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        for _ in 0..TRIES_AT_A_PLACE {
            let outcome = match &mut self.reader {
                Some(reader) => reader.read(buf),
                None => match self.shelf.open(&self.entry.path, self.at) {
                    Ok(mut reader) => {
                        let outcome = reader.read(buf);
                        self.reader = Some(reader);
                        outcome
                    }
                    Err(e) => Err(into_io(e)),
                },
            };
            match outcome {
                Ok(n @ 1..) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    self.reader = None;
                    self.failed(failed.err())?;
                }
            }
        }
        Ok(0)
    }

    /// Counts a failure. An error here means that the recorder is gone, which is no hole.
    fn failed(&mut self, e: Option<io::Error>) -> io::Result<()> {
        self.failures += 1;
        self.first_failure.get_or_insert_with(monotonic);
        if let Some(e) = e.filter(is_gone) {
            return Err(e);
        }
        // A file that ends early, and some errors, are what a recorder gives that is just being pulled out.
        match self.shelf.stat(&self.entry.path) {
            Ok(Some(now)) if now.size_bytes == self.entry.size_bytes => Ok(()),
            Ok(_) => Err(io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error())),
            Err(e) => Err(into_io(e)),
        }
    }

    fn exhausted(&self) -> bool {
        self.failures >= self.effort.failures || self.first_failure.is_some_and(|t| t.elapsed() >= self.effort.time)
    }

    fn readable(&mut self, offset: u64) -> io::Result<bool> {
        let want = (self.entry.size_bytes - offset).min(STEP_BYTES) as usize;
        let mut buf = vec![0; want];
        let outcome = match self.shelf.open(&self.entry.path, offset) {
            Ok(mut reader) => reader.read_exact(&mut buf),
            Err(e) => Err(into_io(e)),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(e) => {
                let early = e.kind() == io::ErrorKind::UnexpectedEof;
                self.failed(Some(e).filter(|_| !early))?;
                Ok(false)
            }
        }
    }

    /// The end of the bad place that begins at `self.at`.
    fn end_of_hole(&mut self) -> io::Result<u64> {
        let size = self.entry.size_bytes;
        let next = |at: u64| (at / STEP_BYTES + 1) * STEP_BYTES;
        let (mut known_bad, mut probe, mut jump) = (self.at, next(self.at), STEP_BYTES);
        loop {
            if probe >= size || self.exhausted() {
                return Ok(size);
            }
            if self.readable(probe)? {
                break;
            }
            known_bad = probe;
            probe += jump;
            jump = (jump * 2).min(LONGEST_JUMP_BYTES);
        }
        // What was jumped over is good from somewhere on: that edge is found by halving.
        let (mut bad, mut good) = (known_bad / STEP_BYTES, probe / STEP_BYTES);
        while good - bad > 1 && !self.exhausted() {
            let middle = bad + (good - bad) / 2;
            match self.readable(middle * STEP_BYTES)? {
                true => good = middle,
                false => bad = middle,
            }
        }
        Ok(good * STEP_BYTES)
    }
}

impl Read for Salvage<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.entry.size_bytes.saturating_sub(self.at);
        let want = (buf.len() as u64).min(left) as usize;
        if want == 0 {
            return Ok(0);
        }
        if self.at >= self.hole_end {
            let n = self.try_read(&mut buf[..want])?;
            if n > 0 {
                self.at += n as u64;
                return Ok(n);
            }
            self.hole_end = self.end_of_hole()?;
            if self.at == 0 && self.hole_end == self.entry.size_bytes {
                // Nothing can be saved: zeros alone are no clip.
                return Err(rustix::io::Errno::IO.into());
            }
            self.holes.add(self.at, self.hole_end);
        }
        let n = (want as u64).min(self.hole_end - self.at) as usize;
        buf[..n].fill(0);
        self.at += n as u64;
        Ok(n)
    }
}

/// An error of a shelf as one of reading, without losing that the recorder is gone.
fn into_io(e: SourceError) -> io::Error {
    match e {
        SourceError::Gone(_) => io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error()),
        SourceError::Read { source, .. } => source,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::recorder::SourcePath;
    use crate::source::fake::{FakeShelf, Fault};

    const SIZE: usize = 300_000;

    fn film() -> Vec<u8> {
        (0..SIZE).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] | 1).collect()
    }

    fn path() -> SourcePath {
        SourcePath::new("a.mp4")
    }

    /// What is read, in pieces of `piece` bytes, and the holes.
    fn salvage(faults: Vec<Fault>, piece: usize, effort: Effort) -> io::Result<(Vec<u8>, Vec<Hole>)> {
        let shelf = FakeShelf::new("bay");
        shelf.put("a.mp4", &film(), 1_000);
        let entry = shelf.list().unwrap().files.remove(0);
        faults.into_iter().for_each(|f| shelf.inject(f));
        let holes = Holes::default();
        let mut reader = Salvage::new(&shelf, &entry, 0, &holes, effort);
        let (mut all, mut buf) = (Vec::new(), vec![0xaa; piece]);
        loop {
            match reader.read(&mut buf)? {
                0 => return Ok((all, holes.all())),
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }

    fn bad(place: std::ops::Range<u64>) -> Fault {
        Fault::BadPlace { path: path(), place }
    }

    #[test]
    fn what_can_be_read_is_read() {
        let table = [
            (vec![], vec![]),
            (vec![bad(8192..12288)], vec![Hole { offset: 8192, bytes: 4096 }]),
            // A bad place inside a step: its step's rest is lost with it, what stands before it is not.
            (vec![bad(10_000..10_512)], vec![Hole { offset: 10_000, bytes: 2288 }]),
            (vec![bad(0..100_000)], vec![Hole { offset: 0, bytes: 102_400 }]),
            (vec![bad(290_000..400_000)], vec![Hole { offset: 290_000, bytes: 10_000 }]),
            (
                vec![bad(8192..12288), bad(200_000..200_001)],
                vec![Hole { offset: 8192, bytes: 4096 }, Hole { offset: 200_000, bytes: 704 }],
            ),
            // Ends early though the listing says more, and the recorder is there.
            (vec![Fault::EndsAt { path: path(), offset_bytes: 65_536 }], vec![Hole { offset: 65_536, bytes: 234_464 }]),
        ];
        for (faults, wanted) in table {
            let (bytes, holes) = salvage(faults.clone(), 1 << 16, Effort::default()).unwrap();
            assert_eq!(holes, wanted, "{faults:?}");
            assert_eq!(bytes.len(), SIZE);
        }
    }

    #[test]
    fn a_file_of_which_nothing_can_be_read_is_no_clip() {
        assert!(salvage(vec![bad(0..SIZE as u64)], 1 << 16, Effort::default()).is_err());
    }

    #[test]
    fn a_recorder_that_leaves_is_no_hole() {
        let pulled = Fault::PullAt { path: path(), offset_bytes: 100_000 };
        assert!(is_gone(&salvage(vec![pulled], 1 << 16, Effort::default()).unwrap_err()));
        let pulled = vec![bad(8192..12288), Fault::PullAt { path: path(), offset_bytes: 20_000 }];
        assert!(is_gone(&salvage(pulled, 1 << 16, Effort::default()).unwrap_err()));
    }

    #[test]
    fn the_effort_is_bounded() {
        let little = Effort { failures: 3, time: Duration::from_secs(60) };
        let (_, holes) = salvage(vec![bad(8192..200_000)], 1 << 16, little).unwrap();
        assert_eq!(holes, [Hole { offset: 8192, bytes: SIZE as u64 - 8192 }], "the rest is given up");
        let no_time = Effort { failures: 1000, time: Duration::ZERO };
        let (_, holes) = salvage(vec![bad(8192..12_288)], 1 << 16, no_time).unwrap();
        assert_eq!(holes, [Hole { offset: 8192, bytes: SIZE as u64 - 8192 }]);
    }

    proptest! {
        #[test]
        fn bytes_are_the_recorders_or_zeros_in_a_hole(
            places in prop::collection::vec((0u64..SIZE as u64, 1u64..30_000), 0..4),
            piece in 1usize..100_000,
        ) {
            let faults = places.iter().map(|(from, len)| bad(*from..(from + len).min(SIZE as u64))).collect();
            if let Ok((bytes, holes)) = salvage(faults, piece, Effort::default()) {
                prop_assert_eq!(bytes.len(), SIZE);
                let film = film();
                for (i, byte) in bytes.iter().enumerate() {
                    let lost = holes.iter().any(|h| h.touches(i as u64, i as u64 + 1));
                    // The film has no zero bytes.
                    prop_assert_eq!(*byte, if lost { 0 } else { film[i] });
                    let is_bad = places.iter().any(|(from, len)| (*from..from + len).contains(&(i as u64)));
                    prop_assert!(lost || !is_bad);
                }
                prop_assert!(holes.windows(2).all(|w| w[0].end() < w[1].offset), "in order, apart");
            }
        }
    }
}
