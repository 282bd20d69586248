//! The pages and the table of a package, which people read: they say of the package what its facts say, and of each clip what
//! its record says, in the order of the records. That these are what was said and asked for is compared elsewhere (`told`,
//! `whole`); documents as PDF have their digests alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, MOST};
use crate::custody::package::handed;
use crate::custody::package::pages::{self, Told, escape};
use crate::custody::package::{CATALOGUE, FACTS, Facts, MANIFEST, README, RECORDS_CSV, TRANSFER};
use crate::domain::digest::Sha256;
use crate::domain::record::Record;
use crate::domain::words::Lang;

impl Check<'_> {
    /// Each page says which case, for whom, why and with what; catalogue, register and table list the clips.
    pub(super) fn read_by_people(&mut self, facts: Option<&Facts>, records: &[Record]) {
        let manifest = self.digests.get(MANIFEST).and_then(|digests| digests.sha256.parse().ok());
        for name in [README, CATALOGUE, TRANSFER] {
            if self.digests.contains_key(name)
                && let (Some(page), Some(facts), Some(manifest)) = (self.text(name, MOST), facts, manifest)
                && !tells(&page, facts, manifest)
            {
                self.problem(format!(
                    "{name} says other things of the package than {FACTS}: its case, recipient, reason, basis or content"
                ));
            }
        }
        let files: Vec<String> = self.digests.keys().filter(|name| name.starts_with("data/clips/")).cloned().collect();
        // A record without a file was told of, and a file without a record.
        let clips: Vec<(&str, &Record)> = files.iter().map(String::as_str).zip(records).collect();
        if self.digests.contains_key(TRANSFER)
            && let Some(page) = self.text(TRANSFER, MOST)
        {
            for n in handed::differing(&page, &clips) {
                self.otherwise(TRANSFER, n, &clips);
            }
        }
        if self.digests.contains_key(CATALOGUE)
            && let Some(catalogue) = self.text(CATALOGUE, MOST)
        {
            let rows = rows_of(&catalogue);
            for n in differing(&rows, &clips, |n, row, (file, record)| row.is_of(n + 1, file, record)) {
                self.otherwise(CATALOGUE, n, &clips);
            }
        }
        if self.digests.contains_key(RECORDS_CSV)
            && let Some(table) = self.text(RECORDS_CSV, MOST)
        {
            let rows = pages::read_csv(&table);
            for n in differing(&rows, &clips, in_table) {
                self.otherwise(RECORDS_CSV, n, &clips);
            }
        }
    }

    fn otherwise(&mut self, name: &str, n: usize, clips: &[(&str, &Record)]) {
        self.problem(match clips.get(n) {
            Some((_, record)) => format!(
                "{name} says other things of clip {} than its record, or does not list it as number {}",
                record.record_id,
                n + 1
            ),
            None => format!("{name} lists a clip of which there is no record"),
        });
    }
}

/// Whether a page begins with the facts of its package, all of them and no others, in either language.
fn tells(page: &str, facts: &Facts, manifest: Sha256) -> bool {
    let table = page.split_once("<table>").and_then(|(_, rest)| rest.split_once("</table>"));
    let Some((table, _)) = table else { return false };
    let shown: Vec<&str> =
        table.split("<td>").skip(1).map(|cell| cell.split("</td>").next().unwrap_or_default()).collect();
    let (zone, no_clips) = (jiff::tz::TimeZone::UTC, []);
    Lang::ALL.iter().any(|lang| {
        let (w, zone, clips) = (lang.words(), &zone, &no_clips[..]);
        let told = Told { w, zone, facts, clips, manifest, pdf: false, derived: false };
        let rows = told.fact_rows().into_iter().map(|(_, value)| escape(&value));
        rows.filter(|value| !value.is_empty()).eq(shown.iter().copied())
    })
}

/// Which of these rows, from 0, is not that of the clip in its place.
fn differing<'a, R>(
    rows: &[R],
    clips: &[(&'a str, &'a Record)],
    is: impl Fn(usize, &R, (&'a str, &'a Record)) -> bool,
) -> Vec<usize> {
    let of = |n: &usize| rows.get(*n).zip(clips.get(*n)).is_some_and(|(row, clip)| is(*n, row, *clip));
    (0..rows.len().max(clips.len())).filter(|n| !of(n)).collect()
}

