//! Comparisons that go on after they were asked for on the page or through the API: one at a time, so that hashing whole
//! clips leaves the disk to what is being docked, and each with how far it is. What came of one stands here until the daemon
//! ends, and in the log for good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::Semaphore;

use super::comparing::Told;
use super::desk::{Answer, Desk, draft};
use crate::domain::command::{Caller, Reply};
use crate::domain::error::chain;
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;
use crate::domain::verifying::{Compared, Stage, Verifying};
use crate::domain::why::Why;
use crate::runtime::progress::Progress;
use crate::runtime::task;

/// So many that came to their end are kept; the oldest go first.
const KEPT: usize = 500;

/// The newest comparison of each clip.
pub struct Verifications {
    all: Mutex<BTreeMap<ClipId, Entry>>,
    /// One reads at a time.
    turn: Arc<Semaphore>,
}

impl Default for Verifications {
    fn default() -> Self {
        Self { all: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

struct Entry {
    begun: UtcMs,
    stage: Stage,
    progress: Progress,
}

impl Verifications {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ClipId, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest comparison of a clip.
    pub fn of(&self, clip: ClipId) -> Option<Verifying> {
        self.all().get(&clip).map(|entry| Verifying {
            begun: entry.begun,
            stage: entry.stage.clone(),
            done_bytes: entry.progress.done,
            of_bytes: entry.progress.of,
            left_ms: entry.progress.left_ms().filter(|_| entry.stage.is_running()),
        })
    }

    /// Begins one, unless one of this clip goes on.
    fn begin(&self, clip: ClipId, begun: UtcMs) -> bool {
        let mut all = self.all();
        if all.get(&clip).is_some_and(|entry| entry.stage.is_running()) {
            return false;
        }
        all.insert(clip, Entry { begun, stage: Stage::Waiting, progress: Progress::begin(0, 0) });
        if all.len() > KEPT {
            let over = all.iter().filter(|(_, entry)| !entry.stage.is_running()).min_by_key(|(_, entry)| entry.begun);
            if let Some(oldest) = over.map(|(clip, _)| *clip) {
                all.remove(&oldest);
            }
        }
        true
    }

    fn change(&self, clip: ClipId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.all().get_mut(&clip) {
            change(entry);
        }
    }
}

/// Tells the entry of one clip how far its comparison is.
struct Telling {
    of: Arc<Verifications>,
    clip: ClipId,
}

impl Told for Telling {
    fn begins(&self, bytes: u64) {
        // Waiting for its turn says nothing of the pace.
        self.of.change(self.clip, |entry| entry.progress = Progress::begin(0, bytes));
    }

    fn reads(&self, destination: Option<&str>) {
        let stage = Stage::Reading { destination: destination.map(str::to_owned) };
        self.of.change(self.clip, |entry| entry.stage = stage);
    }

    fn went(&self, bytes: u64) {
        self.of.change(self.clip, |entry| {
            let Progress { done, of, .. } = entry.progress;
            entry.progress.reach((done + bytes).min(of), of);
        });
    }
}

impl Desk {
    /// Logs who asks, answers, and goes on.
    pub(super) async fn begin_verify(&self, caller: &Caller, clip: &str, remote: bool) -> Answer {
        let clip: ClipId = clip.parse()?;
        let sealed = self.store.read(move |r| Ok(r.clip(clip)?.blake3.is_some())).await?;
        if !sealed {
            return Ok(Reply::refused("conflict", Why::NotSealedCompared { clip: clip.to_string() }));
        }
        let begun = self.clock.now();
        if !self.verifications.begin(clip, begun) {
            return Ok(Reply::refused("conflict", Why::BeingVerified {}));
        }
        let mut asked = draft(EventKind::VerifyAsked, caller).clip(clip).fact("remote", remote);
        asked.purpose.clone_from(&caller.purpose);
        if let Err(e) = self.store.write(move |tx| tx.log(&asked)).await {
            self.verifications.change(clip, |entry| entry.stage = Stage::Failed(chain(&e)));
            return Err(e);
        }
        let (all, comparing, caller) = (Arc::clone(&self.verifications), self.comparing(), caller.clone());
        task::spawn_named("verify", async move {
            // The semaphore is never closed; were it, nothing would be lost but the order.
            let _turn = Arc::clone(&all.turn).acquire_owned().await;
            let telling = Arc::new(Telling { of: Arc::clone(&all), clip });
            let stage = match comparing.verify(&caller, clip, remote, &telling).await {
                Ok(Reply::Done(value)) => match serde_json::from_value::<Compared>(value) {
                    Ok(compared) => Stage::Ended(compared),
                    Err(e) => Stage::Failed(e.to_string()),
                },
                Ok(Reply::Refused { message, .. }) => Stage::Failed(message),
                Err(e) => Stage::Failed(chain(&e)),
            };
            all.change(clip, |entry| entry.stage = stage);
        });
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "state": Stage::Waiting.as_str() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_clip_at_a_time_and_the_oldest_results_go() {
        let all = Arc::new(Verifications::default());
        let clip = ClipId::generate(1);
        assert!(all.of(clip).is_none());
        assert!(all.begin(clip, UtcMs(1)) && !all.begin(clip, UtcMs(2)), "one goes on");
        let telling = Telling { of: Arc::clone(&all), clip };
        telling.begins(100);
        telling.reads(Some("cloud"));
        telling.went(60);
        telling.went(60);
        let now = all.of(clip).unwrap();
        assert_eq!((now.done_bytes, now.of_bytes), (100, 100), "a copy that is longer is not more than all");
        assert_eq!(now.stage, Stage::Reading { destination: Some("cloud".into()) });
        all.change(clip, |entry| entry.stage = Stage::Ended(Compared::default()));
        for n in 0..KEPT as i64 {
            let other = ClipId::generate(1_000 + n);
            assert!(all.begin(other, UtcMs(10 + n)));
        }
        assert!(all.of(clip).is_none(), "its result is the oldest");
        assert_eq!(all.all().len(), KEPT, "what goes on is never dropped");
    }
}
