//! The settings in force, as the log compares them with those of the last start: flattened, with a digest of each recorder
//! profile and of what the files of secrets hold. Decides nothing about them; `domain::setting` says what is told.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;

use crate::config::Settings;
use crate::domain::setting::{CONTENT, Flat, PROFILE, flatten};
use crate::source::profile::Profiles;

/// Keys that name the file of a secret.
const SECRETS: [&str; 7] = [
    "password_file",
    "access_key_file",
    "secret_key_file",
    "private_key_file",
    "client_key_file",
    "secret_file",
    "tls_key",
];
/// No secret is longer (`config::secret`).
const MOST_BYTES: u64 = 64 << 10;

/// What is compared. `key` is this database's own.
pub(super) fn in_force(settings: &Settings, profiles: &Profiles, key: &[u8; 32]) -> anyhow::Result<Flat> {
    let written = serde_json::to_value(settings.to_written()).context("the settings cannot be written out")?;
    let mut flat = flatten(&written);
    let secrets: Vec<(String, String)> = flat
        .iter()
        .filter(|(name, _)| name.rsplit('.').next().is_some_and(|last| SECRETS.contains(&last)))
        .filter_map(|(name, path)| Some((name.clone(), serde_json::from_str(path).ok()?)))
        .collect();
    for (name, path) in secrets {
        flat.insert(format!("{name}{CONTENT}"), digest(Path::new(&path), key));
    }
    for profile in profiles.iter() {
        flat.insert(format!("{PROFILE}{}", profile.name()), format!("\"{}\"", profile.digest()));
    }
    Ok(flat)
}

/// Keyed, so that whoever has it alone cannot try passwords against it.
fn digest(path: &Path, key: &[u8; 32]) -> String {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => blake3::keyed_hash(key, &bytes).to_hex().to_string(),
        // Whether it can be read is told where it is used.
        Err(_) => "unread".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_as_a_digest_that_is_another_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert_eq!(digest(&path, &[1; 32]), "unread");
        std::fs::write(&path, "hunter2").unwrap();
        let one = digest(&path, &[1; 32]);
        std::fs::write(&path, "hunter3").unwrap();
        assert_ne!(digest(&path, &[1; 32]), one);
        std::fs::write(&path, "hunter2").unwrap();
        assert_eq!(digest(&path, &[1; 32]), one);
        assert_ne!(digest(&path, &[2; 32]), one, "another database");
    }
}
