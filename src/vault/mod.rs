//! Sealed files on the local disk and the order in which they become durable. Knows no database.
//!
//! Layout below the vault's directory; every name follows from the clip's id alone, nothing that a
//! recorder says is ever part of a path (invariant 7):
//!
//! ```text
//! clips/2026/11/21/<clip_id>            the sealed master
//! clips/2026/11/21/<clip_id>.tree       its BLAKE3 outboard (see `tree`)
//! clips/2026/11/21/<clip_id>.part       while copying
//! clips/2026/11/21/<clip_id>.tree.part
//! clips/2026/11/21/<clip_id>.torn       set aside: found under the final name with other bytes than were copied
//! derived/2026/11/21/<clip_id>.jpg      thumbnail; never evidence (invariant 6)
//! ```
//!
//! Sealing order: write `.part`, fsync; re-read it bypassing the page cache and compare; rename; fsync the
//! directory; only then does the caller commit the row. A crash between any two steps leaves either a
//! `.part` or a file named by its clip id whose row is not yet sealed.

mod copy;
mod read;
pub mod tree;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::digest::Blake3;
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;
use crate::runtime::durable::{self, Dirs};

pub use copy::{
    Copied, CopyError, CopyJob, CopyOptions, Durable, PartDigest, Prefix, block_bytes, copy_into, is_gone, measure,
};
pub use read::{SealedFile, hash_uncached, hash_uncached_beside};

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
#[error("the vault failed while {doing} {path}")]
pub struct VaultError {
    /// What was being done.
    pub doing: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// Gives an I/O error its file and deed.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    let path = path.to_owned();
    move |source| VaultError { doing, path, source }
}

/// What stands in the vault for a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Neither file.
    Nothing,
    /// A `.part` of this length in bytes.
    Part(u64),
    /// The final name, of this length in bytes.
    Final(u64),
}

/// A vault directory.
#[derive(Debug, Clone)]
pub struct Vault {
    root: PathBuf,
    dirs: Arc<Dirs>,
}

