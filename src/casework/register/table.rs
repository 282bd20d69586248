//! A register's file as a table of text, whatever it was saved as: CSV with commas or tabs in the encodings of spreadsheet
//! programs, an XLSX workbook, or JSON (a list of objects).

use serde_json::Value;

use super::xlsx::{self, XlsxError};
use crate::casework::roster::{self, Lines, RosterError};

/// Largest file, bytes: 100,000 cases with twenty values each.
pub const MAX_BYTES: usize = 20 << 20;
/// Rows at most.
pub const MAX_ROWS: usize = 200_000;

/// A table: the names of its columns, and its rows with the line of each in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// As they stand in the file.
    pub names: Vec<String>,
    /// Line, and a value for each column; shorter where the rest is empty.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Why a file gives no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Too long.
    #[error("the file is larger than {} MB or has more than {MAX_ROWS} rows; import it in parts", MAX_BYTES >> 20)]
    TooLarge,
    /// Not text.
    #[error("the file is neither a workbook (.xlsx), nor JSON, nor CSV text in UTF-8, UTF-16 or GB18030")]
    NotText,
    /// A workbook that cannot be read.
    #[error(transparent)]
    Workbook(#[from] XlsxError),
    /// JSON of another form.
    #[error("the JSON is not a list of objects with texts or numbers in them ({0})")]
    Json(String),
    /// Not CSV.
    #[error("line {line} cannot be read as CSV: {why}")]
    Csv {
        /// Where.
        line: u64,
        /// Why.
        why: String,
    },
    /// No rows.
    #[error("there are no rows; the first line names the columns, each line below it is one entry")]
    Empty,
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<Table, TableError> {
    if bytes.len() > MAX_BYTES {
        return Err(TableError::TooLarge);
    }
    let table = if xlsx::is_workbook(bytes) {
        of_rows(xlsx::rows(bytes)?)
    } else {
        let text = roster::decode(bytes).map_err(|e| match e {
            RosterError::TooLarge => TableError::TooLarge,
            _ => TableError::NotText,
        })?;
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('[') { json(text)? } else { csv(text)? }
    };
    match table.rows.len() {
        0 => Err(TableError::Empty),
        n if n > MAX_ROWS => Err(TableError::TooLarge),
        _ => Ok(table),
    }
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
    let (mut rows, mut lines) = (Vec::new(), Lines::of(text));
    for record in reader.records() {
        let record = record
            .map_err(|e| TableError::Csv { line: e.position().map_or(0, csv::Position::line), why: e.to_string() })?;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        rows.push((line, record.iter().map(str::to_owned).collect()));
        if rows.len() > MAX_ROWS + 1 {
            return Err(TableError::TooLarge);
        }
    }
    Ok(of_rows(rows))
}

/// A list of objects; the line of an entry is its place in the list, from 1. Columns in the order in which they come.
fn json(text: &str) -> Result<Table, TableError> {
    let refused = |why: &str| TableError::Json(why.to_owned());
    let list: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(text).map_err(|e| TableError::Json(e.to_string()))?;
    let mut table = Table::default();
    for (n, object) in list.into_iter().enumerate() {
        let mut row = vec![String::new(); table.names.len()];
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
            let at = table.names.iter().position(|known| *known == name).unwrap_or_else(|| {
                table.names.push(name);
                row.push(String::new());
                row.len() - 1
            });
            row[at] = value.trim().to_owned();
        }
        table.rows.push((n as u64 + 1, row));
    }
    Ok(table)
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
        let wanted = [row(2, &["张三", "110203"]), row(4, &["李,四", ""])];
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
}
