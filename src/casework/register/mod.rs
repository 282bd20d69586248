//! Registers as people keep them, in tables: which columns there are, and from typed text to canonical entries
//! ([`Entry`]). Pure: what is read is stored by the desk, in one transaction.
//!
//! Every mistake is reported with its line and column, all of them at once, and a register with a mistake gives nothing:
//! half a register would be taken for the whole. The Chinese name of a column is what its template prints; its English
//! name and other names that people use are read as well. Columns of working sheets (序号, 备注) are passed over.

pub mod table;
pub mod xlsx;

use std::collections::{BTreeMap, HashMap};

use jiff::tz::TimeZone;

use super::roster::names_somebody;
use super::times::{self, Reading, TimeError};
use crate::domain::case_number::{CaseKind, CaseNumber, NumberError, NumberRule, half_width};
use crate::domain::coverage::Tier;
use crate::domain::register::{Entry, JOINT, Register};
use crate::domain::why::{Why, in_words_of_why};
use table::TableError;

/// Longest value, characters.
pub const MAX_VALUE_CHARS: usize = 1_000;
/// Columns that say nothing that we keep.
const IGNORED: [&str; 6] = ["序号", "备注", "no", "note", "remark", "说明"];

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line of text.
    Text,
    /// Somebody: not zeros alone.
    Person,
    /// Several texts.
    List,
    /// A number of the case itself.
    Number,
    /// Several numbers: of the case, or references from before it (inspection task, on-the-spot document).
    Numbers,
    /// A day, or day and time.
    Time,
    /// Matters with the times at which they were carried out.
    Matters,
    /// Degrees, up to this many either way.
    Degrees(u8),
    /// Datum of degrees.
    Datum,
    /// Yes or no.
    YesNo,
    /// How much is to be recorded.
    Tier,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The stored name.
    pub name: &'static str,
    /// Its Chinese name, and others that are read as it.
    pub names: &'static [&'static str],
    /// What stands in it.
    pub form: Form,
    /// It must not be empty.
    pub required: bool,
    /// How it may look, for the template.
    pub example: &'static str,
}

pub(in crate::casework) const fn column(
    name: &'static str,
    names: &'static [&'static str],
    form: Form,
    example: &'static str,
) -> Column {
    Column { name, names, form, required: false, example }
}

pub(in crate::casework) const fn required(
    name: &'static str,
    names: &'static [&'static str],
    form: Form,
    example: &'static str,
) -> Column {
    Column { name, names, form, required: true, example }
}

