//! What a package will say, read when it is asked for: clips with their records, the events about them with their
//! proofs, and nothing of any other case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::coverage::allowed;
use super::super::exit::Exit;
use super::super::find::case_number;
use super::super::run::policy;
use super::super::{Ended, log as log_verb};
use super::plan::{Package, file_name};
use crate::config::Settings;
use crate::custody::package::{Facts, OpenedValue, PackedClip, PackedDerived, WithheldEvent};
use crate::custody::sm2::Sm2Key;
use crate::custody::sm2_course::Course;
use crate::domain::clip::Local;
use crate::domain::coverage::told;
use crate::domain::derivative::State;
use crate::domain::digest::to_hex;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::merkle::{Hash, leaf_hash};
use crate::domain::packaged::About;
use crate::domain::proof::TlogProof;
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{CheckpointRow, DerivativeRow, LogRow, Reader, Store, StoreError};

/// The log's part of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Custody {
    /// Entries below the checkpoint.
    pub size: u64,
    /// The signed note.
    pub checkpoint: String,
    /// The keys, one a line.
    pub keys: String,
    /// The key of the second signature, PEM.
    #[serde(default)]
    pub sm2: Option<String>,
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
            sm2: self.sm2.clone(),
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

/// Something was said about the case since the checkpoint was signed: a package must say what stands below its own, so that
/// a newer one is to be signed first.
#[derive(Debug, thiserror::Error)]
#[error("facts of this case are changed again and again just as its package is begun; ask for it later")]
pub(super) struct Behind;

/// So often a newer checkpoint is signed for that.
pub(super) const TRIES: u32 = 5;

/// What the daemon answered to [`crate::domain::command::Request::BeginExport`].
#[derive(Clone, Deserialize)]
pub(super) struct Begun {
    package: String,
    seq: u64,
    at_ms: i64,
    asked_by: String,
    case_no: String,
    epoch: u32,
    size: u64,
}

impl Begun {
    /// A newer checkpoint, of so many entries, is to be the package's.
    pub fn under(&mut self, size: u64) {
        self.size = size;
    }
}

/// What was asked for.
pub(super) struct Asked<'a> {
    pub case_no: &'a str,
    pub reason: &'a str,
    pub basis: &'a str,
    pub recipient: Option<&'a str>,
    /// With the files that were derived of its clips.
    pub derived: bool,
}

