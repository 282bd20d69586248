//! Reading sealed files: at any offset for uploads and players, and whole past the page cache for
//! verification.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;

use rustix::fs::{Advice, fadvise};

use super::{VaultError, failed};
use crate::domain::digest::Blake3;
use crate::domain::ports::{ByteSource, READ_ALIGN};

/// Reads in flight between the disk and the hasher: 4 blocks of 1 MiB.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCKS_IN_FLIGHT: usize = 3;

/// A sealed file, open for reading at any offset.
#[derive(Debug)]
pub struct SealedFile {
    file: File,
    /// The same past the page cache, where the file system has that.
    direct: Option<File>,
    len: u64,
}

impl SealedFile {
    /// Opens it.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let file = File::open(path).map_err(failed("opening", path))?;
        let len = file.metadata().map_err(failed("looking at", path))?.len();
        Ok(Self { file, direct: open_direct(path), len })
    }

    /// Reads past the page cache where everything is aligned; 0 where that cannot be, and the ordinary way goes on.
    /// Costs half the CPU of a copy through the cache, and takes nothing from what the cache is good for.
    fn read_direct(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let aligned = |n: usize| n.is_multiple_of(READ_ALIGN);
        let Some(direct) = &self.direct else { return Ok(0) };
        if !(aligned(buf.len()) && aligned(buf.as_ptr().addr()) && offset.is_multiple_of(READ_ALIGN as u64)) {
            return Ok(0);
        }
        read_block(direct, buf, offset).or_else(|e| if refused(&e) { Ok(0) } else { Err(e) })
    }
}

impl ByteSource for SealedFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = self.read_direct(offset, buf)?;
        if done == buf.len() {
            return Ok(done);
        }
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        // Footage is read once; kept, it would push everything else out of the box's memory. Advice only.
        let _ = fadvise(&self.file, offset, std::num::NonZeroU64::new(done as u64), Advice::DontNeed);
        Ok(done)
    }
}

/// Hashes a whole file as the disk holds it, past the page cache: O_DIRECT where the file system has it,
/// else after dropping the cached pages. The file must have been synced. Gives its length, too.
pub fn hash_uncached(path: &Path) -> Result<(Blake3, u64), VaultError> {
    hash_uncached_beside(path, |_| {})
}

/// The same, while `beside` gets every block in order: for another digest of the same reading, or to tell how far it is.
pub fn hash_uncached_beside(path: &Path, mut beside: impl FnMut(&[u8])) -> Result<(Blake3, u64), VaultError> {
    let plain = File::open(path).map_err(failed("opening", path))?;
    fadvise(&plain, 0, None, Advice::DontNeed).map_err(|e| failed("dropping the cache of", path)(e.into()))?;
    let direct = open_direct(path);
    let mut hasher = blake3::Hasher::new();
    let mut total = 0u64;
    std::thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel::<(Vec<u8>, usize, usize)>(BLOCKS_IN_FLIGHT);
        let (empty, recycled) = mpsc::channel::<Vec<u8>>();
        let reader = scope.spawn(move || -> io::Result<()> {
            let mut offset = 0u64;
            let mut direct = direct;
            loop {
                let mut block = recycled.try_recv().unwrap_or_else(|_| vec![0; BLOCK_BYTES + READ_ALIGN]);
                let start = block.as_ptr().align_offset(READ_ALIGN);
                let want = &mut block[start..start + BLOCK_BYTES];
                let n = match direct.as_ref().map(|d| read_block(d, want, offset)) {
                    Some(Ok(n)) => n,
                    // The file system, or a tail that is not aligned.
                    Some(Err(e)) if refused(&e) => {
                        direct = None;
                        read_block(&plain, want, offset)?
                    }
                    Some(Err(e)) => return Err(e),
                    None => read_block(&plain, want, offset)?,
                };
                if n == 0 {
                    return Ok(());
                }
                offset += n as u64;
                if full.send((block, start, n)).is_err() {
                    return Ok(());
                }
            }
        });
        for (block, start, n) in blocks {
            hasher.update(&block[start..start + n]);
            beside(&block[start..start + n]);
            total += n as u64;
            let _ = empty.send(block);
        }
        reader.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked")))
    })
    .map_err(failed("reading back", path))?;
    Ok((Blake3(*hasher.finalize().as_bytes()), total))
}

/// Open past the page cache; `None` where the file system does not have that.
fn open_direct(path: &Path) -> Option<File> {
    std::fs::OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32).open(path).ok()
}

/// Whether a direct read was refused as such: some file systems accept the flag and not the read, or want it aligned otherwise.
fn refused(e: &io::Error) -> bool {
    e.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error())
}

/// One read of a block; short only at the end of the file or where the kernel stops early.
fn read_block(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buf, offset) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_what_the_disk_holds() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0usize, 1, 4096, BLOCK_BYTES, 3 * BLOCK_BYTES + 17] {
            let path = dir.path().join(format!("{len}"));
            let data: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &data).unwrap();
            File::open(&path).unwrap().sync_all().unwrap();
            assert_eq!(hash_uncached(&path).unwrap(), (Blake3(*blake3::hash(&data).as_bytes()), len as u64));
            let sealed = SealedFile::open(&path).unwrap();
            let mut tail = vec![0; 32];
            let at = len.saturating_sub(10);
            let n = sealed.read_at(at as u64, &mut tail).unwrap();
            assert_eq!(&tail[..n], &data[at..]);
            // The same past the page cache, from every kind of offset to past the end.
            let mut buf = vec![0; 2 * BLOCK_BYTES + READ_ALIGN];
            let start = buf.as_ptr().align_offset(READ_ALIGN);
            let buf = &mut buf[start..start + 2 * BLOCK_BYTES];
            for at in [0, 1, READ_ALIGN, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, len, len + READ_ALIGN] {
                let n = sealed.read_at(at as u64, buf).unwrap();
                let expected = data.get(at..).unwrap_or_default();
                assert!(buf[..n] == expected[..expected.len().min(buf.len())], "{len} {at}");
            }
        }
        assert!(hash_uncached(&dir.path().join("none")).is_err());
    }
}
