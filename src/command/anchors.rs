//! Checkpoints as destinations hold them: read back for `log verify` and for a restore. Reads only; what a destination says
//! is compared with the log and never taken over.

use std::collections::BTreeMap;

use futures_util::StreamExt;

use super::holdings::{self, Held, Sample, Which, each};
use crate::custody::checkpoint::{self, Checkpoint};
use crate::custody::note::Note;
use crate::custody::report::HeldBy;
use crate::custody::stamps::HeldStamp;
use crate::custody::timestamp;
use crate::custody::verify::HeldCheckpoint;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, ObjectVersion, SendError};

/// Notes that are read at the same time.
const AT_ONCE: usize = 8;
/// A checkpoint of ours has some 400 bytes; what is longer than this was not written by us.
const MAX_NOTE_BYTES: usize = 64 << 10;

/// What one destination gave.
#[derive(Debug)]
pub struct Anchors {
    /// The notes that were read.
    pub notes: Vec<HeldCheckpoint>,
    /// How many checkpoints stand there, ...
    pub listed: u64,
    /// ... and of how many every version was read.
    pub read: u64,
    /// What a person should know of how they stand there.
    pub warnings: Vec<String>,
}

/// The newest checkpoint of each epoch that stands at a destination, as it is there in each of its versions, oldest epoch
/// first. Whether one of ours signed it is for the caller to find out.
pub async fn newest_of_each_epoch(
    dest: &dyn Destination,
    station: &StationId,
) -> Result<Vec<(u32, u64, Vec<Vec<u8>>)>, SendError> {
    let mut newest: BTreeMap<u32, (u64, Held)> = BTreeMap::new();
    each(dest, &layout::checkpoint_prefix(station), None, &mut |held| {
        let Some((epoch, size)) = layout::parse_checkpoint(station, &held.key) else { return };
        match newest.get_mut(&epoch) {
            Some((known, there)) if *known == size => there.merge(held),
            Some((known, _)) if *known > size => {}
            _ => {
                newest.insert(epoch, (size, held));
            }
        }
    })
    .await?;
    let mut found = Vec::new();
    for (epoch, (size, held)) in newest {
        found.push((epoch, size, notes(dest, &held).await?));
    }
    Ok(found)
}

/// The checkpoints of an epoch that stand at a destination and cover more than `size` events, by their size, each as it is
/// there in each of its versions.
pub async fn beyond(
    dest: &dyn Destination,
    station: &StationId,
    epoch: u32,
    size: u64,
) -> Result<Vec<(u64, Vec<Vec<u8>>)>, SendError> {
    let mut read = Vec::new();
    for (size, held) in listed_beyond(dest, station, epoch, size).await? {
        read.push((size, notes(dest, &held).await?));
    }
    Ok(read)
}

/// The newest of them.
pub async fn newest_beyond(
    dest: &dyn Destination,
    station: &StationId,
    epoch: u32,
    size: u64,
) -> Result<Option<(u64, Vec<Vec<u8>>)>, SendError> {
    match listed_beyond(dest, station, epoch, size).await?.pop_last() {
        Some((size, held)) => Ok(Some((size, notes(dest, &held).await?))),
        None => Ok(None),
    }
}

async fn listed_beyond(
    dest: &dyn Destination,
    station: &StationId,
    epoch: u32,
    size: u64,
) -> Result<BTreeMap<u64, Held>, SendError> {
    let mut found: BTreeMap<u64, Held> = BTreeMap::new();
    let after = layout::checkpoint(station, epoch, size);
    each(dest, &layout::checkpoints_of(station, epoch), Some(&after), &mut |held| {
        let Some((_, size)) = layout::parse_checkpoint(station, &held.key) else { return };
        match found.get_mut(&size) {
            Some(there) => there.merge(held),
            None => {
                found.insert(size, held);
            }
        }
    })
    .await?;
    Ok(found)
}

async fn notes(dest: &dyn Destination, held: &Held) -> Result<Vec<Vec<u8>>, SendError> {
    let mut notes = Vec::new();
    for version in &held.versions {
        notes.push(note(dest, version).await?);
    }
    Ok(notes)
}

