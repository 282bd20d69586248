//! View models: what a page is about, as plain facts without words or markup.
//!
//! Whoever binds the store fills them; templates turn them into words of the visitor's language. What can
//! be decided from the facts alone (which sentence a bay shows, how a lane is drawn) is decided here by
//! pure functions, so that the pages stay dull.

pub mod alarms;
pub mod case;
pub mod clip;
pub mod clips;
pub mod derived;
pub mod exports;
pub mod keeping;
pub mod log;
pub mod looks;
pub mod office;
pub mod reports;
pub mod review;
pub mod rooms;
pub mod sampling;
pub mod station;
pub mod timeline;
pub mod together;
pub mod triage;

use std::sync::Arc;

use crate::domain::account::Names;

/// Somebody who did something, with the account's name where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// As the log has it.
    pub actor: crate::domain::event::Actor,
    /// Name for people.
    pub name: Option<String>,
}

/// What the frame around every page shows.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The station's name for people.
    pub station_name: String,
    /// Whether the clock is synchronised; `None` where the system does not tell.
    pub clock_synced: Option<bool>,
    /// Clips that lack a required fact.
    pub to_annotate: u64,
    /// Alarms that stand.
    pub alarms: u64,
    /// Rooms that are recorded live.
    pub rooms: u64,
    /// What accounts and programs are called, for pages that tell who did something.
    pub names: Arc<Names>,
}
