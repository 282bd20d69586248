//! Holds that every key of the configuration has an effect: each field of the settings is read somewhere outside
//! `config`, by reading the source text as `tests/directions.rs` does. `doctor` and `config show` tell what a key
//! says; telling is no effect, so they do not count.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// Fields that are another form of one that has an effect, each with which.
const OTHER_FORMS: &[(&str, &str, &str)] = &[("Station", "zone_name", "zone")];

/// Where reading a setting is no effect.
const ONLY_TELL: &[&str] = &["src/config/", "src/command/config.rs", "src/command/doctor/"];

#[test]
fn every_setting_is_read_by_something_that_acts_on_it() {
    let mut files = vec![PathBuf::from("src/config/settings.rs")];
    gather(Path::new("src/config/settings"), &mut files);
    let settings: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut sources = Vec::new();
    gather(Path::new("src"), &mut sources);
    let texts: Vec<String> = sources
        .iter()
        .filter(|file| !ONLY_TELL.iter().any(|prefix| file.starts_with(prefix) || file.to_str() == Some(prefix)))
        .map(|file| without_comments(&std::fs::read_to_string(file).unwrap()))
        .collect();
    let unread = unread(&settings, &texts);
    assert!(unread.is_empty(), "nothing outside `config` reads {unread:?}: a key without an effect misleads");
}

#[test]
fn the_check_itself_finds_what_nobody_reads() {
    let settings = "
        pub struct Settings { pub media: Media, pub destinations: Vec<Destination>, }
        pub struct Media { pub timeout: Duration, pub workers: usize, }
        impl Media { pub fn most(&self) -> usize { self.workers } }
        pub struct Destination { pub name: String, pub kind: Kind, }
        pub enum Kind { S3(S3), }
        pub struct S3 { pub bucket: String, }
    ";
    let rest = "let media = &settings.media; for d in &settings.destinations { d.name; match &d.kind { Kind::S3(s) => s.bucket } }";
    let table: &[(&str, &[&str])] = &[
        ("media.timeout; media.workers", &[]),
        ("settings.media.timeout; media.most()", &[]),
        ("settings.media.workers; other.timeout", &["Media.timeout"]),
        ("media.timeout; job.workers; most()", &["Media.workers"]),
        ("media.timeouts; media.workers", &["Media.timeout"]),
        ("fn f(m: &Media) { m.timeout; m.workers }", &[]),
        ("struct All(Vec<Media>); self.0.map(|m| m.timeout + m.workers)", &[]),
        ("self.0.map(|m| m.timeout + m.workers)", &["Media.timeout", "Media.workers"]),
    ];
    for (text, wanted) in table {
        assert_eq!(unread(settings, &[format!("{text}; {rest}")]), *wanted, "{text}");
    }
    let no_bucket = rest.replace("s.bucket", "bucket");
    assert_eq!(unread(settings, &[format!("media.timeout; media.workers; {no_bucket}")]), ["S3.bucket"]);
}

