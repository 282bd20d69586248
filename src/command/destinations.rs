//! From settings to destinations, and from what is typed after `--from` to one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::Ended;
use super::exit::Exit;
use crate::config::{
    self, Destination as Written, DestinationKind, Lock, Proof, ProxyChoice, Reach, SecretFile, Settings,
};
use crate::deliver::azure::{AzureDestination, AzureOptions, Policy};
use crate::deliver::folder::{FolderDestination, FolderOptions};
use crate::deliver::ftp::{FtpDestination, FtpOptions, FtpTls};
use crate::deliver::http::{ClientCertificate, HttpOptions, Proxy};
use crate::deliver::s3::{LockMode, S3Destination, S3Options};
use crate::deliver::sftp::{SftpDestination, SftpOptions};
use crate::deliver::tus::{TusDestination, TusOptions};
use crate::deliver::webdav::{WebdavDestination, WebdavOptions};
use crate::deliver::{Keys, Secret};
use crate::domain::clip::ProofLevel;
use crate::domain::ids::DestinationName;
use crate::domain::ports::{AddressBook, Destination};

/// How long connecting to a file server may take, and how long it may go without an answer: as for what speaks HTTP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Makes one destination. `used_before`: the store says that something was sent there. `book`: where objects stand at
/// destinations that keep no keys; who has none cannot use such destinations.
pub fn make(
    settings: &Settings,
    written: &Written,
    used_before: bool,
    book: Option<Arc<dyn AddressBook>>,
) -> anyhow::Result<Arc<dyn Destination>> {
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let station = settings.station.id.clone();
    let name = written.name.clone();
    match &written.kind {
        DestinationKind::Folder(folder) => Ok(Arc::new(FolderDestination::new(FolderOptions {
            name,
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
            let mut options = S3Options::new(name, station, &s3.endpoint, &s3.bucket, keys);
            options.region = s3.region.clone();
            options.path_style = s3.path_style;
            options.http = http_options(&s3.http);
            options.lock = match s3.lock {
                Lock::Off => LockMode::Off,
                Lock::Governance => LockMode::Governance,
                Lock::Auto | Lock::Compliance => LockMode::Compliance,
            };
            options.proof = cap(s3.proof);
            Ok(Arc::new(S3Destination::new(options).with_context(|| format!("destination {}", written.name))?))
        }
        DestinationKind::Tus(tus) => {
            let Some(book) = book else {
                let what = "a tus server keeps no keys: only the station that sent knows what stands where, and only while it has its database";
                return Err(Ended::with(Exit::Usage, format!("destination {name}: {what}")));
            };
            let options = TusOptions {
                name,
                station,
                endpoint: tus.endpoint.clone(),
                keys: tus.secret.clone().map(|secret| keys_of(tus.user.clone(), secret)),
                http: http_options(&tus.http),
                proof: cap(tus.proof),
            };
            let made = TusDestination::new(options, book);
            Ok(Arc::new(made.with_context(|| format!("destination {}", written.name))?))
        }
        DestinationKind::Azure(azure) => {
            let options = AzureOptions {
                name,
                station,
                endpoint: azure.endpoint.clone(),
                container: azure.container.clone(),
                keys: keys_of(azure.account.clone(), azure.secret.clone()),
                http: http_options(&azure.http),
                lock: match azure.lock {
                    Lock::Off => Policy::Off,
                    Lock::Governance => Policy::Unlocked,
                    Lock::Auto | Lock::Compliance => Policy::Locked,
                },
                proof: cap(azure.proof),
            };
            Ok(Arc::new(AzureDestination::new(options).with_context(|| format!("destination {}", written.name))?))
        }
        DestinationKind::Sftp(sftp) => Ok(Arc::new(SftpDestination::new(SftpOptions {
            name,
            station,
            host: sftp.host.clone(),
            port: sftp.port,
            user: sftp.user.clone(),
            password: sftp.password.clone(),
            private_key: sftp.private_key.clone(),
            host_key: sftp.host_key.clone(),
            root: sftp.root.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        }))),
        DestinationKind::Ftp(ftp) => {
            let options = FtpOptions {
                name,
                station,
                host: ftp.host.clone(),
                port: ftp.port,
                user: ftp.user.clone(),
                password: ftp.password.clone(),
                tls: match ftp.tls {
                    config::FtpTls::Explicit => FtpTls::Explicit,
                    config::FtpTls::Implicit => FtpTls::Implicit,
                    config::FtpTls::Off => FtpTls::Off,
                },
                ca_file: ftp.ca_file.clone(),
                root: ftp.root.clone(),
                connect_timeout: CONNECT_TIMEOUT,
                idle_timeout: IDLE_TIMEOUT,
            };
            Ok(Arc::new(FtpDestination::new(options).with_context(|| format!("destination {}", written.name))?))
        }
        DestinationKind::Webdav(webdav) => {
            let options = WebdavOptions {
                name,
                station,
                endpoint: webdav.endpoint.clone(),
                root: webdav.root.clone(),
                keys: webdav.password.clone().map(|password| keys_of(webdav.user.clone(), password)),
                http: http_options(&webdav.http),
            };
            Ok(Arc::new(WebdavDestination::new(options).with_context(|| format!("destination {}", written.name))?))
        }
    }
}

/// A secret, read anew at each refusal, and whose it is.
fn keys_of(of: Option<String>, secret: SecretFile) -> Keys {
    Keys::read_by(move || Ok((of.clone().unwrap_or_default(), Secret::new(secret.read()?.expose()))))
}

fn http_options(reach: &Reach) -> HttpOptions {
    HttpOptions {
        ca_file: reach.ca_file.clone(),
        client_certificate: reach.identity.as_ref().map(|identity| ClientCertificate {
            certificate: identity.certificate.clone(),
            key: identity.key.path().to_owned(),
        }),
        proxy: match &reach.proxy {
            ProxyChoice::Environment => Proxy::FromEnvironment,
            ProxyChoice::Direct => Proxy::Direct,
            ProxyChoice::Via(address) => Proxy::Via(address.clone()),
        },
        ..HttpOptions::default()
    }
}

/// The best level that the configuration lets a destination have.
fn cap(proof: Proof) -> Option<ProofLevel> {
    match proof {
        Proof::Auto => None,
        Proof::ReadBack => Some(ProofLevel::ReadBack),
    }
}

/// What stands before a key in the URI of an object.
pub fn uri_prefix(written: &Written) -> String {
    match &written.kind {
        DestinationKind::Folder(folder) => format!("file://{}/", folder.dir.display()),
        DestinationKind::S3(s3) => format!("s3://{}/", s3.bucket),
        // An address of its own for each object, which only this station knows: what is told is the key.
        DestinationKind::Tus(tus) => format!("tus+{}#", tus.endpoint),
        DestinationKind::Azure(azure) => format!("{}/{}/", azure.endpoint.trim_end_matches('/'), azure.container),
        DestinationKind::Sftp(sftp) => format!("sftp://{}:{}/{}", sftp.host, sftp.port, in_uri(&sftp.root)),
        DestinationKind::Ftp(ftp) => {
            let scheme = if ftp.tls == config::FtpTls::Off { "ftp" } else { "ftps" };
            format!("{scheme}://{}:{}/{}", ftp.host, ftp.port, in_uri(&ftp.root))
        }
        DestinationKind::Webdav(webdav) => format!("{}/{}", webdav.endpoint, in_uri(&webdav.root)),
    }
}

/// A root as it stands in a URI before the key: without a slash at its begin, with one at its end, or nothing.
fn in_uri(root: &str) -> String {
    match root.trim_start_matches("./").trim_matches('/') {
        "" | "." => String::new(),
        root => format!("{root}/"),
    }
}

/// The destination named `from` in the configuration, or a folder given as a path.
pub fn from_typed(settings: &Settings, from: &str) -> anyhow::Result<Arc<dyn Destination>> {
    if let Some(written) = settings.destinations.iter().find(|d| d.name.as_str() == from) {
        return make(settings, written, false, None);
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
