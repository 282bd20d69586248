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
    /// Likewise that of the SM2 key, where there is one in use.
    pub sm2_key: Option<PathBuf>,
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
        let (recipient, made_ms) = (self.recipient.clone(), self.clock.now().0);
        let keys = [self.log_key.clone(), self.sm2_key.clone()];
        let made = task::blocking("backup", move || {
            let work = dir.join("work.db");
            let made = packed(&store, &dir, &work, &file, &recipient, &keys);
            // Neither a copy in clear nor half a backup stays.
            let _ = fs::remove_file(&work);
            if made.is_err() {
                let _ = fs::remove_file(&file);
            }
            made
        });
        let (snapshot, database_bytes, packed, [log_key, sm2_key]) = made.await.map_err(|_| StoreError::Closed)??;
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
            log_key: log_key.as_deref().map(digest),
            sm2_key: sm2_key.as_deref().map(digest),
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
            sm2_key,
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
        let crc64 = None; // Read back in any case.
        let expected =
            Expected { size_bytes: packed.size_bytes, sha256: packed.sha256, parts: &[], crc64, blake3: None };
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
        for (sealed, at) in [
            (&row.log_key, layout::backup_log_key(&self.station, key.epoch, key.seq)),
            (&row.sm2_key, layout::backup_sm2_key(&self.station, key.epoch, key.seq)),
        ] {
            if let Some(sealed) = sealed {
                self.put(dest, &at, sealed, "application/octet-stream").await?;
            }
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

/// The sealed keys are the log's and the SM2 key.
type Made = (crate::store::Snapshot, u64, Packed, [Option<Vec<u8>>; 2]);

fn digest(bytes: &[u8]) -> crate::domain::digest::Sha256 {
    use sha2::Digest;
    crate::domain::digest::Sha256(sha2::Sha256::digest(bytes).into())
}

fn packed(
    store: &Store,
    dir: &Path,
    work: &Path,
    file: &Path,
    recipient: &str,
    keys: &[Option<PathBuf>; 2],
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
    let mut sealed = [None, None];
    for (path, into) in keys.iter().zip(&mut sealed) {
        if let Some(path) = path {
            *into = Some(seal_small(&fs::read(path).map_err(failed("reading", path))?, recipient)?);
        }
    }
    Ok((snapshot, database_bytes, packed, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::backup::open;
    use crate::custody::key::FileSigner;
    use crate::deliver::backup::{identities, key_pair, unpack};
    use crate::deliver::fake::{FakeDestination, Faults};
    use crate::domain::ids::DestinationName;
    use crate::runtime::clock::StoppedClock;

    const NOW_MS: i64 = 1_781_834_604_000;

    struct Bench {
        dir: tempfile::TempDir,
        clock: Arc<StoppedClock>,
        there: Arc<FakeDestination>,
        backups: Backups,
    }

    /// A station with one destination in memory; its database does not shrink below `bytes` when it is packed.
    async fn bench(bytes: usize) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let clock = StoppedClock::at(NOW_MS);
        let station = StationId::new("one").unwrap();
        let store = Store::open(&dir.path().join("a.db"), &station, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let noise: Vec<u8> = (0..bytes as u64 / 32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        store.write(move |tx| tx.post("cloud", "noise", "catalogue", "x", &noise, None)).await.unwrap();
        let there = FakeDestination::new(DestinationName::new("cloud").unwrap(), station.clone());
        let (text, recipient) = key_pair("now");
        fs::write(dir.path().join("identity"), text).unwrap();
        fs::write(dir.path().join("log.key"), "a key\n").unwrap();
        fs::write(dir.path().join("log.sm2.key"), "another key\n").unwrap();
        let backups = Backups {
            store,
            station,
            signer: Arc::new(FileSigner::from_seed("evidock/one", [7; 32]).unwrap()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            recipient,
            every_ms: 3_600_000,
            retry_ms: (1_000, 8_000),
            destinations: vec![Arc::clone(&there) as Arc<dyn Destination>],
            dir: dir.path().join("backup"),
            log_key: Some(dir.path().join("log.key")),
            sm2_key: Some(dir.path().join("log.sm2.key")),
            wanted: watch::Sender::new(0),
            done: watch::Sender::new((0, Ok(Value::Null))),
        };
        Bench { dir, clock, there, backups }
    }

    impl Bench {
        async fn make(&self) -> BackupRow {
            self.backups.make().await.unwrap();
            self.newest().await.0
        }

        async fn newest(&self) -> (BackupRow, BackupCopy) {
            let found = self.backups.store.read(|r| {
                let row = r.backups(1)?.remove(0);
                Ok((r.backup_copies(row.key)?.remove(0), row))
            });
            let (copy, row) = found.await.unwrap();
            (row, copy)
        }

        /// One round of sending, at once after the pause of the last failure.
        async fn send(&self) -> BackupCopy {
            self.clock.advance(10_000);
            self.backups.send_all().await;
            self.newest().await.1
        }

        fn files(&self) -> usize {
            fs::read_dir(&self.backups.dir).unwrap().count()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_arrives_is_what_its_note_says_and_opens() {
        let b = bench(1 << 20).await;
        let row = b.make().await;
        assert_eq!((b.files(), b.newest().await.1.state.as_str()), (1, "waiting"), "no copy in clear stays");
        let copy = b.send().await;
        assert_eq!((copy.state.as_str(), b.files()), ("proven", 0), "{copy:?}");
        let key = VerifierKey::of(&*b.backups.signer).unwrap();
        let held = |at: String| b.there.held(&at).unwrap();
        let note = open(&held(layout::backup_note(&b.backups.station, 1, 1)), &[key]).unwrap();
        assert_eq!((note.sha256, note.log_size, note.made_ms), (row.sha256, row.log_size, NOW_MS));
        let (packed, plain) = (b.dir.path().join("packed"), b.dir.path().join("plain.db"));
        fs::write(&packed, held(layout::backup_database(&b.backups.station, 1, 1))).unwrap();
        let secret = identities(&b.dir.path().join("identity")).unwrap();
        unpack(&packed, &plain, note.database_bytes, &secret).unwrap();
        let again = Store::open(&plain, &b.backups.station, Arc::clone(&b.backups.clock)).unwrap();
        let (size, root) = again.read_blocking(|r| Ok((r.log_size()?, r.log_root(r.log_size()?)?))).unwrap();
        assert_eq!((size, root), (note.log_size, note.log_root));
        again.close();
        for (at, digest, key) in [
            (layout::backup_log_key(&b.backups.station, 1, 1), note.log_key, "a key\n"),
            (layout::backup_sm2_key(&b.backups.station, 1, 1), note.sm2_key, "another key\n"),
        ] {
            let sealed = held(at);
            assert_eq!(Some(super::digest(&sealed)), digest);
            assert_eq!(crate::deliver::backup::open_small(&sealed, &secret).unwrap(), key.as_bytes());
        }
    }

    /// However a destination lies, a backup is not called arrived; and it arrives once the destination is true.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_destination_that_lies_proves_nothing() {
        type Lie = fn(&mut Faults);
        let lies: [(&str, Lie); 8] = [
            ("drops", |f| f.drop = true),
            ("drops and describes", |f| (f.drop, f.describe_what_was_dropped) = (true, true)),
            ("truncates", |f| f.truncate = true),
            ("flips a bit", |f| f.flip = true),
            ("flips a bit and repeats the checksum", |f| (f.flip, f.echo_blindly) = (true, true)),
            ("swaps", |f| f.swap = true),
            ("refuses", |f| f.refuse = true),
            ("is away", |f| f.unreachable = true),
        ];
        for (name, lie) in lies {
            let b = bench(1 << 16).await;
            b.make().await;
            b.there.faults(lie);
            for _ in 0..2 {
                let copy = b.send().await;
                assert_eq!(copy.state, "waiting", "{name}");
                assert!(copy.reason.is_some_and(|why| !why.is_empty()), "{name}");
            }
            assert_eq!(b.files(), 1, "{name}: what has not arrived is kept");
            b.there.faults(|f| *f = Faults::default());
            let copy = b.send().await;
            assert_eq!(copy.state, "proven", "{name}: {copy:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_upload_that_was_cut_goes_on_and_a_newer_backup_takes_its_place() {
        const PART_BYTES: u64 = 8 << 20;
        let b = bench(10 << 20).await;
        let row = b.make().await;
        assert!(row.size_bytes > PART_BYTES, "two parts: {}", row.size_bytes);
        b.there.faults(|f| f.delay = Duration::from_millis(100));
        let cut = async {
            loop {
                let parts = b.backups.store.read(move |r| r.backup_parts(row.key, "cloud")).await.unwrap();
                if !parts.is_empty() {
                    b.there.faults(|f| f.unreachable = true);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let (copy, ()) = tokio::join!(b.send(), cut);
        assert_eq!(copy.state, "waiting", "{copy:?}");
        b.there.faults(|f| *f = Faults::default());
        assert_eq!(b.send().await.state, "proven");
        let twice = b.there.part_bytes_received() - row.size_bytes;
        assert!(twice <= row.size_bytes - PART_BYTES, "the part that was acknowledged went up once: {twice}");

        // Another one that does not arrive is given up for the next.
        b.make().await;
        b.there.faults(|f| f.unreachable = true);
        assert_eq!(b.send().await.state, "waiting");
        let newer = b.make().await;
        b.there.faults(|f| *f = Faults::default());
        assert_eq!((newer.key.seq, b.send().await.state.as_str(), b.files()), (3, "proven", 0));
        let second = BackupKey { epoch: 1, seq: 2 };
        let copies = b.backups.store.read(move |r| r.backup_copies(second)).await.unwrap();
        assert_eq!(copies[0].state, "given_up");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_made_leaves_nothing_behind_and_is_told() {
        let b = bench(1 << 16).await;
        // A full disk, or one that is gone: there is no place to pack it.
        fs::write(&b.backups.dir, "in the way").unwrap();
        let mut unmade = None;
        let made = b.backups.make_if_due(false, &mut unmade).await;
        let told = chain(&made.unwrap_err());
        assert!(told.contains("check the state directory and its disk"), "{told}");
        b.clock.advance(500);
        assert!(b.backups.make_if_due(false, &mut unmade).await.is_ok(), "it rests a while");
        fs::remove_file(&b.backups.dir).unwrap();
        b.clock.advance(1_000);
        b.backups.make_if_due(false, &mut unmade).await.unwrap();
        assert_eq!((b.newest().await.0.key.seq, unmade), (1, None));
        // A packed file that rots or goes is not sent.
        let file = b.backups.file(BackupKey { epoch: 1, seq: 1 });
        let mut bytes = fs::read(&file).unwrap();
        bytes[100] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert!(b.send().await.reason.unwrap().contains("no longer what was packed"));
        fs::remove_file(&file).unwrap();
        assert!(b.send().await.reason.unwrap().contains("reading"));
        let health = Health::default();
        b.clock.advance(too_old_ms(b.backups.every_ms) + 1);
        b.send().await;
        b.backups.say(&health.part("backup"), &Ok(())).await;
        let (_, condition) = health.report().parts().next().map(|(n, c)| (n.to_owned(), c.clone())).unwrap();
        assert_eq!(condition.code, "backup_failing", "{condition:?}");
    }
}
