//! A file's bytes from the daemon's own descriptor of the disk: past the page cache, aligned for the disk, one copy,
//! one buffer a file. Every byte before a bad sector is delivered before its error is, and an end of the disk where
//! none may be is a disk that was pulled. Parses nothing: where the bytes stand, somebody else says.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, FileType, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::blocks::is_gone;
use super::files::{Piece, Pieces};

/// Bytes of one read, as `dd` would be told for a card: less costs speed, more costs 30 bays memory.
const WINDOW_BYTES: usize = 1 << 20;

/// What every disk, and memory for direct reads, is aligned to.
const ALIGN: usize = 4096;

/// Steps in which a window is read again that held a bad sector; below them is the logical sector of the disk.
const STEPS: [usize; 2] = [64 << 10, ALIGN];

/// What a disk is read from.
trait Source: Send + Sync {
    /// Like `pread`.
    fn read(&self, buf: &mut [u8], from: u64) -> io::Result<usize>;
    /// Asks for reads past the page cache, or no longer; whether they are in force.
    fn set_direct(&self, on: bool) -> bool;
    /// Drops what was read from the page cache. Advice only.
    fn forget(&self, from: u64, len: usize);
}

impl Source for File {
    fn read(&self, buf: &mut [u8], from: u64) -> io::Result<usize> {
        self.read_at(buf, from)
    }

    fn set_direct(&self, on: bool) -> bool {
        let set = fcntl_getfl(self).and_then(|flags| {
            let flags = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
            fcntl_setfl(self, flags)
        });
        on && set.is_ok()
    }

    fn forget(&self, from: u64, len: usize) {
        if let Some(len) = NonZeroU64::new(len as u64) {
            let _ = fadvise(self, from, Some(len), Advice::DontNeed);
        }
    }
}

/// What a read gave.
struct Got {
    bytes: usize,
    /// Why it gave no more.
    stopped_by: Option<io::Error>,
}

/// The disk as the daemon has it.
pub struct RawDisk {
    source: Box<dyn Source>,
    direct: AtomicBool,
    bytes: u64,
    sector_bytes: usize,
}

