//! Filing of a case (归档): the check with each gap and a way to it, closing, the place in the archive, signing off,
//! re-opening; the lists that are printed (移交清单, 卷内目录) are in [`list`].

pub mod list;

mod report;

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{carried_out, json};
use super::keeping::{Asked, actor, asked, done, step};
use super::offers::{self, Offers};
use super::present::clips::Pill;
use super::present::{self, Ctx, Nav, case_href};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::keeping::FilingView;
use crate::domain::command::Request;
use crate::domain::filing::{FilingAsk, FilingState, Found, What};
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::store::FilingRow;

use report::{ComparedLine, Going, SignedLines, aspects, compared_lines, going, signed_lines};
pub use report::{ComparingNow, SignedReport};

/// Pages, forms, API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/cases/{number}/filing", Need::Over(CloseCase), page)
        .get("/cases/{number}/filing/list", Need::Over(CloseCase), list::page)
        .get("/cases/{number}/filing/report", Need::Over(CloseCase), report::report)
        .post("/cases/{number}/compare", Need::Over(CloseCase), post_compare)
        .post("/cases/{number}/close", Need::Over(CloseCase), post_close)
        .post("/cases/{number}/bind", Need::Over(FileCase), post_bind)
        .post("/cases/{number}/file", Need::Over(FileCase), post_file)
        .post("/cases/{number}/reopen", Need::Over(ReopenCase), post_reopen)
        .get("/api/v1/cases/{number}/filing", Need::Over(CloseCase), get_filing)
        .get("/api/v1/cases/{number}/filing/list", Need::Over(CloseCase), list::list_filed)
        .post("/api/v1/cases/{number}/close", Need::Over(CloseCase), close_case)
        .post("/api/v1/cases/{number}/bind", Need::Over(FileCase), bind_case)
        .post("/api/v1/cases/{number}/compare", Need::Over(CloseCase), compare_case)
        .post("/api/v1/cases/{number}/file", Need::Over(FileCase), file_case)
        .post("/api/v1/cases/{number}/reopen", Need::Over(ReopenCase), reopen_case)
}

/// A gap or a remark, with the way to where it is mended.
struct GapLine {
    aspect: &'static str,
    of: String,
    href: String,
    text: String,
}

struct FilingNow {
    closed: String,
    bound: Option<String>,
    filed: Option<String>,
    facts: Vec<(&'static str, String)>,
    asked: Option<Asked>,
}

#[derive(Template)]
#[template(path = "filing.html")]
struct FilingPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    href: String,
    done: Option<&'static str>,
    refusal: Option<String>,
    state: FilingState,
    pill: Pill,
    aspects: Vec<(&'static str, Pill)>,
    gaps: Vec<GapLine>,
    remarks: Vec<GapLine>,
    compared: Vec<ComparedLine>,
    going: Going,
    signed: Option<SignedLines>,
    now: Option<FilingNow>,
    typed: BindForm,
    /// It was refused and comes back.
    again: bool,
    opinion: String,
    /// Why it was to be re-opened, where that was refused.
    reason: String,
    /// What may be done to this case.
    m: Offers,
    /// Its live part is asked for at most once in so many seconds; 0: as often as there is news.
    pace_s: u64,
}

impl FilingPage<'_> {
    fn is(&self, state: &str) -> bool {
        self.state.as_str() == state
    }
}

fn gap(found: &Found, number: &str, c: &Ctx) -> GapLine {
    let w = c.w;
    let (of, href) = match (found.clip, &found.matter) {
        (Some(clip), _) => (clip.to_string(), format!("/clips/{clip}")),
        (None, Some(matter)) => {
            let at = found.at_ms.map(|ms| format!(" {}", c.stamp(UtcMs(ms)).text));
            (format!("{matter}{}", at.unwrap_or_default()), format!("{}#h-coverage", case_href(number)))
        }
        (None, None) => (number.to_owned(), case_href(number)),
    };
    let href = if found.what == What::LacksFacts { format!("{href}#annotate") } else { href };
    GapLine { aspect: w.aspect(found.what.aspect()), of, href, text: w.filing_gap(found.what.as_str(), &found.detail) }
}

