//! Messages of RTSP (RFC 2326) and HTTP/1.1 (RFC 9112), as a recorder sends them, and RTP packets between those of RTSP
//! (RFC 2326, 10.12). Pure: bytes in, messages out. A recorder may send anything: every length is bounded, and memory is
//! taken only for bytes that have really come.

use std::ops::Range;

/// Longest head of a message: what servers allow (nginx, Apache) is 8 KiB a line.
const HEAD_BYTES: usize = 32 << 10;
/// Most lines of a head.
const HEAD_LINES: usize = 100;
/// Longest body. A list of a thousand recordings is about 600 KiB of SOAP.
pub const BODY_BYTES: usize = 4 << 20;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long.
    #[error("its {0} is longer than anything sensible")]
    Long(&'static str),
    /// Not a message.
    #[error("it sent something that is no answer ({0})")]
    Odd(&'static str),
}

/// First line and headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// `RTSP/1.0 200 OK`, or a request's line.
    pub first: String,
    /// Names in small letters, values trimmed.
    headers: Vec<(String, String)>,
}

impl Head {
    /// The status of an answer; `None` of a request.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.first.split_once(' ')?;
        let status = rest.trim_start().get(..3)?;
        (version.starts_with("RTSP/") || version.starts_with("HTTP/")).then(|| status.parse().ok()).flatten()
    }

    /// What follows the status.
    pub fn reason(&self) -> &str {
        self.first.splitn(3, ' ').nth(2).unwrap_or_default()
    }

    /// The first value of a header, named in small letters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let mut head = Self { first: lines.next().unwrap_or_default().trim().to_owned(), headers: Vec::new() };
        for line in lines.filter(|l| !l.trim().is_empty()) {
            if head.headers.len() >= HEAD_LINES {
                return Err(Malformed::Long("head"));
            }
            let (name, value) = line.split_once(':').ok_or(Malformed::Odd("a header without a colon"))?;
            head.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(head)
    }

    fn length(&self) -> Result<Option<usize>, Malformed> {
        let Some(text) = self.get("content-length") else { return Ok(None) };
        let length = text.parse::<u64>().map_err(|_| Malformed::Odd("a length that is no number"))?;
        match usize::try_from(length) {
            Ok(length) if length <= BODY_BYTES => Ok(Some(length)),
            _ => Err(Malformed::Long("body")),
        }
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A message.
    Message(Head, Vec<u8>),
    /// A packet on a channel; its bytes are these of [`Incoming::bytes`], until more are asked for.
    Packet(u8, Range<usize>),
}

/// Bytes of one connection, as they come.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    at: usize,
}

impl Incoming {
    /// Bytes came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && (self.at == self.bytes.len() || self.at > 256 << 10) {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes of a packet.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The next thing of an RTSP connection, once it is whole.
    pub fn rtsp(&mut self) -> Result<Option<Came>, Malformed> {
        // Some servers end bodies with a line that the length does not count.
        while self.bytes.get(self.at).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            self.at += 1;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest {
            [] => Ok(None),
            [b'$', channel, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let begin = self.at + 4;
                if self.bytes.len() < begin + length {
                    return Ok(None);
                }
                let channel = *channel;
                self.at = begin + length;
                Ok(Some(Came::Packet(channel, begin..begin + length)))
            }
            [b'$', ..] => Ok(None),
            _ => {
                let Some((head, begin)) = self.head()? else { return Ok(None) };
                let length = head.length()?.unwrap_or(0);
                let Some(body) = self.bytes.get(begin..begin + length) else { return Ok(None) };
                let body = body.to_vec();
                self.at = begin + length;
                Ok(Some(Came::Message(head, body)))
            }
        }
    }

    /// The answer of an HTTP connection, once it is whole; `over` says that nothing more comes.
    pub fn http(&mut self, over: bool) -> Result<Option<(Head, Vec<u8>)>, Malformed> {
        let Some((head, begin)) = self.head()? else {
            return if over { Err(Malformed::Odd("an answer that ends early")) } else { Ok(None) };
        };
        // 100 Continue, which nobody asked for.
        if head.status().is_some_and(|s| (100..200).contains(&s)) {
            self.at = begin;
            return self.http(over);
        }
        let rest = self.bytes.get(begin..).unwrap_or_default();
        let chunked = head.get("transfer-encoding").is_some_and(|t| t.to_ascii_lowercase().contains("chunked"));
        let body = match (chunked, head.length()?) {
            (true, _) => unchunk(rest)?,
            (false, Some(length)) => rest.get(..length).map(<[u8]>::to_vec),
            (false, None) if rest.len() > BODY_BYTES => return Err(Malformed::Long("body")),
            (false, None) => over.then(|| rest.to_vec()),
        };
        match body {
            Some(body) => {
                self.at = self.bytes.len();
                Ok(Some((head, body)))
            }
            None if over => Err(Malformed::Odd("an answer that ends early")),
            None => Ok(None),
        }
    }

