//! `evidock fetch`: every clip of a case from a destination into a directory, on any machine that can read its objects.
//!
//! ```text
//! DIR/<station>-<clip id>.<extension>         the clip, byte for byte what was sealed
//! DIR/<station>-<clip id>.json                its record
//! DIR/<station>-<clip id>.<extension>.part    while it is fetched; a later run goes on from what is sound in it
//! DIR/<station>-<clip id>.<extension>.changed  a file that stood there under the clip's name with other bytes
//! DIR/fetch-summary.json                      what became of each clip, written anew by each run
//! ```
//!
//! Nothing that a recorder said is part of a name but a short plain extension (invariant 7). A file gets its name only
//! after all of it was read back from the disk and compared with the record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::exit::Exit;
use super::find::case_number;
use super::output::{Output, Progress};
use super::{Ended, block_on, bucket, destinations, looking};
use crate::cli::Fetch;
use crate::config::Settings;
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{Destination, SendError};
use crate::domain::record::Record;
use crate::runtime::clock::wall;
use crate::vault::tree::{Checker, GROUP_BYTES, Outboard};

/// Bytes that are verified and written at a time: whole groups.
const STRETCH_BYTES: u64 = 16 * GROUP_BYTES as u64;
/// A destination that gives nothing is asked again so often, with pauses that double.
const TRIES: u32 = 5;
/// Bytes that differ are read once more: the line may have done it.
const SAME_TRIES: u32 = 2;
const SUMMARY: &str = "fetch-summary.json";

/// What became of a clip.
struct Outcome {
    result: &'static str,
    detail: Option<String>,
    file: Option<String>,
}

impl Outcome {
    fn new(result: &'static str, detail: impl Into<Option<String>>) -> Self {
        Self { result, detail: detail.into(), file: None }
    }
}

/// Carries the verb out.
pub fn fetch(fetch: &Fetch, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let number = case_number(settings, &fetch.case_no)?;
    let dest = destinations::from_typed(settings, &fetch.from)?;
    fs::create_dir_all(&fetch.to)
        .with_context(|| format!("the directory {} cannot be made; give another one with --to", fetch.to.display()))?;
    let _alone = alone(&fetch.to)?;
    looking::at_destination(settings, &number, &fetch.from)?;
    let found = block_on(bucket::index(&dest, &number))?;
    // Before the first byte of any of them.
    looking::fetched(settings, found.records.iter().filter_map(|r| r.record_id.parse().ok()))?;
    let rows = block_on(async {
        let mut progress = output.progress("fetch", found.records.iter().map(|r| r.size_bytes).sum());
        let mut rows = Vec::new();
        for record in &found.records {
            let outcome = one(&dest, record, &fetch.to, &mut progress).await?;
            if !output.is_json() {
                let name = outcome.file.as_deref().unwrap_or(&record.record_id);
                let detail = outcome.detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default();
                output.note(&format!("{name}: {}{detail}", w.fetched(outcome.result)));
            }
            rows.push(row(record, &outcome));
        }
        Ok(rows)
    })?;
    let count = |result: &str| rows.iter().filter(|row| row["result"] == result).count();
    let good = count("fetched") + count("there");
    let odd: Vec<Value> = found
        .odd
        .iter()
        .map(|o| json!({ "record_id": o.clip.to_string(), "station_id": o.station.as_str(), "why": o.why }))
        .collect();
    for o in &found.odd {
        output.note(&format!("{}: {} ({})", o.clip, w.fetched("odd"), o.why));
    }
    let summary = json!({
        "v": 1, "case_no": number.display(), "from": fetch.from, "at": wall().rfc3339_in(&settings.station.zone),
        "complete": good == rows.len() && odd.is_empty() && !rows.is_empty(), "clips": rows, "odd": odd,
    });
    let path = fetch.to.join(SUMMARY);
    write_whole(&path, serde_json::to_string_pretty(&summary)?.as_bytes())?;
    if output.is_json() {
        output.json(&summary)?;
    } else if !rows.is_empty() {
        output.line(&w.fetch_line(good as u64, rows.len() as u64, &path.display().to_string()))?;
    }
    match () {
        () if rows.is_empty() && odd.is_empty() => {
            output.note(&w.no_clip_of(number.display()));
            Ok(Exit::NotFound)
        }
        () if count("differs") > 0 || !odd.is_empty() => Ok(Exit::Mismatch),
        () if count("unreachable") > 0 => Err(Ended::with(
            Exit::Failure,
            format!(
                "{} clips could not be read now; run the same again, it goes on where it stopped",
                count("unreachable")
            ),
        )),
        () if good < rows.len() => Ok(Exit::Incomplete),
        () => Ok(Exit::Ok),
    }
}

