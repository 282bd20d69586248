//! `evidock triage` and `evidock rules`: what waits for a person and what the rules would do; both ends of them, what the
//! command line asks and prints, and what the desk of the running daemon answers.

use serde_json::{Value, json};

use super::ask;
use super::desk::{Answer, Desk, draft};
use super::exit::Exit;
use super::find::store;
use super::looking;
use super::output::Output;
use super::run::policy;
use crate::casework::{self, judge::Judge};
use crate::cli;
use crate::config::Settings;
use crate::domain::case_number::CaseNumber;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::event::{Actor, EventKind};
use crate::domain::grounds::Ground;
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Origin, supposed};
use crate::domain::rights::Within;
use crate::domain::why::Why;
use crate::runtime::clock::wall;
use crate::store::{LinkRequest, OneYes, Reader, StoreError, Tx, partners_among};

/// Clips that one decision may be about.
const MOST: usize = 500;

/// What somebody decides.
pub(super) struct Verdict {
    pub clip: String,
    pub case_no: Option<String>,
    pub verdict: String,
    pub says: Vec<(String, String)>,
    pub unsay: Vec<String>,
    pub also: Vec<String>,
    pub outing: bool,
}

/// What triage may say of a clip beside its case.
const SAID: [Field; 2] = [Field::Place, Field::Proves];

fn sayable(name: &str) -> Option<Field> {
    Field::parse(name).filter(|field| SAID.contains(field))
}

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn decide(&self, caller: &Caller, asked: Verdict) -> Answer {
        if !["accept", "refuse", "undo"].contains(&asked.verdict.as_str()) {
            return Ok(Reply::refused("invalid", Why::AcceptRefuseUndo {}));
        }
        let says = match self.sayings(&asked.says) {
            Ok(says) => says,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let unsay: Vec<Field> = asked.unsay.iter().filter_map(|name| sayable(name)).collect();
        let first: ClipId = asked.clip.parse()?;
        let taken_back = asked.verdict == "undo";
        let facts_alone = asked.case_no.is_none()
            && match asked.verdict.as_str() {
                "accept" => !says.is_empty(),
                "undo" => !unsay.is_empty(),
                _ => false,
            };
        let typed = match asked.case_no {
            Some(typed) => Some(typed),
            None if facts_alone => None,
            None => self.store.read(move |r| surest(r, first, taken_back)).await?,
        };
        if typed.is_none() && !facts_alone {
            return Ok(Reply::refused("invalid", Why::NothingSuggested { clip: first.to_string() }));
        }
        let number = match typed.map(|typed| self.number(&typed)).transpose() {
            Ok(number) => number,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let mut clips = vec![first];
        for also in &asked.also {
            let clip: ClipId = also.parse()?;
            if !clips.contains(&clip) {
                clips.push(clip);
            }
        }
        let gap_ms = self.outing_gap_ms;
        if asked.outing {
            let key = number.as_ref().map(|n| n.key().to_owned());
            let (verdict, by) = (asked.verdict.clone(), caller.actor.clone());
            let place = says.iter().find(|(field, _)| *field == Field::Place).map(|(_, place)| place.clone());
            let around = move |r: &Reader<'_>| {
                let yes = OneYes { clip: first, key: key.as_deref(), place: place.as_deref() };
                covered(r, &yes, gap_ms, &verdict, &by)
            };
            let covered = self.store.read(around).await?;
            match asked.also.is_empty() {
                true => clips.extend(covered.into_iter().filter(|clip| *clip != first)),
                // Whoever saw the outing with another number, or before somebody decided about a part of it, means of what they
                // saw no more than this covers, and nothing that they did not see.
                false => clips.retain(|clip| *clip == first || covered.contains(clip)),
            }
        }
        if clips.len() > MOST {
            return Ok(Reply::refused("invalid", Why::TooManyClips { most: MOST as u64 }));
        }
        let told: Vec<String> = clips.iter().map(ToString::to_string).collect();
        let display = number.as_ref().map(|n| n.display().to_owned());
        let version = self.rule.version;
        let work_caller = caller.clone();
        let verdict = asked.verdict.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&work_caller);
            let unsaid = match verdict.as_str() {
                "undo" => said_by(tx, first, &unsay, &work_caller)?,
                _ => Vec::new(),
            };
            for clip in &clips {
                match (verdict.as_str(), &number) {
                    ("accept", _) => say(tx, *clip, &says, *clip == first, &work_caller)?,
                    ("undo", _) => take_back_words(tx, *clip, &unsaid, &work_caller)?,
                    _ => {}
                }
                match (verdict.as_str(), &number) {
                    (_, None) => {}
                    ("accept", Some(number)) => accept(tx, *clip, number, version, &work_caller)?,
                    ("refuse", Some(number)) => {
                        tx.refuse_suggestion(*clip, number.key(), draft(EventKind::SuggestionRefused, &work_caller))?;
                    }
                    (_, Some(number)) => take_back(tx, *clip, number, &work_caller)?,
                }
            }
            Ok(())
        };
        self.store.write(work).await?;
        Ok(Reply::Done(json!({ "verdict": asked.verdict, "case_no": display, "clips": told })))
    }

    /// Place and what it proves, checked as annotating checks them.
    fn sayings(&self, says: &[(String, String)]) -> Result<Vec<(Field, String)>, Why> {
        let mut checked = Vec::new();
        for (name, value) in says {
            let field = sayable(name).ok_or_else(|| Why::PlaceAndProvesOnly { name: name.clone() })?;
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            casework::check_value(field, value, &self.policy.zone)
                .map_err(|why| Why::Value { field: name.clone(), because: Box::new(why) })?;
            checked.push((field, casework::canonical_value(field, value, &self.policy.zone)));
        }
        Ok(checked)
    }
}

