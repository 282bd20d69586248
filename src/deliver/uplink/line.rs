//! The line to one destination as an uplink sees it: its circuit, how many parts may be under way, what was asked of
//! it. Every request passes through [`Line::ask`], so that nothing can be asked without being counted and judged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::breaker::{Breaker, Circuit, Permit};
use super::plan::backoff_ms;
use super::window::Window;
use crate::deliver::pace::Pace;
use crate::domain::ports::{Clock, SendError};
use crate::domain::sending::Ceiling;
use crate::runtime::board::Board;
use crate::runtime::metrics::Metrics;

/// Longest patience that a server is given; one that asks for more is asked again all the same.
const LONGEST_PATIENCE_MS: i64 = 3_600_000;
/// Bytes a second below which one more part under way only makes each of them slower: a block a quarter second.
const WORTH_A_PART: u64 = 1 << 20 >> 2;

/// What a line needs to know.
pub(super) struct LineOptions {
    /// Parts under way at the same time, over all clips.
    pub most_parts: usize,
    /// First pause after failures, milliseconds.
    pub retry_min_ms: i64,
    /// Longest.
    pub retry_max_ms: i64,
}

/// The line to one destination.
pub(super) struct Line {
    name: String,
    options: LineOptions,
    state: Mutex<State>,
    freed: Notify,
    clock: Arc<dyn Clock>,
    board: Board,
    metrics: Metrics,
    /// How fast bytes may go out.
    pub pace: Pace,
}

struct State {
    breaker: Breaker,
    window: Window,
    under_way: usize,
    /// Cancelled when the line fails: nothing new is begun then.
    ebb: CancellationToken,
}

/// The right to have one part under way, until it is dropped.
pub(super) struct Slot<'a>(&'a Line);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.with(|s| s.under_way -= 1);
        self.0.freed.notify_one();
    }
}

impl Line {
    pub fn new(
        name: &str,
        options: LineOptions,
        clock: Arc<dyn Clock>,
        board: Board,
        metrics: Metrics,
        pace: Pace,
    ) -> Self {
        let window = Window::new(options.most_parts);
        let state = State { breaker: Breaker::default(), window, under_way: 0, ebb: CancellationToken::new() };
        let state = Mutex::new(state);
        Self { name: name.to_owned(), options, state, freed: Notify::new(), clock, board, metrics, pace }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and shows what is to be seen of it.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let now_ms = self.clock.monotonic_ms();
        let (answer, shown) = {
            let mut state = self.state();
            let answer = change(&mut state);
            let circuit = state.breaker.circuit();
            let rests = matches!(circuit, Circuit::Open | Circuit::Resting);
            let rests_ms = rests.then(|| u64::try_from(state.breaker.until_ms().saturating_sub(now_ms)).unwrap_or(0));
            (answer, (circuit, rests_ms, state.under_way, state.window.limit()))
        };
        let ceiling = self.pace.ceiling();
        self.board.line(&self.name, |line| {
            (line.circuit, line.rests_ms) = (shown.0.as_str(), shown.1);
            (line.parts, line.window) = (shown.2 as u64, shown.3 as u64);
            line.ceiling = ceiling.bytes_per_s();
            line.shut = ceiling == Ceiling::Shut;
        });
        answer
    }

    /// What may be asked now.
    pub fn permit(&self) -> Permit {
        let now_ms = self.clock.monotonic_ms();
        self.with(|s| s.breaker.permit(now_ms))
    }

    /// A new tide: cancelled as soon as nothing new should be begun.
    pub fn tide(&self) -> CancellationToken {
        let ebb = CancellationToken::new();
        self.with(|s| s.ebb = ebb.clone());
        ebb
    }

    /// Whether requests go through as far as is known.
    pub fn is_well(&self) -> bool {
        self.state().breaker.circuit() == Circuit::Closed
    }

    /// How often in a row it had to rest.
    pub fn rested(&self) -> u32 {
        self.state().breaker.opened()
    }

    /// Makes one request; its answer tells how the line is.
    pub async fn ask<T>(&self, request: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
        self.metrics.requested(&self.name);
        self.board.line(&self.name, |line| line.requests += 1);
        let answer = request.await;
        match &answer {
            Ok(_) | Err(SendError::SessionLost { .. } | SendError::Mismatch { .. } | SendError::Protocol { .. }) => {
                self.with(|s| s.breaker.succeeded());
            }
            Err(SendError::Unreachable { .. }) => {
                if self.with(|s| s.breaker.circuit() != Circuit::Open && s.breaker.failed()) {
                    self.trip();
                }
            }
            Err(SendError::Busy { retry_after_ms, .. }) => self.rest(*retry_after_ms),
            // A person's matter, or our own.
            Err(SendError::Refused { .. } | SendError::Stopped { .. } | SendError::Local(_)) => {}
        }
        answer
    }

    /// Opens the circuit.
    pub fn trip(&self) {
        let now_ms = self.clock.monotonic_ms();
        self.with(|s| {
            let rest_ms = self.pause_ms(s.breaker.opened());
            s.breaker.open(now_ms, rest_ms);
            s.ebb.cancel();
        });
    }

    /// Gives the patience that was asked for.
    fn rest(&self, retry_after_ms: Option<u64>) {
        let now_ms = self.clock.monotonic_ms();
        self.with(|s| {
            // Several parts are told the same thing at once: that is one rest.
            if s.breaker.circuit() == Circuit::Resting && retry_after_ms.is_none() {
                return;
            }
            let asked = i64::try_from(retry_after_ms.unwrap_or(0)).unwrap_or(i64::MAX).min(LONGEST_PATIENCE_MS);
            let rest_ms = self.pause_ms(s.breaker.opened()).max(asked);
            s.breaker.rest(now_ms, rest_ms);
            s.window.cut();
            s.ebb.cancel();
        });
    }

