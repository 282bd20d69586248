//! Whether a file's own structure fits the bytes that are there, for the formats that recorders write and that
//! GStreamer plays without complaint when they are cut. Reads headers only, never decodes; pure over [`ReadAt`].
//! MP4 has its own file, [`super::boxes`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::sniff::Kind;

/// Bytes at offsets. A file, or a slice in tests.
pub trait ReadAt {
    /// Length in bytes.
    fn size_bytes(&self) -> u64;
    /// Reads as many bytes as there are from `offset`, at most `buf.len()`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// `N` bytes, or `None` where the file ends earlier.
    fn array<const N: usize>(&self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let mut buf = [0; N];
        Ok((self.read_at(offset, &mut buf)? == N).then_some(buf))
    }
}

/// A file and its length when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its length then.
    pub size_bytes: u64,
}

impl ReadAt for Opened {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl ReadAt for &[u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|o| self.get(o..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// What the structure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, as far as this format can tell.
    Whole,
    /// It says that there should be more.
    Truncated(String),
    /// It contradicts itself.
    Broken(String),
}

/// More chunks than this are not followed: an hour of AVI in one-gigabyte parts has a few dozen at this level.
const CHUNKS_MAX: u32 = 100_000;

/// Judges every kind but those with boxes.
pub fn judge(kind: Kind, file: &impl ReadAt) -> io::Result<Verdict> {
    match kind {
        Kind::Avi => riff(file, b"movi"),
        Kind::Wav => riff(file, b"data"),
        Kind::Jpeg => jpeg(file),
        Kind::Png => png(file),
        Kind::Bmp => bmp(file),
        Kind::Mkv | Kind::Webm => matroska(file),
        Kind::MpegTs { packet_bytes } => Ok(match file.size_bytes() % packet_bytes {
            0 => Verdict::Whole,
            rest => Verdict::Truncated(format!("its last packet has {rest} of {packet_bytes} bytes")),
        }),
        // Streams of frames without a stated length: a cut shows nowhere.
        _ => Ok(Verdict::Whole),
    }
}

fn missing(what: &str, bytes: u64) -> Verdict {
    Verdict::Truncated(format!("{what} says that {bytes} more bytes should follow"))
}

/// RIFF as in AVI and WAV: `essential` is the chunk (or list) with the recording itself.
fn riff(file: &impl ReadAt, essential: &[u8; 4]) -> io::Result<Verdict> {
    if file.array(0)? == Some(*b"RF64") {
        return Ok(Verdict::Whole); // Its 64-bit lengths are written once, at the end.
    }
    let name = String::from_utf8_lossy(essential).into_owned();
    let mut part = 0;
    let mut found = false;
    for _ in 0..CHUNKS_MAX {
        let Some([a, b, c, d, s0, s1, s2, s3]) = file.array(part)? else { break };
        // An AVI over 1 GB goes on in further RIFF parts; anything else after the first is padding.
        if [a, b, c, d] != *b"RIFF" {
            break;
        }
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        if size == 0 || size == u64::from(u32::MAX) {
            return Ok(Verdict::Truncated("it was never closed: its length was not written".to_owned()));
        }
        let end = part + 8 + size;
        if end > file.size_bytes() {
            return Ok(missing("its RIFF header", end - file.size_bytes()));
        }
        let mut at = part + 12;
        for _ in 0..CHUNKS_MAX {
            if found || at + 8 > end {
                break;
            }
            let Some([a, b, c, d, s0, s1, s2, s3]) = file.array(at)? else { break };
            let list = [a, b, c, d] == *b"LIST" && file.array(at + 8)? == Some(*essential);
            let next = at + 8 + u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
            if next > end {
                return Ok(Verdict::Broken(format!("the chunk at byte {at} is longer than what holds it")));
            }
            found |= list || [a, b, c, d] == *essential;
            at = next + (next & 1);
        }
        part = end + (end & 1);
    }
    Ok(if found { Verdict::Whole } else { Verdict::Broken(format!("it has no '{name}' chunk")) })
}

/// Segments up to each scan, then through its data to the end-of-image marker (ITU-T T.81 annex B). A thumbnail
/// inside an APP segment is skipped with its segment, so its own end does not count.
fn jpeg(file: &impl ReadAt) -> io::Result<Verdict> {
    let cut = || Ok(Verdict::Truncated("it ends before its end-of-image marker".to_owned()));
    let mut at = 2;
    for _ in 0..CHUNKS_MAX {
        let Some([0xff, marker]) = file.array(at)? else {
            return match file.array::<2>(at)? {
                None => cut(),
                Some(_) => Ok(Verdict::Broken(format!("no JPEG marker at byte {at}"))),
            };
        };
        match marker {
            0xd9 => return Ok(Verdict::Whole),
            0xff => at += 1, // Fill byte.
            _ => {
                let Some([h, l]) = file.array(at + 2)? else { return cut() };
                at += 2 + u64::from(u16::from_be_bytes([h, l]));
                if marker == 0xda {
                    match end_of_scan(file, at)? {
                        Some(next) => at = next,
                        None => return cut(),
                    }
                }
            }
        }
    }
    Ok(Verdict::Broken("it has more JPEG segments than any picture".to_owned()))
}

/// The next marker that is neither stuffing nor a restart.
fn end_of_scan(file: &impl ReadAt, mut at: u64) -> io::Result<Option<u64>> {
    let mut buf = vec![0; 64 << 10];
    loop {
        let n = file.read_at(at, &mut buf)?;
        if n < 2 {
            return Ok(None);
        }
        let marker = buf[..n].windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xd0..=0xd7 | 0xff));
        if let Some(position) = marker {
            return Ok(Some(at + position as u64));
        }
        at += n as u64 - 1;
    }
}

