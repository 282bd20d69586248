//! A clip's bytes from wherever they stand (`domain::ports::Footage`): the vault first, then each destination that holds
//! it. Every stretch is verified against the clip's BLAKE3 tree before it comes out; one that differs never does: the
//! next place is asked for it, and what was found wrong is stored, so that it is sent again.
//!
//! Places are changed stretch by stretch: copies that are damaged in different places still make a whole.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::domain::clip::{Delivery, Local};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    BoxFuture, ByteSource, ByteStream, ClipBytes, Destination, Footage, FootageError, FootageStream, SendError,
};
use crate::runtime::clock::monotonic;
use crate::runtime::task;
use crate::store::{Store, StoreError};
use crate::vault::tree::{Checker, GROUP_BYTES, Outboard, TreeError, build};
use crate::vault::{SealedFile, Vault};

/// Bytes that are verified and given at a time: whole groups.
const STRETCH_BYTES: u64 = 16 * GROUP_BYTES as u64;

/// Who reads beside the daemon looks so often whether the clip was isolated.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The way to the bytes of a station's clips. Cheap to clone.
#[derive(Clone)]
pub struct Reach {
    /// The database.
    pub store: Store,
    /// The vault.
    pub vault: Vault,
    /// Us.
    pub station: StationId,
    /// Where copies may stand, in the order of the configuration.
    pub remotes: Vec<Arc<dyn Destination>>,
}

impl Footage for Reach {
    fn open(&self, clip: ClipId) -> BoxFuture<'_, Result<Arc<dyn ClipBytes>, FootageError>> {
        Box::pin(async move { Ok(Arc::new(self.open_clip(clip).await?) as Arc<dyn ClipBytes>) })
    }

    fn isolations(&self) -> u64 {
        self.store.isolations()
    }
}

impl Reach {
    async fn open_clip(&self, clip: ClipId) -> Result<Opened, FootageError> {
        // What is isolated behind this look is seen by whoever reads.
        let seen = Seen { isolations: self.store.isolations(), at: monotonic() };
        let looked = self
            .store
            .read(move |r| match r.clip(clip) {
                Ok(row) => Ok(Some((row, r.deliveries(clip)?))),
                Err(StoreError::NotFound(_)) => Ok(None),
                Err(e) => Err(e),
            })
            .await
            .map_err(stored)?;
        let Some((row, deliveries)) = looked else { return Err(FootageError::Missing(clip)) };
        if row.isolated_ms.is_some() {
            return Err(FootageError::Isolated);
        }
        if row.disposed_ms.is_some() {
            return Err(FootageError::Missing(clip));
        }
        let (Some(root), Some(size_bytes)) = (row.blake3, row.size_bytes) else {
            return Err(FootageError::Missing(clip));
        };
        let here = matches!(row.local, Local::Sealed | Local::Damaged);
        let mut places: Vec<Place> = here.then_some(Place::Vault).into_iter().collect();
        // A copy that is suspect may still hold what another one lacks: it is asked last, and verified like all.
        for state in [Delivery::Proven, Delivery::Suspect] {
            let holds = |d: &&Arc<dyn Destination>| {
                deliveries.iter().any(|(name, is)| *is == state && name == d.name().as_str())
            };
            places.extend(self.remotes.iter().filter(holds).cloned().map(Place::Remote));
        }
        let checker = Checker { root, size_bytes };
        let (file, tree) = (Mutex::default(), Mutex::default());
        Ok(Opened { reach: self.clone(), clip, checker, places, seen, file, tree })
    }
}

fn stored(e: StoreError) -> FootageError {
    FootageError::Store(Box::new(e))
}

/// Where a copy stands.
enum Place {
    Vault,
    Remote(Arc<dyn Destination>),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Vault => "the vault",
            Self::Remote(dest) => dest.name().as_str(),
        }
    }
}

/// When it was last looked whether a clip is isolated.
#[derive(Clone, Copy)]
struct Seen {
    isolations: u64,
    at: Instant,
}

/// A clip that was opened.
struct Opened {
    reach: Reach,
    clip: ClipId,
    checker: Checker,
    places: Vec<Place>,
    seen: Seen,
    /// The local file, once it was opened.
    file: Mutex<Option<Arc<SealedFile>>>,
    /// The tree that was found sound last, with its place among the candidates.
    tree: Mutex<Option<(usize, Arc<Outboard>)>>,
}

