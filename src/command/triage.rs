//! `evidock triage` and `evidock rules`: what waits for a person and what the rules would do; both ends of them, what the
//! command line asks and prints, and what the desk of the running daemon answers.

use serde_json::{Value, json};

use super::ask;
use super::desk::{Answer, Desk, draft};
use super::exit::Exit;
use super::find::{log_access, store};
use super::output::Output;
use super::run::policy;
use crate::casework::judge::Judge;
use crate::cli;
use crate::config::Settings;
use crate::domain::case_number::CaseNumber;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Origin};
use crate::domain::rights::Within;
use crate::runtime::clock::wall;
use crate::store::{LinkRequest, Reader, StoreError, Tx};

/// Clips that one decision may be about.
const MOST: usize = 500;

/// What somebody decides.
pub(super) struct Verdict {
    pub clip: String,
    pub case_no: Option<String>,
    pub verdict: String,
    pub also: Vec<String>,
    pub outing: bool,
}

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn decide(&self, caller: &Caller, asked: Verdict) -> Answer {
        let first: ClipId = asked.clip.parse()?;
        let mut clips = vec![first];
        for also in &asked.also {
            let clip: ClipId = also.parse()?;
            if !clips.contains(&clip) {
                clips.push(clip);
            }
        }
        let gap_ms = self.outing_gap_ms;
        if asked.outing {
            let more = self.store.read(move |r| r.unlinked_of_outing(first, gap_ms)).await?;
            clips.extend(more.into_iter().filter(|clip| !clips.contains(clip)).collect::<Vec<_>>());
        }
        if clips.len() > MOST {
            return Ok(Reply::refused(
                "invalid",
                format!("at most {MOST} clips at a time; decide about them in parts"),
            ));
        }
        let taken_back = asked.verdict == "undo";
        let typed = match asked.case_no {
            Some(typed) => Some(typed),
            None => self.store.read(move |r| surest(r, first, taken_back)).await?,
        };
        let Some(typed) = typed else {
            let words = format!("nothing is suggested for clip {first}; name the case");
            return Ok(Reply::refused("invalid", words));
        };
        let number = match self.number(&typed) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let told: Vec<String> = clips.iter().map(ToString::to_string).collect();
        let (display, version) = (number.display().to_owned(), self.rule.version);
        let work_caller = caller.clone();
        let verdict = asked.verdict.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&work_caller);
            for clip in &clips {
                match verdict.as_str() {
                    "accept" => accept(tx, *clip, &number, version, &work_caller)?,
                    "refuse" => {
                        tx.refuse_suggestion(*clip, number.key(), draft(EventKind::SuggestionRefused, &work_caller))?;
                    }
                    _ => take_back(tx, *clip, &number, &work_caller)?,
                }
            }
            Ok(())
        };
        if !["accept", "refuse", "undo"].contains(&asked.verdict.as_str()) {
            return Ok(Reply::refused("invalid", "a verdict is accept, refuse or undo"));
        }
        self.store.write(work).await?;
        Ok(Reply::Done(json!({ "verdict": asked.verdict, "case_no": display, "clips": told })))
    }
}

/// A link as a person makes it, with what the rule had found about it.
fn accept(tx: &Tx<'_>, clip: ClipId, number: &CaseNumber, version: u32, caller: &Caller) -> Result<(), StoreError> {
    let said = tx.read().suggestions(clip)?.into_iter().find(|s| s.said.case_key == number.key()).map(|s| s.said);
    let request = LinkRequest {
        clip,
        number: number.clone(),
        rule_version: version,
        range_ms: (None, None),
        stage: said.as_ref().and_then(|s| s.stage.clone()),
        matter: said.as_ref().and_then(|s| s.matter.clone()),
        proves: said.as_ref().and_then(|s| s.proves.clone()),
        origin: Origin::Person,
        score: 100,
        reason: said.map(|s| format!("confirmed: {}", s.reason)),
    };
    tx.link(&request, &caller.actor, caller.via).map(|_| ())
}

/// What was decided is open again: the link is withdrawn, the refusal no more.
fn take_back(tx: &Tx<'_>, clip: ClipId, number: &CaseNumber, caller: &Caller) -> Result<(), StoreError> {
    let linked = tx.read().links(clip)?.into_iter().any(|l| l.keys.iter().any(|k| k == number.key()));
    if linked {
        tx.unlink(clip, number.key(), "taken back in triage", &caller.actor, caller.via)?;
    }
    // Withdrawing refuses whichever number of the case was suggested.
    let refused = tx.read().refused(clip, number.key())?;
    if refused {
        tx.reopen_suggestion(clip, number.key(), draft(EventKind::SuggestionReopened, caller))?;
    }
    match linked || refused {
        true => Ok(()),
        false => Err(StoreError::NotFound(format!("nothing was decided about clip {clip} and {}", number.display()))),
    }
}

