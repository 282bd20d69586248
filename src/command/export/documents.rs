//! Everything of a package but the clips: records, events, proofs, pages, lists, and last the signature, for which the
//! daemon is asked. All of it follows from the plan, so that whoever goes on writes the same again.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use sha2::Digest;

use super::super::ask;
use super::sink::Sink;
use super::{Plan, gather::Custody};
use crate::config::Settings;
use crate::custody::package::bag::{self, DECLARATION, List};
use crate::custody::package::pages::{Happened, Told};
use crate::custody::package::{
    self, BAG_INFO, BAGIT, BLAKE3, CATALOGUE, CHECKER, CHECKPOINT, FACTS, FILES, KEYS, MANIFEST, NOTE, OPENED,
    PackedClip, README, RECORDS, RECORDS_CSV, TAG_MANIFEST, TRANSFER, WITHHELD, checker,
};
use crate::domain::command::Request;
use crate::domain::digest::{Sha256, from_hex, to_hex};
use crate::domain::event::{Envelope, EventKind};
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::domain::words::Lang;

/// What identifies a finished package.
pub(super) struct Made {
    /// SHA-256 of the payload manifest.
    pub manifest: Sha256,
    /// SHA-256 of the signed list.
    pub files: Sha256,
}

/// Small files that were put, with their digests.
struct Writer {
    sink: Sink,
    payload: List,
    payload_bytes: u64,
    blake3: List,
    tags: List,
}

impl Writer {
    fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<Sha256> {
        let digest = Sha256(sha2::Sha256::digest(bytes).into());
        self.sink.put(name, bytes)?;
        if name.starts_with("data/") {
            self.payload.insert(name.to_owned(), digest.to_string());
            self.payload_bytes += bytes.len() as u64;
            self.blake3.insert(name.to_owned(), blake3::hash(bytes).to_hex().to_string());
        } else {
            self.tags.insert(name.to_owned(), digest.to_string());
        }
        Ok(digest)
    }
}

/// Writes the rest of the package and finishes it.
pub(super) fn finish(sink: Sink, plan: &Plan, lang: Lang, settings: &Settings, to: &Path) -> anyhow::Result<Made> {
    let mut out = Writer { sink, payload: List::new(), payload_bytes: 0, blake3: List::new(), tags: List::new() };
    for clip in &plan.clips {
        out.payload.insert(clip.path.clone(), clip.sha256.clone());
        out.blake3.insert(clip.path.clone(), clip.blake3.clone());
        out.payload_bytes += clip.size_bytes;
    }
    let clips = told(plan)?;
    let mut told = Told {
        w: lang.words(),
        zone: &settings.station.zone,
        facts: &plan.facts,
        clips: &clips,
        manifest: Sha256([0; 32]),
    };
    out.put(RECORDS, &serde_json::to_vec_pretty(&plan.records)?)?;
    out.put(RECORDS_CSV, told.csv().as_bytes())?;
    told.manifest = out.put(MANIFEST, bag::write(&out.payload).as_bytes())?;
    out.put(BLAKE3, bag::write(&out.blake3).as_bytes())?;
    out.put(BAGIT, DECLARATION.as_bytes())?;
    out.put(BAG_INFO, bag::info(&plan.facts, out.payload.len(), out.payload_bytes).as_bytes())?;
    out.put(FACTS, &serde_json::to_vec_pretty(&plan.facts)?)?;
    custody(&mut out, &plan.custody)?;
    out.put(README, told.readme().as_bytes())?;
    out.put(CATALOGUE, told.catalogue().as_bytes())?;
    out.put(TRANSFER, told.transfer().as_bytes())?;
    let mut files = out.tags.clone();
    files.extend(out.payload.clone());
    out.put(CHECKER, checker::page(told.w, &files).as_bytes())?;

    let files = out.put(FILES, bag::write(&out.tags).as_bytes())?;
    let note = signed(plan, &files, settings)
        .with_context(|| format!("{} is complete but for its signature; run the same again", to.display()))?;
    out.put(NOTE, note.as_bytes())?;
    out.put(TAG_MANIFEST, bag::write(&out.tags).as_bytes())?;
    out.sink.finish()?;
    Ok(Made { manifest: told.manifest, files })
}

fn custody(out: &mut Writer, custody: &Custody) -> anyhow::Result<()> {
    for (seq, event) in &custody.events {
        out.put(&package::event(*seq), event.as_bytes())?;
    }
    for (seq, proof) in &custody.proofs {
        out.put(&package::proof(*seq), proof.as_bytes())?;
    }
    out.put(WITHHELD, &serde_json::to_vec_pretty(&custody.withheld)?)?;
    out.put(OPENED, &serde_json::to_vec_pretty(&custody.opened)?)?;
    out.put(CHECKPOINT, custody.checkpoint.as_bytes())?;
    out.put(KEYS, custody.keys.as_bytes())?;
    if let Some(stamp) = &custody.timestamp {
        let reply = from_hex(&stamp.reply).context("the timestamp in the plan of the package is damaged")?;
        let way: String = stamp.consistency.iter().map(|hash| format!("{hash}\n")).collect();
        out.put(&package::timestamp(stamp.size, "txt"), stamp.text.as_bytes())?;
        out.put(&package::timestamp(stamp.size, "tsr"), &reply)?;
        out.put(&package::timestamp(stamp.size, "consistency"), way.as_bytes())?;
    }
    Ok(())
}

/// Each clip with its record and its events in clear.
fn told(plan: &Plan) -> anyhow::Result<Vec<(PackedClip, Record, Vec<Happened>)>> {
    let mut all = Vec::new();
    for (seq, event) in &plan.custody.events {
        let envelope: Envelope = serde_json::from_str(event).with_context(|| format!("log entry {seq}"))?;
        all.push(envelope);
    }
    let happened = |clip: &PackedClip| {
        let of_clip = all.iter().filter(|e| e.clip.as_deref() == Some(&clip.clip));
        let happened = of_clip.map(|e| {
            let text = |key: &str| e.body.get(key).and_then(|v| v.as_str()).map(str::to_owned);
            Happened {
                seq: e.seq,
                at: UtcMs(e.wall_ms),
                kind: EventKind::parse(&e.kind),
                actor: e.actor.clone(),
                place: text("destination").or_else(|| text("recorder")),
            }
        });
        happened.collect()
    };
    Ok(plan
        .clips
        .iter()
        .zip(&plan.records)
        .map(|(clip, record)| (clip.clone(), record.clone(), happened(clip)))
        .collect())
}

/// The daemon signs, and logs that it did.
fn signed(plan: &Plan, files: &Sha256, settings: &Settings) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Signed {
        note: String,
    }
    let request = Request::SignExport {
        package: plan.facts.package.clone(),
        begun_seq: plan.facts.begun_seq,
        clips: plan.facts.clips,
        bytes: plan.facts.bytes,
        files: to_hex(&files.0),
    };
    let signed: Signed = serde_json::from_value(ask::request(settings, &request)?)?;
    Ok(signed.note)
}
