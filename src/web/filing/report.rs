//! The check report of a filing: how the data of each clip were compared, how far that is, and the report as it was signed,
//! with whoever signed it and its digest; also by itself, to be printed.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{GapLine, gap, read};
use crate::domain::filing::{Aspect, ClipCompared, Outcome, Report};
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;
use crate::domain::words::Lang;
use crate::store::{FilingProgress, FilingRow, Signed};
use crate::web::keeping::actor;
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp, case_href};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::Trouble;

/// How a clip was compared, in words.
pub(super) struct ComparedLine {
    pub id: String,
    pub pill: Pill,
    pub at: Option<Stamp>,
    /// The copy elsewhere that was compared last.
    pub cloud: Option<(String, Stamp)>,
    pub detail: String,
}

fn compared_line(clip: ClipId, compared: &ClipCompared, c: &Ctx) -> ComparedLine {
    let k = c.w.keeping();
    let pill = match compared.outcome {
        Outcome::Same => Pill::new("safe", k.compared_same),
        Outcome::Differs => Pill::new("fail", k.compared_differs),
        Outcome::Unreached => Pill::new("ask", k.compared_unreached),
    };
    ComparedLine {
        id: clip.to_string(),
        pill,
        at: Some(c.stamp(UtcMs(compared.at_ms))),
        cloud: compared.cloud.as_ref().map(|d| (d.place.clone(), c.stamp(UtcMs(d.at_ms)))),
        detail: detail(compared, c),
    }
}

/// What is not as it was sealed; where that is said of a copy alone, in the words of whoever compared it.
fn detail(compared: &ClipCompared, c: &Ctx) -> String {
    let w = c.w;
    let looked =
        [(w.verify_here(), &compared.local), (w.verify_log(), &compared.log), (w.verify_record(), &compared.record)];
    let wrong: Vec<String> = looked
        .into_iter()
        .filter(|(_, word)| !matches!(word.as_str(), "same" | "evicted" | "none"))
        .map(|(what, word)| match w.lang {
            Lang::Zh => format!("{what}：{}", w.compared(word)),
            Lang::En => format!("{what} {}", w.compared(word)),
        })
        .collect();
    match (&compared.detail, wrong.is_empty()) {
        (Some(said), true) => format!("“{said}”"),
        (None, true) => String::new(),
        (_, false) => wrong.join(match w.lang {
            Lang::Zh => "；",
            Lang::En => "; ",
        }),
    }
}

/// The comparisons of a report, and what still waits since it began.
pub(super) fn compared_lines(report: &Report, c: &Ctx) -> Vec<ComparedLine> {
    let waits = |at_ms: i64| report.begun_ms.is_some_and(|begun| at_ms < begun);
    let line = |(clip, compared): &(ClipId, ClipCompared)| {
        let line = compared_line(*clip, compared, c);
        if waits(compared.at_ms) {
            return ComparedLine { pill: Pill::new("idle", c.w.keeping().compared_waits), ..line };
        }
        line
    };
    report.compared.iter().map(line).collect()
}

/// How far the comparison of a case is, in words.
pub(super) struct Going {
    pub going: bool,
    pub begun: bool,
    /// `12/40`.
    pub figures: String,
    pub since: Option<String>,
}

pub(super) fn going(progress: &FilingProgress, c: &Ctx) -> Going {
    let since = progress.begun.as_ref();
    Going {
        going: progress.is_going(),
        begun: since.is_some(),
        figures: format!("{}/{}", c.w.number(progress.done as u64), c.w.number(progress.clips as u64)),
        since: since.map(|(by, ms)| format!("{} · {}", c.named(&actor(by)), c.stamp(UtcMs(*ms)).text)),
    }
}

/// A signed report, in words.
pub(super) struct SignedLines {
    pub by: String,
    pub at: String,
    pub opinion: String,
    pub sha256: String,
    /// Whether the log told the digest when it was signed, and where.
    pub logged: Option<u64>,
    pub altered: bool,
    pub clips: String,
    pub remarks: Vec<GapLine>,
    pub gaps: Vec<GapLine>,
    pub compared: Vec<ComparedLine>,
    pub aspects: Vec<(&'static str, Pill)>,
}

pub(super) fn signed_lines(f: &FilingRow, signed: &Signed, number: &str, c: &Ctx) -> Option<SignedLines> {
    let (by, ms) = f.filed.as_ref()?;
    let report = signed.report.clone().unwrap_or_default();
    Some(SignedLines {
        by: c.named(&actor(by)),
        at: c.stamp(UtcMs(*ms)).text,
        opinion: f.opinion.clone().unwrap_or_default(),
        sha256: signed.sha256.clone(),
        logged: signed.logged.as_ref().map(|(seq, _)| *seq),
        altered: signed.is_altered() || signed.report.is_none(),
        clips: c.w.number(report.clips as u64),
        remarks: report.remarks.iter().map(|g| gap(g, number, c)).collect(),
        gaps: report.gaps.iter().map(|g| gap(g, number, c)).collect(),
        compared: compared_lines(&report, c),
        aspects: aspects(&report, c).into(),
    })
}

/// Each of the four properties, and whether it is there.
pub(super) fn aspects(report: &Report, c: &Ctx) -> [(&'static str, Pill); 4] {
    let k = c.w.keeping();
    Aspect::ALL.map(|a| {
        let (class, text) = if report.has(a) { ("safe", k.aspect_ok) } else { ("fail", k.aspect_gap) };
        (c.w.aspect(a), Pill::new(class, text))
    })
}

#[derive(Template)]
#[template(path = "filing_report.html")]
struct ReportPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    href: String,
    facts: Vec<(&'static str, String)>,
    signed: SignedLines,
}

/// The signed report, to be printed.
pub(super) async fn report(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number, false).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let filed = v.filing.as_ref().zip(v.signed.as_ref());
        let (f, signed) =
            filed.and_then(|(f, s)| Some((f, signed_lines(f, s, &v.case_no, &c)?))).ok_or(Trouble::NoPage)?;
        let html = ReportPage {
            href: case_href(&v.case_no),
            facts: super::now(f, &c).facts,
            number: &v.case_no,
            signed,
            c: &c,
        };
        Ok(Html(html.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// The report as it was signed, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedReport {
    /// What the check found when it was signed; absent where what is stored cannot be read.
    pub report: Option<serde_json::Value>,
    /// SHA-256 of the stored report, hex.
    pub sha256: String,
    /// Position in the log of the entry that tells the digest; absent of cases that were filed before the log told it.
    pub log_seq: Option<u64>,
    /// What is stored is not what was signed.
    pub altered: bool,
}

impl From<&Signed> for SignedReport {
    fn from(s: &Signed) -> Self {
        Self {
            report: s.report.as_ref().map(crate::store::report_json),
            sha256: s.sha256.clone(),
            log_seq: s.logged.as_ref().map(|(seq, _)| *seq),
            altered: s.is_altered(),
        }
    }
}

/// How far the comparison of the data is, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparingNow {
    /// Clips that can be compared.
    pub clips: usize,
    /// Of these, how many were, since it began.
    pub done: usize,
    /// It goes on.
    pub going: bool,
    /// When it began, RFC 3339; absent: it never did.
    pub begun_at: Option<String>,
}

impl ComparingNow {
    pub(super) fn of(p: &FilingProgress, zone: &jiff::tz::TimeZone) -> Self {
        Self {
            clips: p.clips,
            done: p.done,
            going: p.is_going(),
            begun_at: p.begun.as_ref().map(|(_, ms)| UtcMs(*ms).rfc3339_in(zone)),
        }
    }
}
