//! Finished packages as zips that nobody wrote (`domain::ports::Packages`): the small files from where the package was
//! made, the clips from wherever they stand, each stretch verified. So a package of evicted clips can be fetched, too, and
//! one that was cut goes on at any byte.
//!
//! Beside each package stands its index: every file in its order with its length and checksum. It is written last, whole
//! or not at all: what has an index is finished.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::sink;
use crate::custody::package::digests::{self, Digests};
use crate::custody::package::laid::{Item, Laid, Piece};
use crate::custody::package::{Facts, Folder, PackedClip};
use crate::domain::ids::ClipId;
use crate::domain::ports::{BoxFuture, ClipBytes, Footage, FootageError, FootageStream, Packages};
use crate::runtime::durable::sync_dir;
use crate::runtime::task;

/// A file of a package's folder that is longer (a derived one) is not held in memory whole.
const IN_MEMORY_BYTES: u64 = 64 << 20;

/// Bytes of such a file that are read at a time.
const STRETCH_BYTES: u64 = 1 << 20;

/// Every file of a finished package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Index {
    /// Date of every entry of the zip, in the form of DOS.
    pub dos_time: u32,
    /// In the order of the zip.
    pub files: Vec<Indexed>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub name: String,
    pub size: u64,
    pub crc32: u32,
    /// The clip whose bytes it is; `None`: it stands in the package's folder.
    pub clip: Option<String>,
}

/// Where the package of a disc is made, from 1, below the folder of its request.
pub(super) fn folder(dir: &Path, disc: u32) -> PathBuf {
    dir.join(format!("disc-{disc}"))
}

fn index_path(dir: &Path, disc: u32) -> PathBuf {
    dir.join(format!("disc-{disc}.index"))
}

/// Writes a file so that it is there whole or not at all, whatever happens. Blocks.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = sink::beside(path, "part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

impl Index {
    /// Of a package whose small files stand in its folder; the folder's clips, if there are any, are not read. Blocks.
    pub fn of(
        dir: &Path,
        disc: u32,
        facts: &Facts,
        clips: &[(PackedClip, Digests)],
        zone: &jiff::tz::TimeZone,
    ) -> io::Result<Self> {
        let at = Folder::at(&folder(dir, disc));
        let mut files = Vec::new();
        for name in at.files()?.0 {
            if clips.iter().any(|(clip, _)| clip.path == name) {
                continue;
            }
            let (size, crc32) = looked_through(&mut at.open(&name)?)?;
            files.push(Indexed { name, size, crc32, clip: None });
        }
        files.extend(clips.iter().map(|(clip, digests)| Indexed {
            name: clip.path.clone(),
            size: clip.size_bytes,
            crc32: digests.crc32,
            clip: Some(clip.clip.clone()),
        }));
        Ok(Self { dos_time: sink::date(facts, zone), files })
    }

