//! Names and times as FAT and exFAT keep them, turned into the bytes and texts of the domain: pure.
//!
//! A long name is UTF-16 of which nothing need be valid. It becomes UTF-8; an unpaired surrogate becomes the three
//! bytes that UTF-8 would give it (WTF-8), so that names which differ stay different. What would change the meaning of
//! a path is written with bytes that no UTF-8 and no WTF-8 has: `/` as `FF`, NUL as `FE`, and a name that is `.` or
//! `..` gets `FD` in front. Short names that are not ASCII keep the recorder's bytes: nothing tells their code page.

use std::fmt::Write;

use crate::domain::recorder::LOCAL_PREFIX;

/// A long name in the bytes of a path.
pub fn long_name(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok('/') => bytes.push(0xff),
            Ok('\0') => bytes.push(0xfe),
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                let six = |shift: u16| 0x80 | (unit >> shift & 0x3f) as u8;
                bytes.extend_from_slice(&[0xe0 | (unit >> 12) as u8, six(6), six(0)]);
            }
        }
    }
    not_a_direction(bytes)
}

/// An 8.3 name in the bytes of a path. `case` is the byte in which Windows keeps that base (0x08) or extension (0x10)
/// are lower case.
pub fn short_name(raw: &[u8; 11], case: u8) -> Vec<u8> {
    let mut name = *raw;
    // A name that begins with 0xE5 is stored with 0x05, because 0xE5 marks a free entry.
    if name[0] == 0x05 {
        name[0] = 0xe5;
    }
    let part = |bytes: &[u8], lower: bool| -> Vec<u8> {
        let end = bytes.iter().rposition(|b| *b != b' ').map_or(0, |n| n + 1);
        let byte = |b: &u8| match *b {
            b'/' => 0xff,
            0 => 0xfe,
            b if lower => b.to_ascii_lowercase(),
            b => b,
        };
        bytes[..end].iter().map(byte).collect()
    };
    let mut bytes = part(&name[..8], case & 0x08 != 0);
    let extension = part(&name[8..], case & 0x10 != 0);
    if !extension.is_empty() {
        bytes.push(b'.');
        bytes.extend(extension);
    }
    not_a_direction(bytes)
}

fn not_a_direction(bytes: Vec<u8>) -> Vec<u8> {
    if matches!(bytes.as_slice(), b"" | b"." | b"..") { [&[0xfd], bytes.as_slice()].concat() } else { bytes }
}

/// Text of a volume's label: Unicode where it is, else as Chinese recorders write it.
pub fn label(raw: &[u8]) -> Option<String> {
    let end = raw.iter().rposition(|b| !matches!(b, b' ' | 0)).map_or(0, |n| n + 1);
    let text = match std::str::from_utf8(&raw[..end]) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(&raw[..end]).0.into_owned(),
    };
    clean_label(&text)
}

/// Without what a page could not show; `None` where nothing is left.
pub fn clean_label(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    let clean = clean.trim();
    (!clean.is_empty() && clean != "NO NAME").then(|| clean.to_owned())
}

/// Serial number of a volume, as every system shows it.
pub fn volume_id(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
}

/// A modification time of FAT: date and time of day of the recorder's own clock, in steps of two seconds. What can be
/// no time keeps its digits.
pub fn fat_time(date: u16, time: u16) -> String {
    format!("{LOCAL_PREFIX}{}", digits(date, time, 0))
}