/// Reads a destination's anchors back, each in every version: the newest, those that this database does not know, those
/// that were written over or deleted, those that are wanted, and of the others a sample or all.
pub async fn read_back(
    dest: &dyn Destination,
    station: &StationId,
    which: Which<'_>,
    held_by: &HeldBy,
) -> Result<Anchors, SendError> {
    let found = choose(dest, &layout::checkpoint_prefix(station), which, "checkpoint", MAX_NOTE_BYTES).await?;
    let mut warnings = found.warnings;
    let misplaced = found.objects.iter().filter(|(key, note)| !stands_in_its_place(station, key, note)).count();
    if misplaced > 0 {
        warnings.push(format!(
            "{misplaced} of the checkpoints that were read at {} do not say what their name says: somebody put others there",
            dest.name()
        ));
    }
    let notes = found.objects.into_iter();
    let notes = notes.map(|(_, note)| HeldCheckpoint { held_by: held_by.clone(), note }).collect();
    Ok(Anchors { notes, listed: found.listed, read: found.read, warnings })
}

/// Whether a checkpoint is the one that its key tells of. One that cannot be read at all is a finding of its own.
pub(super) fn stands_in_its_place(station: &StationId, key: &str, note: &[u8]) -> bool {
    let read = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    let Some(read) = read else { return true };
    let told = checkpoint::parse_origin(&read.origin).map(|(_, epoch)| (epoch, read.size));
    told == layout::parse_checkpoint(station, key)
}

/// Reads a destination's timestamps back, of many as few as of checkpoints; and what a person should know of how they stand
/// there.
pub async fn read_stamps(
    dest: &dyn Destination,
    station: &StationId,
    which: Which<'_>,
    held_by: &HeldBy,
) -> Result<(Vec<HeldStamp>, Vec<String>), SendError> {
    let prefix = layout::timestamp_prefix(station);
    let found = choose(dest, &prefix, which, "timestamp", timestamp::MAX_REPLY_BYTES).await?;
    let stamps = found.objects.into_iter().filter_map(|(key, reply)| {
        let (epoch, size) = layout::parse_timestamp(station, &key)?;
        Some(HeldStamp::read(held_by.clone(), epoch, size, None, &reply))
    });
    Ok((stamps.collect(), found.warnings))
}

/// What was read of many objects.
struct Chosen {
    /// Key and bytes of each version.
    objects: Vec<(String, Vec<u8>)>,
    listed: u64,
    /// Of so many keys.
    read: u64,
    warnings: Vec<String>,
}

async fn choose(
    dest: &dyn Destination,
    prefix: &str,
    which: Which<'_>,
    what: &str,
    most: usize,
) -> Result<Chosen, SendError> {
    let mut sample = Sample::new(which);
    let unseen = each(dest, prefix, None, &mut |held| sample.take(held)).await?;
    let (listed, mut warnings) = (sample.listed, warnings(dest, what, &sample, unseen));
    let chosen = sample.chosen();
    let chosen_keys = chosen.len() as u64;
    // Of so few, one came twice.
    if chosen_keys < listed && listed > holdings::DENSE as u64 {
        warnings.push(format!(
            "of {listed} {what}s at {} a sample of {chosen_keys} was read; `--all` reads every one",
            dest.name()
        ));
    }
    let versions: Vec<ObjectVersion> = chosen.into_iter().flat_map(|held| held.versions).collect();
    let read: Vec<Result<Vec<u8>, SendError>> = futures_util::stream::iter(&versions)
        .map(|version| holdings::bytes(dest, version, most))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let objects = versions.iter().zip(read).map(|(version, bytes)| Ok((version.key.clone(), bytes?)));
    let objects = objects.collect::<Result<_, SendError>>()?;
    Ok(Chosen { objects, listed, read: chosen_keys, warnings })
}

/// In words, how objects of the log stand at a destination that it should be told.
fn warnings(dest: &dyn Destination, what: &str, sample: &Sample<'_>, unseen: Option<String>) -> Vec<String> {
    let name = dest.name();
    let mut warnings = Vec::new();
    if let Some(why) = unseen {
        warnings.push(format!(
            "{name} shows the newest version of each {what} alone ({why}): one that was written over there would not be seen"
        ));
    }
    if sample.written_over > 0 {
        warnings.push(format!(
            "{} {what}s at {name} were written more than once; all versions of those that were read were compared",
            sample.written_over
        ));
    }
    if sample.unread > 0 {
        warnings.push(format!(
            "{} versions of {what}s at {name} were not read: of one with so many, the first and the last were",
            sample.unread
        ));
    }
    if sample.deleted > 0 {
        warnings.push(format!(
            "{} {what}s were deleted at {name}; what is kept of those that were read was compared",
            sample.deleted
        ));
    }
    warnings
}

pub(super) async fn note(dest: &dyn Destination, version: &ObjectVersion) -> Result<Vec<u8>, SendError> {
    holdings::bytes(dest, version, MAX_NOTE_BYTES).await
}