/// What a catalogue says of a clip.
struct InCatalogue<'a> {
    number: &'a str,
    sha256: &'a str,
    cells: BTreeSet<&'a str>,
}

/// The rows of a catalogue.
fn rows_of(catalogue: &str) -> Vec<InCatalogue<'_>> {
    let mut rows = Vec::new();
    for piece in catalogue.split("<tbody>").skip(1) {
        let Some((row, behind)) = piece.split_once("class=\"code\">SHA-256 ") else { continue };
        let number = row.split_once("<td rowspan=\"2\">").and_then(|(_, number)| number.split('<').next());
        let cells = row.split("<td>").skip(1).filter_map(|cell| cell.split_once("</td>")).map(|(cell, _)| cell);
        rows.push(InCatalogue {
            number: number.unwrap_or_default(),
            sha256: behind.split('<').next().unwrap_or_default(),
            cells: cells.collect(),
        });
    }
    rows
}

impl InCatalogue<'_> {
    /// Whether it says what this record says, of this file, as the one with this number.
    fn is_of(&self, number: usize, file: &str, record: &Record) -> bool {
        let name = file.rsplit('/').next().unwrap_or_default();
        let link = format!("<a href=\"{}\">{}</a>", escape(file), escape(name));
        let said = [&record.proves, &record.captured_start, &record.place];
        let mut wanted = said.into_iter().flatten().map(|value| escape(value)).chain([link]);
        let mut officers: Vec<String> =
            Lang::ALL.iter().filter_map(|lang| lang.words().officer_of(record)).map(|o| escape(&o)).collect();
        // Packages whose records know nothing of the register may have no number beside the name.
        if record.officer_registered.is_none() {
            officers.extend(record.officer.as_deref().map(escape));
        }
        self.number == number.to_string()
            && record.sha256.as_deref() == Some(self.sha256)
            && (record.officer.is_none() || officers.iter().any(|o| self.cells.contains(o.as_str())))
            && wanted.all(|value| self.cells.contains(value.as_str()))
    }
}

