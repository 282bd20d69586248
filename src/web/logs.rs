//! The log, for the security auditor: who did what, when and from where, newest first, without a look at footage or at what
//! events only commit to. Reading it is an entry of its own.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::present::{Ctx, Nav, Stamp};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::log::{Called, LogEntry, LogQuery};
use crate::domain::event::EventKind;
use crate::domain::rights::Action;
use crate::domain::why::Why;

/// Entries of a page.
const ROWS: u32 = 100;

/// Page and API.
pub fn routes(r: Routes) -> Routes {
    let read = Need::May(Action::ReadLog);
    r.get("/log", read, page).get("/api/v1/log", read, entries)
}

/// Which entries, as it stands in an address.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct RawLogQuery {
    /// Only entries below this number: `next` of the page before.
    pub before: Option<String>,
    /// Only kinds that begin so, as `access.` or `account.`.
    pub kind: Option<String>,
    /// Only what this actor did, as `user:3`.
    pub actor: Option<String>,
}

impl RawLogQuery {
    fn resolve(self) -> Result<LogQuery, Trouble> {
        let filled = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let before = filled(self.before)
            .map(|text| text.parse().map_err(|_| Trouble::Invalid(Why::PlaceInList {})))
            .transpose()?;
        Ok(LogQuery { before, kind: filled(self.kind), actor: filled(self.actor), limit: ROWS })
    }
}

async fn read(site: &Site, visitor: &Visitor, raw: RawLogQuery) -> Result<(LogQuery, Vec<LogEntry>), Trouble> {
    let q = raw.resolve()?;
    let terms = format!("{} {}", q.kind.as_deref().unwrap_or_default(), q.actor.as_deref().unwrap_or_default());
    site.log_access(visitor, Access { what: "log", terms: Some(terms.trim()), ..Access::default() }).await?;
    let entries = site.pages.log(&q).await?;
    Ok((q, entries))
}

/// The number below which the next page begins.
fn next(entries: &[LogEntry]) -> Option<u64> {
    entries.last().filter(|last| entries.len() as u32 >= ROWS && last.seq > 0).map(|last| last.seq)
}

/// An entry in words.
struct Line {
    seq: u64,
    at: Stamp,
    what: String,
    who: String,
    /// What they are called.
    called: String,
    from: String,
    about: String,
    failed: bool,
}

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage<'a> {
    c: &'a Ctx,
    lines: Vec<Line>,
    actor: String,
    groups: Vec<(&'static str, &'static str, bool)>,
    next: Option<String>,
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(raw): Query<RawLogQuery>) -> Response {
    let answer = async {
        let (q, entries) = read(&site, &visitor, raw).await?;
        let c = site.ctx(&visitor, Nav::Log).await?;
        let (kind, actor) = (q.kind.clone().unwrap_or_default(), q.actor.clone().unwrap_or_default());
        let segment = super::present::segment;
        let w = c.w;
        let groups = [
            ("access.", w.log_access),
            ("account.", w.log_accounts),
            ("clip.", w.log_clips),
            ("station.", w.log_station),
        ];
        let page = LogPage {
            lines: entries.iter().map(|e| line(e, &c)).collect(),
            groups: groups.into_iter().map(|(word, name)| (word, name, kind == word)).collect(),
            next: next(&entries)
                .map(|before| format!("/log?kind={}&actor={}&before={before}", segment(&kind), segment(&actor))),
            actor,
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

fn line(e: &LogEntry, c: &Ctx) -> Line {
    let told = EventKind::parse(&e.kind).map_or_else(|| e.kind.clone(), |kind| c.w.event(kind, None));
    Line {
        seq: e.seq,
        at: c.stamp(e.at),
        what: told,
        who: c.w.actor(&e.actor),
        called: e.called.as_ref().map(Called::line).unwrap_or_default(),
        from: e.from.clone().unwrap_or_default(),
        about: e.about.clone(),
        failed: e.outcome != "ok",
    }
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPageBody {
    /// Entries, newest first.
    pub items: Vec<LogItem>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<u64>,
}

/// An entry of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogItem {
    /// Position.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// Who, as `kind:id`.
    pub actor: String,
    /// What they are called now, or were last: the name for people of an account, or of a token.
    pub actor_name: Option<String>,
    /// The name with which the account signs in.
    pub actor_login: Option<String>,
    /// Through which door.
    pub via: String,
    /// From where.
    pub from: Option<String>,
    /// The sign-in session.
    pub session: Option<String>,
    /// The clip.
    pub clip: Option<String>,
    /// Hex SHA-256 of the case key.
    pub case: Option<String>,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
    /// What the event tells in clear, and its commitments.
    pub body: serde_json::Value,
}

/// The log, newest first.
#[utoipa::path(get, path = "/api/v1/log", params(RawLogQuery), responses((status = 200, body = LogPageBody),
    (status = 403, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn entries(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<RawLogQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(raw) = q?;
        let (_, entries) = read(&site, &visitor, raw).await?;
        let next = next(&entries);
        let items = entries.into_iter().map(|e| {
            let (actor_name, actor_login) = e.called.map(|called| (called.name, called.login)).unwrap_or_default();
            LogItem {
                actor_name,
                actor_login,
                seq: e.seq,
                at: e.at.rfc3339(),
                kind: e.kind,
                actor: format!("{}:{}", e.actor.kind, e.actor.id),
                via: e.via,
                from: e.from,
                session: e.session,
                clip: e.clip,
                case: e.case,
                outcome: e.outcome,
                body: e.body,
            }
        });
        Ok(Json(LogPageBody { items: items.collect(), next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
