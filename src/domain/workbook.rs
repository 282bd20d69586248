//! Workbooks (XLSX, ECMA-376) as we write them: a plain one of rows ([`sheet`]), and an agency's own form with its
//! placeholders filled in ([`fill`]). Bytes in, bytes out; pure.
//!
//! What comes out of records is hostile: a text is always written as a text, never as a formula, and a text that a
//! spreadsheet program would take for a formula once somebody edits its cell is marked as quoted. The same holds for CSV
//! ([`csv`]), where a quote before it is all that there is.

pub mod csv;
pub mod fill;
pub mod sheet;
mod zip;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing.
    Empty,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }
}

/// Whether a spreadsheet program may take a text for a formula: by its first sign, in full width, too (OWASP, CSV
/// injection).
pub fn is_like_a_formula(text: &str) -> bool {
    matches!(text.chars().next(), Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'))
}

/// A text as a cell of a CSV says it that somebody may open by double click: a formula gets an apostrophe before it.
pub fn harmless(text: &str) -> String {
    if is_like_a_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// A text as XML may hold it: no control characters, at most what a cell takes (32,767 UTF-16 units).
fn xml_text(text: &str) -> String {
    let mut units = 0;
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .take_while(|c| {
            units += c.len_utf16();
            units <= 32_767
        })
        .collect();
    quick_xml::escape::escape(kept.as_str()).into_owned()
}

/// A number as XML and CSV hold it: without an exponent, no longer than it needs.
fn number(n: f64) -> String {
    if n.is_finite() { format!("{n}") } else { "0".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_known_and_numbers_are_plain() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "－1"] {
            assert!(is_like_a_formula(text), "{text:?}");
        }
        for text in ["", "张三", "a=1", "1-2", "'=1"] {
            assert!(!is_like_a_formula(text), "{text:?}");
        }
        assert_eq!(xml_text("<a>&\u{0}\u{8}\u{1f}\u{ffff}\"'张"), "&lt;a&gt;&amp;&quot;&apos;张");
        assert_eq!(xml_text(&"长".repeat(40_000)).chars().count(), 32_767);
        assert_eq!(
            (number(3.0), number(0.1), number(f64::NAN), number(1e21)),
            ("3".into(), "0.1".into(), "0".into(), "1000000000000000000000".into())
        );
    }
}
