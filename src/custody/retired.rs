//! Keys under which a station's log was signed before its present one: verifier keys, one a line, in `log.retired`
//! in the state directory. Written by a restore that goes on under a new key, read by whoever checks older
//! checkpoints. A key that stands here is trusted for this station's log as its present one is. SM2 keys have a file of
//! their own, `log.sm2.retired`, with a line for each as well.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::note::{NoteError, VerifierKey};
use super::sm2::Sm2Key;
use crate::runtime::durable;

/// Name of the file in the state directory.
const FILE_NAME: &str = "log.retired";
/// And of that for SM2 keys.
const SM2_FILE_NAME: &str = "log.sm2.retired";

/// Why retired keys could not be had. A person must act on each of these.
#[derive(Debug, thiserror::Error)]
pub enum RetiredError {
    /// The operating system refused.
    #[error("{doing} {path} failed; check that the directory exists and belongs to evidock's user")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A line of the file is no key.
    #[error("{path}: a line is not a verifier key; put back what the restore wrote, or remove the line")]
    Line {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: NoteError,
    },
}

/// The retired keys of the station whose state directory this is; none is the ordinary case.
pub fn read(state_dir: &Path) -> Result<Vec<VerifierKey>, RetiredError> {
    read_from(state_dir.join(FILE_NAME))
}

/// Makes `keys` the retired ones, durably and whole.
pub fn write(state_dir: &Path, keys: &[VerifierKey]) -> Result<(), RetiredError> {
    write_to(state_dir, FILE_NAME, keys)
}

/// The retired SM2 keys.
pub fn read_sm2(state_dir: &Path) -> Result<Vec<Sm2Key>, RetiredError> {
    read_from(state_dir.join(SM2_FILE_NAME))
}

/// Makes `keys` the retired SM2 keys, durably and whole.
pub fn write_sm2(state_dir: &Path, keys: &[Sm2Key]) -> Result<(), RetiredError> {
    write_to(state_dir, SM2_FILE_NAME, keys)
}

fn read_from<K: FromStr<Err = NoteError>>(path: PathBuf) -> Result<Vec<K>, RetiredError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RetiredError::Io { doing: "reading", path, source }),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().map_err(|source| RetiredError::Line { path: path.clone(), source })).collect()
}

fn write_to(state_dir: &Path, name: &str, keys: &[impl Display]) -> Result<(), RetiredError> {
    let path = state_dir.join(name);
    let failed = |doing| {
        let path = path.clone();
        move |source| RetiredError::Io { doing, path, source }
    };
    let draft = state_dir.join(format!("{name}.new"));
    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let written = fs::File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&draft, &path)).map_err(failed("writing"))?;
    durable::sync_dir(state_dir).map_err(failed("syncing the directory of"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::key::FileSigner;

    #[test]
    fn read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        let key = |seed| VerifierKey::of(&FileSigner::from_seed("evidock/one", [seed; 32]).unwrap()).unwrap();
        for keys in [vec![key(1)], vec![key(1), key(2)], vec![]] {
            write(dir.path(), &keys).unwrap();
            assert_eq!(read(dir.path()).unwrap(), keys);
        }
        fs::write(dir.path().join(FILE_NAME), "x\n").unwrap();
        assert!(matches!(read(dir.path()), Err(RetiredError::Line { .. })));
        // Those of the other kind stand elsewhere, and neither is read as the other.
        assert_eq!(read_sm2(dir.path()).unwrap(), []);
        let sm2 = [crate::custody::sm2::Sm2Signer::from_secret("evidock/one", &[1; 32]).unwrap().verifier()];
        write_sm2(dir.path(), &sm2).unwrap();
        assert_eq!(read_sm2(dir.path()).unwrap(), sm2);
        fs::write(dir.path().join(SM2_FILE_NAME), format!("{}\n", key(1))).unwrap();
        assert!(matches!(read_sm2(dir.path()), Err(RetiredError::Line { .. })));
    }
}
