//! The daemon's backups: makes one when it is due or asked for, brings it to each destination, and says how it stands.
//!
//! A backup is packed into one file first, since encryption never gives the same bytes twice: so an upload that was
//! cut goes on where it was, and every destination gets the same object. The file goes once all have it.
//! A destination that is away does not hold up the others, nor the next backup, which takes the place of this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{called, small};
use crate::custody::backup::BackupNote;
use crate::custody::note::{NoteError, VerifierKey};
use crate::deliver::backup::{PackError, Packed, measure, pack, seal_small};
use crate::deliver::prove::{Expected, read_back};
use crate::domain::backup::{due, too_old_ms};
use crate::domain::error::chain;
use crate::domain::grid::PartGrid;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{ByteSource, Clock, Destination, ObjectSpec, PartReceipt, SendError, SessionId, Signer};
use crate::runtime::durable;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::TaskContext;
use crate::runtime::task;
use crate::store::{BackupCopy, BackupKey, BackupRow, Store, StoreError};
use crate::vault::{SealedFile, VaultError};

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// So many failures in a row at a destination are told.
const TELL_AFTER: u32 = 3;
/// A destination that takes longer with one request does not answer: one part over a thin line. Reading back has no
/// such limit; what it costs depends on the size of the database.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Why a backup was not made or did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Packing it.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The destination.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Our file of it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The note on it.
    #[error("the note on the backup could not be signed")]
    Note(#[from] NoteError),
    /// A file or directory of ours.
    #[error("the backup failed while {doing} {path}; check the state directory and its disk")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Stored here, other bytes there.
    #[error("the small object {0} came back with other bytes")]
    Differs(String),
    /// No answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
}

/// What was asked for and what came of it; each request has a number.
type Outcome = (u64, Result<Value, String>);

/// Makes backups.
pub struct Backups {
    /// The database.
    pub store: Store,
    /// Whose.
    pub station: StationId,
    /// Signs the notes.
    pub signer: Arc<dyn Signer>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// For whom it is encrypted.
    pub recipient: String,
    /// Between two backups, milliseconds.
    pub every_ms: i64,
    /// First and longest pause after a failure, milliseconds.
    pub retry_ms: (i64, i64),
    /// Where it goes.
    pub destinations: Vec<Arc<dyn Destination>>,
    /// Where it is packed.
    pub dir: PathBuf,
    /// The file of the log's key, where it goes along.
    pub log_key: Option<PathBuf>,
    /// How many were asked for.
    pub wanted: watch::Sender<u64>,
    /// What came of them.
    pub done: watch::Sender<Outcome>,
}

impl Backups {
    /// Asks for a backup now and waits until it was made and every destination was tried.
    pub async fn now(&self) -> Result<Value, String> {
        let mut number = 0;
        let mut done = self.done.subscribe();
        self.wanted.send_modify(|n| {
            *n += 1;
            number = *n;
        });
        match done.wait_for(|(served, _)| *served >= number).await {
            Ok(outcome) => outcome.1.clone(),
            Err(_) => Err("the daemon is stopping".to_owned()),
        }
    }

    /// Runs until cancelled.
    pub async fn run(&self, context: TaskContext, health: Health) {
        let part = health.part("backup");
        let mut wanted = self.wanted.subscribe();
        let mut unmade: Option<(u32, i64)> = None;
        loop {
            context.heart.beat();
            let asked = *wanted.borrow_and_update();
            let served = self.done.borrow().0;
            let round = async {
                let made = self.make_if_due(asked > served, &mut unmade).await;
                self.send_all().await;
                made
            };
            let made = tokio::select! {
                () = context.heart.beat_until(&context.cancel) => return,
                made = round => made,
            };
            let told = self.told(&made).await;
            self.say(&part, &made).await;
            if asked > served {
                drop(self.done.send_replace((asked, told)));
            }
            tokio::select! {
                () = context.cancel.cancelled() => return,
                () = tokio::time::sleep(self.pause().await) => {}
                _ = wanted.changed() => {}
            }
        }
    }

    /// Until the next look: sooner where a destination is to be tried again.
    async fn pause(&self) -> Duration {
        let now_ms = self.clock.now().0;
        let mut pause = LOOK_EVERY;
        for dest in &self.destinations {
            let name = dest.name().to_string();
            if let Ok(Some((_, copy))) = self.store.read(move |r| r.waiting_backup(&name)).await {
                let wait_ms = u64::try_from(copy.next_try_ms.saturating_sub(now_ms)).unwrap_or(0).max(100);
                pause = pause.min(Duration::from_millis(wait_ms));
            }
        }
        pause
    }

    // -----------------------------------------------------------------------------------------
    // Making

