//! Finding and verifying with a destination alone: no vault, no database, only read access to the objects.
//!
//! The case index names every station's clips of a case; for each clip the highest revision wins, and says
//! whether the link still stands and which record to read. What stands there and cannot be used is told beside what
//! was found: one broken entry hides no other clip, and is never passed over in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::{block_on, destinations};
use crate::config::Settings;
use crate::deliver::prove::{Expected, read_back};
use crate::domain::case_number::CaseNumber;
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout::{self, CaseEntryKey};
use crate::domain::ports::{Destination, SendError};
use crate::domain::record::Record;

/// Largest object of the index or record that is read.
const MAX_SMALL_BYTES: usize = 4 << 20;
/// Clips whose entries and records are read at the same time.
const AT_ONCE: usize = 8;

/// What an entry of the case index says; fields that are not used here are left out.
#[derive(Debug, Deserialize)]
struct Entry {
    withdrawn: bool,
    record: String,
}

/// What stands in a case's index.
#[derive(Debug, Default)]
pub struct Found {
    /// Records of the clips whose link stands, in the order of their capture.
    pub records: Vec<Record>,
    /// Clips whose entry or record cannot be used, and why.
    pub odd: Vec<Odd>,
}

/// A clip of which the destination tells nothing that can be used.
#[derive(Debug, Clone)]
pub struct Odd {
    /// The clip.
    pub clip: ClipId,
    /// The station that wrote it.
    pub station: StationId,
    /// In words.
    pub why: String,
}

/// What comparing an object with its record came to.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The record's id.
    pub record_id: String,
    /// `same`, `differs`, `not_sent`.
    pub result: &'static str,
    /// In words.
    pub detail: Option<String>,
}

/// Every clip of a case, by any of its numbers, from the objects of `from` alone.
pub fn find(settings: &Settings, from: &str, number: &CaseNumber) -> anyhow::Result<Found> {
    let dest = destinations::from_typed(settings, from)?;
    block_on(async { index(&dest, number).await })
}

/// Reads the masters of a case back and compares them with their records.
pub fn verify(
    settings: &Settings,
    from: &str,
    number: &CaseNumber,
    mut done: impl FnMut(&Checked),
) -> anyhow::Result<Vec<Checked>> {
    let dest = destinations::from_typed(settings, from)?;
    block_on(async {
        let mut checked = Vec::new();
        let found = index(&dest, number).await?;
        for odd in found.odd {
            let result = Checked { record_id: odd.clip.to_string(), result: "differs", detail: Some(odd.why) };
            done(&result);
            checked.push(result);
        }
        for record in found.records {
            let result = check(&dest, &record).await?;
            done(&result);
            checked.push(result);
        }
        Ok(checked)
    })
}

/// Reads a case's index and the newest record of each clip in it.
pub async fn index(dest: &Arc<dyn Destination>, number: &CaseNumber) -> anyhow::Result<Found> {
    let mut newest: BTreeMap<(StationId, ClipId), u32> = BTreeMap::new();
    let prefix = layout::case_prefix(number.key());
    let mut after: Option<String> = None;
    loop {
        let page = dest.list(&prefix, after.as_deref()).await.context("listing the case index")?;
        let Some(last) = page.last().cloned() else { break };
        for key in page {
            if let Some(CaseEntryKey { station, clip, rev }) = layout::parse_case_entry(&key) {
                let highest = newest.entry((station, clip)).or_default();
                *highest = (*highest).max(rev);
            }
        }
        after = Some(last);
    }
    let read = |((station, clip), rev): ((StationId, ClipId), u32)| async move {
        let record = record_of(&**dest, number, &station, clip, rev).await;
        (station, clip, record)
    };
    let mut reading = stream::iter(newest.into_iter().map(read)).buffered(AT_ONCE);
    let mut found = Found::default();
    while let Some((station, clip, record)) = reading.next().await {
        match record? {
            Ok(Some(record)) => found.records.push(record),
            // The link was withdrawn.
            Ok(None) => {}
            Err(why) => found.odd.push(Odd { clip, station, why }),
        }
    }
    found.records.sort_by(|a, b| (&a.captured_start, &a.record_id).cmp(&(&b.captured_start, &b.record_id)));
    Ok(found)
}

