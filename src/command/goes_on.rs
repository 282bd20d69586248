//! `evidock log prove --from`: that the log goes on from a checkpoint that somebody kept, for them to check with tools of
//! their own. It shows no event, only hashes, and reads the database alone.
//!
//! The text is what a witness is shown (C2SP tlog-witness, `add-checkpoint`; `custody::witness::Submission`): the old size,
//! the proof of consistency, an empty line, and the checkpoint to which it leads, with its signatures. With the old
//! checkpoint's root it is what Go's `tlog.CheckTree` takes.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::epochs::told;
use super::exit::Exit;
use super::output::Output;
use super::{Ended, ask, find, log as log_verb};
use crate::cli::Prove;
use crate::config::Settings;
use crate::custody::epoch::Head;
use crate::custody::witness::Submission;
use crate::domain::command::Request;
use crate::domain::digest::to_hex;
use crate::domain::merkle::verify_consistency;
use crate::store::{Store, StoreError};

/// A checkpoint has some 400 bytes, and some more for each witness.
pub(super) const MAX_NOTE_BYTES: u64 = 64 << 10;

/// The answer.
#[derive(Serialize)]
struct Answer {
    station: String,
    old_size: u64,
    /// Hex.
    old_root: String,
    size: u64,
    root: String,
    /// Base64, as in `text`.
    proof: Vec<String>,
    checkpoint: String,
    keys: Vec<String>,
    /// What `--to` writes as `consistency`.
    text: String,
}

/// Carries it out; ends with [`Exit::Mismatch`] where the log does not go on from there.
pub fn prove(asked: &Prove, from: &Path, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let station = &settings.station.id;
    let kept = note_in(from)?;
    let old = head(&kept, from, settings)?;
    let store = find::store(settings)?;
    let keys = log_verb::trusted_keys(settings)?;
    let (new, note) = match &asked.until {
        Some(until) => {
            let note = note_in(until)?;
            (head(&note, until, settings)?, note)
        }
        None => {
            // Over everything so far; without a daemon the newest one has to do.
            if ask::request(settings, &Request::Checkpoint).is_err() {
                output.note("no new checkpoint could be signed; the newest one is used");
            }
            newest(&store)?
        }
    };
    let refused = |what: String| Err(Ended::with(Exit::Mismatch, what));
    let size = store.read_blocking(|r| r.log_size())?;
    for (head, path) in [(&old, Some(from)), (&new, asked.until.as_deref())] {
        let which = path.map_or_else(|| "the newest checkpoint".to_owned(), |path| path.display().to_string());
        if head.size > size {
            return refused(format!(
                "{which} is over {} events of the log, which has {size}: its tail was cut off, or an older database put back",
                head.size
            ));
        }
        if store.read_blocking(|r| r.log_root(head.size))? != head.root {
            return refused(format!(
                "the log does not go on from {which}: its first {} events are not those over which that was signed",
                head.size
            ));
        }
    }
    if old.size > new.size {
        return Err(Ended::with(
            Exit::Usage,
            format!("--from is over {} events, --until over {}: give the smaller one as --from", old.size, new.size),
        ));
    }
    let proof = store.read_blocking(|r| r.log_consistency(old.size, new.size))?.unwrap_or_default();
    if !verify_consistency(old.size, &old.root, new.size, &new.root, &proof) {
        return refused("the stored tree does not lead from one to the other; run `evidock log verify`".to_owned());
    }
    let shown = Submission { old: old.size, proof, checkpoint: note };
    let answer = Answer {
        station: station.to_string(),
        old_size: old.size,
        old_root: to_hex(&old.root),
        size: new.size,
        root: to_hex(&new.root),
        proof: shown.lines(),
        text: shown.text(),
        checkpoint: shown.checkpoint,
        keys: keys.iter().map(ToString::to_string).collect(),
    };
    if let Some(to) = &asked.to {
        write(&answer, &kept, to).with_context(|| format!("{} cannot be written", to.display()))?;
    }
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.raw(&answer.text)?;
    }
    Ok(Exit::Ok)
}

/// A note that somebody kept.
pub(super) fn note_in(path: &Path) -> anyhow::Result<String> {
    let read = || -> anyhow::Result<String> {
        let bytes = fs::metadata(path)?.len();
        anyhow::ensure!(bytes <= MAX_NOTE_BYTES, "it has {bytes} bytes, which no checkpoint has");
        Ok(fs::read_to_string(path)?)
    };
    read().with_context(|| format!("{} cannot be read as a checkpoint", path.display()))
}

fn head(note: &str, path: &Path, settings: &Settings) -> anyhow::Result<Head> {
    let station = &settings.station.id;
    told(note.as_bytes(), station).ok_or_else(|| {
        Ended::with(Exit::Usage, format!("{} holds no checkpoint of the log of {station}", path.display()))
    })
}

fn newest(store: &Store) -> anyhow::Result<(Head, String)> {
    let newest = store.read_blocking(|r| match r.last_checkpoint()? {
        Some(row) => {
            let note = r.cosigned_note(&row)?;
            Ok::<_, StoreError>(Some((Head { epoch: row.epoch, size: row.size, root: row.root }, note)))
        }
        None => Ok(None),
    })?;
    newest.ok_or_else(|| Ended::with(Exit::NotFound, "there is no checkpoint yet; the daemon signs one each minute"))
}

fn write(answer: &Answer, kept: &str, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    fs::write(to.join("consistency"), &answer.text)?;
    fs::write(to.join("checkpoint"), &answer.checkpoint)?;
    fs::write(to.join("checkpoint.kept"), kept)?;
    fs::write(to.join("keys.txt"), answer.keys.iter().map(|key| format!("{key}\n")).collect::<String>())?;
    Ok(())
}
