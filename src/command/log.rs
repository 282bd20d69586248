//! `evidock log verify`: the whole log against every checkpoint, those here, those that left the box, and those that
//! witnesses signed.

use std::collections::VecDeque;

use anyhow::Context;
use serde::Serialize;

use super::exit::Exit;
use super::far_log::{self, Far, Known, ReadAt};
use super::output::Output;
use super::sealings::Sealings;
use super::witness::{self, Shown, Witness};
use super::{Ended, ask, epochs, find, goes_on, prove, rotate, sm2};
use crate::cli::{Log, VerifyLog};
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::public_path;
use crate::custody::losses::Epochs;
use crate::custody::note::VerifierKey;
use crate::custody::report::{HeldBy, LogReport, Verdict};
use crate::custody::retired;
use crate::custody::verify::{Entry, HeldCheckpoint, Trust, verify_stamped_log};
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
    /// What it comes to.
    verdict: Verdict,
    /// What was read of each destination, and of how much.
    read: Vec<ReadAt>,
    /// The tree's stored nodes cannot be read.
    tree_problem: Option<String>,
    /// Epochs by which nothing was read at destinations, since the log is not in order.
    epoch_problem: Option<String>,
    /// Witnesses that know another history of this log.
    witness_problems: Vec<String>,
    /// Clips whose rows were compared with the entries that sealed them.
    clips: u64,
    /// Clips that are not what the log says was sealed.
    clip_problems: Vec<String>,
    /// How many there are, also beyond those that are told.
    clip_problem_count: u64,
    /// What could not be looked at.
    warnings: Vec<String>,
}

/// Carries the verb out; ends with [`Exit::Mismatch`] on any problem.
pub fn log(verb: &Log, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        Log::Verify(asked) => verify(asked, settings, output),
        Log::Prove(asked) => match &asked.from {
            Some(from) => goes_on::prove(asked, from, settings, output),
            None => prove::prove(asked, settings, output),
        },
        Log::Checkpoint => prove::checkpoint(settings, output),
        Log::RotateKey(asked) => rotate::rotate_key(asked, settings, output),
    }
}