/// Chunks to `IEND` (PNG specification, section 5.3).
fn png(file: &impl ReadAt) -> io::Result<Verdict> {
    let mut at = 8;
    for _ in 0..CHUNKS_MAX {
        let Some([s0, s1, s2, s3, a, b, c, d]) = file.array(at)? else { break };
        at += 12 + u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
        if [a, b, c, d] == *b"IEND" {
            return Ok(if at > file.size_bytes() {
                missing("its last chunk", at - file.size_bytes())
            } else {
                Verdict::Whole
            });
        }
        if at > file.size_bytes() {
            return Ok(missing("a chunk", at - file.size_bytes()));
        }
    }
    Ok(Verdict::Truncated("it has no IEND chunk".to_owned()))
}

/// Width and height of a bitmap, which no demuxer tells (the older header has 16-bit fields; a negative height means
/// "from the top").
pub fn bmp_size(file: &impl ReadAt) -> io::Result<Option<(u32, u32)>> {
    let header = file.array(14)?.map(u32::from_le_bytes);
    Ok(match header {
        Some(12) => {
            file.array(18)?.map(|[a, b, c, d]| (u16::from_le_bytes([a, b]).into(), u16::from_le_bytes([c, d]).into()))
        }
        _ => match (file.array(18)?, file.array(22)?) {
            (Some(w), Some(h)) => Some((u32::from_le_bytes(w), i32::from_le_bytes(h).unsigned_abs())),
            _ => None,
        },
    })
}

fn bmp(file: &impl ReadAt) -> io::Result<Verdict> {
    let size = file.array(2)?.map_or(0, |b| u64::from(u32::from_le_bytes(b)));
    Ok(if size > file.size_bytes() { missing("its header", size - file.size_bytes()) } else { Verdict::Whole })
}

/// The Segment's stated length (RFC 9559 section 5.1). A length left unknown is legal for what was recorded live.
fn matroska(file: &impl ReadAt) -> io::Result<Verdict> {
    let Some((header, Some(header_bytes))) = ebml_size(file, 4)? else {
        return Ok(Verdict::Broken("its EBML header has no length".to_owned()));
    };
    let segment = (4 + header).saturating_add(header_bytes);
    if file.array(segment)? != Some([0x18, 0x53, 0x80, 0x67]) {
        return Ok(if segment >= file.size_bytes() {
            Verdict::Truncated("it ends within its header".to_owned())
        } else {
            Verdict::Broken("no Segment follows its header".to_owned())
        });
    }
    Ok(match ebml_size(file, segment + 4)? {
        None => Verdict::Truncated("it ends within its header".to_owned()),
        Some((_, None)) => Verdict::Whole,
        Some((width, Some(bytes))) => {
            let end = (segment + 4 + width).saturating_add(bytes);
            if end > file.size_bytes() { missing("its Segment", end - file.size_bytes()) } else { Verdict::Whole }
        }
    })
}

