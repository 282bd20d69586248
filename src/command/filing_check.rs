//! The filing check (归档检查) compares the data of each clip of a case that is put to filing, with what was sealed: one clip
//! after another, in the order in which checks began. What was compared is stored with each clip, so that a restart goes on
//! where it was; that the sign-off may go by it is decided in `domain::filing`.

use std::sync::Arc;
use std::time::Duration;

use super::comparing::{Found, Untold};
use super::desk::Desk;
use crate::domain::command::Caller;
use crate::domain::error::chain;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::filing::{ClipCompared, Compared, Outcome};
use crate::runtime::supervise::TaskContext;
use crate::store::{Change, FilingRule, StoreError, ToCompare};

/// Looked for so often, besides when something changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const DAY_MS: i64 = 86_400_000;

impl Desk {
    /// What a case must be to be filed.
    pub(super) fn filing_rule(&self) -> FilingRule {
        FilingRule { allowed: self.allowed, compared_ms: i64::from(self.keeping.compared_days) * DAY_MS }
    }

    /// Compares one clip, and stores what came of it.
    async fn compare_for_filing(&self, due: &ToCompare) -> Result<(), StoreError> {
        let (clip, filing) = (due.clip, due.filing);
        let rule = self.filing_rule();
        let now = self.clock.now().0;
        let newest = self.store.read(move |r| r.compared(clip)).await?;
        let is_fresh = |c: &Option<Compared>| c.as_ref().is_some_and(|c| now - c.at_ms <= rule.compared_ms);
        let read_back = !is_fresh(&newest);
        let caller = Caller::new(Actor::daemon(), "daemon", "local");
        let found =
            match self.comparing().compare(&caller, clip, |evicted| evicted && read_back, &Arc::new(Untold)).await {
                Ok(Some(found)) => found,
                // It was never sealed, and waits for that: the next look leaves it out.
                Ok(None) => return Ok(()),
                Err(StoreError::Closed) => return Err(StoreError::Closed),
                Err(e) => unknown(chain(&e)),
            };
        let cloud = self.store.read(move |r| r.compared(clip)).await?;
        let unreached = found.local == "evicted" && !is_fresh(&cloud);
        let compared = ClipCompared {
            at_ms: self.clock.now().0,
            outcome: outcome(&found, unreached),
            local: found.local.to_owned(),
            log: found.log.to_owned(),
            record: found.record.to_owned(),
            cloud,
            detail: found.detail.clone().or_else(|| of_copies(&found)),
        };
        let event = found
            .tell(Draft::daemon(EventKind::Verified), clip)
            .fact("filing", filing)
            .fact("asked_by", due.begun_by.as_str());
        self.store.write(move |tx| tx.clip_compared(filing, clip, &compared, &event)).await
    }
}

/// A clip that could not even be looked at.
fn unknown(detail: String) -> Found {
    let word = "unreadable";
    Found { local: word, log: word, record: word, copies: Vec::new(), detail: Some(detail), bad: true }
}

fn outcome(found: &Found, unreached: bool) -> Outcome {
    match (found.bad, unreached) {
        (true, _) => Outcome::Differs,
        (false, true) => Outcome::Unreached,
        (false, false) => Outcome::Same,
    }
}

/// What is wrong with its copies, where something is.
fn of_copies(found: &Found) -> Option<String> {
    let words: Vec<String> = found
        .copies
        .iter()
        .filter(|c| c["result"] != "same")
        .filter_map(|c| Some(format!("{}: {}", c["destination"].as_str()?, c["detail"].as_str()?)))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Compares what waits, until it is told to stop.
pub(super) async fn run(context: TaskContext, desk: Arc<Desk>) -> Result<(), StoreError> {
    let mut news = desk.store.changes();
    loop {
        context.heart.beat();
        let Some(due) = desk.store.read(|r| r.next_to_compare()).await? else {
            tokio::select! {
                () = context.cancel.cancelled() => return Ok(()),
                () = something(&mut news) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            continue;
        };
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            done = desk.compare_for_filing(&due) => done?,
        }
    }
}

/// Waits until a case changed: a check may have begun, or a clip may have come to one.
async fn something(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match news.recv().await {
            Ok(Change::Cases | Change::Isolated) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_outweighs_what_could_not_be_reached() {
        let copies = vec![
            json!({ "destination": "far", "result": "unreachable", "detail": "timed out" }),
            json!({ "destination": "near", "result": "same", "detail": null }),
        ];
        let found = Found { bad: false, detail: None, copies, ..unknown(String::new()) };
        assert_eq!(outcome(&found, false), Outcome::Same);
        assert_eq!(outcome(&found, true), Outcome::Unreached);
        assert_eq!(of_copies(&found).as_deref(), Some("far: timed out"));
        assert_eq!(outcome(&unknown("x".into()), true), Outcome::Differs);
    }
}