const UNIT: &[Column] = &[
    required("name", &["单位", "单位名称", "部门", "名称"], Form::Text, "执法一科"),
    column("code", &["单位编号", "编号", "单位编码"], Form::Text, "130133001"),
    column("parent", &["上级单位", "上级"], Form::Text, "赵县卫健局"),
    column("division_code", &["行政区划"], Form::Text, "130133"),
];
const OFFICER: &[Column] = &[
    required("name", &["姓名", "采集人", "执法人员"], Form::Person, "张三"),
    column("number", &["警号", "工号", "编号"], Form::Text, "110203"),
    column("cert_no", &["执法证号", "执法证件号", "证号"], Form::Text, "03013300123"),
    column("unit", &["单位", "部门"], Form::Text, "执法一科"),
    column("auxiliary", &["辅助人员", "辅助"], Form::YesNo, "否"),
    column("until", &["离岗时间", "离职时间"], Form::Time, ""),
    column("card", &["卡号", "工卡号", "证件卡号"], Form::Text, "0012345678"),
];
const RECORDER: &[Column] = &[
    required("serial", &["记录仪编号", "记录仪", "编号", "序列号", "设备编号"], Form::Text, "36NCC009910"),
    column("model", &["型号"], Form::Text, "DSJ-A1"),
    column("unit", &["单位", "部门"], Form::Text, "执法一科"),
    column("bought", &["购置时间", "购置日期"], Form::Time, "2026-01-05"),
    column("officer", &["保管人", "配发人"], Form::Person, "张三"),
    column("code", &["条码", "资产编号", "二维码"], Form::Text, "ZC-000123"),
];
const PARTY: &[Column] = &[
    required("name", &["当事人", "名称", "姓名", "单位名称"], Form::Text, "赵县某饭店"),
    column("id_no", &["统一社会信用代码", "身份证号", "证件号"], Form::Text, "92130133MA0ABCDE1X"),
    column("address", &["地址", "住所", "经营地址"], Form::Text, "赵县东关街18号"),
    column("lat", &["纬度"], Form::Degrees(90), "37.7560"),
    column("lon", &["经度"], Form::Degrees(180), "114.7760"),
    column("datum", &["坐标系"], Form::Datum, "GCJ-02"),
];
const CASE: &[Column] = &[
    required("number", &["案件编号", "案号", "case_no"], Form::Number, "赵卫罚〔2026〕12号"),
    column("numbers", &["其他编号", "其他文号", "aliases"], Form::Numbers, ""),
    column("filing_no", &["立案号", "立案文号"], Form::Number, "赵卫立〔2026〕12号"),
    column("notice_no", &["告知书文号", "告知文号"], Form::Number, "赵卫罚告〔2026〕12号"),
    column("decision_no", &["决定书文号", "决定文号"], Form::Number, "赵卫罚决〔2026〕12号"),
    column("coercion_no", &["强制文号", "强制措施文号"], Form::Number, ""),
    column("earlier", &["检查任务号", "检查任务", "来源编号"], Form::Numbers, ""),
    column("party", &["当事人"], Form::Text, "赵县某饭店"),
    column("cause", &["案由"], Form::Text, "未公示卫生许可证"),
    column("kind", &["执法类别", "类别"], Form::Text, "处罚"),
    column("subject", &["执法事项"], Form::Text, "公共场所卫生"),
    column("unit", &["承办单位", "承办部门", "单位"], Form::Text, "执法一科"),
    column("officers", &["承办人", "执法人员", "办案人员"], Form::List, "张三;李四"),
    column("opened", &["立案时间", "立案日期"], Form::Time, "2026-06-22"),
    column("closed", &["结案时间", "结案日期"], Form::Time, ""),
    column("place", &["案发地点", "地点", "地址"], Form::Text, "赵县东关街18号"),
    column("lat", &["纬度"], Form::Degrees(90), "37.7560"),
    column("lon", &["经度"], Form::Degrees(180), "114.7760"),
    column("datum", &["坐标系"], Form::Datum, "GCJ-02"),
    column("stages", &["已完成环节", "环节"], Form::List, "立案;调查"),
    column("matters", &["已完成事项", "记录事项", "事项"], Form::Matters, "现场检查@2026-06-19 09:00~10:30;送达"),
];
const CATALOGUE: &[Column] = &[
    column("kind", &["执法类别", "类别"], Form::Text, "处罚"),
    column("subject", &["执法事项", "事项名称"], Form::Text, "公共场所卫生"),
    required("stage", &["记录环节", "执法环节", "环节"], Form::Text, "调查取证"),
    column("matter", &["记录事项", "事项"], Form::Text, "现场检查"),
    required("tier", &["记录方式", "记录层级", "方式"], Form::Tier, "全过程"),
    column("begins", &["开始时间", "开始"], Form::Text, "出示执法证件时"),
    column("content", &["记录内容", "内容"], Form::Text, "亮证、告知、检查过程"),
    column("ends", &["结束时间", "结束"], Form::Text, "当事人签字后"),
    column("retention", &["存储期限", "保存期限", "保管期限"], Form::Text, "同案卷"),
    column("always", &["必有", "每案必有"], Form::YesNo, "否"),
];

/// The columns of a register, in the order of its template.
pub fn columns(register: Register) -> &'static [Column] {
    match register {
        Register::Unit => UNIT,
        Register::Officer => OFFICER,
        Register::Recorder => RECORDER,
        Register::Party => PARTY,
        Register::Case => CASE,
        Register::Catalogue => CATALOGUE,
    }
}

