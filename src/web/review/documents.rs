//! The written record on the page of a legal review: the documents of the case, the one that is opened beside the clip, and
//! which of them whoever gave the opinion had looked at.

use super::At;
use crate::domain::ids::ClipId;
use crate::web::present::{Ctx, Stamp};
use crate::web::view::clip::ClipView;
use crate::web::view::review::{Beside, CaseDocument, ReviewView};

/// A document in the list.
pub struct DocumentLine {
    /// Its clip.
    pub id: String,
    /// The page with it opened.
    pub href: String,
    /// What it is called.
    pub title: String,
    /// What it is, of what, and how large.
    pub about: String,
    /// When whoever looks first looked at it.
    pub looked: Option<Stamp>,
    /// It is opened.
    pub opened: bool,
}

/// The document that stands beside the clip.
pub struct Opened {
    /// Its clip.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// It is shown in a frame.
    pub frame: bool,
    /// It is shown as a picture.
    pub picture: bool,
    /// No copy of it can be had.
    pub gone: bool,
    /// They may save it.
    pub save: bool,
}

/// A document as the printed opinion names it.
pub struct ReadLine {
    /// What it is called.
    pub title: String,
    /// What it is, of what, and how large.
    pub about: String,
    /// When it was first looked at.
    pub at: Stamp,
}

fn about(d: &CaseDocument, c: &Ctx) -> String {
    let kind = c.w.document_kind_word(&d.row.kind).to_owned();
    let told = [Some(kind), d.row.matter.clone(), Some(c.w.size(d.row.size_bytes))];
    told.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The documents as they were filed; each opens beside what is opened already.
pub(super) fn lines(v: &ReviewView, at: &At, c: &Ctx) -> Vec<DocumentLine> {
    let me = c.who.actor();
    v.documents
        .iter()
        .map(|d| DocumentLine {
            id: d.row.id.to_string(),
            href: At { doc: Some(d.row.id), ..at.clone() }.href(&v.number),
            title: d.row.title.clone(),
            about: about(d, c),
            looked: d.looked_at(&me, None).map(|at| c.near(at)),
            opened: Some(d.row.id) == at.doc,
        })
        .collect()
}

/// The one that is opened; `view` is its own page. `save`: whether they may save it.
pub fn opened(v: &ReviewView, view: &ClipView, save: bool) -> Option<Opened> {
    let d = find(v, view.id)?;
    let beside = d.beside();
    Some(Opened {
        id: d.row.id.to_string(),
        title: d.row.title.clone(),
        frame: beside == Beside::Frame,
        picture: beside == Beside::Picture,
        gone: !view.has_bytes(),
        save,
    })
}

/// A document of the case.
pub fn find(v: &ReviewView, id: ClipId) -> Option<&CaseDocument> {
    v.documents.iter().find(|d| d.row.id == id)
}

/// What whoever gave the newest opinion had looked at by then, and the titles of what they had not. While there is no
/// opinion it is about whoever looks.
pub fn read_for_opinion(v: &ReviewView, c: &Ctx) -> (Vec<ReadLine>, Vec<String>) {
    let (who, until) = match v.opinions.first() {
        Some(opinion) => (opinion.by.actor.clone(), Some(opinion.given)),
        None => (c.who.actor(), None),
    };
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for d in &v.documents {
        match d.looked_at(&who, until) {
            Some(at) => read.push(ReadLine { title: d.row.title.clone(), about: about(d, c), at: c.stamp(at) }),
            None => unread.push(d.row.title.clone()),
        }
    }
    (read, unread)
}
