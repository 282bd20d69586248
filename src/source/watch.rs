//! The docking folder: each directory in it is a docked recorder, and so is each image of a card (`*.img`, `*.dd`,
//! `*.raw`: a whole disk copied into one file, as one does with a card that is dying). Owns noticing that recorders come
//! and go and that files have stopped growing; reads no footage and decides nothing about it.
//!
//! [`Docks`] and [`Stillness`] are pure; [`watch_docks`] looks and sends. It looks at intervals instead of
//! using inotify, which is silent on network mounts and says nothing about a file that is still being written.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::folder::{FolderId, FolderShelf, bay_name};
use super::usb::disk::{DiskImage, DiskShelf};
use crate::domain::error::chain;
use crate::domain::ports::{Clock, Shelf};
use crate::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath, Unreadable};
use crate::runtime::task;

/// Names of images of cards end like this.
const IMAGE_EXTENSIONS: [&str; 3] = ["img", "dd", "raw"];

/// A directory in the docking folder, or an image of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockDir {
    /// Name of the bay: the directory's name, escaped and bounded.
    pub bay: String,
    /// Where it stands.
    pub path: PathBuf,
    /// Which directory it is.
    pub id: FolderId,
    /// An image: its length in bytes and when it was last written, nanoseconds. One that changes is another one.
    pub image: Option<(u64, i128)>,
}

impl DockDir {
    fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.image == other.image
    }
}

/// A recorder came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockChange {
    /// It is there now.
    Docked {
        /// The directory.
        dir: DockDir,
        /// When it was noticed, by the caller's clock.
        at_ms: i64,
    },
    /// It is no longer there.
    Undocked {
        /// The directory that stood there.
        dir: DockDir,
        /// When that was noticed.
        at_ms: i64,
    },
}

/// Which recorders are docked.
#[derive(Debug, Default)]
pub struct Docks(BTreeMap<PathBuf, DockDir>);

impl Docks {
    /// Compares with what stood there at the last look. Every undock comes before every dock; a directory that
    /// was replaced by another of the same name is an undock and a dock.
    pub fn update(&mut self, now_ms: i64, dirs: Vec<DockDir>) -> Vec<DockChange> {
        let now: BTreeMap<PathBuf, DockDir> = dirs.into_iter().map(|d| (d.path.clone(), d)).collect();
        let left = self.0.values().filter(|old| now.get(&old.path).is_none_or(|new| !new.is(old)));
        let came = now.values().filter(|new| self.0.get(&new.path).is_none_or(|old| !new.is(old)));
        let changes = left
            .map(|dir| DockChange::Undocked { dir: dir.clone(), at_ms: now_ms })
            .chain(came.map(|dir| DockChange::Docked { dir: dir.clone(), at_ms: now_ms }))
            .collect();
        self.0 = now;
        changes
    }

    /// Takes back a dock that could not be opened, so that the next look finds it anew.
    fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }
}

/// Which files of one recorder have stopped growing.
#[derive(Debug)]
pub struct Stillness {
    still_after_ms: i64,
    seen: BTreeMap<SourcePath, Seen>,
}

#[derive(Debug)]
struct Seen {
    size_bytes: u64,
    modified_raw: String,
    since_ms: i64,
    looks: u32,
}

impl Stillness {
    /// A file is still when size and time have not changed for this long, over at least two looks.
    pub fn new(still_after_ms: i64) -> Self {
        Self { still_after_ms, seen: BTreeMap::new() }
    }

    /// One look; `now_ms` from a clock that does not jump. Gives every file that is still now, those that were
    /// still before included, in the listing's order.
    pub fn update(&mut self, now_ms: i64, listing: &Listing) -> Vec<ShelfEntry> {
        let mut before = std::mem::take(&mut self.seen);
        let mut still = Vec::new();
        for entry in &listing.files {
            let seen = match before.remove(&entry.path) {
                Some(s) if s.size_bytes == entry.size_bytes && s.modified_raw == entry.modified_raw => {
                    Seen { looks: s.looks.saturating_add(1), ..s }
                }
                _ => Seen {
                    size_bytes: entry.size_bytes,
                    modified_raw: entry.modified_raw.clone(),
                    since_ms: now_ms,
                    looks: 1,
                },
            };
            if seen.looks >= 2 && now_ms.saturating_sub(seen.since_ms) >= self.still_after_ms {
                still.push(entry.clone());
            }
            self.seen.insert(entry.path.clone(), seen);
        }
        still
    }
}