impl ClipBytes for Opened {
    fn size_bytes(&self) -> u64 {
        self.checker.size_bytes
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream {
        let end = range.end.min(self.checker.size_bytes);
        let seen = self.seen;
        let reading = Reading { of: self, at: range.start, end, place: 0, open: None, seen };
        Box::pin(stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        }))
    }
}

/// Why a stretch did not come from a place.
enum Failed {
    /// It has other bytes there, or is not there; in words.
    Differs(String),
    /// Its answer ended before the stretch did.
    Short,
    /// It gave none; `passing`: it may later.
    Silent { what: String, passing: bool },
    /// There is no tree that could tell.
    NoTree(String),
}

/// A range that is being read.
struct Reading {
    of: Arc<Opened>,
    at: u64,
    end: u64,
    /// Which place is asked first.
    place: usize,
    open: Option<Stream>,
    seen: Seen,
}

/// An answer of a destination that is being taken.
struct Stream {
    place: usize,
    bytes: ByteStream,
    /// Where in the clip its next byte stands, ...
    at: u64,
    /// ... and what came behind the last stretch.
    kept: Vec<u8>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, FootageError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let bytes = self.stretch().await?;
        // Behind the reading, which may have taken its time: what was isolated meanwhile is not given out.
        self.unless_isolated().await?;
        Ok(Some(bytes))
    }

    async fn unless_isolated(&mut self) -> Result<(), FootageError> {
        let store = &self.of.reach.store;
        let now = Seen { isolations: store.isolations(), at: monotonic() };
        let looks = match store.is_writable() {
            true => now.isolations != self.seen.isolations,
            // Beside the daemon nothing rings.
            false => now.at.saturating_duration_since(self.seen.at) >= LOOK_EVERY,
        };
        if looks {
            let clip = self.of.clip;
            let row = store.read(move |r| r.clip(clip)).await.map_err(stored)?;
            if row.isolated_ms.is_some() {
                return Err(FootageError::Isolated);
            }
            self.seen = now;
        }
        Ok(())
    }

    async fn stretch(&mut self) -> Result<Bytes, FootageError> {
        let group = GROUP_BYTES as u64;
        let start = self.at / group * group;
        let last = self.end.div_ceil(group).saturating_mul(group).min(self.of.checker.size_bytes);
        let stretch = start..(start + STRETCH_BYTES).min(last);
        let (mut tried, mut passing) = (Vec::new(), false);
        for turn in 0..self.of.places.len() {
            let place = (self.place + turn) % self.of.places.len();
            // A connection that was idle while a player paused is cut by servers: that is no fault of the place.
            let resumed = self.open.as_ref().is_some_and(|s| s.place == place);
            let mut taken = self.take(place, &stretch, last).await;
            if resumed && matches!(taken, Err(Failed::Silent { .. } | Failed::Short)) {
                self.open = None;
                taken = self.take(place, &stretch, last).await;
            }
            if matches!(taken, Err(Failed::Short)) {
                taken = Err(self.of.shortened(place).await);
            }
            match taken {
                Ok(bytes) => {
                    self.place = place;
                    let from = (self.at - start) as usize;
                    let to = (self.end.min(stretch.end) - start) as usize;
                    self.at = self.end.min(stretch.end);
                    return Ok(bytes.slice(from..to));
                }
                Err(why) => {
                    self.open = None;
                    let of = &self.of;
                    let what = match why {
                        Failed::Differs(what) => {
                            of.report(place, &what).await?;
                            what
                        }
                        Failed::Short => broke_off_words(),
                        Failed::Silent { what, passing: may } => {
                            passing |= may;
                            what
                        }
                        Failed::NoTree(what) => what,
                    };
                    tried.push(format!("{}: {what}", of.places[place].name()));
                }
            }
        }
        if tried.is_empty() {
            tried.push("it stands at no destination that is configured here".to_owned());
        }
        let next = match passing {
            true => "try again when the destination can be reached",
            false => "a person must look: `evidock verify --remote` compares every copy",
        };
        Err(FootageError::Nowhere { tried: tried.join("; "), next, passing })
    }

    /// One stretch from one place, verified. `last` is where an answer that is begun now may end.
    async fn take(&mut self, place: usize, stretch: &Range<u64>, last: u64) -> Result<Bytes, Failed> {
        let bytes = match &self.of.places[place] {
            Place::Vault => self.of.in_vault(stretch.clone()).await?,
            Place::Remote(dest) => {
                let goes_on = self.open.as_ref().is_some_and(|s| s.place == place && s.at == stretch.start);
                if !goes_on {
                    let key = layout::master(&self.of.reach.station, self.of.clip);
                    let bytes = dest.read(&key, Some(stretch.start..last)).await.map_err(silent)?;
                    self.open = Some(Stream { place, bytes, at: stretch.start, kept: Vec::new() });
                }
                let Some(open) = &mut self.open else { return Err(Failed::Short) };
                open.take((stretch.end - stretch.start) as usize).await?
            }
        };
        self.of.verified(stretch.start, bytes).await
    }
}

