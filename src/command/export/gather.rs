//! What a package will say, read when it is asked for: clips with their records, the events about them with their
//! proofs, and nothing of any other case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::coverage::allowed;
use super::super::exit::Exit;
use super::super::find::case_number;
use super::super::run::policy;
use super::super::{Ended, log as log_verb};
use super::belongs::{Belongs, OfCase, Requested, envelope, hashes, numbers, opened, shared, withheld};
use super::plan::{Package, file_name};
use crate::config::Settings;
use crate::custody::package::complete::{Counted, ENTRIES, WITHHELD};
use crate::custody::package::{Facts, OpenedValue, PackedClip, PackedDerived, WithheldEvent};
use crate::custody::sm2::Sm2Key;
use crate::custody::sm2_course::Course;
use crate::domain::coverage::told;
use crate::domain::derivative::State;
use crate::domain::digest::to_hex;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::merkle::Hash;
use crate::domain::proof::TlogProof;
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{CheckpointRow, DerivativeRow, Reader, Store, StoreError};

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

/// Something was said about the case since the package was begun: it must say what the log did when it was asked for, so that
/// it is to be begun anew.
#[derive(Debug, thiserror::Error)]
#[error("facts of this case are changed again and again just as its package is begun; ask for it later")]
pub(super) struct Behind;

/// So often it is begun anew for that.
pub(super) const TRIES: u32 = 5;

