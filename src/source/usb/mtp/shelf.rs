//! The daemon's side of a recorder that speaks MTP: hands jobs to its reader, keeps time, reads ahead, and believes
//! nothing that comes back beyond its form. Parses no byte of the recorder.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::wire::{Answer, BLOCK_BYTES, Entry, Job, MAX_PATH_BYTES, Opened, PAGE_ENTRIES, Page, Trouble};
use super::{WORKER_KIND, dates, walk};
use crate::domain::error::chain;
use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{LOCAL_PREFIX, Listing, ShelfEntry, ShelfIdentity, SourcePath, Unreadable};
use crate::worker::parent::{WorkerError, WorkerSpec, own_program};
use crate::worker::session::Session;

/// Until the reader says hello.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Until a recorder has opened a session: one that was torn out of a transfer has up to 30 s of it still to send.
const OPEN_TIMEOUT: Duration = Duration::from_secs(90);

/// Until one block, one look or one page has come. A reader gives up on a silent recorder after a few transfers of 10 s
/// and says so; this is for one that drips, and for a reader that no longer minds.
const JOB_TIMEOUT: Duration = Duration::from_secs(120);

/// Smallest piece that is asked for around a bad place.
const SMALLEST_READ_BYTES: u32 = 4096;

/// Longest text of a recorder about itself, in characters.
const MAX_TEXT_CHARS: usize = 100;

/// The recorder shows no storage: it is locked, only charges, or waits for an answer on its own screen. Inside the
/// error of [`MtpShelf::open`] and [`Shelf::list`]; see [`NoStorage::is_why`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it shows no storage; unlock it or choose file transfer on it")]
pub struct NoStorage;

impl NoStorage {
    /// Whether that is why: such a recorder is no fault, it waits in its bay.
    pub fn is_why(error: &SourceError) -> bool {
        matches!(error, SourceError::Read { source, .. } if source.get_ref().is_some_and(|e| e.is::<Self>()))
    }
}

/// A docked recorder that speaks MTP.
pub struct MtpShelf {
    line: Arc<Line>,
    identity: ShelfIdentity,
    read_only: bool,
}

impl MtpShelf {
    /// Starts a reader for the device behind `usb` (usbfs, opened for reading and writing) and opens a session. Blocks
    /// up to two minutes. `identity` is what the bus told; what the recorder tells is added.
    pub fn open(usb: File, identity: ShelfIdentity, read_only: bool) -> Result<Self, SourceError> {
        Self::with_program(own_program(), usb, identity, read_only)
    }

    /// The same with another program file, for tests, whose own program is not `evidock`.
    pub fn with_program(
        program: PathBuf,
        usb: File,
        identity: ShelfIdentity,
        read_only: bool,
    ) -> Result<Self, SourceError> {
        let session = Session::start(&spec(program)).map_err(|e| {
            let installation = io::Error::other(format!("{}; run `evidock doctor`", chain(&e)));
            SourceError::Denied { path: whole(), source: installation }
        })?;
        let line = Line(Mutex::new(State::Open(session)));
        let root = whole();
        let (answer, _) = line.call(&root, &Job::Open { read_only }, Some(&usb), OPEN_TIMEOUT)?;
        // From here on the device is the reader's alone: with it, whatever it has under way ends.
        drop(usb);
        let Answer::Opened(opened) = answer else { return Err(unasked(&root)) };
        let identity = ShelfIdentity { erasable: !read_only, ..identified(identity, &opened) };
        Ok(Self { line: Arc::new(line), identity, read_only })
    }
}

/// The connection to a reader, for one job at a time.
struct Line(Mutex<State>);

enum State {
    Open(Session),
    /// The reader is gone, and the session with the recorder with it.
    Ended(String),
}

impl Line {
    /// One job; `path` is what it is about.
    fn call(
        &self,
        path: &SourcePath,
        job: &Job,
        file: Option<&File>,
        limit: Duration,
    ) -> Result<(Answer, Vec<u8>), SourceError> {
        let mut state: MutexGuard<'_, State> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *state {
            State::Open(session) => session,
            State::Ended(why) => return Err(SourceError::Gone(io::Error::other(why.clone()))),
        };
        match session.call::<Answer>(job, file, limit) {
            Ok((Answer::Trouble(trouble), _)) => {
                if let Trouble::Gone(why) = &trouble {
                    // Nothing brings this session back; the child gives the device free.
                    *state = State::Ended(printable(why));
                }
                Err(source_error(path, trouble))
            }
            Ok(answer) => Ok(answer),
            Err(e) => {
                let why = match &e {
                    WorkerError::TooSlow(limit) => {
                        format!("the recorder did not answer for {} s and was let go", limit.as_secs())
                    }
                    other => format!("the reader of this recorder ended: {}", chain(other)),
                };
                let why = format!("{why}; take it out and put it in again");
                tracing::warn!(%path, "{why}");
                *state = State::Ended(why.clone());
                Err(SourceError::Read { path: path.clone(), source: io::Error::other(why) })
            }
        }
    }

    fn read(&self, path: &SourcePath, offset: u64, len: u32, size_bytes: u64) -> Result<Vec<u8>, SourceError> {
        let job = Job::Read { path: path.as_bytes().to_vec(), offset, len, size_bytes };
        match self.call(path, &job, None, JOB_TIMEOUT)? {
            (Answer::Bytes, bytes) if bytes.len() == len as usize => Ok(bytes),
            _ => Err(unasked(path)),
        }
    }
}

