//! `evidock config`: is the configuration right, what holds, and the commented default.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::exit::Exit;
use super::output::Output;
use crate::cli::{Config, Global};
use crate::config::DEFAULT_FILE;

/// Carries out `config check`, `show` and `print-default`.
pub fn config(verb: &Config, global: &Global, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        Config::Check => check(global, output),
        Config::Show => show(global, output),
        Config::PrintDefault => {
            output.raw(DEFAULT_FILE)?;
            Ok(Exit::Ok)
        }
    }
}

/// Beyond what loading refuses: are the files there that the configuration names?
fn check(global: &Global, output: &Output) -> anyhow::Result<Exit> {
    let settings = super::settings(global)?;
    let mut missing = Vec::new();
    for (key, path) in settings.needed_files() {
        match std::fs::metadata(&path) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => missing.push((key, path)),
            // Secrets are often closed to whoever checks; the service's user sees them, and says if not.
            Err(e) => output.note(&format!("{key}: {} cannot be looked at by this user: {e}", path.display())),
        }
    }
    let origin = settings.file.as_deref().map_or("the embedded defaults".into(), Path::to_string_lossy);
    let exit = if missing.is_empty() { Exit::Ok } else { Exit::Usage };
    if output.is_json() {
        let missing: Vec<_> = missing.iter().map(|(key, path)| json!({"key": key, "path": path})).collect();
        output.json(&json!({"file": settings.file, "ok": exit == Exit::Ok, "missing_files": missing}))?;
    } else if missing.is_empty() {
        output.line(&format!("{origin}: right"))?;
    } else {
        for (key, path) in &missing {
            output.note(&format!("{origin}: {key} names {}, which does not exist", path.display()));
        }
    }
    Ok(exit)
}

fn show(global: &Global, output: &Output) -> anyhow::Result<Exit> {
    let settings = super::settings(global)?;
    let written = settings.to_written();
    if output.is_json() {
        output.json(&written)?;
    } else {
        let origin = settings.file.as_deref().map_or("the embedded defaults".into(), Path::to_string_lossy);
        output.raw(&format!("# From {origin}; every default and path resolved.\n\n{}", toml::to_string(&written)?))?;
    }
    Ok(Exit::Ok)
}
