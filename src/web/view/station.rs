//! The station at a glance: flow strip, bays, uplink, disk, alarms.

pub use crate::domain::alarm::{Alarm, Severity};
use crate::domain::clip::{ClipState, ProofLevel};
use crate::domain::event::Actor;
use crate::domain::recorder::{Held, HeldDevice, Holder};
use crate::domain::time::UtcMs;

/// Everything on the station page and the bay board.
#[derive(Debug, Clone)]
pub struct StationView {
    /// The six stages in the order of [`STAGES`].
    pub flow: [Stage; 6],
    /// Bays in their physical order.
    pub bays: Vec<Bay>,
    /// What goes up.
    pub uplink: Uplink,
    /// The vault's disk.
    pub disk: Disk,
    /// What stands, worst first.
    pub alarms: Vec<Alarm>,
    /// What is stored of those that have lasted, by code and what each is about.
    pub risen: Vec<Risen>,
}

/// What is stored of an alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risen {
    /// Its number.
    pub id: i64,
    /// Its code.
    pub code: String,
    /// What it is about.
    pub about: String,
    /// Since then.
    pub since: UtcMs,
    /// Who said that they know, and when.
    pub acknowledged: Option<(Actor, UtcMs)>,
}

impl StationView {
    /// What is stored of an alarm.
    pub fn risen(&self, alarm: &Alarm) -> Option<&Risen> {
        self.risen.iter().find(|r| r.code == alarm.code() && r.about == alarm.about())
    }
}

/// The stages of the flow strip, in the order in which footage flows.
pub const STAGES: [ClipState; 6] = [
    ClipState::Seen,
    ClipState::Copying,
    ClipState::Sealed,
    ClipState::Sending,
    ClipState::Proven,
    ClipState::Released,
];

/// One stage of the flow strip.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// Clips in it.
    pub clips: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Recorders in it; told of the first stage only.
    pub recorders: Option<u64>,
    /// How long its oldest clip has been in it, milliseconds.
    pub oldest_age_ms: Option<i64>,
    /// Bytes a second that leave it for the next stage; `None` where that is not measured.
    pub rate_bytes_per_s: Option<u64>,
    /// How many reached it today; told of the last two stages.
    pub today: Option<u64>,
    /// Why it does not move, if it does not.
    pub stall: Option<Stall>,
}

/// Why a stage does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stall {
    /// The disk reached its reserve.
    NoRoom,
    /// A bay's recorder cannot be read.
    CannotRead {
        /// The bay.
        bay: String,
    },
    /// A destination cannot be reached.
    Unreachable {
        /// Its name.
        destination: String,
    },
    /// A destination refuses us.
    Refused {
        /// Its name.
        destination: String,
    },
    /// Deliveries stopped for good or until a person acts.
    Failed {
        /// Its name.
        destination: String,
        /// How many.
        clips: u64,
    },
}

/// One bay.
#[derive(Debug, Clone)]
pub struct Bay {
    /// Its name: slot number, port or folder.
    pub name: String,
    /// The recorder's id, where one is docked and known.
    pub recorder: Option<String>,
    /// Who has it, where known, and who says so. Never on the bay board.
    pub officer: Option<Holder>,
    /// What happens in it.
    pub state: BayState,
    /// Devices in it that are not read.
    pub held: Vec<HeldDevice>,
}

/// What happens in a bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BayState {
    /// Nothing is docked.
    Empty,
    /// A device stands in it that is not read, and no recorder beside it.
    Held(Held),
    /// Its files are being listed.
    Listing,
    /// Copying.
    Copying(Progress),
    /// Every listed file is sealed or reported unreadable (invariant 9).
    Safe {
        /// Sealed clips of this dock.
        sealed: u64,
        /// Of these, proven.
        proven: u64,
        /// Lacking a required fact.
        to_annotate: u64,
        /// Files that could not be read.
        unreadable: u64,
        /// Every recording on it was erased after its proof, in this stay.
        emptied: bool,
    },
    /// Proven files are being erased from it.
    Erasing {
        /// Erased so far.
        done: u64,
        /// To be erased.
        files: u64,
    },
    /// Reading failed; another bay may do better.
    Failing {
        /// It is reached over the network: no other bay would do better.
        network: bool,
        /// Where it stopped, of the recorder's bytes.
        at_percent: Option<u8>,
        /// What the system said.
        reason: String,
    },
    /// Copying stopped before the disk's reserve.
    NoRoom(Progress),
}

