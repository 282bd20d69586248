//! A server that is reached by SFTP (version 3, as every server speaks it) as a destination. A key is a path below
//! the root; where uploads stand meanwhile is told in `folders.rs`.
//!
//! An upload is one file that grows, so that parts come one after the other and a cut is continued where the server's
//! file ends; within a part many requests are under way, which fills a long line as several parts would. The server
//! computes no checksum: what proves an object is reading it back.
//!
//! One connection serves all requests; it is made when it is needed, and again after it broke. The host's key must be
//! the one that was agreed on. It must not retry: that is the sender's business.

mod connection;
mod files;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use russh_sftp::extensions::Statvfs;
use russh_sftp::protocol::StatusCode;
use sha2::Digest;
use tokio::sync::Mutex;

use self::connection::{Connection, Fault};
use self::files::{Found, Known, OpenFile, Renamed, WriteFault};
use super::folders::{self, Entry, Folders};
use super::in_order::{self, Begin, PartFault, Spoiled, verified};
use super::trial;
use crate::config::SecretFile;
use crate::domain::digest::Sha256;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Less room than this is a full disk (bytes): file systems keep some for themselves.
const FULL_BELOW_BYTES: u64 = 1 << 20;
/// `f_flag` of a file system that is mounted read-only (OpenSSH PROTOCOL, 4.4).
const READ_ONLY: u64 = 1;

/// Settings of one SFTP destination, resolved.
#[derive(Debug, Clone)]
pub struct SftpOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// The password, where it takes one.
    pub password: Option<SecretFile>,
    /// Our private key (OpenSSH or PKCS#8), where it takes one.
    pub private_key: Option<SecretFile>,
    /// Fingerprint of its host key, as `SHA256:...`; without one it is refused, and the error tells what it shows.
    pub host_key: Option<String>,
    /// The directory that takes the objects; it must be there.
    pub root: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long it may go without any answer.
    pub idle_timeout: Duration,
}

/// A server that is reached by SFTP.
#[derive(Debug)]
pub struct SftpDestination {
    options: SftpOptions,
    connection: Mutex<Option<Arc<Connection>>>,
    known: Known,
    spoiled: Spoiled,
}

impl SftpDestination {
    /// Sets a destination up; nothing is connected yet.
    pub fn new(options: SftpOptions) -> Self {
        Self { options, connection: Mutex::default(), known: Known::default(), spoiled: Spoiled::default() }
    }

