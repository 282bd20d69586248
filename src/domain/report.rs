//! Statistics (统计报表): over which period, what is counted, and what the counts come to. Pure: rows in, figures out.
//!
//! A clip belongs to the period in which its capture began; what nobody has dated is counted apart. Each recording counts
//! once in every one of three questions, so that the answers of one question add up to all:
//!
//! | question | answers |
//! | --- | --- |
//! | are its five facts there? | at once (within [`AT_ONCE_MS`] of being taken in), after chasing, not yet |
//! | does it belong to a case? | linked by a person, by a rule alone, not yet linkable (no case was opened), not at all |
//! | is it proven at every required destination? | within [`IN_TIME_MS`] of the end of its capture, later, not yet |

mod figures;
mod told;
mod whole;

pub use figures::{Counts, Figure, Forecast, Group, Line, Units, forecast, lines, values};
pub use told::{ReportTold, told};
pub use whole::{CaseGaps, Gaps, ListedClip, OverdueRow, Report, fields, register_head, register_rows};

use jiff::ToSpan;
use jiff::civil::{Date, ISOWeekDate, Weekday, date};
use jiff::tz::TimeZone;

use super::why::{Why, in_words_of_why};

/// Facts that were there so long after the clip was taken in came by themselves; later ones were chased. Rules take
/// seconds, and a day is what a shift has to answer before anybody asks.
pub const AT_ONCE_MS: i64 = 86_400_000;
/// Police practice: in the cloud within a day.
pub const IN_TIME_MS: i64 = 86_400_000;
/// Longest range that one report is made of.
const LONGEST_DAYS: i32 = 3_660;

/// What a report is about, in days of the station's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// An ISO 8601 week, Monday first.
    Week(i16, i8),
    /// A month.
    Month(i16, i8),
    /// A quarter, from 1.
    Quarter(i16, i8),
    /// A year.
    Year(i16),
    /// From one day to another, both of it.
    Range(Date, Date),
}

/// A word that is no period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodError(pub String);

in_words_of_why!(PeriodError);

impl From<&PeriodError> for Why {
    fn from(PeriodError(typed): &PeriodError) -> Self {
        Self::NotAPeriod { typed: typed.clone() }
    }
}

impl Period {
    /// Reads the word of a period.
    pub fn parse(word: &str) -> Result<Self, PeriodError> {
        let bad = || PeriodError(word.chars().take(40).collect());
        let word = word.trim();
        let found = match word.split_once("..") {
            Some((from, to)) => {
                let (from, to): (Date, Date) =
                    (from.trim().parse().map_err(|_| bad())?, to.trim().parse().map_err(|_| bad())?);
                let days = from.until(to).map_err(|_| bad())?.get_days();
                ((0..=LONGEST_DAYS).contains(&days)).then_some(Self::Range(from, to))
            }
            None => Self::plain(word),
        };
        // Years that no recorder was ever in make arithmetic at the edges of time; they are no periods.
        found.filter(|p| (1970..=2200).contains(&p.first().year()) && p.last().year() <= 2200).ok_or_else(bad)
    }

    fn plain(word: &str) -> Option<Self> {
        let digits = |text: &str, count: usize| {
            (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<i16>().ok())?
        };
        let Some((year, rest)) = word.split_once('-') else { return digits(word, 4).map(Self::Year) };
        let year = digits(year, 4)?;
        let small = |text: &str, count: usize| digits(text, count).and_then(|n| i8::try_from(n).ok());
        match (rest.as_bytes().first()?, rest.get(1..)?) {
            (b'W' | b'w', week) => {
                let week = small(week, 2)?;
                ISOWeekDate::new(year, week, Weekday::Monday).ok().map(|_| Self::Week(year, week))
            }
            (b'Q' | b'q', quarter) => small(quarter, 1).filter(|q| (1..=4).contains(q)).map(|q| Self::Quarter(year, q)),
            _ => small(rest, 2).filter(|m| (1..=12).contains(m)).map(|m| Self::Month(year, m)),
        }
    }

    /// The month of a day.
    pub fn month_of(day: Date) -> Self {
        Self::Month(day.year(), day.month())
    }

    /// The week, month, quarter and year of a day: what is offered first.
    pub fn around(day: Date) -> [Self; 4] {
        let week = day.iso_week_date();
        [
            Self::Week(week.year(), week.week()),
            Self::month_of(day),
            Self::Quarter(day.year(), (day.month() - 1) / 3 + 1),
            Self::Year(day.year()),
        ]
    }

    /// Its first day.
    pub fn first(self) -> Date {
        match self {
            // The week was made of these numbers; the fallback stands for what cannot be.
            Self::Week(year, week) => {
                ISOWeekDate::new(year, week, Weekday::Monday).map_or_else(|_| date(year, 1, 1), ISOWeekDate::date)
            }
            Self::Month(year, month) => date(year, month, 1),
            Self::Quarter(year, quarter) => date(year, quarter * 3 - 2, 1),
            Self::Year(year) => date(year, 1, 1),
            Self::Range(from, _) => from,
        }
    }

