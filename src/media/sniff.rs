//! What kind of file it is, by its first bytes alone: names come from the recorder and prove nothing. Pure. What is
//! not recognised here is never shown to a parser.

/// A media file that we know by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the formats'.
pub enum Kind {
    Mp4,
    Mov,
    ThreeGp,
    Heif,
    Avi,
    Wav,
    MpegTs { packet_bytes: u64 },
    MpegPs,
    Mkv,
    Webm,
    Flv,
    Ogg,
    Flac,
    Mp3,
    Aac,
    Amr,
    Jpeg,
    Png,
    Bmp,
}

/// Enough for every signature; MPEG-TS and MP3 want more than one packet or frame.
pub const HEAD_BYTES: usize = 4096;

impl Kind {
    /// The word in `MediaFacts::container`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::ThreeGp => "3gp",
            Self::Heif => "heif",
            Self::Avi => "avi",
            Self::Wav => "wav",
            Self::MpegTs { .. } => "mpegts",
            Self::MpegPs => "mpegps",
            Self::Mkv => "mkv",
            Self::Webm => "webm",
            Self::Flv => "flv",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Amr => "amr",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Bmp => "bmp",
        }
    }

    /// Built of ISO base media boxes (ISO/IEC 14496-12, QuickTime).
    pub fn has_boxes(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov | Self::ThreeGp | Self::Heif)
    }

    /// A still picture: one frame, no duration.
    pub fn is_still(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Bmp | Self::Heif)
    }

    /// Never has a picture. (A cover inside an MP3 is decoration, not footage.)
    pub fn is_sound_only(self) -> bool {
        matches!(self, Self::Wav | Self::Flac | Self::Mp3 | Self::Aac | Self::Amr)
    }
}

/// Recognises a file by its first [`HEAD_BYTES`]; `None` for what is not media that we know.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(0, b"RIFF") && at(8, b"AVI ") {
        return Some(Kind::Avi);
    }
    if (at(0, b"RIFF") || at(0, b"RF64")) && at(8, b"WAVE") {
        return Some(Kind::Wav);
    }
    if let Some(kind) = boxes(head) {
        return Some(kind);
    }
    let table: [(&[u8], Kind); 10] = [
        (b"\x89PNG\r\n\x1a\n", Kind::Png),
        (b"\xff\xd8\xff", Kind::Jpeg),
        (b"FLV\x01", Kind::Flv),
        (b"OggS\0", Kind::Ogg),
        (b"fLaC", Kind::Flac),
        (b"#!AMR\n", Kind::Amr),
        (b"#!AMR-WB\n", Kind::Amr),
        (b"ID3\x02", Kind::Mp3),
        (b"ID3\x03", Kind::Mp3),
        (b"ID3\x04", Kind::Mp3),
    ];
    if let Some((_, kind)) = table.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*kind);
    }
    if at(0, b"\x1a\x45\xdf\xa3") {
        // The document type stands early in the EBML header (RFC 8794 section 11.2.4).
        let early = head.get(..64).unwrap_or(head);
        return Some(if early.windows(4).any(|w| w == b"webm") { Kind::Webm } else { Kind::Mkv });
    }
    // A pack header whose marker bits say MPEG-1 (0010) or MPEG-2 (01).
    if at(0, &[0, 0, 1, 0xba]) && head.get(4).is_some_and(|b| b >> 4 == 2 || b >> 6 == 1) {
        return Some(Kind::MpegPs);
    }
    // The second field is reserved and zero, the header that follows has one of its few lengths.
    if at(0, b"BM") && at(6, &[0; 4]) && head.get(14).is_some_and(|b| [12, 40, 52, 56, 108, 124].contains(b)) {
        return Some(Kind::Bmp);
    }
    for (packet_bytes, first) in [(188, 0), (192, 4)] {
        if (0..5).all(|n| at(first + n * packet_bytes, &[0x47])) {
            return Some(Kind::MpegTs { packet_bytes: packet_bytes as u64 });
        }
    }
    // Both kinds of audio frames have weak signatures: three in a row, each where the one before says.
    if frames(head, adts_bytes) {
        return Some(Kind::Aac);
    }
    frames(head, mp3_bytes).then_some(Kind::Mp3)
}

fn boxes(head: &[u8]) -> Option<Kind> {
    let kind: [u8; 4] = head.get(4..8)?.try_into().ok()?;
    let brand: [u8; 4] = head.get(8..12)?.try_into().ok()?;
    match &kind {
        b"ftyp" => Some(match &brand {
            b"qt  " => Kind::Mov,
            b"heic" | b"heix" | b"mif1" | b"msf1" | b"avif" => Kind::Heif,
            [b'3', b'g', ..] => Kind::ThreeGp,
            _ => Kind::Mp4,
        }),
        // QuickTime files from before brands existed, and segments of a stream.
        b"moov" | b"mdat" | b"wide" | b"pnot" => Some(Kind::Mov),
        b"styp" | b"moof" => Some(Kind::Mp4),
        _ => None,
    }
}

