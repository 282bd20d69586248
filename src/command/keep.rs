//! `evidock hold`, `unhold`, `holds`, `isolate`, `lift`: what is placed by one person and released by two.

use serde_json::{Value, json};

use super::ask;
use super::exit::Exit;
use super::find::store;
use super::looking;
use super::output::{Output, size};
use crate::cli::Verb;
use crate::config::Settings;
use crate::domain::clip::Delivery;
use crate::domain::command::Request;
use crate::domain::time::UtcMs;
use crate::domain::words::Words;

/// Carries one of these verbs out.
pub fn keep(verb: &Verb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let request = match verb {
        Verb::Hold(h) => Request::Hold {
            clip: h.clip.clone(),
            case_no: h.case_no.clone(),
            reason: h.reason.clone(),
            basis: h.basis.clone(),
        },
        Verb::Unhold(u) => {
            Request::Unhold { hold: u.hold, reason: u.reason.clone(), confirm: u.confirm, refuse: u.refuse }
        }
        Verb::Isolate(i) => Request::Isolate { clip: i.clip.clone(), reason: i.reason.clone() },
        Verb::Lift(l) => {
            Request::Lift { clip: l.clip.clone(), reason: l.reason.clone(), confirm: l.confirm, refuse: l.refuse }
        }
        _ => return holds(settings, output, w),
    };
    let answer = ask::request(settings, &request)?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| answer[key].as_i64().unwrap_or_default();
    match verb {
        Verb::Hold(_) => output.line(&w.held_line(number("hold"), number("clips") as u64))?,
        Verb::Unhold(u) if u.confirm => output.line(&w.released_line(u.hold, number("clips") as u64))?,
        Verb::Unhold(u) if u.refuse => output.line(w.keeping().release_refused)?,
        Verb::Unhold(u) => output.line(&w.release_asked_line(u.hold))?,
        Verb::Lift(l) if l.confirm => output.line(&w.lifted_line(&l.clip))?,
        Verb::Lift(l) if l.refuse => output.line(w.keeping().lift_refused)?,
        Verb::Lift(l) => output.line(&w.lift_asked_line(&l.clip))?,
        _ => isolated(&answer, &text("clip"), settings, output, w)?,
    }
    Ok(Exit::Ok)
}

/// Says what is isolated, and what of it stands elsewhere already, destination by destination.
fn isolated(answer: &Value, clip: &str, settings: &Settings, output: &Output, w: &Words) -> anyhow::Result<()> {
    let all: Vec<&str> = answer["isolated"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    output.line(&w.isolated_line(clip, all.iter().filter(|one| **one != clip).count() as u64))?;
    let mut stands = false;
    for one in answer["clips"].as_array().into_iter().flatten() {
        for at in one["standing"].as_array().into_iter().flatten() {
            let (bytes, records) = (at["bytes"].as_u64().unwrap_or(0), at["records"].as_u64().unwrap_or(0));
            if bytes == 0 && records == 0 {
                continue;
            }
            stands = true;
            let state = at["state"].as_str().and_then(Delivery::parse).map_or("", |state| w.delivery(state));
            let locked = at["locked_until_ms"].as_i64().map(|ms| UtcMs(ms).rfc3339_in(&settings.station.zone));
            let (clip, place) =
                (one["clip"].as_str().unwrap_or_default(), at["destination"].as_str().unwrap_or_default());
            output.line(&w.stands_line(clip, place, state, &size(bytes), records, locked.as_deref()))?;
        }
    }
    output.line(if stands { w.stands_decide } else { w.stands_nowhere })?;
    for package in answer["packages"].as_array().into_iter().flatten() {
        let id = package["package"].as_str().unwrap_or_default();
        let place = match (package["state"].as_str(), package["target"].as_str()) {
            (Some("written"), _) => Some(w.package_written_elsewhere().to_owned()),
            (Some("ready"), Some("station")) => Some(settings.export.dir.join(id).display().to_string()),
            (Some("ready"), Some(target)) => package["key"].as_str().map(|key| format!("{target} {key}")),
            _ => None,
        };
        let taken = package["taken"].as_u64().unwrap_or(0);
        output.line(&w.package_stands_line(id, place.as_deref(), taken))?;
    }
    if let Some(call) = answer["call"].as_str() {
        output.line(&w.call_line(call))?;
    }
    Ok(())
}

fn holds(settings: &Settings, output: &Output, w: &Words) -> anyhow::Result<Exit> {
    looking::list(settings, "keeping")?;
    let (holds, isolations) = store(settings)?.read_blocking(|r| {
        let isolated = r.isolated_clips()?.into_iter().filter_map(|clip| r.isolation(clip).transpose());
        Ok((r.holds()?, isolated.collect::<Result<Vec<_>, crate::store::StoreError>>()?))
    })?;
    let when = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    if output.is_json() {
        output.json(&json!({
            "holds": holds.iter().map(|h| json!({
                "hold": h.hold, "clip": h.clip.map(|c| c.to_string()), "case_no": h.case_no, "clips": h.clips, "reason": h.reason, "basis": h.basis,
                "placed_by": h.placed_by, "placed_at": when(h.placed_ms), "release_asked_by": h.asked_by, "release_reason": h.asked_why,
            })).collect::<Vec<_>>(),
            "isolated": isolations.iter().map(|i| json!({
                "clip": i.clip.to_string(), "reason": i.reason, "placed_by": i.placed_by, "placed_at": when(i.placed_ms),
                "lift_asked_by": i.asked_by, "lift_reason": i.asked_why,
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Ok);
    }
    if holds.is_empty() && isolations.is_empty() {
        output.note(w.no_holds);
    }
    if !holds.is_empty() {
        let rows: Vec<Vec<String>> = holds
            .iter()
            .map(|h| {
                let of = h.case_no.clone().or(h.clip.map(|c| c.to_string())).unwrap_or_default();
                let asked = h.asked_by.clone().unwrap_or_default();
                vec![h.hold.to_string(), of, h.clips.to_string(), h.reason.clone(), when(h.placed_ms), asked]
            })
            .collect();
        output.table(
            &[w.hold, w.col_hold_of, w.col_clips, w.col_reason, w.col_since, w.col_release_asked],
            &rows,
            &[0, 2],
        )?;
    }
    if !isolations.is_empty() {
        let rows: Vec<Vec<String>> = isolations
            .iter()
            .map(|i| {
                let asked = i.asked_by.clone().unwrap_or_default();
                vec![i.clip.to_string(), i.reason.clone(), when(i.placed_ms), asked]
            })
            .collect();
        output.table(&[w.isolated, w.col_reason, w.col_since, w.col_release_asked], &rows, &[])?;
    }
    Ok(Exit::Ok)
}
