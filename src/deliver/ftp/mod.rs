//! A server that is reached by FTP, in the clear or over TLS, as a destination. A key is a path below the root; where
//! uploads stand meanwhile is told in `folders.rs`.
//!
//! An upload is one file that grows, so that parts come one after the other and a cut is continued where the server's
//! file ends. FTP has no checksums that servers agree on, no way to make a file durable and no rename that minds its
//! target: what proves an object is reading it back, and every name is looked at before it is given. Names have one
//! writer, this station, so that looking first is enough.
//!
//! It must not retry (the sender's business) and must not fall back from TLS to none.

mod connection;
mod files;
mod listing;
mod pool;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use rustls::ClientConfig;
use sha2::Digest;

use self::connection::{Control, Fault};
use self::files::{Known, Reading, WriteFault};
use self::pool::{Lent, Pool};
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

/// Whether and when a connection becomes TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpTls {
    /// Asked for with AUTH TLS on an ordinary connection (RFC 4217).
    Explicit,
    /// From the first byte, on a port of its own.
    Implicit,
    /// Never: password and footage can be read on the way.
    Off,
}

/// Settings of one FTP destination, resolved.
#[derive(Debug, Clone)]
pub struct FtpOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// Host name or address; with TLS, the one in the server's certificate.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// The password.
    pub password: SecretFile,
    /// Whether and when a connection becomes TLS.
    pub tls: FtpTls,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The directory that takes the objects; it must be there.
    pub root: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long it may go without any progress.
    pub idle_timeout: Duration,
}

/// Why a destination could not be set up. A person must change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum FtpSetupError {
    /// The certificates cannot be read.
    #[error("the certificates in {path} cannot be used; ca_file must be a PEM file")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No TLS, e.g. without any certificates on the system.
    #[error("no TLS can be had; install ca-certificates or set ca_file")]
    Tls(#[source] rustls::Error),
}

/// A server that is reached by FTP.
#[derive(Debug)]
pub struct FtpDestination {
    options: FtpOptions,
    tls: Option<Arc<ClientConfig>>,
    pool: Arc<Pool>,
    known: Known,
    spoiled: Spoiled,
}

impl FtpDestination {
    /// Sets a destination up; nothing is connected yet.
    ///
    /// # Errors
    /// Certificates that cannot be used.
    pub fn new(options: FtpOptions) -> Result<Self, FtpSetupError> {
        let tls = match options.tls {
            FtpTls::Off => None,
            FtpTls::Explicit | FtpTls::Implicit => Some(connection::tls_config(options.ca_file.as_deref())?),
        };
        Ok(Self { options, tls, pool: Pool::new(), known: Known::default(), spoiled: Spoiled::default() })
    }

    async fn lend(&self) -> Result<Lent, SendError> {
        self.pool.lend(&self.options, self.tls.as_ref()).await
    }

    fn lost(&self) -> SendError {
        SendError::SessionLost { destination: self.options.name.clone() }
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

    /// What a fault while `doing` something means (RFC 959, 4.2, and what servers say in practice).
    fn explain(&self, doing: &str, fault: Fault) -> SendError {
        let destination = self.options.name.clone();
        let (code, words) = match fault {
            Fault::Stalled => {
                return self.unreachable(format!("nothing moved for {} s", self.options.idle_timeout.as_secs()));
            }
            Fault::Broken(what) => return self.unreachable(format!("{doing}: {what}")),
            Fault::Untrusted(what) => return SendError::Refused { destination, what: format!("{doing}: {what}") },
            Fault::Refused(code, words) => (code, words),
        };
        let what = format!("{doing}: {words}");
        // The folders that were known may be what is missing.
        self.known.forget();
        match code {
            452 | 552 => self.unreachable(format!("{what} (its disk or our quota there is full)")),
            // What data connections are asked for and did not do: tried again on another control connection.
            522 => self.unreachable(what),
            // vsftpd and others say "local error" of a full disk.
            451 => self.unreachable(format!("{what} (a full disk does so)")),
            530 | 532 | 534 | 550 | 553 => SendError::Refused { destination, what },
            400..500 => self.unreachable(what),
            _ => self.protocol(what),
        }
    }

    fn upload(&self, control: &Control, session: &SessionId) -> Result<String, SendError> {
        folders::upload(&session.0).map(|path| control.path(&path)).ok_or_else(|| self.lost())
    }

    /// Makes every folder above `key`.
    async fn make_room(&self, control: &mut Control, key: &str) -> Result<(), SendError> {
        for folder in folders::above(key) {
            let path = control.path(folder);
            let made = self.known.make(control, &path).await;
            made.map_err(|fault| self.explain(&format!("making {folder}"), fault))?;
        }
        Ok(())
    }

    async fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        folders::check(&self.options.name, &object.key)?;
        let mut control = self.lend().await?;
        let session = SessionId(folders::new_session());
        self.make_room(&mut control, &format!("{}/x", folders::UPLOADS)).await?;
        let path = self.upload(&control, &session)?;
        self.store(&mut control, &path, Bytes::new(), "beginning an upload").await?;
        control.give_back();
        Ok(session)
    }