/// How far copying has come on one recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Clips sealed.
    pub clips_done: u64,
    /// Clips listed.
    pub clips_total: u64,
    /// Bytes copied.
    pub bytes_done: u64,
    /// Bytes listed.
    pub bytes_total: u64,
    /// Milliseconds left at this speed.
    pub left_ms: Option<i64>,
    /// Where an earlier dock had stopped, if this one goes on from there.
    pub resumed_at_percent: Option<u8>,
    /// Milliseconds of footage that are here, and that are listed, where bytes are not.
    pub footage_ms: Option<(u64, u64)>,
}

impl Progress {
    /// 0 to 99 while bytes are missing, 100 only when none is.
    pub fn percent(&self) -> u8 {
        match self.footage_ms.unwrap_or((self.bytes_done, self.bytes_total)) {
            (_, 0) => 0,
            (done, total) if done >= total => 100,
            (done, total) => (u128::from(done) * 100 / u128::from(total)).min(99) as u8,
        }
    }
}

/// The one thing that whoever stands at a bay must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody's recorder is here.
    Empty,
    /// Leave it in.
    Hold,
    /// Take it.
    Safe,
    /// Take it; someone should look at something later.
    SafeBut,
    /// Nothing is read until someone does something at the device itself.
    Ask,
    /// Someone has to do something here.
    Act,
}

impl BayState {
    /// What whoever stands there must know. Missing facts never hold anyone (invariant 9).
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Empty => Verdict::Empty,
            Self::Listing | Self::Copying(_) | Self::Erasing { .. } => Verdict::Hold,
            Self::Safe { unreadable: 1.., .. } => Verdict::SafeBut,
            Self::Safe { .. } => Verdict::Safe,
            Self::Held(Held::NoStorage) => Verdict::Ask,
            Self::Held(_) | Self::Failing { .. } | Self::NoRoom(_) => Verdict::Act,
        }
    }

    /// How far copying has come, where it is under way.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::Copying(p) | Self::NoRoom(p) => Some(p),
            _ => None,
        }
    }
}

impl Verdict {
    /// Name of its style and icon.
    pub fn class(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Hold => "hold",
            Self::Safe => "safe",
            Self::SafeBut | Self::Ask => "ask",
            Self::Act => "fail",
        }
    }
}

/// What goes up.
#[derive(Debug, Clone, Default)]
pub struct Uplink {
    /// Bytes a second now.
    pub rate_bytes_per_s: u64,
    /// Bytes a second, one value a minute, oldest first, at most 60.
    pub history: Vec<u64>,
    /// Bytes that wait or are on their way.
    pub queue_bytes: u64,
    /// Time it takes at this rate, milliseconds; `None` when nothing moves.
    pub eta_ms: Option<i64>,
    /// Where to.
    pub destinations: Vec<DestinationView>,
}

/// One destination.
#[derive(Debug, Clone)]
pub struct DestinationView {
    /// Its name for people.
    pub name: String,
    /// Whether "proven" needs it.
    pub required: bool,
    /// How it is doing.
    pub health: Health,
    /// How bytes are compared there; `None` until probed.
    pub proof: Option<ProofLevel>,
    /// It stands on the vault's own device (invariant 3).
    pub same_device: bool,
    /// Objects are locked against deletion.
    pub locks: bool,
    /// Clips that wait for it.
    pub waiting: u64,
    /// Footage is held back from it.
    pub paused: bool,
    /// Bytes a second that may go there now; `None` where nothing bounds them.
    pub ceiling_bytes_per_s: Option<u64>,
    /// Parts that may be under way, as the line has shown; 0 before there were any.
    pub window: u64,
}

