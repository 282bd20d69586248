//! Rosters: who takes which recorder out, from when to when, and for what; read from a table (CSV).
//!
//! Columns `officer`, `recorder`, `from`, `to`, and, where known, `case`, `place`, `matter`, `proves`, `stage`,
//! `officer_cert_no`, `co_officers`, `enforcement_kind`, `party`; their Chinese names ([`COLUMNS`]) serve as well.
//! Commas or tabs part the values, the first line names the columns. A row holds in `[from, to)`.
//!
//! Every mistake is reported with its line and column, all of them at once. Unless it is asked for, a roster
//! with a mistake gives no row at all ([`Roster::accept`]): half a roster would link half a shift.
//!
//! Overlapping rows of one recorder are warnings, not mistakes: two inspections in one shift are daily work.
//! Where they disagree, [`super::annotate()`] takes neither side and a person decides. A repeated row counts once.

use std::collections::HashMap;

use encoding_rs::{Encoding, GB18030};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::times::{self, Reading, TimeError};
use crate::domain::case_number::{NumberError, NumberRule, NumberWarning, half_width};
use crate::domain::ids::{IdError, RecorderId};
use crate::domain::record::Field;
pub use crate::domain::recorder::recorder_key;
use crate::domain::why::{Why, in_words_of_why};

mod supersede;

pub use supersede::{Superseded, span, supersede};

/// Largest roster, in bytes of its file: 500 recorders in three shifts for three months come to 10 MB.
pub const MAX_BYTES: usize = 16 << 20;
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
    /// Too long.
    TooLarge,
    /// Not text.
    NotText,
    /// No rows.
    Empty,
    /// The columns cannot be told.
    Header {
        /// Each.
        problems: Vec<Why>,
    },
    /// Not a table.
    Csv {
        /// The line.
        line: u64,
        /// Why.
        why: String,
    },
    /// Rows with mistakes.
    Rows {
        /// Every one.
        errors: Vec<RowError>,
    },
}

in_words_of_why!(RosterError, RowError, RowProblem);

impl From<&RosterError> for Why {
    fn from(error: &RosterError) -> Self {
        match error {
            RosterError::TooLarge => Self::RosterTooLarge { mb: (MAX_BYTES >> 20) as u64 },
            RosterError::NotText => Self::RosterNotText {},
            RosterError::Empty => Self::RosterEmpty {},
            RosterError::Header { problems } => Self::Several { each: problems.clone() },
            RosterError::Csv { line, why } => Self::TableCsv { line: *line, detail: why.clone() },
            RosterError::Rows { errors } => {
                Self::Mistakes { n: errors.len() as u64, each: errors.iter().map(Self::from).collect() }
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

impl std::fmt::Display for RosterWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repeated { first, line } => write!(f, "line {line} repeats line {first}; it counts once"),
            Self::Overlap { recorder, first, line, differ } if differ.is_empty() => {
                write!(f, "lines {first} and {line} overlap for recorder {recorder} and say the same")
            }
            Self::Overlap { recorder, first, line, differ } => write!(
                f,
                "lines {first} and {line} overlap for recorder {recorder} and differ in {}; for clips of both times a person must decide",
                differ.join(", ")
            ),
            Self::Number { line, warning } => write!(f, "line {line}, column case: {warning}"),
        }
    }
}

/// Columns: the name that we use, and other names that are read as it. The first four are required.
pub const COLUMNS: [(&str, &[&str]); 13] = [
    ("officer", &["采集人", "执法人员", "领用人"]),
    ("recorder", &["记录仪", "记录仪编号", "执法记录仪", "设备编号"]),
    ("from", &["领用时间", "起", "开始时间"]),
    ("to", &["归还时间", "止", "结束时间"]),
    ("case", &["案件编号", "案号", "case_no"]),
    ("place", &["地点", "采集地点"]),
    ("matter", &["记录事项", "事项"]),
    ("proves", &["证明对象"]),
    ("stage", &["环节", "执法环节"]),
    ("officer_cert_no", &["执法证号"]),
    ("co_officers", &["协办人员", "协办"]),
    ("enforcement_kind", &["执法类别"]),
    ("party", &["当事人"]),
];
const REQUIRED: usize = 4;
/// Columns of working sheets that say nothing about a clip.
const IGNORED: [&str; 5] = ["序号", "备注", "no", "note", "remark"];

/// False for what stands where an officer should and names nobody: nothing, or only zeros (`000000` is what
/// recorders are delivered with).
pub fn names_somebody(officer: &str) -> bool {
    half_width(officer).chars().any(|c| c.is_alphanumeric() && c != '0')
}

/// The text of a roster's file: UTF-8 with or without a mark, UTF-16 with one, else GB18030, in which
/// spreadsheet programs save CSV in China.
pub fn decode(bytes: &[u8]) -> Result<String, RosterError> {
    if bytes.len() > MAX_BYTES {
        return Err(RosterError::TooLarge);
    }
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None if std::str::from_utf8(bytes).is_ok() => (encoding_rs::UTF_8, 0),
        None => (GB18030, 0),
    };
    let text =
        encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]).ok_or(RosterError::NotText)?;
    // A workbook is full of them; no CSV has one.
    if text.contains('\0') { Err(RosterError::NotText) } else { Ok(text.into_owned()) }
}

