//! Shapes: one way of writing a number, as an expression with named captures and two templates.
//!
//! # Templates
//!
//! `{name}` stands for a capture as typed, empty where it took no part. `{name#}` is its plain number: leading
//! zeros dropped, 一 to 九十九 as digits. A part in square brackets is left out unless every capture in it
//! took part: `{org}〔{year}〕{serial}[-{sub}]号`. Neither kind of bracket can be a literal.

use regex::{Captures, Regex, RegexBuilder};

use super::fold::without_leading_zeros;
use super::{CaseKind, EARLIEST_YEAR, NumberError};

/// Memory of one compiled shape in bytes; the built-in ones need a tenth. Matching is linear in the text.
const REGEX_BYTES: usize = 4 << 20;

/// A shape as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeSpec {
    /// Its name, for messages.
    pub name: String,
    /// Matches the whole *folded* text: no white space, brackets are `(` and `)`, the dash is `-`, ASCII for
    /// full width. The capture `year` must hold four digits of a possible year, `serial` a number above 0.
    pub regex: String,
    /// Template of the form that is shown. Read again it must give the same number.
    pub display: String,
    /// Template of the form that is matched; two numbers with one key are the same number.
    pub key: String,
    /// What such a number names.
    pub kind: CaseKind,
    /// A number of this shape; checked when the rule is made, and shown to who types another.
    pub example: String,
}

/// Why a set of shapes cannot be a rule. All of them are for who wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// No shapes.
    #[error("a number rule needs at least one shape, or no number could ever be linked")]
    NoShapes,
    /// The expression does not compile, or is too large.
    #[error("shape {shape}: regex cannot be used")]
    Regex {
        /// The shape.
        shape: String,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
    /// A template is malformed.
    #[error("shape {shape}: template {template:?} {why}")]
    Template {
        /// The shape.
        shape: String,
        /// The template.
        template: String,
        /// What to change.
        why: String,
    },
    /// The example is refused, or another shape takes it first.
    #[error(
        "shape {shape}: its example {example:?} is not read by it; correct the example or the regex, or move the shape up"
    )]
    Example {
        /// The shape.
        shape: String,
        /// The example.
        example: String,
        /// Why, where it was refused.
        #[source]
        source: Option<Box<NumberError>>,
    },
}

/// A compiled shape.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub spec: ShapeSpec,
    regex: Regex,
    display: Template,
    key: Template,
}

impl Shape {
    pub fn compile(spec: ShapeSpec) -> Result<Self, RuleError> {
        let regex = RegexBuilder::new(&format!("^(?:{})$", spec.regex))
            .size_limit(REGEX_BYTES)
            .build()
            .map_err(|e| RuleError::Regex { shape: spec.name.clone(), source: Box::new(e) })?;
        let template = |text: &str| {
            Template::parse(text, &regex).map_err(|why| RuleError::Template {
                shape: spec.name.clone(),
                template: text.to_owned(),
                why,
            })
        };
        let (display, key) = (template(&spec.display)?, template(&spec.key)?);
        Ok(Self { regex, display, key, spec })
    }

    /// Display and key of a folded text; `None` where the shape is another.
    pub fn read(&self, folded: &str, this_year: i16) -> Option<Result<(String, String), NumberError>> {
        let captures = self.regex.captures(folded)?;
        if let Some(year) = captures.name("year") {
            let latest = this_year.saturating_add(1);
            let possible =
                year.len() == 4 && year.as_str().parse().is_ok_and(|y| (EARLIEST_YEAR..=latest).contains(&y));
            if !possible {
                return Some(Err(NumberError::YearRange { found: year.as_str().to_owned(), latest }));
            }
        }
        if captures.name("serial").is_some_and(|s| !s.as_str().contains(|c: char| matches!(c, '1'..='9'))) {
            return Some(Err(NumberError::SerialZero));
        }
        // An agency's code in capitals and in small letters is one agency's.
        Some(Ok((self.display.render(&captures), self.key.render(&captures).to_ascii_uppercase())))
    }
}

