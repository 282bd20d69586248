//! RFC 3161 timestamps on checkpoints: the request, and what can be told of a reply without the authority's
//! certificates. Whether the signature in it is true is left to `openssl ts -verify`, with certificates that the reader
//! trusts; the reply is kept whole for that. Never reaches the network.
//!
//! The request is always of one form (RFC 3161, 2.4.1), so that it is a template with two holes:
//!
//! ```text
//! SEQUENCE { INTEGER 1, SEQUENCE { SEQUENCE { OID sha256, NULL }, OCTET STRING <digest> }, INTEGER <nonce>, BOOLEAN TRUE }
//! ```
//!
//! Of the reply only what is needed is walked through, in definite lengths as DER has them (X.690, 8.1.3).

use sha2::{Digest, Sha256};

use crate::domain::time::UtcMs;

/// A timestamp token with its certificates has a few thousand bytes; what is longer than this is none.
pub const MAX_REPLY_BYTES: usize = 64 << 10;
/// Media type of the request.
pub const QUERY_TYPE: &str = "application/timestamp-query";

/// OID 2.16.840.1.101.3.4.2.1 (SHA-256) with its parameters.
const SHA256_WITH_NULL: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00];
/// OID 1.2.840.113549.1.7.2 (signed data).
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// OID 1.2.840.113549.1.9.16.1.4 (what a timestamp says).
const TST_INFO: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;

/// A question to an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    digest: [u8; 32],
    nonce: [u8; 8],
}

impl Query {
    /// Asks about `stamped`; `random` makes the reply belong to this question.
    pub fn new(stamped: &[u8], random: [u8; 8]) -> Self {
        let mut nonce = random;
        // Positive, and eight bytes long in its shortest form.
        nonce[0] = nonce[0] & 0x7f | 0x40;
        Self { digest: Sha256::digest(stamped).into(), nonce }
    }

    /// The request.
    pub fn der(&self) -> Vec<u8> {
        let mut der = vec![SEQUENCE, 0x43, INTEGER, 1, 1, SEQUENCE, 0x31];
        der.extend_from_slice(&SHA256_WITH_NULL);
        der.extend_from_slice(&[OCTET_STRING, 32]);
        der.extend_from_slice(&self.digest);
        der.extend_from_slice(&[INTEGER, 8]);
        der.extend_from_slice(&self.nonce);
        // The certificates are wanted in the reply, so that it can be verified in twenty years.
        der.extend_from_slice(&[0x01, 0x01, 0xff]);
        der
    }

    /// Reads a reply to this question.
    pub fn read(&self, reply: &[u8]) -> Result<Stamp, TimestampError> {
        let stamp = read(reply)?;
        if stamp.nonce.as_deref() != Some(&self.nonce[..]) {
            return Err(TimestampError::OtherQuestion("nonce"));
        }
        if stamp.digest != self.digest {
            return Err(TimestampError::OtherQuestion("digest"));
        }
        Ok(stamp)
    }
}

/// What a timestamp says. Nothing of it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Of what was stamped (SHA-256).
    pub digest: [u8; 32],
    /// When, as the authority says.
    pub at: UtcMs,
    nonce: Option<Vec<u8>>,
}

impl Stamp {
    /// Whether it is about these bytes.
    pub fn is_of(&self, stamped: &[u8]) -> bool {
        self.digest[..] == Sha256::digest(stamped)[..]
    }
}

