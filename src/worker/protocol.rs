//! Frames between the daemon and its workers, over one stream socket. Owns the format and its limits; knows
//! nothing of what a header means. Either side may be hostile to the other: a bad frame is an error, never a
//! panic, and memory is taken only for bytes that have really arrived.
//!
//! ```text
//! 4 bytes  header length, little endian, 2 ..= HEADER_MAX_BYTES
//! 4 bytes  body length, little endian, 0 ..= BODY_MAX_BYTES
//! header   JSON
//! body     bytes
//! ```
//!
//! A file descriptor, where a job has one, travels as ancillary data with the first byte of its frame.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest header. Probed facts are a few hundred bytes; the rest is room for later kinds of jobs.
pub const HEADER_MAX_BYTES: u32 = 1 << 20;

/// Longest body. A thumbnail of 1,920 px at JPEG quality 85 stays below 2 MiB.
pub const BODY_MAX_BYTES: u32 = 16 << 20;

/// Bytes before the header.
pub const PREFIX_BYTES: usize = 8;

/// One frame, its header not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// JSON.
    pub header: Vec<u8>,
    /// What JSON is no place for (a JPEG).
    pub body: Vec<u8>,
}

/// Why a frame could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side is gone or the socket failed; also a frame that ends early.
    #[error("the other end of the worker's socket is gone")]
    Io(#[from] io::Error),
    /// A length outside its limits.
    #[error("a {part} of {bytes} bytes is outside the protocol's limits")]
    Length {
        /// `header` or `body`.
        part: &'static str,
        /// As announced.
        bytes: u64,
    },
    /// The header is not the JSON that was expected.
    #[error("the header cannot be understood")]
    Header(#[from] serde_json::Error),
}

/// Lengths announced by a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    header: u32,
    body: u32,
}

impl Lengths {
    fn check(header: u64, body: u64) -> Result<Self, FrameError> {
        match (u32::try_from(header), u32::try_from(body)) {
            (Ok(h @ 2..=HEADER_MAX_BYTES), Ok(b @ 0..=BODY_MAX_BYTES)) => Ok(Self { header: h, body: b }),
            (Ok(2..=HEADER_MAX_BYTES), _) => Err(FrameError::Length { part: "body", bytes: body }),
            _ => Err(FrameError::Length { part: "header", bytes: header }),
        }
    }

    fn parse(prefix: [u8; PREFIX_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, e, f, g, h] = prefix;
        Self::check(u32::from_le_bytes([a, b, c, d]).into(), u32::from_le_bytes([e, f, g, h]).into())
    }
}

/// The bytes of a frame.
pub fn encode(header: &impl Serialize, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let header = serde_json::to_vec(header)?;
    let lengths = Lengths::check(header.len() as u64, body.len() as u64)?;
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + header.len() + body.len());
    bytes.extend_from_slice(&lengths.header.to_le_bytes());
    bytes.extend_from_slice(&lengths.body.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// Reads one frame; `Ok(None)` when the stream ended between two frames.
pub fn read(mut from: impl Read) -> Result<Option<Frame>, FrameError> {
    let mut start = Vec::with_capacity(PREFIX_BYTES);
    from.by_ref().take(PREFIX_BYTES as u64).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(None);
    }
    let Ok(prefix) = start.try_into() else {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    };
    let lengths = Lengths::parse(prefix)?;
    let mut header = Vec::new();
    from.by_ref().take(lengths.header.into()).read_to_end(&mut header)?;
    let mut body = Vec::new();
    from.take(lengths.body.into()).read_to_end(&mut body)?;
    whole(lengths, header, body).map(Some)
}

/// Reads one frame; the end of the stream is an error, since an answer is owed.
pub async fn read_async(mut from: impl AsyncRead + Unpin) -> Result<Frame, FrameError> {
    let mut prefix = [0; PREFIX_BYTES];
    from.read_exact(&mut prefix).await?;
    let lengths = Lengths::parse(prefix)?;
    let mut header = Vec::new();
    (&mut from).take(lengths.header.into()).read_to_end(&mut header).await?;
    let mut body = Vec::new();
    (&mut from).take(lengths.body.into()).read_to_end(&mut body).await?;
    whole(lengths, header, body)
}