/// Reads what a package will say that was begun; [`Behind`] where its checkpoint does not cover that. Blocks.
pub(super) fn gather(asked: &Asked<'_>, begun: Begun, settings: &Settings, store: &Store) -> anyhow::Result<Package> {
    let number = case_number(settings, asked.case_no)?;
    let log_keys = log_verb::trusted_keys(settings)?;
    let (policy, with_derived, zone) = (policy(settings), asked.derived, settings.station.zone.clone());
    let allowed = allowed(&settings.casework.coverage);
    let gathered = store.read_blocking(|r| {
        let Some(case) = r.case_id(number.key())? else {
            return Err(StoreError::NotFound(Why::NoCaseNumber { case_no: number.display().to_owned() }));
        };
        let aliases = r.aliases(case)?;
        // A case has several numbers: its events know it by any of them.
        let hashes: Vec<String> = aliases.iter().map(|(key, _)| layout::case_hash(key)).collect();
        // What was linked since the request is in the next package: the log says with which clips this one was asked for.
        let asked_for: BTreeSet<ClipId> = r.begun_clips(begun.seq)?.into_iter().collect();
        let (mut chosen, mut disposed, mut isolated, mut unsealed) = (Vec::new(), Vec::new(), 0, 0);
        for clip in r.clips_of_case(case)? {
            let row = r.clip(clip)?;
            match () {
                () if row.isolated_ms.is_some() => isolated += 1,
                () if row.local == Local::Copying => unsealed += 1,
                // Nothing of it is left to be packed but what the log says of its end.
                () if row.disposed_ms.is_some() => disposed.push(clip),
                () if !asked_for.contains(&clip) => {}
                () => chosen.push((clip, r.record_of_case(clip, &policy, case)?)),
            }
        }
        let checkpoint = r
            .checkpoints(1_000)?
            .into_iter()
            .find(|c| (c.epoch, c.size) == (begun.epoch, begun.size))
            .ok_or_else(|| StoreError::Odd("the checkpoint over the request is not there".into()))?;
        let clips: Vec<ClipId> = chosen.iter().map(|(clip, _)| *clip).collect();
        let custody = custody(r, (&clips, &disposed), &hashes, &checkpoint, &begun.package)?;
        let mut derived = Vec::new();
        for clip in clips.iter().filter(|_| with_derived) {
            derived
                .extend(r.derivatives(*clip, MOST_DERIVED)?.iter().rev().filter_map(|row| packed_derived(row, &zone)));
        }
        let coverage = r.coverage(case, begun.at_ms, allowed)?;
        Ok((aliases, chosen, (isolated, unsealed, disposed.len() as u64), custody, derived, coverage))
    });
    let (aliases, chosen, (isolated, unsealed, disposed), mut custody, derived, coverage) =
        gathered.map_err(|e| match e {
            StoreError::NotFound(why) => Ended::why(Exit::NotFound, why),
            StoreError::Conflict(_) => Behind.into(),
            e => e.into(),
        })?;
    // Where no item applies nothing is missing, which is no proof that anything is complete: nothing is said then.
    let coverage = (!coverage.lines.is_empty())
        .then(|| told(&begun.case_no, &coverage, UtcMs(begun.at_ms), &settings.station.zone));
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
        disposed,
        disc: None,
        made_with: concat!("evidock ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let records = chosen.into_iter().map(|(_, record)| record).collect();
    Ok(Package { facts, clips, records, custody, derived, coverage })
}

/// Of one clip at most so many go into a package.
const MOST_DERIVED: u32 = 1_000;

/// A derivative as a package tells of it; `None` of one that is not there.
fn packed_derived(row: &DerivativeRow, zone: &jiff::tz::TimeZone) -> Option<PackedDerived> {
    let file = row.file.as_ref().filter(|_| row.state == State::Ready)?;
    let kind = row.order.kind.as_str();
    Some(PackedDerived {
        is: "derived, not the evidence".to_owned(),
        path: format!("data/derived/{kind}_{:08}ms_{}.{}", file.from_ms, row.id, file.form.as_str()),
        derived: row.id.clone(),
        clip: row.clip.to_string(),
        kind: kind.to_owned(),
        method: file.method.as_str().to_owned(),
        from_ms: file.from_ms,
        to_ms: file.to_ms,
        size_bytes: file.size_bytes,
        sha256: file.sha256.to_string(),
        blake3: file.blake3.to_string(),
        parent_sha256: file.parent_sha256.to_string(),
        parent_blake3: file.parent_blake3.to_string(),
        tool: file.tool.clone(),
        asked_by: format!("{}:{}", row.asked_by.kind, row.asked_by.id),
        made_at: UtcMs(row.ended_ms.unwrap_or(row.asked_ms)).rfc3339_in(zone),
    })
}

fn packed(n: usize, of: usize, clip: ClipId, record: &Record) -> Result<PackedClip, StoreError> {
    let digest =
        |d: &Option<String>| d.clone().ok_or_else(|| StoreError::Odd(format!("clip {clip} is sealed without digests")));
    Ok(PackedClip {
        clip: clip.to_string(),
        path: file_name(n, of, record),
        size_bytes: record.size_bytes,
        sha256: digest(&record.sha256)?,
        blake3: digest(&record.blake3)?,
        sm3: record.sm3.clone(),
    })
}

/// Whether an event about a clip that was disposed of belongs in a package of a case whose it was: that it was sealed, its
/// links to this case, and its disposal.
fn tells_of_end(envelope: &Envelope, hashes: &[String]) -> bool {
    match EventKind::parse(&envelope.kind) {
        Some(
            EventKind::Sealed
            | EventKind::ClipRestored
            | EventKind::DisposalIntended
            | EventKind::Disposed
            | EventKind::CopyDisposed,
        ) => true,
        Some(EventKind::Linked | EventKind::Unlinked) => {
            envelope.case.as_ref().is_some_and(|case| hashes.contains(case))
        }
        _ => false,
    }
}

/// Whether a package opens the values of an event that it has: none of another case. `shared` are clips that other cases
/// have or had, too. A kind of a newer program is not opened.
fn is_opened(envelope: &Envelope, package: &str, shared: &BTreeSet<String>) -> bool {
    let about = About {
        this_case: envelope.case.is_some(),
        clip_of_no_other: envelope.clip.as_ref().is_some_and(|clip| !shared.contains(clip)),
        this_package: envelope.body.get("package").and_then(|v| v.as_str()) == Some(package),
    };
    EventKind::parse(&envelope.kind).is_some_and(|kind| kind.packaged().opens(about))
}

/// `clips` are those of the package, `disposed` those of the case that were disposed of.
fn custody(
    r: &Reader<'_>,
    (clips, disposed): (&[ClipId], &[ClipId]),
    hashes: &[String],
    checkpoint: &CheckpointRow,
    package: &str,
) -> Result<Custody, StoreError> {
    let ids: BTreeSet<String> = clips.iter().map(ToString::to_string).collect();
    let mut rows: BTreeMap<u64, LogRow> = BTreeMap::new();
    let gone: BTreeSet<String> = disposed.iter().map(ToString::to_string).collect();
    for clip in clips.iter().chain(disposed) {
        rows.extend(r.log_of_clip(*clip)?.into_iter().map(|row| (row.seq, row)));
    }
    rows.extend(r.log_of_case(hashes)?.into_iter().map(|row| (row.seq, row)));
    rows.extend(r.log_of_keys()?.into_iter().map(|row| (row.seq, row)));
    rows.extend(r.log_of_sm2_key()?.into_iter().map(|row| (row.seq, row)));
    let note = r.cosigned_note(checkpoint)?;
    let (mut events, mut proofs, mut clip_of) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut withheld, mut opened, mut of_sm2) = (Vec::new(), Vec::new(), Vec::new());
    // What records say must stand below the checkpoint.
    for (seq, row) in rows.range(checkpoint.size..) {
        let envelope: Envelope =
            serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?;
        let said = [
            EventKind::Annotated,
            EventKind::Linked,
            EventKind::Unlinked,
            EventKind::CasesJoined,
            // The table of what is missing tells the reasons.
            EventKind::NoRecordSaid,
        ];
        let here = envelope.clip.as_ref().is_none_or(|clip| ids.contains(clip));
        if here && EventKind::parse(&envelope.kind).is_some_and(|kind| said.contains(&kind)) {
            return Err(StoreError::Conflict(Why::NewerEntry { seq: *seq }));
        }
    }
    let mut shared = BTreeSet::new();
    for (seq, row) in &rows {
        let envelope: Envelope =
            serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?;
        if envelope.case.is_some_and(|case| !hashes.contains(&case)) {
            shared.extend(envelope.clip);
        }
    }
    for (seq, row) in rows.into_iter().filter(|(seq, _)| *seq < checkpoint.size) {
        let odd = |e: &dyn std::fmt::Display| StoreError::Odd(format!("log entry {seq}: {e}"));
        let envelope: Envelope = serde_json::from_slice(&row.bytes).map_err(|e| odd(&e))?;
        // About this case and a clip that is not in the package (withdrawn, isolated): none of its business. Of one that was
        // disposed of it is how it came, that it was this case's, and how it went.
        let of_end = |clip: &String| gone.contains(clip) && tells_of_end(&envelope, hashes);
        if envelope.clip.as_ref().is_some_and(|clip| !ids.contains(clip) && !of_end(clip)) {
            continue;
        }
        let path = r.log_path(seq, checkpoint.size)?.ok_or_else(|| odd(&"it has no path"))?;
        let proof = TlogProof { extra: None, index: seq, path, checkpoint: note.clone() };
        proofs.insert(seq, proof.to_string());
        // What tells of a clip that is gone is on every disc.
        if let Some(clip) = envelope.clip.as_ref().filter(|clip| ids.contains(*clip)) {
            clip_of.insert(seq, clip.clone());
        }
        if envelope.case.as_ref().is_some_and(|case| !hashes.contains(case)) {
            withheld.push(WithheldEvent { seq, leaf: to_hex(&leaf_hash(&row.bytes)) });
            continue;
        }
        if is_opened(&envelope, package, &shared) {
            opened.extend(r.log_secrets(seq)?.into_iter().map(|o| OpenedValue {
                seq,
                field: o.field,
                key: to_hex(&o.key),
                value: o.value,
            }));
        }
        events.insert(seq, String::from_utf8(row.bytes).map_err(|e| odd(&e))?);
        if envelope.kind == EventKind::Sm2Key.as_str() {
            of_sm2.push(envelope);
        }
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
        sm2: sm2_key(&of_sm2, checkpoint.epoch)?,
        events,
        withheld,
        proofs,
        clip_of,
        opened,
        timestamp,
    })
}

/// The SM2 key that these entries name at their end, as PEM: it signs the checkpoint over them, and the package.
fn sm2_key(told: &[Envelope], epoch: u32) -> Result<Option<String>, StoreError> {
    let odd = |seq: u64| StoreError::Odd(format!("log entry {seq} says what it cannot of the SM2 key"));
    let course = Course::of(told, epoch).map_err(odd)?;
    let Some(in_use) = course.in_use() else { return Ok(None) };
    let key = in_use.key.parse::<Sm2Key>().map_err(|e| StoreError::Odd(format!("the log names no SM2 key: {e}")))?;
    Ok(Some(key.to_pem()))
}
