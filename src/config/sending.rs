//! How uploads behave: from what was written to settings.

use std::time::Duration;

use super::resolve::{Problem, choice, problem, whole};
use super::settings::Upload;
use super::written;
use crate::domain::sending::{DAY_MIN, Precedence, Stretch, Timetable, minute_of_day, minute_text};

/// Highest ceiling that may be written, in 10^6 bits a second: what is faster needs none.
const MOST_MBIT: u64 = 1_000_000;

/// Resolves `[upload]`.
pub(super) fn upload(written: written::Upload) -> Result<Upload, Problem> {
    let min = whole("upload.retry_min_s", written.retry_min_s, 2, 1..=3600)?;
    let max = whole("upload.retry_max_s", written.retry_max_s, 300, 1..=86_400)?;
    if max < min {
        return problem("upload.retry_max_s", format!("must not be less than retry_min_s ({min}); it is {max}"));
    }
    Ok(Upload {
        clips_in_flight: whole("upload.clips_in_flight", written.clips_in_flight, 2, 1..=64)? as usize,
        instant: written.instant.unwrap_or(true),
        order: order("upload.order", written.order)?,
        limit: timetable("upload.limit", written.limit)?,
        retry_min: Duration::from_secs(min),
        retry_max: Duration::from_secs(max),
    })
}

fn order(path: &str, written: Option<Vec<String>>) -> Result<Vec<Precedence>, Problem> {
    let Some(words) = written else { return Ok(Precedence::DEFAULT.to_vec()) };
    let known = Precedence::ALL.map(Precedence::as_str);
    let mut order = Vec::new();
    for word in words {
        let rule = choice(path, Some(word), Precedence::Oldest, Precedence::parse, &known)?;
        if order.contains(&rule) {
            return problem(path, format!("has {:?} twice; the first is the one that decides", rule.as_str()));
        }
        order.push(rule);
    }
    Ok(order)
}

/// Resolves a list of ceilings.
pub(super) fn timetable(path: &str, written: Option<Vec<written::Limit>>) -> Result<Timetable, Problem> {
    let one = |(n, written): (usize, written::Limit)| {
        let at = |key: &str| format!("{path}[{n}].{key}");
        let time = |key: &str, text: Option<String>, default: u16| match text {
            None => Ok(default),
            Some(text) => minute_of_day(&text).map_or_else(
                || {
                    problem(
                        at(key),
                        format!("must be a time of day such as \"08:00\", at most \"24:00\"; it is {text:?}"),
                    )
                },
                Ok,
            ),
        };
        let (from_min, to_min) = (time("from", written.from, 0)?, time("to", written.to, DAY_MIN)?);
        if from_min == to_min {
            return problem(at("to"), format!("must differ from its beginning; both are {}", minute_text(to_min)));
        }
        let Some(mbit) = written.mbit else {
            return problem(at("mbit"), "is missing; write 10^6 bits a second, 0 to send nothing then");
        };
        Ok(Stretch { from_min, to_min, mbit: whole(&at("mbit"), Some(mbit), 0, 0..=MOST_MBIT)? })
    };
    written.unwrap_or_default().into_iter().enumerate().map(one).collect::<Result<_, _>>().map(Timetable)
}

/// Ceilings as they would be written.
pub(super) fn to_written(timetable: &Timetable) -> Option<Vec<written::Limit>> {
    let one = |stretch: &Stretch| written::Limit {
        from: Some(minute_text(stretch.from_min)),
        to: Some(minute_text(stretch.to_min)),
        mbit: Some(stretch.mbit),
    };
    Some(timetable.0.iter().map(one).collect()).filter(|list: &Vec<_>| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, read};

    fn refused(text: &str) -> String {
        read(text, None, &Surroundings::default()).unwrap_err().to_string()
    }

    #[test]
    fn orders_and_ceilings_that_cannot_be_used_are_told() {
        for (text, told) in [
            ("[upload]\norder = ['oldest', 'loudest']", "\"loudest\""),
            ("[upload]\norder = ['oldest', 'oldest']", "twice"),
            ("[upload]\nlimit = [{ from = '8:00', mbit = 1 }]", "[[upload.limit]] from"),
            ("[upload]\nlimit = [{ from = '08:00', to = '08:00', mbit = 1 }]", "must differ"),
            ("[upload]\nlimit = [{ from = '08:00' }]", "mbit"),
            ("[upload]\nlimit = [{ mbit = 1 }, { mbit = 9000000 }]", "0 to 1000000"),
            ("[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/x'\nlimit = [{ to = '25:00', mbit = 1 }]", "24:00"),
        ] {
            let words = refused(text);
            assert!(words.contains(told), "{text}: {words}");
        }
    }

    #[test]
    fn a_ceiling_without_times_holds_all_day() {
        let text = "[upload]\nlimit = [{ mbit = 8 }]\ninstant = false\norder = ['smallest']";
        let settings = read(text, None, &Surroundings::default()).unwrap();
        assert_eq!(settings.upload.limit.at(0).bytes_per_s(), Some(1_000_000));
        assert!(!settings.upload.instant && settings.upload.order.len() == 1);
    }
}
