//! The keys of a station that comes back: those that were in the backup, those that the log names, and a new one where
//! there is none.

use std::collections::BTreeSet;

use super::fetch::Opened;
use super::report::Report;
use super::{Restoring, write_durably};
use crate::command::sm2::SM2_KEY;
use crate::custody::checkpoint::key_name;
use crate::custody::epoch::Opening;
use crate::custody::key::{FileSigner, public_path};
use crate::custody::note::VerifierKey;
use crate::custody::retired;
use crate::custody::sm2::{Sm2Key, Sm2Signer};
use crate::domain::event::Envelope;
use crate::store::Store;

impl Restoring<'_> {
    /// Puts those keys back that are in the backup, unless one stands here already.
    pub(super) fn put_back_keys(&self, opened: &Opened) -> anyhow::Result<()> {
        for (key, name) in [(&opened.log_key, "log.key"), (&opened.sm2_key, SM2_KEY)] {
            let path = self.settings.station.state_dir.join(name);
            if let Some(key) = key
                && !path.exists()
            {
                write_durably(&path, key, 0o600)?;
            }
        }
        Ok(())
    }

    /// Keeps the public halves of the SM2 keys that the log names, so that what they signed can be checked, and tells where
    /// none of them came back.
    pub(super) fn keep_sm2_keys(&self, store: &Store, report: &mut Report) -> anyhow::Result<()> {
        let state = &self.settings.station.state_dir;
        let path = state.join(SM2_KEY);
        // None is made here: an epoch begins without, and the daemon may be asked for none.
        let own = match path.exists() {
            true => Some(Sm2Signer::open_or_create(&path, &key_name(self.station()))?.verifier()),
            false => None,
        };
        let mut old = retired::read_sm2(state)?;
        let mut named = false;
        for key in sm2_keys_of_log(store)? {
            named = true;
            if !old.contains(&key) {
                old.push(key);
            }
        }
        if named && self.settings.custody.sm2 && own.is_none() {
            report.warnings.push(
                "the SM2 key did not come back: SM2 signatures go on under a new one; keep its log.sm2.key.pub off this box, beside the old one"
                    .to_owned(),
            );
        }
        old.retain(|key| Some(key) != own.as_ref());
        if old.is_empty() { Ok(()) } else { Ok(retired::write_sm2(state, &old)?) }
    }

    /// The key under which the log goes on: the one that stands here, or a new one.
    pub(super) fn signer(&self) -> anyhow::Result<FileSigner> {
        let path = self.settings.station.state_dir.join("log.key");
        if !path.exists() && public_path(&path).exists() {
            anyhow::bail!("{} stands there without its key; move it away", public_path(&path).display());
        }
        Ok(FileSigner::open_or_create(&path, &key_name(self.station()))?)
    }
}

/// The keys that the log itself names: those under which epochs were opened, and those of changes between.
pub(super) fn keys_of_log(store: &Store) -> anyhow::Result<Vec<VerifierKey>> {
    let mut keys = BTreeSet::new();
    for row in store.read_blocking(|r| r.log_of_keys())? {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&row.bytes) else { continue };
        let told = |name: &str| envelope.body.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        keys.extend(Opening::read(&envelope.body).map(|opening| opening.key));
        keys.extend(["old", "new"].into_iter().filter_map(told));
    }
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

/// The SM2 keys that it names.
fn sm2_keys_of_log(store: &Store) -> anyhow::Result<Vec<Sm2Key>> {
    let mut keys = BTreeSet::new();
    for row in store.read_blocking(|r| r.log_of_sm2_key())? {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&row.bytes) else { continue };
        let told = |name: &str| envelope.body.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        keys.extend(["old", "key"].into_iter().filter_map(told));
    }
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}
