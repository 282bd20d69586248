//! A case against the catalogue of what is to be recorded: its print view, the table as CSV and XLSX, the API; and why a
//! matter has no recording, as a form of the case's page and over the API. A reason is never overwritten: each word about a
//! matter, a withdrawal too, is a revision that is logged with who said it.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::keeping::{actor, change_case};
use super::pages::show_case;
use super::present::case::{CoverageLine as Line, coverage as present_coverage};
use super::present::{Ctx, Nav, Stamp, case_href};
use super::refused::Refused;
use super::reports::{CSV, XLSX, file};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::case::{CaseAnswer, CaseView};
use crate::domain::command::Request;
use crate::domain::coverage::{CaseCoverage, Item, NoRecord, ReasonTold, Standing, head, reasons, rows, told};
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::workbook::{csv, sheet};

/// Page, files, form, API.
pub fn routes(r: Routes) -> Routes {
    let (see, say) = (Need::May(Action::FindCase), Need::Case(Action::FileDocument));
    r.get("/cases/{number}/coverage", see, page)
        .get("/cases/{number}/coverage.csv", see, coverage_csv)
        .get("/cases/{number}/coverage.xlsx", see, coverage_xlsx)
        .post("/cases/{number}/reasons", say, post_reason)
        .get("/api/v1/cases/{number}/coverage", see, coverage)
        .get("/api/v1/cases/{number}/coverage.csv", see, coverage_csv)
        .get("/api/v1/cases/{number}/coverage.xlsx", see, coverage_xlsx)
        .get("/api/v1/cases/{number}/reasons", see, list_reasons)
        .post("/api/v1/cases/{number}/reasons", say, say_reason)
        .delete("/api/v1/cases/{number}/reasons", say, withdraw_reason)
}

/// The word of success that the form's address carries.
pub(super) fn done(word: &str, w: &Words) -> Option<&'static str> {
    match word {
        "reason_said" => Some(w.done_reason_said),
        "reason_withdrawn" => Some(w.done_reason_withdrawn),
        _ => None,
    }
}

async fn find(site: &Site, visitor: &Visitor, number: &str) -> Result<Box<CaseView>, Trouble> {
    site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
    match site.pages.case(number, &visitor.who.within(Action::FindCase)).await? {
        CaseAnswer::Found(v) => Ok(v),
        CaseAnswer::Near(_) => Err(Trouble::NoCase),
    }
}

// --- On the page of the case ---------------------------------------------------------------------

/// A word about a matter that has no recording.
pub(super) struct ReasonLine {
    pub(super) matter: String,
    /// Of which stage and when, in words; empty where nobody said.
    pub(super) of: String,
    /// The same for programs, so that this one is taken back and no other.
    pub(super) occasion: String,
    /// Empty: what was said before was taken back.
    pub(super) reason: String,
    pub(super) basis: String,
    pub(super) written: bool,
    pub(super) stands: bool,
    pub(super) who: String,
    pub(super) at: Option<Stamp>,
}

/// Reasons on the page of a case, and the form that gives one.
pub(super) struct ReasonBlock {
    pub(super) lines: Vec<ReasonLine>,
    /// Occasions for which one may be given: as the form sends them, in words, and whether it is the one that was chosen.
    pub(super) occasions: Vec<(String, String, bool)>,
    pub(super) href: String,
}

