//! One clip from a source into the vault: plan, copy and hash in one pass, verify, seal; resumable inside
//! a file. Never changes a recorder, never decides what a clip means.

mod dock;
mod feed;
mod plan;
mod prober;
mod recover;
mod take;

use std::sync::Arc;

use crate::domain::ports::Clock;
use crate::runtime::board::Board;
use crate::source::profile::Profiles;
use crate::store::{Store, StoreError};
use crate::vault::{CopyError, CopyOptions, Vault, VaultError};

pub use feed::FeedIntake;
pub use prober::Prober;
pub use recover::recover;

/// What of the configuration intake needs.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// How to copy.
    pub copy: CopyOptions,
    /// A file is still when its length and time have not changed for this long, milliseconds.
    pub still_after_ms: i64,
    /// Pause between looks at a recorder, milliseconds.
    pub look_every_ms: u64,
    /// Destinations of every new clip, and whether each is required.
    pub deliveries: Vec<(String, bool)>,
}

/// Intake for all docks of a station. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    store: Store,
    vault: Vault,
    board: Board,
    clock: Arc<dyn Clock>,
    profiles: Arc<Profiles>,
    options: Arc<IntakeOptions>,
}

impl Intake {
    /// Puts the parts together.
    pub fn new(
        store: Store,
        vault: Vault,
        board: Board,
        clock: Arc<dyn Clock>,
        profiles: Arc<Profiles>,
        options: IntakeOptions,
    ) -> Self {
        Self { store, vault, board, clock, profiles, options: Arc::new(options) }
    }

    /// Bytes that the vault's disk keeps free.
    pub fn reserve_bytes(&self) -> u64 {
        self.options.copy.reserve_bytes
    }
}

/// Why a clip was not taken in (yet).
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Copying did not come to its end.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recorder failed.
    #[error(transparent)]
    Source(#[from] crate::domain::ports::SourceError),
    /// The file changed while it was being copied.
    #[error("the file changed while it was being copied; it is copied anew when it is still")]
    Changed,
}
