//! What people search for, and the tokens that it is found by: pure, the same for what is stored and for what is asked.
//!
//! The index has no dictionary. Each Chinese character is a token of its own and what was typed together must stand
//! together, so that a word of two characters is found wherever it stands, and no segmentation can be wrong. Digits are a
//! token without their leading zeros, ASCII letters one in small letters, so that brackets, dashes, full width and 第 do
//! not matter. The last token that was typed may go on: half a number finds the whole one.
//!
//! Tokens are ASCII letters and digits, whatever the script: `赵` is `u8d75`. So nothing that is typed can be syntax of the
//! index, and no Unicode table of another version can part them otherwise. A token that mixes letters and digits never
//! comes from text: [`case_token`] and the tokens of [`hours`] cannot be typed.

mod period;

use unicode_normalization::UnicodeNormalization;

pub use period::Period;

use super::case_number::{self, NumberRule};

/// What is typed is cut here, characters.
pub const MAX_CHARS: usize = 300;
/// More terms than anybody types into one line; the rest is not looked at.
const MAX_TERMS: usize = 16;
/// Tokens of one term.
const MAX_TOKENS: usize = 64;
/// Text of one field of a record that is indexed, characters.
pub const MAX_TEXT_CHARS: usize = 4_000;
/// Ends of numbers are indexed from this many digits on: the last four of a recorder are what people remember.
const TAIL_FROM: usize = 5;
const TAILS: std::ops::RangeInclusive<usize> = 3..=6;
/// A block of days in the index.
const BLOCK_DAYS: i64 = 32;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// The tokens of a text, in order.
pub fn tokens(text: &str) -> Vec<String> {
    let folded: String =
        text.chars().take(MAX_TEXT_CHARS).collect::<String>().nfkc().flat_map(char::to_lowercase).collect();
    let mut all = Vec::new();
    let mut run = String::new();
    let end = |run: &mut String, all: &mut Vec<String>| {
        if !run.is_empty() {
            all.push(plain(run).to_owned());
            run.clear();
        }
    };
    let mut chars = folded.chars().peekable();
    while let Some(c) = chars.next() {
        let goes_on = run.chars().next_back().is_some_and(|last| last.is_ascii_digit() == c.is_ascii_digit());
        match c {
            _ if c.is_ascii_alphanumeric() => {
                if !goes_on {
                    end(&mut run, &mut all);
                }
                run.push(c);
            }
            // Written or not, it is the same number.
            '第' if chars.peek().is_some_and(char::is_ascii_digit) => end(&mut run, &mut all),
            _ => {
                end(&mut run, &mut all);
                if c.is_alphanumeric() {
                    all.push(format!("u{:x}", u32::from(c)));
                }
            }
        }
    }
    end(&mut run, &mut all);
    all
}

/// A number without its leading zeros.
fn plain(run: &str) -> &str {
    match run.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    }
}

/// The tokens of a text as one line, as they are stored.
pub fn line(text: &str) -> String {
    tokens(text).join(" ")
}

/// The ends of long numbers in a text, as one line: they are found without what stands before them.
pub fn tails(text: &str) -> String {
    let long = tokens(text).into_iter().filter(|t| t.len() >= TAIL_FROM && t.bytes().all(|b| b.is_ascii_digit()));
    let ends = long
        .flat_map(|t| TAILS.filter(|n| *n < t.len()).map(|n| plain(&t[t.len() - n..]).to_owned()).collect::<Vec<_>>());
    ends.collect::<Vec<_>>().join(" ")
}

/// The token of a case, by its number in the database.
pub fn case_token(case_id: i64) -> String {
    format!("k{case_id}")
}

/// The tokens of an instant: its hour, day and block of days, UTC.
pub fn hours(at_ms: i64) -> String {
    let (hour, day) = (at_ms.div_euclid(HOUR_MS), at_ms.div_euclid(DAY_MS));
    format!("{} {} {}", when('h', hour), when('d', day), when('b', day.div_euclid(BLOCK_DAYS)))
}

fn when(unit: char, n: i64) -> String {
    // Before 1970 only broken clocks are; their sign is not a token.
    format!("t{unit}{}", n.max(0))
}

