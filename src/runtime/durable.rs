//! Files and directories that outlive a power cut. Owns making directories and writing small files whole, and making
//! their names durable; knows nothing of what is in them.
//!
//! A file's fsync says nothing about the names by which it is reached (POSIX; fsync(2)): each level's name is
//! durable only once the directory above it was synced. A level that is already there is no exception: an
//! earlier run may have been killed, or another thread be, between making it and syncing it. So each level is
//! synced once by each process, and remembered.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::io::Errno;

/// Levels remembered before all are forgotten, which costs a few syncs and no more.
const MAX_KNOWN: usize = 4096;

/// Waits until the names in a directory are on disk.
///
/// Mounts that cannot sync a directory (SMB) say `EINVAL`; they send every name to their server at once. From
/// a file system that is mounted read-only nothing can get lost.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        Err(e) if [Errno::INVAL, Errno::ROFS].iter().any(|n| e.raw_os_error() == Some(n.raw_os_error())) => Ok(()),
        other => other,
    }
}

/// Writes a whole file with this mode, on disk for good: it stands there as it was before, or as it is now.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes `dir` and all that is missing above it, and every name on the way to it durable.
pub fn make_dir_all(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for above in std::path::absolute(dir)?.ancestors().skip(1) {
        match sync_dir(above) {
            // What we may not read we did not make.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

/// Directories that this process has made durable.
#[derive(Debug, Default)]
pub struct Dirs(Mutex<BTreeSet<PathBuf>>);

impl Dirs {
    /// Makes `dir` and every level between it and `top`, which must be there, and their names durable.
    pub fn make(&self, top: &Path, dir: &Path) -> io::Result<()> {
        let mut levels: Vec<&Path> = dir.ancestors().take_while(|level| *level != top).collect();
        while let Some(level) = levels.pop() {
            if self.known(level) && level.is_dir() {
                continue;
            }
            match fs::create_dir(level) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
            if let Some(above) = level.parent() {
                sync_dir(above)?;
            }
            // Only now: another thread that comes between syncs it, too.
            self.remember(level);
        }
        Ok(())
    }

    fn known(&self, level: &Path) -> bool {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).contains(level)
    }

    fn remember(&self, level: &Path) {
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(level.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_what_is_missing_and_again_what_was_removed() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("a/b/c");
        let dirs = Dirs::default();
        for _ in 0..2 {
            dirs.make(top.path(), &dir).unwrap();
            dirs.make(top.path(), &dir).unwrap();
            assert!(dir.is_dir());
            fs::remove_dir_all(top.path().join("a")).unwrap();
        }
        fs::write(top.path().join("a"), b"a file").unwrap();
        assert!(dirs.make(top.path(), &dir).is_err());
        make_dir_all(&top.path().join("x/y")).unwrap();
        assert!(top.path().join("x/y").is_dir());
    }
}