impl Shelf for MtpShelf {
    fn identity(&self) -> ShelfIdentity {
        self.identity.clone()
    }

    fn list(&self) -> Result<Listing, SourceError> {
        let root = whole();
        let mut listing = Listing::default();
        let (mut entries, mut bytes, mut job) = (0, 0, Job::List);
        loop {
            let (Answer::Page { more }, body) = self.line.call(&root, &job, None, JOB_TIMEOUT)? else {
                return Err(unasked(&root));
            };
            let page: Page = serde_json::from_slice(&body).map_err(|_| unasked(&root))?;
            let here = page.files.len() + page.unreadable.len();
            entries += here;
            bytes += page.files.iter().map(|e| e.path.len()).sum::<usize>()
                + page.unreadable.iter().map(|(path, _)| path.len()).sum::<usize>();
            // A reader keeps these bounds; one that was taken over may not.
            let notes = walk::MAX_STORAGES + 1;
            if here > PAGE_ENTRIES
                || entries > 2 * walk::MAX_ENTRIES + notes
                || bytes > walk::MAX_ALL_PATH_BYTES + PAGE_ENTRIES * MAX_PATH_BYTES
            {
                return Err(unasked(&root));
            }
            for entry in page.files {
                listing.files.push(shelf_entry(entry).ok_or_else(|| unasked(&root))?);
            }
            listing.unreadable.extend(
                page.unreadable
                    .into_iter()
                    .map(|(path, reason)| Unreadable { path: SourcePath::new(path), reason: printable(&reason) }),
            );
            if !more {
                return Ok(listing);
            }
            job = Job::More;
        }
    }

    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        let job = Job::Stat { path: path.as_bytes().to_vec() };
        match self.line.call(path, &job, None, JOB_TIMEOUT)?.0 {
            Answer::Entry(None) => Ok(None),
            Answer::Entry(Some(entry)) if entry.path == path.as_bytes() => {
                shelf_entry(entry).map(Some).ok_or_else(|| unasked(path))
            }
            _ => Err(unasked(path)),
        }
    }

    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn Read + Send>, SourceError> {
        let Some(entry) = self.stat(path)? else {
            return Err(SourceError::Read { path: path.clone(), source: Errno::NOENT.into() });
        };
        Ok(Box::new(Reading {
            line: Arc::clone(&self.line),
            path: path.clone(),
            at: offset_bytes,
            size_bytes: entry.size_bytes,
            block: Vec::new(),
            used: 0,
            ahead: None,
            proven: false,
        }))
    }

    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        if self.read_only {
            return Err(SourceError::Unsupported("erase: it is read-only to us"));
        }
        let job = Job::Erase { path: proof.path.as_bytes().to_vec(), size_bytes: proof.size_bytes };
        match self.line.call(&proof.path, &job, None, JOB_TIMEOUT) {
            Ok((Answer::Erased, _)) => Ok(()),
            Ok(_) => Err(unasked(&proof.path)),
            Err(SourceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(SourceError::Changed(proof.path.clone()))
            }
            Err(e) => Err(e),
        }
    }
}

/// A file being read: the block at hand, and a thread that fetches the next ones meanwhile, so that the bus and the
/// hashing work side by side. Three blocks at most are held: one here, one waiting, one being fetched.
struct Reading {
    line: Arc<Line>,
    path: SourcePath,
    /// Behind the block at hand.
    at: u64,
    size_bytes: u64,
    block: Vec<u8>,
    used: usize,
    ahead: Option<Receiver<Result<Vec<u8>, SourceError>>>,
    /// A read succeeded; only then it is worth reading ahead.
    proven: bool,
}

