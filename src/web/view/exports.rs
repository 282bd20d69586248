//! Evidence packages that were asked for, and how far each is.

use crate::domain::event::Actor;
use crate::domain::export::{ExportState, Target};
use crate::domain::how_far::HowFar;
use crate::domain::time::UtcMs;

/// One package.
#[derive(Debug, Clone)]
pub struct ExportView {
    /// Its id.
    pub package: String,
    /// Its case's number as displayed.
    pub case_no: String,
    /// Why.
    pub reason: String,
    /// On what basis.
    pub basis: String,
    /// For whom.
    pub recipient: Option<String>,
    /// Where it goes.
    pub target: Target,
    /// Divided among discs of so many bytes.
    pub disc_bytes: Option<u64>,
    /// Who asked.
    pub asked_by: Actor,
    /// When.
    pub asked: UtcMs,
    /// How far it is.
    pub state: ExportState,
    /// Who confirmed or refused it.
    pub second_by: Option<Actor>,
    /// Why it waits or failed.
    pub words: Option<String>,
    /// Packages that it came to, one a disc; 0 until it is ready.
    pub discs: u32,
    /// Clips in them.
    pub clips: u64,
    /// Bytes of the clips.
    pub bytes: u64,
    /// When it was ready.
    pub ended: Option<UtcMs>,
    /// How far it is, in bytes, while it is being made.
    pub done: Option<HowFar>,
    /// Where its folder stands on the station.
    pub place: String,
    /// It can be fetched no longer.
    pub over: bool,
    /// Clips of it that are isolated now: nothing of it is made or given out.
    pub isolated: u64,
}

/// Packages, newest first, and where new ones may go.
#[derive(Debug, Clone, Default)]
pub struct ExportsView {
    /// The packages.
    pub exports: Vec<ExportView>,
    /// Cursor of the next page of them.
    pub next: Option<String>,
    /// Names of the destinations.
    pub destinations: Vec<String>,
    /// Another person must confirm what somebody who signed in asks for.
    pub second_person: bool,
}
