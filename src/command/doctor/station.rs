//! What evidock keeps on the box: configuration, database, log key, daemon, destinations, certificate.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::{Finding, existing};
use crate::command::backup::those_that_may_go;
use crate::command::control;
use crate::command::destinations;
use crate::command::run::database as database_path;
use crate::config::{Destination, DestinationKind, FtpTls, Settings};
use crate::custody::checkpoint::key_name;
use crate::custody::key::public_path;
use crate::custody::note::VerifierKey;
use crate::domain::backup::too_old_ms;
use crate::domain::command::{Reply, Request};
use crate::domain::error::chain;
use crate::domain::rights::Role;
use crate::runtime::clock::{SystemClock, wall};
use crate::store::{BackupCopy, DestinationRow, SCHEMA_VERSION, Store, StoreError};

/// Backups that are looked through at most.
const MAX_BACKUPS: u32 = 10_000;
/// So many that may go are no matter.
const PILE: usize = 200;
const HOUR_MS: i64 = 3_600_000;

/// Which configuration holds, and whether the files are there that it names.
pub fn configuration(settings: &Settings) -> Vec<Finding> {
    let origin = settings.file.as_deref().map_or("the embedded defaults".into(), Path::to_string_lossy);
    let mut findings = vec![Finding::ok("configuration", origin)];
    for (key, path) in settings.needed_files() {
        if let Err(e) = fs::metadata(&path) {
            let words = format!("{key} names {}: {e}", path.display());
            findings.push(if e.kind() == io::ErrorKind::PermissionDenied {
                Finding::warning("configuration", words, "run this as root or as evidock's user")
            } else {
                Finding::problem("configuration", words, "put the file there, or correct the key")
            });
        }
    }
    findings
}