/// Reads a roster. Times without an offset are of `zone`; `this_year` bounds case numbers.
pub fn parse(text: &str, zone: &TimeZone, rule: &NumberRule, this_year: i16) -> Result<Roster, RosterError> {
    if text.len() > MAX_BYTES {
        return Err(RosterError::TooLarge);
    }
    let text = text.trim_start_matches('\u{feff}');
    let first_line = text.lines().next().unwrap_or_default();
    let tabs = first_line.contains('\t') && !first_line.contains(',');
    let mut csv = csv::ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = csv.headers().map_err(csv_error)?.clone();
    let columns = columns(&names)?;

    let mut roster = Roster::default();
    let mut seen: HashMap<RosterRow, u64> = HashMap::new();
    let mut any = false;
    let mut lines = Lines::of(text);
    for record in csv.records() {
        let record = record.map_err(csv_error)?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        any = true;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let mut values = Values { names: &names, record: &record, columns: &columns, line, errors: Vec::new() };
        match values.row(zone, rule, this_year, &mut roster.warnings) {
            Some(row) => match seen.insert(RosterRow { line: 0, ..row.clone() }, line) {
                Some(first) => roster.warnings.push(RosterWarning::Repeated { first, line }),
                None => roster.rows.push(row),
            },
            None => roster.errors.append(&mut values.errors),
        }
    }
    if !any {
        return Err(RosterError::Empty);
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

fn csv_error(error: csv::Error) -> RosterError {
    RosterError::Csv { line: error.position().map_or(0, csv::Position::line), why: error.to_string() }
}

/// Where each of [`COLUMNS`] stands.
fn columns(names: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()], RosterError> {
    if names.iter().all(str::is_empty) {
        return Err(RosterError::Empty);
    }
    let mut found = [None; COLUMNS.len()];
    let mut problems = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let plain: String = half_width(name).to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        if plain.is_empty() || IGNORED.contains(&plain.as_str()) {
            continue;
        }
        match COLUMNS.iter().position(|(known, others)| *known == plain || others.contains(&plain.as_str())) {
            None => problems.push(unknown(name, &plain)),
            Some(column) => {
                if found[column].replace(at).is_some() {
                    problems.push(Why::ColumnTwice { name: name.to_owned(), column: COLUMNS[column].0.to_owned() });
                }
            }
        }
    }
    for ((name, others), place) in COLUMNS.iter().zip(&found).take(REQUIRED) {
        if place.is_none() {
            let others = others.iter().map(|other| (*other).to_owned()).collect();
            problems.push(Why::ColumnMissing { column: (*name).to_owned(), others });
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(RosterError::Header { problems }) }
}

fn unknown(name: &str, plain: &str) -> Why {
    let short: String = plain.chars().take(40).collect();
    let known = COLUMNS.iter().flat_map(|(name, others)| std::iter::once(name).chain(others.iter()));
    let best = known.map(|known| (strsim::normalized_damerau_levenshtein(&short, known), known));
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness >= 0.7 => {
            Why::ColumnNearly { name: name.to_owned(), nearest: (*known).to_owned() }
        }
        _ => Why::ColumnStrange { name: name.to_owned() },
    }
}

/// Lines as an editor counts them. The CSV reader's own count stands before the blank lines, or the second
/// half of a line end, that it skips.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the record that is found at or after a byte; bytes must not go back.
    pub(super) fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(c) = self.text.get(self.at).filter(|c| self.at < byte || matches!(c, b'\r' | b'\n')) {
            self.at += 1;
            self.line += u64::from(*c == b'\n' || (*c == b'\r' && self.text.get(self.at) != Some(&b'\n')));
        }
        self.line
    }
}

/// One line while it is read.
struct Values<'a> {
    names: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    columns: &'a [Option<usize>; COLUMNS.len()],
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
        if let Some((at, surplus)) = self.record.iter().enumerate().skip(self.names.len()).find(|(_, v)| !v.is_empty())
        {
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
        COLUMNS.iter().position(|(name, _)| *name == column).and_then(|at| self.columns[at])
    }

    fn value(&self, column: &str) -> &str {
        self.place(column).and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn mistake(&mut self, column: &str, problem: RowProblem) {
        let named = self.place(column).and_then(|at| self.names.get(at)).unwrap_or(column).to_owned();
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
