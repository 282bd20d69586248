//! Rows as CSV (RFC 4180): UTF-8 with a byte order mark, without which the spreadsheet programs in use here take it for
//! GB18030. A text that might be taken for a formula gets a quote before it.

use super::{Cell, is_like_a_formula, number};

/// Writes rows.
pub fn write<R: IntoIterator<Item = Cell>>(rows: impl IntoIterator<Item = R>) -> Vec<u8> {
    let mut out = String::from("\u{feff}");
    for row in rows {
        let cells: Vec<String> = row.into_iter().map(|cell| field(&cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out.into_bytes()
}

fn field(cell: &Cell) -> String {
    let text = match cell {
        Cell::Empty => return String::new(),
        Cell::Number(n) => return number(*n),
        Cell::Text(text) if is_like_a_formula(text) => format!("'{text}"),
        Cell::Text(text) => text.clone(),
    };
    let quoted = text.contains(['"', ',', '\n', '\r', '\'']) || text.starts_with(' ') || text.ends_with(' ');
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_hold_what_they_hold_and_start_no_formula() {
        for (cell, wanted) in [
            (Cell::Empty, ""),
            (Cell::Number(-1.5), "-1.5"),
            (Cell::from("张三"), "张三"),
            (Cell::from("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\""),
            (Cell::from("+1"), "\"'+1\""),
            (Cell::from("-1"), "\"'-1\""),
            (Cell::from("@SUM(1)"), "\"'@SUM(1)\""),
            (Cell::from("a,b"), "\"a,b\""),
            (Cell::from("say \"x\""), "\"say \"\"x\"\"\""),
            (Cell::from("two\nlines"), "\"two\nlines\""),
        ] {
            assert_eq!(field(&cell), wanted, "{cell:?}");
        }
        let bytes = write([vec![Cell::from("a"), Cell::Empty], vec![Cell::Number(1.0), Cell::from("b")]]);
        assert_eq!(bytes, "\u{feff}a,\r\n1,b\r\n".as_bytes());
    }
}
