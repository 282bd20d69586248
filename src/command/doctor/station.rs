//! What evidock keeps on the box: configuration, database, log key, daemon, destinations, certificate.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::{at, existing, unread};
use crate::command::backup::those_that_may_go;
use crate::command::control;
use crate::command::run::database as database_path;
use crate::config::{Destination, DestinationKind, FtpTls, Settings};
use crate::custody::checkpoint::key_name;
use crate::custody::key::public_path;
use crate::custody::note::VerifierKey;
use crate::domain::backup::too_old_ms;
use crate::domain::command::{Reply, Request};
use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::rights::Role;
use crate::domain::words::check::{Accounts, Cause, Proof};
use crate::runtime::clock::{SystemClock, wall};
use crate::store::{BackupCopy, DestinationRow, SCHEMA_VERSION, Store, StoreError};

/// Backups that are looked through at most.
const MAX_BACKUPS: u32 = 10_000;
/// So many that may go are no matter.
const PILE: usize = 200;
const HOUR_MS: i64 = 3_600_000;

/// Which configuration holds, and whether the files are there that it names.
pub fn configuration(settings: &Settings) -> Vec<Finding> {
    let part = CheckPart::Configuration;
    let origin =
        settings.file.as_deref().map_or(Found::ConfiguredByDefaults {}, |f| Found::ConfiguredBy { path: at(f) });
    let mut findings = vec![Finding::ok(part, origin)];
    for (key, path) in settings.needed_files() {
        if let Err(e) = fs::metadata(&path) {
            let found = Found::NamedFile { key, path: at(&path), error: e.to_string() };
            findings.push(if e.kind() == io::ErrorKind::PermissionDenied {
                Finding::warning(part, found, Todo::RunAsEvidock {})
            } else {
                Finding::problem(part, found, Todo::PutFileThere {})
            });
        }
    }
    findings
}

/// The database, and the store where it can be read.
pub fn database(settings: &Settings) -> (Vec<Finding>, Option<Store>) {
    let path = database_path(settings);
    let part = CheckPart::Database;
    if !path.exists() {
        return (vec![Finding::warning(part, Found::NoneAt { path: at(&path) }, Todo::StartOnce {})], None);
    }
    let refused =
        |e: &StoreError| vec![Finding::problem(part, Found::DatabaseUnread { error: chain(e) }, Todo::SeeWords {})];
    let store = match Store::open_read_only(&path, SystemClock::new()) {
        Ok(store) => store,
        Err(e) => return (refused(&e), None),
    };
    let check = match store.read_blocking(|r| r.check()) {
        Ok(check) => check,
        Err(e) => return (refused(&e), None),
    };
    let mut findings = Vec::new();
    if check.verdict != "ok" {
        findings.push(Finding::problem(
            part,
            Found::DatabaseDamaged { path: at(&path), verdict: check.verdict },
            Todo::RestoreBackup {},
        ));
    }
    if check.station != settings.station.id.as_str() {
        findings.push(Finding::problem(
            part,
            Found::DatabaseOfOther { theirs: check.station.clone(), ours: settings.station.id.to_string() },
            Todo::SetStationId { id: check.station },
        ));
    }
    if check.version < SCHEMA_VERSION {
        findings.push(Finding::warning(
            part,
            Found::DatabaseOlder { version: check.version, ours: SCHEMA_VERSION },
            Todo::UpgradedAtNextStart {},
        ));
    }
    if let Ok(Some(later)) = store.read_blocking(|r| r.superseded_by()) {
        findings.push(Finding::problem(part, Found::Superseded { later: later.into() }, Todo::ReadRestore {}));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(part, Found::DatabaseSound { path: at(&path), version: check.version }));
    }
    (findings, Some(store))
}

