//! What keeps the daemon running: clock, tasks, shutdown, health, service manager, metrics.
//! The only room that reads a clock or spawns a task directly.

pub mod board;
pub mod clock;
pub mod task;
