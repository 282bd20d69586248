//! C2SP signed notes (<https://c2sp.org/signed-note>): text with signature lines under it, and the keys that
//! check them. Knows nothing of what the text says.
//!
//! ```text
//! <text, ending in a newline>
//! <empty line>
//! — <key name> <base64 of 4 bytes key id and the signature>
//! ```
//!
//! Two kinds of signature are known, both Ed25519: the plain one over the text (type 0x01), and the
//! cosignature (type 0x04, <https://c2sp.org/tlog-cosignature>), which also signs the second in which it was
//! made. Lines of other keys and kinds are kept and otherwise ignored, as the specification demands.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::domain::ports::Signer;

/// The longest note that is read: what Go's `x/mod/sumdb/note` allows.
pub const MAX_NOTE_BYTES: usize = 1_000_000;
/// The most signature lines that are read: what Go's `x/mod/sumdb/note` allows (the specification asks for at least 16).
pub const MAX_SIGNATURES: usize = 100;

const DASH: &str = "— ";

/// Why a note or key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not in the form of a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// Not in the form of a verifier key.
    #[error("{text:?} is not a verifier key ({why}); it looks like evidock/zhao-01+0123abcd+AQ…")]
    Key {
        /// What was read instead, shortened.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A key that we trust has not made the signature that carries its name and id.
    #[error("the signature of {name} ({id:08x}) is false: the note was changed or the signature forged")]
    Forged {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// Nobody whom we trust has signed.
    #[error("signed by none of the trusted keys, but by {}", if .0.is_empty() { "nobody" } else { .0 })]
    Unknown(String),
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Type 0x01: the text.
    Ed25519,
    /// Type 0x04: the text and the time of signing.
    Cosignature,
}

impl Kind {
    /// The byte that the specification assigns.
    pub fn byte(self) -> u8 {
        match self {
            Kind::Ed25519 => 0x01,
            Kind::Cosignature => 0x04,
        }
    }
}

/// A trusted public key. Its text form is `<name>+<key id in hex>+<base64 of type and key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: Kind,
    public: VerifyingKey,
}

impl VerifierKey {
    /// The key of this name; `public` is a compressed Edwards point (RFC 8032).
    pub fn new(name: &str, kind: Kind, public: &[u8; 32]) -> Result<Self, NoteError> {
        let refused = |why| NoteError::Key { text: name.chars().take(80).collect(), why };
        if !is_key_name(name) {
            return Err(refused("a key's name has no white space, no control character and no '+'"));
        }
        let public = VerifyingKey::from_bytes(public)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or_else(|| refused("the bytes are not a sound Ed25519 public key"))?;
        Ok(Self { name: name.to_owned(), id: key_id(name, kind, public.as_bytes()), kind, public })
    }

    /// The key with which a signer makes plain signatures.
    pub fn of(signer: &dyn Signer) -> Result<Self, NoteError> {
        Self::new(signer.key_name(), Kind::Ed25519, &signer.public_key())
    }

    /// The same name and key for another kind of signature (it has another id).
    pub fn for_kind(&self, kind: Kind) -> Self {
        Self { id: key_id(&self.name, kind, self.public.as_bytes()), kind, ..self.clone() }
    }

    /// Its name in signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of its digest, as in signature lines.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it signs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The time that a true signature over `text` carries, if its kind has one; `None` for a false one.
    fn check(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        let (time, message, signature) = match self.kind {
            Kind::Ed25519 => (None, text.to_owned(), signature),
            Kind::Cosignature => {
                let (seconds, rest) = signature.split_first_chunk::<8>()?;
                let seconds = u64::from_be_bytes(*seconds);
                (Some(seconds), cosigned_message(text, seconds), rest)
            }
        };
        let signature = Signature::from_slice(signature).ok()?;
        self.public.verify_strict(message.as_bytes(), &signature).is_ok().then_some(time)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind.byte()][..], self.public.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |why| NoteError::Key { text: text.chars().take(120).collect(), why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused("it has three parts joined by '+'"));
        };
        let typed = BASE64.decode(key).map_err(|_| refused("its third part is not base64"))?;
        let kind = match typed.first() {
            Some(0x01) => Kind::Ed25519,
            Some(0x04) => Kind::Cosignature,
            _ => return Err(refused("only Ed25519 keys (type 1) and cosigner keys (type 4) are known")),
        };
        let public = typed[1..].try_into().map_err(|_| refused("an Ed25519 key has 32 bytes"))?;
        let key = Self::new(name, kind, public)?;
        // Exactly the text that we would write, so that one key has one spelling.
        if format!("{:08x}", key.id) != id {
            Err(refused("its id does not belong to its name and key"))
        } else {
            Ok(key)
        }
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// What follows the id; its form is the business of the key's kind.
    pub bytes: Vec<u8>,
}

