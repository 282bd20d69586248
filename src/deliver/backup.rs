//! The form of a backup: how a database is packed so that it may leave the box, and how it comes out again. Knows
//! neither when nor where to.
//!
//! The object `database` is the SQLite file, compressed (zstd), then encrypted (age v1, X25519): what this file
//! does, `age --decrypt -i IDENTITY database | zstd -d` undoes, too. The object `log-key` is the file `log.key`, and
//! `sm2-key` the file `log.sm2.key`, encrypted in the same way and not compressed. All stream with bounded memory, whatever their size.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::Digest;

use crate::domain::digest::{Crc64, Sha256};
use crate::domain::error::{Retry, Retryable};
use crate::domain::grid::PartGrid;
use crate::domain::ports::PartSpec;

/// Level of the compression: rows of a database shrink to a fifth at this one, and higher ones cost much for little.
const ZSTD_LEVEL: i32 = 6;
/// Bytes moved at a time.
const BLOCK_BYTES: usize = 1 << 17;
/// More than the file of a log key takes.
const MAX_SMALL_BYTES: u64 = 4096;

/// Why a backup could not be packed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The disk refused.
    #[error("the backup failed while {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The recipient of the configuration cannot be encrypted for.
    #[error("[backup] recipient is not a public age key; `evidock backup keygen` makes a pair")]
    Recipient,
    /// Nothing could be encrypted for it.
    #[error("the backup could not be encrypted: {0}")]
    Encrypt(String),
    /// The identity is not the one for which it was encrypted.
    #[error("this identity does not open the backup; it was encrypted for another [backup] recipient")]
    WrongIdentity,
    /// It is not what was packed.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The file given as identity holds none.
    #[error(
        "{path} holds no age identity (a line AGE-SECRET-KEY-1...); give the file that `evidock backup keygen` printed"
    )]
    NoIdentity {
        /// The file.
        path: PathBuf,
    },
}

impl Retryable for PackError {
    fn retry(&self) -> Retry {
        match self {
            Self::Io { .. } => Retry::Transient,
            Self::Recipient | Self::Encrypt(_) | Self::WrongIdentity | Self::NoIdentity { .. } => Retry::Operator,
            Self::Damaged(_) => Retry::Permanent,
        }
    }
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> PackError + 'a {
    move |source| PackError::Io { doing, path: path.to_owned(), source }
}

/// A packed file as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Length, bytes.
    pub size_bytes: u64,
    /// Digest of the whole.
    pub sha256: Sha256,
    /// Its parts, at least one.
    pub parts: Vec<PartSpec>,
}

fn encryptor(recipient: &str) -> Result<age::Encryptor, PackError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|_| PackError::Recipient)?;
    age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        .map_err(|e| PackError::Encrypt(e.to_string()))
}

/// Packs the file `plain` for `recipient` into `packed`, which is made anew and on disk for good when this returns.
pub fn pack(plain: &Path, packed: &Path, recipient: &str) -> Result<Packed, PackError> {
    let encryptor = encryptor(recipient)?;
    let mut source = File::open(plain).map_err(failed("reading", plain))?;
    let writing = failed("writing", packed);
    let file = private(packed).map_err(&writing)?;
    let encrypted = encryptor.wrap_output(BufWriter::with_capacity(BLOCK_BYTES, file)).map_err(&writing)?;
    let mut compressed = zstd::Encoder::new(encrypted, ZSTD_LEVEL).map_err(&writing)?;
    // Damage to the frame shows before anything is made of what comes out.
    compressed.include_checksum(true).map_err(&writing)?;
    copy(&mut source, &mut compressed).map_err(&writing)?;
    let file = compressed.finish().and_then(|encrypted| encrypted.finish()).map_err(&writing)?;
    let file = file.into_inner().map_err(|e| writing(e.into_error()))?;
    file.sync_all().map_err(&writing)?;
    measure(packed)
}

