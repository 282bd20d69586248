//! The first sheet of an XLSX workbook (ECMA-376) as rows of text: enough of the format to read what spreadsheet
//! programs save, and no more of a file than a register may be long.
//!
//! A workbook is a zip of XML. Every length in it is a claim of the file's: what is unpacked is counted against one budget,
//! rows and columns are bounded, document types are refused. Dates are numbers with a format: they come out as
//! `2026-06-19 09:00:00`, midnight as `2026-06-19` unless the format shows the time of day. Formulas give the value that was
//! saved with them.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::DeflateDecoder;
use jiff::ToSpan;
use jiff::civil::DateTime;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::table::Held;
use crate::domain::why::{Thing, Why, in_words_of_why};

/// All parts of a workbook that are looked at, unpacked, bytes: 100,000 rows of twenty cells come to about 100 MB.
const UNPACKED_BYTES: u64 = 128 << 20;
/// Parts of a workbook; real ones have a few dozen.
const MAX_PARTS: usize = 4096;
/// Rows and columns that are looked at.
const MAX_ROWS: usize = 200_000;
const MAX_COLUMNS: usize = 256;
/// Longest text of a cell, bytes; the format's own limit is 32,767 characters.
const MAX_CELL_BYTES: usize = 128 << 10;
/// End of central directory, and the longest comment behind it.
const END: [u8; 4] = [0x50, 0x4b, 0x05, 0x06];
const END_BYTES: usize = 22;
const MAX_COMMENT: usize = 65_535;
const CENTRAL: [u8; 4] = [0x50, 0x4b, 0x01, 0x02];
const LOCAL: [u8; 4] = [0x50, 0x4b, 0x03, 0x04];

/// Why a workbook is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XlsxError {
    /// Not a zip of XML, or a damaged one.
    Odd(String),
    /// Beyond a limit.
    Long(Thing),
    /// Protected by a password, or of the old binary form.
    Old,
}

in_words_of_why!(XlsxError);

impl From<&XlsxError> for Why {
    fn from(error: &XlsxError) -> Self {
        match error {
            XlsxError::Odd(detail) => Self::WorkbookOdd { detail: detail.clone() },
            XlsxError::Long(thing) => Self::WorkbookLong { thing: *thing },
            XlsxError::Old => Self::WorkbookOld {},
        }
    }
}

/// A row: its number in the sheet, and the text of its cells from the first column on.
pub type Row = (u64, Vec<String>);

fn odd(what: impl std::fmt::Display) -> XlsxError {
    XlsxError::Odd(what.to_string())
}

/// Whether bytes begin like a workbook, of the present or the old form.
pub fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL) || is_compound(bytes)
}

/// OLE compound files: .xls, and .xlsx with a password.
fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// Reads the first sheet.
pub fn rows(bytes: &[u8]) -> Result<Vec<Row>, XlsxError> {
    if is_compound(bytes) {
        return Err(XlsxError::Old);
    }
    let mut parts = Parts::of(bytes)?;
    let (sheet, from_1904) = first_sheet(&mut parts)?;
    let texts = match parts.read("xl/sharedStrings.xml")? {
        Some(xml) => shared_texts(&xml)?,
        None => Vec::new(),
    };
    let styles = match parts.read("xl/styles.xml")? {
        Some(xml) => styles(&xml)?,
        None => Vec::new(),
    };
    let xml = parts.read(&sheet)?.ok_or_else(|| odd(format!("{sheet} is not in it")))?;
    cells(&xml, &texts, &styles, from_1904)
}

