//! Recorders on USB: how they are noticed, who lets them in, and how they are read.
//!
//! | file | owns |
//! | --- | --- |
//! | [`udev`] | a word whenever something was plugged in or out |
//! | [`sysfs`] | what stands on USB, as one picture; the proof that a disk hangs there and is nobody else's |
//! | [`device`], [`descriptors`] | what a USB device says of itself |
//! | [`bays`] | which port is which bay |
//! | [`gate`] | who is let in, by allow-list and register |
//! | [`hotplug`] | the way of a device from its port to a docked recorder and out again |
//! | [`hands`] | what needs rights over devices, and the gatekeeper that has them |
//! | [`watch`] | the loop that joins all of these and tells the daemon |
//! | [`mount`] | the kernel as the reader of a file system |
//! | [`disk`] | mass storage: partitions, FAT, exFAT, and reading a file's bytes from the disk |
//! | [`mtp`] | recorders that speak MTP, both in the daemon and in their readers |
//!
//! # Who may do what
//!
//! - The *gatekeeper* alone holds rights over devices (`evidock gatekeeper`, a service of its own): it authorises a
//!   device, sets its disk read-only and hands out open descriptors. It parses nothing that a recorder supplies.
//! - The daemon holds descriptors, never rights. It reads byte ranges of a disk and parses nothing of it.
//! - A *reader*, one child process per recorder, parses: partitions, FAT32, exFAT, MTP. It gets one descriptor and
//!   gives back names, sizes, times and, for disks, where on the disk a file's bytes stand. A hostile file system can
//!   end its own reader and nothing else; a lie about where bytes stand gives other bytes of the same recorder.
//!
//! So a file's bytes go from the disk into the daemon's copying pass without a detour through the child, past the page
//! cache, and a read error tells its exact place.

pub mod bays;
pub mod descriptors;
pub mod device;
pub mod disk;
pub mod gate;
pub mod hands;
pub mod hotplug;
pub mod mount;
pub mod mtp;
pub mod sysfs;
pub mod udev;
pub mod watch;

use std::fs::File;
use std::io;

/// Rights over one block device, held elsewhere (the gatekeeper, or this process where it has them).
pub trait DiskRights: Send + Sync {
    /// The whole disk, read-only, after the kernel was told to refuse every write to it. Opened anew each time: whoever
    /// gets it may change the flags of the descriptor (`O_DIRECT`), which duplicates would share.
    fn open_read_only(&self) -> io::Result<File>;
    /// The whole disk for erasing; the kernel refuses writes again when [`DiskRights::close_writable`] is called.
    fn open_writable(&self) -> io::Result<File>;
    /// Ends the time in which the disk may be written.
    fn close_writable(&self) -> io::Result<()>;
}
