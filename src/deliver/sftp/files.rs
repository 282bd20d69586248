//! Files on the server: the few steps that a destination is made of, each with what it does when the server has no
//! proper way. Paths here are whole; keys are `mod`'s business.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use super::connection::{Connection, Fault};
use crate::deliver::folders::Entry;
use crate::deliver::in_order::PartFault;
use crate::runtime::task;

/// Requests of one transfer under way: 1 MiB on a line of 100 ms is 80 Mbit/s, more than stations have.
const UNDER_WAY: usize = 32;

/// A file open at the server; closed when dropped, too.
pub(super) struct OpenFile {
    connection: Arc<Connection>,
    /// Taken when it is closed.
    handle: Option<String>,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Folder,
    /// With its length in bytes and when it was changed.
    File {
        size_bytes: u64,
        mtime: u32,
    },
    /// A device, a link to nothing known, a length that is not told.
    Other,
}

/// Why the bytes of a part did not arrive.
#[derive(Debug)]
pub(super) enum WriteFault {
    Server(Fault),
    Ours(PartFault),
}

/// Looks at a path.
pub(super) async fn look(connection: &Connection, path: &str) -> Result<Found, Fault> {
    match connection.ask(|sftp| sftp.stat(path)).await {
        Ok(found) => Ok(found_by(&found.attrs)),
        Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(Found::Nothing),
        Err(fault) => Err(fault),
    }
}

fn found_by(attrs: &FileAttributes) -> Found {
    let kind = attrs.file_type();
    match attrs.size {
        _ if kind.is_dir() => Found::Folder,
        // Servers that tell no type tell a length only of files.
        Some(size_bytes) if kind.is_file() || attrs.permissions.is_none() => {
            Found::File { size_bytes, mtime: attrs.mtime.unwrap_or_default() }
        }
        _ => Found::Other,
    }
}

impl OpenFile {
    /// Opens for reading.
    pub async fn read(connection: &Arc<Connection>, path: &str) -> Result<Self, Fault> {
        Self::open(connection, path, OpenFlags::READ).await
    }

    /// Opens for writing into what is there.
    pub async fn write(connection: &Arc<Connection>, path: &str) -> Result<Self, Fault> {
        Self::open(connection, path, OpenFlags::WRITE).await
    }

    /// Opens for writing; makes the file where there is none, and empties it.
    pub async fn make(connection: &Arc<Connection>, path: &str) -> Result<Self, Fault> {
        Self::open(connection, path, OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE).await
    }

    async fn open(connection: &Arc<Connection>, path: &str, flags: OpenFlags) -> Result<Self, Fault> {
        let opened = connection.ask(|sftp| sftp.open(path, flags, FileAttributes::empty())).await?;
        Ok(Self { connection: Arc::clone(connection), handle: Some(opened.handle) })
    }

    fn handle(&self) -> String {
        self.handle.clone().unwrap_or_default()
    }

    /// What it is by now.
    pub async fn found(&self) -> Result<Found, Fault> {
        let handle = self.handle();
        Ok(found_by(&self.connection.ask(|sftp| sftp.fstat(handle)).await?.attrs))
    }

    /// Writes blocks from `at` on, many requests at a time; the server does them in their order. Ends with the first
    /// that fails, after all that were under way have come back.
    pub async fn write_all<S>(&self, mut at: u64, mut blocks: S) -> Result<(), WriteFault>
    where
        S: Stream<Item = Result<Bytes, PartFault>> + Unpin,
    {
        let (handle, piece_bytes) = (self.handle(), self.connection.request_bytes as usize);
        let mut under_way = FuturesUnordered::new();
        let mut outcome = Ok(());
        'blocks: while let Some(block) = blocks.next().await {
            let block = match block {
                Ok(block) => block,
                Err(fault) => {
                    outcome = Err(WriteFault::Ours(fault));
                    break;
                }
            };
            for piece in block.chunks(piece_bytes) {
                if under_way.len() == UNDER_WAY
                    && let Some(Err(fault)) = under_way.next().await
                {
                    outcome = Err(WriteFault::Server(fault));
                    break 'blocks;
                }
                let (handle, piece, offset) = (handle.clone(), piece.to_vec(), at);
                at += piece.len() as u64;
                under_way.push(self.connection.ask(move |sftp| sftp.write(handle, offset, piece)));
            }
        }
        while let Some(written) = under_way.next().await {
            if let Err(fault) = written
                && outcome.is_ok()
            {
                outcome = Err(WriteFault::Server(fault));
            }
        }
        outcome
    }

    /// Makes what was written durable, where the server can. One that offers it and does not let us is like one without.
    pub async fn sync(&self) -> Result<(), Fault> {
        if !self.connection.syncs() {
            return Ok(());
        }
        let handle = self.handle();
        match self.connection.ask(|sftp| sftp.fsync(handle)).await {
            Err(fault) if fault.is(StatusCode::PermissionDenied) || fault.is(StatusCode::OpUnsupported) => {
                self.connection.does_not_sync();
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// Closes it; a server may tell only now that what was written did not fit.
    pub async fn close(mut self) -> Result<(), Fault> {
        let handle = self.handle.take().unwrap_or_default();
        self.connection.ask(|sftp| sftp.close(handle)).await.map(drop)
    }

    /// The bytes from `at` to `end`, many requests at a time, in their order; fewer where the file ends before.
    pub fn into_stream(self, at: u64, end: u64) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
        let file = Arc::new(self);
        let step = u64::from(file.connection.request_bytes);
        let pieces = (0..end.saturating_sub(at).div_ceil(step)).map(move |n| {
            let from = at + n * step;
            (from, (from + step).min(end))
        });
        futures_util::stream::iter(pieces)
            .map(move |(from, to)| {
                let file = Arc::clone(&file);
                async move { file.piece(from, to).await }
            })
            .buffered(UNDER_WAY)
            .take_while(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())))
    }

    /// The bytes from `from` to `to`; a server may give fewer at a time.
    async fn piece(&self, from: u64, to: u64) -> Result<Bytes, Fault> {
        let mut got = Vec::new();
        while from + (got.len() as u64) < to {
            let (handle, at) = (self.handle(), from + got.len() as u64);
            match self.connection.ask(|sftp| sftp.read(handle, at, (to - at) as u32)).await {
                Ok(data) if data.data.is_empty() => break,
                Ok(data) if data.data.len() as u64 > to - at => {
                    return Err(Fault::Broken("more bytes than were asked for".to_owned()));
                }
                Ok(data) => got.extend_from_slice(&data.data),
                Err(fault) if fault.is(StatusCode::Eof) => break,
                Err(fault) => return Err(fault),
            }
        }
        Ok(got.into())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        // Without a runtime the process ends, and the connection with it.
        if tokio::runtime::Handle::try_current().is_ok() && self.connection.is_usable() {
            let connection = Arc::clone(&self.connection);
            task::spawn_named("close at the server", async move {
                // Told to nobody: whoever wanted the bytes has gone, or has heard of a fault already.
                let _ = connection.ask(|sftp| sftp.close(handle)).await;
            });
        }
    }
}