#[derive(Debug, Clone)]
struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Capture { name: String, plain_number: bool },
    Optional(Vec<Part>),
}

impl Template {
    fn parse(text: &str, regex: &Regex) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        // What stood before the optional part that is being read.
        let mut before: Option<Vec<Part>> = None;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match (c, before.take()) {
                ('{', outer) => {
                    before = outer;
                    let (inner, after) = rest.split_once('}').ok_or("has a { without }")?;
                    rest = after;
                    let (name, plain_number) = inner.strip_suffix('#').map_or((inner, false), |name| (name, true));
                    if !regex.capture_names().flatten().any(|known| known == name) {
                        return Err(format!("uses {{{name}}}, which the regex does not capture"));
                    }
                    parts.push(Part::Capture { name: name.to_owned(), plain_number });
                }
                ('[', None) => before = Some(std::mem::take(&mut parts)),
                (']', Some(mut outer)) => {
                    outer.push(Part::Optional(parts));
                    parts = outer;
                }
                ('[' | ']' | '}', _) => return Err(format!("has a {c} without its partner, or one inside another")),
                (literal, outer) => {
                    before = outer;
                    match parts.last_mut() {
                        Some(Part::Literal(text)) => text.push(literal),
                        _ => parts.push(Part::Literal(literal.to_string())),
                    }
                }
            }
        }
        match before {
            Some(_) => Err("has a [ without ]".to_owned()),
            None if parts.is_empty() => Err("is empty".to_owned()),
            None => Ok(Self(parts)),
        }
    }

    fn render(&self, captures: &Captures<'_>) -> String {
        let mut out = String::new();
        render(&self.0, captures, &mut out);
        out
    }
}

fn render(parts: &[Part], captures: &Captures<'_>, out: &mut String) {
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Capture { name, plain_number } => {
                let value = captures.name(name).map_or("", |m| m.as_str());
                if *plain_number { out.push_str(&number(value)) } else { out.push_str(value) }
            }
            Part::Optional(inner) => {
                let complete = inner.iter().all(|p| match p {
                    Part::Capture { name, .. } => captures.name(name).is_some(),
                    _ => true,
                });
                if complete {
                    render(inner, captures, out);
                }
            }
        }
    }
}

/// The plain number of a capture.
fn number(text: &str) -> String {
    han_number(text).map_or_else(|| without_leading_zeros(text), |n| n.to_string())
}

/// 一 to 九十九.
fn han_number(text: &str) -> Option<usize> {
    let digit = |part: &str| "一二三四五六七八九".chars().position(|d| part.chars().eq([d])).map(|p| p + 1);
    match text.split_once('十') {
        None => digit(text),
        Some((tens, ones)) => {
            let tens = if tens.is_empty() { 1 } else { digit(tens)? };
            let ones = if ones.is_empty() { 0 } else { digit(ones)? };
            Some(tens * 10 + ones)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn han_numbers() {
        for (text, n) in [("一", 1), ("九", 9), ("十", 10), ("十二", 12), ("二十", 20), ("九十九", 99)] {
            assert_eq!(han_number(text), Some(n), "{text}");
        }
        for text in ["", "百", "一二", "十十", "12", "十百"] {
            assert_eq!(han_number(text), None, "{text}");
        }
    }

    #[test]
    fn templates_say_what_is_wrong() {
        let regex = Regex::new("(?<a>x)(?<b>y)?").unwrap();
        for (template, says) in [
            ("{a", "without }"),
            ("{c}", "does not capture"),
            ("a]", "without its partner"),
            ("[a[b]]", "inside another"),
            ("[{b}", "[ without ]"),
            ("a}", "without its partner"),
            ("", "is empty"),
        ] {
            let why = Template::parse(template, &regex).unwrap_err();
            assert!(why.contains(says), "{template}: {why}");
        }
        let template = Template::parse("{a}[-{b}]号", &regex).unwrap();
        assert_eq!(template.render(&regex.captures("x").unwrap()), "x号");
        assert_eq!(template.render(&regex.captures("xy").unwrap()), "x-y号");
    }
}
