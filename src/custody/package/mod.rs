//! Evidence packages: a folder (or a zip of it) that an archive, a court or a reviewer opens by double click, and that
//! shows to others' tools, without us, that nothing in it was changed. What stands where, and what is signed. Reads no
//! database and no network; files only through [`Folder`].
//!
//! ```text
//! 1-README.html               说明文件: what this is, what it shows and what it does not
//! 2-CATALOGUE.html            证据目录: the clips in their order, with what each proves
//! 3-TRANSFER.html             移交登记表, to be signed by both sides
//! 1- 2- 3- ... .pdf           the same three with their typefaces inside, where the station has one with Chinese
//! 4-CHECK.html                compares every file with its digest, offline, in a browser
//! 4-CHECK.bat .ps1 .sh        the same with what Windows, Linux and macOS bring along
//! bagit.txt bag-info.txt      BagIt 1.0 (RFC 8493)
//! manifest-sha256.txt         the payload: everything below data/
//! manifest-sha512.txt         the same with SHA-512
//! tagmanifest-sha256.txt      everything else but the tag manifests
//! tagmanifest-sha512.txt      the same with SHA-512
//! blake3sums.txt              the payload again, for `b3sum -c`
//! sm3sums.txt                 the payload again with SM3 (GB/T 32905), where the station is asked for it
//! data/clips/<n>_<time>_<recorder>.<ext>      the original bytes, in the order of capture
//! data/metadata/records.json records.csv      the records of the clips
//! data/metadata/coverage.json coverage.csv coverage.xlsx      the case against the catalogue of what is to be recorded
//! data/derived/<n>_...        files that were derived of these clips, where they were asked for: never evidence
//! data/metadata/derived.json  what each of these is derived of, with both digests (PackedDerived)
//! custody/package.json        who made it, why, on what basis (Facts)
//! custody/events/<seq>.json   events of the custody log about these clips and this case: the stored bytes
//! custody/proofs/<seq>.tlog-proof             that each stands in the log
//! custody/withheld.json       events about these clips and other cases: their leaf hashes alone
//! custody/opened.json         values that the events only commit to, of this case, with their keys
//! custody/checkpoint          the signed tree head, with whoever cosigned it
//! custody/keys.txt            the keys under which the log was signed, one a line
//! custody/timestamps/<size>.txt .tsr .consistency    an earlier head, its RFC 3161 timestamp, and the way from it
//! custody/files-sha256.txt    digests of all of these but the next one and the tag manifests
//! custody/sm2-key.pem         the key of a second signature, where the log names one for the checkpoint
//! custody/package.sm2         that signature (SM2, DER) over the bytes of the next one
//! custody/package.note        signed: which package, and the digest of the list above
//! ```
//!
//! The list leads from the one signature to every byte: note, list, payload manifest, files. BagIt's own manifests
//! say the same to programs that know BagIt, and prove nothing to whoever asks who wrote them. Names are ASCII, because
//! discs and old archivers garble others; titles and facts stand inside.
//!
//! A case that is too long for one disc is divided ([`discs`]): each disc holds a whole package of its own, with its clips
//! and what concerns them, and is checked alone. All of them answer the same request.

pub mod bag;
pub mod check;
pub mod checker;
pub mod complete;
pub mod digests;
pub mod discs;
mod handed;
pub mod laid;
pub mod listed;
pub mod names;
pub mod pages;
pub mod paper;
pub mod zip;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

use super::note::{Note, NoteError, VerifierKey};
use crate::domain::digest::Sha256;
use crate::domain::ids::StationId;
use crate::domain::ports::Signer;

