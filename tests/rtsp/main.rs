//! Live recording against real RTSP servers (`support/camera.py`): what is recorded plays in other tools, what goes wrong
//! on the way is told exactly once and with its true length, and nothing that came is lost by a kill.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

#[path = "../support/camera.rs"]
mod camera;
#[path = "../support/speaker.rs"]
mod speaker;
#[path = "../support/mod.rs"]
mod support;

mod linking;
mod power;
mod trouble;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use camera::Cameras;
use serde_json::Value;
use support::station::{Station, folder, text};

/// The case of every interview.
pub const CASE: &str = "赵卫罚〔2026〕12号";
/// Milliseconds of one picture.
pub const FRAME_MS: i64 = 40;

/// One at a time: a picture that comes late because another test encodes its own would be a gap that nobody injected.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream in the configuration; `more` are further lines.
pub fn stream(name: &str, url: &str, more: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nroom = \"询问室 {name}\"\nurl = \"{url}\"\n{more}\n")
}

/// Waits until a room is recorded and at least so many seconds of it are durable, in its newest segment.
pub fn until_recorded(station: &mut Station, name: &str, seconds: i64) -> String {
    // Of all segments the newest: the end of one is written a moment after the next has begun.
    let sql = "SELECT s.clip_id, s.length_ms >= ?2 AND s.ended IS NULL FROM segment s JOIN recording r USING (recording_id) WHERE r.stream = ?1 ORDER BY r.begun_ms DESC, s.segment_no DESC LIMIT 1";
    let mut clip = String::new();
    station.until(&format!("{seconds} s of {name} are recorded"), |s| {
        let rows = s.query(sql, &[&name, &(seconds * 1000)]);
        clip = rows.first().map(|r| r[0].clone()).unwrap_or_default();
        rows.first().is_some_and(|r| r[1] == "1")
    });
    clip
}

/// Waits until a clip is sealed, looked at and its record is up to date; gives the record.
pub fn until_sealed(station: &mut Station, clip: &str) -> Value {
    let sql = "SELECT 1 FROM clip c JOIN media m USING (clip_id) WHERE c.clip_id = ?1 AND c.local = 'sealed' AND c.record_stale = 0 AND c.record_rev > 0";
    station.until(&format!("{clip} is sealed"), |s| !s.query(sql, &[&clip]).is_empty());
    station.record(clip)
}

/// The clips of a stream in the order of their recordings and segments.
pub fn segments(station: &Station, name: &str) -> Vec<String> {
    let sql = "SELECT s.clip_id FROM segment s JOIN recording r USING (recording_id) WHERE r.stream = ?1 ORDER BY r.begun_ms, s.segment_no";
    station.query(sql, &[&name]).into_iter().map(|mut row| row.remove(0)).collect()
}

/// What another tool makes of a file: packets of its pictures, their times in milliseconds, and the codecs.
pub struct Seen {
    /// As ffprobe names them, in the order of the tracks.
    pub codecs: Vec<String>,
    /// Of the pictures.
    pub times_ms: Vec<i64>,
}

/// Decodes a file with ffmpeg, which must not complain, and reads its packets with ffprobe.
pub fn decoded(station: &Station, clip: &str) -> Seen {
    let file = station.in_vault(clip).expect("the clip's file");
    decodes(&file);
    seen(&file)
}

/// Decodes a file with ffmpeg, which must not complain.
pub fn decodes(file: &Path) {
    // By the times of the file: by those of an even rate, two pictures of a camera that stumbled would have the same one.
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-enc_time_base:v", "-1", "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "ffmpeg says of {}: {}", file.display(), text(&out.stderr));
}

/// Reads a file's packets with ffprobe.
pub fn seen(file: &Path) -> Seen {
    let probe = |args: &[&str]| {
        let out = Command::new("ffprobe").args(["-v", "error"]).args(args).arg(file).output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stdout)
    };
    let codecs = probe(&["-show_entries", "stream=codec_name", "-of", "csv=p=0"]);
    let times = probe(&["-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]);
    Seen {
        codecs: codecs.split_whitespace().map(|c| c.trim_end_matches(',').to_owned()).collect(),
        times_ms: times
            .split_whitespace()
            .map(|t| (t.trim_end_matches(',').parse::<f64>().unwrap() * 1000.0).round() as i64)
            .collect(),
    }
}

/// The gaps of a record of one kind.
pub fn gaps<'a>(record: &'a Value, kind: &str) -> Vec<&'a Value> {
    record["gaps"].as_array().unwrap().iter().filter(|g| g["kind"] == kind).collect()
}