    /// Writes a small file whole.
    async fn store(&self, control: &mut Control, path: &str, bytes: Bytes, doing: &str) -> Result<(), SendError> {
        match files::write(control, path, (0, 0), futures_util::stream::iter([Ok(bytes)])).await {
            // What is in memory can be read.
            Ok(()) | Err(WriteFault::Ours(_)) => Ok(()),
            Err(WriteFault::Server(fault)) => Err(self.explain(doing, fault)),
        }
    }

    async fn size(&self, control: &mut Control, path: &str, doing: &str) -> Result<Option<u64>, SendError> {
        files::size(control, path).await.map_err(|fault| self.explain(doing, fault))
    }

    /// Length of an upload under way.
    async fn held_bytes(&self, control: &mut Control, path: &str) -> Result<u64, SendError> {
        self.size(control, path, "looking at an upload").await?.ok_or_else(|| self.lost())
    }

    async fn put_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        // A text that is no session of ours needs no connection.
        folders::upload(&session.0).ok_or_else(|| self.lost())?;
        let mut control = self.lend().await?;
        let path = self.upload(&control, session)?;
        let held = self.held_bytes(&mut control, &path).await?;
        let from = match in_order::begin(part, held, self.spoiled.has(&session.0)) {
            Begin::Lost => return Err(self.lost()),
            Begin::Whole => {
                control.give_back();
                return Ok(in_order::receipt(part));
            }
            Begin::At(from) => from,
        };
        match files::write(&mut control, &path, (from, held), verified(body, part, from)).await {
            Ok(()) => {}
            Err(WriteFault::Ours(fault)) => {
                if matches!(fault, PartFault::Differs(_)) {
                    self.spoiled.mark(&session.0);
                }
                return Err(fault.into_error(&self.options.name, &object.key, part));
            }
            Err(WriteFault::Server(fault)) => return Err(self.explain("writing", fault)),
        }
        let end = part.offset + part.len;
        let now = self.held_bytes(&mut control, &path).await?;
        if now != end && !(now == held && held > end) {
            // Taken and not kept, or written to another place than was said: no byte of the part counts.
            self.spoiled.mark(&session.0);
            return Err(self.mismatch(&object.key, format!("it took a part up to byte {end} and holds {now}")));
        }
        self.spoiled.clear(&session.0);
        control.give_back();
        Ok(in_order::receipt(part))
    }

    async fn finish(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        let key = object.key.as_str();
        folders::check(&self.options.name, key)?;
        folders::upload(&session.0).ok_or_else(|| self.lost())?;
        if parts.iter().map(|(part, _)| part.len).sum::<u64>() != object.size_bytes {
            return Err(self.protocol("its parts do not make up the object"));
        }
        let mut control = self.lend().await?;
        let path = self.upload(&control, session)?;
        let held = self.held_bytes(&mut control, &path).await?;
        if held != object.size_bytes {
            // Of no use to anybody: whoever sent it begins anew, under another name.
            let _ = files::remove(&mut control, &path).await;
            return Err(self.mismatch(key, format!("{held} bytes are there, {} were sent", object.size_bytes)));
        }
        self.make_room(&mut control, key).await?;
        let target = control.path(key);
        if self.size(&mut control, &target, "looking at an object").await?.is_some() {
            control.give_back();
            let same = self.digest(key).await? == Some(object.sha256);
            control = self.lend().await?;
            if same {
                let removed = files::remove(&mut control, &path).await;
                removed.map_err(|fault| self.explain("removing an upload", fault))?;
                control.give_back();
                return Ok(());
            }
            // Another object under the name is kept, under another name.
            let aside = folders::replaced(&session.0).ok_or_else(|| self.lost())?;
            self.make_room(&mut control, &aside).await?;
            let aside = control.path(&aside);
            if self.size(&mut control, &aside, "looking at what was set aside").await?.is_some() {
                return Err(self.protocol("the place for what is set aside is taken"));
            }
            self.rename(&mut control, &target, &aside).await?;
        }
        self.rename(&mut control, &path, &target).await?;
        self.spoiled.clear(&session.0);
        control.give_back();
        Ok(())
    }

    async fn rename(&self, control: &mut Control, from: &str, to: &str) -> Result<(), SendError> {
        let renamed = files::rename(control, from, to).await;
        renamed.map_err(|fault| self.explain("giving an upload its name", fault))
    }

    /// SHA-256 of an object as it is read back; `None` where there is none.
    async fn digest(&self, key: &str) -> Result<Option<Sha256>, SendError> {
        let Some(mut stream) = self.open(key, None).await? else { return Ok(None) };
        let mut hasher = sha2::Sha256::new();
        while let Some(bytes) = stream.next().await {
            hasher.update(&bytes?);
        }
        Ok(Some(Sha256(hasher.finalize().into())))
    }

    /// The bytes of an object; `None` where there is none.
    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<ByteStream>, SendError> {
        let mut control = self.lend().await?;
        let path = control.path(key);
        let Some(size) = self.size(&mut control, &path, "looking at an object").await? else {
            control.give_back();
            return Ok(None);
        };
        let range = range.map_or(0..size, |r| r.start.min(size)..r.end.min(size));
        let left = range.end.saturating_sub(range.start);
        // Some servers do not know a place at the end of a file.
        if left == 0 {
            control.give_back();
            return Ok(Some(Box::pin(futures_util::stream::empty())));
        }
        let reading = Reading::begin(control, &path, range.start, left).await;
        let reading = reading.map_err(|fault| self.explain("opening an object", fault))?;
        let (name, idle) = (self.options.name.clone(), self.options.idle_timeout.as_secs());
        let stream = futures_util::stream::unfold(Some(reading), async |reading| reading?.next().await);
        Ok(Some(Box::pin(stream.map(move |bytes| {
            bytes.map_err(|fault| {
                let what = match fault {
                    Fault::Stalled => format!("nothing moved for {idle} s"),
                    Fault::Broken(what) | Fault::Untrusted(what) => format!("reading: {what}"),
                    Fault::Refused(code, words) => format!("reading: {code}: {words}"),
                };
                SendError::Unreachable { destination: name.clone(), what }
            })
        }))))
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<(), SendError> {
        folders::check(&self.options.name, key)?;
        if let Some(mut stream) = self.open(key, None).await? {
            let mut theirs = Vec::new();
            while let Some(piece) = stream.next().await {
                theirs.extend_from_slice(&piece?);
                if theirs.len() > bytes.len() {
                    break;
                }
            }
            if theirs == *bytes {
                return Ok(());
            }
            return Err(self.mismatch(key, "another object stands there under the same key"));
        }
        let mut control = self.lend().await?;
        self.make_room(&mut control, &format!("{}/x", folders::UPLOADS)).await?;
        let temporary = control.path(&folders::small_upload(key));
        let length = bytes.len() as u64;
        self.store(&mut control, &temporary, bytes, "writing").await?;
        let held = self.size(&mut control, &temporary, "looking at an upload").await?;
        if held != Some(length) {
            return Err(self.mismatch(key, format!("it took {length} bytes and holds {}", held.unwrap_or_default())));
        }
        self.make_room(&mut control, key).await?;
        let target = control.path(key);
        self.rename(&mut control, &temporary, &target).await?;
        control.give_back();
        Ok(())
    }

    async fn try_out(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.options.station);
        let mut control = self.lend().await?;
        let path = control.path(&key);
        let removed = files::remove(&mut control, &path).await;
        removed.map_err(|fault| self.explain("removing the probe object", fault))?;
        control.give_back();
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
        let how = match self.options.tls {
            FtpTls::Explicit => "FTP over TLS",
            FtpTls::Implicit => "FTP over implicit TLS",
            FtpTls::Off => "FTP without encryption",
        };
        let back = if found.reads_back { "gives the bytes back" } else { "does not give the bytes back" };
        let detail = format!("{how}: {back}, computes no checksums");
        Ok(Abilities { proof: found.level(), lock: false, same_device: false, in_order: true, detail })
    }
}

