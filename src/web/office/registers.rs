//! Registers: what each holds, importing one with a dry run that tells every mistake by its line, taking an import back, and
//! what the linking rules would do to clips, for those who keep the registers. A file comes as the body of a request that
//! `assets/office.js` sends; without a script the command line imports.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::admin::{TriedLine, figures, tried_line};
use super::listed;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::office::{RegisterColumn, ToldLink};
use crate::domain::register::{Entry, Register};
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::words::office::OfficeWords;
use crate::web::keeping::actor;
use crate::web::paging::{AfterQuery, filled, href};
use crate::web::present::{self, Ctx, Nav, Stamp, how_far_told};
use crate::web::registers::REGISTER_BYTES;
use crate::web::routes::{Need, Routes};
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};

/// Pages, forms and API.
pub fn routes(r: Routes) -> Routes {
    let import = Need::May(Action::ImportRoster);
    r.get("/registers", import, registers)
        .get("/registers/rules", import, rules)
        .post("/registers/rules", import, begin_rules)
        .post("/registers/imports/{import}/undo", import, undo)
        .get("/registers/{register}", import, entries)
        .get("/registers/{register}/template", import, template)
        .post_up_to("/registers/{register}", import, REGISTER_BYTES, upload)
        .get("/api/v1/registers", import, list_registers)
        .get("/api/v1/registers/{register}", import, list_entries)
        .get("/api/v1/registers/{register}/template", import, template)
        .post_up_to("/api/v1/registers/{register}/trial", import, REGISTER_BYTES, try_register)
        .get("/api/v1/registers/rules", import, rules_told)
        .post("/api/v1/registers/rules/trial", import, try_rules_told)
}

fn register_of(word: &str) -> Result<Register, Trouble> {
    Register::parse(word).ok_or(Trouble::NoPage)
}

/// A register in words.
struct RegisterLine {
    word: &'static str,
    name: &'static str,
    count: String,
    columns: String,
}

/// An import in words.
struct ImportLine {
    import: i64,
    register: &'static str,
    name: String,
    told: String,
    by: String,
    at: Stamp,
    undone: Option<Stamp>,
}

#[derive(Template)]
#[template(path = "registers.html")]
struct RegistersPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    lines: Vec<RegisterLine>,
    imports: Vec<ImportLine>,
    next: Option<String>,
    done: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DoneQuery {
    pub(super) done: String,
    pub(super) after: Option<String>,
    /// Of an import that was undone: its number and what that came to.
    pub(super) import: i64,
    pub(super) restored: u64,
    pub(super) removed: u64,
    pub(super) kept: u64,
    pub(super) parted: u64,
}