/// A person's words about a clip; about one beside the first only what it lacks.
fn say(tx: &Tx<'_>, clip: ClipId, says: &[(Field, String)], is_first: bool, caller: &Caller) -> Result<(), StoreError> {
    // A clip that does not exist is an answer of its own, not a broken reference.
    tx.read().clip(clip)?;
    let missing = tx.read().missing(clip)?;
    let facts: Vec<(Field, Origin, String)> = says
        .iter()
        .filter(|(field, _)| is_first || missing.iter().any(|m| m == field.as_str()))
        .map(|(field, value)| (*field, Origin::Person, value.clone()))
        .collect();
    tx.add_facts(clip, &caller.actor, caller.via, &facts).map(|_| ())
}

/// What this caller said last of these fields. Somebody else's word since then is not theirs to take back.
fn said_by(tx: &Tx<'_>, clip: ClipId, fields: &[Field], caller: &Caller) -> Result<Vec<(Field, String)>, StoreError> {
    let us = format!("{}:{}", caller.actor.kind, caller.actor.id);
    let mut said = Vec::new();
    for field in fields {
        match tx.read().persons_word(clip, *field)? {
            Some((actor, value, _)) if actor == us && !value.is_empty() => said.push((*field, value)),
            Some((_, value, _)) if !value.is_empty() => {
                let why = Why::SaidBySomebodyElse { clip: clip.to_string(), field: field.as_str().to_owned() };
                return Err(StoreError::Conflict(why));
            }
            _ => {}
        }
    }
    Ok(said)
}

/// What a person had said before counts again, where this word is still the last one.
fn take_back_words(tx: &Tx<'_>, clip: ClipId, unsaid: &[(Field, String)], caller: &Caller) -> Result<(), StoreError> {
    let us = format!("{}:{}", caller.actor.kind, caller.actor.id);
    let mut facts = Vec::new();
    for (field, word) in unsaid {
        if let Some((actor, value, before)) = tx.read().persons_word(clip, *field)?
            && actor == us
            && value == *word
        {
            facts.push((*field, Origin::Person, before));
        }
    }
    tx.add_facts(clip, &caller.actor, caller.via, &facts).map(|_| ())
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
        reason: said.map(|s| s.reason.behind(Ground::Confirmed {})),
    };
    tx.link(&request, &caller.actor, caller.via).map(|_| ())
}

/// What was decided is open again: the link is withdrawn, the refusal no more.
fn take_back(tx: &Tx<'_>, clip: ClipId, number: &CaseNumber, caller: &Caller) -> Result<(), StoreError> {
    let linked = tx.read().links(clip)?.into_iter().any(|l| l.keys.iter().any(|k| k == number.key()));
    if linked {
        tx.unlink_because(clip, number.key(), &Ground::TakenBack {}.into(), &caller.actor, caller.via)?;
    }
    // Withdrawing refuses whichever number of the case was suggested.
    let refused = tx.read().refused(clip, number.key())?;
    if refused {
        tx.reopen_suggestion(clip, number.key(), draft(EventKind::SuggestionReopened, caller))?;
    }
    match linked || refused {
        true => Ok(()),
        false => {
            let (clip, case_no) = (clip.to_string(), number.display().to_owned());
            Err(StoreError::NotFound(Why::NothingDecided { clip, case_no }))
        }
    }
}

/// What else of the outing a decision is about: what one yes covers; what the refused case is suggested for as well; what
/// was decided together.
fn covered(
    r: &Reader<'_>,
    yes: &OneYes<'_>,
    gap_ms: i64,
    verdict: &str,
    by: &Actor,
) -> Result<Vec<ClipId>, StoreError> {
    match (verdict, yes.key) {
        ("undo", Some(key)) => r.decided_with(yes.clip, gap_ms, key, by),
        ("refuse", Some(key)) => {
            let mut suggested = Vec::new();
            for other in r.unlinked_of_outing(yes.clip, gap_ms)? {
                if r.suggestions(other)?.iter().any(|s| s.state == "open" && s.said.case_key == key) {
                    suggested.push(other);
                }
            }
            Ok(suggested)
        }
        _ => r.undecided_of_outing(yes, gap_ms),
    }
}

