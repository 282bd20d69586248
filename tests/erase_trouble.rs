//! Giving space back when a recorder does not behave: whatever happens between two steps, no file goes that was not
//! proven, no other file is touched unnoticed, and what was interrupted is settled by what stands on the recorder.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use evidock::config;
use evidock::domain::clip::ProofLevel;
use evidock::domain::erase::{Demand, ErasePolicy};
use evidock::domain::event::EventKind;
use evidock::domain::ids::StationId;
use evidock::domain::layout;
use evidock::domain::ports::{Abilities, Clock, EraseProof, Shelf, SourceError};
use evidock::domain::recorder::{Listing, ShelfEntry, ShelfIdentity, SourcePath};
use evidock::intake::{Ending, GivingBack, Intake, IntakeOptions, recover};
use evidock::runtime::board::{Bay, Board, Doing};
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::source::fake::FakeShelf;
use evidock::source::profile::Profiles;
use evidock::store::{CheckpointRow, ClipFilter, ClipRow, Store, StoreError};
use evidock::vault::{CopyOptions, Vault};
use serde_json::Value;

const CLOUD: &str = "cloud";

/// A station with one destination, at which clips are proven when the test says so.
struct Box {
    dir: tempfile::TempDir,
    store: Store,
    board: Board,
    intake: Intake,
}

/// Signs (in name only) the log as it is, and stores it at the destination at once.
fn checkpoint(store: &Store) -> Result<(), StoreError> {
    store.write_blocking(|tx| {
        let (size, epoch) = (tx.read().log_size()?, tx.read().epoch()?);
        let row =
            CheckpointRow { epoch, size, root: tx.read().log_root(size)?, note: "note".into(), made_ms: tx.now_ms() };
        let key = layout::checkpoint(&StationId::new("zhao-01").unwrap(), epoch, size);
        tx.add_checkpoint(&row, &key, &[CLOUD.to_owned()])?;
        for item in tx.read().due_outbox(CLOUD, i64::MAX, 0, 100)? {
            tx.outbox_stored(item.id)?;
        }
        Ok(())
    })
}

impl Box {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (board, intake, store) = Self::open(dir.path());
        let elsewhere = Abilities {
            proof: ProofLevel::RemoteChecksum,
            lock: false,
            same_device: false,
            in_order: false,
            detail: String::new(),
        };
        store.write_blocking(move |tx| tx.destination_probed(CLOUD, &elsewhere)).unwrap();
        Self { dir, store, board, intake }
    }

    fn open(dir: &std::path::Path) -> (Board, Intake, Store) {
        let clock: Arc<dyn Clock> = SystemClock::new();
        let station = StationId::new("zhao-01").unwrap();
        let store = Store::open(&dir.join("evidock.db"), &station, Arc::clone(&clock)).unwrap();
        let vault = Vault::open(&dir.join("vault")).unwrap();
        let board = Board::default();
        let options = IntakeOptions {
            copy: CopyOptions { durable_every_bytes: 1 << 20, reserve_bytes: 0, sm3: false },
            still_after_ms: 0,
            look_every_ms: 10,
            deliveries: vec![(CLOUD.to_owned(), true)],
            instant: false,
        };
        let all = config::Erase {
            recorders: vec![globset::Glob::new("*").unwrap()],
            policy: ErasePolicy { demand: Demand::Anchored, delay_ms: 0, keep_ms: 0 },
        };
        let anchored = store.clone();
        let giving_back = GivingBack::new(&[all], move || checkpoint(&anchored));
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let intake = Intake::new(store.clone(), vault, board.clone(), clock, profiles, options);
        (board, intake.giving_back(giving_back), store)
    }

    /// The daemon is killed and started again: all that it remembered is gone.
    fn restart(&mut self) {
        self.store.close();
        (self.board, self.intake, self.store) = Self::open(self.dir.path());
        recover(&self.intake).unwrap();
    }

    fn dock(&self, recorder: &Arc<Recorder>) -> Docked {
        let stop = Arc::new(OnceLock::new());
        let (intake, shelf, ended) = (self.intake.clone(), Arc::clone(recorder), Arc::clone(&stop));
        let work = std::thread::spawn(move || intake.run_dock(&*shelf, &|| ended.get().copied()));
        Docked { stop, work: Some(work) }
    }

    fn bay(&self) -> Option<Bay> {
        self.board.bays().into_iter().next().map(|(_, b)| b)
    }

    fn clips(&self) -> Vec<ClipRow> {
        self.store
            .read_blocking(|r| {
                let page = r.clips(&ClipFilter { limit: 100, ..ClipFilter::default() })?;
                page.clips.into_iter().map(|c| r.clip(c)).collect()
            })
            .unwrap()
    }

    /// Proves every sealed clip, and anchors that.
    fn prove(&self) {
        let clips: Vec<_> = self.clips().into_iter().filter(|c| c.sealed_ms.is_some()).map(|c| c.clip).collect();
        self.store
            .write_blocking(move |tx| {
                for clip in clips {
                    tx.proven(clip, CLOUD, ProofLevel::RemoteChecksum, "x", None, None)?;
                }
                Ok(())
            })
            .unwrap();
        checkpoint(&self.store).unwrap();
    }

    /// How often each kind of event about erasing happened, as (kind, what the body says of how or why).
    fn told(&self, kind: EventKind) -> Vec<String> {
        let entries = self.store.read_blocking(|r| r.log_entries(0, 10_000)).unwrap();
        let events = entries.iter().map(|e| serde_json::from_slice::<Value>(&e.bytes).unwrap());
        events
            .filter(|e| e["kind"] == kind.as_str())
            .map(|e| {
                let body = &e["body"];
                body["how"].as_str().or(body["why"].as_str()).unwrap_or_default().to_owned()
            })
            .collect()
    }

    fn states(&self) -> Vec<String> {
        let mut states: Vec<String> = self
            .clips()
            .iter()
            .flat_map(|c| self.store.read_blocking(|r| r.sightings(c.clip)).unwrap())
            .map(|s| s.state.as_str().to_owned())
            .collect();
        states.sort();
        states
    }
}

