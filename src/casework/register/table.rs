//! The file of a register or a roster as a table of text, whatever it was saved as: CSV with commas or tabs in the encodings
//! of spreadsheet programs, an XLSX workbook, or JSON (a list of objects).

use std::fmt;

use encoding_rs::{Encoding, GB18030};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

use super::xlsx::{self, XlsxError};
use crate::domain::why::{Why, in_words_of_why};

/// Largest file, bytes: 100,000 cases with twenty values each.
pub const MAX_BYTES: usize = 20 << 20;
/// Rows at most.
pub const MAX_ROWS: usize = 200_000;
/// Columns at most.
const MAX_COLUMNS: usize = 256;
/// What a table may take in memory, bytes. A small file can claim millions of empty cells, or one text in each of them.
pub(super) const MAX_HELD: usize = 128 << 20;

/// A table: the names of its columns, and its rows with the line of each in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// As they stand in the file.
    pub names: Vec<String>,
    /// Line, and a value for each column; shorter where the rest is empty.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Why a file gives no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableError {
    /// Too long.
    TooLarge,
    /// Not text.
    NotText,
    /// A workbook that cannot be read.
    Workbook(XlsxError),
    /// JSON of another form.
    Json(String),
    /// Not CSV.
    Csv {
        /// Where.
        line: u64,
        /// Why.
        why: String,
    },
    /// Too wide, or blown up in memory.
    TooWide,
    /// No rows.
    Empty,
}

in_words_of_why!(TableError);

impl From<XlsxError> for TableError {
    fn from(error: XlsxError) -> Self {
        Self::Workbook(error)
    }
}

impl From<&TableError> for Why {
    fn from(error: &TableError) -> Self {
        match error {
            TableError::TooLarge => Self::TableTooLarge { mb: (MAX_BYTES >> 20) as u64, rows: MAX_ROWS as u64 },
            TableError::NotText => Self::TableNotText {},
            TableError::Workbook(error) => error.into(),
            TableError::Json(detail) => Self::TableJson { detail: detail.clone() },
            TableError::Csv { line, why } => Self::TableCsv { line: *line, detail: why.clone() },
            TableError::TooWide => Self::TableTooWide { columns: MAX_COLUMNS as u64 },
            TableError::Empty => Self::TableEmpty {},
        }
    }
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<Table, TableError> {
    if bytes.len() > MAX_BYTES {
        return Err(TableError::TooLarge);
    }
    let table = if xlsx::is_workbook(bytes) {
        of_rows(xlsx::rows(bytes)?)
    } else {
        let text = decode(bytes)?;
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('[') { json(text)? } else { csv(text)? }
    };
    match table.rows.len() {
        0 => Err(TableError::Empty),
        n if n > MAX_ROWS => Err(TableError::TooLarge),
        _ => Ok(table),
    }
}

/// The text of a file: UTF-8 with or without a mark, UTF-16 with one, else GB18030, in which spreadsheet programs save CSV
/// in China.
fn decode(bytes: &[u8]) -> Result<String, TableError> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None if std::str::from_utf8(bytes).is_ok() => (encoding_rs::UTF_8, 0),
        None => (GB18030, 0),
    };
    let text =
        encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]).ok_or(TableError::NotText)?;
    // Files of programs are full of them; no CSV has one.
    if text.contains('\0') { Err(TableError::NotText) } else { Ok(text.into_owned()) }
}

/// The first row that is not empty names the columns.
fn of_rows(rows: Vec<(u64, Vec<String>)>) -> Table {
    let trimmed = |row: Vec<String>| row.into_iter().map(|v| v.trim().to_owned()).collect::<Vec<_>>();
    let mut rows =
        rows.into_iter().map(|(line, row)| (line, trimmed(row))).filter(|(_, r)| r.iter().any(|v| !v.is_empty()));
    let names = rows.next().map(|(_, names)| names).unwrap_or_default();
    Table { names, rows: rows.collect() }
}

