//! Small steps on files that disks and network mounts take differently.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{Advice, AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use crate::domain::digest::{from_hex, to_hex};
pub(super) use crate::runtime::durable::sync_dir;

/// 32 hexadecimal digits that nobody else draws.
pub(super) fn random_name() -> String {
    to_hex(&rand::random::<[u8; 16]>())
}

/// Whether `text` could have come from [`random_name`].
pub(super) fn is_random_name(text: &str) -> bool {
    text.len() == 32 && from_hex(text).is_some()
}

/// Renames without ever taking over a name: `AlreadyExists` when `to` is there.
///
/// NFS and some others lack `renameat2(RENAME_NOREPLACE)`, SMB lacks hard links too; there, names have one
/// writer (this station), so looking first is enough.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        other => return Ok(other?),
    }
    match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Ok(()) => return fs::remove_file(from),
        Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        Err(e) => return Err(e.into()),
    }
    if fs::exists(to)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Writes a new file and waits until it is on disk.
pub(super) fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// [`sync_dir`] of the directory in which `path` stands.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file; absence is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Drops a file's clean pages from memory: it keeps the cache for others, and makes reading back read the disk.
/// Advice only; a kernel or mount that does not take it changes nothing.
pub(super) fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write_durable(&a, b"1").unwrap();
        rename_new(&a, &b).unwrap();
        assert!(!a.exists());
        write_durable(&a, b"2").unwrap();
        assert_eq!(rename_new(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&b).unwrap(), b"1");
    }

    #[test]
    fn random_names_are_recognised() {
        assert!(is_random_name(&random_name()));
        for other in ["", "..", "../../etc/passwd", &"g".repeat(32), &"A".repeat(32)] {
            assert!(!is_random_name(other), "{other}");
        }
    }
}