/// Whether a row of the table, from 0, says what this record says.
fn in_table(n: usize, row: &BTreeMap<&str, String>, (file, record): (&str, &Record)) -> bool {
    let text = |value: &Option<String>| pages::csv_text(value.as_deref().unwrap_or_default());
    let wanted = [
        ("no", (n + 1).to_string()),
        ("file", pages::csv_text(file)),
        ("record_id", pages::csv_text(&record.record_id)),
        ("case_no", text(&record.case_no)),
        ("stage", text(&record.stage)),
        ("matter", text(&record.matter)),
        ("proves", text(&record.proves)),
        ("captured_start", text(&record.captured_start)),
        ("place", text(&record.place)),
        ("officer", text(&record.officer)),
        ("sha256", text(&record.sha256)),
    ];
    wanted.iter().all(|(name, value)| row.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::package::PackedClip;
    use crate::custody::package::pages::Happened;

    const FILES: [&str; 2] = ["data/clips/001_a.mp4", "data/clips/002_b.mp4"];

    fn facts() -> Facts {
        serde_json::from_value(serde_json::json!({
            "v": 1, "package": "p", "station": "zhao-01", "agency": "机关", "case_no": "赵卫罚〔2026〕12号",
            "case_hash": "00", "aliases": ["A&B"], "reason": "举证", "basis": "调取证据通知书", "recipient": "县人民法院",
            "asked_by": "os:0", "asked_at": "2026-06-19T10:00:00+08:00", "begun_seq": 7, "clips": 2, "bytes": 5,
            "isolated": 0, "unsealed": 0, "made_with": "x",
        }))
        .unwrap()
    }

    /// Of the same bytes: nothing but their place tells them apart.
    fn clips() -> Vec<(PackedClip, Record, Vec<Happened>)> {
        let clip = |(path, place): (&str, &str)| {
            let sha256 = "ab".repeat(32);
            let record = Record {
                record_id: place.into(),
                place: Some(place.into()),
                sha256: Some(sha256.clone()),
                ..Record::default()
            };
            let blake3 = "cd".repeat(32);
            let packed = PackedClip { clip: place.into(), path: path.into(), size_bytes: 3, sha256, blake3, sm3: None };
            (packed, record, Vec::new())
        };
        FILES.into_iter().zip(["东关街", "西关街"]).map(clip).collect()
    }

    fn all(clips: &[(PackedClip, Record, Vec<Happened>)]) -> Vec<(&str, &Record)> {
        clips.iter().map(|(packed, record, _)| (packed.path.as_str(), record)).collect()
    }

    #[test]
    fn a_page_tells_every_fact_of_its_package_in_either_language() {
        let (facts, zone, clips) = (facts(), jiff::tz::TimeZone::UTC, clips());
        for lang in Lang::ALL {
            let (w, manifest) = (lang.words(), Sha256([1; 32]));
            let told = Told { w, zone: &zone, facts: &facts, clips: &clips, manifest, pdf: false, derived: false };
            for page in [told.readme(), told.catalogue(), told.transfer()] {
                assert!(tells(&page, &facts, manifest), "{page}");
                for (from, to) in [
                    ("赵卫罚〔2026〕12号", "赵卫罚〔2026〕77号"),
                    ("A&amp;B", "A"),
                    ("县人民法院", "某公司"),
                    ("举证", "例行检查"),
                    ("<td>调取证据通知书</td>", "<td></td>"),
                    ("<td>zhao-01</td>", "<td>zhao-01</td><td>县人民法院</td>"),
                ] {
                    assert!(page.contains(from));
                    assert!(!tells(&page.replace(from, to), &facts, manifest), "{to}");
                }
                assert!(!tells(&page, &facts, Sha256([2; 32])));
            }
        }
        assert!(!tells("", &facts, Sha256([1; 32])));
    }

    #[test]
    fn clips_stand_where_their_records_do() {
        let (facts, zone, clips) = (facts(), jiff::tz::TimeZone::UTC, clips());
        let (w, manifest) = (Lang::Zh.words(), Sha256([1; 32]));
        let swapped: Vec<_> = clips.iter().rev().cloned().collect();
        // Each with the file of the other one.
        let mut renamed = clips.clone();
        renamed.iter_mut().zip(FILES.iter().rev()).for_each(|((packed, ..), path)| packed.path = (*path).to_owned());
        for (what, written, wrong) in [
            ("as they are", clips.clone(), vec![]),
            ("in the other order", swapped, vec![0, 1]),
            ("under the other's name", renamed, vec![0, 1]),
            ("without the second one", clips[..1].to_vec(), vec![1]),
            ("with one more", [&clips[..], &clips[..1]].concat(), vec![2]),
        ] {
            let told = Told { w, zone: &zone, facts: &facts, clips: &written, manifest, pdf: false, derived: false };
            let right = all(&clips);
            let catalogue = told.catalogue();
            let rows = rows_of(&catalogue);
            let in_catalogue = differing(&rows, &right, |n, row, (file, record)| row.is_of(n + 1, file, record));
            assert_eq!(in_catalogue, wrong, "{what}: {catalogue}");
            let table = told.csv();
            assert_eq!(differing(&pages::read_csv(&table), &right, in_table), wrong, "{what}: {table}");
            let register = told.transfer();
            assert_eq!(handed::differing(&register, &right), wrong, "{what}: {register}");
        }
    }

    #[test]
    fn rows_of_a_catalogue_have_their_digests() {
        let digest = "01".repeat(32);
        let page = format!(
            "<tbody><tr><td rowspan=\"2\">1</td><td><a href=\"x\">y</a></td><td>证明</td><td>—</td></tr>\n<tr><td class=\"code\">SHA-256 {digest}</td></tr></tbody>\n<tbody>\n<tr><td>7</td></tr></tbody>"
        );
        let rows = rows_of(&page);
        assert_eq!((rows.len(), rows[0].number, rows[0].sha256), (1, "1", digest.as_str()));
        assert!(rows[0].cells.contains("证明") && !rows[0].cells.contains("7"));
    }
}
