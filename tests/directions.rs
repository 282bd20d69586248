//! Holds the directions between rooms and the fences around outside crates (the map in `src/lib.rs`), by
//! reading the source text: every `use` and every inline path, comments, texts and test modules left out.
//! What tests import is their own affair; what the program is made of is not.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room, and the rooms that it may name. `command` sees everything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("runtime", &["domain"]),
    ("worker", &["domain", "runtime", "config"]),
    ("source", &["domain", "runtime", "config", "worker"]),
    ("media", &["domain", "runtime", "config", "worker"]),
    ("vault", &["domain", "runtime", "config"]),
    ("store", &["domain", "runtime", "config"]),
    ("deliver", &["domain", "runtime", "config"]),
    ("custody", &["domain", "runtime", "config"]),
    ("intake", &["domain", "runtime", "config", "source", "vault", "store"]),
    ("casework", &["domain", "runtime", "config", "store"]),
    ("access", &["domain", "runtime", "config", "store"]),
    ("feedback", &["domain", "runtime", "config", "store"]),
    ("notice", &["domain", "runtime", "config", "store"]),
    ("web", &["domain", "runtime", "config", "store", "access"]),
    ("cli", &["domain", "config"]),
    ("main", &["command"]),
    ("lib", &[]),
];

/// Files and folders that join rooms which otherwise do not know each other, and what they may name besides. The uplink
/// and those that look after proven copies store each step before they take the next one; the forms of destinations
/// beside them know no database. The page shows pictures from the vault.
const JOINS: &[(&str, &[&str])] = &[
    ("src/deliver/audit.rs", &["store", "vault"]),
    ("src/deliver/evict.rs", &["store", "vault"]),
    ("src/deliver/dispose.rs", &["store", "vault"]),
    ("src/deliver/footage.rs", &["store", "vault"]),
    ("src/deliver/locks.rs", &["store"]),
    ("src/deliver/mend.rs", &["store", "vault"]),
    ("src/deliver/tiles.rs", &["store"]),
    ("src/deliver/uplink", &["store", "vault"]),
    ("src/notice/webhook.rs", &["deliver"]),
    ("src/web/bind.rs", &["vault"]),
];

/// Outside crates by the beginning of their names, and the rooms that may name them.
const FENCES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("gstreamer", &["media"]),
    ("axum", &["web"]),
    ("krilla", &["domain"]),
    ("argon2", &["access"]),
    ("jsonwebtoken", &["access"]),
    ("qrcodegen", &["web"]),
    ("hmac", &["access", "notice"]),
    ("lettre", &["notice"]),
    ("hadris", &["source"]),
    ("zstd", &["deliver"]),
    ("anyhow", &["command"]),
    ("clap", &["cli", "command"]),
];

