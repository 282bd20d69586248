//! Evidence packages: asked for on the page of a case or through the API, confirmed by a second person where that is
//! demanded, and fetched as a zip from any byte on. Who, why and on what basis is asked and logged before the first byte.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paging::{AfterQuery, filled, href};
use super::present::exports::{ExportLine, line};
use super::present::{self, Ctx, Nav};
use super::range::{Wanted, wanted};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::exports::{ExportView, ExportsView};
use crate::domain::command::Request;
use crate::domain::export::{ExportState, Target};
use crate::domain::ports::ClipBytes;
use crate::domain::rights::Action;
use crate::domain::why::Why;

/// Bytes of a gigabyte, as discs are labelled.
const GB: f64 = 1e9;
/// Sizes of discs that are offered, bytes, with the word of the form.
const DISCS: [(&str, u64); 2] = [("dvd", 4_700_000_000), ("bluray", 25_025_314_816)];

/// Pages, forms, API.
pub fn routes(r: Routes) -> Routes {
    let need = Need::May(Action::ExportCase);
    r.get("/cases/{number}/export", need, form_page)
        .post("/cases/{number}/export", need, ask)
        .get("/exports", need, list)
        .get("/exports/{package}", need, one)
        .post("/exports/{package}/confirm", need, confirm)
        .post("/exports/{package}/refuse", need, refuse)
        .post("/exports/{package}/again", need, again)
        .get("/exports/{package}/zip", need, zip)
        .get("/api/v1/exports", need, list_exports)
        .post("/api/v1/exports", need, ask_export)
        .get("/api/v1/exports/{package}", need, get_export)
        .post("/api/v1/exports/{package}/{step}", need, step_export)
        .get("/api/v1/exports/{package}/zip", need, zip)
}

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    reason: String,
    basis: String,
    recipient: String,
    target: String,
    disc: String,
    disc_gb: String,
    derived: Option<String>,
}

impl Typed {
    fn disc_bytes(&self) -> Result<Option<u64>, Trouble> {
        match self.disc.as_str() {
            "" => Ok(None),
            "own" => match self.disc_gb.trim().replace(',', ".").parse::<f64>() {
                Ok(gb) if (0.1..=100_000.0).contains(&gb) => Ok(Some((gb * GB) as u64)),
                _ => Err(Trouble::Invalid(Why::DiscSize {})),
            },
            word => {
                let known = DISCS.iter().find(|(name, _)| *name == word).map(|(_, bytes)| Some(*bytes));
                known.ok_or(Trouble::Invalid(Why::DiscSize {}))
            }
        }
    }
}

#[derive(Template)]
#[template(path = "export.html")]
struct FormPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    case_href: String,
    refusal: Option<String>,
    typed: Typed,
    second_person: bool,
    targets: Vec<(String, String)>,
    discs: Vec<(&'static str, String)>,
    lines: Vec<ExportLine>,
    next: Option<String>,
    self_href: String,
}

