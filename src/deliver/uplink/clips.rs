//! Keeps as many clips under way as there is room for: begins what the plan says, parks what is displaced or paused,
//! and stops at once what must not go on.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::plan::{self, Admission, Room};
use super::{Uplink, UplinkError};
use crate::domain::error::{Retryable, chain};
use crate::domain::ids::ClipId;
use crate::domain::ports::{Abilities, SendError};
use crate::domain::sending::Ceiling;
use crate::runtime::clock::monotonic;
use crate::store::{DeliveryJob, DueQuery, StoreError};

/// While clips go up, the queue is looked at this often: for what was pushed, paused, isolated, or copied meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// A recorder that has not come back for so long comes back to nothing: parts of its unfinished clips are given up.
const PARKED_FOR_MS: i64 = 7 * 86_400_000;

/// Due deliveries that are known beside those that fill the room: a queue of thousands of short clips is not sorted
/// anew for each of them.
const KNOWN_AHEAD: u32 = 64;

/// What was due when it was last looked at.
#[derive(Default)]
struct Queue {
    due: Vec<DeliveryJob>,
    looked: Option<Instant>,
    held: bool,
}

/// A clip under way.
struct UnderWay {
    clip: ClipId,
    weight: usize,
    /// After the parts that are under way.
    park: CancellationToken,
    /// Now.
    halt: CancellationToken,
}

impl Uplink {
    /// Sends clips until none is due; a clip that comes to its end makes room for the next. `true` when any was begun.
    pub(super) async fn clips_once(
        &self,
        abilities: &Abilities,
        ebb: &CancellationToken,
        alive: &(impl Fn() + Send + Sync),
    ) -> Result<bool, UplinkError> {
        let parts = if abilities.in_order { 1 } else { self.options.parts_in_flight };
        let room = Room { clips: self.options.clips_in_flight, parts };
        let (name, before_ms) = (self.name().to_owned(), self.clock.now().0 - PARKED_FOR_MS);
        self.store.write(move |tx| tx.give_parked_up(&name, before_ms)).await?;
        let mut futures = FuturesUnordered::new();
        let mut under_way: Vec<UnderWay> = Vec::new();
        let (mut any, mut trouble) = (false, None);
        let mut queue = Queue::default();
        loop {
            match self.look(&mut queue, &under_way, room).await {
                Ok(admission) if !ebb.is_cancelled() => {
                    for job in admission.start {
                        let (park, halt) = (ebb.child_token(), CancellationToken::new());
                        let (clip, weight) = (job.clip, room.weight(&job));
                        under_way.push(UnderWay { clip, weight, park: park.clone(), halt: halt.clone() });
                        any = true;
                        futures.push(async move {
                            let outcome = tokio::select! {
                                () = halt.cancelled() => Err(UplinkError::Superseded),
                                outcome = self.deliver(&job, abilities, room.parts, &park, alive) => outcome,
                            };
                            (job, outcome)
                        });
                    }
                }
                Ok(_) => {}
                // What is under way still comes to its end.
                Err(e) => {
                    ebb.cancel();
                    trouble.get_or_insert(e);
                }
            }
            let (job, outcome) = tokio::select! {
                Some(done) = futures.next() => done,
                () = tokio::time::sleep(LOOK), if !futures.is_empty() => continue,
                else => break,
            };
            alive();
            under_way.retain(|u| u.clip != job.clip);
            queue.due.retain(|due| due.clip != job.clip);
            match outcome {
                Ok(())
                | Err(UplinkError::Parked | UplinkError::Superseded | UplinkError::Send(SendError::Stopped { .. })) => {
                }
                // The destination is away or refuses us: others under way may still come to their end, then it rests.
                Err(e) if e.stops_all() => {
                    ebb.cancel();
                    trouble.get_or_insert(e);
                }
                Err(e) => self.clip_failed(&job, &e).await?,
            }
        }
        trouble.map_or(Ok(any), Err)
    }

    async fn clip_failed(&self, job: &DeliveryJob, e: &UplinkError) -> Result<(), UplinkError> {
        let (retry, words, clip) = (e.retry(), chain(e), job.clip);
        tracing::warn!(%clip, destination = self.name(), error = words, "a clip could not be sent");
        self.metrics.delivery_failed(self.name(), retry.as_str());
        let (name, at) = (self.name().to_owned(), self.again_at_ms(job.attempts));
        Ok(self.store.write(move |tx| tx.send_failed(clip, &name, &words, retry, at)).await?)
    }

    /// Looks at the queue, stops what must not go on, parks what has to wait; gives what is to be begun.
    async fn look(&self, queue: &mut Queue, under_way: &[UnderWay], room: Room) -> Result<Admission, UplinkError> {
        let fresh = queue.looked.is_some_and(|at| at.elapsed() < LOOK);
        let left = queue.due.iter().any(|due| under_way.iter().all(|u| u.clip != due.clip));
        if !(fresh && (left || queue.held)) {
            self.look_anew(queue, under_way, room).await?;
        }
        if queue.held {
            under_way.iter().for_each(|u| u.park.cancel());
            return Ok(Admission::default());
        }
        let weights: Vec<(ClipId, usize)> = under_way.iter().map(|u| (u.clip, u.weight)).collect();
        let admission = plan::admit(&queue.due, &weights, room);
        for u in under_way.iter().filter(|u| admission.park.contains(&u.clip)) {
            u.park.cancel();
        }
        Ok(admission)
    }

    async fn look_anew(&self, queue: &mut Queue, under_way: &[UnderWay], room: Room) -> Result<(), UplinkError> {
        let (name, now_ms, options) = (self.name().to_owned(), self.clock.now().0, self.options.clone());
        let clips: Vec<ClipId> = under_way.iter().map(|u| u.clip).collect();
        let query = DueQuery {
            destination: name.clone(),
            now_ms,
            longest_pause_ms: options.retry_max_ms,
            order: options.order.clone(),
            early: options.instant,
            limit: room.sight(clips.len()).saturating_add(KNOWN_AHEAD),
        };
        let (due, paused, gone) = self
            .store
            .read(move |r| {
                let may_go = |clip: ClipId| {
                    let label = plan::label(&r.facts(clip)?, options.default_sensitivity);
                    Ok::<_, StoreError>(label.may_go_to(options.max_sensitivity))
                };
                let mut due = Vec::new();
                for job in r.due_deliveries(&query)? {
                    // A sealed clip is told when it is held back; one that is still being copied just waits.
                    if !job.early || may_go(job.clip)? {
                        due.push(job);
                    }
                }
                let paused = r.pauses()?.iter().any(|pause| pause.holds(&name, now_ms));
                let mut gone = Vec::new();
                for clip in clips {
                    if !r.may_go_on(clip, &name)? || !may_go(clip)? {
                        gone.push(clip);
                    }
                }
                Ok((due, paused, gone))
            })
            .await?;
        for u in under_way.iter().filter(|u| gone.contains(&u.clip)) {
            u.halt.cancel();
        }
        let held = paused || self.line.pace.ceiling() == Ceiling::Shut;
        *queue = Queue { due, looked: Some(monotonic()), held };
        Ok(())
    }
}
