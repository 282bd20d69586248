//! A power cut at any moment: a real run of the real binary is recorded call by call, the states in which a cut
//! could leave the disks are built from the recording (see `support::replay`), and on each of them
//!
//! - everything that the database says must be so before anything is started: what is sealed is in the vault,
//!   what is proven is at the destination, the log verifies;
//! - the real daemon must start, go on, and come to the same end as if nothing had happened.
//!
//! The last test takes one kind of fsync away and expects the first check to notice: a check that finds
//! nothing then would find nothing ever.
//!
//! The seed is printed; `EVIDOCK_TEST_SEED` sets it. `EVIDOCK_TEST_FULL=1` tries every state instead of a sample.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // A test that cannot go on fails, and says its seed.

use crate::support;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use evidock::domain::ids::StationId;
use support::audit::{Findings, Folder, Recorded, Site, recorded};
use support::daemon::{Places, workshop};
use support::replay::{CALLS, Class, Dice, Loss, Recording};

/// The two disks: the box's own, and the one at the destination.
const DISKS: [&str; 2] = ["box", "nas"];
/// States that are tried at the same time.
const AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_secs(180);

fn full() -> bool {
    std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1")
}

fn dice() -> Dice {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let given = std::env::var("EVIDOCK_TEST_SEED").ok().map(|s| s.parse().expect("EVIDOCK_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(rand::random);
        eprintln!("EVIDOCK_TEST_SEED={seed}");
        seed
    });
    Dice(*SEED)
}

/// A recorder, and a whole run over it.
struct Stage {
    dir: tempfile::TempDir,
    files: Recorded,
    run: Recording,
}

/// One stage for the tests that run at the same time; it is removed with the last of them.
fn stage() -> Arc<Stage> {
    static STAGE: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
    // A test that failed while it held the lock says so itself.
    let mut shared = STAGE.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(stage) = shared.upgrade() {
        return stage;
    }
    let dir = workshop();
    let files = make_recorder(&dir.path().join("docks"));
    let mut run = Recording::new(DISKS.len());
    // Disks with nothing on them: even the state directory's own name is made by the daemon.
    let disks = disks(&dir.path().join("whole"));
    disks.iter().for_each(|d| fs::create_dir_all(d).unwrap());
    record(dir.path(), "whole", &mut run, files.len());
    let differs = run.differs_from(&disks);
    assert!(differs.is_empty(), "the model is not what happened: {differs:#?}");
    let stage = Arc::new(Stage { dir, files, run });
    *shared = Arc::downgrade(&stage);
    stage
}

/// Small clips of every kind that has a way of its own through intake: empty, below and above a group of the
/// tree, one with the bytes of another, one long enough for durable reports in its middle, a log.
fn make_recorder(docks: &Path) -> Recorded {
    let bay = docks.join("bay-1");
    let clips = bay.join("DCIM/VIDEO/2026-11-20");
    fs::create_dir_all(&clips).unwrap();
    fs::create_dir_all(bay.join("LOG")).unwrap();
    let twin = support::footage(70_000, 3);
    for (n, bytes) in [
        support::footage(0, 1),
        support::footage(9_000, 2),
        twin.clone(),
        support::footage(2_500_000, 4),
        twin,
        support::footage(33_000, 5),
    ]
    .iter()
    .enumerate()
    {
        fs::write(clips.join(format!("DSJ_A0001234_100001_20261120_10000{n}.mp4")), bytes).unwrap();
    }
    fs::write(bay.join("LOG/20261120.log"), "10:00:00 on\n").unwrap();
    recorded("A0001234", &bay)
}

fn disks(dir: &Path) -> Vec<PathBuf> {
    DISKS.iter().map(|d| dir.join(d)).collect()
}

