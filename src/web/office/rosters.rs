//! Rosters: importing one with a dry run that tells every mistake by its line, which imports there were, and taking away what
//! those of a name brought; as registers are, by the same right. A file comes as the body of a request that
//! `assets/office.js` sends; without a script the command line imports.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Form, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::listed;
use super::registers::{DoneQuery, NameQuery, Outcome, UploadQuery, columns_line, mistakes, part_of_page};
use crate::domain::command::Request;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::domain::words::office::OfficeWords;
use crate::web::keeping::actor;
use crate::web::paging::{AfterQuery, filled, href};
use crate::web::present::{Ctx, Nav, Stamp};
use crate::web::registers::REGISTER_BYTES;
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::office::RosterView;

/// Under which name a roster stands whose file has none.
const UNNAMED: &str = "roster.csv";

/// Pages, forms and API.
pub fn routes(r: Routes) -> Routes {
    let import = Need::May(Action::ImportRoster);
    r.get("/rosters", import, rosters)
        .get("/rosters/template", import, template)
        .post_up_to("/rosters/upload", import, REGISTER_BYTES, upload)
        .post("/rosters/remove", import, remove)
        .post("/rosters/undo", import, undo)
        .get("/api/v1/roster", import, list_rosters)
        .get("/api/v1/roster/template", import, template)
        .post_up_to("/api/v1/roster", import, REGISTER_BYTES, import_roster)
        .post_up_to("/api/v1/roster/trial", import, REGISTER_BYTES, try_roster)
        .delete("/api/v1/roster", import, remove_roster)
        .post("/api/v1/roster/undo", import, undo_roster)
}

/// An import in words.
struct RosterLine {
    import: i64,
    name: String,
    told: String,
    /// Who and when, where that was written down.
    by: Option<(String, Stamp)>,
    removed: Option<Stamp>,
    undone: Option<Stamp>,
    /// Of the newest import of its name: what can be taken away.
    standing: Option<String>,
    can_be_undone: bool,
}

#[derive(Template)]
#[template(path = "rosters.html")]
struct RostersPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    columns: String,
    lines: Vec<RosterLine>,
    next: Option<String>,
    done: Option<String>,
    refusal: Option<String>,
}

async fn rosters(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let w = visitor.lang.words();
    let o = w.office();
    let done = match q.done.as_str() {
        "imported" => Some(o.roster_done.to_owned()),
        "removed" => Some(o.roster_gone.to_owned()),
        "undone" => Some(w.roster_undone(q.import.unsigned_abs(), q.removed, q.restored)),
        _ => None,
    };
    let shown = show(&site, &visitor, filled(q.after.as_deref()), done, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    after: Option<&str>,
    done: Option<String>,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    listed(site, visitor, "roster imports").await?;
    let c = site.ctx(visitor, Nav::Cases).await?;
    let (w, office) = (c.w, site.pages.office());
    let line = |i: RosterView| RosterLine {
        import: i.import,
        told: w.roster_line(i.rows, i.days, i.from, i.to, &c.zone),
        by: i.by.map(|(who, at)| (c.named(&actor(&who)), c.near(at))),
        removed: i.removed.map(|at| c.near(at)),
        undone: i.undone.map(|at| c.near(at)),
        can_be_undone: i.can_be_undone,
        standing: i.standing.map(|rows| w.standing_rows(rows)),
        name: i.name,
    };
    let view = office.rosters(after).await?;
    let page = RostersPage {
        columns: columns_line(&office.premises().roster_columns(), w),
        lines: view.imports.into_iter().map(line).collect(),
        next: view.next.as_deref().map(|next| href("/rosters", &[], next)),
        done,
        refusal,
        o: w.office(),
        c: &c,
    };
    Ok(Html(page.render()?).into_response())
}

/// A file for a roster, with its columns and nothing in them.
#[utoipa::path(get, path = "/api/v1/roster/template", responses((status = 200, content_type = "text/csv", body = String), (status = 503, body = Problem)))]
pub(in crate::web) async fn template(State(site): State<Arc<Site>>) -> Response {
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"roster.csv\""),
    ];
    (head, site.pages.office().premises().roster_template()).into_response()
}

