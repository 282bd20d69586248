//! Intake when things go wrong on either side of the cable: whatever happens, no recorder is called safe to remove
//! and no clip sealed whose bytes do not stand in the vault.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use evidock::domain::clip::Local;
use evidock::domain::digest::Blake3;
use evidock::domain::grid::PartGrid;
use evidock::domain::ids::{ClipId, RecorderId, StationId};
use evidock::domain::ports::{Clock, EraseProof, Shelf, SourceError};
use evidock::domain::recorder::{Importance, Listing, ShelfEntry, ShelfIdentity, SourcePath};
use evidock::intake::{Ending, Intake, IntakeOptions, recover};
use evidock::runtime::board::{Board, Doing};
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::source::fake::{FakeShelf, Fault};
use evidock::source::profile::Profiles;
use evidock::store::{ClipFilter, ClipRow, NewClip, Store};
use evidock::vault::{CopyOptions, Vault};

const MIB: usize = 1 << 20;

/// A station without destinations.
struct Box {
    _dir: tempfile::TempDir,
    store: Store,
    vault: Vault,
    board: Board,
    intake: Intake,
}

impl Box {
    fn new() -> Self {
        Self::with_still_after(0)
    }

    /// Files are still, and directories empty, only after a time.
    fn patient() -> Self {
        Self::with_still_after(100)
    }

    fn with_still_after(still_after_ms: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = SystemClock::new();
        let station = StationId::new("zhao-01").unwrap();
        let store = Store::open(&dir.path().join("evidock.db"), &station, Arc::clone(&clock)).unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let board = Board::default();
        let options = IntakeOptions {
            copy: CopyOptions { durable_every_bytes: MIB as u64, reserve_bytes: 0, sm3: false },
            still_after_ms,
            look_every_ms: 10,
            deliveries: Vec::new(),
            instant: false,
        };
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let intake = Intake::new(store.clone(), vault.clone(), board.clone(), clock, profiles, options);
        Self { _dir: dir, store, vault, board, intake }
    }

    fn dock(&self, recorder: &Arc<Recorder>) -> Docked {
        let stop = Arc::new(OnceLock::new());
        let (intake, shelf, ended) = (self.intake.clone(), Arc::clone(recorder), Arc::clone(&stop));
        let work = std::thread::spawn(move || intake.run_dock(&*shelf, &|| ended.get().copied()));
        Docked { stop, work: Some(work) }
    }

    /// Every stay so far, oldest first: whose, and why it ended.
    fn stays(&self) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let entries = self.store.read_blocking(|r| r.log_entries(0, 1_000)).unwrap();
        let events: Vec<_> = entries.iter().map(|e| text(&e.bytes)).collect();
        let of = |kind: &'static str| events.iter().filter(move |e| e["kind"] == kind);
        of("dock.opened")
            .map(|opened| {
                let closed = of("dock.closed").find(|c| c["body"]["dock"] == opened["body"]["dock"]);
                let reason = closed.map(|c| c["body"]["reason"].as_str().unwrap().to_owned());
                (opened["body"]["recorder"].as_str().unwrap().to_owned(), reason)
            })
            .collect()
    }

    fn safe(&self) -> bool {
        self.board.bays().iter().any(|(_, b)| b.safe)
    }

    fn clips(&self) -> Vec<ClipRow> {
        self.store
            .read_blocking(|r| {
                let page = r.clips(&ClipFilter { limit: 100, ..ClipFilter::default() })?;
                page.clips.into_iter().map(|c| r.clip(c)).collect()
            })
            .unwrap()
    }

    fn sealed(&self) -> Vec<ClipRow> {
        self.clips().into_iter().filter(|c| c.local == Local::Sealed).collect()
    }

    /// Whether a sealed clip has the bytes on disk that its row tells.
    fn stands(&self, clip: &ClipRow) -> bool {
        let bytes = std::fs::read(self.vault.master(clip.clip)).unwrap_or_default();
        Some(digest(&bytes)) == clip.blake3
    }
}

fn digest(bytes: &[u8]) -> Blake3 {
    Blake3(*blake3::hash(bytes).as_bytes())
}