fn now(f: &FilingRow, c: &Ctx) -> FilingNow {
    let w = c.w.keeping();
    let who = |(by, ms): &(String, i64)| format!("{} · {}", c.named(&actor(by)), c.stamp(UtcMs(*ms)).text);
    let mut facts = Vec::new();
    let mut add = |label, value: Option<String>| facts.extend(value.map(|v| (label, v)));
    add(w.fonds_no, f.fonds_no.clone());
    add(w.year, f.year.map(|y| y.to_string()));
    add(w.archival_code, f.archival_code.clone());
    add(w.title, f.title.clone());
    add(w.term, f.term.clone());
    add(w.sign_opinion, f.opinion.clone());
    FilingNow {
        closed: who(&f.closed),
        bound: f.bound.as_ref().map(who),
        filed: f.filed.as_ref().map(who),
        facts,
        asked: f.asked.as_ref().and_then(|(by, why)| asked(Some(by), Some(why), c)),
    }
}

#[derive(Default)]
struct With {
    done: Option<&'static str>,
    refusal: Option<String>,
    typed: Option<BindForm>,
    opinion: String,
    reason: String,
}

/// The filing of a case, with its clips where they are `listed`.
async fn read(site: &Site, visitor: &Visitor, number: &str, listed: bool) -> Result<FilingView, Trouble> {
    site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
    site.pages.filing(number, listed).await?.ok_or(Trouble::NoCase)
}

