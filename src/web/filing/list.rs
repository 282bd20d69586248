//! The lists of a case's clips that go to the archive with it (移交清单, 卷内目录): printed, and for programs.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{now, read};
use crate::domain::time::UtcMs;
use crate::web::keeping::actor;
use crate::web::present::{Ctx, Nav, Stamp, case_href};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::keeping::FiledClip;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    kind: String,
}

struct ListRow {
    n: usize,
    id: String,
    captured: Option<Stamp>,
    officer: String,
    title: String,
    length: String,
    size: String,
    sha256: String,
    keep: String,
}

#[derive(Template)]
#[template(path = "filing_list.html")]
struct ListPage<'a> {
    c: &'a Ctx,
    transfer: bool,
    number: &'a str,
    href: String,
    facts: Vec<(&'static str, String)>,
    rows: Vec<ListRow>,
    total: String,
}

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<ListQuery>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number, true).await?;
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let w = c.w;
        let rows = v.clips.iter().enumerate().map(|(n, clip)| ListRow {
            n: n + 1,
            id: clip.id.clone(),
            captured: clip.captured.as_deref().map(|at| c.stamp_text(at)),
            officer: w
                .officer_with(clip.officer.as_deref(), clip.officer_cert_no.as_deref(), clip.officer_auxiliary)
                .unwrap_or_default(),
            title: clip.title.clone(),
            length: clip.duration_ms.map(|ms| w.footage(ms)).unwrap_or_default(),
            size: w.size(clip.size_bytes),
            sha256: clip.sha256.clone(),
            keep: match &clip.keep {
                None => String::new(),
                Some((None, _)) => w.keeping().forever.to_owned(),
                Some((Some(at), _)) => c.stamp(*at).text,
            },
        });
        let mut facts = v.filing.as_ref().map(|f| now(f, &c).facts).unwrap_or_default();
        if let Some(filed) = v.filing.as_ref().and_then(|f| f.filed.as_ref()) {
            facts.push((
                w.keeping().signed_by,
                format!("{} · {}", c.named(&actor(&filed.0)), c.stamp(UtcMs(filed.1)).text),
            ));
        }
        let bytes = v.clips.iter().map(|clip| clip.size_bytes).sum();
        let html = ListPage {
            transfer: q.kind != "contents",
            number: &v.case_no,
            href: case_href(&number),
            facts,
            rows: rows.collect(),
            total: w.package_content(v.clips.len() as u64, bytes),
            c: &c,
        };
        Ok(Html(html.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// The clips of a case as they go to the archive.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilingList {
    /// Its number.
    pub case_no: String,
    /// Of all of them.
    pub size_bytes: u64,
    /// In the order of capture.
    pub items: Vec<FilingItem>,
}

/// A clip of the list; of an isolated one its id alone is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilingItem {
    /// From 1.
    pub n: usize,
    /// Record id.
    pub record_id: String,
    /// RFC 3339.
    pub captured_start: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// The number of their certificate (执法证号).
    pub officer_cert_no: Option<String>,
    /// They are auxiliary staff (辅助人员), who hold none.
    pub officer_auxiliary: bool,
    /// 题名: what it is called or proves, else its matter or file name.
    pub title: String,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Bytes.
    pub size_bytes: u64,
    /// Hex; empty while it is not sealed.
    pub sha256: String,
    /// It was filed, and is kept for ever.
    pub kept_for_ever: bool,
    /// Until when it is kept, RFC 3339; null for ever, and before it was filed.
    pub kept_until: Option<String>,
    /// By what it is kept, as the filing has it.
    pub kept_by: Option<String>,
}

fn item(n: usize, clip: FiledClip, site: &Site) -> FilingItem {
    let (until, by) = clip.keep.clone().map_or((None, None), |(until, by)| (until, Some(by)));
    FilingItem {
        n: n + 1,
        record_id: clip.id,
        captured_start: clip.captured,
        officer: clip.officer,
        officer_cert_no: clip.officer_cert_no,
        officer_auxiliary: clip.officer_auxiliary,
        title: clip.title,
        duration_ms: clip.duration_ms,
        size_bytes: clip.size_bytes,
        sha256: clip.sha256,
        kept_for_ever: matches!(clip.keep, Some((None, _))),
        kept_until: until.map(|at| at.rfc3339_in(&site.zone)),
        kept_by: by,
    }
}

/// The clips of a case as the transfer list (移交清单) and the contents (卷内目录) have them.
#[utoipa::path(get, path = "/api/v1/cases/{number}/filing/list", params(("number" = String, Path, description = "Any number of the case")),
    responses((status = 200, body = FilingList), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_filed(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number, true).await?;
        let size_bytes = v.clips.iter().map(|clip| clip.size_bytes).sum();
        let items = v.clips.into_iter().enumerate().map(|(n, clip)| item(n, clip, &site)).collect();
        Ok(Json(FilingList { case_no: v.case_no, size_bytes, items }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
