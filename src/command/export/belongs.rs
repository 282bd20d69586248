//! What belongs in a package of a case: which clips, and which entries of the log, in clear or as their leaf hash alone. The
//! desk counts it as a package is asked for and says so in the log, whoever makes the package takes it, and before it is
//! signed both are compared (`custody::package::complete`).

use std::collections::{BTreeMap, BTreeSet};

use crate::custody::package::complete::{Counted, NUMBERS};
use crate::custody::package::{OpenedValue, WithheldEvent};
use crate::domain::clip::Local;
use crate::domain::digest::to_hex;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::merkle::{Hash, leaf_hash};
use crate::domain::packaged::About;
use crate::domain::why::Why;
use crate::store::{LogRow, Reader, StoreError};

/// The clips of a case as they are now.
#[derive(Debug, Default)]
pub(in crate::command) struct OfCase {
    /// Those that a package may hold, in the order of their capture.
    pub exportable: Vec<ClipId>,
    /// Those of which nothing is left but what the log says of their end.
    pub disposed: Vec<ClipId>,
    /// How many are isolated.
    pub isolated: u64,
    /// How many are still being copied.
    pub unsealed: u64,
}

impl OfCase {
    pub fn read(r: &Reader<'_>, case: i64) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for clip in r.clips_of_case(case)? {
            let row = r.clip(clip)?;
            match () {
                () if row.isolated_ms.is_some() => all.isolated += 1,
                () if row.local == Local::Copying => all.unsealed += 1,
                () if row.disposed_ms.is_some() => all.disposed.push(clip),
                () => all.exportable.push(clip),
            }
        }
        Ok(all)
    }
}

/// What the log says of a request for a package.
#[derive(Debug)]
pub(in crate::command) struct Requested {
    pub seq: u64,
    pub envelope: Envelope,
    /// With which clips it was asked for, in their order.
    pub clips: Vec<ClipId>,
    /// The number that it was asked for by, and the others of the case.
    pub numbers: Vec<String>,
}

impl Requested {
    pub fn read(r: &Reader<'_>, seq: u64) -> Result<Self, StoreError> {
        let envelope = envelope(&r.log_entry(seq)?)?;
        let numbers = r.log_secrets(seq)?.into_iter().find(|secret| secret.field == NUMBERS);
        let numbers = numbers.map(|secret| secret.value.lines().map(str::to_owned).collect()).unwrap_or_default();
        Ok(Self { seq, envelope, clips: r.begun_clips(seq)?, numbers })
    }

    /// What it says is there of this many.
    pub fn count(&self, name: &str) -> u64 {
        self.envelope.body.get(name).and_then(|n| n.as_u64()).unwrap_or(0)
    }

    /// What comes from here on in the log is in the next package.
    pub fn end(&self) -> u64 {
        self.seq + 1 + self.clips.len() as u64
    }
}

/// The numbers of a case as a request commits to them: the one that it was asked for by, then all others.
pub(in crate::command) fn numbers(asked: &str, aliases: &[(String, String)]) -> Vec<String> {
    let others = aliases.iter().map(|(_, display)| display).filter(|display| *display != asked);
    std::iter::once(asked).chain(others.map(String::as_str)).map(str::to_owned).collect()
}

/// An entry, as a package takes it.
#[derive(Debug)]
pub(in crate::command) struct Entry {
    pub bytes: Vec<u8>,
    pub envelope: Envelope,
    /// The clip of the package that it is about.
    pub of: Option<ClipId>,
}

/// The entries that belong in a package.
#[derive(Debug, Default)]
pub(in crate::command) struct Belongs {
    /// In clear.
    pub clear: BTreeMap<u64, Entry>,
    /// Of which the leaf hash alone is told.
    pub withheld: BTreeMap<u64, Entry>,
}

