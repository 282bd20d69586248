//! Statistics (统计报表): the page, its register of clips (台账) as CSV and XLSX, the unit's own forms filled in, and the API.
//! What is counted is what whoever looks may see in lists, so that every figure opens exactly its clips.

pub mod cases;

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::present::reports::{self as said, Cell, FigureLine, GapLine, MonthLine, OverdueLine, Share};
use super::present::{Ctx, Nav, Stamp};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::reports::{ReportQuery, ReportView};
use crate::domain::register::kind_key;
use crate::domain::report::{self, Period, ReportTold};
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::workbook::{csv, sheet};

pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
pub(super) const CSV: &str = "text/csv; charset=utf-8";

/// Page, files and API.
pub fn routes(r: Routes) -> Routes {
    let need = Need::May(Action::SeeReports);
    r.get("/reports", need, page)
        .get("/reports/register.csv", need, register_csv)
        .get("/reports/register.xlsx", need, register_xlsx)
        .get("/reports/form/{name}", need, form)
        .get("/reports/cases", need, cases::page)
        .get("/api/v1/reports", need, get_report)
        .get("/api/v1/reports/cases", need, cases::list_cases_of)
        .get("/api/v1/reports/register.csv", need, register_csv)
        .get("/api/v1/reports/register.xlsx", need, register_xlsx)
        .get("/api/v1/reports/form/{name}", need, form)
}

/// Of which period, unit and kind.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct RawReportQuery {
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
}