fn footage(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

/// A recorder in a bay, until it is dropped.
struct Docked {
    stop: Arc<OnceLock<Ending>>,
    work: Option<JoinHandle<()>>,
}

impl Drop for Docked {
    fn drop(&mut self) {
        self.stop.get_or_init(|| Ending::Pulled);
        if let Some(work) = self.work.take() {
            work.join().unwrap();
        }
    }
}

/// A fake recorder that counts looks, and whose reads can be made to wait half way.
struct Recorder {
    inner: FakeShelf,
    looks: AtomicU32,
    gate: Arc<Gate>,
    /// Files cannot be opened.
    shut: AtomicBool,
    /// Listing it panics.
    baffling: AtomicBool,
    /// Opening this file says that the recorder is gone.
    haunted: Mutex<Option<SourcePath>>,
}

#[derive(Default)]
struct Gate {
    /// Reads wait at this offset, while set.
    at: Mutex<Option<u64>>,
    opened: Condvar,
    reached: AtomicBool,
}

impl Recorder {
    fn new(bay: &str) -> Arc<Self> {
        Arc::new(Self {
            inner: FakeShelf::new(bay),
            looks: AtomicU32::new(0),
            gate: Arc::default(),
            shut: false.into(),
            baffling: false.into(),
            haunted: Mutex::default(),
        })
    }

    fn looks(&self) -> u32 {
        self.looks.load(Ordering::SeqCst)
    }

    fn after_looks(&self, more: u32) {
        let from = self.looks();
        until("the recorder is looked at again", || self.looks() >= from + more);
    }
}

struct Gated {
    inner: std::boxed::Box<dyn Read + Send>,
    at: u64,
    gate: Arc<Gate>,
}

impl Read for Gated {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut gate = self.gate.at.lock().unwrap();
        while gate.is_some_and(|g| self.at >= g) {
            self.gate.reached.store(true, Ordering::SeqCst);
            gate = self.gate.opened.wait(gate).unwrap();
        }
        drop(gate);
        let n = self.inner.read(buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Shelf for Recorder {
    fn identity(&self) -> ShelfIdentity {
        self.inner.identity()
    }
    fn list(&self) -> Result<Listing, SourceError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        assert!(!self.baffling.load(Ordering::SeqCst), "as a parser might");
        self.inner.list()
    }
    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        self.inner.stat(path)
    }
    fn open(&self, path: &SourcePath, offset: u64) -> Result<std::boxed::Box<dyn Read + Send>, SourceError> {
        if self.shut.load(Ordering::SeqCst) {
            return Err(SourceError::Read { path: path.clone(), source: std::io::Error::other("bad sector") });
        }
        if self.haunted.lock().unwrap().as_ref() == Some(path) {
            return Err(SourceError::Gone(std::io::Error::from_raw_os_error(libc::ENODEV)));
        }
        let inner = self.inner.open(path, offset)?;
        Ok(std::boxed::Box::new(Gated { inner, at: offset, gate: Arc::clone(&self.gate) }))
    }
    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        self.inner.erase(proof)
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = monotonic();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(180), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_vault_that_cannot_be_written_never_makes_a_recorder_safe() {
    let station = Box::new();
    // As with a disk that turned read-only: nothing can be made below it.
    let clips = station.vault.root().join("clips");
    std::fs::remove_dir(&clips).unwrap();
    std::fs::write(&clips, b"").unwrap();
    let recorder = Recorder::new("bay-1");
    recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
    recorder.inner.put("b.mp4", &footage(MIB, 2), 1_000);
    let docked = station.dock(&recorder);
    recorder.after_looks(20);
    assert!(!station.safe(), "nothing stands in the vault");
    let dock = station.store.read_blocking(|r| Ok(r.open_docks()?.remove(0))).unwrap();
    let reported = station.store.read_blocking(|r| r.unreadable_at(dock.dock_id)).unwrap();
    assert!(reported.is_empty(), "the recorder can be read: {reported:?}");
    // The disk is mended: everything is taken after all.
    std::fs::remove_file(&clips).unwrap();
    std::fs::create_dir(&clips).unwrap();
    until("it is safe", || station.safe());
    assert_eq!(station.sealed().len(), 2);
    drop(docked);
}

#[test]
fn a_good_copy_is_not_dropped_for_a_sealed_one_that_has_rotted() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    let bytes = footage(3 * MIB, 1);
    recorder.inner.put("a.mp4", &bytes, 1_000);
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    drop(docked);
    let rotten = station.sealed().remove(0);
    std::fs::write(station.vault.master(rotten.clip), footage(3 * MIB, 9)).unwrap();
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    let sealed = station.sealed();
    assert!(sealed.iter().all(|c| station.stands(c)), "a sealed clip is not what its row says");
    assert!(sealed.iter().any(|c| c.blake3 == Some(digest(&bytes))), "the recorder's bytes are in the vault");
    assert_eq!(station.clips().iter().find(|c| c.clip == rotten.clip).unwrap().local, Local::Damaged);
    drop(docked);
}

#[test]
fn a_sealed_file_that_is_gone_is_found_out_and_holds_nobody_up() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    drop(docked);
    let lost = station.sealed().remove(0);
    std::fs::remove_file(station.vault.master(lost.clip)).unwrap();
    recorder.inner.put("b.mp4", &footage(MIB, 2), 2_000);
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    let sealed = station.sealed();
    assert_eq!(sealed.len(), 2, "{sealed:?}");
    assert!(sealed.iter().all(|c| station.stands(c)));
    drop(docked);
}

