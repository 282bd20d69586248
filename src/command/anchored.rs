//! A checkpoint that stands off this box, before something is done that nobody can take back. Signing alone shows nothing
//! to whoever has the key, who could sign another one.

use std::sync::Arc;
use std::time::Duration;

use super::anchor::Anchor;
use crate::deliver::evict::Checkpoint;
use crate::domain::why::Why;
use crate::runtime::clock::monotonic;
use crate::store::StoreError;

/// So long it may take to arrive; whoever waits tries again later.
const PATIENCE: Duration = Duration::from_secs(60);
/// It is looked for so often: a small object arrives within moments.
const LOOK: Duration = Duration::from_millis(100);

/// For those who give bytes up.
pub(super) fn before_giving_up(anchor: &Arc<Anchor>) -> Checkpoint {
    let anchor = Arc::clone(anchor);
    Arc::new(move |stop| {
        let anchor = Arc::clone(&anchor);
        Box::pin(async move {
            tokio::select! {
                // What is intended stands in the log; the next start goes on with it.
                () = stop.cancelled() => Err(StoreError::Closed),
                done = over_everything(&anchor) => done,
            }
        })
    })
}

/// Signs a checkpoint over everything so far, and waits until a destination off this box holds it. Where there is none,
/// its signature has to do.
async fn over_everything(anchor: &Anchor) -> Result<(), StoreError> {
    let signed = anchor.sign_now().await?;
    let names = anchor.destinations.clone();
    if !anchor.store.read(move |r| r.anchors_elsewhere(&names)).await? {
        return Ok(());
    }
    let until = monotonic() + PATIENCE;
    loop {
        let (epoch, anchors) = anchor.store.read(|r| Ok((r.epoch()?, r.anchors()?))).await?;
        if epoch == signed.epoch && anchors.stored >= signed.size {
            return Ok(());
        }
        if monotonic() >= until {
            return Err(StoreError::Conflict(Why::NotOffTheBox {}));
        }
        tokio::time::sleep(LOOK).await;
    }
}
