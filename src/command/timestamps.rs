//! RFC 3161 timestamps: asks the configured authority for one on the log's newest head, each so often, and keeps the
//! answer whole, here and at the destinations.

use std::sync::Arc;
use std::time::Duration;

use super::anchor::Anchor;
use crate::custody::checkpoint::Checkpoint;
use crate::custody::timestamp::{MAX_REPLY_BYTES, QUERY_TYPE, Query};
use crate::deliver::post::Poster;
use crate::domain::error::chain;
use crate::domain::layout;
use crate::runtime::health::Part;
use crate::runtime::supervise::TaskContext;
use crate::store::{StoreError, TimestampRow};

/// It is looked whether one is due so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure it is tried again so much later.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Asks until the end.
pub(super) async fn run(
    context: TaskContext,
    anchor: Arc<Anchor>,
    poster: Arc<Poster>,
    every_ms: i64,
    part: Part,
) -> Result<(), StoreError> {
    loop {
        context.heart.beat();
        let mut pause = LOOK_EVERY;
        match once(&anchor, &poster, every_ms).await? {
            None => part.ok(),
            Some(why) => {
                part.degraded(
                    "timestamp_missing",
                    format!("no timestamp could be had: {why}"),
                    "check [custody.timestamp] url; it is asked again by itself",
                );
                pause = ASK_AGAIN;
            }
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One timestamp, if it is due; gives why there is none.
async fn once(anchor: &Anchor, poster: &Poster, every_ms: i64) -> Result<Option<String>, StoreError> {
    let (head, last) = anchor
        .store
        .read(|r| {
            let epoch = r.epoch()?;
            Ok((r.last_checkpoint()?.filter(|head| head.epoch == epoch), r.last_timestamp()?))
        })
        .await?;
    let Some(head) = head else { return Ok(None) };
    let now_ms = anchor.clock.now().0;
    let is_due = last.is_none_or(|last| {
        last.epoch != head.epoch || now_ms < last.said_ms || now_ms.saturating_sub(last.said_ms) >= every_ms
    });
    if !is_due {
        return Ok(None);
    }
    // Without its signatures, so that whoever has size and root can make the same text again.
    let text = Checkpoint::of(&anchor.station, head.epoch, head.size, head.root).text();
    let query = Query::new(text.as_bytes(), rand::random());
    let posted = match poster.post(QUERY_TYPE, query.der(), MAX_REPLY_BYTES).await {
        Ok(posted) if posted.status == 200 => posted,
        Ok(posted) => return Ok(Some(format!("the authority answered with status {}", posted.status))),
        Err(e) => return Ok(Some(chain(&e))),
    };
    let stamp = match query.read(&posted.body) {
        Ok(stamp) => stamp,
        Err(e) => return Ok(Some(chain(&e))),
    };
    let row =
        TimestampRow { epoch: head.epoch, size: head.size, text, reply: posted.body.to_vec(), said_ms: stamp.at.0 };
    let key = layout::timestamp(&anchor.station, head.epoch, head.size, stamp.at.0);
    let destinations = anchor.destinations.clone();
    anchor.store.write(move |tx| tx.stamped(&row, &key, &destinations)).await?;
    Ok(None)
}
