//! A WebDAV server as a destination. A key is a path below the root; where uploads stand meanwhile is told in
//! `folders.rs`.
//!
//! Servers differ in the one thing that matters: some take a part of a file (PUT with `Content-Range`), which resumes
//! like any growing file; some overwrite the file with the part that they were sent; some refuse. Which it is, is found
//! out by trying, and stands in the session's text, so that it outlives us:
//!
//! - `r-<session>`: parts go up one after the other, and a cut is continued where the server's file ends;
//! - `w-<session>`: nothing goes up before the last part, which sends the whole object in one request. A cut sends
//!   everything again: there is no other way on such a server.
//!
//! A server's ETag is no checksum: what proves an object is reading it back. Finished uploads get their names by MOVE
//! with `Overwrite: F`, after a look whether something stands there, since not every server minds the header.

mod wire;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::Digest;

use self::wire::{Body, Resource, Wire};
use super::Keys;
use super::folders::{self, Entry, Folders};
use super::http::{HttpOptions, HttpSetupError, Payload};
use super::in_order::{self, Begin, Spoiled, verified};
use super::trial;
use crate::domain::digest::Sha256;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteObject, Removal, SendError, SessionId, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Settings of one WebDAV destination, resolved.
#[derive(Debug, Clone)]
pub struct WebdavOptions {
    /// Its name in configuration.
    pub name: DestinationName,
    /// The station, whose probe key is used.
    pub station: StationId,
    /// Scheme, host and port.
    pub endpoint: String,
    /// The path that takes the objects; it must be there.
    pub root: String,
    /// User and password, where it asks for them (Basic).
    pub keys: Option<Keys>,
    /// How it is reached.
    pub http: HttpOptions,
}

/// A WebDAV server.
#[derive(Debug)]
pub struct WebdavDestination {
    options: WebdavOptions,
    wire: Wire,
    /// Whether it takes parts of files: 0 unknown, 1 yes, 2 no.
    takes_parts: AtomicU8,
    known: Mutex<HashSet<String>>,
    spoiled: Spoiled,
}

/// A session's text, read.
struct Session {
    /// Where its upload stands.
    path: String,
    /// Parts go up as they come.
    in_parts: bool,
}