async fn show(site: &Site, visitor: &Visitor, number: &str, with: With) -> Result<Response, Trouble> {
    let v = read(site, visitor, number, false).await?;
    let visitor = Visitor { path: format!("{}/filing", case_href(number)), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Cases).await?;
    let w = c.w;
    let state = v.filing.as_ref().map_or(FilingState::Open, FilingRow::state);
    let class = match state {
        FilingState::Open => "busy",
        FilingState::Closed | FilingState::Bound => "idle",
        FilingState::Filed => "safe",
    };
    let f = v.filing.as_ref();
    let again = with.typed.is_some();
    let typed = with.typed.unwrap_or_else(|| BindForm {
        fonds_no: f.and_then(|f| f.fonds_no.clone()).or(v.fonds_no.clone()).unwrap_or_default(),
        year: f
            .map(|f| f.year.unwrap_or_else(|| i64::from(UtcMs(f.closed.1).zoned(&site.zone).year())).to_string())
            .unwrap_or_default(),
        archival_code: f.and_then(|f| f.archival_code.clone()).unwrap_or_default(),
        title: f.and_then(|f| f.title.clone()).unwrap_or_default(),
        term: f.and_then(|f| f.term.clone()).unwrap_or_default(),
    });
    let html = FilingPage {
        href: case_href(number),
        done: with.done,
        refusal: with.refusal,
        state,
        pill: Pill::new(class, w.filing_state(state.as_str())),
        aspects: aspects(&v.report, &c).into(),
        compared: compared_lines(&v.report, &c),
        going: going(&v.progress, &c),
        signed: f.zip(v.signed.as_ref()).and_then(|(f, s)| signed_lines(f, s, &v.case_no, &c)),
        gaps: v.report.gaps.iter().map(|g| gap(g, &v.case_no, &c)).collect(),
        remarks: v.report.remarks.iter().map(|g| gap(g, &v.case_no, &c)).collect(),
        now: f.map(|f| now(f, &c)),
        typed,
        again,
        opinion: with.opinion,
        reason: with.reason,
        m: offers::of_case(site, &visitor, &v.case_no, &[Action::FileCase, Action::ReopenCase], &[]).await?,
        pace_s: present::pace_s(v.report.clips as u64),
        number: &v.case_no,
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneQuery {
    done: String,
}

async fn page(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<DoneQuery>,
) -> Response {
    let with = With { done: done(&q.done, visitor.lang.words()), ..With::default() };
    let shown = show(&site, &visitor, &number, with).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

// --- Forms ---------------------------------------------------------------------------------------

/// The place in the archive as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct BindForm {
    fonds_no: String,
    year: String,
    archival_code: String,
    title: String,
    term: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StepForm {
    reason: String,
    opinion: String,
    step: String,
}

/// Carries a step out: back to the page with a word, or the page again with the refusal and what was typed.
async fn carry_out(site: &Site, visitor: &Visitor, number: &str, ask: FilingAsk, word: &str, with: With) -> Response {
    let answer = async {
        let refused = match site.carry_out(&visitor.caller, Request::Filing { ask }).await {
            // A check that found gaps is no success: the page names them.
            Ok(answer) if word == "filed" && answer["state"] == FilingState::Bound.as_str() => {
                (StatusCode::CONFLICT, visitor.lang.words().keeping().not_filed_gaps.to_owned())
            }
            Ok(_) => {
                return Ok(Redirect::to(&format!("{}/filing?done={word}", case_href(number))).into_response());
            }
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                (trouble.status(), trouble.told(visitor.lang.words()).1)
            }
            Err(trouble) => return Err(trouble),
        };
        let html = show(site, visitor, number, With { refusal: Some(refused.1), ..with }).await?;
        Ok((refused.0, html).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

async fn post_close(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let ask = FilingAsk::Close { case_no: number.clone() };
    carry_out(&site, &visitor, &number, ask, "closed", With::default()).await
}

async fn post_bind(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<BindForm>, FormRejection>,
) -> Response {
    let f = match body {
        Ok(Form(f)) => f,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let ask = FilingAsk::Bind {
        case_no: number.clone(),
        fonds_no: Some(f.fonds_no.clone()),
        year: Some(f.year.clone()),
        archival_code: f.archival_code.clone(),
        title: Some(f.title.clone()),
        term: f.term.clone(),
    };
    carry_out(&site, &visitor, &number, ask, "bound", With { typed: Some(f), ..With::default() }).await
}

async fn post_compare(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let ask = FilingAsk::Compare { case_no: number.clone() };
    carry_out(&site, &visitor, &number, ask, "comparing", With::default()).await
}

async fn post_file(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<StepForm>, FormRejection>,
) -> Response {
    let f = match body {
        Ok(Form(f)) => f,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let ask = FilingAsk::File { case_no: number.clone(), opinion: f.opinion.clone() };
    carry_out(&site, &visitor, &number, ask, "filed", With { opinion: f.opinion, ..With::default() }).await
}

fn reopening(number: &str, word: &str, reason: String) -> Result<(FilingAsk, &'static str), Trouble> {
    let (reason, yes, _, done) = step(word, reason)?;
    let case_no = number.to_owned();
    Ok(match reason {
        Some(reason) => (FilingAsk::Reopen { case_no, reason }, done),
        None => (FilingAsk::DecideReopen { case_no, yes }, if yes { "reopened" } else { done }),
    })
}

async fn post_reopen(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<StepForm>, FormRejection>,
) -> Response {
    let f = match body {
        Ok(Form(f)) => f,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let with = With { reason: f.reason.clone(), ..With::default() };
    match reopening(&number, &f.step, f.reason) {
        Ok((ask, word)) => carry_out(&site, &visitor, &number, ask, word, with).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// The filing of a case, and what the check finds now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseFiling {
    /// Its number.
    pub case_no: String,
    /// `open`, `closed`, `bound`, `filed`.
    pub state: &'static str,
    /// 全宗号.
    pub fonds_no: Option<String>,
    /// 年度.
    pub year: Option<i64>,
    /// 档号.
    pub archival_code: Option<String>,
    /// 保管期限, as typed.
    pub term: Option<String>,
    /// Who signed it off, as the log has it.
    pub filed_by: Option<String>,
    /// When, RFC 3339.
    pub filed_at: Option<String>,
    /// Who asked to re-open it.
    pub reopening_asked_by: Option<String>,
    /// The check as it would be now: `clips`, `gaps` and `remarks`, each with `what`, `aspect`, `clip`, `matter`, `detail`;
    /// `compared`, how the data of each clip were compared, with `clip`, `at_ms`, `outcome`, `local`, `log`, `record`, `copy`.
    pub report: serde_json::Value,
    /// How far the comparison of the data is.
    pub comparing: ComparingNow,
    /// The report as it was signed, once the case is filed.
    pub signed: Option<SignedReport>,
}

/// The place in the archive.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BindBody {
    /// 档号.
    pub archival_code: String,
    /// 保管期限: 永久, or a time such as 30年.
    pub term: String,
    /// 全宗号; the configured one where it is absent.
    #[serde(default)]
    pub fonds_no: Option<String>,
    /// 年度; the year of closing where it is absent.
    #[serde(default)]
    pub year: Option<String>,
    /// 题名.
    #[serde(default)]
    pub title: Option<String>,
}

/// What the check came to.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OpinionBody {
    /// 检查意见.
    pub opinion: String,
}

/// How far the filing of a case is, and what the check finds now.
#[utoipa::path(get, path = "/api/v1/cases/{number}/filing", params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, body = CaseFiling), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn get_filing(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number, false).await?;
        let f = v.filing.as_ref();
        let told = CaseFiling {
            state: f.map_or(FilingState::Open, FilingRow::state).as_str(),
            fonds_no: f.and_then(|f| f.fonds_no.clone()),
            year: f.and_then(|f| f.year),
            archival_code: f.and_then(|f| f.archival_code.clone()),
            term: f.and_then(|f| f.term.clone()),
            filed_by: f.and_then(|f| f.filed.as_ref()).map(|(by, _)| by.clone()),
            filed_at: f.and_then(|f| f.filed.as_ref()).map(|(_, ms)| UtcMs(*ms).rfc3339_in(&site.zone)),
            reopening_asked_by: f.and_then(|f| f.asked.as_ref()).map(|(by, _)| by.clone()),
            report: crate::store::report_json(&v.report),
            comparing: ComparingNow::of(&v.progress, &site.zone),
            signed: v.signed.as_ref().map(SignedReport::from),
            case_no: v.case_no,
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Closes a case.
#[utoipa::path(post, path = "/api/v1/cases/{number}/close", params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "How far it is", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn close_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    carried_out(&site, &visitor, Ok(Request::Filing { ask: FilingAsk::Close { case_no: number } })).await
}

/// Gives a closed case its place in the archive.
#[utoipa::path(post, path = "/api/v1/cases/{number}/bind", params(("number" = String, Path, description = "Any number of the case")),
    request_body = BindBody, responses((status = 200, description = "How far it is", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn bind_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<BindBody>, JsonRejection>,
) -> Response {
    let ask = json(body).map(|b| FilingAsk::Bind {
        case_no: number,
        fonds_no: b.fonds_no,
        year: b.year,
        archival_code: b.archival_code,
        title: b.title,
        term: b.term,
    });
    carried_out(&site, &visitor, ask.map(|ask| Request::Filing { ask })).await
}

/// Compares the data of each clip of a case with what was sealed, anew; it goes on by itself.
#[utoipa::path(post, path = "/api/v1/cases/{number}/compare", params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, description = "How far the case is", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn compare_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    carried_out(&site, &visitor, Ok(Request::Filing { ask: FilingAsk::Compare { case_no: number } })).await
}

/// Checks a case and signs it off; where the check finds gaps, `state` stays `bound` and `report` names each of them.
#[utoipa::path(post, path = "/api/v1/cases/{number}/file", params(("number" = String, Path, description = "Any number of the case")),
    request_body = OpinionBody, responses((status = 200, description = "How far it is, and the report", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn file_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<OpinionBody>, JsonRejection>,
) -> Response {
    let ask = json(body).map(|b| FilingAsk::File { case_no: number, opinion: b.opinion });
    carried_out(&site, &visitor, ask.map(|ask| Request::Filing { ask })).await
}

/// Asks to re-open a filed case, confirms it as another person, or refuses it.
#[utoipa::path(post, path = "/api/v1/cases/{number}/reopen", params(("number" = String, Path, description = "Any number of the case")),
    request_body = super::keeping::StepBody, responses((status = 200, description = "How far it is", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn reopen_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<super::keeping::StepBody>, JsonRejection>,
) -> Response {
    let ask = json(body).and_then(|b| reopening(&number, &b.step, b.reason)).map(|(ask, _)| ask);
    carried_out(&site, &visitor, ask.map(|ask| Request::Filing { ask })).await
}
