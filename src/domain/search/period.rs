//! Periods as people type them: 今天, 昨天, 本月, 2026-06, 6月19日, 2026-06-01~2026-06-19. A day or month without a year is
//! the newest one that is not in the future.

use jiff::civil::Date;
use jiff::{ToSpan, Zoned};
use unicode_normalization::UnicodeNormalization;

/// A stretch of time, milliseconds since the Unix epoch, its end left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Begin.
    pub from_ms: i64,
    /// End.
    pub to_ms: i64,
}

impl Period {
    /// Reads a period; `None` for anything else.
    pub fn parse(word: &str, now: &Zoned) -> Option<Self> {
        let word: String = word.nfkc().flat_map(char::to_lowercase).collect();
        let (from, to) = match word.split_once('~').or_else(|| word.split_once("..")).or_else(|| word.split_once('至'))
        {
            Some((from, to)) => (days(from, now)?.0, days(to, now)?.1),
            None => days(&word, now)?,
        };
        let ms = |day: Date| Some(day.to_zoned(now.time_zone().clone()).ok()?.timestamp().as_millisecond());
        let period = Self { from_ms: ms(from)?, to_ms: ms(to)? };
        (period.from_ms < period.to_ms).then_some(period)
    }
}

/// First day, and the day after the last one.
fn days(word: &str, now: &Zoned) -> Option<(Date, Date)> {
    let today = now.date();
    let one = |day: Date| Some((day, day.tomorrow().ok()?));
    let back = |n: i64| one(today.checked_sub(n.days()).ok()?);
    let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
    match word {
        "今天" | "今日" | "today" => return back(0),
        "昨天" | "昨日" | "yesterday" => return back(1),
        "前天" | "前日" => return back(2),
        "本周" | "这周" => return Some((monday, monday.checked_add(7.days()).ok()?)),
        "上周" => return Some((monday.checked_sub(7.days()).ok()?, monday)),
        "本月" | "这个月" => return month(today.year(), today.month()),
        "上月" | "上个月" => {
            let last = today.first_of_month().yesterday().ok()?;
            return month(last.year(), last.month());
        }
        "今年" | "本年" => return year(today.year()),
        "去年" => return year(today.year() - 1),
        _ => {}
    }
    let numbers: Vec<i16> = word
        .split(|c: char| !c.is_ascii_digit())
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().ok())
        .collect::<Option<_>>()?;
    let shape: String =
        word.chars().filter(|c| !c.is_ascii_digit()).map(|c| if matches!(c, '/' | '.') { '-' } else { c }).collect();
    let starts_with_year = word.bytes().take_while(u8::is_ascii_digit).count() == 4;
    match (shape.as_str(), numbers.as_slice()) {
        ("年", [y]) if starts_with_year => year(*y),
        ("-" | "年月", [y, m]) if starts_with_year => month(*y, i8::try_from(*m).ok()?),
        ("--" | "年月日" | "年月号", [y, m, d]) if starts_with_year => {
            one(Date::new(*y, i8::try_from(*m).ok()?, i8::try_from(*d).ok()?).ok()?)
        }
        ("月", [m]) => {
            let m = i8::try_from(*m).ok()?;
            month(if m > today.month() { today.year() - 1 } else { today.year() }, m)
        }
        ("月日" | "月号", [m, d]) => {
            let (m, d) = (i8::try_from(*m).ok()?, i8::try_from(*d).ok()?);
            let newest =
                (0..5).filter_map(|back| Date::new(today.year() - back, m, d).ok()).find(|day| *day <= today)?;
            one(newest)
        }
        _ => None,
    }
}

fn month(year: i16, month: i8) -> Option<(Date, Date)> {
    let first = Date::new(plausible(year)?, month, 1).ok()?;
    Some((first, first.last_of_month().tomorrow().ok()?))
}

fn year(year: i16) -> Option<(Date, Date)> {
    let first = Date::new(plausible(year)?, 1, 1).ok()?;
    Some((first, first.last_of_year().tomorrow().ok()?))
}

/// No footage is older; what says otherwise is a number.
fn plausible(year: i16) -> Option<i16> {
    (1990..2200).contains(&year).then_some(year)
}
