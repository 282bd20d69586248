//! A checkpoint that somebody kept, against that of a package. A package signed with the station's own key is whole in
//! itself whatever history it shows; whether that is the one of which somebody holds a head, only that head tells.

use super::Check;
use crate::custody::checkpoint::{self, Checkpoint};
use crate::custody::note::{Note, VerifierKey};
use crate::custody::witness::Submission;
use crate::domain::merkle::verify_consistency;

/// What was kept, and what shows that package and it are of one history.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    /// The signed note.
    pub note: &'a str,
    /// The way from the smaller of the two checkpoints to the larger one, as `log prove --from` writes it.
    pub proof: Option<&'a str>,
}

impl Check<'_> {
    /// Compares the package's checkpoint with the one that was kept, where there is one.
    pub(super) fn anchored(&mut self, head: &Checkpoint, keys: &[VerifierKey]) {
        let Some(anchor) = self.given.anchor else { return };
        match is_of_one_history(anchor, head, keys) {
            Ok(size) => self.report.anchor_size = Some(size),
            Err(what) => self.problem(what),
        }
    }
}

/// The size of the kept checkpoint, where the package's is of the same history.
fn is_of_one_history(anchor: Anchor<'_>, head: &Checkpoint, keys: &[VerifierKey]) -> Result<u64, String> {
    let kept = checkpoint::open(anchor.note.as_bytes(), keys)
        .map_err(|e| format!("the checkpoint that was kept (--anchor) is not one that the station's keys signed: {e}"))?
        .checkpoint;
    let station = |origin: &str| checkpoint::parse_origin(origin).map(|(station, _)| station);
    if station(&kept.origin).is_none() || station(&kept.origin) != station(&head.origin) {
        return Err(format!("the checkpoint that was kept (--anchor) is of another log: {}", kept.origin));
    }
    if kept.size == head.size {
        return match kept.root == head.root {
            true => Ok(kept.size),
            false => Err(format!(
                "the package shows another history than the checkpoint that was kept: both are over {} events, and their roots differ",
                kept.size
            )),
        };
    }
    let (old, new) = if kept.size < head.size { (&kept, head) } else { (head, &kept) };
    let Some(proof) = anchor.proof else {
        return Err(format!(
            "the package's checkpoint is over {} events and the one that was kept over {}: that one goes on from the other takes a proof (--proof), which the station makes: `evidock log prove --from SMALLER --until LARGER`",
            head.size, kept.size
        ));
    };
    let proof = Submission::parse(proof.as_bytes())
        .ok_or("what was given as a proof (--proof) is none: `evidock log prove --from` writes it".to_owned())?;
    let to = Note::parse(proof.checkpoint.as_bytes()).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    let to = to.ok_or("the proof (--proof) does not end with a checkpoint".to_owned())?;
    if (proof.old, to.size) != (old.size, new.size) {
        return Err(format!(
            "the proof (--proof) leads from {} events to {}; from {} to {} is what it takes",
            proof.old, to.size, old.size, new.size
        ));
    }
    if to.root != new.root || !verify_consistency(old.size, &old.root, new.size, &new.root, &proof.proof) {
        return Err(format!(
            "the package is not of one history with the checkpoint that was kept: that over {} events does not go on from that over {}",
            new.size, old.size
        ));
    }
    Ok(kept.size)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;
    use crate::custody::key::FileSigner;
    use crate::domain::ids::StationId;
    use crate::domain::merkle::{self, Frontier, Hash, leaf_hash};

    struct Log {
        us: StationId,
        nodes: HashMap<(u8, u64), Hash>,
        signer: FileSigner,
    }

    impl Log {
        fn of(entries: impl Fn(u64) -> String) -> Self {
            let mut tree = Frontier::default();
            let nodes = (0..20).flat_map(|n| tree.push(leaf_hash(entries(n).as_bytes())));
            Self {
                us: StationId::new("one").unwrap(),
                nodes: nodes.map(|(level, index, hash)| ((level, index), hash)).collect(),
                signer: FileSigner::from_seed("evidock/one", [7; 32]).unwrap(),
            }
        }

        fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            Ok(self.nodes[&(level, index)])
        }

        fn head(&self, size: u64) -> Checkpoint {
            Checkpoint::of(&self.us, 1, size, merkle::root(size, |l, i| self.node(l, i)).unwrap())
        }

        fn note(&self, size: u64) -> String {
            self.head(size).sign(&self.signer, 0).unwrap()
        }

        fn proof(&self, old: u64, new: u64) -> String {
            let proof = merkle::consistency_proof(old, new, |l, i| self.node(l, i)).unwrap().unwrap();
            Submission { old, proof, checkpoint: self.note(new) }.text()
        }
    }

    #[test]
    fn a_package_is_of_one_history_with_what_was_kept_or_is_refused() {
        let (log, other) = (Log::of(|n| format!("{n}")), Log::of(|n| format!("{}", n.min(4))));
        let keys = [VerifierKey::of(&log.signer).unwrap()];
        let judge =
            |note: &str, proof: Option<&str>, head: &Checkpoint| is_of_one_history(Anchor { note, proof }, head, &keys);
        // Older, newer and the same.
        assert_eq!(judge(&log.note(7), Some(&log.proof(7, 12)), &log.head(12)), Ok(7));
        assert_eq!(judge(&log.note(12), Some(&log.proof(7, 12)), &log.head(7)), Ok(12));
        assert_eq!(judge(&log.note(12), None, &log.head(12)), Ok(12));
        let refused = |note: &str, proof: Option<&str>, head: &Checkpoint, why: &str| {
            let told = judge(note, proof, head).unwrap_err();
            assert!(told.contains(why), "{told}");
        };
        refused(&log.note(12), None, &other.head(12), "another history");
        refused(&log.note(7), None, &log.head(12), "takes a proof");
        refused(&log.note(7), Some("x"), &log.head(12), "is none");
        refused(&log.note(7), Some(&log.proof(7, 13)), &log.head(12), "from 7 to 12 is what it takes");
        // The best that whoever forked the log has to show, both ways round.
        refused(&log.note(7), Some(&other.proof(7, 12)), &other.head(12), "not of one history");
        refused(&log.note(12), Some(&log.proof(7, 12)), &other.head(7), "not of one history");
        refused(&log.note(12), Some(&other.proof(7, 12)), &other.head(7), "not of one history");
        // Not signed by the station, and of another one.
        let stranger = FileSigner::from_seed("evidock/one", [8; 32]).unwrap();
        refused(&log.head(7).sign(&stranger, 0).unwrap(), None, &log.head(7), "not one that the station's keys signed");
        let theirs = Checkpoint { origin: "evidock/two/1".into(), ..log.head(7) };
        refused(&theirs.sign(&log.signer, 0).unwrap(), None, &log.head(7), "another log");
    }
}
