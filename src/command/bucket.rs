//! Finding and verifying with a destination alone: no vault, no database, only read access to the objects.
//!
//! The case index names every station's clips of a case; for each clip the highest revision wins, and says
//! whether the link still stands and which record to read.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;
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

/// What an entry of the case index says; fields that are not used here are left out.
#[derive(Debug, Deserialize)]
struct Entry {
    withdrawn: bool,
    record: String,
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
pub fn find(settings: &Settings, from: &str, number: &CaseNumber) -> anyhow::Result<Vec<Record>> {
    let dest = destinations::from_typed(settings, from)?;
    block_on(async { records(&dest, number).await })
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
        for record in records(&dest, number).await? {
            let result = check(&dest, &record).await?;
            done(&result);
            checked.push(result);
        }
        Ok(checked)
    })
}

async fn records(dest: &Arc<dyn Destination>, number: &CaseNumber) -> anyhow::Result<Vec<Record>> {
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
    let mut found = Vec::new();
    for ((station, clip), rev) in newest {
        let entry_key = layout::case_entry(number.key(), &station, clip, rev);
        let entry: Entry = serde_json::from_slice(&small(&**dest, &entry_key).await?)
            .with_context(|| format!("{entry_key} is not an entry of the case index"))?;
        if entry.withdrawn || !entry.record.starts_with(&layout::record_prefix(&station, clip)) {
            continue;
        }
        let key = newest_record(&**dest, &station, clip, entry.record).await?;
        let record: Record =
            serde_json::from_slice(&small(&**dest, &key).await?).with_context(|| format!("{key} is not a record"))?;
        found.push(record);
    }
    found.sort_by(|a, b| (&a.captured_start, &a.record_id).cmp(&(&b.captured_start, &b.record_id)));
    Ok(found)
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

async fn small(dest: &dyn Destination, key: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = dest.read(key, None).await.with_context(|| format!("reading {key}"))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        anyhow::ensure!(
            bytes.len() <= MAX_SMALL_BYTES,
            "{key} is larger than any record; it was not written by evidock"
        );
    }
    Ok(bytes)
}

async fn check(dest: &Arc<dyn Destination>, record: &Record) -> anyhow::Result<Checked> {
    let done = |result, detail| Checked { record_id: record.record_id.clone(), result, detail };
    let (Some(blake3), Some(sha256)) = (&record.blake3, &record.sha256) else {
        return Ok(done("not_sent", Some("its record names no digest yet".to_owned())));
    };
    let key = layout::master(&StationId::new(&record.station_id)?, record.record_id.parse()?);
    if dest.head(&key).await?.is_none() {
        // A record is published before its footage: that is news, not damage, until a copy was called proven.
        let proven = record.copies.iter().any(|c| c.state == "proven" && c.destination == dest.name().as_str());
        return Ok(if proven {
            done("differs", Some("it was proven, and is no longer there".to_owned()))
        } else {
            done("not_sent", None)
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
