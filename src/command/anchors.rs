//! Checkpoints as destinations hold them: read back for `log verify`, and compared with the running log, so that
//! an older database that was put back does not go unnoticed. Reads only; what a destination says is compared
//! with the log and never taken over.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::holdings::{self, Held, Sample, each};
use crate::custody::checkpoint::{self, Checkpoint, CheckpointError};
use crate::custody::epoch::{Head, Standing, standing};
use crate::custody::note::{Note, VerifierKey};
use crate::custody::report::HeldBy;
use crate::custody::stamps::HeldStamp;
use crate::custody::timestamp;
use crate::custody::verify::HeldCheckpoint;
use crate::deliver::welcome::Welcome;
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, ObjectVersion, SendError};
use crate::runtime::clock::monotonic;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::TaskContext;
use crate::store::{Store, StoreError};

/// Notes that are read at the same time.
const AT_ONCE: usize = 8;
/// A checkpoint of ours has some 400 bytes; what is longer than this was not written by us.
const MAX_NOTE_BYTES: usize = 64 << 10;
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
    pub listed: u64,
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
        let mut notes = Vec::new();
        for version in &held.versions {
            notes.push(note(dest, version).await?);
        }
        found.push((epoch, size, notes));
    }
    Ok(found)
}

/// Reads a destination's anchors back, each in every version: the newest, those that this database does not know (`known`
/// are the keys that it does), those that were written over or deleted, and a sample of the others.
pub async fn read_back(
    dest: &dyn Destination,
    station: &StationId,
    known: &HashSet<String>,
    held_by: &HeldBy,
) -> Result<Anchors, SendError> {
    let found = choose(dest, &layout::checkpoint_prefix(station), known, "checkpoint", MAX_NOTE_BYTES).await?;
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
    Ok(Anchors { notes, listed: found.listed, warnings })
}

/// Whether a checkpoint is the one that its key tells of. One that cannot be read at all is a finding of its own.
fn stands_in_its_place(station: &StationId, key: &str, note: &[u8]) -> bool {
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
    known: &HashSet<String>,
    held_by: &HeldBy,
) -> Result<(Vec<HeldStamp>, Vec<String>), SendError> {
    let prefix = layout::timestamp_prefix(station);
    let found = choose(dest, &prefix, known, "timestamp", timestamp::MAX_REPLY_BYTES).await?;
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
    warnings: Vec<String>,
}

async fn choose(
    dest: &dyn Destination,
    prefix: &str,
    known: &HashSet<String>,
    what: &str,
    most: usize,
) -> Result<Chosen, SendError> {
    let mut sample = Sample::new(known);
    let unseen = each(dest, prefix, None, &mut |held| sample.take(held)).await?;
    let (listed, warnings) = (sample.listed, warnings(dest, what, &sample, unseen));
    let versions: Vec<ObjectVersion> = sample.chosen().into_iter().flat_map(|held| held.versions).collect();
    let read: Vec<Result<Vec<u8>, SendError>> = futures_util::stream::iter(&versions)
        .map(|version| holdings::bytes(dest, version, most))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let objects = versions.iter().zip(read).map(|(version, bytes)| Ok((version.key.clone(), bytes?)));
    Ok(Chosen { objects: objects.collect::<Result<_, SendError>>()?, listed, warnings })
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

async fn note(dest: &dyn Destination, version: &ObjectVersion) -> Result<Vec<u8>, SendError> {
    holdings::bytes(dest, version, MAX_NOTE_BYTES).await
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
    #[error("the checkpoint {1} was stored at {0} and does not stand there any more: somebody deleted it")]
    Gone(String, String),
}

/// Compares the log with the newest anchor of `dest` and with the newest that this database knows to be there, each in
/// every version of it; `None` where there is none.
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
    let (known, ours) = store.read(move |r| Ok((r.anchored(&name)?, r.epoch()?))).await?;
    let mut worst = None;
    let (same, newest) = telling(dest, station, known.as_deref()).await?;
    let gone = known.filter(|_| same.as_ref().is_none_or(|held| held.deleted || held.versions.is_empty()));
    for held in same.into_iter().chain(newest) {
        if layout::parse_checkpoint(station, &held.key).is_some_and(|(epoch, _)| epoch > ours) {
            // Under which key that epoch is signed is not for this database to know.
            return Ok(Some(Standing::Behind));
        }
        for version in &held.versions {
            let head = head(&note(dest, version).await?, station, keys)
                .map_err(|e| LookError::Foreign(dest.name().to_string(), e))?;
            // Read after the anchor was: an honest log is at least as long by now.
            let stands =
                store.read(move |r| standing(r.epoch()?, r.log_size()?, &head, |size| r.log_root(size))).await?;
            worst = worst.filter(|worst| weight(worst) >= weight(&stands)).or(Some(stands));
        }
    }
    match gone {
        // That other events stand there says more than that one is missing.
        Some(key) if trouble("", worst).is_none() => Err(LookError::Gone(dest.name().to_string(), key)),
        _ => Ok(worst),
    }
}

