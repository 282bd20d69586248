//! `evidock log prove` and `evidock log checkpoint`: proofs and tree heads for others to check, from this station's
//! database. Whoever gets them needs the station's public key and nothing of ours.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use super::{Ended, ask, find, log as log_verb};
use crate::cli::Prove;
use crate::config::Settings;
use crate::domain::command::Request;
use crate::domain::digest::to_hex;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::merkle::leaf_hash;
use crate::domain::proof::TlogProof;
use crate::domain::time::UtcMs;
use crate::store::{CheckpointRow, LogRow, Store, StoreError};

/// An event with its proof.
#[derive(Serialize)]
struct Proven {
    seq: u64,
    kind: String,
    at: String,
    /// The stored bytes, which are what is hashed.
    event: String,
    /// Hex.
    leaf: String,
    /// c2sp.org/tlog-proof@v1.
    proof: String,
}

/// The answer of `log prove`.
#[derive(Serialize)]
struct Answer {
    station: String,
    clip: String,
    checkpoint_size: u64,
    checkpoint: String,
    keys: Vec<String>,
    events: Vec<Proven>,
    /// Events that no checkpoint covers yet.
    uncovered: Vec<u64>,
}

/// A checkpoint, and its note with the lines of the witnesses.
type Head = (CheckpointRow, String);

/// `evidock log prove CLIP [--to DIR]`.
pub fn prove(prove: &Prove, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let clip = prove.clip.as_deref().unwrap_or_default();
    let clip: ClipId =
        clip.parse().map_err(|e: crate::domain::ids::IdError| Ended::with(Exit::Usage, e.to_string()))?;
    let store = find::store(settings)?;
    // Known before the look at it is logged: that entry alone would make it known.
    store.read_blocking(|r| r.clip(clip)).map_err(|e| match e {
        StoreError::NotFound(why) => Ended::why(Exit::NotFound, why),
        e => e.into(),
    })?;
    let access =
        Request::LogAccess { what: "log".into(), clip: Some(clip.to_string()), case: None, terms: None, purpose: None };
    find::log_access(settings, &access, output)?;
    let keys = log_verb::trusted_keys(settings)?;
    // A checkpoint over everything so far, this look included; without a daemon the newest one has to do.
    if ask::request(settings, &Request::Checkpoint).is_err() {
        output.note("no new checkpoint could be signed; the newest one is used");
    }
    let (rows, head) = events(&store, clip)?;
    let Some((head, note)) = head else {
        return Err(Ended::with(Exit::NotFound, "there is no checkpoint yet; the daemon signs one each minute"));
    };
    let uncovered: Vec<u64> = rows.iter().map(|row| row.seq).filter(|seq| *seq >= head.size).collect();
    let events = store.read_blocking(|r| {
        let covered = rows.iter().filter(|row| row.seq < head.size);
        covered
            .map(|row| {
                let odd = |e: &dyn std::fmt::Display| StoreError::Odd(format!("log entry {}: {e}", row.seq));
                let envelope: Envelope = serde_json::from_slice(&row.bytes).map_err(|e| odd(&e))?;
                let path = r.log_path(row.seq, head.size)?.ok_or_else(|| odd(&"it has no path"))?;
                let leaf = leaf_hash(&row.bytes);
                let proof = TlogProof { extra: None, index: row.seq, path, checkpoint: note.clone() };
                if !proof.leads(&leaf, head.size, &head.root) {
                    return Err(odd(&"its path does not lead to the checkpoint; run `evidock log verify`"));
                }
                Ok(Proven {
                    seq: row.seq,
                    kind: envelope.kind,
                    at: UtcMs(envelope.wall_ms).rfc3339_in(&settings.station.zone),
                    event: String::from_utf8(row.bytes.clone()).map_err(|e| odd(&e))?,
                    leaf: to_hex(&leaf),
                    proof: proof.to_string(),
                })
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    let answer = Answer {
        station: settings.station.id.to_string(),
        clip: clip.to_string(),
        checkpoint_size: head.size,
        checkpoint: note,
        keys: keys.iter().map(ToString::to_string).collect(),
        events,
        uncovered,
    };
    if let Some(to) = &prove.to {
        write(&answer, to).with_context(|| format!("{} cannot be written", to.display()))?;
    }
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    let rows: Vec<Vec<String>> = answer
        .events
        .iter()
        .map(|e| {
            let what = EventKind::parse(&e.kind).map_or(e.kind.clone(), |kind| w.event(kind, None));
            vec![e.seq.to_string(), e.at.clone(), what, e.leaf.clone()]
        })
        .collect();
    output.table(&["#", w.pk_when, w.pk_what, w.proof_leaf], &rows, &[0])?;
    output.line(&format!("{}: {}", w.proof_size, answer.checkpoint_size))?;
    if !answer.uncovered.is_empty() {
        output.note(w.proof_none_yet);
    }
    Ok(Exit::Ok)
}

/// The events of a clip, and the newest checkpoint with its cosigned note.
fn events(store: &Store, clip: ClipId) -> anyhow::Result<(Vec<LogRow>, Option<Head>)> {
    Ok(store.read_blocking(|r| {
        let epoch = r.epoch()?;
        let head = match r.last_checkpoint()?.filter(|head| head.epoch == epoch) {
            Some(head) => {
                let note = r.cosigned_note(&head)?;
                Some((head, note))
            }
            None => None,
        };
        Ok((r.log_of_clip(clip)?, head))
    })?)
}

fn write(answer: &Answer, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for event in &answer.events {
        fs::write(to.join(format!("{:012}.json", event.seq)), &event.event)?;
        fs::write(to.join(format!("{:012}.tlog-proof", event.seq)), &event.proof)?;
    }
    fs::write(to.join("checkpoint"), &answer.checkpoint)?;
    fs::write(to.join("keys.txt"), answer.keys.iter().map(|key| format!("{key}\n")).collect::<String>())?;
    Ok(())
}

/// `evidock log checkpoint`.
pub fn checkpoint(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let store = find::store(settings)?;
    let head = store.read_blocking(|r| match r.last_checkpoint()? {
        Some(head) => {
            let note = r.cosigned_note(&head)?;
            Ok(Some((head, note)))
        }
        None => Ok(None),
    })?;
    let Some((head, note)) = head else {
        return Err(Ended::with(Exit::NotFound, "there is no checkpoint yet; the daemon signs one each minute"));
    };
    if output.is_json() {
        output.json(&serde_json::json!({
            "epoch": head.epoch, "size": head.size, "root": to_hex(&head.root), "note": note,
            "made_at": UtcMs(head.made_ms).rfc3339_in(&settings.station.zone),
        }))?;
    } else {
        output.raw(&note)?;
    }
    Ok(Exit::Ok)
}
