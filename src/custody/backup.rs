//! The signed note on a backup: what it holds, so that a damaged, swapped or foreign one is told apart before
//! anything is made of it. Knows neither how a backup is packed nor where it stands.
//!
//! ```text
//! evidock/<station>/backup/<epoch>/<seq>      which backup
//! key <verifier key>                          under which the log is signed, and this note
//! made <ms>                                   when, milliseconds since the Unix epoch
//! object <bytes> <sha256>                     the encrypted object `database`
//! database <bytes> <schema version>           what comes out of it
//! log <size> <root>                           events in it, and their root (RFC 6962, hex)
//! log-key <sha256>                            the encrypted object `log-key`; the line is absent where there is none
//! sm2-key <sha256>                            likewise the encrypted object `sm2-key`
//!
//! — evidock/<station> <...>                   plain Ed25519 signature
//! ```
//!
//! No line of it can be read as a checkpoint's, so one key may sign both.

use std::str::FromStr;

use super::note::{Note, NoteError, VerifierKey};
use crate::domain::digest::{Sha256, to_hex};
use crate::domain::ids::StationId;
use crate::domain::merkle::Hash;
use crate::domain::ports::Signer;

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupNote {
    /// Whose.
    pub station: StationId,
    /// Epoch of the log in it.
    pub epoch: u32,
    /// Its number in that epoch.
    pub seq: u32,
    /// The key under which the log was signed then.
    pub key: VerifierKey,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// Length of the encrypted object, bytes.
    pub size_bytes: u64,
    /// And its digest.
    pub sha256: Sha256,
    /// Length of the database that comes out of it, bytes.
    pub database_bytes: u64,
    /// Schema version of that.
    pub schema: i64,
    /// Events in its log.
    pub log_size: u64,
    /// Their root.
    pub log_root: Hash,
    /// Digest of the encrypted log key, where that is in the backup.
    pub log_key: Option<Sha256>,
    /// Digest of the encrypted SM2 key, where that is in the backup.
    pub sm2_key: Option<Sha256>,
}

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupNoteError {
    /// The signed note around it was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text is no note on a backup.
    #[error("the signed text is not a note on a backup: {0}")]
    Malformed(&'static str),
}

impl BackupNote {
    fn text(&self) -> String {
        let mut text = format!(
            "evidock/{}/backup/{}/{}\nkey {}\nmade {}\nobject {} {}\ndatabase {} {}\nlog {} {}\n",
            self.station,
            self.epoch,
            self.seq,
            self.key,
            self.made_ms,
            self.size_bytes,
            self.sha256,
            self.database_bytes,
            self.schema,
            self.log_size,
            to_hex(&self.log_root)
        );
        for (name, key) in [("log-key", &self.log_key), ("sm2-key", &self.sm2_key)] {
            if let Some(key) = key {
                text.push_str(&format!("{name} {key}\n"));
            }
        }
        text
    }

    /// Signs it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, NoteError> {
        let mut note = Note::new(self.text())?;
        note.sign(signer)?;
        Ok(note.to_string())
    }

    fn parse(text: &str) -> Result<Self, BackupNoteError> {
        use BackupNoteError::Malformed;
        let mut lines = text.lines();
        let which = lines.next().and_then(|l| l.strip_prefix("evidock/")).ok_or(Malformed("its first line"))?;
        let parts: Vec<&str> = which.split('/').collect();
        let [station, "backup", epoch, seq] = parts[..] else { return Err(Malformed("its first line")) };
        let mut fields = |name: &'static str, count: usize| -> Result<Vec<&str>, BackupNoteError> {
            let line = lines.next().ok_or(Malformed("a line is missing"))?;
            let rest = line.strip_prefix(name).and_then(|l| l.strip_prefix(' ')).ok_or(Malformed("a line's name"))?;
            let fields: Vec<&str> = rest.split(' ').collect();
            if fields.len() == count { Ok(fields) } else { Err(Malformed("the fields of a line")) }
        };
        let key = fields("key", 1)?[0].parse()?;
        let made_ms = number(fields("made", 1)?[0])?;
        let object = fields("object", 2)?;
        let database = fields("database", 2)?;
        let log = fields("log", 2)?;
        let mut rest = lines.peekable();
        let mut sealed = |name: &str| -> Result<Option<Sha256>, BackupNoteError> {
            let line = rest.next_if(|line| line.starts_with(name));
            line.map(|line| number(&line[name.len()..])).transpose()
        };
        let (log_key, sm2_key) = (sealed("log-key ")?, sealed("sm2-key ")?);
        let read = Self {
            station: StationId::new(station).map_err(|_| Malformed("the station's name"))?,
            epoch: number(epoch)?,
            seq: number(seq)?,
            key,
            made_ms,
            size_bytes: number(object[0])?,
            sha256: number(object[1])?,
            database_bytes: number(database[0])?,
            schema: number(database[1])?,
            log_size: number(log[0])?,
            log_root: number::<Sha256>(log[1])?.0,
            log_key,
            sm2_key,
        };
        // One spelling: what is shown is what was signed.
        if read.text() == text { Ok(read) } else { Err(Malformed("it has another spelling")) }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, BackupNoteError> {
    text.parse().map_err(|_| BackupNoteError::Malformed("a number or digest cannot be read"))
}

/// Reads a note and checks its signature against the trusted keys.
pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<BackupNote, BackupNoteError> {
    let note = Note::parse(note)?;
    note.verify(keys)?;
    BackupNote::parse(note.text())
}

/// Reads a note on its own word: the key that it names must have signed it. Shows that it is whole, and nothing of
/// who made it.
pub fn open_on_its_word(note: &[u8]) -> Result<BackupNote, BackupNoteError> {
    let parsed = Note::parse(note)?;
    let read = BackupNote::parse(parsed.text())?;
    parsed.verify(std::slice::from_ref(&read.key))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::checkpoint;
    use crate::custody::key::FileSigner;

    fn signer(seed: u8) -> FileSigner {
        FileSigner::from_seed("evidock/zhao-01", [seed; 32]).unwrap()
    }

    fn sample(log_key: Option<Sha256>, sm2_key: Option<Sha256>) -> BackupNote {
        BackupNote {
            station: StationId::new("zhao-01").unwrap(),
            epoch: 2,
            seq: 42,
            key: VerifierKey::of(&signer(7)).unwrap(),
            made_ms: 1_781_834_604_321,
            size_bytes: 1234,
            sha256: Sha256([1; 32]),
            database_bytes: 5678,
            schema: 7,
            log_size: 1000,
            log_root: [2; 32],
            log_key,
            sm2_key,
        }
    }

    /// Freezes what stands in buckets.
    #[test]
    fn form_is_frozen() {
        let text = sample(Some(Sha256([3; 32])), None).text();
        let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
        assert_eq!(
            text,
            format!(
                "evidock/zhao-01/backup/2/42\nkey evidock/zhao-01+b5fab76a+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs\n\
                 made 1781834604321\nobject 1234 {one}\ndatabase 5678 7\nlog 1000 {two}\nlog-key {three}\n"
            )
        );
        let more = sample(Some(Sha256([3; 32])), Some(Sha256([4; 32]))).text();
        assert_eq!(more, format!("{text}sm2-key {}\n", "04".repeat(32)));
    }

    #[test]
    fn read_as_written_and_refused_when_changed() {
        let key = VerifierKey::of(&signer(7)).unwrap();
        let (one, other) = (Some(Sha256([3; 32])), Some(Sha256([4; 32])));
        for note in [sample(None, None), sample(one, None), sample(one, other), sample(None, other)] {
            let signed = note.sign(&signer(7)).unwrap();
            assert_eq!(open(signed.as_bytes(), std::slice::from_ref(&key)), Ok(note.clone()));
            assert_eq!(open_on_its_word(signed.as_bytes()), Ok(note));
            assert!(checkpoint::open(signed.as_bytes(), std::slice::from_ref(&key)).is_err(), "it is no checkpoint");
            let changed = signed.replace("object 1234", "object 1235");
            assert!(matches!(
                open_on_its_word(changed.as_bytes()),
                Err(BackupNoteError::Note(NoteError::Forged { .. }))
            ));
            let other = VerifierKey::of(&signer(8)).unwrap();
            assert!(matches!(open(signed.as_bytes(), &[other]), Err(BackupNoteError::Note(NoteError::Unknown(_)))));
        }
        // Signed by another than it names.
        let foreign = sample(None, None).sign(&signer(8)).unwrap();
        assert!(open_on_its_word(foreign.as_bytes()).is_err());
    }

    #[test]
    fn other_texts_are_refused() {
        let good = sample(None, None).text();
        let keys = format!("log-key {}\nsm2-key {}\n", "03".repeat(32), "04".repeat(32));
        assert!(BackupNote::parse(&format!("{good}{keys}")).is_ok());
        let swapped: String = keys.lines().rev().map(|line| format!("{line}\n")).collect();
        for bad in [
            String::new(),
            good.replace("/backup/", "/x/"),
            good.replace("/42\n", "/042\n"),
            good.replace("made ", "made +"),
            good.replace("log 1000", "log 1000 1"),
            good.replace("zhao-01/", "Zhao/"),
            format!("{good}more\n"),
            format!("{good}{keys}more\n"),
            format!("{good}{swapped}"),
            format!("{good}sm2-key x\n"),
            good.lines().take(4).map(|l| format!("{l}\n")).collect(),
        ] {
            assert!(BackupNote::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
