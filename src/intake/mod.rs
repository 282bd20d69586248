//! One clip from a source into the vault: plan, copy and hash in one pass, verify, seal; resumable inside
//! a file. Never changes a recorder, never decides what a clip means.

mod dock;
mod erase;
mod feed;
mod filing;
mod plan;
mod prober;
mod pull;
mod recover;
mod salvage;
mod take;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};

use crate::domain::digest::Blake3;
use crate::domain::ids::RecorderId;
use crate::domain::ports::Clock;
use crate::domain::recorder::SourcePath;
use crate::runtime::board::Board;
use crate::source::profile::Profiles;
use crate::store::{Store, StoreError};
use crate::vault::{CopyError, CopyOptions, Vault, VaultError};

pub use dock::Ending;
pub use erase::GivingBack;
pub use feed::FeedIntake;
pub use filing::{FROM as DOCUMENTS, Filed};
pub use prober::Prober;
pub use pull::{Order as PullOrder, Puller};
pub use recover::recover;

/// A stream is begun where so much fits; a minute of 1080p at 8 Mbit/s.
const STREAM_ROOM_BYTES: u64 = 64 << 20;

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
    /// Parts of a clip may go up while it is still being copied.
    pub instant: bool,
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
    /// Files that are being taken or erased now, by whichever dock.
    claims: Arc<Mutex<HashSet<Claimed>>>,
    /// When space on recorders is given back.
    giving_back: Arc<GivingBack>,
    /// Digests that are being sealed now.
    sealing: Arc<Sealing>,
}

/// Digests that are being sealed now. The same bytes that come from two recorders at once would otherwise each find
/// that nobody has them yet, and stand on the disk twice.
#[derive(Default)]
struct Sealing {
    now: Mutex<HashSet<Blake3>>,
    done: Condvar,
}

/// The right to seal a digest, until it is dropped.
struct SealingClaim<'a> {
    sealing: &'a Sealing,
    digest: Blake3,
}

impl Drop for SealingClaim<'_> {
    fn drop(&mut self) {
        self.sealing.now.lock().unwrap_or_else(|e| e.into_inner()).remove(&self.digest);
        self.sealing.done.notify_all();
    }
}

impl Sealing {
    /// Waits until nobody else seals these bytes.
    fn claim(&self, digest: Blake3) -> SealingClaim<'_> {
        let mut now = self.now.lock().unwrap_or_else(|e| e.into_inner());
        while !now.insert(digest) {
            now = self.done.wait(now).unwrap_or_else(|e| e.into_inner());
        }
        SealingClaim { sealing: self, digest }
    }
}

/// A file, as clips know where they came from.
type Claimed = (RecorderId, SourcePath);

/// The right to take a file, until it is dropped.
struct Claim {
    claims: Arc<Mutex<HashSet<Claimed>>>,
    of: Claimed,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().unwrap_or_else(|e| e.into_inner()).remove(&self.of);
    }
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
        // Nothing is ever erased unless somebody asks for it.
        let giving_back = Arc::new(GivingBack::new(&[], || Ok(())));
        Self {
            store,
            vault,
            board,
            clock,
            profiles,
            options: Arc::new(options),
            claims: Arc::default(),
            giving_back,
            sealing: Arc::default(),
        }
    }

    /// The same, but space on recorders is given back as told.
    pub fn giving_back(self, giving_back: GivingBack) -> Self {
        Self { giving_back: Arc::new(giving_back), ..self }
    }

    /// Claims a file. A clip's `.part` has one writer: a recorder whose id stands in two bays, or one that was
    /// pulled and docked again while the work of the earlier dock still winds down, must not become two.
    fn claim(&self, recorder: &RecorderId, path: &SourcePath) -> Result<Claim, IntakeError> {
        let of = (recorder.clone(), path.clone());
        if self.claims.lock().unwrap_or_else(|e| e.into_inner()).insert(of.clone()) {
            Ok(Claim { claims: Arc::clone(&self.claims), of })
        } else {
            Err(IntakeError::Busy)
        }
    }

    /// Files that are being taken now.
    fn copies(&self) -> usize {
        self.claims.lock().unwrap_or_else(|e| e.into_inner()).len()
    }

    /// What to say where the disk has no room for something that comes as it comes. A little above the reserve counts as
    /// none, so that a full disk is not tried with every second of footage.
    fn no_room(&self) -> Result<Option<CopyError>, IntakeError> {
        let (free, reserve) = (self.vault.space()?.0, self.options.copy.reserve_bytes);
        let coming = (reserve / 4).min(STREAM_ROOM_BYTES);
        Ok((free < reserve.saturating_add(coming)).then_some(CopyError::Full { coming, free, reserve }))
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
    /// Our own reading of what is on the recorder failed in a way that nobody foresaw.
    #[error("looking at this recorder failed unexpectedly; it is tried again, and the log of the daemon tells where")]
    Panicked,
    /// Another dock takes the same file of the same recorder now.
    #[error("the same file of this recorder is being copied at another bay; this one waits for it")]
    Busy,
}

impl IntakeError {
    /// Whether reading said that the recorder is no longer there.
    fn is_gone(&self) -> bool {
        use crate::domain::ports::SourceError::Gone;
        matches!(self, Self::Source(Gone(_)) | Self::Copy(CopyError::Source(Gone(_))))
    }

    /// Whether the recorder or its file is at fault, and not this station's disk or database.
    fn is_of_the_recorder(&self) -> bool {
        match self {
            Self::Copy(CopyError::Source(_) | CopyError::Short { .. } | CopyError::Stopped)
            | Self::Source(_)
            | Self::Changed
            | Self::Busy => true,
            Self::Copy(
                CopyError::Full { .. } | CopyError::ReadBack(_) | CopyError::Vault(_) | CopyError::Report(_),
            )
            | Self::Vault(_)
            | Self::Panicked
            | Self::Store(_) => false,
        }
    }
}
