//! Sending parts one after the other to a server whose file grows: where a part begins, given the length that the
//! server tells, and a part's bytes with their digest looked at on the way. Nothing here proves anything: a length
//! only saves work.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::Digest;

use super::blocks::blocks;
use crate::domain::digest::Sha256;
use crate::domain::ids::DestinationName;
use crate::domain::ports::{ByteSource, HeldPart, ObjectSpec, PartReceipt, PartSpec, SendError};

/// What is to be done for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Bytes before it are gone: the upload begins anew.
    Lost,
    /// It is sent from this offset of the object on.
    At(u64),
    /// It is there as a whole: an answer was lost, nothing is to be sent.
    Whole,
}

/// Where `part` begins when the server holds `held_bytes` of the upload.
///
/// What it holds of the part is continued, unless it is `spoiled`. A length alone is believed here because the last
/// block of a part is never sent before the part's digest was seen to be right ([`verified`]).
pub(super) fn begin(part: &PartSpec, held_bytes: u64, spoiled: bool) -> Begin {
    let end = part.offset + part.len;
    match held_bytes {
        held if held < part.offset => Begin::Lost,
        _ if spoiled => Begin::At(part.offset),
        held if held >= end => Begin::Whole,
        held => Begin::At(held),
    }
}

/// The whole parts among the first `held_bytes` of an upload.
pub(super) fn held_parts(object: &ObjectSpec, held_bytes: u64) -> Vec<HeldPart> {
    let mut parts = Vec::new();
    for n in 0.. {
        let offset = object.grid.part_offset(n);
        let len = object.grid.part_bytes(n).min(object.size_bytes.saturating_sub(offset));
        if len == 0 || offset + len > held_bytes {
            break;
        }
        parts.push(HeldPart { n, len, tag: tag(offset + len), sha256: None });
    }
    parts
}

/// What is stored of a part that was taken: how far the upload then went. The server computed nothing over it.
pub(super) fn receipt(part: &PartSpec) -> PartReceipt {
    PartReceipt { tag: tag(part.offset + part.len), sha256: None }
}

fn tag(end: u64) -> String {
    format!("to {end}")
}

/// Why a part's bytes could not be given.
#[derive(Debug)]
pub(super) enum PartFault {
    /// Our copy cannot be read.
    Local(io::Error),
    /// Our copy has other bytes than were hashed at intake.
    Differs(Sha256),
}

impl PartFault {
    /// The error that it means.
    pub fn into_error(self, destination: &DestinationName, key: &str, part: &PartSpec) -> SendError {
        match self {
            Self::Local(error) => SendError::Local(error),
            Self::Differs(found) => SendError::Mismatch {
                destination: destination.clone(),
                key: key.to_owned(),
                what: format!("part {} has SHA-256 {found}, it was {} when it was copied", part.n + 1, part.sha256),
            },
        }
    }
}

/// The bytes of `part` from the offset `from` of the object on, in blocks. All of the part is hashed, also what is
/// not sent again, and the last block is given only once the digest is right: a part that rotted on our disk is never
/// whole at the server.
pub(super) fn verified(
    source: Arc<dyn ByteSource>,
    part: &PartSpec,
    from: u64,
) -> impl Stream<Item = Result<Bytes, PartFault>> + Send + Unpin + use<> {
    let state = Verified {
        blocks: blocks(source, part.offset..part.offset + part.len),
        hasher: sha2::Sha256::new(),
        skip: from - part.offset,
        held_back: None,
        wanted: part.sha256,
        done: false,
    };
    Box::pin(futures_util::stream::unfold(state, |mut state| async move {
        let next = state.next().await?;
        Some((next, state))
    }))
}

struct Verified {
    blocks: tokio_stream::wrappers::ReceiverStream<io::Result<Bytes>>,
    hasher: sha2::Sha256,
    /// Bytes that are hashed and not given.
    skip: u64,
    held_back: Option<Bytes>,
    wanted: Sha256,
    done: bool,
}

