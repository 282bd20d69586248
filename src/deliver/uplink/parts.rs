//! Sends the parts of one clip, several at a time. A part that is cut is sent again by itself while the line is well;
//! everything else is the clip's affair.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::plan::{Parts, backoff_ms};
use super::{Uplink, UplinkError};
use crate::domain::ids::ClipId;
use crate::domain::ports::{ByteSource, ObjectSpec, PartReceipt, SendError, SessionId};
use crate::store::PartRow;

/// Pause before a part that was cut is sent again, milliseconds: first and longest. The destination's own pauses are for
/// a destination that is away; this line only dropped a connection.
const CUT_PAUSE_MS: (i64, i64) = (50, 2_000);

/// What all parts of a clip share.
pub(super) struct Work<'a> {
    pub clip: ClipId,
    pub object: &'a ObjectSpec,
    pub session: &'a SessionId,
    pub source: Arc<dyn ByteSource>,
    /// Parts under way at the same time.
    pub at_once: usize,
    /// The part that was stored as begun together with its session.
    pub begun: Option<u64>,
}

/// How a part is sent.
#[derive(Clone, Copy)]
struct Way {
    /// Stored as begun already.
    begun: bool,
    /// It was sent before.
    again: bool,
    pause_ms: i64,
}

impl Uplink {
    /// Sends the parts that have no receipt yet. Receipts are stored one by one, unless the caller keeps them.
    pub(super) async fn send_parts(
        &self,
        work: &Work<'_>,
        plan: &Parts,
        keep: bool,
        park: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<Vec<(PartRow, PartReceipt)>, UplinkError> {
        let first = |part: &PartRow| Way {
            begun: work.begun == Some(part.n),
            again: plan.again.contains(&part.n),
            pause_ms: 0,
        };
        let mut todo: VecDeque<(PartRow, Way)> = plan.todo.iter().map(|part| (*part, first(part))).collect();
        let mut under_way = FuturesUnordered::new();
        let (mut sent, mut failure, mut cuts) = (Vec::with_capacity(todo.len()), None, 0);
        loop {
            while failure.is_none() && !park.is_cancelled() && under_way.len() < work.at_once.max(1) {
                let Some((part, way)) = todo.pop_front() else { break };
                under_way.push(async move { (part, self.send_part(work, part, way, keep, park).await) });
            }
            let Some((part, outcome)) = under_way.next().await else { break };
            alive();
            match outcome {
                Ok(receipt) => {
                    sent.push((part, receipt));
                    cuts = 0;
                }
                Err(UplinkError::Send(SendError::Unreachable { what, .. }))
                    if failure.is_none() && self.line.is_well() && !park.is_cancelled() =>
                {
                    tracing::debug!(clip = %work.clip, destination = self.name(), part = part.n, what, "a part was cut");
                    let pause_ms = backoff_ms(cuts, CUT_PAUSE_MS.0, CUT_PAUSE_MS.1, rand::random());
                    cuts += 1;
                    todo.push_front((part, Way { begun: true, again: true, pause_ms }));
                }
                // What made others park says more than that they did.
                Err(e) if failure.is_none() || matches!(failure, Some(UplinkError::Parked)) => failure = Some(e),
                Err(_) => {}
            }
        }
        match failure {
            Some(e) => Err(e),
            None if todo.is_empty() => Ok(sent),
            None => Err(UplinkError::Parked),
        }
    }

    async fn send_part(
        &self,
        work: &Work<'_>,
        part: PartRow,
        way: Way,
        keep: bool,
        park: &CancellationToken,
    ) -> Result<PartReceipt, UplinkError> {
        let _slot = tokio::select! {
            biased;
            () = park.cancelled() => return Err(UplinkError::Parked),
            slot = async {
                tokio::time::sleep(Duration::from_millis(way.pause_ms as u64)).await;
                self.line.slot().await
            } => slot,
        };
        let clip = work.clip;
        if !way.begun {
            let (name, id) = (self.name().to_owned(), work.session.0.clone());
            if !self.store.write(move |tx| tx.part_begun(clip, &name, &id, &part)).await? {
                return Err(UplinkError::Superseded);
            }
        }
        if way.again {
            self.line.again(part.len);
        }
        let (told, body) = (part.spec(), Arc::clone(&work.source));
        let sending = self.dest.send_part(work.object, work.session, &told, body);
        let receipt = match self.line.ask(sending).await {
            Ok(receipt) => receipt,
            Err(e) => {
                if matches!(e, SendError::Unreachable { .. }) {
                    self.line.cut();
                }
                return Err(e.into());
            }
        };
        if let Some(theirs) = receipt.sha256.filter(|theirs| *theirs != part.sha256) {
            let what = format!("part {} has SHA-256 {theirs} there, {} here", part.n + 1, part.sha256);
            let (destination, key) = (self.dest.name().clone(), work.object.key.clone());
            return Err(SendError::Mismatch { destination, key, what }.into());
        }
        self.line.acknowledged(part.len);
        if !keep {
            let (name, id, stored) = (self.name().to_owned(), work.session.0.clone(), receipt.clone());
            if !self.store.write(move |tx| tx.part_acked(clip, &name, &id, &part, &stored)).await? {
                return Err(UplinkError::Superseded);
            }
        }
        Ok(receipt)
    }
}