#[test]
fn rooms_name_only_what_they_may() {
    let mut wrong = Vec::new();
    let mut rooms_seen = BTreeSet::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = Place::of(&file);
        rooms_seen.insert(place.room.clone());
        for found in violations(&place, &text) {
            wrong.push(format!("{}: {found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<String> =
        MAY_NAME.iter().map(|(room, _)| (*room).to_owned()).chain(["command".to_owned()]).collect();
    assert_eq!(rooms_seen, known, "a new room needs its line in the table, a removed one leaves it");
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let silent: Vec<_> =
        sources().into_iter().filter(|f| !std::fs::read_to_string(f).unwrap().starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these files must open with `//! `: {silent:?}");
}

#[test]
fn the_check_itself_finds_every_way_to_name_a_room() {
    let at = |path: &str| Place::of(Path::new(path));
    let cases: &[(&str, &str, &[&str])] = &[
        ("src/domain/clip.rs", "use crate::store::Row;", &["domain names store"]),
        ("src/domain/mod.rs", "fn f() { crate::runtime::clock::wall(); }", &["domain names runtime"]),
        ("src/vault/mod.rs", "use crate::{domain::ids::ClipId, store::{Row, Db}};", &["vault names store"]),
        ("src/vault/seal.rs", "use super::super::store::Row;", &["vault names store"]),
        ("src/vault/mod.rs", "use super::store::Row;", &["vault names store"]),
        ("src/vault/a/b.rs", "use super::super::super::{media, domain};", &["vault names media"]),
        ("src/vault/seal.rs", "use super::store::Row;", &[]),
        ("src/vault/mod.rs", "use crate as all;", &["vault names the whole crate"]),
        ("src/vault/mod.rs", "use crate::*;", &["vault names the whole crate"]),
        ("src/main.rs", "fn main() { evidock::store::open(); }", &["main names store"]),
        ("src/web/mod.rs", "use rusqlite::Connection;", &["web names rusqlite"]),
        ("src/store/mod.rs", "use rusqlite::Connection;", &[]),
        ("src/deliver/mod.rs", "use gstreamer_app as app;", &["deliver names gstreamer_app"]),
        ("src/deliver/mod.rs", "use {anyhow::Result, std::io};", &["deliver names anyhow"]),
        ("src/deliver/mod.rs", "pub use axum;", &["deliver names axum"]),
        ("src/vault/mod.rs", "// use crate::store::Row;\n/* crate::media::x /* */ crate::web::y */", &[]),
        (
            "src/vault/mod.rs",
            "const T: &str = \"use crate::store::Row; \\\" crate::web::x\"; const R: &str = r#\"\"crate::web::\"#;",
            &[],
        ),
        (
            "src/vault/mod.rs",
            "const C: char = '\"'; use crate::store::Row; const D: char = '\\'';",
            &["vault names store"],
        ),
        ("src/vault/mod.rs", "fn f<'a>(x: &'a str) { crate::store::x(); }", &["vault names store"]),
        (
            "src/vault/mod.rs",
            "#[cfg(test)]\nmod tests { use crate::store::Row; fn f() { {} } }\nuse crate::web::x;",
            &["vault names web"],
        ),
        ("src/vault/mod.rs", "#[cfg(test)]\npub(crate) mod fakes { use crate::store::Row; }", &[]),
        ("src/vault/mod.rs", "#[cfg(test)]\nmod tests;\nuse crate::web::x;", &["vault names web"]),
        ("src/deliver/uplink/clip.rs", "use crate::{store, vault, media};", &["deliver names media"]),
        ("src/deliver/uplinks.rs", "use crate::store::Db;", &["deliver names store"]),
        ("src/deliver/folder.rs", "use crate::store::Db;", &["deliver names store"]),
        ("src/command/run.rs", "use crate::{store, web, media}; use anyhow::Result;", &[]),
        ("src/vault/mod.rs", "let axum = 1; self.store::<u8>(); pub(crate) fn f() {}", &[]),
    ];
    for (path, text, expected) in cases {
        let found: Vec<String> = violations(&at(path), text).into_iter().collect();
        assert_eq!(found, *expected, "{path}: {text}");
    }
}

/// Where a file stands: its room, and how many `super` lead from it to the crate's root.
struct Place {
    room: String,
    depth: usize,
    joins: &'static [&'static str],
}

impl Place {
    fn of(path: &Path) -> Self {
        let inside: Vec<String> = path
            .components()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .skip_while(|c| c != "src")
            .skip(1)
            .collect();
        let room = inside[0].trim_end_matches(".rs").to_owned();
        let is_mod = inside.last().is_some_and(|name| name == "mod.rs");
        let joins = JOINS.iter().find(|(at, _)| path.starts_with(at)).map_or(&[] as &[&str], |(_, rooms)| *rooms);
        Self { room, depth: if is_mod { inside.len() - 1 } else { inside.len() }, joins }
    }
}

fn sources() -> Vec<PathBuf> {
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
    let mut files = Vec::new();
    gather(Path::new("src"), &mut files);
    let test_files: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_files_of(file)).collect();
    files.retain(|file| !test_files.contains(file));
    files.sort();
    files
}

/// The files of `#[cfg(test)] mod name;` in `file`.
fn test_files_of(file: &Path) -> Vec<PathBuf> {
    let tokens = tokens(&std::fs::read_to_string(file).unwrap());
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let dir = if matches!(stem, "mod" | "lib" | "main") { file.with_file_name("") } else { file.with_extension("") };
    (0..tokens.len())
        .filter_map(|i| test_module(&tokens, i))
        .filter(|name| tokens.get(name + 1).is_some_and(|t| t == ";"))
        .flat_map(|name| [dir.join(format!("{}.rs", tokens[name])), dir.join(&tokens[name]).join("mod.rs")])
        .collect()
}

/// What `text` names and must not, in words.
fn violations(place: &Place, text: &str) -> BTreeSet<String> {
    let tokens = without_test_modules(tokens(text));
    let mut found = BTreeSet::new();
    let may = MAY_NAME.iter().find(|(room, _)| *room == place.room).map(|(_, may)| *may);
    let mut judge = |named: &str| {
        let is_room = named == "command" || MAY_NAME.iter().any(|(room, _)| *room == named);
        let whole = named == "*" || named == "as";
        let allowed = may.is_none_or(|may| may.contains(&named)) || named == place.room || place.joins.contains(&named);
        if whole && may.is_some() {
            found.insert(format!("{} names the whole crate", place.room));
        } else if is_room && !allowed {
            found.insert(format!("{} names {named}", place.room));
        }
    };
    for (i, token) in tokens.iter().enumerate() {
        // `use crate as all;`, but not `pub(crate)`.
        if token == "crate" && tokens.get(i + 1).is_some_and(|t| t == "as") {
            judge("as");
        }
        if let Some(root) = after_root(&tokens, i, place) {
            first_segments(&tokens, root).iter().for_each(|name| judge(name));
        }
    }
    for (i, token) in tokens.iter().enumerate() {
        let Some((_, rooms)) = FENCES.iter().find(|(outside, _)| is_crate(token, outside)) else { continue };
        let begins_path = tokens.get(i + 1).is_some_and(|t| t == "::") && (i == 0 || tokens[i - 1] != "::");
        let imported =
            i > 0 && (tokens[i - 1] == "use" || (i > 1 && tokens[i - 2] == "extern" && tokens[i - 1] == "crate"));
        if (begins_path || imported) && !rooms.contains(&place.room.as_str()) {
            found.insert(format!("{} names {token}", place.room));
        }
    }
    found
}

fn is_crate(token: &str, outside: &str) -> bool {
    token == outside || token.strip_prefix(outside).is_some_and(|rest| rest.starts_with('_'))
}

/// Where a path that begins at `i` has just reached the crate's root, the index of what follows.
fn after_root(tokens: &[String], i: usize, place: &Place) -> Option<usize> {
    let continues = |at: usize| tokens.get(at).is_some_and(|t| t == "::");
    let begins = i == 0 || tokens[i - 1] != "::";
    match tokens[i].as_str() {
        "crate" | "evidock" if begins && continues(i + 1) => Some(i + 2),
        "super" if begins => {
            let mut at = i;
            let mut steps = 0;
            while tokens.get(at).is_some_and(|t| t == "super") && continues(at + 1) {
                steps += 1;
                at += 2;
            }
            (steps == place.depth).then_some(at)
        }
        _ => None,
    }
}

/// The first name behind the root, or each first name of a `{group, of::paths}`.
fn first_segments(tokens: &[String], at: usize) -> Vec<String> {
    if tokens.get(at).is_none_or(|t| t != "{") {
        return tokens.get(at).cloned().into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expect = true;
    for token in &tokens[at..] {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => expect = true,
            name if expect && depth == 1 => {
                names.push(name.to_owned());
                expect = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Names, `::` and single signs; comments, texts, characters and lifetimes left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => {
                let mut depth = 1;
                i += 2;
                while depth > 0 && i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                }
            }
            '"' => i = end_of_text(&chars, i + 1),
            // A character ('x', '\n', '\u{..}') ends with a quote; a lifetime does not.
            '\'' if at(i + 1) == '\\' => {
                i += 3 + chars[(i + 3).min(chars.len())..].iter().take_while(|c| **c != '\'').count() + 1
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c if c.is_alphanumeric() || c == '_' => {
                let word: String = chars[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                i += word.chars().count();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    i += hashes + 1;
                    while i < chars.len() && !chars[i..].starts_with(&end) {
                        i += 1;
                    }
                    i += end.len();
                } else {
                    tokens.push(word);
                }
            }
            ':' if at(i + 1) == ':' => {
                tokens.push("::".to_owned());
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    tokens
}

fn end_of_text(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Where `#[cfg(test)] mod name` begins at `i` (perhaps with a visibility), the index of its name.
fn test_module(tokens: &[String], i: usize) -> Option<usize> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    if !MARK.iter().enumerate().all(|(n, mark)| tokens.get(i + n).is_some_and(|t| t == mark)) {
        return None;
    }
    let visibility = ["pub", "(", "crate", "super", ")"];
    let behind = i + MARK.len();
    let skipped = tokens[behind..].iter().take_while(|t| visibility.contains(&t.as_str())).count();
    let name = behind + skipped + 1;
    (tokens.get(name - 1).is_some_and(|t| t == "mod") && name < tokens.len()).then_some(name)
}

/// Drops `#[cfg(test)] mod name { ... }`; `mod name;` names a file, which [`sources`] leaves out.
fn without_test_modules(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let body = test_module(&tokens, i).map(|name| name + 1).filter(|at| tokens.get(*at).is_some_and(|t| t == "{"));
        let Some(open) = body else {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        };
        let mut depth = 0;
        i = open;
        while i < tokens.len() {
            match tokens[i].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 {
                break;
            }
        }
    }
    kept
}