impl Verified {
    async fn next(&mut self) -> Option<Result<Bytes, PartFault>> {
        if self.done {
            return None;
        }
        loop {
            match self.blocks.next().await {
                Some(Ok(block)) => {
                    self.hasher.update(&block);
                    let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(block.len());
                    self.skip -= skipped as u64;
                    if skipped < block.len()
                        && let Some(given) = self.held_back.replace(block.slice(skipped..))
                    {
                        return Some(Ok(given));
                    }
                }
                Some(Err(error)) => {
                    self.done = true;
                    return Some(Err(PartFault::Local(error)));
                }
                None => {
                    self.done = true;
                    let found = Sha256(std::mem::take(&mut self.hasher).finalize().into());
                    if found != self.wanted {
                        return Some(Err(PartFault::Differs(found)));
                    }
                    return self.held_back.take().map(Ok);
                }
            }
        }
    }
}

/// Sessions whose last part has wrong bytes at the server, so that it is sent from its beginning. Kept in memory only:
/// after a crash the read-back finds what is wrong.
#[derive(Debug, Default)]
pub(super) struct Spoiled(Mutex<HashSet<String>>);

impl Spoiled {
    pub fn mark(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session.to_owned());
    }

    pub fn clear(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    pub fn has(&self, session: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(session)
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::BLOCK_BYTES;
    use super::super::trial::InMemory;
    use super::*;
    use crate::domain::grid::PartGrid;

    fn part(offset: u64, bytes: &[u8]) -> PartSpec {
        PartSpec {
            n: 1,
            offset,
            len: bytes.len() as u64,
            sha256: Sha256(sha2::Sha256::digest(bytes).into()),
            crc64: None,
        }
    }

    #[test]
    fn where_a_part_begins_as_a_table() {
        let part = part(100, &[0; 50]);
        let table = [
            (0, false, Begin::Lost),
            (99, true, Begin::Lost),
            (100, false, Begin::At(100)),
            (120, false, Begin::At(120)),
            (120, true, Begin::At(100)),
            (150, false, Begin::Whole),
            (150, true, Begin::At(100)),
            (200, false, Begin::Whole),
        ];
        for (held, spoiled, wanted) in table {
            assert_eq!(begin(&part, held, spoiled), wanted, "{held} {spoiled}");
        }
    }

    #[test]
    fn only_whole_parts_are_held() {
        let object = ObjectSpec {
            key: "k".to_owned(),
            size_bytes: 25,
            grid: PartGrid::Fixed(10),
            content_type: "t/t".to_owned(),
            sha256: Sha256([0; 32]),
            lock_until: None,
        };
        for (held, wanted) in
            [(0, vec![]), (9, vec![]), (10, vec![10]), (24, vec![10, 10]), (25, vec![10, 10, 5]), (99, vec![10, 10, 5])]
        {
            let lengths: Vec<u64> = held_parts(&object, held).iter().map(|part| part.len).collect();
            assert_eq!(lengths, wanted, "{held}");
        }
    }

    #[tokio::test]
    async fn bytes_are_given_from_anywhere_and_the_last_block_only_when_all_is_right() {
        let bytes: Bytes = (0..3 * BLOCK_BYTES + 17).map(|n| (n % 251) as u8).collect();
        let good = part(5, &bytes[5..]);
        for from in [5, 6, 5 + BLOCK_BYTES as u64, bytes.len() as u64 - 1, bytes.len() as u64] {
            let mut got = Vec::new();
            let mut stream = verified(Arc::new(InMemory(bytes.clone())), &good, from);
            while let Some(block) = stream.next().await {
                got.extend_from_slice(&block.unwrap());
            }
            assert!(got == bytes[from as usize..], "{from}");
        }
        let mut rotten = bytes.to_vec();
        rotten[7] ^= 1;
        let mut stream = verified(Arc::new(InMemory(rotten.into())), &good, 5);
        let mut given = 0;
        let fault = loop {
            match stream.next().await.unwrap() {
                Ok(block) => given += block.len() as u64,
                Err(fault) => break fault,
            }
        };
        assert!(matches!(fault, PartFault::Differs(_)), "{fault:?}");
        assert!(given < good.len, "the whole of a rotten part was given");
        assert!(stream.next().await.is_none());

        let short = bytes.slice(..1000);
        let mut stream = verified(Arc::new(InMemory(short)), &good, 5);
        let fault = loop {
            if let Err(fault) = stream.next().await.unwrap() {
                break fault;
            }
        };
        assert!(matches!(fault, PartFault::Local(_)), "{fault:?}");
    }
}
