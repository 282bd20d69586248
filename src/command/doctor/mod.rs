//! `evidock doctor`: what is missing or wrong on this machine, and what to do about each finding.
//!
//! Looks and never mends: nothing is made, moved or removed, except one small file in the vault that is gone
//! again when the look is over. Here: the order of the looks; what each may find is told by `domain::words::check`. `machine` looks at the box, `usb` at
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

use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{Output, padded};
use crate::config::Settings;
use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Gravity, Todo};
use crate::domain::words::Lang;
use crate::store::StoreError;

/// Looks that there are; `went` hears after each how many of them were made.
const LOOKS: u64 = 23;

/// Looks at everything, and gives what was found. Blocks.
pub(super) fn look(settings: &Settings, went: &dyn Fn(u64, u64)) -> anyhow::Result<Vec<Finding>> {
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
    let count = |gravity| findings.iter().filter(|f| f.gravity == gravity).count();
    let (problems, warnings) = (count(Gravity::Problem), count(Gravity::Warning));
    let exit = if problems == 0 { Exit::Ok } else { Exit::Failure };
    let w = output.words(settings.station.language);
    if output.is_json() {
        let findings: Vec<Value> = findings.iter().map(|f| told(f, w.lang)).collect();
        output.json(&json!({ "ok": problems == 0, "findings": findings }))?;
        return Ok(exit);
    }
    for f in &findings {
        let (gravity, part) = (padded(w.gravity(f.gravity), 8), padded(f.part.name(w.lang), 14));
        output.line(&format!("{gravity} {part} {}", f.found.told(w.lang)))?;
        if f.todo != Todo::Nothing {
            output.line(&format!("{:23} → {}", "", f.todo.told(w.lang)))?;
        }
    }
    output.line(&w.check_ended(problems, warnings))?;
    Ok(exit)
}

fn told(f: &Finding, lang: Lang) -> Value {
    json!({
        "level": f.gravity.as_str(), "part": f.part.name(lang), "words": f.found.told(lang), "todo": f.todo.told(lang),
    })
}

/// What the database does not say.
fn unread(part: CheckPart, error: &StoreError) -> Finding {
    Finding::problem(part, Found::DatabaseUnread { error: chain(error) }, Todo::SeeDatabase {})
}

/// A path as findings tell it.
fn at(path: &Path) -> String {
    path.display().to_string()
}

/// The path itself or, where it does not exist yet, the nearest directory above it that does.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}
