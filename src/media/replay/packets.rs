//! RTP packets of a replay: what stands in them, and which moment of the recorder's timeline that is. Pure.
//!
//! ONVIF's header extension (ONVIF Streaming Specification, 6.3) carries the wall time at which a frame was recorded:
//!
//! ```text
//! 0xABAC | length, at least 3 words | NTP time, 64 bits | C E D T and 4 bits | CSeq | 16 bits
//! ```
//!
//! It stands on at least the first packet of each frame. Where it does not stand, RTP times count from the last moment
//! that is known of their track.

use std::collections::VecDeque;

/// Seconds from 1900-01-01 (NTP) to 1970-01-01 (RFC 5905, 6).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// Frames that are remembered of a track, so that none is given twice after a cut: a key frame each minute at 50 a second.
const REMEMBERED: usize = 3_000;
/// Times nearer than this are those of one frame, nanoseconds: servers are asked in milliseconds, and some stamp what comes
/// before the time that they were asked for with that time.
const SAME_NS: u64 = 1_500_000;

/// What a packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Its number.
    pub seq: u16,
    /// RTP time.
    pub time: u32,
    /// Payload type.
    pub kind: u8,
    /// It is the last of its frame (of pictures).
    pub marker: bool,
    /// Bytes of media in it.
    pub payload_bytes: usize,
    /// ONVIF's extension.
    pub onvif: Option<Onvif>,
}

/// ONVIF's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onvif {
    /// When it was recorded, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// The recording has a hole before it.
    pub discontinuity: bool,
    /// Nothing follows.
    pub terminal: bool,
}

/// Reads a packet's head (RFC 3550, 5.1); `None` where it is none.
pub fn read(bytes: &[u8]) -> Option<Packet> {
    let [first, second, s0, s1, t0, t1, t2, t3, ..] = *bytes else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let mut at = 12 + 4 * usize::from(first & 0x0f);
    let mut onvif = None;
    if first & 0x10 != 0 {
        let head = bytes.get(at..at + 4)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let body = bytes.get(at + 4..at + 4 + length)?;
        if head[..2] == [0xab, 0xac] {
            onvif = extension(body);
        }
        at += 4 + length;
    }
    let padding = if first & 0x20 != 0 { usize::from(*bytes.last()?) } else { 0 };
    let payload_bytes = bytes.len().checked_sub(at)?.checked_sub(padding)?;
    Some(Packet {
        seq: u16::from_be_bytes([s0, s1]),
        time: u32::from_be_bytes([t0, t1, t2, t3]),
        kind: second & 0x7f,
        marker: second & 0x80 != 0,
        payload_bytes,
        onvif,
    })
}