/// What [`watch_docks`] tells.
pub enum DockEvent {
    /// A recorder is docked.
    Docked {
        /// Its directory.
        dir: DockDir,
        /// The recorder.
        shelf: Arc<dyn Shelf>,
        /// When it was noticed.
        at_ms: i64,
    },
    /// A recorder is gone.
    Undocked {
        /// The directory that stood there.
        dir: DockDir,
        /// When that was noticed.
        at_ms: i64,
    },
    /// What stands in the docking folder and is no bay, with its reason; sent whenever that changes.
    NotBays(Vec<Unreadable>),
    /// The docking folder cannot be read, in words for people; sent when that begins or its reason changes.
    /// Looking goes on.
    RootUnreadable(String),
    /// The docking folder can be read (again); also the first event where it can be read at once.
    RootReadable,
}

/// Looks into the docking folder every `poll` and sends what changed, until the receiver is dropped. Shelves are
/// read-only unless `erasable`.
pub async fn watch_docks(
    root: PathBuf,
    poll: Duration,
    erasable: bool,
    clock: Arc<dyn Clock>,
    tx: mpsc::Sender<DockEvent>,
) {
    let mut watch = Watch { erasable, ..Watch::default() };
    let mut ticks = tokio::time::interval(poll);
    // After a look that took long (a network mount), the next comes a full interval later.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tx.closed() => return,
            _ = ticks.tick() => {}
        }
        let dir = root.clone();
        let looked = match task::blocking("dock scan", move || scan(&dir)).await {
            Ok(looked) => looked,
            Err(e) => Err(io::Error::other(e)),
        };
        // Opening an image starts its reader and reads from the disk.
        let (dir, now_ms) = (root.clone(), clock.now().0);
        let applied = task::blocking("dock open", move || {
            let events = watch.apply(&dir, now_ms, looked);
            (watch, events)
        });
        let Ok((back, events)) = applied.await else { return };
        watch = back;
        for event in events {
            if tx.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// One look's result: bays, and what is none.
type Looked = io::Result<(Vec<DockDir>, Vec<Unreadable>)>;

#[derive(Default)]
struct Watch {
    docks: Docks,
    /// Images as the last look saw them: one that is still being written has changed by the next.
    images: BTreeMap<PathBuf, DockDir>,
    /// Images that are no recorder, and why; not tried again until they change.
    refused: BTreeMap<PathBuf, (DockDir, String)>,
    /// `None` before the first look, `Some("")` while the folder can be read.
    trouble: Option<String>,
    not_bays: Vec<Unreadable>,
    erasable: bool,
}

impl Watch {
    fn apply(&mut self, root: &Path, now_ms: i64, looked: Looked) -> Vec<DockEvent> {
        let mut events = Vec::new();
        let shown = root.display();
        let (trouble, found) = match looked {
            Ok(found) => (String::new(), Some(found)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => (
                // A folder that is not there holds no recorders.
                format!("the docking folder {shown} is not there ({e}); create it or correct [source.folder] dir"),
                Some(Default::default()),
            ),
            // One that cannot be read says nothing about them.
            Err(e) => (format!("the docking folder {shown} cannot be read ({e}); check its permissions"), None),
        };
        if self.trouble.as_ref() != Some(&trouble) {
            events.push(match trouble.as_str() {
                "" => DockEvent::RootReadable,
                why => DockEvent::RootUnreadable(why.to_owned()),
            });
            self.trouble = Some(trouble);
        }
        let Some((mut dirs, mut not_bays)) = found else { return events };
        let images = dirs.iter().filter(|d| d.image.is_some()).map(|d| (d.path.clone(), d.clone())).collect();
        let before = std::mem::replace(&mut self.images, images);
        self.refused.retain(|path, (refused, _)| self.images.get(path).is_some_and(|now| now.is(refused)));
        dirs.retain(|dir| match (dir.image, self.refused.get(&dir.path)) {
            (None, _) => true,
            (Some(_), None) => before.get(&dir.path).is_some_and(|earlier| earlier.is(dir)),
            (Some(_), Some((_, why))) => {
                let name = dir.path.file_name().unwrap_or_default();
                not_bays.push(Unreadable { path: SourcePath::new(name.as_bytes()), reason: why.clone() });
                false
            }
        });
        for change in self.docks.update(now_ms, dirs) {
            match change {
                DockChange::Undocked { dir, at_ms } => events.push(DockEvent::Undocked { dir, at_ms }),
                DockChange::Docked { dir, at_ms } if dir.image.is_some() => match open_image(&dir) {
                    Ok(shelf) => events.push(DockEvent::Docked { dir, shelf: Arc::new(shelf), at_ms }),
                    Err(e) => {
                        let name = dir.path.file_name().unwrap_or_default();
                        not_bays.push(Unreadable { path: SourcePath::new(name.as_bytes()), reason: chain(&e) });
                        self.docks.forget(&dir.path);
                        self.refused.insert(dir.path.clone(), (dir, chain(&e)));
                    }
                },
                DockChange::Docked { dir, at_ms } => match FolderShelf::new(&dir.path, !self.erasable) {
                    Ok(shelf) if shelf.id() == dir.id => {
                        events.push(DockEvent::Docked { dir, shelf: Arc::new(shelf), at_ms });
                    }
                    Ok(_) => self.docks.forget(&dir.path), // Replaced since the look; the next one finds it.
                    Err(e) => {
                        let name = dir.path.file_name().unwrap_or_default();
                        not_bays.push(Unreadable { path: SourcePath::new(name.as_bytes()), reason: chain(&e) });
                        self.docks.forget(&dir.path);
                    }
                },
            }
        }
        not_bays.sort_by(|a, b| a.path.cmp(&b.path));
        if self.not_bays != not_bays {
            self.not_bays.clone_from(&not_bays);
            events.push(DockEvent::NotBays(not_bays));
        }
        events
    }
}

/// Images are never written to: what is erased belongs to recorders.
fn open_image(dir: &DockDir) -> Result<DiskShelf, crate::domain::ports::SourceError> {
    let identity = ShelfIdentity { bay: dir.bay.clone(), kind: "image", ..ShelfIdentity::default() };
    DiskShelf::open(Arc::new(DiskImage::new(&dir.path)), identity, true)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| IMAGE_EXTENSIONS.contains(&e.as_str()))
}

/// Everything in the docking folder. Follows no link: a recorder is the directory itself or a mount point.
fn scan(root: &Path) -> Looked {
    let (mut bays, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let mut other = |reason: &str| {
            others.push(Unreadable { path: SourcePath::new(name.as_bytes()), reason: reason.to_owned() });
        };
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                other(&e.to_string());
                continue;
            }
        };
        if metadata.is_symlink() {
            other("a symbolic link; mount or bind-mount the recorder here instead");
        } else if metadata.is_file() && is_image(&entry.path()) {
            let path = entry.path();
            let written = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            let id = FolderId { dev: metadata.dev(), ino: metadata.ino() };
            bays.push(DockDir {
                bay: bay_name(&path.with_extension("")),
                path,
                id,
                image: Some((metadata.len(), written)),
            });
        } else if !metadata.is_dir() {
            other(
                "not a directory; a recorder is docked as a directory, or as the image of its card (.img, .dd, .raw)",
            );
        } else if name.as_bytes().starts_with(b".") || name == "lost+found" {
            other("kept by the system; not a recorder");
        } else {
            let path = entry.path();
            // The entry's own inode number is that of the directory under a mount point; ask at the path.
            let id = match std::fs::symlink_metadata(&path) {
                Ok(m) => FolderId { dev: m.dev(), ino: m.ino() },
                Err(_) => continue,
            };
            bays.push(DockDir { bay: bay_name(&path), path, id, image: None });
        }
    }
    Ok((bays, others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::SystemClock;
    use proptest::prelude::*;

    fn dir(name: &str, ino: u64) -> DockDir {
        DockDir { bay: name.into(), path: Path::new("/dock").join(name), id: FolderId { dev: 1, ino }, image: None }
    }

    fn docked(name: &str, ino: u64, at_ms: i64) -> DockChange {
        DockChange::Docked { dir: dir(name, ino), at_ms }
    }

    fn undocked(name: &str, ino: u64, at_ms: i64) -> DockChange {
        DockChange::Undocked { dir: dir(name, ino), at_ms }
    }

    #[test]
    fn docks_and_undocks_are_told_once() {
        let mut docks = Docks::default();
        assert_eq!(docks.update(1, vec![dir("a", 1), dir("b", 2)]), [docked("a", 1, 1), docked("b", 2, 1)]);
        assert_eq!(docks.update(2, vec![dir("b", 2), dir("a", 1)]), []);
        assert_eq!(docks.update(3, vec![dir("b", 2)]), [undocked("a", 1, 3)]);
        assert_eq!(docks.update(4, vec![dir("b", 9)]), [undocked("b", 2, 4), docked("b", 9, 4)], "replaced");
        assert_eq!(docks.update(5, vec![dir("c", 9)]), [undocked("b", 9, 5), docked("c", 9, 5)], "renamed");
        assert_eq!(docks.update(6, vec![]), [undocked("c", 9, 6)]);
    }

    fn listing(files: &[(&str, u64, i64)]) -> Listing {
        let files = files
            .iter()
            .map(|(path, size_bytes, ms)| ShelfEntry {
                path: SourcePath::new(*path),
                size_bytes: *size_bytes,
                modified_raw: ms.to_string(),
                modified_ms: Some(*ms),
            })
            .collect();
        Listing { files, unreadable: vec![] }
    }

    #[test]
    fn a_file_is_still_when_nothing_changed_for_long_enough_over_two_looks() {
        let mut s = Stillness::new(1000);
        let mut look = |now: i64, files: &[(&str, u64, i64)]| -> Vec<String> {
            s.update(now, &listing(files)).iter().map(|e| e.path.to_text()).collect()
        };
        assert!(look(0, &[("a", 1, 1), ("b", 1, 1)]).is_empty(), "first look");
        assert!(look(500, &[("a", 1, 1), ("b", 2, 1)]).is_empty(), "too early, and b grew");
        assert_eq!(look(1000, &[("a", 1, 1), ("b", 2, 1)]), ["a"]);
        assert_eq!(look(1500, &[("a", 1, 2), ("b", 2, 1)]), ["b"], "a was written to without growing");
        assert_eq!(look(2600, &[("b", 2, 1), ("a", 1, 2)]), ["b", "a"], "still files are told each time");
        assert!(look(2700, &[]).is_empty());
        assert!(look(9000, &[("a", 1, 2)]).is_empty(), "what was away begins anew");
        assert!(look(8000, &[("a", 1, 2)]).is_empty(), "a clock that steps back makes nothing still");
    }

    proptest! {
        #[test]
        fn what_is_called_still_did_not_change_within_the_time(
            looks in proptest::collection::vec((1i64..700, 0u64..3, 0i64..2), 1..40)
        ) {
            let mut s = Stillness::new(1000);
            let (mut now, mut last_change, mut previous) = (0, 0, None);
            for (step, size, ms) in looks {
                now += step;
                if previous != Some((size, ms)) {
                    last_change = now;
                    previous = Some((size, ms));
                }
                let still = !s.update(now, &listing(&[("a", size, ms)])).is_empty();
                prop_assert_eq!(still, now - last_change >= 1000);
            }
        }

        #[test]
        fn the_docks_always_mirror_the_last_look(looks in proptest::collection::vec(proptest::collection::btree_map("[ab]", 0u64..3, 0..3), 1..20)) {
            let (mut docks, mut mirror) = (Docks::default(), BTreeMap::new());
            for look in looks {
                for change in docks.update(0, look.iter().map(|(n, i)| dir(n, *i)).collect()) {
                    match change {
                        DockChange::Undocked { dir, .. } => prop_assert_eq!(mirror.remove(&dir.bay), Some(dir.id.ino)),
                        DockChange::Docked { dir, .. } => prop_assert_eq!(mirror.insert(dir.bay, dir.id.ino), None),
                    }
                }
                prop_assert_eq!(&mirror, &look);
            }
        }
    }

    #[tokio::test]
    async fn the_folder_is_watched_through_all_its_troubles() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("dock");
        let (tx, mut rx) = mpsc::channel(8);
        let clock = SystemClock::new();
        let watching =
            task::spawn_named("watch", watch_docks(root.clone(), Duration::from_millis(5), false, clock, tx));
        let mut next = async || rx.recv().await.unwrap();

        let DockEvent::RootUnreadable(why) = next().await else { panic!("expected trouble") };
        assert!(why.contains("is not there") && why.contains("create it"), "{why}");
        std::fs::create_dir(&root).unwrap();
        assert!(matches!(next().await, DockEvent::RootReadable));

        // Renamed into place, so that a look never meets a bay that is half there.
        let ready = top.path().join("ready");
        std::fs::create_dir(&ready).unwrap();
        std::fs::write(ready.join("clip.mp4"), b"footage").unwrap();
        std::fs::rename(&ready, root.join("bay-1")).unwrap();
        let DockEvent::Docked { dir, shelf, .. } = next().await else { panic!("expected a dock") };
        assert_eq!(dir.bay, "bay-1");
        assert_eq!(shelf.list().unwrap().files.len(), 1);

        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        let DockEvent::NotBays(others) = next().await else { panic!("expected a stray link") };
        assert_eq!(others[0].path.to_text(), "link");

        std::fs::rename(&root, top.path().join("away")).unwrap();
        assert!(matches!(next().await, DockEvent::RootUnreadable(_)));
        let DockEvent::Undocked { dir, .. } = next().await else { panic!("expected an undock") };
        assert_eq!(dir.bay, "bay-1");
        assert!(matches!(next().await, DockEvent::NotBays(others) if others.is_empty()));
        assert!(shelf.list().is_err(), "the shelf of a recorder that left is gone");

        drop(rx);
        watching.await.unwrap();
    }
}