fn frames(head: &[u8], length: fn(&[u8]) -> Option<usize>) -> bool {
    let mut at = 0;
    for _ in 0..3 {
        let Some(bytes) = head.get(at..).and_then(length) else { return false };
        at += bytes;
    }
    true
}

/// Length of an ADTS frame (ISO/IEC 13818-7 section 6.2).
fn adts_bytes(b: &[u8]) -> Option<usize> {
    let [sync, flags, _, c, d, e, ..] = *b else { return None };
    let bytes = usize::from(c & 3) << 11 | usize::from(d) << 3 | usize::from(e >> 5);
    (sync == 0xff && flags & 0xf6 == 0xf0 && bytes >= 7).then_some(bytes)
}

/// Length of an MPEG audio layer III frame (ISO/IEC 11172-3 section 2.4.1.3, 13818-3).
fn mp3_bytes(b: &[u8]) -> Option<usize> {
    const V1_KBIT: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_KBIT: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [sync, flags, rates, ..] = *b else { return None };
    if sync != 0xff || flags & 0xe6 != 0xe2 {
        return None;
    }
    let (table, hz, samples) = match flags >> 3 & 3 {
        3 => (V1_KBIT, [44_100, 48_000, 32_000], 144_000),
        2 => (V2_KBIT, [22_050, 24_000, 16_000], 72_000),
        0 => (V2_KBIT, [11_025, 12_000, 8_000], 72_000),
        _ => return None,
    };
    let kbit = *table.get(usize::from(rates >> 4).checked_sub(1)?)?;
    let hz = *hz.get(usize::from(rates >> 2 & 3))?;
    Some(samples * kbit / hz + usize::from(rates >> 1 & 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signatures() {
        let ts = |packet: usize, first: usize| {
            let mut bytes = vec![0; 1200];
            (0..6).for_each(|n| bytes[first + n * packet] = 0x47);
            bytes
        };
        let adts: Vec<u8> = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x00, 0xfc, 0].repeat(4);
        let mut mp3 = vec![0; 3 * 417];
        (0..3).for_each(|n| mp3[n * 417..n * 417 + 3].copy_from_slice(&[0xff, 0xfb, 0x90]));
        let table: Vec<(&[u8], Option<&str>)> = vec![
            (b"\0\0\0\x20ftypisom\0\0\0\0", Some("mp4")),
            (b"\0\0\0\x20ftypqt  \0\0\0\0", Some("mov")),
            (b"\0\0\0\x20ftyp3gp5\0\0\0\0", Some("3gp")),
            (b"\0\0\0\x20ftypheic\0\0\0\0", Some("heif")),
            (b"\0\0\0\x08wide\0\0\0\0mdat", Some("mov")),
            (b"RIFF\0\0\0\0AVI LIST", Some("avi")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("wav")),
            (b"RIFF\0\0\0\0WEBPVP8 ", None),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some("jpeg")),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some("png")),
            (b"BM\x10\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some("bmp")),
            (b"BMW 3 series, seen on the corner", None),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", Some("webm")),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", Some("mkv")),
            (b"FLV\x01\x05\0\0\0\x09", Some("flv")),
            (b"\0\0\x01\xba\x44\0\x04\0", Some("mpegps")),
            (b"#!AMR\n\x3c", Some("amr")),
            (b"2026-07-27 08:00:01 power on\n", None),
            (b"", None),
            (&[0; 64], None),
        ];
        let made = [ts(188, 0), ts(192, 4)].map(|b| (b, "mpegts"));
        for (head, want) in table.into_iter().chain(made.iter().map(|(b, w)| (b.as_slice(), Some(*w)))) {
            assert_eq!(sniff(head).map(Kind::word), want, "{:?}", String::from_utf8_lossy(&head[..head.len().min(24)]));
        }
        assert_eq!(sniff(&adts), Some(Kind::Aac));
        assert_eq!(sniff(&mp3), Some(Kind::Mp3));
    }

    proptest! {
        #[test]
        fn never_panics(head in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = sniff(&head);
        }

        #[test]
        fn audio_frames_that_lead_nowhere_are_not_audio(length in any::<[u8; 3]>()) {
            let head = [&[0xff, 0xf1, 0x50][..], &length, b"text that follows".as_slice()].concat();
            prop_assert_eq!(sniff(&head), None);
        }
    }
}
