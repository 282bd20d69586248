//! A power cut, and a disk that fills up, while a recorder is pulled: what was called durable is there byte for byte, the
//! rest is fetched from there on, and in the end every picture and every sound that the recorder lists is in some clip.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use rusqlite::Connection;

use crate::recorder::{Line, PICTURES, Recorder, Rules, SECONDS};
use crate::station::{BAY, KEY, approved, clips, config, record, ways};
use crate::support::audit::files;
use crate::support::daemon::{BINARY, Places, workshop};
use crate::support::replay::{CALLS, Class, Dice, Loss, Recording};
use crate::support::station::Station;
use crate::{BEGIN_MS, END_MS, packets, pictures};

const PATIENCE: Duration = Duration::from_secs(180);
/// States that are tried; each takes a start of the daemon and as much of the footage as is missing.
const STATES: usize = 7;

fn places(base: &Path, name: &str, url: &str) -> Places {
    let dir = base.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("password"), "geheim\n").unwrap();
    Places::new(&dir, dir.join("box/state"), &base.join("docks"), &config(url, ""))
}

fn until(what: &str, places: &Places, mut is_so: impl FnMut() -> bool) {
    let end = monotonic() + PATIENCE;
    while !is_so() {
        assert!(monotonic() < end, "waited in vain: {what}\n{}", places.last_words());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn classify(_: usize, path: &Path, is_dir: bool) -> Class {
    match (path.starts_with("state/vault"), is_dir) {
        (true, true) => Class::VaultDir,
        (true, false) => Class::VaultFile,
        _ if path.ends_with("state/evidock.db-wal") => Class::Wal,
        _ => Class::Other,
    }
}

/// Waits until all that is listed is here, and lets the recorder in where that is not known any more.
fn until_pulled(places: &Places) {
    let mut asked = monotonic();
    until("all of it is here", places, || {
        if places.ask("SELECT count(*) FROM dock WHERE closed_ms IS NULL") == Some(0) && monotonic() >= asked {
            let _ =
                Command::new(BINARY).arg("--config").arg(&places.config).args(["recorders", "approve", KEY]).output();
            asked = monotonic() + Duration::from_secs(1);
        }
        places.ask("SELECT count(*) FROM listed WHERE state = 'whole'") == Some(1)
            && places.ask("SELECT count(*) FROM clip WHERE local = 'copying'") == Some(0)
            && places.ask("SELECT count(*) FROM clip WHERE record_stale = 1 OR record_rev = 0") == Some(0)
    });
}

/// A clip: its id, where it begins in the recording, and its bytes.
fn footage(state: &Path) -> Vec<(String, i64, Vec<u8>)> {
    let db = Connection::open(state.join("evidock.db")).unwrap();
    let sql = "SELECT s.clip_id, s.station_ms - r.begun_ms FROM segment s JOIN recording r USING (recording_id) ORDER BY s.segment_no";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?))).unwrap();
    let vault = state.join("vault");
    rows.map(|row| {
        let (id, at_ms) = row.unwrap();
        let file = files(&vault).into_iter().find(|f| f.file_name().is_some_and(|n| n == id.as_str()));
        let file = file.unwrap_or_else(|| panic!("{id} has no file"));
        (id, at_ms, std::fs::read(vault.join(file)).unwrap())
    })
    .collect()
}

/// Every picture and every sound: by its track and digest, when they are, milliseconds.
fn everything(clips: &[(String, i64, Vec<u8>)]) -> BTreeMap<String, Vec<i64>> {
    let mut all = BTreeMap::<String, Vec<i64>>::new();
    for (_, at_ms, bytes) in clips {
        for packet in packets(bytes) {
            let [track, time, digest] = packet.split(' ').collect::<Vec<_>>()[..] else { panic!("{packet}") };
            let ms = at_ms + time.parse::<f64>().unwrap() as i64;
            all.entry(format!("{track} {digest}")).or_default().push(ms);
        }
    }
    all
}

/// What is not there of what there should be; times are those of two files, rounded.
fn missing(wanted: &BTreeMap<String, Vec<i64>>, found: &BTreeMap<String, Vec<i64>>) -> Vec<String> {
    let there = |what: &String, ms: i64| found.get(what).is_some_and(|times| times.iter().any(|t| (t - ms).abs() <= 5));
    let all = wanted.iter().flat_map(|(what, times)| times.iter().map(move |ms| (what, *ms)));
    all.filter(|(what, ms)| !there(what, *ms)).map(|(what, ms)| format!("{what} at {ms} ms")).collect()
}

