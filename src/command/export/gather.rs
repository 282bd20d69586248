//! What a package will say, read when it is asked for: clips with their records, the events about them with their
//! proofs, and nothing of any other case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::exit::Exit;
use super::super::find::case_number;
use super::super::run::policy;
use super::super::{Ended, log as log_verb};
use super::plan::Package;
use crate::config::Settings;
use crate::custody::package::{Facts, OpenedValue, PackedClip, WithheldEvent, bag};
use crate::domain::clip::Local;
use crate::domain::digest::to_hex;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::merkle::{Hash, leaf_hash};
use crate::domain::proof::TlogProof;
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::store::{CheckpointRow, LogRow, Reader, Store, StoreError};

/// The log's part of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Custody {
    /// Entries below the checkpoint.
    pub size: u64,
    /// The signed note.
    pub checkpoint: String,
    /// The keys, one a line.
    pub keys: String,
    /// Events in clear: their stored bytes, which are text.
    pub events: BTreeMap<u64, String>,
    /// Events of which only the leaf hash is told.
    pub withheld: Vec<WithheldEvent>,
    /// The proof of each of both.
    pub proofs: BTreeMap<u64, String>,
    /// The clip that an event is about, where it is about one.
    pub clip_of: BTreeMap<u64, String>,
    /// Values that are opened.
    pub opened: Vec<OpenedValue>,
    /// The newest timestamp: what was stamped, the reply in hex, and the way from there.
    pub timestamp: Option<Stamped>,
}

impl Custody {
    /// What of it concerns these clips, or none at all.
    pub fn of_clips(&self, clips: &BTreeSet<&str>) -> Self {
        let its = |seq: &u64| self.clip_of.get(seq).is_none_or(|clip| clips.contains(clip.as_str()));
        fn only<T: Clone>(map: &BTreeMap<u64, T>, its: impl Fn(&u64) -> bool) -> BTreeMap<u64, T> {
            map.iter().filter(|(seq, _)| its(seq)).map(|(seq, value)| (*seq, value.clone())).collect()
        }
        Self {
            events: only(&self.events, its),
            proofs: only(&self.proofs, its),
            clip_of: only(&self.clip_of, its),
            withheld: self.withheld.iter().filter(|event| its(&event.seq)).cloned().collect(),
            opened: self.opened.iter().filter(|opened| its(&opened.seq)).cloned().collect(),
            size: self.size,
            checkpoint: self.checkpoint.clone(),
            keys: self.keys.clone(),
            timestamp: self.timestamp.clone(),
        }
    }
}

/// A timestamp in a plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stamped {
    pub size: u64,
    pub text: String,
    pub reply: String,
    pub consistency: Vec<String>,
}

/// What the daemon answered to [`crate::domain::command::Request::BeginExport`].
#[derive(Deserialize)]
pub(super) struct Begun {
    package: String,
    seq: u64,
    at_ms: i64,
    asked_by: String,
    case_no: String,
    epoch: u32,
    size: u64,
}

/// What was asked for.
pub(super) struct Asked<'a> {
    pub case_no: &'a str,
    pub reason: &'a str,
    pub basis: &'a str,
    pub recipient: Option<&'a str>,
}