/// The head in a note of this station's log.
fn head(note: &[u8], station: &StationId, keys: &[VerifierKey]) -> Result<Head, CheckpointError> {
    let opened = checkpoint::open(note, keys)?.checkpoint;
    match checkpoint::parse_origin(&opened.origin) {
        None => Err(CheckpointError::Malformed("its origin is not a log of evidock")),
        Some((of, _)) if of != *station => Err(CheckpointError::Malformed("it is of another station's log")),
        Some((_, epoch)) => Ok(Head { epoch, size: opened.size, root: opened.root }),
    }
}

/// The checkpoints at `dest` by which a log that was put back or rewritten shows: the one that this database knows for the
/// newest there, and the newest one after it.
async fn telling(
    dest: &dyn Destination,
    station: &StationId,
    known: Option<&str>,
) -> Result<(Option<Held>, Option<Held>), SendError> {
    let (mut same, mut newest) = (None::<Held>, None::<Held>);
    let mut later = |held: Held| match &mut newest {
        Some(newest) if newest.key == held.key => newest.merge(held),
        Some(newest) if newest.key > held.key => {}
        _ => newest = Some(held),
    };
    each(dest, &layout::checkpoint_prefix(station), known, &mut later).await?;
    if let Some(known) = known {
        let mut is_known = |held: Held| match &mut same {
            Some(same) if held.key == known => same.merge(held),
            None if held.key == known => same = Some(held),
            _ => {}
        };
        each(dest, known, None, &mut is_known).await?;
    }
    Ok((same, newest))
}

