//! Numbers, sizes, rates, spans and instants as people read them. Sizes are decimal (1 GB = 10^9 bytes).
//!
//! A number and its unit are joined by a no-break space, so that they never part at the end of a line.

use jiff::tz::TimeZone;

use super::{Lang, Words};
use crate::domain::record::Part;
use crate::domain::time::UtcMs;

/// Joins a number to its unit.
const NBSP: char = '\u{a0}';

impl Words {
    /// A count with thousands separators: `1,204`.
    pub fn number(&self, n: u64) -> String {
        let digits = n.to_string();
        let mut out = String::with_capacity(digits.len() + digits.len() / 3);
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push(',');
            }
            out.push(c);
        }
        out
    }

    /// A size: `41.2 GB`, `850 MB`, `12 kB`, `0 B`.
    pub fn size(&self, bytes: u64) -> String {
        scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB"])
    }

    /// A rate from bytes a second: `18.2 MB/s`.
    pub fn rate(&self, bytes_per_s: u64) -> String {
        scaled(bytes_per_s, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"])
    }

    /// A span from milliseconds in its two largest units: `1 分 50 秒`, `1 min 50 s`, `3 天 2 小时`.
    pub fn span(&self, ms: i64) -> String {
        let seconds = ms.max(0) / 1000;
        let (days, hours, minutes, secs) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let units = match self.lang {
            Lang::Zh => ["天", "小时", "分", "秒"],
            Lang::En => ["d", "h", "min", "s"],
        };
        let parts = [days, hours, minutes, secs];
        let first = parts.iter().position(|p| *p > 0).unwrap_or(3);
        let mut out = format!("{}{NBSP}{}", parts[first], units[first]);
        // Below ten of the first unit the second one matters; above, it is noise.
        if first < 3 && parts[first + 1] > 0 && parts[first] < 10 {
            out.push_str(&format!(" {}{NBSP}{}", parts[first + 1], units[first + 1]));
        }
        out
    }

    /// A span in its largest unit alone, for ages: `11 分`, `3 小时`.
    pub fn age(&self, ms: i64) -> String {
        let seconds = ms.max(0) / 1000;
        let unit = if seconds >= 86_400 {
            86_400
        } else if seconds >= 3600 {
            3600
        } else if seconds >= 60 {
            60
        } else {
            1
        };
        self.span(seconds / unit * unit * 1000)
    }

    /// The length of footage from milliseconds: `21:04`, `1:03:20`.
    pub fn footage(&self, ms: i64) -> String {
        let seconds = (ms.max(0) + 500) / 1000;
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, m, s) => format!("{m}:{s:02}"),
            (h, m, s) => format!("{h}:{m:02}:{s:02}"),
        }
    }

    /// A part of a clip: `1:30 – 2:00`, or to its end.
    pub fn stretch(&self, part: Part) -> String {
        let to = part.to_ms.map_or_else(|| self.whole_clip_end.to_owned(), |to| self.footage(to));
        format!("{} – {to}", self.footage(part.from_ms))
    }

    /// The same, where a case is told of.
    pub fn stretch_of_case(&self, part: Part) -> String {
        format!("{} {}", self.of_this_case, self.stretch(part))
    }

    /// Day and time to the second in `zone`: `2026-06-19 10:03:24`.
    pub fn day_time(&self, at: UtcMs, zone: &TimeZone) -> String {
        at.zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The day in `zone`: `2026-06-19`.
    pub fn day(&self, at: UtcMs, zone: &TimeZone) -> String {
        at.zoned(zone).strftime("%Y-%m-%d").to_string()
    }

    /// The time in `zone`: `10:03:24`.
    pub fn time(&self, at: UtcMs, zone: &TimeZone) -> String {
        at.zoned(zone).strftime("%H:%M:%S").to_string()
    }

    /// The time in `zone` to the minute: `10:03`.
    pub fn minute(&self, at: UtcMs, zone: &TimeZone) -> String {
        at.zoned(zone).strftime("%H:%M").to_string()
    }

    /// The time alone where `at` is on the day of `now`, else day and minute.
    pub fn near(&self, at: UtcMs, now: UtcMs, zone: &TimeZone) -> String {
        if self.day(at, zone) == self.day(now, zone) {
            self.minute(at, zone)
        } else {
            at.zoned(zone).strftime("%m-%d %H:%M").to_string()
        }
    }

    /// The offset from UTC of `zone` at `at`, shown on hover: `UTC+08:00`.
    pub fn offset(&self, at: UtcMs, zone: &TimeZone) -> String {
        at.zoned(zone).strftime("UTC%:z").to_string()
    }

    /// Joins items as a list in running text.
    pub fn list<S: AsRef<str>>(&self, items: &[S]) -> String {
        let separator = match self.lang {
            Lang::Zh => "、",
            Lang::En => ", ",
        };
        items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(separator)
    }
}

/// Three significant digits at most, whole below a thousand of the smallest unit.
fn scaled(value: u64, units: &[&str; 6]) -> String {
    let mut scaled = value as f64;
    let mut unit = 0;
    // 999.5 would be written "1000", so the next unit begins there.
    while scaled >= 999.5 && unit + 1 < units.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let text = match unit {
        0 => format!("{value}"),
        _ if scaled < 9.995 => trimmed(format!("{scaled:.2}")),
        _ if scaled < 99.95 => trimmed(format!("{scaled:.1}")),
        _ => format!("{scaled:.0}"),
    };
    format!("{text}{NBSP}{}", units[unit])
}

fn trimmed(number: String) -> String {
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(s: String) -> String {
        s.replace(NBSP, " ")
    }

    #[test]
    fn sizes_are_decimal_and_short() {
        let w = Lang::Zh.words();
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (12_340, "12.3 kB"),
            (999_600, "1 MB"),
            (41_200_000_000, "41.2 GB"),
            (1_210_000_000_000, "1.21 TB"),
            (u64::MAX, "18447 PB"),
        ];
        for (bytes, wanted) in table {
            assert_eq!(plain(w.size(bytes)), wanted);
        }
        assert_eq!(plain(w.rate(18_240_000)), "18.2 MB/s");
        assert_eq!([w.number(7), w.number(1204), w.number(1_000_000)], ["7", "1,204", "1,000,000"]);
    }

    #[test]
    fn spans_show_what_matters() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(plain(zh.span(110_000)), "1 分 50 秒");
        assert_eq!(plain(en.span(110_000)), "1 min 50 s");
        assert_eq!(plain(zh.span(39 * 60_000 + 5_000)), "39 分");
        assert_eq!(plain(zh.span(0)), "0 秒");
        assert_eq!(plain(zh.span(-5)), "0 秒");
        assert_eq!(plain(en.span(26 * 3_600_000)), "1 d 2 h");
        assert_eq!(plain(zh.age(3 * 3_600_000 + 59 * 60_000)), "3 小时");
        assert_eq!([zh.footage(1_264_000), zh.footage(3_800_000)], ["21:04", "1:03:20"]);
    }

    #[test]
    fn instants_are_shown_in_the_station_s_zone() {
        let w = Lang::En.words();
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let at = UtcMs::parse_rfc3339("2026-06-19T10:03:24+08:00").unwrap();
        assert_eq!(w.day_time(at, &zone), "2026-06-19 10:03:24");
        assert_eq!(w.offset(at, &zone), "UTC+08:00");
        assert_eq!(w.near(at, UtcMs(at.0 + 1000), &zone), "10:03");
        assert_eq!(w.near(at, UtcMs(at.0 + 86_400_000), &zone), "06-19 10:03");
    }
}
