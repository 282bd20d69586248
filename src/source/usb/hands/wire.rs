//! What daemon and gatekeeper say to each other. Frames are those of `worker::protocol` with an empty body; a
//! descriptor travels as ancillary data with the first byte of the reply.
//!
//! One request at a time on a connection. The connection on which a disk was opened for writing stays open for as
//! long as it may be written.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::worker::descriptors;

/// What the daemon asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Authorise { port: String, bus: u16, device: u16, interfaces: Vec<u8> },
    Deauthorise { port: String },
    OpenDisk { disk: String, seq: Option<u64>, writable: bool },
    CloseDisk { disk: String, seq: Option<u64> },
    OpenUsb { port: String, bus: u16, device: u16 },
    Mount { disk: String, seq: Option<u64>, volume: String, fs: String },
}

/// What the gatekeeper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Reply {
    /// Done; a descriptor came along where one was asked for.
    Done,
    /// It is not done for anybody.
    Refused { words: String },
    /// The operating system could not do it.
    Failed { what: String, words: String, errno: Option<i32> },
}

/// Writes a frame, with a descriptor at its first byte.
pub(super) fn send(mut socket: &UnixStream, frame: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let sent = fd.map_or(Ok(0), |fd| descriptors::send(socket, frame, fd))?;
    socket.write_all(&frame[sent..])
}
