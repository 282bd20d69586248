//! `[[destination]]` from what was written to settings: one function for each kind, and one table that says which
//! keys belong to which. Pure, like `resolve`, whose part it is.

mod files;
mod http;

use std::path::PathBuf;

use super::resolve::{Places, Problem, choice, label, one_of, problem, sensitivity, whole};
use super::secret::SecretFile;
use super::sending;
use super::settings::{Destination, DestinationKind, FolderDestination, Lock, Proof, S3Destination};
use super::written;
use crate::domain::ids::DestinationName;
use crate::domain::sensitivity::Sensitivity;

/// What a destination can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    S3,
    Tus,
    Azure,
    Sftp,
    Ftp,
    Webdav,
}

impl Kind {
    const ALL: [Self; 7] = [Self::Folder, Self::S3, Self::Tus, Self::Azure, Self::Sftp, Self::Ftp, Self::Webdav];

    /// The word as written.
    fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
            Self::Tus => "tus",
            Self::Azure => "azure",
            Self::Sftp => "sftp",
            Self::Ftp => "ftp",
            Self::Webdav => "webdav",
        }
    }

    /// What people call it.
    fn called(self) -> &'static str {
        match self {
            Self::Folder => "a folder",
            Self::S3 => "an s3 store",
            Self::Tus => "a tus server",
            Self::Azure => "an azure container",
            Self::Sftp => "an sftp server",
            Self::Ftp => "an ftp server",
            Self::Webdav => "a webdav server",
        }
    }
}

/// A key that not every kind has.
struct Key {
    name: &'static str,
    kinds: &'static [Kind],
    is_written: fn(&written::Destination) -> bool,
}

macro_rules! keys {
    ($($name:ident: $($kind:ident)+;)+) => {
        /// Every key that not every kind has, with the kinds that have it.
        const KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            kinds: &[$(Kind::$kind),+],
            is_written: |written| written.$name.is_some(),
        }),+];
    };
}

keys! {
    dir: Folder;
    endpoint: S3 Tus Azure Webdav;
    host: Sftp Ftp;
    port: Sftp Ftp;
    root: Sftp Ftp Webdav;
    host_key: Sftp;
    tls: Ftp;
    bucket: S3;
    region: S3;
    path_style: S3;
    access_key_file: S3;
    access_key_credential: S3;
    secret_key_file: S3 Azure;
    secret_key_credential: S3 Azure;
    container: Azure;
    account: Azure;
    user: Tus Sftp Ftp Webdav;
    password_file: Tus Sftp Ftp Webdav;
    password_credential: Tus Sftp Ftp Webdav;
    private_key_file: Sftp;
    private_key_credential: Sftp;
    ca_file: S3 Tus Azure Ftp Webdav;
    client_certificate: S3 Tus Azure Webdav;
    client_key_file: S3 Tus Azure Webdav;
    client_key_credential: S3 Tus Azure Webdav;
    proxy: S3 Tus Azure Webdav;
    proof: S3 Tus Azure;
    lock: S3 Azure;
}

pub(super) fn resolve(written: Vec<written::Destination>, places: &Places<'_>) -> Result<Vec<Destination>, Problem> {
    let written = if written.is_empty() {
        // A clean machine still shows the whole path; the page says that this copy proves nothing about the loss of the box.
        let local = written::Destination {
            name: Some("local-cloud".to_owned()),
            kind: Some("folder".to_owned()),
            dir: Some(places.in_state("cloud")),
            ..Default::default()
        };
        vec![local]
    } else {
        written
    };
    let mut all: Vec<Destination> = Vec::new();
    for (n, written) in written.into_iter().enumerate() {
        let destination = Section { path: format!("destination[{n}]"), places }.resolve(written)?;
        if all.iter().any(|other| other.name == destination.name) {
            let what = format!("is taken: another destination is called {}", destination.name);
            return problem(format!("destination[{n}].name"), what);
        }
        all.push(destination);
    }
    Ok(all)
}

/// One `[[destination]]`: where it stands in the file, and where paths begin.
struct Section<'a> {
    path: String,
    places: &'a Places<'a>,
}

