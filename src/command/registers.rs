//! `evidock register` and `evidock case`: registers, and a case against the catalogue of what is to be recorded; both ends
//! of them, what the command line asks and prints, and what the desk of the running daemon answers.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use super::exit::Exit;
use super::find::{case_number, log_access, store};
use super::output::Output;
use super::{Ended, ask};
use crate::casework::register::{self as registers, Form};
use crate::cli;
use crate::config::{CoverageRules, Settings};
use crate::domain::case_number::loose;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::coverage::{Allowed, Coverage, NoRecord};
use crate::domain::event::EventKind;
use crate::domain::layout;
use crate::domain::register::{EARLIER_KEYS, JOINT, Register};
use crate::domain::time::UtcMs;
use crate::domain::words::Words;
use crate::runtime::clock::wall;
use crate::runtime::task;
use crate::store::{Import, NewEntry, StoreError, Tx};

/// Entries that `register list` shows.
const LISTED: u32 = 1_000;
/// Imports that `register imports` shows.
const IMPORTS: u32 = 100;

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn import_register(
        &self,
        caller: &Caller,
        register: &str,
        name: String,
        content: String,
        dry_run: bool,
    ) -> Answer {
        let Some(register) = Register::parse(register) else {
            let known: Vec<&str> = Register::ALL.iter().map(|r| r.as_str()).collect();
            return Ok(Reply::refused(
                "invalid",
                format!("there is no such register; it is one of {}", known.join(", ")),
            ));
        };
        let (rule, zone, year) = (self.rule.clone(), self.policy.zone.clone(), self.this_year());
        // Ten megabytes of a workbook are no work for the thread that answers everybody.
        let read = move || {
            let bytes = STANDARD.decode(content).map_err(|e| format!("the file is not in base64: {e}"))?;
            let found = registers::read(register, &bytes, &zone, &rule, year).map_err(|e| e.to_string())?;
            let warnings = found.warnings.clone();
            Ok::<_, String>((found.accept().map_err(|e| e.to_string())?, warnings))
        };
        let (entries, warnings) = match task::blocking("register-read", read).await.map_err(|_| StoreError::Closed)? {
            Ok(read) => read,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let entries: Vec<NewEntry> = entries
            .into_iter()
            .map(|read| {
                let mut entry = read.entry;
                if !read.earlier.is_empty() {
                    let keys: Vec<&str> = read.earlier.iter().map(|n| n.key()).collect();
                    entry.0.insert(EARLIER_KEYS.to_owned(), keys.join(JOINT));
                }
                NewEntry { line: read.line, key: entry.key(register), entry, numbers: read.numbers }
            })
            .collect();
        let count = entries.len();
        let import = Import { register, name, entries, rule_version: self.rule.version };
        let caller = caller.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.import_register(&import, dry_run, &caller.actor, caller.via)
        };
        let done = self.store.write(work).await?;
        if !done.conflicts.is_empty() {
            let words: Vec<String> = done.conflicts.into_iter().map(|(_, words)| words).collect();
            return Ok(Reply::refused("conflict", format!("nothing was imported: {}", words.join("; "))));
        }
        Ok(Reply::Done(json!({
            "register": register.as_str(), "import": done.import, "entries": count, "added": done.added, "changed": done.changed,
            "same": done.same, "joined": done.joined, "warnings": warnings, "dry_run": dry_run,
        })))
    }

    pub(super) async fn undo_import(&self, caller: &Caller, import: i64) -> Answer {
        let caller = caller.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.undo_import(import, &caller.actor, caller.via)
        };
        let done = self.store.write(work).await?;
        Ok(Reply::Done(json!({
            "import": import, "restored": done.restored, "removed": done.removed, "numbers_kept": done.kept,
        })))
    }

    pub(super) async fn say_no_record(&self, caller: &Caller, typed: &str, said: NoRecord) -> Answer {
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let said = NoRecord { matter: said.matter.trim().to_owned(), reason: said.reason.trim().to_owned(), ..said };
        let long = |t: &str| t.chars().count() > MAX_VALUE_CHARS || t.chars().any(char::is_control);
        if said.matter.is_empty() || long(&said.matter) || long(&said.reason) {
            let words = format!("matter and reason are one line of at most {MAX_VALUE_CHARS} characters");
            return Ok(Reply::refused("invalid", words));
        }
        let asked = draft(EventKind::NoRecordSaid, caller);
        let told = json!({ "case_no": number.display(), "matter": said.matter, "written": said.written, "reason": said.reason });
        let work = move |tx: &Tx<'_>| {
            let case = tx.read().case_id(number.key())?.ok_or_else(|| {
                StoreError::NotFound(format!("there is no case {}; link a clip to it, or import it", number.display()))
            })?;
            tx.say_no_record(case, &said, asked)
        };
        self.store.write(work).await?;
        Ok(Reply::Done(told))
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock register`.
pub fn register(verb: &cli::Register, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    match verb {
        cli::Register::Template { register } => template((*register).into(), output)?,
        cli::Register::Import { register, file, dry_run } => {
            let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let request = Request::ImportRegister {
                register: Register::from(*register).as_str().to_owned(),
                name,
                content: STANDARD.encode(bytes),
                dry_run: *dry_run,
            };
            let answer = ask::request(settings, &request)?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                let n = |key: &str| answer[key].as_u64().unwrap_or(0);
                output.line(&w.imported(n("added"), n("changed"), n("same"), *dry_run))?;
                if n("joined") > 0 {
                    output.line(&w.cases_joined(n("joined")))?;
                }
                for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    output.note(warning);
                }
                if let Some(import) = answer["import"].as_i64() {
                    output.line(&w.undo_hint(import))?;
                }
            }
        }
        cli::Register::Undo { import } => {
            let answer = ask::request(settings, &Request::UndoImport { import: *import })?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                let n = |key: &str| answer[key].as_u64().unwrap_or(0);
                output.line(&w.import_undone(*import, n("restored"), n("removed"), n("numbers_kept")))?;
            }
        }
        cli::Register::List { register, find } => {
            let loosened = find.as_deref().map(loose);
            let register = Register::from(*register);
            let entries = store(settings)?.read_blocking(|r| r.entries(register, loosened.as_deref(), LISTED))?;
            if output.is_json() {
                output.json(&entries.iter().map(|e| &e.entry).collect::<Vec<_>>())?;
            } else {
                let columns: Vec<_> = registers::columns(register).iter().take(6).collect();
                let header: Vec<&str> = columns.iter().map(|c| w.column(c.names[0], c.name)).collect();
                let value =
                    |entry: &crate::domain::register::Entry, name: &str| entry.get(name).unwrap_or("—").to_owned();
                let rows: Vec<Vec<String>> =
                    entries.iter().map(|e| columns.iter().map(|c| value(&e.entry, c.name)).collect()).collect();
                output.table(&header, &rows, &[])?;
            }
        }
        cli::Register::Imports => {
            let imports = store(settings)?.read_blocking(|r| r.register_imports(None, IMPORTS))?;
            let zone = &settings.station.zone;
            let at = |ms: i64| UtcMs(ms).rfc3339_in(zone);
            if output.is_json() {
                let told: Vec<Value> = imports
                    .iter()
                    .map(|i| {
                        json!({ "import": i.import, "register": i.register.as_str(), "name": i.name, "entries": i.entries, "added": i.added,
                            "changed": i.changed, "by": i.actor, "at": at(i.at_ms), "undone_at": i.undone_ms.map(at) })
                    })
                    .collect();
                output.json(&told)?;
            } else {
                let rows: Vec<Vec<String>> = imports
                    .iter()
                    .map(|i| {
                        vec![
                            i.import.to_string(),
                            w.register_name(i.register).to_owned(),
                            i.name.clone(),
                            i.added.to_string(),
                            i.changed.to_string(),
                            at(i.at_ms),
                            i.undone_ms.map(at).unwrap_or_default(),
                        ]
                    })
                    .collect();
                let header = ["#", w.col_register, w.col_file, w.col_added, w.col_changed, w.col_when, w.col_undone];
                output.table(&header, &rows, &[0, 3, 4])?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn template(register: Register, output: &Output) -> anyhow::Result<()> {
    if !output.is_json() {
        return Ok(output.line(registers::template(register).trim_end())?);
    }
    let form = |form: Form| match form {
        Form::Text => "text",
        Form::Person => "person",
        Form::List => "list",
        Form::Number => "case_number",
        Form::Numbers => "case_numbers",
        Form::Time => "time",
        Form::Matters => "matters",
        Form::Degrees(_) => "degrees",
        Form::Datum => "datum",
        Form::YesNo => "yes_no",
        Form::Tier => "tier",
    };
    let columns: Vec<Value> = registers::columns(register)
        .iter()
        .map(|c| {
            json!({ "name": c.name, "names": c.names, "form": form(c.form), "required": c.required, "example": c.example })
        })
        .collect();
    Ok(output.json(&columns)?)
}

/// `evidock case`.
pub fn case(verb: &cli::CaseVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    match verb {
        cli::CaseVerb::NoRecord { case_no, matter, reason, written } => {
            let request = Request::SayNoRecord {
                case_no: case_no.clone(),
                matter: matter.clone(),
                written: *written,
                reason: reason.clone(),
            };
            let answer = ask::request(settings, &request)?;
            match output.is_json() {
                true => output.json(&answer)?,
                false => output.line(&w.no_record_said(answer["case_no"].as_str().unwrap_or(case_no), matter))?,
            }
            Ok(Exit::Ok)
        }
        cli::CaseVerb::Coverage { case_no } => {
            let number = case_number(settings, case_no)?;
            let request = Request::LogAccess {
                what: "find".into(),
                clip: None,
                case: Some(layout::case_hash(number.key())),
                terms: Some(case_no.clone()),
                purpose: None,
            };
            log_access(settings, &request, output)?;
            let (now, allowed) = (wall().0, allowed(&settings.casework.coverage));
            let found = store(settings)?.read_blocking(|r| {
                let Some(case) = r.case_id(number.key())? else { return Ok(None) };
                r.coverage(case, now, allowed).map(Some)
            })?;
            let Some(coverage) = found else {
                return Err(Ended::with(Exit::NotFound, format!("there is no case {}", number.display())));
            };
            if output.is_json() {
                output.json(&coverage_json(number.display(), &coverage, settings))?;
            } else if coverage.lines.is_empty() {
                output.note(w.no_catalogue);
            } else {
                let rows: Vec<Vec<String>> = coverage.lines.iter().map(|l| line(l, w, settings)).collect();
                let header = [w.f_stage, w.f_matter, w.col_tier, w.state, w.col_clips, w.length, w.col_detail];
                output.table(&header, &rows, &[4, 5])?;
            }
            Ok(Exit::Ok)
        }
    }
}

/// What the agency allows, as the domain has it.
pub(super) fn allowed(rules: &CoverageRules) -> Allowed {
    Allowed { gap_ms: rules.gap.as_millis() as i64, within_ms: rules.within.as_millis() as i64 }
}

fn coverage_json(number: &str, coverage: &Coverage, settings: &Settings) -> Value {
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    let lines: Vec<Value> = coverage
        .lines
        .iter()
        .map(|l| {
            json!({
                "stage": l.item.stage, "matter": l.item.matter, "tier": l.item.tier.as_str(), "standing": l.standing.as_str(),
                "clips": l.clips, "recorded_ms": l.recorded_ms, "due_at": l.due_ms.map(at), "reason": l.reason,
                "gaps": l.gaps_ms.iter().map(|(from, to)| json!([at(*from), at(*to)])).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "case_no": number, "complete": coverage.is_complete(), "lines": lines, "clips_beside": coverage.beside })
}

fn line(l: &crate::domain::coverage::Line, w: &Words, settings: &Settings) -> Vec<String> {
    let zone = &settings.station.zone;
    vec![
        l.item.stage.clone().unwrap_or_default(),
        l.item.matter.clone(),
        w.tier(l.item.tier).to_owned(),
        w.standing(l.standing).to_owned(),
        l.clips.to_string(),
        w.footage(l.recorded_ms),
        w.coverage_detail(l, zone),
    ]
}