impl RawDisk {
    /// Takes a descriptor of its own (its flags are changed) and looks at its size.
    pub fn new(file: File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(&file)?;
        let (bytes, sector) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::BlockDevice => {
                let mut end = &file;
                let bytes = io::Seek::seek(&mut end, io::SeekFrom::End(0))?;
                (bytes, rustix::fs::ioctl_blksszget(&file).unwrap_or(512))
            }
            FileType::RegularFile => (u64::try_from(stat.st_size).unwrap_or_default(), 512),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a disk nor an image")),
        };
        // A reader in a bay whose card was taken out is a disk of no size.
        if bytes == 0 {
            return Err(Errno::NOMEDIUM.into());
        }
        Ok(Self::over(Box::new(file), bytes, sector.clamp(512, 4096) as usize))
    }

    fn over(source: Box<dyn Source>, bytes: u64, sector_bytes: usize) -> Self {
        // Where the file system has no direct reads (tmpfs), the page cache is used and emptied behind us.
        let direct = AtomicBool::new(source.set_direct(true));
        Self { source, direct, bytes, sector_bytes }
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its logical sectors.
    pub fn sector_bytes(&self) -> u64 {
        self.sector_bytes as u64
    }

    /// Whether it still answers; an error says that it is gone or cannot be read at all.
    pub fn probe(&self) -> io::Result<()> {
        let mut window = Window::default();
        let _ = self.read(window.room(ALIGN), 0)?;
        Ok(())
    }

    /// Reads at an aligned offset into an aligned buffer: as much as can be read before a bad place, at least one byte,
    /// or that place's error. The end of the disk inside the request is short; before it, it is `ENODEV`.
    fn read(&self, buf: &mut [u8], from: u64) -> io::Result<Got> {
        match self.read_once(buf, from) {
            Err(e) if !is_gone(&e) => self.read_until_bad(buf, from),
            other => other.map(|bytes| Got { bytes, stopped_by: None }),
        }
    }

    fn read_until_bad(&self, buf: &mut [u8], from: u64) -> io::Result<Got> {
        let mut done = 0;
        for step in STEPS.into_iter().chain([self.sector_bytes]) {
            while done < buf.len() {
                let end = (done + step).min(buf.len());
                match self.read_once(&mut buf[done..end], from + done as u64) {
                    Ok(n) => done += n,
                    // Whatever was read first counts first.
                    Err(e) if is_gone(&e) || step == self.sector_bytes => {
                        return if done == 0 { Err(e) } else { Ok(Got { bytes: done, stopped_by: Some(e) }) };
                    }
                    Err(_) => break,
                }
            }
        }
        Ok(Got { bytes: done, stopped_by: None })
    }

    fn read_once(&self, buf: &mut [u8], from: u64) -> io::Result<usize> {
        loop {
            let direct = self.direct.load(Ordering::Relaxed);
            match self.source.read(buf, from) {
                Ok(0) => return Err(Errno::NODEV.into()),
                Ok(n) => {
                    if !direct {
                        self.source.forget(from, n);
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The flag was taken and the read was not, or wants another alignment.
                Err(e) if direct && e.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                    self.direct.store(false, Ordering::Relaxed);
                    self.source.set_direct(false);
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// Tells where a file's bytes stand, from an offset on.
pub trait Whereabouts: Send {
    /// Never empty where there is no damage; an error is what the copier gets.
    fn pieces(&mut self, from: u64) -> io::Result<Pieces>;
    /// The disk they stand on.
    fn disk(&self) -> &RawDisk;
}

/// A file being read.
pub struct Content<W> {
    places: W,
    size: u64,
    at: u64,
    /// What is known of what lies ahead, each with where it begins in the file.
    ahead: VecDeque<(u64, Piece)>,
    more: bool,
    damage: Option<String>,
    window: Window,
}

impl<W: Whereabouts> Content<W> {
    /// A file of that size, from an offset on. `first` are its pieces from there.
    pub fn new(places: W, size: u64, at: u64, first: Pieces) -> Self {
        let mut content =
            Self { places, size, at, ahead: VecDeque::new(), more: false, damage: None, window: Window::default() };
        content.learn(first);
        content
    }

    fn learn(&mut self, pieces: Pieces) {
        let mut from = pieces.from;
        self.ahead.clear();
        for piece in pieces.pieces {
            self.ahead.push_back((from, piece));
            from = from.saturating_add(piece.len);
        }
        (self.more, self.damage) = (pieces.more, pieces.damage);
    }

    /// The piece that holds the next byte, and how far in that is.
    fn here(&mut self) -> io::Result<(Piece, u64)> {
        let mut asked = false;
        loop {
            while self.ahead.front().is_some_and(|(from, piece)| from + piece.len <= self.at) {
                self.ahead.pop_front();
            }
            match self.ahead.front() {
                Some((from, piece)) if *from <= self.at => return Ok((*piece, self.at - from)),
                None if self.more && !asked => {
                    let pieces = self.places.pieces(self.at)?;
                    self.learn(pieces);
                    asked = true;
                }
                _ => {
                    let why = self.damage.take().unwrap_or_else(|| "nobody knows where they stand".to_owned());
                    let words = format!("the bytes from {} on cannot be found: {why}", self.at);
                    self.damage = Some(why);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                }
            }
        }
    }
}

impl<W: Whereabouts> Read for Content<W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.at >= self.size {
            return Ok(0);
        }
        let (piece, within) = self.here()?;
        let left = (piece.len - within).min(self.size - self.at);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let n = match piece.disk {
            None => {
                buf[..want].fill(0);
                want
            }
            Some(disk) => {
                let taken = self.window.take(self.places.disk(), disk + within, left, &mut buf[..want]);
                // One number for everything that a pulled disk says, so that the copier knows it.
                taken.map_err(|e| if is_gone(&e) { Errno::NODEV.into() } else { e })?
            }
        };
        self.at += n as u64;
        Ok(n)
    }
}

/// The part of the disk that was read last.
#[derive(Default)]
struct Window {
    /// One window, and room to align it.
    bytes: Vec<u8>,
    from: u64,
    len: usize,
    /// The error behind it: told once without asking the disk again, which may think for half a minute about it.
    stopped_by: Option<io::Error>,
    /// How much is read at once: first what is asked for, then twice as much each time, so that a look at one place of a
    /// worn disk does not wear a mebibyte behind it.
    reach: usize,
}

impl Window {
    /// An aligned buffer of that length.
    fn room(&mut self, len: usize) -> &mut [u8] {
        self.len = 0;
        if self.bytes.len() < len + ALIGN {
            self.bytes.resize(len + ALIGN, 0);
        }
        let start = self.bytes.as_ptr().align_offset(ALIGN);
        &mut self.bytes[start..start + len]
    }

    /// Copies bytes at an offset of the disk, of which `left` will be wanted: as many as the window has, at least one.
    fn take(&mut self, disk: &RawDisk, at: u64, left: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = self.from + self.len as u64;
        if let Some(error) = self.stopped_by.take_if(|_| self.len > 0 && at == end) {
            return Err(error);
        }
        if at < self.from || at >= end {
            self.reach = (2 * self.reach).max(buf.len()).clamp(ALIGN, WINDOW_BYTES);
            match self.load(disk, at, left, ALIGN) {
                // The page may hold a bad sector before what is wanted, which may be whole.
                Err(e) if !is_gone(&e) && at % ALIGN as u64 >= disk.sector_bytes() => {
                    self.load(disk, at, left, disk.sector_bytes)?;
                }
                other => other?,
            }
        }
        let start = self.bytes.as_ptr().align_offset(ALIGN) + (at - self.from) as usize;
        let n = buf.len().min(self.len - (at - self.from) as usize);
        buf[..n].copy_from_slice(&self.bytes[start..start + n]);
        Ok(n)
    }

    /// Reads a window that begins at the last multiple of `align` and holds `at`.
    fn load(&mut self, disk: &RawDisk, at: u64, left: u64, align: usize) -> io::Result<()> {
        let from = at - at % align as u64;
        let want = (at - from).saturating_add(left.min(self.reach as u64)).next_multiple_of(ALIGN as u64);
        let got = disk.read(self.room(usize::try_from(want).unwrap_or(usize::MAX).min(WINDOW_BYTES)), from)?;
        if got.bytes as u64 <= at - from {
            return Err(got.stopped_by.unwrap_or_else(|| Errno::NODEV.into()));
        }
        (self.from, self.len, self.stopped_by) = (from, got.bytes, got.stopped_by);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;

    struct Table(RawDisk, Vec<Pieces>);

    impl Whereabouts for Table {
        fn pieces(&mut self, from: u64) -> io::Result<Pieces> {
            Ok(self.1.iter().find(|p| p.from == from).cloned().unwrap_or_default())
        }

        fn disk(&self) -> &RawDisk {
            &self.0
        }
    }

    fn image(bytes: &[u8]) -> (tempfile::NamedTempFile, RawDisk) {
        let file = tempfile::NamedTempFile::new_in(".").unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let disk = RawDisk::new(File::open(file.path()).unwrap()).unwrap();
        (file, disk)
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 253) as u8).collect()
    }

    fn pieces(from: u64, all: &[(Option<u64>, u64)], more: bool) -> Pieces {
        let pieces = all.iter().map(|(disk, len)| Piece { disk: *disk, len: *len }).collect();
        Pieces { from, pieces, more, damage: None }
    }

    fn read(content: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
        let mut all = Vec::new();
        let mut buf = vec![0; 300_000];
        loop {
            match content.read(&mut buf) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(e) => return (all, Some(e)),
            }
        }
    }

    #[test]
    fn pieces_make_the_file() {
        let disk = bytes(3 << 20);
        let (_file, raw) = image(&disk);
        let first = pieces(0, &[(Some(63 * 512), 1 << 20), (Some(100), 5000), (None, 3000)], true);
        let second = pieces((1 << 20) + 8000, &[(Some(2 << 20), 1 << 20)], false);
        let size = (2 << 20) + 7000;
        let expected =
            [&disk[63 * 512..][..1 << 20], &disk[100..5100], &[0; 3000], &disk[2 << 20..][..(1 << 20) - 1000]].concat();
        let (all, error) = read(&mut Content::new(Table(raw, vec![second]), size, 0, first));
        assert!(error.is_none(), "{error:?}");
        assert!(all == expected);
    }

    /// A disk with bad sectors, which refuses direct reads when it is asked for them.
    struct Worn(super::super::blocks::tests::Worn, AtomicBool);

    impl Source for Worn {
        fn read(&self, buf: &mut [u8], from: u64) -> io::Result<usize> {
            if self.1.load(Ordering::Relaxed) {
                return Err(Errno::INVAL.into());
            }
            super::super::blocks::ReadAt::read_at(&self.0, buf, from)
        }

        fn set_direct(&self, on: bool) -> bool {
            self.1.store(on, Ordering::Relaxed);
            on
        }

        fn forget(&self, _: u64, _: usize) {}
    }

    #[test]
    fn every_byte_before_a_bad_sector_is_delivered_and_every_byte_behind_it() {
        let disk = bytes(3 << 20);
        for (bad, start, refuses) in
            [(2500u64, 63 * 512, false), (127, 63 * 512, true), (63, 63 * 512, false), (70, 0, true)]
        {
            let len = 2 << 20;
            let open = |at| {
                let source = Worn(super::super::blocks::tests::Worn(disk.clone(), vec![bad]), AtomicBool::new(false));
                let mut raw = RawDisk::over(Box::new(source), 3 << 20, 512);
                if !refuses {
                    raw.source.set_direct(false);
                    raw.direct = AtomicBool::new(false);
                }
                Content::new(Table(raw, vec![]), len, at, pieces(0, &[(Some(start), len)], false))
            };
            let (all, error) = read(&mut open(0));
            assert_eq!(all.len() as u64, bad * 512 - start, "{bad}");
            assert!(all == disk[start as usize..bad as usize * 512]);
            assert_eq!(error.unwrap().raw_os_error(), Some(Errno::IO.raw_os_error()));
            let (rest, error) = read(&mut open((bad + 1) * 512 - start));
            assert!(error.is_none(), "{bad}: {error:?}");
            assert!(rest == disk[(bad as usize + 1) * 512..start as usize + len as usize], "{bad}");
        }
    }

    #[test]
    fn a_look_at_one_place_reads_little() {
        struct Longest(Vec<u8>, Arc<AtomicUsize>);
        impl Source for Longest {
            fn read(&self, buf: &mut [u8], from: u64) -> io::Result<usize> {
                self.1.fetch_max(buf.len(), Ordering::Relaxed);
                super::super::blocks::ReadAt::read_at(&self.0, buf, from)
            }

            fn set_direct(&self, on: bool) -> bool {
                on
            }

            fn forget(&self, _: u64, _: usize) {}
        }
        let longest = Arc::new(AtomicUsize::new(0));
        let raw = RawDisk::over(Box::new(Longest(bytes(3 << 20), Arc::clone(&longest))), 3 << 20, 512);
        let len = 3 << 20;
        let mut content = Content::new(Table(raw, vec![]), len, 4096, pieces(0, &[(Some(0), len)], false));
        content.read_exact(&mut [0; 4096]).unwrap();
        assert_eq!(longest.load(Ordering::Relaxed), 4096);
        read(&mut content.by_ref().take(2 << 20));
        assert_eq!(longest.load(Ordering::Relaxed), WINDOW_BYTES);
    }

    #[test]
    fn what_nobody_can_find_is_an_error_and_no_end() {
        let (_file, raw) = image(&bytes(1 << 20));
        let mut first = pieces(0, &[(Some(0), 1000)], false);
        first.damage = Some("its chain is a loop".to_owned());
        let (all, error) = read(&mut Content::new(Table(raw, vec![]), 2000, 0, first));
        assert_eq!(all.len(), 1000);
        assert!(error.unwrap().to_string().contains("a loop"));
    }

    #[test]
    fn an_end_where_none_may_be_is_a_disk_that_was_pulled() {
        let (file, raw) = image(&bytes(4 << 20));
        let mut content = Content::new(Table(raw, vec![]), 3 << 20, 0, pieces(0, &[(Some(512), 3 << 20)], false));
        content.read_exact(&mut [0; 10]).unwrap();
        file.as_file().set_len(1_500_000).unwrap();
        let (all, error) = read(&mut content);
        assert_eq!(all.len() + 10, 1_500_000 - 512, "everything before it counts");
        assert_eq!(error.unwrap().raw_os_error(), Some(Errno::NODEV.raw_os_error()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_cut_gives_the_same_bytes(from in 0u64..200_000, len in 1u64..300_000, at in 0u64..300_000) {
            let disk = bytes(512 << 10);
            let (_file, raw) = image(&disk);
            let at = at.min(len);
            let whole = pieces(0, &[(Some(from), len)], false);
            let (all, error) = read(&mut Content::new(Table(raw, vec![]), len, at, whole));
            prop_assert!(error.is_none());
            prop_assert!(all == disk[(from + at) as usize..(from + len) as usize]);
        }
    }
}
