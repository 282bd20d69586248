//! Where footage goes: the settings of destinations, one type for each kind.

use std::path::{Path, PathBuf};

use crate::config::secret::SecretFile;
use crate::domain::ids::DestinationName;
use crate::domain::sending::Timetable;
use crate::domain::sensitivity::Sensitivity;

/// Where footage goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// Whether a clip must be proven there to count as proven.
    pub required: bool,
    /// Clips above this label are held back.
    pub max_sensitivity: Sensitivity,
    /// Parts of one clip under way at the same time.
    pub parts_in_flight: usize,
    /// Objects are locked for so long when they are complete; 0 locks nothing.
    pub initial_lock_days: u32,
    /// Whether the entries of the custody log stand there, beside the tiles of its tree.
    pub log_entries: bool,
    /// Its own ceilings by the time of day.
    pub limit: Timetable,
    /// How it is reached.
    pub kind: DestinationKind,
}

impl Destination {
    /// The files that must exist before the daemon starts, each with what it holds.
    pub(super) fn needed_files(&self) -> Vec<(&'static str, &Path)> {
        match &self.kind {
            DestinationKind::Folder(_) => Vec::new(),
            DestinationKind::S3(s3) => {
                let mut files = vec![("access key", s3.access_key.path()), ("secret key", s3.secret_key.path())];
                files.extend(s3.http.needed_files());
                files
            }
            DestinationKind::Tus(tus) => {
                let mut files: Vec<_> = tus.secret.iter().map(|file| ("token or password", file.path())).collect();
                files.extend(tus.http.needed_files());
                files
            }
            DestinationKind::Azure(azure) => {
                let mut files = vec![("account key or shared access signature", azure.secret.path())];
                files.extend(azure.http.needed_files());
                files
            }
            DestinationKind::Sftp(sftp) => {
                let password = sftp.password.iter().map(|file| ("password", file.path()));
                password.chain(sftp.private_key.iter().map(|file| ("private key", file.path()))).collect()
            }
            DestinationKind::Ftp(ftp) => {
                let ca_file = ftp.ca_file.iter().map(|path| ("ca_file", path.as_path()));
                [("password", ftp.password.path())].into_iter().chain(ca_file).collect()
            }
            DestinationKind::Webdav(webdav) => {
                let mut files: Vec<_> = webdav.password.iter().map(|file| ("password", file.path())).collect();
                files.extend(webdav.http.needed_files());
                files
            }
        }
    }
}

/// How a destination is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationKind {
    /// A directory: another disk, a NAS mount.
    Folder(FolderDestination),
    /// Any S3-compatible store.
    S3(S3Destination),
    /// A tus server.
    Tus(TusDestination),
    /// A container of Azure Blob Storage.
    Azure(AzureDestination),
    /// A server with SFTP.
    Sftp(SftpDestination),
    /// A server with FTP.
    Ftp(FtpDestination),
    /// A server with WebDAV.
    Webdav(WebdavDestination),
}

/// How a server that speaks HTTP is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Certificates to trust in place of the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// What is shown to servers that ask who we are.
    pub identity: Option<Identity>,
    /// Which way requests go.
    pub proxy: ProxyChoice,
}

impl Reach {
    fn needed_files(&self) -> Vec<(&'static str, &Path)> {
        let mut files: Vec<_> = self.ca_file.iter().map(|path| ("ca_file", path.as_path())).collect();
        if let Some(identity) = &self.identity {
            files.push(("client_certificate", &identity.certificate));
            files.push(("client key", identity.key.path()));
        }
        files
    }
}

/// A client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: SecretFile,
}

/// Which way requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// As `https_proxy`, `http_proxy` and `no_proxy` say.
    Environment,
    /// Straight to the server.
    Direct,
    /// Through this proxy: scheme, host and port.
    Via(String),
}

/// A directory as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderDestination {
    /// Where objects are written.
    pub dir: PathBuf,
}

/// An S3-compatible store as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Destination {
    /// Scheme, host and port, without a path and without a slash at the end.
    pub endpoint: String,
    /// Bucket.
    pub bucket: String,
    /// Region, as it is signed.
    pub region: String,
    /// Bucket in the path, not in the host name; `None` decides by the host.
    pub path_style: Option<bool>,
    /// Access key.
    pub access_key: SecretFile,
    /// Secret key.
    pub secret_key: SecretFile,
    /// How it is reached.
    pub http: Reach,
    /// How copies are proven.
    pub proof: Proof,
    /// How objects are locked.
    pub lock: Lock,
}

/// A tus server as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TusDestination {
    /// Where uploads are made.
    pub endpoint: String,
    /// Whose password `secret` is; without one it is a token.
    pub user: Option<String>,
    /// Password or token; without one nobody is asked for.
    pub secret: Option<SecretFile>,
    /// How it is reached.
    pub http: Reach,
    /// How copies are proven.
    pub proof: Proof,
}

/// A container of Azure Blob Storage as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureDestination {
    /// Address of the account.
    pub endpoint: String,
    /// Container.
    pub container: String,
    /// Whose key `secret` is; without one it is a shared access signature.
    pub account: Option<String>,
    /// Account key or shared access signature.
    pub secret: SecretFile,
    /// How it is reached.
    pub http: Reach,
    /// How copies are proven.
    pub proof: Proof,
    /// How objects are locked.
    pub lock: Lock,
}

/// A server with SFTP as a destination; it has a password, a private key, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SftpDestination {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// Password.
    pub password: Option<SecretFile>,
    /// Our private key.
    pub private_key: Option<SecretFile>,
    /// Fingerprint of the server's key; without one it is refused, and told.
    pub host_key: Option<String>,
    /// Directory that takes the objects.
    pub root: String,
}

/// A server with FTP as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpDestination {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// Password.
    pub password: SecretFile,
    /// Whether and when a connection becomes TLS.
    pub tls: FtpTls,
    /// Certificates to trust in place of the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// Directory that takes the objects.
    pub root: String,
}

/// A server with WebDAV as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebdavDestination {
    /// Scheme, host and port, without a path and without a slash at the end.
    pub endpoint: String,
    /// Path that takes the objects.
    pub root: String,
    /// Who we are there, where it asks.
    pub user: Option<String>,
    /// Password.
    pub password: Option<SecretFile>,
    /// How it is reached.
    pub http: Reach,
}

choices! {
    /// Whether and when a connection to an FTP server becomes TLS.
    FtpTls {
        /// Asked for on an ordinary connection.
        Explicit => "explicit",
        /// From the first byte.
        Implicit => "implicit",
        /// Never.
        Off => "off",
    }

    /// How copies at a destination are proven (decision 6).
    Proof {
        /// The best that the destination was found to offer.
        Auto => "auto",
        /// Everything is read back and hashed here.
        ReadBack => "read_back",
    }

    /// How objects at a destination are locked.
    Lock {
        /// The strongest that the bucket was found to offer.
        Auto => "auto",
        /// None.
        Off => "off",
        /// Those with a special right may lift it.
        Governance => "governance",
        /// Nobody may lift it.
        Compliance => "compliance",
    }
}
