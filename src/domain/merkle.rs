//! The RFC 6962 Merkle tree over event bytes: pure arithmetic on hashes.
//!
//! Owns what a root, an inclusion proof and a consistency proof are, and which nodes a log stores. It
//! must not know where nodes live: every function that needs one asks a `read` closure for it.
//!
//! A log stores only the roots of complete subtrees. Node `(level, index)` covers the `2^level` leaves
//! from `index * 2^level` on; level 0 holds the leaf hashes. A node never changes once it is stored, and
//! `n` leaves make fewer than `2n` nodes. Sizes stay below 2^63, as row ids of the store do.

use sha2::{Digest, Sha256};

/// A SHA-256 in the tree.
pub type Hash = [u8; 32];

/// A node to store: level, index within its level, hash.
pub type Node = (u8, u64, Hash);

/// The hash of a leaf (RFC 6962, 2.1): SHA-256 of 0x00 and the entry's bytes.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node (RFC 6962, 2.1): SHA-256 of 0x01 and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The nodes that the next leaf of a log of `size` leaves completes, level 0 (the leaf itself) first.
///
/// Reads one node for each further level that it completes: one on average, never more than 63.
pub fn append<E>(size: u64, leaf: Hash, mut read: impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Vec<Node>, E> {
    let mut nodes = vec![(0, size, leaf)];
    let (mut level, mut index, mut hash) = (0, size, leaf);
    while index & 1 == 1 {
        hash = node_hash(&read(level, index - 1)?, &hash);
        level += 1;
        index >>= 1;
        nodes.push((level, index, hash));
    }
    Ok(nodes)
}

/// The root of the first `size` leaves.
pub fn root<E>(size: u64, mut read: impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    range_root(0, size, &mut read)
}

/// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), nearest sibling first.
/// `None` when the tree has no such leaf.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut from, mut to, mut proof) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range_root(middle, to, &mut read)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, &mut read)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Proof that the first `old` leaves of the tree of `new` leaves are the older tree (RFC 6962, 2.1.2).
/// Empty where nothing needs proof (`old` is 0 or `new`); `None` when `old` exceeds `new`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut read: impl FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    let (mut from, mut to, mut proof) = (0, new, Vec::new());
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range_root(middle, to, &mut read)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, &mut read)?);
            from = middle;
        }
    }
    // The verifier has the old root already; it needs this node only where it is not that root.
    if from > 0 {
        proof.push(range_root(from, to, &mut read)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Whether `proof` shows `leaf` at `index` of the tree of `size` leaves with this root (RFC 9162, 2.1.3.2,
/// whose proofs are those of RFC 6962).
#[must_use]
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree `(old, old_root)` is a prefix of `(new, new_root)` (RFC 9162, 2.1.4.2).
#[must_use]
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root() && (new > 0 || old_root == new_root);
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old > new {
        return false;
    }
    // A complete old tree is itself the first node of the path and is not sent.
    let mut path = old.is_power_of_two().then_some(old_root).into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let trailing = (old - 1).trailing_ones();
    let (mut at, mut last) = ((old - 1) >> trailing, (new - 1) >> trailing);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for node in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(node, &old_hash);
            new_hash = node_hash(node, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, node);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The right edge of a tree: enough to append and to know the root, in at most 63 hashes. It rebuilds a
/// tree from its entries, and saves a writer of many events the reads of [`append`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees that `size` has bits for, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a stored log of `size` leaves.
    pub fn load<E>(size: u64, mut read: impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Self, E> {
        let peaks = peaks_of(0, size).map(|(level, index)| read(level, index)).collect::<Result<_, E>>()?;
        Ok(Self { size, peaks })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; gives the nodes that a log stores, as [`append`] does.
    pub fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let mut nodes = vec![(0, self.size, leaf)];
        let (mut index, mut hash) = (self.size, leaf);
        while index & 1 == 1 {
            // There is one peak for each bit of `size`, so there is one here.
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            index >>= 1;
            nodes.push((nodes.len() as u8, index, hash));
        }
        self.peaks.push(hash);
        self.size += 1;
        nodes
    }

    /// The root of all leaves so far.
    pub fn root(&self) -> Hash {
        fold_peaks(self.peaks.iter().copied())
    }
}

/// The largest power of two below `leaves`, which is at least 2: where RFC 6962 splits a tree.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The complete subtrees that make up leaves `from..to`, from left to right. `from` is a multiple of the
/// largest power of two in the range's length, as every subtree's start is.
fn peaks_of(from: u64, to: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = from;
    (0..64u8).rev().filter(move |level| (to - from) >> level & 1 == 1).map(move |level| {
        let node = (level, at >> level);
        at += 1 << level;
        node
    })
}

fn range_root<E>(from: u64, to: u64, read: &mut impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let peaks: Vec<Hash> = peaks_of(from, to).map(|(level, index)| read(level, index)).collect::<Result<_, E>>()?;
    Ok(fold_peaks(peaks.into_iter()))
}

fn fold_peaks(peaks: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    peaks.rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
    use proptest::prelude::*;
    use tlog_tiles::tlog;

    use super::*;
    use crate::domain::digest::{from_hex, to_hex};

    /// A log's stored nodes in memory.
    #[derive(Default)]
    struct Nodes(HashMap<(u8, u64), Hash>);

    impl Nodes {
        fn of<T: AsRef<[u8]>>(entries: &[T]) -> Self {
            let mut nodes = Self::default();
            for (n, entry) in entries.iter().enumerate() {
                let new = append(n as u64, leaf_hash(entry.as_ref()), nodes.reader()).unwrap();
                for (level, index, hash) in new {
                    assert_eq!(nodes.0.insert((level, index), hash), None, "a node is stored once");
                }
            }
            nodes
        }

        fn reader(&self) -> impl FnMut(u8, u64) -> Result<Hash, Infallible> {
            |level, index| Ok(self.0[&(level, index)])
        }
    }

    impl tlog::HashReader for Nodes {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
            Ok(indexes.iter().map(|i| tlog::Hash(self.0[&tlog::split_stored_hash_index(*i)])).collect())
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        from_hex(hex).unwrap()
    }

    /// The eight leaves and their roots with which Certificate Transparency's own implementations are tested.
    #[test]
    fn certificate_transparency_vectors() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let entries: Vec<Vec<u8>> = leaves.iter().map(|hex| bytes(hex)).collect();
        let nodes = Nodes::of(&entries);
        for (size, expected) in roots.iter().enumerate() {
            assert_eq!(to_hex(&root(size as u64, nodes.reader()).unwrap()), *expected, "{size}");
        }
        let hex = |proof: Option<Vec<Hash>>| proof.unwrap().iter().map(|h| to_hex(h)).collect::<Vec<_>>();
        assert_eq!(
            hex(inclusion_proof(0, 8, nodes.reader()).unwrap()),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hex(consistency_proof(6, 8, nodes.reader()).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hex(consistency_proof(2, 5, nodes.reader()).unwrap()),
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ]
        );
    }

    /// Every pair of sizes up to 64, against two implementations that are not ours.
    #[test]
    fn agrees_with_both_oracles() {
        let entries: Vec<[u8; 8]> = (0..64u64).map(u64::to_be_bytes).collect();
        let nodes = Nodes::of(&entries);
        let mut theirs = MemoryBackedTree::<Sha256, [u8; 8]>::new();
        let mut frontier = Frontier::default();
        for new in 0..=entries.len() as u64 {
            let new_root = root(new, nodes.reader()).unwrap();
            assert_eq!(new_root, frontier.root());
            assert_eq!(frontier, Frontier::load(new, nodes.reader()).unwrap());
            assert_eq!(new_root, tlog::tree_hash(new, &nodes).unwrap().0);
            assert_eq!(new_root[..], theirs.root().as_bytes()[..]);
            for index in 0..new {
                let leaf = leaf_hash(&entries[index as usize]);
                let proof = inclusion_proof(index, new, nodes.reader()).unwrap().unwrap();
                assert!(verify_inclusion(index, new, &leaf, &proof, &new_root));
                let oracle = tlog::prove_record(new, index, &nodes).unwrap();
                assert_eq!(proof, oracle.iter().map(|h| h.0).collect::<Vec<_>>(), "{index} in {new}");
                let ours = InclusionProof::<Sha256>::try_from_bytes(proof.concat()).unwrap();
                theirs.root().verify_inclusion(&entries[index as usize], index, &ours).unwrap();
            }
            for old in 1..=new {
                let old_root = root(old, nodes.reader()).unwrap();
                let proof = consistency_proof(old, new, nodes.reader()).unwrap().unwrap();
                assert!(verify_consistency(old, &old_root, new, &new_root, &proof), "{old} to {new}");
                let oracle = tlog::prove_tree(new, old, &nodes).unwrap();
                assert_eq!(proof, oracle.iter().map(|h| h.0).collect::<Vec<_>>(), "{old} to {new}");
                let ours = ConsistencyProof::<Sha256>::try_from_bytes(proof.concat()).unwrap();
                theirs.root().verify_consistency(&RootHash::new(old_root.into(), old), &ours).unwrap();
            }
            if let Some(entry) = entries.get(new as usize) {
                theirs.push(*entry);
                let nodes_of_frontier = frontier.push(leaf_hash(entry));
                assert_eq!(nodes_of_frontier, append(new, leaf_hash(entry), nodes.reader()).unwrap());
            }
        }
    }

    #[test]
    fn questions_without_an_answer() {
        let nodes = Nodes::of(&["a", "b", "c"]);
        assert_eq!(inclusion_proof(3, 3, nodes.reader()).unwrap(), None);
        assert_eq!(consistency_proof(4, 3, nodes.reader()).unwrap(), None);
        assert_eq!(consistency_proof(0, 3, nodes.reader()).unwrap(), Some(vec![]));
        let (one, three) = (root(1, nodes.reader()).unwrap(), root(3, nodes.reader()).unwrap());
        assert!(verify_consistency(0, &empty_root(), 3, &three, &[]));
        assert!(!verify_consistency(0, &one, 3, &three, &[]));
        assert!(!verify_consistency(0, &empty_root(), 0, &three, &[]));
        assert!(!verify_consistency(3, &three, 1, &one, &[]));
        assert!(!verify_inclusion(0, 0, &leaf_hash(b"a"), &[], &empty_root()));
        assert!(!verify_inclusion(u64::MAX, u64::MAX, &one, &vec![one; 64], &three));
        assert!(!verify_consistency(1, &one, u64::MAX, &three, &vec![one; 70]));
    }

    #[test]
    fn a_failed_read_is_passed_on() {
        assert_eq!(append(1, [0; 32], |level, index| Err((level, index))), Err((0, 0)));
        assert_eq!(root(3, |level, index| Err((level, index))), Err((1, 0)));
        assert_eq!(inclusion_proof(2, 3, |level, index| Err((level, index))), Err((1, 0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A proof verifies as it was made, and under no change to any of what it claims.
        #[test]
        fn proofs_bind_all_that_they_claim(
            size in 1u64..300, pick in any::<u64>(), bit in 0usize..256, which in any::<prop::sample::Index>(),
        ) {
            let entries: Vec<[u8; 8]> = (0..size).map(u64::to_be_bytes).collect();
            let nodes = Nodes::of(&entries);
            let new_root = root(size, nodes.reader()).unwrap();
            let flip = |hash: &Hash| { let mut h = *hash; h[bit / 8] ^= 1 << (bit % 8); h };

            let index = pick % size;
            let leaf = leaf_hash(&entries[index as usize]);
            let proof = inclusion_proof(index, size, nodes.reader()).unwrap().unwrap();
            prop_assert!(verify_inclusion(index, size, &leaf, &proof, &new_root));
            prop_assert!(!verify_inclusion(index, size, &flip(&leaf), &proof, &new_root));
            prop_assert!(!verify_inclusion(index, size, &leaf, &proof, &flip(&new_root)));
            prop_assert!(!verify_inclusion((index + 1) % size, size, &leaf, &proof, &new_root) || size == 1);
            if !proof.is_empty() {
                let mut changed = proof.clone();
                let at = which.index(proof.len());
                changed[at] = flip(&changed[at]);
                prop_assert!(!verify_inclusion(index, size, &leaf, &changed, &new_root));
                prop_assert!(!verify_inclusion(index, size, &leaf, &proof[1..], &new_root));
            }
            let longer = [proof.clone(), vec![leaf]].concat();
            prop_assert!(!verify_inclusion(index, size, &leaf, &longer, &new_root));

            let old = 1 + pick % size;
            let old_root = root(old, nodes.reader()).unwrap();
            let proof = consistency_proof(old, size, nodes.reader()).unwrap().unwrap();
            prop_assert!(verify_consistency(old, &old_root, size, &new_root, &proof));
            prop_assert!(!verify_consistency(old, &flip(&old_root), size, &new_root, &proof));
            prop_assert!(!verify_consistency(old, &old_root, size, &flip(&new_root), &proof));
            if !proof.is_empty() {
                let mut changed = proof.clone();
                let at = which.index(proof.len());
                changed[at] = flip(&changed[at]);
                prop_assert!(!verify_consistency(old, &old_root, size, &new_root, &changed));
            }
            let longer = [proof, vec![new_root]].concat();
            prop_assert!(!verify_consistency(old, &old_root, size, &new_root, &longer));
        }
    }
}
