//! Giving space on a recorder back: what must be so before a file there is erased, and the next step towards it.
//! Pure; whoever executes reports back what came of a step and asks again.
//!
//! Invariant 2. A file is erased only when all of this holds at the same time: a policy is written for its recorder;
//! it is a recording, listed now exactly as it was when its clip was sealed; the clip's copy is whole, neither damaged
//! nor in quarantine nor on hold; it is proven at every required destination, of which at least one is not on this
//! station's own device; the waits are over; its whole file was read from the recorder a second time in this very
//! stay and has the sealed digest; the intent is in the log; and, unless the policy asks for less, all of this stands
//! in a checkpoint that was stored off this box.

use std::fmt;

use super::clip::{Local, SightingState};
use super::time::UtcMs;

/// What must be stored before a recorder's copy may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// Proven, and the events that say so, the intent included, inside a checkpoint that stands off this box.
    #[default]
    Anchored,
    /// Proven, and the intent inside a signed checkpoint that is on its way.
    Proven,
}

impl Demand {
    /// Every word of the configuration.
    pub const WORDS: &'static [&'static str] = &["anchored", "proven"];

    /// The word as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Proven => "proven",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "anchored" => Some(Self::Anchored),
            "proven" => Some(Self::Proven),
            _ => None,
        }
    }
}

/// The policy for one recorder. Without one, nothing is ever erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErasePolicy {
    /// What must be stored.
    pub demand: Demand,
    /// Wait after the last proof, milliseconds.
    pub delay_ms: i64,
    /// Wait after the clip was sealed, milliseconds.
    pub keep_ms: i64,
}

/// How the recorder lists the file now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// With the length and time with which it was taken.
    Same,
    /// Otherwise: it was written to, or is another file.
    Changed,
    /// Not at all, in a listing that reaches its place.
    Absent,
    /// Its place could not be listed: nothing is known.
    Unseen,
}

/// What reading the whole file a second time gave, in this stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reread {
    /// It was not read again yet.
    NotYet,
    /// It has the sealed digest and length.
    Same,
    /// It has other bytes, or could not be read.
    Differs,
}

/// A copy at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCopy {
    /// The destination's name.
    pub destination: String,
    /// "Proven" needs it.
    pub required: bool,
    /// Known by probing not to be on the vault's own device; one that was never probed is not.
    pub off_box: bool,
    /// When it was proven; `None` while it is not.
    pub proven_ms: Option<i64>,
}

/// Everything that a decision about one file on a recorder depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseFacts {
    /// The facet of this sighting.
    pub sighting: SightingState,
    /// How it is listed now.
    pub listed: Listed,
    /// It is a recording, and not a log, a binding file or what else keeps a recorder working.
    pub recording: bool,
    /// The local copy.
    pub local: Local,
    /// The sealed length is the listed one.
    pub same_size: bool,
    /// Places of it could not be read: the recorder may hold more than we do.
    pub holes: bool,
    /// A hold stands.
    pub held: bool,
    /// A quarantine flag stands.
    pub quarantined: bool,
    /// When it was sealed, milliseconds since the Unix epoch.
    pub sealed_ms: Option<i64>,
    /// Copies at destinations.
    pub copies: Vec<RemoteCopy>,
    /// Position in the log of the newest event that says that it is sealed or proven.
    pub proof_seq: Option<u64>,
    /// Position in the log of the intent, while one stands.
    pub intent_seq: Option<u64>,
    /// What the second reading in this stay gave.
    pub reread: Reread,
}

/// How far the log is out of this box's hands, as numbers of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anchors {
    /// Events in the newest signed checkpoint.
    pub signed: u64,
    /// Events in the newest checkpoint that is stored at a destination which is not on the vault's own device.
    pub stored: u64,
}

/// What has to be done next for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EraseStep {
    /// It stays on the recorder.
    Keep(Refusal),
    /// Read all of it again and compare it with the sealed digest.
    Reread,
    /// Log that it is about to be erased.
    Intend,
    /// Sign a checkpoint over the intent, and wait until it is where the policy wants it.
    Anchor,
    /// Erase it.
    Erase,
    /// It is gone although nobody logged that: the power failed between the erasing and its entry.
    FoundGone,
    /// An intent stands that is not carried out: take it back.
    Withdraw(Refusal),
    /// It was erased.
    Done,
}

