//! The same for programs: what happened to a clip, entry by entry, each with its proof; and where the clip stands and was
//! seen, which its record does not say.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::look;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::web::looks;
use crate::web::paging::{AfterQuery, cut, number};
use crate::web::routes::{self, Need, Routes};
use crate::web::site::{Access, ReadError, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::clip::{CustodyEntry, FactSaid};

/// Entries of a page.
const ENTRIES: u32 = 100;

/// The API.
pub fn routes(r: Routes) -> Routes {
    let see = Need::May(Action::ShowClip);
    r.get("/api/v1/clips/{id}/events", see, list_events)
        .get("/api/v1/clips/{id}/events/{seq}", see, get_event)
        .get("/api/v1/clips/{id}/events/{seq}/entry", see, super::entry)
        .get("/api/v1/clips/{id}/events/{seq}/proof", see, super::proof)
        .get("/api/v1/clips/{id}/whereabouts", see, get_whereabouts)
}

/// What happened to a clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustodyPage {
    /// Entries of the log about it, newest first. Who else looked is in them for those with the right `see_looks` over it.
    pub items: Vec<CustodyItem>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// An entry of the log about a clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustodyItem {
    /// Position in the log.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: &'static str,
    /// Who, as `kind:id`.
    pub actor: String,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
    /// The destination, recorder or case that it names.
    pub place: Option<String>,
    /// What else it says, opened for whoever may see the clip: a reason; of facts `FIELD.ORIGIN: VALUE` each, without the way.
    pub detail: Option<String>,
}

/// An entry with its proof.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvenEntry {
    /// The entry.
    pub entry: CustodyItem,
    /// Its stored bytes, which are text and what is hashed.
    pub event: String,
    /// Their leaf hash, hex.
    pub leaf: String,
    /// The proof that it stands in the log, in the tlog-proof form; null while no checkpoint covers the entry.
    pub proof: Option<String>,
    /// Entries below the checkpoint to which it leads.
    pub checkpoint_size: Option<u64>,
    /// Names of the witnesses that signed that checkpoint.
    pub cosigned_by: Vec<String>,
}

/// Where a clip stands and was seen.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whereabouts {
    /// The station's own copy: `copying`, `sealed`, `damaged`, `evicted`; null while the file is only listed.
    pub local: Option<&'static str>,
    /// How much is copied or sent, 0 to 100, while that is under way.
    pub percent: Option<u8>,
    /// Why it is under quarantine.
    pub quarantine: Option<String>,
    /// The destination from which it is read while the station has no copy.
    pub read_from: Option<String>,
    /// Why it does not go to a destination, by its name.
    pub stopped: std::collections::BTreeMap<String, String>,
    /// Destinations on the station's own disk: a copy there protects nothing.
    pub same_device: Vec<String>,
    /// Where it was seen on a recorder, oldest first.
    pub sightings: Vec<SeenOn>,
}

/// A clip as it was seen on a recorder.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeenOn {
    /// The recorder.
    pub recorder: String,
    /// The bay.
    pub bay: String,
    /// Its path there, escaped.
    pub path: String,
    /// `present`, `gone`, `erase_intended`, `erased`.
    pub state: &'static str,
    /// When it was last seen, RFC 3339.
    pub at: String,
}

impl From<CustodyEntry> for CustodyItem {
    fn from(e: CustodyEntry) -> Self {
        // Facts by their published names: `FIELD.ORIGIN: VALUE`.
        let said = |f: &FactSaid| {
            let value = if f.value.is_empty() { "—" } else { &f.value };
            format!("{}.{}: {value}", f.field.as_str(), f.origin.as_str())
        };
        let facts = (!e.facts.is_empty()).then(|| e.facts.iter().map(said).collect::<Vec<_>>().join("; "));
        Self {
            seq: e.seq,
            at: e.at.rfc3339(),
            kind: e.kind.as_str(),
            actor: format!("{}:{}", e.actor.kind, e.actor.id),
            outcome: e.outcome,
            place: e.place,
            detail: e.detail.or(facts),
        }
    }
}