/// Length, digest and parts of a packed file, read from the disk.
pub fn measure(packed: &Path) -> Result<Packed, PackError> {
    let reading = failed("reading", packed);
    let file = File::open(packed).map_err(&reading)?;
    let size_bytes = file.metadata().map_err(&reading)?.len();
    let grid = PartGrid::for_size(Some(size_bytes));
    let (mut parts, mut whole) = (Vec::new(), sha2::Sha256::new());
    let mut rest = BufReader::with_capacity(BLOCK_BYTES, file);
    let mut offset = 0;
    let mut block = vec![0; BLOCK_BYTES];
    while offset < size_bytes || parts.is_empty() {
        let n = parts.len() as u64;
        let len = grid.part_bytes(n).min(size_bytes - offset);
        let mut left = len;
        let (mut digest, mut crc) = (sha2::Sha256::new(), crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
        while left > 0 {
            let want = left.min(block.len() as u64) as usize;
            rest.read_exact(&mut block[..want]).map_err(&reading)?;
            digest.update(&block[..want]);
            crc.update(&block[..want]);
            whole.update(&block[..want]);
            left -= want as u64;
        }
        let (sha256, crc64) = (Sha256(digest.finalize().into()), Some(Crc64(crc.finalize())));
        parts.push(PartSpec { n, offset, len, sha256, crc64 });
        offset += len;
    }
    Ok(Packed { size_bytes, sha256: Sha256(whole.finalize().into()), parts })
}

/// Opens `packed` into `plain`, which must come out `plain_bytes` long and is made anew, on disk for good.
pub fn unpack(
    packed: &Path,
    plain: &Path,
    plain_bytes: u64,
    identities: &[age::x25519::Identity],
) -> Result<(), PackError> {
    let file = File::open(packed).map_err(failed("reading", packed))?;
    let decrypted = decrypted(BufReader::with_capacity(BLOCK_BYTES, file), identities)?;
    let damaged = |e: io::Error| PackError::Damaged(e.to_string());
    let compressed = zstd::Decoder::new(decrypted).map_err(damaged)?;
    let mut out = private(plain).map_err(failed("writing", plain))?;
    // A hostile file could come out without end.
    let mut bounded = compressed.take(plain_bytes.saturating_add(1));
    let (mut block, mut written) = (vec![0; BLOCK_BYTES], 0);
    loop {
        let n = match bounded.read(&mut block) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(damaged(e)),
        };
        out.write_all(&block[..n]).map_err(failed("writing", plain))?;
        written += n as u64;
    }
    if written != plain_bytes {
        let more = if written > plain_bytes { "more than " } else { "" };
        let least = written.min(plain_bytes);
        return Err(PackError::Damaged(format!("{more}{least} bytes came out of it, its note says {plain_bytes}")));
    }
    out.sync_all().map_err(failed("writing", plain))
}

/// Encrypts a small file (the log's key) in memory.
pub fn seal_small(bytes: &[u8], recipient: &str) -> Result<Vec<u8>, PackError> {
    let encrypt = |e: io::Error| PackError::Encrypt(e.to_string());
    let mut writer = encryptor(recipient)?.wrap_output(Vec::new()).map_err(encrypt)?;
    writer.write_all(bytes).map_err(encrypt)?;
    writer.finish().map_err(encrypt)
}

/// Opens what [`seal_small`] made.
pub fn open_small(sealed: &[u8], identities: &[age::x25519::Identity]) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::new();
    let reader = decrypted(sealed, identities)?;
    reader.take(MAX_SMALL_BYTES).read_to_end(&mut bytes).map_err(|e| PackError::Damaged(e.to_string()))?;
    Ok(bytes)
}

fn decrypted<R: io::Read>(
    packed: R,
    identities: &[age::x25519::Identity],
) -> Result<impl io::Read + use<R>, PackError> {
    let explain = |e: age::DecryptError| match e {
        age::DecryptError::NoMatchingKeys => PackError::WrongIdentity,
        other => PackError::Damaged(other.to_string()),
    };
    let decryptor = age::Decryptor::new(packed).map_err(explain)?;
    decryptor.decrypt(identities.iter().map(|i| i as &dyn age::Identity)).map_err(explain)
}

/// A new key pair: the text of an identity file as `age-keygen` writes it, and the public half.
pub fn key_pair(made: &str) -> (String, String) {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    (format!("# created: {made}\n# public key: {public}\n{}\n", identity.to_string().expose_secret()), public)
}