/// Why a reply is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The authority refused.
    #[error("the authority refused (PKIStatus {0})")]
    Refused(u8),
    /// Not a reply.
    #[error("this is no timestamp reply: {0}")]
    Malformed(&'static str),
    /// A reply to something else.
    #[error("the timestamp belongs to another question: its {0} differs")]
    OtherQuestion(&'static str),
}

/// Reads a reply (RFC 3161, 2.4.2).
pub fn read(reply: &[u8]) -> Result<Stamp, TimestampError> {
    use TimestampError::Malformed;
    if reply.len() > MAX_REPLY_BYTES {
        return Err(Malformed("it is too long"));
    }
    let form = Malformed("its form is not that of RFC 3161");
    let whole = Der(reply).only(SEQUENCE).ok_or(form.clone())?;
    let (status, token) = whole.take(SEQUENCE).ok_or(form.clone())?;
    match status.take(INTEGER).ok_or(form.clone())?.0.0 {
        [0 | 1] => {}
        [status] => return Err(TimestampError::Refused(*status)),
        _ => return Err(form),
    }
    let info = token_info(token).ok_or(form.clone())?;
    let read = || {
        let (_, rest) = info.take(INTEGER)?;
        let (_, rest) = rest.take(OBJECT)?;
        let (imprint, rest) = rest.take(SEQUENCE)?;
        let (algorithm, hashed) = imprint.take(SEQUENCE)?;
        let (oid, _) = algorithm.take(OBJECT)?;
        let (digest, _) = hashed.take(OCTET_STRING)?;
        let (_, rest) = rest.take(INTEGER)?;
        let (time, mut rest) = rest.take(GENERALIZED_TIME)?;
        // Accuracy and ordering may stand before the nonce.
        let mut nonce = None;
        while let Some((tag, content, after)) = rest.next() {
            if tag == INTEGER {
                nonce = Some(content.0.to_vec());
                break;
            }
            rest = after;
        }
        (oid.0 == &SHA256_WITH_NULL[4..13]).then_some(())?;
        Some(Stamp { digest: digest.0.try_into().ok()?, at: generalized_time(time.0)?, nonce })
    };
    read().ok_or(Malformed("what it says cannot be read, or is not about a SHA-256"))
}

/// What the token in a reply says.
fn token_info(token: Der<'_>) -> Option<Der<'_>> {
    let (content_info, _) = token.take(SEQUENCE)?;
    let (kind, content) = content_info.take(OBJECT)?;
    let (signed, _) = content.take(EXPLICIT_0)?.0.take(SEQUENCE).filter(|_| kind.0 == SIGNED_DATA)?;
    let (_, rest) = signed.take(INTEGER)?;
    let (_, _, rest) = rest.next()?;
    let (encapsulated, _) = rest.take(SEQUENCE)?;
    let (kind, content) = encapsulated.take(OBJECT)?;
    let (octets, _) = content.take(EXPLICIT_0)?.0.take(OCTET_STRING).filter(|_| kind.0 == TST_INFO)?;
    octets.only(SEQUENCE)
}

/// `YYYYMMDDhhmmss[.f]Z` (RFC 3161, 2.4.2).
fn generalized_time(text: &[u8]) -> Option<UtcMs> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole[from..to].parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let time =
        jiff::civil::DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(UtcMs(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond() + millis))
}

/// DER that is being walked through.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The first value: its tag, its content, what follows.
    fn next(self) -> Option<(u8, Self, Self)> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (len, rest) = match *first {
            len @ 0..=0x7f => (usize::from(len), rest),
            long @ 0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        Some((*tag, Self(content), Self(rest)))
    }

    /// The first value's content, which has this tag, and what follows.
    fn take(self, tag: u8) -> Option<(Self, Self)> {
        let (found, content, rest) = self.next()?;
        (found == tag).then_some((content, rest))
    }

    /// The content of the only value, which has this tag.
    fn only(self, tag: u8) -> Option<Self> {
        self.take(tag).filter(|(_, rest)| rest.0.is_empty()).map(|(content, _)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut der = vec![tag];
        match content.len() {
            len @ 0..0x80 => der.push(len as u8),
            len => der.extend_from_slice(&[0x82, (len >> 8) as u8, len as u8]),
        }
        der.extend_from_slice(content);
        der
    }

    fn reply(query: &Query, time: &str, status: u8) -> Vec<u8> {
        let imprint = value(SEQUENCE, &[&SHA256_WITH_NULL[..], &value(OCTET_STRING, &query.digest)].concat());
        let info = [
            value(INTEGER, &[1]),
            value(OBJECT, &[0x2a, 3]),
            imprint,
            value(INTEGER, &[5]),
            value(GENERALIZED_TIME, time.as_bytes()),
            value(SEQUENCE, &value(INTEGER, &[1])),
            value(INTEGER, &query.nonce),
        ];
        let info = value(OCTET_STRING, &value(SEQUENCE, &info.concat()));
        let encapsulated = [value(OBJECT, &TST_INFO), value(EXPLICIT_0, &info)].concat();
        let signed = [value(INTEGER, &[3]), value(0x31, &SHA256_WITH_NULL), value(SEQUENCE, &encapsulated)].concat();
        let token = [value(OBJECT, &SIGNED_DATA), value(EXPLICIT_0, &value(SEQUENCE, &signed))].concat();
        value(SEQUENCE, &[value(SEQUENCE, &value(INTEGER, &[status])), value(SEQUENCE, &token)].concat())
    }

    #[test]
    fn a_reply_is_read_and_belongs_to_its_question() {
        let query = Query::new(b"checkpoint", [0xff; 8]);
        let stamp = query.read(&reply(&query, "20260619020324Z", 0)).unwrap();
        assert_eq!((stamp.at.rfc3339(), stamp.is_of(b"checkpoint")), ("2026-06-19T02:03:24+00:00".to_owned(), true));
        assert_eq!(query.read(&reply(&query, "20260619020324.5Z", 1)).unwrap().at.0, stamp.at.0 + 500);
        let other = Query::new(b"checkpoint", [1; 8]);
        assert_eq!(query.read(&reply(&other, "20260619020324Z", 0)), Err(TimestampError::OtherQuestion("nonce")));
        let other = Query::new(b"another", [0xff; 8]);
        assert_eq!(query.read(&reply(&other, "20260619020324Z", 0)), Err(TimestampError::OtherQuestion("digest")));
        assert_eq!(query.read(&reply(&query, "20260619020324Z", 2)), Err(TimestampError::Refused(2)));
        for time in ["2026-06-19", "20260619020324", "20261319020324Z", "20260619020324.Z5", ""] {
            assert!(matches!(read(&reply(&query, time, 0)), Err(TimestampError::Malformed(_))), "{time}");
        }
    }

    #[test]
    fn the_request_has_the_length_that_it_says() {
        let der = Query::new(b"x", [0; 8]).der();
        assert_eq!(der.len(), 2 + usize::from(der[1]));
        assert_eq!(der[der.len() - 11], 0x40, "a nonce of eight bytes whatever was drawn");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn hostile_replies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let _ = read(&bytes);
            let query = Query::new(b"x", [1; 8]);
            let mut changed = reply(&query, "20260619020324Z", 0);
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            let _ = query.read(&changed);
            let _ = query.read(&changed[..at]);
        }
    }
}
