//! The pages of a package that people open and print: note, catalogue, transfer register; and the records as a table.
//! HTML without scripts, fonts or pictures from elsewhere, laid out for A4. Texts come from recorders and from people:
//! every one of them is escaped.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{CATALOGUE, CHECKER, FACTS, Facts, PackedClip, README, TRANSFER};
use crate::domain::digest::Sha256;
use crate::domain::event::{Actor, EventKind};
use crate::domain::record::Record;
use crate::domain::time::UtcMs;
use crate::domain::words::{Lang, Words};

/// What the pages tell.
pub struct Told<'a> {
    /// In which language.
    pub w: &'static Words,
    /// The zone in which times are shown.
    pub zone: &'a jiff::tz::TimeZone,
    /// Who, why, on what basis.
    pub facts: &'a Facts,
    /// The clips in their order, each with its record and what happened to it.
    pub clips: &'a [(PackedClip, Record, Vec<Happened>)],
    /// SHA-256 of the payload manifest.
    pub manifest: Sha256,
    /// The documents stand beside these pages as PDF.
    pub pdf: bool,
    /// Derived files stand in the package.
    pub derived: bool,
}

/// An event of a clip in words' reach.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Position in the log.
    pub seq: u64,
    /// By the station's clock.
    pub at: UtcMs,
    /// What; `None` of a newer program.
    pub kind: Option<EventKind>,
    /// Who.
    pub actor: Actor,
    /// The destination or recorder that it names.
    pub place: Option<String>,
}

const STYLE: &str = "@page{size:A4;margin:18mm 15mm}\
body{font:11pt/1.5 \"Songti SC\",SimSun,\"Noto Serif CJK SC\",serif;color:#000;max-width:190mm;margin:1em auto;padding:0 1em}\
h1{font-size:17pt;text-align:center;margin:.4em 0 .8em}h2{font-size:12.5pt;margin:1.2em 0 .4em}\
table{border-collapse:collapse;width:100%;font-size:9.5pt}th,td{border:1px solid #444;padding:3px 5px;vertical-align:top;text-align:left;overflow-wrap:anywhere}\
thead{display:table-header-group}tr{break-inside:avoid}td.code,code{font-family:monospace;font-size:8pt;word-break:break-all}\
table.wide{table-layout:fixed}table.wide tbody{break-inside:avoid}\
table.sign td{height:22mm}table.sign th{width:32mm}nav{text-align:center;font-size:9.5pt}@media print{nav{display:none}}";

/// Text inside an element or an attribute: no markup, nothing that turns the direction of what follows (UAX #9).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn page(w: &Words, title: &str, body: &str) -> String {
    let lang = match w.lang {
        Lang::Zh => "zh-CN",
        Lang::En => "en",
    };
    let links: Vec<String> =
        [(README, w.pk_readme), (CATALOGUE, w.pk_catalogue), (TRANSFER, w.pk_transfer), (CHECKER, w.pk_checker)]
            .iter()
            .map(|(href, name)| format!("<a href=\"{href}\">{}</a>", escape(name)))
            .collect();
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body>\n<nav>{}</nav>\n<h1>{title}</h1>\n{body}</body>\n</html>\n",
        links.join(" · "),
        title = escape(title),
    )
}

fn list(items: &[&str]) -> String {
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
    format!("<ol>\n{items}</ol>\n")
}