/// A whole number of a record.
pub fn ms(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Every picture from the first to the last, none twice, none missing. Once, with the camera's first report of its
/// clock, the tracks are aligned, which moves one of them a little.
fn assert_unbroken(seen: &Seen) {
    let off = |pair: &&[i64]| (pair[1] - pair[0] - FRAME_MS).abs() > 2;
    let odd: Vec<_> = seen.times_ms.windows(2).filter(off).collect();
    assert!(odd.len() <= 1 && odd.iter().all(|p| (p[1] - p[0] - FRAME_MS).abs() < 100), "pictures at {odd:?} ms");
}

#[test]
fn every_encoding_is_kept_behind_a_password_and_plays_elsewhere() {
    let _alone = alone();
    let kinds = ["h264-aac", "h264-alaw", "h264-ulaw", "h265-aac", "h264-mute", "alaw"];
    let cameras = Cameras::start(&[&["--user", "evidock:geheim"], &kinds[..]].concat());
    let mut config = folder("second", "second");
    for kind in kinds {
        let url = format!("rtsp://127.0.0.1:{}/{kind}", cameras.port);
        config.push_str(&stream(kind, &url, "user = \"evidock\"\npassword_file = \"password\""));
    }
    let mut station = Station::new(&config);
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    station.start();
    for kind in kinds {
        station.json(["record", "start", kind, "--officer", "张三"]);
    }
    for kind in kinds {
        until_recorded(&mut station, kind, 3);
    }
    for kind in kinds {
        station.json(["record", "stop", kind]);
    }
    for (kind, codecs) in [
        ("h264-aac", &["h264", "aac"][..]),
        ("h264-alaw", &["h264", "pcm_alaw"]),
        ("h264-ulaw", &["h264", "pcm_mulaw"]),
        ("h265-aac", &["hevc", "aac"]),
        ("h264-mute", &["h264"]),
        ("alaw", &["pcm_alaw"]),
    ] {
        let clips = segments(&station, kind);
        assert_eq!(clips.len(), 1, "{kind}: one connection, one clip");
        let record = until_sealed(&mut station, &clips[0]);
        let seen = decoded(&station, &clips[0]);
        assert_eq!(seen.codecs, codecs, "{kind}");
        if kind != "alaw" {
            assert_unbroken(&seen);
            assert!(seen.times_ms.len() >= 75, "{kind}: {} pictures", seen.times_ms.len());
        }
        assert_eq!(record["media_health"], "whole", "{kind}: {record}");
        // The first worker of a station reads every plug-in, which takes it seconds.
        let inside = record["gaps"].as_array().unwrap().iter().filter(|g| g["kind"] != "start");
        assert_eq!(inside.count(), 0, "{kind}: {}", record["gaps"]);
        assert_eq!((&record["officer"], &record["recording"]["ended"]), (&"张三".into(), &"asked".into()), "{kind}");
        assert_eq!(record["recording"]["segment_no"], 1);
    }
    station.assert_vault_is_whole();
}

#[test]
fn metadata_of_a_camera_is_kept_document_by_document() {
    let _alone = alone();
    let camera = speaker::Speaker::live(90);
    let url = format!("rtsp://127.0.0.1:{}/live", camera.port);
    let mut station = Station::running(&stream("room-1", &url, ""));
    station.json(["record", "start", "room-1"]);
    let clip = until_recorded(&mut station, "room-1", 4);
    station.json(["record", "stop", "room-1"]);
    let record = until_sealed(&mut station, &clip);
    let bytes = std::fs::read(station.in_vault(&clip).unwrap()).unwrap();
    let place = |n: i64| {
        let document = speaker::document(n).into_bytes();
        let mut at = bytes.windows(document.len()).enumerate().filter(|(_, w)| *w == document).map(|(at, _)| at);
        (at.next(), at.next())
    };
    let places: Vec<_> = (0..60).map(place).collect();
    // It begins with whichever comes first while the recording is connected; from there on none is missing.
    let first = places.iter().position(|(at, _)| at.is_some()).expect("documents are in the clip");
    let kept: Vec<usize> = places[first..].iter().map_while(|(at, _)| *at).collect();
    assert!(kept.len() >= 6 && kept.is_sorted(), "{kept:?}");
    assert_eq!(places.iter().filter(|(at, _)| at.is_some()).count(), kept.len(), "none is missing in between");
    assert!(places.iter().all(|(_, again)| again.is_none()), "none stands there twice");
    assert_eq!(seen(&station.in_vault(&clip).unwrap()).codecs[0], "pcm_alaw");
    assert_eq!(record["recording"]["ended"], "asked");
}

#[test]
fn an_interview_is_recorded_for_its_case_linked_sent_and_proven() {
    let _alone = alone();
    let cameras = Cameras::start(&["h264-aac"]);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", cameras.port);
    let mut station = Station::running(&(folder("second", "second") + &stream("room-1", &url, "")));
    let (_, words) = station.refused(3, ["record", "start", "询问室 9"]);
    assert!(words.contains("询问室 room-1"), "{words}");
    let (_, words) = station.refused(3, ["record", "stop", "room-1"]);
    assert!(words.contains("not being recorded"), "{words}");

    let begun = station.json([
        "record",
        "start",
        "询问室 room-1",
        "--case",
        "赵卫罚[2026]12号",
        "--officer",
        "张三",
        "--co-officers",
        "李四",
        "--matter",
        "询问",
        "--proves",
        "询问的过程",
    ]);
    assert_eq!(begun["case_no"], CASE);
    let (_, words) = station.refused(1, ["record", "start", "room-1"]);
    assert!(words.contains("stop that recording first"), "{words}");
    let clip = until_recorded(&mut station, "room-1", 3);
    let rooms = station.json(["record", "list"]);
    assert_eq!(rooms["rooms"][0]["state"], "recording");
    assert_eq!(station.json(["record", "stop", "room-1"])["segments"], 1);
    until_sealed(&mut station, &clip);
    station.until_proven(1);

    let found = station.find(CASE);
    assert_eq!(found.len(), 1);
    let record = &found[0];
    assert_eq!(record["state"], "proven");
    assert_eq!(record["missing"], Value::Array(vec![]), "the recording said all five");
    for (field, value) in [
        ("case_no", CASE),
        ("officer", "张三"),
        ("co_officers", "李四"),
        ("place", "询问室 room-1"),
        ("matter", "询问"),
        ("proves", "询问的过程"),
        ("device_id", "room-1"),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!(record["origins"]["captured_start"]["origin"], "recording");
    assert_eq!(record["cases"][0]["origin"], "recording");
    assert!(record["recording"]["source_start"].is_string(), "the camera tells its clock: {record}");
    let offset = ms(&record["clock_offset_ms"]);
    assert!(offset.abs() < 1_500, "both clocks are this machine's: {offset} ms");
    let length = ms(&record["duration_ms"]);
    assert!(length >= 3_000, "{length}");
    assert_unbroken(&decoded(&station, &clip));

    let log = station.query("SELECT kind FROM log_entry WHERE kind LIKE 'recording.%' ORDER BY seq", &[]);
    let kinds: Vec<&str> = log.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(kinds, ["recording.begun", "recording.segment", "recording.ended", "recording.segment_ended"]);
    station.stop();
}

#[test]
fn certificates_count_as_configured() {
    let _alone = alone();
    let ours = rcgen::generate_simple_self_signed(["camera.test".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, ours.cert.pem()).unwrap();
    std::fs::write(&key, ours.signing_key.serialize_pem()).unwrap();
    let cameras = Cameras::start(&["--tls", cert.to_str().unwrap(), key.to_str().unwrap(), "h264"]);
    let url = format!("rtsps://127.0.0.1:{}/h264", cameras.port);
    let pin = support::sha256(ours.cert.der()).to_string();
    let station = Station::new("");
    let trial = |more: &[&str]| {
        let out = station.evidock(["stream", "test", &url, "--seconds", "1", "--json"].iter().chain(more));
        (out.status.code(), serde_json::from_slice::<Value>(&out.stdout).unwrap_or_default(), text(&out.stderr))
    };
    let (code, found, said) = trial(&["--certificate-sha256", &pin]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((&found["usable"], &found["tracks"][0]["encoding"]), (&true.into(), &"H264".into()));
    let (code, found, _) = trial(&["--certificate-sha256", &"ab".repeat(32)]);
    assert_eq!((code, &found["usable"]), (Some(1), &false.into()), "another certificate");
    let (code, ..) = trial(&[]);
    assert_eq!(code, Some(1), "nobody vouches for it");
}

#[test]
fn the_authority_that_is_configured_counts_and_no_other() {
    let _alone = alone();
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, other) = (authority("agency"), authority("somebody else"));
    let dir = tempfile::tempdir().unwrap();
    let written = |name: &str, pem: String| {
        std::fs::write(dir.path().join(name), pem).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let (ours_file, other_file) = (written("ours.pem", ours.pem()), written("other.pem", other.pem()));
    let serving = |n: u32, name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
        let (cert, key) = (written(&format!("{n}.crt"), cert.pem()), written(&format!("{n}.key"), key.serialize_pem()));
        Cameras::start(&["--tls", &cert, &key, "h264"])
    };
    let (right, misnamed) = (serving(1, "127.0.0.1"), serving(2, "camera.test"));
    let station = Station::new("");
    let trial = |cameras: &Cameras, authority: &str| {
        let url = format!("rtsps://127.0.0.1:{}/h264", cameras.port);
        let out = station.evidock(["stream", "test", &url, "--seconds", "1", "--ca-file", authority, "--json"]);
        (out.status.code(), serde_json::from_slice::<Value>(&out.stdout).unwrap_or_default(), text(&out.stderr))
    };
    let (code, found, said) = trial(&right, &ours_file);
    assert_eq!((code, &found["usable"]), (Some(0), &true.into()), "{said} {found}");
    let (code, found, _) = trial(&right, &other_file);
    assert_eq!((code, &found["usable"]), (Some(1), &false.into()), "another authority: {found}");
    let (code, found, _) = trial(&misnamed, &ours_file);
    assert_eq!((code, &found["usable"]), (Some(1), &false.into()), "the right authority, another name: {found}");
    // The same through a recording: nothing is recorded of a camera for which nobody vouches.
    let url = format!("rtsps://127.0.0.1:{}/h264", right.port);
    let always = |authority: &str| stream("room-1", &url, &format!("mode = \"always\"\nca_file = {authority:?}"));
    let mut station = Station::running(&always(&other_file));
    station.until("the room says why it waits", |s| s.json(["record", "list"])["rooms"][0]["state"] == "waiting");
    assert!(segments(&station, "room-1").is_empty());
    station.stop();
    station.configure(&always(&ours_file));
    station.start();
    until_recorded(&mut station, "room-1", 1);
}

#[test]
fn a_trial_says_what_is_wrong_before_anything_relies_on_it() {
    let _alone = alone();
    let cameras = Cameras::start(&["--user", "evidock:geheim", "h264-aac", "vp8"]);
    let station = Station::new("");
    let password = |name: &str, word: &str| {
        std::fs::write(station.path(name), word).unwrap();
        station.path(name).to_str().unwrap().to_owned()
    };
    let (right, wrong) = (password("right", "geheim"), password("wrong", "other"));
    let trial = |path: &str, password: &str, more: &[&str]| {
        let url = format!("rtsp://127.0.0.1:{}/{path}", cameras.port);
        let args =
            ["stream", "test", &url, "--seconds", "4", "--user", "evidock", "--password-file", password, "--json"];
        let out = station.evidock(args.iter().chain(more));
        (out.status.code(), serde_json::from_slice::<Value>(&out.stdout).unwrap_or_default(), text(&out.stderr))
    };
    let (code, found, said) = trial("h264-aac", &right, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((ms(&found["width"]), ms(&found["height"]), ms(&found["lost"])), (320, 180, 0));
    assert!((ms(&found["key_frame_every_ms"]) - 1000).abs() <= 20, "{found}");
    assert!(ms(&found["bit_rate"]) > 10_000, "{found}");
    assert_eq!(found["not_in_force"], Value::Array(vec![]), "the worker's sandbox stands");
    let (code, found, said) = trial("h264-aac", &right, &["--udp"]);
    assert_eq!((code, ms(&found["lost"])), (Some(0), 0), "{said}");
    let (code, found, said) = trial("h264-aac", &wrong, &[]);
    assert_eq!(code, Some(1));
    assert!(found["trouble"].as_str().unwrap().contains("Unauthorized"), "{found} {said}");
    let (code, found, _) = trial("nothing", &right, &[]);
    assert_eq!(code, Some(1));
    assert!(found["trouble"].as_str().unwrap().contains("Not Found"), "{found}");
    let (code, found, _) = trial("vp8", &right, &[]);
    assert_eq!((code, &found["tracks"][0]["recorded"]), (Some(1), &false.into()), "{found}");
    let (code, _, said) = station_usage(&station);
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains("geheim"), "a password in an address is not repeated: {said}");
}

fn station_usage(station: &Station) -> (Option<i32>, String, String) {
    let out = station.evidock(["stream", "test", "rtsp://evidock:geheim@127.0.0.1/x"]);
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}
