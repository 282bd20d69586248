//! The drill of docs/restore.md with the real program: footage is taken in, backed up, more is taken in, the state
//! directory and the vault go, and the station comes back. What is told must be so: what every case still finds, what
//! the log lost, what is lost for good, and that nobody writes beside the restored station.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use serde_json::Value;
use support::footage;
use support::station::{Station, dsj, files_below, flip, folder, s3, text};
use support::weed::Weed;

const CASE: &str = "赵卫罚〔2026〕12号";
const OTHER: &str = "赵卫罚〔2026〕13号";
const ROSTER: &str = "\
officer,recorder,from,to,case,place,matter,proves
张三,36NCC009910,2026-06-19 09:00,2026-06-19 11:00,赵卫罚[2026]12号,东关街12号,现场检查,现场检查的过程
李四,36NCC009911,2026-06-19 09:00,2026-06-19 11:00,赵卫罚[2026]13号,西关街3号,现场检查,现场检查的过程
";
/// Verifies the log as whoever knows of the restore does.
const KNOWN: [&str; 4] = ["log", "verify", "--accept-epoch", "2"];
const ONE: &str = "36NCC009910";
const TWO: &str = "36NCC009911";

/// Settings that every station here shares: backups for a new key pair, whose secret half is written to `identity`.
fn with_backups(station: &Station, destinations: &str, more: &str) -> String {
    let output = station.evidock(["backup", "keygen", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let pair: Value = serde_json::from_slice(&output.stdout).unwrap();
    fs::write(station.path("identity"), pair["identity"].as_str().unwrap()).unwrap();
    let recipient = pair["recipient"].as_str().unwrap();
    let settings = format!(
        "{destinations}\n[backup]\nrecipient = \"{recipient}\"\n{more}\n[custody]\ncheckpoint_interval_s = 1\n"
    );
    station.configure(&settings);
    settings
}

/// Puts `nas` on another device than the station, in memory, where it counts as off the box; it goes with what is given.
fn nas_elsewhere(station: &Station) -> tempfile::TempDir {
    use std::os::unix::fs::MetadataExt;
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(far.path()), device(&station.path("")), "/dev/shm must be a file system of its own");
    std::os::unix::fs::symlink(far.path(), station.path("nas")).unwrap();
    far
}

/// A recorder with clips of these times; each clip's bytes follow from its recorder and time.
fn recorder(station: &Station, bay: &str, device: &str, times: &[&str]) {
    let card = station.card(bay);
    for time in times {
        let seed = device.bytes().chain(time.bytes()).fold(7u64, |sum, b| sum.wrapping_mul(31) + u64::from(b));
        card.file(dsj(device, time), footage(100_000 + (seed % 1_000) as usize, seed), 0);
    }
}

/// Docks a recorder, waits until it may be taken, and takes it.
fn take_in(station: &mut Station, bay: &str, proven: u64) {
    station.dock(bay);
    station.until_safe(bay);
    station.until_proven(proven);
    station.undock(bay);
}

/// What must come back of each clip of a case, by id.
fn told(station: &Station, case: &str) -> BTreeMap<String, Vec<String>> {
    let fields = [
        "blake3",
        "sha256",
        "size_bytes",
        "officer",
        "place",
        "proves",
        "case_no",
        "captured_start",
        "original_path",
        "state",
    ];
    station
        .find(case)
        .into_iter()
        .map(|r| (r["record_id"].as_str().unwrap().to_owned(), fields.iter().map(|f| r[*f].to_string()).collect()))
        .collect()
}

/// The disk dies: everything that the station kept on the box is gone, from one moment to the next, whatever a worker
/// that has not ended yet still does there.
fn lose_the_disk(station: &mut Station) {
    station.kill();
    let graves = fs::read_dir(station.path("")).unwrap().count();
    fs::rename(station.path("state"), station.path(format!("dead-{graves}"))).unwrap();
}

fn restore<const N: usize>(station: &Station, from: &str, more: [&str; N]) -> Value {
    let args = ["restore", "--from", from, "--json"].into_iter().chain(more);
    let output = station.evidock(args);
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

fn kinds(report: &Value, of: &str) -> Vec<String> {
    report[of]["counts"].as_object().unwrap().keys().cloned().collect()
}

/// The whole drill at a destination that is configured by `destinations` and called `cloud`.
fn drill(mut station: Station, destinations: &str) -> Station {
    let settings = with_backups(&station, destinations, "");
    station.start();
    fs::write(station.path("roster.csv"), ROSTER).unwrap();
    station.json(["roster", "import", "roster.csv"]);
    recorder(&station, "bay-1", ONE, &["091200", "092700"]);
    recorder(&station, "bay-2", TWO, &["091500", "093000"]);
    take_in(&mut station, "bay-1", 2);
    let made = station.json(["backup", "now"]);
    assert_eq!(
        (made["copies"][0]["destination"].as_str(), made["copies"][0]["state"].as_str()),
        (Some("cloud"), Some("proven")),
        "{made}"
    );

    let backup = made["backup"].clone();
    assert_eq!(backup.as_str().and_then(|b| b.split_once('/')).map(|b| b.0), Some("1"));

    // After the backup: more footage, and words about what was there before.
    take_in(&mut station, "bay-2", 4);
    let early = station.clip(dsj(ONE, "091200"));
    let late = station.clip(dsj(ONE, "092700"));
    station.json(["annotate", &early, "place=东关街28号"]);
    station.json(["unlink", &late, CASE, "--reason", "案号录入有误"]);
    station.json(["link", &late, OTHER, "--proves", "现场检查过程"]);
    station.until_proven(4);
    let (before, other_before) = (told(&station, CASE), told(&station, OTHER));
    assert_eq!((before.len(), other_before.len()), (1, 3), "{before:?} {other_before:?}");
    let public = fs::read_to_string(station.path("state/log.key.pub")).unwrap();
    fs::write(station.path("kept.pub"), &public).unwrap();
    // A copy of the box as it was: it comes back at the end.
    station.stop();
    copy_dir(&station.path("state"), &station.path("stale"));
    station.start();
    // The checkpoint of the stop tells how much a backup of before lacks.
    station.until("the last checkpoint is anchored", |s| s.status()["outbox"] == 0);
    lose_the_disk(&mut station);

    // A slip with the key is told before anything is made.
    fs::write(station.path("wrong"), station.json_of_keygen()).unwrap();
    let (_, error) = station.refused(4, ["restore", "--from", "cloud", "--identity", "wrong"]);
    assert!(error.contains("this identity does not open the backup"), "{error}");
    assert!(!station.path("state/evidock.db").exists());

    let report = restore(&station, "cloud", ["--identity", "identity", "--trust", "kept.pub", "--verify"]);
    assert_eq!((&report["epoch"], &report["backup"]), (&2.into(), &backup), "{report}");
    assert_eq!((&report["new_clips"], &report["newer_clips"]), (&2.into(), &2.into()), "{report}");
    assert_eq!((&report["elsewhere"], &report["here"], &report["lost"]), (&4.into(), &0.into(), &0.into()), "{report}");
    assert_eq!((&report["without_tree"], &report["verified"]), (&0.into(), &4.into()), "{report}");
    assert!(report["lost_events"].as_u64().unwrap() > 0 && report["new_key"] == true, "{report}");
    assert_eq!((count(&report["odd_records"]), count(&report["warnings"])), (0, 0), "{report}");
    assert!(!station.path("state/restore").exists());
    let (_, error) = station.refused(1, ["restore", "--from", "cloud", "--identity", "identity"]);
    assert!(error.contains("a station that lives"), "{error}");

    // Every case is found again, as it was, and its trees stand here for whoever reads ranges.
    station.start();
    assert_eq!(told(&station, CASE), before);
    assert_eq!(told(&station, OTHER), other_before);
    assert_eq!(station.query("SELECT local, count(*) FROM clip GROUP BY local", &[]), [["evicted", "4"]]);
    assert_eq!(files_below(&station.path("state/vault/clips")).len(), 4, "four trees");
    let rosters = station.one("SELECT count(*) FROM roster", &[]);
    assert_eq!(rosters, "2", "the backup brought the roster back");

    // The log says what it lost, and nothing else is wrong with it.
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    // That is said until whoever knows of the restore says so; nothing in the log can show that it was one.
    let (log, _) = station.refused(7, ["log", "verify"]);
    assert_eq!((&log["intact"], &log["verdict"]), (&false.into(), &"loss".into()), "{log}");
    assert_eq!((kinds(&log, "problems").len(), &log["losses"][0]["epoch"]), (0, &2.into()), "{log}");
    let log = station.json(KNOWN);
    assert_eq!((&log["intact"], &log["verdict"]), (&true.into(), &"intact".into()), "{log}");
    assert!(kinds(&log, "notices").contains(&"declared_loss".to_owned()), "{log}");
    assert!(!station.log().contains("log_epoch"), "a restore here began it, and owns up to what stands there");
    let epochs: Vec<u64> = log["epochs"].as_array().unwrap().iter().map(|e| e["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2]);
    let first = station
        .one("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'epoch.opened' ORDER BY seq DESC LIMIT 1", &[]);
    let first: Value = serde_json::from_str(&first).unwrap();
    let anchored = &first["body"]["restored"]["anchored"];
    assert_eq!((&anchored["epoch"], &first["epoch"]), (&1.into(), &2.into()), "{first}");
    assert_eq!(anchored["size"], first["body"]["lost"][0]["size"], "{first}");

    // The bytes are in the cloud, whoever asks.
    for case in [CASE, OTHER] {
        let verified = station.evidock(["verify", "--case", case, "--from", "cloud"]);
        assert!(verified.status.success(), "{}", text(&verified.stderr));
    }

    // The same recorders come back, one with something new: only that is a new clip.
    let known: Vec<String> = station.query("SELECT clip_id FROM clip", &[]).concat();
    recorder(&station, "bay-2", TWO, &["094500"]);
    take_in(&mut station, "bay-1", 4);
    take_in(&mut station, "bay-2", 5);
    let now: Vec<String> = station.query("SELECT clip_id FROM clip ORDER BY clip_id", &[]).concat();
    let fresh: Vec<&String> = now.iter().filter(|id| !known.contains(id)).collect();
    assert_eq!((now.len(), fresh.len()), (5, 1), "{now:?}");
    assert_eq!(station.clip(dsj(TWO, "094500")), *fresh[0]);
    assert_eq!(station.one("SELECT count(*) FROM log_entry WHERE kind = 'clip.duplicate'", &[]), "4");
    // And words of people reach the cloud under keys that nobody used before.
    station.json(["annotate", &early, "place=东关街30号"]);
    station.until_proven(5);
    assert_eq!(station.one("SELECT count(*) FROM outbox WHERE error IS NOT NULL", &[]), "0");
    let there = station.evidock(["find", "--case", CASE, "--from", "cloud", "--json"]);
    let there: Value = serde_json::from_slice(&there.stdout).unwrap();
    assert_eq!(there[0]["place"], "东关街30号", "the newest revision wins: {there}");
    let made = station.json(["backup", "now"]);
    assert_eq!((&made["epoch"], &made["copies"][0]["state"]), (&2.into(), &"proven".into()), "{made}");
    station.stop();

    // The old box is found and switched on: it notices, and writes nothing.
    station.configure(&format!("=state_dir = \"stale\"\n{settings}"));
    for _ in 0..2 {
        station.launch();
        assert!(!station.ended().success());
    }
    let log = station.log();
    assert!(log.contains("was restored elsewhere and goes on there in epoch 2"), "{log}");
    station.configure(&settings);
    station.start();
    station.until("the log is anchored", |s| s.status()["outbox"] == 0);
    assert_eq!(station.json(KNOWN)["intact"], true, "nothing was written beside the restored station");
    station
}

fn copy_dir(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

trait Keygen {
    fn json_of_keygen(&self) -> String;
}

impl Keygen for Station {
    /// The secret half of another pair.
    fn json_of_keygen(&self) -> String {
        let output = self.evidock(["backup", "keygen", "--json"]);
        let pair: Value = serde_json::from_slice(&output.stdout).unwrap();
        pair["identity"].as_str().unwrap().to_owned()
    }
}

#[test]
fn the_drill_with_a_folder() {
    let station = Station::new("");
    let _far = nas_elsewhere(&station);
    drop(drill(station, &folder("cloud", "nas")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drill_with_an_s3_store() {
    let weed = Weed::start().await;
    weed.make_bucket("drill").await;
    let station = Station::new("");
    let settings = s3(&station, "cloud", &format!("http://{}", weed.address()), "drill", Weed::keys());
    drop(evidock::runtime::task::blocking("drill", move || drill(station, &settings)).await.unwrap());
}

/// The packed database of each backup in a folder, oldest first.
fn packed(station: &Station) -> Vec<PathBuf> {
    let mut files = files_below(&station.path("nas/v1/test-01/backup"));
    files.retain(|f| f.file_name().is_some_and(|name| name == "database"));
    files.sort();
    files
}

/// Waits until the backup of the epoch that began last, which nobody asked for, has arrived.
fn first_backup_arrives(station: &mut Station, epoch: u64) {
    station.until("the first backup of the epoch has arrived", |s| {
        let newest = &s.json(["backup", "list"])[0];
        newest["epoch"] == epoch && newest["copies"][0]["state"] == "proven"
    });
}

/// A station with a folder, two recorders of which one was taken in before and one after the second of three backups.
fn with_backups_between(more: &str) -> (Station, tempfile::TempDir) {
    let mut station = Station::new("");
    let far = nas_elsewhere(&station);
    with_backups(&station, &folder("cloud", "nas"), more);
    station.start();
    first_backup_arrives(&mut station, 1);
    fs::write(station.path("roster.csv"), ROSTER).unwrap();
    station.json(["roster", "import", "roster.csv"]);
    recorder(&station, "bay-1", ONE, &["091200", "092700"]);
    recorder(&station, "bay-2", TWO, &["091500"]);
    take_in(&mut station, "bay-1", 2);
    station.json(["backup", "now"]);
    take_in(&mut station, "bay-2", 3);
    station.json(["backup", "now"]);
    (station, far)
}

#[test]
fn a_damaged_backup_gives_way_to_an_older_one_and_none_at_all_to_the_records() {
    let (mut station, _far) = with_backups_between("");
    let before = told(&station, CASE);
    fs::copy(station.path("state/log.key.pub"), station.path("kept.pub")).unwrap();
    lose_the_disk(&mut station);
    let backups = packed(&station);
    assert_eq!(backups.len(), 3);

    flip(&backups[2], fs::metadata(&backups[2]).unwrap().len() / 2);
    let report = restore(&station, "cloud", ["--identity", "identity"]);
    assert_eq!((&report["backup"], count(&report["passed_over"])), (&"1/2".into(), 1), "{report}");
    assert_eq!((&report["new_clips"], &report["lost"]), (&1.into(), &0.into()), "{report}");
    station.start();
    assert_eq!(told(&station, CASE), before);
    first_backup_arrives(&mut station, 2);
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    lose_the_disk(&mut station);

    // Every backup is damaged: that is said, and what to do.
    let backups = packed(&station);
    for backup in backups.iter().filter(|b| **b != backups[2]) {
        flip(backup, 100);
    }
    let (_, error) = station.refused(4, ["restore", "--from", "cloud", "--identity", "identity"]);
    assert!(error.contains("none of the 4 backups") && error.contains("--without-backup"), "{error}");
    let report = restore(&station, "cloud", ["--without-backup", "--trust", "kept.pub"]);
    assert_eq!(
        (&report["backup"], &report["epoch"], &report["new_clips"]),
        (&Value::Null, &3.into(), &3.into()),
        "{report}"
    );
    // The key of epoch 2 was lost, too, and nobody had kept it.
    assert!(report["warnings"][0].as_str().unwrap().contains("epoch 2"), "{report}");
    station.start();
    assert_eq!(told(&station, CASE), before);
    assert_eq!(station.one("SELECT count(*) FROM roster", &[]), "0", "no record tells of rosters");
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    let (log, _) = station.refused(4, ["log", "verify", "--accept-epoch", "3"]);
    assert_eq!(kinds(&log, "problems"), ["untrusted_signer"], "epoch 2 was signed by a key that nobody kept: {log}");
    // Docked again, nothing is a new clip.
    take_in(&mut station, "bay-1", 3);
    assert_eq!(station.one("SELECT count(*) FROM clip", &[]), "3");
}

/// A witness has signed more than any destination holds: it alone knows of that loss, and the new epoch owns up to it.
#[test]
fn what_only_a_witness_knows_to_be_lost_is_owned_up_to() {
    let mut witness = Station::running("=id = \"test-02\"\n");
    let mut station = Station::new("");
    let _far = nas_elsewhere(&station);
    let settings = with_backups(&station, &folder("cloud", "nas"), "log_key = true");
    station.start();
    let key = |s: &Station| fs::read_to_string(s.path("state/log.key.pub")).unwrap().trim().to_owned();
    witness.stop();
    witness.configure(&format!("=id = \"test-02\"\n[[custody.witness_of]]\nkey = \"{}\"\n", key(&station)));
    witness.start();
    station.stop();
    let (page, its_key) = (witness.page(), key(&witness));
    station.configure(&format!(
        "{settings}[[custody.witness]]\nname = \"two\"\nurl = \"{page}/witness\"\nkey = \"{its_key}\"\n"
    ));
    station.start();
    recorder(&station, "bay-1", ONE, &["091200"]);
    take_in(&mut station, "bay-1", 1);
    station.json(["backup", "now"]);
    station.json(["retry"]);
    let size: i64 = station.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
    let signed = "SELECT size FROM cosignature WHERE size >= ?1";
    station.until("the witness signed it all", |s| !s.query(signed, &[&size]).is_empty());
    lose_the_disk(&mut station);
    fs::remove_dir_all(station.path("nas/v1/test-01/log/checkpoint")).unwrap();

    let report = restore(&station, "cloud", ["--identity", "identity"]);
    assert!(report["lost_events"].as_u64() > Some(0), "{report}");
    station.start();
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    let log = station.json(KNOWN);
    assert_eq!(log["intact"], true, "{log}");
    assert!(kinds(&log, "notices").contains(&"declared_loss".to_owned()), "{log}");
}

#[test]
fn with_the_log_key_in_the_backup_the_log_goes_on_under_it() {
    let (mut station, _far) = with_backups_between("log_key = true");
    let key = fs::read(station.path("state/log.key")).unwrap();
    lose_the_disk(&mut station);
    let report = restore(&station, "cloud", ["--identity", "identity"]);
    assert_eq!((&report["new_key"], &report["backup"]), (&false.into(), &"1/3".into()), "{report}");
    assert_eq!(fs::read(station.path("state/log.key")).unwrap(), key);
    station.start();
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    assert_eq!(station.json(KNOWN)["intact"], true);
}

/// With an SM2 key beside it: in the backup with the log's own, or in none.
#[test]
fn the_sm2_key_comes_back_with_the_backup_or_a_new_one_is_told() {
    for kept in [true, false] {
        let mut station = Station::new("");
        let _far = nas_elsewhere(&station);
        let settings = with_backups(&station, &folder("cloud", "nas"), &format!("log_key = {kept}"));
        station.configure(&format!("{settings}sm2 = true\n"));
        station.start();
        first_backup_arrives(&mut station, 1);
        station.stop();
        let first = fs::read_to_string(station.path("state/log.sm2.key.pub")).unwrap();
        let changed = station.json(["log", "rotate-key", "--sm2", "--reason", "例行更换"]);
        station.start();
        station.json(["backup", "now"]);
        let listed = station.json(["backup", "list", "--from", "cloud"]);
        assert_eq!((&listed[0]["sm2_key"], &listed[0]["log_key"]), (&kept.into(), &kept.into()), "{listed}");
        fs::copy(station.path("state/log.key.pub"), station.path("kept.pub")).unwrap();
        let (secret, public) = (station.path("state/log.sm2.key"), station.path("state/log.sm2.key.pub"));
        let (own, own_public) = (fs::read(&secret).unwrap(), fs::read_to_string(&public).unwrap());
        assert_ne!(first, own_public);
        station.until("the log is anchored", |s| s.status()["outbox"] == 0);
        lose_the_disk(&mut station);

        let report = restore(&station, "cloud", ["--identity", "identity", "--trust", "kept.pub"]);
        assert_eq!(secret.exists() && fs::read(&secret).unwrap() == own, kept);
        let warned = report["warnings"].to_string().contains("the SM2 key did not come back");
        assert_eq!(warned, !kept, "{report}");
        // What the keys of before signed is checked before the daemon has run, and afterwards.
        assert_eq!(station.json(KNOWN)["intact"], true);
        station.start();
        station.json(["checkpoint"]);
        station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
        let log = station.json(KNOWN);
        assert_eq!(log["intact"], true, "{log}");
        let spans = log["sm2"]["keys"].as_array().unwrap();
        let told: Vec<(u64, bool)> =
            spans.iter().map(|s| (s["epoch"].as_u64().unwrap(), s["key"] == changed["new"])).collect();
        assert_eq!(told, [(1, false), (1, true), (2, kept)], "{log}");
        assert_eq!(fs::read_to_string(&public).unwrap() == own_public, kept, "it signs on, or another one does");
        let note = station.json(["log", "checkpoint"])["note"].as_str().unwrap().to_owned();
        assert_eq!(note.lines().filter(|line| line.starts_with('—')).count(), 3, "{note}");
    }
}

/// Starts a restore that is killed after `pause`; whether it came to its end before.
fn killed_after(station: &Station, pause: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_evidock"))
        .arg("--config")
        .arg(station.path("evidock.toml"))
        .args(["restore", "--from", "cloud", "--identity", "identity", "--json"])
        .current_dir(station.path(""))
        .stdout(fs::File::create(station.path("report.json")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = monotonic() + pause;
    while monotonic() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

#[test]
fn a_restore_that_is_killed_at_any_moment_goes_on() {
    let (mut station, _far) = with_backups_between("");
    recorder(&station, "bay-3", TWO, &["093300", "094500", "095000"]);
    take_in(&mut station, "bay-3", 6);
    let (before, other) = (told(&station, CASE), told(&station, OTHER));
    fs::copy(station.path("state/log.key.pub"), station.path("kept.pub")).unwrap();
    lose_the_disk(&mut station);
    let mut kills = 0;
    // Longer and longer, so that every step is cut somewhere, and a busy machine comes to the end, too; a kill after the
    // last one finds a station that lives.
    while !killed_after(&station, Duration::from_millis(20 + 15 * kills + kills * kills / 4)) {
        kills += 1;
        if station.path("state/evidock.db").exists() {
            station.refused(1, ["restore", "--from", "cloud", "--identity", "identity"]);
            break;
        }
    }
    assert!(kills > 3, "{kills} kills");
    station.start();
    assert_eq!(station.one("SELECT epoch FROM station", &[]), "2", "it goes on in the epoch that it opened");
    assert_eq!(told(&station, CASE), before);
    assert_eq!(told(&station, OTHER), other);
    assert_eq!(station.query("SELECT local, count(*) FROM clip GROUP BY local", &[]), [["evicted", "6"]]);
    assert_eq!(station.one("SELECT count(*) FROM log_entry WHERE kind = 'epoch.opened'", &[]), "2");
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    assert_eq!(station.json(KNOWN)["intact"], true);
}

#[test]
fn a_clip_that_never_left_the_box_is_called_lost() {
    let (mut station, _far) = with_backups_between("");
    // Held back for its label: its record is published, its bytes are not.
    recorder(&station, "bay-2", TWO, &["093300"]);
    station.stop();
    let settings = fs::read_to_string(station.path("evidock.toml")).unwrap();
    let held_back = settings.replace("kind = \"folder\"", "kind = \"folder\"\nmax_sensitivity = \"none\"");
    let held_back = format!("{held_back}\n[casework]\ndefault_sensitivity = \"privacy\"\n");
    fs::write(station.path("evidock.toml"), held_back).unwrap();
    station.start();
    station.dock("bay-2");
    station.until_safe("bay-2");
    let held = station.clip(dsj(TWO, "093300"));
    station.until("its record stands there", |s| {
        let sql = "SELECT count(*) FROM outbox WHERE kind = 'record' AND stored_ms IS NOT NULL AND clip_id = ?1";
        s.one(sql, &[&held]) != "0" && s.status()["outbox"] == 0
    });
    station.kill();
    fs::rename(station.path("state/docks/bay-2"), station.path("cards/bay-2")).unwrap();
    fs::rename(station.path("state"), station.path("dead")).unwrap();

    let report = restore(&station, "cloud", ["--identity", "identity"]);
    assert_eq!(report["lost_clips"], serde_json::json!([held]), "{report}");
    assert_eq!((&report["elsewhere"], &report["new_clips"]), (&3.into(), &1.into()), "{report}");
    station.start();
    let local = |clip: &String, s: &Station| {
        s.query("SELECT local, quarantine IS NULL FROM clip WHERE clip_id = ?1", &[clip]).concat()
    };
    assert_eq!(local(&held, &station), ["damaged", "0"]);
    assert_eq!(local(&station.clip(dsj(TWO, "091500")), &station), ["evicted", "1"]);
    // Its recorder still has it: docked again it is taken in anew.
    station.dock("bay-2");
    station.until_safe("bay-2");
    let clips = station.clips(dsj(TWO, "093300"));
    assert_eq!(clips.len(), 2, "{clips:?}");
    assert_eq!(local(&clips[1], &station), ["sealed", "1"]);
}

#[test]
fn an_epoch_that_another_restore_has_is_left_to_it() {
    let (mut station, _far) = with_backups_between("log_key = true");
    lose_the_disk(&mut station);
    // Two boxes are restored from one backup, under one log key; the second began before it could see the first.
    restore(&station, "cloud", ["--identity", "identity"]);
    fs::rename(station.path("state"), station.path("first")).unwrap();
    let claim = station.path("nas/v1/test-01/log/epoch/0002");
    let theirs = fs::read(&claim).unwrap();
    for (below, hidden) in [("log/epoch/0002", "claim"), ("log/checkpoint/0002", "checkpoints")] {
        fs::rename(station.path("nas/v1/test-01").join(below), station.path("nas").join(hidden)).unwrap();
    }
    let report = restore(&station, "cloud", ["--identity", "identity"]);
    assert_eq!(report["epoch"], 2, "nothing of the first was to be seen: {report}");
    fs::rename(station.path("state"), station.path("second")).unwrap();
    // Now the first one's claim stands there again: whoever is not of it does not get the epoch.
    fs::write(&claim, &theirs).unwrap();
    fs::create_dir_all(station.path("state/restore")).unwrap();
    fs::copy(station.path("second/evidock.db"), station.path("state/restore/restore.db")).unwrap();
    fs::copy(station.path("second/log.key"), station.path("state/log.key")).unwrap();
    fs::write(station.path("state/restore/epoch"), "2\n").unwrap();
    let db = rusqlite::Connection::open(station.path("state/restore/restore.db")).unwrap();
    db.execute("UPDATE restore SET finished_ms = NULL", []).unwrap();
    drop(db);
    let (_, error) = station.refused(1, ["restore", "--from", "cloud", "--identity", "identity"]);
    assert!(error.contains("epoch 2 of station test-01 is taken"), "{error}");
    assert!(!station.path("state/evidock.db").exists());
}

#[test]
fn a_vault_that_survived_keeps_its_clips() {
    let (mut station, _far) = with_backups_between("");
    station.kill();
    fs::rename(station.path("state/vault"), station.path("vault")).unwrap();
    fs::rename(station.path("state"), station.path("dead")).unwrap();
    fs::create_dir_all(station.path("state")).unwrap();
    fs::rename(station.path("vault"), station.path("state/vault")).unwrap();
    let report = restore(&station, "cloud", ["--without-backup"]);
    assert_eq!((&report["here"], &report["elsewhere"], &report["lost"]), (&3.into(), &0.into(), &0.into()), "{report}");
    station.start();
    station.until_proven(3);
    station.assert_vault_is_whole();
    assert_eq!(station.one("SELECT count(DISTINCT clip_id) FROM clip_part", &[]), "3", "parts are hashed anew");
}

#[test]
fn the_wrong_place_is_told() {
    let station = Station::new("");
    with_backups(&station, &folder("cloud", "nas"), "");
    fs::create_dir_all(station.path("nas")).unwrap();
    let (_, error) = station.refused(1, ["restore", "--from", "cloud", "--identity", "identity"]);
    assert!(error.contains("mark"), "an empty folder may be a NAS that is not mounted: {error}");
    let (_, error) = station.refused(3, ["restore", "--from", "claud", "--identity", "identity"]);
    assert!(error.contains("the configuration names cloud"), "{error}");
    let (_, error) =
        station.refused(2, ["restore", "--from", "cloud", "--identity", "identity", "--station", "test-02"]);
    assert!(error.contains("is that of station test-01"), "{error}");
    let (_, error) = station.refused(2, ["restore", "--from", "cloud"]);
    assert!(error.contains("--identity"), "{error}");
    fs::write(station.path("nas/.evidock-destination"), "").unwrap();
    let (_, error) = station.refused(3, ["restore", "--from", "cloud", "--identity", "identity"]);
    assert!(error.contains("holds nothing of station test-01"), "{error}");
    fs::write(station.path("empty"), "# nothing\n").unwrap();
    let (_, error) = station.refused(1, ["restore", "--from", "cloud", "--identity", "empty"]);
    assert!(error.contains("holds no age identity"), "{error}");
}

#[test]
fn a_backup_waits_for_its_destination_and_is_opened_by_others_programs() {
    let mut station = Station::new("");
    let destinations = folder("cloud", "nas") + &folder("second", "second");
    with_backups(&station, &destinations, "destinations = [\"second\"]");
    station.start();
    first_backup_arrives(&mut station, 1);
    fs::write(station.path("roster.csv"), ROSTER).unwrap();
    station.json(["roster", "import", "roster.csv"]);
    recorder(&station, "bay-1", ONE, &["091200"]);
    take_in(&mut station, "bay-1", 1);

    // Away: said, kept, and tried again by itself.
    fs::rename(station.path("second"), station.path("away")).unwrap();
    let (_, error) = station.refused(1, ["backup", "now"]);
    assert!(error.contains("has not arrived everywhere") && error.contains("second"), "{error}");
    assert_eq!(station.json(["backup", "list"])[0]["copies"][0]["state"], "waiting");
    assert_eq!(files_below(&station.path("state/backup")).len(), 1, "the packed file waits, and no copy in clear");
    let _ = fs::remove_dir_all(station.path("second"));
    fs::rename(station.path("away"), station.path("second")).unwrap();
    station.until("it arrives", |s| s.json(["backup", "list"])[0]["copies"][0]["state"] == "proven");
    station.until("nothing stays behind", |s| files_below(&s.path("state/backup")).is_empty());

    let listed = station.json(["backup", "list", "--from", "second"]);
    assert_eq!(count(&listed), 2, "{listed}");
    assert!(
        listed.as_array().unwrap().iter().all(|b| b["problem"].is_null() && b["log_size"].as_u64() > Some(0)),
        "{listed}"
    );
    assert_eq!(station.evidock(["backup", "list", "--from", "cloud"]).status.code(), Some(3), "not asked for there");
    let go = station.evidock(["backup", "list", "--may-go"]);
    assert_eq!(text(&go.stdout), "v1/test-01/backup/0001/000001/\n", "two of one day: the older may go");
    let doctor = station.evidock(["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let found = doctor["findings"].as_array().unwrap().iter().find(|f| f["part"] == "backup").unwrap();
    assert_eq!(found["level"], "ok", "{found}");

    // Nothing of it can be read on the way; with the identity, ordinary programs open it.
    let database = station.path("second/v1/test-01/backup/0001/000002/database");
    let bytes = fs::read(&database).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1") && !bytes.windows(6).any(|w| w == b"SQLite"));
    let mut age = Command::new("age")
        .args(["--decrypt", "-i"])
        .arg(station.path("identity"))
        .arg(&database)
        .stdout(Stdio::piped())
        .spawn()
        .expect("age is installed by scripts/setup test");
    let plain = fs::File::create(station.path("plain.db")).unwrap();
    let zstd = Command::new("zstd").arg("-dc").stdin(age.stdout.take().unwrap()).stdout(plain).status().unwrap();
    assert!(age.wait().unwrap().success() && zstd.success());
    let asked = Command::new("sqlite3")
        .arg(station.path("plain.db"))
        .arg("PRAGMA integrity_check; SELECT count(*) FROM clip; SELECT count(*) FROM roster;")
        .output()
        .unwrap();
    assert_eq!(text(&asked.stdout), "ok\n1\n2\n");
}

#[test]
fn without_a_recipient_doctor_warns_and_now_says_what_to_do() {
    let mut station = Station::running(&folder("cloud", "nas"));
    let (_, error) = station.refused(1, ["backup", "now"]);
    assert!(error.contains("evidock backup keygen"), "{error}");
    let doctor = station.evidock(["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let found = doctor["findings"].as_array().unwrap().iter().find(|f| f["part"] == "backup").unwrap();
    assert_eq!(found["level"], "warning", "{found}");
    station.stop();
}
