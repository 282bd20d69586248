//! Files that are derived of clips because somebody asked for them: the desk's part, and the task that makes them, one after
//! the other. Each is written beside its name first, read for its digests as it is written, and its row becomes ready in the
//! transaction of its log entry; a crash before leaves a beginning that nobody relies on, and it is made anew.
//!
//! ```text
//! <derived dir>/<id>.part    being made; removed at the next start
//!               <id>.<form>  ready, for `[derived] keep_days`
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use sha2::Digest;
use tokio::sync::mpsc;

use super::counted::counted;
use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::config::{Derived, Reserve};
use crate::deliver::footage::Reach;
use crate::domain::command::{Caller, Reply};
use crate::domain::derivative::{Form, Kind, Order, OrderError};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::ports::{Clock, DeriveError, Footage, FootageError};
use crate::domain::why::Why;
use crate::domain::words::Lang;
use crate::media::Maker;
use crate::media::maker::{Made, tool};
use crate::runtime::board::Board;
use crate::runtime::clock::monotonic;
use crate::runtime::durable::sync_dir;
use crate::runtime::supervise::TaskContext;
use crate::runtime::task;
use crate::store::{Change, DerivativeRow, DerivedFile, Store, StoreError};

/// Looked for so often, besides when something changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pauses between tries of what may pass.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// Stretches between the worker and the disk.
const BETWEEN: usize = 4;
/// The room on the disk is looked at after so many bytes.
const ROOM_EVERY_BYTES: u64 = 64 << 20;
/// A derivative is at most so many times as long as its clip, and so much longer: an encoder that grows without end is
/// stopped.
const MOST: (u64, u64) = (8, 1 << 30);

impl Desk {
    /// Somebody asks for a derivative.
    pub(super) async fn ask_derivative(
        &self,
        caller: &Caller,
        clip: &str,
        order: Result<Order, OrderError>,
        reason: &str,
    ) -> Answer {
        let clip: ClipId = clip.parse()?;
        let order = match order {
            Ok(order) => order,
            Err(e) => return Ok(Reply::refused("invalid", e)),
        };
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > MAX_VALUE_CHARS {
            return Ok(Reply::refused("invalid", Why::WhyDerived { most: MAX_VALUE_CHARS as u64 }));
        }
        let mark = match order.kind {
            Kind::Watermark => Some(self.mark(caller).await?),
            Kind::Frame | Kind::Trim => None,
        };
        let id = ClipId::generate(self.clock.now().0).to_string();
        let (asked, wanted) = (draft(EventKind::DerivedAsked, caller), id.clone());
        self.store.write(move |tx| tx.ask_derivative(&wanted, clip, &order, &reason, mark.as_deref(), asked)).await?;
        Ok(Reply::Done(json!({ "derived": id, "clip": clip.to_string(), "state": "making" })))
    }