impl Told<'_> {
    /// Name and value of what every document begins with.
    pub(super) fn fact_rows(&self) -> [(&'static str, String); 12] {
        let (w, facts) = (self.w, self.facts);
        let mut number = facts.case_no.clone();
        if !facts.aliases.is_empty() {
            let _ = write!(number, " ({})", facts.aliases.join(", "));
        }
        let disc = facts.disc.map(|disc| format!("{} / {}", disc.n, disc.of)).unwrap_or_default();
        [
            (w.pk_case, number),
            (w.pk_disc, disc),
            (w.pk_agency, facts.agency.clone().unwrap_or_default()),
            (w.pk_station, facts.station.clone()),
            (w.pk_content, w.package_content(facts.clips, facts.bytes)),
            (w.pk_reason, facts.reason.clone()),
            (w.pk_basis, facts.basis.clone()),
            (w.pk_recipient, facts.recipient.clone().unwrap_or_default()),
            (w.pk_asked_by, format!("{} · #{}", facts.asked_by, facts.begun_seq)),
            (w.pk_asked_at, facts.asked_at.clone()),
            (w.pk_package, facts.package.clone()),
            (w.pk_digest, self.manifest.to_string()),
        ]
    }

    fn facts(&self) -> String {
        let (w, facts) = (self.w, self.facts);
        let rows: String = self
            .fact_rows()
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value)))
            .collect();
        let without = w.package_without(facts.isolated, facts.unsealed, facts.disposed);
        let without = without.map(|text| format!("<p>{}</p>\n", escape(&text))).unwrap_or_default();
        format!("<table>\n{rows}</table>\n{without}")
    }

    /// 说明文件.
    pub fn readme(&self) -> String {
        let w = self.w;
        let heading = |text: &str| format!("<h2>{}</h2>\n", escape(text));
        let inside = [
            "data/clips/",
            "data/metadata/",
            "custody/events/",
            "custody/proofs/",
            "custody/checkpoint",
            "custody/keys.txt",
            FACTS,
        ];
        let body = [
            self.facts(),
            heading(w.pk_shows) + &list(w.package_shows()),
            heading(w.pk_shows_not) + &list(w.package_shows_not()),
            heading(w.pk_how) + &list(w.package_how()),
            heading(w.pk_inside),
            format!("<p><code>{}</code></p>\n", inside.join("</code> <code>")),
            if self.derived { format!("<p>{}</p>\n", escape(w.pk_derived)) } else { String::new() },
            if self.pdf { String::new() } else { format!("<p>{}</p>\n", escape(w.pk_no_pdf)) },
        ];
        page(w, w.pk_readme, &body.concat())
    }

    /// 证据目录.
    pub fn catalogue(&self) -> String {
        let w = self.w;
        let header: String = [
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
        ]
        .iter()
        // Widths in per cent: A4 upright takes ten columns only if each has its measure.
        .zip([5, 13, 14, 13, 9, 11, 8, 13, 7, 7])
        .map(|(name, percent)| format!("<th style=\"width:{percent}%\">{}</th>", escape(name)))
        .collect();
        let mut rows = String::new();
        for (n, (clip, record, _)) in self.clips.iter().enumerate() {
            let text = |value: &Option<String>| escape(value.as_deref().unwrap_or(w.none_dash));
            let length = self.length(record);
            let source = format!("{} {}", record.device_id, record.original_filename);
            let seal = record.sealed_log_index.map_or_else(|| w.none_dash.to_owned(), |seq| format!("#{seq}"));
            let name = clip.path.rsplit('/').next().unwrap_or_default();
            let _ = writeln!(
                rows,
                "<tbody><tr><td rowspan=\"2\">{}</td><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n\
                 <tr><td colspan=\"9\" class=\"code\">SHA-256 {}</td></tr></tbody>",
                n + 1,
                escape(&clip.path),
                escape(name),
                text(&record.proves),
                text(&record.captured_start),
                escape(&length),
                text(&record.place),
                text(&w.officer_of(record)),
                escape(&source),
                escape(&w.size(clip.size_bytes)),
                escape(&seal),
                clip.sha256,
            );
        }
        let mut body = format!("{}<h2>{}</h2>\n", self.facts(), escape(w.pk_catalogue));
        let _ = write!(body, "<table class=\"wide\">\n<thead><tr>{header}</tr></thead>\n{rows}</table>\n");
        for (n, (clip, _, happened)) in self.clips.iter().enumerate() {
            let name = clip.path.rsplit('/').next().unwrap_or_default();
            let _ = write!(
                body,
                "<h2>{} {} · {}</h2>\n<table>\n<thead><tr><th>#</th><th>{}</th><th>{}</th><th>{}</th></tr></thead>\n<tbody>\n",
                escape(w.pk_custody),
                n + 1,
                escape(name),
                escape(w.pk_when),
                escape(w.pk_what),
                escape(w.pk_who)
            );
            for event in happened {
                let what = match event.kind {
                    Some(kind) => w.event(kind, event.place.as_deref()),
                    None => w.none_dash.to_owned(),
                };
                let _ = writeln!(
                    body,
                    "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                    event.seq,
                    event.at.rfc3339_in(self.zone),
                    escape(&what),
                    escape(&w.actor(&event.actor))
                );
            }
            body.push_str("</tbody>\n</table>\n");
        }
        page(w, w.pk_catalogue, &body)
    }

    /// How long a clip is, and which part of it is of this case.
    pub(super) fn length(&self, record: &Record) -> String {
        let w = self.w;
        let length = record.duration_ms.map_or_else(|| w.none_dash.to_owned(), |ms| w.footage(ms));
        match record.stretch_in(&self.facts.case_no) {
            Some(part) => format!("{length} {}", w.stretch_of_case(part)),
            None => length,
        }
    }

    /// 移交登记表.
    pub fn transfer(&self) -> String {
        let w = self.w;
        let blank = |names: [&str; 2]| {
            let cells: String = names.iter().map(|name| format!("<th>{}</th><td></td>", escape(name))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let signed =
            [[w.pk_giver, w.pk_date], [w.pk_taker, w.pk_date], [w.pk_witness, w.pk_date], [w.pk_medium, w.pk_remarks]];
        let rows: String = signed.into_iter().map(blank).collect();
        let (facts, handed) = (self.facts(), self.handed());
        page(w, w.pk_transfer, &format!("{facts}{handed}<br>\n<table class=\"sign\">\n{rows}</table>\n"))
    }

    /// The records as a table, for programs that calculate: UTF-8 with a mark, as they want it.
    pub fn csv(&self) -> String {
        let mut out = String::from('\u{feff}');
        let header = [
            "no",
            "file",
            "record_id",
            "station_id",
            "case_no",
            "stage",
            "matter",
            "proves",
            "captured_start",
            "captured_end",
            "place",
            "officer",
            "co_officers",
            "device_id",
            "original_filename",
            "duration_ms",
            "size_bytes",
            "sha256",
            "blake3",
            "sealed_log_index",
            "ingested_at",
            "sensitivity",
            "media_health",
            // Later columns stand behind those that programs already count.
            "officer_cert_no",
            "officer_auxiliary",
            "officer_register_import",
            // The part of the clip that is of this case; empty: all of it.
            "case_from_ms",
            "case_to_ms",
        ];
        let mut row = |cells: Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        };
        row(header.iter().map(|name| (*name).to_owned()).collect());
        for (n, (clip, r, _)) in self.clips.iter().enumerate() {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let number = |value: Option<u64>| value.map(|n| n.to_string()).unwrap_or_default();
            let part = r.stretch_in(&self.facts.case_no);
            row(vec![
                (n + 1).to_string(),
                clip.path.clone(),
                r.record_id.clone(),
                r.station_id.clone(),
                text(&r.case_no),
                text(&r.stage),
                text(&r.matter),
                text(&r.proves),
                text(&r.captured_start),
                text(&r.captured_end),
                text(&r.place),
                text(&r.officer),
                text(&r.co_officers),
                r.device_id.clone(),
                r.original_filename.clone(),
                number(r.duration_ms.and_then(|ms| u64::try_from(ms).ok())),
                clip.size_bytes.to_string(),
                clip.sha256.clone(),
                clip.blake3.clone(),
                number(r.sealed_log_index),
                text(&r.ingested_at),
                r.sensitivity.clone(),
                text(&r.media_health),
                text(&r.officer_cert_no),
                r.officer_registered.as_ref().map(|o| o.auxiliary.to_string()).unwrap_or_default(),
                r.officer_registered.as_ref().map(|o| o.import.to_string()).unwrap_or_default(),
                part.map(|p| p.from_ms.to_string()).unwrap_or_default(),
                part.and_then(|p| p.to_ms).map(|ms| ms.to_string()).unwrap_or_default(),
            ]);
        }
        out
    }
}

