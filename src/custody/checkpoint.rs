//! C2SP checkpoints (<https://c2sp.org/tlog-checkpoint>): the signed root of a log at a size.
//!
//! ```text
//! evidock/<station>/<epoch>           the origin: which log
//! <size>                              events in the tree, decimal
//! <root>                              RFC 6962 root, base64
//! [<extension line>]...               none in ours; read and kept in others'
//!
//! — evidock/<station> <...>           plain Ed25519 signature
//! — evidock/<station> <...>           cosignature of the same key: the signed time
//! ```
//!
//! Why the epoch stands in the origin: a log must never sign two trees that contradict each other, and a
//! restored database must. A witness keeps one tree for each origin, so an epoch is a log of its own that
//! begins with the events that survived. An extension line would do neither: witnesses do not look at it,
//! and newer kinds of cosignature do not sign it. The key's name has no epoch, because the key outlives it.
//!
//! Why there are two lines: every reader of signed notes knows the first. The second is there because
//! Ed25519 is deterministic, so that an idle log's checkpoints would be the same bytes for ever and a
//! station that has fallen silent could not be told from an idle one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::note::{Kind, Note, NoteError, Signed, VerifierKey};
use super::sm2;
use crate::domain::ids::StationId;
use crate::domain::merkle::Hash;
use crate::domain::ports::{SecondSigner, Signer};

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The signed note around it was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text is not a checkpoint.
    #[error("the signed text is not a checkpoint: {0}")]
    Malformed(&'static str),
}

/// A tree head: which log, how many events, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; ours are made by [`origin`].
    pub origin: String,
    /// How many events the tree has.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
    /// Lines after the third, which we neither write nor understand.
    pub extensions: Vec<String>,
}

/// A checkpoint whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// Who of the trusted keys signed it; at least one.
    pub signed: Vec<Signed>,
}

impl Opened {
    /// The earliest signed time, in seconds since the Unix epoch, if any signature carries one.
    pub fn made_s(&self) -> Option<u64> {
        self.signed.iter().filter_map(|s| s.made_s).min()
    }
}

/// The name of a station's signing key.
pub fn key_name(station: &StationId) -> String {
    format!("evidock/{station}")
}

/// The origin of a station's log in an epoch (from 1).
pub fn origin(station: &StationId, epoch: u32) -> String {
    format!("evidock/{station}/{epoch}")
}

/// Station and epoch of an origin of ours; `None` for other logs' origins.
pub fn parse_origin(text: &str) -> Option<(StationId, u32)> {
    let (station, epoch) = text.strip_prefix("evidock/")?.split_once('/')?;
    let read = (StationId::new(station).ok()?, epoch.parse().ok()?);
    // One spelling only: no sign, no leading zero, and epochs begin at 1.
    (read.1 > 0 && origin(&read.0, read.1) == text).then_some(read)
}