fn places(base: &Path, name: &str) -> Places {
    let dir = base.join(name);
    let mut destination = Places::folder("nas", &dir.join("nas/evidock"));
    let documents = base.join("documents");
    if documents.is_dir() {
        // Each run has a folder of its own: what was filed is moved away in it.
        let case = dir.join("inbox/赵卫罚〔2026〕12号");
        fs::create_dir_all(&case).unwrap();
        for file in support::audit::files(&documents) {
            fs::copy(documents.join(&file), case.join(&file)).unwrap();
        }
        destination.push_str(&format!("[documents]\ndir = {:?}\n", dir.join("inbox").to_str().unwrap()));
    }
    Places::new(&dir, dir.join("box/state"), &base.join("docks"), &destination)
}

/// One run under strace on the disks below `name`, to its orderly end.
fn record(base: &Path, name: &str, into: &mut Recording, clips: usize) {
    let places = places(base, name);
    let trace = base.join(name).join("trace");
    let calls = format!("trace={CALLS}");
    let strace = ["strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", &calls, "-o"];
    let mut daemon = places.start(&[&strace[..], &[trace.to_str().unwrap(), "--"]].concat());
    daemon.until_done(clips, PATIENCE).unwrap();
    daemon.stop();
    into.read(&fs::read(&trace).unwrap(), &disks(&base.join(name)), &classify);
    fs::remove_file(&trace).unwrap();
}

fn classify(disk: usize, path: &Path, is_dir: bool) -> Class {
    let vault = path.starts_with("state/vault");
    match (disk, is_dir) {
        (1, true) => Class::DestinationDir,
        (1, false) => Class::DestinationFile,
        (_, true) if vault => Class::VaultDir,
        (_, false) if vault => Class::VaultFile,
        _ if path.ends_with("state/evidock.db-wal") => Class::Wal,
        _ => Class::Other,
    }
}

