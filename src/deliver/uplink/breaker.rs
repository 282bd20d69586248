//! The circuit breaker of one destination. Single failures are the affair of the part that failed; several in a row
//! without anything that succeeds open the circuit. It then rests, and one request alone tries whether the destination
//! is back. Pure: it is told the time (of a clock that nobody sets), and waits for nobody.

/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;

/// What may be asked of the destination now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Anything.
    Go,
    /// One request, to find out.
    Try,
    /// Nothing for so many milliseconds.
    Wait(i64),
}

/// The circuit as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Circuit {
    /// Requests go through.
    #[default]
    Closed,
    /// Nothing is asked until it has rested.
    Open,
    /// It has rested, and one request tries.
    HalfOpen,
    /// The destination asked for patience; it is well otherwise.
    Resting,
}

impl Circuit {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Resting => "resting",
        }
    }
}

/// The breaker.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    circuit: Circuit,
    failures: u32,
    /// How often in a row it opened, or was asked for patience, without a success between.
    opened: u32,
    until_ms: i64,
}

impl Breaker {
    /// The circuit as it is.
    pub fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// How often in a row it was opened.
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// Until when nothing is asked.
    pub fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// What may be asked now; a circuit that has rested is half open from here on.
    pub fn permit(&mut self, now_ms: i64) -> Permit {
        match self.circuit {
            Circuit::Closed => Permit::Go,
            Circuit::HalfOpen => Permit::Try,
            Circuit::Open | Circuit::Resting if now_ms < self.until_ms => Permit::Wait(self.until_ms - now_ms),
            Circuit::Resting => {
                // It answered all the time: there is nothing to find out.
                self.circuit = Circuit::Closed;
                Permit::Go
            }
            Circuit::Open => {
                self.circuit = Circuit::HalfOpen;
                Permit::Try
            }
        }
    }

    /// Something succeeded.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.opened = 0;
        if matches!(self.circuit, Circuit::Open | Circuit::HalfOpen) {
            self.circuit = Circuit::Closed;
        }
    }

    /// A request failed; `true` when that opens the circuit, which the caller then gives its time to rest.
    pub fn failed(&mut self) -> bool {
        self.failures += 1;
        self.circuit == Circuit::HalfOpen || self.failures >= FAILURES
    }

    /// Opens the circuit for `rest_ms`.
    pub fn open(&mut self, now_ms: i64, rest_ms: i64) {
        self.opened = self.opened.saturating_add(1);
        self.failures = 0;
        self.circuit = Circuit::Open;
        self.until_ms = now_ms.saturating_add(rest_ms.max(0));
    }

    /// The destination asked for patience.
    pub fn rest(&mut self, now_ms: i64, rest_ms: i64) {
        self.open(now_ms, rest_ms);
        self.circuit = Circuit::Resting;
    }

    /// Somebody says that the cause is gone: it is tried at once.
    pub fn hurry(&mut self) {
        self.until_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_failures_pass_and_several_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            assert!(!breaker.failed());
            assert!(!breaker.failed());
            breaker.succeeded();
        }
        assert!(!breaker.failed() && !breaker.failed() && breaker.failed());
        breaker.open(1_000, 500);
        assert_eq!((breaker.permit(1_000), breaker.permit(1_499)), (Permit::Wait(500), Permit::Wait(1)));
        assert_eq!((breaker.permit(1_500), breaker.circuit()), (Permit::Try, Circuit::HalfOpen));
        assert_eq!(breaker.permit(1_501), Permit::Try, "until its one request tells");
    }

    #[test]
    fn the_one_request_decides() {
        let mut breaker = Breaker::default();
        breaker.open(0, 10);
        assert_eq!(breaker.permit(10), Permit::Try);
        assert!(breaker.failed(), "a single failure is enough when half open");
        breaker.open(10, 20);
        assert_eq!((breaker.opened(), breaker.permit(29)), (2, Permit::Wait(1)));
        assert_eq!(breaker.permit(30), Permit::Try);
        breaker.succeeded();
        assert_eq!((breaker.permit(30), breaker.opened()), (Permit::Go, 0));
    }

    #[test]
    fn patience_that_was_asked_for_is_given_and_needs_no_trial() {
        let mut breaker = Breaker::default();
        breaker.rest(0, 30_000);
        breaker.rest(10, 30_000);
        assert_eq!((breaker.opened(), breaker.permit(29_000)), (2, Permit::Wait(1_010)));
        assert_eq!((breaker.permit(30_010), breaker.circuit()), (Permit::Go, Circuit::Closed));
        assert_eq!(breaker.opened(), 2, "being well again shows in a success, not in time");
    }

    #[test]
    fn a_person_may_hurry_it() {
        let mut breaker = Breaker::default();
        breaker.open(0, 300_000);
        breaker.hurry();
        assert_eq!(breaker.permit(1), Permit::Try);
    }
}
