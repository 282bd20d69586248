//! Disposal after appraisal (鉴定销毁): whose retention is over, and what may go. Pure.
//!
//! One person proposes, another one confirms; the decision is made anew for each clip in the transaction that says that it
//! goes. What stands at destinations goes only where no lock and no hold keeps it; else the record says that it stands.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::clip::{ClipFacts, ClipState, Local, project};
use super::time::UtcMs;
use super::why::Why;

/// What is asked about disposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum DisposalAsk {
    /// Proposes a list of clips.
    Propose {
        /// The clips.
        clips: Vec<String>,
        /// 鉴定意见.
        opinion: String,
        /// On what basis.
        basis: String,
    },
    /// Another person decides about it.
    Decide {
        /// The list's number.
        disposal: i64,
        /// Let them go.
        yes: bool,
    },
}

/// How far a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisposalState {
    /// Waits for a second person.
    Asked,
    /// They said no, or whoever asked took it back.
    Refused,
    /// Confirmed: it is carried out.
    Going,
    /// Nothing more is to be done about it here.
    Done,
}

impl DisposalState {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Going => "going",
            Self::Done => "done",
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Asked, Self::Refused, Self::Going, Self::Done].into_iter().find(|s| s.as_str() == word)
    }
}

/// Why a clip is kept for now, as far as cases go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No case has it.
    Unlinked {
        /// Since when: it was sealed, or taken from its last case, milliseconds since the Unix epoch.
        since_ms: i64,
    },
    /// Every case that has it was filed; the longest of their terms.
    Filed {
        /// Until when, milliseconds since the Unix epoch; `None`: for ever.
        until_ms: Option<i64>,
    },
    /// A case that has it is not filed.
    CaseOpen,
}

impl Reason {
    /// Why a case keeps the clip at `now_ms`, where one does.
    pub fn of_a_case(self, now_ms: i64) -> Option<Stay> {
        match self {
            Self::CaseOpen => Some(Stay::CaseOpen),
            Self::Filed { until_ms: None } => Some(Stay::Forever),
            Self::Filed { until_ms: Some(until) } => (until > now_ms).then_some(Stay::NotBefore(until)),
            Self::Unlinked { .. } => None,
        }
    }
}

/// Everything that the decision about one clip depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisposeFacts {
    /// Its facets.
    pub clip: ClipFacts,
    /// It is a recording: what belongs to one (sidecars, logs of the recorder) has no retention of its own.
    pub is_recording: bool,
    /// It went already.
    pub disposed: bool,
    /// Its retention.
    pub reason: Reason,
}

/// Why a clip stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It went already.
    Disposed,
    /// It is no recording.
    NoRecording,
    /// It is still being copied, or damaged.
    NotWhole,
    /// A hold stands.
    Held,
    /// It is suspected classified.
    Isolated,
    /// A person must look at it first.
    Quarantined,
    /// It is not proven at every required destination.
    NotProven,
    /// A case that has it is not filed.
    CaseOpen,
    /// For ever.
    Forever,
    /// Not before this instant, milliseconds since the Unix epoch.
    NotBefore(i64),
}

impl Stay {
    /// The stable word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Disposed => "disposed",
            Self::NoRecording => "no_recording",
            Self::NotWhole => "not_whole",
            Self::Held => "held",
            Self::Isolated => "isolated",
            Self::Quarantined => "quarantined",
            Self::NotProven => "not_proven",
            Self::CaseOpen => "case_open",
            Self::Forever => "forever",
            Self::NotBefore(_) => "not_yet",
        }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Why::from(*self).fmt(f)
    }
}

impl From<Stay> for Why {
    fn from(stay: Stay) -> Self {
        match stay {
            Stay::Disposed => Self::StayDisposed {},
            Stay::NoRecording => Self::StayNoRecording {},
            Stay::NotWhole => Self::StayNotWhole {},
            Stay::Held => Self::StayHeld {},
            Stay::Isolated => Self::StayIsolated {},
            Stay::Quarantined => Self::StayQuarantined {},
            Stay::NotProven => Self::StayNotProven {},
            Stay::CaseOpen => Self::StayCaseOpen {},
            Stay::Forever => Self::StayForever {},
            Stay::NotBefore(ms) => Self::StayUntil { at: UtcMs(ms).rfc3339() },
        }
    }
}

/// Whether a clip may be disposed of at `now_ms`, and since when its retention is over. `unlinked_ms`: a clip without a
/// case is kept for so long after it was sealed, or taken from its last case.
pub fn decide(facts: &DisposeFacts, unlinked_ms: i64, now_ms: i64) -> Result<i64, Stay> {
    let clip = &facts.clip;
    if facts.disposed {
        return Err(Stay::Disposed);
    }
    if clip.isolated {
        return Err(Stay::Isolated);
    }
    if clip.held {
        return Err(Stay::Held);
    }
    if !facts.is_recording {
        return Err(Stay::NoRecording);
    }
    if !matches!(clip.local, Some(Local::Sealed | Local::Evicted)) {
        return Err(Stay::NotWhole);
    }
    if clip.quarantined {
        return Err(Stay::Quarantined);
    }
    if !matches!(project(clip), ClipState::Proven | ClipState::Released) {
        return Err(Stay::NotProven);
    }
    let over_ms = match facts.reason {
        Reason::CaseOpen => return Err(Stay::CaseOpen),
        Reason::Filed { until_ms: None } => return Err(Stay::Forever),
        Reason::Filed { until_ms: Some(until) } => until,
        Reason::Unlinked { since_ms } => since_ms.saturating_add(unlinked_ms),
    };
    if over_ms > now_ms { Err(Stay::NotBefore(over_ms)) } else { Ok(over_ms) }
}

