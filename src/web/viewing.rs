//! Viewings: the requests of one viewer for one clip, gathered into one entry of the log that is stored before
//! the first byte and closed with what was served (invariant 10).
//!
//! A player asks for many ranges. They belong to one viewing until nothing was asked for a while; then it is
//! closed with its ranges, and the next request begins a new one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::trouble::Trouble;
use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::ids::ClipId;
use crate::domain::why::Why;
use crate::runtime::clock::monotonic;

/// A viewing is over when nothing was asked for this long: a clip that is played, left and played again within a quarter
/// of an hour is one access.
pub const IDLE: Duration = Duration::from_secs(900);
/// Pieces that one entry tells: each takes some 75 bytes, and an event has at most 65,535.
const PIECES_TOLD: usize = 600;
/// Ranges of bytes that one entry tells beside that: each takes at most some 43 bytes, and mostly half of it.
const RANGES_TOLD: usize = 350;

/// The viewings under way.
pub struct Viewings {
    ask: Arc<dyn Ask>,
    open: Mutex<HashMap<Key, Arc<Viewing>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    actor: (String, String),
    from: String,
    session: Option<String>,
    clip: ClipId,
    what: &'static str,
    /// Whoever looks for another reason begins another viewing: its entry tells the reason.
    purpose: Option<String>,
}

impl Key {
    fn of(caller: &Caller, clip: ClipId, what: &'static str) -> Self {
        Self {
            actor: (caller.actor.kind.clone(), caller.actor.id.clone()),
            from: caller.from.clone(),
            session: caller.session.clone(),
            clip,
            what,
            purpose: caller.purpose.clone(),
        }
    }
}

struct Viewing {
    caller: Caller,
    clip: ClipId,
    begun_seq: OnceCell<u64>,
    progress: Mutex<Progress>,
}

struct Progress {
    ranges: Vec<(u64, u64)>,
    /// Pieces of a preview that were given out; one that was made twice may have other bytes.
    pieces: BTreeSet<(u32, String)>,
    requests: usize,
    last: Instant,
}

/// One request inside a viewing. Dropping it leaves the viewing open for the next one.
pub struct Watching(Arc<Viewing>);

impl Viewings {
    /// None yet.
    pub fn new(ask: Arc<dyn Ask>) -> Arc<Self> {
        Arc::new(Self { ask, open: Mutex::default() })
    }

    /// Joins the viewing of `clip` by `caller`, or begins one: its entry is stored when this returns.
    pub async fn watch(&self, caller: &Caller, clip: ClipId, what: &'static str) -> Result<Watching, Trouble> {
        self.watch_at(caller, clip, what, monotonic()).await
    }

    async fn watch_at(
        &self,
        caller: &Caller,
        clip: ClipId,
        what: &'static str,
        now: Instant,
    ) -> Result<Watching, Trouble> {
        // Whoever comes back after a pause begins a new viewing, however late the sweep is.
        self.close_idle(now, IDLE).await;
        let key = Key::of(caller, clip, what);
        let viewing = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let viewing = open.entry(key).or_insert_with(|| Arc::new(Viewing::new(caller, clip))).clone();
            viewing.progress().requests += 1;
            viewing
        };
        let watching = Watching(viewing.clone());
        viewing
            .begun_seq
            .get_or_try_init(|| async {
                let request =
                    Request::BeginView { clip: clip.to_string(), what: what.into(), purpose: caller.purpose.clone() };
                match self.ask.ask(caller, request).await {
                    // The number itself, or an object that holds it.
                    Reply::Done(value) => value
                        .as_u64()
                        .or_else(|| value.get("seq")?.as_u64())
                        .ok_or(Trouble::Unavailable(Why::NoReply {})),
                    Reply::Refused { code, why, .. } => Err(Trouble::refused(&code, why)),
                }
            })
            .await?;
        Ok(watching)
    }

    /// What was given out in the viewing of `clip` by `caller` that goes on: sorted ranges that do not touch each other.
    /// Of bytes nothing is given out before it was compared with the seal (`domain::ports::ClipBytes`).
    pub fn given(&self, caller: &Caller, clip: ClipId, what: &'static str) -> Vec<(u64, u64)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&Key::of(caller, clip, what)).map(|viewing| viewing.progress().ranges.clone()).unwrap_or_default()
    }

    /// Closes viewings that were idle for `idle` at `now`; with zero, all that have no request under way.
    pub async fn close_idle(&self, now: Instant, idle: Duration) {
        let over: Vec<Arc<Viewing>> = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let over = |v: &Viewing| {
                let p = v.progress();
                p.requests == 0 && now.saturating_duration_since(p.last) >= idle
            };
            let closed = open.values().filter(|v| over(v)).cloned().collect();
            open.retain(|_, v| !over(v));
            closed
        };
        for viewing in over {
            let Some(begun_seq) = viewing.begun_seq.get().copied() else { continue };
            let (mut ranges, pieces) = {
                let mut progress = viewing.progress();
                (std::mem::take(&mut progress.ranges), std::mem::take(&mut progress.pieces))
            };
            let mut pieces: Vec<_> = pieces.into_iter().collect();
            // However many there are, all of them are told: an entry that is too long would be none.
            loop {
                let rest = pieces.split_off(pieces.len().min(PIECES_TOLD));
                let later = ranges.split_off(ranges.len().min(RANGES_TOLD));
                let request = Request::EndView { begun_seq, clip: viewing.clip.to_string(), ranges, pieces };
                if let Reply::Refused { message, .. } = self.ask.ask(&viewing.caller, request).await {
                    tracing::warn!(clip = %viewing.clip, begun_seq, message, "the end of a viewing could not be logged");
                }
                if rest.is_empty() && later.is_empty() {
                    break;
                }
                (pieces, ranges) = (rest, later);
            }
        }
    }

    /// Closes what is idle, until `cancel`. One task runs it.
    pub async fn run(&self, cancel: &CancellationToken) {
        while cancel.run_until_cancelled(tokio::time::sleep(IDLE / 20)).await.is_some() {
            self.close_idle(monotonic(), IDLE).await;
        }
    }

    /// Closes every viewing that has no request under way: the server has stopped.
    pub async fn close_all(&self) {
        self.close_idle(monotonic(), Duration::ZERO).await;
    }
}

