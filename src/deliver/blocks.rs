//! Reads a stretch of a local file as a stream of blocks: on a blocking thread, a few blocks ahead of
//! whoever takes them, with buffers that are used again. It must never hold a whole part.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use md5::{Digest, Md5};
use tokio_stream::wrappers::ReceiverStream;

use crate::domain::digest::{Crc64, Sha256};
use crate::domain::ports::{ByteSource, PartSpec, READ_ALIGN};
use crate::runtime::task;

/// One block. Large enough that waking the reader costs nothing beside the copy, small enough for many parts in flight.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Buffers of one stream: one being filled, two waiting, one or more in the socket.
const BUFFERS: usize = 4;

/// The bytes `range` of `source`, in blocks of at most [`BLOCK_BYTES`]. A source that ends early gives `UnexpectedEof`.
///
/// Holds at most four blocks whatever the pace of the taker, and stops reading when the stream is dropped.
pub(super) fn blocks(source: Arc<dyn ByteSource>, range: Range<u64>) -> ReceiverStream<io::Result<Bytes>> {
    let (full, taken) = tokio::sync::mpsc::channel(BUFFERS / 2);
    task::blocking("read blocks", move || {
        // Buffers come back when the taker drops them, wherever that is; the sender kept here means
        // that waiting for one always ends with one.
        let (give_back, returned) = mpsc::channel::<Vec<u8>>();
        let (mut at, mut made) = (range.start, 0);
        while at < range.end {
            let recycled = if made < BUFFERS { returned.try_recv().ok() } else { returned.recv().ok() };
            let mut buffer = recycled.unwrap_or_else(|| {
                made += 1;
                let most = BLOCK_BYTES.min(usize::try_from(range.end - range.start).unwrap_or(BLOCK_BYTES));
                vec![0; most + READ_ALIGN]
            });
            let start = buffer.as_ptr().align_offset(READ_ALIGN);
            let want = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len() - READ_ALIGN);
            let block = match source.read_at(at, &mut buffer[start..start + want]) {
                Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than was recorded")),
                Ok(n) => {
                    at += n as u64;
                    Ok(Bytes::from_owner(Lent { buffer, filled: start..start + n, give_back: give_back.clone() }))
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                    // The buffer is clean again; its place in the count is kept.
                    let _ = give_back.send(buffer);
                    continue;
                }
                Err(e) => Err(e),
            };
            let failed = block.is_err();
            if full.blocking_send(block).is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(taken)
}

/// Digests of a stretch as it stands on our disk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digests {
    /// Of the whole stretch.
    pub sha256: Sha256,
    /// Of what follows `rest_from`.
    pub rest_sha256: Sha256,
    /// Of the whole stretch (RFC 1864), for servers that compare nothing better; never a proof of ours.
    pub md5: [u8; 16],
    /// Of the whole stretch.
    pub crc64: Crc64,
}

/// Reads a stretch once for its digests, before it is sent to a server that will not compare SHA-256 itself.
pub(super) async fn digests(source: Arc<dyn ByteSource>, range: Range<u64>, rest_from: u64) -> io::Result<Digests> {
    let work = task::blocking("hash part", move || {
        let (mut whole, mut rest, mut md5) = (sha2::Sha256::new(), sha2::Sha256::new(), Md5::new());
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let (mut buffer, mut at) = (vec![0; BLOCK_BYTES], range.start);
        while at < range.end {
            let want = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len());
            match source.read_at(at, &mut buffer[..want])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    whole.update(&buffer[..n]);
                    md5.update(&buffer[..n]);
                    crc.update(&buffer[..n]);
                    if rest_from > range.start {
                        let skip = usize::try_from(rest_from.saturating_sub(at)).unwrap_or(usize::MAX).min(n);
                        rest.update(&buffer[skip..n]);
                    }
                    at += n as u64;
                }
            }
        }
        let sha256 = Sha256(whole.finalize().into());
        let rest_sha256 = if rest_from > range.start { Sha256(rest.finalize().into()) } else { sha256 };
        Ok(Digests { sha256, rest_sha256, md5: md5.finalize().into(), crc64: Crc64(crc.finalize()) })
    });
    work.await.map_err(io::Error::other)?
}

/// In words, that a part is no longer what it was when it was copied from the recorder.
pub(super) fn spoiled(part: &PartSpec, found: Sha256) -> String {
    format!("part {} has SHA-256 {found} here, it was {} when it was copied", part.n + 1, part.sha256)
}

/// A buffer on loan to whoever holds the block made of it.
struct Lent {
    buffer: Vec<u8>,
    filled: Range<usize>,
    give_back: mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[self.filled.clone()]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The reader may have finished; then the buffer is simply freed.
        let _ = self.give_back.send(std::mem::take(&mut self.buffer));
    }
}

/// An open file as a source of bytes.
pub(super) struct FileSource(pub File, pub u64);

impl ByteSource for FileSource {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::StreamExt;

    use super::*;

    /// Counts how far it was read.
    struct Counted(Vec<u8>, AtomicU64);

    impl ByteSource for Counted {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            self.1.fetch_max(offset + n as u64, Ordering::SeqCst);
            Ok(n)
        }
    }

    fn counted(len: usize) -> Arc<Counted> {
        Arc::new(Counted((0..len).map(|i| (i * 7 % 251) as u8).collect(), AtomicU64::new(0)))
    }

    #[tokio::test]
    async fn gives_the_range_in_order() {
        let source = counted(3 * BLOCK_BYTES + 17);
        for range in [0..0, 0..5, 5..BLOCK_BYTES as u64 + 6, 0..source.len()] {
            let mut got = Vec::new();
            let mut stream = blocks(source.clone(), range.clone());
            while let Some(block) = stream.next().await {
                got.extend_from_slice(&block.unwrap());
            }
            assert!(got == source.0[range.start as usize..range.end as usize], "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_short_file_is_an_error_and_not_a_short_part() {
        let mut stream = blocks(counted(10), 0..11);
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 10);
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn the_rest_of_a_stretch_has_its_own_digest() {
        let source = counted(700_000);
        let sha256 = |bytes: &[u8]| Sha256(sha2::Sha256::digest(bytes).into());
        for from in [0, 10, 11, 300_000, 600_009] {
            let found = digests(source.clone(), 10..600_010, from).await.unwrap();
            assert_eq!(found.sha256, sha256(&source.0[10..600_010]));
            assert_eq!(found.rest_sha256, sha256(&source.0[(from as usize).max(10)..600_010]), "{from}");
            assert_eq!(found.md5[..], Md5::digest(&source.0[10..600_010])[..]);
        }
        assert!(digests(source, 10..700_001, 0).await.is_err());
    }

    #[tokio::test]
    async fn a_slow_taker_bounds_what_is_read() {
        let source = counted(64 * BLOCK_BYTES);
        let mut stream = blocks(source.clone(), 0..source.len());
        let mut held = Vec::new();
        for _ in 0..BUFFERS {
            held.push(stream.next().await.unwrap().unwrap());
        }
        // Every buffer is out: the reader cannot have read further, however long we hold them.
        assert_eq!(source.1.load(Ordering::SeqCst), (BUFFERS * BLOCK_BYTES) as u64);
        held.clear();
        let rest: u64 = stream.map(|b| b.unwrap().len() as u64).fold(0, |a, n| async move { a + n }).await;
        assert_eq!(rest, source.len() - (BUFFERS * BLOCK_BYTES) as u64);
    }
}
