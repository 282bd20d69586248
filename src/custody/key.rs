//! The station's signing key in a file. Makes it once, at first start, and never again by itself: a key
//! that changed unnoticed would make every older checkpoint look foreign.
//!
//! Two files, the second being the first one's name with `.pub` behind it, each one line:
//!
//! ```text
//! PRIVATE+KEY+<name>+<key id in hex>+<base64 of 01 and the 32-byte seed>     mode 0600
//! <name>+<key id in hex>+<base64 of 01 and the public key>                   mode 0644
//! ```
//!
//! Both forms are those of Go's `x/mod/sumdb/note`, so that other tools can read them.
//! Whoever can read the private file can sign in this station's name; see [`crate::custody`] for what
//! that does and does not allow.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use rand::TryRng;
use rand::rngs::SysRng;

use super::note::{Kind, NoteError, VerifierKey};
use crate::domain::ports::Signer;

/// More than the longest line that a key of ours takes (a name has at most 40 characters).
const MAX_KEY_FILE_BYTES: u64 = 1024;

/// Why there is no signing key. A person must act on each of these.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system refused.
    #[error("{what} {path} failed; check that the directory exists and belongs to evidock's user")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "{path} may be read by others (mode {mode:03o}); if nobody has, run: chmod 600 {path}; otherwise replace the key"
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else stands where the key should be.
    #[error("{path} is not the signing key of {name} ({why}); restore it from the backup, no new key is made over it")]
    Foreign {
        /// The key file.
        path: PathBuf,
        /// The name of the key that is wanted.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The public half stands there alone.
    #[error(
        "{path} is gone but its public half {public} is here; restore the key from the backup, or remove {public} to begin with a new key"
    )]
    Lost {
        /// The key file.
        path: PathBuf,
        /// The public file.
        public: PathBuf,
    },
    /// The two files do not belong together.
    #[error(
        "{public} is not the public half of {path}; restore both from one backup, or remove {public} if this key is the right one"
    )]
    Unlike {
        /// The key file.
        path: PathBuf,
        /// The public file.
        public: PathBuf,
    },
    /// The service manager handed no such credential over.
    #[error(
        "the signing key is no credential at {path}; load it in the unit (LoadCredentialEncrypted=), or take [custody] key_credential out"
    )]
    NoCredential {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A key stands in a file although it is to be a credential.
    #[error(
        "{path} is still there, although [custody] key_credential says that the key comes as a credential; when a copy is kept safe elsewhere, remove it (shred -u {path})"
    )]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a key: {0}")]
    Random(String),
    /// The name cannot stand in a signed note.
    #[error(transparent)]
    Name(#[from] NoteError),
}

/// An Ed25519 key that is kept in a file.
pub struct FileSigner {
    key: SigningKey,
    name: String,
    protection: &'static str,
}

impl FileSigner {
    /// Reads the key `name` from `path`, or makes it when neither file is there.
    ///
    /// A new key is on disk for good (file and directory synced) before this returns. Two starts at the
    /// same moment get the same key: the second finds the first one's.
    pub fn open_or_create(path: &Path, name: &str) -> Result<Self, KeyError> {
        let public = public_path(path);
        // Asked first: the public file is written after the key, so whoever sees it must find the key.
        let has_public = public.try_exists().map_err(io_error("looking for", &public))?;
        let signer = match Self::open(path, name)? {
            Some(signer) => signer,
            None if has_public => return Err(KeyError::Lost { path: path.to_owned(), public }),
            None => Self::create(path, name)?,
        };
        let line = format!("{}\n", VerifierKey::of(&signer)?);
        match fs::read(&public) {
            Ok(found) if found == line.as_bytes() => Ok(signer),
            Ok(_) => Err(KeyError::Unlike { path: path.to_owned(), public }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                publish(&public, line.as_bytes(), 0o644)?;
                Ok(signer)
            }
            Err(e) => Err(io_error("reading", &public)(e)),
        }
    }

