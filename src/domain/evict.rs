//! Giving space on the station's disk back: what must be so before the local copy of a clip goes. Pure; whoever
//! executes asks again in the very transaction that says so.
//!
//! Invariant 3. A local copy goes only when all of this holds at the same time: a policy is written; the copy is
//! sealed; the clip is proven at every required destination, of which one at least is not on the vault's own device;
//! nothing of it is still on its way; the newest event that says so stands in a checkpoint off this box; an audit
//! found the copies as they were sealed, where the policy asks for one; no hold stands, no quarantine, no isolation;
//! and it is old enough. What the media worker has not looked at waits for it, a day at most. Its tree stays, so that any range that comes back can be verified.

use std::fmt;

use super::clip::{ClipFacts, Delivery, Local, may_evict};
use super::erase::Anchors;
use super::time::UtcMs;

/// How thoroughly a copy was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Audit {
    /// Not at all.
    #[default]
    None,
    /// Some groups of it.
    Sampled,
    /// Every byte.
    Whole,
}

impl Audit {
    /// Every word.
    pub const WORDS: &'static [&'static str] = &["none", "sampled", "whole"];

    /// The word as written and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sampled => "sampled",
            Self::Whole => "whole",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Sampled, Self::Whole].into_iter().find(|a| a.as_str() == word)
    }
}

/// When local copies may go. Without one, none ever does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvictPolicy {
    /// Not before so long after sealing, milliseconds.
    pub keep_ms: i64,
    /// After so long they go even while there is room, milliseconds; `None`: only for want of room.
    pub after_ms: Option<i64>,
    /// What must have been read again since the proof, at every required destination off this box.
    pub audit: Audit,
}

/// A copy at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictCopy {
    /// The destination's name.
    pub destination: String,
    /// The facet.
    pub state: Delivery,
    /// "Proven" needs it.
    pub required: bool,
    /// Known by probing not to be on the vault's own device.
    pub off_box: bool,
    /// The configuration still names it, so that the clip can be read from there.
    pub configured: bool,
    /// What was read of it since its proof.
    pub audit: Audit,
}

/// Everything that the decision about one clip depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictFacts {
    /// Its facets.
    pub clip: ClipFacts,
    /// When it was sealed, milliseconds since the Unix epoch.
    pub sealed_ms: i64,
    /// Position in the log of the newest event that says that it is sealed or proven.
    pub proof_seq: Option<u64>,
    /// Its copies.
    pub copies: Vec<EvictCopy>,
}

/// Why a local copy stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stay {
    /// There is no policy.
    NoPolicy,
    /// It is not whole here, or not here at all.
    NotSealed,
    /// A hold stands.
    Held,
    /// It is suspected classified.
    Isolated,
    /// A person must look at it first.
    Quarantined,
    /// It is not proven at every required destination.
    NotProven,
    /// No proven copy stands off this box at a destination that is still configured.
    OnlyOnThisBox,
    /// It is still on its way to this destination.
    Sending(String),
    /// The log's entries about it are not in a checkpoint off this box.
    NotAnchored,
    /// The copy at this destination was not read again as the policy asks.
    NotAudited(String),
    /// The media worker has not looked at it yet, which it can only here.
    NotLookedAt,
    /// Not before this instant, milliseconds since the Unix epoch.
    NotBefore(i64),
    /// There is room enough.
    Room,
}

impl Stay {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::NotSealed => "not_sealed",
            Self::Held => "held",
            Self::Isolated => "isolated",
            Self::Quarantined => "quarantined",
            Self::NotProven => "not_proven",
            Self::OnlyOnThisBox => "only_on_this_box",
            Self::Sending(_) => "sending",
            Self::NotAnchored => "not_anchored",
            Self::NotAudited(_) => "not_audited",
            Self::NotLookedAt => "not_looked_at",
            Self::NotBefore(_) => "not_yet",
            Self::Room => "room",
        }
    }

    /// Whether it passes by itself with time.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::NotProven
                | Self::Sending(_)
                | Self::NotAnchored
                | Self::NotAudited(_)
                | Self::NotLookedAt
                | Self::NotBefore(_)
                | Self::Room
        )
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPolicy => "[vault] evict is off",
            Self::NotSealed => "it is not whole here",
            Self::Held => "a hold stands (review or lawsuit)",
            Self::Isolated => "it is suspected classified, and isolated",
            Self::Quarantined => "it is in quarantine; a person must look first",
            Self::NotProven => "it is not proven at every required destination yet",
            Self::OnlyOnThisBox => {
                "no proven copy stands at a configured destination off this station's own disk; add one that does not lie on it"
            }
            Self::Sending(name) => return write!(f, "it is still on its way to {name}"),
            Self::NotAnchored => "the log's entries about it are not in a checkpoint off this box yet",
            Self::NotAudited(name) => return write!(f, "its copy at {name} was not read again yet, as [vault] evict_audit asks"),
            Self::NotLookedAt => "the media worker has not looked at it yet",
            Self::NotBefore(ms) => return write!(f, "the policy keeps it until {}", UtcMs(*ms).rfc3339()),
            Self::Room => "there is room enough",
        })
    }
}

