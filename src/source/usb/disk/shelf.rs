//! A disk as a [`Shelf`]: a session with the reader that parses it, begun anew when it ends, and the daemon's own reads
//! of a file's bytes. Believes nothing that the reader says without checking it, parses nothing, and gives a disk up
//! that ends its reader again and again.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::blocks::is_gone;
use super::content::{Content, RawDisk, Whereabouts};
use super::files::{Item, MAX_ENTRIES, MAX_LISTING_BYTES, Pieces};
use super::wire::{self, Answer, Job, VolumeFacts};
use super::{ERASER_KIND, READER_KIND};
use crate::domain::error::chain;
use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath, Unreadable};
use crate::source::usb::DiskRights;
use crate::worker::parent::{WorkerError, WorkerSpec, own_program};
use crate::worker::session::Session;

/// A file system that ended its reader so often is not tried again while it is docked.
const MAX_DEATHS: u32 = 3;

/// Patience for one job. A disk with bad sectors may think for half a minute about each of them.
const JOB_LIMIT: Duration = Duration::from_secs(300);

/// The walk that comes before erasing reads all directories, and each write is waited for.
const ERASE_LIMIT: Duration = Duration::from_secs(900);

const START_LIMIT: Duration = Duration::from_secs(30);

/// Longest label, serial number or reason of a volume that is believed.
const MAX_TEXT_CHARS: usize = 200;

/// A docked disk.
pub struct DiskShelf {
    inner: Arc<Inner>,
}

struct Inner {
    rights: Arc<dyn DiskRights>,
    program: PathBuf,
    read_only: bool,
    identity: ShelfIdentity,
    disk: RawDisk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    deaths: u32,
}

/// Why a step with the reader failed.
enum Trouble {
    /// The reader is of no use any more.
    Dead(WorkerError),
    /// It answered, and this is what it means.
    Source(SourceError),
}

impl DiskShelf {
    /// Opens the disk and begins a session with a reader. `identity` is what the bus tells; the label, the serial number
    /// and the kind come from the disk's first volume. `read_only`: nothing is ever erased from it.
    ///
    /// [`SourceError::Unsupported`] where no volume can be read here.
    pub fn open(rights: Arc<dyn DiskRights>, identity: ShelfIdentity, read_only: bool) -> Result<Self, SourceError> {
        Self::with_program(own_program(), rights, identity, read_only)
    }

