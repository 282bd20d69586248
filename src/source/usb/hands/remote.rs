//! Rights over devices, asked of the gatekeeper: the daemon's form. A connection for each request, so that one device
//! that answers slowly holds up no other bay.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::wire::{Reply, Request, send};
use super::{Hands, HandsError, Medium};
use crate::source::usb::device::PortPath;
use crate::source::usb::sysfs::{Address, DiskName};
use crate::worker::descriptors::Incoming;
use crate::worker::protocol;

/// A device may take its time to take its settings (USB 2.0, 9.2.6.4: 5 s a request), a medium to be mounted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The gatekeeper behind its socket.
#[derive(Debug)]
pub struct Remote {
    socket: PathBuf,
    /// Connections on which a disk was opened for writing; it may be written as long as they live.
    writing: Mutex<HashMap<DiskName, UnixStream>>,
}

impl Remote {
    /// The gatekeeper that listens at `socket`; nothing is tried yet.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), writing: Mutex::default() }
    }

    fn unreachable(&self, source: io::Error) -> HandsError {
        HandsError::Unreachable { socket: self.socket.display().to_string(), source }
    }

    fn ask(&self, request: &Request) -> Result<(UnixStream, Option<OwnedFd>), HandsError> {
        let stream = UnixStream::connect(&self.socket).map_err(|e| self.unreachable(e))?;
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_TIMEOUT)))
            .map_err(|e| self.unreachable(e))?;
        let fd = self.ask_on(&stream, request)?;
        Ok((stream, fd))
    }

    fn ask_on(&self, stream: &UnixStream, request: &Request) -> Result<Option<OwnedFd>, HandsError> {
        let broken = |e: protocol::FrameError| match e {
            protocol::FrameError::Io(e) => self.unreachable(e),
            // Versions that do not understand each other: a person must start one of them again.
            other => self.unreachable(io::Error::other(other)),
        };
        let frame = protocol::encode(request, &[]).map_err(broken)?;
        send(stream, &frame, None).map_err(|e| self.unreachable(e))?;
        let mut incoming = Incoming::new(stream);
        let frame = protocol::read(&mut incoming).map_err(broken)?;
        let frame = frame.ok_or_else(|| self.unreachable(io::ErrorKind::UnexpectedEof.into()))?;
        match protocol::header::<Reply>(&frame).map_err(broken)? {
            Reply::Done => Ok(incoming.descriptors.pop_front()),
            Reply::Refused { words } => Err(HandsError::Refused(words)),
            Reply::Failed { what, words, errno } => {
                let source = errno.map_or_else(|| io::Error::other(words), io::Error::from_raw_os_error);
                Err(HandsError::Os { what, source })
            }
        }
    }

    fn ask_fd(&self, request: &Request) -> Result<(UnixStream, OwnedFd), HandsError> {
        let (stream, fd) = self.ask(request)?;
        let fd = fd.ok_or_else(|| self.unreachable(io::Error::other("it sent no descriptor")))?;
        Ok((stream, fd))
    }
}

impl Hands for Remote {
    fn authorise(&self, port: &PortPath, address: Address, interfaces: &[u8]) -> Result<(), HandsError> {
        let Address { bus, device } = address;
        let (port, interfaces) = (port.to_string(), interfaces.to_vec());
        self.ask(&Request::Authorise { port, bus, device, interfaces }).map(|_| ())
    }

    fn deauthorise(&self, port: &PortPath) -> Result<(), HandsError> {
        self.ask(&Request::Deauthorise { port: port.to_string() }).map(|_| ())
    }

    fn open_disk_read_only(&self, disk: &Medium) -> Result<File, HandsError> {
        let request = Request::OpenDisk { disk: disk.name.as_str().to_owned(), seq: disk.seq, writable: false };
        Ok(File::from(self.ask_fd(&request)?.1))
    }

    fn open_disk_writable(&self, disk: &Medium) -> Result<File, HandsError> {
        let request = Request::OpenDisk { disk: disk.name.as_str().to_owned(), seq: disk.seq, writable: true };
        let (stream, fd) = self.ask_fd(&request)?;
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).insert(disk.name.clone(), stream);
        Ok(File::from(fd))
    }

    fn close_disk_writable(&self, disk: &Medium) -> Result<(), HandsError> {
        let request = Request::CloseDisk { disk: disk.name.as_str().to_owned(), seq: disk.seq };
        let stream = self.writing.lock().unwrap_or_else(PoisonError::into_inner).remove(&disk.name);
        // On its own connection, so that the end of that connection has nothing left to close; and in so many words,
        // because hanging up gives no answer.
        match stream.map(|stream| self.ask_on(&stream, &request)) {
            Some(Ok(_)) => Ok(()),
            _ => self.ask(&request).map(|_| ()),
        }
    }

    fn open_usb(&self, port: &PortPath, address: Address) -> Result<File, HandsError> {
        let request = Request::OpenUsb { port: port.to_string(), bus: address.bus, device: address.device };
        Ok(File::from(self.ask_fd(&request)?.1))
    }

    fn mount_detached(&self, disk: &Medium, volume: &str, fs: &str) -> Result<OwnedFd, HandsError> {
        let (disk, seq) = (disk.name.as_str().to_owned(), disk.seq);
        let request = Request::Mount { disk, seq, volume: volume.to_owned(), fs: fs.to_owned() };
        Ok(self.ask_fd(&request)?.1)
    }
}
