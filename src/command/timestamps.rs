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
/// After a failure it is tried again so much later; and nothing, not even a clock that is set back and forth, has the
/// authority asked more often.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What came of looking whether one is due.
#[derive(Debug)]
enum Looked {
    /// None is.
    NotDue,
    /// One was had.
    Had,
    /// One is due and could not be had, and why.
    Missing(String),
}

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
        let looked = once(&anchor, &poster, every_ms).await?;
        let pause = if matches!(looked, Looked::NotDue) { LOOK_EVERY } else { ASK_AGAIN };
        match looked {
            Looked::NotDue | Looked::Had => part.ok(),
            Looked::Missing(why) => part.degraded(
                "timestamp_missing",
                format!("no timestamp could be had: {why}"),
                "check [custody.timestamp] url; it is asked again by itself",
            ),
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether one is due on a head of `epoch`; `last` is the epoch of the newest one and when it came. By this station's own
/// clock at both ends: what the authority's says is never compared with it, since a station whose clock lags would ask for
/// ever. Where the clock was set back, one more is had, and the time since that counts.
fn is_due(now_ms: i64, epoch: u32, last: Option<(u32, i64)>, every_ms: i64) -> bool {
    last.is_none_or(|(of, got_ms)| of != epoch || now_ms < got_ms || now_ms.saturating_sub(got_ms) >= every_ms)
}

/// One timestamp, if it is due.
async fn once(anchor: &Anchor, poster: &Poster, every_ms: i64) -> Result<Looked, StoreError> {
    let (head, last) = anchor
        .store
        .read(|r| {
            let epoch = r.epoch()?;
            Ok((r.last_checkpoint()?.filter(|head| head.epoch == epoch), r.last_stamped()?))
        })
        .await?;
    let Some(head) = head.filter(|head| is_due(anchor.clock.now().0, head.epoch, last, every_ms)) else {
        return Ok(Looked::NotDue);
    };
    // Without its signatures, so that whoever has size and root can make the same text again.
    let text = Checkpoint::of(&anchor.station, head.epoch, head.size, head.root).text();
    let query = Query::new(text.as_bytes(), rand::random());
    let posted = match poster.post(QUERY_TYPE, query.der(), MAX_REPLY_BYTES).await {
        Ok(posted) if posted.status == 200 => posted,
        Ok(posted) => return Ok(Looked::Missing(format!("the authority answered with status {}", posted.status))),
        Err(e) => return Ok(Looked::Missing(chain(&e))),
    };
    let stamp = match query.read(&posted.body) {
        Ok(stamp) => stamp,
        Err(e) => return Ok(Looked::Missing(chain(&e))),
    };
    let row =
        TimestampRow { epoch: head.epoch, size: head.size, text, reply: posted.body.to_vec(), said_ms: stamp.at.0 };
    let key = layout::timestamp(&anchor.station, head.epoch, head.size, stamp.at.0);
    let destinations = anchor.destinations.clone();
    anchor.store.write(move |tx| tx.stamped(&row, &key, &destinations)).await?;
    Ok(Looked::Had)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn one_is_due_by_the_station_s_own_clock() {
        let now = 1_000 * HOUR;
        for (last, expected) in [
            (None, true),
            // Of an epoch that is over.
            (Some((1, now)), true),
            (Some((2, now)), false),
            (Some((2, now - HOUR + 1)), false),
            (Some((2, now - HOUR)), true),
            // The clock was set back since.
            (Some((2, now + 1)), true),
            (Some((2, i64::MIN)), true),
        ] {
            assert_eq!(is_due(now, 2, last, HOUR), expected, "{last:?}");
        }
    }
}
