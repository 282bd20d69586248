//! Witnessing (C2SP tlog-witness): a log shows its checkpoints to somebody else, who signs each one that goes on from
//! the one before, and refuses every other. The texts of both sides, and what a witness answers: decides only. Who asks
//! over which network, and where a witness keeps what it has seen, is the business of others.
//!
//! ```text
//! old <size>                the newest checkpoint that the log believes the witness to have signed, 0 at first
//! <hash, base64>            proof of consistency from there (RFC 6962, 2.1.2), at most 63 lines
//!
//! <checkpoint>              the signed note
//! ```
//!
//! A witness answers with signature lines, or refuses: 404 for a log that it does not watch, 403 for a signature that
//! is not the log's, 409 with its own size where `old` is not that, 422 where the log was rewritten.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{Checkpoint, key_name, open, parse_origin};
use super::note::{Kind, Note, NoteError, VerifierKey};
use crate::domain::merkle::{Hash, empty_root, verify_consistency};
use crate::domain::ports::Signer;

/// The specification's limit on lines of a proof.
const MAX_PROOF: usize = 63;

/// What a log sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size that the witness is believed to know.
    pub old: u64,
    /// That the log of that size is the beginning of this one.
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

impl Submission {
    /// The proof's lines.
    pub fn lines(&self) -> Vec<String> {
        self.proof.iter().map(|hash| BASE64.encode(hash)).collect()
    }

    /// The request's body.
    pub fn text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for line in self.lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a request's body; `None` for anything that is not one.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let number: u64 = old.parse().ok().filter(|n: &u64| n.to_string() == old)?;
        let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
        let proof: Vec<Hash> = lines.map(hash).collect::<Option<_>>()?;
        (proof.len() <= MAX_PROOF).then(|| Self { old: number, proof, checkpoint: checkpoint.to_owned() })
    }
}

/// The newest checkpoint of a log that a witness has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Entries in it.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It signs. What it has seen must be durable before the line leaves it.
    Cosigned {
        /// Which log.
        origin: String,
        /// What it has seen from here on.
        seen: Seen,
        /// The signature line, with its newline.
        line: String,
    },
    /// It does not.
    Refused(Refusal),
}

/// Why a witness does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not of the form.
    #[error("this is no submission of a checkpoint (c2sp.org/tlog-witness)")]
    Malformed,
    /// Nobody configured that log.
    #[error("this witness does not watch that log")]
    UnknownLog,
    /// Not signed by the log's key.
    #[error("the checkpoint is not signed by the log's key")]
    BadSignature,
    /// `old` exceeds the checkpoint.
    #[error("the old size is larger than the checkpoint's")]
    OldTooLarge,
    /// It has seen another size than `old`.
    #[error("the newest checkpoint signed here has another size")]
    OtherSize(u64),
    /// It has signed another root for this size.
    #[error("another history of this size was signed here")]
    OtherRoot(u64),
    /// The log does not go on from what it has seen.
    #[error("the log does not go on from what was signed here: it was rewritten")]
    Rewritten,
}

impl Refusal {
    /// Status of HTTP.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::OldTooLarge => 400,
            Self::UnknownLog => 404,
            Self::BadSignature => 403,
            Self::OtherSize(_) | Self::OtherRoot(_) => 409,
            Self::Rewritten => 422,
        }
    }

    /// Whether it accuses the log: it has two histories, or lost what it had.
    pub fn is_accusation(self) -> bool {
        matches!(self, Self::OtherRoot(_) | Self::Rewritten)
    }
}

/// Whether a key that a witness trusts speaks for this log: every epoch of a station of ours, or a log that is called as
/// its key is.
fn speaks_for(key: &VerifierKey, origin: &str) -> bool {
    key.name() == origin || parse_origin(origin).is_some_and(|(station, _)| key_name(&station) == key.name())
}