/// How long a clip waits for the media worker, milliseconds: a worker that cannot start at all must not fill the disk.
const LOOKED_AT_WITHIN_MS: i64 = 24 * 3_600_000;

/// Whether the local copy may go now. `room_wanted`: less is free than the policy's mark.
pub fn decide(
    policy: Option<&EvictPolicy>,
    facts: &EvictFacts,
    anchors: Anchors,
    room_wanted: bool,
    now_ms: i64,
) -> Result<(), Stay> {
    let policy = policy.ok_or(Stay::NoPolicy)?;
    let clip = &facts.clip;
    if clip.local != Some(Local::Sealed) {
        return Err(Stay::NotSealed);
    }
    if clip.held {
        return Err(Stay::Held);
    }
    if clip.isolated {
        return Err(Stay::Isolated);
    }
    if clip.quarantined {
        return Err(Stay::Quarantined);
    }
    let copies = || facts.copies.iter();
    if copies().any(|c| c.required && c.state != Delivery::Proven) || copies().all(|c| !c.required) {
        return Err(Stay::NotProven);
    }
    // What satisfies invariant 3, and can be read back from when somebody asks.
    let counts = |c: &&EvictCopy| c.required && c.off_box && c.configured && c.state == Delivery::Proven;
    if !copies().any(|c| counts(&c)) {
        return Err(Stay::OnlyOnThisBox);
    }
    let on_its_way = |s: Delivery| !matches!(s, Delivery::Proven | Delivery::Failed);
    if let Some(open) = copies().find(|c| c.configured && on_its_way(c.state)) {
        return Err(Stay::Sending(open.destination.clone()));
    }
    if facts.proof_seq.is_none_or(|seq| seq >= anchors.stored) {
        return Err(Stay::NotAnchored);
    }
    if let Some(unread) = copies().filter(counts).find(|c| c.audit < policy.audit) {
        return Err(Stay::NotAudited(unread.destination.clone()));
    }
    // Without its length and its health a clip is a gap in its case for ever.
    if !clip.probed && now_ms < facts.sealed_ms.saturating_add(LOOKED_AT_WITHIN_MS) {
        return Err(Stay::NotLookedAt);
    }
    let kept_until = facts.sealed_ms.saturating_add(policy.keep_ms);
    if now_ms < kept_until {
        return Err(Stay::NotBefore(kept_until));
    }
    let of_age = policy.after_ms.is_some_and(|after| now_ms >= facts.sealed_ms.saturating_add(after));
    if !room_wanted && !of_age {
        return Err(Stay::Room);
    }
    // The rule of the facets alone, said in one place: whatever is decided here can only be stricter.
    if may_evict(clip) { Ok(()) } else { Err(Stay::NotProven) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clip::{DeliveryFacts, SightingState};

    const ANCHORED: Anchors = Anchors { signed: 9, stored: 9 };

    fn copy(destination: &str, required: bool, off_box: bool) -> EvictCopy {
        let destination = destination.to_owned();
        EvictCopy { destination, state: Delivery::Proven, required, off_box, configured: true, audit: Audit::None }
    }

    fn facts(copies: Vec<EvictCopy>) -> EvictFacts {
        let deliveries = copies.iter().map(|c| DeliveryFacts {
            state: c.state,
            required: c.required,
            off_box: c.off_box,
            retry: None,
            next_try_ms: 0,
        });
        let clip = ClipFacts {
            local: Some(Local::Sealed),
            sightings: vec![SightingState::Present],
            deliveries: deliveries.collect(),
            held: false,
            quarantined: false,
            isolated: false,
            probed: true,
            record_rev: 1,
            record_stale: false,
        };
        EvictFacts { clip, sealed_ms: 1_000, proof_seq: Some(8), copies }
    }

    #[test]
    fn decisions_as_a_table() {
        let policy = EvictPolicy { keep_ms: 100, after_ms: Some(1_000), audit: Audit::None };
        let good = facts(vec![copy("a", true, true)]);
        let with = |change: &dyn Fn(&mut EvictFacts)| {
            let mut other = good.clone();
            change(&mut other);
            other
        };
        let second = |state| facts(vec![copy("a", true, true), EvictCopy { state, ..copy("b", false, true) }]);
        let table: Vec<(EvictFacts, Result<(), Stay>)> = vec![
            (good.clone(), Ok(())),
            (with(&|f| f.clip.local = Some(Local::Damaged)), Err(Stay::NotSealed)),
            (with(&|f| f.clip.local = Some(Local::Evicted)), Err(Stay::NotSealed)),
            (with(&|f| f.clip.held = true), Err(Stay::Held)),
            (with(&|f| f.clip.isolated = true), Err(Stay::Isolated)),
            (with(&|f| f.clip.quarantined = true), Err(Stay::Quarantined)),
            (with(&|f| f.proof_seq = Some(9)), Err(Stay::NotAnchored)),
            (with(&|f| f.proof_seq = None), Err(Stay::NotAnchored)),
            (with(&|f| f.copies[0].state = Delivery::Suspect), Err(Stay::NotProven)),
            (with(&|f| f.copies[0].configured = false), Err(Stay::OnlyOnThisBox)),
            (facts(vec![copy("a", true, false)]), Err(Stay::OnlyOnThisBox)),
            // One that nobody asks for protects nothing that is promised.
            (facts(vec![copy("a", true, false), copy("b", false, true)]), Err(Stay::OnlyOnThisBox)),
            (facts(vec![copy("a", true, false), copy("b", true, true)]), Ok(())),
            (facts(vec![copy("a", false, true)]), Err(Stay::NotProven)),
            (facts(vec![]), Err(Stay::NotProven)),
            (second(Delivery::Sending), Err(Stay::Sending("b".into()))),
            (second(Delivery::Failed), Ok(())),
        ];
        for (facts, wanted) in table {
            assert_eq!(decide(Some(&policy), &facts, ANCHORED, true, 5_000), wanted, "{facts:?}");
        }
        assert_eq!(decide(None, &good, ANCHORED, true, 5_000), Err(Stay::NoPolicy));
        let unseen = with(&|f| f.clip.probed = false);
        assert_eq!(decide(Some(&policy), &unseen, ANCHORED, true, 5_000), Err(Stay::NotLookedAt));
        let late = 1_000 + LOOKED_AT_WITHIN_MS;
        assert_eq!(decide(Some(&policy), &unseen, ANCHORED, true, late), Ok(()), "it waits for no worker for ever");
        assert_eq!(decide(Some(&policy), &good, ANCHORED, true, 1_099), Err(Stay::NotBefore(1_100)));
        assert_eq!(decide(Some(&policy), &good, ANCHORED, false, 1_999), Err(Stay::Room));
        assert_eq!(decide(Some(&policy), &good, ANCHORED, false, 2_000), Ok(()), "its age alone");
    }

    #[test]
    fn an_audit_is_asked_for_where_it_counts() {
        let policy = EvictPolicy { audit: Audit::Whole, ..EvictPolicy::default() };
        for (audit, ok) in [(Audit::None, false), (Audit::Sampled, false), (Audit::Whole, true)] {
            let near = copy("near", true, false);
            let found = facts(vec![near, EvictCopy { audit, ..copy("far", true, true) }]);
            let decided = decide(Some(&policy), &found, ANCHORED, true, 5_000);
            assert_eq!(decided, if ok { Ok(()) } else { Err(Stay::NotAudited("far".into())) });
        }
        for word in Audit::WORDS {
            assert_eq!(Audit::parse(word).map(Audit::as_str), Some(*word));
        }
    }

    fn any_copy() -> impl Strategy<Value = EvictCopy> {
        use Delivery::{Failed, Proven, Sending, Sent, Suspect, Waiting};
        let state = prop_oneof![6 => Just(Proven), 1 => Just(Waiting), 1 => Just(Sending), 1 => Just(Sent), 1 => Just(Suspect), 1 => Just(Failed)];
        let audit = prop_oneof![Just(Audit::None), Just(Audit::Sampled), Just(Audit::Whole)];
        (state, any::<bool>(), any::<bool>(), any::<bool>(), audit).prop_map(
            |(state, required, off_box, configured, audit)| EvictCopy {
                state,
                configured,
                audit,
                ..copy("d", required, off_box)
            },
        )
    }

    proptest! {
        /// Whatever is stored: what goes satisfies invariant 3, told in other words than the rule's.
        #[test]
        fn nothing_goes_that_is_not_safe_elsewhere(
            copies in proptest::collection::vec(any_copy(), 0..4),
            local in prop_oneof![Just(Local::Sealed), Just(Local::Evicted), Just(Local::Damaged), Just(Local::Copying)],
            (held, quarantined, isolated, room) in any::<(bool, bool, bool, bool)>(),
            (proof, stored) in (0u64..4, 0u64..4),
            now in 0i64..3_000,
        ) {
            let mut found = facts(copies);
            (found.clip.local, found.clip.held) = (Some(local), held);
            (found.clip.quarantined, found.clip.isolated) = (quarantined, isolated);
            found.proof_seq = Some(proof);
            let policy = EvictPolicy { keep_ms: 500, after_ms: None, audit: Audit::Sampled };
            let anchors = Anchors { signed: stored, stored };
            if decide(Some(&policy), &found, anchors, room, now).is_ok() {
                prop_assert!(local == Local::Sealed && !held && !quarantined && !isolated && room);
                prop_assert!(proof < stored && now >= 1_500);
                prop_assert!(found.copies.iter().filter(|c| c.required).all(|c| c.state == Delivery::Proven));
                let elsewhere = |c: &EvictCopy| c.required && c.off_box && c.configured && c.audit != Audit::None;
                prop_assert!(found.copies.iter().any(elsewhere));
            }
        }
    }
}
