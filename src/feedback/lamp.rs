//! What a bay's lamps show, from what the board says of it: pure. Writes no LED.
//!
//! A lamp never says "take it" by mistake: an LED that is lit means so, therefore one that should blink and cannot stays
//! dark where its being lit has that meaning.

use crate::config::Lamp;
use crate::domain::recorder::HeldDevice;
use crate::runtime::board::{Bay, Doing};

/// What whoever stands before a bay must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is here.
    Empty,
    /// Leave it in.
    Busy,
    /// It may be taken (invariant 9).
    Safe,
    /// Someone must act.
    Trouble,
}

/// How an LED is lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// So long lit and so long dark, milliseconds.
    Blink {
        /// Half of its period.
        half_ms: u32,
        /// What it does where it cannot blink: lit, else dark.
        else_on: bool,
    },
}

/// Two looks a second: calm.
const SLOW_MS: u32 = 500;
/// Five flashes a second: seen from across the room, and below what harms (WCAG 2.2, 2.3.1, is about large areas).
const FAST_MS: u32 = 100;

/// The state of the bay called `name`.
pub fn state(name: &str, bays: &[Bay], held: &[HeldDevice]) -> State {
    match bays.iter().find(|bay| bay.bay == name) {
        Some(bay) => match &bay.doing {
            Doing::Stuck { .. } => State::Trouble,
            Doing::Copying { .. } | Doing::Erasing { .. } => State::Busy,
            Doing::Listing | Doing::Resting if bay.safe => State::Safe,
            Doing::Listing | Doing::Resting => State::Busy,
        },
        None if held.iter().any(|device| device.bay == name) => State::Trouble,
        None => State::Empty,
    }
}

/// How each LED of a lamp is lit in this state; each LED once.
pub fn patterns(lamp: &Lamp, state: State) -> Vec<(&str, Pattern)> {
    let means_safe = |led: &str| lamp.safe.as_deref() == Some(led);
    let (led, pattern) = match state {
        State::Empty => (None, Pattern::Off),
        State::Busy => (lamp.busy.as_deref(), blink(SLOW_MS, lamp.busy.as_deref().is_some_and(means_safe))),
        State::Safe => (lamp.safe.as_deref(), Pattern::On),
        State::Trouble => (lamp.trouble.as_deref(), blink(FAST_MS, lamp.trouble.as_deref().is_some_and(means_safe))),
    };
    let mut all: Vec<(&str, Pattern)> = Vec::new();
    for name in [&lamp.busy, &lamp.safe, &lamp.trouble].into_iter().filter_map(|name| name.as_deref()) {
        if !all.iter().any(|(seen, _)| *seen == name) {
            all.push((name, if led == Some(name) { pattern } else { Pattern::Off }));
        }
    }
    all
}

fn blink(half_ms: u32, means_safe: bool) -> Pattern {
    Pattern::Blink { half_ms, else_on: !means_safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::BayName;
    use crate::domain::recorder::Held;

    fn bay(doing: Doing, safe: bool) -> Bay {
        Bay { bay: "3".into(), doing, safe, ..Bay::default() }
    }

    #[test]
    fn what_a_bay_says() {
        let copying = || Doing::Copying { file: "f".into(), done_bytes: 1, size_bytes: 2 };
        let stuck = || Doing::Stuck { reason: "r".into(), full: false };
        let held = [HeldDevice {
            bay: "3".into(),
            port: "1-4".into(),
            usb_id: (1, 2),
            serial: None,
            name: String::new(),
            why: Held::NoStorage,
            since_ms: 0,
        }];
        let table = [
            (vec![], false, State::Empty),
            (vec![], true, State::Trouble),
            (vec![bay(Doing::Listing, false)], false, State::Busy),
            (vec![bay(copying(), false)], false, State::Busy),
            (vec![bay(copying(), true)], false, State::Busy),
            (vec![bay(Doing::Erasing { done: 1, files: 2 }, true)], false, State::Busy),
            (vec![bay(Doing::Resting, false)], false, State::Busy),
            (vec![bay(Doing::Resting, true)], false, State::Safe),
            (vec![bay(Doing::Listing, true)], false, State::Safe),
            (vec![bay(Doing::Resting, true)], true, State::Safe),
            (vec![bay(stuck(), true)], false, State::Trouble),
        ];
        for (bays, with_held, wanted) in table {
            let held = if with_held { &held[..] } else { &[] };
            assert_eq!(state("3", &bays, held), wanted, "{bays:?} {with_held}");
            assert_eq!(state("4", &bays, held), State::Empty, "another bay");
        }
    }

    #[test]
    fn what_its_lamps_show() {
        let lamp = |busy: Option<&str>, safe: Option<&str>, trouble: Option<&str>| Lamp {
            bay: BayName::new("3").unwrap(),
            busy: busy.map(str::to_owned),
            safe: safe.map(str::to_owned),
            trouble: trouble.map(str::to_owned),
        };
        let slow = |else_on| Pattern::Blink { half_ms: 500, else_on };
        let fast = |else_on| Pattern::Blink { half_ms: 100, else_on };
        let one = lamp(Some("a"), Some("a"), Some("a"));
        let three = lamp(Some("b"), Some("g"), Some("r"));
        let two = lamp(None, Some("g"), Some("r"));
        let (off, on) = (Pattern::Off, Pattern::On);
        type Shown = Vec<(&'static str, Pattern)>;
        let table: Vec<(&Lamp, State, Shown)> = vec![
            (&one, State::Empty, vec![("a", off)]),
            (&one, State::Busy, vec![("a", slow(false))]),
            (&one, State::Safe, vec![("a", on)]),
            (&one, State::Trouble, vec![("a", fast(false))]),
            (&three, State::Empty, vec![("b", off), ("g", off), ("r", off)]),
            (&three, State::Busy, vec![("b", slow(true)), ("g", off), ("r", off)]),
            (&three, State::Safe, vec![("b", off), ("g", on), ("r", off)]),
            (&three, State::Trouble, vec![("b", off), ("g", off), ("r", fast(true))]),
            (&two, State::Busy, vec![("g", off), ("r", off)]),
        ];
        for (lamp, state, wanted) in table {
            assert_eq!(patterns(lamp, state), wanted, "{state:?}");
        }
    }
}
