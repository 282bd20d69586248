//! A clip's custody as four independent facets, the one word that people see, and the next step.
//!
//! What is stored are facts that change independently (`architecture.md`, "A clip's custody"). The
//! projection and the planner are pure, so that start-up after a crash is the same code as normal work.

use super::error::Retry;

/// The local copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Local {
    /// Bytes are arriving in a `.part` file.
    Copying,
    /// The whole file stands in the vault with the recorded length and digest (invariant 1).
    Sealed,
    /// Removed here after it was proven elsewhere (invariant 3).
    Evicted,
    /// The file no longer matches its digest, or is gone without an eviction.
    Damaged,
}

/// The copy on one recorder, seen at one dock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SightingState {
    /// Still on the recorder when last seen.
    Present,
    /// No longer on the recorder, and not erased by us.
    Gone,
    /// We have logged that we are about to erase it.
    EraseIntended,
    /// Erased by us, with proof (invariant 2).
    Erased,
}

/// The copy at one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Nothing sent yet.
    Waiting,
    /// A session is open or parts are going up.
    Sending,
    /// The destination accepted everything, but nothing was compared yet ("sent, unproven").
    Sent,
    /// A checksum computed by the remote, or our own read-back, equals ours (invariant 5).
    Proven,
    /// Once sent or proven, and a later check disagreed.
    Suspect,
    /// Stopped; the reason stands beside it.
    Failed,
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word stored in the database and shown in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the stored word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(Local { Copying => "copying", Sealed => "sealed", Evicted => "evicted", Damaged => "damaged" });
words!(SightingState { Present => "present", Gone => "gone", EraseIntended => "erase_intended", Erased => "erased" });
words!(Delivery { Waiting => "waiting", Sending => "sending", Sent => "sent", Proven => "proven", Suspect => "suspect", Failed => "failed" });
words!(ClipState { Seen => "seen", Copying => "copying", Sealed => "sealed", Sending => "sending", Proven => "proven", Released => "released" });
words!(ProofLevel { RemoteChecksum => "remote_checksum", ReadBack => "read_back", LengthOnly => "length_only", None => "none" });

/// How a destination lets us compare bytes (decision 6), weakest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofLevel {
    /// The remote computes a checksum of what it holds and refuses wrong ones; probed, not assumed.
    RemoteChecksum,
    /// We read everything back and hash it ourselves.
    ReadBack,
    /// Only a length can be compared: never proven.
    LengthOnly,
    /// Nothing can be compared: never proven.
    None,
}

impl ProofLevel {
    /// Whether this level makes a clip proven (decision 6).
    pub fn proves(self) -> bool {
        matches!(self, Self::RemoteChecksum | Self::ReadBack)
    }
}

/// The one word for a clip in code, page, API and docs: a projection of the facets, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClipState {
    /// Listed on a recorder; no byte copied yet.
    Seen,
    /// Being copied.
    Copying,
    /// In the vault, verified.
    Sealed,
    /// On its way to at least one destination.
    Sending,
    /// Proven at every required destination.
    Proven,
    /// Proven, and on no recorder any more since we erased it.
    Released,
}

/// A clip's delivery to one destination, as the planner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFacts {
    /// The facet.
    pub state: Delivery,
    /// Whether policy requires this destination for "proven".
    pub required: bool,
    /// A destination on the vault's own device satisfies neither erase nor eviction (invariant 3).
    pub off_box: bool,
    /// Who can lift a failure.
    pub retry: Option<Retry>,
    /// Not before this instant, milliseconds since the Unix epoch.
    pub next_try_ms: i64,
}

/// Everything about one clip that a decision may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipFacts {
    /// The local copy; `None` while the file is only listed.
    pub local: Option<Local>,
    /// Copies on recorders.
    pub sightings: Vec<SightingState>,
    /// Copies at destinations.
    pub deliveries: Vec<DeliveryFacts>,
    /// A hold stands.
    pub held: bool,
    /// A quarantine flag stands.
    pub quarantined: bool,
    /// Suspected classified: shown to nobody, sent nowhere, given up nowhere.
    pub isolated: bool,
    /// The media worker has looked at it (whatever it found).
    pub probed: bool,
    /// The newest record revision, 0 where none was made.
    pub record_rev: u32,
    /// Facts changed after the newest record revision.
    pub record_stale: bool,
}

