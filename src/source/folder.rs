//! A directory as a recorder: a docked card that the operating system mounted, or files that a program put there.
//!
//! Owns reading it without being led astray. Every look walks from the root one component at a time with
//! `openat(O_NOFOLLOW)`, so no symbolic link is ever followed (`openat2` would do it in one call, but kernel
//! 4.19 of 麒麟 V10 has none). The root is known by device and inode: what is put in its place is not this
//! recorder; a root that was handed over open has no name at all. Writes nothing, and sets no access times where it may avoid it; only [`Shelf::erase`] on a shelf
//! opened for it changes anything.
//!
//! `modified_raw` is `seconds.nanoseconds` since the Unix epoch (nine digits), as the file system gives it.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, Dir, FileType, Mode, OFlags, Stat, fadvise, fstat, fsync, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath, Unreadable};

/// Deepest directory that is listed. Recorders use two to four; a loop of bind mounts has no end.
pub const MAX_DEPTH: usize = 32;

/// Most entries that one listing looks at. A 512 GB card of one-minute clips has some 10,000.
pub const MAX_ENTRIES: usize = 500_000;

/// What was read is dropped from the page cache in steps of this many bytes: rarely enough to cost
/// nothing, often enough that a dock of eight bays holds no more than 64 MiB of the box's memory.
const DROP_BYTES: u64 = 8 << 20;

/// Longest name of a bay in characters (`domain::ids::BayName`).
const MAX_BAY_CHARS: usize = 64;

/// A docked directory.
#[derive(Debug)]
pub struct FolderShelf {
    root: Root,
    at: FolderId,
    bay: String,
    read_only: bool,
}

/// How the root is reached.
#[derive(Debug)]
enum Root {
    /// By its name: the directory that stands there each time.
    Named(PathBuf),
    /// By a descriptor on it.
    Handed(OwnedFd),
}

/// Which directory it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

impl FolderId {
    fn of(stat: &Stat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino }
    }
}

impl FolderShelf {
    /// Takes the directory that stands at `root` now. `root` itself must not be a symbolic link.
    pub fn new(root: &Path, read_only: bool) -> Result<Self, SourceError> {
        Self::at(Root::Named(root.to_owned()), bay_name(root), read_only)
    }

    /// Takes an open directory, such as the root of a mount that has no place of its own; read-only.
    pub fn over(root: OwnedFd, bay: &str) -> Result<Self, SourceError> {
        Self::at(Root::Handed(root), bay.to_owned(), true)
    }

    fn at(root: Root, bay: String, read_only: bool) -> Result<Self, SourceError> {
        let fd = root.open().map_err(|e| root.error(e))?;
        let stat = fstat(&fd).map_err(|e| root.error(e))?;
        Ok(Self { root, at: FolderId::of(&stat), bay, read_only })
    }

    /// Which directory it is.
    pub fn id(&self) -> FolderId {
        self.at
    }

    /// The root, if the same directory still stands there.
    fn root(&self) -> Result<OwnedFd, SourceError> {
        let fd = self.root.open().map_err(|e| self.root.error(e))?;
        let stat = fstat(&fd).map_err(|e| self.root.error(e))?;
        if FolderId::of(&stat) != self.at {
            return Err(SourceError::Gone(io::Error::other("another directory stands in its place")));
        }
        Ok(fd)
    }

    /// Opens the directory that holds `path` and gives the last name; `Ok(None)` where a directory on the
    /// way is missing or is no directory any more (a link that was put there too).
    fn parent(&self, path: &SourcePath) -> Result<Option<(OwnedFd, CString)>, SourceError> {
        let mut names = path.as_bytes().split(|b| *b == b'/').map(component).collect::<Option<Vec<_>>>();
        let Some(last) = names.as_mut().and_then(Vec::pop) else {
            return Err(SourceError::Unsupported("open a path that leads outside the recorder"));
        };
        let mut dir = self.root()?;
        for name in names.unwrap_or_default() {
            match open_dir(&dir, &name) {
                Ok(next) => dir = next,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(e) => return Err(file_error(path, e)),
            }
        }
        Ok(Some((dir, last)))
    }

    /// Opens a regular file. A path at which something else stands now gives [`SourceError::Changed`].
    fn open_file(&self, path: &SourcePath) -> Result<(OwnedFd, CString, OwnedFd, Stat), SourceError> {
        let missing = || SourceError::Read { path: path.clone(), source: Errno::NOENT.into() };
        let (dir, name) = self.parent(path)?.ok_or_else(missing)?;
        // Looked at first, because merely opening a device node can have effects; looked at again when open. O_NONBLOCK:
        // a FIFO that takes its place in between would wait for its writer for ever.
        let stat = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| file_error(path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(SourceError::Changed(path.clone()));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match open_quietly(&dir, &name, flags) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::NXIO) => return Err(SourceError::Changed(path.clone())),
            Err(e) => return Err(file_error(path, e)),
        };
        let stat = fstat(&file).map_err(|e| file_error(path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(SourceError::Changed(path.clone()));
        }
        Ok((dir, name, file, stat))
    }
}

