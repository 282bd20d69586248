//! Case numbers: normalised forms, matching keys and the configurable rule that makes them.
//!
//! A number is kept three times: `raw` as typed, `display` in one agreed form, `key` for matching. Leading
//! zeros stay on display and vanish in the key, so that 0012 and 12 meet; the key also drops 字 and 号. Keys
//! are hashed into object keys at every destination (`domain::layout`): a change of a key template needs a new
//! version of the rule, which is stored with every result.
//!
//! The rule is a list of shapes; the first that matches decides. [`builtin_shapes`] are the defaults:
//! A `org[字]〔YYYY〕N[-k]号` (agency documents), B `(YYYY)province[digits]type N号[之x]` (court style). Others
//! (`临12号`, platform numbers, inspection tasks) are configuration.
//!
//! Nothing here reads a clock: whoever asks says which year it is.

mod fold;
mod refusal;
mod shape;

use std::fmt;

pub use fold::half_width;
pub use refusal::NumberError;
pub use shape::{RuleError, ShapeSpec};

use fold::fold;
use shape::Shape;

/// Longest text that is looked at, in characters. The longest real numbers have about 40.
pub const MAX_CHARS: usize = 200;

/// Earliest year of a number; the numbering that these shapes describe is not older.
pub const EARLIEST_YEAR: i16 = 1990;

/// What a number names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaseKind {
    /// A case that was opened, by any of its numbers.
    Case,
    /// An inspection task; a case may follow.
    Inspection,
    /// The document of an on-the-spot penalty.
    OnTheSpot,
    /// Daily inspection, nothing opened: a reference, not a number.
    Unfiled,
}

impl CaseKind {
    /// The stored and published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Inspection => "inspection",
            Self::OnTheSpot => "on_the_spot",
            Self::Unfiled => "unfiled",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Case, Self::Inspection, Self::OnTheSpot, Self::Unfiled].into_iter().find(|k| k.as_str() == word)
    }
}

/// Odd, yet accepted; worth a look by whoever typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberWarning {
    /// The brackets of a pair are of two kinds.
    MismatchedBrackets,
    /// White space stood between two digits, which are one number now.
    JoinedDigits,
}

impl NumberWarning {
    /// A stable word for the catalogue of words and for JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::MismatchedBrackets => "mismatched_brackets",
            Self::JoinedDigits => "joined_digits",
        }
    }
}

impl fmt::Display for NumberWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MismatchedBrackets => "the two brackets are of different kinds; check that the number is whole",
            Self::JoinedDigits => "a space between two digits was dropped; check that it was one number",
        })
    }
}

/// A number that a rule accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseNumber {
    raw: String,
    display: String,
    key: String,
    kind: CaseKind,
    rule_version: u32,
    warnings: Vec<NumberWarning>,
}

impl CaseNumber {
    /// Exactly as typed.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The agreed form, as in `赵卫罚〔2019〕012号`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The matching form, as in `赵卫罚(2019)12`: no white space, one kind of bracket, no leading zeros.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it names.
    pub fn kind(&self) -> CaseKind {
        self.kind
    }

    /// Version of the rule that normalised it.
    pub fn rule_version(&self) -> u32 {
        self.rule_version
    }

    /// What was odd about the typed text.
    pub fn warnings(&self) -> &[NumberWarning] {
        &self.warnings
    }

    /// The form to store beside it for searches by half a number.
    pub fn loose(&self) -> String {
        loose(&self.display)
    }
}

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

/// What a search box's text is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchKeys {
    /// The key, where the text is a whole number: the exact answer.
    pub key: Option<String>,
    /// To be found anywhere in a stored [`loose`] form; `None` where the text holds no letter or digit.
    /// Contains neither `%` nor `_`, so that it can stand in a SQL LIKE pattern as it is.
    pub loose: Option<String>,
}

/// The rule by which numbers are read.
#[derive(Debug, Clone)]
pub struct NumberRule {
    /// Stored with each result; raise it with every change of the shapes.
    pub version: u32,
    shapes: Vec<Shape>,
}

impl NumberRule {
    /// Version 1: the built-in shapes alone.
    pub fn builtin() -> Self {
        Self::with_shapes(1, builtin_shapes()).unwrap_or_else(|e| unreachable!("a built-in shape is wrong: {e}"))
    }

    /// A rule of these shapes, tried in this order: put the narrow ones first, then [`builtin_shapes`].
    pub fn with_shapes(version: u32, specs: Vec<ShapeSpec>) -> Result<Self, RuleError> {
        if specs.is_empty() {
            return Err(RuleError::NoShapes);
        }
        let shapes = specs.into_iter().map(Shape::compile).collect::<Result<Vec<_>, _>>()?;
        let rule = Self { version, shapes };
        for spec in rule.shapes.iter().map(|s| &s.spec) {
            let refused =
                |source| RuleError::Example { shape: spec.name.clone(), example: spec.example.clone(), source };
            // The year of an example is not under test: whatever year it is now, it stays an example.
            let text = fold(&spec.example).text;
            match rule.read(&text, i16::MAX) {
                Some(Ok((shape, ..))) if shape.name == spec.name => {}
                Some(Err(e)) => return Err(refused(Some(Box::new(e)))),
                _ => return Err(refused(None)),
            }
        }
        Ok(rule)
    }