/// A text with signature lines, true or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature that was checked and is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// When it was made, in seconds since the Unix epoch, as the signer swears; only cosignatures tell.
    pub made_s: Option<u64>,
}

impl Note {
    /// A note without signatures yet. The text ends in a newline and has no other control characters.
    pub fn new(text: String) -> Result<Self, NoteError> {
        check_text(&text)?;
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Adds a plain Ed25519 signature.
    pub fn sign(&mut self, signer: &dyn Signer) -> Result<(), NoteError> {
        let key = VerifierKey::of(signer)?;
        let bytes = signer.sign(self.text.as_bytes()).to_vec();
        self.signatures.push(NoteSignature { name: key.name, id: key.id, bytes });
        Ok(())
    }

    /// Adds a cosignature made at `made_s` seconds since the Unix epoch.
    pub fn cosign(&mut self, signer: &dyn Signer, made_s: u64) -> Result<(), NoteError> {
        let key = VerifierKey::of(signer)?.for_kind(Kind::Cosignature);
        let signature = signer.sign(cosigned_message(&self.text, made_s).as_bytes());
        let bytes = [&made_s.to_be_bytes()[..], &signature].concat();
        self.signatures.push(NoteSignature { name: key.name, id: key.id, bytes });
        Ok(())
    }

    /// Adds a line of a kind that others make; readers who do not know it pass it over.
    pub fn add(&mut self, line: NoteSignature) {
        self.signatures.push(line);
    }

    /// Reads a note. Whether its signatures are true is another question ([`Note::verify`]).
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        use NoteError::Malformed;
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(Malformed("it is longer than 1,000,000 bytes"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| Malformed("it is not UTF-8"))?;
        // The last empty line parts text and signatures; the text may have empty lines of its own.
        let end = note.rfind("\n\n").ok_or(Malformed("it has no empty line before its signatures"))? + 1;
        let (text, lines) = (&note[..end], &note[end + 1..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(Malformed("it does not end in a newline"))?;
        let signatures =
            lines.split('\n').map(parse_signature).take(MAX_SIGNATURES + 1).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(Malformed("it has more than 100 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline. Nothing in it counts before [`Note::verify`] has succeeded.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The true signatures by trusted keys, at least one. Lines of unknown keys are ignored; one false
    /// line under a trusted key refuses the whole note.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<Signed>, NoteError> {
        let mut signed = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.id == line.id && key.name == line.name) else { continue };
            let made_s = key
                .check(&self.text, &line.bytes)
                .ok_or_else(|| NoteError::Forged { name: line.name.clone(), id: line.id })?;
            signed.push(Signed { name: line.name.clone(), id: line.id, made_s });
        }
        if signed.is_empty() {
            let names: Vec<_> = self.signatures.iter().take(16).map(|s| format!("{} ({:08x})", s.name, s.id)).collect();
            return Err(NoteError::Unknown(names.join(", ")));
        }
        Ok(signed)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            let bytes = [&signature.id.to_be_bytes()[..], &signature.bytes].concat();
            writeln!(f, "{DASH}{} {}", signature.name, BASE64.encode(bytes))?;
        }
        Ok(())
    }
}

/// Whether signed notes allow this name for a key.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c < ' ' || c == '+')
}

/// The first four bytes of SHA-256 over name, newline, type and key.
fn key_id(name: &str, kind: Kind, public: &[u8; 32]) -> u32 {
    let digest = Sha256::new_with_prefix(name).chain_update([b'\n', kind.byte()]).chain_update(public).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// A text that begins with an origin can never equal this one, so one key may make both kinds of signature.
fn cosigned_message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("its text does not end in a newline"));
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Malformed("its text has control characters"));
    }
    Ok(())
}

