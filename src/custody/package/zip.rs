//! Zip files as packages need them: entries stored as they are, one after the other, with their lengths known before
//! their first byte, of any length (ZIP64), names in UTF-8. Writing can be interrupted and gone on with: what stands
//! there already is walked through from the beginning, and everything from the first entry on that is not whole is
//! written again. (PKWARE APPNOTE 6.3.10.)
//!
//! Footage does not get smaller by compressing it, and an entry that is stored can be carved out of a damaged file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::Bytes;

use super::digests::{Digests, Hashing};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const END64_LOCATOR: u32 = 0x0706_4b50;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// A length or offset that stands in the ZIP64 field instead.
const ELSEWHERE: u32 = u32::MAX;
/// ZIP64 needs version 4.5 of the format, everything else 2.0.
const VERSION_64: u16 = 45;
const VERSION: u16 = 20;
/// Fixed part of a local header; where the CRC stands in it.
const LOCAL_BYTES: u64 = 30;
const CRC_AT: u64 = 14;

/// An entry that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub at: u64,
    pub size: u64,
    pub crc: u32,
}

/// What an entry must be to count as there.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest, hex.
    pub sha256: &'a str,
}

/// A zip file that is being written.
#[derive(Debug)]
pub struct Zip {
    file: BufWriter<File>,
    /// Where the next byte goes.
    at: u64,
    entries: Vec<Entry>,
    /// Date and time of every entry, in the form of DOS.
    dos_time: u32,
    /// Digests are taken with SM3, too.
    sm3: bool,
}

impl Zip {
    /// Opens or begins the file at `path`, and keeps the entries at its beginning that are what `wanted` says, in its
    /// order. Gives the digests of those that were kept. `dos_time` is the date of every entry.
    pub fn open<'a>(
        path: &Path,
        dos_time: u32,
        sm3: bool,
        wanted: impl IntoIterator<Item = Wanted<'a>>,
    ) -> io::Result<(Self, Vec<Digests>)> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        let (mut at, mut entries, mut there) = (0, Vec::new(), Vec::new());
        let mut reader = BufReader::with_capacity(1 << 20, file.try_clone()?);
        for wanted in wanted {
            reader.seek(SeekFrom::Start(at))?;
            match kept(&mut reader, &wanted, sm3)? {
                Some((digests, len)) => {
                    entries.push(Entry { name: wanted.name.to_owned(), at, size: wanted.size, crc: digests.crc32 });
                    there.push(digests);
                    at += len;
                }
                None => break,
            }
        }
        file.set_len(at)?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.seek(SeekFrom::Start(at))?;
        Ok((Self { file, at, entries, dos_time, sm3 }, there))
    }

    /// Begins an entry of `size` bytes.
    pub fn begin(&mut self, name: &str, size: u64) -> io::Result<Writing<'_>> {
        let entry = Entry { name: name.to_owned(), at: self.at, size, crc: 0 };
        let header = local(&entry, self.dos_time);
        self.file.write_all(&header)?;
        self.at += header.len() as u64;
        let hashing = Hashing::new(self.sm3);
        Ok(Writing { zip: self, entry, written: 0, hashing })
    }

    /// Writes the directory; the file is whole and on disk when this returns.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&directory(&self.entries, self.at, self.dos_time))?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// An entry that is being written. One that is dropped before its end is written again by whoever goes on.
pub struct Writing<'z> {
    zip: &'z mut Zip,
    entry: Entry,
    written: u64,
    hashing: Hashing,
}

impl Writing<'_> {
    /// More of its bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hashing.update(bytes);
        self.append(bytes)
    }

    /// More of its bytes, which others may hold, too.
    pub fn write_shared(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.hashing.update_shared(bytes);
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        if self.written > self.entry.size {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an entry got longer than was announced"));
        }
        self.zip.file.write_all(bytes)?;
        self.zip.at += bytes.len() as u64;
        Ok(())
    }

    /// Its end; gives its digests.
    pub fn end(self) -> io::Result<Digests> {
        if self.written != self.entry.size {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an entry is shorter than was announced"));
        }
        let (zip, digests) = (self.zip, self.hashing.finish());
        // The header was written before anybody knew the checksum. Until it stands there the entry is not whole.
        zip.file.seek(SeekFrom::Start(self.entry.at + CRC_AT))?;
        zip.file.write_all(&digests.crc32.to_le_bytes())?;
        zip.file.seek(SeekFrom::Start(zip.at))?;
        zip.entries.push(Entry { crc: digests.crc32, ..self.entry });
        Ok(digests)
    }
}

