//! The operations of the protocol that we use, each once, and what a refusal of one means. Changes nothing on a
//! recorder but in [`Device::delete`].

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use mtp_rs::ptp::{
    DeviceInfo, DevicePropertyCode, ObjectHandle, ObjectPropertyCode, OperationCode, PtpError, PtpSession,
    ReceiveStream, ResponseCode, StorageId,
};
use tokio::runtime::Runtime;

use super::dataset::{self, Info};
use super::link::{self, Bus, OpenError};
use super::wire::StorageTold;
use crate::domain::error::chain;

/// Handles that name no object: none, and all of them. Deleting the second would empty a recorder.
pub const RESERVED_HANDLES: [u32; 2] = [0, u32::MAX];

/// How often an operation is tried that a recorder is too busy for, and how long it is left alone in between.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(300);

/// Recorders need a moment of quiet after a reset.
const RESET_PAUSE: Duration = Duration::from_millis(700);

/// Response `Store_Not_Available` (PIMA 15740), which the library has no name for.
const STORE_NOT_AVAILABLE: u16 = 0x2013;

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no longer plugged in.
    #[error("{0}")]
    Gone(String),
    /// It has no such object.
    #[error("the recorder no longer has it")]
    NotThere,
    /// It understood and said no.
    #[error("the recorder refuses {0}")]
    Refused(String),
    /// It did not answer, or nothing that can be understood.
    #[error("the recorder's answer cannot be used: {0}")]
    Broken(String),
}

/// Where a listing of handles begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// The storage itself.
    Root,
    /// A folder.
    Folder(u32),
}

/// What a listing asks of a recorder.
pub trait Objects {
    /// Handles of what stands in `parent`, and nobody knows what else: recorders differ.
    fn handles(&mut self, storage: u32, parent: Parent) -> Result<Vec<u32>, Fault>;
    /// What the recorder says of one object, its length in 64 bits where it can.
    fn info(&mut self, handle: u32) -> Result<Info, Fault>;
}

/// What a recorder says of itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    operations: Vec<OperationCode>,
    properties: Vec<u16>,
}

impl About {
    fn can(&self, operation: OperationCode) -> bool {
        self.operations.contains(&operation)
    }
}

/// A recorder with an open session.
pub struct Device {
    runtime: Runtime,
    session: Arc<PtpSession>,
    about: About,
    whole: Option<Whole>,
}

/// A file that is read from its beginning because the recorder has no other way.
struct Whole {
    handle: u32,
    stream: ReceiveStream,
    at: u64,
    spare: Vec<u8>,
}

