//! Whole objects: put a small one, ask about one, read, list, lock.

use std::ops::Range;

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;
use sha2::Digest;

use super::reply::Meaning;
use super::wire::{Call, Fail, Payload};
use super::{Checksum, S3Destination, xml};
use crate::deliver::http::Reply;
use crate::deliver::key;
use crate::domain::digest::{Crc64, Sha256};
use crate::domain::ports::{ByteStream, HoldAnswer, RemoteChecksum, RemoteObject, Removal, SendError};
use crate::domain::time::UtcMs;

impl S3Destination {
    /// Puts an object whose key is new. What stands there already is compared, never overwritten.
    pub(super) async fn put_new(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        lock_until: Option<UtcMs>,
    ) -> Result<(), SendError> {
        key::check(self.wire.name(), key)?;
        let conditional = self.learned.if_none_match.is_yes();
        // Without the condition the question must come first; keys have one writer, so nobody comes between.
        if !conditional && self.head_object(key).await?.is_some() {
            return self.stands(key, &bytes, lock_until).await;
        }
        match self.put(key, bytes.clone(), content_type, lock_until, conditional).await {
            Ok(()) => Ok(()),
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists => {
                self.stands(key, &bytes, lock_until).await
            }
            Err(fail) => Err(self.wire.explain(fail, key)),
        }
    }

