//! The zip around a workbook (PKWARE APPNOTE 6.3.10): parts that nobody changed are copied as they are packed, others are
//! packed anew. Every length in it is a claim of the file's and is checked against the file.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const MAX_COMMENT: usize = 65_535;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// 1 January 1980, the earliest date of the format: equal content makes equal files.
const NO_DATE: u32 = 0x0021_0000;
/// Parts of a workbook; real ones have a few dozen.
const MAX_PARTS: usize = 4096;
/// One part unpacked, bytes; a form has no more.
const PART_BYTES: u64 = 64 << 20;

/// A part as it is packed.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: String,
    method: u16,
    crc: u32,
    packed: Vec<u8>,
    size: u32,
}

impl Part {
    /// Packs `bytes`.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
        // Memory takes everything.
        let _ = packer.write_all(bytes);
        let packed = packer.finish().unwrap_or_default();
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        Self { name: name.to_owned(), method: 8, crc: crc.sum(), packed, size: bytes.len() as u32 }
    }

    /// Its text; why not, in words.
    pub fn text(&self) -> Result<String, String> {
        let mut out = Vec::new();
        let read = match self.method {
            0 => self.packed.as_slice().take(PART_BYTES + 1).read_to_end(&mut out),
            8 => DeflateDecoder::new(self.packed.as_slice()).take(PART_BYTES + 1).read_to_end(&mut out),
            other => return Err(format!("{} is packed by method {other}", self.name)),
        };
        let len = read.map_err(|e| format!("{}: {e}", self.name))? as u64;
        if len > PART_BYTES {
            return Err(format!("{} is longer than {} MB unpacked", self.name, PART_BYTES >> 20));
        }
        String::from_utf8(out).map_err(|_| format!("{} is not UTF-8", self.name))
    }
}

/// The parts of a workbook, in their order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Part>, String> {
    let cut = || "it is cut off or damaged".to_owned();
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err("it is an older .xls, or one with a password; save it as .xlsx without a password".to_owned());
    }
    let from = bytes.len().saturating_sub(END_BYTES + MAX_COMMENT);
    let end = bytes[from..]
        .windows(4)
        .rposition(|w| w == END.to_le_bytes())
        .map(|at| from + at)
        .filter(|at| at + END_BYTES <= bytes.len())
        .ok_or("it is no .xlsx file, or it is cut off")?;
    let count = usize::from(u16_at(bytes, end + 10).ok_or_else(cut)?);
    if count > MAX_PARTS {
        return Err(format!("it has more than {MAX_PARTS} parts"));
    }
    let mut at = u32_at(bytes, end + 16).ok_or_else(cut)? as usize;
    let (mut parts, mut names) = (Vec::new(), BTreeSet::new());
    for _ in 0..count {
        let part = (|| {
            let field16 = |off| u16_at(bytes, at.checked_add(off)?);
            let field32 = |off| u32_at(bytes, at.checked_add(off)?);
            if field32(0)? != CENTRAL || field16(8)? & 1 != 0 {
                return None;
            }
            let (method, crc, packed, size) = (field16(10)?, field32(16)?, field32(20)? as usize, field32(24)?);
            let [name, extra, comment] = [field16(28)?, field16(30)?, field16(32)?].map(usize::from);
            let local = field32(42)? as usize;
            let text = String::from_utf8(bytes.get(at + 46..at + 46 + name)?.to_vec()).ok()?;
            if u32_at(bytes, local)? != LOCAL {
                return None;
            }
            let skip = usize::from(u16_at(bytes, local + 26)?) + usize::from(u16_at(bytes, local + 28)?);
            let begin = local.checked_add(30 + skip)?;
            let data = bytes.get(begin..begin.checked_add(packed)?)?.to_vec();
            at += 46 + name + extra + comment;
            Some(Part { name: text, method, crc, packed: data, size })
        })()
        .ok_or_else(cut)?;
        // Two parts of one name are two workbooks, depending on who reads.
        if !names.insert(part.name.clone()) {
            return Err(format!("{} stands in it twice", part.name));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Writes parts as one file.
pub(super) fn write(parts: &[Part]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for part in parts {
        let at = out.len() as u32;
        // The tail that local header and directory share.
        let mut common = Vec::new();
        put16(&mut common, UTF8);
        put16(&mut common, part.method);
        put32(&mut common, NO_DATE);
        put32(&mut common, part.crc);
        put32(&mut common, part.packed.len() as u32);
        put32(&mut common, part.size);
        put16(&mut common, part.name.len() as u16);
        put16(&mut common, 0);
        put32(&mut out, LOCAL);
        put16(&mut out, 20);
        out.extend_from_slice(&common);
        out.extend_from_slice(part.name.as_bytes());
        out.extend_from_slice(&part.packed);
        put32(&mut directory, CENTRAL);
        put16(&mut directory, 20);
        put16(&mut directory, 20);
        directory.extend_from_slice(&common);
        for _ in 0..3 {
            put16(&mut directory, 0); // Comment, disk, internal attributes.
        }
        put32(&mut directory, 0);
        put32(&mut directory, at);
        directory.extend_from_slice(part.name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend_from_slice(&directory);
    put32(&mut out, END);
    put32(&mut out, 0);
    put16(&mut out, parts.len() as u16);
    put16(&mut out, parts.len() as u16);
    put32(&mut out, directory.len() as u32);
    put32(&mut out, start);
    put16(&mut out, 0);
    out
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn put16(to: &mut Vec<u8>, n: u16) {
    to.extend_from_slice(&n.to_le_bytes());
}

fn put32(to: &mut Vec<u8>, n: u32) {
    to.extend_from_slice(&n.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_no_cut_or_turned_byte_panics() {
        let parts = [Part::new("a.xml", b"<a/>"), Part::new("b/\u{5355}.xml", &[b'x'; 5_000])];
        let bytes = write(&parts);
        let back = read(&bytes).unwrap();
        assert_eq!(back.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a.xml", "b/\u{5355}.xml"]);
        assert_eq!((back[0].text().unwrap(), back[1].text().unwrap().len()), ("<a/>".into(), 5_000));
        assert_eq!(write(&back), bytes, "what nobody changed is written as it was");
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 0xff;
            if let Ok(parts) = read(&turned) {
                parts.iter().for_each(|p| drop(p.text()));
            }
        }
        let twice = write(&[parts[0].clone(), parts[0].clone()]);
        assert!(read(&twice).unwrap_err().contains("twice"));
        assert!(read(&[0xd0, 0xcf, 0x11, 0xe0, 0, 0]).unwrap_err().contains(".xls"));
    }

    #[test]
    fn a_part_that_unpacks_to_too_much_is_refused() {
        let bomb = Part::new("xl/worksheets/sheet1.xml", &vec![b' '; (PART_BYTES + 1) as usize]);
        assert!(bomb.text().unwrap_err().contains("64 MB"));
    }
}
