//! What needs rights over devices, as one small port with two forms: [`direct::Direct`] does it in this process,
//! [`remote::Remote`] asks the gatekeeper over a Unix socket, behind which [`serve`] hands everything to the direct form.
//!
//! # The gatekeeper's surface
//!
//! The daemon faces a network and is taken for a stranger here: each request is checked anew, whatever the daemon's own
//! gate said.
//!
//! - Names are a port ([`super::device::PortPath`]), a disk ([`DiskName`]) and a partition of that disk: nothing else
//!   reaches a path.
//! - A port must be a bay, or lead to one, by the configuration that the gatekeeper read itself. Without listed bays
//!   every port is one.
//! - A disk must hang on a USB device by the kernel's own tree, must be the very medium that is meant, and nothing of
//!   this box may mount it, swap to it or build upon it.
//! - A disk is handed out for reading only after the kernel refuses every write to it and to its partitions; for
//!   writing only as long as the connection lives on which it was asked.
//! - Interfaces: mass storage, still image and hubs; a vendor's own class where the configuration names the make.
//!   Everything else in the same device is shut.
//! - Callers: the daemon's user and root, told by the kernel (SO_PEERCRED).
//!
//! Nothing that a recorder supplies is parsed behind it: no file system, no MTP, of its descriptors only class numbers
//! that the kernel prints.

pub mod direct;
pub mod nodes;
pub mod remote;
pub mod serve;
mod wire;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::DiskRights;
use super::device::PortPath;
use super::sysfs::{Address, DiskId, DiskName};
use crate::domain::error::{Retry, Retryable};

/// One medium: a name, and the kernel's number where the kernel gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// `sdb`.
    pub name: DiskName,
    /// As in [`DiskId::seq`].
    pub seq: Option<u64>,
}

impl From<&DiskId> for Medium {
    fn from(id: &DiskId) -> Self {
        Self { name: id.name.clone(), seq: id.seq }
    }
}

/// Rights over devices. Calls block.
pub trait Hands: Send + Sync {
    /// Lets these interfaces of the device live and shuts every other one.
    fn authorise(&self, port: &PortPath, address: Address, interfaces: &[u8]) -> Result<(), HandsError>;
    /// Takes the device's life away.
    fn deauthorise(&self, port: &PortPath) -> Result<(), HandsError>;
    /// The whole disk for reading, after the kernel was told to refuse every write. Each call gives an open file of
    /// its own, without O_DIRECT.
    fn open_disk_read_only(&self, disk: &Medium) -> Result<File, HandsError>;
    /// The whole disk for erasing.
    fn open_disk_writable(&self, disk: &Medium) -> Result<File, HandsError>;
    /// The kernel refuses writes again.
    fn close_disk_writable(&self, disk: &Medium) -> Result<(), HandsError>;
    /// The device for a program that speaks its protocol (usbfs), good for its admitted interfaces only.
    fn open_usb(&self, port: &PortPath, address: Address) -> Result<File, HandsError>;
    /// The root of a read-only mount of `volume` (the disk or a partition of it) that has no place in the tree of
    /// files. `fs` as udev calls it.
    fn mount_detached(&self, disk: &Medium, volume: &str, fs: &str) -> Result<OwnedFd, HandsError>;
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum HandsError {
    /// Nobody answers at the gatekeeper's socket.
    #[error(
        "the gatekeeper does not answer at {socket}; start it (systemctl start evidock-gatekeeper.socket) or set [source.usb] gatekeeper"
    )]
    Unreachable {
        /// Where it should be.
        socket: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is not done for anybody.
    #[error("the gatekeeper refuses: {0}")]
    Refused(String),
    /// The operating system could not do it.
    #[error("{what}; plug the recorder in again, then try another bay")]
    Os {
        /// What was being done.
        what: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl HandsError {
    fn refused(words: impl Into<String>) -> Self {
        Self::Refused(words.into())
    }

    fn os(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Os { what: what.into(), source }
    }

    /// Whether it may work later by itself, or once somebody has started what is missing.
    pub fn is_worth_another_try(&self) -> bool {
        self.retry() != Retry::Permanent
    }
}

impl Retryable for HandsError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } => Retry::Operator,
            Self::Os { .. } => Retry::Transient,
            Self::Refused(_) => Retry::Permanent,
        }
    }
}

impl From<HandsError> for io::Error {
    fn from(error: HandsError) -> Self {
        let kind = match &error {
            HandsError::Unreachable { .. } => io::ErrorKind::NotConnected,
            HandsError::Refused(_) => io::ErrorKind::PermissionDenied,
            HandsError::Os { source, .. } => source.kind(),
        };
        io::Error::new(kind, error)
    }
}

/// Rights over one disk, through whatever hands there are.
pub struct DiskGrant {
    hands: Arc<dyn Hands>,
    disk: Medium,
}

impl DiskGrant {
    /// Rights over `disk`.
    pub fn new(hands: Arc<dyn Hands>, disk: Medium) -> Self {
        Self { hands, disk }
    }
}

impl DiskRights for DiskGrant {
    fn open_read_only(&self) -> io::Result<File> {
        Ok(self.hands.open_disk_read_only(&self.disk)?)
    }

    fn open_writable(&self) -> io::Result<File> {
        Ok(self.hands.open_disk_writable(&self.disk)?)
    }

    fn close_writable(&self) -> io::Result<()> {
        Ok(self.hands.close_disk_writable(&self.disk)?)
    }
}

#[cfg(test)]
mod tests;
