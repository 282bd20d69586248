//! What people ask about sending: clips pushed to the front, footage held back and let go on.

use serde_json::json;

use super::desk::{Answer, Desk, draft};
use super::recorders::coming;
use crate::domain::command::{Caller, Reply};
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};
use crate::store::StoreError;

impl Desk {
    /// Clips go before all others: one, or those of a case that are not proven yet.
    pub(super) async fn push(&self, caller: &Caller, clip: Option<String>, case_no: Option<String>) -> Answer {
        let mut asked = draft(EventKind::Pushed, caller);
        let clips: Vec<ClipId> = match (clip, case_no) {
            (Some(clip), None) => vec![clip.parse()?],
            (None, Some(typed)) => {
                let number = match self.number(&typed) {
                    Ok(number) => number,
                    Err(why) => return Ok(Reply::refused("invalid", why)),
                };
                asked.case = Some(layout::case_hash(number.key()));
                let key = number.key().to_owned();
                let clips = self.store.read(move |r| r.unproven_of_case(&key)).await?;
                if clips.is_empty() {
                    let case_no = number.display().to_owned();
                    return Ok(Reply::refused("not_found", Why::NothingWaits { case_no }));
                }
                clips
            }
            _ => return Ok(Reply::refused("invalid", Why::ClipOrCase {})),
        };
        let count = clips.len();
        self.store.write(move |tx| tx.push(&clips, &asked)).await?;
        Ok(Reply::Done(json!({ "clips": count })))
    }

    /// Footage is held back.
    pub(super) async fn pause_sending(
        &self,
        caller: &Caller,
        destination: Option<String>,
        until: Option<String>,
    ) -> Answer {
        self.known(destination.as_deref())?;
        let typed = until.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let now_ms = self.clock.now().0;
        let until_ms = match typed.map(|t| coming(&t, &self.policy.zone, now_ms, Thing::Until)).transpose() {
            Ok(until_ms) => until_ms,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let (asked, name) = (draft(EventKind::Paused, caller), destination.clone());
        self.store.write(move |tx| tx.pause_sending(name.as_deref(), until_ms, asked)).await?;
        let until = until_ms.map(|ms| UtcMs(ms).rfc3339_in(&self.policy.zone));
        Ok(Reply::Done(json!({ "destination": destination, "until": until })))
    }

    /// Footage goes on.
    pub(super) async fn resume_sending(&self, caller: &Caller, destination: Option<String>) -> Answer {
        self.known(destination.as_deref())?;
        let (asked, name) = (draft(EventKind::Resumed, caller), destination.clone());
        let names = self.remotes.iter().map(|dest| dest.name().to_string());
        let others: Vec<String> = names.filter(|other| Some(other) != destination.as_ref()).collect();
        self.store.write(move |tx| tx.resume_sending(name.as_deref(), &others, asked)).await?;
        Ok(Reply::Done(json!({ "destination": destination })))
    }

    fn known(&self, destination: Option<&str>) -> Result<(), StoreError> {
        let known: Vec<String> = self.remotes.iter().map(|dest| dest.name().to_string()).collect();
        match destination {
            Some(name) if !known.iter().any(|known| known == name) => {
                Err(StoreError::NotFound(Why::NoDestination { name: name.to_owned(), known }))
            }
            _ => Ok(()),
        }
    }

    /// The lines to all destinations as they are now, for `evidock status`.
    pub(super) fn lines_now(&self) -> serde_json::Value {
        let lines = self.board.lines().into_iter().map(|(name, line)| {
            let told = json!({
                "circuit": line.circuit, "rests_ms": line.rests_ms, "parts": line.parts, "window": line.window,
                "ceiling_bytes_per_s": line.ceiling, "shut": line.shut, "requests": line.requests, "again_bytes": line.again_bytes,
            });
            (name, told)
        });
        lines.collect::<serde_json::Map<_, _>>().into()
    }
}
