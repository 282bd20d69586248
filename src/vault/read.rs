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
use crate::domain::ports::ByteSource;

/// Reads in flight between the disk and the hasher: 4 blocks of 1 MiB.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCKS_IN_FLIGHT: usize = 3;
/// O_DIRECT wants buffers and offsets aligned to the device's blocks; 4 KiB fits every disk we know.
const ALIGN: usize = 4096;

/// A sealed file, open for reading at any offset.
#[derive(Debug)]
pub struct SealedFile {
    file: File,
    len: u64,
}

impl SealedFile {
    /// Opens it.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let file = File::open(path).map_err(failed("opening", path))?;
        let len = file.metadata().map_err(failed("looking at", path))?.len();
        Ok(Self { file, len })
    }
}

impl ByteSource for SealedFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
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
    let plain = File::open(path).map_err(failed("opening", path))?;
    fadvise(&plain, 0, None, Advice::DontNeed).map_err(|e| failed("dropping the cache of", path)(e.into()))?;
    let direct =
        std::fs::OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32).open(path).ok();
    let mut hasher = blake3::Hasher::new();
    let mut total = 0u64;
    std::thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel::<(Vec<u8>, usize, usize)>(BLOCKS_IN_FLIGHT);
        let (empty, recycled) = mpsc::channel::<Vec<u8>>();
        let reader = scope.spawn(move || -> io::Result<()> {
            let mut offset = 0u64;
            let mut direct = direct;
            loop {
                let mut block = recycled.try_recv().unwrap_or_else(|_| vec![0; BLOCK_BYTES + ALIGN]);
                let start = block.as_ptr().align_offset(ALIGN);
                let want = &mut block[start..start + BLOCK_BYTES];
                let n = match direct.as_ref().map(|d| read_block(d, want, offset)) {
                    Some(Ok(n)) => n,
                    // Some file systems accept the flag and refuse the read; and a tail that is not aligned.
                    Some(Err(e)) if e.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
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
            total += n as u64;
            let _ = empty.send(block);
        }
        reader.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked")))
    })
    .map_err(failed("reading back", path))?;
    Ok((Blake3(*hasher.finalize().as_bytes()), total))
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
        }
        assert!(hash_uncached(&dir.path().join("none")).is_err());
    }
}