/// The number that is suggested most surely; of what was decided, where that is to be taken back, the newest.
fn surest(r: &Reader<'_>, clip: ClipId, decided: bool) -> Result<Option<String>, StoreError> {
    let wanted: &[&str] = if decided { &["accepted", "refused"] } else { &["open"] };
    let found = if decided { r.suggestions(clip)? } else { r.suggestions_waiting(clip)?.0 };
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
        says: Vec::new(),
        unsay: Vec::new(),
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
    looking::list(settings, "triage")?;
    let policy = policy(settings);
    let gap_ms = settings.casework.linking.outing_gap.as_millis() as i64;
    let (total, unopened, rows) = store(settings)?.read_blocking(|r| {
        let page = r.triage(None, limit.clamp(1, 1000), &Within::Everything, 0)?;
        let rows = page
            .rows
            .iter()
            .map(|row| {
                let (suggestions, _) = r.suggestions_waiting(row.clip)?;
                let best = suggestions.first().map(|s| s.said.case_key.as_str());
                let around = r.outing_of(row.clip, gap_ms)?;
                let covered = r.undecided_among(&OneYes::of(row.clip, best), r.unlinked_among(row.clip, &around)?)?;
                let partners = partners_among(&around, &covered);
                Ok((r.record(row.clip, &policy)?, suggestions, covered, partners))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok((page.total, r.not_yet_linkable(&Within::Everything, 0)?, rows))
    })?;
    if output.is_json() {
        let told: Vec<Value> = rows
            .iter()
            .map(|(record, suggestions, covered, partners)| {
                let open: Vec<Value> = suggestions
                    .iter()
                    .filter(|s| s.state == "open")
                    .map(|s| {
                        json!({ "case_no": s.said.raw, "case_key": s.said.case_key, "rule": s.said.rule, "score": s.said.score, "reason": s.said.reason.told(w.lang), "grounds": s.said.reason })
                    })
                    .collect();
                let supposed: Vec<Value> = supposed(&record.notes, &record.missing)
                    .into_iter()
                    .map(|(origin, officer)| json!({ "officer": officer, "origin": origin }))
                    .collect();
                json!({
                    "clip": record.record_id, "captured_start": record.captured_start, "officer": record.officer, "place": record.place,
                    "case_no": record.case_no, "missing": record.missing, "notes": record.notes,
                    "supposed_officers": supposed, "suggestions": open,
                    "outing": covered.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "outing_partners": partners.iter().map(|(officer, n)| json!({ "officer": officer, "clips": n })).collect::<Vec<_>>(),
                })
            })
            .collect();
        output.json(&json!({ "total": total, "not_yet_linkable": unopened, "clips": told }))?;
        return Ok(Exit::Ok);
    }
    let or_dash = |t: &Option<String>| t.clone().unwrap_or_else(|| w.none_dash.to_owned());
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|(record, suggestions, covered, partners)| {
            let best = suggestions.iter().find(|s| s.state == "open");
            let mut why = match best {
                Some(s) => s.said.reason.told(w.lang),
                None => record.notes.iter().map(|note| w.remark(note)).collect::<Vec<_>>().join("; "),
            };
            // What `--outing` would cover besides, before anybody says yes to it.
            if !partners.is_empty() {
                let theirs: u64 = partners.iter().map(|(_, n)| n).sum();
                why = format!("{why} [{}]", w.outing_of(covered.len() as u64 + 1 - theirs, partners));
            }
            let missing: Vec<&str> = record.missing.iter().map(|m| w.required(m)).collect();
            vec![
                record.record_id.clone(),
                or_dash(&record.captured_start),
                or_dash(&record.officer),
                missing.join("、"),
                best.map_or_else(|| w.none_dash.to_owned(), |s| format!("{} ({})", s.said.raw, s.said.score)),
                why,
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
    looking::list(settings, "rules")?;
    let tried = judge.try_rules(&store(settings)?, wall().0, &|_, _| {})?;
    if output.is_json() {
        let told: Vec<Value> = tried
            .told
            .iter()
            .map(|(clip, said, linked)| {
                json!({ "clip": clip.to_string(), "case_no": said.raw, "rule": said.rule, "score": said.score, "reason": said.reason.told(w.lang), "grounds": said.reason, "links": linked })
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
        output.line(&format!(
            "{clip}  {how} {} ({}, {}): {}",
            said.raw,
            said.rule,
            said.score,
            said.reason.told(w.lang)
        ))?;
    }
    output.line(&w.rules_tried(tried.clips, tried.links, tried.suggestions, tried.conflicts))?;
    Ok(Exit::Ok)
}
