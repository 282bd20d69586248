//! A fragmented MP4 file, written front to back (ISO/IEC 14496-12, -14, -15). Pure: boxes out of samples.
//!
//! ```text
//! ftyp  isom, iso6, mp41
//! moov  mvhd, one trak for each track (empty sample tables), mvex with one trex each
//! then, over and over, each whole by itself:
//! moof  mfhd, one traf for each track with samples (tfhd, tfdt, trun)
//! mdat  their bytes, track after track
//! ```
//!
//! Nothing that was written is ever changed, so that a file can be hashed while it grows, and what stands on the disk
//! after a kill is whole up to its last fragment. Why not GStreamer's own muxers: see `media::stream`.

/// How a track is encoded, with what decoders must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// H.264, with its AVCDecoderConfigurationRecord.
    H264 {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// `avcC`.
        config: Vec<u8>,
    },
    /// H.265, with its HEVCDecoderConfigurationRecord.
    H265 {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// `hvcC`.
        config: Vec<u8>,
    },
    /// AAC, with its AudioSpecificConfig.
    Aac {
        /// Samples a second.
        rate: u32,
        /// Channels.
        channels: u16,
        /// AudioSpecificConfig.
        config: Vec<u8>,
    },
    /// G.711.
    G711 {
        /// A-law, else µ-law.
        a_law: bool,
        /// Samples a second.
        rate: u32,
        /// Channels.
        channels: u16,
    },
    /// ONVIF metadata, one XML document a sample.
    Onvif,
}

impl Codec {
    /// Whether it is a picture.
    pub fn is_video(&self) -> bool {
        matches!(self, Self::H264 { .. } | Self::H265 { .. })
    }

    /// Units a second of the track's times: 90 kHz for pictures (RFC 6184), the sampling rate for sound.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::H264 { .. } | Self::H265 { .. } | Self::Onvif => 90_000,
            Self::Aac { rate, .. } | Self::G711 { rate, .. } => *rate,
        }
    }
}

/// One sample inside a fragment; times in the track's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Until the next one.
    pub duration: u32,
    /// Presentation minus decoding time.
    pub composition: i32,
    /// Decodable by itself.
    pub key: bool,
    /// Bytes.
    pub data: Vec<u8>,
}

/// The samples of one track in a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The track, from 1.
    pub track: u32,
    /// Decoding time of the first sample, in the track's units, from the beginning of the file.
    pub decode_time: u64,
    /// In decoding order.
    pub samples: Vec<Sample>,
}

/// The beginning of a file with these tracks; they are numbered from 1.
pub fn head(tracks: &[Codec]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    put(&mut out, b"ftyp", |b| {
        b.extend_from_slice(b"isom\0\0\x02\0");
        b.extend_from_slice(b"isomiso6mp41");
    });
    put(&mut out, b"moov", |b| {
        full(b, b"mvhd", 0, 0, |b| {
            // Creation time is not set: the file's own clock would be nobody's evidence.
            words(b, &[0, 0, 1000, 0, 0x0001_0000]);
            b.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            matrix(b);
            words(b, &[0; 6]);
            words(b, &[tracks.len() as u32 + 1]);
        });
        for (n, codec) in tracks.iter().enumerate() {
            track(b, n as u32 + 1, codec);
        }
        put(b, b"mvex", |b| {
            for n in 1..=tracks.len() as u32 {
                full(b, b"trex", 0, 0, |b| words(b, &[n, 1, 0, 0, 0]));
            }
        });
    });
    out
}