impl Checkpoint {
    /// The head of a station's log.
    pub fn of(station: &StationId, epoch: u32, size: u64, root: Hash) -> Self {
        Self { origin: origin(station, epoch), size, root, extensions: Vec::new() }
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        use CheckpointError::Malformed;
        let body = text.strip_suffix('\n').ok_or(Malformed("it does not end in a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Malformed("it has fewer than three lines"));
        };
        if origin.is_empty() {
            return Err(Malformed("its origin is empty"));
        }
        let number: u64 = size.parse().map_err(|_| Malformed("its size is not a number"))?;
        if number.to_string() != size {
            return Err(Malformed("its size has leading zeroes or a sign"));
        }
        let root = BASE64.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or(Malformed("its root is not the base64 of 32 bytes"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(Malformed("an extension line is empty"));
        }
        Ok(Self { origin: origin.to_owned(), size: number, root, extensions })
    }

    /// Signs it at `made_ms` (milliseconds since the Unix epoch); the result is the note to store and to anchor.
    pub fn sign(&self, signer: &dyn Signer, made_ms: i64) -> Result<String, CheckpointError> {
        self.sign_twice(signer, None, made_ms)
    }

    /// The same, with a second signature below, where there is a key for it.
    pub fn sign_twice(
        &self,
        signer: &dyn Signer,
        second: Option<&dyn SecondSigner>,
        made_ms: i64,
    ) -> Result<String, CheckpointError> {
        // What we sign must be what others read.
        if Self::parse(&self.text()).as_ref() != Ok(self) {
            return Err(CheckpointError::Malformed("a line of it is empty or holds a newline"));
        }
        let mut note = Note::new(self.text())?;
        note.sign(signer)?;
        note.cosign(signer, u64::try_from(made_ms / 1000).unwrap_or(0))?;
        // It stands beside, never instead: where it cannot be had, the log goes on.
        if let Some(line) = second.and_then(|second| sm2::note_line(&note, second)) {
            note.add(line);
        }
        Ok(note.to_string())
    }
}

/// Reads a signed checkpoint and checks it against the trusted keys. A plain key also vouches for its
/// cosignatures.
pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Opened, CheckpointError> {
    let note = Note::parse(note)?;
    let mut trusted = keys.to_vec();
    trusted.extend(keys.iter().filter(|k| k.kind() == Kind::Ed25519).map(|k| k.for_kind(Kind::Cosignature)));
    let signed = note.verify(&trusted)?;
    Ok(Opened { checkpoint: Checkpoint::parse(note.text())?, signed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::key::FileSigner;
    use crate::domain::merkle::{empty_root, leaf_hash};

    fn station() -> StationId {
        StationId::new("zhao-01").unwrap()
    }

    /// Freezes what goes into buckets and before courts: the key is the seed 07 32 times.
    #[test]
    fn form_is_frozen() {
        let signer = FileSigner::from_seed(&key_name(&station()), [7; 32]).unwrap();
        let key = VerifierKey::of(&signer).unwrap();
        let note = Checkpoint::of(&station(), 1, 1000, leaf_hash(b"x")).sign(&signer, 1_781_834_604_321).unwrap();
        assert_eq!(key.to_string(), "evidock/zhao-01+b5fab76a+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs");
        assert_eq!(
            note,
            "evidock/zhao-01/1\n\
             1000\n\
             PH6byTDck/AfppmF7yQtn56GHzxTVaokzl70tLinDMs=\n\
             \n\
             — evidock/zhao-01 tfq3asxbgnDNfc2JTf29NQBKlqVNfBNQ7ByeOEEr21oqtS93aYwAHbOFWIYNyjkAMt7M4iEgcD5AZa2PFCN/ksw1sA4=\n\
             — evidock/zhao-01 W+i5FQAAAABqNKNsZ2LkEPbCFP4pwhVX8xNe2dQlgO+olmFkzs5R0GV/m2A7/OxTFrZprCWPxJcW+Nd2zPTXC/zswajJ/nRv2gZKDw==\n"
        );
        let opened = open(note.as_bytes(), &[key]).unwrap();
        assert_eq!(opened.checkpoint, Checkpoint::of(&station(), 1, 1000, leaf_hash(b"x")));
        assert_eq!((opened.signed.len(), opened.made_s()), (2, Some(1_781_834_604)));
    }

    #[test]
    fn an_oracle_reads_ours_and_we_read_the_specification() {
        let ours = Checkpoint::of(&station(), 12, 0, empty_root());
        let theirs = tlog_tiles::Checkpoint::from_bytes(ours.text().as_bytes()).unwrap();
        assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("evidock/zhao-01/12", 0, empty_root()));
        assert_eq!(theirs.extension(), "");
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nx y\n";
        let read = Checkpoint::parse(text).unwrap();
        assert_eq!((read.size, read.extensions.len()), (20_852_163, 1));
        assert_eq!(read.text(), text);
        assert_eq!(tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap().to_bytes(), text.as_bytes());
    }

    #[test]
    fn refused_texts_are_refused_by_the_oracle_too() {
        let good = Checkpoint::of(&station(), 1, 5, empty_root()).text();
        for bad in [
            "",
            "\n",
            "a\n1\n",
            &good.replace("\n5\n", "\n05\n"),
            &good.replace("\n5\n", "\n+5\n"),
            &good.replace("\n5\n", "\n-5\n"),
            &good.replace("\n5\n", "\n18446744073709551616\n"),
            &good.replace('=', ""),
            &good.replace("evidock/zhao-01/1", ""),
            &format!("{good}\nx\n"),
            good.trim_end(),
        ] {
            assert!(matches!(Checkpoint::parse(bad), Err(CheckpointError::Malformed(_))), "{bad:?}");
            assert!(tlog_tiles::Checkpoint::from_bytes(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let signer = FileSigner::from_seed("evidock/zhao-01", [7; 32]).unwrap();
        let mut split = Checkpoint::of(&station(), 1, 5, empty_root());
        split.origin = "a\n99".into();
        assert!(split.sign(&signer, 0).is_err(), "a newline in the origin would sign another size");
    }

    #[test]
    fn origins_have_one_spelling() {
        assert_eq!(parse_origin("evidock/zhao-01/12"), Some((station(), 12)));
        for bad in [
            "evidock/zhao-01",
            "evidock/zhao-01/0",
            "evidock/zhao-01/01",
            "evidock/zhao-01/+1",
            "evidock/Z/1",
            "x/zhao-01/1",
        ] {
            assert_eq!(parse_origin(bad), None, "{bad}");
        }
    }
}
