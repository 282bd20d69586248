//! Where the files of a package go: a folder, or a zip that is called so once it is whole. Both can be gone on with.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

use crate::custody::package::digests::{Digests, Hashing};
use crate::custody::package::names::is_ours;
use crate::custody::package::zip::{Wanted, Zip, dos_time};
use crate::custody::package::{Facts, Folder, PackedClip};
use crate::domain::time::UtcMs;

/// A file that goes on does so at a multiple of this, so that reading its clip begins with whole groups of its tree.
const ALIGN: u64 = 1 << 20;

/// Where files go.
pub(super) enum Sink {
    /// Below this folder, with SM3 among the digests or not.
    Folder(PathBuf, bool),
    /// Into a zip; its path while it is not whole, and afterwards.
    Zip { zip: Box<Zip>, part: PathBuf, path: PathBuf },
}

/// `path` with another ending behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{ending}"));
    name.into()
}

impl Sink {
    /// Opens it; gives the digests of the clips that are there already, from the first on, where that is known at once.
    pub(super) fn open(
        to: &Path,
        is_zip: bool,
        facts: &Facts,
        zone: &jiff::tz::TimeZone,
        sm3: bool,
        clips: &[PackedClip],
    ) -> anyhow::Result<(Self, Vec<Digests>)> {
        if !is_zip {
            fs::create_dir_all(to.join("data/clips")).with_context(|| format!("{} cannot be written", to.display()))?;
            return Ok((Self::Folder(to.to_owned(), sm3), Vec::new()));
        }
        let part = beside(to, "part");
        let wanted = clips.iter().map(|c| Wanted { name: &c.path, size: c.size_bytes, sha256: &c.sha256 });
        let (zip, there) = Zip::open(&part, date(facts, zone), sm3, wanted)
            .with_context(|| format!("{} cannot be written", part.display()))?;
        Ok((Self::Zip { zip: Box::new(zip), part, path: to.to_owned() }, there))
    }

    /// The digests of the clip, if it is there, whole; a folder's file is read for that. Blocks.
    pub(super) fn has(&self, clip: &PackedClip) -> io::Result<Option<Digests>> {
        let Self::Folder(dir, sm3) = self else { return Ok(None) };
        let mut file = match File::open(dir.join(&clip.path)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        if file.metadata()?.len() != clip.size_bytes {
            return Ok(None);
        }
        let mut hashing = Hashing::new(*sm3 && clip.sm3.is_none());
        hash(&mut file, &mut hashing)?;
        let digests = hashing.finish();
        Ok((digests.sha256 == clip.sha256).then_some(digests))
    }

    /// How much of the clip an earlier run has written, as far as it is gone on with.
    pub(super) fn begun(&self, clip: &PackedClip) -> u64 {
        let Self::Folder(dir, _) = self else { return 0 };
        let len = fs::metadata(beside(&dir.join(&clip.path), "part")).map_or(0, |meta| meta.len());
        if len > clip.size_bytes { 0 } else { len / ALIGN * ALIGN }
    }

    /// Writes a clip from `from` on with what comes; gives its digests. Blocks.
    pub(super) fn write(&mut self, clip: &PackedClip, from: u64, mut bytes: Receiver<Bytes>) -> io::Result<Digests> {
        match self {
            Self::Folder(dir, sm3) => {
                let path = dir.join(&clip.path);
                let part = beside(&path, "part");
                let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&part)?;
                file.set_len(from)?;
                let mut hashing = Hashing::new(*sm3 && clip.sm3.is_none());
                hash(&mut file, &mut hashing)?;
                let mut len = from;
                while let Some(chunk) = bytes.blocking_recv() {
                    hashing.update_shared(&chunk);
                    file.write_all(&chunk)?;
                    len += chunk.len() as u64;
                }
                file.sync_data()?;
                if len == clip.size_bytes {
                    fs::rename(&part, &path)?;
                }
                Ok(hashing.finish())
            }
            Self::Zip { zip, .. } => {
                let mut entry = zip.begin(&clip.path, clip.size_bytes)?;
                while let Some(chunk) = bytes.blocking_recv() {
                    entry.write_shared(&chunk)?;
                }
                entry.end()
            }
        }
    }

