//! A second key and signature for readers who ask for 国密: SM2 (GM/T 0003, GB/T 32918) over SM3, beside Ed25519 and never
//! instead of it. Computed by a library that carries no certificate of the State Cryptography Administration
//! (国家密码管理局); a certified device can stand behind [`SecondSigner`] instead.
//!
//! ```text
//! log.sm2.key       PRIVATE+SM2+<name>+<base64 of the 32-byte secret>      mode 0600
//! log.sm2.key.pub   SubjectPublicKeyInfo (RFC 5480) as PEM, as `openssl` reads it
//! ```
//!
//! Which key signs is the log's to say ([`super::sm2_course`]), so that it can be changed, switched on and off, and every
//! checkpoint judged. The log and reports call a key as signed notes call any:
//!
//! ```text
//! <name>+<key id in hex>+<base64 of ff, sm2-sm3 and the 65 bytes of the point>
//! ```
//!
//! The signer's distinguishing identifier is the one that GM/T 0009 gives where none was agreed. In signed notes the
//! signature is a line of its own under the key's name: type 0xff, followed by `sm2-sm3` (C2SP signed-note keeps that byte
//! for kinds that it does not know), then r and s, 32 bytes each. Readers who know no such kind pass it over, as the
//! specification demands. In packages it is `custody/package.sm2`, DER as `openssl dgst -sm3 -verify` takes it, over the
//! bytes of `custody/package.note`.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Digest;
use sm2::SecretKey;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

use super::key::{next_path, public_path};
use super::note::{Note, NoteError, NoteSignature};
use crate::domain::ports::SecondSigner;

/// The distinguishing identifier where none was agreed (GM/T 0009, 10).
pub const DISTID: &str = "1234567812345678";

/// What follows the byte 0xff in the key id.
const ALGORITHM: &str = "sm2-sm3";

/// Before the 65 bytes of an uncompressed point: id-ecPublicKey on the curve SM2 (1.2.156.10197.1.301).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf,
    0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00,
];

/// More than the line of a key takes.
const MAX_KEY_FILE_BYTES: u64 = 1024;

/// Why there is no such key. A person must act on each of these.
#[derive(Debug, thiserror::Error)]
pub enum Sm2Error {
    /// The operating system refused.
    #[error("{what} {path} failed; check that the directory exists and belongs to evidock's user")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "{path} may be read by others (mode {mode:03o}); if nobody has, run: chmod 600 {path}; otherwise remove it, and its public half"
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else stands where the key should be.
    #[error("{path} is not the SM2 key of {name}; restore it from the backup, no new key is made over it")]
    Foreign {
        /// The key file.
        path: PathBuf,
        /// The name of the key that is wanted.
        name: String,
    },
    /// The service manager handed no such credential over.
    #[error(
        "the SM2 key is no credential at {path}; load it in the unit (LoadCredentialEncrypted=), or take [custody] sm2_key_credential out"
    )]
    NoCredential {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A key stands in a file although it is to be a credential.
    #[error(
        "{path} is still there, although [custody] sm2_key_credential says that the key comes as a credential; when a copy is kept safe elsewhere, remove it (shred -u {path})"
    )]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a key: {0}")]
    Random(String),
}

/// An SM2 key that is kept in a file, or comes as a credential.
pub struct Sm2Signer {
    key: SigningKey,
    name: String,
    protection: &'static str,
}

impl Sm2Signer {
    /// Reads the key `name` from `path`, or makes it when no file is there. Its public half stands beside it.
    pub fn open_or_create(path: &Path, name: &str) -> Result<Self, Sm2Error> {
        let signer = match Self::open(path, name)? {
            Some(signer) => signer,
            None => Self::create(path, name)?,
        };
        signer.publish(path)?;
        Ok(signer)
    }

