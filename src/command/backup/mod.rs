//! `evidock backup now|list|keygen`: what people do about backups. `task` is the daemon's side: it makes them and
//! brings them to the destinations.

pub mod task;

use anyhow::Context;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::exit::Exit;
use super::find::store;
use super::output::{Output, size};
use super::{Ended, ask, block_on, destinations};
use crate::cli::Backup;
use crate::config::Settings;
use crate::custody::backup::{BackupNote, open_on_its_word};
use crate::deliver::backup::key_pair;
use crate::domain::backup::{Keep, may_go};
use crate::domain::command::Request;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, SendError};
use crate::domain::time::UtcMs;
use crate::runtime::clock::wall;
use crate::store::{BackupCopy, BackupKey, BackupRow};

/// Backups that are listed at most.
const MAX_LISTED: u32 = 10_000;
/// A note has some 600 bytes; what is longer than this was not written by us.
const MAX_NOTE_BYTES: usize = 64 << 10;

/// Prints a new key pair and keeps nothing of it. Needs no settings.
pub fn keygen(output: &Output) -> anyhow::Result<Exit> {
    let (text, public) = key_pair(&wall().rfc3339());
    if output.is_json() {
        let identity = text.lines().last().unwrap_or_default();
        output.json(&json!({ "identity": identity, "recipient": public }))?;
    } else {
        output.raw(&text)?;
        output.note(&format!(
            "Keep these lines off this box, in two places: whoever has them can read every backup, and without them none can be restored.\n\
             Into evidock.toml goes the public half alone:\n\n[backup]\nrecipient = \"{public}\""
        ));
    }
    Ok(Exit::Ok)
}

/// Carries out `now` and `list`.
pub fn backup(verb: &Backup, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        Backup::Keygen => keygen(output),
        Backup::Now => now(settings, output),
        Backup::List { from: Some(from), .. } => list_there(settings, from, output),
        Backup::List { from: None, may_go } => list_here(settings, *may_go, output),
    }
}

fn now(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let answer = ask::request(settings, &Request::Backup)?;
    let copies = answer["copies"].as_array().cloned().unwrap_or_default();
    let missing: Vec<String> = copies
        .iter()
        .filter(|c| c["state"] != "proven")
        .map(|c| format!("{}: {}", text(&c["destination"]), text(&c["reason"])))
        .collect();
    if output.is_json() {
        output.json(&answer)?;
    } else {
        let bytes = answer["size_bytes"].as_u64().unwrap_or_default();
        output.line(&format!(
            "backup {} made, {}, {} events",
            text(&answer["backup"]),
            size(bytes),
            answer["log_size"]
        ))?;
        for copy in copies.iter().filter(|c| c["state"] == "proven") {
            output.line(&format!("  {}: read back, the same", text(&copy["destination"])))?;
        }
    }
    if missing.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Ended::with(
        Exit::Failure,
        format!("it has not arrived everywhere; the daemon tries again by itself: {}", missing.join("; ")),
    ))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How a backup is called: its epoch and its number there.
pub fn called(key: BackupKey) -> String {
    format!("{}/{}", key.epoch, key.seq)
}

fn list_here(settings: &Settings, only_may_go: bool, output: &Output) -> anyhow::Result<Exit> {
    let rows: Vec<(BackupRow, Vec<BackupCopy>)> = store(settings)?.read_blocking(|r| {
        r.backups(MAX_LISTED)?.into_iter().map(|row| Ok((row.clone(), r.backup_copies(row.key)?))).collect()
    })?;
    let go = those_that_may_go(settings, &rows);
    let station = &settings.station.id;
    let prefix = |key: BackupKey| layout::backup(station, key.epoch, key.seq);
    let rows: Vec<_> = rows.into_iter().filter(|(row, _)| !only_may_go || go.contains(&row.key)).collect();
    if output.is_json() {
        let told = rows.iter().map(|(row, copies)| {
            let copies: Vec<Value> = copies.iter().map(copy_json).collect();
            json!({
                "epoch": row.key.epoch, "seq": row.key.seq, "made_ms": row.made_ms, "size_bytes": row.size_bytes, "database_bytes": row.database_bytes,
                "log_size": row.log_size, "log_key": row.log_key.is_some(), "sm2_key": row.sm2_key.is_some(), "may_go": go.contains(&row.key), "prefix": prefix(row.key), "copies": copies,
            })
        });
        output.json(&told.collect::<Vec<_>>())?;
    } else if only_may_go {
        for (row, _) in &rows {
            output.line(&prefix(row.key))?;
        }
    } else {
        let table: Vec<Vec<String>> = rows
            .iter()
            .map(|(row, copies)| {
                let places: Vec<String> = copies.iter().map(place).collect();
                vec![
                    called(row.key),
                    UtcMs(row.made_ms).rfc3339_in(&settings.station.zone),
                    size(row.size_bytes),
                    row.log_size.to_string(),
                    if go.contains(&row.key) { "may go".to_owned() } else { String::new() },
                    places.join(", "),
                ]
            })
            .collect();
        output.table(&["backup", "made", "size", "events", "", "where"], &table, &[2, 3])?;
    }
    if rows.is_empty() && !only_may_go {
        output.note("no backup was made yet; `evidock doctor` says why");
    }
    Ok(Exit::Ok)
}

