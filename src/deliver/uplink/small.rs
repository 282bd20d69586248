//! Small objects from the outbox, and sessions that the remote is to give up.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{Uplink, UplinkError};
use crate::domain::digest::Sha256;
use crate::domain::error::chain;
use crate::domain::grid::PartGrid;
use crate::domain::layout;
use crate::domain::ports::{Abilities, ObjectSpec, SendError, SessionId};
use crate::store::{SessionObject, SmallKind};

/// Small objects taken from the outbox at a time.
const OUTBOX_BATCH: u32 = 64;
/// Small objects on their way at a time.
const OUTBOX_IN_FLIGHT: usize = 4;
/// Answers that are stored together, at most.
const STORED_TOGETHER: usize = 16;
/// How much later than the longest pause something may be due without the clock having been put back, milliseconds.
const CLOCK_SLACK_MS: i64 = 60_000;
/// Sessions given up at a time.
const ABANDONED_BATCH: u32 = 16;

impl Uplink {
    /// Stores small objects that are due and gives sessions up that nobody goes on with; `true` when there were any.
    pub(super) async fn small_once(
        &self,
        abilities: &Abilities,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<bool, UplinkError> {
        let (stored, cut) = self.outbox_once(abilities, ebb, alive).await?;
        let (given_up, cut_again) = self.abandoned_once(ebb, alive).await?;
        if cut || cut_again {
            // One cut is no trouble: what it hit is still due, and asked for again after a moment.
            tokio::select! {
                () = ebb.cancelled() => {}
                () = tokio::time::sleep(Duration::from_millis(self.line.pause_ms(0) as u64)) => {}
            }
        }
        Ok(stored || given_up || cut || cut_again)
    }

    /// Whether anything was stored, and whether anything was cut.
    async fn outbox_once(
        &self,
        abilities: &Abilities,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(bool, bool), UplinkError> {
        let (name, now) = (self.name().to_owned(), self.clock.now().0);
        let longest_ms = self.options.retry_max_ms + CLOCK_SLACK_MS;
        let items = self.store.read(move |r| r.due_outbox(&name, now, longest_ms, OUTBOX_BATCH)).await?;
        let (mut any, mut cut) = (false, false);
        let puts = items.into_iter().map(|item| async move {
            if ebb.is_cancelled() {
                return (item, None);
            }
            // Decisions 2 and 8: records and the log are locked as masters are; index and catalogue are not.
            let lock_until = match item.kind {
                SmallKind::Checkpoint => self.locked_for(self.options.log_lock_days, abilities),
                kind if kind.is_locked() => self.lock_until(abilities),
                _ => None,
            };
            let bytes = Bytes::from(item.bytes.clone());
            self.line.pace.charge(bytes.len() as u64);
            let put = self.dest.put_small(&item.key, bytes, &item.content_type, lock_until);
            let outcome = self.line.ask(put).await;
            (item, Some(outcome))
        });
        let mut answers =
            futures_util::stream::iter(puts).buffer_unordered(OUTBOX_IN_FLIGHT).ready_chunks(STORED_TOGETHER);
        while let Some(answers) = answers.next().await {
            alive();
            let mut stored = Vec::new();
            let mut failure = None;
            for (item, outcome) in answers {
                match outcome {
                    None => {}
                    Some(Ok(())) => stored.push(item.id),
                    // The line's affair; while it is well, the object is simply tried again.
                    Some(Err(SendError::Unreachable { .. })) if self.line.is_well() => cut = true,
                    // The whole destination is away or refuses us: that is not this object's fault.
                    Some(Err(
                        e @ (SendError::Unreachable { .. } | SendError::Busy { .. } | SendError::Refused { .. }),
                    )) => {
                        ebb.cancel();
                        failure.get_or_insert(e);
                    }
                    Some(Err(e)) => {
                        let words = chain(&e);
                        tracing::error!(
                            destination = self.name(),
                            key = item.key,
                            error = words,
                            "a small object could not be stored"
                        );
                        let at = self.again_at_ms(item.attempts);
                        self.store.write(move |tx| tx.outbox_failed(item.id, &words, at)).await?;
                    }
                }
            }
            if !stored.is_empty() {
                any = true;
                self.store.write(move |tx| stored.iter().try_for_each(|id| tx.outbox_stored(*id))).await?;
            }
            if let Some(e) = failure {
                return Err(e.into());
            }
        }
        Ok((any, cut))
    }

    /// Whether anything was given up, and whether anything was cut.
    async fn abandoned_once(
        &self,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(bool, bool), UplinkError> {
        let (name, now) = (self.name().to_owned(), self.clock.now().0);
        let longest_ms = self.options.retry_max_ms + CLOCK_SLACK_MS;
        let rows = self.store.read(move |r| r.abandoned(&name, now, longest_ms, ABANDONED_BATCH)).await?;
        let (mut any, mut cut) = (false, false);
        for row in rows {
            alive();
            if ebb.is_cancelled() {
                break;
            }
            // Key and session are all that giving up asks for.
            let object = ObjectSpec {
                key: match row.object {
                    SessionObject::Master => layout::master(&self.options.station, row.clip),
                    SessionObject::Tree => layout::tree(&self.options.station, row.clip),
                },
                size_bytes: 0,
                grid: PartGrid::Growing,
                content_type: String::new(),
                sha256: Sha256([0; 32]),
                lock_until: None,
            };
            match self.line.ask(self.dest.abort(&object, &SessionId(row.session))).await {
                Ok(()) | Err(SendError::SessionLost { .. }) => {
                    any = true;
                    self.store.write(move |tx| tx.abandoned_settled(row.id)).await?;
                }
                Err(SendError::Unreachable { .. }) if self.line.is_well() => cut = true,
                Err(e @ (SendError::Unreachable { .. } | SendError::Busy { .. })) => return Err(e.into()),
                // A key that may write and not give up what it wrote is no reason to stop writing.
                Err(e) => {
                    let (words, at) = (chain(&e), self.again_at_ms(row.attempts));
                    tracing::warn!(clip = %row.clip, destination = self.name(), error = words, "an upload could not be given up there");
                    self.store.write(move |tx| tx.abandoned_failed(row.id, Some(&words), at)).await?;
                }
            }
        }
        Ok((any, cut))
    }
}
