//! What keeps the daemon running: clock, tasks, shutdown, health, service manager, logs, metrics.
//! The only room that reads a clock or spawns a task directly.

pub mod board;
pub mod clock;
pub mod durable;
pub mod health;
pub mod heartbeat;
pub mod lock;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod progress;
pub mod supervise;
pub mod task;
pub mod typeface;
