//! Issue and return (领用/归还): a field that a keyboard-wedge scanner types into. Every scan is a form, so that it works
//! without a script and with a keyboard alone; what was scanned before travels in the form, the page keeps nothing.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listed;
use crate::domain::command::Request;
use crate::domain::rights::Action;
use crate::domain::words::Words;
use crate::domain::words::office::OfficeWords;
use crate::web::asked::{carried_out, json};
use crate::web::present::{Ctx, Nav, Stamp, segment};
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::office::{Done, Next, Out, Scanned, WhyNot, next};

/// Longest code of a scanner, characters.
const CODE_CHARS: usize = 200;

/// Page, forms and API.
pub fn routes(r: Routes) -> Routes {
    let keep = Need::May(Action::IssueRecorders);
    r.get("/desk", keep, desk)
        .post("/desk", keep, scan)
        .post("/desk/issue", keep, issue)
        .post("/desk/return", keep, give_back)
        .post("/desk/undo", keep, undo)
        .get("/api/v1/desk", keep, list_out)
        .post("/api/v1/desk/scan", keep, scan_code)
        .post("/api/v1/desk/issue", keep, issue_recorder)
        .post("/api/v1/desk/return", keep, return_recorder)
        .post("/api/v1/desk/undo", keep, undo_last)
}

/// A recorder that is out, in words.
pub struct OutLine {
    /// Which.
    pub recorder: String,
    /// Who.
    pub officer: String,
    /// Since when.
    pub since: Stamp,
    /// Expected back.
    pub due: Option<Stamp>,
    /// It should be back by now.
    pub overdue: bool,
}

/// A recorder that is out, in words.
pub fn out_line(out: &Out, c: &Ctx) -> OutLine {
    OutLine {
        recorder: out.recorder.clone(),
        officer: out.officer.clone(),
        since: c.near(out.since),
        due: out.due.map(|due| c.near(due)),
        overdue: out.overdue,
    }
}

/// What was done last, in words.
struct LastLine {
    issue: i64,
    told: String,
    undone: bool,
}

/// What the page says about the scan.
#[derive(Default)]
struct Asked {
    /// What was scanned, and is kept until its other half comes.
    first: String,
    /// It, in words.
    held: Option<String>,
    /// An officer's card is awaited; else a recorder's code, or either.
    wants: Wants,
    /// Why the last scan led nowhere: what, and what to do.
    refusal: Option<(String, String)>,
    due: String,
}

#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Wants {
    #[default]
    Either,
    Officer,
    Recorder,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    asked: Asked,
    prompt: &'static str,
    last: Option<LastLine>,
    outs: Vec<OutLine>,
    overdue: usize,
    count: String,
    typed: IssueForm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeskQuery {
    last: String,
    due: String,
}

async fn desk(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DeskQuery>) -> Response {
    let asked = Asked { due: q.due.chars().take(CODE_CHARS).collect(), ..Asked::default() };
    if let Err(trouble) = listed(&site, &visitor, "desk").await {
        return trouble.page(&site, &visitor);
    }
    answered(&site, &visitor, asked, q.last.parse().ok(), IssueForm::default()).await
}

async fn answered(site: &Site, visitor: &Visitor, asked: Asked, last: Option<i64>, typed: IssueForm) -> Response {
    let visitor = Visitor { path: "/desk".to_owned(), ..visitor.clone() };
    show(site, &visitor, asked, last, typed).await.unwrap_or_else(|trouble| trouble.page(site, &visitor))
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    asked: Asked,
    last: Option<i64>,
    typed: IssueForm,
) -> Result<Response, Trouble> {
    let office = site.pages.office();
    let c = site.ctx(visitor, Nav::Desk).await?;
    let o = c.w.office();
    let outs = office.out().await?;
    let last = match last {
        Some(issue) => office.desk_done(issue).await?,
        None => None,
    };
    let page = DeskPage {
        prompt: match asked.wants {
            Wants::Either => o.desk_scan_either,
            Wants::Officer => o.desk_scan_officer,
            Wants::Recorder => o.desk_scan_recorder,
        },
        overdue: outs.iter().filter(|out| out.overdue).count(),
        count: c.w.number(outs.len() as u64),
        outs: outs.iter().map(|out| out_line(out, &c)).collect(),
        last: last.map(|done| last_line(&done, &c)),
        asked,
        typed,
        o,
        c: &c,
    };
    Ok(Html(page.render()?).into_response())
}

