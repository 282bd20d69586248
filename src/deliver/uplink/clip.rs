//! One clip to one destination: its session, its parts, completion, proof. A clip that is still being copied sends what
//! is finished and waits for its seal.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::parts::Work;
use super::plan::{self, Parts};
use super::{Uplink, UplinkError};
use crate::domain::clip::{Delivery, Local};
use crate::domain::digest::Sha256;
use crate::domain::error::Retry;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::ports::{Abilities, ByteSource, ObjectSpec, PartReceipt, PartSpec, SendError, SessionId};
use crate::domain::sensitivity::Sensitivity;
use crate::store::{ClipRow, DeliveryJob, PartRow, StoreError, StoredSession};
use crate::vault::{SealedFile, VaultError};

impl Uplink {
    /// Takes one clip as far as it goes. A destination that fails once is asked again here; one that fails often is
    /// everybody's affair.
    pub(super) async fn deliver(
        &self,
        job: &DeliveryJob,
        abilities: &Abilities,
        at_once: usize,
        park: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), UplinkError> {
        let mut attempts = 0;
        loop {
            match self.deliver_once(job, abilities, at_once, park, alive).await {
                Err(UplinkError::Send(SendError::Unreachable { .. }))
                    if self.line.is_well() && !park.is_cancelled() =>
                {
                    let pause = self.line.pause_ms(attempts);
                    attempts += 1;
                    tokio::select! {
                        () = park.cancelled() => return Err(UplinkError::Parked),
                        () = tokio::time::sleep(std::time::Duration::from_millis(pause as u64)) => {}
                    }
                }
                // A duplicate's row goes while its parts are on their way.
                Err(UplinkError::Store(StoreError::NotFound(_))) => return Err(UplinkError::Superseded),
                other => return other,
            }
        }
    }