fn parse_signature(line: &str) -> Result<NoteSignature, NoteError> {
    let malformed = NoteError::Malformed("a signature line is not '— name base64'");
    let Some((name, encoded)) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')) else {
        return Err(malformed);
    };
    let Ok(bytes) = BASE64.decode(encoded) else { return Err(malformed) };
    match bytes.split_first_chunk::<4>() {
        Some((id, rest)) if is_key_name(name) && !rest.is_empty() => {
            Ok(NoteSignature { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: rest.to_vec() })
        }
        _ => Err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::custody::key::FileSigner;

    fn signer(seed: u8) -> FileSigner {
        FileSigner::from_seed("evidock/zhao-01", [seed; 32]).unwrap()
    }

    /// Note and key of Go's x/mod/sumdb/note documentation (facts, to be read by us as Go reads them).
    #[test]
    fn reads_what_go_writes() {
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\
            \n\
            — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let read = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(read.to_string(), note);
        assert_eq!(
            read.verify(std::slice::from_ref(&key)).unwrap(),
            [Signed { name: "PeterNeumann".into(), id: 0xc74f20a3, made_s: None }]
        );
        assert_eq!(key.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        let changed = Note::parse(note.replace("answer", "anwser").as_bytes()).unwrap();
        assert_eq!(changed.verify(&[key]), Err(NoteError::Forged { name: "PeterNeumann".into(), id: 0xc74f20a3 }));
    }

    #[test]
    fn several_signatures_and_strangers() {
        let (ours, theirs) = (signer(1), signer(2));
        let mut note = Note::new("a\n\nb\n".into()).unwrap();
        note.sign(&ours).unwrap();
        note.cosign(&ours, 1_781_834_604).unwrap();
        note.sign(&theirs).unwrap();
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(note.text(), "a\n\nb\n");
        let key = VerifierKey::of(&ours).unwrap();
        let times = |keys: &[VerifierKey]| note.verify(keys).map(|s| s.iter().map(|s| s.made_s).collect::<Vec<_>>());
        assert_eq!(times(std::slice::from_ref(&key)), Ok(vec![None]));
        assert_eq!(times(&[key.clone(), key.for_kind(Kind::Cosignature)]), Ok(vec![None, Some(1_781_834_604)]));
        let stranger = VerifierKey::of(&signer(3)).unwrap();
        let refused = note.verify(&[stranger]).unwrap_err().to_string();
        assert!(refused.starts_with("signed by none of the trusted keys, but by evidock/zhao-01 ("), "{refused}");
    }

    #[test]
    fn a_cosignature_binds_its_time() {
        let ours = signer(1);
        let mut note = Note::new("a\n".into()).unwrap();
        note.cosign(&ours, 1_000).unwrap();
        note.signatures[0].bytes[7] ^= 1;
        let key = VerifierKey::of(&ours).unwrap().for_kind(Kind::Cosignature);
        assert!(matches!(note.verify(&[key]), Err(NoteError::Forged { .. })));
    }

    #[test]
    fn refused_forms() {
        let mut good = Note::new("a\n".into()).unwrap();
        good.sign(&signer(1)).unwrap();
        let good = good.to_string();
        assert!(Note::parse(good.as_bytes()).is_ok());
        let many = format!("a\n\n{}", good.lines().last().map(|l| format!("{l}\n").repeat(101)).unwrap());
        for bad in [
            "",
            "a\n",
            "a\n\n",
            &good.replace("a\n", "a\t\n"),
            &good.replace("a\n\n", "a\n"),
            &good.replace('—', "-"),
            &good.replace("zhao-01 ", "zhao+01 "),
            &good.replace("zhao-01 ", ""),
            &good.replace("zhao-01 ", "zhao-01  "),
            good.trim_end(),
            "a\n\n— n AAAA\n",
            "a\n\n— n AAAAAA==\n",
            &many,
            &format!("{}\n{good}", "x".repeat(MAX_NOTE_BYTES)),
        ] {
            assert!(matches!(Note::parse(bad.as_bytes()), Err(NoteError::Malformed(_))), "{bad:.200}");
        }
        assert!(Note::parse(b"\xff\n\n").is_err());
        assert!(Note::new("no newline".into()).is_err());
    }

    #[test]
    fn refused_keys() {
        let good = VerifierKey::of(&signer(1)).unwrap().to_string();
        assert_eq!(good.parse::<VerifierKey>().unwrap().to_string(), good);
        let [name, id, key] = good.splitn(3, '+').collect::<Vec<_>>()[..] else { panic!("{good}") };
        let rest = format!("{name}+{id}");
        let weak = format!("evidock/zhao-01+00000000+{}", BASE64.encode([&[1][..], &[0; 32]].concat()));
        let ml_dsa = format!("{rest}+{}", BASE64.encode([6; 33]));
        for bad in ["", "a+b", &good[1..], &good.to_uppercase(), &format!("{rest}+{}", &key[4..]), &weak, &ml_dsa, "++"]
        {
            assert!(matches!(bad.parse::<VerifierKey>(), Err(NoteError::Key { .. })), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn hostile_notes_never_panic(text in "(\\PC|\n|— ){0,200}", key in "\\PC{0,80}") {
            if let Ok(note) = Note::parse(text.as_bytes()) {
                prop_assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
            }
            let _ = key.parse::<VerifierKey>();
        }
    }
}