/// What happened to a clip, newest first: its entries in the log.
#[utoipa::path(get, path = "/api/v1/clips/{id}/events", params(("id" = String, Path, description = "Record id"), AfterQuery),
    responses((status = 200, body = CustodyPage), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_events(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    q: Result<Query<AfterQuery>, QueryRejection>,
) -> Response {
    let answer = async {
        let Query(q) = q?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        let before = number(q.place())?.map(u64::try_from).transpose();
        let before = before.map_err(|_| ReadError::Invalid(crate::domain::why::Why::PlaceInList {}))?;
        site.log_access(&visitor, Access { what: "log", clip: Some(clip), ..Access::default() }).await?;
        site.not_isolated(&visitor, clip).await?;
        let only = looks::only_of(&site, &visitor, clip).await?;
        let mut entries = site.pages.custody(clip, before, ENTRIES + 1, only).await?;
        let next = cut(&mut entries, ENTRIES, |e| e.seq.to_string());
        if !routes::shows(&site, &visitor, Action::SeeKeeping, clip).await? {
            entries.iter_mut().for_each(CustodyEntry::without_keeping);
        }
        let items = entries.into_iter().map(CustodyItem::from).collect();
        Ok(Json(CustodyPage { items, next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// An entry of the log about a clip, with the proof that it stands there unchanged.
#[utoipa::path(get, path = "/api/v1/clips/{id}/events/{seq}", params(("id" = String, Path, description = "Record id"),
        ("seq" = u64, Path, description = "Position in the log")),
    responses((status = 200, body = ProvenEntry), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn get_event(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((id, seq)): Path<(String, String)>,
) -> Response {
    match look(&site, &visitor, &id, &seq).await {
        Ok((_, v)) => Json(ProvenEntry {
            entry: v.entry.into(),
            event: v.event,
            leaf: v.leaf,
            proof: v.proof,
            checkpoint_size: v.size,
            cosigned_by: v.cosigned,
        })
        .into_response(),
        Err(trouble) => trouble.problem(&visitor),
    }
}

/// The stored bytes of an entry, which are what is hashed.
#[utoipa::path(get, path = "/api/v1/clips/{id}/events/{seq}/entry", params(("id" = String, Path, description = "Record id"),
        ("seq" = u64, Path, description = "Position in the log")),
    responses((status = 200, description = "The entry", body = serde_json::Value), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
#[allow(dead_code)] // The document's entry for `entry`, which serves the page too.
pub(in crate::web) async fn get_entry() {}

/// The proof of an entry as a file (C2SP tlog-proof); there is none while no checkpoint covers the entry.
#[utoipa::path(get, path = "/api/v1/clips/{id}/events/{seq}/proof", params(("id" = String, Path, description = "Record id"),
        ("seq" = u64, Path, description = "Position in the log")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
#[allow(dead_code)] // The document's entry for `proof`, which serves the page too.
pub(in crate::web) async fn get_proof() {}

/// Where a clip stands and was seen, and why it does not go where it should.
#[utoipa::path(get, path = "/api/v1/clips/{id}/whereabouts", params(("id" = String, Path, description = "Record id")),
    responses((status = 200, body = Whereabouts), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn get_whereabouts(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
        let v = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
        if v.isolated.is_some() {
            return Err(Trouble::Isolated);
        }
        let told = Whereabouts {
            local: v.local.map(|local| local.as_str()),
            percent: v.percent,
            read_from: v.read_from().map(str::to_owned),
            quarantine: v.quarantine,
            stopped: v.failures.into_iter().collect(),
            same_device: v.same_device,
            sightings: v
                .sightings
                .into_iter()
                .map(|s| SeenOn {
                    recorder: s.recorder,
                    bay: s.bay,
                    path: s.path,
                    state: s.state.as_str(),
                    at: s.at.rfc3339(),
                })
                .collect(),
        };
        Ok(Json(told).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
