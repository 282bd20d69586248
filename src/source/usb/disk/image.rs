//! An image file as a disk: for tests, and for a card that somebody copied whole. The file keeps its own permissions;
//! whoever may write it may open it for erasing here.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::usb::DiskRights;

/// Rights over an image.
#[derive(Debug, Clone)]
pub struct DiskImage {
    path: PathBuf,
}

impl DiskImage {
    /// The image at a path, which is looked at each time it is opened.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl DiskRights for DiskImage {
    fn open_read_only(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    fn open_writable(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(&self.path)
    }

    fn close_writable(&self) -> io::Result<()> {
        Ok(())
    }
}