fn gather(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// `Struct.field` of every field of `settings` that no text reads, in order.
fn unread(settings: &str, texts: &[String]) -> Vec<String> {
    let structs = structs(settings);
    let accesses: Vec<BTreeSet<(&str, &str)>> = texts.iter().map(|text| accesses(text)).collect();
    let closure = regex(r"\|&?(\w+)\|");
    let mut unread = Vec::new();
    for (name, fields) in &structs {
        let sections = sections_of(name, settings, &structs);
        let ways = ways_to_name(name, &sections);
        // What each file reads of values of this type, by the names that it gives them.
        let mut read = BTreeSet::new();
        for (text, accesses) in texts.iter().zip(&accesses) {
            let aliases = ways.captures_iter(text).flat_map(|c| c.iter().skip(1).flatten().collect::<Vec<_>>());
            // A file that keeps many of them goes through them in closures.
            let keeps = text.contains(&format!("Vec<{name}>"));
            let closures = closure.captures_iter(text).filter(|_| keeps).filter_map(|c| c.get(1));
            let names: BTreeSet<&str> =
                aliases.chain(closures).map(|m| m.as_str()).chain(sections.iter().map(String::as_str)).collect();
            read.extend(accesses.iter().filter(|(of, _)| names.contains(of)).map(|(_, field)| *field));
        }
        for (field, _) in fields {
            let other = OTHER_FORMS.iter().any(|(s, f, of)| s == name && f == field && read.contains(of));
            let through = methods_that_read(settings, name, field).iter().any(|method| read.contains(method.as_str()));
            if !other && !through && !read.contains(field.as_str()) {
                unread.push(format!("{name}.{field}"));
            }
        }
    }
    unread
}

/// Every `a.b` of the text, as `(a, b)`; of `a.b.c` both pairs.
fn accesses(text: &str) -> BTreeSet<(&str, &str)> {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices('.')
        .map(|(dot, _)| {
            let (before, behind) = (text[..dot].trim_end(), text[dot + 1..].trim_start());
            let begin = before.rfind(|c| !in_name(c)).map_or(0, |at| at + 1);
            (&before[before.ceil_char_boundary(begin)..], behind.split(|c| !in_name(c)).next().unwrap_or_default())
        })
        .collect()
}

/// Structs by name, each with its public fields and their types.
fn structs(settings: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let field = regex(r"\bpub (\w+): ([^,{}]+),");
    regex(r"(?s)pub struct (\w+) \{(.*?)\}")
        .captures_iter(&without_comments(settings))
        .map(|c| {
            let fields = field.captures_iter(&c[2]).map(|f| (f[1].to_owned(), f[2].to_owned())).collect();
            (c[1].to_owned(), fields)
        })
        .collect()
}

/// Names of the fields that hold a value of this type, and of the enum variants around it.
fn sections_of(name: &str, settings: &str, structs: &BTreeMap<String, Vec<(String, String)>>) -> Vec<String> {
    if name == "Settings" {
        return vec!["settings".to_owned()];
    }
    let holds = regex(&format!(r"\b{name}\b"));
    let fields = structs.values().flatten().filter(|(_, of)| holds.is_match(of)).map(|(field, _)| field.clone());
    let variant = regex(&format!(r"\b(\w+)\({name}\),"));
    fields.chain(variant.captures_iter(settings).map(|c| c[1].to_owned())).collect()
}

/// Matches wherever a text gives a name to a value of the type `name`, which stands in `sections`.
fn ways_to_name(name: &str, sections: &[String]) -> Regex {
    let of = sections.join("|");
    let ways = [
        format!(r"\blet (\w+) = &?[\w.]*\b(?:{of})\s*;"),
        format!(r"\b(\w+): &?(?:\w+::)*{name}\b"),
        format!(r"\bSome\((\w+)\) = &?[\w.]*\b(?:{of})\b"),
        format!(r"\bmatch &?[\w.]*\b(?:{of}) \{{\s*Some\((\w+)\)"),
        format!(r"\bfor (?:\(\w+, )?(\w+)\)? in [^{{]*\b(?:{of})\b"),
        format!(r"\b(?:{of})\s*(?:\.iter\(\)|\.as_ref\(\))\s*\.\w+\(\|(?:\(\w+, )?(\w+)\)?\|"),
        format!(r"\b(?:{of})\((\w+)\)"),
    ];
    regex(&ways.join("|"))
}

/// Public methods of `name` in `settings` that read `field`.
fn methods_that_read(settings: &str, name: &str, field: &str) -> Vec<String> {
    let reads = regex(&format!(r"\bself\s*\.\s*{field}\b"));
    let Some(found) = regex(&format!(r"(?m)^\s*impl {name} \{{")).find(settings) else { return Vec::new() };
    let body = &settings[found.end()..];
    let body = body.split("\n}").next().unwrap_or(body);
    body.split("pub fn ")
        .skip(1)
        .filter(|f| reads.is_match(f))
        .map(|f| f.split('(').next().unwrap().to_owned())
        .collect()
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}
