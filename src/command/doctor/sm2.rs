//! The SM2 key, where one is asked for: whether it is there, is the one that the log names, and how it is kept.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{at, unread};
use crate::command::sm2::{SM2_KEY, in_use, trusted_keys};
use crate::config::Settings;
use crate::custody::key::public_path;
use crate::custody::sealed;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::store::Store;

const PART: CheckPart = CheckPart::Sm2Key;

/// What is to be said of it; nothing where none is asked for.
pub fn key(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    if !settings.custody.sm2 {
        return Vec::new();
    }
    let named = match store.map(|store| store.read_blocking(in_use)).transpose() {
        Ok(named) => named.flatten(),
        Err(e) => return vec![unread(PART, &e)],
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
                return vec![Finding::problem(PART, Found::Sm2Gone { path: at(&path) }, Todo::RestoreSm2 {})];
            }
            Err(_) => {
                return vec![Finding::warning(PART, Found::NoneAt { path: at(&path) }, Todo::MadeAtNextStart {})];
            }
            Ok(mode) if mode & 0o077 != 0 => {
                return vec![Finding::problem(
                    PART,
                    Found::ReadByOthers { path: at(&path), mode: format!("{mode:03o}") },
                    Todo::CloseKey { path: at(&path) },
                )];
            }
            Ok(_) => {}
        }
    }
    let own = match trusted_keys(settings) {
        // Those of earlier times come after it.
        Ok(keys) if public_path(&path).exists() => keys.first().map(ToString::to_string),
        Ok(_) => None,
        Err(e) => {
            let found = Found::Sm2Unread { error: format!("{e:#}") };
            return vec![Finding::problem(PART, found, Todo::WrittenAtNextStart {})];
        }
    };
    let found = |key: &str| Found::Sm2Kept { key: key.to_owned(), kept: kept.to_owned() };
    vec![match (named, own) {
        (None, _) => Finding::warning(PART, Found::Sm2Unnamed {}, Todo::LoggedAtNextStart {}),
        (Some(named), Some(own)) if named.key != own => {
            Finding::problem(PART, Found::Sm2Other { own, named: named.key }, Todo::RestoreSm2 {})
        }
        (Some(named), None) => Finding::warning(
            PART,
            Found::Sm2PublicAway { key: named.key, path: at(&public_path(&path)) },
            Todo::WrittenAtNextStart {},
        ),
        (Some(named), Some(_)) if matches!(kept, sealed::UNKNOWN | "none") => {
            Finding::warning(PART, found(&named.key), Todo::SealKey {})
        }
        (Some(named), Some(_)) => Finding::ok(PART, found(&named.key)),
    }]
}