/// What a witness that trusts `keys` for their logs answers at `now_s`. `seen` gives what it has seen of a log. The
/// caller must make one step of looking, judging and storing, or two histories could be signed at the same moment.
pub fn judge<E>(
    body: &[u8],
    keys: &[VerifierKey],
    signer: &dyn Signer,
    now_s: u64,
    seen: impl FnOnce(&str) -> Result<Option<Seen>, E>,
) -> Result<Answer, E> {
    let refused = |refusal| Ok(Answer::Refused(refusal));
    let Some(submission) = Submission::parse(body) else { return refused(Refusal::Malformed) };
    let said = Note::parse(submission.checkpoint.as_bytes()).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    let Some(said) = said else { return refused(Refusal::Malformed) };
    let keys: Vec<VerifierKey> = keys.iter().filter(|key| speaks_for(key, &said.origin)).cloned().collect();
    if keys.is_empty() {
        return refused(Refusal::UnknownLog);
    }
    if open(submission.checkpoint.as_bytes(), &keys).is_err() {
        return refused(Refusal::BadSignature);
    }
    if submission.old > said.size {
        return refused(Refusal::OldTooLarge);
    }
    let before = seen(&said.origin)?.unwrap_or(Seen { size: 0, root: empty_root() });
    if submission.old != before.size {
        return refused(Refusal::OtherSize(before.size));
    }
    if said.size == before.size && said.root != before.root {
        return refused(Refusal::OtherRoot(before.size));
    }
    if !verify_consistency(before.size, &before.root, said.size, &said.root, &submission.proof) {
        return refused(Refusal::Rewritten);
    }
    let signed = Note::new(said.text()).and_then(|mut note| {
        note.cosign(signer, now_s)?;
        Ok(note.to_string())
    });
    let line = signed.ok().and_then(|note| note.lines().last().map(|line| format!("{line}\n")));
    // The text was read as a note before, so that it can be signed as one.
    let Some(line) = line else { return refused(Refusal::Malformed) };
    Ok(Answer::Cosigned { seen: Seen { size: said.size, root: said.root }, origin: said.origin, line })
}

/// A witness's line that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// As it stands below a note, with its newline.
    pub line: String,
    /// When the witness signed, seconds since the Unix epoch.
    pub made_s: u64,
}

/// Reads what a witness answered to `checkpoint`: its line, if it is there and true. Lines of others are left out.
pub fn read_answer(checkpoint: &str, answer: &[u8], witness: &VerifierKey) -> Result<Cosignature, NoteError> {
    let whole = [checkpoint.as_bytes(), answer].concat();
    let note = Note::parse(&whole)?;
    let key = witness.for_kind(Kind::Cosignature);
    let signed = note.verify(std::slice::from_ref(&key))?;
    let missing = || NoteError::Unknown(String::from("nobody"));
    let made_s = signed.first().and_then(|signed| signed.made_s).ok_or_else(missing)?;
    // Verified lines are parsed ones, so that the last line of this name and id is the one that was meant.
    let line = std::str::from_utf8(answer)
        .unwrap_or_default()
        .lines()
        .find(|line| read_line(line).is_some_and(|(name, id)| name == key.name() && id == key.id()))
        .ok_or_else(missing)?;
    Ok(Cosignature { line: format!("{line}\n"), made_s })
}

/// Name and key id of a signature line.
fn read_line(line: &str) -> Option<(String, u32)> {
    let note = Note::parse(format!("x\n\n{line}\n").as_bytes()).ok()?;
    note.signatures().first().map(|signature| (signature.name.clone(), signature.id))
}

