//! What a destination holds of a station's clips, and bringing the database up to date from it: records that are newer
//! than the backup, hash trees, the last number of the catalogue.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use futures_util::StreamExt;

use crate::command::backup::{each_key, small};
use crate::command::output::Output;
use crate::domain::case_number::{CaseNumber, NumberRule};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout::{self, ClipObject};
use crate::domain::ports::{Destination, SendError};
use crate::domain::record::Record;
use crate::store::{FromRecord, Store, StoreError, Taken};

/// Largest record that is read.
const MAX_RECORD_BYTES: usize = 4 << 20;
/// Records that are read at the same time.
const AT_ONCE: usize = 8;

/// What stands there of a clip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    /// The original bytes.
    pub master: bool,
    /// The hash tree.
    pub tree: bool,
    /// The highest revision of the record; 0 where there is none.
    pub rev: u32,
}

/// Lists what stands there of every clip. Some 100 bytes of memory each.
pub async fn presence(dest: &dyn Destination, station: &StationId) -> Result<BTreeMap<ClipId, Presence>, SendError> {
    let mut clips: BTreeMap<ClipId, Presence> = BTreeMap::new();
    each_key(dest, &layout::clips_prefix(station), |key| {
        let Some((clip, object)) = layout::parse_clip_object(station, key) else { return };
        let there = clips.entry(clip).or_default();
        match object {
            ClipObject::Master => there.master = true,
            ClipObject::Tree => there.tree = true,
            ClipObject::Record(rev) => there.rev = there.rev.max(rev),
        }
    })
    .await?;
    Ok(clips)
}

/// The highest number of a segment of the catalogue there.
pub async fn last_of_catalogue(dest: &dyn Destination, station: &StationId) -> Result<Option<u64>, SendError> {
    let mut last = None;
    each_key(dest, &layout::catalogue_prefix(station), |key| last = layout::parse_catalogue(station, key).max(last))
        .await?;
    Ok(last)
}

/// What taking the records over came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Clips that the backup did not know.
    pub new: u64,
    /// Clips that it knew less of.
    pub newer: u64,
    /// Records that could not be used, each with why.
    pub odd: Vec<String>,
}

/// What reading records needs.
pub struct Source<'a> {
    /// Where they stand.
    pub dest: &'a dyn Destination,
    /// Whose.
    pub station: &'a StationId,
    /// Reads the other numbers of a case.
    pub rule: &'a NumberRule,
    /// For that.
    pub this_year: i16,
    /// Configured destinations, and whether each is required.
    pub required: &'a BTreeMap<String, bool>,
}

/// Takes every record over that is newer than what the database knows, oldest clip first.
pub async fn take_all(
    source: &Source<'_>,
    store: &Store,
    there: &BTreeMap<ClipId, Presence>,
    output: &Output,
) -> anyhow::Result<Tally> {
    let mut wanted = Vec::new();
    for (clip, presence) in there.iter().filter(|(_, p)| p.rev > 0) {
        let clip = *clip;
        if store.read(move |r| r.known_rev(clip)).await?.is_none_or(|known| known < presence.rev) {
            wanted.push((clip, presence.rev));
        }
    }
    let mut progress = output.progress("records", wanted.len() as u64);
    let mut tally = Tally::default();
    let mut read = futures_util::stream::iter(
        wanted.into_iter().map(|(clip, rev)| async move { (clip, rev, read_record(source, clip, rev).await) }),
    )
    // In order: a clip that another supersedes comes first.
    .buffered(AT_ONCE);
    while let Some((clip, rev, record)) = read.next().await {
        progress.advance(1);
        let from = match record {
            Ok(from) => from,
            Err(Unusable::Odd(why)) => {
                tally.odd.push(format!("{clip} revision {rev}: {why}"));
                continue;
            }
            Err(Unusable::Unread(why)) => {
                anyhow::bail!(
                    "the record of {clip} cannot be read ({why}); run the restore again, it goes on from here"
                )
            }
        };
        match store.write(move |tx| tx.take_record(&from)).await {
            Ok(Taken::New) => tally.new += 1,
            Ok(Taken::Newer) => tally.newer += 1,
            Err(e @ (StoreError::Odd(_) | StoreError::Conflict(_))) => {
                tally.odd.push(format!("{clip} revision {rev}: {e}"));
            }
            Err(e) => return Err(e).with_context(|| format!("taking over the record of {clip}")),
        }
    }
    Ok(tally)
}

enum Unusable {
    /// It is no record of this clip.
    Odd(String),
    /// The destination did not give it.
    Unread(String),
}

async fn read_record(source: &Source<'_>, clip: ClipId, rev: u32) -> Result<FromRecord, Unusable> {
    let key = layout::record(source.station, clip, rev);
    let json = small(source.dest, &key, MAX_RECORD_BYTES).await.map_err(Unusable::Unread)?;
    let record: Record = serde_json::from_slice(&json).map_err(|e| Unusable::Odd(format!("it is no record: {e}")))?;
    if (record.record_id.as_str(), record.station_id.as_str(), record.annotation_rev)
        != (clip.to_string().as_str(), source.station.as_str(), rev)
    {
        return Err(Unusable::Odd("it is the record of another clip, station or revision".to_owned()));
    }
    let aliases: Vec<Vec<CaseNumber>> = record
        .cases
        .iter()
        .map(|link| link.aliases.iter().filter_map(|no| source.rule.parse(no, source.this_year).ok()).collect())
        .collect();
    Ok(FromRecord { clip, rev, record, json, aliases, required: source.required.clone() })
}

/// Fetches a clip's hash tree to `path`; it is compared with the clip's digest by whoever reads by it.
pub async fn fetch_tree(
    dest: &dyn Destination,
    station: &StationId,
    clip: ClipId,
    path: &Path,
    tree_bytes: u64,
) -> anyhow::Result<()> {
    use std::io::Write;
    let draft = path.with_extension("tree.fetched");
    if let Some(dir) = path.parent() {
        crate::runtime::durable::make_dir_all(dir)?;
    }
    let mut file = std::fs::File::create(&draft).with_context(|| format!("writing {}", draft.display()))?;
    let mut stream = dest.read(&layout::tree(station, clip), None).await?;
    let mut bytes = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        bytes += chunk.len() as u64;
        anyhow::ensure!(bytes <= tree_bytes, "it is longer than a tree of this clip can be");
        file.write_all(&chunk)?;
    }
    anyhow::ensure!(bytes == tree_bytes, "it has {bytes} bytes, a tree of this clip has {tree_bytes}");
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    if let Some(dir) = path.parent() {
        crate::runtime::durable::sync_dir(dir)?;
    }
    Ok(())
}