/// Why a recorder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No thread of execution; the installation's matter.
    #[error("the reader cannot start")]
    Runtime(#[from] std::io::Error),
    /// The bus.
    #[error(transparent)]
    Link(#[from] OpenError),
    /// The protocol.
    #[error("the recorder opens no session")]
    Session(#[source] Fault),
}

/// Opens a session, also with a recorder that still is in the middle of what it did for a reader before us: a daemon
/// that was restarted meets those. First the protocol's own reset is tried, then that of the port.
async fn open_session(bus: &Bus) -> Result<(PtpSession, DeviceInfo), DeviceError> {
    let mut resets = [Reset::Protocol, Reset::Port].into_iter();
    loop {
        let link = bus.connect().await?;
        // A session that was left open is closed and opened anew by the library.
        let opened = match PtpSession::open(Arc::clone(&link), 1).await {
            Ok(session) => session.get_device_info().await.map(|told| (session, told)),
            Err(e) => Err(e),
        };
        let fault = match opened.map_err(Fault::from) {
            Ok(opened) => return Ok(opened),
            Err(fault) => fault,
        };
        match resets.next().filter(|_| matches!(fault, Fault::Broken(_))) {
            None => return Err(DeviceError::Session(fault)),
            // Whether it knows that reset is seen when it is asked again.
            Some(Reset::Protocol) => drop(link.reset_device().await),
            Some(Reset::Port) => {
                drop(link);
                bus.reset()?;
            }
        }
        std::thread::sleep(RESET_PAUSE);
    }
}

enum Reset {
    Protocol,
    Port,
}

impl Device {
    /// Opens a session with whatever is behind the descriptor.
    pub fn open(device: File) -> Result<Self, DeviceError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (session, told) = runtime.block_on(open_session(&Bus::new(device)?))?;
        let about = About {
            manufacturer: told.manufacturer,
            model: told.model,
            serial: told.serial_number,
            operations: told.operations_supported,
            properties: told.device_properties_supported,
        };
        Ok(Self { runtime, session: Arc::new(session), about, whole: None })
    }

    /// What it said when it was opened.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Its clock, as it writes it.
    pub fn clock(&mut self) -> Option<String> {
        let property = DevicePropertyCode::DateTime;
        if !self.about.properties.contains(&property.into()) {
            return None;
        }
        self.ask(async |s| s.get_device_prop_value(property).await).ok().and_then(|bytes| dataset::text(&bytes))
    }

    /// Its storages that hold a medium.
    pub fn storages(&mut self) -> Result<Vec<StorageTold>, Fault> {
        let ids = self.ask(async |s| s.get_storage_ids().await)?;
        let mut storages = Vec::new();
        // Without a lower half it is a slot with no card in it (PIMA 15740, 8.1).
        for id in ids.into_iter().filter(|id| id.0 & 0xffff != 0).take(super::walk::MAX_STORAGES) {
            let told = match self.ask(async |s| s.get_storage_info(id).await) {
                Ok(told) => Some(told),
                // It may still be listed; if not, the listing says so.
                Err(Fault::Refused(_) | Fault::NotThere) => None,
                Err(fault) => return Err(fault),
            };
            let (description, volume) = told.map(|t| (t.description, t.volume_identifier)).unwrap_or_default();
            storages.push(StorageTold { id: id.0, description, volume });
        }
        Ok(storages)
    }

    /// Bytes of an object, exactly `len` of them. An object that has more than its `size_bytes` is an error.
    pub fn read(&mut self, handle: u32, offset: u64, len: u32, size_bytes: u64) -> Result<Vec<u8>, Fault> {
        let end = offset + u64::from(len);
        let (wide, narrow) = (OperationCode::GetPartialObject64, OperationCode::GetPartialObject);
        let wide = self.about.can(wide);
        let reaches = wide || (self.about.can(narrow) && end < u64::from(u32::MAX));
        if !reaches {
            return self.read_whole(handle, offset, len, size_bytes);
        }
        let mut bytes = Vec::with_capacity(len as usize);
        while bytes.len() < len as usize {
            let at = offset + bytes.len() as u64;
            let left = len - bytes.len() as u32;
            // At its end one byte more is asked for: a file that is longer than it was listed must not pass for whole.
            let ask = left + u32::from(end == size_bytes);
            let piece = match self.part(wide, handle, at, ask) {
                Err(Fault::Refused(_)) if ask > left => self.part(wide, handle, at, left)?,
                other => other?,
            };
            if piece.len() > left as usize {
                return Err(Fault::Broken(format!("more than the {size_bytes} bytes that it lists")));
            }
            if piece.is_empty() {
                return Err(Fault::Broken(format!("no bytes at {at} of {size_bytes}")));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn part(&mut self, wide: bool, handle: u32, at: u64, len: u32) -> Result<Vec<u8>, Fault> {
        self.ask(async |s| match wide {
            true => s.get_partial_object_64(ObjectHandle(handle), at, len).await,
            false => s.get_partial_object(ObjectHandle(handle), at, len).await,
        })
    }

    /// For recorders that give objects only whole: goes on where the last read ended, else begins again and skips.
    fn read_whole(&mut self, handle: u32, offset: u64, len: u32, size_bytes: u64) -> Result<Vec<u8>, Fault> {
        let mut whole = match self.whole.take() {
            Some(whole) if whole.handle == handle && whole.at == offset => whole,
            other => {
                self.end_stream(other)?;
                self.begin_whole(handle, size_bytes)?
            }
        };
        let mut bytes = Vec::with_capacity(len as usize);
        while bytes.len() < len as usize {
            if whole.spare.is_empty() {
                match self.runtime.block_on(whole.stream.next_chunk()) {
                    Some(Ok(chunk)) => whole.spare = chunk.into(),
                    Some(Err(e)) => return Err(e.into()),
                    None => return Err(Fault::Broken(format!("no bytes at {} of {size_bytes}", whole.at))),
                }
            }
            let skip = usize::try_from(offset.saturating_sub(whole.at)).unwrap_or(usize::MAX).min(whole.spare.len());
            whole.spare.drain(..skip);
            whole.at += skip as u64;
            let take = whole.spare.len().min(len as usize - bytes.len());
            bytes.extend(whole.spare.drain(..take));
            whole.at += take as u64;
        }
        if whole.at < size_bytes {
            self.whole = Some(whole);
            return Ok(bytes);
        }
        // The answer to the whole must be a yes, and nothing may be left.
        match self.runtime.block_on(whole.stream.next_chunk()) {
            None if whole.spare.is_empty() => Ok(bytes),
            Some(Err(e)) => Err(e.into()),
            _ => Err(Fault::Broken(format!("more than the {size_bytes} bytes that it lists"))),
        }
    }

    fn begin_whole(&self, handle: u32, size_bytes: u64) -> Result<Whole, Fault> {
        let (operation, params) = (OperationCode::GetObject, [handle]);
        let begun = self.session.execute_with_receive_stream_sized(operation, &params, size_bytes);
        let stream = self.runtime.block_on(begun)?;
        Ok(Whole { handle, stream, at: 0, spare: Vec::new() })
    }

    /// Deletes one object. The caller has made sure that it is a file and the right one.
    pub fn delete(&mut self, handle: u32) -> Result<(), Fault> {
        if RESERVED_HANDLES.contains(&handle) {
            return Err(Fault::Refused("to be emptied".to_owned()));
        }
        self.ask(async |s| s.delete_object(ObjectHandle(handle)).await)
    }

    fn children(&mut self, storage: u32, parent: ObjectHandle) -> Result<Vec<u32>, Fault> {
        let handles = self.ask(async |s| s.get_object_handles(StorageId(storage), None, Some(parent)).await)?;
        Ok(handles.into_iter().map(|h| h.0).collect())
    }

    /// One operation, in a session that no transfer occupies; tried again while the recorder is busy.
    fn ask<A>(&mut self, operation: impl AsyncFn(&PtpSession) -> Result<A, PtpError>) -> Result<A, Fault> {
        let whole = self.whole.take();
        self.end_stream(whole)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.runtime.block_on(operation(&self.session)) {
                Ok(answer) => return Ok(answer),
                Err(PtpError::Protocol { code: ResponseCode::DeviceBusy, .. }) if tries < BUSY_TRIES => {
                    std::thread::sleep(BUSY_PAUSE);
                }
                Err(e) => return Err(self.told_gone(e.into())),
            }
        }
    }

    fn end_stream(&self, whole: Option<Whole>) -> Result<(), Fault> {
        let Some(mut whole) = whole else { return Ok(()) };
        Ok(self.runtime.block_on(whole.stream.cancel(mtp_rs::DEFAULT_CANCEL_TIMEOUT))?)
    }

    /// A bus reports a recorder that is being pulled out as a failed transfer first, and says only to the next one that
    /// there is no device.
    fn told_gone(&self, fault: Fault) -> Fault {
        if !matches!(fault, Fault::Broken(_)) {
            return fault;
        }
        match self.runtime.block_on(self.session.get_device_info()) {
            Err(PtpError::Disconnected) => Fault::Gone(fault.to_string()),
            _ => fault,
        }
    }
}

impl Objects for Device {
    fn handles(&mut self, storage: u32, parent: Parent) -> Result<Vec<u32>, Fault> {
        match parent {
            Parent::Folder(handle) => self.children(storage, ObjectHandle(handle)),
            // PIMA 15740 has 0xFFFFFFFF for what stands at the root and 0 for everything; some recorders refuse the one
            // or take it for the other. The listing sorts out what is too much.
            Parent::Root => match self.children(storage, ObjectHandle::ALL) {
                Err(Fault::Refused(_) | Fault::NotThere) => self.children(storage, ObjectHandle::ROOT),
                other => other,
            },
        }
    }

    fn info(&mut self, handle: u32) -> Result<Info, Fault> {
        let operation = OperationCode::GetObjectInfo;
        let bytes = self.ask(async |s| {
            let (response, bytes) = s.execute_with_receive(operation, &[handle]).await?;
            match response.code {
                ResponseCode::Ok => Ok(bytes),
                code => Err(PtpError::Protocol { code, operation }),
            }
        })?;
        let Some(mut info) = dataset::object_info(&bytes) else {
            return Err(Fault::Broken(format!("information of {} bytes on an object", bytes.len())));
        };
        if info.size_bytes.is_none() && !info.folder && self.about.can(OperationCode::GetObjectPropValue) {
            let size = ObjectPropertyCode::ObjectSize;
            match self.ask(async |s| s.get_object_prop_value(ObjectHandle(handle), size).await) {
                Ok(bytes) => info.size_bytes = dataset::number(&bytes),
                Err(Fault::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(info)
    }
}

impl From<PtpError> for Fault {
    fn from(error: PtpError) -> Self {
        match error {
            PtpError::Disconnected => Self::Gone("the device is disconnected".to_owned()),
            PtpError::Protocol { code: ResponseCode::InvalidObjectHandle, .. } => Self::NotThere,
            PtpError::Protocol { code: ResponseCode::Unknown(STORE_NOT_AVAILABLE), operation } => {
                Self::Refused(format!("{operation:?}: its storage is not available"))
            }
            PtpError::Protocol { code, operation } => Self::Refused(format!("{operation:?}: {code:?}")),
            PtpError::DeviceReset => {
                Self::Gone("it stopped answering and was reset; take it out and put it in again".to_owned())
            }
            PtpError::Timeout => Self::Broken(format!("nothing came for {} s", link::TRANSFER_PATIENCE.as_secs())),
            other => Self::Broken(chain(&other)),
        }
    }
}