/// What has to be done next for a clip; tasks only execute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copy it from a recorder (needs one that is docked), or resume the copy.
    Copy,
    /// Probe it and make the thumbnail.
    Probe,
    /// Publish a new revision of the record.
    PublishRecord,
    /// Send it, or go on sending it, to the destination with this index.
    Send(usize),
    /// Compare what the destination with this index holds with ours.
    Prove(usize),
    /// A person has to look at it.
    WaitForPerson,
    /// Nothing before this instant, milliseconds since the Unix epoch.
    WaitUntil(i64),
    /// Nothing to do now.
    Rest,
}

/// The one word for these facts.
pub fn project(facts: &ClipFacts) -> ClipState {
    let Some(local) = facts.local else { return ClipState::Seen };
    if local == Local::Copying {
        return ClipState::Copying;
    }
    let mut required = facts.deliveries.iter().filter(|d| d.required).peekable();
    let any_required = required.peek().is_some();
    if any_required && required.all(|d| d.state == Delivery::Proven) {
        // On no recorder any more, and from at least one of them by our doing: what somebody else took off is not ours to tell.
        let gone = |s: &SightingState| matches!(s, SightingState::Erased | SightingState::Gone);
        let erased = facts.sightings.contains(&SightingState::Erased) && facts.sightings.iter().all(gone);
        return if erased { ClipState::Released } else { ClipState::Proven };
    }
    let moving = |d: &DeliveryFacts| {
        matches!(d.state, Delivery::Sending | Delivery::Sent | Delivery::Suspect | Delivery::Proven)
    };
    if facts.deliveries.iter().any(moving) { ClipState::Sending } else { ClipState::Sealed }
}

/// The next step for a clip. `now_ms` in milliseconds since the Unix epoch.
pub fn next_step(facts: &ClipFacts, now_ms: i64) -> Step {
    match facts.local {
        None | Some(Local::Copying) => return Step::Copy,
        Some(Local::Damaged) => return Step::WaitForPerson,
        Some(Local::Sealed | Local::Evicted) => {}
    }
    if facts.quarantined || facts.isolated {
        return Step::WaitForPerson;
    }
    // Others must be able to see "not sent yet": the record comes before the first byte goes up.
    if facts.record_rev == 0 || facts.record_stale {
        return Step::PublishRecord;
    }
    if !facts.probed && facts.local == Some(Local::Sealed) {
        return Step::Probe;
    }
    let mut wait_until = None::<i64>;
    let mut person = false;
    for (index, delivery) in facts.deliveries.iter().enumerate() {
        let due = delivery.next_try_ms <= now_ms;
        match delivery.state {
            Delivery::Proven => {}
            Delivery::Failed if matches!(delivery.retry, Some(Retry::Operator | Retry::Permanent)) => person = true,
            Delivery::Waiting | Delivery::Sending | Delivery::Failed if due && facts.local == Some(Local::Sealed) => {
                return Step::Send(index);
            }
            Delivery::Sent | Delivery::Suspect if due => return Step::Prove(index),
            Delivery::Waiting | Delivery::Sending | Delivery::Failed if facts.local == Some(Local::Evicted) => {
                person = true
            }
            _ => wait_until = Some(wait_until.map_or(delivery.next_try_ms, |w| w.min(delivery.next_try_ms))),
        }
    }
    match wait_until {
        Some(at) => Step::WaitUntil(at),
        None if person => Step::WaitForPerson,
        None => Step::Rest,
    }
}

