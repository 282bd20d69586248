//! When a checkpoint is due. Only decides; making, storing and anchoring it is the daemon's task.

/// The newest checkpoint of the running epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// How many events it covers.
    pub size: u64,
}

/// Whether the timer asks for a checkpoint of a log of `size` events. Wishes on demand (before a recorder
/// is erased, at an orderly stop) do not ask here.
///
/// An idle log gets one too, so that silence means something. A wall clock that was set back makes one
/// due at once instead of never. A log that has shrunk below its last checkpoint gets none: signing it
/// would contradict what was signed, and [`super::epoch::standing`] tells what to do.
pub fn due(now_ms: i64, last: Option<LastCheckpoint>, size: u64, every_ms: i64) -> bool {
    match last {
        None => size > 0,
        Some(last) if size < last.size => false,
        Some(last) => now_ms < last.made_ms || now_ms.saturating_sub(last.made_ms) >= every_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let last = |made_ms, size| Some(LastCheckpoint { made_ms, size });
        let table = [
            ("nothing to sign yet", 0, None, 0, false),
            ("the first", 0, None, 1, true),
            ("too early", 159_999, last(100_000, 5), 9, false),
            ("a minute is over", 160_000, last(100_000, 5), 9, true),
            ("a minute is over, idle", 160_000, last(100_000, 5), 5, true),
            ("long asleep", i64::MAX, last(i64::MIN, 5), 5, true),
            ("the clock was set back", 99_999, last(100_000, 5), 5, true),
            ("the log has shrunk", 900_000, last(100_000, 5), 4, false),
        ];
        for (name, now_ms, last, size, expected) in table {
            assert_eq!(due(now_ms, last, size, 60_000), expected, "{name}");
        }
    }
}
