//! Upload sessions: begin, parts as blocks, which blocks are there, complete, give up. When to try again is the sender's
//! business.

use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;

use super::reply::Meaning;
use super::wire::{Call, Fail};
use super::{AzureDestination, Check, xml};
use crate::deliver::blocks::{digests, spoiled};
use crate::deliver::key;
use crate::deliver::trial::InMemory;
use crate::domain::digest::{Crc64, to_hex};
use crate::domain::ports::{ByteSource, HeldPart, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId};

/// Longest reply that is read: a list of 50,000 blocks of some 100 bytes, with room.
pub(super) const MAX_REPLY_BYTES: usize = 8 << 20;
/// Session of an object that goes up with one Put Blob.
const PUT: &str = "put";
/// Before the nonce of a session of blocks.
const BLOCKS: &str = "blocks:";
/// Sessions given up that are remembered; beyond that the oldest process has other worries.
const MAX_GIVEN_UP: usize = 100_000;

enum Session<'a> {
    Put,
    Blocks(&'a str),
}

impl AzureDestination {
    pub(super) fn begin_upload(&self, object: &ObjectSpec) -> Result<SessionId, SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        if object.size_bytes <= object.grid.part_bytes(0) { Ok(SessionId(PUT.into())) } else { Ok(self.begin_blocks()) }
    }

    /// A session of blocks, whatever the object's size. The service hears of it with its first block.
    pub(super) fn begin_blocks(&self) -> SessionId {
        let nonce: [u8; 8] = rand::random();
        SessionId(format!("{BLOCKS}{}", to_hex(&nonce)))
    }

    pub(super) async fn upload_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        match self.session(session)? {
            Session::Blocks(nonce) => {
                let id = xml::block_id(nonce, part.n);
                let call = Call::blob(Method::PUT, &object.key).query("comp", "block").query("blockid", &id);
                let call = self.checked(call, part, body.clone()).await?;
                self.wire.send(call.stretch(part.offset..part.offset + part.len, body)).await?;
                Ok(PartReceipt { tag: id, sha256: None })
            }
            Session::Put if part.n == 0 && part.len == object.size_bytes => self.put_whole(object, part, body).await,
            Session::Put => Err(self.wire.line().protocol("an object that is sent in one go has one part")),
        }
    }

    /// Put Blob where no blob stands, or in place of the one that stands there (it was found to differ before).
    async fn put_whole(
        &self,
        object: &ObjectSpec,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        let mut condition = Some(("if-none-match", "*".to_owned()));
        for again in [false, true] {
            let call = Call::blob(Method::PUT, &object.key)
                .header("x-ms-blob-type", "BlockBlob")
                .header("content-type", &object.content_type)
                .header("x-ms-meta-sha256", &object.sha256.to_string())
                .only_if(condition.take());
            let call = self.locked(self.checked(call, part, body.clone()).await?, object.lock_until);
            match self.wire.attempt(call.stretch(part.offset..part.offset + part.len, body.clone())).await {
                Ok(reply) => {
                    let tag = reply.header("etag").unwrap_or_default().to_owned();
                    return Ok(PartReceipt { tag, sha256: None });
                }
                Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists && !again => {
                    condition = self.standing(&object.key).await?;
                }
                Err(fail) => return Err(self.wire.explain(fail, &object.key)),
            }
        }
        Err(self.changing(&object.key))
    }

    /// Adds what lets the service compare the part with what we sent.
    async fn checked<'a>(
        &self,
        call: Call<'a>,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<Call<'a>, SendError> {
        match (self.learned.check(), part.crc64) {
            (Check::Crc64, Some(crc)) => Ok(call.header("x-ms-content-crc64", &xml::crc64(crc))),
            _ => {
                let read = digests(body, part.offset..part.offset + part.len, 0).await.map_err(SendError::Local)?;
                if read.sha256 != part.sha256 {
                    return Err(self.wire.line().mismatch(call.key.unwrap_or_default(), spoiled(part, read.sha256)));
                }
                Ok(call.header("content-md5", &BASE64.encode(read.md5)))
            }
        }
    }

    /// Blocks of this session that no list names yet.
    pub(super) async fn list_parts(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
    ) -> Result<Vec<HeldPart>, SendError> {
        let nonce = match self.session(session)? {
            Session::Blocks(nonce) => nonce,
            Session::Put => {
                let found = self.head_blob(&object.key).await?;
                let part = |remote: crate::domain::ports::RemoteObject| HeldPart {
                    n: 0,
                    len: remote.size_bytes,
                    tag: remote.tag,
                    sha256: None,
                };
                return Ok(found.map(|found| part(found.remote)).into_iter().collect());
            }
        };
        let lists = self.block_lists(&object.key).await?;
        let mut held: Vec<HeldPart> = lists
            .uncommitted_blocks
            .blocks
            .into_iter()
            .filter_map(|block| {
                let n = xml::block_number(nonce, &block.name)?;
                Some(HeldPart { n, len: block.size, tag: block.name, sha256: None })
            })
            .collect();
        held.sort_by_key(|part| part.n);
        Ok(held)
    }

    async fn block_lists(&self, key: &str) -> Result<xml::BlockLists, SendError> {
        let call = Call::blob(Method::GET, key).query("comp", "blocklist").query("blocklisttype", "all");
        match self.wire.attempt(call).await {
            Ok(reply) => self.parse(&self.wire.line().text(reply, MAX_REPLY_BYTES).await?),
            // Neither a blob nor a block: nothing was sent yet.
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => Ok(xml::BlockLists::default()),
            Err(fail) => Err(self.wire.explain(fail, key)),
        }
    }

    pub(super) async fn complete_upload(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        key::check(self.wire.line().name(), &object.key)?;
        let nonce = match self.session(session)? {
            Session::Blocks(nonce) => nonce,
            // An empty object may have no part at all; then completing is what puts it.
            Session::Put if parts.is_empty() && object.size_bytes == 0 => {
                let part = PartSpec { n: 0, offset: 0, len: 0, sha256: object.sha256, crc64: Some(Crc64::EMPTY) };
                return self.upload_part(object, session, &part, Arc::new(InMemory(Bytes::new()))).await.map(drop);
            }
            Session::Put if parts.len() == 1 => return Ok(()),
            Session::Put => return Err(self.wire.line().protocol("an object that is sent in one go has one part")),
        };
        let ids: Vec<String> = parts.iter().map(|(part, _)| xml::block_id(nonce, part.n)).collect();
        let list = Bytes::from(xml::block_list(ids.iter().map(String::as_str)));
        let mut condition = Some(("if-none-match", "*".to_owned()));
        for again in [false, true] {
            let call = Call::blob(Method::PUT, &object.key)
                .query("comp", "blocklist")
                .header("content-type", "application/xml")
                .header("x-ms-blob-content-type", &object.content_type)
                .header("x-ms-meta-sha256", &object.sha256.to_string())
                .only_if(condition.take());
            match self.wire.attempt(self.locked(call, object.lock_until).bytes(list.clone())).await {
                Ok(_) => return Ok(()),
                Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists && !again => {
                    let stands = self.block_lists(&object.key).await?.committed_blocks.blocks;
                    // Completed before, and the answer lost.
                    if stands.iter().map(|block| block.name.as_str()).eq(ids.iter().map(String::as_str)) {
                        return Ok(());
                    }
                    // What stands there was found to differ from ours, or this upload would not be.
                    condition = self.standing(&object.key).await?;
                }
                Err(fail) => return Err(self.wire.explain(fail, &object.key)),
            }
        }
        Err(self.changing(&object.key))
    }

    /// The condition under which what stands there now is replaced, and nothing else. Where nothing does, none: some take
    /// blocks that no list names for a blob (Azurite), and would refuse for ever.
    async fn standing(&self, key: &str) -> Result<Option<(&'static str, String)>, SendError> {
        Ok(self.head_blob(key).await?.map(|found| ("if-match", found.remote.tag)))
    }

    fn changing(&self, key: &str) -> SendError {
        self.wire.line().unreachable(format!("{key} is being written by somebody else"))
    }

    pub(super) fn give_up(&self, session: &SessionId) {
        if session.0.starts_with(BLOCKS) {
            let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            if given_up.len() >= MAX_GIVEN_UP {
                given_up.clear();
            }
            given_up.insert(session.0.clone());
        }
    }

    fn session<'a>(&self, session: &'a SessionId) -> Result<Session<'a>, SendError> {
        let lost = || self.wire.line().session_lost();
        match session.0.strip_prefix(BLOCKS) {
            Some(_) if self.given_up.lock().unwrap_or_else(PoisonError::into_inner).contains(&session.0) => Err(lost()),
            Some(nonce) => Ok(Session::Blocks(nonce)),
            None if session.0 == PUT => Ok(Session::Put),
            // Stored by another form of destination under the same name: nothing there is ours to go on with.
            None => Err(lost()),
        }
    }

    /// Reads a reply's XML.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, SendError> {
        quick_xml::de::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|e| self.wire.line().protocol(format!("its XML cannot be read: {e}")))
    }
}
