//! Recorders that speak MTP (the Media Transfer Protocol over USB): no disk, but a list of objects that is asked for.
//!
//! | file | owns | runs |
//! | --- | --- | --- |
//! | [`shelf`] | the port, reading ahead, time limits | in the daemon |
//! | [`wire`] | jobs and answers | both |
//! | [`reader`] | one job each, on an open recorder | in a reader |
//! | [`walk`] | the listing: bounded, and nothing left out in silence | in a reader |
//! | [`names`], [`dates`], [`dataset`] | what a recorder says, as we keep it: pure | in a reader |
//! | [`device`] | the protocol's operations that we use, and what their refusals mean | in a reader |
//! | [`link`] | bytes to and from the recorder, and where a container ends | in a reader |
//!
//! The reader is a child process: it gets the open descriptor of one USB device with its first job, and has neither
//! files nor network nor any other device. The daemon does not keep the descriptor, because transfers that a dead
//! reader left behind would stay alive with it; so a reader that ended takes its recorder with it until it is docked
//! again.

pub mod dataset;
pub mod dates;
pub mod device;
pub mod link;
pub mod names;
pub mod reader;
pub mod shelf;
pub mod walk;
pub mod wire;

pub use shelf::{MtpShelf, NoStorage};

use crate::worker::child;
use crate::worker::protocol::FrameError;
use crate::worker::sandbox::{self, Limits};

/// The word after `evidock worker`.
pub const WORKER_KIND: &str = "mtp";

/// What one reader may take. Its own memory is a few MiB; the rest is libraries of the program and stacks.
const LIMITS: Limits = Limits {
    address_space_bytes: 1 << 30,
    // It lives as long as the recorder is docked. 512 GB over USB 2 take four hours, a tenth of it on the processor.
    cpu_seconds: 6 * 3600,
    open_files: 32,
};

/// The life of a reader: lock the door, serve jobs until the daemon hangs up.
pub fn serve() -> Result<(), FrameError> {
    // No path at all may be opened: the device comes as a descriptor, and its descriptors are read through it.
    let measures = sandbox::lock_down(&LIMITS, &[]);
    let mut reader = reader::Reader::default();
    child::serve(measures, move |job, file| reader.handle(job, file))
}