    /// The same with another program file, for tests, whose own program is not `evidock`.
    pub fn with_program(
        program: PathBuf,
        rights: Arc<dyn DiskRights>,
        identity: ShelfIdentity,
        read_only: bool,
    ) -> Result<Self, SourceError> {
        let disk = rights.open_read_only().and_then(RawDisk::new).map_err(not_there)?;
        let mut inner = Inner { rights, program, read_only, identity, disk, state: Mutex::default() };
        let mut volumes = Vec::new();
        inner.with_reader(&mut inner.state(), |_, found| {
            volumes = found.to_vec();
            Ok(())
        })?;
        let Some(first) = volumes.first() else {
            return Err(SourceError::Unsupported(
                "read a disk without FAT and exFAT; where the recorder has another file system, let the kernel mount it",
            ));
        };
        let word = |text: &Option<String>| text.as_deref().map(bounded).filter(|t| !t.is_empty());
        inner.identity.volume_label = word(&first.label);
        inner.identity.volume_id = word(&first.id);
        inner.identity.kind = match (inner.identity.kind, first.exfat) {
            ("image", true) => "image-exfat",
            ("image", false) => "image-fat",
            (_, true) => "usb-exfat",
            (_, false) => "usb-fat",
        };
        inner.identity.erasable = !read_only;
        for (n, volume) in volumes.iter().enumerate().filter(|(_, v)| !v.clean) {
            tracing::info!(
                bay = inner.identity.bay,
                volume = n + 1,
                bytes = volume.bytes,
                "was not left in order by its recorder"
            );
        }
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Shelf for DiskShelf {
    fn identity(&self) -> ShelfIdentity {
        self.inner.identity.clone()
    }

    fn list(&self) -> Result<Listing, SourceError> {
        self.inner.list(&mut self.inner.state())
    }

    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        let job = Job::Stat { path: path.as_bytes().to_vec() };
        match self.inner.ask(path, &job)? {
            (Answer::Missing, _) => Ok(None),
            (Answer::File, body) => match wire::lines(&body).as_deref() {
                Some([Item::File(entry)]) if entry.path == *path => Ok(Some(entry.clone())),
                _ => Err(nonsense(path)),
            },
            _ => Err(nonsense(path)),
        }
    }

    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn io::Read + Send>, SourceError> {
        let (size, pieces) = self.inner.pieces(path, offset_bytes)?;
        let places = Places { inner: Arc::clone(&self.inner), path: path.clone(), size };
        Ok(Box::new(Content::new(places, size, offset_bytes, pieces)))
    }

    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        if self.inner.read_only {
            return Err(SourceError::Unsupported("erase: it is read-only to us"));
        }
        // Nobody else asks the reader meanwhile; files that are being read are not touched.
        let mut state = self.inner.state();
        let before = self.inner.list(&mut state)?;
        let before = Fingerprint::without(&before, &proof.path);
        let erased = self.inner.erase(proof);
        // What the reader knew of the disk is no longer so.
        state.session = None;
        erased?;
        let after = self.inner.list(&mut state)?;
        let left = |source| SourceError::Read { path: proof.path.clone(), source };
        if after.files.iter().any(|f| f.path == proof.path) {
            return Err(left(io::Error::other("it was erased and is still listed; take the recorder out of use")));
        }
        if Fingerprint::without(&after, &proof.path) != before {
            let words = "it was erased, and other files of the recorder are not as they were; copy the recorder whole before anything else";
            return Err(left(io::Error::other(words)));
        }
        Ok(())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the reader, with a new one where the last one ended over it.
    fn with_reader<T>(
        &self,
        state: &mut State,
        mut work: impl FnMut(&mut Session, &[VolumeFacts]) -> Result<T, Trouble>,
    ) -> Result<T, SourceError> {
        loop {
            if state.deaths >= MAX_DEATHS {
                return Err(SourceError::Unsupported(
                    "read this file system, which ended its reader three times; keep the recorder aside and copy its disk whole",
                ));
            }
            let done = match state.session.take() {
                Some(mut session) => work(&mut session, &[]).map(|t| (session, t)),
                None => self
                    .begin(READER_KIND, || self.rights.open_read_only())
                    .and_then(|(mut session, volumes)| work(&mut session, &volumes).map(|t| (session, t))),
            };
            match done {
                Ok((session, t)) => {
                    state.session = Some(session);
                    return Ok(t);
                }
                Err(Trouble::Source(error)) => return Err(error),
                Err(Trouble::Dead(WorkerError::CannotStart(why))) => {
                    let source = io::Error::other(format!("its reader cannot be started: {why}"));
                    return Err(SourceError::Read { path: SourcePath::new("its file system"), source });
                }
                Err(Trouble::Dead(error)) => {
                    self.probe().map_err(SourceError::Gone)?;
                    state.deaths += 1;
                    tracing::warn!(
                        bay = self.identity.bay,
                        deaths = state.deaths,
                        "the reader of a disk ended: {}",
                        chain(&error)
                    );
                }
            }
        }
    }

    /// Starts a child and lets it look at the disk.
    fn begin(
        &self,
        kind: &'static str,
        open: impl Fn() -> io::Result<File>,
    ) -> Result<(Session, Vec<VolumeFacts>), Trouble> {
        let file = open().map_err(|e| Trouble::Source(not_there(e)))?;
        let spec = WorkerSpec {
            kind,
            program: self.program.clone(),
            args: vec!["worker".into(), kind.into()],
            env: vec![("MALLOC_ARENA_MAX", "1".into()), ("LANG", "C.UTF-8".into()), ("TZ", "UTC".into())],
            start_timeout: START_LIMIT,
            job_timeout: JOB_LIMIT,
            jobs_per_worker: u32::MAX,
            workers: 1,
            idle_timeout: Duration::MAX,
        };
        let mut session = Session::start(&spec).map_err(Trouble::Dead)?;
        let job = Job::Open { disk_bytes: self.disk.bytes(), sector_bytes: self.disk.sector_bytes() };
        let whole = SourcePath::new("its file system");
        match self.step(&mut session, &whole, &job, Some(&file), JOB_LIMIT)? {
            (Answer::Opened { volumes, .. }, _) => Ok((session, volumes)),
            _ => Err(Trouble::Source(nonsense(&whole))),
        }
    }

    /// One question about a path.
    fn ask(&self, path: &SourcePath, job: &Job) -> Result<(Answer, Vec<u8>), SourceError> {
        self.with_reader(&mut self.state(), |session, _| self.step(session, path, job, None, JOB_LIMIT))
    }

    /// One job, and what a failure of it means.
    fn step(
        &self,
        session: &mut Session,
        path: &SourcePath,
        job: &Job,
        file: Option<&File>,
        limit: Duration,
    ) -> Result<(Answer, Vec<u8>), Trouble> {
        match session.call::<Answer>(job, file, limit).map_err(Trouble::Dead)? {
            (Answer::Gone(errno), _) => Err(Trouble::Source(SourceError::Gone(io::Error::from_raw_os_error(errno)))),
            (Answer::Failed(words), _) => Err(Trouble::Source(match self.probe() {
                // The page cache of a disk that was pulled answers with errors of every kind.
                Err(e) => SourceError::Gone(e),
                Ok(()) => SourceError::Read { path: path.clone(), source: io::Error::other(bounded(&words)) },
            })),
            answer => Ok(answer),
        }
    }

    /// An error where the disk is no longer there.
    fn probe(&self) -> io::Result<()> {
        match self.disk.probe() {
            Err(e) if is_gone(&e) => Err(e),
            _ => Ok(()),
        }
    }

    fn list(&self, state: &mut State) -> Result<Listing, SourceError> {
        let listing = self.with_reader(state, |session, _| {
            let whole = SourcePath::new("its file system");
            let (mut listing, mut bytes, mut restart) = (Listing::default(), 0, true);
            loop {
                let (answer, body) = self.step(session, &whole, &Job::List { restart }, None, JOB_LIMIT)?;
                restart = false;
                let (Answer::Lines { more }, Some(items)) = (answer, wire::lines(&body)) else {
                    return Err(Trouble::Source(nonsense(&whole)));
                };
                bytes += body.len();
                // Twice what an honest reader stops at.
                let (entries, most) = (listing.files.len() + listing.unreadable.len(), 2 * MAX_LISTING_BYTES);
                if bytes > most || entries + items.len() > 2 * MAX_ENTRIES || (more && items.is_empty()) {
                    return Err(Trouble::Source(nonsense(&whole)));
                }
                items.into_iter().map(|item| self.possible(item)).for_each(|item| item.add_to(&mut listing));
                if !more {
                    return Ok(listing);
                }
            }
        })?;
        // Directories that went away in the middle look like bad sectors: that is no listing.
        self.probe().map_err(SourceError::Gone)?;
        Ok(listing)
    }

    /// A file that is larger than its disk is told as what it is.
    fn possible(&self, item: Item) -> Item {
        match item {
            Item::File(file) if file.size_bytes > self.disk.bytes() => Item::Unreadable(Unreadable {
                path: file.path,
                reason: format!("it says that it has {} bytes, more than its disk", file.size_bytes),
            }),
            item => item,
        }
    }

    /// A file's length, and where its bytes stand from an offset on.
    fn pieces(&self, path: &SourcePath, from: u64) -> Result<(u64, Pieces), SourceError> {
        let missing = || SourceError::Read { path: path.clone(), source: Errno::NOENT.into() };
        match self.ask(path, &Job::Pieces { path: path.as_bytes().to_vec(), from })? {
            (Answer::Missing, _) => Err(missing()),
            (Answer::Pieces { size_bytes, from: begins, more, damage }, body) => {
                let pieces = wire::pieces(&body, self.disk.bytes()).ok_or_else(|| nonsense(path))?;
                let within =
                    pieces.iter().try_fold(begins, |at, p| at.checked_add(p.len).filter(|end| *end <= size_bytes));
                if (within.is_none() && !pieces.is_empty()) || begins > from {
                    return Err(nonsense(path));
                }
                let damage = damage.map(|words| bounded(&words));
                Ok((size_bytes, Pieces { from: begins, pieces, more, damage }))
            }
            _ => Err(nonsense(path)),
        }
    }

    /// Lets a child of its own take the file away, for the time of which the disk may be written.
    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        let result = self.begin(ERASER_KIND, || self.rights.open_writable()).and_then(|(mut session, _)| {
            let job = Job::Erase { path: proof.path.as_bytes().to_vec(), size_bytes: proof.size_bytes };
            self.step(&mut session, &proof.path, &job, None, ERASE_LIMIT)
        });
        // The child has ended with its session: the last writable descriptor is closed.
        let closed = self.rights.close_writable();
        let failed = |source| SourceError::Read { path: proof.path.clone(), source };
        match result {
            Ok((Answer::Erased, _)) => closed.map_err(failed),
            Ok((Answer::Changed, _)) => Err(SourceError::Changed(proof.path.clone())),
            Ok((Answer::Refused(words), _)) => Err(failed(io::Error::other(bounded(&words)))),
            Ok(_) => Err(nonsense(&proof.path)),
            Err(Trouble::Source(error)) => Err(error),
            Err(Trouble::Dead(error)) => {
                self.probe().map_err(SourceError::Gone)?;
                Err(failed(io::Error::other(format!("erasing it was not finished: {}", chain(&error)))))
            }
        }
    }
}

