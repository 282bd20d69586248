//! What a query asks of a text, for the index to match and for one text to be held against. Pure. Both say the same: a phrase
//! stands within one column, its tokens side by side.

use super::Text;

/// Tokens that stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub tokens: Vec<String>,
    /// The last one may go on.
    pub goes_on: bool,
}

/// Every term, and one of the times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of each term one of its phrases.
    pub terms: Vec<Vec<Phrase>>,
    /// One of these tokens; `None`: any time.
    pub times: Option<Vec<String>>,
}

impl Phrase {
    pub fn of(tokens: Vec<String>) -> Self {
        Self { tokens, goes_on: false }
    }

    fn stands_in(&self, column: &[&str]) -> bool {
        let Some((last, before)) = self.tokens.split_last() else { return false };
        column.windows(self.tokens.len()).any(|at| {
            let (end, begin) = (at[before.len()], &at[..before.len()]);
            begin.iter().zip(before).all(|(stands, wanted)| stands == wanted)
                && if self.goes_on { end.starts_with(last.as_str()) } else { end == last }
        })
    }
}

impl Wanted {
    /// In the index's own words; every token in it is ASCII letters and digits.
    pub fn sql(&self) -> String {
        let phrase = |p: &Phrase| format!("\"{}\"{}", p.tokens.join(" "), if p.goes_on { " *" } else { "" });
        let any = |all: Vec<String>| format!("({})", all.join(" OR "));
        let mut all: Vec<String> = self.terms.iter().map(|term| any(term.iter().map(phrase).collect())).collect();
        match self.times.as_deref() {
            None => {}
            Some([]) => all.push("(\"tnever\")".to_owned()),
            Some(times) => all.push(any(times.iter().map(|token| format!("\"{token}\"")).collect())),
        }
        all.join(" AND ")
    }

    /// How well a text has it all, the best the lowest; `None` where it lacks something. What stands in a number weighs more
    /// than what stands in the name of somebody, that more than a place, and that more than other words.
    pub fn score(&self, text: &Text) -> Option<f64> {
        let columns = [(&text.numbers, 8.0), (&text.people, 5.0), (&text.place, 4.0), (&text.words, 1.0)];
        let columns = columns.map(|(line, weight)| (line.split(' ').collect::<Vec<_>>(), weight));
        let mut score = 0.0;
        for term in &self.terms {
            let stands = columns.iter().filter(|(column, _)| term.iter().any(|phrase| phrase.stands_in(column)));
            let weight: f64 = stands.map(|(_, weight)| weight).sum();
            if weight == 0.0 {
                return None;
            }
            score -= weight;
        }
        let in_time = self.times.as_ref().is_none_or(|times| {
            columns.iter().any(|(column, _)| column.iter().any(|token| times.iter().any(|time| time == token)))
        });
        in_time.then_some(score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::search::{hours, line, tokens};

    #[test]
    fn a_text_is_held_against_it_as_the_index_does() {
        let text = Text {
            numbers: "u8d75 u536b u7f5a 2026 12 k7".into(),
            people: line("张三 某饭店"),
            place: line("东关街18号"),
            words: format!("{} {}", line("后厨卫生"), hours(0)),
        };
        let half = |typed: &str| vec![Phrase { tokens: tokens(typed), goes_on: true }];
        let whole = |typed: &str| vec![Phrase::of(tokens(typed))];
        let score = |terms: Vec<Vec<Phrase>>, times: Option<Vec<String>>| Wanted { terms, times }.score(&text);
        assert_eq!(score(vec![half("某饭店")], None), Some(-5.0));
        assert_eq!(score(vec![half("东关街1"), half("张三")], None), Some(-9.0), "each in its own column");
        for (terms, what) in [
            (vec![whole("东关街1")], "what is whole does not go on"),
            (vec![half("三某饭馆")], "another word"),
            (vec![half("饭店东关")], "over two columns"),
            (vec![half("某饭店"), half("李四")], "one of the two"),
        ] {
            assert_eq!(score(terms, None), None, "{what}");
        }
        assert_eq!(score(vec![[whole("李四"), vec![Phrase::of(vec!["k7".into()])]].concat()], None), Some(-8.0));
        let at = |token: &str| Some(vec![token.to_owned()]);
        assert_eq!(score(vec![], at("td0")), Some(0.0));
        assert_eq!((score(vec![], at("td1")), score(vec![], Some(vec![]))), (None, None));
        let wanted = Wanted { terms: vec![half("张三")], times: at("td0") };
        assert_eq!(wanted.sql(), "(\"u5f20 u4e09\" *) AND (\"td0\")");
    }
}
