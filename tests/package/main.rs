//! Evidence packages with the real program: others' tools accept what is written, and each of many tamperings is refused
//! by the tools that should refuse it; an export that is killed goes on; clips come from wherever they stand.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

#[path = "../support/mod.rs"]
mod support;

mod aics;
mod asked;
mod bucket;
mod cut;
mod disposed;
mod export;
mod forked;
#[path = "../access/http.rs"]
mod http;
mod left_out;
mod opened;
mod paper;
mod room;
mod rotated;
mod signed;
mod sm3;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use evidock::custody::package::CHECKPOINT;
use serde_json::Value;
use support::footage;
use support::guarded::tools;
use support::station::{Station, dsj, files_below, text};
use support::tsa::Tsa;

/// The case of the package.
pub const CASE: &str = "赵卫罚〔2026〕12号";
/// Another case, to which one of its clips is linked, too.
pub const OTHER: &str = "赵卫罚〔2026〕77号";
/// Why it is asked for.
pub const REASON: &str = "行政诉讼举证";
/// On what basis.
pub const BASIS: &str = "调取证据通知书〔2026〕7号";

/// A finished package with what its readers need.
pub struct Made {
    /// The package.
    pub dir: PathBuf,
    /// The station's public key, as it was learned elsewhere.
    pub trust: PathBuf,
    /// An older checkpoint of the same log, signed like the newest.
    pub older_checkpoint: String,
    /// Size and root of one from between them, which somebody kept off the box, ...
    pub anchor: (u64, String),
    /// ... the file in which it is, ...
    pub kept: PathBuf,
    /// ... and the proof that the package's own goes on from there, as the station gave it.
    pub proof: PathBuf,
    /// Its hashes.
    pub way: Vec<String>,
    /// One that somebody kept who looked later, and the proof that it goes on from the package's.
    pub later: (PathBuf, PathBuf),
    /// The log's entries below the package's checkpoint, as whoever has root has them, ...
    pub entries: Vec<Vec<u8>>,
    /// ... and the box's own key.
    pub key: PathBuf,
    /// Whom its timestamps come from.
    pub tsa: PathBuf,
    /// What `export` answered.
    pub answer: Value,
    _kept: tempfile::TempDir,
}

/// The package, while some test holds it; its folder goes with the last one.
pub fn made() -> Arc<Made> {
    static MADE: Mutex<Weak<Made>> = Mutex::new(Weak::new());
    let mut held = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let made = Arc::new(make());
        *held = Arc::downgrade(&made);
        made
    })
}

fn make() -> Made {
    let kept = tempfile::Builder::new().prefix("evidock-package-").tempdir().unwrap();
    let tsa = Tsa::start();
    let mut station = Station::running(&format!(
        "[custody]\ncheckpoint_interval_s = 1\nsm2 = true\n[custody.timestamp]\nurl = \"{}\"\n",
        tsa.url()
    ));
    // One of the officers holds a certificate, whoever the number burned into the names stands for holds none.
    let officers = station.path("officers.csv");
    fs::write(&officers, "姓名,警号,执法证号,辅助人员\n张三,990001,03013300123,否\n王协,110203,,是\n").unwrap();
    station.json(["register", "import", "officer", officers.to_str().unwrap()]);
    take_in(&mut station, &[300_000, 90_000, 16_384]);
    let clips: Vec<String> = (0..3).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    for clip in &clips[..2] {
        station.json(["link", clip, CASE, "--stage", "调查", "--proves", "现场检查过程"]);
    }
    // One of them proves something in another case first, which is nobody's business here, where nobody said yet what it
    // proves.
    station.json(["link", &clips[2], OTHER, "--stage", "另案环节", "--matter", "另案事项", "--proves", "另案事实"]);
    station.json(["link", &clips[2], CASE]);
    station.json(["annotate", &clips[0], "place=东关街28号", "officer=张三"]);
    station.until("the certificate is on record", |s| s.record(&clips[0])["officer_cert_no"] == "03013300123");
    station.until_proven(3);
    station.until("a timestamp is there", |s| !s.query("SELECT size FROM timestamp", &[]).is_empty());
    let older_checkpoint = station.json(["log", "checkpoint"])["note"].as_str().unwrap().to_owned();
    station.json(["retry"]);
    let anchored = |s: &Station| s.json(["log", "checkpoint"])["note"].as_str().unwrap().to_owned();
    station.until("a newer checkpoint is signed", |s| head_of(&anchored(s)).0 > head_of(&older_checkpoint).0);
    let kept_note = anchored(&station);
    let anchor = head_of(&kept_note);
    station.json(["retry"]);
    let dir = kept.path().join("package");
    let answer = export(&station, &dir);
    let newest = head_of(&fs::read_to_string(dir.join(CHECKPOINT)).unwrap()).0;
    assert!(newest > anchor.0, "{newest} and {}", anchor.0);
    let kept_path = kept.path().join("kept.note");
    fs::write(&kept_path, kept_note).unwrap();
    let own = dir.join(CHECKPOINT);
    let (way, proof) = way(&station, &kept_path, &own, &kept.path().join("to-package"));
    station.json(["retry"]);
    station.until("a checkpoint after the package is signed", |s| head_of(&anchored(s)).0 > newest);
    let later = kept.path().join("later.note");
    fs::write(&later, anchored(&station)).unwrap();
    let later_proof = self::way(&station, &own, &later, &kept.path().join("from-package")).1;
    let rows =
        station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE seq < ?1 ORDER BY seq", &[&(newest as i64)]);
    let entries = rows.into_iter().map(|mut row| row.remove(0).into_bytes()).collect();
    let (trust, ca, key) = (kept.path().join("station.pub"), kept.path().join("ca.crt"), kept.path().join("log.key"));
    fs::copy(station.path("state/log.key.pub"), &trust).unwrap();
    fs::copy(station.path("state/log.key"), &key).unwrap();
    fs::copy(tsa.ca(), &ca).unwrap();
    let (kept_file, later) = (kept_path, (later, later_proof));
    Made {
        dir,
        trust,
        older_checkpoint,
        anchor,
        kept: kept_file,
        proof,
        way,
        later,
        entries,
        key,
        tsa: ca,
        answer,
        _kept: kept,
    }
}

