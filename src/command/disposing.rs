//! `evidock dispose`: what is due for disposal after appraisal (鉴定销毁), lists that one person proposes and another one
//! confirms; both ends of it. What carries a confirmed list out is `deliver::dispose`.

use serde_json::{Value, json};

use super::ask;
use super::desk::{Answer, Desk, draft};
use super::exit::Exit;
use super::find::store;
use super::keeping::reason;
use super::looking;
use super::output::{Output, size};
use crate::cli::DisposeVerb;
use crate::config::Settings;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::disposal::DisposalAsk;
use crate::domain::event::EventKind;
use crate::domain::ids::{ClipId, IdError};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::runtime::clock::wall;
use crate::store::{DisposalItem, DisposalRow};

/// Clips of one list.
const MOST: usize = 1_000;
/// Clips that are shown as due.
const SHOWN: usize = 1_000;

impl Desk {
    pub(super) async fn disposal(&self, caller: &Caller, ask: DisposalAsk) -> Answer {
        match ask {
            DisposalAsk::Propose { clips, opinion, basis } => {
                let (opinion, basis) = match (reason(&opinion), reason(&basis)) {
                    (Ok(opinion), Ok(basis)) => (opinion, basis),
                    (Err(refused), _) | (_, Err(refused)) => return Ok(refused),
                };
                let ids: Result<Vec<ClipId>, IdError> = clips.iter().map(|c| c.parse()).collect();
                let mut ids = match ids {
                    Ok(ids) => ids,
                    Err(e) => return Ok(Reply::refused("invalid", e)),
                };
                ids.sort_unstable();
                ids.dedup();
                if ids.is_empty() || ids.len() > MOST {
                    return Ok(Reply::refused("invalid", Why::ListLength { most: MOST as u64 }));
                }
                let (asked, unlinked_ms, n) = (draft(EventKind::DisposalAsked, caller), self.unlinked_ms, ids.len());
                let disposal = self
                    .store
                    .write(move |tx| tx.propose_disposal(&ids, (&opinion, &basis), unlinked_ms, asked))
                    .await?;
                Ok(Reply::Done(json!({ "disposal": disposal, "state": "asked", "clips": n })))
            }
            DisposalAsk::Decide { disposal, yes } => {
                let decided = draft(EventKind::DisposalDecided, caller);
                let state = self.store.write(move |tx| tx.decide_disposal(disposal, yes, decided)).await?;
                Ok(Reply::Done(json!({ "disposal": disposal, "state": state.as_str() })))
            }
        }
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock dispose`.
pub fn dispose(verb: &DisposeVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let request = match verb {
        DisposeVerb::Due => return due(settings, output),
        DisposeVerb::List { disposal: None } => return lists(settings, output),
        DisposeVerb::List { disposal: Some(disposal) } => return one(*disposal, settings, output),
        DisposeVerb::Propose { clips, all_due, opinion, basis } => {
            let clips = match all_due {
                false => clips.clone(),
                true => due_now(settings)?.into_iter().map(|d| d.clip.to_string()).collect(),
            };
            DisposalAsk::Propose { clips, opinion: opinion.clone(), basis: basis.clone() }
        }
        DisposeVerb::Confirm { disposal } => DisposalAsk::Decide { disposal: *disposal, yes: true },
        DisposeVerb::Refuse { disposal } => DisposalAsk::Decide { disposal: *disposal, yes: false },
    };
    let answer = ask::request(settings, &Request::Disposal { ask: request })?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        let state = answer["state"].as_str().unwrap_or_default();
        output.line(&w.disposal_line(answer["disposal"].as_i64().unwrap_or_default(), state))?;
    }
    Ok(Exit::Ok)
}

fn due_now(settings: &Settings) -> anyhow::Result<Vec<crate::store::DueRow>> {
    let (unlinked_ms, now_ms) = (settings.retention.rule.unlinked_ms, wall().0);
    Ok(store(settings)?.read_blocking(|r| r.disposal_due(unlinked_ms, now_ms, None, SHOWN))?)
}

fn due(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    looking::list(settings, "disposal")?;
    let (w, due) = (output.words(settings.station.language), due_now(settings)?);
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    if output.is_json() {
        let told = due.iter().map(|d| {
            json!({ "clip": d.clip.to_string(), "over_since": at(d.over_ms), "size_bytes": d.size_bytes, "cases": d.cases })
        });
        output.json(&told.collect::<Vec<_>>())?;
    } else if due.is_empty() {
        output.note(w.keeping().nothing_due);
    } else {
        let rows: Vec<Vec<String>> = due
            .iter()
            .map(|d| vec![d.clip.to_string(), at(d.over_ms), size(d.size_bytes), d.cases.join(", ")])
            .collect();
        output.table(&[w.col_record, w.keeping().over_since, w.col_size, w.col_case], &rows, &[2])?;
    }
    Ok(Exit::Ok)
}

fn list_json(d: &DisposalRow, settings: &Settings) -> Value {
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    json!({
        "disposal": d.disposal, "state": d.state.as_str(), "opinion": d.opinion, "basis": d.basis, "asked_by": d.asked_by,
        "asked_at": at(d.asked_ms), "decided_by": d.second.as_ref().map(|(by, _)| by.clone()),
        "decided_at": d.second.as_ref().map(|(_, ms)| at(*ms)), "ended_at": d.ended_ms.map(at),
    })
}

fn item_json(i: &DisposalItem, settings: &Settings) -> Value {
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    json!({
        "clip": i.clip.to_string(), "state": i.state, "why": i.why, "over_since": at(i.over_ms), "size_bytes": i.size_bytes,
        "sha256": i.digests.0, "blake3": i.digests.1, "file_name": i.file_name, "cases": i.cases, "log_intended": i.intent_seq,
        "log_gone": i.gone.map(|(_, seq)| seq), "gone_at": i.gone.map(|(ms, _)| at(ms)),
        "copies": i.copies.iter().map(|c| json!({
            "destination": c.destination, "stands": !c.removed, "locked_until": c.until_ms.map(at), "why": c.why,
        })).collect::<Vec<_>>(),
    })
}

fn lists(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    looking::list(settings, "disposal")?;
    let w = output.words(settings.station.language);
    let all = store(settings)?.read_blocking(|r| r.disposals(200))?;
    if output.is_json() {
        output.json(&all.iter().map(|d| list_json(d, settings)).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        output.note(w.keeping().no_lists);
    } else {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|d| {
                let second = d.second.as_ref().map(|(by, _)| by.clone()).unwrap_or_default();
                let state = w.disposal_state(d.state.as_str()).to_owned();
                vec![d.disposal.to_string(), state, d.opinion.clone(), d.asked_by.clone(), second]
            })
            .collect();
        output.table(
            &["#", w.col_state, w.keeping().opinion, w.keeping().asked_by, w.keeping().second_by],
            &rows,
            &[0],
        )?;
    }
    Ok(Exit::Ok)
}

fn one(disposal: i64, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    looking::list(settings, "disposal")?;
    let w = output.words(settings.station.language);
    let (list, items) = store(settings)?.read_blocking(|r| Ok((r.disposal(disposal)?, r.disposal_items(disposal)?)))?;
    if output.is_json() {
        let mut told = list_json(&list, settings);
        told["items"] = items.iter().map(|i| item_json(i, settings)).collect();
        output.json(&told)?;
    } else {
        output.line(&w.disposal_line(disposal, list.state.as_str()))?;
        let rows: Vec<Vec<String>> = items
            .iter()
            .map(|i| {
                let state = w.disposal_item(&i.state).to_owned();
                let copies: Vec<String> =
                    i.copies.iter().map(|c| w.copy_fate(c.removed, &c.destination, &c.why)).collect();
                vec![i.clip.to_string(), state, i.digests.0.clone(), copies.join("; ")]
            })
            .collect();
        output.table(&[w.col_record, w.col_state, "SHA-256", w.keeping().copies_elsewhere], &rows, &[])?;
    }
    Ok(Exit::Ok)
}
