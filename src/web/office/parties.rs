//! Parties (一户一档): who there is, and everything about one of them that the viewer may see: its cases with their documents,
//! and its clips.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::rights::Action;
use crate::domain::words::office::OfficeWords;
use crate::web::paging::{filled, href};
use crate::web::present::clips::{Pill, Row, row};
use crate::web::present::{Ctx, Nav, Stamp, case_href, segment};
use crate::web::routes::{Need, Routes};
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::office::{PartyPages, PartyView};

/// Pages and API.
pub fn routes(r: Routes) -> Routes {
    let find = Need::May(Action::FindCase);
    r.get("/parties", find, parties)
        .get("/parties/{party}", find, party)
        .get("/api/v1/parties", find, list_parties)
        .get("/api/v1/parties/{party}", find, show_party)
}

/// The page of a party.
pub fn party_href(name: &str) -> String {
    format!("/parties/{}", segment(name))
}

/// Which parties.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PartiesQuery {
    /// Part of the name.
    pub query: String,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Where the pages of what belongs to a party begin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PartyQuery {
    /// Cursor of its cases: `cases_next` of the page before.
    pub cases: Option<String>,
    /// Cursor of its clips: `clips_next` of the page before.
    pub clips: Option<String>,
}

impl PartyQuery {
    fn pages(&self) -> PartyPages {
        let cursor = |text: &Option<String>| filled(text.as_deref()).map(str::to_owned);
        PartyPages { cases: cursor(&self.cases), clips: cursor(&self.clips) }
    }
}

/// A party in words.
struct PartyLine {
    href: String,
    name: String,
    address: String,
    counts: String,
    last: Option<Stamp>,
}

#[derive(Template)]
#[template(path = "parties.html")]
struct PartiesPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    query: &'a str,
    lines: Vec<PartyLine>,
    next: Option<String>,
    cut: bool,
    blank: Option<(&'static str, &'static str)>,
}

/// Whether the register itself is open to them.
fn keeps_registers(visitor: &Visitor) -> bool {
    visitor.who.may_ever(Action::ImportRoster)
}