/// What the daemon answered to [`crate::domain::command::Request::BeginExport`].
#[derive(Clone, Deserialize)]
pub(super) struct Begun {
    package: String,
    seq: u64,
    epoch: u32,
    size: u64,
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

/// Reads what a package will say that was begun; [`Behind`] where that is no longer what it was then. Blocks.
pub(super) fn gather(asked: &Asked<'_>, begun: Begun, settings: &Settings, store: &Store) -> anyhow::Result<Package> {
    let number = case_number(settings, asked.case_no)?;
    let log_keys = log_verb::trusted_keys(settings)?;
    let (policy, with_derived, zone) = (policy(settings), asked.derived, settings.station.zone.clone());
    let allowed = allowed(&settings.casework.coverage);
    let gathered = store.read_blocking(|r| {
        let Some(case) = r.case_id(number.key())? else {
            return Err(StoreError::NotFound(Why::NoCaseNumber { case_no: number.display().to_owned() }));
        };
        let requested = Requested::read(r, begun.seq)?;
        let case_no = requested.numbers.first().cloned().unwrap_or_default();
        let aliases = r.aliases(case)?;
        // What was linked since the request is in the next package: the log says with which clips this one was asked for.
        let now = OfCase::read(r, case)?;
        let there: BTreeSet<&ClipId> = now.exportable.iter().collect();
        let belongs = Belongs::read(r, (&requested.clips, &now.disposed), &hashes(&aliases), requested.end())?;
        let (others, withheld) = belongs.counted_others(begun.seq);
        if requested.clips.len() as u64 != requested.count("clips")
            || !requested.clips.iter().all(|clip| there.contains(clip))
            || numbers(&case_no, &aliases) != requested.numbers
            || Counted::read(&requested.envelope, ENTRIES) != Some(others)
            || Counted::read(&requested.envelope, WITHHELD) != Some(withheld)
        {
            return Err(StoreError::Conflict(Why::NewerEntry { seq: begun.seq }));
        }
        let checkpoint = r
            .checkpoints(1_000)?
            .into_iter()
            .find(|c| (c.epoch, c.size) == (begun.epoch, begun.size))
            .ok_or_else(|| StoreError::Odd("the checkpoint over the request is not there".into()))?;
        unchanged(r, &requested, &hashes(&aliases))?;
        let mut chosen = Vec::new();
        for clip in &requested.clips {
            chosen.push((*clip, r.record_of_case(*clip, &policy, case)?));
        }
        let custody = custody(r, &belongs, &checkpoint, &begun.package)?;
        let made = made(&belongs);
        let mut derived = Vec::new();
        for clip in requested.clips.iter().filter(|_| with_derived) {
            let rows = r.derivatives(*clip, MOST_DERIVED)?;
            // What was made since the request no event of the package tells of.
            derived.extend(
                rows.iter().rev().filter(|row| made.contains(&row.id)).filter_map(|row| packed_derived(row, &zone)),
            );
        }
        let coverage = r.coverage(case, requested.envelope.wall_ms, allowed)?;
        Ok((requested, chosen, custody, derived, coverage))
    });
    let (requested, chosen, mut custody, derived, coverage) = gathered.map_err(|e| match e {
        StoreError::NotFound(why) => Ended::why(Exit::NotFound, why),
        StoreError::Conflict(_) => Behind.into(),
        e => e.into(),
    })?;
    let (at, case_no) = (UtcMs(requested.envelope.wall_ms), requested.numbers[0].clone());
    // Where no item applies nothing is missing, which is no proof that anything is complete: nothing is said then.
    let coverage = (!coverage.lines.is_empty()).then(|| told(&case_no, &coverage, at, &settings.station.zone));
    custody.keys = log_keys.iter().map(|key| format!("{key}\n")).collect();
    let of = chosen.len();
    let clips: Vec<PackedClip> = chosen
        .iter()
        .enumerate()
        .map(|(n, (clip, record))| packed(n + 1, of, *clip, record))
        .collect::<Result<_, _>>()?;
    let actor = &requested.envelope.actor;
    let facts = Facts {
        v: 1,
        package: begun.package,
        station: settings.station.id.to_string(),
        agency: settings.station.agency.clone(),
        case_no,
        case_hash: layout::case_hash(number.key()),
        aliases: requested.numbers[1..].to_vec(),
        reason: asked.reason.trim().to_owned(),
        basis: asked.basis.trim().to_owned(),
        recipient: asked.recipient.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty()),
        asked_by: format!("{}:{}", actor.kind, actor.id),
        asked_at: at.rfc3339_in(&settings.station.zone),
        begun_seq: begun.seq,
        clips: clips.len() as u64,
        bytes: clips.iter().map(|c| c.size_bytes).sum(),
        isolated: requested.count("isolated"),
        unsealed: requested.count("unsealed"),
        disposed: requested.count("disposed"),
        disc: None,
        made_with: concat!("evidock ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let records = chosen.into_iter().map(|(_, record)| record).collect();
    Ok(Package { facts, clips, records, custody, derived, coverage })
}

/// Entries that are read at once.
const AT_ONCE: u32 = 1_000;
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

/// That nobody said anything since the request of what the records of its clips say.
fn unchanged(r: &Reader<'_>, requested: &Requested, hashes: &[String]) -> Result<(), StoreError> {
    let said = [
        EventKind::Annotated,
        EventKind::Linked,
        EventKind::Unlinked,
        EventKind::CasesJoined,
        EventKind::Probed,
        EventKind::Gap,
        // The table of what is missing tells the reasons.
        EventKind::NoRecordSaid,
    ];
    let ids: BTreeSet<String> = requested.clips.iter().map(ToString::to_string).collect();
    let mut from = requested.end();
    loop {
        let rows = r.log_entries(from, AT_ONCE)?;
        for row in &rows {
            let envelope = envelope(row)?;
            let of_case = envelope.case.as_ref().is_some_and(|case| hashes.contains(case));
            let here = envelope.clip.as_ref().map_or(of_case, |clip| ids.contains(clip));
            if here && EventKind::parse(&envelope.kind).is_some_and(|kind| said.contains(&kind)) {
                return Err(StoreError::Conflict(Why::NewerEntry { seq: row.seq }));
            }
        }
        match rows.last() {
            Some(last) => from = last.seq + 1,
            None => return Ok(()),
        }
    }
}

/// Ids of the files of which the package's entries say that they were derived of its clips.
fn made(belongs: &Belongs) -> BTreeSet<String> {
    let made = belongs.clear.values().filter(|e| e.envelope.kind == EventKind::DerivedMade.as_str());
    made.filter_map(|e| e.envelope.body.get("derived")?.as_str().map(str::to_owned)).collect()
}

/// The log's part of a package that has these entries.
fn custody(
    r: &Reader<'_>,
    belongs: &Belongs,
    checkpoint: &CheckpointRow,
    package: &str,
) -> Result<Custody, StoreError> {
    let note = r.cosigned_note(checkpoint)?;
    let mut proofs = BTreeMap::new();
    for seq in belongs.clear.keys().chain(belongs.withheld.keys()) {
        let path = r.log_path(*seq, checkpoint.size)?;
        let path = path.ok_or_else(|| StoreError::Odd(format!("log entry {seq}: it has no path")))?;
        proofs.insert(*seq, TlogProof { extra: None, index: *seq, path, checkpoint: note.clone() }.to_string());
    }
    let shared = shared(belongs.withheld.values().map(|entry| &entry.envelope));
    let (mut events, mut clip_of) = (BTreeMap::new(), BTreeMap::new());
    let (mut told, mut of_sm2) = (Vec::new(), Vec::new());
    for (seq, entry) in &belongs.clear {
        // What tells of a clip that is gone is on every disc, and likewise that there are entries of other cases.
        if let Some(clip) = entry.of {
            clip_of.insert(*seq, clip.to_string());
        }
        told.extend(opened(r, (*seq, &entry.envelope), package, &shared)?);
        let text = String::from_utf8(entry.bytes.clone());
        events.insert(*seq, text.map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?);
        if entry.envelope.kind == EventKind::Sm2Key.as_str() {
            of_sm2.push(entry.envelope.clone());
        }
    }
    let withheld = belongs.withheld.iter().map(|(seq, entry)| withheld(*seq, &entry.bytes)).collect();
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
        opened: told,
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
