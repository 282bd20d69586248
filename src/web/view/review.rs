//! The legal review of a case.

use super::Person;
use super::case::DocumentRow;
use super::clips::ClipRow;
use crate::domain::coverage::Coverage;
use crate::domain::document::{PDF, is_picture};
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::review::{Mark, Verdict};
use crate::domain::time::UtcMs;

/// A page of the cases that stand sent for review.
#[derive(Debug, Clone, Default)]
pub struct SentView {
    /// Their numbers, the one that was sent last first.
    pub numbers: Vec<String>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Everything on the page of a review.
#[derive(Debug, Clone, Default)]
pub struct ReviewView {
    /// The case's number, as displayed.
    pub number: String,
    /// Party.
    pub party: Option<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Kind of enforcement.
    pub kind: Option<String>,
    /// What should be recorded, and what is.
    pub coverage: Coverage,
    /// Its clips that whoever looks may see, by capture.
    pub clips: Vec<ClipRow>,
    /// Documents beside them that whoever looks may see, as they were filed.
    pub documents: Vec<CaseDocument>,
    /// Notes that stand, by clip and place.
    pub notes: Vec<NoteView>,
    /// Opinions, newest first.
    pub opinions: Vec<OpinionView>,
    /// Review sheets, newest first.
    pub sheets: Vec<SheetView>,
    /// Items of a new sheet, and how many points each may bring.
    pub marks: Vec<(String, u32)>,
}

/// A document that was filed to the case: the written record, to be read beside a clip.
#[derive(Debug, Clone)]
pub struct CaseDocument {
    /// What it is.
    pub row: DocumentRow,
    /// Who had it opened or saved, and when first, in that order.
    pub looks: Vec<(Actor, UtcMs)>,
}

/// How a document stands beside a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// In a frame, where the browser's own viewer shows it.
    Frame,
    /// As a picture.
    Picture,
    /// Not at all: it is saved, and opened by a program of the desk.
    Saved,
}

impl CaseDocument {
    /// How it stands beside a clip.
    pub fn beside(&self) -> Beside {
        match self.row.media_type.as_str() {
            PDF => Beside::Frame,
            media_type if is_picture(media_type) => Beside::Picture,
            _ => Beside::Saved,
        }
    }

    /// When somebody first looked at it; at the latest at `until`, where that is asked.
    pub fn looked_at(&self, who: &Actor, until: Option<UtcMs>) -> Option<UtcMs> {
        let at = self.looks.iter().find(|(actor, _)| actor == who).map(|(_, at)| *at)?;
        until.is_none_or(|until| at <= until).then_some(at)
    }
}

/// A note at a place of a clip.
#[derive(Debug, Clone)]
pub struct NoteView {
    /// Its number.
    pub note: i64,
    /// The clip.
    pub clip: ClipId,
    /// Where, milliseconds from the first frame.
    pub at_ms: i64,
    /// In words.
    pub words: String,
    /// By whom.
    pub by: Person,
    /// When.
    pub noted: UtcMs,
}

/// An opinion.
#[derive(Debug, Clone)]
pub struct OpinionView {
    /// What it comes to.
    pub verdict: Verdict,
    /// In words.
    pub words: String,
    /// How many items of the catalogue stood how when it was given.
    pub coverage: Vec<(String, u64)>,
    /// By whom.
    pub by: Person,
    /// When.
    pub given: UtcMs,
}

/// A review sheet.
#[derive(Debug, Clone)]
pub struct SheetView {
    /// Its items.
    pub marks: Vec<Mark>,
    /// By whom.
    pub by: Person,
    /// When.
    pub made: UtcMs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clip::ClipState;

    fn document(media_type: &str, looks: Vec<(Actor, UtcMs)>) -> CaseDocument {
        let row = DocumentRow {
            id: ClipId::generate(1),
            kind: "record".into(),
            title: "现场检查笔录".into(),
            file_name: "现场检查笔录".into(),
            media_type: media_type.into(),
            matter: None,
            size_bytes: 1,
            filed: UtcMs(0),
            state: ClipState::Sealed,
        };
        CaseDocument { row, looks }
    }

    #[test]
    fn what_browsers_show_by_themselves_stands_beside_the_clip() {
        for (media_type, beside) in [
            ("application/pdf", Beside::Frame),
            ("image/jpeg", Beside::Picture),
            ("image/webp", Beside::Picture),
            ("image/tiff", Beside::Saved),
            ("image/svg+xml", Beside::Saved),
            ("text/plain", Beside::Saved),
            ("application/ofd", Beside::Saved),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Beside::Saved),
        ] {
            assert_eq!(document(media_type, vec![]).beside(), beside, "{media_type}");
        }
    }

    #[test]
    fn a_look_counts_for_whoever_looked_and_from_then_on() {
        let read = document(PDF, vec![(Actor::user(3), UtcMs(50)), (Actor::user(4), UtcMs(60))]);
        assert_eq!(read.looked_at(&Actor::user(3), None), Some(UtcMs(50)));
        assert_eq!(read.looked_at(&Actor::user(4), Some(UtcMs(60))), Some(UtcMs(60)));
        assert_eq!(read.looked_at(&Actor::user(4), Some(UtcMs(59))), None, "the opinion was given before");
        assert_eq!(read.looked_at(&Actor::user(5), None), None);
    }
}
