//! One RTSP connection (RFC 2326) that replays: describe, set up, play from a time, packets. RTP travels inside the
//! connection, so that nothing is lost that the connection does not lose. With ONVIF recorders as the ONVIF Streaming
//! Specification says (chapter 6): `Require: onvif-replay`, clock ranges, `Rate-Control: no`. Runs inside a worker.
//!
//! Why not GStreamer's `rtspsrc`: 1.22 sends no `Require`, its jitter buffer bends the times of footage that comes faster
//! than it was recorded, and what it gives depends on how fast the network was; the same footage must give the same bytes.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::auth::Challenge;
use super::line::{Host, Line};
use super::message::{Came, Head, Incoming};
use super::soap::{AskError, printable};
use crate::domain::replay::{Door, Timeline, stamp};
use crate::runtime::clock::monotonic;

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;
/// Packets that may come before the answer to a request that they overtook.
const OVERTAKING_BYTES: usize = 8 << 20;
/// Keeping a session alive is asked so long before its time is over.
const EARLY: Duration = Duration::from_secs(10);
/// Answers to one request that belong to others.
const STRANGE_ANSWERS: usize = 32;

/// What comes while it plays.
#[derive(Debug, PartialEq, Eq)]
pub enum Played {
    /// A packet of a channel; its bytes are [`Rtsp::packet`].
    Packet(u8),
    /// The server says that the range is over (RTSP `ANNOUNCE` with a notice of the end).
    Over,
    /// The connection was closed.
    Closed,
    /// Nothing yet.
    Quiet,
}

/// A connection.
pub struct Rtsp<'a> {
    door: &'a Door,
    line: Line,
    incoming: Incoming,
    buf: Vec<u8>,
    packet: Vec<u8>,
    overtaking: VecDeque<(u8, Vec<u8>)>,
    overtaking_bytes: usize,
    over: bool,
    asked: u32,
    challenge: Option<Challenge>,
    /// Session, and how often something must be said.
    session: Option<(String, Duration)>,
    said: Instant,
    /// Base of relative addresses.
    base: String,
    limit: Duration,
}

/// What a server says of what it has.
pub struct Described {
    /// SDP.
    pub sdp: Vec<u8>,
}

/// How playing begins, as the server says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Playing {
    /// Where, milliseconds on the timeline.
    pub from_ms: Option<i64>,
    /// RTP time of each track there, by the end of its address.
    pub times: Vec<(String, u32)>,
}

impl<'a> Rtsp<'a> {
    /// Connects.
    pub fn connect(door: &'a Door) -> Result<Self, AskError> {
        let host = Host::of(&door.url).ok_or(AskError::Address)?;
        let limit = Duration::from_millis(door.patience_ms);
        let line = Line::connect(&host, &door.trust, limit).map_err(AskError::Away)?;
        Ok(Self {
            door,
            line,
            incoming: Incoming::default(),
            buf: vec![0; READ_BYTES],
            packet: Vec::new(),
            overtaking: VecDeque::new(),
            overtaking_bytes: 0,
            over: false,
            asked: 0,
            challenge: None,
            session: None,
            said: monotonic(),
            base: door.url.clone(),
            limit,
        })
    }

    /// Asks what there is.
    pub fn describe(&mut self) -> Result<Described, AskError> {
        let url = self.door.url.clone();
        let (head, sdp) = self.ask("DESCRIBE", &url, &[("Accept", "application/sdp".to_owned())])?;
        // RFC 2326, C.1.1: in this order.
        let base = head.get("content-base").or(head.get("content-location")).unwrap_or(&url);
        // A server may know itself by another name; we stay where we are.
        self.base = at_same_host(base, &url);
        Ok(Described { sdp })
    }