impl Belongs {
    /// Of the entries before `end`, those that concern these clips, those of the case that were disposed of, the case by any
    /// of its hashed numbers, and the keys under which the log is signed.
    ///
    /// They are found by columns that no tree covers. One that says something else than its entry shows that somebody changed
    /// the database: nothing is made of it then. What such a change hides altogether, `log verify` finds, which reads all.
    pub fn read(
        r: &Reader<'_>,
        (clips, disposed): (&[ClipId], &[ClipId]),
        hashes: &[String],
        end: u64,
    ) -> Result<Self, StoreError> {
        let ids: BTreeMap<String, ClipId> = clips.iter().map(|clip| (clip.to_string(), *clip)).collect();
        let gone: BTreeSet<String> = disposed.iter().map(ToString::to_string).collect();
        let mut rows: BTreeMap<u64, LogRow> = BTreeMap::new();
        for clip in clips.iter().chain(disposed) {
            rows.extend(r.log_of_clip(*clip)?.into_iter().map(|row| (row.seq, row)));
        }
        rows.extend(r.log_of_case(hashes)?.into_iter().map(|row| (row.seq, row)));
        rows.extend(r.log_of_keys()?.into_iter().map(|row| (row.seq, row)));
        rows.extend(r.log_of_sm2_key()?.into_iter().map(|row| (row.seq, row)));
        let mut all = Self::default();
        for (seq, row) in rows.into_iter().filter(|(seq, _)| *seq < end) {
            let envelope = envelope(&row)?;
            let (clip, case) = (envelope.clip.as_deref(), envelope.case.as_deref());
            if !r.log_copies(seq)?.differing(&envelope.kind, envelope.wall_ms, clip, case).is_empty() {
                return Err(StoreError::Conflict(Why::LogChanged { seq }));
            }
            let of = envelope.clip.as_ref().and_then(|clip| ids.get(clip)).copied();
            // About this case and a clip that is not in the package (withdrawn, isolated): none of its business. Of one that
            // was disposed of it is how it came, that it was this case's, and how it went.
            let of_end = |clip: &String| gone.contains(clip) && tells_of_end(&envelope, hashes);
            if of.is_none() && envelope.clip.as_ref().is_some_and(|clip| !of_end(clip)) {
                continue;
            }
            let other = envelope.case.as_ref().is_some_and(|case| !hashes.contains(case));
            let kept = if other { &mut all.withheld } else { &mut all.clear };
            kept.insert(seq, Entry { bytes: row.bytes, envelope, of });
        }
        Ok(all)
    }

    /// Those in clear about each clip of the package.
    pub fn counted_by_clip(&self) -> BTreeMap<ClipId, Counted> {
        let mut of_clip: BTreeMap<ClipId, Vec<Hash>> = BTreeMap::new();
        for (clip, entry) in self.clear.values().filter_map(|entry| Some((entry.of?, entry))) {
            of_clip.entry(clip).or_default().push(leaf_hash(&entry.bytes));
        }
        of_clip.into_iter().map(|(clip, leaves)| (clip, Counted::of(&leaves))).collect()
    }

    /// All others in clear that stand before an entry, and those of which the leaf hash alone is told.
    pub fn counted_others(&self, before: u64) -> (Counted, Counted) {
        let others = self.clear.range(..before).map(|(_, entry)| entry).filter(|entry| entry.of.is_none());
        (Counted::of(&leaves(others)), Counted::of(&leaves(self.withheld.range(..before).map(|(_, entry)| entry))))
    }
}

fn leaves<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Hash> {
    entries.map(|entry| leaf_hash(&entry.bytes)).collect()
}

/// Reads an entry.
pub(in crate::command) fn envelope(row: &LogRow) -> Result<Envelope, StoreError> {
    serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))
}

/// As `custody/withheld.json` tells of it.
pub(in crate::command) fn withheld(seq: u64, bytes: &[u8]) -> WithheldEvent {
    WithheldEvent { seq, leaf: to_hex(&leaf_hash(bytes)) }
}

/// Clips that other cases have or had, too, by what is withheld.
pub(in crate::command) fn shared<'a>(withheld: impl Iterator<Item = &'a Envelope>) -> BTreeSet<String> {
    withheld.filter_map(|envelope| envelope.clip.clone()).collect()
}

/// The values of an entry in clear that the package with this id opens: none of another case. `shared` are clips that other
/// cases have or had, too. A kind of a newer program is not opened.
pub(in crate::command) fn opened(
    r: &Reader<'_>,
    (seq, envelope): (u64, &Envelope),
    package: &str,
    shared: &BTreeSet<String>,
) -> Result<Vec<OpenedValue>, StoreError> {
    let about = About {
        this_case: envelope.case.is_some(),
        clip_of_no_other: envelope.clip.as_ref().is_some_and(|clip| !shared.contains(clip)),
        this_package: envelope.body.get("package").and_then(|v| v.as_str()) == Some(package),
    };
    let Some(kind) = EventKind::parse(&envelope.kind).filter(|kind| kind.packaged().opens(about)) else {
        return Ok(Vec::new());
    };
    let by_rule = envelope.actor.kind == "daemon";
    let values = r.log_secrets(seq)?.into_iter().filter(|value| kind.opens_value(&value.field, by_rule));
    let told = values.map(|o| OpenedValue { seq, field: o.field, key: to_hex(&o.key), value: o.value });
    Ok(told.collect())
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

/// The hashed numbers by which events know a case.
pub(in crate::command) fn hashes(aliases: &[(String, String)]) -> Vec<String> {
    aliases.iter().map(|(key, _)| layout::case_hash(key)).collect()
}
