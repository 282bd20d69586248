//! The form of the file: is it TOML, does every key exist, has every value the right type, and on which
//! line does a key stand. Knows nothing of what values mean; that is `resolve`'s.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::written::{KEYS, Shape, Written};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1; `None` where the fault is that nothing is there.
    pub line: Option<usize>,
    /// In words, with the key and what to do.
    pub what: String,
}

/// A file whose form is right.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
    /// What it says.
    pub written: Written,
}

impl<'t> Document<'t> {
    /// Reads `text`; of several faults the first in the file is told.
    pub fn parse(text: &'t str) -> Result<Self, Fault> {
        let from_toml = |e: toml::de::Error| {
            let line = e.span().map(|s| line_at(text, s.start));
            let bare = line.and_then(|n| text.lines().nth(n - 1)).is_some_and(has_bare_text);
            let hint = if bare { "; text must stand in quotes" } else { "" };
            Fault { line, what: format!("this is not TOML: {}{hint}", e.message().trim().replace('\n', ", ")) }
        };
        let table = DeTable::parse(text).map_err(from_toml)?;
        let mut faults = Vec::new();
        walk(text, table.get_ref(), KEYS, "", &mut faults);
        if let Some(first) = faults.into_iter().min_by_key(|f| f.line) {
            return Err(first);
        }
        let written = toml::from_str(text).map_err(|e| Fault {
            line: e.span().map(|s| line_at(text, s.start)),
            what: format!("a value cannot be used: {}", e.message()),
        })?;
        Ok(Self { text, table, written })
    }

    /// The line of each key that has a value, by its path.
    pub fn lines(&self) -> std::collections::BTreeMap<String, usize> {
        let mut lines = std::collections::BTreeMap::new();
        note(self.text, self.table.get_ref(), KEYS, "", &mut lines);
        lines
    }

    /// The line of `path` (as `destination[1].bucket`), or of the nearest thing around it that is written.
    pub fn line_of(&self, path: &str) -> Option<usize> {
        let mut table = self.table.get_ref();
        let mut at = None;
        for step in path.split('.') {
            let (name, index) = match step.split_once('[') {
                Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
                None => (step, None),
            };
            let Some((key, value)) = table.get_key_value(name) else { break };
            at = Some(key.span().start);
            let mut value = value;
            if let (Some(index), Some(items)) = (index, value.get_ref().as_array()) {
                let Some(item) = items.get(index) else { break };
                at = Some(item.span().start);
                value = item;
            }
            match value.get_ref().as_table() {
                Some(inner) => table = inner,
                None => break,
            }
        }
        at.map(|offset| line_at(self.text, offset))
    }
}

/// How a key is called towards people: `[vault] reserve_gb`, `[[destination]] bucket`.
pub fn called(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((section, key)) => format!("{} {key}", section_called(section)),
        None => section_called(path),
    }
}

/// The name nearest to `wrong`, if any is near enough to be what was meant.
pub fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Six tenths: two slips in a word of five letters are still understood, another word is not.
    right
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn section_called(path: &str) -> String {
    match path.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some((name, _)) => format!("[[{name}]]"),
        None => format!("[{path}]"),
    }
}

