//! The tamper-evident log around the store: signing key, checkpoints, witnesses, timestamps, verification, evidence
//! packages. Never opens the database and never reaches the network: entries and checkpoints are handed in, findings
//! come out.
//!
//! What it shows, and to whom: a checkpoint signs the root of all events so far, so whoever holds an older
//! checkpoint can tell whether anything below it was changed, removed or inserted. Whoever has root on the
//! box has the key too and can rewrite events **and** sign them again; that is found only against a
//! checkpoint that left the box, an anchor. Events after the newest anchor can still be rewritten
//! unnoticed by such a person; [`report::LogReport`] counts them.

pub mod backup;
pub mod cadence;
pub mod checkpoint;
pub mod epoch;
pub mod far_tiles;
mod in_force;
pub mod key;
pub mod losses;
pub mod note;
pub mod package;
pub mod report;
pub mod retired;
pub mod sealed;
pub mod sm2;
pub mod sm2_course;
pub mod stamps;
pub mod timestamp;
pub mod verify;
pub mod witness;
