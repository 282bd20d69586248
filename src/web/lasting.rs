//! Answers that last: streams of events, video, packages on their way. Whoever takes one was let in when they asked; it ends
//! within seconds when they would not be let in any more: their session was ended or is over, the account disabled, its role
//! another one, the token revoked, the time for which they have access over, the clip isolated or no longer sent to them.
//!
//! Nothing is asked for a stretch of bytes. A bell rings when anything about accounts changes, and every few seconds there is a
//! look: who it is stands in memory (`access`), how a clip stands to them is one read. Nothing is given out during a look.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::site::Site;
use super::who::{Who, recognise};
use crate::access::Signed;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision};

/// What no bell tells (time that runs out, a clip that is isolated) is seen by then.
const LOOK: Duration = Duration::from_secs(3);

/// Whoever takes an answer or gives a file, as they were let in.
pub(super) struct Taker {
    site: Arc<Site>,
    who: Who,
    /// What they showed of themselves: their cookies and token.
    shown: HeaderMap,
    /// What they do, to which clip.
    over: Option<(Action, ClipId)>,
}

impl Taker {
    /// Somebody who was let in; `None` where nobody is known, from whom nothing can be taken.
    pub fn of(site: &Arc<Site>, who: &Who, headers: &HeaderMap, over: Option<(Action, ClipId)>) -> Option<Self> {
        if matches!(who, Who::Nobody) {
            return None;
        }
        let mut shown = HeaderMap::new();
        for name in [header::AUTHORIZATION, header::COOKIE] {
            for value in headers.get_all(&name) {
                shown.append(name.clone(), value.clone());
            }
        }
        Some(Self { site: Arc::clone(site), who: who.clone(), shown, over })
    }

    /// Waits until they would not be let in any more.
    pub async fn shut_out(&self) {
        let mut bell = self.bell();
        loop {
            tokio::select! {
                () = rung(&mut bell) => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if !self.goes_on(true).await {
                return;
            }
        }
    }

    fn bell(&self) -> Option<watch::Receiver<u64>> {
        self.site.door.access.as_ref().map(|access| access.changes())
    }

    /// Whether they would be let in again. `active`: they take something, which keeps their session going.
    async fn goes_on(&self, active: bool) -> bool {
        let Ok(now) = recognise(&self.site, &self.shown, active).await else { return false };
        let is_same = match (&self.who, &now) {
            (Who::Open, Who::Open) => true,
            (Who::Signed { signed: then, .. }, Who::Signed { signed: now, .. }) => {
                then.actor == now.actor && then.roles == now.roles && then.scopes == now.scopes
            }
            _ => false,
        };
        let Some((action, clip)) = self.over.filter(|_| is_same) else { return is_same };
        let signed = now.signed();
        match self.site.pages.standing(clip, signed.map_or(0, |s| s.account)).await {
            Ok(Some(standing)) => {
                let may =
                    |signed: &Arc<Signed>| matches!(signed.decide(action, &standing.subject), Decision::Allowed { .. });
                !standing.isolated && signed.is_none_or(may)
            }
            Ok(None) => false,
            // A store that cannot be read can take nothing of anybody, either; the next look asks again.
            Err(_) => true,
        }
    }
}

/// Waits for the bell; for ever where there is none.
async fn rung(bell: &mut Option<watch::Receiver<u64>>) {
    // The bell is there as long as the site is, which whoever waits holds.
    if let Some(bell) = bell
        && bell.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Bounds an answer to whoever takes it. What is whole in memory is on its way at once; what comes by and by ends when they are
/// shut out: events like any stream that is over, a file with a broken connection, so that nobody takes a part for the whole.
pub(super) fn bound(response: Response, taker: Option<Taker>) -> Response {
    let Some(taker) = taker.filter(|_| response.body().size_hint().exact().is_none()) else { return response };
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let is_events = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let (parts, body) = response.into_parts();
    let lasting = Lasting {
        bell: taker.bell(),
        taker,
        chunks: body.into_data_stream(),
        look: Box::pin(tokio::time::sleep(LOOK)),
        is_events,
        is_over: false,
    };
    let chunks = stream::unfold(Some(lasting), |lasting| async move {
        let mut lasting = lasting?;
        let some = lasting.next().await?;
        Some((some, (!lasting.is_over).then_some(lasting)))
    });
    Response::from_parts(parts, Body::from_stream(chunks))
}

/// An answer that comes by and by.
struct Lasting {
    taker: Taker,
    chunks: BodyDataStream,
    bell: Option<watch::Receiver<u64>>,
    look: Pin<Box<Sleep>>,
    is_events: bool,
    is_over: bool,
}

impl Lasting {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        while !self.is_over {
            tokio::select! {
                biased;
                () = rung(&mut self.bell) => {}
                () = self.look.as_mut() => {}
                some = self.chunks.next() => return some,
            }
            self.look.as_mut().reset(Instant::now() + LOOK);
            // A page that listens does not keep its session going; whoever takes a file does.
            self.is_over = !self.taker.goes_on(!self.is_events).await;
        }
        let shut_out = || axum::Error::new(io::Error::new(io::ErrorKind::PermissionDenied, "no longer let in"));
        (!self.is_events).then(|| Err(shut_out()))
    }
}