    async fn make_if_due(&self, asked: bool, unmade: &mut Option<(u32, i64)>) -> Result<(), BackupError> {
        let now_ms = self.clock.now().0;
        // After a restore one is due at once, however young those of earlier epochs are.
        let last = self.store.read(|r| Ok((r.epoch()?, r.backups(1)?.pop()))).await?;
        let last = last.1.filter(|row| row.key.epoch == last.0);
        let resting = unmade.is_some_and(|(_, at)| (0..LOOK_EVERY.as_millis() as i64 * 60).contains(&(at - now_ms)));
        if !asked && (resting || !due(now_ms, last.map(|b| b.made_ms), self.every_ms)) {
            return Ok(());
        }
        match self.make().await {
            Ok(()) => {
                *unmade = None;
                Ok(())
            }
            Err(e) => {
                let tries = unmade.map_or(0, |(tries, _)| tries);
                tracing::error!(error = %chain(&e), "no backup could be made; it is tried again by itself");
                *unmade = Some((tries + 1, now_ms + self.backoff_ms(tries)));
                Err(e)
            }
        }
    }

    fn backoff_ms(&self, attempts: u32) -> i64 {
        let (min, max) = self.retry_ms;
        min.saturating_mul(1 << attempts.min(16)).min(max).max(min)
    }

    /// The packed file of a backup.
    fn file(&self, key: BackupKey) -> PathBuf {
        self.dir.join(format!("{:04}-{:06}", key.epoch, key.seq))
    }

    async fn make(&self) -> Result<(), BackupError> {
        let key = self.store.read(|r| Ok(BackupKey { epoch: r.epoch()?, seq: r.next_backup(r.epoch()?)? })).await?;
        let (store, dir, file) = (self.store.clone(), self.dir.clone(), self.file(key));
        let (recipient, log_key, made_ms) = (self.recipient.clone(), self.log_key.clone(), self.clock.now().0);
        let made = task::blocking("backup", move || {
            let work = dir.join("work.db");
            let made = packed(&store, &dir, &work, &file, &recipient, log_key.as_deref());
            // Neither a copy in clear nor half a backup stays.
            let _ = fs::remove_file(&work);
            if made.is_err() {
                let _ = fs::remove_file(&file);
            }
            made
        });
        let (snapshot, database_bytes, packed, log_key) = made.await.map_err(|_| StoreError::Closed)??;
        let note = BackupNote {
            station: self.station.clone(),
            epoch: key.epoch,
            seq: key.seq,
            key: VerifierKey::of(&*self.signer)?,
            made_ms,
            size_bytes: packed.size_bytes,
            sha256: packed.sha256,
            database_bytes,
            schema: snapshot.schema,
            log_size: snapshot.log_size,
            log_root: snapshot.log_root,
            log_key: log_key.as_ref().map(|bytes| {
                use sha2::Digest;
                crate::domain::digest::Sha256(sha2::Sha256::digest(bytes).into())
            }),
        };
        let row = BackupRow {
            key,
            made_ms,
            size_bytes: packed.size_bytes,
            sha256: packed.sha256,
            database_bytes,
            log_size: snapshot.log_size,
            note: note.sign(&*self.signer)?,
            log_key,
        };
        let names: Vec<String> = self.destinations.iter().map(|d| d.name().to_string()).collect();
        let log_size = row.log_size;
        self.store.write(move |tx| tx.backup_made(&row, &names)).await?;
        tracing::info!(backup = called(key), bytes = packed.size_bytes, log_size, "backup made");
        self.sweep(Some(key)).await;
        Ok(())
    }