/// Whether the local copy may go (invariant 3): proven at every required destination, at least one of
/// them off this box, no hold, no quarantine, not isolated. `domain::evict` adds what a policy asks for.
pub fn may_evict(facts: &ClipFacts) -> bool {
    let proven_off_box = facts.deliveries.iter().any(|d| d.off_box && d.state == Delivery::Proven);
    facts.local == Some(Local::Sealed)
        && !facts.held
        && !facts.quarantined
        && !facts.isolated
        && matches!(project(facts), ClipState::Proven | ClipState::Released)
        && proven_off_box
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(state: Delivery) -> DeliveryFacts {
        DeliveryFacts { state, required: true, off_box: true, retry: None, next_try_ms: 0 }
    }

    fn sealed(deliveries: Vec<DeliveryFacts>) -> ClipFacts {
        ClipFacts {
            local: Some(Local::Sealed),
            sightings: vec![SightingState::Present],
            deliveries,
            held: false,
            quarantined: false,
            isolated: false,
            probed: true,
            record_rev: 1,
            record_stale: false,
        }
    }

    #[test]
    fn the_word_follows_the_facets() {
        use ClipState as S;
        let table = [
            (ClipFacts { local: None, ..sealed(vec![]) }, S::Seen),
            (ClipFacts { local: Some(Local::Copying), ..sealed(vec![]) }, S::Copying),
            (sealed(vec![]), S::Sealed),
            (sealed(vec![delivery(Delivery::Waiting)]), S::Sealed),
            (sealed(vec![delivery(Delivery::Failed)]), S::Sealed),
            (sealed(vec![delivery(Delivery::Sending)]), S::Sending),
            (sealed(vec![delivery(Delivery::Sent)]), S::Sending),
            (sealed(vec![delivery(Delivery::Suspect)]), S::Sending),
            (sealed(vec![delivery(Delivery::Proven), delivery(Delivery::Waiting)]), S::Sending),
            (sealed(vec![delivery(Delivery::Proven)]), S::Proven),
            (
                ClipFacts { sightings: vec![SightingState::Erased], ..sealed(vec![delivery(Delivery::Proven)]) },
                S::Released,
            ),
            (
                ClipFacts {
                    sightings: vec![SightingState::Erased, SightingState::Gone],
                    ..sealed(vec![delivery(Delivery::Proven)])
                },
                S::Released,
            ),
            (ClipFacts { sightings: vec![SightingState::Gone], ..sealed(vec![delivery(Delivery::Proven)]) }, S::Proven),
            (
                ClipFacts {
                    sightings: vec![SightingState::Erased, SightingState::EraseIntended],
                    ..sealed(vec![delivery(Delivery::Proven)])
                },
                S::Proven,
            ),
            (
                ClipFacts {
                    sightings: vec![SightingState::Erased, SightingState::Present],
                    ..sealed(vec![delivery(Delivery::Proven)])
                },
                S::Proven,
            ),
        ];
        for (facts, word) in table {
            assert_eq!(project(&facts), word, "{facts:?}");
        }
        let optional = DeliveryFacts { required: false, ..delivery(Delivery::Proven) };
        assert_ne!(project(&sealed(vec![optional])), S::Proven, "without a required destination nothing is proven");
    }

    #[test]
    fn steps_come_in_the_order_that_keeps_others_informed() {
        let fresh = ClipFacts { record_rev: 0, probed: false, ..sealed(vec![delivery(Delivery::Waiting)]) };
        assert_eq!(next_step(&fresh, 0), Step::PublishRecord);
        assert_eq!(next_step(&ClipFacts { record_rev: 1, ..fresh.clone() }, 0), Step::Probe);
        assert_eq!(next_step(&sealed(vec![delivery(Delivery::Waiting)]), 0), Step::Send(0));
        assert_eq!(next_step(&sealed(vec![delivery(Delivery::Proven), delivery(Delivery::Sent)]), 0), Step::Prove(1));
        assert_eq!(next_step(&sealed(vec![delivery(Delivery::Proven)]), 0), Step::Rest);
        assert_eq!(next_step(&ClipFacts { quarantined: true, ..fresh }, 0), Step::WaitForPerson);
    }

    #[test]
    fn failures_wait_for_time_or_for_a_person() {
        let later = DeliveryFacts { retry: Some(Retry::Transient), next_try_ms: 500, ..delivery(Delivery::Failed) };
        assert_eq!(next_step(&sealed(vec![later.clone()]), 0), Step::WaitUntil(500));
        assert_eq!(next_step(&sealed(vec![later]), 500), Step::Send(0));
        let operator = DeliveryFacts { retry: Some(Retry::Operator), ..delivery(Delivery::Failed) };
        assert_eq!(next_step(&sealed(vec![operator]), 0), Step::WaitForPerson);
    }

    #[test]
    fn nothing_is_evicted_for_a_copy_on_the_same_device() {
        let mut facts = sealed(vec![delivery(Delivery::Proven)]);
        assert!(may_evict(&facts));
        facts.deliveries[0].off_box = false;
        assert!(!may_evict(&facts));
        facts.deliveries[0].off_box = true;
        facts.held = true;
        assert!(!may_evict(&facts));
        (facts.held, facts.isolated) = (false, true);
        assert!(!may_evict(&facts));
        assert_eq!(next_step(&facts, 0), Step::WaitForPerson);
    }

    #[test]
    fn words_read_back() {
        for d in [
            Delivery::Waiting,
            Delivery::Sending,
            Delivery::Sent,
            Delivery::Proven,
            Delivery::Suspect,
            Delivery::Failed,
        ] {
            assert_eq!(Delivery::parse(d.as_str()), Some(d));
        }
        assert_eq!(Local::parse("gone"), None);
    }
}
