//! Documents (文书) that stand beside the clips of a case: what kinds there are, and what a file is by its own bytes.
//!
//! Hostile files are the ordinary case: a document is given out under the media type that its first bytes give it and never
//! under the one of its name; the page shows what browsers show by themselves, pictures and PDF, and the rest is saved. What
//! could run in a browser or on a desk (HTML, SVG, scripts, programs) and what nobody knows is refused before anything of it
//! is kept. Nothing here parses: it looks at fixed places.

use super::case_number::CaseNumber;
use super::recorder::SourcePath;
use super::why::{Thing, Why, in_words_of_why};

/// As much of a file's beginning as is looked at.
pub const HEAD_BYTES: usize = 64 << 10;
/// Longest name or title, characters.
pub const MAX_NAME_CHARS: usize = 200;
/// The media type of PDF.
pub const PDF: &str = "application/pdf";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// What a document is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DocumentKind { $($(#[$doc])* $variant),+ }

        impl DocumentKind {
            /// Each of them, in the order in which a case meets them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored word.
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

kinds! {
    /// A written record of what was done or said (现场笔录, 询问笔录).
    Record => "record",
    /// Documentary evidence: copies, photographs, forms of others (书证).
    Evidence => "evidence",
    /// An approval inside the agency (审批表).
    Approval => "approval",
    /// A notice to the party (告知书, 通知书).
    Notice => "notice",
    /// A decision (决定书).
    Decision => "decision",
    /// A proof of service (送达回证).
    Service => "service",
    /// Anything else.
    Other => "other",
}

/// A document that is about to be taken in.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// The case beside whose clips it stands.
    pub number: CaseNumber,
    /// What it is.
    pub kind: DocumentKind,
    /// Its name as it came.
    pub name: SourcePath,
    /// What it is called; its file's name where nobody says.
    pub title: Option<String>,
    /// The matter of which it is the written record.
    pub matter: Option<String>,
    /// Stage of the procedure.
    pub stage: Option<String>,
    /// Its length as it was announced.
    pub size_bytes: u64,
    /// By its own first bytes.
    pub media_type: &'static str,
}

/// Why a file is not taken for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotADocument {
    /// Nothing is in it.
    Empty,
    /// Something that a browser or a system would run.
    Active(Thing),
    /// A recording.
    Recording,
    /// Anything else.
    Unknown,
}

in_words_of_why!(NotADocument);

impl From<&NotADocument> for Why {
    fn from(error: &NotADocument) -> Self {
        match error {
            NotADocument::Empty => Self::DocumentEmpty {},
            NotADocument::Active(thing) => Self::DocumentActive { thing: *thing },
            NotADocument::Recording => Self::DocumentRecording {},
            NotADocument::Unknown => Self::DocumentUnknown {},
        }
    }
}

/// The media type of a document by the beginning of its bytes.
pub fn sniff(head: &[u8]) -> Result<&'static str, NotADocument> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if head.is_empty() {
        return Err(NotADocument::Empty);
    }
    let at = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(mark));
    for (mark, what) in [
        (&b"MZ"[..], Thing::Program),
        (b"\x7fELF", Thing::Program),
        (b"#!", Thing::Script),
        (b"\xca\xfe\xba\xbe", Thing::Program),
    ] {
        if at(0, mark) {
            return Err(NotADocument::Active(what));
        }
    }
    for (offset, mark, kind) in [
        (0, &b"%PDF-"[..], PDF),
        (0, b"\xff\xd8\xff", "image/jpeg"),
        (0, b"\x89PNG\r\n\x1a\n", "image/png"),
        (0, b"II*\0", "image/tiff"),
        (0, b"MM\0*", "image/tiff"),
        (0, b"GIF87a", "image/gif"),
        (0, b"GIF89a", "image/gif"),
        (0, b"{\\rtf", "application/rtf"),
        // Word, Excel, PowerPoint and WPS of before 2007 are one container; which of them is of no use to a reader.
        (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    ] {
        if at(offset, mark) {
            return Ok(kind);
        }
    }
    if at(0, b"BM") && at(6, &[0; 4]) {
        return Ok("image/bmp");
    }
    if at(0, b"RIFF") {
        return if at(8, b"WEBP") { Ok("image/webp") } else { Err(NotADocument::Recording) };
    }
    if at(4, b"ftyp") || at(0, b"\x1a\x45\xdf\xa3") || at(0, b"OggS") || at(0, b"ID3") || at(0, b"FLV\x01") {
        return Err(NotADocument::Recording);
    }
    if at(0, b"PK\x03\x04") {
        return zipped(head);
    }
    plain(head)
}

/// Office files, OpenDocument and OFD are ZIP archives: the names of their first members tell which.
fn zipped(head: &[u8]) -> Result<&'static str, NotADocument> {
    if head.get(30..).is_some_and(|rest| rest.starts_with(b"mimetypeapplication/vnd.oasis.opendocument.")) {
        return Ok("application/vnd.oasis.opendocument");
    }
    let has = |name: &[u8]| head.windows(name.len()).any(|at| at == name);
    for (member, kind) in [
        (&b"OFD.xml"[..], "application/ofd"),
        (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ] {
        if has(member) && (member == b"OFD.xml" || has(b"[Content_Types].xml")) {
            return Ok(kind);
        }
    }
    Err(NotADocument::Unknown)
}

