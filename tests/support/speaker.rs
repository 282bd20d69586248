//! A recorder of our own for what no RTSP server that is packaged can replay: ONVIF metadata beside sound, packet by packet
//! as this file makes them (RFC 3551 for the sound; ONVIF Streaming Specification, 5.1.2.1.1 for the documents, 6.3 for the
//! wall times). It checks that it is asked as chapter 6 says, and may cut the line behind a packet; or it is a camera, which
//! sends the same as time goes on.

#![allow(dead_code)] // Each test binary uses its own part of this.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidock::domain::time::UtcMs;
use evidock::runtime::clock::monotonic;

/// Seconds from 1900 to 1970.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
/// A packet of sound lasts so long.
pub const SOUND_MS: i64 = 20;
/// A document comes this often.
pub const DOCUMENT_MS: i64 = 500;
/// Bytes of a document in one packet.
pub const PIECE_BYTES: usize = 1_200;

/// A packet: its moment, the channel, the bytes.
type Sent = (i64, u8, Vec<u8>);

/// The recorder. It ends with the test.
pub struct Speaker {
    /// Where it listens.
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    begin_ms: i64,
    packets: Vec<Sent>,
    /// The first connection that plays ends behind so many packets.
    cut_after: Option<usize>,
    /// It sends as a camera does, as time goes on.
    live: bool,
    plays: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

/// The document of a moment, counted from 0: longer than a packet, and no two alike.
pub fn document(n: i64) -> String {
    let objects: String =
        (0..40).map(|o| format!("<tt:Object ObjectId=\"{}\"><tt:Appearance/></tt:Object>", n * 1_000 + o)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><tt:MetadataStream xmlns:tt=\"http://www.onvif.org/ver10/schema\"><tt:VideoAnalytics>\
         <tt:Frame UtcTime=\"{n}\">{objects}</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>"
    )
}

impl Speaker {
    /// Footage of so many seconds from a moment on, replayed.
    pub fn start(begin_ms: i64, seconds: i64, cut_after: Option<usize>) -> Self {
        Self::with(begin_ms, seconds, cut_after, false)
    }

    /// Footage whose sound lacks the packets with these numbers.
    pub fn lacking(begin_ms: i64, seconds: i64, numbers: std::ops::Range<u16>) -> Self {
        let mut packets = footage(begin_ms, seconds);
        packets.retain(|(_, channel, packet)| {
            *channel != 0 || !numbers.contains(&u16::from_be_bytes([packet[2], packet[3]]))
        });
        Self::of(begin_ms, packets, None, false)
    }

    /// A camera that sends for so many seconds from each time on that it is asked.
    pub fn live(seconds: i64) -> Self {
        Self::with(0, seconds, None, true)
    }

    fn with(begin_ms: i64, seconds: i64, cut_after: Option<usize>, live: bool) -> Self {
        Self::of(begin_ms, footage(begin_ms, seconds), cut_after, live)
    }

    fn of(begin_ms: i64, packets: Vec<Sent>, cut_after: Option<usize>, live: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner =
            Arc::new(Inner { begin_ms, packets, cut_after, live, plays: AtomicUsize::new(0), wrong: Mutex::default() });
        let speaker = Self { port, inner: Arc::clone(&inner) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let inner = Arc::clone(&inner);
                std::thread::spawn(move || inner.serve(client));
            }
        });
        speaker
    }

    /// How often it was told to play.
    pub fn plays(&self) -> usize {
        self.inner.plays.load(Ordering::SeqCst)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let wrong = self.inner.wrong.lock().unwrap().clone();
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "the recorder was asked wrongly: {wrong:#?}");
        }
    }
}

/// Sound in A-law on channel 0, documents on channel 2, in the order of their times.
fn footage(begin_ms: i64, seconds: i64) -> Vec<Sent> {
    let mut packets = Vec::new();
    for n in 0..seconds * 1_000 / SOUND_MS {
        let at_ms = begin_ms + n * SOUND_MS;
        let sound: Vec<u8> = (0..160).map(|i| ((n * 7 + i) % 251) as u8).collect();
        let (seq, time) = (n as u16, (n * 160) as u32);
        packets.push((at_ms, 0, rtp(8, false, (seq, time, 1), at_ms, &sound)));
    }
    let mut seq = 0u16;
    for n in 0..seconds * 1_000 / DOCUMENT_MS {
        let at_ms = begin_ms + n * DOCUMENT_MS;
        let text = document(n).into_bytes();
        let pieces: Vec<&[u8]> = text.chunks(PIECE_BYTES).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let last = i + 1 == pieces.len();
            packets.push((at_ms, 2, rtp(107, last, (seq, (n * 45_000) as u32, 2), at_ms, piece)));
            seq = seq.wrapping_add(1);
        }
    }
    packets.sort_by_key(|(at_ms, channel, _)| (*at_ms, *channel));
    packets
}

