//! The page, its API and its live events, over axum. Reads through [`site::Pages`] (bound to the store) and
//! asks for changes through `domain::command::Ask`; it holds no SQL, no task of the daemon and no footage
//! beyond one bounded buffer a request.
//!
//! ```text
//! guard     every request: Host, Origin, headers          (guard.rs)
//! pages     HTML: facts -> view -> present -> template    (pages.rs, view/, present/, templates/)
//! api       JSON under /api/v1, problem+json, OpenAPI     (api.rs, wire.rs)
//! rooms     what is recorded live: page and API           (rooms.rs)
//! media     bytes of a clip, logged before the first one  (media.rs, range.rs, viewing.rs)
//! derived   previews and contact sheets, never evidence  (derived.rs, assets/player.js)
//! live      "something changed" over server-sent events   (live.rs, assets/live.js)
//! ```
//!
//! Until sign-in exists, whoever can reach the listener is one actor, `web:loopback`, and the listener must be
//! bound to loopback (decision 13); [`guard`] refuses names that are not this box.

pub mod api;
pub mod assets;
pub mod bind;
pub mod derived;
pub mod escape;
pub mod guard;
pub mod live;
pub mod media;
pub mod pages;
pub mod present;
pub mod range;
pub mod rooms;
pub mod serve;
pub mod site;
pub mod trouble;
pub mod view;
pub mod viewing;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

/// A form or a JSON body is at most this long; the roster has its own limit.
const BODY_BYTES: usize = 64 * 1024;

/// Everything that is served, behind the guard.
pub fn router(site: Arc<site::Site>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(media::routes())
        .merge(derived::routes())
        .merge(live::routes())
        .merge(assets::routes())
        .merge(api::routes())
        .merge(rooms::routes())
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}