impl RawReportQuery {
    fn resolve(self, site: &Site) -> Result<ReportQuery, Trouble> {
        let text = |v: Option<String>| v.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let named = |v: Option<String>| text(v).map(|v| if v == "-" { String::new() } else { v });
        let period = match (text(self.period), text(self.from), text(self.to)) {
            (_, Some(from), Some(to)) => format!("{from}..{to}"),
            (Some(period), ..) => period,
            (None, ..) => Period::month_of(site.clock.now().zoned(&site.zone).date()).to_string(),
        };
        let period = Period::parse(&period).map_err(|e| Trouble::Invalid(e.into()))?;
        Ok(ReportQuery { period, unit: named(self.unit), kind: named(self.kind) })
    }
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportPage<'a> {
    c: &'a Ctx,
    heading: String,
    choices: Vec<(&'static str, String, bool)>,
    before: String,
    after: String,
    from: String,
    to: String,
    units: Vec<(String, String, bool)>,
    kinds: Vec<(String, String, bool)>,
    shares: Vec<Share>,
    by_unit: Vec<FigureLine>,
    by_kind: Vec<FigureLine>,
    empty: bool,
    undated: Option<(String, String)>,
    records: Vec<(&'static str, Cell)>,
    gaps: Vec<GapLine>,
    gaps_note: Option<&'static str>,
    overdue: Vec<OverdueLine>,
    months: Vec<MonthLine>,
    outlook: (Vec<String>, Vec<(String, String)>),
    query: String,
    forms: Vec<(String, String)>,
    made: Stamp,
    self_href: String,
}

/// Options of a choice: value, label, and whether it is the one.
fn options(known: &[String], chosen: Option<&str>, every: &str, none: &str) -> Vec<(String, String, bool)> {
    let mut options = vec![(String::new(), every.to_owned(), chosen.is_none())];
    options.extend(known.iter().map(|name| (name.clone(), name.clone(), chosen == Some(name))));
    options.push(("-".to_owned(), none.to_owned(), chosen == Some("")));
    if let Some(other) = chosen.filter(|c| !c.is_empty() && !known.iter().any(|k| k == c)) {
        options.push((other.to_owned(), other.to_owned(), true));
    }
    options
}

async fn logged(site: &Site, visitor: &Visitor, what: &str, query: &ReportQuery) -> Result<(), Trouble> {
    let terms = format!("{what} {}", query.to_query_string());
    site.log_access(visitor, Access { what: "list", terms: Some(&terms), ..Access::default() }).await
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(raw): Query<RawReportQuery>) -> Response {
    let answer = async {
        let query = raw.resolve(&site)?;
        logged(&site, &visitor, "report", &query).await?;
        let c = site.ctx(&visitor, Nav::Reports).await?;
        let v = site.pages.report(&query, &visitor.who.within(Action::ListClips)).await?;
        Ok(Html(page_of(&v, &query, visitor.part_href(), &c).render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

fn page_of<'a>(v: &ReportView, query: &ReportQuery, self_href: String, c: &'a Ctx) -> ReportPage<'a> {
    let (w, o) = (c.w, c.w.oversight());
    let report = &v.report;
    // However the address writes it, it is the one in the list.
    let kind = query.kind.as_deref();
    let known = kind.and_then(|kind| report.known.1.iter().find(|known| kind_key(known) == kind_key(kind)));
    let kind = known.map(String::as_str).or(kind);
    let gaps_note = match &report.gaps {
        g if !g.catalogue => Some(o.gaps_catalogue),
        g if g.cut => Some(o.gaps_more),
        g if g.rows.is_empty() => Some(o.gaps_none),
        _ => None,
    };
    ReportPage {
        heading: w.period(query.period),
        choices: said::choices(query, c),
        before: said::href(query, query.period.before()),
        after: said::href(query, query.period.after()),
        from: query.period.first().to_string(),
        to: query.period.last().to_string(),
        units: options(&report.known.0, query.unit.as_deref(), o.every_unit, o.no_unit),
        kinds: options(&report.known.1, kind, o.every_kind, o.no_kind),
        shares: said::shares(v, query, c),
        by_unit: said::lines(v, query, true, c),
        by_kind: said::lines(v, query, false, c),
        empty: report.total.clips == 0,
        undated: (report.undated > 0).then(|| (w.number(report.undated), query.clips_of(report::Figure::Undated))),
        records: said::records(v, query, c),
        gaps: said::gaps(v, c),
        gaps_note,
        overdue: said::overdue(v, c),
        months: said::months(v, query, c),
        outlook: said::outlook(v, c),
        query: query.to_query_string(),
        forms: v
            .forms
            .iter()
            .map(|name| {
                (name.clone(), format!("/reports/form/{}?{}", super::present::segment(name), query.to_query_string()))
            })
            .collect(),
        made: c.stamp(report.made),
        self_href,
        c,
    }
}

/// A file to be saved. `name` may be anything; what old programs read of it is plain.
pub(super) fn file(bytes: Vec<u8>, kind: &'static str, name: &str, plain: &str) -> Response {
    let full = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}");
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

async fn register(site: &Site, visitor: &Visitor, raw: RawReportQuery, xlsx: bool) -> Result<Response, Trouble> {
    let query = raw.resolve(site)?;
    logged(site, visitor, "register of clips", &query).await?;
    let w = visitor.lang.words();
    let found = site.pages.register(&query, &visitor.who.within(Action::ListClips)).await?;
    let clips = found.ok_or_else(|| Trouble::Invalid(Why::said(w.oversight().too_many_rows)))?;
    let zone = site.zone.clone();
    let title = format!("{} {}", w.oversight().register_title, w.period(query.period));
    let name = title.clone();
    let (head, end, kind) =
        (report::register_head(w), if xlsx { "xlsx" } else { "csv" }, if xlsx { XLSX } else { CSV });
    // A hundred thousand lines are no work for the thread that answers everybody.
    let made = crate::runtime::task::blocking("register", move || {
        let rows = report::register_rows(&clips, w, &zone);
        match xlsx {
            true => sheet::write(w.oversight().register_title, &title, &head, &rows),
            false => csv::write(std::iter::once(head.iter().map(|h| (*h).into()).collect()).chain(rows)),
        }
    });
    let bytes = made.await.map_err(|_| Trouble::Unavailable(Why::Unsaid))?;
    Ok(file(bytes, kind, &format!("{name}.{end}"), &format!("register-{}.{end}", plain(query.period))))
}

fn plain(period: Period) -> String {
    period.to_string().replace("..", "_")
}

/// The register of clips (台账) as CSV: one line a clip.
#[utoipa::path(get, path = "/api/v1/reports/register.csv", params(RawReportQuery), responses(
    (status = 200, content_type = "text/csv", body = Vec<u8>), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn register_csv(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(raw): Query<RawReportQuery>,
) -> Response {
    register(&site, &visitor, raw, false).await.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

/// The register of clips (台账) as a workbook.
#[utoipa::path(get, path = "/api/v1/reports/register.xlsx", params(RawReportQuery), responses(
    (status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body = Vec<u8>),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn register_xlsx(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(raw): Query<RawReportQuery>,
) -> Response {
    register(&site, &visitor, raw, true).await.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

/// A form of the unit's own (`[[supervision.form]]`), filled in.
#[utoipa::path(get, path = "/api/v1/reports/form/{name}", params(("name" = String, Path, description = "As it is configured"), RawReportQuery),
    responses((status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body = Vec<u8>),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn form(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(raw): Query<RawReportQuery>,
) -> Response {
    let answer = async {
        let query = raw.resolve(&site)?;
        logged(&site, &visitor, "form", &query).await?;
        let within = visitor.who.within(Action::ListClips);
        let w = visitor.lang.words();
        let filled = site.pages.form(&name, &query, &within, w).await?.ok_or(Trouble::NoPage)?;
        let full = format!("{name} {}.xlsx", w.period(query.period));
        Ok(file(filled, XLSX, &full, &format!("report-{}.xlsx", plain(query.period))))
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

/// Statistics of a period: recorded, complete, linked, proven, missing records, recorders not brought back, growth. Counted
/// is what may stand in lists for whoever asks; each figure opens its clips with `figure` of `/api/v1/clips`.
#[utoipa::path(get, path = "/api/v1/reports", params(RawReportQuery), responses(
    (status = 200, body = ReportTold), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn get_report(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    raw: Result<Query<RawReportQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(raw) = raw?;
        let query = raw.resolve(&site)?;
        logged(&site, &visitor, "report", &query).await?;
        let v = site.pages.report(&query, &visitor.who.within(Action::ListClips)).await?;
        Ok(Json(report::told(&v.report, &site.zone)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