impl Stream {
    async fn take(&mut self, want: usize) -> Result<Bytes, Failed> {
        while self.kept.len() < want {
            match self.bytes.next().await {
                Some(chunk) => self.kept.extend_from_slice(&chunk.map_err(silent)?),
                None => return Err(Failed::Short),
            }
        }
        let rest = self.kept.split_off(want);
        self.at += want as u64;
        Ok(std::mem::replace(&mut self.kept, rest).into())
    }
}

fn silent(e: SendError) -> Failed {
    match e {
        // It holds something else under the key, or nothing.
        SendError::Mismatch { what, .. } => Failed::Differs(what),
        e => Failed::Silent { passing: e.retry() == Retry::Transient, what: chain(&e) },
    }
}

fn broke_off_words() -> String {
    "its answer ended early".to_owned()
}

/// The runtime is stopping.
fn stopping() -> Failed {
    Failed::Silent { what: "the daemon is stopping".to_owned(), passing: true }
}

impl Opened {
    async fn in_vault(&self, stretch: Range<u64>) -> Result<Bytes, Failed> {
        let known = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let path = self.reach.vault.master(self.clip);
        let read = task::blocking("footage", move || {
            let file = match known {
                Some(file) => file,
                None => {
                    let opened = SealedFile::open(&path);
                    Arc::new(opened.map_err(|e| Failed::Silent { what: chain(&e), passing: false })?)
                }
            };
            let mut bytes = vec![0; (stretch.end - stretch.start) as usize];
            match file.read_at(stretch.start, &mut bytes) {
                Ok(n) if n == bytes.len() => Ok((file, Bytes::from(bytes))),
                Ok(_) => Err(Failed::Differs("its file is shorter than was sealed".to_owned())),
                Err(e) => Err(Failed::Silent { what: format!("its file cannot be read: {e}"), passing: false }),
            }
        });
        let (file, bytes) = read.await.map_err(|_| stopping())??;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(bytes)
    }