/// The digests and length in the file of the entry at the reader's place, if it is the one that is wanted, whole.
fn kept(reader: &mut impl Read, wanted: &Wanted<'_>, sm3: bool) -> io::Result<Option<(Digests, u64)>> {
    let mut read = |buf: &mut [u8]| match reader.read_exact(buf) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    };
    // The header that we would write, but for the CRC, which only a look at the bytes can tell.
    let expected = local(&Entry { name: wanted.name.to_owned(), at: 0, size: wanted.size, crc: 0 }, 0);
    let mut header = vec![0; expected.len()];
    if !read(&mut header)? {
        return Ok(None);
    }
    let same = |from: usize, to: usize| header[from..to] == expected[from..to];
    if !same(0, 10) || !same(18, expected.len()) {
        return Ok(None);
    }
    let (mut left, mut hashing, mut block) = (wanted.size, Hashing::new(sm3), vec![0; 1 << 20]);
    while left > 0 {
        let n = left.min(block.len() as u64) as usize;
        if !read(&mut block[..n])? {
            return Ok(None);
        }
        hashing.update(&block[..n]);
        left -= n as u64;
    }
    let digests = hashing.finish();
    let whole = header[14..18] == digests.crc32.to_le_bytes() && digests.sha256 == wanted.sha256;
    Ok(whole.then_some((digests, expected.len() as u64 + wanted.size)))
}

/// The directory of these entries and everything behind it, for a file whose entries end at `start`.
pub(super) fn directory(entries: &[Entry], start: u64, dos_time: u32) -> Vec<u8> {
    let mut end: Vec<u8> = entries.iter().flat_map(|entry| central(entry, dos_time)).collect();
    let (count, len) = (entries.len() as u64, end.len() as u64);
    if count >= 0xffff || len >= u64::from(ELSEWHERE) || start >= u64::from(ELSEWHERE) {
        put32(&mut end, END64);
        put64(&mut end, 44);
        put16(&mut end, VERSION_64);
        put16(&mut end, VERSION_64);
        put64(&mut end, 0); // This disk, and the directory's.
        for n in [count, count, len, start] {
            put64(&mut end, n);
        }
        put32(&mut end, END64_LOCATOR);
        put32(&mut end, 0);
        put64(&mut end, start + len);
        put32(&mut end, 1);
    }
    put32(&mut end, END);
    put32(&mut end, 0);
    let short = count.min(0xffff) as u16;
    put16(&mut end, short);
    put16(&mut end, short);
    put32(&mut end, clamped(len));
    put32(&mut end, clamped(start));
    put16(&mut end, 0);
    end
}

pub(super) fn local(entry: &Entry, dos_time: u32) -> Vec<u8> {
    let long = entry.size >= u64::from(ELSEWHERE);
    let mut header = Vec::with_capacity(LOCAL_BYTES as usize + entry.name.len() + 20);
    put32(&mut header, LOCAL);
    put16(&mut header, if long { VERSION_64 } else { VERSION });
    put16(&mut header, UTF8);
    put16(&mut header, 0); // Stored.
    put32(&mut header, dos_time);
    put32(&mut header, entry.crc);
    put32(&mut header, if long { ELSEWHERE } else { entry.size as u32 });
    put32(&mut header, if long { ELSEWHERE } else { entry.size as u32 });
    put16(&mut header, entry.name.len() as u16);
    put16(&mut header, if long { 20 } else { 0 });
    header.extend_from_slice(entry.name.as_bytes());
    if long {
        put16(&mut header, 1);
        put16(&mut header, 16);
        put64(&mut header, entry.size);
        put64(&mut header, entry.size);
    }
    header
}

fn central(entry: &Entry, dos_time: u32) -> Vec<u8> {
    let mut extra = Vec::new();
    if entry.size >= u64::from(ELSEWHERE) {
        put64(&mut extra, entry.size);
        put64(&mut extra, entry.size);
    }
    if entry.at >= u64::from(ELSEWHERE) {
        put64(&mut extra, entry.at);
    }
    let long = !extra.is_empty();
    let mut record = Vec::new();
    put32(&mut record, CENTRAL);
    put16(&mut record, 3 << 8 | VERSION_64); // Made on Unix, so that the permissions below mean something.
    put16(&mut record, if long { VERSION_64 } else { VERSION });
    put16(&mut record, UTF8);
    put16(&mut record, 0);
    put32(&mut record, dos_time);
    put32(&mut record, entry.crc);
    put32(&mut record, clamped(entry.size));
    put32(&mut record, clamped(entry.size));
    put16(&mut record, entry.name.len() as u16);
    put16(&mut record, if long { extra.len() as u16 + 4 } else { 0 });
    put16(&mut record, 0);
    put16(&mut record, 0);
    put16(&mut record, 0);
    put32(&mut record, 0o100_644 << 16);
    put32(&mut record, clamped(entry.at));
    record.extend_from_slice(entry.name.as_bytes());
    if long {
        put16(&mut record, 1);
        put16(&mut record, extra.len() as u16);
        record.extend_from_slice(&extra);
    }
    record
}

fn clamped(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(ELSEWHERE)
}

fn put16(to: &mut Vec<u8>, n: u16) {
    to.extend_from_slice(&n.to_le_bytes());
}

fn put32(to: &mut Vec<u8>, n: u32) {
    to.extend_from_slice(&n.to_le_bytes());
}

