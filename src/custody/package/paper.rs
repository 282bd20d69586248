//! The three documents of a package for paper and for the agency's seal system: the same words as its pages
//! ([`super::pages`]), as PDF with its typefaces inside.

use super::pages::Told;
use super::{FACTS, Facts};
use crate::domain::paper::{Block, Cell, Document, PaperError, Row, Table, Typeface};
use crate::domain::words::Lang;

/// The note (说明文件).
pub const README_PDF: &str = "1-README.pdf";
/// The catalogue (证据目录).
pub const CATALOGUE_PDF: &str = "2-CATALOGUE.pdf";
/// The transfer register (移交登记表).
pub const TRANSFER_PDF: &str = "3-TRANSFER.pdf";

impl Told<'_> {
    /// Name and bytes of each.
    pub fn papers(&self, typeface: &Typeface) -> Result<[(&'static str, Vec<u8>); 3], PaperError> {
        Ok([
            (README_PDF, self.readme_paper().to_pdf(typeface)?),
            (CATALOGUE_PDF, self.catalogue_paper().to_pdf(typeface)?),
            (TRANSFER_PDF, self.transfer_paper().to_pdf(typeface)?),
        ])
    }

    fn document(&self, title: &str, blocks: Vec<Block>) -> Document {
        let lang = if self.w.lang == Lang::Zh { "zh-CN" } else { "en" };
        // The case stands at the foot of every page: a page that is alone still says to what it belongs.
        let Facts { case_no, .. } = self.facts;
        Document { title: format!("{title} · {case_no}"), lang: lang.to_owned(), blocks }
    }

    fn facts_blocks(&self) -> Vec<Block> {
        let rows = self.fact_rows().into_iter().filter(|(_, value)| !value.is_empty());
        let table = Table {
            widths: vec![25, 75],
            rows: rows.map(|(name, value)| Row::of([name.to_owned(), value])).collect(),
            ..Table::default()
        };
        let without = self.w.package_without(self.facts.isolated, self.facts.unsealed, self.facts.disposed);
        [Some(Block::Table(table)), without.map(Block::Text)].into_iter().flatten().collect()
    }

    fn readme_paper(&self) -> Document {
        let w = self.w;
        let list = |items: &[&str]| Block::List(items.iter().map(|item| (*item).to_owned()).collect());
        let heading = |text: &str| Block::Heading(text.to_owned());
        let mut blocks = self.facts_blocks();
        blocks.extend([
            heading(w.pk_shows),
            list(w.package_shows()),
            heading(w.pk_shows_not),
            list(w.package_shows_not()),
            heading(w.pk_how),
            list(w.package_how()),
            heading(w.pk_inside),
            Block::Text(format!(
                "data/clips/  data/metadata/  custody/events/  custody/proofs/  custody/checkpoint  custody/keys.txt  {FACTS}"
            )),
        ]);
        blocks.extend(self.derived.then(|| Block::Text(w.pk_derived.to_owned())));
        self.document(w.pk_readme, blocks)
    }

    fn catalogue_paper(&self) -> Document {
        let w = self.w;
        let mut rows = Vec::new();
        for (n, (clip, record, _)) in self.clips.iter().enumerate() {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| w.none_dash.to_owned());
            let length = self.length(record);
            let seal = record.sealed_log_index.map_or_else(|| w.none_dash.to_owned(), |seq| format!("#{seq}"));
            rows.push(Row::of([
                (n + 1).to_string(),
                clip.path.rsplit('/').next().unwrap_or_default().to_owned(),
                text(&record.proves),
                text(&record.captured_start),
                length,
                text(&record.place),
                text(&w.officer_of(record)),
                format!("{} {}", record.device_id, record.original_filename),
                w.size(clip.size_bytes),
                seal,
            ]));
            let digest = Cell { text: format!("SHA-256 {}", clip.sha256), span: 9 };
            rows.push(Row { cells: vec![Cell::new(""), digest], joined: true, ..Row::default() });
        }
        let head = [
            w.pk_number,
            w.pk_file,
            w.f_proves,
            w.f_captured_start,
            w.length,
            w.f_place,
            w.f_officer,
            w.pk_source,
            w.size,
            w.pk_log_entry,
        ];
        let mut blocks = self.facts_blocks();
        blocks.push(Block::Heading(w.pk_catalogue.to_owned()));
        blocks.push(Block::Table(Table {
            widths: vec![5, 13, 14, 13, 9, 11, 8, 13, 7, 7],
            head: head.map(str::to_owned).into(),
            rows,
        }));
        for (n, (clip, _, happened)) in self.clips.iter().enumerate() {
            let name = clip.path.rsplit('/').next().unwrap_or_default();
            blocks.push(Block::Heading(format!("{} {} · {name}", w.pk_custody, n + 1)));
            let row = |event: &super::pages::Happened| {
                let what = match event.kind {
                    Some(kind) => w.event(kind, event.place.as_deref()),
                    None => w.none_dash.to_owned(),
                };
                Row::of([event.seq.to_string(), event.at.rfc3339_in(self.zone), what, w.actor(&event.actor)])
            };
            blocks.push(Block::Table(Table {
                widths: vec![10, 28, 40, 22],
                head: ["#", w.pk_when, w.pk_what, w.pk_who].map(str::to_owned).into(),
                rows: happened.iter().map(row).collect(),
            }));
        }
        self.document(w.pk_catalogue, blocks)
    }

    fn transfer_paper(&self) -> Document {
        let w = self.w;
        let signed =
            [[w.pk_giver, w.pk_date], [w.pk_taker, w.pk_date], [w.pk_witness, w.pk_date], [w.pk_medium, w.pk_remarks]];
        let rows = signed.map(|[left, right]| Row { high: 220, ..Row::of([left, "", right, ""]) });
        let mut blocks = self.facts_blocks();
        blocks.extend(self.handed_blocks());
        blocks.push(Block::Table(Table { widths: vec![20, 30, 20, 30], rows: rows.into(), ..Table::default() }));
        self.document(w.pk_transfer, blocks)
    }
}
