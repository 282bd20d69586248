//! From what recorder, file, media and roster say to facts with origins and suggested links. Pure: whoever
//! calls stores what comes out ([`changes`] says which of it is new) and makes the links.
//!
//! Every origin's own time is kept, so that a person sees what each said; which of them counts is decided by
//! [`crate::domain::record::settle`]. A time before 2001 or more than a day after the dock is reported in
//! [`Annotations::odd_times`] and gives no start, so that the next origin counts; its raw form is still kept
//! (invariant 8).
//!
//! Whose a clip is depends on who had the recorder when capture began, not on who docks it. First counts who took
//! it out at the desk (an [`Issue`] that holds then), after that the roster, then what the recorder itself says: its
//! binding, the number burned into a name. Each is kept as what it is; the order is that of the origins. Where the
//! recorder's clock was wrong, nobody can tell who had it: neither desk nor roster is followed, and what it says itself
//! of a person counts only while nobody hands it out ([`Annotations::passed_over`]). The same holds where desk or roster
//! had handed it out by the time it was docked, and neither says who had it then: what it says itself waits for a person.
//! So it does where the clock was off at the dock by more than a few minutes, and by how much decides who had it (`clock`).
//! A recorder that nobody ever handed out is a person's own, and what it says is the best that is known.
//!
//! A roster row applies when it names the clip's recorder and capture began in `[from, to)`. Rows that name
//! different cases give no link, but each of the cases to choose from; values that disagree give no fact: the conflict
//! is reported and a person decides. A row that names another officer than whoever took the recorder out was a plan that came otherwise: it
//! gives nothing, and that is reported, too.
//!
//! Text from recorders is bounded and freed of control characters here (invariant 7); showing it is
//! escaping it once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::roster::{MAX_VALUE_CHARS, RosterCase, RosterRow, names_somebody, recorder_key};
use super::times::{self, Reading};
use crate::domain::grounds::{At, By, Ground, Grounds};
use crate::domain::ids::RecorderId;
use crate::domain::record::{Fact, Field, Origin};
use crate::domain::recorder_clock::DockClock;
use crate::domain::time::{RecorderTime, UtcMs};
use crate::domain::track::Track;

mod clock;
mod odd;
mod start;

pub use odd::{Conflict, Doubt, OddTime, Oddity, PassedOver};

use clock::Trust;
use odd::ISSUE;
use start::{in_zone, later, possible, starts, written_until};

const DAY_MS: i64 = 86_400_000;
/// A longer recording in one file is a damaged index: a shift has 12 hours, a battery fewer.
const LONGEST_MS: i64 = 7 * DAY_MS;
/// How far the end of writing may lie from the end of recording.
const NEAR_MS: i64 = 10 * 60_000;

/// A stay of a recorder with an officer, as the desk wrote it down: it holds in `[from_ms, to_ms)`, and while it has
/// no end until whenever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its number at the desk.
    pub id: i64,
    /// Who took it out.
    pub officer: String,
    /// For which case: the number as typed, and its key.
    pub case: Option<(String, String)>,
    /// Where.
    pub place: Option<String>,
    /// Matter to be recorded.
    pub matter: Option<String>,
    /// Taken out, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Brought back.
    pub to_ms: Option<i64>,
}

impl Issue {
    fn holds_at(&self, ms: i64) -> bool {
        self.from_ms <= ms && self.to_ms.is_none_or(|to| ms < to)
    }
}

/// All that is known about a clip before anybody has said anything. Give all of it each time: what is left
/// out counts as no longer said.
#[derive(Debug, Clone)]
pub struct ClipEvidence {
    /// The recorder that it came from.
    pub recorder: RecorderId,
    /// Named captures of its profile's file-name pattern. `officer` (a police number is one) is a fact; `date`
    /// and `time` are what the recorder said where `named` could not be read.
    pub captures: BTreeMap<String, String>,
    /// When capture began by the file's name, as the profile reads it.
    pub named: Option<RecorderTime>,
    /// The zone of the recorder's clock, by its profile.
    pub zone: TimeZone,
    /// Modification time exactly as the recorder gave it.
    pub modified_raw: String,
    /// Our reading of it, milliseconds since the Unix epoch.
    pub modified_ms: Option<i64>,
    /// What it means on this recorder, by its profile.
    pub modified_is: ModifiedIs,
    /// Duration by the media probe, milliseconds; `None` until it has looked.
    pub duration_ms: Option<i64>,
    /// Creation time in the container, milliseconds since the Unix epoch, read as UTC.
    pub created_ms: Option<i64>,
    /// What a sidecar file says; times as text, in RFC 3339 or in `zone`.
    pub sidecar: Vec<(Field, String)>,
    /// What a binding file that passed its check says.
    pub binding: Vec<(Field, String)>,
    /// When the recorder was docked, milliseconds since the Unix epoch.
    pub docked_ms: i64,
    /// What was known of its clock then.
    pub clock: DockClock,
    /// A person's correction of the start of capture: where there is one it decides which roster rows apply.
    pub corrected_start_ms: Option<i64>,
    /// Every stay out of this recorder; its clips share them.
    pub issues: Arc<[Issue]>,
    /// The recording of a live stream, of which it is a segment.
    pub recording: Option<Recorded>,
}

