//! Checkpoints as destinations hold them: read back for `log verify`, and compared with the running log, so that
//! an older database that was put back does not go unnoticed. Reads only; what a destination says is compared
//! with the log and never taken over.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::custody::checkpoint::{self, CheckpointError};
use crate::custody::epoch::{Head, Standing, standing};
use crate::custody::note::VerifierKey;
use crate::custody::report::HeldBy;
use crate::custody::verify::HeldCheckpoint;
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, SendError};
use crate::runtime::health::Health;
use crate::runtime::supervise::TaskContext;
use crate::store::{Store, StoreError};

/// Keys that are listed at most: two years of checkpoints at one a minute.
const MAX_KEYS: usize = 1_000_000;
/// The newest of them are read in any case ...
const NEWEST: usize = 20;
/// ... so are those that this database does not know, up to so many ...
const STRANGE: usize = 200;
/// ... and so many of the others, evenly spread.
const SPREAD: usize = 100;
/// Notes that are read at the same time.
const AT_ONCE: usize = 8;
/// A checkpoint of ours has some 400 bytes; what is longer than this was not written by us.
const MAX_NOTE_BYTES: usize = 64 << 10;
/// A destination that takes longer with a list or a note does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The running log is compared again after so long, ...
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// ... and sooner where a destination could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What one destination gave.
#[derive(Debug)]
pub struct Anchors {
    /// The notes that were read.
    pub notes: Vec<HeldCheckpoint>,
    /// How many checkpoints stand there.
    pub listed: usize,
}

/// The newest checkpoint of each epoch that stands at a destination, as it is there, oldest epoch first. Whether one of
/// ours signed it is for the caller to find out.
pub async fn newest_of_each_epoch(
    dest: &dyn Destination,
    station: &StationId,
) -> Result<Vec<(u32, u64, Vec<u8>)>, SendError> {
    let mut newest: BTreeMap<u32, (u64, String)> = BTreeMap::new();
    // Zero-padded, so that the last of an epoch is its largest.
    for key in list(dest, station, None).await? {
        if let Some((epoch, size)) = layout::parse_checkpoint(station, &key) {
            newest.insert(epoch, (size, key));
        }
    }
    let mut notes = Vec::new();
    for (epoch, (size, key)) in newest {
        notes.push((epoch, size, note(dest, &key).await?));
    }
    Ok(notes)
}

/// Reads a destination's anchors back: the newest, those that this database does not know (`known` are the keys
/// that it does), and a sample of the others.
pub async fn read_back(
    dest: &dyn Destination,
    station: &StationId,
    known: &HashSet<String>,
) -> Result<Anchors, SendError> {
    let keys: Vec<String> = list(dest, station, None).await?.into_iter().collect();
    let held_by = HeldBy::Anchor(dest.name().to_string());
    let chosen = chosen(&keys, known);
    let notes: Vec<Result<Vec<u8>, SendError>> =
        futures_util::stream::iter(chosen).map(|key| note(dest, key)).buffered(AT_ONCE).collect().await;
    let notes = notes.into_iter().map(|note| Ok(HeldCheckpoint { held_by: held_by.clone(), note: note? }));
    Ok(Anchors { notes: notes.collect::<Result<_, SendError>>()?, listed: keys.len() })
}

/// Which of the keys, in order and each once, are worth reading.
fn chosen<'a>(keys: &'a [String], known: &HashSet<String>) -> Vec<&'a str> {
    let newest = keys.len().saturating_sub(NEWEST)..keys.len();
    let strange = keys.iter().enumerate().rev().filter(|(_, key)| !known.contains(*key)).map(|(n, _)| n).take(STRANGE);
    let step = keys.len().div_ceil(SPREAD).max(1);
    let places: BTreeSet<usize> = newest.chain(strange).chain((0..keys.len()).step_by(step)).collect();
    places.into_iter().map(|n| keys[n].as_str()).collect()
}

async fn patient<T>(
    dest: &dyn Destination,
    answer: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", PATIENCE.as_secs());
        Err(SendError::Unreachable { destination: dest.name().clone(), what })
    })
}

/// The keys of checkpoints after `after`; zero-padded numbers, so that their order is the log's.
async fn list(
    dest: &dyn Destination,
    station: &StationId,
    after: Option<String>,
) -> Result<BTreeSet<String>, SendError> {
    let prefix = layout::checkpoint_prefix(station);
    let (mut keys, mut after) = (BTreeSet::new(), after);
    while keys.len() < MAX_KEYS {
        let page = patient(dest, dest.list(&prefix, after.as_deref())).await?;
        let Some(last) = page.last().cloned() else { break };
        keys.extend(page);
        after = Some(last);
    }
    Ok(keys)
}

async fn note(dest: &dyn Destination, key: &str) -> Result<Vec<u8>, SendError> {
    patient(dest, async {
        let mut stream = dest.read(key, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            // Cut off, it is no note that anybody signed, and is reported as such.
            if bytes.len() > MAX_NOTE_BYTES {
                bytes.truncate(MAX_NOTE_BYTES);
                break;
            }
        }
        Ok(bytes)
    })
    .await
}

/// How the log stands to what a destination holds.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the newest checkpoint that {0} holds is not one of ours")]
    Foreign(String, #[source] CheckpointError),
}

