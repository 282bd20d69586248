//! A new workbook of one sheet: a heading, a head line that stays in sight and has filters, and rows.

use super::zip::{self, Part};
use super::{Cell, is_like_a_formula, number, xml_text};

/// Rows that a sheet may have (ECMA-376, 18.3.1.73).
pub const MAX_ROWS: usize = 1_048_576;
/// Styles of `styles.xml`, by their place.
const PLAIN: u32 = 0;
const HEAD: u32 = 1;
const TITLE: u32 = 2;
/// A text that looks like a formula: quotePrefix keeps it one when its cell is edited.
const QUOTED: u32 = 3;

const CONTENT_TYPES: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">"#,
    r#"<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>"#,
    r#"<Default Extension="xml" ContentType="application/xml"/>"#,
    r#"<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>"#,
    r#"<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#,
    r#"<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#
);
const RELS: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" "#,
    r#"Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
);
const WORKBOOK_RELS: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" "#,
    r#"Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" "#,
    r#"Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#
);
const STYLES: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
    r#"<fonts count="3"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font>"#,
    r#"<font><b/><sz val="14"/><name val="Calibri"/></font></fonts>"#,
    r#"<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>"#,
    r#"<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"#,
    r#"<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>"#,
    r#"<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#,
    r#"<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>"#,
    r#"<xf numFmtId="0" fontId="2" fillId="0" borderId="0" xfId="0" applyFont="1"/>"#,
    r#"<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/></cellXfs></styleSheet>"#
);

/// A workbook with `title` above the `head` and the `rows`; `name` is the sheet's.
pub fn write(name: &str, title: &str, head: &[&str], rows: &[Vec<Cell>]) -> Vec<u8> {
    let mut sheet = String::from(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="2" topLeftCell="A3" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>"#,
    );
    for (n, head) in head.iter().enumerate() {
        let widest = rows.iter().take(500).filter_map(|row| row.get(n)).map(width).max().unwrap_or(0);
        let width = widest.max(units(head)).clamp(8, 48) + 2;
        sheet.push_str(&format!(r#"<col min="{0}" max="{0}" width="{width}" customWidth="1"/>"#, n + 1));
    }
    sheet.push_str("</cols><sheetData>");
    put_row(&mut sheet, 1, &[Cell::from(title)], TITLE);
    put_row(&mut sheet, 2, &head.iter().map(|h| Cell::from(*h)).collect::<Vec<_>>(), HEAD);
    let rows = &rows[..rows.len().min(MAX_ROWS - 2)];
    for (n, row) in rows.iter().enumerate() {
        put_row(&mut sheet, n + 3, row, PLAIN);
    }
    let last = column_name(head.len().saturating_sub(1));
    sheet.push_str(&format!(
        r#"</sheetData><autoFilter ref="A2:{last}{}"/><pageMargins left="0.5" right="0.5" top="0.6" bottom="0.6" header="0.3" footer="0.3"/><pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/></worksheet>"#,
        rows.len() + 2
    ));
    // Names of sheets have their own forbidden signs and length (ECMA-376, 18.2.19).
    let name: String =
        name.chars().filter(|c| !matches!(c, ':' | '\\' | '/' | '?' | '*' | '[' | ']' | '\'')).take(31).collect();
    let workbook = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{}" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
        xml_text(if name.is_empty() { "1" } else { &name })
    );
    zip::write(&[
        Part::new("[Content_Types].xml", CONTENT_TYPES.as_bytes()),
        Part::new("_rels/.rels", RELS.as_bytes()),
        Part::new("xl/workbook.xml", workbook.as_bytes()),
        Part::new("xl/_rels/workbook.xml.rels", WORKBOOK_RELS.as_bytes()),
        Part::new("xl/styles.xml", STYLES.as_bytes()),
        Part::new("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn put_row(sheet: &mut String, number: usize, cells: &[Cell], style: u32) {
    sheet.push_str(&format!(r#"<row r="{number}">"#));
    for (n, value) in cells.iter().enumerate() {
        put_cell(sheet, &format!("{}{number}", column_name(n)), value, style);
    }
    sheet.push_str("</row>");
}

fn put_cell(sheet: &mut String, at: &str, value: &Cell, style: u32) {
    match value {
        Cell::Empty => {}
        Cell::Number(n) => sheet.push_str(&format!(r#"<c r="{at}" s="{style}"><v>{}</v></c>"#, number(*n))),
        Cell::Text(text) => {
            let style = if style == PLAIN && is_like_a_formula(text) { QUOTED } else { style };
            sheet.push_str(&format!(
                r#"<c r="{at}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>"#,
                xml_text(text)
            ));
        }
    }
}

/// `A`, `B`, ... `AA`.
fn column_name(mut n: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + (n % 26) as u8);
        n /= 26;
        if n == 0 {
            break;
        }
        n -= 1;
    }
    name.into_iter().rev().map(char::from).collect()
}

/// Width in characters of a font; what is not Latin takes two.
fn units(text: &str) -> usize {
    text.chars().take(60).map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

fn width(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => units(text),
        Cell::Number(n) => number(*n).len(),
        Cell::Empty => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (n, name) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column_name(n), name);
        }
    }

    #[test]
    fn texts_are_texts_and_numbers_numbers() {
        let rows = vec![vec![Cell::Number(1.5), Cell::from("=1+1<&>"), Cell::Empty, Cell::from("张三")]];
        let bytes = write("a/b:c", "题名", &["n", "公式", "c", "d"], &rows);
        let parts = zip::read(&bytes).unwrap();
        let part = |name: &str| parts.iter().find(|p| p.name == name).unwrap().text().unwrap();
        let sheet = part("xl/worksheets/sheet1.xml");
        assert!(sheet.contains(r#"<c r="A3" s="0"><v>1.5</v></c>"#), "{sheet}");
        assert!(
            sheet.contains(
                r#"<c r="B3" s="3" t="inlineStr"><is><t xml:space="preserve">=1+1&lt;&amp;&gt;</t></is></c>"#
            )
        );
        assert!(!sheet.contains("<f>") && !sheet.contains("C3"));
        assert!(part("xl/workbook.xml").contains(r#"name="abc""#));
        assert_eq!(write("a/b:c", "题名", &["n", "公式", "c", "d"], &rows), bytes, "equal rows make equal files");
    }
}