    /// Reads the key `name` from a credential of the service manager, as [`super::key::FileSigner::open_credential`] does:
    /// `sealed` says how it is kept, its public half stands at `path` with `.pub` behind it, and no key is made here.
    pub fn open_credential(credential: &Path, sealed: &Path, path: &Path, name: &str) -> Result<Self, Sm2Error> {
        let Some(mut signer) = Self::open(credential, name)? else {
            return Err(Sm2Error::NoCredential { path: credential.to_owned() });
        };
        signer.protection = super::sealed::protection(sealed);
        let standing = path.try_exists();
        if standing.map_err(|source| Sm2Error::Io { what: "looking for", path: path.to_owned(), source })? {
            // Whoever reads that file can sign all the same.
            return Err(Sm2Error::Twice { path: path.to_owned() });
        }
        signer.publish(path)?;
        Ok(signer)
    }

    /// A key from its secret; `None` for the few values that are none.
    pub fn from_secret(name: &str, secret: &[u8; 32]) -> Option<Self> {
        let key = SigningKey::new(DISTID, &SecretKey::from_slice(secret).ok()?).ok()?;
        Some(Self { key, name: name.to_owned(), protection: "file" })
    }

    /// Makes the key that is to follow the one at `path`, beside it; what was left there of an earlier attempt goes.
    pub fn create_next(path: &Path, name: &str) -> Result<Self, Sm2Error> {
        Self::discard_next(path)?;
        Self::create(&next_path(path), name)
    }

    /// The key that is to follow the one at `path`; `None` where no change of keys is under way.
    pub fn open_next(path: &Path, name: &str) -> Result<Option<Self>, Sm2Error> {
        Self::open(&next_path(path), name)
    }

    /// No change of keys is under way any more.
    pub fn discard_next(path: &Path) -> Result<(), Sm2Error> {
        let next = next_path(path);
        match fs::remove_file(&next) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Sm2Error::Io { what: "removing", path: next, source: e })
            }
            _ => Ok(()),
        }
    }

    /// The next key takes the place of the one at `path`, which is gone afterwards. Cut off at any moment, this is gone on
    /// with by doing it again while the next key is there, and by [`Sm2Signer::open_or_create`] afterwards.
    pub fn take_over(path: &Path, name: &str) -> Result<Self, Sm2Error> {
        let next = next_path(path);
        let renamed = fs::rename(&next, path).and_then(|()| sync_directory_of(path));
        renamed.map_err(|source| Sm2Error::Io { what: "renaming", path: next, source })?;
        Self::open_or_create(path, name)
    }

    /// Reads an existing key; `None` when there is no file.
    pub fn open(path: &Path, name: &str) -> Result<Option<Self>, Sm2Error> {
        let failed = |what| move |source| Sm2Error::Io { what, path: path.to_owned(), source };
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed("opening")(e)),
        };
        let meta = file.metadata().map_err(failed("reading"))?;
        let foreign = || Sm2Error::Foreign { path: path.to_owned(), name: name.to_owned() };
        if !meta.is_file() {
            return Err(foreign());
        }
        if meta.mode() & 0o077 != 0 {
            return Err(Sm2Error::Exposed { path: path.to_owned(), mode: meta.mode() & 0o777 });
        }
        let mut text = String::new();
        file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).map_err(|_| foreign())?;
        let secret = text
            .strip_prefix(&format!("PRIVATE+SM2+{name}+"))
            .and_then(|rest| BASE64.decode(rest.trim_end()).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let signer = secret.and_then(|secret| Self::from_secret(name, &secret)).ok_or_else(foreign)?;
        Ok(Some(signer))
    }

    /// The public half, under the key's name.
    pub fn verifier(&self) -> Sm2Key {
        let point = self.key.verifying_key().to_sec1_bytes().to_vec();
        Sm2Key {
            id: note_id(&self.name, &point),
            name: self.name.clone(),
            key: self.key.verifying_key().clone(),
            point,
        }
    }

    /// Writes the public half beside the key, where it does not stand there. The key is what counts; this follows from it.
    fn publish(&self, path: &Path) -> Result<(), Sm2Error> {
        let (public, pem) = (public_path(path), self.public_pem());
        match fs::read_to_string(&public) {
            Ok(found) if found == pem => Ok(()),
            _ => crate::runtime::durable::write(&public, pem.as_bytes(), 0o644).map_err(|source| Sm2Error::Io {
                what: "writing",
                path: public,
                source,
            }),
        }
    }

    fn create(path: &Path, name: &str) -> Result<Self, Sm2Error> {
        let failed = |what| move |source| Sm2Error::Io { what, path: path.to_owned(), source };
        loop {
            let mut secret = [0; 32];
            SysRng.try_fill_bytes(&mut secret).map_err(|e| Sm2Error::Random(e.to_string()))?;
            let Some(signer) = Self::from_secret(name, &secret) else { continue };
            let line = format!("PRIVATE+SM2+{name}+{}\n", BASE64.encode(secret));
            let draft = path.with_extension("key.new");
            let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft);
            let written = written.and_then(|mut file| {
                file.write_all(line.as_bytes())?;
                file.sync_all()
            });
            written.map_err(failed("writing"))?;
            // Never over a key that is there.
            let linked = fs::hard_link(&draft, path);
            let _ = fs::remove_file(&draft);
            match linked {
                Ok(()) => {
                    sync_directory_of(path).map_err(failed("syncing"))?;
                    return Ok(signer);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let foreign = Sm2Error::Foreign { path: path.to_owned(), name: name.to_owned() };
                    return Self::open(path, name)?.ok_or(foreign);
                }
                Err(e) => return Err(failed("writing")(e)),
            }
        }
    }
}