/// Why a file stays on its recorder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No `[[erase]]` names this recorder.
    NoPolicy,
    /// The source is read-only to us.
    ReadOnly,
    /// It is no recording.
    NotRecording,
    /// It is not listed, and not erased by us.
    NotThere,
    /// It changed since it was taken.
    Changed,
    /// It is not whole in the vault.
    NotSealed,
    /// The local copy is damaged.
    Damaged,
    /// Our copy has holes.
    Holes,
    /// A hold stands.
    Held,
    /// A quarantine stands.
    Quarantined,
    /// No destination is required: nothing can prove it.
    NothingRequired,
    /// Every required destination lies on this station's own disk.
    OnlyOnThisBox,
    /// It is not proven at this required destination.
    NotProven(String),
    /// The events are not in a checkpoint off this box yet.
    NotAnchored,
    /// A wait is not over before this instant, milliseconds since the Unix epoch.
    NotBefore(i64),
    /// The second reading gave other bytes.
    Differs,
    /// The recorder was interrupted after the intent; it begins anew.
    Interrupted,
    /// Another file stands in its place now.
    Replaced,
    /// Erasing it failed.
    Failed,
    /// Erasing another file disturbed this recorder: nothing more is erased in this stay.
    Disturbed,
}

impl Refusal {
    /// The stable word for rows, events and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::ReadOnly => "read_only",
            Self::NotRecording => "not_recording",
            Self::NotThere => "not_there",
            Self::Changed => "changed",
            Self::NotSealed => "not_sealed",
            Self::Damaged => "damaged",
            Self::Holes => "holes",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::NothingRequired => "nothing_required",
            Self::OnlyOnThisBox => "only_on_this_box",
            Self::NotProven(_) => "not_proven",
            Self::NotAnchored => "not_anchored",
            Self::NotBefore(_) => "not_yet",
            Self::Differs => "differs",
            Self::Interrupted => "interrupted",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Disturbed => "disturbed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::NoPolicy => "no [[erase]] of the configuration names this recorder",
            Self::ReadOnly => "this source is read-only; [source.folder] erase = true lets a folder be erased from",
            Self::NotRecording => "it is no recording; logs and settings of a recorder are left to it",
            Self::NotThere => "it is no longer on the recorder, and was not erased by us",
            Self::Changed => "it changed since it was taken; it is taken in again first",
            Self::NotSealed => "it is not sealed yet",
            Self::Damaged => "its copy in the vault is damaged; the recorder's may be the last good one",
            Self::Holes => "places of it could not be read; the recorder may yet give them",
            Self::Held => "a hold stands (review or lawsuit)",
            Self::Quarantined => "it is in quarantine; a person must look first",
            Self::NothingRequired => {
                "no destination is required, so that nothing proves it; set required = true at one off this box"
            }
            Self::OnlyOnThisBox => {
                "every required destination lies on this station's own disk and would be lost together with it; add one that does not"
            }
            Self::NotProven(destination) => return write!(f, "it is not proven at {destination} yet"),
            Self::NotAnchored => "the log's entries about it are not in a checkpoint off this box yet",
            Self::NotBefore(ms) => return write!(f, "the policy waits until {}", UtcMs(*ms).rfc3339()),
            Self::Differs => {
                "read a second time, the recorder's file is not what was sealed; it stays, and a person must look"
            }
            Self::Interrupted => "erasing was interrupted before it began; it is tried again",
            Self::Replaced => "another file stands in its place now",
            Self::Failed => "the recorder did not erase it",
            Self::Disturbed => "erasing changed other files of this recorder; nothing more is erased from it here",
        };
        f.write_str(words)
    }
}

/// Why a copy does not allow erasing, if it does not: everything but the recorder's own file and the log.
fn refused(policy: &ErasePolicy, facts: &EraseFacts, now_ms: i64) -> Option<Refusal> {
    if !facts.recording {
        return Some(Refusal::NotRecording);
    }
    match facts.local {
        Local::Copying => return Some(Refusal::NotSealed),
        Local::Damaged => return Some(Refusal::Damaged),
        Local::Sealed | Local::Evicted => {}
    }
    if !facts.same_size {
        return Some(Refusal::Changed);
    }
    if facts.holes {
        return Some(Refusal::Holes);
    }
    if facts.held {
        return Some(Refusal::Held);
    }
    if facts.quarantined {
        return Some(Refusal::Quarantined);
    }
    let required: Vec<&RemoteCopy> = facts.copies.iter().filter(|c| c.required).collect();
    if required.is_empty() {
        return Some(Refusal::NothingRequired);
    }
    if required.iter().all(|c| !c.off_box) {
        return Some(Refusal::OnlyOnThisBox);
    }
    if let Some(open) = required.iter().find(|c| c.proven_ms.is_none()) {
        return Some(Refusal::NotProven(open.destination.clone()));
    }
    let proven_ms = required.iter().filter_map(|c| c.proven_ms).max();
    let (Some(proven_ms), Some(sealed_ms)) = (proven_ms, facts.sealed_ms) else { return Some(Refusal::NotSealed) };
    let due = proven_ms.saturating_add(policy.delay_ms).max(sealed_ms.saturating_add(policy.keep_ms));
    (now_ms < due).then_some(Refusal::NotBefore(due))
}