/// How a destination is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Answers.
    Working,
    /// Not probed yet.
    Checking,
    /// Footage is held back from it, by a person.
    Paused {
        /// Until then; `None` until somebody resumes.
        until: Option<UtcMs>,
    },
    /// Nothing is begun at this time of day.
    Shut,
    /// It asked for patience.
    Resting,
    /// No answer; tried again by itself.
    Unreachable {
        /// Since then.
        since: UtcMs,
    },
    /// Answers, and refuses us; a person must act.
    Refused {
        /// Since then.
        since: UtcMs,
        /// In its words.
        what: String,
    },
}

impl Health {
    /// Name of its style and icon.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Working => "safe",
            Self::Checking | Self::Paused { .. } | Self::Shut | Self::Resting => "hold",
            Self::Unreachable { .. } => "ask",
            Self::Refused { .. } => "fail",
        }
    }
}

/// The vault's disk, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk {
    /// Size.
    pub total: u64,
    /// Held for the first time here: not proven yet.
    pub undelivered: u64,
    /// Proven, and kept by policy.
    pub kept: u64,
    /// Kept because a hold stands.
    pub held: u64,
    /// Used by anything else.
    pub other: u64,
    /// Kept free on purpose.
    pub reserve: u64,
    /// Days until full at the present rate.
    pub days_left: Option<u32>,
    /// Copying has stopped before the reserve.
    pub stopped: bool,
}

impl Disk {
    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.undelivered.saturating_add(self.kept).saturating_add(self.held).saturating_add(self.other)
    }

    /// Bytes not in use.
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used())
    }

    /// The parts as (style, begin, width) in thousandths of the disk; what is not zero is at least 4 wide.
    pub fn bars(&self) -> Vec<(&'static str, u64, u64)> {
        let parts = [("hold", self.undelivered), ("safe", self.kept), ("ask", self.held), ("other", self.other)];
        let mut at = 0;
        let mut bars = Vec::new();
        for (class, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
            let share = (u128::from(bytes) * 1000 / u128::from(self.total.max(1))) as u64;
            let width = share.max(4).min(1000 - at);
            bars.push((class, at, width));
            at += width;
        }
        bars
    }
}

impl Severity {
    /// Name of its style and icon.
    pub fn class(self) -> &'static str {
        match self {
            Self::Bad => "fail",
            Self::Warn => "ask",
            Self::Info => "hold",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_whoever_stands_there_must_know() {
        let safe =
            |to_annotate, unreadable| BayState::Safe { sealed: 3, proven: 0, to_annotate, unreadable, emptied: false };
        assert_eq!(safe(0, 0).verdict(), Verdict::Safe);
        assert_eq!(safe(3, 0).verdict(), Verdict::Safe, "missing facts hold nobody");
        assert_eq!(safe(0, 1).verdict(), Verdict::SafeBut);
        assert_eq!(BayState::Listing.verdict(), Verdict::Hold);
        assert_eq!(BayState::Erasing { done: 1, files: 2 }.verdict(), Verdict::Hold);
        assert_eq!(BayState::NoRoom(Progress::default()).verdict(), Verdict::Act);
        assert_eq!(BayState::Held(Held::Unknown).verdict(), Verdict::Act);
        assert_eq!(BayState::Held(Held::NoStorage).verdict(), Verdict::Ask);
    }

    #[test]
    fn a_hundred_percent_means_all_of_it() {
        let p = |bytes_done, bytes_total| Progress { bytes_done, bytes_total, ..Progress::default() }.percent();
        assert_eq!(
            [p(0, 0), p(0, 9), p(5, 9), p(9_999, 10_000), p(9, 9), p(u64::MAX - 1, u64::MAX)],
            [0, 0, 55, 99, 100, 99]
        );
    }

    #[test]
    fn the_disk_bar_never_overflows() {
        let disk = Disk { total: 100, undelivered: 1, kept: 60, held: 39, other: 50, ..Disk::default() };
        let bars = disk.bars();
        assert_eq!(bars.iter().map(|b| b.2).sum::<u64>(), 1000);
        assert!(Disk::default().bars().is_empty());
    }
}