/// The template of a register: its header line, marked as UTF-8 so that spreadsheet programs read it as it is.
pub fn template(register: Register) -> String {
    header_line(columns(register))
}

/// A table with nothing but the Chinese names of its columns.
pub(in crate::casework) fn header_line(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|c| c.names[0]).collect();
    format!("\u{feff}{}\r\n", names.join(","))
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Line in the file.
    pub line: u64,
    /// Canonical values.
    pub entry: Entry,
    /// Of a case: its numbers, the first of them the one that names it.
    pub numbers: Vec<CaseNumber>,
    /// Of a case: what it was called before it was opened.
    pub earlier: Vec<CaseNumber>,
}

/// A register that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Entries without a mistake, in the order of the file.
    pub entries: Vec<Read>,
    /// Every mistake.
    pub errors: Vec<EntryError>,
    /// What is worth a look and hinders nothing.
    pub warnings: Vec<String>,
}

/// Why a register gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterError {
    /// No table.
    Table(TableError),
    /// The columns cannot be told.
    Header {
        /// Each.
        problems: Vec<Why>,
    },
    /// Entries with mistakes.
    Entries {
        /// Every one.
        errors: Vec<EntryError>,
    },
}

/// Mistakes that are spelled out; whoever made more has made the same again.
pub(in crate::casework) const TOLD: usize = 100;

in_words_of_why!(RegisterError, EntryError, Problem);

impl From<TableError> for RegisterError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<&RegisterError> for Why {
    fn from(error: &RegisterError) -> Self {
        match error {
            RegisterError::Table(error) => error.into(),
            RegisterError::Header { problems } => Self::Several { each: problems.clone() },
            RegisterError::Entries { errors } => {
                let mut each: Vec<Self> = errors.iter().take(TOLD).map(Self::from).collect();
                if errors.len() > TOLD {
                    each.push(Self::AndMore { n: (errors.len() - TOLD) as u64 });
                }
                Self::Mistakes { n: errors.len() as u64, each }
            }
        }
    }
}

impl From<&EntryError> for Why {
    fn from(error: &EntryError) -> Self {
        Self::Mistake {
            line: error.line,
            column: error.column.clone(),
            value: error.value.clone(),
            because: Box::new((&error.problem).into()),
        }
    }
}

impl From<&Problem> for Why {
    fn from(problem: &Problem) -> Self {
        match problem {
            Problem::Missing => Self::CellMissing {},
            Problem::Unprintable => Self::CellUnprintable { most: MAX_VALUE_CHARS as u64 },
            Problem::Surplus => Self::CellSurplus {},
            Problem::Nobody => Self::CellNobody {},
            Problem::Time(error) => error.into(),
            Problem::EndsBeforeItBegins => Self::CellEndsFirst {},
            Problem::Number(error) => error.of_a_cell(),
            Problem::NotItsOwn => Self::CellNotItsOwn {},
            Problem::Degrees(limit) => Self::CellDegrees { limit: i64::from(*limit) },
            Problem::HalfAPlace => Self::CellHalfAPlace {},
            Problem::Datum => Self::CellDatum {},
            Problem::YesNo => Self::CellYesNo {},
            Problem::Tier => Self::CellTier {},
            Problem::Twice { first } => Self::CellTwice { first: *first },
        }
    }
}

/// A mistake in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryError {
    /// Line in the file.
    pub line: u64,
    /// The column's name as the file has it.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong and what to do.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A required value is missing.
    Missing,
    /// Too long, or with control characters.
    Unprintable,
    /// More values than columns.
    Surplus,
    /// Not a person.
    Nobody,
    /// Not a time.
    Time(TimeError),
    /// The end is not after the begin.
    EndsBeforeItBegins,
    /// Not a case number.
    Number(NumberError),
    /// A reference from before the case where one of its own numbers belongs.
    NotItsOwn,
    /// Not degrees.
    Degrees(u8),
    /// One of two coordinates.
    HalfAPlace,
    /// Not a datum.
    Datum,
    /// Neither yes nor no.
    YesNo,
    /// No tier.
    Tier,
    /// The same entry twice.
    Twice {
        /// The first.
        first: u64,
    },
}

