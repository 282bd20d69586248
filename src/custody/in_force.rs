//! Which key may sign which checkpoint of the log: the one under which its epoch was opened, then each that took over, as
//! the log's own events say. A retired key stays trusted for what it signed while it was in use and for nothing else:
//! whoever kept a copy of it could sign for an epoch that began without it. Judges only.

use super::epoch::Head;
use super::report::{HeldBy, Problem};

/// A key is in force from an event on.
#[derive(Debug)]
struct Change {
    epoch: u32,
    /// Position of the event that says so.
    seq: u64,
    key: String,
    /// Of a change inside an epoch, the key before it, which signs the checkpoint over this event and nothing after it.
    before: Option<String>,
}

/// The keys of a log, as its events tell them in their order.
#[derive(Debug, Default)]
pub(super) struct InForce {
    changes: Vec<Change>,
}

impl InForce {
    /// An epoch was opened under this key.
    pub fn opened(&mut self, epoch: u32, seq: u64, key: &str) {
        self.changes.push(Change { epoch, seq, key: key.to_owned(), before: None });
    }

    /// This key took over from `old`.
    pub fn rotated(&mut self, epoch: u32, seq: u64, old: &str, key: &str) {
        // An event that ends the use of another one than was in use is a finding of its own, and accuses nobody twice.
        let before = Some(self.now().unwrap_or(old).to_owned());
        self.changes.push(Change { epoch, seq, key: key.to_owned(), before });
    }

    /// The key in force after all events so far.
    pub fn now(&self) -> Option<&str> {
        self.changes.last().map(|change| change.key.as_str())
    }

    /// Whether a trusted key had a right to sign this head. Of one beyond what its epoch kept (`lost`) the log cannot tell
    /// which keys had come into use by then, but it can of those that were out of use before.
    pub fn judge(&self, key: &str, head: &Head, lost: bool, held_by: &HeldBy) -> Option<Problem> {
        let its = |change: &Change| change.epoch == head.epoch;
        // Nothing is signed in an epoch before its opening; where that cannot be read, it is a finding, and nothing can be
        // said of what comes before the first change.
        let first = || self.changes.iter().position(its).filter(|at| self.changes[*at].before.is_none());
        let at = self.changes.iter().rposition(|change| its(change) && change.seq < head.size).or_else(first)?;
        let (past, change) = (&self.changes[..=at], &self.changes[at]);
        let last_words = change.before.as_deref() == Some(key) && change.seq.saturating_add(1) == head.size;
        if change.key == key || last_words {
            return None;
        }
        let ended = match past.iter().rposition(|change| change.key == key) {
            Some(taken) => past.get(taken + 1),
            None => past.iter().find(|change| change.before.as_deref() == Some(key)),
        };
        let (held_by, epoch, size, key) = (held_by.clone(), head.epoch, head.size, key.to_owned());
        match ended {
            Some(Change { seq, .. }) => Some(Problem::RetiredKey { held_by, size, seq: *seq, key }),
            None if lost => None,
            None => Some(Problem::OtherKey { held_by, epoch, size, key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_from_the_event_that_puts_it_in_force_to_the_one_that_ends_it() {
        let mut keys = InForce::default();
        keys.opened(1, 0, "a");
        keys.rotated(1, 50, "a", "b");
        // A restore to before all that brought the first key back, another one a new one.
        keys.opened(2, 60, "a");
        keys.opened(4, 70, "c");
        let judged = |epoch, size, key: &str, lost| match keys.judge(
            key,
            &Head { epoch, size, root: [0; 32] },
            lost,
            &HeldBy::Store,
        ) {
            None => "true".to_owned(),
            Some(Problem::RetiredKey { seq, .. }) => format!("retired {seq}"),
            Some(Problem::OtherKey { .. }) => "other".to_owned(),
            Some(other) => format!("{other:?}"),
        };
        for (epoch, size, key, expected) in [
            (1, 1, "a", "true"),
            (1, 50, "a", "true"),
            // The old key signs the event of its own end, and nothing after it.
            (1, 51, "a", "true"),
            (1, 51, "b", "true"),
            (1, 52, "a", "retired 50"),
            (1, 60, "b", "true"),
            // Whoever has a key later had it not before.
            (1, 50, "b", "other"),
            (1, 40, "c", "other"),
            (2, 61, "a", "true"),
            (2, 61, "b", "retired 60"),
            (2, 10, "b", "retired 60"),
            (4, 71, "c", "true"),
            (4, 71, "a", "retired 70"),
            (4, 99, "b", "retired 60"),
            (4, 71, "z", "other"),
            // Of an epoch that the log does not have nothing is known.
            (3, 65, "z", "true"),
        ] {
            assert_eq!(judged(epoch, size, key, false), expected, "{key} at {size} of {epoch}");
        }
        // Beyond what was kept a key may have come into use that the log never heard of; none that was over came back.
        assert_eq!(judged(1, 90, "z", true), "true");
        assert_eq!(judged(1, 90, "b", true), "true");
        assert_eq!(judged(1, 90, "a", true), "retired 50");
    }

    #[test]
    fn an_epoch_whose_opening_cannot_be_read_accuses_nobody_before_its_first_change() {
        let mut keys = InForce::default();
        keys.rotated(1, 50, "a", "b");
        let judge = |size, key| keys.judge(key, &Head { epoch: 1, size, root: [0; 32] }, false, &HeldBy::Store);
        assert_eq!((judge(40, "z"), judge(51, "a"), judge(60, "b")), (None, None, None));
        assert!(matches!(judge(60, "a"), Some(Problem::RetiredKey { seq: 50, .. })));
    }
}
