//! What changed, for programs: one stream of server-sent events for the station, the lists and the clips. Whoever was away
//! comes back with `Last-Event-ID` and is told what changed meanwhile, each thing once, in the order of its last change;
//! where that is no longer known (another run of the daemon, more changes than are remembered), `resync` says that
//! everything may have changed. An event says that something changed and not what it is now: that is read, and logged,
//! where it stands.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::live::{KEEP_ALIVE, Live, PACE, Topic};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Problem;
use crate::domain::rights::{Action, Over, Within};
use crate::domain::sensitivity::Sensitivity;

/// The stream.
pub fn routes(r: Routes) -> Routes {
    r.get("/api/v1/changes", Need::May(Action::SeeStation), changes)
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct ChangesQuery {
    /// Id of the last event that was seen, where `Last-Event-ID` cannot be sent.
    pub last: Option<String>,
}

/// What an event carries as JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// `ready` (the stream stands; nothing before this was missed), `resync` (anything may have changed), `station`, `clips`
    /// (lists of clips and cases), `clip`.
    pub topic: &'static str,
    /// Which clip; told to those who may list every clip.
    pub clip: Option<String>,
}

/// What changed, as server-sent events (`event:` is the topic, `data:` a `Changed`).
#[utoipa::path(get, path = "/api/v1/changes", params(ChangesQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was seen: what changed since is told first")),
    responses((status = 200, description = "Events without an end", content_type = "text/event-stream", body = Changed),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn changes(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(query): Query<ChangesQuery>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned).or(query.last);
    let names_clips = sees_every_clip(&visitor.who.within(Action::ListClips));
    let live = Arc::clone(&site.live);
    let (seen, first) = match last.as_deref().map(|id| live.position(id)) {
        None => (live.now(), "ready"),
        Some(Some(n)) if !live.forgot(n) => (n, "ready"),
        Some(_) => (live.now(), "resync"),
    };
    let greeting = event(&live, seen, Changed { topic: first, clip: None });
    let state = (live, seen, VecDeque::from([greeting]), false);
    let events = stream::unfold(state, move |(live, mut seen, mut due, mut paced)| async move {
        while due.is_empty() {
            if paced {
                tokio::time::sleep(PACE).await;
            }
            let (told, now) = live.since(seen).await?;
            let forgot = live.forgot(seen);
            due.extend(told.into_iter().filter_map(|(topic, at)| tell(&live, topic, at, names_clips)));
            if forgot {
                due = VecDeque::from([event(&live, now, Changed { topic: "resync", clip: None })]);
            }
            (seen, paced) = (now, true);
        }
        let next = due.pop_front()?;
        Some((Ok::<_, Infallible>(next), (live, seen, due, paced)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn tell(live: &Live, topic: Topic, at: u64, names_clips: bool) -> Option<Event> {
    let changed = match topic {
        Topic::Station => Changed { topic: "station", clip: None },
        Topic::Clips => Changed { topic: "clips", clip: None },
        Topic::Clip(id) if names_clips => Changed { topic: "clip", clip: Some(id.to_string()) },
        Topic::Clip(_) => return None,
    };
    Some(event(live, at, changed))
}

fn event(live: &Live, at: u64, changed: Changed) -> Event {
    let event = Event::default().event(changed.topic).id(live.id_of(at));
    event.json_data(&changed).unwrap_or_else(|_| Event::default().event(changed.topic).id(live.id_of(at)).data("{}"))
}

/// Whether no list is narrowed for them.
fn sees_every_clip(within: &Within) -> bool {
    match within {
        Within::Everything => true,
        Within::Of { stretches, .. } => stretches.contains(&(Over::All, Sensitivity::Minor)),
    }
}
