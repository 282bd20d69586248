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
use crate::config::{CoverageRules, Settings};
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::coverage::{Allowed, CaseCoverage, NoRecord, head, rows, told};
use crate::domain::event::EventKind;
use crate::domain::layout;
use crate::domain::why::{Thing, Why};
use crate::domain::words::{Lang, Words};
use crate::domain::workbook::{csv, sheet};
use crate::runtime::clock::wall;
use crate::store::{StoreError, Tx};

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn say_no_record(&self, caller: &Caller, typed: &str, said: NoRecord) -> Answer {
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let trimmed = |text: &str| text.trim().to_owned();
        let said = NoRecord {
            matter: trimmed(&said.matter),
            reason: trimmed(&said.reason),
            basis: trimmed(&said.basis),
            written: said.written,
            said: None,
        };
        let long = |t: &str| t.chars().count() > MAX_VALUE_CHARS || t.chars().any(char::is_control);
        if said.matter.is_empty() || [&said.matter, &said.reason, &said.basis].into_iter().any(|t| long(t)) {
            let why = Why::OneLine { thing: Thing::MatterAndReason, most: MAX_VALUE_CHARS as u64 };
            return Ok(Reply::refused("invalid", why));
        }
        let asked = draft(EventKind::NoRecordSaid, caller);
        let told = json!({
            "case_no": number.display(), "matter": said.matter, "written": said.written, "reason": said.reason, "basis": said.basis,
            "withdrawn": said.reason.is_empty(),
        });
        let work = move |tx: &Tx<'_>| {
            let none = || StoreError::NotFound(Why::NoCase { case_no: number.display().to_owned() });
            let case = tx.read().case_id(number.key())?.ok_or_else(none)?;
            tx.say_no_record(case, &said, asked)
        };
        self.store.write(work).await?;
        Ok(Reply::Done(told))
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock case no-record`; without a reason what was said is taken back.
pub(super) fn no_record(case_no: &str, said: NoRecord, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let NoRecord { matter, written, reason, basis, .. } = said;
    let request = Request::SayNoRecord { case_no: case_no.to_owned(), matter: matter.clone(), written, reason, basis };
    let answer = ask::request(settings, &request)?;
    let w = output.words(settings.station.language);
    let number = answer["case_no"].as_str().unwrap_or(case_no);
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