/// The number that is suggested most surely; of what was decided, where that is to be taken back, the newest.
fn surest(r: &Reader<'_>, clip: ClipId, decided: bool) -> Result<Option<String>, StoreError> {
    let wanted: &[&str] = if decided { &["accepted", "refused"] } else { &["open"] };
    let found = r.suggestions(clip)?;
    Ok(found.into_iter().find(|s| wanted.contains(&s.state.as_str())).map(|s| s.said.raw))
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock triage`.
pub fn triage(verb: &cli::Triage, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let (verdict, word) = match verb {
        cli::Triage::List { limit } => return list(*limit, settings, output),
        cli::Triage::Accept(v) => (v, "accept"),
        cli::Triage::Refuse(v) => (v, "refuse"),
        cli::Triage::Undo(v) => (v, "undo"),
    };
    let request = Request::Decide {
        clip: verdict.clip.clone(),
        case_no: verdict.case_no.clone(),
        verdict: word.to_owned(),
        also: Vec::new(),
        outing: verdict.outing,
    };
    let answer = ask::request(settings, &request)?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        let w = output.words(settings.station.language);
        let clips = answer["clips"].as_array().map_or(0, Vec::len) as u64;
        output.line(&w.verdict_line(word, answer["case_no"].as_str().unwrap_or_default(), clips))?;
    }
    Ok(Exit::Ok)
}

fn list(limit: u32, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let request =
        Request::LogAccess { what: "list".into(), clip: None, case: None, terms: Some("triage".into()), purpose: None };
    log_access(settings, &request, output)?;
    let policy = policy(settings);
    let (total, unopened, rows) = store(settings)?.read_blocking(|r| {
        let page = r.triage(None, limit.clamp(1, 1000), &Within::Everything, 0)?;
        let rows = page
            .rows
            .iter()
            .map(|row| Ok((r.record(row.clip, &policy)?, r.suggestions(row.clip)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok((page.total, r.not_yet_linkable()?, rows))
    })?;
    if output.is_json() {
        let told: Vec<Value> = rows
            .iter()
            .map(|(record, suggestions)| {
                let open: Vec<Value> = suggestions
                    .iter()
                    .filter(|s| s.state == "open")
                    .map(|s| {
                        json!({ "case_no": s.said.raw, "case_key": s.said.case_key, "rule": s.said.rule, "score": s.said.score, "reason": s.said.reason })
                    })
                    .collect();
                json!({
                    "clip": record.record_id, "captured_start": record.captured_start, "officer": record.officer, "place": record.place,
                    "case_no": record.case_no, "missing": record.missing, "suggestions": open,
                })
            })
            .collect();
        output.json(&json!({ "total": total, "not_yet_linkable": unopened, "clips": told }))?;
        return Ok(Exit::Ok);
    }
    let or_dash = |t: &Option<String>| t.clone().unwrap_or_else(|| w.none_dash.to_owned());
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|(record, suggestions)| {
            let best = suggestions.iter().find(|s| s.state == "open");
            let missing: Vec<&str> = record.missing.iter().map(|m| w.required(m)).collect();
            vec![
                record.record_id.clone(),
                or_dash(&record.captured_start),
                or_dash(&record.officer),
                missing.join("、"),
                best.map_or_else(|| w.none_dash.to_owned(), |s| format!("{} ({})", s.said.raw, s.said.score)),
                best.map(|s| s.said.reason.clone()).unwrap_or_default(),
            ]
        })
        .collect();
    let header = [w.col_record, w.col_captured, w.col_officer, w.missing, w.suggested, w.col_why];
    output.table(&header, &lines, &[])?;
    output.note(&w.to_annotate(total));
    if unopened > 0 {
        output.note(&w.not_yet_linkable(unopened));
    }
    Ok(Exit::Ok)
}

/// `evidock rules`.
pub fn rules(verb: &cli::Rules, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let cli::Rules::Try = verb;
    let w = output.words(settings.station.language);
    let casework = &settings.casework;
    let defaults = [(Field::Place, &casework.default_place), (Field::Proves, &casework.default_proves)];
    let defaults = defaults.into_iter().filter_map(|(field, value)| Some((field, value.clone()?))).collect();
    let judge = Judge::new(casework.number_rule()?, &policy(settings), defaults, casework.linking.clone());
    let tried = judge.try_rules(&store(settings)?, wall().0)?;
    if output.is_json() {
        let told: Vec<Value> = tried
            .told
            .iter()
            .map(|(clip, said, linked)| {
                json!({ "clip": clip.to_string(), "case_no": said.raw, "rule": said.rule, "score": said.score, "reason": said.reason, "links": linked })
            })
            .collect();
        let by_rule: serde_json::Map<String, Value> =
            tried.by_rule.iter().map(|(rule, n)| ((*rule).to_owned(), json!(n))).collect();
        output.json(&json!({
            "clips": tried.clips, "links": tried.links, "withdrawals": tried.withdrawals, "suggestions": tried.suggestions,
            "conflicts": tried.conflicts, "by_rule": by_rule, "told": told,
        }))?;
        return Ok(Exit::Ok);
    }
    for (clip, said, linked) in &tried.told {
        let how = if *linked { w.would_link } else { w.would_suggest };
        output.line(&format!("{clip}  {how} {} ({}, {}): {}", said.raw, said.rule, said.score, said.reason))?;
    }
    output.line(&w.rules_tried(tried.clips, tried.links, tried.suggestions, tried.conflicts))?;
    Ok(Exit::Ok)
}
