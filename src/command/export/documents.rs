//! Everything of a package but the clips: records, events, proofs, pages, lists, and last the signature, for which the
//! daemon is asked. All of it follows from the plan, so that whoever goes on writes the same again.

use std::fs::File;
use std::path::Path;

use anyhow::Context;

use super::gather::Custody;
use super::plan::Package;
use super::sink::Sink;
use crate::custody::package::bag::{self, DECLARATION, List};
use crate::custody::package::pages::{Happened, Told};
use crate::custody::package::{
    self, BAG_INFO, BAGIT, BLAKE3, CATALOGUE, CHECKER, CHECKPOINT, COVERAGE, COVERAGE_CSV, COVERAGE_XLSX, DERIVED,
    FACTS, FILES, KEYS, MANIFEST, MANIFEST_512, NOTE, NOTE_SM2, OPENED, PackedClip, PackedDerived, README, RECORDS,
    RECORDS_CSV, SM2_KEY, SM3, TAG_MANIFEST, TAG_MANIFEST_512, TRANSFER, WITHHELD, checker,
    digests::{self, Digests},
};
use crate::custody::sm2::{Sm2Key, from_der};
use crate::domain::command::Request;
use crate::domain::coverage::{self, CaseCoverage};
use crate::domain::digest::{Sha256, from_hex};
use crate::domain::event::{Envelope, EventKind};
use crate::domain::paper::Typeface;
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::domain::words::{Lang, Words};
use crate::domain::workbook::{csv, sheet};

/// What the daemon answers to [`Request::SignExport`].
#[derive(Debug, serde::Deserialize)]
pub(super) struct Signed {
    /// The note.
    pub note: String,
    /// The second signature over the note's bytes, DER in hex.
    #[serde(default)]
    pub sm2: Option<String>,
}

