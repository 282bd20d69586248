//! Upload sessions: begin, parts, what the server says it holds, complete, abort. What to send, and when to
//! try again, is the sender's business.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::reply::Meaning;
use super::wire::{Call, Fail, Payload};
use super::{Checksum, S3Destination, xml};
use crate::deliver::blocks::{Digests, digests, spoiled};
use crate::deliver::http::Reply;
use crate::deliver::{key, prove};
use crate::domain::digest::Crc64;
use crate::domain::ports::{
    ByteSource, HeldPart, ObjectSpec, OpenSession, PartReceipt, PartSpec, SendError, SessionId,
};
use crate::domain::time::UtcMs;

/// Longest listing or completion reply that is read: 1,000 entries of some 400 bytes, with room.
pub(super) const MAX_REPLY_BYTES: usize = 4 << 20;
/// Session of an object that goes up with one PUT.
const PUT: &str = "put";
/// Before the upload id of a multipart session.
const MULTIPART: &str = "mpu:";
/// The same, begun with CRC-64/NVME.
const MULTIPART_CRC: &str = "crc:";

/// A session's text taken apart.
enum Session<'a> {
    Put,
    Multipart(&'a str, Checksum),
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
        let checksum = self.learned.checksum.get();
        let call = Call::object(Method::POST, &object.key).flag("uploads").header("content-type", &object.content_type);
        let call = match checksum {
            Checksum::Sha256 => call.header("x-amz-checksum-algorithm", "SHA256"),
            Checksum::Crc64 => {
                call.header("x-amz-checksum-algorithm", "CRC64NVME").header("x-amz-checksum-type", "FULL_OBJECT")
            }
            Checksum::Md5 => call,
        };
        let reply = self.wire.send(self.locked(call, object.lock_until)).await?;
        let initiated: xml::Initiated = self.parse(&self.text(reply).await?)?;
        if initiated.upload_id.is_empty() {
            return Err(self.wire.protocol("it began an upload without an id"));
        }
        let kind = if checksum == Checksum::Crc64 { MULTIPART_CRC } else { MULTIPART };
        Ok(SessionId(format!("{kind}{}", initiated.upload_id)))
    }

    pub(super) async fn upload_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        key::check(self.wire.name(), &object.key)?;
        let (mut call, begun_with) = match self.session(session)? {
            Session::Multipart(id, begun_with) => {
                let call = Call::object(Method::PUT, &object.key)
                    .query("partNumber", (part.n + 1).to_string())
                    .query("uploadId", id);
                (call, begun_with)
            }
            Session::Put if part.n == 0 && part.len == object.size_bytes => {
                let call = Call::object(Method::PUT, &object.key).header("content-type", &object.content_type);
                (self.locked(call, object.lock_until), self.learned.checksum.get())
            }
            Session::Put => return Err(self.wire.protocol("an object that is sent in one go has one part")),
        };
        let by_md5 = self.learned.checksum.get() == Checksum::Md5;
        if by_md5 {
            let read = self.read_part(object, part, &body).await?;
            call = call.header("content-md5", &xml::to_base64(&read.md5));
        }
        let crc = match (begun_with, part.crc64) {
            (Checksum::Crc64, Some(crc)) => Some(crc),
            // Of a clip that was copied by an older version.
            (Checksum::Crc64, None) => Some(self.read_part(object, part, &body).await?.crc64),
            _ => None,
        };
        call = match crc {
            Some(crc) => call.header("x-amz-checksum-crc64nvme", &xml::crc64_to_base64(crc)),
            // Some say no to what they do not know.
            None if by_md5 => call,
            None => call.header("x-amz-checksum-sha256", &xml::to_base64(part.sha256.as_bytes())),
        };
        let reply = self.wire.send_to_upload(call.body(Payload::Part(*part, body))).await?;
        let tag = reply.header("etag").unwrap_or_default().to_owned();
        if tag.is_empty() {
            return Err(self.wire.protocol("it took a part without giving it an ETag"));
        }
        if let Some(ours) = crc {
            let theirs = reply.header("x-amz-checksum-crc64nvme").and_then(xml::crc64_from_base64);
            self.learned.crc_echo.set(theirs.is_some());
            return match theirs {
                Some(theirs) if theirs != ours => {
                    let what = format!("part {} has CRC {theirs} there, {ours} here", part.n + 1);
                    Err(self.wire.mismatch(&object.key, what))
                }
                _ => Ok(PartReceipt { tag, sha256: None }),
            };
        }
        let sha256 = reply.header("x-amz-checksum-sha256").and_then(xml::sha256_from_base64);
        match sha256 {
            Some(theirs) if theirs != part.sha256 => {
                let what = format!("part {} has SHA-256 {theirs} there, {} here", part.n + 1, part.sha256);
                return Err(self.wire.mismatch(&object.key, what));
            }
            // From now on each part carries an MD5, which such servers do check.
            None if begun_with == Checksum::Sha256 => self.learned.checksum.set(Checksum::Md5),
            _ => {}
        }
        Ok(PartReceipt { tag, sha256 })
    }

    /// Reads a part for digests that are not known yet; one that is no longer what was copied is not sent.
    async fn read_part(
        &self,
        object: &ObjectSpec,
        part: &PartSpec,
        body: &Arc<dyn ByteSource>,
    ) -> Result<Digests, SendError> {
        let read = digests(body.clone(), part.offset..part.offset + part.len, 0).await.map_err(SendError::Local)?;
        if read.sha256 != part.sha256 {
            return Err(self.wire.mismatch(&object.key, spoiled(part, read.sha256)));
        }
        Ok(read)
    }

    /// Every (part, tag) that the server lists, once: some list a part that was sent twice two times, and only
    /// the sender's receipts can tell which of two tags is meant.
    pub(super) async fn list_parts(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
    ) -> Result<Vec<HeldPart>, SendError> {
        let Session::Multipart(id, _) = self.session(session)? else {
            let remote = self.head_object(&object.key).await?;
            return Ok(remote.map(|(remote, _)| whole_as_part(remote)).into_iter().collect());
        };
        let (mut held, mut seen, mut marker) = (Vec::new(), HashSet::new(), String::new());
        loop {
            let mut call = Call::object(Method::GET, &object.key).query("max-parts", "1000");
            if !marker.is_empty() {
                call = call.query("part-number-marker", marker.clone());
            }
            let reply = self.wire.send_to_upload(call.query("uploadId", id)).await?;
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

    /// Every multipart upload under way below `prefix`.
    pub(super) async fn list_uploads(&self, prefix: &str) -> Result<Vec<OpenSession>, SendError> {
        key::check_prefix(self.wire.name(), prefix)?;
        let (mut open, mut after) = (Vec::new(), None::<(String, String)>);
        loop {
            let mut call =
                Call::bucket(Method::GET).flag("uploads").query("max-uploads", "1000").query("prefix", prefix);
            if let Some((key, id)) = &after {
                call = call.query("key-marker", key).query("upload-id-marker", id);
            }
            let reply = self.wire.send(call).await?;
            let page: xml::Uploads = self.parse(&self.text(reply).await?)?;
            // The prefix is asked for again here: one that is not heeded must not lead to foreign uploads.
            open.extend(page.uploads.into_iter().filter(|upload| upload.key.starts_with(prefix)).map(|upload| {
                let begun = UtcMs::parse_rfc3339(&upload.initiated);
                // Which checksum it was begun with matters to parts only; whoever knows it knows it by its own text.
                let kind = if upload.checksum_algorithm == "CRC64NVME" { MULTIPART_CRC } else { MULTIPART };
                OpenSession { key: upload.key, session: SessionId(format!("{kind}{}", upload.upload_id)), begun }
            }));
            let next = (page.next_key_marker, page.next_upload_id_marker);
            if !page.is_truncated {
                return Ok(open);
            }
            if next.0.is_empty() || after.as_ref() == Some(&next) {
                return Err(self.wire.protocol("its list of uploads does not go on"));
            }
            after = Some(next);
        }
    }

    pub(super) async fn complete_upload(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        let (id, begun_with) = match self.session(session)? {
            Session::Multipart(id, begun_with) => (id, begun_with),
            // An empty object may have no part at all; then completing is what puts it.
            Session::Put if parts.is_empty() && object.size_bytes == 0 => {
                let part = PartSpec { n: 0, offset: 0, len: 0, sha256: object.sha256, crc64: Some(Crc64::EMPTY) };
                let empty = Arc::new(crate::deliver::trial::InMemory(Bytes::new()));
                return self.upload_part(object, session, &part, empty).await.map(drop);
            }
            Session::Put if parts.len() == 1 => return Ok(()),
            Session::Put => return Err(self.wire.protocol("an object that is sent in one go has one part")),
        };
        // A server that computes checksums wants them all here, those too whose receipts came from its list without.
        let by_sha256 = begun_with == Checksum::Sha256;
        let told = parts.iter().any(|(_, receipt)| receipt.sha256.is_some());
        let checked = by_sha256 && (told || self.learned.checksum.get() == Checksum::Sha256);
        let body = Bytes::from(xml::complete(parts, checked));
        let mut call = Call::object(Method::POST, &object.key)
            .query("uploadId", id)
            .header("content-type", "application/xml")
            .body(Payload::Bytes(body));
        let whole = prove::whole_crc64(parts.iter().map(|(part, _)| (part.crc64, part.len)));
        if let (Checksum::Crc64, Some(whole)) = (begun_with, whole) {
            // What it made of the parts must be this, or it refuses.
            call = call
                .header("x-amz-checksum-type", "FULL_OBJECT")
                .header("x-amz-checksum-crc64nvme", &xml::crc64_to_base64(whole));
        }
        let reply = match self.wire.send_to_upload(call).await {
            // Ceph says that completing is under way, of an upload that is gone, too: a look at the upload tells.
            Err(SendError::Unreachable { what, .. }) if what.contains("completion is already in progress") => {
                self.list_parts(object, session).await?;
                return Err(self.wire.line().unreachable(what));
            }
            other => other?,
        };
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
        let Session::Multipart(id, _) = self.session(session)? else { return Ok(()) };
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
    pub(super) async fn text(&self, reply: Reply) -> Result<String, SendError> {
        self.wire.line().text(reply, MAX_REPLY_BYTES).await
    }

    /// Reads a reply's XML.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, SendError> {
        quick_xml::de::from_str(text).map_err(|e| self.wire.protocol(format!("its XML cannot be read: {e}")))
    }

    fn session<'a>(&self, session: &'a SessionId) -> Result<Session<'a>, SendError> {
        let multipart = |kind, checksum| session.0.strip_prefix(kind).map(|id| Session::Multipart(id, checksum));
        match multipart(MULTIPART, Checksum::Sha256).or_else(|| multipart(MULTIPART_CRC, Checksum::Crc64)) {
            Some(session) => Ok(session),
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
