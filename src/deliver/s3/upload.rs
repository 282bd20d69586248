//! Upload sessions: begin, parts, what the server says it holds, complete, abort. What to send, and when to
//! try again, is the sender's business.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};

use super::reply::{Meaning, Reply};
use super::wire::{Call, Fail, Payload};
use super::{S3Destination, xml};
use crate::deliver::blocks::BLOCK_BYTES;
use crate::deliver::key;
use crate::domain::ports::{ByteSource, HeldPart, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId};
use crate::domain::time::UtcMs;
use crate::runtime::task;

/// Longest listing or completion reply that is read: 1,000 entries of some 400 bytes, with room.
pub(super) const MAX_REPLY_BYTES: usize = 4 << 20;
/// Session of an object that goes up with one PUT.
const PUT: &str = "put";
/// Before the upload id of a multipart session.
const MULTIPART: &str = "mpu:";

/// A session's text taken apart.
enum Session<'a> {
    Put,
    Multipart(&'a str),
}

impl S3Destination {
    pub(super) async fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        key::check(self.wire.name(), &object.key)?;
        if object.size_bytes <= object.grid.part_bytes(0) {
            Ok(SessionId(PUT.into()))
        } else {
            self.begin_multipart(object).await
        }
    }

    /// CreateMultipartUpload, whatever the object's size.
    pub(super) async fn begin_multipart(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        let call = Call::object(Method::POST, &object.key)
            .flag("uploads")
            .header("content-type", &object.content_type)
            .header("x-amz-checksum-algorithm", "SHA256");
        let reply = self.wire.send(self.locked(call, object.lock_until)).await?;
        let initiated: xml::Initiated = self.parse(&self.text(reply).await?)?;
        if initiated.upload_id.is_empty() {
            return Err(self.wire.protocol("it began an upload without an id"));
        }
        Ok(SessionId(format!("{MULTIPART}{}", initiated.upload_id)))
    }

    pub(super) async fn upload_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        key::check(self.wire.name(), &object.key)?;
        let mut call = match self.session(session)? {
            Session::Multipart(id) => Call::object(Method::PUT, &object.key)
                .query("partNumber", (part.n + 1).to_string())
                .query("uploadId", id),
            Session::Put if part.n == 0 && part.len == object.size_bytes => {
                let call = Call::object(Method::PUT, &object.key).header("content-type", &object.content_type);
                self.locked(call, object.lock_until)
            }
            Session::Put => return Err(self.wire.protocol("an object that is sent in one go has one part")),
        };
        if self.learned.echo.is_no() {
            let md5 = content_md5(body.clone(), *part).await.map_err(SendError::Local)?;
            call = call.header("content-md5", &md5);
        }
        call = call.header("x-amz-checksum-sha256", &xml::to_base64(part.sha256.as_bytes()));
        let reply = self.wire.send(call.body(Payload::Part(*part, body))).await?;
        let tag = reply.header("etag").unwrap_or_default().to_owned();
        if tag.is_empty() {
            return Err(self.wire.protocol("it took a part without giving it an ETag"));
        }
        let sha256 = reply.header("x-amz-checksum-sha256").and_then(xml::sha256_from_base64);
        match sha256 {
            Some(theirs) if theirs != part.sha256 => {
                let what = format!("part {} has SHA-256 {theirs} there, {} here", part.n + 1, part.sha256);
                return Err(self.wire.mismatch(&object.key, what));
            }
            // From now on each part carries an MD5, which such servers do check.
            None => self.learned.echo.set(false),
            Some(_) => {}
        }
        Ok(PartReceipt { tag, sha256 })
    }

    /// Every (part, tag) that the server lists, once: some list a part that was sent twice two times, and only
    /// the sender's receipts can tell which of two tags is meant.
    pub(super) async fn list_parts(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
    ) -> Result<Vec<HeldPart>, SendError> {
        let Session::Multipart(id) = self.session(session)? else {
            let remote = self.head_object(&object.key).await?;
            return Ok(remote.map(|(remote, _)| whole_as_part(remote)).into_iter().collect());
        };
        let (mut held, mut seen, mut marker) = (Vec::new(), HashSet::new(), String::new());
        loop {
            let mut call = Call::object(Method::GET, &object.key).query("max-parts", "1000");
            if !marker.is_empty() {
                call = call.query("part-number-marker", marker.clone());
            }
            let reply = self.wire.send(call.query("uploadId", id)).await?;
            let page: xml::Parts = self.parse(&self.text(reply).await?)?;
            for part in page.parts {
                let Some(n) = part.part_number.checked_sub(1) else { continue };
                if seen.insert((n, part.etag.clone())) {
                    let sha256 = xml::sha256_from_base64(&part.sha256);
                    held.push(HeldPart { n, len: part.size, tag: part.etag, sha256 });
                }
            }
            if !page.is_truncated {
                held.sort_by_key(|part| part.n);
                return Ok(held);
            }
            // A listing that does not move on would never end.
            if page.next_part_number_marker.is_empty() || page.next_part_number_marker == marker {
                return Err(self.wire.protocol("its list of parts does not go on"));
            }
            marker = page.next_part_number_marker;
        }
    }

    pub(super) async fn complete_upload(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        let id = match self.session(session)? {
            Session::Multipart(id) => id,
            // An empty object may have no part at all; then completing is what puts it.
            Session::Put if parts.is_empty() && object.size_bytes == 0 => {
                let part = PartSpec { n: 0, offset: 0, len: 0, sha256: object.sha256 };
                let empty = Arc::new(crate::deliver::trial::InMemory(Bytes::new()));
                return self.upload_part(object, session, &part, empty).await.map(drop);
            }
            Session::Put if parts.len() == 1 => return Ok(()),
            Session::Put => return Err(self.wire.protocol("an object that is sent in one go has one part")),
        };
        // A server that computes checksums wants them all here, those too whose receipts came from its list without.
        let checked = self.learned.echo.is_yes() || parts.iter().any(|(_, receipt)| receipt.sha256.is_some());
        let body = Bytes::from(xml::complete(parts, checked));
        let call = Call::object(Method::POST, &object.key)
            .query("uploadId", id)
            .header("content-type", "application/xml")
            .body(Payload::Bytes(body));
        let reply = self.wire.send(call).await?;
        let status = reply.status();
        let text = self.text(reply).await?;
        // A long completion answers 200 first and may say no in its body (Amazon S3, CompleteMultipartUpload).
        match xml::error(&text) {
            Some(said) => {
                let refusal =
                    super::reply::Refusal { status, code: said.code, message: said.message, ..Default::default() };
                Err(refusal.into_error(self.wire.name(), &object.key))
            }
            None => Ok(()),
        }
    }

    pub(super) async fn abort_upload(&self, object: &ObjectSpec, session: &SessionId) -> Result<(), SendError> {
        let Session::Multipart(id) = self.session(session)? else { return Ok(()) };
        let call = Call::object(Method::DELETE, &object.key).query("uploadId", id);
        match self.wire.attempt(call).await {
            Ok(_) => Ok(()),
            Err(Fail::Refused(refusal)) if matches!(refusal.meaning(), Meaning::SessionLost | Meaning::NoSuchKey) => {
                Ok(())
            }
            Err(fail) => Err(self.wire.explain(fail, &object.key)),
        }
    }

    /// Adds the headers that lock an object from its first moment, where the bucket keeps locks.
    pub(super) fn locked<'a>(&self, call: Call<'a>, until: Option<UtcMs>) -> Call<'a> {
        match (until, self.lock.on_wire()) {
            (Some(until), Some(mode)) if !self.learned.lock.is_no() => call
                .header("x-amz-object-lock-mode", mode)
                .header("x-amz-object-lock-retain-until-date", &xml::lock_date(until)),
            _ => call,
        }
    }

    /// The body of a reply, bounded.
    pub(super) async fn text(&self, mut reply: Reply) -> Result<String, SendError> {
        match reply.body(MAX_REPLY_BYTES).await {
            Ok(Some(body)) => Ok(String::from_utf8_lossy(&body).into_owned()),
            Ok(None) => Err(self.wire.protocol("its reply is too long")),
            Err(Some(error)) => Err(self.wire.transport(error)),
            Err(None) => Err(self.wire.stalled()),
        }
    }

    /// Reads a reply's XML.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, SendError> {
        quick_xml::de::from_str(text).map_err(|e| self.wire.protocol(format!("its XML cannot be read: {e}")))
    }

    fn session<'a>(&self, session: &'a SessionId) -> Result<Session<'a>, SendError> {
        match session.0.strip_prefix(MULTIPART) {
            Some(id) => Ok(Session::Multipart(id)),
            None if session.0 == PUT => Ok(Session::Put),
            // Stored by another form of destination under the same name: nothing there is ours to go on with.
            None => Err(SendError::SessionLost { destination: self.wire.name().clone() }),
        }
    }
}

fn whole_as_part(remote: crate::domain::ports::RemoteObject) -> HeldPart {
    let sha256 = match remote.checksum {
        Some(crate::domain::ports::RemoteChecksum::Whole(sha256)) => Some(sha256),
        _ => None,
    };
    HeldPart { n: 0, len: remote.size_bytes, tag: remote.tag, sha256 }
}

/// MD5 of a part in Base64 (RFC 1864), read on a blocking thread one block at a time.
async fn content_md5(body: Arc<dyn ByteSource>, part: PartSpec) -> std::io::Result<String> {
    let work = task::blocking("content md5", move || {
        let (mut md5, mut buffer, mut at, end) =
            (Md5::new(), vec![0; BLOCK_BYTES], part.offset, part.offset + part.len);
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            match body.read_at(at, &mut buffer[..want])? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => {
                    md5.update(&buffer[..n]);
                    at += n as u64;
                }
            }
        }
        Ok(xml::to_base64(&md5.finalize()))
    });
    work.await.map_err(std::io::Error::other)?
}