/// `listen = 127.0.0.1:8480`: the slip that the parser's own words explain least.
fn has_bare_text(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    !value.is_empty() && !value.starts_with(['"', '\'', '[', '{'])
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn walk(text: &str, table: &DeTable<'_>, keys: &'static [(&str, Shape)], path: &str, faults: &mut Vec<Fault>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let line = Some(line_at(text, key.span().start));
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some((_, shape)) = keys.iter().find(|(known, _)| *known == name) else {
            faults.push(Fault { line, what: unknown(name, value.get_ref(), keys, path) });
            continue;
        };
        match (shape, value.get_ref()) {
            (Shape::Section(keys), DeValue::Table(table)) => walk(text, table, keys, &inner, faults),
            (Shape::Repeated(keys), DeValue::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    match item.get_ref() {
                        DeValue::Table(table) => walk(text, table, keys, &format!("{inner}[{n}]"), faults),
                        other => faults.push(Fault { line, what: wrong_type(&inner, shape, other) }),
                    }
                }
            }
            (Shape::Texts, DeValue::Array(items)) => {
                if let Some(odd) = items.iter().find(|item| !matches!(item.get_ref(), DeValue::String(_))) {
                    faults.push(Fault { line, what: wrong_type(&inner, shape, odd.get_ref()) });
                }
            }
            (Shape::Text, DeValue::String(_)) | (Shape::Flag, DeValue::Boolean(_)) => {}
            (Shape::Whole, DeValue::Integer(n)) if u64::from_str_radix(n.as_str(), n.radix()).is_ok() => {}
            (shape, other) => faults.push(Fault { line, what: wrong_type(&inner, shape, other) }),
        }
    }
}

fn note(
    text: &str,
    table: &DeTable<'_>,
    keys: &'static [(&str, Shape)],
    path: &str,
    lines: &mut std::collections::BTreeMap<String, usize>,
) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let shape = keys.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape);
        match (shape, value.get_ref()) {
            (Some(Shape::Section(keys)), DeValue::Table(table)) => note(text, table, keys, &inner, lines),
            (Some(Shape::Repeated(keys)), DeValue::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    if let DeValue::Table(table) = item.get_ref() {
                        note(text, table, keys, &format!("{inner}[{n}]"), lines);
                    }
                }
            }
            _ => {
                lines.insert(inner, line_at(text, key.span().start));
            }
        }
    }
}