async fn upload(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<UploadQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let content = STANDARD.encode(body.map_err(|_| Trouble::TooLarge)?);
        let name = if q.name.is_empty() { UNNAMED.to_owned() } else { q.name.clone() };
        let request = match q.dry_run {
            true => Request::TryRoster { name: name.clone(), content },
            false => Request::ImportRoster { name: name.clone(), content, dry_run: false },
        };
        let w = visitor.lang.words();
        match site.carry_out(&visitor.caller, request).await {
            Ok(done) => Ok((StatusCode::OK, outcome(&done, name, q.dry_run, w))),
            Err(trouble @ Trouble::Invalid(_)) => {
                let refusal = Some(trouble.told(w).1);
                Ok((trouble.status(), Outcome { refusal, ..outcome(&Value::Null, name, true, w) }))
            }
            Err(trouble) => Err(trouble),
        }
    };
    part_of_page(answer.await, &site, &visitor)
}

fn outcome(done: &Value, name: String, dry_run: bool, w: &'static Words) -> Outcome {
    let n = |key: &str| done[key].as_u64().unwrap_or(0);
    let mistakes = mistakes(done, w);
    let whys = done["warnings_why"].as_array().into_iter().flatten();
    let warning = |why: &Value| serde_json::from_value::<Why>(why.clone()).unwrap_or_default().told(w.lang);
    let more = n("mistakes_in_all").saturating_sub(mistakes.len() as u64);
    let ready = done.is_object() && mistakes.is_empty();
    Outcome {
        o: w.office(),
        name,
        imported: ready && !dry_run,
        see: "/rosters?done=imported",
        ready,
        told: match ready {
            true => w.roster_imported(n("rows"), n("days"), n("replaced"), dry_run),
            false => w.roster_mistakes(n("mistakes_in_all")),
        },
        mistakes,
        more: (more > 0).then(|| w.and_more(more)),
        conflicts: Vec::new(),
        warnings: whys.map(warning).collect(),
        refusal: None,
    }
}

#[derive(Deserialize)]
struct NameForm {
    name: String,
}