type Hook = std::boxed::Box<dyn FnMut(&FakeShelf, &EraseProof, u32) -> Result<bool, SourceError> + Send>;

/// A fake recorder with something that happens when a file is erased: called before, with how many were erased; says
/// whether the file is erased then.
struct Recorder {
    inner: FakeShelf,
    hook: Mutex<Option<Hook>>,
    asked: Mutex<u32>,
}

impl Recorder {
    fn with_clips(clips: u32) -> Arc<Self> {
        let inner = FakeShelf::new("1");
        // Emptied, it shows nothing else by which to know it again.
        inner.identify(ShelfIdentity {
            usb_id: Some((0x0951, 0x1666)),
            serial: Some("SN-000100".into()),
            port: Some("1-4.2".into()),
            ..inner.identity()
        });
        for n in 0..clips {
            inner.put(name(n), &[n as u8; 70_000], 1_781_834_400_000 + i64::from(n));
        }
        inner.put("LOG/20260619.log", b"10:00:00 on\n", 1_781_834_400_000);
        Arc::new(Self { inner, hook: Mutex::default(), asked: Mutex::default() })
    }

    fn on_erase(&self, hook: impl FnMut(&FakeShelf, &EraseProof, u32) -> Result<bool, SourceError> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(std::boxed::Box::new(hook));
    }

    fn paths(&self) -> Vec<String> {
        self.inner.list().unwrap().files.iter().map(|e| e.path.to_text()).collect()
    }
}

fn name(n: u32) -> String {
    format!("DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_110203_20260619_0912{n:02}.mp4")
}

impl Shelf for Recorder {
    fn identity(&self) -> ShelfIdentity {
        self.inner.identity()
    }
    fn list(&self) -> Result<Listing, SourceError> {
        self.inner.list()
    }
    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError> {
        self.inner.stat(path)
    }
    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<std::boxed::Box<dyn Read + Send>, SourceError> {
        self.inner.open(path, offset_bytes)
    }
    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked - 1
        };
        let goes_on = match self.hook.lock().unwrap().as_mut() {
            Some(hook) => hook(&self.inner, proof, asked)?,
            None => true,
        };
        if goes_on { self.inner.erase(proof) } else { Ok(()) }
    }
}

/// A recorder in a bay, until it is dropped.
struct Docked {
    stop: Arc<OnceLock<Ending>>,
    work: Option<JoinHandle<()>>,
}