impl SecondSigner for Sm2Signer {
    fn key_name(&self) -> &str {
        &self.name
    }

    fn public_pem(&self) -> String {
        pem(&self.key.verifying_key().to_sec1_bytes())
    }

    fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        let signature: Signature = self.key.try_sign(message).ok()?;
        Some(signature.to_bytes().into())
    }

    fn protection(&self) -> &'static str {
        self.protection
    }
}

/// Shows the name alone.
impl fmt::Debug for Sm2Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sm2Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    crate::runtime::durable::sync_dir(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn pem(point: &[u8]) -> String {
    let encoded = BASE64.encode([&SPKI[..], point].concat());
    let lines: Vec<&str> = (0..encoded.len()).step_by(64).map(|at| &encoded[at..encoded.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A public key under its name. Its text form is `<name>+<key id in hex>+<base64 of ff, the kind and the point>`.
#[derive(Clone)]
pub struct Sm2Key {
    name: String,
    id: u32,
    key: VerifyingKey,
    point: Vec<u8>,
}

impl Sm2Key {
    /// Reads what [`SecondSigner::public_pem`] gives; `None` for anything else.
    pub fn from_pem(name: &str, text: &str) -> Option<Self> {
        let body = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
        let encoded: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = BASE64.decode(encoded).ok()?;
        Self::from_point(name, der.strip_prefix(&SPKI[..])?)
    }

    /// From the 65 bytes of an uncompressed point.
    fn from_point(name: &str, point: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_sec1_bytes(DISTID, point).ok().filter(|_| point.len() == 65)?;
        Some(Self { id: note_id(name, point), name: name.to_owned(), key, point: point.to_vec() })
    }

    /// The key of a signer.
    pub fn of(second: &dyn SecondSigner) -> Option<Self> {
        Self::from_pem(second.key_name(), &second.public_pem())
    }

    /// As PEM, for `openssl`.
    pub fn to_pem(&self) -> String {
        pem(&self.point)
    }

    /// Its name in signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether r and s are a signature over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }

    /// Whether the note's lines of this key are true, every one; `None` where it has none.
    pub fn verifies_note(&self, note: &Note) -> Option<bool> {
        let own = note.signatures().iter().filter(|line| line.id == self.id && line.name == self.name);
        own.map(|line| self.verifies(note.text().as_bytes(), &line.bytes)).reduce(|all, one| all && one)
    }
}

impl PartialEq for Sm2Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.point) == (&other.name, &other.point)
    }
}

impl fmt::Display for Sm2Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[0xff][..], ALGORITHM.as_bytes(), &self.point].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64.encode(typed))
    }
}

impl fmt::Debug for Sm2Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sm2Key({self})")
    }
}