    /// Removes packed files that nobody waits for.
    async fn sweep(&self, but: Option<BackupKey>) {
        let (dir, kept) = (self.dir.clone(), but.map(|key| self.file(key)));
        let swept = task::blocking("backup", move || {
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if Some(&path) != kept.as_ref() {
                    fs::remove_file(&path)?;
                }
            }
            Ok::<_, std::io::Error>(())
        });
        if let Ok(Err(e)) = swept.await {
            tracing::warn!(error = %e, "an old packed backup could not be removed");
        }
    }

    // -----------------------------------------------------------------------------------------
    // Sending

    /// Brings what waits to every destination at which it is due, side by side.
    async fn send_all(&self) {
        let sends = self.destinations.iter().map(|dest| async move {
            if let Err(e) = self.send_due(&**dest).await {
                tracing::warn!(destination = %dest.name(), error = %chain(&e), "a backup's state could not be stored");
            }
        });
        futures_util::future::join_all(sends).await;
        let mut waits = false;
        for dest in &self.destinations {
            let name = dest.name().to_string();
            waits |= self.store.read(move |r| r.waiting_backup(&name)).await.is_ok_and(|w| w.is_some());
        }
        if !waits {
            self.sweep(None).await;
        }
    }

    async fn send_due(&self, dest: &dyn Destination) -> Result<(), StoreError> {
        let name = dest.name().to_string();
        let waiting = {
            let name = name.clone();
            self.store.read(move |r| r.waiting_backup(&name)).await?
        };
        let now_ms = self.clock.now().0;
        let Some((row, copy)) = waiting else { return Ok(()) };
        // A pause longer than any was set by a clock that has been put back since.
        if copy.next_try_ms > now_ms && copy.next_try_ms - now_ms <= self.retry_ms.1 {
            return Ok(());
        }
        let key = row.key;
        match self.bring(dest, &row, &copy).await {
            Ok(()) => {
                tracing::info!(backup = called(key), destination = name, "backup read back and the same");
                self.store.write(move |tx| tx.backup_proven(key, &name)).await
            }
            Err(e) => {
                let words = chain(&e);
                tracing::warn!(backup = called(key), destination = name, error = words, "the backup has not arrived");
                let at = now_ms + self.backoff_ms(copy.attempts);
                self.store.write(move |tx| tx.backup_failed(key, &name, &words, at)).await
            }
        }
    }

    async fn bring(&self, dest: &dyn Destination, row: &BackupRow, copy: &BackupCopy) -> Result<(), BackupError> {
        let (key, file) = (row.key, self.file(row.key));
        let packed = {
            let file = file.clone();
            task::blocking("backup", move || measure(&file)).await.map_err(|_| StoreError::Closed)??
        };
        if (packed.sha256, packed.size_bytes) != (row.sha256, row.size_bytes) {
            return Err(PackError::Damaged(format!("{} is no longer what was packed", file.display())).into());
        }
        let object = ObjectSpec {
            key: layout::backup_database(&self.station, key.epoch, key.seq),
            size_bytes: packed.size_bytes,
            grid: PartGrid::for_size(Some(packed.size_bytes)),
            content_type: "application/octet-stream".to_owned(),
            sha256: packed.sha256,
            // Decision 2: backups are not locked, so that old ones can go.
            lock_until: None,
        };
        let there = patient(dest.head(&object.key)).await?;
        if there.is_none_or(|o| o.size_bytes != object.size_bytes) {
            self.upload(dest, key, &object, &packed, copy.session.clone()).await?;
        }
        let expected = Expected { size_bytes: packed.size_bytes, sha256: packed.sha256, parts: &[], blake3: None };
        if let Err(e) = read_back(dest, &object.key, &expected).await {
            if matches!(e, SendError::Mismatch { .. }) {
                // All of it goes up anew: an upload that ended so is of no use.
                let name = dest.name().to_string();
                self.store.write(move |tx| tx.backup_session(key, &name, None)).await?;
                self.upload(dest, key, &object, &packed, None).await?;
                read_back(dest, &object.key, &expected).await?;
            } else {
                return Err(e.into());
            }
        }
        if let Some(sealed) = &row.log_key {
            let at = layout::backup_log_key(&self.station, key.epoch, key.seq);
            self.put(dest, &at, sealed, "application/octet-stream").await?;
        }
        // Last: whoever sees the note finds the rest.
        let at = layout::backup_note(&self.station, key.epoch, key.seq);
        self.put(dest, &at, row.note.as_bytes(), "text/plain; charset=utf-8").await
    }

    /// A small object, read back.
    async fn put(&self, dest: &dyn Destination, key: &str, bytes: &[u8], kind: &str) -> Result<(), BackupError> {
        patient(dest.put_small(key, bytes.to_vec().into(), kind, None)).await?;
        match small(dest, key, bytes.len()).await {
            Ok(back) if back == bytes => Ok(()),
            _ => Err(BackupError::Differs(key.to_owned())),
        }
    }

    async fn upload(
        &self,
        dest: &dyn Destination,
        key: BackupKey,
        object: &ObjectSpec,
        packed: &Packed,
        session: Option<String>,
    ) -> Result<(), BackupError> {
        let name = dest.name().to_string();
        let source: Arc<dyn ByteSource> = Arc::new(SealedFile::open(&self.file(key))?);
        let mut receipts: Vec<Option<PartReceipt>> = vec![None; packed.parts.len()];
        let session = match session {
            Some(session) => {
                let stored = {
                    let name = name.clone();
                    self.store.read(move |r| r.backup_parts(key, &name)).await?
                };
                for (n, receipt) in stored {
                    if let Some(slot) = receipts.get_mut(n as usize) {
                        *slot = Some(receipt);
                    }
                }
                SessionId(session)
            }
            None => {
                let begun = patient(dest.begin(object)).await?;
                let (name, id) = (name.clone(), begun.0.clone());
                self.store.write(move |tx| tx.backup_session(key, &name, Some(&id))).await?;
                begun
            }
        };
        // One part after the other: any destination takes that, and a backup is in no hurry.
        for (part, slot) in packed.parts.iter().zip(&mut receipts).filter(|(_, slot)| slot.is_none()) {
            let receipt = match patient(dest.send_part(object, &session, part, Arc::clone(&source))).await {
                Ok(receipt) => receipt,
                Err(e) => {
                    if matches!(e, BackupError::Send(SendError::SessionLost { .. } | SendError::Mismatch { .. })) {
                        let name = name.clone();
                        self.store.write(move |tx| tx.backup_session(key, &name, None)).await?;
                    }
                    return Err(e);
                }
            };
            let (name, n, stored) = (name.clone(), part.n, receipt.clone());
            self.store.write(move |tx| tx.backup_part(key, &name, n, &stored)).await?;
            *slot = Some(receipt);
        }
        let parts: Vec<_> = packed.parts.iter().copied().zip(receipts).filter_map(|(p, r)| Some((p, r?))).collect();
        match patient(dest.complete(object, &session, &parts)).await {
            Ok(()) => Ok(()),
            // A lost answer is settled by looking, not by asking again.
            Err(e) => match patient(dest.head(&object.key)).await? {
                Some(o) if o.size_bytes == object.size_bytes => Ok(()),
                _ => {
                    if matches!(e, BackupError::Send(SendError::SessionLost { .. } | SendError::Mismatch { .. })) {
                        self.store.write(move |tx| tx.backup_session(key, &name, None)).await?;
                    }
                    Err(e)
                }
            },
        }
    }

    // -----------------------------------------------------------------------------------------
    // Telling

    /// The newest backup and where it is, for whoever asked.
    async fn told(&self, made: &Result<(), BackupError>) -> Result<Value, String> {
        if let Err(e) = made {
            return Err(chain(e));
        }
        let newest = self.store.read(|r| {
            let row = r.backups(1)?.pop();
            row.map(|row| Ok((r.backup_copies(row.key)?, row))).transpose()
        });
        match newest.await {
            Ok(Some((copies, row))) => Ok(json!({
                "backup": called(row.key), "epoch": row.key.epoch, "seq": row.key.seq, "made_ms": row.made_ms, "size_bytes": row.size_bytes,
                "log_size": row.log_size, "copies": copies.iter().map(super::copy_json).collect::<Vec<_>>(),
            })),
            Ok(None) => Err("no backup was made".to_owned()),
            Err(e) => Err(chain(&e)),
        }
    }

    async fn say(&self, part: &Part, made: &Result<(), BackupError>) {
        const TODO: &str = "`evidock doctor` and `evidock backup list` tell more; `evidock backup now` tries at once";
        if let Err(e) = made {
            part.failed("backup_not_made", format!("no backup could be made: {}", chain(e)), TODO);
            return;
        }
        let state = self.store.read(|r| {
            let copies = match r.backups(1)?.pop() {
                Some(row) => r.backup_copies(row.key)?,
                None => Vec::new(),
            };
            Ok((r.proven_backup_ms()?, copies))
        });
        let Ok((proven_ms, copies)) = state.await else { return };
        let age_ms = proven_ms.map(|at| self.clock.now().0.saturating_sub(at));
        let failing: Vec<String> = copies
            .iter()
            .filter(|c| c.state == "waiting" && c.attempts >= TELL_AFTER)
            .map(|c| format!("{}: {}", c.destination, c.reason.as_deref().unwrap_or_default()))
            .collect();
        match age_ms {
            Some(age) if age > too_old_ms(self.every_ms) => part.failed(
                "backup_old",
                format!("the newest backup that arrived is {} h old; {}", age / 3_600_000, failing.join("; ")),
                TODO,
            ),
            _ if !failing.is_empty() => {
                part.degraded("backup_failing", format!("a backup does not arrive: {}", failing.join("; ")), TODO)
            }
            _ => part.ok(),
        }
    }
}

async fn patient<T, E: Into<BackupError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, BackupError> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| BackupError::Silent)?.map_err(Into::into)
}

type Made = (crate::store::Snapshot, u64, Packed, Option<Vec<u8>>);

fn packed(
    store: &Store,
    dir: &Path,
    work: &Path,
    file: &Path,
    recipient: &str,
    log_key: Option<&Path>,
) -> Result<Made, BackupError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { doing, path, source }
    };
    durable::make_dir_all(dir).map_err(failed("making", dir))?;
    let snapshot = store.snapshot(work)?;
    let database_bytes = fs::metadata(work).map_err(failed("looking at", work))?.len();
    let packed = pack(work, file, recipient)?;
    durable::sync_dir(dir).map_err(failed("syncing", dir))?;
    let log_key = match log_key {
        Some(path) => Some(seal_small(&fs::read(path).map_err(failed("reading", path))?, recipient)?),
        None => None,
    };
    Ok((snapshot, database_bytes, packed, log_key))
}