impl Docked {
    /// The daemon stops without knowing of anything.
    fn cut(self) {
        let _ = self.stop.set(Ending::Parked);
    }
}

impl Drop for Docked {
    fn drop(&mut self) {
        self.stop.get_or_init(|| Ending::Pulled);
        if let Some(work) = self.work.take() {
            work.join().unwrap();
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = monotonic() + Duration::from_secs(180);
    while !is_so() {
        assert!(monotonic() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A station with a docked recorder of `clips` clips, everything sealed and nothing proven yet.
fn docked(clips: u32) -> (Box, Arc<Recorder>, Docked) {
    let station = Box::new();
    let recorder = Recorder::with_clips(clips);
    let docked = station.dock(&recorder);
    until("everything is sealed", || station.bay().is_some_and(|b| b.safe && b.files == u64::from(clips) + 1));
    (station, recorder, docked)
}

#[test]
fn what_is_proven_is_erased_and_everything_else_stays() {
    let (station, recorder, _docked) = docked(5);
    until("the page says why", || {
        station.bay().is_some_and(|b| b.kept.iter().any(|(why, n)| why.contains("not proven at cloud") && *n == 5))
    });
    let board = station.board.clone();
    let (seen, told) = std::sync::mpsc::channel();
    recorder.on_erase(move |shelf, _, asked| {
        let (_, bay) = board.bays().into_iter().next().unwrap();
        seen.send((bay.safe, matches!(bay.doing, Doing::Erasing { .. }))).unwrap();
        if asked == 1 {
            shelf.put(
                "DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_110203_20260619_120000.mp4",
                &[9; 5_000],
                1_781_834_500_000,
            );
        }
        Ok(true)
    });
    station.prove();
    until("they are erased, and the new one is sealed", || {
        station.states().iter().filter(|s| *s == "erased").count() == 5
            && station.clips().iter().filter(|c| c.sealed_ms.is_some()).count() == 7
    });
    until("it may go", || station.bay().is_some_and(|b| b.safe && b.erased == 5));
    assert!(told.try_iter().all(|(safe, erasing)| !safe && erasing), "nobody is told to take it while it is erased");
    let left = recorder.paths();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().any(|p| p.ends_with("120000.mp4")) && left.iter().any(|p| p.ends_with(".log")));
    assert_eq!(station.told(EventKind::Erased), vec!["erased_and_seen_gone"; 5]);
    assert_eq!(station.told(EventKind::EraseIntended).len(), 5);
    let released = station
        .clips()
        .iter()
        .filter(|c| station.store.read_blocking(|r| r.clip_state(c.clip)).unwrap().as_str() == "released")
        .count();
    assert_eq!(released, 5);
}

#[test]
fn nothing_more_is_erased_once_another_file_was_disturbed() {
    let (station, recorder, _docked) = docked(6);
    recorder.on_erase(|shelf, _, asked| {
        if asked == 1 {
            // A file that nobody meant goes along with the second one.
            shelf.remove(name(0));
            shelf.remove(name(5));
        }
        Ok(true)
    });
    station.prove();
    until("it stops", || {
        station.bay().is_some_and(|b| b.safe && b.kept.iter().any(|(why, _)| why.contains("changed other files")))
    });
    // The first group has one file, the second two; which they are is the station's choice.
    let erased = station.told(EventKind::Erased).len();
    assert!((1..=3).contains(&erased), "{erased}");
    assert!(station.told(EventKind::EraseWithdrawn).iter().all(|why| why == "disturbed" || why == "replaced"));
    assert!(!station.states().contains(&"erase_intended".to_owned()));
    assert!(recorder.paths().len() >= 2, "{:?}", recorder.paths());
}

#[test]
fn what_the_recorder_does_not_erase_is_not_called_erased() {
    let (station, recorder, _docked) = docked(3);
    let stubborn = name(1);
    recorder.on_erase(move |_, proof, _| Ok(proof.path.to_text() != stubborn));
    station.prove();
    until("the others are erased", || station.told(EventKind::Erased).len() == 2);
    until("it may go", || {
        station.bay().is_some_and(|b| b.safe && b.kept.iter().any(|(why, _)| why.contains("did not erase")))
    });
    assert_eq!(station.told(EventKind::EraseWithdrawn), ["failed"]);
    assert!(recorder.paths().contains(&name(1)));
}

#[test]
fn a_file_whose_bytes_changed_behind_its_time_stays() {
    let (station, recorder, _docked) = docked(2);
    recorder.inner.put(name(0), &[77; 70_000], 1_781_834_400_000);
    station.prove();
    until("the other one is erased", || station.told(EventKind::Erased).len() == 1);
    until("the page says why", || {
        station.bay().is_some_and(|b| b.kept.iter().any(|(why, n)| why.contains("read a second time") && *n == 1))
    });
    assert!(recorder.paths().contains(&name(0)));
    assert_eq!(station.told(EventKind::EraseWithdrawn), ["differs"]);
}

#[test]
fn a_recorder_that_is_pulled_in_the_middle_is_settled_when_it_is_docked_again() {
    let (station, recorder, docked) = docked(7);
    recorder.on_erase(|shelf, proof, asked| {
        if asked == 4 {
            // The file is gone, and so is the recorder before anybody could look.
            shelf.remove(proof.path.as_bytes().to_vec());
            shelf.pull();
        }
        Ok(true)
    });
    station.prove();
    until("it is gone", || recorder.inner.list().is_err());
    drop(docked);
    let before = station.told(EventKind::Erased).len();
    assert_eq!(before, 3, "the groups that were seen gone");
    assert_eq!(station.states().iter().filter(|s| *s == "erase_intended").count(), 4);
    recorder.inner.dock();
    let _again = station.dock(&recorder);
    until("everything is settled", || station.told(EventKind::Erased).len() == 7);
    until("it may go", || station.bay().is_some_and(|b| b.safe));
    let told = station.told(EventKind::Erased);
    let found = told.iter().filter(|how| *how == "found_gone_after_an_interrupted_erase").count();
    assert_eq!(found, 2, "one of the group before the pull, and the one that went with it: {told:?}");
    assert_eq!(station.told(EventKind::EraseWithdrawn), ["interrupted"; 2], "and the rest began anew");
    assert!(!station.states().contains(&"erase_intended".to_owned()));
    assert_eq!(recorder.paths(), ["LOG/20260619.log"]);
}

#[test]
fn a_station_that_dies_between_two_steps_finds_out_what_happened() {
    for die_at in [0, 1, 2, 5] {
        let (mut station, recorder, docked) = docked(6);
        let dead = Arc::new(OnceLock::new());
        let (dying, tells) = (Arc::clone(&dead), Arc::clone(&docked.stop));
        recorder.on_erase(move |shelf, proof, asked| {
            if asked == die_at {
                // The file is gone; the thread that would log it never comes to that.
                shelf.remove(proof.path.as_bytes().to_vec());
                let _ = dying.set(());
                let _ = tells.set(Ending::Parked);
                shelf.pull();
            }
            Ok(true)
        });
        station.prove();
        until("it dies", || dead.get().is_some());
        docked.cut();
        station.restart();
        recorder.inner.dock();
        let _again = station.dock(&recorder);
        until("everything is settled", || station.told(EventKind::Erased).len() == 6);
        assert!(station.told(EventKind::Erased).contains(&"found_gone_after_an_interrupted_erase".to_owned()));
        until("it may go", || station.bay().is_some_and(|b| b.safe));
        assert_eq!(recorder.paths(), ["LOG/20260619.log"], "died at {die_at}");
        assert!(!station.states().contains(&"erase_intended".to_owned()));
    }
}

#[test]
fn a_clip_in_quarantine_stays() {
    let (station, recorder, _docked) = docked(3);
    let held = station.clips().iter().find(|c| c.path.to_text() == name(2)).unwrap().clip;
    recorder.on_erase(move |_, proof, _| {
        assert_ne!(proof.clip, held);
        Ok(true)
    });
    station.store.write_blocking(move |tx| tx.quarantine(held, "somebody must look")).unwrap();
    station.prove();
    until("the others are erased", || station.told(EventKind::Erased).len() == 2);
    until("the page says why", || {
        station.bay().is_some_and(|b| b.safe && b.kept.iter().any(|(why, _)| why.contains("quarantine")))
    });
    assert!(recorder.paths().contains(&name(2)));
}