fn last_line(done: &Done, c: &Ctx) -> LastLine {
    let (out, since) = (&done.out, c.near(done.out.since).text);
    let told = match done.ended.as_deref() {
        None => c.w.issued_line(&out.recorder, &out.officer, out.due.map(|due| c.near(due).text).as_deref()),
        Some("undone") => c.w.desk_undone(&out.recorder),
        Some(_) => {
            let late = out.due.zip(done.until).is_some_and(|(due, until)| until > due);
            c.w.returned_line(&out.recorder, &out.officer, &since, late)
        }
    };
    LastLine { issue: out.issue, told, undone: done.ended.as_deref() == Some("undone") }
}

/// What was scanned, in words.
fn told(first: &Scanned, w: &Words) -> Option<(String, Wants)> {
    match first {
        Scanned::Officer(officer) => {
            let unit = officer.unit.as_deref().map(|unit| format!(" · {unit}")).unwrap_or_default();
            Some((format!("{}{unit}", officer.name), Wants::Recorder))
        }
        Scanned::Recorder(r) => {
            let model = r.model.as_deref().map(|model| format!(" · {model}")).unwrap_or_default();
            Some((format!("{}: {}{model}", w.recorder, r.recorder), Wants::Officer))
        }
        Scanned::Several | Scanned::Unknown => None,
    }
}

fn why(refused: WhyNot, code: &str, w: &Words) -> (String, String) {
    let o = w.office();
    let (what, todo) = match refused {
        WhyNot::Unknown => (o.code_unknown, o.code_unknown_todo),
        WhyNot::Several => (o.code_several, o.code_several_todo),
        WhyNot::Gone => (o.code_gone, o.code_gone_todo),
        WhyNot::NotInUse => (o.code_not_in_use, o.code_not_in_use_todo),
    };
    (format!("{what} {code}"), todo.to_owned())
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct ScanForm {
    code: String,
    first: String,
    due: String,
}

/// What came of a scan.
enum Outcome {
    Waiting(Asked),
    Done(i64),
}

fn code(typed: &str) -> String {
    typed.trim().chars().filter(|c| !c.is_control()).take(CODE_CHARS).collect()
}

async fn scan_once(site: &Site, visitor: &Visitor, form: &ScanForm) -> Result<Outcome, Trouble> {
    let (office, w) = (site.pages.office(), visitor.lang.words());
    let (scanned, due) = (code(&form.code), code(&form.due));
    let earlier = code(&form.first);
    let first = match earlier.as_str() {
        "" => None,
        earlier => Some(office.scanned(earlier).await?).filter(|first| told(first, w).is_some()),
    };
    let waiting = |of: Option<(String, Wants)>, first: String, refusal| {
        let (held, wants) = of.map_or((None, Wants::Either), |(held, wants)| (Some(held), wants));
        Outcome::Waiting(Asked { first, held, wants, refusal, due: due.clone() })
    };
    if scanned.is_empty() {
        let held = first.as_ref().and_then(|first| told(first, w));
        return Ok(waiting(held, earlier, None));
    }
    let found = office.scanned(&scanned).await?;
    let request = match next(first.as_ref(), &found) {
        Next::AwaitOfficer(_) | Next::AwaitRecorder(_) => return Ok(waiting(told(&found, w), scanned, None)),
        Next::Refused(reason) => {
            let held = first.as_ref().and_then(|first| told(first, w));
            return Ok(waiting(held, earlier, Some(why(reason, &scanned, w))));
        }
        Next::Issue { recorder, officer } => Request::IssueRecorder {
            recorder,
            officer,
            case_no: None,
            place: None,
            matter: None,
            due: Some(due.clone()).filter(|due| !due.is_empty()),
        },
        Next::Return { recorder } => Request::ReturnRecorder { recorder },
    };
    match site.carry_out(&visitor.caller, request).await {
        Ok(done) => Ok(Outcome::Done(done["issue"].as_i64().unwrap_or_default())),
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let (what, todo) = trouble.told(w);
            let held = first.as_ref().and_then(|first| told(first, w));
            Ok(waiting(held, earlier, Some((what.to_owned(), todo))))
        }
        Err(trouble) => Err(trouble),
    }
}

