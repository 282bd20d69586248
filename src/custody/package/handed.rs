//! The list of what is handed over (移交清单) on the transfer register: a line for each clip, so that who signs below it signs
//! for these. As a page and on paper alike; the checker compares it with the records.

use std::fmt::Write as _;

use super::PackedClip;
use super::pages::{Told, escape};
use crate::domain::paper::{Block, Row, Table};
use crate::domain::record::Record;
use crate::domain::words::{Lang, Words};

/// So many hexadecimal digits of a digest stand in the list; the whole one stands in the catalogue and the manifest.
const SHORT: usize = 16;
/// Begins the list on the page. Packages of earlier versions have none.
const TABLE: &str = "<table class=\"handed\">";

/// Widths in per cent.
const WIDTHS: [u32; 5] = [7, 43, 22, 14, 14];

fn head(w: &Words) -> [&'static str; 5] {
    [w.pk_number, w.pk_file, w.pk_digest_short, w.length, w.size]
}

/// Digest, duration and size of a clip, as the list has them.
fn measures(w: &Words, record: &Record) -> [String; 3] {
    let digest = record.sha256.as_deref().unwrap_or(w.none_dash);
    let length = record.duration_ms.map_or_else(|| w.none_dash.to_owned(), |ms| w.footage(ms));
    [digest.chars().take(SHORT).collect(), length, w.size(record.size_bytes)]
}

fn cells(values: &[String; 3]) -> String {
    let [digest, length, size] = values;
    format!("<td class=\"code\">{}</td><td>{}</td><td>{}</td>", escape(digest), escape(length), escape(size))
}

fn name(clip: &PackedClip) -> &str {
    clip.path.rsplit('/').next().unwrap_or_default()
}

impl Told<'_> {
    /// The list as part of a page.
    pub(super) fn handed(&self) -> String {
        let w = self.w;
        let head: String = head(w)
            .iter()
            .zip(WIDTHS)
            .map(|(name, percent)| format!("<th style=\"width:{percent}%\">{}</th>", escape(name)))
            .collect();
        let mut rows = String::new();
        for (n, (clip, record, _)) in self.clips.iter().enumerate() {
            let cells = cells(&measures(w, record));
            let _ = writeln!(rows, "<tr><td>{}</td><td>{}</td>{cells}</tr>", n + 1, escape(name(clip)));
        }
        let title = escape(w.pk_handed);
        format!("<h2>{title}</h2>\n{TABLE}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
    }

    /// The list for paper.
    pub(super) fn handed_blocks(&self) -> [Block; 2] {
        let w = self.w;
        let rows = self.clips.iter().enumerate().map(|(n, (clip, record, _))| {
            let [digest, length, size] = measures(w, record);
            Row::of([(n + 1).to_string(), name(clip).to_owned(), digest, length, size])
        });
        let table = Table { widths: WIDTHS.into(), head: head(w).map(str::to_owned).into(), rows: rows.collect() };
        [Block::Heading(w.pk_handed.to_owned()), Block::Table(table)]
    }
}

/// Which of these files and records, from 0, a transfer register lists otherwise, or in another place; none of one that has no
/// list.
pub(super) fn differing(page: &str, clips: &[(&str, &Record)]) -> Vec<usize> {
    let Some((_, list)) = page.split_once(TABLE) else { return Vec::new() };
    let list = list.split("</table>").next().unwrap_or_default();
    // The one at its head has no such cells.
    let rows: Vec<&str> = list.split("<tr>").filter(|row| row.starts_with("<td>")).collect();
    let of = |n: &usize| {
        let Some((row, (file, record))) = rows.get(*n).zip(clips.get(*n)) else { return false };
        let name = escape(file.rsplit('/').next().unwrap_or_default());
        let is = |w: &Words| format!("<td>{}</td><td>{name}</td>{}</tr>", n + 1, cells(&measures(w, record)));
        Lang::ALL.iter().any(|lang| row.starts_with(&is(lang.words())))
    };
    (0..rows.len().max(clips.len())).filter(|n| !of(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_changed_is_none_of_the_record() {
        let record = Record {
            sha256: Some(format!("{}{}", "ab".repeat(8), "cd".repeat(24))),
            duration_ms: Some(61_000),
            size_bytes: 60_000_000,
            ..Record::default()
        };
        for lang in Lang::ALL {
            let w = lang.words();
            let page = format!("{TABLE}<tr><td>1</td><td>001.mp4</td>{}</tr>", cells(&measures(w, &record)));
            let wrong = |page: &str| differing(page, &[("data/clips/001.mp4", &record)]);
            assert!(page.contains("<td class=\"code\">abababababababab</td>"), "{page}");
            assert_eq!(wrong(&page), Vec::<usize>::new(), "{page}");
            let size = w.size(60_000_000);
            for (from, to) in [
                ("abababababababab", "abababababababac"),
                (size.as_str(), "1 KB"),
                ("001.mp4", "002.mp4"),
                ("<td>1</td>", "<td>2</td>"),
            ] {
                assert_eq!(wrong(&page.replacen(from, to, 1)), [0], "{to}");
            }
        }
        let old = differing("<table class=\"sign\"></table>", &[("data/clips/001.mp4", &record)]);
        assert_eq!(old, Vec::<usize>::new(), "of an earlier version");
    }
}
