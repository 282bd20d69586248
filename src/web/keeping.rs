//! Keeping (保管): holds and isolation on the pages of clips and cases, `/keeping` with what waits for a second person, and
//! disposal after appraisal (鉴定销毁) with its printed lists. Every change is a form with its own reason, logged in the
//! transaction that carries it out.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{carried_out, json};
use super::pages::{After, change, show_case};
use super::present::clip::CopyLine;
use super::present::clips::Pill;
use super::present::{Ctx, Nav, Stamp, case_href};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::keeping::{CaseKept, DisposalView, KeepingView, Kept};
use crate::domain::command::Request;
use crate::domain::disposal::{DisposalAsk, DisposalState};
use crate::domain::event::Actor;
use crate::domain::filing::FilingState;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::store::{DisposalRow, DueRow, HoldRow, IsolationRow};

/// Pages, forms, API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/keeping", Need::May(SeeKeeping), page)
        .post("/clips/{id}/hold", Need::May(PlaceHold), post_hold_clip)
        .post("/cases/{number}/hold", Need::Over(PlaceHold), post_hold_case)
        .post("/keeping/holds/{hold}", Need::Over(ReleaseHold), post_release)
        .post("/clips/{id}/isolate", Need::May(IsolateClip), post_isolate)
        .post("/clips/{id}/lift", Need::May(LiftIsolation), post_lift)
        .post("/keeping/disposals", Need::May(DisposeClip), post_propose)
        .get("/keeping/disposals/{disposal}", Need::May(DisposeClip), disposal_page)
        .post("/keeping/disposals/{disposal}", Need::May(DisposeClip), post_decide)
        .get("/api/v1/keeping", Need::May(SeeKeeping), get_keeping)
        .post("/api/v1/clips/{id}/holds", Need::May(PlaceHold), hold_clip)
        .post("/api/v1/cases/{number}/holds", Need::Over(PlaceHold), hold_case)
        .post("/api/v1/holds/{hold}", Need::Over(ReleaseHold), release_hold)
        .post("/api/v1/clips/{id}/isolation", Need::May(IsolateClip), isolate_clip)
        .post("/api/v1/clips/{id}/isolation/lift", Need::May(LiftIsolation), lift_isolation)
        .get("/api/v1/disposals/due", Need::May(DisposeClip), list_due)
        .post("/api/v1/disposals", Need::May(DisposeClip), propose_disposal)
        .get("/api/v1/disposals/{disposal}", Need::May(DisposeClip), get_disposal)
        .post("/api/v1/disposals/{disposal}", Need::May(DisposeClip), decide_disposal)
}

/// The word of success that a form's address carries.
pub(super) fn done(word: &str, words: &Words) -> Option<&'static str> {
    let w = words.keeping();
    Some(match word {
        "held" => w.done_held,
        "asked" => w.done_asked,
        "confirmed" => w.done_confirmed,
        "refused" => w.done_refused,
        "isolated" => w.done_isolated,
        "closed" => w.done_closed,
        "bound" => w.done_bound,
        "filed" => w.done_filed,
        "reopened" => w.done_reopened,
        "sent" => words.oversight().done_sent,
        "called_back" => words.oversight().done_called_back,
        _ => return super::coverage::done(word, words),
    })
}

// --- Lines ---------------------------------------------------------------------------------------

/// Who asked for something that takes another person, and why.
pub(super) struct Asked {
    pub(super) who: String,
    pub(super) why: String,
    /// Whoever looks is who asked: they may take it back.
    pub(super) mine: bool,
}

pub(super) fn asked(by: Option<&str>, why: Option<&str>, c: &Ctx) -> Option<Asked> {
    let by = by?;
    let me = c.who.actor();
    Some(Asked {
        who: c.named(&actor(by)),
        why: why.unwrap_or_default().to_owned(),
        mine: by == format!("{}:{}", me.kind, me.id),
    })
}

pub(super) fn actor(text: &str) -> Actor {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    Actor { kind: kind.to_owned(), id: id.to_owned() }
}