/// The next step for a file. `now_ms` in milliseconds since the Unix epoch.
pub fn next_step(policy: Option<&ErasePolicy>, facts: &EraseFacts, anchors: Anchors, now_ms: i64) -> EraseStep {
    let refusal = || match policy {
        None => Some(Refusal::NoPolicy),
        Some(policy) => refused(policy, facts, now_ms),
    };
    let demand = policy.map_or(Demand::Anchored, |p| p.demand);
    let covered = |seq: u64, by: Demand| match by {
        Demand::Anchored => seq < anchors.stored,
        Demand::Proven => seq < anchors.signed,
    };
    match (facts.sighting, facts.intent_seq) {
        (SightingState::Erased, _) => EraseStep::Done,
        (SightingState::Gone, _) => EraseStep::Keep(Refusal::NotThere),
        (SightingState::EraseIntended, Some(intent)) => match facts.listed {
            Listed::Absent => EraseStep::FoundGone,
            Listed::Changed => EraseStep::Withdraw(Refusal::Replaced),
            // What cannot be seen can neither be finished nor taken back.
            Listed::Unseen => EraseStep::Keep(Refusal::Interrupted),
            Listed::Same => match (refusal(), facts.reread) {
                (Some(why), _) => EraseStep::Withdraw(why),
                (None, Reread::Differs) => EraseStep::Withdraw(Refusal::Differs),
                // The intent is of an earlier stay or run: what was read then says nothing of the file now.
                (None, Reread::NotYet) => EraseStep::Withdraw(Refusal::Interrupted),
                (None, Reread::Same) if covered(intent, demand) => EraseStep::Erase,
                (None, Reread::Same) => EraseStep::Anchor,
            },
        },
        (SightingState::EraseIntended, None) => EraseStep::Withdraw(Refusal::Interrupted),
        (SightingState::Present, _) => match facts.listed {
            Listed::Absent | Listed::Unseen => EraseStep::Keep(Refusal::NotThere),
            Listed::Changed => EraseStep::Keep(Refusal::Changed),
            Listed::Same => match (refusal(), facts.reread) {
                (Some(why), _) => EraseStep::Keep(why),
                // An intent is not logged while nothing can be anchored: it would stand for days.
                (None, _) if demand == Demand::Anchored && !facts.proof_seq.is_some_and(|s| covered(s, demand)) => {
                    EraseStep::Keep(Refusal::NotAnchored)
                }
                (None, Reread::NotYet) => EraseStep::Reread,
                (None, Reread::Differs) => EraseStep::Keep(Refusal::Differs),
                (None, Reread::Same) => EraseStep::Intend,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copy(required: bool, off_box: bool, proven_ms: Option<i64>) -> RemoteCopy {
        RemoteCopy { destination: "cloud".into(), required, off_box, proven_ms }
    }

    /// A file of which everything is as it must be, before the second reading.
    fn ready() -> EraseFacts {
        EraseFacts {
            sighting: SightingState::Present,
            listed: Listed::Same,
            recording: true,
            local: Local::Sealed,
            same_size: true,
            holes: false,
            held: false,
            quarantined: false,
            sealed_ms: Some(1_000),
            copies: vec![copy(true, true, Some(2_000))],
            proof_seq: Some(10),
            intent_seq: None,
            reread: Reread::NotYet,
        }
    }

    const POLICY: ErasePolicy = ErasePolicy { demand: Demand::Anchored, delay_ms: 500, keep_ms: 0 };
    const ANCHORS: Anchors = Anchors { signed: 11, stored: 11 };

    #[test]
    fn the_whole_way() {
        let step = |facts: &EraseFacts, anchors| next_step(Some(&POLICY), facts, anchors, 10_000);
        let mut facts = ready();
        assert_eq!(step(&facts, ANCHORS), EraseStep::Reread);
        facts.reread = Reread::Same;
        assert_eq!(step(&facts, ANCHORS), EraseStep::Intend);
        (facts.sighting, facts.intent_seq) = (SightingState::EraseIntended, Some(20));
        assert_eq!(step(&facts, ANCHORS), EraseStep::Anchor);
        assert_eq!(step(&facts, Anchors { signed: 21, stored: 20 }), EraseStep::Anchor, "signed is not stored");
        assert_eq!(step(&facts, Anchors { signed: 21, stored: 21 }), EraseStep::Erase);
        let less = ErasePolicy { demand: Demand::Proven, ..POLICY };
        assert_eq!(next_step(Some(&less), &facts, Anchors { signed: 21, stored: 0 }, 10_000), EraseStep::Erase);
        assert_eq!(next_step(Some(&less), &facts, Anchors { signed: 20, stored: 0 }, 10_000), EraseStep::Anchor);
        facts.sighting = SightingState::Erased;
        assert_eq!(step(&facts, ANCHORS), EraseStep::Done);
    }

    #[test]
    fn each_thing_that_is_missing_keeps_the_file() {
        type Change = fn(&mut EraseFacts);
        let table: [(&str, Change); 18] = [
            ("not_recording", |f| f.recording = false),
            ("not_sealed", |f| f.local = Local::Copying),
            ("damaged", |f| f.local = Local::Damaged),
            ("changed", |f| f.same_size = false),
            ("changed", |f| f.listed = Listed::Changed),
            ("not_there", |f| f.listed = Listed::Absent),
            ("not_there", |f| f.listed = Listed::Unseen),
            ("not_there", |f| f.sighting = SightingState::Gone),
            ("holes", |f| f.holes = true),
            ("held", |f| f.held = true),
            ("quarantined", |f| f.quarantined = true),
            ("nothing_required", |f| f.copies.clear()),
            ("nothing_required", |f| f.copies[0].required = false),
            ("only_on_this_box", |f| f.copies[0].off_box = false),
            ("not_proven", |f| f.copies.push(RemoteCopy { proven_ms: None, ..copy(true, true, None) })),
            ("not_proven", |f| f.copies.push(copy(true, false, None))),
            ("not_anchored", |f| f.proof_seq = Some(11)),
            ("differs", |f| f.reread = Reread::Differs),
        ];
        for (code, change) in table {
            let mut facts = ready();
            change(&mut facts);
            match next_step(Some(&POLICY), &facts, ANCHORS, 10_000) {
                EraseStep::Keep(why) => assert_eq!(why.code(), code),
                step => panic!("{code}: {step:?}"),
            }
        }
        let at = |policy: Option<&ErasePolicy>, now_ms| next_step(policy, &ready(), ANCHORS, now_ms);
        assert_eq!(at(None, 10_000), EraseStep::Keep(Refusal::NoPolicy));
        assert_eq!(at(Some(&POLICY), 2_499), EraseStep::Keep(Refusal::NotBefore(2_500)));
        assert_eq!(at(Some(&POLICY), 2_500), EraseStep::Reread);
        let kept = ErasePolicy { keep_ms: 8_000, ..POLICY };
        assert_eq!(at(Some(&kept), 8_999), EraseStep::Keep(Refusal::NotBefore(9_000)));
        let mut beside = ready();
        beside.copies.push(copy(true, false, Some(2_000)));
        beside.copies.push(copy(false, true, None));
        assert_eq!(next_step(Some(&POLICY), &beside, ANCHORS, 10_000), EraseStep::Reread, "one off the box is enough");
    }

    #[test]
    fn an_interrupted_erase_is_settled_by_what_stands_on_the_recorder() {
        let left = |listed, reread| EraseFacts {
            sighting: SightingState::EraseIntended,
            intent_seq: Some(20),
            listed,
            reread,
            ..ready()
        };
        let step = |facts: &EraseFacts| next_step(Some(&POLICY), facts, Anchors { signed: 30, stored: 30 }, 10_000);
        assert_eq!(step(&left(Listed::Absent, Reread::NotYet)), EraseStep::FoundGone);
        assert_eq!(step(&left(Listed::Changed, Reread::NotYet)), EraseStep::Withdraw(Refusal::Replaced));
        assert_eq!(step(&left(Listed::Same, Reread::NotYet)), EraseStep::Withdraw(Refusal::Interrupted));
        assert_eq!(step(&left(Listed::Unseen, Reread::NotYet)), EraseStep::Keep(Refusal::Interrupted));
        let held = EraseFacts { held: true, ..left(Listed::Same, Reread::Same) };
        assert_eq!(step(&held), EraseStep::Withdraw(Refusal::Held), "a hold that came in between counts");
        let gone = left(Listed::Absent, Reread::Same);
        assert_eq!(next_step(None, &gone, ANCHORS, 0), EraseStep::FoundGone, "whatever the configuration says now");
        assert_eq!(
            next_step(None, &left(Listed::Same, Reread::Same), ANCHORS, 0),
            EraseStep::Withdraw(Refusal::NoPolicy)
        );
    }

    fn copies() -> impl Strategy<Value = Vec<RemoteCopy>> {
        let one = (any::<bool>(), any::<bool>(), proptest::option::of(0i64..4_000))
            .prop_map(|(required, off_box, proven_ms)| copy(required, off_box, proven_ms));
        proptest::collection::vec(one, 0..4)
    }

    fn any_facts() -> impl Strategy<Value = EraseFacts> {
        use {Listed::*, Local::*, SightingState::*};
        // Mostly as it must be, or nothing would ever come so far.
        let mostly = || prop_oneof![9 => Just(false), 1 => Just(true)];
        let sighting = prop_oneof![Just(Present), Just(Gone), Just(EraseIntended), Just(Erased)];
        let listed = prop_oneof![6 => Just(Same), 1 => Just(Changed), 1 => Just(Absent), 1 => Just(Unseen)];
        let local = prop_oneof![6 => Just(Sealed), 1 => Just(Evicted), 1 => Just(Copying), 1 => Just(Damaged)];
        let reread = prop_oneof![1 => Just(Reread::NotYet), 3 => Just(Reread::Same), 1 => Just(Reread::Differs)];
        let seqs = (proptest::option::of(0u64..30), proptest::option::of(0u64..30), proptest::option::of(0i64..4_000));
        (sighting, listed, local, reread, (mostly(), mostly(), mostly(), mostly(), mostly()), copies(), seqs).prop_map(
            |(sighting, listed, local, reread, odd, copies, (proof_seq, intent_seq, sealed_ms))| EraseFacts {
                sighting,
                listed,
                recording: !odd.0,
                local,
                same_size: !odd.1,
                holes: odd.2,
                held: odd.3,
                quarantined: odd.4,
                sealed_ms,
                copies,
                proof_seq,
                intent_seq,
                reread,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// Whatever the facts are: nothing is erased of which any proof is missing.
        #[test]
        fn nothing_is_erased_without_every_proof(
            facts in any_facts(), signed in 0u64..30, stored in 0u64..30, now_ms in 0i64..8_000,
            policy in proptest::option::of((any::<bool>(), 0i64..2_000, 0i64..2_000)),
        ) {
            let policy = policy.map(|(anchored, delay_ms, keep_ms)| ErasePolicy {
                demand: if anchored { Demand::Anchored } else { Demand::Proven }, delay_ms, keep_ms,
            });
            let step = next_step(policy.as_ref(), &facts, Anchors { signed, stored }, now_ms);
            if matches!(step, EraseStep::Erase | EraseStep::Intend) {
                let policy = policy.expect("a policy");
                let required: Vec<_> = facts.copies.iter().filter(|c| c.required).collect();
                prop_assert!(required.iter().all(|c| c.proven_ms.is_some()));
                prop_assert!(required.iter().any(|c| c.off_box));
                prop_assert!(required.iter().all(|c| c.proven_ms.unwrap() + policy.delay_ms <= now_ms));
                prop_assert!(facts.sealed_ms.unwrap() + policy.keep_ms <= now_ms);
                prop_assert!(matches!(facts.local, Local::Sealed | Local::Evicted));
                prop_assert!(facts.recording && facts.same_size && !facts.holes && !facts.held && !facts.quarantined);
                prop_assert_eq!((facts.listed, facts.reread), (Listed::Same, Reread::Same));
                if step == EraseStep::Erase {
                    prop_assert_eq!(facts.sighting, SightingState::EraseIntended);
                    let intent = facts.intent_seq.unwrap();
                    let covered = if policy.demand == Demand::Anchored { stored } else { signed };
                    prop_assert!(intent < covered);
                }
            }
            // What is no longer there is never read, intended or erased again.
            if facts.listed != Listed::Same {
                prop_assert!(!matches!(step, EraseStep::Reread | EraseStep::Intend | EraseStep::Anchor | EraseStep::Erase));
            }
        }
    }
}