impl Reading {
    fn next(&mut self, want: usize) -> io::Result<Vec<u8>> {
        let left = self.size_bytes - self.at;
        if let Some(ahead) = &self.ahead {
            match ahead.recv() {
                Ok(Ok(block)) => return Ok(block),
                Ok(Err(SourceError::Gone(e))) => {
                    self.ahead = None;
                    return Err(into_io(SourceError::Gone(e)));
                }
                // Which part of that block is bad is found out below.
                Ok(Err(_)) | Err(_) => self.ahead = None,
            }
            self.proven = false;
        }
        if self.proven && left > u64::from(BLOCK_BYTES) {
            self.read_ahead()?;
            return self.next(want);
        }
        let most = left.min(BLOCK_BYTES.into()) as u32;
        let mut len = u32::try_from(want).unwrap_or(BLOCK_BYTES).clamp(SMALLEST_READ_BYTES.min(most), most);
        loop {
            match self.line.read(&self.path, self.at, len, self.size_bytes) {
                Ok(block) => {
                    self.proven = true;
                    return Ok(block);
                }
                // A bad place takes no more with it than the smallest piece around it.
                Err(SourceError::Read { source, .. }) if len > SMALLEST_READ_BYTES && may_be_a_bad_place(&source) => {
                    len = (len / 16).max(SMALLEST_READ_BYTES);
                }
                Err(e) => return Err(into_io(e)),
            }
        }
    }

    fn read_ahead(&mut self) -> io::Result<()> {
        let (line, path, mut at, size_bytes) = (Arc::clone(&self.line), self.path.clone(), self.at, self.size_bytes);
        let (send, receive) = sync_channel(1);
        std::thread::Builder::new().name("mtp-ahead".to_owned()).stack_size(128 << 10).spawn(move || {
            while at < size_bytes {
                let len = (size_bytes - at).min(BLOCK_BYTES.into()) as u32;
                let block = line.read(&path, at, len, size_bytes);
                let failed = block.is_err();
                // Nobody listens any more once the file was closed.
                if send.send(block).is_err() || failed {
                    return;
                }
                at += u64::from(len);
            }
        })?;
        self.ahead = Some(receive);
        Ok(())
    }
}

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.used == self.block.len() {
            if self.at >= self.size_bytes {
                return Ok(0);
            }
            self.block = Vec::new();
            self.used = 0;
            self.block = self.next(buf.len())?;
            self.at += self.block.len() as u64;
        }
        let n = buf.len().min(self.block.len() - self.used);
        buf[..n].copy_from_slice(&self.block[self.used..self.used + n]);
        self.used += n;
        Ok(n)
    }
}

/// What errors name that are about no file in particular.
fn whole() -> SourcePath {
    SourcePath::new("the recorder")
}

/// A reader that ended is no bad place on the recorder, and neither is a file that is not there.
fn may_be_a_bad_place(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<Failed>())
}

/// What a recorder, its link or its file system said of a place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

fn source_error(path: &SourcePath, trouble: Trouble) -> SourceError {
    let read = |source| SourceError::Read { path: path.clone(), source };
    match trouble {
        Trouble::Gone(why) => SourceError::Gone(io::Error::other(printable(&why))),
        Trouble::NoStorage => read(io::Error::other(NoStorage)),
        Trouble::Missing => read(Errno::NOENT.into()),
        Trouble::Changed(why) => {
            tracing::info!(%path, "changed on the recorder: {}", printable(&why));
            SourceError::Changed(path.clone())
        }
        Trouble::Denied(why) => SourceError::Denied { path: path.clone(), source: io::Error::other(printable(&why)) },
        Trouble::Failed(why) => read(io::Error::other(Failed(printable(&why)))),
        Trouble::Unsupported(why) => {
            tracing::info!(%path, "not done: {}", printable(&why));
            SourceError::Unsupported("erase this file; the log says why")
        }
    }
}

/// An error in the middle of a file, for whoever looks at its number only.
fn into_io(e: SourceError) -> io::Error {
    match e {
        SourceError::Gone(_) => Errno::NODEV.into(),
        SourceError::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => source,
        // The file went, not the recorder: ENOENT in the middle of a file would be taken for the other.
        other => io::Error::other(other),
    }
}

fn unasked(path: &SourcePath) -> SourceError {
    let source = io::Error::other("its reader answered something that was not asked");
    SourceError::Read { path: path.clone(), source }
}

/// Takes an entry over, if it has the form of one.
fn shelf_entry(entry: Entry) -> Option<ShelfEntry> {
    let mut components = entry.path.split(|b| *b == b'/');
    let stays = components.all(|c| !matches!(c, b"" | b"." | b"..")) && !entry.path.contains(&0);
    let raw = &entry.modified_raw;
    let told = raw.len() <= 4 * 48 && !raw.chars().any(char::is_control);
    let local = raw.starts_with(LOCAL_PREFIX) && entry.modified_ms.is_some();
    (stays && told && !local && entry.path.len() <= MAX_PATH_BYTES).then(|| ShelfEntry {
        path: SourcePath::new(entry.path),
        size_bytes: entry.size_bytes,
        modified_raw: entry.modified_raw,
        modified_ms: entry.modified_ms,
    })
}