fn csv(text: &str) -> Result<Table, TableError> {
    let first_line = text.lines().next().unwrap_or_default();
    let tabs = first_line.contains('\t') && !first_line.contains(',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let (mut rows, mut lines, mut held) = (Vec::new(), Lines::of(text), Held::default());
    for record in reader.records() {
        let record = record
            .map_err(|e| TableError::Csv { line: e.position().map_or(0, csv::Position::line), why: e.to_string() })?;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let filled = (0..record.len()).rfind(|at| !record[*at].trim().is_empty()).map_or(0, |last| last + 1);
        let row: Vec<String> = record.iter().take(filled.min(MAX_COLUMNS + 1)).map(str::to_owned).collect();
        held.take(&row)?;
        rows.push((line, row));
        if rows.len() > MAX_ROWS + 1 {
            return Err(TableError::TooLarge);
        }
    }
    Ok(of_rows(rows))
}

/// Lines as an editor counts them. The CSV reader's own count stands before the blank lines, or the second
/// half of a line end, that it skips.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the record that is found at or after a byte; bytes must not go back.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(c) = self.text.get(self.at).filter(|c| self.at < byte || matches!(c, b'\r' | b'\n')) {
            self.at += 1;
            self.line += u64::from(*c == b'\n' || (*c == b'\r' && self.text.get(self.at) != Some(&b'\n')));
        }
        self.line
    }
}

/// What the rows so far take in memory.
#[derive(Default)]
pub(super) struct Held(usize);

impl Held {
    /// One more row.
    fn take(&mut self, row: &[String]) -> Result<(), TableError> {
        if row.len() > MAX_COLUMNS {
            return Err(TableError::TooWide);
        }
        self.add(row.iter().map(String::len).sum::<usize>() + size_of_val(row)).then_some(()).ok_or(TableError::TooWide)
    }

    /// So many more bytes; `false` where that is too much.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.0 = self.0.saturating_add(bytes);
        self.0 <= MAX_HELD
    }
}

/// A list of objects; the line of an entry is its place in the list, from 1. Columns in the order in which they come.
fn json(text: &str) -> Result<Table, TableError> {
    let mut rows = JsonRows::default();
    let read = serde_json::Deserializer::from_str(text).deserialize_seq(&mut rows);
    match (rows.refused, read) {
        (Some(why), _) => Err(why),
        (None, Err(e)) => Err(TableError::Json(e.to_string())),
        (None, Ok(())) => Ok(rows.table),
    }
}

/// Takes in one object after the other, so that what is too much is seen before it is held.
#[derive(Default)]
struct JsonRows {
    table: Table,
    held: Held,
    refused: Option<TableError>,
}