/// A segment of a recording: what was said when it was begun, and when its first frame came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The station's clock at the first frame, milliseconds since the Unix epoch.
    pub station_ms: i64,
    /// The camera's own, where it tells it.
    pub source_ms: Option<i64>,
    /// For which case: the number as typed, and its key.
    pub case: Option<(String, String)>,
    /// Who, where, what.
    pub said: Vec<(Field, String)>,
}

/// What a file's modification time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModifiedIs {
    /// Capture ended.
    End,
    /// Capture began.
    Start,
    /// Nothing that can be relied on: it gives no fact.
    #[default]
    Unknown,
}

/// What the rules make of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// At most one fact for each field and origin, never of origin person, never empty.
    pub facts: Vec<Fact>,
    /// Links that desk or roster give without doubt: none or one.
    pub links: Vec<SuggestedLink>,
    /// One link for each case that roster rows name while they disagree about it: a person chooses.
    pub disputed: Vec<SuggestedLink>,
    /// Places in the roster of the rows that are of the recorder and of when capture began, followed or not; `None` where
    /// nobody can tell which rows that are.
    pub rows: Option<Vec<usize>>,
    /// Why the roster gave no link or no value although rows apply.
    pub conflicts: Vec<Conflict>,
    /// Times that cannot be.
    pub odd_times: Vec<OddTime>,
    /// Whom the recorder names, and was not followed in: it goes from hand to hand, and nobody wrote down in whose it was.
    pub passed_over: Vec<PassedOver>,
}

impl Annotations {
    /// Whether desk and roster were not followed because of the recorder's clock.
    pub fn is_clock_doubted(&self) -> bool {
        self.odd_times.iter().any(|odd| matches!(odd.why, Oddity::LaterThanDock | Oddity::ClockOff))
    }
}

/// A link to be made, if no person has linked or unlinked the same case before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedLink {
    /// The number as the roster has it.
    pub case_raw: String,
    /// Its key.
    pub case_key: String,
    /// Who says so.
    pub origin: Origin,
    /// How sure it is, 0 to 100; 100 is kept for persons.
    pub score: u32,
    /// Why, without persons.
    pub reason: Grounds,
    /// The row that says so: its place in the roster given; `None` where the desk says so.
    pub row: Option<usize>,
    /// Stage, where all rows of the case agree.
    pub stage: Option<String>,
    /// Matter recorded, likewise.
    pub matter: Option<String>,
    /// What it proves, likewise.
    pub proves: Option<String>,
}

/// Applies the rules. `roster` may hold rows of other recorders; `defaults` are the configuration's;
/// `at_ms` is when this is being said.
pub fn annotate(input: &ClipEvidence, roster: &[RosterRow], defaults: &[(Field, String)], at_ms: i64) -> Annotations {
    let mut said = Said::default();
    let capture = said.times(input).filter(|capture| !said.is_doubtful(capture));
    let capture = capture.filter(|capture| said.may_tell_whose(input, roster, capture));
    if let Some(recorded) = &input.recording {
        // Whoever began it said what it is; desk and roster are of recorders that people carry.
        said.recording(recorded);
    } else {
        let issue = said.issue(input, capture);
        said.roster(input, roster, capture, issue);
    }
    said.doubt = said.doubt_about(input, roster, capture);
    for (pairs, origin) in
        [(&input.sidecar[..], Origin::Sidecar), (&input.binding, Origin::Binding), (defaults, Origin::Config)]
    {
        for (field, value) in pairs.iter().filter(|(field, _)| !TIMES.contains(field)) {
            said.word(*field, origin, value);
        }
    }
    if let Some(officer) = input.captures.get("officer") {
        said.word(Field::Officer, Origin::FileName, officer);
    }

    let Said { facts, links, disputed, rows, conflicts, odd_times, passed_over, .. } = said;
    let facts = facts.into_iter().map(|((field, origin), value)| Fact { field, value, origin, at_ms }).collect();
    Annotations { facts, links, disputed, rows, conflicts, odd_times, passed_over }
}

