//! One daemon a state directory: an advisory lock (flock(2)) on `evidock.lock` in it, which the kernel
//! releases however the daemon ends. The file's content is the holder's process id, for people; the lock
//! alone decides.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Name of the lock file in the state directory.
const FILE_NAME: &str = "evidock.lock";

/// Holds the state directory until dropped.
#[derive(Debug)]
pub struct StateLock {
    // Closing the descriptor releases the lock. The file stays: removing it would let two daemons hold locks
    // on two files of the same name.
    _file: File,
}

/// Why the state directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error(
        "{dir} is in use by another evidock (process {holder}); stop it first, or choose another state directory with --state"
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Its process id as it wrote it, or `unknown`.
        holder: String,
    },
    /// The directory or the file in it cannot be made.
    #[error("{dir} cannot be used as state directory; it must exist or be creatable, and be writable for this user")]
    Unusable {
        /// The state directory.
        dir: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

impl StateLock {
    /// Takes the lock on `dir`, which is made if it does not exist. Does not wait.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { dir: dir.to_owned(), source };
        super::durable::make_dir_all(dir).map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE_NAME))
            .map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = (&mut file).take(32).read_to_string(&mut text);
                let holder = text.trim();
                let known = read.is_ok() && !holder.is_empty() && holder.bytes().all(|b| b.is_ascii_digit());
                let holder = if known { holder } else { "unknown" }.to_owned();
                return Err(LockError::Held { dir: dir.to_owned(), holder });
            }
            Err(errno) => return Err(unusable(errno.into())),
        }
        file.set_len(0).map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        let first = StateLock::acquire(&state).unwrap();
        let refused = StateLock::acquire(&state).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateLock::acquire(&state).unwrap();
    }

    #[test]
    fn what_is_no_directory_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(StateLock::acquire(&file), Err(LockError::Unusable { .. })));
    }
}
