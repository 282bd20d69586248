//! The kernel as the reader of a medium's file system: an option for what the reader in user space does not know.
//! Owns which file systems may be mounted, how, and the recorder that comes of it.
//!
//! The mount is detached: it has no place in any tree of files, so that nothing else finds it, and it ends with the
//! last descriptor on it. It is read-only on a disk that refuses writes, and knows no set-uid files, devices,
//! programs or symbolic links. A hostile file system meets the kernel all the same; that is why this is an option.
//!
//! # Times
//!
//! FAT keeps local times without a zone. The kernel is told that they are UTC, so that the host's zone is never
//! applied; the clock reading is then given back as the local time that it was ([`LOCAL_PREFIX`]). exFAT as well,
//! except for entries in which the recorder wrote its offset from UTC: those the kernel has turned into UTC already,
//! and it does not say which they are. The reader in user space can tell them apart, so exFAT is better left to it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};

use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{LOCAL_PREFIX, Listing, ShelfEntry, ShelfIdentity, SourcePath};
use crate::source::folder::FolderShelf;

/// A file system that may be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// As udev calls it (`ID_FS_TYPE`).
    pub udev: &'static str,
    /// As the kernel calls it.
    pub driver: &'static str,
    /// Options without a value.
    flags: &'static [&'static str],
    /// Options with a value.
    values: &'static [(&'static str, &'static str)],
    /// Its files belong to whom we say.
    takes_owner: bool,
    /// Its times are local ones.
    local_times: bool,
}

/// Every file system that may be mounted; no other, whatever a medium claims to hold (Linux,
/// Documentation/filesystems: vfat, exfat, ext4, ntfs3).
const KNOWN: &[FileSystem] = &[
    FileSystem {
        udev: "vfat",
        driver: "vfat",
        flags: &[],
        values: &[("iocharset", "utf8"), ("tz", "UTC"), ("umask", "0277")],
        takes_owner: true,
        local_times: true,
    },
    FileSystem {
        udev: "exfat",
        driver: "exfat",
        flags: &[],
        values: &[("iocharset", "utf8"), ("time_offset", "0"), ("umask", "0277")],
        takes_owner: true,
        local_times: true,
    },
    // noload: the journal is not played back, for which the disk would have to be written.
    FileSystem { flags: &["noload"], ..PLAIN_EXT },
    FileSystem { udev: "ext3", flags: &["noload"], ..PLAIN_EXT },
    FileSystem { udev: "ext2", ..PLAIN_EXT },
    FileSystem {
        udev: "ntfs",
        driver: "ntfs3",
        flags: &[],
        values: &[("iocharset", "utf8"), ("umask", "0277")],
        takes_owner: true,
        local_times: false,
    },
];

const PLAIN_EXT: FileSystem =
    FileSystem { udev: "ext4", driver: "ext4", flags: &[], values: &[], takes_owner: false, local_times: false };

/// The file system that udev calls so.
pub fn known(udev_name: &str) -> Option<&'static FileSystem> {
    KNOWN.iter().find(|fs| fs.udev == udev_name)
}

/// Whether the kernel may mount it.
pub fn is_known(udev_name: &str) -> bool {
    known(udev_name).is_some()
}

/// Whether the reader in user space knows it.
pub fn is_read_without_the_kernel(udev_name: &str) -> bool {
    matches!(udev_name, "vfat" | "exfat")
}

/// Mounts `device`, read-only and detached, for the user `uid`. Needs the right to mount (CAP_SYS_ADMIN).
pub fn mount_detached(device: &Path, fs: &FileSystem, uid: u32) -> io::Result<OwnedFd> {
    let context = fsopen(fs.driver, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", device)?;
    fsconfig_set_flag(context, "ro")?;
    for flag in fs.flags {
        fsconfig_set_flag(context, *flag)?;
    }
    for (key, value) in fs.values {
        fsconfig_set_string(context, *key, *value)?;
    }
    if fs.takes_owner {
        fsconfig_set_string(context, "uid", uid.to_string())?;
    }
    fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    // Refusing symbolic links is younger (Linux 5.14) than mounting this way (5.2); where the kernel cannot, the walk
    // over the recorder, which follows none, is what remains.
    let strict = attributes | MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW;
    let mounted = match fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, strict) {
        Err(rustix::io::Errno::INVAL) => fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?,
        other => other?,
    };
    Ok(mounted)
}

/// A recorder whose file system the kernel reads.
#[derive(Debug)]
pub struct MountShelf {
    folder: FolderShelf,
    identity: ShelfIdentity,
    local_times: bool,
    /// The disk's place under `/sys`; there as long as the disk is.
    disk: PathBuf,
}

impl MountShelf {
    /// `mounted` is the root of the mount of `fs`; `disk` a path that exists as long as the disk is there, since a
    /// file system whose disk is gone answers with read errors like one with bad sectors.
    pub fn new(mounted: OwnedFd, fs: &FileSystem, disk: PathBuf, identity: ShelfIdentity) -> Result<Self, SourceError> {
        let folder = FolderShelf::over(mounted, &identity.bay)?;
        Ok(Self { folder, identity, local_times: fs.local_times, disk })
    }

    fn entry(&self, mut entry: ShelfEntry) -> ShelfEntry {
        if self.local_times {
            let local = local_time(&entry.modified_raw);
            entry.modified_raw = local.unwrap_or(entry.modified_raw);
            entry.modified_ms = None;
        }
        entry
    }

