//! Settings of the custody log (checkpoints, timestamps, witnesses) and of evidence packages. Part of `resolve`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::resolve::{Places, Problem, label, problem, whole};
use super::settings::{Custody, Export, KeyCredential, TimestampSettings, WitnessSettings};
use super::written;

/// `[custody]` and what stands below it.
pub(super) fn resolve(written: written::Custody, places: &Places<'_>) -> Result<Custody, Problem> {
    let seconds = whole("custody.checkpoint_interval_s", written.checkpoint_interval_s, 60, 1..=3600)?;
    let timestamp = match written.timestamp {
        None => None,
        Some(timestamp) => Some(TimestampSettings {
            url: address("custody.timestamp.url", timestamp.url)?,
            every: Duration::from_secs(
                whole("custody.timestamp.every_hours", timestamp.every_hours, 1, 1..=720)? * 3600,
            ),
            ca_file: places.written(timestamp.ca_file),
        }),
    };
    let mut witnesses: Vec<WitnessSettings> = Vec::new();
    for (n, witness) in written.witness.unwrap_or_default().into_iter().enumerate() {
        let at = |key: &str| format!("custody.witness[{n}].{key}");
        let Some(name) = label(&at("name"), witness.name)? else { return problem(at("name"), "is missing") };
        if witnesses.iter().any(|other| other.name == name) {
            return problem(at("name"), format!("is taken: another witness is called {name:?}"));
        }
        witnesses.push(WitnessSettings {
            name,
            url: address(&at("url"), witness.url)?,
            key: key(&at("key"), witness.key)?,
            ca_file: places.written(witness.ca_file),
        });
    }
    let mut witnessed = Vec::new();
    for (n, of) in written.witness_of.unwrap_or_default().into_iter().enumerate() {
        witnessed.push(key(&format!("custody.witness_of[{n}].key"), of.key)?);
    }
    let lock_days = whole("custody.lock_days", written.lock_days, 3650, 0..=36_500)? as u32;
    let sm2 = written.sm2.unwrap_or(false);
    let key = credential("custody.key_credential", written.key_credential, written.key_sealed_file, places)?;
    let sm2_key =
        credential("custody.sm2_key_credential", written.sm2_key_credential, written.sm2_key_sealed_file, places)?;
    Ok(Custody {
        checkpoint_interval: Duration::from_secs(seconds),
        timestamp,
        witnesses,
        witnessed,
        lock_days,
        sm3: written.sm3.unwrap_or(false),
        sm2,
        key,
        sm2_key,
    })
}

/// A key that is a credential of the service manager, where one is named.
fn credential(
    path: &str,
    name: Option<String>,
    sealed: Option<PathBuf>,
    places: &Places<'_>,
) -> Result<Option<KeyCredential>, Problem> {
    Ok(label(path, name)?.map(|name| KeyCredential {
        path: places.credential(&name),
        // Where systemd looks for credentials that it decrypts (systemd.exec(5)).
        sealed: places.written(sealed).unwrap_or_else(|| Path::new("/etc/credstore.encrypted").join(&name)),
        name,
    }))
}

/// `[export]`
pub(super) fn export(written: written::Export, places: &Places<'_>) -> Result<Export, Problem> {
    Ok(Export {
        dir: places.or_state(written.dir, "exports"),
        second_person: written.second_person.unwrap_or(true),
        keep: Duration::from_secs(whole("export.keep_days", written.keep_days, 30, 1..=3650)? * 86_400),
        sm3: written.sm3.unwrap_or(false),
        font: places.written(written.font),
    })
}

fn address(path: &str, written: Option<String>) -> Result<String, Problem> {
    let url = written.unwrap_or_default();
    let host = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    match host {
        Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => Ok(url),
        _ => problem(path, format!("must be an address that begins with https:// or http://; it is {url:?}")),
    }
}

/// The form of a verifier key; whether its id fits is found out where keys are known.
fn key(path: &str, written: Option<String>) -> Result<String, Problem> {
    let key = written.unwrap_or_default().trim().to_owned();
    let mut parts = key.splitn(3, '+');
    let (name, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let sound = !name.is_empty() && id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if !sound || parts.next().is_none_or(str::is_empty) {
        let what = "must be a key as in a station's log.key.pub: name, id and key, joined by '+'";
        return problem(path, format!("{what}; it is {key:?}"));
    }
    Ok(key)
}

/// As it would be written.
pub(super) fn to_written(custody: &Custody) -> written::Custody {
    let witnesses: Vec<written::Witness> = custody
        .witnesses
        .iter()
        .map(|w| written::Witness {
            name: Some(w.name.clone()),
            url: Some(w.url.clone()),
            key: Some(w.key.clone()),
            ca_file: w.ca_file.clone(),
        })
        .collect();
    let of: Vec<written::WitnessOf> =
        custody.witnessed.iter().map(|key| written::WitnessOf { key: Some(key.clone()) }).collect();
    written::Custody {
        checkpoint_interval_s: Some(custody.checkpoint_interval.as_secs()),
        timestamp: custody.timestamp.as_ref().map(|t| written::Timestamp {
            url: Some(t.url.clone()),
            every_hours: Some(t.every.as_secs() / 3600),
            ca_file: t.ca_file.clone(),
        }),
        witness: (!witnesses.is_empty()).then_some(witnesses),
        witness_of: (!of.is_empty()).then_some(of),
        lock_days: Some(u64::from(custody.lock_days)),
        sm3: Some(custody.sm3),
        sm2: Some(custody.sm2),
        key_credential: custody.key.as_ref().map(|key| key.name.clone()),
        key_sealed_file: custody.key.as_ref().map(|key| key.sealed.clone()),
        sm2_key_credential: custody.sm2_key.as_ref().map(|key| key.name.clone()),
        sm2_key_sealed_file: custody.sm2_key.as_ref().map(|key| key.sealed.clone()),
    }
}

/// As it would be written.
pub(super) fn export_to_written(export: &Export) -> written::Export {
    written::Export {
        dir: Some(export.dir.clone()),
        second_person: Some(export.second_person),
        keep_days: Some(export.keep.as_secs() / 86_400),
        sm3: Some(export.sm3),
        font: export.font.clone(),
    }
}
