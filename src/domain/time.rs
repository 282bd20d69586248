//! Instants and how they are written. The station's zone only shows times; it never decides them.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// RFC 3339 with the offset of `zone`, to the millisecond only where there is one.
    pub fn rfc3339_in(self, zone: &TimeZone) -> String {
        let zoned = self.zoned(zone);
        let fraction = if self.0.rem_euclid(1000) == 0 { "" } else { "%.3f" };
        zoned.strftime(&format!("%Y-%m-%dT%H:%M:%S{fraction}%:z")).to_string()
    }

    /// RFC 3339 in UTC.
    pub fn rfc3339(self) -> String {
        self.rfc3339_in(&TimeZone::UTC)
    }

    /// The instant in `zone`; an instant outside jiff's years -9999 to 9999 is shown at its edge.
    pub fn zoned(self, zone: &TimeZone) -> Zoned {
        let clamped = self.0.clamp(Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
        Timestamp::from_millisecond(clamped).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
    }

    /// Reads RFC 3339 (an offset is required), as in `2026-06-19T10:03:24+08:00`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

/// A time as a recorder gave it, beside what we make of it (invariant 8: the raw form is never overwritten).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderTime {
    /// Exactly as found (a file name's digits, a sidecar's text, a container's field).
    pub raw: String,
    /// Our reading of it.
    pub at: UtcMs,
    /// The offset from UTC that our reading used, in seconds.
    pub offset_s: i32,
}

impl RecorderTime {
    /// RFC 3339 with the offset that the reading used.
    pub fn rfc3339(&self) -> String {
        let offset = Offset::from_seconds(self.offset_s).unwrap_or(Offset::UTC);
        self.at.rfc3339_in(&TimeZone::fixed(offset))
    }
}

/// A position in a clip as people write it, `[[h:]m:]s[.fraction]`, in milliseconds; else what to write.
pub fn position_ms(text: &str) -> Result<i64, String> {
    let refused = || "write seconds, m:s or h:m:s, as 90, 1:30 or 1:02:03.5".to_owned();
    let digits = |part: &str| {
        let ok = !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
        if ok { part.parse::<i64>().map_err(|_| refused()) } else { Err(refused()) }
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 3 {
        return Err(refused());
    }
    let fraction_ms = digits(fraction)? * 10_i64.pow(3 - fraction.len() as u32);
    let parts: Vec<i64> = whole.split(':').map(digits).collect::<Result<_, _>>()?;
    // Only the first part may be 60 or more: 90 and 90:00 are plain, 1:90 is a slip.
    if parts.len() > 3 || parts.iter().skip(1).any(|part| *part >= 60) {
        return Err(refused());
    }
    Ok(parts.iter().fold(0, |sum, part| sum * 60 + part) * 1000 + fraction_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let t = UtcMs::parse_rfc3339("2026-06-19T10:03:24+08:00").unwrap();
        assert_eq!(t.rfc3339(), "2026-06-19T02:03:24+00:00");
        let time = RecorderTime { raw: "20260619_100324".into(), at: t, offset_s: 8 * 3600 };
        assert_eq!(time.rfc3339(), "2026-06-19T10:03:24+08:00");
        assert_eq!(UtcMs(t.0 + 5).rfc3339(), "2026-06-19T02:03:24.005+00:00");
        assert!(UtcMs::parse_rfc3339("2026-06-19T10:03:24").is_none(), "no offset, no instant");
        assert!(!UtcMs(i64::MAX).rfc3339().is_empty());
    }
}