/// The database, and the store where it can be read.
pub fn database(settings: &Settings) -> (Vec<Finding>, Option<Store>) {
    let path = database_path(settings);
    let part = "database";
    if !path.exists() {
        let todo = "start the daemon once; if it ran before, this is not its state directory (--state)";
        return (vec![Finding::warning(part, format!("there is none at {}", path.display()), todo)], None);
    }
    let store = match Store::open_read_only(&path, SystemClock::new()) {
        Ok(store) => store,
        Err(e) => return (vec![Finding::problem(part, chain(&e), "see the words; nothing was changed")], None),
    };
    let check = match store.read_blocking(|r| r.check()) {
        Ok(check) => check,
        Err(e) => return (vec![Finding::problem(part, chain(&e), "see the words; nothing was changed")], None),
    };
    let mut findings = Vec::new();
    if check.verdict != "ok" {
        findings.push(Finding::problem(
            part,
            format!("{} is damaged: {}", path.display(), check.verdict),
            "stop evidock, keep a copy of the file, restore the newest backup; footage is not affected",
        ));
    }
    if check.station != settings.station.id.as_str() {
        findings.push(Finding::problem(
            part,
            format!("it belongs to station {}, the configuration says {}", check.station, settings.station.id),
            format!("set [station] id = \"{}\"; a station keeps its id for life", check.station),
        ));
    }
    if check.version < SCHEMA_VERSION {
        findings.push(Finding::warning(
            part,
            format!("schema version {}, this program writes {SCHEMA_VERSION}", check.version),
            "the daemon brings it up to date at its next start; keep a backup from before",
        ));
    }
    if let Ok(Some(later)) = store.read_blocking(|r| r.superseded_by()) {
        findings.push(Finding::problem(
            part,
            format!("this station was restored elsewhere and goes on there in epoch {later}; nothing is taken in here"),
            "docs/restore.md says how to use this box again",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(part, format!("{}, schema version {}, sound", path.display(), check.version)));
    }
    (findings, Some(store))
}

/// The key that signs the log.
pub fn key(settings: &Settings, has_run: bool) -> Vec<Finding> {
    let path = settings.station.state_dir.join("log.key");
    let public = public_path(&path);
    let part = "log key";
    if let Some(key) = &settings.custody.key {
        // Its content is for the service alone; how it is kept is told by its encrypted file.
        let kept = crate::custody::sealed::protection(&key.sealed);
        let words = format!("it comes as the credential {}, kept by {kept}", key.name);
        return vec![match kept {
            "tpm2" | "tpm2+host" | "host" => Finding::ok(part, words),
            _ => Finding::warning(
                part,
                words,
                format!("{} should be made by systemd-creds with --with-key=tpm2, or host", key.sealed.display()),
            ),
        }];
    }
    if !path.exists() {
        return vec![if has_run || public.exists() {
            let todo = "restore the key from the backup; without it checkpoints cannot be signed";
            Finding::problem(part, format!("{} is gone", path.display()), todo)
        } else {
            Finding::warning(
                part,
                format!("there is none at {}", path.display()),
                "the daemon makes it at its first start",
            )
        }];
    }
    if let Some(mode) = fs::metadata(&path).ok().map(|m| m.mode() & 0o777).filter(|mode| mode & 0o077 != 0) {
        return vec![Finding::problem(
            part,
            format!("{} may be read by others (mode {mode:03o})", path.display()),
            format!("chmod 600 {}; replace the key if anybody has read it", path.display()),
        )];
    }
    let line = fs::read_to_string(&public).map_err(|e| e.to_string());
    match line.and_then(|line| line.trim_end().parse::<VerifierKey>().map_err(|e| e.to_string())) {
        Err(why) => vec![Finding::warning(
            part,
            format!("its public half {} cannot be read: {why}", public.display()),
            "the daemon writes it again at its next start, if it is merely missing",
        )],
        Ok(key) if key.name() != key_name(&settings.station.id) => vec![Finding::problem(
            part,
            format!("it is the key of {}, not of {}", key.name(), key_name(&settings.station.id)),
            "restore this station's own key, or correct [station] id",
        )],
        Ok(key) => vec![Finding::ok(
            part,
            format!(
                "{key}, kept in a file: whoever is root on this box can sign with it, and anchors at the destinations are what shows it"
            ),
        )],
    }
}

/// Whether the daemon answers.
pub fn daemon(settings: &Settings) -> Vec<Finding> {
    let path = &settings.control_socket;
    vec![match control::ask(path, &Request::Ping) {
        Ok(Some(Reply::Done(_))) => Finding::ok("daemon", format!("answers at {}", path.display())),
        Ok(Some(Reply::Refused { message, .. })) => {
            Finding::problem("daemon", format!("refuses to answer: {message}"), "restart it")
        }
        Ok(None) => Finding::warning(
            "daemon",
            format!("does not answer at {}", path.display()),
            "systemctl start evidock, or `evidock run`",
        ),
        Err(e) => Finding::warning(
            "daemon",
            format!("cannot be asked at {}: {e}", path.display()),
            "run this as root or as evidock's user",
        ),
    }]
}

/// Who may sign in to the page.
pub fn accounts(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = "accounts";
    let Some(store) = store else { return Vec::new() };
    let accounts = match store.read_blocking(|r| r.accounts()) {
        Ok(accounts) => accounts,
        Err(e) => return vec![Finding::problem(part, chain(&e), "see the findings about the database")],
    };
    let now = wall().0;
    let listen = settings.web.listen;
    if accounts.is_empty() {
        let words = match listen.ip().is_loopback() {
            true => format!("there are none: whoever reaches the page at {listen} on this box may do everything"),
            false => format!("there are none: the page at {listen} serves nothing but the bay board"),
        };
        return vec![Finding::warning(part, words, "`evidock user first NAME` makes the security administrator's")];
    }
    let open = |role: Role| accounts.iter().filter(|a| a.is_open(now) && a.roles.has(role)).count();
    let mut findings = Vec::new();
    if open(Role::SecurityAdministrator) == 0 {
        findings.push(Finding::warning(
            part,
            "no security administrator can sign in: nobody sees to accounts on the page",
            "`evidock user enable`, or `evidock user add NAME --role security_administrator`",
        ));
    }
    if open(Role::Auditor) == 0 {
        findings.push(Finding::warning(
            part,
            "no security auditor can sign in: nobody reads the log",
            "`evidock user add NAME --role auditor`",
        ));
    }
    let old: Vec<&str> =
        accounts.iter().filter(|a| a.must_change && a.is_open(now)).map(|a| a.login.as_str()).collect();
    if !old.is_empty() {
        let words = format!("first passwords that were never changed: {}", old.join(", "));
        findings.push(Finding::warning(part, words, "have them sign in, or `evidock user disable`"));
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(part, format!("{}, and everybody signs in", super::count_of(accounts.len(), "account"))));
    }
    findings
}

