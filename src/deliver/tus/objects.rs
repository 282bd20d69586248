//! Whole objects: put a small one, ask about one, read, list. Keys are found in the address book.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use sha2::Digest;

use super::TusDestination;
use super::wire::Call;
use crate::deliver::key;
use crate::deliver::trial::InMemory;
use crate::domain::digest::Sha256;
use crate::domain::ports::{ByteStream, ObjectAddress, PartSpec, RemoteObject, SendError, SessionId};

/// Keys in one listing (the port's promise).
const MAX_LISTED: usize = 1000;

impl TusDestination {
    pub(super) async fn put_new(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), SendError> {
        key::check(self.wire.line().name(), key)?;
        let (size, sha256) = (bytes.len() as u64, Sha256(sha2::Sha256::digest(&bytes).into()));
        if let Some(known) = self.find(key).await? {
            if known.sha256 != sha256 {
                return Err(self.wire.line().mismatch(key, "another object stands there under the same key"));
            }
            if self.look_at(&known).await?.is_some_and(|remote| remote.size_bytes == size) {
                return Ok(());
            }
        }
        let url = self.create(key, size, sha256, content_type).await?;
        if size > 0 {
            let part = PartSpec { n: 0, offset: 0, len: size, sha256, crc64: None };
            let object = crate::domain::ports::ObjectSpec {
                key: key.to_owned(),
                size_bytes: size,
                grid: crate::domain::grid::PartGrid::Fixed(size),
                content_type: content_type.to_owned(),
                sha256,
                lock_until: None,
            };
            let session = SessionId(format!("tus:{url}"));
            self.upload_part(&object, &session, &part, Arc::new(InMemory(bytes))).await?;
        }
        self.offsets().remove(&url);
        self.note(key, &url, size, sha256).await
    }

    pub(super) async fn look(&self, key: &str) -> Result<Option<RemoteObject>, SendError> {
        key::check(self.wire.line().name(), key)?;
        match self.find(key).await? {
            Some(address) => self.look_at(&address).await,
            None => Ok(None),
        }
    }

    async fn look_at(&self, address: &ObjectAddress) -> Result<Option<RemoteObject>, SendError> {
        let remote = |size_bytes| RemoteObject { size_bytes, tag: address.url.clone(), ..RemoteObject::default() };
        match self.wire.attempt(Call::new(Method::HEAD, &address.url)).await? {
            Ok(reply) => Ok(Some(remote(self.told_offset(&reply)?))),
            // A door may take finished uploads away; its answer to the last part is what there is.
            Err(refusal) if matches!(refusal.status, 403..=405 | 410) && !address.readable => {
                Ok(Some(remote(address.size_bytes)))
            }
            Err(refusal) if matches!(refusal.status, 404 | 410) => Ok(None),
            Err(refusal) => Err(self.wire.explain(refusal, "")),
        }
    }

    pub(super) async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream, SendError> {
        key::check(self.wire.line().name(), key)?;
        let absent = || self.wire.line().mismatch(key, "it is not there");
        let address = self.find(key).await?.ok_or_else(absent)?;
        if range.as_ref().is_some_and(Range::is_empty) || address.size_bytes == 0 {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let mut call = Call::new(Method::GET, &address.url);
        if let Some(range) = &range {
            call = call.header("range", &format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.wire.attempt(call).await?.map_err(|refusal| match refusal.status {
            404 | 410 if address.readable => absent(),
            // The protocol gives no way to read; that is this server's right, and nothing that trying again mends.
            400 | 403..=405 | 410 | 501 => self
                .wire
                .line()
                .refused(format!("it gives no bytes back (HTTP {}); what it holds cannot be proven", refusal.status)),
            _ => self.wire.explain(refusal, key),
        })?;
        let partial = reply.status() == 206;
        let stream = reply.into_stream(self.wire.line());
        match range {
            // It does not know ranges: what comes before is read and dropped.
            Some(range) if !partial => Ok(cut(stream, range)),
            _ => Ok(stream),
        }
    }

    pub(super) async fn keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, SendError> {
        key::check_prefix(self.wire.line().name(), prefix)?;
        let found = self.book.keys(self.wire.line().name(), prefix, after, MAX_LISTED).await;
        found.map_err(|e| self.book_failed(&*e))
    }

    pub(super) async fn find(&self, key: &str) -> Result<Option<ObjectAddress>, SendError> {
        self.book.find(self.wire.line().name(), key).await.map_err(|e| self.book_failed(&*e))
    }
}

/// The bytes `range` of a stream that begins at 0; ends with the range, or with the stream.
fn cut(stream: ByteStream, range: Range<u64>) -> ByteStream {
    let cut = futures_util::stream::unfold((stream, 0_u64, range), |(mut stream, mut at, range)| async move {
        while at < range.end {
            let chunk = match stream.next().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some((Err(error), (stream, range.end, range))),
            };
            let begin = at;
            at += chunk.len() as u64;
            if at <= range.start {
                continue;
            }
            let within = |offset: u64| usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX);
            let piece = chunk.slice(within(range.start)..within(range.end).min(chunk.len()));
            return Some((Ok(piece), (stream, at, range)));
        }
        None
    });
    Box::pin(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_range_is_cut_out_of_a_whole() {
        let bytes: Bytes = (0..=255).collect();
        for range in [0..1, 0..256, 5..6, 9..11, 10..20, 250..300, 256..300] {
            let chunks: Vec<_> = bytes.chunks(10).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            let stream: ByteStream = Box::pin(futures_util::stream::iter(chunks));
            let got: Vec<u8> = cut(stream, range.clone()).map(|c| c.unwrap().to_vec()).concat().await;
            let end = (range.end as usize).min(256);
            assert_eq!(got, &bytes[(range.start as usize).min(end)..end], "{range:?}");
        }
    }
}