impl Shelf for FolderShelf {
    fn identity(&self) -> ShelfIdentity {
        ShelfIdentity {
            bay: self.bay.clone(),
            volume_label: Some(self.bay.clone()),
            kind: "folder",
            erasable: !self.read_only,
            ..ShelfIdentity::default()
        }
    }

    fn list(&self) -> Result<Listing, SourceError> {
        let mut walk = Walk { listing: Listing::default(), seen: 0 };
        walk.directory(self.root()?, &mut Vec::new(), 0)?;
        // A file system that went away in the middle lists as empty directories: that is no listing.
        self.root()?;
        Ok(walk.listing)
    }

    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        let Some((dir, name)) = self.parent(path)? else { return Ok(None) };
        match statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(entry(path.clone(), &stat)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(file_error(path, e)),
        }
    }

    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn Read + Send>, SourceError> {
        let (_, _, file, _) = self.open_file(path)?;
        let mut file = File::from(file);
        // Advice only: a file system that takes none reads just as well.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        file.seek(SeekFrom::Start(offset_bytes)).map_err(|source| SourceError::Read { path: path.clone(), source })?;
        Ok(Box::new(PassingReader { file, at: offset_bytes, dropped: offset_bytes }))
    }

    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        if self.read_only {
            return Err(SourceError::Unsupported("erase: it is read-only to us"));
        }
        let changed = || SourceError::Changed(proof.path.clone());
        let (dir, name, _file, opened) = match self.open_file(&proof.path) {
            Err(SourceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Err(changed()),
            other => other?,
        };
        let error = |e| file_error(&proof.path, e);
        // What is unlinked goes by its name: the name must still mean the file that was measured. The file is
        // held open over the check, so its inode number cannot be given to another in between.
        let named = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
        let size = u64::try_from(named.st_size).unwrap_or_default();
        if FolderId::of(&named) != FolderId::of(&opened) || size != proof.size_bytes {
            return Err(changed());
        }
        unlinkat(&dir, &name, AtFlags::empty()).map_err(error)?;
        fsync(&dir).map_err(error)
    }
}

/// One listing under way.
struct Walk {
    listing: Listing,
    seen: usize,
}

impl Walk {
    /// Lists an open directory whose path on the recorder is `path`. Errors only where the recorder is gone.
    fn directory(&mut self, dir: OwnedFd, path: &mut Vec<u8>, depth: usize) -> Result<(), SourceError> {
        let mut entries = match Dir::read_from(&dir) {
            Ok(entries) => entries,
            Err(e) => return self.refused(path, e),
        };
        while let Some(next) = entries.read() {
            let name = match next {
                Ok(next) => next.file_name().to_owned(),
                Err(e) => return self.refused(path, e),
            };
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > MAX_ENTRIES {
                self.note(path, format!("more than {MAX_ENTRIES} entries; what follows was not listed"));
                return Ok(());
            }
            let before = path.len();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.one(&dir, &name, path, depth)?;
            path.truncate(before);
        }
        Ok(())
    }

    fn one(&mut self, dir: &OwnedFd, name: &CStr, path: &mut Vec<u8>, depth: usize) -> Result<(), SourceError> {
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Taken away between the two calls: it is not on the recorder.
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return self.refused(path, e),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.listing.files.push(entry(SourcePath::new(path.clone()), &stat)),
            FileType::Directory if depth + 1 >= MAX_DEPTH => {
                self.note(path, format!("deeper than {MAX_DEPTH} directories; not listed"));
            }
            FileType::Directory => match open_dir(dir, name) {
                Ok(inner) => self.directory(inner, path, depth + 1)?,
                Err(e) => self.refused(path, e)?,
            },
            FileType::Symlink => self.note(path, "a symbolic link; not followed".into()),
            FileType::Fifo => self.note(path, "a FIFO, not a file".into()),
            FileType::Socket => self.note(path, "a socket, not a file".into()),
            _ => self.note(path, "a device, not a file".into()),
        }
        Ok(())
    }

    fn refused(&mut self, path: &[u8], e: Errno) -> Result<(), SourceError> {
        if is_gone(e) {
            return Err(SourceError::Gone(e.into()));
        }
        self.note(path, io::Error::from(e).to_string());
        Ok(())
    }

    fn note(&mut self, path: &[u8], reason: String) {
        self.listing.unreadable.push(Unreadable { path: SourcePath::new(path), reason });
    }
}

/// Reads forward and lets go of what it read, so that a dock of 64 GB does not push everything else out of the
/// box's page cache.
struct PassingReader {
    file: File,
    at: u64,
    dropped: u64,
}

impl PassingReader {
    fn drop_read(&mut self) {
        if let Some(len) = NonZeroU64::new(self.at - self.dropped) {
            // Advice only: where it is not taken, pages stay until they are needed elsewhere.
            let _ = fadvise(&self.file, self.dropped, Some(len), Advice::DontNeed);
            self.dropped = self.at;
        }
    }
}

impl Read for PassingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.at += n as u64;
        if self.at - self.dropped >= DROP_BYTES {
            self.drop_read();
        }
        Ok(n)
    }
}