async fn parties(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<PartiesQuery>) -> Response {
    let answer = async {
        let query = q.query.trim();
        let what = if query.is_empty() { "list" } else { "find" };
        let terms = format!("party {query}");
        site.log_access(&visitor, Access { what, terms: Some(&terms), ..Access::default() }).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let o = c.w.office();
        let within = visitor.who.within(Action::FindCase);
        let view =
            site.pages.office().parties(query, filled(q.after.as_deref()), &within, keeps_registers(&visitor)).await?;
        let line = |p: &crate::web::view::office::PartyRow| PartyLine {
            href: party_href(&p.name),
            name: p.name.clone(),
            address: p.address.clone().unwrap_or_default(),
            counts: c.w.party_counts(p.cases, p.clips),
            last: p.last.map(|at| c.near(at)),
        };
        let page = PartiesPage {
            query,
            lines: view.rows.iter().map(line).collect(),
            next: view.next.as_deref().map(|next| href("/parties", &[format!("query={}", segment(query))], next)),
            cut: view.cut,
            blank: view.rows.is_empty().then_some(match query.is_empty() {
                true => (o.no_parties, o.no_parties_detail),
                false => (o.no_party_match, o.no_party_match_detail),
            }),
            o,
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// A case of a party in words.
struct CaseLine {
    href: String,
    number: String,
    about: String,
    documents: Vec<(&'static str, String)>,
    clips: String,
    pill: Option<Pill>,
}

#[derive(Template)]
#[template(path = "party.html")]
struct PartyPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    name: String,
    entries: Vec<Vec<(&'static str, String)>>,
    cases: Vec<CaseLine>,
    cases_total: String,
    cases_next: Option<String>,
    rows: Vec<Row>,
    in_case: bool,
    picks: bool,
    total: String,
    clips_next: Option<String>,
    more: bool,
    /// Its clips in the list of clips, where they can be filtered.
    list_href: String,
}

async fn read(site: &Site, visitor: &Visitor, name: &str, pages: &PartyPages) -> Result<PartyView, Trouble> {
    let terms = format!("party {name}");
    site.log_access(visitor, Access { what: "find", terms: Some(&terms), ..Access::default() }).await?;
    let within = visitor.who.within(Action::FindCase);
    site.pages.office().party(name, pages, &within, keeps_registers(visitor)).await?.ok_or(Trouble::NoPage)
}

async fn party(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(q): Query<PartyQuery>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &name, &q.pages()).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let (w, o) = (c.w, c.w.office());
        let label = |column: &'static str| match column {
            "id_no" => o.party_id,
            "address" => o.party_address,
            "filing_no" => o.doc_filing,
            "notice_no" => o.doc_notice,
            "decision_no" => o.doc_decision,
            _ => o.doc_coercion,
        };
        let labelled = |pairs: &[(&'static str, String)]| {
            pairs.iter().map(|(column, value)| (label(column), value.clone())).collect::<Vec<_>>()
        };
        let case = |p: &crate::web::view::office::PartyCase| {
            let mut about = vec![w.case_kind(&p.kind).to_owned()];
            about.extend(p.cause.clone());
            about.extend(p.opened.map(|at| format!("{} {}", o.opened, w.day_time(at, &c.zone))));
            about.extend(p.closed.map(|at| format!("{} {}", o.closed, w.day_time(at, &c.zone))));
            CaseLine {
                href: case_href(&p.number),
                number: p.number.clone(),
                about: about.join(" · "),
                documents: labelled(&p.documents),
                clips: w.clips(p.clips),
                pill: (p.incomplete > 0).then(|| Pill::new("ask", w.to_annotate(p.incomplete))),
            }
        };
        let page = PartyPage {
            name: v.name.clone(),
            entries: v.entries.iter().map(|entry| labelled(entry)).collect(),
            cases: v.cases.iter().map(case).collect(),
            rows: v.clips.iter().map(|clip| row(clip, &c)).collect(),
            in_case: false,
            picks: false,
            total: w.number(v.clips_total),
            cases_total: w.number(v.cases_total),
            cases_next: v
                .cases_next
                .as_deref()
                .map(|n| format!("{}?cases={}#h-cases", party_href(&v.name), segment(n))),
            clips_next: v
                .clips_next
                .as_deref()
                .map(|n| format!("{}?clips={}#h-clips", party_href(&v.name), segment(n))),
            more: v.more,
            list_href: format!("/clips?q={}", segment(&v.name)),
            o,
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// Parties.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartyList {
    /// In the order of their newest case.
    pub items: Vec<PartyItem>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// The register has more parties without a case than the last page tells; narrow the search.
    pub cut: bool,
}

/// A party in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartyItem {
    /// Name.
    pub name: String,
    /// Address, as the register has it.
    pub address: Option<String>,
    /// Cases within the caller's bounds.
    pub cases: u64,
    /// Clips in them.
    pub clips: u64,
    /// Newest capture, RFC 3339.
    pub last_captured: Option<String>,
}

/// A party.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartyDetail {
    /// Name.
    pub name: String,
    /// Its cases, newest first: a page of them.
    pub cases: Vec<PartyCaseItem>,
    /// How many cases there are.
    pub cases_total: u64,
    /// Cursor of the next page of cases (`cases`); null on the last one.
    pub cases_next: Option<String>,
    /// Record ids of its clips, newest first: a page of them.
    pub clips: Vec<String>,
    /// How many clips there are.
    pub clips_total: u64,
    /// Cursor of the next page of clips (`clips`); null on the last one.
    pub clips_next: Option<String>,
    /// There may be more of both than were looked through: find them by `GET /api/v1/clips` and `GET /api/v1/cases`.
    pub more: bool,
}

/// A case of a party.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartyCaseItem {
    /// Its number.
    pub case_no: String,
    /// Cause.
    pub cause: Option<String>,
    /// Numbers of its documents by the register's columns.
    pub documents: std::collections::BTreeMap<String, String>,
    /// Clips within the caller's bounds.
    pub clips: u64,
    /// Of these, lacking a required fact.
    pub incomplete: u64,
}

/// Parties by a part of their name, with a case of which the caller may see a clip.
#[utoipa::path(get, path = "/api/v1/parties", params(PartiesQuery), responses((status = 200, body = PartyList),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_parties(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<PartiesQuery>,
) -> Response {
    let answer = async {
        let query = q.query.trim();
        let terms = format!("party {query}");
        site.log_access(&visitor, Access { what: "find", terms: Some(&terms), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let view =
            site.pages.office().parties(query, filled(q.after.as_deref()), &within, keeps_registers(&visitor)).await?;
        let item = |p: crate::web::view::office::PartyRow| PartyItem {
            name: p.name,
            address: p.address,
            cases: p.cases,
            clips: p.clips,
            last_captured: p.last.map(|at| at.rfc3339()),
        };
        let (next, cut) = (view.next, view.cut);
        Ok(Json(PartyList { items: view.rows.into_iter().map(item).collect(), next, cut }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// A party by its name, with its cases and clips within the caller's bounds, a page of each.
#[utoipa::path(get, path = "/api/v1/parties/{party}", params(("party" = String, Path, description = "Its name"), PartyQuery),
    responses((status = 200, body = PartyDetail), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn show_party(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(q): Query<PartyQuery>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &name, &q.pages()).await?;
        let case = |p: crate::web::view::office::PartyCase| PartyCaseItem {
            case_no: p.number,
            cause: p.cause,
            documents: p.documents.into_iter().map(|(column, number)| (column.to_owned(), number)).collect(),
            clips: p.clips,
            incomplete: p.incomplete,
        };
        let told = PartyDetail {
            name: v.name,
            cases: v.cases.into_iter().map(case).collect(),
            clips: v.clips.iter().map(|clip| clip.id.to_string()).collect(),
            clips_total: v.clips_total,
            clips_next: v.clips_next,
            cases_total: v.cases_total,
            cases_next: v.cases_next,
            more: v.more,
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