/// Text without control characters that begins neither like a page nor like a script.
fn plain(head: &[u8]) -> Result<&'static str, NotADocument> {
    if head.iter().any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c)) {
        return Err(NotADocument::Unknown);
    }
    let lower: Vec<u8> = head.iter().take(4_096).map(u8::to_ascii_lowercase).collect();
    let has = |mark: &[u8]| lower.windows(mark.len()).any(|at| at == mark);
    for (mark, what) in [
        (&b"<!doctype html"[..], Thing::WebPage),
        (b"<html", Thing::WebPage),
        (b"<script", Thing::WebPage),
        (b"<body", Thing::WebPage),
        (b"<iframe", Thing::WebPage),
        (b"<svg", Thing::Svg),
        (b"<?xml", Thing::Xml),
        (b"<?php", Thing::Script),
        (b"@echo", Thing::Script),
    ] {
        if has(mark) {
            return Err(NotADocument::Active(what));
        }
    }
    // UTF-8, cut anywhere, or GB18030: its bytes are above 0x40 after a leading one.
    Ok("text/plain")
}

/// Whether browsers show a document of this media type as a picture. TIFF is none: most of them do not.
pub fn is_picture(media_type: &str) -> bool {
    matches!(media_type, "image/jpeg" | "image/png" | "image/gif" | "image/bmp" | "image/webp")
}

/// A file's ending for a media type, for what is saved and packed.
pub fn ending(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "pdf",
        "application/ofd" => "ofd",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/tiff" => "tif",
        "image/gif" => "gif",
        "image/bmp" => "bmp",
        "image/webp" => "webp",
        "application/rtf" => "rtf",
        "text/plain" => "txt",
        m if m.ends_with("wordprocessingml.document") => "docx",
        m if m.ends_with("spreadsheetml.sheet") => "xlsx",
        m if m.ends_with("presentationml.presentation") => "pptx",
        "application/x-ole-storage" => "doc",
        _ => "bin",
    }
}

/// The name under which a document is saved: it ends as its bytes are, or a system would open it as something else.
pub fn saved_name(name: &str, media_type: &str) -> String {
    let ends_in = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    let others: &[&str] = match media_type {
        "image/jpeg" => &["jpeg", "jpe"],
        "image/tiff" => &["tiff"],
        "application/x-ole-storage" => &["xls", "ppt", "wps", "et", "dps"],
        "application/vnd.oasis.opendocument" => &["odt", "ods", "odp"],
        _ => &[],
    };
    let ending = ending(media_type);
    if ends_in == ending || others.contains(&ends_in.as_str()) { name.to_owned() } else { format!("{name}.{ending}") }
}

/// The name of a document without folders and control characters, not longer than a name may be.
pub fn name_of(typed: &str) -> String {
    let last = typed.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let name = name.trim().trim_matches('.').trim();
    if name.is_empty() { "document".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zip(names: &[&str]) -> Vec<u8> {
        let mut all = Vec::new();
        for name in names {
            all.extend_from_slice(b"PK\x03\x04");
            all.extend_from_slice(&[0; 26]);
            all.extend_from_slice(name.as_bytes());
        }
        all
    }

    #[test]
    fn files_are_what_their_bytes_say() {
        for (bytes, want) in [
            (b"%PDF-1.7\n%\xe2\xe3".to_vec(), Ok("application/pdf")),
            (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), Ok("image/jpeg")),
            ("现场笔录：二〇二六年\r\n".as_bytes().to_vec(), Ok("text/plain")),
            (
                zip(&["[Content_Types].xml", "word/document.xml"]),
                Ok("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ),
            (
                zip(&["[Content_Types].xml", "xl/workbook.xml"]),
                Ok("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ),
            (zip(&["OFD.xml", "Doc_0/Document.xml"]), Ok("application/ofd")),
            (zip(&["mimetypeapplication/vnd.oasis.opendocument.text"]), Ok("application/vnd.oasis.opendocument")),
            (zip(&["META-INF/MANIFEST.MF", "a.class"]), Err(NotADocument::Unknown)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0".to_vec(), Ok("application/x-ole-storage")),
            (Vec::new(), Err(NotADocument::Empty)),
            (b"MZ\x90\0".to_vec(), Err(NotADocument::Active(Thing::Program))),
            (b"#!/bin/sh\n".to_vec(), Err(NotADocument::Active(Thing::Script))),
            (b"\xef\xbb\xbf<!DOCTYPE html><p>".to_vec(), Err(NotADocument::Active(Thing::WebPage))),
            (
                b"  <svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>".to_vec(),
                Err(NotADocument::Active(Thing::Svg)),
            ),
            (b"hello <ScRiPt>alert(1)</script>".to_vec(), Err(NotADocument::Active(Thing::WebPage))),
            (b"\0\0\0\x18ftypmp42".to_vec(), Err(NotADocument::Recording)),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), Err(NotADocument::Recording)),
            (b"\x01\x02\x03".to_vec(), Err(NotADocument::Unknown)),
        ] {
            assert_eq!(sniff(&bytes), want, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn names_lead_nowhere() {
        for (typed, name) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\文书\\决定书.pdf", "决定书.pdf"),
            ("\u{0}\n..", "document"),
            ("", "document"),
            (".htaccess", "htaccess"),
        ] {
            assert_eq!(name_of(typed), name, "{typed:?}");
        }
        assert_eq!(name_of(&"长".repeat(500)).chars().count(), MAX_NAME_CHARS);
        for (name, media_type, saved) in [
            ("决定书.pdf", "application/pdf", "决定书.pdf"),
            ("x.html", "text/plain", "x.html.txt"),
            ("x.exe", "application/pdf", "x.exe.pdf"),
            ("照片.JPEG", "image/jpeg", "照片.JPEG"),
        ] {
            assert_eq!(saved_name(name, media_type), saved);
        }
        for kind in DocumentKind::ALL {
            assert_eq!(DocumentKind::parse(kind.as_str()), Some(*kind));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(head in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = sniff(&head);
        }
    }
}
