//! `kill -9` at any moment: the real binary takes in recorders, is killed at moments drawn over the length of a
//! whole run and at events seen from outside, and is started again until a run comes to its end. After each
//! kill what the database says must be so; at the end everything on both sides is compared.
//!
//! The seed is printed; `EVIDOCK_TEST_SEED` sets it. `EVIDOCK_TEST_FULL=1` kills more often.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // A test that cannot go on fails, and says its seed.

use crate::support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evidock::deliver::s3::S3Destination;
use evidock::domain::ids::StationId;
use evidock::domain::ports::Destination;
use evidock::runtime::clock::monotonic;
use futures_util::StreamExt;
use rusqlite::Connection;
use support::audit::{Folder, Objects, Recorded, Site, files, recorded};
use support::daemon::{BINARY, Daemon, Places, workshop};
use support::replay::Dice;
use support::weed::{ACCESS_KEY, SECRET_KEY, Weed};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long an event may be waited for before the kill comes anyway.
const EVENT_PATIENCE: Duration = Duration::from_secs(10);

fn full() -> bool {
    std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1")
}

fn dice() -> Dice {
    let given = std::env::var("EVIDOCK_TEST_SEED").ok().map(|s| s.parse().expect("EVIDOCK_TEST_SEED is a number"));
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("EVIDOCK_TEST_SEED={seed}");
    Dice(seed)
}

/// Two recorders: a dozen clips from nothing to 24 MB, two of them with the same bytes, and a log.
fn make_recorders(dir: &Path, dice: &mut Dice) -> Recorded {
    let mut all = Recorded::new();
    let sizes = [0, 1, 16_384, 16_385, 300_000, 999_999, 3 << 20, 5_000_000, 9 << 20, 12_345_678, 16 << 20, 24 << 20];
    for (n, recorder) in ["A0001234", "B0005678"].into_iter().enumerate() {
        let bay = dir.join(format!("bay-{n}"));
        let clips = bay.join("DCIM/VIDEO/2026-11-20");
        fs::create_dir_all(&clips).unwrap();
        fs::create_dir_all(bay.join("LOG")).unwrap();
        for (i, size) in sizes.iter().enumerate().filter(|(i, _)| i % 2 == n) {
            let bytes = support::footage(*size, dice.roll());
            fs::write(clips.join(format!("DSJ_{recorder}_100001_20261120_1000{i:02}.mp4")), &bytes).unwrap();
            if *size == 3 << 20 {
                fs::write(clips.join(format!("DSJ_{recorder}_100001_20261120_1100{i:02}.mp4")), &bytes).unwrap();
            }
        }
        fs::write(bay.join("LOG/20261120.log"), "10:00:00 on\n").unwrap();
        all.extend(recorded(recorder, &bay));
    }
    all
}

/// Links every clip of both recorders to a case.
const ROSTER: &str = "officer,recorder,from,to,case,place,matter\n\
张三,A0001234,2026-11-20 08:00,2026-11-20 18:00,赵卫罚〔2026〕12号,人民路1号,巡查\n\
李四,B0005678,2026-11-20 08:00,2026-11-20 18:00,赵卫罚〔2026〕13号,人民路2号,巡查\n";

/// When to kill.
#[derive(Debug, Clone, Copy)]
enum When {
    After(Duration),
    /// A little after something was seen from outside.
    Seen(Event, Duration),
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A new `.part` in the vault.
    Part,
    /// A new file under its own name in the vault.
    Sealed,
    /// An upload under way at the destination.
    Upload,
    /// A new object at the destination.
    Object,
    /// A delivery more that is proven.
    Proven,
}

impl Event {
    const ALL: [Self; 5] = [Self::Part, Self::Sealed, Self::Upload, Self::Object, Self::Proven];

