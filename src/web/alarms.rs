//! Alarms: the page of what stands and stood and who is told, acknowledging, and the API's part. They tell of no person and no
//! case, so that whoever may see the station may see them.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offers;
use super::paging::{AfterQuery, filled, href};
use super::present::alarms::Alarms;
use super::present::{self, Ctx, Nav};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::alarms::AlarmsView;
use crate::domain::command::Request;
use crate::domain::rights::Action;

/// The page, its form, the API.
pub fn routes(r: Routes) -> Routes {
    let (see, acknowledge) = (Need::May(Action::SeeStation), Need::May(Action::AcknowledgeAlarm));
    r.get("/alarms", see, page)
        .post("/alarms/{alarm}/acknowledge", acknowledge, acknowledge_form)
        .get("/api/v1/alarms", see, list)
        .post("/api/v1/alarms/{alarm}/acknowledge", acknowledge, acknowledge_one)
}

#[derive(Template)]
#[template(path = "alarms.html")]
struct AlarmsPage<'a> {
    c: &'a Ctx,
    v: Alarms,
    done: bool,
    next: Option<String>,
    self_href: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneQuery {
    done: Option<String>,
    after: Option<String>,
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Station).await?;
        let view = site.pages.alarms(filled(q.after.as_deref())).await?;
        let next = view.next.as_deref().map(|next| href("/alarms", &[], next));
        let theirs = offers::alarmed(&site, &visitor, view.standing.iter().map(|(alarm, _)| alarm)).await?;
        let page = AlarmsPage {
            v: present::alarms::alarms(&view, &theirs, &c),
            done: q.done.is_some(),
            next,
            self_href: visitor.part_href(),
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn acknowledge_form(State(site): State<Arc<Site>>, visitor: Visitor, Path(alarm): Path<String>) -> Response {
    let Ok(alarm) = alarm.parse() else { return Trouble::NoPage.page(&site, &visitor) };
    match site.carry_out(&visitor.caller, Request::AcknowledgeAlarm { alarm }).await {
        // It may have ended meanwhile: the page shows that, too.
        Ok(_) | Err(Trouble::Conflict(_)) => Redirect::to("/alarms?done=known").into_response(),
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// Alarms and who is told of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmList {
    /// What stands now, worst first.
    pub standing: Vec<AlarmItem>,
    /// What is over, newest first.
    pub over: Vec<AlarmItem>,
    /// Cursor of the next page of those; null on the last one.
    pub next: Option<String>,
    /// Who is told.
    pub receivers: Vec<ReceiverItem>,
}

/// An alarm.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmItem {
    /// Its number; null while it is only just there.
    pub id: Option<i64>,
    /// A stable word.
    pub code: String,
    /// A destination, bay, recorder, receiver or part; empty where it is the station.
    pub about: String,
    /// `bad`, `warn`, `info`.
    pub severity: &'static str,
    /// What, in the visitor's language.
    pub title: String,
    /// What to do next; empty once it is over.
    pub action: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Until when, RFC 3339; null while it stands.
    pub until: Option<String>,
    /// Who said that they know, as `kind:id`.
    pub acknowledged_by: Option<String>,
}

/// Somebody who is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiverItem {
    /// `alarm:NAME`, `mail` or `data:NAME`.
    pub name: String,
    /// Messages that wait for it.
    pub waiting: u64,
    /// It was tried several times in vain, or messages were given up lately.
    pub failing: bool,
    /// Messages that were given up within a day.
    pub given_up: u64,
    /// Why, of the last try that failed.
    pub trouble: Option<String>,
    /// When a message arrived last, RFC 3339.
    pub taken_at: Option<String>,
}

/// Alarms that stand and stood, and who is told of them.
#[utoipa::path(get, path = "/api/v1/alarms", params(AfterQuery), responses((status = 200, body = AlarmList),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<AfterQuery>) -> Response {
    match site.pages.alarms(q.place()).await {
        Ok(view) => Json(alarm_list(&view, &visitor)).into_response(),
        Err(e) => Trouble::from(e).problem(&visitor),
    }
}

fn alarm_list(view: &AlarmsView, visitor: &Visitor) -> AlarmList {
    let w = visitor.lang.words();
    let by = |actor: &crate::domain::event::Actor| format!("{}:{}", actor.kind, actor.id);
    AlarmList {
        standing: view
            .standing
            .iter()
            .map(|(alarm, risen)| AlarmItem {
                id: risen.as_ref().map(|r| r.id),
                code: alarm.code().to_owned(),
                about: alarm.about().to_owned(),
                severity: alarm.severity().as_str(),
                title: w.alarm_title(alarm),
                action: w.alarm_action(alarm),
                since: risen.as_ref().map(|r| r.since.rfc3339()),
                until: None,
                acknowledged_by: risen.as_ref().and_then(|r| r.acknowledged.as_ref()).map(|(actor, _)| by(actor)),
            })
            .collect(),
        over: view
            .over
            .iter()
            .map(|o| AlarmItem {
                id: Some(o.id),
                code: o.code.clone(),
                about: o.about.clone(),
                severity: o.severity.as_str(),
                title: o.title[usize::from(w.lang == crate::domain::words::Lang::En)].clone(),
                action: String::new(),
                since: Some(o.since.rfc3339()),
                until: Some(o.until.rfc3339()),
                acknowledged_by: o.known.as_ref().map(by),
            })
            .collect(),
        next: view.next.clone(),
        receivers: view
            .receivers
            .iter()
            .map(|r| ReceiverItem {
                name: r.name.clone(),
                waiting: r.waiting,
                failing: r.failing,
                given_up: r.lost,
                trouble: r.words.clone(),
                taken_at: r.taken.map(|at| at.rfc3339()),
            })
            .collect(),
    }
}

/// Says that somebody knows of an alarm: it is not told again while it stands. Saying it twice changes nothing.
#[utoipa::path(post, path = "/api/v1/alarms/{alarm}/acknowledge", params(("alarm" = i64, Path, description = "Its number")),
    responses((status = 200, description = "The alarm", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn acknowledge_one(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(alarm): Path<String>,
) -> Response {
    let answer = async {
        let alarm = alarm.parse().map_err(|_| Trouble::NoPage)?;
        Ok(Json(site.carry_out(&visitor.caller, Request::AcknowledgeAlarm { alarm }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