async fn registers(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let w = visitor.lang.words();
    let o = w.office();
    let done = match q.done.as_str() {
        "undone" if q.import > 0 => Some(w.import_undone(q.import, q.restored, q.removed, q.kept, q.parted)),
        "undone" => Some(o.import_undone.to_owned()),
        "imported" => Some(o.import_done.to_owned()),
        _ => None,
    };
    let shown = show(&site, &visitor, filled(q.after.as_deref()), done, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

pub(super) fn columns_line(columns: &[RegisterColumn], w: &Words) -> String {
    let name = |c: &RegisterColumn| {
        let star = if c.required { "*" } else { "" };
        format!("{}{star}", w.column(c.chinese, c.name))
    };
    columns.iter().map(name).collect::<Vec<_>>().join(w.office().joint)
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    after: Option<&str>,
    done: Option<String>,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    listed(site, visitor, "register imports").await?;
    let c = site.ctx(visitor, Nav::Cases).await?;
    let (w, office) = (c.w, site.pages.office());
    let view = office.registers(after).await?;
    let lines = view.registers.iter().map(|(register, count)| RegisterLine {
        word: register.as_str(),
        name: w.register_name(*register),
        count: w.number(*count),
        columns: columns_line(&office.premises().columns(*register), w),
    });
    let imports = view.imports.iter().map(|i| ImportLine {
        import: i.import,
        register: w.register_name(i.register),
        name: i.name.clone(),
        told: w.import_line(i.entries, i.added, i.changed),
        by: c.named(&actor(&i.by)),
        at: c.near(i.at),
        undone: i.undone.map(|at| c.near(at)),
    });
    let page = RegistersPage {
        lines: lines.collect(),
        imports: imports.collect(),
        next: view.next.as_deref().map(|next| href("/registers", &[], next)),
        done,
        refusal,
        o: w.office(),
        c: &c,
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Template)]
#[template(path = "register_entries.html")]
struct EntriesPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    name: &'static str,
    word: &'static str,
    find: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    next: Option<String>,
}

/// What is looked for in a register.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct FindQuery {
    /// Only those that contain this: a name, a number, half of either.
    pub find: String,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

async fn entries(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(word): Path<String>,
    Query(q): Query<FindQuery>,
) -> Response {
    let answer = async {
        let register = register_of(&word)?;
        let terms = format!("{} {}", register.as_str(), q.find);
        site.log_access(&visitor, Access { what: "search", terms: Some(&terms), ..Access::default() }).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let office = site.pages.office();
        let columns = office.premises().columns(register);
        let found = office.entries(register, &q.find, filled(q.after.as_deref())).await?;
        let pairs = [if q.find.is_empty() { String::new() } else { format!("find={}", present::segment(&q.find)) }];
        let row = |entry: &Entry| {
            columns.iter().map(|column| entry.get(column.name).unwrap_or_default().to_owned()).collect()
        };
        let page = EntriesPage {
            name: c.w.register_name(register),
            word: register.as_str(),
            header: columns.iter().map(|column| c.w.column(column.chinese, column.name)).collect(),
            next: found.next.map(|next| href(&format!("/registers/{}", register.as_str()), &pairs, &next)),
            rows: found.rows.iter().map(row).collect(),
            find: q.find.clone(),
            o: c.w.office(),
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// A file for a register, with its columns and nothing in them.
#[utoipa::path(get, path = "/api/v1/registers/{register}/template",
    params(("register" = String, Path, description = "unit, officer, recorder, party, case or catalogue")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn template(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(word): Path<String>,
) -> Response {
    match register_of(&word) {
        Ok(register) => {
            let name = format!("attachment; filename=\"{}.csv\"", register.as_str());
            let head =
                [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
            (head, site.pages.office().premises().template(register)).into_response()
        }
        Err(trouble) => trouble.answer(&site, &visitor),
    }
}

/// A mistake, in the order of its table.
pub(super) struct Mistake {
    line: String,
    column: String,
    value: String,
    problem: String,
}

/// What came of a file: a part of the page.
#[derive(Template)]
#[template(path = "register_outcome.html")]
pub(super) struct Outcome {
    pub(super) o: &'static OfficeWords,
    pub(super) name: String,
    /// It may be imported as it is.
    pub(super) ready: bool,
    pub(super) imported: bool,
    /// Where imports are listed.
    pub(super) see: &'static str,
    pub(super) told: String,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) more: Option<String>,
    pub(super) conflicts: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) refusal: Option<String>,
}

/// How a file is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UploadQuery {
    pub(super) name: String,
    pub(super) dry_run: bool,
}

async fn upload(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(word): Path<String>,
    Query(q): Query<UploadQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let register = register_of(&word)?.as_str().to_owned();
        let content = STANDARD.encode(body.map_err(|_| Trouble::TooLarge)?);
        let name = if q.name.is_empty() { register.clone() } else { q.name.clone() };
        let request = match q.dry_run {
            true => Request::TryRegister { register, name: name.clone(), content },
            false => Request::ImportRegister { register, name: name.clone(), content, dry_run: false },
        };
        match site.carry_out(&visitor.caller, request).await {
            Ok(done) => Ok((axum::http::StatusCode::OK, outcome(&done, &name, q.dry_run, visitor.lang.words()))),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let w = visitor.lang.words();
                let refusal = Some(trouble.told(w).1);
                Ok((trouble.status(), Outcome { refusal, ..outcome(&Value::Null, &name, true, w) }))
            }
            Err(trouble) => Err(trouble),
        }
    };
    part_of_page(answer.await, &site, &visitor)
}

/// What came of a file, as the part of the page that it is.
pub(super) fn part_of_page(
    answer: Result<(axum::http::StatusCode, Outcome), Trouble>,
    site: &Site,
    visitor: &Visitor,
) -> Response {
    let page = answer.and_then(|(status, outcome)| Ok((status, Html(outcome.render()?)).into_response()));
    page.unwrap_or_else(|trouble| trouble.page(site, visitor))
}

/// The reason in `of` in words; what a program that knows none wrote beside it, else.
pub(super) fn why(of: &Value, beside: &str, w: &Words) -> String {
    let why: Why = serde_json::from_value(of["why"].clone()).unwrap_or_default();
    match why {
        Why::Unsaid => of[beside].as_str().unwrap_or_default().to_owned(),
        why => why.told(w.lang),
    }
}

/// Mistakes of a file, each in words.
pub(super) fn mistakes(done: &Value, w: &Words) -> Vec<Mistake> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mistake = |m: &Value| Mistake {
        line: text(&m["line"]),
        column: text(&m["column"]),
        value: text(&m["value"]),
        problem: why(m, "problem", w),
    };
    done["mistakes"].as_array().into_iter().flatten().map(mistake).collect()
}

