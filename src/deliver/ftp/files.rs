//! Files on the server, with what FTP has: SIZE, MKD, REST with STOR, RETR, RNFR with RNTO, listings. It takes names over
//! without a word, so each step that must not looks first.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Control, Fault, Transfer, within};
use super::listing;
use super::pool::Lent;
use crate::deliver::folders::Entry;
use crate::deliver::in_order::PartFault;

/// Bytes written or read at a time: each has the idle time-out for itself.
const STEP_BYTES: usize = 64 << 10;
/// Rest of a transfer that is read to its end rather than broken off with its connection.
const DRAIN_BYTES: u64 = 256 << 10;

/// Why the bytes of a part did not arrive.
#[derive(Debug)]
pub(super) enum WriteFault {
    Server(Fault),
    Ours(PartFault),
}

/// Length of a file in bytes; `None` where there is none, or no file.
pub(super) async fn size(control: &mut Control, path: &str) -> Result<Option<u64>, Fault> {
    match within(control.idle, control.ftp.size(path)).await {
        Ok(size) => Ok(Some(size as u64)),
        Err(fault) if fault.is_absent() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether a folder stands there.
pub(super) async fn is_folder(control: &mut Control, path: &str) -> Result<bool, Fault> {
    match within(control.idle, control.ftp.cwd(path)).await {
        Ok(()) => Ok(true),
        Err(Fault::Refused(..)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Folders that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashSet<String>>);

impl Known {
    /// Somebody removed one: all are looked at again.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes `path` a folder, whose parent is one.
    pub async fn make(&self, control: &mut Control, path: &str) -> Result<(), Fault> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path) {
            return Ok(());
        }
        if !is_folder(control, path).await?
            && let Err(fault) = within(control.idle, control.ftp.mkdir(path)).await
            // Another station, or another task of ours, may have been first.
            && (!matches!(fault, Fault::Refused(..)) || !is_folder(control, path).await?)
        {
            return Err(fault);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(())
    }
}

/// Writes blocks into a file from `from` on, where the file has `held` bytes.
pub(super) async fn write<S>(
    control: &mut Control,
    path: &str,
    (from, held): (u64, u64),
    mut blocks: S,
) -> Result<(), WriteFault>
where
    S: Stream<Item = Result<Bytes, PartFault>> + Unpin,
{
    let mut transfer = begin_write(control, path, from, held).await.map_err(WriteFault::Server)?;
    while let Some(block) = blocks.next().await {
        // Dropping the transfer breaks it off: what arrived stays, and the connection is not used again.
        let block = block.map_err(WriteFault::Ours)?;
        for piece in block.chunks(STEP_BYTES) {
            let written = control.in_time(transfer.write_all(piece)).await;
            let fault = match written {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Fault::from_io(&error),
                Err(stalled) => return Err(WriteFault::Server(stalled)),
            };
            return Err(WriteFault::Server(control.why(fault).await));
        }
    }
    match control.in_time(transfer.finish()).await {
        Ok(done) => done.map_err(|error| WriteFault::Server(error.into())),
        Err(stalled) => Err(WriteFault::Server(stalled)),
    }
}

/// Opens a file for writing at `from`. REST names the place, so that a writer whose cut the server has not noticed yet
/// writes the same bytes to the same place; a server without it appends, and only at the end that was told.
async fn begin_write(control: &mut Control, path: &str, from: u64, held: u64) -> Result<Transfer, Fault> {
    if from > 0 {
        let offset = usize::try_from(from).map_err(|_| Fault::Broken("too large for this machine".to_owned()))?;
        within(control.idle, control.ftp.resume_transfer(offset)).await?;
    }
    match within(control.idle, control.ftp.put_with_stream(path)).await {
        // Not implemented, or not for this command (RFC 959, 4.2).
        Err(Fault::Refused(500..=504, _)) if from > 0 && from == held => {
            within(control.idle, control.ftp.append_with_stream(path)).await
        }
        begun => begun,
    }
}

/// Gives a file a name under which nothing stood a moment ago.
pub(super) async fn rename(control: &mut Control, from: &str, to: &str) -> Result<(), Fault> {
    within(control.idle, control.ftp.rename(from, to)).await
}

/// Removes a file; absence is fine.
pub(super) async fn remove(control: &mut Control, path: &str) -> Result<(), Fault> {
    match within(control.idle, control.ftp.rm(path)).await {
        Err(fault) if fault.is_absent() && size(control, path).await?.is_none() => Ok(()),
        done => done,
    }
}

/// What stands in a folder; nothing where there is none. It is entered first: paths in a listing command may have
/// characters that servers take for patterns.
pub(super) async fn entries(control: &mut Control, path: &str) -> Result<Vec<Entry>, Fault> {
    if !is_folder(control, path).await? {
        return Ok(Vec::new());
    }
    if control.mlsd {
        let lines = within(control.idle, control.ftp.mlsd(None)).await?;
        Ok(lines.iter().filter_map(|line| listing::for_machines(line)).collect())
    } else {
        let lines = within(control.idle, control.ftp.list(None)).await?;
        Ok(lines.iter().filter_map(|line| listing::for_people(line)).collect())
    }
}

/// Reads `left` bytes of a file from `at` on; ends with an error where the file or the transfer ends before.
pub(super) struct Reading {
    control: Lent,
    transfer: Transfer,
    left: u64,
}

impl Reading {
    pub async fn begin(mut control: Lent, path: &str, at: u64, left: u64) -> Result<Self, Fault> {
        if at > 0 {
            let offset = usize::try_from(at).map_err(|_| Fault::Broken("too large for this machine".to_owned()))?;
            within(control.idle, control.ftp.resume_transfer(offset)).await?;
        }
        let transfer = within(control.idle, control.ftp.retr_as_stream(path)).await?;
        Ok(Self { control, transfer, left })
    }

    /// The next bytes, with what is needed to go on.
    pub async fn next(mut self) -> Option<(Result<Bytes, Fault>, Option<Self>)> {
        if self.left == 0 {
            return match self.end().await {
                Ok(()) => None,
                Err(fault) => Some((Err(fault), None)),
            };
        }
        let mut buffer = vec![0; STEP_BYTES.min(usize::try_from(self.left).unwrap_or(STEP_BYTES))];
        let read = match self.control.in_time(self.transfer.read(&mut buffer)).await {
            Ok(read) => read.map_err(|error| Fault::from_io(&error)),
            Err(stalled) => Err(stalled),
        };
        match read {
            Ok(0) => {
                // The reply tells whether the file is shorter than it was said to be, or the transfer broke.
                match self.end().await {
                    Ok(()) => None,
                    Err(fault) => Some((Err(fault), None)),
                }
            }
            Ok(n) => {
                buffer.truncate(n);
                self.left -= n as u64;
                Some((Ok(buffer.into()), Some(self)))
            }
            Err(fault) => Some((Err(fault), None)),
        }
    }

    /// Ends the transfer. What follows a range is read where it is little; else connection and transfer are closed, which
    /// costs a new login and no line.
    async fn end(mut self) -> Result<(), Fault> {
        let (mut drained, mut buffer) = (0, vec![0; STEP_BYTES]);
        loop {
            match self.control.in_time(self.transfer.read(&mut buffer)).await? {
                Ok(0) => break,
                Ok(n) => drained += n as u64,
                Err(error) => return Err(Fault::from_io(&error)),
            }
            if drained > DRAIN_BYTES {
                return Ok(());
            }
        }
        self.control.in_time(self.transfer.finish()).await?.map_err(Fault::from)?;
        self.control.give_back();
        Ok(())
    }
}
