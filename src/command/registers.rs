//! `evidock register` and `evidock case`: registers, and what is done with one case (coverage: `coverage`); both ends of
//! them, what the command line asks and prints, and what the desk of the running daemon answers.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};
use super::exit::Exit;
use super::find::store;
use super::output::Output;
use super::{Ended, ask, control, document_watch, looking};
use crate::casework::register::{self as registers, Column, Form};
use crate::cli;
use crate::config::Settings;
use crate::domain::case_number::loose;
use crate::domain::command::{Caller, FileDocument, Reply, Request};
use crate::domain::coverage::NoRecord;
use crate::domain::register::{EARLIER_KEYS, JOINT, Register};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
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
            let known = Register::ALL.iter().map(|r| r.as_str().to_owned()).collect();
            return Ok(Reply::refused("invalid", Why::NoRegister { known }));
        };
        let (rule, zone, year) = (self.rule.clone(), self.policy.zone.clone(), self.this_year());
        // Ten megabytes of a workbook are no work for the thread that answers everybody.
        let read = move || {
            let bytes = STANDARD.decode(content).map_err(|e| Why::NotBase64 { detail: e.to_string() })?;
            let found = registers::read(register, &bytes, &zone, &rule, year)?;
            let warnings = found.warnings.clone();
            Ok::<_, Why>((found.accept()?, warnings))
        };
        let (entries, warnings) = match task::blocking("register-read", read).await.map_err(|_| StoreError::Closed)? {
            Ok(read) => read,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let entries = new_entries(register, entries);
        let count = entries.len();
        let import = Import { register, name, entries, rule_version: self.rule.version };
        let caller = caller.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.import_register(&import, dry_run, &caller.actor, caller.via)
        };
        let done = self.store.write(work).await?;
        if !done.conflicts.is_empty() {
            let each = done.conflicts.into_iter().map(|(_, why)| why).collect();
            return Ok(Reply::refused("conflict", Why::NothingImported { each }));
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
        let parted: Vec<Value> = done.parted.iter().map(|p| json!({ "kept": p.kept, "other": p.other })).collect();
        Ok(Reply::Done(json!({
            "import": import, "restored": done.restored, "removed": done.removed, "numbers_kept": done.kept, "parted": parted,
        })))
    }
}

/// Entries as they are stored.
pub(super) fn new_entries(register: Register, entries: Vec<registers::Read>) -> Vec<NewEntry> {
    let new = |read: registers::Read| {
        let mut entry = read.entry;
        if !read.earlier.is_empty() {
            let keys: Vec<&str> = read.earlier.iter().map(|n| n.key()).collect();
            entry.0.insert(EARLIER_KEYS.to_owned(), keys.join(JOINT));
        }
        NewEntry { line: read.line, key: entry.key(register), entry, numbers: read.numbers }
    };
    entries.into_iter().map(new).collect()
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
                let parted = answer["parted"].as_array().map(Vec::as_slice).unwrap_or_default();
                let (kept, parts) = (n("numbers_kept"), parted.len() as u64);
                output.line(&w.import_undone(*import, n("restored"), n("removed"), kept, parts))?;
                for two in parted {
                    let number = |key: &str| two[key].as_str().unwrap_or_default();
                    output.line(&w.cases_parted(number("kept"), number("other")))?;
                }
            }
        }
        cli::Register::List { register, find } => {
            let loosened = find.as_deref().map(loose);
            let register = Register::from(*register);
            looking::searched(settings, &format!("{} {}", register.as_str(), find.as_deref().unwrap_or_default()))?;
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
            looking::list(settings, "register imports")?;
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
    header(registers::columns(register), &registers::template(register), output)
}

/// A table's header line, or what stands in each of its columns.
pub(super) fn header(columns: &[Column], line: &str, output: &Output) -> anyhow::Result<()> {
    if !output.is_json() {
        return Ok(output.line(line.trim_end())?);
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
    let columns: Vec<Value> = columns
        .iter()
        .map(|c| {
            json!({ "name": c.name, "names": c.names, "form": form(c.form), "required": c.required, "example": c.example })
        })
        .collect();
    Ok(output.json(&columns)?)
}

/// Sends a file to the daemon, which files it.
fn add_document(
    mut document: FileDocument,
    path: &std::path::Path,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let found = file.metadata().with_context(|| format!("{} cannot be read", path.display()))?;
    if !found.is_file() {
        return Err(Ended::with(Exit::Usage, format!("{} is no file", path.display())));
    }
    document.size_bytes = found.len();
    let answer = ask::answered(settings, control::send(&settings.control_socket, document, &mut file))?;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let w = output.words(settings.station.language);
    match output.is_json() {
        true => output.json(&answer)?,
        false => {
            let done = if answer["known"] == true { w.document_known() } else { w.document_done() };
            output.line(&format!("{} {} · {} · {}", text("clip"), text("case_no"), text("media_type"), done))?;
            output.line(&format!("SHA-256 {}", text("sha256")))?;
        }
    }
    Ok(Exit::Ok)
}

/// `evidock case`.
pub fn case(verb: &cli::CaseVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        cli::CaseVerb::File(verb) => super::filing::file(verb, settings, output),
        cli::CaseVerb::NoRecord { case_no, matter, reason, basis, written, stage, at, withdraw: _ } => {
            let (reason, basis) = (reason.clone().unwrap_or_default(), basis.clone().unwrap_or_default());
            let (matter, stage) = (matter.clone(), stage.clone());
            let said = NoRecord { matter, stage, written: *written, reason, basis, ..NoRecord::default() };
            super::coverage::no_record(case_no, said, at.as_deref(), settings, output)
        }
        cli::CaseVerb::AddDocument { case_no, file, kind, title, matter, stage } => {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let document = FileDocument {
                case_no: case_no.clone(),
                kind: kind.clone().unwrap_or_else(|| document_watch::kind_of(&name).as_str().to_owned()),
                name,
                title: title.clone(),
                matter: matter.clone(),
                stage: stage.clone(),
                size_bytes: 0,
            };
            add_document(document, file, settings, output)
        }
        cli::CaseVerb::Note { .. } | cli::CaseVerb::Opinion { .. } => super::reports::review(verb, settings, output),
        cli::CaseVerb::Coverage { case_no, out } => super::coverage::show(case_no, out.as_deref(), settings, output),
    }
}
