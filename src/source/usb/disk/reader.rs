//! The child that parses one disk: no rights, no network, no files but the disk that it was handed. It keeps what it
//! knows of the disk between jobs, reads nothing of a file's contents, and may be ended at any moment.

use std::fs::File;

use super::blocks::{Blocks, ReadError};
use super::erase::{self, EraseError};
use super::files::{Disk, Volume, Walk, shelf_entry};
use super::wire::{self, Answer, Job, VolumeFacts};
use crate::domain::error::chain;
use crate::worker::child;
use crate::worker::protocol::FrameError;
use crate::worker::sandbox::{self, Limits};

/// A listing under way was measured to take 90 MiB at its worst ([`super::files::MAX_LISTING_BYTES`]); the rest is the
/// program itself and its libraries, which are mapped and hardly used.
const LIMITS: Limits = Limits {
    address_space_bytes: 1 << 30,
    // A card with 100,000 files is listed in two seconds; a recorder stays docked for a shift.
    cpu_seconds: 1800,
    open_files: 32,
};

/// Bytes of a listing in one answer: half a frame's body, since the last line may be long.
const LINES_BYTES: usize = 4 << 20;

/// Pieces in one answer: what the daemon keeps for an open file, 1 MiB.
const PIECES: usize = 64 << 10;

/// The life of a reader: lock the door, serve jobs until the daemon hangs up.
pub fn serve() -> Result<(), FrameError> {
    let measures = sandbox::lock_down(&LIMITS, &[]);
    let mut reader = Reader { disk: None, walk: None, writable: None, erases: false };
    child::serve(measures, move |job, file| reader.handle(job, file))
}

/// The life of an eraser: the same, with one descriptor that may be written.
pub fn serve_erasing() -> Result<(), FrameError> {
    let measures = sandbox::lock_down_but_write(&LIMITS, &[]);
    let mut reader = Reader { disk: None, walk: None, writable: None, erases: true };
    child::serve(measures, move |job, file| reader.handle(job, file))
}

struct Reader {
    disk: Option<Disk>,
    walk: Option<Walk>,
    writable: Option<File>,
    erases: bool,
}

/// Why a job has no better answer.
enum Trouble {
    Read(ReadError),
    Words(String),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Reader {
    fn handle(&mut self, job: Job, file: Option<File>) -> (Answer, Vec<u8>) {
        let mut body = Vec::new();
        let answer = match self.answer(job, file, &mut body) {
            Ok(answer) => answer,
            Err(Trouble::Read(ReadError::Gone(e))) => Answer::Gone(e.raw_os_error().unwrap_or_default()),
            Err(Trouble::Read(error)) => Answer::Failed(chain(&error)),
            Err(Trouble::Words(words)) => Answer::Failed(words),
        };
        (answer, body)
    }

    fn answer(&mut self, job: Job, file: Option<File>, body: &mut Vec<u8>) -> Result<Answer, Trouble> {
        if let Job::Open { disk_bytes, sector_bytes } = job {
            let Some(file) = file else { return Err(Trouble::Words("no disk came with the job".to_owned())) };
            return self.open(file, disk_bytes, sector_bytes);
        }
        let Some(disk) = &mut self.disk else { return Err(Trouble::Words("no disk is open".to_owned())) };
        // The recorder may have gone on recording: each job looks anew, the pages of one listing together.
        if !matches!(job, Job::List { restart: false }) {
            disk.blocks.forget();
        }
        Ok(match job {
            Job::Open { .. } => return Err(Trouble::Words("a disk is open already".to_owned())),
            Job::List { restart } => {
                if restart || self.walk.is_none() {
                    disk.blocks.try_again();
                    self.walk = Some(disk.walk());
                }
                let items = match &mut self.walk {
                    Some(walk) => walk.next(disk, LINES_BYTES)?,
                    None => Vec::new(),
                };
                items.iter().for_each(|item| wire::put_line(body, item));
                if items.is_empty() {
                    self.walk = None;
                }
                Answer::Lines { more: !items.is_empty() }
            }
            Job::Stat { path } => match disk.find(&path)? {
                Some((_, entry)) => {
                    wire::put_line(body, &super::files::Item::File(shelf_entry(path, &entry)));
                    Answer::File
                }
                None => Answer::Missing,
            },
            Job::Pieces { path, from } => match disk.find(&path)? {
                Some((n, entry)) => {
                    let pieces = disk.volumes[n].pieces(&mut disk.blocks, &entry, from, PIECES)?;
                    pieces.pieces.iter().for_each(|piece| wire::put_piece(body, piece));
                    let (from, more, damage) = (pieces.from, pieces.more, pieces.damage);
                    Answer::Pieces { size_bytes: entry.size_bytes(), from, more, damage }
                }
                None => Answer::Missing,
            },
            Job::Erase { path, size_bytes } => {
                let Some(writable) = self.writable.as_ref().filter(|_| self.erases) else {
                    return Err(Trouble::Words("this reader does not erase".to_owned()));
                };
                match erase::erase(disk, writable, &path, size_bytes) {
                    Ok(()) => Answer::Erased,
                    Err(EraseError::Missing | EraseError::Changed) => Answer::Changed,
                    Err(EraseError::Refused(words)) => Answer::Refused(words),
                    Err(EraseError::Failed(words)) => return Err(Trouble::Words(words)),
                    Err(EraseError::Gone(e)) => return Err(Trouble::Read(ReadError::Gone(e))),
                }
            }
        })
    }

    fn open(&mut self, file: File, disk_bytes: u64, sector_bytes: u64) -> Result<Answer, Trouble> {
        let words = |e: std::io::Error| Trouble::Words(e.to_string());
        if self.erases {
            self.writable = Some(file.try_clone().map_err(words)?);
        }
        let disk = Disk::open(Blocks::new(Box::new(file), disk_bytes), sector_bytes)?;
        let facts = |v: &Volume| VolumeFacts {
            exfat: v.facts.exfat,
            label: v.facts.label.clone(),
            id: v.facts.id.clone(),
            bytes: v.heap.bytes(),
            clean: v.facts.clean,
        };
        let answer =
            Answer::Opened { volumes: disk.volumes.iter().map(facts).collect(), unreadable: disk.unreadable.clone() };
        self.disk = Some(disk);
        Ok(answer)
    }
}
