//! `evidock log verify`: the whole log against every checkpoint, those here, those that left the box, and those that
//! witnesses signed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use super::witness::{self, Shown, Witness};
use super::{Ended, anchors, destinations, find, prove, rotate};
use crate::cli::Log;
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::public_path;
use crate::custody::note::VerifierKey;
use crate::custody::report::{HeldBy, LogReport};
use crate::custody::retired;
use crate::custody::verify::{HeldCheckpoint, Trust, verify_log};
use crate::domain::command::Request;
use crate::domain::error::chain;
use crate::domain::layout;
use crate::store::{Store, StoreError};

/// Events that are read from the database at once: some 500 kB.
const BATCH: u32 = 1_000;
/// Checkpoints of the database that are compared, the newest: four months at one a minute, some 60 MB.
const MAX_CHECKPOINTS: u32 = 200_000;

/// The answer.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    report: LogReport,
    /// The tree's stored nodes cannot be read.
    tree_problem: Option<String>,
    /// Witnesses that know another history of this log.
    witness_problems: Vec<String>,
    /// What could not be looked at.
    warnings: Vec<String>,
}

/// Carries the verb out; ends with [`Exit::Mismatch`] on any problem.
pub fn log(verb: &Log, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        Log::Verify => verify(settings, output),
        Log::Prove(asked) => prove::prove(asked, settings, output),
        Log::Checkpoint => prove::checkpoint(settings, output),
        Log::RotateKey(asked) => rotate::rotate_key(asked, settings, output),
    }
}

fn verify(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let store = find::store(settings)?;
    let access = Request::LogAccess { what: "log".into(), clip: None, case: None, terms: None, purpose: None };
    find::log_access(settings, &access, output)?;
    let keys = trusted_keys(settings)?;
    let station = &settings.station.id;

    // Anchors first: an honest log is at least as long when it is read afterwards.
    let stored = store.read_blocking(|r| r.checkpoints(MAX_CHECKPOINTS))?;
    let known = stored.iter().map(|c| layout::checkpoint(station, c.epoch, c.size)).collect();
    let (mut held, mut warnings) = anchored(settings, &store, &known)?;
    if stored.len() == MAX_CHECKPOINTS as usize {
        warnings.push(format!("only the newest {MAX_CHECKPOINTS} checkpoints of the database were compared"));
    }
    let mut refusals = Vec::new();
    witnessed(settings, &store, &mut held, &mut refusals, &mut warnings)?;
    held.extend(stored.into_iter().map(|c| HeldCheckpoint { held_by: HeldBy::Store, note: c.note.into_bytes() }));
    let size = store.read_blocking(|r| r.log_size())?;
    let (tree, tree_problem) = match store.read_blocking(|r| r.log_root(size)) {
        Ok(root) => (Some((size, root)), None),
        Err(e @ StoreError::Odd(_)) => (None, Some(chain(&e))),
        Err(e) => return Err(e.into()),
    };
    let trust = Trust { station, keys: &keys, tree };
    let report = verify_log(&trust, Entries { store, size, next: 0, read: VecDeque::new(), failed: false }, held);

    let intact = report.intact && tree_problem.is_none() && refusals.is_empty();
    let exit = if intact { Exit::Ok } else { Exit::Mismatch };
    let answer = Answer { report, tree_problem, witness_problems: refusals, warnings };
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.raw(&answer.report.to_string())?;
        if let Some(problem) = &answer.tree_problem {
            output.line(&format!("NOT INTACT: the stored tree cannot be read: {problem}"))?;
        }
        for problem in &answer.witness_problems {
            output.line(&format!("NOT INTACT: {problem}"))?;
        }
        for warning in &answer.warnings {
            output.line(&format!("warning: {warning}"))?;
        }
    }
    Ok(exit)
}

/// The keys under which this station's log may be signed: its own, and those of earlier times. A restore goes on under a
/// new one where it could not bring the old one back, and keys are changed by hand.
pub(super) fn trusted_keys(settings: &Settings) -> anyhow::Result<Vec<VerifierKey>> {
    let mut keys = vec![trusted_key(settings)?];
    keys.extend(retired::read(&settings.station.state_dir)?);
    Ok(keys)
}