/// What a cell says. What a spreadsheet would take for a formula gets an apostrophe before it; the JSON beside it has the
/// exact value.
pub(super) fn csv_text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// A cell (RFC 4180).
fn csv_cell(text: &str) -> String {
    let text = csv_text(text);
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Reads a table as [`Told::csv`] writes it: each row by the names in the first one.
pub(super) fn read_csv(table: &str) -> Vec<BTreeMap<&str, String>> {
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    let (header, mut rest) = table.split_once("\r\n").unwrap_or((table, ""));
    let names: Vec<&str> = header.split(',').collect();
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let mut cells = Vec::new();
        loop {
            let (cell, behind) = one_cell(rest);
            cells.push(cell);
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = behind.strip_prefix("\r\n").unwrap_or("");
                    break;
                }
            }
        }
        rows.push(names.iter().copied().zip(cells).collect());
    }
    rows
}

/// The first cell of what is left of a table, and what is behind it.
fn one_cell(rest: &str) -> (String, &str) {
    let Some(mut quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', '\r']).unwrap_or(rest.len());
        return (rest[..end].to_owned(), &rest[end..]);
    };
    let mut cell = String::new();
    while let Some((text, behind)) = quoted.split_once('"') {
        cell.push_str(text);
        match behind.strip_prefix('"') {
            // Two stand for one.
            Some(more) => {
                cell.push('"');
                quoted = more;
            }
            None => return (cell, behind),
        }
    }
    (cell, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            v: 1,
            package: "p-1".into(),
            station: "zhao-01".into(),
            agency: Some("<script>alert(1)</script>".into()),
            case_no: "赵卫罚〔2026〕12号".into(),
            case_hash: "00".repeat(32),
            aliases: vec!["A&B".into()],
            reason: "=1+1\u{202e}".into(),
            basis: "\"调取证据通知书\"".into(),
            recipient: None,
            asked_by: "os:1000".into(),
            asked_at: "2026-06-19T10:00:00+08:00".into(),
            begun_seq: 7,
            clips: 1,
            bytes: 3,
            isolated: 1,
            unsealed: 2,
            disposed: 0,
            disc: None,
            made_with: "evidock".into(),
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let cells = ["a", "", "=1+1", "现场, \"东关街\"\r\n28号", "x\ny"];
        let row: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        let table = format!("\u{feff}a,b,c,d,e\r\n{0}\r\n{0}\r\n", row.join(","));
        let rows = read_csv(&table);
        assert_eq!(rows.len(), 2);
        for (name, cell) in ["a", "b", "c", "d", "e"].iter().zip(cells) {
            assert_eq!(rows[1].get(name), Some(&csv_text(cell)));
        }
        assert!(read_csv("").is_empty() && read_csv("a,b\r\n\"open").len() == 1);
    }

    #[test]
    fn nothing_that_was_entered_becomes_markup_or_a_formula() {
        let facts = facts();
        let clip = PackedClip {
            clip: "c".into(),
            path: "data/clips/001.mp4".into(),
            size_bytes: 3,
            sha256: "ab".repeat(32),
            blake3: "cd".repeat(32),
            sm3: None,
        };
        let record = Record {
            proves: Some("=cmd|' /C calc'!A0".into()),
            place: Some("<img src=x onerror=alert(1)>".into()),
            officer: Some("张,三\"".into()),
            officer_cert_no: Some("<b>03013300123".into()),
            original_filename: "a\u{1b}[31m.mp4".into(),
            ..Record::default()
        };
        for lang in [Lang::Zh, Lang::En] {
            let happened =
                Happened { seq: 3, at: UtcMs(0), kind: None, actor: Actor::daemon(), place: Some("<b>".into()) };
            let clips = [(clip.clone(), record.clone(), vec![happened])];
            let zone = jiff::tz::TimeZone::UTC;
            let told = Told {
                w: lang.words(),
                zone: &zone,
                facts: &facts,
                clips: &clips,
                manifest: Sha256([1; 32]),
                pdf: false,
                derived: true,
            };
            for page in [told.readme(), told.catalogue(), told.transfer()] {
                assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"), "{page}");
                assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
                assert!(page.contains("赵卫罚〔2026〕12号") && page.contains("A&amp;B"));
            }
            assert!(told.transfer().contains("<td>1</td><td>001.mp4</td><td class=\"code\">—</td>"));
            assert!(told.catalogue().contains("&lt;b&gt;03013300123"), "the certificate stands beside the name");
            let csv = told.csv();
            assert!(csv.starts_with('\u{feff}') && csv.contains(",'=cmd|' /C calc'!A0,"), "{csv}");
            assert!(csv.contains("\"张,三\"\"\""), "{csv}");
        }
    }
}
