//! What a recorder says of a time, as we keep it: pure.
//!
//! MTP 1.1, 3.2.5: `YYYYMMDDThhmmss`, then perhaps `.s` (tenths), then perhaps `Z` or `+hhmm`. Android and nearly all
//! recorders write the last part never: that is a time of the recorder's own clock, in no zone that we know.

use jiff::civil;
use jiff::tz::Offset;

use crate::domain::recorder::{LOCAL_PREFIX, LocalTime};

/// Longest text that is kept of what should be a time.
const MAX_RAW_CHARS: usize = 40;

/// A time as a recorder gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    at: civil::DateTime,
    offset: Option<Offset>,
}

/// `modified_raw` and `modified_ms` of a file. A time without a zone is kept as a local time and is no instant yet; one
/// with a zone is kept as given; what is no time is kept as given, too, and is no instant.
pub fn modified(text: &str) -> (String, Option<i64>) {
    match parse(text) {
        Some(Told { at, offset: None }) => (format!("{LOCAL_PREFIX}{}", local(at)), None),
        Some(Told { at, offset: Some(offset) }) => {
            (bounded(text), offset.to_timestamp(at).ok().map(|t| t.as_millisecond()))
        }
        None => (bounded(text), None),
    }
}

/// The recorder's clock from its property `DateTime`. Only a time without a zone is a clock that can be compared with
/// the times of its files.
pub fn clock(text: &str) -> Option<LocalTime> {
    match parse(text) {
        Some(Told { at, offset: None }) => Some(LocalTime(local(at))),
        _ => None,
    }
}

fn local(at: civil::DateTime) -> String {
    let (hundredths, day) = (at.subsec_nanosecond() / 10_000_000, at.date());
    let whole = format!("{day}T{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    if hundredths == 0 { whole } else { format!("{whole}.{hundredths:02}") }
}

fn parse(text: &str) -> Option<Told> {
    let bytes = text.trim().as_bytes();
    let (stem, mut rest) = bytes.split_at_checked(15)?;
    if stem[8] != b'T' {
        return None;
    }
    let n = |from: usize, to: usize| number(&stem[from..to]);
    let (year, month, day) = (n(0, 4)?, n(4, 6)?, n(6, 8)?);
    let (hour, minute, second) = (n(9, 11)?, n(11, 13)?, n(13, 15)?);
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        let tenths = number(&fraction[..digits.min(2)])?;
        nanos = i32::from(tenths) * if digits == 1 { 100_000_000 } else { 10_000_000 };
        rest = &fraction[digits..];
    }
    let small = |n: i16| i8::try_from(n).ok();
    let (month, day) = (small(month)?, small(day)?);
    let at = civil::DateTime::new(year, month, day, small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
    let offset = match rest {
        b"" => None,
        b"Z" => Some(Offset::UTC),
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 4 => {
            let (hours, minutes) = (number(&zone[..2])?, number(&zone[2..])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
            Some(Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()?)
        }
        _ => return None,
    };
    Some(Told { at, offset })
}

/// Up to four digits and nothing else.
fn number(digits: &[u8]) -> Option<i16> {
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + i16::from(d - b'0')))
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_RAW_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_as_they_mean() {
        let table = [
            ("20260619T100324", "local 2026-06-19T10:03:24", None),
            ("20260619T100324.5", "local 2026-06-19T10:03:24.50", None),
            ("20260619T100324.0", "local 2026-06-19T10:03:24", None),
            ("20260619T100324.054", "local 2026-06-19T10:03:24.05", None),
            ("20260619T020324Z", "20260619T020324Z", Some(1_781_834_604_000)),
            ("20260619T100324+0800", "20260619T100324+0800", Some(1_781_834_604_000)),
            ("20260618T190324.5-0700", "20260618T190324.5-0700", Some(1_781_834_604_500)),
            ("00010101T000000", "local 0001-01-01T00:00:00", None),
            ("", "", None),
            ("00000000T000000", "00000000T000000", None),
            ("20260230T100324", "20260230T100324", None),
            ("20260619T246060", "20260619T246060", None),
            ("2026-06-19 10:03", "2026-06-19 10:03", None),
            ("20260619T100324+8", "20260619T100324+8", None),
            ("20260619T100324.", "20260619T100324.", None),
            ("20260619T1003２4", "20260619T1003２4", None),
            ("now\n", "now\u{fffd}", None),
        ];
        for (text, raw, ms) in table {
            assert_eq!(modified(text), (raw.to_owned(), ms), "{text:?}");
        }
        assert_eq!(modified(&"9".repeat(255)).0.len(), MAX_RAW_CHARS);
    }

    #[test]
    fn only_a_clock_without_a_zone_is_compared() {
        assert_eq!(clock("20260619T100324.0"), Some(LocalTime("2026-06-19T10:03:24".into())));
        assert_eq!(clock("20260619T100324Z"), None);
        assert_eq!(clock("yesterday"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_none_grows(text in ".{0,64}") {
            let (raw, _) = modified(&text);
            proptest::prop_assert!(raw.chars().count() <= MAX_RAW_CHARS);
            proptest::prop_assert!(!raw.chars().any(char::is_control));
        }
    }
}
