//! Who looked at a case (调阅记录): which entries of the log those are. Pure.

use super::event::EventKind;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Opened the case.
    Opened,
    /// Saw the record of a clip.
    Shown,
    /// Watched or listened, the preview included.
    Played,
    /// Read a document.
    Read,
    /// Saved the original bytes.
    Downloaded,
    /// Had a file derived, or took one.
    Derived,
    /// Asked for an evidence package, or confirmed, refused or made one.
    Exported,
    /// Took a finished package.
    TookPackage,
}

/// The kinds of entries of which some are looks.
pub const KINDS: [EventKind; 10] = [
    EventKind::Searched,
    EventKind::Shown,
    EventKind::ViewBegun,
    EventKind::DerivedAsked,
    EventKind::DerivedTaken,
    EventKind::ExportAsked,
    EventKind::ExportDecided,
    EventKind::ExportBegun,
    EventKind::ExportTaken,
    EventKind::ExportContinued,
];

/// Whether an entry tells that somebody looked, or wanted to: every access, those included that are no look at a case (a
/// refusal, the end of a viewing), and what was derived, of which a page's own strip of pictures is by whoever opened it first.
/// Of others it is told where that right is, and nowhere else.
pub fn tells_who_looked(kind: EventKind) -> bool {
    kind.as_str().starts_with("access.") || kind == EventKind::Derived || KINDS.contains(&kind)
}

/// What of a page loads by itself is no look of anybody's: stills in lists, and the strip below the player.
pub const BY_ITSELF: [&str; 2] = ["thumbnail", "sheet"];

/// What an entry says that somebody did; `what` is the word in its body.
pub fn look(kind: EventKind, what: Option<&str>) -> Option<Look> {
    Some(match (kind, what) {
        (_, Some(what)) if BY_ITSELF.contains(&what) => return None,
        (EventKind::Searched, _) => Look::Opened,
        (EventKind::Shown, _) => Look::Shown,
        (EventKind::ViewBegun, Some("download")) => Look::Downloaded,
        (EventKind::ViewBegun, Some("read")) => Look::Read,
        (EventKind::ViewBegun, _) => Look::Played,
        (EventKind::DerivedAsked | EventKind::DerivedTaken, _) => Look::Derived,
        (EventKind::ExportTaken, _) => Look::TookPackage,
        (
            EventKind::ExportAsked | EventKind::ExportDecided | EventKind::ExportBegun | EventKind::ExportContinued,
            _,
        ) => Look::Exported,
        _ => return None,
    })
}

impl Look {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::Shown => "show",
            Self::Played => "play",
            Self::Read => "read",
            Self::Downloaded => "download",
            Self::Derived => "derive",
            Self::Exported => "export",
            Self::TookPackage => "take_package",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_a_look_tells_who_looked_and_what_was_done_to_a_clip_does_not() {
        assert!(KINDS.iter().all(|kind| tells_who_looked(*kind)));
        let others = [EventKind::ViewEnded, EventKind::LogRead, EventKind::AccessRefused, EventKind::VerifyAsked];
        for kind in others.into_iter().chain([EventKind::Derived]) {
            assert!(tells_who_looked(kind), "{kind:?}");
        }
        for kind in [EventKind::Sealed, EventKind::Annotated, EventKind::Linked, EventKind::Hold, EventKind::Proven] {
            assert!(!tells_who_looked(kind), "{kind:?}");
        }
    }

    #[test]
    fn what_loads_by_itself_is_no_look() {
        assert_eq!(look(EventKind::ViewBegun, Some("thumbnail")), None);
        assert_eq!(look(EventKind::ViewBegun, Some("sheet")), None);
        assert_eq!(look(EventKind::ViewBegun, Some("preview")), Some(Look::Played));
        assert_eq!(look(EventKind::ViewBegun, Some("download")), Some(Look::Downloaded));
        assert_eq!(look(EventKind::Sealed, None), None);
        assert!(KINDS.iter().all(|kind| look(*kind, None).is_some()));
    }
}
