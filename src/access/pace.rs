//! How often somebody may try: a bucket of tries for each key (an address, a token), filled again with time. Bounded, so
//! that a thousand addresses cost no more memory than it is worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::clock::monotonic;

/// Keys that are remembered at most; beyond that the fullest buckets are forgotten, which are those that tried least.
const REMEMBERED: usize = 4096;

/// Buckets by key.
#[derive(Debug)]
pub struct Pace {
    most: f64,
    every: Duration,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Pace {
    /// `most` tries at once, and one more each `every`.
    pub fn new(most: u32, every: Duration) -> Self {
        Self { most: f64::from(most), every, buckets: Mutex::default() }
    }

    /// Takes a try; where none is left, how long until there is one.
    pub fn take(&self, key: &str) -> Result<(), Duration> {
        self.take_at(key, monotonic())
    }

    /// Gives a try back: it was none of those that are counted.
    pub fn give_back(&self, key: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((left, _)) = buckets.get_mut(key) {
            *left = (*left + 1.0).min(self.most);
        }
    }

    fn take_at(&self, key: &str, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let fill = |(left, at): (f64, Instant)| {
            (left + now.saturating_duration_since(at).as_secs_f64() / self.every.as_secs_f64()).min(self.most)
        };
        if buckets.len() >= REMEMBERED && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| fill(*bucket) < self.most);
            if buckets.len() >= REMEMBERED {
                // So many at once are an attack: everybody waits rather than that the memory grows.
                return Err(self.every);
            }
        }
        let bucket = buckets.entry(key.to_owned()).or_insert((self.most, now));
        let left = fill(*bucket);
        if left < 1.0 {
            *bucket = (left, now);
            return Err(self.every.mul_f64(1.0 - left));
        }
        *bucket = (left - 1.0, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_come_back_for_each_key() {
        let pace = Pace::new(3, Duration::from_secs(10));
        let start = monotonic();
        for _ in 0..3 {
            assert!(pace.take_at("a", start).is_ok());
        }
        let wait = pace.take_at("a", start).unwrap_err();
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(pace.take_at("b", start).is_ok(), "others are not held up");
        assert!(pace.take_at("a", start + Duration::from_secs(10)).is_ok());
        assert!(pace.take_at("a", start + Duration::from_secs(10)).is_err());
        pace.give_back("a");
        assert!(pace.take_at("a", start + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn many_keys_take_bounded_memory() {
        let pace = Pace::new(2, Duration::from_secs(10));
        let now = monotonic();
        for n in 0..2 * REMEMBERED {
            let _ = pace.take_at(&n.to_string(), now);
        }
        assert!(pace.buckets.lock().unwrap().len() <= REMEMBERED);
        assert!(pace.take_at("new", now + Duration::from_secs(60)).is_ok(), "what has filled again is forgotten");
    }
}