    async fn deliver_once(
        &self,
        job: &DeliveryJob,
        abilities: &Abilities,
        at_once: usize,
        park: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<(), UplinkError> {
        let (clip, name) = (job.clip, self.name().to_owned());
        let (row, parts, session, facts, deliveries) = self
            .store
            .read(move |r| {
                Ok((r.clip(clip)?, r.parts(clip)?, r.session(clip, &name)?, r.facts(clip)?, r.deliveries(clip)?))
            })
            .await?;
        let state = deliveries.iter().find(|(name, _)| name == self.name()).map(|(_, state)| *state);
        let Some(state) = state.filter(|s| !matches!(s, Delivery::Proven | Delivery::Failed)) else { return Ok(()) };
        let early = match row.local {
            Local::Copying => true,
            Local::Sealed => false,
            Local::Evicted | Local::Damaged => return Err(UplinkError::Superseded),
        };
        let label = plan::label(&facts, self.options.default_sensitivity);
        if state != Delivery::Sent && !label.may_go_to(self.options.max_sensitivity) {
            return self.hold_back(&row, label, early).await;
        }
        let object = self.object(&row, abilities)?;
        if state != Delivery::Sent {
            let sending = self.send(job, &row, &parts, session, &object, abilities, at_once, park, alive).await;
            match sending {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // Bytes that were damaged on their way, or on our disk before the seal could look at them.
                Err(e @ UplinkError::Send(SendError::Mismatch { .. })) if early => return Err(e),
                // A copy that is made anew takes its file away.
                Err(e @ (UplinkError::Send(SendError::Local(_)) | UplinkError::Vault(_))) if early => return Err(e),
                // It received other bytes than were hashed at intake: on the way, or off our disk?
                Err(UplinkError::Send(SendError::Mismatch { what, .. })) => return self.disagree(&row, &what).await,
                Err(e @ (UplinkError::Send(SendError::Local(_)) | UplinkError::Vault(_))) => {
                    return if self.ours_stands(&row).await? { Err(e) } else { Ok(()) };
                }
                Err(e) => return Err(e),
            }
        }
        self.prove_once(&row, &parts, &object, abilities).await
    }

    /// A clip with this label must not go there; what went there already is given up. While it is being copied nobody
    /// has labelled it, and nobody is asked to.
    async fn hold_back(&self, row: &ClipRow, label: Sensitivity, early: bool) -> Result<(), UplinkError> {
        let (clip, name) = (row.clip, self.name().to_owned());
        let words = format!(
            "held back: labelled {}, and {name} takes no more than {}; change the label, or max_sensitivity, then `evidock retry {name}`",
            label.as_str(),
            self.options.max_sensitivity.as_str()
        );
        let written = self.store.write(move |tx| {
            tx.give_session_up(clip, &name)?;
            if early { Ok(()) } else { tx.send_failed(clip, &name, &words, Retry::Operator, 0) }
        });
        Ok(written.await?)
    }

    fn object(&self, row: &ClipRow, abilities: &Abilities) -> Result<ObjectSpec, UplinkError> {
        let early = row.local == Local::Copying;
        let (size, sha256) = match (row.size_bytes, row.sha256, row.declared_bytes) {
            (Some(size), Some(sha256), _) if !early => (size, sha256),
            (_, _, Some(declared)) if early => (declared, Sha256([0; 32])),
            _ => return Err(StoreError::Odd(format!("clip {} is due for sending but not sealed", row.clip)).into()),
        };
        Ok(ObjectSpec {
            key: layout::master(&self.options.station, row.clip),
            size_bytes: size,
            grid: row.grid,
            content_type: content_type(row).to_owned(),
            sha256,
            lock_until: self.lock_until(abilities),
        })
    }

    /// Sends what has no receipt yet, and completes; `false` when the rest waits for the seal or for another session.
    #[allow(clippy::too_many_arguments)] // One caller; a struct would only name the same things twice.
    async fn send(
        &self,
        job: &DeliveryJob,
        row: &ClipRow,
        parts: &[PartRow],
        stored: Option<StoredSession>,
        object: &ObjectSpec,
        abilities: &Abilities,
        at_once: usize,
        park: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<bool, UplinkError> {
        let (clip, early) = (row.clip, row.local == Local::Copying);
        let before = stored.as_ref().map_or(&[][..], |s| &s.parts);
        let mut todo = plan::parts(parts, before, early, abilities.in_order);
        if todo.useless {
            tracing::info!(%clip, destination = self.name(), "the copy is another one than was sent; its upload begins again");
            let name = self.name().to_owned();
            self.store.write(move |tx| tx.give_session_up(clip, &name)).await?;
            return Ok(false);
        }
        if early && todo.todo.is_empty() {
            return Ok(false);
        }
        if !early {
            // Nothing can stand there before the first attempt.
            let first = stored.is_none() && job.attempts == 0;
            self.send_tree(clip, abilities, object.lock_until, first).await?;
        }
        let (session, begun) = match stored {
            Some(stored) => (SessionId(stored.session), None),
            None => {
                let begun = self.line.ask(self.dest.begin(object)).await?;
                let (name, id, first) = (self.name().to_owned(), begun.0.clone(), todo.todo.first().copied());
                let stored = self.store.write(move |tx| tx.session_begun(clip, &name, &id, first.as_slice())).await;
                if let Err(e) = stored {
                    let (name, id) = (self.name().to_owned(), begun.0);
                    self.store.write(move |tx| tx.session_orphaned(clip, &name, &id)).await?;
                    return Err(e.into());
                }
                (begun, first.map(|part| part.n))
            }
        };
        if todo.in_doubt
            && let Err(e) = self.settle_doubt(clip, object, &session, &mut todo).await
        {
            return self.after(e, job, object).await;
        }
        let source: Arc<dyn ByteSource> = Arc::new(self.open(clip, early)?);
        let work = Work { clip, object, session: &session, source: self.line.pace.paced(source), at_once, begun };
        // The one receipt of a short clip is stored with its completion.
        let keep_last = !early && parts.len() == 1;
        let sent = match self.send_parts(&work, &todo, keep_last, park, alive).await {
            Ok(sent) => sent,
            Err(e) => return self.after(e, job, object).await,
        };
        if early {
            return Ok(false);
        }
        let last = if keep_last { sent.first().cloned() } else { None };
        todo.have.extend(sent);
        todo.have.sort_by_key(|(part, _)| part.n);
        if let Err(e) = self.complete(object, &session, &todo).await {
            return self.not_completed(e, job, object, &session, &todo).await;
        }
        self.completed(clip, session, last).await?;
        Ok(true)
    }

    async fn completed(
        &self,
        clip: ClipId,
        session: SessionId,
        last: Option<(PartRow, PartReceipt)>,
    ) -> Result<(), UplinkError> {
        let name = self.name().to_owned();
        Ok(self.store.write(move |tx| tx.sent(clip, &name, &session.0, last.as_ref())).await?)
    }

    /// Asks the remote about parts that were begun and have no receipt.
    async fn settle_doubt(
        &self,
        clip: ClipId,
        object: &ObjectSpec,
        session: &SessionId,
        todo: &mut Parts,
    ) -> Result<(), UplinkError> {
        let held = self.line.ask(self.dest.held_parts(object, session)).await?;
        let found = plan::believable(&todo.todo, &held);
        let numbers: BTreeSet<u64> = found.iter().map(|(part, _)| part.n).collect();
        todo.todo.retain(|part| !numbers.contains(&part.n));
        let (name, id, stored) = (self.name().to_owned(), session.0.clone(), found.clone());
        let all = self
            .store
            .write(move |tx| {
                let mut all = true;
                for (part, receipt) in &stored {
                    all &= tx.part_acked(clip, &name, &id, part, receipt)?;
                }
                Ok(all)
            })
            .await?;
        todo.have.extend(found);
        if all { Ok(()) } else { Err(UplinkError::Superseded) }
    }

    async fn complete(&self, object: &ObjectSpec, session: &SessionId, parts: &Parts) -> Result<(), UplinkError> {
        let acknowledged: Vec<(PartSpec, PartReceipt)> =
            parts.have.iter().map(|(part, receipt)| (part.spec(), receipt.clone())).collect();
        match self.line.ask(self.dest.complete(object, session, &acknowledged)).await {
            Ok(()) => Ok(()),
            // A lost answer is settled by looking, not by asking again.
            Err(e @ SendError::Unreachable { .. }) => match self.line.ask(self.dest.head(&object.key)).await? {
                Some(o) if o.size_bytes == object.size_bytes => Ok(()),
                _ => Err(e.into()),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// The remote refused to make the object: it lacks parts, which are sent again, or knows nothing of the session.
    async fn not_completed(
        &self,
        e: UplinkError,
        job: &DeliveryJob,
        object: &ObjectSpec,
        session: &SessionId,
        parts: &Parts,
    ) -> Result<bool, UplinkError> {
        if !matches!(e, UplinkError::Send(SendError::SessionLost { .. })) {
            return Err(e);
        }
        let held = match self.line.ask(self.dest.held_parts(object, session)).await {
            Ok(held) => held,
            Err(SendError::SessionLost { .. }) => return self.after(e, job, object).await,
            Err(other) => return Err(other.into()),
        };
        let lacking = plan::lacking(&parts.have, &held);
        // One that lists everything and still refuses, or that lacks the same parts again and again, gets a new session.
        if lacking.is_empty() || job.attempts > 0 {
            return self.after(e, job, object).await;
        }
        tracing::warn!(clip = %job.clip, destination = self.name(), parts = lacking.len(), "it acknowledged parts that it does not have; they are sent again");
        let (clip, name, at) = (job.clip, self.name().to_owned(), self.again_at_ms(0));
        self.store
            .write(move |tx| {
                tx.parts_lacking(clip, &name, &lacking)?;
                tx.send_failed(clip, &name, "it lacked parts that it had acknowledged", Retry::Transient, at)
            })
            .await?;
        Ok(false)
    }

    /// What follows from a failure inside a session: either the remote forgot it, or it completed and we never heard; a
    /// look tells.
    async fn after(&self, e: UplinkError, job: &DeliveryJob, object: &ObjectSpec) -> Result<bool, UplinkError> {
        if !matches!(e, UplinkError::Send(SendError::SessionLost { .. })) {
            return Err(e);
        }
        let (clip, name) = (job.clip, self.name().to_owned());
        let stored = self.store.read(move |r| r.session(clip, &name)).await?.ok_or(UplinkError::Superseded)?;
        let there = self.line.ask(self.dest.head(&object.key)).await?;
        if !job.early && there.is_some_and(|o| o.size_bytes == object.size_bytes) {
            self.completed(clip, SessionId(stored.session), None).await?;
            return Ok(true);
        }
        tracing::info!(%clip, destination = self.name(), "the upload session is gone there; it begins again");
        let (name, at) = (self.name().to_owned(), self.again_at_ms(job.attempts));
        self.store.write(move |tx| tx.session_lost(clip, &name, at)).await?;
        Ok(false)
    }

    /// The file of a clip: under its final name, or, while it is being copied, the one that grows.
    fn open(&self, clip: ClipId, early: bool) -> Result<SealedFile, VaultError> {
        if early && let Ok(part) = SealedFile::open(&self.vault.part(clip)) {
            return Ok(part);
        }
        // Sealed between our look and now.
        SealedFile::open(&self.vault.master(clip))
    }
}

/// The media type that a bucket shows; by extension only, since nothing depends on it.
fn content_type(row: &ClipRow) -> &'static str {
    match row.path.extension().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "avi" => "video/x-msvideo",
        "ts" | "mts" => "video/mp2t",
        "mkv" => "video/x-matroska",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "bmp" => "image/bmp",
        "txt" | "log" => "text/plain",
        "xml" => "application/xml",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
