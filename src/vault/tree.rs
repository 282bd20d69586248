//! The BLAKE3 tree of a file in groups of 16 KiB, built while the bytes stream by.
//!
//! Format of the outboard (`<clip>.tree`, object `tree`): for each inner node above the groups, in
//! post-order, its left and right chaining value, 32 bytes each; no header, no length. This is
//! bao-tree's post-order outboard with block size 4, which is the oracle of the tests. A file of at
//! most one group has an empty outboard. With it, and the file's digest, any group can be verified alone.

use std::io;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::domain::digest::Blake3;

/// Bytes of a group (decision 10).
pub const GROUP_BYTES: usize = 16 * 1024;

/// Builds the tree of bytes pushed in order; inner nodes go to the sink as soon as they are known.
pub struct TreeBuilder<W> {
    /// Chaining values of complete left subtrees, widest first.
    stack: Vec<ChainingValue>,
    /// The group that is not yet known to be followed by another one.
    last: Vec<u8>,
    /// Complete groups before `last`.
    groups: u64,
    sink: W,
}

impl<W: io::Write> TreeBuilder<W> {
    /// An empty tree whose outboard goes to `sink` (buffered by the caller).
    pub fn new(sink: W) -> Self {
        Self { stack: Vec::with_capacity(64), last: Vec::with_capacity(GROUP_BYTES), groups: 0, sink }
    }

    /// The next bytes.
    pub fn update(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            if self.last.len() == GROUP_BYTES {
                let group = std::mem::take(&mut self.last);
                self.complete(&group)?;
                self.last = group;
                self.last.clear();
            }
            // A whole group that is followed by more bytes needs no copy.
            if self.last.is_empty() && data.len() > GROUP_BYTES {
                let (group, rest) = data.split_at(GROUP_BYTES);
                self.complete(group)?;
                data = rest;
                continue;
            }
            let take = data.len().min(GROUP_BYTES - self.last.len());
            self.last.extend_from_slice(&data[..take]);
            data = &data[take..];
        }
        Ok(())
    }

    fn complete(&mut self, group: &[u8]) -> io::Result<()> {
        let mut right = chaining_value(self.groups, group);
        self.groups += 1;
        // As many merges as the count has trailing zero bits: a binary counter of complete subtrees.
        for _ in 0..self.groups.trailing_zeros() {
            if let Some(left) = self.stack.pop() {
                self.sink.write_all(&left)?;
                self.sink.write_all(&right)?;
                right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            }
        }
        self.stack.push(right);
        Ok(())
    }

    /// The digest of everything so far, as if the file ended here.
    pub fn root(&self) -> Blake3 {
        // Emitting to nowhere cannot fail.
        self.close(&mut io::sink()).unwrap_or(Blake3([0; 32]))
    }

    /// Ends the file: the inner nodes of the right edge go to the sink. Gives the digest and the sink.
    pub fn finish(mut self) -> io::Result<(Blake3, W)> {
        let mut edge = Vec::new();
        let root = self.close(&mut edge)?;
        self.sink.write_all(&edge)?;
        Ok((root, self.sink))
    }

    fn close(&self, out: &mut impl io::Write) -> io::Result<Blake3> {
        if self.stack.is_empty() {
            return Ok(Blake3(*blake3::hash(&self.last).as_bytes()));
        }
        let mut right = chaining_value(self.groups, &self.last);
        for (depth, left) in self.stack.iter().enumerate().rev() {
            out.write_all(left)?;
            out.write_all(&right)?;
            if depth == 0 {
                return Ok(Blake3(*merge_subtrees_root(left, &right, Mode::Hash).as_bytes()));
            }
            right = merge_subtrees_non_root(left, &right, Mode::Hash);
        }
        Ok(Blake3(right))
    }
}

fn chaining_value(index: u64, group: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index * GROUP_BYTES as u64);
    hasher.update(group);
    hasher.finalize_non_root()
}

#[cfg(test)]
mod tests {
    use bao_tree::BlockSize;
    use bao_tree::io::outboard::PostOrderMemOutboard;
    use proptest::prelude::*;

    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i as u64).wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect()
    }

    fn build(data: &[u8], step: usize) -> (Blake3, Vec<u8>) {
        let mut tree = TreeBuilder::new(Vec::new());
        for chunk in data.chunks(step.max(1)) {
            tree.update(chunk).unwrap();
        }
        assert_eq!(tree.root(), Blake3(*blake3::hash(data).as_bytes()));
        tree.finish().unwrap()
    }

    #[test]
    fn agrees_with_blake3_and_bao_tree_at_the_edges() {
        let group = GROUP_BYTES;
        for len in [
            0,
            1,
            group - 1,
            group,
            group + 1,
            2 * group,
            3 * group,
            4 * group,
            5 * group - 7,
            8 * group,
            9 * group + 1,
        ] {
            let data = bytes(len);
            let (root, outboard) = build(&data, 100_000);
            assert_eq!(root.as_bytes(), blake3::hash(&data).as_bytes(), "{len}");
            let oracle = PostOrderMemOutboard::create(&data, BlockSize::from_chunk_log(4));
            assert_eq!(outboard, oracle.data, "{len}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_cut_of_the_updates_does_not_matter(len in 0usize..400_000, step in 1usize..70_000) {
            let data = bytes(len);
            prop_assert_eq!(build(&data, step), build(&data, 1 << 20));
        }
    }
}
