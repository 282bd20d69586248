//! Recorders in administration: which there are, who has them, where each was last; letting in, refusing, repair, retiring,
//! and assigning one to an officer until further notice.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::desk::{OutLine, OutNow, out_line};
use super::listed;
use crate::domain::command::Request;
use crate::domain::device::DeviceState;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::words::office::OfficeWords;
use crate::web::keeping::actor;
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp, segment};
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::office::{RecorderEntry, RecorderView};

/// Pages, forms and API.
pub fn routes(r: Routes) -> Routes {
    let manage = Need::May(Action::ManageRecorders);
    r.get("/admin/recorders", manage, recorders)
        .get("/admin/recorders/{device}", manage, recorder)
        .post("/admin/recorders/{device}/assign", manage, assign)
        .post("/admin/recorders/{device}/{verdict}", manage, decide)
        .get("/api/v1/recorders", manage, list_recorders)
        .get("/api/v1/recorders/{device}", manage, show_recorder)
        .post("/api/v1/recorders/{device}/assign", manage, assign_recorder)
        .post("/api/v1/recorders/{device}/{verdict}", manage, decide_recorder)
}

/// A recorder in words.
struct Line {
    href: String,
    word: String,
    title: String,
    about: String,
    pills: Vec<Pill>,
    out: Option<OutLine>,
    /// Whether it stands in a bay now, which one, and since or until when.
    docked: Option<(bool, String, Stamp)>,
    decided: Option<String>,
    /// Verb and its word.
    verbs: Vec<(&'static str, &'static str)>,
}

fn line(e: &RecorderEntry, c: &Ctx) -> Line {
    let (w, o) = (c.w, c.w.office());
    let mut pills = Vec::new();
    if let Some(state) = e.state {
        let class = match state {
            DeviceState::Approved => "safe",
            DeviceState::Unknown => "ask",
            DeviceState::Refused => "fail",
            DeviceState::InRepair | DeviceState::Retired => "idle",
        };
        pills.push(Pill::new(class, w.device_state(state)));
    }
    if let Some((bay, why)) = &e.held {
        pills.push(Pill::new("ask", w.stands_at(bay, why)));
    }
    if e.is_overdue() {
        pills.push(Pill::new("fail", o.overdue));
    } else if e.out.is_some() {
        pills.push(Pill::new("hold", o.is_out));
    }
    if let Some(days) = e.quiet_days {
        pills.push(Pill::new("ask", w.not_docked_for(days)));
    }
    let keeper = e.keeper.as_ref().map(|keeper| format!("{}: {keeper}", o.keeper));
    let about: Vec<String> = [e.model.clone(), Some(e.name.clone()), e.unit.clone(), keeper, Some(e.word.clone())]
        .into_iter()
        .flatten()
        .filter(|t| !t.is_empty())
        .collect();
    Line {
        href: format!("/admin/recorders/{}", segment(&e.word)),
        title: e.recorder.clone().unwrap_or_else(|| if e.name.is_empty() { e.word.clone() } else { e.name.clone() }),
        about: about.join(" · "),
        pills,
        out: e.out.as_ref().map(|out| out_line(out, c)),
        docked: e.docked.as_ref().map(|(bay, at, now)| (*now, bay.clone(), c.near(*at))),
        decided: e.decided.map(|at| {
            let by = e.decided_by.as_deref().map(|by| c.named(&actor(by))).unwrap_or_default();
            let reason = e.reason.as_deref().map(|r| format!(" · {r}")).unwrap_or_default();
            format!("{} · {by}{reason}", c.near(at).text)
        }),
        verbs: verbs(e, w),
        word: e.word.clone(),
    }
}

/// What may be decided about it, and nothing that stands already: only what came through the gate is approved and refused,
/// every recorder is given away for repair, retired, and taken into use again.
fn verbs(e: &RecorderEntry, w: &Words) -> Vec<(&'static str, &'static str)> {
    let o = w.office();
    let (repair, retire, back) = (("repair", o.verb_repair), ("retire", o.verb_retire), ("approve", o.verb_back));
    let state = match (e.gated, e.state) {
        (false, Some(DeviceState::Retired)) => return vec![back],
        (false, Some(DeviceState::InRepair)) => return vec![back, retire],
        (false, _) => return vec![repair, retire],
        (true, state) => state.unwrap_or_default(),
    };
    [
        ("approve", o.verb_approve, DeviceState::Approved),
        ("refuse", o.verb_refuse, DeviceState::Refused),
        ("repair", o.verb_repair, DeviceState::InRepair),
        ("retire", o.verb_retire, DeviceState::Retired),
    ]
    .into_iter()
    .filter(|(verb, _, to)| *to != state && (*verb != "repair" || state.admits()))
    .map(|(verb, word, _)| (verb, word))
    .collect()
}