    /// Sets a track up on a pair of channels; `control` is its attribute in the description.
    pub fn set_up(&mut self, control: &str, channel: u8, onvif: bool) -> Result<(), AskError> {
        let url = joined(&self.base, control);
        let url = at_same_host(&url, &self.door.url);
        let mut headers =
            vec![("Transport", format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel.saturating_add(1)))];
        if onvif {
            headers.push(("Require", "onvif-replay".to_owned()));
        }
        let (head, _) = self.ask("SETUP", &url, &headers)?;
        let transport = head.get("transport").unwrap_or_default().to_ascii_lowercase();
        // A server that chooses other channels than were asked for would mix tracks up.
        match transport.split(';').find_map(|p| p.trim().strip_prefix("interleaved=")) {
            Some(channels) if channels.split('-').next().and_then(|c| c.parse().ok()) == Some(channel) => Ok(()),
            Some(_) => Err(AskError::No("it puts a track on another channel than was asked for".to_owned())),
            None => Err(AskError::No("it does not send footage inside the connection (RTP over TCP)".to_owned())),
        }
    }

    /// Plays from a time to another.
    pub fn play(&mut self, onvif: bool, timeline: Timeline, from_ms: i64, to_ms: i64) -> Result<Playing, AskError> {
        let base = self.base.clone();
        let range = match timeline {
            Timeline::Clock => format!("clock={}-{}", stamp(from_ms), stamp(to_ms)),
            Timeline::Npt => format!("npt={:.3}-{:.3}", from_ms as f64 / 1000.0, to_ms as f64 / 1000.0),
        };
        // From the key frame before (RFC 7826, 18.47, which servers of RTSP 1.0 know, too, or pass over): asked for the exact
        // time, some stamp the frames between the two with no time of their own. Of its words for this, CoRAP is the one
        // that GStreamer's server carries out.
        let mut headers = vec![("Range", range), ("Seek-Style", "CoRAP".to_owned())];
        if onvif {
            headers.push(("Require", "onvif-replay".to_owned()));
            headers.push(("Rate-Control", "no".to_owned()));
        }
        let (head, _) = self.ask("PLAY", &base, &headers)?;
        Ok(Playing {
            from_ms: head.get("range").and_then(|range| begin_of(range, timeline)),
            times: head.all("rtp-info").flat_map(rtp_times).collect(),
        })
    }

    /// What comes next, until `until`.
    pub fn next(&mut self, until: Instant) -> Result<Played, AskError> {
        if let Some((channel, bytes)) = self.overtaking.pop_front() {
            self.overtaking_bytes -= bytes.len();
            self.packet = bytes;
            return Ok(Played::Packet(channel));
        }
        if std::mem::take(&mut self.over) {
            return Ok(Played::Over);
        }
        self.stay_alive()?;
        loop {
            match self.incoming.rtsp()? {
                Some(Came::Packet(channel, range)) => {
                    self.packet.clear();
                    self.packet.extend_from_slice(self.incoming.bytes(range));
                    return Ok(Played::Packet(channel));
                }
                Some(Came::Message(head, body)) => {
                    if self.heard(&head, &body)? {
                        return Ok(Played::Over);
                    }
                }
                None => match self.line.read(&mut self.buf, until) {
                    Ok(0) => return Ok(Played::Closed),
                    Ok(n) => self.incoming.push(&self.buf[..n]),
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(Played::Quiet),
                    Err(e) => return Err(AskError::Away(e)),
                },
            }
        }
    }

    /// The packet that came last.
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Ends in order, without waiting for what the server says to it.
    pub fn leave(mut self) {
        let base = self.base.clone();
        let _ = self.say("TEARDOWN", &base, &[]);
    }

    fn stay_alive(&mut self) -> Result<(), AskError> {
        let due = self.session.as_ref().is_some_and(|(_, every)| self.said.elapsed() >= *every);
        if due {
            let base = self.base.clone();
            // Its answer is passed over like any that nobody waits for.
            self.say("GET_PARAMETER", &base, &[])?;
        }
        Ok(())
    }

    /// A message while nobody waits for one: a request of the server. Whether it tells the end.
    fn heard(&mut self, head: &Head, body: &[u8]) -> Result<bool, AskError> {
        if head.status().is_some() {
            return Ok(false);
        }
        let cseq: String = head.get("cseq").unwrap_or("0").chars().filter(char::is_ascii_digit).take(10).collect();
        let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n");
        self.line.write(answer.as_bytes(), self.limit).map_err(AskError::Away)?;
        // 2101 End-of-Stream Reached (the notices of RFC 7826, 13.5, that servers of RTSP 1.0 send, too).
        let notice = ["x-notice", "notice", "notify-reason"].iter().find_map(|name| head.get(name)).unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let told = |text: &str| ["2101", "2102", "2103", "end-of-stream"].iter().any(|end| text.contains(end));
        Ok(!head.first.starts_with("OPTIONS") && (told(notice) || told(&body)))
    }

    fn ask(&mut self, method: &str, url: &str, headers: &[(&str, String)]) -> Result<(Head, Vec<u8>), AskError> {
        let (mut head, mut body) = self.asked(method, url, headers)?;
        if head.status() == Some(401) && self.door.user.is_some() {
            self.challenge = Challenge::choose(head.all("www-authenticate"));
            if self.challenge.is_some() {
                (head, body) = self.asked(method, url, headers)?;
            }
        }
        match head.status() {
            Some(200..300) => Ok((head, body)),
            Some(401 | 403) => Err(AskError::Denied(format!("RTSP {}", printable(&head.first)))),
            _ => Err(AskError::No(format!("{method}: {}", printable(&head.first)))),
        }
    }

    fn asked(&mut self, method: &str, url: &str, headers: &[(&str, String)]) -> Result<(Head, Vec<u8>), AskError> {
        let number = self.say(method, url, headers)?;
        let until = monotonic() + self.limit;
        let mut strange = 0;
        loop {
            match self.incoming.rtsp()? {
                Some(Came::Packet(channel, range)) => {
                    self.overtaking_bytes += range.len();
                    if self.overtaking_bytes > OVERTAKING_BYTES {
                        return Err(AskError::No("it sends footage and no answer".to_owned()));
                    }
                    self.overtaking.push_back((channel, self.incoming.bytes(range).to_vec()));
                }
                Some(Came::Message(head, body)) if head.status().is_some() => {
                    if head.get("cseq").and_then(|c| c.parse::<u32>().ok()) == Some(number) {
                        self.note_session(&head);
                        return Ok((head, body));
                    }
                    strange += 1;
                    if strange > STRANGE_ANSWERS {
                        return Err(AskError::No("it answers what nobody asked".to_owned()));
                    }
                }
                Some(Came::Message(head, body)) => self.over |= self.heard(&head, &body)?,
                None => {
                    let n = self.line.read(&mut self.buf, until).map_err(AskError::Away)?;
                    if n == 0 {
                        return Err(AskError::Away(io::ErrorKind::UnexpectedEof.into()));
                    }
                    self.incoming.push(&self.buf[..n]);
                }
            }
        }
    }

    fn say(&mut self, method: &str, url: &str, headers: &[(&str, String)]) -> Result<u32, AskError> {
        self.asked += 1;
        let mut request = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\nUser-Agent: evidock\r\n", self.asked);
        if let Some((session, _)) = &self.session {
            request.push_str(&format!("Session: {session}\r\n"));
        }
        if let (Some(challenge), Some(user), Some(password)) = (&self.challenge, &self.door.user, &self.door.password) {
            let own = format!("{:032x}", rand::random::<u128>());
            let answer = challenge.answer((user, password), method, url, self.asked, &own);
            request.push_str(&format!("Authorization: {answer}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.said = monotonic();
        self.line.write(request.as_bytes(), self.limit).map_err(AskError::Away)?;
        Ok(self.asked)
    }

    fn note_session(&mut self, head: &Head) {
        let Some(text) = head.get("session") else { return };
        let (id, rest) = text.split_once(';').unwrap_or((text, ""));
        let seconds = rest.trim().strip_prefix("timeout=").and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(60);
        // RFC 2326, 12.37: 60 seconds where nothing is said.
        let lasting = Duration::from_secs(seconds.clamp(2, 3_600));
        let every = lasting.checked_sub(EARLY).unwrap_or_default().max(lasting / 2);
        self.session = Some((id.trim().chars().take(200).collect(), every));
    }
}

/// An address with the scheme, host and port of another one.
fn at_same_host(url: &str, ours: &str) -> String {
    let (Ok(theirs), Ok(own)) = (url.trim().parse::<http::Uri>(), ours.parse::<http::Uri>()) else {
        return ours.to_owned();
    };
    let (Some(scheme), Some(authority)) = (own.scheme_str(), own.authority()) else { return ours.to_owned() };
    let path = theirs.path_and_query().or(own.path_and_query()).map_or("/", |p| p.as_str());
    format!("{scheme}://{authority}{path}")
}

/// A track's address (RFC 2326, C.1.1).
fn joined(base: &str, control: &str) -> String {
    let control = control.trim();
    let control = control.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(500).collect::<String>();
    match control.as_str() {
        "" | "*" => base.to_owned(),
        whole if whole.contains("://") => whole.to_owned(),
        part => format!("{}/{}", base.trim_end_matches('/'), part.trim_start_matches('/')),
    }
}

/// The begin of a `Range` header, milliseconds.
pub fn begin_of(range: &str, timeline: Timeline) -> Option<i64> {
    let (unit, range) = range.trim().split_once('=')?;
    let (from, _) = range.split_once('-')?;
    match (unit.trim(), timeline) {
        ("npt", Timeline::Npt) => seconds(from),
        ("clock", Timeline::Clock) => moment(from),
        _ => None,
    }
}

/// Begin and end of a range attribute in a description; the end of an open one is none.
pub fn range_of(attribute: &str) -> Option<(Timeline, i64, i64)> {
    let (unit, range) = attribute.trim().split_once('=')?;
    let (from, to) = range.split_once('-')?;
    match unit.trim() {
        "npt" => Some((Timeline::Npt, seconds(from)?, seconds(to)?)),
        "clock" => Some((Timeline::Clock, moment(from)?, moment(to)?)),
        _ => None,
    }
}

/// Normal play time (RFC 2326, 3.6): `12.5` or `1:02:03.5`.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let parts: Vec<f64> = text.split(':').map(|p| p.parse::<f64>().ok()).collect::<Option<_>>()?;
    let total = match parts[..] {
        [s] => s,
        [h, m, s] => h * 3600.0 + m * 60.0 + s,
        _ => return None,
    };
    (total.is_finite() && (0.0..1e9).contains(&total)).then_some((total * 1000.0).round() as i64)
}

/// Absolute time (RFC 2326, 3.7): `20260619T100324.25Z`.
fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits: &str = text.strip_suffix('Z')?;
    let (date, time) = digits.split_once('T')?;
    if date.len() != 8 || time.len() < 6 || !text.is_ascii() {
        return None;
    }
    let (y, m, d) = (&date[..4], &date[4..6], &date[6..]);
    let (h, min, s) = (&time[..2], &time[2..4], &time[4..]);
    crate::domain::time::UtcMs::parse_rfc3339(&format!("{y}-{m}-{d}T{h}:{min}:{s}Z")).map(|t| t.0)
}