impl WebdavDestination {
    /// Sets a destination up; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: WebdavOptions) -> Result<Self, HttpSetupError> {
        Ok(Self {
            wire: Wire::new(&options)?,
            options,
            takes_parts: AtomicU8::new(0),
            known: Mutex::default(),
            spoiled: Spoiled::default(),
        })
    }

    fn session(&self, session: &SessionId) -> Result<Session, SendError> {
        let read = session.0.split_once('-').and_then(|(how, name)| {
            let in_parts = match how {
                "r" => true,
                "w" => false,
                _ => return None,
            };
            Some(Session { path: folders::upload(name)?, in_parts })
        });
        read.ok_or_else(|| self.wire.line.session_lost())
    }

    /// Makes every folder above `key`.
    async fn make_room(&self, key: &str) -> Result<(), SendError> {
        for folder in folders::above(key) {
            if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
                continue;
            }
            let reply = self.wire.call("MKCOL", &format!("{folder}/"), &[], Payload::Empty).await?;
            // 405: something stands there (RFC 4918, 9.3.1). Whatever else is said, a folder that is there will do.
            let there = matches!(reply.status(), 201 | 405)
                || self.wire.look(&format!("{folder}/")).await?.is_some_and(|resource| resource.folder);
            if !there {
                let first = !folder.contains('/');
                return Err(match reply.status() {
                    // The folder above is missing, and above the first is the root alone.
                    404 | 409 if first => self
                        .wire
                        .line
                        .refused(format!("there is no folder {}; make it, or correct root", self.options.root)),
                    _ => self.explain(self.wire.refusal(&format!("making {folder}"), &reply)),
                });
            }
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        }
        Ok(())
    }

    /// After a failure the folders that were known are looked at again.
    fn explain(&self, error: SendError) -> SendError {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        error
    }

    /// Whether the server puts a part of a file where it belongs, found out once.
    async fn takes_parts(&self) -> Result<bool, SendError> {
        match self.takes_parts.load(Ordering::Relaxed) {
            1 => return Ok(true),
            2 => return Ok(false),
            _ => {}
        }
        let path = format!("{}/{}.probe", folders::UPLOADS, folders::new_session());
        self.make_room(&path).await?;
        let takes = self.try_parts(&path).await;
        // What is left of it harms nobody, and what stopped the trial is what is told.
        let removed = self.wire.remove(&path).await;
        let takes = takes?;
        removed?;
        self.takes_parts.store(if takes { 1 } else { 2 }, Ordering::Relaxed);
        Ok(takes)
    }

    async fn try_parts(&self, path: &str) -> Result<bool, SendError> {
        let (front, back) = (Bytes::from_static(b"0123456789"), Bytes::from_static(b"abcde"));
        self.wire.put(path, None, 10, whole(front)).await?;
        match self.wire.put(path, Some((10, 15)), 5, whole(back)).await {
            Ok(()) => {}
            // Refusing is the honest way of not being able to (RFC 9110, 14.5).
            Err(SendError::Protocol { .. } | SendError::Refused { .. }) => return Ok(false),
            // Some answer 501 or 500, and are as well as before.
            Err(SendError::Unreachable { .. }) if self.wire.look(path).await?.is_some() => return Ok(false),
            Err(other) => return Err(other),
        }
        let reply = self.wire.call("GET", path, &[], Payload::Empty).await?;
        if !reply.is_success() {
            return Ok(false);
        }
        self.wire.line.is_same(reply, b"0123456789abcde").await
    }

    async fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        folders::check(&self.options.name, &object.key)?;
        let how = if self.takes_parts().await? { "r" } else { "w" };
        let session = SessionId(format!("{how}-{}", folders::new_session()));
        let path = self.session(&session)?.path;
        self.make_room(&path).await?;
        self.wire.put(&path, None, 0, whole(Bytes::new())).await.map_err(|e| self.explain(e))?;
        Ok(session)
    }

    /// Length of an upload under way.
    async fn held_bytes(&self, path: &str) -> Result<u64, SendError> {
        match self.wire.look(path).await? {
            Some(Resource { folder: false, size_bytes: Some(size_bytes), .. }) => Ok(size_bytes),
            Some(_) => Err(self.wire.line.protocol("it does not tell the length of a file")),
            None => Err(self.wire.line.session_lost()),
        }
    }

    async fn put_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        let Session { path, in_parts } = self.session(session)?;
        let held = self.held_bytes(&path).await?;
        // On a server that takes no parts the one stretch that is ever sent is the whole object, with its last part.
        let all = PartSpec { n: 0, offset: 0, len: object.size_bytes, sha256: object.sha256, crc64: None };
        let stretch = if in_parts { *part } else { all };
        if !in_parts && part.offset + part.len < object.size_bytes {
            let mut checked = verified(body, part, part.offset);
            while let Some(block) = checked.next().await {
                block.map_err(|fault| fault.into_error(&self.options.name, &object.key, part))?;
            }
            return Ok(in_order::receipt(part));
        }
        let spoiled = self.spoiled.has(&session.0) || !in_parts && held < object.size_bytes;
        let from = match in_order::begin(&stretch, held, spoiled) {
            Begin::Lost => return Err(self.wire.line.session_lost()),
            Begin::Whole => return Ok(in_order::receipt(part)),
            Begin::At(from) => from,
        };
        let end = stretch.offset + stretch.len;
        let (name, key) = (self.options.name.clone(), object.key.clone());
        let blocks = verified(body, &stretch, from)
            .map(move |block| block.map_err(|fault| fault.into_error(&name, &key, &stretch)));
        // From the begin on it is an ordinary PUT, which every server takes and which empties the file first.
        let place = (from > 0).then_some((from, object.size_bytes));
        match self.wire.put(&path, place, end - from, Box::pin(blocks)).await {
            Ok(()) => {}
            Err(error) => {
                if matches!(error, SendError::Mismatch { .. }) {
                    self.spoiled.mark(&session.0);
                }
                return Err(self.explain(error));
            }
        }
        let now = self.held_bytes(&path).await?;
        if now != end && !(now == held && held > end) {
            self.spoiled.mark(&session.0);
            let what = format!("it took a part up to byte {end} and holds {now}");
            return Err(self.wire.line.mismatch(&object.key, what));
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
        let (key, path) = (object.key.as_str(), self.session(session)?.path);
        folders::check(&self.options.name, key)?;
        if parts.iter().map(|(part, _)| part.len).sum::<u64>() != object.size_bytes {
            return Err(self.wire.line.protocol("its parts do not make up the object"));
        }
        let held = self.held_bytes(&path).await?;
        if held != object.size_bytes {
            // Of no use to anybody: whoever sent it begins anew, under another name.
            let _ = self.wire.remove(&path).await;
            let what = format!("{held} bytes are there, {} were sent", object.size_bytes);
            return Err(self.wire.line.mismatch(key, what));
        }
        self.make_room(key).await?;
        if !self.rename(&path, key).await? {
            if self.digest(key).await? == Some(object.sha256) {
                self.wire.remove(&path).await?;
            } else {
                // Another object under the name is kept, under another name.
                let name = session.0.split_once('-').map_or("", |(_, name)| name);
                let aside = folders::replaced(name).ok_or_else(|| self.wire.line.session_lost())?;
                self.make_room(&aside).await?;
                if !self.rename(key, &aside).await? {
                    return Err(self.wire.line.protocol("the place for what is set aside is taken"));
                }
                if !self.rename(&path, key).await? {
                    return Err(self.wire.line.unreachable(format!("something else is writing {key}")));
                }
            }
        }
        self.spoiled.clear(&session.0);
        Ok(())
    }

    /// Gives a name under which nothing stands; `false` where something does. Some servers say yes and mean another name
    /// (WsgiDAV cuts one at `?` and `#`), so it is looked for there.
    async fn rename(&self, from: &str, to: &str) -> Result<bool, SendError> {
        if self.wire.look(to).await?.is_some() {
            return Ok(false);
        }
        if !self.wire.rename(from, to).await.map_err(|e| self.explain(e))? {
            return Ok(false);
        }
        if self.wire.look(to).await?.is_none() {
            return Err(self.wire.line.protocol(format!("it gave {to:?} another name than it was told")));
        }
        Ok(true)
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
        let Some(Resource { folder: false, size_bytes: Some(size), .. }) = self.wire.look(key).await? else {
            return Ok(None);
        };
        let range = range.map_or(0..size, |r| r.start.min(size)..r.end.min(size));
        if range.is_empty() {
            return Ok(Some(Box::pin(futures_util::stream::empty())));
        }
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let mut headers = vec![("accept-encoding", "identity")];
        if range != (0..size) {
            headers.push(("range", asked.as_str()));
        }
        let reply = self.wire.call("GET", key, &headers, Payload::Empty).await?;
        let begins = match reply.status() {
            200 => 0,
            206 => range.start,
            404 => return Ok(None),
            _ => return Err(self.wire.refusal("reading", &reply)),
        };
        if begins == range.start && (reply.status() == 206 || range.end == size) {
            return Ok(Some(reply.into_stream(&self.wire.line)));
        }
        Ok(Some(cut_out(reply.into_stream(&self.wire.line), range)))
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<(), SendError> {
        folders::check(&self.options.name, key)?;
        if self.stands(key, &bytes).await? {
            return Ok(());
        }
        let temporary = folders::small_upload(key);
        self.make_room(&temporary).await?;
        let length = bytes.len() as u64;
        self.wire.put(&temporary, None, length, whole(bytes.clone())).await.map_err(|e| self.explain(e))?;
        let held = self.held_bytes(&temporary).await?;
        if held != length {
            return Err(self.wire.line.mismatch(key, format!("it took {length} bytes and holds {held}")));
        }
        self.make_room(key).await?;
        if self.rename(&temporary, key).await? {
            return Ok(());
        }
        self.wire.remove(&temporary).await?;
        if self.stands(key, &bytes).await? {
            Ok(())
        } else {
            Err(self.wire.line.protocol("a name is taken by no file"))
        }
    }

    /// Whether these bytes stand under the key already; others do not pass.
    async fn stands(&self, key: &str, bytes: &Bytes) -> Result<bool, SendError> {
        let Some(mut stream) = self.open(key, None).await? else { return Ok(false) };
        let mut theirs = Vec::new();
        while let Some(piece) = stream.next().await {
            theirs.extend_from_slice(&piece?);
            if theirs.len() > bytes.len() {
                break;
            }
        }
        if theirs == *bytes {
            Ok(true)
        } else {
            Err(self.wire.line.mismatch(key, "another object stands there under the same key"))
        }
    }

    async fn try_out(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.options.station);
        self.wire.remove(&key).await?;
        // A server changes under us, so that a probe looks anew.
        self.takes_parts.store(0, Ordering::Relaxed);
        let takes_parts = self.takes_parts().await?;
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
        let parts = if takes_parts {
            "continues a file after a cut"
        } else {
            "takes no parts of files (PUT with Content-Range): after a cut a file is sent again whole"
        };
        let detail = format!("WebDAV: {back}, computes no checksums, {parts}");
        Ok(Abilities { proof: found.level(), lock: false, same_device: false, in_order: true, detail })
    }
}