/// Asks every witness: the newest checkpoint is shown to it once more. What it signs counts as held off this box; one
/// that knows another history is a problem, one that does not answer a warning.
fn witnessed(
    settings: &Settings,
    store: &Store,
    held: &mut Vec<HeldCheckpoint>,
    refusals: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> anyhow::Result<()> {
    if settings.custody.witnesses.is_empty() {
        return Ok(());
    }
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let head = store.read_blocking(|r| {
        let epoch = r.epoch()?;
        Ok(r.last_checkpoint()?.filter(|head| head.epoch == epoch))
    })?;
    let Some(head) = head else { return Ok(()) };
    super::block_on(async {
        for written in &settings.custody.witnesses {
            let shown = match Witness::new(written) {
                Ok(witness) => {
                    let known = store.read_blocking(|r| r.last_cosigned(&written.name, head.epoch))?;
                    witness::show(&witness, store, &head, known.map_or(0, |(size, _)| size)).await?
                }
                Err(e) => Shown::Silent(format!("{e:#}")),
            };
            match shown {
                // Its own signature was checked; ours stands above it in the same note.
                Shown::Signed { row, note } => held.push(HeldCheckpoint {
                    held_by: HeldBy::Anchor(format!("witness {}", written.name)),
                    note: (note + &row.line).into_bytes(),
                }),
                Shown::Accused(why) => refusals.push(format!("witness {} refuses this log: {why}", written.name)),
                Shown::Silent(why) => warnings.push(format!("witness {} was not asked: {why}", written.name)),
            }
        }
        Ok(())
    })
}

/// The key that must have signed: the public half beside the station's own.
fn trusted_key(settings: &Settings) -> anyhow::Result<VerifierKey> {
    let path = public_path(&settings.station.state_dir.join("log.key"));
    let line = std::fs::read_to_string(&path).with_context(|| {
        format!("the log's public key {} cannot be read; the daemon makes it at its first start", path.display())
    })?;
    let key: VerifierKey = line.trim_end().parse().with_context(|| format!("reading {}", path.display()))?;
    let wanted = key_name(&settings.station.id);
    if key.name() != wanted {
        return Err(Ended::with(
            Exit::Mismatch,
            format!("{} is the key of {}, not of {wanted}; whose state directory is this?", path.display(), key.name()),
        ));
    }
    Ok(key)
}

/// What every destination holds; one that does not answer is a warning.
fn anchored(
    settings: &Settings,
    store: &Store,
    known: &HashSet<String>,
) -> anyhow::Result<(Vec<HeldCheckpoint>, Vec<String>)> {
    let (mut held, mut warnings) = (Vec::new(), Vec::new());
    super::block_on(async {
        for written in &settings.destinations {
            let name = written.name.to_string();
            let used = store.read_blocking(|r| r.stored_at(&name))?;
            let read = match destinations::make(settings, written, used, Some(Arc::new(store.clone()))) {
                Ok(dest) => anchors::read_back(&*dest, &settings.station.id, known).await.map_err(|e| chain(&e)),
                Err(e) => Err(format!("{e:#}")),
            };
            match read {
                Ok(found) if found.listed == 0 => warnings
                    .push(format!("{name} holds no checkpoint yet; nothing off this box confirms the log there")),
                Ok(found) => held.extend(found.notes),
                Err(why) => warnings.push(format!("the checkpoints at {name} were not compared: {why}")),
            }
        }
        Ok(())
    })?;
    Ok((held, warnings))
}

/// The log's entries below `size`, read as they are asked for.
struct Entries {
    store: Store,
    size: u64,
    next: u64,
    read: VecDeque<(u64, Vec<u8>)>,
    failed: bool,
}

impl Iterator for Entries {
    type Item = Result<(u64, Vec<u8>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && !self.failed && self.next < self.size {
            match self.store.read_blocking(|r| r.log_entries(self.next, BATCH)) {
                Ok(rows) => self.read.extend(rows.into_iter().map(|row| (row.seq, row.bytes))),
                Err(e) => {
                    self.failed = true;
                    return Some(Err(chain(&e)));
                }
            }
        }
        let entry = self.read.pop_front().filter(|(seq, _)| *seq < self.size)?;
        self.next = entry.0 + 1;
        Some(Ok(entry))
    }
}