/// RTP times of an `RTP-Info` header, by the end of each track's address.
fn rtp_times(header: &str) -> Vec<(String, u32)> {
    header
        .split(',')
        .filter_map(|track| {
            let value = |name: &str| track.split(';').find_map(|p| p.trim().strip_prefix(name)).map(str::trim);
            let url = value("url=")?.trim_end_matches('/');
            let end = url.rsplit('/').next()?.to_owned();
            Some((end, value("rtptime=")?.parse().ok()?))
        })
        .take(16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_servers_write_them() {
        let at = |text: &str| crate::domain::time::UtcMs::parse_rfc3339(text).unwrap().0;
        for (text, wanted) in [
            ("npt=0-596.48", Some((Timeline::Npt, 0, 596_480))),
            ("npt=0:00:01.5-1:00:00", Some((Timeline::Npt, 1_500, 3_600_000))),
            ("npt=now-", None),
            ("npt=0-", None),
            ("npt=-5-9", None),
            ("npt=0-1e300", None),
            (
                "clock=20260619T100324Z-20260619T100325.25Z",
                Some((Timeline::Clock, at("2026-06-19T10:03:24Z"), at("2026-06-19T10:03:25.250Z"))),
            ),
            ("clock=20261319T100324Z-20260619T100325Z", None),
            ("clock=", None),
            ("smpte=0:00-", None),
        ] {
            assert_eq!(range_of(text), wanted, "{text}");
        }
        assert_eq!(begin_of("npt=2.040-10", Timeline::Npt), Some(2_040));
        assert_eq!(begin_of("clock=20260619T100324Z-", Timeline::Npt), None);
        let moment = at("2026-06-19T10:03:24.250Z");
        assert_eq!(begin_of(&format!("clock={}-", stamp(moment)), Timeline::Clock), Some(moment));
    }

    #[test]
    fn addresses_stay_at_the_host_that_was_asked() {
        let ours = "rtsp://192.0.2.7:8554/r/1?token=x";
        assert_eq!(at_same_host("rtsp://10.0.0.1/r/1/", ours), "rtsp://192.0.2.7:8554/r/1/");
        assert_eq!(at_same_host("not an address", ours), ours);
        for (control, wanted) in [
            ("*", "rtsp://h/r/"),
            ("", "rtsp://h/r/"),
            ("stream=0", "rtsp://h/r/stream=0"),
            ("/track1", "rtsp://h/r/track1"),
            ("rtsp://other/r/track1", "rtsp://other/r/track1"),
            ("a\r\nX: y", "rtsp://h/r/aX:y"),
        ] {
            assert_eq!(joined("rtsp://h/r/", control), wanted, "{control:?}");
        }
    }

    #[test]
    fn rtp_times_of_tracks() {
        let times =
            rtp_times("url=rtsp://h/r/stream=0;seq=7;rtptime=42,url=rtsp://h/r/stream=1/;rtptime=43, url=x;seq=1");
        assert_eq!(times, [("stream=0".to_owned(), 42), ("stream=1".to_owned(), 43)]);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "(npt|clock|url)?=?[0-9TZ:.;=,/a-z \\PC-]{0,60}") {
            let _ = (range_of(&text), begin_of(&text, Timeline::Clock), begin_of(&text, Timeline::Npt), rtp_times(&text));
            let _ = (joined("rtsp://h/", &text), at_same_host(&text, "rtsp://h/"));
        }
    }
}
