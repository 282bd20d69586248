//! The directory itself: its mark, uploads under way, objects. Blocks; runs on blocking threads. Every file
//! is durable under its temporary name before it gets its final one, and no name is ever taken over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::Digest;

use super::files::{self, rename_new};
use super::path_of;
use crate::deliver::blocks::{BLOCK_BYTES, FileSource};
use crate::domain::digest::Sha256;
use crate::domain::ports::{ByteSource, HeldPart, PartSpec, RemoteObject};
use crate::runtime::durable::{self, Dirs};

/// Marks a directory as a destination.
pub(super) const MARK: &str = ".evidock-destination";
const MARK_TEXT: &str =
    "evidock keeps footage here; without this file it writes nothing, lest it fill the disk below a lost mount.\n";
const UPLOADS: &str = ".uploads";
const REPLACED: &str = ".replaced";
/// Keys in one listing (the port's promise).
const MAX_LISTED: usize = 1000;

/// Why the place did not do it.
#[derive(Debug)]
pub(super) enum PlaceError {
    MarkLost,
    SessionLost,
    Differs(String),
    Misused(&'static str),
    /// Our own copy.
    Local(io::Error),
    /// The place.
    Disk(io::Error),
}

impl From<io::Error> for PlaceError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    dirs: Dirs,
    /// The root's own name was made durable by this process.
    rooted: AtomicBool,
}

