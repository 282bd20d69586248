//! The BLAKE3 tree of a file in groups of 16 KiB, built while the bytes stream by.
//!
//! Format of the outboard (`<clip>.tree`, object `tree`): for each inner node above the groups, in
//! post-order, its left and right chaining value, 32 bytes each; no header, no length. This is
//! bao-tree's post-order outboard with block size 4, which is the oracle of the tests. A file of at
//! most one group has an empty outboard. With it, and the file's digest, any group can be verified alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{SealedFile, VaultError, failed};
use crate::domain::digest::Blake3;
use crate::domain::ports::ByteSource;

/// Bytes of a group (decision 10).
pub const GROUP_BYTES: usize = 16 * 1024;
/// Bytes of an inner node in the outboard: two chaining values.
const PAIR_BYTES: usize = 64;

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

/// Where the inner nodes of a tree are read from.
#[derive(Debug)]
pub enum Outboard {
    /// The file beside the master.
    File(File),
    /// One that was fetched or built.
    Memory(Vec<u8>),
}

impl Outboard {
    /// Opens the file of a clip's tree.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        File::open(path).map(Self::File).map_err(failed("opening", path))
    }

    /// The pair of chaining values at a place in post-order.
    fn pair(&self, index: u64) -> io::Result<[ChainingValue; 2]> {
        let (mut pair, at) = ([0; PAIR_BYTES], index * PAIR_BYTES as u64);
        match self {
            Self::File(file) => file.read_exact_at(&mut pair, at)?,
            Self::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let held = bytes.get(at..at.saturating_add(PAIR_BYTES)).ok_or(io::ErrorKind::UnexpectedEof)?;
                pair.copy_from_slice(held);
            }
        }
        let (mut left, mut right) = ([0; 32], [0; 32]);
        left.copy_from_slice(&pair[..32]);
        right.copy_from_slice(&pair[32..]);
        Ok([left, right])
    }
}

/// Why bytes are not taken for those of a clip.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The tree is sound, and these are not the bytes that it was built over.
    #[error("bytes from {at} on are not what was sealed")]
    Bytes {
        /// Begin of the first group that differs.
        at: u64,
    },
    /// The tree itself is not the one of this clip: it says nothing about the bytes.
    #[error("the clip's tree does not lead to its digest")]
    Tree,
    /// The tree could not be read.
    #[error("the clip's tree could not be read")]
    Read(#[source] io::Error),
}

/// Checks groups of a file against its digest, by way of its tree; needs no other group than those.
#[derive(Debug, Clone, Copy)]
pub struct Checker {
    /// The file's digest.
    pub root: Blake3,
    /// The file's length in bytes.
    pub size_bytes: u64,
}

impl Checker {
    /// How many groups the file has; an empty one has one, too.
    pub fn groups(&self) -> u64 {
        self.size_bytes.div_ceil(GROUP_BYTES as u64).max(1)
    }

    /// The length of an outboard of such a file, bytes.
    pub fn outboard_bytes(&self) -> u64 {
        (self.groups() - 1) * PAIR_BYTES as u64
    }

    /// Checks `bytes`, which begin at `offset` (that of a group) and end at the end of a group or of the file.
    /// Reads some twenty nodes of the tree for each stretch.
    pub fn check(&self, tree: &Outboard, offset: u64, bytes: &[u8]) -> Result<(), TreeError> {
        let end = offset.saturating_add(bytes.len() as u64);
        let whole = |at: u64| at.is_multiple_of(GROUP_BYTES as u64);
        if !whole(offset) || end > self.size_bytes || (end < self.size_bytes && !whole(end)) {
            return Err(TreeError::Bytes { at: offset });
        }
        if self.groups() == 1 {
            let same = blake3::hash(bytes) == *self.root.as_bytes() && end == self.size_bytes;
            return if same { Ok(()) } else { Err(TreeError::Bytes { at: 0 }) };
        }
        let wanted = Wanted { first: offset / GROUP_BYTES as u64, bytes };
        self.descend(
            tree,
            &wanted,
            Subtree { first: 0, groups: self.groups(), nodes_at: 0 },
            *self.root.as_bytes(),
            true,
        )
    }

    fn descend(
        &self,
        tree: &Outboard,
        wanted: &Wanted<'_>,
        at: Subtree,
        expected: ChainingValue,
        is_root: bool,
    ) -> Result<(), TreeError> {
        if wanted.is_outside(&at) {
            return Ok(());
        }
        if at.groups == 1 {
            let found = chaining_value(at.first, wanted.group(at.first));
            let same = found == expected;
            return if same { Ok(()) } else { Err(TreeError::Bytes { at: at.first * GROUP_BYTES as u64 }) };
        }
        // In post-order a subtree's own pair is the last of its `groups - 1`.
        let [left, right] = tree.pair(at.nodes_at + at.groups - 2).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => TreeError::Tree,
            _ => TreeError::Read(e),
        })?;
        let joined = match is_root {
            true => *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(),
            false => merge_subtrees_non_root(&left, &right, Mode::Hash),
        };
        if joined != expected {
            return Err(TreeError::Tree);
        }
        let [low, high] = at.halves();
        self.descend(tree, wanted, low, left, false)?;
        self.descend(tree, wanted, high, right, false)
    }
}