    /// How far this kind of thing has come; an event is a step of it.
    fn count(self, places: &Places, nas: &Path) -> usize {
        let named = |dir: PathBuf, wanted: &dyn Fn(&str) -> bool| {
            files(&dir).into_iter().filter(|f| f.file_name().and_then(|n| n.to_str()).is_some_and(wanted)).count()
        };
        let vault = places.state.join("vault/clips");
        match self {
            Self::Part => named(vault, &|n| n.ends_with(".part") && !n.ends_with(".tree.part")),
            Self::Sealed => named(vault, &|n| !n.contains('.')),
            Self::Upload => named(nas.join(".uploads"), &|n| n.ends_with(".part")),
            Self::Object => named(nas.join("v1"), &|n| n == "master"),
            Self::Proven => places.ask("SELECT count(*) FROM delivery WHERE state = 'proven'").unwrap_or(0) as usize,
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    places: Places,
    nas: PathBuf,
    files: Recorded,
}

impl Bench {
    fn new(dice: &mut Dice, more_destinations: &str) -> Self {
        let dir = workshop();
        let files = make_recorders(&dir.path().join("docks"), dice);
        let nas = dir.path().join("nas");
        let destinations = Places::folder("nas", &nas) + more_destinations;
        let state = dir.path().join("state");
        let places = Places::new(&dir.path().join("etc"), state, &dir.path().join("docks"), &destinations);
        Self { dir, places, nas, files }
    }

    /// Forgets everything but the recorders.
    fn wipe(&self) {
        for dir in [&self.places.state, &self.nas] {
            let end = monotonic() + PATIENCE;
            // A media worker ends when it notices that its daemon is gone, and may write until then.
            while let Err(e) = fs::remove_dir_all(dir) {
                if e.kind() == std::io::ErrorKind::NotFound {
                    break;
                }
                assert!(monotonic() < end, "{}: {e}", dir.display());
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn import_roster(&self) {
        let roster = self.dir.path().join("roster.csv");
        fs::write(&roster, ROSTER).unwrap();
        let end = monotonic() + PATIENCE;
        loop {
            let mut import = Command::new(BINARY);
            import.arg("--config").arg(&self.places.config).args(["roster", "import"]).arg(&roster);
            let output = import.output().unwrap();
            if output.status.success() {
                return;
            }
            // The daemon does not listen from its first moment on.
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(words.contains("no daemon answers") && monotonic() < end, "{words}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until every clip that the roster speaks of is linked; logs are not.
    fn until_linked(&self) -> Result<(), String> {
        let clips = self.files.keys().filter(|(_, path)| path.ends_with(b".mp4")).count();
        let end = monotonic() + PATIENCE;
        loop {
            let linked = self.places.ask("SELECT count(DISTINCT clip_id) FROM case_link WHERE withdrawn = 0");
            if linked == Some(clips as i64) {
                return Ok(());
            }
            if monotonic() > end {
                return Err(format!("{linked:?} clips are linked, {clips} should be"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait(&self, daemon: &mut Daemon, when: When) {
        let pause = Duration::from_millis(2);
        match when {
            When::After(delay) => std::thread::sleep(delay),
            When::Seen(event, delay) => {
                let (before, end) = (event.count(&self.places, &self.nas), monotonic() + EVENT_PATIENCE);
                // `.part` files come and go; anything else than before is an event.
                while event.count(&self.places, &self.nas) == before && monotonic() < end && !daemon.ended() {
                    std::thread::sleep(pause);
                }
                std::thread::sleep(delay);
            }
        }
        assert!(!daemon.ended(), "the daemon ended by itself:\n{}", self.places.last_words());
    }
}

fn site<'a>(bench: &'a Bench, destinations: Vec<(&'static str, &'a dyn Objects)>) -> Site<'a> {
    let station = StationId::new("crash-1").unwrap();
    Site { station, state: bench.places.state.clone(), destinations, recorded: &bench.files }
}

/// Number of events, and the root over them as stored: what a later log must begin with.
fn log_so_far(state: &Path) -> Vec<(i64, Vec<u8>)> {
    if !state.join("evidock.db").exists() {
        return Vec::new();
    }
    let db = Connection::open(state.join("evidock.db")).unwrap();
    let Ok(mut statement) = db.prepare("SELECT seq, bytes FROM log_entry ORDER BY seq") else { return Vec::new() };
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A bucket of a real S3 server.
struct Bucket {
    runtime: tokio::runtime::Runtime,
    dest: S3Destination,
}

impl Objects for Bucket {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.runtime.block_on(async {
            let mut stream = self.dest.read(key, None).await.ok()?;
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            Some(bytes)
        })
    }

    fn list(&self, prefix: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let mut keys: Vec<String> = Vec::new();
            loop {
                let page = self.dest.list(prefix, keys.last().map(String::as_str)).await.unwrap();
                if page.is_empty() {
                    return keys;
                }
                keys.extend(page);
            }
        })
    }
}

/// The same against a real S3 server beside the folder: uploads in parts are what a kill can cut in two.
#[test]
fn a_real_s3_server_is_left_with_whole_objects() {
    let mut dice = dice();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let weed = runtime.block_on(Weed::start());
    runtime.block_on(weed.make_bucket("killed"));
    let keys = tempfile::tempdir().unwrap();
    for (name, key) in [("access", ACCESS_KEY), ("secret", SECRET_KEY)] {
        let path = keys.path().join(name);
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let table = format!(
        "[[destination]]\nname = \"weed\"\nkind = \"s3\"\nendpoint = \"http://{}\"\nbucket = \"killed\"\naccess_key_file = \"{}\"\nsecret_key_file = \"{}\"\n",
        weed.address(),
        keys.path().join("access").display(),
        keys.path().join("secret").display(),
    );
    let bench = Bench::new(&mut dice, &table);
    let bucket = Bucket { runtime, dest: S3Destination::new(weed.options("killed")).unwrap() };
    let folder = Folder(bench.nas.clone());
    let destinations = || -> Vec<(&'static str, &dyn Objects)> { vec![("nas", &folder), ("weed", &bucket)] };

    let acknowledged = "SELECT count(*) FROM upload_part WHERE destination = 'weed' AND acked_ms IS NOT NULL";
    for n in 0..if full() { 40 } else { 5 } {
        let mut daemon = bench.places.start(&[]);
        if dice.below(2) == 0 {
            bench.wait(&mut daemon, When::After(Duration::from_millis(dice.below(4000) as u64)));
        } else {
            // Between two parts, which is where there is something to go on from.
            let (before, end) = (bench.places.ask(acknowledged), monotonic() + EVENT_PATIENCE);
            while bench.places.ask(acknowledged) == before && monotonic() < end {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        daemon.kill();
        let found = site(&bench, destinations()).audit();
        assert!(found.is_empty(), "kill {n}: {found:#?}");
    }
    let mut daemon = bench.places.start(&[]);
    daemon.until_done(bench.files.len(), PATIENCE).unwrap();
    daemon.kill();
    let found = site(&bench, destinations()).complete();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_lost_and_nothing_is_there_twice() {
    let mut dice = dice();
    let bench = Bench::new(&mut dice, "");
    let folder = Folder(bench.nas.clone());
    let destinations = || -> Vec<(&'static str, &dyn Objects)> { vec![("nas", &folder)] };

    // How long a whole run takes here and now.
    let begun = monotonic();
    let mut daemon = bench.places.start(&[]);
    daemon.until_done(bench.files.len(), PATIENCE).unwrap();
    let whole = begun.elapsed();
    daemon.kill();
    eprintln!("a whole run takes {whole:?}");

    let (mut kills, wanted, mut round) = (0, if full() { 250 } else { 25 }, 0);
    while kills < wanted {
        round += 1;
        bench.wipe();
        let mut known: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut imported = false;
        // Several kills to one life of the station: each next run goes on where the last one was.
        for _ in 0..1 + dice.below(4) {
            let when = if dice.below(2) == 0 {
                When::After(whole.mul_f64(dice.below(1000) as f64 / 1000.0))
            } else {
                let event = Event::ALL[dice.below(Event::ALL.len())];
                When::Seen(event, Duration::from_micros(dice.below(30_000) as u64))
            };
            let mut daemon = bench.places.start(&[]);
            if !imported && dice.below(2) == 0 {
                // What was acknowledged must survive the kill.
                bench.import_roster();
                imported = true;
            }
            bench.wait(&mut daemon, when);
            let finished = bench.places.is_done(bench.files.len());
            daemon.kill();
            kills += 1;
            let found = site(&bench, destinations()).audit();
            assert!(found.is_empty(), "round {round}, killed {when:?}: {found:#?}");
            let now = log_so_far(&bench.places.state);
            assert!(now.starts_with(&known), "round {round}, killed {when:?}: the log lost or changed events");
            known = now;
            if finished {
                break;
            }
        }
        let mut daemon = bench.places.start(&[]);
        daemon.until_done(bench.files.len(), PATIENCE).unwrap_or_else(|e| panic!("round {round}: {e}"));
        if !imported {
            bench.import_roster();
        }
        // Case entries and the revisions that name the case are part of what must be there.
        bench.until_linked().unwrap_or_else(|e| panic!("round {round}: {e}"));
        daemon.stop();
        // What the clerk wrote while stopping goes out with the next start.
        let mut daemon = bench.places.start(&[]);
        daemon.until_done(bench.files.len(), PATIENCE).unwrap_or_else(|e| panic!("round {round}: {e}"));
        daemon.stop();
        let found = site(&bench, destinations()).complete();
        assert!(found.is_empty(), "round {round}: {found:#?}");
        assert!(log_so_far(&bench.places.state).starts_with(&known), "round {round}: the log lost events");
    }
    eprintln!("{kills} kills in {round} rounds");
}