/// A hold that stands.
pub(super) struct HoldLine {
    pub(super) hold: i64,
    pub(super) of: String,
    pub(super) href: String,
    pub(super) clips: String,
    pub(super) reason: String,
    pub(super) basis: Option<String>,
    pub(super) who: String,
    pub(super) since: Stamp,
    pub(super) asked: Option<Asked>,
}

fn hold_line(h: &HoldRow, c: &Ctx) -> HoldLine {
    let (of, href) = match (&h.case_no, h.clip) {
        (Some(number), _) => (number.clone(), case_href(number)),
        (None, Some(clip)) => (clip.to_string(), format!("/clips/{clip}")),
        (None, None) => (c.w.none_dash.to_owned(), "/keeping".to_owned()),
    };
    HoldLine {
        hold: h.hold,
        of,
        href,
        clips: c.w.on_clips(h.clips),
        reason: h.reason.clone(),
        basis: h.basis.clone(),
        who: c.named(&actor(&h.placed_by)),
        since: c.stamp(UtcMs(h.placed_ms)),
        asked: asked(h.asked_by.as_deref(), h.asked_why.as_deref(), c),
    }
}

/// What stands on a clip, on its page.
pub(super) struct ClipBlock {
    pub(super) holds: Vec<HoldLine>,
    /// When it was disposed of, the list, and what became of its copies.
    pub(super) disposed: Option<(Stamp, i64, Vec<String>)>,
    /// The archive number of the case that was filed with it, and until when it is kept.
    pub(super) filed: Option<(String, String)>,
}

pub(super) fn clip_block(kept: &Kept, c: &Ctx) -> ClipBlock {
    let copies = || kept.copies.iter().map(|k| copy_line(k, c)).collect();
    ClipBlock {
        holds: kept.holds.iter().map(|h| hold_line(h, c)).collect(),
        disposed: kept.disposed.map(|(at, list)| (c.stamp(at), list, copies())),
        filed: kept.filed.as_ref().map(|(filing, until)| {
            let until = until.map_or_else(|| c.w.keeping().forever.to_owned(), |at| c.stamp(at).text);
            (filing.archival_code.clone().unwrap_or_default(), until)
        }),
    }
}

fn copy_line(k: &crate::store::CopyRow, c: &Ctx) -> String {
    let text = c.w.copy_fate(k.removed, &k.destination, &k.why);
    match k.until_ms.filter(|_| !k.removed) {
        Some(until) => format!("{text} · {}", c.stamp(UtcMs(until)).text),
        None => text,
    }
}

/// What stands on a case, on its page.
pub(super) struct CaseBlock {
    pub(super) holds: Vec<HoldLine>,
    pub(super) pills: Vec<Pill>,
    pub(super) hold_href: String,
    pub(super) filing_href: String,
    /// To which reviewers it stands sent.
    pub(super) sent: Vec<String>,
    pub(super) review_href: String,
}

pub(super) fn case_block(number: &str, kept: &CaseKept, c: &Ctx) -> CaseBlock {
    let mut pills = Vec::new();
    if let Some(filing) = &kept.filing {
        let class = if filing.state() == FilingState::Filed { "safe" } else { "idle" };
        let mut text = c.w.filing_state(filing.state().as_str()).to_owned();
        if let Some(code) = &filing.archival_code {
            text.push_str(&format!(" {code}"));
        }
        pills.push(Pill::new(class, text));
    }
    if !kept.holds.is_empty() {
        pills.push(Pill { class: "hold", icon: "lock", text: c.w.keeping().holds.to_owned() });
    }
    // That it is held is no secret; why, and what was asked since, is for who sees to keeping.
    let holds = if c.may("see_keeping") { &kept.holds[..] } else { &[] };
    CaseBlock {
        holds: holds.iter().map(|h| hold_line(h, c)).collect(),
        pills,
        hold_href: format!("{}/hold", case_href(number)),
        filing_href: format!("{}/filing", case_href(number)),
        sent: kept.sent.iter().map(|s| super::sent::line(s, c)).collect(),
        review_href: format!("{}/review", case_href(number)),
    }
}

