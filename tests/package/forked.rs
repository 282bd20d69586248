//! What whoever has root and the box's own key can write: a package under a history that is true in itself, and is not the
//! one of which somebody kept a head.

use std::collections::{BTreeMap, BTreeSet};

use evidock::custody::checkpoint::Checkpoint;
use evidock::custody::key::FileSigner;
use evidock::custody::witness::Submission;
use evidock::domain::digest::to_hex;
use evidock::domain::ids::StationId;
use evidock::domain::merkle;
use evidock::domain::proof::TlogProof;

use super::tampering::Tool::{
    AicsNote, AicsProof, B3sum, Bagit, ByHand, GoNote, GoPackage, GoProof, Openssl, Sha256sum,
};
use super::tampering::{copy, goes_on, keys, read, refuses, sign_again};
use super::*;

/// A history in which the entries of the package stand where they stood, and others do not.
struct Other {
    /// By level and index.
    nodes: BTreeMap<(u8, u64), merkle::Hash>,
    size: u64,
}

impl Other {
    fn of(entries: &[Vec<u8>]) -> Self {
        let mut other = Self { nodes: BTreeMap::new(), size: 0 };
        for entry in entries {
            let added = merkle::append(other.size, merkle::leaf_hash(entry), |l, i| other.node(l, i)).unwrap();
            other.nodes.extend(added.into_iter().map(|(level, index, hash)| ((level, index), hash)));
            other.size += 1;
        }
        other
    }

    fn node(&self, level: u8, index: u64) -> Result<merkle::Hash, std::convert::Infallible> {
        Ok(self.nodes[&(level, index)])
    }

    fn root(&self) -> merkle::Hash {
        merkle::root(self.size, |l, i| self.node(l, i)).unwrap()
    }

    fn inclusion(&self, seq: u64) -> Vec<merkle::Hash> {
        merkle::inclusion_proof(seq, self.size, |l, i| self.node(l, i)).unwrap().unwrap()
    }

    fn consistency(&self, old: u64) -> Vec<merkle::Hash> {
        merkle::consistency_proof(old, self.size, |l, i| self.node(l, i)).unwrap().unwrap()
    }
}

/// What whoever has root and the box's own key can write: the package under a head of another history, with a true proof of
/// each of its entries there, and all of it signed. Gives the best proof there is that it goes on from the head that
/// somebody kept.
fn sign_another_history(dir: &Path, entries: &[Vec<u8>]) -> Submission {
    let made = made();
    let other = Other::of(entries);
    let signer = FileSigner::open_or_create(&made.key, "evidock/test-01").unwrap();
    let head = Checkpoint::of(&StationId::new("test-01").unwrap(), 1, other.size, other.root());
    let checkpoint = head.sign(&signer, 1_781_834_604_000).unwrap();
    fs::write(dir.join(CHECKPOINT), &checkpoint).unwrap();
    for file in files_below(&dir.join("custody/proofs")) {
        let told: TlogProof = fs::read_to_string(&file).unwrap().parse().unwrap();
        let path = other.inclusion(told.index);
        let told = TlogProof { path, checkpoint: checkpoint.clone(), ..told };
        fs::write(&file, told.to_string()).unwrap();
    }
    let (data, _) = stamped(dir);
    let from_stamped = other.consistency(head_of(&fs::read_to_string(&data).unwrap()).0);
    let lines = from_stamped.iter().map(|hash| format!("{}\n", to_hex(hash)));
    fs::write(data.with_extension("consistency"), lines.collect::<String>()).unwrap();
    sign_again(dir, &keys(dir), &signer);
    Submission { old: made.anchor.0, proof: other.consistency(made.anchor.0), checkpoint }
}

/// What `import-check` says of a package's history to whoever kept a head and was given this proof.
fn history_told(dir: &Path, proof: &Submission) -> Option<String> {
    let (made, path) = (made(), dir.with_extension("proof"));
    fs::write(&path, proof.text()).unwrap();
    let (_, report) =
        import_check_with(dir, Some(&made.trust), &[("--anchor", made.kept.as_path()), ("--proof", path.as_path())]);
    let problems = report["problems"].as_array().unwrap().iter().map(|told| told.as_str().unwrap().to_owned());
    problems.into_iter().find(|told| told.contains("of one history"))
}