fn outcome(done: &Value, name: &str, dry_run: bool, w: &'static Words) -> Outcome {
    let n = |key: &str| done[key].as_u64().unwrap_or(0);
    let texts = |key: &str| -> Vec<String> {
        done[key].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let mistakes = mistakes(done, w);
    let conflicts: Vec<String> =
        done["conflicts"].as_array().into_iter().flatten().map(|c| why(c, "words", w)).collect();
    let more = n("mistakes_in_all").saturating_sub(mistakes.len() as u64);
    let ready = done.is_object() && mistakes.is_empty() && conflicts.is_empty();
    let mut told = String::new();
    if ready {
        told = w.imported(n("added"), n("changed"), n("same"), dry_run);
        if n("joined") > 0 {
            told = format!("{told} · {}", w.cases_joined(n("joined")));
        }
    } else if done.is_object() {
        told = w.mistakes_line(n("mistakes_in_all"), conflicts.len() as u64);
    }
    Outcome {
        o: w.office(),
        name: name.to_owned(),
        imported: ready && !dry_run,
        see: "/registers?done=imported",
        ready,
        told,
        mistakes,
        more: (more > 0).then(|| w.and_more(more)),
        conflicts,
        warnings: texts("warnings"),
        refusal: None,
    }
}

async fn undo(State(site): State<Arc<Site>>, visitor: Visitor, Path(import): Path<String>) -> Response {
    let answer = async {
        let import = import.parse().map_err(|_| Trouble::NoPage)?;
        match site.carry_out(&visitor.caller, Request::UndoImport { import }).await {
            Ok(done) => {
                let n = |key: &str| done[key].as_u64().unwrap_or(0);
                let (restored, removed, kept) = (n("restored"), n("removed"), n("numbers_kept"));
                let parted = done["parted"].as_array().map_or(0, Vec::len);
                let told = format!("import={import}&restored={restored}&removed={removed}&kept={kept}&parted={parted}");
                Ok(Redirect::to(&format!("/registers?done=undone&{told}")).into_response())
            }
            Err(trouble @ (Trouble::Conflict(_) | Trouble::Missing(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/registers".to_owned(), ..visitor.clone() };
                Ok((trouble.status(), show(&site, &visitor, None, None, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// What a rule would do to one clip, in words.
struct ToldLine {
    clip: String,
    href: String,
    number: String,
    rule: String,
    score: u32,
    reason: String,
    links: bool,
}

#[derive(Template)]
#[template(path = "rules_told.html")]
struct RulesPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    running: bool,
    progress: Option<(u64, String)>,
    tried: Option<TriedLine>,
    told: Vec<ToldLine>,
    self_href: String,
}

/// Of what the dry run tells, that of clips which the viewer may see.
async fn theirs(site: &Site, visitor: &Visitor) -> Result<Vec<ToldLink>, Trouble> {
    let office = site.pages.office();
    let tried = office.premises().rules_tried();
    let told: Vec<ToldLink> = tried
        .last
        .as_ref()
        .and_then(|last| last.found.as_ref().ok())
        .map(|found| found.told.clone())
        .unwrap_or_default();
    let clips: Vec<ClipId> = told.iter().map(|t| t.clip).collect();
    let seen = office.seen_among(&clips, &visitor.who.within(Action::ListClips)).await?;
    Ok(told.into_iter().filter(|t| seen.contains(&t.clip)).collect())
}

async fn rules(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("rules"), ..Access::default() }).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let tried = site.pages.office().premises().rules_tried();
        let line = |t: ToldLink| ToldLine {
            href: present::case_href(&t.case_no),
            clip: t.clip.to_string(),
            rule: c.w.linking_rule(&t.rule).to_owned(),
            number: t.case_no,
            score: t.score,
            reason: t.reason.told(c.w.lang),
            links: t.links,
        };
        let page = RulesPage {
            running: tried.running_since.is_some(),
            progress: tried.far.map(|far| how_far_told(&far, None, c.w)),
            tried: tried_line(&tried, &c),
            told: theirs(&site, &visitor).await?.into_iter().map(line).collect(),
            self_href: visitor.part_href(),
            o: c.w.office(),
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn begin_rules(State(site): State<Arc<Site>>) -> Response {
    site.pages.office().premises().begin_rules();
    Redirect::to("/registers/rules").into_response()
}

// --- API -----------------------------------------------------------------------------------------

/// Registers and their imports.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistersNow {
    /// Each with the number of its entries.
    pub registers: std::collections::BTreeMap<String, u64>,
    /// Imports, newest first.
    pub imports: Vec<ImportItem>,
    /// Cursor of the next page of those; null on the last one.
    pub next: Option<String>,
}

/// Entries of a register.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryPage {
    /// In the order of their names, each with its canonical values.
    #[schema(value_type = Vec<std::collections::BTreeMap<String, String>>)]
    pub items: Vec<Entry>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// An import.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportItem {
    /// Its number.
    pub import: i64,
    /// Which register.
    pub register: &'static str,
    /// Of the file.
    pub name: String,
    /// Entries in it.
    pub entries: u64,
    /// Of these new.
    pub added: u64,
    /// Of these changed.
    pub changed: u64,
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// When it was undone, RFC 3339.
    pub undone_at: Option<String>,
}

/// Registers, how many entries each has, and what was imported.
#[utoipa::path(get, path = "/api/v1/registers", params(AfterQuery), responses((status = 200, body = RegistersNow),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_registers(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<AfterQuery>,
) -> Response {
    if let Err(trouble) = listed(&site, &visitor, "register imports").await {
        return trouble.problem(&visitor);
    }
    match site.pages.office().registers(q.place()).await {
        Ok(view) => {
            let item = |i: crate::web::view::office::ImportView| ImportItem {
                import: i.import,
                register: i.register.as_str(),
                name: i.name,
                entries: i.entries,
                added: i.added,
                changed: i.changed,
                by: i.by,
                at: i.at.rfc3339(),
                undone_at: i.undone.map(|at| at.rfc3339()),
            };
            let registers = view.registers.iter().map(|(r, n)| (r.as_str().to_owned(), *n)).collect();
            let imports = view.imports.into_iter().map(item).collect();
            Json(RegistersNow { registers, imports, next: view.next }).into_response()
        }
        Err(e) => Trouble::from(e).problem(&visitor),
    }
}

/// Entries of a register that contain a text, each with its canonical values.
#[utoipa::path(get, path = "/api/v1/registers/{register}",
    params(("register" = String, Path, description = "unit, officer, recorder, party, case or catalogue"), FindQuery),
    responses((status = 200, body = EntryPage), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_entries(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(word): Path<String>,
    Query(q): Query<FindQuery>,
) -> Response {
    let answer = async {
        let register = register_of(&word)?;
        let terms = format!("{} {}", register.as_str(), q.find);
        site.log_access(&visitor, Access { what: "search", terms: Some(&terms), ..Access::default() }).await?;
        let found = site.pages.office().entries(register, &q.find, filled(q.after.as_deref())).await?;
        Ok(Json(EntryPage { items: found.rows, next: found.next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// The file's name.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct NameQuery {
    /// Of the file.
    pub name: String,
}

/// What importing a register would come to: every mistake by itself, with line, column and value. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/registers/{register}/trial",
    params(("register" = String, Path, description = "unit, officer, recorder, party, case or catalogue"), NameQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "What would change, or the mistakes", body = serde_json::Value),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn try_register(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(register): Path<String>,
    Query(q): Query<NameQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let content = STANDARD.encode(body.map_err(|_| Trouble::TooLarge)?);
        let request = Request::TryRegister { register, name: q.name, content };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Begins a dry run of the linking rules; what it would change is told once it has come to its end.
#[utoipa::path(post, path = "/api/v1/registers/rules/trial", responses((status = 202, description = "It goes on", body = serde_json::Value), (status = 503, body = Problem)))]
pub(in crate::web) async fn try_rules_told(State(site): State<Arc<Site>>) -> Response {
    let premises = site.pages.office().premises();
    premises.begin_rules();
    (axum::http::StatusCode::ACCEPTED, Json(json!({ "tried": figures(&premises.rules_tried()) }))).into_response()
}

/// What the newest dry run of the linking rules would change, of clips within the caller's bounds.
#[utoipa::path(get, path = "/api/v1/registers/rules", responses((status = 200, description = "Figures and changes", body = serde_json::Value), (status = 503, body = Problem)))]
pub(in crate::web) async fn rules_told(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("rules"), ..Access::default() }).await?;
        let told: Vec<Value> = theirs(&site, &visitor)
            .await?
            .into_iter()
            .map(|t| {
                json!({ "clip": t.clip.to_string(), "case_no": t.case_no, "rule": t.rule, "score": t.score, "reason": t.reason.told(visitor.lang), "grounds": t.reason, "links": t.links })
            })
            .collect();
        let tried = figures(&site.pages.office().premises().rules_tried());
        Ok(Json(json!({ "tried": tried, "told": told })).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
