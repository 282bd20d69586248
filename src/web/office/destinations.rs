//! Destinations, for the system administrator: how each is, and a trial of it now.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::command::Request;
use crate::domain::error::Retry;
use crate::domain::office::{Trial, TrialStep};
use crate::domain::ports::Abilities;
use crate::domain::rights::Action;
use crate::domain::words::office::OfficeWords;
use crate::domain::words::quoted::Quoted;
use crate::web::pages::{Answer, answered, page};
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp, segment};
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::office::DestinationFacts;

/// Pages, forms and API.
pub fn routes(r: Routes) -> Routes {
    let keep = Need::May(Action::KeepStation);
    r.get("/admin/destinations", keep, destinations)
        .post("/admin/destinations/{destination}/try", keep, try_now)
        .get("/api/v1/destinations", keep, list_destinations)
        .post("/api/v1/destinations/{destination}/trial", keep, try_destination)
}

/// A destination in words.
pub(super) struct DestLine {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) address: String,
    /// Whether it is well, how it proves, whether it locks.
    pub(super) pills: Vec<Pill>,
    pub(super) detail: String,
    pub(super) probed: Option<Stamp>,
    pub(super) trouble: Option<(String, Stamp)>,
    pub(super) waiting: String,
    pub(super) trial: Option<TrialLine>,
    pub(super) href: String,
}

/// A trial in words.
pub(super) struct TrialLine {
    pub(super) class: &'static str,
    pub(super) icon: &'static str,
    pub(super) begun: Stamp,
    pub(super) told: String,
    /// What was found, or what to do.
    pub(super) detail: String,
}

pub(super) fn dest_line(d: &DestinationFacts, c: &Ctx) -> DestLine {
    let (w, o) = (c.w, c.w.office());
    let mut pills = Vec::new();
    pills.push(match (&d.trouble, d.proof) {
        (Some(_), _) => Pill::new("fail", o.dest_trouble),
        (None, Some(_)) => Pill::new("safe", o.dest_well),
        (None, None) => Pill::new("idle", o.dest_never),
    });
    if let Some(proof) = d.proof {
        pills.push(Pill::new(if proof.proves() { "sealed" } else { "ask" }, w.proof(proof)));
    }
    if d.proof.is_some() {
        pills.push(Pill::new(
            if d.can_lock { "sealed" } else { "idle" },
            if d.can_lock { o.locks } else { o.locks_not },
        ));
    }
    if d.same_device {
        pills.push(Pill::new("ask", o.same_device));
    }
    let p = &d.place;
    let required = if p.required { o.required } else { o.not_required };
    DestLine {
        name: p.name.clone(),
        about: format!(
            "{} · {required} · {} · {}",
            p.kind,
            w.up_to_label(&p.max_sensitivity),
            w.lock_days(p.lock_days)
        ),
        address: p.address.clone(),
        pills,
        detail: probed(&d.detail, c),
        probed: d.probed.map(|at| c.near(at)),
        trouble: d.trouble.clone().map(|(words, retry, since)| (trouble(words, retry).told(w.lang), c.near(since))),
        waiting: w.waiting_clips(d.waiting),
        trial: d.trial.as_ref().map(|trial| trial_line(trial, c)),
        href: format!("/admin/destinations/{}/try", segment(&p.name)),
    }
}

fn trouble(words: String, retry: Option<Retry>) -> Quoted {
    match retry {
        Some(Retry::Transient) => Quoted::Unreachable { words },
        _ => Quoted::Refusing { words },
    }
}

fn trial_line(trial: &Trial, c: &Ctx) -> TrialLine {
    let (w, o) = (c.w, c.w.office());
    let (class, icon, told, detail) = match &trial.step {
        TrialStep::Reaching => ("hold", "arrow", o.trial_reaching.to_owned(), String::new()),
        TrialStep::Trying { reached_ms } => ("hold", "arrow", w.trial_trying(*reached_ms), String::new()),
        TrialStep::Found { reached_ms, took_ms, abilities } => {
            ("safe", "check", w.trial_found(*reached_ms, *took_ms), found(abilities, c))
        }
        TrialStep::Failed { took_ms, words, retry } => {
            let todo = match retry {
                Retry::Transient => o.trial_again,
                Retry::Permanent | Retry::Operator => o.trial_operator,
            };
            {
                let words = Quoted::Returned { words: words.clone() }.told(w.lang);
                ("fail", "cross", w.trial_failed(*took_ms), format!("{words} → {todo}"))
            }
        }
    };
    TrialLine { class, icon, begun: c.near(trial.begun), told, detail }
}

fn found(abilities: &Abilities, c: &Ctx) -> String {
    let (w, o) = (c.w, c.w.office());
    let locks = if abilities.lock { o.locks } else { o.locks_not };
    format!("{} · {locks} · {}", w.proof(abilities.proof), probed(&abilities.detail, c))
}

/// What a destination was found to do, in the words of its protocol.
fn probed(detail: &str, c: &Ctx) -> String {
    if detail.is_empty() { String::new() } else { Quoted::Probed { words: detail.to_owned() }.told(c.w.lang) }
}

