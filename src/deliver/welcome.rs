//! Whether a destination lets this station in, as its uplink finds out. Each start, and whoever says `evidock retry`, has the
//! uplink ask first; what looks at a destination of its own accord (anchors, the fence, tiles) holds still until it was let
//! in, and again from when it is refused. So wrong keys are asked about once and said once.

use std::sync::Arc;

use tokio::sync::watch;

/// One destination's answer to this process. Clones share it.
#[derive(Debug, Clone)]
pub struct Welcome(Arc<watch::Sender<bool>>);

impl Default for Welcome {
    /// Nobody has asked yet.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Welcome {
    /// Whether it let us in, and has not refused us since.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is open.
    pub async fn opened(&self) {
        let mut watching = self.0.subscribe();
        if watching.wait_for(|open| *open).await.is_err() {
            // The sender lives as long as `self` does.
            std::future::pending::<()>().await;
        }
    }

    /// What the uplink found.
    pub fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
}
