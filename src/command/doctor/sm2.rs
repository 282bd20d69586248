//! The SM2 key, where one is asked for: whether it is there, is the one that the log names, and how it is kept.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Finding;
use crate::command::sm2::{SM2_KEY, in_use, trusted_keys};
use crate::config::Settings;
use crate::custody::key::public_path;
use crate::custody::sealed;
use crate::domain::error::chain;
use crate::store::Store;

const PART: &str = "SM2 key";
const WAY_OUT: &str = "restore the key from the backup, or, if it is lost, `evidock log rotate-key --sm2 --lost`";

/// What is to be said of it; nothing where none is asked for.
pub fn key(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    if !settings.custody.sm2 {
        return Vec::new();
    }
    let named = match store.map(|store| store.read_blocking(in_use)).transpose() {
        Ok(named) => named.flatten(),
        Err(e) => return vec![Finding::problem(PART, chain(&e), "see the findings about the database")],
    };
    let path = settings.station.state_dir.join(SM2_KEY);
    let kept = match &settings.custody.sm2_key {
        // Its content is for the service alone; how it is kept is told by its encrypted file.
        Some(key) => sealed::protection(&key.sealed),
        None => "file",
    };
    if settings.custody.sm2_key.is_none() {
        match fs::metadata(&path).map(|m| m.mode() & 0o777) {
            Err(_) if named.is_some() => {
                return vec![Finding::problem(
                    PART,
                    format!("{} is gone, and the log names it", path.display()),
                    WAY_OUT,
                )];
            }
            Err(_) => {
                let words = format!("there is none at {}", path.display());
                return vec![Finding::warning(PART, words, "the daemon makes it at its next start")];
            }
            Ok(mode) if mode & 0o077 != 0 => {
                return vec![Finding::problem(
                    PART,
                    format!("{} may be read by others (mode {mode:03o})", path.display()),
                    format!("chmod 600 {}; change the key if anybody has read it", path.display()),
                )];
            }
            Ok(_) => {}
        }
    }
    let own = match trusted_keys(settings) {
        // Those of earlier times come after it.
        Ok(keys) if public_path(&path).exists() => keys.first().map(ToString::to_string),
        Ok(_) => None,
        Err(e) => return vec![Finding::problem(PART, format!("{e:#}"), "the daemon writes it anew at its next start")],
    };
    let words = |key: &str| {
        format!(
            "{key}, kept in: {kept}; used by a library without a certificate, beside the log key and not in its place"
        )
    };
    vec![match (named, own) {
        (None, _) => Finding::warning(PART, "the log names none yet", "the daemon says so at its next start"),
        (Some(named), Some(own)) if named.key != own => {
            Finding::problem(PART, format!("it is {own}, and the log names {}", named.key), WAY_OUT)
        }
        (Some(named), None) => Finding::warning(
            PART,
            format!("the public half of {} is not at {}", named.key, public_path(&path).display()),
            "the daemon writes it again at its next start",
        ),
        (Some(named), Some(_)) if matches!(kept, sealed::UNKNOWN | "none") => Finding::warning(
            PART,
            words(&named.key),
            "its encrypted file should be made by systemd-creds with --with-key=tpm2, or host",
        ),
        (Some(named), Some(_)) => Finding::ok(PART, words(&named.key)),
    }]
}