pub(super) fn reason_block(v: &CaseView, typed: &Refused, c: &Ctx) -> ReasonBlock {
    let mut occasions: Vec<(String, String, bool)> = Vec::new();
    let twice = |of: &Item| v.coverage.lines.iter().filter(|l| l.item.matter == of.matter).count() > 1;
    for line in &v.coverage.lines {
        let of = Occasion { matter: line.item.matter.clone(), ..Occasion::default() };
        let stage = line.item.stage.clone().filter(|_| twice(&line.item));
        let each = line.occasions.iter().map(|o| Occasion {
            of_ms: o.from_ms,
            // A time tells it apart already.
            stage: stage.clone().filter(|_| o.from_ms.is_none()),
            ..of.clone()
        });
        let mut each: Vec<Occasion> = each.collect();
        // Nothing is missing yet of what was not carried out; what will be can be said already.
        if each.is_empty() && !matches!(line.standing, Standing::Present | Standing::Late) {
            each.push(of);
        }
        for one in each {
            let chosen = one.typed() == typed.of("reason", "occasion");
            let option = (one.typed(), one.words(c), chosen);
            if !occasions.contains(&option) {
                occasions.push(option);
            }
        }
    }
    ReasonBlock { lines: reason_lines(v, c), occasions, href: format!("{}/reasons", case_href(&v.number)) }
}

/// Which occasion a form names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Occasion {
    of_ms: Option<i64>,
    stage: Option<String>,
    matter: String,
}

impl Occasion {
    /// As a form sends it.
    fn typed(&self) -> String {
        let at = self.of_ms.map(|ms| ms.to_string()).unwrap_or_default();
        format!("{at}|{}|{}", self.stage.as_deref().unwrap_or_default(), self.matter)
    }

