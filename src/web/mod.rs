//! The page, its API and its live events, over axum. Reads through [`site::Pages`] (bound to the store) and
//! asks for changes through `domain::command::Ask`; it holds no SQL, no task of the daemon and no footage
//! beyond one bounded buffer a request.
//!
//! ```text
//! guard     every request: Host, Origin, who it is, headers (guard.rs, who.rs)
//! routes    what each route needs, checked before it reads  (routes.rs)
//! sign-in   signing in and out, the own account, accounts   (signin.rs, account.rs, accounts.rs)
//! purpose   saying what one looks for, before it is shown  (purpose.rs)
//! offers    what a page offers to whoever looks, by the table (offers.rs)
//! vouched   signing in by a provider or a certificate       (vouched.rs, shown.rs; scan.rs draws codes to scan)
//! pages     HTML: facts -> view -> present -> template    (pages.rs, view/, present/, templates/)
//! api       JSON under /api/v1, problem+json, OpenAPI     (api.rs, wire.rs)
//! rooms     what is recorded live: page and API           (rooms.rs)
//! exports   evidence packages: page, API, zip            (exports.rs)
//! keeping   holds, isolation, disposal after appraisal    (keeping.rs, filing.rs: a case's way to the archive)
//! proofs    entries of the log with their proofs, the witness's door (proofs.rs, proofs/)
//! paging    where a page of a list begins, its cursors        (paging.rs)
//! media     bytes of a clip, logged before the first one  (media.rs, range.rs, viewing.rs)
//! derived   previews and contact sheets, never evidence  (derived.rs, assets/player.js)
//! verify    comparing a clip's copies on request        (verify.rs)
//! derivatives  frame grabs, stretches, watermarked copies (derivatives.rs)
//! triage    what waits for a person, one key a decision   (triage.rs, assets/triage.js)
//! registers importing registers                            (registers.rs)
//! coverage  a case against the catalogue, reasons for gaps  (coverage.rs)
//! reports   statistics, registers of clips, the unit's forms (reports.rs)
//! sampling  random samples, findings, ranking             (sampling.rs)
//! review    legal review of a case, its review sheet      (review.rs)
//! looks     who looked at a case                        (looks.rs)
//! logs      the log, for the security auditor               (logs.rs)
//! alarms    what stands and stood, who is told and who knows (alarms.rs, hooks.rs)
//! office    administration, desk, registers, parties, bulk  (office/, assets/office.js)
//! certificate  the page's own, where it was given none  (certificate.rs)
//! guests    how many connections there are, who gives way   (guests.rs)
//! lasting   long answers end when their taker is shut out   (lasting.rs)
//! together  clips of a case on one axis (together.rs, assets/together.js)
//! changes   the same for programs, told again on return    (changes.rs)
//! refused   a form comes back with what was typed        (refused.rs)
//! repeat    a change that is asked for twice is made once  (repeat.rs)
//! live      "something changed" over server-sent events   (live.rs, assets/live.js)
//! ```
//!
//! While the station has no account, whoever reaches the page is one actor, `web:loopback`; a listener that is not bound to
//! loopback serves nothing but the bay board then (decision 13). [`guard`] refuses names that are not this box.

pub mod account;
pub mod accounts;
pub mod alarms;
pub mod api;
mod asked;
pub mod assets;
pub mod bind;
pub mod certificate;
pub mod changes;
pub mod conventions;
pub mod coverage;
pub mod derivatives;
pub mod derived;
pub mod documents;
pub mod elsewhere;
pub mod escape;
pub mod exports;
pub mod filing;
pub mod guard;
pub mod guests;
pub mod hooks;
pub mod keeping;
pub mod lasting;
pub mod listed;
pub mod live;
pub mod logs;
pub mod looks;
pub mod media;
pub mod offers;
pub mod office;
pub mod oversight;
pub mod pages;
pub mod paging;
pub mod present;
pub mod proofs;
pub mod purpose;
pub mod range;
pub mod refused;
pub mod registers;
pub mod repeat;
pub mod reports;
pub mod review;
pub mod rooms;
pub mod routes;
pub mod sampling;
pub mod scan;
pub mod sending;
pub mod sent;
pub mod serve;
pub mod shared;
pub mod shown;
pub mod signin;
pub mod site;
pub mod together;
pub mod triage;
pub mod trouble;
pub mod verify;
pub mod view;
pub mod viewing;
pub mod vouched;
pub mod who;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

/// A form or a JSON body is at most this long; the roster has its own limit.
const BODY_BYTES: usize = 64 * 1024;

/// Every route, with what each needs.
pub fn routes(site: &Arc<site::Site>) -> routes::Routes {
    [
        pages::routes,
        media::routes,
        derived::routes,
        documents::routes,
        elsewhere::routes,
        derivatives::routes,
        verify::routes,
        live::routes,
        assets::routes,
        api::routes,
        rooms::routes,
        exports::routes,
        keeping::routes,
        filing::routes,
        triage::routes,
        registers::routes,
        coverage::routes,
        looks::routes,
        proofs::routes,
        proofs::api::routes,
        signin::routes,
        purpose::routes,
        vouched::routes,
        account::routes,
        accounts::routes,
        accounts::tokens::routes,
        logs::routes,
        alarms::routes,
        office::routes,
        changes::routes,
        together::routes,
        reports::routes,
        sampling::routes,
        review::routes,
        review::api::routes,
        sending::routes,
        sent::routes,
    ]
    .into_iter()
    .fold(routes::Routes::new(site), |all, some: fn(routes::Routes) -> routes::Routes| some(all))
}

/// Everything that is served, behind the guard.
pub fn router(site: Arc<site::Site>) -> Router {
    routes(&site)
        .into_router()
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}
