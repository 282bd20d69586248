//! Whole blobs: put a small one, ask about one, read, list, lock, hold.

use std::ops::Range;
use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};

use super::reply::Meaning;
use super::upload::MAX_REPLY_BYTES;
use super::wire::{Call, Fail};
use super::{AzureDestination, xml};
use crate::deliver::key;
use crate::domain::ports::{
    ByteStream, HoldAnswer, ObjectVersion, RemoteObject, SendError, VersionMarker, VersionPage,
};
use crate::domain::time::UtcMs;

/// Keys in one listing (the port's promise).
const MAX_LISTED: usize = 1000;
/// Listings whose continuation is remembered.
const MAX_MARKERS: usize = 64;

/// A blob as it was found.
pub(super) struct Found {
    pub remote: RemoteObject,
    /// The mode of its policy.
    mode: Option<String>,
}

impl AzureDestination {
    /// Puts a blob whose key is new. What stands there already is compared, never overwritten.
    pub(super) async fn put_new(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        lock_until: Option<UtcMs>,
    ) -> Result<(), SendError> {
        key::check(self.wire.line().name(), key)?;
        let call = Call::blob(Method::PUT, key)
            .header("x-ms-blob-type", "BlockBlob")
            .header("content-type", content_type)
            .header("content-md5", &BASE64.encode(Md5::digest(&bytes)))
            .header("if-none-match", "*");
        match self.wire.attempt(self.locked(call, lock_until).bytes(bytes.clone())).await {
            Ok(_) => Ok(()),
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists => {
                let reply = self.wire.send(Call::blob(Method::GET, key)).await?;
                match self.wire.line().is_same(reply, &bytes).await? {
                    true => self.locked_late(key, lock_until).await,
                    false => Err(self.wire.line().mismatch(key, "another object stands there under the same key")),
                }
            }
            Err(fail) => Err(self.wire.explain(fail, key)),
        }
    }

