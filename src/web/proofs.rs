//! An entry of the log about a clip with its proof, for people and to save; and the door at which the logs of other
//! stations ask this one for its signature (C2SP tlog-witness), and whoever verifies one of them what was signed before.
//!
//! That door needs no sign-in and no name of ours: what comes in is a checkpoint that its log has signed, or it is
//! refused, and what goes out is a signature on it, or the newest checkpoint of each epoch of a log that was signed here:
//! how many events it has and their root. It reads and tells nothing else.

pub mod api;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::looks;
use super::present::clip::EntryLine;
use super::present::{self, Ctx, Nav};
use super::routes::{self, Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::Trouble;
use super::view::clip::ProofView;
use crate::domain::command::Request;
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;

/// Where other logs ask for a signature.
const WITNESS_PATH: &str = "/witness/add-checkpoint";
/// Where it is told what was signed.
const SIGNED_PATH: &str = "/witness/signed";

/// Whether a path is the witness's door.
pub fn is_witness_door(path: &str) -> bool {
    [WITNESS_PATH, SIGNED_PATH].contains(&path)
}

/// Proofs and the witness's door; the API has its own ([`api`]).
pub fn routes(r: Routes) -> Routes {
    let see = Need::May(Action::ShowClip);
    r.get("/clips/{id}/events/{seq}", see, show)
        .get("/clips/{id}/events/{seq}/entry", see, entry)
        .get("/clips/{id}/events/{seq}/proof", see, proof)
        .post(WITNESS_PATH, Need::Anyone, add_checkpoint)
        .get(SIGNED_PATH, Need::Anyone, signed)
}

#[derive(Template)]
#[template(path = "proof.html")]
struct ProofPage<'a> {
    c: &'a Ctx,
    id: String,
    e: EntryLine,
    v: &'a ProofView,
}

/// Reads an entry after the look at it was logged.
async fn look(site: &Site, visitor: &Visitor, id: &str, seq: &str) -> Result<(ClipId, ProofView), Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    let seq: u64 = seq.parse().map_err(|_| Trouble::NoPage)?;
    site.log_access(visitor, Access { what: "log", clip: Some(clip), ..Access::default() }).await?;
    // Its entries tell why it was isolated, and what was said about it.
    site.not_isolated(visitor, clip).await?;
    let mut view = site.pages.proof(clip, seq).await?.ok_or(Trouble::NoPage)?;
    // Its bytes tell from where they looked, too: what is in nobody's list for them is not there.
    if looks::only_of(site, visitor, clip).await?.is_some_and(|mine| view.entry.is_look_of_another(&mine)) {
        return Err(Trouble::NoPage);
    }
    if !routes::shows(site, visitor, Action::SeeKeeping, clip).await? {
        view.entry.without_keeping();
    }
    Ok((clip, view))
}

async fn show(State(site): State<Arc<Site>>, visitor: Visitor, Path((id, seq)): Path<(String, String)>) -> Response {
    let answer = async {
        let (clip, view) = look(&site, &visitor, &id, &seq).await?;
        let c = site.ctx(&visitor, Nav::Clips).await?;
        let e = present::clip::entry(&view.entry, &c);
        let page = ProofPage { c: &c, id: clip.to_string(), e, v: &view };
        Ok::<_, Trouble>(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

fn saved(name: String, media_type: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], text).into_response()
}

async fn entry(State(site): State<Arc<Site>>, visitor: Visitor, Path((id, seq)): Path<(String, String)>) -> Response {
    match look(&site, &visitor, &id, &seq).await {
        Ok((_, view)) => saved(format!("{:012}.json", view.entry.seq), "application/json", view.event),
        Err(trouble) => trouble.answer(&site, &visitor),
    }
}

async fn proof(State(site): State<Arc<Site>>, visitor: Visitor, Path((id, seq)): Path<(String, String)>) -> Response {
    match look(&site, &visitor, &id, &seq).await {
        Ok((_, ProofView { proof: Some(proof), entry, .. })) => {
            saved(format!("{:012}.tlog-proof", entry.seq), "text/plain; charset=utf-8", proof)
        }
        Ok(_) => Trouble::NoPage.answer(&site, &visitor),
        Err(trouble) => trouble.answer(&site, &visitor),
    }
}

async fn add_checkpoint(State(site): State<Arc<Site>>, visitor: Visitor, body: String) -> Response {
    ask_the_witness(&site, &visitor, Request::AddCheckpoint { body }).await
}

/// Which log: the name of its key.
#[derive(serde::Deserialize)]
struct OfLog {
    log: String,
}

async fn signed(State(site): State<Arc<Site>>, visitor: Visitor, Query(of): Query<OfLog>) -> Response {
    ask_the_witness(&site, &visitor, Request::SignedAsWitness { log: of.log }).await
}

async fn ask_the_witness(site: &Site, visitor: &Visitor, request: Request) -> Response {
    let caller = crate::domain::command::Caller {
        actor: Actor { kind: "log".into(), id: "witnessed".into() },
        ..visitor.caller.clone()
    };
    let answer = match site.carry_out(&caller, request).await {
        Ok(answer) => answer,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let status = answer["status"].as_u64().and_then(|s| u16::try_from(s).ok());
    let status = status.and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, text("type"))], text("body")).into_response()
}