    /// What was written of the clip is not it.
    pub(super) fn discard(&self, clip: &PackedClip) -> io::Result<()> {
        let Self::Folder(dir, _) = self else { return Ok(()) };
        match fs::remove_file(dir.join(&clip.path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// A small file.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let put = match self {
            Self::Folder(dir, _) => {
                let path = dir.join(name);
                let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
                parent.and_then(|()| fs::write(&path, bytes))
            }
            Self::Zip { zip, .. } => zip.begin(name, bytes.len() as u64).and_then(|mut entry| {
                entry.write(bytes)?;
                entry.end().map(|_| ())
            }),
        };
        put.with_context(|| format!("writing {name}: free space and run the same again, it goes on where it stopped"))
    }

    /// A file of `len` bytes that is too long for memory; gives what was read of it. Blocks.
    pub(super) fn bring(
        &mut self,
        name: &str,
        from: &mut File,
        len: u64,
        sm3: bool,
    ) -> anyhow::Result<(Digests, String)> {
        let (mut hashing, mut blake3) = (Hashing::new(sm3), blake3::Hasher::new());
        let mut each = |write: &mut dyn FnMut(&[u8]) -> io::Result<()>| -> io::Result<()> {
            let (mut block, mut done) = (vec![0; 1 << 20], 0);
            loop {
                let n = from.read(&mut block)?;
                done += n as u64;
                if n == 0 && done == len {
                    return Ok(());
                }
                if n == 0 || done > len {
                    return Err(io::Error::other("it has another length than was made"));
                }
                hashing.update(&block[..n]);
                blake3.update(&block[..n]);
                write(&block[..n])?;
            }
        };
        let brought = match self {
            Self::Folder(dir, _) => {
                let path = dir.join(name);
                let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
                parent.and_then(|()| {
                    let mut file = File::create(&path)?;
                    each(&mut |bytes| file.write_all(bytes))
                })
            }
            Self::Zip { zip, .. } => zip.begin(name, len).and_then(|mut entry| {
                each(&mut |bytes| entry.write(bytes))?;
                entry.end().map(|_| ())
            }),
        };
        brought.with_context(|| {
            format!("writing {name}: free space and run the same again, it goes on where it stopped")
        })?;
        Ok((hashing.finish(), blake3.finalize().to_hex().to_string()))
    }

    /// Removes what an earlier run wrote and the package does not hold: documents for which there is no typeface any more, events
    /// of a request that was begun anew. What nobody here wrote stays; whoever checks the package will ask about it. A zip is
    /// cut where it is gone on with. Blocks.
    pub(super) fn remove_all_but(&self, held: &BTreeSet<String>) -> anyhow::Result<()> {
        let Self::Folder(dir, _) = self else { return Ok(()) };
        let folder = Folder::at(dir);
        let (files, _) = folder.files().with_context(|| format!("{} cannot be read", dir.display()))?;
        for name in files.iter().filter(|name| is_ours(name) && !held.contains(*name)) {
            fs::remove_file(dir.join(name)).with_context(|| format!("removing {name}, which is of an earlier run"))?;
        }
        Ok(())
    }

    /// Everything is on disk when this returns, and called what it was to be called.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Folder(dir, _) => {
                // Hundreds of small files: one call for the file system is much less than one for each.
                let open = File::open(&dir)?;
                rustix::fs::syncfs(&open).with_context(|| format!("{} cannot be brought to disk", dir.display()))
            }
            Self::Zip { zip, part, path } => {
                zip.finish().with_context(|| format!("{} cannot be finished", part.display()))?;
                fs::rename(&part, &path).with_context(|| format!("{} cannot be called so", path.display()))?;
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                Ok(File::open(parent)?.sync_all()?)
            }
        }
    }
}

/// The date of every file of a zip: of the same request always the same, so that what goes on is the same file.
pub(super) fn date(facts: &Facts, zone: &jiff::tz::TimeZone) -> u32 {
    dos_time(&UtcMs::parse_rfc3339(&facts.asked_at).unwrap_or_default().zoned(zone))
}

fn hash(file: &mut File, hashing: &mut Hashing) -> io::Result<()> {
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            n => hashing.update(&block[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_run_left_goes_and_what_others_put_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            "1-README.html",
            "1-README.pdf",
            "sm3sums.txt",
            "data/clips/001_a.mp4",
            "data/clips/002_b.mp4.part",
            "custody/events/000000000007.json",
            "custody/events/000000000008.json",
            "读我.txt",
            "data/clips/notes.txt",
            ".evidock-export.json",
        ];
        for name in all {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let held = ["1-README.html", "data/clips/001_a.mp4", "custody/events/000000000007.json"];
        let sink = Sink::Folder(dir.path().to_owned(), false);
        sink.remove_all_but(&held.map(str::to_owned).into()).unwrap();
        let mut left = [&held[..], &["读我.txt", "data/clips/notes.txt", ".evidock-export.json"]].concat();
        left.sort_unstable();
        assert_eq!(Folder::at(dir.path()).files().unwrap().0, left);
    }
}