/// How much of each clip a crashed station's database calls durable. Looked at in a copy, since opening it writes.
fn durable(state: &Path) -> Vec<(String, u64)> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["evidock.db", "evidock.db-wal"] {
        if state.join(name).exists() {
            std::fs::copy(state.join(name), copy.path().join(name)).unwrap();
        }
    }
    let Ok(db) = Connection::open(copy.path().join("evidock.db")) else { return Vec::new() };
    let sql = "SELECT clip_id, coalesce(size_bytes, durable_bytes) FROM clip";
    let Ok(mut statement) = db.prepare(sql) else { return Vec::new() };
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))).unwrap();
    rows.map(Result::unwrap).filter(|(_, bytes)| *bytes > 0).collect()
}

#[test]
fn a_power_cut_while_pulling_loses_nothing_and_it_goes_on_from_there() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    // As slow as a radio: several durable reports lie in it.
    let line = Line::to(server.port, Rules { bytes_per_s: Some(250_000), ..Rules::default() });
    let onvif = crate::onvif::Onvif::start(ways(line.port, (BEGIN_MS, END_MS)));
    let base = workshop();
    let whole = places(base.path(), "whole", &onvif.url());
    let (dir, trace) = (base.path().join("whole"), base.path().join("trace"));
    let disk = dir.join("box");
    std::fs::create_dir_all(&disk).unwrap();
    let calls = format!("trace={CALLS}");
    let strace = ["strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", &calls, "-o"];
    let daemon = whole.start(&[&strace[..], &[trace.to_str().unwrap(), "--"]].concat());
    until_pulled(&whole);
    daemon.stop();
    line.set(|r| r.bytes_per_s = None);
    let mut run = Recording::new(1);
    run.read(&std::fs::read(&trace).unwrap(), std::slice::from_ref(&disk), &classify);
    std::fs::remove_file(&trace).unwrap();
    assert!(run.count(Class::VaultFile) >= 3, "each second is made durable");
    let pulled = footage(&disk.join("state"));
    assert_eq!(pulled.len(), 1);
    let wanted = everything(&pulled);
    let count: usize = wanted.values().map(Vec::len).sum();
    assert!(count > PICTURES, "pictures and sound: {count}");

    let seed = std::env::var("EVIDOCK_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("EVIDOCK_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    // While footage comes: from its first durable second to the moment at which it gets its name.
    let of_footage = run.syncs_of(Class::VaultFile);
    let (first, last) = (of_footage[0], of_footage[of_footage.len() - 1]);
    let moments: Vec<usize> =
        run.syncs().into_iter().filter(|at| (first..=last).contains(at)).flat_map(|at| [at - 1, at, at + 1]).collect();
    let (mut seen, mut halfway) = (HashSet::new(), 0);
    let states = if std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1") { 5 * STATES } else { STATES };
    for n in 0..states {
        // Every second state from the middle of the pull, where some of the footage is durable and some is not.
        let third = moments.len() / 3;
        let among = if n % 2 == 0 { &moments[third..2 * third] } else { &moments[..] };
        let at = among[dice.below(among.len())].min(run.len());
        let loss = Loss::KINDS[n % Loss::KINDS.len()];
        let state = run.crash(at, loss, None, &mut dice);
        if !seen.insert(state.digest()) {
            continue;
        }
        let name = format!("cut-{n}");
        let after = places(base.path(), &name, &onvif.url());
        let disk = base.path().join(&name).join("box");
        state.write(std::slice::from_ref(&disk));
        let promised = durable(&disk.join("state"));
        let daemon = after.start(&[]);
        until_pulled(&after);
        daemon.kill();
        let found = footage(&disk.join("state"));
        for (clip, bytes) in &promised {
            let (_, at_ms, kept) =
                found.iter().find(|(id, ..)| id == clip).expect("a clip that was durable in part is kept");
            let same = kept.iter().zip(&pulled[0].2).take_while(|(a, b)| a == b).count() as u64;
            assert!(
                *at_ms != 0 || same >= *bytes,
                "cut {n} at {at} ({loss:?}): {bytes} bytes were durable, {same} are right"
            );
        }
        halfway += usize::from(promised.iter().any(|(_, bytes)| *bytes < pulled[0].2.len() as u64));
        let missing = missing(&wanted, &everything(&found));
        assert!(missing.is_empty(), "cut {n} at {at} ({loss:?}): called whole, and not here: {missing:?}");
        std::fs::remove_dir_all(base.path().join(&name)).unwrap();
    }
    assert!(halfway >= 2, "only {halfway} states had half of the footage in them");
}

