//! `evidock roster`: both ends of it, what the command line asks and prints, and what the desk of the running daemon answers.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};
use super::exit::Exit;
use super::find::store;
use super::office::TOLD;
use super::output::Output;
use super::{ask, looking, registers};
use crate::casework::roster::{self, Roster, RosterRow, RosterWarning, RowError};
use crate::casework::roster_import;
use crate::cli;
use crate::config::Settings;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::event::Actor;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::runtime::task;
use crate::store::{RosterChange, RosterImport, StoreError, Tx};

/// Imports that `roster imports` shows.
const IMPORTS: u32 = 100;

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    /// Reads a file. Ten megabytes of a workbook are no work for the thread that answers everybody.
    async fn read_roster(&self, content: String) -> Result<Result<Roster, Why>, StoreError> {
        let (rule, zone, year) = (self.rule.clone(), self.policy.zone.clone(), self.this_year());
        let read = move || {
            let bytes = STANDARD.decode(content).map_err(|e| Why::NotBase64 { detail: e.to_string() })?;
            roster::read(&bytes, &zone, &rule, year).map_err(Why::from)
        };
        task::blocking("roster-read", read).await.map_err(|_| StoreError::Closed)
    }

    /// What rows change; as `caller` says, they are imported.
    async fn change_roster(
        &self,
        name: String,
        rows: Vec<RosterRow>,
        caller: Option<Caller>,
    ) -> Result<RosterChange, StoreError> {
        let zone = self.policy.zone.clone();
        self.store
            .write(move |tx| {
                let change = roster_import::change(&tx.read(), &name, &rows, &zone)?;
                if let Some(caller) = &caller {
                    tx.on_behalf(caller);
                    // What a person asked for is told in the log, even where it changes nothing.
                    if change.is_news() || caller.actor != Actor::daemon() {
                        tx.import_roster(&name, &change, &caller.actor, caller.via)?;
                    }
                }
                Ok(change)
            })
            .await
    }

    pub(super) async fn import_roster(&self, caller: &Caller, name: String, content: String, dry_run: bool) -> Answer {
        let roster = match self.read_roster(content).await? {
            Ok(roster) => roster,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let warnings = roster.warnings.clone();
        let rows = match roster.accept(false) {
            Ok(rows) => rows,
            Err(e) => return Ok(Reply::refused("invalid", e)),
        };
        let change = self.change_roster(name, rows, (!dry_run).then(|| caller.clone())).await?;
        let mut told = told(&change, &warnings);
        told["dry_run"] = dry_run.into();
        Ok(Reply::Done(told))
    }

    pub(super) async fn try_roster(&self, name: String, content: String) -> Answer {
        let roster = match self.read_roster(content).await? {
            Ok(roster) => roster,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let Roster { rows, errors, warnings } = roster;
        // With a mistake nothing would be imported.
        let change = match errors.is_empty() {
            true => self.change_roster(name.clone(), rows, None).await?,
            false => RosterChange { told: rows.len(), ..RosterChange::default() },
        };
        let mut told = told(&change, &warnings);
        told["name"] = name.into();
        told["mistakes"] = errors.iter().take(TOLD).map(mistake).collect();
        told["mistakes_in_all"] = errors.len().into();
        Ok(Reply::Done(told))
    }

    pub(super) async fn remove_roster(&self, caller: &Caller, name: String) -> Answer {
        let caller = caller.clone();
        let told = name.clone();
        let rows = self
            .store
            .write(move |tx| {
                tx.on_behalf(&caller);
                tx.remove_roster(&name, &caller.actor, caller.via)
            })
            .await?;
        Ok(Reply::Done(json!({ "name": told, "rows": rows })))
    }

    pub(super) async fn undo_roster(&self, caller: &Caller, name: String) -> Answer {
        let caller = caller.clone();
        let told = name.clone();
        let work = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.undo_roster(&name, &caller.actor, caller.via)
        };
        let done = self.store.write(work).await?;
        Ok(Reply::Done(json!({ "name": told, "import": done.import, "rows": done.rows, "restored": done.restored })))
    }
}