impl Folders for FtpDestination {
    fn entries<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, SendError>> {
        Box::pin(async move {
            let mut control = self.lend().await?;
            let path = if folder.is_empty() { format!("{}/", control.root) } else { control.path(folder) };
            let entries = files::entries(&mut control, &path).await;
            let entries = entries.map_err(|fault| self.explain("listing", fault))?;
            control.give_back();
            Ok(entries)
        })
    }
}

impl Destination for FtpDestination {
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
            folders::upload(&session.0).ok_or_else(|| self.lost())?;
            let mut control = self.lend().await?;
            let path = self.upload(&control, session)?;
            let held = self.held_bytes(&mut control, &path).await?;
            control.give_back();
            Ok(in_order::held_parts(object, held))
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
            let Some(path) = folders::upload(&session.0) else { return Ok(()) };
            let mut control = self.lend().await?;
            let path = control.path(&path);
            let removed = files::remove(&mut control, &path).await;
            removed.map_err(|fault| self.explain("removing an upload", fault))?;
            control.give_back();
            Ok(())
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
            let mut control = self.lend().await?;
            let path = control.path(key);
            let size = self.size(&mut control, &path, "looking at an object").await?;
            control.give_back();
            Ok(size.map(|size_bytes| RemoteObject { size_bytes, ..RemoteObject::default() }))
        })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(async move {
            folders::check(&self.options.name, key)?;
            self.open(key, range).await?.ok_or_else(|| self.mismatch(key, "it is not there"))
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
