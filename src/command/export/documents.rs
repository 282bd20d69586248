//! Everything of a package but the clips: records, events, proofs, pages, lists, and last the signature, for which the
//! daemon is asked. All of it follows from the plan, so that whoever goes on writes the same again.

use anyhow::Context;

use super::gather::Custody;
use super::plan::Package;
use super::sink::Sink;
use crate::custody::package::bag::{self, DECLARATION, List};
use crate::custody::package::pages::{Happened, Told};
use crate::custody::package::{
    self, BAG_INFO, BAGIT, BLAKE3, CATALOGUE, CHECKER, CHECKPOINT, FACTS, FILES, KEYS, MANIFEST, MANIFEST_512, NOTE,
    OPENED, PackedClip, README, RECORDS, RECORDS_CSV, SM3, TAG_MANIFEST, TAG_MANIFEST_512, TRANSFER, WITHHELD, checker,
    digests::{self, Digests},
};
use crate::domain::command::Request;
use crate::domain::digest::{Sha256, from_hex};
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
    payload_512: List,
    payload_bytes: u64,
    blake3: List,
    /// Where it was asked for.
    sm3: Option<List>,
    tags: List,
    tags_512: List,
}

impl Writer {
    fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<Sha256> {
        let digests = digests::of(bytes, self.sm3.is_some());
        self.sink.put(name, bytes)?;
        let sha256 = digests.sha256.parse().map_err(|_| anyhow::anyhow!("a digest of ours cannot be read"))?;
        if name.starts_with("data/") {
            self.payload_bytes += bytes.len() as u64;
            self.blake3.insert(name.to_owned(), blake3::hash(bytes).to_hex().to_string());
            if let (Some(list), Some(sm3)) = (&mut self.sm3, digests.sm3) {
                list.insert(name.to_owned(), sm3);
            }
            self.payload.insert(name.to_owned(), digests.sha256);
            self.payload_512.insert(name.to_owned(), digests.sha512);
        } else {
            self.tags.insert(name.to_owned(), digests.sha256);
            self.tags_512.insert(name.to_owned(), digests.sha512);
        }
        Ok(sha256)
    }
}

/// Writes the rest of a package whose clips have these digests, and finishes it. `sign` gives the note for the digest of
/// the list of files, which it may well take from an earlier run.
pub(super) fn finish(
    sink: Sink,
    package: &Package,
    clips: &[Digests],
    (lang, sm3): (Lang, bool),
    zone: &jiff::tz::TimeZone,
    sign: &dyn Fn(Request) -> anyhow::Result<String>,
) -> anyhow::Result<Made> {
    let mut out = Writer {
        sink,
        payload: List::new(),
        payload_512: List::new(),
        payload_bytes: 0,
        blake3: List::new(),
        sm3: sm3.then(List::new),
        tags: List::new(),
        tags_512: List::new(),
    };
    anyhow::ensure!(clips.len() == package.clips.len(), "not every clip of the package was written");
    for (clip, digests) in package.clips.iter().zip(clips) {
        out.payload.insert(clip.path.clone(), digests.sha256.clone());
        out.payload_512.insert(clip.path.clone(), digests.sha512.clone());
        out.blake3.insert(clip.path.clone(), clip.blake3.clone());
        if let Some(list) = &mut out.sm3 {
            let sm3 = digests.sm3.clone().context("a clip was written without its SM3; begin the package anew")?;
            list.insert(clip.path.clone(), sm3);
        }
        out.payload_bytes += clip.size_bytes;
    }
    let clips = told(package)?;
    let mut told = Told { w: lang.words(), zone, facts: &package.facts, clips: &clips, manifest: Sha256([0; 32]) };
    out.put(RECORDS, &serde_json::to_vec_pretty(&package.records)?)?;
    out.put(RECORDS_CSV, told.csv().as_bytes())?;
    told.manifest = out.put(MANIFEST, bag::write(&out.payload).as_bytes())?;
    out.put(MANIFEST_512, bag::write(&out.payload_512).as_bytes())?;
    out.put(BLAKE3, bag::write(&out.blake3).as_bytes())?;
    if let Some(list) = out.sm3.as_ref().map(bag::write) {
        out.put(SM3, list.as_bytes())?;
    }
    out.put(BAGIT, DECLARATION.as_bytes())?;
    out.put(BAG_INFO, bag::info(&package.facts, out.payload.len(), out.payload_bytes).as_bytes())?;
    out.put(FACTS, &serde_json::to_vec_pretty(&package.facts)?)?;
    custody(&mut out, &package.custody)?;
    out.put(README, told.readme().as_bytes())?;
    out.put(CATALOGUE, told.catalogue().as_bytes())?;
    out.put(TRANSFER, told.transfer().as_bytes())?;
    for (name, script) in checker::scripts() {
        out.put(name, &script)?;
    }
    let mut files = out.tags.clone();
    files.extend(out.payload.clone());
    out.put(CHECKER, checker::page(told.w, &files).as_bytes())?;

    let files = out.put(FILES, bag::write(&out.tags).as_bytes())?;
    let note = sign(Request::SignExport {
        package: package.facts.package.clone(),
        begun_seq: package.facts.begun_seq,
        clips: package.facts.clips,
        bytes: package.facts.bytes,
        files: files.to_string(),
    })
    .context("the package is complete but for its signature; run the same again")?;
    out.put(NOTE, note.as_bytes())?;
    // Of both what was put so far, since neither list holds the other.
    let (short, long) = (bag::write(&out.tags), bag::write(&out.tags_512));
    out.put(TAG_MANIFEST, short.as_bytes())?;
    out.put(TAG_MANIFEST_512, long.as_bytes())?;
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
fn told(package: &Package) -> anyhow::Result<Vec<(PackedClip, Record, Vec<Happened>)>> {
    let mut all = Vec::new();
    for (seq, event) in &package.custody.events {
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
    Ok(package
        .clips
        .iter()
        .zip(&package.records)
        .map(|(clip, record)| (clip.clone(), record.clone(), happened(clip)))
        .collect())
}