    /// What stands there already gets the lock that it was put without.
    async fn locked_late(&self, key: &str, lock_until: Option<UtcMs>) -> Result<(), SendError> {
        match lock_until {
            Some(until) if self.head_blob(key).await?.is_some_and(|found| found.remote.locked_until.is_none()) => {
                self.put_policy(key, until).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn head_blob(&self, key: &str) -> Result<Option<Found>, SendError> {
        key::check(self.wire.line().name(), key)?;
        let reply = match self.wire.attempt(Call::blob(Method::HEAD, key)).await {
            Ok(reply) => reply,
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => return Ok(None),
            Err(fail) => return Err(self.wire.explain(fail, key)),
        };
        let size_bytes = reply.number("content-length");
        let size_bytes = size_bytes.ok_or_else(|| self.wire.line().protocol("it tells no length of a blob"))?;
        let mode = reply.header("x-ms-immutability-policy-mode").filter(|mode| !mode.is_empty()).map(str::to_owned);
        let until = reply.header("x-ms-immutability-policy-until-date").and_then(xml::from_http_date);
        let remote = RemoteObject {
            size_bytes,
            tag: reply.header("etag").unwrap_or_default().to_owned(),
            version: reply.header("x-ms-version-id").filter(|v| !v.is_empty()).map(str::to_owned),
            // `Content-MD5` is what was declared at completing, not what was computed over the whole.
            checksum: None,
            // A date without a mode is a date and not a lock.
            locked_until: mode.as_ref().and(until),
            held: reply.header("x-ms-legal-hold").is_some_and(|hold| hold.eq_ignore_ascii_case("true")),
        };
        Ok(Some(Found { remote, mode }))
    }

    pub(super) async fn get_blob(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream, SendError> {
        key::check(self.wire.line().name(), key)?;
        let mut call = Call::blob(Method::GET, key);
        if let Some(range) = &range {
            if range.is_empty() {
                return Ok(Box::pin(futures_util::stream::empty()));
            }
            call = call.header("x-ms-range", &format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.wire.send(call).await?;
        if range.is_some() && reply.status() != 206 {
            return Err(self.wire.line().protocol("it does not answer ranges"));
        }
        Ok(reply.into_stream(self.wire.line()))
    }

    /// A page after `after`. The service goes on from a marker of its own, which is remembered with the key that ended
    /// the page before; a reader that begins elsewhere is led there page by page.
    pub(super) async fn list_blobs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, SendError> {
        key::check_prefix(self.wire.line().name(), prefix)?;
        let after = after.unwrap_or_default();
        let mut marker = self.marker(prefix, after).unwrap_or_default();
        loop {
            let mut call = Call::container(Method::GET)
                .query("comp", "list")
                .query("maxresults", MAX_LISTED.to_string())
                .query("prefix", prefix);
            if !marker.is_empty() {
                call = call.query("marker", marker.clone());
            }
            let reply = self.wire.send(call).await?;
            let page: xml::Listing = self.parse(&self.wire.line().text(reply, MAX_REPLY_BYTES).await?)?;
            let keys: Vec<String> = page
                .blobs
                .blobs
                .into_iter()
                .map(|blob| blob.name.into_key())
                .filter(|key| key.as_str() > after && key.starts_with(prefix))
                .take(MAX_LISTED)
                .collect();
            if let (Some(last), false) = (keys.last(), page.next_marker.is_empty()) {
                self.remember(prefix, last, &page.next_marker);
            }
            // A page may be empty and not the last ("List Blobs", remarks).
            if !keys.is_empty() || page.next_marker.is_empty() {
                return Ok(keys);
            }
            if page.next_marker == marker {
                return Err(self.wire.line().protocol("its list does not go on"));
            }
            marker = page.next_marker;
        }
    }

    /// List Blobs with its versions, where the account keeps any ("Blob versioning"). A blob that was deleted is one whose
    /// versions are all of earlier times.
    pub(super) async fn list_versions(
        &self,
        prefix: &str,
        from: Option<&VersionMarker>,
    ) -> Result<VersionPage, SendError> {
        key::check_prefix(self.wire.line().name(), prefix)?;
        let mut place = from.and_then(|from| from.place.clone()).unwrap_or_default();
        // Without a place of the service's own the reader is led there page by page.
        let after = from.filter(|from| from.place.is_none()).map_or("", |from| from.key.as_str());
        loop {
            let mut call = Call::container(Method::GET)
                .query("comp", "list")
                .query("include", "versions")
                .query("maxresults", MAX_LISTED.to_string())
                .query("prefix", prefix);
            if !place.is_empty() {
                call = call.query("marker", place.clone());
            }
            let reply = self.wire.send(call).await?;
            let page: xml::Listing = self.parse(&self.wire.line().text(reply, MAX_REPLY_BYTES).await?)?;
            let versions: Vec<ObjectVersion> = page
                .blobs
                .blobs
                .into_iter()
                .map(|blob| ObjectVersion {
                    version: Some(blob.version_id).filter(|id| !id.is_empty() && !blob.is_current_version),
                    key: blob.name.into_key(),
                    deleted: false,
                })
                .filter(|version| version.key.as_str() > after && version.key.starts_with(prefix))
                .collect();
            if page.next_marker.is_empty() {
                return Ok(VersionPage { versions, next: None });
            }
            if page.next_marker == place {
                return Err(self.wire.line().protocol("its list of versions does not go on"));
            }
            place = page.next_marker;
            if let Some(last) = versions.last() {
                let next = VersionMarker { key: last.key.clone(), place: Some(place) };
                return Ok(VersionPage { versions, next: Some(next) });
            }
        }
    }

    pub(super) async fn get_version(&self, version: &ObjectVersion) -> Result<ByteStream, SendError> {
        key::check(self.wire.line().name(), &version.key)?;
        let mut call = Call::blob(Method::GET, &version.key);
        if let Some(id) = &version.version {
            call = call.query("versionid", id.clone());
        }
        Ok(self.wire.send(call).await?.into_stream(self.wire.line()))
    }

    fn marker(&self, prefix: &str, after: &str) -> Option<String> {
        let markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        markers.get(&(prefix.to_owned(), after.to_owned())).cloned()
    }

    fn remember(&self, prefix: &str, last: &str, marker: &str) {
        let mut markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        if markers.len() >= MAX_MARKERS {
            markers.clear();
        }
        markers.insert((prefix.to_owned(), last.to_owned()), marker.to_owned());
    }

    /// Adds the headers that lock a blob from its first moment, where the container keeps policies.
    pub(super) fn locked<'a>(&self, call: Call<'a>, until: Option<UtcMs>) -> Call<'a> {
        match (until.and_then(xml::http_date), self.lock.on_wire()) {
            (Some(date), Some(mode)) if self.learned.lock.is_yes() => {
                call.header("x-ms-immutability-policy-until-date", &date).header("x-ms-immutability-policy-mode", mode)
            }
            _ => call,
        }
    }

    /// Set Blob Immutability Policy, unless it stands as long already; then looks whether it took.
    pub(super) async fn put_policy(&self, key: &str, until: UtcMs) -> Result<(), SendError> {
        let (Some(mode), true, Some(date)) = (self.lock.on_wire(), self.learned.lock.is_yes(), xml::http_date(until))
        else {
            return key::check(self.wire.line().name(), key);
        };
        let Some(found) = self.head_blob(key).await? else {
            return Err(self.wire.line().mismatch(key, "it is not there"));
        };
        if found.remote.locked_until >= Some(until) {
            return Ok(());
        }
        // A locked policy can be made longer and nothing else.
        let mode = if found.mode.is_some_and(|mode| mode.eq_ignore_ascii_case("locked")) { "Locked" } else { mode };
        let call = Call::blob(Method::PUT, key)
            .query("comp", "immutabilityPolicies")
            .header("x-ms-immutability-policy-until-date", &date)
            .header("x-ms-immutability-policy-mode", mode);
        self.wire.send(call).await?;
        match self.head_blob(key).await? {
            Some(found) if found.remote.locked_until >= Some(until) => Ok(()),
            _ => Err(self.wire.line().protocol(self.no_lock("a lock"))),
        }
    }

    /// In words, that the service said yes and did not do it.
    fn no_lock(&self, what: &str) -> String {
        let name = self.wire.line().name();
        format!(
            "it answered yes to {what} and keeps none; mend that container, or set lock = \"off\", then `evidock retry {name}`"
        )
    }

    /// Set Blob Legal Hold, unless it is so already; then looks whether it took.
    pub(super) async fn put_legal_hold(&self, key: &str, held: bool) -> Result<HoldAnswer, SendError> {
        let Some(found) = self.head_blob(key).await? else {
            return Err(self.wire.line().mismatch(key, "it is not there"));
        };
        if !found.remote.held && !self.learned.lock.is_yes() {
            return Ok(HoldAnswer::Unsupported);
        }
        if found.remote.held == held {
            return Ok(HoldAnswer::Done);
        }
        let word = if held { "true" } else { "false" };
        let call = Call::blob(Method::PUT, key).query("comp", "legalhold").header("x-ms-legal-hold", word);
        self.wire.send(call).await?;
        match self.head_blob(key).await? {
            Some(found) if found.remote.held == held => Ok(HoldAnswer::Done),
            _ if held => Err(self.wire.line().protocol(self.no_lock("a legal hold"))),
            _ => Err(self.wire.line().protocol("it answered yes to the end of a legal hold and keeps it")),
        }
    }
}
