//! `evidock import-check`: checks an evidence package on a machine that has nothing else. Reads the package alone.

use anyhow::Context;

use super::exit::Exit;
use super::output::Output;
use crate::cli::ImportCheck;
use crate::config::Language;
use crate::custody::note::VerifierKey;
use crate::custody::package::Folder;
use crate::custody::package::check::{Report, check};

/// Carries the verb out; ends with [`Exit::Mismatch`] on any problem.
pub fn import_check(asked: &ImportCheck, output: &Output) -> anyhow::Result<Exit> {
    let mut trusted = Vec::new();
    if let Some(path) = &asked.trust {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let key: VerifierKey = line.parse().with_context(|| format!("reading {}", path.display()))?;
            trusted.push(key);
        }
        anyhow::ensure!(!trusted.is_empty(), "{} holds no key; give the station's log.key.pub", path.display());
    }
    let mut progress = output.progress("check", 0);
    let report = check(&Folder::at(&asked.dir), &trusted, &mut |bytes| progress.advance(bytes));
    drop(progress);
    if output.is_json() {
        output.json(&report)?;
    } else {
        tell(&report, output)?;
    }
    Ok(if report.whole { Exit::Ok } else { Exit::Mismatch })
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
    facts.push(format!("clips: {} as they were sealed", report.clips));
    facts.push(format!("events: {} in the log", report.events));
    if let Some(size) = report.checkpoint_size {
        facts.push(format!("checkpoint: over {size} events"));
    }
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