/// Reads a register's file. Times without an offset are of `zone`; `this_year` bounds case numbers.
pub fn read(
    register: Register,
    bytes: &[u8],
    zone: &TimeZone,
    rule: &NumberRule,
    this_year: i16,
) -> Result<Found, RegisterError> {
    read_table(register, &table::read(bytes)?, zone, rule, this_year)
}

/// The same of a table that was read already.
pub fn read_table(
    register: Register,
    table: &table::Table,
    zone: &TimeZone,
    rule: &NumberRule,
    this_year: i16,
) -> Result<Found, RegisterError> {
    let at = header(register, &table.names)?;
    let mut found = Found::default();
    let mut seen: HashMap<String, u64> = HashMap::new();
    for (line, values) in &table.rows {
        let mut row = Row {
            line: *line,
            names: &table.names,
            values,
            zone,
            rule,
            this_year,
            numbers: Vec::new(),
            earlier: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        let entry = row.entry(register, &at);
        let Row { numbers, earlier, mut errors, mut warnings, .. } = row;
        found.warnings.append(&mut warnings);
        if errors.is_empty() {
            let keys: Vec<String> = match register {
                Register::Case => numbers.iter().map(|n| n.key().to_owned()).collect(),
                _ => entry.key(register).into_iter().collect(),
            };
            let first = keys.iter().find_map(|key| seen.get(key).copied());
            for key in keys {
                seen.entry(key).or_insert(*line);
            }
            match first {
                Some(first) => errors.push(EntryError {
                    line: *line,
                    column: columns(register)[0].names[0].to_owned(),
                    value: entry.name(register).to_owned(),
                    problem: Problem::Twice { first },
                }),
                None => found.entries.push(Read { line: *line, entry, numbers, earlier }),
            }
        }
        found.errors.append(&mut errors);
    }
    Ok(found)
}

impl Found {
    /// All entries, or every mistake.
    pub fn accept(self) -> Result<Vec<Read>, RegisterError> {
        match self.errors.is_empty() {
            true => Ok(self.entries),
            false => Err(RegisterError::Entries { errors: self.errors }),
        }
    }
}

/// A column's name as it is compared; `None` of one that says nothing that we keep.
pub(in crate::casework) fn plain(name: &str) -> Option<String> {
    let plain: String = half_width(name).to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    // Templates of agencies mark what is required by a star.
    let plain = plain.trim_matches('*');
    (!plain.is_empty() && !IGNORED.contains(&plain)).then(|| plain.to_owned())
}

/// Where each column of the register stands in the file.
fn header(register: Register, names: &[String]) -> Result<BTreeMap<&'static str, usize>, RegisterError> {
    let columns = columns(register);
    let mut at = BTreeMap::new();
    let mut problems = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let Some(plain) = plain(name) else { continue };
        let plain = plain.as_str();
        match columns.iter().find(|c| c.name == plain || c.names.contains(&plain)) {
            None => {
                let known = columns.iter().map(|c| c.names[0].to_owned()).collect();
                problems.push(Why::ColumnUnknown { name: name.clone(), known });
            }
            Some(column) if at.insert(column.name, n).is_some() => {
                problems.push(Why::ColumnTwice { name: name.clone(), column: column.name.to_owned() });
            }
            Some(_) => {}
        }
    }
    for column in columns.iter().filter(|c| c.required && !at.contains_key(c.name)) {
        problems.push(Why::ColumnMissing { column: column.names[0].to_owned(), others: vec![column.name.to_owned()] });
    }
    if problems.is_empty() { Ok(at) } else { Err(RegisterError::Header { problems }) }
}