impl Drop for PassingReader {
    fn drop(&mut self) {
        self.drop_read();
    }
}

/// Reads a whole small file of a recorder: all of it, or an error. `limit_bytes` is checked against the listing.
pub(crate) fn read_small(shelf: &dyn Shelf, entry: &ShelfEntry, limit_bytes: u64) -> Result<Vec<u8>, SourceError> {
    let error = |source| SourceError::Read { path: entry.path.clone(), source };
    if entry.size_bytes > limit_bytes {
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit_bytes} bytes"))));
    }
    let mut bytes = Vec::new();
    let read = shelf.open(&entry.path, 0)?.take(entry.size_bytes).read_to_end(&mut bytes);
    match read {
        Ok(n) if n as u64 == entry.size_bytes => Ok(bytes),
        Ok(_) => Err(error(io::ErrorKind::UnexpectedEof.into())),
        Err(e) if e.raw_os_error().is_some_and(|n| is_gone(Errno::from_raw_os_error(n))) => Err(SourceError::Gone(e)),
        Err(e) => Err(error(e)),
    }
}

/// The name of a bay for the directory `root`: escaped, and where it is longer than a bay's name may be,
/// cut and made unique by a digest of the whole.
pub(crate) fn bay_name(root: &Path) -> String {
    let name = SourcePath::new(root.file_name().unwrap_or(root.as_os_str()).as_bytes()).file_name();
    let name = if name.trim().is_empty() { "unnamed".to_owned() } else { name };
    if name.chars().count() <= MAX_BAY_CHARS {
        return name;
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    let cut: String = name.chars().take(MAX_BAY_CHARS - 9).collect();
    format!("{cut}~{}", &digest[..8])
}

impl Root {
    fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self {
            Self::Named(path) => rustix::fs::open(path, flags, Mode::empty()),
            Self::Handed(fd) => openat(fd, ".", flags, Mode::empty()),
        }
    }

    fn error(&self, e: Errno) -> SourceError {
        let path = match self {
            Self::Named(path) => SourcePath::new(path.as_os_str().as_bytes()),
            Self::Handed(_) => SourcePath::new("/"),
        };
        match e {
            Errno::ACCESS | Errno::PERM => SourceError::Denied { path, source: e.into() },
            // Whatever else keeps the root shut, the recorder is not there to be read.
            e => SourceError::Gone(e.into()),
        }
    }
}

fn open_dir(dir: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    open_quietly(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)
}

/// Opens without setting the access time where the kernel lets us (owner or CAP_FOWNER), else plainly.
fn open_quietly(dir: impl AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    match openat(&dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(&dir, name, flags, Mode::empty()),
        other => other,
    }
}

/// One name inside a directory; `None` for what would lead elsewhere.
fn component(name: &[u8]) -> Option<CString> {
    if matches!(name, b"" | b"." | b"..") { None } else { CString::new(name).ok() }
}

fn entry(path: SourcePath, stat: &Stat) -> ShelfEntry {
    let (secs, nanos): (i64, i64) = (stat.st_mtime, stat.st_mtime_nsec as i64);
    ShelfEntry {
        path,
        size_bytes: u64::try_from(stat.st_size).unwrap_or_default(),
        modified_raw: format!("{secs}.{nanos:09}"),
        modified_ms: secs.checked_mul(1000).and_then(|ms| ms.checked_add(nanos / 1_000_000)),
    }
}

/// What the kernel says when the device behind a file system is no longer there.
fn is_gone(e: Errno) -> bool {
    matches!(e, Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::STALE | Errno::SHUTDOWN | Errno::HOSTDOWN)
}

fn file_error(path: &SourcePath, e: Errno) -> SourceError {
    match e {
        Errno::ACCESS | Errno::PERM => SourceError::Denied { path: path.clone(), source: e.into() },
        e if is_gone(e) => SourceError::Gone(e.into()),
        e => SourceError::Read { path: path.clone(), source: e.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bays_are_bounded_and_stay_apart() {
        assert_eq!(bay_name(Path::new("/dock/3号口")), "3号口");
        assert_eq!(bay_name(Path::new("/dock/a\nb")), "a\\x0ab");
        let (a, b) = (format!("/dock/{}a", "长".repeat(80)), format!("/dock/{}b", "长".repeat(80)));
        let (a, b) = (bay_name(Path::new(&a)), bay_name(Path::new(&b)));
        assert_ne!(a, b);
        assert!(crate::domain::ids::BayName::new(&a).is_ok());
    }

    #[test]
    fn components_that_lead_elsewhere_are_none() {
        for bad in [&b""[..], b".", b"..", b"a\0b"] {
            assert!(component(bad).is_none());
        }
        assert!(component(b"...").is_some());
        assert!(component(b"\xff").is_some());
    }

    #[test]
    fn times_keep_their_raw_form() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, b"x").unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::new(1_781_834_604, 5_000_000);
        File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        let listing = FolderShelf::new(dir.path(), true).unwrap().list().unwrap();
        assert_eq!(listing.files[0].modified_raw, "1781834604.005000000");
        assert_eq!(listing.files[0].modified_ms, Some(1_781_834_604_005));
    }
}
