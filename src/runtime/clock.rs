//! The real clock, and time for tests that moves only when told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::ports::Clock;
use crate::domain::time::UtcMs;

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    /// Reads the kernel's boot id once (`/proc/sys/kernel/random/boot_id`, Linux).
    pub fn new() -> Arc<Self> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|s| s.trim().to_owned())
            .unwrap_or_else(|_| "unknown".to_owned());
        Arc::new(Self { boot_id })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UtcMs {
        wall()
    }

    fn monotonic_ms(&self) -> i64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        t.tv_sec * 1000 + t.tv_nsec / 1_000_000
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

/// Wall clock, for log lines and names where no [`Clock`] is at hand.
#[allow(clippy::disallowed_methods)] // This is the home of SystemTime::now.
pub fn wall() -> UtcMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// For measuring spans inside one process.
#[allow(clippy::disallowed_methods)] // This is the home of Instant::now.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// A clock for tests: it stands still until it is moved.
#[derive(Debug)]
pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    /// Stands at `ms` since the Unix epoch.
    pub fn at(ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(ms)))
    }

    /// Moves it by `ms`.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn boot_id(&self) -> &str {
        "00000000-0000-0000-0000-000000000000"
    }
}
