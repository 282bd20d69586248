//! The page, its API and its live events, over axum. Reads through [`site::Pages`] (bound to the store) and
//! asks for changes through `domain::command::Ask`; it holds no SQL, no task of the daemon and no footage
//! beyond one bounded buffer a request.
//!
//! ```text
//! guard     every request: Host, Origin, who it is, headers (guard.rs, who.rs)
//! routes    what each route needs, checked before it reads  (routes.rs)
//! sign-in   signing in and out, the own account, accounts   (signin.rs, account.rs, accounts.rs)
//! pages     HTML: facts -> view -> present -> template    (pages.rs, view/, present/, templates/)
//! api       JSON under /api/v1, problem+json, OpenAPI     (api.rs, wire.rs)
//! rooms     what is recorded live: page and API           (rooms.rs)
//! exports   evidence packages: page, API, zip            (exports.rs)
//! proofs    entries of the log with their proofs, the witness's door (proofs.rs)
//! media     bytes of a clip, logged before the first one  (media.rs, range.rs, viewing.rs)
//! derived   previews and contact sheets, never evidence  (derived.rs, assets/player.js)
//! triage    what waits for a person, one key a decision   (triage.rs, assets/triage.js)
//! registers importing registers, coverage of a case         (registers.rs)
//! logs      the log, for the security auditor               (logs.rs)
//! certificate  the page's own, where it was given none  (certificate.rs)
//! guests    how many connections there are at a time        (guests.rs)
//! live      "something changed" over server-sent events   (live.rs, assets/live.js)
//! ```
//!
//! While the station has no account, whoever reaches the page is one actor, `web:loopback`; a listener that is not bound to
//! loopback serves nothing but the bay board then (decision 13). [`guard`] refuses names that are not this box.

pub mod account;
pub mod accounts;
pub mod api;
pub mod assets;
pub mod bind;
pub mod certificate;
pub mod derived;
pub mod escape;
pub mod exports;
pub mod guard;
pub mod guests;
pub mod live;
pub mod logs;
pub mod media;
pub mod pages;
pub mod present;
pub mod proofs;
pub mod range;
pub mod registers;
pub mod rooms;
pub mod routes;
pub mod serve;
pub mod signin;
pub mod site;
pub mod triage;
pub mod trouble;
pub mod view;
pub mod viewing;
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
        live::routes,
        assets::routes,
        api::routes,
        rooms::routes,
        exports::routes,
        triage::routes,
        registers::routes,
        proofs::routes,
        signin::routes,
        account::routes,
        accounts::routes,
        logs::routes,
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