/// What the reader of a file asks for when it comes to the end of what it knows.
struct Places {
    inner: Arc<Inner>,
    path: SourcePath,
    size: u64,
}

impl Whereabouts for Places {
    fn pieces(&mut self, from: u64) -> io::Result<Pieces> {
        match self.inner.pieces(&self.path, from) {
            Ok((size, pieces)) if size == self.size => Ok(pieces),
            Ok(_) => Err(io::Error::other("it changed while it was read")),
            // By this number a copier knows that the recorder was pulled.
            Err(SourceError::Gone(_)) => Err(Errno::NODEV.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn disk(&self) -> &RawDisk {
        &self.inner.disk
    }
}

/// A listing without one file, in few bytes: the order of its lines does not matter.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    lines: usize,
    sum: [u8; 32],
}

impl Fingerprint {
    fn without(listing: &Listing, path: &SourcePath) -> Self {
        let mut print = Self { lines: 0, sum: [0; 32] };
        for file in listing.files.iter().filter(|f| f.path != *path) {
            print.add(&[file.path.as_bytes(), &file.size_bytes.to_le_bytes(), file.modified_raw.as_bytes()]);
        }
        for place in &listing.unreadable {
            print.add(&[place.path.as_bytes(), b"unreadable", place.reason.as_bytes()]);
        }
        print
    }

    fn add(&mut self, parts: &[&[u8]]) {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        self.lines += 1;
        self.sum.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(sum, byte)| *sum ^= byte);
    }
}

/// What it means that a disk cannot be opened: it was pulled, unless whoever holds the rights says otherwise.
fn not_there(source: io::Error) -> SourceError {
    let path = SourcePath::new("the disk");
    match source.kind() {
        io::ErrorKind::PermissionDenied => SourceError::Denied { path, source },
        io::ErrorKind::NotConnected => SourceError::Read { path, source },
        _ => SourceError::Gone(source),
    }
}

/// The reader was taken over, or is broken: nothing it says is used.
fn nonsense(path: &SourcePath) -> SourceError {
    let source = io::Error::new(io::ErrorKind::InvalidData, "its reader's answer cannot be");
    SourceError::Read { path: path.clone(), source }
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect()
}