/// The tokens of which one stands in every instant of `[from_ms, to_ms)`: few, however long it is.
pub fn covering(from_ms: i64, to_ms: i64) -> Vec<String> {
    let mut all = Vec::new();
    let (mut hour, end) =
        (from_ms.div_euclid(HOUR_MS).max(0), to_ms.saturating_add(HOUR_MS - 1).div_euclid(HOUR_MS).max(0));
    while hour < end {
        let (day, block) = (24, 24 * BLOCK_DAYS);
        if hour % block == 0 && hour + block <= end {
            all.push(when('b', hour / block));
            hour += block;
        } else if hour % day == 0 && hour + day <= end {
            all.push(when('d', hour / day));
            hour += day;
        } else {
            all.push(when('h', hour));
            hour += 1;
        }
    }
    all
}

/// One thing that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As typed.
    pub typed: String,
    /// Its tokens, which stand together; the last one may go on.
    pub tokens: Vec<String>,
    /// The key of the case number that it is, where it is one.
    pub case_key: Option<String>,
    /// For cases by half a number; `None` where it holds no digit.
    pub loose: Option<String>,
    /// For registers: a number or a name of somebody or something.
    pub name_key: String,
}

/// What was asked for: every term, and one of the periods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchQuery {
    /// Each of them stands in what is found.
    pub terms: Vec<Term>,
    /// One of them holds the beginning of capture; none: any time.
    pub periods: Vec<Period>,
}

impl SearchQuery {
    /// Reads what was typed. Anything can be read: what is no term is no condition.
    pub fn parse(typed: &str, rule: &NumberRule, now: &jiff::Zoned) -> Self {
        let bounded: String = typed.chars().take(MAX_CHARS).collect();
        let mut query = Self::default();
        for (word, quoted) in words(&bounded).into_iter().take(MAX_TERMS) {
            if !quoted && let Some(period) = Period::parse(&word, now) {
                query.periods.push(period);
                continue;
            }
            let mut tokens = tokens(&word);
            tokens.truncate(MAX_TOKENS);
            if tokens.is_empty() {
                continue;
            }
            let keys = rule.search_keys(&word, now.year());
            let has_digit = word.nfkc().any(|c| c.is_ascii_digit());
            query.terms.push(Term {
                tokens,
                case_key: keys.key,
                loose: keys.loose.filter(|_| has_digit),
                name_key: super::register::name_key(&word),
                typed: word,
            });
        }
        query
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.periods.is_empty()
    }

    /// Whether texts that are not in the index have it all, each term within one of them. `cases` are the numbers of cases.
    pub fn matches(&self, texts: &[&str], cases: &[String], captured_ms: Option<i64>) -> bool {
        let stored: Vec<Vec<String>> = texts.iter().map(|text| tokens(text)).collect();
        let numbers: Vec<String> = cases.iter().map(|c| case_number::loose(c)).collect();
        let in_time = self.periods.is_empty()
            || captured_ms.is_some_and(|at| self.periods.iter().any(|p| p.from_ms <= at && at < p.to_ms));
        in_time
            && self.terms.iter().all(|term| {
                stored.iter().any(|stored| stands_in(&term.tokens, stored))
                    || term.loose.as_ref().is_some_and(|loose| numbers.iter().any(|n| n.contains(loose.as_str())))
            })
    }
}

fn stands_in(wanted: &[String], stored: &[String]) -> bool {
    let Some((last, before)) = wanted.split_last() else { return true };
    stored.windows(wanted.len()).any(|at| at[..before.len()] == *before && at[before.len()].starts_with(last.as_str()))
}

/// Words as they were typed, parted by white space; what stands in quotes is one, whatever is in it.
fn words(typed: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in typed.chars() {
        match c {
            '"' | '“' | '”' | '＂' => {
                if !word.is_empty() {
                    all.push((std::mem::take(&mut word), quoted));
                }
                quoted = !quoted;
            }
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    all.push((std::mem::take(&mut word), false));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        all.push((word, quoted));
    }
    all
}

#[cfg(test)]
mod tests;
