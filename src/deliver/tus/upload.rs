//! Upload sessions: begin, parts, how far it has come, complete, give up.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;

use super::TusDestination;
use super::wire::Call;
use crate::deliver::blocks::{digests, spoiled};
use crate::deliver::http::{Payload, Reply};
use crate::deliver::key;
use crate::domain::digest::Sha256;
use crate::domain::ports::{
    ByteSource, HeldPart, ObjectAddress, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId,
};

/// Before the address of an upload.
const SESSION: &str = "tus:";

impl TusDestination {
    pub(super) async fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        let url = self.create(&object.key, object.size_bytes, object.sha256, &object.content_type).await?;
        Ok(SessionId(format!("{SESSION}{url}")))
    }

    /// Makes an upload of a known length, still empty, and gives its address.
    pub(super) async fn create(
        &self,
        key: &str,
        size_bytes: u64,
        sha256: Sha256,
        content_type: &str,
    ) -> Result<String, SendError> {
        let most = *self.learned.max_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(most) = most.filter(|most| *most < size_bytes) {
            let what = format!("it takes uploads of at most {most} bytes, this one has {size_bytes}");
            return Err(self.wire.line().refused(what));
        }
        let call = Call::new(Method::POST, self.wire.endpoint())
            .header("upload-length", &size_bytes.to_string())
            .header("upload-metadata", &metadata(key, sha256, content_type));
        let reply = self.wire.attempt(call).await?.map_err(|refusal| match refusal.status {
            // The place where uploads are made is not there: no session is lost, the address is wrong.
            404 | 410 => {
                self.wire.line().refused(format!("it makes no uploads at this address (HTTP {})", refusal.status))
            }
            _ => self.wire.explain(refusal, key),
        })?;
        let location = reply.header("location").map(str::to_owned);
        let location = location.ok_or_else(|| self.wire.line().protocol("it made an upload without an address"))?;
        let url = self.wire.resolve(&location)?;
        self.offsets().insert(url.clone(), 0);
        Ok(url)
    }

    pub(super) async fn upload_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        let url = self.address(session)?;
        let known = self.offsets().remove(url);
        let from = match known {
            Some(offset) => offset,
            None => self.offset(url).await?,
        };
        let end = part.offset + part.len;
        if from < part.offset {
            // It lacks bytes that it had acknowledged; what follows them has no place.
            return Err(self.wire.line().session_lost());
        }
        // Taken before, and its answer lost: bytes that were taken cannot be sent again.
        let reached = if from < end { self.patch(&object.key, url, from, part, body).await? } else { from };
        self.offsets().insert(url.to_owned(), reached);
        Ok(PartReceipt { tag: end.to_string(), sha256: None })
    }

    /// Sends the bytes of `part` from the offset `from` on; gives the offset then.
    async fn patch(
        &self,
        key: &str,
        url: &str,
        from: u64,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<u64, SendError> {
        let end = part.offset + part.len;
        let checks = self.learned.checks.is_yes();
        let sha256 = if checks && from == part.offset {
            part.sha256
        } else {
            let read = digests(body.clone(), part.offset..end, from).await.map_err(SendError::Local)?;
            if read.sha256 != part.sha256 {
                return Err(self.wire.line().mismatch(key, spoiled(part, read.sha256)));
            }
            read.rest_sha256
        };
        let mut call = Call::new(Method::PATCH, url)
            .header("upload-offset", &from.to_string())
            .header("content-type", "application/offset+octet-stream");
        if checks {
            call = call.header("upload-checksum", &format!("sha256 {}", BASE64.encode(sha256.as_bytes())));
        }
        let reply = self.wire.send(call.body(Payload::Stretch(from..end, body)), key).await?;
        match reply.number("upload-offset") {
            Some(offset) if offset == end => Ok(offset),
            Some(offset) if offset < end => {
                Err(self.wire.line().unreachable(format!("it took {offset} bytes, {end} were sent")))
            }
            Some(offset) => Err(self.wire.line().protocol(format!("it took {offset} bytes, only {end} were sent"))),
            None => Err(self.wire.line().protocol("it took a part and does not tell how far it is")),
        }
    }

    /// How far an upload has come, by the server's word.
    pub(super) async fn offset(&self, url: &str) -> Result<u64, SendError> {
        let reply = self.wire.send(Call::new(Method::HEAD, url), "").await?;
        self.told_offset(&reply)
    }

    pub(super) fn told_offset(&self, reply: &Reply) -> Result<u64, SendError> {
        let offset = reply.number("upload-offset");
        offset.ok_or_else(|| self.wire.line().protocol("it does not tell how far an upload is"))
    }

    /// The parts that lie wholly before the end of the server's bytes.
    pub(super) async fn parts_there(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
    ) -> Result<Vec<HeldPart>, SendError> {
        let offset = self.offset(self.address(session)?).await?;
        let mut held = Vec::new();
        for n in 0.. {
            let begin = object.grid.part_offset(n);
            let end = (begin + object.grid.part_bytes(n)).min(object.size_bytes);
            if begin >= end || end > offset {
                break;
            }
            held.push(HeldPart { n, len: end - begin, tag: end.to_string(), sha256: None });
        }
        Ok(held)
    }

    /// An upload is complete with its last byte; what is left is to see that, and to note where it stands.
    pub(super) async fn complete_upload(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        let url = self.address(session)?;
        if parts.iter().map(|(part, _)| part.len).sum::<u64>() != object.size_bytes {
            return Err(self.wire.line().protocol("its parts do not make up the object"));
        }
        let known = self.offsets().remove(url);
        // A door takes the upload away with its last byte; that it had all of it was its answer to the last part.
        let offset = match known {
            Some(offset) => offset,
            None => self.offset(url).await?,
        };
        if offset != object.size_bytes {
            return Err(self.wire.line().session_lost());
        }
        self.note(&object.key, url, object.size_bytes, object.sha256).await
    }

    pub(super) async fn note(&self, key: &str, url: &str, size_bytes: u64, sha256: Sha256) -> Result<(), SendError> {
        let readable = !self.learned.reads.is_no();
        let address = ObjectAddress { url: url.to_owned(), size_bytes, sha256, readable };
        self.book.note(self.wire.line().name(), key, &address).await.map_err(|e| self.book_failed(&*e))
    }

    pub(super) fn book_failed(&self, error: &(dyn std::error::Error + 'static)) -> SendError {
        // Not the server's fault, and tried again like one: nothing counts as sent whose address is not stored.
        let what = format!("the address book of this station failed: {}", crate::domain::error::chain(error));
        self.wire.line().unreachable(what)
    }

    /// DELETE (termination extension). A server that cannot keeps the bytes until it drops them by itself.
    pub(super) async fn abort_upload(&self, session: &SessionId) -> Result<(), SendError> {
        let Ok(url) = self.address(session) else { return Ok(()) };
        self.offsets().remove(url);
        self.terminate(url).await
    }

    pub(super) async fn terminate(&self, url: &str) -> Result<(), SendError> {
        if self.learned.terminates.is_no() {
            return Ok(());
        }
        match self.wire.attempt(Call::new(Method::DELETE, url)).await? {
            Ok(_) => Ok(()),
            // Gone already, or never possible.
            Err(refusal) if matches!(refusal.status, 403 | 404 | 405 | 410 | 501) => Ok(()),
            Err(refusal) => Err(self.wire.explain(refusal, "")),
        }
    }

    pub(super) fn offsets(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address<'a>(&self, session: &'a SessionId) -> Result<&'a str, SendError> {
        // Stored by another form of destination under the same name: nothing there is ours to go on with.
        session.0.strip_prefix(SESSION).ok_or_else(|| self.wire.line().session_lost())
    }
}

/// `Upload-Metadata`: names and Base64 values (tus 1.0, "Creation").
fn metadata(key: &str, sha256: Sha256, content_type: &str) -> String {
    // Servers put this name into headers of downloads, where some break on anything but ASCII.
    let name = crate::deliver::http::encoded(key.rsplit('/').next().unwrap_or(key));
    let pairs =
        [("filename", name.as_str()), ("filetype", content_type), ("key", key), ("sha256", &sha256.to_string())];
    pairs.map(|(name, value)| format!("{name} {}", BASE64.encode(value))).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_named_and_encoded() {
        let text = metadata("v1/站/master", Sha256([0xab; 32]), "video/mp4");
        assert!(text.starts_with("filename bWFzdGVy,filetype dmlkZW8vbXA0,key djEv56uZL21hc3Rlcg==,sha256 "), "{text}");
        assert!(metadata("v1/站\"", Sha256([0; 32]), "t/t").starts_with("filename JUU3JUFCJTk5JTIy,"));
    }
}
