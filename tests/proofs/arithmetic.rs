//! Inclusion and consistency proofs against a second implementation, written here from the definitions of RFC 6962 (2.1 to
//! 2.1.2) as they stand: recursive, over the entries themselves, and as slow as that is.

use std::collections::HashMap;
use std::convert::Infallible;

use evidock::domain::merkle::{self, Hash};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// The largest power of two smaller than n.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

fn sha(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    sha.finalize().into()
}

/// MTH({d(0)}) = SHA-256(0x00 || d(0)); MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])).
fn mth(d: &[Vec<u8>]) -> Hash {
    match d.len() {
        0 => sha(&[]),
        1 => sha(&[&[0], &d[0]]),
        n => sha(&[&[1], &mth(&d[..k(n)]), &mth(&d[k(n)..])]),
    }
}

/// PATH(m, D[n]).
fn path(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return vec![];
    }
    let k = k(n);
    let (mut path, other) = if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
    path.push(other);
    path
}

/// SUBPROOF(m, D[n], b).
fn subproof(m: usize, d: &[Vec<u8>], complete: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if complete { vec![] } else { vec![mth(d)] };
    }
    let k = k(n);
    if m <= k {
        let mut proof = subproof(m, &d[..k], complete);
        proof.push(mth(&d[k..]));
        proof
    } else {
        let mut proof = subproof(m - k, &d[k..], false);
        proof.push(mth(&d[..k]));
        proof
    }
}

fn nodes(entries: &[Vec<u8>]) -> HashMap<(u8, u64), Hash> {
    let mut nodes = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        let new = merkle::append(n as u64, merkle::leaf_hash(entry), |l, i| Ok::<_, Infallible>(nodes[&(l, i)]));
        nodes.extend(new.unwrap().into_iter().map(|(l, i, hash)| ((l, i), hash)));
    }
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_say_the_same(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..130), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let stored = nodes(&entries);
        let read = |l: u8, i: u64| Ok::<_, Infallible>(stored[&(l, i)]);
        let (one, other) = (1 + a.index(entries.len()), 1 + b.index(entries.len()));
        let (old, new) = (one.min(other), one.max(other));
        let (old_root, new_root) = (mth(&entries[..old]), mth(&entries[..new]));
        prop_assert_eq!(merkle::root(new as u64, read).unwrap(), new_root);

        let index = a.index(new);
        let ours = merkle::inclusion_proof(index as u64, new as u64, read).unwrap().unwrap();
        prop_assert_eq!(&ours, &path(index, &entries[..new]));
        let leaf = sha(&[&[0], &entries[index]]);
        prop_assert!(merkle::verify_inclusion(index as u64, new as u64, &leaf, &ours, &new_root));

        let ours = merkle::consistency_proof(old as u64, new as u64, read).unwrap().unwrap();
        prop_assert_eq!(&ours, &subproof(old, &entries[..new], true));
        prop_assert!(merkle::verify_consistency(old as u64, &old_root, new as u64, &new_root, &ours));
    }
}