/// The page of a clip that is suspected classified: that it is so, whom to call, and the way to lift it.
#[derive(Template)]
#[template(path = "isolated.html")]
pub(super) struct IsolatedPage<'a> {
    c: &'a Ctx,
    id: String,
    done: Option<&'static str>,
    refusal: Option<String>,
    since: Option<Stamp>,
    asked: Option<Asked>,
    copies: Vec<CopyLine>,
    responsible: Option<String>,
}

impl<'a> IsolatedPage<'a> {
    pub(super) fn of(
        c: &'a Ctx,
        clip: ClipId,
        kept: &Kept,
        copies: Vec<CopyLine>,
        responsible: Option<String>,
        done: Option<&'static str>,
        refusal: Option<String>,
    ) -> Self {
        let row = kept.isolation.as_ref();
        Self {
            id: clip.to_string(),
            done,
            refusal,
            since: row.map(|i| c.stamp(UtcMs(i.placed_ms))),
            asked: row.and_then(|i| asked(i.asked_by.as_deref(), i.asked_why.as_deref(), c)),
            copies: copies.into_iter().filter(|k| k.warning.is_some()).collect(),
            responsible,
            c,
        }
    }
}

// --- Forms on clips and cases --------------------------------------------------------------------

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasonForm {
    reason: String,
    basis: String,
    /// `ask`, `confirm`, `refuse`.
    step: String,
}

type Posted = Result<Form<ReasonForm>, FormRejection>;

fn typed(body: Posted) -> Result<ReasonForm, Trouble> {
    body.map(|Form(form)| form).map_err(Trouble::from)
}