    /// PutObject of bytes in memory.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        lock_until: Option<UtcMs>,
        only_if_absent: bool,
    ) -> Result<(), Fail> {
        let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
        let call = Call::object(Method::PUT, key).header("content-type", content_type);
        let mut call = match self.learned.checksum.get() {
            Checksum::Sha256 => call.header("x-amz-checksum-sha256", &xml::to_base64(sha256.as_bytes())),
            Checksum::Crc64 => {
                let crc = Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes));
                call.header("x-amz-checksum-crc64nvme", &xml::crc64_to_base64(crc))
            }
            Checksum::Md5 => call.header("content-md5", &xml::to_base64(&<md5::Md5 as md5::Digest>::digest(&bytes))),
        };
        if only_if_absent {
            call = call.header("if-none-match", "*");
        }
        let reply = self.wire.attempt(self.locked(call, lock_until).body(Payload::Bytes(bytes))).await?;
        match reply.header("x-amz-checksum-sha256").and_then(xml::sha256_from_base64) {
            Some(theirs) if theirs != sha256 => {
                Err(Fail::Lost(self.wire.mismatch(key, format!("SHA-256 {theirs} there, {sha256} here"))))
            }
            _ => Ok(()),
        }
    }

    /// What stands there already must be ours, and gets the lock that it was put without.
    async fn stands(&self, key: &str, ours: &Bytes, lock_until: Option<UtcMs>) -> Result<(), SendError> {
        self.compare(key, ours).await?;
        match lock_until {
            Some(until) if self.head_object(key).await?.is_some_and(|(remote, _)| remote.locked_until.is_none()) => {
                self.put_retention(key, until).await
            }
            _ => Ok(()),
        }
    }

    async fn compare(&self, key: &str, ours: &Bytes) -> Result<(), SendError> {
        let reply = self.wire.send(Call::object(Method::GET, key)).await?;
        match self.wire.line().is_same(reply, ours).await? {
            true => Ok(()),
            false => Err(self.wire.mismatch(key, "another object stands there under the same key")),
        }
    }

    /// What the store says of an object, and the mode of its lock.
    pub(super) async fn head_object(&self, key: &str) -> Result<Option<(RemoteObject, Option<String>)>, SendError> {
        key::check(self.wire.name(), key)?;
        let call = Call::object(Method::HEAD, key).header("x-amz-checksum-mode", "ENABLED");
        let reply = match self.wire.attempt(call).await {
            Ok(reply) => reply,
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => return Ok(None),
            Err(fail) => return Err(self.wire.explain(fail, key)),
        };
        let size_bytes = reply.header("content-length").and_then(|length| length.parse().ok());
        let size_bytes = size_bytes.ok_or_else(|| self.wire.protocol("it tells no length of an object"))?;
        let mode = reply.header("x-amz-object-lock-mode").filter(|mode| !mode.is_empty()).map(str::to_owned);
        let until = reply.header("x-amz-object-lock-retain-until-date").and_then(UtcMs::parse_rfc3339);
        let remote = RemoteObject {
            size_bytes,
            tag: reply.header("etag").unwrap_or_default().to_owned(),
            version: reply.header("x-amz-version-id").filter(|v| !matches!(*v, "" | "null")).map(str::to_owned),
            checksum: told_checksum(&reply),
            // A date without a mode is a date and not a lock.
            locked_until: mode.as_ref().and(until),
            held: reply.header("x-amz-object-lock-legal-hold").is_some_and(|hold| hold == "ON"),
        };
        Ok(Some((remote, mode)))
    }

    pub(super) async fn get_object(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream, SendError> {
        key::check(self.wire.name(), key)?;
        let mut call = Call::object(Method::GET, key);
        if let Some(range) = &range {
            if range.is_empty() {
                return Ok(Box::pin(futures_util::stream::empty()));
            }
            call = call.header("range", &format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.wire.send(call).await?;
        if range.is_some() && reply.status() != 206 {
            return Err(self.wire.protocol("it does not answer ranges"));
        }
        Ok(reply.into_stream(self.wire.line()))
    }

    pub(super) async fn list_objects(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, SendError> {
        key::check_prefix(self.wire.name(), prefix)?;
        let mut call = Call::bucket(Method::GET)
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("max-keys", "1000")
            .query("prefix", prefix);
        if let Some(after) = after {
            call = call.query("start-after", after);
        }
        let reply = self.wire.send(call).await?;
        let page: xml::Objects = self.parse(&self.text(reply).await?)?;
        let encoded = page.encoding_type == "url";
        let keys: Vec<String> =
            page.contents.into_iter().map(|o| if encoded { decoded(&o.key) } else { o.key }).collect();
        // The order is the server's and stays so: one that walks folders (SeaweedFS) goes on from a key in its own
        // order, and would leave keys out after a page that we had sorted or filtered by ours.
        // A list that does not go on would lead its reader in circles.
        match after {
            Some(after) if keys.last().is_some_and(|last| last == after) => {
                Err(self.wire.protocol("its list does not go on"))
            }
            _ => Ok(keys),
        }
    }

    /// PutObjectRetention, unless the object is locked as long already; then looks whether it took.
    pub(super) async fn put_retention(&self, key: &str, until: UtcMs) -> Result<(), SendError> {
        let (Some(mode), false) = (self.lock.on_wire(), self.learned.lock.is_no()) else { return Ok(()) };
        let Some((remote, standing)) = self.head_object(key).await? else {
            return Err(self.wire.mismatch(key, "it is not there"));
        };
        if remote.locked_until >= Some(until) {
            return Ok(());
        }
        // A compliance lock cannot be turned into a weaker one.
        let mode = standing.as_deref().filter(|standing| *standing == "COMPLIANCE").unwrap_or(mode);
        self.wire.send(setting(key, "retention", xml::retention(mode, until))).await?;
        match self.head_object(key).await? {
            Some((remote, _)) if remote.locked_until >= Some(until) => Ok(()),
            _ => Err(self.wire.protocol(self.no_lock("a lock"))),
        }
    }

    /// In words, that the server said yes and did not do it.
    fn no_lock(&self, what: &str) -> String {
        let name = self.wire.name();
        format!(
            "it answered yes to {what} and keeps none; mend that bucket, or set lock = \"off\", then `evidock retry {name}`"
        )
    }

    /// PutObjectLegalHold, unless it is so already; then looks whether it took. A bucket without locks has no holds.
    pub(super) async fn put_legal_hold(&self, key: &str, held: bool) -> Result<HoldAnswer, SendError> {
        let Some((remote, _)) = self.head_object(key).await? else {
            return Err(self.wire.mismatch(key, "it is not there"));
        };
        if !remote.held && self.learned.lock.is_no() {
            return Ok(HoldAnswer::Unsupported);
        }
        if remote.held == held {
            return Ok(HoldAnswer::Done);
        }
        match self.wire.attempt(setting(key, "legal-hold", xml::legal_hold(held))).await {
            Ok(_) => {}
            Err(Fail::Refused(refusal)) if refusal.has_no_locks() => return Ok(HoldAnswer::Unsupported),
            Err(fail) => return Err(self.wire.explain(fail, key)),
        }
        match self.head_object(key).await? {
            Some((remote, _)) if remote.held == held => Ok(HoldAnswer::Done),
            _ if held => Err(self.wire.protocol(self.no_lock("a legal hold"))),
            _ => Err(self.wire.protocol("it answered yes to the end of a legal hold and keeps it")),
        }
    }
}

/// Versions of one object that are removed at most: ours have one, unless somebody else wrote under their keys.
const VERSIONS: usize = 16;

impl S3Destination {
    /// DeleteObject of each version in turn, until the store knows none: without its version, a bucket with versions would
    /// only hide it.
    pub(super) async fn remove_object(&self, key: &str) -> Result<Removal, SendError> {
        for _ in 0..VERSIONS {
            let Some((remote, _)) = self.head_object(key).await? else { return Ok(Removal::Done) };
            let mut call = Call::object(Method::DELETE, key);
            if let Some(version) = remote.version {
                call = call.query("versionId", version);
            }
            match self.wire.attempt(call).await {
                Ok(_) => {}
                Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => {}
                Err(fail) => return Err(self.wire.explain(fail, key)),
            }
        }
        Err(self.wire.protocol("it answers yes to removing an object and keeps it"))
    }
}

/// A request that sets something of an object which is not its bytes; S3 asks for the MD5 of each.
fn setting<'a>(key: &'a str, what: &'static str, xml: String) -> Call<'a> {
    let body = Bytes::from(xml);
    let md5 = xml::to_base64(&<md5::Md5 as md5::Digest>::digest(&body));
    Call::object(Method::PUT, key)
        .flag(what)
        .header("content-md5", &md5)
        .header("content-type", "application/xml")
        .body(Payload::Bytes(body))
}

/// The checksum that a reply tells; SHA-256 where it tells several. A CRC says which bytes it is over: one over those of
/// the parts would be of no use.
fn told_checksum(reply: &Reply) -> Option<RemoteChecksum> {
    if let Some(told) = reply.header("x-amz-checksum-sha256").and_then(checksum) {
        return Some(told);
    }
    let composite = reply.header("x-amz-checksum-type").is_some_and(|kind| kind.eq_ignore_ascii_case("composite"));
    let crc = reply.header("x-amz-checksum-crc64nvme").filter(|_| !composite)?;
    xml::crc64_from_base64(crc).map(RemoteChecksum::Crc64)
}

/// `base64` over the whole, or `base64-N` over the digests of N parts (Amazon S3, "Checking object integrity").
fn checksum(text: &str) -> Option<RemoteChecksum> {
    match text.split_once('-') {
        Some((digest, parts)) => Some(RemoteChecksum::Composite(xml::sha256_from_base64(digest)?, parts.parse().ok()?)),
        None => Some(RemoteChecksum::Whole(xml::sha256_from_base64(text)?)),
    }
}

/// A key as `encoding-type=url` writes it, where a space may be a plus.
pub(super) fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_told_apart() {
        let zeros = format!("{}=", "A".repeat(43));
        assert_eq!(checksum(&zeros), Some(RemoteChecksum::Whole(Sha256([0; 32]))));
        assert_eq!(checksum(&format!("{zeros}-12")), Some(RemoteChecksum::Composite(Sha256([0; 32]), 12)));
        for odd in ["", "AA==", "AA==-2", &format!("{zeros}-"), &format!("{zeros}-x"), "-1"] {
            assert_eq!(checksum(odd), None, "{odd}");
        }
    }

    #[test]
    fn listed_keys_are_decoded() {
        assert_eq!(decoded("v1/%E4%B8%AD+a%2Bb"), "v1/中 a+b");
    }
}
