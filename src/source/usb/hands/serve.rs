//! The gatekeeper's loop: who calls, what they ask, what they get. Owns the socket's end of `wire`; decides
//! nothing about devices, for which it has [`super::direct`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::wire::{Reply, Request, send};
use super::{Hands, HandsError, Medium};
use crate::domain::error::chain;
use crate::source::usb::device::PortPath;
use crate::source::usb::sysfs::{Address, DiskName};
use crate::worker::descriptors::Incoming;
use crate::worker::protocol::{self, FrameError};

/// Requests under way at the same time; 30 bays with two requests each. More callers wait in the socket's queue.
const MAX_CALLERS: usize = 64;
/// A caller that says nothing for so long is hung up on.
const IDLE: Duration = Duration::from_secs(20);
/// Erasing a card of 512 GB takes minutes, and the caller says nothing while it does.
const IDLE_WHILE_WRITING: Duration = Duration::from_secs(3600);

/// Serves callers whose user `may_ask` until none has come for `quiet`; then whoever started us may start us again
/// with the next caller. Without `quiet` it serves for ever. Blocks.
pub fn serve(
    listener: &UnixListener,
    hands: Arc<dyn Hands>,
    may_ask: impl Fn(u32) -> bool,
    quiet: Option<Duration>,
) -> io::Result<()> {
    // A listening socket gives up its waiting for a caller like its reading (socket(7), SO_RCVTIMEO).
    rustix::net::sockopt::set_socket_timeout(listener, rustix::net::sockopt::Timeout::Recv, quiet)?;
    let callers = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if callers.load(Ordering::SeqCst) == 0 {
                    return Ok(());
                }
                continue;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        // Told by the kernel as of the connect; nothing that the caller says counts (unix(7), SO_PEERCRED).
        let uid = rustix::net::sockopt::socket_peercred(&stream)?.uid.as_raw();
        if !may_ask(uid) {
            tracing::warn!(uid, "this user may not ask; hung up");
            continue;
        }
        while callers.load(Ordering::SeqCst) >= MAX_CALLERS {
            std::thread::sleep(Duration::from_millis(20));
        }
        let caller = Caller { hands: Arc::clone(&hands), writing: None, count: Counted::new(&callers) };
        std::thread::Builder::new().name("caller".to_owned()).stack_size(256 << 10).spawn(move || {
            if let Err(e) = caller.attend(&stream) {
                tracing::debug!(error = %chain(&e), "a caller was hung up on");
            }
        })?;
    }
}

/// One more caller for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One connection.
struct Caller {
    hands: Arc<dyn Hands>,
    /// The disk that may be written as long as this connection lives.
    writing: Option<Medium>,
    #[allow(dead_code)] // Counts by being there.
    count: Counted,
}

impl Caller {
    fn attend(mut self, stream: &UnixStream) -> Result<(), FrameError> {
        stream.set_write_timeout(Some(IDLE))?;
        loop {
            stream.set_read_timeout(Some(if self.writing.is_some() { IDLE_WHILE_WRITING } else { IDLE }))?;
            // Descriptors that a caller sends are closed again unread.
            let mut incoming = Incoming::new(stream);
            let Some(frame) = protocol::read(&mut incoming)? else { return Ok(()) };
            let request: Request = protocol::header(&frame)?;
            // Quoted and escaped, whatever the caller put into it.
            let asked = format!("{request:?}");
            let (reply, fd) = match self.carry_out(request) {
                Ok(fd) => {
                    tracing::info!("done: {asked}");
                    (Reply::Done, fd)
                }
                Err(error) => {
                    tracing::warn!("not done: {asked}: {}", chain(&error));
                    (refusal(error), None)
                }
            };
            let frame = protocol::encode(&reply, &[])?;
            send(stream, &frame, fd.as_ref().map(AsFd::as_fd))?;
        }
    }

    fn carry_out(&mut self, request: Request) -> Result<Option<OwnedFd>, HandsError> {
        let port = |text: String| PortPath::new(&text).ok_or_else(|| HandsError::refused("that is no port"));
        let medium = |disk: String, seq| match DiskName::new(&disk) {
            Some(name) => Ok(Medium { name, seq }),
            None => Err(HandsError::refused("that is no disk")),
        };
        match request {
            Request::Authorise { port: at, bus, device, interfaces } => {
                self.hands.authorise(&port(at)?, Address { bus, device }, &interfaces)?;
                Ok(None)
            }
            Request::Deauthorise { port: at } => {
                self.hands.deauthorise(&port(at)?)?;
                Ok(None)
            }
            Request::OpenDisk { disk, seq, writable: false } => {
                Ok(Some(self.hands.open_disk_read_only(&medium(disk, seq)?)?.into()))
            }
            Request::OpenDisk { disk, seq, writable: true } => {
                let medium = medium(disk, seq)?;
                if self.writing.is_some() {
                    return Err(HandsError::refused("one disk may be written on one connection"));
                }
                let file = self.hands.open_disk_writable(&medium)?;
                self.writing = Some(medium);
                Ok(Some(file.into()))
            }
            Request::CloseDisk { disk, seq } => {
                let medium = medium(disk, seq)?;
                self.hands.close_disk_writable(&medium)?;
                self.writing.take_if(|writing| *writing == medium);
                Ok(None)
            }
            Request::OpenUsb { port: at, bus, device } => {
                Ok(Some(self.hands.open_usb(&port(at)?, Address { bus, device })?.into()))
            }
            Request::Mount { disk, seq, volume, fs } => {
                Ok(Some(self.hands.mount_detached(&medium(disk, seq)?, &volume, &fs)?))
            }
        }
    }
}

impl Drop for Caller {
    /// However a connection ends, a daemon that was killed in the middle of erasing too, the disk refuses writes again.
    fn drop(&mut self) {
        if let Some(disk) = self.writing.take()
            && let Err(e) = self.hands.close_disk_writable(&disk)
        {
            tracing::warn!(disk = disk.name.as_str(), error = %chain(&e), "the disk may stay open for writing");
        }
    }
}

fn refusal(error: HandsError) -> Reply {
    match error {
        HandsError::Refused(words) => Reply::Refused { words },
        HandsError::Os { what, source } => {
            Reply::Failed { what, words: source.to_string(), errno: source.raw_os_error() }
        }
        unreachable => Reply::Refused { words: chain(&unreachable) },
    }
}