/// The key that signs the log.
pub fn key(settings: &Settings, has_run: bool) -> Vec<Finding> {
    let path = settings.station.state_dir.join("log.key");
    let public = public_path(&path);
    let part = CheckPart::LogKey;
    if let Some(key) = &settings.custody.key {
        // Its content is for the service alone; how it is kept is told by its encrypted file.
        let kept = crate::custody::sealed::protection(&key.sealed);
        let found = Found::KeyAsCredential { name: key.name.to_string(), kept: kept.to_owned() };
        return vec![match kept {
            "tpm2" | "tpm2+host" | "host" => Finding::ok(part, found),
            _ => Finding::warning(part, found, Todo::SealCredential { path: at(&key.sealed) }),
        }];
    }
    if !path.exists() {
        return vec![if has_run || public.exists() {
            Finding::problem(part, Found::Gone { path: at(&path) }, Todo::RestoreKey {})
        } else {
            Finding::warning(part, Found::NoneAt { path: at(&path) }, Todo::MadeAtFirstStart {})
        }];
    }
    if let Some(mode) = fs::metadata(&path).ok().map(|m| m.mode() & 0o777).filter(|mode| mode & 0o077 != 0) {
        return vec![Finding::problem(
            part,
            Found::ReadByOthers { path: at(&path), mode: format!("{mode:03o}") },
            Todo::CloseKey { path: at(&path) },
        )];
    }
    let line = fs::read_to_string(&public).map_err(|e| e.to_string());
    match line.and_then(|line| line.trim_end().parse::<VerifierKey>().map_err(|e| e.to_string())) {
        Err(error) => vec![Finding::warning(
            part,
            Found::PublicHalfUnread { path: at(&public), error },
            Todo::WrittenIfMissing {},
        )],
        Ok(key) if key.name() != key_name(&settings.station.id) => vec![Finding::problem(
            part,
            Found::KeyOfOther { theirs: key.name().to_owned(), ours: key_name(&settings.station.id) },
            Todo::RestoreOwnKey {},
        )],
        Ok(key) => vec![Finding::ok(part, Found::KeyInFile { key: key.to_string() })],
    }
}

/// Whether the daemon answers.
pub fn daemon(settings: &Settings) -> Vec<Finding> {
    let (part, path) = (CheckPart::Daemon, at(&settings.control_socket));
    vec![match control::ask(&settings.control_socket, &Request::Ping) {
        Ok(Some(Reply::Done(_))) => Finding::ok(part, Found::DaemonAnswers { path }),
        Ok(Some(Reply::Refused { message, .. })) => {
            Finding::problem(part, Found::DaemonRefuses { error: message }, Todo::Restart {})
        }
        Ok(None) => Finding::warning(part, Found::DaemonSilent { path }, Todo::StartDaemon {}),
        Err(e) => {
            let found = Found::DaemonUnasked { path, error: e.to_string() };
            Finding::warning(part, found, Todo::RunAsEvidock {})
        }
    }]
}

/// Who may sign in to the page.
pub fn accounts(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = CheckPart::Accounts;
    let Some(store) = store else { return Vec::new() };
    let accounts = match store.read_blocking(|r| r.accounts()) {
        Ok(accounts) => accounts,
        Err(e) => return vec![unread(part, &e)],
    };
    let now = wall().0;
    let listen = settings.web.listen;
    if accounts.is_empty() {
        let found = match listen.ip().is_loopback() {
            true => Found::NoAccountsHere { listen: listen.to_string() },
            false => Found::NoAccounts { listen: listen.to_string() },
        };
        return vec![Finding::warning(part, found, Todo::MakeFirstAccount {})];
    }
    let open = |role: Role| accounts.iter().filter(|a| a.is_open(now) && a.roles.has(role)).count();
    let mut findings = Vec::new();
    if open(Role::SecurityAdministrator) == 0 {
        let todo = Todo::MakeSecurityAdministrator {};
        findings.push(Finding::warning(part, Found::NoSecurityAdministrator {}, todo));
    }
    if open(Role::Auditor) == 0 {
        findings.push(Finding::warning(part, Found::NoAuditor {}, Todo::MakeAuditor {}));
    }
    let old = accounts.iter().filter(|a| a.must_change && a.is_open(now));
    let logins: Vec<String> = old.map(|a| a.login.clone()).collect();
    if !logins.is_empty() {
        findings.push(Finding::warning(part, Found::FirstPasswords { logins }, Todo::HaveThemSignIn {}));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(part, Found::AccountsWell { accounts: Accounts(accounts.len()) }));
    }
    findings
}

/// Where footage goes, and what is known of each place.
pub fn destinations(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = CheckPart::Destination;
    let mut findings = Vec::new();
    if settings.destinations.is_empty() {
        return vec![Finding::warning(part, Found::NoDestination {}, Todo::AddElsewhere {})];
    }
    for written in &settings.destinations {
        let DestinationKind::Folder(folder) = &written.kind else { continue };
        let device = |path: &Path| fs::metadata(existing(path)).map(|m| m.dev()).ok();
        if device(&folder.dir) == device(&settings.vault.dir) {
            findings.push(Finding::warning(
                part,
                Found::OnSameDevice { name: written.name.to_string(), path: at(&folder.dir) },
                Todo::AddElsewhere {},
            ));
        }
    }
    // A copy that nobody can find again outlives the box in vain.
    if settings.destinations.iter().all(|written| matches!(written.kind, DestinationKind::Tus(_))) {
        findings.push(Finding::warning(part, Found::KeysNowhere {}, Todo::AddKeyed {}));
    }
    findings.extend(settings.destinations.iter().filter_map(by_its_settings));
    let rows = match store.map(|s| s.read_blocking(|r| r.destinations())) {
        None => return findings,
        Some(Ok(rows)) => rows,
        Some(Err(e)) => {
            findings.push(unread(part, &e));
            return findings;
        }
    };
    for written in &settings.destinations {
        let name = written.name.to_string();
        findings.push(destination(&name, rows.iter().find(|row| row.name == name)));
    }
    findings
}