async fn remove(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<NameForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(NameForm { name }) = form?;
        match site.carry_out(&visitor.caller, Request::RemoveRoster { name }).await {
            Ok(_) => Ok(Redirect::to("/rosters?done=removed").into_response()),
            Err(trouble @ Trouble::Missing(_)) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/rosters".to_owned(), ..visitor.clone() };
                Ok((trouble.status(), show(&site, &visitor, None, None, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn undo(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<NameForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(NameForm { name }) = form?;
        match site.carry_out(&visitor.caller, Request::UndoRoster { name }).await {
            Ok(done) => {
                let n = |key: &str| done[key].as_u64().unwrap_or(0);
                let (import, removed, restored) = (n("import"), n("rows"), n("restored"));
                let told = format!("import={import}&removed={removed}&restored={restored}");
                Ok(Redirect::to(&format!("/rosters?done=undone&{told}")).into_response())
            }
            Err(trouble @ (Trouble::Conflict(_) | Trouble::Missing(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/rosters".to_owned(), ..visitor.clone() };
                Ok((trouble.status(), show(&site, &visitor, None, None, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

// --- API -----------------------------------------------------------------------------------------

/// Imports of rosters.
#[derive(Debug, Serialize, ToSchema)]
pub struct RosterPage {
    /// Newest first.
    pub imports: Vec<RosterItem>,
    /// Cursor of the next page; absent at the end.
    pub next: Option<String>,
}

/// An import of a roster.
#[derive(Debug, Serialize, ToSchema)]
pub struct RosterItem {
    /// Its number.
    pub import: i64,
    /// Of the file; its rows stand under it.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Days on which they begin.
    pub days: u64,
    /// When the first begins, RFC 3339.
    pub from: String,
    /// When the last ends, RFC 3339.
    pub to: String,
    /// Rows of earlier imports that gave way.
    pub replaced: u64,
    /// Who; absent of what was imported before this was written down.
    pub by: Option<String>,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// When what its name had brought was taken away, RFC 3339.
    pub removed_at: Option<String>,
    /// When it was undone, RFC 3339.
    pub undone_at: Option<String>,
    /// Rows that stand under its name now, where this is the newest import of it that stands.
    pub standing: Option<u64>,
    /// It is that one, and what it replaced was kept.
    pub can_be_undone: bool,
}

/// Imports of rosters, newest first.
#[utoipa::path(get, path = "/api/v1/roster", params(AfterQuery),
    responses((status = 200, body = RosterPage), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_rosters(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<AfterQuery>,
) -> Response {
    if let Err(trouble) = listed(&site, &visitor, "roster imports").await {
        return trouble.problem(&visitor);
    }
    match site.pages.office().rosters(q.place()).await {
        Ok(view) => {
            let item = |i: RosterView| {
                let (by, at) = i.by.unzip();
                RosterItem {
                    import: i.import,
                    name: i.name,
                    rows: i.rows,
                    days: i.days,
                    from: i.from.rfc3339(),
                    to: i.to.rfc3339(),
                    replaced: i.replaced,
                    by,
                    at: at.map(|at| at.rfc3339()),
                    removed_at: i.removed.map(|at| at.rfc3339()),
                    undone_at: i.undone.map(|at| at.rfc3339()),
                    standing: i.standing,
                    can_be_undone: i.can_be_undone,
                }
            };
            Json(RosterPage { imports: view.imports.into_iter().map(item).collect(), next: view.next }).into_response()
        }
        Err(e) => Trouble::from(e).problem(&visitor),
    }
}

/// How a roster is imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct RosterQuery {
    /// The file's name: what was imported under the same one gives way; without it `roster.csv`.
    pub name: Option<String>,
    /// Say what would change, change nothing.
    pub dry_run: bool,
}

/// Imports a roster as CSV, XLSX or JSON. Of the days on which its rows begin it replaces what was imported under the same
/// name; other days stay.
#[utoipa::path(post, path = "/api/v1/roster", params(RosterQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "What changed, or would change", body = serde_json::Value),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn import_roster(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<RosterQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let Query(q) = q?;
        let content = STANDARD.encode(body.map_err(|_| Trouble::TooLarge)?);
        let name = q.name.unwrap_or_else(|| UNNAMED.to_owned());
        let request = Request::ImportRoster { name, content, dry_run: q.dry_run };
        Ok(Json(site.carry_out(&visitor.caller, request).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// What importing a roster would come to: every mistake by itself, with line, column and value. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/roster/trial", params(NameQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "What would change, or the mistakes", body = serde_json::Value),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn try_roster(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<NameQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let Query(NameQuery { name }) = q?;
        let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
        let content = STANDARD.encode(body.map_err(|_| Trouble::TooLarge)?);
        Ok(Json(site.carry_out(&visitor.caller, Request::TryRoster { name, content }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Which rosters are taken away, or the newest import of which is undone.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RosterName {
    /// The name under which they were imported.
    pub name: String,
}

/// Takes away every row that rosters of a name brought.
#[utoipa::path(delete, path = "/api/v1/roster", params(RosterName),
    responses((status = 200, description = "How many rows there were", body = serde_json::Value), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn remove_roster(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<RosterName>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(RosterName { name }) = q?;
        Ok(Json(site.carry_out(&visitor.caller, Request::RemoveRoster { name }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Undoes the newest import of a roster of a name: what it brought is gone, and the rows that it replaced stand again.
#[utoipa::path(post, path = "/api/v1/roster/undo", params(RosterName),
    responses((status = 200, description = "Which import, and how many rows are gone and stand again", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn undo_roster(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    q: Result<Query<RosterName>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(RosterName { name }) = q?;
        Ok(Json(site.carry_out(&visitor.caller, Request::UndoRoster { name }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