/// Which of two matters more.
fn weight(standing: &Standing) -> u8 {
    match standing {
        Standing::Continues { .. } => 0,
        Standing::Earlier => 1,
        Standing::Shrunk { .. } => 2,
        Standing::Behind => 3,
        Standing::Forked => 4,
    }
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

/// Compares the running log with what each destination holds, as soon as it lets us in and then now and again. One that
/// refuses us is its uplink's to ask, and a person's to mend.
pub async fn watch(
    context: TaskContext,
    store: Store,
    station: StationId,
    keys: Vec<VerifierKey>,
    remotes: Vec<(Arc<dyn Destination>, Welcome)>,
    health: Health,
) {
    let mut due = vec![monotonic(); remotes.len()];
    loop {
        for ((dest, welcome), due) in remotes.iter().zip(&mut due) {
            context.heart.beat();
            if !welcome.is_open() || *due > monotonic() {
                continue;
            }
            let looked = tokio::select! {
                () = context.cancel.cancelled() => return,
                looked = look(&**dest, &store, &station, &keys) => looked,
            };
            let part = health.part(format!("log at {}", dest.name()));
            *due = monotonic() + tell(&part, dest.name().as_str(), looked);
        }
        let (open, shut): (Vec<_>, Vec<_>) = remotes.iter().zip(&due).partition(|((_, welcome), _)| welcome.is_open());
        let next = open.into_iter().map(|(_, due)| due.saturating_duration_since(monotonic())).min();
        let opened = async {
            let mut waiting: FuturesUnordered<_> = shut.into_iter().map(|((_, welcome), _)| welcome.opened()).collect();
            if waiting.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = context.cancel.cancelled() => return,
            () = tokio::time::sleep(next.unwrap_or(LOOK_EVERY)) => {}
            () = opened => {}
        }
    }
}

/// Tells people what a look at a destination came to; how long to wait for the next.
fn tell(part: &Part, name: &str, looked: Result<Option<Standing>, LookError>) -> Duration {
    let todo = "stop intake, run `evidock log verify`, and find out which database is the right one before anything is deleted";
    match looked {
        Ok(standing) => match trouble(name, standing) {
            None => part.ok(),
            Some((code, words)) => part.failed(code, words, todo),
        },
        Err(e @ LookError::Foreign(..)) => part.failed("anchor_foreign", chain(&e), todo),
        Err(e @ LookError::Gone(..)) => {
            let todo = "find out who may delete there, and run `evidock log verify`";
            part.failed("anchor_gone", chain(&e), todo);
        }
        // The destination's own health tells that it is away.
        Err(e) => {
            tracing::debug!(destination = name, error = %chain(&e), "its checkpoints could not be read");
            // Whoever says no says so again; a person changes that, or nobody does.
            let refused = matches!(e, LookError::Send(SendError::Refused { .. }));
            return if refused { LOOK_EVERY } else { ASK_AGAIN };
        }
    }
    LOOK_EVERY
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::custody::key::FileSigner;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::event::{Draft, EventKind};
    use crate::domain::ids::DestinationName;
    use crate::domain::ports::Clock;
    use crate::runtime::clock::StoppedClock;
    use crate::runtime::heartbeat::Hearts;
    use crate::runtime::task::spawn_named;

    /// A log of one event, and a destination.
    struct Place {
        _dir: tempfile::TempDir,
        us: StationId,
        store: Store,
        dest: Arc<FakeDestination>,
        signer: FileSigner,
    }

    impl Place {
        async fn new() -> Self {
            let (dir, us) = (tempfile::tempdir().unwrap(), StationId::new("one").unwrap());
            let clock = StoppedClock::at(1_781_834_604_000) as Arc<dyn Clock>;
            let store = Store::open(&dir.path().join("a.db"), &us, clock).unwrap();
            store.write(|tx| tx.log(&Draft::daemon(EventKind::Started)).map(drop)).await.unwrap();
            let dest = FakeDestination::new(DestinationName::new("d").unwrap(), us.clone());
            let signer = FileSigner::from_seed("evidock/one", [7; 32]).unwrap();
            Self { _dir: dir, us, store, dest, signer }
        }

        fn keys(&self) -> Vec<VerifierKey> {
            vec![VerifierKey::of(&self.signer).unwrap()]
        }

        fn note(&self, size: u64, root: [u8; 32]) -> Bytes {
            Checkpoint::of(&self.us, 1, size, root).sign(&self.signer, 0).unwrap().into()
        }

        async fn look(&self) -> Result<Option<Standing>, LookError> {
            look(&*self.dest, &self.store, &self.us, &self.keys()).await
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_who_refuses_us_and_everybody_who_lets_us_in() {
        let place = Place::new().await;
        let key = layout::checkpoint(&place.us, 1, 9);
        place.dest.put_small(&key, place.note(9, [1; 32]), "t", None).await.unwrap();
        let (welcome, health, stop) = (Welcome::default(), Health::default(), CancellationToken::new());
        let heart = Hearts::default().start("anchors", Duration::from_secs(60));
        let remotes = vec![(Arc::clone(&place.dest) as Arc<dyn Destination>, welcome.clone())];
        let watching = watch(
            TaskContext { cancel: stop.clone(), heart },
            place.store.clone(),
            place.us.clone(),
            place.keys(),
            remotes,
            health.clone(),
        );
        let watching = spawn_named("anchors", watching);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(health.report().parts().count(), 0, "nobody has looked");
        welcome.set(true);
        let mut told = health.watch();
        told.wait_for(|report| report.parts().any(|(_, part)| part.code == "log_rolled_back")).await.unwrap();
        stop.cancel();
        watching.await.unwrap();
    }

    #[tokio::test]
    async fn an_anchor_that_was_written_over_or_deleted_is_told() {
        let place = Place::new().await;
        let (size, root) = place
            .store
            .read(|r| {
                let size = r.log_size()?;
                Ok((size, r.log_root(size)?))
            })
            .await
            .unwrap();
        let key = layout::checkpoint(&place.us, 1, size);
        assert_eq!(place.look().await.unwrap(), None, "there is none, and none is known");
        let posted = key.clone();
        place
            .store
            .write(move |tx| {
                tx.post("d", &posted, "checkpoint", "t", b"x", None)?;
                let due = tx.read().due_outbox("d", 0, 0, 9)?;
                due.iter().try_for_each(|item| tx.outbox_stored(item.id))
            })
            .await
            .unwrap();
        let gone = place.look().await.unwrap_err();
        assert!(matches!(&gone, LookError::Gone(_, what) if *what == key), "{gone}");
        place.dest.put_small(&key, place.note(size, root), "t", None).await.unwrap();
        assert_eq!(place.look().await.unwrap(), Some(Standing::Continues { ahead: 0 }));
        // The honest one is the newest and fits; what it covers up does not.
        place.dest.write_over(&key, place.note(size, [1; 32]));
        place.dest.write_over(&key, place.note(size, root));
        assert_eq!(place.look().await.unwrap(), Some(Standing::Forked));
        assert!(stands_in_its_place(&place.us, &key, &place.note(size, root)));
        assert!(!stands_in_its_place(&place.us, &key, &place.note(size + 1, root)));
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
