//! What is known about a clip and to which case it belongs: rules as pure functions.
//!
//! - [`roster`]: who takes which recorder out, when and for what, read from a table;
//! - [`mod@annotate`]: from what recorder, file, media, desk and roster say to facts with origins and suggested links;
//! - [`times`]: the ways in which tables and sidecars write times.
//!
//! Nothing in these three reads a file, a clock or the database; what they decide is carried out by
//! [`apply`], through the store.

pub mod annotate;
pub mod apply;
pub mod roster;
pub mod times;
pub mod value;

pub use value::{canonical_value, check_value};

pub use annotate::{Annotations, ClipEvidence, Issue, SuggestedLink, annotate, changes};
pub use roster::{Roster, RosterError, RosterRow};