impl FromStr for Sm2Key {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |why| NoteError::Key { text: text.chars().take(160).collect(), why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused("it has three parts joined by '+'"));
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c < ' ') {
            return Err(refused("a key's name has no white space, no control character and no '+'"));
        }
        let typed = BASE64.decode(key).map_err(|_| refused("its third part is not base64"))?;
        let point = typed.strip_prefix(&[0xff]).and_then(|rest| rest.strip_prefix(ALGORITHM.as_bytes()));
        let key = point.and_then(|point| Self::from_point(name, point)).ok_or_else(|| refused("it is no SM2 key"))?;
        // Exactly the text that we would write, so that one key has one spelling.
        if key.to_string() == text { Ok(key) } else { Err(refused("its id does not belong to its name and key")) }
    }
}

/// The first four bytes of SHA-256 over name, newline, 0xff, the kind and the key (C2SP signed-note).
fn note_id(name: &str, point: &[u8]) -> u32 {
    let digest = sha2::Sha256::new_with_prefix(name)
        .chain_update(b"\n\xff")
        .chain_update(ALGORITHM)
        .chain_update(point)
        .finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The line of a second signer under a note.
pub fn note_line(note: &Note, second: &dyn SecondSigner) -> Option<NoteSignature> {
    let key = Sm2Key::of(second)?;
    let bytes = second.sign(note.text().as_bytes())?.to_vec();
    Some(NoteSignature { name: key.name, id: key.id, bytes })
}

/// r and s as DER (GM/T 0009, 7.3), as `openssl` takes them.
pub fn to_der(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|b| **b == 0).count().min(bytes.len() - 1);
        let mut body = bytes[zeros..].to_vec();
        if body[0] & 0x80 != 0 {
            body.insert(0, 0);
        }
        [&[0x02, body.len() as u8][..], &body].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, both.len() as u8][..], &both].concat()
}