#[test]
fn a_disk_that_fills_up_keeps_what_came_and_pulling_goes_on_when_there_is_room() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    let line = Line::to(server.port, Rules { hold_after: Some(500_000), ..Rules::default() });
    let onvif = crate::onvif::Onvif::start(ways(line.port, (BEGIN_MS, END_MS)));
    let more = config(&onvif.url(), "").replace("silence_s = 2", "silence_s = 60");
    let mut station = Station::new(&format!("=reserve_gb\n{more}"));
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    let vault = station.path("state/vault");
    std::fs::create_dir_all(&vault).unwrap();
    // A disk of its own, in a mount namespace of its own that ends with the daemon. Its reserve is 5 %.
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let vault_text = vault.display().to_string();
    words.extend(["--", "sh", "-c", "mount -t tmpfs -o size=40m evidock \"$0\" && exec \"$@\"", &vault_text]);
    station.wrap(&words);
    station.start();
    approved(&mut station);
    let inside = PathBuf::from(format!("/proc/{}/root{vault_text}", station.pid()));
    station.until("some of it is durable", |s| {
        line.held() > 0 && !s.query("SELECT 1 FROM segment WHERE length_ms >= 1000", &[]).is_empty()
    });
    // Somebody else fills it up to a little above the reserve of 2 MiB.
    let stat = rustix::fs::statvfs(&inside).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    std::fs::write(inside.join("filler"), vec![1; (free - (2 << 20) - (64 << 10)) as usize]).unwrap();
    line.set(|r| (r.hold_after, r.bytes_per_s) = (None, Some(150_000)));
    let bay = |s: &Station| s.status()["docked"].as_array().unwrap().iter().find(|d| d["bay"] == BAY).cloned();
    station.until("the bay says why it waits", |s| {
        bay(s).is_some_and(|b| b["stuck"].as_str().is_some_and(|t| t.contains("reserve")))
    });
    assert!(!station.is_safe(BAY), "what is not here is not called safe");
    station.until("what came is sealed", |s| s.query("SELECT 1 FROM clip WHERE local = 'copying'", &[]).is_empty());
    let first = clips(&station).remove(0);
    let played = || onvif.asked().iter().filter(|a| *a == "GetReplayUri").count();
    // Looks go on, and nothing is asked for that could not be kept; nothing is begun that is nothing.
    let (looks, plays) = (onvif.asked().len(), played());
    station.until("it is looked at again", |_| onvif.asked().len() >= looks + 6);
    assert!(played() <= plays + 1, "{} replays were asked for", played() - plays);
    std::fs::remove_file(inside.join("filler")).unwrap();
    station.until_safe(BAY);
    let all = clips(&station);
    assert!(all.len() >= 2 && all[0] == first, "{all:?}");
    let records: Vec<_> = all.iter().map(|clip| record(&mut station, clip)).collect();
    assert_eq!(records[0]["recording"]["ended"], "full", "{}", records[0]["recording"]);
    let last = records.last().unwrap();
    assert_eq!((&last["recording"]["ended"], &last["recording"]["listed"]["missing_ms"]), (&"whole".into(), &0.into()));
    let times: BTreeSet<i64> = all
        .iter()
        .flat_map(|clip| {
            let sql = "SELECT s.station_ms - r.begun_ms FROM segment s JOIN recording r USING (recording_id) WHERE s.clip_id = ?1";
            let at_ms: i64 = station.one(sql, &[clip]).parse().unwrap();
            let file = files(&inside).into_iter().find(|f| f.file_name().is_some_and(|n| n == clip.as_str())).unwrap();
            pictures(&std::fs::read(inside.join(file)).unwrap()).into_iter().map(move |t| (at_ms + t + 20) / 40)
        })
        .collect();
    assert_eq!(times.len() as i64, SECONDS * 25, "every picture is here");
}