/// How a package is written.
pub(super) struct How<'a> {
    pub lang: Lang,
    pub sm3: bool,
    pub zone: &'a jiff::tz::TimeZone,
    /// Of its documents; without one there are none as PDF.
    pub typeface: Option<&'a Typeface>,
    /// Where derived files stand.
    pub derived: &'a Path,
}

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
    /// A derived file, as it stands on the station, compared with what was made.
    fn bring(&mut self, derived: &PackedDerived, from: &Path) -> anyhow::Result<()> {
        let gone = || format!("the derived file {} cannot be read any more; begin the package anew", from.display());
        let mut file = File::open(from).with_context(gone)?;
        let (digests, blake3) = self.sink.bring(&derived.path, &mut file, derived.size_bytes, self.sm3.is_some())?;
        anyhow::ensure!(
            digests.sha256 == derived.sha256 && blake3 == derived.blake3,
            "{} has other bytes than were made; remove it, and begin the package anew",
            from.display()
        );
        self.payload_bytes += derived.size_bytes;
        self.blake3.insert(derived.path.clone(), blake3);
        if let (Some(list), Some(sm3)) = (&mut self.sm3, digests.sm3) {
            list.insert(derived.path.clone(), sm3);
        }
        self.payload.insert(derived.path.clone(), digests.sha256);
        self.payload_512.insert(derived.path.clone(), digests.sha512);
        Ok(())
    }

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
    how: &How<'_>,
    sign: &dyn Fn(Request) -> anyhow::Result<Signed>,
) -> anyhow::Result<Made> {
    let mut out = Writer {
        sink,
        payload: List::new(),
        payload_512: List::new(),
        payload_bytes: 0,
        blake3: List::new(),
        sm3: how.sm3.then(List::new),
        tags: List::new(),
        tags_512: List::new(),
    };
    anyhow::ensure!(clips.len() == package.clips.len(), "not every clip of the package was written");
    for (clip, digests) in package.clips.iter().zip(clips) {
        out.payload.insert(clip.path.clone(), digests.sha256.clone());
        out.payload_512.insert(clip.path.clone(), digests.sha512.clone());
        out.blake3.insert(clip.path.clone(), clip.blake3.clone());
        if let Some(list) = &mut out.sm3 {
            // As it was sealed: its SHA-256 was compared on the way here, so that these are the same bytes.
            let sm3 = clip.sm3.clone().or_else(|| digests.sm3.clone());
            let sm3 = sm3.context("a clip was written without its SM3; begin the package anew")?;
            list.insert(clip.path.clone(), sm3);
        }
        out.payload_bytes += clip.size_bytes;
    }
    let clips = told(package)?;
    let mut told = Told {
        w: how.lang.words(),
        zone: how.zone,
        facts: &package.facts,
        clips: &clips,
        manifest: Sha256([0; 32]),
        pdf: how.typeface.is_some(),
        derived: !package.derived.is_empty(),
    };
    for derived in &package.derived {
        let id = derived.derived.as_str();
        let form = derived.path.rsplit('.').next().unwrap_or_default();
        let from = how.derived.join(format!("{id}.{form}"));
        out.bring(derived, &from)?;
    }
    if !package.derived.is_empty() {
        out.put(DERIVED, &serde_json::to_vec_pretty(&package.derived)?)?;
    }
    out.put(RECORDS, &serde_json::to_vec_pretty(&package.records)?)?;
    out.put(RECORDS_CSV, told.csv().as_bytes())?;
    if let Some(coverage) = &package.coverage {
        put_coverage(&mut out, coverage, told.w)?;
    }
    let manifest = bag::write(&out.payload);
    told.manifest = out.put(MANIFEST, manifest.as_bytes())?;
    out.put(MANIFEST_512, bag::write(&out.payload_512).as_bytes())?;
    out.put(BLAKE3, bag::write(&out.blake3).as_bytes())?;
    if let Some(list) = out.sm3.as_ref().map(bag::write) {
        out.put(SM3, list.as_bytes())?;
    }
    out.put(BAGIT, DECLARATION.as_bytes())?;
    out.put(BAG_INFO, bag::info(&package.facts, out.payload.len(), out.payload_bytes).as_bytes())?;
    let facts = serde_json::to_string_pretty(&package.facts)?;
    out.put(FACTS, facts.as_bytes())?;
    custody(&mut out, &package.custody)?;
    out.put(README, told.readme().as_bytes())?;
    out.put(CATALOGUE, told.catalogue().as_bytes())?;
    out.put(TRANSFER, told.transfer().as_bytes())?;
    if let Some(typeface) = how.typeface {
        for (name, pdf) in told.papers(typeface)? {
            out.put(name, &pdf)?;
        }
    }
    for (name, script) in checker::scripts() {
        out.put(name, &script)?;
    }
    let mut files = out.tags.clone();
    files.extend(out.payload.clone());
    out.put(CHECKER, checker::page(told.w, &files).as_bytes())?;

    let list = bag::write(&out.tags);
    let files = out.put(FILES, list.as_bytes())?;
    let Signed { note, sm2 } = sign(Request::SignExport {
        package: package.facts.package.clone(),
        begun_seq: package.facts.begun_seq,
        clips: package.facts.clips,
        bytes: package.facts.bytes,
        files: list,
        manifest,
        facts,
    })
    .context("the package is complete but for its signature; run the same again when the reason is gone")?;
    let second = second(package, &note, sm2.as_deref())?;
    out.put(NOTE, note.as_bytes())?;
    if let Some(signature) = second {
        out.put(NOTE_SM2, &signature)?;
    }
    // Of both what was put so far, since neither list holds the other.
    let (short, long) = (bag::write(&out.tags), bag::write(&out.tags_512));
    out.put(TAG_MANIFEST, short.as_bytes())?;
    out.put(TAG_MANIFEST_512, long.as_bytes())?;
    let held = out.payload.keys().chain(out.tags.keys()).cloned().collect();
    out.sink.remove_all_but(&held)?;
    out.sink.finish()?;
    Ok(Made { manifest: told.manifest, files })
}

/// The case against the catalogue.
fn put_coverage(out: &mut Writer, coverage: &CaseCoverage, w: &Words) -> anyhow::Result<()> {
    let (head, rows) = (coverage::head(w), coverage::rows(coverage, w));
    out.put(COVERAGE, &serde_json::to_vec_pretty(coverage)?)?;
    out.put(COVERAGE_XLSX, &sheet::write(w.coverage, &w.coverage_heading(coverage), &head, &rows))?;
    let head = head.iter().map(|h| (*h).into()).collect();
    out.put(COVERAGE_CSV, &csv::write(std::iter::once(head).chain(rows)))?;
    Ok(())
}

/// The second signature, DER, where the package names a key for it; it must be that key's, or nobody takes the package.
fn second(package: &Package, note: &str, signature: Option<&str>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(pem) = &package.custody.sm2 else { return Ok(None) };
    let signature = signature.and_then(from_hex).unwrap_or_default();
    let key = Sm2Key::from_pem(&package.facts.station, pem);
    let holds = key.zip(from_der(&signature)).is_some_and(|(key, signature)| key.verifies(note.as_bytes(), &signature));
    anyhow::ensure!(
        holds,
        "the SM2 key of this station was changed since this package was begun; remove what is there of it, and begin it anew"
    );
    Ok(Some(signature))
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
    if let Some(pem) = &custody.sm2 {
        out.put(SM2_KEY, pem.as_bytes())?;
    }
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