impl<'de> Visitor<'de> for &mut JsonRows {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(object) = list.next_element()? {
            if let Err(why) = self.take(object) {
                self.refused = Some(why);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

impl JsonRows {
    fn take(&mut self, object: serde_json::Map<String, Value>) -> Result<(), TableError> {
        let refused = |why: &str| TableError::Json(why.to_owned());
        let mut row = Vec::new();
        for (name, value) in object {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Number(n) => n.to_string(),
                Value::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
                Value::Array(parts) => {
                    let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
                    parts.ok_or_else(|| refused("a list in it holds something else than texts"))?.join(";")
                }
                Value::Object(_) => return Err(refused("an object stands inside another one")),
            };
            let names = &mut self.table.names;
            let at = names.iter().position(|known| *known == name).unwrap_or(names.len());
            if at >= MAX_COLUMNS {
                return Err(TableError::TooWide);
            }
            if at == names.len() {
                names.push(name);
            }
            row.resize(row.len().max(at + 1), String::new());
            row[at] = value.trim().to_owned();
        }
        if self.table.rows.len() >= MAX_ROWS {
            return Err(TableError::TooLarge);
        }
        self.held.take(&row)?;
        self.table.rows.push((self.table.rows.len() as u64 + 1, row));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        read(bytes).unwrap().rows
    }

    fn row(line: u64, values: &[&str]) -> (u64, Vec<String>) {
        (line, values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn one_table_in_every_form() {
        let csv = "姓名,警号\n张三, 110203 \n\n\"李,四\",\n";
        let wanted = [row(2, &["张三", "110203"]), row(4, &["李,四"])];
        assert_eq!(rows(csv.as_bytes()), wanted);
        assert_eq!(rows(format!("\u{feff}{csv}").as_bytes()), wanted);
        assert_eq!(rows(&encoding_rs::GB18030.encode(csv).0), wanted);
        assert_eq!(rows("姓名\t警号\n张三\t110203\n".as_bytes()), [row(2, &["张三", "110203"])]);
        let json = r#"[{"姓名": "张三", "警号": 110203}, {"备注": null, "姓名": "李四", "单位": ["一科", "二科"]}]"#;
        let table = read(json.as_bytes()).unwrap();
        assert_eq!(table.names, ["姓名", "警号", "单位"]);
        assert_eq!(table.rows, [row(1, &["张三", "110203"]), row(2, &["李四", "", "一科;二科"])]);
    }

    #[test]
    fn what_gives_no_table_says_why() {
        for (bytes, says) in [
            (&b""[..], "no rows"),
            (b"a,b\n", "no rows"),
            (b"[]", "no rows"),
            (b"[1]", "not a list of objects"),
            (br#"[{"a": {"b": 1}}]"#, "inside another one"),
            (b"\xff\xff\xff\xff", "neither a workbook"),
            (b"PK\x03\x04", "cannot be read"),
            (&[0xd0, 0xcf, 0x11, 0xe0], "older .xls"),
        ] {
            let why = read(bytes).unwrap_err().to_string();
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(read(&vec![b'a'; MAX_BYTES + 1]), Err(TableError::TooLarge));
    }

    /// A workbook as openpyxl and XlsxWriter save it; both are other people's code.
    #[test]
    fn workbooks_of_other_programs_are_read() {
        for book in [
            &include_bytes!("fixtures/officers-openpyxl-3.1.5.xlsx")[..],
            &include_bytes!("fixtures/officers-xlsxwriter-3.3.1.xlsx")[..],
        ] {
            let table = read(book).unwrap();
            assert_eq!(table.names, ["姓名", "警号", "单位", "入职时间"]);
            assert_eq!(
                table.rows,
                [
                    row(2, &["张三", "110203", "执法一科", "2026-06-19"]),
                    row(4, &["李四 & 王五", "000012", "", "2026-06-19 09:30:00"]),
                ]
            );
        }
    }

    /// Small files whose tables would fill the memory: each is refused, and none takes long.
    #[test]
    fn a_small_file_cannot_ask_for_much_memory() {
        let far = |n: usize| format!("{{\"k{n}\":1}}");
        let names: Vec<String> = (0..300).map(far).collect();
        assert_eq!(read(format!("[{}]", names.join(",")).as_bytes()), Err(TableError::TooWide), "a name for each row");
        // 256 names, and then only the last of them.
        let first: Vec<String> = (0..MAX_COLUMNS).map(|n| format!("\"k{n}\":1")).collect();
        let rest = vec!["{\"k255\":1}"; 150_000].join(",");
        assert_eq!(read(format!("[{{{}}},{rest}]", first.join(",")).as_bytes()), Err(TableError::TooWide));
        let empty = vec!["{}"; MAX_ROWS + 2].join(",");
        assert_eq!(read(format!("[{empty}]").as_bytes()), Err(TableError::TooLarge));
        let wide = format!("a{}b\n1\n", ",".repeat(300));
        assert_eq!(read(wide.as_bytes()), Err(TableError::TooWide));
        let far = format!("{}x\n", ",".repeat(255)).repeat(60_000);
        assert_eq!(read(far.as_bytes()), Err(TableError::TooWide));
        // Empty columns at the end are what spreadsheet programs leave behind.
        let tail = format!("姓名{0}\n张三{0}\n", ",".repeat(500));
        assert_eq!(read(tail.as_bytes()).unwrap().rows, [row(2, &["张三"])]);
    }
}
