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

/// Looks at everything, and gives what was found in the words that administration shows. Blocks.
pub(super) fn report(settings: &Settings) -> anyhow::Result<Vec<crate::domain::office::Finding>> {
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
    Ok(look(settings)?.into_iter().map(told).collect())
}

fn look(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let mut findings = station::configuration(settings);
    findings.extend(machine::state(settings));
    findings.extend(machine::vault(settings));
    findings.extend(machine::docks(settings));
    findings.extend(usb::usb(settings));
    findings.extend(machine::media(settings)?);
    findings.extend(machine::typeface(settings));
    findings.extend(machine::time(settings));
    let (found, store) = station::database(settings);
    findings.extend(found);
    findings.extend(station::key(settings, store.is_some()));
    findings.extend(sm2::key(settings, store.as_ref()));
    findings.extend(station::daemon(settings));
    findings.extend(streams::look(settings, store.as_ref()));
    findings.extend(station::destinations(settings, store.as_ref()));
    findings.extend(station::backup(settings, store.as_ref()));
    if let Some(store) = &store {
        findings.extend(orphans::look(&settings.vault.dir, store));
        findings.extend(keeping::look(settings, store));
        findings.extend(notice::look(settings, store));
        findings.push(searching::look(store));
        findings.push(tallies::look(store));
    }
    findings.extend(station::accounts(settings, store.as_ref()));
    findings.extend(door::ways(settings, store.as_ref()));
    findings.extend(station::certificate(settings));
    Ok(findings)
}

/// Carries the verb out; ends with [`Exit::Failure`] when there is a problem. Warnings are allowed.
pub fn doctor(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let findings = look(settings)?;
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
