//! A power cut, and a disk that fills up, while a room is recorded: what the database called durable is there, byte for
//! byte, is sealed with its reason at the next start, and plays.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use rusqlite::Connection;

use crate::camera::Cameras;
use crate::support::audit::files;
use crate::support::daemon::{Places, workshop};
use crate::support::replay::{CALLS, Class, Dice, Loss, Recording};
use crate::support::station::Station;
use crate::{alone, decoded, decodes, seen, segments, stream, text, until_recorded, until_sealed};

const PATIENCE: Duration = Duration::from_secs(180);

/// States that are tried; each takes a start of the daemon.
const STATES: usize = 14;

fn places(base: &Path, name: &str, url: &str, mode: &str) -> Places {
    let dir = base.join(name);
    let streams = stream("room-1", url, &format!("mode = \"{mode}\""));
    Places::new(&dir, dir.join("box/state"), &base.join("docks"), &streams)
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

/// The file of the only clip below a vault, under whatever name.
fn footage(vault: &Path) -> Option<PathBuf> {
    let all = files(vault);
    let of_clip = |f: &&PathBuf| {
        let name = f.file_name().unwrap().to_string_lossy();
        !name.ends_with(".tree") && !name.ends_with(".jpg") && !name.ends_with(".torn")
    };
    all.iter().filter(of_clip).max_by_key(|f| std::fs::metadata(vault.join(f)).unwrap().len()).map(|f| vault.join(f))
}

/// How much of the only clip a crashed station's database calls durable; nothing where it knows of no clip. Looked at in a
/// copy, since opening it writes.
fn durable(state: &Path) -> Option<u64> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["evidock.db", "evidock.db-wal"] {
        if state.join(name).exists() {
            std::fs::copy(state.join(name), copy.path().join(name)).unwrap();
        }
    }
    let db = Connection::open(copy.path().join("evidock.db")).ok()?;
    db.query_row("SELECT c.durable_bytes FROM clip c JOIN segment s USING (clip_id)", [], |r| r.get::<_, i64>(0))
        .ok()
        .map(|n| n as u64)
}

