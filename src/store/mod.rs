//! ALL SQL: schema, migrations, queries. Custody changes and their log entries share one transaction
//! (invariant 4).
//!
//! One thread owns the writing connection (WAL, `synchronous=FULL`); readers have connections of their
//! own. Nobody outside this room sees a row: what goes in and out are domain types and the plain structs
//! of this room. Must not touch files of the vault, nor decide anything that `domain` can decide.

mod addresses;
mod audit;
mod backup;
mod cases;
mod delivery;
mod docks;
mod erase;
mod evict;
mod facts;
mod intake;
mod issues;
mod keep;
mod log;
mod open;
mod pages;
mod records;
mod register;
mod restore;
mod views;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};

use crate::domain::digest::DigestError;
use crate::domain::error::{Retry, Retryable};
use crate::domain::event::EncodeError;
use crate::domain::ids::{ClipId, IdError};
use crate::domain::ports::Clock;
use crate::runtime::task;

pub use audit::{AuditJob, LockJob};
pub use backup::{BackupCopy, BackupKey, BackupRow, Snapshot};
pub use cases::{CaseSummary, LinkRequest, LinkRow, RosterEntry};
pub use delivery::{DeliveryJob, DestinationRow, OutboxItem, PartRow, SentPart, SmallKind, StoredSession};
pub use docks::{NewDock, OpenDock};
pub use erase::ErasableRow;
pub use evict::EvictRow;
pub use facts::MediaRow;
pub use intake::{ClipRow, NewClip, SealedAs, SealedClip};
pub use issues::{IssueRow, NewIssue};
pub use keep::{HoldRow, IsolationRow, Standing};
pub use log::{CheckpointRow, LogRow};
pub use open::{DatabaseCheck, SCHEMA_VERSION};
pub use pages::{Backlog, CaseFigures, SightingRow};
pub use records::Policy;
pub use register::DeviceRow;
pub use restore::{FromRecord, LocalFate, RestoreRow, Taken};
pub use views::{ClipFilter, ClipPage, StageFigures, StationFigures};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed.
    #[error("the database failed while {doing}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// SQLite's words.
        #[source]
        source: rusqlite::Error,
    },
    /// Written by a newer program.
    #[error(
        "the database {path} has schema version {found}, this program knows {known}; install the newer evidock again, or restore the backup made before the upgrade"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Written by an older program, and opened for reading only.
    #[error(
        "the database {path} has schema version {found}, this program reads {known}; start the daemon of this version once, it brings the database up to date"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Belongs to another station.
    #[error(
        "the database belongs to station {found}, the configuration says {wanted}; a station keeps its id for life: set [station] id = \"{found}\""
    )]
    OtherStation {
        /// Whose it is.
        found: String,
        /// Who we are.
        wanted: String,
    },
    /// The file is damaged.
    #[error(
        "the database {path} is damaged ({detail}); stop evidock, keep a copy of the file, restore the newest backup; footage in the vault and at the destinations is not affected"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check said.
        detail: String,
    },
    /// A row holds a value that this program cannot have written.
    #[error("a stored value is not what it should be: {0}")]
    Odd(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The request contradicts what is stored.
    #[error("{0}")]
    Conflict(String),
    /// An event could not be encoded.
    #[error(transparent)]
    Event(#[from] EncodeError),
    /// The writer has ended (shutdown).
    #[error("the database is closed; the daemon is stopping")]
    Closed,
}

impl Retryable for StoreError {
    fn retry(&self) -> Retry {
        match self {
            Self::Sql { source, .. } => match source.sqlite_error_code() {
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                    | rusqlite::ErrorCode::DiskFull
                    | rusqlite::ErrorCode::SystemIoFailure,
                ) => Retry::Transient,
                _ => Retry::Permanent,
            },
            Self::Newer { .. } | Self::Older { .. } | Self::OtherStation { .. } | Self::Damaged { .. } => {
                Retry::Operator
            }
            Self::Closed => Retry::Transient,
            _ => Retry::Permanent,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sql { doing: "running a query", source }
    }
}

impl From<IdError> for StoreError {
    fn from(e: IdError) -> Self {
        Self::Odd(e.to_string())
    }
}

impl From<DigestError> for StoreError {
    fn from(e: DigestError) -> Self {
        Self::Odd(e.to_string())
    }
}

/// Shorthand of this room.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What changed in a transaction; sent after it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Something about this clip.
    Clip(ClipId),
    /// A recorder came, went, or its progress changed.
    Docks,
    /// There is something new to send.
    Outbox,
    /// A destination's health changed.
    Destinations,
    /// Cases or rosters changed.
    Cases,
    /// The register of recorders, or who has which recorder, changed: the gate looks again.
    Recorders,
    /// A clip was isolated, or is no longer: what goes out is looked at anew.
    Isolated,
    /// A hold was placed, or its release asked for or carried out.
    Holds,
    /// The log grew.
    Log,
}

/// An open transaction with typed operations; commits when the closure given to [`Store::write`] returns `Ok`.
pub struct Tx<'a> {
    pub(in crate::store) conn: &'a Connection,
    pub(in crate::store) clock: &'a dyn Clock,
    pub(in crate::store) changes: std::cell::RefCell<Vec<Change>>,
}