/// What is to be said anew: facts in `found` that differ from the latest word of their origin in `said`, and
/// an empty value for each that an origin no longer says. A person's words are not the rules' to change, nor is what
/// the register of officers says: [`super::judge`] follows that.
pub fn changes(said: &[Fact], found: &[Fact], at_ms: i64) -> Vec<Fact> {
    let latest: BTreeMap<(Field, Origin), &str> =
        said.iter().map(|fact| ((fact.field, fact.origin), fact.value.as_str())).collect();
    let now: BTreeMap<(Field, Origin), &Fact> = found.iter().map(|fact| ((fact.field, fact.origin), fact)).collect();
    let differing = now.iter().filter(|(key, fact)| latest.get(*key) != Some(&fact.value.as_str()));
    let withdrawn = latest
        .iter()
        .filter(|(key, value)| {
            !matches!(key.1, Origin::Person | Origin::Register) && !value.is_empty() && !now.contains_key(*key)
        })
        .map(|(&(field, origin), _)| Fact { field, value: String::new(), origin, at_ms });
    differing.map(|(_, fact)| (*fact).clone()).chain(withdrawn).collect()
}

const TIMES: [Field; 3] = [Field::CapturedStart, Field::CapturedEnd, Field::CapturedRaw];
const PEOPLE: [Field; 3] = [Field::Officer, Field::OfficerCertNo, Field::CoOfficers];

/// When capture began, for choosing roster rows.
#[derive(Debug, Clone, Copy)]
struct Capture {
    start_ms: i64,
    end_ms: Option<i64>,
    /// `None` for a person's correction.
    origin: Option<Origin>,
    /// Another reading of the same clock, which it contradicts by more than the recording is long: begin and end.
    otherwise: Option<(i64, i64)>,
}

#[derive(Default)]
struct Said {
    facts: BTreeMap<(Field, Origin), String>,
    links: Vec<SuggestedLink>,
    disputed: Vec<SuggestedLink>,
    rows: Option<Vec<usize>>,
    conflicts: Vec<Conflict>,
    odd_times: Vec<OddTime>,
    passed_over: Vec<PassedOver>,
    /// Why nobody knows in whose hands the recorder was, where nobody does.
    doubt: Option<Doubt>,
}

impl Said {
    /// What the recorder says of itself.
    fn word(&mut self, field: Field, origin: Origin, value: &str) {
        let Some(why) = self.doubt.filter(|_| PEOPLE.contains(&field)) else {
            return self.fact(field, origin, value);
        };
        let said = printable(value);
        if names_somebody(&said) {
            self.passed_over.push(PassedOver { origin, said, why });
        }
    }

    /// Why nobody knows in whose hands the recorder was; desk and roster have spoken by now.
    fn doubt_about(&self, input: &ClipEvidence, roster: &[RosterRow], capture: Option<Capture>) -> Option<Doubt> {
        if capture.is_none() {
            return is_handed_out(input, roster, i64::MAX).then_some(Doubt::CaptureUnknown);
        }
        // What was docked before anybody wrote down who takes it out was brought by whomever it names, for all that is known.
        let written_down = is_handed_out(input, roster, input.docked_ms);
        let told = [Origin::Issue, Origin::Roster].iter().any(|by| self.facts.contains_key(&(Field::Officer, *by)));
        (input.recording.is_none() && written_down && !told).then_some(Doubt::NoStay)
    }

    /// The clock that named the file was wrong, and the last write was at a time that can be: as likely it is that of
    /// whoever copied the file. What a container says is no sign of it: many are written without any clock.
    fn is_doubtful(&self, capture: &Capture) -> bool {
        let wrong = |odd: &OddTime| {
            matches!(odd.origin, Origin::Sidecar | Origin::FileName)
                && matches!(odd.why, Oddity::ClockUnset | Oddity::AfterDock)
        };
        capture.origin == Some(Origin::FileTime) && self.odd_times.iter().any(wrong)
    }

    fn fact(&mut self, field: Field, origin: Origin, value: &str) {
        // A way is longer than a word may be, and bounded by its own form; what is none is dropped.
        if field == Field::Track {
            if let Some(track) = Track::parse(value) {
                self.facts.insert((field, origin), track.to_string());
            }
            return;
        }
        let value = printable(value);
        if !value.is_empty() && (field != Field::Officer || names_somebody(&value)) {
            self.facts.insert((field, origin), value);
        }
    }

