//! Bytes to and from a recorder. Owns the descriptor, where a container ends, and how much a recorder may send at once;
//! knows no operation but for the one whose data may be large.
//!
//! Two ends of a link are served: a usbfs device, and a socket on which something stands in for a device (the tests,
//! and whoever wants to try a recorder that does not exist). There each transfer is one message of a `SEQPACKET`
//! socket: a tag (`0` bulk data, `1` cancel and its acknowledgement), then the bytes.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mtp_rs::ptp::PtpError;
use mtp_rs::transport::{NusbTransport, Transport};
use nusb::MaybeFuture;
use rustix::fs::FileType;

/// Patience for one transfer over the bus, not for a whole answer. A recorder that writes to a worn card while it is
/// asked was seen to pause for seconds.
pub const TRANSFER_PATIENCE: Duration = Duration::from_secs(10);

/// Asked of the bus at once. The library asks for 64 KiB and waits for each; a larger transfer halves what the waiting
/// costs on USB 3, and usbfs has 16 MiB for all devices together (`usbcore.usbfs_memory_mb`).
const TRANSFER_BYTES: usize = 256 << 10;

/// Most data of one answer, but for whole objects. A list of 200,000 handles takes 0.8 MiB.
const MAX_ANSWER_BYTES: u32 = 16 << 20;

/// Containers (PIMA 15740, USB annex D): length, type, code, transaction, each little endian.
const HEADER_BYTES: usize = 12;
const DATA: u16 = 2;
const GET_OBJECT: u16 = 0x1009;

/// A length that says only that it is more than 32 bits hold.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// Empty packets that are passed over before a recorder counts as silent.
const MAX_EMPTY: u32 = 4;

/// What is at the other end of a descriptor.
pub enum Bus {
    /// A USB device.
    Usb(nusb::Device),
    /// Something that stands in for one.
    Socket(OwnedFd),
}