/// Reads [`to_der`] back; `None` for anything else, other spellings of the same included.
pub fn from_der(der: &[u8]) -> Option<[u8; 64]> {
    let body = der.strip_prefix(&[0x30])?;
    let (len, mut rest) = body.split_first()?;
    if usize::from(*len) != rest.len() {
        return None;
    }
    let mut signature = [0; 64];
    for half in signature.chunks_mut(32) {
        let (len, after) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (number, next) = after.split_at_checked(usize::from(*len))?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        half.get_mut(32usize.checked_sub(number.len())?..)?.copy_from_slice(number);
        rest = next;
    }
    (rest.is_empty() && to_der(&signature) == der).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "evidock/zhao-01";

    #[test]
    fn what_is_signed_is_verified_and_what_is_changed_is_not() {
        let signer = Sm2Signer::from_secret(NAME, &[7; 32]).unwrap();
        let key = Sm2Key::of(&signer).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert!(key.verifies(b"message", &signature) && !key.verifies(b"massage", &signature));
        assert_eq!(from_der(&to_der(&signature)), Some(signature));
        let mut other = signature;
        other[40] ^= 1;
        assert!(!key.verifies(b"message", &other) && !key.verifies(b"message", &signature[1..]));
        for odd in [&[][..], &[0x30, 0], &[0x30, 3, 2, 1], &[0xff; 70]] {
            assert_eq!(from_der(odd), None);
        }
        for odd in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(Sm2Key::from_pem(NAME, odd).is_none());
        }
        assert!(Sm2Signer::from_secret("x", &[0; 32]).is_none() && Sm2Signer::from_secret("x", &[0xff; 32]).is_none());
    }

    #[test]
    fn a_public_key_has_one_spelling() {
        let key = Sm2Signer::from_secret(NAME, &[7; 32]).unwrap().verifier();
        let text = key.to_string();
        assert_eq!((text.parse::<Sm2Key>().unwrap(), Sm2Key::from_pem(NAME, &key.to_pem())), (key.clone(), Some(key)));
        let (head, point) = text.rsplit_once('+').unwrap();
        let ed25519 = "evidock/zhao-01+b5fab76a+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        for odd in [
            "",
            "x",
            ed25519,
            &text.replacen("zhao-01", "zhao-02", 1),
            &text.replacen("evidock", "evi dock", 1),
            &format!("{head}+{}", &point[..point.len() - 4]),
            &format!("{text} "),
        ] {
            assert!(odd.parse::<Sm2Key>().is_err(), "{odd}");
        }
    }

    #[test]
    fn every_line_of_a_key_must_be_true() {
        let signer = Sm2Signer::from_secret(NAME, &[7; 32]).unwrap();
        let key = signer.verifier();
        let mut note = Note::new("text\n".to_owned()).unwrap();
        assert_eq!(key.verifies_note(&note), None);
        note.add(note_line(&note, &signer).unwrap());
        assert_eq!(key.verifies_note(&note), Some(true));
        let other = Sm2Signer::from_secret(NAME, &[8; 32]).unwrap();
        assert_eq!(other.verifier().verifies_note(&note), None, "it has another id");
        let mut false_line = note_line(&note, &signer).unwrap();
        false_line.bytes[9] ^= 1;
        note.add(false_line);
        assert_eq!(key.verifies_note(&note), Some(false));
    }

    #[test]
    fn a_key_is_made_once_and_refused_where_others_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.sm2.key");
        let first = Sm2Signer::open_or_create(&path, NAME).unwrap().public_pem();
        assert_eq!(Sm2Signer::open_or_create(&path, NAME).unwrap().public_pem(), first);
        assert_eq!(fs::read_to_string(public_path(&path)).unwrap(), first);
        assert!(matches!(Sm2Signer::open_or_create(&path, "evidock/zhao-02"), Err(Sm2Error::Foreign { .. })));
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(Sm2Signer::open_or_create(&path, NAME), Err(Sm2Error::Exposed { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_next_key_takes_over_and_nothing_of_the_old_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.sm2.key");
        let old = Sm2Signer::open_or_create(&path, NAME).unwrap().verifier();
        assert!(Sm2Signer::open_next(&path, NAME).unwrap().is_none());
        Sm2Signer::create_next(&path, NAME).unwrap();
        // An earlier attempt gives way.
        let next = Sm2Signer::create_next(&path, NAME).unwrap().verifier();
        assert_eq!(Sm2Signer::open_next(&path, NAME).unwrap().unwrap().verifier(), next);
        assert_eq!(Sm2Signer::open_or_create(&path, NAME).unwrap().verifier(), old, "until it takes over");
        assert_eq!(Sm2Signer::take_over(&path, NAME).unwrap().verifier(), next);
        assert_eq!(fs::read_to_string(public_path(&path)).unwrap(), next.to_pem());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        Sm2Signer::create_next(&path, NAME).unwrap();
        Sm2Signer::discard_next(&path).unwrap();
        Sm2Signer::discard_next(&path).unwrap();
        assert_eq!(Sm2Signer::open_or_create(&path, NAME).unwrap().verifier(), next);
    }

    #[test]
    fn a_credential_is_read_and_never_made() {
        let dir = tempfile::tempdir().unwrap();
        let (path, credential) = (dir.path().join("log.sm2.key"), dir.path().join("credential"));
        let sealed = dir.path().join("sealed");
        let open = || Sm2Signer::open_credential(&credential, &sealed, &path, NAME);
        assert!(matches!(open(), Err(Sm2Error::NoCredential { .. })));
        let key = Sm2Signer::open_or_create(&path, NAME).unwrap().verifier();
        fs::copy(&path, &credential).unwrap();
        assert!(matches!(open(), Err(Sm2Error::Twice { .. })));
        fs::remove_file(&path).unwrap();
        // The beginning of what systemd 252 wrote with --with-key=host.
        fs::write(&sealed, "Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAADp1TNo\n").unwrap();
        let signer = open().unwrap();
        assert_eq!((signer.verifier(), signer.protection()), (key, "host"));
        assert_eq!(fs::read_to_string(public_path(&path)).unwrap(), signer.public_pem());
    }
}
