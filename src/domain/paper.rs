//! Paper: a [`Document`] of titles, texts, lists and tables, laid out on A4 and written as PDF with the typefaces that the
//! station brings. Pure: the same document and typefaces give the same bytes, on every run and machine. Knows nothing of
//! what is printed: evidence packages, coverage lists and reports hand in words.
//!
//! Typefaces are subset and embedded; no script, form or link stands in the file. Heads of tables stand on every page that
//! they reach, every page has its number, and no line of a row is cut off.

mod face;
mod layout;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::text::TextDirection;

pub use face::{Typeface, TypefaceError};
use layout::{HEIGHT, Op, WIDTH};

/// What is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// On top of the first page, at the foot of each, and the title of the file.
    pub title: String,
    /// Language of the text (BCP 47).
    pub lang: String,
    /// In their order.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading; what follows begins on its page.
    Heading(String),
    /// Text; line breaks in it are kept.
    Text(String),
    /// Numbered lines.
    List(Vec<String>),
    /// A table.
    Table(Table),
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Width of each column, in parts of all.
    pub widths: Vec<u32>,
    /// On top of it, on every page; none where it is empty.
    pub head: Vec<String>,
    /// In their order.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// From the left; fewer than there are columns leave the others empty.
    pub cells: Vec<Cell>,
    /// At least so high, tenths of a millimetre: room for a signature.
    pub high: u32,
    /// Stands on the page of the row before it.
    pub joined: bool,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// Columns that it spans.
    pub span: usize,
}

impl Cell {
    /// A cell of one column.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), span: 1 }
    }
}

impl Row {
    /// A row of one cell a column.
    pub fn of<T: Into<String>>(cells: impl IntoIterator<Item = T>) -> Self {
        Self { cells: cells.into_iter().map(Cell::new).collect(), ..Self::default() }
    }
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
#[error("the document cannot be written as PDF with this typeface: {0}; name another one in [export] font")]
pub struct PaperError(String);

impl Document {
    /// The document as PDF.
    pub fn to_pdf(&self, typeface: &Typeface) -> Result<Vec<u8>, PaperError> {
        let failed = |what: &str| PaperError(what.to_owned());
        let pages = layout::pages(self, typeface);
        let mut pdf = krilla::Document::new();
        // No date: when it was made stands in the text, and the same document has the same bytes.
        pdf.set_metadata(Metadata::new().title(self.title.clone()).language(self.lang.clone()));
        for ops in &pages {
            let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| failed("a page has no size"))?;
            let mut page = pdf.start_page_with(settings);
            let mut surface = page.surface();
            for op in ops {
                match op {
                    Op::Text { x, y, size, face, text } => {
                        let Some(font) = typeface.font(*face) else { continue };
                        surface.set_stroke(None);
                        surface.set_fill(Some(Fill::default()));
                        let at = Point::from_xy(*x, *y);
                        surface.draw_text(at, font, *size, text, false, TextDirection::LeftToRight);
                    }
                    Op::Line { from, to } => {
                        let mut path = PathBuilder::new();
                        path.move_to(from.0, from.1);
                        path.line_to(to.0, to.1);
                        let Some(path) = path.finish() else { continue };
                        surface.set_fill(None);
                        surface.set_stroke(Some(Stroke {
                            paint: rgb::Color::new(80, 80, 80).into(),
                            width: 0.5,
                            opacity: NormalizedF32::ONE,
                            ..Stroke::default()
                        }));
                        surface.draw_path(&path);
                    }
                }
            }
            surface.finish();
            page.finish();
        }
        pdf.finish().map_err(|e| PaperError(format!("{e:?}")))
    }

    /// Pages that it takes.
    pub fn pages(&self, typeface: &Typeface) -> usize {
        layout::pages(self, typeface).len()
    }
}
