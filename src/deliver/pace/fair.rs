//! A token bucket whose tokens are shared fairly: pure arithmetic over a clock that is told, so that a table can test
//! it. Who waits, and how, is the gate's business.
//!
//! Fair means start-time fair queueing (Goyal, Vin, Cheng 1996): each lane's requests carry the virtual time at which
//! they would begin if every lane had the same share, and the smallest goes first. A lane with many requests waiting
//! gets no more than one with a single request, and a lane that was idle has saved nothing up.

use std::collections::{BTreeMap, BTreeSet};

/// Tokens that an idle bucket saves up, in parts of a second: enough to be smooth, too little to be a burst that
/// others on the line would notice.
const BURST_PARTS: u64 = 4;
const US: u64 = 1_000_000;

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    tag: u64,
    n: u64,
    bytes: u64,
}

/// The bucket and its queue.
#[derive(Debug, Default)]
pub(super) struct Fair {
    /// Bytes a second; `None` does not bound.
    rate: Option<u64>,
    /// Bytes that may go now; below zero while a grant is being paid off, so that a request of any size is granted whole.
    level: i64,
    filled_us: u64,
    /// Virtual time: where the request that was granted last began.
    served: u64,
    finish: BTreeMap<usize, u64>,
    waiting: BTreeSet<(u64, u64)>,
    tickets: u64,
}

impl Fair {
    /// Sets the rate that holds from now on.
    pub fn set_rate(&mut self, rate: Option<u64>, now_us: u64) {
        if self.rate != rate {
            self.fill(now_us);
            self.rate = rate;
            self.filled_us = now_us;
            // Debts and savings of another rate do not count.
            self.level = 0;
        }
    }

    /// Takes a place in the queue for `bytes` of `lane`.
    pub fn ask(&mut self, lane: usize, bytes: u64) -> Ticket {
        let tag = self.finish.get(&lane).copied().unwrap_or_default().max(self.served);
        self.finish.insert(lane, tag + bytes);
        self.tickets += 1;
        self.waiting.insert((tag, self.tickets));
        Ticket { tag, n: self.tickets, bytes }
    }

    /// Grants `ticket` if it is its turn; else says in how many microseconds it is worth asking again.
    pub fn turn(&mut self, ticket: Ticket, now_us: u64) -> Result<(), u64> {
        let Some(rate) = self.rate else {
            self.grant(ticket);
            return Ok(());
        };
        self.fill(now_us);
        if self.level < 0 {
            return Err(self.level.unsigned_abs().saturating_mul(US) / rate.max(1) + 1);
        }
        if self.waiting.first() != Some(&(ticket.tag, ticket.n)) {
            // Whoever is first has yet to come for it.
            return Err(1_000);
        }
        self.grant(ticket);
        Ok(())
    }

    /// Counts bytes that did not wait: whoever comes next does.
    pub fn charge(&mut self, bytes: u64, now_us: u64) {
        if self.rate.is_some() {
            self.fill(now_us);
            self.level = self.level.saturating_sub_unsigned(bytes);
        }
    }

    fn grant(&mut self, ticket: Ticket) {
        self.waiting.remove(&(ticket.tag, ticket.n));
        self.served = self.served.max(ticket.tag);
        if self.rate.is_some() {
            self.level = self.level.saturating_sub_unsigned(ticket.bytes);
        }
    }

    fn fill(&mut self, now_us: u64) {
        let Some(rate) = self.rate else { return };
        let earned = u128::from(now_us.saturating_sub(self.filled_us)) * u128::from(rate) / u128::from(US);
        if earned == 0 {
            // Not yet a byte's worth: the time stays to be counted.
            return;
        }
        let most = i64::try_from(rate / BURST_PARTS).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).min(most);
        self.filled_us = now_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets lanes with so many requests of `bytes` at a time run for `seconds`; bytes granted to each.
    fn run(rate: u64, lanes: &[usize], bytes: u64, seconds: u64) -> Vec<u64> {
        let mut fair = Fair::default();
        fair.set_rate(Some(rate), 0);
        let mut open: Vec<(usize, Ticket)> = Vec::new();
        let mut granted = vec![0; lanes.len()];
        for (lane, requests) in lanes.iter().enumerate() {
            for _ in 0..*requests {
                open.push((lane, fair.ask(lane, bytes)));
            }
        }
        for now_us in (0..seconds * US).step_by(500) {
            for (lane, ticket) in &mut open {
                if fair.turn(*ticket, now_us).is_ok() {
                    granted[*lane] += bytes;
                    *ticket = fair.ask(*lane, bytes);
                }
            }
        }
        granted
    }

    #[test]
    fn the_rate_holds_whatever_the_size_of_requests() {
        for bytes in [1_000, 65_536, 262_144] {
            let sent = run(1_000_000, &[3], bytes, 20)[0];
            let wanted = 20_000_000;
            assert!(sent.abs_diff(wanted) <= 250_000 + 2 * bytes, "{bytes}: {sent}");
        }
    }

    #[test]
    fn a_lane_with_many_requests_gets_no_more_than_one_with_few() {
        let sent = run(1_000_000, &[1, 16, 4], 65_536, 30);
        for lane in &sent {
            assert!(lane.abs_diff(10_000_000) < 1_000_000, "{sent:?}");
        }
    }

    #[test]
    fn a_lane_that_was_idle_has_saved_nothing_up() {
        let mut fair = Fair::default();
        fair.set_rate(Some(1_000_000), 0);
        for n in 1..=100 {
            let ticket = fair.ask(0, 10_000);
            while fair.turn(ticket, n * 20_000).is_err() {}
        }
        let (late, usual) = (fair.ask(1, 10_000), fair.ask(0, 10_000));
        let second = fair.ask(1, 10_000);
        assert!(late.tag <= usual.tag && usual.tag <= second.tag, "they take turns from the first on");
    }

    #[test]
    fn small_objects_do_not_wait_and_are_paid_for() {
        let mut fair = Fair::default();
        fair.set_rate(Some(1_000), 0);
        fair.charge(2_000, 0);
        let ticket = fair.ask(0, 10);
        assert_eq!(fair.turn(ticket, 0), Err(2_000_001));
        assert_eq!(fair.turn(ticket, 2_000_001), Ok(()));
    }

    #[test]
    fn without_a_rate_nobody_waits_and_no_debt_is_left() {
        let mut fair = Fair::default();
        let ticket = fair.ask(0, u64::MAX / 4);
        assert_eq!(fair.turn(ticket, 0), Ok(()));
        fair.set_rate(Some(10), 5);
        let ticket = fair.ask(0, 1);
        assert_eq!(fair.turn(ticket, 5), Ok(()));
    }
}
