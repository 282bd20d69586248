//! A card for the figure `usb_read`: makes an image with one file on it, and reads that file as the daemon would read
//! it from a recorder on USB. Used by `scripts/bench`; no part of the program.
//!
//! ```text
//! card make IMAGE BYTES            an exFAT image with one file of that many bytes
//! card read IMAGE PROGRAM          reads it; tells its offset in the image, its bytes and the seconds it took
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use evidock::domain::ports::Shelf;
use evidock::domain::recorder::{ShelfIdentity, SourcePath};
use evidock::runtime::clock::monotonic;
use evidock::source::usb::disk::blocks::Blocks;
use evidock::source::usb::disk::files::Disk;
use evidock::source::usb::disk::{DiskImage, DiskShelf};
use hadris_fat::exfat::{self, ExFatOptions, sync::ExFatFs};
use hadris_fs::{MountOptions, Name, SetAttr};
use hadris_io::ErrorType;
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};

/// The file's name on the card.
const NAME: &str = "clip.mp4";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", image, bytes] => make(Path::new(image), bytes.parse()?),
        ["read", image, program] => read(Path::new(image), Path::new(program)),
        _ => Err("card make IMAGE BYTES | card read IMAGE PROGRAM".into()),
    }
}

fn make(image: &Path, bytes: u64) -> Result<(), Box<dyn Error>> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(image)?;
    let whole = bytes + (64 << 20);
    file.set_len(whole)?;
    let mut card = Card(file, whole / 512);
    exfat::sync::format(&mut card, &ExFatOptions::new()).map_err(words)?;
    let mut fs = ExFatFs::mount(card, MountOptions::new()).map_err(words)?;
    let root = fs.root();
    let node = fs.create(root, Name::new(NAME), &SetAttr::new()).map_err(words)?;
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        // Nothing on the way can guess it or leave it out.
        blake3::Hasher::new().update(&at.to_le_bytes()).finalize_xof().fill(&mut block);
        let n = usize::try_from(bytes - at)?.min(block.len());
        at += fs.write(node, at, &block[..n]).map_err(words)? as u64;
    }
    fs.close(node).map_err(words)?;
    let card = fs.unmount().map_err(words)?;
    Ok(card.0.sync_all()?)
}

fn read(image: &Path, program: &Path) -> Result<(), Box<dyn Error>> {
    let rights = Arc::new(DiskImage::new(image));
    let shelf = DiskShelf::with_program(program.to_owned(), rights, ShelfIdentity::default(), true)?;
    let listed = shelf.list()?.files;
    let began = monotonic();
    let mut reader = shelf.open(&SourcePath::new(NAME), 0)?;
    let (mut block, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        match reader.read(&mut block)? {
            0 => break,
            n => bytes += n as u64,
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    if listed.first().map(|f| f.size_bytes) != Some(bytes) {
        return Err("another length than listed".into());
    }
    let file = File::open(image)?;
    let len = file.metadata()?.len();
    let mut disk = Disk::open(Blocks::new(Box::new(file), len), 512)?;
    let (n, entry) = disk.find(NAME.as_bytes())?.ok_or("no file")?;
    let pieces = disk.volumes[n].pieces(&mut disk.blocks, &entry, 0, 2)?.pieces;
    let [piece] = pieces.as_slice() else { return Err("the file is in pieces".into()) };
    writeln!(io::stdout(), "{} {bytes} {seconds:.6}", piece.disk.ok_or("no place")?)?;
    Ok(())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

struct Card(File, u64);

impl ErrorType for Card {
    type Error = io::Error;
}

impl BlockDevice for Card {
    fn block_size(&self) -> BlockSize {
        const SIZE: BlockSize = match BlockSize::new(512) {
            Some(size) => size,
            None => panic!(),
        };
        SIZE
    }

    fn block_count(&self) -> u64 {
        self.1
    }

    fn writable(&self) -> bool {
        true
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), hadris_io::Error<io::Error>> {
        self.0.read_exact_at(buf, first.get() * 512).map_err(|e| hadris_io::Error::device(e, "reading"))
    }

    fn write_blocks(&mut self, first: BlockIndex, buf: &[u8]) -> Result<(), hadris_io::Error<io::Error>> {
        self.0.write_all_at(buf, first.get() * 512).map_err(|e| hadris_io::Error::device(e, "writing"))
    }
}