    /// A head that is whole, and where what follows it begins.
    fn head(&self) -> Result<Option<(Head, usize)>, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let looked = &rest[..rest.len().min(HEAD_BYTES)];
        let end = looked.windows(2).enumerate().find_map(|(n, two)| match two {
            b"\n\n" => Some(n + 2),
            b"\n\r" if looked.get(n + 2) == Some(&b'\n') => Some(n + 3),
            _ => None,
        });
        match end {
            Some(end) => Ok(Some((Head::parse(&looked[..end])?, self.at + end))),
            None if rest.len() >= HEAD_BYTES => Err(Malformed::Long("head")),
            None => Ok(None),
        }
    }
}

/// A chunked body (RFC 9112, 7.1) once it is whole.
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.iter().take(64).position(|b| *b == b'\n') else {
            return if rest.len() >= 64 { Err(Malformed::Odd("a chunk without a length")) } else { Ok(None) };
        };
        let line = String::from_utf8_lossy(&rest[..end]);
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| Malformed::Odd("a chunk without a length"))?;
        if length > BODY_BYTES || body.len() + length > BODY_BYTES {
            return Err(Malformed::Long("body"));
        }
        rest = &rest[end + 1..];
        if length == 0 {
            // What may follow (trailers) means nothing to us.
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(..length) else { return Ok(None) };
        body.extend_from_slice(chunk);
        rest = &rest[length..];
        rest = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(incoming: &mut Incoming) -> Vec<Came> {
        std::iter::from_fn(|| incoming.rtsp().unwrap()).collect()
    }

    #[test]
    fn messages_and_packets_take_turns() {
        let mut incoming = Incoming::default();
        incoming
            .push(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\nv=0\n\r\n$\x01\x00\x03abc$\x00\x00\x02d");
        let came = all(&mut incoming);
        let [Came::Message(head, body), Came::Packet(1, range)] = &came[..] else { panic!("{came:?}") };
        assert_eq!((head.status(), head.reason(), head.get("cseq")), (Some(200), "OK", Some("2")));
        assert_eq!((body.as_slice(), incoming.bytes(range.clone())), (&b"v=0\n"[..], &b"abc"[..]));
        incoming.push(b"e");
        let came = all(&mut incoming);
        let [Came::Packet(0, range)] = &came[..] else { panic!("{came:?}") };
        assert_eq!(incoming.bytes(range.clone()), b"de");
    }

    #[test]
    fn bodies_of_http() {
        let answer = |text: &str, over| {
            let mut incoming = Incoming::default();
            incoming.push(text.as_bytes());
            incoming.http(over).map(|a| a.map(|(h, b)| (h.status().unwrap(), String::from_utf8(b).unwrap())))
        };
        let whole = Ok(Some((200, "abcde".to_owned())));
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\nContent-Length: 5\n\nabcdefg",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",
        ] {
            assert_eq!(answer(text, false), whole, "{text}");
        }
        let open = "HTTP/1.0 200 OK\r\n\r\nabcde";
        assert_eq!((answer(open, false), answer(open, true)), (Ok(None), whole));
        for (text, what) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "ends early"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "body is longer"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "body is longer"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk without a length"),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "without a colon"),
            ("HTTP/1.1 200", "ends early"),
        ] {
            assert!(answer(text, true).unwrap_err().to_string().contains(what), "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(HEAD_BYTES));
        assert_eq!(answer(&endless, false), Err(Malformed::Long("head")));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEAD_LINES + 1));
        assert_eq!(answer(&many, false), Err(Malformed::Long("head")));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_end(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 1usize..50) {
            let (mut rtsp, mut http) = (Incoming::default(), Incoming::default());
            for piece in bytes.chunks(cut) {
                rtsp.push(piece);
                http.push(piece);
                while let Ok(Some(_)) = rtsp.rtsp() {}
                let _ = http.http(false);
            }
            let _ = http.http(true);
        }

        #[test]
        fn a_mutated_answer_ends(at in 0usize..120, with in any::<u8>(), cut in 1usize..120) {
            let mut bytes = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 4;timeout=60\r\nContent-Length: 4\r\n\r\nv=0\n$\x00\x00\x04abcd$\x01\x00\x01x".to_vec();
            let n = bytes.len();
            bytes[at % n] = with;
            bytes.truncate(cut.max(n / 2));
            let mut incoming = Incoming::default();
            incoming.push(&bytes);
            while let Ok(Some(came)) = incoming.rtsp() {
                if let Came::Packet(_, range) = came {
                    prop_assert!(range.end <= bytes.len());
                }
            }
        }
    }
}