/// Compares the log with the newest anchor of `dest`; `None` where there is none.
///
/// The destination is asked only for what is newer than the newest anchor that this database knows of, so that
/// the question stays cheap after years; an older database knows an older one, and finds what it has lost.
async fn look(
    dest: &dyn Destination,
    store: &Store,
    station: &StationId,
    keys: &[VerifierKey],
) -> Result<Option<Standing>, LookError> {
    let name = dest.name().to_string();
    let known = store.read(move |r| r.anchored(&name)).await?;
    let newest = list(dest, station, known.clone()).await?.pop_last().or(known);
    let Some(newest) = newest else { return Ok(None) };
    let ours = store.read(|r| r.epoch()).await?;
    if layout::parse_checkpoint(station, &newest).is_some_and(|(epoch, _)| epoch > ours) {
        // Under which key that epoch is signed is not for this database to know.
        return Ok(Some(Standing::Behind));
    }
    let note = note(dest, &newest).await?;
    let opened = checkpoint::open(&note, keys).map_err(|e| LookError::Foreign(dest.name().to_string(), e))?.checkpoint;
    let Some((of, epoch)) = checkpoint::parse_origin(&opened.origin) else {
        return Err(LookError::Foreign(newest, CheckpointError::Malformed("its origin is not a log of evidock")));
    };
    if of != *station {
        return Err(LookError::Foreign(newest, CheckpointError::Malformed("it is of another station's log")));
    }
    let head = Head { epoch, size: opened.size, root: opened.root };
    // Read after the anchor was: an honest log is at least as long by now.
    let stands = store.read(move |r| standing(r.epoch()?, r.log_size()?, &head, |size| r.log_root(size))).await?;
    Ok(Some(stands))
}

/// What a person must hear, if anything.
fn trouble(destination: &str, standing: Option<Standing>) -> Option<(&'static str, String)> {
    match standing {
        None | Some(Standing::Continues { .. } | Standing::Earlier) => None,
        Some(Standing::Shrunk { lost }) => Some((
            "log_rolled_back",
            format!(
                "the log is {lost} events shorter than what was anchored at {destination}: an older database was put back"
            ),
        )),
        Some(Standing::Forked) => Some((
            "log_forked",
            format!(
                "the log has other events than what was anchored at {destination}: an older database was put back and went on, or events were changed"
            ),
        )),
        Some(Standing::Behind) => Some((
            "log_rolled_back",
            format!(
                "{destination} holds a checkpoint of a later epoch than the log has: an older database was put back"
            ),
        )),
    }
}

/// Compares the running log with what each destination holds, at start and then now and again.
pub async fn watch(
    context: TaskContext,
    store: Store,
    station: StationId,
    keys: Vec<VerifierKey>,
    remotes: Vec<Arc<dyn Destination>>,
    health: Health,
) {
    loop {
        let mut pause = LOOK_EVERY;
        for dest in &remotes {
            context.heart.beat();
            let looked = tokio::select! {
                () = context.cancel.cancelled() => return,
                looked = look(&**dest, &store, &station, &keys) => looked,
            };
            let part = health.part(format!("log at {}", dest.name()));
            let todo = "stop intake, run `evidock log verify`, and find out which database is the right one before anything is deleted";
            match looked {
                Ok(standing) => match trouble(dest.name().as_str(), standing) {
                    None => part.ok(),
                    Some((code, words)) => part.failed(code, words, todo),
                },
                Err(e @ LookError::Foreign(..)) => part.failed("anchor_foreign", chain(&e), todo),
                // The destination's own health tells that it is away.
                Err(e) => {
                    tracing::debug!(destination = %dest.name(), error = %chain(&e), "its checkpoints could not be read");
                    pause = ASK_AGAIN;
                }
            }
        }
        tokio::select! {
            () = context.cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("v1/one/log/checkpoint/0001/{i:012}")).collect()
    }

    #[test]
    fn few_are_read_whole_and_many_by_sample() {
        for n in [0, 1, NEWEST, SPREAD] {
            let keys = keys(n);
            assert_eq!(chosen(&keys, &keys.iter().cloned().collect()).len(), n);
        }
        let keys = keys(50_000);
        let mut known: HashSet<String> = keys.iter().cloned().collect();
        let sample = chosen(&keys, &known);
        assert!(sample.len() >= SPREAD && sample.len() <= SPREAD + NEWEST, "{}", sample.len());
        assert!(keys[50_000 - NEWEST..].iter().all(|key| sample.contains(&key.as_str())));
        // A stretch that this database never made is read, however small.
        known.remove(&keys[20_001]);
        assert!(chosen(&keys, &known).contains(&keys[20_001].as_str()));
        assert!(chosen(&keys, &HashSet::new()).len() <= SPREAD + NEWEST + STRANGE);
    }

    #[test]
    fn only_what_must_not_be_is_trouble() {
        let code = |standing| trouble("cloud", standing).map(|(code, _)| code);
        for (standing, expected) in [
            (None, None),
            (Some(Standing::Continues { ahead: 3 }), None),
            (Some(Standing::Earlier), None),
            (Some(Standing::Shrunk { lost: 7 }), Some("log_rolled_back")),
            (Some(Standing::Behind), Some("log_rolled_back")),
            (Some(Standing::Forked), Some("log_forked")),
        ] {
            assert_eq!(code(standing), expected, "{standing:?}");
        }
    }
}