/// What can be said of a destination before it was ever reached.
fn by_its_settings(written: &Destination) -> Option<Finding> {
    let (part, name) = (CheckPart::Destination, written.name.to_string());
    let open = |name, protocol: &str, todo| {
        Some(Finding::warning(part, Found::Unencrypted { name, protocol: protocol.to_owned() }, todo))
    };
    match &written.kind {
        DestinationKind::Ftp(ftp) if ftp.tls == FtpTls::Off => open(name, "FTP", Todo::EncryptFtp {}),
        DestinationKind::Webdav(webdav) if webdav.endpoint.starts_with("http://") && webdav.user.is_some() => {
            open(name, "WebDAV", Todo::WriteHttps {})
        }
        DestinationKind::Tus(tus) if tus.endpoint.starts_with("http://") && tus.secret.is_some() => {
            open(name, "tus", Todo::WriteHttps {})
        }
        DestinationKind::Sftp(sftp) if sftp.host_key.is_none() => {
            let found = Found::HostKeyUnknown { name, host: sftp.host.to_string() };
            Some(Finding::problem(part, found, Todo::AskHostKey {}))
        }
        _ => None,
    }
}

fn destination(name: &str, row: Option<&DestinationRow>) -> Finding {
    let (part, name) = (CheckPart::Destination, name.to_owned());
    match row.map(|row| (row, &row.trouble, row.proof.map(Proof))) {
        Some((_, Some(trouble), _)) => {
            let found = Found::DestinationAway { name: name.clone(), error: trouble.clone() };
            Finding::problem(part, found, Todo::RetryDestination { name })
        }
        Some((row, None, Some(proof))) if proof.0.proves() => match row.can_lock {
            true => Finding::ok(part, Found::DestinationLocks { name, proof }),
            false => Finding::ok(part, Found::DestinationProves { name, proof }),
        },
        Some((_, None, Some(proof))) => {
            Finding::warning(part, Found::DestinationProvesNothing { name, proof }, Todo::ChooseAnother {})
        }
        Some((_, None, None)) | None => Finding::warning(part, Found::NeverReached { name }, Todo::TriedAtStart {}),
    }
}

/// Backups of the database, and how old the newest is that arrived.
pub fn backup(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = CheckPart::Backup;
    if settings.backup.recipient.is_none() {
        return vec![Finding::warning(part, Found::NoRecipient {}, Todo::MakeBackupKey {})];
    }
    let Some(store) = store else { return Vec::new() };
    let looked = store.read_blocking(|r| {
        let rows = r.backups(MAX_BACKUPS)?;
        let rows = rows.into_iter().map(|row| Ok((r.backup_copies(row.key)?, row)));
        Ok((
            r.proven_backup_ms()?,
            rows.map(|pair| pair.map(|(copies, row)| (row, copies))).collect::<Result<Vec<_>, StoreError>>()?,
        ))
    });
    let (arrived_ms, rows) = match looked {
        Ok(looked) => looked,
        Err(e) => return vec![unread(part, &e)],
    };
    let every_ms = settings.backup.every.as_millis() as i64;
    let newest = rows.first().map_or(&[][..], |(_, copies)| copies.as_slice());
    let mut findings = vec![backup_age(wall().0, arrived_ms, every_ms, newest)];
    findings.extend(newest.iter().filter(|c| c.state == "waiting").filter_map(|c| {
        let why = Cause(Some(c.reason.clone()?));
        let found = Found::BackupNotArrived { destination: c.destination.clone(), why };
        Some(Finding::warning(part, found, Todo::BackupAgain {}))
    }));
    let go = those_that_may_go(settings, &rows).len();
    if go > PILE {
        findings.push(Finding::warning(part, Found::OldBackups { n: go }, Todo::RemoveBackups {}));
    }
    findings
}

