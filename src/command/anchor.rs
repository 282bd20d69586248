//! Signs checkpoints of the custody log and puts them on their way to every destination.
//!
//! The tree stands in the store, the key in custody; what joins them is here, in the composition's room.

use std::sync::Arc;

use super::sm2;
use crate::custody::cadence::{LastCheckpoint, due};
use crate::custody::checkpoint::{Checkpoint, CheckpointError};
use crate::custody::epoch::Opening;
use crate::custody::note::{NoteError, VerifierKey};
use crate::custody::sm2::Sm2Key;
use crate::custody::sm2_course::KeyEvent;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Clock, SecondSigner, Signer};
use crate::domain::why::Why;
use crate::store::{CheckpointRow, Store, StoreError, Tx};

/// What a checkpoint that covers the same events already is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Serves,
    /// A newer one tells that the station still speaks.
    IsOld,
}

/// Makes checkpoints.
pub struct Anchor {
    /// The log.
    pub store: Store,
    /// Whose log.
    pub station: StationId,
    /// The key.
    pub signer: Arc<dyn Signer>,
    /// A second key, where the configuration asks for one.
    pub second: Option<Arc<dyn SecondSigner>>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Names of the destinations that anchor.
    pub destinations: Vec<String>,
    /// Pause between checkpoints, milliseconds.
    pub every_ms: i64,
}

fn odd(e: &CheckpointError) -> StoreError {
    StoreError::Odd(format!("a checkpoint could not be signed: {e}"))
}

impl Anchor {
    /// Opens the log's first epoch, if the log is empty: its first event names station and key.
    pub fn open_epoch(&self) -> Result<(), StoreError> {
        let opening = Opening::new(&self.station, &*self.signer, Vec::new())
            .map_err(|e: NoteError| StoreError::Odd(e.to_string()))?;
        self.store.write_blocking(move |tx| {
            if tx.read().log_size()? == 0 {
                tx.log(&opening.draft())?;
            }
            Ok(())
        })
    }

    /// Logs how the key is kept, where that is another way than the log says.
    pub fn tell_protection(&self) -> Result<(), StoreError> {
        let kept = self.signer.protection();
        let key = VerifierKey::of(&*self.signer).map_err(|e| StoreError::Odd(e.to_string()))?.to_string();
        self.store.write_blocking(move |tx| {
            if tx.read().key_protection()?.as_deref() != Some(kept) {
                tx.log(&Draft::daemon(EventKind::KeyProtected).fact("key", key).fact("protection", kept))?;
            }
            Ok(())
        })
    }

    /// Logs which SM2 key signs from here on and how it is kept, or that none does, where the log says something else. Comes
    /// before the first checkpoint that is signed so: from this event on each one is judged by it.
    pub fn tell_sm2(&self) -> Result<(), StoreError> {
        let ours = self.second.as_deref().map(|second| {
            let key = Sm2Key::of(second).ok_or_else(|| StoreError::Odd("the SM2 key has no public half".into()))?;
            Ok::<_, StoreError>((key.to_string(), second.protection().to_owned()))
        });
        let ours = ours.transpose()?;
        self.store.write_blocking(move |tx| {
            let event = match (sm2::in_use(&tx.read())?, ours) {
                (None, None) => return Ok(()),
                (None, Some((key, protection))) => KeyEvent::On { key, protection },
                (Some(named), None) => KeyEvent::Off { old: named.key },
                // Which of two keys signs is not settled here; whoever opened this one has compared.
                (Some(named), Some((key, _))) if named.key != key => {
                    return Err(StoreError::Conflict(Why::OtherSm2Key { key: named.key.clone() }));
                }
                (Some(named), Some((_, protection))) if named.protection == protection => return Ok(()),
                (Some(_), Some((key, protection))) => KeyEvent::Kept { key, protection },
            };
            tx.log(&event.tell(Draft::daemon(EventKind::Sm2Key))).map(drop)
        })
    }

    /// Signs a checkpoint of the log as it is now; the one that stands for it already is given again, since its key at
    /// the destinations holds one note for ever.
    pub async fn sign_now(&self) -> Result<CheckpointRow, StoreError> {
        self.store.write(self.signing(Standing::Serves)).await
    }

    /// [`Anchor::sign_now`] for blocking threads.
    pub fn sign_now_blocking(&self) -> Result<CheckpointRow, StoreError> {
        self.store.write_blocking(self.signing(Standing::Serves))
    }

    pub(super) fn signing(
        &self,
        standing: Standing,
    ) -> impl FnOnce(&Tx<'_>) -> Result<CheckpointRow, StoreError> + Send + 'static {
        let second = self.second.clone();
        let (signer, station, destinations, now_ms) =
            (Arc::clone(&self.signer), self.station.clone(), self.destinations.clone(), self.clock.now().0);
        move |tx| {
            let read = tx.read();
            let (size, epoch) = (read.log_size()?, read.epoch()?);
            if standing == Standing::Serves
                && let Some(row) = read.first_checkpoint_over(epoch, size)?
            {
                return Ok(row);
            }
            let root = read.log_root(size)?;
            let head = Checkpoint::of(&station, epoch, size, root);
            let note = head.sign_twice(&*signer, second.as_deref(), now_ms).map_err(|e| odd(&e))?;
            let row = CheckpointRow { epoch, size, root, note, made_ms: now_ms };
            tx.add_checkpoint(&row, &layout::checkpoint(&station, epoch, size), &destinations)?;
            Ok(row)
        }
    }

    /// Signs a checkpoint if the timer asks for one.
    pub async fn tick(&self) -> Result<(), StoreError> {
        let (size, epoch, last) = self.store.read(|r| Ok((r.log_size()?, r.epoch()?, r.last_checkpoint()?))).await?;
        let last = last.filter(|c| c.epoch == epoch).map(|c| LastCheckpoint { made_ms: c.made_ms, size: c.size });
        if due(self.clock.now().0, last, size, self.every_ms) {
            self.store.write(self.signing(Standing::IsOld)).await?;
        }
        Ok(())
    }
}
