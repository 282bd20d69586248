//! The SM2 key of a station: opened as the log names it, and changed by `evidock log rotate-key --sm2`, as the log's own
//! key is by [`super::rotate`].
//!
//! The daemon signs with the key that the log names, or not at all: another one in its place would show in every later
//! verification and nowhere else.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::Ended;
use super::anchor::{Anchor, Standing};
use super::exit::Exit;
use super::output::Output;
use crate::cli::RotateKey;
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::{FileSigner, public_path};
use crate::custody::retired;
use crate::custody::sm2::{Sm2Error, Sm2Key, Sm2Signer};
use crate::custody::sm2_course::{Course, InUse, KeyEvent};
use crate::domain::event::{Actor, Draft, Envelope, EventKind};
use crate::domain::ids::StationId;
use crate::domain::ports::SecondSigner;
use crate::runtime::clock::SystemClock;
use crate::store::{LogRow, Reader, Store, StoreError};

/// Where the key stands in the state directory.
pub const SM2_KEY: &str = "log.sm2.key";

/// The key that the log names now.
pub(super) fn in_use(read: &Reader<'_>) -> Result<Option<InUse>, StoreError> {
    let told = envelopes(&read.log_of_sm2_key()?)?;
    let course = Course::of(&told, read.epoch()?).map_err(|seq| {
        StoreError::Odd(format!("log entry {seq} says what it cannot of the SM2 key; run `evidock log verify`"))
    })?;
    Ok(course.in_use().cloned())
}

fn envelopes(rows: &[LogRow]) -> Result<Vec<Envelope>, StoreError> {
    let read = |row: &LogRow| {
        serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))
    };
    rows.iter().map(read).collect()
}

/// The key that signs, where the configuration asks for one: made at first, then the one that the log names.
pub(super) fn open(settings: &Settings, store: &Store) -> anyhow::Result<Option<Arc<Sm2Signer>>> {
    let (state, name) = (&settings.station.state_dir, key_name(&settings.station.id));
    let (path, named) = (state.join(SM2_KEY), store.read_blocking(in_use)?);
    if !settings.custody.sm2 {
        // The log is about to say so. Whatever becomes of its files, what it signed can be checked.
        named.map_or(Ok(()), |named| retire(state, &named.key))?;
        return Ok(None);
    }
    let way_out = "restore the key from the backup, or, if it is lost, run `evidock log rotate-key --sm2 --lost`";
    let signer = match &settings.custody.sm2_key {
        Some(key) => Sm2Signer::open_credential(&key.path, &key.sealed, &path, &name)?,
        // A new one in its place would be another key.
        None if named.is_some() && !path.exists() => {
            anyhow::bail!("{} is gone, and the log names a key; {way_out}", path.display())
        }
        None => Sm2Signer::open_or_create(&path, &name)?,
    };
    match named {
        Some(named) if named.key != signer.verifier().to_string() => {
            anyhow::bail!("the SM2 key is not the one that the log names, {}; {way_out}", named.key)
        }
        _ => Ok(Some(Arc::new(signer))),
    }
}