    async fn connection(&self) -> Result<Arc<Connection>, SendError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_usable()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let connection = Arc::new(Connection::open(&self.options).await?);
        // A typing error in the root must not grow a tree of its own somewhere.
        match files::look(&connection, &self.options.root).await {
            Ok(Found::Folder) => {}
            Ok(_) => {
                return Err(
                    self.refused(format!("there is no directory {}; make it, or correct root", self.options.root))
                );
            }
            Err(fault) => return Err(self.explain(&connection, "looking at the root", fault).await),
        }
        Ok(Arc::clone(slot.insert(connection)))
    }

    fn path(&self, key: &str) -> String {
        match self.options.root.as_str() {
            "." => key.to_owned(),
            root => format!("{}/{key}", root.trim_end_matches('/')),
        }
    }

    fn upload(&self, session: &SessionId) -> Result<String, SendError> {
        folders::upload(&session.0).map(|path| self.path(&path)).ok_or_else(|| self.lost())
    }

    fn lost(&self) -> SendError {
        SendError::SessionLost { destination: self.options.name.clone() }
    }

    fn refused(&self, what: String) -> SendError {
        SendError::Refused { destination: self.options.name.clone(), what }
    }

    fn unreachable(&self, what: String) -> SendError {
        SendError::Unreachable { destination: self.options.name.clone(), what }
    }

    fn mismatch(&self, key: &str, what: impl Into<String>) -> SendError {
        SendError::Mismatch { destination: self.options.name.clone(), key: key.to_owned(), what: what.into() }
    }

    fn protocol(&self, what: impl Into<String>) -> SendError {
        SendError::Protocol { destination: self.options.name.clone(), what: what.into() }
    }

    /// What a fault while `doing` something means. Many servers say no more than "failure" of a full or read-only
    /// disk, so it is asked about its room.
    async fn explain(&self, connection: &Connection, doing: &str, fault: Fault) -> SendError {
        let status = match fault {
            Fault::Stalled => {
                return self.unreachable(format!("nothing moved for {} s", self.options.idle_timeout.as_secs()));
            }
            Fault::Broken(what) => return self.unreachable(format!("{doing}: {what}")),
            Fault::Refused(status) => status,
        };
        let words = status.error_message.trim();
        match status.status_code {
            StatusCode::PermissionDenied => self.refused(format!("{doing}: {words}")),
            StatusCode::NoSuchFile => {
                // A folder that was there is not: it is made again at the next attempt.
                self.known.forget();
                self.unreachable(format!("{doing}: {words}"))
            }
            StatusCode::NoConnection | StatusCode::ConnectionLost => self.unreachable(format!("{doing}: {words}")),
            StatusCode::Failure if connection.tells_room => {
                let root = self.options.root.clone();
                let trouble = connection.ask(|sftp| sftp.statvfs(root)).await.ok().and_then(|room| disk_trouble(&room));
                match trouble {
                    Some(DiskTrouble::ReadOnly) => self.refused(format!("{doing}: its disk is read-only")),
                    Some(DiskTrouble::Full) => self.unreachable(format!("{doing}: its disk is full")),
                    None => self.unreachable(format!("{doing}: {words}; it tells no more (a full quota does so)")),
                }
            }
            StatusCode::Failure => {
                self.unreachable(format!("{doing}: {words}; it tells no more (a full or read-only disk does so)"))
            }
            _ => self.protocol(format!("{doing}: {words}")),
        }
    }

    /// Makes every folder above `key`.
    async fn make_room(&self, connection: &Connection, key: &str) -> Result<(), SendError> {
        for folder in folders::above(key) {
            if let Err(fault) = self.known.make(connection, &self.path(folder)).await {
                return Err(self.explain(connection, &format!("making {folder}"), fault).await);
            }
        }
        Ok(())
    }

    async fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        folders::check(&self.options.name, &object.key)?;
        let connection = self.connection().await?;
        let session = SessionId(folders::new_session());
        let path = self.upload(&session)?;
        self.make_room(&connection, &format!("{}/x", folders::UPLOADS)).await?;
        let made = async { OpenFile::make(&connection, &path).await?.close().await };
        match made.await {
            Ok(()) => Ok(session),
            Err(fault) => Err(self.explain(&connection, "beginning an upload", fault).await),
        }
    }

    /// Length of an upload under way.
    async fn held_bytes(&self, connection: &Connection, path: &str) -> Result<u64, SendError> {
        match files::look(connection, path).await {
            Ok(Found::File { size_bytes, .. }) => Ok(size_bytes),
            Ok(_) => Err(self.lost()),
            Err(fault) => Err(self.explain(connection, "looking at an upload", fault).await),
        }
    }

    async fn put_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        let path = self.upload(session)?;
        let connection = self.connection().await?;
        let held_bytes = self.held_bytes(&connection, &path).await?;
        let from = match in_order::begin(part, held_bytes, self.spoiled.has(&session.0)) {
            Begin::Lost => return Err(self.lost()),
            Begin::Whole => return Ok(in_order::receipt(part)),
            Begin::At(from) => from,
        };
        let file = match OpenFile::write(&connection, &path).await {
            Ok(file) => file,
            Err(fault) if fault.is(StatusCode::NoSuchFile) => return Err(self.lost()),
            Err(fault) => return Err(self.explain(&connection, "opening an upload", fault).await),
        };
        let written = async {
            file.write_all(from, verified(body, part, from)).await?;
            let found = file.found().await.map_err(WriteFault::Server)?;
            file.close().await.map_err(WriteFault::Server)?;
            Ok::<_, WriteFault>(found)
        };
        match written.await {
            Ok(Found::File { size_bytes, .. }) if size_bytes >= part.offset + part.len => {}
            Ok(_) => return Err(self.mismatch(&object.key, "it took the bytes of a part and holds fewer")),
            Err(WriteFault::Ours(fault)) => {
                if matches!(fault, PartFault::Differs(_)) {
                    self.spoiled.mark(&session.0);
                }
                return Err(fault.into_error(&self.options.name, &object.key, part));
            }
            Err(WriteFault::Server(fault)) => {
                if matches!(fault, Fault::Refused(_)) {
                    // What came after the request that was refused may have been done: a hole with a good length.
                    self.spoiled.mark(&session.0);
                }
                return Err(self.explain(&connection, "writing", fault).await);
            }
        }
        self.spoiled.clear(&session.0);
        Ok(in_order::receipt(part))
    }

    async fn finish(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        let (key, path) = (object.key.as_str(), self.upload(session)?);
        folders::check(&self.options.name, key)?;
        if parts.iter().map(|(part, _)| part.len).sum::<u64>() != object.size_bytes {
            return Err(self.protocol("its parts do not make up the object"));
        }
        let connection = self.connection().await?;
        let held_bytes = self.held_bytes(&connection, &path).await?;
        if held_bytes != object.size_bytes {
            // Of no use to anybody: whoever sent it begins anew, under another name.
            let _ = files::remove(&connection, &path).await;
            let what = format!("{held_bytes} bytes are there, {} were sent", object.size_bytes);
            return Err(self.mismatch(key, what));
        }
        let synced = async {
            let file = OpenFile::write(&connection, &path).await?;
            file.sync().await?;
            file.close().await
        };
        if let Err(fault) = synced.await {
            return Err(self.explain(&connection, "making an upload durable", fault).await);
        }
        self.make_room(&connection, key).await?;
        let target = self.path(key);
        if self.rename(&connection, &path, &target).await? == Renamed::Taken {
            if self.digest(&connection, key).await? == Some(object.sha256) {
                self.remove(&connection, &path).await?;
            } else {
                self.set_aside(&connection, session, &target).await?;
                if self.rename(&connection, &path, &target).await? == Renamed::Taken {
                    return Err(self.unreachable(format!("something else is writing {key}")));
                }
            }
        }
        self.spoiled.clear(&session.0);
        Ok(())
    }

    /// Another object under the name is kept, under another name.
    async fn set_aside(&self, connection: &Connection, session: &SessionId, target: &str) -> Result<(), SendError> {
        let aside = folders::replaced(&session.0).ok_or_else(|| self.lost())?;
        self.make_room(connection, &aside).await?;
        match self.rename(connection, target, &self.path(&aside)).await? {
            Renamed::Yes => Ok(()),
            Renamed::Taken => Err(self.protocol("the place for what is set aside is taken")),
        }
    }

    async fn rename(&self, connection: &Connection, from: &str, to: &str) -> Result<Renamed, SendError> {
        match files::rename_new(connection, from, to).await {
            Ok(renamed) => Ok(renamed),
            Err(fault) => Err(self.explain(connection, "giving an upload its name", fault).await),
        }
    }

    async fn remove(&self, connection: &Connection, path: &str) -> Result<(), SendError> {
        match files::remove(connection, path).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.explain(connection, "removing an upload", fault).await),
        }
    }

    /// SHA-256 of an object as it is read back; `None` when it is no file.
    async fn digest(&self, connection: &Arc<Connection>, key: &str) -> Result<Option<Sha256>, SendError> {
        let Some((file, size_bytes)) = self.open(connection, key).await? else { return Ok(None) };
        let mut hasher = sha2::Sha256::new();
        let mut stream = std::pin::pin!(file.into_stream(0, size_bytes));
        while let Some(bytes) = stream.next().await {
            match bytes {
                Ok(bytes) => hasher.update(&bytes),
                Err(fault) => return Err(self.explain(connection, "reading", fault).await),
            }
        }
        Ok(Some(Sha256(hasher.finalize().into())))
    }

    /// Opens an object and tells its length; `None` where there is none.
    async fn open(&self, connection: &Arc<Connection>, key: &str) -> Result<Option<(OpenFile, u64)>, SendError> {
        let opened = async {
            let file = OpenFile::read(connection, &self.path(key)).await?;
            match file.found().await? {
                Found::File { size_bytes, .. } => Ok::<_, Fault>(Some((file, size_bytes))),
                _ => Ok(None),
            }
        };
        match opened.await {
            Ok(found) => Ok(found),
            Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(None),
            Err(fault) => Err(self.explain(connection, "opening an object", fault).await),
        }
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<(), SendError> {
        folders::check(&self.options.name, key)?;
        let connection = self.connection().await?;
        if self.stands(&connection, key, &bytes).await? {
            return Ok(());
        }
        self.make_room(&connection, &format!("{}/x", folders::UPLOADS)).await?;
        let temporary = self.path(&folders::small_upload(key));
        let written = async {
            let file = OpenFile::make(&connection, &temporary).await?;
            match file.write_all(0, futures_util::stream::iter([Ok(bytes.clone())])).await {
                Ok(()) | Err(WriteFault::Ours(_)) => {}
                Err(WriteFault::Server(fault)) => return Err(fault),
            }
            file.sync().await?;
            file.close().await
        };
        if let Err(fault) = written.await {
            return Err(self.explain(&connection, "writing", fault).await);
        }
        self.make_room(&connection, key).await?;
        match self.rename(&connection, &temporary, &self.path(key)).await? {
            Renamed::Yes => Ok(()),
            Renamed::Taken => {
                self.remove(&connection, &temporary).await?;
                if self.stands(&connection, key, &bytes).await? {
                    Ok(())
                } else {
                    Err(self.protocol("a name is taken by no file"))
                }
            }
        }
    }

    /// Whether these bytes stand under the key already; others do not pass.
    async fn stands(&self, connection: &Arc<Connection>, key: &str, bytes: &Bytes) -> Result<bool, SendError> {
        let Some((file, size_bytes)) = self.open(connection, key).await? else { return Ok(false) };
        let mut theirs = Vec::new();
        if size_bytes == bytes.len() as u64 {
            let mut stream = std::pin::pin!(file.into_stream(0, size_bytes));
            while let Some(piece) = stream.next().await {
                match piece {
                    Ok(piece) => theirs.extend_from_slice(&piece),
                    Err(fault) => return Err(self.explain(connection, "reading", fault).await),
                }
            }
        }
        if size_bytes == bytes.len() as u64 && theirs == *bytes {
            Ok(true)
        } else {
            Err(self.mismatch(key, "another object stands there under the same key"))
        }
    }

    async fn try_out(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.options.station);
        let connection = self.connection().await?;
        self.remove(&connection, &self.path(&key)).await?;
        let (object, bytes) = trial::object(&key);
        let session = self.begin_upload(&object).await?;
        let found = match trial::run(self, &object, &bytes, &session).await {
            Ok(found) => found,
            Err(error) => {
                // Nobody else will ever know of this session; what stopped the trial is what is told.
                let _ = self.abort(&object, &session).await;
                return Err(error);
            }
        };
        let back = if found.reads_back { "gives the bytes back" } else { "does not give the bytes back" };
        let durable = if connection.syncs() {
            "makes files durable when asked"
        } else {
            "cannot be asked to make files durable (fsync@openssh.com)"
        };
        let detail = format!("SFTP: {back}, computes no checksums, {durable}");
        Ok(Abilities { proof: found.level(), lock: false, same_device: false, in_order: true, detail })
    }
}

