//! The desk's part that keeps things as they are: holds, and clips that are suspected classified. What is placed by one
//! person is released by two.

use serde_json::{Value, json};

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::domain::command::{Caller, Reply};
use crate::domain::event::EventKind;
use crate::domain::export::{ExportState, Target};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::why::Why;
use crate::store::{IsolatedPackage, Standing};

/// A reason as it is kept; why it is refused where it is none.
pub(super) fn reason(text: &str) -> Result<String, Reply> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Reply::refused("invalid", Why::GiveReason {}));
    }
    match text.chars().count() {
        n if n > MAX_VALUE_CHARS => {
            Err(Reply::refused("invalid", Why::TooManyChars { n: n as u64, most: MAX_VALUE_CHARS as u64 }))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Either the reason of whoever asks, or the word of another person.
enum Step {
    Ask(String),
    Confirm,
    Refuse,
}

fn step(why: Option<String>, (confirm, refuse): (bool, bool)) -> Result<Step, Reply> {
    match (why, confirm, refuse) {
        (None, true, false) => Ok(Step::Confirm),
        (None, false, true) => Ok(Step::Refuse),
        (Some(why), false, false) => Ok(Step::Ask(reason(&why)?)),
        _ => Err(Reply::refused("invalid", Why::OneAsks {})),
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
        (why, basis): (&str, Option<String>),
    ) -> Answer {
        let why = match reason(why) {
            Ok(why) => why,
            Err(refused) => return Ok(refused),
        };
        let basis = basis.map(|b| b.trim().to_owned()).filter(|b| !b.is_empty());
        if basis.as_ref().is_some_and(|b| b.chars().count() > MAX_VALUE_CHARS) {
            return Ok(Reply::refused("invalid", Why::TextTooLong { most: MAX_VALUE_CHARS as u64 }));
        }
        let asked = draft(EventKind::Hold, caller);
        match (clip, case_no) {
            (Some(clip), None) => {
                let clip: ClipId = clip.parse()?;
                let hold = self.store.write(move |tx| tx.hold_clip(clip, &why, basis.as_deref(), asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "clip": clip.to_string(), "clips": 1 })))
            }
            (None, Some(typed)) => {
                let number = match self.number(&typed) {
                    Ok(number) => number,
                    Err(why) => return Ok(Reply::refused("invalid", why)),
                };
                let (hash, display, key) =
                    (layout::case_hash(number.key()), number.display().to_owned(), number.key().to_owned());
                let Some(case) = self.store.read(move |r| r.case_id(&key)).await? else {
                    return Ok(Reply::refused("not_found", Why::NeverLinked { case_no: display }));
                };
                let (hold, clips) =
                    self.store.write(move |tx| tx.hold_case(case, &hash, (&why, basis.as_deref()), asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "case_no": display, "clips": clips })))
            }
            _ => Ok(Reply::refused("invalid", Why::ClipOrCase {})),
        }
    }

    pub(super) async fn unhold(
        &self,
        caller: &Caller,
        hold: i64,
        why: Option<String>,
        confirm_or_refuse: (bool, bool),
    ) -> Answer {
        let asked = draft(EventKind::Hold, caller);
        match step(why, confirm_or_refuse) {
            Err(refused) => Ok(refused),
            Ok(Step::Ask(why)) => {
                self.store.write(move |tx| tx.ask_unhold(hold, &why, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "released": false })))
            }
            Ok(Step::Refuse) => {
                self.store.write(move |tx| tx.refuse_unhold(hold, asked)).await?;
                Ok(Reply::Done(json!({ "hold": hold, "released": false, "refused": true })))
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
        let (isolated, standing, packages) = self
            .store
            .write(move |tx| {
                let isolated = tx.isolate(clip, &why, &asked)?;
                let mut standing = Vec::new();
                for one in isolated.iter().chain(if isolated.contains(&clip) { None } else { Some(&clip) }) {
                    standing.push((*one, tx.read().standing(*one)?));
                }
                let its =
                    |package: &IsolatedPackage| package.clips.iter().any(|one| *one == clip || isolated.contains(one));
                let packages: Vec<_> = tx.read().isolated_packages()?.into_iter().filter(its).collect();
                Ok((isolated, standing, packages))
            })
            .await?;
        tracing::warn!(%clip, clips = isolated.len(), "suspected classified: isolated; nothing of it goes out or is shown");
        let standing = standing.iter().map(|(clip, at)| {
            json!({ "clip": clip.to_string(), "standing": at.iter().map(standing_now).collect::<Vec<_>>() })
        });
        let isolated: Vec<String> = isolated.iter().map(ToString::to_string).collect();
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "isolated": isolated, "clips": standing.collect::<Vec<_>>(),
                "packages": packages.iter().map(|package| self.package_now(package)).collect::<Vec<_>>(), "call": self.keeping.responsible })))
    }

    /// A package that holds what was isolated: how far it is, and where it stands.
    fn package_now(&self, package: &IsolatedPackage) -> Value {
        let row = package.row.as_ref();
        let key = row.and_then(|row| match (&row.target, row.state) {
            (Target::At(_), ExportState::Ready) => Some(layout::export(&self.policy.station, &package.package)),
            _ => None,
        });
        json!({
            "package": package.package, "state": row.map_or("written", |row| row.state.as_str()),
            "target": row.map(|row| row.target.to_word()), "key": key, "discs": row.map(|row| row.discs), "taken": package.taken,
        })
    }

    pub(super) async fn lift(
        &self,
        caller: &Caller,
        clip: &str,
        why: Option<String>,
        confirm_or_refuse: (bool, bool),
    ) -> Answer {
        let clip: ClipId = clip.parse()?;
        let asked = draft(EventKind::IsolationLifted, caller);
        let lifted = match step(why, confirm_or_refuse) {
            Err(refused) => return Ok(refused),
            Ok(Step::Ask(why)) => {
                self.store.write(move |tx| tx.ask_lift(clip, &why, asked)).await?;
                Vec::new()
            }
            Ok(Step::Refuse) => {
                self.store.write(move |tx| tx.refuse_lift(clip, asked)).await?;
                Vec::new()
            }
            Ok(Step::Confirm) => self.store.write(move |tx| tx.lift(clip, asked)).await?,
        };
        let lifted: Vec<String> = lifted.iter().map(ToString::to_string).collect();
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "lifted": lifted })))
    }
}
