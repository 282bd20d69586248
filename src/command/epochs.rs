//! Epochs as this log tells of them, and what a destination holds of those that are over. A restore begins an epoch and owns
//! up to what it lost; so does somebody with root who wants to be rid of a history. The daemon cannot tell one from the
//! other by the log alone, and therefore says where this box knows of no restore, and where what is owned up to is not what
//! stands there.

use serde::Deserialize;

use super::anchor_watch::LookError;
use super::anchors;
use crate::custody::checkpoint::{self, Checkpoint, parse_origin};
use crate::custody::epoch::{Head, Opening};
use crate::custody::note::{Note, VerifierKey};
use crate::custody::report::EpochSpan;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::StationId;
use crate::domain::ports::Destination;
use crate::store::{LogRow, Reader, Store, StoreError};

/// An epoch as its first event tells of it.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub epoch: u32,
    /// Its first event's position: so many events were kept of those before.
    pub kept: u64,
    pub opening: Opening,
}

/// The epochs of the log, as the entries themselves tell them: a column of the database is nobody's word. Their numbers only
/// grow, so that the first entry of each is found by halving, with some twenty reads. An opening that cannot be read, and
/// a log whose epochs go back, are findings of `log verify`.
pub(super) fn begun(r: &Reader<'_>) -> Result<Vec<Begun>, StoreError> {
    let size = r.log_size()?;
    let (mut begun, mut from) = (Vec::new(), 0);
    while from < size {
        let Some(first) = r.log_entries(from, 1)?.pop() else { break };
        let epoch = epoch_of(&first).unwrap_or(0);
        begun.extend(opening(&first));
        let (mut low, mut high) = (first.seq + 1, size);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_later = r.log_entries(middle, 1)?.first().and_then(epoch_of).is_some_and(|of| of > epoch);
            (low, high) = if is_later { (low, middle) } else { (middle + 1, high) };
        }
        from = low;
    }
    Ok(begun)
}

fn epoch_of(row: &LogRow) -> Option<u32> {
    #[derive(Deserialize)]
    struct Of {
        epoch: u32,
    }
    serde_json::from_slice::<Of>(&row.bytes).ok().map(|of| of.epoch)
}

fn opening(row: &LogRow) -> Option<Begun> {
    let envelope: Envelope = serde_json::from_slice(&row.bytes).ok()?;
    let opening = Opening::read(&envelope.body).filter(|_| envelope.kind == EventKind::EpochOpened.as_str())?;
    Some(Begun { epoch: envelope.epoch, kept: row.seq, opening })
}

/// Epochs that whoever read every entry found and that [`begun`] did not: nothing of them was read at destinations.
pub(super) fn unseen(found: &[EpochSpan], begun: &[Begun]) -> Option<String> {
    let is_known = |span: &EpochSpan| begun.iter().any(|b| (b.epoch, b.kept) == (span.epoch, span.from));
    let unseen = found.iter().filter(|span| span.key.is_some() && !is_known(span));
    let unseen: Vec<String> = unseen.map(|span| format!("{} from event {}", span.epoch, span.from)).collect();
    (!unseen.is_empty()).then(|| {
        format!(
            "epoch {} stands among events of others, so that no tiles of it were read at destinations: events were changed or moved; compare with a backup",
            unseen.join(", ")
        )
    })
}

/// How many events of an epoch were kept by those after it; `None` where it is the last.
pub(super) fn kept_of(begun: &[Begun], epoch: u32) -> Option<u64> {
    begun.iter().filter(|later| later.epoch > epoch).map(|later| later.kept).min()
}

/// The head that a note tells of, whoever signed it.
pub(super) fn told(note: &[u8], station: &StationId) -> Option<Head> {
    let read = Checkpoint::parse(Note::parse(note).ok()?.text()).ok()?;
    let (of, epoch) = parse_origin(&read.origin)?;
    (of == *station).then_some(Head { epoch, size: read.size, root: read.root })
}

