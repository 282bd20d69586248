//! Who looked at a case (调阅记录): the first of them on its page, all of them on one of their own, and over the API. Looking at
//! that is itself a look, and logged like one.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::present::{Ctx, Nav, Stamp, case_href};
use super::routes::{self, Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::case::CaseAnswer;
use super::view::looks::{LookView, LooksView};
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;

/// Looks on the page of the case.
pub const FIRST: u32 = 20;
/// Looks on a page of their own.
const PAGE: u32 = 100;

/// The page, the API.
pub fn routes(r: Routes) -> Routes {
    let see = Need::May(Action::SeeLooks);
    r.get("/cases/{number}/looks", see, page).get("/api/v1/cases/{number}/looks", see, list_looks)
}

/// One look in words.
pub struct LookLine {
    /// When.
    pub at: Stamp,
    /// Who: the name where it is known, else the number.
    pub who: String,
    /// The number beside a name.
    pub called: String,
    /// What they did.
    pub what: &'static str,
    /// It was refused or failed.
    pub failed: bool,
    /// The clip's page and its name; `None`: the case.
    pub clip: Option<(String, String)>,
    /// Why, as they said it.
    pub purpose: String,
}

/// What stands on the page of the case.
pub struct LookBlock {
    /// The newest.
    pub lines: Vec<LookLine>,
    /// Where all of them are.
    pub href: String,
    /// There are more.
    pub more: bool,
}

/// Whose looks at a clip its custody tells them of: everybody's (`None`), or only their own.
pub(super) async fn only_of(site: &Site, visitor: &Visitor, clip: ClipId) -> Result<Option<Actor>, Trouble> {
    let all = routes::shows(site, visitor, Action::SeeLooks, clip).await?;
    Ok((!all).then(|| visitor.caller.actor.clone()))
}

/// The first of them.
pub fn block(number: &str, v: &LooksView, c: &Ctx) -> LookBlock {
    LookBlock { lines: lines(v, c), href: format!("{}/looks", case_href(number)), more: v.next.is_some() }
}

fn lines(v: &LooksView, c: &Ctx) -> Vec<LookLine> {
    let line = |l: &LookView| {
        let called = l.called.as_ref().map(super::view::log::Called::line).unwrap_or_default();
        let number = c.w.actor(&l.actor);
        let (who, called) = if called.is_empty() { (number, String::new()) } else { (called, number) };
        LookLine {
            at: c.stamp(l.at),
            who,
            called,
            what: c.w.look(l.look),
            failed: l.outcome != "ok",
            clip: l.clip.as_ref().map(|(id, name)| (format!("/clips/{id}"), name.clone())),
            purpose: l.purpose.clone().unwrap_or_default(),
        }
    };
    v.looks.iter().map(line).collect()
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LooksQuery {
    /// Only below this position of the log: `next` of the page before.
    #[serde(default)]
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "looks.html")]
struct LooksPage<'a> {
    c: &'a Ctx,
    number: String,
    href: String,
    looks: LookBlock,
    next: Option<String>,
}

/// The case's number, and looks at it, after this one was logged.
async fn find(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    before: Option<u64>,
) -> Result<(String, LooksView), Trouble> {
    site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
    let CaseAnswer::Found(v) = site.pages.case(number, &visitor.who.within(Action::FindCase)).await? else {
        return Err(Trouble::NoCase);
    };
    let looks = site.pages.looks(&v.number, &visitor.who.within(Action::SeeLooks), before, PAGE).await?;
    Ok((v.number, looks))
}

async fn page(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<LooksQuery>,
) -> Response {
    let answer = async {
        let (number, v) = find(&site, &visitor, &number, q.before).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let looks = block(&number, &v, &c);
        let next = v.next.map(|seq| format!("{}?before={seq}", looks.href));
        let page = LooksPage { href: case_href(&number), number, looks, next, c: &c };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// A look at a case or a clip of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookNow {
    /// Position in the log.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who, as the log has it.
    pub actor: String,
    /// What they are called, where the station knows.
    pub name: Option<String>,
    /// `open`, `show`, `play`, `read`, `download`, `derive`, `export`, `take_package`.
    pub what: &'static str,
    /// The clip; null: the case.
    pub clip: Option<String>,
    /// Why, as they said it.
    pub purpose: Option<String>,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
}

/// Looks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookList {
    /// Each of them.
    pub items: Vec<LookNow>,
    /// To be given as `before` for the rest; null: there is none.
    pub next: Option<u64>,
}

/// Who looked at a case.
#[utoipa::path(get, path = "/api/v1/cases/{number}/looks",
    params(("number" = String, Path, description = "Any number of the case"), LooksQuery),
    responses((status = 200, body = LookList), (status = 404, body = Problem)))]
pub(super) async fn list_looks(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<LooksQuery>,
) -> Response {
    let answer = async {
        let (_, v) = find(&site, &visitor, &number, q.before).await?;
        let item = |l: LookView| LookNow {
            seq: l.seq,
            at: l.at.rfc3339_in(&site.zone),
            actor: format!("{}:{}", l.actor.kind, l.actor.id),
            name: l.called.map(|called| called.line()),
            what: l.look.as_str(),
            clip: l.clip.map(|(id, _)| id.to_string()),
            purpose: l.purpose,
            outcome: l.outcome,
        };
        let next = v.next;
        Ok(Json(LookList { items: v.looks.into_iter().map(item).collect(), next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
