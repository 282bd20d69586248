//! Whether the boxes of an MP4 or QuickTime file fit the file and each other (ISO/IEC 14496-12 section 4.2). Owns the
//! judgement "whole, cut, contradictory", which parsers and players do not give, and counts the samples that an
//! index announces before anybody builds a list of them. Pure over [`ReadAt`]; facts are read elsewhere.

use std::io;
use std::ops::Range;

use super::structure::{ReadAt, Verdict};

/// What the boxes tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Whether they fit.
    pub verdict: Verdict,
    /// It begins with a brand; QuickTime files from before brands do not.
    pub branded: bool,
    /// It has an index.
    pub indexed: bool,
    /// Samples announced by the index and the fragments.
    pub samples: u64,
}

/// An hour in fragments of one frame each is 90,000 boxes times two.
const BOXES_MAX: u32 = 1_000_000;

/// The index of a 100-hour recording is below 200 MiB; a larger one is an attack on memory.
const INDEX_MAX_BYTES: u64 = 256 << 20;

/// Boxes that hold boxes and nothing else, on the way to the sample tables.
const CONTAINERS: [&[u8; 4]; 8] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"];

/// Walks the boxes of a file.
pub fn outline(file: &impl ReadAt) -> io::Result<Outline> {
    let mut walk = Walk { branded: false, index: None, media: 0, last: *b"    ", samples: 0, problem: None };
    walk.file(file)?;
    let verdict = match walk.problem.take() {
        Some(problem) => problem,
        None => walk.conclude(),
    };
    Ok(Outline { verdict, branded: walk.branded, indexed: walk.index.is_some(), samples: walk.samples })
}

struct Walk {
    branded: bool,
    index: Option<u64>,
    media: u32,
    last: [u8; 4],
    samples: u64,
    problem: Option<Verdict>,
}

impl Walk {
    fn file(&mut self, file: &impl ReadAt) -> io::Result<()> {
        let mut at = 0;
        for _ in 0..BOXES_MAX {
            if at >= file.size_bytes() {
                return Ok(());
            }
            let mut head = [0; 16];
            let n = file.read_at(at, &mut head)?;
            let Some(found) = Header::parse(&head[..n]) else {
                if head[..n].iter().any(|b| *b != 0) {
                    self.problem = Some(Verdict::Truncated(format!("it ends inside the header of a box at byte {at}")));
                }
                return Ok(());
            };
            // Some recorders reserve space and fill it with zeros: what stands before is judged by itself.
            if found.kind == [0; 4] && found.size == Some(0) {
                return Ok(());
            }
            let name = printable(found.kind);
            let Some(size) = found.size.filter(|s| found.has_name() && (*s == 0 || *s >= found.header_bytes)) else {
                self.problem = Some(Verdict::Broken(format!("there is no box at byte {at}")));
                return Ok(());
            };
            // Length 0 means "to the end of the file", which is also how an unfinished recording looks.
            let end = if size == 0 { file.size_bytes() } else { at.saturating_add(size) };
            self.enter(found.kind, at);
            if end > file.size_bytes() {
                let more = end - file.size_bytes();
                self.problem =
                    Some(Verdict::Truncated(format!("its box '{name}' says that {more} more bytes should follow")));
                return Ok(());
            }
            if matches!(&found.kind, b"moov" | b"moof") {
                self.index(file, at + found.header_bytes..end)?;
                if self.problem.is_some() {
                    return Ok(());
                }
            }
            at = end;
        }
        self.problem = Some(Verdict::Broken("it has more boxes than any recording".to_owned()));
        Ok(())
    }

    fn enter(&mut self, kind: [u8; 4], at: u64) {
        match &kind {
            b"ftyp" => self.branded |= at == 0,
            b"moov" => self.index = Some(at),
            b"mdat" => self.media += 1,
            _ => {}
        }
        if matches!(&kind, b"moof" | b"mdat") {
            self.last = kind;
        }
    }

    fn conclude(&self) -> Verdict {
        match (self.index, self.media, &self.last) {
            (None, 0, _) => Verdict::Broken("it has neither an index nor media".to_owned()),
            (None, ..) => Verdict::Truncated("its index (moov) is missing, as when a recorder loses power".to_owned()),
            (Some(_), _, b"moof") => Verdict::Truncated("the media of its last fragment is missing".to_owned()),
            (Some(_), 0, _) => Verdict::Truncated("its media (mdat) is missing".to_owned()),
            _ => Verdict::Whole,
        }
    }

    /// Checks the boxes inside one index, read into memory at once: there are many and they are small.
    fn index(&mut self, file: &impl ReadAt, range: Range<u64>) -> io::Result<()> {
        let len = range.end.saturating_sub(range.start);
        let Some(len) = usize::try_from(len).ok().filter(|_| len <= INDEX_MAX_BYTES) else {
            self.problem = Some(Verdict::Broken(format!("its index claims {len} bytes")));
            return Ok(());
        };
        let mut bytes = vec![0; len];
        let n = file.read_at(range.start, &mut bytes)?;
        self.children(&bytes[..n], range.start, 0);
        Ok(())
    }