/// What a person must hear of the epoch that runs and of what a destination holds of those before it, if anything.
pub(super) async fn look(
    dest: &dyn Destination,
    store: &Store,
    station: &StationId,
    keys: &[VerifierKey],
) -> Result<Option<String>, LookError> {
    let (ours, begun, restored) = store.read(|r| Ok((r.epoch()?, begun(r)?, r.last_restore()?))).await?;
    if ours > 1 && restored.is_none_or(|restore| restore.epoch != ours) {
        return Ok(Some(format!("epoch {ours} of the log runs here, and no restore at this box began it")));
    }
    for epoch in 1..ours {
        let Some(kept) = kept_of(&begun, epoch) else { continue };
        // Each destination's newest one is named; what is below it is for `log verify` to compare.
        let Some((size, notes)) = anchors::newest_beyond(dest, station, epoch, kept).await? else { continue };
        let named = |head: &Head| begun.iter().any(|later| later.epoch > epoch && later.opening.names(head));
        for note in notes {
            if told(&note, station).is_some_and(|head| named(&head)) {
                continue;
            }
            checkpoint::open(&note, keys).map_err(|e| LookError::Foreign(dest.name().to_string(), e))?;
            return Ok(Some(format!(
                "{} holds a checkpoint of epoch {epoch} over {size} events, of which this log kept {kept}; what its later epochs say is lost is not that",
                dest.name()
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::custody::key::FileSigner;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::event::Draft;
    use crate::domain::ids::DestinationName;
    use crate::domain::layout;
    use crate::domain::ports::Clock;
    use crate::runtime::clock::StoppedClock;
    use crate::store::RestoreRow;

    /// A log of two events; then a second epoch that names these heads as lost.
    async fn look_at(names: &[Head], stands: &[Head], by_restore: bool) -> Option<String> {
        let (dir, us) = (tempfile::tempdir().unwrap(), StationId::new("one").unwrap());
        let clock = StoppedClock::at(1_781_834_604_000) as Arc<dyn Clock>;
        let store = Store::open(&dir.path().join("a.db"), &us, clock).unwrap();
        let signer = FileSigner::from_seed("evidock/one", [7; 32]).unwrap();
        let dest = FakeDestination::new(DestinationName::new("d").unwrap(), us.clone());
        let opening = Opening::new(&us, &signer, names.to_vec()).unwrap().draft();
        store
            .write(move |tx| {
                tx.log(&Draft::daemon(EventKind::Started))?;
                tx.log(&Draft::daemon(EventKind::Stopped))?;
                if by_restore {
                    let row = RestoreRow {
                        epoch: 2,
                        from: "d".into(),
                        backup: None,
                        begun_ms: 0,
                        finished_ms: None,
                        told: "{}".into(),
                    };
                    tx.begin_restore(&row, &opening)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        for head in stands {
            let note = Checkpoint::of(&us, head.epoch, head.size, head.root).sign(&signer, 0).unwrap();
            let key = layout::checkpoint(&us, head.epoch, head.size);
            dest.put_small(&key, note.into(), "t", None).await.unwrap();
        }
        look(&*dest, &store, &us, &[VerifierKey::of(&signer).unwrap()]).await.unwrap()
    }

    /// A log in which each of these epochs has so many events, its opening among them.
    fn log_of(epochs: &[(u32, usize)]) -> (tempfile::TempDir, Store) {
        let (dir, us) = (tempfile::tempdir().unwrap(), StationId::new("one").unwrap());
        let clock = StoppedClock::at(1_781_834_604_000) as Arc<dyn Clock>;
        let store = Store::open(&dir.path().join("a.db"), &us, clock).unwrap();
        let signer = FileSigner::from_seed("evidock/one", [7; 32]).unwrap();
        for (epoch, events) in epochs.iter().copied() {
            let opening = Opening::new(&us, &signer, Vec::new()).unwrap().draft();
            store
                .write_blocking(move |tx| {
                    if epoch == 1 {
                        tx.log(&opening)?;
                    } else {
                        let (from, told) = ("d".to_owned(), "{}".to_owned());
                        let row = RestoreRow { epoch, from, backup: None, begun_ms: 0, finished_ms: None, told };
                        tx.begin_restore(&row, &opening)?;
                    }
                    (1..events).try_for_each(|_| tx.log(&Draft::daemon(EventKind::Started)).map(drop))
                })
                .unwrap();
        }
        (dir, store)
    }

    #[test]
    fn every_epoch_is_found_by_its_entries() {
        for epochs in [
            &[][..],
            &[(1, 1)],
            &[(1, 100)],
            &[(1, 1), (2, 1), (3, 1)],
            &[(1, 7), (2, 1), (5, 40)],
            &[(3, 9), (4, 1)],
            &[(1, 64), (2, 63), (3, 65), (9, 2)],
        ] {
            let (_dir, store) = log_of(epochs);
            let found = store.read_blocking(begun).unwrap();
            let mut kept = 0;
            let mut expected = Vec::new();
            for (epoch, events) in epochs {
                expected.push((*epoch, kept));
                kept += *events as u64;
            }
            assert_eq!(found.iter().map(|b| (b.epoch, b.kept)).collect::<Vec<_>>(), expected, "{epochs:?}");
        }
    }

    #[test]
    fn an_epoch_by_which_nothing_was_read_is_told() {
        let span = |epoch, from, key: Option<&str>| EpochSpan {
            epoch,
            from,
            opened_ms: 0,
            key: key.map(str::to_owned),
            key_protection: None,
        };
        let (_dir, store) = log_of(&[(1, 7), (2, 3)]);
        let known = store.read_blocking(begun).unwrap();
        let found = [span(1, 0, Some("k")), span(2, 7, Some("k"))];
        assert_eq!(unseen(&found, &known), None);
        assert_eq!(unseen(&[span(3, 9, None)], &known), None, "that nothing opened it is a finding already");
        for known in [&[][..], &known[..1]] {
            let told = unseen(&found, known);
            assert!(told.as_ref().is_some_and(|told| told.contains("2 from event 7")), "{told:?}");
        }
    }

    #[tokio::test]
    async fn only_what_is_named_may_stand_there_beyond_what_was_kept() {
        let head = |size, root| Head { epoch: 1, size, root: [root; 32] };
        assert_eq!(look_at(&[], &[head(9, 1)], false).await, None, "the first epoch runs");
        assert_eq!(look_at(&[], &[], true).await, None, "nothing was lost");
        assert_eq!(look_at(&[], &[head(1, 1), head(2, 1)], true).await, None, "it was kept");
        assert_eq!(look_at(&[head(9, 1)], &[head(7, 1), head(9, 1)], true).await, None, "as it is named");
        for names in [vec![], vec![head(9, 2)], vec![head(10, 1)], vec![head(1_000_000_000_000, 1)]] {
            let told = look_at(&names, &[head(9, 1)], true).await;
            assert!(told.as_ref().is_some_and(|told| told.contains("over 9 events")), "{names:?}: {told:?}");
        }
    }
}