    /// Reads it; `None` where the package is not finished. Blocks.
    pub fn read(dir: &Path, disc: u32) -> io::Result<Option<Self>> {
        match fs::read(index_path(dir, disc)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The package is finished. Blocks.
    pub fn write(&self, dir: &Path, disc: u32) -> io::Result<()> {
        write_whole(&index_path(dir, disc), &serde_json::to_vec(self)?)
    }
}

/// The packages of a station.
pub struct Packed {
    /// Where they are made.
    pub dir: PathBuf,
    /// The way to clips' bytes.
    pub footage: Arc<dyn Footage>,
}

impl Packages for Packed {
    fn open<'a>(
        &'a self,
        package: &'a str,
        disc: u32,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn ClipBytes>>, FootageError>> {
        Box::pin(async move {
            // Only an id of ours becomes a path.
            if package.parse::<ClipId>().is_err() {
                return Ok(None);
            }
            let zip = Zip::open(&self.dir.join(package), disc, Arc::clone(&self.footage)).await?;
            if let Some(zip) = &zip {
                zip.all_there().await?;
            }
            Ok(zip.map(|zip| zip as Arc<dyn ClipBytes>))
        })
    }
}

/// A package's zip.
pub(super) struct Zip {
    folder: PathBuf,
    index: Index,
    laid: Laid,
    footage: Arc<dyn Footage>,
    /// What `footage` counted when the clips were last looked at.
    isolations: AtomicU64,
}

fn odd(e: io::Error) -> FootageError {
    FootageError::Store(Box::new(e))
}

impl Zip {
    pub async fn open(dir: &Path, disc: u32, footage: Arc<dyn Footage>) -> Result<Option<Arc<Self>>, FootageError> {
        let (at, folder) = (dir.to_owned(), folder(dir, disc));
        let isolations = AtomicU64::new(footage.isolations());
        let read =
            task::blocking("export", move || Index::read(&at, disc)).await.map_err(|e| odd(io::Error::other(e)))?;
        let Some(index) = read.map_err(odd)? else { return Ok(None) };
        let items: Vec<Item> =
            index.files.iter().map(|f| Item { name: f.name.clone(), size: f.size, crc32: f.crc32 }).collect();
        let laid = Laid::new(&items, index.dos_time);
        Ok(Some(Arc::new(Self { folder, index, laid, footage, isolations })))
    }

    /// That no clip of it was isolated since, or is gone: told before the first byte is given out, and before what was
    /// sent elsewhere is called whole there.
    pub async fn all_there(&self) -> Result<(), FootageError> {
        for clip in self.index.files.iter().filter_map(|file| file.clip.as_deref()) {
            let id: ClipId = clip.parse().map_err(|e| odd(io::Error::other(e)))?;
            self.footage.open(id).await?;
        }
        Ok(())
    }

    /// Looks again at every clip when one was isolated somewhere: a stretch of one clip goes out as little as the rest of the
    /// package does once another clip of it may not.
    async fn unless_isolated(&self) -> Result<(), FootageError> {
        let now = self.footage.isolations();
        if now != self.isolations.load(Ordering::Acquire) {
            self.all_there().await?;
            self.isolations.store(now, Ordering::Release);
        }
        Ok(())
    }

    async fn piece(self: Arc<Self>, piece: Piece) -> Result<FootageStream, FootageError> {
        let (n, range) = match piece {
            Piece::Bytes(bytes) => return Ok(once(Bytes::from(bytes))),
            Piece::Of { n, range } => (n, range),
        };
        let file = self.index.files[n].clone();
        match &file.clip {
            Some(clip) => {
                let id: ClipId = clip.parse().map_err(|e| odd(io::Error::other(e)))?;
                let bytes = self.footage.open(id).await?;
                if bytes.size_bytes() != file.size {
                    return Err(odd(io::Error::other("the clip has another length than when the package was made")));
                }
                Ok(bytes.read(range))
            }
            None if file.size > IN_MEMORY_BYTES => Ok(stretches(self.folder.join(&file.name), range)),
            None => {
                let path = self.folder.join(&file.name);
                let read = task::blocking("export", move || small(&path, &file));
                let bytes = read.await.map_err(|e| odd(io::Error::other(e)))?.map_err(odd)?;
                Ok(once(bytes.slice(range.start as usize..range.end as usize)))
            }
        }
    }
}

fn once(bytes: Bytes) -> FootageStream {
    Box::pin(stream::once(async move { Ok(bytes) }))
}

/// Length and checksum of a file, however long it is. Blocks.
fn looked_through(file: &mut File) -> io::Result<(u64, u32)> {
    digests::crc32(file, &mut vec![0; STRETCH_BYTES as usize])
}

/// A stretch of a long file, read as it is taken. Its checksum stands in the zip: whoever unpacks it compares.
fn stretches(path: PathBuf, range: Range<u64>) -> FootageStream {
    Box::pin(stream::try_unfold((path, range), |(path, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let (from, len) = (range.start, (range.end - range.start).min(STRETCH_BYTES));
        let at = path.clone();
        let read = task::blocking("export", move || -> io::Result<Bytes> {
            let mut bytes = vec![0; len as usize];
            File::open(at)?.read_exact_at(&mut bytes, from)?;
            Ok(bytes.into())
        });
        let bytes = read.await.map_err(|e| odd(io::Error::other(e)))?.map_err(odd)?;
        Ok(Some((bytes, (path, from + len..range.end))))
    }))
}

/// A small file, as it was when the package was finished.
fn small(path: &Path, file: &Indexed) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    File::open(path)?.take(file.size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != file.size || digests::of(&bytes, false).crc32 != file.crc32 {
        let words = format!("{} was changed since the package was finished; ask for another one", file.name);
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    Ok(bytes.into())
}

impl ClipBytes for Zip {
    fn size_bytes(&self) -> u64 {
        self.laid.len()
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream {
        let pieces = self.laid.pieces(&range);
        let zip = Arc::clone(&self);
        let bytes = stream::iter(pieces).then(move |piece| Arc::clone(&self).piece(piece)).try_flatten();
        Box::pin(bytes.and_then(move |bytes| {
            let zip = Arc::clone(&zip);
            async move { zip.unless_isolated().await.map(|()| bytes) }
        }))
    }
}