    fn children(&mut self, bytes: &[u8], start: u64, depth: u8) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|r| r.len() >= 8) {
            let place = start + at as u64;
            let fits = Header::parse(rest).and_then(|h| {
                let size = match h.size? {
                    0 => rest.len(),
                    size => usize::try_from(size).ok()?,
                };
                let body = rest.get(usize::try_from(h.header_bytes).ok()?..size)?;
                h.has_name().then_some((h, size, body))
            });
            let Some((header, size, body)) = fits else {
                self.problem = Some(Verdict::Broken(format!("the index contradicts itself at byte {place}")));
                return;
            };
            match &header.kind {
                // Version and flags, then: fixed size and count; count.
                b"stsz" => self.count(body, 8),
                b"stz2" | b"trun" => self.count(body, if &header.kind == b"trun" { 4 } else { 8 }),
                kind if depth < 8 && CONTAINERS.contains(&kind) => {
                    self.children(body, place + header.header_bytes, depth + 1);
                }
                _ => {}
            }
            if self.problem.is_some() {
                return;
            }
            at += size;
        }
    }

    fn count(&mut self, body: &[u8], at: usize) {
        if let Some(count) = body.get(at..at + 4).and_then(|b| b.try_into().ok()) {
            self.samples += u64::from(u32::from_be_bytes(count));
        }
    }
}

struct Header {
    kind: [u8; 4],
    /// With the header; 0 for "to the end"; `None` for a long form that is cut or contradicts itself.
    size: Option<u64>,
    header_bytes: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let short = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
        let kind = bytes.get(4..8)?.try_into().ok()?;
        if short == 1 {
            let long = bytes.get(8..16).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
            return Some(Self { kind, size: long.filter(|s| *s >= 16), header_bytes: 16 });
        }
        Some(Self { kind, size: Some(u64::from(short)).filter(|s| *s == 0 || *s >= 8), header_bytes: 8 })
    }

    /// Four printable characters; QuickTime uses the copyright sign of Mac Roman.
    fn has_name(&self) -> bool {
        self.kind.iter().all(|b| (0x20..0x7f).contains(b) || *b == 0xa9)
    }
}

fn printable(kind: [u8; 4]) -> String {
    kind.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn index(samples: u32) -> Vec<u8> {
        let sizes = mp4_box(b"stsz", &[&[0; 8][..], &samples.to_be_bytes()].concat());
        [b"stbl", b"minf", b"mdia", b"trak", b"moov"].iter().fold(sizes, |inner, kind| mp4_box(kind, &inner))
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [mp4_box(b"ftyp", b"isom\0\0\0\0"), parts.concat()].concat()
    }

    fn word(bytes: &[u8]) -> String {
        let text = format!("{:?}", outline(&bytes).unwrap().verdict);
        text.split('(').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn verdicts() {
        let mdat = || mp4_box(b"mdat", &[7; 100]);
        let moof = || mp4_box(b"moof", &mp4_box(b"traf", &mp4_box(b"trun", &[0, 0, 0, 0, 0, 0, 0, 5])));
        let long = [&1u32.to_be_bytes()[..], b"mdat", &116u64.to_be_bytes(), &[7; 100]].concat();
        let open = [&0u32.to_be_bytes()[..], b"mdat", &[7; 100]].concat();
        let huge = [&1u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes(), &[7; 100]].concat();
        let mut bent = index(3);
        bent[8] = 0x7f; // The track claims to be larger than the index around it.
        let mut nameless = mdat();
        nameless[4] = 0x03;
        let table: Vec<(&str, Vec<u8>, &str)> = vec![
            ("index last", file(&[mdat(), index(3)]), "Whole"),
            ("index first", file(&[index(3), mdat()]), "Whole"),
            ("long form", file(&[index(3), long]), "Whole"),
            ("media to the end", file(&[index(3), open.clone()]), "Whole"),
            ("fragments", file(&[index(0), moof(), mdat(), moof(), mdat()]), "Whole"),
            ("zero padding", file(&[index(3), mdat(), vec![0; 512]]), "Whole"),
            ("no index", file(&[mdat()]), "Truncated"),
            ("never closed", file(&[open]), "Truncated"),
            ("absurd length", file(&[index(3), huge]), "Truncated"),
            ("last fragment without media", file(&[index(0), moof(), mdat(), moof()]), "Truncated"),
            ("index without media", file(&[index(3)]), "Truncated"),
            ("three bytes follow", file(&[index(3), mdat(), vec![1, 2, 3]]), "Truncated"),
            ("brand alone", file(&[]), "Broken"),
            ("index contradicts itself", file(&[bent, mdat()]), "Broken"),
            ("no box", file(&[index(3), nameless]), "Broken"),
        ];
        for (what, bytes, want) in table {
            assert_eq!(word(&bytes), want, "{what}");
        }
    }

    #[test]
    fn every_cut_shows() {
        let whole = file(&[mp4_box(b"mdat", &[7; 100]), index(3)]);
        for cut in 20..whole.len() {
            assert_eq!(word(&whole[..cut]), "Truncated", "{cut}");
        }
    }

    #[test]
    fn samples_are_counted_before_they_are_listed() {
        let many = file(&[index(u32::MAX), mp4_box(b"mdat", &[7; 100])]);
        assert_eq!(outline(&many.as_slice()).unwrap().samples, u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn flipped_bytes_never_panic(at in 0usize..200, value in any::<u8>()) {
            let mut bytes = file(&[mp4_box(b"mdat", &[7; 60]), index(3)]);
            let at = at % bytes.len();
            bytes[at] = value;
            prop_assert!(outline(&bytes.as_slice()).is_ok());
        }

        #[test]
        fn noise_ends(noise in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(outline(&noise.as_slice()).is_ok());
        }
    }
}
