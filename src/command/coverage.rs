//! `evidock case coverage` and `evidock case no-record`: a case against the catalogue of what is to be recorded, as a table,
//! a CSV or a workbook; and why a matter has no recording. Both ends, as in `registers`.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use super::exit::Exit;
use super::find::{case_number, log_access, store};
use super::output::Output;
use super::{Ended, ask};
use crate::casework::times;
use crate::config::{CoverageRules, Settings};
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::coverage::occasion::{bind, bind_withdrawal};
use crate::domain::coverage::{Allowed, CaseCoverage, NoRecord, head, rows, told};
use crate::domain::event::EventKind;
use crate::domain::layout;
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};
use crate::domain::words::{Lang, Words};
use crate::domain::workbook::{csv, sheet};
use crate::runtime::clock::wall;
use crate::store::{StoreError, Tx};

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn say_no_record(&self, caller: &Caller, typed: &str, said: NoRecord, at: Option<&str>) -> Answer {
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let trimmed = |text: &str| text.trim().to_owned();
        let stage = said.stage.as_deref().map(trimmed).filter(|s| !s.is_empty());
        let said = NoRecord {
            matter: trimmed(&said.matter),
            stage,
            reason: trimmed(&said.reason),
            basis: trimmed(&said.basis),
            written: said.written,
            ..NoRecord::default()
        };
        let (zone, allowed, now_ms) = (self.policy.zone.clone(), self.allowed, self.clock.now().0);
        let at = match at.map(str::trim).filter(|at| !at.is_empty()).map(|at| times::stretch(at, &zone)).transpose() {
            Ok(at) => at,
            Err(e) => return Ok(Reply::refused("invalid", e)),
        };
        let long = |t: &str| t.chars().count() > MAX_VALUE_CHARS || t.chars().any(char::is_control);
        let texts = [Some(&said.matter), Some(&said.reason), Some(&said.basis), said.stage.as_ref()];
        if said.matter.is_empty() || texts.into_iter().flatten().any(|t| long(t)) {
            let why = Why::OneLine { thing: Thing::MatterAndReason, most: MAX_VALUE_CHARS as u64 };
            return Ok(Reply::refused("invalid", why));
        }
        let asked = draft(EventKind::NoRecordSaid, caller);
        let case_no = number.display().to_owned();
        let work = move |tx: &Tx<'_>| {
            let none = || StoreError::NotFound(Why::NoCase { case_no: number.display().to_owned() });
            let case = tx.read().case_id(number.key())?.ok_or_else(none)?;
            let bound = match said.reason.is_empty() {
                true => bind_withdrawal(&tx.read().no_records(case)?, said, at, &zone),
                false => bind(&tx.read().coverage(case, now_ms, allowed)?, said, at, now_ms, &zone),
            };
            let said = bound.map_err(|why| match why {
                why @ Why::NoReasonStands { .. } => StoreError::NotFound(why),
                why => StoreError::Conflict(why),
            })?;
            tx.say_no_record(case, &said, asked)?;
            Ok((said, zone))
        };
        let (said, zone) = self.store.write(work).await?;
        Ok(Reply::Done(json!({
            "case_no": case_no, "matter": said.matter, "stage": said.stage, "written": said.written, "reason": said.reason,
            "of": said.of_ms.map(|ms| UtcMs(ms).rfc3339_in(&zone)), "basis": said.basis, "withdrawn": said.reason.is_empty(),
        })))
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock case no-record`; without a reason what was said is taken back.
pub(super) fn no_record(
    case_no: &str,
    said: NoRecord,
    at: Option<&str>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<Exit> {
    let NoRecord { matter, stage, written, reason, basis, .. } = said;
    let (case, at) = (case_no.to_owned(), at.map(str::to_owned));
    let request = Request::SayNoRecord { case_no: case, matter: matter.clone(), stage, at, written, reason, basis };
    let answer = ask::request(settings, &request)?;
    let w = output.words(settings.station.language);
    let number = answer["case_no"].as_str().unwrap_or(case_no);
    let of = answer["of"].as_str().and_then(UtcMs::parse_rfc3339);
    let matter = match of {
        Some(of) => format!("{matter} {}", w.day_time(of, &settings.station.zone)),
        None => matter,
    };
    match output.is_json() {
        true => output.json(&answer)?,
        false if answer["withdrawn"] == true => output.line(&w.no_record_withdrawn(number, &matter))?,
        false => output.line(&w.no_record_said(number, &matter))?,
    }
    Ok(Exit::Ok)
}

/// `evidock case coverage`.
pub(super) fn show(case_no: &str, out: Option<&Path>, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let number = case_number(settings, case_no)?;
    let request = Request::LogAccess {
        what: "find".into(),
        clip: None,
        case: Some(layout::case_hash(number.key())),
        terms: Some(case_no.to_owned()),
        purpose: None,
    };
    log_access(settings, &request, output)?;
    let (now, allowed) = (wall(), allowed(&settings.casework.coverage));
    let found = store(settings)?.read_blocking(|r| {
        let Some(case) = r.case_id(number.key())? else { return Ok(None) };
        r.coverage(case, now.0, allowed).map(Some)
    })?;
    let Some(coverage) = found else {
        return Err(Ended::with(Exit::NotFound, format!("there is no case {}", number.display())));
    };
    let zone = &settings.station.zone;
    let published = told(number.display(), &coverage, now, zone);
    if let Some(out) = out {
        let bytes = file(&published, file_words(settings, output), out)?;
        std::fs::write(out, bytes).with_context(|| format!("{} cannot be written", out.display()))?;
        match output.is_json() {
            true => output.json(&json!({ "file": out.display().to_string(), "lines": published.lines.len() }))?,
            false => output.line(&out.display().to_string())?,
        }
    } else if output.is_json() {
        output.json(&published)?;
    } else if coverage.lines.is_empty() {
        output.note(w.no_catalogue);
    } else {
        let lines: Vec<Vec<String>> = coverage
            .lines
            .iter()
            .map(|l| {
                vec![
                    l.item.stage.clone().unwrap_or_default(),
                    l.item.matter.clone(),
                    w.tier(l.item.tier).to_owned(),
                    w.standing(l.standing).to_owned(),
                    l.clips.to_string(),
                    w.footage(l.recorded_ms),
                    w.coverage_detail(l, zone),
                ]
            })
            .collect();
        let header = [w.f_stage, w.f_matter, w.col_tier, w.state, w.col_clips, w.length, w.col_detail];
        output.table(&header, &lines, &[4, 5])?;
    }
    Ok(Exit::Ok)
}

/// Words of what is written into files: in the language that was asked for, else the configured one.
fn file_words(settings: &Settings, output: &Output) -> &'static Words {
    output.asked().or(settings.station.language.fixed()).unwrap_or(Lang::Zh).words()
}

/// The table as the ending of its file says.
fn file(coverage: &CaseCoverage, w: &Words, out: &Path) -> anyhow::Result<Vec<u8>> {
    let (head, rows) = (head(w), rows(coverage, w));
    match out.extension().map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
        Some("csv") => {
            let head = head.iter().map(|h| (*h).into()).collect();
            Ok(csv::write(std::iter::once(head).chain(rows)))
        }
        Some("xlsx") => Ok(sheet::write(w.coverage, &w.coverage_heading(coverage), &head, &rows)),
        _ => Err(Ended::with(Exit::Usage, "coverage is written as .csv or .xlsx".to_owned())),
    }
}

/// What the agency allows, as the domain has it.
pub(super) fn allowed(rules: &CoverageRules) -> Allowed {
    Allowed { gap_ms: rules.gap.as_millis() as i64, within_ms: rules.within.as_millis() as i64 }
}
