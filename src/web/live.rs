//! Live pages: the server tells *that* something changed, over server-sent events; the page then fetches its
//! live part and morphs it in. Events carry no facts, so that nothing needs to be replayed but "it changed".
//!
//! `GET /live?topic=T[&last=ID]` with T one of `station`, `clips`, `clip:<id>`. Each event is named after the
//! topic, its id is `<epoch>-<n>`. Whoever comes back with an id (`Last-Event-ID`, or `last`) gets one event at
//! once if the topic changed meanwhile, or if the id is of an earlier run.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::who::Who;
use crate::domain::ids::ClipId;

/// At most one event a topic and viewer in this time; what changes meanwhile is told at its end.
pub(super) const PACE: Duration = Duration::from_millis(1000);
/// A comment keeps proxies from closing a quiet connection.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Clips whose last change is remembered.
const REMEMBERED: usize = 10_000;

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Flow strip, bays, uplink, disk, alarms.
    Station,
    /// Lists of clips and cases.
    Clips,
    /// One clip.
    Clip(ClipId),
}

impl Topic {
    /// The event's name.
    pub fn name(self) -> String {
        match self {
            Self::Station => "station".into(),
            Self::Clips => "clips".into(),
            Self::Clip(id) => format!("clip:{id}"),
        }
    }

    /// Reads the name back.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "station" => Some(Self::Station),
            "clips" => Some(Self::Clips),
            _ => name.strip_prefix("clip:")?.parse().ok().map(Self::Clip),
        }
    }
}

/// What changed last, and a bell.
#[derive(Debug)]
pub struct Live {
    epoch: String,
    changed: Mutex<Changed>,
    bell: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Changed {
    /// Position of each topic's last change.
    topics: BTreeMap<Topic, u64>,
    /// Changes up to here may have been forgotten.
    forgotten: u64,
    closed: bool,
}

impl Live {
    /// Nothing has changed yet. `epoch` tells this run from others (the time of its start will do).
    pub fn new(epoch: i64) -> Arc<Self> {
        Arc::new(Self { epoch: format!("{epoch:x}"), changed: Mutex::default(), bell: watch::Sender::new(0) })
    }

    /// These changed.
    pub fn tell(&self, topics: &[Topic]) {
        let mut changed = self.changed();
        let n = *self.bell.borrow() + 1;
        for topic in topics {
            changed.topics.insert(*topic, n);
        }
        if changed.topics.len() > REMEMBERED {
            changed.topics.retain(|topic, _| !matches!(topic, Topic::Clip(_)));
            changed.forgotten = n;
        }
        // Under the lock, so that positions ring in order.
        self.bell.send_replace(n);
    }

    /// Ends every stream, so that the server can stop.
    pub fn close(&self) {
        self.changed().closed = true;
        self.bell.send_modify(|n| *n += 1);
    }

    /// The present position, for pages to come back with.
    pub fn id(&self) -> String {
        self.id_of(*self.bell.borrow())
    }

    /// The id of a position.
    pub(super) fn id_of(&self, n: u64) -> String {
        format!("{}-{n}", self.epoch)
    }

    fn changed(&self) -> std::sync::MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position of an id of this run; `None` for others.
    pub(super) fn position(&self, id: &str) -> Option<u64> {
        let (epoch, n) = id.rsplit_once('-')?;
        (epoch == self.epoch).then(|| n.parse().ok()).flatten()
    }

    /// Where `topic` stands, if that is after `seen`.
    fn news(&self, topic: Topic, seen: u64) -> Option<u64> {
        let changed = self.changed();
        let at = changed.topics.get(&topic).copied().unwrap_or(0).max(match topic {
            Topic::Clip(_) => changed.forgotten,
            _ => 0,
        });
        (at > seen).then_some(at)
    }

    /// Whether `topic` changed after `seen`.
    pub(super) fn changed_after(&self, topic: Topic, seen: u64) -> bool {
        self.news(topic, seen).is_some()
    }

    /// The present position.
    pub(super) fn now(&self) -> u64 {
        *self.bell.borrow()
    }

    /// Whether clips that changed after `seen` may have been forgotten.
    pub(super) fn forgot(&self, seen: u64) -> bool {
        seen < self.changed().forgotten
    }

