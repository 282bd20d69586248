//! Resumable upload to destinations and the proof that they hold the same bytes. Never hashes what was hashed at intake.
//!
//! The forms of [`crate::domain::ports::Destination`] stand here ([`folder`], [`s3`], and [`fake`] for
//! tests), with what they share: the rule for keys, reading a local copy in blocks, finding out by
//! trying what a destination can do, and [`prove`], which compares what it says and holds with ours.
//! [`pace`] bounds how fast bytes go out. [`uplink`] joins them with store and vault: it sends what is due and stores
//! each step.

pub mod fake;
pub mod folder;
pub mod pace;
pub mod prove;
pub mod s3;
pub mod uplink;

mod blocks;
mod key;
mod trial;
