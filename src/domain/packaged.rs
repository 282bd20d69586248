//! How an evidence package of a case treats each kind of event.
//!
//! A package holds the stored bytes of the events about its clips and about its case; of an event about one of its clips that
//! names another case only the leaf hash. What an event commits to is opened where it belongs to the case, and nowhere else:
//! here it says of every kind which of both it is, so that a kind that nobody decided about does not compile.

use super::event::EventKind;

/// Which values of a kind of event a package opens, where it has the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packaged {
    /// Those of an event that names the case: what was said and decided about the case itself.
    Case,
    /// Those of an event about a clip of the package that names the case or none: what its record says of the clip.
    Clip,
    /// Those of an event that names the case; of one that names none where its clip belongs to no other case, whose business
    /// it may be.
    Alone,
    /// Those of the events of this very package: who asked for it, why and on what basis.
    Request,
    /// None: the event shows that something was done, by whom and when, and what was said at it is not the case's.
    Closed,
    /// It names neither clip nor case, so that no package has it, but for those that tell which keys signed.
    Elsewhere,
}

impl EventKind {
    /// How a package treats it.
    pub fn packaged(self) -> Packaged {
        match self {
            // What the records say, and the links by which the clips are here. Under which path a recorder had a file is in
            // the record anyway.
            Self::ClipSeen
            | Self::Annotated
            | Self::Linked
            | Self::Unlinked
            | Self::DocumentFiled
            | Self::Quarantine
            | Self::Mismatch => Packaged::Clip,
            // A hold on a clip of two cases may be for the sake of the other one.
            Self::Hold => Packaged::Alone,
            // The case: its numbers, its way through the house, what is missing of it, what was said for and against it.
            Self::CaseOpened
            | Self::CasesJoined
            | Self::CaseClosed
            | Self::CaseBound
            | Self::CaseFiled
            | Self::CaseCompared
            | Self::CaseReopened
            | Self::NoRecordSaid
            | Self::Reviewed
            | Self::ReviewNoted
            | Self::ReviewNoteWithdrawn
            | Self::ReviewOpinion
            | Self::CaseMarked
            // A suggestion is of the case that it suggests.
            | Self::SuggestionRefused
            | Self::SuggestionReopened
            // A recorder that was taken out, a room that was recorded, for the case.
            | Self::Issued
            | Self::Returned
            | Self::DeskUndone
            | Self::RecordingBegun
            | Self::RecordingEnded => Packaged::Case,
            Self::ExportAsked | Self::ExportBegun => Packaged::Request,
            // Other packages of the case, and the steps of this one.
            Self::ExportDecided
            | Self::ExportContinued
            | Self::ExportTaken
            | Self::ExportEnded
            | Self::ExportCut
            | Self::ExportGone
            // Who looked, and what for: people's own business, and the supervision's.
            | Self::ViewBegun
            | Self::ViewEnded
            | Self::VerifyAsked
            | Self::Searched
            | Self::Shown
            | Self::LogRead
            | Self::AccessRefused
            | Self::Derived
            | Self::DerivedAsked
            | Self::DerivedMade
            | Self::DerivedTaken
            | Self::DerivedGone
            // The house looks at its own work.
            | Self::SampleDrawn
            | Self::SampleJudged
            | Self::SampleAnswered
            | Self::SampleReturned
            | Self::SampleClosed
            // Why somebody took a clip for classified may be classified, also once that is lifted.
            | Self::Isolated
            | Self::IsolationLifted
            // Of a list of clips of many cases; the list says why.
            | Self::DisposalIntended
            | Self::Disposed
            | Self::CopyDisposed
            // Custody of the bytes: all that matters of it stands in clear. The words of servers do not.
            | Self::CopyAbandoned
            | Self::Duplicate
            | Self::SeenAgain
            | Self::CopyResumed
            | Self::Gap
            | Self::SegmentBegun
            | Self::SegmentEnded
            | Self::Sealed
            | Self::Probed
            | Self::RecordMade
            | Self::SendBegun
            | Self::Sent
            | Self::Proven
            | Self::SendFailed
            | Self::Retried
            | Self::Pushed
            | Self::Audited
            | Self::LockRenewed
            | Self::LegalHold
            | Self::EvictIntended
            | Self::Evicted
            | Self::Recalled
            | Self::Damaged
            | Self::Verified
            | Self::EraseIntended
            | Self::Erased
            | Self::EraseWithdrawn
            | Self::ClipRestored => Packaged::Closed,
            Self::EpochOpened
            | Self::KeyRotated
            | Self::Sm2Key
            | Self::KeyProtected
            | Self::Started
            | Self::Stopped
            | Self::Configured
            | Self::SettingsChanged
            | Self::ClockSet
            | Self::Docked
            | Self::Undocked
            | Self::Unreadable
            | Self::ClockSeen
            | Self::Paused
            | Self::Resumed
            | Self::SignedIn
            | Self::SignInRefused
            | Self::SessionEnded
            | Self::AccountMade
            | Self::AccountChanged
            | Self::TokenMade
            | Self::TokenEnded
            | Self::SampleAsked
            | Self::RosterImported
            | Self::RosterRemoved
            | Self::RegisterImported
            | Self::RegisterUndone
            // Lists of clips of many cases, with the reasons for all of them.
            | Self::DisposalAsked
            | Self::DisposalDecided
            | Self::DeviceSeen
            | Self::RecorderApproved
            | Self::RecorderRefused
            | Self::RecorderInRepair
            | Self::RecorderRetired
            | Self::DestinationTried
            | Self::BackupMade
            | Self::BackupProven
            | Self::Restored
            | Self::Superseded
            | Self::ExchangeGiven
            | Self::RecordsTold
            | Self::AlarmAcknowledged
            | Self::WitnessRefused
            | Self::WatchRefused
            | Self::WatchEpoch => Packaged::Elsewhere,
        }
    }
}

