//! Rosters: who takes which recorder out, from when to when, and for what; read from a table as registers are
//! ([`table`]: CSV, XLSX or JSON). Its columns are in [`COLUMNS`]. A row holds in `[from, to)`.
//!
//! Every mistake is reported with its line and column, all of them at once. Unless it is asked for, a roster
//! with a mistake gives no row at all ([`Roster::accept`]): half a roster would link half a shift.
//!
//! Overlapping rows of one recorder are warnings, not mistakes: two inspections in one shift are daily work.
//! Where they disagree, [`super::annotate()`] takes neither side and a person decides. A repeated row counts once.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::register::TOLD;
use super::register::table::{self, Table, TableError};
use super::times::{self, Reading, TimeError};
use crate::domain::case_number::{NumberError, NumberRule, NumberWarning, half_width};
use crate::domain::ids::{IdError, RecorderId};
use crate::domain::record::Field;
pub use crate::domain::recorder::recorder_key;
use crate::domain::why::{Columns, Why, in_words_of_why};

mod columns;
mod supersede;

pub use columns::{COLUMNS, template};
use columns::{Places, places};
pub use supersede::{Superseded, days, span, supersede};

/// Longest value, in characters.
pub const MAX_VALUE_CHARS: usize = 500;
/// Overlaps that are reported; after that many the roster is beyond help.
const MAX_OVERLAPS: usize = 1000;

/// One line of a roster that can be used. Its JSON form is what the store keeps: fields may be added, not renamed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RosterRow {
    /// Line in the file, the header being line 1.
    pub line: u64,
    /// Who took it out.
    pub officer: String,
    /// Which recorder, as written; compare by [`recorder_key`].
    pub recorder: String,
    /// Taken out, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Brought back, milliseconds since the Unix epoch; no longer part of the row.
    pub to_ms: i64,
    /// Of what a later import left of a longer row: when that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_ms: Option<i64>,
    /// For which case.
    pub case: Option<RosterCase>,
    /// Where.
    pub place: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it will prove.
    pub proves: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Certificate number of the officer.
    pub officer_cert_no: Option<String>,
    /// Who else.
    pub co_officers: Option<String>,
    /// Kind of enforcement.
    pub enforcement_kind: Option<String>,
    /// Party.
    pub party: Option<String>,
}

impl RosterRow {
    /// What the row says about a clip.
    pub fn facts(&self) -> Vec<(Field, &str)> {
        let said = [
            (Field::Officer, Some(&self.officer)),
            (Field::Place, self.place.as_ref()),
            (Field::Matter, self.matter.as_ref()),
            (Field::Proves, self.proves.as_ref()),
            (Field::Stage, self.stage.as_ref()),
            (Field::OfficerCertNo, self.officer_cert_no.as_ref()),
            (Field::CoOfficers, self.co_officers.as_ref()),
            (Field::EnforcementKind, self.enforcement_kind.as_ref()),
            (Field::PartyRef, self.party.as_ref()),
        ];
        said.into_iter().filter_map(|(field, value)| Some((field, value?.as_str()))).collect()
    }
}

/// The case of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RosterCase {
    /// The number as written.
    pub raw: String,
    /// Its key.
    pub key: String,
}

/// A roster that was read; what is wrong with it is part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Rows without a mistake, each once, in the order of the file.
    pub rows: Vec<RosterRow>,
    /// Every mistake, in the order of the file.
    pub errors: Vec<RowError>,
    /// What is worth a look and hinders nothing.
    pub warnings: Vec<RosterWarning>,
}

impl Roster {
    /// The rows to import: all or none, or, if asked, those without a mistake.
    pub fn accept(self, skip_bad_rows: bool) -> Result<Vec<RosterRow>, RosterError> {
        match self.errors.is_empty() || skip_bad_rows {
            true => Ok(self.rows),
            false => Err(RosterError::Rows { errors: self.errors }),
        }
    }
}

/// Why a roster gives nothing. All of it is for the person who imports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterError {
    /// No table.
    Table(TableError),
    /// The columns cannot be told.
    Header {
        /// Each.
        problems: Vec<Why>,
    },
    /// Rows with mistakes.
    Rows {
        /// Every one.
        errors: Vec<RowError>,
    },
}

in_words_of_why!(RosterError, RowError, RowProblem, RosterWarning);

impl From<TableError> for RosterError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<&RosterError> for Why {
    fn from(error: &RosterError) -> Self {
        match error {
            RosterError::Table(error) => error.into(),
            RosterError::Header { problems } => Self::Several { each: problems.clone() },
            RosterError::Rows { errors } => {
                let mut each: Vec<Self> = errors.iter().take(TOLD).map(Self::from).collect();
                if errors.len() > TOLD {
                    each.push(Self::AndMore { n: (errors.len() - TOLD) as u64 });
                }
                Self::Mistakes { n: errors.len() as u64, each }
            }
        }
    }
}

