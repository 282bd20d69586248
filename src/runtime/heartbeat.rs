//! Heartbeats: each long task shows that it still turns, and the watchdog is fed only while all do.
//!
//! A beat says "my loop came round", not "my work succeeds"; that is health's. A task that is stuck in a
//! lock or a system call stops beating, and the service manager restarts the daemon.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clock::monotonic;

/// Every heart of the daemon. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Hearts(Arc<Mutex<BTreeMap<&'static str, Heart>>>);

#[derive(Debug, Clone, Copy)]
struct Heart {
    last: Instant,
    within: Duration,
}

impl Hearts {
    /// Starts a heart that must beat at least every `within`. Beats once.
    pub fn start(&self, name: &'static str, within: Duration) -> Heartbeat {
        self.with(|hearts| hearts.insert(name, Heart { last: monotonic(), within }));
        Heartbeat { name, within, hearts: self.clone() }
    }

    /// Forgets a heart: its task ended in good order, or is about to be started again.
    pub fn stop(&self, name: &'static str) {
        self.with(|hearts| hearts.remove(name));
    }

    /// The tasks that have not beaten in time as of `now`.
    pub fn stale(&self, now: Instant) -> Vec<&'static str> {
        self.with(|hearts| {
            let late = |h: &Heart| now.saturating_duration_since(h.last) > h.within;
            hearts.iter().filter(|(_, heart)| late(heart)).map(|(name, _)| *name).collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<&'static str, Heart>) -> T) -> T {
        // A panic while the lock is held leaves times only; they stay usable.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One task's heart. Clones beat the same one, so that its blocking threads can beat it, too.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    name: &'static str,
    within: Duration,
    hearts: Hearts,
}

impl Heartbeat {
    /// Beats.
    pub fn beat(&self) {
        self.hearts.with(|hearts| {
            if let Some(heart) = hearts.get_mut(self.name) {
                heart.last = monotonic();
            }
        });
    }

    /// Beats until `cancel`, for a task whose own loop wakes only for guests.
    pub async fn beat_until(&self, cancel: &tokio_util::sync::CancellationToken) {
        let mut tick = tokio::time::interval(self.within / 3);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => self.beat(),
            }
        }
    }

    /// Waits for `work` and beats meanwhile. For waits that may rightly be long and have a time-out of their
    /// own; around a wait without one it would hide exactly what the watchdog is for.
    pub async fn beat_while<F: Future>(&self, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(self.within / 3);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.beat();
                    return done;
                }
                _ = tick.tick() => self.beat(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_is_stale_when_its_time_has_passed() {
        let hearts = Hearts::default();
        let slow = hearts.start("slow", Duration::from_secs(60));
        hearts.start("quick", Duration::from_secs(1));
        let now = monotonic();
        assert!(hearts.stale(now).is_empty());
        assert_eq!(hearts.stale(now + Duration::from_secs(2)), ["quick"]);
        assert_eq!(hearts.stale(now + Duration::from_secs(61)), ["quick", "slow"]);
        hearts.stop("quick");
        assert_eq!(hearts.stale(now + Duration::from_secs(61)), ["slow"]);
        hearts.stop("slow");
        slow.beat();
        assert!(hearts.stale(now + Duration::from_secs(61)).is_empty(), "a stopped heart does not come back");
    }

    #[tokio::test]
    async fn a_long_wait_keeps_beating() {
        let hearts = Hearts::default();
        let limit = Duration::from_millis(30);
        let heart = hearts.start("waiter", limit);
        let begun = monotonic();
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let last = || hearts.with(|h| h["waiter"].last);
        let judge = async {
            // Only beats during the wait can carry it past the limit; without them this never ends.
            while last() <= begun + limit {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            done.send(()).unwrap();
        };
        let both = async { tokio::join!(judge, heart.beat_while(wait)) };
        let ((), waited) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        waited.unwrap();
    }
}