/// The files of a zip.
struct Parts<'a> {
    bytes: &'a [u8],
    /// Name to method, packed length, offset of the local header.
    entries: BTreeMap<String, (u16, usize, usize)>,
    left: u64,
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, XlsxError> {
        let from = bytes.len().saturating_sub(END_BYTES + MAX_COMMENT);
        let end = bytes[from..]
            .windows(END.len())
            .rposition(|w| w == END)
            .map(|at| from + at)
            .filter(|at| at + END_BYTES <= bytes.len())
            .ok_or_else(|| odd("its end is missing"))?;
        let count = u16_at(bytes, end + 10)? as usize;
        if count > MAX_PARTS {
            return Err(XlsxError::Long(Thing::Parts));
        }
        let mut at = u32_at(bytes, end + 16)? as usize;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            if bytes.get(at..).is_none_or(|rest| !rest.starts_with(&CENTRAL)) {
                return Err(odd("its directory is damaged"));
            }
            let (method, packed) = (u16_at(bytes, at + 10)?, u32_at(bytes, at + 20)? as usize);
            let [name, extra, comment] = [28, 30, 32].map(|field| u16_at(bytes, at + field).map(usize::from));
            let (name, extra, comment, local) = (name?, extra?, comment?, u32_at(bytes, at + 42)? as usize);
            let text = bytes.get(at + 46..at + 46 + name).ok_or_else(|| odd("its directory is damaged"))?;
            entries.insert(String::from_utf8_lossy(text).into_owned(), (method, packed, local));
            at += 46 + name + extra + comment;
        }
        Ok(Self { bytes, entries, left: UNPACKED_BYTES })
    }

    fn read(&mut self, name: &str) -> Result<Option<String>, XlsxError> {
        let Some(&(method, packed, local)) = self.entries.get(name) else { return Ok(None) };
        if self.bytes.get(local..).is_none_or(|rest| !rest.starts_with(&LOCAL)) {
            return Err(odd(format!("{name} is damaged")));
        }
        let begin = local + 30 + u16_at(self.bytes, local + 26)? as usize + u16_at(self.bytes, local + 28)? as usize;
        let data = self.bytes.get(begin..begin + packed).ok_or_else(|| odd(format!("{name} is cut off")))?;
        let mut out = Vec::new();
        let unpacked = match method {
            0 => data.take(self.left + 1).read_to_end(&mut out),
            8 => DeflateDecoder::new(data).take(self.left + 1).read_to_end(&mut out),
            other => return Err(odd(format!("{name} is packed by method {other}"))),
        };
        let len = unpacked.map_err(|e| odd(format!("{name}: {e}")))? as u64;
        self.left = self.left.checked_sub(len).ok_or(XlsxError::Long(Thing::Text))?;
        String::from_utf8(out).map(Some).map_err(|_| odd(format!("{name} is not UTF-8")))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, XlsxError> {
    let two = bytes.get(at..at + 2).and_then(|b| <[u8; 2]>::try_from(b).ok());
    two.map(u16::from_le_bytes).ok_or_else(|| odd("it is cut off"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, XlsxError> {
    let four = bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
    four.map(u32::from_le_bytes).ok_or_else(|| odd("it is cut off"))
}

/// What the walk over a part sees.
enum Seen<'a> {
    Open(&'a BytesStart<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// Walks over the elements of a part; an empty element opens and closes.
fn walk(xml: &str, mut see: impl FnMut(Seen<'_>) -> Result<(), XlsxError>) -> Result<(), XlsxError> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().map_err(odd)? {
            Event::DocType(_) => return Err(odd("it declares a document type")),
            Event::Start(tag) => see(Seen::Open(&tag))?,
            Event::Empty(tag) => {
                see(Seen::Open(&tag))?;
                see(Seen::Close(tag.local_name().as_ref()))?;
            }
            Event::End(tag) => see(Seen::Close(tag.local_name().as_ref()))?,
            Event::Text(text) => see(Seen::Text(&text))?,
            Event::CData(text) => see(Seen::Text(&text))?,
            Event::GeneralRef(entity) => {
                let entity = format!("&{};", &*entity);
                see(Seen::Text(&unescape(&entity).map_err(odd)?))?;
            }
            Event::Eof => return Ok(()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, XlsxError> {
    for attribute in tag.attributes().take(64) {
        let attribute = attribute.map_err(odd)?;
        if attribute.key.local_name().as_ref() == name {
            return Ok(Some(unescape(&attribute.value).map_err(odd)?.into_owned()));
        }
    }
    Ok(None)
}

/// The part that holds the first sheet, and whether days count from 1904.
fn first_sheet(parts: &mut Parts<'_>) -> Result<(String, bool), XlsxError> {
    let workbook = parts.read("xl/workbook.xml")?.ok_or_else(|| odd("there is no workbook in it"))?;
    let (mut first, mut from_1904) = (None, false);
    walk(&workbook, |seen| {
        let Seen::Open(tag) = seen else { return Ok(()) };
        match tag.local_name().as_ref() {
            // Its other attribute of that name is a number without a prefix, `sheetId`.
            "sheet" if first.is_none() => first = attribute(tag, "id")?,
            "workbookPr" => from_1904 = matches!(attribute(tag, "date1904")?.as_deref(), Some("1" | "true")),
            _ => {}
        }
        Ok(())
    })?;
    let rels = parts.read("xl/_rels/workbook.xml.rels")?.unwrap_or_default();
    let mut target = None;
    walk(&rels, |seen| {
        if let Seen::Open(tag) = seen
            && tag.local_name().as_ref() == "Relationship"
            && attribute(tag, "Id")? == first
        {
            target = attribute(tag, "Target")?;
        }
        Ok(())
    })?;
    let target = target.unwrap_or_else(|| "worksheets/sheet1.xml".to_owned());
    Ok(match target.strip_prefix('/') {
        Some(absolute) => (absolute.to_owned(), from_1904),
        None => (format!("xl/{target}"), from_1904),
    })
}

/// Texts that cells share: each `si`, its runs joined, phonetic hints left out.
fn shared_texts(xml: &str) -> Result<Vec<String>, XlsxError> {
    let (mut texts, mut text, mut in_t, mut in_hint) = (Vec::new(), String::new(), false, false);
    walk(xml, |seen| {
        match seen {
            Seen::Open(tag) => match tag.local_name().as_ref() {
                "t" => in_t = !in_hint,
                "rPh" => in_hint = true,
                _ => {}
            },
            Seen::Text(part) if in_t && text.len() + part.len() <= MAX_CELL_BYTES => text.push_str(part),
            Seen::Text(_) => {}
            Seen::Close("t") => in_t = false,
            Seen::Close("rPh") => in_hint = false,
            Seen::Close("si") => texts.push(std::mem::take(&mut text)),
            Seen::Close(_) => {}
        }
        Ok(())
    })?;
    Ok(texts)
}

/// What a cell's format makes of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Number,
    Day,
    /// A time of day, by itself or beside the day.
    Time,
}

/// For each cell style, what it shows.
fn styles(xml: &str) -> Result<Vec<Shows>, XlsxError> {
    let (mut own, mut styles, mut in_cells) = (BTreeMap::new(), Vec::new(), false);
    walk(xml, |seen| {
        match seen {
            Seen::Open(tag) => match tag.local_name().as_ref() {
                "numFmt" => {
                    if let (Some(id), Some(code)) = (attribute(tag, "numFmtId")?, attribute(tag, "formatCode")?) {
                        own.insert(id, shows(&code));
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let id = attribute(tag, "numFmtId")?.unwrap_or_default();
                    let built_in = || {
                        // ECMA-376 18.8.30: 14-22 and 45-47 everywhere, 27-36 and 50-58 in Chinese and Japanese.
                        match id.parse::<u32>() {
                            Ok(18..=22 | 32..=35 | 45..=47 | 55 | 56) => Shows::Time,
                            Ok(14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58) => Shows::Day,
                            _ => Shows::Number,
                        }
                    };
                    styles.push(own.get(&id).copied().unwrap_or_else(built_in));
                }
                _ => {}
            },
            Seen::Close("cellXfs") => in_cells = false,
            _ => {}
        }
        Ok(())
    })?;
    Ok(styles)
}

/// What a format's code shows: by its letters outside quotes, brackets and escapes.
fn shows(code: &str) -> Shows {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    let mut found = Shows::Number;
    for c in code.chars() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '"' => quoted = !quoted,
            '\\' | '_' | '*' => escaped = true,
            '[' if !quoted => bracketed = true,
            ']' if !quoted => bracketed = false,
            _ if quoted || bracketed => {}
            'h' | 'H' | 's' | 'S' => return Shows::Time,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' => found = Shows::Day,
            _ => {}
        }
    }
    found
}

/// The form of a cell's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Shared,
    Text,
}

fn cells(xml: &str, texts: &[String], styles: &[Shows], from_1904: bool) -> Result<Vec<Row>, XlsxError> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut number, mut row) = (0u64, Vec::<String>::new());
    let (mut column, mut form, mut shown) = (0usize, Form::Number, Shows::Number);
    let (mut value, mut in_value) = (String::new(), false);
    // A text that cells share counts as often as it is pointed to, and so do cells that only fill up a row.
    let mut held = Held::default();
    walk(xml, |seen| {
        match seen {
            Seen::Open(tag) => match tag.local_name().as_ref() {
                "row" => {
                    number = attribute(tag, "r")?.and_then(|r| r.parse().ok()).unwrap_or(number + 1);
                    (row, column) = (Vec::new(), 0);
                }
                "c" => {
                    if let Some(at) = attribute(tag, "r")?.as_deref().and_then(column_of) {
                        column = at;
                    }
                    form = match attribute(tag, "t")?.as_deref() {
                        Some("s") => Form::Shared,
                        Some("str" | "inlineStr" | "e" | "b" | "d") => Form::Text,
                        _ => Form::Number,
                    };
                    let style = attribute(tag, "s")?.and_then(|s| s.parse::<usize>().ok()).unwrap_or(0);
                    shown = styles.get(style).copied().unwrap_or(Shows::Number);
                    value.clear();
                }
                "v" | "t" => in_value = true,
                _ => {}
            },
            Seen::Text(part) if in_value && value.len() + part.len() <= MAX_CELL_BYTES => value.push_str(part),
            Seen::Text(_) => {}
            Seen::Close("v" | "t") => in_value = false,
            Seen::Close("c") => {
                if column >= MAX_COLUMNS {
                    return Err(XlsxError::Long(Thing::Columns));
                }
                let text = match form {
                    Form::Text => std::mem::take(&mut value),
                    Form::Shared => {
                        let n = value.trim().parse::<usize>().ok();
                        n.and_then(|n| texts.get(n)).cloned().ok_or_else(|| odd("a cell points to no text"))?
                    }
                    Form::Number => number_text(value.trim(), shown, from_1904),
                };
                if !text.is_empty() {
                    if !held.add(text.len() + (column + 1).saturating_sub(row.len()) * size_of::<String>()) {
                        return Err(XlsxError::Long(Thing::Cells));
                    }
                    row.resize(row.len().max(column + 1), String::new());
                    row[column] = text;
                }
                column += 1;
            }
            Seen::Close("row") => {
                if rows.len() >= MAX_ROWS {
                    return Err(XlsxError::Long(Thing::Rows));
                }
                if !row.is_empty() {
                    rows.push((number, std::mem::take(&mut row)));
                }
            }
            Seen::Close(_) => {}
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The column of a reference as `B3`, from 0.
fn column_of(reference: &str) -> Option<usize> {
    let letters: Vec<u8> = reference.bytes().take_while(u8::is_ascii_alphabetic).take(4).collect();
    let n = letters.iter().fold(0usize, |n, c| n * 26 + usize::from(c.to_ascii_uppercase() - b'A') + 1);
    n.checked_sub(1)
}

/// A number as people see it in the cell: a date where it is formatted as one, else as it was saved.
fn number_text(value: &str, shown: Shows, from_1904: bool) -> String {
    match value.parse::<f64>() {
        Ok(days) if shown != Shows::Number && (0.0..2_958_466.0).contains(&days) => {
            date_text(days, shown == Shows::Time, from_1904)
        }
        // Long numbers are saved as 1.30133201900001E+15.
        Ok(n) if value.contains(['E', 'e']) && n.fract() == 0.0 && n.abs() < 9.0e15 => format!("{n:.0}"),
        _ => value.to_owned(),
    }
}

/// Days and parts of days since the epoch of the workbook. 1900 was no leap year, but counts as one there, so that days
/// before March 1900 are one off: nobody's register reaches back so far.
fn date_text(days: f64, with_time: bool, from_1904: bool) -> String {
    let epoch = if from_1904 {
        DateTime::constant(1904, 1, 1, 0, 0, 0, 0)
    } else {
        DateTime::constant(1899, 12, 30, 0, 0, 0, 0)
    };
    // Parts of days are rounded to the second: 9:00 is saved as 0.375, 9:01 as 0.37569444444444444.
    let seconds = (days * 86_400.0).round() as i64;
    match epoch.checked_add(seconds.seconds()) {
        Ok(at) if seconds % 86_400 == 0 && !with_time => at.strftime("%Y-%m-%d").to_string(),
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => days.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_come_out_as_they_are_seen() {
        use Shows::{Day, Number, Time};
        for (value, shown, text) in [
            ("12", Number, "12"),
            ("110203", Number, "110203"),
            ("1.30133201900001E+15", Number, "1301332019000010"),
            ("0.5", Number, "0.5"),
            ("46192", Day, "2026-06-19"),
            ("46192.375", Day, "2026-06-19 09:00:00"),
            // A shift that begins at midnight begins at a time.
            ("46192", Time, "2026-06-19 00:00:00"),
            ("46192.375694444444", Time, "2026-06-19 09:01:00"),
            ("text", Time, "text"),
            ("-1", Day, "-1"),
        ] {
            assert_eq!(number_text(value, shown, false), text, "{value}");
        }
        assert_eq!(number_text("44730", Day, true), "2026-06-19");
    }

    #[test]
    fn formats_of_dates_are_told_from_others() {
        for (code, shown) in [
            ("yyyy\\-mm\\-dd", Shows::Day),
            ("yyyy\"年\"m\"月\"d\"日\"", Shows::Day),
            ("yyyy/m/d\\ h:mm", Shows::Time),
            ("[$-804]aaaa;@", Shows::Number),
            ("h:mm", Shows::Time),
            ("General", Shows::Number),
            ("0.00", Shows::Number),
            ("\"day\"0", Shows::Number),
            ("#,##0_);[Red]\\(#,##0\\)", Shows::Number),
        ] {
            assert_eq!(shows(code), shown, "{code}");
        }
        assert_eq!(["A1", "Z9", "AA1", "IV3"].map(column_of), [Some(0), Some(25), Some(26), Some(255)]);
        assert_eq!(column_of("12"), None);
    }

    #[test]
    fn what_is_no_workbook_is_refused_and_never_a_panic() {
        let old = [0xd0, 0xcf, 0x11, 0xe0, 1, 2, 3];
        assert_eq!(rows(&old), Err(XlsxError::Old));
        for bytes in [
            &b""[..],
            b"PK\x03\x04",
            b"PK\x05\x06",
            &[b'x'; 70_000],
            &[0x50, 0x4b, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0],
        ] {
            assert!(matches!(rows(bytes), Err(XlsxError::Odd(_))), "{bytes:?}");
        }
    }

    /// A zip of these parts, as a program packs them.
    pub(super) fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
        use std::io::Write;
        let (mut out, mut central) = (Vec::new(), Vec::new());
        for (name, data) in parts {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            let body = encoder.finish().unwrap();
            let at = out.len() as u32;
            let mut head = Vec::new();
            head.extend(20u16.to_le_bytes());
            head.extend(0u16.to_le_bytes());
            head.extend(8u16.to_le_bytes());
            head.extend([0; 8]);
            head.extend((body.len() as u32).to_le_bytes());
            head.extend((data.len() as u32).to_le_bytes());
            head.extend((name.len() as u16).to_le_bytes());
            head.extend(0u16.to_le_bytes());
            out.extend(LOCAL);
            out.extend(&head);
            out.extend(name.as_bytes());
            out.extend(body);
            central.extend(CENTRAL);
            central.extend(20u16.to_le_bytes());
            central.extend(&head);
            central.extend([0; 10]);
            central.extend(at.to_le_bytes());
            central.extend(name.as_bytes());
        }
        let at = out.len() as u32;
        out.extend(&central);
        out.extend(END);
        out.extend([0; 4]);
        out.extend((parts.len() as u16).to_le_bytes());
        out.extend((parts.len() as u16).to_le_bytes());
        out.extend((central.len() as u32).to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([0; 2]);
        out
    }

    #[test]
    fn what_is_packed_to_burst_is_refused() {
        let bomb = vec![b' '; UNPACKED_BYTES as usize + 10];
        let book = packed(&[("xl/workbook.xml", b"<workbook/>"), ("xl/worksheets/sheet1.xml", &bomb)]);
        assert!(book.len() < 2 << 20, "{}", book.len());
        assert_eq!(rows(&book), Err(XlsxError::Long(Thing::Text)));
        let doctype = packed(&[("xl/workbook.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><workbook/>")]);
        assert!(rows(&doctype).unwrap_err().to_string().contains("document type"));
        let wide = packed(&[
            ("xl/workbook.xml", b"<workbook/>"),
            (
                "xl/worksheets/sheet1.xml",
                b"<worksheet><sheetData><row r=\"1\"><c r=\"XFD1\"><v>1</v></c></row></sheetData></worksheet>",
            ),
        ]);
        assert_eq!(rows(&wide), Err(XlsxError::Long(Thing::Columns)));
    }

    #[test]
    fn cells_stand_where_their_references_say() {
        let sheet = "<worksheet><sheetData><row r=\"2\"><c r=\"B2\" t=\"inlineStr\"><is><t>东关街 &amp; 西街</t></is></c><c t=\"b\"><v>1</v></c></row>\
                     <row r=\"3\"/><row r=\"7\"><c r=\"A7\" t=\"str\"><f>\"a\"&amp;\"b\"</f><v>ab</v></c></row></sheetData></worksheet>";
        let book = packed(&[("xl/workbook.xml", b"<workbook/>"), ("xl/worksheets/sheet1.xml", sheet.as_bytes())]);
        let text = |t: &str| t.to_owned();
        assert_eq!(
            rows(&book).unwrap(),
            [(2, vec![text(""), text("东关街 & 西街"), text("1")]), (7, vec![text("ab")])]
        );
    }
}