impl From<&RowError> for Why {
    fn from(error: &RowError) -> Self {
        Self::Mistake {
            line: error.line,
            column: error.column.clone(),
            value: error.value.clone(),
            because: Box::new((&error.problem).into()),
        }
    }
}

impl From<&RowProblem> for Why {
    fn from(problem: &RowProblem) -> Self {
        match problem {
            RowProblem::Missing => Self::CellMissing {},
            RowProblem::Unprintable => Self::CellUnprintable { most: MAX_VALUE_CHARS as u64 },
            RowProblem::Surplus => Self::CellSurplus {},
            RowProblem::Nobody => Self::Nobody {},
            RowProblem::Recorder(error) => error.into(),
            RowProblem::Time(error) => error.into(),
            RowProblem::EndsBeforeItBegins => Self::CellBackFirst {},
            RowProblem::Case(error) => error.of_a_cell(),
        }
    }
}

/// A mistake in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Line in the file.
    pub line: u64,
    /// The column's name as the file has it.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong and what to do.
    pub problem: RowProblem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowProblem {
    /// A required value is missing.
    Missing,
    /// Longer than [`MAX_VALUE_CHARS`], or with control characters.
    Unprintable,
    /// More values than columns.
    Surplus,
    /// Not a person.
    Nobody,
    /// Not a recorder.
    Recorder(IdError),
    /// Not a time.
    Time(TimeError),
    /// The end is not after the begin.
    EndsBeforeItBegins,
    /// Not a case number.
    Case(NumberError),
}

/// Worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterWarning {
    /// The same row twice; it counts once.
    Repeated {
        /// The first.
        first: u64,
        /// The line that was left out.
        line: u64,
    },
    /// Two rows of one recorder overlap.
    Overlap {
        /// The recorder.
        recorder: String,
        /// The earlier row.
        first: u64,
        /// The later row.
        line: u64,
        /// Columns in which they disagree; in these neither is taken for a clip of both.
        differ: Vec<&'static str>,
    },
    /// A case number was accepted although odd.
    Number {
        /// The line.
        line: u64,
        /// What is odd.
        warning: NumberWarning,
    },
}

impl From<&RosterWarning> for Why {
    fn from(warning: &RosterWarning) -> Self {
        match warning {
            RosterWarning::Repeated { first, line } => Self::RosterRepeated { first: *first, line: *line },
            RosterWarning::Overlap { recorder, first, line, differ } if differ.is_empty() => {
                Self::RosterOverlap { first: *first, line: *line, recorder: recorder.clone() }
            }
            RosterWarning::Overlap { recorder, first, line, differ } => Self::RosterDisagree {
                first: *first,
                line: *line,
                recorder: recorder.clone(),
                differ: Columns(
                    differ.iter().copied().map(|name| (name.to_owned(), columns::chinese(name).to_owned())).collect(),
                ),
            },
            RosterWarning::Number { line, warning: NumberWarning::MismatchedBrackets } => {
                Self::RosterBrackets { line: *line }
            }
            RosterWarning::Number { line, warning: NumberWarning::JoinedDigits } => Self::RosterDigits { line: *line },
        }
    }
}

/// False for what stands where an officer should and names nobody: nothing, or only zeros (`000000` is what
/// recorders are delivered with).
pub fn names_somebody(officer: &str) -> bool {
    half_width(officer).chars().any(|c| c.is_alphanumeric() && c != '0')
}

/// Reads a roster's file. Times without an offset are of `zone`; `this_year` bounds case numbers.
pub fn read(bytes: &[u8], zone: &TimeZone, rule: &NumberRule, this_year: i16) -> Result<Roster, RosterError> {
    read_table(&table::read(bytes)?, zone, rule, this_year)
}

/// The same of a table that was read already.
pub fn read_table(table: &Table, zone: &TimeZone, rule: &NumberRule, this_year: i16) -> Result<Roster, RosterError> {
    let places = places(&table.names).map_err(|problems| RosterError::Header { problems })?;
    let mut roster = Roster::default();
    let mut seen: HashMap<RosterRow, u64> = HashMap::new();
    for (line, row) in &table.rows {
        let mut values = Values { names: &table.names, row, places: &places, line: *line, errors: Vec::new() };
        match values.row(zone, rule, this_year, &mut roster.warnings) {
            Some(row) => match seen.insert(RosterRow { line: 0, ..row.clone() }, *line) {
                Some(first) => roster.warnings.push(RosterWarning::Repeated { first, line: *line }),
                None => roster.rows.push(row),
            },
            None => roster.errors.append(&mut values.errors),
        }
    }
    roster.warnings.extend(overlaps(&roster.rows));
    Ok(roster)
}

