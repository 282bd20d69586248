//! Times of the week at which something is done by itself, on the wall clock of the station's zone. Pure.
//!
//! Where a zone has summer time, the wall clock alone counts: a time that does not exist in the night in which clocks go
//! forward does not come, and one that exists twice comes twice.

use jiff::tz::TimeZone;

use super::time::UtcMs;

const MINUTE_MS: i64 = 60_000;
/// A time of the week comes again within seven days; one more where a clock went forward over it.
const AHEAD_MINUTES: i64 = 8 * 24 * 60;

/// A time of the week: `mon-fri 08:30-18:00`, `sat 09:00-12:00`, `daily 22:00-06:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First and last day, Monday is 0; the last may lie before the first.
    days: (u8, u8),
    /// Minutes of the day; an end before the begin lies in the next day.
    minutes: (u16, u16),
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// Reads it; the refusal continues "has ..., ".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let refused =
            "which is no time of the week; write days and times, as \"mon-fri 08:30-18:00\" or \"daily 00:00-24:00\"";
        let lower = text.trim().to_lowercase();
        let (days, times) = lower.split_once(' ').ok_or(refused)?;
        let day = |word: &str| DAYS.iter().position(|d| *d == word).map(|n| n as u8).ok_or(refused);
        let days = match days.split_once('-') {
            _ if days == "daily" => (0, 6),
            Some((from, to)) => (day(from)?, day(to)?),
            None => (day(days)?, day(days)?),
        };
        let minute = |time: &str| {
            let (hour, minute) = time.trim().split_once(':').ok_or(refused)?;
            let ok = hour.len() == 2 && minute.len() == 2;
            let (hour, minute) = (hour.parse::<u16>(), minute.parse::<u16>());
            match (hour, minute) {
                (Ok(hour @ 0..=23), Ok(minute @ 0..=59)) if ok => Ok(hour * 60 + minute),
                (Ok(24), Ok(0)) if ok => Ok(24 * 60),
                _ => Err(refused),
            }
        };
        let (from, to) = times.split_once('-').ok_or(refused)?;
        let minutes = (minute(from)?, minute(to)?);
        if minutes.0 == minutes.1 {
            return Err(refused);
        }
        Ok(Self { days, minutes })
    }

    /// Whether a moment lies in it: the day, Monday is 0, and the minute of it.
    pub fn holds(&self, day: u8, minute: u16) -> bool {
        let on = |day: u8| {
            let (from, to) = self.days;
            if from <= to { (from..=to).contains(&day) } else { day >= from || day <= to }
        };
        let (from, to) = self.minutes;
        match from < to {
            true => on(day) && (from..to).contains(&minute),
            false => (on(day) && minute >= from) || (on((day + 6) % 7) && minute < to),
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (DAYS[usize::from(self.days.0)], DAYS[usize::from(self.days.1)]);
        let (a, b) = self.minutes;
        write!(f, "{from}-{to} {:02}:{:02}-{:02}:{:02}", a / 60, a % 60, b / 60, b % 60)
    }
}

/// Whether a moment lies in one of these.
pub fn is_open(windows: &[Window], at: UtcMs, zone: &TimeZone) -> bool {
    let local = at.zoned(zone);
    let (day, minute) =
        (local.weekday().to_monday_zero_offset() as u8, local.hour() as u16 * 60 + local.minute() as u16);
    windows.iter().any(|w| w.holds(day, minute))
}

