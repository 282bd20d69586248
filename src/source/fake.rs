//! A recorder in memory, for tests of whatever reads a [`Shelf`]. It passes the same conformance suite as
//! the real forms and can misbehave on request. No product path constructs it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath, Unreadable};

/// A way to misbehave. Faults stay until they are cleared, except [`Fault::PullAt`], which pulls the recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The recorder is pulled when reading of this file reaches the offset (ENODEV, and everything after).
    PullAt {
        /// The file.
        path: SourcePath,
        /// Bytes from its beginning.
        offset_bytes: u64,
    },
    /// Reading fails with EIO from this offset on (a bad sector); what lies before it can be read.
    EioAt {
        /// The file.
        path: SourcePath,
        /// Bytes from its beginning.
        offset_bytes: u64,
    },
    /// Reading fails with EIO inside this place; what lies before and behind it can be read.
    BadPlace {
        /// The file.
        path: SourcePath,
        /// Bytes from its beginning.
        place: std::ops::Range<u64>,
    },
    /// Reading ends cleanly at this offset although the listing says more (seen on pulled USB disks).
    EndsAt {
        /// The file.
        path: SourcePath,
        /// Bytes from its beginning.
        offset_bytes: u64,
    },
    /// No read gives more than this many bytes.
    ShortReads {
        /// At least 1.
        bytes: usize,
    },
    /// The file gets longer by this many bytes each time it is listed or looked at: it is being recorded.
    Growing {
        /// The file.
        path: SourcePath,
        /// Bytes a look.
        by_bytes: u64,
    },
    /// The file stands in the listing as unreadable.
    Unlisted {
        /// The file.
        path: SourcePath,
    },
}

/// The recorder. Clones share one state, so that a test keeps a handle to what it gave away.
#[derive(Debug, Clone)]
pub struct FakeShelf(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    identity: ShelfIdentity,
    files: BTreeMap<SourcePath, File>,
    faults: Vec<Fault>,
    gone: bool,
    erasable: bool,
    bytes_read: u64,
}

#[derive(Debug, Clone)]
struct File {
    bytes: Arc<Vec<u8>>,
    modified_ms: i64,
}

impl FakeShelf {
    /// An empty recorder in this bay, which may be erased from.
    pub fn new(bay: &str) -> Self {
        let identity = ShelfIdentity {
            bay: bay.to_owned(),
            volume_label: Some(bay.to_owned()),
            kind: "fake",
            ..ShelfIdentity::default()
        };
        Self(Arc::new(Mutex::new(State {
            identity,
            files: BTreeMap::new(),
            faults: Vec::new(),
            gone: false,
            erasable: true,
            bytes_read: 0,
        })))
    }

    /// Refuses to erase, as a folder does.
    pub fn read_only(self) -> Self {
        self.state().erasable = false;
        self
    }

    /// Changes what it tells of itself.
    pub fn identify(&self, identity: ShelfIdentity) {
        self.state().identity = identity;
    }

    /// Puts a file, replacing one of the same path.
    pub fn put(&self, path: impl Into<Vec<u8>>, bytes: &[u8], modified_ms: i64) {
        let file = File { bytes: Arc::new(bytes.to_vec()), modified_ms };
        self.state().files.insert(SourcePath::new(path), file);
    }

    /// Appends to a file and moves its time.
    pub fn append(&self, path: impl Into<Vec<u8>>, bytes: &[u8], modified_ms: i64) {
        if let Some(file) = self.state().files.get_mut(&SourcePath::new(path)) {
            Arc::make_mut(&mut file.bytes).extend_from_slice(bytes);
            file.modified_ms = modified_ms;
        }
    }

    /// Takes a file away, as a person with a PC would.
    pub fn remove(&self, path: impl Into<Vec<u8>>) {
        self.state().files.remove(&SourcePath::new(path));
    }

    /// Pulls it out of its bay.
    pub fn pull(&self) {
        self.state().gone = true;
    }