/// A fragment; `sequence` counts them from 1.
pub fn fragment(sequence: u32, runs: &[Run]) -> Vec<u8> {
    let media: usize = runs.iter().flat_map(|r| &r.samples).map(|s| s.data.len()).sum();
    let samples: usize = runs.iter().map(|r| r.samples.len()).sum();
    let mut out = Vec::with_capacity(media + samples * 16 + runs.len() * 80 + 64);
    // Where each run's data offset stands, to be filled in once the length of the moof is known.
    let mut offsets = Vec::with_capacity(runs.len());
    put(&mut out, b"moof", |b| {
        full(b, b"mfhd", 0, 0, |b| words(b, &[sequence]));
        for run in runs {
            put(b, b"traf", |b| {
                // default-base-is-moof
                full(b, b"tfhd", 0, 0x02_0000, |b| words(b, &[run.track]));
                full(b, b"tfdt", 1, 0, |b| b.extend_from_slice(&run.decode_time.to_be_bytes()));
                // data offset, and for each sample duration, size, flags and (signed) composition offset
                full(b, b"trun", 1, 0x0f01, |b| {
                    words(b, &[run.samples.len() as u32]);
                    offsets.push(b.len());
                    words(b, &[0]);
                    for s in &run.samples {
                        // sample_depends_on 2 and a sync sample, or 1 and none
                        let flags = if s.key { 0x0200_0000 } else { 0x0101_0000 };
                        words(b, &[s.duration, s.data.len() as u32, flags, s.composition as u32]);
                    }
                });
            });
        }
    });
    let mut at = out.len() as u32 + 8;
    for (place, run) in offsets.iter().zip(runs) {
        out[*place..*place + 4].copy_from_slice(&at.to_be_bytes());
        at += run.samples.iter().map(|s| s.data.len() as u32).sum::<u32>();
    }
    put(&mut out, b"mdat", |b| runs.iter().flat_map(|r| &r.samples).for_each(|s| b.extend_from_slice(&s.data)));
    out
}

fn track(b: &mut Vec<u8>, n: u32, codec: &Codec) {
    let (width, height) = match codec {
        Codec::H264 { width, height, .. } | Codec::H265 { width, height, .. } => (*width, *height),
        _ => (0, 0),
    };
    let is_sound = matches!(codec, Codec::Aac { .. } | Codec::G711 { .. });
    put(b, b"trak", |b| {
        // enabled, in the movie
        full(b, b"tkhd", 0, 3, |b| {
            words(b, &[0, 0, n, 0, 0, 0, 0, 0]);
            b.extend_from_slice(&(if is_sound { 0x0100u16 } else { 0 }).to_be_bytes());
            b.extend_from_slice(&[0, 0]);
            matrix(b);
            words(b, &[u32::from(width) << 16, u32::from(height) << 16]);
        });
        put(b, b"mdia", |b| {
            full(b, b"mdhd", 0, 0, |b| {
                words(b, &[0, 0, codec.timescale(), 0]);
                b.extend_from_slice(&[0x55, 0xc4, 0, 0]); // undetermined language
            });
            let (handler, name): (&[u8; 4], &[u8]) = match codec {
                Codec::H264 { .. } | Codec::H265 { .. } => (b"vide", b"video\0"),
                Codec::Aac { .. } | Codec::G711 { .. } => (b"soun", b"sound\0"),
                Codec::Onvif => (b"meta", b"ONVIF metadata\0"),
            };
            full(b, b"hdlr", 0, 0, |b| {
                words(b, &[0]);
                b.extend_from_slice(handler);
                words(b, &[0; 3]);
                b.extend_from_slice(name);
            });
            put(b, b"minf", |b| {
                match handler {
                    b"vide" => full(b, b"vmhd", 0, 1, |b| words(b, &[0, 0])),
                    b"soun" => full(b, b"smhd", 0, 0, |b| words(b, &[0])),
                    _ => full(b, b"nmhd", 0, 0, |_| {}),
                }
                put(b, b"dinf", |b| {
                    full(b, b"dref", 0, 0, |b| {
                        words(b, &[1]);
                        full(b, b"url ", 0, 1, |_| {});
                    });
                });
                put(b, b"stbl", |b| {
                    full(b, b"stsd", 0, 0, |b| {
                        words(b, &[1]);
                        entry(b, codec);
                    });
                    full(b, b"stts", 0, 0, |b| words(b, &[0]));
                    full(b, b"stsc", 0, 0, |b| words(b, &[0]));
                    full(b, b"stsz", 0, 0, |b| words(b, &[0, 0]));
                    full(b, b"stco", 0, 0, |b| words(b, &[0]));
                });
            });
        });
    });
}

fn entry(b: &mut Vec<u8>, codec: &Codec) {
    match codec {
        Codec::H264 { width, height, config } => picture(b, b"avc1", *width, *height, b"avcC", config),
        Codec::H265 { width, height, config } => picture(b, b"hvc1", *width, *height, b"hvcC", config),
        Codec::Aac { rate, channels, config } => sound(b, b"mp4a", *rate, *channels, |b| {
            full(b, b"esds", 0, 0, |b| esds(b, config));
        }),
        Codec::G711 { a_law, rate, channels } => {
            sound(b, if *a_law { b"alaw" } else { b"ulaw" }, *rate, *channels, |_| {});
        }
        Codec::Onvif => put(b, b"metx", |b| {
            b.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
            // content_encoding (none), namespace, schema_location (none)
            b.extend_from_slice(b"\0http://www.onvif.org/ver10/schema\0\0");
        }),
    }
}