fn rtp(kind: u8, marker: bool, (seq, time, source): (u16, u32, u32), at_ms: i64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x90, kind | (u8::from(marker) << 7)];
    bytes.extend(seq.to_be_bytes());
    bytes.extend(time.to_be_bytes());
    bytes.extend(source.to_be_bytes());
    bytes.extend([0xab, 0xac, 0, 3]);
    let fraction = ((at_ms.rem_euclid(1_000) as u64) << 32) / 1_000;
    bytes.extend(((at_ms.div_euclid(1_000) + NTP_TO_UNIX_S) as u32).to_be_bytes());
    bytes.extend((fraction as u32).to_be_bytes());
    bytes.extend([0x80, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

impl Inner {
    fn serve(&self, mut client: TcpStream) {
        let mut lines = BufReader::new(client.try_clone().unwrap());
        loop {
            let mut head = Vec::new();
            loop {
                // What comes between messages on a channel is our receiver's report.
                if lines.fill_buf().is_ok_and(|b| b.first() == Some(&b'$')) {
                    let mut frame = [0; 4];
                    if lines.read_exact(&mut frame).is_err() {
                        return;
                    }
                    let mut rest = vec![0; usize::from(u16::from_be_bytes([frame[2], frame[3]]))];
                    if lines.read_exact(&mut rest).is_err() {
                        return;
                    }
                    continue;
                }
                let mut line = String::new();
                if lines.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                let line = line.trim_end().to_owned();
                if line.is_empty() {
                    break;
                }
                head.push(line);
            }
            let header = |name: &str| {
                head.iter().skip(1).find_map(|l| {
                    let (n, v) = l.split_once(':')?;
                    n.eq_ignore_ascii_case(name).then(|| v.trim().to_owned())
                })
            };
            let method = head[0].split(' ').next().unwrap_or_default().to_owned();
            let seq = header("cseq").unwrap_or_default();
            let replays = matches!(method.as_str(), "SETUP" | "PLAY");
            if replays && !self.live && header("require").as_deref() != Some("onvif-replay") {
                self.wrong.lock().unwrap().push(format!("{method} without Require: onvif-replay"));
            }
            let (more, body) = match method.as_str() {
                "OPTIONS" => {
                    ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n".to_owned(), String::new())
                }
                "DESCRIBE" => ("Content-Type: application/sdp\r\n".to_owned(), sdp()),
                "SETUP" => (
                    format!("Transport: {}\r\nSession: 7;timeout=60\r\n", header("transport").unwrap_or_default()),
                    String::new(),
                ),
                _ => ("Session: 7\r\n".to_owned(), String::new()),
            };
            let answer =
                format!("RTSP/1.0 200 OK\r\nCSeq: {seq}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len());
            if client.write_all(answer.as_bytes()).is_err() || method == "TEARDOWN" {
                return;
            }
            if method == "PLAY" {
                if self.live {
                    if !self.play(&mut client, self.begin_ms) {
                        return;
                    }
                    continue;
                }
                let range = header("range").unwrap_or_default();
                if header("rate-control").as_deref() != Some("no") {
                    self.wrong.lock().unwrap().push("PLAY without Rate-Control: no".to_owned());
                }
                let from_ms = range.strip_prefix("clock=").and_then(|r| clock(r.split('-').next()?));
                let Some(from_ms) = from_ms else {
                    self.wrong.lock().unwrap().push(format!("PLAY with the range {range:?}"));
                    return;
                };
                if !self.play(&mut client, from_ms) {
                    let _ = client.shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
        }
    }

    /// Sends what there is from a moment on; whether the line still stands.
    fn play(&self, client: &mut TcpStream, from_ms: i64) -> bool {
        let first = self.plays.fetch_add(1, Ordering::SeqCst) == 0;
        let coming = self.packets.iter().filter(|(at_ms, ..)| *at_ms >= from_ms.max(self.begin_ms));
        let begun = monotonic();
        for (n, (at_ms, channel, packet)) in coming.enumerate() {
            if self.live {
                // The moment at which a camera would have made it.
                let due = Duration::from_millis((at_ms - self.begin_ms) as u64);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            if first && self.cut_after.is_some_and(|cut| n >= cut) {
                return false;
            }
            if send(client, *channel, packet).is_err() {
                return false;
            }
        }
        // Goodbye, of both (RFC 3550, 6.6).
        let bye = |source: u8| [0x81, 203, 0, 1, 0, 0, 0, source];
        send(client, 1, &bye(1)).is_ok() && send(client, 3, &bye(2)).is_ok()
    }
}

fn send(client: &mut TcpStream, channel: u8, packet: &[u8]) -> std::io::Result<()> {
    let mut bytes = vec![b'$', channel];
    bytes.extend((packet.len() as u16).to_be_bytes());
    bytes.extend(packet);
    client.write_all(&bytes)
}

/// `20260619T100324.000Z`.
fn clock(text: &str) -> Option<i64> {
    let (day, time) = text.trim().split_once('T')?;
    let iso = format!("{}-{}-{}T{}:{}:{}", &day[..4], &day[4..6], &day[6..8], &time[..2], &time[2..4], &time[4..]);
    UtcMs::parse_rfc3339(&iso).map(|at| at.0)
}

fn sdp() -> String {
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
     m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:sound\r\n\
     m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:metadata\r\n"
        .to_owned()
}
