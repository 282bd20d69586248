//! `evidock log rotate-key`: goes on under a new signing key. The old key signs the event that ends its use, so that
//! whoever trusted it can follow, and is gone afterwards. With `--sm2` it is the SM2 key that changes ([`super::sm2`]).
//!
//! Done with the daemon stopped: one writer, one signer, nothing under way. Cut off at any moment, the next start of
//! either goes on, or leaves everything as it was ([`settle`]): what decides is whether the event stands in the log.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::anchor::{Anchor, Standing};
use super::exit::Exit;
use super::output::Output;
use super::run::database;
use super::{Ended, find, sm2};
use crate::cli::RotateKey;
use crate::config::Settings;
use crate::custody::checkpoint::key_name;
use crate::custody::key::FileSigner;
use crate::custody::note::VerifierKey;
use crate::custody::retired;
use crate::domain::event::{Actor, Draft, Envelope, EventKind};
use crate::domain::ids::StationId;
use crate::domain::ports::{SecondSigner, Signer};
use crate::runtime::clock::SystemClock;
use crate::runtime::lock::StateLock;
use crate::store::{Store, StoreError};

/// Carries the verb out.
pub fn rotate_key(asked: &RotateKey, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let reason = asked.reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Ended::with(Exit::Usage, "say why the key is changed; it is kept on record"));
    }
    if settings.custody.key.is_some() {
        return Err(Ended::with(
            Exit::Usage,
            "the key is a credential, which only the service manager can change: put the key back into log.key, take [custody] key_credential out, rotate, and seal the new one; docs/custody.md has the steps",
        ));
    }
    if settings.custody.sm2 && settings.custody.sm2_key.is_some() {
        // Of the other key, too: both sign the checkpoint over the change.
        return Err(Ended::with(
            Exit::Usage,
            "the SM2 key is a credential, with which only the service can sign: put the key back into log.sm2.key, take [custody] sm2_key_credential out, rotate, and seal it again; docs/custody.md has the steps",
        ));
    }
    let (state, station) = (&settings.station.state_dir, &settings.station.id);
    // Tells, too, whether a daemon ever ran here.
    drop(find::store(settings)?);
    let _lock = StateLock::acquire(state).context("stop evidock first; it is started again when the key is changed")?;
    let clock = SystemClock::new();
    let store = Store::open(&database(settings), station, Arc::clone(&clock) as Arc<_>)?;
    settle(state, station, &store)?;
    sm2::settle(state, station, &store)?;
    if asked.sm2 {
        let exit = sm2::rotate(asked, settings, &store, output);
        store.close();
        return exit;
    }
    let (path, name) = (state.join("log.key"), key_name(station));
    let second = sm2::open(settings, &store)?;
    let old = FileSigner::open_or_create(&path, &name)?;
    let next = FileSigner::create_next(&path, &name)?;
    let (old_key, new_key) = (VerifierKey::of(&old)?, VerifierKey::of(&next)?);
    let event = Draft::by(EventKind::KeyRotated, Actor::os(rustix::process::getuid().as_raw()), "cli")
        .fact("old", old_key.to_string())
        .fact("new", new_key.to_string())
        .fact("protection", next.protection())
        .secret("reason", reason);
    let anchor = Anchor {
        store: store.clone(),
        station: station.clone(),
        signer: Arc::new(old),
        second: second.map(|second| second as Arc<dyn SecondSigner>),
        clock,
        destinations: settings.destinations.iter().map(|d| d.name.to_string()).collect(),
        every_ms: 0,
    };
    anchor.open_epoch()?;
    anchor.tell_sm2()?;
    let signing = anchor.signing(Standing::Serves);
    let checkpoint = store.write_blocking(move |tx| {
        tx.log(&event)?;
        signing(tx)
    })?;
    settle(state, station, &store)?;
    store.close();
    let answer = serde_json::json!({
        "old": old_key.to_string(), "new": new_key.to_string(), "checkpoint_size": checkpoint.size,
    });
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.line(&format!("the log goes on under {new_key}"))?;
        output.line(&format!(
            "start evidock again, make a backup, and give the new public key ({}) to whoever keeps the old one: witnesses (which take the old line out once the new key has signed), archives, courts",
            crate::custody::key::public_path(&path).display()
        ))?;
    }
    Ok(Exit::Ok)
}

/// Brings a change of keys that was cut off to its end, if the log says that it happened; else it is as if it had not
/// begun.
pub fn settle(state: &Path, station: &StationId, store: &Store) -> anyhow::Result<()> {
    let (path, name) = (state.join("log.key"), key_name(station));
    let Some(next) = FileSigner::open_next(&path, &name)? else { return Ok(()) };
    let next = VerifierKey::of(&next)?.to_string();
    let last = store.read_blocking(|r| {
        let rows = r.log_of_keys()?;
        let envelope = rows.last().map(|row| {
            serde_json::from_slice::<Envelope>(&row.bytes)
                .map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))
        });
        envelope.transpose()
    })?;
    let said = |e: &Envelope, field: &str| e.body.get(field).and_then(|v| v.as_str()).map(str::to_owned);
    let rotated = last.filter(|e| e.kind == EventKind::KeyRotated.as_str() && said(e, "new").as_ref() == Some(&next));
    let Some(old) = rotated.and_then(|e| said(&e, "old")) else {
        return Ok(FileSigner::discard_next(&path)?);
    };
    let old: VerifierKey = old.parse().context("the log names an old key that is none; run `evidock log verify`")?;
    let mut keys = retired::read(state)?;
    if !keys.contains(&old) {
        keys.push(old);
        // Before the old key goes, so that what it signed can be checked at every moment.
        retired::write(state, &keys)?;
    }
    FileSigner::take_over(&path, &name)?;
    tracing::info!(key = next, "the log goes on under a new key");
    Ok(())
}
