//! Exit codes: part of the interface for scripts, told in `--help`, never renumbered.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed.
    Failure = 1,
    /// Wrong usage or wrong configuration.
    Usage = 2,
    /// No such clip, case or destination.
    NotFound = 3,
    /// A copy, a digest or the log is not what it should be.
    Mismatch = 4,
    /// The daemon cannot be reached.
    Unreachable = 5,
    /// What is there was fetched; some clips were not sent yet.
    Incomplete = 6,
    /// The log is whole, but an epoch of it lost signed events and nobody acknowledged that.
    Loss = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