/// The identities in a file; lines that begin with `#` are remarks.
pub fn identities(path: &Path) -> Result<Vec<age::x25519::Identity>, PackError> {
    let text = std::fs::read_to_string(path).map_err(failed("reading", path))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Vec<age::x25519::Identity> = lines.filter_map(|line| line.parse().ok()).collect();
    if found.is_empty() { Err(PackError::NoIdentity { path: path.to_owned() }) } else { Ok(found) }
}

/// A new file for our eyes only, in place of what stands there.
fn private(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&block[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn pair() -> (age::x25519::Identity, String) {
        let identity = age::x25519::Identity::generate();
        let public = identity.to_public().to_string();
        (identity, public)
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, public) = pair();
        let (plain, packed, out) = (dir.path().join("plain"), dir.path().join("packed"), dir.path().join("out"));
        for len in [0usize, 1, 70_000, 9 << 20] {
            // Random enough that it does not shrink below one part.
            let blocks = (0..(len as u64).div_ceil(32)).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes());
            let bytes: Vec<u8> = blocks.take(len).collect();
            std::fs::write(&plain, &bytes).unwrap();
            let made = pack(&plain, &packed, &public).unwrap();
            assert_eq!(made, measure(&packed).unwrap());
            assert_eq!(made.parts.iter().map(|p| p.len).sum::<u64>(), made.size_bytes);
            assert_eq!(made.parts.len() as u64, made.size_bytes.div_ceil(8 << 20), "{len}");
            let on_disk = std::fs::read(&packed).unwrap();
            assert_eq!(made.sha256.0, <[u8; 32]>::from(sha2::Sha256::digest(&on_disk)));
            unpack(&packed, &out, len as u64, std::slice::from_ref(&identity)).unwrap();
            assert!(std::fs::read(&out).unwrap() == bytes);
            for file in [&packed, &out] {
                assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
            }
        }
    }

    #[test]
    fn a_changed_a_cut_and_a_foreign_one_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, public) = pair();
        let ours = std::slice::from_ref(&identity);
        let (plain, packed, out) = (dir.path().join("plain"), dir.path().join("packed"), dir.path().join("out"));
        std::fs::write(&plain, vec![7; 300_000]).unwrap();
        pack(&plain, &packed, &public).unwrap();
        let good = std::fs::read(&packed).unwrap();
        assert!(matches!(unpack(&packed, &out, 300_000, &[pair().0]), Err(PackError::WrongIdentity)));
        for bytes in [300_001, 299_999, 0] {
            assert!(matches!(unpack(&packed, &out, bytes, ours), Err(PackError::Damaged(_))), "{bytes}");
        }
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&packed, &bad).unwrap();
            let refused = unpack(&packed, &out, 300_000, ours).unwrap_err();
            assert!(matches!(refused, PackError::Damaged(_)), "{at}: {refused}");
            std::fs::write(&packed, &good[..at]).unwrap();
            let refused = unpack(&packed, &out, 300_000, ours).unwrap_err();
            assert!(matches!(refused, PackError::Damaged(_)), "{at}: {refused}");
        }
        assert!(matches!(pack(&plain, &packed, "age1x"), Err(PackError::Recipient)));
        assert!(matches!(pack(&dir.path().join("none"), &packed, &public), Err(PackError::Io { .. })));
        assert!(matches!(pack(&plain, &dir.path().join("no/where"), &public), Err(PackError::Io { .. })));
    }

    #[test]
    fn a_key_pair_is_a_file_that_opens() {
        let dir = tempfile::tempdir().unwrap();
        let (text, public) = key_pair("2026-06-19T10:00:00+08:00");
        let file = dir.path().join("id");
        std::fs::write(&file, &text).unwrap();
        assert!(text.contains(&public) && text.lines().last().unwrap().starts_with("AGE-SECRET-KEY-1"));
        let read = identities(&file).unwrap();
        let sealed = seal_small(b"a key", &public).unwrap();
        assert_eq!(open_small(&sealed, &read).unwrap(), b"a key");
        assert!(matches!(open_small(&sealed, &[pair().0]), Err(PackError::WrongIdentity)));
        std::fs::write(&file, "# nothing\nx\n").unwrap();
        assert!(matches!(identities(&file), Err(PackError::NoIdentity { .. })));
    }
}
