//! What other stations have, by their catalogues at the destinations: a page and its API form. Who may see only some of this
//! station's clips sees none of theirs, since nobody here knows whose they are.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::present::clips::Pill;
use super::present::{self, Ctx, Nav, Stamp};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use crate::domain::elsewhere::{AnswerElsewhere, CatalogueLine, FoundElsewhere, Stands};
use crate::domain::rights::{Action, Over, Within};

/// Clips that are shown.
pub const ROWS: usize = 50;

/// Page and API.
pub fn routes(r: Routes) -> Routes {
    let list = Need::May(Action::ListClips);
    r.get("/elsewhere", list, page).get("/api/v1/elsewhere", list, search_elsewhere)
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct ElsewhereQuery {
    /// What the search box takes.
    pub q: String,
}

/// Whether a clip of another station may stand in a list of theirs.
pub fn may_see(within: &Within, line: &CatalogueLine) -> bool {
    match within {
        Within::Everything => true,
        Within::Of { stretches, .. } => {
            stretches.iter().any(|(over, up_to)| *over == Over::All && line.label() <= *up_to)
        }
    }
}

async fn answer(site: &Site, visitor: &Visitor, typed: &str) -> Result<(bool, AnswerElsewhere), Trouble> {
    site.log_access(visitor, Access { what: "search", terms: Some(typed), ..Access::default() }).await?;
    let within = visitor.who.within(Action::ListClips);
    let allowed = within.reach_all();
    match allowed && !typed.is_empty() {
        true => Ok((true, site.pages.elsewhere(typed, &within, ROWS).await?)),
        false => Ok((allowed, AnswerElsewhere::default())),
    }
}

#[derive(Template)]
#[template(path = "elsewhere.html")]
struct ElsewherePage<'a> {
    c: &'a Ctx,
    query: &'a str,
    here_href: String,
    allowed: bool,
    rows: Vec<Line>,
    partial: Vec<String>,
    asked: Option<String>,
}

/// A clip of another station in words.
struct Line {
    station: String,
    when: Option<Stamp>,
    file: String,
    cases: String,
    officer: String,
    place: String,
    what: String,
    length: String,
    size: String,
    pill: Pill,
}

fn line(found: &FoundElsewhere, c: &Ctx) -> Line {
    let (w, l) = (c.w, &found.line);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| w.none_dash.to_owned());
    let what: Vec<&str> = [&l.title, &l.matter, &l.proves].into_iter().filter_map(|t| t.as_deref()).collect();
    Line {
        station: found.station.to_string(),
        when: l.captured_start.as_deref().map(|at| c.stamp_text(at)),
        file: l.file.clone().unwrap_or_else(|| l.record_id.clone()),
        cases: l.cases.join(", "),
        officer: or_dash(&l.officer),
        place: or_dash(&l.place),
        what: what.join(" · "),
        length: l.duration_ms.map_or_else(|| w.none_dash.to_owned(), |ms| w.footage(ms)),
        size: w.size(l.size_bytes),
        pill: match found.stands {
            Stands::Cloud => Pill::new("safe", w.stands_cloud()),
            Stands::Unsent => Pill::new("sealed", w.stands_unsent()),
            Stands::Unknown => Pill::new("ask", w.stands_unknown()),
        },
    }
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<ElsewhereQuery>) -> Response {
    let answer = async {
        let typed = q.q.trim();
        let (allowed, found) = answer(&site, &visitor, typed).await?;
        let c = site.ctx(&visitor, Nav::Clips).await?;
        let page = ElsewherePage {
            query: typed,
            here_href: format!("/clips?q={}", present::segment(typed)),
            allowed,
            rows: found.found.iter().map(|f| line(f, &c)).collect(),
            partial: found.partial.iter().map(|why| c.w.elsewhere_partial(why)).collect(),
            asked: found.asked,
            c: &c,
        };
        Ok::<_, Trouble>(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// What other stations have.
#[derive(Debug, Serialize, ToSchema)]
pub struct ElsewherePageJson {
    /// Clips, newest capture first.
    pub items: Vec<ElsewhereClip>,
    /// The destination whose catalogues were read.
    pub asked: Option<String>,
    /// Why this is not all; empty where it is.
    pub partial: Vec<String>,
}

/// A clip of another station, as its catalogue tells it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ElsewhereClip {
    /// The station.
    pub station_id: String,
    /// The clip.
    pub record_id: String,
    /// `cloud`: its footage is at the destination; `not_sent`: its station has not sent it yet; `unknown`.
    pub stands: &'static str,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// RFC 3339.
    pub captured_start: Option<String>,
    /// Place.
    pub place: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Party.
    pub party_ref: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// The recorder.
    pub device_id: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// Clips of other stations, by their catalogues at the destinations. Bounded in time: `partial` says what is not in it.
#[utoipa::path(get, path = "/api/v1/elsewhere", params(ElsewhereQuery),
    responses((status = 200, body = ElsewherePageJson), (status = 503, body = Problem)))]
pub(super) async fn search_elsewhere(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<ElsewhereQuery>,
) -> Response {
    let answer = async {
        let (_, found) = answer(&site, &visitor, q.q.trim()).await?;
        let items = found.found.into_iter().map(|f| ElsewhereClip {
            station_id: f.station.to_string(),
            stands: f.stands.as_str(),
            record_id: f.line.record_id,
            cases: f.line.cases,
            captured_start: f.line.captured_start,
            place: f.line.place,
            officer: f.line.officer,
            party_ref: f.line.party_ref,
            matter: f.line.matter,
            title: f.line.title,
            device_id: f.line.device_id,
            size_bytes: f.line.size_bytes,
            duration_ms: f.line.duration_ms,
        });
        let told = ElsewherePageJson { items: items.collect(), asked: found.asked, partial: found.partial };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
