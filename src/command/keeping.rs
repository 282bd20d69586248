//! The desk's part that keeps things as they are: holds, and clips that are suspected classified. What is placed by one
//! person is released by two.

use serde_json::{Value, json};

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::domain::command::{Caller, Reply};
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::store::Standing;

/// A reason as it is kept; why it is refused where it is none.
fn reason(text: &str) -> Result<String, Reply> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Reply::refused("invalid", "give a reason; it is kept in the log"));
    }
    match text.chars().count() {
        n if n > MAX_VALUE_CHARS => {
            Err(Reply::refused("invalid", format!("{n} characters are too many; at most {MAX_VALUE_CHARS}")))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Either the reason of whoever asks, or the confirmation of another person.
enum Step {
    Ask(String),
    Confirm,
}

fn step(why: Option<String>, confirm: bool) -> Result<Step, Reply> {
    match (why, confirm) {
        (None, true) => Ok(Step::Confirm),
        (Some(why), false) => Ok(Step::Ask(reason(&why)?)),
        _ => Err(Reply::refused(
            "invalid",
            "one person asks and gives a reason (--reason), another one confirms (--confirm)",
        )),
    }
}

fn standing_now(standing: &Standing) -> Value {
    json!({
        "destination": standing.destination, "state": standing.state, "bytes": standing.bytes, "records": standing.records,
        "locked_until_ms": standing.locked_until_ms, "legal_hold": standing.legal_hold,
    })
}

impl Desk {
    pub(super) async fn hold(
        &self,
        caller: &Caller,
        clip: Option<String>,
        case_no: Option<String>,
        why: &str,
    ) -> Answer {
        let why = match reason(why) {
            Ok(why) => why,
            Err(refused) => return Ok(refused),
        };
        let asked = draft(EventKind::Hold, caller);
        match (clip, case_no) {
            (Some(clip), None) => {
                let clip: ClipId = clip.parse()?;
                let hold = self.store.write(move |tx| tx.hold_clip(clip, &why, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "clip": clip.to_string(), "clips": 1 })))
            }
            (None, Some(typed)) => {
                let number = match self.number(&typed) {
                    Ok(number) => number,
                    Err(words) => return Ok(Reply::refused("invalid", words)),
                };
                let (hash, display, key) =
                    (layout::case_hash(number.key()), number.display().to_owned(), number.key().to_owned());
                let Some(case) = self.store.read(move |r| r.case_id(&key)).await? else {
                    let words = format!(
                        "no clip was ever linked to {display} on this station; link one first, or hold single clips"
                    );
                    return Ok(Reply::refused("not_found", words));
                };
                let (hold, clips) = self.store.write(move |tx| tx.hold_case(case, &hash, &why, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "case_no": display, "clips": clips })))
            }
            _ => Ok(Reply::refused("invalid", "name a clip, or a case, and not both")),
        }
    }

    pub(super) async fn unhold(&self, caller: &Caller, hold: i64, why: Option<String>, confirm: bool) -> Answer {
        let asked = draft(EventKind::Hold, caller);
        match step(why, confirm) {
            Err(refused) => Ok(refused),
            Ok(Step::Ask(why)) => {
                self.store.write(move |tx| tx.ask_unhold(hold, &why, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "released": false })))
            }
            Ok(Step::Confirm) => {
                let clips = self.store.write(move |tx| tx.unhold(hold, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "released": true, "clips": clips })))
            }
        }
    }

    pub(super) async fn isolate(&self, caller: &Caller, clip: &str, why: &str) -> Answer {
        let clip: ClipId = clip.parse()?;
        let why = match reason(why) {
            Ok(why) => why,
            Err(refused) => return Ok(refused),
        };
        let asked = draft(EventKind::Isolated, caller);
        let (isolated, standing) = self
            .store
            .write(move |tx| {
                let isolated = tx.isolate(clip, &why, &asked)?;
                let mut standing = Vec::new();
                for one in isolated.iter().chain(if isolated.contains(&clip) { None } else { Some(&clip) }) {
                    standing.push((*one, tx.read().standing(*one)?));
                }
                Ok((isolated, standing))
            })
            .await?;
        tracing::warn!(%clip, clips = isolated.len(), "suspected classified: isolated; nothing of it goes out or is shown");
        let standing = standing.iter().map(|(clip, at)| {
            json!({ "clip": clip.to_string(), "standing": at.iter().map(standing_now).collect::<Vec<_>>() })
        });
        let isolated: Vec<String> = isolated.iter().map(ToString::to_string).collect();
        Ok(Reply::Done(
            json!({ "clip": clip.to_string(), "isolated": isolated, "clips": standing.collect::<Vec<_>>() }),
        ))
    }

    pub(super) async fn lift(&self, caller: &Caller, clip: &str, why: Option<String>, confirm: bool) -> Answer {
        let clip: ClipId = clip.parse()?;
        let asked = draft(EventKind::IsolationLifted, caller);
        let lifted = match step(why, confirm) {
            Err(refused) => return Ok(refused),
            Ok(Step::Ask(why)) => {
                self.store.write(move |tx| tx.ask_lift(clip, &why, asked)).await?;
                Vec::new()
            }
            Ok(Step::Confirm) => self.store.write(move |tx| tx.lift(clip, asked)).await?,
        };
        let lifted: Vec<String> = lifted.iter().map(ToString::to_string).collect();
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "lifted": lifted })))
    }
}