    /// Reads the key `name` from a credential of the service manager, which is there as long as the service runs; `sealed`
    /// is its encrypted file, which says how it is kept. The public half stands at `path` with `.pub` behind it, as that of
    /// a key in a file does. No key is ever made here.
    pub fn open_credential(credential: &Path, sealed: &Path, path: &Path, name: &str) -> Result<Self, KeyError> {
        let Some(mut signer) = Self::open(credential, name)? else {
            return Err(KeyError::NoCredential { path: credential.to_owned() });
        };
        signer.protection = super::sealed::protection(sealed);
        if path.try_exists().map_err(io_error("looking for", path))? {
            // Whoever reads that file can sign all the same.
            return Err(KeyError::Twice { path: path.to_owned() });
        }
        let (public, line) = (public_path(path), format!("{}\n", VerifierKey::of(&signer)?));
        match fs::read(&public) {
            Ok(found) if found == line.as_bytes() => Ok(signer),
            Ok(_) => Err(KeyError::Unlike { path: credential.to_owned(), public }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                publish(&public, line.as_bytes(), 0o644)?;
                Ok(signer)
            }
            Err(e) => Err(io_error("reading", &public)(e)),
        }
    }

    /// A key from its 32-byte seed (RFC 8032), for tests and restored backups.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        let signer = Self { key: SigningKey::from_bytes(&seed), name: name.to_owned(), protection: "file" };
        VerifierKey::of(&signer).map(|_| signer)
    }

    /// Makes the key that is to follow the one at `path`, beside it; what was left there of an earlier attempt goes.
    pub fn create_next(path: &Path, name: &str) -> Result<Self, KeyError> {
        Self::discard_next(path)?;
        Self::create(&next_path(path), name)
    }

    /// The key that is to follow the one at `path`; `None` where no change of keys is under way.
    pub fn open_next(path: &Path, name: &str) -> Result<Option<Self>, KeyError> {
        Self::open(&next_path(path), name)
    }

    /// No change of keys is under way any more.
    pub fn discard_next(path: &Path) -> Result<(), KeyError> {
        let next = next_path(path);
        match fs::remove_file(&next) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("removing", &next)(e)),
            _ => Ok(()),
        }
    }

    /// The next key takes the place of the one at `path`, which is gone afterwards. Cut off at any moment, this is gone on
    /// with by doing it again while the next key is there, and by [`FileSigner::open_or_create`] afterwards.
    pub fn take_over(path: &Path, name: &str) -> Result<Self, KeyError> {
        let (public, next) = (public_path(path), next_path(path));
        // The public half is written again from the key; the old one beside the new key would be refused.
        match fs::remove_file(&public) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error("removing", &public)(e)),
            _ => {}
        }
        fs::rename(&next, path).map_err(io_error("renaming", &next))?;
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|d| d.sync_all()).map_err(io_error("syncing", directory))?;
        Self::open_or_create(path, name)
    }

    /// Reads an existing key; `None` when there is no file.
    fn open(path: &Path, name: &str) -> Result<Option<Self>, KeyError> {
        // Never through a symbolic link, and never blocking on a pipe that someone put there.
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("opening", path)(e)),
        };
        let foreign = |why| KeyError::Foreign { path: path.to_owned(), name: name.to_owned(), why };
        let meta = file.metadata().map_err(io_error("reading", path))?;
        if !meta.is_file() {
            return Err(foreign("it is not a file"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode: meta.mode() & 0o777 });
        }
        let mut text = Vec::new();
        file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut text).map_err(io_error("reading", path))?;
        let text = String::from_utf8(text).map_err(|_| foreign("it is not text"))?;
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or_else(|| foreign("it does not begin with PRIVATE+KEY+"))?;
        // Base64 has '+' of its own, so the parts are counted from the left.
        let seed = rest.trim_end().splitn(3, '+').nth(2).and_then(|encoded| BASE64.decode(encoded).ok());
        let seed = seed.filter(|typed| typed.first() == Some(&Kind::Ed25519.byte()));
        let seed = seed.and_then(|typed| <[u8; 32]>::try_from(&typed[1..]).ok());
        let signer = Self::from_seed(name, seed.ok_or_else(|| foreign("it holds no whole Ed25519 key"))?)?;
        // Name and id stand in the line too, so this also finds another station's key and a changed digit.
        if signer.private_line()? != text {
            return Err(foreign("its name or id is another key's"));
        }
        Ok(Some(signer))
    }

    fn create(path: &Path, name: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(|e| KeyError::Random(e.to_string()))?;
        let signer = Self::from_seed(name, seed)?;
        if publish(path, signer.private_line()?.as_bytes(), 0o600)? {
            return Ok(signer);
        }
        // Another process was quicker: its key is the key.
        Self::open(path, name)?.ok_or_else(|| KeyError::Foreign {
            path: path.to_owned(),
            name: name.to_owned(),
            why: "it came and went while the key was made",
        })
    }

    fn private_line(&self) -> Result<String, NoteError> {
        let typed = [&[Kind::Ed25519.byte()][..], self.key.as_bytes()].concat();
        Ok(format!("PRIVATE+KEY+{}+{:08x}+{}\n", self.name, VerifierKey::of(self)?.id(), BASE64.encode(typed)))
    }
}

