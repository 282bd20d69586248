//! The real `evidock` binary as a child process: configured, started, watched through its database, killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use rusqlite::{Connection, OpenFlags};

use super::plugins;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_evidock");

/// Where one station keeps its things.
#[derive(Debug, Clone)]
pub struct Places {
    /// Its configuration file.
    pub config: PathBuf,
    /// Its state directory.
    pub state: PathBuf,
    /// What it says.
    pub log: PathBuf,
}

impl Places {
    /// Writes a configuration into `dir` that is quick: short waits, progress made durable each megabyte.
    /// `destinations` is the text of their tables.
    pub fn new(dir: &Path, state: PathBuf, docks: &Path, destinations: &str) -> Self {
        let config = dir.join("evidock.toml");
        let text = format!(
            r#"
[station]
id = "crash-1"
agency = "test"
state_dir = "{}"
[vault]
reserve_gb = 1
checkpoint_mb = 1
[source.folder]
dir = "{}"
poll_ms = 50
still_after_ms = 0
[custody]
checkpoint_interval_s = 1
[upload]
retry_min_s = 1
retry_max_s = 2
[web]
listen = "127.0.0.1:0"
{destinations}
"#,
            state.display(),
            docks.display()
        );
        fs::create_dir_all(dir).unwrap();
        fs::write(&config, text).unwrap();
        Self { config, state, log: dir.join("log") }
    }

    /// The table of a folder destination.
    pub fn folder(name: &str, dir: &Path) -> String {
        format!("[[destination]]\nname = \"{name}\"\nkind = \"folder\"\ndir = \"{}\"\n", dir.display())
    }

    /// Starts the daemon; `before` is the command that starts it in turn (a tracer), if any.
    pub fn start(&self, before: &[&str]) -> Daemon {
        let words: Vec<&str> = before.iter().copied().chain([BINARY]).collect();
        // What a tracer saw is played again from nothing.
        if before.is_empty() {
            plugins::known(&self.state);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(&self.config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{} cannot be started ({e}): run `scripts/setup test`", words[0]));
        Daemon { child, places: self.clone(), traced: !before.is_empty() }
    }

    /// One number from the database of a daemon that may be running; `None` where there is none yet.
    pub fn ask(&self, sql: &str) -> Option<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(self.state.join("evidock.db"), flags).ok()?;
        db.busy_timeout(Duration::from_secs(5)).ok()?;
        db.query_row(sql, [], |r| r.get(0)).ok()
    }

    /// Whether so many clips are sealed and everything that follows from it is done.
    pub fn is_done(&self, clips: usize) -> bool {
        let sql = "SELECT (SELECT count(*) FROM clip WHERE local = 'copying') * 1000000
              + (SELECT count(*) FROM clip WHERE record_stale = 1 OR record_rev = 0) * 10000
              + (SELECT count(*) FROM delivery WHERE state <> 'proven') * 10000
              + (SELECT count(*) FROM outbox WHERE stored_ms IS NULL) * 10000
              + (SELECT count(*) FROM clip WHERE local = 'sealed')";
        self.ask(sql) == Some(clips as i64)
    }

    /// The last lines that the daemon said.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    places: Places,
    traced: bool,
}

/// Whether a process has a handler for SIGTERM (proc(5), `SigCgt`).
fn catches_term(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).map(str::trim);
    caught.and_then(|c| u64::from_str_radix(c, 16).ok()).is_some_and(|c| c >> 14 & 1 == 1)
}

impl Daemon {
    /// Waits until so many clips are taken in, sent and proven, and every small object is stored.
    pub fn until_done(&mut self, clips: usize, within: Duration) -> Result<(), String> {
        let end = monotonic() + within;
        while !self.places.is_done(clips) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("the daemon ended ({status}); its last words:\n{}", self.places.last_words()));
            }
            if monotonic() > end {
                return Err(format!("not done after {within:?}; last words:\n{}", self.places.last_words()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The daemon's own process: what was started, or the one child of its tracer.
    ///
    /// A tracer that starts first tries its means on children of its own, which end at once, and its child is a
    /// copy of itself until it runs the program: neither counts.
    fn process(&self) -> Option<u32> {
        let started = self.child.id();
        if !self.traced {
            return Some(started);
        }
        let children = fs::read_to_string(format!("/proc/{started}/task/{started}/children")).unwrap_or_default();
        let child: u32 = children.trim().parse().ok()?;
        let program = fs::read_link(format!("/proc/{child}/exe")).ok()?;
        program.ends_with("evidock").then_some(child)
    }

    /// SIGTERM to the daemon itself, not to its tracer; waits for its end.
    pub fn stop(mut self) {
        // Where an earlier run left nothing to do, this one may be asked before it listens for being asked.
        let end = monotonic() + Duration::from_secs(90);
        let process = loop {
            if let Some(id) = self.process().filter(|id| catches_term(*id)) {
                break rustix::process::Pid::from_raw(id as i32).unwrap();
            }
            assert!(monotonic() < end, "the daemon does not listen to SIGTERM:\n{}", self.places.last_words());
            std::thread::sleep(Duration::from_millis(5));
        };
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "an orderly stop ended with {status}:\n{}", self.places.last_words());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where many small files are written and synced: memory, where it is there and roomy, else the usual place.
pub fn workshop() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let roomy = rustix::fs::statvfs(memory).is_ok_and(|s| s.f_bavail * s.f_frsize > 2 << 30);
    let builder = &mut tempfile::Builder::new();
    let builder = builder.prefix("evidock-crash-");
    if roomy { builder.tempdir_in(memory) } else { builder.tempdir() }.unwrap()
}