/// Bytes in memory as the body of a request.
fn whole(bytes: Bytes) -> Body {
    Box::pin(futures_util::stream::iter([Ok(bytes)]))
}

/// The bytes `range` of a stream that begins at the file's begin: some servers give the whole whatever is asked.
fn cut_out(stream: ByteStream, range: Range<u64>) -> ByteStream {
    let mut at = 0;
    let cut = stream.map(move |chunk| {
        chunk.map(|chunk| {
            let begin = at;
            at += chunk.len() as u64;
            let within =
                |offset: u64| usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX).min(chunk.len());
            (at, chunk.slice(within(range.start)..within(range.end)))
        })
    });
    let end = range.end;
    let mut done = false;
    Box::pin(
        cut.take_while(move |chunk| {
            let go_on = !done;
            done = matches!(chunk, Ok((at, _)) if *at >= end);
            std::future::ready(go_on)
        })
        .map(|chunk| chunk.map(|(_, bytes)| bytes)),
    )
}

impl Folders for WebdavDestination {
    fn entries<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, SendError>> {
        Box::pin(async move {
            let found = self.wire.below(folder).await?;
            Ok(found.into_iter().map(|resource| Entry { name: resource.name, folder: resource.folder }).collect())
        })
    }
}

impl Destination for WebdavDestination {
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
            let Session { path, in_parts } = self.session(session)?;
            let held = self.held_bytes(&path).await?;
            // Where all goes up at once, a part of it is none.
            let counts = in_parts || held == object.size_bytes;
            Ok(if counts { in_order::held_parts(object, held) } else { Vec::new() })
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
            let Ok(Session { path, .. }) = self.session(session) else { return Ok(()) };
            self.wire.remove(&path).await
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
            Ok(match self.wire.look(key).await? {
                Some(Resource { folder: false, size_bytes: Some(size_bytes), .. }) => {
                    Some(RemoteObject { size_bytes, ..RemoteObject::default() })
                }
                _ => None,
            })
        })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(async move {
            folders::check(&self.options.name, key)?;
            self.open(key, range).await?.ok_or_else(|| self.wire.line.mismatch(key, "it is not there"))
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

    /// Locks of WebDAV are for writers and end with their time-out; nothing is promised and nothing fails.
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