impl Bus {
    /// Takes the descriptor over.
    pub fn new(device: File) -> Result<Self, OpenError> {
        let stat = rustix::fs::fstat(&device).map_err(|e| OpenError::Descriptor(e.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => Ok(Self::Socket(device.into())),
            FileType::CharacterDevice => {
                Ok(Self::Usb(nusb::Device::from_fd(device.into()).wait().map_err(OpenError::Device)?))
            }
            other => Err(OpenError::Descriptor(io::Error::other(format!("{other:?} is no USB device")))),
        }
    }

    /// A link over it.
    pub async fn connect(&self) -> Result<Arc<dyn Transport>, OpenError> {
        match self {
            Self::Usb(device) => {
                let usb = NusbTransport::open_with_timeout(device.clone(), TRANSFER_PATIENCE).await;
                Ok(Arc::new(Framed::new(usb.map_err(OpenError::Interface)?)))
            }
            Self::Socket(socket) => {
                let socket = socket.try_clone().map_err(OpenError::Descriptor)?;
                Ok(Arc::new(Framed::new(Socket { socket })))
            }
        }
    }

    /// Resets the port, which ends whatever the device thinks it is doing. Every link over it must be gone.
    pub fn reset(&self) -> Result<(), OpenError> {
        match self {
            Self::Usb(device) => device.reset().wait().map_err(OpenError::Device),
            Self::Socket(_) => Ok(()),
        }
    }
}

/// Why a device cannot be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a device.
    #[error("the descriptor that was handed over cannot be used")]
    Descriptor(#[source] io::Error),
    /// usbfs refused: reading the descriptors, a control request, a timer, a reset.
    #[error("usbfs refuses the device")]
    Device(#[source] nusb::Error),
    /// No interface for MTP, or somebody else holds it.
    #[error("the interface for MTP cannot be claimed")]
    Interface(#[source] PtpError),
}

/// A link on which every read ends where its container does. Devices end one with a short packet, with an empty one, or
/// not at all; the library waits for the first form.
#[derive(Debug)]
pub struct Framed<T> {
    inner: T,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Operation and transaction of the last command.
    command: Option<(u16, u32)>,
    /// Bytes owed of the data container under way.
    left: u64,
    /// The data has no length; nothing is known of what is read until the next command.
    unbounded: bool,
    /// A data container of this command was seen; there is no second.
    had_data: bool,
    /// Read past the end of a container.
    spare: Vec<u8>,
}

impl<T> Framed<T> {
    /// Around `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sent(&mut self, bytes: &[u8]) {
        if let Some(header) = header(bytes)
            && header.kind != DATA
        {
            *self = Self { command: Some((header.code, header.transaction)), ..Self::default() };
        }
    }

    /// Cuts what was read at the end of its container.
    fn received(&mut self, mut bytes: Vec<u8>) -> Result<Vec<u8>, PtpError> {
        if self.unbounded {
            return Ok(bytes);
        }
        if self.left == 0
            && let Some(header) = header(&bytes)
            && header.kind == DATA
        {
            let (code, transaction) = self.command.unwrap_or_default();
            if header.transaction != transaction {
                return Err(invalid(format!("data of transaction {} came for {transaction}", header.transaction)));
            }
            if self.had_data {
                return Err(invalid("more than one data container came".to_owned()));
            }
            self.had_data = true;
            if code == GET_OBJECT && header.length == UNKNOWN_LENGTH {
                self.unbounded = true;
                return Ok(bytes);
            }
            if code != GET_OBJECT && header.length > MAX_ANSWER_BYTES {
                return Err(invalid(format!("an answer of {} bytes was announced", header.length)));
            }
            self.left = header.length.max(HEADER_BYTES as u32).into();
        }
        if self.left > 0 {
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.spare = bytes.split_off(here);
            self.left -= here as u64;
        }
        Ok(bytes)
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    length: u32,
    kind: u16,
    code: u16,
    transaction: u32,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let four = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let kinds = four(4)?;
    let (kind, code) = ((kinds & 0xffff) as u16, (kinds >> 16) as u16);
    Some(Header { length: four(0)?, kind, code, transaction: four(8)? })
}

fn invalid(message: String) -> PtpError {
    PtpError::invalid_data(message)
}

#[async_trait]
impl<T: Transport> Transport for Framed<T> {
    async fn send_bulk(&self, data: &[u8]) -> Result<(), PtpError> {
        self.state().sent(data);
        self.inner.send_bulk(data).await
    }

    async fn receive_bulk(&self, max_size: usize) -> Result<Vec<u8>, PtpError> {
        let (spare, unbounded) = {
            let mut state = self.state();
            (std::mem::take(&mut state.spare), state.unbounded)
        };
        if !spare.is_empty() {
            return self.state().received(spare);
        }
        if unbounded {
            // The library sees the end of such data in a read that is shorter than it asked for.
            return self.inner.receive_bulk(max_size).await;
        }
        let ask = if max_size < 64 << 10 { max_size } else { max_size.max(TRANSFER_BYTES) };
        for _ in 0..MAX_EMPTY {
            let bytes = self.inner.receive_bulk(ask).await?;
            if !bytes.is_empty() {
                return self.state().received(bytes);
            }
        }
        Err(invalid("only empty packets came".to_owned()))
    }

    async fn receive_interrupt(&self) -> Result<Vec<u8>, PtpError> {
        self.inner.receive_interrupt().await
    }

    async fn cancel_transfer(&self, transaction_id: u32, idle_timeout: Duration) -> Result<(), PtpError> {
        *self.state() = State::default();
        self.inner.cancel_transfer(transaction_id, idle_timeout).await
    }

    async fn drain_bulk_in(&self, idle_timeout: Duration, max_duration: Duration) -> Result<usize, PtpError> {
        *self.state() = State::default();
        self.inner.drain_bulk_in(idle_timeout, max_duration).await
    }

    async fn reset_device(&self) -> Result<(), PtpError> {
        *self.state() = State::default();
        self.inner.reset_device().await
    }
}

/// The end of a link that is no USB device. Its patience is the socket's own (`SO_RCVTIMEO`).
#[derive(Debug)]
struct Socket {
    socket: OwnedFd,
}

const BULK: u8 = 0;
const CANCEL: u8 = 1;

impl Socket {
    fn write(&self, tag: u8, bytes: &[u8]) -> Result<(), PtpError> {
        rustix::io::write(&self.socket, &[&[tag], bytes].concat()).map(drop).map_err(Self::error)
    }

    fn read(&self, max: usize) -> Result<(u8, Vec<u8>), PtpError> {
        let mut message = vec![0; max + 1];
        let n = rustix::io::retry_on_intr(|| rustix::io::read(&self.socket, &mut message)).map_err(Self::error)?;
        message.truncate(n);
        if message.is_empty() {
            return Err(PtpError::Disconnected);
        }
        let bytes = message.split_off(1);
        Ok((message[0], bytes))
    }

    fn error(e: rustix::io::Errno) -> PtpError {
        match e {
            rustix::io::Errno::AGAIN => PtpError::Timeout,
            rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET | rustix::io::Errno::NOTCONN => {
                PtpError::Disconnected
            }
            e => PtpError::Io(e.into()),
        }
    }
}

#[async_trait]
impl Transport for Socket {
    async fn send_bulk(&self, data: &[u8]) -> Result<(), PtpError> {
        self.write(BULK, data)
    }

    async fn receive_bulk(&self, max_size: usize) -> Result<Vec<u8>, PtpError> {
        match self.read(max_size)? {
            (BULK, bytes) => Ok(bytes),
            (tag, _) => Err(invalid(format!("a message with the tag {tag} came"))),
        }
    }

    async fn receive_interrupt(&self) -> Result<Vec<u8>, PtpError> {
        Err(PtpError::Timeout)
    }

    async fn cancel_transfer(&self, transaction_id: u32, _idle_timeout: Duration) -> Result<(), PtpError> {
        self.write(CANCEL, &transaction_id.to_le_bytes())?;
        while self.read(TRANSFER_BYTES)?.0 != CANCEL {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(kind: u16, code: u16, transaction: u32, length: u32, payload: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes()[..], &kind.to_le_bytes(), &code.to_le_bytes(), &transaction.to_le_bytes(), payload]
            .concat()
    }

    /// A device that has certain packets to send, and notes how much it was asked for.
    struct Packets(Mutex<(std::collections::VecDeque<Vec<u8>>, Vec<usize>)>);

    #[async_trait]
    impl Transport for Packets {
        async fn send_bulk(&self, _: &[u8]) -> Result<(), PtpError> {
            Ok(())
        }
        async fn receive_bulk(&self, max: usize) -> Result<Vec<u8>, PtpError> {
            let mut inner = self.0.lock().unwrap();
            inner.1.push(max);
            inner.0.pop_front().ok_or(PtpError::Timeout)
        }
        async fn receive_interrupt(&self) -> Result<Vec<u8>, PtpError> {
            Err(PtpError::Timeout)
        }
        async fn cancel_transfer(&self, _: u32, _: Duration) -> Result<(), PtpError> {
            Ok(())
        }
    }

    fn run(command: u16, packets: &[Vec<u8>], reads: usize) -> Vec<Result<Vec<u8>, String>> {
        let link = Framed::new(Packets(Mutex::new((packets.to_vec().into(), Vec::new()))));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            link.send_bulk(&container(1, command, 7, 12, b"")).await.unwrap();
            let mut all = Vec::new();
            for _ in 0..reads {
                all.push(link.receive_bulk(64 << 10).await.map_err(|e| e.to_string()));
            }
            all
        })
    }

    #[test]
    fn a_container_ends_where_it_says_however_it_came() {
        let data = container(DATA, 0x1008, 7, 16, b"abcd");
        let response = container(3, 0x2001, 7, 12, b"");
        let want = vec![Ok(data.clone()), Ok(response.clone())];
        // Ended by a short packet, by an empty one, by nothing.
        assert_eq!(run(0x1008, &[data.clone(), response.clone()], 2), want);
        assert_eq!(run(0x1008, &[data.clone(), vec![], response.clone()], 2), want);
        assert_eq!(run(0x1008, &[[data.clone(), response.clone()].concat()], 2), want);
        // Header and payload apart; the library puts them together.
        let parts = [data[..12].to_vec(), [&data[12..], &response[..]].concat()];
        let apart = vec![Ok(data[..12].to_vec()), Ok(data[12..].to_vec()), Ok(response)];
        assert_eq!(run(0x1008, &parts, 3), apart);
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused() {
        let table = [
            (0x1008, container(DATA, 0x1008, 6, 16, b"abcd"), "transaction 6"),
            (0x1008, container(DATA, 0x1008, 7, 1 << 30, b"abcd"), "announced"),
            (0x1008, container(DATA, 0x1008, 7, u32::MAX, b"abcd"), "announced"),
        ];
        for (command, packet, why) in table {
            let answers = run(command, &[packet], 1);
            assert!(answers[0].as_ref().is_err_and(|e| e.contains(why)), "{answers:?}");
        }
        let twice = container(DATA, 0x1008, 7, 12, b"");
        assert!(run(0x1008, &[twice.clone(), twice], 2)[1].as_ref().is_err_and(|e| e.contains("more than one")));
        assert!(run(0x1008, &vec![vec![]; 10], 1)[0].as_ref().is_err_and(|e| e.contains("empty")));
    }

    #[test]
    fn an_object_without_a_length_is_left_to_its_short_packet() {
        let begin = container(DATA, GET_OBJECT, 7, UNKNOWN_LENGTH, b"abcd");
        // The bytes of the file look like a container; they are not taken for one.
        let trap = container(DATA, 0x1008, 99, 12, b"");
        let answers = run(GET_OBJECT, &[begin.clone(), trap.clone(), vec![]], 3);
        assert_eq!(answers, vec![Ok(begin), Ok(trap), Ok(vec![])]);
    }
}