/// Two runs in one directory would write the same files.
fn alone(dir: &Path) -> anyhow::Result<File> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(".fetch.lock"));
    let lock =
        lock.with_context(|| format!("{} cannot be written to; give another directory with --to", dir.display()))?;
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(_) => Err(Ended::with(
            Exit::Failure,
            format!("another evidock fetches into {} now; wait for it, or give another directory", dir.display()),
        )),
    }
}

fn row(record: &Record, outcome: &Outcome) -> Value {
    json!({
        "record_id": record.record_id, "station_id": record.station_id, "result": outcome.result, "detail": outcome.detail,
        "file": outcome.file, "size_bytes": record.size_bytes, "blake3": record.blake3, "sha256": record.sha256,
        "original_filename": record.original_filename, "captured_start": record.captured_start, "officer": record.officer,
        "place": record.place, "proves": record.proves, "sensitivity": record.sensitivity, "record_rev": record.annotation_rev,
    })
}

/// The clip's own id with an extension that programs go by, where the recorder's name had a short plain one.
fn file_name(record: &Record, station: &StationId, clip: ClipId) -> String {
    let plain = |e: &&str| (1..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    let extension = record.original_filename.rsplit_once('.').map(|(_, e)| e).filter(plain).unwrap_or("bin");
    // Names of our own kinds of files stay ours.
    let extension = extension.to_ascii_lowercase();
    let extension = if matches!(extension.as_str(), "json" | "part") { "bin".to_owned() } else { extension };
    format!("{station}-{clip}.{extension}")
}

/// What a clip must be.
struct Wanted {
    key: String,
    tree_key: String,
    checker: Checker,
    sha256: Sha256,
}

async fn one(
    dest: &Arc<dyn Destination>,
    record: &Record,
    dir: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Outcome> {
    let (Some(blake3), Some(sha256)) = (&record.blake3, &record.sha256) else {
        let detail = "it is still being copied at its station".to_owned();
        return Ok(Outcome::new("not_sent", detail));
    };
    let (station, clip): (StationId, ClipId) = (StationId::new(&record.station_id)?, record.record_id.parse()?);
    let (Ok(root), Ok(sha256)) = (blake3.parse::<Blake3>(), sha256.parse::<Sha256>()) else {
        return Ok(Outcome::new("differs", "its record names digests that are none".to_owned()));
    };
    let wanted = Wanted {
        key: layout::master(&station, clip),
        tree_key: layout::tree(&station, clip),
        checker: Checker { root, size_bytes: record.size_bytes },
        sha256,
    };
    let name = file_name(record, &station, clip);
    let path = dir.join(&name);
    let json = serde_json::to_vec_pretty(record)?;
    let outcome = if path.exists() && is_wanted(&path, &wanted)? {
        progress.advance(record.size_bytes);
        Outcome::new("there", None)
    } else {
        if path.exists() {
            // Somebody's work, perhaps; it is not the clip.
            fs::rename(&path, named(&path, "changed")).with_context(|| format!("setting {} aside", path.display()))?;
        }
        fetched(dest, record, &wanted, &path, progress).await?
    };
    if !matches!(outcome.result, "fetched" | "there") {
        return Ok(outcome);
    }
    write_whole(&dir.join(format!("{station}-{clip}.json")), &json)?;
    Ok(Outcome { file: Some(name), ..outcome })
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

/// Fetches a clip whose file is not there.
async fn fetched(
    dest: &Arc<dyn Destination>,
    record: &Record,
    wanted: &Wanted,
    path: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Outcome> {
    match patiently(async || dest.head(&wanted.key).await).await {
        Err(e) => return Ok(Outcome::new("unreachable", chain(&e))),
        Ok(None) if bucket::was_proven_at(record, &**dest) => {
            return Ok(Outcome::new("differs", "it was proven, and is no longer there".to_owned()));
        }
        Ok(None) => return Ok(Outcome::new("not_sent", None)),
        Ok(Some(there)) if there.size_bytes != record.size_bytes => {
            let what = format!("it has {} bytes and not the {} that were sealed", there.size_bytes, record.size_bytes);
            return Ok(Outcome::new("differs", what));
        }
        Ok(Some(_)) => {}
    }
    let tree = tree(&**dest, wanted).await;
    let part = named(path, "part");
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&part);
    let file = open.with_context(|| format!("{} cannot be written", part.display()))?;
    let mut at = sound(&file, wanted, tree.as_ref())?;
    file.set_len(at)?;
    progress.advance(at);
    let (mut silent, mut differing) = (0, 0);
    while at < wanted.checker.size_bytes {
        let before = at;
        let taken = take(&**dest, wanted, tree.as_ref(), &file, &mut at, progress).await;
        match taken.with_context(|| {
            format!("writing {}: free space and run it again, it goes on where it stopped", part.display())
        })? {
            Took::All => {}
            Took::Cut(e) => {
                silent = if at > before { 0 } else { silent + 1 };
                if silent >= TRIES || e.retry() != Retry::Transient {
                    return Ok(Outcome::new("unreachable", chain(&e)));
                }
                tokio::time::sleep(Duration::from_secs(1 << silent.min(4))).await;
            }
            Took::Differs(what) => {
                differing = if at > before { 1 } else { differing + 1 };
                if differing >= SAME_TRIES {
                    return Ok(Outcome::new("differs", what));
                }
            }
        }
    }
    file.sync_all()?;
    drop(file);
    if !is_wanted(&part, wanted)? {
        // Without a tree this is the first look at it; with one, the disk lied.
        fs::remove_file(&part)?;
        return Ok(Outcome::new("differs", "all of it together has another digest than was sealed".to_owned()));
    }
    fs::rename(&part, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir).and_then(|d| d.sync_all())?;
    }
    Ok(Outcome::new("fetched", None))
}

/// How an answer ended.
enum Took {
    All,
    Cut(SendError),
    Differs(String),
}

/// Takes one answer for as long as it goes well. The outer error is that of our own disk.
async fn take(
    dest: &dyn Destination,
    wanted: &Wanted,
    tree: Option<&Outboard>,
    file: &File,
    at: &mut u64,
    progress: &mut Progress,
) -> io::Result<Took> {
    let size = wanted.checker.size_bytes;
    let mut stream = match dest.read(&wanted.key, Some(*at..size)).await {
        Ok(stream) => stream,
        Err(SendError::Mismatch { what, .. }) => return Ok(Took::Differs(what)),
        Err(e) => return Ok(Took::Cut(e)),
    };
    let mut kept: Vec<u8> = Vec::new();
    loop {
        let want = STRETCH_BYTES.min(size - *at) as usize;
        if want == 0 {
            return Ok(Took::All);
        }
        if kept.len() < want {
            match stream.next().await {
                Some(Ok(chunk)) => kept.extend_from_slice(&chunk),
                Some(Err(e)) => return Ok(Took::Cut(e)),
                None => {
                    let what = format!("its answer ended after {} of {size} bytes", *at + kept.len() as u64);
                    return Ok(Took::Cut(SendError::Unreachable { destination: dest.name().clone(), what }));
                }
            }
            continue;
        }
        let rest = kept.split_off(want);
        if let Some(Err(e)) = tree.map(|tree| wanted.checker.check(tree, *at, &kept)) {
            return Ok(Took::Differs(chain(&e)));
        }
        file.write_all_at(&kept, *at)?;
        *at += want as u64;
        progress.advance(want as u64);
        kept = rest;
    }
}

/// How much of an unfinished file is what was sealed: whole groups from its beginning. Without a tree nothing of it can
/// be told, and it begins anew.
fn sound(file: &File, wanted: &Wanted, tree: Option<&Outboard>) -> io::Result<u64> {
    let Some(tree) = tree else { return Ok(0) };
    let (len, group) = (file.metadata()?.len().min(wanted.checker.size_bytes), GROUP_BYTES as u64);
    let whole = if len == wanted.checker.size_bytes { len } else { len / group * group };
    let mut at = 0;
    while at < whole {
        let mut stretch = vec![0; STRETCH_BYTES.min(whole - at) as usize];
        file.read_exact_at(&mut stretch, at)?;
        if wanted.checker.check(tree, at, &stretch).is_err() {
            break;
        }
        at += stretch.len() as u64;
    }
    Ok(at)
}

/// The clip's tree; `None` where there is none of use. Each stretch is then verified by it alone; the whole is compared
/// with the record in any case.
async fn tree(dest: &dyn Destination, wanted: &Wanted) -> Option<Outboard> {
    let most = usize::try_from(wanted.checker.outboard_bytes()).ok()?;
    if most == 0 {
        return Some(Outboard::Memory(Vec::new()));
    }
    let read = async || {
        let mut bytes = Vec::new();
        let mut stream = dest.read(&wanted.tree_key, None).await?;
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > most {
                break;
            }
        }
        Ok::<_, SendError>(bytes)
    };
    let bytes = patiently(read).await.ok()?;
    (bytes.len() == most).then_some(Outboard::Memory(bytes))
}

/// Asks again while that may help.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, SendError>) -> Result<T, SendError> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(e)
                if e.retry() == Retry::Transient && !matches!(e, SendError::Mismatch { .. }) && tries + 1 < TRIES =>
            {
                tokio::time::sleep(Duration::from_secs(1 << tries)).await;
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Whether a file, read from the disk, is what was sealed.
fn is_wanted(path: &Path, wanted: &Wanted) -> io::Result<bool> {
    use sha2::Digest;
    let file = File::open(path)?;
    if file.metadata()?.len() != wanted.checker.size_bytes {
        return Ok(false);
    }
    // What is in memory is what was just written; the disk is asked. Advice only.
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let (mut blake3, mut sha256, mut block, mut at) = (blake3::Hasher::new(), sha2::Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        match file.read_at(&mut block, at)? {
            0 => break,
            n => {
                blake3.update(&block[..n]);
                sha256.update(&block[..n]);
                at += n as u64;
            }
        }
    }
    Ok(Blake3(*blake3.finalize().as_bytes()) == wanted.checker.root
        && Sha256(sha256.finalize().into()) == wanted.sha256)
}

/// Writes a small file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let part = named(path, "part");
    let written = File::create(&part).and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()));
    written.and_then(|()| fs::rename(&part, path)).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_nothing_that_a_recorder_said_but_a_plain_extension() {
        let (station, clip) = (StationId::new("s-1").unwrap(), ClipId::generate(1));
        for (original, extension) in [
            ("DSJ_1.MP4", "mp4"),
            ("a.tar.gz", "gz"),
            ("noextension", "bin"),
            ("x.", "bin"),
            ("x.m/p", "bin"),
            ("x.视频", "bin"),
            ("x.toolong", "bin"),
            ("x.json", "bin"),
            ("x.PART", "bin"),
            ("../../x.sh", "sh"),
        ] {
            let record = Record { original_filename: original.into(), ..Record::default() };
            assert_eq!(file_name(&record, &station, clip), format!("s-1-{clip}.{extension}"), "{original}");
        }
    }
}