impl Tx<'_> {
    /// The instant of this transaction, milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// Everything that can be read can be read inside a transaction, too.
    pub fn read(&self) -> Reader<'_> {
        Reader { conn: self.conn }
    }

    pub(in crate::store) fn changed(&self, change: Change) {
        let mut changes = self.changes.borrow_mut();
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
}

/// Typed queries.
pub struct Reader<'a> {
    pub(in crate::store) conn: &'a Connection,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The database of a station. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    changes: broadcast::Sender<Change>,
    clock: Arc<dyn Clock>,
    writable: bool,
}

impl Store {
    /// Opens (or creates) the database of `station` for the daemon: migrates, checks, starts the writer.
    pub fn open(path: &Path, station: &crate::domain::ids::StationId, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut conn = open::writable(path, station, clock.now().0)?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Ok(job) = inbox.recv() {
                    job(&mut conn);
                }
                // A clean shutdown leaves one file, which is easier to copy and to look at.
                if let Err(e) = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
                    tracing::warn!(error = %e, "the write-ahead log could not be folded in at shutdown; it will be at the next start");
                }
            })
            .map_err(|e| StoreError::Odd(format!("the database thread could not start: {e}")))?;
        Ok(Self::with(path, clock, Some(jobs), Some(writer), true))
    }

    /// Opens an existing database for reading only (command line beside a daemon, or without one).
    pub fn open_read_only(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = Self::with(path, clock, None, None, false);
        let reader = open::readable(path)?;
        store.inner.readers.lock().unwrap_or_else(|e| e.into_inner()).push(reader);
        Ok(store)
    }

    fn with(
        path: &Path,
        clock: Arc<dyn Clock>,
        jobs: Option<mpsc::Sender<Job>>,
        writer: Option<std::thread::JoinHandle<()>>,
        writable: bool,
    ) -> Self {
        let (changes, _) = broadcast::channel(1024);
        let inner = Inner {
            path: path.to_owned(),
            jobs: Mutex::new(jobs),
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
            changes,
            clock,
            writable,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs `work` in one transaction on the writer's thread; durable when this returns `Ok`.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(work)?.await.map_err(|_| StoreError::Closed)?
    }

    /// [`Store::write`] for blocking threads.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(work)?.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (done, wait) = oneshot::channel();
        let clock = Arc::clone(&self.inner.clock);
        let announce = self.inner.changes.clone();
        let job: Job = Box::new(move |conn| {
            // Work parses what people and recorders wrote. Should it panic, its transaction is rolled back as the stack
            // unwinds, and the writer goes on: without it nothing would be taken in any more, and nobody told.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| transact(conn, &*clock, work)))
                .unwrap_or_else(|_| {
                    Err(StoreError::Odd("the work of a transaction panicked; it was rolled back".into()))
                });
            let outcome = outcome.map(|(value, changes)| {
                for change in changes {
                    // Nobody listening is fine.
                    let _ = announce.send(change);
                }
                value
            });
            let _ = done.send(outcome);
        });
        let jobs = self.inner.jobs.lock().unwrap_or_else(|e| e.into_inner());
        let sender = jobs.as_ref().ok_or_else(|| {
            if self.inner.writable {
                StoreError::Closed
            } else {
                StoreError::Conflict("the database is open for reading only".into())
            }
        })?;
        sender.send(job).map_err(|_| StoreError::Closed)?;
        Ok(wait)
    }

    /// Runs queries on a reader's connection, on a blocking thread.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        task::blocking("store-read", move || store.read_blocking(work)).await.map_err(|_| StoreError::Closed)?
    }

    /// [`Store::read`] for blocking threads.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let pooled = self.inner.readers.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => open::readable(&self.inner.path)?,
        };
        // One read transaction, so that several queries of one page agree with each other.
        conn.execute_batch("BEGIN")?;
        let outcome = work(&Reader { conn: &conn });
        conn.execute_batch("ROLLBACK")?;
        let mut readers = self.inner.readers.lock().unwrap_or_else(|e| e.into_inner());
        if readers.len() < 4 {
            readers.push(conn);
        }
        outcome
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What changes from now on. A receiver that lags is told so and should look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Ends the writer after what is queued, and folds the write-ahead log in. Blocks.
    pub fn close(&self) {
        self.inner.jobs.lock().unwrap_or_else(|e| e.into_inner()).take();
        self.inner.readers.lock().unwrap_or_else(|e| e.into_inner()).clear();
        let writer = self.inner.writer.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the database thread panicked");
        }
    }
}

fn transact<T>(
    conn: &mut Connection,
    clock: &dyn Clock,
    work: impl FnOnce(&Tx<'_>) -> Result<T>,
) -> Result<(T, Vec<Change>)> {
    let sql = conn
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(|source| StoreError::Sql { doing: "beginning a transaction", source })?;
    let tx = Tx { conn: &sql, clock, changes: Vec::new().into() };
    let value = work(&tx)?;
    let changes = tx.changes.into_inner();
    sql.commit().map_err(|source| StoreError::Sql { doing: "committing a transaction", source })?;
    Ok((value, changes))
}

/// Reads 32 raw bytes.
fn digest32(bytes: Vec<u8>) -> Result<[u8; 32]> {
    <[u8; 32]>::try_from(bytes).map_err(|b| StoreError::Odd(format!("a digest of {} bytes", b.len())))
}
