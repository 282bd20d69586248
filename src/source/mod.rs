//! Where footage comes from. Recorders are read-only to us and nothing that they say is trusted.
//!
//! [`folder`] reads a docked directory, [`watch`] notices docks, undocks and files that have stopped
//! growing, [`profile`] reads meaning out of names, [`sidecar`] out of files that explain others, [`binding`]
//! reads the file in which a station wrote whose recorder it is. [`fake`] is a recorder in memory, for tests.

pub mod binding;
pub mod fake;
pub mod folder;
pub mod profile;
pub mod sidecar;
pub mod watch;