/// What an import comes to. Beside each warning in English stands what puts it into other words.
fn told(change: &RosterChange, warnings: &[RosterWarning]) -> Value {
    let whys: Vec<Why> = warnings.iter().take(TOLD).map(Why::from).collect();
    let words: Vec<String> = whys.iter().map(Why::to_string).collect();
    json!({
        "rows": change.told, "days": change.days, "changed": change.is_news(), "replaced": change.gone.len(),
        "warnings": words, "warnings_why": whys, "warnings_in_all": warnings.len(),
    })
}

fn mistake(e: &RowError) -> Value {
    let why = Why::from(&e.problem);
    json!({ "line": e.line, "column": e.column, "value": e.value, "problem": why.to_string(), "why": why })
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock roster`.
pub fn roster(verb: &cli::Roster, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    match verb {
        cli::Roster::Template => registers::header(&roster::COLUMNS, &roster::template(), output)?,
        cli::Roster::Import { file, dry_run } => {
            let bytes = std::fs::read(file).with_context(|| format!("the roster {} cannot be read", file.display()))?;
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let request =
                Request::ImportRoster { name: name.clone(), content: STANDARD.encode(bytes), dry_run: *dry_run };
            let answer = ask::request(settings, &request)?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                let n = |key: &str| answer[key].as_u64().unwrap_or(0);
                output.line(&w.roster_imported(n("rows"), n("days"), n("replaced"), *dry_run))?;
                for why in answer["warnings_why"].as_array().into_iter().flatten() {
                    let why: Why = serde_json::from_value(why.clone()).unwrap_or_default();
                    output.note(&why.told(w.lang));
                }
                if !dry_run {
                    output.line(&w.roster_undo_hint(&name))?;
                }
            }
        }
        cli::Roster::Undo { name } => {
            let answer = ask::request(settings, &Request::UndoRoster { name: name.clone() })?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                let n = |key: &str| answer[key].as_u64().unwrap_or(0);
                output.line(&w.roster_undone(n("import"), n("rows"), n("restored")))?;
            }
        }
        cli::Roster::Remove { name } => {
            let answer = ask::request(settings, &Request::RemoveRoster { name: name.clone() })?;
            if output.is_json() {
                output.json(&answer)?;
            } else {
                output.line(&w.roster_removed(name, answer["rows"].as_u64().unwrap_or(0)))?;
            }
        }
        cli::Roster::Imports => {
            looking::list(settings, "roster imports")?;
            let imports = store(settings)?.read_blocking(|r| r.roster_imports(None, IMPORTS))?;
            list(&imports, w, settings, output)?;
        }
    }
    Ok(Exit::Ok)
}

fn list(imports: &[RosterImport], w: &Words, settings: &Settings, output: &Output) -> anyhow::Result<()> {
    let zone = &settings.station.zone;
    let at = |ms: i64| UtcMs(ms).rfc3339_in(zone);
    if output.is_json() {
        let told: Vec<Value> = imports
            .iter()
            .map(|i| {
                let by = i.by.as_ref();
                json!({
                    "import": i.import, "name": i.name, "rows": i.rows, "days": i.days, "from": at(i.from_ms), "to": at(i.to_ms),
                    "replaced": i.replaced, "by": by.map(|by| &by.0), "at": by.map(|by| at(by.1)),
                    "standing": i.standing, "removed_at": i.removed_ms.map(at), "undone_at": i.undone_ms.map(at),
                    "can_be_undone": i.can_be_undone,
                })
            })
            .collect();
        return Ok(output.json(&told)?);
    }
    let rows: Vec<Vec<String>> = imports
        .iter()
        .map(|i| {
            vec![
                i.import.to_string(),
                i.name.clone(),
                w.roster_line(i.rows, i.days, UtcMs(i.from_ms), UtcMs(i.to_ms), zone),
                i.by.as_ref().map(|by| at(by.1)).unwrap_or_default(),
                i.removed_ms.map(at).unwrap_or_default(),
                i.undone_ms.map(at).unwrap_or_default(),
            ]
        })
        .collect();
    let o = w.office();
    let header = ["#", w.col_file, o.roster_covers, w.col_when, o.roster_gone, w.col_undone];
    Ok(output.table(&header, &rows, &[0])?)
}