fn backup_age(now_ms: i64, arrived_ms: Option<i64>, every_ms: i64, newest: &[BackupCopy]) -> Finding {
    let part = CheckPart::Backup;
    let Some(age_ms) = arrived_ms.map(|at| now_ms.saturating_sub(at)) else {
        return Finding::warning(part, Found::NoBackupYet {}, Todo::StartBackup {});
    };
    let hours = age_ms / HOUR_MS;
    if age_ms > too_old_ms(every_ms) {
        return Finding::problem(part, Found::BackupLate { hours, every: every_ms / HOUR_MS }, Todo::AskBackup {});
    }
    let places: Vec<String> = newest.iter().filter(|c| c.state == "proven").map(|c| c.destination.clone()).collect();
    let found = match places.is_empty() {
        true => Found::BackupArrived { hours },
        false => Found::BackupArrivedAt { hours, places },
    };
    Finding::ok(part, found)
}

/// The page's certificate.
pub fn certificate(settings: &Settings) -> Vec<Finding> {
    let Some(tls) = &settings.web.tls else { return Vec::new() };
    let (part, path) = (CheckPart::Certificate, at(&tls.certificate));
    vec![match CertificateDer::from_pem_file(&tls.certificate) {
        Ok(leaf) => {
            let digest: Vec<String> = Sha256::digest(&leaf).iter().map(|byte| format!("{byte:02X}")).collect();
            Finding::ok(part, Found::Certificate { path, digest: digest.join(":") })
        }
        Err(_) if tls.own && !tls.certificate.exists() => Finding::ok(part, Found::CertificateToCome {}),
        Err(e) => {
            let todo = if tls.own { Todo::RemoveCertificate {} } else { Todo::GivePem {} };
            Finding::problem(part, Found::CertificateUnread { path, error: e.to_string() }, todo)
        }
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clip::ProofLevel;
    use crate::domain::office::Gravity;

    #[test]
    fn what_its_settings_tell_of_a_destination() {
        let ssh = "kind = 'sftp'\nhost = 'h'\nuser = 'u'\nprivate_key_file = 'k'";
        let ftp = "kind = 'ftp'\nhost = 'h'\nuser = 'u'\npassword_file = 'p'";
        let dav = "kind = 'webdav'\nuser = 'u'\npassword_file = 'p'";
        for (kind, gravity) in [
            (ssh.to_owned(), Some(Gravity::Problem)),
            (format!("{ssh}\nhost_key = 'SHA256:{}'", "A".repeat(43)), None),
            (ftp.to_owned(), None),
            (format!("{ftp}\ntls = 'off'"), Some(Gravity::Warning)),
            (format!("{dav}\nendpoint = 'http://h'"), Some(Gravity::Warning)),
            (format!("{dav}\nendpoint = 'https://h'"), None),
        ] {
            let text = format!("[[destination]]\nname = 'a'\n{kind}\n");
            let settings = crate::config::read(&text, None, &crate::config::Surroundings::default()).unwrap();
            assert_eq!(by_its_settings(&settings.destinations[0]).map(|f| f.gravity), gravity, "{kind}");
        }
    }

    #[test]
    fn what_is_known_of_a_destination() {
        let row = |proof, trouble: Option<&str>| DestinationRow {
            name: "cloud".to_owned(),
            proof,
            can_lock: true,
            same_device: false,
            in_order: false,
            detail: String::new(),
            probed_ms: None,
            trouble: trouble.map(str::to_owned),
            trouble_retry: None,
            trouble_ms: None,
        };
        for (row, gravity) in [
            (None, Gravity::Warning),
            (Some(row(None, None)), Gravity::Warning),
            (Some(row(Some(ProofLevel::ReadBack), None)), Gravity::Ok),
            (Some(row(Some(ProofLevel::LengthOnly), None)), Gravity::Warning),
            (Some(row(Some(ProofLevel::ReadBack), Some("refuses"))), Gravity::Problem),
        ] {
            let finding = destination("cloud", row.as_ref());
            assert_eq!(finding.gravity, gravity, "{finding:?}");
            assert_eq!(finding.todo == Todo::Nothing, gravity == Gravity::Ok);
        }
    }

    #[test]
    fn the_age_of_a_backup_is_judged_by_its_schedule() {
        for (arrived_ms, gravity) in [
            (None, Gravity::Warning),
            (Some(0), Gravity::Problem),
            (Some(88 * HOUR_MS), Gravity::Ok),
            (Some(100 * HOUR_MS), Gravity::Ok),
        ] {
            assert_eq!(backup_age(100 * HOUR_MS, arrived_ms, 6 * HOUR_MS, &[]).gravity, gravity, "{arrived_ms:?}");
        }
    }
}
