//! Configuration: as written (serde, unknown keys refused) and as resolved (validated).
//!
//! [`load`] is the one way from a file, or from the embedded defaults, to [`Settings`]. An error is one
//! message that names the file, the line, the key and what to write instead.

mod custody;
mod derived;
mod destination;
mod form;
mod keep;
mod network;
mod notice;
mod oversight;
mod resolve;
mod secret;
mod sending;
mod settings;
mod show;
mod signin;
mod stream;
mod usb;
pub mod written;

use std::fmt;
use std::path::{Path, PathBuf};

pub use form::nearest;
pub use resolve::{DEFAULT_STATE_DIR, Surroundings};
pub use secret::{Secret, SecretError, SecretFile};
pub use settings::*;
pub use signin::is_loopback;
pub use stream::{address, port_of};

/// The commented file with every key, its default and its unit.
pub const DEFAULT_FILE: &str = include_str!("../../config/evidock.toml");
/// Read where no other file is named and this one exists.
pub const SYSTEM_FILE: &str = "/etc/evidock/evidock.toml";
/// Named in place of a file, this asks for the embedded defaults even where [`SYSTEM_FILE`] exists.
pub const EMBEDDED: &str = "default";

/// Why there are no settings. A person must act; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: this configuration file cannot be read; `evidock config print-default` prints one to begin with")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Something in it cannot be used.
    #[error("{at}: {what}")]
    Invalid {
        /// File and line.
        at: At,
        /// The key, what is wrong with it and what to write instead.
        what: String,
    },
}

/// A place in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file; `None` for the embedded defaults.
    pub file: Option<PathBuf>,
    /// From 1; `None` where the fault is in no line.
    pub line: Option<usize>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("the embedded defaults")?,
        }
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

impl Surroundings {
    /// What this process was given: `--state` (which outranks the file) and systemd's directories.
    pub fn of_process(state_dir: Option<&Path>) -> Self {
        // systemd separates several directories by colons; the first is ours (systemd.exec(5), STATE_DIRECTORY).
        let first_dir = |name: &str| {
            let value = std::env::var(name).ok()?;
            value.split(':').next().filter(|dir| !dir.is_empty()).map(PathBuf::from)
        };
        Self {
            state_dir: state_dir.map(absolute),
            systemd_state_dir: first_dir("STATE_DIRECTORY"),
            credentials_dir: first_dir("CREDENTIALS_DIRECTORY"),
        }
    }
}

/// Loads `file`; without one, [`SYSTEM_FILE`] where it exists, else the embedded defaults.
pub fn load(file: Option<&Path>, around: &Surroundings) -> Result<Settings, ConfigError> {
    let file = match file {
        Some(named) if named == Path::new(EMBEDDED) => None,
        Some(named) => Some(absolute(named)),
        None => Some(PathBuf::from(SYSTEM_FILE)).filter(|path| path.exists()),
    };
    match file {
        None => read(DEFAULT_FILE, None, around),
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
            read(&text, Some(&path), around)
        }
    }
}

/// Settings from `text`, which stands in `file`.
pub fn read(text: &str, file: Option<&Path>, around: &Surroundings) -> Result<Settings, ConfigError> {
    let invalid = |line, what| ConfigError::Invalid { at: At { file: file.map(Path::to_owned), line }, what };
    let document = form::Document::parse(text).map_err(|fault| invalid(fault.line, fault.what))?;
    resolve::resolve(document.written.clone(), file, around)
        .map_err(|p| invalid(document.line_of(&p.path), format!("{} {}", form::called(&p.path), p.what)))
}

/// The line of each key that a configuration's text gives a value, by its path (`destination[1].bucket`); empty where it
/// cannot be read any more.
pub fn lines(text: &str) -> std::collections::BTreeMap<String, usize> {
    form::Document::parse(text).map(|document| document.lines()).unwrap_or_default()
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only for an empty path or a lost working directory; the read that follows tells that better.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