fn identified(bus: ShelfIdentity, opened: &Opened) -> ShelfIdentity {
    let told = |text: &str| Some(text.trim()).filter(|t| !t.is_empty()).map(bounded);
    let first = opened.storages.first();
    ShelfIdentity {
        serial: bus.serial.or_else(|| told(&opened.serial)),
        product: bus.product.or_else(|| told(&format!("{} {}", opened.manufacturer, opened.model))),
        volume_label: first.and_then(|s| told(&s.description)),
        volume_id: first.and_then(|s| told(&s.volume).or_else(|| Some(format!("{:08x}", s.id)))),
        clock: opened.clock.as_deref().and_then(dates::clock),
        kind: "mtp",
        ..bus
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

fn printable(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn spec(program: PathBuf) -> WorkerSpec {
    let env: Vec<(&'static str, OsString)> = vec![
        // Each arena of the C library reserves 64 MiB of the address space that is limited.
        ("MALLOC_ARENA_MAX", "1".into()),
        // What was freed after a block goes back to the system: many readers run at once.
        ("MALLOC_TRIM_THRESHOLD_", "131072".into()),
        ("MALLOC_MMAP_THRESHOLD_", "131072".into()),
        ("LANG", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
    ];
    WorkerSpec {
        kind: WORKER_KIND,
        program,
        args: vec!["worker".into(), WORKER_KIND.into()],
        env,
        start_timeout: START_TIMEOUT,
        job_timeout: JOB_TIMEOUT,
        jobs_per_worker: u32::MAX,
        workers: 1,
        idle_timeout: Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], raw: &str, ms: Option<i64>) -> Entry {
        Entry { path: path.to_vec(), size_bytes: 1, modified_raw: raw.to_owned(), modified_ms: ms }
    }

    #[test]
    fn only_what_has_the_form_of_an_entry_is_taken_over() {
        assert!(shelf_entry(entry(b"DCIM/a.mp4", "local 2026-06-19T10:03:24", None)).is_some());
        assert!(shelf_entry(entry("执法/\n".as_bytes(), "", None)).is_some());
        for path in [&b""[..], b"/etc/passwd", b"a//b", b"../a", b"a/..", b"a/./b", b"a\0b", &[b'x'; 5000]] {
            assert_eq!(shelf_entry(entry(path, "", None)), None, "{path:?}");
        }
        assert_eq!(shelf_entry(entry(b"a", "two\nlines", None)), None);
        assert_eq!(shelf_entry(entry(b"a", &"9".repeat(1000), None)), None);
        assert_eq!(shelf_entry(entry(b"a", "local 2026-06-19T10:03:24", Some(1))), None, "a local time is no instant");
    }

    #[test]
    fn what_the_recorder_says_is_added_to_what_the_bus_said() {
        let bus = ShelfIdentity { bay: "3".into(), serial: Some("A1".into()), kind: "", ..ShelfIdentity::default() };
        let opened = Opened {
            manufacturer: "Acme".into(),
            model: "X".repeat(500),
            serial: "other".into(),
            clock: Some("20260619T100324".into()),
            storages: vec![super::super::wire::StorageTold {
                id: 0x1_0001,
                description: " SD ".into(),
                volume: "".into(),
            }],
        };
        let told = identified(bus, &opened);
        assert_eq!((told.kind, told.bay.as_str(), told.serial.as_deref()), ("mtp", "3", Some("A1")));
        assert_eq!(told.product.unwrap().chars().count(), MAX_TEXT_CHARS);
        assert_eq!((told.volume_label.as_deref(), told.volume_id.as_deref()), (Some("SD"), Some("00010001")));
        assert_eq!(told.clock.unwrap().0, "2026-06-19T10:03:24");
    }

    #[test]
    fn a_recorder_that_waits_is_told_from_one_that_fails() {
        let path = SourcePath::new("");
        assert!(NoStorage::is_why(&source_error(&path, Trouble::NoStorage)));
        assert!(!NoStorage::is_why(&source_error(&path, Trouble::Failed("x".into()))));
        assert!(!NoStorage::is_why(&source_error(&path, Trouble::Missing)));
    }

    #[test]
    fn errors_in_the_middle_keep_what_they_mean() {
        let path = SourcePath::new("a");
        let gone = into_io(source_error(&path, Trouble::Gone("x".into())));
        assert_eq!(gone.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
        for other in [Trouble::Failed("x".into()), Trouble::Missing, Trouble::Changed("x".into())] {
            let e = into_io(source_error(&path, other));
            assert_eq!(e.raw_os_error(), None, "{e:?} would be taken for a recorder that left");
        }
    }
}