impl Section<'_> {
    fn resolve(&self, mut written: written::Destination) -> Result<Destination, Problem> {
        let Some(name) = written.name.take() else { return self.problem("name", "is missing") };
        let name = DestinationName::new(&name).or_else(|e| self.problem("name", format!("cannot be used: {e}")))?;
        let label = written.max_sensitivity.take();
        let max_sensitivity = sensitivity(&self.at("max_sensitivity"), label, Sensitivity::Minor)?;
        if max_sensitivity == Sensitivity::SuspectedState {
            let what = "cannot be suspected_state: such clips go nowhere before a person has decided";
            return self.problem("max_sensitivity", what);
        }
        let kind = self.kind(written.kind.as_deref())?;
        if let Some(key) = KEYS.iter().find(|key| (key.is_written)(&written) && !key.kinds.contains(&kind)) {
            let homes: Vec<String> = key.kinds.iter().map(|kind| format!("{:?}", kind.word())).collect();
            let what = format!("belongs to kind = {}; this destination is {}", homes.join(" or "), kind.called());
            return self.problem(key.name, what);
        }
        let (parts, days, limit) = (written.parts_in_flight, written.initial_lock_days, written.limit.take());
        Ok(Destination {
            name,
            required: written.required.unwrap_or(true),
            max_sensitivity,
            parts_in_flight: whole(&self.at("parts_in_flight"), parts, 4, 1..=32)? as usize,
            initial_lock_days: whole(&self.at("initial_lock_days"), days, 30, 0..=3650)? as u32,
            log_entries: written.log_entries.unwrap_or(false),
            limit: sending::timetable(&self.at("limit"), limit)?,
            kind: match kind {
                Kind::Folder => DestinationKind::Folder(folder(self, written)?),
                Kind::S3 => DestinationKind::S3(s3(self, written)?),
                Kind::Tus => DestinationKind::Tus(http::tus(self, written)?),
                Kind::Azure => DestinationKind::Azure(http::azure(self, written)?),
                Kind::Sftp => DestinationKind::Sftp(files::sftp(self, written)?),
                Kind::Ftp => DestinationKind::Ftp(files::ftp(self, written)?),
                Kind::Webdav => DestinationKind::Webdav(files::webdav(self, written)?),
            },
        })
    }

    fn kind(&self, written: Option<&str>) -> Result<Kind, Problem> {
        let words = Kind::ALL.map(Kind::word);
        let Some(word) = written else {
            return self.problem("kind", format!("is missing; write one of {}", words.join(", ")));
        };
        let known = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        known.map_or_else(|| self.problem("kind", one_of(&words, word)), Ok)
    }

    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn problem<T>(&self, key: &str, what: impl Into<String>) -> Result<T, Problem> {
        problem(self.at(key), what)
    }

    /// A secret that must be given; `what` says what it is.
    fn secret(
        &self,
        key: &str,
        what: &str,
        file: Option<PathBuf>,
        credential: Option<String>,
    ) -> Result<SecretFile, Problem> {
        self.secret_if_any(key, file, credential)?.map_or_else(
            || {
                let words = format!(
                    "is missing; write the file that holds the {what}, or {key}_credential with the name of a systemd credential"
                );
                self.problem(&format!("{key}_file"), words)
            },
            Ok,
        )
    }

    /// A file as written, or a systemd credential by its name.
    fn secret_if_any(
        &self,
        key: &str,
        file: Option<PathBuf>,
        credential: Option<String>,
    ) -> Result<Option<SecretFile>, Problem> {
        self.places.secret_if_any(&self.path, key, file, credential)
    }
}

fn folder(section: &Section<'_>, written: written::Destination) -> Result<FolderDestination, Problem> {
    match section.places.written(written.dir) {
        Some(dir) => Ok(FolderDestination { dir }),
        None => section.problem("dir", "is missing; write the directory that takes the objects"),
    }
}

fn s3(section: &Section<'_>, mut written: written::Destination) -> Result<S3Destination, Problem> {
    let http = http::reach(section, &mut written)?;
    let Some(endpoint) = written.endpoint else {
        let what = "is missing; write the address of the service, as \"https://s3.example.org\"";
        return section.problem("endpoint", what);
    };
    let Some(bucket) = written.bucket else { return section.problem("bucket", "is missing") };
    // Amazon S3 User Guide, "General purpose bucket naming rules".
    let bucket_ok = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && bucket.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bucket.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !bucket_ok {
        let what =
            format!("must be 3 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends; it is {bucket:?}");
        return section.problem("bucket", what);
    }
    Ok(S3Destination {
        endpoint: http::origin(section, &endpoint)?,
        bucket,
        region: label(&section.at("region"), written.region)?.unwrap_or_else(|| "us-east-1".to_owned()),
        path_style: written.path_style,
        access_key: section.secret("access_key", "key", written.access_key_file, written.access_key_credential)?,
        secret_key: section.secret("secret_key", "key", written.secret_key_file, written.secret_key_credential)?,
        http,
        proof: choice(&section.at("proof"), written.proof, Proof::Auto, Proof::parse, Proof::WORDS)?,
        lock: choice(&section.at("lock"), written.lock, Lock::Auto, Lock::parse, Lock::WORDS)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::written::{Described, Shape};
    use super::*;

    #[test]
    fn every_key_is_either_every_kinds_or_in_the_table() {
        const EVERY_KINDS: [&str; 8] = [
            "name",
            "kind",
            "required",
            "max_sensitivity",
            "parts_in_flight",
            "initial_lock_days",
            "log_entries",
            "limit",
        ];
        let Shape::Section(written) = written::Destination::SHAPE else { panic!("a section") };
        let mut known: Vec<&str> = EVERY_KINDS.into_iter().chain(KEYS.iter().map(|key| key.name)).collect();
        let mut written: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        written.sort_unstable();
        assert_eq!(known, written);
    }
}