fn unknown(name: &str, value: &DeValue<'_>, keys: &'static [(&str, Shape)], path: &str) -> String {
    let names = || keys.iter().map(|(known, _)| *known);
    if path.is_empty() && matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        return match nearest(name, names()) {
            Some(right) => format!("there is no section [{name}]; did you mean [{right}]?"),
            None => {
                format!("there is no section [{name}]; the sections are {}", names().collect::<Vec<_>>().join(", "))
            }
        };
    }
    let place = if path.is_empty() { "the top of the file".to_owned() } else { section_called(path) };
    if let Some(right) = nearest(name, names()) {
        return format!("{place} has no key `{name}`; did you mean `{right}`?");
    }
    match homes_of(name, KEYS, "").first() {
        Some(home) => format!("{place} has no key `{name}`; it belongs in {home}"),
        None => format!("{place} has no key `{name}`; its keys are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn homes_of(name: &str, keys: &[(&str, Shape)], path: &str) -> Vec<String> {
    keys.iter()
        .flat_map(|(key, shape)| {
            let inner = if path.is_empty() { (*key).to_owned() } else { format!("{path}.{key}") };
            match shape {
                Shape::Section(keys) => homes_of(name, keys, &inner),
                Shape::Repeated(keys) => homes_of(name, keys, &format!("{inner}[0]")),
                _ if *key == name && !path.is_empty() => vec![section_called(path)],
                _ => Vec::new(),
            }
        })
        .collect()
}

fn wrong_type(path: &str, shape: &Shape, found: &DeValue<'_>) -> String {
    let wanted = match shape {
        Shape::Text => "text in quotes".to_owned(),
        Shape::Whole => "a whole number, not negative and without a unit".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Texts => "a list of texts in quotes, as [\"one\", \"two\"]".to_owned(),
        Shape::Section(_) => {
            return format!("{path} is a section: write [{path}] on a line of its own, its keys below");
        }
        Shape::Repeated(_) => return format!("{path} may stand several times: write [[{path}]] with double brackets"),
    };
    let found = match found {
        DeValue::String(s) => format!("{s:?}"),
        DeValue::Integer(n) => n.as_str().to_owned(),
        DeValue::Float(n) => n.as_str().to_owned(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    };
    format!("{} must be {wanted}; it is {found}", called(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, String) {
        let fault = Document::parse(text).unwrap_err();
        (fault.line.unwrap(), fault.what)
    }

    #[test]
    fn the_first_fault_is_told_with_its_line() {
        let table: &[(&str, usize, &str)] = &[
            ("\n[vault]\nreserv_gb = 1\n", 3, "[vault] has no key `reserv_gb`; did you mean `reserve_gb`?"),
            ("[vualt]\ndir = 'x'\n", 1, "there is no section [vualt]; did you mean [vault]?"),
            ("[vault]\npoll_ms = 1\n", 2, "[vault] has no key `poll_ms`; it belongs in [source.folder]"),
            ("listen = 'x'", 1, "the top of the file has no key `listen`; it belongs in [web]"),
            ("[log]\nzzzzzz = 1\n", 2, "[log] has no key `zzzzzz`; its keys are level, format"),
            (
                "[vault]\nreserve_gb = 'ten'\n",
                2,
                "[vault] reserve_gb must be a whole number, not negative and without a unit; it is \"ten\"",
            ),
            (
                "[vault]\nreserve_gb = -1\n",
                2,
                "[vault] reserve_gb must be a whole number, not negative and without a unit; it is -1",
            ),
            (
                "[destination]\nname = 'x'\n",
                1,
                "destination may stand several times: write [[destination]] with double brackets",
            ),
            (
                "[[destination]]\n[[destination]]\nbuckt = 'x'\n",
                3,
                "[[destination]] has no key `buckt`; did you mean `bucket`?",
            ),
            (
                "[feedback]\nhook = 'run me'\n",
                2,
                "[feedback] hook must be a list of texts in quotes, as [\"one\", \"two\"]; it is \"run me\"",
            ),
            (
                "[feedback]\nhook = ['/x', 1]\n",
                2,
                "[feedback] hook must be a list of texts in quotes, as [\"one\", \"two\"]; it is 1",
            ),
            ("station = 1\n", 1, "station is a section: write [station] on a line of its own, its keys below"),
            (
                "zz = 1\n[aa]\n",
                1,
                "the top of the file has no key `zz`; its keys are station, vault, source, stream, network_recorder, discovery, media, casework, custody, documents, export, derived, destination, erase, audit, retention, keeping, upload, backup, web, access, supervision, feedback, alarm, webhook, outbox, exchange, log, control",
            ),
        ];
        for (text, line, what) in table {
            assert_eq!(fault(text), (*line, (*what).to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        for (text, line) in [("a = 1\nb =\n", 2), ("[vault\n", 1), ("[vault]\ndir = 'a'\ndir = 'b'\n", 3)] {
            let (at, what) = fault(text);
            assert_eq!(at, line, "{what}");
            assert!(what.starts_with("this is not TOML: "), "{what}");
        }
    }

    #[test]
    fn keys_are_found_again_by_their_path() {
        let text = "[web]\nlisten = 'x'\n\n[[destination]]\nname = 'a'\n[[destination]]\nname = 'b'\n[source.folder]\n";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.line_of("web.listen"), Some(2));
        assert_eq!(document.line_of("web.tls_key"), Some(1), "a key that is missing is told at its section");
        assert_eq!(document.line_of("destination[1].name"), Some(7));
        assert_eq!(document.line_of("destination[1].bucket"), Some(6));
        assert_eq!(document.line_of("vault.dir"), None);
        let lines = document.lines();
        assert_eq!(lines.get("destination[1].name"), Some(&7));
        assert_eq!((lines.len(), lines.get("web.listen")), (3, Some(&2)));
    }

    #[test]
    fn numbers_may_be_grouped() {
        assert_eq!(
            Document::parse("[web]\nlisten='x'\n[vault]\nreserve_gb = 1_000\n")
                .unwrap()
                .written
                .vault
                .unwrap()
                .reserve_gb,
            Some(1000)
        );
    }
}