/// A modification time of exFAT: the same with hundredths, and where the recorder says so with its zone (quarters of an
/// hour from UTC). With a zone it is an instant, in milliseconds since the Unix epoch.
///
/// Source: exFAT file system specification, 7.4.8 to 7.4.10.
pub fn exfat_time(stamp: u32, hundredths: u8, zone: u8) -> (String, Option<i64>) {
    let (date, time) = ((stamp >> 16) as u16, (stamp & 0xffff) as u16);
    let seconds_more = u16::from(hundredths.min(199) / 100);
    let mut text = digits(date, time, seconds_more);
    let _ = write!(text, ".{:02}", hundredths % 100);
    if zone & 0x80 == 0 {
        return (format!("{LOCAL_PREFIX}{text}"), None);
    }
    // Seven bits, two's complement.
    let minutes = i32::from((zone << 1) as i8 >> 1) * 15;
    let sign = if minutes < 0 { '-' } else { '+' };
    let _ = write!(text, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    let instant = text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    (text, instant)
}

fn digits(date: u16, time: u16, seconds_more: u16) -> String {
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 0xf, date & 0x1f);
    let (hour, minute, second) = (time >> 11, time >> 5 & 0x3f, (time & 0x1f) * 2 + seconds_more);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_names() {
        let table: [(&[u16], &[u8]); 8] = [
            (&[0x61, 0x2e, 0x62], b"a.b"),
            (&[0x6267, 0x6cd5], "执法".as_bytes()),
            (&[0xd83c, 0xdfa5], "🎥".as_bytes()),
            (&[0xd83c, 0x61], b"\xed\xa0\xbca"),
            (&[0x61, 0x2f, 0x62], b"a\xffb"),
            (&[0x2e, 0x2e], b"\xfd.."),
            (&[0], b"\xfe"),
            (&[], b"\xfd"),
        ];
        for (units, bytes) in table {
            assert_eq!(long_name(units), bytes, "{units:04x?}");
        }
    }

    #[test]
    fn short_names() {
        let table: [(&[u8; 11], u8, &[u8]); 7] = [
            (b"CLIP0001MP4", 0, b"CLIP0001.MP4"),
            (b"CLIP0001MP4", 0x18, b"clip0001.mp4"),
            (b"CLIP    MP4", 0x10, b"CLIP.mp4"),
            (b"NOEXT      ", 0, b"NOEXT"),
            (b"\x05BC     TXT", 0, b"\xe5BC.TXT"),
            (b"A/B     TXT", 0, b"A\xffB.TXT"),
            (b"..         ", 0, b"\xfd.."),
        ];
        for (raw, case, bytes) in table {
            assert_eq!(short_name(raw, case), bytes, "{raw:?}");
        }
    }

    #[test]
    fn times() {
        let (date, time) = ((46 << 9 | 6 << 5 | 19) as u16, (10 << 11 | 3 << 5 | 12) as u16);
        assert_eq!(fat_time(date, time), "local 2026-06-19T10:03:24");
        assert_eq!(fat_time(0, 0), "local 1980-00-00T00:00:00");
        let stamp = u32::from(date) << 16 | u32::from(time);
        assert_eq!(exfat_time(stamp, 150, 0), ("local 2026-06-19T10:03:25.50".to_owned(), None));
        let noon = Some(1_781_834_604_000);
        assert_eq!(exfat_time(stamp, 0, 0x80 | 32), ("2026-06-19T10:03:24.00+08:00".to_owned(), noon));
        let west = exfat_time(stamp, 0, 0x80 | (0x80 - 14));
        assert_eq!(west, ("2026-06-19T10:03:24.00-03:30".to_owned(), noon.map(|n| n + 41_400_000)));
        assert_eq!(exfat_time(0, 0, 0x80), ("1980-00-00T00:00:00.00+00:00".to_owned(), None));
    }

    #[test]
    fn labels() {
        assert_eq!(label(b"36NCC009910"), Some("36NCC009910".to_owned()));
        assert_eq!(label(b"NO NAME    "), None);
        assert_eq!(label(b"\xd6\xb4\xb7\xa8\x20\x20"), Some("执法".to_owned()));
        assert_eq!(volume_id(0x1234_ABCD), "1234-ABCD");
    }

    proptest! {
        #[test]
        fn names_that_differ_stay_different(a in proptest::collection::vec(any::<u16>(), 0..8), b in proptest::collection::vec(any::<u16>(), 0..8)) {
            prop_assert_eq!(a == b, long_name(&a) == long_name(&b));
            prop_assert!(!long_name(&a).iter().any(|b| matches!(b, b'/' | 0)));
        }

        #[test]
        fn any_time_can_be_told(stamp in any::<u32>(), hundredths in any::<u8>(), zone in any::<u8>()) {
            let (text, _) = exfat_time(stamp, hundredths, zone);
            prop_assert!(text.len() <= 40 && text.is_ascii());
        }
    }
}