/// The newest record of a clip, by the entry of this revision. The outer error: the destination could not be asked; the
/// inner one: what it holds is of no use.
async fn record_of(
    dest: &dyn Destination,
    number: &CaseNumber,
    station: &StationId,
    clip: ClipId,
    rev: u32,
) -> anyhow::Result<Result<Option<Record>, String>> {
    let key = layout::case_entry(number.key(), station, clip, rev);
    let entry: Entry = match small(dest, &key).await? {
        Err(why) => return Ok(Err(why)),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(entry) => entry,
            Err(e) => return Ok(Err(format!("{key} is not an entry of the case index: {e}"))),
        },
    };
    if entry.withdrawn {
        return Ok(Ok(None));
    }
    if !entry.record.starts_with(&layout::record_prefix(station, clip)) {
        return Ok(Err(format!("{key} names the record of another clip")));
    }
    let key = newest_record(dest, station, clip, entry.record).await?;
    let record: Record = match small(dest, &key).await? {
        Err(why) => return Ok(Err(why)),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(record) => record,
            Err(e) => return Ok(Err(format!("{key} is not a record: {e}"))),
        },
    };
    if record.record_id != clip.to_string() || record.station_id != station.as_str() {
        return Ok(Err(format!("{key} is the record of another clip")));
    }
    Ok(Ok(Some(record)))
}

/// The newest revision of a record that stands there, not older than the one that the index names.
async fn newest_record(
    dest: &dyn Destination,
    station: &StationId,
    clip: ClipId,
    named: String,
) -> anyhow::Result<String> {
    let mut newest = named;
    loop {
        let page = dest.list(&layout::record_prefix(station, clip), Some(&newest)).await?;
        match page.into_iter().max() {
            Some(later) if later > newest => newest = later,
            _ => return Ok(newest),
        }
    }
}

/// Reads a small object whole; the inner error: it is not there, or is none that we wrote.
async fn small(dest: &dyn Destination, key: &str) -> anyhow::Result<Result<Vec<u8>, String>> {
    let mut stream = match dest.read(key, None).await {
        Err(SendError::Mismatch { what, .. }) => return Ok(Err(format!("{key}: {what}"))),
        other => other.with_context(|| format!("reading {key}"))?,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.with_context(|| format!("reading {key}"))?);
        if bytes.len() > MAX_SMALL_BYTES {
            return Ok(Err(format!("{key} is larger than any record; it was not written by evidock")));
        }
    }
    Ok(Ok(bytes))
}

/// Whether footage that is not at `dest` was called proven there once. A machine without the station's configuration may
/// know the destination by another name: where the record knows no copy by that name, it counts when all of them are.
pub fn was_proven_at(record: &Record, dest: &dyn Destination) -> bool {
    let proven = |c: &&crate::domain::record::Copy| c.state == "proven";
    let mut named = record.copies.iter().filter(|c| c.destination == dest.name().as_str()).peekable();
    match named.peek() {
        Some(_) => named.any(|c| proven(&c)),
        None => !record.copies.is_empty() && record.copies.iter().all(|c| proven(&c)),
    }
}

async fn check(dest: &Arc<dyn Destination>, record: &Record) -> anyhow::Result<Checked> {
    let done = |result, detail| Checked { record_id: record.record_id.clone(), result, detail };
    let (Some(blake3), Some(sha256)) = (&record.blake3, &record.sha256) else {
        return Ok(done("not_sent", Some("its record names no digest yet".to_owned())));
    };
    let key = layout::master(&StationId::new(&record.station_id)?, record.record_id.parse()?);
    if dest.head(&key).await?.is_none() {
        // A record is published before its footage: that is news, not damage, until a copy was called proven.
        return Ok(match was_proven_at(record, &**dest) {
            true => done("differs", Some("it was proven, and is no longer there".to_owned())),
            false => done("not_sent", None),
        });
    }
    let expected = Expected {
        size_bytes: record.size_bytes,
        sha256: sha256.parse()?,
        parts: &[],
        crc64: None,
        blake3: Some(blake3.parse()?),
    };
    match read_back(&**dest, &key, &expected).await {
        Ok(()) => Ok(done("same", None)),
        Err(SendError::Mismatch { what, .. }) => Ok(done("differs", Some(what))),
        Err(e) => Err(e.into()),
    }
}