/// The stretch that is checked.
struct Wanted<'a> {
    /// Its first group.
    first: u64,
    bytes: &'a [u8],
}

impl Wanted<'_> {
    fn is_outside(&self, at: &Subtree) -> bool {
        let end = self.first + (self.bytes.len() as u64).div_ceil(GROUP_BYTES as u64);
        at.first >= end || at.first + at.groups <= self.first
    }

    fn group(&self, index: u64) -> &[u8] {
        let from = (index - self.first) as usize * GROUP_BYTES;
        &self.bytes[from..self.bytes.len().min(from + GROUP_BYTES)]
    }
}

/// A part of the tree.
#[derive(Clone, Copy)]
struct Subtree {
    /// Its first group.
    first: u64,
    /// Groups below it.
    groups: u64,
    /// Where its pairs begin in the outboard.
    nodes_at: u64,
}

impl Subtree {
    /// Left is the largest power of two below the number of groups (BLAKE3 paper, 2.1).
    fn halves(&self) -> [Self; 2] {
        let left = (self.groups - 1).ilog2();
        let left = 1u64 << left;
        [
            Self { groups: left, ..*self },
            Self { first: self.first + left, groups: self.groups - left, nodes_at: self.nodes_at + left - 1 },
        ]
    }
}

/// Builds the tree of a whole file anew, in memory; gives its digest, too.
pub fn build(file: &SealedFile) -> io::Result<(Blake3, Vec<u8>)> {
    let (mut tree, mut block, mut at) = (TreeBuilder::new(Vec::new()), vec![0; 1 << 20], 0);
    loop {
        match file.read_at(at, &mut block)? {
            0 => return tree.finish(),
            n => {
                tree.update(&block[..n])?;
                at += n as u64;
            }
        }
    }
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

    #[test]
    fn any_stretch_is_checked_alone_and_a_flipped_bit_is_found_where_it_is() {
        let group = GROUP_BYTES as u64;
        for len in [0, 1, group - 1, group, group + 1, 3 * group, 5 * group - 7, 8 * group, 21 * group + 5] {
            let data = bytes(len as usize);
            let (root, outboard) = build(&data, 100_000);
            let checker = Checker { root, size_bytes: len };
            assert_eq!(checker.outboard_bytes(), outboard.len() as u64);
            let tree = Outboard::Memory(outboard.clone());
            for first in 0..checker.groups() {
                for last in first..checker.groups() {
                    let (from, to) = (first * group, ((last + 1) * group).min(len));
                    let mut part = data[from as usize..to as usize].to_vec();
                    assert!(checker.check(&tree, from, &part).is_ok(), "{len} {from}..{to}");
                    let Some(byte) = part.last_mut() else { continue };
                    *byte ^= 1;
                    let found = checker.check(&tree, from, &part);
                    assert!(matches!(found, Err(TreeError::Bytes { at }) if at == last * group), "{len} {from}..{to}");
                }
            }
            // A tree that is not this clip's says nothing about bytes.
            if let Some(spoilt) = outboard.len().checked_sub(1) {
                let mut other = outboard.clone();
                other[spoilt] ^= 1;
                let found = checker.check(&Outboard::Memory(other), 0, &data[..GROUP_BYTES]);
                assert!(matches!(found, Err(TreeError::Tree)), "{len}");
                let cut = Outboard::Memory(outboard[..spoilt].to_vec());
                assert!(matches!(checker.check(&cut, 0, &data[..GROUP_BYTES]), Err(TreeError::Tree)), "{len}");
            }
        }
    }

    #[test]
    fn a_stretch_must_be_of_whole_groups() {
        let data = bytes(3 * GROUP_BYTES);
        let (root, outboard) = build(&data, 100_000);
        let (checker, tree) = (Checker { root, size_bytes: data.len() as u64 }, Outboard::Memory(outboard));
        for (offset, end) in [(1, GROUP_BYTES), (0, GROUP_BYTES - 1), (0, GROUP_BYTES + 1)] {
            assert!(checker.check(&tree, offset as u64, &data[offset..end]).is_err(), "{offset}..{end}");
        }
        assert!(checker.check(&tree, 3 * GROUP_BYTES as u64, &data[..GROUP_BYTES]).is_err(), "behind the end");
    }
}