    /// Reads that; what has no such form names a matter alone.
    fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.splitn(3, '|').collect();
        let plain = |text: &str| Self { matter: text.to_owned(), ..Self::default() };
        match parts.as_slice() {
            [at, stage, matter] => match (at.is_empty(), at.parse::<i64>()) {
                (false, Err(_)) => plain(text),
                (_, at) => Self {
                    of_ms: at.ok(),
                    stage: Some((*stage).to_owned()).filter(|s| !s.is_empty()),
                    matter: (*matter).to_owned(),
                },
            },
            _ => plain(text),
        }
    }

    /// When it began, as the daemon reads it.
    fn at(&self) -> Option<String> {
        self.of_ms.map(|ms| UtcMs(ms).rfc3339())
    }

    fn words(&self, c: &Ctx) -> String {
        let at = self.of_ms.map(|ms| c.stamp(UtcMs(ms)).text);
        [Some(self.matter.clone()), self.stage.clone(), at].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

fn reason_lines(v: &CaseView, c: &Ctx) -> Vec<ReasonLine> {
    let told = reasons(&v.reasons, &c.zone);
    let of = |said: &NoRecord| Occasion { of_ms: said.of_ms, stage: said.stage.clone(), matter: said.matter.clone() };
    let line = |(said, told): (&NoRecord, ReasonTold)| ReasonLine {
        occasion: of(said).typed(),
        of: [said.stage.clone(), said.of_ms.map(|ms| c.stamp(UtcMs(ms)).text)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · "),
        matter: told.matter,
        reason: told.reason,
        basis: told.basis,
        written: told.written,
        stands: told.stands,
        who: said.said.as_ref().map(|s| c.named(&actor(&s.actor))).unwrap_or_default(),
        at: said.said.as_ref().map(|s| c.stamp(UtcMs(s.at_ms))),
    };
    v.reasons.iter().zip(told).map(line).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasonForm {
    /// Which one, as the page's own form names it.
    occasion: String,
    /// The same by its matter, and where several ask for it or it was carried out more than once by stage and time.
    matter: String,
    stage: String,
    at: String,
    reason: String,
    basis: String,
    written: String,
    withdraw: String,
}

async fn post_reason(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<ReasonForm>, FormRejection>,
) -> Response {
    let f = match body {
        Ok(Form(f)) => f,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let withdraw = !f.withdraw.is_empty();
    let fields = [("occasion", &f.occasion), ("reason", &f.reason), ("basis", &f.basis), ("written", &f.written)];
    // A withdrawal is a button: nothing of it comes back.
    let typed = if withdraw { Refused::default() } else { Refused::new("reason", fields) };
    if !withdraw && f.reason.trim().is_empty() {
        let refusal = Some(visitor.lang.words().reason_empty.to_owned());
        let visitor = Visitor { path: case_href(&number), ..visitor };
        let shown = show_case(&site, &visitor, &number, None, (refusal, typed)).await;
        return (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response();
    }
    let (reason, basis) = if withdraw { (String::new(), String::new()) } else { (f.reason, f.basis) };
    let written = !withdraw && !f.written.is_empty();
    let filled = |text: String| Some(text).filter(|t| !t.trim().is_empty());
    let (matter, stage, at) = match f.occasion.is_empty() {
        true => (f.matter, filled(f.stage), filled(f.at)),
        false => {
            let of = Occasion::parse(&f.occasion);
            let at = of.at();
            (of.matter, of.stage, at)
        }
    };
    let request = Request::SayNoRecord { case_no: number.clone(), matter, stage, at, written, reason, basis };
    let done = if withdraw { "reason_withdrawn" } else { "reason_said" };
    change_case(&site, &visitor, &number, (request, done), typed).await
}

// --- Print view and files ------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "coverage.html")]
struct CoveragePage<'a> {
    c: &'a Ctx,
    number: &'a str,
    href: String,
    facts: Vec<(&'static str, String)>,
    lines: Vec<Line>,
    counts: Vec<(&'static str, String)>,
    beside: Option<String>,
    reasons: Vec<ReasonLine>,
    made: Stamp,
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        let v = find(&site, &visitor, &number).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let o = c.w.oversight();
        let facts = [(o.party, &v.party), (o.cause, &v.cause), (o.kind, &v.enforcement_kind)];
        let counts = Standing::ALL.into_iter().map(|s| (c.w.standing(s), v.coverage.count(s) as u64));
        let html = CoveragePage {
            number: &v.number,
            href: case_href(&v.number),
            facts: facts.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))).collect(),
            lines: present_coverage(&v.coverage, &c),
            counts: counts.filter(|(_, n)| *n > 0).map(|(word, n)| (word, c.w.number(n))).collect(),
            beside: (v.coverage.beside > 0).then(|| c.w.clips_beside(v.coverage.beside as u64)),
            reasons: reason_lines(&v, &c),
            made: c.clock(),
            c: &c,
        };
        Ok(Html(html.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn published(site: &Site, visitor: &Visitor, number: &str) -> Result<CaseCoverage, Trouble> {
    let v = find(site, visitor, number).await?;
    Ok(told(&v.number, &v.coverage, site.clock.now(), &site.zone))
}

async fn table(site: &Site, visitor: &Visitor, number: &str, xlsx: bool) -> Result<Response, Trouble> {
    let (told, w) = (published(site, visitor, number).await?, visitor.lang.words());
    let (head, rows) = (head(w), rows(&told, w));
    let name = format!("{} {}", w.coverage, told.case_no);
    let (bytes, kind, end) = match xlsx {
        true => (sheet::write(w.coverage, &w.coverage_heading(&told), &head, &rows), XLSX, "xlsx"),
        false => {
            let head = head.iter().map(|h| (*h).into()).collect();
            (csv::write(std::iter::once(head).chain(rows)), CSV, "csv")
        }
    };
    Ok(file(bytes, kind, &format!("{name}.{end}"), &format!("coverage.{end}")))
}

/// A case against the catalogue as CSV: one line an item.
#[utoipa::path(get, path = "/api/v1/cases/{number}/coverage.csv", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, content_type = "text/csv", body = Vec<u8>), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn coverage_csv(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    table(&site, &visitor, &number, false).await.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

/// A case against the catalogue as a workbook.
#[utoipa::path(get, path = "/api/v1/cases/{number}/coverage.xlsx", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body = Vec<u8>),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn coverage_xlsx(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    table(&site, &visitor, &number, true).await.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// A case against the catalogue: what should be recorded, and what is.
#[utoipa::path(get, path = "/api/v1/cases/{number}/coverage", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, body = CaseCoverage), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn coverage(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    match published(&site, &visitor, &number).await {
        Ok(told) => Json(told).into_response(),
        Err(trouble) => trouble.problem(&visitor),
    }
}

/// Everything that was said about matters of a case that have no recording, oldest first: each word a revision. Told to
/// those who may know what is known of the case itself; to others nothing was said.
#[utoipa::path(get, path = "/api/v1/cases/{number}/reasons", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    responses((status = 200, body = Vec<ReasonTold>), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list_reasons(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    match find(&site, &visitor, &number).await {
        Ok(v) => Json(reasons(&v.reasons, &site.zone)).into_response(),
        Err(trouble) => trouble.problem(&visitor),
    }
}

/// Why a matter of a case has no recording.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReasonBody {
    /// Which matter (记录事项).
    pub matter: String,
    /// Of which stage (环节), where several ask for it.
    #[serde(default)]
    pub stage: Option<String>,
    /// On which occasion, where several lack a recording: the day or the time at which it began, RFC 3339 or local to the
    /// station.
    #[serde(default)]
    pub at: Option<String>,
    /// Why; kept on record.
    #[schema(min_length = 1)]
    pub reason: String,
    /// On what basis: an order, an article, a report of the fault.
    #[serde(default)]
    pub basis: String,
    /// A written record stands for it (以文字记录替代).
    #[serde(default)]
    pub written: bool,
}

/// Says why a matter of a case has no recording. What must be recorded whole stays missing, with its reason. A reason is about
/// one occasion; where several lack a recording and none is named, 409 tells when they began.
#[utoipa::path(post, path = "/api/v1/cases/{number}/reasons", params(("number" = String, Path, description = "Any number of the case, in any bracket style")),
    request_body = ReasonBody, responses((status = 200, description = "What is on record now", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn say_reason(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<ReasonBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(b) = body?;
        if b.reason.trim().is_empty() {
            return Err(Trouble::Invalid(Why::said(visitor.lang.words().reason_empty)));
        }
        let request = Request::SayNoRecord {
            case_no: number,
            matter: b.matter,
            stage: b.stage,
            at: b.at,
            written: b.written,
            reason: b.reason,
            basis: b.basis,
        };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// About which matter.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MatterQuery {
    /// Which matter (记录事项).
    pub matter: String,
    /// Of which stage, where reasons of several stand.
    pub stage: Option<String>,
    /// Of which occasion, where reasons of several stand: the day or the time at which it began.
    pub at: Option<String>,
}

/// Takes back what was said last about a matter: a revision, too.
#[utoipa::path(delete, path = "/api/v1/cases/{number}/reasons",
    params(("number" = String, Path, description = "Any number of the case, in any bracket style"), MatterQuery),
    responses((status = 200, description = "What was taken back", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn withdraw_reason(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    query: Result<Query<MatterQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(q) = query?;
        let request = Request::SayNoRecord {
            case_no: number,
            matter: q.matter,
            stage: q.stage,
            at: q.at,
            written: false,
            reason: String::new(),
            basis: String::new(),
        };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

#[cfg(test)]
mod tests {
    use super::Occasion;

    #[test]
    fn an_occasion_is_read_as_the_form_sends_it() {
        let of = |of_ms, stage: Option<&str>, matter: &str| Occasion {
            of_ms,
            stage: stage.map(str::to_owned),
            matter: matter.into(),
        };
        for one in [
            of(Some(1_781_830_800_000), None, "送达"),
            of(None, Some("决定"), "送达"),
            of(None, None, "送达|留置"),
            of(Some(-5), Some("告知"), "<b>&"),
        ] {
            assert_eq!(Occasion::parse(&one.typed()), one);
        }
        assert_eq!(Occasion::parse("送达"), of(None, None, "送达"));
        assert_eq!(Occasion::parse("x|y|z"), of(None, None, "x|y|z"), "no time stands there");
    }
}