#[test]
fn a_clip_that_is_found_damaged_while_its_recorder_is_docked_is_taken_again() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    let clip = station.sealed().remove(0).clip;
    std::fs::write(station.vault.master(clip), footage(MIB, 9)).unwrap();
    station.store.write_blocking(move |tx| tx.damaged(clip, "found out")).unwrap();
    recorder.after_looks(6);
    until("it is safe", || station.safe());
    let sealed = station.sealed();
    assert_eq!(sealed.len(), 1, "safe, and nothing good in the vault");
    assert!(station.stands(&sealed[0]));
    drop(docked);
}

#[test]
fn a_recorder_docked_again_while_its_earlier_dock_still_reads_has_one_writer() {
    let station = Box::new();
    // The same id, name, length, time and beginning, and another end: the worst that two recorders can do to each other.
    let (slow, quick) = (Recorder::new("bay-1"), Recorder::new("bay-1"));
    let film = |seed| [footage(5 * MIB, 0), footage(3 * MIB, seed)].concat();
    slow.inner.put("a.mp4", &film(1), 1_000);
    quick.inner.put("a.mp4", &film(2), 1_000);
    *slow.gate.at.lock().unwrap() = Some(4 * MIB as u64);
    let first = station.dock(&slow);
    until("the first dock is half way", || slow.gate.reached.load(Ordering::SeqCst));
    let second = station.dock(&quick);
    until("the second dock came to work", || quick.looks() >= 20 || !station.sealed().is_empty());
    *slow.gate.at.lock().unwrap() = None;
    slow.gate.opened.notify_all();
    slow.after_looks(5);
    quick.after_looks(5);
    until("both are taken", || station.board.bays().iter().all(|(_, b)| b.safe));
    let sealed = station.sealed();
    for clip in &sealed {
        assert!(station.stands(clip), "a sealed clip is not what its row says");
    }
    for seed in [1, 2] {
        let bytes = digest(&film(seed));
        assert!(sealed.iter().any(|c| c.blake3 == Some(bytes)), "bytes of recorder {seed} are in the vault");
    }
    drop((first, second));
}

#[test]
fn a_file_under_its_final_name_is_adopted_only_if_it_is_what_was_copied() {
    let station = Box::new();
    let bytes = footage(2 * MIB, 1);
    let make = |name: &str, on_disk: &[u8]| {
        let clip = ClipId::generate(1_781_834_604_000);
        let (size, prefix) = (bytes.len() as u64, digest(&bytes));
        let new = NewClip {
            clip,
            recorder: RecorderId::new("r").unwrap(),
            dock: None,
            entry: ShelfEntry {
                path: SourcePath::new(name),
                size_bytes: size,
                modified_raw: "1".into(),
                modified_ms: Some(1_000),
            },
            declared_bytes: Some(size),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::for_size(Some(size)),
            evidence: "{}".into(),
            segment: None,
        };
        station.store.write_blocking(move |tx| tx.new_clip(&new)).unwrap();
        station.store.write_blocking(move |tx| tx.copied_durably(clip, size, prefix, &[])).unwrap();
        let master = station.vault.master(clip);
        std::fs::create_dir_all(master.parent().unwrap()).unwrap();
        std::fs::write(master, on_disk).unwrap();
        clip
    };
    let whole = make("whole", &bytes);
    let zeros = make("zeros", &vec![0; bytes.len()]);
    let short = make("short", &bytes[..bytes.len() / 2]);
    let recovered = recover(&station.intake).unwrap();
    assert_eq!((recovered.adopted, recovered.resumable), (1, 2));
    let local = |clip: ClipId| station.clips().iter().find(|c| c.clip == clip).unwrap().local;
    assert_eq!(local(whole), Local::Sealed);
    assert_eq!(local(zeros), Local::Copying, "zeros were sealed as footage");
    assert_eq!(local(short), Local::Copying);
}