    /// Its last day.
    pub fn last(self) -> Date {
        let first = self.first();
        match self {
            Self::Week(..) => first.saturating_add(6.days()),
            Self::Month(..) => first.last_of_month(),
            Self::Quarter(..) => first.saturating_add(2.months()).last_of_month(),
            Self::Year(year) => date(year, 12, 31),
            Self::Range(_, to) => to,
        }
    }

    /// The one before, of the same kind and length.
    pub fn before(self) -> Self {
        self.moved(-1)
    }

    /// The one behind it.
    pub fn after(self) -> Self {
        self.moved(1)
    }

    fn moved(self, by: i32) -> Self {
        let first = self.first();
        match self {
            Self::Week(..) => Self::around(first.saturating_add((7 * by).days()))[0],
            Self::Month(..) => Self::month_of(first.saturating_add(by.months())),
            Self::Quarter(..) => Self::around(first.saturating_add((3 * by).months()))[2],
            Self::Year(year) => Self::Year(year.saturating_add(by as i16)),
            Self::Range(from, to) => {
                let days = from.until(to).map_or(0, |s| s.get_days()) + 1;
                let moved = |day: Date| day.saturating_add((days * by).days());
                Self::Range(moved(from), moved(to))
            }
        }
    }

    /// From its first instant to the one behind its last, milliseconds since the Unix epoch.
    pub fn span_ms(self, zone: &TimeZone) -> (i64, i64) {
        let begin = |day: Date| day.to_zoned(zone.clone()).map_or(0, |z| z.timestamp().as_millisecond());
        (begin(self.first()), begin(self.last().saturating_add(1.days())))
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Week(year, week) => write!(f, "{year:04}-W{week:02}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Quarter(year, quarter) => write!(f, "{year:04}-Q{quarter}"),
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Range(from, to) => write!(f, "{from}..{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_they_are_written() {
        for (word, first, last, before, after) in [
            ("2026-06", "2026-06-01", "2026-06-30", "2026-05", "2026-07"),
            ("2024-02", "2024-02-01", "2024-02-29", "2024-01", "2024-03"),
            ("2026-12", "2026-12-01", "2026-12-31", "2026-11", "2027-01"),
            ("2026-Q1", "2026-01-01", "2026-03-31", "2025-Q4", "2026-Q2"),
            ("2026-Q4", "2026-10-01", "2026-12-31", "2026-Q3", "2027-Q1"),
            ("2026", "2026-01-01", "2026-12-31", "2025", "2027"),
            ("2026-W01", "2025-12-29", "2026-01-04", "2025-W52", "2026-W02"),
            ("2026-W53", "2026-12-28", "2027-01-03", "2026-W52", "2027-W01"),
            ("2026-06-01..2026-06-15", "2026-06-01", "2026-06-15", "2026-05-17..2026-05-31", "2026-06-16..2026-06-30"),
            ("2026-06-19..2026-06-19", "2026-06-19", "2026-06-19", "2026-06-18..2026-06-18", "2026-06-20..2026-06-20"),
        ] {
            let period = Period::parse(word).unwrap();
            assert_eq!(period.to_string(), word);
            assert_eq!((period.first().to_string(), period.last().to_string()), (first.into(), last.into()), "{word}");
            assert_eq!((period.before().to_string(), period.after().to_string()), (before.into(), after.into()));
            assert_eq!(period.after().before(), period, "{word}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for bad in [
            "",
            "26-06",
            "2026-13",
            "2026-00",
            "2026-Q5",
            "2026-Q",
            "2026-W54",
            "2025-W53",
            "2026-W1",
            "2026-6",
            "2026-06-19",
            "2026-06-15..2026-06-01",
            "2026-06-01..",
            "0001",
            "9999",
            "＝2026",
            "2026-é",
            "1970-01-01..2199-01-01",
        ] {
            assert!(Period::parse(bad).is_err(), "{bad}");
        }
        let told = PeriodError("x".into()).to_string();
        assert!(told.contains("2026-Q2"), "{told}");
    }

    #[test]
    fn days_begin_at_midnight_of_the_station() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let (from, to) = Period::parse("2026-06").unwrap().span_ms(&zone);
        assert_eq!(crate::domain::time::UtcMs(from).rfc3339(), "2026-05-31T16:00:00+00:00");
        assert_eq!(to - from, 30 * 86_400_000);
        let [week, month, quarter, year] = Period::around(date(2026, 8, 31)).map(|p| p.to_string());
        assert_eq!([week, month, quarter, year], ["2026-W36", "2026-08", "2026-Q3", "2026"].map(str::to_owned));
    }
}