/// Folders that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashSet<String>>);

impl Known {
    fn has(&self, path: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn add(&self, path: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// Somebody removed one: all are looked at again.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes `path` a folder, whose parent is one.
    pub async fn make(&self, connection: &Connection, path: &str) -> Result<(), Fault> {
        if self.has(path) {
            return Ok(());
        }
        if look(connection, path).await? != Found::Folder
            && let Err(fault) = connection.ask(|sftp| sftp.mkdir(path, FileAttributes::empty())).await
            // Another station, or another task of ours, may have been first.
            && look(connection, path).await? != Found::Folder
        {
            return Err(fault);
        }
        self.add(path);
        Ok(())
    }
}

/// Whether a name was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renamed {
    Yes,
    /// Something stands there; nothing was changed.
    Taken,
}

/// Renames without taking a name over. The protocol's rename refuses to (draft-ietf-secsh-filexfer-02, 6.5), and not every server
/// keeps to that: a name has one writer, this station, so looking first is enough.
pub(super) async fn rename_new(connection: &Connection, from: &str, to: &str) -> Result<Renamed, Fault> {
    if look(connection, to).await? != Found::Nothing {
        return Ok(Renamed::Taken);
    }
    let Err(fault) = connection.ask(|sftp| sftp.rename(from, to)).await else { return Ok(Renamed::Yes) };
    if !matches!(fault, Fault::Refused(_)) || fault.is(StatusCode::NoSuchFile) {
        return Err(fault);
    }
    if look(connection, to).await? != Found::Nothing {
        return Ok(Renamed::Taken);
    }
    // Nothing stood there a moment ago, so that nothing is taken over by the other way either.
    if connection.posix_rename {
        connection.posix_rename(from, to).await?;
        return Ok(Renamed::Yes);
    }
    Err(fault)
}

/// Removes a file; absence is fine.
pub(super) async fn remove(connection: &Connection, path: &str) -> Result<(), Fault> {
    match connection.ask(|sftp| sftp.remove(path)).await {
        Err(fault) if !fault.is(StatusCode::NoSuchFile) => Err(fault),
        _ => Ok(()),
    }
}

/// What stands in a folder; nothing where there is none.
pub(super) async fn entries(connection: &Connection, path: &str) -> Result<Vec<Entry>, Fault> {
    let handle = match connection.ask(|sftp| sftp.opendir(path)).await {
        Ok(opened) => opened.handle,
        Err(fault) if fault.is(StatusCode::NoSuchFile) => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut entries = Vec::new();
    let outcome = loop {
        let handle = handle.clone();
        match connection.ask(|sftp| sftp.readdir(handle)).await {
            Ok(names) if names.files.is_empty() => break Ok(()),
            Ok(names) => entries.extend(names.files.into_iter().filter_map(|file| {
                let kind = file.attrs.file_type();
                // A link or a device is no object; where no type is told, a file is meant.
                let plain = kind.is_dir() || kind.is_file() || file.attrs.permissions.is_none();
                plain.then_some(Entry { folder: kind.is_dir(), name: file.filename })
            })),
            Err(fault) if fault.is(StatusCode::Eof) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    let closed = connection.ask(|sftp| sftp.close(handle)).await;
    outcome.and(closed.map(drop))?;
    Ok(entries)
}