#[test]
fn the_log_does_not_tell_names_of_files() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    recorder.inner.put("Zhang-San.mp4", &footage(MIB, 1), 1_000);
    recorder.shut.store(true, Ordering::SeqCst);
    let docked = station.dock(&recorder);
    until("it is reported", || {
        let reported = station.store.read_blocking(|r| match r.open_docks()?.first() {
            Some(dock) => r.unreadable_at(dock.dock_id),
            None => Ok(Vec::new()),
        });
        !reported.unwrap().is_empty()
    });
    for entry in station.store.read_blocking(|r| r.log_entries(0, 1_000)).unwrap() {
        let text = String::from_utf8_lossy(&entry.bytes).into_owned();
        assert!(!text.contains("Zhang"), "{text}");
    }
    drop(docked);
}

/// A file whose name tells whose recorder it is on.
const DSJ_FILE: &str = "DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_000000_20260619_100324.mp4";

#[test]
fn a_recorder_that_is_empty_at_first_is_known_by_its_files_in_the_end() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    let docked = station.dock(&recorder);
    until("it is taken to be empty", || station.safe());
    assert_eq!(station.stays(), [("bay-1".to_owned(), None)]);
    recorder.inner.put(DSJ_FILE, &footage(MIB, 1), 1_000);
    until("its file is taken", || station.sealed().len() == 1 && station.safe());
    let told = station.stays();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].1.as_deref(), Some("superseded"));
    assert_ne!(told[1].0, "bay-1");
    assert_eq!(station.sealed()[0].recorder, told[1].0);
    assert_eq!(station.board.bays().len(), 1);
    drop(docked);
}

#[test]
fn a_recorder_that_is_filled_after_it_appeared_is_never_taken_for_an_empty_one() {
    let station = Box::patient();
    let recorder = Recorder::new("bay-1");
    let docked = station.dock(&recorder);
    recorder.after_looks(8);
    assert_eq!(station.stays(), [], "an empty directory says nothing yet");
    recorder.inner.put(DSJ_FILE, &footage(MIB, 1), 1_000);
    until("its file is taken", || station.sealed().len() == 1 && station.safe());
    let told = station.stays();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_ne!(told[0].0, "bay-1");
    drop(docked);
}

#[test]
fn only_a_recorder_that_left_is_logged_as_pulled() {
    for (ending, told) in [(Ending::Pulled, Some("pulled")), (Ending::Parked, None)] {
        let station = Box::new();
        let recorder = Recorder::new("bay-1");
        recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
        let docked = station.dock(&recorder);
        until("it is safe", || station.safe());
        docked.stop.set(ending).unwrap();
        drop(docked);
        assert_eq!(station.stays()[0].1.as_deref(), told);
        recover(&station.intake).unwrap();
        assert_eq!(station.stays()[0].1.as_deref(), told.or(Some("restart")));
    }
}

#[test]
fn a_look_that_panics_takes_the_safe_word_back_and_is_tried_again() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    recorder.baffling.store(true, Ordering::SeqCst);
    until("it is no longer safe", || !station.safe());
    assert!(matches!(station.board.bays()[0].1.doing, Doing::Stuck { .. }));
    until("the store says so, too", || !station.store.read_blocking(|r| Ok(r.open_docks()?[0].safe)).unwrap());
    recorder.inner.put("b.mp4", &footage(MIB, 2), 2_000);
    recorder.baffling.store(false, Ordering::SeqCst);
    until("it is safe again", || station.safe() && station.sealed().len() == 2);
    assert_eq!(station.stays().len(), 1, "it is the same stay");
    drop(docked);
}

fn bad(name: &str, place: std::ops::Range<u64>) -> Fault {
    Fault::BadPlace { path: SourcePath::new(name), place }
}