/// What becomes of a copy at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFate {
    /// It may be removed there.
    Remove,
    /// It stands: until when, where a lock tells, and why.
    Stands(Option<i64>, &'static str),
}

/// Decides about a copy. `asked`: the configuration wants copies there removed. `held`: a hold stands on the clip again, or
/// a legal hold on the copy.
pub fn copy_fate(asked: bool, held: bool, locked_until_ms: Option<i64>, now_ms: i64) -> CopyFate {
    match locked_until_ms.filter(|until| *until > now_ms) {
        _ if held => CopyFate::Stands(locked_until_ms, "held"),
        Some(until) => CopyFate::Stands(Some(until), "locked"),
        None if !asked => CopyFate::Stands(None, "not_configured"),
        None => CopyFate::Remove,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clip::{Delivery, DeliveryFacts, SightingState};

    fn facts(state: Delivery, reason: Reason) -> DisposeFacts {
        let delivery = DeliveryFacts { state, required: true, off_box: true, retry: None, next_try_ms: 0 };
        let clip = ClipFacts {
            local: Some(Local::Sealed),
            sightings: vec![SightingState::Present],
            deliveries: vec![delivery],
            held: false,
            quarantined: false,
            isolated: false,
            probed: true,
            record_rev: 1,
            record_stale: false,
        };
        DisposeFacts { clip, is_recording: true, disposed: false, reason }
    }

    #[test]
    fn decisions_as_a_table() {
        let loose = Reason::Unlinked { since_ms: 100 };
        let good = facts(Delivery::Proven, loose);
        let with = |change: &dyn Fn(&mut DisposeFacts)| {
            let mut other = good.clone();
            change(&mut other);
            other
        };
        let filed = |until_ms| Reason::Filed { until_ms };
        let table = [
            (good.clone(), Ok(150)),
            (with(&|f| f.clip.local = Some(Local::Evicted)), Ok(150)),
            (with(&|f| f.clip.local = Some(Local::Damaged)), Err(Stay::NotWhole)),
            (with(&|f| f.clip.held = true), Err(Stay::Held)),
            (with(&|f| f.clip.isolated = true), Err(Stay::Isolated)),
            (with(&|f| f.clip.quarantined = true), Err(Stay::Quarantined)),
            (with(&|f| f.disposed = true), Err(Stay::Disposed)),
            (with(&|f| f.is_recording = false), Err(Stay::NoRecording)),
            (facts(Delivery::Sent, loose), Err(Stay::NotProven)),
            (facts(Delivery::Proven, Reason::CaseOpen), Err(Stay::CaseOpen)),
            (facts(Delivery::Proven, filed(None)), Err(Stay::Forever)),
            (facts(Delivery::Proven, filed(Some(200))), Ok(200)),
            (facts(Delivery::Proven, filed(Some(201))), Err(Stay::NotBefore(201))),
            (facts(Delivery::Proven, Reason::Unlinked { since_ms: 151 }), Err(Stay::NotBefore(201))),
        ];
        for (facts, wanted) in table {
            assert_eq!(decide(&facts, 50, 200), wanted, "{facts:?}");
        }
        for state in ["asked", "refused", "going", "done"] {
            assert_eq!(DisposalState::parse(state).map(DisposalState::as_str), Some(state));
        }
    }

    #[test]
    fn a_copy_goes_where_nothing_keeps_it() {
        assert_eq!(copy_fate(true, false, None, 5), CopyFate::Remove);
        assert_eq!(copy_fate(true, false, Some(5), 5), CopyFate::Remove, "its lock is over");
        assert_eq!(copy_fate(true, false, Some(6), 5), CopyFate::Stands(Some(6), "locked"));
        assert_eq!(copy_fate(false, false, None, 5), CopyFate::Stands(None, "not_configured"));
        assert_eq!(copy_fate(true, true, None, 5), CopyFate::Stands(None, "held"));
    }

    proptest! {
        /// Whatever is stored: what may go is held by nobody, is proven, and its time is over.
        #[test]
        fn nothing_goes_that_anybody_keeps(
            (held, isolated, quarantined, recording, disposed) in any::<(bool, bool, bool, bool, bool)>(),
            local in prop_oneof![Just(Local::Sealed), Just(Local::Evicted), Just(Local::Damaged), Just(Local::Copying)],
            state in prop_oneof![3 => Just(Delivery::Proven), 1 => Just(Delivery::Suspect), 1 => Just(Delivery::Waiting)],
            reason in prop_oneof![
                (0i64..100).prop_map(|since_ms| Reason::Unlinked { since_ms }),
                proptest::option::of(0i64..100).prop_map(|until_ms| Reason::Filed { until_ms }),
                Just(Reason::CaseOpen),
            ],
            now in 0i64..200,
        ) {
            let mut found = facts(state, reason);
            (found.clip.held, found.clip.isolated, found.clip.quarantined) = (held, isolated, quarantined);
            (found.clip.local, found.is_recording, found.disposed) = (Some(local), recording, disposed);
            if let Ok(over) = decide(&found, 20, now) {
                prop_assert!(!held && !isolated && !quarantined && recording && !disposed);
                prop_assert!(matches!(local, Local::Sealed | Local::Evicted) && state == Delivery::Proven);
                let stands = matches!(reason, Reason::CaseOpen | Reason::Filed { until_ms: None });
                prop_assert!(over <= now && !stands);
                let forever = Reason::Filed { until_ms: None };
                prop_assert!(over <= now && reason != Reason::CaseOpen && reason != forever);
            }
        }
    }
}