fn put64(to: &mut Vec<u8>, n: u64) {
    to.extend_from_slice(&n.to_le_bytes());
}

/// Date and time in the form of DOS: local, even seconds, from 1980 on.
pub fn dos_time(at: &jiff::Zoned) -> u32 {
    let (date, time) = (at.date(), at.time());
    if date.year() < 1980 || date.year() > 2107 {
        return 0x0021 << 16;
    }
    let date = (date.year() as u32 - 1980) << 9 | (date.month() as u32) << 5 | date.day() as u32;
    let two_seconds = time.second() as u32 / 2;
    let time = ((time.hour() as u32) << 11) | ((time.minute() as u32) << 5) | two_seconds;
    date << 16 | time
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::custody::package::digests;

    const FILES: [(&str, &[u8]); 4] =
        [("a.txt", b"first"), ("data/b.bin", &[7; 70_000]), ("空.txt", b""), ("c", b"last")];

    fn write_all(zip: &mut Zip, from: usize) {
        for (name, bytes) in &FILES[from..] {
            let mut entry = zip.begin(name, bytes.len() as u64).unwrap();
            bytes.chunks(1000).for_each(|chunk| entry.write(chunk).unwrap());
            assert_eq!(entry.end().unwrap(), digests::of(bytes, false));
        }
    }

    fn sha256s() -> Vec<String> {
        FILES.iter().map(|(_, bytes)| digests::of(bytes, false).sha256).collect()
    }

    fn wanted(digests: &[String]) -> Vec<Wanted<'_>> {
        FILES
            .iter()
            .zip(digests)
            .map(|((name, bytes), sha256)| Wanted { name, size: bytes.len() as u64, sha256 })
            .collect()
    }

    /// Python's zipfile reads it, compares every checksum and gives the names.
    fn read_by_another(path: &Path) -> String {
        let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
            for i in z.infolist(): print(i.filename, i.file_size)";
        let output = Command::new("python3").args(["-c", script]).arg(path).output().expect("run `scripts/setup test`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn another_program_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        let (mut zip, kept) = Zip::open(&path, 0x5cd3_5062, false, []).unwrap();
        assert!(kept.is_empty());
        write_all(&mut zip, 0);
        zip.finish().unwrap();
        assert_eq!(read_by_another(&path), "a.txt 5\ndata/b.bin 70000\n空.txt 0\nc 4\n");
    }

    /// Cut at every place that matters, and with a byte turned: what goes on ends with the same file.
    #[test]
    fn an_interrupted_file_goes_on_to_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, part) = (dir.path().join("whole.zip"), dir.path().join("part.zip"));
        let (mut zip, _) = Zip::open(&whole, 1, false, []).unwrap();
        write_all(&mut zip, 0);
        zip.finish().unwrap();
        let bytes = std::fs::read(&whole).unwrap();
        let sha256s = sha256s();
        for (cut, expected) in
            [(0, 0), (10, 0), (39, 0), (40, 1), (41, 1), (60_000, 1), (70_080, 2), (bytes.len() - 3, 4)]
        {
            std::fs::write(&part, &bytes[..cut]).unwrap();
            let (mut zip, kept) = Zip::open(&part, 1, false, wanted(&sha256s)).unwrap();
            assert_eq!(kept.len(), expected, "{cut}");
            write_all(&mut zip, kept.len());
            zip.finish().unwrap();
            assert!(std::fs::read(&part).unwrap() == bytes, "{cut}");
        }
        let mut changed = bytes.clone();
        changed[50_000] ^= 1;
        std::fs::write(&part, &changed).unwrap();
        assert_eq!(
            Zip::open(&part, 1, false, wanted(&sha256s)).unwrap().1.len(),
            1,
            "an entry with another byte is written again"
        );
    }

    #[test]
    fn lengths_are_kept_to() {
        let dir = tempfile::tempdir().unwrap();
        let (mut zip, _) = Zip::open(&dir.path().join("x"), 0, false, []).unwrap();
        assert!(zip.begin("a", 3).unwrap().write(b"four").is_err());
        assert!(zip.begin("b", 3).unwrap().end().is_err());
    }

    #[test]
    fn long_entries_and_far_ones_have_their_numbers_elsewhere() {
        let far = Entry { name: "n".into(), at: 5 << 32, size: 6 << 32, crc: 0 };
        let (local, central) = (local(&far, 0), central(&far, 0));
        assert_eq!(local[18..26], [0xff; 8]);
        assert_eq!(local[local.len() - 8..], (6u64 << 32).to_le_bytes());
        assert_eq!(central[42..46], [0xff; 4]);
        assert_eq!(central[central.len() - 8..], (5u64 << 32).to_le_bytes());
    }

    #[test]
    fn dates_are_those_of_dos() {
        let at = jiff::civil::date(2026, 6, 19).at(10, 3, 24, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        assert_eq!(dos_time(&at), (46 << 9 | 6 << 5 | 19) << 16 | (10 << 11 | 3 << 5 | 12));
    }
}
