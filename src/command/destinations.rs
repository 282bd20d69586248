//! From settings to destinations, and from what is typed after `--from` to one.

use std::sync::Arc;

use anyhow::Context;

use super::Ended;
use super::exit::Exit;
use crate::config::{Destination as Written, DestinationKind, Lock, Proof, Settings};
use crate::deliver::folder::{FolderDestination, FolderOptions};
use crate::deliver::s3::{LockMode, S3Destination, S3Options};
use crate::deliver::{Keys, Secret};
use crate::domain::clip::ProofLevel;
use crate::domain::ids::DestinationName;
use crate::domain::ports::Destination;

/// Makes one destination. `used_before`: the store says that something was sent there.
pub fn make(settings: &Settings, written: &Written, used_before: bool) -> anyhow::Result<Arc<dyn Destination>> {
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let station = settings.station.id.clone();
    match &written.kind {
        DestinationKind::Folder(folder) => Ok(Arc::new(FolderDestination::new(FolderOptions {
            name: written.name.clone(),
            station,
            root: folder.dir.clone(),
            vault: settings.vault.dir.clone(),
            used_before,
            proof: None,
        }))),
        DestinationKind::S3(s3) => {
            let (access, secret) = (s3.access_key.clone(), s3.secret_key.clone());
            let keys =
                Keys::read_by(move || Ok((access.read()?.expose().to_owned(), Secret::new(secret.read()?.expose()))));
            let mut options = S3Options::new(written.name.clone(), station, &s3.endpoint, &s3.bucket, keys);
            options.region = s3.region.clone();
            options.path_style = Some(s3.path_style);
            options.http.ca_file = s3.ca_file.clone();
            options.lock = match s3.lock {
                Lock::Off => LockMode::Off,
                Lock::Governance => LockMode::Governance,
                Lock::Auto | Lock::Compliance => LockMode::Compliance,
            };
            options.proof = match s3.proof {
                Proof::Auto => None,
                Proof::ReadBack => Some(ProofLevel::ReadBack),
            };
            Ok(Arc::new(S3Destination::new(options).with_context(|| format!("destination {}", written.name))?))
        }
    }
}

/// What stands before a key in the URI of an object.
pub fn uri_prefix(written: &Written) -> String {
    match &written.kind {
        DestinationKind::Folder(folder) => format!("file://{}/", folder.dir.display()),
        DestinationKind::S3(s3) => format!("s3://{}/", s3.bucket),
    }
}

/// The destination named `from` in the configuration, or a folder given as a path.
pub fn from_typed(settings: &Settings, from: &str) -> anyhow::Result<Arc<dyn Destination>> {
    if let Some(written) = settings.destinations.iter().find(|d| d.name.as_str() == from) {
        return make(settings, written, false);
    }
    let path = std::path::Path::new(from);
    if from.contains('/') && path.is_dir() {
        return Ok(Arc::new(FolderDestination::new(FolderOptions {
            name: DestinationName::new("from")?,
            station: settings.station.id.clone(),
            root: path.to_owned(),
            vault: settings.vault.dir.clone(),
            used_before: true,
            proof: None,
        })));
    }
    let names: Vec<&str> = settings.destinations.iter().map(|d| d.name.as_str()).collect();
    Err(Ended::with(
        Exit::NotFound,
        format!(
            "there is no destination {from:?}; the configuration names {}, or give the path of a folder",
            names.join(", ")
        ),
    ))
}
