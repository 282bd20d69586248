//! The page of keeping: everything that is held, isolated or proposed, what is due, and what waits for a second person.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::blocks::{HoldLine, hold_line};
use super::disposal::{ListLine, list_line};
use super::{Asked, Posted, actor, asked, done, step, typed};
use crate::domain::command::Request;
use crate::domain::disposal::DisposalState;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::store::{DueRow, HoldRow, IsolationRow};
use crate::web::paging::filled;
use crate::web::present::{Ctx, Nav, Stamp, case_href, segment};
use crate::web::refused::Refused;
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::view::keeping::{DisposalQuery, KeepingBounds, KeepingView};

struct IsolatedLine {
    id: String,
    /// Its page, for whoever may open it.
    href: Option<String>,
    may_lift: bool,
    who: String,
    since: Stamp,
    asked: Option<Asked>,
    /// What `lift_line.html` shows where a reason was refused: that is told on the page of the clip.
    typed: Option<String>,
}

struct ReopenLine {
    number: String,
    /// Where what is decided about can be read: the filing, or where they may not see that, the case.
    href: String,
    may_decide: bool,
    code: String,
    action: String,
    asked: Asked,
}

struct DueLine {
    id: String,
    over: Stamp,
    size: String,
    cases: Vec<(String, String)>,
    picked: bool,
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
    lists_next: Option<String>,
    due: Vec<DueLine>,
    due_next: Option<String>,
    waits: bool,
    responsible: Option<String>,
    opinion: String,
    basis: String,
    /// A list that was proposed comes back.
    again: bool,
}

#[derive(Default)]
pub(super) struct With {
    pub(super) done: Option<&'static str>,
    pub(super) refusal: Option<String>,
    pub(super) opinion: String,
    pub(super) basis: String,
    /// Clips of a list that was to be proposed.
    pub(super) picked: Vec<String>,
    pub(super) typed: Refused,
    pub(super) asked: DisposalQuery,
}

pub(super) async fn seen(site: &Site, visitor: &Visitor, asked: &DisposalQuery) -> Result<KeepingView, Trouble> {
    let within = |action| visitor.who.within(action);
    let bounds = KeepingBounds {
        listed: within(Action::SeeKeeping),
        isolated: within(Action::IsolateClip),
        shown: within(Action::ShowClip),
        release: within(Action::ReleaseHold),
        lift: within(Action::LiftIsolation),
        close: within(Action::CloseCase),
        reopen: within(Action::ReopenCase),
    };
    let disposal = visitor.who.may_ever(Action::DisposeClip).then_some(asked);
    Ok(site.pages.keeping(&bounds, disposal).await?)
}

async fn show(site: &Site, visitor: &Visitor, with: With) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("keeping"), ..Access::default() }).await?;
    let visitor = Visitor { path: "/keeping".to_owned(), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Keeping).await?;
    let v = seen(site, &visitor, &with.asked).await?;
    let isolated = |i: &IsolationRow| IsolatedLine {
        id: i.clip.to_string(),
        href: v.openable.contains(&i.clip).then(|| format!("/clips/{}", i.clip)),
        may_lift: v.liftable.contains(&i.clip),
        who: c.named(&actor(&i.placed_by)),
        since: c.stamp(UtcMs(i.placed_ms)),
        asked: asked(i.asked_by.as_deref(), i.asked_why.as_deref(), &c),
        typed: None,
    };
    let hold = |h: &HoldRow| {
        let typed = with.typed.only(h.hold);
        let typed = typed.is("release").then(|| typed.of("release", "reason").to_owned());
        HoldLine { typed, ..hold_line(h, &v.releasable, &c) }
    };
    let due = |d: &DueRow| DueLine {
        id: d.clip.to_string(),
        over: c.stamp(UtcMs(d.over_ms)),
        size: c.w.size(d.size_bytes),
        cases: d.cases.iter().map(|n| (n.clone(), case_href(n))).collect(),
        picked: with.picked.contains(&d.clip.to_string()),
    };
    let reopenings: Vec<ReopenLine> = v
        .reopenings
        .iter()
        .filter_map(|r| {
            let (by, why) = r.filing.asked.as_ref()?;
            let case = case_href(&r.number);
            Some(ReopenLine {
                number: r.number.clone(),
                action: format!("{case}/reopen"),
                href: if r.open { format!("{case}/filing") } else { case },
                may_decide: r.decide,
                code: r.filing.archival_code.clone().unwrap_or_default(),
                asked: asked(Some(by), Some(why), &c)?,
            })
        })
        .collect();
    let html = KeepingPage {
        waits: !reopenings.is_empty()
            || v.holds.iter().any(|h| h.asked_by.is_some())
            || v.isolated.iter().any(|i| i.asked_by.is_some())
            || v.disposals.iter().any(|(d, ..)| d.state == DisposalState::Asked),
        holds: v.holds.iter().map(hold).collect(),
        isolated: v.isolated.iter().map(isolated).collect(),
        reopenings,
        lists: v.disposals.iter().map(|(d, clips, gone)| list_line(d, *clips, *gone, &c)).collect(),
        lists_next: v.disposals_next.as_deref().map(|n| format!("/keeping?lists={}#h-lists", segment(n))),
        due: v.due.iter().map(due).collect(),
        due_next: v.due_next.as_deref().map(|n| format!("/keeping?due={}#h-due", segment(n))),
        responsible: site.pages.responsible(),
        done: with.done,
        again: with.refusal.is_some() && !with.picked.is_empty(),
        refusal: with.refusal,
        opinion: with.opinion,
        basis: with.basis,
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DoneQuery {
    done: String,
    lists: Option<String>,
    due: Option<String>,
}

pub(super) async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let done = done(&q.done, visitor.lang.words());
    let cursor = |text: Option<String>| filled(text.as_deref()).map(str::to_owned);
    let asked = DisposalQuery { lists: cursor(q.lists), due: cursor(q.due) };
    let shown = show(&site, &visitor, With { done, asked, ..With::default() }).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

/// Carries a form of the page out, and goes back to it.
pub(super) async fn on_page(
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

pub(super) async fn post_release(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(hold): Path<String>,
    body: Posted,
) -> Response {
    let hold = hold.parse::<i64>().map_err(|_| Trouble::NoPage);
    let asked = typed(body).and_then(|f| step(&f.step, f.reason)).and_then(|step| Ok((hold?, step)));
    match asked {
        Ok((hold, (reason, confirm, refuse, done))) => {
            // Only who asks types something; who decides comes back to two buttons.
            let typed = reason.clone().map(|why| Refused::new("release", [("reason", why)]).about(hold));
            let with = With { typed: typed.unwrap_or_default(), ..With::default() };
            let request = Ok(Request::Unhold { hold, reason, confirm, refuse });
            on_page(&site, &visitor, request, done, with).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}
