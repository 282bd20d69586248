//! What daemon and gatekeeper say to each other. Frames are those of `worker::protocol` with an empty body; a
//! descriptor travels as ancillary data with the first byte of the reply.
//!
//! One request at a time on a connection. The connection on which a disk was opened for writing stays open for as
//! long as it may be written.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

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
pub(super) fn send(socket: &UnixStream, frame: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut sent = 0;
    if let Some(fd) = fd {
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        sent = rustix::net::sendmsg(socket, &[IoSlice::new(frame)], &mut control, SendFlags::NOSIGNAL)?;
    }
    let mut socket = socket;
    socket.write_all(&frame[sent..])
}

/// The receiving end: bytes, and the descriptors that came with them.
pub(super) struct Incoming<'a> {
    pub socket: &'a UnixStream,
    pub fds: VecDeque<OwnedFd>,
}

impl Read for Incoming<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(buf)];
            match rustix::net::recvmsg(self.socket.as_fd(), &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        Ok(received.bytes)
    }
}