#[test]
fn what_can_be_read_around_a_bad_place_is_kept_and_marked() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    let bytes = footage(5 * MIB, 1);
    recorder.inner.put("a.mp4", &bytes, 1_000);
    recorder.inner.put("b.mp4", &footage(2 * MIB, 2), 2_000);
    let hole = 3 * MIB..3 * MIB + 8192;
    recorder.inner.inject(bad("a.mp4", hole.start as u64..hole.end as u64));
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe() && station.sealed().len() == 2);
    let clip = station.sealed().into_iter().find(|c| c.path == SourcePath::new("a.mp4")).unwrap();
    assert_eq!(clip.holes.iter().map(|h| (h.offset, h.bytes)).collect::<Vec<_>>(), [(hole.start as u64, 8192)]);
    let mut wanted = bytes.clone();
    wanted[hole].fill(0);
    assert_eq!(clip.blake3, Some(digest(&wanted)));
    let other = station.sealed().into_iter().find(|c| c.clip != clip.clip).unwrap();
    assert!(other.sealed_seq < clip.sealed_seq, "the other file came first");
    let dock = station.store.read_blocking(|r| Ok(r.open_docks()?.remove(0))).unwrap();
    let told = station.store.read_blocking(|r| r.unreadable_at(dock.dock_id)).unwrap();
    assert!(told.len() == 1 && told[0].1.contains("8192 bytes"), "{told:?}");
    drop(docked);
    // The same bad card docked again: nothing new.
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    assert_eq!(station.clips().len(), 2);
    drop(docked);
    // In another bay it can be read: the whole clip replaces the one with the hole, which stays.
    recorder.inner.heal();
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe() && station.sealed().len() == 3);
    let whole = station.sealed().into_iter().find(|c| c.blake3 == Some(digest(&bytes))).unwrap();
    assert!(whole.holes.is_empty());
    assert_eq!(whole.supersedes, Some(clip.clip));
    drop(docked);
    // And once more: the whole one is known.
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    assert_eq!(station.clips().len(), 3);
    drop(docked);
}

#[test]
fn a_salvage_that_is_interrupted_keeps_its_holes() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    let bytes = footage(6 * MIB, 1);
    recorder.inner.put("a.mp4", &bytes, 1_000);
    recorder.inner.inject(bad("a.mp4", 2 * MIB as u64..2 * MIB as u64 + 4096));
    *recorder.gate.at.lock().unwrap() = Some(5 * MIB as u64);
    let docked = station.dock(&recorder);
    until("the salvage is behind the hole", || recorder.gate.reached.load(Ordering::SeqCst));
    recorder.inner.pull();
    *recorder.gate.at.lock().unwrap() = None;
    recorder.gate.opened.notify_all();
    drop(docked);
    let half = station.clips().remove(0);
    assert_eq!(half.local, Local::Copying);
    assert!(half.durable_bytes > 3 * MIB as u64 && half.holes.len() == 1, "{half:?}");
    recorder.inner.dock();
    let before = recorder.inner.bytes_read();
    let docked = station.dock(&recorder);
    until("it is safe", || station.safe());
    drop(docked);
    let clip = station.sealed().remove(0);
    assert_eq!(clip.clip, half.clip, "the same copy went on");
    assert_eq!(clip.resume_check.as_deref(), Some("sampled"));
    assert_eq!(clip.holes, half.holes);
    let mut wanted = bytes;
    wanted[2 * MIB..2 * MIB + 4096].fill(0);
    assert_eq!(clip.blake3, Some(digest(&wanted)));
    assert!(recorder.inner.bytes_read() - before < 4 * MIB as u64, "what was durable is not read again");
}

#[test]
fn a_file_that_says_that_its_recorder_is_gone_holds_up_no_other() {
    let station = Box::new();
    let recorder = Recorder::new("bay-1");
    // The first in the order of reading; the recorder goes on being listed.
    recorder.inner.put("a.mp4", &footage(MIB, 1), 1_000);
    recorder.inner.put("b.mp4", &footage(MIB, 2), 2_000);
    *recorder.haunted.lock().unwrap() = Some(SourcePath::new("a.mp4"));
    let docked = station.dock(&recorder);
    until("the other file is taken", || station.sealed().len() == 1);
    assert!(!station.safe(), "one file is neither sealed nor reported");
    until("it is reported in the end, and everyone may leave", || station.safe());
    let dock = station.store.read_blocking(|r| Ok(r.open_docks()?.remove(0))).unwrap();
    let reported = station.store.read_blocking(|r| r.unreadable_at(dock.dock_id)).unwrap();
    assert!(reported.len() == 1 && reported[0].0 == "a.mp4", "{reported:?}");
    // It was only a bad contact: it is taken after all.
    *recorder.haunted.lock().unwrap() = None;
    until("it is taken", || station.sealed().len() == 2);
    drop(docked);
}