/// Reads a header's JSON.
pub fn header<T: DeserializeOwned>(frame: &Frame) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(&frame.header)?)
}

fn whole(lengths: Lengths, header: Vec<u8>, body: Vec<u8>) -> Result<Frame, FrameError> {
    if header.len() < lengths.header as usize || body.len() < lengths.body as usize {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Frame { header, body })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn read_both(bytes: &[u8]) -> (Result<Option<Frame>, String>, Result<Frame, String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let blocking = read(Cursor::new(bytes)).map_err(|e| e.to_string());
        let waiting = runtime.block_on(read_async(Cursor::new(bytes))).map_err(|e| e.to_string());
        (blocking, waiting)
    }

    #[test]
    fn lengths_are_bounded() {
        let table = [
            (0, 0, Some("header")),
            (1, 0, Some("header")),
            (2, 0, None),
            (HEADER_MAX_BYTES, BODY_MAX_BYTES, None),
            (HEADER_MAX_BYTES + 1, 0, Some("header")),
            (2, BODY_MAX_BYTES + 1, Some("body")),
            (u32::MAX, u32::MAX, Some("header")),
        ];
        for (header, body, wrong) in table {
            let mut prefix = [0; PREFIX_BYTES];
            prefix[..4].copy_from_slice(&header.to_le_bytes());
            prefix[4..].copy_from_slice(&body.to_le_bytes());
            match (Lengths::parse(prefix), wrong) {
                (Ok(l), None) => assert_eq!(l, Lengths { header, body }),
                (Err(FrameError::Length { part, .. }), Some(want)) => assert_eq!(part, want),
                other => panic!("{header} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_frame_that_announces_much_and_brings_little_takes_little() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&2u32.to_le_bytes());
        bytes.extend_from_slice(&BODY_MAX_BYTES.to_le_bytes());
        bytes.extend_from_slice(b"{}few");
        let (blocking, waiting) = read_both(&bytes);
        assert!(blocking.is_err() && waiting.is_err());
    }

    #[test]
    fn an_orderly_end_is_no_frame() {
        let (blocking, waiting) = read_both(b"");
        assert_eq!(blocking, Ok(None));
        assert!(waiting.is_err());
    }

    #[test]
    fn a_body_that_is_too_long_is_refused_by_the_sender() {
        let body = vec![0; BODY_MAX_BYTES as usize + 1];
        assert!(matches!(encode(&"x", &body), Err(FrameError::Length { part: "body", .. })));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(text in ".{0,200}", body in prop::collection::vec(any::<u8>(), 0..4096)) {
            let bytes = encode(&text, &body).unwrap();
            let (blocking, waiting) = read_both(&bytes);
            let frame = blocking.unwrap().unwrap();
            prop_assert_eq!(&frame, &waiting.unwrap());
            prop_assert_eq!(header::<String>(&frame).unwrap(), text);
            prop_assert_eq!(frame.body, body);
        }

        #[test]
        fn a_cut_frame_is_an_error(text in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..64), cut in 1usize..1000) {
            let bytes = encode(&text, &body).unwrap();
            let cut = cut % bytes.len();
            let (blocking, waiting) = read_both(&bytes[..cut]);
            prop_assert!(waiting.is_err());
            prop_assert_eq!(blocking.ok(), (cut == 0).then_some(None));
        }

        #[test]
        fn noise_never_panics_and_both_ends_agree(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let (blocking, waiting) = read_both(&bytes);
            match blocking {
                Ok(Some(frame)) => {
                    let _ = header::<serde_json::Value>(&frame);
                    prop_assert_eq!(Ok(frame), waiting);
                }
                Ok(None) | Err(_) => prop_assert!(waiting.is_err()),
            }
        }
    }
}
