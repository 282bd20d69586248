//! A directory of card images that are as slow as asked for, each by itself: a file system in user space (FUSE). Their
//! times stand still, the way a card's do, and nothing of them is kept in the page cache. Needs root and /dev/fuse.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use evidock::runtime::clock::monotonic;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen, Request,
};

/// What may be believed of an entry before it is asked again.
const VALID: Duration = Duration::from_secs(60);

/// The mounted directory; it is gone with this.
pub struct SlowCards(Option<BackgroundSession>);

impl SlowCards {
    /// Shows these files in `at` under their own names, each read with at most `per_second` bytes a second.
    pub fn mount(cards: &[PathBuf], at: &Path, per_second: u64) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let cards = cards.iter().map(|card| Card::new(card, per_second)).collect();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("slow cards".to_owned())];
        let session =
            fuser::spawn_mount(Directory { cards }, at, &config).expect("root may mount, and /dev/fuse is there");
        Self(Some(session))
    }
}

impl Drop for SlowCards {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.umount_and_join().unwrap();
        }
    }
}

struct Card {
    name: String,
    bytes: u64,
    reads: Sender<(u64, u32, ReplyData)>,
}

impl Card {
    fn new(path: &Path, per_second: u64) -> Self {
        let file = File::open(path).unwrap();
        let bytes = file.metadata().unwrap().len();
        let (reads, asked) = channel();
        std::thread::spawn(move || serve(&file, &asked, per_second));
        Self { name: path.file_name().unwrap().to_str().unwrap().to_owned(), bytes, reads }
    }
}

/// Answers one card's reads in their order, none sooner than the card could.
fn serve(file: &File, asked: &Receiver<(u64, u32, ReplyData)>, per_second: u64) {
    let mut free_at = monotonic();
    for (offset, len, reply) in asked {
        let mut bytes = vec![0; len as usize];
        let mut got = 0;
        while got < bytes.len() {
            match file.read_at(&mut bytes[got..], offset + got as u64).unwrap() {
                0 => break,
                n => got += n,
            }
        }
        free_at = free_at.max(monotonic()) + Duration::from_nanos(got as u64 * 1_000_000_000 / per_second);
        std::thread::sleep(free_at.saturating_duration_since(monotonic()));
        reply.data(&bytes[..got]);
    }
}

struct Directory {
    cards: Vec<Card>,
}

impl Directory {
    fn card(&self, inode: INodeNo) -> Option<&Card> {
        self.cards.get(usize::try_from(u64::from(inode)).ok()?.checked_sub(2)?)
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let of = |size, kind, perm| FileAttr {
            ino: inode,
            size,
            blocks: size.div_ceil(512),
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        };
        match inode {
            INodeNo::ROOT => Some(of(0, FileType::Directory, 0o755)),
            _ => self.card(inode).map(|card| of(card.bytes, FileType::RegularFile, 0o444)),
        }
    }
}

impl Filesystem for Directory {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.cards.iter().position(|card| name == card.name.as_str()) {
            Some(n) => match self.attributes(INodeNo(n as u64 + 2)) {
                Some(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
                None => reply.error(Errno::ENOENT),
            },
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&VALID, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.card(inode) {
            // The card answers when it can; meanwhile others are asked.
            Some(card) => drop(card.reads.send((offset, size, reply))),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        for (n, card) in self.cards.iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(n as u64 + 2), n as u64 + 1, FileType::RegularFile, &card.name) {
                break;
            }
        }
        reply.ok();
    }
}
