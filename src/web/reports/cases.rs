//! The cases that a figure of a report counts, as a page and for programs. The same report is made, so that no figure
//! disagrees with its list.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{RawReportQuery, logged};
use crate::domain::report::CaseGaps;
use crate::domain::rights::Action;
use crate::web::paging::{cut, filled, href};
use crate::web::present::reports::{CasesOf, GapLine, behind, gap_line};
use crate::web::present::{Ctx, Nav, Stamp};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::reports::{ReportQuery, ReportView};

/// Cases of a page.
const CASES: u32 = 200;

/// Which cases of which report.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct CasesOfQuery {
    /// `opened`, `complete`, `missing`, `missing_with_reason`, `interrupted`; those that were opened where it is absent.
    pub of: String,
    /// `2026-W25`, `2026-06`, `2026-Q2`, `2026`, or `2026-06-01..2026-06-15`; this month where it is absent.
    pub period: Option<String>,
    /// In place of it: from this day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// To this day, which is part of it.
    pub to: Option<String>,
    /// Of this unit alone; `-` for officers of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement alone; `-` for those that have none.
    pub kind: Option<String>,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// A page of the cases behind a figure.
struct Found {
    of: CasesOf,
    query: ReportQuery,
    v: ReportView,
    rows: Vec<CaseGaps>,
    total: u64,
    next: Option<String>,
}

async fn found(site: &Site, visitor: &Visitor, q: CasesOfQuery) -> Result<Found, Trouble> {
    let of = if q.of.is_empty() { CasesOf::default() } else { CasesOf::parse(&q.of).ok_or(Trouble::NoPage)? };
    let raw = RawReportQuery { period: q.period, from: q.from, to: q.to, unit: q.unit, kind: q.kind };
    let query = raw.resolve(site)?;
    logged(site, visitor, "cases of a report", &query).await?;
    let v = site.pages.report(&query, &visitor.who.within(Action::ListClips)).await?;
    let all = behind(&v, of);
    let total = all.len() as u64;
    let after = filled(q.after.as_deref());
    let mut rows: Vec<CaseGaps> = all
        .into_iter()
        .filter(|g| after.is_none_or(|after| g.number.as_str() > after))
        .take(CASES as usize + 1)
        .cloned()
        .collect();
    let next = cut(&mut rows, CASES, |g| g.number.clone());
    Ok(Found { of, query, v, rows, total, next })
}

#[derive(Template)]
#[template(path = "report_cases.html")]
struct CasesPage<'a> {
    c: &'a Ctx,
    heading: String,
    label: &'static str,
    report: String,
    rows: Vec<GapLine>,
    total: String,
    cut: Option<&'static str>,
    next: Option<String>,
    made: Stamp,
}

pub(super) async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<CasesOfQuery>) -> Response {
    let answer = async {
        let f = found(&site, &visitor, q).await?;
        let c = site.ctx(&visitor, Nav::Reports).await?;
        let pairs = [f.query.to_query_string(), format!("of={}", f.of.as_str())];
        let html = CasesPage {
            heading: c.w.period(f.query.period),
            label: f.of.label(&c),
            report: format!("/reports?{}", f.query.to_query_string()),
            total: c.w.number(f.total),
            cut: f.v.report.gaps.cut.then_some(c.w.oversight().gaps_more),
            rows: f.rows.iter().map(|g| gap_line(g, &c)).collect(),
            next: f.next.map(|next| href("/reports/cases", &pairs, &next)),
            made: c.stamp(f.v.report.made),
            c: &c,
        };
        Ok(Html(html.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// Cases of a period as a figure of its report counts them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportCases {
    /// The period.
    pub period: String,
    /// The figure.
    pub of: &'static str,
    /// In the order of their numbers.
    pub items: Vec<ReportCase>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// How many there are in all.
    pub total: u64,
    /// The report did not look at every case of the period: there may be others.
    pub cut: bool,
}

/// A case as a report counts it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportCase {
    /// Its number.
    pub case_no: String,
    /// Its unit, where somebody has said.
    pub unit: Option<String>,
    /// Matters without a recording, of which nobody said why.
    pub missing: Vec<String>,
    /// The same with a reason on record.
    pub missing_with_reason: Vec<String>,
    /// Matters that should be recorded whole, and are not.
    pub interrupted: Vec<String>,
}

/// The cases that a figure of a report counts.
#[utoipa::path(get, path = "/api/v1/reports/cases", params(CasesOfQuery), responses((status = 200, body = ReportCases),
    (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_cases_of(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<CasesOfQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(q) = q?;
        let f = found(&site, &visitor, q).await?;
        let items = f.rows.into_iter().map(|g| ReportCase {
            case_no: g.number,
            unit: g.unit,
            missing: g.missing,
            missing_with_reason: g.explained,
            interrupted: g.interrupted,
        });
        let told = ReportCases {
            period: f.query.period.to_string(),
            of: f.of.as_str(),
            items: items.collect(),
            next: f.next,
            total: f.total,
            cut: f.v.report.gaps.cut,
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
