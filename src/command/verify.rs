//! `evidock verify`: hashes local and remote copies and compares them with what was sealed.

use serde_json::{Value, json};

use super::exit::Exit;
use super::find::{case_number, store};
use super::output::Output;
use super::{Ended, ask, bucket, looking};
use crate::cli::Verify;
use crate::config::Settings;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::store::ClipFilter;

/// Carries the verb out; ends with [`Exit::Mismatch`] when any copy differs, and with [`Exit::Failure`] when some
/// copy could not be compared.
pub fn verify(verify: &Verify, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let results = match &verify.from {
        Some(from) => from_bucket(verify, settings, output, from)?,
        None => through_daemon(verify, settings, output)?,
    };
    if output.is_json() {
        output.json(&results)?;
    } else {
        let rows: Vec<Vec<String>> = results
            .iter()
            .map(|r| {
                let copies = r["copies"].as_array().into_iter().flatten();
                let copies: Vec<String> = copies
                    .map(|c| {
                        let record = if c["record"] == "differs" { ", its record differs" } else { "" };
                        format!("{}: {}{record}", text(&c["destination"]), text(&c["result"]))
                    })
                    .collect();
                let of_clip = ["clip", "local", "log", "record"].map(|column| text(&r[column]));
                of_clip.into_iter().chain([copies.join(", "), text(&r["detail"])]).collect()
            })
            .collect();
        output.table(&["clip", "local", "log", "record", "copies", "detail"], &rows, &[])?;
    }
    if results.is_empty() {
        return Err(Ended::with(Exit::NotFound, "there is nothing to verify"));
    }
    match verdict(&results) {
        Verdict::Same => Ok(Exit::Ok),
        Verdict::Differs => Ok(Exit::Mismatch),
        Verdict::Uncompared { not_sent, other } => Err(Ended::with(Exit::Failure, uncompared(not_sent, other))),
    }
}

/// What all the comparisons together came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Every copy that was asked for is what was sealed.
    Same,
    /// At least one is not.
    Differs,
    /// None differs, but so many copies were not compared.
    Uncompared { not_sent: usize, other: usize },
}

fn verdict(results: &[Value]) -> Verdict {
    let copies = || results.iter().flat_map(|r| r["copies"].as_array().into_iter().flatten());
    // An evicted clip gave its file up in order; its copies elsewhere are what counts.
    let local_bad = results.iter().any(|r| !r["local"].is_null() && r["local"] != "same" && r["local"] != "evicted");
    // Null where a bucket alone was asked: it holds no log.
    let log_bad = results.iter().any(|r| !r["log"].is_null() && r["log"] != "same");
    let record_bad = results.iter().chain(copies()).any(|r| r["record"] == "differs");
    if local_bad || log_bad || record_bad || copies().any(|c| c["result"] == "differs") {
        return Verdict::Differs;
    }
    let seen = |r: &Value| r["copies"].as_array().into_iter().flatten().any(|c| c["result"] == "same");
    let unseen = results.iter().filter(|r| r["local"] == "evicted" && !seen(r)).count();
    let not_sent = copies().filter(|c| c["result"] == "not_sent").count();
    let elsewhere = results.iter().all(|r| r["local"] == "evicted") && unseen == 0;
    match copies().filter(|c| c["result"] != "same").count() - not_sent {
        // It went from here once it was proven where it had to be; an optional copy that was never sent is not owed.
        0 if elsewhere && !results.is_empty() => Verdict::Same,
        0 if unseen > 0 => Verdict::Uncompared { not_sent, other: unseen },
        0 if not_sent == 0 => Verdict::Same,
        other => Verdict::Uncompared { not_sent, other },
    }
}