/// The pages, in their order.
pub const README: &str = "1-README.html";
/// See [`README`].
pub const CATALOGUE: &str = "2-CATALOGUE.html";
/// See [`README`].
pub const TRANSFER: &str = "3-TRANSFER.html";
/// See [`README`].
pub const CHECKER: &str = "4-CHECK.html";
/// BagIt's declaration.
pub const BAGIT: &str = "bagit.txt";
/// BagIt's facts.
pub const BAG_INFO: &str = "bag-info.txt";
/// Digests of the payload.
pub const MANIFEST: &str = "manifest-sha256.txt";
/// The same with SHA-512.
pub const MANIFEST_512: &str = "manifest-sha512.txt";
/// Digests of everything else.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// The same with SHA-512.
pub const TAG_MANIFEST_512: &str = "tagmanifest-sha512.txt";
/// Compares on Windows by double click.
pub const CHECK_BAT: &str = "4-CHECK.bat";
/// What [`CHECK_BAT`] starts.
pub const CHECK_PS1: &str = "4-CHECK.ps1";
/// Compares on Linux and macOS.
pub const CHECK_SH: &str = "4-CHECK.sh";
/// What no list of the package's own can hold: the list that is signed, the signature over it, and the tag manifests.
pub const UNLISTED: [&str; 5] = [FILES, NOTE, NOTE_SM2, TAG_MANIFEST, TAG_MANIFEST_512];
/// BLAKE3 of the payload.
pub const BLAKE3: &str = "blake3sums.txt";
/// SM3 of the payload.
pub const SM3: &str = "sm3sums.txt";
/// The records.
pub const RECORDS: &str = "data/metadata/records.json";
/// The records as a table.
pub const RECORDS_CSV: &str = "data/metadata/records.csv";
/// The case against the catalogue, as a document, as a table and as a workbook.
pub const COVERAGE: &str = "data/metadata/coverage.json";
/// As a table.
pub const COVERAGE_CSV: &str = "data/metadata/coverage.csv";
/// As a workbook.
pub const COVERAGE_XLSX: &str = "data/metadata/coverage.xlsx";
/// Files that were derived of the clips.
pub const DERIVED: &str = "data/metadata/derived.json";
/// Who, why, on what basis.
pub const FACTS: &str = "custody/package.json";
/// Events that are not disclosed.
pub const WITHHELD: &str = "custody/withheld.json";
/// Opened commitments.
pub const OPENED: &str = "custody/opened.json";
/// The signed tree head.
pub const CHECKPOINT: &str = "custody/checkpoint";
/// The log's keys.
pub const KEYS: &str = "custody/keys.txt";
/// What the note signs.
pub const FILES: &str = "custody/files-sha256.txt";
/// The signature.
pub const NOTE: &str = "custody/package.note";
/// A second signature over the bytes of [`NOTE`], SM2 in DER, where the station makes one.
pub const NOTE_SM2: &str = "custody/package.sm2";
/// The key of the second signature, PEM.
pub const SM2_KEY: &str = "custody/sm2-key.pem";

/// Where the bytes of an event stand.
pub fn event(seq: u64) -> String {
    format!("custody/events/{seq:012}.json")
}

/// Where the proof of an event stands.
pub fn proof(seq: u64) -> String {
    format!("custody/proofs/{seq:012}.tlog-proof")
}

/// Where a stamped head (`txt`), its timestamp (`tsr`) and the way from it (`consistency`) stand.
pub fn timestamp(size: u64, what: &str) -> String {
    format!("custody/timestamps/{size:012}.{what}")
}

/// `custody/package.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Version of this form.
    pub v: u32,
    /// The package's id.
    pub package: String,
    /// Who made it.
    pub station: String,
    /// The agency (执法机关).
    pub agency: Option<String>,
    /// The case's number as it was asked for, in its agreed form.
    pub case_no: String,
    /// SHA-256 of the case key, as events and object keys have it.
    pub case_hash: String,
    /// Other numbers of the same case.
    pub aliases: Vec<String>,
    /// Why it was asked for.
    pub reason: String,
    /// On what basis (依据): a letter, an order, an article.
    pub basis: String,
    /// For whom.
    pub recipient: Option<String>,
    /// Who asked, as the log has it: `kind:id`.
    pub asked_by: String,
    /// When, RFC 3339.
    pub asked_at: String,
    /// Position in the log of the event that says so.
    pub begun_seq: u64,
    /// Clips in it.
    pub clips: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Clips of the case that are not in it: isolated as suspected classified.
    pub isolated: u64,
    /// Clips of the case that are not in it: still being copied from their recorders.
    pub unsealed: u64,
    /// Clips of the case that are not in it: disposed of after appraisal. The entries that say so are in it.
    #[serde(default)]
    pub disposed: u64,
    /// Which of several discs it is, where the case was divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disc: Option<Disc>,
    /// The program.
    pub made_with: String,
}

/// One of several discs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disc {
    /// Which, from 1.
    pub n: u32,
    /// Of how many.
    pub of: u32,
}

impl Disc {
    /// The id of the package on this disc, of a request that has the id `request`.
    pub fn id(self, request: &str) -> String {
        format!("{request}-{}of{}", self.n, self.of)
    }
}

impl Facts {
    /// The id of the request that the package answers: its own, or that of the discs together.
    pub fn request(&self) -> &str {
        let behind = self.disc.map(|disc| disc.id("")).unwrap_or_default();
        self.package.strip_suffix(&behind).unwrap_or(&self.package)
    }
}

/// Where a clip stands in a package, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedClip {
    /// Its id.
    pub clip: String,
    /// Its path in the package.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub blake3: String,
    /// Hex; `None` of a clip that was sealed without.
    pub sm3: Option<String>,
}

