//! The ways in which tables and sidecars write times. Pure; which reading is believed is decided by
//! [`super::annotate()`].

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use regex::Regex;

use crate::domain::case_number::half_width;
use crate::domain::time::{RecorderTime, UtcMs};
use crate::domain::why::{Why, in_words_of_why};

/// Longest text that is looked at, in bytes.
const MAX_BYTES: usize = 64;

/// Why a text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// Neither RFC 3339 nor a local date and time.
    Form,
    /// No such day or hour.
    NoSuchTime,
    /// The clocks were set forward over it or back over it.
    ClocksChanged,
}

in_words_of_why!(TimeError);

impl From<&TimeError> for Why {
    fn from(error: &TimeError) -> Self {
        match error {
            TimeError::Form => Self::TimeForm {},
            TimeError::NoSuchTime => Self::NoSuchTime {},
            TimeError::ClocksChanged => Self::ClocksChanged {},
        }
    }
}

/// Whether a local time at which clocks change is refused or read as clocks run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// For what people write: they can be asked.
    Strict,
    /// For what recorders wrote: the reading before the change.
    Lenient,
}

static LOCAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let date = r"(?<y>[0-9]{4})[-/.年](?<m>[0-9]{1,2})[-/.月](?<d>[0-9]{1,2})日?";
    let time = r"(?<h>[0-9]{1,2}):(?<min>[0-9]{2})(?::(?<s>[0-9]{2})(?:\.[0-9]{1,9})?)?";
    Regex::new(&format!("^{date}(?:T| *){time}$")).ok()
});

/// Reads RFC 3339, or a local date and time of `zone` (`2026-06-19 09:00`, `2026/6/19 9:00:00`, 24:00 for the
/// end of a day). Full-width digits and colons are read, too.
pub fn read(text: &str, zone: &TimeZone, reading: Reading) -> Result<RecorderTime, TimeError> {
    if text.len() > MAX_BYTES {
        return Err(TimeError::Form);
    }
    let folded = half_width(text);
    let folded = folded.trim();
    if let Ok(at) = folded.parse::<Timestamp>() {
        let offset = Pieces::parse(folded).ok().and_then(|p| p.to_numeric_offset()).unwrap_or(Offset::UTC);
        return Ok(RecorderTime { raw: text.to_owned(), at: UtcMs(at.as_millisecond()), offset_s: offset.seconds() });
    }
    let captures = LOCAL.as_ref().and_then(|r| r.captures(folded)).ok_or(TimeError::Form)?;
    let number = |name: &str| captures.name(name).map_or(Ok(0), |m| m.as_str().parse::<i16>());
    let part = |name: &str| number(name).map_err(|_| TimeError::Form);
    let local = civil([part("y")?, part("m")?, part("d")?], [part("h")?, part("min")?, part("s")?])?;
    instant(local, zone, reading).map(|(at, offset_s)| RecorderTime { raw: text.to_owned(), at, offset_s })
}

/// The stretch of time that what was written names, milliseconds since the Unix epoch, its end of it: a day, or as much of a
/// minute as nobody wrote.
pub fn stretch(text: &str, zone: &TimeZone) -> Result<(i64, i64), TimeError> {
    match read(text, zone, Reading::Strict) {
        Ok(time) => {
            let length = if time.at.0.rem_euclid(60_000) == 0 { 60_000 } else { 1_000 };
            Ok((time.at.0, time.at.0 + length - 1))
        }
        Err(TimeError::Form) => {
            let begin = read(&format!("{} 00:00", text.trim()), zone, Reading::Lenient)?;
            let end = read(&format!("{} 24:00", text.trim()), zone, Reading::Lenient)?;
            Ok((begin.at.0, end.at.0 - 1))
        }
        Err(e) => Err(e),
    }
}

/// The offset of `zone` at an instant, in seconds.
pub fn offset_s(at: UtcMs, zone: &TimeZone) -> i32 {
    zone.to_offset(at.zoned(&TimeZone::UTC).timestamp()).seconds()
}