impl Viewing {
    fn new(caller: &Caller, clip: ClipId) -> Self {
        let progress = Progress { ranges: Vec::new(), pieces: BTreeSet::new(), requests: 0, last: monotonic() };
        Self { caller: caller.clone(), clip, begun_seq: OnceCell::new(), progress: Mutex::new(progress) }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// These bytes were handed to the connection.
    pub fn served(&self, from: u64, to: u64) {
        merge(&mut self.0.progress().ranges, from, to);
    }

    /// This piece of a preview, with these bytes, is about to be.
    pub fn gave(&self, piece: u32, sha256: String) {
        self.0.progress().pieces.insert((piece, sha256));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut p = self.0.progress();
        p.requests = p.requests.saturating_sub(1);
        p.last = monotonic();
    }
}

/// Adds `from..to` to a sorted list of ranges that do not touch each other.
fn merge(ranges: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    if from >= to {
        return;
    }
    let begin = ranges.partition_point(|(_, end)| *end < from);
    let end = ranges.partition_point(|(start, _)| *start <= to);
    let (mut low, mut high) = (from, to);
    if begin < end {
        low = low.min(ranges[begin].0);
        high = high.max(ranges[end - 1].1);
    }
    ranges.splice(begin..end, [(low, high)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::{FileDocument, Incoming};
    use crate::domain::event::Actor;
    use crate::domain::ports::BoxFuture;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Log {
        asked: Mutex<Vec<Request>>,
        refuse: bool,
    }

    impl Ask for Log {
        fn ask<'a>(&'a self, _: &'a Caller, request: Request) -> BoxFuture<'a, Reply> {
            self.asked.lock().unwrap().push(request);
            let reply = if self.refuse {
                Reply::refused("unavailable", Why::said("the log is full"))
            } else {
                Reply::Done(7.into())
            };
            Box::pin(async move { reply })
        }

        fn file<'a>(&'a self, _: &'a Caller, _: FileDocument, _: Incoming) -> BoxFuture<'a, Reply> {
            Box::pin(async { Reply::refused("invalid", Why::said("no documents here")) })
        }
    }

    fn caller() -> Caller {
        Caller::new(Actor::loopback(), "web", "local")
    }

    #[tokio::test]
    async fn many_ranges_are_one_viewing_that_is_closed_with_what_was_served() {
        let log = Arc::new(Log::default());
        let viewings = Viewings::new(log.clone());
        let clip = ClipId::generate(1);
        let one = viewings.watch(&caller(), clip, "play").await.unwrap();
        let two = viewings.watch(&caller(), clip, "play").await.unwrap();
        one.served(0, 10);
        two.served(10, 20);
        two.served(50, 60);
        assert_eq!(viewings.given(&caller(), clip, "play"), [(0, 20), (50, 60)], "told while it goes on");
        let other = Caller { from: "elsewhere".into(), ..caller() };
        assert!(viewings.given(&other, clip, "play").is_empty(), "and to nobody else");
        let late = monotonic() + IDLE * 2;
        viewings.close_idle(late, IDLE).await;
        assert_eq!(log.asked.lock().unwrap().len(), 1, "requests are still under way");
        drop((one, two));
        viewings.close_idle(late, IDLE).await;
        let asked = log.asked.lock().unwrap().clone();
        assert_eq!(
            asked[1],
            Request::EndView {
                begun_seq: 7,
                clip: clip.to_string(),
                ranges: vec![(0, 20), (50, 60)],
                pieces: Vec::new()
            }
        );
        let again = viewings.watch(&caller(), clip, "play").await;
        assert!(again.is_ok());
        assert_eq!(log.asked.lock().unwrap().len(), 3, "after the end a new viewing begins");
    }

    #[tokio::test]
    async fn whoever_comes_back_after_a_pause_is_logged_again() {
        let log = Arc::new(Log::default());
        let viewings = Viewings::new(log.clone());
        let clip = ClipId::generate(1);
        drop(viewings.watch(&caller(), clip, "play").await);
        drop(viewings.watch_at(&caller(), clip, "play", monotonic() + IDLE * 2).await);
        let asked = log.asked.lock().unwrap().clone();
        let told: Vec<_> = asked.iter().map(|r| matches!(r, Request::BeginView { .. })).collect();
        assert_eq!(told, [true, false, true], "begin, end, begin: {asked:?}");
        viewings.close_all().await;
        assert_eq!(log.asked.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn another_reason_is_another_viewing() {
        let log = Arc::new(Log::default());
        let viewings = Viewings::new(log.clone());
        let clip = ClipId::generate(1);
        let because = |said: &str| Caller { purpose: Some(said.into()), ..caller() };
        for said in ["案卷评查", "信访核查", "案卷评查"] {
            drop(viewings.watch(&because(said), clip, "play").await.unwrap());
        }
        let asked = log.asked.lock().unwrap().clone();
        let said: Vec<_> = asked
            .iter()
            .map(|r| match r {
                Request::BeginView { purpose, .. } => purpose.clone().unwrap_or_default(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(said, ["案卷评查", "信访核查"]);
    }

    #[tokio::test]
    async fn pieces_are_told_with_their_digests_in_entries_that_are_not_too_long() {
        let log = Arc::new(Log::default());
        let viewings = Viewings::new(log.clone());
        let clip = ClipId::generate(1);
        let watching = viewings.watch(&caller(), clip, "preview").await.unwrap();
        watching.served(0, 6_000);
        for n in 0..(PIECES_TOLD as u32 + 1) {
            // A player asks again for what it has had; the same bytes are told once.
            watching.gave(n, "5a".repeat(32));
            watching.gave(n, "5a".repeat(32));
        }
        drop(watching);
        viewings.close_all().await;
        let asked = log.asked.lock().unwrap().clone();
        let told: Vec<_> = asked
            .iter()
            .filter_map(|r| match r {
                Request::EndView { begun_seq: 7, ranges, pieces, .. } => Some((ranges.len(), pieces.len())),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(1, PIECES_TOLD), (0, 1)]);
        assert!(serde_json::to_string(&asked[1]).unwrap().len() < crate::domain::event::MAX_EVENT_BYTES - 4_096);
    }

    #[tokio::test]
    async fn many_ranges_are_told_in_several_entries_none_of_which_is_too_long() {
        let log = Arc::new(Log::default());
        let viewings = Viewings::new(log.clone());
        let clip = ClipId::generate(1);
        let watching = viewings.watch(&caller(), clip, "preview").await.unwrap();
        // As far out as a clip can be, with a byte left out between each and the next.
        let far = u64::MAX - 10_000;
        let all: Vec<(u64, u64)> = (0..3_500).map(|n| (far + 2 * n, far + 2 * n + 1)).collect();
        all.iter().for_each(|(from, to)| watching.served(*from, *to));
        (0..PIECES_TOLD as u32).for_each(|n| watching.gave(n, "5a".repeat(32)));
        drop(watching);
        viewings.close_all().await;
        let asked = log.asked.lock().unwrap().clone();
        let mut told = Vec::new();
        for request in &asked[1..] {
            let Request::EndView { ranges, .. } = request else { panic!("{request:?}") };
            told.extend(ranges.iter().copied());
            let length = serde_json::to_string(request).unwrap().len();
            assert!(length < crate::domain::event::MAX_EVENT_BYTES - 4_096, "{length}");
        }
        assert_eq!(told, all, "each of them, once");
        assert_eq!(asked.len(), 1 + 3_500_usize.div_ceil(RANGES_TOLD));
    }

    #[tokio::test]
    async fn without_an_entry_nothing_is_served() {
        let log = Arc::new(Log { refuse: true, ..Log::default() });
        let viewings = Viewings::new(log.clone());
        assert!(viewings.watch(&caller(), ClipId::generate(1), "play").await.is_err());
        viewings.close_idle(monotonic() + IDLE * 2, IDLE).await;
        assert_eq!(log.asked.lock().unwrap().len(), 1, "what never began is not ended");
    }

    proptest! {
        #[test]
        fn merged_ranges_cover_the_same_bytes(parts in proptest::collection::vec((0_u64..60, 0_u64..12), 0..20)) {
            let mut ranges = Vec::new();
            let mut bytes = std::collections::BTreeSet::new();
            for (from, len) in parts {
                merge(&mut ranges, from, from + len);
                bytes.extend(from..from + len);
            }
            prop_assert_eq!(ranges.iter().flat_map(|(a, b)| *a..*b).collect::<Vec<_>>(), bytes.into_iter().collect::<Vec<_>>());
            prop_assert!(ranges.windows(2).all(|w| w[0].1 < w[1].0));
        }
    }
}