#[test]
fn a_power_cut_while_recording_keeps_every_byte_that_was_called_durable() {
    let _alone = alone();
    let cameras = Cameras::start(&["--running", "h264-aac"]);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", cameras.port);
    let base = workshop();
    let whole = places(base.path(), "whole", &url, "always");
    let (dir, trace) = (base.path().join("whole"), base.path().join("trace"));
    let disk = dir.join("box");
    std::fs::create_dir_all(&disk).unwrap();
    let calls = format!("trace={CALLS}");
    let strace = ["strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", &calls, "-o"];
    let daemon = whole.start(&[&strace[..], &[trace.to_str().unwrap(), "--"]].concat());
    until("three seconds are recorded", &whole, || {
        whole.ask("SELECT coalesce(max(length_ms), 0) FROM segment").is_some_and(|ms| ms >= 3_000)
    });
    daemon.stop();
    let mut run = Recording::new(1);
    run.read(&std::fs::read(&trace).unwrap(), std::slice::from_ref(&disk), &classify);
    std::fs::remove_file(&trace).unwrap();
    assert!(run.count(Class::VaultFile) >= 3, "each second is made durable");
    let recorded = std::fs::read(footage(&disk.join("state/vault")).expect("a clip")).unwrap();

    let seed = std::env::var("EVIDOCK_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("EVIDOCK_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let moments: Vec<usize> = run.syncs().into_iter().flat_map(|at| [at - 1, at, at + 1]).collect();
    // Those with footage that is called durable: how many of all they are depends on how long the daemon took to begin.
    let second = run.syncs_of(Class::VaultFile)[1];
    let recording = moments.partition_point(|at| *at < second);
    let (mut seen_states, mut sealed) = (HashSet::new(), 0);
    for n in 0..STATES {
        let from = if n % 4 == 0 { moments.len() / 2 } else { recording };
        let at = moments[from + dice.below(moments.len() - from)].min(run.len());
        let loss = Loss::KINDS[n % Loss::KINDS.len()];
        let state = run.crash(at, loss, None, &mut dice);
        if !seen_states.insert(state.digest()) {
            continue;
        }
        let name = format!("cut-{n}");
        let after = places(base.path(), &name, &url, "on_demand");
        let disk = base.path().join(&name).join("box");
        state.write(std::slice::from_ref(&disk));
        let promised = durable(&disk.join("state"));
        let daemon = after.start(&[]);
        until("what was cut off is dealt with", &after, || {
            after.ask("SELECT count(*) FROM clip WHERE local = 'copying'") == Some(0)
                && after.ask("SELECT count(*) FROM recording WHERE ended IS NULL") == Some(0)
                && after.ask("SELECT count(*) FROM clip WHERE record_stale = 1 OR record_rev = 0") == Some(0)
        });
        let sealed_here = after.ask("SELECT count(*) FROM clip WHERE local = 'sealed' AND quarantine IS NULL");
        daemon.kill();
        let Some(promised) = promised.filter(|n| *n > 0) else { continue };
        assert_eq!(sealed_here, Some(1), "cut {n} at {at} ({loss:?}): {promised} bytes were durable");
        sealed += 1;
        let file = footage(&disk.join("state/vault")).expect("the clip's file");
        let kept = std::fs::read(&file).unwrap();
        assert!(kept.len() as u64 >= promised, "cut {n} ({loss:?}): {} of {promised} bytes are left", kept.len());
        let same = kept.iter().zip(&recorded).take_while(|(a, b)| a == b).count();
        assert!(
            same as u64 >= promised,
            "cut {n} ({loss:?}): they differ from byte {same} on, {promised} were durable"
        );
        // Torn bytes past that are kept as they are: they may be footage, and are no longer than a second.
        let pictures = seen(&file).times_ms.len();
        assert!(pictures > 0, "cut {n} ({loss:?}): it plays");
    }
    assert!(sealed >= 3, "only {sealed} states had footage in them");
}

#[test]
fn a_disk_that_fills_up_ends_the_clip_and_recording_goes_on_when_there_is_room() {
    let _alone = alone();
    let cameras = Cameras::start(&["--running", "h264-aac"]);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", cameras.port);
    let mut station = Station::new(&format!("=reserve_gb\n{}", stream("room-1", &url, "mode = \"always\"")));
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
    let first = until_recorded(&mut station, "room-1", 2);
    // Somebody else fills it up to a little above the reserve of 2 MiB.
    let inside = PathBuf::from(format!("/proc/{}/root{vault_text}", station.pid()));
    let stat = rustix::fs::statvfs(&inside).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    std::fs::write(inside.join("filler"), vec![1; (free - (2 << 20) - (128 << 10)) as usize]).unwrap();
    station.until("the clip ends for want of room", |s| {
        s.one("SELECT coalesce(ended, '') FROM segment WHERE clip_id = ?1", &[&first]) == "full"
    });
    station.until("and is sealed all the same", |s| {
        s.one("SELECT local FROM clip WHERE clip_id = ?1", &[&first]) == "sealed"
    });
    let room = |s: &Station| s.json(["record", "list"])["rooms"][0].clone();
    station.until("the room says why it waits", |s| room(s)["trouble"].as_str().is_some_and(|t| t.contains("reserve")));
    std::fs::remove_file(inside.join("filler")).unwrap();
    station.until("it is recorded again", |s| segments(s, "room-1").len() >= 2 && room(s)["state"] == "recording");
    let second = segments(&station, "room-1").pop().unwrap();
    station.until("and grows", |s| {
        s.one("SELECT length_ms FROM segment WHERE clip_id = ?1", &[&second]).parse::<i64>().unwrap() >= 1_000
    });
    let record = until_sealed(&mut station, &first);
    assert_eq!(record["recording"]["ended"], "full");
    let file = files(&inside).into_iter().find(|f| f.to_string_lossy().contains(&first)).expect("the clip's file");
    decodes(&inside.join(file));
}

#[test]
fn clips_are_cut_by_length_or_by_the_timetable_and_what_watches_the_station_sees_the_room() {
    let _alone = alone();
    let cameras = Cameras::start(&["--running", "h264-aac"]);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", cameras.port);
    // Beside it, the same camera is another room that is recorded in one minute of the day alone.
    let (window, begin_ms, end_ms) = minute_to_come();
    let timetable = format!("mode = \"schedule\"\nschedule = [\"{window}\"]");
    let config = stream("room-1", &url, "mode = \"always\"\nsegment_minutes = 1") + &stream("room-2", &url, &timetable);
    let mut station = Station::running(&config);
    assert_eq!(station.query("SELECT 1 FROM recording WHERE stream = 'room-2'", &[]).len(), 0, "not its time yet");
    let first = until_recorded(&mut station, "room-1", 2);

    // Meanwhile: figures and findings.
    let figure = |s: &Station, line: &str| metrics(s).lines().any(|l| l == line);
    station.until("the figures tell of the room", |s| figure(s, "evidock_stream_recording{stream=\"room-1\"} 1"));
    let found = metrics(&station);
    let value = |name: &str| -> f64 {
        let line = found.lines().find_map(|l| l.strip_prefix(&format!("{name}{{stream=\"room-1\"}} ")));
        line.unwrap_or_else(|| panic!("{name} is not in\n{found}")).parse().unwrap()
    };
    assert!(value("evidock_stream_packets") > 0.0);
    assert_eq!(value("evidock_stream_packets_lost"), 0.0);
    assert!((value("evidock_stream_key_frame_interval_seconds") - 1.0).abs() < 0.1, "{found}");
    let findings = |s: &Station| {
        let out = s.evidock(["doctor", "--json"]);
        let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let of_streams = |f: &&serde_json::Value| {
            f["part"] == "stream" && f["words"].as_str().is_some_and(|w| w.starts_with("room-1"))
        };
        all["findings"].as_array().unwrap().iter().filter(of_streams).cloned().collect::<Vec<_>>()
    };
    let told = findings(&station);
    assert_eq!((told.len(), &told[0]["level"]), (1, &"ok".into()), "{told:?}");
    camera_is_well(&mut station);

    station.until("a minute is over", |s| segments(s, "room-1").len() == 2);
    let second = until_recorded(&mut station, "room-1", 1);
    station.be_patient();
    station.until("the timetable has ended the other room's recording", |s| {
        s.query("SELECT 1 FROM recording WHERE stream = 'room-2' AND ended = 'schedule'", &[]).len() == 1
    });
    timetable_was_kept(&mut station, begin_ms, end_ms);
    drop(cameras);
    station.until("the loss is told", |s| figure(s, "evidock_stream_recording{stream=\"room-1\"} -1"));
    // How a recording ended is stored a moment after the figures tell that it did.
    station.until("no door, and a lost end are found", |s| {
        let told = findings(s);
        told.iter().all(|f| f["level"] == "warning") && told.len() == 2
    });
    let records = [&first, &second].map(|clip| until_sealed(&mut station, clip));
    assert_eq!(
        (&records[0]["recording"]["ended"], &records[1]["recording"]["segment_no"]),
        (&"length".into(), &2.into())
    );
    let length = crate::ms(&records[0]["duration_ms"]);
    assert!((60_000..62_000).contains(&length), "a minute, and up to the next key frame: {length} ms");
    assert_eq!(crate::gaps(&records[1], "between").len(), 0, "nothing is missing between the two");
    let pictures: Vec<_> = [&first, &second].map(|clip| decoded(&station, clip)).into_iter().collect();
    let station_ms: Vec<i64> = [&first, &second]
        .map(|c| station.one("SELECT station_ms FROM segment WHERE clip_id = ?1", &[c]).parse().unwrap())
        .to_vec();
    let apart = station_ms[1] - station_ms[0] - (pictures[0].times_ms.last().unwrap() - pictures[0].times_ms[0]);
    assert!((apart - crate::FRAME_MS).abs() <= crate::FRAME_MS, "the second begins with the next picture: {apart} ms");
}

/// A minute of the day that has not begun, as a timetable has it, and when it begins and ends.
fn minute_to_come() -> (String, i64, i64) {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let now_ms = evidock::runtime::clock::wall().0;
    // A busy machine takes its time to start the daemon.
    let begin_ms = (now_ms + 20_000).div_euclid(60_000) * 60_000 + 60_000;
    let time = |ms: i64| evidock::domain::time::UtcMs(ms).zoned(&zone).strftime("%H:%M").to_string();
    // The last minute of a day ends at 24:00.
    let end = Some(time(begin_ms + 60_000)).filter(|t| t != "00:00").unwrap_or_else(|| "24:00".to_owned());
    (format!("daily {}-{end}", time(begin_ms)), begin_ms, begin_ms + 60_000)
}

/// What the other room's only recording is: of that minute, and nothing of it is missing.
fn timetable_was_kept(station: &mut Station, begin_ms: i64, end_ms: i64) {
    let row = station.query("SELECT cause, begun_ms, ended_ms FROM recording WHERE stream = 'room-2'", &[]).remove(0);
    let ms: Vec<i64> = row[1..].iter().map(|n| n.parse().unwrap()).collect();
    assert_eq!(row[0], "schedule");
    assert!((0..3_000).contains(&(ms[0] - begin_ms)), "begun {} ms after its time", ms[0] - begin_ms);
    assert!((0..3_000).contains(&(ms[1] - end_ms)), "ended {} ms after its time", ms[1] - end_ms);
    let clips = segments(station, "room-2");
    assert_eq!(clips.len(), 1);
    let record = until_sealed(station, &clips[0]);
    assert_eq!((&record["recording"]["ended"], &record["recording"]["cause"]), (&"asked".into(), &"schedule".into()));
    let inside: Vec<_> = record["gaps"].as_array().unwrap().iter().filter(|g| g["kind"] != "start").collect();
    assert!(inside.is_empty(), "{inside:?}");
    // It begins with the first key frame after the worker has connected.
    let length = crate::ms(&record["duration_ms"]);
    assert!((45_000..62_000).contains(&length), "{length} ms");
    decoded(station, &clips[0]);
}

/// What Prometheus would read.
fn metrics(station: &Station) -> String {
    get(station, "/metrics")
}

/// An answer of the page, with its head.
fn get(station: &Station, path: &str) -> String {
    use std::io::{Read, Write};
    let host = station.page().trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(&host).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    text(&answer)
}

/// How a camera is, as programs read it: connected, bit rate, loss, last key frame, a still picture.
fn camera_is_well(station: &mut Station) {
    let room = |s: &Station| -> serde_json::Value {
        let answer = get(s, "/api/v1/rooms");
        let body = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        serde_json::from_str::<serde_json::Value>(body).unwrap()["rooms"][0].clone()
    };
    station.until("there is a still picture", |s| room(s)["still_at"].is_string());
    let now = room(station);
    assert_eq!((&now["state"], &now["lost"], &now["trouble"]), (&"recording".into(), &0.into(), &().into()), "{now}");
    assert!(now["bit_rate"].as_u64().unwrap() > 10_000 && now["packets"].as_u64().unwrap() > 0, "{now}");
    let key = now["key_frame_at"].as_str().and_then(evidock::domain::time::UtcMs::parse_rfc3339).expect("a key frame");
    let age = evidock::runtime::clock::wall().0 - key.0;
    assert!((0..10_000).contains(&age), "the last key frame came {age} ms ago");
    let still = get(station, "/rooms/room-1/still");
    assert!(still.starts_with("HTTP/1.1 200") && still.contains("image/jpeg"), "{}", &still[..200.min(still.len())]);
}

#[test]
fn a_schedule_begins_and_ends_by_itself_and_no_person_stops_it() {
    let _alone = alone();
    let cameras = Cameras::start(&["--running", "h264"]);
    let url = format!("rtsp://127.0.0.1:{}/h264", cameras.port);
    let scheduled = |window: &str| stream("room-1", &url, &format!("mode = \"schedule\"\nschedule = [\"{window}\"]"));
    let mut station = Station::running(&scheduled("mon-sun 00:00-24:00"));
    let clip = until_recorded(&mut station, "room-1", 2);
    assert_eq!(station.one("SELECT cause FROM recording", &[]), "schedule");
    let (_, words) = station.refused(1, ["record", "stop", "room-1"]);
    assert!(words.contains("by the configuration"), "{words}");
    station.stop();
    // A window of another day of the week: nobody wants it now.
    let now = jiff::Zoned::now().weekday().to_monday_zero_offset();
    let other = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(usize::try_from(now).unwrap() + 3) % 7];
    station.configure(&scheduled(&format!("{other} 08:00-09:00")));
    station.start();
    station
        .until("the schedule has ended it", |s| s.one("SELECT coalesce(ended, '') FROM recording", &[]) == "schedule");
    let record = until_sealed(&mut station, &clip);
    assert_eq!(record["recording"]["ended"], "stopped", "the station's stop came first");
    decoded(&station, &clip);
    // A person may still begin one, beside the schedule, and end it.
    station.json(["record", "start", "room-1", "--officer", "张三"]);
    until_recorded(&mut station, "room-1", 1);
    station.json(["record", "stop", "room-1"]);
    let second = segments(&station, "room-1").pop().unwrap();
    until_sealed(&mut station, &second);
    assert_eq!(station.one("SELECT count(*) FROM recording", &[]), "2");
}
