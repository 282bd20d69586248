//! Where footage comes from. Recorders are read-only to us and nothing that they say is trusted.
//!
//! [`folder`] reads a docked directory, [`watch`] notices docks, undocks and files that have stopped
//! growing, [`profile`] reads meaning out of names, [`sidecar`] out of files that explain others, [`binding`]
//! reads the file in which a station wrote whose recorder it is. [`usb`] are recorders on USB, [`rtsp`] cameras that are recorded live,
//! [`replay`] recorders in the network. [`fake`] is a recorder
//! in memory, for tests.

pub mod binding;
pub mod fake;
pub mod folder;
pub mod profile;
pub mod replay;
pub mod rtsp;
pub mod sidecar;
pub mod usb;
pub mod watch;

use std::sync::Arc;

use crate::domain::ports::Shelf;
use crate::domain::recorder::HeldDevice;

/// What a watcher of a source tells the daemon.
pub enum SourceEvent {
    /// A recorder is docked and may be read.
    Docked {
        /// Names this stay until its [`SourceEvent::Undocked`].
        key: String,
        /// The recorder.
        shelf: Arc<dyn Shelf>,
    },
    /// It is gone.
    Undocked {
        /// As it was docked.
        key: String,
    },
    /// Everything that stands in a bay and is not read, with its reason; replaces what was told before.
    Held(Vec<HeldDevice>),
    /// The source cannot be watched, in words for people, with what to do; told when that begins or changes.
    Trouble {
        /// What is wrong.
        words: String,
        /// What to do.
        action: String,
    },
    /// The source is watched (again).
    Fine,
}
