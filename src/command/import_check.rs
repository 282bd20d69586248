//! `evidock import-check`: checks an evidence package on a machine that has nothing else. Reads the package alone.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::exit::Exit;
use super::goes_on::note_in;
use super::output::Output;
use crate::cli::ImportCheck;
use crate::config::Language;
use crate::custody::note::VerifierKey;
use crate::custody::package::Folder;
use crate::custody::package::check::{Anchor, Given, Report, check, together};
use crate::custody::sm2::Sm2Key;

/// Carries the verb out; ends with [`Exit::Mismatch`] on any problem.
pub fn import_check(asked: &ImportCheck, output: &Output) -> anyhow::Result<Exit> {
    let trusted = keys(asked.trust.as_deref(), "the station's log.key.pub")?;
    let witnesses = keys(asked.witness.as_deref(), "the witness's log.key.pub")?;
    let sm2 = sm2_keys(asked.trust_sm2.as_deref())?;
    let mut progress = output.progress("check", 0);
    let kept = asked.anchor.as_deref().map(note_in).transpose()?;
    let proof = asked.proof.as_deref().map(note_in).transpose()?;
    let anchor = kept.as_deref().map(|note| Anchor { note, proof: proof.as_deref() });
    let given = Given { station: &trusted, sm2: &sm2, witnesses: &witnesses, anchor };
    let report = check(&Folder::at(&asked.dir), given, &mut |bytes| progress.advance(bytes));
    let beside = asked.discs.iter().map(|dir| check(&Folder::at(dir), given, &mut |bytes| progress.advance(bytes)));
    let beside: Vec<Report> = beside.collect();
    drop(progress);
    let whole = match beside.is_empty() {
        true => tell_one(&report, output)?,
        false => tell_discs(std::iter::once(report).chain(beside).collect(), output)?,
    };
    Ok(if whole { Exit::Ok } else { Exit::Mismatch })
}

fn tell_one(report: &Report, output: &Output) -> anyhow::Result<bool> {
    if output.is_json() {
        output.json(report)?;
    } else {
        tell(report, output)?;
    }
    Ok(report.whole)
}

/// Discs that were given together are compared with each other, too.
fn tell_discs(reports: Vec<Report>, output: &Output) -> anyhow::Result<bool> {
    let problems = together(&reports.iter().map(|report| report.stretch.clone()).collect::<Vec<_>>());
    let whole = problems.is_empty() && reports.iter().all(|report| report.whole);
    if output.is_json() {
        output.json(&json!({ "whole": whole, "problems": problems, "discs": reports }))?;
        return Ok(whole);
    }
    for report in &reports {
        tell(report, output)?;
    }
    for problem in &problems {
        output.line(&format!("  - {problem}"))?;
    }
    let w = output.words(Language::Auto);
    output.line(if whole { w.pk_in_order } else { w.pk_not_in_order })?;
    Ok(whole)
}

/// The keys in a file, one a line; none where no file is given.
fn keys(path: Option<&Path>, meant: &str) -> anyhow::Result<Vec<VerifierKey>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<VerifierKey> = lines
        .map(|line| line.parse().with_context(|| format!("reading {}", path.display())))
        .collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!keys.is_empty(), "{} holds no key; give {meant}", path.display());
    Ok(keys)
}

/// The SM2 keys in a file: PEM as in `log.sm2.key.pub`, one or more, or lines as in `log.sm2.retired`.
fn sm2_keys(path: Option<&Path>) -> anyhow::Result<Vec<Sm2Key>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut keys, mut pem) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if pem.is_empty() && !line.starts_with("-----") {
            keys.push(line.parse().with_context(|| format!("reading {}", path.display()))?);
            continue;
        }
        pem.push_str(line);
        pem.push('\n');
        if line.starts_with("-----END") {
            let key = Sm2Key::from_pem("given", &std::mem::take(&mut pem));
            keys.push(key.with_context(|| format!("{} holds a PEM that is no SM2 public key", path.display()))?);
        }
    }
    anyhow::ensure!(pem.is_empty(), "{} ends in the middle of a PEM", path.display());
    anyhow::ensure!(!keys.is_empty(), "{} holds no SM2 key; give the station's log.sm2.key.pub", path.display());
    Ok(keys)
}

fn tell(report: &Report, output: &Output) -> anyhow::Result<()> {
    let w = output.words(Language::Auto);
    let mut facts = Vec::new();
    for (name, value) in [
        (w.pk_case, &report.case_no),
        (w.pk_station, &report.station),
        (w.pk_package, &report.package),
        ("key", &report.key),
    ] {
        if let Some(value) = value {
            facts.push(format!("{name}: {value}"));
        }
    }
    if let Some(stretch) = report.stretch.as_ref().filter(|stretch| stretch.discs > 1) {
        facts.push(format!(
            "disc {} of {}: clips {} to {} of the {} that were asked for; give the folders of all discs to have them compared with each other",
            stretch.disc, stretch.discs, stretch.first, stretch.last, stretch.of
        ));
    }
    facts.push(format!("clips: {} as they were sealed", report.clips));
    if report.restored > 0 {
        facts.push(format!("clips: {} as their records said when the station was restored", report.restored));
    }
    facts.push(format!("events: {} in the log", report.events));
    if let Some(size) = report.checkpoint_size {
        facts.push(format!("checkpoint: over {size} events"));
    }
    if let Some(size) = report.anchor_size {
        facts.push(format!("of one history with the checkpoint over {size} events that was given"));
    }
    if report.derived > 0 {
        facts.push(format!(
            "{} derived files, each of a clip of this package; none of them is the evidence",
            report.derived
        ));
    }
    if report.sm2 {
        facts.push(match &report.sm2_key {
            Some(key) => format!("signed a second time, with SM2, by {key}, which the log names"),
            None => "signed a second time, with SM2; the log in it names no such key".to_owned(),
        });
        facts.push(match report.sm2_origin_shown {
            true => "its SM2 key is one of those that were given".to_owned(),
            false => "its SM2 key was compared with the log alone (--trust-sm2 compares it with one that was learned elsewhere)"
                .to_owned(),
        });
    }
    facts.extend(report.witnessed.iter().map(|who| format!("witnessed by {who}; its signature was compared")));
    facts.extend(report.cosigners.iter().map(|name| format!("cosigned by {name}; its key was not compared")));
    facts.extend(report.timestamps.iter().map(|at| format!("timestamp of {at}; verify it with openssl ts -verify")));
    for line in facts {
        output.line(&line)?;
    }
    for problem in &report.problems {
        output.line(&format!("  - {problem}"))?;
    }
    let told = report.problems.len() as u64;
    if report.problem_count > told {
        output.line(&format!("  - and {} more", report.problem_count - told))?;
    }
    for notice in &report.notices {
        output.line(&format!("note: {notice}"))?;
    }
    output.line(if report.whole { w.pk_in_order } else { w.pk_not_in_order })?;
    Ok(())
}