/// A variable-size integer: how many bytes it takes, and its value unless it is "unknown" (RFC 8794 section 4).
fn ebml_size(file: &impl ReadAt, at: u64) -> io::Result<Option<(u64, Option<u64>)>> {
    let Some([first]) = file.array(at)? else { return Ok(None) };
    let width = u64::from(first.leading_zeros()) + 1;
    if width > 8 {
        return Ok(None);
    }
    let mut bytes = [0; 8];
    let len = width as usize;
    if file.read_at(at, &mut bytes[8 - len..])? < len {
        return Ok(None);
    }
    let mask = (1_u64 << (7 * width)) - 1;
    let value = u64::from_be_bytes(bytes) & mask;
    Ok(Some((width, (value != mask).then_some(value))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [id.as_slice(), &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
    }

    fn wav() -> Vec<u8> {
        let inside = [b"WAVE".to_vec(), chunk(b"fmt ", &[0; 16]), chunk(b"data", &[1; 100])].concat();
        chunk(b"RIFF", &inside)
    }

    fn png_file() -> Vec<u8> {
        let part = |id: &[u8; 4], body: &[u8]| {
            [&u32::try_from(body.len()).unwrap().to_be_bytes(), id.as_slice(), body, &[0; 4]].concat()
        };
        [b"\x89PNG\r\n\x1a\n".to_vec(), part(b"IHDR", &[0; 13]), part(b"IDAT", &[7; 50]), part(b"IEND", &[])].concat()
    }

    fn jpeg_file() -> Vec<u8> {
        // The APP1 segment holds a whole small JPEG, the scan a stuffed byte and a restart marker.
        let inner = [0xff, 0xd8, 0xff, 0xd9];
        [
            &[0xff, 0xd8, 0xff, 0xe1, 0, 6][..],
            &inner,
            &[0xff, 0xda, 0, 4, 1, 2],
            &[9, 0xff, 0, 8, 0xff, 0xd3, 7],
            &[0xff, 0xd9],
        ]
        .concat()
    }

    fn mkv(size: &[u8]) -> Vec<u8> {
        [&[0x1a, 0x45, 0xdf, 0xa3, 0x83, 1, 2, 3, 0x18, 0x53, 0x80, 0x67][..], size, &[0; 20]].concat()
    }

    #[test]
    fn what_is_there_is_whole_and_every_cut_of_it_is_not() {
        let ts = vec![0x47; 188 * 3];
        let whole: [(Kind, Vec<u8>); 5] = [
            (Kind::Wav, wav()),
            (Kind::Png, png_file()),
            (Kind::Jpeg, jpeg_file()),
            (Kind::Mkv, mkv(&[0x94])),
            (Kind::MpegTs { packet_bytes: 188 }, ts),
        ];
        for (kind, bytes) in whole {
            assert_eq!(judge(kind, &bytes.as_slice()).unwrap(), Verdict::Whole, "{kind:?}");
            for cut in 20..bytes.len() {
                let verdict = judge(kind, &&bytes[..cut]).unwrap();
                let between_packets = matches!(kind, Kind::MpegTs { .. }) && cut % 188 == 0;
                assert_eq!(
                    matches!(verdict, Verdict::Truncated(_)),
                    !between_packets,
                    "{kind:?} at {cut}: {verdict:?}"
                );
            }
        }
    }

    #[test]
    fn contradictions() {
        let unclosed = [b"RIFF".as_slice(), &[0; 4], b"WAVE"].concat();
        let no_data = chunk(b"RIFF", &[b"WAVE".to_vec(), chunk(b"fmt ", &[0; 16])].concat());
        let overrun = chunk(b"RIFF", &[b"WAVE".as_slice(), b"fmt ", &[255, 0, 0, 0]].concat());
        let table: [(Kind, Vec<u8>, &str); 5] = [
            (Kind::Wav, unclosed, "Truncated"),
            (Kind::Wav, no_data, "Broken"),
            (Kind::Wav, overrun, "Broken"),
            (Kind::Mkv, mkv(&[0x01, 255, 255, 255, 255, 255, 255, 255]), "Whole"),
            (Kind::Jpeg, vec![0xff, 0xd8, 0x12, 0x34, 0x56], "Broken"),
        ];
        for (kind, bytes, want) in table {
            let verdict = format!("{:?}", judge(kind, &bytes.as_slice()).unwrap());
            assert!(verdict.starts_with(want), "{kind:?}: {verdict}");
        }
    }

    proptest! {
        #[test]
        fn noise_ends(noise in prop::collection::vec(any::<u8>(), 0..400), which in 0usize..6) {
            let kinds = [Kind::Avi, Kind::Wav, Kind::Jpeg, Kind::Png, Kind::Bmp, Kind::Mkv];
            let starts: [&[u8]; 6] = [b"RIFF", b"RIFF", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"\x1a\x45\xdf\xa3"];
            let bytes = [starts[which], &noise].concat();
            prop_assert!(judge(kinds[which], &bytes.as_slice()).is_ok());
        }
    }
}