/// The size in the body of a 409.
pub fn read_size(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;
    use crate::custody::key::FileSigner;
    use crate::domain::ids::StationId;
    use crate::domain::merkle::{self, consistency_proof, leaf_hash};

    /// A log in memory: `rewritten` has another entry at that place.
    struct Log {
        nodes: HashMap<(u8, u64), Hash>,
    }

    impl Log {
        fn of(size: u64, rewritten: Option<u64>) -> Self {
            let mut log = Self { nodes: HashMap::new() };
            for n in 0..size {
                let entry = if rewritten == Some(n) { [9; 8] } else { n.to_be_bytes() };
                let new = merkle::append(n, leaf_hash(&entry), |l, i| Ok::<_, Infallible>(log.nodes[&(l, i)])).unwrap();
                log.nodes.extend(new.into_iter().map(|(l, i, hash)| ((l, i), hash)));
            }
            log
        }

        fn root(&self, size: u64) -> Hash {
            merkle::root(size, |l, i| Ok::<_, Infallible>(self.nodes[&(l, i)])).unwrap()
        }

        fn note(&self, size: u64) -> String {
            let station = StationId::new("zhao-01").unwrap();
            Checkpoint::of(&station, 1, size, self.root(size)).sign(&signer("evidock/zhao-01", 7), 0).unwrap()
        }

        fn submission(&self, old: u64, size: u64) -> Submission {
            let proof = consistency_proof(old, size, |l, i| Ok::<_, Infallible>(self.nodes[&(l, i)]));
            Submission { old, proof: proof.unwrap().unwrap_or_default(), checkpoint: self.note(size) }
        }
    }

    fn signer(name: &str, seed: u8) -> FileSigner {
        FileSigner::from_seed(name, [seed; 32]).unwrap()
    }

    fn key(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::of(&signer(name, seed)).unwrap()
    }

    /// A witness with a state of its own.
    #[derive(Default)]
    struct Witness(HashMap<String, Seen>);

    impl Witness {
        fn hear(&mut self, submission: &Submission) -> Result<String, Refusal> {
            self.hear_body(submission.text().as_bytes())
        }

        fn hear_body(&mut self, body: &[u8]) -> Result<String, Refusal> {
            let keys = [key("evidock/zhao-01", 7), key("other.log", 3)];
            let seen = |origin: &str| Ok::<_, Infallible>(self.0.get(origin).copied());
            match judge(body, &keys, &signer("evidock/zhao-02", 8), 1_000, seen).unwrap() {
                Answer::Refused(refusal) => Err(refusal),
                Answer::Cosigned { origin, seen, line } => {
                    self.0.insert(origin, seen);
                    Ok(line)
                }
            }
        }
    }

    #[test]
    fn a_log_that_goes_on_is_signed_and_the_signature_is_true() {
        let (log, mut witness) = (Log::of(40, None), Witness::default());
        let mut old = 0;
        for size in [1, 7, 7, 8, 40] {
            let submission = log.submission(old, size);
            let line = witness.hear(&submission).unwrap();
            let read = read_answer(&submission.checkpoint, line.as_bytes(), &key("evidock/zhao-02", 8)).unwrap();
            assert_eq!((read.line.as_str(), read.made_s), (line.as_str(), 1_000));
            assert!(read_answer(&log.note(3), line.as_bytes(), &key("evidock/zhao-02", 8)).is_err());
            assert!(read_answer(&submission.checkpoint, line.as_bytes(), &key("evidock/zhao-02", 9)).is_err());
            old = size;
        }
    }

    #[test]
    fn a_rewritten_log_is_refused_whatever_it_says() {
        let (log, other, mut witness) = (Log::of(40, None), Log::of(40, Some(5)), Witness::default());
        witness.hear(&log.submission(0, 20)).unwrap();
        assert_eq!(witness.hear(&other.submission(20, 30)), Err(Refusal::Rewritten));
        assert_eq!(witness.hear(&other.submission(20, 20)), Err(Refusal::OtherRoot(20)));
        // Cut off, or told from its beginning.
        assert_eq!(witness.hear(&log.submission(0, 30)), Err(Refusal::OtherSize(20)));
        assert_eq!(witness.hear(&log.submission(10, 10)), Err(Refusal::OtherSize(20)));
        assert_eq!(witness.hear(&Submission { old: 20, ..log.submission(10, 10) }), Err(Refusal::OldTooLarge));
        // And none of that harmed the true one.
        witness.hear(&log.submission(20, 40)).unwrap();
        assert!(Refusal::Rewritten.is_accusation() && !Refusal::OtherSize(1).is_accusation());
    }

    #[test]
    fn what_is_not_the_log_s_is_refused() {
        let (log, mut witness) = (Log::of(8, None), Witness::default());
        let good = log.submission(0, 8);
        let stranger = Checkpoint {
            origin: "evidock/zhao-09/1".into(),
            ..Checkpoint::of(&StationId::new("zhao-01").unwrap(), 1, 8, log.root(8))
        };
        let foreign = stranger.sign(&signer("evidock/zhao-09", 7), 0).unwrap();
        assert_eq!(witness.hear(&Submission { checkpoint: foreign, ..good.clone() }), Err(Refusal::UnknownLog));
        let station = StationId::new("zhao-01").unwrap();
        let forged = Checkpoint::of(&station, 1, 8, log.root(8)).sign(&signer("evidock/zhao-01", 6), 0).unwrap();
        assert_eq!(witness.hear(&Submission { checkpoint: forged, ..good.clone() }), Err(Refusal::BadSignature));
        let proof = vec![[0; 32]];
        assert_eq!(
            witness.hear(&Submission { proof, ..good.clone() }),
            Err(Refusal::Rewritten),
            "a proof from nothing"
        );
        for body in
            ["", "old 0\n", "old 00\n\nx", "old 0\nAAAA\n\nx", "old 0\n\nx\n", &good.text().replace("old", "new")]
        {
            assert_eq!(witness.hear_body(body.as_bytes()), Err(Refusal::Malformed), "{body:.40}");
        }
        let long = Submission { proof: vec![[0; 32]; 64], ..good };
        assert_eq!(witness.hear(&long), Err(Refusal::Malformed));
        assert!(witness.0.is_empty());
    }

    #[test]
    fn submissions_are_read_as_written() {
        let log = Log::of(40, None);
        for (old, new) in [(0, 1), (3, 40), (40, 40)] {
            let submission = log.submission(old, new);
            assert_eq!(Submission::parse(submission.text().as_bytes()), Some(submission));
        }
        assert_eq!(read_size(b"20852014\n"), Some(20_852_014));
        assert_eq!((read_size(b"20"), read_size(b"-1\n"), read_size(b"\xff\n")), (None, None, None));
    }
}