/// What is wrong with a disk.
#[derive(Debug, PartialEq, Eq)]
enum DiskTrouble {
    ReadOnly,
    Full,
}

fn disk_trouble(room: &Statvfs) -> Option<DiskTrouble> {
    if room.flags & READ_ONLY != 0 {
        return Some(DiskTrouble::ReadOnly);
    }
    let full = room.blocks_avail.saturating_mul(room.fragment_size) < FULL_BELOW_BYTES;
    // File systems that make inodes as they need them tell of none at all.
    let no_inode = room.inodes > 0 && room.inodes_avail == 0;
    (full || no_inode).then_some(DiskTrouble::Full)
}

impl Folders for SftpDestination {
    fn entries<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, SendError>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let path = if folder.is_empty() { self.options.root.clone() } else { self.path(folder) };
            match files::entries(&connection, &path).await {
                Ok(entries) => Ok(entries),
                Err(fault) => Err(self.explain(&connection, "listing", fault).await),
            }
        })
    }
}

impl Destination for SftpDestination {
    fn name(&self) -> &DestinationName {
        &self.options.name
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(self.try_out())
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(self.begin_upload(object))
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        Box::pin(self.put_part(object, session, part, body))
    }

    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        Box::pin(async move {
            let path = self.upload(session)?;
            let connection = self.connection().await?;
            Ok(in_order::held_parts(object, self.held_bytes(&connection, &path).await?))
        })
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.finish(object, session, parts))
    }

    fn abort<'a>(&'a self, _object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            self.spoiled.clear(&session.0);
            let Ok(path) = self.upload(session) else { return Ok(()) };
            let connection = self.connection().await?;
            self.remove(&connection, &path).await
        })
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        _content_type: &'a str,
        _lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.put_new(key, bytes))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(async move {
            folders::check(&self.options.name, key)?;
            let connection = self.connection().await?;
            match files::look(&connection, &self.path(key)).await {
                Ok(Found::File { size_bytes, mtime }) => {
                    let tag = format!("{mtime}-{size_bytes}");
                    Ok(Some(RemoteObject { size_bytes, tag, ..RemoteObject::default() }))
                }
                Ok(_) => Ok(None),
                Err(fault) => Err(self.explain(&connection, "looking at an object", fault).await),
            }
        })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(async move {
            folders::check(&self.options.name, key)?;
            let connection = self.connection().await?;
            let Some((file, size_bytes)) = self.open(&connection, key).await? else {
                return Err(self.mismatch(key, "it is not there"));
            };
            let range = range.map_or(0..size_bytes, |r| r.start.min(size_bytes)..r.end.min(size_bytes));
            let (name, idle) = (self.options.name.clone(), self.options.idle_timeout.as_secs());
            let stream = file.into_stream(range.start, range.end).map(move |piece| {
                piece.map_err(|fault| {
                    let what = match fault {
                        Fault::Stalled => format!("nothing moved for {idle} s"),
                        Fault::Broken(what) => format!("reading: {what}"),
                        Fault::Refused(status) => format!("reading: {}", status.error_message),
                    };
                    SendError::Unreachable { destination: name.clone(), what }
                })
            });
            Ok(Box::pin(stream) as ByteStream)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(async move {
            super::key::check_prefix(&self.options.name, prefix)?;
            folders::list(self, prefix, after).await
        })
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        Box::pin(super::versions::one_each(self, prefix, from))
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        self.read(&version.key, None)
    }

    /// A file server has no locks; nothing is promised and nothing fails.
    fn retain<'a>(&'a self, key: &'a str, _until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move { folders::check(&self.options.name, key) })
    }

    fn hold<'a>(&'a self, key: &'a str, _held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(async move { folders::check(&self.options.name, key).map(|()| HoldAnswer::Unsupported) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(async move { folders::check(&self.options.name, key).map(|()| Removal::Unsupported) })
    }

    /// What is left of a session takes room and costs nothing; nothing there tells which key it was for.
    fn open_sessions<'a>(&'a self, _prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_of_disks_as_a_table() {
        let room = |flags, blocks_avail, inodes, inodes_avail| Statvfs {
            block_size: 4096,
            fragment_size: 4096,
            blocks: 1 << 20,
            blocks_free: blocks_avail,
            blocks_avail,
            inodes,
            inodes_free: inodes_avail,
            inodes_avail,
            fs_id: 0,
            flags,
            name_max: 255,
        };
        let table = [
            (room(0, 1 << 18, 1000, 10), None),
            (room(0, 1 << 18, 0, 0), None),
            (room(0, 10, 1000, 10), Some(DiskTrouble::Full)),
            (room(0, 1 << 18, 1000, 0), Some(DiskTrouble::Full)),
            (room(READ_ONLY | 2, 1 << 18, 1000, 10), Some(DiskTrouble::ReadOnly)),
        ];
        for (room, wanted) in table {
            assert_eq!(disk_trouble(&room), wanted, "{room:?}");
        }
    }
}