/// Where footage goes, and what is known of each place.
pub fn destinations(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = "destination";
    let mut findings = Vec::new();
    for written in &settings.destinations {
        let DestinationKind::Folder(folder) = &written.kind else { continue };
        let device = |path: &Path| fs::metadata(existing(path)).map(|m| m.dev()).ok();
        if device(&folder.dir) == device(&settings.vault.dir) {
            findings.push(Finding::warning(
                part,
                format!(
                    "{} ({}) is on the vault's own device: it proves nothing about the loss of this box",
                    written.name,
                    folder.dir.display()
                ),
                "add a destination elsewhere: an S3 bucket, or a folder on another disk or a NAS",
            ));
        }
    }
    // A copy that nobody can find again outlives the box in vain.
    if settings.destinations.iter().all(|written| matches!(written.kind, DestinationKind::Tus(_))) {
        findings.push(Finding::warning(
            part,
            "tus servers keep no keys: what stands where is known to this station's database alone",
            "add a destination that keeps keys (an S3 bucket, a folder elsewhere), so that its clips are found without this box",
        ));
    }
    findings.extend(settings.destinations.iter().filter_map(by_its_settings));
    let rows = match store.map(|s| s.read_blocking(|r| r.destinations())) {
        None => return findings,
        Some(Ok(rows)) => rows,
        Some(Err(e)) => {
            findings.push(Finding::problem(part, chain(&e), "see the findings about the database"));
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
    let (part, name) = ("destination", &written.name);
    match &written.kind {
        DestinationKind::Ftp(ftp) if ftp.tls == FtpTls::Off => Some(Finding::warning(
            part,
            format!("{name}: FTP without encryption shows password and footage to everybody on the way"),
            "set tls = \"explicit\" where the server offers it, or use SFTP",
        )),
        DestinationKind::Webdav(webdav) if webdav.endpoint.starts_with("http://") && webdav.user.is_some() => {
            Some(Finding::warning(
                part,
                format!("{name}: WebDAV without encryption shows password and footage to everybody on the way"),
                "write https:// in endpoint where the server offers it",
            ))
        }
        DestinationKind::Tus(tus) if tus.endpoint.starts_with("http://") && tus.secret.is_some() => {
            Some(Finding::warning(
                part,
                format!("{name}: tus without encryption shows password and footage to everybody on the way"),
                "write https:// in endpoint where the server offers it",
            ))
        }
        DestinationKind::Sftp(sftp) if sftp.host_key.is_none() => Some(Finding::problem(
            part,
            format!("{name}: nothing is sent to {}, whose host key is not known", sftp.host),
            "ask its keeper for the key's fingerprint (SHA256:...) and set host_key to it",
        )),
        _ => None,
    }
}

fn destination(name: &str, row: Option<&DestinationRow>) -> Finding {
    let part = "destination";
    match row.map(|row| (row, &row.trouble, row.proof)) {
        Some((_, Some(trouble), _)) => Finding::problem(part, format!("{name}: {trouble}"), destinations::mend(name)),
        Some((row, None, Some(proof))) if proof.proves() => {
            let lock = if row.can_lock { ", can lock objects" } else { ", cannot lock objects" };
            Finding::ok(part, format!("{name}: proves by {}{lock}", proof.as_str()))
        }
        Some((_, None, Some(proof))) => Finding::warning(
            part,
            format!("{name}: gives no means to compare bytes ({})", proof.as_str()),
            "clips stay sent, unproven; choose a store that computes checksums or can be read back",
        ),
        Some((_, None, None)) | None => {
            Finding::warning(part, format!("{name}: never reached so far"), "the running daemon tries it at its start")
        }
    }
}

/// Backups of the database, and how old the newest is that arrived.
pub fn backup(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let part = "backup";
    if settings.backup.recipient.is_none() {
        return vec![Finding::warning(
            part,
            "none is made: there is no key for which it could be encrypted. Clips and records survive this box at the destinations, rosters, registers and the log do not",
            "`evidock backup keygen` on another machine; its public half into [backup] recipient, the secret half into two safe places",
        )];
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
        Err(e) => return vec![Finding::problem(part, chain(&e), "see the findings about the database")],
    };
    let every_ms = settings.backup.every.as_millis() as i64;
    let newest = rows.first().map_or(&[][..], |(_, copies)| copies.as_slice());
    let mut findings = vec![backup_age(wall().0, arrived_ms, every_ms, newest)];
    findings.extend(newest.iter().filter(|c| c.state == "waiting").filter_map(|c| {
        let why = c.reason.as_deref()?;
        Some(Finding::warning(
            part,
            format!("the newest has not arrived at {}: {why}", c.destination),
            "it is tried again by itself; `evidock backup now` tries at once",
        ))
    }));
    let go = those_that_may_go(settings, &rows).len();
    if go > PILE {
        findings.push(Finding::warning(
            part,
            format!("{go} old ones may go; the station never deletes any"),
            "remove what `evidock backup list --may-go` prints, with a key that may delete",
        ));
    }
    findings
}

fn backup_age(now_ms: i64, arrived_ms: Option<i64>, every_ms: i64, newest: &[BackupCopy]) -> Finding {
    let part = "backup";
    match arrived_ms.map(|at| now_ms.saturating_sub(at)) {
        None => Finding::warning(part, "none has arrived anywhere yet", "start the daemon, or `evidock backup now`"),
        Some(age) if age > too_old_ms(every_ms) => Finding::problem(
            part,
            format!("the newest that arrived is {} h old, one is due every {} h", age / HOUR_MS, every_ms / HOUR_MS),
            "`evidock backup now` says why",
        ),
        Some(age) => {
            let places: Vec<&str> =
                newest.iter().filter(|c| c.state == "proven").map(|c| c.destination.as_str()).collect();
            let places =
                if places.is_empty() { String::new() } else { format!(", the newest at {}", places.join(", ")) };
            Finding::ok(
                part,
                format!("one arrived {} h ago{places}; try a restore now and then (docs/restore.md)", age / HOUR_MS),
            )
        }
    }
}

/// The page's certificate.
pub fn certificate(settings: &Settings) -> Vec<Finding> {
    let Some(tls) = &settings.web.tls else { return Vec::new() };
    let part = "certificate";
    vec![match CertificateDer::from_pem_file(&tls.certificate) {
        Ok(leaf) => {
            let digest: Vec<String> = Sha256::digest(&leaf).iter().map(|byte| format!("{byte:02X}")).collect();
            Finding::ok(part, format!("{}, SHA-256 {}", tls.certificate.display(), digest.join(":")))
        }
        Err(_) if tls.own && !tls.certificate.exists() => {
            Finding::ok(part, "the station makes its own when it starts; ask again then for its fingerprint".to_owned())
        }
        Err(e) if tls.own => Finding::problem(
            part,
            format!("{} holds no certificate that can be read: {e}", tls.certificate.display()),
            "remove it; the station makes another when it starts, whose fingerprint is a new one",
        ),
        Err(e) => Finding::problem(
            part,
            format!("{} holds no certificate that can be read: {e}", tls.certificate.display()),
            "give a PEM file, the page's own certificate first ([web] tls_certificate)",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Level;
    use crate::domain::clip::ProofLevel;

    #[test]
    fn what_its_settings_tell_of_a_destination() {
        let ssh = "kind = 'sftp'\nhost = 'h'\nuser = 'u'\nprivate_key_file = 'k'";
        let ftp = "kind = 'ftp'\nhost = 'h'\nuser = 'u'\npassword_file = 'p'";
        let dav = "kind = 'webdav'\nuser = 'u'\npassword_file = 'p'";
        for (kind, level) in [
            (ssh.to_owned(), Some(Level::Problem)),
            (format!("{ssh}\nhost_key = 'SHA256:{}'", "A".repeat(43)), None),
            (ftp.to_owned(), None),
            (format!("{ftp}\ntls = 'off'"), Some(Level::Warning)),
            (format!("{dav}\nendpoint = 'http://h'"), Some(Level::Warning)),
            (format!("{dav}\nendpoint = 'https://h'"), None),
        ] {
            let text = format!("[[destination]]\nname = 'a'\n{kind}\n");
            let settings = crate::config::read(&text, None, &crate::config::Surroundings::default()).unwrap();
            assert_eq!(by_its_settings(&settings.destinations[0]).map(|f| f.level), level, "{kind}");
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
        for (row, level) in [
            (None, Level::Warning),
            (Some(row(None, None)), Level::Warning),
            (Some(row(Some(ProofLevel::ReadBack), None)), Level::Ok),
            (Some(row(Some(ProofLevel::LengthOnly), None)), Level::Warning),
            (Some(row(Some(ProofLevel::ReadBack), Some("refuses"))), Level::Problem),
        ] {
            let finding = destination("cloud", row.as_ref());
            assert_eq!(finding.level, level, "{finding:?}");
            assert_eq!(finding.todo.is_empty(), level == Level::Ok);
        }
    }

    #[test]
    fn the_age_of_a_backup_is_judged_by_its_schedule() {
        for (arrived_ms, level) in [
            (None, Level::Warning),
            (Some(0), Level::Problem),
            (Some(88 * HOUR_MS), Level::Ok),
            (Some(100 * HOUR_MS), Level::Ok),
        ] {
            assert_eq!(backup_age(100 * HOUR_MS, arrived_ms, 6 * HOUR_MS, &[]).level, level, "{arrived_ms:?}");
        }
    }
}