impl Vault {
    /// The vault at `root` for looking only: nothing is made.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), dirs: Default::default() }
    }

    /// Opens (and creates) the vault at `root`.
    pub fn open(root: &Path) -> Result<Self, VaultError> {
        durable::make_dir_all(root).map_err(failed("creating", root))?;
        let dirs = Arc::new(Dirs::default());
        for dir in ["clips", "derived"] {
            let path = root.join(dir);
            dirs.make(root, &path).map_err(failed("creating", &path))?;
        }
        Ok(Self { root: root.to_owned(), dirs })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn dated(&self, below: &str, clip: ClipId) -> PathBuf {
        let day = UtcMs(clip.created_ms()).zoned(&jiff::tz::TimeZone::UTC);
        self.root.join(below).join(day.strftime("%Y/%m/%d").to_string())
    }

    /// The sealed master.
    pub fn master(&self, clip: ClipId) -> PathBuf {
        self.dated("clips", clip).join(clip.to_string())
    }

    /// The outboard.
    pub fn tree(&self, clip: ClipId) -> PathBuf {
        self.dated("clips", clip).join(format!("{clip}.tree"))
    }

    pub(crate) fn part(&self, clip: ClipId) -> PathBuf {
        self.dated("clips", clip).join(format!("{clip}.part"))
    }

    pub(crate) fn tree_part(&self, clip: ClipId) -> PathBuf {
        self.dated("clips", clip).join(format!("{clip}.tree.part"))
    }

    /// The thumbnail.
    pub fn thumbnail(&self, clip: ClipId) -> PathBuf {
        self.dated("derived", clip).join(format!("{clip}.jpg"))
    }

    /// Bytes free for us on the vault's file system, and its size.
    pub fn space(&self) -> Result<(u64, u64), VaultError> {
        let s = rustix::fs::statvfs(&self.root).map_err(|e| failed("measuring", &self.root)(e.into()))?;
        Ok((s.f_bavail * s.f_frsize, s.f_blocks * s.f_frsize))
    }

    /// What stands here for a clip.
    pub fn found(&self, clip: ClipId) -> Result<Found, VaultError> {
        for (path, made) in [(self.master(clip), Found::Final as fn(u64) -> Found), (self.part(clip), Found::Part)] {
            match fs::symlink_metadata(&path) {
                Ok(m) => return Ok(made(m.len())),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("looking at", &path)(e)),
            }
        }
        Ok(Found::Nothing)
    }

    /// Gives the verified `.part` its final name, durably. The tree goes first, so that a master never
    /// stands without it.
    pub fn seal(&self, clip: ClipId) -> Result<(), VaultError> {
        let (part, master) = (self.part(clip), self.master(clip));
        fs::rename(self.tree_part(clip), self.tree(clip)).map_err(failed("naming", &self.tree(clip)))?;
        fs::rename(&part, &master).map_err(failed("naming", &master))?;
        self.sync_parent(&master)
    }

    /// Takes from a `.part` what is longer than this.
    pub fn cut(&self, clip: ClipId, bytes: u64) -> Result<(), VaultError> {
        let part = self.part(clip);
        let file = fs::OpenOptions::new().write(true).open(&part).map_err(failed("opening", &part))?;
        let len = file.metadata().map_err(failed("looking at", &part))?.len();
        if len > bytes {
            file.set_len(bytes).map_err(failed("cutting", &part))?;
        }
        Ok(())
    }

    /// Gives the `.part` of a stream that was cut off its final name, durably, as it stands: nothing can bring more of it.
    /// It is measured and sealed by whoever asked.
    pub fn keep_as_it_is(&self, clip: ClipId) -> Result<(), VaultError> {
        let (part, master) = (self.part(clip), self.master(clip));
        let file = fs::File::open(&part).map_err(failed("opening", &part))?;
        file.sync_all().map_err(failed("syncing", &part))?;
        fs::rename(&part, &master).map_err(failed("naming", &master))?;
        self.sync_parent(&master)
    }

    /// Takes a file that is not what was copied off its final name, durably. Its bytes stay, as `.torn`: they may be
    /// all that there is.
    pub fn set_aside(&self, clip: ClipId) -> Result<(), VaultError> {
        let master = self.master(clip);
        fs::rename(&master, master.with_extension("torn")).map_err(failed("setting aside", &master))?;
        self.sync_parent(&master)
    }

    /// Gives `clip` the bytes of the sealed clip `of` under its own name (one file on disk, two names)
    /// instead of its own `.part`, durably.
    pub fn seal_sharing(&self, clip: ClipId, of: ClipId) -> Result<(), VaultError> {
        let master = self.master(clip);
        // What an earlier attempt left under the name need not be the same bytes; this copy was verified.
        match fs::remove_file(&master) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("replacing", &master)(e)),
            _ => {}
        }
        fs::hard_link(self.master(of), &master).map_err(failed("sharing", &master))?;
        fs::rename(self.tree_part(clip), self.tree(clip)).map_err(failed("naming", &self.tree(clip)))?;
        self.sync_parent(&master)?;
        self.discard(clip)
    }

    /// The clips of which a `.part` file of either kind stands here, whatever the database knows of them.
    pub fn parts(&self) -> Result<Vec<ClipId>, VaultError> {
        let mut found = std::collections::BTreeSet::new();
        let mut open = vec![self.root.join("clips")];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(&dir).map_err(failed("listing", &dir))? {
                let entry = entry.map_err(failed("listing", &dir))?;
                let name = entry.file_name();
                let clip = name.to_str().and_then(|n| n.strip_suffix(".part"));
                if let Some(clip) = clip.and_then(|n| n.strip_suffix(".tree").unwrap_or(n).parse().ok()) {
                    found.insert(clip);
                } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Removes the `.part` files of a copy that is no longer wanted. Nothing there is fine.
    pub fn discard(&self, clip: ClipId) -> Result<(), VaultError> {
        for path in [self.part(clip), self.tree_part(clip)] {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("removing", &path)(e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives up the master of a clip that is proven elsewhere, durably; its tree and its thumbnail stay. Gives the bytes
    /// that this freed: none where another clip's name still holds the same file. One that is gone already is fine.
    pub fn give_up(&self, clip: ClipId) -> Result<u64, VaultError> {
        use std::os::unix::fs::MetadataExt;
        let master = self.master(clip);
        let freed = match fs::symlink_metadata(&master) {
            Ok(found) if found.nlink() > 1 => 0,
            Ok(found) => found.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(e) => return Err(failed("looking at", &master)(e)),
        };
        fs::remove_file(&master).map_err(failed("removing", &master))?;
        self.sync_parent(&master)?;
        Ok(freed)
    }

    /// Removes everything of a clip that was disposed of, durably: its master, what was set aside of it, its tree, its
    /// thumbnail. What is gone already is fine. Gives the bytes of footage that this freed: none where another clip's name
    /// still holds the same file.
    pub fn dispose(&self, clip: ClipId) -> Result<u64, VaultError> {
        // The tree and the pictures go first: once the master is gone nothing here tells what was in it.
        let thumbnail = self.thumbnail(clip);
        for path in
            [self.tree(clip), self.master(clip).with_extension("torn"), thumbnail.with_extension("jpg.part"), thumbnail]
        {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("removing", &path)(e)),
                Err(_) => {}
                Ok(()) => self.sync_parent(&path)?,
            }
        }
        self.discard(clip)?;
        self.give_up(clip)
    }

    /// Puts the bytes of a clip back that stand in its `.part`, complete: read back past the page cache, compared, named
    /// and made durable. `false` where they are not what was sealed; they are dropped then.
    pub fn take_back(&self, clip: ClipId, blake3: Blake3, size_bytes: u64) -> Result<bool, VaultError> {
        let (part, master) = (self.part(clip), self.master(clip));
        fs::File::open(&part).and_then(|f| f.sync_all()).map_err(failed("syncing", &part))?;
        if hash_uncached(&part)? != (blake3, size_bytes) {
            fs::remove_file(&part).map_err(failed("removing", &part))?;
            return Ok(false);
        }
        match self.found(clip)? {
            Found::Final(_) => self.set_aside(clip)?,
            Found::Nothing | Found::Part(_) => {}
        }
        fs::rename(&part, &master).map_err(failed("naming", &master))?;
        self.sync_parent(&master)?;
        Ok(true)
    }

    /// An empty `.part` for a clip whose bytes come back from elsewhere.
    pub fn begin_again(&self, clip: ClipId) -> Result<fs::File, VaultError> {
        self.make_dir(clip)?;
        let part = self.part(clip);
        fs::File::create(&part).map_err(failed("creating", &part))
    }

    /// Stores a derived file in one go.
    pub fn put_thumbnail(&self, clip: ClipId, jpeg: &[u8]) -> Result<(), VaultError> {
        let path = self.thumbnail(clip);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(failed("creating", dir))?;
        }
        let tmp = path.with_extension("jpg.part");
        fs::write(&tmp, jpeg).map_err(failed("writing", &tmp))?;
        fs::rename(&tmp, &path).map_err(failed("naming", &path))
    }

    /// Stores the tree of a clip whose own one went, durably.
    pub fn put_tree(&self, clip: ClipId, tree: &[u8]) -> Result<(), VaultError> {
        let path = self.tree(clip);
        durable::write(&path, tree, 0o644).map_err(failed("writing", &path))
    }

    fn sync_parent(&self, file: &Path) -> Result<(), VaultError> {
        file.parent().map_or(Ok(()), sync_dir)
    }

    /// Creates the directory of a clip's files and makes each level durable, also those that an earlier run
    /// made and may have been killed before syncing.
    pub(crate) fn make_dir(&self, clip: ClipId) -> Result<(), VaultError> {
        let dir = self.dated("clips", clip);
        self.dirs.make(&self.root, &dir).map_err(failed("creating", &dir))
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), VaultError> {
    durable::sync_dir(dir).map_err(failed("syncing", dir))
}