impl Signer for FileSigner {
    fn key_name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    fn protection(&self) -> &'static str {
        self.protection
    }
}

/// Shows the name alone; a key must not reach a log by way of a debug line.
impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The public file beside a key file.
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Where the key stands that is to follow the one at `path`.
pub(super) fn next_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

/// Puts a whole file in place, or nothing: written and synced under another name, then linked, which
/// unlike a rename never replaces what is there, then the directory synced. `false` when something was there.
/// A crash may leave the other name behind; nothing ever reads it.
fn publish(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, KeyError> {
    let mut tag = [0; 4];
    SysRng.try_fill_bytes(&mut tag).map_err(|e| KeyError::Random(e.to_string()))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:08x}.new", u32::from_be_bytes(tag)));
    let draft = PathBuf::from(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    // Removing the draft may fail without harm to the key.
    let _ = fs::remove_file(&draft);
    let new = match linked {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(io_error("writing", path)(e)),
    };
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|d| d.sync_all()).map_err(io_error("syncing", directory))?;
    Ok(new)
}

fn io_error<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NAME: &str = "evidock/zhao-01";

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        let first = FileSigner::open_or_create(&path, NAME).unwrap();
        let again = FileSigner::open_or_create(&path, NAME).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        assert_eq!((mode(&path), first.protection()), (0o600, "file"));
        let public = fs::read_to_string(public_path(&path)).unwrap();
        let key: VerifierKey = public.trim_end().parse().unwrap();
        assert_eq!((key.name(), &key), (NAME, &VerifierKey::of(&first).unwrap()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
        let other = FileSigner::open_or_create(&dir.path().join("other.key"), NAME).unwrap();
        assert_ne!(first.public_key(), other.public_key());
        assert!(!format!("{first:?}").contains(&BASE64.encode(first.key.as_bytes())[..8]));
    }

    /// RFC 8032, 7.1, test 1, so that a seed means the same key to others.
    #[test]
    fn signs_as_rfc_8032_says() {
        let bytes = |hex| crate::domain::digest::from_hex(hex).unwrap();
        let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let signer = FileSigner::from_seed(NAME, seed.try_into().unwrap()).unwrap();
        assert_eq!(
            signer.public_key().to_vec(),
            bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        assert_eq!(
            signer.sign(b"").to_vec(),
            bytes(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            )
        );
    }

    #[test]
    fn a_lost_public_file_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        FileSigner::open_or_create(&path, NAME).unwrap();
        let before = fs::read(public_path(&path)).unwrap();
        fs::remove_file(public_path(&path)).unwrap();
        FileSigner::open_or_create(&path, NAME).unwrap();
        assert_eq!(fs::read(public_path(&path)).unwrap(), before);
    }

    #[test]
    fn the_next_key_takes_over_also_after_every_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        let old = FileSigner::open_or_create(&path, NAME).unwrap().public_key();
        assert!(FileSigner::open_next(&path, NAME).unwrap().is_none());
        FileSigner::create_next(&path, NAME).unwrap();
        let next = FileSigner::create_next(&path, NAME).unwrap().public_key();
        assert_eq!(FileSigner::open_next(&path, NAME).unwrap().unwrap().public_key(), next);
        assert_eq!(FileSigner::open_or_create(&path, NAME).unwrap().public_key(), old, "it has not taken over yet");
        // Cut off after the first step.
        fs::remove_file(public_path(&path)).unwrap();
        assert_eq!(FileSigner::take_over(&path, NAME).unwrap().public_key(), next);
        // Cut off before the last step.
        fs::remove_file(public_path(&path)).unwrap();
        assert_eq!(FileSigner::open_or_create(&path, NAME).unwrap().public_key(), next);
        assert_eq!((mode(&path), fs::read_dir(dir.path()).unwrap().count()), (0o600, 2));
        FileSigner::create_next(&path, NAME).unwrap();
        FileSigner::discard_next(&path).unwrap();
        FileSigner::discard_next(&path).unwrap();
        assert!(FileSigner::open_next(&path, NAME).unwrap().is_none());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        FileSigner::open_or_create(&path, NAME).unwrap();
        for open in [0o640, 0o604, 0o610, 0o602] {
            set_mode(&path, open);
            let error = FileSigner::open_or_create(&path, NAME).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { mode, .. } if mode == open));
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        set_mode(&path, 0o400);
        FileSigner::open_or_create(&path, NAME).unwrap();
    }

    #[test]
    fn whatever_is_not_this_key_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        FileSigner::open_or_create(&path, NAME).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let elsewhere = FileSigner::from_seed("evidock/other", [1; 32]).unwrap().private_line().unwrap();
        let bad: [Vec<u8>; 9] = [
            "".into(),
            "\n".into(),
            b"\xff\xfe".into(),
            "-----BEGIN PRIVATE KEY-----\n".into(),
            good[..good.len() - 9].into(),
            good.trim_end().into(),
            format!("{good}more").into(),
            good.replace("zhao-01", "zhao-02").into(),
            elsewhere.into(),
        ];
        for content in bad {
            fs::write(&path, &content).unwrap();
            let error = FileSigner::open_or_create(&path, NAME).unwrap_err();
            assert!(matches!(error, KeyError::Foreign { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(FileSigner::open_or_create(&path, NAME), Err(KeyError::Foreign { .. })));
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(matches!(FileSigner::open_or_create(&path, NAME), Err(KeyError::Io { .. })));
    }

    #[test]
    fn a_lost_key_is_not_replaced_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        FileSigner::open_or_create(&path, NAME).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(FileSigner::open_or_create(&path, NAME), Err(KeyError::Lost { .. })));
        assert!(!path.exists());
        fs::remove_file(public_path(&path)).unwrap();
        FileSigner::open_or_create(&path, NAME).unwrap();

        let other = dir.path().join("other.key");
        FileSigner::open_or_create(&other, NAME).unwrap();
        fs::copy(&other, &path).unwrap();
        assert!(matches!(FileSigner::open_or_create(&path, NAME), Err(KeyError::Unlike { .. })));
    }

    #[test]
    fn starts_at_the_same_moment_share_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| FileSigner::open_or_create(&path, NAME).unwrap().public_key())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = FileSigner::open_or_create(Path::new("/nonexistent/evidock/key"), NAME).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/evidock/key"), "{error}");
        assert!(matches!(FileSigner::from_seed("two words", [1; 32]), Err(NoteError::Key { .. })));
    }
}
