//! Folding of typed text: what people, input methods and copied tables add to a number and what does not
//! belong to it. Nothing here decides whether a text is a case number.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::NumberWarning;

/// Opening and closing brackets, position by position: ASCII, CJK, mathematical, small and vertical forms.
/// Full-width ones are ASCII by the time they are looked up.
const OPENING: &str = "([{<〔【〖〘〚《〈「『﹙﹛﹝⟨⟦⟪⦅❨❲︵︷︹︻︽︿﹁﹃";
const CLOSING: &str = ")]}>〕】〗〙〛》〉」』﹚﹜﹞⟩⟧⟫⦆❩❳︶︸︺︼︾﹀﹂﹄";

/// Format characters and others that show nothing (zero-width space, byte order mark, variation selectors).
static INVISIBLE: LazyLock<Regex> = LazyLock::new(|| fixed(r"[\p{Cf}\p{Default_Ignorable_Code_Point}]"));
/// A run of dashes is one: the Chinese dash is typed as two.
static DASHES: LazyLock<Regex> = LazyLock::new(|| fixed(r"[\p{Pd}\u{2212}]+"));
static PARTED_DIGITS: LazyLock<Regex> = LazyLock::new(|| fixed(r"[0-9０-９]\s+[0-9０-９]"));

/// Compiles an expression of our own; each is used by a test of its module.
pub(super) fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("an expression of our own does not compile: {e}"))
}

/// A folded text and what was odd about it.
pub(super) struct Folded {
    /// No white space, one kind of bracket `()`, one dash `-`, ASCII where there was full width, NFC.
    pub text: String,
    /// Every bracket has its partner.
    pub paired: bool,
    /// What was odd, though the text may still be a number.
    pub warnings: Vec<NumberWarning>,
}

/// Folds a whole number.
pub(super) fn fold(raw: &str) -> Folded {
    let mut warnings = Vec::new();
    if PARTED_DIGITS.is_match(raw) {
        warnings.push(NumberWarning::JoinedDigits);
    }
    let bare: String = raw.chars().filter(|c| !c.is_whitespace()).collect();
    let plain = half_width(&bare);

    let mut text = String::with_capacity(plain.len());
    let mut open = Vec::new();
    let (mut paired, mut mismatched) = (true, false);
    for c in plain.chars() {
        if let Some(kind) = OPENING.chars().position(|b| b == c) {
            open.push(kind);
            text.push('(');
        } else if let Some(kind) = CLOSING.chars().position(|b| b == c) {
            match open.pop() {
                Some(opened) => mismatched |= opened != kind,
                None => paired = false,
            }
            text.push(')');
        } else {
            text.push(c);
        }
    }
    paired &= open.is_empty();
    if paired && mismatched {
        warnings.push(NumberWarning::MismatchedBrackets);
    }
    Folded { text: DASHES.replace_all(&text, "-").into_owned(), paired, warnings }
}

/// Without invisible characters, full width folded to ASCII, NFC. Not NFKC, which would turn a circled
/// digit into a digit and so make up a number that nobody wrote.
pub fn half_width(text: &str) -> String {
    INVISIBLE
        .replace_all(text, "")
        .chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            c => c,
        })
        .nfc()
        .collect()
}

/// Every run of ASCII digits without its leading zeros; a run of zeros becomes one.
pub(super) fn without_leading_zeros(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_number = false;
    while let Some(c) = chars.next() {
        let leading = c == '0' && !in_number && chars.peek().is_some_and(char::is_ascii_digit);
        if !leading {
            in_number = c.is_ascii_digit();
            out.push(c);
        }
    }
    out
}

/// The form in which halves of numbers are compared (see [`super::loose`]).
pub(super) fn loosen(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parted = false;
    for c in half_width(text).chars() {
        // 字, 第 and 年 come and go between two spellings of one number, like brackets.
        if !c.is_alphanumeric() || matches!(c, '字' | '第' | '年') {
            parted = true;
            continue;
        }
        if parted && c.is_ascii_digit() && out.ends_with(|last: char| last.is_ascii_digit()) {
            out.push('-');
        }
        parted = false;
        out.push(c.to_ascii_uppercase());
    }
    without_leading_zeros(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_have_partners_position_by_position() {
        assert_eq!(OPENING.chars().count(), CLOSING.chars().count());
        for (open, close) in OPENING.chars().zip(CLOSING.chars()) {
            let folded = fold(&format!("{open}2019{close}"));
            assert_eq!(folded.text, "(2019)", "{open}{close}");
            assert!(folded.paired && folded.warnings.is_empty(), "{open}{close}");
        }
    }

    #[test]
    fn odd_brackets_and_digits_are_told() {
        assert_eq!(fold("〔2019】").warnings, [NumberWarning::MismatchedBrackets]);
        assert!(fold("（2019)").warnings.is_empty(), "full width and ASCII are one kind");
        assert!(!fold("〔2019").paired);
        assert!(!fold("2019〕").paired);
        assert_eq!(fold("1 ２").warnings, [NumberWarning::JoinedDigits]);
    }

    #[test]
    fn folding_table() {
        for (typed, folded) in [
            ("\u{feff}赵\u{200b}卫 罚\u{3000}\t", "赵卫罚"),
            ("３—１ ３——１ 3‑1 3−1", "3-13-13-13-1"),
            ("①", "①"),
            ("辻\u{e0100}", "辻"),
            ("e\u{301}", "é"),
            ("\u{f900}", "豈"),
        ] {
            assert_eq!(fold(typed).text, folded, "{typed:?}");
        }
    }

    #[test]
    fn zeros_table() {
        for (text, bare) in
            [("0012", "12"), ("A012", "A12"), ("000", "0"), ("100-020", "100-20"), ("冀0133罚", "冀133罚")]
        {
            assert_eq!(without_leading_zeros(text), bare);
        }
    }
}
