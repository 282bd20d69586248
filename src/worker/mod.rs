//! Child processes that may fail: their sandbox, their time and memory limits, and the framed protocol, both ends.
//!
//! The daemon hands a child one job at a time together with the one file that the job is about, already open, so
//! that a child needs no right to open footage by name. What a job means is not known here: rooms that parse
//! hostile input (`media`, later `source`) bring their own job and answer types.
//!
//! | file | owns |
//! | --- | --- |
//! | [`protocol`] | frames: format, limits, the blocking and the asynchronous end |
//! | [`parent`] | starting, feeding, timing, killing and replacing children |
//! | [`descriptors`] | how an open file travels with a frame |
//! | [`session`] | one child that keeps state between jobs |
//! | [`child`] | the loop inside a child, and its end together with the daemon's |
//! | [`sandbox`], [`seccomp`] | what a child gives up before its first job, and whether the kernel agreed |
//! | [`selftest`] | a harmless kind of worker that tries what the sandbox must forbid |

pub mod child;
pub mod descriptors;
pub mod parent;
pub mod protocol;
pub mod sandbox;
pub mod seccomp;
pub mod selftest;
pub mod session;