fn civil(date: [i16; 3], time: [i16; 3]) -> Result<DateTime, TimeError> {
    let small = |n: i16| i8::try_from(n).map_err(|_| TimeError::NoSuchTime);
    let date = Date::new(date[0], small(date[1])?, small(date[2])?).map_err(|_| TimeError::NoSuchTime)?;
    if time == [24, 0, 0] {
        return Ok(date.saturating_add(1.day()).at(0, 0, 0, 0));
    }
    let time = jiff::civil::Time::new(small(time[0])?, small(time[1])?, small(time[2])?, 0);
    Ok(date.to_datetime(time.map_err(|_| TimeError::NoSuchTime)?))
}

fn instant(local: DateTime, zone: &TimeZone, reading: Reading) -> Result<(UtcMs, i32), TimeError> {
    let ambiguous = zone.to_ambiguous_zoned(local);
    let zoned = match reading {
        Reading::Strict if ambiguous.is_ambiguous() => return Err(TimeError::ClocksChanged),
        _ => ambiguous.compatible().map_err(|_| TimeError::NoSuchTime)?,
    };
    Ok((UtcMs(zoned.timestamp().as_millisecond()), zoned.offset().seconds()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn written_times_table() {
        let shanghai = zone("Asia/Shanghai");
        for (text, reads) in [
            ("2026-06-19 09:00", "2026-06-19T09:00:00+08:00"),
            (" 2026/6/19 9:00:07 ", "2026-06-19T09:00:07+08:00"),
            ("2026-06-19T09:00:07.250", "2026-06-19T09:00:07+08:00"),
            ("2026年6月19日 9:00", "2026-06-19T09:00:00+08:00"),
            ("２０２６-06-19 ０９：００", "2026-06-19T09:00:00+08:00"),
            ("2026-06-30 24:00", "2026-07-01T00:00:00+08:00"),
            ("2026-06-19T09:00:00+08:00", "2026-06-19T09:00:00+08:00"),
            ("2026-06-19T01:00:00Z", "2026-06-19T01:00:00+00:00"),
            ("2026-06-19T04:30:00+03:30", "2026-06-19T04:30:00+03:30"),
        ] {
            let time = read(text, &shanghai, Reading::Strict).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((time.rfc3339().as_str(), time.raw.as_str()), (reads, text));
        }
    }

    #[test]
    fn a_day_or_a_minute_names_a_stretch() {
        let shanghai = zone("Asia/Shanghai");
        let begin = UtcMs::parse_rfc3339("2026-06-19T00:00:00+08:00").unwrap().0;
        for (text, from, length) in [
            ("2026-06-19", 0, 86_400_000),
            ("2026/6/19", 0, 86_400_000),
            (" 2026年6月19日 ", 0, 86_400_000),
            ("2026-06-19 09:00", 9 * 3_600_000, 60_000),
            ("2026-06-19T09:00:07+08:00", 9 * 3_600_000 + 7_000, 1_000),
        ] {
            let told = stretch(text, &shanghai).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(told, (begin + from, begin + from + length - 1), "{text}");
        }
        assert_eq!(stretch("六月", &shanghai), Err(TimeError::Form));
        assert_eq!(stretch("2026-02-30", &shanghai), Err(TimeError::NoSuchTime));
    }

    #[test]
    fn refused_times_table() {
        let berlin = zone("Europe/Berlin");
        for (text, error) in [
            ("", TimeError::Form),
            ("2026-06-19", TimeError::Form),
            ("09:00", TimeError::Form),
            ("19.06.2026 09:00", TimeError::Form),
            ("46192.375", TimeError::Form),
            ("2026-13-01 09:00", TimeError::NoSuchTime),
            ("2026-02-29 09:00", TimeError::NoSuchTime),
            ("2026-06-19 25:00", TimeError::NoSuchTime),
            ("2026-06-19 24:01", TimeError::NoSuchTime),
            ("2026-03-29 02:30", TimeError::ClocksChanged),
            ("2026-10-25 02:30", TimeError::ClocksChanged),
        ] {
            assert_eq!(read(text, &berlin, Reading::Strict), Err(error), "{text}");
        }
        let lenient = read("2026-10-25 02:30", &berlin, Reading::Lenient).unwrap();
        assert_eq!(lenient.rfc3339(), "2026-10-25T02:30:00+02:00");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), like in "[0-9./ :T年+-]{0,24}") {
            for text in [text, like] {
                if let Ok(time) = read(&text, &TimeZone::UTC, Reading::Strict) {
                    prop_assert_eq!(UtcMs::parse_rfc3339(&time.rfc3339()), Some(time.at));
                }
            }
        }
    }
}
