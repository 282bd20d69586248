//! Where footage goes: the settings of destinations, one type for each kind.

use std::path::{Path, PathBuf};

use crate::config::secret::SecretFile;
use crate::domain::ids::DestinationName;
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
                files.extend(s3.ca_file.as_deref().map(|path| ("ca_file", path)));
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
    /// Bucket in the path, not in the host name.
    pub path_style: bool,
    /// Access key.
    pub access_key: SecretFile,
    /// Secret key.
    pub secret_key: SecretFile,
    /// Certificates to trust beside the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// How copies are proven.
    pub proof: Proof,
    /// How objects are locked.
    pub lock: Lock,
}

choices! {
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
