//! The station at a glance, read once for all open pages: when something changes, each of them asks for its part at the same
//! moment, and two hundred would read the same two hundred times. Only parts that refresh themselves share a reading, and
//! they come after the bell: what rang is in it. Whoever opens a page, and every program, has a reading of their own.
//!
//! The badge of what waits to be annotated counts what lists hold for whoever looks. Parts within the same bounds share a count
//! until some clip changes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::live::Topic;
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::view::Frame;
use super::view::station::StationView;
use crate::domain::rights::{Action, Over, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::runtime::clock::monotonic;

/// Ages and rates move without a bell: a reading is shared for no longer.
const FRESH: Duration = Duration::from_secs(1);

/// So many waiting clips are counted for one account: a badge of more tells nothing more.
pub const MOST_WAITING: u32 = 1_000;
/// Whose clips are whose changes without a clip changing: a count is shared for no longer.
const COUNT_FRESH: Duration = Duration::from_secs(30);
/// Bounds whose count is remembered.
const BOUNDS: usize = 1_000;

/// The newest readings.
#[derive(Default)]
pub struct Shared {
    station: Mutex<Option<Reading>>,
    waiting: std::sync::Mutex<HashMap<Bounds, Count>>,
}

type Bounds = (i64, Vec<(Over, Sensitivity)>);

struct Count {
    /// Where the bell stood before it was read.
    position: u64,
    at: Instant,
    clips: u64,
}

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
        let mut newest = self.shared.station.lock().await;
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

    /// How many clips wait for whoever looks: `all` of the station's where they see all of them, else those that lists hold
    /// for them. Who sets no facts is shown no number.
    pub(super) async fn waiting(&self, visitor: &Visitor, all: u64) -> Result<u64, Trouble> {
        let within = visitor.who.within(Action::ListClips);
        let Within::Of { account, stretches } = &within else { return Ok(all) };
        if !visitor.who.may_ever(Action::AnnotateClip) {
            return Ok(0);
        }
        if !within.is_narrowed() {
            return Ok(all);
        }
        let bounds = (*account, stretches.clone());
        if visitor.part {
            let counts = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let known = counts.get(&bounds).filter(|c| c.at.elapsed() < COUNT_FRESH);
            if let Some(count) = known.filter(|c| !self.live.changed_after(Topic::Clips, c.position)) {
                return Ok(count.clips);
            }
        }
        let (position, at) = (self.live.now(), monotonic());
        let clips = self.pages.waiting(&within, MOST_WAITING).await?;
        let mut counts = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= BOUNDS {
            counts.retain(|_, count| count.at.elapsed() < COUNT_FRESH);
        }
        if counts.len() < BOUNDS {
            counts.insert(bounds, Count { position, at, clips });
        }
        Ok(clips)
    }
}