    fn or_gone<T>(&self, result: Result<T, SourceError>) -> Result<T, SourceError> {
        match result {
            Err(SourceError::Read { source, .. } | SourceError::Denied { source, .. }) if !self.disk.exists() => {
                Err(SourceError::Gone(source))
            }
            other => other,
        }
    }
}

impl Shelf for MountShelf {
    fn identity(&self) -> ShelfIdentity {
        ShelfIdentity { kind: "usb-mount", ..self.identity.clone() }
    }

    fn list(&self) -> Result<Listing, SourceError> {
        let listing = self.or_gone(self.folder.list())?;
        // Directories that cannot be read any more are listed as such; of a disk that is gone that is no listing.
        if !listing.unreadable.is_empty() && !self.disk.exists() {
            return Err(gone());
        }
        let Listing { files, unreadable } = listing;
        Ok(Listing { files: files.into_iter().map(|entry| self.entry(entry)).collect(), unreadable })
    }

    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        Ok(self.or_gone(self.folder.stat(path))?.map(|entry| self.entry(entry)))
    }

    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn Read + Send>, SourceError> {
        let file = self.or_gone(self.folder.open(path, offset_bytes))?;
        Ok(Box::new(Mortal { file, disk: self.disk.clone() }))
    }

    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        self.folder.erase(proof)
    }
}

/// A file whose errors say when the disk is gone.
struct Mortal {
    file: Box<dyn Read + Send>,
    disk: PathBuf,
}

impl Read for Mortal {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buf) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted && !self.disk.exists() => {
                Err(rustix::io::Errno::NODEV.into())
            }
            other => other,
        }
    }
}

fn gone() -> SourceError {
    SourceError::Gone(rustix::io::Errno::NODEV.into())
}

/// `seconds.nanoseconds` on a clock that was taken for UTC, as the local time that the recorder wrote.
fn local_time(raw: &str) -> Option<String> {
    let (seconds, nanos) = raw.split_once('.')?;
    let at = jiff::Timestamp::new(seconds.parse().ok()?, nanos.parse().ok()?).ok()?;
    let civil = jiff::tz::TimeZone::UTC.to_datetime(at);
    let hundredths = civil.subsec_nanosecond() / 10_000_000;
    let fraction = if hundredths == 0 { String::new() } else { format!(".{hundredths:02}") };
    Some(format!("{LOCAL_PREFIX}{}{fraction}", civil.strftime("%Y-%m-%dT%H:%M:%S")))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn only_known_file_systems_are_mounted_and_none_for_writing() {
        for fs in KNOWN {
            assert_eq!(known(fs.udev), Some(fs), "each name once");
            assert!(!fs.flags.contains(&"rw") && !fs.flags.contains(&"suid") && !fs.flags.contains(&"dev"));
        }
        for (name, driver) in [("vfat", Some("vfat")), ("ntfs", Some("ntfs3")), ("ext3", Some("ext4"))] {
            assert_eq!(known(name).map(|fs| fs.driver), driver);
        }
        for unknown in ["", "btrfs", "xfs", "proc", "overlay", "LVM2_member", "vfat,rw", "swap"] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }

    #[test]
    fn clock_readings_come_back_as_they_were_written() {
        for (raw, local) in [
            ("1781863404.000000000", Some("local 2026-06-19T10:03:24")),
            ("1781863404.500000000", Some("local 2026-06-19T10:03:24.50")),
            ("315532800.000000000", Some("local 1980-01-01T00:00:00")),
            ("x.0", None),
            ("99999999999999.0", None),
        ] {
            assert_eq!(local_time(raw).as_deref(), local, "{raw}");
        }
    }

    #[test]
    fn a_mount_is_a_recorder_with_local_times_until_its_disk_is_gone() {
        let (medium, sys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = medium.path().join("A.MP4");
        std::fs::write(&file, b"footage").unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(1_781_863_404);
        File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        let identity = ShelfIdentity { bay: "3".into(), volume_label: Some("DSJ".into()), ..ShelfIdentity::default() };
        let disk = sys.path().join("sdb");
        std::fs::create_dir(&disk).unwrap();
        let shelf = |fs: &str| {
            MountShelf::new(
                OwnedFd::from(File::open(medium.path()).unwrap()),
                known(fs).unwrap(),
                disk.clone(),
                identity.clone(),
            )
            .unwrap()
        };

        let fat = shelf("vfat");
        let entry = &fat.list().unwrap().files[0];
        assert_eq!((entry.modified_raw.as_str(), entry.modified_ms), ("local 2026-06-19T10:03:24", None));
        assert_eq!(fat.stat(&entry.path).unwrap().as_ref(), Some(entry));
        assert_eq!((fat.identity().kind, fat.identity().volume_label.as_deref()), ("usb-mount", Some("DSJ")));
        let ext = shelf("ext4");
        assert_eq!(ext.list().unwrap().files[0].modified_ms, Some(1_781_863_404_000));

        let missing = SourcePath::new("B.MP4");
        assert!(matches!(fat.open(&missing, 0), Err(SourceError::Read { .. })));
        let mut reader = Mortal { file: Box::new(Failing), disk: disk.clone() };
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().raw_os_error(), Some(5));
        std::fs::remove_dir(&disk).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().raw_os_error(), Some(19));
        assert!(matches!(fat.open(&missing, 0), Err(SourceError::Gone(_))));
        assert!(matches!(
            fat.erase(&EraseProof {
                clip: crate::domain::ids::ClipId::generate(1),
                path: SourcePath::new("A.MP4"),
                size_bytes: 7,
                intent_seq: 1
            }),
            Err(SourceError::Unsupported(_))
        ));
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(rustix::io::Errno::IO.into())
        }
    }
}
