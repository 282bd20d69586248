//! The running log compared with what stands at destinations, so that an older database that was put back, or events that
//! were changed, do not go unnoticed. Reads only; what a destination says is compared with the log and never taken over.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::anchors::note;
use super::holdings::{Held, each};
use super::{epochs, far_tree};
use crate::custody::checkpoint::{self, CheckpointError};
use crate::custody::epoch::{Head, Standing, standing};
use crate::custody::note::VerifierKey;
use crate::deliver::welcome::Welcome;
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, SendError};
use crate::domain::tile::{FULL, Holds, Tile};
use crate::runtime::clock::monotonic;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::TaskContext;
use crate::store::{Store, StoreError};

/// The running log is compared again after so long, ...
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// ... and sooner where a destination could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Full tiles of single events that the running log is compared with, the newest; and one of the level above.
const NEWEST_TILES: u64 = 4;

/// How the log stands to what a destination holds.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
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

/// A look at a destination: what a person must hear of it, if anything, with the code of that.
async fn whole_look(
    dest: &dyn Destination,
    store: &Store,
    station: &StationId,
    keys: &[VerifierKey],
) -> Result<Option<(&'static str, String)>, LookError> {
    let standing = look(dest, store, station, keys).await?;
    if let Some(told) = trouble(dest.name().as_str(), standing) {
        return Ok(Some(told));
    }
    if let Some(words) = epochs::look(dest, store, station, keys).await? {
        return Ok(Some(("log_epoch", words)));
    }
    Ok(look_at_tiles(dest, store, station).await?.map(|words| ("log_forked", words)))
}

/// Compares the newest full tiles that this database knows to be at `dest` with its stored nodes: a checkpoint that was made
/// to fit does not make them fit.
async fn look_at_tiles(
    dest: &dyn Destination,
    store: &Store,
    station: &StationId,
) -> Result<Option<String>, LookError> {
    let name = dest.name().to_string();
    let (epoch, at) = store.read(move |r| Ok((r.epoch()?, r.tiles_at(&name)?))).await?;
    let size = at.filter(|(of, _)| *of == epoch).map_or(0, |(_, size)| size);
    let (tiles, wide) = (size / FULL, size / FULL / FULL);
    let newest = (tiles.saturating_sub(NEWEST_TILES)..tiles).map(|index| (0, index));
    let newest = newest.chain((wide.saturating_sub(1)..wide).map(|index| (1, index)));
    for (level, index) in newest {
        let tile = Tile { holds: Holds::Hashes(level), index, width: FULL };
        let ours = store.read(move |r| tile.hashes(|level, index| r.log_node(level, index))).await?;
        let theirs = far_tree::versions_of(dest, station, epoch, (level, index)).await?;
        if theirs.iter().any(|bytes| *bytes != ours) {
            return Ok(Some(format!(
                "{} of epoch {epoch} at {} has other hashes than the log: events were changed, or it was written over",
                tile.path(),
                dest.name()
            )));
        }
    }
    Ok(None)
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
                looked = whole_look(&**dest, &store, &station, &keys) => looked,
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
fn tell(part: &Part, name: &str, looked: Result<Option<(&'static str, String)>, LookError>) -> Duration {
    let todo = "stop intake, run `evidock log verify`, and find out which database is the right one before anything is deleted";
    match looked {
        Ok(None) => part.ok(),
        Ok(Some(("log_epoch", words))) => {
            let todo = "find out whether somebody restored this station and when; run `evidock log verify` on another machine, and stop intake until it is known";
            part.failed("log_epoch", words, todo);
        }
        Ok(Some((code, words))) => part.failed(code, words, todo),
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

    use super::super::anchors::stands_in_its_place;
    use super::*;
    use crate::custody::checkpoint::Checkpoint;
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

    #[tokio::test]
    async fn tiles_that_the_nodes_do_not_give_are_told() {
        let place = Place::new().await;
        let tile = Tile { holds: Holds::Hashes(0), index: 0, width: FULL };
        let ours = place
            .store
            .write(move |tx| {
                for _ in 0..300 {
                    tx.log(&Draft::daemon(EventKind::Started))?;
                }
                tx.set_tiles_at("d", 1, 301)?;
                tile.hashes(|level, index| tx.read().log_node(level, index))
            })
            .await
            .unwrap();
        let look = || look_at_tiles(&*place.dest, &place.store, &place.us);
        assert_eq!(look().await.unwrap(), None, "it may not stand there any more, which shows nothing");
        let key = format!("{}{}", layout::tiles_prefix(&place.us, 1), tile.path());
        place.dest.put_small(&key, ours.clone().into(), "t", None).await.unwrap();
        assert_eq!(look().await.unwrap(), None);
        // What stands there in some version is not what the log has now.
        let mut other = ours.clone();
        other[1_000] ^= 1;
        place.dest.write_over(&key, other.into());
        place.dest.write_over(&key, ours.into());
        assert!(look().await.unwrap().is_some_and(|told| told.contains("tile/0/000 of epoch 1 at d")));
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