impl Place {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), dirs: Dirs::default(), rooted: AtomicBool::new(false) }
    }

    /// Checks the mark; where none can be expected yet, makes the place and marks it.
    pub fn ensure_mark(&self, expected: bool) -> Result<(), PlaceError> {
        let path = self.root.join(MARK);
        match fs::exists(&path)? {
            true => return self.make_root(),
            false if expected => return Err(PlaceError::MarkLost),
            false => {}
        }
        self.make_root()?;
        let temporary = self.make_dir(UPLOADS)?.join(files::random_name());
        files::write_durable(&temporary, MARK_TEXT.as_bytes())?;
        match rename_new(&temporary, &path) {
            // Another task or station was first; it wrote the same.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&temporary)?,
            other => other?,
        }
        Ok(files::sync_dir(&self.root)?)
    }

    /// Makes the root and its name durable, once a process: an earlier one may have been killed before it did.
    fn make_root(&self) -> Result<(), PlaceError> {
        if !self.rooted.load(Ordering::SeqCst) {
            durable::make_dir_all(&self.root)?;
            self.rooted.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn make_dir(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.root.join(name);
        self.dirs.make(&self.root, &dir)?;
        Ok(dir)
    }

    /// Whether the place is on the device of `other`, or of what is to hold that where it is not made yet (a restore asks
    /// before there is a vault).
    pub fn same_device(&self, other: &Path) -> Result<bool, PlaceError> {
        let mut found = Err(io::ErrorKind::NotFound.into());
        for at in other.ancestors() {
            found = fs::metadata(at);
            if !matches!(&found, Err(e) if e.kind() == io::ErrorKind::NotFound) {
                break;
            }
        }
        Ok(fs::metadata(&self.root)?.dev() == found.map_err(PlaceError::Local)?.dev())
    }

    pub fn begin(&self) -> Result<String, PlaceError> {
        let session = files::random_name();
        self.make_dir(UPLOADS)?;
        OpenOptions::new().write(true).create_new(true).open(self.upload(&session, "part")?)?;
        files::sync_dir(&self.root.join(UPLOADS))?;
        Ok(session)
    }

    /// Writes a part at its offset, hashing on the way; it counts once it is on disk.
    pub fn write_part(&self, session: &str, part: &PartSpec, body: &dyn ByteSource) -> Result<(), PlaceError> {
        let file = self.open_upload(session)?;
        let mut buffer = vec![0; BLOCK_BYTES];
        let mut hasher = sha2::Sha256::new();
        let (mut at, end) = (part.offset, part.offset + part.len);
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let n = match body.read_at(at, &mut buffer[..want]) {
                Ok(0) => return Err(PlaceError::Local(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(PlaceError::Local(e)),
            };
            hasher.update(&buffer[..n]);
            file.write_all_at(&buffer[..n], at)?;
            at += n as u64;
        }
        let written = Sha256(hasher.finalize().into());
        if written != part.sha256 {
            let what = format!("part {} has SHA-256 {written}, it was {} when it was copied", part.n + 1, part.sha256);
            return Err(PlaceError::Differs(what));
        }
        file.sync_data()?;
        files::forget_cached(&file);
        // The line is a hint and need not be durable; it must only never come before what it speaks of.
        let mut held = OpenOptions::new().append(true).create(true).open(self.upload(session, "parts")?)?;
        held.write_all(format!("{} {} {}\n", part.n, part.len, part.sha256).as_bytes())?;
        Ok(())
    }

    pub fn held(&self, session: &str) -> Result<Vec<HeldPart>, PlaceError> {
        self.open_upload(session)?;
        let text = match fs::read_to_string(self.upload(session, "parts")?) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e.into()),
        };
        let mut held: Vec<HeldPart> = text.lines().filter_map(held_line).collect();
        held.sort_by_key(|part| part.n);
        held.dedup_by_key(|part| part.n);
        Ok(held)
    }

    /// Gives the finished file its name. Another object under that name is kept, unless it has the same bytes.
    pub fn complete(&self, session: &str, key: &str, size: u64, sha256: Sha256) -> Result<(), PlaceError> {
        let part = self.upload(session, "part")?;
        let file = self.open_upload(session)?;
        let length = file.metadata()?.len();
        if length != size {
            return Err(PlaceError::Differs(format!("{length} bytes were written, {size} were to be")));
        }
        file.sync_all()?;
        files::forget_cached(&file);
        let target = self.make_room(key)?;
        if let Err(e) = rename_new(&part, &target) {
            if e.kind() != io::ErrorKind::AlreadyExists {
                return Err(e.into());
            }
            if digest(&target)? == sha256 {
                fs::remove_file(&part)?;
            } else {
                let replaced = self.make_dir(REPLACED)?;
                rename_new(&target, &replaced.join(session))?;
                files::sync_dir(&replaced)?;
                rename_new(&part, &target)?;
            }
        }
        files::sync_parent(&target)?;
        files::remove_if_there(&self.upload(session, "parts")?)?;
        Ok(())
    }

    pub fn abort(&self, session: &str) -> Result<(), PlaceError> {
        files::remove_if_there(&self.upload(session, "part")?)?;
        files::remove_if_there(&self.upload(session, "parts")?)?;
        Ok(())
    }

    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        let target = self.make_room(key)?;
        self.make_dir(UPLOADS)?;
        let temporary = self.upload(&files::random_name(), "part")?;
        files::write_durable(&temporary, bytes)?;
        match rename_new(&temporary, &target) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&temporary)?;
                if fs::metadata(&target)?.len() != bytes.len() as u64 || fs::read(&target)? != bytes {
                    return Err(PlaceError::Differs("another object stands there under the same key".into()));
                }
            }
            Err(e) => return Err(e.into()),
        }
        Ok(files::sync_parent(&target)?)
    }

    /// Looks at an object. What is there when this returns stays there: a kill may have come between the
    /// rename that gave it its name and the sync of the directory, and what is found here is taken for stored.
    pub fn head(&self, key: &str) -> Result<Option<RemoteObject>, PlaceError> {
        let path = path_of(&self.root, key);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {
                self.make_room(key)?;
                files::sync_parent(&path)?;
                Ok(Some(RemoteObject {
                    size_bytes: found.len(),
                    tag: format!("{}-{}.{:09}", found.ino(), found.mtime(), found.mtime_nsec()),
                    ..RemoteObject::default()
                }))
            }
            Ok(_) => Ok(None),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens an object for reading what the disk holds, not what memory remembers of it.
    pub fn open(&self, key: &str) -> Result<FileSource, PlaceError> {
        let file = match File::open(path_of(&self.root, key)) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => return Err(PlaceError::Differs("it is not there".into())),
            Err(e) => return Err(e.into()),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(PlaceError::Differs("it is not there".into()));
        }
        files::forget_cached(&file);
        Ok(FileSource(file, found.len()))
    }

    /// Removes an object for good: its name is gone when this returns.
    pub fn remove_durably(&self, key: &str) -> Result<(), PlaceError> {
        let path = path_of(&self.root, key);
        match fs::remove_file(&path) {
            Ok(()) => Ok(files::sync_parent(&path)?),
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Removes the probe object.
    pub fn remove(&self, key: &str) -> Result<(), PlaceError> {
        Ok(files::remove_if_there(&path_of(&self.root, key))?)
    }

    pub fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PlaceError> {
        let mut keys = Vec::new();
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.walk(folder, prefix, after.unwrap_or_default(), &mut keys)?;
        Ok(keys)
    }

    /// Keys below `folder` in byte order: a directory sorts as its name with the slash that its keys have.
    fn walk(&self, folder: &str, prefix: &str, after: &str, keys: &mut Vec<String>) -> Result<(), PlaceError> {
        let entries = match fs::read_dir(path_of(&self.root, folder)) {
            Ok(entries) => entries,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                names.push(format!("{key}/"));
            } else if kind.is_file() {
                names.push(key);
            }
        }
        names.sort_unstable();
        for name in names {
            if keys.len() == MAX_LISTED {
                break;
            }
            match name.strip_suffix('/') {
                Some(folder) => {
                    let may_match = name.starts_with(prefix) || prefix.starts_with(&name);
                    // Every key below sorts before `after` unless `after` is below too or sorts before the directory.
                    let may_follow = name.as_str() > after || after.starts_with(&name);
                    if may_match && may_follow {
                        self.walk(folder, prefix, after, keys)?;
                    }
                }
                None if name.starts_with(prefix) && name.as_str() > after => keys.push(name),
                None => {}
            }
        }
        Ok(())
    }

    fn upload(&self, session: &str, extension: &str) -> Result<PathBuf, PlaceError> {
        // A session comes out of a database; it names a file only if it is one of ours.
        if !files::is_random_name(session) {
            return Err(PlaceError::SessionLost);
        }
        Ok(self.root.join(UPLOADS).join(format!("{session}.{extension}")))
    }

    fn open_upload(&self, session: &str) -> Result<File, PlaceError> {
        match OpenOptions::new().write(true).open(self.upload(session, "part")?) {
            Ok(file) => Ok(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(PlaceError::SessionLost),
            Err(e) => Err(e.into()),
        }
    }

    /// The path of an object, with every directory above it made and durable, also those that another task is
    /// just making, or that a killed one made.
    fn make_room(&self, key: &str) -> Result<PathBuf, PlaceError> {
        let target = path_of(&self.root, key);
        if let Some(directory) = target.parent() {
            self.dirs.make(&self.root, directory)?;
        }
        Ok(target)
    }
}

fn held_line(line: &str) -> Option<HeldPart> {
    let mut words = line.split(' ');
    let (n, len) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    // A line that a crash cut short has no whole digest.
    let sha256: Sha256 = words.next()?.parse().ok()?;
    Some(HeldPart { n, len, tag: sha256.to_string(), sha256: Some(sha256) })
}

fn digest(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    files::forget_cached(&file);
    let (mut hasher, mut buffer) = (sha2::Sha256::new(), vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Sha256(hasher.finalize().into()))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
