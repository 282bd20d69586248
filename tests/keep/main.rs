//! What becomes of clips after their proof, with the real program: copies are read again and mended, locks are renewed,
//! holds and isolation are released by two people, local copies are given up and read back from elsewhere, and a case is
//! fetched with nothing but its bucket.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod evict;
mod fetch;
mod isolate;
mod locks;

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::station::{Station, files_below, text};

/// A directory on another device than the stations' own: a destination there counts as off the box.
pub fn far() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let near = tempfile::tempdir().unwrap();
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    assert_ne!(
        device(dir.path()),
        device(near.path()),
        "/dev/shm must be a file system of its own; point TMPDIR elsewhere"
    );
    dir
}

/// Settings of a folder destination outside of the station's directory.
pub fn folder_at(name: &str, dir: &Path) -> String {
    format!("[[destination]]\nname = \"{name}\"\nkind = \"folder\"\ndir = \"{}\"\n", dir.display())
}

/// The only object whose key ends so, below a folder destination.
pub fn object(dir: &Path, ending: &str) -> PathBuf {
    let mut found: Vec<PathBuf> =
        files_below(dir).into_iter().filter(|f| f.to_str().unwrap().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    found.remove(0)
}

/// The footage of a clip at a folder destination.
pub fn master(dir: &Path, clip: &str) -> PathBuf {
    object(dir, &format!("{clip}/master"))
}

/// An answer of the page: status, head, body as it came.
pub struct Answer {
    /// The code.
    pub status: u16,
    /// Status line and head.
    pub head: String,
    /// What came of the body.
    pub body: Vec<u8>,
}

/// Asks the page, with one more line in the head where there is one.
pub fn get(station: &Station, path: &str, line: &str) -> Answer {
    let log = station.log();
    let url = log.rsplit("page=\"").next().unwrap().split('"').next().unwrap().to_owned();
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = std::net::TcpStream::connect(&host).unwrap();
    let line = if line.is_empty() { String::new() } else { format!("{line}\r\n") };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: en\r\n{line}Connection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A body that breaks off is an answer, too.
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let head = text(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end..].to_vec() }
}

/// Runs a verb as another user of this box; the station's directory is opened to all for that.
pub fn as_another(station: &Station, args: &[&str]) -> Output {
    let open = |path: PathBuf, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(station.path(""), 0o755);
    open(station.path("state"), 0o755);
    open(station.path("evidock.toml"), 0o644);
    open(station.path("state/evidock.sock"), 0o666);
    // The program may stand where only root can look.
    let program = station.path("evidock-of-all");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_evidock"), &program).unwrap();
        open(program.clone(), 0o755);
    }
    Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(program)
        .arg("--config")
        .arg(station.path("evidock.toml"))
        .args(args)
        .env_remove("EVIDOCK_STATE")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Changes a stopped station's database behind its back, as time or a crash would.
pub fn rewrite(station: &Station, sql: &str) {
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute_batch(sql).unwrap();
}

/// The kinds of a clip's events, oldest first.
pub fn events(station: &Station, clip: &str) -> Vec<String> {
    let rows = station.query("SELECT kind FROM log_entry WHERE clip_id = ?1 ORDER BY seq", &[&clip]);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// How often a clip's events are of a kind.
pub fn count(station: &Station, clip: &str, kind: &str) -> usize {
    events(station, clip).iter().filter(|k| *k == kind).count()
}

/// The delivery of a clip to a destination: its state.
pub fn state(station: &Station, clip: &str, destination: &str) -> String {
    station.one("SELECT state FROM delivery WHERE clip_id = ?1 AND destination = ?2", &[&clip, &destination])
}

/// Waits until so many clips have no local copy any more, and none is half gone.
pub fn until_evicted(station: &mut Station, clips: u64) {
    station.until(&format!("{clips} local copies are given up"), |s| {
        s.status()["evicted"]["count"] == clips
            && s.query("SELECT clip_id FROM clip WHERE evict_seq IS NOT NULL", &[]).is_empty()
    });
}

/// The log is whole, whatever happened.
pub fn assert_log_holds(station: &Station) {
    let output = station.evidock(["log", "verify"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Words of an answer in JSON.
pub fn problem(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