/// Reads what a package will say that was begun. Blocks.
pub(super) fn gather(asked: &Asked<'_>, begun: Begun, settings: &Settings, store: &Store) -> anyhow::Result<Package> {
    let number = case_number(settings, asked.case_no)?;
    let log_keys = log_verb::trusted_keys(settings)?;
    let policy = policy(settings);
    let told = store.read_blocking(|r| {
        let Some(case) = r.case_id(number.key())? else {
            return Err(StoreError::NotFound(format!("there is no case {}", number.display())));
        };
        let aliases = r.aliases(case)?;
        let keys: Vec<String> = aliases.iter().map(|(key, _)| key.clone()).collect();
        let hashes: Vec<String> = keys.iter().map(|key| layout::case_hash(key)).collect();
        let (mut chosen, mut isolated, mut unsealed) = (Vec::new(), 0, 0);
        for clip in r.clips_of_case(case)? {
            let row = r.clip(clip)?;
            match () {
                () if row.isolated_ms.is_some() => isolated += 1,
                () if row.local == Local::Copying => unsealed += 1,
                () => chosen.push((clip, of_case(r.record(clip, &policy)?, &keys))),
            }
        }
        let checkpoint = r
            .checkpoints(1_000)?
            .into_iter()
            .find(|c| (c.epoch, c.size) == (begun.epoch, begun.size))
            .ok_or_else(|| StoreError::Odd("the checkpoint over the request is not there".into()))?;
        let clips: Vec<ClipId> = chosen.iter().map(|(clip, _)| *clip).collect();
        let custody = custody(r, &clips, &hashes, &checkpoint, &begun.package)?;
        Ok((aliases, chosen, isolated, unsealed, custody))
    });
    let (aliases, chosen, isolated, unsealed, mut custody) = told.map_err(|e| match e {
        StoreError::NotFound(words) => Ended::with(Exit::NotFound, words),
        e => e.into(),
    })?;
    custody.keys = log_keys.iter().map(|key| format!("{key}\n")).collect();
    let of = chosen.len();
    let clips: Vec<PackedClip> = chosen
        .iter()
        .enumerate()
        .map(|(n, (clip, record))| packed(n + 1, of, *clip, record))
        .collect::<Result<_, _>>()?;
    let facts = Facts {
        v: 1,
        package: begun.package,
        station: settings.station.id.to_string(),
        agency: settings.station.agency.clone(),
        case_no: begun.case_no.clone(),
        case_hash: layout::case_hash(number.key()),
        aliases: aliases.into_iter().map(|(_, display)| display).filter(|display| *display != begun.case_no).collect(),
        reason: asked.reason.trim().to_owned(),
        basis: asked.basis.trim().to_owned(),
        recipient: asked.recipient.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty()),
        asked_by: begun.asked_by,
        asked_at: UtcMs(begun.at_ms).rfc3339_in(&settings.station.zone),
        begun_seq: begun.seq,
        clips: clips.len() as u64,
        bytes: clips.iter().map(|c| c.size_bytes).sum(),
        isolated,
        unsealed,
        disc: None,
        made_with: concat!("evidock ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let records = chosen.into_iter().map(|(_, record)| record).collect();
    Ok(Package { facts, clips, records, custody })
}

fn packed(n: usize, of: usize, clip: ClipId, record: &Record) -> Result<PackedClip, StoreError> {
    let digest =
        |d: &Option<String>| d.clone().ok_or_else(|| StoreError::Odd(format!("clip {clip} is sealed without digests")));
    Ok(PackedClip {
        clip: clip.to_string(),
        path: bag::clip_name(n, of, record.captured_start.as_deref(), &record.device_id, &record.original_filename),
        size_bytes: record.size_bytes,
        sha256: digest(&record.sha256)?,
        blake3: digest(&record.blake3)?,
    })
}

/// The record as this case may see it: nothing of other cases.
fn of_case(mut record: Record, keys: &[String]) -> Record {
    // A case has several numbers: its link is known by any of them.
    record.cases.retain(|link| keys.contains(&link.case_key));
    if let Some(link) = record.cases.first().cloned() {
        record.case_no = Some(link.case_no);
        record.case_no_raw = Some(link.case_no_raw);
        record.case_key = Some(link.case_key);
        record.stage = link.stage.or(record.stage);
        record.matter = link.matter.or(record.matter);
        record.proves = link.proves.or(record.proves);
    }
    record
}

/// Kinds of events whose values a package opens: what was said about the clips, and this request.
fn is_opened(envelope: &Envelope, package: &str) -> bool {
    match EventKind::parse(&envelope.kind) {
        Some(
            EventKind::Annotated
            | EventKind::Linked
            | EventKind::Unlinked
            | EventKind::Quarantine
            | EventKind::Mismatch,
        ) => true,
        Some(EventKind::ExportBegun | EventKind::ExportAsked) => {
            envelope.body.get("package").and_then(|v| v.as_str()) == Some(package)
        }
        _ => false,
    }
}

fn custody(
    r: &Reader<'_>,
    clips: &[ClipId],
    hashes: &[String],
    checkpoint: &CheckpointRow,
    package: &str,
) -> Result<Custody, StoreError> {
    let ids: BTreeSet<String> = clips.iter().map(ToString::to_string).collect();
    let mut rows: BTreeMap<u64, LogRow> = BTreeMap::new();
    for clip in clips {
        rows.extend(r.log_of_clip(*clip)?.into_iter().map(|row| (row.seq, row)));
    }
    rows.extend(r.log_of_case(hashes)?.into_iter().map(|row| (row.seq, row)));
    rows.extend(r.log_of_keys()?.into_iter().map(|row| (row.seq, row)));
    let note = r.cosigned_note(checkpoint)?;
    let (mut events, mut proofs, mut clip_of) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut withheld, mut opened) = (Vec::new(), Vec::new());
    for (seq, row) in rows.into_iter().filter(|(seq, _)| *seq < checkpoint.size) {
        let odd = |e: &dyn std::fmt::Display| StoreError::Odd(format!("log entry {seq}: {e}"));
        let envelope: Envelope = serde_json::from_slice(&row.bytes).map_err(|e| odd(&e))?;
        // About this case and a clip that is not in the package (withdrawn, isolated): none of its business.
        if envelope.clip.as_ref().is_some_and(|clip| !ids.contains(clip)) {
            continue;
        }
        let path = r.log_path(seq, checkpoint.size)?.ok_or_else(|| odd(&"it has no path"))?;
        let proof = TlogProof { extra: None, index: seq, path, checkpoint: note.clone() };
        proofs.insert(seq, proof.to_string());
        if let Some(clip) = &envelope.clip {
            clip_of.insert(seq, clip.clone());
        }
        if envelope.case.as_ref().is_some_and(|case| !hashes.contains(case)) {
            withheld.push(WithheldEvent { seq, leaf: to_hex(&leaf_hash(&row.bytes)) });
            continue;
        }
        if is_opened(&envelope, package) {
            opened.extend(r.log_secrets(seq)?.into_iter().map(|o| OpenedValue {
                seq,
                field: o.field,
                key: to_hex(&o.key),
                value: o.value,
            }));
        }
        events.insert(seq, String::from_utf8(row.bytes).map_err(|e| odd(&e))?);
    }
    let stamp = r.last_timestamp()?.filter(|t| t.epoch == checkpoint.epoch && t.size <= checkpoint.size);
    let timestamp = match stamp {
        None => None,
        Some(stamp) => {
            let way: Vec<Hash> = r.log_consistency(stamp.size, checkpoint.size)?.unwrap_or_default();
            Some(Stamped {
                size: stamp.size,
                text: stamp.text,
                reply: to_hex(&stamp.reply),
                consistency: way.iter().map(|hash| to_hex(hash)).collect(),
            })
        }
    };
    Ok(Custody {
        size: checkpoint.size,
        checkpoint: note,
        keys: String::new(),
        events,
        withheld,
        proofs,
        clip_of,
        opened,
        timestamp,
    })
}