    /// Waits until anything changed after `seen`: all that did, each with the position of its last change, in their order,
    /// and the position up to which that is all; `None` when the server stops.
    pub(super) async fn since(&self, seen: u64) -> Option<(Vec<(Topic, u64)>, u64)> {
        let mut bell = self.bell.subscribe();
        loop {
            bell.borrow_and_update();
            {
                let changed = self.changed();
                if changed.closed {
                    return None;
                }
                let newer = changed.topics.iter().filter(|(_, at)| **at > seen);
                let mut told: Vec<(Topic, u64)> = newer.map(|(topic, at)| (*topic, *at)).collect();
                told.sort_by_key(|(topic, at)| (*at, *topic));
                if let Some((_, last)) = told.last().copied() {
                    return Some((told, last));
                }
            }
            bell.changed().await.ok()?;
        }
    }

    /// Waits until `topic` changed after `seen`; `None` when the server stops.
    async fn next(&self, topic: Topic, seen: u64) -> Option<u64> {
        let mut bell = self.bell.subscribe();
        loop {
            bell.borrow_and_update();
            if self.changed().closed {
                return None;
            }
            if let Some(at) = self.news(topic, seen) {
                return Some(at);
            }
            bell.changed().await.ok()?;
        }
    }
}

/// The live endpoint.
pub fn routes(r: Routes) -> Routes {
    r.get("/live", Need::Anyone, live)
}

#[derive(Debug, Deserialize)]
struct LiveQuery {
    topic: String,
    #[serde(default)]
    last: Option<String>,
}

async fn live(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(query): Query<LiveQuery>,
    headers: HeaderMap,
) -> Response {
    let Some(topic) = Topic::parse(&query.topic) else { return Trouble::NoPage.answer(&site, &visitor) };
    // The bay board listens without signing in; when which clip changes is for whoever may see clips.
    if topic != Topic::Station && matches!(visitor.who, Who::Nobody) {
        return Trouble::SignIn.answer(&site, &visitor);
    }
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned).or(query.last);
    let live = site.live.clone();
    // Without an id the visitor has just loaded the page; with one of another run, anything may have changed.
    let (seen, resync) = match last.as_deref() {
        None => (*live.bell.borrow(), false),
        Some(id) => match live.position(id) {
            Some(n) => (n, false),
            None => (*live.bell.borrow(), true),
        },
    };
    let name = topic.name();
    let events = stream::unfold((live, seen, resync, false), move |(live, seen, resync, paced)| {
        let name = name.clone();
        async move {
            if paced {
                tokio::time::sleep(PACE).await;
            }
            let at = if resync { seen } else { live.next(topic, seen).await? };
            let event = Event::default().event(name).id(live.id_of(at)).data("changed");
            Some((Ok::<_, Infallible>(event), (live, at, false, true)))
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_while_away_is_told_on_return() {
        let live = Live::new(1);
        let clip = Topic::Clip(ClipId::generate(5));
        let id = live.id();
        live.tell(&[Topic::Station]);
        live.tell(&[clip, Topic::Clips]);
        let seen = live.position(&id).unwrap();
        assert_eq!(live.next(Topic::Station, seen).await, Some(1));
        assert_eq!(live.next(clip, seen).await, Some(2));
        assert_eq!(live.news(Topic::Clip(ClipId::generate(6)), seen), None);
        assert_eq!(Live::new(2).position(&id), None, "an id of another run");
        assert_eq!(Topic::parse(&clip.name()), Some(clip));
        assert_eq!(Topic::parse("clip:../x"), None);
    }

    #[tokio::test]
    async fn forgetting_errs_towards_telling() {
        let live = Live::new(1);
        let first = ClipId::generate(1);
        live.tell(&[Topic::Clip(first)]);
        let many: Vec<_> = (0..=REMEMBERED as i64).map(|n| Topic::Clip(ClipId::generate(n))).collect();
        live.tell(&many);
        assert_eq!(live.news(Topic::Clip(first), 0), Some(2));
        assert_eq!(live.news(Topic::Station, 0), None);
    }

    #[tokio::test]
    async fn closing_ends_the_wait() {
        let live = Live::new(1);
        let waiting = live.next(Topic::Station, 0);
        live.close();
        assert_eq!(waiting.await, None);
    }
}