    /// Somebody says that the cause is gone.
    pub fn hurry(&self) {
        self.with(|s| s.breaker.hurry());
    }

    /// The pause after the `attempts`-th failure in a row, milliseconds.
    pub fn pause_ms(&self, attempts: u32) -> i64 {
        backoff_ms(attempts, self.options.retry_min_ms, self.options.retry_max_ms, rand::random())
    }

    /// Waits for the right to have one more part under way.
    pub async fn slot(&self) -> Slot<'_> {
        loop {
            let freed = self.freed.notified();
            let taken = self.with(|s| {
                let bounded = match self.pace.ceiling().bytes_per_s() {
                    Some(bytes) => usize::try_from(bytes / WORTH_A_PART).unwrap_or(usize::MAX).max(1),
                    None => usize::MAX,
                };
                let free = s.under_way < s.window.limit().min(bounded);
                s.under_way += usize::from(free);
                free
            });
            if taken {
                return Slot(self);
            }
            freed.await;
        }
    }

    /// A part was acknowledged.
    pub fn acknowledged(&self, bytes: u64) {
        let now_ms = self.clock.monotonic_ms();
        self.board.sent(self.clock.now().0, bytes);
        self.metrics.sent(&self.name, bytes);
        let grown = self.with(|s| {
            let before = s.window.limit();
            s.window.acknowledged(bytes, s.under_way, now_ms);
            s.window.limit() > before
        });
        if grown {
            self.freed.notify_one();
        }
    }

    /// A part was cut.
    pub fn cut(&self) {
        self.with(|s| s.window.cut());
    }

    /// A part is sent a second time.
    pub fn again(&self, bytes: u64) {
        self.metrics.sent_again(&self.name, bytes);
        self.board.line(&self.name, |line| line.again_bytes += bytes);
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::deliver::pace::Ceilings;
    use crate::domain::ids::DestinationName;
    use crate::domain::sending::Timetable;
    use crate::runtime::clock::StoppedClock;

    fn line(clock: &Arc<StoppedClock>) -> (Line, Board) {
        let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
        let board = Board::default();
        let pace = Ceilings::new(Arc::clone(&clock), TimeZone::UTC, Timetable::default());
        let options = LineOptions { most_parts: 8, retry_min_ms: 1_000, retry_max_ms: 60_000 };
        let pace = pace.destination(Timetable::default());
        (Line::new("far", options, clock, board.clone(), Metrics::new(), pace), board)
    }

    fn name() -> DestinationName {
        DestinationName::new("far").unwrap()
    }

    async fn fail(line: &Line) {
        let error = SendError::Unreachable { destination: name(), what: "cut".into() };
        line.ask(async { Err::<(), _>(error) }).await.unwrap_err();
    }

    #[tokio::test]
    async fn one_cut_is_no_ebb_and_three_are() {
        let clock = StoppedClock::at(1_000);
        let (line, board) = line(&clock);
        let ebb = line.tide();
        for _ in 0..2 {
            fail(&line).await;
        }
        assert!(line.is_well() && !ebb.is_cancelled());
        fail(&line).await;
        assert!(!line.is_well() && ebb.is_cancelled());
        assert_eq!(board.lines()["far"].circuit, "open");
        let Permit::Wait(ms) = line.permit() else { panic!("it rests") };
        // What was under way when it opened says nothing new.
        fail(&line).await;
        assert_eq!(line.permit(), Permit::Wait(ms));
        clock.advance(ms);
        assert_eq!((line.permit(), board.lines()["far"].circuit), (Permit::Try, "half_open"));
        line.ask(async { Ok(()) }).await.unwrap();
        assert_eq!((line.permit(), board.lines()["far"].requests), (Permit::Go, 5));
    }

    #[tokio::test]
    async fn patience_is_given_once_and_not_for_ever() {
        let clock = StoppedClock::at(1_000);
        let (line, board) = line(&clock);
        let ebb = line.tide();
        let busy = |retry_after_ms| SendError::Busy { destination: name(), what: "HTTP 503".into(), retry_after_ms };
        line.ask(async { Err::<(), _>(busy(Some(30_000))) }).await.unwrap_err();
        assert_eq!((line.permit(), board.lines()["far"].circuit), (Permit::Wait(30_000), "resting"));
        assert!(ebb.is_cancelled());
        for _ in 0..4 {
            line.ask(async { Err::<(), _>(busy(None)) }).await.unwrap_err();
        }
        assert_eq!((line.permit(), line.rested()), (Permit::Wait(30_000), 1));
        line.ask(async { Err::<(), _>(busy(Some(u64::MAX))) }).await.unwrap_err();
        assert_eq!(line.permit(), Permit::Wait(LONGEST_PATIENCE_MS));
        clock.advance(LONGEST_PATIENCE_MS);
        assert_eq!(line.permit(), Permit::Go);
    }

    #[tokio::test]
    async fn slots_are_as_many_as_the_window_is_wide() {
        let (line, board) = line(&StoppedClock::at(1_000));
        let held: Vec<Slot<'_>> = [line.slot().await, line.slot().await, line.slot().await, line.slot().await].into();
        assert_eq!((board.lines()["far"].parts, board.lines()["far"].window), (4, 4));
        let mut waiting = Box::pin(line.slot());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        let _slot = waiting.await;
        assert_eq!(board.lines()["far"].parts, 1);
    }
}