fn verify(asked: &VerifyLog, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let store = find::store(settings)?;
    let access = Request::LogAccess { what: "log".into(), clip: None, case: None, terms: None, purpose: None };
    // It shows nothing of any clip or person: with the daemon stopped it looks all the same, and writes nothing into a
    // database that may not be what it was.
    match ask::request(settings, &access) {
        Err(e) if e.downcast_ref::<Ended>().is_some_and(|e| e.exit == Exit::Unreachable) => {
            output.note(output.words(settings.station.language).look_not_logged);
        }
        answer => {
            answer?;
        }
    }
    let (keys, second) = (trusted_keys(settings)?, sm2::trusted_keys(settings)?);
    let station = &settings.station.id;

    // Anchors first: an honest log is at least as long when it is read afterwards.
    let most = if asked.all { u32::MAX } else { MAX_CHECKPOINTS };
    let stored = store.read_blocking(|r| r.checkpoints(most))?;
    let (stamps, stamp_keys) = far_log::stamps(&store, station)?;
    let begun = store.read_blocking(epochs::begun)?;
    let lost = begun.iter().flat_map(|begun| &begun.opening.lost);
    let known = Known {
        checkpoints: stored.iter().map(|c| layout::checkpoint(station, c.epoch, c.size)).collect(),
        stamps: stamp_keys,
        lost: lost.map(|head| layout::checkpoint(station, head.epoch, head.size)).collect(),
        all: asked.all,
    };
    let mut far = far_log::read(settings, &store, &begun, &known)?;
    if stored.len() as u64 >= u64::from(most) {
        far.warnings.push(format!(
            "only the newest {MAX_CHECKPOINTS} checkpoints of the database were compared; `--all` compares every one"
        ));
    }
    let mut refusals = Vec::new();
    witnessed(settings, &store, &mut far, &mut refusals)?;
    let trees = far_log::lost_trees(settings, &begun, &mut far)?;
    let Far { notes: mut held, stamps: far_stamps, tiles, read, unasked, warnings, .. } = far;
    held.extend(stored.into_iter().map(|c| HeldCheckpoint { held_by: HeldBy::Store, note: c.note.into_bytes() }));
    let size = store.read_blocking(|r| r.log_size())?;
    let (tree, tree_problem) = match store.read_blocking(|r| r.log_root(size)) {
        Ok(root) => (Some((size, root)), None),
        Err(e @ StoreError::Odd(_)) => (None, Some(chain(&e))),
        Err(e) => return Err(e.into()),
    };
    let told = Epochs { accepted: &asked.accept_epoch, unasked, trees: &trees };
    let trust = Trust { station, keys: &keys, sm2: &second, tree, epochs: told };
    let mut sealings = Sealings::new(&store);
    let entries = Entries { store, size, next: 0, read: VecDeque::new(), failed: false };
    let entries = entries.inspect(|entry| {
        if let Ok(entry) = entry {
            sealings.entry(entry.seq, &entry.bytes);
        }
    });
    let report = verify_stamped_log(&trust, entries, held, stamps.into_iter().chain(far_stamps), tiles);
    let clips = sealings.finish()?;
    let epoch_problem = epochs::unseen(&report.epochs, &begun);

    let others = tree_problem.is_none() && epoch_problem.is_none() && refusals.is_empty() && clips.problem_count == 0;
    let verdict = if others { report.verdict() } else { Verdict::NotIntact };
    let exit = match verdict {
        Verdict::Intact => Exit::Ok,
        Verdict::Loss => Exit::Loss,
        Verdict::NotIntact => Exit::Mismatch,
    };
    let answer = Answer {
        report: LogReport { intact: verdict == Verdict::Intact, ..report },
        verdict,
        read,
        tree_problem,
        epoch_problem,
        witness_problems: refusals,
        clips: clips.clips,
        clip_problems: clips.problems,
        clip_problem_count: clips.problem_count,
        warnings,
    };
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.raw(&answer.report.to_string())?;
        if let Some(problem) = &answer.tree_problem {
            output.line(&format!("NOT INTACT: the stored tree cannot be read: {problem}"))?;
        }
        for problem in answer.epoch_problem.iter().chain(&answer.witness_problems) {
            output.line(&format!("NOT INTACT: {problem}"))?;
        }
        for problem in &answer.clip_problems {
            output.line(&format!("NOT INTACT: {problem}"))?;
        }
        for read in &answer.read {
            output.line(&read.to_string())?;
        }
        output.line(&format!("Clips: {} compared with what was sealed", answer.clips))?;
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

/// Asks every witness: the newest checkpoint is shown to it once more, and it tells what it has signed before, of every
/// epoch. Both count as held off this box. One that knows another history, or this log under another key, is a problem; one
/// that does not answer a warning.
fn witnessed(settings: &Settings, store: &Store, far: &mut Far, refusals: &mut Vec<String>) -> anyhow::Result<()> {
    let Far { notes: held, warnings, unasked, .. } = far;
    if settings.custody.witnesses.is_empty() {
        return Ok(());
    }
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (epoch, head) = store.read_blocking(|r| {
        let epoch = r.epoch()?;
        Ok((epoch, r.last_checkpoint()?.filter(|head| head.epoch == epoch)))
    })?;
    super::block_on(async {
        for written in &settings.custody.witnesses {
            let (name, held_by) = (&written.name, HeldBy::Anchor(format!("witness {}", written.name)));
            let shown = match (&head, Witness::new(written)) {
                (None, _) => None,
                (Some(head), Ok(witness)) => {
                    let known = store.read_blocking(|r| r.last_cosigned(name, head.epoch))?;
                    Some(witness::show(&witness, store, head, known.map_or(0, |(size, _)| size)).await?)
                }
                (Some(_), Err(e)) => Some(Shown::Silent(format!("{e:#}"))),
            };
            match shown {
                // Its own signature was checked; ours stands above it in the same note.
                Some(Shown::Signed { row, note }) => {
                    held.push(HeldCheckpoint { held_by: held_by.clone(), note: (note + &row.line).into_bytes() });
                }
                Some(Shown::Accused(why)) => refusals.push(format!("witness {name} refuses this log: {why}")),
                Some(Shown::Unknown(why)) => refusals.push(format!("witness {name} does not sign this log: {why}")),
                Some(Shown::Silent(why)) => {
                    *unasked = true;
                    warnings.push(format!("witness {name} was not asked: {why}"));
                }
                None => {}
            }
            match witness::signed_before(written, &settings.station.id).await {
                Ok(Some(notes)) => held.extend(
                    notes.into_iter().map(|note| HeldCheckpoint { held_by: held_by.clone(), note: note.into_bytes() }),
                ),
                // What it signed of this epoch it compares itself when it is shown more.
                Ok(None) if epoch == 1 => {}
                Ok(None) => {
                    *unasked = true;
                    warnings.push(format!(
                        "witness {name} does not tell what it has signed of the epochs before this one: a history that ended with them is not compared with it"
                    ));
                }
                Err(e) => {
                    *unasked = true;
                    warnings.push(format!("witness {name} did not tell what it has signed: {e:#}"));
                }
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

/// The log's entries below `size`, read as they are asked for.
struct Entries {
    store: Store,
    size: u64,
    next: u64,
    read: VecDeque<Entry>,
    failed: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && !self.failed && self.next < self.size {
            match self.store.read_blocking(|r| r.log_entries_with_copies(self.next, BATCH)) {
                Ok(rows) => self.read.extend(rows.into_iter().map(|(row, copies)| Entry {
                    seq: row.seq,
                    bytes: row.bytes,
                    copies: Some(copies),
                })),
                Err(e) => {
                    self.failed = true;
                    return Some(Err(chain(&e)));
                }
            }
        }
        let entry = self.read.pop_front().filter(|entry| entry.seq < self.size)?;
        self.next = entry.seq + 1;
        Some(Ok(entry))
    }
}
