//! ALL SQL: schema, migrations, queries. Custody changes and their log entries share one transaction
//! (invariant 4).
//!
//! One thread owns the writing connection (WAL, `synchronous=FULL`); readers have connections of their
//! own. Nobody outside this room sees a row: what goes in and out are domain types and the plain structs
//! of this room. Must not touch files of the vault, nor decide anything that `domain` can decide.

mod accounts;
mod addresses;
mod alarms;
mod as_sealed;
mod audit;
mod backup;
mod case_rights;
mod cases;
mod delivery;
mod derivatives;
mod disposal;
mod docks;
mod documents;
mod erase;
mod evict;
mod exchange;
mod exports;
mod facts;
mod filing;
mod identities;
mod intake;
mod issues;
mod keep;
mod large;
mod listed;
mod log;
mod looks;
mod marks;
mod messages;
mod narrow;
mod office;
mod officers;
mod open;
mod outing;
mod pages;
mod proofs;
mod queue;
mod recordings;
mod records;
mod register;
mod registers;
mod repeats;
mod report;
mod restore;
mod reviews;
mod rosters;
mod sampling;
mod search;
mod second_person;
mod sessions;
mod settings;
mod statistics;
mod tally;
mod triage;
mod views;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};

use crate::domain::command::Caller;
use crate::domain::digest::DigestError;
use crate::domain::error::{Retry, Retryable};
use crate::domain::event::EncodeError;
use crate::domain::ids::{ClipId, IdError};
use crate::domain::ports::Clock;
use crate::domain::why::Why;
use crate::runtime::task;

pub use accounts::{
    AccountChange, AccountRow, ClipStanding, NewAccount, NewSession, NewToken, Reach, ReviewRow, SessionEnd,
    SessionRow, TokenRow,
};
pub use alarms::{AlarmRow, SeenAlarm};
pub use as_sealed::{PublishedRow, SealedRow};
pub use audit::{AuditJob, LockJob};
pub use backup::{BackupCopy, BackupKey, BackupRow, Snapshot};
pub use cases::{CaseSummary, LinkRequest, LinkRow};
pub use delivery::{DestinationRow, OutboxItem, PartRow, SmallKind};
pub use derivatives::{DerivativeRow, DerivedFile};
pub use disposal::{CopyRow, DisposalItem, DisposalRow, DuePlace, DueRow};
pub use docks::{NewDock, OpenDock};
pub use documents::{DOCUMENT, DocumentRow};
pub use erase::ErasableRow;
pub use evict::EvictRow;
pub use exports::{ExportRow, IsolatedPackage, NewExport};
pub use facts::MediaRow;
pub use filing::{Binding, FilingProgress, FilingRow, FilingRule, Signed, ToCompare, report_json};
pub use intake::{ClipRow, NewClip, SealedAs, SealedClip};
pub use issues::{IssueRow, NewIssue};
pub use keep::{HoldRow, IsolationRow, Standing};
pub use large::MOST_LINKS;
pub use listed::Marked;
pub use log::{CheckpointRow, LogRow};
pub use marks::MarkRow;
pub use messages::{MessageEnd, MessageRow, NewMessage, ReceiverRow};
pub use office::{DockStay, SeenRecorder};
pub use officers::Certificate;
pub use open::{DatabaseCheck, SCHEMA_VERSION};
pub use outing::{Neighbour, OUTING_MS, OneYes, OutingOf, outing, partners_among};
pub use pages::{Backlog, CaseFigures, SightingRow};
pub use proofs::{CosignatureRow, TimestampRow, WatchedRow};
pub use queue::{DeliveryJob, DueQuery, PauseRow};
pub use recordings::{NewRecording, RecordingRow, RecordingStanding, SegmentRow};
pub use records::Policy;
pub use register::DeviceRow;
pub use registers::{CaseRecord, EntryRow, Import, ImportRow, ImportedAs, NewEntry, Parted, Undone};
pub use repeats::{RepeatAnswer, RepeatEnd, RepeatFound, RepeatKey};
pub use report::{CountedFilter, MOST_CASES, MOST_LISTED};
pub use restore::{FromRecord, LocalFate, RestoreRow, Taken};
pub use reviews::{NoteRow, OpinionRow, SentRow, SheetRow};
pub use rosters::{LinkWords, RosterChange, RosterDue, RosterDuePlace, RosterEntry, RosterImport, RosterUndone};
pub use sampling::{DrawnClip, NewSample, SampleRow, SampleStep};
pub use search::SearchCheck;
pub use sessions::{AbandonedRow, SentPart, SessionObject, StoredSession};
pub use statistics::ReportAsk;
pub use tally::TallyOff;
pub use triage::{Decided, Suggestion, SuggestionRow, TriagePage, TriageRow};
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
    NotFound(Why),
    /// The request contradicts what is stored.
    #[error("{0}")]
    Conflict(Why),
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
    /// A roster or a register changed, or a case takes links again: the rules may say something else about any clip.
    Rules,
    /// When or where this clip was captured, or which cases it belongs to, changed: the rules may say something else about
    /// the clips of its outing.
    Outing(ClipId),
    /// The register of recorders, or who has which recorder, changed: the gate looks again.
    Recorders,
    /// A recording of a live stream began or ended.
    Recordings,
    /// A clip was isolated, or is no longer: what goes out is looked at anew.
    Isolated,
    /// A hold was placed, or its release asked for or carried out.
    Holds,
    /// Accounts, sessions or tokens changed.
    Accounts,
    /// An evidence package was asked for, decided about, or is further than before.
    Exports,
    /// An alarm rose, ended or was acknowledged, or there is something to tell others.
    Alarms,
    /// A derivative of a clip was asked for.
    Derivatives,
    /// The log grew.
    Log,
}