/// A file that was derived of a clip of the package: not the evidence. What it is derived of stands with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedDerived {
    /// Says so to whoever reads the metadata alone: `derived, not the evidence`.
    pub is: String,
    /// Its path in the package.
    pub path: String,
    /// Its id, as the events have it.
    pub derived: String,
    /// The clip.
    pub clip: String,
    /// `frame`, `trim`, `watermark`.
    pub kind: String,
    /// `decoded`, `copied`, `encoded`.
    pub method: String,
    /// What it shows, milliseconds of the clip.
    pub from_ms: u64,
    /// Likewise.
    pub to_ms: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub blake3: String,
    /// Digest of the clip, hex.
    pub parent_sha256: String,
    /// Digest of the clip, hex.
    pub parent_blake3: String,
    /// What made it.
    pub tool: String,
    /// Who asked for it, as the log has it.
    pub asked_by: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
}

/// An event that is not disclosed: that it is there, and nothing of what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldEvent {
    /// Its position.
    pub seq: u64,
    /// Its leaf hash, hex.
    pub leaf: String,
}

/// A value that an event of this case commits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedValue {
    /// Position of the event.
    pub seq: u64,
    /// Where the commitment stands in it.
    pub field: String,
    /// The key, hex.
    pub key: String,
    /// The value.
    pub value: String,
}

/// What `custody/package.note` signs:
///
/// ```text
/// evidock/<station>/package/<id>
/// case <sha256 of the case key>
/// clips <how many> <bytes>
/// files <sha256 of custody/files-sha256.txt>
///
/// — evidock/<station> <...>
/// ```
///
/// No line of it can be read as a checkpoint's size, so one key may sign both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageNote {
    /// Whose.
    pub station: StationId,
    /// The package's id.
    pub package: String,
    /// SHA-256 of the case key.
    pub case: Sha256,
    /// Clips in it.
    pub clips: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// SHA-256 of the list of files.
    pub files: Sha256,
}

/// Why a package's note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageNoteError {
    /// The signed note around it was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text is no note on a package.
    #[error("the signed text is not a note on an evidence package: {0}")]
    Malformed(&'static str),
}

impl PackageNote {
    fn text(&self) -> String {
        format!(
            "evidock/{}/package/{}\ncase {}\nclips {} {}\nfiles {}\n",
            self.station, self.package, self.case, self.clips, self.bytes, self.files
        )
    }

    /// Signs it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, PackageNoteError> {
        // What is signed is what others read.
        if Self::parse(&self.text()).as_ref() != Ok(self) {
            return Err(PackageNoteError::Malformed("its id has other characters than letters, digits and '-'"));
        }
        let mut note = Note::new(self.text())?;
        note.sign(signer)?;
        Ok(note.to_string())
    }

    /// Reads a note and checks its signature against these keys.
    pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Self, PackageNoteError> {
        let note = Note::parse(note)?;
        note.verify(keys)?;
        Self::parse(note.text())
    }

    fn parse(text: &str) -> Result<Self, PackageNoteError> {
        use PackageNoteError::Malformed;
        let mut lines = text.lines();
        let which = lines.next().and_then(|l| l.strip_prefix("evidock/")).ok_or(Malformed("its first line"))?;
        let parts: Vec<&str> = which.split('/').collect();
        let [station, "package", package] = parts[..] else { return Err(Malformed("its first line")) };
        if package.is_empty() || !package.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(Malformed("its id"));
        }
        let mut line = |name: &'static str| {
            let rest = lines.next().and_then(|l| l.strip_prefix(name)).and_then(|l| l.strip_prefix(' '));
            rest.ok_or(Malformed("a line's name"))
        };
        let case = read(line("case")?)?;
        let (clips, bytes) = line("clips")?.split_once(' ').ok_or(Malformed("the line of clips"))?;
        let note = Self {
            station: StationId::new(station).map_err(|_| Malformed("the station's name"))?,
            package: package.to_owned(),
            case,
            clips: read(clips)?,
            bytes: read(bytes)?,
            files: read(line("files")?)?,
        };
        if note.text() == text { Ok(note) } else { Err(Malformed("it has another spelling")) }
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, PackageNoteError> {
    text.parse().map_err(|_| PackageNoteError::Malformed("a number or digest cannot be read"))
}

