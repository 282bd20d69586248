//! The station at a glance, read once for all open pages: when something changes, each of them asks for its part at the same
//! moment, and two hundred would read the same two hundred times. Only parts that refresh themselves share a reading, and
//! they come after the bell: what rang is in it. Whoever opens a page, and every program, has a reading of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::site::Site;
use super::trouble::Trouble;
use super::view::Frame;
use super::view::station::StationView;
use crate::runtime::clock::monotonic;

/// Ages and rates move without a bell: a reading is shared for no longer.
const FRESH: Duration = Duration::from_secs(1);

/// The newest reading.
#[derive(Default)]
pub struct Shared(Mutex<Option<Reading>>);

struct Reading {
    /// Where the bell stood before it was read.
    position: u64,
    at: Instant,
    view: Arc<StationView>,
    frame: Frame,
}

impl Site {
    /// The station as of the newest bell, for a part that refreshes itself. Others wait for whoever reads, and share it.
    pub(super) async fn shared(&self) -> Result<(Arc<StationView>, Frame), Trouble> {
        let mut newest = self.shared.0.lock().await;
        let position = self.live.now();
        if let Some(r) = newest.as_ref().filter(|r| r.position == position && r.at.elapsed() < FRESH) {
            return Ok((Arc::clone(&r.view), r.frame.clone()));
        }
        let at = monotonic();
        let view = Arc::new(self.pages.station().await?);
        let frame = self.pages.frame().await?;
        *newest = Some(Reading { position, at, view: Arc::clone(&view), frame: frame.clone() });
        Ok((view, frame))
    }
}