async fn show_form(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    after: Option<&str>,
    refusal: Option<String>,
    typed: Typed,
) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
    if site.pages.case_key(number).is_none() {
        return Err(Trouble::NoCase);
    }
    let c = site.ctx(visitor, Nav::Cases).await?;
    let ExportsView { exports, next, destinations, second_person } = site.pages.exports(Some(number), after).await?;
    let w = c.w;
    let mut targets = vec![
        ("browser".to_owned(), w.export_to_browser.to_owned()),
        ("station".to_owned(), w.export_to_station.to_owned()),
    ];
    targets.extend(destinations.iter().map(|d| (format!("at:{d}"), format!("{}: {d}", w.export_to_destination))));
    let mut discs = vec![("", w.export_disc_none.to_owned())];
    discs.extend(DISCS.iter().map(|(word, bytes)| (*word, w.size(*bytes))));
    discs.push(("own", w.export_disc_own.to_owned()));
    let html = FormPage {
        number,
        case_href: present::case_href(number),
        refusal,
        typed,
        second_person: second_person && !c.is_open(),
        targets,
        discs,
        lines: exports.iter().map(|e| line(e, &c)).collect(),
        next: next.map(|next| href(&format!("{}/export", present::case_href(number)), &[], &next)),
        self_href: visitor.part_href(),
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

async fn form_page(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<AfterQuery>,
) -> Response {
    let shown = show_form(&site, &visitor, &number, q.place(), None, Typed::default()).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn ask(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<Typed>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(typed) = body?;
        let asked = async {
            let request = Request::AskExport {
                case_no: number.clone(),
                reason: typed.reason.clone(),
                basis: typed.basis.clone(),
                recipient: Some(typed.recipient.clone()),
                target: typed.target.clone(),
                lang: Some(visitor.lang.tag().to_owned()),
                disc_bytes: typed.disc_bytes()?,
                derived: typed.derived.is_some(),
            };
            site.carry_out(&visitor.caller, request).await
        };
        match asked.await {
            Ok(made) => {
                let package = made["package"].as_str().unwrap_or_default();
                Ok(Redirect::to(&format!("/exports/{package}")).into_response())
            }
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let html = show_form(&site, &visitor, &number, None, refusal, typed).await?;
                Ok((trouble.status(), html).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[derive(Template)]
#[template(path = "exports.html")]
struct ListPage<'a> {
    c: &'a Ctx,
    lines: Vec<ExportLine>,
    next: Option<String>,
    self_href: String,
}

async fn list(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<AfterQuery>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("exports"), ..Access::default() }).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let view = site.pages.exports(None, q.place()).await?;
        let lines = view.exports.iter().map(|e| line(e, &c)).collect();
        let next = view.next.map(|next| href("/exports", &[], &next));
        Ok(Html(ListPage { lines, next, self_href: visitor.part_href(), c: &c }.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[derive(Template)]
#[template(path = "export_one.html")]
struct OnePage<'a> {
    c: &'a Ctx,
    e: ExportLine,
    refusal: Option<String>,
    self_href: String,
}

async fn looked_at(site: &Site, visitor: &Visitor, package: &str) -> Result<ExportView, Trouble> {
    let view = site.pages.export(package).await?.ok_or(Trouble::NoPage)?;
    site.log_access(visitor, Access { what: "find", case_no: Some(&view.case_no), ..Access::default() }).await?;
    Ok(view)
}

async fn show_one(site: &Site, visitor: &Visitor, package: &str, refusal: Option<String>) -> Result<Response, Trouble> {
    let view = looked_at(site, visitor, package).await?;
    // The page belongs to the package, not to the form's address.
    let visitor = Visitor { path: format!("/exports/{}", view.package), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Cases).await?;
    let html = OnePage { e: line(&view, &c), refusal, self_href: visitor.part_href(), c: &c };
    Ok(Html(html.render()?).into_response())
}

async fn one(State(site): State<Arc<Site>>, visitor: Visitor, Path(package): Path<String>) -> Response {
    let shown = show_one(&site, &visitor, &package, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn step(site: &Site, visitor: &Visitor, package: &str, request: Request) -> Response {
    let answer = async {
        match site.carry_out(&visitor.caller, request).await {
            Ok(_) => Ok(Redirect::to(&format!("/exports/{package}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_one(site, visitor, package, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

async fn confirm(State(site): State<Arc<Site>>, visitor: Visitor, Path(package): Path<String>) -> Response {
    step(&site, &visitor, &package, Request::DecideExport { package: package.clone(), yes: true }).await
}

async fn refuse(State(site): State<Arc<Site>>, visitor: Visitor, Path(package): Path<String>) -> Response {
    step(&site, &visitor, &package, Request::DecideExport { package: package.clone(), yes: false }).await
}

async fn again(State(site): State<Arc<Site>>, visitor: Visitor, Path(package): Path<String>) -> Response {
    step(&site, &visitor, &package, Request::RetryExport { package: package.clone() }).await
}

// --- Fetching ------------------------------------------------------------------------------------

/// Which disc.
#[derive(Debug, Deserialize)]
struct ZipQuery {
    #[serde(default = "first")]
    disc: u32,
}

fn first() -> u32 {
    1
}

async fn zip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    method: Method,
    Path(package): Path<String>,
    Query(query): Query<ZipQuery>,
    headers: HeaderMap,
) -> Response {
    let served = serve(&site, &visitor, &method, &package, query.disc, &headers).await;
    served.unwrap_or_else(|trouble| trouble.answer(&site, &visitor))
}

async fn serve(
    site: &Site,
    visitor: &Visitor,
    method: &Method,
    package: &str,
    disc: u32,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let view = site.pages.export(package).await?.filter(|v| !v.over).ok_or(Trouble::NoPage)?;
    let bytes = site.pages.package(package, disc).await?.ok_or(Trouble::NoPage)?;
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    // The bytes of a finished package never change.
    let tag = format!("\"{package}-{disc}\"");
    let range = text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|t| t == tag));
    let len = bytes.size_bytes();
    let (status, span) = match wanted(range, len) {
        Wanted::Whole => (StatusCode::OK, 0..len),
        Wanted::Part(span) => (StatusCode::PARTIAL_CONTENT, span),
        Wanted::Unsatisfiable => return Err(Trouble::Range(len)),
    };
    let body = if *method == Method::HEAD || span.is_empty() {
        // Its name is the case's number.
        site.log_access(visitor, Access { what: "find", case_no: Some(&view.case_no), ..Access::default() }).await?;
        Body::empty()
    } else {
        site.log_taken(visitor, package, disc, span.start).await?;
        body(bytes, span.clone()).await?
    };
    let mut response = (status, body).into_response();
    let head = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "application/zip");
    set(header::CONTENT_LENGTH, &(span.end - span.start).to_string());
    set(header::ACCEPT_RANGES, "bytes");
    set(header::ETAG, &tag);
    let part = if view.discs > 1 { format!("-{disc}of{}", view.discs) } else { String::new() };
    let full = format!("{}{part}.zip", view.case_no);
    let full = percent_encoding::utf8_percent_encode(&full, percent_encoding::NON_ALPHANUMERIC);
    set(
        header::CONTENT_DISPOSITION,
        &format!("attachment; filename=\"evidence-{package}{part}.zip\"; filename*=UTF-8''{full}"),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, &format!("bytes {}-{}/{len}", span.start, span.end - 1));
    }
    Ok(response)
}

/// The bytes of `span`, read only as fast as they are taken. The first ones are there before anything is answered, so that
/// a package that cannot be had is an error and not a broken answer.
async fn body(bytes: Arc<dyn ClipBytes>, span: Range<u64>) -> Result<Body, Trouble> {
    let mut stream = bytes.read(span);
    let first = stream.next().await.transpose()?;
    let rest = stream.map(|chunk| chunk.map_err(io::Error::other));
    Ok(Body::from_stream(stream::iter(first.map(Ok::<_, io::Error>)).chain(rest)))
}

// --- API -----------------------------------------------------------------------------------------

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ExportBody {
    /// Any number of the case.
    pub case_no: String,
    /// Why.
    pub reason: String,
    /// On what basis: a letter, an order, an article.
    pub basis: String,
    /// For whom.
    #[serde(default)]
    pub recipient: Option<String>,
    /// `browser` (a zip to be fetched here), `station` (a folder on the station), or `at:` and the name of a destination.
    pub target: String,
    /// Of the package's pages: `zh-CN` or `en`.
    #[serde(default)]
    pub lang: Option<String>,
    /// Divide it among discs of so many bytes; each holds a package of its own.
    #[serde(default)]
    pub disc_bytes: Option<u64>,
    /// With the files that were derived of its clips, called so.
    #[serde(default)]
    pub derived: bool,
}

/// A package and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportNow {
    /// Its id.
    pub package: String,
    /// Its case.
    pub case_no: String,
    /// `browser`, `station`, `at:<destination>`.
    pub target: String,
    /// `asked` (waits for a second person), `refused`, `making`, `failed`, `ready`.
    pub state: &'static str,
    /// Who asked, as the log has it.
    pub asked_by: String,
    /// When, RFC 3339.
    pub asked_at: String,
    /// Who confirmed or refused it.
    pub second_by: Option<String>,
    /// Why it waits or failed.
    pub message: Option<String>,
    /// Bytes done so far, while it is being made.
    pub bytes_done: Option<u64>,
    /// And in all.
    pub bytes_in_all: Option<u64>,
    /// How long the rest takes, milliseconds, where that can be told.
    pub left_ms: Option<i64>,
    /// Clips in it, once it is ready.
    pub clips: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Clips of it that were isolated since: it is neither made nor given out any more.
    pub isolated: u64,
    /// Where each disc can be fetched.
    pub zips: Vec<String>,
}

/// Which packages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct ExportsQuery {
    /// Of this case alone: any of its numbers, in any bracket style.
    pub case: Option<String>,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Packages, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportList {
    /// Each of them.
    pub items: Vec<ExportNow>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

impl From<&ExportView> for ExportNow {
    fn from(v: &ExportView) -> Self {
        let fetched = v.state == ExportState::Ready && !v.over && v.isolated == 0 && !matches!(v.target, Target::At(_));
        let zips = 1..=if fetched { v.discs } else { 0 };
        let actor = |a: &crate::domain::event::Actor| format!("{}:{}", a.kind, a.id);
        Self {
            package: v.package.clone(),
            case_no: v.case_no.clone(),
            target: v.target.to_word(),
            state: v.state.as_str(),
            asked_by: actor(&v.asked_by),
            asked_at: v.asked.rfc3339(),
            second_by: v.second_by.as_ref().map(actor),
            message: v.words.clone(),
            bytes_done: v.done.map(|d| d.done),
            bytes_in_all: v.done.map(|d| d.of),
            left_ms: v.done.and_then(|d| d.left_ms),
            clips: v.clips,
            bytes: v.bytes,
            isolated: v.isolated,
            zips: zips.map(|disc| format!("/api/v1/exports/{}/zip?disc={disc}", v.package)).collect(),
        }
    }
}

/// Evidence packages that were asked for, newest first.
#[utoipa::path(get, path = "/api/v1/exports", params(ExportsQuery), responses((status = 200, body = ExportList),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list_exports(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<ExportsQuery>,
) -> Response {
    let answer = async {
        let case = filled(q.case.as_deref());
        let looked = match case {
            Some(number) => Access { what: "find", case_no: Some(number), ..Access::default() },
            None => Access { what: "list", terms: Some("exports"), ..Access::default() },
        };
        site.log_access(&visitor, looked).await?;
        let view = site.pages.exports(case, filled(q.after.as_deref())).await?;
        let items = view.exports.iter().map(ExportNow::from).collect();
        Ok(Json(ExportList { items, next: view.next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Asks for an evidence package of a case; it is made at once, or after a second person confirmed it.
#[utoipa::path(post, path = "/api/v1/exports", request_body = ExportBody,
    responses((status = 202, description = "Its id and state", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn ask_export(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<ExportBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(b) = body?;
        let ExportBody { case_no, reason, basis, recipient, target, lang, disc_bytes, derived } = b;
        let request = Request::AskExport { case_no, reason, basis, recipient, target, lang, disc_bytes, derived };
        let made = site.carry_out(&visitor.caller, request).await?;
        Ok((StatusCode::ACCEPTED, Json(made)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// One evidence package.
#[utoipa::path(get, path = "/api/v1/exports/{package}", params(("package" = String, Path, description = "Its id")),
    responses((status = 200, body = ExportNow), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn get_export(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(package): Path<String>,
) -> Response {
    let answer = async { Ok(Json(ExportNow::from(&looked_at(&site, &visitor, &package).await?)).into_response()) };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Confirms or refuses a package as the second person, or lets one that stopped go on.
#[utoipa::path(post, path = "/api/v1/exports/{package}/{step}", params(("package" = String, Path, description = "Its id"),
        ("step" = String, Path, description = "confirm, refuse or again")),
    responses((status = 200, description = "Its state", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn step_export(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((package, step)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let request = match step.as_str() {
            "confirm" => Request::DecideExport { package, yes: true },
            "refuse" => Request::DecideExport { package, yes: false },
            "again" => Request::RetryExport { package },
            _ => return Err(Trouble::NoPage),
        };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// The zip of a finished package, from any byte on; the download is logged before its first byte.
#[utoipa::path(get, path = "/api/v1/exports/{package}/zip", params(("package" = String, Path, description = "Its id"),
        ("disc" = Option<u32>, Query, description = "Which disc, from 1"),
        ("Range" = Option<String>, Header, description = "bytes=first-last (RFC 9110)")),
    responses((status = 200, content_type = "application/zip", body = Vec<u8>), (status = 206, content_type = "application/zip", body = Vec<u8>),
        (status = 404, body = Problem), (status = 416, body = Problem), (status = 503, body = Problem)))]
#[allow(dead_code)] // The document's entry for `zip`, which serves the page too.
pub(super) async fn get_zip() {}
