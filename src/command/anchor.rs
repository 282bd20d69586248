//! Signs checkpoints of the custody log and puts them on their way to every destination.
//!
//! The tree stands in the store, the key in custody; what joins them is here, in the composition's room.

use std::sync::Arc;

use crate::custody::cadence::{LastCheckpoint, due};
use crate::custody::checkpoint::{Checkpoint, CheckpointError};
use crate::custody::epoch::Opening;
use crate::custody::note::NoteError;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Clock, Signer};
use crate::store::{CheckpointRow, Store, StoreError, Tx};

/// What a checkpoint that covers the same events already is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
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

    /// Signs a checkpoint of the log as it is now; the one that stands for it already is given again, since its key at
    /// the destinations holds one note for ever.
    pub async fn sign_now(&self) -> Result<CheckpointRow, StoreError> {
        self.store.write(self.signing(Standing::Serves)).await
    }

    /// [`Anchor::sign_now`] for blocking threads.
    pub fn sign_now_blocking(&self) -> Result<CheckpointRow, StoreError> {
        self.store.write_blocking(self.signing(Standing::Serves))
    }

    fn signing(
        &self,
        standing: Standing,
    ) -> impl FnOnce(&Tx<'_>) -> Result<CheckpointRow, StoreError> + Send + 'static {
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
            let note = Checkpoint::of(&station, epoch, size, root).sign(&*signer, now_ms).map_err(|e| odd(&e))?;
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