fn extension(body: &[u8]) -> Option<Onvif> {
    let ntp = u64::from_be_bytes(body.get(..8)?.try_into().ok()?);
    let flags = *body.get(8)?;
    let seconds = (ntp >> 32).checked_sub(NTP_TO_UNIX_S)?;
    // Rounded, because senders cut nanoseconds down to the fraction.
    let fraction = ((ntp & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
    Some(Onvif {
        at_ns: seconds * 1_000_000_000 + fraction,
        discontinuity: flags & 0x20 != 0,
        terminal: flags & 0x10 != 0,
    })
}

/// Whether a compound RTCP packet says goodbye (RFC 3550, 6.6).
pub fn is_goodbye(mut bytes: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = *bytes {
        if first >> 6 != 2 {
            return false;
        }
        if kind == 203 {
            return true;
        }
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        bytes = bytes.get(length..).unwrap_or_default();
    }
    false
}

/// The moments of one track.
#[derive(Debug)]
pub struct Moments {
    rate: u32,
    anchor: Option<(u32, u64)>,
}

impl Moments {
    /// Of a track with so many ticks a second; `anchor` is an RTP time and its moment, where the server told one.
    pub fn new(rate: u32, anchor: Option<(u32, u64)>) -> Self {
        Self { rate: rate.max(1), anchor }
    }

    /// The moment of a packet, nanoseconds on the recorder's timeline. A track of which nothing is known begins at
    /// `from_ns`.
    pub fn of(&mut self, packet: &Packet, from_ns: u64) -> u64 {
        if let Some(onvif) = packet.onvif {
            self.anchor = Some((packet.time, onvif.at_ns));
            return onvif.at_ns;
        }
        let (time, ns) = *self.anchor.get_or_insert((packet.time, from_ns));
        let ticks = i64::from(packet.time.wrapping_sub(time) as i32);
        let at = i128::from(ns) + i128::from(ticks) * 1_000_000_000 / i128::from(self.rate);
        let at = u64::try_from(at).unwrap_or(0);
        // RTP times go round after half a day of pictures: the anchor follows.
        if ticks > 1 << 30 {
            self.anchor = Some((packet.time, at));
        }
        at
    }
}

/// Frames of one track that were given, as far back as a recorder begins anew after a cut.
#[derive(Debug, Default)]
pub struct Given {
    times: VecDeque<u64>,
    /// The connection is another one, and nothing of it was new yet.
    again: bool,
    /// The last frame before the cut came once more.
    joined: bool,
}

/// What a frame is after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It is here already.
    Given,
    /// It follows what was given.
    Next,
    /// It is the first after a cut, and the frame before the cut did not come again: from that moment on nothing tells
    /// what is missing.
    After(u64),
}

impl Given {
    /// The last that was given.
    pub fn last(&self) -> Option<u64> {
        self.times.back().copied()
    }

    /// Another connection begins.
    pub fn again(&mut self) {
        (self.again, self.joined) = (!self.times.is_empty(), false);
    }

    /// A frame came.
    pub fn frame(&mut self, at_ns: u64) -> Fresh {
        if self.again {
            if self.times.iter().rev().any(|t| t.abs_diff(at_ns) < SAME_NS) {
                self.joined |= self.last().is_some_and(|t| t.abs_diff(at_ns) < SAME_NS);
                return Fresh::Given;
            }
            self.again = false;
            let last = self.last().unwrap_or(at_ns);
            self.note(at_ns);
            return if self.joined { Fresh::Next } else { Fresh::After(last) };
        }
        self.note(at_ns);
        Fresh::Next
    }

    fn note(&mut self, at_ns: u64) {
        self.times.push_back(at_ns);
        if self.times.len() > REMEMBERED {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with ONVIF's extension, written by hand from the specification.
    fn packet(time: u32, ntp_s: u64, fraction: u32, flags: u8) -> Vec<u8> {
        let mut bytes = vec![0x90, 96, 0, 7];
        bytes.extend_from_slice(&time.to_be_bytes());
        bytes.extend_from_slice(&[1, 2, 3, 4, 0xab, 0xac, 0, 3]);
        bytes.extend_from_slice(&((ntp_s << 32) | u64::from(fraction)).to_be_bytes());
        bytes.extend_from_slice(&[flags, 9, 0, 0]);
        bytes.extend_from_slice(b"media");
        bytes
    }

    #[test]
    fn the_wall_time_of_a_frame() {
        let bytes = packet(90_000, NTP_TO_UNIX_S + 1_000, 1 << 31, 0xa0);
        let read = read(&bytes).unwrap();
        assert_eq!((read.seq, read.time, read.kind, read.payload_bytes), (7, 90_000, 96, 5));
        let onvif = read.onvif.unwrap();
        assert_eq!((onvif.at_ns, onvif.discontinuity, onvif.terminal), (1_000_500_000_000, true, false));
        assert!(super::read(&packet(0, NTP_TO_UNIX_S, 0, 0x10)).unwrap().onvif.unwrap().terminal);
        assert_eq!(super::read(&packet(0, 5, 0, 0)).unwrap().onvif, None, "before 1970 there were no recorders");
    }

    #[test]
    fn moments_follow_the_last_that_is_known() {
        let plain = |time| Packet { seq: 0, time, kind: 96, marker: true, payload_bytes: 1, onvif: None };
        let mut moments = Moments::new(90_000, None);
        assert_eq!(moments.of(&plain(5_000), 1_000), 1_000, "the first is where playing begins");
        assert_eq!(moments.of(&plain(95_000), 1_000), 1_000_001_000);
        assert_eq!(moments.of(&plain(0), 1_000_000_000), 0, "never before the beginning of time");
        let at = read(&packet(95_000, NTP_TO_UNIX_S + 50, 0, 0)).unwrap();
        assert_eq!(moments.of(&at, 0), 50_000_000_000);
        assert_eq!(moments.of(&plain(95_000 + 45_000), 0), 50_500_000_000);
        let mut told = Moments::new(8_000, Some((u32::MAX - 3_999, 7_000_000_000)));
        assert_eq!(told.of(&plain(4_000), 0), 8_000_000_000, "around the end of the numbers");
    }

    #[test]
    fn after_a_cut_nothing_is_given_twice() {
        let mut given = Given::default();
        for n in 0..10u64 {
            assert_eq!(given.frame(n * 40_000_000), Fresh::Next);
        }
        given.again();
        for n in 5..10u64 {
            assert_eq!(given.frame(n * 40_000_000 + 3), Fresh::Given);
        }
        assert_eq!(given.frame(400_000_000), Fresh::Next);
        given.again();
        assert_eq!(given.frame(800_000_000), Fresh::After(400_000_000));
        assert_eq!(given.frame(840_000_000), Fresh::Next);
        let mut empty = Given::default();
        empty.again();
        assert_eq!(empty.frame(1), Fresh::Next);
    }

    #[test]
    fn goodbyes() {
        let report = [0x80, 200, 0, 6].iter().copied().chain([0; 24]).collect::<Vec<u8>>();
        assert!(!is_goodbye(&report));
        assert!(is_goodbye(&[report.as_slice(), &[0x81, 203, 0, 1, 0, 0, 0, 1]].concat()));
        assert!(!is_goodbye(&[0x80, 200, 0xff, 0xff]) && !is_goodbye(&[]));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..80), from in any::<u64>(), rate in any::<u32>()) {
            let _ = is_goodbye(&bytes);
            if let Some(read) = read(&bytes) {
                prop_assert!(read.payload_bytes <= bytes.len());
                let _ = Moments::new(rate, None).of(&read, from);
            }
        }

        #[test]
        fn a_mutated_packet_ends(at in 0usize..37, with in any::<u8>(), cut in 0usize..38) {
            let mut bytes = packet(1, NTP_TO_UNIX_S + 9, 9, 0);
            let n = bytes.len();
            bytes[at % n] = with;
            bytes.truncate(cut);
            if let Some(read) = read(&bytes) {
                prop_assert!(read.payload_bytes <= bytes.len());
            }
        }
    }
}
