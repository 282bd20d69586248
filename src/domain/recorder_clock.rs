//! What a recorder's clock is worth: an estimate of its offset against the station's clock, where there is one. Pure.
//!
//! A recorder's own times are never changed by it (invariant 8): the estimate stands beside them.

/// How the offset was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockHow {
    /// The recorder told its time through its protocol.
    Device,
    /// Its newest file is from later than now: its clock is ahead by at least this much.
    NewestFile,
}

impl ClockHow {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::NewestFile => "newest_file",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Device, Self::NewestFile].into_iter().find(|how| how.as_str() == word)
    }
}

/// The recorder's clock minus the station's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEstimate {
    /// Milliseconds; positive where the recorder is ahead.
    pub offset_ms: i64,
    /// How it was found; by the newest file it is a lower bound.
    pub how: ClockHow,
}

/// What is known of a recorder's clock where a clip came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DockClock {
    /// How far it was off, where that could be estimated.
    pub estimate: Option<ClockEstimate>,
    /// When, by the station, the recorder last left a bay with everything on it copied: what came in later was captured later.
    pub since_ms: Option<i64>,
}

/// FAT keeps times in steps of two seconds, and a file is finished a little after its last frame.
const TOLERANCE_MS: i64 = 5_000;

/// `now_ms` by the station; `device_ms` as the recorder told it at that moment; `newest_ms` the newest time among its
/// files. A recorder that is behind cannot be told by its files: its last file may simply be old.
pub fn estimate(now_ms: i64, device_ms: Option<i64>, newest_ms: Option<i64>) -> Option<ClockEstimate> {
    let by = |at: i64, how| ClockEstimate { offset_ms: at.saturating_sub(now_ms), how };
    device_ms.map(|at| by(at, ClockHow::Device)).or_else(|| {
        newest_ms.map(|at| by(at, ClockHow::NewestFile)).filter(|estimate| estimate.offset_ms > TOLERANCE_MS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_knows_best_and_files_tell_only_what_is_ahead() {
        let hour = 3_600_000;
        let table = [
            (None, None, None),
            (None, Some(100 * hour), None),
            (None, Some(101 * hour + 4_000), None),
            (None, Some(102 * hour), Some((hour, ClockHow::NewestFile))),
            (Some(101 * hour - 7_000), Some(102 * hour), Some((-7_000, ClockHow::Device))),
            (Some(101 * hour), None, Some((0, ClockHow::Device))),
        ];
        for (device, newest, wanted) in table {
            let found = estimate(101 * hour, device, newest).map(|e| (e.offset_ms, e.how));
            assert_eq!(found, wanted, "{device:?} {newest:?}");
        }
    }
}