/// An open transaction with typed operations; commits when the closure given to [`Store::write`] returns `Ok`.
pub struct Tx<'a> {
    pub(in crate::store) conn: &'a Connection,
    pub(in crate::store) clock: &'a dyn Clock,
    pub(in crate::store) changes: std::cell::RefCell<Vec<Change>>,
    pub(in crate::store) caller: std::cell::RefCell<Option<Caller>>,
}

impl Tx<'_> {
    /// The instant of this transaction, milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// Events of this caller's doing, logged from here on, tell where from and in which sign-in session.
    pub fn on_behalf(&self, caller: &Caller) {
        *self.caller.borrow_mut() = Some(caller.clone());
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

/// A change that waits for the writer: runs inside a transaction, if there is one, and gives what is to be said once it
/// is durable.
type Job = Box<dyn FnOnce(std::result::Result<&Connection, StoreError>) -> Told + Send>;
/// Tells whoever waits how it ended, and everybody what changed.
type Told = Box<dyn FnOnce(std::result::Result<(), StoreError>)>;

/// Changes that are made durable together, at most: one sync of the disk serves all that wait for it.
const TOGETHER: usize = 64;

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
    isolations: Arc<AtomicU64>,
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
                while let Ok(first) = inbox.recv() {
                    let more = inbox.try_iter().take(TOGETHER - 1);
                    transact(&mut conn, std::iter::once(first).chain(more));
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
            isolations: Arc::default(),
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
        let isolations = Arc::clone(&self.inner.isolations);
        let job: Job = Box::new(move |conn| {
            // Work parses what people and recorders wrote. Should it panic, what it did is rolled back, and the writer
            // goes on: without it nothing would be taken in any more, and nobody told.
            let work = || conn.and_then(|conn| alone(conn, &*clock, work));
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
                Err(StoreError::Odd("the work of a transaction panicked; it was rolled back".into()))
            });
            Box::new(move |committed| {
                let outcome = committed.and(outcome).map(|(value, changes)| {
                    for change in changes {
                        if change == Change::Isolated {
                            isolations.fetch_add(1, Ordering::AcqRel);
                        }
                        // Nobody listening is fine.
                        let _ = announce.send(change);
                    }
                    value
                });
                let _ = done.send(outcome);
            })
        });
        let jobs = self.inner.jobs.lock().unwrap_or_else(|e| e.into_inner());
        let sender = jobs.as_ref().ok_or_else(|| {
            if self.inner.writable { StoreError::Closed } else { StoreError::Conflict(Why::LooksOnly {}) }
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

    /// Whether it was opened for writing.
    pub fn is_writable(&self) -> bool {
        self.inner.writable
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What changes from now on. A receiver that lags is told so and should look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Goes up with each isolation that is placed or lifted, before whoever did that is answered: who gives bytes out compares
    /// it for every stretch. One that only reads hears of none.
    pub fn isolations(&self) -> u64 {
        self.inner.isolations.load(Ordering::Acquire)
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

/// Runs jobs in one transaction, each in a savepoint of its own: one that fails leaves the others alone. Nobody hears of
/// success before the whole is durable.
fn transact(conn: &mut Connection, jobs: impl Iterator<Item = Job>) {
    let mut told = Vec::new();
    let failed = |doing: &'static str, e: &rusqlite::Error| StoreError::Sql { doing, source: again(e) };
    let outcome = match conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate) {
        Err(e) => {
            told.extend(jobs.map(|job| job(Err(failed("beginning a transaction", &e)))));
            Ok(())
        }
        Ok(sql) => {
            for job in jobs {
                // A full disk takes the whole transaction back, whoever met it; nothing may go on outside of one.
                let inside = if sql.is_autocommit() { Err(rolled_back()) } else { Ok(&*sql) };
                told.push(job(inside));
            }
            if sql.is_autocommit() { Err(("committing a transaction", lost())) } else { Ok(sql) }
                .and_then(|sql| sql.commit().map_err(|e| ("committing a transaction", e)))
        }
    };
    for tell in told {
        tell(outcome.as_ref().copied().map_err(|(doing, e)| failed(doing, e)));
    }
}

fn rolled_back() -> StoreError {
    StoreError::Sql { doing: "going on in a transaction", source: lost() }
}

/// A transaction that SQLite has taken back by itself: as for a full disk, which it most often is.
fn lost() -> rusqlite::Error {
    failure(rusqlite::ffi::SQLITE_FULL, "the transaction was taken back with another change that failed")
}

fn failure(code: i32, words: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(words.to_owned()))
}

/// One job in its savepoint. Dropping a savepoint that was not committed rolls back to it, also while a stack unwinds.
fn alone<T>(conn: &Connection, clock: &dyn Clock, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<(T, Vec<Change>)> {
    let failed = |doing| move |source| StoreError::Sql { doing, source };
    conn.execute_batch("SAVEPOINT job").map_err(failed("beginning a savepoint"))?;
    let guard = Savepoint { conn, kept: false };
    let tx = Tx { conn, clock, changes: Vec::new().into(), caller: None.into() };
    let value = work(&tx)?;
    tx.index_changed();
    let changes = tx.changes.into_inner();
    guard.keep().map_err(failed("ending a savepoint"))?;
    Ok((value, changes))
}

/// What a job did so far; undone unless it is kept.
struct Savepoint<'a> {
    conn: &'a Connection,
    kept: bool,
}

impl Savepoint<'_> {
    fn keep(mut self) -> rusqlite::Result<()> {
        self.kept = true;
        self.conn.execute_batch("RELEASE job")
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.kept
            && let Err(e) = self.conn.execute_batch("ROLLBACK TO job; RELEASE job")
        {
            tracing::error!(error = %e, "a failed change could not be rolled back by itself");
        }
    }
}

/// The same failure for each who waited; SQLite's errors cannot be copied as they are.
fn again(e: &rusqlite::Error) -> rusqlite::Error {
    match e {
        rusqlite::Error::SqliteFailure(code, words) => rusqlite::Error::SqliteFailure(*code, words.clone()),
        other => failure(rusqlite::ffi::SQLITE_ERROR, &other.to_string()),
    }
}

/// Reads 32 raw bytes.
fn digest32(bytes: Vec<u8>) -> Result<[u8; 32]> {
    <[u8; 32]>::try_from(bytes).map_err(|b| StoreError::Odd(format!("a digest of {} bytes", b.len())))
}