/// The SM2 keys that may have signed this station's checkpoints: the public half beside its own, and those of earlier
/// times. Which of them must, the log says.
pub(super) fn trusted_keys(settings: &Settings) -> anyhow::Result<Vec<Sm2Key>> {
    let state = &settings.station.state_dir;
    let path = public_path(&state.join(SM2_KEY));
    let mut keys = Vec::new();
    match std::fs::read_to_string(&path) {
        Ok(pem) => keys
            .push(Sm2Key::from_pem(&key_name(&settings.station.id), &pem).with_context(|| {
                format!("{} is no SM2 key; the daemon writes it anew at its start", path.display())
            })?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
    }
    let retired = retired::read_sm2(state)?;
    keys.extend(retired.into_iter().filter(|key| Some(key) != keys.first()).collect::<Vec<_>>());
    Ok(keys)
}

/// `evidock log rotate-key --sm2`: the station is locked, and a change that was cut off is settled.
pub(super) fn rotate(asked: &RotateKey, settings: &Settings, store: &Store, output: &Output) -> anyhow::Result<Exit> {
    if !settings.custody.sm2 {
        return Err(Ended::with(Exit::Usage, "[custody] sm2 is off: there is no such key in use"));
    }
    let (state, station) = (&settings.station.state_dir, &settings.station.id);
    let (path, name) = (state.join(SM2_KEY), key_name(station));
    let Some(named) = store.read_blocking(in_use)? else {
        return Err(Ended::with(Exit::Usage, "the log names no SM2 key yet; start evidock once, then change it"));
    };
    let old = if asked.lost { None } else { open(settings, store)? };
    if asked.lost {
        let there = match Sm2Signer::open(&path, &name) {
            Err(Sm2Error::Foreign { .. }) => None,
            there => there?,
        };
        if there.is_some_and(|key| key.verifier().to_string() == named.key) {
            let words = "the key is there: change it without --lost, so that it signs its own end";
            return Err(Ended::with(Exit::Usage, words));
        }
    }
    let next = Arc::new(Sm2Signer::create_next(&path, &name)?);
    let new = next.verifier().to_string();
    let event = KeyEvent::Changed {
        old: named.key.clone(),
        key: new.clone(),
        protection: next.protection().to_owned(),
        lost: asked.lost,
    };
    let event = event
        .tell(Draft::by(EventKind::Sm2Key, Actor::os(rustix::process::getuid().as_raw()), "cli"))
        .secret("reason", asked.reason.trim());
    let anchor = Anchor {
        store: store.clone(),
        station: station.clone(),
        signer: Arc::new(FileSigner::open_or_create(&state.join("log.key"), &name)?),
        second: Some(old.unwrap_or(next)),
        clock: SystemClock::new(),
        destinations: settings.destinations.iter().map(|d| d.name.to_string()).collect(),
        every_ms: 0,
    };
    let signing = anchor.signing(Standing::Serves);
    let checkpoint = store.write_blocking(move |tx| {
        tx.log(&event)?;
        signing(tx)
    })?;
    settle(state, station, store)?;
    if output.is_json() {
        output.json(&serde_json::json!({ "old": named.key, "new": new, "checkpoint_size": checkpoint.size }))?;
    } else {
        output.line(&format!("SM2 signatures go on under {new}"))?;
        output.line(&format!(
            "start evidock again, make a backup, and give the new public key ({}) to whoever keeps the old one",
            public_path(&path).display()
        ))?;
    }
    Ok(Exit::Ok)
}

/// Brings a change of the SM2 key that was cut off to its end, if the log says that it happened; else it is as if it had
/// not begun.
pub(super) fn settle(state: &Path, station: &StationId, store: &Store) -> anyhow::Result<()> {
    let (path, name) = (state.join(SM2_KEY), key_name(station));
    let Some(next) = Sm2Signer::open_next(&path, &name)? else { return Ok(()) };
    let next = next.verifier().to_string();
    let last = store.read_blocking(|r| Ok(envelopes(&r.log_of_sm2_key()?)?.pop()))?;
    let old = match last.and_then(|e| KeyEvent::read(&e.body)) {
        Some(KeyEvent::Changed { old, key, .. }) if key == next => old,
        _ => return Ok(Sm2Signer::discard_next(&path)?),
    };
    // Before the old key goes, so that what it signed can be checked at every moment.
    retire(state, &old)?;
    Sm2Signer::take_over(&path, &name)?;
    tracing::info!(key = next, "SM2 signatures go on under a new key");
    Ok(())
}

/// Keeps the public half of a key whose use ends.
fn retire(state: &Path, key: &str) -> anyhow::Result<()> {
    let key: Sm2Key = key.parse().context("the log names an SM2 key that is none; run `evidock log verify`")?;
    let mut keys = retired::read_sm2(state)?;
    if keys.contains(&key) {
        return Ok(());
    }
    keys.push(key);
    Ok(retired::write_sm2(state, &keys)?)
}
