//! How text gets into a page: HTML-escaped, and with the characters that turn the direction of what follows made
//! visible, so that one name can neither become markup nor rearrange the words beside it (invariant 7).

use std::fmt;

use askama::filters::{Escaper, Html};

/// The escaper of every template; named in `askama.toml`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page;

impl Escaper for Page {
    fn write_escaped_str<W: fmt::Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        if string.chars().any(turns) {
            Html.write_escaped_str(dest, &visible(string))
        } else {
            Html.write_escaped_str(&mut dest, string)
        }
    }
}

/// Directional controls: marks, embeddings, overrides, isolates (Unicode Bidirectional Algorithm, UAX #9).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as a page shows it.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if turns(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_markup_nor_direction_gets_through() {
        let mut out = String::new();
        Page.write_escaped_str(&mut out, "<b a='\"'>\u{202e}执法").unwrap();
        assert_eq!(out, "&#60;b a=&#39;&#34;&#39;&#62;\u{fffd}执法");
    }
}