#[derive(Template)]
#[template(path = "destinations.html")]
struct DestinationsPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    dests: Vec<DestLine>,
    running: bool,
    refusal: Option<String>,
    self_href: String,
}

async fn destinations(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = show_destinations(&site, &visitor, None).await;
    answered(&site, &visitor, answer)
}

async fn show_destinations(site: &Site, visitor: &Visitor, refusal: Option<String>) -> Answer {
    let c = site.ctx(visitor, Nav::Admin).await?;
    let facts = site.pages.office().destinations().await?;
    page(&DestinationsPage {
        running: facts.iter().any(|d| d.trial.as_ref().is_some_and(|t| t.step.is_running())),
        dests: facts.iter().map(|d| dest_line(d, &c)).collect(),
        refusal,
        self_href: visitor.part_href(),
        o: c.w.office(),
        c: &c,
    })
}

async fn try_now(State(site): State<Arc<Site>>, visitor: Visitor, Path(destination): Path<String>) -> Response {
    match site.carry_out(&visitor.caller, Request::TryDestination { destination }).await {
        Ok(_) => Redirect::to("/admin/destinations").into_response(),
        Err(trouble @ (Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let refusal = Some(trouble.told(visitor.lang.words()).1);
            let visitor = Visitor { path: "/admin/destinations".to_owned(), ..visitor };
            match show_destinations(&site, &visitor, refusal).await {
                Ok(page) => (trouble.status(), page).into_response(),
                Err(other) => other.page(&site, &visitor),
            }
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationItem {
    /// Its name.
    pub name: String,
    /// `folder`, `s3`, `tus`, `azure`, `sftp`, `ftp`, `webdav`.
    pub kind: &'static str,
    /// Where it is.
    pub address: String,
    /// A clip counts as proven only once it is proven there.
    pub required: bool,
    /// Up to which label clips go there.
    pub max_sensitivity: String,
    /// `remote_checksum`, `read_back`, `length_only`, `none`; null before it was reached.
    pub proof: Option<&'static str>,
    /// Objects can be locked there.
    pub can_lock: bool,
    /// The vault's own device.
    pub same_device: bool,
    /// What the last look found, in words.
    pub detail: String,
    /// When that was, RFC 3339.
    pub probed_at: Option<String>,
    /// Why nothing goes out now.
    pub trouble: Option<String>,
    /// Clips that wait for it.
    pub waiting: u64,
    /// The newest trial.
    pub trial: Option<TrialItem>,
}

/// A trial.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialItem {
    /// When it was begun, RFC 3339.
    pub begun_at: String,
    /// `reaching`, `trying`, `found`, `failed`.
    pub step: &'static str,
    /// How long the first answer took, milliseconds.
    pub reached_ms: Option<i64>,
    /// How long all of it took, milliseconds.
    pub took_ms: Option<i64>,
    /// What was found, or why it failed.
    pub detail: Option<String>,
}

impl From<&Trial> for TrialItem {
    fn from(trial: &Trial) -> Self {
        let (reached_ms, took_ms, detail) = match &trial.step {
            TrialStep::Reaching => (None, None, None),
            TrialStep::Trying { reached_ms } => (Some(*reached_ms), None, None),
            TrialStep::Found { reached_ms, took_ms, abilities } => {
                (Some(*reached_ms), Some(*took_ms), Some(abilities.detail.clone()))
            }
            TrialStep::Failed { took_ms, words, .. } => (None, Some(*took_ms), Some(words.clone())),
        };
        Self { begun_at: trial.begun.rfc3339(), step: trial.step.as_str(), reached_ms, took_ms, detail }
    }
}

/// Destinations, how each is, and what the newest trial found.
#[utoipa::path(get, path = "/api/v1/destinations", responses((status = 200, body = Vec<DestinationItem>), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_destinations(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let item = |d: DestinationFacts| DestinationItem {
        name: d.place.name,
        kind: d.place.kind,
        address: d.place.address,
        required: d.place.required,
        max_sensitivity: d.place.max_sensitivity,
        proof: d.proof.map(|p| p.as_str()),
        can_lock: d.can_lock,
        same_device: d.same_device,
        detail: d.detail,
        probed_at: d.probed.map(|at| at.rfc3339()),
        trouble: d.trouble.map(|(words, ..)| words),
        waiting: d.waiting,
        trial: d.trial.as_ref().map(TrialItem::from),
    };
    match site.pages.office().destinations().await {
        Ok(facts) => Json(facts.into_iter().map(item).collect::<Vec<_>>()).into_response(),
        Err(e) => Trouble::from(e).problem(&visitor),
    }
}

/// Tries a destination now, with an object of its own; the list tells how far it is and what it found.
#[utoipa::path(post, path = "/api/v1/destinations/{destination}/trial", params(("destination" = String, Path, description = "Its name")),
    responses((status = 202, description = "It goes on", body = serde_json::Value), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn try_destination(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(destination): Path<String>,
) -> Response {
    match site.carry_out(&visitor.caller, Request::TryDestination { destination }).await {
        Ok(told) => (axum::http::StatusCode::ACCEPTED, Json(told)).into_response(),
        Err(trouble) => trouble.problem(&visitor),
    }
}