impl EventKind {
    /// Whether a package opens a value of an event whose values it opens. Why a rule took its own link back may name the case
    /// that desk or roster say instead, which is another one's business; `by_rule` where no person did it.
    pub fn opens_value(self, field: &str, by_rule: bool) -> bool {
        !(self == Self::Unlinked && by_rule && field == "reason")
    }
}

/// What an event is about, as far as a package asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// It names the package's case, by any of its numbers.
    pub this_case: bool,
    /// Its clip is in no other case, and never was.
    pub clip_of_no_other: bool,
    /// It names this package.
    pub this_package: bool,
}

impl Packaged {
    /// Whether a package opens the values of such an event, which it has: one that names another case it has not.
    pub fn opens(self, about: About) -> bool {
        match self {
            Self::Case => about.this_case,
            Self::Clip => true,
            Self::Alone => about.this_case || about.clip_of_no_other,
            Self::Request => about.this_package,
            Self::Closed | Self::Elsewhere => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What anybody may look up: each kind, and what becomes of it. A kind that moves is a decision, and changes this table.
    #[test]
    fn every_kind_has_its_place() {
        let of = |packaged: Packaged| -> Vec<&str> {
            EventKind::ALL.iter().filter(|kind| kind.packaged() == packaged).map(|kind| kind.as_str()).collect()
        };
        assert_eq!(
            of(Packaged::Clip),
            [
                "clip.seen",
                "document.filed",
                "clip.annotated",
                "clip.linked",
                "clip.unlinked",
                "delivery.mismatch",
                "clip.quarantine"
            ]
        );
        assert_eq!(of(Packaged::Alone), ["clip.hold"]);
        assert_eq!(
            of(Packaged::Case),
            [
                "recording.begun",
                "recording.ended",
                "case.review",
                "case.review_note",
                "case.review_note_withdrawn",
                "case.review_opinion",
                "case.marked",
                "clip.suggestion_refused",
                "clip.suggestion_reopened",
                "case.joined",
                "case.closed",
                "case.bound",
                "case.compared",
                "case.filed",
                "case.reopened",
                "case.no_record",
                "desk.issued",
                "desk.returned",
                "desk.undone",
                "case.opened"
            ]
        );
        assert_eq!(of(Packaged::Request), ["access.export_asked", "access.export"]);
        // Everything that is called an event of a case belongs to it.
        for kind in EventKind::ALL.iter().filter(|kind| kind.as_str().starts_with("case.")) {
            assert_eq!(kind.packaged(), Packaged::Case, "{}", kind.as_str());
        }
        // And nothing that is called one of a person, of looks or of the station is opened, but for the request.
        for kind in EventKind::ALL {
            let word = kind.as_str();
            let private = ["account.", "access.", "supervision.", "register.", "station.", "log.", "backup."];
            if private.iter().any(|start| word.starts_with(start)) {
                assert!(
                    matches!(kind.packaged(), Packaged::Closed | Packaged::Elsewhere | Packaged::Request),
                    "{word}"
                );
            }
        }
    }

    #[test]
    fn why_a_rule_took_its_link_back_is_not_opened() {
        for (kind, field, by_rule, opened) in [
            (EventKind::Unlinked, "reason", true, false),
            (EventKind::Unlinked, "reason", false, true),
            (EventKind::Unlinked, "number", true, true),
            (EventKind::Linked, "reason", true, true),
        ] {
            assert_eq!(kind.opens_value(field, by_rule), opened, "{} {field} {by_rule}", kind.as_str());
        }
    }

    #[test]
    fn what_is_opened() {
        let none = About { this_case: false, clip_of_no_other: false, this_package: false };
        let case = About { this_case: true, ..none };
        let alone = About { clip_of_no_other: true, ..none };
        let package = About { this_package: true, ..case };
        for (packaged, opened) in [
            (Packaged::Case, [false, true, false, true]),
            (Packaged::Clip, [true; 4]),
            (Packaged::Alone, [false, true, true, true]),
            (Packaged::Request, [false, false, false, true]),
            (Packaged::Closed, [false; 4]),
            (Packaged::Elsewhere, [false; 4]),
        ] {
            assert_eq!([none, case, alone, package].map(|about| packaged.opens(about)), opened, "{packaged:?}");
        }
    }
}
