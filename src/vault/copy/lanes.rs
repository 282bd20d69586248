//! The lanes on which blocks are hashed while they pass: SHA-256 of the whole on one, SM3 of it on another where it is
//! asked for, everything else on the last. Opens no file and orders nothing, but for the tree, which its lane makes
//! durable as its last act.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use sha2::Digest;

use super::{Durable, PartDigest, Prefix};
use crate::domain::digest::{Blake3, Crc64, Sha256, Sm3};
use crate::domain::grid::PartGrid;
use crate::vault::tree::TreeBuilder;

pub(super) enum Lane {
    Block(Arc<Vec<u8>>),
    /// Report the prefix that ends here as durable.
    Mark,
}

/// The block's bytes for filling; a block that a lane still holds is replaced by a new one.
pub(super) fn unique(block: &mut Arc<Vec<u8>>, want: usize) -> &mut Vec<u8> {
    if Arc::get_mut(block).is_none() {
        *block = Arc::new(vec![0; want]);
    }
    // The line above made it the only one; `make_mut` then does not clone.
    Arc::make_mut(block)
}

/// Hands blocks to all lanes and reuses those that all have finished with.
pub(super) struct Pump {
    pub(super) parts: SyncSender<Lane>,
    /// Digests of the whole: SHA-256, and SM3 where it is asked for.
    pub(super) wholes: [Option<SyncSender<Lane>>; 2],
    pub(super) ring: std::collections::VecDeque<Arc<Vec<u8>>>,
    pub(super) at: u64,
}

impl Pump {
    pub(super) fn take(&mut self, want: usize) -> Arc<Vec<u8>> {
        let mut block = self.ring.pop_front().unwrap_or_default();
        unique(&mut block, want).resize(want, 0);
        block
    }

    pub(super) fn push(&mut self, block: Arc<Vec<u8>>) {
        self.at += block.len() as u64;
        for lane in self.wholes.iter().flatten().chain([&self.parts]) {
            // A lane that panicked is noticed when it is joined.
            let _ = lane.send(Lane::Block(Arc::clone(&block)));
        }
        self.ring.push_back(block);
    }

    /// A block into which nothing came.
    pub(super) fn give_back(&mut self, block: Arc<Vec<u8>>) {
        self.ring.push_front(block);
    }

    pub(super) fn mark(&mut self) {
        let _ = self.parts.send(Lane::Mark);
    }
}

pub(super) fn hash_whole(lane: &Receiver<Lane>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for message in lane {
        if let Lane::Block(block) = message {
            hasher.update(block.as_slice());
        }
    }
    Sha256(hasher.finalize().into())
}

pub(super) fn hash_sm3(lane: &Receiver<Lane>) -> Sm3 {
    let mut hasher = sm3::Sm3::new();
    for message in lane {
        if let Lane::Block(block) = message {
            hasher.update(block.as_slice());
        }
    }
    Sm3(hasher.finalize().into())
}

pub(super) struct Hashed {
    pub(super) root: Blake3,
    pub(super) bytes: u64,
    pub(super) parts: Vec<PartDigest>,
    pub(super) prefixes: Vec<Prefix>,
}

pub(super) fn hash_parts(
    lane: &Receiver<Lane>,
    grid: PartGrid,
    tree_file: File,
    prefixes_at: &[u64],
    marks: &SyncSender<Durable>,
) -> io::Result<Hashed> {
    let mut tree = TreeBuilder::new(BufWriter::with_capacity(64 * 1024, tree_file));
    let (mut part, mut crc) = (sha2::Sha256::new(), crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
    let (mut n, mut in_part, mut at) = (0u64, 0u64, 0u64);
    let (mut parts, mut reported, mut prefixes) = (Vec::<PartDigest>::new(), 0usize, Vec::new());
    let mut wanted = prefixes_at.iter().copied().peekable();
    let mut failure = None;
    for message in lane {
        match message {
            Lane::Block(block) => {
                let mut rest = block.as_slice();
                while !rest.is_empty() {
                    let full = grid.part_bytes(n);
                    let to_prefix = wanted.peek().map_or(u64::MAX, |w| w.saturating_sub(at));
                    if to_prefix == 0 {
                        prefixes.push(Prefix { bytes: at, blake3: tree.root() });
                        wanted.next();
                        continue;
                    }
                    let take = (rest.len() as u64).min(full - in_part).min(to_prefix) as usize;
                    let (now, later) = rest.split_at(take);
                    part.update(now);
                    crc.update(now);
                    if let Err(e) = tree.update(now) {
                        failure.get_or_insert(e);
                    }
                    (in_part, at, rest) = (in_part + take as u64, at + take as u64, later);
                    if in_part == full {
                        let sha256 = Sha256(std::mem::take(&mut part).finalize().into());
                        parts.push((n, at - in_part, in_part, sha256, Crc64(crc.finalize_reset())));
                        (n, in_part) = (n + 1, 0);
                    }
                }
            }
            Lane::Mark => {
                let durable =
                    Durable { prefix: Prefix { bytes: at, blake3: tree.root() }, parts: parts[reported..].to_vec() };
                reported = parts.len();
                let _ = marks.send(durable);
            }
        }
    }
    while wanted.next_if(|w| *w == at).is_some() {
        prefixes.push(Prefix { bytes: at, blake3: tree.root() });
    }
    if in_part > 0 || parts.is_empty() {
        parts.push((n, at - in_part, in_part, Sha256(part.finalize().into()), Crc64(crc.finalize())));
    }
    if let Some(e) = failure {
        return Err(e);
    }
    let (root, sink) = tree.finish()?;
    sink.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(Hashed { root, bytes: at, parts, prefixes })
}
