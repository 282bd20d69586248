//! `evidock doctor`: what is missing or wrong on this machine, and what to do about each finding.
//!
//! Looks and never mends: nothing is made, moved or removed, except one small file in the vault that is gone
//! again when the look is over. Here: findings and the order of the looks. `machine` looks at the box, `usb` at
//! recorders on USB, `streams` at rooms that are recorded live, `station` at what evidock keeps on it, `sm2` at the key of
//! second signatures, `orphans` at the vault against the database, `keeping` at what becomes of clips after their proof, `notice` at who is told,
//! `tallies` at figures that are kept as they go.

mod door;
mod keeping;
mod machine;
mod notice;
mod orphans;
mod searching;
mod sm2;
mod station;
mod streams;
mod tallies;
mod usb;

use std::path::Path;

use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use crate::config::Settings;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// evidock works, with less than it could have.
    Warning,
    /// Something that must be is not.
    Problem,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// What was looked at; a stable word.
    part: &'static str,
    /// What was found.
    words: String,
    /// What to do; empty where nothing needs to be done.
    todo: String,
}

impl Finding {
    fn ok(part: &'static str, words: impl Into<String>) -> Self {
        Self { level: Level::Ok, part, words: words.into(), todo: String::new() }
    }

    fn warning(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Warning, part, words: words.into(), todo: todo.into() }
    }

    fn problem(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Problem, part, words: words.into(), todo: todo.into() }
    }
}

/// Looks that there are; `went` hears after each how many of them were made.
const LOOKS: u64 = 23;

/// Looks at everything, and gives what was found in the words that administration shows. Blocks.
pub(super) fn report(
    settings: &Settings,
    went: &dyn Fn(u64, u64),
) -> anyhow::Result<Vec<crate::domain::office::Finding>> {
    use crate::domain::office::{Finding as Told, Gravity};
    let told = |f: Finding| Told {
        gravity: match f.level {
            Level::Ok => Gravity::Ok,
            Level::Warning => Gravity::Warning,
            Level::Problem => Gravity::Problem,
        },
        part: f.part.to_owned(),
        words: f.words,
        todo: f.todo,
    };
    Ok(look(settings, went)?.into_iter().map(told).collect())
}

fn look(settings: &Settings, went: &dyn Fn(u64, u64)) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut made = 0;
    let mut take = |found: Vec<Finding>| {
        findings.extend(found);
        made += 1;
        went(made, LOOKS);
    };
    take(station::configuration(settings));
    take(machine::state(settings));
    take(machine::vault(settings));
    take(machine::docks(settings));
    take(usb::usb(settings));
    take(machine::media(settings)?);
    take(machine::typeface(settings));
    take(machine::time(settings));
    let (found, store) = station::database(settings);
    take(found);
    take(station::key(settings, store.is_some()));
    take(sm2::key(settings, store.as_ref()));
    take(station::daemon(settings));
    take(streams::look(settings, store.as_ref()));
    take(station::destinations(settings, store.as_ref()));
    take(station::backup(settings, store.as_ref()));
    if let Some(store) = &store {
        take(orphans::look(&settings.vault.dir, store));
        take(keeping::look(settings, store));
        take(notice::look(settings, store));
        take(vec![searching::look(store)]);
        take(vec![tallies::look(store)]);
    }
    take(station::accounts(settings, store.as_ref()));
    take(door::ways(settings, store.as_ref()));
    take(station::certificate(settings));
    Ok(findings)
}

/// Carries the verb out; ends with [`Exit::Failure`] when there is a problem. Warnings are allowed.
pub fn doctor(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let findings = look(settings, &|_, _| {})?;
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let exit = if problems == 0 { Exit::Ok } else { Exit::Failure };
    if output.is_json() {
        output.json(&serde_json::json!({ "ok": problems == 0, "findings": findings }))?;
        return Ok(exit);
    }
    for f in &findings {
        output.line(&format!("{:<8} {:<14} {}", f.level.as_str(), f.part, f.words))?;
        if !f.todo.is_empty() {
            output.line(&format!("{:23} → {}", "", f.todo))?;
        }
    }
    output.line(&format!("{}, {}", count_of(problems, "problem"), count_of(warnings, "warning")))?;
    Ok(exit)
}

fn count_of(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The path itself or, where it does not exist yet, the nearest directory above it that does.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}