struct Row<'a> {
    line: u64,
    names: &'a [String],
    values: &'a [String],
    zone: &'a TimeZone,
    rule: &'a NumberRule,
    this_year: i16,
    numbers: Vec<CaseNumber>,
    earlier: Vec<CaseNumber>,
    errors: Vec<EntryError>,
    warnings: Vec<String>,
}

impl Row<'_> {
    fn entry(&mut self, register: Register, at: &BTreeMap<&'static str, usize>) -> Entry {
        let mut entry = Entry::default();
        if let Some(surplus) = self.values.iter().skip(self.names.len()).find(|v| !v.is_empty()) {
            self.wrong(&self.names.len().to_string(), surplus, Problem::Surplus);
        }
        for column in columns(register) {
            let Some(n) = at.get(column.name) else { continue };
            let value = self.values.get(*n).map(String::as_str).unwrap_or_default();
            let name = &self.names[*n];
            if value.is_empty() {
                if column.required {
                    self.wrong(name, value, Problem::Missing);
                }
                continue;
            }
            if value.chars().count() > MAX_VALUE_CHARS || value.chars().any(|c| c.is_control() && c != '\n') {
                self.wrong(name, value, Problem::Unprintable);
                continue;
            }
            match self.value(column, value) {
                Ok(canonical) => {
                    entry.0.insert(column.name.to_owned(), canonical);
                }
                Err(problem) => self.wrong(name, value, problem),
            }
        }
        let typed = |column: &str| at.get(column).and_then(|n| self.values.get(*n)).is_some_and(|v| !v.is_empty());
        let of_two = at.get("lat").or(at.get("lon")).filter(|_| typed("lat") != typed("lon"));
        if let Some(n) = of_two {
            self.wrong(&self.names[*n], entry.get("lat").unwrap_or_default(), Problem::HalfAPlace);
        }
        if let (Some(opened), Some(closed)) = (entry.time_ms("opened"), entry.time_ms("closed"))
            && closed < opened
        {
            let name = at.get("closed").map(|n| self.names[*n].clone()).unwrap_or_default();
            self.wrong(&name, entry.get("closed").unwrap_or_default(), Problem::EndsBeforeItBegins);
        }
        if register == Register::Catalogue && entry.get("matter").is_none() {
            let stage = entry.get("stage").unwrap_or_default().to_owned();
            entry.0.insert("matter".to_owned(), stage);
        }
        entry
    }

    fn wrong(&mut self, column: &str, value: &str, problem: Problem) {
        let value = value.chars().take(200).collect();
        self.errors.push(EntryError { line: self.line, column: column.to_owned(), value, problem });
    }

    /// The canonical form of a typed value.
    fn value(&mut self, column: &Column, value: &str) -> Result<String, Problem> {
        match column.form {
            Form::Text if value.contains('\n') => Err(Problem::Unprintable),
            Form::Text => Ok(value.to_owned()),
            Form::Person if names_somebody(value) => Ok(value.to_owned()),
            Form::Person => Err(Problem::Nobody),
            Form::List => Ok(parts(value).collect::<Vec<_>>().join(JOINT)),
            Form::Number => {
                let number = self.number(value)?;
                if number.kind() != CaseKind::Case {
                    return Err(Problem::NotItsOwn);
                }
                let display = number.display().to_owned();
                self.known(number);
                Ok(display)
            }
            Form::Numbers => {
                let numbers = parts(value).map(|n| self.number(n)).collect::<Result<Vec<_>, _>>()?;
                let displays: Vec<String> = numbers.iter().map(|n| n.display().to_owned()).collect();
                for number in numbers {
                    match number.kind() {
                        CaseKind::Case if column.name != "earlier" => self.known(number),
                        _ => self.earlier.push(number),
                    }
                }
                Ok(displays.join(JOINT))
            }
            Form::Time => self.time(value).map(|(text, _)| text),
            Form::Matters => Ok(parts(value).map(|m| self.matter(m)).collect::<Result<Vec<_>, _>>()?.join(JOINT)),
            Form::Degrees(limit) => match half_width(value).trim().parse::<f64>() {
                Ok(d) if d.abs() <= f64::from(limit) => Ok(d.to_string()),
                _ => Err(Problem::Degrees(limit)),
            },
            Form::Datum => match half_width(value).to_uppercase().replace([' ', '-'], "").as_str() {
                "WGS84" => Ok("WGS84".to_owned()),
                "GCJ02" => Ok("GCJ-02".to_owned()),
                _ => Err(Problem::Datum),
            },
            Form::YesNo => match half_width(value).to_lowercase().as_str() {
                "是" | "yes" | "y" | "1" | "true" => Ok("yes".to_owned()),
                "否" | "no" | "n" | "0" | "false" => Ok("no".to_owned()),
                _ => Err(Problem::YesNo),
            },
            Form::Tier => Tier::parse(value).map(|t| t.as_str().to_owned()).ok_or(Problem::Tier),
        }
    }

    fn number(&mut self, typed: &str) -> Result<CaseNumber, Problem> {
        let number = self.rule.parse(typed, self.this_year).map_err(Problem::Number)?;
        self.warnings.extend(number.warnings().iter().map(|w| format!("line {}, {typed:?}: {w}", self.line)));
        Ok(number)
    }

    /// A number of the case; the same one in two columns is one.
    fn known(&mut self, number: CaseNumber) {
        if !self.numbers.iter().any(|n| n.key() == number.key()) {
            self.numbers.push(number);
        }
    }

    /// A day, or day and time; a day is its begin.
    fn time(&self, typed: &str) -> Result<(String, i64), Problem> {
        let plain = half_width(typed);
        let plain = plain.trim();
        let text = if plain.contains(':') { plain.to_owned() } else { format!("{plain} 00:00") };
        let time = times::read(&text, self.zone, Reading::Strict).map_err(Problem::Time)?;
        Ok((time.rfc3339(), time.at.0))
    }

    /// `现场检查`, `现场检查@2026-06-19`, `现场检查@2026-06-19 09:00` or `现场检查@2026-06-19 09:00~10:30`. A day alone is all of
    /// it, from midnight to midnight ([`Done::days`](crate::domain::register::Done)), and so are several.
    fn matter(&self, typed: &str) -> Result<String, Problem> {
        let Some((matter, times)) = typed.split_once(['@', '＠']) else { return Ok(typed.to_owned()) };
        let (from, to) = match times.split_once(['~', '～']) {
            Some((from, to)) => (from.trim(), Some(to.trim())),
            None => (times.trim(), None),
        };
        let (begin, begin_ms) = self.time(from)?;
        let matter = matter.trim();
        let is_day = |typed: &str| !half_width(typed).contains(':');
        let last_day = is_day(from).then(|| to.unwrap_or(from)).filter(|last| is_day(last));
        if let Some(last) = last_day {
            let last = format!("{} 24:00", half_width(last).trim());
            let end = times::read(&last, self.zone, Reading::Lenient).map_err(Problem::Time)?;
            return match end.at.0 > begin_ms {
                true => Ok(format!("{matter}@{begin}~{}", end.rfc3339())),
                false => Err(Problem::EndsBeforeItBegins),
            };
        }
        let Some(to) = to else { return Ok(format!("{matter}@{begin}")) };
        // A time alone is of the day on which it began.
        let day = from.split_whitespace().next().unwrap_or_default();
        let to = if half_width(to).contains(['-', '/', '年', 'T']) { to.to_owned() } else { format!("{day} {to}") };
        let (end, end_ms) = self.time(&to)?;
        if end_ms <= begin_ms {
            return Err(Problem::EndsBeforeItBegins);
        }
        Ok(format!("{matter}@{begin}~{end}"))
    }
}

/// The parts of a list as people write it.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split([';', '；', '、', ',', '，', '\n']).map(str::trim).filter(|p| !p.is_empty())
}

#[cfg(test)]
mod tests;