    /// Docks it again.
    pub fn dock(&self) {
        self.state().gone = false;
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Removes every fault.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Bytes that were read from it so far: a test of resuming looks at this.
    pub fn bytes_read(&self) -> u64 {
        self.state().bytes_read
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn here(&self) -> Result<(), SourceError> {
        if self.gone { Err(SourceError::Gone(Errno::NODEV.into())) } else { Ok(()) }
    }

    fn look(&mut self, path: &SourcePath) -> Option<ShelfEntry> {
        let grown = self.faults.iter().find_map(|f| match f {
            Fault::Growing { path: p, by_bytes } if p == path => Some(*by_bytes),
            _ => None,
        });
        let file = self.files.get_mut(path)?;
        if let Some(by) = grown {
            let len = file.bytes.len() + by as usize;
            Arc::make_mut(&mut file.bytes).resize(len, b'+');
            file.modified_ms += 1;
        }
        Some(ShelfEntry {
            path: path.clone(),
            size_bytes: file.bytes.len() as u64,
            modified_raw: file.modified_ms.to_string(),
            modified_ms: Some(file.modified_ms),
        })
    }

    /// How far a file can be read from `at`, and what happens there.
    fn limit(&self, path: &SourcePath, at: u64, len: u64) -> (u64, Option<Fault>) {
        let mut limit = (len, None);
        for fault in &self.faults {
            if let Fault::BadPlace { path: p, place } = fault
                && p == path
                && at < place.end
                && place.start <= limit.0
            {
                limit = (place.start, Some(fault.clone()));
            }
            let (Fault::PullAt { path: p, offset_bytes }
            | Fault::EioAt { path: p, offset_bytes }
            | Fault::EndsAt { path: p, offset_bytes }) = fault
            else {
                continue;
            };
            if p == path && *offset_bytes <= limit.0 {
                limit = (*offset_bytes, Some(fault.clone()));
            }
        }
        limit
    }
}

impl Shelf for FakeShelf {
    fn identity(&self) -> ShelfIdentity {
        let state = self.state();
        ShelfIdentity { erasable: state.erasable, ..state.identity.clone() }
    }

    fn list(&self) -> Result<Listing, SourceError> {
        let mut state = self.state();
        state.here()?;
        let mut listing = Listing::default();
        let paths: Vec<SourcePath> = state.files.keys().cloned().collect();
        for path in paths {
            if state.faults.contains(&Fault::Unlisted { path: path.clone() }) {
                listing.unreadable.push(Unreadable { path, reason: "injected".into() });
            } else {
                listing.files.extend(state.look(&path));
            }
        }
        Ok(listing)
    }

    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        let mut state = self.state();
        state.here()?;
        Ok(state.look(path))
    }

    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn io::Read + Send>, SourceError> {
        let state = self.state();
        state.here()?;
        let Some(file) = state.files.get(path) else {
            return Err(SourceError::Read { path: path.clone(), source: Errno::NOENT.into() });
        };
        let bytes = file.bytes.clone();
        drop(state);
        Ok(Box::new(Reader { shelf: self.clone(), path: path.clone(), bytes, at: offset_bytes }))
    }

    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        let mut state = self.state();
        state.here()?;
        if !state.erasable {
            return Err(SourceError::Unsupported("erase"));
        }
        match state.files.get(&proof.path) {
            Some(file) if file.bytes.len() as u64 == proof.size_bytes => {
                state.files.remove(&proof.path);
                Ok(())
            }
            _ => Err(SourceError::Changed(proof.path.clone())),
        }
    }
}

struct Reader {
    shelf: FakeShelf,
    path: SourcePath,
    bytes: Arc<Vec<u8>>,
    at: u64,
}

impl io::Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shelf.state();
        if state.gone {
            return Err(Errno::NODEV.into());
        }
        let (limit, fault) = state.limit(&self.path, self.at, self.bytes.len() as u64);
        if self.at >= limit {
            return match fault {
                Some(Fault::PullAt { .. }) => {
                    state.gone = true;
                    state.faults.retain(|f| !matches!(f, Fault::PullAt { .. }));
                    Err(Errno::NODEV.into())
                }
                Some(Fault::EioAt { .. } | Fault::BadPlace { .. }) => Err(Errno::IO.into()),
                _ => Ok(0),
            };
        }
        let short = state.faults.iter().find_map(|f| match f {
            Fault::ShortReads { bytes } => Some((*bytes).max(1)),
            _ => None,
        });
        let n = buf.len().min((limit - self.at) as usize).min(short.unwrap_or(usize::MAX));
        let from = self.at as usize;
        buf[..n].copy_from_slice(&self.bytes[from..from + n]);
        self.at += n as u64;
        state.bytes_read += n as u64;
        Ok(n)
    }
}