/// Whoever kept a head gives it to the check, older or newer than the package's, with the proof that the station made.
#[test]
fn a_package_is_compared_with_a_head_that_was_kept() {
    let made = made();
    let (newest, _) = head_of(&read(&made.dir, CHECKPOINT));
    let check = |more: &[(&str, &Path)]| import_check_with(&made.dir, Some(&made.trust), more);
    let later = head_of(&fs::read_to_string(&made.later.0).unwrap()).0;
    assert!(made.anchor.0 < newest && newest < later);
    let own = made.dir.join(CHECKPOINT);
    for (kept, proof, size) in [
        (&made.kept, Some(&made.proof), made.anchor.0),
        (&made.later.0, Some(&made.later.1), later),
        (&own, None, newest),
    ] {
        let mut more = vec![("--anchor", kept.as_path())];
        more.extend(proof.map(|proof| ("--proof", proof.as_path())));
        let (code, report) = check(&more);
        assert_eq!((code, &report["whole"], &report["anchor_size"]), (0, &true.into(), &size.into()), "{report}");
    }
    // Without the proof nothing is shown, and with that of the other one neither.
    for more in [vec![], vec![("--proof", made.later.1.as_path())]] {
        let mut all = vec![("--anchor", made.kept.as_path())];
        all.extend(more);
        let (code, report) = check(&all);
        assert!(code == 4 && report["problems"].to_string().contains("--proof"), "{report}");
    }
}

/// Whoever has root and the box's own key can write a whole history that is true in itself: two heads of one size, or a
/// database that was put back and gone on with under the same epoch. Every reader of what he shows takes it; who kept a head
/// from before does not, with nothing of ours.
#[test]
fn a_history_that_forks_is_seen_by_whoever_kept_a_head() {
    let made = made();
    let stamped_size = head_of(&fs::read_to_string(stamped(&made.dir).0).unwrap()).0;
    let shown: BTreeSet<u64> = files_below(&made.dir.join("custody/proofs"))
        .iter()
        .map(|file| fs::read_to_string(file).unwrap().parse::<TlogProof>().unwrap().index)
        .collect();
    let (size, _) = head_of(&read(&made.dir, CHECKPOINT));
    let hidden: Vec<u64> = (0..size).filter(|seq| !shown.contains(seq)).collect();
    let before = hidden.iter().filter(|seq| **seq < made.anchor.0).count();
    assert!(before >= 2, "the package hides {hidden:?} below {}", made.anchor.0);
    let changed = |seq: u64| {
        let text = String::from_utf8(made.entries[seq as usize].clone()).unwrap();
        let other = text.replacen("\"id\":\"", "\"id\":\"x", 1);
        assert_ne!(text, other);
        other.into_bytes()
    };
    let mut one_other = made.entries.clone();
    one_other[hidden[0] as usize] = changed(hidden[0]);
    let from = hidden[before / 2];
    let mut put_back = made.entries.clone();
    hidden.iter().filter(|seq| **seq >= from).for_each(|seq| put_back[*seq as usize] = changed(*seq));
    put_back.extend((0..7).map(|n| format!("{{\"seq\":{}}}", size + n).into_bytes()));
    for (name, first, entries) in [("two heads of one size", hidden[0], one_other), ("put back", from, put_back)] {
        let work = tempfile::Builder::new().prefix("evidock-forked-").tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made.dir, &dir);
        // The true history, written by the same means, goes on from what was kept.
        let proof = sign_another_history(&dir, &made.entries);
        assert!(goes_on(&dir, &proof.lines()), "{name}");
        assert_eq!(history_told(&dir, &proof), None, "{name}");

        let proof = sign_another_history(&dir, &entries);
        assert_eq!(head_of(&read(&dir, CHECKPOINT)).0, entries.len() as u64);
        for tool in [Bagit, Sha256sum, B3sum, GoNote, GoProof, ByHand, GoPackage, AicsNote, AicsProof, Openssl] {
            assert!(!refuses(tool, &dir), "{name}: what is shown is whole in itself, and {tool:?} says otherwise");
        }
        assert!(!goes_on(&dir, &proof.lines()), "{name}");
        assert!(history_told(&dir, &proof).is_some_and(|told| told.contains("not of one history")), "{name}");
        // A timestamp is such a head, where it covers what was rewritten.
        let (_, report) = import_check(&dir, Some(&made.trust));
        let told = report["problems"].to_string().contains("is not the beginning of this log");
        assert_eq!(told, first < stamped_size, "{name}: {report}");
    }
}