fn filled(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// A step of what takes two people: the reason of whoever asks, confirm, refuse, and the word for the address.
pub(super) fn step(step: &str, reason: String) -> Result<(Option<String>, bool, bool, &'static str), Trouble> {
    match step {
        "ask" => Ok((Some(reason), false, false, "asked")),
        "confirm" => Ok((None, true, false, "confirmed")),
        "refuse" => Ok((None, false, true, "refused")),
        _ => Err(Trouble::Invalid(Why::AskConfirmRefuse {})),
    }
}

async fn post_hold_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let request =
                Request::Hold { clip: Some(id.clone()), case_no: None, reason: f.reason, basis: filled(f.basis) };
            change(&site, &visitor, &id, request, "held", After::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn post_hold_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let basis = filled(f.basis);
            let request = Request::Hold { clip: None, case_no: Some(number.clone()), reason: f.reason, basis };
            change_case(&site, &visitor, &number, request, "held").await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// Carries a form's request about a case out: back to the case with a word, or the case again with the refusal.
pub(super) async fn change_case(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    request: Request,
    done: &str,
) -> Response {
    match site.carry_out(&visitor.caller, request).await {
        Ok(_) => Redirect::to(&format!("{}?done={done}", case_href(number))).into_response(),
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let refusal = Some(trouble.told(visitor.lang.words()).1);
            let visitor = Visitor { path: case_href(number), ..visitor.clone() };
            (trouble.status(), show_case(site, &visitor, number, None, refusal).await).into_response()
        }
        Err(trouble) => trouble.page(site, visitor),
    }
}

async fn post_isolate(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Posted,
) -> Response {
    match typed(body) {
        Ok(f) => {
            let request = Request::Isolate { clip: id.clone(), reason: f.reason };
            change(&site, &visitor, &id, request, "isolated", After::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn post_lift(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>, body: Posted) -> Response {
    match typed(body).and_then(|f| step(&f.step, f.reason)) {
        Ok((reason, confirm, refuse, done)) => {
            let request = Request::Lift { clip: id.clone(), reason, confirm, refuse };
            change(&site, &visitor, &id, request, done, After::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- The page of keeping -------------------------------------------------------------------------

struct IsolatedLine {
    id: String,
    who: String,
    since: Stamp,
    asked: Option<Asked>,
}

struct ReopenLine {
    number: String,
    code: String,
    action: String,
    asked: Asked,
}

struct ListLine {
    number: i64,
    pill: Pill,
    clips: String,
    opinion: String,
    who: String,
    at: Stamp,
    asks: bool,
    mine: bool,
}

struct DueLine {
    id: String,
    over: Stamp,
    size: String,
    cases: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "keeping.html")]
struct KeepingPage<'a> {
    c: &'a Ctx,
    done: Option<&'static str>,
    refusal: Option<String>,
    holds: Vec<HoldLine>,
    isolated: Vec<IsolatedLine>,
    reopenings: Vec<ReopenLine>,
    lists: Vec<ListLine>,
    due: Vec<DueLine>,
    waits: bool,
    responsible: Option<String>,
    opinion: String,
    basis: String,
}

fn list_line(d: &DisposalRow, clips: u64, gone: u64, c: &Ctx) -> ListLine {
    let class = match d.state {
        DisposalState::Asked => "ask",
        DisposalState::Refused => "idle",
        DisposalState::Going => "busy",
        DisposalState::Done => "safe",
    };
    let me = c.who.actor();
    ListLine {
        number: d.disposal,
        pill: Pill::new(class, c.w.disposal_state(d.state.as_str())),
        clips: format!("{} / {}", c.w.number(gone), c.w.videos(clips)),
        opinion: d.opinion.clone(),
        who: c.named(&actor(&d.asked_by)),
        at: c.stamp(UtcMs(d.asked_ms)),
        asks: d.state == DisposalState::Asked,
        mine: d.asked_by == format!("{}:{}", me.kind, me.id),
    }
}

#[derive(Default)]
struct With {
    done: Option<&'static str>,
    refusal: Option<String>,
    opinion: String,
    basis: String,
}

async fn seen(site: &Site, visitor: &Visitor) -> Result<KeepingView, Trouble> {
    let (within, isolated) = (visitor.who.within(Action::SeeKeeping), visitor.who.within(Action::IsolateClip));
    let disposal = visitor.who.may_ever(Action::DisposeClip);
    Ok(site.pages.keeping(&within, &isolated, disposal).await?)
}

async fn show(site: &Site, visitor: &Visitor, with: With) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("keeping"), ..Access::default() }).await?;
    let visitor = Visitor { path: "/keeping".to_owned(), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Keeping).await?;
    let v = seen(site, &visitor).await?;
    let isolated = |i: &IsolationRow| IsolatedLine {
        id: i.clip.to_string(),
        who: c.named(&actor(&i.placed_by)),
        since: c.stamp(UtcMs(i.placed_ms)),
        asked: asked(i.asked_by.as_deref(), i.asked_why.as_deref(), &c),
    };
    let due = |d: &DueRow| DueLine {
        id: d.clip.to_string(),
        over: c.stamp(UtcMs(d.over_ms)),
        size: c.w.size(d.size_bytes),
        cases: d.cases.iter().map(|n| (n.clone(), case_href(n))).collect(),
    };
    let reopenings: Vec<ReopenLine> = v
        .reopenings
        .iter()
        .filter_map(|(filing, number)| {
            let (by, why) = filing.asked.as_ref()?;
            Some(ReopenLine {
                number: number.clone(),
                code: filing.archival_code.clone().unwrap_or_default(),
                action: format!("{}/reopen", case_href(number)),
                asked: asked(Some(by), Some(why), &c)?,
            })
        })
        .collect();
    let html = KeepingPage {
        waits: !reopenings.is_empty()
            || v.holds.iter().any(|h| h.asked_by.is_some())
            || v.isolated.iter().any(|i| i.asked_by.is_some())
            || v.disposals.iter().any(|(d, ..)| d.state == DisposalState::Asked),
        holds: v.holds.iter().map(|h| hold_line(h, &c)).collect(),
        isolated: v.isolated.iter().map(isolated).collect(),
        reopenings,
        lists: v.disposals.iter().map(|(d, clips, gone)| list_line(d, *clips, *gone, &c)).collect(),
        due: v.due.iter().map(due).collect(),
        responsible: site.pages.responsible(),
        done: with.done,
        refusal: with.refusal,
        opinion: with.opinion,
        basis: with.basis,
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneQuery {
    done: String,
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let done = done(&q.done, visitor.lang.words());
    let shown = show(&site, &visitor, With { done, ..With::default() }).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

/// Carries a form of the page out, and goes back to it.
async fn on_page(
    site: &Site,
    visitor: &Visitor,
    request: Result<Request, Trouble>,
    done: &str,
    with: With,
) -> Response {
    let answer = async {
        match site.carry_out(&visitor.caller, request?).await {
            Ok(_) => Ok(Redirect::to(&format!("/keeping?done={done}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let html = show(site, visitor, With { refusal, ..with }).await?;
                Ok((trouble.status(), html).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

async fn post_release(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(hold): Path<String>,
    body: Posted,
) -> Response {
    let hold = hold.parse::<i64>().map_err(|_| Trouble::NoPage);
    let asked = typed(body).and_then(|f| step(&f.step, f.reason)).and_then(|step| Ok((hold?, step)));
    match asked {
        Ok((hold, (reason, confirm, refuse, done))) => {
            let request = Ok(Request::Unhold { hold, reason, confirm, refuse });
            on_page(&site, &visitor, request, done, With::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- Disposal ------------------------------------------------------------------------------------

async fn post_propose(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let pairs = match body {
        Ok(Form(pairs)) => pairs,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let clips = pairs.iter().filter(|(key, _)| key == "clip").map(|(_, v)| v.clone()).collect();
    let with = With { opinion: one("opinion"), basis: one("basis"), ..With::default() };
    let ask = DisposalAsk::Propose { clips, opinion: with.opinion.clone(), basis: with.basis.clone() };
    on_page(&site, &visitor, Ok(Request::Disposal { ask }), "asked", with).await
}

struct ItemLine {
    n: usize,
    id: String,
    file: String,
    cases: String,
    size: String,
    sha256: String,
    blake3: String,
    state: &'static str,
    log: String,
    copies: Vec<String>,
}

#[derive(Template)]
#[template(path = "disposal.html")]
struct DisposalPage<'a> {
    c: &'a Ctx,
    list: ListLine,
    refusal: Option<String>,
    basis: String,
    second: Option<(String, Stamp)>,
    items: Vec<ItemLine>,
}

async fn show_disposal(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    let number: i64 = number.parse().map_err(|_| Trouble::NoPage)?;
    site.log_access(visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
    let DisposalView { list, items } = site.pages.disposal(number).await?.ok_or(Trouble::NoPage)?;
    let visitor = Visitor { path: format!("/keeping/disposals/{number}"), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Keeping).await?;
    let gone = items.iter().filter(|i| i.state == "gone").count() as u64;
    let lines = items.iter().enumerate().map(|(n, i)| ItemLine {
        n: n + 1,
        id: i.clip.to_string(),
        file: i.file_name.clone(),
        cases: i.cases.join(", "),
        size: c.w.size(i.size_bytes),
        sha256: i.digests.0.clone(),
        blake3: i.digests.1.clone(),
        state: c.w.disposal_item(&i.state),
        log: [i.intent_seq, i.gone.map(|(_, seq)| seq)]
            .into_iter()
            .flatten()
            .map(|seq| format!("#{seq}"))
            .collect::<Vec<_>>()
            .join(" "),
        copies: i.copies.iter().map(|k| copy_line(k, &c)).collect(),
    });
    let html = DisposalPage {
        list: list_line(&list, items.len() as u64, gone, &c),
        refusal,
        basis: list.basis.clone(),
        second: list.second.as_ref().map(|(by, at)| (c.named(&actor(by)), c.stamp(UtcMs(*at)))),
        items: lines.collect(),
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

async fn disposal_page(State(site): State<Arc<Site>>, visitor: Visitor, Path(disposal): Path<String>) -> Response {
    let shown = show_disposal(&site, &visitor, &disposal, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn post_decide(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Posted,
) -> Response {
    let answer = async {
        let (_, yes, ..) = typed(body).and_then(|f| step(&f.step, f.reason))?;
        let disposal = number.parse().map_err(|_| Trouble::NoPage)?;
        match site.carry_out(&visitor.caller, Request::Disposal { ask: DisposalAsk::Decide { disposal, yes } }).await {
            Ok(_) => Ok(Redirect::to(&format!("/keeping/disposals/{disposal}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_disposal(&site, &visitor, &number, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// Why, and on what basis.
#[derive(Debug, Deserialize, ToSchema)]
pub struct HoldBody {
    /// Why.
    pub reason: String,
    /// On what basis: a review, a lawsuit, a letter.
    #[serde(default)]
    pub basis: Option<String>,
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WhyBody {
    /// Why.
    pub reason: String,
}

/// A step of what takes two people.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StepBody {
    /// `ask`, `confirm` or `refuse`.
    pub step: String,
    /// Why; of whoever asks.
    #[serde(default)]
    pub reason: String,
}

/// A list that is proposed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ProposeBody {
    /// Record ids.
    pub clips: Vec<String>,
    /// What the appraisal came to.
    pub opinion: String,
    /// On what basis.
    pub basis: String,
}

/// A hold that stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldNow {
    /// Its number.
    pub hold: i64,
    /// The clip, where it is on one.
    pub clip: Option<String>,
    /// The case, where it is on one.
    pub case_no: Option<String>,
    /// On how many clips it stands.
    pub clips: u64,
    /// Why.
    pub reason: String,
    /// On what basis.
    pub basis: Option<String>,
    /// Who placed it, as the log has it.
    pub placed_by: String,
    /// When, RFC 3339.
    pub placed_at: String,
    /// Who asked for its release.
    pub release_asked_by: Option<String>,
}

/// An isolated clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct IsolatedNow {
    /// Its id; nothing of what is in it is told.
    pub clip: String,
    /// Who isolated it, as the log has it.
    pub placed_by: String,
    /// When, RFC 3339.
    pub placed_at: String,
    /// Who asked to lift it.
    pub lift_asked_by: Option<String>,
}

/// A clip whose retention is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct DueNow {
    /// Its id.
    pub clip: String,
    /// Since when, RFC 3339.
    pub over_since: String,
    /// Its length.
    pub size_bytes: u64,
    /// Numbers of its cases.
    pub cases: Vec<String>,
}

/// A list of disposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListNow {
    /// Its number.
    pub disposal: i64,
    /// `asked`, `refused`, `going`, `done`.
    pub state: &'static str,
    /// What the appraisal came to.
    pub opinion: String,
    /// On what basis.
    pub basis: String,
    /// Who proposed it, as the log has it.
    pub asked_by: String,
    /// Who confirmed or refused it.
    pub decided_by: Option<String>,
    /// Its clips; empty in lists of lists.
    pub items: Vec<ItemNow>,
}

/// A clip of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemNow {
    /// Its id.
    pub clip: String,
    /// `asked`, `refused`, `kept`, `going`, `gone`.
    pub state: String,
    /// Why it was kept after all.
    pub why: Option<String>,
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub blake3: String,
    /// Position in the log of the entry that says that it goes.
    pub log_intended: Option<u64>,
    /// And of the one that says that it is gone.
    pub log_gone: Option<u64>,
    /// What became of its copies, one a destination: `removed`, or why it stands.
    pub copies: std::collections::BTreeMap<String, String>,
}

/// What is held, isolated, or waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeepingNow {
    /// Holds.
    pub holds: Vec<HoldNow>,
    /// Isolated clips, by id.
    pub isolated: Vec<IsolatedNow>,
    /// Filed cases whose re-opening waits for a second person.
    pub reopenings: Vec<String>,
    /// Lists of disposal, newest first.
    pub disposals: Vec<ListNow>,
    /// Whom to call about what is isolated.
    pub call: Option<String>,
}

fn list_now(d: &DisposalRow, items: Vec<ItemNow>) -> ListNow {
    ListNow {
        disposal: d.disposal,
        state: d.state.as_str(),
        opinion: d.opinion.clone(),
        basis: d.basis.clone(),
        asked_by: d.asked_by.clone(),
        decided_by: d.second.as_ref().map(|(by, _)| by.clone()),
        items,
    }
}

/// Holds that stand, isolated clips by id, lists of disposal, and what waits for a second person.
#[utoipa::path(get, path = "/api/v1/keeping", responses((status = 200, body = KeepingNow), (status = 503, body = Problem)))]
pub(super) async fn get_keeping(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("keeping"), ..Access::default() }).await?;
        let v = seen(&site, &visitor).await?;
        let at = |ms: i64| UtcMs(ms).rfc3339_in(&site.zone);
        let hold = |h: &HoldRow| HoldNow {
            hold: h.hold,
            clip: h.clip.map(|c| c.to_string()),
            case_no: h.case_no.clone(),
            clips: h.clips,
            reason: h.reason.clone(),
            basis: h.basis.clone(),
            placed_by: h.placed_by.clone(),
            placed_at: at(h.placed_ms),
            release_asked_by: h.asked_by.clone(),
        };
        let isolated = |i: &IsolationRow| IsolatedNow {
            clip: i.clip.to_string(),
            placed_by: i.placed_by.clone(),
            placed_at: at(i.placed_ms),
            lift_asked_by: i.asked_by.clone(),
        };
        let now = KeepingNow {
            holds: v.holds.iter().map(hold).collect(),
            isolated: v.isolated.iter().map(isolated).collect(),
            reopenings: v.reopenings.into_iter().map(|(_, number)| number).collect(),
            disposals: v.disposals.iter().map(|(d, ..)| list_now(d, Vec::new())).collect(),
            call: site.pages.responsible(),
        };
        Ok(Json(now).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Places a hold on a clip.
#[utoipa::path(post, path = "/api/v1/clips/{id}/holds", params(("id" = String, Path, description = "Record id")), request_body = HoldBody,
    responses((status = 200, description = "Its number", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn hold_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<HoldBody>, JsonRejection>,
) -> Response {
    let request = json(body).map(|b| Request::Hold { clip: Some(id), case_no: None, reason: b.reason, basis: b.basis });
    carried_out(&site, &visitor, request).await
}

/// Places a hold on a case: on every clip that is linked to it, now or later. Needs the right over each of them.
#[utoipa::path(post, path = "/api/v1/cases/{number}/holds", params(("number" = String, Path, description = "Any number of the case")),
    request_body = HoldBody, responses((status = 200, description = "Its number, and on how many clips it stands", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn hold_case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Json<HoldBody>, JsonRejection>,
) -> Response {
    let request =
        json(body).map(|b| Request::Hold { clip: None, case_no: Some(number), reason: b.reason, basis: b.basis });
    carried_out(&site, &visitor, request).await
}

/// Asks for the release of a hold, confirms it as another person, or refuses it.
#[utoipa::path(post, path = "/api/v1/holds/{hold}", params(("hold" = i64, Path, description = "Its number")), request_body = StepBody,
    responses((status = 200, description = "What came of it", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn release_hold(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(hold): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, confirm, refuse, _) = step(&b.step, b.reason)?;
        let hold = hold.parse().map_err(|_| Trouble::NoPage)?;
        Ok(Request::Unhold { hold, reason, confirm, refuse })
    });
    carried_out(&site, &visitor, request).await
}

/// Isolates a clip as suspected classified: it stops going out at once and is shown to nobody. Answers with what stands
/// elsewhere already, and whom to call.
#[utoipa::path(post, path = "/api/v1/clips/{id}/isolation", params(("id" = String, Path, description = "Record id")), request_body = WhyBody,
    responses((status = 200, description = "What is isolated, what stands elsewhere, whom to call", body = serde_json::Value),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn isolate_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<WhyBody>, JsonRejection>,
) -> Response {
    carried_out(&site, &visitor, json(body).map(|b| Request::Isolate { clip: id, reason: b.reason })).await
}

/// Asks to lift an isolation, confirms it as another person, or refuses it.
#[utoipa::path(post, path = "/api/v1/clips/{id}/isolation/lift", params(("id" = String, Path, description = "Record id")),
    request_body = StepBody, responses((status = 200, description = "What came of it", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn lift_isolation(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, confirm, refuse, _) = step(&b.step, b.reason)?;
        Ok(Request::Lift { clip: id, reason, confirm, refuse })
    });
    carried_out(&site, &visitor, request).await
}

/// Clips whose retention is over and that nothing keeps.
#[utoipa::path(get, path = "/api/v1/disposals/due", responses((status = 200, body = Vec<DueNow>), (status = 503, body = Problem)))]
pub(super) async fn list_due(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
        let due = seen(&site, &visitor).await?.due;
        let due: Vec<DueNow> = due
            .into_iter()
            .map(|d| DueNow {
                clip: d.clip.to_string(),
                over_since: UtcMs(d.over_ms).rfc3339_in(&site.zone),
                size_bytes: d.size_bytes,
                cases: d.cases,
            })
            .collect();
        Ok(Json(due).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Proposes clips for disposal; another person confirms.
#[utoipa::path(post, path = "/api/v1/disposals", request_body = ProposeBody,
    responses((status = 200, description = "The list's number", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn propose_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<ProposeBody>, JsonRejection>,
) -> Response {
    let request = json(body).map(|b| Request::Disposal {
        ask: DisposalAsk::Propose { clips: b.clips, opinion: b.opinion, basis: b.basis },
    });
    carried_out(&site, &visitor, request).await
}

/// A list of disposal with its clips.
#[utoipa::path(get, path = "/api/v1/disposals/{disposal}", params(("disposal" = i64, Path, description = "Its number")),
    responses((status = 200, body = ListNow), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn get_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(disposal): Path<String>,
) -> Response {
    let answer = async {
        let disposal = disposal.parse().map_err(|_| Trouble::NoPage)?;
        site.log_access(&visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
        let v = site.pages.disposal(disposal).await?.ok_or(Trouble::NoPage)?;
        let items = v.items.into_iter().map(|i| ItemNow {
            clip: i.clip.to_string(),
            state: i.state,
            why: i.why,
            sha256: i.digests.0,
            blake3: i.digests.1,
            log_intended: i.intent_seq,
            log_gone: i.gone.map(|(_, seq)| seq),
            copies: i
                .copies
                .into_iter()
                .map(|k| (k.destination, if k.removed { "removed".to_owned() } else { k.why }))
                .collect(),
        });
        Ok(Json(list_now(&v.list, items.collect())).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Confirms a list as another person: its clips go for good; or refuses it.
#[utoipa::path(post, path = "/api/v1/disposals/{disposal}", params(("disposal" = i64, Path, description = "Its number")),
    request_body = StepBody, responses((status = 200, description = "How far it is", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn decide_disposal(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(disposal): Path<String>,
    body: Result<Json<StepBody>, JsonRejection>,
) -> Response {
    let request = json(body).and_then(|b| {
        let (reason, yes, ..) = step(&b.step, b.reason)?;
        if reason.is_some() {
            return Err(Trouble::Invalid(Why::ConfirmRefuse {}));
        }
        let disposal = disposal.parse().map_err(|_| Trouble::NoPage)?;
        Ok(Request::Disposal { ask: DisposalAsk::Decide { disposal, yes } })
    });
    carried_out(&site, &visitor, request).await
}