/// A package on disk.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// At a path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Opens a file of it. What it is a folder of is anybody's: only a file is opened, never what a link leads to, and never
    /// what would wait for somebody at its other end (a pipe).
    pub fn open(&self, name: &str) -> io::Result<File> {
        let odd = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let mut parts: Vec<&str> = name.split('/').collect();
        if parts.iter().any(|part| ["", ".", ".."].contains(part)) {
            return Err(odd("it is not called as a file inside a package can be"));
        }
        let last = parts.pop().unwrap_or_default();
        let into = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = rustix::fs::open(&self.0, into, Mode::empty())?;
        for part in parts {
            at = openat(&at, part, into | OFlags::NOFOLLOW, Mode::empty())?;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&at, last, flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(odd("it is no file")) }
    }

    /// A small file whole; one that is longer than `most` bytes is none of ours.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        use io::Read;
        let mut bytes = Vec::new();
        self.open(name)?.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than such a file can be"));
        }
        Ok(bytes)
    }

    /// Every file in it, as names with `/`; what is neither a file nor a folder is told as well.
    pub fn files(&self) -> io::Result<(Vec<String>, Vec<String>)> {
        let (mut files, mut odd) = (Vec::new(), Vec::new());
        let mut todo = vec![String::new()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(self.0.join(&dir))? {
                let entry = entry?;
                let name = format!("{dir}{}", entry.file_name().to_string_lossy());
                let kind = entry.file_type()?;
                match () {
                    () if kind.is_dir() => todo.push(format!("{name}/")),
                    () if kind.is_file() => files.push(name),
                    // A link may lead out of the package, and what it leads to is not in it.
                    () => odd.push(name),
                }
            }
        }
        files.sort_unstable();
        Ok((files, odd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::checkpoint;
    use crate::custody::key::FileSigner;

    fn signer(seed: u8) -> FileSigner {
        FileSigner::from_seed("evidock/zhao-01", [seed; 32]).unwrap()
    }

    fn sample() -> PackageNote {
        PackageNote {
            station: StationId::new("zhao-01").unwrap(),
            package: "019aa2c4-7f00-7abc-8def-0123456789ab".into(),
            case: Sha256([1; 32]),
            clips: 3,
            bytes: 1234,
            files: Sha256([2; 32]),
        }
    }

    #[test]
    fn the_note_s_form_is_frozen() {
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        assert_eq!(
            sample().text(),
            format!(
                "evidock/zhao-01/package/019aa2c4-7f00-7abc-8def-0123456789ab\ncase {one}\nclips 3 1234\nfiles {two}\n"
            )
        );
    }

    #[test]
    fn only_files_of_the_folder_are_opened() {
        let top = tempfile::tempdir().unwrap();
        let (inside, beside) = (top.path().join("package"), top.path().join("beside"));
        std::fs::create_dir_all(inside.join("custody")).unwrap();
        std::fs::create_dir(&beside).unwrap();
        for path in [inside.join("custody/keys.txt"), beside.join("keys.txt")] {
            std::fs::write(path, "k").unwrap();
        }
        std::os::unix::fs::symlink(&beside, inside.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(beside.join("keys.txt"), inside.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, inside.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        let folder = Folder::at(&inside);
        assert_eq!(folder.read(KEYS, 1).unwrap(), b"k");
        for name in ["elsewhere/keys.txt", "link", "pipe", "custody", "../beside/keys.txt", "/etc/passwd", "", "none"] {
            assert!(folder.read(name, 10).is_err(), "{name}");
        }
        assert_eq!(folder.files().unwrap().0, [KEYS]);
        // Whoever gives a link to the folder means the folder.
        let link = top.path().join("to-it");
        std::os::unix::fs::symlink(&inside, &link).unwrap();
        assert!(Folder::at(&link).open(KEYS).is_ok());
    }

    #[test]
    fn a_note_is_read_as_written_and_refused_when_changed() {
        let key = VerifierKey::of(&signer(7)).unwrap();
        let signed = sample().sign(&signer(7)).unwrap();
        assert_eq!(PackageNote::open(signed.as_bytes(), std::slice::from_ref(&key)), Ok(sample()));
        assert!(checkpoint::open(signed.as_bytes(), std::slice::from_ref(&key)).is_err(), "it is no checkpoint");
        for (from, to) in [("clips 3", "clips 4"), ("package/0", "package/1"), ("files 02", "files 03")] {
            let changed = signed.replacen(from, to, 1);
            assert!(PackageNote::open(changed.as_bytes(), std::slice::from_ref(&key)).is_err(), "{from}");
        }
        let other = VerifierKey::of(&signer(8)).unwrap();
        assert!(PackageNote::open(signed.as_bytes(), &[other]).is_err());
        let odd = PackageNote { package: "a\nfiles".into(), ..sample() };
        assert!(odd.sign(&signer(7)).is_err());
    }
}