/// Backups that can be restored from and that nobody needs beside the others.
pub fn those_that_may_go(settings: &Settings, rows: &[(BackupRow, Vec<BackupCopy>)]) -> Vec<BackupKey> {
    let proven = rows.iter().filter(|(_, copies)| copies.iter().any(|c| c.state == "proven"));
    let made: Vec<(BackupKey, i64)> = proven.map(|(row, _)| (row.key, row.made_ms)).collect();
    let keep = Keep { daily: settings.backup.keep_daily, monthly: settings.backup.keep_monthly };
    may_go(&made, keep, &settings.station.zone)
}

fn copy_json(copy: &BackupCopy) -> Value {
    json!({ "destination": copy.destination, "state": copy.state, "reason": copy.reason, "proven_ms": copy.proven_ms })
}

fn place(copy: &BackupCopy) -> String {
    match copy.state.as_str() {
        "proven" => copy.destination.clone(),
        "given_up" => format!("{} (never arrived)", copy.destination),
        _ => format!("{} (waits: {})", copy.destination, copy.reason.as_deref().unwrap_or("not tried yet")),
    }
}

fn list_there(settings: &Settings, from: &str, output: &Output) -> anyhow::Result<Exit> {
    let dest = destinations::from_typed(settings, from)?;
    let station = settings.station.id.clone();
    let found = block_on(async {
        let mut notes = Vec::new();
        for key in at_destination(&*dest, &station).await.context("listing the backups")? {
            notes.push((key, note_at(&*dest, &station, key).await));
        }
        Ok(notes)
    })?;
    if output.is_json() {
        let told = found.iter().map(|(key, note)| match note {
            Ok((note, _)) => json!({
                "epoch": key.epoch, "seq": key.seq, "made_ms": note.made_ms, "size_bytes": note.size_bytes, "database_bytes": note.database_bytes,
                "log_size": note.log_size, "key": note.key.to_string(), "log_key": note.log_key.is_some(), "sm2_key": note.sm2_key.is_some(), "problem": null,
            }),
            Err(why) => json!({ "epoch": key.epoch, "seq": key.seq, "problem": why }),
        });
        output.json(&told.collect::<Vec<_>>())?;
    } else {
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|(key, note)| match note {
                Ok((note, _)) => vec![
                    called(*key),
                    UtcMs(note.made_ms).rfc3339_in(&settings.station.zone),
                    size(note.size_bytes),
                    note.log_size.to_string(),
                    String::new(),
                ],
                Err(why) => vec![called(*key), String::new(), String::new(), String::new(), why.clone()],
            })
            .collect();
        output.table(&["backup", "made", "size", "events", "problem"], &rows, &[2, 3])?;
    }
    if found.is_empty() {
        output.note(&format!("{from} holds no backup of station {}", settings.station.id));
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Ok)
}

/// The backups of a station that stand at a destination, whole as far as their notes tell, newest first.
pub async fn at_destination(dest: &dyn Destination, station: &StationId) -> Result<Vec<BackupKey>, SendError> {
    let mut keys = std::collections::BTreeSet::new();
    each_key(dest, &layout::backup_prefix(station), |key| keys.extend(layout::parse_backup_note(station, key))).await?;
    Ok(keys.into_iter().rev().map(|(epoch, seq)| BackupKey { epoch, seq }).collect())
}

/// Tells every key below `prefix`. One that gives the same page without end is not listened to for ever.
pub async fn each_key(dest: &dyn Destination, prefix: &str, mut tell: impl FnMut(&str)) -> Result<(), SendError> {
    let mut after: Option<String> = None;
    loop {
        let page = dest.list(prefix, after.as_deref()).await?;
        let Some(last) = page.last().cloned() else { return Ok(()) };
        if after.as_ref() == Some(&last) {
            let what = format!("it lists {prefix} without end");
            return Err(SendError::Protocol { destination: dest.name().clone(), what });
        }
        page.iter().for_each(|key| tell(key));
        after = Some(last);
    }
}

/// The note on a backup, on its own word, with its bytes; why it cannot be used, in words.
pub async fn note_at(
    dest: &dyn Destination,
    station: &StationId,
    key: BackupKey,
) -> Result<(BackupNote, Vec<u8>), String> {
    let object = layout::backup_note(station, key.epoch, key.seq);
    let bytes = small(dest, &object, MAX_NOTE_BYTES).await?;
    let note = open_on_its_word(&bytes).map_err(|e| e.to_string())?;
    if (&note.station, note.epoch, note.seq) != (station, key.epoch, key.seq) {
        return Err("its note is that of another backup".to_owned());
    }
    Ok((note, bytes))
}

/// A small object whole; more than `most` bytes of it are an error.
pub async fn small(dest: &dyn Destination, key: &str, most: usize) -> Result<Vec<u8>, String> {
    let told = |e: SendError| crate::domain::error::chain(&e);
    let mut stream = dest.read(key, None).await.map_err(told)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(told)?);
        if bytes.len() > most {
            return Err(format!("{key} is larger than anything of its kind; it was not written by evidock"));
        }
    }
    Ok(bytes)
}