    /// Words over the picture: for whom it was made, and when, and that it is no evidence.
    pub(super) async fn mark(&self, caller: &Caller) -> Result<String, StoreError> {
        let account = caller.actor.id.parse::<i64>().ok().filter(|_| caller.actor.kind == "user");
        let name = match account {
            Some(id) => self.store.read(move |r| Ok(r.account(id)?.label)).await?,
            None => Lang::Zh.words().actor(&caller.actor),
        };
        let at = self.clock.now().zoned(&self.policy.zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
        // A name is one line on the picture, whatever somebody typed as theirs.
        let name = one_line(&name);
        let [zh, en] = [Lang::Zh, Lang::En].map(|lang| lang.words().derived_mark);
        Ok(format!("{name} {at}\n{zh} / {en}"))
    }

    /// Logs that one is about to be given out.
    pub(super) async fn take_derivative(&self, caller: &Caller, id: String) -> Answer {
        let taken = draft(EventKind::DerivedTaken, caller);
        let seq = self.store.write(move |tx| tx.take_derivative(&id, taken)).await?;
        Ok(Reply::Done(json!({ "seq": seq })))
    }
}

/// A name as it may stand on a picture: short, and nothing in it that turns the direction of what follows (UAX #9).
fn one_line(name: &str) -> String {
    let turns =
        |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    name.chars().filter(|c| !c.is_control() && !turns(c)).take(40).collect()
}

/// The daemon's maker of derivatives. Cheap to clone.
#[derive(Clone)]
pub struct Deriving {
    /// How.
    pub settings: Derived,
    /// What its disk keeps free.
    pub reserve: Reserve,
    /// The database.
    pub store: Store,
    /// The way to clips' bytes.
    pub reach: Reach,
    /// Makes them, in a worker.
    pub maker: Maker,
    /// Where progress is shown.
    pub board: Board,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The file of a derivative.
pub fn path_of(dir: &Path, id: &str, form: Form) -> PathBuf {
    dir.join(format!("{id}.{}", form.as_str()))
}

/// Why none was made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Derive(#[from] DeriveError),
    #[error(transparent)]
    Footage(#[from] FootageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no picture, or nothing at that place of the clip; look at its length and ask for another place")]
    Nothing,
    #[error("what is in this clip cannot be cut as it is; ask for an exact stretch, which is encoded again")]
    NotCut,
    #[error("what came was no file of its kind; the worker that made it was ended, ask for it anew")]
    Foreign,
    #[error("it grew past {0} bytes and was stopped; ask for a shorter stretch")]
    Grew(u64),
    #[error("the disk of {0} has come to its reserve; free space and ask for it anew")]
    Full(PathBuf),
    #[error("{path} cannot be written; free space or mend the disk, and ask for it anew")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the program is stopping")]
    Stopping,
}

impl MakeError {
    /// Whether it is tried again by itself.
    fn passes(&self) -> bool {
        let transient = |retry: Retry| retry == Retry::Transient;
        match self {
            Self::Derive(e) => matches!(e, DeriveError::Busy | DeriveError::Footage(_)) && transient(e.retry()),
            Self::Footage(e) => transient(e.retry()),
            Self::Stopping => true,
            _ => false,
        }
    }
}

/// Runs until it is cancelled.
pub async fn run(context: TaskContext, deriving: Deriving) -> Result<(), StoreError> {
    let mut news = deriving.store.changes();
    let mut waiting: HashMap<String, (u32, Instant)> = HashMap::new();
    let dir = deriving.settings.dir.clone();
    if let Ok(Err(e)) = task::blocking("derived", move || clear(&dir)).await {
        tracing::warn!(error = %e, "beginnings of derived files could not be removed");
    }
    loop {
        for row in deriving.store.read(|r| r.derivatives_due()).await? {
            if waiting.get(&row.id).is_some_and(|(_, at)| *at > monotonic()) {
                continue;
            }
            tokio::select! {
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
                done = deriving.make(&row) => deriving.settle(&row, done, &mut waiting).await?,
            }
            deriving.board.making(&row.id, None);
        }
        deriving.sweep().await?;
        let next = waiting.values().map(|(_, at)| at.saturating_duration_since(monotonic())).min();
        let pause = next.unwrap_or(LOOK_EVERY).clamp(Duration::from_millis(100), LOOK_EVERY);
        tokio::select! {
            () = context.heart.beat_until(&context.cancel) => return Ok(()),
            () = tokio::time::sleep(pause) => {}
            () = changed(&mut news) => {}
        }
    }
}

async fn changed(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match news.recv().await {
            Ok(Change::Derivatives) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Removes what an earlier run left in the middle.
fn clear(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "part") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Deriving {
    async fn settle(
        &self,
        row: &DerivativeRow,
        done: Result<DerivedFile, MakeError>,
        waiting: &mut HashMap<String, (u32, Instant)>,
    ) -> Result<(), StoreError> {
        let id = row.id.clone();
        let words = match done {
            Ok(file) => {
                waiting.remove(&id);
                return self.store.write(move |tx| tx.derivative_made(&id, &file)).await;
            }
            Err(e) if e.passes() => {
                tracing::info!(derived = id, error = %chain(&e), "it waits for what it is to be made of");
                let tries = waiting.get(&id).map_or(0, |(n, _)| *n);
                let pause = RETRY.0.saturating_mul(1 << tries.min(10)).min(RETRY.1);
                waiting.insert(id, (tries + 1, monotonic() + pause));
                return Ok(());
            }
            Err(e) => chain(&e),
        };
        tracing::warn!(derived = id, words, "a derived file could not be made; the clip is what it was");
        waiting.remove(&id);
        self.store.write(move |tx| tx.derivative_failed(&id, &words)).await
    }

    async fn make(&self, row: &DerivativeRow) -> Result<DerivedFile, MakeError> {
        let (clip, bytes) = (row.clip, self.reach.open(row.clip).await?);
        let (parent, length_ms) = self
            .store
            .read(move |r| Ok((r.clip(clip)?, r.media(clip)?.and_then(|media| media.facts.duration_ms))))
            .await?;
        let (Some(parent_blake3), Some(parent_sha256)) = (parent.blake3, parent.sha256) else {
            return Err(MakeError::Nothing);
        };
        let most = bytes.size_bytes().saturating_mul(MOST.0).saturating_add(MOST.1);
        let (out, coming) = mpsc::channel(BETWEEN);
        let part = self.settings.dir.join(format!("{}.part", row.id));
        // Whoever makes it reads the clip once from front to back: what was read tells how far it is.
        let (board, id) = (self.board.clone(), row.id.clone());
        let bytes = counted(bytes, &row.order, length_ms.and_then(|ms| u64::try_from(ms).ok()), move |done, of| {
            board.making(&id, Some((done, of)))
        });
        let (reserve, path) = (self.reserve, part.clone());
        let writing = task::blocking("derived", move || write(&path, coming, most, reserve));
        let making = async {
            let made = self.maker.make(&bytes, &row.order, row.mark.clone(), &out).await;
            drop(out);
            made
        };
        let (made, written) = tokio::join!(making, writing);
        // Why nobody took it is the writer's to say.
        let written = written.map_err(|_| MakeError::Stopping)?;
        let taken = match (made, written) {
            (_, Err(e)) => Err(e),
            (Err(e), _) => Err(e.into()),
            (Ok(Made::Nothing), _) => Err(MakeError::Nothing),
            (Ok(Made::NotCut), _) => Err(MakeError::NotCut),
            (Ok(Made::File { form, .. }), Ok(written)) if !form.begins(&written.head) => Err(MakeError::Foreign),
            (Ok(Made::File { form, method, from_ms, to_ms }), Ok(written)) => Ok(DerivedFile {
                form,
                method,
                from_ms,
                to_ms,
                size_bytes: written.size_bytes,
                blake3: written.blake3,
                sha256: written.sha256,
                parent_blake3,
                parent_sha256,
                tool: tool(),
            }),
        };
        let (path, form) = (part.clone(), taken.as_ref().ok().map(|file| file.form));
        let (dir, id) = (self.settings.dir.clone(), row.id.clone());
        let kept = task::blocking("derived", move || match form {
            Some(form) => fs::rename(&path, path_of(&dir, &id, form)).and_then(|()| sync_dir(&dir)),
            None => match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            },
        });
        let kept = kept.await.map_err(|_| MakeError::Stopping)?;
        let file = taken?;
        kept.map_err(|source| MakeError::Io { path: part, source })?;
        Ok(file)
    }

    /// Those whose time is over: nobody gets them from the entry on, then their files go.
    async fn sweep(&self) -> Result<(), StoreError> {
        let before = self.clock.now().0 - self.settings.keep.as_millis() as i64;
        for row in self.store.read(move |r| r.derivatives_over(before)).await? {
            let Some(file) = row.file else { continue };
            let (id, path) = (row.id.clone(), path_of(&self.settings.dir, &row.id, file.form));
            self.store.write(move |tx| tx.derivative_gone(&id)).await?;
            let removed = task::blocking("derived", move || fs::remove_file(path)).await;
            if let Ok(Err(e)) = removed {
                tracing::warn!(derived = row.id, error = %e, "an old derived file could not be removed");
            }
        }
        Ok(())
    }
}

/// What was written.
struct Written {
    head: Vec<u8>,
    size_bytes: u64,
    blake3: Blake3,
    sha256: Sha256,
}

/// Writes what comes, to the end. Blocks.
fn write(part: &Path, mut coming: mpsc::Receiver<Bytes>, most: u64, reserve: Reserve) -> Result<Written, MakeError> {
    let failed = |source| MakeError::Io { path: part.to_owned(), source };
    let dir = part.parent().unwrap_or(Path::new("."));
    // Footage of people: for the daemon's user alone, as the vault is.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let mut file: File =
        File::options().create(true).truncate(true).write(true).mode(0o600).open(part).map_err(failed)?;
    let (mut blake3, mut sha256) = (blake3::Hasher::new(), sha2::Sha256::new());
    let (mut head, mut size_bytes, mut looked) = (Vec::new(), 0_u64, u64::MAX);
    while let Some(bytes) = coming.blocking_recv() {
        if looked == u64::MAX || size_bytes - looked >= ROOM_EVERY_BYTES {
            looked = size_bytes;
            let disk = rustix::fs::statvfs(dir).map_err(|e| failed(e.into()))?;
            let (free, total) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
            if free <= reserve.bytes(total) {
                return Err(MakeError::Full(dir.to_owned()));
            }
        }
        size_bytes += bytes.len() as u64;
        if size_bytes > most {
            return Err(MakeError::Grew(most));
        }
        if head.len() < 16 {
            head.extend_from_slice(&bytes[..bytes.len().min(16)]);
        }
        blake3.update(&bytes);
        sha256.update(&bytes);
        file.write_all(&bytes).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    Ok(Written {
        head,
        size_bytes,
        blake3: Blake3(*blake3.finalize().as_bytes()),
        sha256: Sha256(sha256.finalize().into()),
    })
}
