//! Device nodes: opening them and the two calls of the kernel that no file stands for. Thin, because it can only be
//! tried on a machine with such devices; who may do it is decided in [`super::direct`].

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, major, minor};
use rustix::ioctl::{self, Opcode, Setter};

/// Node and kernel calls, apart so that everything around them is tested without devices.
pub trait Nodes: Send + Sync {
    /// Opens a block device by its name after checking that it is the device `number` (`8:16`).
    fn open_block(&self, name: &str, number: &str, access: Access) -> io::Result<File>;
    /// Tells the kernel to refuse (or take) writes to a block device.
    fn refuse_writes(&self, device: &File, refuse: bool) -> io::Result<()>;
    /// Opens a USB device, good for claiming the interfaces in `mask` only.
    fn open_usb(&self, bus: u16, device: u16, mask: u32) -> io::Result<File>;
    /// Where a block device stands, for the kernel's mounting.
    fn block_path(&self, name: &str) -> PathBuf;
}

/// How a block device is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For writing, by nobody else at the same time who says so, too.
    WriteAlone,
}

/// `/dev`.
#[derive(Debug, Default)]
pub struct DevNodes;

/// `_IO(0x12, 93)` (linux/fs.h); reads an `int`.
const BLKROSET: Opcode = ioctl::opcode::none(0x12, 93);
/// `_IOW('U', 30, __u32)` (linux/usbdevice_fs.h, since Linux 4.5): from then on this descriptor claims the interfaces of
/// the mask only and detaches no driver.
const USBDEVFS_DROP_PRIVILEGES: Opcode = ioctl::opcode::write::<u32>(b'U', 30);

impl Nodes for DevNodes {
    fn open_block(&self, name: &str, number: &str, access: Access) -> io::Result<File> {
        let path = self.block_path(name);
        let mut flags = OFlags::NOFOLLOW;
        if access == Access::WriteAlone {
            // Fails where a mount or another exclusive holder has it (open(2)).
            flags |= OFlags::EXCL;
        }
        let file = File::options()
            .read(true)
            .write(access == Access::WriteAlone)
            .custom_flags(flags.bits() as i32)
            .open(&path)?;
        let meta = file.metadata()?;
        let found = format!("{}:{}", major(meta.rdev()), minor(meta.rdev()));
        if !meta.file_type().is_block_device() || found != number {
            return Err(io::Error::other(format!("{} is not the block device {number}", path.display())));
        }
        Ok(file)
    }

    fn refuse_writes(&self, device: &File, refuse: bool) -> io::Result<()> {
        set::<{ BLKROSET }, i32>(device, i32::from(refuse))
    }

    fn open_usb(&self, bus: u16, device: u16, mask: u32) -> io::Result<File> {
        let path = Path::new("/dev/bus/usb").join(format!("{bus:03}")).join(format!("{device:03}"));
        let nofollow = OFlags::NOFOLLOW.bits() as i32;
        let file = File::options().read(true).write(true).custom_flags(nofollow).open(&path)?;
        if !file.metadata()?.file_type().is_char_device() {
            return Err(io::Error::other(format!("{} is no USB device", path.display())));
        }
        match set::<{ USBDEVFS_DROP_PRIVILEGES }, u32>(&file, mask) {
            // A kernel that is older than this call still claims no interface that was not authorised.
            Err(e) if rustix::io::Errno::from_io_error(&e) == Some(rustix::io::Errno::NOTTY) => Ok(file),
            other => other.map(|()| file),
        }
    }

    fn block_path(&self, name: &str) -> PathBuf {
        Path::new("/dev").join(name)
    }
}

/// One ioctl that reads a value of ours.
#[allow(unsafe_code)] // The kernel has no other way to say these two things.
fn set<const CALL: Opcode, T>(device: impl AsFd, value: T) -> io::Result<()> {
    // SAFETY: both calls above read exactly one value of the type that they are used with, through a pointer to a
    // value that lives until the call returns, and write to no memory of ours.
    unsafe { ioctl::ioctl(device, Setter::<CALL, T>::new(value)) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_kernels_numbers() {
        assert_eq!(BLKROSET, 0x125d);
        assert_eq!(USBDEVFS_DROP_PRIVILEGES, 0x4004_551e);
    }

    #[test]
    fn what_is_no_such_device_is_not_opened() {
        // A character device by the right name is not the block device that was meant.
        assert!(DevNodes.open_block("null", "1:3", Access::Read).is_err());
        assert!(DevNodes.open_usb(999, 999, 1).is_err());
    }
}