    fn odd(&mut self, origin: Origin, raw: &str, why: Oddity) {
        self.odd_times.push(OddTime { origin, raw: printable(raw), why });
    }

    /// Says what was said when a recording was begun.
    fn recording(&mut self, recorded: &Recorded) {
        for (field, value) in &recorded.said {
            self.fact(*field, Origin::Recording, value);
        }
        if let Some((case_raw, case_key)) = &recorded.case {
            self.links.push(SuggestedLink {
                case_raw: case_raw.clone(),
                case_key: case_key.clone(),
                origin: Origin::Recording,
                score: 98,
                reason: Ground::RecordingBegun {}.into(),
                row: None,
                stage: None,
                matter: None,
                proves: None,
            });
        }
    }

    /// Says every origin's times; gives the one that counts.
    fn times(&mut self, input: &ClipEvidence) -> Option<Capture> {
        let duration = input.duration_ms.filter(|d| (0..=LONGEST_MS).contains(d));
        let mut counts: Option<(Origin, RecorderTime)> = None;
        for (origin, raw, read) in starts(input, duration) {
            self.fact(Field::CapturedRaw, origin, &raw);
            let start = match read.ok_or(Oddity::Unreadable).and_then(|t| possible(t, input.docked_ms)) {
                Ok(start) => start,
                Err(why) => {
                    self.odd(origin, &raw, why);
                    continue;
                }
            };
            let start = match origin {
                Origin::Media => self.container_time(start, input, duration),
                _ => start,
            };
            self.fact(Field::CapturedStart, origin, &start.rfc3339());
            if let Some(duration) = duration {
                let end = later(&start, duration);
                self.fact(Field::CapturedEnd, origin, &end.rfc3339());
            }
            counts.get_or_insert((origin, start));
        }
        let (origin, start) = counts.unzip();
        let mut otherwise = None;
        if let (Some(Origin::FileName), Some(start), Some(duration), Some(written)) =
            (origin, &start, duration, written_until(input))
            && written.abs_diff(start.at.0.saturating_add(duration)) > NEAR_MS.unsigned_abs()
        {
            self.odd(Origin::FileTime, &input.modified_raw, Oddity::ClockJumped);
            otherwise = Some((written.saturating_sub(duration), written));
        }

        let mut end_ms = start.as_ref().and_then(|s| Some(s.at.0.saturating_add(duration?)));
        if let Some(start) = &start {
            let after_start = |end: &RecorderTime| (0..=DAY_MS).contains(&end.at.0.saturating_sub(start.at.0));
            let sidecar = value_of(&input.sidecar, Field::CapturedEnd)
                .and_then(|text| times::read(text, &input.zone, Reading::Lenient).ok());
            let written = written_until(input).map(|ms| in_zone(ms, &input.modified_raw, &input.zone));
            if let Some(end) = sidecar.filter(after_start) {
                self.fact(Field::CapturedEnd, Origin::Sidecar, &end.rfc3339());
                end_ms = Some(end.at.0);
            } else if let (None, Some(end)) = (duration, written.filter(after_start)) {
                self.fact(Field::CapturedEnd, Origin::FileTime, &end.rfc3339());
                end_ms = Some(end.at.0);
            }
        }
        match input.corrected_start_ms {
            Some(ms) => {
                let end_ms = duration.map(|d| ms.saturating_add(d));
                Some(Capture { start_ms: ms, end_ms, origin: None, otherwise: None })
            }
            None => start.map(|start| Capture { start_ms: start.at.0, end_ms, origin, otherwise }),
        }
    }

    /// Whether desk and roster may be followed by this time: nothing speaks against its clock, or, however far that was off,
    /// they say the same.
    fn may_tell_whose(&mut self, input: &ClipEvidence, roster: &[RosterRow], capture: &Capture) -> bool {
        let origin = capture.origin.unwrap_or(Origin::Person);
        let raw = self.facts.get(&(Field::CapturedRaw, origin)).cloned().unwrap_or_default();
        match clock::trust(input, capture) {
            Trust::AsItIs => true,
            Trust::LaterThanDock => {
                self.odd(origin, &raw, Oddity::LaterThanDock);
                false
            }
            Trust::Between(first, last) if !clock::changes_hands(input, roster, first, last) => true,
            Trust::Between(..) => {
                self.odd(origin, &raw, Oddity::ClockOff);
                false
            }
        }
    }