/// Overlapping rows of one recorder. The rows may come from several rosters.
pub fn overlaps(rows: &[RosterRow]) -> Vec<RosterWarning> {
    let mut sorted: Vec<(String, &RosterRow)> = rows.iter().map(|r| (recorder_key(&r.recorder), r)).collect();
    sorted.sort_by(|(a_key, a), (b_key, b)| (a_key, a.from_ms, a.line).cmp(&(b_key, b.from_ms, b.line)));
    let mut found = Vec::new();
    let mut open: Vec<(&str, &RosterRow)> = Vec::new();
    for (key, row) in &sorted {
        open.retain(|(other, o)| *other == key && o.to_ms > row.from_ms);
        for (_, other) in &open {
            if found.len() == MAX_OVERLAPS {
                return found;
            }
            let differ = differ(other, row);
            let (first, line) = (other.line.min(row.line), other.line.max(row.line));
            found.push(RosterWarning::Overlap { recorder: row.recorder.clone(), first, line, differ });
        }
        open.push((key, row));
    }
    found
}

fn differ(a: &RosterRow, b: &RosterRow) -> Vec<&'static str> {
    let mut differ = Vec::new();
    if let (Some(x), Some(y)) = (&a.case, &b.case)
        && x.key != y.key
    {
        differ.push("case");
    }
    let theirs = b.facts();
    for (field, value) in a.facts() {
        if theirs.iter().any(|(f, v)| *f == field && *v != value) {
            differ.push(field.as_str());
        }
    }
    differ
}

/// One line while it is read.
struct Values<'a> {
    names: &'a [String],
    row: &'a [String],
    places: &'a Places,
    line: u64,
    errors: Vec<RowError>,
}

impl Values<'_> {
    fn row(
        &mut self,
        zone: &TimeZone,
        rule: &NumberRule,
        this_year: i16,
        warnings: &mut Vec<RosterWarning>,
    ) -> Option<RosterRow> {
        if let Some((at, surplus)) = self.row.iter().enumerate().skip(self.names.len()).find(|(_, v)| !v.is_empty()) {
            self.mistake_at(&(at + 1).to_string(), surplus, RowProblem::Surplus);
        }
        let officer =
            self.required("officer", |v| if names_somebody(v) { Ok(v.to_owned()) } else { Err(RowProblem::Nobody) });
        let recorder = self.required("recorder", |v| {
            RecorderId::new(v).map(|id| id.as_str().to_owned()).map_err(RowProblem::Recorder)
        });
        let time = |v: &str| times::read(v, zone, Reading::Strict).map(|t| t.at.0).map_err(RowProblem::Time);
        let from_ms = self.required("from", time);
        let to_ms = self.required("to", time);
        if let (Some(from), Some(to)) = (from_ms, to_ms)
            && to <= from
        {
            self.mistake("to", RowProblem::EndsBeforeItBegins);
        }
        let case = match self.optional("case") {
            None => None,
            Some(raw) => match rule.parse(&raw, this_year) {
                Ok(number) => {
                    let line = self.line;
                    warnings.extend(number.warnings().iter().map(|&warning| RosterWarning::Number { line, warning }));
                    Some(RosterCase { key: number.key().to_owned(), raw })
                }
                Err(error) => {
                    self.mistake("case", RowProblem::Case(error));
                    None
                }
            },
        };
        let row = RosterRow {
            line: self.line,
            officer: officer.unwrap_or_default(),
            recorder: recorder.unwrap_or_default(),
            from_ms: from_ms.unwrap_or_default(),
            to_ms: to_ms.unwrap_or_default(),
            begun_ms: None,
            case,
            place: self.optional("place"),
            matter: self.optional("matter"),
            proves: self.optional("proves"),
            stage: self.optional("stage"),
            officer_cert_no: self.optional("officer_cert_no"),
            co_officers: self.optional("co_officers"),
            enforcement_kind: self.optional("enforcement_kind"),
            party: self.optional("party"),
        };
        self.errors.is_empty().then_some(row)
    }

    fn required<T>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, RowProblem>) -> Option<T> {
        if self.value(column).is_empty() {
            self.mistake(column, RowProblem::Missing);
            return None;
        }
        let value = self.optional(column)?;
        read(&value).map_err(|problem| self.mistake(column, problem)).ok()
    }

    fn optional(&mut self, column: &str) -> Option<String> {
        let value = self.value(column).to_owned();
        if value.chars().count() > MAX_VALUE_CHARS || value.contains(char::is_control) {
            self.mistake(column, RowProblem::Unprintable);
            return None;
        }
        if value.is_empty() { None } else { Some(value) }
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    fn value(&self, column: &str) -> &str {
        self.place(column).and_then(|at| self.row.get(at)).map_or("", String::as_str)
    }

    fn mistake(&mut self, column: &str, problem: RowProblem) {
        let named = self.place(column).and_then(|at| self.names.get(at)).map_or(column, String::as_str).to_owned();
        let value = self.value(column).to_owned();
        self.mistake_at(&named, &value, problem);
    }

    fn mistake_at(&mut self, column: &str, value: &str, problem: RowProblem) {
        let value = value.chars().take(80).collect();
        self.errors.push(RowError { line: self.line, column: column.to_owned(), value, problem });
    }
}

#[cfg(test)]
mod tests;