fn back(issue: i64, due: &str) -> Response {
    let due = if due.is_empty() { String::new() } else { format!("&due={}", segment(due)) };
    Redirect::to(&format!("/desk?last={issue}{due}")).into_response()
}

async fn scan(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<ScanForm>, FormRejection>,
) -> Response {
    let form = match body {
        Ok(Form(form)) => form,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    match scan_once(&site, &visitor, &form).await {
        Ok(Outcome::Done(issue)) => back(issue, &code(&form.due)),
        Ok(Outcome::Waiting(asked)) => answered(&site, &visitor, asked, None, IssueForm::default()).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// A recorder that goes out, as typed.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(default)]
pub struct IssueForm {
    /// Which recorder: its id.
    pub recorder: String,
    /// Who takes it: a name or number.
    pub officer: String,
    /// For which case, as typed.
    pub case_no: String,
    /// Where it will be used.
    pub place: String,
    /// Matter to be recorded.
    pub matter: String,
    /// When it is expected back: a time, or date and time.
    pub due: String,
}

impl IssueForm {
    fn request(&self) -> Request {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        Request::IssueRecorder {
            recorder: self.recorder.trim().to_owned(),
            officer: self.officer.clone(),
            case_no: filled(&self.case_no),
            place: filled(&self.place),
            matter: filled(&self.matter),
            due: filled(&self.due),
        }
    }
}

/// Carries a form out: back to the desk, or the desk again with the refusal and what was typed.
async fn change(site: &Site, visitor: &Visitor, request: Request, typed: IssueForm) -> Response {
    match site.carry_out(&visitor.caller, request).await {
        Ok(done) => back(done["issue"].as_i64().unwrap_or_default(), ""),
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let (what, todo) = trouble.told(visitor.lang.words());
            let asked = Asked { refusal: Some((what.to_owned(), todo)), ..Asked::default() };
            let page = answered(site, visitor, asked, None, typed).await;
            (trouble.status(), page).into_response()
        }
        Err(trouble) => trouble.page(site, visitor),
    }
}

async fn issue(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<IssueForm>, FormRejection>,
) -> Response {
    let form = match body {
        Ok(Form(form)) => form,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    change(&site, &visitor, form.request(), form).await
}

/// A recorder that comes back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ReturnForm {
    /// Its id.
    pub recorder: String,
}

async fn give_back(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<ReturnForm>, FormRejection>,
) -> Response {
    let form = match body {
        Ok(Form(form)) => form,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    change(&site, &visitor, Request::ReturnRecorder { recorder: form.recorder }, IssueForm::default()).await
}

/// What is taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct UndoForm {
    /// Number of the stay out, as issue, return and list give it.
    pub issue: i64,
}

async fn undo(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<UndoForm>, FormRejection>,
) -> Response {
    let form = match body {
        Ok(Form(form)) => form,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    change(&site, &visitor, Request::UndoDesk { issue: form.issue }, IssueForm::default()).await
}

// --- API -----------------------------------------------------------------------------------------

/// A recorder that is out.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutNow {
    /// Number of the stay out.
    pub issue: i64,
    /// Which recorder.
    pub recorder: String,
    /// Who has it.
    pub officer: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Expected back, RFC 3339.
    pub due: Option<String>,
    /// It should be back by now.
    pub overdue: bool,
}

impl From<&Out> for OutNow {
    fn from(out: &Out) -> Self {
        Self {
            issue: out.issue,
            recorder: out.recorder.clone(),
            officer: out.officer.clone(),
            since: out.since.rfc3339(),
            due: out.due.map(|due| due.rfc3339()),
            overdue: out.overdue,
        }
    }
}

/// What is out, the overdue first.
#[utoipa::path(get, path = "/api/v1/desk", responses((status = 200, body = Vec<OutNow>), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_out(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        listed(&site, &visitor, "desk").await?;
        let outs = site.pages.office().out().await?;
        Ok(Json(outs.iter().map(OutNow::from).collect::<Vec<_>>()).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// A scan.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ScanBody {
    /// What the scanner read: a card, a number, a recorder's code or id.
    pub code: String,
    /// What it read before, where that awaits its other half.
    pub first: String,
    /// When what goes out is expected back.
    pub due: String,
}

/// What came of a scan.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanAnswer {
    /// `done`, `waiting_for_officer`, `waiting_for_recorder`, `refused`.
    pub outcome: &'static str,
    /// Number of the stay out, where something was done.
    pub issue: Option<i64>,
    /// To be sent along as `first` with the next scan.
    pub first: Option<String>,
    /// Why it was refused, and what to do.
    pub detail: Option<String>,
}

/// One scan: a recorder that is out comes back; one that is in awaits its officer, and the other way round.
#[utoipa::path(post, path = "/api/v1/desk/scan", request_body = ScanBody, responses((status = 200, body = ScanAnswer),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn scan_code(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<ScanBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let body = json(body)?;
        let form = ScanForm { code: body.code, first: body.first, due: body.due };
        let told = match scan_once(&site, &visitor, &form).await? {
            Outcome::Done(issue) => ScanAnswer { outcome: "done", issue: Some(issue), first: None, detail: None },
            Outcome::Waiting(asked) => ScanAnswer {
                outcome: match (&asked.refusal, asked.wants) {
                    (Some(_), _) | (None, Wants::Either) => "refused",
                    (None, Wants::Officer) => "waiting_for_officer",
                    (None, Wants::Recorder) => "waiting_for_recorder",
                },
                issue: None,
                first: asked.held.is_some().then_some(asked.first),
                detail: asked.refusal.map(|(what, todo)| format!("{what}: {todo}")),
            },
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// An officer takes a recorder out now (领用); whoever had it before has returned it.
#[utoipa::path(post, path = "/api/v1/desk/issue", request_body = IssueForm, responses((status = 200, description = "The stay out", body = serde_json::Value),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn issue_recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<IssueForm>, JsonRejection>,
) -> Response {
    carried_out(&site, &visitor, json(body).map(|form| form.request())).await
}

/// A recorder comes back now (归还).
#[utoipa::path(post, path = "/api/v1/desk/return", request_body = ReturnForm, responses((status = 200, description = "The stay out", body = serde_json::Value),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn return_recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<ReturnForm>, JsonRejection>,
) -> Response {
    let request = json(body).map(|form| Request::ReturnRecorder { recorder: form.recorder });
    carried_out(&site, &visitor, request).await
}

/// Takes the last thing back that was done about a recorder, within a quarter of an hour.
#[utoipa::path(post, path = "/api/v1/desk/undo", request_body = UndoForm, responses((status = 200, description = "The stay out as it is now", body = serde_json::Value),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn undo_last(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<UndoForm>, JsonRejection>,
) -> Response {
    carried_out(&site, &visitor, json(body).map(|form| Request::UndoDesk { issue: form.issue })).await
}
