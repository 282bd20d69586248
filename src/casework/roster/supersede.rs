//! What an import does to the rows that stand under its name. Pure.
//!
//! A clerk exports the same sheet each week, or goes on writing in one, and corrects what was wrong. So a file tells anew of
//! the days on which its rows begin, from its first row to the end of its last: what stood of these goes, a shift that was
//! struck out with it. Days of which it does not tell stay as they are: they are facts, and a sheet that has a Monday and a
//! Friday says nothing about the days between.
//!
//! A shift is of the day on which it begins: last Sunday's night shift is not this Monday's to replace. Where a row of the
//! file has the same recorder at the same time, the earlier row gives way: wholly where both begin on the same day (the
//! shift was corrected), else for as long as the other one has it.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{RosterRow, recorder_key};
use crate::domain::time::UtcMs;

/// What an import comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superseded {
    /// Rows that no longer stand, by their numbers.
    pub gone: Vec<i64>,
    /// What is left of those that gave way for a time.
    pub left: Vec<RosterRow>,
    /// Rows of the file that do not stand yet.
    pub new: Vec<RosterRow>,
}

/// From the first row's begin to the last one's end, milliseconds since the Unix epoch; `None` of no rows.
pub fn span(rows: &[RosterRow]) -> Option<(i64, i64)> {
    let first = rows.iter().map(|row| row.from_ms).min()?;
    Some((first, rows.iter().map(|row| row.to_ms).max()?))
}

/// The days on which rows begin, in a zone.
pub fn days(rows: &[RosterRow], zone: &TimeZone) -> BTreeSet<Date> {
    rows.iter().map(|row| UtcMs(row.from_ms).zoned(zone).date()).collect()
}

/// Holds what stands, each row with its number, against the rows of a file. What does not reach into its [`span`] may be
/// left out. Days are those of `zone`.
pub fn supersede(standing: &[(i64, RosterRow)], file: &[RosterRow], zone: &TimeZone) -> Superseded {
    let Some((first, last)) = span(file) else { return Superseded::default() };
    let day = |ms: i64| UtcMs(ms).zoned(zone).date();
    let days = days(file, zone);
    let mut of_recorder: HashMap<String, Vec<&RosterRow>> = HashMap::new();
    for row in file {
        of_recorder.entry(recorder_key(&row.recorder)).or_default().push(row);
    }
    let told: HashSet<&RosterRow> = file.iter().collect();
    let mut stands: HashSet<&RosterRow> = HashSet::new();
    let mut found = Superseded::default();
    for (id, row) in standing {
        // The same row again is the same row.
        if told.contains(row) && stands.insert(row) {
            continue;
        }
        let theirs = of_recorder.get(&recorder_key(&row.recorder)).map(Vec::as_slice).unwrap_or_default();
        let mut over: Vec<&RosterRow> =
            theirs.iter().filter(|other| other.from_ms < row.to_ms && row.from_ms < other.to_ms).copied().collect();
        let begun = row.begun_ms.unwrap_or(row.from_ms);
        let told_anew = (first..last).contains(&begun) && days.contains(&day(begun));
        if told_anew || over.iter().any(|other| day(other.from_ms) == day(begun)) {
            found.gone.push(*id);
        } else if !over.is_empty() {
            over.sort_by_key(|other| other.from_ms);
            found.gone.push(*id);
            found.left.extend(without(row, &over));
        }
    }
    found.new = file.iter().filter(|row| !stands.contains(*row)).cloned().collect();
    found
}