    /// Containers hold UTC by their standards, yet many recorders write their local clock. Where only the
    /// local reading meets the time of the last write, it is the one.
    fn container_time(&mut self, utc: RecorderTime, input: &ClipEvidence, duration: Option<i64>) -> RecorderTime {
        let Some(written) = written_until(input) else { return utc };
        let fits = |ms: i64| {
            let begun = written.saturating_sub(duration.unwrap_or(0)).saturating_sub(NEAR_MS);
            (begun..=written.saturating_add(NEAR_MS)).contains(&ms)
        };
        let local_ms = utc.at.0.saturating_sub(i64::from(utc.offset_s) * 1000);
        if fits(utc.at.0) || !fits(local_ms) {
            return utc;
        }
        self.odd(Origin::Media, &utc.raw, Oddity::LocalInContainer);
        RecorderTime { at: UtcMs(local_ms), ..utc }
    }

    /// Says what the desk wrote down of whoever had the recorder when capture began.
    fn issue<'a>(&mut self, input: &'a ClipEvidence, capture: Option<Capture>) -> Option<&'a Issue> {
        let capture = capture?;
        // Stays do not overlap; should two, after a clock was put back, the later entry knew of the earlier one.
        let issue = input.issues.iter().filter(|i| i.holds_at(capture.start_ms)).max_by_key(|i| i.id)?;
        self.fact(Field::Officer, Origin::Issue, &issue.officer);
        for (field, value) in [(Field::Place, &issue.place), (Field::Matter, &issue.matter)] {
            if let Some(value) = value {
                self.fact(field, Origin::Issue, value);
            }
        }
        if let Some((raw, key)) = &issue.case {
            let ends_later = capture.end_ms.zip(issue.to_ms).is_some_and(|(end, to)| end > to);
            let (recorder, from) = (input.recorder.to_string(), At::of(issue.from_ms, &input.zone));
            let mut reason = Grounds::from(Ground::Issued { issue: issue.id, recorder, from });
            reason.push(captured(input, &capture));
            if ends_later {
                reason.push(Ground::EndedAfterReturn {});
            }
            self.links.push(SuggestedLink {
                case_raw: raw.clone(),
                case_key: key.clone(),
                origin: Origin::Issue,
                score: score(capture.origin, ends_later, false),
                reason,
                row: None,
                stage: None,
                matter: issue.matter.clone(),
                proves: None,
            });
        }
        Some(issue)
    }

    fn roster(&mut self, input: &ClipEvidence, roster: &[RosterRow], capture: Option<Capture>, issue: Option<&Issue>) {
        let Some(capture) = capture else { return };
        let key = recorder_key(input.recorder.as_str());
        let applies = |row: &RosterRow| {
            (row.from_ms..row.to_ms).contains(&capture.start_ms) && recorder_key(&row.recorder) == key
        };
        let same_officer =
            |row: &RosterRow| issue.is_none_or(|i| recorder_key(&i.officer) == recorder_key(&row.officer));
        let (rows, otherwise): (Vec<_>, Vec<_>) =
            roster.iter().enumerate().filter(|(_, row)| applies(row)).partition(|(_, row)| same_officer(row));
        self.rows = Some(rows.iter().chain(&otherwise).map(|(at, _)| *at).collect());
        if !otherwise.is_empty() {
            self.conflicts.push(Conflict { what: ISSUE, lines: otherwise.iter().map(|(_, row)| row.line).collect() });
        }

        let mut values: BTreeMap<Field, Vec<(u64, &str)>> = BTreeMap::new();
        for (_, row) in &rows {
            for (field, value) in row.facts() {
                values.entry(field).or_default().push((row.line, value));
            }
        }
        for (field, said) in values {
            match agreed(said.iter().map(|(_, value)| *value)) {
                Some(value) => self.fact(field, Origin::Roster, value),
                None => {
                    self.conflicts.push(Conflict { what: field.as_str(), lines: said.iter().map(|s| s.0).collect() });
                }
            }
        }

        let with_case: Vec<OfCase<'_>> =
            rows.iter().filter_map(|(at, row)| Some((*at, *row, row.case.as_ref()?))).collect();
        if with_case.is_empty() {
            return;
        }
        let agree = agreed(with_case.iter().map(|(_, _, case)| case.key.as_str())).is_some();
        if !agree {
            self.conflicts
                .push(Conflict { what: "case", lines: with_case.iter().map(|(_, row, _)| row.line).collect() });
        }
        // What was said at the desk for this stay comes before what was planned for it.
        if issue.is_some_and(|i| i.case.is_some()) {
            return;
        }
        let rest_without_case = with_case.len() < rows.len();
        if agree {
            self.links.push(by_rows(input, &with_case, &capture, rest_without_case));
            return;
        }
        let keys: BTreeSet<&str> = with_case.iter().map(|(_, _, case)| case.key.as_str()).collect();
        for key in keys {
            let of_key: Vec<OfCase<'_>> = with_case.iter().filter(|(_, _, case)| case.key == key).copied().collect();
            let mut link = by_rows(input, &of_key, &capture, rest_without_case);
            link.reason.push(Ground::RowOfAnotherCase {});
            self.disputed.push(link);
        }
    }
}

