//! What is known about a clip and to which case it belongs: rules as pure functions.
//!
//! - [`roster`]: who takes which recorder out, when and for what, read from a table;
//! - [`mod@annotate`]: from what recorder, file, media, desk and roster say to facts with origins and suggested links;
//! - [`rules`]: from the outing and the register of cases to suggested links;
//! - [`register`]: officers, recorders, units, parties, cases and the catalogue, read from tables;
//! - [`times`]: the ways in which tables and sidecars write times.
//!
//! Nothing in these reads a file, a clock or the database. [`judge`] gathers what they look at and decides; what it
//! decides is carried out by [`apply`], through the store. [`roster_import`] holds a roster against the one that stands.

pub mod annotate;
pub mod apply;
pub mod case_index;
pub mod judge;
pub mod register;
pub mod roster;
pub mod roster_import;
pub mod rules;
pub mod times;
pub mod value;

pub use value::{canonical_value, check_value};

pub use annotate::{Annotations, ClipEvidence, Issue, SuggestedLink, annotate, changes};
pub use roster::{Roster, RosterError, RosterRow};