/// What is left of a row without the times of others, which are in the order of their begins.
fn without(row: &RosterRow, others: &[&RosterRow]) -> Vec<RosterRow> {
    let begun_ms = row.begun_ms.or(Some(row.from_ms));
    let (mut left, mut at) = (Vec::new(), row.from_ms);
    for other in others {
        if at < other.from_ms {
            left.push(RosterRow { from_ms: at, to_ms: other.from_ms, begun_ms, ..row.clone() });
        }
        at = at.max(other.to_ms);
    }
    if at < row.to_ms {
        left.push(RosterRow { from_ms: at, begun_ms, ..row.clone() });
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;
    /// Monday, 2026-06-15T00:00:00+08:00.
    const MONDAY: i64 = 1_781_452_800_000;

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    /// A row from and to so many hours after that Monday began.
    fn row(officer: &str, recorder: &str, from: i64, to: i64) -> RosterRow {
        RosterRow {
            line: 2,
            officer: officer.into(),
            recorder: recorder.into(),
            from_ms: MONDAY + from * HOUR,
            to_ms: MONDAY + to * HOUR,
            begun_ms: None,
            case: None,
            place: None,
            matter: None,
            proves: None,
            stage: None,
            officer_cert_no: None,
            co_officers: None,
            enforcement_kind: None,
            party: None,
        }
    }

    /// The rows that stand after an import, oldest number first.
    fn imported(standing: &[(i64, RosterRow)], file: &[RosterRow]) -> Vec<(i64, RosterRow)> {
        let found = supersede(standing, file, &zone());
        let mut all: Vec<_> = standing.iter().filter(|(id, _)| !found.gone.contains(id)).cloned().collect();
        let next = standing.iter().map(|(id, _)| id + 1).max().unwrap_or(1);
        all.extend((next..).zip(found.left.into_iter().chain(found.new)));
        all
    }

    fn told(standing: &[(i64, RosterRow)]) -> Vec<(String, String, i64, i64)> {
        let hours = |ms: i64| (ms - MONDAY) / HOUR;
        let mut told: Vec<_> = standing
            .iter()
            .map(|(_, r)| (r.officer.clone(), r.recorder.clone(), hours(r.from_ms), hours(r.to_ms)))
            .collect();
        told.sort_by_key(|t| (t.2, t.3, t.0.clone()));
        told
    }

    #[test]
    fn what_a_clerk_expects() {
        type Row = (&'static str, &'static str, i64, i64);
        type Case = (&'static str, Vec<Row>, Vec<Row>, Vec<Row>);
        let table: Vec<Case> = vec![
            ("the first one", vec![], vec![("甲", "1", 8, 18)], vec![("甲", "1", 8, 18)]),
            (
                "next week's sheet, last week stays",
                vec![("甲", "1", 8, 18), ("乙", "2", 32, 42)],
                vec![("丙", "1", 176, 186)],
                vec![("甲", "1", 8, 18), ("乙", "2", 32, 42), ("丙", "1", 176, 186)],
            ),
            (
                "a night shift from the week before stays",
                vec![("甲", "1", 140, 178)],
                vec![("乙", "2", 170, 178), ("丙", "1", 178, 186)],
                vec![("甲", "1", 140, 178), ("乙", "2", 170, 178), ("丙", "1", 178, 186)],
            ),
            (
                "a night shift that stands in both sheets takes nothing of its day along",
                vec![("甲", "1", 152, 162), ("乙", "2", 164, 176)],
                vec![("乙", "2", 164, 176), ("丙", "1", 176, 186)],
                vec![("甲", "1", 152, 162), ("乙", "2", 164, 176), ("丙", "1", 176, 186)],
            ),
            ("another officer", vec![("甲", "1", 8, 18)], vec![("乙", "1", 8, 18)], vec![("乙", "1", 8, 18)]),
            (
                "another recorder",
                vec![("甲", "1", 8, 18), ("乙", "2", 8, 18)],
                vec![("甲", "3", 8, 18), ("乙", "2", 8, 18)],
                vec![("甲", "3", 8, 18), ("乙", "2", 8, 18)],
            ),
            ("another time", vec![("甲", "1", 8, 18)], vec![("甲", "1", 9, 17)], vec![("甲", "1", 9, 17)]),
            (
                "a shift that was struck out",
                vec![("甲", "1", 8, 18), ("乙", "2", 9, 18)],
                vec![("甲", "1", 8, 18)],
                vec![("甲", "1", 8, 18)],
            ),
            (
                "two days of a month say nothing about those between",
                vec![("甲", "1", 8, 18), ("乙", "1", 32, 42), ("丙", "1", 56, 66)],
                vec![("丁", "1", 8, 18), ("戊", "1", 56, 66)],
                vec![("丁", "1", 8, 18), ("乙", "1", 32, 42), ("戊", "1", 56, 66)],
            ),
            (
                "a year's assignment gives way for a day",
                vec![("甲", "1", -1000, 8000), ("乙", "2", -1000, 8000)],
                vec![("丙", "1", 8, 18)],
                vec![("甲", "1", -1000, 8), ("乙", "2", -1000, 8000), ("丙", "1", 8, 18), ("甲", "1", 18, 8000)],
            ),
            (
                "recorders as people write them",
                vec![("甲", "a-01", 8, 18)],
                vec![("乙", "Ａ-01", 9, 18)],
                vec![("乙", "Ａ-01", 9, 18)],
            ),
            ("a file without rows", vec![("甲", "1", 8, 18)], vec![], vec![("甲", "1", 8, 18)]),
        ];
        for (what, before, file, after) in table {
            let rows = |of: &[Row]| of.iter().map(|(o, r, f, t)| row(o, r, *f, *t)).collect::<Vec<_>>();
            let standing: Vec<(i64, RosterRow)> = (1..).zip(rows(&before)).collect();
            let wanted: Vec<(i64, RosterRow)> = (1..).zip(rows(&after)).collect();
            let stands = imported(&standing, &rows(&file));
            assert_eq!(told(&stands), told(&wanted), "{what}");
            assert_eq!(imported(&stands, &rows(&file)), stands, "{what}: the same file once more");
        }
    }

    #[test]
    fn a_row_that_moved_in_its_file_is_told_by_its_new_line() {
        let moved = RosterRow { line: 9, ..row("甲", "1", 8, 18) };
        let stands = imported(&[(1, row("甲", "1", 8, 18))], std::slice::from_ref(&moved));
        assert_eq!(stands, [(2, moved)]);
    }

    fn rows() -> impl Strategy<Value = Vec<RosterRow>> {
        let one = (0usize..3, 0usize..3, 0i64..400, 1i64..60)
            .prop_map(|(o, r, from, len)| row(["甲", "乙", "丙"][o], ["1", "2", "3"][r], from, from + len));
        proptest::collection::vec(one, 0..8).prop_map(|rows| {
            let mut each: Vec<RosterRow> = Vec::new();
            rows.into_iter().for_each(|r| {
                if !each.contains(&r) {
                    each.push(r)
                }
            });
            each
        })
    }

    /// Who had a recorder at an hour by the rows that stand.
    fn holders(standing: &[(i64, RosterRow)], recorder: &str, ms: i64) -> BTreeSet<String> {
        let at = |r: &RosterRow| r.recorder == recorder && (r.from_ms..r.to_ms).contains(&ms);
        standing.iter().filter(|(_, r)| at(r)).map(|(_, r)| r.officer.clone()).collect()
    }

    proptest! {
        /// Whatever was imported before: every row of the file stands as it was written, what stood of days of which it does
        /// not tell is still told of every hour that it does not give to somebody else, no row tells of more than before,
        /// and the same file once more changes nothing.
        #[test]
        fn an_import_replaces_what_it_tells_of_and_nothing_else(files in proptest::collection::vec(rows(), 1..5)) {
            let zone = zone();
            let mut stands: Vec<(i64, RosterRow)> = Vec::new();
            for file in files {
                let before = stands.clone();
                stands = imported(&before, &file);
                for row in &file {
                    prop_assert!(stands.iter().any(|(_, s)| s == row), "{row:?} of the file stands");
                }
                let found = supersede(&stands, &file, &zone);
                prop_assert_eq!(found, Superseded::default());
                let days: BTreeSet<Date> = file.iter().map(|r| UtcMs(r.from_ms).zoned(&zone).date()).collect();
                for hour in 0..470 {
                    let ms = MONDAY + hour * HOUR;
                    for recorder in ["1", "2", "3"] {
                        let (was, is) = (holders(&before, recorder, ms), holders(&stands, recorder, ms));
                        let by_file: BTreeSet<String> = holders(
                            &file.iter().cloned().map(|r| (0, r)).collect::<Vec<_>>(), recorder, ms);
                        prop_assert!(is.is_subset(&was.union(&by_file).cloned().collect()), "nobody is made up");
                        let untold = |(_, r): &&(i64, RosterRow)| {
                            let begun = UtcMs(r.begun_ms.unwrap_or(r.from_ms)).zoned(&zone).date();
                            r.recorder == recorder && (r.from_ms..r.to_ms).contains(&ms) && !days.contains(&begun)
                        };
                        if by_file.is_empty() {
                            for (_, row) in before.iter().filter(untold) {
                                prop_assert!(is.contains(&row.officer), "{row:?} is still a fact at hour {hour}");
                            }
                        }
                    }
                }
            }
        }
    }
}