/// A row that applies: its place in the roster, and its case.
type OfCase<'a> = (usize, &'a RosterRow, &'a RosterCase);

/// The link of rows that name one case; there is at least one of them.
fn by_rows(input: &ClipEvidence, rows: &[OfCase<'_>], capture: &Capture, rest_without_case: bool) -> SuggestedLink {
    let (at, row, case) = rows[0];
    let ends_later = capture.end_ms.is_some_and(|end| end > rows.iter().map(|(_, r, _)| r.to_ms).max().unwrap_or(end));
    let of_case = |value: fn(&RosterRow) -> Option<&String>| {
        agreed(rows.iter().filter_map(|(_, row, _)| value(row)).map(String::as_str)).map(str::to_owned)
    };
    SuggestedLink {
        case_raw: case.raw.clone(),
        case_key: case.key.clone(),
        origin: Origin::Roster,
        score: score(capture.origin, ends_later, rest_without_case),
        reason: reason(input, row, capture, ends_later, rest_without_case),
        row: Some(at),
        stage: of_case(|row| row.stage.as_ref()),
        matter: of_case(|row| row.matter.as_ref()),
        proves: of_case(|row| row.proves.as_ref()),
    }
}

/// Whether desk or roster gave the recorder to somebody, by `until_ms`.
fn is_handed_out(input: &ClipEvidence, roster: &[RosterRow], until_ms: i64) -> bool {
    let key = recorder_key(input.recorder.as_str());
    input.issues.iter().any(|issue| issue.from_ms <= until_ms)
        || roster.iter().any(|row| row.from_ms <= until_ms && recorder_key(&row.recorder) == key)
}

fn value_of(pairs: &[(Field, String)], field: Field) -> Option<&str> {
    pairs.iter().rev().find(|(f, value)| *f == field && !value.trim().is_empty()).map(|(_, value)| value.as_str())
}

/// The one value that all give; `None` where they give several or nothing.
fn agreed<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// A clock that wrote a name or sidecar is worth more than a container's, and that more than a file system's.
fn score(origin: Option<Origin>, ends_later: bool, rest_without_case: bool) -> u32 {
    let base = match origin {
        None => 95,
        Some(Origin::Recording | Origin::Sidecar | Origin::FileName) => 90,
        Some(Origin::Media) => 80,
        Some(_) => 60,
    };
    base - 20 * u32::from(ends_later) - 20 * u32::from(rest_without_case)
}

fn reason(
    input: &ClipEvidence,
    row: &RosterRow,
    capture: &Capture,
    ends_later: bool,
    rest_without_case: bool,
) -> Grounds {
    let (from, to) = (At::of(row.from_ms, &input.zone), At::of(row.to_ms, &input.zone));
    let mut found = Grounds::from(Ground::RosterRow { line: row.line, recorder: input.recorder.to_string(), from, to });
    found.push(captured(input, capture));
    if ends_later {
        found.push(Ground::EndedAfterReturn {});
    }
    if rest_without_case {
        found.push(Ground::RowWithoutCase {});
    }
    found
}

/// When capture began, and what says so.
fn captured(input: &ClipEvidence, capture: &Capture) -> Ground {
    let by = capture.origin.map_or("person", Origin::as_str);
    Ground::Captured { start: At::of(capture.start_ms, &input.zone), by: By(by.to_owned()) }
}

/// Text of a recorder or roster as it may be stored: one line, bounded, without characters that turn the
/// direction of writing.
pub(super) fn printable(text: &str) -> String {
    let turning = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let bounded: String = text
        .trim()
        .chars()
        .filter(|c| !turning(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_VALUE_CHARS)
        .collect();
    bounded.trim().to_owned()
}

#[cfg(test)]
mod tests;
