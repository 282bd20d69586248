//! Secrets: the configuration names the file that holds one, never the secret itself. It is read at the
//! moment of use, so that a changed key needs no restart, and it cannot be printed by accident.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::domain::error::{Retry, Retryable};

/// Longest secret that is read, in bytes; a key of any known service is far shorter.
const MAX_SECRET_BYTES: usize = 4096;
/// Longest secret of several lines, in bytes; a private key has a few thousand.
const MAX_SECRET_TEXT_BYTES: usize = 64 << 10;

/// The file that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// Names the file; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the secret: UTF-8, one line, white space at the ends dropped.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = std::fs::read_to_string(&self.0)
            .map_err(|source| SecretError::Unreadable { path: self.0.clone(), source })?;
        let secret = text.trim();
        if secret.is_empty() || secret.len() > MAX_SECRET_BYTES || secret.contains(char::is_control) {
            return Err(SecretError::NotOneLine { path: self.0.clone() });
        }
        Ok(Secret(secret.to_owned()))
    }

    /// Reads a secret of several lines (a private key) as it stands.
    pub fn read_text(&self) -> Result<Secret, SecretError> {
        let unreadable = |source| SecretError::Unreadable { path: self.0.clone(), source };
        let mut text = String::new();
        let limit = MAX_SECRET_TEXT_BYTES as u64;
        File::open(&self.0).and_then(|f| f.take(limit + 1).read_to_string(&mut text)).map_err(unreadable)?;
        if text.trim().is_empty() || text.len() > MAX_SECRET_TEXT_BYTES {
            return Err(SecretError::NoText { path: self.0.clone() });
        }
        Ok(Secret(text))
    }
}

/// A secret in memory. Its debug form hides it, and it has no display form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for signing and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Why a secret could not be read. A person must act in each case.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be opened or is not UTF-8.
    #[error("the secret in {path} cannot be read; check that it exists and that the service's user may read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Empty or too long.
    #[error("{path} must hold the secret alone, in at most {MAX_SECRET_TEXT_BYTES} bytes")]
    NoText {
        /// The file.
        path: PathBuf,
    },
    /// Empty, too long or more than one line.
    #[error("{path} must hold the secret alone, on one line of at most {MAX_SECRET_BYTES} bytes")]
    NotOneLine {
        /// The file.
        path: PathBuf,
    },
}

impl Retryable for SecretError {
    fn retry(&self) -> Retry {
        Retry::Operator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let file = SecretFile::new(&path);
        assert!(matches!(file.read(), Err(SecretError::Unreadable { .. })));
        for bad in ["", "  \n", "two\nlines", &"x".repeat(MAX_SECRET_BYTES + 1)] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(file.read(), Err(SecretError::NotOneLine { .. })), "{bad:?}");
        }
        std::fs::write(&path, "hunter2\n").unwrap();
        let secret = file.read().unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));

        std::fs::write(&path, "two\nlines\n").unwrap();
        assert_eq!(file.read_text().unwrap().expose(), "two\nlines\n");
        for bad in [" \n", &"x".repeat(MAX_SECRET_TEXT_BYTES + 1)] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(file.read_text(), Err(SecretError::NoText { .. })));
        }
    }
}
