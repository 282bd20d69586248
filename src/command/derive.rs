//! `evidock derive`: asks the running daemon for a file that is derived of a clip, waits until it is made, and brings it
//! where it was asked for. Giving it out is logged before its first byte.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use sha2::Digest;

use super::deriving::path_of;
use super::exit::Exit;
use super::find::store;
use super::output::Output;
use super::{Ended, ask};
use crate::cli::{Derive, DeriveOf};
use crate::config::Settings;
use crate::domain::command::Request;
use crate::domain::derivative::{State, file_name};
use crate::domain::derived::parse_span;
use crate::domain::digest::Sha256;

/// The database is looked at so often while the daemon makes it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Carries the verb out.
pub fn derive(verb: &Derive, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let (kind, of, from, until, form, exact) = match verb {
        Derive::Frame { of, at, png } => ("frame", of, Some(at), None, png.then_some("png"), true),
        Derive::Trim { of, from, until, exact } => ("trim", of, from.as_ref(), Some(until), None, *exact),
        Derive::Watermark { of, from, until } => ("watermark", of, from.as_ref(), until.as_ref(), None, true),
    };
    let DeriveOf { clip, reason, to } = of;
    if let Some(to) = to.as_ref().filter(|to| to.exists()) {
        return Err(Ended::with(Exit::Usage, format!("{} is there already; give another --to", to.display())));
    }
    let asked = ask::request(
        settings,
        &Request::AskDerived {
            clip: clip.clone(),
            kind: kind.to_owned(),
            form: form.map(str::to_owned),
            from_ms: from.map(|t| ms(t)).transpose()?,
            to_ms: until.map(|t| ms(t)).transpose()?,
            exact,
            reason: reason.clone(),
        },
    )?;
    let id = asked["derived"].as_str().context("the daemon answered without an id")?.to_owned();
    let store = store(settings)?;
    let row = loop {
        let wanted = id.clone();
        let row = store.read_blocking(move |r| r.derivative(&wanted))?;
        match row.state {
            State::Making => std::thread::sleep(LOOK_EVERY),
            State::Ready => break row,
            State::Failed | State::Gone => {
                let words = row.words.unwrap_or_else(|| "it could not be made".to_owned());
                return Err(Ended::with(Exit::Failure, words));
            }
        }
    };
    let file = row.file.context("the daemon made nothing")?;
    let to = match to {
        Some(to) => to.clone(),
        None => PathBuf::from(file_name(row.clip, row.order.kind, file.from_ms, file.form)),
    };
    ask::request(settings, &Request::TakeDerived { derived: id.clone() })?;
    let from = path_of(&settings.derived.dir, &id, file.form);
    let copied =
        copy(&from, &to).with_context(|| format!("{} cannot be brought to {}", from.display(), to.display()))?;
    if copied != file.sha256 {
        let _ = fs::remove_file(&to);
        let words = format!("{} has other bytes than were made; ask for it anew", from.display());
        return Err(Ended::with(Exit::Mismatch, words));
    }
    if output.is_json() {
        output.json(&json!({
            "derived": id, "clip": row.clip.to_string(), "kind": kind, "form": file.form.as_str(), "method": file.method.as_str(),
            "from_ms": file.from_ms, "to_ms": file.to_ms, "bytes": file.size_bytes, "sha256": file.sha256.to_string(),
            "blake3": file.blake3.to_string(), "parent_sha256": file.parent_sha256.to_string(),
            "parent_blake3": file.parent_blake3.to_string(), "tool": file.tool, "to": to,
        }))?;
    } else {
        let w = output.words(settings.station.language);
        output.line(&to.display().to_string())?;
        output.line(&format!("{} · {}", w.derived_mark, w.derived_method(file.method)))?;
        output.line(&format!("{} – {}", w.footage(file.from_ms as i64), w.footage(file.to_ms as i64)))?;
        output.line(&format!("{}: {}", w.derived_digest, file.sha256))?;
        output.line(&format!("{}: {}", w.derived_parent, file.parent_sha256))?;
    }
    Ok(Exit::Ok)
}

fn ms(typed: &str) -> anyhow::Result<u64> {
    match parse_span(typed) {
        Some((ms, None)) => Ok(ms),
        _ => Err(Ended::with(Exit::Usage, format!("{typed:?} is no place in a clip; give seconds, as 12.5"))),
    }
}

/// Copies, on disk for good, and gives the digest of what was read.
fn copy(from: &std::path::Path, to: &std::path::Path) -> io::Result<Sha256> {
    let (mut from, mut to) = (File::open(from)?, File::options().create_new(true).write(true).open(to)?);
    let (mut sha256, mut block) = (sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match io::Read::read(&mut from, &mut block)? {
            0 => break,
            n => {
                sha256.update(&block[..n]);
                to.write_all(&block[..n])?;
            }
        }
    }
    to.sync_all()?;
    Ok(Sha256(sha256.finalize().into()))
}
