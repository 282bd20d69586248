//! Backups of the station's database: when one is due, and which old ones nobody needs any more. Only decides.
//!
//! Nothing here deletes, and nothing else of the station does: a key that can delete backups is what somebody who
//! takes the box over would want most. What may go is told to a person, who removes it with a key of their own.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::time::UtcMs;

/// Which backups are worth keeping; the newest always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The last one of so many days that have any.
    pub daily: u32,
    /// The last one of so many months that have any.
    pub monthly: u32,
}

/// Whether a backup is due at `now_ms`. A wall clock that was set back makes one due at once instead of never.
pub fn due(now_ms: i64, last_made_ms: Option<i64>, every_ms: i64) -> bool {
    last_made_ms.is_none_or(|last| now_ms < last || now_ms.saturating_sub(last) >= every_ms)
}

/// How old the newest backup that is proven anywhere may be before that is a matter for a person: one was missed, and
/// the next one is late, too.
pub fn too_old_ms(every_ms: i64) -> i64 {
    every_ms.saturating_mul(2).saturating_add(3_600_000)
}

/// Which backups may go; `made` are all that can be restored from, in any order, each with when it was made
/// (milliseconds since the Unix epoch). Days and months are those of `zone`.
pub fn may_go<T: Copy>(made: &[(T, i64)], keep: Keep, zone: &TimeZone) -> Vec<T> {
    let mut newest_first: Vec<&(T, i64)> = made.iter().collect();
    newest_first.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    let (mut days, mut months) = (BTreeSet::new(), BTreeSet::new());
    let mut go = Vec::new();
    for (n, (which, at)) in newest_first.into_iter().enumerate() {
        let date = UtcMs(*at).zoned(zone).date();
        let of_day = days.len() < keep.daily as usize && days.insert(date);
        let of_month = months.len() < keep.monthly as usize && months.insert((date.year(), date.month()));
        if n > 0 && !of_day && !of_month {
            go.push(*which);
        }
    }
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn due_as_a_table() {
        for (name, now, last, expected) in [
            ("the first", 0, None, true),
            ("too early", 99, Some(0), false),
            ("due", 100, Some(0), true),
            ("the clock was set back", 5, Some(6), true),
            ("long asleep", i64::MAX, Some(i64::MIN), true),
        ] {
            assert_eq!(due(now, last, 100), expected, "{name}");
        }
    }

    #[test]
    fn the_last_of_each_day_and_month_stays() {
        let zone = TimeZone::UTC;
        // Four a day over 100 days, numbered from the oldest on.
        let made: Vec<(i64, i64)> = (0..400).map(|n| (n, 1_781_834_604_000 + n * DAY_MS / 4)).collect();
        let go = may_go(&made, Keep { daily: 3, monthly: 2 }, &zone);
        let kept: Vec<i64> = made.iter().map(|(n, _)| *n).filter(|n| !go.contains(n)).collect();
        assert!(kept.contains(&399), "the newest stays: {kept:?}");
        // Three days; of the two months one is the running one, whose last is the last of the days.
        assert_eq!(kept.len(), 4, "{kept:?}");
        let mut backwards = made.clone();
        backwards.reverse();
        assert_eq!(may_go(&backwards, Keep { daily: 3, monthly: 2 }, &zone), go);
        assert_eq!(may_go(&made[..1], Keep { daily: 0, monthly: 0 }, &zone), Vec::<i64>::new());
        assert_eq!(may_go(&made, Keep { daily: 366, monthly: 0 }, &zone).len(), 300, "a hundred days");
    }
}
