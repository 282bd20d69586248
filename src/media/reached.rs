//! A clip whose bytes the daemon reads for the worker, verified, wherever they stand. Keeps the blocks that were used
//! last, since demuxers ask for a few bytes at a time. Runs inside a worker.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::structure::ReadAt;
use crate::worker::child::{READ_MAX_BYTES, Reach};

/// Bytes that are asked for at a time.
const BLOCK_BYTES: u64 = READ_MAX_BYTES as u64;

/// Blocks that are kept: an index, the pictures at hand, and the sound beside them.
const BLOCKS: usize = 16;

/// One clip at the other end of the socket.
pub struct Reached {
    reach: Reach,
    size_bytes: u64,
    /// Newest last, by number.
    blocks: Mutex<VecDeque<(u64, Arc<[u8]>)>>,
}

impl Reached {
    /// Nothing is read yet.
    pub fn new(reach: Reach, size_bytes: u64) -> Self {
        Self { reach, size_bytes, blocks: Mutex::default() }
    }

    fn block(&self, n: u64) -> io::Result<Arc<[u8]>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = blocks.iter().position(|(number, _)| *number == n).and_then(|at| blocks.remove(at));
        let bytes = match known {
            Some((_, bytes)) => bytes,
            None => {
                // Held over the conversation, so that two threads never ask for the same block.
                let bytes = self.reach.read(n * BLOCK_BYTES, READ_MAX_BYTES).map_err(io::Error::other)?;
                if blocks.len() >= BLOCKS {
                    blocks.pop_front();
                }
                bytes.into()
            }
        };
        blocks.push_back((n, Arc::clone(&bytes)));
        Ok(bytes)
    }
}

impl ReadAt for Reached {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(done as u64);
            if at >= self.size_bytes {
                break;
            }
            let block = self.block(at / BLOCK_BYTES)?;
            let rest = block.get((at % BLOCK_BYTES) as usize..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let n = rest.len().min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&rest[..n]);
            done += n;
        }
        Ok(done)
    }
}