impl Stage {
    fn judge(&self, dir: &Path, judgement: impl FnOnce(&Site<'_>) -> Findings) -> Findings {
        let folder = Folder(dir.join("nas/evidock"));
        judgement(&Site {
            station: StationId::new("crash-1").unwrap(),
            state: dir.join("box/state"),
            destinations: vec![("nas", &folder)],
            recorded: &self.files,
        })
    }

    /// Builds a state and checks what it says; with `restart` starts the daemon on it and checks where it ends.
    /// `None` for a state that was there before.
    fn try_state(
        &self,
        run: &Recording,
        case: &Case,
        seen: &Mutex<HashSet<[u8; 32]>>,
        restart: bool,
    ) -> Option<Findings> {
        let state = run.crash(case.at, case.loss, case.without, &mut case.dice.clone());
        if !seen.lock().unwrap().insert(state.digest()) {
            return None;
        }
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("state-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let dir = self.dir.path().join(&name);
        state.write(&disks(&dir));
        let mut found = self.judge(&dir, |site| site.audit());
        if restart && found.is_empty() {
            let places = places(self.dir.path(), &name);
            let mut daemon = places.start(&[]);
            match daemon.until_done(self.files.len(), PATIENCE) {
                Ok(()) => {
                    daemon.kill();
                    found = self.judge(&dir, |site| site.complete());
                }
                Err(words) => found.push(words),
            }
        }
        match std::env::var_os("EVIDOCK_TEST_KEEP") {
            // To be looked at: where, and what was wrong there.
            Some(kept) if !found.is_empty() => {
                let kept = PathBuf::from(kept).join(&name);
                let copied = Command::new("cp").arg("-a").arg(&dir).arg(&kept).status();
                eprintln!("{case:?} is kept in {} ({copied:?}): {found:#?}", kept.display());
            }
            _ => {}
        }
        fs::remove_dir_all(&dir).unwrap();
        Some(found)
    }
}

/// A state to be tried.
#[derive(Debug, Clone)]
struct Case {
    at: usize,
    loss: Loss,
    without: Option<Class>,
    dice: Dice,
}

/// The same moments for everyone: before and after every fsync, and one between.
fn moments(run: &Recording, dice: &mut Dice) -> Vec<usize> {
    let mut moments: Vec<usize> = run.syncs().into_iter().flat_map(|at| [at - 1, at]).collect();
    let between: Vec<usize> =
        moments.windows(2).filter(|m| m[1] - m[0] > 1).map(|m| m[0] + 1 + dice.below(m[1] - m[0] - 1)).collect();
    moments.extend(between);
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn cases(moments: &[usize], losses: &[Loss], without: Option<Class>, dice: &mut Dice) -> Vec<Case> {
    let all = moments.iter().flat_map(|at| losses.iter().map(|loss| (*at, *loss)));
    all.map(|(at, loss)| Case { at, loss, without, dice: Dice(dice.roll()) }).collect()
}

/// So many of them, drawn; all of them in the full form.
fn sample(mut cases: Vec<Case>, wanted: usize, dice: &mut Dice) -> Vec<Case> {
    for i in (1..cases.len()).rev() {
        cases.swap(i, dice.below(i + 1));
    }
    if !full() {
        cases.truncate(wanted);
    }
    cases
}

/// Runs `work` on every item on a few threads; gives what it gave, in no order.
fn side_by_side<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Option<R> + Sync) -> Vec<R> {
    let (items, results) = (Mutex::new(items), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(item) = items.lock().unwrap().pop() else { return };
                    if let Some(result) = work(item) {
                        results.lock().unwrap().push(result);
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn expect_none(what: &str, outcomes: Vec<(Case, Findings)>) {
    let tried = outcomes.len();
    let mut bad: Vec<_> = outcomes.into_iter().filter(|(_, found)| !found.is_empty()).collect();
    bad.sort_by_key(|(case, _)| case.at);
    eprintln!("{what}: {tried} states, {} of them wrong", bad.len());
    assert!(tried > 0, "{what}: nothing was tried");
    // Many states show one fault: each fault is told once, with the first state that shows it.
    let mut told = HashSet::new();
    for (case, findings) in &bad {
        for finding in findings {
            if told.len() < 20 && told.insert(kind_of(finding)) {
                eprintln!("{case:?}: {finding}");
            }
        }
    }
    assert!(bad.is_empty(), "{what}: {} states are wrong; EVIDOCK_TEST_KEEP=DIR keeps them", bad.len());
}

/// A finding without what tells one clip or number from another.
fn kind_of(finding: &str) -> String {
    let plain = |word: &&str| !word.chars().any(|c| c.is_ascii_digit());
    finding.lines().next().unwrap_or_default().split(' ').filter(plain).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_said_is_so_after_a_power_cut() {
    let (stage, mut dice, seen) = (stage(), dice(), Mutex::default());
    let moments = moments(&stage.run, &mut dice);
    eprintln!("{} operations, {} fsyncs", stage.run.len(), stage.run.syncs().len());
    let cases = sample(cases(&moments, &Loss::KINDS, None, &mut dice), 400, &mut dice);
    let outcomes = side_by_side(cases, |case| {
        let found = stage.try_state(&stage.run, &case, &seen, false)?;
        Some((case, found))
    });
    expect_none("before a start", outcomes);
}

#[test]
fn the_daemon_goes_on_after_a_power_cut() {
    let (stage, mut dice, seen) = (stage(), dice(), Mutex::default());
    let moments = moments(&stage.run, &mut dice);
    let cases = sample(cases(&moments, &Loss::KINDS, None, &mut dice), 60, &mut dice);
    let outcomes = side_by_side(cases, |case| {
        let found = stage.try_state(&stage.run, &case, &seen, true)?;
        Some((case, found))
    });
    expect_none("after a start", outcomes);
}

#[test]
fn a_kill_and_then_a_power_cut() {
    let (stage, mut dice) = (stage(), dice());
    // A kill between a change of names and its fsync: the next start finds the names and must not take them
    // for durable.
    let mut kills = stage.run.renames();
    for i in (1..kills.len()).rev() {
        kills.swap(i, dice.below(i + 1));
    }
    kills.truncate(if full() { kills.len() } else { 10 });
    let runs = side_by_side(kills, |at| {
        let mut run = stage.run.clone();
        let killed = run.crash(at, Loss::Nothing, None, &mut Dice(0));
        run.kill(at);
        let name = format!("killed-{at}");
        let dir = stage.dir.path().join(&name);
        killed.write(&disks(&dir));
        record(stage.dir.path(), &name, &mut run, stage.files.len());
        let differs = run.differs_from(&disks(&dir));
        assert!(differs.is_empty(), "the model is not what happened: {differs:#?}");
        fs::remove_dir_all(&dir).unwrap();
        Some((at, run))
    });
    let mut outcomes = Vec::new();
    for (at, run) in runs {
        let seen = Mutex::default();
        let mut moments = moments(&run, &mut dice);
        moments.retain(|m| *m >= at);
        let losses = [Loss::All, Loss::Some, Loss::Journal];
        let cases = sample(cases(&moments, &losses, None, &mut dice), 40, &mut dice);
        outcomes.extend(side_by_side(cases, |case| {
            let found = stage.try_state(&run, &case, &seen, false)?;
            Some((case, found))
        }));
    }
    expect_none("killed, started, then cut", outcomes);
}

#[test]
fn documents_that_were_being_filed_are_whole_or_filed_again_after_a_power_cut() {
    let (dir, mut dice, seen) = (workshop(), dice(), Mutex::default());
    let documents = dir.path().join("documents");
    for made in ["documents", "docks"] {
        fs::create_dir_all(dir.path().join(made)).unwrap();
    }
    for (name, len) in [("决定书.pdf", 9_000), ("现场检查笔录.pdf", 2_500_000)] {
        let bytes = [&b"%PDF-1.7\n"[..], &support::footage(len, len as u64)].concat();
        fs::write(documents.join(name), bytes).unwrap();
    }
    let files = recorded("documents", &documents);
    let mut run = Recording::new(DISKS.len());
    disks(&dir.path().join("whole")).iter().for_each(|d| fs::create_dir_all(d).unwrap());
    record(dir.path(), "whole", &mut run, files.len());
    let stage = Stage { dir, files, run };
    let moments = moments(&stage.run, &mut dice);
    for (restart, wanted) in [(false, 150), (true, 8)] {
        let cases = sample(cases(&moments, &Loss::KINDS, None, &mut dice), wanted, &mut dice);
        let outcomes = side_by_side(cases, |case| {
            let found = stage.try_state(&stage.run, &case, &seen, restart)?;
            Some((case, found))
        });
        expect_none(if restart { "documents, after a start" } else { "documents, before a start" }, outcomes);
    }
}

/// The control: each kind of fsync, left out, is missed.
#[test]
fn a_missing_fsync_is_noticed() {
    let (stage, mut dice) = (stage(), dice());
    let moments = moments(&stage.run, &mut dice);
    for class in [Class::VaultFile, Class::VaultDir, Class::Wal, Class::DestinationFile, Class::DestinationDir] {
        assert!(stage.run.count(class) > 0, "the run made no fsync of {class:?}");
        let (seen, noticed) = (Mutex::default(), AtomicUsize::new(0));
        let losses = [Loss::All, Loss::Bytes { zeros: true }];
        let cases = sample(cases(&moments, &losses, Some(class), &mut dice), 400, &mut dice);
        let outcomes = side_by_side(cases, |case| {
            // Five witnesses are enough.
            if noticed.load(Ordering::Relaxed) >= 5 {
                return None;
            }
            let found = stage.try_state(&stage.run, &case, &seen, false)?;
            noticed.fetch_add(usize::from(!found.is_empty()), Ordering::Relaxed);
            found.into_iter().next()
        });
        eprintln!("without fsyncs of {class:?}: {}", outcomes.first().map_or("nothing noticed", String::as_str));
        assert!(!outcomes.is_empty(), "fsyncs of {class:?} can be left out and nobody notices");
    }
}