/// When that changes next; nothing where it does not.
pub fn next_change(windows: &[Window], at: UtcMs, zone: &TimeZone) -> Option<UtcMs> {
    let now = is_open(windows, at, zone);
    // Minutes begin where they begin on the wall: some zones of old were off by seconds.
    let begun_ms = at.0 - i64::from(at.zoned(zone).second()) * 1_000 - at.0.rem_euclid(1_000);
    (1..=AHEAD_MINUTES).map(|n| UtcMs(begun_ms + n * MINUTE_MS)).find(|at| is_open(windows, *at, zone) != now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_week() {
        let holds = |text: &str, day: u8, hour: u16| Window::parse(text).unwrap().holds(day, hour * 60);
        assert!(holds("mon-fri 08:30-18:00", 0, 9) && !holds("mon-fri 08:30-18:00", 5, 9));
        assert!(!holds("mon-fri 08:30-18:00", 0, 18) && !holds("Mon-Fri 08:30-18:00", 0, 8));
        assert!(
            holds("daily 22:00-06:00", 3, 23) && holds("daily 22:00-06:00", 3, 5) && !holds("daily 22:00-06:00", 3, 7)
        );
        assert!(holds("sat 22:00-06:00", 6, 1) && !holds("sat 22:00-06:00", 5, 1), "the night to Sunday");
        assert!(holds("sat-mon 00:00-24:00", 0, 23) && !holds("sat-mon 00:00-24:00", 1, 0));
        for bad in
            ["", "mon", "mon 8:00-9:00", "mon 08:00-08:00", "xyz 08:00-09:00", "mon 08:00-25:00", "mon 08:60-09:00"]
        {
            assert!(Window::parse(bad).is_err(), "{bad}");
        }
        let window = Window::parse("sat 09:00-24:00").unwrap();
        assert_eq!(Window::parse(&window.to_string()), Ok(window));
    }

    fn windows(texts: &[&str]) -> Vec<Window> {
        texts.iter().map(|t| Window::parse(t).unwrap()).collect()
    }

    fn at(text: &str) -> UtcMs {
        UtcMs::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn the_station_s_zone_counts() {
        let shift = windows(&["mon-fri 08:30-18:00", "sat 09:00-12:00"]);
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let urumqi = TimeZone::get("Asia/Urumqi").unwrap();
        // A Friday, half past eight in Shanghai; half past six in Urumqi by its own time.
        let morning = at("2026-06-19T00:30:00Z");
        assert!(is_open(&shift, morning, &shanghai) && !is_open(&shift, morning, &urumqi));
        assert!(!is_open(&shift, UtcMs(morning.0 - 1), &shanghai), "not a moment before");
        let changes = [
            ("2026-06-19T00:30:00Z", "2026-06-19T10:00:00Z"),
            ("2026-06-19T10:00:00Z", "2026-06-20T01:00:00Z"),
            ("2026-06-20T03:59:59Z", "2026-06-20T04:00:00Z"),
            ("2026-06-20T04:00:07.300Z", "2026-06-22T00:30:00Z"),
        ];
        for (from, to) in changes {
            assert_eq!(next_change(&shift, at(from), &shanghai), Some(at(to)), "{from}");
        }
        assert_eq!(next_change(&windows(&["daily 00:00-24:00"]), morning, &shanghai), None);
        assert_eq!(next_change(&[], morning, &shanghai), None);
    }

    #[test]
    fn clocks_that_go_forward_and_back_are_followed_as_they_stand_on_the_wall() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let open = |texts: &[&str], from: &str, hours: i64| -> i64 {
            let windows = windows(texts);
            (0..hours * 60).filter(|n| is_open(&windows, UtcMs(at(from).0 + n * MINUTE_MS), &berlin)).count() as i64
        };
        // 2026-03-29: the hour from two to three does not exist. 2026-10-25: it comes twice.
        assert_eq!(open(&["sun 02:00-03:00"], "2026-03-28T23:00:00Z", 24), 0);
        assert_eq!(open(&["sun 01:00-04:00"], "2026-03-28T23:00:00Z", 24), 120);
        assert_eq!(open(&["sun 02:00-03:00"], "2026-10-24T22:00:00Z", 25), 120);
        assert_eq!(open(&["sat 22:00-06:00"], "2026-10-24T12:00:00Z", 30), 9 * 60, "a night of one hour more");
        // The day's shift begins when the wall says so, before and after.
        for (from, to) in
            [("2026-03-27T18:00:00Z", "2026-03-28T07:00:00Z"), ("2026-03-28T18:00:00Z", "2026-03-29T06:00:00Z")]
        {
            assert_eq!(next_change(&windows(&["daily 08:00-16:00"]), at(from), &berlin), Some(at(to)), "{from}");
        }
        // It skips into the window, and ends it.
        assert_eq!(
            next_change(&windows(&["sun 02:30-03:30"]), at("2026-03-29T00:00:00Z"), &berlin),
            Some(at("2026-03-29T01:00:00Z"))
        );
    }
}