    /// Gives bytes back that are the clip's, by the first tree that leads to its digest.
    async fn verified(&self, at: u64, bytes: Bytes) -> Result<Bytes, Failed> {
        let known = self.tree.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut candidate, mut found) = known.map_or((0, None), |(n, tree)| (n, Some(tree)));
        let mut why = String::new();
        loop {
            let tree = match found.take() {
                Some(tree) => tree,
                None => match self.tree(candidate).await {
                    None => {
                        return Err(Failed::NoTree(format!("there is no tree by which it could be verified ({why})")));
                    }
                    Some(Ok(tree)) => Arc::new(tree),
                    Some(Err(what)) => {
                        why = what;
                        candidate += 1;
                        continue;
                    }
                },
            };
            let (checker, checked, held) = (self.checker, Arc::clone(&tree), bytes.clone());
            let outcome = task::blocking("footage", move || checker.check(&checked, at, &held));
            match outcome.await.map_err(|_| stopping())? {
                Ok(()) => {
                    *self.tree.lock().unwrap_or_else(PoisonError::into_inner) = Some((candidate, tree));
                    return Ok(bytes);
                }
                Err(TreeError::Bytes { at }) => {
                    return Err(Failed::Differs(format!("from byte {at} on it is not what was sealed")));
                }
                Err(e @ (TreeError::Tree | TreeError::Read(_))) => {
                    tracing::warn!(clip = %self.clip, candidate, error = %chain(&e), "a tree of this clip is of no use; another one is taken");
                    why = chain(&e);
                    candidate += 1;
                }
            }
        }
    }

    /// The `n`-th place where the clip's tree may be had: the file beside it, the local file itself, the destinations.
    async fn tree(&self, n: usize) -> Option<Result<Outboard, String>> {
        if self.checker.groups() == 1 {
            return (n == 0).then(|| Ok(Outboard::Memory(Vec::new())));
        }
        let (path, master) = (self.reach.vault.tree(self.clip), self.reach.vault.master(self.clip));
        let blocking = |work: Box<dyn FnOnce() -> Result<Outboard, String> + Send>| async move {
            task::blocking("footage", work).await.unwrap_or_else(|e| Err(e.to_string()))
        };
        match n {
            0 => Some(blocking(Box::new(move || Outboard::open(&path).map_err(|e| chain(&e)))).await),
            1 => {
                let root = self.checker.root;
                let built = move || {
                    let file = SealedFile::open(&master).map_err(|e| chain(&e))?;
                    let (found, tree) = build(&file).map_err(|e| e.to_string())?;
                    if found == root { Ok(Outboard::Memory(tree)) } else { Err("the local file differs".to_owned()) }
                };
                Some(blocking(Box::new(built)).await)
            }
            n => {
                let mut dests = self.places.iter().filter_map(|p| match p {
                    Place::Vault => None,
                    Place::Remote(dest) => Some(dest),
                });
                let dest = dests.nth(n - 2)?;
                Some(self.fetched_tree(&**dest).await)
            }
        }
    }

    async fn fetched_tree(&self, dest: &dyn Destination) -> Result<Outboard, String> {
        let key = layout::tree(&self.reach.station, self.clip);
        let most = usize::try_from(self.checker.outboard_bytes()).unwrap_or(usize::MAX);
        let mut stream = dest.read(&key, None).await.map_err(|e| chain(&e))?;
        let mut tree = Vec::new();
        while let Some(chunk) = stream.next().await {
            tree.extend_from_slice(&chunk.map_err(|e| chain(&e))?);
            if tree.len() > most {
                return Err(format!("the tree at {} is longer than it can be", dest.name()));
            }
        }
        Ok(Outboard::Memory(tree))
    }

    /// Why a destination's answer was short: the object is, or the line broke.
    async fn shortened(&self, place: usize) -> Failed {
        let broke_off = || Failed::Silent { what: broke_off_words(), passing: true };
        let Place::Remote(dest) = &self.places[place] else { return broke_off() };
        match dest.head(&layout::master(&self.reach.station, self.clip)).await {
            Ok(Some(there)) if there.size_bytes == self.checker.size_bytes => broke_off(),
            Ok(Some(there)) => Failed::Differs(format!(
                "it has {} bytes and not the {} that were sealed",
                there.size_bytes, self.checker.size_bytes
            )),
            Ok(None) => Failed::Differs("it is not there".to_owned()),
            Err(e) => silent(e),
        }
    }

    /// A place holds other bytes than were sealed: nothing relies on it from here on.
    async fn report(&self, place: usize, what: &str) -> Result<(), FootageError> {
        let (clip, place) = (self.clip, &self.places[place]);
        tracing::error!(%clip, place = place.name(), what, "a copy that was read is not what was sealed; nobody gets those bytes");
        // Who only reads the database (an export beside the daemon) cannot note it; audits and `verify` find it again.
        if !self.reach.store.is_writable() {
            return Ok(());
        }
        match place {
            Place::Vault => {
                self.reach.store.write(move |tx| tx.damaged(clip, "its file has other bytes than were sealed")).await
            }
            Place::Remote(dest) => {
                let (name, what) = (dest.name().to_string(), what.to_owned());
                self.reach.store.write(move |tx| tx.suspect(clip, &name, &what, "read").map(|_| ())).await
            }
        }
        .map_err(stored)
    }
}