fn uncompared(not_sent: usize, other: usize) -> String {
    let mut words = Vec::new();
    if not_sent > 0 {
        words.push(format!("{not_sent} not sent yet; verify again when they are proven"));
    }
    if other > 0 {
        words.push(format!("{other} could not be reached; see the result of each"));
    }
    format!("nothing differs, but not every copy was compared: {}", words.join("; "))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn through_daemon(verify: &Verify, settings: &Settings, output: &Output) -> anyhow::Result<Vec<Value>> {
    let clips = clips(verify, settings)?;
    let bytes = store(settings)?.read_blocking(|r| {
        clips.iter().map(|c| Ok(r.clip(*c)?.size_bytes.unwrap_or(0))).collect::<Result<Vec<u64>, _>>()
    })?;
    let mut progress = output.progress("verify", bytes.iter().sum());
    let mut results = Vec::new();
    for (clip, bytes) in clips.iter().zip(bytes) {
        let request = Request::Verify { clip: clip.to_string(), remote: verify.remote };
        results.push(ask::request(settings, &request)?);
        progress.advance(bytes);
    }
    Ok(results)
}

fn clips(verify: &Verify, settings: &Settings) -> anyhow::Result<Vec<ClipId>> {
    if let Some(clip) = &verify.which.clip {
        return Ok(vec![
            clip.parse().map_err(|e: crate::domain::ids::IdError| Ended::with(Exit::Usage, e.to_string()))?,
        ]);
    }
    let store = store(settings)?;
    if let Some(typed) = &verify.which.case_no {
        let number = case_number(settings, typed)?;
        let found = store.read_blocking(|r| match r.case_id(number.key())? {
            Some(case) => r.clips_of_case(case),
            None => Ok(Vec::new()),
        })?;
        return Ok(found);
    }
    let mut clips = Vec::new();
    let mut after = None;
    loop {
        let filter = ClipFilter { after: after.take(), limit: 1_000, ..ClipFilter::default() };
        let page = store.read_blocking(|r| r.clips(&filter))?;
        for clip in page.clips {
            // What is still being copied has nothing to be compared with.
            if store.read_blocking(|r| Ok(r.clip(clip)?.blake3.is_some()))? {
                clips.push(clip);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(clips),
        }
    }
}

fn from_bucket(verify: &Verify, settings: &Settings, output: &Output, from: &str) -> anyhow::Result<Vec<Value>> {
    let Some(typed) = &verify.which.case_no else {
        return Err(Ended::with(Exit::Usage, "--from verifies a case from its objects alone: give --case N"));
    };
    let number = case_number(settings, typed)?;
    looking::at_destination(settings, &number, from)?;
    let checked = bucket::verify(settings, from, &number, |c| output.note(&format!("{} {}", c.record_id, c.result)))?;
    Ok(checked
        .into_iter()
        .map(|c| {
            let copy = json!({ "destination": from, "result": c.result, "detail": c.detail });
            json!({ "clip": c.record_id, "local": null, "copies": [copy], "detail": c.detail, "ok": c.result == "same" })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_compared_counts_as_verified() {
        let clip = |local: Option<&str>, copies: &[&str]| {
            let copies: Vec<Value> = copies.iter().map(|r| json!({ "destination": "d", "result": r })).collect();
            json!({ "clip": "c", "local": local, "copies": copies })
        };
        let with = |mut clip: Value, what: &str, said: &str| {
            clip[what] = said.into();
            clip
        };
        let table = [
            (vec![clip(None, &["same"]), clip(None, &["same"])], Verdict::Same),
            (vec![clip(Some("same"), &[])], Verdict::Same),
            (vec![clip(None, &["same"]), clip(None, &["not_sent"])], Verdict::Uncompared { not_sent: 1, other: 0 }),
            (vec![clip(Some("same"), &["unreachable", "not_sent"])], Verdict::Uncompared { not_sent: 1, other: 1 }),
            (vec![clip(None, &["not_sent"]), clip(None, &["differs"])], Verdict::Differs),
            (vec![clip(Some("gone"), &["same"])], Verdict::Differs),
            (vec![clip(Some("unreadable"), &[])], Verdict::Differs),
            (vec![clip(Some("evicted"), &["same"])], Verdict::Same),
            (vec![clip(Some("evicted"), &["same", "not_sent"])], Verdict::Same),
            (vec![clip(Some("evicted"), &[])], Verdict::Uncompared { not_sent: 0, other: 1 }),
            (vec![clip(Some("evicted"), &["not_sent"])], Verdict::Uncompared { not_sent: 1, other: 1 }),
            (vec![clip(Some("evicted"), &["unreachable"])], Verdict::Uncompared { not_sent: 0, other: 1 }),
            (vec![clip(Some("evicted"), &["differs"])], Verdict::Differs),
            (vec![with(clip(Some("same"), &[]), "log", "same")], Verdict::Same),
            (vec![with(clip(Some("same"), &[]), "log", "missing")], Verdict::Differs),
            (vec![with(clip(Some("same"), &["same"]), "log", "differs")], Verdict::Differs),
            (vec![with(clip(Some("same"), &["same"]), "record", "none")], Verdict::Same),
            (vec![with(clip(Some("evicted"), &["same"]), "record", "differs")], Verdict::Differs),
        ];
        for (results, expected) in table {
            assert_eq!(verdict(&results), expected, "{results:?}");
        }
        assert!(uncompared(2, 0).contains("2 not sent yet"), "{}", uncompared(2, 0));
    }
}
