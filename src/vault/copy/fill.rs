//! Fills blocks from a source, and says what came and what an error of the source means. Writes nothing.

use std::io::{self, Read};

use super::CopyError;
use crate::domain::ports::SourceError;

/// What a look at the source brought.
pub(super) struct Came {
    pub(super) bytes: usize,
    pub(super) then: Then,
}

/// What comes after it.
pub(super) enum Then {
    More,
    Over,
    Failed(CopyError),
}

/// Fills the buffer as far as the source gives; what was read before a failure counts.
pub(super) fn fill(source: &mut dyn Read, buf: &mut [u8]) -> Came {
    let mut bytes = 0;
    while bytes < buf.len() {
        match source.read(&mut buf[bytes..]) {
            Ok(0) => return Came { bytes, then: Then::Over },
            Ok(n) => bytes += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Came { bytes, then: Then::Failed(CopyError::Source(source_error(e))) },
        }
    }
    Came { bytes, then: if buf.is_empty() { Then::Over } else { Then::More } }
}

/// One piece of a source that gives its bytes as they come, or none where nothing comes for a moment.
pub(super) fn fill_once(source: &mut dyn Read, buf: &mut [u8]) -> Came {
    loop {
        return match source.read(buf) {
            Ok(0) => Came { bytes: 0, then: Then::Over },
            Ok(bytes) => Came { bytes, then: Then::More },
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Came { bytes: 0, then: Then::More },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Came { bytes: 0, then: Then::Failed(CopyError::Source(source_error(e))) },
        };
    }
}

/// Whether an error in the middle of a file means that its recorder was pulled: ENODEV, ENXIO and their like.
pub fn is_gone(e: &io::Error) -> bool {
    let gone = [rustix::io::Errno::NODEV, rustix::io::Errno::NXIO, rustix::io::Errno::STALE, rustix::io::Errno::NOENT];
    gone.iter().any(|g| e.raw_os_error() == Some(g.raw_os_error()))
}

fn source_error(e: io::Error) -> SourceError {
    if is_gone(&e) {
        SourceError::Gone(e)
    } else {
        SourceError::Read { path: crate::domain::recorder::SourcePath::new("this file"), source: e }
    }
}