    /// Reads one number. `this_year` bounds its year; a number may be of next year.
    pub fn parse(&self, raw: &str, this_year: i16) -> Result<CaseNumber, NumberError> {
        if raw.chars().nth(MAX_CHARS).is_some() {
            return Err(NumberError::TooLong);
        }
        let folded = fold(raw);
        if folded.text.is_empty() {
            return Err(NumberError::Empty);
        }
        match self.read(&folded.text, this_year) {
            Some(Ok(found)) => Ok(self.number(raw, found, folded.warnings)),
            Some(Err(error)) => Err(error),
            None => {
                let examples = self.shapes.iter().map(|s| s.spec.example.clone()).collect();
                let accepted = |text: &str| self.read(&fold(text).text, this_year)?.ok().map(|(_, display, _)| display);
                Err(refusal::diagnose(&folded, examples, &accepted))
            }
        }
    }

    /// The same where a text may be a number, or anything else: nobody is told why it is none, and that is not looked for.
    pub fn accept(&self, raw: &str, this_year: i16) -> Option<CaseNumber> {
        if raw.chars().nth(MAX_CHARS).is_some() {
            return None;
        }
        let folded = fold(raw);
        let found = self.read(&folded.text, this_year)?.ok()?;
        Some(self.number(raw, found, folded.warnings))
    }

    fn number(
        &self,
        raw: &str,
        (spec, display, key): (&ShapeSpec, String, String),
        warnings: Vec<NumberWarning>,
    ) -> CaseNumber {
        CaseNumber { raw: raw.to_owned(), display, key, kind: spec.kind, rule_version: self.version, warnings }
    }

    /// What to look a typed text up by: half a number and any style of brackets will do.
    pub fn search_keys(&self, typed: &str, this_year: i16) -> SearchKeys {
        let loose = loose(typed);
        SearchKeys {
            key: self.accept(typed, this_year).map(|number| number.key),
            loose: if loose.is_empty() { None } else { Some(loose) },
        }
    }

    /// The first shape that accepts a folded text; else the first that matched and refused it.
    fn read(&self, folded: &str, this_year: i16) -> Option<Result<(&ShapeSpec, String, String), NumberError>> {
        let mut refused = None;
        for shape in &self.shapes {
            match shape.read(folded, this_year) {
                Some(Ok((display, key))) => {
                    // Keys outlive configurations: a form that would drift when read again is not taken.
                    let again = shape.read(&fold(&display).text, this_year);
                    return Some(match again {
                        Some(Ok((d, k))) if d == display && k == key => Ok((&shape.spec, display, key)),
                        _ => Err(NumberError::Unstable { shape: shape.spec.name.clone(), display }),
                    });
                }
                Some(Err(error)) => refused = refused.or(Some(Err(error))),
                None => {}
            }
        }
        refused
    }
}

/// The shapes of [`NumberRule::builtin`], to be joined by an agency's own.
pub fn builtin_shapes() -> Vec<ShapeSpec> {
    let spec = |name: &str, regex: String, display: &str, key: &str, example: &str| ShapeSpec {
        name: name.to_owned(),
        regex,
        display: display.to_owned(),
        key: key.to_owned(),
        kind: CaseKind::Case,
        example: example.to_owned(),
    };
    // An agency's code holds no digits: two numbers in one field must not pass for one.
    let group = r"\([\p{Han}A-Za-z]+\)";
    let org = format!(r"(?:{group}|[\p{{Han}}A-Za-z--字])(?:{group}|[\p{{Han}}A-Za-z])*?");
    // One-character names of the provinces as courts use them, 兵 for the Xinjiang corps, and the supreme court.
    let province = "[京津冀晋内蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川蜀贵黔云滇藏陕秦甘陇青宁新兵台港澳]|最高法";
    vec![
        spec(
            "agency",
            format!(
                r"(?<org>{org})(?<zi>字)?\((?<year>[0-9]{{4}})\)第?(?<serial>[0-9]{{1,12}})(?:-(?<sub>[0-9]{{1,6}}))?号?"
            ),
            "{org}{zi}〔{year}〕{serial}[-{sub}]号",
            "{org}({year}){serial#}[-{sub#}]",
            "赵卫罚〔2019〕12号",
        ),
        spec(
            "court",
            format!(
                r"\((?<year>[0-9]{{4}})\)(?<province>{province})(?<code>[0-9]{{2,6}})?(?<type>\p{{Han}}{{1,12}}?)第?(?<serial>[0-9]{{1,12}})号(?:之(?<part>[0-9]{{1,3}}|[一二三四五六七八九十]{{1,3}}))?"
            ),
            "({year}){province}{code}{type}{serial}号[之{part}]",
            "({year}){province}{code}{type}{serial#}[之{part#}]",
            "(2019)冀0133行罚12号",
        ),
    ]
}

/// The loose normal form, stored beside each number and made of each search text: letters and digits only,
/// with brackets, dashes, white space, 字, 第 and 年 dropped, one `-` where that would join two numbers,
/// leading zeros dropped, ASCII letters in capitals. `赵卫罚字【2019】第012号` gives `赵卫罚2019-12号`.
/// Only the first [`MAX_CHARS`] characters count.
pub fn loose(text: &str) -> String {
    let bounded: String = text.chars().take(MAX_CHARS).collect();
    fold::loosen(&bounded)
}

#[cfg(test)]
mod tests;