#[derive(Template)]
#[template(path = "recorders.html")]
struct RecordersPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    lines: Vec<Line>,
    /// How many wait, are overdue, are out, are known.
    figures: [(String, &'static str); 4],
    done: Option<&'static str>,
    refusal: Option<String>,
    self_href: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneQuery {
    done: String,
}

async fn recorders(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let done = (q.done == "saved").then_some(visitor.lang.words().office().saved);
    show(&site, &visitor, done, None).await.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    done: Option<&'static str>,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    listed(site, visitor, "recorders").await?;
    let c = site.ctx(visitor, Nav::Admin).await?;
    let o = c.w.office();
    let entries = site.pages.office().recorders().await?;
    let count = |test: fn(&RecorderEntry) -> bool| c.w.number(entries.iter().filter(|e| test(e)).count() as u64);
    let page = RecordersPage {
        figures: [
            (count(RecorderEntry::waits), o.figure_waiting),
            (count(RecorderEntry::is_overdue), o.overdue),
            (count(|e| e.out.is_some()), o.is_out),
            (count(|_| true), o.figure_known),
        ],
        lines: entries.iter().map(|e| line(e, &c)).collect(),
        done,
        refusal,
        self_href: visitor.part_href(),
        o,
        c: &c,
    };
    Ok(Html(page.render()?).into_response())
}

/// A stay in words.
struct StayLine {
    bay: String,
    from: Stamp,
    to: Option<Stamp>,
    files: String,
    size: String,
    clock: String,
}

/// Officer, since, until, expected back, and how it ended.
type OutTold = (String, Stamp, Option<Stamp>, Option<Stamp>, Pill);

#[derive(Template)]
#[template(path = "recorder.html")]
struct RecorderPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    line: Line,
    gated: bool,
    stays: Vec<StayLine>,
    outs: Vec<OutTold>,
    /// Repairs and retirements: when, who, what, why.
    marks: Vec<(Stamp, String, Pill, String)>,
    officers: Vec<String>,
    recorder: Option<String>,
    done: Option<&'static str>,
    refusal: Option<String>,
}

async fn recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(device): Path<String>,
    Query(q): Query<DoneQuery>,
) -> Response {
    let done = (q.done == "saved").then_some(visitor.lang.words().office().saved);
    show_one(&site, &visitor, &device, done, None).await.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn show_one(
    site: &Site,
    visitor: &Visitor,
    device: &str,
    done: Option<&'static str>,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    listed(site, visitor, &format!("recorder {device}")).await?;
    let view = site.pages.office().recorder(device).await?.ok_or(Trouble::NoPage)?;
    let c = site.ctx(visitor, Nav::Admin).await?;
    let (w, o) = (c.w, c.w.office());
    let stay = |s: &crate::web::view::office::Stay| StayLine {
        bay: s.bay.clone(),
        from: c.near(s.from),
        to: s.to.map(|to| c.near(to)),
        files: w.number(s.files),
        size: w.size(s.bytes),
        clock: s.clock_offset_ms.map_or_else(|| w.none_dash.to_owned(), |ms| format!("{:+.1} s", ms as f64 / 1000.0)),
    };
    let page = RecorderPage {
        line: line(&view.entry, &c),
        gated: view.entry.gated,
        stays: view.stays.iter().map(stay).collect(),
        outs: view
            .outs
            .iter()
            .map(|done| {
                let pill = match done.ended.as_deref() {
                    None if done.out.overdue => Pill::new("fail", o.overdue),
                    None => Pill::new("hold", o.is_out),
                    Some("reissued") => Pill::new("ask", o.ended_reissued),
                    Some(_) => Pill::new("safe", o.ended_returned),
                };
                let due = done.out.due.map(|due| c.near(due));
                (done.out.officer.clone(), c.near(done.out.since), done.until.map(|at| c.near(at)), due, pill)
            })
            .collect(),
        marks: view
            .marks
            .iter()
            .map(|m| {
                let pill = match m.state {
                    DeviceState::Approved => Pill::new("safe", o.mark_in_use),
                    state => Pill::new("idle", w.device_state(state)),
                };
                let who = c.named(&crate::web::keeping::actor(&m.by));
                (c.near(m.at), who, pill, m.reason.clone().unwrap_or_default())
            })
            .collect(),
        recorder: view.entry.recorder.clone(),
        officers: view.officers,
        done,
        refusal,
        o,
        c: &c,
    };
    Ok(Html(page.render()?).into_response())
}

/// A decision's request; `None` where there is no such verb.
fn verdict(verb: &str, device: String, reason: Option<String>) -> Option<Request> {
    let reason = reason.filter(|r| !r.trim().is_empty());
    Some(match verb {
        "approve" => Request::ApproveRecorder { device, reason },
        "refuse" => Request::RefuseRecorder { device, reason },
        "repair" => Request::RepairRecorder { device, reason },
        "retire" => Request::RetireRecorder { device, reason },
        _ => return None,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DecideForm {
    reason: String,
}

async fn decide(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((device, verb)): Path<(String, String)>,
    body: Result<Form<DecideForm>, FormRejection>,
) -> Response {
    let reason = body.map(|Form(form)| form.reason).ok();
    let Some(request) = verdict(&verb, device.clone(), reason) else {
        return Trouble::NoPage.page(&site, &visitor);
    };
    change(&site, &visitor, &device, request).await
}

/// Carries a form out: back to the recorder, or the recorder again with the refusal.
async fn change(site: &Site, visitor: &Visitor, device: &str, request: Request) -> Response {
    match site.carry_out(&visitor.caller, request).await {
        Ok(_) => Redirect::to(&format!("/admin/recorders/{}?done=saved", segment(device))).into_response(),
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let refusal = Some(trouble.told(visitor.lang.words()).1);
            let visitor = Visitor { path: format!("/admin/recorders/{}", segment(device)), ..visitor.clone() };
            match show_one(site, &visitor, device, None, refusal).await {
                Ok(page) => (trouble.status(), page).into_response(),
                Err(other) => other.page(site, &visitor),
            }
        }
        Err(trouble) => trouble.page(site, visitor),
    }
}

/// To whom a recorder is assigned until further notice; nobody: it is taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct AssignForm {
    /// A name or number.
    pub officer: String,
}

/// The request that assigns a recorder, or takes it back.
async fn assigned(site: &Site, device: &str, form: AssignForm) -> Result<Request, Trouble> {
    let view = site.pages.office().recorder(device).await?.ok_or(Trouble::NoPage)?;
    let recorder = view.entry.recorder.ok_or(Trouble::Conflict(Why::Unsaid))?;
    let officer = form.officer.trim().to_owned();
    Ok(match officer.is_empty() {
        true => Request::ReturnRecorder { recorder },
        // An issue without an end: so that one rule says whose its clips are, however it came to them.
        false => Request::IssueRecorder { recorder, officer, case_no: None, place: None, matter: None, due: None },
    })
}

async fn assign(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(device): Path<String>,
    body: Result<Form<AssignForm>, FormRejection>,
) -> Response {
    let form = body.map(|Form(form)| form).unwrap_or_default();
    match assigned(&site, &device, form).await {
        Ok(request) => change(&site, &visitor, &device, request).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// A recorder.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecorderItem {
    /// By what it is addressed here.
    pub device: String,
    /// Its id, once it was read.
    pub recorder: Option<String>,
    /// What it says of itself.
    pub name: String,
    /// Model.
    pub model: Option<String>,
    /// Unit, as the register has it.
    pub unit: Option<String>,
    /// Keeper, as the register has them.
    pub keeper: Option<String>,
    /// `unknown`, `approved`, `refused`, `in_repair`, `retired`; null of what never came through the gate and is in use.
    pub state: Option<&'static str>,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// By whom.
    pub decided_by: Option<String>,
    /// When, RFC 3339.
    pub decided_at: Option<String>,
    /// Who has it out.
    pub out: Option<OutNow>,
    /// The bay in which it was last.
    pub bay: Option<String>,
    /// It stands there now.
    pub docked: bool,
    /// Since or until when, RFC 3339.
    pub last_docked_at: Option<String>,
    /// In use, and not docked for so many days.
    pub quiet_days: Option<u64>,
}

impl From<&RecorderEntry> for RecorderItem {
    fn from(e: &RecorderEntry) -> Self {
        Self {
            device: e.word.clone(),
            recorder: e.recorder.clone(),
            name: e.name.clone(),
            model: e.model.clone(),
            unit: e.unit.clone(),
            keeper: e.keeper.clone(),
            state: e.state.map(DeviceState::as_str),
            reason: e.reason.clone(),
            decided_by: e.decided_by.clone(),
            decided_at: e.decided.map(|at| at.rfc3339()),
            out: e.out.as_ref().map(OutNow::from),
            bay: e.docked.as_ref().map(|(bay, ..)| bay.clone()),
            docked: e.docked.as_ref().is_some_and(|(.., now)| *now),
            last_docked_at: e.docked.as_ref().map(|(_, at, _)| at.rfc3339()),
            quiet_days: e.quiet_days,
        }
    }
}

/// A recorder with what happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecorderHistory {
    /// What it is.
    pub recorder: RecorderItem,
    /// Stays in bays, newest first.
    pub stays: Vec<StayItem>,
    /// Stays out, newest first.
    pub outs: Vec<PastOut>,
    /// Repairs, retirements and returns into use, newest first.
    pub marks: Vec<MarkItem>,
}

/// What was said about a recorder.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarkItem {
    /// `in_repair`, `retired`; `approved`: in use again.
    pub state: &'static str,
    /// When, RFC 3339.
    pub at: String,
    /// Who, as the log has it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A stay in a bay.
#[derive(Debug, Serialize, ToSchema)]
pub struct StayItem {
    /// Which bay.
    pub bay: String,
    /// Since when, RFC 3339.
    pub from: String,
    /// Until when; null while it stands there.
    pub to: Option<String>,
    /// Files as last listed.
    pub files: u64,
    /// Bytes as last listed.
    pub bytes: u64,
}

/// A stay out.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastOut {
    /// It.
    pub out: OutNow,
    /// When it ended, RFC 3339.
    pub until: Option<String>,
    /// `returned`, `reissued`; null while it is out.
    pub ended: Option<String>,
}

/// Every recorder that the gate, the bays or the register know.
#[utoipa::path(get, path = "/api/v1/recorders", responses((status = 200, body = Vec<RecorderItem>), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_recorders(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        listed(&site, &visitor, "recorders").await?;
        let entries = site.pages.office().recorders().await?;
        Ok(Json(entries.iter().map(RecorderItem::from).collect::<Vec<_>>()).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// One recorder, with its stays in bays and out.
#[utoipa::path(get, path = "/api/v1/recorders/{device}", params(("device" = String, Path, description = "As the list has it")),
    responses((status = 200, body = RecorderHistory), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn show_recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(device): Path<String>,
) -> Response {
    let answer = async {
        listed(&site, &visitor, &format!("recorder {device}")).await?;
        let view: RecorderView = site.pages.office().recorder(&device).await?.ok_or(Trouble::NoPage)?;
        let stay = |s: &crate::web::view::office::Stay| StayItem {
            bay: s.bay.clone(),
            from: s.from.rfc3339(),
            to: s.to.map(|to| to.rfc3339()),
            files: s.files,
            bytes: s.bytes,
        };
        let outs = view.outs.iter().map(|done| PastOut {
            out: OutNow::from(&done.out),
            until: done.until.map(|at| at.rfc3339()),
            ended: done.ended.clone(),
        });
        let told = RecorderHistory {
            recorder: RecorderItem::from(&view.entry),
            stays: view.stays.iter().map(stay).collect(),
            outs: outs.collect(),
            marks: view
                .marks
                .iter()
                .map(|m| MarkItem {
                    state: m.state.as_str(),
                    at: m.at.rfc3339(),
                    by: m.by.clone(),
                    reason: m.reason.clone(),
                })
                .collect(),
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Why it is decided so.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct VerdictBody {
    /// In words.
    pub reason: Option<String>,
}

/// Decides about a device: `approve`, `refuse`, `repair` or `retire`. A recorder that never came through the gate is given
/// away for repair, retired, or taken into use again with `approve`.
#[utoipa::path(post, path = "/api/v1/recorders/{device}/{verdict}",
    params(("device" = String, Path, description = "Its key, bay, serial number, or the recorder that it is"), ("verdict" = String, Path, description = "approve, refuse, repair, retire")),
    request_body = VerdictBody, responses((status = 200, description = "What holds now", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn decide_recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((device, verb)): Path<(String, String)>,
    body: Result<Json<VerdictBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(body) = body?;
        let request = verdict(&verb, device, body.reason).ok_or(Trouble::NoPage)?;
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Assigns a recorder to an officer until further notice; without an officer it is taken back.
#[utoipa::path(post, path = "/api/v1/recorders/{device}/assign", params(("device" = String, Path, description = "As the list has it")),
    request_body = AssignForm, responses((status = 200, description = "The stay out", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn assign_recorder(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(device): Path<String>,
    body: Result<Json<AssignForm>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(form) = body?;
        let request = assigned(&site, &device, form).await?;
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