/// Size and root, base64, of a checkpoint.
pub fn head_of(note: &str) -> (u64, String) {
    let mut lines = note.lines().skip(1);
    let size = lines.next().and_then(|size| size.parse().ok());
    (size.unwrap_or_else(|| panic!("no checkpoint: {note}")), lines.next().unwrap().to_owned())
}

/// The proof that the log goes on from one checkpoint to another, as the station gives it to whoever asks: its hashes, base64,
/// and the file.
fn way(station: &Station, old: &Path, new: &Path, to: &Path) -> (Vec<String>, PathBuf) {
    let files = [old, new, to].map(|path| path.to_str().unwrap());
    let answer = station.json(["log", "prove", "--from", files[0], "--until", files[1], "--to", files[2]]);
    let lines = answer["proof"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    (lines.collect(), to.join("consistency"))
}

/// Takes clips of these lengths in.
pub fn take_in(station: &mut Station, lengths: &[usize]) {
    let card = station.card("a");
    for (n, len) in lengths.iter().enumerate() {
        card.file(dsj("36NCC009910", &format!("0912{n:02}")), footage(*len, n as u64 + 1), 90 - n as u64);
    }
    station.dock("a");
    station.until_proven(lengths.len() as u64);
}

/// Bytes of files below a folder, also while others write there.
pub fn written(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => written(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Exports the case; must succeed.
pub fn export(station: &Station, to: &Path) -> Value {
    station.json([
        "export",
        "--case",
        CASE,
        "--to",
        to.to_str().unwrap(),
        "--reason",
        REASON,
        "--basis",
        BASIS,
        "--recipient",
        "县人民法院",
    ])
}

/// Runs a program in a folder; whether it ended well, and what it said.
pub fn run(program: &Path, args: &[&str], dir: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|e| panic!("{} cannot be started ({e}): run `scripts/setup test`", program.display()));
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Whether the reference validator takes the folder for a bag.
pub fn bagit(dir: &Path) -> (bool, String) {
    run(&tools().join("python-readers/bin/python"), &["-m", "bagit", "--validate", dir.to_str().unwrap()], dir)
}

/// `sha256sum -c` of both lists.
pub fn sha256sum(dir: &Path) -> (bool, String) {
    let (one, told) = run(Path::new("sha256sum"), &["--strict", "-c", "manifest-sha256.txt"], dir);
    let (other, more) = run(Path::new("sha256sum"), &["--strict", "-c", "tagmanifest-sha256.txt"], dir);
    (one && other, told + &more)
}

/// `b3sum -c` of the payload.
pub fn b3sum(dir: &Path) -> (bool, String) {
    run(Path::new("b3sum"), &["-c", "blake3sums.txt"], dir)
}

/// `evidock import-check`, on a machine that has nothing else.
pub fn import_check(dir: &Path, trust: Option<&Path>) -> (i32, Value) {
    checked(&[dir], trust, &[])
}

/// The same of several discs at once.
pub fn import_check_together(discs: &[&Path], trust: Option<&Path>) -> (i32, Value) {
    checked(discs, trust, &[])
}

/// The same with other files beside the key, by the options that take them.
pub fn import_check_with(dir: &Path, trust: Option<&Path>, more: &[(&str, &Path)]) -> (i32, Value) {
    checked(&[dir], trust, more)
}

fn checked(discs: &[&Path], trust: Option<&Path>, more: &[(&str, &Path)]) -> (i32, Value) {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evidock"));
    command.args(["import-check", "--json"]).args(discs).current_dir(empty.path()).env_clear();
    for (option, path) in trust.map(|trust| ("--trust", trust)).into_iter().chain(more.iter().copied()) {
        command.arg(option).arg(path);
    }
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    (output.status.code().unwrap(), report)
}

/// The only timestamp of a package: what was stamped, and the reply.
pub fn stamped(dir: &Path) -> (PathBuf, PathBuf) {
    let files = files_below(&dir.join("custody/timestamps"));
    let ending = |e: &str| files.iter().find(|f| f.extension().is_some_and(|x| x == e)).unwrap().clone();
    (ending("txt"), ending("tsr"))
}

/// Numbers of the events in clear.
pub fn events(dir: &Path) -> Vec<u64> {
    let mut numbers: Vec<u64> = files_below(&dir.join("custody/events"))
        .iter()
        .map(|f| f.file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