fn picture(b: &mut Vec<u8>, kind: &[u8; 4], width: u16, height: u16, config_kind: &[u8; 4], config: &[u8]) {
    put(b, kind, |b| {
        b.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        words(b, &[0; 4]);
        b.extend_from_slice(&width.to_be_bytes());
        b.extend_from_slice(&height.to_be_bytes());
        // 72 dpi both ways, one frame a sample, no name, 24 bits deep
        words(b, &[0x0048_0000, 0x0048_0000, 0]);
        b.extend_from_slice(&[0, 1]);
        b.extend_from_slice(&[0; 32]);
        b.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
        put(b, config_kind, |b| b.extend_from_slice(config));
    });
}

fn sound(b: &mut Vec<u8>, kind: &[u8; 4], rate: u32, channels: u16, more: impl FnOnce(&mut Vec<u8>)) {
    put(b, kind, |b| {
        b.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        words(b, &[0, 0]);
        b.extend_from_slice(&channels.to_be_bytes());
        b.extend_from_slice(&[0, 16, 0, 0, 0, 0]);
        words(b, &[rate.min(0xffff) << 16]);
        more(b);
    });
}

/// ES_Descriptor (ISO/IEC 14496-1, 7.2.6.5) of an AAC track. Configurations are a few bytes: every length fits in one.
fn esds(b: &mut Vec<u8>, config: &[u8]) {
    let config = &config[..config.len().min(64)];
    let n = config.len() as u8;
    b.extend_from_slice(&[0x03, 3 + 2 + 13 + 2 + n + 3, 0, 0, 0]);
    // audio/mp4a-latm, audio stream, no buffer size, no bit rates
    b.extend_from_slice(&[0x04, 13 + 2 + n, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    b.extend_from_slice(&[0x05, n]);
    b.extend_from_slice(config);
    b.extend_from_slice(&[0x06, 1, 2]);
}

fn put(b: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let begin = b.len();
    words(b, &[0]);
    b.extend_from_slice(kind);
    body(b);
    let len = (b.len() - begin) as u32;
    b[begin..begin + 4].copy_from_slice(&len.to_be_bytes());
}

fn full(b: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut Vec<u8>)) {
    put(b, kind, |b| {
        words(b, &[u32::from(version) << 24 | flags]);
        body(b);
    });
}

fn words(b: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| b.extend_from_slice(&v.to_be_bytes()));
}

fn matrix(b: &mut Vec<u8>) {
    words(b, &[0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(bytes: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            found.push((String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned(), len));
            at += len;
        }
        assert_eq!(at, bytes.len(), "the last box ends with the bytes");
        found
    }

    fn sample(key: bool, bytes: &[u8]) -> Sample {
        Sample { duration: 3600, composition: 0, key, data: bytes.to_vec() }
    }

    #[test]
    fn a_head_and_fragments_are_whole_boxes() {
        let tracks = [
            Codec::H264 { width: 640, height: 360, config: vec![1, 66, 0, 30, 0xff, 0xe0, 0] },
            Codec::Aac { rate: 48_000, channels: 1, config: vec![0x11, 0x88] },
            Codec::G711 { a_law: true, rate: 8000, channels: 1 },
            Codec::Onvif,
        ];
        let names: Vec<String> = boxes(&head(&tracks)).into_iter().map(|b| b.0).collect();
        assert_eq!(names, ["ftyp", "moov"]);
        let runs = [
            Run { track: 1, decode_time: 0, samples: vec![sample(true, b"abc"), sample(false, b"de")] },
            Run { track: 2, decode_time: 9, samples: vec![sample(true, b"f")] },
        ];
        let bytes = fragment(1, &runs);
        let found = boxes(&bytes);
        assert_eq!(found[0].0, "moof");
        assert_eq!(found[1], ("mdat".to_owned(), 8 + 6));
        assert!(bytes.ends_with(b"abcdef"));
        // The second run's data begins behind the first one's.
        let place = bytes.windows(4).rposition(|w| w == b"trun").unwrap() + 12;
        let offset = u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap()) as usize;
        assert_eq!(&bytes[offset..=offset], b"f");
    }
}
